import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Exit from "effect/Exit"
import { TestClock } from "effect/testing"
import { type EmulatorError, ServiceBusBroker } from "../src/index.ts"

const bytes = (text: string) => new TextEncoder().encode(text)
const textOf = (delivery: ServiceBusBroker.Delivery | undefined) =>
  new TextDecoder().decode(delivery?.body)
const texts = (deliveries: ReadonlyArray<ServiceBusBroker.Delivery>) => deliveries.map(textOf)

const complete: ServiceBusBroker.Settlement = { _tag: "Complete" }
const abandon: ServiceBusBroker.Settlement = { _tag: "Abandon" }
const defer: ServiceBusBroker.Settlement = { _tag: "Defer" }

const refusedWith = <A>(
  effect: Effect.Effect<A, EmulatorError.Refused, Scope.Scope>
): Effect.Effect<string, never, Scope.Scope> =>
  effect.pipe(
    Effect.flip,
    Effect.map((error) => error.condition),
    Effect.orDie
  )

const one = Effect.fnUntraced(function* (
  broker: ServiceBusBroker.Service,
  queue = "q",
  options: ServiceBusBroker.ReceiveOptions = {}
) {
  const [delivery] = yield* broker.receive(queue, options)
  if (delivery === undefined) return yield* Effect.die(new Error("nothing to receive"))
  return delivery
})

describe("sending and receiving", () => {
  it.effect("messages come in the order they were sent, with growing sequence numbers", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      for (const text of ["a", "b", "c"]) yield* broker.send("q", { body: bytes(text) })
      const deliveries = yield* broker.receive("q", { max: 10 })
      assert.deepStrictEqual(texts(deliveries), ["a", "b", "c"])
      assert.deepStrictEqual(
        deliveries.map(({ sequenceNumber }) => sequenceNumber),
        [1, 2, 3]
      )
      assert.deepStrictEqual(
        deliveries.map(({ deliveryCount }) => deliveryCount),
        [0, 0, 0]
      )
    })
  )

  it.effect(
    "R3.12 a queue that does not exist is amqp:not-found, and its name is in the text",
    () =>
      Effect.gen(function* () {
        const broker = yield* ServiceBusBroker.make({})
        const error = yield* Effect.flip(broker.send("nope", { body: bytes("") }))
        assert.strictEqual(error.condition, "amqp:not-found")
        assert.match(
          error.message,
          /The messaging entity 'sb:\/\/localhost\/nope' could not be found/u
        )
      })
  )

  it.effect("names of queues are not case-sensitive", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ Orders: {} })
      yield* broker.send("ORDERS", { body: bytes("a") })
      assert.strictEqual((yield* broker.inspect("orders")).active, 1)
    })
  )

  it.effect("take waits for the next message, and an interrupted one leaves nothing locked", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      const given = yield* Effect.forkChild(broker.take("q"), { startImmediately: true })
      const gone = yield* Effect.forkChild(broker.take("q"), { startImmediately: true })
      yield* Fiber.interrupt(gone)
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.send("q", { body: bytes("b") })
      assert.strictEqual(textOf(yield* Fiber.join(given)), "a")
      const held = yield* broker.inspect("q")
      assert.deepStrictEqual([held.active, held.locked], [1, 1])
    })
  )

  it.effect("receive-and-delete locks nothing: what is received is gone", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      const delivery = yield* one(broker, "q", { receiveAndDelete: true })
      assert.strictEqual(delivery.lock, 0)
      assert.strictEqual((yield* broker.inspect("q")).bytes, 0)
      assert.strictEqual(
        yield* refusedWith(broker.settle(delivery, complete)),
        "com.microsoft:message-lock-lost"
      )
    })
  )

  it.effect("R1.7 a message over the limit is refused, and one of just the limit is not", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { messageBytesMax: 1024 } })
      yield* broker.send("q", { body: new Uint8Array(1024) })
      assert.strictEqual(
        yield* refusedWith(broker.send("q", { body: new Uint8Array(1025) })),
        "amqp:link:message-size-exceeded"
      )
    })
  )

  it.effect("a full queue refuses until something is completed", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { queueBytesMax: 2048 } })
      yield* broker.send("q", { body: new Uint8Array(1500) })
      const refused = broker.send("q", { body: new Uint8Array(1000) })
      assert.strictEqual(yield* refusedWith(refused), "amqp:resource-limit-exceeded")
      yield* broker.settle(yield* one(broker), complete)
      assert.strictEqual(yield* refused, 2)
    })
  )
})

