/**
 * What comes up: a message with the facts of this delivery.
 *
 * @since 0.1.0
 */
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as utf8 from "./internal/utf8.ts"
import { schemaProblem } from "./internal/schemaProblem.ts"
import * as Message from "./Message.ts"
import * as Options from "./Options.ts"
import * as QueueError from "./QueueError.ts"
import * as QueueName from "./QueueName.ts"
import type * as Receipt from "./Receipt.ts"
import type * as TraceContext from "./TraceContext.ts"

const Tags = Schema.Record(Schema.String, Schema.String)

/**
 * What is known of a failure beside its reason: by the worker, and by what the application adds.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetterDetails = Schema.Struct({
  /** The class or the tag of the error. */
  errorType: Schema.optionalKey(Schema.String),
  /** How often it was handled, the last time included. */
  attempts: Schema.optionalKey(Schema.Int),
  /** When it failed first; where that is not known, when it was first delivered. */
  firstFailedAt: Schema.optionalKey(Schema.DateTimeUtc),
  lastFailedAt: Schema.optionalKey(Schema.DateTimeUtc),
  /** Which service put it aside, of which version, where. */
  service: Schema.optionalKey(Schema.String),
  version: Schema.optionalKey(Schema.String),
  environment: Schema.optionalKey(Schema.String),
  tags: Schema.optionalKey(Tags),
  /** Only if asked for: it may tell more than an operator is to see. */
  stack: Schema.optionalKey(Schema.String)
})

/**
 * The type of {@link DeadLetterDetails}.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetterDetails = typeof DeadLetterDetails.Type

/**
 * Why, where from and when a message was put aside.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetterInfo = Schema.Struct({
  reason: Schema.String,
  description: Schema.optionalKey(Schema.String),
  /** The queue it was dead-lettered from. */
  source: QueueName.QueueName,
  time: Schema.DateTimeUtc,
  /** How often it was delivered before. */
  deliveryCount: Schema.Int,
  details: Schema.optionalKey(DeadLetterDetails),
  /** Names the delivery that was put aside; the same on a second copy that a crash left. */
  delivery: Schema.optionalKey(Schema.String),
  /** The broker's number in the queue it was put aside from, where the dead letters have others. */
  sequenceNumber: Schema.optionalKey(Schema.BigInt)
})

/**
 * The type of {@link DeadLetterInfo}.
 *
 * @category models
 * @since 0.1.0
 */
export type DeadLetterInfo = typeof DeadLetterInfo.Type

/**
 * A message as a peek shows it: not received, not locked, nothing to settle.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeekedMessage extends Message.Stamped {
  /** Deliveries so far. */
  readonly deliveryCount: number
  /** When the broker took it. */
  readonly enqueuedAt: DateTime.Utc
  /** The broker's number, growing inside a queue (inside a session on SQS); absent where it gives none. */
  readonly sequenceNumber?: bigint
  /** On a dead letter. */
  readonly deadLetter?: DeadLetterInfo
  /** On a message that was replayed: how it was put aside before, the oldest first. */
  readonly history?: ReadonlyArray<DeadLetterInfo>
  /** Of the replay that sent it. */
  readonly replayId?: string
  /** The span that sent it, where `Telemetry` put it there. */
  readonly traceContext?: TraceContext.TraceContext
}

/**
 * A message with the facts of one delivery.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceivedMessage extends PeekedMessage {
  /** Settles this delivery, once. */
  readonly receipt: Receipt.Receipt
  /** At least 1: this delivery is counted. */
  readonly deliveryCount: number
  /** When the first delivery was; this one's time on the first. */
  readonly firstDeliveredAt: DateTime.Utc
  readonly deliveredAt: DateTime.Utc
  /** Until when nobody else gets it, unless renewed. */
  readonly lockedUntil: DateTime.Utc
}

/**
 * The body as UTF-8 text.
 *
 * **Errors** SerializationFailed (never retry) when the bytes are not UTF-8.
 *
 * @category bodies
 * @since 0.1.0
 */
export const text = (
  message: Pick<Message.Message, "body">
): Effect.Effect<string, QueueError.QueueError> => {
  const decoded = utf8.toTextStrict(message.body)
  return decoded === undefined
    ? Effect.fail(decodeFailed("the bytes are not UTF-8"))
    : Effect.succeed(decoded)
}

/**
 * The body as JSON.
 *
 * **Errors** SerializationFailed (never retry) when it is none.
 *
 * @category bodies
 * @since 0.1.0
 */
export const json = (
  message: Pick<Message.Message, "body">
): Effect.Effect<unknown, QueueError.QueueError> =>
  Effect.flatMap(text(message), (body) =>
    Effect.try({
      try: (): unknown => JSON.parse(body),
      // The parser's own message quotes the body.
      catch: () => decodeFailed("the text is not JSON")
    })
  )

/**
 * The body as a value of a Schema.
 *
 * **Errors** SerializationFailed (never retry) when it is none, saying where; the value is not shown.
 *
 * **Example** (What Message.schema sent)
 *
 * ```ts
 * import { Message, ReceivedMessage } from "@queue-runtime/core"
 * import { Effect, Schema } from "effect"
 *
 * const Order = Schema.Struct({ id: Schema.String })
 * const sent = Effect.runSync(Message.schema(Order)({ id: "o-1" }))
 * Effect.runSync(ReceivedMessage.decode(Order)(sent)).id // => "o-1"
 * ```
 *
 * @category bodies
 * @since 0.1.0
 */
export const decode = <A, I, RD, RE>(of: Schema.Codec<A, I, RD, RE>) => {
  const decodeJson = Schema.decodeUnknownEffect(Schema.fromJsonString(Schema.toCodecJson(of)))
  return (message: Pick<Message.Message, "body">): Effect.Effect<A, QueueError.QueueError, RD> =>
    Effect.flatMap(text(message), (body) =>
      Effect.mapError(decodeJson(body), (error) => {
        const { path, problem } = schemaProblem(error.issue)
        return decodeFailed(path === "" ? problem : `${path}: ${problem}`)
      })
    )
}

const decodeFailed = (detail: string): QueueError.QueueError =>
  QueueError.make(new QueueError.SerializationFailed({ direction: "decode", detail }))

/**
 * The message as it can be sent again: same body, attributes and ids; the facts of the delivery and the
 * schedule it already met are left behind.
 *
 * **Gotchas** The message id stays, so a broker that deduplicates drops it inside its window. Of a dead
 * letter it does not: sent back under its old id soon after, it would be dropped as a duplicate of
 * itself and, once the dead letter is completed, lost. The client stamps a new one.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toMessage = (message: PeekedMessage): Message.Message => {
  const { attributes, body, contentType, correlationId, messageId, sessionId, timeToLive } = message
  const id = message.deadLetter === undefined ? messageId : undefined
  const known = Options.defined({
    messageId: id,
    sessionId,
    correlationId,
    contentType,
    timeToLive
  })
  return new Message.Message({ body, attributes, ...known })
}
