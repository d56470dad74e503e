/**
 * The port of an accepted session: one holder, messages in order. It is released with the scope it was
 * accepted in.
 *
 * **Details**
 *
 * What order means here, on every provider:
 *
 * - Messages come in the order they were sent. Several may be in hand at once.
 * - An abandoned message comes first again, after its delay. Those behind it that were in hand are taken
 *   back: their receipts are dead (`ReceiptExpired`), they come again behind it, and that does not count
 *   as a delivery of theirs.
 * - A dead-lettered or completed message lets the next one through.
 * - Releasing the session gives back what was not settled, in order, without raising its count.
 *
 * **Gotchas**
 *
 * After the lock ran out every call fails with `SessionLockLost`, and the next holder sees every message
 * that was not completed, in order.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Outcome from "./Outcome.ts"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import type * as QueueProvider from "./QueueProvider.ts"
import type * as Receipt from "./Receipt.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"
import type * as SessionId from "./SessionId.ts"
import type * as Verdict from "./Verdict.ts"

/**
 * An accepted session.
 *
 * @category ports
 * @since 0.1.0
 */
export interface QueueSession {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  /** Until when the session is ours as far as this process knows. Never blocks. */
  readonly lockedUntil: Effect.Effect<DateTime.Utc>
  /**
   * The next messages, in order, up to `max`; none when `wait` ends with none. Blocks up to `wait`;
   * one call at a time. While the first message backs off there is none.
   */
  readonly receive: (
    options: QueueProvider.ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<ReceivedMessage.ReceivedMessage>, QueueError.QueueError>
  /** Settles deliveries of this session; one outcome a receipt. One call at a time. */
  readonly settle: (
    receipts: ReadonlyArray<Receipt.Receipt>,
    verdict: Verdict.Verdict
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>
  /**
   * Ends when the session is known to be lost before its lock runs out, with why: the connection broke,
   * or the service took it back. Absent where nobody tells; a renewal then finds out. May be awaited more
   * than once.
   */
  readonly lost?: Effect.Effect<QueueError.QueueError>
  /** Extends the session's lock, and with it those of the messages in hand, from now. */
  readonly renewLock: Effect.Effect<DateTime.Utc, QueueError.QueueError>
  /** What the holders before wrote; `None` when nobody did. */
  readonly state: Effect.Effect<Option.Option<Uint8Array>, QueueError.QueueError>
  /** Writes the state; `None` removes it. */
  readonly setState: (
    state: Option.Option<Uint8Array>
  ) => Effect.Effect<void, QueueError.QueueError>
}

/**
 * `lost` of a session, or nothing where it has none: for a decorator that writes its methods out.
 *
 * **Example** (A session as it is)
 *
 * ```ts
 * import { QueueSession } from "@queue-runtime/core"
 *
 * const same = (session: QueueSession.QueueSession): QueueSession.QueueSession => ({
 *   queue: session.queue,
 *   sessionId: session.sessionId,
 *   lockedUntil: session.lockedUntil,
 *   receive: session.receive,
 *   settle: session.settle,
 *   renewLock: session.renewLock,
 *   state: session.state,
 *   setState: session.setState,
 *   ...QueueSession.lostOf(session)
 * })
 * ```
 *
 * @category decorators
 * @since 0.1.0
 */
export const lostOf = ({ lost }: Pick<QueueSession, "lost">): Pick<QueueSession, "lost"> =>
  lost === undefined ? {} : { lost }
