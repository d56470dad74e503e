/**
 * What is sent: a body of bytes, attributes, and what the broker needs to know.
 *
 * **Details**
 *
 * Body bytes arrive exactly as sent on every provider, attributes unchanged, however many there are.
 * Everything is validated when the message is made, never later.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SchemaIssue from "effect/SchemaIssue"
import * as Defaults from "./Defaults.ts"
import * as utf8 from "./internal/utf8.ts"
import { schemaProblem } from "./internal/schemaProblem.ts"
import * as MessageId from "./MessageId.ts"
import * as CoreOptions from "./Options.ts"
import * as QueueError from "./QueueError.ts"
import * as SessionId from "./SessionId.ts"

const WellFormed = Schema.String.check(
  Schema.makeFilter<string>((text) => text.isWellFormed() || "must be well-formed Unicode")
)

const NonEmpty = WellFormed.check(Schema.isMinLength(1))

/** Counted from now it must still be a date. */
const isWithinReach = (duration: Duration.Duration): boolean =>
  Duration.isLessThanOrEqualTo(duration, Defaults.messageDurationMax)

const reach = Duration.format(Defaults.messageDurationMax)

const Positive = Schema.Duration.check(
  Schema.makeFilter<Duration.Duration>(
    (duration) =>
      (isWithinReach(duration) && Duration.isGreaterThan(duration, Duration.zero)) ||
      `must be above zero and at most ${reach}`
  )
)

const NotNegative = Schema.Duration.check(
  Schema.makeFilter<Duration.Duration>(
    (duration) =>
      (isWithinReach(duration) && !Duration.isNegative(duration)) ||
      `must be zero or more and at most ${reach}`
  )
)

/**
 * Application data beside the body, string to string. Names are not empty; both sides are well-formed
 * Unicode.
 *
 * @category models
 * @since 0.1.0
 */
export const Attributes = Schema.Record(Schema.String, WellFormed).check(
  Schema.makeFilter((attributes) => {
    const bad = Object.keys(attributes).find((name) => name === "" || !name.isWellFormed())
    return bad === undefined || "names must be well-formed Unicode and not empty"
  })
)

/**
 * The type of {@link Attributes}.
 *
 * @category models
 * @since 0.1.0
 */
export type Attributes = typeof Attributes.Type

const fields = Schema.Struct({
  /** Any bytes, none included. */
  body: Schema.Uint8Array,
  attributes: Attributes.pipe(Schema.withConstructorDefault(Effect.succeed({}))),
  /** Messages that share one are delivered in the order they were sent. */
  sessionId: Schema.optionalKey(SessionId.SessionId),
  /** Ties a message to what caused it. */
  correlationId: Schema.optionalKey(NonEmpty),
  /** A media type: `application/json`. */
  contentType: Schema.optionalKey(NonEmpty),
  /** Not delivered when older than this. */
  timeToLive: Schema.optionalKey(Positive),
  /** Not delivered before. Not together with `delay`. */
  scheduledAt: Schema.optionalKey(Schema.DateTimeUtc),
  /** Not delivered before this long after the send. Not together with `scheduledAt`. */
  delay: Schema.optionalKey(NotNegative),
  /** Stamped by the client when absent. */
  messageId: Schema.optionalKey(MessageId.MessageId)
}).check(
  Schema.makeFilter((message) =>
    message.delay !== undefined && message.scheduledAt !== undefined
      ? { path: ["delay"], issue: "must not stand together with scheduledAt" }
      : true
  )
)

/**
 * A message to send.
 *
 * @category models
 * @since 0.1.0
 */
export class Message extends Schema.Class<Message>("@queue-runtime/core/Message")(fields) {}

/**
 * A message with its id: what the client hands to a provider.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stamped extends Message {
  readonly messageId: MessageId.MessageId
}

/**
 * The message under an id, and in a session if one is given.
 *
 * @category combinators
 * @since 0.1.0
 */
