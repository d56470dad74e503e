/**
 * Where to receive from: a queue, or its dead-letter sub-queue. Receive, peek and settle serve both.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as QueueName from "./QueueName.ts"

/**
 * A queue, or its dead-letter sub-queue.
 *
 * @category models
 * @since 0.1.0
 */
export const QueueAddress = Schema.Union([
  Schema.TaggedStruct("Queue", { queue: QueueName.QueueName }),
  Schema.TaggedStruct("DeadLetter", { queue: QueueName.QueueName })
])

/**
 * The type of {@link QueueAddress}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueAddress = typeof QueueAddress.Type

/**
 * The queue itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const queue = (name: QueueName.QueueName): QueueAddress => ({ _tag: "Queue", queue: name })

/**
 * The dead letters of the queue.
 *
 * **Example** (Reading what was put aside)
 *
 * ```ts
 * import { QueueAddress, QueueName } from "@queue-runtime/core"
 *
 * QueueAddress.format(QueueAddress.deadLetter(QueueName.makeUnsafe("orders"))) // => "orders/dead-letter"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetter = (name: QueueName.QueueName): QueueAddress => ({
  _tag: "DeadLetter",
  queue: name
})

/**
 * A bare name means the queue itself.
 *
 * @category constructors
 * @since 0.1.0
 */
export const from = (source: QueueName.QueueName | QueueAddress): QueueAddress =>
  typeof source === "string" ? queue(source) : source

/**
 * For people: `orders`, `orders/dead-letter`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (address: QueueAddress): string =>
  address._tag === "Queue" ? address.queue : `${address.queue}/dead-letter`
