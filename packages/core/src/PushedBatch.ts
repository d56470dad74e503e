/**
 * Messages that a host pushes (AWS Lambda, Azure Functions), handled as those that a worker receives: by
 * the same handler, through the same stack.
 *
 * **Details**
 *
 * A host calls with a batch and waits for what became of it. {@link layer} stands right above the
 * provider: whoever receives on behalf of a batch is handed out its messages, locked until the host's
 * time is over, and what they are settled with goes to the host's own way of settling. Everything above
 * it (sealing, telemetry, the client) does what it always does; all other calls go to the provider.
 *
 * {@link make} is the worker of such batches. Messages of an ordered queue run in order inside each
 * session, sessions side by side; at the first failure of a session the rest of it is given back without
 * being run. What has not ended a margin before the host's time is over is interrupted and given back.
 *
 * For hosts: an application uses `@queue-runtime/provider-aws/lambda` or
 * `@queue-runtime/provider-azure/functions`.
 *
 * **Source** ADR 0019
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import * as Semaphore from "effect/Semaphore"
import * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as HandlerFailure from "./HandlerFailure.ts"
import * as aside from "./internal/pushed/aside.ts"
import { Batch, Closing, Current } from "./internal/pushed/batch.ts"
import * as provider from "./internal/pushed/provider.ts"
import * as LockKeeper from "./LockKeeper.ts"
import * as MessageHandler from "./MessageHandler.ts"
import * as Outcome from "./Outcome.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueClient from "./QueueClient.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueProvider from "./QueueProvider.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as Verdict from "./Verdict.ts"

/**
 * What a host pushed, before it is read.
 *
 * @category models
 * @since 0.1.0
 */
export interface Push {
  readonly address: QueueAddress.QueueAddress
  /** As the host's worker was given it. */
  readonly event: unknown
  /** Until when the host waits, in milliseconds: the end of every lock. */
  readonly endsAt: number
}

/**
 * One message of a batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pushed {
  readonly message: Omit<ReceivedMessage.ReceivedMessage, "receipt">
  /** Nobody is to get it: done with already (an expired one, dropped), or left to come again. */
  readonly fate?: "settled" | "left"
  /** Nobody is to get it: it is settled with this beside the handlers, as the time allows. */
  readonly verdict?: Verdict.Verdict
  /**
   * The place of the message that this is a second delivery of: at least once may mean twice in one batch.
   * Nobody is to get it, and what becomes of that one becomes of it: done with, or to come again. It is
   * never among those that `settle` or `release` are given: whatever has to be done for it as well, a host
   * does along with the other.
   */
  readonly copyOf?: number
}

/**
 * A batch that was read. Its messages are known by their place in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  readonly messages: ReadonlyArray<Pushed>
  /**
   * Settles these, one outcome each. With an abandon in a session go those `behind` it, which come again
   * behind it and were not handled.
   */
  readonly settle: (
    which: ReadonlyArray<number>,
    verdict: Verdict.Verdict,
    behind: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>
  /** These come again, and nobody waits for the outcome: they were not handled, or not settled. */
  readonly release: (which: ReadonlyArray<number>) => Effect.Effect<void>
}

/**
 * What a kind of host has of its own.
 *
 * @category models
 * @since 0.1.0
 */
export interface Host {
  /** What can be done with what was pushed; the rest stays as the provider has it. */
  readonly capabilities: (below: Capabilities.Capabilities) => Capabilities.Capabilities
  /**
   * Reads an event, once.
   *
   * **Errors** ConfigurationInvalid for an event that is none of this queue
   */
  readonly open: (push: Push) => Effect.Effect<Opened, QueueError.QueueError>
}

/**
 * Hands out what is pushed; goes right above the provider. `name` is its name in `stack`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  name: string,
  make: Effect.Effect<Host, E, R>
): Layer.Layer<
  QueueProvider.QueueProvider,
  E,
  Exclude<R, Scope.Scope> | QueueProvider.QueueProvider
> =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.gen(function* () {
      const self = yield* QueueProvider.QueueProvider
      return yield* provider.make(self, name, yield* make)
    })
  )

/**
 * A queue, its handler, and the limits of the work on one batch.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never> extends MessageHandler.Options<E> {
  /** The queue that the host takes from, or the dead letters of one. */
  readonly queue: QueueName.QueueName | QueueAddress.QueueAddress
  readonly handler: MessageHandler.MessageHandler<E, R>
  /** Handlers of one batch at work side by side; of an ordered queue, sessions. Default: 10. */
  readonly concurrency?: number
  /**
   * How long before the host's time is over handlers are interrupted. With no more than this left nothing
   * is begun. Default: 2 s.
   */
  readonly margin?: Duration.Input
}

