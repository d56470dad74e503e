import type { ServiceBusReceiver } from "@azure/service-bus"
import type * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as Semaphore from "effect/Semaphore"
import { Defaults, QueueAddress } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"
import { closing, type Line } from "./calls.ts"
import type { Connection } from "./connection.ts"
import type { Deliveries } from "./deliveries.ts"
import { endPending } from "./inside.ts"
import type { SdkClient } from "./sdkClient.ts"

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
  #peekersOf: SdkClient | undefined

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

  get sdk(): SdkClient {
    return this.connection.sdk
  }

  /** A receiver that has no link: what goes by the service's management alone. */
  peeker(path: string, address: QueueAddress.QueueAddress): ServiceBusReceiver {
    const { sdk } = this
    if (sdk !== this.#peekersOf) {
      this.#peekersOf = sdk
      this.#peekers.clear()
    }
    const key = QueueAddress.format(address)
    const known = this.#peekers.get(key)
    if (known !== undefined) return known
    const made = sdk.client.createReceiver(path, {
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

  /** Closes a receiver or sender without waiting for it, unless it is gone with its client. */
  discard(thing: { readonly close: () => Promise<void> }, sdk: SdkClient): void {
    if (sdk.isLost) return
    this.shared.fork(
      Effect.tap(
        closing(sdk, () => thing.close()),
        () => Effect.sync(() => endPending(thing))
      )
    )
  }
}
