import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { Defaults, Options, QueueError } from "@queue-runtime/core"

/** The name the provider gives itself, everywhere it names itself. */
export const provider = "azure-service-bus"

/** Where a call was made, and what is known of it. */
export interface Place {
  readonly operation: string
  readonly queue?: string
  readonly sessionId?: string
  /** What the call was given, for what ran out of it. */
  readonly timeout?: Duration.Duration
  /** Of the message sent, or of the whole batch. */
  readonly bytes?: number
  readonly bytesMax?: number
}

/** What the reason of a failure is made of, and what overrides its retry state. */
interface Classified {
  readonly reason: QueueError.Reason
  readonly retry?: QueueError.RetryState
  readonly retryAfter?: Duration.Duration
}

/** A failure as the SDK describes it. */
interface Fault {
  /** The SDK's code, or the name of the error below it. */
  readonly code: string
  readonly message: string
  /** Who was not reached, as far as Node says it. */
  readonly server?: string
}

type Rule = (fault: Fault, place: Place) => Classified

/** An error of this provider, with its place. */
export const error = (
  reason: QueueError.Reason,
  place: Place,
  context: Pick<QueueError.Context, "retry" | "retryAfter" | "cause"> = {}
): QueueError.QueueError =>
  QueueError.make(reason, {
    provider,
    ...context,
    operation: place.operation,
    ...Options.defined({ queue: place.queue })
  })

/** What a call gets, and a wait ends with, when the provider is closed. */
export const closed = (place: Place): QueueError.QueueError =>
  error(new QueueError.ConnectionFailed({ detail: "the provider is closed" }), place)

/** What a call gets when its time is over. */
export const timedOut = (after: Duration.Duration, place: Place): QueueError.QueueError =>
  error(new QueueError.Timeout({ after }), place)

/** What a receipt gets that settles nothing. */
export const expired = (place: Place): QueueError.QueueError =>
  error(new QueueError.ReceiptExpired(), place)

/** What a bad option of a call gets. */
export const invalid = (field: string, problem: string, place: Place): QueueError.QueueError =>
  error(new QueueError.ValidationFailed({ field, problem }), place)

/** What a call gets that this queue cannot do, and what to do instead where there is something. */
export const unsupported = (what: string, place: Place, remedy?: string): QueueError.QueueError =>
  error(new QueueError.UnsupportedOperation({ what, provider, remedy }), place)

const failure =
  (retry: QueueError.RetryState): Rule =>
  ({ code }) => ({ reason: new QueueError.ProviderFailure({ provider, code }), retry })

const never = failure("Never")

const transient = failure("Transient")

/** Codes that say nothing. */
const empty = new Set(["Error", "GeneralError", "MessagingError", "ServiceBusError"])

/** What failed, and with whom: `ECONNREFUSED 127.0.0.1:5671`. */
const connectionFailed: Rule = ({ code, server }) => {
  const said = empty.has(code) ? "it was lost, or did not come up" : code
  const detail = server === undefined ? said : `${said} ${server}`
  return { reason: new QueueError.ConnectionFailed({ detail }) }
}

const queueNotFound: Rule = (_, { queue }) => ({
  reason: new QueueError.QueueNotFound({ queue: queue ?? "" })
})

const receiptExpired: Rule = () => ({ reason: new QueueError.ReceiptExpired() })

const timeout: Rule = (_, place) => ({
  reason: new QueueError.Timeout({ after: place.timeout ?? Defaults.serviceBusRequestTimeout })
})

/** "Please wait 2 seconds and try again." */
const waitOf = (message: string): Duration.Duration => {
  const seconds = /wait (?:for )?(\d{1,4}) second/iu.exec(message)?.[1]
  return seconds === undefined
    ? Defaults.serviceBusThrottledWait
    : Duration.seconds(Number(seconds))
}

const throttled: Rule = ({ message }) => ({
  reason: new QueueError.Throttled(),
  retryAfter: waitOf(message)
})

