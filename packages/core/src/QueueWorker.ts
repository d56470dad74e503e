/**
 * Runs a handler over a queue: receives what it has room for, keeps locks, settles, and drains when it
 * is interrupted.
 *
 * **Details**
 *
 * Messages run side by side, and the next handler begins when one is done, not when its settlement is; as
 * many settlements as handlers may be under way. Each receive asks for all there is room for, which may
 * be more than it brings: a provider may have the rest on its way. An ordered queue has a session worker
 * instead (`@queue-runtime/sessions`). How a delivery ends is told by `MessageHandler`. A connection that
 * fails is waited for, with backoff; an error that no waiting mends (a missing queue) ends the worker
 * after its handlers. Refused credentials end one that has not received yet, so that a mistake shows at
 * the start; one that was at work waits until they are right again, and says so as an error, once.
 *
 * Interruption drains: nothing more is received, running handlers get the grace period, and the messages
 * of those that are not done by then are abandoned.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Latch from "effect/Latch"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import * as Backoff from "./Backoff.ts"
import * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as HandlerFailure from "./HandlerFailure.ts"
import { type KeptLock, KeptLocks } from "./internal/keptLocks.ts"
import * as MessageHandler from "./MessageHandler.ts"
import * as Outcome from "./Outcome.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueClient from "./QueueClient.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as Verdict from "./Verdict.ts"

/**
 * A queue, its handler, and the limits of the work.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never> extends MessageHandler.Options<E> {
  /** The queue, or the dead letters of one. */
  readonly queue: QueueName.QueueName | QueueAddress.QueueAddress
  readonly handler: MessageHandler.MessageHandler<E, R>
  /** Handlers at work side by side. Default: 10. */
  readonly concurrency?: number
  /** Locks are renewed no longer than this. Default: 10 minutes. */
  readonly lockRenewalMax?: Duration.Input
  /** How long one receive waits. Default: 30 s. */
  readonly wait?: Duration.Input
  /** How long handlers may go on after the worker was interrupted. Default: 20 s. */
  readonly gracePeriod?: Duration.Input
  /**
   * Pauses the worker: waited for before each receive, it answers how many messages the worker may take
   * then, at least 1. What was received before a pause is handled. Default: never pauses.
   */
  readonly ready?: Effect.Effect<number>
}

/**
 * Who is at work, whether there is room for more, and whether all are done. A settlement takes no
 * handler's place, unless as many are on their way already.
 */
class Room {
  #running = 0
  #settling = 0
  readonly free = Latch.makeUnsafe(true)
  readonly idle = Latch.makeUnsafe(true)
  readonly #size: number

  constructor(size: number) {
    this.#size = size
  }

  get left(): number {
    return this.#size - this.#running - Math.max(0, this.#settling - this.#size)
  }

  enter(): void {
    this.#running++
    this.idle.closeUnsafe()
    if (this.left <= 0) this.free.closeUnsafe()
  }

  /** The handler is done, and the settlement is left. */
  handled(): void {
    this.#running--
    this.#settling++
    if (this.left > 0) this.free.openUnsafe()
  }

  leave(isHandled: boolean): void {
    if (isHandled) this.#settling--
    else this.#running--
    if (this.left > 0) this.free.openUnsafe()
    if (this.#running + this.#settling === 0) this.idle.openUnsafe()
  }
}

const idlePause = Duration.toMillis(Defaults.idlePause)

const limits = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  return {
    concurrency: yield* Check.wholeNumber(
      "concurrency",
      options.concurrency ?? Defaults.concurrency,
      1
    ),
    wait: yield* Check.duration("wait", options.wait ?? Defaults.receiveWait),
    grace: yield* Check.duration("gracePeriod", options.gracePeriod ?? Defaults.gracePeriod),
    renewalMax: yield* Check.duration(
      "lockRenewalMax",
      options.lockRenewalMax ?? Defaults.lockRenewalMax
    )
  }
})

