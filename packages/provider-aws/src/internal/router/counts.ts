import type { Delivery } from "./delivery.ts"

interface Known {
  /** Receives that were no deliveries, less deliveries that were no receives. */
  readonly adjustment: number
  /** Deliveries by this process. */
  readonly seen: number
  readonly firstDeliveredAt: number | undefined
  /** The receipt handle of a delivery in hand of which nobody has said how it ended. */
  readonly open: string | undefined
  /** Until when this process has hidden it. */
  readonly hiddenUntil: number
}

const nothing: Known = {
  adjustment: 0,
  seen: 0,
  firstDeliveredAt: undefined,
  open: undefined,
  hiddenUntil: 0
}

/** Whether another delivery than this one was in hand, and its lock ran out unnoticed. */
const ranOut = (known: Known, { content }: Delivery): boolean =>
  known.open !== undefined && known.open !== content.handle

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
  seen(delivery: Delivery): number {
    const known = this.#known.get(delivery.content.id) ?? nothing
    return known.seen + (ranOut(known, delivery) ? 1 : 0) + delivery.seen
  }

  /** When the first delivery was, if it was ours. */
  firstDeliveredAt({ content }: Delivery): number | undefined {
    return this.#known.get(content.id)?.firstDeliveredAt
  }

  /**
   * It is handed out, for the first time or again. Of one of a group it is said how it ends; of another
   * nobody may notice that its lock ran out, and the next receive of it says so.
   */
  delivered(delivery: Delivery, now: number, isFirst: boolean): void {
    const { content, group } = delivery
    const known = this.#known.get(content.id) ?? nothing
    const isNew = isFirst && known.firstDeliveredAt === undefined
    if (!isNew && group !== undefined) return
    this.#set(content.id, {
      ...known,
      seen: known.seen + (ranOut(known, delivery) ? 1 : 0),
      firstDeliveredAt: isNew ? now : known.firstDeliveredAt,
      open: group === undefined ? content.handle : undefined
    })
  }

  /** It goes back to the broker unsettled, or was lost: its next receive is counted again there. */
  ended(delivery: Delivery): void {
    const { content, seen } = delivery
    const known = this.#known.get(content.id) ?? nothing
    // Its end was seen already, by the receive that came after it.
    if (seen > 0 && ranOut(known, delivery)) return
    this.#set(content.id, {
      ...known,
      adjustment: known.adjustment + 1 - seen,
      seen: known.seen + seen,
      open: known.open === content.handle ? undefined : known.open
    })
  }

  /** It goes back, and comes to nobody before. */
  hides({ content }: Delivery, until: number): void {
    this.#set(content.id, { ...(this.#known.get(content.id) ?? nothing), hiddenUntil: until })
  }

  /** Since when somebody can have it again, where this process gave it back; zero where nobody knows. */
  hiddenUntil(id: string): number {
    return this.#known.get(id)?.hiddenUntil ?? 0
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
