import * as Semaphore from "effect/Semaphore"
import type { Delivery } from "./delivery.ts"

/**
 * Where a group is. Buffered: received, and nobody has accepted it. Held: accepted. Draining: given
 * back. Lost: its lock ran out, or the broker handed it out again. Draining and lost are final: what is
 * received of it later is another group of the same id.
 */
export type Phase = "Buffered" | "Held" | "Draining" | "Lost"

const sequenceOf = ({ content }: Delivery): bigint => content.sequence ?? 0n

/**
 * One message group while we have it: what one receive brought of it, and who holds it.
 *
 * The transitions are plain and take no time; calls to the broker are made by others, under `turn`.
 */
export class Group {
  readonly id: string
  phase: Phase = "Buffered"
  /** In order; what is settled leaves. */
  deliveries: ReadonlyArray<Delivery>
  /** Of a held one: until when it is the holder's. */
  lockedUntil = 0
  /** The lock of what came behind is lost: its holder is told so when it gets there. */
  isCut = false
  /** Everything that sets the visibility of its messages, one at a time. */
  readonly turn: Semaphore.Semaphore = Semaphore.makeUnsafe(1)

  constructor(id: string, deliveries: ReadonlyArray<Delivery>) {
    this.id = id
    this.deliveries = []
    this.#add(deliveries)
  }

  /** Given back or lost. */
  get isOver(): boolean {
    return this.phase === "Draining" || this.phase === "Lost"
  }

  /** Held, and free at the broker: a reservation in this process and no more. */
  get isIdle(): boolean {
    return this.phase === "Held" && this.deliveries.length === 0
  }

  /** Those that a release gives back. */
  get unsettled(): ReadonlyArray<Delivery> {
    return this.deliveries.filter((one) => one.isUnsettled)
  }

  /** Since when the longest here of it is. */
  get receivedAt(): number {
    return Math.min(...this.deliveries.map((one) => one.receivedAt))
  }

  /**
   * Those whose lock the group needs, which a renewal extends: one that is on its way to be settled too. If
   * its lock ran out before it is, it would come to somebody else, before what is in hand behind it. One
   * that more has come behind is gone at the broker, whatever became of the answer: it would have blocked
   * that.
   */
  get needed(): ReadonlyArray<Delivery> {
    const newest = Math.max(...this.deliveries.map((one) => one.receivedAt))
    return this.deliveries.filter((one) => one.isUnsettled || one.receivedAt === newest)
  }

  /** Until when all of it is ours. */
  get freshUntil(): number {
    return Math.min(...this.needed.map(({ lockedUntil }) => lockedUntil))
  }

  #add(deliveries: ReadonlyArray<Delivery>): void {
    for (const one of deliveries) one.group = this
    const all = [...this.deliveries, ...deliveries]
    this.deliveries = all.toSorted((one, other) => Number(sequenceOf(one) - sequenceOf(other)))
  }

  /**
   * Whether these can follow what is here. What is here and unsettled blocks its group at the broker: if
   * more comes all the same, its lock has ended.
   */
  takes(deliveries: ReadonlyArray<Delivery>): boolean {
    if (this.isOver || this.isCut || this.unsettled.length > 0) return false
    const settling = new Set(this.deliveries.map(({ content }) => content.id))
    return !deliveries.some(({ content }) => settling.has(content.id))
  }

  /** More of it has come. */
  append(deliveries: ReadonlyArray<Delivery>): void {
    this.#add(deliveries)
  }

  /**
   * What may be handed out next: in order, everything before it done or in hand, up to the first that
   * backs off or that is due elsewhere.
   */
  next(now: number, max: number, isDue: (delivery: Delivery) => boolean): ReadonlyArray<Delivery> {
    if (this.isBlocked) return []
    const held = this.deliveries.filter(({ phase }) => phase === "held")
    const end = held.findIndex((one) => one.backsOffUntil > now || !isDue(one))
    return held.slice(0, Math.min(max, end === -1 ? held.length : end))
  }

  /** One is being put aside, and comes first again if it cannot be. */
  get isBlocked(): boolean {
    return this.deliveries.some(({ isBlocking }) => isBlocking)
  }

  /** A settlement is on its way. */
  get isSettling(): boolean {
    return this.deliveries.length > this.unsettled.length
  }

  /** The first that is in nobody's hands. */
  get head(): Delivery | undefined {
    return this.deliveries.find(({ phase }) => phase === "held")
  }

  /** Accepted: the holder's for as long. */
  hold(lockedUntil: number): void {
    this.phase = "Held"
    this.lockedUntil = lockedUntil
  }

  /** The holder let go of it before anything was handed out. */
  unhold(): void {
    this.phase = "Buffered"
  }

  /** Settled: it leaves, and lets the next one through. */
  settled(delivery: Delivery): void {
    delivery.phase = "done"
    this.deliveries = this.deliveries.filter((one) => one !== delivery)
  }

  /**
   * Its settlement failed, and it may be tried again. One that had been in hand before is so again,
   * unless one before it came back meanwhile: then it waits behind it, unseen.
   */
  cameBack(delivery: Delivery): void {
    if (delivery.phase !== "settling") return
    const before = this.deliveries.slice(0, this.deliveries.indexOf(delivery))
    const isBehind = before.some(({ phase }) => phase === "held")
    if (delivery.token !== undefined && !isBehind) {
      delivery.phase = "out"
      return
    }
    if (delivery.token === undefined) delivery.phase = "held"
    else delivery.takeBack()
  }

  /**
   * Those behind it that are in hand are taken back, and that counts no delivery of theirs. Answers their
   * receipts, which are dead.
   */
  takeBackBehind(delivery: Delivery): ReadonlyArray<string> {
    const behind = this.deliveries.slice(this.deliveries.indexOf(delivery) + 1)
    return behind.flatMap((one) => {
      if (one.phase !== "out") return []
      const { token } = one
      one.takeBack()
      return token ?? []
    })
  }

  /** It failed: it comes first again, not before `until`. Its receipt is dead. */
  abandon(delivery: Delivery, until: number): void {
    delivery.takeBack()
    // It was seen, and failed.
    delivery.seen++
    delivery.backsOffUntil = until
  }

  /**
   * Given back by its holder, or by nobody: what was in hand unsettled is not counted. Answers what is to
   * be released, in order. Settlements on their way go on; what comes back of them is another call's.
   */
  drain(): ReadonlyArray<Delivery> {
    this.phase = "Draining"
    const back = this.unsettled
    for (const one of back) {
      // What failed was seen; what is in hand is given back as if it never was.
      if (one.phase === "out") one.seen--
      one.phase = "dead"
    }
    this.deliveries = this.deliveries.filter(({ phase }) => phase === "settling")
    return back
  }

  /** No longer ours from this one on: what was in hand is counted. Answers those lost. */
  lose(from = 0): ReadonlyArray<Delivery> {
    const lost = this.deliveries.slice(from).filter((one) => one.isUnsettled)
    const wasInHand = lost.some(({ phase }) => phase === "out")
    for (const one of lost) one.phase = "dead"
    this.deliveries = this.deliveries.filter((one) => !one.isFinal)
    // Nothing of what its holder has in hand is lost: it may finish that first.
    if (from > 0 && !wasInHand) this.isCut = true
    else this.phase = "Lost"
    return lost
  }
}
