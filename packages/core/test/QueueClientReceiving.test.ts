import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as DateTime from "effect/DateTime"
import * as Defaults from "../src/Defaults.ts"
import * as Options from "../src/Options.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Clients from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { message, orders } = Clients

const a = SessionId.makeUnsafe("a")
const queues = { orders: ScriptedProvider.ordered }

const unsupported = (what: string, remedy?: string) =>
  new QueueError.UnsupportedOperation(Options.defined({ what, provider: "scripted", remedy }))

const idsOf = (messages: ReadonlyArray<{ readonly messageId: string }>) =>
  messages.map(({ messageId }) => messageId)

describe("QueueClient: receive", () => {
  it.effect("R3.1 one message by default, up to max when told", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.sendBatch(orders, [message("m-1"), message("m-2"), message("m-3")])
      const [first, ...none] = yield* client.receive(orders)
      const rest = yield* client.receive(orders, { max: 5 })
      assert.strictEqual(first?.messageId, "m-1")
      assert.strictEqual(first?.deliveryCount, 1)
      assert.deepStrictEqual(none, [])
      assert.deepStrictEqual(idsOf(rest), ["m-2", "m-3"])
      assert.deepStrictEqual(
        broker.calls("receive").map(({ max }) => max),
        [1, 5]
      )
    })
  )

  it.effect("R3.3 an empty queue answers nothing when the default wait ends, not an error", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      const waiting = yield* Effect.forkChild(client.receive(orders))
      yield* TestClock.adjust(Duration.subtract(Defaults.receiveWait, Duration.millis(1)))
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      assert.strictEqual(broker.calls("receive").length, 1)
    })
  )

  it.effect("R3.3 a wait of zero asks once", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      assert.deepStrictEqual(yield* client.receive(orders, { wait: 0 }), [])
      assert.strictEqual(broker.calls("receive").length, 1)
    })
  )

  it.effect(
    "R3.3 the wait of the call wins over the client's, and the client's over the default",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({}, { wait: "2 seconds" })
        const own = yield* Effect.forkChild(client.receive(orders))
        const given = yield* Effect.forkChild(client.receive(orders, { wait: "3 seconds" }))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(own)
        yield* Fiber.join(given)
        assert.deepStrictEqual(
          broker.calls("receive").map(({ waitMillis }) => waitMillis),
          [2_000, 3_000]
        )
      })
  )

  it.effect("R3.3 a wait longer than one poll asks again, for what is left of it", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        queues: { orders: { receiveWaitMax: Duration.seconds(20) } }
      })
      const waiting = yield* Effect.forkChild(client.receive(orders, { wait: "50 seconds" }))
      yield* TestClock.adjust("50 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      assert.deepStrictEqual(
        broker.calls("receive").map(({ at, waitMillis }) => [at, waitMillis]),
        [
          [0, 20_000],
          [20_000, 20_000],
          [40_000, 10_000]
        ]
      )
    })
  )

  it.effect("R3.3 what comes during a later poll ends the wait", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({
        queues: { orders: { receiveWaitMax: Duration.seconds(20) } }
      })
      const waiting = yield* Effect.forkChild(client.receive(orders, { wait: "50 seconds" }))
      yield* TestClock.adjust("33 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* client.send(orders, message("m-1"))
      assert.deepStrictEqual(idsOf(yield* Fiber.join(waiting)), ["m-1"])
    })
  )

  it.effect("R3.3 a provider that ends its polls early is asked once a pause, not in a loop", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        queues: { orders: { receiveWaitMax: Duration.seconds(1) } },
        faults: { endsEarly: true }
      })
      const waiting = yield* Effect.forkChild(client.receive(orders, { wait: "10 seconds" }))
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      const pauses = Duration.toMillis("10 seconds") / Duration.toMillis(Defaults.idlePause)
      assert.strictEqual(broker.calls("receive").length, pauses)
    })
  )

  it.effect("R3.3 interrupted while waiting, it ends at once and leaves nothing locked", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      const waiting = yield* Effect.forkChild(client.receive(orders))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.interrupt(waiting)
      yield* client.send(orders, message("m-1"))
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("an error of the provider is the caller's", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      broker.faults.before = () => Effect.fail(Clients.transient())
      const error = yield* Effect.flip(client.receive(orders))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )

  it.effect("R3.1 dead letters are received from their address", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const [first] = yield* client.receive(orders)
      if (first === undefined) return assert.fail("nothing received")
      yield* client.deadLetter(first, { reason: "Bad", description: "why" })
      const [dead] = yield* client.receive(QueueAddress.deadLetter(orders))
      assert.strictEqual(dead?.messageId, "m-1")
      assert.strictEqual(dead?.deadLetter?.reason, "Bad")
      assert.strictEqual(dead?.deadLetter?.description, "why")
    })
  )
})

