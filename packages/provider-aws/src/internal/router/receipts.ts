import { Defaults, Receipt } from "@queue-runtime/core"
import type { Delivery } from "./delivery.ts"
import type { Line } from "./line.ts"

interface Issued {
  readonly line: Line
  readonly delivery: Delivery
}

/**
 * The receipts of a provider: what a token stands for while it can settle anything. A token names the
 * provider that made it, so that another one's is unknown here.
 */
export class Receipts {
  readonly #issued = new Map<string, Issued>()
  readonly #prefix: string
  #next = 0
  #sweepAt: number = Defaults.sqsReceiptsSweep

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  get size(): number {
    return this.#issued.size
  }

  issue(line: Line, delivery: Delivery, now: number): Receipt.Receipt {
    if (this.#issued.size >= this.#sweepAt) this.#sweep(now)
    const token = `${this.#prefix}-${(this.#next++).toString(36)}`
    this.#issued.set(token, { line, delivery })
    return Receipt.make(line.address, token)
  }

  /** What the receipt stands for; nothing when nobody was given it, or it is dead. */
  find({ address, token }: Receipt.Receipt): Issued | undefined {
    const issued = this.#issued.get(token)
    const isOurs =
      issued?.line.address._tag === address._tag && issued.line.address.queue === address.queue
    return isOurs ? issued : undefined
  }

  drop(token: string | undefined): void {
    if (token !== undefined) this.#issued.delete(token)
  }

  /** Forgets those nobody used in time; looked for when they may be half of all. */
  #sweep(now: number): void {
    for (const [token, { delivery }] of this.#issued) {
      if (delivery.phase !== "settling" && delivery.lockedUntil <= now) this.#issued.delete(token)
    }
    this.#sweepAt = Math.max(Defaults.sqsReceiptsSweep, this.#issued.size * 2)
  }
}
