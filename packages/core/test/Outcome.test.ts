import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Outcome from "../src/Outcome.ts"
import * as QueueError from "../src/QueueError.ts"

const errors = {
  Never: QueueError.make(new QueueError.ReceiptExpired()),
  Transient: QueueError.make(new QueueError.Throttled()),
  Exhausted: QueueError.exhausted(QueueError.make(new QueueError.ConnectionFailed({})))
}

const kind = Schema.Literals(["ok", "Never", "Transient", "Exhausted"])

const outcomeOf = (value: typeof kind.Type, index: number): Outcome.Outcome<number> =>
  value === "ok" ? Result.succeed(index) : Result.fail(errors[value])

const kinds = Arbitrary.array(Arbitrary.schema(kind), { minLength: 0, maxLength: 8 })

describe("Outcome", () => {
  it("R3.9 failures are those of the batch, in its order", () => {
    const outcomes = [outcomeOf("Never", 0), outcomeOf("ok", 1), outcomeOf("Transient", 2)]
    assert.deepStrictEqual(Outcome.failures(outcomes), [errors.Never, errors.Transient])
    assert.deepStrictEqual(Outcome.failures([]), [])
  })

  it.effect("R3.9 all successes are their values, in order", () =>
    Effect.gen(function* () {
      const outcomes = [Result.succeed("a"), Result.succeed("b")]
      assert.deepStrictEqual(yield* Outcome.all(outcomes), ["a", "b"])
      assert.deepStrictEqual(yield* Outcome.all([]), [])
    })
  )

  it.effect("R2.1 of a batch of one the error itself", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Outcome.all([outcomeOf("Transient", 0)]))
      assert.strictEqual(error, errors.Transient)
    })
  )

  it.effect("R2.1 a batch says which indices failed, and why", () =>
    Effect.gen(function* () {
      const outcomes = [outcomeOf("ok", 0), outcomeOf("Never", 1), outcomeOf("Transient", 2)]
      const error = yield* Effect.flip(Outcome.all(outcomes))
      const of = (index: number, { reason, retry }: QueueError.QueueError) => ({
        index,
        reason: reason._tag,
        message: reason.message,
        retry
      })
      const failures = [of(1, errors.Never), of(2, errors.Transient)]
      assert.deepStrictEqual(
        error.reason,
        new QueueError.BatchPartiallyFailed({ size: 3, failures })
      )
    })
  )

  it.effect.prop(
    "R2.2 laws of all: succeeds without failures; each failure by its index; Never wins, then Exhausted",
    { kinds },
    Effect.fnUntraced(function* ({ kinds: chosen }) {
      const outcomes = chosen.map(outcomeOf)
      const failed = chosen.flatMap((value, index) => (value === "ok" ? [] : [{ value, index }]))
      const exit = yield* Effect.exit(Outcome.all(outcomes))
      if (failed.length === 0) {
        assert.deepStrictEqual(exit, Exit.succeed(chosen.map((_, index) => index)))
        return
      }
      const error = yield* Effect.flip(Outcome.all(outcomes))
      if (chosen.length === 1) {
        assert.strictEqual(error, Outcome.failures(outcomes)[0])
        return
      }
      if (error.reason._tag !== "BatchPartiallyFailed") return assert.fail(error.message)
      assert.strictEqual(error.reason.size, chosen.length)
      const told = error.reason.failures.map(({ index, retry }) => ({ value: retry, index }))
      assert.deepStrictEqual(told, failed)
      const states = new Set(failed.map(({ value }) => value))
      const rest = states.has("Exhausted") ? "Exhausted" : "Transient"
      assert.strictEqual(error.retry, states.has("Never") ? "Never" : rest)
    }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("R3.9 single is the outcome of a batch of one", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* Outcome.single([outcomeOf("ok", 7)]), 7)
      const failed = Outcome.single([outcomeOf("Never", 0)])
      assert.strictEqual(yield* Effect.flip(failed), errors.Never)
    })
  )

  it.effect("R2.3 a provider that answers no outcome is a defect, not a success", () =>
    Effect.gen(function* () {
      const exit = yield* Effect.exit(Outcome.single([]))
      if (Exit.isSuccess(exit)) return assert.fail("it succeeded")
      assert.isTrue(Cause.hasDies(exit.cause))
      assert.include(Cause.pretty(exit.cause), "the provider answered no outcome")
    })
  )

  it.effect("R2.2 a batch is worth trying again when its slowest failure is", () =>
    Effect.gen(function* () {
      const throttled = (seconds?: number) =>
        Result.fail(
          QueueError.make(
            new QueueError.Throttled(),
            seconds === undefined ? {} : { retryAfter: Duration.seconds(seconds) }
          )
        )
      const waits = [
        [[throttled(2), throttled(), throttled(7), throttled(3)], Duration.seconds(7)],
        [[throttled(), throttled()], undefined]
      ] as const
      for (const [outcomes, expected] of waits) {
        const error = yield* Effect.flip(Outcome.all(outcomes))
        assert.deepStrictEqual(error.retryAfter, expected)
        assert.strictEqual(error.retry, "Transient")
      }
    })
  )
})
