import type { ServiceBusReceivedMessage, ServiceBusReceiver } from "@azure/service-bus"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import {
  Defaults,
  type Outcome,
  type QueueAddress,
  type QueueError,
  type Verdict
} from "@queue-runtime/core"
import * as attributes from "./attributes.ts"
import { call, limited, type Line } from "./calls.ts"
import type { Context } from "./context.ts"
import type { Delivery, Owner } from "./deliveries.ts"
import type * as errors from "./errors.ts"
import { endPending } from "./inside.ts"
import { Losses } from "./losses.ts"
import type { SdkClient } from "./sdkClient.ts"
import { Settlements } from "./settlements.ts"
import * as wire from "./wire.ts"

/** Whether the link below is open; unknown where it looks otherwise inside. */
export const isLinkOpen = (link: unknown): boolean | undefined => {
  if (!Predicate.isObject(link) || typeof link["is_open"] !== "function") return undefined
  const answer: unknown = link["is_open"]()
  return typeof answer === "boolean" ? answer : undefined
}

/** The link below a message, which the SDK keeps to itself; none where it looks otherwise inside. */
export const amqpLinkOf = (message: ServiceBusReceivedMessage): unknown =>
  "delivery" in message && Predicate.isObject(message.delivery)
    ? message.delivery["link"]
    : undefined

/**
 * The message as the SDK settles it by its lock token, over the service's management, whatever became of
 * its link. It takes a message without a link for a deferred one, and one with a session id for one of
 * an accepted session.
 */
const byToken = (message: ServiceBusReceivedMessage): ServiceBusReceivedMessage => {
  const copy = { ...message }
  delete copy.sessionId
  return Object.assign(copy, { delivery: {} })
}

type Settler = Pick<
  ServiceBusReceiver,
  "completeMessage" | "abandonMessage" | "deadLetterMessage" | "renewMessageLock"
>

/** When it came first travels with an abandoned or dead-lettered message: the service tells none. */
const facts = (delivery: Delivery): Record<string, string> => ({
  [attributes.firstDeliveredAt]: DateTime.formatIso(DateTime.makeUnsafe(delivery.firstDeliveredAt))
})

const count = (delivery: Delivery): string => String((delivery.message.deliveryCount ?? 0) + 1)

/** Asks the SDK for the settlement of one verdict. */
export const settlement = (
  receiver: Omit<Settler, "renewMessageLock">,
  delivery: Delivery,
  message: ServiceBusReceivedMessage,
  verdict: Verdict.Verdict,
  now: number
): Promise<unknown> => {
  switch (verdict._tag) {
    case "Complete":
      return receiver.completeMessage(message)
    case "Abandon":
      return receiver.abandonMessage(message, facts(delivery))
    case "DeadLetter": {
      const lengthMax = Defaults.deadLetterDescriptionLengthMax
      const { description } = verdict
      return receiver.deadLetterMessage(message, {
        ...facts(delivery),
        [attributes.deliveryCount]: count(delivery),
        [attributes.deadLetteredAt]: DateTime.formatIso(DateTime.makeUnsafe(now)),
        ...wire.toDetails(message, verdict),
        deadLetterReason: wire.cut(verdict.reason, lengthMax),
        // Absent, the property would be there all the same, as null.
        deadLetterErrorDescription: wire.cut(description ?? "", lengthMax)
      })
    }
  }
}

/**
 * One receiver of the SDK on a plain queue: what it delivered, and how that is settled and renewed.
 *
 * A link has room for 2,048 deliveries from the oldest unsettled one on, so it is used until they span
 * {@link Defaults.serviceBusLinkSpreadMax} and then runs out while another one takes over.
 */
export class Link implements Owner, Line {
  readonly receiver: ServiceBusReceiver
  readonly sdk: SdkClient
  readonly #context: Context
  readonly #address: QueueAddress.QueueAddress
  readonly #path: string
  readonly #settlements = new Settlements()
  /** The link below, as of the newest delivery: the SDK opens another one after a lost connection. */
  #amqpLink: unknown
  #open = new Map<number, Delivery>()
  readonly #places = new Map<
    Delivery,
    { readonly open: Map<number, Delivery>; readonly index: number }
  >()
  #next = 0
  /** Whether it has answered since its last failure. */
  isWarm = false

  constructor(context: Context, address: QueueAddress.QueueAddress, path: string) {
    this.#context = context
    this.#address = address
    this.#path = path
    this.sdk = context.sdk
    this.receiver = this.sdk.client.createReceiver(path, {
      receiveMode: "peekLock",
      // The SDK goes by message id, and two messages may have the same.
      maxAutoLockRenewalDurationInMs: 0,
      skipParsingBodyAsJson: true,
      skipConvertingDate: true,
      ...(address._tag === "DeadLetter" ? { subQueueType: "deadLetter" } : {})
    })
  }