/** Nothing was sent: the link had no room for it. */
const noRoom: Rule = () => ({
  reason: new QueueError.Throttled(),
  retryAfter: Defaults.idlePause
})

const tooLarge: Rule = (_, { bytes, bytesMax }) => ({
  reason: new QueueError.MessageTooLarge({
    actualBytes: bytes ?? 0,
    maximumBytes: bytesMax ?? 0,
    index: 0
  })
})

/** The service tells the maximum in words, if at all. */
const quota: Rule = ({ message }) => {
  const maximum = /(?:maximum|quota|limit|max)\D{0,40}(\d+)/iu.exec(message)?.[1]
  const resource = "the queue, or the namespace's connections or links"
  return {
    reason: new QueueError.QuotaExceeded({ resource, maximum: Number(maximum ?? Number.NaN) })
  }
}

const sessionLocked: Rule = (_, { sessionId }) => ({
  reason: new QueueError.SessionLocked({ sessionId: sessionId ?? "" })
})

const sessionLockLost: Rule = (_, { sessionId }) => ({
  reason: new QueueError.SessionLockLost({ sessionId: sessionId ?? "" })
})

const disabled: Rule = (_, { operation }) => ({
  reason: new QueueError.PermissionDenied({ operation: `${operation}: the queue is disabled` })
})

/** One code for a wrong key, an expired token and a right that is missing; the text tells them apart. */
const unauthorized: Rule = ({ message }, { operation }) => {
  const claim = /'(\w+)' claim/u.exec(message)?.[1]
  if (claim !== undefined || /claim\(s\)|status-code: 403|forbidden/iu.test(message)) {
    const right = claim === undefined ? operation : `${operation}: needs the right ${claim}`
    return { reason: new QueueError.PermissionDenied({ operation: right }) }
  }
  const detail = /invalidsignature/iu.test(message) ? "the signature is not valid" : undefined
  const reason = new QueueError.AuthenticationFailed(Options.defined({ detail }))
  // The next call brings a new token.
  return /expired/iu.test(message) ? { reason, retry: "Transient" } : { reason }
}

const authentication: Rule = ({ code }) => ({
  reason: new QueueError.AuthenticationFailed({ detail: code })
})

/** The service says what the queue is; that the options say the reverse is why it was asked so. */
const notAllowedOf = (message: string): { readonly what: string; readonly remedy?: string } => {
  if (/does not require sessions/iu.test(message)) {
    const remedy =
      "it has none in Azure; set sessions: false in its options, or make it anew with sessions"
    return { what: "a session", remedy }
  }
  return /session/iu.test(message)
    ? {
        what: "a use without a session",
        remedy: "it requires sessions in Azure; set sessions: true in its options"
      }
    : { what: "the operation" }
}

const notAllowed: Rule = ({ message }) => ({
  reason: new QueueError.UnsupportedOperation({ ...notAllowedOf(message), provider })
})

/** A certificate does not become right by asking again. */
const untrusted: Rule = (fault, place) => ({ ...connectionFailed(fault, place), retry: "Never" })

const each = (rule: Rule, codes: ReadonlyArray<string>): ReadonlyArray<readonly [string, Rule]> =>
  codes.map((code) => [code, rule])

/**
 * By the code of a `ServiceBusError`, the name of the AMQP error below it, the name of an error of a
 * credential, or the code of Node's.
 */
