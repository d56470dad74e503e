/**
 * A queue of one Schema's values: encoded when sent, decoded when received. What cannot be decoded is
 * dead-lettered with the parse error, since no further delivery mends it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Schema from "effect/Schema"
import * as HandlerFailure from "./HandlerFailure.ts"
import * as Message from "./Message.ts"
import type * as MessageHandler from "./MessageHandler.ts"
import * as CoreOptions from "./Options.ts"
import type * as Outcome from "./Outcome.ts"
import * as QueueClient from "./QueueClient.ts"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import type * as QueueProvider from "./QueueProvider.ts"
import * as ReceivedMessage from "./ReceivedMessage.ts"

/**
 * A decoded value with the delivery it came in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Received<A> {
  readonly value: A
  readonly message: ReceivedMessage.ReceivedMessage
}

/**
 * Where values come from, and what settles one that cannot be decoded.
 *
 * @category models
 * @since 0.1.0
 */
export interface Source extends QueueClient.Settlement, Pick<QueueClient.Session, "receive"> {}

/**
 * A queue of values of type `A`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TypedQueue<A, RD = never, RE = never> {
  readonly queue: QueueName.QueueName
  /** Encodes and sends one value. */
  readonly send: (
    value: A,
    options?: Message.Options
  ) => Effect.Effect<QueueProvider.Sent, QueueError.QueueError, QueueClient.QueueClient | RE>
  /** Encodes all, then sends them in order; nothing is sent when one cannot be encoded. */
  readonly sendBatch: (
    values: ReadonlyArray<A>
  ) => Effect.Effect<
    ReadonlyArray<QueueProvider.Sent>,
    QueueError.QueueError,
    QueueClient.QueueClient | RE
  >
  /** Values that are there, or the first to come within the wait. */
  readonly receive: (
    options?: QueueClient.ReceiveOptions
  ) => Effect.Effect<
    ReadonlyArray<Received<A>>,
    QueueError.QueueError,
    QueueClient.QueueClient | RD
  >
  /** The same from something else that settles what it hands out: an accepted session. */
  readonly receiveFrom: (
    source: Source,
    options?: QueueClient.ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<Received<A>>, QueueError.QueueError, RD>
  /** A handler of values as one of messages, for any worker. */
  readonly handler: <E, R>(
    handle: (value: A, message: ReceivedMessage.ReceivedMessage) => Effect.Effect<unknown, E, R>
  ) => MessageHandler.MessageHandler<E | QueueError.QueueError, R | RD>
}

/**
 * What a typed queue is made of.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options<A, I, RD, RE> {
  readonly queue: QueueName.QueueName
  readonly schema: Schema.Codec<A, I, RD, RE>
  /** Session, ids and attributes of a value's message; what `send` is given wins. */
  readonly messageOptions?: (value: A) => Message.Options
}

/**
 * Makes a typed queue. The schema is compiled once.
 *
 * **Example** (Orders, one session a customer)
 *
 * ```ts
 * import { QueueClient, QueueName, SessionId, TypedQueue } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { Effect, Layer, Schema } from "effect"
 *
 * const orders = TypedQueue.make({
 *   queue: QueueName.makeUnsafe("orders"),
 *   schema: Schema.Struct({ customer: Schema.String, total: Schema.Number })
 * })
 * const live = QueueClient.layer().pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
 * )
 * const program = Effect.gen(function* () {
 *   yield* orders.send({ customer: "c-1", total: 12 })
 *   const [order] = yield* orders.receive()
 *   return order?.value.total
 * })
 * await Effect.runPromise(program.pipe(Effect.provide(live))) // => 12
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = <A, I, RD, RE>({
  messageOptions,
  queue,
  schema
}: Options<A, I, RD, RE>): TypedQueue<A, RD, RE> => {
  const encode = Message.schema(schema)
  const decode = ReceivedMessage.decode(schema)
  const toMessage = (value: A, options: Message.Options = {}) =>
    Effect.suspend(() =>
      encode(value, { ...messageOptions?.(value), ...CoreOptions.defined(options) })
    )

  const decodeOrPutAside = Effect.fnUntraced(function* (
    settlement: QueueClient.Settlement,
    message: ReceivedMessage.ReceivedMessage
  ) {
    const decoded: Outcome.Outcome<A> = yield* Effect.result(decode(message))
    if (Result.isSuccess(decoded)) return [{ value: decoded.success, message }]
    // One that cannot be put aside must not take the good ones of its batch with it.
    yield* settlement.deadLetter(message, HandlerFailure.describe(decoded.failure)).pipe(
      Effect.catch((error) =>
        Effect.logError(`dead-lettering failed, the message stays: ${error.message}`)
      ),
      Effect.annotateLogs({ queue, messageId: message.messageId })
    )
    return []
  })

  const receiveFrom = (source: Source, options?: QueueClient.ReceiveOptions) =>
    source.receive(options).pipe(
      Effect.flatMap((messages) =>
        Effect.forEach(messages, (message) => decodeOrPutAside(source, message))
      ),
      Effect.map((decoded) => decoded.flat())
    )

  return {
    queue,
    send: (value, options) =>
      Effect.flatMap(toMessage(value, options), (message) =>
        QueueClient.QueueClient.use((client) => client.send(queue, message))
      ),
    sendBatch: (values) =>
      Effect.flatMap(
        Effect.forEach(values, (value) => toMessage(value)),
        (messages) => QueueClient.QueueClient.use((client) => client.sendBatch(queue, messages))
      ),
    receive: (options) =>
      QueueClient.QueueClient.use((client) =>
        receiveFrom({ ...client, receive: (given) => client.receive(queue, given) }, options)
      ),
    receiveFrom,
    handler: (handle) => (message) =>
      Effect.flatMap(decode(message), (value) => handle(value, message))
  }
}
