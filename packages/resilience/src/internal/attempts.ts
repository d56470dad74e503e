import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"

/** How often, how long, and with which pauses. */
export interface Limits {
  readonly attempts: number
  readonly totalMax: Duration.Duration
  /** The pause after so many failures. */
  readonly pause: (failures: number) => Effect.Effect<Duration.Duration>
}

/** What an attempt answers that is worth another one. */
export class Again<A, E> {
  readonly error: E
  /** What the service asks for; wins over the computed pause. */
  readonly retryAfter: Duration.Duration | undefined
  /** What the call ends with when there is no other attempt. */
  readonly giveUp: Effect.Effect<A, E>
  /** Another attempt must begin before this much time of the call is over. */
  readonly within: Duration.Duration | undefined

  constructor(options: {
    readonly error: E
    readonly retryAfter: Duration.Duration | undefined
    readonly giveUp: Effect.Effect<A, E>
    readonly within?: Duration.Duration | undefined
  }) {
    this.error = options.error
    this.retryAfter = options.retryAfter
    this.giveUp = options.giveUp
    this.within = options.within
  }
}

/** What an attempt answers: its result, or that it is worth another one. */
export type Attempt<A, E, R> = Effect.Effect<A | Again<A, E>, E, R>

/** How a call goes on after its first attempt. */
export interface Going<A, E, R> {
  readonly limits: Limits
  /** An attempt, told how many milliseconds of the call are over. */
  readonly attempt: (elapsedMillis: number) => Attempt<A, E, R>
  readonly onRetry: (error: E, delay: Duration.Duration) => Effect.Effect<void>
}

/**
 * Further attempts of a call that began at `start`, until one answers something else than {@link Again}
 * or a limit is met. The first attempt is the caller's: one that goes well must not cost more than it.
 */
export const goOn = <A, E, R>(
  going: Going<A, E, R>,
  start: number,
  first: A | Again<A, E>
): Effect.Effect<A, E, R> => {
  const { attempt, limits, onRetry } = going

  const next = (failures: number, answer: A | Again<A, E>): Effect.Effect<A, E, R> =>
    answer instanceof Again ? pauseAfter(failures + 1, answer) : Effect.succeed(answer)

  const pauseAfter = (failures: number, again: Again<A, E>): Effect.Effect<A, E, R> => {
    if (failures >= limits.attempts) return again.giveUp
    const pause =
      again.retryAfter === undefined ? limits.pause(failures) : Effect.succeed(again.retryAfter)
    return Effect.flatMap(Effect.zip(pause, Clock.currentTimeMillis), ([delay, now]) => {
      const over = Duration.millis(now - start + Duration.toMillis(delay))
      const isLate =
        Duration.isGreaterThan(over, limits.totalMax) ||
        (again.within !== undefined && Duration.isGreaterThan(over, again.within))
      return isLate
        ? again.giveUp
        : onRetry(again.error, delay).pipe(
            Effect.andThen(Effect.sleep(delay)),
            Effect.andThen(Clock.currentTimeMillis),
            Effect.flatMap((time) => attempt(time - start)),
            Effect.flatMap((answered) => next(failures, answered))
          )
    })
  }

  return next(0, first)
}

/** A call whose failures are judged, from its first attempt on. */
export const run = <A, E, E2, R>(
  limits: Limits,
  call: (elapsedMillis: number) => Effect.Effect<A, E, R>,
  judge: (error: E) => Effect.Effect<Again<A, E2>, E2>,
  onRetry: Going<A, E2, R>["onRetry"]
): Effect.Effect<A, E2, R> =>
  Effect.clockWith((clock) => {
    const start = clock.currentTimeMillisUnsafe()
    const attempt = (elapsed: number): Attempt<A, E2, R> => call(elapsed).pipe(Effect.catch(judge))
    return call(0).pipe(
      Effect.catch((error) =>
        Effect.flatMap(judge(error), (again) => goOn({ limits, attempt, onRetry }, start, again))
      )
    )
  })
