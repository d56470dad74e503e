import type { ServiceBusReceivedMessage } from "@azure/service-bus"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import {
  Message,
  MessageId,
  QueueAddress,
  QueueName,
  Receipt,
  SessionId
} from "@queue-runtime/core"
import * as fc from "fast-check"
import * as attributes from "../src/internal/attributes.ts"
import * as wire from "../src/internal/wire.ts"
import { message, open, plain, sdk } from "./world.ts"

const address = QueueAddress.queue(QueueName.makeUnsafe("orders"))

const bytes = (body: Uint8Array, options: Message.Options = {}): Message.Stamped =>
  Message.stamp(Effect.runSync(Message.bytes(body, options)), MessageId.makeUnsafe("m-1"))

/** What the SDK would hand out of what it was given. */
const delivered = (
  sent: ReturnType<typeof wire.toWire>,
  more: Partial<ServiceBusReceivedMessage> & {
    readonly bodyType?: "data" | "value" | "sequence"
  } = {}
): ServiceBusReceivedMessage => {
  const { bodyType = "data", ...rest } = more
  const raw = { body: undefined, bodyType }
  return { ...sent, _rawAmqpMessage: raw, state: "active", deliveryCount: 0, ...rest }
}

const back = (sent: Message.Stamped, now = 0) =>
  wire.toPeeked(delivered(wire.toWire(sent, now)), address, 0)

const text = fc.string({ unit: "grapheme" }).filter((one) => one.isWellFormed())

