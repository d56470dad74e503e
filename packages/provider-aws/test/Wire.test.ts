import type { MessageAttributeValue } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect } from "effect"
import { Message, MessageId, QueueAddress, QueueName, SessionId } from "@queue-runtime/core"
import * as attributes from "../src/internal/attributes.ts"
import * as deadLetterWire from "../src/internal/deadLetterWire.ts"
import * as ids from "../src/internal/ids.ts"
import * as legal from "../src/internal/legal.ts"
import * as metadata from "../src/internal/metadata.ts"
import { sizeOf } from "../src/internal/size.ts"
import type { SendEntry, SqsMessage } from "../src/internal/sqs.ts"
import * as wire from "../src/internal/wire.ts"
import * as arbitraries from "./support/arbitraries.ts"

const orders = QueueName.makeUnsafe("orders")
const address = QueueAddress.queue(orders)
const deadAddress = QueueAddress.deadLetter(orders)
const brokerId = "5fea7756-0ea4-451a-a703-a558b933e274"
const now = 1_800_000_000_000

/** What SQS makes of an entry: nothing of it changes. */
const stored = (entry: SendEntry, system: Readonly<Record<string, string>> = {}): SqsMessage => ({
  id: brokerId,
  handle: "handle-1",
  body: entry.body,
  attributes: entry.attributes,
  systemAttributes: {
    SentTimestamp: String(now),
    ApproximateReceiveCount: "1",
    ApproximateFirstReceiveTimestamp: String(now + 5),
    ...(entry.groupId === undefined
      ? {}
      : { MessageGroupId: entry.groupId, SequenceNumber: "18850000000000000001" }),
    ...(entry.deduplicationId === undefined
      ? {}
      : { MessageDeduplicationId: entry.deduplicationId }),
    ...(entry.traceHeader === undefined ? {} : { AWSTraceHeader: entry.traceHeader }),
    ...system
  }
})

/** Everything SQS would refuse. */
const assertLegal = (entry: SendEntry): void => {
  assert.isTrue(legal.isText(entry.body), "the body")
  const names = Object.keys(entry.attributes)
  assert.isAtMost(names.length, 10)
  for (const [name, { BinaryValue, DataType, StringValue }] of Object.entries(entry.attributes)) {
    assert.match(name, /^[A-Za-z0-9_-][A-Za-z0-9_.-]{0,255}$/u)
    assert.notMatch(name, /^(?:aws|amazon)\.|\.\.|\.$/iu)
    assert.isDefined(DataType)
    if (BinaryValue === undefined) assert.isTrue(legal.isText(StringValue ?? ""), name)
  }
  for (const id of [entry.groupId, entry.deduplicationId]) {
    if (id !== undefined) assert.match(id, /^[!-~]{1,128}$/u)
  }
}

/** The bytes of what the SDK would send, counted by somebody who does not know how `sizeOf` does. */
const measured = (entry: SendEntry): number => {
  const parts = Object.entries(entry.attributes).map(
    ([name, { BinaryValue, DataType, StringValue }]) => [
      name,
      DataType ?? "",
      BinaryValue === undefined ? (StringValue ?? "") : "x".repeat(BinaryValue.length)
    ]
  )
  return new TextEncoder().encode([entry.body, ...parts.flat()].join("")).length
}

const encodings = ["auto", "base64"] as const

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const message = (options: Message.Options & { readonly text?: string } = {}) => {
  const { text = "hello", ...rest } = options
  return Message.stamp(
    new Message.Message({ body: bytes(text), ...rest }),
    MessageId.makeUnsafe("m-1")
  )
}

/** Nothing but the message id. */
const plainAttributes = {
  "queue-runtime": { DataType: "String", StringValue: '{"v":1,"id":"m-1"}' }
}

const standard = { isFifo: false, bodyEncoding: "auto", now } as const
const fifo = { isFifo: true, bodyEncoding: "auto", now } as const
const here = { address, bodyEncoding: "auto" } as const
const aside = { address: deadAddress, bodyEncoding: "auto" } as const

const entriesOf = (record: object) =>
  Object.entries(record).toSorted(([one], [other]) => (one < other ? -1 : 1))

/** A message of a program that does not know this library. */
const foreign = (
  body: string,
  values: Readonly<Record<string, MessageAttributeValue>> = {},
  system: Readonly<Record<string, string>> = {}
): SqsMessage => stored({ body, attributes: values }, system)