/**
 * Handles one batch: which of its messages are done with, by their place. The others are to come again.
 *
 * **Errors** what kept all of it from being handled: nothing was settled then; Timeout where no more time
 * is left than the margin
 *
 * @category models
 * @since 0.1.0
 */
export type Work<R = never> = (
  event: unknown,
  /** Until the host stops waiting. */
  remaining: Duration.Duration
) => Effect.Effect<ReadonlyArray<boolean>, QueueError.QueueError, R>

const isAny = (messages: ReadonlyArray<unknown>): boolean => messages.length > 0

/** Carries a batch through the stack, for this one call. */
const from =
  (batch: Batch) =>
  <A, E, R>(call: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
    Effect.provideService(call, Current, batch)

/**
 * Makes the worker of pushed batches. `host` is the name that {@link layer} was given.
 *
 * **Errors** ValidationFailed for an option out of its range · ConfigurationInvalid where the stack has
 * no such layer: it would receive from the queue what the host is to push
 *
 * **Example** (A host of one's own, whose events are texts)
 *
 * ```ts
 * import { PushedBatch, QueueClient, QueueName, ReceivedMessage } from "@queue-runtime/core"
 * import { MessageId } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { DateTime, Duration, Effect, Layer, Result } from "effect"
 *
 * const at = DateTime.makeUnsafe(0)
 * const texts = PushedBatch.layer(
 *   "texts",
 *   Effect.succeed({
 *     capabilities: (below) => below,
 *     open: ({ endsAt, event }) =>
 *       Effect.succeed({
 *         messages: String(event).split(" ").map((text, index) => ({
 *           message: {
 *             body: new TextEncoder().encode(text),
 *             attributes: {},
 *             messageId: MessageId.makeUnsafe(`m-${index}`),
 *             deliveryCount: 1,
 *             enqueuedAt: at,
 *             firstDeliveredAt: at,
 *             deliveredAt: at,
 *             lockedUntil: DateTime.makeUnsafe(endsAt)
 *           }
 *         })),
 *         settle: (which) => Effect.succeed(which.map(() => Result.succeed(undefined))),
 *         release: () => Effect.void
 *       })
 *   })
 * )
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(texts),
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const work = yield* PushedBatch.make("texts", {
 *     queue: yield* QueueName.make("orders"),
 *     handler: (message) =>
 *       Effect.filterOrFail(ReceivedMessage.text(message), (text) => text !== "bad")
 *   })
 *   return yield* work("good bad good", Duration.seconds(30))
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => [true, false, true]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* <E, R>(host: string, options: Options<E, R>) {
  const client = yield* QueueClient.QueueClient
  if (!client.stack.includes(host)) {
    const problem = `has no "${host}": put its layer right above the provider's`
    return yield* Effect.fail(QueueError.configurationInvalid("layer", problem))
  }
  const handle = yield* MessageHandler.make(options.handler, options)
  const concurrency = yield* Check.wholeNumber(
    "concurrency",
    options.concurrency ?? Defaults.concurrency
  )
  const margin = yield* Check.duration("margin", options.margin ?? Defaults.pushedMargin)
  const address = QueueAddress.from(options.queue)
  const { queue } = address
  const capabilities = client.capabilities(queue)
  const isOrdered = address._tag === "Queue" && capabilities.ordered
  const prefetch = Math.min(Defaults.sessionPrefetch, capabilities.receiveCountMax)
  const { settleCountMax } = capabilities

  /** The verdict as the host can do it. */
  const feasible = (verdict: Verdict.Verdict): Verdict.Verdict => {
    if (verdict._tag !== "Abandon") return verdict
    const { abandonDelay, abandonDelayMax = verdict.delay } = capabilities
    return Capabilities.isSupported(abandonDelay)
      ? Verdict.abandon(Duration.min(verdict.delay, abandonDelayMax))
      : Verdict.abandon()
  }

  /** Works on one batch until it is done or the time is over; what kept it from being done. */
  const workOn = (batch: Batch, timeOver: Deferred.Deferred<void>) => {
    const { endsAt } = batch
    const isOver = (): boolean => Deferred.isDoneUnsafe(timeOver)
    const handedOut = (): number => batch.held?.handedOut ?? 0

    const handleOne = (
      message: ReceivedMessage.ReceivedMessage,
      {
        lockLost,
        lockedUntil,
        settle
      }: Pick<MessageHandler.Delivery, "lockLost" | "lockedUntil"> & {
        readonly settle: (
          verdict: Verdict.Verdict
        ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>>
      }
    ) =>
      handle({
        message,
        settle: (verdict) => Effect.flatMap(settle(feasible(verdict)), Outcome.single),
        lockLost,
        lockedUntil,
        graceOver: timeOver
      })

    /**
     * Asks as long as the provider hands something out and none of it comes here: a stage above may have
     * kept it (nothing opens it, another holds its lease).
     */
    const untilThere = Effect.fnUntraced(function* <A, E1, R1>(
      ask: Effect.Effect<A, E1, R1>,
      isThere: (answer: A) => boolean
    ) {
      while (true) {
        const before = handedOut()
        const answer = yield* ask
        if (isThere(answer) || isOver() || handedOut() === before) return answer
      }
    })

    /** In order, up to the first that does not go well. */
    const serve = Effect.fnUntraced(function* (session: QueueClient.Session) {
      const receive = untilThere(session.receive({ max: prefetch, wait: 0 }), isAny)
      const { lockedUntil } = session
      const lockLost = yield* keep(session, endsAt)
      while (!isOver()) {
        const messages = yield* receive
        if (messages.length === 0) return
        for (const message of messages) {
          if (isOver()) return
          const { _tag } = yield* handleOne(message, {
            settle: (verdict) => session.settle([message], verdict),
            lockLost,
            lockedUntil
          })
          if (_tag !== "Completed" && _tag !== "DeadLettered") return
        }
      }
    })

    const serveNext = Effect.scoped(
      Effect.flatMap(
        untilThere(from(batch)(client.acceptSession(queue, { wait: 0 })), Option.isSome),
        (session) =>
          Option.isNone(session) ? Effect.succeed(false) : Effect.as(serve(session.value), true)
      )
    )

    const received: Array<ReceivedMessage.ReceivedMessage> = []
    const receiving = Semaphore.makeUnsafe(1)
    const refill = Effect.gen(function* () {
      const receive = from(batch)(client.receive(address, { max: concurrency, wait: 0 }))
      received.push(...(yield* untilThere(receive, isAny)))
      return received.shift()
    })
    const next = receiving.withPermit(
      Effect.suspend(() => {
        const message = received.shift()
        return message === undefined ? refill : Effect.succeed(message)
      })
    )
    const handleNext = Effect.flatMap(next, (message) =>
      // What came when the time was over would be interrupted, and counted as a delivery.
      message === undefined || isOver()
        ? Effect.succeed(false)
        : Effect.as(
            handleOne(message, {
              settle: (verdict) => client.settle([message], verdict),
              // The host keeps it, or nobody does.
              lockLost: Deferred.makeUnsafe(),
              lockedUntil: Effect.succeed(DateTime.makeUnsafe(endsAt))
            }),
            true
          )
    )

    let problem: QueueError.QueueError | undefined
    const step = Effect.suspend(() => {
      const before = handedOut()
      return (isOrdered ? serveNext : handleNext).pipe(
        Effect.catch((error) =>
          Effect.sync(() => {
            problem ??= error
            // What could not be received, or lost its session, keeps none of the others.
            return handedOut() > before
          })
        )
      )
    })
    const slot = Effect.gen(function* () {
      while (!isOver()) if (!(yield* step)) return
    })
    const putAside = Effect.flatMap(Deferred.await(batch.wasRead), (held) =>
      aside.settleAside(held, { concurrency, max: settleCountMax, isOver })
    )
    return Effect.gen(function* () {
      const asides = yield* Effect.forkChild(putAside, { startImmediately: true })
      // What ends one slot must not cut short the handlers of the others.
      const slots = Effect.replicateEffect(Effect.exit(slot), concurrency, {
        concurrency: "unbounded"
      })
      const ends: Array<Exit.Exit<void>> = yield* slots
      if (batch.held === undefined) yield* Fiber.interrupt(asides)
      else ends.push(yield* Fiber.await(asides))
      const broken = ends.find(Exit.isFailure)?.cause
      return broken ?? (problem === undefined ? undefined : Cause.fail(problem))
    })
  }

  const run: Work<R> = Effect.fnUntraced(function* (event, remaining) {
    const now = yield* Clock.currentTimeMillis
    const left = Math.max(0, Duration.toMillis(remaining))
    const marginMillis = Duration.toMillis(margin)
    if (left <= marginMillis) {
      // What was begun now would be interrupted at once, and be counted as a delivery.
      yield* Effect.logWarning(
        `${Duration.format(Duration.millis(left))} of the host's time are left, and the margin is ` +
          `${Duration.format(margin)}: nothing is begun, and all comes again; give the host more ` +
          "time, or set a shorter margin"
      )
      return yield* Effect.fail(timedOut(remaining))
    }
    const closing = yield* Closing
    const batch = new Batch(address, event, now + left)
    const timeOver = yield* Deferred.make<void>()
    const work = yield* Effect.forkDetach(workOn(batch, timeOver), { startImmediately: true })
    const timeIsOver = Effect.as(Effect.sleep(left - marginMillis), "the host's time is over")
    const hostCloses = Effect.as(closing, "the host closes")
    // Interrupted, the handlers have half of the margin to settle; what is left goes back in a quarter.
    const settling = Effect.suspend(() => {
      Deferred.doneUnsafe(timeOver, Exit.void)
      return Effect.timeoutOption(Fiber.join(work), Duration.millis(marginMillis / 2))
    })
    const releasing = Duration.millis(marginMillis / 4)
    const waitAWhile = Effect.raceFirst(
      Effect.asSome(Fiber.join(work)),
      Effect.flatMap(Effect.raceFirst(timeIsOver, hostCloses), (why) =>
        Effect.as(Effect.logWarning(`${why}: the rest comes again`), Option.none())
      )
    ).pipe(
      Effect.flatMap((end) => (Option.isSome(end) ? Effect.succeed(end) : settling)),
      // Whoever interrupts it closes next what the handlers, and what they end with, still need.
      Effect.onInterrupt(() => settling)
    )
    const end = yield* Effect.ensuring(
      waitAWhile,
      Effect.suspend(() => {
        const giveBack = batch.end()
        work.interruptUnsafe()
        return Effect.timeoutOption(giveBack, releasing)
      })
    )
    const problem = Option.getOrUndefined(end)
    const settled = batch.held?.settled
    if (settled === undefined) {
      // Nobody has seen what is in it: as if all of it were done with, an answer of nothing could mean.
      return yield* Effect.failCause(problem ?? Cause.fail(unread(end, remaining)))
    }
    if (problem === undefined) return settled
    // What was settled is not to come again.
    if (!settled.includes(true)) return yield* Effect.failCause(problem)
    const { description } = HandlerFailure.describe(Cause.squash(problem))
    yield* Effect.logError(`a batch was not handled to its end: ${description}`)
    return settled
  })

  const annotated: Work<R> = (event, remaining) =>
    Effect.annotateLogs(run(event, remaining), { queue: QueueAddress.format(address) })
  return annotated
})

