/**
 * Queues in memory: the reference provider, for tests, development and single processes.
 *
 * **Details**
 *
 * Everything a queue can do is there and native: sessions with state, scheduling, time to live,
 * deduplication, dead letters, peek, delayed redelivery. Delivery is at least once: a delivery is settled
 * or its lock runs out, and then the message comes again. Nothing outlives the process.
 *
 * What operations cost: send, settle, accept and renew are O(log n) or better in the messages and
 * sessions held, a receive O(log n) a message, a peek O(log n + max), amortised all. `MemoryClient` counts
 * the steps.
 *
 * **Gotchas**
 *
 * A scheduled message gets a new sequence number when it is due, as on Service Bus: the number of its
 * send is the one it has until then.
 *
 * In one session an abandon takes back what was in hand behind the message, in the same call too:
 * abandoning A1, A2 and A3 with one call answers ReceiptExpired for A2 and A3, and all three come again.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options, QueueError, QueueProvider } from "@queue-runtime/core"
import type { Broker } from "./internal/broker.ts"
import { Connection } from "./internal/connection.ts"
import { connectionClosed } from "./internal/errors.ts"
import * as service from "./internal/service.ts"
import * as waiting from "./internal/waiting.ts"
import * as MemoryClient from "./MemoryClient.ts"
import type * as MemoryConfig from "./MemoryConfig.ts"

const connect = (broker: Broker): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const connection = new Connection()
      broker.connections.add(connection)
      return connection
    }),
    (connection) =>
      Effect.sync(() => waiting.close(broker, connection, connectionClosed("receive")))
  )

/**
 * A provider on the broker of this client: one connection, whose sessions and waits end with its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  QueueProvider.Service,
  never,
  MemoryClient.MemoryClient | Scope.Scope
> = Effect.gen(function* () {
  const client = yield* MemoryClient.MemoryClient
  // A client that is closed already is a mistake of who provides it, not a state to recover from.
  const broker = yield* Effect.orDie(client.use((self) => self))
  return service.make(broker, yield* connect(broker))
})

/**
 * A provider on a broker that others may share. Each building of the layer is a connection of its own:
 * `Layer.fresh` makes a second one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithClient: Layer.Layer<
  QueueProvider.QueueProvider,
  never,
  MemoryClient.MemoryClient
> = Layer.effect(QueueProvider.QueueProvider, make)

/**
 * A provider with a broker of its own.
 *
 * **Errors** ConfigurationInvalid, before anything starts
 *
 * **Example** (Send, receive, complete)
 *
 * ```ts
 * import { Message, MessageId, QueueAddress, QueueName, QueueProvider, Verdict } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Duration, Effect } from "effect"
 *
 * const orders = QueueName.makeUnsafe("orders")
 * const program = Effect.gen(function* () {
 *   const provider = yield* QueueProvider.QueueProvider
 *   const message = yield* Message.text("hello")
 *   yield* provider.send(orders, [Message.stamp(message, MessageId.makeUnsafe("m-1"))])
 *   const [received] = yield* provider.receive(QueueAddress.queue(orders), {
 *     max: 1,
 *     wait: Duration.zero
 *   })
 *   yield* provider.settle(received === undefined ? [] : [received.receipt], Verdict.complete)
 *   return received?.deliveryCount
 * })
 *
 * const layer = MemoryProvider.layer({ queues: { orders: {} } })
 * Effect.runSync(Effect.provide(program, layer)) // => 1
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: MemoryConfig.Options
): Layer.Layer<QueueProvider.QueueProvider | MemoryClient.MemoryClient, QueueError.QueueError> =>
  // Not layerWithClient: one value is built once, and a second provider would get the client of the first.
  Layer.provideMerge(Layer.effect(QueueProvider.QueueProvider, make), MemoryClient.layer(options))

/**
 * {@link layer} with its options from configuration: each is a `Config`, or stands here as it is.
 *
 * **Errors** ConfigurationInvalid, for what cannot be read too
 *
 * **Example** (The bound from configuration, the queues in code)
 *
 * ```ts
 * import { QueueProvider } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Config, ConfigProvider, Effect, Layer } from "effect"
 *
 * const layer = MemoryProvider.layerConfig({
 *   messagesMax: Config.Int("MESSAGES_MAX"),
 *   queues: { orders: { lockDuration: "1 minute" } }
 * })
 * const environment = ConfigProvider.layer(ConfigProvider.fromUnknown({ MESSAGES_MAX: "1000" }))
 * const name = QueueProvider.QueueProvider.useSync((provider) => provider.name)
 * Effect.runSync(Effect.provide(name, Layer.provide(layer, environment))) // => "memory"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Options.Configured<MemoryConfig.Options>
): Layer.Layer<QueueProvider.QueueProvider | MemoryClient.MemoryClient, QueueError.QueueError> =>
  Layer.unwrap(
    Options.read<MemoryConfig.Options>(options).pipe(
      Effect.mapError((error) => QueueError.configurationInvalid("options", error.message)),
      Effect.map(layer)
    )
  )