describe("toWire and fromWire", () => {
  it.effect.prop(
    "R1.5 R4.1 bytes, attributes and ids arrive as sent, within SQS's rules, its size as predicted",
    { sent: arbitraries.message },
    ({ sent }) =>
      Effect.sync(() => {
        for (const isFifo of [true, false]) {
          for (const bodyEncoding of encodings) {
            const entry = wire.toWire(sent, { isFifo, bodyEncoding, now })
            assertLegal(entry)
            assert.strictEqual(sizeOf(entry), measured(entry))
            const { message: got } = wire.fromWire(stored(entry), { address, bodyEncoding })
            assert.deepStrictEqual(got.body, sent.body)
            assert.deepStrictEqual(entriesOf(got.attributes), entriesOf(sent.attributes))
            const { contentType, correlationId, messageId, sessionId, timeToLive } = got
            assert.strictEqual(messageId, sent.messageId)
            assert.strictEqual(sessionId, sent.sessionId)
            assert.strictEqual(correlationId, sent.correlationId)
            assert.strictEqual(contentType, sent.contentType)
            assert.deepStrictEqual(timeToLive, sent.timeToLive)
          }
        }
      })
  )

  it("R1.6 a message of ours is plain but for one attribute, which any SDK may leave aside", () => {
    const sessionId = SessionId.makeUnsafe("acme/shop/pull/42")
    const expected = {
      team: { DataType: "String", StringValue: "red" },
      "queue-runtime": { DataType: "String", StringValue: '{"v":1,"id":"m-1"}' }
    }
    assert.deepStrictEqual(wire.toWire(message({ sessionId, attributes: { team: "red" } }), fifo), {
      body: "hello",
      attributes: expected,
      groupId: "acme/shop/pull/42",
      deduplicationId: "m-1"
    })
    assert.deepStrictEqual(wire.toWire(message({ attributes: { team: "red" } }), standard), {
      body: "hello",
      attributes: expected
    })
  })

  it("R1.6 a plain message of others has its body as UTF-8 and its own attributes", () => {
    const source = foreign("größe 😀", {
      name: { DataType: "String", StringValue: "x" },
      count: { DataType: "Number", StringValue: "4.20" },
      tagged: { DataType: "String.custom", StringValue: "t" },
      raw: { DataType: "Binary", BinaryValue: new Uint8Array([0, 255]) },
      "queue-runtime": { DataType: "String", StringValue: "somebody else's" }
    })
    const arrived = wire.fromWire(source, here)
    assert.deepStrictEqual(arrived.message, {
      body: bytes("größe 😀"),
      attributes: {
        name: "x",
        count: "4.20",
        tagged: "t",
        raw: "AP8=",
        "queue-runtime": "somebody else's"
      },
      messageId: MessageId.makeUnsafe(brokerId),
      enqueuedAt: DateTime.makeUnsafe(now)
    })
    assert.deepInclude(arrived, {
      id: brokerId,
      handle: "handle-1",
      receives: 1,
      firstReceivedAt: now + 5,
      expiresAt: Infinity,
      source
    })
  })

  it("R1.6 a group and a deduplication id of others are read as they are", () => {
    const {
      groupId,
      message: got,
      sequence
    } = wire.fromWire(
      foreign(
        "x",
        {},
        {
          MessageGroupId: "group%20~1",
          MessageDeduplicationId: "dedup~1",
          SequenceNumber: "18850000000000000007"
        }
      ),
      here
    )
    assert.strictEqual(got.sessionId, SessionId.makeUnsafe("group%20~1"))
    assert.strictEqual(got.messageId, MessageId.makeUnsafe("dedup~1"))
    assert.strictEqual(got.sequenceNumber, 18_850_000_000_000_000_007n)
    assert.strictEqual(groupId, "group%20~1")
    assert.strictEqual(sequence, 18_850_000_000_000_000_007n)
  })

  it("R3.14 a hash of the content is no identity: the same text sent twice is two messages", () => {
    const hashed = foreign("tick", {}, { MessageDeduplicationId: "ab".repeat(32) })
    assert.strictEqual(
      wire.fromWire(hashed, here).message.messageId,
      MessageId.makeUnsafe(brokerId)
    )
  })

  it("R1.5 what SQS refuses in a body is marked, and read without the mark's being asked for", () => {
    const empty = wire.toWire(message({ text: "" }), fifo)
    assert.strictEqual(empty.body, " ")
    const controls = wire.toWire(message({ text: "a\u0000b" }), fifo)
    assert.strictEqual(controls.body, "YQBi")
    const space = wire.toWire(message({ text: " " }), fifo)
    assert.deepStrictEqual(space.attributes, plainAttributes)
    assert.deepStrictEqual(wire.fromWire(stored(space), here).message.body, bytes(" "))
  })

  it("R1.5 a body that is a part of other bytes is that part alone", () => {
    const body = Uint8Array.from([7, 0, 255, 7]).subarray(1, 3)
    const sent = Message.stamp(new Message.Message({ body }), MessageId.makeUnsafe("m-1"))
    assert.strictEqual(wire.toWire(sent, fifo).body, "AP8=")
  })

  it("R1.6 base64 for queue-runtime 0.2: no mark, and text that is none is still text", () => {
    const entry = wire.toWire(message(), { ...fifo, bodyEncoding: "base64" })
    assert.strictEqual(entry.body, "aGVsbG8=")
    assert.deepStrictEqual(entry.attributes, plainAttributes)
    const old = { address, bodyEncoding: "base64" } as const
    assert.deepStrictEqual(wire.fromWire(foreign("aGVsbG8="), old).message.body, bytes("hello"))
    for (const plain of ["not base64!", "abc", "ab=c"]) {
      assert.deepStrictEqual(wire.fromWire(foreign(plain), old).message.body, bytes(plain))
    }
    assert.deepStrictEqual(wire.fromWire(foreign("aGVsbG8="), here).message.body, bytes("aGVsbG8="))
  })

  it("R1.5 nine attributes fit as they are, the next are packed, the trace context last", () => {
    const many = (count: number) =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, String(index)]))
    const nine = wire.toWire(message({ attributes: many(9) }), fifo)
    assert.strictEqual(nine.attributes["queue-runtime"]?.StringValue, '{"v":1,"id":"m-1"}')
    const ten = wire.toWire(message({ attributes: many(10) }), fifo)
    assert.strictEqual(Object.keys(ten.attributes).length, 10)
    assert.include(ten.attributes["queue-runtime"]?.StringValue, '"attributes":{"a9":"9"}')
    const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    const more = wire.toWire(message({ attributes: { ...many(12), traceparent } }), fifo)
    assert.strictEqual(Object.keys(more.attributes).length, 10)
    assert.deepStrictEqual(more.attributes["traceparent"], {
      DataType: "String",
      StringValue: traceparent
    })
    assert.strictEqual(Object.keys(wire.fromWire(stored(more), here).message.attributes).length, 13)
  })

  it("R9.1 X-Ray's header travels in its system attribute; what is not one stays an attribute", () => {
    const header = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1"
    const entry = wire.toWire(message({ attributes: { AWSTraceHeader: header } }), fifo)
    assert.strictEqual(entry.traceHeader, header)
    assert.deepStrictEqual(entry.attributes, plainAttributes)
    const back = wire.fromWire(stored(entry), here)
    assert.deepStrictEqual(back.message.attributes, { AWSTraceHeader: header })
    const other = wire.toWire(message({ attributes: { AWSTraceHeader: "yes" } }), fifo)
    assert.notProperty(other, "traceHeader")
    assert.property(other.attributes, "AWSTraceHeader")
  })

  it("R3.8 a delay is whole seconds and never early; FIFO has none", () => {
    const delayed = (options: Message.Options) =>
      wire.toWire(message(options), standard).delaySeconds
    assert.strictEqual(delayed({ delay: Duration.millis(1_001) }), 2)
    assert.strictEqual(delayed({ delay: Duration.zero }), 0)
    assert.strictEqual(delayed({ scheduledAt: DateTime.makeUnsafe(now + 4_001) }), 5)
    assert.strictEqual(delayed({ scheduledAt: DateTime.makeUnsafe(now - 1) }), 0)
    assert.isUndefined(delayed({}))
    assert.notProperty(wire.toWire(message({ delay: Duration.seconds(1) }), fifo), "delaySeconds")
  })

  it("R3.7 the time to live is counted from the send, of a delayed message from when it is due", () => {
    const entry = wire.toWire(message({ timeToLive: Duration.seconds(2) }), standard)
    const arrived = wire.fromWire(stored(entry), here)
    assert.strictEqual(arrived.expiresAt, now + 2_000)
    assert.deepStrictEqual(arrived.message.timeToLive, Duration.seconds(2))
    assert.strictEqual(wire.fromWire(stored(entry), aside).expiresAt, Infinity)
    const delayed = message({ timeToLive: Duration.seconds(2), delay: Duration.seconds(5) })
    const later = wire.fromWire(stored(wire.toWire(delayed, standard)), here)
    assert.strictEqual(later.expiresAt, now + 7_000)
  })

  it("R7.1 under another deduplication id the message keeps its own", () => {
    const entry = wire.toWire(message(), { ...fifo, deduplicationId: "rp:1" })
    assert.strictEqual(entry.deduplicationId, "rp:1")
    assert.strictEqual(wire.fromWire(stored(entry), here).message.messageId, "m-1")
  })

  it("R2.3 nonsense in what SQS or others wrote is left out, part by part", () => {
    const nonsense = {
      "queue-runtime": {
        DataType: "String",
        StringValue:
          '{"v":1,"id":7,"session":"\\u0000","body":"gzip","expiresAt":"soon","timeToLive":-1,"attributes":{"a":1,"b":"2"},"dead":{"reason":""}}'
      }
    }
    const arrived = wire.fromWire(
      foreign("x", nonsense, {
        SentTimestamp: "?",
        ApproximateReceiveCount: "many",
        SequenceNumber: "first",
        MessageDeduplicationId: "\u0000"
      }),
      aside
    )
    assert.deepStrictEqual(arrived.message, {
      body: bytes("x"),
      attributes: { b: "2" },
      messageId: MessageId.makeUnsafe(brokerId),
      enqueuedAt: DateTime.makeUnsafe(0)
    })
    assert.strictEqual(arrived.receives, 1)
    for (const text of ["", "[]", "null", "{}", '{"v":2}', "{"]) {
      assert.isUndefined(metadata.decode(text), text)
    }
  })
})