describe("settling", () => {
  it.effect("R3.4 a completed message never comes back, and its lock settles once", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      const delivery = yield* one(broker)
      yield* broker.settle(delivery, complete)
      assert.strictEqual(
        yield* refusedWith(broker.settle(delivery, abandon)),
        "com.microsoft:message-lock-lost"
      )
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* broker.receive("q"), [])
    })
  )

  it.effect("R3.5 an abandoned message is back at its place, one delivery older", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      for (const text of ["a", "b"]) yield* broker.send("q", { body: bytes(text) })
      const first = yield* one(broker)
      yield* broker.settle(first, {
        _tag: "Abandon",
        properties: new Map([["why", "later"]])
      })
      const again = yield* one(broker)
      assert.strictEqual(textOf(again), "a")
      assert.strictEqual(again.deliveryCount, 1)
      assert.deepStrictEqual(again.properties, { why: "later" })
      assert.notStrictEqual(again.lock, first.lock)
    })
  )

  it.effect("a released message is back and counts nothing", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.settle(yield* one(broker), { _tag: "Release" })
      assert.strictEqual((yield* one(broker)).deliveryCount, 0)
    })
  )

  it.effect("R3.6 the last failed delivery dead-letters, with MaxDeliveryCountExceeded", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { maxDeliveryCount: 2 } })
      yield* broker.send("q", { body: bytes("a"), messageId: "m" })
      yield* broker.settle(yield* one(broker), abandon)
      assert.strictEqual((yield* broker.inspect("q")).deadLettered, 0)
      yield* broker.settle(yield* one(broker), abandon)
      const dead = yield* one(broker, "q", { deadLetters: true })
      assert.strictEqual(dead.messageId, "m")
      assert.strictEqual(dead.sequenceNumber, 1)
      assert.deepStrictEqual(dead.properties, {
        DeadLetterReason: "MaxDeliveryCountExceeded",
        DeadLetterErrorDescription: "Message could not be consumed after 2 delivery attempts."
      })
    })
  )

  it.effect("dead-lettering carries reason, description and properties", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.settle(yield* one(broker), {
        _tag: "DeadLetter",
        reason: "r",
        description: "d",
        properties: new Map<string, unknown>([["n", 1]])
      })
      const dead = yield* one(broker, "q", { deadLetters: true })
      assert.deepStrictEqual(dead.properties, {
        n: 1,
        DeadLetterReason: "r",
        DeadLetterErrorDescription: "d"
      })
    })
  )

  it.effect("in a dead-letter queue an abandon counts nothing, and dead-lettering is refused", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { maxDeliveryCount: 1 } })
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.settle(yield* one(broker), { _tag: "DeadLetter" })
      const options = { deadLetters: true }
      yield* broker.settle(yield* one(broker, "q", options), abandon)
      const again = yield* one(broker, "q", options)
      assert.strictEqual(again.deliveryCount, 0)
      assert.strictEqual(
        yield* refusedWith(broker.settle(again, { _tag: "DeadLetter" })),
        "amqp:not-allowed"
      )
      assert.strictEqual((yield* one(broker, "q", options)).deliveryCount, 0)
    })
  )

  it.effect("a deferred message is received by its number alone, and counts a delivery", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.settle(yield* one(broker), defer)
      assert.deepStrictEqual(yield* broker.receive("q"), [])
      const [deferred] = yield* broker.receiveDeferred("q", [1])
      assert.strictEqual(deferred?.deliveryCount, 1)
      assert.strictEqual(
        yield* refusedWith(broker.receiveDeferred("q", [1])),
        "com.microsoft:message-not-found"
      )
      yield* TestClock.adjust("1 minute")
      const [again] = yield* broker.receiveDeferred("q", [1])
      assert.strictEqual(again?.deliveryCount, 2)
    })
  )

  it.effect("receiving deferred messages is all or none", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a") })
      yield* broker.settle(yield* one(broker), defer)
      yield* refusedWith(broker.receiveDeferred("q", [1, 2]))
      assert.strictEqual((yield* broker.receiveDeferred("q", [1])).length, 1)
    })
  )
})

