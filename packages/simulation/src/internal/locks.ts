import type * as History from "../History.ts"

/** One delivery, as far as its lock goes. */
export interface Delivery {
  readonly id: string
  readonly token: string
  readonly node: string
  readonly hold: string | undefined
  readonly count: number
  readonly since: number
  /** Until when it was locked by itself; that of a session is with its hold. */
  until: number
  /** Settled, lost with its session, or with its process. */
  isOver: boolean
}

/** One holding of a session. */
export interface Hold {
  readonly hold: string
  readonly session: string
  readonly node: string
  until: number
  isOver: boolean
}

/** Follows the locks of a history: who has what at any step. */
export class Locks {
  readonly deliveries = new Map<string, Delivery>()
  readonly holds = new Map<string, Hold>()
  /** In hand of a process, by its name. */
  readonly #byNode = new Map<string, Set<Delivery>>()
  readonly #holdsByNode = new Map<string, Set<Hold>>()
  readonly #byHold = new Map<string, Set<Delivery>>()
  /** When the connection of a process broke last. */
  readonly #cuts = new Map<string, number>()

  /** Whether nobody else may have it at this time, as the broker sees it. */
  isLocked(delivery: Delivery, at: number): boolean {
    return !delivery.isOver && this.until(delivery) > at
  }

  until(delivery: Delivery): number {
    if (delivery.hold === undefined) return delivery.until
    const hold = this.holds.get(delivery.hold)
    if (hold === undefined) return delivery.until
    return hold.isOver ? 0 : hold.until
  }

  inHandOf(node: string): ReadonlySet<Delivery> {
    return this.#byNode.get(node) ?? none
  }

  holdsOf(node: string): ReadonlySet<Hold> {
    return this.#holdsByNode.get(node) ?? none
  }

  follow(event: History.Event): void {
    switch (event._tag) {
      case "Delivered":
        return this.#delivered(event)
      case "Settled":
        return this.#settled(event)
      case "Renewed":
        return this.#renewed(event)
      case "Accepted":
        return this.#accepted(event)
      case "Lost":
      case "Released":
        return this.#released(event.hold)
      case "Crashed":
      case "Finished":
      case "Cut":
        return this.#gone(event)
      default:
        return undefined
    }
  }

  #delivered({ count, hold, id, node, since, token, until }: History.Delivered): void {
    const delivery = { id, token, node, hold, count, since, until, isOver: false }
    this.deliveries.set(token, delivery)
    add(this.#byNode, node, delivery)
    if (hold !== undefined) add(this.#byHold, hold, delivery)
  }

  #end(token: string): void {
    const delivery = this.deliveries.get(token)
    if (delivery === undefined) return
    delivery.isOver = true
    this.#byNode.get(delivery.node)?.delete(delivery)
    if (delivery.hold !== undefined) this.#byHold.get(delivery.hold)?.delete(delivery)
  }

  #settled({ result, token, verdict }: History.Settled): void {
    if (result !== "ok" && result !== "ReceiptExpired") return
    const own = this.deliveries.get(token)
    // What was in hand behind an abandoned message of a session comes again after it.
    if (verdict === "Abandon" && own?.hold !== undefined) {
      const inHand = [...(this.#byHold.get(own.hold) ?? none)]
      for (const one of inHand.slice(inHand.indexOf(own) + 1)) this.#end(one.token)
    }
    this.#end(token)
  }

  #renewed({ hold, token, until }: History.Renewed): void {
    const lock = hold === undefined ? this.deliveries.get(token ?? "") : this.holds.get(hold)
    if (lock !== undefined && !lock.isOver) lock.until = Math.max(lock.until, until)
  }

  #accepted({ at, hold, node, session, until }: History.Accepted): void {
    // Granted before the connection broke, and heard of after: the session may be another's already.
    const held = { hold, session, node, until, isOver: this.#cuts.get(node) === at }
    this.holds.set(hold, held)
    add(this.#holdsByNode, node, held)
  }

  #released(hold: string): void {
    const held = this.holds.get(hold)
    if (held === undefined) return
    held.isOver = true
    this.#holdsByNode.get(held.node)?.delete(held)
    for (const { token } of this.#byHold.get(hold) ?? none) this.#end(token)
  }

  /** A connection that broke loses its sessions; only single deliveries stay locked for a while. */
  #gone({ _tag, at, node }: History.Event): void {
    if (_tag !== "Cut") return
    this.#cuts.set(node, at)
    for (const { hold } of this.holdsOf(node)) this.#released(hold)
  }
}

const none: ReadonlySet<never> = new Set()

const add = <A>(map: Map<string, Set<A>>, key: string, value: A): void => {
  const known = map.get(key)
  if (known === undefined) map.set(key, new Set([value]))
  else known.add(value)
}