export const table: ReadonlyMap<string, Rule> = new Map([
  ...each(queueNotFound, [
    "MessagingEntityNotFound",
    "MessagingEntityNotFoundError",
    "ResourceDeletedError"
  ]),
  ...each(receiptExpired, [
    "MessageLockLost",
    "MessageLockLostError",
    "MessageNotFound",
    "MessageNotFoundError"
  ]),
  ...each(tooLarge, ["MessageSizeExceeded", "MessageTooLargeError"]),
  ...each(disabled, ["MessagingEntityDisabled", "MessagingEntityDisabledError"]),
  ...each(quota, ["QuotaExceeded", "QuotaExceededError"]),
  ...each(throttled, ["ServiceBusy", "ServerBusyError"]),
  ...each(noRoom, ["SenderBusyError", "InsufficientCreditError"]),
  ...each(timeout, [
    "ServiceTimeout",
    "ServiceUnavailableError",
    "OperationTimeoutError",
    "MessageWaitTimeout"
  ]),
  ...each(sessionLocked, ["SessionCannotBeLocked", "SessionCannotBeLockedError"]),
  ...each(sessionLockLost, ["SessionLockLost", "SessionLockLostError"]),
  ...each(unauthorized, ["UnauthorizedAccess", "UnauthorizedError"]),
  ...each(notAllowed, ["InvalidOperationError"]),
  ...each(connectionFailed, [
    "ServiceCommunicationProblem",
    "ServiceCommunicationError",
    "ConnectionLostError",
    "DetachForcedError",
    "ConnectionForcedError",
    "ConnectionRedirectError",
    "LinkRedirectError",
    "ReceiverDisconnectedError",
    "SenderNotReadyError",
    "SystemError",
    "FramingError",
    "IllegalStateError",
    "SessionWindowViolationError",
    "ErrantLinkError",
    "HandleInUseError",
    "UnattachedHandleError",
    "TransferLimitExceededError",
    "SendOperationFailedError",
    "AbortError",
    "ECONNREFUSED",
    "ECONNRESET",
    "ECONNABORTED",
    "ENOTFOUND",
    "EAI_AGAIN",
    "ETIMEDOUT",
    "EPIPE",
    "EHOSTUNREACH",
    "ENETUNREACH",
    "ENETDOWN"
  ]),
  ...each(untrusted, [
    "CERT_HAS_EXPIRED",
    "CERT_UNTRUSTED",
    "DEPTH_ZERO_SELF_SIGNED_CERT",
    "ERR_TLS_CERT_ALTNAME_INVALID",
    "SELF_SIGNED_CERT_IN_CHAIN",
    "UNABLE_TO_GET_ISSUER_CERT",
    "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
    "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
  ]),
  ...each(transient, [
    "InternalServerError",
    "OperationCancelledError",
    "StoreLockLostError",
    "ResourceLockedError",
    "PartitionNotOwnedError"
  ]),
  ...each(authentication, [
    "CredentialUnavailableError",
    "AuthenticationRequiredError",
    "AuthenticationError",
    "AggregateAuthenticationError"
  ]),
  ...each(never, [
    "MessagingEntityAlreadyExists",
    "MessagingEntityAlreadyExistsError",
    "ArgumentError",
    "ArgumentOutOfRangeError",
    "PreconditionFailedError",
    "DecodeError",
    "InvalidFieldError",
    "NotImplementedError",
    "FrameSizeTooSmallError",
    "PublisherRevokedError",
    "RelayNotFoundError",
    "NoMatchingSubscriptionError",
    "AddressAlreadyInUseError"
  ])
])

/** What a call gets that was under way when the connection was lost. */
export const lineLost = new Error("the connection was lost, and is closed")

/** Errors without a code, by what they say. */
const byMessage: ReadonlyArray<readonly [RegExp, Rule]> = [
  [/already settled|either been deleted/iu, receiptExpired],
  [/messaging entity .* could not be found/iu, queueNotFound],
  [/link with which the message was received is no longer alive/iu, sessionLockLost],
  [/session.* (?:is|has been) closed|receiver for session/iu, sessionLockLost],
  [
    /unknown error (?:occurred on the amqp|encountered)|failed to connect|failed to create receiver|link failed to initialize|connection (?:is|was) (?:closed|reopening)|has been closed|is closed|link closed|link is not ready|permanently closed|socket|not open|disconnect/iu,
    connectionFailed
  ],
  [/timed out|time-?out/iu, timeout],
  [/failed to get token|tokencredential/iu, authentication]
]

