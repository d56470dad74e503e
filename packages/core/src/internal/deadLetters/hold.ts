import * as Arr from "effect/Array"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Defaults from "../../Defaults.ts"
import * as Message from "../../Message.ts"
import type * as Outcome from "../../Outcome.ts"
import * as QueueAddress from "../../QueueAddress.ts"
import type * as QueueClient from "../../QueueClient.ts"
import * as QueueError from "../../QueueError.ts"
import type * as QueueName from "../../QueueName.ts"
import type * as ReceivedMessage from "../../ReceivedMessage.ts"
import * as Verdict from "../../Verdict.ts"
import * as letters from "./letter.ts"
import * as planning from "./planning.ts"

type Received = ReceivedMessage.ReceivedMessage

/** A dead letter in hand: with what settles it, and the copies that a crash left of it. */
export interface Held {
  readonly key: string
  readonly letter: DeadLetters.DeadLetter
  /** Whether the broker moved it, which then has it in the group of its session. */
  readonly isMoved: boolean
  /** Of one that is not, what is held has no body: it is only to be given back. */
  readonly isWanted: boolean
  readonly size: number
  deliveries: ReadonlyArray<Received>
}

/** What a hold needs to know. */
export interface Options {
  readonly client: QueueClient.Service
  readonly queue: QueueName.QueueName
  readonly heldMax: number
  readonly heldSizeMax: number
  /** Asked once a letter; of the others no more is kept than what gives them back. */
  readonly isWanted: (letter: DeadLetters.DeadLetter) => boolean
  /** Whether it counts among those that were seen. */
  readonly wasThere: (letter: DeadLetters.DeadLetter) => boolean
}

const nothing = new Message.Message({ body: new Uint8Array(0) })

/** Enough to settle it. */
const bare = (message: Received): Received => ({
  ...message,
  body: nothing.body,
  attributes: nothing.attributes
})

/** A lock is renewed when a third of it is gone, and there is time for a second try. */
const lockParts = 3

/** Clocks that do not agree make a lock look as if it were over: that must not make it spin. */
const periodMin = Duration.toMillis(Defaults.deadLetterWait)

const expired: Outcome.Outcome<void> = Result.fail(QueueError.make(new QueueError.ReceiptExpired()))

const isExpired = ({ reason }: QueueError.QueueError): boolean => reason._tag === "ReceiptExpired"

/**
 * The dead letters that are received and not settled. Their locks are renewed; what is left at the end is
 * given back. Bounded in letters and in bytes: whoever receives asks whether it is full.
 */
export class Hold {
  readonly options: Options
  readonly #held = new Map<string, Held>()
  readonly #isUsed = Latch.makeUnsafe(false)
  #period: number
  #size = 0
  #seen = 0

  constructor(options: Options) {
    this.options = options
    const { lockDuration } = options.client.capabilities(options.queue)
    this.#period = Duration.toMillis(lockDuration) / lockParts
  }