export const stamp = (
  message: Message,
  messageId: MessageId.MessageId,
  sessionId?: SessionId.SessionId
): Stamped => {
  const ids = sessionId === undefined ? { messageId } : { sessionId, messageId }
  // What was a message is one under valid ids, and its constructor looks at every field again.
  const isMessage: boolean = message instanceof Message
  return isMessage
    ? Object.assign(blank(), message, ids)
    : Object.assign(new Message({ ...message, ...ids }), ids)
}

/** A message with no field yet. An overload, since what is made so has no type. */
function blank(): Message
function blank(): unknown {
  return Object.create(Message.prototype)
}

/**
 * Everything of a message but its body. What is undefined is as if it were not given.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = Omit<ConstructorParameters<typeof Message>[0], "body">

const validated = <A, R>(
  effect: Effect.Effect<A, SchemaIssue.Issue, R>
): Effect.Effect<A, QueueError.QueueError, R> =>
  Effect.mapError(effect, (issue) => {
    const { path, problem } = schemaProblem(issue)
    return QueueError.validationFailed(path, problem)
  })

/**
 * What is given: callers whose compiler knows no exact optional properties hand in undefined ones. Mostly
 * there are none, and then nothing is copied.
 */
const known = (options: Options): Options => {
  let name: keyof Options
  for (name in options) if (options[name] === undefined) return CoreOptions.defined(options)
  return options
}

const ofBytes = (
  body: Uint8Array,
  options: Options
): Effect.Effect<Message, QueueError.QueueError> =>
  validated(Message.makeEffect({ ...options, body }))

/**
 * A message of bytes, exactly as they are.
 *
 * **Errors** ValidationFailed (never retry), naming the field.
 *
 * **Example** (Any bytes)
 *
 * ```ts
 * import { Message, SessionId } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const sessionId = SessionId.makeUnsafe("acme/shop/pull/42")
 * const message = Effect.runSync(Message.bytes(new Uint8Array([0, 255]), { sessionId }))
 * message.body.length // => 2
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const bytes = (
  body: Uint8Array,
  options: Options = {}
): Effect.Effect<Message, QueueError.QueueError> => ofBytes(body, known(options))

/**
 * A message of UTF-8 text, `text/plain` unless told otherwise. Any SDK reads it as text.
 *
 * **Errors** ValidationFailed: a lone surrogate has no UTF-8 form.
 *
 * @category constructors
 * @since 0.1.0
 */
export const text = (
  body: string,
  options: Options = {}
): Effect.Effect<Message, QueueError.QueueError> =>
  // Callers without types exist.
  typeof body === "string" && body.isWellFormed()
    ? ofBytes(utf8.fromText(body), { contentType: "text/plain; charset=utf-8", ...known(options) })
    : Effect.fail(QueueError.validationFailed("body", "must be well-formed Unicode"))

/**
 * A message of JSON, `application/json` unless told otherwise.
 *
 * **Errors** SerializationFailed for what JSON cannot hold: a cycle, a bigint, `undefined`, a function.
 *
 * @category constructors
 * @since 0.1.0
 */
export const json = (
  value: unknown,
  options: Options = {}
): Effect.Effect<Message, QueueError.QueueError> =>
  Effect.flatMap(stringify(value), (body) =>
    ofBytes(utf8.fromText(body), { contentType: "application/json", ...known(options) })
  )

const serializationFailed = (direction: "encode" | "decode", detail: string, cause?: unknown) =>
  QueueError.make(new QueueError.SerializationFailed({ direction, detail }), { cause })

const stringify = (value: unknown): Effect.Effect<string, QueueError.QueueError> =>
  Effect.try({
    // The library's types say string; for undefined and functions there is no text.
    try: (): string | undefined => JSON.stringify(value),
    catch: (cause) =>
      serializationFailed(
        "encode",
        "the value has no JSON form: a bigint, a cycle, or a toJSON that throws",
        cause
      )
  }).pipe(
    Effect.filterOrFail(
      (body) => body !== undefined,
      () => serializationFailed("encode", `${typeof value} has no JSON form`)
    )
  )

