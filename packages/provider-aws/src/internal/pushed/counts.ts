import { Defaults } from "@queue-runtime/core"

interface Known {
  /** Deliveries that a handler of ours had and did not settle. */
  readonly seen: number
  /** Receives that ended before a handler had it. */
  readonly unseen: number
}

const nothing: Known = { seen: 0, unseen: 0 }

/** Of which message, and how it is counted. */
export interface Counted {
  /** The broker's id of it. */
  readonly id: string
  /** The broker's count of its receives, this one included. */
  readonly receives: number
  readonly isFifo: boolean
  readonly deliveriesMax: number
}

/**
 * What this container knows of the broker's counts. Lambda's own receives count as well: of a batch that
 * was throttled, or stopped before this message was its turn. Those that nobody here can tell count in
 * part, and never so that a message is put aside unseen by them alone: the rule of a worker on SQS.
 */
export class Counts {
  readonly #known = new Map<string, Known>()
  readonly #max: number

  constructor(max: number) {
    this.#max = max
  }

  /** The deliveries that a handler could have seen, the next one included. */
  next({ deliveriesMax, id, isFifo, receives }: Counted): number {
    const { seen, unseen } = this.#known.get(id) ?? nothing
    const all = Math.max(1, receives - unseen)
    const own = seen + 1
    if (isFifo) return own + Math.ceil(Math.max(0, all - own) / Defaults.sqsRedriveFactor)
    const isWornOut = all > deliveriesMax * Defaults.sqsDoubtFactor
    return isWornOut ? all : Math.min(all, Math.max(own, deliveriesMax))
  }

  /** It comes again, and its next receive is counted. */
  ended(id: string, wasSeen: boolean): void {
    const { seen, unseen } = this.#known.get(id) ?? nothing
    this.#known.delete(id)
    this.#known.set(id, { seen: seen + (wasSeen ? 1 : 0), unseen: unseen + (wasSeen ? 0 : 1) })
    if (this.#known.size <= this.#max) return
    for (const oldest of this.#known.keys()) {
      this.#known.delete(oldest)
      return
    }
  }

  /** It never comes again. */
  forget(id: string): void {
    this.#known.delete(id)
  }

  get size(): number {
    return this.#known.size
  }
}
