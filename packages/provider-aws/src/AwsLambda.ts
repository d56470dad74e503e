/**
 * The same handler in AWS Lambda: an SQS event source pushes the messages, and the function answers which
 * of them failed.
 *
 * **Details**
 *
 * What the function needs is built by the first event and serves all that come to the same container.
 * {@link layer} goes right above the provider; sealing, telemetry, the client stay as in a worker.
 *
 * | what a worker does | here |
 * |---|---|
 * | completes | is left out of the answer: Lambda removes it |
 * | abandons, with backoff | is named in the answer: it comes again when its visibility time-out ends, or after the backoff with `changesVisibility` |
 * | dead-letters | sends a copy to the dead-letter queue, and reports it as done with once SQS has that |
 * | handles a session in order | the messages of a group in order, groups side by side; at the first failure the rest of the group is named too, without being run |
 * | drains | interrupts what has not ended `margin` before the function's time is over, and names it |
 *
 * `docs/run-on-lambda.md` has the settings of the event source, and the rights that the role needs.
 *
 * **Gotchas**
 *
 * The event source must have `ReportBatchItemFailures` among its function response types: without it
 * Lambda removes every message of a batch, whatever the answer names. A FIFO queue's `maxReceiveCount`
 * must be high (`docs/run-on-lambda.md`): every message behind a failing one is received along with it.
 *
 * @since 0.1.0
 */
import process from "node:process"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { PushedBatch, type QueueClient, type QueueError, QueueProvider } from "@queue-runtime/core"
import * as AwsClient from "./AwsClient.ts"
import type { EventRecord } from "./internal/pushed/event.ts"
import * as host from "./internal/pushed/host.ts"
import * as sqs from "./internal/sqs.ts"

const name = "aws-lambda"

/**
 * What Lambda pushes, as far as it is read: an `SQSEvent` of `@types/aws-lambda`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Event {
  readonly Records: ReadonlyArray<EventRecord>
}

/**
 * What is needed of Lambda's context.
 *
 * @category models
 * @since 0.1.0
 */
export interface InvocationContext {
  readonly getRemainingTimeInMillis: () => number
}

/**
 * The messages that are to come again: an `SQSBatchResponse`.
 *
 * @category models
 * @since 0.1.0
 */
export interface BatchResponse {
  readonly batchItemFailures: Array<{ readonly itemIdentifier: string }>
}

/**
 * How what Lambda pushed is settled.
 *
 * @category options
 * @since 0.1.0
 */
export interface LayerOptions {
  /**
   * Whether an abandoned message, and what is behind it in its group, comes again after the handler's
   * backoff and what was not run at once. Needs the right `sqs:ChangeMessageVisibility`, which Lambda's
   * managed policy has not. Default: false; they come again when their visibility time-out ends.
   */
  readonly changesVisibility?: boolean
}

/**
 * Hands out what Lambda pushes; goes right above the provider. Whoever receives otherwise (dead letters,
 * another queue, in a handler) gets it from SQS.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: LayerOptions = {}
): Layer.Layer<
  QueueProvider.QueueProvider,
  never,
  QueueProvider.QueueProvider | AwsClient.AwsClient
> =>
  PushedBatch.layer(
    name,
    Effect.gen(function* () {
      const self = yield* QueueProvider.QueueProvider
      const client = yield* AwsClient.AwsClient
      const { changesVisibility = false } = options
      return host.make({ self, config: client.config, sqs: sqs.make(client), changesVisibility })
    })
  )

/**
 * A queue, its handler, and what both need.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<E = never, R = never, LE = never> extends PushedBatch.Options<E, R> {
  /** A client over {@link layer} over the provider, and what the handler needs. */
  readonly layer: Layer.Layer<QueueClient.QueueClient | R, LE>
}

/**
 * A function of Lambda.
 *
 * @category models
 * @since 0.1.0
 */
export interface Handler {
  (event: Event, context: InvocationContext): Promise<BatchResponse>
  /**
   * Ends what is at work, lets it answer, and closes what the events built, as SIGTERM does; a later event
   * builds it anew.
   */
  readonly close: () => Promise<void>
}

/** A message that came twice in a batch failed if either did: Lambda knows it by its id alone. */
const responseOf = (event: Event, settled: ReadonlyArray<boolean>): BatchResponse => {
  const failed = new Set(
    event.Records.filter((_, index) => settled[index] !== true).map(({ messageId }) => messageId)
  )
  return { batchItemFailures: [...failed].map((itemIdentifier) => ({ itemIdentifier })) }
}

/**
 * What a function does with one event, for who runs it in a runtime of their own.
 *
 * **Errors** of making it: ValidationFailed for an option out of its range · ConfigurationInvalid
 * without {@link layer} in the stack · of an event: see {@link handler}
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <E, R>(options: PushedBatch.Options<E, R>) =>
  Effect.map(
    PushedBatch.make(name, options),
    (work) =>
      (
        event: Event,
        remaining: Duration.Duration
      ): Effect.Effect<BatchResponse, QueueError.QueueError, R> =>
        Effect.map(work(event, remaining), (settled) => responseOf(event, settled))
  )

/** Ends the process as the signal would have, unless somebody else listens to it too. */
const passOn = (): void => {
  if (process.listenerCount("SIGTERM") === 0) process.kill(process.pid, "SIGTERM")
}

/**
 * A handler of messages as a function of Lambda.
 *
 * **Details** Lambda sends SIGTERM before it ends a container, to functions that have an extension
 * registered: what was built is closed then. Other containers it ends without a word.
 *
 * **Errors** rejects, and the whole batch comes again, where the layer cannot be built, the event is
 * none of the queue, no more time is left than `margin`, or the stack refuses the batch before anything
 * of it was settled
 *
 * **Example** (A function that handles orders)
 *
 * ```ts
 * import { Message, QueueClient, QueueName, ReceivedMessage } from "@queue-runtime/core"
 * import { AwsProvider } from "@queue-runtime/provider-aws"
 * import { AwsLambda } from "@queue-runtime/provider-aws/lambda"
 * import { Effect, Layer } from "effect"
 *
 * const options = { region: "eu-central-1", others: { fifo: true } }
 * const layer = QueueClient.layer().pipe(
 *   Layer.provide(AwsLambda.layer()),
 *   Layer.provide(AwsProvider.layer(options))
 * )
 * export const handler = AwsLambda.handler({
 *   queue: QueueName.makeUnsafe("orders"),
 *   handler: (message) => Effect.flatMap(ReceivedMessage.json(message), Effect.logInfo),
 *   layer
 * })
 * await handler({ Records: [] }, { getRemainingTimeInMillis: () => 30_000 })
 * // => { batchItemFailures: [] }
 * await handler.close()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const handler = <E, R, LE>(options: Options<E, R, LE>): Handler => {
  const hosted = PushedBatch.host(options.layer, PushedBatch.make(name, options), options.margin)
  // A signal that comes meanwhile waits for it too.
  const close = (): Promise<void> =>
    hosted.close().finally(() => process.removeListener("SIGTERM", end))
  const end = (): void => {
    void close().then(passOn, passOn)
  }
  const handle = (event: Event, context: InvocationContext): Promise<BatchResponse> => {
    if (!process.listeners("SIGTERM").includes(end)) process.once("SIGTERM", end)
    const remaining = Duration.millis(context.getRemainingTimeInMillis())
    return hosted.handle(event, remaining).then((settled) => responseOf(event, settled))
  }
  return Object.assign(handle, { close })
}
