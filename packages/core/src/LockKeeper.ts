/**
 * Keeps a lock while something is being done under it.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Defaults from "./Defaults.ts"
import type * as Outcome from "./Outcome.ts"
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
  /** Since when it is kept, in milliseconds, where that is not from now on. */
  readonly since?: number
}

/** Milliseconds between two tries near the end of a lock, so that they do not become a busy loop. */
const pauseMin = 10

const margin = Duration.toMillis(Defaults.lockMargin)

/** Of a short lock this part: it must not count as lost before it was used. */
const marginPart = 0.1

/** When a lock counts as over, with what is left of it at a time. */
const endOf = (lockedUntil: DateTime.Utc, from: number): number => {
  const left = DateTime.toEpochMillis(lockedUntil) - from
  return from + left - Math.min(margin, left * marginPart)
}

const lost = QueueError.make(new QueueError.ReceiptExpired())

/**
 * Renews the lock when half of it is left, and ends when it is lost: with the error that said so, or
 * with `ReceiptExpired` a moment before it runs out (`Defaults.lockMargin`), so that what is done under
 * it can stop before somebody else begins. A renewal that fails transiently is tried again, ever sooner,
 * while the lock holds; one that hangs is given up when the lock ends.
 *
 * @category combinators
 * @since 0.1.0
 */
export const keep = (lock: Lock): Effect.Effect<QueueError.QueueError> =>
  Effect.flatMap(Clock.currentTimeMillis, (started) => {
    const { since: start = started } = lock
    const end = start + Duration.toMillis(lock.renewalMax)

    const waitUntil = (time: number): Effect.Effect<Outcome.Outcome<never>> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) =>
        Effect.as(Effect.sleep(Math.max(0, time - now)), Result.fail(lost))
      )

    const hold = (lockedUntil: DateTime.Utc, from: number): Effect.Effect<QueueError.QueueError> =>
      renewBefore(endOf(lockedUntil, from), from)

    const renewBefore = (until: number, from: number): Effect.Effect<QueueError.QueueError> =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const pause = Math.max(pauseMin, (until - from) * Defaults.lockRenewalPart)
        const isOver = from + pause >= Math.min(until, end)
        const next: Effect.Effect<Outcome.Outcome<DateTime.Utc>> = isOver
          ? waitUntil(until)
          : Effect.delay(
              Effect.raceFirst(Effect.result(lock.renew), waitUntil(until)),
              Math.max(0, pause - (now - from))
            )
        return Effect.flatMap(next, (outcome) =>
          Effect.flatMap(Clock.currentTimeMillis, (at) => {
            if (Result.isSuccess(outcome)) return hold(outcome.success, at)
            const error = outcome.failure
            return QueueError.isTransient(error) ? renewBefore(until, at) : Effect.succeed(error)
          })
        )
      })

    return hold(lock.lockedUntil, start)
  })

/**
 * Until when there is nothing to do for a lock that is kept since then, in milliseconds: whoever keeps
 * many starts to {@link keep} one of them there, and most are done with by then.
 *
 * @category combinators
 * @since 0.1.0
 */
export const idleUntil = (lockedUntil: DateTime.Utc, since: number): number =>
  since + Math.max(0, endOf(lockedUntil, since) - since) * Defaults.lockRenewalPart
