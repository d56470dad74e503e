/**
 * Keeps a lock while something is being done under it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Defaults from "./Defaults.ts"
import * as QueueError from "./QueueError.ts"

/**
 * What is kept, and how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lock {
  readonly lockedUntil: DateTime.Utc
  /** Extends the lock from now; answers its new end. */
  readonly renew: Effect.Effect<DateTime.Utc, QueueError.QueueError>
  /** No renewal after this long: the lock then runs out. */
  readonly renewalMax: Duration.Duration
}

/** When to renew a lock that ends at `until`: while a part of it is left, at once when it is late. */
const pauseFor = (until: number, now: number): number =>
  Math.max(0, (until - now) * (1 - Defaults.lockRenewalPart))

/**
 * Renews the lock when half of it is left, and ends when it is lost: with the error that said so, or
 * with `ReceiptExpired` when it ran out. A renewal that fails transiently is tried again, ever sooner,
 * while the lock holds.
 *
 * @category combinators
 * @since 0.1.0
 */
export const keep = (lock: Lock): Effect.Effect<QueueError.QueueError> =>
  Effect.flatMap(Clock.currentTimeMillis, (start) => {
    const end = start + Duration.toMillis(lock.renewalMax)
    const expired = (until: number): Effect.Effect<QueueError.QueueError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.delay(
          Effect.sync(() => QueueError.make(new QueueError.ReceiptExpired())),
          Math.max(0, until - now)
        )
      )
    const loop = (until: number): Effect.Effect<QueueError.QueueError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const pause = pauseFor(until, now)
        if (now >= until || now + pause >= end) return expired(until)
        return Effect.delay(lock.renew, Math.max(pause, pauseMin)).pipe(
          Effect.matchEffect({
            onSuccess: (renewed) => loop(DateTime.toEpochMillis(renewed)),
            onFailure: (error) =>
              QueueError.isTransient(error) ? loop(until) : Effect.succeed(error)
          })
        )
      })
    return loop(DateTime.toEpochMillis(lock.lockedUntil))
  })

/** Milliseconds between two tries near the end of a lock, so that they do not become a busy loop. */
const pauseMin = 10
