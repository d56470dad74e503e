import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import type * as Effect from "effect/Effect"
import {
  Defaults,
  type Outcome,
  QueueAddress,
  type QueueError,
  Receipt,
  type ReceivedMessage,
  type Verdict
} from "@queue-runtime/core"
import type * as errors from "./errors.ts"
import * as wire from "./wire.ts"

/** Who has the delivery of the service: a link of a plain queue, or an accepted session. */
export interface Owner {
  readonly settle: (
    delivery: Delivery,
    verdict: Verdict.Verdict,
    place: errors.Place
  ) => Effect.Effect<void, QueueError.QueueError>
  /** Completes several of its own; one outcome each, in order. */
  readonly complete: (
    deliveries: ReadonlyArray<Delivery>,
    place: errors.Place
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>>
  /** The new end of its lock. */
  readonly renew: (
    delivery: Delivery,
    place: errors.Place
  ) => Effect.Effect<number, QueueError.QueueError>
}

/**
 * `Open`: in its receiver's hands. `Claimed`: a settlement is under way. `Gone`: settled, taken back or
 * run out.
 */
type State = "Open" | "Claimed" | "Gone"

/** One delivery of one message. */
export class Delivery {
  readonly message: ServiceBusReceivedMessage
  readonly address: QueueAddress.QueueAddress
  readonly owner: Owner
  readonly token: string
  /** Its message, wherever it is delivered. */
  readonly key: string
  readonly deliveredAt: number
  firstDeliveredAt: number
  lockedUntil: number
  state: State = "Open"
  /** Its first settlement failed after the link had it: the next one goes by its lock token. */
  isSpent = false

  constructor(
    message: ServiceBusReceivedMessage,
    address: QueueAddress.QueueAddress,
    owner: Owner,
    facts: {
      readonly token: string
      readonly now: number
      readonly lockedUntil: number
    }
  ) {
    this.message = message
    this.address = address
    this.owner = owner
    this.token = facts.token
    this.key = `${QueueAddress.format(address)} ${wire.sequenceTextOf(message)}`
    this.deliveredAt = facts.now
    this.firstDeliveredAt = facts.now
    this.lockedUntil = facts.lockedUntil
  }

  /** What its receiver gets: a copy of its own. */
  received(): ReceivedMessage.ReceivedMessage {
    return wire.toReceived(this.message, {
      receipt: Receipt.make(this.address, this.token),
      deliveredAt: this.deliveredAt,
      firstDeliveredAt: this.firstDeliveredAt,
      lockedUntil: this.lockedUntil
    })
  }
}

/** How long after its lock ran out a delivery is still worth asking the service about. */
const staleAfterMillis = 60_000

/** The deliveries that nobody settled yet, and when their messages came first. */
export class Deliveries {
  readonly #byToken = new Map<string, Delivery>()
  readonly #firstTimes = new Map<string, number>()
  #count = 0

  /** When its message came first: what an abandon told, what is remembered here, or now. */
  #firstDeliveredAt({ deliveredAt, key, message }: Delivery): number {
    const known = this.#firstTimes.get(key)
    const first = wire.firstDeliveredAtOf(message) ?? known ?? deliveredAt
    if (known !== undefined) this.#firstTimes.delete(key)
    this.#firstTimes.set(key, first)
    if (this.#firstTimes.size > Defaults.serviceBusFirstDeliveriesMax) {
      const oldest = this.#firstTimes.keys().next().value
      if (oldest !== undefined) this.#firstTimes.delete(oldest)
    }
    return first
  }

  /** A number no other delivery of this process has. */
  nextNumber(): number {
    return this.#count++
  }

  /** Notes a delivery, and when its message came first. */
  add(delivery: Delivery): void {
    delivery.firstDeliveredAt = this.#firstDeliveredAt(delivery)
    this.#byToken.set(delivery.token, delivery)
    if (this.#byToken.size > Defaults.serviceBusDeliveriesMax) this.#forget(delivery.deliveredAt)
  }

  /** The delivery of this receipt, if it may still be settled. */
  find(receipt: Receipt.Receipt): Delivery | undefined {
    const delivery = this.#byToken.get(receipt.token)
    if (delivery === undefined || delivery.state !== "Open") return undefined
    const { _tag, queue } = receipt.address
    return delivery.address._tag === _tag && delivery.address.queue === queue ? delivery : undefined
  }

  /** The receipt is dead from now on. */
  remove(delivery: Delivery): void {
    delivery.state = "Gone"
    this.#byToken.delete(delivery.token)
  }

  /** The message is done: when it came first is of no use any more. */
  finish(delivery: Delivery): void {
    this.#firstTimes.delete(delivery.key)
  }

  /** How many of each message of an address are in somebody's hands here. */
  inHand(address: QueueAddress.QueueAddress): ReadonlySet<string> {
    const key = QueueAddress.format(address)
    const numbers = new Set<string>()
    for (const { address: own, message } of this.#byToken.values()) {
      if (QueueAddress.format(own) === key) numbers.add(wire.sequenceTextOf(message))
    }
    return numbers
  }

  get size(): number {
    return this.#byToken.size
  }

  /** Forgets the oldest of which nothing can become any more; if there is none, the oldest. */
  #forget(now: number): void {
    let oldest: Delivery | undefined
    let looked = 0
    for (const delivery of this.#byToken.values()) {
      oldest ??= delivery
      if (delivery.lockedUntil + staleAfterMillis < now) {
        this.remove(delivery)
        return
      }
      if (++looked >= lookedMax) break
    }
    if (oldest !== undefined) this.remove(oldest)
  }
}

/** How many of the oldest are looked at for one that ran out. */
const lookedMax = 64
