import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as Backoff from "../src/Backoff.ts"
import * as Defaults from "../src/Defaults.ts"

const after = (backoff: Backoff.Backoff, failures: number, random = 0.5) =>
  backoff(failures).pipe(
    Effect.map(Duration.toMillis),
    Effect.provideService(Random.Random, {
      nextIntUnsafe: () => 0,
      nextDoubleUnsafe: () => random
    })
  )

const series = (backoff: Backoff.Backoff, random?: number) =>
  Effect.forEach([1, 2, 3, 4, 5, 6, 7], (failures) => after(backoff, failures, random))

const { exponential, fixed, linear } = Backoff
const kinds = { exponential, fixed, linear }

const nearlyOne = 1 - 2 ** -53

const integer = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

describe("Backoff", () => {
  it.effect("R6.1 exponential doubles from a second to the ceiling of 30", () =>
    Effect.gen(function* () {
      const expected = [1_000, 2_000, 4_000, 8_000, 16_000, 30_000, 30_000]
      assert.deepStrictEqual(yield* series(Backoff.exponential()), expected)
      assert.deepStrictEqual(yield* series(Backoff.exponential({ jitter: 0 }), 0), expected)
    })
  )

  it.effect("R6.1 exponential with settings of its own", () =>
    Effect.gen(function* () {
      const options = { initial: "10 millis", max: "1 second", factor: 3, jitter: 0 } as const
      const expected = [10, 30, 90, 270, 810, 1_000, 1_000]
      assert.deepStrictEqual(yield* series(Backoff.exponential(options)), expected)
    })
  )

  it.effect("R6.1 linear grows by the first delay", () =>
    Effect.gen(function* () {
      const expected = [1_000, 2_000, 3_000, 4_000, 5_000, 6_000, 7_000]
      assert.deepStrictEqual(yield* series(Backoff.linear()), expected)
      const short = Backoff.linear({ initial: "10 seconds" })
      assert.deepStrictEqual((yield* series(short)).slice(0, 4), [10_000, 20_000, 30_000, 30_000])
    })
  )

  it.effect("R6.1 fixed stays, and none is at once", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(new Set(yield* series(Backoff.fixed())), new Set([1_000]))
      const own = Backoff.fixed({ initial: "5 seconds" })
      assert.deepStrictEqual(new Set(yield* series(own)), new Set([5_000]))
      assert.deepStrictEqual(new Set(yield* series(Backoff.none)), new Set([0]))
    })
  )

  it.effect("R6.1 jitter is 20 % either way, and never lifts a delay over the ceiling", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* after(Backoff.exponential(), 1, 0), 800)
      assert.strictEqual(yield* after(Backoff.exponential(), 1, nearlyOne), 1_200)
      assert.strictEqual(yield* after(Backoff.linear(), 4, 0.25), 3_600)
      assert.strictEqual(yield* after(Backoff.exponential(), 6, nearlyOne), 30_000)
      assert.strictEqual(yield* after(Backoff.exponential(), 6, 0), 25_600)
      assert.strictEqual(yield* after(Backoff.fixed({ jitter: 1 }), 1, 0), 0)
    })
  )

  it.effect("R6.1 any number of failures has a delay: the ceiling", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* after(Backoff.exponential(), 100_000), 30_000)
      assert.strictEqual(yield* after(Backoff.exponential({ initial: 0 }), 100_000), 0)
    })
  )

  it.effect.prop(
    "R6.1 a delay is within the jitter of the computed one, above zero and under the ceiling",
    {
      kind: Schema.Literals(["exponential", "linear", "fixed"]),
      initial: integer(0, 60_000),
      max: integer(0, 120_000),
      percent: integer(0, 100),
      failures: integer(1, 60)
    },
    Effect.fnUntraced(function* ({ kind, initial, max, percent, failures }) {
      const jitter = percent / 100
      const options = { initial: Duration.millis(initial), max: Duration.millis(max), jitter }
      const factor = { exponential: 2 ** (failures - 1), linear: failures, fixed: 1 }[kind]
      const delay = Duration.toMillis(yield* kinds[kind](options)(failures))
      assert.isAtLeast(delay, Math.min(max, Math.floor(initial * factor * (1 - jitter))))
      assert.isAtMost(delay, Math.min(max, Math.ceil(initial * factor * (1 + jitter))))
      assert.isAtLeast(delay, 0)
    }),
    { arbitrary: { runs: 300 } }
  )

  it.effect("R6.1 the jitter is drawn anew each time, and spreads over its whole range", () =>
    Effect.gen(function* () {
      const spread = Defaults.retryJitter * 1_000
      const delays = yield* Effect.replicateEffect(
        Effect.map(Backoff.fixed()(1), Duration.toMillis),
        1_000
      ).pipe(Random.withSeed("jitter"))
      assert.isBelow(Math.min(...delays), 1_000 - 0.9 * spread)
      assert.isAbove(Math.max(...delays), 1_000 + 0.9 * spread)
      assert.isAbove(new Set(delays).size, 200)
    })
  )
})
