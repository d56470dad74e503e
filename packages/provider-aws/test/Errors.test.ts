import * as sdk from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { inspect } from "node:util"
import { Defaults, type QueueError } from "@queue-runtime/core"
import { AwsClient } from "../src/index.ts"
import * as errors from "../src/internal/errors.ts"
import * as Server from "./support/server.ts"

type Tag = QueueError.Reason["_tag"]
type Recorded = readonly [
  title: string,
  answer: Exclude<Server.Answer, string>,
  reason: Tag,
  retry: QueueError.RetryState
]

/** As SQS answers now: the JSON protocol, with the code of the query protocol in a header. */
const json = (
  type: string,
  message: string,
  queryCode?: string,
  status = 400
): Exclude<Server.Answer, string> => ({
  status,
  headers:
    queryCode === undefined
      ? {}
      : { "x-amzn-query-error": `${queryCode};${status < 500 ? "Sender" : "Receiver"}` },
  body: { __type: type, message }
})

const sqs = (name: string, message: string, queryCode?: string) =>
  json(`com.amazonaws.sqs#${name}`, message, queryCode)

const common = (name: string, message: string, status?: number) =>
  json(`com.amazon.coral.service#${name}`, message, undefined, status)

const recorded: ReadonlyArray<Recorded> = [
  [
    "QueueDoesNotExist",
    sqs(
      "QueueDoesNotExist",
      "The specified queue does not exist.",
      "AWS.SimpleQueueService.NonExistentQueue"
    ),
    "QueueNotFound",
    "Never"
  ],
  [
    "ReceiptHandleIsInvalid",
    sqs(
      "ReceiptHandleIsInvalid",
      'The input receipt handle "abc" is not valid.',
      "ReceiptHandleIsInvalid"
    ),
    "ReceiptExpired",
    "Never"
  ],
  [
    "InvalidParameterValue, expired",
    sqs(
      "InvalidParameterValueException",
      "Value AQEB for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
      "InvalidParameterValue"
    ),
    "ReceiptExpired",
    "Never"
  ],
  [
    "MessageNotInflight",
    sqs("MessageNotInflight", "", "AWS.SimpleQueueService.MessageNotInflight"),
    "ReceiptExpired",
    "Never"
  ],
  [
    "InvalidParameterValue, not in flight",
    sqs(
      "InvalidParameterValue",
      "Value AQEB for parameter ReceiptHandle is invalid. Reason: Message does not exist or is not available for visibility timeout change."
    ),
    "ReceiptExpired",
    "Never"
  ],
  [
    "OverLimit",
    sqs("OverLimit", "Too many messages in flight", "OverLimit"),
    "QuotaExceeded",
    "Transient"
  ],
  [
    "RequestThrottled",
    sqs("RequestThrottled", "Rate exceeded", "RequestThrottled"),
    "Throttled",
    "Transient"
  ],
  ["ThrottlingException", common("ThrottlingException", "Rate exceeded"), "Throttled", "Transient"],
  ["Throttling", common("Throttling", "Rate exceeded"), "Throttled", "Transient"],
  ["429 alone", { status: 429, body: {} }, "Throttled", "Transient"],
  [
    "KmsThrottled",
    sqs("KmsThrottled", "You have exceeded the rate", "KMS.ThrottlingException"),
    "Throttled",
    "Transient"
  ],
  [
    "KmsAccessDenied",
    sqs("KmsAccessDenied", "The ciphertext refers to a key", "KMS.AccessDeniedException"),
    "PermissionDenied",
    "Never"
  ],
  [
    "KmsDisabled",
    sqs("KmsDisabled", "disabled", "KMS.DisabledException"),
    "ProviderFailure",
    "Never"
  ],
  [
    "KmsNotFound",
    sqs("KmsNotFound", "no key", "KMS.NotFoundException"),
    "ProviderFailure",
    "Never"
  ],
  [
    "PurgeQueueInProgress",
    sqs(
      "PurgeQueueInProgress",
      "Only one PurgeQueue",
      "AWS.SimpleQueueService.PurgeQueueInProgress"
    ),
    "Throttled",
    "Transient"
  ],
  [
    "UnsupportedOperation",
    sqs("UnsupportedOperation", "no", "AWS.SimpleQueueService.UnsupportedOperation"),
    "UnsupportedOperation",
    "Never"
  ],
  [
    "InvalidMessageContents",
    sqs("InvalidMessageContents", "Invalid characters found.", "InvalidMessageContents"),
    "ValidationFailed",
    "Never"
  ],
  [
    "MissingParameter",
    sqs(
      "MissingRequiredParameterException",
      "The request must contain MessageGroupId.",
      "MissingParameter"
    ),
    "ValidationFailed",
    "Never"
  ],
  [
    "TooManyEntriesInBatchRequest",
    sqs(
      "TooManyEntriesInBatchRequest",
      "Maximum number of entries per request are 10. You have sent 11.",
      "AWS.SimpleQueueService.TooManyEntriesInBatchRequest"
    ),
    "ValidationFailed",
    "Never"
  ],
  [
    "BatchRequestTooLong",
    sqs(
      "BatchRequestTooLong",
      "Batch requests cannot be longer than 1048576 bytes. You have sent 1048600 bytes.",
      "AWS.SimpleQueueService.BatchRequestTooLong"
    ),
    "MessageTooLarge",
    "Never"
  ],
  [
    "InvalidClientTokenId",
    common("InvalidClientTokenId", "The security token included in the request is invalid.", 403),
    "AuthenticationFailed",
    "Never"
  ],
  [
    "UnrecognizedClientException",
    common("UnrecognizedClientException", "The security token is invalid", 403),
    "AuthenticationFailed",
    "Never"
  ],
  [
    "SignatureDoesNotMatch",
    common("SignatureDoesNotMatch", "The request signature we calculated does not match", 403),
    "AuthenticationFailed",
    "Never"
  ],
  [
    "SignatureDoesNotMatch, expired",
    common("SignatureDoesNotMatch", "Signature expired: 20261121T100000Z is now earlier than", 403),
    "AuthenticationFailed",
    "Transient"
  ],
  [
    "RequestTimeTooSkewed",
    common("RequestTimeTooSkewed", "The difference between the request time", 403),
    "AuthenticationFailed",
    "Transient"
  ],
  [
    "MissingAuthenticationToken",
    common("MissingAuthenticationTokenException", "Request is missing Authentication Token", 403),
    "AuthenticationFailed",
    "Never"
  ],
  [
    "AccessDenied",
    common(
      "AccessDeniedException",
      "User: arn:aws:iam::111122223333:user/bob is not authorized to perform: sqs:sendmessage on resource: arn:aws:sqs:eu-west-1:111122223333:q",
      403
    ),
    "PermissionDenied",
    "Never"
  ],
  ["403 alone", { status: 403, body: {} }, "PermissionDenied", "Never"],
  ["401 alone", { status: 401, body: {} }, "AuthenticationFailed", "Never"],
  ["407 of a proxy", { status: 407, body: "" }, "AuthenticationFailed", "Never"],
  [
    "InternalError",
    common("InternalError", "We encountered an internal error.", 500),
    "ProviderFailure",
    "Transient"
  ],
  ["ServiceUnavailable", common("ServiceUnavailable", "down", 503), "ProviderFailure", "Transient"],
  [
    "a load balancer's page",
    { status: 502, headers: { "content-type": "text/html" }, body: "<html>Bad Gateway</html>" },
    "ProviderFailure",
    "Transient"
  ],
  ["an unknown code", sqs("BrandNewFault", "who knows"), "ProviderFailure", "Never"],
  [
    "a page that says it is fine",
    { status: 200, headers: { "content-type": "text/html" }, body: "<html>Log in</html>" },
    "ProviderFailure",
    "Never"
  ]
]

