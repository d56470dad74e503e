/**
 * What a worker does with one delivery: run the handler within its limits and settle by how it ended.
 *
 * **Details**
 *
 * | the handler | the message |
 * |---|---|
 * | succeeds | is completed |
 * | fails, and another delivery may help | is abandoned, with backoff |
 * | fails for good (`HandlerFailure.isPermanent`) | is dead-lettered with the error's tag and message |
 * | throws (a defect) | is abandoned, with backoff |
 * | has failed for the last time that `deliveriesMax` allows | is dead-lettered with what it failed with |
 * | fails with `CircuitOpen` | is abandoned until the circuit may close; the delivery does not count |
 * | outlasts its time limit | is abandoned, with backoff; the handler is interrupted |
 * | is not called: the message was delivered too often | is dead-lettered |
 * | loses its lock | is left alone: somebody else has it; the handler is interrupted |
 * | is still running when the worker has to end | is abandoned, at once; the handler is interrupted |
 *
 * A delivery that found a circuit breaker open says nothing of its message: what the handler depends on
 * is down. Such deliveries are remembered by this worker, for a bounded number of messages
 * (`Defaults.breakerExcusedMax`), and taken off the count that `deliveriesMax` judges. The broker's own
 * count goes on, so that its maximum has to leave room for a long outage.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Await from "./Await.ts"
import * as Backoff from "./Backoff.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as HandlerFailure from "./HandlerFailure.ts"
import { ExcusedDeliveries } from "./internal/excusedDeliveries.ts"
import { scrub } from "./internal/scrub.ts"
import * as processing from "./internal/telemetry/processing.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueError from "./QueueError.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as Verdict from "./Verdict.ts"

/**
 * Handles one message. Called again for the same message after a failure: delivery is at least once.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageHandler<E = never, R = never> = (
  message: ReceivedMessage.ReceivedMessage
) => Effect.Effect<unknown, E, R>

/**
 * What became of one delivery.
 *
 * @category models
 * @since 0.1.0
 */
export type Disposition =
  | { readonly _tag: "Completed" }
  | ({
      readonly _tag: "Abandoned"
      readonly delay: Duration.Duration
      /** The delivery does not count: it found a circuit breaker open. */
      readonly isExcused?: true
    } & HandlerFailure.Description)
  | ({ readonly _tag: "DeadLettered" } & HandlerFailure.Description)
  /** Given back because the worker ends. */
  | { readonly _tag: "Released" }
  /** Somebody else has it, or will. */
  | { readonly _tag: "LockLost"; readonly error: QueueError.QueueError }
  /** The settlement failed: it comes again when its lock runs out. */
  | { readonly _tag: "Unsettled"; readonly error: QueueError.QueueError }

/**
 * One delivery and what became of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handled {
  readonly message: ReceivedMessage.ReceivedMessage
  readonly disposition: Disposition
}

/**
 * Limits and judgement, the same for every worker.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never> {
  /** The handler is interrupted after this long. Default: 5 minutes. */
  readonly handlerTimeout?: Duration.Input
  /**
   * A message that fails as often as this is dead-lettered, and one delivered more often is so without
   * calling the handler; one that is a dead letter already is handled whatever its count. Deliveries
   * that found a circuit breaker open do not count. Default: 5.
   */
  readonly deliveriesMax?: number
  /** How long to wait before a redelivery. An error's own `retryAfter` wins. Default: exponential. */
  readonly backoff?: Backoff.Backoff
  /** Which failures no further delivery can mend. Default: `HandlerFailure.isPermanent`. */
  readonly isPermanent?: (error: E) => boolean
  /** What its dead letters say of who put them aside. Default: nothing. */
  readonly origin?: HandlerFailure.Origin
  /** Told after each delivery; what it fails with is logged and changes nothing. */
  readonly onHandled?: (handled: Handled) => Effect.Effect<void>
}

/**
 * One delivery as a worker hands it over.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly message: ReceivedMessage.ReceivedMessage
  readonly settle: (verdict: Verdict.Verdict) => Effect.Effect<void, QueueError.QueueError>
  /** Done when the lock is lost, with why. */
  readonly lockLost: Deferred.Deferred<QueueError.QueueError>
  /** Until when the lock holds, renewals included; never blocks. */
  readonly lockedUntil: Effect.Effect<DateTime.Utc>
  /** Done when the handler's time is up because the worker ends. */
  readonly graceOver: Deferred.Deferred<void>
}

/** A disposition, and what the handler failed with. */
interface Judged {
  readonly disposition: Disposition
  readonly error?: unknown
}

const completed: Judged = { disposition: { _tag: "Completed" } }

