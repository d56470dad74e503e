/**
 * A circuit breaker around a message handler: while what the handler depends on is down, the worker
 * pauses, or one session of it, and nothing is dead-lettered for that.
 *
 * **Details**
 *
 * Transient failures of the handler in a row open the breaker. From then on
 *
 * - a worker that is given `ready` receives nothing until a probe is due, and then no more messages than
 *   there are probes; a session worker keeps its sessions, whose next messages wait uncounted;
 * - a failure, that of the probe included, abandons its message with what is left of the open time as
 *   delay, and does not count towards the worker's `deliveriesMax`: it fails with `CircuitOpen`, which
 *   the worker excuses.
 *
 * `perSession` has a breaker for each session: the failing one is parked until its next probe, and the
 * others go on.
 *
 * **Gotchas**
 *
 * Some deliveries are unavoidable, and the broker counts each: those that failed before the breaker
 * opened (they count for the worker too, so `failuresMax` should not be above `deliveriesMax`), one for
 * each probe, and what a receive that was under way when it opened still brings. The broker's own maximum
 * has to leave room for a long outage: one delivery of one message each `openDuration`. Another process,
 * or this one started anew, does not know which deliveries were excused.
 *
 * A message that always fails in a way that looks like an outage keeps its breaker open while it is
 * alone. `isOutage` says which failures are the dependency's; a handler's failure with
 * `HandlerFailure.Permanent` never counts.
 *
 * A handler that is interrupted at the worker's `handlerTimeout` says nothing to the breaker: give the
 * call inside a time-out of its own.
 *
 * @since 0.1.0
 */
import { Check, Defaults } from "@queue-runtime/core"
import type { MessageHandler, QueueError, ReceivedMessage, SessionId } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as PubSub from "effect/PubSub"
import * as Stream from "effect/Stream"
import type * as CircuitBreaker from "./CircuitBreaker.ts"
import { Breaker } from "./internal/breaker.ts"
import * as breakerLimits from "./internal/breakerLimits.ts"
import * as judging from "./internal/judging.ts"
import * as observed from "./internal/observed.ts"

/**
 * The figures of the breaker, and its name in metrics and log lines.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E> extends CircuitBreaker.Options {
  /** Of what is protected: `billing`. */
  readonly name: string
  /** Which failures say that a dependency is down. Default: every one that is not permanent. */
  readonly isOutage?: (error: E) => boolean
}

/**
 * A breaker for one worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface HandlerBreaker<E> {
  /**
   * The handler behind the breaker.
   *
   * **Errors** CircuitOpen, in place of a failure that is the dependency's and while it is refused
   */
  readonly protect: <E2 extends E, R>(
    handler: MessageHandler.MessageHandler<E2, R>
  ) => MessageHandler.MessageHandler<E2 | QueueError.QueueError, R>
  /** For the `ready` of a worker: ends when messages may be handled, with how many. */
  readonly ready: Effect.Effect<number>
  readonly state: Effect.Effect<CircuitBreaker.State>
  /** The state now, and each later one. */
  readonly changes: Stream.Stream<CircuitBreaker.State>
}

/** While the probes are under way, waits for how they end: sooner known than after another delivery. */
const turn = (breaker: Breaker): Effect.Effect<void> => {
  const { machine } = breaker
  const waitUntil = (deadline: number): Effect.Effect<void> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      machine.state._tag === "HalfOpen" && machine.room("Call", now) <= 0 && now < deadline
        ? Effect.andThen(
            Effect.raceFirst(breaker.next, Effect.sleep(deadline - now)),
            waitUntil(deadline)
          )
        : Effect.void
    )
  return Effect.flatMap(Clock.currentTimeMillis, (now) => waitUntil(now + pauseMillis))
}

const pauseMillis = Duration.toMillis(Defaults.breakerProbePause)

/** A handler's call through a breaker: what fails while it is not closed is not the message's fault. */
const through = <E, R>(
  breaker: Breaker,
  call: Effect.Effect<unknown, E, R>,
  isOutage: (error: E) => boolean
): Effect.Effect<unknown, E | QueueError.QueueError, R> => {
  const { machine } = breaker
  const excused = (error: E) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const { state } = machine
      const until = state._tag === "Open" ? state.until : now + pauseMillis
      return Effect.fail(breaker.refusal(until, now, { operation: "handle", cause: error }))
    })
  const attempt = breaker.protect(call, {
    kind: "Call",
    operation: "handle",
    ofValue: () => "Success",
    ofCause: (cause) => judging.ofCause(cause, isOutage)
  })
  return Effect.suspend(() =>
    machine.isClosed ? attempt : Effect.andThen(turn(breaker), attempt)
  ).pipe(
    Effect.catch((error): Effect.Effect<never, E | QueueError.QueueError> =>
      machine.isClosed || breaker.isRefusal(error) || !isOutage(error)
        ? Effect.fail(error)
        : excused(error)
    )
  )
}

