import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SchemaGetter from "effect/SchemaGetter"
import * as Message from "../src/Message.ts"
import * as MessageId from "../src/MessageId.ts"
import * as QueueError from "../src/QueueError.ts"
import * as SessionId from "../src/SessionId.ts"
import * as arbitraries from "./support/arbitraries.ts"
import { untyped } from "./support/untyped.ts"

const empty = new Uint8Array()
const messageId = MessageId.makeUnsafe("m-1")
const sessionId = SessionId.makeUnsafe("s-1")
const utf8 = (text: string) => new Uint8Array(Buffer.from(text, "utf8"))

const full = {
  attributes: { team: "shop" },
  sessionId,
  correlationId: "c-1",
  contentType: "application/octet-stream",
  timeToLive: Duration.minutes(1),
  delay: Duration.seconds(5),
  messageId
}

/** What an attribute record holds, whatever prototype it has. */
const entries = (attributes: Message.Attributes) => Object.entries(attributes)

const assertSame = (actual: Message.Message, expected: Message.Message) => {
  assert.instanceOf(actual, Message.Message)
  assert.deepStrictEqual(entries(actual.attributes), entries(expected.attributes))
  assert.deepStrictEqual({ ...actual, attributes: {} }, { ...expected, attributes: {} })
}

describe("bytes", () => {
  it.effect("R1.3 a message has the body and what it was given, and nothing else", () =>
    Effect.gen(function* () {
      const body = Uint8Array.of(0, 255, 0xc3)
      assert.deepStrictEqual({ ...(yield* Message.bytes(body)) }, { body, attributes: {} })
      assert.deepStrictEqual({ ...(yield* Message.bytes(body, full)) }, { body, ...full })
      const scheduled = { scheduledAt: DateTime.makeUnsafe(5), messageId }
      const message = yield* Message.bytes(empty, scheduled)
      assert.deepStrictEqual({ ...message }, { body: empty, attributes: {}, ...scheduled })
    })
  )

  it.effect("R1.3 an undefined option is none that was given", () =>
    Effect.gen(function* () {
      const unknown: Message.Options = untyped({
        ...Object.fromEntries(Object.keys(full).map((name) => [name, undefined])),
        scheduledAt: undefined
      })
      assert.deepStrictEqual(yield* Message.bytes(empty, unknown), yield* Message.bytes(empty))
      assert.deepStrictEqual(yield* Message.text("a", unknown), yield* Message.text("a"))
      assert.deepStrictEqual(yield* Message.json(1, unknown), yield* Message.json(1))
      const encode = Message.schema(Schema.Number)
      assert.deepStrictEqual(yield* encode(1, unknown), yield* encode(1))
    })
  )

  const at = DateTime.makeUnsafe(0)

  it.effect.each([
    ["contentType", { contentType: "" }, "at least 1"],
    ["contentType", { contentType: "\ud800" }, "well-formed Unicode"],
    ["correlationId", { correlationId: "" }, "at least 1"],
    ["correlationId", { correlationId: "a\udc00" }, "well-formed Unicode"],
    ["messageId", { messageId: untyped("é") }, "must have 1–128 printable ASCII characters"],
    ["messageId", { messageId: untyped("") }, "got 0 characters"],
    ["sessionId", { sessionId: untyped("x".repeat(129)) }, "got 129 characters"],
    ["timeToLive", { timeToLive: Duration.zero }, "must be above zero and at most 365000d"],
    ["timeToLive", { timeToLive: Duration.seconds(-1) }, "must be above zero and at most 365000d"],
    ["timeToLive", { timeToLive: Duration.infinity }, "must be above zero and at most 365000d"],
    ["timeToLive", { timeToLive: untyped(5) }, "Expected Duration"],
    ["delay", { delay: Duration.seconds(-1) }, "must be zero or more and at most 365000d"],
    ["delay", { delay: Duration.nanos(-1n) }, "must be zero or more and at most 365000d"],
    ["delay", { delay: Duration.days(365_001) }, "must be zero or more and at most 365000d"],
    ["timeToLive", { timeToLive: Duration.days(365_001) }, "at most 365000d"],
    ["delay", { delay: Duration.infinity }, "must be zero or more and at most 365000d"],
    [
      "delay",
      { delay: Duration.zero, scheduledAt: at },
      "must not stand together with scheduledAt"
    ],
    ["scheduledAt", { scheduledAt: untyped(new Date(0)) }, "Expected DateTime.Utc"],
    ["attributes", { attributes: { "": "x" } }, "must be well-formed Unicode and not empty"],
    ["attributes", { attributes: { "\ud800": "x" } }, "must be well-formed Unicode and not empty"],
    ["attributes.team", { attributes: { team: "\udfff" } }, "must be well-formed Unicode"],
    ["attributes.team", { attributes: { team: untyped(7) } }, "Expected string"]
  ] as const)(
    "R1.1 R1.3 a bad %s is refused when the message is made: %j",
    Effect.fnUntraced(function* ([field, options, problem]) {
      const error = yield* Effect.flip(Message.bytes(empty, options))
      if (error.reason._tag !== "ValidationFailed") return assert.fail(error.message)
      assert.strictEqual(error.reason.field, field)
      assert.include(error.reason.problem, problem)
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect("R1.3 a body that is no bytes, and a message that is none, are refused", () =>
    Effect.gen(function* () {
      const body = yield* Effect.flip(Message.bytes(untyped("text")))
      assert.strictEqual(body.message, "ValidationFailed: body: Expected Uint8Array")
      const both = { delay: Duration.zero, scheduledAt: at }
      assert.include((yield* Effect.flip(Message.bytes(empty, both))).message, "delay: must not")
    })
  )

  it.effect.each([{ delay: Duration.zero }, { timeToLive: Duration.nanos(1n) }])(
    "R1.3 the smallest times are times",
    Effect.fnUntraced(function* (options) {
      assert.deepStrictEqual(
        { ...(yield* Message.bytes(empty, options)) },
        { body: empty, attributes: {}, ...options }
      )
    })
  )

  it.effect.prop(
    "R1.3 R1.5 whatever the bytes, attributes and options, the message has exactly them",
    { body: arbitraries.bytes, options: arbitraries.options },
    Effect.fnUntraced(function* ({ body, options }) {
      const message = yield* Message.bytes(body, options)
      const { attributes = {}, ...rest } = options
      assert.deepStrictEqual(entries(message.attributes), entries(attributes))
      assert.deepStrictEqual({ ...message, attributes: {} }, { body, attributes: {}, ...rest })
    })
  )
})

describe("text", () => {
  it.effect("R1.3 R1.6 text is its UTF-8 bytes and says so", () =>
    Effect.gen(function* () {
      const message = yield* Message.text("größe 😀\u0000", { messageId })
      assert.deepStrictEqual(message.body, utf8("größe 😀\u0000"))
      assert.strictEqual(message.contentType, "text/plain; charset=utf-8")
      assert.strictEqual(message.messageId, messageId)
      const own = yield* Message.text("a,b", { contentType: "text/csv" })
      assert.strictEqual(own.contentType, "text/csv")
      assert.deepStrictEqual((yield* Message.text("")).body, empty)
    })
  )

  it.effect("R1.3 text that has no UTF-8 form is refused, not changed", () =>
    Effect.gen(function* () {
      for (const value of [undefined, null, 7, {}]) {
        const { message } = yield* Effect.flip(Message.text(untyped(value)))
        assert.strictEqual(message, "ValidationFailed: body: must be well-formed Unicode")
      }
      const error = yield* Effect.flip(Message.text("a\ud800"))
      assert.strictEqual(error.message, "ValidationFailed: body: must be well-formed Unicode")
      const options = yield* Effect.flip(Message.text("a", { correlationId: "" }))
      assert.include(options.message, "correlationId")
    })
  )
})

describe("json", () => {
  it.effect("R1.3 a value is its JSON text and says so", () =>
    Effect.gen(function* () {
      const message = yield* Message.json({ a: [1, "é", null] })
      assert.deepStrictEqual(message.body, utf8('{"a":[1,"é",null]}'))
      assert.strictEqual(message.contentType, "application/json")
      const own = yield* Message.json(null, {
        contentType: "application/vnd.github+json",
        messageId
      })
      assert.deepStrictEqual(own.body, utf8("null"))
      assert.strictEqual(own.contentType, "application/vnd.github+json")
      assert.strictEqual(own.messageId, messageId)
    })
  )

  const cycle: { self?: unknown } = {}
  cycle.self = cycle

  it.effect.each([
    [cycle, "the value has no JSON form: a bigint, a cycle, or a toJSON that throws", true],
    [1n, "the value has no JSON form: a bigint, a cycle, or a toJSON that throws", true],
    [
      { toJSON: () => JSON.parse("{") },
      "the value has no JSON form: a bigint, a cycle, or a toJSON that throws",
      true
    ],
    [undefined, "undefined has no JSON form", false],
    [Symbol.iterator, "symbol has no JSON form", false],
    [() => 1, "function has no JSON form", false]
  ] as const)(
    "R2.3 what JSON cannot hold is SerializationFailed: $1",
    Effect.fnUntraced(function* ([value, detail, hasCause]) {
      const error = yield* Effect.flip(Message.json(value))
      const reason = new QueueError.SerializationFailed({ direction: "encode", detail })
      assert.deepStrictEqual(error.reason, reason)
      assert.strictEqual(error.cause instanceof QueueError.OriginalError, hasCause)
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect("R1.3 a bad option is ValidationFailed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Message.json({}, { contentType: "" }))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
    })
  )
})

describe("schema", () => {
  const Order = Schema.Struct({ id: Schema.String, placed: Schema.DateTimeUtc, n: Schema.BigInt })
  const make = Message.schema(Order)
  const order = { id: "o-1", placed: DateTime.makeUnsafe(0), n: 7n }

  it.effect("R1.3 a value is encoded by its schema, then JSON", () =>
    Effect.gen(function* () {
      const message = yield* make(order, { sessionId })
      const json: unknown = JSON.parse(Buffer.from(message.body).toString("utf8"))
      assert.deepStrictEqual(json, { id: "o-1", placed: "1970-01-01T00:00:00.000Z", n: "7" })
      assert.strictEqual(message.contentType, "application/json")
      assert.strictEqual(message.sessionId, sessionId)
      const own = yield* make(order, { contentType: "application/x-order" })
      assert.strictEqual(own.contentType, "application/x-order")
    })
  )

  it.effect("R2.3 what the schema does not take says where, and never shows the value", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(make({ ...order, placed: untyped("hunter2") }))
      const detail = "placed: Expected DateTime.Utc"
      const reason = new QueueError.SerializationFailed({ direction: "encode", detail })
      assert.deepStrictEqual(error.reason, reason)
      assert.notInclude(Cause.pretty(Cause.fail(error)), "hunter2")
      const root = yield* Effect.flip(Message.schema(Schema.Int)(1.5))
      assert.include(root.message, "could not be encoded: Expected an integer")
    })
  )

  it.effect(
    "R1.3 an encoding may be an effect, and what it fails with is SerializationFailed",
    () =>
      Effect.gen(function* () {
        const forbidden = Schema.String.pipe(
          Schema.decodeTo(Schema.String, {
            decode: SchemaGetter.passthrough(),
            encode: SchemaGetter.forbidden(() => "one way only")
          })
        )
        const error = yield* Effect.flip(Message.schema(forbidden)("x"))
        assert.include(error.message, "one way only")
      })
  )
})

describe("stamp", () => {
  it.effect(
    "R1.1 puts the id on, and the session when one is given; the message stays as it was",
    () =>
      Effect.gen(function* () {
        const other = SessionId.makeUnsafe("s-2")
        const message = yield* Message.text("hi", { attributes: { a: "b" }, sessionId })
        const stamped = Message.stamp(message, messageId)
        assert.instanceOf(stamped, Message.Message)
        assert.deepStrictEqual({ ...stamped }, { ...message, messageId })
        assert.strictEqual(Message.stamp(message, messageId, other).sessionId, other)
        assert.strictEqual(message.messageId, undefined)
        assert.strictEqual(message.sessionId, sessionId)
        const again = Message.stamp(stamped, MessageId.makeUnsafe("m-2"))
        assert.strictEqual(again.messageId, "m-2")
      })
  )
})

describe("MessageFromJson", () => {
  const encode = Schema.encodeEffect(Message.MessageFromJson)
  const decode = Schema.decodeUnknownEffect(Message.MessageFromJson)

  it.effect("R1.3 the body is base64, the rest is readable", () =>
    Effect.gen(function* () {
      const message = yield* Message.bytes(Uint8Array.of(0, 255, 254), full)
      const json: unknown = JSON.parse(yield* encode(message))
      assert.deepStrictEqual(json, {
        ...full,
        body: "AP/+",
        timeToLive: { _tag: "Millis", value: 60_000 },
        delay: { _tag: "Millis", value: 5_000 }
      })
    })
  )

  it.effect.prop(
    "R1.3 R1.5 every message comes back as it was",
    { body: arbitraries.bytes, options: arbitraries.options },
    Effect.fnUntraced(function* ({ body, options }) {
      const message = yield* Message.bytes(body, options)
      assertSame(yield* decode(yield* encode(message)), message)
    }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.each([
    "",
    "{",
    "null",
    "{}",
    '{"body":"*","attributes":{}}',
    '{"body":"","attributes":{"":"x"}}',
    '{"body":"","attributes":{"a":1}}',
    '{"body":"","attributes":{},"messageId":""}',
    '{"body":"","attributes":{},"delay":{"_tag":"Millis","value":-1}}'
  ])(
    "R1.1 what is no message does not become one: %s",
    Effect.fnUntraced(function* (text) {
      const error = yield* Effect.flip(decode(text))
      assert.strictEqual(error._tag, "SchemaError")
    })
  )
})

describe("size", () => {
  const count = (...parts: ReadonlyArray<string | undefined>) =>
    parts.reduce((total, part) => total + Buffer.byteLength(part ?? "", "utf8"), 0)

  it.effect("R1.7 body, attributes and ids, each in UTF-8", () =>
    Effect.gen(function* () {
      assert.strictEqual(Message.size(yield* Message.bytes(empty)), 0)
      const message = yield* Message.bytes(new Uint8Array(10), {
        attributes: { ü: "😀" },
        messageId,
        sessionId,
        correlationId: "é",
        contentType: "a/b",
        timeToLive: Duration.seconds(1),
        delay: Duration.seconds(1)
      })
      assert.strictEqual(Message.size(message), 10 + (2 + 4) + 3 + 3 + 2 + 3)
    })
  )

  it.effect.prop(
    "R1.7 the size is that of an independent count",
    { body: arbitraries.bytes, options: arbitraries.options },
    Effect.fnUntraced(function* ({ body, options }) {
      const message = yield* Message.bytes(body, options)
      const { attributes = {}, contentType, correlationId, messageId: id, sessionId: of } = options
      const expected =
        body.byteLength +
        count(...Object.keys(attributes), ...Object.values(attributes)) +
        count(id, of, correlationId, contentType)
      assert.strictEqual(Message.size(message), expected)
    }),
    { arbitrary: { runs: 300 } }
  )

  it.effect.prop(
    "R1.7 the size of a message grows with each attribute by just its bytes",
    { options: arbitraries.options, name: arbitraries.text, value: arbitraries.text },
    Effect.fnUntraced(function* ({ options, name, value }) {
      const key = `new-${name}`
      const { [key]: _, ...attributes } = { ...options.attributes }
      const without = yield* Message.bytes(empty, { ...options, attributes })
      const added = { ...attributes, [key]: value }
      const message = yield* Message.bytes(empty, { ...options, attributes: added })
      assert.strictEqual(Message.size(message), Message.size(without) + count(key, value))
    })
  )

  it.effect.prop(
    "R1.7 no message is larger than its quick estimate, nor that more than three times too large",
    { body: arbitraries.bytes, options: arbitraries.options },
    Effect.fnUntraced(function* ({ body, options }) {
      const message = yield* Message.bytes(body, options)
      assert.isAtLeast(Message.sizeAtMost(message), Message.size(message))
      assert.isAtMost(Message.sizeAtMost(message), Message.size(message) * 3)
    }),
    { arbitrary: { runs: 300 } }
  )
})

describe("Attributes", () => {
  it("R1.3 any names but the empty one, any text, as many as wanted", () => {
    const is = Schema.is(Message.Attributes)
    const many = Object.fromEntries(Array.from({ length: 100 }, (_, index) => [`a${index}`, ""]))
    assert.isTrue(is({}))
    assert.isTrue(is(many))
    assert.isFalse(is({ "": "x" }))
    assert.isFalse(is({ a: 1 }))
    assert.isFalse(is(null))
  })

  it.effect.prop(
    "R1.5 arbitrary attributes are attributes",
    { attributes: arbitraries.attributes },
    ({ attributes }) => Effect.sync(() => Schema.is(Message.Attributes)(attributes))
  )
})

describe("text, json and schema", () => {
  it.effect.prop(
    "R1.5 R1.6 an independent reader of UTF-8 and JSON gets back what was sent",
    { value: Arbitrary.schema(Schema.Json), text: arbitraries.text },
    Effect.fnUntraced(function* ({ value, text }) {
      const sent = yield* Message.text(text)
      assert.strictEqual(Buffer.from(sent.body).toString("utf8"), text)
      const json = yield* Message.json(value)
      const back: unknown = JSON.parse(Buffer.from(json.body).toString("utf8"))
      // JSON has no negative zero.
      assert.deepStrictEqual(back, JSON.parse(JSON.stringify(value)))
    })
  )
})
