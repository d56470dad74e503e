import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  Defaults,
  Message,
  type QueueError,
  type QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { Poller } from "../src/internal/router/poller.ts"
import * as world from "./support/world.ts"

const { accept, calls, closable, ends, held, ids, receive, sendTo, settleAs, start, take } = world

const numbered = (prefix: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${prefix}${index}`)

const inFlight = (broker: Parameters<typeof world.bodies>[0], name: string) =>
  Effect.map(broker.inspect(name), (view) => view?.inFlight)

/** Somebody waits for whatever comes. */
const waitingFor = (
  provider: QueueProvider.Service,
  fifo: boolean,
  millis: number
): Effect.Effect<void, QueueError.QueueError> =>
  fifo
    ? Effect.asVoid(Effect.scoped(accept(provider, undefined, millis)))
    : Effect.asVoid(provider.receive(world.main, { max: 10, wait: Duration.millis(millis) }))

describe("dead letters that cannot be put anywhere", () => {
  it.effect("R3.6 R4.3 a session that closes meanwhile goes back, and is nobody's", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 1 } })
      yield* sendTo(provider, "A", ["A0", "A1"])
      const { close, value } = yield* closable(held(provider, "A"))
      const [first] = yield* take(value, 1)
      assert.isDefined(first)
      yield* broker.inject({ queue: dlq, fault: { _tag: "Slow", duration: "500 millis" } })
      const down = yield* broker.inject({
        queue: dlq,
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      const receipts = first === undefined ? [] : [first.receipt]
      yield* start(value.settle(receipts, Verdict.abandon()))
      yield* ends(close)
      yield* down.remove
      yield* world.pass("2 seconds")
      const again = yield* held(provider, "A")
      assert.deepStrictEqual(ids(yield* take(again)), ["A0", "A1"])
    })
  )

  it.effect("R3.6 R4.3 so does one whose next message was to be put aside", () =>
    Effect.gen(function* () {
      const { broker, dlq, name, provider } = yield* world.make({ settings: { deliveriesMax: 1 } })
      yield* sendTo(provider, "A", ["A0", "A1"])
      const { close, value } = yield* closable(held(provider, "A"))
      const down = yield* broker.inject({
        queue: dlq,
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      const slow = yield* broker.inject({
        queue: dlq,
        fault: { _tag: "Slow", duration: "500 millis" }
      })
      assert.deepStrictEqual(yield* settleAs(value, yield* take(value, 1), Verdict.abandon()), [
        "ok"
      ])
      yield* start(Effect.exit(value.receive({ max: 1, wait: Duration.seconds(5) })))
      yield* ends(close)
      yield* down.remove
      yield* slow.remove
      yield* world.pass("12 seconds")
      assert.strictEqual(yield* inFlight(broker, name), 0)
      const again = yield* held(provider, "A")
      assert.deepStrictEqual(ids(yield* take(again)), ["A1"])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A0"])
    })
  )

  it.effect("I3 one that is taken back meanwhile is no longer its holder's to give back", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 2 } })
      yield* sendTo(provider, "A", ["A0", "A1"])
      const session = yield* held(provider, "A")
      const [first, second] = yield* take(session, 2)
      const settleOne = (one: world.Received | undefined) =>
        Effect.map(
          session.settle(one === undefined ? [] : [one.receipt], Verdict.abandon()),
          world.tags
        )
      yield* ends(settleOne(second))
      const [again] = yield* take(session, 1)
      yield* broker.inject({ queue: dlq, fault: { _tag: "Slow", duration: "1 second" } })
      yield* broker.inject({ queue: dlq, fault: { _tag: "Fail", kind: "InternalError" } })
      const spent = yield* start(settleOne(again))
      assert.deepStrictEqual(yield* ends(settleOne(first)), ["ok"])
      assert.deepStrictEqual(yield* ends(Fiber.join(spent)), ["ReceiptExpired"])
      assert.deepStrictEqual(world.counted(yield* take(session)), ["A0:2", "A1:2"])
    })
  )

  it.effect("R3.7 R5.4 an expired message that cannot be removed is not tried without end", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      const message = yield* world.inSession("A", "A0", { timeToLive: Duration.seconds(1) })
      yield* ends(provider.send(world.queue, [message]))
      const session = yield* held(provider, "A")
      yield* broker.inject({
        action: "DeleteMessageBatch",
        fault: { _tag: "Fail", kind: "InternalError" }
      })
      yield* world.pass("2 seconds")
      assert.deepStrictEqual(yield* take(session, 1, "5 seconds"), [])
      assert.isAtMost(yield* calls(broker, "DeleteMessageBatch"), 2)
    })
  )

  it.effect("R5.4 a receive does not spin while a message is being put aside", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 1 } })
      yield* sendTo(provider, "A", ["A0", "A1"])
      const session = yield* held(provider, "A")
      const messages = yield* take(session, 1)
      const slow = { _tag: "Slow", duration: "5 seconds" } as const
      yield* broker.inject({ queue: dlq, action: "SendMessageBatch", fault: slow })
      yield* start(session.settle(world.receiptsOf(messages), Verdict.abandon()))
      const clock = yield* Clock.Clock
      let sleeps = 0
      const counting: Clock.Clock = Object.create(clock, {
        sleep: {
          value: (duration: Duration.Duration) => {
            sleeps++
            return clock.sleep(duration)
          }
        }
      })
      const receiving = session.receive({ max: 1, wait: Duration.seconds(20) })
      const waiting = yield* start(Effect.provideService(receiving, Clock.Clock, counting))
      yield* world.pass("4 seconds")
      assert.isAtMost(sleeps, 3)
      assert.deepStrictEqual(ids(yield* ends(Fiber.join(waiting))), ["A1"])
    })
  )

  it.effect("R3.6 a dead letter with no room for its details goes without them", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({
        attributes: { MaximumMessageSize: "1024" },
        settings: { messageSizeMax: 1_024 }
      })
      yield* broker.call("SetQueueAttributes", {
        QueueUrl: dlq,
        Attributes: { MaximumMessageSize: "1024" }
      })
      const text = "x".repeat(930)
      const made = yield* Message.text(text, { sessionId: SessionId.makeUnsafe("A") })
      const { messageId } = yield* world.message("A0")
      yield* ends(provider.send(world.queue, [Message.stamp(made, messageId)]))
      const session = yield* held(provider, "A")
      const settled = yield* settleAs(session, yield* take(session), Verdict.deadLetter("Test"))
      assert.deepStrictEqual(settled, ["ok"])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), [text])
    })
  )

  it.effect("R7.2 receives of a message that could not be put aside are no deliveries of it", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({
        fifo: false,
        settings: { deliveriesMax: 1, visibilityTimeout: "2 seconds" }
      })
      yield* ends(provider.send(world.queue, [yield* world.message("m")]))
      yield* settleAs(provider, yield* receive(provider), Verdict.abandon())
      const down = yield* broker.inject({
        queue: dlq,
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      for (let round = 0; round < 3; round++) {
        assert.deepStrictEqual(yield* receive(provider, 1, "1 second"), [])
        yield* world.pass("3 seconds")
      }
      yield* down.remove
      yield* receive(provider, 1, "1 second")
      const [letter] = yield* receive(provider, 1, "1 second", world.dead)
      assert.strictEqual(letter?.deadLetter?.deliveryCount, 1)
    })
  )
})

describe("what a router keeps", () => {
  it.effect("R4.3 a session that is lost in part when it is accepted goes back at once", () =>
    Effect.gen(function* () {
      const { broker, connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0", "A1"])
      const scan = yield* start(Effect.scoped(accept(provider, "Z", "3 seconds")))
      yield* world.pass("1 second")
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        times: 1,
        fault: {
          _tag: "FailEntries",
          entries: [1],
          kind: "InvalidParameterValue",
          message: "The receipt handle has expired"
        }
      })
      assert.isTrue(Option.isNone(yield* ends(Effect.scoped(accept(provider, undefined, 0)))))
      yield* ends(Fiber.join(scan))
      // A1 has to wait for the end of its lock.
      const theirs = yield* held(other, "A", "2 seconds")
      assert.deepStrictEqual(ids(yield* take(theirs)), ["A0"])
    })
  )

  it.effect("R4.2 what a scan brings of a session is locked as long as its session is", () =>
    Effect.gen(function* () {
      const { provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(provider, "A")
      yield* settleAs(session, yield* take(session))
      yield* start(Effect.scoped(accept(provider, "Z", "20 seconds")))
      const listening = yield* start(session.receive({ max: 1, wait: Duration.seconds(10) }))
      yield* sendTo(provider, "A", ["A1"])
      const messages = yield* ends(Fiber.join(listening))
      assert.deepStrictEqual(ids(messages), ["A1"])
      yield* world.pass("12 seconds")
      assert.deepStrictEqual(yield* settleAs(session, messages), ["ok"])
    })
  )

  it.effect("R3.6 receives that nobody saw do not wear a message out", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 1 } })
      yield* sendTo(provider, "A", ["A0"])
      for (let round = 0; round < 12; round++) {
        yield* ends(Effect.scoped(accept(provider, "Z", 0)))
        yield* world.pass("1 second")
      }
      const session = yield* held(provider, "A")
      assert.deepStrictEqual(ids(yield* take(session)), ["A0"])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), [])
    })
  )

  it.effect("R4.1 what nobody here takes is not kept from others by a session that waits", () =>
    Effect.gen(function* () {
      const { connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(provider, "A")
      yield* settleAs(session, yield* take(session))
      const patient = session.receive({ max: 1, wait: Duration.seconds(5) })
      const forever = Effect.forever(
        Effect.andThen(patient, Effect.andThen(session.renewLock, Effect.sleep(1)))
      )
      yield* start(forever)
      yield* sendTo(provider, "B", ["B0"])
      yield* world.pass("1 second")
      const took = yield* start(
        Effect.gen(function* () {
          while (true) {
            const found = yield* accept(other, undefined, "1 second")
            if (Option.isSome(found)) return found.value.sessionId
          }
        })
      )
      for (let second = 0; second < 23; second++) yield* world.pass("1 second")
      assert.isDefined(took.pollUnsafe())
      assert.strictEqual(yield* Fiber.join(took), "B")
    })
  )

  it.effect("I7 one that takes sessions one by one is polled for by one poll at a time", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make({ settings: { deliveriesMax: 5 } })
      for (const group of numbered("g", 40)) yield* sendTo(provider, group, [`${group}-0`])
      let most = 0
      for (let round = 0; round < 40; round++) {
        const { close, value } = yield* closable(held(provider))
        const messages = yield* take(value)
        const view = yield* broker.inspect(name)
        most = Math.max(most, ...(view?.messages ?? []).map((one) => one.receiveCount))
        yield* world.pass("400 millis")
        assert.deepStrictEqual(yield* settleAs(value, messages), ["ok"])
        yield* ends(close)
      }
      // The broker's own redrive policy is to begin above ten times the deliveries.
      assert.isAtMost(most, 25)
    })
  )

  it.effect("R3.10 what is kept is extended in few calls", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      for (const group of numbered("g", 30)) yield* sendTo(provider, group, [`${group}-0`])
      const scan = yield* start(Effect.scoped(accept(provider, "Z", "8 seconds")))
      yield* ends(Fiber.await(scan).pipe(Effect.timeoutOption("7 seconds")))
      const extended = yield* calls(broker, "ChangeMessageVisibilityBatch")
      assert.isAtLeast(extended, 3)
      assert.isAtMost(extended, 12)
      yield* ends(Fiber.join(scan))
    })
  )
})

describe("receives and their end", () => {
  it.effect("S10 two receives whose answers are lost are both asked for again", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      yield* sendTo(provider, "A", numbered("A", 10))
      yield* sendTo(provider, "B", numbered("B", 10))
      yield* broker.inject({ action: "ReceiveMessage", times: 2, fault: { _tag: "LoseReply" } })
      const asked = Effect.exit(Effect.scoped(accept(provider, undefined, 0)))
      yield* ends(Effect.all([asked, asked], { concurrency: 2 }))
      const sessions = [yield* held(provider), yield* held(provider)]
      assert.deepStrictEqual(sessions.map(({ sessionId }) => sessionId).toSorted(), ["A", "B"])
    })
  )

  it.effect("R10.4 closing makes up for a release that it cuts short", () =>
    Effect.gen(function* () {
      const { broker, connect, name, provider } = yield* world.make()
      const process = yield* closable(connect)
      const gone = yield* start(Effect.scoped(accept(process.value, undefined, "20 seconds")))
      yield* Fiber.interrupt(gone)
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "8 seconds" }
      })
      yield* sendTo(provider, "A", ["A0"])
      yield* world.pass("1 second")
      yield* ends(process.close)
      assert.strictEqual(yield* inFlight(broker, name), 0)
    })
  )

  it.effect("R10.4 what a poll brings while its provider closes goes back", () =>
    Effect.gen(function* () {
      const { broker, connect, name, provider } = yield* world.make()
      const process = yield* closable(connect)
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(process.value, "A")
      const messages = yield* take(session)
      yield* start(Effect.exit(Effect.scoped(accept(process.value, undefined, "20 seconds"))))
      yield* broker.inject({
        action: "DeleteMessageBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "1 second" }
      })
      yield* start(session.settle(world.receiptsOf(messages), Verdict.complete))
      const closing = yield* start(process.close)
      yield* world.pass("950 millis")
      yield* start(
        Effect.flatMap(world.inSession("B", "B0"), (one) => provider.send(world.queue, [one]))
      )
      yield* ends(Fiber.join(closing))
      assert.strictEqual(yield* inFlight(broker, name), 0)
      assert.deepStrictEqual(yield* world.bodies(broker, name), ["B0"])
    })
  )

  it.effect(
    "R10.4 closing lets a poll land that nobody waits for, and gives back what it brings",
    () =>
      Effect.gen(function* () {
        for (const fifo of [false, true]) {
          const { broker, name, provider, queues } = yield* world.make({ fifo })
          const way = { deadSockets: "deliver" } as const
          const process = yield* closable(world.connectBy(broker, queues, way))
          yield* Fiber.interrupt(yield* start(waitingFor(process.value, fifo, 20_000)))
          const closing = yield* start(process.close)
          const before = yield* Clock.currentTimeMillis
          yield* sendTo(provider, "A", ["A0"])
          yield* Fiber.join(closing)
          assert.strictEqual(yield* inFlight(broker, name), 0)
          const [one] = fifo
            ? yield* take(yield* held(provider, "A", 0))
            : yield* world.receive(provider)
          assert.strictEqual(one?.messageId, "A0")
          assert.isAtMost((yield* Clock.currentTimeMillis) - before, 100)
        }
      })
  )

  it.effect(
    "R10.4 what one poll brings then is not handed to another one of the same provider",
    () =>
      Effect.gen(function* () {
        const { broker, connect, name, provider } = yield* world.make({ fifo: false })
        const process = yield* closable(connect)
        const receiving = (seconds: number) =>
          process.value.receive(world.main, { max: 10, wait: Duration.seconds(seconds) })
        yield* Fiber.interrupt(yield* start(receiving(20)))
        yield* broker.inject({
          action: "ReceiveMessage",
          times: 1,
          fault: { _tag: "Slow", duration: "2 seconds" }
        })
        yield* Fiber.interrupt(yield* start(receiving(0)))
        const closing = yield* start(process.close)
        yield* ends(Effect.flatMap(world.message("a"), (one) => provider.send(world.queue, [one])))
        assert.strictEqual(yield* inFlight(broker, name), 1)
        yield* ends(Fiber.join(closing))
        assert.strictEqual(yield* inFlight(broker, name), 0)
        const counts = (yield* broker.inspect(name))?.messages.map((one) => one.receiveCount)
        assert.deepStrictEqual(counts, [1])
      })
  )

  it.effect(
    "R10.4 R10.6 a poll that brings nothing is waited for no longer than closing may take",
    () =>
      Effect.gen(function* () {
        const { connect } = yield* world.make({ fifo: false })
        const process = yield* closable(connect)
        const failing = yield* start(Effect.flip(waitingFor(process.value, false, 20_000)))
        const before = yield* Clock.currentTimeMillis
        const closing = yield* start(process.close)
        assert.strictEqual((yield* Fiber.join(failing)).reason._tag, "ConnectionFailed")
        yield* ends(Fiber.join(closing))
        const took = (yield* Clock.currentTimeMillis) - before
        assert.isAtMost(took, Duration.toMillis(Defaults.sqsCloseWait) + 50)
      })
  )

  it.effect("R3.2 no poll outlasts the wait that it was made for by more than a second", () =>
    Effect.gen(function* () {
      const waits = [300, 1_500, 4_000].flatMap((wait) =>
        [false, true].map((fifo) => ({ fifo, wait }))
      )
      for (const { fifo, wait } of waits) {
        const { broker, name, provider } = yield* world.make({ fifo })
        yield* Fiber.interrupt(yield* start(waitingFor(provider, fifo, wait)))
        assert.strictEqual(yield* calls(broker, "ReceiveMessage"), 1)
        yield* world.pass(Math.ceil(wait / 1_000) * 1_000)
        yield* ends(sendTo(provider, "A", ["A0"]))
        yield* world.settle
        assert.strictEqual(yield* inFlight(broker, name), 0)
        assert.strictEqual(yield* calls(broker, "ReceiveMessage"), 1)
      }
    })
  )

  it.effect("R5.4 polls go on when the clock is set back", () =>
    Effect.gen(function* () {
      const scope = yield* Effect.acquireRelease(Scope.make(), (made) =>
        Scope.close(made, Exit.void)
      )
      let polls = 0
      const poller = new Poller({
        pollersMax: 1,
        scope,
        demand: () => ({ max: 10, waitSeconds: 1, visibilitySeconds: 30 }),
        poll: () =>
          Effect.suspend(() => {
            polls++
            const answer = { messages: [], sentAt: 0, isAgain: false }
            return Effect.as(polls === 1 ? TestClock.setTime(0) : Effect.void, answer)
          }),
        arrived: () => Effect.void,
        failed: () => undefined
      })
      yield* TestClock.setTime(3_600_000)
      yield* poller.poke
      yield* world.settle
      for (let step = 0; step < 5; step++) yield* world.pass("100 millis")
      assert.isAtLeast(polls, 4)
    })
  )
})