describe("wire", () => {
  it("R7.2 the details of a dead letter are one property, where the headers have room for it", () => {
    const verdict = {
      _tag: "DeadLetter",
      reason: "Bad",
      description: "very bad",
      details: { service: "merge 😀", attempts: 2, firstFailedAt: DateTime.makeUnsafe(5) }
    } as const
    const [json = ""] = Object.values(wire.toDetails({}, verdict))
    assert.deepStrictEqual(JSON.parse(json), {
      service: "merge 😀",
      attempts: 2,
      firstFailedAt: "1970-01-01T00:00:00.005Z"
    })
    const { details: _, ...less } = verdict
    assert.deepStrictEqual(wire.toDetails({}, less), {})
    const applicationProperties = { one: "x".repeat(30_000), two: "y".repeat(18_900), n: 7 }
    assert.strictEqual(Object.keys(wire.toDetails({ applicationProperties }, verdict)).length, 1)
    const full = { applicationProperties: { ...applicationProperties, three: "z".repeat(200) } }
    assert.deepStrictEqual(wire.toDetails(full, verdict), {})
    // One property has a limit of its own, far below that of all.
    const long = { ...verdict, details: { stack: "s".repeat(31_000) } }
    assert.deepStrictEqual(wire.toDetails({}, long), {})
  })

  it("R1.5 any bytes, attributes and ids come back as they were", () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.dictionary(
          text.filter((name) => name !== ""),
          text,
          { maxKeys: 20 }
        ),
        (body, given) => {
          const one = back(bytes(body, { attributes: given }))
          assert.deepStrictEqual([...one.body], [...body])
          assert.deepStrictEqual({ ...one.attributes }, { ...given })
        }
      ),
      { numRuns: 300 }
    )
  })

  it("R1.5 names that mean something to the service or its SDKs stay the application's", () => {
    const given: Record<string, string> = JSON.parse(
      JSON.stringify({
        DeadLetterReason: "mine",
        DeadLetterErrorDescription: "mine",
        "Diagnostic-Id": "mine",
        "qr-body-length": "3",
        "qr-attribute-x": "mine",
        constructor: "mine"
      }).replace("{", '{"__proto__":"mine",')
    )
    const sent = bytes(new Uint8Array(1), { attributes: given })
    const { applicationProperties = {} } = wire.toWire(sent, 0)
    assert.isUndefined(applicationProperties["DeadLetterReason"])
    assert.isFalse(Object.hasOwn(applicationProperties, "__proto__"))
    assert.deepStrictEqual(
      new Map(Object.entries(back(sent).attributes)),
      new Map(Object.entries(given))
    )
  })

  it("R1.5 attributes over the limits for headers travel behind the body", () => {
    const given: Record<string, string> = {
      long: "é".repeat(20_000),
      ...Object.fromEntries(
        Array.from({ length: 100 }, (_, index) => [`key-${index}`, "x".repeat(1_000)])
      )
    }
    const sent = wire.toWire(bytes(Uint8Array.of(1, 2, 3), { attributes: given }), 0)
    const properties = Object.entries(sent.applicationProperties ?? {})
    const size = properties.reduce(
      (total, [name, value]) => total + attributes.propertySize(name, String(value)),
      0
    )
    assert.isBelow(size, 64 * 1024)
    const one = wire.toPeeked(delivered(sent), address, 0)
    assert.deepStrictEqual([...one.body], [1, 2, 3])
    assert.deepStrictEqual({ ...one.attributes }, given)
  })

  it("R1.5 what only looks like attributes behind the body is body", () => {
    const body = Buffer.from("abc")
    for (const length of ["1", "9", "-1", "x"]) {
      const foreign = { body, applicationProperties: { "qr-body-length": length } }
      assert.strictEqual(
        Buffer.from(wire.toPeeked(delivered(foreign), address, 0).body).toString(),
        "abc"
      )
    }
  })

  it("R1.6 bodies of other programs are read as bytes, whatever section they are in", () => {
    const read = (body: unknown, bodyType: "data" | "value" | "sequence"): string =>
      Buffer.from(wire.toPeeked(delivered({ body }, { bodyType }), address, 0).body).toString()
    assert.strictEqual(read(Buffer.from("text"), "data"), "text")
    assert.strictEqual(read([Buffer.from("te"), Buffer.from("xt")], "data"), "text")
    assert.strictEqual(read("text", "value"), "text")
    assert.strictEqual(read({ a: 1 }, "value"), '{"a":1}')
    assert.strictEqual(read(7, "value"), "7")
    assert.strictEqual(read(null, "value"), "")
    assert.strictEqual(read([[1, "a"], [2]], "sequence"), '[[1,"a"],[2]]')
  })

  it("R1.6 properties of other programs are attributes as text", () => {
    const applicationProperties = {
      number: 7,
      flag: false,
      nothing: null,
      time: new Date(0),
      text: "t"
    }
    const one = wire.toPeeked(delivered({ body: "", applicationProperties }), address, 0)
    assert.deepStrictEqual(
      { ...one.attributes },
      {
        number: "7",
        flag: "false",
        nothing: "",
        time: "1970-01-01T00:00:00.000Z",
        text: "t"
      }
    )
  })

  it("R1.6 ids of other programs are readable, and a missing one goes by the sequence number", () => {
    const idOf = (messageId: string | number | Buffer | undefined) =>
      wire.toPeeked(
        delivered({ body: "", ...(messageId === undefined ? {} : { messageId }) }),
        address,
        0
      ).messageId
    assert.strictEqual(idOf("a b"), "a b")
    assert.strictEqual(idOf(7), "7")
    assert.strictEqual(idOf(Buffer.from([1, 255])), "01ff")
    assert.strictEqual(idOf("ü"), "%C3%BC")
    assert.strictEqual(idOf(undefined), "sequence-0")
    assert.strictEqual(wire.sessionIdOf("ü"), "%C3%BC")
    assert.strictEqual(wire.sessionIdOf(""), "-")
  })

  it("R9.1 the trace context is written and read as the SDKs of Azure do", () => {
    const traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    const sent = bytes(new Uint8Array(1), { attributes: { traceparent } })
    assert.strictEqual(wire.toWire(sent, 0).applicationProperties?.["Diagnostic-Id"], traceparent)
    assert.deepStrictEqual({ ...back(sent).attributes }, { traceparent })
    const foreign = { body: "", applicationProperties: { "Diagnostic-Id": traceparent } }
    const one = wire.toPeeked(delivered(foreign), address, 0)
    assert.deepStrictEqual({ ...one.attributes }, { traceparent })
  })

  it("R3.8 a delay is never over early, and what is due is not scheduled", () => {
    const at = (options: Message.Options) =>
      wire.toWire(bytes(new Uint8Array(1), options), 1_000).scheduledEnqueueTimeUtc?.getTime()
    assert.strictEqual(at({ delay: Duration.micros(1_500n) }), 1_002)
    assert.isUndefined(at({ delay: Duration.zero }))
    assert.isUndefined(at({ scheduledAt: DateTime.makeUnsafe(999) }))
    assert.strictEqual(at({ scheduledAt: DateTime.makeUnsafe(5_000) }), 5_000)
  })

  it("R1.4 a delivery counts from one, and a dead letter says why", () => {
    const sent = wire.toWire(message("a", { contentType: "text/ümläut" }), 0)
    const received = wire.toReceived(delivered(sent, { deliveryCount: 2 }), {
      receipt: Receipt.make(address, "t"),
      deliveredAt: 5,
      firstDeliveredAt: 4,
      lockedUntil: 9
    })
    assert.strictEqual(received.deliveryCount, 3)
    assert.strictEqual(received.contentType, "text/ümläut")
    const letter = delivered(
      {
        ...sent,
        applicationProperties: {
          DeadLetterReason: "Bad",
          DeadLetterErrorDescription: "",
          "qr-delivery-count": "3",
          "qr-dead-lettered-at": "2026-01-01T00:00:00.000Z",
          mine: "1"
        }
      },
      { deliveryCount: 2 }
    )
    const dead = QueueAddress.deadLetter(address.queue)
    const one = wire.toPeeked(letter, dead, 0)
    assert.deepStrictEqual({ ...one.attributes }, { mine: "1" })
    assert.deepStrictEqual(one.deadLetter, {
      reason: "Bad",
      source: address.queue,
      time: DateTime.makeUnsafe("2026-01-01T00:00:00.000Z"),
      deliveryCount: 3
    })
    const unexplained = wire.toPeeked(delivered({ body: "" }, { deliveryCount: 7 }), dead, 0)
    assert.strictEqual(unexplained.deadLetter?.reason, "Unspecified")
    assert.strictEqual(unexplained.deadLetter?.deliveryCount, 7)
  })

  it("a text is cut between characters", () => {
    assert.strictEqual(wire.cut("a😀", 2), "a")
    assert.strictEqual(wire.cut("a😀", 3), "a😀")
  })

  it.live("R1.7 the size is what the SDK puts on the wire, never less", () =>
    Effect.gen(function* () {
      const { client } = yield* open()
      const sender = sdk(client).createSender(plain)
      const samples = [
        message("a"),
        message("b".repeat(128), { attributes: { long: "é".repeat(300), short: "1" } }),
        message("c", { timeToLive: Duration.hours(1), delay: Duration.hours(1) }),
        message("d", { sessionId: SessionId.makeUnsafe("s"), correlationId: "c".repeat(300) }),
        bytes(new Uint8Array(50_000), { attributes: { body: "x".repeat(40_000) } })
      ]
      for (const sample of samples) {
        const sent = wire.toWire(sample, 0)
        const batch = yield* Effect.promise(() => sender.createMessageBatch())
        assert.isTrue(batch.tryAddMessage(sent))
        const one = batch.sizeInBytes
        assert.isTrue(batch.tryAddMessage(sent))
        const actual = batch.sizeInBytes - one
        assert.isAtLeast(wire.size(sent), actual - 8)
        assert.isAtMost(wire.size(sent), actual + 80)
      }
    })
  )
})