const textOf = (value: unknown, key: string): string =>
  Predicate.hasProperty(value, key) && typeof value[key] === "string" ? value[key] : ""

/** After more than one attempt the SDK throws an AggregateError with nothing of its own. */
const innermost = (thrown: unknown): unknown => {
  if (!Predicate.hasProperty(thrown, "errors") || !Array.isArray(thrown.errors)) return thrown
  if (table.has(textOf(thrown, "name"))) return thrown
  const last: unknown = thrown.errors.at(-1)
  return last === undefined ? thrown : innermost(last)
}

/** From the most telling to the least: `GeneralError` says what it is at the start of its message. */
const codesOf = (thrown: unknown, message: string): ReadonlyArray<string> => {
  const prefix = /^([A-Za-z]+): /u.exec(message)?.[1] ?? ""
  const system = /\b(E[A-Z]{4,}|EAI_AGAIN)\b/u.exec(message)?.[1] ?? ""
  return [textOf(thrown, "code"), textOf(thrown, "name"), prefix, system].filter(
    (code) => code !== ""
  )
}

const ruleOf = (codes: ReadonlyArray<string>, message: string) => {
  for (const code of codes) {
    const rule = table.get(code)
    if (rule !== undefined) return { code, rule }
  }
  const rule = byMessage.find(([pattern]) => pattern.test(message))?.[1] ?? never
  return { code: codes[0] ?? "Error", rule }
}

/** A host and nothing else, so no secret of a URL: of Node's error, or of its text, which the SDK keeps. */
const serverOf = (thrown: unknown, message: string): string | undefined => {
  const host =
    [textOf(thrown, "address"), textOf(thrown, "hostname"), textOf(thrown, "host")].find(
      (name) => name !== ""
    ) ?? /\b(?:connect|getaddrinfo) E[A-Z_]+ ([\w.:-]+)/u.exec(message)?.[1]
  if (host === undefined || !/^[\w.:-]{1,253}$/u.test(host)) return undefined
  const port = Predicate.hasProperty(thrown, "port") ? thrown.port : undefined
  if (typeof port !== "number") return host
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

const classified = (thrown: unknown) => {
  const inner = innermost(thrown)
  const message = textOf(inner, "message")
  const { code, rule } = ruleOf(codesOf(inner, message), message)
  return {
    rule,
    fault: { code, message, ...Options.defined({ server: serverOf(inner, message) }) }
  }
}

/**
 * The error of a call that threw; what was thrown stays as its cause. `lostBy` is what its connection was
 * lost by: of the calls that wait for one connection the SDK tells one why it failed, and the others that
 * it did.
 */
export const fromThrown = (
  thrown: unknown,
  place: Place,
  lostBy?: unknown
): QueueError.QueueError => {
  if (thrown instanceof QueueError.QueueError) return thrown
  const said = classified(thrown)
  const isVague = said.rule === connectionFailed && empty.has(said.fault.code)
  const why = isVague && lostBy !== undefined ? classified(lostBy) : said
  const isConnection = why.rule === connectionFailed || why.rule === untrusted
  const { fault, rule } = isConnection ? why : said
  const { reason, ...context } = rule(fault, place)
  return error(reason, place, { ...context, cause: fault === said.fault ? thrown : lostBy })
}

/** Why nothing can be received with these options. */
export const problemOfReceive = (
  options: { readonly max: number; readonly wait?: Duration.Duration },
  place: Place
): QueueError.QueueError | undefined => {
  const { max, wait } = options
  if (!Number.isSafeInteger(max) || max < 1) {
    return invalid("max", `must be a whole number of at least 1; got ${max}`, place)
  }
  return wait === undefined || Duration.isFinite(wait)
    ? undefined
    : invalid("wait", "must be a finite duration", place)
}
