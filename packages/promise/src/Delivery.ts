/**
 * One delivery of a message: what came, and how to settle it.
 *
 * @since 0.1.0
 */
import { QueueClient, type QueueError, type ReceivedMessage } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Struct from "effect/Struct"
import { type Plain, plain } from "./internal/plain.ts"
import type * as Runner from "./internal/runner.ts"

/**
 * What is told of a message, received or only looked at: that of `ReceivedMessage` of
 * `@queue-runtime/core`, times as dates and `timeToLive` in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Details = Plain<ReceivedMessage.PeekedMessage>

/**
 * The same of a delivery.
 *
 * @category models
 * @since 0.1.0
 */
export type ReceivedDetails = Plain<Omit<ReceivedMessage.ReceivedMessage, "receipt">>

/** What settles it: the client, or the session it came from. */
type Settler = Pick<QueueClient.Settlement, "abandon" | "complete" | "deadLetter">

/**
 * A delivery as its handler sees it: without its receipt, which settles.
 *
 * @category converting
 * @since 0.1.0
 */
export const detailsOf = (message: ReceivedMessage.ReceivedMessage): ReceivedDetails =>
  plain(Struct.omit(message, ["receipt"]))

/**
 * A value, the message it came in, and its settlement. A delivery settles once: a later or a repeated
 * settlement is rejected with `ReceiptExpired` and changes nothing.
 *
 * @category models
 * @since 0.1.0
 */
export class Delivery<A> {
  readonly value: A
  readonly message: ReceivedDetails
  readonly #received: ReceivedMessage.ReceivedMessage
  readonly #runner: Runner.Runner
  readonly #settler: Settler | undefined

  /** @internal */
  constructor(
    runner: Runner.Runner,
    value: A,
    received: ReceivedMessage.ReceivedMessage,
    settler?: Settler
  ) {
    this.value = value
    this.#runner = runner
    this.#received = received
    this.#settler = settler
    this.message = detailsOf(received)
  }

  /** The message is done and never comes back. */
  complete(): Promise<void> {
    return this.#settle((settler) => settler.complete(this.#received))
  }

  /** Deliver it again, at once or after a delay, with a count one higher. */
  abandon(options: { readonly delay?: Duration.Input } = {}): Promise<void> {
    return this.#settle((settler) => settler.abandon(this.#received, options))
  }

  /** Put it aside with a reason, a short stable word, and a description for people. */
  deadLetter(options: QueueClient.DeadLetterOptions): Promise<void> {
    return this.#settle((settler) => settler.deadLetter(this.#received, options))
  }

  /**
   * Extends the lock from now; until when it holds then. Of a session's message the session's lock is
   * extended instead: `UnsupportedOperation`.
   */
  renewLock(): Promise<Date> {
    const renew = QueueClient.QueueClient.use((client) => client.renewLock(this.#received))
    return this.#runner.run(Effect.map(renew, DateTime.toDate))
  }

  #settle(settle: (settler: Settler) => Effect.Effect<void, QueueError.QueueError>): Promise<void> {
    const settler = this.#settler
    return this.#runner.run(
      settler === undefined ? QueueClient.QueueClient.use(settle) : settle(settler)
    )
  }
}