describe("QueueClient: stream", () => {
  it.effect("R3.1 gives messages one after the other, received when pulled", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.sendBatch(orders, [message("m-1"), message("m-2"), message("m-3")])
      const two = yield* Stream.runCollect(Stream.take(client.stream(orders), 2))
      assert.deepStrictEqual(idsOf(two), ["m-1", "m-2"])
      assert.deepStrictEqual((yield* broker.locked).toSorted(), ["m-1", "m-2"])
    })
  )

  it.effect("goes on after waits that brought nothing", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      const pulled = yield* Effect.forkChild(Stream.runHead(client.stream(orders)))
      yield* TestClock.adjust("10 minutes")
      yield* client.send(orders, message("m-1"))
      const found = yield* Fiber.join(pulled)
      assert.deepStrictEqual(
        Option.map(found, ({ messageId }) => String(messageId)),
        Option.some("m-1")
      )
    })
  )

  it.effect("R5.4 does not spin over a provider that ends its polls early, or without a wait", () =>
    Effect.gen(function* () {
      for (const faults of [{ endsEarly: true }, {}]) {
        const { broker, client } = yield* Clients.make({ faults }, { wait: 0 })
        const pulling = yield* Effect.forkChild(Stream.runDrain(client.stream(orders)))
        yield* TestClock.adjust("10 seconds")
        assert.isAtLeast(broker.calls("receive").length, 100)
        assert.isAtMost(broker.calls("receive").length, 102)
        yield* Fiber.interrupt(pulling)
      }
    })
  )

  it.effect("fails with what receive fails with", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      broker.faults.before = () => Effect.fail(Clients.forever())
      const error = yield* Effect.flip(Stream.runHead(client.stream(orders)))
      assert.strictEqual(error.reason._tag, "QueueNotFound")
    })
  )
})

describe("QueueClient: renewLock and peek", () => {
  it.effect("R3.1 renewLock holds a delivery from now", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const [held] = yield* client.receive(orders)
      if (held === undefined) return assert.fail("nothing received")
      assert.strictEqual(DateTime.toEpochMillis(held.lockedUntil), 30_000)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(DateTime.toEpochMillis(yield* client.renewLock(held)), 50_000)
      yield* TestClock.adjust("30 seconds")
      const error = yield* Effect.flip(client.renewLock(held))
      assert.strictEqual(error.reason._tag, "ReceiptExpired")
    })
  )

  it.effect("R3.1 peek looks without receiving, from a number on", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.sendBatch(orders, [message("m-1"), message("m-2"), message("m-3")])
      const [first] = yield* client.peek(orders)
      const all = yield* client.peek(orders, { max: 10 })
      const later = yield* client.peek(orders, {
        max: 10,
        fromSequenceNumber: all[1]?.sequenceNumber ?? 0n
      })
      assert.strictEqual(first?.messageId, "m-1")
      assert.deepStrictEqual(idsOf(all), ["m-1", "m-2", "m-3"])
      assert.deepStrictEqual(idsOf(later), ["m-2", "m-3"])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R3.11 peek where there is none is UnsupportedOperation", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        queues: { orders: { peek: "unsupported" } }
      })
      const error = yield* Effect.flip(client.peek(orders))
      assert.deepStrictEqual(
        error.reason,
        unsupported("peek", "receive messages and abandon them; each counts one delivery more then")
      )
      assert.deepStrictEqual(broker.calls("peek"), [])
    })
  )

  it.effect(
    "R3.11 dead letters that are nowhere are UnsupportedOperation, received or peeked",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({
          queues: { orders: { deadLetter: "unsupported" } }
        })
        const dead = QueueAddress.deadLetter(orders)
        const what = unsupported(
          "reading dead letters",
          "name a queue for dead letters in deadLetterQueues of the client"
        )
        assert.deepStrictEqual((yield* Effect.flip(client.receive(dead))).reason, what)
        assert.deepStrictEqual((yield* Effect.flip(client.peek(dead))).reason, what)
        assert.deepStrictEqual([...broker.calls("receive"), ...broker.calls("peek")], [])
      })
  )
})

