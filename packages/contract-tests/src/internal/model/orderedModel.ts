/** The model of a queue with sessions: the order of each, its holder, and what he has in hand. */
import type * as Effect from "effect/Effect"
import type { QueueError, QueueSession, Verdict } from "@queue-runtime/core"
import type * as steps from "../steps.ts"
import { at, delayOf, type Table } from "./play.ts"

/** A message. */
export interface Item {
  readonly id: string
  /** Deliveries so far. */
  count: number
  /** When it may be delivered. */
  freeAt: number
}

export interface Delivery {
  readonly item: Item
  readonly client: 0 | 1
  readonly message: steps.Received
}

export interface Hold {
  readonly client: 0 | 1
  readonly handle: QueueSession.QueueSession
  readonly close: Effect.Effect<void>
  until: number
}

/** A handle that is no longer its holder's. */
export interface Lost {
  readonly client: 0 | 1
  readonly handle: QueueSession.QueueSession
  readonly inHand: ReadonlyArray<Delivery>
  readonly reasons: ReadonlyArray<QueueError.Reason["_tag"]>
}

/** A session of the model: what is in hand are the first of its messages. */
export class Session {
  readonly name: string
  messages: ReadonlyArray<Item> = []
  hand: ReadonlyArray<Delivery> = []
  hold: Hold | undefined = undefined

  constructor(name: string) {
    this.name = name
  }

  /** What its holder is handed next: in order, up to the first that is hidden. */
  next(now: number, max: number): ReadonlyArray<Item> {
    const rest = this.messages.slice(this.hand.length)
    const hidden = rest.findIndex((item) => item.freeAt > now)
    return rest.slice(0, Math.min(max, hidden === -1 ? rest.length : hidden))
  }

  isReady(now: number): boolean {
    return this.hold === undefined && this.next(now, 1).length > 0
  }
}

export class Model {
  readonly sessions = new Map<string, Session>()
  used: ReadonlyArray<Delivery> = []
  lost: ReadonlyArray<Lost> = []
  readonly dead: Array<string> = []
  sent = 0
  readonly table: Table

  constructor(of: Table) {
    this.table = of
  }

  session(name: string): Session {
    const found = this.sessions.get(name) ?? new Session(name)
    this.sessions.set(name, found)
    return found
  }

  /** The session of one of those who hold one; nobody's when there is none. */
  heldBy(holder: number): Session {
    const held = [...this.sessions.values()].filter(({ hold }) => hold !== undefined)
    return at(held, holder) ?? new Session("nobody's")
  }

  private remove(session: Session, item: Item): void {
    session.messages = session.messages.filter((one) => one !== item)
  }

  /** Deliveries from a place on end; those that count may have been the last. */
  private takeBack(session: Session, from: number, isCounted: (delivery: Delivery) => boolean) {
    const back = session.hand.slice(from)
    session.hand = session.hand.slice(0, from)
    this.used = [...this.used, ...back]
    for (const delivery of back) {
      const { item } = delivery
      if (!isCounted(delivery)) {
        item.count--
      } else if (item.count >= this.table.deliveriesMax) {
        this.remove(session, item)
        this.dead.push(item.id)
      }
    }
  }

  /** The holder has it no more: by his own will, which does not count, or not. */
  private lose(session: Session, { client, handle }: Hold, isCounted: boolean): void {
    const inHand = session.hand
    this.lost = [...this.lost, { client, handle, inHand, reasons: ["SessionLockLost"] }]
    session.hold = undefined
    this.takeBack(session, 0, () => isCounted)
  }

  release(session: Session): void {
    if (session.hold !== undefined) this.lose(session, session.hold, false)
  }

  /** Locks that ran out. */
  pass(now: number): void {
    for (const session of this.sessions.values()) {
      const { hold } = session
      if (hold !== undefined && hold.until <= now) this.lose(session, hold, true)
    }
  }

  settle(session: Session, delivery: Delivery, verdict: Verdict.Verdict, now: number): void {
    if (verdict._tag === "Abandon") {
      delivery.item.freeAt = now + delayOf(verdict)
      this.takeBack(session, session.hand.indexOf(delivery), (one) => one === delivery)
      return
    }
    session.hand = session.hand.filter((one) => one !== delivery)
    this.used = [...this.used, delivery]
    this.remove(session, delivery.item)
    if (verdict._tag === "DeadLetter") this.dead.push(delivery.item.id)
  }

  /** A connection closes: its sessions are given back, and its receipts and handles are nobody's. */
  close(client: 0 | 1): void {
    for (const session of this.sessions.values()) {
      if (session.hold?.client === client) this.release(session)
    }
    this.used = this.used.filter((one) => one.client !== client)
    this.lost = this.lost.map((one) =>
      one.client === client ? { ...one, reasons: ["ConnectionFailed", "SessionLockLost"] } : one
    )
  }

  borders(): ReadonlyArray<number> {
    const all = [...this.sessions.values()]
    const locks = all.flatMap(({ hold }) => hold?.until ?? [])
    const backoffs = all.flatMap(({ messages }) => messages.map(({ freeAt }) => freeAt))
    return [...locks, ...backoffs.filter((one) => one > 0)]
  }
}
