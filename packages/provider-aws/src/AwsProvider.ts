/**
 * Queues on AWS SQS, standard and FIFO.
 *
 * **Details**
 *
 * Delivery is at least once. A FIFO queue is an ordered one: its message groups are the sessions. SQS
 * cannot be asked for one group and locks none, so a router in this process receives, deals out by group
 * in order and keeps, renews or gives back whole groups; `docs/sessions-on-sqs.md` says what is exclusive
 * and what is not, and what it costs.
 *
 * A message in hand is locked for `lockDuration`, a little less than its visibility time-out: what SQS may
 * hand to somebody else a moment later settles nothing any more. Dead-lettering is a copy into the
 * dead-letter queue and then a removal: a crash between the two duplicates and never loses. A message
 * delivered `deliveriesMax` times goes there by itself. An expired message is dropped when it is received, or dead-lettered, as its
 * queue is set.
 *
 * **Gotchas**
 *
 * Whether a queue has a redrive policy is asked for when the provider starts, for queues with an entry in
 * `queues`: of others no dead letters are known. What could not be asked then, since the service was not
 * there, is asked for again until it is known. Interrupting a receive ends the caller's wait; the poll
 * ends later, and what it brings is for the next one who waits, or released, which SQS counts as a
 * receive. `deliveryCount` does not count it as long as this process remembers; another process's counts
 * in part, and never so that a message is put aside unseen by them alone (`docs/sessions-on-sqs.md`).
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Scope from "effect/Scope"
import { Defaults, MessageId, Options, QueueError, QueueProvider } from "@queue-runtime/core"
import * as AwsClient from "./AwsClient.ts"
import type * as AwsConfig from "./AwsConfig.ts"
import { load } from "./internal/loading.ts"
import { Receipts } from "./internal/router/receipts.ts"
import type { Shared } from "./internal/router/line.ts"
import { Lines } from "./internal/router/lines.ts"
import type { OutOfOrder } from "./internal/router/sending.ts"
import * as service from "./internal/router/service.ts"
import * as starting from "./internal/router/starting.ts"
import * as underWay from "./internal/underWay.ts"

/**
 * What `send` answers of a message that was sent behind one of its session that was not: with
 * `sendOrder: "batch"` alone. The order of its session is broken and cannot be mended.
 *
 * @category models
 * @since 0.1.0
 */
export type { OutOfOrder }

/**
 * Whether a message was sent out of order.
 *
 * **Example** (Sent behind a failure)
 *
 * ```ts
 * import { MessageId } from "@queue-runtime/core"
 * import { AwsProvider } from "@queue-runtime/provider-aws"
 *
 * const sent = { messageId: MessageId.makeUnsafe("m-2"), isOrderBroken: true }
 * AwsProvider.isOutOfOrder(sent) // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isOutOfOrder = (sent: QueueProvider.Sent): sent is OutOfOrder =>
  Predicate.hasProperty(sent, "isOrderBroken") && sent.isOrderBroken === true

const bounded = (effect: Effect.Effect<void>): Effect.Effect<unknown> =>
  Effect.timeoutOption(Effect.interruptible(effect), Defaults.sqsCloseWait)

/**
 * A provider over this client: receives, sessions and waits of its own, which end with its scope. Closing
 * it gives back every session, lets its polls under way land for `Defaults.sqsCloseWait` at most, gives
 * back what they bring, and cuts the rest short.
 *
 * **Errors** with `strict` set: ConfigurationInvalid for a redrive policy that may overtake
 * `deliveriesMax`, and whatever asking for it fails with
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<
  QueueProvider.Service,
  QueueError.QueueError,
  AwsClient.AwsClient | Scope.Scope
> = Effect.gen(function* () {
  const client = yield* AwsClient.AwsClient
  const { sqs } = yield* load
  const plane = sqs.make(client)
  const { known, left } = yield* starting.look(client.config, plane)
  const prefix = yield* MessageId.generate
  const scope = yield* Scope.make()
  const shared: Shared = {
    sqs: plane,
    receipts: new Receipts(prefix),
    scope,
    waits: yield* underWay.make,
    isClosed: false
  }
  const lines = new Lines(client.config, known, shared)
  yield* Effect.addFinalizer(() =>
    Effect.suspend(() => {
      shared.isClosed = true
      lines.close()
      const cutShort = Effect.andThen(
        Scope.close(scope, Exit.void),
        Effect.sync(() => lines.end())
      )
      // A broker that does not answer must not keep a program from ending: its locks run out.
      return bounded(lines.land).pipe(
        Effect.andThen(cutShort),
        Effect.andThen(bounded(lines.releaseLeft))
      )
    })
  )
  for (const name of left) {
    const learning = Effect.map(starting.lookAgain(client.config, name, plane), (found) => {
      if (found !== undefined) lines.learn(name, found)
    })
    yield* Effect.forkIn(learning, scope)
  }
  return service.make(lines)
})

/**
 * A provider over a client that others may share. Each building of the layer is a provider of its own:
 * `Layer.fresh` makes a second one.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWithClient: Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  AwsClient.AwsClient
> = Layer.effect(QueueProvider.QueueProvider, make)

/**
 * A provider with a client of its own.
 *
 * **Errors** ConfigurationInvalid, before any connection
 *
 * **Example** (A FIFO queue and its dead letters)
 *
 * ```ts
 * import { AwsProvider } from "@queue-runtime/provider-aws"
 * import { Layer } from "effect"
 *
 * const layer = AwsProvider.layer({
 *   region: "eu-central-1",
 *   queues: {
 *     events: {
 *       name: "acme-prod-events.fifo",
 *       deadLetter: { name: "acme-prod-events-dlq.fifo" }
 *     }
 *   }
 * })
 * Layer.isLayer(layer) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: AwsConfig.Options,
  transport?: { readonly requestHandler?: AwsClient.RequestHandler }
): Layer.Layer<QueueProvider.QueueProvider | AwsClient.AwsClient, QueueError.QueueError> =>
  // Not layerWithClient: one value is built once, and a second provider would get the client of the first.
  Layer.provideMerge(
    Layer.effect(QueueProvider.QueueProvider, make),
    AwsClient.layer(options, transport)
  )

/**
 * {@link layer} with its options from configuration: each is a `Config`, or stands here as it is.
 *
 * **Errors** ConfigurationInvalid, for what cannot be read too
 *
 * **Example** (The region from configuration, the queues in code)
 *
 * ```ts
 * import { AwsProvider } from "@queue-runtime/provider-aws"
 * import { Config, Layer } from "effect"
 *
 * const layer = AwsProvider.layerConfig({
 *   region: Config.String("REGION"),
 *   queues: { events: { fifo: true, visibilityTimeout: "1 minute" } }
 * })
 * Layer.isLayer(layer) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: AwsConfig.ConfigOptions
): Layer.Layer<QueueProvider.QueueProvider | AwsClient.AwsClient, QueueError.QueueError> =>
  Layer.unwrap(
    Options.read<AwsConfig.Options>(options).pipe(
      Effect.mapError((error) => QueueError.configurationInvalid("options", error.message)),
      Effect.map((read) => layer(read))
    )
  )
