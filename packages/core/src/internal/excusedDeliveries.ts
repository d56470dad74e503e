import type * as MessageId from "../MessageId.ts"

/**
 * How many deliveries of a message say nothing of it, since they found a circuit breaker open. Bounded:
 * beyond `max` messages the one that was first excused is forgotten, and its deliveries count again.
 */
export class ExcusedDeliveries {
  readonly #max: number
  readonly #counts = new Map<MessageId.MessageId, number>()

  constructor(max: number) {
    this.#max = max
  }

  /** The deliveries that count, of so many. At least one: this one. */
  counted(messageId: MessageId.MessageId, deliveryCount: number): number {
    return Math.max(1, deliveryCount - (this.#counts.get(messageId) ?? 0))
  }

  excuse(messageId: MessageId.MessageId): void {
    const [oldest] = this.#counts.keys()
    const known = this.#counts.get(messageId)
    if (known === undefined && oldest !== undefined && this.#counts.size >= this.#max) {
      this.#counts.delete(oldest)
    }
    this.#counts.set(messageId, (known ?? 0) + 1)
  }

  /** The message is done. */
  forget(messageId: MessageId.MessageId): void {
    this.#counts.delete(messageId)
  }
}
