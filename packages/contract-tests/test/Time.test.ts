import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Time from "../src/Time.ts"

describe("Time", () => {
  it.live("a virtual run begins at zero, with a clock of its own, and passes in no time", () =>
    Effect.gen(function* () {
      const before = yield* Clock.currentTimeMillis
      const run = Effect.gen(function* () {
        const sleeper = yield* Effect.forkChild(Effect.sleep("1 hour"))
        yield* Time.virtual.settle
        yield* Time.virtual.advance(Duration.hours(2))
        yield* Fiber.join(sleeper)
        return yield* Clock.currentTimeMillis
      }).pipe(Time.provide(Time.virtual))
      assert.deepStrictEqual(yield* Effect.all([run, run]), [7_200_000, 7_200_000])
      assert.isBelow((yield* Clock.currentTimeMillis) - before, 60_000)
    })
  )

  it.effect("a live run has the machine's clock, inside a test clock too", () =>
    Effect.gen(function* () {
      const now = yield* Clock.currentTimeMillis.pipe(Time.provide(Time.live))
      assert.isAbove(now, 1_600_000_000_000)
      assert.strictEqual(yield* Clock.currentTimeMillis, 0)
      const before = yield* Time.withLive(Clock.currentTimeMillis)
      yield* Time.live.advance(Duration.millis(20)).pipe(Time.provide(Time.live))
      const after = yield* Time.withLive(Clock.currentTimeMillis)
      assert.isAtLeast(after - before, 19)
    })
  )
})