describe("locks", () => {
  it.effect("R3.5 a lock that ran out brings the message back, and the old lock is dead", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { lockDuration: "10 seconds" } })
      yield* broker.send("q", { body: bytes("a") })
      const delivery = yield* one(broker)
      assert.strictEqual(delivery.lockedUntil, 10_000)
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual((yield* broker.inspect("q")).locked, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* broker.inspect("q")).active, 1)
      assert.strictEqual(
        yield* refusedWith(broker.settle(delivery, complete)),
        "com.microsoft:message-lock-lost"
      )
      assert.strictEqual((yield* one(broker)).deliveryCount, 1)
    })
  )

  it.effect("a renewed lock runs from the renewal, not on top of what is left", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { lockDuration: "10 seconds" } })
      yield* broker.send("q", { body: bytes("a") })
      const delivery = yield* one(broker)
      yield* TestClock.adjust("4 seconds")
      assert.strictEqual(yield* broker.renew(delivery), 14_000)
      yield* TestClock.adjust("9999 millis")
      yield* broker.settle(delivery, complete)
      assert.strictEqual(
        yield* refusedWith(broker.renew(delivery)),
        "com.microsoft:message-lock-lost"
      )
    })
  )
})

describe("time to live", () => {
  it.effect("R3.7 what expires is dropped, at its time and not before", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a"), timeToLive: "5 seconds" })
      yield* TestClock.adjust("4999 millis")
      assert.strictEqual((yield* broker.inspect("q")).active, 1)
      yield* TestClock.adjust("1 millis")
      const { active, bytes: held, deadLettered } = yield* broker.inspect("q")
      assert.deepStrictEqual([active, deadLettered, held], [0, 0, 0])
    })
  )

  it.effect("R3.7 what expires is dead-lettered where the queue says so, and never again", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({
        q: { deadLetteringOnMessageExpiration: true, defaultMessageTimeToLive: "10 seconds" }
      })
      yield* broker.send("q", { body: bytes("a"), timeToLive: "1 hour" })
      yield* TestClock.adjust("10 seconds")
      yield* TestClock.adjust("100 days")
      const dead = yield* one(broker, "q", { deadLetters: true })
      assert.strictEqual(dead.properties["DeadLetterReason"], "TTLExpiredException")
    })
  )

  it.effect("a locked message does not expire; it does when it comes back too late", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: { lockDuration: "1 minute" } })
      yield* broker.send("q", { body: bytes("a"), timeToLive: "5 seconds" })
      const delivery = yield* one(broker)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* broker.inspect("q")).locked, 1)
      yield* broker.settle(delivery, abandon)
      assert.strictEqual((yield* broker.inspect("q")).active, 0)
    })
  )

  it.effect("an expired deferred message stays until somebody asks for it", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a"), timeToLive: "5 seconds" })
      yield* broker.settle(yield* one(broker), defer)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual((yield* broker.inspect("q")).deferred, 1)
      yield* refusedWith(broker.receiveDeferred("q", [1]))
      assert.strictEqual((yield* broker.inspect("q")).deferred, 0)
    })
  )
})

