import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import type { HeldSession } from "./heldSession.ts"

/** Where a slot finds its next session. */
export type Mailbox = Deferred.Deferred<HeldSession>

/**
 * Brings held sessions and slots together. A session goes to the slot that has waited longest, or waits
 * for the next one; between two steps of a fiber every change is whole.
 */
export class Dispatch {
  /** Mailboxes of slots that wait for a session. */
  readonly #open = new Set<Mailbox>()
  /** What is in a mailbox that its slot has not looked into yet. */
  readonly #delivered = new Map<Mailbox, HeldSession>()
  readonly #ready: Array<HeldSession> = []
  readonly #parked = new Set<HeldSession>()

  /** Sessions that wait for a slot. */
  get waiting(): number {
    return this.#ready.length
  }

  /** Sessions whose failed message backs off. */
  get parked(): number {
    return this.#parked.size
  }

  /** A slot waits for a session; whether one was waiting for it, which it then has. */
  open(mailbox: Mailbox): boolean {
    this.#open.add(mailbox)
    const held = this.#ready.shift()
    if (held !== undefined) this.deliver(held, mailbox)
    return held !== undefined
  }

  /** The slot has taken what was in its mailbox. */
  taken(mailbox: Mailbox): void {
    this.#delivered.delete(mailbox)
  }

  /** The slot waits no more. What it did not take goes to another one. */
  close(mailbox: Mailbox): void {
    this.#open.delete(mailbox)
    const held = this.#delivered.get(mailbox)
    if (held === undefined) return
    this.#delivered.delete(mailbox)
    this.deliver(held)
  }

  /** To this slot if it still waits, else to the next one. */
  deliver(held: HeldSession, mailbox?: Mailbox): void {
    const [next] = this.#open
    const receiver = mailbox !== undefined && this.#open.has(mailbox) ? mailbox : next
    if (receiver === undefined) {
      this.#ready.push(held)
    } else {
      this.#open.delete(receiver)
      this.#delivered.set(receiver, held)
      Deferred.doneUnsafe(receiver, Effect.succeed(held))
    }
  }

  park(held: HeldSession): void {
    this.#parked.add(held)
  }

  unpark(held: HeldSession): void {
    this.#parked.delete(held)
  }

  /** Everything that no slot works on; it is the caller's now. */
  drain(): ReadonlyArray<HeldSession> {
    const all = [...this.#ready.splice(0), ...this.#parked, ...this.#delivered.values()]
    this.#parked.clear()
    this.#delivered.clear()
    return all
  }
}
