import * as Semaphore from "effect/Semaphore"
import type { Arrived } from "../wire.ts"
import type { Group } from "./group.ts"

/**
 * Where a delivery is. Held: here and in nobody's hands. Out: in a caller's hands, with a receipt.
 * Settling: its settlement is on its way. Done and dead are final: settled, or no longer ours.
 */
export type Phase = "held" | "out" | "settling" | "done" | "dead"

/** One message as one receive of the broker handed it out: a receipt handle and what became of it. */
export class Delivery {
  /** What the message says, read once. */
  readonly content: Arrived
  readonly receivedAt: number
  /** Until when it is ours, as far as we may rely on it. */
  lockedUntil: number
  phase: Phase = "held"
  /** The receipt of the delivery in hand. */
  token: string | undefined = undefined
  /** How often it was handed out, but for those taken back unseen. */
  seen = 0
  /** The delivery count it was last handed out with. */
  count = 0
  /** It failed and comes again, not before. */
  backsOffUntil = 0
  /** Its copy is among the dead letters already: only the removal is left. */
  isCopied = false
  /** Nothing behind it may be handed out until it is settled or back. */
  isBlocking = false
  /** Of an ordered queue. */
  group: Group | undefined = undefined
  readonly #turn: Semaphore.Semaphore = Semaphore.makeUnsafe(1)

  constructor(content: Arrived, receivedAt: number, lockedUntil: number) {
    this.content = content
    this.receivedAt = receivedAt
    this.lockedUntil = lockedUntil
  }

  /** Everything that sets its visibility, one at a time; a group has one for all of it. */
  get turn(): Semaphore.Semaphore {
    return this.group?.turn ?? this.#turn
  }

  /** In a caller's hands. */
  handOut(token: string, count: number): void {
    this.phase = "out"
    this.token = token
    this.count = count
    this.seen++
  }

  /** Out of a caller's hands that never saw it. */
  takeBack(): void {
    this.phase = "held"
    this.token = undefined
    this.seen--
  }

  /** In nobody's hands or in a caller's, and in no call: what a release gives back. */
  get isUnsettled(): boolean {
    return this.phase === "held" || this.phase === "out"
  }

  get isFinal(): boolean {
    return this.phase === "done" || this.phase === "dead"
  }
}
