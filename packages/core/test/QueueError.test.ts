import { assert, describe, it } from "@effect/vitest"
import * as util from "node:util"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Logger from "effect/Logger"
import * as Schema from "effect/Schema"
import * as QueueError from "../src/QueueError.ts"
import { text, textOf } from "./support/arbitraries.ts"
import { originalError } from "./support/originalError.ts"

const until = DateTime.makeUnsafe("2026-11-21T10:00:00Z")
const batchFailure = (index: number) => ({
  index,
  reason: "Throttled",
  message: "slow down",
  retry: "Transient" as const
})

/** Every reason in each of its forms: what it says, and whether trying again makes sense. */
const table: ReadonlyArray<readonly [QueueError.Reason, QueueError.RetryState, string]> = [
  [
    new QueueError.QueueNotFound({ queue: "orders" }),
    "Never",
    'queue "orders" does not exist; create it first, the runtime makes none'
  ],
  [
    new QueueError.ReceiptExpired(),
    "Never",
    "the receipt is unknown, used or expired; the message is settled or will be delivered again"
  ],
  [
    new QueueError.SessionLocked({ sessionId: "s" }),
    "Transient",
    'session "s" is held by another receiver'
  ],
  [
    new QueueError.SessionLocked({ sessionId: "s", lockedUntil: until }),
    "Transient",
    'session "s" is held by another receiver until 2026-11-21T10:00:00.000Z'
  ],
  [
    new QueueError.SessionLockLost({ sessionId: "s" }),
    "Never",
    'the lock of session "s" is lost; accept the session again'
  ],
  [
    new QueueError.SettlementUnknown(),
    "Never",
    "the first settlement's reply was lost and its receipt is used: most likely it took effect"
  ],
  [new QueueError.Timeout({ after: Duration.seconds(10) }), "Transient", "no answer within 10s"],
  [new QueueError.ConnectionFailed({}), "Transient", "the connection failed"],
  [
    new QueueError.ConnectionFailed({ detail: "ECONNRESET" }),
    "Transient",
    "the connection failed: ECONNRESET"
  ],
  [new QueueError.AuthenticationFailed({}), "Never", "the service refused the credentials"],
  [
    new QueueError.AuthenticationFailed({ detail: "expired" }),
    "Never",
    "the service refused the credentials: expired"
  ],
  [
    new QueueError.PermissionDenied({ operation: "sqs:SendMessage" }),
    "Never",
    "permission denied: sqs:SendMessage"
  ],
  [new QueueError.Throttled(), "Transient", "the service throttles calls"],
  [
    new QueueError.MessageTooLarge({ actualBytes: 11, maximumBytes: 10, index: 4 }),
    "Never",
    "message 4 has 11 bytes and the limit is 10; nothing was sent"
  ],
  [
    new QueueError.BatchPartiallyFailed({ size: 10, failures: [batchFailure(4)] }),
    "Never",
    "1 of 10 failed (4: slow down)"
  ],
  [
    new QueueError.BatchPartiallyFailed({ size: 3, failures: [0, 1, 2].map(batchFailure) }),
    "Never",
    "3 of 3 failed (0: slow down; 1: slow down; 2: slow down)"
  ],
  [
    new QueueError.BatchPartiallyFailed({ size: 5, failures: [0, 1, 2, 3].map(batchFailure) }),
    "Never",
    "4 of 5 failed (0: slow down; 1: slow down; 2: slow down; …)"
  ],
  [
    new QueueError.QuotaExceeded({ resource: "the memory of the provider", maximum: 100 }),
    "Transient",
    "the memory of the provider is full: the maximum is 100"
  ],
  [
    new QueueError.CircuitOpen({ until }),
    "Transient",
    "the circuit breaker is open until 2026-11-21T10:00:00.000Z"
  ],
  [
    new QueueError.UnsupportedOperation({ what: "peek", provider: "aws-sqs" }),
    "Never",
    'peek is not supported by provider "aws-sqs" on this queue'
  ],
  [
    new QueueError.UnsupportedOperation({
      what: "a session",
      provider: "memory",
      remedy: "switch sessions on in its options"
    }),
    "Never",
    'a session is not supported by provider "memory" on this queue: switch sessions on in its options'
  ],
  [
    new QueueError.SerializationFailed({ direction: "encode", detail: "a: Expected string" }),
    "Never",
    "the body could not be encoded: a: Expected string"
  ],
  [
    new QueueError.SerializationFailed({ direction: "decode", detail: "not JSON" }),
    "Never",
    "the body could not be decoded: not JSON"
  ],
  [
    new QueueError.ConfigurationInvalid({ key: "QUEUE_NAME", problem: "must be set" }),
    "Never",
    "QUEUE_NAME: must be set"
  ],
  [
    new QueueError.ValidationFailed({ field: "queueName", problem: "must not contain --" }),
    "Never",
    "queueName: must not contain --"
  ],
  [
    new QueueError.UnencryptedMessage(),
    "Never",
    "the message is not encrypted and the policy of its queue rejects plaintext"
  ],
  [
    new QueueError.CryptoFailed({ failure: "KeyNotFound", detail: 'no key "k-1"' }),
    "Never",
    'KeyNotFound: no key "k-1"'
  ],
  [
    new QueueError.ProviderFailure({ provider: "aws-sqs", code: "InternalError" }),
    "Never",
    'provider "aws-sqs" failed with InternalError'
  ]
]

