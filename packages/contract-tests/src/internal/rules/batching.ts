import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import { Message, MessageId, Verdict } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Batching"

/** Those of a batch that fail are the second and the fourth of five. */
const expected = ["ok", "ReceiptExpired", "ok", "ReceiptExpired", "ok"]

const all = ["a", "b", "c", "d", "e"]

/** Five deliveries, two of whose receipts are used. */
const twoUsed = Effect.gen(function* () {
  yield* steps.send(all)
  const received = yield* steps.receiveIds(all)
  const used = received.filter((_, index) => index === 1 || index === 3)
  yield* steps.complete(used)
  return received
})

export const batching: ReadonlyArray<ProviderRule> = [
  {
    id: "BATCH-1",
    group,
    title: "a completion that fails in part answers each receipt its own outcome, in their order",
    source: "SPEC R3.9; SQS DeleteMessageBatch answers by entry, in any order",
    breaks: "fails the whole call, or takes the failed ones for done",
    run: Effect.gen(function* () {
      const received = yield* twoUsed
      const outcomes = yield* steps.settleTags(received, Verdict.complete)
      yield* expect.equal("the outcomes", outcomes, expected)
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "BATCH-2",
    group,
    title: "an abandon that fails in part gives back those that did not fail",
    source: "SPEC R3.9; SQS ChangeMessageVisibilityBatch answers by entry",
    breaks: "gives back nothing after the first failure",
    run: Effect.gen(function* () {
      const received = yield* twoUsed
      const outcomes = yield* steps.settleTags(received, Verdict.abandon())
      yield* expect.equal("the outcomes", outcomes, expected)
      yield* steps.receiveIds(["a", "c", "e"])
    })
  },
  {
    id: "BATCH-3",
    group,
    title: "a dead-lettering that fails in part moves those that did not fail",
    source: "SPEC R3.9; on SQS each is a send and a deletion",
    breaks: "copies all and deletes some",
    skip: needs("deadLetter"),
    run: Effect.gen(function* () {
      const received = yield* twoUsed
      const outcomes = yield* steps.settleTags(received, Verdict.deadLetter("Bad"))
      yield* expect.equal("the outcomes", outcomes, expected)
      yield* steps.receiveIds(["a", "c", "e"], yield* steps.deadLetters)
      yield* steps.receiveNone(yield* steps.deadLetters)
    })
  },
  {
    id: "BATCH-4",
    group,
    title: "a renewal that fails in part renews those that did not fail",
    source: "SPEC R3.9; SQS.md §4: one entry fails",
    breaks: "stops at the first failure and lets the rest run out",
    run: Effect.gen(function* () {
      const { capabilities, provider } = yield* world
      const received = yield* twoUsed
      yield* steps.passUntilJustBefore(capabilities.lockDuration)
      const receipts = received.map(({ receipt }) => receipt)
      const outcomes = yield* steps.ends(provider.renewLock(receipts))
      yield* expect.equal("the outcomes", steps.tags(outcomes), expected)
      yield* steps.passOver
      yield* steps.receiveNoneNow()
      const kept = received.filter((_, index) => expected[index] === "ok")
      yield* steps.complete(kept)
    })
  },
  {
    id: "BATCH-5",
    group,
    title: "one message over the limit fails the whole call before anything is sent, and is named",
    source: "SPEC R1.7",
    breaks: "sends the messages before it",
    run: Effect.gen(function* () {
      const { capabilities, provider, queue } = yield* world
      const { messageSizeMax } = capabilities
      if (messageSizeMax > 8 * 1024 * 1024) return yield* expect.skip("messages may be too large")
      const large = yield* Message.bytes(new Uint8Array(messageSizeMax + 1))
      const messages = [
        yield* steps.message("a"),
        yield* steps.message("b"),
        Message.stamp(large, MessageId.makeUnsafe("c"))
      ]
      const call = provider.send(queue, messages)
      const { reason } = yield* steps.failsWith("the call", "MessageTooLarge", call)
      const index = reason._tag === "MessageTooLarge" ? reason.index : undefined
      yield* expect.equal("the message named", index, 2)
      yield* steps.receiveNone()
    })
  },
  {
    id: "BATCH-6",
    group,
    title: "messages of one call keep each its own body, attributes and ids",
    source: "Service Bus copies the first message's properties to the batch (SERVICEBUS.md §1.3)",
    breaks: "takes the first one's for all",
    run: Effect.gen(function* () {
      const messages = yield* Effect.forEach(["a", "b", "c"], (id, index) =>
        steps.message(id, {
          attributes: index === 1 ? {} : { [`of-${id}`]: id },
          ...(index === 1 ? {} : { correlationId: `c-${id}` }),
          contentType: `text/${id}`
        })
      )
      yield* steps.sendAll(messages)
      const facts = (one: Message.Message) => ({
        body: [...one.body],
        attributes: { ...one.attributes },
        correlationId: one.correlationId,
        contentType: one.contentType
      })
      const received = yield* steps.receiveIds(["a", "b", "c"])
      for (const [index, one] of received.entries()) {
        const sent = yield* expect.present("the message sent", messages[index])
        yield* expect.equal(`message ${one.messageId}`, facts(one), facts(sent))
      }
    })
  },
  {
    id: "BATCH-7",
    group,
    title: "a message of a call may have a time of its own",
    source: "SPEC R3.8, R3.9; SQS takes the delay by entry",
    breaks: "takes the first one's time for all",
    skip: needs("scheduling"),
    run: Effect.gen(function* () {
      const now = yield* DateTime.now
      const messages = [
        yield* steps.message("a"),
        yield* steps.message("b", { scheduledAt: DateTime.add(now, { seconds: 6 }) }),
        yield* steps.message("c")
      ]
      yield* steps.sendAll(messages)
      yield* steps.complete(yield* steps.receiveIds(["a", "c"]))
      yield* steps.receiveNoneNow()
      yield* steps.pass(DateTime.distance(now, DateTime.add(now, { seconds: 8 })))
      yield* steps.receiveIds(["b"])
    })
  }
]
