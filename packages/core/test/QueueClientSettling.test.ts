import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { TestClock } from "effect/testing"
import * as Message from "../src/Message.ts"
import type * as Outcome from "../src/Outcome.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as Verdict from "../src/Verdict.ts"
import * as Clients from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { aside, message, orders } = Clients

const word = (outcome: Outcome.Outcome<void>): string =>
  Result.isSuccess(outcome) ? "settled" : outcome.failure.reason._tag

const unsupported = (what: string) =>
  new QueueError.UnsupportedOperation({ what, provider: "scripted" })

const one = Effect.fnUntraced(function* (
  client: QueueClient.Service,
  source: Parameters<QueueClient.Service["receive"]>[0]
) {
  const [received] = yield* client.receive(source, { wait: 0 })
  return received ?? assert.fail("nothing received")
})

const idsIn = (broker: ScriptedProvider.ScriptedProvider, address: QueueAddress.QueueAddress) =>
  broker.messages(address).map(({ messageId }) => String(messageId))

describe("QueueClient: settling one", () => {
  it.effect("R3.4 a completed message never comes back, and its receipt is dead", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const held = yield* one(client, orders)
      yield* client.complete(held)
      const error = yield* Effect.flip(client.complete(held))
      assert.strictEqual(error.reason._tag, "ReceiptExpired")
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* client.receive(orders, { wait: 0 }), [])
    })
  )

  it.effect(
    "R3.5 an abandoned message comes at once, or after its delay, with a count one higher",
    () =>
      Effect.gen(function* () {
        const { client } = yield* Clients.make()
        yield* client.send(orders, message("m-1"))
        yield* client.abandon(yield* one(client, orders))
        const second = yield* one(client, orders)
        assert.strictEqual(second.deliveryCount, 2)
        yield* client.abandon(second, { delay: "10 seconds" })
        yield* TestClock.adjust("9 seconds")
        assert.deepStrictEqual(yield* client.receive(orders, { wait: 0 }), [])
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* one(client, orders)).deliveryCount, 3)
      })
  )

  it.effect(
    "R3.11 an abandon with a delay where there is none is UnsupportedOperation; at once is fine",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({
          queues: { orders: { abandonDelay: "unsupported" } }
        })
        yield* client.send(orders, message("m-1"))
        const held = yield* one(client, orders)
        const error = yield* Effect.flip(client.abandon(held, { delay: 1 }))
        assert.deepStrictEqual(error.reason, unsupported("abandoning with a delay"))
        assert.deepStrictEqual(broker.calls("settle"), [])
        yield* client.abandon(held)
        assert.strictEqual(broker.settled.length, 1)
      })
  )

  it.effect(
    "R3.11 an abandon with a delay above the longest is UnsupportedOperation; the longest is fine",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({
          queues: { orders: { abandonDelayMax: Duration.hours(12) } }
        })
        yield* client.send(orders, message("m-1"))
        const held = yield* one(client, orders)
        const error = yield* Effect.flip(client.abandon(held, { delay: "13 hours" }))
        assert.deepStrictEqual(error.reason, unsupported("abandoning with a delay above 12h"))
        assert.deepStrictEqual(broker.calls("settle"), [])
        yield* client.abandon(held, { delay: "12 hours" })
        assert.strictEqual(broker.settled.length, 1)
      })
  )

  it.effect("R2.3 a delay that is none is refused, naming the field", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const held = yield* one(client, orders)
      for (const delay of Clients.noDurations) {
        const { reason } = yield* Effect.flip(client.abandon(held, { delay }))
        assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "delay")
      }
      for (const delay of [Duration.infinity, Duration.seconds(-1)]) {
        const outcomes = yield* client.settle([held], Verdict.abandon(delay))
        assert.deepStrictEqual(outcomes.map(word), ["ValidationFailed"])
      }
      assert.deepStrictEqual(broker.calls("settle"), [])
    })
  )

  it.effect("a provider that answers no outcome is a defect", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.sendBatch(orders, [message("m-1"), message("m-2"), message("m-3")])
      const held = yield* one(client, orders)
      const others = yield* client.receive(orders, { max: 2 })
      assert.lengthOf(others, 2)
      broker.faults.outcomesMissing = 1
      const exit = yield* Effect.exit(client.complete(held))
      assert.match(String(exit), /answered no outcome/u)
      const many = yield* Effect.exit(client.settle(others, Verdict.complete))
      assert.match(String(many), /fewer outcomes than receipts/u)
      const calls = Array.from({ length: 30 }, () => held)
      const inCalls = yield* Effect.exit(client.settle(calls, Verdict.complete))
      assert.match(String(inCalls), /fewer outcomes than receipts/u)
    })
  )
})