describe("scheduling", () => {
  it.effect(
    "R3.8 a scheduled message is not delivered early, and then stands behind the others",
    () =>
      Effect.gen(function* () {
        const broker = yield* ServiceBusBroker.make({ q: {} })
        yield* broker.send("q", { body: bytes("later"), scheduledAt: 5000 })
        yield* broker.send("q", { body: bytes("now") })
        yield* TestClock.adjust("4999 millis")
        assert.deepStrictEqual(texts(yield* broker.peek("q", { max: 9 })), ["later", "now"])
        assert.strictEqual((yield* broker.inspect("q")).scheduled, 1)
        yield* TestClock.adjust("1 millis")
        const deliveries = yield* broker.receive("q", { max: 9 })
        assert.deepStrictEqual(texts(deliveries), ["now", "later"])
        assert.deepStrictEqual(
          deliveries.map(({ enqueuedAt, sequenceNumber }) => [sequenceNumber, enqueuedAt]),
          [
            [2, 0],
            [3, 5000]
          ]
        )
      })
  )

  it.effect("the time to live of a scheduled message begins when it is due", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a"), scheduledAt: 5000, timeToLive: "2 seconds" })
      yield* TestClock.adjust("6999 millis")
      assert.strictEqual((yield* broker.inspect("q")).active, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual((yield* broker.inspect("q")).active, 0)
    })
  )

  it.effect("a scheduled message is cancelled once, and only while it waits", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({ q: {} })
      yield* broker.send("q", { body: bytes("a"), scheduledAt: 5000 })
      yield* broker.send("q", { body: bytes("b") })
      assert.strictEqual(yield* broker.cancel("q", 1), true)
      assert.strictEqual(yield* broker.cancel("q", 1), false)
      assert.strictEqual(yield* broker.cancel("q", 2), false)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(texts(yield* broker.receive("q", { max: 9 })), ["b"])
    })
  )
})

describe("duplicate detection", () => {
  it.effect(
    "R3.14 inside the window a second message of an id is dropped, after it it is not",
    () =>
      Effect.gen(function* () {
        const broker = yield* ServiceBusBroker.make({
          q: {
            requiresDuplicateDetection: true,
            duplicateDetectionHistoryTimeWindow: "30 seconds"
          },
          plain: {}
        })
        const message = { body: bytes("a"), messageId: "same" }
        assert.strictEqual(yield* broker.send("q", message), 1)
        assert.strictEqual(yield* broker.send("q", message), undefined)
        yield* broker.settle(yield* one(broker), complete)
        yield* TestClock.adjust("29999 millis")
        assert.strictEqual(yield* broker.send("q", message), undefined)
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* broker.send("q", message), 2)
        yield* broker.send("plain", message)
        assert.strictEqual(yield* broker.send("plain", message), 2)
      })
  )
})