describe("reasons", () => {
  it("R2.1 every reason of the specification is there, and is in the table of this test", () => {
    const specified = [
      "QueueNotFound ReceiptExpired SessionLocked SessionLockLost SettlementUnknown Timeout",
      "ConnectionFailed AuthenticationFailed PermissionDenied Throttled MessageTooLarge",
      "BatchPartiallyFailed QuotaExceeded CircuitOpen UnsupportedOperation SerializationFailed",
      "ConfigurationInvalid ValidationFailed UnencryptedMessage CryptoFailed ProviderFailure"
    ].flatMap((line) => line.split(" "))
    const tags = (names: Iterable<string>) => [...new Set(names)].toSorted()
    assert.deepStrictEqual(tags(Object.keys(QueueError.defaultRetry)), tags(specified))
    assert.deepStrictEqual(tags(table.map(([reason]) => reason._tag)), tags(specified))
  })

  it.each(table)(
    "R2.1 R2.2 $_tag says what happened, and its retry state is $1",
    (reason, retry, message) => {
      assert.strictEqual(reason.message, message)
      const error = QueueError.make(reason)
      assert.strictEqual(error.retry, retry)
      assert.strictEqual(error.reason, reason)
      assert.strictEqual(error.message, `${reason._tag}: ${message}`)
      assert.instanceOf(error, Error)
      assert.instanceOf(reason, Error)
    }
  )

  it.effect.each(table)(
    "R2.1 $_tag comes back from JSON",
    Effect.fnUntraced(function* ([reason]) {
      const json = Schema.fromJsonString(Schema.toCodecJson(QueueError.QueueError))
      const context = { retryAfter: Duration.seconds(3), provider: "p", operation: "o", queue: "q" }
      const error = QueueError.make(reason, context)
      const encoded = yield* Schema.encodeEffect(json)(error)
      const back = yield* Schema.decodeEffect(json)(encoded)
      assert.instanceOf(back, QueueError.QueueError)
      assert.strictEqual(back.message, error.message)
      assert.strictEqual(yield* Schema.encodeEffect(json)(back), encoded)
    })
  )

  it.effect.each([
    "IntegrityFailed",
    "KeyNotFound",
    "EnvelopeExpired",
    "NonceReused",
    "UnsupportedVersion",
    "InvalidEnvelope"
  ] as const)("R8.4 %s is a failure of the cipher", (failure) =>
    Effect.sync(() => {
      const { message } = new QueueError.CryptoFailed({ failure, detail: "d" })
      assert.strictEqual(message, `${failure}: d`)
    })
  )

  it.effect("R2.1 a reason is caught by its tag", () =>
    Effect.gen(function* () {
      const failing: Effect.Effect<string, QueueError.QueueError> = Effect.fail(
        QueueError.make(new QueueError.QueueNotFound({ queue: "orders" }))
      )
      const caught = failing.pipe(
        Effect.catchReason("QueueError", "QueueNotFound", ({ queue }) => Effect.succeed(queue))
      )
      assert.strictEqual(yield* caught, "orders")
    })
  )
})

