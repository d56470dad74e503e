/**
 * The one error of the library: what went wrong (`reason`), whether trying again makes sense
 * (`retry`), and where it happened.
 *
 * **Details**
 *
 * Retry, breaker and worker decide from `retry` alone. Every reason has a default for it; a provider
 * may say otherwise when the service does. An unknown error of a provider is `Never`: repeating a call
 * nobody understands may send twice.
 *
 * **Gotchas**
 *
 * A reason never carries a body, an attribute's value or a credential. The error of an SDK is kept as
 * `cause`, wrapped by {@link OriginalError} so that printing it shows no secret.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as DateTime from "effect/DateTime"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { scrub } from "./internal/scrub.ts"
import * as Options from "./Options.ts"

/**
 * Whether the same call may be tried again: `Never`, it would fail again; `Transient`, it may succeed;
 * `Exhausted`, it was transient and a retry gave up, so that an outer retry does not start over.
 *
 * @category models
 * @since 0.1.0
 */
export const RetryState = Schema.Literals(["Never", "Transient", "Exhausted"])

/**
 * The type of {@link RetryState}.
 *
 * @category models
 * @since 0.1.0
 */
export type RetryState = typeof RetryState.Type

/**
 * No queue of this name exists. The runtime never makes one.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QueueNotFound extends Schema.TaggedError<QueueNotFound>()("QueueNotFound", {
  queue: Schema.String
}) {
  override get message(): string {
    return `queue "${this.queue}" does not exist; create it first, the runtime makes none`
  }
}

/**
 * The receipt no longer settles anything: its delivery was settled, taken back or ran out.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ReceiptExpired extends Schema.TaggedError<ReceiptExpired>()("ReceiptExpired", {}) {
  override get message(): string {
    return "the receipt is unknown, used or expired; the message is settled or will be delivered again"
  }
}

/**
 * Another holder has the session.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SessionLocked extends Schema.TaggedError<SessionLocked>()("SessionLocked", {
  sessionId: Schema.String,
  /** Until when, if the service tells. */
  lockedUntil: Schema.optionalKey(Schema.DateTimeUtc)
}) {
  override get message(): string {
    const until =
      this.lockedUntil === undefined ? "" : ` until ${DateTime.formatIso(this.lockedUntil)}`
    return `session "${this.sessionId}" is held by another receiver${until}`
  }
}

/**
 * The session was ours and is no longer: its lock ran out or the connection that held it is gone.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SessionLockLost extends Schema.TaggedError<SessionLockLost>()("SessionLockLost", {
  sessionId: Schema.String
}) {
  override get message(): string {
    return `the lock of session "${this.sessionId}" is lost; accept the session again`
  }
}

/**
 * A settlement was repeated after its reply got lost, and the repetition found the receipt used: the
 * first one most likely took effect.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SettlementUnknown extends Schema.TaggedError<SettlementUnknown>()(
  "SettlementUnknown",
  {}
) {
  override get message(): string {
    return "the first settlement's reply was lost and its receipt is used: most likely it took effect"
  }
}

/**
 * No answer within the time allowed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Timeout extends Schema.TaggedError<Timeout>()("Timeout", {
  /** How long was waited. */
  after: Schema.Duration
}) {
  override get message(): string {
    return `no answer within ${Duration.format(this.after)}`
  }
}

/**
 * The service could not be reached, or the connection broke. What was under way may have taken effect.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConnectionFailed extends Schema.TaggedError<ConnectionFailed>()("ConnectionFailed", {
  detail: Schema.optionalKey(Schema.String)
}) {
  override get message(): string {
    return this.detail === undefined
      ? "the connection failed"
      : `the connection failed: ${this.detail}`
  }
}

/**
 * The service does not accept who we are.
 *
 * @category reasons
 * @since 0.1.0
 */
export class AuthenticationFailed extends Schema.TaggedError<AuthenticationFailed>()(
  "AuthenticationFailed",
  { detail: Schema.optionalKey(Schema.String) }
) {
  override get message(): string {
    return `the service refused the credentials${this.detail === undefined ? "" : `: ${this.detail}`}`
  }
}

