import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as settings from "../../src/internal/settings.ts"

describe("settings", () => {
  it.effect("a duration of at least the minimum passes", () =>
    Effect.gen(function* () {
      const minute = Duration.minutes(1)
      assert.deepStrictEqual(yield* settings.duration("pause", "1 minute", minute), minute)
      assert.deepStrictEqual(yield* settings.duration("pause", 60_000, minute), minute)
    })
  )

  it.effect("a duration below it, without an end or without sense is ValidationFailed", () =>
    Effect.gen(function* () {
      const minute = Duration.minutes(1)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- callers without types exist
      const senseless = "soon" as never
      for (const input of [59_999, -1, Infinity, Number.NaN, senseless]) {
        const error = yield* Effect.flip(settings.duration("pause", input, minute))
        assert.strictEqual(
          error.message,
          "ValidationFailed: pause: must be a finite duration of at least 1m"
        )
      }
    })
  )

  it.effect("a count is a whole number of at least 1", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* settings.count("max", 1), 1)
      for (const value of [0, -1, 1.5, Infinity, Number.NaN]) {
        const error = yield* Effect.flip(settings.count("max", value))
        assert.strictEqual(
          error.message,
          "ValidationFailed: max: must be a whole number of at least 1"
        )
      }
    })
  )
})
