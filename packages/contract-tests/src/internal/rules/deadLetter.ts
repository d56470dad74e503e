import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { QueueAddress, SessionId, Verdict } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import type * as Rule from "../../Rule.ts"
import type * as World from "../../World.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "DeadLetter"

const skip = needs("deadLetter")

const bad = Verdict.deadLetter("Bad", "very bad")

/** A message among the dead letters. */
const dead = Effect.fnUntraced(function* (id: string) {
  yield* steps.send([id])
  yield* steps.settle(yield* steps.receiveIds([id]), bad)
})

const infoOf = (letter: steps.Received) => expect.present("deadLetter", letter.deadLetter)

/** Fails a message until it is delivered no more: how often it was. */
const failUntilGone = Effect.fnUntraced(function* (
  id: string,
  fail: (message: steps.Received) => Effect.Effect<void, Rule.Failure, World.World>
) {
  const { options } = yield* world
  const counts: Array<number> = []
  for (let round = 0; round < options.deliveriesMax + 2; round++) {
    const [message] = yield* steps.receive(1)
    if (message === undefined) break
    counts.push(message.deliveryCount)
    yield* fail(message)
  }
  const expected = Array.from({ length: options.deliveriesMax }, (_, index) => index + 1)
  yield* expect.equal("the deliveries before the dead letters", counts, expected)
  const [letter] = yield* steps.receiveIds([id], yield* steps.deadLetters)
  return yield* expect.present("the dead letter", letter)
})