  /**
   * A link that is gone takes no settlement and says nothing: it would be waited for in vain. What came
   * over it is settled by its lock token, over the client of now.
   */
  #live(delivery: Delivery): {
    readonly settler: Settler
    readonly message: ServiceBusReceivedMessage
  } {
    const { isSpent, message } = delivery
    if (this.sdk.isLost) {
      const settler = this.#context.peeker(this.#path, this.#address)
      return { settler, message: byToken(message) }
    }
    const isGone = isSpent || isLinkOpen(amqpLinkOf(message)) === false
    return { settler: this.receiver, message: isGone ? byToken(message) : message }
  }

  get #line(): Line {
    return this.sdk.isLost ? this.#context : this
  }

  /** Closes it, for what came over it is settled or can be by its token. */
  discard(): void {
    this.#context.discard(this.receiver, this.sdk)
  }

  get isClosed(): boolean {
    return this.#context.isClosed
  }

  /** Only its connection: what of its settlements the end of the link alone takes with it ends below. */
  onLost(listener: () => void): () => void {
    return this.sdk.onLost(listener)
  }

  /**
   * A link that ends takes with it what left over it and was not answered, and the SDK does not say so. What
   * was answered before, what goes by its lock token and what has not left yet are none of that.
   */
  #watch(amqpLink: unknown): void {
    const losses = new Losses()
    losses.on(() => endPending(this.receiver))
    losses.watch(amqpLink, ["receiver_close"])
  }

  /** Deliveries from the oldest unsettled one to the newest. */
  get spread(): number {
    const oldest = this.#open.keys().next().value
    return oldest === undefined ? 0 : this.#next - oldest
  }

  /** Whether anything is left that it delivered and nobody settled. */
  isIdle(now: number): boolean {
    for (const [delivery] of this.#places) {
      if (delivery.lockedUntil > now) return false
    }
    return true
  }

  /** Notes a delivery that came over this link. */
  add(delivery: Delivery): void {
    const amqpLink = amqpLinkOf(delivery.message)
    if (amqpLink !== this.#amqpLink) {
      this.#amqpLink = amqpLink
      this.#watch(amqpLink)
      this.#open = new Map()
      this.#next = 0
    }
    const index = this.#next++
    this.#open.set(index, delivery)
    this.#places.set(delivery, { open: this.#open, index })
  }

  #remove(delivery: Delivery): void {
    const place = this.#places.get(delivery)
    place?.open.delete(place.index)
    this.#places.delete(delivery)
  }

  settle(
    delivery: Delivery,
    verdict: Verdict.Verdict,
    place: errors.Place
  ): Effect.Effect<void, QueueError.QueueError> {
    const { config } = this.#context
    return Effect.suspend(() => {
      // In its turn: the link may be gone by then.
      const make = (): Promise<unknown> => {
        const { message, settler } = this.#live(delivery)
        return settlement(settler, delivery, message, verdict, this.#context.now())
      }
      const timeout = config.requestTimeout
      const line = this.#line
      return this.#settlements
        .settle(line, { ...place, timeout }, verdict._tag === "Complete", make)
        .pipe(
          limited(line, place, timeout),
          Effect.tap(() => Effect.sync(() => this.#remove(delivery))),
          Effect.tapError(() =>
            Effect.sync(() => {
              // The link took it, or nobody knows: it takes no second one.
              delivery.isSpent = true
            })
          )
        )
    })
  }

  complete(
    deliveries: ReadonlyArray<Delivery>,
    place: errors.Place
  ): Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>> {
    const complete = (delivery: Delivery): Promise<void> => {
      const { message, settler } = this.#live(delivery)
      return settler.completeMessage(message)
    }
    const { requestTimeout } = this.#context.config
    return Effect.map(
      this.#settlements.completeAll(this.#line, place, requestTimeout, deliveries, complete),
      (outcomes) => {
        for (const [index, delivery] of deliveries.entries()) {
          if (outcomes[index]?._tag === "Success") this.#remove(delivery)
          else delivery.isSpent = true
        }
        return outcomes
      }
    )
  }

  renew(delivery: Delivery, place: errors.Place): Effect.Effect<number, QueueError.QueueError> {
    const { config, renewals } = this.#context
    const renewal = call(this.#context, place, config.requestTimeout, () =>
      this.#live(delivery).settler.renewMessageLock(delivery.message)
    )
    return renewals.withPermits(1)(
      Effect.map(renewal, (until) => {
        // A late answer must not shorten a later lock.
        delivery.lockedUntil = Math.max(delivery.lockedUntil, until.getTime())
        return delivery.lockedUntil
      })
    )
  }
}
