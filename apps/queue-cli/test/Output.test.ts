import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as Confirm from "../src/Confirm.ts"
import * as Output from "../src/Output.ts"
import * as Progress from "../src/Progress.ts"
import { captured } from "./support/captured.ts"
import * as NodeServices from "@effect/platform-node/NodeServices"

/** At a terminal. */
const attached = (over: Partial<Output.Surroundings> = {}) =>
  captured({
    isInputTerminal: true,
    isOutputTerminal: true,
    isErrorTerminal: true,
    columns: 80,
    ...over
  })

describe("Output", () => {
  it("a terminal gets tables, anything else JSON, and --json and --no-json choose", () => {
    const { surroundings } = attached()
    const piped = { ...surroundings, isOutputTerminal: false }
    assert.isFalse(Output.make(surroundings).isJson)
    assert.isTrue(Output.make(piped).isJson)
    assert.isTrue(Output.make(surroundings, { json: true }).isJson)
    assert.isFalse(Output.make(piped, { json: false }).isJson)
  })

  it("asks only who can answer, and draws only where it is seen", () => {
    const { surroundings } = attached()
    assert.isTrue(Output.make(surroundings).canAsk)
    assert.isFalse(Output.make({ ...surroundings, isInputTerminal: false }).canAsk)
    assert.isFalse(Output.make({ ...surroundings, isErrorTerminal: false }).canAsk)
    assert.isTrue(Output.make(surroundings).canDraw)
    assert.isFalse(Output.make({ ...surroundings, environment: { TERM: "dumb" } }).canDraw)
  })

  it.effect("results go to the standard output, words for people to the standard error", () =>
    Effect.gen(function* () {
      const { surroundings, written } = attached()
      const tables = Output.make(surroundings, { json: false })
      yield* tables.result({ a: 1 }, () => "one")
      yield* tables.rows([1, 2], String, [{ heading: "N" }], (n) => [String(n)])
      yield* tables.say("hello")
      assert.include(written.output, "one\n")
      assert.match(written.output, /N.*\n1\n2\n$/u)
      assert.strictEqual(written.error, "hello\n")
    })
  )

  it.effect("a value as JSON is a line, and a row a line each; numbers too big are text", () =>
    Effect.gen(function* () {
      const { surroundings, written } = attached({ isOutputTerminal: false })
      const json = Output.make(surroundings)
      yield* json.result({ n: 2n ** 64n }, () => "never")
      yield* json.rows(
        [1, 2],
        (n) => ({ n }),
        [],
        () => []
      )
      assert.strictEqual(written.output, '{"n":"18446744073709551616"}\n{"n":1}\n{"n":2}\n')
    })
  )
})

describe("Progress", () => {
  it("shows how much is done, how much failed and how fast", () => {
    const { render } = Progress
    assert.strictEqual(
      render("replaying", { done: 2, total: 4 }, 2_000),
      "replaying ████████████░░░░░░░░░░░░ 2/4 50 % 1/s"
    )
    assert.strictEqual(
      render("x", { done: 3, failed: 1, total: 4 }, 0),
      `x ${"█".repeat(24)} 4/4 100 % 1 failed`
    )
    assert.strictEqual(render("x", { done: 5 }, 1_000), "x 5 5/s")
    assert.strictEqual(render("x", { done: 9, total: 4 }, 0), `x ${"█".repeat(24)} 9/4 100 %`)
  })

  it.effect("is drawn over itself, not more often than eyes see, and goes in the end", () =>
    Effect.gen(function* () {
      const { surroundings, written } = attached()
      const bar = Effect.gen(function* () {
        const show = yield* Progress.make("sending")
        yield* show({ done: 1 })
        yield* show({ done: 2 })
        yield* TestClock.adjust("1 second")
        yield* show({ done: 3 })
      })
      yield* Effect.scoped(Effect.provideService(bar, Output.Output, Output.make(surroundings)))
      assert.strictEqual(written.error, "\r\u001B[2Ksending 1\r\u001B[2Ksending 3 3/s\r\u001B[2K")
    })
  )

  it.effect("draws nothing where nobody sees it", () =>
    Effect.gen(function* () {
      const { surroundings, written } = attached({ isErrorTerminal: false })
      const bar = Effect.flatMap(Progress.make("sending"), (show) => show({ done: 1 }))
      yield* Effect.scoped(Effect.provideService(bar, Output.Output, Output.make(surroundings)))
      assert.strictEqual(written.error, "")
    })
  )
})

describe("Confirm", () => {
  const ask = (yes: boolean) => {
    const { surroundings } = attached({ isInputTerminal: false })
    return Confirm.confirm("Remove it?", { yes }).pipe(
      Effect.provideService(Output.Output, Output.make(surroundings)),
      Effect.provide(NodeServices.layer)
    )
  }

  it.effect("--yes is an answer, and nobody there is a no", () =>
    Effect.gen(function* () {
      yield* ask(true)
      const failure = yield* Effect.flip(ask(false))
      assert(failure._tag === "Failure")
      assert.strictEqual(failure.code, "refused")
      assert.match(failure.hint ?? "", /--yes/u)
    })
  )
})