/**
 * One breaker for all messages of a worker.
 *
 * **Errors** ValidationFailed for a figure out of its range.
 *
 * **Example** (A worker that pauses while billing is down)
 *
 * ```ts
 * import { QueueName, QueueWorker } from "@queue-runtime/core"
 * import { HandlerBreaker } from "@queue-runtime/resilience"
 * import { Effect } from "effect"
 *
 * const worker = Effect.gen(function* () {
 *   const queue = yield* QueueName.make("orders")
 *   const breaker = yield* HandlerBreaker.make({ name: "billing" })
 *   const handler = breaker.protect(() => Effect.void)
 *   return yield* QueueWorker.run({ queue, handler, ready: breaker.ready })
 * })
 * Effect.isEffect(worker) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E = unknown>(
  options: Options<E>
): Effect.fn.Return<HandlerBreaker<E>, QueueError.QueueError> {
  const limits = yield* breakerLimits.make(options)
  const { breaker, changes, state } = yield* observed.make(limits, options.name)
  const { isOutage = judging.isFailure } = options
  const { machine } = breaker

  const ready: Effect.Effect<number> = Effect.suspend(() =>
    machine.isClosed
      ? Effect.succeed(Number.POSITIVE_INFINITY)
      : Effect.flatMap(Clock.currentTimeMillis, (now) => {
          const room = machine.room("Call", now)
          if (room > 0) return Effect.succeed(room)
          const isDue =
            machine.state._tag === "Open"
              ? Effect.raceFirst(breaker.next, Effect.sleep(machine.state.until - now))
              : breaker.next
          return Effect.andThen(isDue, ready)
        })
  )

  return {
    protect: (handler) => (message) =>
      through(
        breaker,
        Effect.suspend(() => handler(message)),
        isOutage
      ),
    ready,
    state,
    changes
  }
})

/**
 * The figures of the breakers, and which failures are an outage.
 *
 * @category options
 * @since 0.1.0
 */
export interface SessionOptions<E> extends Omit<Options<E>, "isOutage"> {
  /**
   * Which failures say that what this session depends on is down. No default: of one session alone
   * nobody else can tell an outage from a message that always fails, and that one would block its
   * session for ever instead of being dead-lettered.
   */
  readonly isOutage: (error: E) => boolean
  /**
   * Sessions whose failures are remembered; beyond it the oldest is forgotten. Default:
   * `Defaults.sessionsTrackedMax`.
   */
  readonly sessionsMax?: number
}

/**
 * One change of the breaker of a session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionChange {
  readonly sessionId: SessionId.SessionId
  readonly state: CircuitBreaker.State
}

/**
 * Breakers of the sessions of one worker.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionHandlerBreaker<E> {
  /**
   * The handler behind the breaker of its message's session; a message without a session passes.
   *
   * **Errors** as {@link HandlerBreaker}
   */
  readonly protect: HandlerBreaker<E>["protect"]
  /** The sessions whose breaker is not closed. */
  readonly paused: Effect.Effect<ReadonlyArray<SessionId.SessionId>>
  /** Changes from now on, of every session. A slow observer misses the oldest. */
  readonly changes: Stream.Stream<SessionChange>
}

const pausedSessions = Metric.gauge("queue_runtime.breaker.sessions.paused", {
  description: "Sessions whose circuit breaker is not closed"
})

const isPaused = ({ _tag }: { readonly _tag: string }): number => (_tag === "Closed" ? 0 : 1)

/**
 * A breaker for each session: the failing one pauses, the others go on.
 *
 * **Errors** ValidationFailed for a figure out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const perSession = Effect.fnUntraced(function* <E = unknown>(
  options: SessionOptions<E>
): Effect.fn.Return<SessionHandlerBreaker<E>, QueueError.QueueError> {
  const limits = yield* breakerLimits.make(options)
  const sessionsMax = yield* Check.wholeNumber(
    "sessionsMax",
    options.sessionsMax ?? Defaults.sessionsTrackedMax
  )
  const context = yield* Effect.context()
  const gauge = Metric.withAttributes(pausedSessions, observed.named(options.name).attributes)
  const changes = yield* PubSub.sliding<SessionChange>(Defaults.breakerChangesMax)
  // Only sessions whose last message failed have an entry.
  const breakers = new Map<SessionId.SessionId, Breaker>()

  const forget = (sessionId: SessionId.SessionId, { machine }: Breaker): void => {
    breakers.delete(sessionId)
    gauge.modifyUnsafe(-isPaused(machine.state), context)
  }

  const makeOne = (sessionId: SessionId.SessionId): Breaker => {
    const breaker: Breaker = new Breaker(limits, {
      changed: (state, previous) => {
        // One that was forgotten meanwhile is counted no more.
        if (breakers.get(sessionId) !== breaker) return
        gauge.modifyUnsafe(isPaused(state) - isPaused(previous), context)
        PubSub.publishUnsafe(changes, { sessionId, state: observed.toState(state) })
      },
      log: observed.log({ breaker: options.name, sessionId })
    })
    return breaker
  }

  const breakerOf = (sessionId: SessionId.SessionId): Breaker => {
    const known = breakers.get(sessionId)
    if (known !== undefined) return known
    const [oldest] = breakers
    if (oldest !== undefined && breakers.size >= sessionsMax) forget(...oldest)
    const made = makeOne(sessionId)
    breakers.set(sessionId, made)
    return made
  }

  const handle = <E2 extends E, R>(
    handler: MessageHandler.MessageHandler<E2, R>,
    message: ReceivedMessage.ReceivedMessage
  ): Effect.Effect<unknown, E2 | QueueError.QueueError, R> => {
    const { sessionId } = message
    const call = Effect.suspend(() => handler(message))
    if (sessionId === undefined) return call
    return Effect.suspend(() => {
      const breaker = breakerOf(sessionId)
      return Effect.ensuring(
        through(breaker, call, options.isOutage),
        Effect.sync(() => {
          // Well again; unless it made room meanwhile, and another one stands in its place.
          if (breaker.machine.isPristine && breakers.get(sessionId) === breaker) {
            forget(sessionId, breaker)
          }
        })
      )
    })
  }

  return {
    protect: (handler) => (message) => handle(handler, message),
    paused: Effect.sync(() =>
      [...breakers].flatMap(([sessionId, { machine }]) => (machine.isClosed ? [] : [sessionId]))
    ),
    changes: Stream.fromPubSub(changes)
  }
})