describe("sessions", () => {
  const sessions = { q: { requiresSession: true, lockDuration: "10 seconds" } } as const

  const sendAll = (broker: ServiceBusBroker.Service, messages: ReadonlyArray<string>) =>
    Effect.forEach(
      messages,
      (text) => broker.send("q", { body: bytes(text), sessionId: text.charAt(0) }),
      { discard: true }
    )

  it.effect("R3.13 a message without a session is refused", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      assert.strictEqual(
        yield* refusedWith(broker.send("q", { body: bytes("a") })),
        "amqp:not-allowed"
      )
      assert.strictEqual(
        yield* refusedWith(broker.send("q", { body: bytes("a"), sessionId: "s".repeat(129) })),
        "com.microsoft:argument-error"
      )
    })
  )

  it.effect("R4.1 messages of one session come in order, and of it alone", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "B1", "A2"])
      const session = yield* broker.acceptSession("q", "A")
      assert.deepStrictEqual(texts(yield* session.receive(9)), ["A1", "A2"])
    })
  )

  it.effect("R4.3 a second accept of a held session is refused", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* broker.acceptSession("q", "A")
      assert.strictEqual(
        yield* refusedWith(broker.acceptSession("q", "A")),
        "com.microsoft:session-cannot-be-locked"
      )
    })
  )

  it.effect("R4.2 a session that was never used can be accepted by its id", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      const session = yield* broker.acceptSession("q", "new")
      assert.deepStrictEqual(yield* session.receive(), [])
    })
  )

  it.effect("the next free session is served in turn, and one that was given back comes last", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "B1", "C1"])
      const order: Array<string> = []
      for (let turn = 0; turn < 4; turn++) {
        yield* Effect.scoped(
          Effect.map(broker.acceptSession("q"), ({ sessionId }) => order.push(sessionId))
        )
      }
      assert.deepStrictEqual(order, ["A", "B", "C", "A"])
    })
  )

  it.effect("whoever waits gets a session with its first message, in the order of waiting", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      const accept = Effect.forkChild(broker.acceptSession("q"), { startImmediately: true })
      const first = yield* accept
      const gone = yield* accept
      const second = yield* accept
      assert.strictEqual((yield* broker.inspect("q")).waiting, 3)
      yield* Fiber.interrupt(gone)
      yield* sendAll(broker, ["A1", "B1"])
      assert.strictEqual((yield* Fiber.join(first)).sessionId, "A")
      assert.strictEqual((yield* Fiber.join(second)).sessionId, "B")
    })
  )

  it.effect("R4.2 a session given back returns its messages, and counts nothing", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "A2"])
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(broker.acceptSession("q", "A"), scope)
      yield* session.receive(2)
      yield* Scope.close(scope, Exit.void)
      const again = yield* broker.acceptSession("q")
      const deliveries = yield* again.receive(9)
      assert.deepStrictEqual(texts(deliveries), ["A1", "A2"])
      assert.deepStrictEqual(
        deliveries.map(({ deliveryCount }) => deliveryCount),
        [0, 0]
      )
    })
  )

  it.effect("R4.3 a session whose lock ran out is lost, and what was received counts", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "A2", "A3"])
      const session = yield* broker.acceptSession("q", "A")
      const [first, second] = yield* session.receive(2)
      if (first === undefined || second === undefined) return assert.fail("nothing received")
      yield* broker.settle(first, complete)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual(yield* session.isHeld, false)
      assert.strictEqual(yield* refusedWith(session.renew), "com.microsoft:session-lock-lost")
      assert.strictEqual(
        yield* refusedWith(broker.settle(second, complete)),
        "com.microsoft:session-lock-lost"
      )
      const next = yield* broker.acceptSession("q")
      const deliveries = yield* next.receive(9)
      assert.deepStrictEqual(texts(deliveries), ["A2", "A3"])
      assert.deepStrictEqual(
        deliveries.map(({ deliveryCount }) => deliveryCount),
        [1, 0]
      )
    })
  )

  it.effect("a renewed session lock runs from the renewal, for its messages too", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1"])
      const session = yield* broker.acceptSession("q", "A")
      const [delivery] = yield* session.receive()
      yield* TestClock.adjust("6 seconds")
      assert.strictEqual(yield* session.renew, 16_000)
      yield* TestClock.adjust("9 seconds")
      if (delivery === undefined) return assert.fail("nothing received")
      assert.strictEqual(yield* broker.renew(delivery), 16_000)
      yield* broker.settle(delivery, complete)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* session.isHeld, false)
    })
  )

  it.effect("state outlives its holder, its messages and is removed by writing none", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make({
        q: { ...sessions.q, sessionStateBytesMax: 4 }
      })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* broker.acceptSession("q", "A")
          assert.strictEqual(yield* session.state, undefined)
          yield* session.setState(new Uint8Array([1, 2]))
          assert.strictEqual(
            yield* refusedWith(session.setState(new Uint8Array(5))),
            "com.microsoft:argument-error"
          )
        })
      )
      assert.strictEqual((yield* broker.inspect("q")).sessions.length, 1)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* broker.acceptSession("q", "A")
          assert.deepStrictEqual(yield* session.state, new Uint8Array([1, 2]))
          yield* session.setState(undefined)
        })
      )
      assert.strictEqual((yield* broker.inspect("q")).sessions.length, 0)
    })
  )

  it.effect("sessions are listed by messages, or by when their state was written", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "B1"])
      yield* TestClock.adjust("5 seconds")
      const session = yield* broker.acceptSession("q", "C")
      yield* session.setState(new Uint8Array([1]))
      assert.deepStrictEqual(yield* broker.listSessions("q"), ["A", "B"])
      assert.deepStrictEqual(yield* broker.listSessions("q", 4999), ["C"])
      assert.deepStrictEqual(yield* broker.listSessions("q", 5000), [])
    })
  )

  it.effect("a deferred message of a session is received by its holder alone", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "B1"])
      const a = yield* broker.acceptSession("q", "A")
      const b = yield* broker.acceptSession("q", "B")
      const [delivery] = yield* a.receive()
      if (delivery === undefined) return assert.fail("nothing received")
      yield* broker.settle(delivery, defer)
      assert.strictEqual(
        yield* refusedWith(b.receiveDeferred([1])),
        "com.microsoft:message-not-found"
      )
      assert.deepStrictEqual(texts(yield* a.receiveDeferred([1])), ["A1"])
    })
  )

  it.effect("a dead letter of a session is received without one, and peeked by its session", () =>
    Effect.gen(function* () {
      const broker = yield* ServiceBusBroker.make(sessions)
      yield* sendAll(broker, ["A1", "B1", "A2"])
      const session = yield* broker.acceptSession("q", "A")
      for (const delivery of yield* session.receive(2)) {
        yield* broker.settle(delivery, { _tag: "DeadLetter" })
      }
      const peeked = yield* broker.peek("q", { deadLetters: true, sessionId: "A", max: 9 })
      assert.deepStrictEqual(texts(peeked), ["A1", "A2"])
      assert.deepStrictEqual(texts(yield* broker.peek("q", { sessionId: "B" })), ["B1"])
      assert.deepStrictEqual(texts(yield* broker.peek("q", { sessionId: "A" })), [])
      assert.strictEqual((yield* one(broker, "q", { deadLetters: true })).sessionId, "A")
    })
  )
})

