import type { Delivery } from "./delivery.ts"

interface Known {
  /** Receives that were no deliveries, less deliveries that were no receives. */
  readonly adjustment: number
  /** Deliveries by this process. */
  readonly seen: number
  readonly firstDeliveredAt: number | undefined
}

/**
 * What this process knows of the broker's counts: every receive is counted there, also of a message
 * that was given back without anybody having seen it, and a message that is handed out again without a
 * call is not. Kept by the broker's message id, the longest unused forgotten first.
 */
export class Counts {
  readonly #known = new Map<string, Known>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** The deliveries a handler could have seen, the next one included; an upper bound across processes. */
  next({ content, seen }: Delivery): number {
    const adjustment = this.#known.get(content.id)?.adjustment ?? 0
    return Math.max(1, content.receives - adjustment + seen)
  }

  /** Deliveries that this process is sure of. */
  seen({ content, seen }: Delivery): number {
    return (this.#known.get(content.id)?.seen ?? 0) + seen
  }

  /** When the first delivery was, if it was ours. */
  firstDeliveredAt({ content }: Delivery): number | undefined {
    return this.#known.get(content.id)?.firstDeliveredAt
  }

  /** It was handed out for the first time. */
  delivered({ content }: Delivery, now: number): void {
    const known = this.#known.get(content.id)
    if (known?.firstDeliveredAt !== undefined) return
    this.#set(content.id, { adjustment: 0, seen: 0, ...known, firstDeliveredAt: now })
  }

  /** It goes back to the broker unsettled, or was lost: its next receive is counted again there. */
  ended({ content, seen }: Delivery): void {
    const known = this.#known.get(content.id)
    this.#set(content.id, {
      adjustment: (known?.adjustment ?? 0) + 1 - seen,
      seen: (known?.seen ?? 0) + seen,
      firstDeliveredAt: known?.firstDeliveredAt
    })
  }

  /** It is settled and never comes again. */
  forget({ content }: Delivery): void {
    this.#known.delete(content.id)
  }

  get size(): number {
    return this.#known.size
  }

  #set(id: string, known: Known): void {
    this.#known.delete(id)
    this.#known.set(id, known)
    if (this.#known.size <= this.#max) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }
}