describe("ids", () => {
  it.effect.prop(
    "R4.1 an id is what SQS takes, the same every time, another for another, and comes back",
    { one: arbitraries.id, other: arbitraries.id },
    ({ one, other }) =>
      Effect.sync(() => {
        const encoded = ids.toSqs(one)
        assert.isTrue(legal.isId(encoded))
        assert.strictEqual(ids.toSqs(one), encoded)
        assert.strictEqual(ids.toSqs(other) === encoded, one === other)
        const back = ids.fromSqs(encoded)
        // Only a hash cannot be turned back.
        if (back !== undefined) assert.strictEqual(back, one)
        else assert.isAbove(one.replaceAll("%", "%25").replaceAll(" ", "%20").length, 124)
      })
  )

  it("R4.1 an id that SQS takes is left alone", () => {
    assert.strictEqual(ids.toSqs("acme/shop#1%20"), "acme/shop#1%20")
    assert.strictEqual(ids.toSqs("a b%"), "~qr~a%20b%25")
    assert.strictEqual(ids.fromSqs("~qr~a%20b%25"), "a b%")
    assert.isUndefined(ids.fromSqs(ids.toSqs(" ".repeat(128))))
  })
})

const dead = {
  reason: "UnknownEvent",
  description: "no handler",
  source: "orders",
  now: now + 60_000,
  deliveryCount: 3
} as const

