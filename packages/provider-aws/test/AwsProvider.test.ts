import { assert, describe, it } from "@effect/vitest"
import {
  Clock,
  Config,
  ConfigProvider,
  Context,
  Duration,
  Effect,
  Fiber,
  Layer,
  Option,
  Redacted,
  Result
} from "effect"
import { TestClock } from "effect/testing"
import {
  type Capabilities,
  Defaults,
  Message,
  MessageId,
  QueueAddress,
  QueueError,
  QueueName,
  QueueProvider,
  Receipt,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { SqsBroker, SqsEmulator } from "@queue-runtime/sqs-emulator"
import { AwsClient, AwsProvider } from "../src/index.ts"
import * as emulated from "./support/emulated.ts"
import * as world from "./support/world.ts"

const { counted, ends, held, ids, receive, sendTo, settleAs, start, take } = world

const standard = { fifo: false } as const

const send = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  messageIds: ReadonlyArray<string>,
  options: Message.Options = {}
) {
  const messages = yield* Effect.forEach(messageIds, (id) => world.message(id, options))
  return yield* Effect.map(ends(provider.send(world.queue, messages)), world.tags)
})

const redrive = (dlq: string, maxReceiveCount: number) => ({
  RedrivePolicy: JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${dlq}`,
    maxReceiveCount
  })
})

describe("receiving", () => {
  it.effect("R3.3 what an interrupted poll brings is released, and counted for nobody", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make(standard)
      const waiting = yield* start(
        provider.receive(world.main, { max: 1, wait: Duration.seconds(20) })
      )
      const before = yield* Clock.currentTimeMillis
      yield* Fiber.interrupt(waiting)
      assert.strictEqual((yield* Clock.currentTimeMillis) - before, 0)
      // The poll is at the broker still.
      assert.strictEqual((yield* broker.inspect(name))?.waiting, 1)
      yield* send(provider, ["a"])
      yield* world.settle
      const view = yield* broker.inspect(name)
      assert.deepStrictEqual([view?.inFlight, view?.messages[0]?.receiveCount], [0, 1])
      assert.deepStrictEqual(counted(yield* receive(provider)), ["a:1"])
    })
  )

  it.effect("R3.3 a poll whose caller is gone serves the next one who waits", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      const wait = Duration.seconds(20)
      const first = yield* start(provider.receive(world.main, { max: 1, wait }))
      yield* Fiber.interrupt(first)
      const second = yield* start(provider.receive(world.main, { max: 1, wait }))
      yield* send(provider, ["a"])
      assert.deepStrictEqual(ids(yield* ends(Fiber.join(second))), ["a"])
      assert.strictEqual(yield* world.calls(broker, "ReceiveMessage"), 1)
    })
  )

  it.effect("I7 nothing is polled while nobody waits", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      yield* receive(provider, 1, "3 seconds")
      const before = yield* world.calls(broker, "ReceiveMessage")
      yield* TestClock.adjust("10 minutes")
      yield* world.settle
      assert.strictEqual(yield* world.calls(broker, "ReceiveMessage"), before)
    })
  )

  it.effect("eight who wait are one poll, and each is served", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make(standard)
      const wait = Duration.seconds(20)
      const calls = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        start(provider.receive(world.main, { max: 5, wait }))
      )
      assert.strictEqual((yield* broker.inspect(name))?.waiting, 1)
      const all = Array.from({ length: 40 }, (_, index) => `m${index}`)
      for (const from of [0, 10, 20, 30]) yield* send(provider, all.slice(from, from + 10))
      const got = (yield* ends(Fiber.joinAll(calls))).flat()
      while (got.length < all.length) got.push(...(yield* receive(provider)))
      assert.deepStrictEqual(ids(got).toSorted(), all.toSorted())
      assert.isAtMost((yield* broker.inspect(name))?.waiting ?? 0, 5)
    })
  )

  it.effect("R5.4 a server that ends its polls early is not asked faster than once a pause", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      // A redirected poll: answered at once, with nothing.
      yield* broker.inject({
        action: "ReceiveMessage",
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      const failing = receive(provider, 1, "5 seconds")
      assert.strictEqual((yield* Effect.flip(failing)).retry, "Transient")
      assert.strictEqual(yield* world.calls(broker, "ReceiveMessage"), 1)
    })
  )

  it.effect("R3.6 a message delivered too often goes to the dead letters instead of a caller", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({
        ...standard,
        settings: { deliveriesMax: 2 }
      })
      yield* send(provider, ["a"], { attributes: { one: "1" } })
      for (const count of [1, 2]) {
        const [a] = yield* receive(provider)
        assert.strictEqual(a?.deliveryCount, count)
        yield* settleAs(provider, a === undefined ? [] : [a], Verdict.abandon())
      }
      assert.deepStrictEqual(yield* receive(provider), [])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
      const [letter] = yield* receive(provider, 1, 0, world.dead)
      assert.deepInclude(letter, { attributes: { one: "1" } })
      assert.deepInclude(letter?.deadLetter, {
        reason: "MaxDeliveryCountExceeded",
        deliveryCount: 2,
        source: world.queue
      })
    })
  )

  it.effect("R3.6 what others received and gave back unseen is not put aside unseen here", () =>
    Effect.gen(function* () {
      for (const fifo of [false, true]) {
        const { broker, dlq, name, provider } = yield* world.make({
          fifo,
          settings: { deliveriesMax: 3 }
        })
        const options = fifo ? { sessionId: SessionId.makeUnsafe("A") } : {}
        yield* send(provider, ["a"], options)
        // Processes that got it and ended before a handler had it.
        for (let round = 0; round < 4; round++) {
          yield* broker.call("ReceiveMessage", { QueueUrl: name, VisibilityTimeout: 1 })
          yield* TestClock.adjust("1 second")
        }
        const from = fifo ? yield* held(provider, "A") : undefined
        const counts: Array<string> = []
        for (let round = 0; round < 3; round++) {
          const received = yield* from === undefined ? receive(provider) : take(from)
          counts.push(...counted(received))
          yield* settleAs(from ?? provider, received, Verdict.abandon())
        }
        // Not above the maximum: a worker, which goes by it too, runs its handler.
        assert.deepStrictEqual(counts, fifo ? ["a:2", "a:3"] : ["a:3", "a:3"])
        assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
      }
    })
  )

  it.effect(
    "R3.6 one that ends every process that gets it goes to the dead letters all the same",
    () =>
      Effect.gen(function* () {
        const { broker, connect, dlq, provider } = yield* world.make({
          ...standard,
          settings: { deliveriesMax: 2 }
        })
        yield* send(provider, ["a"])
        const counts: Array<string> = []
        for (let round = 0; round < 6; round++) {
          const process = yield* world.closable(connect)
          counts.push(...counted(yield* receive(process.value)))
          yield* process.close
          yield* TestClock.adjust("30 seconds")
        }
        assert.deepStrictEqual(counts, ["a:1", "a:2", "a:2", "a:2"])
        assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
      })
  )

  it.effect(
    "R3.6 the dead-letter queue cannot be reached: the message stays, and comes again",
    () =>
      Effect.gen(function* () {
        const { broker, name, provider } = yield* world.make({
          ...standard,
          settings: { deliveriesMax: 1 }
        })
        yield* send(provider, ["a"])
        yield* settleAs(provider, yield* receive(provider), Verdict.abandon())
        const fault = yield* broker.inject({
          action: "SendMessageBatch",
          fault: { _tag: "Fail", kind: "ServiceUnavailable" }
        })
        assert.deepStrictEqual(yield* receive(provider), [])
        assert.deepStrictEqual(yield* world.bodies(broker, name), ["a"])
        yield* fault.remove
        assert.deepStrictEqual(yield* receive(provider, 1, 0), [])
        yield* TestClock.adjust("31 seconds")
        assert.deepStrictEqual(yield* receive(provider), [])
        assert.deepStrictEqual(ids(yield* receive(provider, 1, 0, world.dead)), ["a"])
      })
  )

  it.effect("R7.2 what the broker moved by itself is a dead letter too", () =>
    Effect.gen(function* () {
      const { broker, dlq, name, connect } = yield* world.make({
        ...standard,
        isAlone: true
      })
      yield* broker.call("SetQueueAttributes", { QueueUrl: name, Attributes: redrive(dlq, 1) })
      const provider = yield* connect
      yield* send(provider, ["a"])
      yield* settleAs(provider, yield* receive(provider), Verdict.abandon())
      assert.deepStrictEqual(yield* receive(provider), [])
      const [letter] = yield* receive(provider, 1, 0, world.dead)
      assert.strictEqual(letter?.messageId, "a")
      assert.strictEqual(letter?.deadLetter?.reason, "MaxDeliveryCountExceeded")
      assert.strictEqual(letter?.deadLetter?.source, "q")
    })
  )

  it.effect("R3.7 an expired message is dropped when it is received", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make(standard)
      yield* send(provider, ["a"], { timeToLive: Duration.seconds(2) })
      yield* TestClock.adjust("3 seconds")
      yield* send(provider, ["b"])
      assert.deepStrictEqual(ids(yield* receive(provider)), ["b"])
      yield* world.settle
      assert.deepStrictEqual(yield* world.bodies(broker, name), ["b"])
    })
  )

  it.effect(
    "R3.7 an expired message is put aside where the queue is set so, in a session too",
    () =>
      Effect.gen(function* () {
        for (const fifo of [true, false]) {
          const { broker, dlq, name, provider } = yield* world.make({
            fifo,
            settings: { expired: "deadLetter" }
          })
          const timeToLive = Duration.seconds(2)
          const one = yield* world.inSession("A", "a", { timeToLive })
          yield* ends(provider.send(world.queue, [one, yield* world.inSession("A", "b")]))
          yield* TestClock.adjust("3 seconds")
          const got = fifo ? yield* take(yield* held(provider, "A")) : yield* receive(provider)
          assert.deepStrictEqual(ids(got), ["b"])
          yield* world.pass("1 second")
          assert.deepStrictEqual(yield* world.bodies(broker, name), ["b"])
          assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
          const [letter] = yield* receive(provider, 1, 0, world.dead)
          assert.strictEqual(letter?.deadLetter?.reason, "TTLExpiredException")
        }
      })
  )

  it.effect("R10.4 closing ends every wait and leaves nothing of a session locked", () =>
    Effect.gen(function* () {
      const { broker, connect, name, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0", "A1"])
      const process = yield* world.closable(connect)
      const session = yield* held(process.value, "A")
      yield* take(session, 1)
      const waits = [
        yield* start(Effect.flip(Effect.scoped(world.accept(process.value, "B", "20 seconds")))),
        yield* start(
          Effect.flip(Effect.scoped(world.accept(process.value, undefined, "20 seconds")))
        )
      ]
      yield* ends(process.close)
      for (const wait of waits) {
        assert.strictEqual((yield* ends(Fiber.join(wait))).reason._tag, "ConnectionFailed")
      }
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 0)
      const later = Effect.scoped(world.accept(process.value, "A", 0))
      assert.strictEqual(yield* world.reason(later), "ConnectionFailed")
    })
  )

  it.effect("R10.4 a broker that does not answer keeps nobody from closing", () =>
    Effect.gen(function* () {
      const { broker, connect, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0"])
      const process = yield* world.closable(connect)
      yield* held(process.value, "A")
      yield* broker.inject({ fault: { _tag: "Hang" } })
      const before = yield* Clock.currentTimeMillis
      yield* ends(process.close)
      assert.isAtMost((yield* Clock.currentTimeMillis) - before, 15_000)
    })
  )
})

describe("settling", () => {
  it.effect("R3.10 deletions of many callers are merged, the first goes at once", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      const all = Array.from({ length: 10 }, (_, index) => `m${index}`)
      yield* send(provider, all)
      const got = yield* receive(provider)
      const each = got.map(({ receipt }) => provider.settle([receipt], Verdict.complete))
      yield* ends(Effect.all(each, { concurrency: "unbounded" }))
      assert.isAtMost(yield* world.calls(broker, "DeleteMessageBatch"), 2)
    })
  )

  it.effect("I8 a completion that fails leaves the delivery in hand: it can be tried again", () =>
    Effect.gen(function* () {
      for (const fifo of [true, false]) {
        const { broker, name, provider } = yield* world.make({ fifo })
        const message = yield* world.inSession("A", "a")
        yield* ends(provider.send(world.queue, [message]))
        const got = fifo ? yield* take(yield* held(provider, "A")) : yield* receive(provider)
        yield* broker.inject({
          action: "DeleteMessageBatch",
          times: 1,
          fault: { _tag: "FailEntries", entries: "all", kind: "InternalError" }
        })
        const [failed] = yield* ends(provider.settle(world.receiptsOf(got), Verdict.complete))
        assert.isTrue(failed !== undefined && Result.isFailure(failed))
        assert.strictEqual((yield* broker.inspect(name))?.messages.length, 1)
        assert.deepStrictEqual(yield* settleAs(provider, got), ["ok"])
        assert.strictEqual((yield* broker.inspect(name))?.messages.length, 0)
      }
    })
  )

  it.effect("R3.4 a handle that the broker says has expired is ReceiptExpired, and stays so", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      yield* send(provider, ["a"])
      const got = yield* receive(provider)
      yield* broker.inject({
        action: "DeleteMessageBatch",
        times: 1,
        fault: {
          _tag: "FailEntries",
          entries: "all",
          kind: "ReceiptHandleIsInvalid",
          senderFault: true
        }
      })
      assert.deepStrictEqual(yield* settleAs(provider, got), ["ReceiptExpired"])
      assert.deepStrictEqual(yield* settleAs(provider, got), ["ReceiptExpired"])
    })
  )

  it.effect("S9 a renewal that is late does not overwrite an abandon", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      yield* send(provider, ["a"])
      const got = yield* receive(provider)
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "200 millis" }
      })
      const renewing = yield* start(provider.renewLock(world.receiptsOf(got)))
      const abandoned = yield* settleAs(provider, got, Verdict.abandon(Duration.seconds(1)))
      assert.deepStrictEqual(abandoned, ["ok"])
      yield* ends(Fiber.join(renewing))
      const before = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(counted(yield* receive(provider, 1, "5 seconds")), ["a:2"])
      assert.isAtMost((yield* Clock.currentTimeMillis) - before, 1_200)
    })
  )

  it.effect(
    "R3.11 a delay that its twelve hours do not have left is refused, and the delivery stays",
    () =>
      Effect.gen(function* () {
        const { provider } = yield* world.make({
          ...standard,
          settings: { visibilityTimeout: "2 hours" }
        })
        yield* send(provider, ["a"])
        const got = yield* receive(provider)
        yield* TestClock.adjust("90 minutes")
        yield* ends(provider.renewLock(world.receiptsOf(got)))
        yield* TestClock.adjust("90 minutes")
        yield* ends(provider.renewLock(world.receiptsOf(got)))
        const later = Verdict.abandon(Duration.minutes(590))
        assert.deepStrictEqual(yield* settleAs(provider, got, later), ["ValidationFailed"])
        assert.deepStrictEqual(yield* settleAs(provider, got), ["ok"])
      })
  )

  it.effect("R3.4 another provider's receipt is unknown here", () =>
    Effect.gen(function* () {
      const { connect, provider } = yield* world.make(standard)
      const other = yield* connect
      yield* send(provider, ["a", "b"])
      const mine = yield* receive(provider, 1)
      const theirs = yield* receive(other, 1)
      assert.deepStrictEqual(yield* settleAs(other, mine), ["ReceiptExpired"])
      const [one] = theirs
      const dead = Receipt.make(world.dead, one?.receipt.token ?? "")
      const outcomes = yield* ends(other.settle([dead], Verdict.complete))
      assert.deepStrictEqual(world.tags(outcomes), ["ReceiptExpired"])
      assert.deepStrictEqual(yield* settleAs(other, theirs), ["ok"])
    })
  )

  it.effect("R7.1 a dead letter is not copied again when its removal is tried again", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make(standard)
      yield* send(provider, ["a"])
      const got = yield* receive(provider)
      const fault = yield* broker.inject({
        action: "DeleteMessageBatch",
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      yield* settleAs(provider, got, Verdict.deadLetter("Bad"))
      yield* fault.remove
      assert.deepStrictEqual(yield* settleAs(provider, got, Verdict.deadLetter("Bad")), ["ok"])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
    })
  )

  it.effect("R10.7 receipts that nobody used are forgotten", () =>
    Effect.gen(function* () {
      const broker = yield* SqsBroker.make({ seed: "receipts" })
      const { name } = yield* emulated.create(broker, "q")
      const { lines, provider } = yield* world.open(broker, {
        q: { name, visibilityTimeout: "1 second" }
      })
      yield* send(provider, ["a"])
      for (let count = 0; count < 1_100; count++) {
        yield* Effect.flatMap(
          Effect.forkChild(provider.receive(world.main, { max: 1, wait: Duration.zero })),
          (fiber) => Effect.andThen(world.settle, Fiber.join(fiber))
        )
        yield* TestClock.adjust("1 second")
      }
      assert.isAtMost(lines.shared.receipts.size, 1_024)
    })
  )
})

describe("sending", () => {
  it.effect(
    "R3.9 strict: one of a session a call, filled from others; a failure stops its session alone",
    () =>
      Effect.gen(function* () {
        const { broker, name, provider } = yield* world.make()
        yield* broker.inject({
          action: "SendMessageBatch",
          times: 1,
          fault: {
            _tag: "FailEntries",
            kind: "InternalError",
            entries: ({ MessageBody }) => MessageBody === "A0"
          }
        })
        const all = ["A0", "B0", "A1", "B1", "B2", "A2"]
        const messages = yield* Effect.forEach(all, (id) => world.inSession(id.slice(0, 1), id))
        const outcomes = yield* ends(provider.send(world.queue, messages))
        const failed = outcomes.map((one) => (Result.isFailure(one) ? one.failure : undefined))
        assert.deepStrictEqual(outcomes.map(Result.isSuccess), [
          false,
          true,
          false,
          true,
          true,
          false
        ])
        assert.strictEqual(failed[2], failed[0])
        assert.strictEqual(failed[5], failed[0])
        assert.strictEqual(yield* world.calls(broker, "SendMessageBatch"), 3)
        assert.deepStrictEqual(yield* world.bodies(broker, name), ["B0", "B1", "B2"])
      })
  )

  it.effect(
    "R1.7 what SQS alone finds too large is named by its place, whatever call it was in",
    () =>
      Effect.gen(function* () {
        // The queue takes less than the provider was told.
        const attributes = { MaximumMessageSize: "1024" }
        const { broker, provider } = yield* world.make({ attributes })
        const all = ["A0", "B0", "C0", "B1", "A1", "A2"]
        const small = yield* Effect.forEach(all, (id) => world.inSession(id.slice(0, 1), id))
        const large = { ...(small[4] ?? assert.fail()), body: new Uint8Array(2_000).fill(97) }
        const messages = small.toSpliced(4, 1, large)
        const outcomes = yield* ends(provider.send(world.queue, messages))
        const named = outcomes.map((one) =>
          Result.isFailure(one) ? QueueError.indexOf(one.failure) : "sent"
        )
        assert.deepStrictEqual(named, ["sent", "sent", "sent", "sent", 4, 4])
        // It was the second of the second call, and what is behind it was in none.
        assert.strictEqual(yield* world.calls(broker, "SendMessageBatch"), 2)
      })
  )

  it.effect("R3.9 strict: sends of one session side by side are one call at a time", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make()
      yield* broker.inject({
        action: "SendMessageBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "1 second" }
      })
      const all = ["A0", "A1", "A2"]
      const sends = yield* Effect.forEach(all, (id) =>
        Effect.flatMap(world.inSession("A", id), (one) => start(provider.send(world.queue, [one])))
      )
      assert.strictEqual(yield* world.calls(broker, "SendMessageBatch"), 1)
      yield* ends(Fiber.joinAll(sends))
      assert.deepStrictEqual(yield* world.bodies(broker, name), all)
    })
  )

  it.effect('R3.9 sendOrder "batch": one call, and what overtook a failure says so', () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make({ settings: { sendOrder: "batch" } })
      yield* broker.inject({
        action: "SendMessageBatch",
        times: 1,
        fault: { _tag: "FailEntries", entries: [1], kind: "InternalError" }
      })
      const all = ["A0", "A1", "A2", "B0"]
      const messages = yield* Effect.forEach(all, (id) => world.inSession(id.slice(0, 1), id))
      const outcomes = yield* ends(provider.send(world.queue, messages))
      const found = outcomes.map((one) =>
        Result.isFailure(one)
          ? one.failure.reason._tag
          : AwsProvider.isOutOfOrder(one.success)
            ? "out of order"
            : "sent"
      )
      assert.deepStrictEqual(found, ["sent", "ProviderFailure", "out of order", "sent"])
      assert.strictEqual(yield* world.calls(broker, "SendMessageBatch"), 1)
      assert.deepStrictEqual(yield* world.bodies(broker, name), ["A0", "A2", "B0"])
    })
  )

  it.effect("R3.14 a call whose reply is lost can be made again: each message is there once", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make()
      yield* broker.inject({
        action: "SendMessageBatch",
        times: 1,
        fault: { _tag: "LoseReply" }
      })
      const one = yield* world.inSession("A", "A0")
      const other = yield* world.inSession("B", "B0")
      const call = provider.send(world.queue, [one, other])
      const error = yield* Effect.flip(ends(call))
      assert.deepStrictEqual([error.reason._tag, error.retry], ["ConnectionFailed", "Transient"])
      assert.deepStrictEqual(world.tags(yield* ends(call)), ["ok", "ok"])
      assert.deepStrictEqual(yield* world.bodies(broker, name), ["A0", "B0"])
    })
  )

  it.effect("R3.9 what base64 makes too much for one call goes in several", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make(standard)
      const messages = yield* Effect.forEach(["a", "b", "c"], (id) =>
        Effect.map(Message.bytes(new Uint8Array(262_140)), (body) =>
          Message.stamp(body, MessageId.makeUnsafe(id))
        )
      )
      const outcomes = yield* ends(provider.send(world.queue, messages))
      assert.deepStrictEqual(world.tags(outcomes), ["ok", "ok", "ok"])
      assert.strictEqual(yield* world.calls(broker, "SendMessageBatch"), 2)
    })
  )
})

describe("what a queue can do", () => {
  const features = ({
    deadLetter,
    lockDuration,
    sessions,
    acceptSpecific
  }: Capabilities.Capabilities) => ({
    deadLetter,
    lock: Duration.toMillis(lockDuration),
    sessions,
    acceptSpecific
  })

  it.effect("R3.11 is what its options and its redrive policy say", () =>
    Effect.gen(function* () {
      const { broker, connect, dlq, name, provider } = yield* world.make({ isAlone: true })
      assert.deepStrictEqual(features(provider.capabilities(world.queue)), {
        deadLetter: "unsupported",
        lock: 29_750,
        sessions: "emulated",
        acceptSpecific: "emulated"
      })
      yield* broker.call("SetQueueAttributes", { QueueUrl: name, Attributes: redrive(dlq, 100) })
      const other = yield* connect
      assert.strictEqual(other.capabilities(world.queue).deadLetter, "emulated")
      const unknown = other.capabilities(QueueName.makeUnsafe("unknown"))
      assert.deepInclude(features(unknown), { deadLetter: "unsupported" })
    })
  )

  it.effect("R3.11 without a dead-letter queue none is received from or settled into", () =>
    Effect.gen(function* () {
      const { provider } = yield* world.make({ ...standard, isAlone: true })
      yield* send(provider, ["a"])
      const got = yield* receive(provider)
      const dead = provider.receive(world.dead, { max: 1, wait: Duration.zero })
      assert.strictEqual(yield* world.reason(dead), "UnsupportedOperation")
      const settle = provider.settle(world.receiptsOf(got), Verdict.deadLetter("Bad"))
      assert.strictEqual(yield* world.reason(settle), "UnsupportedOperation")
      assert.deepStrictEqual(yield* settleAs(provider, got), ["ok"])
    })
  )

  it.effect("R4.4 strict: no session by its id, and no redrive policy that may overtake", () =>
    Effect.gen(function* () {
      // Of a standard queue, where messages behind a failing one are not received, less is enough.
      for (const [fifo, most] of [
        [true, 50],
        [false, 10]
      ] as const) {
        const { broker, connect, dlq, name, provider } = yield* world.make({
          fifo,
          settings: { strict: true }
        })
        if (fifo) {
          assert.strictEqual(provider.capabilities(world.queue).acceptSpecific, "unsupported")
          const accept = Effect.scoped(world.accept(provider, "A", 0))
          assert.strictEqual(yield* world.reason(accept), "UnsupportedOperation")
        }
        const set = (receives: number) =>
          broker.call("SetQueueAttributes", { QueueUrl: name, Attributes: redrive(dlq, receives) })
        yield* set(most)
        const error = yield* Effect.flip(ends(connect))
        assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
        assert.include(error.message, "queues.q.deliveriesMax")
        assert.include(error.message, `maxReceiveCount is ${most} and must be above ${most}`)
        yield* set(most + 1)
        yield* ends(connect)
      }
    })
  )

  it.effect(
    "a queue that cannot be asked about is taken as its options have it, unless it is strict",
    () =>
      Effect.gen(function* () {
        const { broker, connect } = yield* world.make()
        yield* broker.inject({
          action: "GetQueueAttributes",
          fault: { _tag: "Fail", kind: "AccessDenied" }
        })
        const provider = yield* ends(connect)
        assert.strictEqual(provider.capabilities(world.queue).deadLetter, "emulated")
        const strict = yield* world.make({ settings: { strict: true } })
        yield* strict.broker.inject({
          action: "GetQueueAttributes",
          fault: { _tag: "Fail", kind: "AccessDenied" }
        })
        const error = yield* Effect.flip(ends(strict.connect))
        assert.strictEqual(error.reason._tag, "PermissionDenied")
      })
  )

  it.effect("R3.11 what could not be asked about at the start is asked for until it is known", () =>
    Effect.gen(function* () {
      const { broker, connect, dlq, name } = yield* world.make({ ...standard, isAlone: true })
      yield* broker.call("SetQueueAttributes", { QueueUrl: name, Attributes: redrive(dlq, 100) })
      const fault = yield* broker.inject({
        action: "GetQueueAttributes",
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      const provider = yield* ends(connect)
      const deadLetters = () => provider.capabilities(world.queue).deadLetter
      yield* send(provider, ["a"])
      const [a] = yield* receive(provider)
      assert.strictEqual(deadLetters(), "unsupported")
      for (let minute = 0; minute < 10; minute++) yield* world.pass("1 minute")
      assert.strictEqual(deadLetters(), "unsupported")
      const asked = yield* world.calls(broker, "GetQueueAttributes")
      // Ever more seldom, once a minute in the end.
      assert.isAtLeast(asked, 10)
      assert.isAtMost(asked, 18)
      yield* fault.remove
      yield* world.pass(Defaults.sqsLookPauseMax)
      assert.strictEqual(deadLetters(), "emulated")
      // Known, it is asked for no more, and what was used before knows it too.
      yield* world.pass("10 minutes")
      assert.strictEqual(yield* world.calls(broker, "GetQueueAttributes"), asked + 1)
      const [again] = yield* receive(provider)
      assert.strictEqual(again?.messageId, a?.messageId)
      const bad = Verdict.deadLetter("Bad")
      assert.deepStrictEqual(yield* settleAs(provider, again === undefined ? [] : [again], bad), [
        "ok"
      ])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["a"])
    })
  )

  it.effect("R3.11 what is refused at the start, or later, is not asked for again and again", () =>
    Effect.gen(function* () {
      const { broker, connect } = yield* world.make({ ...standard, isAlone: true })
      const denied = { _tag: "Fail", kind: "AccessDenied" } as const
      const action = "GetQueueAttributes"
      yield* broker.inject({ action, times: 1, fault: denied })
      yield* ends(connect)
      yield* world.pass("10 minutes")
      assert.strictEqual(yield* world.calls(broker, action), 2)
      yield* broker.inject({
        action,
        times: 1,
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      yield* broker.inject({ action, skip: 1, fault: denied })
      yield* ends(connect)
      yield* world.pass("10 minutes")
      assert.strictEqual(yield* world.calls(broker, action), 4)
    })
  )

  it.effect("R10.1 bad options are refused before anything starts, from configuration too", () =>
    Effect.gen(function* () {
      const layer = AwsProvider.layerConfig({
        region: Config.String("REGION"),
        endpoint: Config.String("ENDPOINT")
      })
      const build = (env: Record<string, string>) =>
        Effect.flip(
          Effect.provide(
            QueueProvider.QueueProvider,
            Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(env)))
          )
        )
      const bad = yield* build({ REGION: "eu-central-1", ENDPOINT: "ftp://x" })
      assert.deepStrictEqual(
        [bad.reason._tag, bad.message.includes("endpoint")],
        ["ConfigurationInvalid", true]
      )
      assert.strictEqual((yield* build({})).reason._tag, "ConfigurationInvalid")
    })
  )

  it.effect("R10.1 options of configuration and of code stand together", () =>
    Effect.gen(function* () {
      const { connectTimeout, endpoint } = {
        connectTimeout: Duration.seconds(3),
        endpoint: process.env["QUEUE_RUNTIME_NOT_SET"]
      }
      const layer = AwsProvider.layerConfig({
        region: Config.String("REGION"),
        endpoint,
        connectTimeout,
        credentials: {
          _tag: "Keys",
          accessKeyId: Config.String("ID"),
          secretAccessKey: Config.Redacted("KEY"),
          sessionToken: Config.String("TOKEN").pipe(Config.withDefault(undefined))
        },
        proxy: Redacted.make("http://127.0.0.1:1"),
        queues: {
          orders: { visibilityTimeout: "1 minute", deliveriesMax: Config.Int("DELIVERIES") },
          events: Config.succeed({ fifo: true })
        }
      })
      const env = { REGION: "eu-west-1", ID: "A", KEY: "s3cret", DELIVERIES: "7" }
      const context = yield* Layer.build(layer).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env))
      )
      const { config } = Context.get(context, AwsClient.AwsClient)
      assert.deepInclude(config, { region: "eu-west-1", connectTimeout })
      assert.notProperty(config, "endpoint")
      assert(config.credentials._tag === "Keys")
      assert.strictEqual(Redacted.value(config.credentials.secretAccessKey), "s3cret")
      assert.notProperty(config.credentials, "sessionToken")
      assert(config.proxy !== undefined)
      assert.strictEqual(Redacted.value(config.proxy), "http://127.0.0.1:1")
      assert.deepInclude(config.queues["orders"], {
        visibilityTimeout: Duration.minutes(1),
        deliveriesMax: 7
      })
      assert.deepInclude(config.queues["events"], { fifo: true })
    })
  )
})

describe("over a real socket", () => {
  it.live("R11.2 standard and FIFO: send, receive, sessions, dead letters", () =>
    Effect.gen(function* () {
      const emulator = yield* SqsEmulator.make({
        queues: { q: {}, "q-dlq": {}, "s.fifo": {}, "s-dlq.fifo": {} }
      })
      const layer = AwsProvider.layer({
        ...emulated.options({
          q: { name: "q", deadLetter: { name: "q-dlq" } },
          s: { name: "s.fifo", deadLetter: { name: "s-dlq.fifo" } }
        }),
        endpoint: emulator.endpoint
      })
      yield* Effect.gen(function* () {
        const provider = yield* QueueProvider.QueueProvider
        const wait = Duration.seconds(2)
        const one = yield* world.message("one")
        yield* provider.send(world.queue, [one])
        const got = yield* provider.receive(world.main, { max: 1, wait })
        yield* provider.settle(world.receiptsOf(got), Verdict.deadLetter("Bad"))
        const letters = yield* provider.receive(world.dead, { max: 1, wait })
        assert.deepStrictEqual(ids(letters), ["one"])
        const sessions = QueueName.makeUnsafe("s")
        const all = yield* Effect.forEach(["A0", "A1"], (id) => world.inSession("A", id))
        yield* provider.send(sessions, all)
        yield* Effect.scoped(
          Effect.gen(function* () {
            const accepted = yield* provider.acceptSession(sessions, { wait })
            const session = yield* Effect.fromOption(accepted)
            const batch = yield* session.receive({ max: 10, wait })
            assert.deepStrictEqual(ids(batch), ["A0", "A1"])
            yield* session.settle(world.receiptsOf(batch.slice(0, 1)), Verdict.complete)
            yield* session.settle(world.receiptsOf(batch.slice(1)), Verdict.abandon())
            assert.deepStrictEqual(counted(yield* session.receive({ max: 10, wait })), ["A1:2"])
          })
        )
        assert.strictEqual((yield* emulator.inspect("s.fifo"))?.inFlight, 0)
        assert.isTrue(
          Option.isNone(
            yield* Effect.scoped(
              provider.acceptSession(sessions, {
                sessionId: yield* world.sessionId("B"),
                wait: Duration.zero
              })
            )
          )
        )
        assert.strictEqual(QueueAddress.format(world.main), "q")
      }).pipe(Effect.provide(layer))
    })
  )
})