describe("QueueClient: sessions", () => {
  it.effect("R4.2 the next free session, its messages in order, released with its scope", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues })
      yield* client.sendBatch(orders, [
        message("a-1", "a"),
        message("b-1", "b"),
        message("a-2", "a")
      ])
      const scope = yield* Scope.make()
      const accepted = yield* Scope.provide(client.acceptSession(orders), scope)
      const session = Option.getOrThrow(accepted)
      assert.strictEqual(session.sessionId, a)
      assert.strictEqual(session.queue, orders)
      const both = yield* session.receive({ max: 10 })
      assert.deepStrictEqual(idsOf(both), ["a-1", "a-2"])
      const outcomes = yield* session.settle(both.slice(0, 1), { _tag: "Complete" })
      assert.strictEqual(outcomes.length, 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(idsOf(broker.messages(QueueAddress.queue(orders))), ["b-1", "a-2"])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R4.2 a session settles its own deliveries, each way", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues })
      yield* client.sendBatch(orders, [
        message("a-1", "a"),
        message("a-2", "a"),
        message("a-3", "a")
      ])
      const session = Option.getOrThrow(yield* client.acceptSession(orders, { sessionId: a }))
      const [first, second, third] = yield* session.receive({ max: 3 })
      if (first === undefined || second === undefined || third === undefined) {
        return assert.fail("three messages were sent")
      }
      yield* session.complete(first)
      yield* session.deadLetter(second, { reason: "Bad" })
      yield* session.abandon(third, { delay: "10 seconds" })
      assert.deepStrictEqual(
        broker.settled.map(({ id, verdict }) => [id, verdict]),
        [
          ["a-1", "Complete"],
          ["a-2", "DeadLetter"],
          ["a-3", "Abandon"]
        ]
      )
    })
  )

  it.effect("R4.2 its lock is renewed from now, and its state read and written", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({ queues })
      yield* client.send(orders, message("a-1", "a"))
      const session = Option.getOrThrow(yield* client.acceptSession(orders))
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(DateTime.toEpochMillis(yield* session.lockedUntil), 30_000)
      assert.strictEqual(DateTime.toEpochMillis(yield* session.renewLock), 50_000)
      assert.strictEqual(DateTime.toEpochMillis(yield* session.lockedUntil), 50_000)
      assert.deepStrictEqual(yield* session.state, Option.none())
      yield* session.setState(Option.some(new Uint8Array([1])))
      assert.deepStrictEqual(yield* session.state, Option.some(new Uint8Array([1])))
      yield* session.setState(Option.none())
      assert.deepStrictEqual(yield* session.state, Option.none())
    })
  )

  it.effect(
    "R4.2 nothing to accept within the wait is None; a wait above one poll asks again",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({
          queues: { orders: { ...ScriptedProvider.ordered, receiveWaitMax: Duration.seconds(20) } }
        })
        const accepting = yield* Effect.forkChild(client.acceptSession(orders, { sessionId: a }))
        yield* TestClock.adjust("29 seconds")
        assert.isUndefined(accepting.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(accepting), Option.none())
        assert.deepStrictEqual(
          broker.calls("acceptSession").map(({ waitMillis }) => waitMillis),
          [20_000, 10_000]
        )
      })
  )

  it.effect("R4.2 a session that comes during a later poll is accepted", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({
        queues: { orders: { ...ScriptedProvider.ordered, receiveWaitMax: Duration.seconds(1) } }
      })
      const accepting = yield* Effect.forkChild(client.acceptSession(orders))
      yield* TestClock.adjust("10 seconds")
      yield* client.send(orders, message("a-1", "a"))
      const accepted = yield* Fiber.join(accepting)
      assert.deepStrictEqual(
        Option.map(accepted, ({ sessionId }) => sessionId),
        Option.some(a)
      )
    })
  )

  it.effect("R4.3 a second accept of a held session is SessionLocked", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({ queues })
      yield* client.send(orders, message("a-1", "a"))
      yield* client.acceptSession(orders, { sessionId: a })
      const error = yield* Effect.flip(client.acceptSession(orders, { sessionId: a }))
      assert.strictEqual(error.reason._tag, "SessionLocked")
    })
  )

  it.effect("R4.3 a holder whose lock ran out gets SessionLockLost", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({ queues })
      yield* client.send(orders, message("a-1", "a"))
      const session = Option.getOrThrow(yield* client.acceptSession(orders))
      const [first] = yield* session.receive()
      if (first === undefined) return assert.fail("nothing received")
      yield* TestClock.adjust("30 seconds")
      const receiving = yield* Effect.flip(session.receive())
      const completing = yield* Effect.flip(session.complete(first))
      assert.strictEqual(receiving.reason._tag, "SessionLockLost")
      assert.strictEqual(completing.reason._tag, "SessionLockLost")
    })
  )

  it.effect("R4.2 a session's receive waits, longer than one poll too, and answers none", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        queues: { orders: { ...ScriptedProvider.ordered, receiveWaitMax: Duration.seconds(5) } }
      })
      yield* client.send(orders, message("a-1", "a"))
      const session = Option.getOrThrow(yield* client.acceptSession(orders))
      yield* session.receive()
      const waiting = yield* Effect.forkChild(session.receive({ wait: "12 seconds" }))
      yield* TestClock.adjust("12 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
      assert.deepStrictEqual(
        broker.calls("receive").map(({ waitMillis }) => waitMillis),
        [5_000, 5_000, 5_000, 2_000]
      )
    })
  )

  it.effect(
    "R3.11 sessions, accepting by id and state that are not there are UnsupportedOperation",
    () =>
      Effect.gen(function* () {
        const none = yield* Clients.make()
        const some = yield* Clients.make({
          queues: {
            orders: {
              ...ScriptedProvider.ordered,
              acceptSpecific: "unsupported",
              sessionState: "unsupported"
            }
          }
        })
        const next = yield* Effect.flip(none.client.acceptSession(orders))
        const byId = yield* Effect.flip(some.client.acceptSession(orders, { sessionId: a }))
        assert.deepStrictEqual(next.reason, unsupported("accepting a session"))
        const free = "leave the id out and accept the next one that is free"
        assert.deepStrictEqual(byId.reason, unsupported("accepting a session by its id", free))
        assert.strictEqual(none.broker.calls("acceptSession").length, 1)
        assert.deepStrictEqual(some.broker.calls("acceptSession"), [])
        yield* some.client.send(orders, message("a-1", "a"))
        const session = Option.getOrThrow(yield* some.client.acceptSession(orders))
        const read = yield* Effect.flip(session.state)
        const write = yield* Effect.flip(session.setState(Option.none()))
        const beside = "put a store beside the queue: SessionLeases of @queue-runtime/session-store"
        assert.deepStrictEqual(read.reason, unsupported("session state", beside))
        assert.deepStrictEqual(write.reason, read.reason)
        assert.deepStrictEqual(some.broker.calls("getState"), [])
        assert.deepStrictEqual(some.broker.calls("setState"), [])
      })
  )
})

