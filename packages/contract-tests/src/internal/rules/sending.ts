import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Message, MessageId, SessionId } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Sending"

const queue = { deduplication: true }

export const sending: ReadonlyArray<ProviderRule> = [
  {
    id: "SEND-1",
    group,
    title: "a message that was taken is delivered, under the id it was sent with",
    source: "SPEC R3.2; DESIGN §2: the message id is ours",
    breaks: "answers success and stores nothing, or hands out the broker's id",
    run: Effect.gen(function* () {
      const [sent] = yield* steps.send(["a"])
      const { messageId } = yield* expect.present("the outcome", sent)
      yield* expect.equal("the id in the outcome", messageId, "a")
      yield* steps.receiveIds(["a"])
      yield* steps.receiveNoneNow()
    })
  },
  {
    id: "SEND-2",
    group,
    title: "a batch answers one outcome a message, in the order of the messages",
    source: "SPEC R3.9; SQS answers Successful and Failed as two lists in any order",
    breaks: "answers in the service's order",
    run: Effect.gen(function* () {
      const ids = ["c", "a", "e", "b", "d"]
      const sent = yield* steps.send(ids)
      yield* expect.equal("the outcomes", steps.ids(sent), ids)
      yield* steps.receiveIds(ids)
    })
  },
  {
    id: "SEND-3",
    group,
    title: "sending nothing answers no outcome and sends nothing",
    source: "QueueProvider.send: one outcome a message",
    breaks: "calls the service with an empty batch, which it refuses (SQS: EmptyBatchRequest)",
    run: Effect.gen(function* () {
      yield* expect.equal("the outcomes", steps.ids(yield* steps.sendAll([])), [])
      yield* steps.receiveNone()
    })
  },
  {
    id: "SEND-4",
    group,
    title: "without deduplication two messages of one id are both delivered",
    source: "SPEC R3.14",
    breaks: "drops messages without having declared that it does",
    skip: lacks("deduplication"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a", "a"])
    })
  },
  {
    id: "SEND-5",
    group,
    title: "with deduplication the second message of one id is taken and not delivered",
    source: "SPEC R3.14",
    breaks: "declares deduplication and does none, or fails the second send",
    queue,
    skip: needs("deduplication"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      const [again] = yield* steps.send(["a"])
      const { messageId } = yield* expect.present("the second outcome", again)
      yield* expect.equal("the id in the second outcome", messageId, "a")
      yield* steps.receiveIds(["a"])
      yield* steps.receiveNone()
    })
  },
  {
    id: "SEND-6",
    group,
    title: "an id is remembered after its message was completed",
    source: "SQS (AWS, 2024-04-30, probe P19); local-aws-sqs 2.0.2 forgets it with the message",
    probes: ["P19"],
    breaks: "looks for duplicates among the messages it still holds",
    queue,
    skip: needs("deduplication"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.complete([yield* steps.receiveOne()])
      yield* steps.send(["a"])
      yield* steps.receiveNone()
    })
  },
  {
    id: "SEND-7",
    group,
    title: "an id is forgotten when its window is over",
    source: "SPEC R3.14: inside its window",
    breaks: "remembers ids for ever, and loses what is sent again on purpose",
    queue,
    skip: (capabilities) =>
      needs("deduplication")(capabilities) ??
      (capabilities.deduplicationWindow === undefined ? "no window is declared" : undefined),
    passes: ({ deduplicationWindow, lockDuration }) => deduplicationWindow ?? lockDuration,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.send(["a"])
      yield* steps.complete([yield* steps.receiveOne()])
      yield* steps.passBeyond(capabilities.deduplicationWindow ?? capabilities.lockDuration)
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SEND-8",
    group,
    title: "messages of one body and different ids are all delivered",
    source: "SQS: content-based deduplication goes by the body; ids are ours",
    breaks: "deduplicates by content and loses the second of two equal orders",
    queue,
    run: Effect.gen(function* () {
      const body = yield* Message.text("the same")
      const ids = ["a", "b", "c"]
      yield* steps.sendAll(ids.map((id) => Message.stamp(body, MessageId.makeUnsafe(id))))
      yield* steps.receiveIds(ids)
    })
  },
  {
    id: "SEND-9",
    group,
    title: "one id twice in one call is delivered once, and both are taken",
    source: "SPEC R3.9, R3.14",
    breaks: "fails the batch, whose entries it names by message id (SQS: BatchEntryIdsNotDistinct)",
    queue,
    skip: needs("deduplication"),
    run: Effect.gen(function* () {
      const sent = yield* steps.send(["a", "b", "a"])
      yield* expect.equal("the outcomes", steps.ids(sent), ["a", "b", "a"])
      yield* steps.receiveIds(["a", "b"])
      yield* steps.receiveNone()
    })
  },
  {
    id: "SEND-10",
    group,
    title: "a message that was refused is not remembered",
    source: "SPEC R1.7: refused before anything is sent",
    breaks: "remembers the id first, and drops the repaired message as a duplicate",
    queue,
    skip: needs("deduplication"),
    run: Effect.gen(function* () {
      const { capabilities, provider, queue: name } = yield* world
      const { messageSizeMax } = capabilities
      if (messageSizeMax > 8 * 1024 * 1024) return yield* expect.skip("messages may be too large")
      const large = yield* Message.bytes(new Uint8Array(messageSizeMax + 1))
      const messageId = MessageId.makeUnsafe("a")
      const send = provider.send(name, [Message.stamp(large, messageId)])
      yield* steps.failsWith("sending a message over the limit", "MessageTooLarge", send)
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SEND-11",
    group,
    title: "an ordered queue refuses a call with a message without a session, and sends none of it",
    source: "SPEC R3.13; SQS fails the whole call (AWS, 2024-04-30, probe P18)",
    probes: ["P18"],
    breaks: "puts the message into a session nobody named, or sends the others of its call",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const { provider, queue: name } = yield* world
      const within = yield* steps.message("a", { sessionId: SessionId.makeUnsafe("A") })
      const without = yield* steps.message("b")
      const send = provider.send(name, [within, without])
      const error = yield* steps.failsWith("a call without a session", "ValidationFailed", send)
      const field = error.reason._tag === "ValidationFailed" ? error.reason.field : ""
      yield* expect.equal("the field", field, "sessionId")
      yield* steps.acceptNone()
    })
  },
  {
    id: "SEND-12",
    group,
    title: "sequence numbers grow with every message sent, and are those of the deliveries",
    source: "QueueProvider.Sent.sequenceNumber",
    breaks: "numbers messages by itself, or anew in every call",
    run: Effect.gen(function* () {
      const sent = [...(yield* steps.send(["a", "b"])), ...(yield* steps.send(["c"]))]
      const numbers = sent.flatMap(({ sequenceNumber }) => sequenceNumber ?? [])
      if (numbers.length === 0) return yield* expect.skip("the provider tells no sequence number")
      const growing = numbers.toSorted((one, other) => Number(one - other))
      yield* expect.equal("the sequence numbers", numbers, growing)
      yield* expect.equal("different numbers", new Set(numbers).size, sent.length)
      const received = yield* steps.receiveIds(["a", "b", "c"])
      const delivered = received.flatMap(({ sequenceNumber }) => sequenceNumber ?? [])
      yield* expect.equal("the sequence numbers delivered", delivered, numbers)
    })
  },
  {
    id: "SEND-13",
    group,
    title: "a call is sent when it is run, once each time it is run",
    source: "DESIGN §3: a policy may make a call again",
    breaks: "sends while the effect is made, or only the first time it is run",
    run: Effect.gen(function* () {
      const { provider, queue: name } = yield* world
      const call = provider.send(name, [yield* steps.message("a")])
      yield* steps.receiveNone()
      for (const _ of [1, 2]) {
        const outcomes = yield* steps.ends(call)
        yield* expect.equal("the outcomes", outcomes.map(Result.isSuccess), [true])
        yield* steps.complete([yield* steps.receiveOne()])
      }
    }),
    skip: lacks("deduplication")
  }
]
