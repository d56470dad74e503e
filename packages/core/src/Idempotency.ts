/**
 * A handler that runs once for a message, as far as that can be promised: what is recorded as done is
 * settled and not run again.
 *
 * **Details**
 *
 * | the store says | the handler |
 * |---|---|
 * | free | runs under a lease that is renewed while it does; its success is recorded |
 * | done | is not called; the delivery succeeds, so that the worker completes it |
 * | another has it | is not called yet: the delivery waits, in hand, until the other is done or its lease ends |
 * | nothing, it failed | is not called; the delivery fails for the moment, whatever the store's error was |
 *
 * A handler that fails or is interrupted gives its claim up. One whose lease is lost is interrupted, since
 * another may run by now, and its delivery fails for the moment.
 *
 * **Gotchas**
 *
 * This is not exactly once. Between the effect of a handler and its record a process can die; the message
 * is then delivered again and the handler runs again. Only a handler that writes its effect and the
 * record in one transaction (`SqlIdempotencyStore`), or whose effect is itself idempotent, closes that
 * gap. A record that fails after a success is logged and the message is completed all the same: failing
 * would run the handler again for certain. What is older than the time to live runs again.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as IdempotencyStore from "./IdempotencyStore.ts"
import * as LockKeeper from "./LockKeeper.ts"
import type * as MessageHandler from "./MessageHandler.ts"
import * as QueueError from "./QueueError.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"

/**
 * What makes two messages the same, and for how long.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /**
   * Names what the handler does for a message: two of one name are done once. `undefined` runs without a
   * record. Default: the message's id.
   */
  readonly key?: (message: ReceivedMessage.ReceivedMessage) => string | undefined
  /** Tells several handlers of one queue apart. Default: the queue's name. */
  readonly scope?: string
  /** How long a claim outlives its worker. Renewed while a handler runs. Default: 30 s. */
  readonly lease?: Duration.Input
  /** How long a record stays: longer than a message may be on its way. Default: 14 days. */
  readonly timeToLive?: Duration.Input
}

const leaseLost = QueueError.make(
  new QueueError.ConnectionFailed({ detail: "the lease of the message's record was lost" })
)

/** A store that is down, or refuses us, says nothing of the message. */
const forTheMoment = (error: QueueError.QueueError): QueueError.QueueError =>
  QueueError.make(error.reason, {
    retry: "Transient",
    operation: "claim",
    retryAfter: error.retryAfter
  })

const pauseMin = Duration.toMillis(Defaults.idlePause)

const pauseMax = Duration.toMillis(Defaults.idempotencyPause)

/**
 * Wraps a handler.
 *
 * **Errors** ValidationFailed for a time out of its range.
 *
 * **Example** (The same order twice)
 *
 * ```ts
 * import { Idempotency, IdempotencyStore, Message, QueueClient, QueueName, QueueWorker } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Fiber, Layer, Queue } from "effect"
 *
 * const live = Layer.merge(
 *   IdempotencyStore.layerMemory(),
 *   QueueClient.layer().pipe(Layer.provide(MemoryProvider.layer({ queues: { orders: {} } })))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const queue = yield* QueueName.make("orders")
 *   const [handled, seen] = [yield* Queue.unbounded<void>(), new Array<string>()]
 *   const handler = yield* Idempotency.handler(
 *     ({ messageId }) => Effect.sync(() => seen.push(messageId)),
 *     { key: ({ attributes }) => attributes["order"] }
 *   )
 *   const worker = yield* Effect.forkChild(
 *     QueueWorker.run({ queue, handler, onHandled: () => Effect.asVoid(Queue.offer(handled, undefined)) })
 *   )
 *   for (const _ of ["first", "again"]) {
 *     yield* client.send(queue, yield* Message.text("pay", { attributes: { order: "o-1" } }))
 *   }
 *   yield* Queue.takeN(handled, 2)
 *   yield* Fiber.interrupt(worker)
 *   return seen.length
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = Effect.fnUntraced(function* <E = never, R = never>(
  handle: MessageHandler.MessageHandler<E, R>,
  options: Options = {}
) {
  const store = yield* IdempotencyStore.IdempotencyStore
  const lease = yield* Check.duration(
    "lease",
    options.lease ?? Defaults.idempotencyLease,
    Duration.seconds(1)
  )
  const timeToLive = yield* Check.duration(
    "timeToLive",
    options.timeToLive ?? Defaults.idempotencyTimeToLive,
    lease
  )
  const nameOf = options.key ?? (({ messageId }: ReceivedMessage.ReceivedMessage) => messageId)

  const run = Effect.fnUntraced(function* (
    message: ReceivedMessage.ReceivedMessage,
    key: string,
    { token, until }: Extract<IdempotencyStore.Claim, { readonly _tag: "Claimed" }>
  ) {
    const lost = LockKeeper.keep({
      lockedUntil: until,
      renew: store.renew(key, token, lease),
      renewalMax: Duration.infinity
    })
    const recorded = store
      .complete(key, token, timeToLive)
      .pipe(
        Effect.catch(({ message: why }) =>
          Effect.logWarning(`handled, but the record failed: ${why}`)
        )
      )
    return yield* Effect.raceFirst(
      Effect.suspend(() => handle(message)),
      Effect.flatMap(lost, () => Effect.fail(leaseLost))
    ).pipe(
      Effect.onExit((exit) =>
        Exit.isSuccess(exit) ? recorded : Effect.ignore(store.release(key, token), { log: "Debug" })
      )
    )
  })

  /** What is done here is answered by `undefined`: nothing is left to wait for. */
  const claimed = (
    message: ReceivedMessage.ReceivedMessage,
    key: string
  ): Effect.Effect<DateTime.Utc | undefined, E | QueueError.QueueError, R> =>
    // No gap between the two: a claim that nobody gives up is held until its lease ends.
    Effect.uninterruptibleMask((restore) =>
      Effect.flatMap(
        Effect.mapError(store.claim(key, lease), forTheMoment),
        (claim): Effect.Effect<DateTime.Utc | undefined, E | QueueError.QueueError, R> => {
          switch (claim._tag) {
            case "Claimed":
              return Effect.as(restore(run(message, key, claim)), undefined)
            case "Busy":
              return Effect.succeed(claim.until)
            default:
              return Effect.as(Effect.logDebug("handled before: not run again"), undefined)
          }
        }
      )
    )

  const once = Effect.fnUntraced(function* (message: ReceivedMessage.ReceivedMessage, key: string) {
    let until = yield* claimed(message, key)
    while (until !== undefined) {
      const left = DateTime.toEpochMillis(until) - (yield* Clock.currentTimeMillis)
      yield* Effect.sleep(Math.min(Math.max(left, pauseMin), pauseMax))
      until = yield* claimed(message, key)
    }
  })

  const wrapped: MessageHandler.MessageHandler<E | QueueError.QueueError, R> = (message) => {
    const name = nameOf(message)
    if (name === undefined) return handle(message)
    return once(message, `${options.scope ?? message.receipt.address.queue}\n${name}`)
  }
  return wrapped
})
