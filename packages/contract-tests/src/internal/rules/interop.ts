import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { Capabilities, Message, MessageId, ReceivedMessage } from "@queue-runtime/core"
import type { ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Interop"

/** A message of these bytes and attributes arrives as it was sent. */
const arrives = Effect.fnUntraced(function* (
  body: Uint8Array,
  attributes: Readonly<Record<string, string>> = {},
  // Each of a rule has an id of its own: the queue may drop the second message of one.
  place = 0
) {
  const message = yield* Message.bytes(body, { attributes })
  yield* steps.sendAll([Message.stamp(message, MessageId.makeUnsafe(`m-${place}`))])
  const a = yield* steps.receiveOne()
  yield* expect.equal("the body", [...a.body], [...body])
  const found = Object.entries(a.attributes).toSorted(([one], [other]) => (one < other ? -1 : 1))
  const sent = Object.entries(attributes).toSorted(([one], [other]) => (one < other ? -1 : 1))
  yield* expect.equal("the attributes", found, sent)
  return a
})

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Text that encodings of one service or another stumble over. */
const texts: ReadonlyArray<string> = [
  "😀 𝒳 \u{10ffff}",
  "\ufeffwith a byte order mark",
  "lines\r\nof\rthree\nkinds\u2028and \u0085more\t",
  "e\u0301 and \u00e9",
  "<xml attribute='&amp;'>]]></xml>",
  '{"json": [1, "\\u0000"]}',
  "aGVsbG8=",
  "QRE1 looks like an envelope",
  "null",
  " "
]

/** Names and values that somebody's protocol gives a meaning. */
const odd: Readonly<Record<string, string>> = {
  empty: "",
  space: " ",
  number: "007",
  boolean: "false",
  nothing: "null",
  json: '{"a":1}',
  "with space": "1",
  "with.dot": "2",
  "with-dash_and/slash": "3",
  UPPER: "4",
  upper: "5",
  "ümläut 😀": "naïve 😀",
  "control\u0001\u0000": "a\u0000b\u0001c\ufffe",
  messageId: "mine",
  sessionId: "mine",
  correlationId: "mine",
  contentType: "mine",
  body: "mine",
  "AWS.TraceHeader": "mine",
  "x-opt-enqueued-time": "mine",
  DeadLetterReason: "mine",
  constructor: "mine",
  toString: "mine"
}

export const interop: ReadonlyArray<ProviderRule> = [
  {
    id: "INTEROP-1",
    group,
    title: "an empty body arrives empty",
    source: "SPEC R1.5; SQS refuses an empty MessageBody",
    breaks: "fails, or sends something in its place",
    run: arrives(new Uint8Array(0))
  },
  {
    id: "INTEROP-2",
    group,
    title: "every byte arrives, NUL and what is no UTF-8 included",
    source: "SPEC R1.5; SQS takes the characters of XML alone",
    breaks: "sends bytes as text",
    run: Effect.gen(function* () {
      const every = Uint8Array.from({ length: 256 }, (_, index) => index)
      const bodies = [every, every.toReversed(), Uint8Array.of(0), Uint8Array.of(0xc3, 0x28, 0xff)]
      for (const [place, body] of bodies.entries()) {
        yield* steps.complete([yield* arrives(body, {}, place)])
      }
    })
  },
  {
    id: "INTEROP-3",
    group,
    title: "text of every kind arrives as sent, byte for byte",
    source: "SPEC R1.5: 4-byte emoji; line ends, marks and what looks like somebody's encoding",
    probes: ["P66"],
    breaks: "normalises, trims, or decodes what only looks encoded",
    run: Effect.gen(function* () {
      for (const [place, text] of texts.entries()) {
        yield* steps.complete([yield* arrives(utf8(text), {}, place)])
      }
    })
  },
  {
    id: "INTEROP-4",
    group,
    title: "more attributes than the service itself takes arrive",
    source: "SPEC R1.5: SQS allows ten",
    breaks: "sends the first ten, or fails",
    run: Effect.gen(function* () {
      for (const count of [10, 11, 60]) {
        const attributes = Array.from({ length: count }, (_, index) => [`key-${index}`, `${index}`])
        const a = yield* arrives(utf8("a"), Object.fromEntries(attributes), count)
        yield* steps.complete([a])
      }
    })
  },
  {
    id: "INTEROP-5",
    group,
    title: "attributes of odd names and values arrive as sent",
    source: "SPEC R1.5; SQS refuses empty values, names with spaces, names that begin with AWS.",
    breaks: "drops, renames or takes for its own what belongs to the application",
    run: arrives(utf8("a"), odd)
  },
  {
    id: "INTEROP-6",
    group,
    title: "an attribute called __proto__ is an attribute",
    source: "SPEC R1.5; prototype pollution (CWE-1321)",
    breaks: "writes to the prototype of the attributes",
    run: Effect.gen(function* () {
      const attributes: Record<string, string> = JSON.parse('{"__proto__":"mine","a":"1"}')
      const a = yield* arrives(utf8("a"), attributes)
      const names = Object.keys(a.attributes).toSorted()
      yield* expect.equal("the names", names, ["__proto__", "a"])
    })
  },
  {
    id: "INTEROP-7",
    group,
    title: "a long attribute value arrives whole",
    source: "SPEC R1.5; Service Bus: 32 KB of a property",
    breaks: "cuts it, or fails where the message is small enough",
    run: arrives(utf8("a"), { long: "é".repeat(20_000) })
  },
  {
    id: "INTEROP-8",
    group,
    title: "a message without attributes, correlation id and content type has none",
    source: "SPEC R1.3, R1.5",
    breaks: "shows the library's or the service's own as the application's",
    run: Effect.gen(function* () {
      const a = yield* arrives(utf8("a"))
      yield* expect.equal("the correlation id", a.correlationId, undefined)
      yield* expect.equal("the content type", a.contentType, undefined)
      yield* expect.equal("the session id", a.sessionId, undefined)
      yield* expect.equal("the dead-letter info", a.deadLetter, undefined)
    })
  },
  {
    id: "INTEROP-9",
    group,
    title: "correlation id, content type and time to live arrive as sent",
    source: "SPEC R1.3, R1.4",
    breaks: "keeps the body alone",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const options = { correlationId: "cause 😀", contentType: "application/json; charset=utf-8" }
      const isThere = Capabilities.isSupported(capabilities.timeToLive)
      const timeToLive = isThere ? Duration.hours(1) : undefined
      yield* steps.send(["a"], { ...options, ...(timeToLive === undefined ? {} : { timeToLive }) })
      const a = yield* steps.receiveOne()
      yield* expect.equal("the correlation id", a.correlationId, options.correlationId)
      yield* expect.equal("the content type", a.contentType, options.contentType)
      yield* expect.equal("the time to live", a.timeToLive, timeToLive)
    })
  },
  {
    id: "INTEROP-10",
    group,
    title: "a session id on a queue without sessions arrives as sent",
    source: "SPEC R1.4; a queue may be ordered tomorrow",
    breaks: "drops it, or refuses the message",
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a"])
      const a = yield* steps.receiveOne()
      yield* expect.equal("the session id", a.sessionId, "A")
    })
  },
  {
    id: "INTEROP-11",
    group,
    title: "a message is the provider's once it was taken: its sender may use the bytes again",
    source: "SPEC R1.5: exactly as sent",
    breaks: "keeps the sender's own array",
    run: Effect.gen(function* () {
      const body = utf8("as sent")
      const attributes = { one: "1" }
      const message = yield* Message.bytes(body, { attributes })
      yield* steps.sendAll([Message.stamp(message, MessageId.makeUnsafe("a"))])
      body.fill(0)
      attributes.one = "changed"
      message.body.fill(0)
      const a = yield* steps.receiveOne()
      yield* expect.equal("the body", yield* ReceivedMessage.text(a), "as sent")
      yield* expect.equal("the attributes", { ...a.attributes }, { one: "1" })
    })
  },
  {
    id: "INTEROP-12",
    group,
    title: "what was received can be sent again",
    source: "SPEC R1.4: toMessage",
    breaks: "hands out a body or attributes that its own send does not take",
    run: Effect.gen(function* () {
      yield* steps.send(["a"], { attributes: { one: "1" }, correlationId: "c" })
      const a = yield* steps.receiveOne()
      yield* steps.complete([a])
      const again = Message.stamp(ReceivedMessage.toMessage(a), MessageId.makeUnsafe("b"))
      yield* steps.sendAll([again])
      const [b] = yield* steps.receiveIds(["b"])
      const facts = (one: steps.Received | undefined) => ({
        body: [...(one?.body ?? [])],
        attributes: { ...one?.attributes },
        correlationId: one?.correlationId,
        contentType: one?.contentType
      })
      yield* expect.equal("the message", facts(b), facts(a))
    })
  },
  {
    id: "INTEROP-13",
    group,
    title: "a message of a program without this library arrives: its text as UTF-8, its attributes",
    source: "SPEC R1.6",
    probes: ["P66"],
    breaks: "takes every message for one of its own",
    run: Effect.gen(function* () {
      const { foreign } = yield* world
      if (Option.isNone(foreign)) return yield* expect.skip("the harness has no foreign program")
      yield* steps.ends(foreign.value.send("héllo 😀", { one: "1" }))
      const a = yield* steps.receiveOne()
      yield* expect.equal("the text", yield* ReceivedMessage.text(a), "héllo 😀")
      yield* expect.equal("the attributes", { ...a.attributes }, { one: "1" })
      yield* expect.holds("there is an id", a.messageId !== "", a.messageId)
      yield* steps.complete([a])
    })
  },
  {
    id: "INTEROP-14",
    group,
    title: "a text that we send is the same text for a program without this library",
    source: "SPEC R1.6",
    probes: ["P66"],
    breaks: "sends text in an envelope, or in base64",
    run: Effect.gen(function* () {
      const { foreign } = yield* world
      if (Option.isNone(foreign)) return yield* expect.skip("the harness has no foreign program")
      const message = yield* Message.text("héllo 😀")
      yield* steps.sendAll([Message.stamp(message, MessageId.makeUnsafe("a"))])
      const text = yield* steps.ends(foreign.value.receive)
      yield* expect.equal("the text", Option.getOrUndefined(text), "héllo 😀")
    })
  }
]
