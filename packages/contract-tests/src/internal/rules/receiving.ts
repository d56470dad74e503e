import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { QueueAddress } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Receiving"

/** A receive that waits, as it is. */
const waiting = Effect.fnUntraced(function* (wait: Duration.Duration, max = 1) {
  const { provider, queue } = yield* world
  return provider.receive(QueueAddress.queue(queue), { max, wait })
})

const long = Duration.seconds(20)

export const receiving: ReadonlyArray<ProviderRule> = [
  {
    id: "RECEIVE-1",
    group,
    title: "an empty queue answers nothing when the wait is over, and not before",
    source: "SPEC R3.3",
    breaks: "fails, or ends its polls early and lets a worker spin",
    run: Effect.gen(function* () {
      const { time } = yield* world
      const wait = Duration.seconds(3)
      const [received, took] = yield* steps.ends(steps.timed(yield* waiting(wait)), wait)
      yield* expect.equal("the messages", steps.ids(received), [])
      yield* expect.holds(
        "the whole wait was waited",
        Duration.isGreaterThanOrEqualTo(Duration.sum(took, time.precision), wait),
        Duration.format(took)
      )
    })
  },
  {
    id: "RECEIVE-2",
    group,
    title: "no wait asks once and does not wait",
    source: "QueueProvider.ReceiveOptions.wait: zero asks once",
    breaks: "takes zero for its default wait",
    run: Effect.gen(function* () {
      const { time } = yield* world
      const [received, took] = yield* steps.ends(steps.timed(yield* waiting(Duration.zero)))
      yield* expect.equal("the messages", steps.ids(received), [])
      yield* expect.holds(
        "nothing was waited",
        Duration.isLessThanOrEqualTo(took, Duration.times(time.precision, 2)),
        Duration.format(took)
      )
    })
  },
  {
    id: "RECEIVE-3",
    group,
    title: "a waiting receive ends with the first message, not with its wait",
    source:
      "SQS long polls (probe P15): local-aws-sqs 2.0.2 waits its full time; azure-sdk-for-js #35928",
    probes: ["P15"],
    breaks: "collects until its wait is over",
    run: Effect.gen(function* () {
      const call = yield* steps.start(yield* waiting(long, 10))
      yield* steps.send(["a"])
      const received = yield* steps.join(call)
      yield* expect.equal("the messages", steps.ids(received), ["a"])
    })
  },
  {
    id: "RECEIVE-4",
    group,
    title: "never more than asked for, and what was not taken stays for the next",
    source: "QueueProvider.ReceiveOptions.max: fewer, never more",
    breaks: "hands out the service's whole batch, or drops what is over",
    run: Effect.gen(function* () {
      const { provider, queue, time } = yield* world
      const ids = ["a", "b", "c", "d", "e"]
      yield* steps.send(ids)
      const seen: Array<string> = []
      for (const _ of ids) {
        const options = { max: 2, wait: time.patience }
        const ask = provider.receive(QueueAddress.queue(queue), options)
        const some = seen.length === ids.length ? [] : yield* steps.ends(ask, time.patience)
        yield* expect.holds("at most two", some.length <= 2, steps.ids(some))
        seen.push(...steps.ids(some))
      }
      yield* expect.equal("the messages", seen.toSorted(), ids)
    })
  },
  {
    id: "RECEIVE-5",
    group,
    title: "a delivery is nobody else's until its lock ends",
    source: "SPEC R3.5",
    breaks: "delivers one message to two receivers",
    run: Effect.gen(function* () {
      const { capabilities, connect } = yield* world
      yield* steps.send(["a", "b"])
      yield* steps.receiveIds(["a", "b"])
      yield* steps.receiveNone()
      yield* steps.passUntilJustBefore(Duration.divideUnsafe(capabilities.lockDuration, 2))
      const other = yield* connect
      const { queue } = yield* world
      const address = QueueAddress.queue(queue)
      const call = other.receive(address, { max: 10, wait: Duration.zero })
      yield* expect.equal("another's messages", steps.ids(yield* steps.ends(call)), [])
    })
  },
  {
    id: "RECEIVE-6",
    group,
    title: "an interrupted receive ends at once",
    source: "SPEC R3.3; acceptNextSession of @azure/service-bus 7.9.5 ignores its signal for 6 s",
    breaks: "lets its caller wait for a poll that nobody wants any more",
    run: Effect.gen(function* () {
      const { time } = yield* world
      const call = yield* steps.start(yield* waiting(long))
      const [, took] = yield* steps.ends(steps.timed(Fiber.interrupt(call)))
      yield* expect.holds(
        "interrupting took no time",
        Duration.isLessThanOrEqualTo(took, time.precision),
        Duration.format(took)
      )
    })
  },
  {
    id: "RECEIVE-7",
    group,
    title: "an interrupted receive takes no message",
    source:
      "SPEC R3.3; an aborted SQS poll still takes what arrives (SQS.md §3); azure-sdk-for-js #15606",
    breaks: "leaves its place in the line, and a message in it, until the lock ends",
    run: Effect.gen(function* () {
      const call = yield* steps.start(yield* waiting(long))
      yield* steps.ends(Fiber.interrupt(call))
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "RECEIVE-8",
    group,
    title: "a message that crosses the interruption of a receive is not left locked",
    source: "SPEC R3.3: what a poll under way still brings is released",
    breaks: "drops the answer of an interrupted poll on the floor",
    run: Effect.gen(function* () {
      for (const id of ["a", "b", "c"]) {
        const call = yield* steps.start(yield* waiting(long))
        const sending = yield* Effect.forkChild(steps.send([id]), { startImmediately: true })
        call.interruptUnsafe()
        yield* steps.join(sending)
        const exit = yield* steps.ends(Fiber.await(call))
        const got = Exit.isSuccess(exit) ? exit.value : yield* steps.receiveIds([id])
        yield* expect.equal("the messages", steps.ids(got), [id])
        yield* steps.complete(got)
      }
    })
  },
  {
    id: "RECEIVE-9",
    group,
    title: "a message for an interrupted receiver goes to the one that still waits",
    source: "SPEC R3.3",
    breaks: "wakes the dead waiter and nobody else",
    run: Effect.gen(function* () {
      const first = yield* steps.start(yield* waiting(long))
      const second = yield* steps.start(yield* waiting(long))
      yield* steps.ends(Fiber.interrupt(first))
      yield* steps.send(["a"])
      const received = yield* steps.join(second)
      yield* expect.equal("the messages", steps.ids(received), ["a"])
    })
  },
  {
    id: "RECEIVE-10",
    group,
    title: "one message ends the wait of one receiver alone",
    source: "SPEC R3.5",
    breaks: "hands one message to everybody who waits",
    run: Effect.gen(function* () {
      const calls = [
        yield* steps.start(yield* waiting(long)),
        yield* steps.start(yield* waiting(long))
      ]
      yield* steps.send(["a"])
      yield* steps.pass(Duration.seconds(1))
      const ended = calls.filter((call) => call.pollUnsafe() !== undefined)
      yield* expect.equal("receivers that were served", ended.length, 1)
      yield* steps.send(["b"])
      const received = yield* Effect.forEach(calls, (call) => steps.join(call))
      yield* expect.equal("the messages", steps.ids(received.flat()).toSorted(), ["a", "b"])
    })
  },
  {
    id: "RECEIVE-11",
    group,
    title: "no receive waits longer than receiveWaitMax",
    source: "Capabilities.receiveWaitMax: the client asks again until its caller's wait is over",
    breaks: "passes on a wait that the service refuses (SQS: more than 20 s)",
    passes: ({ receiveWaitMax }) => receiveWaitMax,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const { receiveWaitMax } = capabilities
      const call = yield* steps.start(yield* waiting(Duration.times(receiveWaitMax, 3)))
      yield* steps.passBeyond(receiveWaitMax)
      yield* expect.equal("the messages", steps.ids(yield* steps.join(call)), [])
    })
  },
  {
    id: "RECEIVE-12",
    group,
    title: "a first delivery carries its facts: count one, and its times",
    source: "SPEC R1.4",
    probes: ["P21"],
    breaks: "counts from zero as AMQP does, or tells the lock of another delivery",
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      yield* steps.send(["a"])
      const waited = Duration.seconds(1)
      yield* steps.pass(waited)
      const before = yield* DateTime.now
      const a = yield* steps.receiveOne()
      const now = yield* DateTime.now
      yield* expect.equal("the delivery count", a.deliveryCount, 1)
      yield* steps.isTime("the first delivery", a.firstDeliveredAt, a.deliveredAt)
      const late = Duration.sum(capabilities.lockDuration, time.precision)
      const early = Duration.divideUnsafe(capabilities.lockDuration, 2)
      const slack = Duration.times(time.precision, 2)
      const facts = [
        // One is told by the broker's clock, the other by ours.
        DateTime.isLessThan(
          DateTime.addDuration(a.enqueuedAt, waited),
          DateTime.addDuration(a.deliveredAt, slack)
        ),
        DateTime.isGreaterThanOrEqualTo(a.deliveredAt, DateTime.subtractDuration(before, slack)),
        DateTime.isLessThanOrEqualTo(a.deliveredAt, DateTime.addDuration(now, slack)),
        DateTime.isLessThanOrEqualTo(a.lockedUntil, DateTime.addDuration(now, late)),
        DateTime.isGreaterThan(a.lockedUntil, DateTime.addDuration(before, early))
      ]
      const found = { ...a, body: undefined, attributes: undefined, receipt: undefined }
      const what = "enqueued before it was delivered, now, and locked for the lock duration"
      yield* expect.holds(what, !facts.includes(false), found)
    })
  },
  {
    id: "RECEIVE-13",
    group,
    title: "a second delivery keeps the times of the sending and of the first delivery",
    source: "SPEC R1.4",
    probes: ["P21"],
    breaks: "tells the time of the redelivery as that of the sending",
    run: Effect.gen(function* () {
      const first = yield* steps.deliver("a")
      yield* steps.pass(Duration.seconds(2))
      yield* steps.abandon([first])
      const second = yield* steps.receiveOne()
      yield* steps.isTime("enqueuedAt", second.enqueuedAt, first.enqueuedAt)
      // The first time as the client saw it, the second time as the broker tells it.
      yield* steps.isTime("firstDeliveredAt", second.firstDeliveredAt, first.firstDeliveredAt)
      const isLater = DateTime.isGreaterThan(second.deliveredAt, first.deliveredAt)
      yield* expect.holds("deliveredAt is later", isLater, second.deliveredAt)
    })
  },
  {
    id: "RECEIVE-14",
    group,
    title: "an ordered queue is not received from without a session",
    source: "SPEC R3.13; Service Bus: amqp:not-allowed",
    breaks: "hands out the messages of a session side by side",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a"])
      const call = yield* waiting(Duration.zero)
      yield* steps.failsWith("receiving without a session", "UnsupportedOperation", call)
    })
  },
  {
    id: "RECEIVE-15",
    group,
    title: "a peek shows messages and delivers none",
    source: "SPEC R3.1, R7.1: list without removing",
    breaks: "receives them and lets the locks run out",
    skip: needs("peek"),
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      yield* steps.send(["a", "b"])
      const peek = provider.peek(QueueAddress.queue(queue), { max: 10 })
      for (const _ of [1, 2]) {
        const shown = yield* steps.ends(peek)
        yield* expect.equal("what a peek shows", steps.counted(shown), ["a:0", "b:0"])
      }
      const received = yield* steps.receiveIds(["a", "b"])
      yield* expect.equal("the deliveries", steps.counted(received), ["a:1", "b:1"])
    })
  },
  {
    id: "RECEIVE-16",
    group,
    title: "a peek shows locked and scheduled messages, by sequence number, from one on, up to max",
    source: "QueueProvider.peek; Service Bus peek-message",
    breaks: "shows what can be received now, or always from the beginning",
    skip: needs("peek", "scheduling"),
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const address = QueueAddress.queue(queue)
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
      yield* steps.send(["b", "c"])
      yield* steps.send(["d"], { delay: Duration.seconds(30) })
      const all = yield* steps.ends(provider.peek(address, { max: 10 }))
      yield* expect.equal("what a peek shows", steps.counted(all), ["a:1", "b:0", "c:0", "d:0"])
      const second = yield* steps.at(all, 1)
      if (second.sequenceNumber === undefined) return
      const options = { max: 2, fromSequenceNumber: second.sequenceNumber }
      const part = yield* steps.ends(provider.peek(address, options))
      yield* expect.equal("what a peek from b shows", steps.ids(part), ["b", "c"])
    })
  },
  {
    id: "RECEIVE-17",
    group,
    title: "a queue without peek refuses it",
    source: "SPEC R3.11: UnsupportedOperation, never silently",
    breaks: "answers an empty list",
    skip: lacks("peek"),
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      yield* steps.send(["a"])
      const peek = provider.peek(QueueAddress.queue(queue), { max: 1 })
      yield* steps.failsWith("a peek", "UnsupportedOperation", peek)
    })
  },
  {
    id: "RECEIVE-18",
    group,
    title: "a waiting receiver is served when a message is abandoned",
    source: "SPEC R3.5",
    breaks: "wakes waiters for new messages alone",
    // Longer than anybody waits here: what is received was abandoned, and its lock did not run out.
    queue: { lockDuration: Duration.minutes(1) },
    run: Effect.gen(function* () {
      const held = yield* steps.deliver("a")
      const call = yield* steps.start(yield* waiting(long))
      yield* steps.abandon([held])
      const received = yield* steps.join(call)
      yield* expect.equal("the deliveries", steps.counted(received), ["a:2"])
    })
  },
  {
    id: "RECEIVE-19",
    group,
    title: "a waiting receiver is served when a lock runs out",
    source: "SPEC R3.5",
    breaks: "looks for expired locks when the next call comes",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
      const wait = Duration.times(capabilities.lockDuration, 3)
      const call = yield* steps.start(yield* waiting(wait))
      yield* steps.passLock
      const received = yield* steps.join(call)
      yield* expect.equal("the deliveries", steps.counted(received), ["a:2"])
    })
  }
]