describe("QueueError", () => {
  const throttled = new QueueError.Throttled()

  it.each([
    [{}, ""],
    [{ operation: "send" }, "send: "],
    [{ queue: "orders" }, '"orders": '],
    [{ provider: "memory" }, "(memory): "],
    [{ operation: "send", queue: "orders", provider: "memory" }, 'send "orders" (memory): ']
  ] as const)("R2.1 the message begins with the place that is known: %j", (context, place) => {
    const error = QueueError.make(throttled, context)
    assert.strictEqual(error.message, `${place}Throttled: the service throttles calls`)
    assert.deepStrictEqual({ ...context, ...error }, { ...error })
  })

  it("R2.3 what is undefined is as if it were not known", () => {
    const unknown = { retry: undefined, retryAfter: undefined, cause: undefined }
    const error = QueueError.make(throttled, { ...unknown, operation: "send", queue: undefined })
    assert.deepStrictEqual(error, QueueError.make(throttled, { operation: "send" }))
    assert.notProperty(error, "queue")
  })

  it("R2.2 who raises it may know better than the reason, and when to try again", () => {
    const retryAfter = Duration.seconds(3)
    const error = QueueError.make(throttled, { retry: "Never", retryAfter })
    assert.strictEqual(error.retry, "Never")
    assert.deepStrictEqual(error.retryAfter, retryAfter)
  })

  it("R2.2 Transient and Exhausted are transient, Never is not", () => {
    const transient = QueueError.make(throttled)
    const exhausted = QueueError.exhausted(transient)
    const never = QueueError.make(new QueueError.ReceiptExpired())
    assert.isTrue(QueueError.isTransient(transient))
    assert.isTrue(QueueError.isTransient(exhausted))
    assert.isFalse(QueueError.isTransient(never))
  })

  it("R2.2 giving up makes Transient Exhausted and keeps everything else", () => {
    const context = {
      retryAfter: Duration.seconds(1),
      provider: "p",
      operation: "send",
      queue: "q",
      cause: QueueError.OriginalError.from(new Error("x"))
    }
    const error = QueueError.make(throttled, context)
    const exhausted = QueueError.exhausted(error)
    assert.strictEqual(exhausted.retry, "Exhausted")
    assert.deepStrictEqual({ ...exhausted }, { ...error, retry: "Exhausted" })
    assert.strictEqual(QueueError.exhausted(exhausted), exhausted)
    const never = QueueError.make(new QueueError.ReceiptExpired())
    assert.strictEqual(QueueError.exhausted(never), never)
  })

  it("R2.1 withContext adds what is not known yet, and takes nothing back", () => {
    const first = QueueError.make(throttled, { operation: "send" })
    const context = {
      operation: "settle",
      queue: "q",
      provider: "p",
      retryAfter: Duration.seconds(2)
    }
    const second = QueueError.withContext(first, context)
    assert.strictEqual(second.operation, "send")
    assert.strictEqual(second.queue, "q")
    assert.strictEqual(second.provider, "p")
    assert.deepStrictEqual(second.retryAfter, Duration.seconds(2))
    assert.strictEqual(second.retry, "Transient")
    assert.strictEqual(second.reason, first.reason)
    const third = QueueError.withContext(second, { queue: "other", retry: "Never" })
    assert.strictEqual(third.queue, "q")
    assert.strictEqual(third.retry, "Never")
    assert.strictEqual(first.queue, undefined)
  })

  it("R1.1 R10.1 the two constructors by name", () => {
    const validation = QueueError.validationFailed("field", "rule")
    assert.deepStrictEqual(
      validation.reason,
      new QueueError.ValidationFailed({ field: "field", problem: "rule" })
    )
    const plain = QueueError.configurationInvalid("KEY", "rule")
    assert.deepStrictEqual(
      plain.reason,
      new QueueError.ConfigurationInvalid({ key: "KEY", problem: "rule" })
    )
    assert.notProperty(plain, "cause")
    const original = new Error("boom")
    const caused = QueueError.configurationInvalid("KEY", "rule", original)
    assert.strictEqual(originalError(caused).unwrap(), original)
  })
})

