import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Defaults from "../src/Defaults.ts"
import * as HandlerFailure from "../src/HandlerFailure.ts"
import * as QueueError from "../src/QueueError.ts"
import { units } from "./support/arbitraries.ts"

class Tagged extends Data.TaggedError("Tagged")<{ readonly message: string }> {}

const limit = Defaults.deadLetterDescriptionLengthMax

describe("HandlerFailure", () => {
  it("R5.2 Permanent is permanent, an error, and says its description or its reason", () => {
    const plain = new HandlerFailure.Permanent({ reason: "UnknownEvent" })
    const said = new HandlerFailure.Permanent({ reason: "UnknownEvent", description: "no handler" })
    assert.instanceOf(plain, Error)
    assert.strictEqual(plain.retry, "Never")
    assert.strictEqual(plain.message, "UnknownEvent")
    assert.strictEqual(said.message, "no handler")
    assert.isTrue(HandlerFailure.isPermanent(plain))
    // What was thrown instead would be tried again.
    const unsaid = new HandlerFailure.Permanent({ reason: "UnknownEvent", description: undefined })
    assert.strictEqual(unsaid.message, "UnknownEvent")
  })

  it.effect("R5.2 Permanent is caught by its tag", () =>
    Effect.gen(function* () {
      const failing = Effect.fail(new HandlerFailure.Permanent({ reason: "Unknown" }))
      const caught = Effect.catchTag(failing, "Permanent", ({ reason }) => Effect.succeed(reason))
      assert.strictEqual(yield* caught, "Unknown")
    })
  )

  it("R2.2 an error that carries retry is judged by it, any other is worth another try", () => {
    const transient = QueueError.make(new QueueError.Throttled())
    const never = QueueError.make(new QueueError.ReceiptExpired())
    assert.isTrue(HandlerFailure.isPermanent(never))
    assert.isFalse(HandlerFailure.isPermanent(transient))
    assert.isFalse(HandlerFailure.isPermanent(QueueError.exhausted(transient)))
    assert.isTrue(HandlerFailure.isPermanent({ retry: "Never" }))
    for (const other of [new Error("x"), { retry: true }, {}, "Never", null, undefined, 7]) {
      assert.isFalse(HandlerFailure.isPermanent(other))
    }
  })

  it.each([
    [new HandlerFailure.Permanent({ reason: "R", description: "d" }), "R", "d"],
    [new HandlerFailure.Permanent({ reason: "R" }), "R", "R"],
    [
      QueueError.make(new QueueError.QueueNotFound({ queue: "q" }), { operation: "send" }),
      "QueueNotFound",
      'queue "q" does not exist; create it first, the runtime makes none'
    ],
    [new Tagged({ message: "it broke" }), "Tagged", "it broke"],
    [{ _tag: "Plain" }, "Plain", "Plain"],
    [{ _tag: 7, message: 8 }, "object", "object"],
    [new RangeError("out of range"), "RangeError", "out of range"],
    ["a string", "string", "a string"],
    [42, "number", "number"],
    [undefined, "undefined", "undefined"],
    [null, "object", "object"]
  ] as const)(
    "R5.2 a dead letter has the tag and the message of the error: %s",
    (error, reason, description) => {
      assert.deepStrictEqual(HandlerFailure.describe(error), { reason, description })
    }
  )

  it("R5.2 R10.5 a description in one line says a reason without a text once", () => {
    const line = (error: unknown) => HandlerFailure.format(HandlerFailure.describe(error))
    assert.strictEqual(line(new HandlerFailure.Permanent({ reason: "R" })), "R")
    const said = new HandlerFailure.Permanent({ reason: "R", description: "d" })
    assert.strictEqual(line(said), "R: d")
    assert.strictEqual(line({ _tag: "Plain" }), "Plain")
    assert.strictEqual(line(new Tagged({ message: "it broke" })), "Tagged: it broke")
  })

  it("R2.3 R7.2 no secret is put into a dead letter, neither in its reason nor in its description", () => {
    const secret = "SharedAccessKey=c2VjcmV0c2VjcmV0"
    const named = Object.assign(new Error(`refused ${secret}`), { name: `Bad ${secret}` })
    const said = new HandlerFailure.Permanent({ reason: `R ${secret}`, description: secret })
    for (const error of [named, said, `thrown ${secret}`]) {
      const { reason, description } = HandlerFailure.describe(error)
      assert.notInclude(reason + description, "c2VjcmV0")
      assert.include(description, "SharedAccessKey=<redacted>")
    }
  })

  it("R7.2 both are cut to what the brokers take", () => {
    const long = "x".repeat(limit + 1)
    const { reason, description } = HandlerFailure.describe(
      new HandlerFailure.Permanent({ reason: long, description: long })
    )
    assert.strictEqual(reason.length, limit)
    assert.strictEqual(description.length, limit)
    const exact = HandlerFailure.describe(new Error("y".repeat(limit)))
    assert.strictEqual(exact.description, "y".repeat(limit))
  })

  it("R7.2 a secret that the cut goes through is redacted first", () => {
    const { description } = HandlerFailure.describe(
      `${"x".repeat(limit - 20)} SharedAccessKey=c2VjcmV0c2VjcmV0`
    )
    assert.notInclude(description, "c2Vj")
  })

  it.effect.prop(
    "R1.5 whatever was thrown, both can be sent: well-formed and short enough",
    { message: units, pad: Schema.Literals([0, limit - 3, limit - 2, limit - 1, limit]) },
    ({ message, pad }) =>
      Effect.sync(() => {
        const text = "x".repeat(pad) + message
        const failure = new HandlerFailure.Permanent({ reason: text, description: text })
        for (const one of Object.values(HandlerFailure.describe(failure))) {
          assert.isTrue(one.isWellFormed())
          assert.isAtMost(one.length, limit)
        }
      }),
    { arbitrary: { runs: 200 } }
  )
})

