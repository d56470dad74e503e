/**
 * Merges concurrent sends, settlements and renewals into batch calls, each caller still getting its own
 * outcome. A decorator of `QueueProvider`: no caller asks for it.
 *
 * **Details**
 *
 * What is called goes out at the next tick of the scheduler, together with what else is called in this
 * one: a lone caller waits for nobody, and no timer runs. While a call is under way, what comes meanwhile
 * makes up the next one, which goes when it is full, when nothing is under way any more, or after
 * `linger`; full is what one call of the provider takes in entries or in bytes. Up to `callsMax` calls of
 * one method on one queue are under way.
 *
 * 100 callers on a server 12 ms away send 7,800 messages a second in calls of ten, as many as 100 calls
 * of one would carry; on a server that takes 0.4 ms of work a call, 16,600 instead of 2,300. With 20 ms
 * between two sends of a caller, the linger of 5 ms makes batches of 9.3 where without it they are of
 * 3.8, and adds 1 ms to the median. Simulated servers, one run each.
 *
 * - **Sends** are merged by queue. The call of one caller is never split, and one that is larger than a
 *   call may be goes to the provider alone, as it is.
 * - **Settlements** are merged by address and equal verdict: another delay, reason or description is
 *   another call. **Renewals** are merged by address.
 * - Sessions: what a session handle does goes to it untouched, and so does whatever is settled or renewed
 *   on an ordered queue by receipt, whose session nobody can tell. Receiving, peeking and accepting are
 *   never touched.
 *
 * **Order.** On an ordered queue one call with messages of a session is under way at a time, and callers'
 * calls go out in the order they were made, whatever fails: a second `send` of a session waits for the
 * outcome of the first. When the first fails, the second is still sent: it is another call, whose caller
 * did not wait to know. Who wants nothing sent behind a failure sends in one call, or waits. Strict as
 * this is, a session sends one call a round trip; many sessions fill a batch. `sendOrder: "batch"` puts
 * several calls of a session into one batch and leaves its order to the provider's: on SQS FIFO, which
 * answers by entry, a failed one may then be overtaken by the next.
 *
 * **Failures.** An outcome is its caller's alone. When a call fails as a whole, each of its callers fails
 * with that error. What may be one caller's fault (too large, invalid, unsupported) and is found before
 * anything takes effect is called again in parts, until it fails that one alone; so is a message that was
 * not sent for another caller's that is too large. A message that an error names (`MessageTooLarge`) is one
 * of the caller's own, by its place in the caller's call.
 *
 * **Interruption** ends a caller's wait at once. What did not go out is withdrawn; what is under way goes
 * on for the others, and is interrupted when all of them are gone.
 *
 * **Closing the scope** takes in nothing more (`ConnectionFailed`), lets go out what waits, and after
 * `closeWait` ends what is left with the same error.
 *
 * **Gotchas** A batch runs in a fiber of its own. It inherits what was there when the layer was built:
 * clock, tracer, loggers, log annotations. Of its callers it inherits the span alone: where they share
 * one it is the parent, otherwise the spans the call makes are linked to theirs. With more than
 * `waitingMax` callers waiting for one session, callers of other sessions wait in line behind them.
 *
 * **Source** SPEC R3.10; ADR 0006 on why it stands above retry; figures in SQS.md §7 and §8
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import * as Tracer from "effect/Tracer"
import type * as Capabilities from "./Capabilities.ts"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import type { Host, Request, Settings } from "./internal/batching/lane.ts"
import { Merger } from "./internal/batching/merger.ts"
import * as Message from "./Message.ts"
import * as QueueAddress from "./QueueAddress.ts"
import * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import * as QueueProvider from "./QueueProvider.ts"
import type * as Receipt from "./Receipt.ts"
import type * as Verdict from "./Verdict.ts"

/**
 * How calls are merged.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Calls under way, of one method on one queue. Default: `Defaults.batchCallsMax`. */
  readonly callsMax?: number
  /**
   * Callers' calls held until they go out, of one method on one queue; who comes later waits in line
   * outside. Default: `Defaults.batchWaitingMax`.
   */
  readonly waitingMax?: number
  /**
   * How long a call that is not full waits for company while another one is under way; a lone caller
   * and a full batch never wait. Default: `Defaults.batchLinger`.
   */
  readonly linger?: Duration.Input
  /** Whether a session's calls go out one by one (`strict`, the default) or several in one `batch`. */
  readonly sendOrder?: "strict" | "batch"
  /** How long the last calls may take when the scope closes. Default: `Defaults.batchCloseWait`. */
  readonly closeWait?: Duration.Input
}