/** A worker is mostly forked, and nobody looks at its fiber: what ends it is told. */
const failed = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
  Cause.hasInterruptsOnly(cause)
    ? Effect.void
    : Effect.logError(
        `worker failed: ${HandlerFailure.format(HandlerFailure.describe(Cause.squash(cause)))}`
      )

/**
 * Runs until it is interrupted, and then drains. Fails only with what no waiting mends, and only after
 * its handlers are done; the log says with what, as an error, before they are.
 *
 * **Errors** ValidationFailed for an option out of its range, before anything is received ·
 * QueueNotFound · UnsupportedOperation for an ordered queue · AuthenticationFailed and PermissionDenied
 * before its first receive
 *
 * **Example** (A worker that handles one message)
 *
 * ```ts
 * import { Message, QueueClient, QueueName, QueueWorker } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Deferred, Effect, Fiber, Layer } from "effect"
 *
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const queue = yield* QueueName.make("orders")
 *   const handled = yield* Deferred.make<string>()
 *   const worker = yield* Effect.forkChild(
 *     QueueWorker.run({ queue, handler: (message) => Deferred.succeed(handled, message.messageId) })
 *   )
 *   const sent = yield* client.send(queue, yield* Message.text("hello"))
 *   const id = yield* Deferred.await(handled)
 *   yield* Fiber.interrupt(worker)
 *   return id === sent.messageId
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => true
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const run = <E, R>(
  options: Options<E, R>
): Effect.Effect<never, QueueError.QueueError, QueueClient.QueueClient | R> =>
  Effect.suspend(() => {
    const queue = QueueAddress.format(QueueAddress.from(options.queue))
    return Effect.annotateLogs(Effect.flatten(Effect.tapCause(begin(options), failed)), { queue })
  })

/** Checks the options, and answers the work. */
const begin = Effect.fnUntraced(function* <E, R>(options: Options<E, R>) {
  const client = yield* QueueClient.QueueClient
  const { concurrency, grace, renewalMax, wait } = yield* limits(options)
  const handle = yield* MessageHandler.make(options.handler, options)
  const address = QueueAddress.from(options.queue)
  const { abandonDelay, abandonDelayMax } = client.capabilities(address.queue)
  const room = new Room(concurrency)
  const graceOver = yield* Deferred.make<void>()
  const scope = yield* Scope.make()
  const pause = Backoff.exponential()
  const ready = options.ready ?? Effect.succeed(Number.POSITIVE_INFINITY)

  /**
   * The verdict as the queue can do it. Where it knows no delay of an abandon the message stays in hand,
   * its lock renewed, until the delay is over or the worker ends.
   */
  const feasible = (verdict: Verdict.Verdict): Effect.Effect<Verdict.Verdict> => {
    if (verdict._tag !== "Abandon" || Duration.isZero(verdict.delay)) return Effect.succeed(verdict)
    const { delay } = verdict
    return Capabilities.isSupported(abandonDelay)
      ? Effect.succeed(Verdict.abandon(Duration.min(delay, abandonDelayMax ?? delay)))
      : Effect.as(
          Effect.raceFirst(Effect.sleep(delay), Deferred.await(graceOver)),
          Verdict.abandon()
        )
  }

  const locks = new KeptLocks(renewalMax, scope)

  const settleOne = (message: ReceivedMessage.ReceivedMessage, verdict: Verdict.Verdict) =>
    Effect.flatMap(client.settle([message], verdict), Outcome.single)

  const unsettled = (cause: Cause.Cause<unknown>): Effect.Effect<void> =>
    Effect.logError(
      `a delivery was not settled: ${HandlerFailure.describe(Cause.squash(cause)).description}`
    )

  /** One delivery in its own fiber, its lock kept meanwhile. */
  const start = (message: ReceivedMessage.ReceivedMessage, lock: KeptLock) => {
    room.enter()
    let isHandled = false
    const delivery: MessageHandler.Delivery = {
      message,
      settle: (verdict) =>
        Effect.flatMap(feasible(verdict), (possible) => {
          if (!isHandled) {
            isHandled = true
            room.handled()
          }
          // A renewal must not overtake the settlement.
          return Effect.andThen(locks.stop(lock), settleOne(message, possible))
        }),
      lockLost: lock.lost,
      lockedUntil: Effect.sync(() => lock.lockedUntil),
      graceOver
    }
    return Effect.forkIn(
      Effect.onExit(handle(delivery), (exit) => {
        room.leave(isHandled)
        const stopped = locks.stop(lock)
        return Exit.isFailure(exit) && Cause.hasDies(exit.cause)
          ? Effect.andThen(stopped, unsettled(exit.cause))
          : stopped
      }),
      scope,
      // At once: who asks next whether the worker is ready knows of this one.
      { startImmediately: true }
    )
  }

  /** Whether the service has let it in, and whether it does now. */
  let access: "unknown" | "granted" | "refused" = "unknown"

  /** What an unlucky receive costs: time, never a busy loop. */
  const unlucky = Effect.fnUntraced(function* (error: QueueError.QueueError, failures: number) {
    const isRefused = QueueError.isRefused(error) && access !== "unknown"
    if (!QueueError.isTransient(error) && !isRefused) return yield* Effect.fail(error)
    const asked = error.retryAfter ?? (yield* pause(failures))
    const delay = Duration.max(asked, Defaults.idlePause)
    if (isRefused && access === "granted") {
      access = "refused"
      yield* Effect.logError(`access is refused, and asked for until it is not: ${error.message}`)
    } else {
      yield* Effect.logWarning(
        `receiving failed, again in ${Duration.format(delay)}: ${error.message}`
      )
    }
    yield* Effect.sleep(delay)
  })

  const received = Effect.suspend(() => {
    const wasRefused = access === "refused"
    access = "granted"
    return wasRefused ? Effect.logInfo("access is granted again") : Effect.void
  })

  const loop = (
    restore: <A, E1, R1>(effect: Effect.Effect<A, E1, R1>) => Effect.Effect<A, E1, R1>
  ) =>
    Effect.gen(function* () {
      let failures = 0
      while (true) {
        yield* restore(room.free.await)
        const max = Math.min(yield* restore(ready), room.left)
        const before = yield* Clock.currentTimeMillis
        const result = yield* restore(Effect.result(client.receive(address, { max, wait })))
        if (Result.isFailure(result)) {
          failures++
          yield* restore(unlucky(result.failure, failures))
          continue
        }
        failures = 0
        if (access !== "granted") yield* received
        const now = yield* Clock.currentTimeMillis
        const messages = result.success
        if (messages.length === 0) {
          if (now - before < idlePause) yield* restore(Effect.sleep(Defaults.idlePause))
          continue
        }
        const kept = messages.map((message) => ({
          message,
          lock: locks.add(message.lockedUntil, client.renewLock(message), now)
        }))
        yield* locks.watch
        for (const { lock, message } of kept) yield* start(message, lock)
      }
    })

  const drain = Effect.fnUntraced(function* () {
    yield* Effect.logInfo("worker drains")
    const done = yield* Effect.timeoutOption(room.idle.await, grace)
    if (done._tag === "None") {
      yield* Effect.logWarning("the grace period is over: the rest is abandoned")
      yield* Deferred.succeed(graceOver, undefined)
      yield* Effect.timeoutOption(room.idle.await, Defaults.releaseWait)
    }
    yield* Scope.close(scope, Exit.void)
    yield* Effect.logInfo("worker ended")
  })

  yield* Effect.logInfo("worker started").pipe(
    Effect.annotateLogs({
      concurrency,
      stack: client.stack.join(" > ")
    })
  )
  return Effect.uninterruptibleMask((restore) =>
    Effect.ensuring(Effect.tapCause(loop(restore), failed), drain())
  )
})

/**
 * A worker that lives as long as the layer. One that ends by an error says so in the log alone; use
 * {@link run} where the application should end with its worker.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = <E, R>(
  options: Options<E, R>
): Layer.Layer<never, never, QueueClient.QueueClient | R> =>
  Layer.effectDiscard(Effect.forkScoped(run(options)))