describe("HandlerFailure: what is known beside the reason", () => {
  const failure = new HandlerFailure.Permanent({ reason: "UnknownEvent" })

  it("R7.2 the type of the error, and who put it aside", () => {
    assert.deepStrictEqual(HandlerFailure.details(failure), { errorType: "Permanent" })
    const origin = { service: "bot", version: "1", environment: "test", tags: { team: "a" } }
    const of = (error: unknown) => HandlerFailure.details(error, origin)
    assert.deepStrictEqual(of(new TypeError("x")), { errorType: "TypeError", ...origin })
    assert.deepStrictEqual(of("text"), { errorType: "string", ...origin })
  })

  it("R7.2 R2.3 a stack only if asked for, cut, and without secrets", () => {
    const error = new Error("password=hunter2-secret")
    assert.isUndefined(HandlerFailure.details(error, {}).stack)
    const { stack } = HandlerFailure.details(error, { stack: true })
    assert.match(stack ?? "", /HandlerFailure\.test/u)
    assert.notInclude(stack ?? "", "hunter2")
    error.stack = "x".repeat(10_000)
    const cut = HandlerFailure.details(error, { stack: true }).stack
    assert.strictEqual(cut?.length, Defaults.deadLetterStackLengthMax)
    assert.isUndefined(HandlerFailure.details("no error", { stack: true }).stack)
    delete error.stack
    assert.isUndefined(HandlerFailure.details(error, { stack: true }).stack)
  })

  it.effect("R7.2 an origin that is too much for the brokers is refused by its field", () =>
    Effect.gen(function* () {
      const long = "x".repeat(Defaults.deadLetterDetailLengthMax + 1)
      const tags = Object.fromEntries(
        Array.from({ length: Defaults.deadLetterTagsMax + 1 }, (_, index) => [`t-${index}`, ""])
      )
      for (const [origin, field] of [
        [{ service: long }, "origin.service"],
        [{ version: long }, "origin.version"],
        [{ environment: long }, "origin.environment"],
        [{ tags: { team: long } }, "origin.tags.team"],
        [{ tags: { [long]: "" } }, `origin.tags.${long}`],
        [{ tags }, "origin.tags"]
      ] as const) {
        const error = yield* Effect.flip(HandlerFailure.origin(origin))
        assert.include(error.message, `ValidationFailed: ${field}: `)
      }
      const fine = { service: "bot", tags: { team: "a" } }
      assert.deepStrictEqual(yield* HandlerFailure.origin(fine), fine)
    })
  )
})
