import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import { textOf } from "./support/arbitraries.ts"
import { untyped } from "./support/untyped.ts"

const characters = "must have 1–260 characters of ASCII letters, digits, - and _"

const problemOf = (value: string) =>
  Effect.map(Effect.flip(QueueName.make(value)), (error) => error.reason)

const failed = (problem: string) => new QueueError.ValidationFailed({ field: "queueName", problem })

describe("QueueName", () => {
  it.effect.each(["o", "orders", "Orders_2", "a-b-c", "_", "_-_", "7", "a".repeat(260)])(
    "R1.1 a name by the rule is one: %s",
    Effect.fnUntraced(function* (value) {
      assert.strictEqual(yield* QueueName.make(value), value)
      assert.strictEqual(QueueName.makeUnsafe(value), value)
      assert.isTrue(QueueName.is(value))
      assert.strictEqual(yield* Schema.decodeEffect(QueueName.QueueName)(value), value)
    })
  )

  it.effect.each([
    ["", `${characters}; got 0 characters`],
    ["a".repeat(261), `${characters}; got 261 characters`],
    ["or ders", `${characters}; got U+0020 at index 2`],
    ["orders.v2", `${characters}; got U+002E at index 6`],
    ["a/b", `${characters}; got U+002F at index 1`],
    ["größe", `${characters}; got U+00F6 at index 2`],
    ["a\u0000", `${characters}; got U+0000 at index 1`],
    ["a😀", `${characters}; got U+D83D at index 1`],
    ["-orders", "must not begin or end with -"],
    ["orders-", "must not begin or end with -"],
    ["-", "must not begin or end with -"],
    ["or--ders", "must not contain --"]
  ] as const)(
    "R1.1 a bad name is refused with the field and the rule: %s",
    Effect.fnUntraced(function* ([value, problem]) {
      const reason = yield* problemOf(value)
      assert.deepStrictEqual(reason, failed(problem))
      assert.isFalse(QueueName.is(value))
      const decoded = yield* Effect.flip(Schema.decodeEffect(QueueName.QueueName)(value))
      assert.include(decoded.message, problem)
    })
  )

  it("R1.1 makeUnsafe throws the same typed error", () => {
    try {
      QueueName.makeUnsafe("-orders")
    } catch (error) {
      assert.instanceOf(error, QueueError.QueueError)
      assert.deepStrictEqual(error.reason, failed("must not begin or end with -"))
      assert.strictEqual(error.retry, "Never")
      return
    }
    assert.fail("it did not throw")
  })

  it.effect.each([undefined, null, 7, {}, ["orders"], Symbol.iterator])(
    "R1.1 what is no string is refused, not a crash: %s",
    Effect.fnUntraced(function* (value) {
      const reason = yield* problemOf(untyped(value))
      assert.deepStrictEqual(reason, failed(`must be a string; got ${typeof value}`))
      assert.isFalse(QueueName.is(value))
    })
  )

  it.effect.prop(
    "R1.1 valid if and only if the rule says so",
    { value: textOf("aZ09_-- .é", 8) },
    Effect.fnUntraced(function* ({ value }) {
      const valid = /^(?!-)(?!.*--)[A-Za-z0-9_-]{1,260}(?<!-)$/u.test(value)
      const result = yield* Effect.option(QueueName.make(value))
      assert.strictEqual(result._tag === "Some", valid)
      assert.strictEqual(QueueName.is(value), valid)
      assert.strictEqual(Schema.is(QueueName.QueueName)(value), valid)
    }),
    { arbitrary: { runs: 500 } }
  )
})
