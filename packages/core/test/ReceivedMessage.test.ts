import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Message from "../src/Message.ts"
import * as MessageId from "../src/MessageId.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as SessionId from "../src/SessionId.ts"
import * as arbitraries from "./support/arbitraries.ts"
import { delivery } from "./support/RecordingProvider.ts"

const of = (text: string) => ({ body: new Uint8Array(Buffer.from(text, "utf8")) })

const failed = (detail: string) =>
  new QueueError.SerializationFailed({ direction: "decode", detail })

const failureOf = <A, E>(effect: Effect.Effect<A, E>) => Effect.flip(Effect.asVoid(effect))

const orders = QueueName.makeUnsafe("orders")

describe("ReceivedMessage.text", () => {
  it.effect("R1.5 UTF-8 is read as it is: NUL, byte order mark, 4-byte characters", () =>
    Effect.gen(function* () {
      for (const text of ["", "\u0000", "\ufeffbom", "größe 😀"]) {
        assert.strictEqual(yield* ReceivedMessage.text(of(text)), text)
      }
    })
  )

  it.effect.each([[0xff], [0xc3], [0xed, 0xa0, 0x80], [0x61, 0x80], [0xc0, 0x80]])(
    "R2.3 bytes that are not UTF-8 are SerializationFailed: %s",
    Effect.fnUntraced(function* (...bytes) {
      const body = Uint8Array.from(bytes.flat().filter((byte) => typeof byte === "number"))
      const error = yield* Effect.flip(ReceivedMessage.text({ body }))
      assert.deepStrictEqual(error.reason, failed("the bytes are not UTF-8"))
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect.prop(
    "R1.5 every text that was sent is read back",
    { text: arbitraries.text },
    Effect.fnUntraced(function* ({ text }) {
      assert.strictEqual(yield* ReceivedMessage.text(yield* Message.text(text)), text)
    }),
    { arbitrary: { runs: 300 } }
  )
})

describe("ReceivedMessage.json", () => {
  it.effect.prop(
    "R1.5 every JSON value that was sent is read back",
    { value: Schema.Json },
    Effect.fnUntraced(function* ({ value }) {
      const back = yield* ReceivedMessage.json(yield* Message.json(value))
      assert.deepStrictEqual(back, JSON.parse(JSON.stringify(value)))
    })
  )

  it.effect("R2.3 what is no JSON is SerializationFailed and is not quoted", () =>
    Effect.gen(function* () {
      const error = yield* failureOf(ReceivedMessage.json(of("hunter2")))
      assert.deepStrictEqual(error.reason, failed("the text is not JSON"))
      assert.notInclude(Cause.pretty(Cause.fail(error)), "hunter2")
      const bytes = yield* failureOf(ReceivedMessage.json({ body: Uint8Array.of(0xff) }))
      assert.deepStrictEqual(bytes.reason, failed("the bytes are not UTF-8"))
    })
  )
})

describe("ReceivedMessage.decode", () => {
  const Order = Schema.Struct({
    id: Schema.String,
    placed: Schema.DateTimeUtc,
    lines: Schema.Array(
      Schema.Struct({ amount: Schema.Int, note: Schema.optionalKey(Schema.String) })
    ),
    total: Schema.BigInt,
    wait: Schema.Duration,
    raw: Schema.Uint8Array
  })

  it.effect.prop(
    "R1.3 every value of a schema that was sent is read back",
    { order: Order },
    Effect.fnUntraced(function* ({ order }) {
      const message = yield* Message.schema(Order)(order)
      const back = yield* ReceivedMessage.decode(Order)(message)
      assert.isTrue(Schema.toEquivalence(Order)(back, order))
    })
  )

  it.effect.each([
    ['{"id":7}', "id: Expected string"],
    ["[", "Expected a valid JSON string"],
    ['"hunter2"', "Expected object"]
  ] as const)(
    "R5.5 what is none says where, and never shows the value: %s",
    Effect.fnUntraced(function* ([text, detail]) {
      const error = yield* Effect.flip(
        ReceivedMessage.decode(Schema.Struct({ id: Schema.String }))(of(text))
      )
      assert.deepStrictEqual(error.reason, failed(detail))
      assert.notInclude(Cause.pretty(Cause.fail(error)), "hunter2")
    })
  )

  it.effect("R5.5 a body that is not UTF-8 is SerializationFailed", () =>
    Effect.gen(function* () {
      const decode = ReceivedMessage.decode(Schema.Unknown)
      const error = yield* failureOf(decode({ body: Uint8Array.of(0x80) }))
      assert.deepStrictEqual(error.reason, failed("the bytes are not UTF-8"))
    })
  )
})

describe("ReceivedMessage.toMessage", () => {
  it("R1.4 leaves the facts of the delivery behind and keeps everything else", () => {
    const deadLetter = {
      reason: "r",
      source: orders,
      time: DateTime.makeUnsafe(9),
      deliveryCount: 5
    }
    const kept = {
      body: Uint8Array.of(0, 255),
      attributes: { a: "b" },
      messageId: MessageId.makeUnsafe("m-1"),
      sessionId: SessionId.makeUnsafe("s-1"),
      correlationId: "c",
      contentType: "t",
      timeToLive: Duration.seconds(3)
    }
    const received: ReceivedMessage.ReceivedMessage = {
      ...delivery(QueueAddress.deadLetter(orders), "1"),
      ...kept,
      sequenceNumber: 4n,
      scheduledAt: DateTime.makeUnsafe(1),
      deadLetter
    }
    const { messageId: _, ...fresh } = kept
    const message = ReceivedMessage.toMessage(received)
    assert.instanceOf(message, Message.Message)
    // Under its old id a broker that deduplicates would drop it, and it would be lost.
    assert.deepStrictEqual<object>({ ...message }, fresh)
    const { deadLetter: __, ...alive } = received
    assert.deepStrictEqual<object>({ ...ReceivedMessage.toMessage(alive) }, kept)
  })

  it.effect.prop(
    "R1.4 a message received is, sent again, the message it was, its schedule met",
    { body: arbitraries.bytes, options: arbitraries.options },
    Effect.fnUntraced(function* ({ body, options }) {
      const messageId = MessageId.makeUnsafe("m-1")
      const sent = yield* Message.bytes(body, { ...options, messageId })
      const received = {
        ...delivery(QueueAddress.queue(orders), "1"),
        ...sent,
        messageId
      }
      const { delay: _, scheduledAt: __, ...expected } = { ...sent }
      const message = ReceivedMessage.toMessage(received)
      assert.deepStrictEqual(Object.entries(message.attributes), Object.entries(sent.attributes))
      assert.deepStrictEqual({ ...message, attributes: {} }, { ...expected, attributes: {} })
    })
  )
})

describe("ReceivedMessage.DeadLetterInfo", () => {
  const deliveryCount = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 100 }))

  it.effect.prop(
    "R1.4 why, where from and when come back from JSON",
    { reason: arbitraries.text, time: Schema.DateTimeUtc, deliveryCount },
    Effect.fnUntraced(function* (facts) {
      const info = { ...facts, source: orders, description: `why: ${facts.reason}` }
      const json = Schema.fromJsonString(Schema.toCodecJson(ReceivedMessage.DeadLetterInfo))
      const text = yield* Schema.encodeEffect(json)(info)
      assert.deepStrictEqual(yield* Schema.decodeEffect(json)(text), info)
    })
  )
})