/** As SQS answered before, and as others still do. */
const query = (code: string, message: string, type = "Sender"): Exclude<Server.Answer, string> => ({
  status: type === "Sender" ? 400 : 500,
  headers: { "content-type": "text/xml" },
  body:
    '<?xml version="1.0"?><ErrorResponse xmlns="http://queue.amazonaws.com/doc/2012-11-05/"><Error>' +
    `<Type>${type}</Type><Code>${code}</Code><Message>${message}</Message><Detail/></Error>` +
    "<RequestId>7e1b4b0e-0000-5000-9000-1d1f3c5f2f0a</RequestId></ErrorResponse>"
})

/** The codes of the query protocol, as the SDK finds them in the header or in `Error.Code`. */
const queryCodes: ReadonlyArray<
  readonly [code: string, reason: Tag, retry: QueueError.RetryState]
> = [
  ["AWS.SimpleQueueService.NonExistentQueue", "QueueNotFound", "Never"],
  ["AWS.SimpleQueueService.QueueDeletedRecently", "QueueNotFound", "Never"],
  ["AWS.SimpleQueueService.MessageNotInflight", "ReceiptExpired", "Never"],
  ["AWS.SimpleQueueService.BatchEntryIdsNotDistinct", "ValidationFailed", "Never"],
  ["AWS.SimpleQueueService.EmptyBatchRequest", "ValidationFailed", "Never"],
  ["AWS.SimpleQueueService.InvalidBatchEntryId", "ValidationFailed", "Never"],
  ["AWS.SimpleQueueService.UnsupportedOperation", "UnsupportedOperation", "Never"],
  ["KMS.ThrottlingException", "Throttled", "Transient"],
  ["KMS.AccessDeniedException", "PermissionDenied", "Never"],
  ["OverLimit", "QuotaExceeded", "Transient"],
  ["RequestThrottled", "Throttled", "Transient"],
  ["InternalFailure", "ProviderFailure", "Transient"],
  ["AccessDenied", "PermissionDenied", "Never"]
]

