/**
 * Queues in a SQLite file, for one machine: what a provider by an outsider looks like.
 *
 * **Details**
 *
 * Every capability is there and native. Delivery is at least once: a delivery is settled or its lock runs
 * out, and then the message comes again. What a call acknowledged is on the disk, whatever becomes of the
 * process; what was received and not settled comes again when its lock runs out.
 *
 * Several processes may work on one file: on one machine, since the file's locks and the clock are the
 * machine's. Who waits is woken at once by calls of the same client and within `pollInterval` by others.
 *
 * An expired message is dropped, whoever looks next. A scheduled one gets a new sequence number when it
 * is due, behind what came before.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options, QueueError, QueueProvider } from "@queue-runtime/core"
import { Link } from "./internal/connection.ts"
import * as service from "./internal/service.ts"
import * as SqliteClient from "./SqliteClient.ts"
import type * as SqliteConfig from "./SqliteConfig.ts"

/**
 * A provider on this client, whose sessions and waits end with its scope.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  QueueProvider.Service,
  never,
  SqliteClient.SqliteClient | Scope.Scope
> = Effect.gen(function* () {
  const { connection } = yield* SqliteClient.SqliteClient
  const link = yield* Effect.acquireRelease(
    Effect.sync(() => new Link()),
    (one) => Effect.sync(() => connection.close(one))
  )
  return service.make(connection, link)
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
  SqliteClient.SqliteClient
> = Layer.effect(QueueProvider.QueueProvider, make)

/**
 * A provider with a client of its own.
 *
 * **Errors** ConfigurationInvalid for a bad option and for a file of something else; what opening the
 * file comes to
 *
 * **Example** (A queue in memory, as long as the layer)
 *
 * ```ts
 * import { Message, MessageId, QueueAddress, QueueName, QueueProvider } from "@queue-runtime/core"
 * import { SqliteClient, SqliteProvider } from "@queue-runtime/example-provider"
 * import { Duration, Effect } from "effect"
 *
 * const orders = QueueName.makeUnsafe("orders")
 * const program = Effect.gen(function* () {
 *   yield* SqliteClient.SqliteClient.use((client) => client.createQueue(orders))
 *   const provider = yield* QueueProvider.QueueProvider
 *   const message = yield* Message.text("hello")
 *   yield* provider.send(orders, [Message.stamp(message, MessageId.makeUnsafe("m-1"))])
 *   const wait = Duration.seconds(1)
 *   const received = yield* provider.receive(QueueAddress.queue(orders), { max: 10, wait })
 *   return received.map(({ messageId }) => messageId)
 * })
 *
 * const layer = SqliteProvider.layer({ path: ":memory:" })
 * await Effect.runPromise(Effect.provide(program, layer)) // => ["m-1"]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SqliteConfig.Options
): Layer.Layer<QueueProvider.QueueProvider | SqliteClient.SqliteClient, QueueError.QueueError> =>
  // Not layerWithClient: one value is built once, and a second provider would get the client of the first.
  Layer.provideMerge(Layer.effect(QueueProvider.QueueProvider, make), SqliteClient.layer(options))

/**
 * {@link layer} with its options from configuration: each is a `Config`, or stands here as it is.
 *
 * **Errors** ConfigurationInvalid, for what cannot be read too
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Options.Configured<SqliteConfig.Options>
): Layer.Layer<QueueProvider.QueueProvider | SqliteClient.SqliteClient, QueueError.QueueError> =>
  Layer.unwrap(
    Options.read<SqliteConfig.Options>(options).pipe(
      Effect.mapError((error) => QueueError.configurationInvalid("options", error.message)),
      Effect.map(layer)
    )
  )