const timedOut = (after: Duration.Duration): QueueError.QueueError =>
  QueueError.make(new QueueError.Timeout({ after }), { operation: "open" })

/**
 * Keeps a session that a stage above the host's layer holds for a shorter time (a lease) until the host's
 * is over. Ends when it is lost, with why; may be awaited more than once.
 */
const keep = Effect.fnUntraced(function* (
  { lockedUntil, lost = Effect.never, renewLock, sessionId }: QueueClient.Session,
  endsAt: number
) {
  const isLongEnough = (until: DateTime.Utc): boolean => DateTime.toEpochMillis(until) >= endsAt
  const until = yield* lockedUntil
  // Nothing is to be renewed beyond the host's time, which ends it in its own way.
  const renew = Effect.map(renewLock, (renewed) =>
    isLongEnough(renewed) ? DateTime.addDuration(renewed, Duration.days(1)) : renewed
  )
  const kept = LockKeeper.keep({ lockedUntil: until, renew, renewalMax: Duration.infinity })
  const lockLost = Deferred.makeUnsafe<QueueError.QueueError>()
  yield* (isLongEnough(until) ? lost : Effect.raceFirst(kept, lost)).pipe(
    Effect.flatMap((error) =>
      Deferred.succeed(
        lockLost,
        error.reason._tag === "ReceiptExpired"
          ? QueueError.make(new QueueError.SessionLockLost({ sessionId }))
          : error
      )
    ),
    Effect.forkScoped
  )
  return lockLost
})

