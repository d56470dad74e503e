import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Check from "../src/Check.ts"
import * as QueueError from "../src/QueueError.ts"
import { untyped } from "./support/untyped.ts"

const failed = (problem: string) => new QueueError.ValidationFailed({ field: "max", problem })

describe("Check", () => {
  it.effect("R10.1 a whole number of at least the minimum", () =>
    Effect.gen(function* () {
      for (const value of [1, 2, Number.MAX_SAFE_INTEGER]) {
        assert.strictEqual(yield* Check.wholeNumber("max", value, 1), value)
      }
      const bad = [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, untyped("1")]
      for (const value of bad) {
        const error = yield* Effect.flip(Check.wholeNumber("max", value, 1))
        assert.deepStrictEqual(error.reason, failed("must be a whole number of at least 1"))
      }
    })
  )

  it.effect("R10.1 a duration that ends and is not negative", () =>
    Effect.gen(function* () {
      const good = [0, 5, "30 seconds", Duration.zero, Duration.nanos(1n), 7n] as const
      for (const value of good) {
        const expected = Duration.fromInputUnsafe(value)
        assert.deepStrictEqual(yield* Check.duration("max", value), expected)
      }
      const bad = [-1, "-1 seconds", Duration.infinity, Duration.seconds(-1), Number.NaN] as const
      const unknown = [untyped("abc"), untyped(undefined), untyped(null)]
      for (const value of [...bad, ...unknown]) {
        const error = yield* Effect.flip(Check.duration("max", value))
        const rule = "must be a finite duration of zero or more, such as 30 seconds"
        assert.deepStrictEqual(error.reason, failed(rule))
      }
    })
  )

  it.effect("R10.1 a duration of at least a minimum, which the error names", () =>
    Effect.gen(function* () {
      const minute = Duration.minutes(1)
      assert.deepStrictEqual(yield* Check.duration("pause", 60_000, minute), minute)
      const error = yield* Effect.flip(Check.duration("pause", 59_999, minute))
      assert.strictEqual(
        error.message,
        "ValidationFailed: pause: must be a finite duration of 1m or more, such as 30 seconds"
      )
    })
  )
})
