/**
 * What a policy does with deliveries that it does not hand out: it settles them itself, or gives them back.
 *
 * **Details**
 *
 * A policy that opens what it receives (decrypts it, gets it from elsewhere, unpacks it) meets messages that
 * do not open. Each of them is put aside alone, and takes nothing with it:
 *
 * | the message | its verdict |
 * |---|---|
 * | will never open | {@link rejected}: dead-lettered with a reason |
 * | may open later | {@link later}: it comes again, after a delay where the queue has one |
 *
 * | where it was received | what puts it aside |
 * |---|---|
 * | a queue | {@link settleAll}: what fails comes again when its lock runs out |
 * | a session | {@link makeDebts}: until it is settled nothing more of the session is received; behind one that comes again nothing is handed out, as the port has taken it back |
 *
 * Opening takes time, and a receive may be interrupted meanwhile: {@link handOver} leaves nothing locked
 * then.
 *
 * @since 0.1.0
 */
import * as Arr from "effect/Array"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Capabilities from "./Capabilities.ts"
import * as Outcome from "./Outcome.ts"
import type * as QueueError from "./QueueError.ts"
import type * as Receipt from "./Receipt.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import * as Verdict from "./Verdict.ts"

type Messages = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/**
 * What settles deliveries: the `settle` of a provider, or of a session.
 *
 * @category models
 * @since 0.1.0
 */
export type Settle = (
  receipts: ReadonlyArray<Receipt.Receipt>,
  verdict: Verdict.Verdict
) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>

/**
 * A message that is not handed out, and what is to become of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface PutAside {
  readonly message: ReceivedMessage.ReceivedMessage
  readonly verdict: Verdict.Verdict
}

/**
 * It is to come again: after the delay, or the longest that the queue has; at once where it has none.
 *
 * @category verdicts
 * @since 0.1.0
 */
export const later = (
  {
    abandonDelay,
    abandonDelayMax
  }: Pick<Capabilities.Capabilities, "abandonDelay" | "abandonDelayMax">,
  delay: Duration.Duration
): Verdict.Verdict => {
  if (!Capabilities.isSupported(abandonDelay)) return Verdict.abandon()
  return Verdict.abandon(
    abandonDelayMax === undefined ? delay : Duration.min(delay, abandonDelayMax)
  )
}

/**
 * Why a message is not handed out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rejection {
  /** A short, stable word: what an operator groups by. */
  readonly reason: string
  /** For people: what is wrong with it. */
  readonly description: string
  /** How long it stays away where the queue has no dead letters. */
  readonly delay: Duration.Duration
}

/**
 * It will never be handed out: dead-lettered, or {@link later} on a queue without dead letters, where its
 * maximum of deliveries ends it.
 *
 * **Example** (With dead letters, and without)
 *
 * ```ts
 * import { PutAside } from "@queue-runtime/core"
 * import { Duration } from "effect"
 *
 * const why = { reason: "NoZip", description: "is no archive", delay: Duration.seconds(30) }
 * const verdicts = (["native", "unsupported"] as const).map((deadLetter) =>
 *   PutAside.rejected({ deadLetter, abandonDelay: "native" }, why)
 * )
 * verdicts.map(({ _tag }) => _tag) // => ["DeadLetter", "Abandon"]
 * ```
 *
 * @category verdicts
 * @since 0.1.0
 */
export const rejected = (
  capabilities: Pick<Capabilities.Capabilities, "abandonDelay" | "abandonDelayMax" | "deadLetter">,
  { delay, description, reason }: Rejection
): Verdict.Verdict =>
  Capabilities.isSupported(capabilities.deadLetter)
    ? Verdict.deadLetter(reason, description)
    : later(capabilities, delay)

/** Whether the delivery is over all the same, or most likely was settled by a call whose reply got lost. */
const isOver = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "ReceiptExpired" || reason._tag === "SettlementUnknown"

/** Settles it; a failure is said in the log too. */
const settle = (
  by: Settle,
  { message: { messageId, receipt }, verdict }: PutAside
): Effect.Effect<void, QueueError.QueueError> =>
  by([receipt], verdict).pipe(
    Effect.flatMap(Outcome.single),
    Effect.catchIf(isOver, () => Effect.void),
    Effect.tapError((error) =>
      Effect.logWarning(
        `a message that is not handed out could not be put aside: ${error.message}`
      ).pipe(Effect.annotateLogs({ queue: receipt.address.queue, messageId }))
    )
  )

/**
 * Settles what was received from a queue, each alone. One that fails is said in the log, and comes again
 * when its lock runs out.
 *
 * @category settling
 * @since 0.1.0
 */
export const settleAll = (by: Settle, all: ReadonlyArray<PutAside>): Effect.Effect<void> =>
  // Side by side: batching below merges them.
  Effect.forEach(all, (one) => Effect.ignore(settle(by, one)), {
    concurrency: "unbounded",
    discard: true
  })