/** Two verdicts that read the same here are the same for every message. */
const kindOf = (verdict: Verdict.Verdict): string => {
  if (verdict._tag === "Complete") return "complete"
  if (verdict._tag === "Abandon") return `abandon ${Duration.toMillis(verdict.delay)}`
  return JSON.stringify([verdict.reason, verdict.description])
}

const noSessions: Request<unknown, unknown>["sessions"] = []

const sendRequest = (
  provider: QueueProvider.Service,
  queue: QueueName.QueueName,
  messages: ReadonlyArray<Message.Stamped>
): Request<Message.Stamped, QueueProvider.Sent> => {
  const { messageSizeMax, ordered, sendCountMax, sendSizeMax } = provider.capabilities(queue)
  let bytes = 0
  let isTooLarge = false
  for (const message of messages) {
    const most = Message.sizeAtMost(message)
    // As many as one call takes of these fit by far: nobody needs to count their bytes.
    const isSmall = most <= messageSizeMax && most * sendCountMax <= sendSizeMax
    const size = isSmall ? most : Message.size(message)
    bytes += size
    // What the provider will refuse is refused to its caller alone: it fills a call.
    isTooLarge ||= size > messageSizeMax
  }
  const sessions = ordered ? messages.flatMap(({ sessionId }) => sessionId ?? []) : noSessions
  return {
    items: messages,
    bytes: isTooLarge ? Math.max(bytes, sendSizeMax) : bytes,
    kind: "send",
    sessions: sessions.length > 1 ? [...new Set(sessions)] : sessions,
    call: (all) => provider.send(queue, all)
  }
}

const receiptsRequest = <A>(
  receipts: ReadonlyArray<Receipt.Receipt>,
  kind: string,
  call: Request<Receipt.Receipt, A>["call"]
): Request<Receipt.Receipt, A> => ({ items: receipts, bytes: 0, kind, sessions: noSessions, call })

const sendLimits = ({ sendCountMax, sendSizeMax }: Capabilities.Capabilities) => ({
  countMax: sendCountMax,
  sizeMax: sendSizeMax
})

const settleLimits = ({ settleCountMax }: Capabilities.Capabilities) => ({
  countMax: settleCountMax,
  sizeMax: Infinity
})

const closed = (provider: string, operation: string) =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: "batching is closed" }), {
    provider,
    operation
  })

const check = Effect.fnUntraced(function* (options: Options) {
  const linger = yield* Check.duration("linger", options.linger ?? Defaults.batchLinger)
  const settings: Settings = {
    callsMax: yield* Check.wholeNumber("callsMax", options.callsMax ?? Defaults.batchCallsMax),
    waitingMax: yield* Check.wholeNumber(
      "waitingMax",
      options.waitingMax ?? Defaults.batchWaitingMax
    ),
    lingerMillis: Duration.toMillis(linger),
    sharesSessions: options.sendOrder === "batch"
  }
  const closeWait = yield* Check.duration("closeWait", options.closeWait ?? Defaults.batchCloseWait)
  return { settings, closeWait }
})

/** Fibers of batches: with what is here now, but in no span that ends before they do. */
const makeHost = Effect.fnUntraced(function* (settings: Settings) {
  const fibers = yield* FiberSet.make()
  const context = yield* Effect.context()
  const clock = yield* Clock.Clock
  const runFork = Effect.runForkWith(Context.omit(Tracer.ParentSpan)(context))
  const host: Host = {
    settings,
    run: (effect) => FiberSet.addUnsafe(fibers, runFork(effect)),
    now: () => clock.currentTimeMillisUnsafe()
  }
  return host
})

