import type { MessageId } from "@queue-runtime/core"
import { List, type Linked } from "./list.ts"
import type { Steps } from "./steps.ts"

class Remembered implements Linked<Remembered> {
  previous: Remembered | undefined
  next: Remembered | undefined
  list: List<Remembered> | undefined
  readonly id: MessageId.MessageId
  readonly until: number

  constructor(id: MessageId.MessageId, until: number) {
    this.id = id
    this.until = until
  }
}

/**
 * The ids one queue remembers. All are remembered equally long, so they are forgotten in the order they
 * came: every operation is O(1).
 */
export class Deduplication {
  readonly #windowMillis: number
  readonly #steps: Steps
  readonly #ids = new Set<MessageId.MessageId>()
  readonly #order: List<Remembered>

  constructor(windowMillis: number, steps: Steps) {
    this.#windowMillis = windowMillis
    this.#steps = steps
    this.#order = new List(steps)
  }

  get isOn(): boolean {
    return this.#windowMillis > 0
  }

  has(id: MessageId.MessageId): boolean {
    this.#steps.count++
    return this.#ids.has(id)
  }

  add(id: MessageId.MessageId, now: number): void {
    this.#steps.count++
    this.#ids.add(id)
    this.#order.append(new Remembered(id, now + this.#windowMillis))
  }

  /** Forgets the ids whose window is over; how many. */
  expire(now: number): number {
    let count = 0
    for (let one = this.#order.first; one !== undefined; one = this.#order.first) {
      this.#steps.count++
      if (one.until > now) return count
      this.#order.remove(one)
      this.#ids.delete(one.id)
      count++
    }
    return count
  }
}
