import * as Result from "effect/Result"
import type * as Outcome from "../../Outcome.ts"
import type { Opened, Pushed } from "../../PushedBatch.ts"
import type * as QueueAddress from "../../QueueAddress.ts"
import * as QueueError from "../../QueueError.ts"
import * as Receipt from "../../Receipt.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as SessionId from "../../SessionId.ts"
import type * as Verdict from "../../Verdict.ts"

/**
 * Not handed out yet; handed out; to be settled unseen; done with for good; to come again; whatever another
 * is, since it is the same message.
 */
type State = "waiting" | "out" | "aside" | "settled" | "left" | "copy"

const stateOf = ({ copyOf, fate, verdict }: Pushed): State => {
  if (copyOf !== undefined) return "copy"
  return verdict === undefined ? (fate ?? "waiting") : "aside"
}

/** Some that nobody is to get, and what is to become of them. */
interface Aside {
  readonly indexes: ReadonlyArray<number>
  readonly verdict: Verdict.Verdict
}

/** A batch that was read, and what became of each of its messages so far. */
export class Held {
  readonly opened: Opened
  readonly #address: QueueAddress.QueueAddress
  readonly #states: Array<State>
  /** The session of each message; nothing where the queue is not ordered. */
  readonly #sessions: ReadonlyArray<SessionId.SessionId | undefined>
  readonly #accepted = new Set<SessionId.SessionId>()
  readonly #token: string
  /** Those to be settled unseen that nobody has begun with. */
  #asides: ReadonlyArray<number>
  /** Messages and sessions so far: who gets nothing while it grows may ask again. */
  handedOut = 0

  constructor(
    address: QueueAddress.QueueAddress,
    opened: Opened,
    token: string,
    isOrdered: boolean
  ) {
    this.#address = address
    this.opened = opened
    this.#token = token
    this.#states = opened.messages.map(stateOf)
    this.#asides = [...this.#states.keys()].filter((index) => this.#states[index] === "aside")
    this.#sessions = opened.messages.map(({ message: { messageId, sessionId } }) =>
      // What was moved back to an ordered queue by hand may have lost its session.
      isOrdered ? (sessionId ?? SessionId.makeUnsafe(messageId)) : undefined
    )
  }

  get settled(): ReadonlyArray<boolean> {
    return this.opened.messages.map(
      ({ copyOf }, index) => this.#states[copyOf ?? index] === "settled"
    )
  }

  /** The session to be accepted next: the given one, or the first that nobody has. */
  next(sessionId?: SessionId.SessionId): SessionId.SessionId | undefined {
    const found = this.#sessions.find(
      (known, index) =>
        known !== undefined &&
        this.#isOpen(index) &&
        !this.#accepted.has(known) &&
        (sessionId === undefined || known === sessionId)
    )
    if (found === undefined) return undefined
    this.#accepted.add(found)
    this.handedOut++
    return found
  }

  /** Up to `max` that nobody has had, in their order. */
  take(max: number, sessionId?: SessionId.SessionId): Array<ReceivedMessage.ReceivedMessage> {
    const taken: Array<ReceivedMessage.ReceivedMessage> = []
    for (const [index, { message }] of this.opened.messages.entries()) {
      if (this.#states[index] !== "waiting" || !this.#isOf(index, sessionId)) continue
      if (taken.length === max) break
      this.#states[index] = "out"
      this.handedOut++
      const receipt = Receipt.make(this.#address, `${this.#token}:${index}`)
      taken.push({ ...message, receipt })
    }
    return taken
  }

  /** Up to `max` that are to be settled unseen, and alike. */
  takeAside(max: number): Aside | undefined {
    const verdictOf = (index: number) => this.opened.messages[index]?.verdict
    const [first] = this.#asides
    const verdict = first === undefined ? undefined : verdictOf(first)
    if (verdict === undefined) return undefined
    const other = this.#asides.findIndex((index) => verdictOf(index) !== verdict)
    const count = Math.min(max, other === -1 ? this.#asides.length : other)
    const indexes = this.#asides.slice(0, count)
    this.#asides = this.#asides.slice(count)
    return { indexes, verdict }
  }

  /** Those that nobody has begun with come again, at their time. */
  leaveAside(): void {
    this.end(this.#asides, "left")
    this.#asides = []
  }

  /** Somebody is to settle it. */
  isInHand(index: number): boolean {
    return this.#states[index] === "out" || this.#states[index] === "aside"
  }

  /** Those of its session behind it that are to be handled still. */
  behind(index: number): ReadonlyArray<number> {
    const sessionId = this.#sessions[index]
    return sessionId === undefined ? [] : this.#open(sessionId).filter((other) => other > index)
  }

  end(indexes: ReadonlyArray<number>, state: "settled" | "left"): void {
    for (const index of indexes) this.#states[index] = state
  }

  /**
   * Everything, or of a session, that is neither done with nor on its way back: it is so from now on. What
   * is settled unseen is no part of a session.
   */
  leave(sessionId?: SessionId.SessionId): ReadonlyArray<number> {
    const left = [...this.#open(sessionId), ...(sessionId === undefined ? this.#unseen() : [])]
    this.end(left, "left")
    return left
  }

  #isOf(index: number, sessionId: SessionId.SessionId | undefined): boolean {
    return sessionId === undefined || this.#sessions[index] === sessionId
  }

  #isOpen(index: number): boolean {
    return this.#states[index] === "waiting" || this.#states[index] === "out"
  }

  #unseen(): ReadonlyArray<number> {
    return [...this.#states.keys()].filter((index) => this.#states[index] === "aside")
  }

  #open(sessionId: SessionId.SessionId | undefined): ReadonlyArray<number> {
    return [...this.#states.keys()].filter(
      (index) => this.#isOpen(index) && this.#isOf(index, sessionId)
    )
  }
}

/** What a settlement of something that is not in hand any more answers. */
export const expired = (): Outcome.Outcome<never> =>
  Result.fail(QueueError.make(new QueueError.ReceiptExpired(), { operation: "settle" }))