/**
 * Makes a provider whose concurrent calls are merged, until the scope closes: what `layer` does, for who
 * holds the provider in hand.
 *
 * **Errors** ValidationFailed for an option out of its range.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: Options = {}
) {
  const { closeWait, settings } = yield* check(options)
  const host = yield* makeHost(settings)
  const idle = yield* Deferred.make<void>()

  const isIdle = (): boolean => sends.size + settlements.size + renewals.size === 0
  let isClosing = false
  const onIdle = (): void => {
    if (isClosing && isIdle()) Deferred.doneUnsafe(idle, Effect.void)
  }
  const limitsOfSend = (queue: QueueName.QueueName) => sendLimits(provider.capabilities(queue))
  const limitsOfSettle = (queue: QueueName.QueueName) => settleLimits(provider.capabilities(queue))
  const sends = new Merger<Message.Stamped, QueueProvider.Sent>(host, limitsOfSend, onIdle)
  const settlements = new Merger<Receipt.Receipt, void>(host, limitsOfSettle, onIdle)
  const renewals = new Merger<Receipt.Receipt, DateTime.Utc>(host, limitsOfSettle, onIdle)

  const close = Effect.suspend(() => {
    isClosing = true
    sends.close(closed(provider.name, "send"))
    settlements.close(closed(provider.name, "settle"))
    renewals.close(closed(provider.name, "renewLock"))
    return isIdle() ? Effect.void : Effect.timeoutOption(Deferred.await(idle), closeWait)
  })
  const end = Effect.sync(() => {
    sends.end(closed(provider.name, "send"))
    settlements.end(closed(provider.name, "settle"))
    renewals.end(closed(provider.name, "renewLock"))
  })
  yield* Effect.addFinalizer(() => Effect.andThen(close, end))

  /** Where receipts may be merged: not on an ordered queue, whose sessions they do not tell. */
  const addressOf = ([first]: ReadonlyArray<Receipt.Receipt>) => {
    if (first === undefined) return undefined
    const { address } = first
    const isOrdered = address._tag === "Queue" && provider.capabilities(address.queue).ordered
    return isOrdered ? undefined : address
  }

  const service: QueueProvider.Service = {
    name: provider.name,
    stack: ["batching", ...provider.stack],
    capabilities: (queue) => provider.capabilities(queue),
    send: (queue, messages) =>
      Effect.withFiber((fiber) =>
        messages.length === 0
          ? provider.send(queue, messages)
          : sends.submit(fiber, QueueAddress.queue(queue), sendRequest(provider, queue, messages))
      ),
    receive: (address, receiveOptions) => provider.receive(address, receiveOptions),
    settle: (receipts, verdict) =>
      Effect.withFiber((fiber) => {
        const address = addressOf(receipts)
        if (address === undefined) return provider.settle(receipts, verdict)
        const call = (all: ReadonlyArray<Receipt.Receipt>) => provider.settle(all, verdict)
        const request = receiptsRequest(receipts, kindOf(verdict), call)
        return settlements.submit(fiber, address, request)
      }),
    renewLock: (receipts) =>
      Effect.withFiber((fiber) => {
        const address = addressOf(receipts)
        if (address === undefined) return provider.renewLock(receipts)
        const call = (all: ReadonlyArray<Receipt.Receipt>) => provider.renewLock(all)
        return renewals.submit(fiber, address, receiptsRequest(receipts, "renew", call))
      }),
    peek: (address, peekOptions) => provider.peek(address, peekOptions),
    ...QueueProvider.mapDepth(provider, (call) => call),
    acceptSession: (queue, acceptOptions) => provider.acceptSession(queue, acceptOptions)
  }
  return service
})

/**
 * Batching over the provider below it. It stands above breaker, retry and timeout: a batch is tried again
 * for the entries worth it, with its sessions held meanwhile. Left out of a stack, nothing is merged.
 *
 * **Errors** as {@link make}.
 *
 * **Example** (Five sends in one call)
 *
 * ```ts
 * import { Batching, Message, QueueClient, QueueName, QueueProvider } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer } from "effect"
 *
 * let calls = 0
 * const counting = QueueProvider.layerTransform(
 *   "counting",
 *   Effect.succeed((call) => Effect.suspend(() => (calls++, call)))
 * )
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(Batching.layer()),
 *   Layer.provide(counting),
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const orders = yield* QueueName.make("orders")
 *   const send = (text: string) =>
 *     Effect.flatMap(Message.text(text), (message) => client.send(orders, message))
 *   const sent = yield* Effect.forEach(["a", "b", "c", "d", "e"], send, { concurrency: "unbounded" })
 *   return `${sent.length} sent in ${calls} call`
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => "5 sent in 1 call"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, QueueProvider.QueueProvider> =>
  Layer.effect(
    QueueProvider.QueueProvider,
    Effect.flatMap(QueueProvider.QueueProvider, (provider) => make(provider, options))
  )