/**
 * The service knows us and does not allow this.
 *
 * @category reasons
 * @since 0.1.0
 */
export class PermissionDenied extends Schema.TaggedError<PermissionDenied>()("PermissionDenied", {
  /** What was not allowed, in the service's own words where it says so. */
  operation: Schema.String
}) {
  override get message(): string {
    return `permission denied: ${this.operation}`
  }
}

/**
 * Too many calls. `retryAfter` of the error says when to try again, if the service tells.
 *
 * @category reasons
 * @since 0.1.0
 */
export class Throttled extends Schema.TaggedError<Throttled>()("Throttled", {}) {
  override get message(): string {
    return "the service throttles calls"
  }
}

/**
 * The message, envelope and attributes counted as the service counts them, is over the limit. Nothing
 * was sent.
 *
 * @category reasons
 * @since 0.1.0
 */
export class MessageTooLarge extends Schema.TaggedError<MessageTooLarge>()("MessageTooLarge", {
  actualBytes: Schema.Int,
  maximumBytes: Schema.Int,
  /** Its place in what the caller gave, however that is cut or merged below; 0 for a single send. */
  index: Schema.Int
}) {
  override get message(): string {
    return (
      `message ${this.index} has ${this.actualBytes} bytes and the limit is ${this.maximumBytes}; ` +
      "nothing was sent"
    )
  }
}

/**
 * One failure inside a batch.
 *
 * @category models
 * @since 0.1.0
 */
export const BatchFailure = Schema.Struct({
  index: Schema.Int,
  /** The tag of the reason. */
  reason: Schema.String,
  message: Schema.String,
  retry: RetryState
})

/**
 * Some messages of a batch failed and the others took effect. Send the failed ones again, not the
 * whole batch.
 *
 * @category reasons
 * @since 0.1.0
 */
export class BatchPartiallyFailed extends Schema.TaggedError<BatchPartiallyFailed>()(
  "BatchPartiallyFailed",
  { size: Schema.Int, failures: Schema.Array(BatchFailure) }
) {
  override get message(): string {
    const shown = this.failures.slice(0, 3).map((one) => `${one.index}: ${one.message}`)
    const more = this.failures.length > shown.length ? "; …" : ""
    return `${this.failures.length} of ${this.size} failed (${shown.join("; ")}${more})`
  }
}

/**
 * Something is full: the queue, the namespace, our own bounded memory.
 *
 * @category reasons
 * @since 0.1.0
 */
export class QuotaExceeded extends Schema.TaggedError<QuotaExceeded>()("QuotaExceeded", {
  /** What is full, and which setting bounds it. */
  resource: Schema.String,
  maximum: Schema.Number
}) {
  override get message(): string {
    return `${this.resource} is full: the maximum is ${this.maximum}`
  }
}

/**
 * The circuit breaker is open and the call was not made.
 *
 * @category reasons
 * @since 0.1.0
 */
export class CircuitOpen extends Schema.TaggedError<CircuitOpen>()("CircuitOpen", {
  until: Schema.DateTimeUtc
}) {
  override get message(): string {
    return `the circuit breaker is open until ${DateTime.formatIso(this.until)}`
  }
}

/**
 * The provider, or this queue of it, cannot do that.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnsupportedOperation extends Schema.TaggedError<UnsupportedOperation>()(
  "UnsupportedOperation",
  {
    what: Schema.String,
    provider: Schema.String,
    /** What to do about it, where something can be done. */
    remedy: Schema.optional(Schema.String)
  }
) {
  override get message(): string {
    const remedy = this.remedy === undefined ? "" : `: ${this.remedy}`
    return `${this.what} is not supported by provider "${this.provider}" on this queue${remedy}`
  }
}

/**
 * A value could not be turned into a body, or a body into a value.
 *
 * @category reasons
 * @since 0.1.0
 */
export class SerializationFailed extends Schema.TaggedError<SerializationFailed>()(
  "SerializationFailed",
  {
    direction: Schema.Literals(["encode", "decode"]),
    /** Where and what the schema expected; never the value itself. */
    detail: Schema.String
  }
) {
  override get message(): string {
    return `the body could not be ${this.direction}d: ${this.detail}`
  }
}

