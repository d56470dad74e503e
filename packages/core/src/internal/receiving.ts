import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Defaults from "../Defaults.ts"
import type * as QueueError from "../QueueError.ts"

/**
 * Asks again until something is there or the wait is over: one poll of a provider may be shorter than
 * its caller's wait. A provider that ends its polls early is not asked faster than once a pause.
 */
export const untilThere = <A, R>(
  wait: Duration.Duration,
  waitMax: Duration.Duration,
  isThere: (result: A) => boolean,
  ask: (wait: Duration.Duration) => Effect.Effect<A, QueueError.QueueError, R>
): Effect.Effect<A, QueueError.QueueError, R> => {
  if (Duration.isLessThanOrEqualTo(wait, waitMax)) return ask(wait)
  const pause = Duration.toMillis(Defaults.idlePause)
  const loop = (now: number, end: number): Effect.Effect<A, QueueError.QueueError, R> =>
    Effect.flatMap(ask(Duration.min(Duration.millis(end - now), waitMax)), (result) =>
      isThere(result)
        ? Effect.succeed(result)
        : Effect.flatMap(Clock.currentTimeMillis, (after) => {
            const next = Math.max(after, now + pause)
            if (next >= end) return Effect.succeed(result)
            return Effect.delay(
              Effect.suspend(() => loop(next, end)),
              next - after
            )
          })
    )
  return Effect.flatMap(Clock.currentTimeMillis, (now) => loop(now, now + Duration.toMillis(wait)))
}

/**
 * For asking for ever: what comes back with nothing at once takes the rest of a pause, whatever the wait
 * was and however early the provider ended it.
 */
export const unhurried = <A, R>(
  ask: Effect.Effect<ReadonlyArray<A>, QueueError.QueueError, R>
): Effect.Effect<ReadonlyArray<A>, QueueError.QueueError, R> =>
  Effect.flatMap(Clock.currentTimeMillis, (before) =>
    Effect.tap(ask, (messages) =>
      messages.length > 0
        ? Effect.void
        : Effect.flatMap(Clock.currentTimeMillis, (now) => {
            const left = before + Duration.toMillis(Defaults.idlePause) - now
            return left > 0 ? Effect.sleep(left) : Effect.void
          })
    )
  )
