import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import type { HeldSession } from "./heldSession.ts"

type Mailbox = Deferred.Deferred<HeldSession>

/**
 * Brings held sessions and idle slots together. A session goes to the slot that has been idle longest,
 * or waits for the next one; between two steps of a fiber every change is whole.
 */
export class Dispatch {
  readonly #idle = new Set<Mailbox>()
  readonly #ready: Array<HeldSession> = []
  readonly #parked = new Set<HeldSession>()
  /** In the mailbox of a slot that has not looked yet; one that is told to stop never will. */
  readonly #delivered = new Set<HeldSession>()
  /** Open while a session waits for a slot. */
  readonly wanted = Latch.makeUnsafe(false)

  /** Sessions that wait for a slot. */
  get waiting(): number {
    return this.#ready.length
  }

  /** Sessions whose failed message backs off. */
  get parked(): number {
    return this.#parked.size
  }

  /** The session that has waited longest. */
  take(): HeldSession | undefined {
    const held = this.#ready.shift()
    if (this.#ready.length === 0) this.wanted.closeUnsafe()
    return held
  }

  /** An idle slot's mailbox. */
  enter(): Mailbox {
    const mailbox = Deferred.makeUnsafe<HeldSession>()
    this.#idle.add(mailbox)
    return mailbox
  }

  /** A slot has taken what was in its mailbox. */
  readonly received = (held: HeldSession): HeldSession => {
    this.#delivered.delete(held)
    return held
  }

  /** The slot is idle no more. */
  leave(mailbox: Mailbox): void {
    this.#idle.delete(mailbox)
  }

  /** To this slot if it still waits, else to the next one. */
  deliver(held: HeldSession, mailbox?: Mailbox): void {
    const [next] = this.#idle
    const receiver = mailbox !== undefined && this.#idle.has(mailbox) ? mailbox : next
    if (receiver === undefined) {
      this.#ready.push(held)
      this.wanted.openUnsafe()
    } else {
      this.#idle.delete(receiver)
      this.#delivered.add(held)
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
    const all = [...this.#ready.splice(0), ...this.#parked, ...this.#delivered]
    this.#parked.clear()
    this.#delivered.clear()
    return all
  }
}