/**
 * A setting is missing, misspelt or out of its range. Nothing was started.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ConfigurationInvalid extends Schema.TaggedError<ConfigurationInvalid>()(
  "ConfigurationInvalid",
  {
    /** The setting: an environment variable or the path of an option. */
    key: Schema.String,
    problem: Schema.String
  }
) {
  override get message(): string {
    return `${this.key}: ${this.problem}`
  }
}

/**
 * A value breaks a rule: an identifier, an option, a message.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ValidationFailed extends Schema.TaggedError<ValidationFailed>()("ValidationFailed", {
  field: Schema.String,
  /** The rule and how it was broken; never the value itself. */
  problem: Schema.String
}) {
  override get message(): string {
    return `${this.field}: ${this.problem}`
  }
}

/**
 * A plaintext message where the policy demands an encrypted one.
 *
 * @category reasons
 * @since 0.1.0
 */
export class UnencryptedMessage extends Schema.TaggedError<UnencryptedMessage>()(
  "UnencryptedMessage",
  {}
) {
  override get message(): string {
    return "the message is not encrypted and the policy of its queue rejects plaintext"
  }
}

/**
 * Sealing or opening a body failed.
 *
 * @category reasons
 * @since 0.1.0
 */
export class CryptoFailed extends Schema.TaggedError<CryptoFailed>()("CryptoFailed", {
  failure: Schema.Literals([
    "IntegrityFailed",
    "KeyNotFound",
    "EnvelopeExpired",
    "NonceReused",
    "UnsupportedVersion",
    "InvalidEnvelope"
  ]),
  detail: Schema.String
}) {
  override get message(): string {
    return `${this.failure}: ${this.detail}`
  }
}

/**
 * The service failed in a way that has no reason of its own here.
 *
 * @category reasons
 * @since 0.1.0
 */
export class ProviderFailure extends Schema.TaggedError<ProviderFailure>()("ProviderFailure", {
  provider: Schema.String,
  /** The service's own code. */
  code: Schema.String
}) {
  override get message(): string {
    return `provider "${this.provider}" failed with ${this.code}`
  }
}

/**
 * Everything that can go wrong.
 *
 * @category reasons
 * @since 0.1.0
 */
export const Reason = Schema.Union([
  QueueNotFound,
  ReceiptExpired,
  SessionLocked,
  SessionLockLost,
  SettlementUnknown,
  Timeout,
  ConnectionFailed,
  AuthenticationFailed,
  PermissionDenied,
  Throttled,
  MessageTooLarge,
  BatchPartiallyFailed,
  QuotaExceeded,
  CircuitOpen,
  UnsupportedOperation,
  SerializationFailed,
  ConfigurationInvalid,
  ValidationFailed,
  UnencryptedMessage,
  CryptoFailed,
  ProviderFailure
])

/**
 * The type of {@link Reason}.
 *
 * @category reasons
 * @since 0.1.0
 */
export type Reason = typeof Reason.Type

/**
 * The retry state of each reason, unless whoever raises it knows better.
 *
 * @category retry
 * @since 0.1.0
 */
export const defaultRetry: { readonly [Tag in Reason["_tag"]]: RetryState } = {
  QueueNotFound: "Never",
  ReceiptExpired: "Never",
  SessionLocked: "Transient",
  SessionLockLost: "Never",
  SettlementUnknown: "Never",
  Timeout: "Transient",
  ConnectionFailed: "Transient",
  AuthenticationFailed: "Never",
  PermissionDenied: "Never",
  Throttled: "Transient",
  MessageTooLarge: "Never",
  BatchPartiallyFailed: "Never",
  QuotaExceeded: "Transient",
  CircuitOpen: "Transient",
  UnsupportedOperation: "Never",
  SerializationFailed: "Never",
  ConfigurationInvalid: "Never",
  ValidationFailed: "Never",
  UnencryptedMessage: "Never",
  CryptoFailed: "Never",
  ProviderFailure: "Never"
}