/**
 * Settlements of one session that failed, at most those of one receive.
 *
 * @category models
 * @since 0.1.0
 */
export interface Debts {
  /** Now, or else before anything more is received. */
  readonly settle: (one: PutAside) => Effect.Effect<void>
  /**
   * To be done before each receive. Fails while one of them does: what is behind it in the session must not
   * overtake it.
   */
  readonly pay: Effect.Effect<void, QueueError.QueueError>
}

/**
 * No debts, for a session that was just accepted.
 *
 * @category settling
 * @since 0.1.0
 */
export const makeDebts = (by: Settle): Debts => {
  const owed: Array<PutAside> = []
  const payFirst = (first: PutAside) =>
    Effect.map(settle(by, first), () => {
      owed.shift()
    })
  return {
    settle: (one) =>
      settle(by, one).pipe(
        Effect.catch(() =>
          Effect.sync(() => {
            owed.push(one)
          })
        )
      ),
    pay: Effect.suspend(() => Effect.forEach([...owed], payFirst, { discard: true }))
  }
}

/** Gives deliveries back, in their order; those that are settled already have no say in it. */
const release = (by: Settle, messages: Messages, settleCountMax: number): Effect.Effect<void> =>
  Effect.forEach(
    Arr.chunksOf(
      messages.map(({ receipt }) => receipt),
      settleCountMax
    ),
    (receipts) => Effect.ignore(by(receipts, Verdict.abandon())),
    { discard: true }
  )

/**
 * A receive of a policy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Receiving {
  /** The receive of the provider below, or of its session. */
  readonly take: Effect.Effect<
    ReadonlyArray<ReceivedMessage.ReceivedMessage>,
    QueueError.QueueError
  >
  /** What is handed out of it; the rest has been put aside. Not called for nothing. */
  readonly open: (
    messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>>
  readonly settle: Settle
  /** That of the queue's capabilities, asked for when something is given back. */
  readonly settleCountMax: () => number
}

/**
 * Takes and opens. A caller that goes away while they are opened does not wait, and leaves none of them
 * locked: they are given back behind it.
 *
 * **Errors** those of `take`
 *
 * **Example** (A policy that rejects empty bodies)
 *
 * ```ts
 * import {
 *   Message,
 *   PutAside,
 *   QueueAddress,
 *   QueueClient,
 *   QueueName,
 *   QueueProvider
 * } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Duration, Effect, Layer } from "effect"
 *
 * const why = { reason: "Empty", description: "has no body", delay: Duration.minutes(1) }
 *
 * const filled = (self: QueueProvider.Service): QueueProvider.Service => ({
 *   ...self,
 *   stack: ["filled", ...self.stack],
 *   receive: (address, options) => {
 *     // Dead letters are shown as they are.
 *     if (address._tag === "DeadLetter") return self.receive(address, options)
 *     const capabilities = self.capabilities(address.queue)
 *     const verdict = PutAside.rejected(capabilities, why)
 *     return PutAside.handOver({
 *       take: self.receive(address, options),
 *       open: (messages) => {
 *         const empty = messages.filter(({ body }) => body.byteLength === 0)
 *         const aside = empty.map((message) => ({ message, verdict }))
 *         const rest = messages.filter((message) => !empty.includes(message))
 *         return Effect.as(PutAside.settleAll(self.settle, aside), rest)
 *       },
 *       settle: self.settle,
 *       settleCountMax: () => capabilities.settleCountMax
 *     })
 *   }
 * })
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(
 *     Layer.effect(
 *       QueueProvider.QueueProvider,
 *       Effect.map(QueueProvider.QueueProvider, filled)
 *     )
 *   ),
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   const client = yield* QueueClient.QueueClient
 *   const orders = yield* QueueName.make("orders")
 *   yield* client.send(orders, yield* Message.text(""))
 *   yield* client.send(orders, yield* Message.text("an order"))
 *   const received = yield* client.receive(orders, { max: 10, wait: 0 })
 *   const dead = yield* client.receive(QueueAddress.deadLetter(orders), { max: 10, wait: 0 })
 *   return [received.length, dead.map(({ deadLetter }) => deadLetter?.reason)]
 * })
 * await Effect.runPromise(Effect.provide(program, live)) // => [1, ["Empty"]]
 * ```
 *
 * @category receiving
 * @since 0.1.0
 */
export const handOver = ({
  open,
  settle: by,
  settleCountMax,
  take
}: Receiving): Effect.Effect<
  ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  QueueError.QueueError
> =>
  Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(take), (messages) =>
      messages.length === 0
        ? Effect.succeed(messages)
        : Effect.onExit(restore(open(messages)), (exit) =>
            Exit.hasInterrupts(exit)
              ? Effect.forkDetach(release(by, messages, settleCountMax()), {
                  startImmediately: true
                })
              : Effect.void
          )
    )
  )
