/**
 * Ends what takes too long: any effect, or every call of a provider.
 *
 * **Details**
 *
 * | call | time |
 * |---|---|
 * | `send` | 10 s an attempt |
 * | `settle`, `renewLock`, `peek`, session state | 10 s |
 * | `receive`, `acceptSession` | the wait it was told and 10 s |
 *
 * What is ended is interrupted, and the failure is `Timeout` once the interruption is over; what fails in
 * another way meanwhile says so. A session accepted by an attempt that is ended is released.
 *
 * **Gotchas**
 *
 * A send or a settlement that was ended may have taken effect: its error is transient, and what repeats
 * it treats it like a lost reply. An effect that cannot be interrupted cannot be ended.
 *
 * @since 0.1.0
 */
import { Check, Defaults, QueueError, QueueProvider } from "@queue-runtime/core"
import type { Operation } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { operationNames } from "./internal/operationNames.ts"
import { ownScope } from "./internal/ownScope.ts"

/**
 * The time of each kind of call.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Of one attempt to send. Default: 10 s. */
  readonly send?: Duration.Input
  /** Of one settlement call. Default: 10 s. */
  readonly settle?: Duration.Input
  /** Of one renewal of locks. Default: 10 s. */
  readonly renewLock?: Duration.Input
  /** Of one look without receiving. Default: 10 s. */
  readonly peek?: Duration.Input
  /** Of reading or writing the state of a session. Default: 10 s. */
  readonly sessionState?: Duration.Input
  /** What a receive or an accept gets on top of its own wait. Default: 10 s. */
  readonly receiveMargin?: Duration.Input
}

/**
 * Runs the call in a fiber of its own. One that ends without waiting never costs a timer; the others are
 * awaited, and interrupted when their time is over or their caller is interrupted.
 */
const within = <A, E, R>(
  call: Effect.Effect<A, E, R>,
  after: Duration.Duration,
  expired: () => QueueError.QueueError
): Effect.Effect<A, E | QueueError.QueueError, R> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.contextWith((context: Context.Context<R>) => {
      const fiber = Effect.runForkWith(context)(call)
      const exit = fiber.pollUnsafe()
      if (exit !== undefined) return exit
      return Fiber.await(fiber).pipe(
        Effect.timeoutOption(after),
        restore,
        Effect.onInterrupt(() => Fiber.interrupt(fiber)),
        Effect.flatMap((ended) => (Option.isSome(ended) ? ended.value : stop(fiber, expired)))
      )
    })
  )

/** The time is over: only a fiber that was still at work then has failed by it. */
const stop = <A, E>(
  fiber: Fiber.Fiber<A, E>,
  expired: () => QueueError.QueueError
): Effect.Effect<A, E | QueueError.QueueError> =>
  Effect.flatMap(
    Effect.andThen(Fiber.interrupt(fiber), Fiber.await(fiber)),
    (exit): Effect.Effect<A, E | QueueError.QueueError> =>
      Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)
        ? Effect.suspend(() => Effect.fail(expired()))
        : exit
  )

/**
 * Ends any effect after so long, with `Timeout`.
 *
 * **Example** (A call that never answers)
 *
 * ```ts
 * import { Timeout } from "@queue-runtime/resilience"
 * import { Effect } from "effect"
 *
 * const program = Effect.never.pipe(Timeout.effect("10 millis"), Effect.flip)
 * const error = await Effect.runPromise(program)
 * error.message // => "Timeout: no answer within 10ms"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const effect = (after: Duration.Input) => {
  const limit = Duration.fromInputUnsafe(after)
  const expired = () => QueueError.make(new QueueError.Timeout({ after: limit }))
  return <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E | QueueError.QueueError, R> =>
    within(call, limit, expired)
}

/**
 * A time-out as a policy for `QueueProvider.transform`.
 *
 * **Errors** ValidationFailed for a time that is none: at least a millisecond.
 *
 * @category constructors
 * @since 0.1.0
 */
export const transform = Effect.fnUntraced(function* (
  provider: string,
  options: Options = {}
): Effect.fn.Return<QueueProvider.CallTransform, QueueError.QueueError> {
  const least = Duration.millis(1)
  const time = (field: Exclude<keyof Options, "receiveMargin">, orElse: Duration.Duration) =>
    Check.duration(field, options[field] ?? orElse, least)
  const send = yield* time("send", Defaults.timeoutSend)
  const settle = yield* time("settle", Defaults.timeoutCall)
  const renewLock = yield* time("renewLock", Defaults.timeoutCall)
  const peek = yield* time("peek", Defaults.timeoutCall)
  const sessionState = yield* time("sessionState", Defaults.timeoutCall)
  const margin = yield* Check.duration(
    "receiveMargin",
    options.receiveMargin ?? Defaults.timeoutReceiveMargin,
    least
  )

  const limitOf = <A>(operation: Operation.Operation<A>): Duration.Duration => {
    switch (operation._tag) {
      case "Send":
        return send
      case "Settle":
        return settle
      case "RenewLock":
      case "RenewSessionLock":
        return renewLock
      case "Peek":
        return peek
      case "GetSessionState":
      case "SetSessionState":
        return sessionState
      default:
        return Duration.sum(operation.wait, margin)
    }
  }

  return (call, operation) => {
    const after = limitOf(operation)
    const { _tag, address } = operation
    const expired = () =>
      QueueError.make(new QueueError.Timeout({ after }), {
        provider,
        operation: operationNames[_tag],
        queue: address.queue
      })
    return _tag === "AcceptSession"
      ? ownScope(within(call, after, expired))
      : within(call, after, expired)
  }
})

/**
 * Time-outs around the provider below it: the innermost of the three policies, so that each attempt of a
 * retry has its own time.
 *
 * **Errors** as {@link transform}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, QueueProvider.QueueProvider> =>
  QueueProvider.layerTransform(
    "timeout",
    Effect.flatMap(QueueProvider.QueueProvider, ({ name }) => transform(name, options))
  )
