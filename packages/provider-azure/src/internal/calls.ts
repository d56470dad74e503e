import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Defaults, type QueueError } from "@queue-runtime/core"
import * as errors from "./errors.ts"
import type { SdkClient } from "./sdkClient.ts"

/** What a call goes over: it may be closed, and it may be lost. */
export interface Line {
  readonly isClosed: boolean
  /** Who is told whether a call that is made now is answered. */
  readonly sdk: Pick<SdkClient, "isUp" | "lostBy" | "onLost" | "soon" | "timedOut">
  /** Calls once when it is lost; answers how to forget it. */
  readonly onLost: (listener: () => void) => () => void
}

/**
 * A line as far as its connection goes: for a receive, whose link the SDK closes by itself when the service
 * is slow, and which it then ends well.
 */
export const connectionOf = (line: Line): Line => ({
  get isClosed() {
    return line.isClosed
  },
  sdk: line.sdk,
  onLost: (listener) => line.sdk.onLost(listener)
})

/** The error of a failed call: what fails because we closed it says so. */
export const failed = (line: Line, place: errors.Place) => {
  // That of now: when it is lost, the line has another one.
  const { sdk } = line
  return (thrown: unknown): QueueError.QueueError =>
    line.isClosed ? errors.closed(place) : errors.fromThrown(thrown, place, sdk.lostBy)
}

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

/**
 * Closes something, and answers whether that is known. It is not waited for long, nor any longer when its
 * connection is lost.
 */
export const closing = (sdk: SdkClient, close: () => Promise<unknown>): Effect.Effect<boolean> =>
  Effect.callback<boolean>((resume) => {
    const end = (isClosed: boolean): void => resume(Effect.succeed(isClosed))
    const forget = sdk.onLost(() => end(false))
    void Promise.resolve()
      .then(close)
      .then(
        () => end(true),
        () => end(false)
      )
      .finally(forget)
    return Effect.sync(forget)
  }).pipe(
    Effect.timeoutOption(Defaults.serviceBusCloseWait),
    Effect.map(
      Option.getOrElse(() => {
        sdk.timedOut(Defaults.serviceBusCloseWait)
        return false
      })
    )
  )

/**
 * What nobody but the service says: a call that fails with it was answered. Not Throttled, which a link
 * says that has no room left, as one of a silent connection has not.
 */
const answers: ReadonlySet<QueueError.Reason["_tag"]> = new Set(["QueueNotFound", "SessionLocked"])

/** A time limit for a call; whether it was answered in time tells of the connection below it, too. */
export const limited =
  (line: Line, place: errors.Place, limit: Duration.Duration) =>
  <A>(made: Effect.Effect<A, QueueError.QueueError>): Effect.Effect<A, QueueError.QueueError> =>
    Effect.suspend(() => {
      const { sdk } = line
      const told = made.pipe(
        Effect.tap(() => Effect.sync(() => sdk.isUp())),
        Effect.tapError(({ reason }) =>
          answers.has(reason._tag) ? Effect.sync(() => sdk.isUp()) : Effect.void
        )
      )
      return Effect.timeoutOrElse(told, {
        duration: limit,
        orElse: () => {
          sdk.timedOut(limit)
          return Effect.fail(errors.timedOut(limit, place))
        }
      })
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
      : limited(line, place, timeout)(over(line, { ...place, timeout }, start))
  )

/**
 * A call whose result is somebody's even when nobody waits any more: what the service granted must be
 * given back.
 */
export const keeping = <A>(
  line: Line,
  place: errors.Place,
  start: () => Promise<A>,
  late: (result: A) => void
): Effect.Effect<A, QueueError.QueueError> =>
  Effect.callback<A, QueueError.QueueError>((resume) => {
    let isWanted = true
    const onError = failed(line, place)
    const forget = line.onLost(() => {
      if (!isWanted) return
      isWanted = false
      resume(Effect.fail(onError(errors.lineLost)))
    })
    void Promise.resolve()
      .then(start)
      .then(
        (result) => (isWanted ? resume(Effect.succeed(result)) : late(result)),
        (error: unknown) => resume(Effect.fail(onError(error)))
      )
      .finally(forget)
    return Effect.sync(() => {
      isWanted = false
      forget()
    })
  })