describe("OriginalError", () => {
  it("R2.3 the original stays within reach, its name and its place too", () => {
    const original = new RangeError("out of range")
    const wrapped = QueueError.OriginalError.from(original)
    assert.instanceOf(wrapped, Error)
    assert.strictEqual(wrapped.unwrap(), original)
    assert.strictEqual(wrapped.name, "RangeError")
    assert.strictEqual(wrapped.message, "out of range")
    assert.strictEqual(wrapped.stack, original.stack)
    assert.strictEqual(QueueError.OriginalError.from(wrapped), wrapped)
  })

  it("R2.3 what make and withContext are given as a cause is wrapped, once", () => {
    const original = new Error("boom")
    const reason = new QueueError.ConnectionFailed({})
    const made = QueueError.make(reason, { cause: original })
    assert.strictEqual(originalError(made).unwrap(), original)
    const added = QueueError.withContext(QueueError.make(reason), { cause: original })
    assert.strictEqual(originalError(added).unwrap(), original)
    assert.strictEqual(QueueError.withContext(made, { queue: "q" }).cause, made.cause)
    assert.strictEqual(QueueError.make(reason, { cause: made }).cause, made)
  })

  const throwing = {
    toString: () => {
      throw new Error("toString threw")
    }
  }
  const strange = Object.defineProperties(new Error("x"), {
    message: { get: () => throwing.toString() },
    stack: { value: 7 },
    name: { value: undefined }
  })
  const stackless = Object.assign(new Error("boom"), { stack: undefined, name: "Odd" })

  it.each([
    ["a string", "a string", "Error", "Error: a string"],
    [undefined, "undefined", "Error", "Error: undefined"],
    [null, "null", "Error", "Error: null"],
    [42, "42", "Error", "Error: 42"],
    [Symbol("s"), "Symbol(s)", "Error", "Error: Symbol(s)"],
    [Object.create(null), "unprintable", "Error", "Error: unprintable"],
    [throwing, "unprintable", "Error", "Error: unprintable"],
    [strange, "unprintable", "Error", "7"],
    [stackless, "boom", "Odd", "Odd: boom"]
  ])(
    "R2.3 anything may be thrown, and wrapping it never throws: $1",
    (thrown, message, name, stack) => {
      const wrapped = QueueError.OriginalError.from(thrown)
      assert.strictEqual(wrapped.message, message)
      assert.strictEqual(wrapped.name, name)
      assert.strictEqual(wrapped.stack, stack)
      assert.strictEqual(wrapped.unwrap(), thrown)
    }
  )
})

