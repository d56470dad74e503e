import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import { Message, MessageId, Outcome, QueueClient, SessionId, Verdict } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as wrap from "../sabotages/wrap.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Batching"

/** Those of a batch that fail are the second and the fourth of five. */
const expected = ["ok", "ReceiptExpired", "ok", "ReceiptExpired", "ok"]

const all = ["a", "b", "c", "d", "e"]

const together = { concurrency: "unbounded" } as const

/** Five deliveries, two of whose receipts are used. */
const twoUsed = Effect.gen(function* () {
  yield* steps.send(all)
  const received = yield* steps.receiveIds(all)
  const used = received.filter((_, index) => index === 1 || index === 3)
  yield* steps.complete(used)
  return received
})

/** A message that no call takes, whatever it is in. */
const tooLarge = Effect.fnUntraced(function* (id: string, options?: Message.Options) {
  const { messageSizeMax } = (yield* world).capabilities
  if (messageSizeMax > 8 * 1024 * 1024) return yield* expect.skip("messages may be too large")
  const large = yield* Message.bytes(new Uint8Array(messageSizeMax + 1), options)
  return Message.stamp(large, MessageId.makeUnsafe(id))
})

/** An outcome in a word; of what is too large with the message that is named. */
const said = (outcome: Outcome.Outcome<unknown>): string => {
  if (Result.isSuccess(outcome)) return "ok"
  const { reason } = outcome.failure
  return reason._tag === "MessageTooLarge" ? `${reason._tag} ${reason.index}` : reason._tag
}

/**
 * What a client answers that cuts its batch to calls of two, and leaves it to the provider to refuse what is
 * too large: what a message has on the wire is not always known above.
 */
