import * as Duration from "effect/Duration"
import * as Predicate from "effect/Predicate"
import { Defaults, Options, QueueError } from "@queue-runtime/core"

/** The name the provider gives itself, everywhere it names itself. */
export const provider = "aws-sqs"

/** Where a call was made, and what is known of it. */
export interface Place {
  readonly operation: string
  readonly queue?: string
  /** What the call was given, for what ran out of it. */
  readonly timeout?: Duration.Duration
  /** Of the message sent, or of the whole batch. */
  readonly bytes?: number
  /** Of the message in its batch. */
  readonly index?: number
}

/** What the reason of a failure is made of, and what overrides its retry state. */
interface Classified {
  readonly reason: QueueError.Reason
  readonly retry?: QueueError.RetryState
  readonly retryAfter?: Duration.Duration
}

/** A failure as SQS or its SDK describes it, whole call and batch entry alike. */
interface Fault {
  /** The first that the table knows counts. */
  readonly codes: ReadonlyArray<string>
  readonly message: string
  /** Who was not reached, as far as Node says it. */
  readonly server?: string
  readonly status?: number
  /** Of a batch entry: whose fault it is. */
  readonly isSender?: boolean
  /** The SDK found out how far our clock is off and signs the next call by the server's. */
  readonly isClockCorrected?: boolean
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

/** What a call gets when the client is closed. */
export const closed = (place: Place): QueueError.QueueError =>
  error(new QueueError.ConnectionFailed({ detail: "the client is closed" }), place)

/** What a call gets when its time is over. */
export const timedOut = (after: Duration.Duration, place: Place): QueueError.QueueError =>
  error(new QueueError.Timeout({ after }), place)

const failure = (code: string, retry: QueueError.RetryState): Classified => ({
  reason: new QueueError.ProviderFailure({ provider, code }),
  retry
})

const queueNotFound: Rule = (_, { queue }) => ({
  reason: new QueueError.QueueNotFound({ queue: queue ?? "" })
})

const receiptExpired: Rule = () => ({ reason: new QueueError.ReceiptExpired() })

const throttled: Rule = () => ({ reason: new QueueError.Throttled() })

/** "Value … for parameter … is invalid. Reason: …": what it was is the caller's, the rest is the rule. */
const parameter = /parameter (\w+) is invalid\.(?: Reason: ([^\r\n]{1,200}))?/u

/** The service's words may hold a value of the message, so only the rule is passed on. */
const invalid: Rule = ({ codes, message }) => {
  const [, field, rule] = parameter.exec(message) ?? []
  const problem = `SQS refused it with ${codes[0] ?? "no code"}`
  return {
    reason: new QueueError.ValidationFailed({
      field: field ?? "request",
      problem: rule === undefined ? problem : `${problem}: ${rule}`
    })
  }
}

const bytesIn = (message: string, pattern: RegExp): number | undefined => {
  const [, digits] = pattern.exec(message) ?? []
  return digits === undefined ? undefined : Number(digits)
}

const tooLarge: Rule = (fault, place) => {
  const maximum = bytesIn(fault.message, /(?:shorter than|longer than|exceed) (\d{1,12})/iu)
  const actual = bytesIn(fault.message, /sent (\d{1,12})/iu) ?? place.bytes
  // What it does not say, nobody makes up.
  if (actual === undefined) return invalid(fault, place)
  return {
    reason: new QueueError.MessageTooLarge({
      actualBytes: actual,
      maximumBytes: maximum ?? Defaults.sqsMessageSizeMax,
      index: place.index ?? 0
    })
  }
}

const isExpiredHandle = /has expired|receipt ?handle|not available for visibility timeout change/iu

const isTooLarge = /(?:shorter|longer) than \d+ bytes/iu

/** One code for many things: the message tells them apart. */
const invalidParameter: Rule = (fault, place) => {
  if (isTooLarge.test(fault.message)) return tooLarge(fault, place)
  return isExpiredHandle.test(fault.message) ? receiptExpired(fault, place) : invalid(fault, place)
}

const clockOff: Rule = () => ({
  reason: new QueueError.AuthenticationFailed({ detail: "the clocks differ" }),
  retry: "Transient"
})

const unauthenticated: Rule = (fault, place) =>
  fault.isClockCorrected === true || /signature (?:expired|not yet current)/iu.test(fault.message)
    ? clockOff(fault, place)
    : { reason: new QueueError.AuthenticationFailed({ detail: fault.codes[0] ?? "no code" }) }

/** Keys that were good: whoever gave them gives others, unless they are fixed. */
const expiredToken: Rule = () => ({
  reason: new QueueError.AuthenticationFailed({ detail: "the credentials have expired" }),
  retry: "Transient"
})

/** "… is not authorized to perform: sqs:SendMessage on resource: …": the action alone. */
const denied: Rule = (fault, place) => {
  if (fault.isClockCorrected === true) return clockOff(fault, place)
  const [, action] = /perform: ([\w:*-]{1,100})/u.exec(fault.message) ?? []
  return { reason: new QueueError.PermissionDenied({ operation: action ?? place.operation }) }
}

const deniedKey: Rule = () => ({
  reason: new QueueError.PermissionDenied({ operation: "use of the queue's KMS key" })
})

const never: Rule = ({ codes }) => failure(codes[0] ?? "unknown", "Never")

const transient: Rule = ({ codes }) => failure(codes[0] ?? "unknown", "Transient")

const overLimit: Rule = () => ({
  reason: new QueueError.QuotaExceeded({
    resource: "the queue's messages in flight",
    maximum: Defaults.sqsInFlightMax
  })
})

const unsupported: Rule = (_, { operation }) => ({
  reason: new QueueError.UnsupportedOperation({ what: operation, provider })
})

const purging: Rule = () => ({
  reason: new QueueError.Throttled(),
  retryAfter: Defaults.sqsPurgeInterval
})

/** The handler's own says how long it waited, a connection's being another time than the call's. */
const timeout: Rule = ({ message }, place) => {
  const [, millis] = /timeout of (\d{1,9}) ms/u.exec(message) ?? []
  const after = millis === undefined ? place.timeout : Duration.millis(Number(millis))
  return { reason: new QueueError.Timeout({ after: after ?? Defaults.sqsRequestTimeout }) }
}

/** What failed, and with whom: `ECONNREFUSED 127.0.0.1:9324`. */
const disconnected: Rule = ({ codes, server }) => {
  const code = codes[0] ?? "unknown"
  const detail = server === undefined ? code : `${code} ${server}`
  return { reason: new QueueError.ConnectionFailed({ detail }) }
}

/** Nothing gets better by trying again: the certificate stays what it is. */
const untrusted: Rule = (fault, place) => ({ ...disconnected(fault, place), retry: "Never" })

const isAway = /timeout|unable to connect|error response|\bE(?:AI_AGAIN|CONN|HOST|NET|PIPE)/iu

/** A metadata service may be slow or away for a moment; where there is none, there is none. */
const noCredentials: Rule = ({ message }) => ({
  reason: new QueueError.AuthenticationFailed({ detail: "no credentials were found" }),
  retry: isAway.test(message) ? "Transient" : "Never"
})

const badEndpoint = (problem: string): Classified => ({
  reason: new QueueError.ConfigurationInvalid({ key: "endpoint", problem })
})

/** It may be any the SDK found somewhere, one of its credentials' too: its host tells which. */
const insecure: Rule = ({ server }) =>
  badEndpoint(
    `must be https, unless the host is local${server === undefined ? "" : `; got http to ${server}`}`
  )

/** The options and the variables of SQS were checked: it is another, and the SDK does not say which. */
const unreadable: Rule = () =>
  badEndpoint(
    "must be an http or https URL; the one that the SDK found is none: " +
      "see endpoint_url in the shared files, and the other AWS_ENDPOINT_URL variables"
  )

const badChecksum: Rule = () => failure("InvalidChecksum", "Transient")

const rules: ReadonlyArray<readonly [rule: Rule, codes: ReadonlyArray<string>]> = [
  [
    queueNotFound,
    ["QueueDoesNotExist", "NonExistentQueue", "QueueDeletedRecently", "ResourceNotFoundException"]
  ],
  [receiptExpired, ["ReceiptHandleIsInvalid", "MessageNotInflight"]],
  [
    invalidParameter,
    ["InvalidParameterValue", "InvalidParameterValueException", "InvalidParameterCombination"]
  ],
  [tooLarge, ["BatchRequestTooLong"]],
  [
    invalid,
    [
      "BatchEntryIdsNotDistinct",
      "EmptyBatchRequest",
      "InvalidAddress",
      "InvalidAttributeName",
      "InvalidAttributeValue",
      "InvalidBatchEntryId",
      "InvalidIdFormat",
      "InvalidMessageContents",
      "MissingParameter",
      "MissingRequiredParameterException",
      "SerializationException",
      "TooManyEntriesInBatchRequest",
      "ValidationError",
      "ValidationException"
    ]
  ],
  [overLimit, ["OverLimit"]],
  [
    throttled,
    [
      "BandwidthLimitExceeded",
      "EC2ThrottledException",
      "KMS.ThrottlingException",
      "KmsThrottled",
      "LimitExceededException",
      "PriorRequestNotComplete",
      "ProvisionedThroughputExceededException",
      "RequestLimitExceeded",
      "RequestThrottled",
      "RequestThrottledException",
      "SlowDown",
      "ThrottledException",
      "Throttling",
      "ThrottlingException",
      "TooManyRequestsException"
    ]
  ],
  [purging, ["PurgeQueueInProgress"]],
  [deniedKey, ["KmsAccessDenied", "KMS.AccessDeniedException"]],
  [
    never,
    [
      "InvalidAction",
      "KMS.DisabledException",
      "KMS.InvalidKeyUsageException",
      "KMS.InvalidStateException",
      "KMS.NotFoundException",
      "KMS.OptInRequired",
      "KmsDisabled",
      "KmsInvalidKeyUsage",
      "KmsInvalidState",
      "KmsNotFound",
      "KmsOptInRequired",
      "MalformedQueryString",
      "QueueAlreadyExists",
      "QueueNameExists",
      "UnknownOperationException"
    ]
  ],
  [unsupported, ["UnsupportedOperation"]],
  [
    unauthenticated,
    [
      "AuthFailure",
      "IncompleteSignature",
      "IncompleteSignatureException",
      "InvalidAccessKeyId",
      "InvalidClientTokenId",
      "InvalidIdentityToken",
      "InvalidSecurity",
      "InvalidSignatureException",
      "MissingAuthenticationToken",
      "MissingAuthenticationTokenException",
      "NotAuthorized",
      "OptInRequired",
      "RegionDisabledException",
      "SignatureDoesNotMatch",
      "UnrecognizedClientException"
    ]
  ],
  [expiredToken, ["ExpiredToken", "ExpiredTokenException", "TokenRefreshRequired"]],
  [clockOff, ["RequestExpired", "RequestInTheFuture", "RequestTimeTooSkewed"]],
  [
    denied,
    ["AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "UnauthorizedAccess"]
  ],
  [
    transient,
    [
      "IDPCommunicationError",
      "InternalError",
      "InternalFailure",
      "InternalServerError",
      "InternalServerException",
      "ServiceUnavailable",
      "ServiceUnavailableException"
    ]
  ],
  [timeout, ["RequestTimeout", "RequestTimeoutException", "TimeoutError", "ETIMEDOUT"]],
  [
    disconnected,
    [
      "AbortError",
      "EAI_AGAIN",
      "ECONNABORTED",
      "ECONNREFUSED",
      "ECONNRESET",
      "EHOSTDOWN",
      "EHOSTUNREACH",
      "EMFILE",
      "ENETDOWN",
      "ENETUNREACH",
      "ENOTCONN",
      "ENOTFOUND",
      "EPIPE",
      "ERR_SOCKET_CLOSED",
      "ERR_STREAM_PREMATURE_CLOSE",
      "HPE_INVALID_CONSTANT"
    ]
  ],
  [
    untrusted,
    [
      "CERT_HAS_EXPIRED",
      "CERT_NOT_YET_VALID",
      "CERT_SIGNATURE_FAILURE",
      "DEPTH_ZERO_SELF_SIGNED_CERT",
      "EPROTO",
      "ERR_SSL_UNSUPPORTED_PROTOCOL",
      "ERR_SSL_WRONG_VERSION_NUMBER",
      "ERR_TLS_CERT_ALTNAME_INVALID",
      "SELF_SIGNED_CERT_IN_CHAIN",
      "UNABLE_TO_GET_ISSUER_CERT",
      "UNABLE_TO_GET_ISSUER_CERT_LOCALLY",
      "UNABLE_TO_VERIFY_LEAF_SIGNATURE"
    ]
  ],
  [insecure, ["InsecureEndpoint"]],
  [unreadable, ["ERR_INVALID_URL"]],
  [noCredentials, ["CredentialsProviderError", "ProviderError", "TokenProviderError"]]
]

/** By code: of SQS, of what stands before and behind it, of Node, of the SDK. */
export const table: ReadonlyMap<string, Rule> = new Map(
  rules.flatMap(([rule, codes]) => codes.map((code) => [code, rule] as const))
)

const byStatus = (fault: Fault, place: Place): Classified | undefined => {
  const { status } = fault
  if (status === undefined) return undefined
  const code = fault.codes[0] ?? `HTTP ${status}`
  if (status === 401 || status === 407) {
    const detail = status === 407 ? "by the proxy" : code
    return { reason: new QueueError.AuthenticationFailed({ detail }) }
  }
  if (status === 403) return denied(fault, place)
  if (status === 408) return timeout(fault, place)
  if (status === 429) return throttled(fault, place)
  return status >= 500 ? failure(code, "Transient") : undefined
}

const byMessage = (fault: Fault, place: Place): Classified | undefined => {
  const { message } = fault
  if (message.startsWith("Region is missing")) {
    const problem = "must be given, here or where the SDK looks for it (AWS_REGION)"
    return { reason: new QueueError.ConfigurationInvalid({ key: "region", problem }) }
  }
  if (/^Invalid(?: MD5 checksum|ChecksumError)/u.test(message)) return badChecksum(fault, place)
  return /socket hang up|proxy connection ended|socket disconnected/iu.test(message)
    ? disconnected({ ...fault, codes: ["ECONNRESET"] }, place)
    : undefined
}

const classified = (fault: Fault, place: Place): Classified => {
  for (const code of fault.codes) {
    const rule = table.get(code)
    if (rule !== undefined) return rule({ ...fault, codes: [code] }, place)
  }
  const known = byMessage(fault, place) ?? byStatus(fault, place)
  if (known !== undefined) return known
  // The service says of an entry whose fault it is, and only then is its own worth another try.
  return failure(fault.codes[0] ?? "unknown", fault.isSender === false ? "Transient" : "Never")
}

/** Codes come with a namespace (`com.amazonaws.sqs#`), the query protocol's with `AWS.SimpleQueueService.`. */
const bare = (code: string): string =>
  code.replace(/^.*#/u, "").replace(/^AWS\.SimpleQueueService\./u, "")

const property = (value: unknown, name: string): unknown =>
  Predicate.hasProperty(value, name) ? value[name] : undefined

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" && value !== "" ? value : undefined

/** Names that say nothing. */
const empty = new Set(["Error", "TypeError", "Unknown", "UnknownError"])

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined

/** A proxy, a role's source and a failed connection stand behind the error that shows. */
const behind = (thrown: unknown): ReadonlyArray<unknown> => {
  const errors = property(thrown, "errors")
  return [property(thrown, "cause"), ...(Array.isArray(errors) ? errors : [])]
}

const depthMax = 4

/** Node's own first: the SDK calls a reset connection a TimeoutError. */
const ownCodes = (thrown: unknown): ReadonlyArray<string> =>
  [
    property(thrown, "code"),
    property(thrown, "name"),
    property(thrown, "Code"),
    property(property(thrown, "Error"), "Code")
  ]
    .flatMap((code) => textOf(code) ?? [])
    .map(bare)
    .filter((code) => !empty.has(code))

/** What the credentials could not be fetched for says more than that they could not. */
const codesOf = (thrown: unknown, depth = 0): ReadonlyArray<string> => {
  const own = ownCodes(thrown)
  const deeper = depth === depthMax ? [] : behind(thrown).flatMap((one) => codesOf(one, depth + 1))
  const isVague = (code: string): boolean => /^(?:Credentials|Token)?Provider/u.test(code)
  return [...own.filter((code) => !isVague(code)), ...deeper, ...own.filter(isVague)]
}

/** Of Node's three names for it, that of the failure; a host and nothing else, so no secret of a URL. */
const ownServer = (thrown: unknown): string | undefined => {
  const host =
    textOf(property(thrown, "address")) ??
    textOf(property(thrown, "hostname")) ??
    textOf(property(thrown, "host"))
  if (host === undefined || !/^[\w.:-]{1,253}$/u.test(host)) return undefined
  const port = numberOf(property(thrown, "port"))
  if (port === undefined) return host
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`
}

/** Where both families of an address were tried, the first of them. */
const serverOf = (thrown: unknown, depth = 0): string | undefined => {
  const own = ownServer(thrown)
  if (own !== undefined || depth === depthMax) return own
  for (const one of behind(thrown)) {
    const server = serverOf(one, depth + 1)
    if (server !== undefined) return server
  }
  return undefined
}

const headerOf = (thrown: unknown, name: string): string | undefined =>
  textOf(property(property(property(thrown, "$response"), "headers"), name))

/** Seconds; a date would need a clock that agrees with the server's. */
const retryAfterOf = (thrown: unknown): Duration.Duration | undefined => {
  const header = headerOf(thrown, "retry-after")
  return header !== undefined && /^\d{1,5}$/u.test(header)
    ? Duration.seconds(Number(header))
    : undefined
}

const faultOf = (thrown: unknown): Fault => {
  const metadata = property(thrown, "$metadata")
  const response = property(thrown, "$response")
  const status = property(metadata, "httpStatusCode") ?? property(response, "statusCode")
  return {
    codes: codesOf(thrown),
    message: textOf(property(thrown, "message")) ?? "",
    ...Options.defined({ status: numberOf(status), server: serverOf(thrown) }),
    isClockCorrected: property(metadata, "clockSkewCorrected") === true
  }
}

/** The error of a whole call. What is unknown is never tried again. */
export const fromThrown = (thrown: unknown, place: Place): QueueError.QueueError => {
  const { reason, retry, retryAfter } = classified(faultOf(thrown), place)
  const after = retryAfterOf(thrown) ?? retryAfter
  return error(reason, place, { cause: thrown, ...Options.defined({ retry, retryAfter: after }) })
}

/** What SQS says of one entry of a batch that it did not take. */
export interface FailedEntry {
  readonly Code?: string | undefined
  readonly Message?: string | undefined
  readonly SenderFault?: boolean | undefined
}

/** The error of one entry of a batch. */
export const fromEntry = (entry: FailedEntry, place: Place): QueueError.QueueError => {
  const { Code, Message, SenderFault } = entry
  const fault = {
    codes: Code === undefined ? [] : [bare(Code)],
    message: Message ?? "",
    ...Options.defined({ isSender: SenderFault })
  }
  const { reason, retry, retryAfter } = classified(fault, place)
  return error(reason, place, Options.defined({ retry, retryAfter }))
}

/** An entry the service said nothing of: nobody knows. */
export const unanswered = (place: Place): QueueError.QueueError => {
  const { reason, retry } = failure("EntryUnanswered", "Transient")
  return error(reason, place, Options.defined({ retry }))
}

/** Whether the credentials were good once, so that others may be had from where they came. */
export const isExpired = (failed: QueueError.QueueError): boolean =>
  failed.cause instanceof QueueError.OriginalError &&
  codesOf(failed.cause.unwrap()).some((code) => table.get(code) === expiredToken)
