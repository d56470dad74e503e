import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { type Message, QueueAddress } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Scheduling"

const skip = needs("scheduling")

const seconds = Duration.seconds

/** A message sent with these options is refused as unsupported, and nothing is sent. */
const isRefused = Effect.fnUntraced(function* (what: string, options: Message.Options) {
  const { provider, queue } = yield* world
  const call = provider.send(queue, [yield* steps.message("a", options)])
  yield* steps.failsWith(what, "UnsupportedOperation", call)
  yield* steps.receiveNone()
})

export const scheduling: ReadonlyArray<ProviderRule> = [
  {
    id: "SCHEDULE-1",
    group,
    title: "a message with a delay is delivered when it is over, and not before",
    source: "SPEC R3.8",
    breaks: "delivers at once, or a part of a second early",
    skip,
    run: Effect.gen(function* () {
      yield* steps.send(["a"], { delay: seconds(6) })
      yield* steps.passUntilJustBefore(seconds(6))
      yield* steps.receiveNoneNow()
      yield* steps.passOver
      const received = yield* steps.receiveIds(["a"])
      yield* expect.equal("the deliveries", steps.counted(received), ["a:1"])
    })
  },
  {
    id: "SCHEDULE-2",
    group,
    title: "a message with a time is delivered at it, and not before",
    source: "SPEC R3.8; SQS takes a delay alone, Service Bus a time",
    breaks: "takes the time for a delay, or rounds it down",
    skip,
    run: Effect.gen(function* () {
      const scheduledAt = DateTime.addDuration(yield* DateTime.now, seconds(6))
      yield* steps.send(["a"], { scheduledAt })
      yield* steps.passUntilJustBefore(seconds(6))
      yield* steps.receiveNoneNow()
      yield* steps.passOver
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SCHEDULE-3",
    group,
    title: "no delay, and a time that is over, are now",
    source: "SPEC R3.8",
    breaks: "refuses a negative delay, which the service never sees",
    skip,
    run: Effect.gen(function* () {
      yield* steps.pass(seconds(2))
      const past = DateTime.subtractDuration(yield* DateTime.now, seconds(1))
      yield* steps.send(["a"], { scheduledAt: past })
      yield* steps.send(["b"], { delay: Duration.zero })
      yield* steps.receiveIds(["a", "b"])
    })
  },
  {
    id: "SCHEDULE-4",
    group,
    title: "each message is delivered at its own time, whatever the order of sending",
    source: "SPEC R3.8",
    breaks: "lets a late message hold up those behind it",
    skip,
    run: Effect.gen(function* () {
      yield* steps.send(["late"], { delay: seconds(12) })
      yield* steps.send(["soon"], { delay: seconds(6) })
      yield* steps.send(["now"])
      yield* steps.complete(yield* steps.receiveIds(["now"]))
      yield* steps.receiveNoneNow()
      yield* steps.passBeyond(seconds(6))
      yield* steps.complete(yield* steps.receiveIds(["soon"]))
      yield* steps.receiveNoneNow()
      yield* steps.passBeyond(seconds(6))
      yield* steps.receiveIds(["late"])
    })
  },
  {
    id: "SCHEDULE-5",
    group,
    title: "a waiting receiver is served when a message is due",
    source: "SPEC R3.3, R3.8",
    breaks: "looks for due messages when the next call comes",
    skip,
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      yield* steps.send(["a"], { delay: seconds(4) })
      const options = { max: 1, wait: seconds(20) }
      const call = yield* steps.start(provider.receive(QueueAddress.queue(queue), options))
      yield* steps.passBeyond(seconds(4))
      const received = yield* steps.join(call)
      yield* expect.equal("the messages", steps.ids(received), ["a"])
    })
  },
  {
    id: "SCHEDULE-6",
    group,
    title: "a delay above delayMax is refused, and nothing is sent",
    source: "SPEC R3.8, R3.11; SQS: 15 minutes",
    breaks: "shortens the delay without a word",
    skip: (capabilities) =>
      skip(capabilities) ??
      (capabilities.delayMax === undefined ? "no delayMax is declared" : undefined),
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const delay = Duration.sum(capabilities.delayMax ?? Duration.zero, seconds(1))
      yield* isRefused("a delay above delayMax", { delay })
    })
  },
  {
    id: "SCHEDULE-7",
    group,
    title: "a queue without scheduling refuses a delay and a time, and nothing is sent",
    source: "SPEC R3.8; SQS FIFO: InvalidParameterValue (AWS, 2024-04-30, probe P16)",
    probes: ["P16"],
    breaks: "sends at once",
    skip: lacks("scheduling"),
    run: Effect.gen(function* () {
      yield* isRefused("a delay", { delay: seconds(5) })
      const scheduledAt = DateTime.addDuration(yield* DateTime.now, seconds(5))
      yield* isRefused("a time", { scheduledAt })
    })
  },
  {
    id: "SCHEDULE-8",
    group,
    title: "a scheduled message of a session joins it when it is due, and holds up nobody before",
    source: "SQS.md §6: Service Bus orders by due time",
    breaks: "blocks the session behind a message that is not due, or loses its place for ever",
    queue: { sessions: true },
    skip,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const delay = Duration.times(capabilities.lockDuration, 0.4)
      yield* steps.sendTo("A", ["a1"], { delay })
      yield* steps.sendTo("A", ["a2"])
      const session = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(session, ["a2"]), session)
      yield* steps.takeNone(session)
      yield* steps.ends(session.renewLock)
      yield* steps.passBeyond(delay)
      yield* steps.takeIds(session, ["a1"])
    })
  },
  {
    id: "SCHEDULE-9",
    group,
    title: "a message is not delivered after its time to live, and is before",
    source: "SPEC R3.7; SQS has none per message, the library enforces it",
    breaks: "delivers what has expired, or drops what has not",
    skip: needs("timeToLive"),
    run: Effect.gen(function* () {
      yield* steps.send(["a", "b"], { timeToLive: seconds(20) })
      yield* steps.send(["c"])
      const half = yield* steps.receiveIds(["a", "b", "c"])
      yield* steps.complete(half.slice(0, 1))
      yield* steps.abandon(half.slice(1))
      yield* steps.passBeyond(seconds(20))
      yield* steps.receiveIds(["c"])
      yield* steps.receiveNone()
    })
  },
  {
    id: "SCHEDULE-10",
    group,
    title: "an expired message is dropped, or is a dead letter with a reason",
    source: "SPEC R3.7: by a stated policy",
    breaks: "keeps it where nobody finds it, or dead-letters it without saying why",
    skip: needs("timeToLive", "deadLetter"),
    run: Effect.gen(function* () {
      const { provider, time } = yield* world
      yield* steps.send(["a"], { timeToLive: seconds(3) })
      yield* steps.passBeyond(seconds(3))
      yield* steps.receiveNone()
      const from = yield* steps.deadLetters
      const wait = time.quiet
      const [letter] = yield* steps.ends(provider.receive(from, { max: 10, wait }), wait)
      if (letter === undefined) return
      yield* expect.equal("the dead letter", letter.messageId, "a")
      const reason = letter.deadLetter?.reason ?? ""
      yield* expect.holds("there is a reason", reason !== "", letter.deadLetter)
    })
  },
  {
    id: "SCHEDULE-11",
    group,
    title: "the time to live of a scheduled message begins when it is due",
    source: "Service Bus: expires at enqueued time + time to live, and is enqueued when due",
    breaks: "lets a message expire before anybody could have received it",
    skip: needs("timeToLive", "scheduling"),
    run: Effect.gen(function* () {
      yield* steps.send(["a", "b"], { delay: seconds(8), timeToLive: seconds(6) })
      yield* steps.passBeyond(seconds(10))
      const received = yield* steps.receiveIds(["a", "b"])
      yield* steps.complete(received.slice(0, 1))
      yield* steps.passBeyond(seconds(6))
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "SCHEDULE-12",
    group,
    title: "a delivery that was in time can be completed after the message expired",
    source: "SPEC R3.4; Service Bus settles a locked message past its expiry",
    breaks: "takes the message away from its handler, and its completion fails",
    skip: needs("timeToLive"),
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const timeToLive = Duration.times(capabilities.lockDuration, 0.4)
      yield* steps.send(["a"], { timeToLive })
      const a = yield* steps.receiveOne()
      yield* steps.passBeyond(timeToLive)
      yield* steps.complete([a])
    })
  },
  {
    id: "SCHEDULE-13",
    group,
    title: "an expired message of a session lets the next one through",
    source: "SPEC R3.7, R4.1",
    breaks: "blocks the session behind what is never delivered",
    queue: { sessions: true },
    skip: needs("timeToLive"),
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"], { timeToLive: seconds(3) })
      yield* steps.sendTo("A", ["a2"])
      yield* steps.passBeyond(seconds(3))
      const session = yield* steps.acceptNext()
      yield* steps.complete(yield* steps.takeIds(session, ["a2"]), session)
      yield* steps.takeNone(session)
    })
  },
  {
    id: "SCHEDULE-14",
    group,
    title: "a queue without a time to live refuses one, and nothing is sent",
    source: "SPEC R3.11",
    breaks: "sends a message that never expires",
    skip: lacks("timeToLive"),
    run: isRefused("a time to live", { timeToLive: seconds(5) })
  }
]