describe("everything together", () => {
  const Step = Schema.Union([
    Schema.TaggedStruct("Send", {}),
    Schema.TaggedStruct("Schedule", {
      seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 30 }))
    }),
    Schema.TaggedStruct("Receive", {
      max: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))
    }),
    Schema.TaggedStruct("Settle", {
      how: Schema.Literals(["Complete", "Abandon", "Defer", "Release", "DeadLetter"])
    }),
    Schema.TaggedStruct("Wait", {
      seconds: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 }))
    })
  ])

  it.effect.prop(
    "R3.2 whatever is done, every message is in exactly one place or was completed",
    { steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 60 }) },
    ({ steps }) =>
      Effect.gen(function* () {
        const broker = yield* ServiceBusBroker.make({
          q: { lockDuration: "5 seconds", maxDeliveryCount: 3 }
        })
        let sent = 0
        let completed = 0
        const held: Array<ServiceBusBroker.Delivery> = []
        for (const step of steps) {
          switch (step._tag) {
            case "Send":
            case "Schedule": {
              const now = yield* Clock.currentTimeMillis
              sent++
              yield* broker.send("q", {
                body: bytes(String(sent)),
                ...(step._tag === "Schedule" ? { scheduledAt: now + step.seconds * 1000 } : {})
              })
              break
            }
            case "Receive":
              held.push(...(yield* broker.receive("q", { max: step.max })))
              break
            case "Wait":
              yield* TestClock.adjust(step.seconds * 1000)
              break
            case "Settle": {
              const delivery = held.shift()
              if (delivery === undefined) break
              const now = yield* Clock.currentTimeMillis
              const exit = yield* Effect.exit(broker.settle(delivery, { _tag: step.how }))
              // A settlement takes effect exactly as long as its lock runs.
              assert.strictEqual(Exit.isSuccess(exit), now < delivery.lockedUntil)
              if (Exit.isSuccess(exit) && step.how === "Complete") completed++
            }
          }
        }
        const { active, deadLettered, deferred, locked, messages, scheduled } =
          yield* broker.inspect("q")
        assert.strictEqual(active + locked + scheduled + deferred, messages.length)
        assert.strictEqual(messages.length + deadLettered + completed, sent)
      }),
    { arbitrary: { runs: 100, seed: 7 } }
  )
})