describe("no secret", () => {
  it("R2.3 what a service said is shown without its secrets", () => {
    const secret = "c2VjcmV0c2VjcmV0"
    const detail = `refused SharedAccessKey=${secret}`
    const error = QueueError.make(new QueueError.ConnectionFailed({ detail }))
    const batch = new QueueError.BatchPartiallyFailed({
      size: 2,
      failures: [{ index: 0, reason: "ConnectionFailed", message: detail, retry: "Transient" }]
    })
    for (const one of [error, QueueError.make(batch)]) {
      assert.match(one.message, /refused SharedAccessKey=<redacted>/u)
      assert.notInclude(one.stack ?? "", secret)
      assert.notInclude(Cause.pretty(Cause.fail(one)), secret)
    }
  })

  const json = Schema.fromJsonString(Schema.toCodecJson(QueueError.QueueError))

  /** Everything a program does to show an error. */
  const renderings = Effect.fnUntraced(function* (error: QueueError.QueueError) {
    const lines: Array<string> = []
    const loggers = [Logger.formatJson, Logger.formatLogFmt, Logger.formatSimple].map((logger) =>
      Logger.map(logger, (line) => void lines.push(line))
    )
    yield* Effect.logError("failed", error).pipe(
      Effect.andThen(Effect.logError(Cause.fail(error))),
      Effect.provide(Logger.layer(loggers))
    )
    assert.lengthOf(lines, 6)
    const inner = error.cause
    return [
      error.message,
      error.stack,
      String(error),
      util.inspect(error, { depth: 20, showHidden: true, getters: true }),
      util.format("%s %o %O %j", error, error, error, error),
      Cause.pretty(Cause.fail(error)),
      Cause.pretty(Cause.die(error)),
      util.inspect(Cause.fail(error), { depth: 20 }),
      JSON.stringify(error),
      JSON.stringify(Cause.fail(error)),
      yield* Schema.encodeEffect(json)(error),
      String(inner),
      util.inspect(inner, { depth: 20, showHidden: true, getters: true }),
      JSON.stringify(inner),
      ...lines
    ]
  })

  const base64 = textOf("AZaz09+/", 40).pipe(
    Arbitrary.map((middle) => `c2Vj${middle}cmV0MTIzNDU2Nzg5MA=`)
  )
  const names = [
    "SharedAccessKey",
    "SharedAccessSignature",
    "AccountKey",
    "Password",
    "Pwd",
    "ClientSecret"
  ]

  /** A connection string with the secret under one of its names, anywhere among other parts. */
  const connectionString = Arbitrary.all({
    secret: base64,
    name: Arbitrary.schema(Schema.Literals(names)),
    spelling: Arbitrary.schema(Schema.Literals(["as is", "lower", "upper"])),
    equals: Arbitrary.schema(Schema.Literals(["=", " = ", "= ", ":", '":"', "='", '="'])),
    place: Arbitrary.schema(Schema.Literals([0, 1, 2, 3])),
    around: Arbitrary.schema(Schema.Literals(["", '"', "'", "("])),
    before: text,
    after: text
  }).pipe(
    Arbitrary.map(({ secret, name, spelling, equals, place, around, before, after }) => {
      const spelt = { "as is": name, lower: name.toLowerCase(), upper: name.toUpperCase() }[
        spelling
      ]
      const quote = /["']$/u.exec(equals)?.[0] ?? ""
      const parts = ["Endpoint=sb://ns/", "SharedAccessKeyName=Root", "EntityPath=orders"]
      const all = parts.toSpliced(place, 0, `${spelt}${equals}${secret}${quote}`)
      return { secret, shown: `${before} ${around}${all.join(";")}${around} ${after}` }
    })
  )

  const cause = Arbitrary.schema(
    Schema.Literals(["error", "string", "nested", "property", "thrown"])
  )

  it.effect.prop(
    "R2.3 a secret anywhere in a connection string never shows, however the error is shown",
    { connection: connectionString, cause },
    Effect.fnUntraced(function* ({ connection: { secret, shown }, cause: kind }) {
      const nested = Object.assign(new Error(shown), { connectionString: shown })
      const original: unknown = {
        error: new TypeError(shown),
        string: shown,
        nested: new Error("refused", { cause: nested }),
        property: Object.assign(new Error("refused"), { config: { connectionString: shown } }),
        thrown: { toString: () => shown, connectionString: shown }
      }[kind]
      const place = { provider: "azure-service-bus", operation: "send", queue: "orders" }
      const reason = new QueueError.ConnectionFailed({})
      const made = QueueError.make(reason, { ...place, cause: original })
      const configured = QueueError.configurationInvalid("KEY", "cannot be used", original)
      const added = QueueError.withContext(QueueError.make(reason), { ...place, cause: original })
      for (const error of [made, configured, added, QueueError.exhausted(made)]) {
        for (const [index, rendering] of (yield* renderings(error)).entries()) {
          assert.notInclude(rendering, secret, `rendering ${index}`)
        }
        // It is there for who asks for it.
        assert.strictEqual(originalError(error).unwrap(), original)
      }
    }),
    { arbitrary: { runs: 60 } }
  )

  it("R5.4 a refusal is one of credentials or rights, whatever its retry state", () => {
    const refused = [
      new QueueError.AuthenticationFailed({}),
      new QueueError.PermissionDenied({ operation: "receive" })
    ]
    for (const reason of refused) {
      for (const retry of ["Never", "Transient"] as const) {
        assert.isTrue(QueueError.isRefused(QueueError.make(reason, { retry })))
      }
    }
    const others = [
      new QueueError.ConnectionFailed({}),
      new QueueError.QueueNotFound({ queue: "orders" })
    ]
    for (const reason of others) assert.isFalse(QueueError.isRefused(QueueError.make(reason)))
  })
})

describe("the message that an error names", () => {
  const place = {
    provider: "p",
    operation: "send",
    queue: "orders",
    cause: new Error("of the SDK")
  }
  const tooLarge = QueueError.make(
    new QueueError.MessageTooLarge({ actualBytes: 300, maximumBytes: 256, index: 2 }),
    { ...place, retry: "Transient", retryAfter: Duration.seconds(3) }
  )
  const invalid = (field: string) => QueueError.validationFailed(field, "must be a message")

  it("R1.7 is told by its place, of a message too large and of a field of one alone", () => {
    const errors = [
      tooLarge,
      invalid("messages[12]"),
      invalid("messages[0].attributes"),
      invalid("messages"),
      invalid("body.messages[1]"),
      QueueError.make(new QueueError.Throttled())
    ]
    const places = errors.map(QueueError.indexOf)
    assert.deepStrictEqual(places, [2, 12, 0, undefined, undefined, undefined])
  })

  it("R1.7 has another place for who gave other messages, and all else stays as it was", () => {
    const moved = QueueError.mapIndex(tooLarge, (index) => index + 10)
    assert.deepStrictEqual(
      moved.reason,
      new QueueError.MessageTooLarge({ actualBytes: 300, maximumBytes: 256, index: 12 })
    )
    for (const field of ["operation", "provider", "queue", "retry", "retryAfter"] as const) {
      assert.isDefined(moved[field], field)
      assert.strictEqual(moved[field], tooLarge[field], field)
    }
    assert.isDefined(moved.cause)
    assert.strictEqual(moved.cause, tooLarge.cause)
    assert.strictEqual(
      QueueError.mapIndex(invalid("messages[3].delay"), (index) => index - 1).message,
      "ValidationFailed: messages[2].delay: must be a message"
    )
  })

  it("R1.7 an error that names none, or the same, is the same error", () => {
    const throttled = QueueError.make(new QueueError.Throttled())
    assert.strictEqual(
      QueueError.mapIndex(throttled, () => 7),
      throttled
    )
    assert.strictEqual(
      QueueError.mapIndex(tooLarge, (index) => index),
      tooLarge
    )
  })
})
