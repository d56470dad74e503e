import type { ServiceBusReceiver } from "@azure/service-bus"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import { Defaults, QueueAddress } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"
import type { Line } from "./calls.ts"
import type { Connection } from "./connection.ts"
import type { Deliveries } from "./deliveries.ts"

/** What belongs to a whole provider. */
export interface Shared {
  readonly config: AzureConfig.AzureConfig
  readonly clock: Clock.Clock
  readonly deliveries: Deliveries
  /** Runs something that ends with the provider. */
  readonly fork: <A, E>(effect: Effect.Effect<A, E>) => Fiber.Fiber<A, E>
  /** Whether the provider is closed. */
  isClosed: boolean
}

/** A provider on one of its connections. */
export class Context implements Line {
  readonly shared: Shared
  readonly connection: Connection
  /** Each renewal is a request of its own. */
  readonly renewals = Semaphore.makeUnsafe(Defaults.serviceBusRenewalsMax)
  readonly #peekers = new Map<string, ServiceBusReceiver>()
  /** What was closed while the connection was down, which the SDK only does while it is up. */
  #unclosed: Array<() => Promise<void>> = []

  constructor(shared: Shared, connection: Connection) {
    this.shared = shared
    this.connection = connection
  }

  get config(): AzureConfig.AzureConfig {
    return this.shared.config
  }

  get deliveries(): Deliveries {
    return this.shared.deliveries
  }

  get isClosed(): boolean {
    return this.shared.isClosed || this.connection.isClosed
  }

  /** A receiver that has no link: what goes by the service's management alone. */
  peeker(path: string, address: QueueAddress.QueueAddress): ServiceBusReceiver {
    const key = QueueAddress.format(address)
    const known = this.#peekers.get(key)
    if (known !== undefined) return known
    const made = this.connection.client.createReceiver(path, {
      skipParsingBodyAsJson: true,
      skipConvertingDate: true,
      ...(address._tag === "DeadLetter" ? { subQueueType: "deadLetter" } : {})
    })
    if (this.#peekers.size >= Defaults.serviceBusQueuesMax) this.#peekers.clear()
    this.#peekers.set(key, made)
    return made
  }

  onLost(listener: () => void): () => void {
    return this.connection.onLost(listener)
  }

  now(): number {
    return this.shared.clock.currentTimeMillisUnsafe()
  }

  /** Closes a receiver or sender without waiting for it; again when the connection is known to be up. */
  discard(thing: { readonly close: () => Promise<void> }): void {
    const close = () => thing.close()
    this.#unclosed.push(close)
    this.#closeSoon(close)
  }

  /** A call succeeded: the connection is up, and its socket may be a new one. */
  isUp(): void {
    this.connection.look()
    if (this.#unclosed.length === 0) return
    for (const close of this.#unclosed.splice(0)) this.#closeSoon(close)
  }

  #closeSoon(close: () => Promise<void>): void {
    this.shared.fork(
      Effect.tryPromise(close).pipe(
        Effect.timeoutOption(Defaults.serviceBusCloseWait),
        Effect.ignore
      )
    )
  }
}
