/**
 * How rules move the time, and how exactly a broker tells it: virtual under `TestClock`, or live.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as TestClock from "effect/testing/TestClock"

/**
 * The clock of a run. Spread one of the two below to change a bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface Time {
  readonly kind: "virtual" | "live"
  /** Moves the time on; on a live clock, waits. */
  readonly advance: (duration: Duration.Duration) => Effect.Effect<void>
  /** Lets what was started come to where it waits. */
  readonly settle: Effect.Effect<void>
  /** How exactly the broker's times can be told: nothing is asked closer than this to a border. */
  readonly precision: Duration.Duration
  /** How long something that must come may take. */
  readonly patience: Duration.Duration
  /** How long nothing must come before nothing counts as proved. */
  readonly quiet: Duration.Duration
  /** A rule that lets more time pass is skipped. */
  readonly passMax: Duration.Duration
  /** A rule that takes longer than this, in real time, has failed. */
  readonly limit: Duration.Duration
}

/** Enough for a fiber to come through a dozen decorators; far too few to notice. */
const turns = Effect.repeat(Effect.yieldNow, { times: 50 })

/**
 * For providers that go by Effect's `Clock`: each rule gets a `TestClock` of its own, and hours pass in
 * no time.
 *
 * @category clocks
 * @since 0.1.0
 */
export const virtual: Time = {
  kind: "virtual",
  advance: TestClock.adjust,
  settle: turns,
  precision: Duration.millis(1),
  patience: Duration.seconds(1),
  quiet: Duration.zero,
  passMax: Duration.infinity,
  limit: Duration.seconds(10)
}

/**
 * For a broker with a clock of its own: rules wait, and what would take more than a minute is skipped.
 *
 * @category clocks
 * @since 0.1.0
 */
export const live: Time = {
  kind: "live",
  advance: Effect.sleep,
  settle: Effect.sleep(Duration.millis(200)),
  precision: Duration.seconds(1),
  patience: Duration.seconds(10),
  quiet: Duration.seconds(1),
  passMax: Duration.minutes(1),
  limit: Duration.minutes(2)
}

/**
 * The clock of the machine, whatever clock a test put in its place.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withLive = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(effect, Clock.Clock, Clock.Clock.defaultValue())

/**
 * It warns after a while of a test that waits without moving the time. A rule that does has failed by
 * its limit before, and says which it is.
 */
const testClock: Layer.Layer<TestClock.TestClock> = TestClock.layer({
  warningDelay: Duration.minutes(5)
})

/**
 * Runs an effect on a clock of this kind: a fresh `TestClock`, or the machine's.
 *
 * @category combinators
 * @since 0.1.0
 */
export const provide =
  (time: Time) =>
  <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    time.kind === "live" ? withLive(effect) : Effect.provide(effect, testClock, { local: true })
