import * as Result from "effect/Result"
import { Defaults, type Outcome, type Receipt } from "@queue-runtime/core"
import type { HeldLease } from "./heldLease.ts"

const keyOf = ({ address, token }: Receipt.Receipt): string => `${address.queue} ${token}`

/** Under which lease each delivery in hand was handed out. */
export class Deliveries {
  readonly #held = new Map<string, HeldLease>()
  readonly #ofLease = new Map<HeldLease, Set<string>>()

  /** A session that is held from now on. */
  open(held: HeldLease): void {
    this.#ofLease.set(held, new Set())
  }

  /**
   * Those of one session; what it has beyond the bound forgets its oldest. What comes when it is released
   * is nobody's.
   */
  add(held: HeldLease, receipts: ReadonlyArray<Receipt.Receipt>): void {
    const own = this.#ofLease.get(held)
    if (own === undefined) return
    for (const receipt of receipts) {
      const key = keyOf(receipt)
      own.add(key)
      this.#held.set(key, held)
    }
    for (const oldest of own) {
      if (own.size <= Defaults.sessionLeaseDeliveriesMax) break
      this.#forget(own, oldest)
    }
  }

  /** Those whose settlement failed and may be tried again are in hand still. */
  settled(
    held: HeldLease,
    receipts: ReadonlyArray<Receipt.Receipt>,
    outcomes: ReadonlyArray<Outcome.Outcome<void>>
  ): void {
    const own = this.#ofLease.get(held)
    if (own === undefined) return
    for (const [at, receipt] of receipts.entries()) {
      const outcome = outcomes[at]
      const isKept = outcome !== undefined && Result.isFailure(outcome)
      if (!isKept || outcome.failure.reason._tag === "ReceiptExpired") {
        this.#forget(own, keyOf(receipt))
      }
    }
  }

  remove(held: HeldLease): void {
    for (const key of this.#ofLease.get(held) ?? []) this.#held.delete(key)
    this.#ofLease.delete(held)
  }

  find(receipt: Receipt.Receipt): HeldLease | undefined {
    return this.#held.get(keyOf(receipt))
  }

  #forget(own: Set<string>, key: string): void {
    own.delete(key)
    this.#held.delete(key)
  }
}
