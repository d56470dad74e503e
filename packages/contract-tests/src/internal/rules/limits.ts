import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Message, MessageId, QueueAddress, SessionId, Verdict } from "@queue-runtime/core"
import type { ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Limits"

/** What a rule sends at most: a limit above it is not tried. */
const bytesMax = 8 * 1024 * 1024

/** As large as a message of SQS may be. */
const largeBytes = 1024 * 1024

/** A live run takes its time over each. */
const countMax = { virtual: 2_000, live: 200 } as const

/** What is received one by one stays locked until all are there. */
const longLock = { lockDuration: Duration.minutes(1) }

/** Every printable ASCII character and then some: 128 of them. */
const longest = Array.from({ length: 128 }, (_, index) =>
  String.fromCharCode(0x20 + (index % 95))
).join("")

const bytes = (id: string, body: Uint8Array, options?: Message.Options) =>
  Effect.map(Message.bytes(body, options), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

/** The call is refused as too large, saying which message and how much, and nothing is sent. */
const isTooLarge = Effect.fnUntraced(function* (
  messages: ReadonlyArray<Message.Stamped>,
  place: number
) {
  const { capabilities, provider, queue } = yield* world
  const call = provider.send(queue, messages)
  const { reason } = yield* steps.failsWith("a message over the limit", "MessageTooLarge", call)
  if (reason._tag !== "MessageTooLarge") return
  yield* expect.equal("the message named", reason.index, place)
  const isOver = reason.actualBytes > reason.maximumBytes
  yield* expect.holds("the actual size is above the maximum", isOver, reason)
  const isDeclared = reason.maximumBytes <= capabilities.messageSizeMax
  yield* expect.holds("the maximum is not above messageSizeMax", isDeclared, reason)
  yield* steps.receiveNone()
})

const isSmall = Effect.flatMap(world, ({ capabilities }) =>
  capabilities.messageSizeMax > bytesMax
    ? expect.skip(`messages of ${capabilities.messageSizeMax} bytes are not tried`)
    : Effect.succeed(capabilities.messageSizeMax)
)

export const limits: ReadonlyArray<ProviderRule> = [
  {
    id: "LIMIT-1",
    group,
    title: "a body over messageSizeMax is MessageTooLarge",
    source: "SPEC R1.7",
    breaks: "sends it and passes on what the service says, or cuts it",
    run: Effect.gen(function* () {
      const max = yield* isSmall
      yield* isTooLarge([yield* bytes("a", new Uint8Array(max + 1))], 0)
    })
  },
  {
    id: "LIMIT-2",
    group,
    title: "attributes count too",
    source: "SPEC R1.7: envelope and attributes counted as the service counts them",
    breaks: "measures the body alone",
    run: Effect.gen(function* () {
      const max = yield* isSmall
      const attributes = { a: "x".repeat(Math.ceil(max / 2)), b: "x".repeat(Math.ceil(max / 2)) }
      yield* isTooLarge([yield* bytes("a", new Uint8Array(1), { attributes })], 0)
    })
  },
  {
    id: "LIMIT-3",
    group,
    title: "sizes are counted in bytes, not in characters",
    source: "SPEC R1.7",
    breaks: "counts the length of strings",
    run: Effect.gen(function* () {
      const max = yield* isSmall
      const attributes = { a: "😀".repeat(Math.ceil(max / 4)) }
      yield* isTooLarge([yield* bytes("a", new Uint8Array(1), { attributes })], 0)
    })
  },
  {
    id: "LIMIT-4",
    group,
    title: "a large message under the limit arrives whole",
    source: "SPEC R3.11: what is declared is what is done",
    breaks: "declares a size that its encoding (base64: a third more) cannot keep",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      // Too much for an encoding that adds a third, and room for whatever an envelope takes. Text: what is
      // none may count for more where the service takes text alone.
      const size = Math.floor(Math.min(capabilities.messageSizeMax, largeBytes) * 0.8)
      const body = Uint8Array.from({ length: size }, (_, index) => 32 + ((index * 31) % 95))
      yield* steps.sendAll([yield* bytes("a", body)])
      const a = yield* steps.receiveOne()
      yield* expect.equal("the size", a.body.byteLength, size)
      const isSame = a.body.every((byte, index) => byte === body[index])
      yield* expect.holds("the bytes are those sent", isSame, "other bytes")
    })
  },
  {
    id: "LIMIT-5",
    group,
    title: "ids of 128 printable characters arrive as sent",
    source: "SPEC R1.1: the limit of Service Bus and of SQS",
    breaks: "cuts, escapes or trims ids",
    run: Effect.gen(function* () {
      yield* steps.send([longest], { correlationId: longest.trim() })
      const [a] = yield* steps.receiveIds([longest])
      yield* expect.equal("the correlation id", a?.correlationId, longest.trim())
    })
  },
  {
    id: "LIMIT-6",
    group,
    title: "a session id of 128 printable characters is a session like any other",
    source: "SPEC R1.1; SQS message group id, Service Bus session id",
    breaks: "cuts, escapes or folds session ids, and joins two sessions",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const other = `${longest.slice(0, 127)}~`
      yield* steps.sendTo(longest, ["a1"])
      yield* steps.sendTo(other, ["b1"])
      const first = yield* steps.acceptNext()
      const second = yield* steps.acceptNext()
      const found: Array<string> = []
      for (const session of [first, second]) {
        const [one] = yield* steps.take(session, 1)
        const { messageId, sessionId } = yield* expect.present("the message", one)
        yield* expect.equal("the session", sessionId, session.sessionId)
        found.push(`${messageId} in ${session.sessionId}`)
      }
      yield* expect.equal("the messages", found.toSorted(), [`a1 in ${longest}`, `b1 in ${other}`])
    })
  },
  {
    id: "LIMIT-7",
    group,
    title: "session ids differ by case and by spaces",
    source: "SPEC R1.1; names in Service Bus are case-insensitive, session ids are not",
    breaks: "folds case or trims",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const all = ["a", "A", "a ", " a"]
      for (const [index, session] of all.entries()) yield* steps.sendTo(session, [`m${index}`])
      const found = new Set<SessionId.SessionId>()
      for (const _ of all) found.add((yield* steps.acceptNext()).sessionId)
      yield* expect.equal(
        "the sessions",
        [...found].toSorted(),
        all.map(SessionId.makeUnsafe).toSorted()
      )
    })
  },
  {
    id: "LIMIT-8",
    group,
    title: "one call takes sendCountMax messages, and refuses one more whole",
    source: "SPEC R3.9, R3.11",
    breaks: "declares more than the service takes, or sends the first part",
    queue: longLock,
    run: Effect.gen(function* () {
      const { capabilities, provider, queue, time } = yield* world
      const { sendCountMax } = capabilities
      if (sendCountMax > countMax[time.kind])
        return yield* expect.skip(`${sendCountMax} messages are not tried`)
      const all = Array.from({ length: sendCountMax + 1 }, (_, index) => `m${index}`)
      const messages = yield* Effect.forEach(all, (id) => steps.message(id))
      const over = provider.send(queue, messages)
      yield* steps.failsWith("a call over sendCountMax", "ValidationFailed", over)
      yield* steps.receiveNone()
      yield* steps.sendAll(messages.slice(1))
      yield* steps.receiveIds(all.slice(1))
    })
  },
  {
    id: "LIMIT-9",
    group,
    title: "one call over sendSizeMax bytes is refused whole",
    source: "QueueProvider.send: at most sendSizeMax bytes; SQS: 1 MiB a batch",
    breaks: "sends what fits, or passes on what the service says",
    run: Effect.gen(function* () {
      const { capabilities, provider, queue } = yield* world
      const { messageSizeMax, sendCountMax, sendSizeMax } = capabilities
      if (sendSizeMax > bytesMax) return yield* expect.skip(`${sendSizeMax} bytes are not tried`)
      const size = Math.max(1, Math.min(messageSizeMax, sendSizeMax) - 4 * 1024)
      const count = Math.ceil((sendSizeMax + 1) / size)
      if (count > sendCountMax)
        return yield* expect.skip("sendCountMax messages are no more than that")
      const messages = yield* Effect.forEach(Array.from({ length: count }).keys(), (index) =>
        bytes(`m${index}`, new Uint8Array(size))
      )
      const error = yield* steps.failure("a call over sendSizeMax", provider.send(queue, messages))
      yield* expect.oneOf("the reason", error.reason._tag, ["ValidationFailed", "MessageTooLarge"])
      yield* steps.receiveNone()
    })
  },
  {
    id: "LIMIT-10",
    group,
    title: "one call settles settleCountMax deliveries, and refuses one more whole",
    source: "SPEC R3.9, R3.11",
    breaks: "declares more than the service takes, or settles the first part",
    queue: longLock,
    run: Effect.gen(function* () {
      const { capabilities, provider, time } = yield* world
      const { settleCountMax } = capabilities
      if (settleCountMax > countMax[time.kind]) {
        return yield* expect.skip(`${settleCountMax} deliveries are not tried`)
      }
      const all = Array.from({ length: settleCountMax + 1 }, (_, index) => `m${index}`)
      yield* steps.sendInCalls(yield* Effect.forEach(all, (id) => steps.message(id)))
      const received = yield* steps.receiveIds(all)
      const receipts = received.map(({ receipt }) => receipt)
      const over = provider.settle(receipts, Verdict.complete)
      yield* steps.failsWith("a call over settleCountMax", "ValidationFailed", over)
      const renewal = provider.renewLock(receipts)
      yield* steps.failsWith("a renewal over settleCountMax", "ValidationFailed", renewal)
      yield* steps.complete(received.slice(1))
      yield* steps.complete(received.slice(0, 1))
    })
  },
  {
    id: "LIMIT-11",
    group,
    title: "asking for more than receiveCountMax gives as many, and is no error",
    source: "QueueProvider.ReceiveOptions.max: a provider may return fewer, never more",
    breaks: "passes on a number that the service refuses (SQS: 10)",
    run: Effect.gen(function* () {
      const { capabilities, provider, queue, time } = yield* world
      yield* steps.send(["a"])
      const max = capabilities.receiveCountMax * 10 + 1
      const address = QueueAddress.queue(queue)
      const wait = time.patience
      const received = yield* steps.ends(provider.receive(address, { max, wait }), wait)
      yield* expect.equal("the messages", steps.ids(received), ["a"])
    })
  },
  {
    id: "LIMIT-12",
    group,
    title: "a fraction of a second is a delay like any other, and never over early",
    source: "SPEC R3.8: not delivered early; SQS counts whole seconds",
    breaks: "rounds down",
    skip: ({ scheduling }) =>
      scheduling === "unsupported" ? "scheduling is declared unsupported" : undefined,
    run: Effect.gen(function* () {
      const { time } = yield* world
      const delay = Duration.millis(5_600)
      yield* steps.send(["a"], { delay })
      yield* steps.passUntilJustBefore(delay)
      yield* steps.receiveNoneNow()
      yield* steps.passBeyond(Duration.max(Duration.seconds(1), Duration.times(time.precision, 4)))
      yield* steps.receiveIds(["a"])
    })
  }
]