describe("dead letters", () => {
  it.effect.prop(
    "R7.2 the copy has the message and the details, within SQS's rules",
    { sent: arbitraries.message },
    ({ sent }) =>
      Effect.sync(() => {
        for (const isFifo of [true, false]) {
          const original = wire.toWire(sent, { isFifo, bodyEncoding: "auto", now })
          const arrived = wire.fromWire(stored(original), here)
          const details = {
            errorType: "ParseError",
            attempts: 3,
            firstFailedAt: DateTime.makeUnsafe(now),
            service: "merge 😀",
            tags: { team: "a" }
          }
          const copy = deadLetterWire.toDeadLetter(arrived, { ...dead, isFifo, details })
          assertLegal(copy)
          assert.strictEqual(copy.groupId, isFifo ? `dl:${brokerId}` : undefined)
          assert.strictEqual(copy.deduplicationId, isFifo ? `dl:${brokerId}` : undefined)
          const { message: got } = wire.fromWire(stored(copy, { SentTimestamp: "9" }), aside)
          assert.deepStrictEqual(got.body, sent.body)
          assert.deepStrictEqual(entriesOf(got.attributes), entriesOf(sent.attributes))
          assert.strictEqual(got.messageId, sent.messageId)
          assert.strictEqual(got.sessionId, sent.sessionId)
          assert.strictEqual(got.correlationId, sent.correlationId)
          assert.deepStrictEqual(got.enqueuedAt, DateTime.makeUnsafe(now))
          assert.deepStrictEqual(got.deadLetter, {
            reason: "UnknownEvent",
            description: "no handler",
            source: orders,
            time: DateTime.makeUnsafe(now + 60_000),
            deliveryCount: 3,
            details,
            delivery: brokerId,
            ...(arrived.sequence === undefined ? {} : { sequenceNumber: arrived.sequence })
          })
        }
      })
  )

  it("R7.1 a message that fails again after a replay is another dead letter; the same after a crash", () => {
    const arrived = wire.fromWire(stored(wire.toWire(message(), fifo)), here)
    const first = deadLetterWire.toDeadLetter(arrived, { ...dead, isFifo: true })
    const again = deadLetterWire.toDeadLetter(arrived, { ...dead, now: now + 9, isFifo: true })
    assert.strictEqual(again.deduplicationId, first.deduplicationId)
    const replayed = { ...arrived, id: "another-id" }
    const second = deadLetterWire.toDeadLetter(replayed, { ...dead, isFifo: true })
    assert.notStrictEqual(second.deduplicationId, first.deduplicationId)
  })

  it("R7.2 typed attributes of others keep their types, ten of them too", () => {
    const values: Record<string, MessageAttributeValue> = Object.fromEntries(
      Array.from({ length: 9 }, (_, index) => [
        `n${index}`,
        { DataType: "Number", StringValue: String(index) }
      ])
    )
    const arrived = wire.fromWire(
      foreign("x", { text: { DataType: "String", StringValue: "t" }, ...values }),
      here
    )
    const copy = deadLetterWire.toDeadLetter(arrived, { ...dead, isFifo: false })
    assertLegal(copy)
    for (const [name, value] of Object.entries(values)) {
      assert.deepStrictEqual(copy.attributes[name], value)
    }
    const back = wire.fromWire(stored(copy), aside).message.attributes
    assert.deepStrictEqual(entriesOf(back), entriesOf(arrived.message.attributes))
  })

  it("R3.6 what the redrive policy moved has the reason that it had", () => {
    const moved = foreign(
      "x",
      {},
      {
        MessageGroupId: "s-1",
        ApproximateReceiveCount: "6",
        DeadLetterQueueSourceArn: "arn:aws:sqs:eu-west-1:111122223333:orders.fifo"
      }
    )
    const { message: got } = wire.fromWire(moved, aside)
    assert.strictEqual(got.sessionId, SessionId.makeUnsafe("s-1"))
    assert.deepStrictEqual(got.deadLetter, {
      reason: "MaxDeliveryCountExceeded",
      description: "moved by the redrive policy of its queue",
      source: orders,
      time: DateTime.makeUnsafe(now + 5),
      deliveryCount: 5,
      delivery: brokerId
    })
    assert.isUndefined(wire.fromWire(foreign("x"), aside).message.deadLetter)
  })

  it("R3.6 a message that fills the limit is put aside with fewer details, then with none", () => {
    const arrived = wire.fromWire(
      stored(wire.toWire(message({ sessionId: SessionId.makeUnsafe("s-1") }), fifo)),
      here
    )
    const given = { ...dead, isFifo: true, details: { service: "merge" } }
    const whole = deadLetterWire.toDeadLetter(arrived, given)
    const options = { ...given, sizeMax: sizeOf(whole) - 1 }
    const terse = deadLetterWire.toDeadLetter(arrived, options)
    const read = wire.fromWire(stored(terse), aside).message.deadLetter
    assert.strictEqual(read?.reason, "UnknownEvent")
    assert.isUndefined(read?.description)
    assert.isUndefined(read?.details)
    const bare = deadLetterWire.toDeadLetter(arrived, { ...options, sizeMax: 10 })
    assert.deepStrictEqual(bare, {
      body: "hello",
      attributes: plainAttributes,
      groupId: "s-1",
      deduplicationId: `dl:${brokerId}`
    })
  })

  it("R3.5 a dead letter that was moved back is a message again", () => {
    const arrived = wire.fromWire(
      stored(wire.toWire(message({ sessionId: SessionId.makeUnsafe("s-1") }), fifo)),
      here
    )
    const copy = deadLetterWire.toDeadLetter(arrived, { ...dead, isFifo: true })
    const { message: got } = wire.fromWire(stored(copy), here)
    assert.isUndefined(got.deadLetter)
    assert.strictEqual(got.sessionId, SessionId.makeUnsafe("s-1"))
  })
})

describe("attributes", () => {
  it("R1.5 our own attribute is not the application's to set", () => {
    const sent = message({ attributes: { "queue-runtime": '{"v":1,"id":"forged"}' } })
    const got = wire.fromWire(stored(wire.toWire(sent, fifo)), here).message
    assert.strictEqual(got.messageId, MessageId.makeUnsafe("m-1"))
    assert.deepStrictEqual(got.attributes, { "queue-runtime": '{"v":1,"id":"forged"}' })
  })

  it("R1.6 a value that is no text reads as something", () => {
    assert.strictEqual(attributes.textOf({ DataType: "String" }), "")
    assert.strictEqual(attributes.textOf({ DataType: "String", StringValue: "\ud800" }), "\ufffd")
  })
})
