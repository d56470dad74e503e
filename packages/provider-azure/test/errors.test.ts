import { ServiceBusError } from "@azure/service-bus"
import { ErrorNameConditionMapper, MessagingError, translate } from "@azure/core-amqp"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import { QueueError } from "@queue-runtime/core"
import * as errors from "../src/internal/errors.ts"

const place: errors.Place = {
  operation: "send",
  queue: "orders",
  sessionId: "A",
  timeout: Duration.seconds(3),
  bytes: 10,
  bytesMax: 9
}

const verdict = (thrown: unknown): string => {
  const { reason, retry } = errors.fromThrown(thrown, place)
  return `${reason._tag} ${retry}`
}

const plainError = (message: string, more: object = {}): Error =>
  Object.assign(new Error(message), more)

describe("errors", () => {
  it.each([
    ["MessagingEntityNotFound", "QueueNotFound Never"],
    ["MessageLockLost", "ReceiptExpired Never"],
    ["MessageNotFound", "ReceiptExpired Never"],
    ["MessageSizeExceeded", "MessageTooLarge Never"],
    ["MessagingEntityAlreadyExists", "ProviderFailure Never"],
    ["MessagingEntityDisabled", "PermissionDenied Never"],
    ["QuotaExceeded", "QuotaExceeded Transient"],
    ["ServiceBusy", "Throttled Transient"],
    ["ServiceTimeout", "Timeout Transient"],
    ["ServiceCommunicationProblem", "ConnectionFailed Transient"],
    ["SessionCannotBeLocked", "SessionLocked Transient"],
    ["SessionLockLost", "SessionLockLost Never"],
    ["UnauthorizedAccess", "AuthenticationFailed Never"]
  ] as const)("R2.3 the code %s is %s", (code, expected) => {
    assert.strictEqual(verdict(new ServiceBusError("text", code)), expected)
  })

  it("R2.3 every AMQP condition that the SDK knows has its reason", () => {
    const unknown = Object.entries(ErrorNameConditionMapper)
      .filter(([, condition]) => typeof condition === "string")
      .filter(([name, condition]) => {
        const made = translate({ condition, description: "text" })
        const known = errors.table.has(made instanceof MessagingError ? (made.code ?? "") : "")
        return !known && !errors.table.has(name)
      })
    assert.deepStrictEqual(unknown, [])
  })

  it.each([
    ["amqp:internal-error", "ProviderFailure Transient"],
    ["amqp:link:detach-forced", "ConnectionFailed Transient"],
    ["amqp:connection:forced", "ConnectionFailed Transient"],
    ["com.microsoft:operation-cancelled", "ProviderFailure Transient"],
    ["amqp:not-allowed", "UnsupportedOperation Never"],
    ["com.microsoft:argument-error", "ProviderFailure Never"],
    ["com.microsoft:server-busy", "Throttled Transient"],
    ["client.sender:not-enough-link-credit", "Throttled Transient"],
    ["com.microsoft:session-cannot-be-locked", "SessionLocked Transient"],
    ["amqp:resource-limit-exceeded", "QuotaExceeded Transient"],
    ["amqp:not-found", "ConnectionFailed Transient"]
  ])("R2.3 the condition %s is %s, as GeneralError too", (condition, expected) => {
    const made = translate({ condition, description: "text" })
    assert.strictEqual(verdict(made), expected)
    const name = made instanceof MessagingError ? made.code : undefined
    assert.strictEqual(verdict(new ServiceBusError(`${name}: text`, "GeneralError")), expected)
  })

  it("R2.3 after several attempts the error is inside an AggregateError without a message", () => {
    const inside = new ServiceBusError("text", "SessionLockLost")
    assert.strictEqual(
      verdict(new AggregateError([new Error("x"), inside])),
      "SessionLockLost Never"
    )
    assert.strictEqual(verdict(new AggregateError([])), "ProviderFailure Never")
  })

  it.each([
    [
      "Unknown error occurred on the AMQP connection while receiving.",
      "ConnectionFailed Transient"
    ],
    ["The underlying AMQP connection is closed.", "ConnectionFailed Transient"],
    // What a call says whose connection was lost while it made its link, with no error to tell.
    ["Unknown error encountered.", "ConnectionFailed Transient"],
    ["Failed to connect", "ConnectionFailed Transient"],
    [
      "INTERNAL ERROR: failed to create receiver but without an error.",
      "ConnectionFailed Transient"
    ],
    ["Link failed to initialize, cannot get max message size.", "ConnectionFailed Transient"],
    [
      'The receiver for "orders" has been closed and can no longer be used.',
      "ConnectionFailed Transient"
    ],
    ["The message has either been deleted or already settled", "ReceiptExpired Never"],
    ["Failed to get token from the provided credential", "AuthenticationFailed Never"],
    ["The operation timed out", "Timeout Transient"],
    ["The messaging entity 'sb://x/orders' could not be found.", "QueueNotFound Never"],
    ["Something else", "ProviderFailure Never"]
  ])("R2.3 an error without a code goes by what it says: %s", (message, expected) => {
    assert.strictEqual(verdict(plainError(message)), expected)
  })

  it.each([
    [{ code: "ECONNREFUSED" }, "ConnectionFailed Transient"],
    [{ code: "ENOTFOUND" }, "ConnectionFailed Transient"],
    [{ code: "SELF_SIGNED_CERT_IN_CHAIN" }, "ConnectionFailed Never"],
    [{ name: "CredentialUnavailableError" }, "AuthenticationFailed Never"],
    [
      { name: "AggregateAuthenticationError", errors: [new Error("a")] },
      "AuthenticationFailed Never"
    ],
    [{ name: "AbortError" }, "ConnectionFailed Transient"],
    [{ name: "OperationTimeoutError" }, "Timeout Transient"]
  ])("R2.3 errors of Node and of credentials: %o is %s", (more, expected) => {
    assert.strictEqual(verdict(plainError("text", more)), expected)
  })

  it("R2.3 ECONNREFUSED hides in a GeneralError's message", () => {
    const thrown = new ServiceBusError("connect ECONNREFUSED 127.0.0.1:5671", "GeneralError")
    assert.strictEqual(verdict(thrown), "ConnectionFailed Transient")
  })

  const detailOf = (thrown: unknown, lostBy?: unknown): string | undefined => {
    const { reason } = errors.fromThrown(thrown, place, lostBy)
    assert(reason instanceof QueueError.ConnectionFailed)
    return reason.detail
  }

  const refused = plainError("connect ECONNREFUSED 127.0.0.1:5671", {
    code: "ECONNREFUSED",
    address: "127.0.0.1",
    port: 5671
  })

  it.each([
    [refused, "ECONNREFUSED 127.0.0.1:5671"],
    [
      plainError("connect", { code: "ECONNREFUSED", address: "::1", port: 5671 }),
      "ECONNREFUSED [::1]:5671"
    ],
    [
      plainError("getaddrinfo", { code: "ENOTFOUND", hostname: "nope.servicebus.windows.net" }),
      "ENOTFOUND nope.servicebus.windows.net"
    ],
    [
      plainError("no", { code: "ERR_TLS_CERT_ALTNAME_INVALID", host: "a.servicebus.windows.net" }),
      "ERR_TLS_CERT_ALTNAME_INVALID a.servicebus.windows.net"
    ],
    [
      new ServiceBusError("ENOTFOUND: getaddrinfo ENOTFOUND nope.example", "GeneralError"),
      "ENOTFOUND nope.example"
    ],
    [plainError("x", { code: "ENOTFOUND", hostname: "user:s3cret@acme" }), "ENOTFOUND"],
    [plainError("read ECONNRESET", { code: "ECONNRESET" }), "ECONNRESET"]
  ])("R2.1 the server that was not reached is named: %s", (thrown, detail) => {
    assert.strictEqual(detailOf(thrown), detail)
  })

  it("R2.1 what shares a connection that failed says why it did", () => {
    const reopening = new ServiceBusError(
      "Connection is reopening, aborting link initialization.",
      "GeneralError"
    )
    const detail = "ECONNREFUSED 127.0.0.1:5671"
    assert.strictEqual(detailOf(reopening, refused), detail)
    assert.strictEqual(detailOf(errors.lineLost, refused), detail)
    const { cause } = errors.fromThrown(reopening, place, refused)
    assert(cause instanceof QueueError.OriginalError)
    assert.strictEqual(cause.unwrap(), refused)
    assert.strictEqual(
      errors.fromThrown(reopening, place, plainError("x", { code: "CERT_HAS_EXPIRED" })).retry,
      "Never"
    )
    // What is known of neither, or says no more, stays.
    for (const lostBy of [undefined, new Error("closed"), plainError("x", { name: "Odd" })]) {
      assert.strictEqual(detailOf(reopening, lostBy), "it was lost, or did not come up")
    }
    // One that says itself what it is does.
    const full = new ServiceBusError("text", "ServiceCommunicationProblem")
    assert.strictEqual(detailOf(full, refused), "ServiceCommunicationProblem")
    assert.strictEqual(
      errors.fromThrown(new ServiceBusError("text", "ServiceBusy"), place, refused).reason._tag,
      "Throttled"
    )
  })

  it.each([
    [
      "It is not possible for an entity that requires sessions to create a non-sessionful message receiver.",
      "a use without a session",
      "it requires sessions in Azure; set sessions: true in its options"
    ],
    [
      "The SessionId was not set on a message, and it cannot be sent to the entity.",
      "a use without a session",
      "it requires sessions in Azure; set sessions: true in its options"
    ],
    [
      "A sessionful message receiver cannot be created on an entity that does not require sessions.",
      "a session",
      "it has none in Azure; set sessions: false in its options, or make it anew with sessions"
    ],
    ["The request is not allowed now", "the operation", undefined]
  ])(
    "R2.1 sessions that are otherwise in Azure than in the options: %s",
    (message, what, remedy) => {
      const thrown = new ServiceBusError(`InvalidOperationError: ${message}`, "GeneralError")
      const { reason } = errors.fromThrown(thrown, place)
      assert(reason._tag === "UnsupportedOperation")
      assert.deepStrictEqual([reason.what, reason.remedy], [what, remedy])
    }
  )

  it("R2.3 a missing right and an expired token are told apart from a wrong key", () => {
    const unauthorized = (message: string) => new ServiceBusError(message, "UnauthorizedAccess")
    const right = errors.fromThrown(unauthorized("'Send' claim(s) are required"), place)
    assert.strictEqual(right.reason._tag, "PermissionDenied")
    assert.include(right.message, "Send")
    assert.strictEqual(
      verdict(unauthorized("ExpiredToken: it expired")),
      "AuthenticationFailed Transient"
    )
    assert.strictEqual(verdict(unauthorized("InvalidSignature")), "AuthenticationFailed Never")
  })

  it("R2.2 throttling says how long to wait, or the service's own advice", () => {
    const busy = (message: string) =>
      errors.fromThrown(new ServiceBusError(message, "ServiceBusy"), place).retryAfter
    assert.deepStrictEqual(busy("Please wait 7 seconds and try again."), Duration.seconds(7))
    assert.deepStrictEqual(busy("busy"), Duration.seconds(2))
  })

  it("R2.1 reasons carry what is known of the call", () => {
    const { reason } = errors.fromThrown(new ServiceBusError("x", "MessageSizeExceeded"), place)
    assert.isTrue(reason instanceof QueueError.MessageTooLarge && reason.actualBytes === 10)
    const locked = errors.fromThrown(new ServiceBusError("x", "SessionCannotBeLocked"), place)
    assert.include(locked.message, '"A"')
    const quota = errors.fromThrown(new ServiceBusError("max is 5120 MB", "QuotaExceeded"), place)
    assert.isTrue(quota.reason instanceof QueueError.QuotaExceeded && quota.reason.maximum === 5120)
    assert.strictEqual(locked.provider, "azure-service-bus")
    assert.strictEqual(locked.queue, "orders")
  })

  it("R2.3 the original stays as the cause, and no secret is printed", () => {
    const secret = "c2VjcmV0LWtleQ=="
    const thrown = plainError(`Endpoint=sb://x/;SharedAccessKeyName=n;SharedAccessKey=${secret}`)
    const failed = errors.fromThrown(thrown, place)
    const { cause } = failed
    assert.isTrue(cause instanceof QueueError.OriginalError && cause.unwrap() === thrown)
    assert.notInclude(`${failed.message} ${String(failed.stack)} ${JSON.stringify(failed)}`, secret)
    assert.strictEqual(errors.fromThrown(failed, place), failed)
  })
})
