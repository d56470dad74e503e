import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { QueueError } from "@queue-runtime/core"
import * as errors from "./errors.ts"

/** What a call goes over: it may be closed, and it may be lost. */
export interface Line {
  readonly isClosed: boolean
  /** Calls once when it is lost; answers how to forget it. */
  readonly onLost: (listener: () => void) => () => void
}

/** The error of a failed call: what fails because we closed it says so. */
export const failed =
  (line: Line, place: errors.Place) =>
  (thrown: unknown): QueueError.QueueError =>
    line.isClosed ? errors.closed(place) : errors.fromThrown(thrown, place)

/** A promise as an effect that ends when its line is lost: nobody would answer it any more. */
export const over = <A>(
  line: Line,
  place: errors.Place,
  start: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, QueueError.QueueError> =>
  Effect.callback<A, QueueError.QueueError>((resume, signal) => {
    const onError = failed(line, place)
    const forget = line.onLost(() => resume(Effect.fail(onError(errors.lineLost))))
    void Promise.resolve()
      .then(() => start(signal))
      .then(
        (result) => resume(Effect.succeed(result)),
        (error: unknown) => resume(Effect.fail(onError(error)))
      )
      .finally(forget)
    return Effect.sync(forget)
  })

/** A call of the SDK's with a time limit; its signal aborts when nobody waits any more. */
export const call = <A>(
  line: Line,
  place: errors.Place,
  timeout: Duration.Duration,
  start: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A, QueueError.QueueError> =>
  Effect.suspend(() =>
    line.isClosed
      ? Effect.fail(errors.closed(place))
      : Effect.timeoutOrElse(over(line, { ...place, timeout }, start), {
          duration: timeout,
          orElse: () => Effect.fail(errors.timedOut(timeout, place))
        })
  )

/**
 * A call whose result is somebody's even when nobody waits any more: what the service granted must be
 * given back.
 */
export const keeping = <A>(
  start: () => Promise<A>,
  late: (result: A) => void,
  onError: (thrown: unknown) => QueueError.QueueError
): Effect.Effect<A, QueueError.QueueError> =>
  Effect.callback<A, QueueError.QueueError>((resume) => {
    let isWanted = true
    void Promise.resolve()
      .then(start)
      .then(
        (result) => (isWanted ? resume(Effect.succeed(result)) : late(result)),
        (error: unknown) => resume(Effect.fail(onError(error)))
      )
    return Effect.sync(() => {
      isWanted = false
    })
  })
