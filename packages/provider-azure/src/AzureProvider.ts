/**
 * Queues on Azure Service Bus, with and without sessions, over AMQP.
 *
 * **Details**
 *
 * Delivery is at least once: a delivery is settled or its lock runs out, and then the message comes
 * again, with a count one higher; after as many deliveries as the queue allows the service moves it to
 * the dead letters. Sessions, scheduling, time to live, dead letters, peek and duplicate detection are
 * the service's own.
 *
 * The delay of an abandon is not: the message is kept locked, and its lock renewed, until the delay is
 * over. A crash shortens the delay to what is left of the lock.
 *
 * **Gotchas**
 *
 * What a queue is (sessions, deliveries, lock duration) is set in Azure; the options only say it again,
 * and what they say wrongly shows as failing calls.
 *
 * In one session an abandon takes back what was in hand behind the message, in the same call too.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as FiberSet from "effect/FiberSet"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options, QueueError, QueueProvider } from "@queue-runtime/core"
import * as AzureClient from "./AzureClient.ts"
import type * as AzureConfig from "./AzureConfig.ts"
import { Deliveries } from "./internal/deliveries.ts"
import * as service from "./internal/service.ts"

/**
 * A provider on the connections of this client. What it holds is given back with its scope; the client
 * stays open.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  QueueProvider.Service,
  never,
  AzureClient.AzureClient | Scope.Scope
> = Effect.gen(function* () {
  const client = yield* AzureClient.AzureClient
  const clock = yield* Clock.Clock
  const fibers = yield* FiberSet.make()
  const run = yield* FiberSet.runtime(fibers)()
  const made = service.make(client, {
    config: client.config,
    clock,
    deliveries: new Deliveries(),
    fork: run,
    isClosed: false
  })
  yield* Effect.addFinalizer(() => made.release)
  return made.service
})

/**
 * A provider on a client that others may share.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithClient: Layer.Layer<
  QueueProvider.QueueProvider,
  never,
  AzureClient.AzureClient
> = Layer.effect(QueueProvider.QueueProvider, make)

/**
 * A provider with connections of its own.
 *
 * **Errors** ConfigurationInvalid, before anything starts
 *
 * **Example** (A namespace and its queues)
 *
 * ```ts
 * import { QueueName, QueueProvider } from "@queue-runtime/core"
 * import { AzureProvider } from "@queue-runtime/provider-azure"
 * import { Effect } from "effect"
 *
 * const layer = AzureProvider.layer({
 *   namespace: "acme.servicebus.windows.net",
 *   queues: { orders: { path: "acme/orders.v2", sessions: true, lockDuration: "30 seconds" } }
 * })
 * const isOrdered = QueueProvider.QueueProvider.useSync(
 *   (provider) => provider.capabilities(QueueName.makeUnsafe("orders")).ordered
 * )
 * await Effect.runPromise(Effect.provide(isOrdered, layer)) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: AzureConfig.Options
): Layer.Layer<QueueProvider.QueueProvider | AzureClient.AzureClient, QueueError.QueueError> =>
  // Not layerWithClient: one value is built once, and a second provider would get the client of the first.
  Layer.provideMerge(Layer.effect(QueueProvider.QueueProvider, make), AzureClient.layer(options))

/**
 * {@link layer} with its options from configuration: each is a `Config`, or stands here as it is.
 *
 * **Errors** ConfigurationInvalid, for what cannot be read too
 *
 * **Example** (The secret from configuration, the queues in code)
 *
 * ```ts
 * import { AzureProvider } from "@queue-runtime/provider-azure"
 * import { Config, Layer } from "effect"
 *
 * const layer = AzureProvider.layerConfig({
 *   connectionString: Config.Redacted("AZURE_SERVICE_BUS_CONNECTION_STRING"),
 *   queues: { events: { sessions: true, lockDuration: "1 minute" } }
 * })
 * Layer.isLayer(layer) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: AzureConfig.ConfigOptions
): Layer.Layer<QueueProvider.QueueProvider | AzureClient.AzureClient, QueueError.QueueError> =>
  Layer.unwrap(
    Options.read<AzureConfig.Options>(options).pipe(
      Effect.mapError((error) => QueueError.configurationInvalid("options", error.message)),
      Effect.map(layer)
    )
  )