describe("QueueClient: settling many", () => {
  const ids = ["m-0", "m-1", "m-2", "m-3", "m-4"]

  it.effect("R3.9 of nothing make no call", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      assert.deepStrictEqual(yield* client.settle([], Verdict.complete), [])
      assert.deepStrictEqual(broker.calls("settle"), [])
    })
  )

  it.effect("R3.9 are cut to what one call takes, with an outcome for each", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: { settleCountMax: 2 } } })
      yield* client.sendBatch(
        orders,
        ids.map((id) => message(id))
      )
      const held = yield* client.receive(orders, { max: 5 })
      broker.faults.each = (_, id) => (id === "m-2" ? Clients.transient() : undefined)
      const outcomes = yield* client.settle(held, Verdict.complete)
      assert.deepStrictEqual(
        broker.calls("settle").map((call) => call.ids),
        [["m-0", "m-1"], ["m-2", "m-3"], ["m-4"]]
      )
      assert.deepStrictEqual(outcomes.map(word), [
        "settled",
        "settled",
        "ConnectionFailed",
        "settled",
        "settled"
      ])
    })
  )

  it.effect(
    "R3.9 a call that fails as a whole is the outcome of its receipts, and the others go on",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({
          queues: { orders: { settleCountMax: 2 } }
        })
        yield* client.sendBatch(
          orders,
          ids.map((id) => message(id))
        )
        const held = yield* client.receive(orders, { max: 5 })
        broker.faults.before = ({ nth }) =>
          nth === 2 ? Effect.fail(Clients.transient()) : Effect.void
        const outcomes = yield* client.settle(held, Verdict.complete)
        assert.deepStrictEqual(outcomes.map(word), [
          "settled",
          "settled",
          "ConnectionFailed",
          "ConnectionFailed",
          "settled"
        ])
        assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-2", "m-3"])
      })
  )

  it.effect("R3.9 of several addresses go by address, with the outcomes in the order asked", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: {}, aside: {} } })
      yield* client.sendBatch(orders, [message("o-1"), message("o-2"), message("o-3")])
      yield* client.sendBatch(aside, [message("a-1"), message("a-2")])
      const fromOrders = yield* client.receive(orders, { max: 5 })
      const fromAside = yield* client.receive(aside, { max: 5 })
      const [o1, o2, o3] = fromOrders
      const [a1, a2] = fromAside
      if (!o1 || !o2 || !o3 || !a1 || !a2) return assert.fail("five messages were sent")
      yield* client.deadLetter(o3, { reason: "Bad" })
      const dead = yield* one(client, QueueAddress.deadLetter(orders))
      broker.faults.each = (_, id) => (id === "o-2" ? Clients.transient() : undefined)
      const outcomes = yield* client.settle([a1, o1, dead, a2, o2], Verdict.complete)
      assert.deepStrictEqual(outcomes.map(word), [
        "settled",
        "settled",
        "settled",
        "settled",
        "ConnectionFailed"
      ])
      assert.deepStrictEqual(
        broker
          .calls("settle")
          .slice(1)
          .map((call) => [call.queue, call.ids]),
        [
          ["aside", ["a-1", "a-2"]],
          ["orders", ["o-1", "o-2"]],
          ["orders/dead-letter", ["o-3"]]
        ]
      )
    })
  )

  it.effect("R3.11 what one queue cannot do is refused for its messages alone", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        queues: { orders: { abandonDelay: "unsupported" }, aside: {} }
      })
      yield* client.send(orders, message("o-1"))
      yield* client.send(aside, message("a-1"))
      const both = [yield* one(client, orders), yield* one(client, aside)]
      const [refused, abandoned] = yield* client.settle(both, Verdict.abandon(Duration.seconds(1)))
      assert.isTrue(refused !== undefined && Result.isFailure(refused))
      assert.isTrue(abandoned !== undefined && Result.isSuccess(abandoned))
      if (refused !== undefined && Result.isFailure(refused)) {
        assert.strictEqual(refused.failure.queue, "orders")
      }
      assert.deepStrictEqual(
        broker.settled.map(({ id }) => id),
        ["a-1"]
      )
    })
  )
})