const poisonReason = "MaxDeliveryCountExceeded"

const retryAfterOf = (error: unknown): Duration.Duration | undefined =>
  error instanceof QueueError.QueueError ? error.retryAfter : undefined

/** The call was not made, or its failure is not the message's: what it depends on is down. */
const isCircuitOpen = (error: unknown): boolean =>
  error instanceof QueueError.QueueError && error.reason._tag === "CircuitOpen"

/** The judgement over how a handler ended. */
const judge = Effect.fnUntraced(function* <E>(
  exit: Exit.Exit<unknown, E>,
  failures: number,
  isPermanent: (error: E) => boolean,
  backoff: Backoff.Backoff
) {
  if (Exit.isSuccess(exit)) return completed
  const { cause } = exit
  const error = Cause.hasDies(cause) ? Option.none() : Cause.findErrorOption(cause)
  const description = HandlerFailure.describe(
    Option.isSome(error) ? error.value : Cause.squash(cause)
  )
  const isExcused = Option.isSome(error) && isCircuitOpen(error.value)
  const failed = Option.isSome(error) ? error.value : Cause.squash(cause)
  const judged = (disposition: Disposition): Judged => ({ disposition, error: failed })
  if (Option.isSome(error) && !isExcused && isPermanent(error.value)) {
    return judged({ _tag: "DeadLettered", ...description })
  }
  const asked = Option.isSome(error) ? retryAfterOf(error.value) : undefined
  const delay = asked ?? (yield* backoff(failures))
  const abandoned = { _tag: "Abandoned", delay, ...description } satisfies Disposition
  return judged(isExcused ? { ...abandoned, isExcused } : abandoned)
})

const verdictOf = (
  disposition: Disposition,
  details: ReceivedMessage.DeadLetterDetails | undefined
): Verdict.Verdict | undefined => {
  switch (disposition._tag) {
    case "Completed":
      return Verdict.complete
    case "Abandoned":
      return Verdict.abandon(disposition.delay)
    case "DeadLettered":
      return Verdict.deadLetter(disposition.reason, disposition.description, details)
    case "Released":
      return Verdict.abandon()
    default:
      return undefined
  }
}

/**
 * Stops a handler, but waits only so long: one that cannot be interrupted must not hold its message.
 * Whether it stopped.
 */
const stop = (fiber: Fiber.Fiber<unknown, unknown>): Effect.Effect<boolean> =>
  Effect.sync(() => fiber.interruptUnsafe()).pipe(
    Effect.andThen(Fiber.await(fiber)),
    Effect.timeoutOption(Defaults.interruptionWait),
    Effect.map(Option.isSome)
  )

const isLocked = ({ lockedUntil }: Delivery): Effect.Effect<boolean> =>
  Effect.zipWith(DateTime.now, lockedUntil, DateTime.isLessThan)

const settlePause = Backoff.exponential()

const timedOut = (after: Duration.Duration): QueueError.QueueError =>
  QueueError.make(new QueueError.Timeout({ after }), { operation: "handle" })

/** What every log line of a delivery says, the handler's own included. */
const annotationsOf = (message: ReceivedMessage.ReceivedMessage): Record<string, unknown> => {
  const { correlationId, deliveryCount, messageId, sessionId } = message
  const queue = QueueAddress.format(message.receipt.address)
  const annotations: Record<string, unknown> = { queue, messageId, deliveryCount }
  if (sessionId !== undefined) annotations["sessionId"] = sessionId
  if (correlationId !== undefined) annotations["correlationId"] = correlationId
  return annotations
}

/** A defect is a bug: its stack says where. */
const logDefect = <E>(exit: Exit.Exit<unknown, E>): Effect.Effect<void> =>
  Exit.isFailure(exit) && Cause.hasDies(exit.cause)
    ? Effect.logError(`the handler threw: ${scrub(Cause.pretty(exit.cause))}`)
    : Effect.void

const noEffect = new TypeError("a handler must return an Effect; wrap a promise in Effect.promise")

const logCompleted = Effect.logDebug("message completed")

const log = ({ disposition }: Handled): Effect.Effect<void> => {
  switch (disposition._tag) {
    case "Completed":
      return logCompleted
    case "Released":
      return Effect.logInfo("message released: the worker ends")
    case "Abandoned":
      return Effect.logWarning(
        `message will be redelivered after ${Duration.format(disposition.delay)}: ` +
          HandlerFailure.format(disposition)
      )
    case "DeadLettered":
      return Effect.logError(`message dead-lettered: ${HandlerFailure.format(disposition)}`)
    default:
      return Effect.logWarning(`message will be redelivered: ${disposition.error.message}`)
  }
}