/**
 * Messages of one Schema's values: encoded by the schema, then JSON.
 *
 * **Errors** SerializationFailed, saying where the schema was not met; the value is not shown.
 *
 * **Example** (A typed body)
 *
 * ```ts
 * import { Message } from "@queue-runtime/core"
 * import { Effect, Schema } from "effect"
 *
 * const order = Message.schema(Schema.Struct({ id: Schema.String, placed: Schema.DateTimeUtc }))
 * const bad = Effect.runSync(Effect.flip(order({ id: "1", placed: "now" as never })))
 * bad.reason._tag // => "SerializationFailed"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const schema = <A, I, RD, RE>(of: Schema.Codec<A, I, RD, RE>) => {
  const encode = Schema.encodeEffect(Schema.fromJsonString(Schema.toCodecJson(of)))
  return (value: A, options: Options = {}): Effect.Effect<Message, QueueError.QueueError, RE> =>
    encode(value).pipe(
      Effect.mapError((error) => {
        const { path, problem } = schemaProblem(error.issue)
        return serializationFailed("encode", path === "" ? problem : `${path}: ${problem}`)
      }),
      Effect.flatMap((body) =>
        ofBytes(utf8.fromText(body), { contentType: "application/json", ...known(options) })
      )
    )
}

/**
 * A message as JSON text and back, the body in base64.
 *
 * **Example** (There and back)
 *
 * ```ts
 * import { Message } from "@queue-runtime/core"
 * import { Effect, Schema } from "effect"
 *
 * const message = Effect.runSync(Message.text("hi"))
 * const text = Schema.encodeSync(Message.MessageFromJson)(message)
 * JSON.parse(text).body // => "aGk="
 * Schema.decodeSync(Message.MessageFromJson)(text).contentType // => "text/plain; charset=utf-8"
 * ```
 *
 * @category schemas
 * @since 0.1.0
 */
export const MessageFromJson = Schema.fromJsonString(Schema.toCodecJson(Message))

/**
 * The bytes a message counts against a size limit in the client: body, attribute names and values, ids,
 * all in UTF-8. A provider counts its own envelope on top and refuses what is over.
 *
 * @category size
 * @since 0.1.0
 */
export const size = (message: Message): number => {
  const { attributes, body, contentType, correlationId, messageId, sessionId } = message
  let total = body.byteLength
  // Not by entries: pairs were the greatest part of what a send in memory throws away.
  for (const name of Object.keys(attributes)) total += utf8.textLength(name)
  for (const value of Object.values(attributes)) total += utf8.textLength(value)
  if (messageId !== undefined) total += utf8.textLength(messageId)
  if (sessionId !== undefined) total += utf8.textLength(sessionId)
  if (correlationId !== undefined) total += utf8.textLength(correlationId)
  if (contentType !== undefined) total += utf8.textLength(contentType)
  return total
}

/**
 * No less than {@link size}, and at once: a unit of UTF-16 has three bytes of UTF-8 at most. What fits by
 * this fits, and nearly everything does; only the rest needs to be counted.
 *
 * **Example** (Never less)
 *
 * ```ts
 * import { Message } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const message = Effect.runSync(Message.bytes(new Uint8Array(9), { correlationId: "a" }))
 * const sizes = [Message.size(message), Message.sizeAtMost(message)]
 * sizes // => [10, 12]
 * ```
 *
 * @category size
 * @since 0.1.0
 */
export const sizeAtMost = (message: Message): number => {
  const { attributes, body, contentType, correlationId, messageId, sessionId } = message
  let units = 0
  // Nothing is made: it is asked for in every layer. What a prototype would add makes it no less.
  for (const name in attributes) {
    const { [name]: value = "" } = attributes
    units += name.length + value.length
  }
  if (messageId !== undefined) units += messageId.length
  if (sessionId !== undefined) units += sessionId.length
  if (correlationId !== undefined) units += correlationId.length
  if (contentType !== undefined) units += contentType.length
  return body.byteLength + 3 * units
}