/** The batch was not read: no time, or a stage above the host's layer keeps everybody from it. */
const unread = (end: Option.Option<unknown>, after: Duration.Duration): QueueError.QueueError =>
  Option.isNone(end)
    ? timedOut(after)
    : QueueError.configurationInvalid("layer", "a stage of it receives nothing from the host's")

/**
 * A worker of pushed batches for a host that knows promises.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hosted {
  /** Handles one batch; rejects where {@link Work} fails, or where the layer cannot be built. */
  readonly handle: (event: unknown, remaining: Duration.Duration) => Promise<ReadonlyArray<boolean>>
  /**
   * Ends what is at work as if the host's time were over, lets it answer, and closes what was built; a
   * later batch builds it anew. Asked for again meanwhile it is the same.
   */
  readonly close: () => Promise<void>
}

/** Milliseconds of a clock that is never set. */
const monotonic: Effect.Effect<number> = Clock.clockWith((clock) =>
  Effect.sync(() => Number(clock.monotonicTimeNanosUnsafe()) / 1e6)
)

class Worker extends Context.Service<Worker, Work>()("@queue-runtime/core/PushedBatch/Worker") {}

/** What the first batch built, and what is at work with it. */
class Running<E> {
  readonly runtime: ManagedRuntime.ManagedRuntime<Worker, E>
  readonly closing = Deferred.makeUnsafe<void>()
  /** As many as the host runs side by side. */
  readonly batches = new Set<Promise<unknown>>()