/**
 * Turns a handler into what handles one delivery and tells what became of it. It never fails: whatever
 * goes wrong is the message's disposition.
 *
 * **Errors** ValidationFailed for an option out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E, R>(
  handler: MessageHandler<E, R>,
  options: Options<E> = {}
) {
  const timeout = yield* Check.duration(
    "handlerTimeout",
    options.handlerTimeout ?? Defaults.handlerTimeout
  )
  const deliveriesMax = yield* Check.wholeNumber(
    "deliveriesMax",
    options.deliveriesMax ?? Defaults.deliveriesMax,
    1
  )
  const backoff = options.backoff ?? Backoff.exponential()
  const isPermanent = options.isPermanent ?? HandlerFailure.isPermanent
  const origin = yield* HandlerFailure.origin(options.origin ?? {})
  const { onHandled } = options
  const excused = new ExcusedDeliveries(Defaults.breakerExcusedMax)
  const watched = yield* processing.make

  /** Most handlers that wait for nothing are done at once. */
  const run = (delivery: Delivery, counted: number): Effect.Effect<Judged, never, R> =>
    Effect.flatMap(
      Effect.forkDetach(
        Effect.suspend((): Effect.Effect<unknown, E, R> => {
          const effect = handler(delivery.message)
          return Effect.isEffect(effect) ? effect : Effect.die(noEffect)
        }),
        { startImmediately: true }
      ),
      (fiber) => {
        const done = fiber.pollUnsafe()
        return done !== undefined && Exit.isSuccess(done)
          ? Effect.succeed(completed)
          : ended(delivery, counted, fiber)
      }
    )

  const ended = Effect.fnUntraced(function* (
    delivery: Delivery,
    counted: number,
    fiber: Fiber.Fiber<unknown, E>
  ) {
    const { graceOver, lockLost } = delivery
    const time = yield* Effect.forkChild(Effect.sleep(timeout), { startImmediately: true })
    yield* Effect.onInterrupt(Await.any([fiber, lockLost, time, graceOver]), () => stop(fiber))
    const isTimeUp = time.pollUnsafe() !== undefined
    time.interruptUnsafe()
    const exit = fiber.pollUnsafe()
    if (exit !== undefined) {
      yield* logDefect(exit)
      return yield* judge(exit, counted, isPermanent, backoff)
    }
    if (!(yield* stop(fiber))) {
      yield* Effect.logError("a handler cannot be interrupted and is left running")
    }
    if (Deferred.isDoneUnsafe(lockLost)) {
      const error = yield* Deferred.await(lockLost)
      return { disposition: { _tag: "LockLost", error } } satisfies Judged
    }
    if (!isTimeUp) return { disposition: { _tag: "Released" } } satisfies Judged
    const delay = yield* backoff(counted)
    const error = timedOut(timeout)
    const description = HandlerFailure.describe(error)
    return { disposition: { _tag: "Abandoned", delay, ...description }, error } satisfies Judged
  })

  /**
   * One settlement, repeated a few times while it fails transiently and the lock holds: after that a
   * used receipt no longer tells a settlement that took effect from a lock that ran out.
   */
  const settle = (
    delivery: Delivery,
    verdict: Verdict.Verdict
  ): Effect.Effect<QueueError.QueueError | undefined> => {
    const attempt = (tries: number): Effect.Effect<QueueError.QueueError | undefined> =>
      Effect.matchEffect(delivery.settle(verdict), {
        onSuccess: () => Effect.undefined,
        onFailure: (error) => {
          // Repeated after a lost reply and found used: it took effect.
          if (error.reason._tag === "SettlementUnknown") return Effect.undefined
          if (tries > 1 && error.reason._tag === "ReceiptExpired") return Effect.undefined
          // A retry below that gave up is not multiplied by this one.
          return error.retry === "Transient" && tries < Defaults.settleAttempts
            ? Effect.flatMap(settlePause(tries), (delay) =>
                Effect.delay(
                  Effect.flatMap(isLocked(delivery), (holds) =>
                    holds ? attempt(tries + 1) : Effect.succeed(error)
                  ),
                  error.retryAfter ?? delay
                )
              )
            : Effect.succeed(error)
        }
      })
    return attempt(1)
  }

  /** What cannot be dead-lettered stays in its queue. */
  const conclude = (
    delivery: Delivery,
    disposition: Disposition,
    details: ReceivedMessage.DeadLetterDetails | undefined
  ): Effect.Effect<Disposition> => {
    const verdict = verdictOf(disposition, details)
    if (verdict === undefined) return Effect.succeed(disposition)
    return Effect.flatMap(settle(delivery, verdict), (error) =>
      error === undefined ? Effect.succeed(disposition) : unsettled(delivery, disposition, error)
    )
  }

  const unsettled = Effect.fnUntraced(function* (
    delivery: Delivery,
    disposition: Disposition,
    error: QueueError.QueueError
  ) {
    if (disposition._tag === "DeadLettered" && error.reason._tag !== "ReceiptExpired") {
      yield* Effect.logError(`dead-lettering failed, the message stays: ${error.message}`)
      const { deliveryCount } = delivery.message
      const delay = yield* Effect.suspend(() => backoff(deliveryCount)).pipe(
        Effect.catchDefect(() => Backoff.exponential()(deliveryCount))
      )
      const failed = yield* settle(delivery, Verdict.abandon(delay))
      return failed === undefined
        ? ({ ...disposition, _tag: "Abandoned", delay } satisfies Disposition)
        : ({ _tag: "Unsettled", error: failed } satisfies Disposition)
    }
    return { _tag: "Unsettled", error } satisfies Disposition
  })

  const poisoned = (counted: number): Disposition => ({
    _tag: "DeadLettered",
    reason: poisonReason,
    description: `delivered ${counted} times; the maximum is ${deliveriesMax}`
  })

  /** A dead letter keeps its count, and is there to be handled: by a replay, an operator's tool. */
  const isOver = (
    { receipt }: ReceivedMessage.ReceivedMessage,
    counted: number,
    deliveries: number
  ): boolean => counted >= deliveries && receipt.address._tag === "Queue"

  /** The last failure is put aside here and now, where what it failed with is still known. */
  const last = (
    message: ReceivedMessage.ReceivedMessage,
    counted: number,
    disposition: Disposition
  ): Disposition => {
    if (disposition._tag !== "Abandoned" || disposition.isExcused === true) return disposition
    if (!isOver(message, counted, deliveriesMax)) return disposition
    const count = `failed ${counted} times, the maximum; last with`
    return {
      _tag: "DeadLettered",
      reason: poisonReason,
      description: HandlerFailure.printable(`${count} ${HandlerFailure.format(disposition)}`)
    }
  }

  /** `isPermanent` or `backoff` threw: another delivery, by the default backoff. */
  const misjudged = (counted: number, defect: unknown) =>
    Effect.map(Backoff.exponential()(counted), (delay): Judged => ({
      disposition: { _tag: "Abandoned", delay, ...HandlerFailure.describe(defect) },
      error: defect
    }))

  /** When a failure was that nobody saw is not known; when it was first delivered is. */
  const detailsOf = (
    { deliveryCount, firstDeliveredAt }: ReceivedMessage.ReceivedMessage,
    counted: number,
    judged: Judged
  ): Effect.Effect<ReceivedMessage.DeadLetterDetails> =>
    Effect.map(DateTime.now, (now) => {
      // Without an error it was delivered too often, and the handler not called.
      if (!("error" in judged)) {
        const { stack: _, ...from } = origin
        return { ...from, attempts: counted - 1, firstFailedAt: firstDeliveredAt }
      }
      const firstFailedAt = deliveryCount > 1 ? firstDeliveredAt : now
      const times = { attempts: counted, firstFailedAt, lastFailedAt: now }
      return { ...HandlerFailure.details(judged.error, origin), ...times }
    })

  const handle = Effect.fnUntraced(function* (delivery: Delivery) {
    const { message } = delivery
    const { messageId } = message
    const counted = excused.counted(messageId, message.deliveryCount)
    const judged: Judged = isOver(message, counted, deliveriesMax + 1)
      ? { disposition: poisoned(counted) }
      : yield* Effect.catchDefect(run(delivery, counted), (defect) => misjudged(counted, defect))
    const found = judged.disposition
    if (found._tag === "Abandoned" && found.isExcused === true) excused.excuse(messageId)
    const decided = last(message, counted, found)
    const details =
      decided._tag === "DeadLettered" ? yield* detailsOf(message, counted, judged) : undefined
    const disposition = yield* conclude(delivery, decided, details)
    if (disposition._tag === "Completed" || disposition._tag === "DeadLettered") {
      excused.forget(messageId)
    }
    const handled: Handled = { message, disposition }
    yield* log(handled)
    if (onHandled !== undefined) {
      yield* Effect.ignoreCause(
        Effect.suspend(() => onHandled(handled)),
        { log: "Warn", message: "onHandled failed" }
      )
    }
    return disposition
  })

  return (delivery: Delivery): Effect.Effect<Disposition, never, R> =>
    Effect.annotateLogs(
      watched(delivery.message, handle(delivery)),
      annotationsOf(delivery.message)
    )
})