export const deadLetter: ReadonlyArray<ProviderRule> = [
  {
    id: "DEAD-1",
    group,
    title: "a dead-lettered message is among the dead letters, with all it was, and says why",
    source: "SPEC R3.6, R7.2",
    breaks: "keeps the body and loses attributes, ids, reason, description or time",
    skip,
    run: Effect.gen(function* () {
      const { queue, time } = yield* world
      const attributes: Record<string, string> = { one: "1", two: "zwei 😀" }
      yield* steps.send(["a"], { attributes, correlationId: "c", contentType: "text/x" })
      const a = yield* steps.receiveOne()
      const description = "naïve “quotes” 😀 <xml/>"
      const before = yield* DateTime.now
      yield* steps.settle([a], Verdict.deadLetter("Bad", description))
      const after = yield* DateTime.now
      yield* steps.pass(Duration.times(time.precision, 5))
      const letter = yield* steps.receiveOne(yield* steps.deadLetters)
      yield* expect.equal("the id", letter.messageId, a.messageId)
      yield* expect.equal("the body", [...letter.body], [...a.body])
      yield* expect.equal("the attributes", { ...letter.attributes }, attributes)
      yield* expect.equal("the correlation id", letter.correlationId, "c")
      yield* expect.equal("the content type", letter.contentType, "text/x")
      const info = yield* infoOf(letter)
      yield* expect.equal("the reason", info.reason, "Bad")
      yield* expect.equal("the description", info.description, description)
      yield* expect.equal("the source", info.source, queue)
      yield* expect.equal("the deliveries before", info.deliveryCount, 1)
      // A broker has a clock of its own.
      const slack = Duration.times(time.precision, 2)
      const isThen = DateTime.between(info.time, {
        minimum: DateTime.subtractDuration(before, slack),
        maximum: DateTime.addDuration(after, slack)
      })
      yield* expect.holds("the time is that of the dead-lettering", isThen, info.time)
    })
  },
  {
    id: "DEAD-2",
    group,
    title: "a dead-lettered message is delivered from its queue no more, and its receipt is dead",
    source: "SPEC R3.1, R3.4",
    breaks: "copies the message and leaves the original",
    skip,
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.settle([a], bad)
      yield* steps.receiveNone()
      yield* steps.settlesNothing([a], Verdict.abandon())
      yield* steps.passLock
      yield* steps.receiveNone()
      yield* steps.receiveIds(["a"], yield* steps.deadLetters)
    })
  },
  {
    id: "DEAD-3",
    group,
    title:
      "a message abandoned as often as its queue allows goes to the dead letters, and says why",
    source:
      "SPEC R3.6; SQS (AWS, 2024-05-21, probe P13): moved at the receive after the last; " +
      "local-aws-sqs 2.0.2 moves it after one",
    probes: ["P13"],
    breaks: "delivers for ever, or one time too few",
    queue: { deliveriesMax: 3 },
    skip,
    run: Effect.gen(function* () {
      const { queue } = yield* world
      yield* steps.send(["a"], { attributes: { one: "1" } })
      const letter = yield* failUntilGone("a", (message) => steps.abandon([message]))
      yield* expect.equal("the attributes", { ...letter.attributes }, { one: "1" })
      const info = yield* infoOf(letter)
      yield* expect.holds("there is a reason", info.reason !== "", info.reason)
      yield* expect.equal("the source", info.source, queue)
      yield* expect.equal("the deliveries before", info.deliveryCount, 3)
    })
  },
  {
    id: "DEAD-4",
    group,
    title: "a message whose lock ran out as often as its queue allows goes to the dead letters",
    source: "SPEC R3.6; a message that kills its process is never abandoned",
    probes: ["P13"],
    breaks: "counts abandons alone",
    queue: { deliveriesMax: 2 },
    skip,
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* failUntilGone("a", () => steps.passLock)
    })
  },
  {
    id: "DEAD-5",
    group,
    title: "a message that succeeds at its last delivery is not dead-lettered",
    source: "SPEC R3.6: more than the configured maximum",
    probes: ["P13"],
    breaks: "moves the message while its last handler is at work",
    queue: { deliveriesMax: 2 },
    skip,
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.abandon([yield* steps.receiveOne()])
      yield* steps.complete([yield* steps.receiveOne()])
      yield* steps.passLock
      yield* steps.receiveNone()
      yield* steps.receiveNone(yield* steps.deadLetters)
    })
  },
  {
    id: "DEAD-6",
    group,
    title: "a dead letter that is completed is gone, and its receipt is dead",
    source: "SPEC R7.1: purge and replay complete what they took",
    breaks: "settles the receipt against the queue instead of its dead letters",
    skip,
    run: Effect.gen(function* () {
      yield* dead("a")
      const from = yield* steps.deadLetters
      const letter = yield* steps.receiveOne(from)
      yield* expect.equal("where the receipt is from", letter.receipt.address._tag, "DeadLetter")
      yield* steps.complete([letter])
      yield* steps.settlesNothing([letter], Verdict.complete)
      yield* steps.passLock
      yield* steps.receiveNone(from)
    })
  },
  {
    id: "DEAD-7",
    group,
    title: "a dead letter stays one, however often it is abandoned or its lock runs out",
    source: "Service Bus: an abandon in the dead letters does not count (SERVICEBUS.md §1.5)",
    breaks: "dead-letters the dead letter, which is then nowhere",
    queue: { deliveriesMax: 2 },
    skip,
    run: Effect.gen(function* () {
      yield* dead("a")
      const from = yield* steps.deadLetters
      for (const _ of [1, 2, 3]) yield* steps.abandon([yield* steps.receiveOne(from)])
      yield* steps.receiveIds(["a"], from)
      yield* steps.passLock
      const letter = yield* steps.receiveOne(from)
      const info = yield* infoOf(letter)
      yield* expect.equal("the reason", info.reason, "Bad")
    })
  },
  {
    id: "DEAD-8",
    group,
    title: "dead-lettering a dead letter loses nothing",
    source: "Service Bus refuses it and makes the message available again (SERVICEBUS.md §1.5)",
    breaks: "moves it to dead letters of the dead letters",
    skip,
    run: Effect.gen(function* () {
      const { provider } = yield* world
      yield* dead("a")
      const from = yield* steps.deadLetters
      const letter = yield* steps.receiveOne(from)
      yield* steps.ends(Effect.result(provider.settle([letter.receipt], bad)))
      yield* steps.passLock
      yield* steps.receiveIds(["a"], from)
    })
  },
  {
    id: "DEAD-9",
    group,
    title: "a dead letter does not expire with its time to live",
    source: "SPEC R7.4: removing dead letters is an explicit operation",
    breaks: "drops what an operator has not seen yet",
    skip: needs("deadLetter", "timeToLive"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"], { timeToLive: Duration.seconds(4) })
      yield* steps.settle([yield* steps.receiveOne()], bad)
      yield* steps.passBeyond(Duration.seconds(8))
      yield* steps.receiveIds(["a"], yield* steps.deadLetters)
    })
  },
  {
    id: "DEAD-10",
    group,
    title: "a wait on the dead letters ends when one comes",
    source: "QueueProvider.receive serves both parts of a queue",
    breaks: "wakes waiters of the queue alone",
    skip,
    run: Effect.gen(function* () {
      const { provider } = yield* world
      const from = yield* steps.deadLetters
      const wait = Duration.seconds(20)
      const call = yield* steps.start(provider.receive(from, { max: 1, wait }))
      yield* dead("a")
      const received = yield* steps.join(call)
      yield* expect.equal("the dead letters", steps.ids(received), ["a"])
    })
  },
  {
    id: "DEAD-11",
    group,
    title: "dead letters of an ordered queue are received without a session, and keep theirs",
    source: "QueueProvider.receive: its dead letters are received like any others",
    probes: ["P1"],
    breaks: "asks for a session of the dead letters, or hides the rest of it behind one in flight",
    queue: { sessions: true },
    skip,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", ["a1", "a2", "a3"])
      yield* steps.settle(received, bad, session)
      const letters = yield* steps.receiveIds(["a1", "a2", "a3"], yield* steps.deadLetters)
      const sessions = letters.map(({ sessionId }) => sessionId)
      yield* expect.equal("their sessions", sessions, Array(3).fill(SessionId.makeUnsafe("A")))
    })
  },
  {
    id: "DEAD-12",
    group,
    title: "two messages of one id can both be dead-lettered",
    source: "SPEC R7.1: the broker must not swallow a dead-lettering as a duplicate",
    breaks: "sends the copy under the application's id, and then removes the original",
    skip: (capabilities) => skip(capabilities) ?? lacks("deduplication")(capabilities),
    run: Effect.gen(function* () {
      yield* dead("a")
      yield* dead("a")
      yield* steps.receiveIds(["a", "a"], yield* steps.deadLetters)
    })
  },
  {
    id: "DEAD-13",
    group,
    title: "a dead letter without a description has none",
    source: "SPEC R7.2; ReceivedMessage.DeadLetterInfo",
    breaks: "makes up an empty one, or fails",
    skip,
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.settle([yield* steps.receiveOne()], Verdict.deadLetter("Bad"))
      const info = yield* infoOf(yield* steps.receiveOne(yield* steps.deadLetters))
      yield* expect.equal("the description", info.description, undefined)
      yield* expect.equal("the reason", info.reason, "Bad")
    })
  },
  {
    id: "DEAD-14",
    group,
    title: "a queue without dead letters refuses to dead-letter, and the delivery stays",
    source: "SPEC R3.11, R3.15",
    breaks: "completes the message and says it was dead-lettered",
    skip: lacks("deadLetter"),
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const a = yield* steps.deliver("a")
      const result = yield* steps.ends(Effect.result(provider.settle([a.receipt], bad)))
      const reason =
        result._tag === "Failure" ? result.failure.reason._tag : steps.tags(result.success).join()
      yield* expect.equal("the outcome", reason, "UnsupportedOperation")
      const letters = provider.receive(QueueAddress.deadLetter(queue), {
        max: 1,
        wait: Duration.zero
      })
      yield* steps.failsWith("receiving dead letters", "UnsupportedOperation", letters)
      yield* steps.complete([a])
    })
  },
  {
    id: "DEAD-15",
    group,
    title: "a queue without dead letters gives no message up, however often it was delivered",
    source: "SPEC R3.15, R3.2: the library routes dead letters, and counts for it",
    breaks: "drops a message after its last delivery, which nobody acknowledged",
    queue: { deliveriesMax: 2 },
    skip: lacks("deadLetter"),
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      for (const count of [1, 2, 3, 4, 5]) {
        const received = yield* steps.receiveIds(["a"])
        yield* expect.equal("the deliveries", steps.counted(received), [`a:${count}`])
        yield* steps.abandon(received)
      }
    })
  },
  {
    id: "DEAD-16",
    group,
    title: "a dead letter keeps what is known of its failure: type, times, attempts, who, tags",
    source: "SPEC R7.2; ReceivedMessage.DeadLetterDetails",
    breaks: "keeps reason and description, and drops the rest",
    skip,
    run: Effect.gen(function* () {
      const now = yield* DateTime.now
      const details = {
        errorType: "ParseError",
        attempts: 3,
        firstFailedAt: DateTime.subtractDuration(now, Duration.minutes(1)),
        lastFailedAt: now,
        service: "merge-warden",
        version: "1.2.3 (naïve 😀)",
        environment: "production",
        tags: { team: "a", "with space": "<b>" },
        stack: "Error: bad\n    at parse (parse.ts:1:1)"
      }
      yield* steps.send(["a"])
      yield* steps.settle(
        [yield* steps.receiveOne()],
        Verdict.deadLetter("Bad", "very bad", details)
      )
      const info = yield* infoOf(yield* steps.receiveOne(yield* steps.deadLetters))
      yield* expect.equal("the details", { ...info.details }, details)
      yield* expect.equal("the description", info.description, "very bad")
    })
  }
]
