/** What becomes of deliveries that are not handed out: settled, or given back. */
import * as Arr from "effect/Array"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import {
  Outcome,
  type QueueError,
  type Receipt,
  type ReceivedMessage,
  Verdict
} from "@queue-runtime/core"

type Messages = ReadonlyArray<ReceivedMessage.ReceivedMessage>

/** What settles a delivery: a queue's, or a session's. */
export type Settle = (
  receipts: ReadonlyArray<Receipt.Receipt>,
  verdict: Verdict.Verdict
) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>

/** A message that is not handed out, and what is to become of it. */
export interface Aside {
  readonly message: ReceivedMessage.ReceivedMessage
  readonly verdict: Verdict.Verdict
}

/** Whether the delivery is over all the same, or most likely was settled by a call whose reply got lost. */
const isOver = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "ReceiptExpired" || reason._tag === "SettlementUnknown"

/** Settles it; a failure is said in the log too. */
export const settle = (
  by: Settle,
  { message: { messageId, receipt }, verdict }: Aside
): Effect.Effect<void, QueueError.QueueError> =>
  by([receipt], verdict).pipe(
    Effect.flatMap(Outcome.single),
    Effect.catchIf(isOver, () => Effect.void),
    Effect.tapError((error) =>
      Effect.logWarning(
        `a message whose body is not there could not be put aside: ${error.message}`
      ).pipe(Effect.annotateLogs({ queue: receipt.address.queue, messageId }))
    )
  )

/** Settlements of one session that failed. */
export interface Debts {
  /** Now, or else before anything more is received. */
  readonly settle: (aside: Aside) => Effect.Effect<void>
  /** Fails while one of them does: what is behind it in the session must not overtake it. */
  readonly pay: Effect.Effect<void, QueueError.QueueError>
}

export const makeDebts = (by: Settle): Debts => {
  const owed: Array<Aside> = []
  const payFirst = (first: Aside) =>
    Effect.map(settle(by, first), () => {
      owed.shift()
    })
  return {
    settle: (aside) =>
      settle(by, aside).pipe(
        Effect.catch(() =>
          Effect.sync(() => {
            owed.push(aside)
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
 * Takes, and gets the bodies. A caller that goes away meanwhile does not wait, and leaves none of them
 * locked: they are given back behind it.
 */
export const handOver = (
  take: Effect.Effect<Messages, QueueError.QueueError>,
  open: (messages: Messages) => Effect.Effect<Messages>,
  by: Settle,
  settleCountMax: () => number
): Effect.Effect<Messages, QueueError.QueueError> =>
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