  /** A lock may be shorter than those of the queue itself: the dead letters may be in another one. */
  #heed({ deliveredAt, lockedUntil }: Received): void {
    const lock = DateTime.toEpochMillis(lockedUntil) - DateTime.toEpochMillis(deliveredAt)
    this.#period = Math.min(this.#period, Math.max(periodMin, lock / lockParts))
    this.#isUsed.openUnsafe()
  }

  /** Copies included. */
  get deliveries(): ReadonlyArray<Received> {
    return [...this.#held.values()].flatMap(({ deliveries }) => deliveries)
  }

  get isFull(): boolean {
    const { heldMax, heldSizeMax } = this.options
    return this.#held.size > heldMax || this.#size > heldSizeMax
  }

  /** Letters so far that were there when it began, those that are not held any more included. */
  get seen(): number {
    return this.#seen
  }

  /** Whether one in hand may stand before others of its group, which nobody can have meanwhile. */
  get isHiding(): boolean {
    const { client, queue } = this.options
    return (
      client.capabilities(queue).ordered && [...this.#held.values()].some(({ isMoved }) => isMoved)
    )
  }

  find(key: string): Held | undefined {
    return this.#held.get(key)
  }

  /**
   * Receives what is there, or the first to come within the wait: those that were not held before.
   * `undefined` when the wait ended with nothing at all.
   */
  receive(
    wait: Duration.Duration
  ): Effect.Effect<ReadonlyArray<Held> | undefined, QueueError.QueueError> {
    const { client, queue } = this.options
    const max = client.capabilities(queue).receiveCountMax
    return Effect.map(client.receive(QueueAddress.deadLetter(queue), { max, wait }), (messages) =>
      messages.length === 0 ? undefined : messages.flatMap((one) => this.#add(one))
    )
  }

  #add(message: Received): ReadonlyArray<Held> {
    this.#heed(message)
    const letter = letters.fromMessage(this.options.queue, message)
    // What cannot be told from another is one of its own: taken for a copy of it, it would be lost.
    const key = letters.isIdentified(message) ? letter.id : `${letter.id} ${message.receipt.token}`
    const known = this.#held.get(key)
    if (known !== undefined) {
      known.deliveries = [...known.deliveries, bare(message)]
      return []
    }
    const isMoved =
      letter.message.sessionId !== undefined && message.deadLetter?.sequenceNumber === undefined
    const isWanted = this.options.isWanted(letter)
    const size = isWanted ? Message.size(letter.message) : 0
    const held: Held = { key, letter, isMoved, isWanted, size, deliveries: [bare(message)] }
    const kept = isWanted ? held : { ...held, letter: { ...letter, message: nothing } }
    this.#held.set(key, kept)
    this.#size += kept.size
    if (this.options.wasThere(letter)) this.#seen++
    return [held]
  }

  /** Removes letters for good: one outcome each, in their order. */
  remove(some: ReadonlyArray<Held>): Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>> {
    const entries = some.flatMap((held) => held.deliveries.map((delivery) => ({ held, delivery })))
    const deliveries = entries.map(({ delivery }) => delivery)
    return Effect.map(this.options.client.settle(deliveries, Verdict.complete), (outcomes) => {
      const settled = Map.groupBy(Arr.zip(entries, outcomes), ([{ held }]) => held)
      return some.map((held) => {
        const own = (settled.get(held) ?? []).map(([, outcome]) => outcome)
        // One that came again has a receipt that is dead and one that is not; one whose lock ran out
        // meanwhile has none.
        const outcome = own.find(Result.isSuccess) ?? own.at(-1) ?? expired
        // What could not be removed is given back in the end.
        if (Result.isSuccess(outcome) || isExpired(outcome.failure)) this.#forget(held)
        return outcome
      })
    })
  }

  #forget(held: Held): void {
    if (this.#held.delete(held.key)) this.#size -= held.size
  }

  /** What would run out before the time after next; what is lost is held no more. */
  readonly #renew: Effect.Effect<void> = Effect.suspend(() =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const soon = now + 2 * this.#period
      const due = this.deliveries.filter(
        ({ lockedUntil }) => DateTime.toEpochMillis(lockedUntil) <= soon
      )
      const { client } = this.options
      const parts = planning.inAnyOrder(due, Defaults.deadLetterConcurrency)
      // Side by side: thousands of locks are to be renewed before the first of them runs out.
      const renewals = Effect.forEach(parts, client.renewLocks, {
        concurrency: Defaults.batchCallsMax
      })
      return Effect.map(renewals, (outcomes) => {
        const renewed = new Map(Arr.zip(due, outcomes.flat()))
        for (const held of this.#held.values()) this.#update(held, renewed)
      })
    })
  )

  #update(held: Held, renewed: ReadonlyMap<Received, Outcome.Outcome<DateTime.Utc>>): void {
    held.deliveries = held.deliveries.flatMap((one) => {
      const outcome = renewed.get(one)
      if (outcome === undefined) return one
      if (Result.isSuccess(outcome)) return { ...one, lockedUntil: outcome.success }
      return QueueError.isTransient(outcome.failure) ? one : []
    })
    if (held.deliveries.length === 0) this.#forget(held)
  }

  /** Renews locks, from the first one on, until it is interrupted. */
  get keeping(): Effect.Effect<never> {
    const next = Effect.suspend(() => Effect.delay(this.#renew, this.#period))
    return Effect.andThen(this.#isUsed.await, Effect.forever(next))
  }

  /** Gives back what is left; what cannot be given back is free when its lock runs out. */
  get release(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const { deliveries } = this
      this.#held.clear()
      const { client } = this.options
      const parts = planning.inAnyOrder(deliveries, Defaults.deadLetterConcurrency)
      return Effect.forEach(parts, (part) => client.settle(part, Verdict.abandon()), {
        concurrency: Defaults.batchCallsMax,
        discard: true
      })
    })
  }
}

/** A hold until the scope closes. */
export const make = (options: Options): Effect.Effect<Hold, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Hold(options)),
    (hold) => hold.release
  ).pipe(Effect.tap((hold) => Effect.forkScoped(hold.keeping)))