/**
 * Where an error happened, and what else is known of it. What is undefined is as if it were not there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Context {
  /** Overrides the reason's default. */
  readonly retry?: RetryState | undefined
  /** How long to wait before trying again, if the service tells. */
  readonly retryAfter?: Duration.Duration | undefined
  readonly provider?: string | undefined
  readonly operation?: string | undefined
  readonly queue?: string | undefined
  /** The error of the SDK or the platform; {@link make} wraps it with {@link OriginalError}. */
  readonly cause?: unknown
}

/**
 * The error of every operation of the library.
 *
 * **Example** (Handling one reason)
 *
 * ```ts
 * import { QueueError } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const failing = Effect.fail(QueueError.make(new QueueError.QueueNotFound({ queue: "orders" })))
 * const handled = failing.pipe(
 *   Effect.catchReason("QueueError", "QueueNotFound", (reason) => Effect.succeed(reason.queue))
 * )
 * Effect.runSync(handled) // => "orders"
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class QueueError extends Schema.TaggedError<QueueError>("@queue-runtime/core/QueueError")(
  "QueueError",
  {
    reason: Reason,
    retry: RetryState,
    retryAfter: Schema.optionalKey(Schema.Duration),
    provider: Schema.optionalKey(Schema.String),
    operation: Schema.optionalKey(Schema.String),
    queue: Schema.optionalKey(Schema.String),
    cause: Schema.optionalKey(Schema.Defect())
  }
) {
  override get message(): string {
    const place = [
      this.operation,
      this.queue === undefined ? undefined : `"${this.queue}"`,
      this.provider === undefined ? undefined : `(${this.provider})`
    ].filter((part) => part !== undefined)
    const where = place.length === 0 ? "" : `${place.join(" ")}: `
    // A provider may pass on what its service said.
    return scrub(`${where}${this.reason._tag}: ${this.reason.message}`)
  }
}

/**
 * Makes a {@link QueueError} with the reason's own retry state.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (reason: Reason, context: Context = {}): QueueError =>
  new QueueError({ retry: defaultRetry[reason._tag], ...safe(context), reason })

/** The cause of somebody else is never kept bare: whatever prints the error would print it. */
const safe = (context: Context): Options.Defined<Context> => {
  const known = Options.defined(context)
  const { cause } = known
  if (cause === undefined || cause instanceof QueueError) return known
  return { ...known, cause: OriginalError.from(cause) }
}

/**
 * A value that breaks a rule, by field.
 *
 * @category constructors
 * @since 0.1.0
 */
export const validationFailed = (field: string, problem: string): QueueError =>
  make(new ValidationFailed({ field, problem }))

/**
 * A setting that cannot be used, by key.
 *
 * @category constructors
 * @since 0.1.0
 */
export const configurationInvalid = (key: string, problem: string, cause?: unknown): QueueError =>
  make(new ConfigurationInvalid({ key, problem }), { cause })

/**
 * Whether trying again may help: `Transient` or `Exhausted`. Breaker and worker ask this; only a retry
 * tells the two apart.
 *
 * @category retry
 * @since 0.1.0
 */
export const isTransient = (error: { readonly retry: RetryState }): boolean =>
  error.retry !== "Never"

/**
 * Whether the service refuses who asks: the credentials, or a right that they lack. No retry mends that,
 * but whoever is in charge of the credentials does: a worker that was at work before waits for it.
 *
 * **Source** ADR 0011
 *
 * @category retry
 * @since 0.1.0
 */
export const isRefused = (error: { readonly reason: { readonly _tag: Reason["_tag"] } }): boolean =>
  error.reason._tag === "AuthenticationFailed" || error.reason._tag === "PermissionDenied"

/**
 * The same error after a retry gave up. `Never` stays `Never`.
 *
 * @category retry
 * @since 0.1.0
 */
export const exhausted = (error: QueueError): QueueError =>
  error.retry === "Transient" ? withContext(error, { retry: "Exhausted" }) : error

/**
 * The same error with what is known of its place; what it already says of it stays.
 *
 * @category combinators
 * @since 0.1.0
 */