  constructor(ready: Layer.Layer<Worker, E>) {
    this.runtime = ManagedRuntime.make(ready)
  }

  get isClosing(): boolean {
    return Deferred.isDoneUnsafe(this.closing)
  }

  /** Runs a batch; closing waits for it. */
  run<A>(work: Effect.Effect<A, QueueError.QueueError, Worker>): Promise<A> {
    const told = Effect.provideService(work, Closing, Deferred.await(this.closing))
    const batch = this.runtime.runPromise(told)
    const gone = (): void => {
      this.batches.delete(batch)
    }
    this.batches.add(batch)
    void batch.then(gone, gone)
    return batch
  }

  /** What is told so ends within its margin. */
  close(): Promise<void> {
    Deferred.doneUnsafe(this.closing, Exit.void)
    return Promise.allSettled(this.batches).then(() => this.runtime.dispose())
  }
}

const isClosed = (): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: "the host closes" }), {
    operation: "open"
  })

/**
 * Runs a worker for a host: what it needs is built with the first batch and serves all later ones. What
 * could not be built is built anew by the next batch, so that a service that was down when the host
 * started does not spoil it for ever. A batch does not wait longer for what it needs than it could be
 * handled: up to `margin`, which is the worker's, before the host's time is over.
 *
 * @category running
 * @since 0.1.0
 */
export const host = <R, LE, E>(
  needs: Layer.Layer<R, LE>,
  worker: Effect.Effect<Work<R>, E, R>,
  margin: Duration.Input = Defaults.pushedMargin
): Hosted => {
  const ready = Layer.effect(
    Worker,
    Effect.zipWith(worker, Effect.context<R>(), (work, context) =>
      Worker.of((event, remaining) => Effect.provideContext(work(event, remaining), context))
    )
  ).pipe(Layer.provide(needs))
  // One that is none is refused by the worker.
  const reserve = Option.getOrElse(Duration.fromInput(margin), () => Defaults.pushedMargin)
  let current: Running<E | LE> | undefined
  let closed: Promise<void> = Promise.resolve()

  const close = (): Promise<void> => {
    const running = current
    if (running === undefined) return closed
    current = undefined
    // What one failed with is not the next one's.
    const closing = running.close()
    closed = Promise.allSettled([closed, closing]).then(() => closing)
    return closed
  }

  const failed =
    (running: Running<E | LE>) =>
    (error: unknown): Promise<never> => {
      if (running.isClosing) return Promise.reject(isClosed())
      // Another batch may have begun to build it anew.
      if (current === running) current = undefined
      // What it rejected with it rejects with again.
      return Effect.runPromise(Effect.andThen(running.runtime.disposeEffect, Effect.die(error)))
    }

  return {
    handle: (event, remaining) => {
      const running = (current ??= new Running(ready))
      const start = Effect.runSync(monotonic)
      // The host's time goes on while the first batch builds what it needs.
      const work = Effect.flatMap(monotonic, (now) => {
        const left = Duration.subtract(remaining, Duration.millis(Math.max(0, now - start)))
        return Worker.use((handle) => handle(event, left))
      })
      // It goes on being built for the next one.
      const built = Effect.timeoutOption(
        running.runtime.contextEffect,
        Duration.max(Duration.zero, Duration.subtract(remaining, reserve))
      )
      return Effect.runPromise(built).then((context) => {
        if (running.isClosing) return Promise.reject(isClosed())
        return Option.isNone(context) ? Promise.reject(timedOut(remaining)) : running.run(work)
      }, failed(running))
    },
    close
  }
}