describe("QueueClient: dead letters on a provider that has none", () => {
  const queues = {
    orders: { deadLetter: "unsupported" },
    aside: { deadLetter: "unsupported" }
  } as const
  const deadLetterQueues = { orders: aside }
  const dead = QueueAddress.deadLetter(orders)
  const full = Effect.gen(function* () {
    const plain = yield* Message.text("the body", {
      attributes: { team: "merge" },
      correlationId: "c-1",
      timeToLive: Duration.seconds(60)
    })
    const { messageId, sessionId } = message("m-1", "s-1")
    return new Message.Message({
      ...plain,
      messageId: messageId ?? assert.fail("an id was given"),
      sessionId: sessionId ?? assert.fail("a session was given")
    })
  })

  it.effect("R3.15 everything comes back: body, ids, session, attributes and reason", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
      yield* client.send(orders, yield* full)
      yield* TestClock.adjust("5 seconds")
      const held = yield* one(client, orders)
      yield* client.deadLetter(held, { reason: "Bad", description: "why" })
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(orders)), [])
      const letter = yield* one(client, dead)
      assert.strictEqual(letter.messageId, held.messageId)
      assert.strictEqual(letter.sessionId, held.sessionId)
      assert.strictEqual(letter.correlationId, "c-1")
      assert.strictEqual(letter.contentType, held.contentType)
      assert.strictEqual(yield* ReceivedMessage.text(letter), "the body")
      assert.deepStrictEqual(letter.attributes, { team: "merge" })
      assert.deepStrictEqual(
        { ...letter.deadLetter, time: undefined, delivery: undefined },
        {
          reason: "Bad",
          description: "why",
          source: orders,
          time: undefined,
          deliveryCount: 1,
          delivery: undefined,
          sequenceNumber: held.sequenceNumber
        }
      )
      assert.match(letter.deadLetter?.delivery ?? "", /^dl-[0-9a-f]{64}$/u)
      assert.deepStrictEqual(letter.deadLetter?.time, held.deliveredAt)
      assert.isUndefined(letter.timeToLive)
      yield* client.complete(letter)
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(aside)), [])
    })
  )

  it.effect("R3.15 a peek shows the same, and takes nothing; a reason without words has none", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
      yield* client.send(orders, message("m-1"))
      yield* client.deadLetter(yield* one(client, orders), { reason: "Bad" })
      const [letter] = yield* client.peek(dead)
      assert.strictEqual(letter?.messageId, "m-1")
      assert.isUndefined(letter?.sessionId)
      assert.strictEqual(letter?.deadLetter?.reason, "Bad")
      assert.isUndefined(letter?.deadLetter?.description)
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R3.15 the copy is sent before the original is completed", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
      yield* client.send(orders, message("m-1"))
      const held = yield* one(client, orders)
      const order: Array<string> = []
      broker.faults.before = ({ method, queue, verdict }) =>
        Effect.sync(() => order.push([method, queue, verdict?._tag].join(" ").trim()))
      yield* client.deadLetter(held, { reason: "Bad" })
      assert.deepStrictEqual(order, ["send aside", "settle orders Complete"])
    })
  )

  it.effect(
    "R3.15 if the copy cannot be sent the original stays, and the error is the caller's",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
        yield* client.send(orders, message("m-1"))
        const held = yield* one(client, orders)
        broker.faults.before = ({ method }) =>
          method === "send" ? Effect.fail(Clients.transient()) : Effect.void
        const whole = yield* Effect.flip(client.deadLetter(held, { reason: "Bad" }))
        delete broker.faults.before
        broker.faults.each = () => Clients.transient()
        const single = yield* Effect.flip(client.deadLetter(held, { reason: "Bad" }))
        assert.strictEqual(whole.reason._tag, "ConnectionFailed")
        assert.strictEqual(single.reason._tag, "ConnectionFailed")
        assert.deepStrictEqual(broker.calls("settle"), [])
        assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-1"])
      })
  )

  it.effect(
    "R3.15 a crash between the two duplicates and never loses, under one id of its own",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues }, { deadLetterQueues })
        yield* client.send(orders, message("m-1"))
        broker.faults.before = ({ method }) =>
          method === "settle" ? Effect.interrupt : Effect.void
        yield* Effect.exit(client.deadLetter(yield* one(client, orders), { reason: "Bad" }))
        assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-1"])
        delete broker.faults.before
        yield* TestClock.adjust("30 seconds")
        const again = yield* one(client, orders)
        assert.strictEqual(again.deliveryCount, 2)
        yield* client.deadLetter(again, { reason: "Bad" })
        assert.deepStrictEqual(broker.messages(QueueAddress.queue(orders)), [])
        const [first, second] = idsIn(broker, QueueAddress.queue(aside))
        assert.isDefined(first)
        assert.strictEqual(second, first)
        assert.notStrictEqual(first, "m-1")
      })
  )

  it.effect("R7.1 a broker that deduplicates keeps one copy of a repeated dead-lettering", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { ...queues, aside: { ...queues.aside, deduplication: "native" } } },
        { deadLetterQueues }
      )
      yield* client.send(orders, message("m-1"))
      const held = yield* one(client, orders)
      broker.faults.before = ({ method }) =>
        method === "settle" ? Effect.fail(Clients.transient()) : Effect.void
      yield* Effect.flip(client.deadLetter(held, { reason: "Bad" }))
      delete broker.faults.before
      yield* client.deadLetter(held, { reason: "Bad" })
      assert.strictEqual(broker.messages(QueueAddress.queue(aside)).length, 1)
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(orders)), [])
    })
  )

  it.effect("R7.1 the same message sent again and dead-lettered again is a letter of its own", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { ...queues, aside: { ...queues.aside, deduplication: "native" } } },
        { deadLetterQueues }
      )
      // Twice in one millisecond, then a second later.
      for (const pause of [0, 1_000, 0]) {
        yield* client.send(orders, message("m-1"))
        yield* client.deadLetter(yield* one(client, orders), { reason: "Bad" })
        yield* TestClock.adjust(pause)
      }
      assert.strictEqual(new Set(idsIn(broker, QueueAddress.queue(aside))).size, 3)
      const letters = yield* client.peek(dead, { max: 5 })
      assert.deepStrictEqual(
        letters.map(({ messageId }) => String(messageId)),
        ["m-1", "m-1", "m-1"]
      )
    })
  )

  it.effect("R7.1 without a number of the broker's the time of the sending tells two apart", () =>
    Effect.gen(function* () {
      const { broker } = yield* Clients.make({ queues })
      const client = yield* QueueClient.make(
        {
          ...broker.service,
          receive: (address, options) =>
            Effect.map(broker.service.receive(address, options), (messages) =>
              messages.map((received) => {
                const { sequenceNumber: _, ...unnumbered } = received
                return unnumbered
              })
            )
        },
        { deadLetterQueues }
      )
      for (const _ of [1, 2]) {
        yield* client.send(orders, message("m-1"))
        yield* client.deadLetter(yield* one(client, orders), { reason: "Bad" })
        yield* TestClock.adjust(1)
      }
      assert.strictEqual(new Set(idsIn(broker, QueueAddress.queue(aside))).size, 2)
    })
  )

  it.effect("R3.15 R7.2 what has no room for details and history is routed without them", () =>
    Effect.gen(function* () {
      const { broker } = yield* Clients.make({ queues })
      const maximumBytes = 1_000
      const tooLarge = (actualBytes: number) =>
        QueueError.make(new QueueError.MessageTooLarge({ actualBytes, maximumBytes, index: 0 }))
      const client = yield* QueueClient.make(
        {
          ...broker.service,
          send: (queue, messages) => {
            const size = Math.max(...messages.map(Message.size))
            return size > maximumBytes
              ? Effect.fail(tooLarge(size))
              : broker.service.send(queue, messages)
          }
        },
        { deadLetterQueues }
      )
      const why = { reason: "Bad", description: "why", details: { stack: "x".repeat(700) } }
      for (const [bytes, isRouted] of [
        [100, true],
        [950, false]
      ] as const) {
        yield* client.send(orders, message("m-1", undefined, bytes))
        const held = yield* one(client, orders)
        const exit = yield* Effect.result(client.deadLetter(held, why))
        assert.strictEqual(Result.isSuccess(exit), isRouted)
        if (Result.isFailure(exit)) assert.strictEqual(exit.failure.reason._tag, "MessageTooLarge")
      }
      const [letter, ...others] = yield* client.peek(dead, { max: 5 })
      assert.deepStrictEqual(others, [])
      assert.strictEqual(letter?.deadLetter?.description, "why")
      assert.isUndefined(letter?.deadLetter?.details)
      assert.strictEqual(idsIn(broker, QueueAddress.queue(orders)).length, 1)
    })
  )

  it.effect("R3.15 messages that others put into the target stay as they are", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make({ queues }, { deadLetterQueues })
      const attributes = [{ of: "others" }, { "queue-runtime-dead-letter": "not ours" }]
      for (const [index, own] of attributes.entries()) {
        const { body, messageId } = message(`f-${index}`)
        yield* client.send(
          aside,
          new Message.Message({
            body,
            attributes: own,
            messageId: messageId ?? assert.fail("an id was given")
          })
        )
      }
      const foreign = yield* client.receive(dead, { max: 5 })
      assert.deepStrictEqual(
        foreign.map(({ messageId }) => String(messageId)),
        ["f-0", "f-1"]
      )
      assert.deepStrictEqual(
        foreign.map((received) => received.attributes),
        attributes
      )
      assert.isTrue(foreign.every(({ deadLetter }) => deadLetter === undefined))
    })
  )

  it.effect("R3.15 many are routed one by one, each with its outcome", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { ...queues, other: {} } },
        { deadLetterQueues }
      )
      yield* client.sendBatch(orders, [message("m-1"), message("m-2"), message("m-3")])
      const held = yield* client.receive(orders, { max: 3 })
      broker.faults.before = ({ method, nth }) =>
        method === "send" && nth === 3 ? Effect.fail(Clients.transient()) : Effect.void
      const outcomes = yield* client.settle(held, Verdict.deadLetter("Bad"))
      assert.deepStrictEqual(outcomes.map(word), ["settled", "ConnectionFailed", "settled"])
      assert.strictEqual(broker.messages(QueueAddress.queue(aside)).length, 2)
      assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-2"])
    })
  )

  it.effect("R3.15 beside a queue that has its own, each goes its way", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { orders: {}, aside: { deadLetter: "unsupported" } } },
        {}
      )
      yield* client.send(orders, message("o-1"))
      yield* client.send(aside, message("a-1"))
      const both = [yield* one(client, aside), yield* one(client, orders)]
      const outcomes = yield* client.settle(both, Verdict.deadLetter("Bad"))
      assert.deepStrictEqual(outcomes.map(word), ["UnsupportedOperation", "settled"])
      assert.deepStrictEqual(idsIn(broker, dead), ["o-1"])
      assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(aside)), ["a-1"])
    })
  )

  it.effect("R3.15 a session's messages are routed too, and completed through the session", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { ...queues, orders: { ...ScriptedProvider.ordered, ...queues.orders } } },
        { deadLetterQueues }
      )
      yield* client.sendBatch(orders, [message("m-1", "s-1"), message("m-2", "s-1")])
      const session = Option.getOrThrow(yield* client.acceptSession(orders))
      const [held] = yield* session.receive()
      yield* session.deadLetter(held ?? assert.fail("nothing received"), { reason: "Bad" })
      assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-2"])
      const letter = yield* one(client, dead)
      assert.strictEqual(letter.sessionId, "s-1")
      const [routed] = broker.messages(QueueAddress.queue(aside))
      assert.isUndefined(routed?.sessionId)
    })
  )

  it.effect("R3.11 without a queue to route to dead-lettering is UnsupportedOperation", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues })
      yield* client.send(orders, message("m-1"))
      const held = yield* one(client, orders)
      const error = yield* Effect.flip(client.deadLetter(held, { reason: "Bad" }))
      assert.strictEqual(
        error.reason.message,
        'dead-lettering is not supported by provider "scripted" on this queue: name a queue for dead ' +
          "letters in deadLetterQueues of the client"
      )
      assert.strictEqual(error.queue, "orders")
      assert.deepStrictEqual(idsIn(broker, QueueAddress.queue(orders)), ["m-1"])
    })
  )

  it.effect("R3.15 a target that is ordered is ConfigurationInvalid, naming the key", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make({
        queues: { ...queues, aside: ScriptedProvider.ordered }
      })
      const live = QueueClient.layer({ deadLetterQueues }).pipe(
        Layer.provide(Layer.succeed(QueueProvider.QueueProvider, broker.service))
      )
      const error = yield* Effect.flip(Effect.scoped(Layer.build(live)))
      assert.deepStrictEqual(
        error.reason,
        new QueueError.ConfigurationInvalid({
          key: "deadLetterQueues.orders",
          problem: 'must name a queue without sessions; "aside" is ordered'
        })
      )
    })
  )

  it.effect("R3.15 a provider's own dead letters win over a configured queue", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make(
        { queues: { orders: {}, aside: {} } },
        { deadLetterQueues }
      )
      yield* client.send(orders, message("m-1"))
      yield* client.deadLetter(yield* one(client, orders), { reason: "Bad" })
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(aside)), [])
      assert.strictEqual((yield* one(client, dead)).messageId, "m-1")
    })
  )
})