export const withContext = (error: QueueError, context: Context): QueueError => {
  const { cause, operation, provider, queue, reason, retry, retryAfter } = error
  const kept = Options.defined({ retryAfter, provider, operation, queue, cause })
  return new QueueError({ ...safe(context), ...kept, reason, retry: context.retry ?? retry })
}

/** A field of one message of a call, as the library writes it. */
const fieldOfMessage = /^messages\[(\d{1,9})\]/u

/** The message that a reason names, and the reason for one at another place. */
interface Naming {
  readonly index: number
  readonly at: (place: number) => Reason
}

const namingOf = (reason: Reason): Naming | undefined => {
  if (reason._tag === "MessageTooLarge") {
    const { actualBytes, index, maximumBytes } = reason
    return {
      index,
      at: (place) => new MessageTooLarge({ actualBytes, maximumBytes, index: place })
    }
  }
  if (reason._tag !== "ValidationFailed") return undefined
  const { field, problem } = reason
  const [, digits] = fieldOfMessage.exec(field) ?? []
  if (digits === undefined) return undefined
  const at = (place: number): Reason =>
    new ValidationFailed({ field: field.replace(fieldOfMessage, `messages[${place}]`), problem })
  return { index: Number(digits), at }
}

/**
 * The place, in the call that failed, of the message that the error names; nothing where it names none.
 *
 * @category combinators
 * @since 0.1.0
 */
export const indexOf = ({ reason }: QueueError): number | undefined => namingOf(reason)?.index

/**
 * The same error for who gave other messages than the call that failed: whoever cuts a batch to calls, or
 * merges calls to one, says where the message that the error names is in the caller's own.
 *
 * **Details** An error that names no message, or names it by the same place, is handed back as it is.
 *
 * **Example** (The second call of a batch began at its eleventh message)
 *
 * ```ts
 * import { QueueError } from "@queue-runtime/core"
 *
 * const tooLarge = { actualBytes: 300, maximumBytes: 256, index: 2 }
 * const error = QueueError.make(new QueueError.MessageTooLarge(tooLarge))
 * const inBatch = QueueError.mapIndex(error, (index) => 10 + index)
 * QueueError.indexOf(inBatch) // => 12
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const mapIndex = (error: QueueError, f: (index: number) => number): QueueError => {
  const naming = namingOf(error.reason)
  if (naming === undefined) return error
  const place = f(naming.index)
  if (place === naming.index) return error
  const { cause, operation, provider, queue, retry, retryAfter } = error
  const kept = Options.defined({ retryAfter, provider, operation, queue, cause })
  return new QueueError({ ...kept, retry, reason: naming.at(place) })
}

/** What it says, cleaned; reading an object somebody threw may itself throw. */
const printed = (read: () => unknown): string =>
  Result.getOrElse(
    Result.try(() => scrub(String(read()))),
    () => "unprintable"
  )

/**
 * An error of someone else's, kept for who needs it and safe to print: message and stack are cleaned of
 * connection strings, signatures, tokens and keys, and its other properties are not shown.
 *
 * **Example** (Printing and unwrapping)
 *
 * ```ts
 * import { QueueError } from "@queue-runtime/core"
 *
 * const original = new Error("refused Endpoint=sb://host/;SharedAccessKey=c2VjcmV0")
 * const safe = QueueError.OriginalError.from(original)
 * safe.message // => "refused Endpoint=sb://host/;SharedAccessKey=<redacted>"
 * safe.unwrap() === original // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class OriginalError extends Error {
  readonly #original: unknown

  private constructor(original: unknown) {
    const error = original instanceof Error ? original : undefined
    super(printed(() => (error === undefined ? original : error.message)))
    this.name = printed(() => error?.name ?? "Error")
    this.#original = original
    this.stack = printed(() => error?.stack ?? `${this.name}: ${this.message}`)
  }

  /** Wraps anything thrown; a wrapped one is returned as it is. */
  static from(original: unknown): OriginalError {
    return original instanceof OriginalError ? original : new OriginalError(original)
  }

  /** The error as the SDK threw it. It may hold secrets: never log it. */
  unwrap(): unknown {
    return this.#original
  }
}