describe("QueueClient: invalid options", () => {
  it.effect("R10.1 a wait that is none is refused when the client is made, naming the field", () =>
    Effect.gen(function* () {
      const { service } = yield* ScriptedProvider.make()
      for (const wait of Clients.noDurations) {
        const error = yield* Effect.flip(QueueClient.make(service, { wait }))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
        assert.match(error.message, /wait: must be a finite duration/u)
        assert.strictEqual(error.retry, "Never")
      }
    })
  )

  it.effect("R2.3 a wait that is none is refused by each call, naming the field", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues })
      yield* client.send(orders, message("a-1", "a"))
      const session = Option.getOrThrow(yield* client.acceptSession(orders))
      const before = broker.calls("acceptSession").length
      for (const wait of Clients.noDurations) {
        const errors = yield* Effect.all([
          Effect.flip(client.receive(orders, { wait })),
          Effect.flip(client.acceptSession(orders, { wait })),
          Effect.flip(session.receive({ wait }))
        ])
        for (const { reason } of errors) {
          assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "wait")
        }
      }
      assert.strictEqual(broker.calls("acceptSession").length, before)
      assert.deepStrictEqual(broker.calls("receive"), [])
    })
  )

  it.effect("R2.3 a max that is no whole number above zero is refused, naming the field", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      for (const max of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY]) {
        const errors = yield* Effect.all([
          Effect.flip(client.receive(orders, { max })),
          Effect.flip(client.peek(orders, { max }))
        ])
        for (const { reason } of errors) {
          assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "max")
        }
      }
      assert.deepStrictEqual([...broker.calls("receive"), ...broker.calls("peek")], [])
    })
  )
})
