/** The model of a queue without sessions: what there is, who has what in hand, which receipts are used. */
import type { Verdict } from "@queue-runtime/core"
import type * as steps from "../steps.ts"
import { delayOf, type Table } from "./play.ts"

export const never = Number.POSITIVE_INFINITY

/** A message, or a dead letter. */
export interface Item {
  readonly id: string
  readonly body: Uint8Array
  /** Deliveries so far. */
  count: number
  /** When it may be delivered; in hand, when its lock ends. */
  freeAt: number
  /** When it must be delivered to who asks; later than `freeAt` where a broker may choose. */
  dueAt: number
  readonly expiresAt: number
  /** Whether it must be there in the end: a broker may drop what has expired. */
  isSure: boolean
}

/** A delivery that was not settled, or was. */
export interface Delivery {
  readonly item: Item
  readonly client: 0 | 1
  readonly message: steps.Received
}

/** One part of the queue: its messages, or its dead letters. */
class Part {
  items: ReadonlyArray<Item> = []
  hand: ReadonlyArray<Delivery> = []

  /** What may be delivered. */
  free(at: number): ReadonlyArray<Item> {
    const inHand = new Set(this.hand.map(({ item }) => item))
    return this.items.filter((item) => !inHand.has(item) && item.freeAt <= at)
  }

  add(item: Item): void {
    this.items = [...this.items, item]
  }

  remove(item: Item): void {
    this.items = this.items.filter((one) => one !== item)
  }

  take(delivery: Delivery): void {
    this.hand = [...this.hand, delivery]
  }

  drop(delivery: Delivery): void {
    this.hand = this.hand.filter((one) => one !== delivery)
  }
}

export class Model {
  readonly queue = new Part()
  readonly dead = new Part()
  used: ReadonlyArray<Delivery> = []
  /** Ids of messages that will not come again. */
  readonly gone: Array<string> = []
  sent = 0
  /** Large bodies sent so far. */
  large = 0
  readonly table: Table

  constructor(of: Table) {
    this.table = of
  }

  /** By the broker where nobody asked for it: at the next receive, it may be. */
  private bury(item: Item, at: number, how: { readonly isSure: boolean; readonly dueAt: number }) {
    this.queue.remove(item)
    this.gone.push(item.id)
    this.dead.add({ ...item, ...how, freeAt: at })
  }

  /** A delivery ends unsettled or abandoned; one too many and the message is dead. */
  private end(delivery: Delivery, at: number): void {
    this.queue.drop(delivery)
    this.used = [...this.used, delivery]
    const { item } = delivery
    if (item.count < this.table.deliveriesMax) return
    // It may have expired when the broker looks at it.
    this.bury(item, at, { isSure: item.expiresAt === never, dueAt: never })
  }

  /** Locks that ran out, and messages that expired. */
  pass(at: number): void {
    for (const delivery of this.queue.hand) if (delivery.item.freeAt <= at) this.end(delivery, at)
    for (const delivery of this.dead.hand) {
      if (delivery.item.freeAt > at) continue
      this.dead.drop(delivery)
      this.used = [...this.used, delivery]
    }
    const inHand = new Set(this.queue.hand.map(({ item }) => item))
    for (const item of this.queue.items) {
      if (!inHand.has(item) && item.expiresAt <= at) {
        this.bury(item, at, { isSure: false, dueAt: never })
      }
    }
  }

  settle(delivery: Delivery, verdict: Verdict.Verdict, at: number): void {
    const { item } = delivery
    if (verdict._tag === "Abandon") {
      item.freeAt = at + delayOf(verdict)
      item.dueAt = item.freeAt
      this.end(delivery, at)
      return
    }
    this.queue.drop(delivery)
    this.used = [...this.used, delivery]
    if (verdict._tag === "DeadLetter") return this.bury(item, at, { isSure: true, dueAt: at })
    this.queue.remove(item)
    this.gone.push(item.id)
  }

  /** A dead letter is never given up; what dead-lettering one answers is the broker's. */
  settleDead(delivery: Delivery, verdict: Verdict.Verdict, at: number): void {
    const { item } = delivery
    this.dead.drop(delivery)
    if (verdict._tag === "Complete") this.dead.remove(item)
    if (verdict._tag !== "DeadLetter") this.used = [...this.used, delivery]
    item.dueAt = verdict._tag === "DeadLetter" ? item.freeAt : at
    item.freeAt = at
  }

  /** A connection closes: what it had in hand comes again when its locks end, at the latest. */
  close(client: 0 | 1, at: number): void {
    for (const part of [this.queue, this.dead]) {
      for (const delivery of part.hand) {
        if (delivery.client !== client) continue
        const { item } = delivery
        item.dueAt = item.freeAt
        item.freeAt = at
        if (part === this.queue) this.end(delivery, at)
        else part.drop(delivery)
      }
    }
    // A receipt is valid for the connection that received it.
    this.used = this.used.filter((one) => one.client !== client)
  }

  borders(): ReadonlyArray<number> {
    return [...this.queue.items, ...this.dead.items].flatMap(({ dueAt, expiresAt, freeAt }) =>
      [freeAt, dueAt, expiresAt].filter(Number.isFinite)
    )
  }
}