const sentByTwo = Effect.fnUntraced(function* (messages: ReadonlyArray<Message.Stamped>) {
  const { provider, queue } = yield* world
  const sizes = messages.map(Message.size)
  const capabilities: typeof provider.capabilities = (name) => ({
    ...provider.capabilities(name),
    messageSizeMax: Math.max(...sizes),
    sendSizeMax: sizes.reduce((sum, size) => sum + size, 0),
    sendCountMax: 2
  })
  const client = yield* QueueClient.make(wrap.change(provider, { capabilities }))
  return (yield* steps.ends(client.sendOutcomes(queue, messages))).map(said)
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
  },
  {
    id: "BATCH-8",
    group,
    title: "sends side by side are each answered with their own messages",
    source: "SPEC R3.10: merged without the caller asking, each still gets its own result",
    breaks: "hands out the outcomes of a merged call in another order",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const calls = [["a"], ["b"], ["c", "d"], ["e"], ["f", "g", "h"], ["i"]]
      const sending = Effect.fnUntraced(function* (ids: ReadonlyArray<string>) {
        const messages = yield* Effect.forEach(ids, (id) => steps.message(id))
        return steps.ids(yield* Outcome.all(yield* provider.send(queue, messages)))
      })
      const sent = yield* steps.ends(Effect.forEach(calls, sending, together))
      yield* expect.equal("the messages each call was answered with", sent, calls)
      yield* steps.receiveIds(calls.flat())
    })
  },
  {
    id: "BATCH-9",
    group,
    title: "of sends side by side one that is too large fails alone",
    source: "SPEC R1.7, R3.10; SQS refuses a batch that is too large as a whole",
    breaks: "fails whoever was merged with it",
    run: Effect.gen(function* () {
      const { capabilities, provider, queue } = yield* world
      const { messageSizeMax } = capabilities
      if (messageSizeMax > 8 * 1024 * 1024) return yield* expect.skip("messages may be too large")
      const large = yield* Message.bytes(new Uint8Array(messageSizeMax + 1))
      const sending = Effect.fnUntraced(function* (id: string) {
        const one =
          id === "c" ? Message.stamp(large, MessageId.makeUnsafe(id)) : yield* steps.message(id)
        const result = yield* Effect.result(provider.send(queue, [one]))
        return Result.isSuccess(result) ? steps.tags(result.success) : [result.failure.reason._tag]
      })
      const outcomes = yield* steps.ends(Effect.forEach(all, sending, together))
      const wanted = all.map((id) => [id === "c" ? "MessageTooLarge" : "ok"])
      yield* expect.equal("the outcomes", outcomes, wanted)
      yield* steps.receiveIds(["a", "b", "d", "e"])
    })
  },
  {
    id: "BATCH-10",
    group,
    title: "completions side by side, two of used receipts, are each answered their own outcome",
    source: "SPEC R3.4, R3.10; SQS answers a batch by entry, in any order",
    breaks: "takes a merged call for done, or for failed, as a whole",
    run: Effect.gen(function* () {
      const received = yield* twoUsed
      const completing = (one: steps.Received) => steps.settleTags([one], Verdict.complete)
      const outcomes = yield* steps.ends(Effect.forEach(received, completing, together))
      yield* expect.equal("the outcomes", outcomes.flat(), expected)
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "BATCH-11",
    group,
    title: "abandons side by side have each their own delay",
    source: "SPEC R3.1, R3.10; SQS takes the visibility by entry",
    breaks: "merges what has not the same verdict, and takes the first one's delay for all",
    skip: needs("abandonDelay"),
    run: Effect.gen(function* () {
      yield* steps.send(["a", "b", "c"])
      const received = yield* steps.receiveIds(["a", "b", "c"])
      const abandoning = (one: steps.Received) => {
        const delay = one.messageId === "b" ? Duration.seconds(6) : Duration.zero
        return steps.settleTags([one], Verdict.abandon(delay))
      }
      const outcomes = yield* steps.ends(Effect.forEach(received, abandoning, together))
      yield* expect.equal("the outcomes", outcomes.flat(), ["ok", "ok", "ok"])
      yield* steps.complete(yield* steps.receiveIds(["a", "c"]))
      yield* steps.receiveNoneNow()
      yield* steps.pass(Duration.seconds(8))
      yield* steps.receiveIds(["b"])
    })
  },
  {
    id: "BATCH-12",
    group,
    title: "renewals side by side, two of used receipts, are each answered their own outcome",
    source: "SPEC R3.10; SQS ChangeMessageVisibilityBatch answers by entry",
    breaks: "answers all of a merged call what the first one is answered",
    run: Effect.gen(function* () {
      const { capabilities, provider } = yield* world
      const received = yield* twoUsed
      yield* steps.passUntilJustBefore(capabilities.lockDuration)
      const renewals = Effect.forEach(
        received,
        ({ receipt }) => provider.renewLock([receipt]),
        together
      )
      const outcomes = yield* steps.ends(renewals)
      yield* expect.equal("the outcomes", outcomes.flatMap(steps.tags), expected)
      yield* steps.passOver
      yield* steps.receiveNoneNow()
      yield* steps.complete(received.filter((_, index) => expected[index] === "ok"))
    })
  },
  {
    id: "BATCH-13",
    group,
    title: "sessions whose senders work side by side keep each its order",
    source: "SPEC R3.10, R4.1; SQS.md §7: one batch in flight a group, or what failed is overtaken",
    breaks: "answers a send before it is sent, and sends the newest first",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const names = ["A", "B", "C", "D"]
      const parts = (name: string) => [
        [`${name}1`],
        [`${name}2`],
        [`${name}3`, `${name}4`],
        [`${name}5`]
      ]
      const sender = (name: string) =>
        Effect.forEach(parts(name), (ids) => steps.sendTo(name, ids), { discard: true })
      yield* steps.ends(Effect.forEach(names, sender, together))
      const reading = Effect.gen(function* () {
        const session = yield* steps.acceptNext()
        const { sessionId } = session
        yield* steps.takeInTurn(session, parts(sessionId).flat())
        return String(sessionId)
      })
      const read = yield* Effect.forEach(names, () => Effect.scoped(reading))
      yield* expect.equal("the sessions", read.toSorted(), names)
    })
  },
  {
    id: "BATCH-14",
    group,
    title: "a sender that is interrupted takes no other's message with it",
    source: "SPEC R3.10: what is merged is each caller's own",
    breaks: "drops, or interrupts, the call that it was merged into",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const senders = yield* Effect.forEach(all, (id) =>
        Effect.flatMap(steps.message(id), (one) =>
          Effect.forkChild(Effect.flatMap(provider.send(queue, [one]), Outcome.single), {
            startImmediately: true
          })
        )
      )
      const isStopped = (index: number) => index === 1
      yield* Fiber.interruptAll(senders.filter((_, index) => isStopped(index)))
      const others = senders.filter((_, index) => !isStopped(index))
      const sent = yield* Effect.forEach(others, (sender) => steps.join(sender))
      const wanted = all.filter((_, index) => !isStopped(index))
      yield* expect.equal("the messages sent", steps.ids(sent), wanted)
      // The interrupted one may have been sent already.
      const delivered: Array<string> = []
      while (wanted.some((id) => !delivered.includes(id))) {
        const one = yield* steps.receiveOne()
        delivered.push(one.messageId)
        yield* steps.complete([one])
      }
      const own = delivered.filter((id) => wanted.includes(id))
      yield* expect.equal("the messages delivered", own.toSorted(), wanted)
    })
  },
  {
    id: "BATCH-15",
    group,
    title: "of sends side by side one that is too large is named by its place in its own call",
    source: "SPEC R1.7, R3.10: each caller gets its own result",
    breaks: "names the place in what was merged, which is no message of the caller, or another one",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const large = yield* tooLarge("e")
      const small = yield* Effect.forEach(["a", "b", "c", "d", "f"], (id) => steps.message(id))
      const calls = [small.slice(0, 2), [...small.slice(2, 4), large], small.slice(4)]
      const sending = (messages: ReadonlyArray<Message.Stamped>) =>
        Effect.map(Effect.result(provider.send(queue, messages)), (result) =>
          Result.isFailure(result) ? [said(result)] : result.success.map(said)
        )
      const outcomes = yield* steps.ends(Effect.forEach(calls, sending, together))
      const wanted = [["ok", "ok"], ["MessageTooLarge 2"], ["ok"]]
      yield* expect.equal("the outcomes", outcomes, wanted)
      yield* steps.receiveIds(["a", "b", "f"])
    })
  },
  {
    id: "BATCH-16",
    group,
    title:
      "of a batch that is cut to calls one that is too large is named by its place in the batch",
    source: "SPEC R1.7, R3.9; QueueError.MessageTooLarge: its place in the batch",
    breaks: "counts entries on from call to call, or names the place in one of the calls",
    run: Effect.gen(function* () {
      const small = yield* Effect.forEach(["a", "b", "c"], (id) => steps.message(id))
      const outcomes = yield* sentByTwo([...small, yield* tooLarge("d")])
      const refused = "MessageTooLarge 3"
      yield* expect.equal("the outcomes", outcomes, ["ok", "ok", refused, refused])
      yield* steps.receiveIds(["a", "b"])
    })
  },
  {
    id: "BATCH-17",
    group,
    title: "in a session what is behind a message that is too large names it by its place too",
    source:
      "SPEC R1.7, R4.1: in one session nothing is sent behind a failure, and fails with its error",
    breaks: "counts entries on from call to call, or names the place in one of the calls",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const small = yield* Effect.forEach(["a1", "a2", "a3", "a5"], (id) =>
        steps.inSession("A", id)
      )
      const large = yield* tooLarge("a4", { sessionId: SessionId.makeUnsafe("A") })
      const outcomes = yield* sentByTwo(small.toSpliced(3, 0, large))
      const refused = "MessageTooLarge 3"
      yield* expect.equal("the outcomes", outcomes, ["ok", "ok", refused, refused, refused])
      const session = yield* steps.acceptNext()
      yield* steps.takeInTurn(session, ["a1", "a2"])
    })
  }
]