const world = Effect.fnUntraced(function* (answer: Server.Answer) {
  const server = yield* Server.make(() => answer)
  const client = yield* AwsClient.make({
    region: "eu-west-1",
    endpoint: server.url,
    credentials: {
      _tag: "Keys",
      accessKeyId: "AKIAIOSFODNN7EXAMPLE",
      secretAccessKey: "wJalrXUtnFEMI-K7MDENG-bPxRfiCYEXAMPLEKEY",
      sessionToken: "FwoGZXIvYXdzEXAMPLETOKEN"
    }
  })
  return { server, client }
})

const sent = new sdk.SendMessageCommand({
  QueueUrl: "https://host/0/orders",
  MessageBody: "SECRETBODY"
})

const failing = (client: AwsClient.Service) =>
  Effect.flip(
    client.use((self, abortSignal) => self.send(sent, { abortSignal }), {
      operation: "send",
      queue: "orders"
    })
  )

describe("errors of calls", () => {
  it.live.each(recorded)(
    "R2.3 the SDK's error for %s has its reason",
    ([, answer, reason, retry]) =>
      Effect.gen(function* () {
        const { client } = yield* world(answer)
        const error = yield* failing(client)
        assert.strictEqual(error.reason._tag, reason, error.message)
        assert.strictEqual(error.retry, retry)
        assert.deepInclude(error, { provider: "aws-sqs", operation: "send", queue: "orders" })
        assert.isDefined(error.cause)
        const shown = `${inspect(error, { depth: 9 })}${JSON.stringify(error)}${String(error)}`
        for (const secret of ["wJalrXUtn", "FwoGZXIv", "SECRETBODY", "AKIAIOSFODNN7EXAMPLE"]) {
          assert.notInclude(shown, secret)
        }
      })
  )

  it.live.each(queryCodes)(
    "R2.3 the query protocol's code %s, in the header",
    ([code, reason, retry]) =>
      Effect.gen(function* () {
        const { client } = yield* world(json("com.amazonaws.sqs#Whatever", "words", code))
        const error = yield* failing(client)
        assert.strictEqual(error.reason._tag, reason)
        assert.strictEqual(error.retry, retry)
      })
  )

  it.live("R2.3 an answer of the query protocol's own goes by its status", () =>
    Effect.gen(function* () {
      const internal = yield* world(query("InternalError", "We encountered an error", "Receiver"))
      assert.strictEqual((yield* failing(internal.client)).retry, "Transient")
      const sender = yield* world(query("AWS.SimpleQueueService.NonExistentQueue", "no"))
      assert.strictEqual((yield* failing(sender.client)).retry, "Never")
    })
  )

  it.live("R2.2 how long to wait, where the service says so", () =>
    Effect.gen(function* () {
      const { client } = yield* world({
        ...common("ThrottlingException", "slow"),
        headers: { "retry-after": "7" }
      })
      assert.deepStrictEqual((yield* failing(client)).retryAfter, Duration.seconds(7))
      const purging = yield* world(sqs("PurgeQueueInProgress", "wait"))
      assert.deepStrictEqual((yield* failing(purging.client)).retryAfter, Defaults.sqsPurgeInterval)
    })
  )

  it.live("R2.3 a refused parameter is named, its value is not", () =>
    Effect.gen(function* () {
      const { client } = yield* world(
        sqs(
          "InvalidParameterValue",
          "Value hunter2 for parameter MessageGroupId is invalid. Reason: MessageGroupId can only include alphanumeric and punctuation characters. 1 to 128 in length."
        )
      )
      const { reason } = yield* failing(client)
      assert(reason._tag === "ValidationFailed")
      assert.strictEqual(reason.field, "MessageGroupId")
      assert.include(reason.problem, "alphanumeric and punctuation")
      assert.notInclude(reason.message, "hunter2")
    })
  )

  it.live("R2.1 sizes are those the service says", () =>
    Effect.gen(function* () {
      const { client } = yield* world(
        sqs(
          "BatchRequestTooLong",
          "Batch requests cannot be longer than 262144 bytes. You have sent 262145 bytes."
        )
      )
      assert.deepInclude((yield* failing(client)).reason, {
        actualBytes: 262_145,
        maximumBytes: 262_144
      })
    })
  )

  it.live("R2.1 PermissionDenied says what was not allowed, and not who asked", () =>
    Effect.gen(function* () {
      const { client } = yield* world(
        common(
          "AccessDenied",
          "User: arn:aws:iam::1:user/bob is not authorized to perform: sqs:sendmessage on resource: x",
          403
        )
      )
      assert.deepInclude((yield* failing(client)).reason, { operation: "sqs:sendmessage" })
    })
  )

  it.live("R2.3 a server's clock that differs is corrected by the SDK and worth another try", () =>
    Effect.gen(function* () {
      const { client } = yield* world({
        ...common("InvalidSignatureException", "Signature is wrong", 403),
        headers: { date: "Wed, 21 Nov 2029 12:00:00 GMT" }
      })
      const error = yield* failing(client)
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
      assert.strictEqual(error.retry, "Transient")
    })
  )

  it.live("R2.3 fixed keys that have expired are not worth another try", () =>
    Effect.gen(function* () {
      const { client } = yield* world(common("ExpiredTokenException", "The token has expired", 403))
      const error = yield* failing(client)
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.live("R2.3 a reset connection is ConnectionFailed, though the SDK calls it a time-out", () =>
    Effect.gen(function* () {
      const { client } = yield* world("reset")
      const error = yield* failing(client)
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(error.retry, "Transient")
    })
  )

  it.live("R2.3 a message whose checksum is wrong may be received again", () =>
    Effect.gen(function* () {
      const { client } = yield* world({
        body: { MessageId: "1", MD5OfMessageBody: "0".repeat(32) }
      })
      const error = yield* failing(client)
      assert.deepInclude(error.reason, { code: "InvalidChecksum" })
      assert.strictEqual(error.retry, "Transient")
    })
  )
})

const thrown: ReadonlyArray<
  readonly [title: string, error: unknown, reason: Tag, retry: QueueError.RetryState]
> = [
  ...(
    [
      "ECONNREFUSED",
      "ECONNRESET",
      "EPIPE",
      "ENOTFOUND",
      "EAI_AGAIN",
      "EHOSTUNREACH",
      "ENETUNREACH"
    ] as const
  ).map(
    (code) =>
      [
        code,
        Object.assign(new Error(`connect ${code}`), { code }),
        "ConnectionFailed",
        "Transient"
      ] as const
  ),
  [
    "an AggregateError of both families",
    new AggregateError([Object.assign(new Error("connect"), { code: "ECONNREFUSED" })]),
    "ConnectionFailed",
    "Transient"
  ],
  ["a hang-up without a code", new Error("socket hang up"), "ConnectionFailed", "Transient"],
  [
    "an abort",
    Object.assign(new Error("Request aborted"), { name: "AbortError" }),
    "ConnectionFailed",
    "Transient"
  ],
  [
    "a time-out of the handler",
    Object.assign(new Error("timeout of 30000 ms."), { name: "TimeoutError" }),
    "Timeout",
    "Transient"
  ],
  [
    "a certificate nobody trusts",
    Object.assign(new Error("self-signed"), { code: "DEPTH_ZERO_SELF_SIGNED_CERT" }),
    "ConnectionFailed",
    "Never"
  ],
  [
    "no credentials at all",
    Object.assign(new Error("Could not load credentials from any providers"), {
      name: "CredentialsProviderError"
    }),
    "AuthenticationFailed",
    "Never"
  ],
  [
    "a metadata service that does not answer",
    Object.assign(new Error("TimeoutError from instance metadata service"), {
      name: "ProviderError"
    }),
    "AuthenticationFailed",
    "Transient"
  ],
  [
    "a metadata service that refuses",
    Object.assign(new Error("Unable to connect to instance metadata service"), {
      name: "ProviderError",
      code: "ECONNREFUSED"
    }),
    "ConnectionFailed",
    "Transient"
  ],
  ["no region", new Error("Region is missing"), "ConfigurationInvalid", "Never"],
  ["a string", "boom", "ProviderFailure", "Never"],
  ["nothing", undefined, "ProviderFailure", "Never"]
]

describe("errors of Node and the SDK", () => {
  it.each(thrown)("R2.3 %s", (_, error, reason, retry) => {
    const mapped = errors.fromThrown(error, { operation: "send" })
    assert.strictEqual(mapped.reason._tag, reason)
    assert.strictEqual(mapped.retry, retry)
  })

  const node = (code: string, more: object) => Object.assign(new Error(code), { code, ...more })

  it.each([
    [node("ECONNREFUSED", { address: "127.0.0.1", port: 1 }), "ECONNREFUSED 127.0.0.1:1"],
    [node("ECONNREFUSED", { address: "::1", port: 9324 }), "ECONNREFUSED [::1]:9324"],
    [node("ENOTFOUND", { hostname: "sqs.example.com" }), "ENOTFOUND sqs.example.com"],
    [
      node("ERR_TLS_CERT_ALTNAME_INVALID", { host: "sqs.example.com" }),
      "ERR_TLS_CERT_ALTNAME_INVALID sqs.example.com"
    ],
    [
      Object.assign(
        new AggregateError([
          node("ECONNREFUSED", { address: "::1", port: 2 }),
          node("ECONNREFUSED", { address: "127.0.0.1", port: 2 })
        ]),
        { code: "ECONNREFUSED" }
      ),
      "ECONNREFUSED [::1]:2"
    ],
    [
      new Error("Could not load credentials", {
        cause: node("EHOSTUNREACH", { address: "169.254.169.254", port: 80 })
      }),
      "EHOSTUNREACH 169.254.169.254:80"
    ],
    [node("ECONNREFUSED", { address: "/run/sqs.sock" }), "ECONNREFUSED"],
    [node("ENOTFOUND", { hostname: "user:s3cret@sqs.example.com" }), "ENOTFOUND"],
    [node("ECONNRESET", {}), "ECONNRESET"]
  ])("R2.1 the server that was not reached is named: %s", (error, detail) => {
    const { reason } = errors.fromThrown(error, { operation: "send" })
    assert.deepInclude(reason, { _tag: "ConnectionFailed", detail })
  })

  it("R2.3 a chain without an end and without a server ends", () => {
    const error = node("EPIPE", {})
    error.cause = error
    const { reason } = errors.fromThrown(error, { operation: "send" })
    assert.deepInclude(reason, { detail: "EPIPE" })
  })

  it("R2.1 Timeout says how long the handler waited", () => {
    const error = Object.assign(new Error("within the configured timeout of 30000 ms."), {
      name: "TimeoutError"
    })
    const { reason } = errors.fromThrown(error, { operation: "send" })
    assert.deepInclude(reason, { after: Duration.seconds(30) })
  })

  it("R2.3 a cause that is its own cause ends", () => {
    const error = new Error("round")
    error.cause = error
    assert.strictEqual(errors.fromThrown(error, { operation: "x" }).retry, "Never")
  })

  it("R2.3 every error the SDK's model has is in the table", () => {
    const known = new Set(errors.table.keys())
    // The classes of its namespace are what it can throw.
    const names = Object.entries(sdk).flatMap(([name, value]) =>
      typeof value === "function" && value.prototype instanceof sdk.SQSServiceException
        ? [name]
        : []
    )
    assert.isAbove(names.length, 25)
    assert.deepStrictEqual(
      names.filter((name) => !known.has(name)),
      []
    )
  })
})

describe("errors of batch entries", () => {
  const entry = (Code: string, Message: string, SenderFault: boolean) =>
    errors.fromEntry({ Code, Message, SenderFault }, { operation: "remove", queue: "orders" })

  it("R2.2 the table goes first, then whose fault it is", () => {
    assert.strictEqual(entry("ReceiptHandleIsInvalid", "", true).reason._tag, "ReceiptExpired")
    const expired =
      "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired."
    assert.strictEqual(entry("InvalidParameterValue", expired, true).reason._tag, "ReceiptExpired")
    assert.strictEqual(entry("InternalError", "oops", false).retry, "Transient")
    assert.strictEqual(entry("NewCode", "oops", false).retry, "Transient")
    assert.strictEqual(entry("NewCode", "oops", true).retry, "Never")
    assert.strictEqual(entry("ThrottlingException", "", false).reason._tag, "Throttled")
  })

  it("R1.7 an entry that is too large has its size and its place", () => {
    const place = { operation: "send", bytes: 2_000_000, index: 3 }
    const message =
      "One or more parameters are invalid. Reason: Message must be shorter than 1048576 bytes."
    const error = errors.fromEntry({ Code: "InvalidParameterValue", Message: message }, place)
    assert.deepInclude(error.reason, {
      _tag: "MessageTooLarge",
      actualBytes: 2_000_000,
      maximumBytes: 1_048_576,
      index: 3
    })
  })

  it("R3.9 an entry nobody answered may be tried again", () => {
    assert.strictEqual(errors.unanswered({ operation: "send" }).retry, "Transient")
  })
})
