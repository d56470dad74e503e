import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as Message from "../src/Message.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueStatistics from "../src/QueueStatistics.ts"
import { forever, make, message, orders } from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { exact } = QueueStatistics
const atLeast = (value: number): QueueStatistics.Figure => ({ value, precision: "atLeast" })

const ids = (count: number) => Array.from({ length: count }, (_, index) => message(`m-${index}`))

/** A client that shows what its provider does not number. */
const unnumbered = (client: QueueClient.Service): QueueClient.Service => ({
  ...client,
  peek: (source, options) =>
    Effect.map(client.peek(source, options), (messages) =>
      messages.map((shown) => {
        const { sequenceNumber: _, ...rest } = shown
        return rest
      })
    )
})

describe("QueueStatistics", () => {
  it.effect("R9.1 counts what a peek shows, and its age", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { snapshot } = yield* QueueStatistics.make(client)
      yield* TestClock.adjust("1 minute")
      yield* client.send(orders, message("a"))
      yield* TestClock.adjust("1 minute")
      yield* client.send(orders, message("b"))
      const later = DateTime.makeUnsafe(240_000)
      yield* client.send(
        orders,
        new Message.Message({ body: new Uint8Array(1), scheduledAt: later })
      )
      const [one] = yield* client.receive(orders)
      assert(one !== undefined)
      yield* client.deadLetter(one, { reason: "Bad" })
      assert.deepStrictEqual(yield* snapshot(orders), {
        queue: orders,
        at: DateTime.makeUnsafe(120_000),
        messages: exact(2),
        scheduled: exact(1),
        deadLetters: exact(1),
        oldest: DateTime.makeUnsafe(120_000),
        lastSequenceNumber: 3n
      })
      yield* TestClock.adjust("5 minutes")
      const due = yield* snapshot(orders)
      assert.deepStrictEqual(due.scheduled, exact(0))
      assert.deepStrictEqual(due.oldest, DateTime.makeUnsafe(120_000))
    })
  )

  it.effect("R9.1 an empty queue is empty, and the oldest message and the last one not told", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { snapshot } = yield* QueueStatistics.make(client)
      assert.deepStrictEqual(yield* snapshot(orders), {
        queue: orders,
        at: DateTime.makeUnsafe(0),
        messages: exact(0),
        scheduled: exact(0),
        deadLetters: exact(0)
      })
    })
  )

  it.effect("R9.1 sessions of an ordered queue are counted once each", () =>
    Effect.gen(function* () {
      const { client } = yield* make({ queues: { orders: ScriptedProvider.ordered } })
      const { snapshot } = yield* QueueStatistics.make(client)
      yield* client.sendBatch(orders, [message("a", "s"), message("b", "s"), message("c", "t")])
      assert.deepStrictEqual((yield* snapshot(orders)).sessions, exact(2))
    })
  )

  it.effect("R10.7 beyond the bound it stops, and says at least", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* make()
      const { snapshot } = yield* QueueStatistics.make(client, { messagesMax: 300 })
      yield* client.sendBatch(orders, ids(400))
      const seen = yield* snapshot(orders)
      assert.deepStrictEqual(seen.messages, atLeast(300))
      assert.isUndefined(seen.lastSequenceNumber)
      assert.deepStrictEqual(seen.deadLetters, exact(0))
      const asked = broker.calls("peek").map(({ max }) => max)
      assert.deepStrictEqual(asked, [250, 250, 50])
      const [one] = yield* client.receive(orders)
      assert(one !== undefined)
      yield* client.deadLetter(one, { reason: "Bad" })
      const narrow = yield* QueueStatistics.make(client, { messagesMax: 1 })
      assert.deepStrictEqual((yield* narrow.snapshot(orders)).deadLetters, atLeast(1))
    })
  )

  it.effect("R9.1 without numbers one look is all there is", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const { snapshot } = yield* QueueStatistics.make(unnumbered(client))
      yield* client.sendBatch(orders, ids(200))
      const few = yield* snapshot(orders)
      assert.deepStrictEqual(few.messages, exact(200))
      assert.isUndefined(few.lastSequenceNumber)
      yield* client.sendBatch(orders, ids(100))
      assert.deepStrictEqual((yield* snapshot(orders)).messages, atLeast(250))
    })
  )

  it.effect("R3.11 what cannot be told is absent: no peek, no dead letters", () =>
    Effect.gen(function* () {
      const blind = yield* make({ queues: { orders: { peek: "unsupported" } } })
      const nothing = yield* QueueStatistics.make(blind.client)
      assert.deepStrictEqual(yield* nothing.snapshot(orders), {
        queue: orders,
        at: DateTime.makeUnsafe(0)
      })
      const { client } = yield* make({ queues: { orders: { deadLetter: "unsupported" } } })
      const { snapshot } = yield* QueueStatistics.make(client)
      assert.isFalse("deadLetters" in (yield* snapshot(orders)))
    })
  )

  /** A client that tells its depth. */
  const telling = (client: QueueClient.Service): QueueClient.Service => ({
    ...client,
    depth: (source) =>
      Effect.succeedSome(
        typeof source === "string"
          ? { available: 5, locked: 2, delayed: 1 }
          : { available: 3, locked: 1, delayed: 0 }
      )
  })

  it.effect("R9.1 what the service counts itself goes before what is seen", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      yield* client.send(orders, message("a"))
      const { snapshot } = yield* QueueStatistics.make(telling(client))
      assert.deepStrictEqual(yield* snapshot(orders), {
        queue: orders,
        at: DateTime.makeUnsafe(0),
        messages: exact(8),
        waiting: exact(5),
        locked: exact(2),
        scheduled: exact(1),
        deadLetters: exact(4),
        oldest: DateTime.makeUnsafe(0),
        lastSequenceNumber: 1n
      })
    })
  )

  it.effect("R9.1 and is a guess where nothing can be seen", () =>
    Effect.gen(function* () {
      const { approximate } = QueueStatistics
      const { client } = yield* make({ queues: { orders: { peek: "unsupported" } } })
      const { snapshot } = yield* QueueStatistics.make(telling(client))
      assert.deepStrictEqual(yield* snapshot(orders), {
        queue: orders,
        at: DateTime.makeUnsafe(0),
        messages: approximate(8),
        waiting: approximate(5),
        locked: approximate(2),
        scheduled: approximate(1),
        deadLetters: approximate(4)
      })
    })
  )

  it.effect("R3.12 a queue that is not there fails", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* make()
      const { snapshot } = yield* QueueStatistics.make(client)
      broker.faults.before = () => Effect.fail(forever())
      const error = yield* Effect.flip(snapshot(orders))
      assert.instanceOf(error, QueueError.QueueError)
      assert.strictEqual(error.reason._tag, "QueueNotFound")
    })
  )

  it.effect("R10.1 a bound that is none is refused", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const error = yield* Effect.flip(QueueStatistics.make(client, { messagesMax: 0 }))
      assert.strictEqual(
        error.message,
        "ValidationFailed: messagesMax: must be a whole number of at least 1"
      )
    })
  )

  it.effect("R9.1 as a layer over the client", () =>
    Effect.gen(function* () {
      const { client } = yield* make()
      const below = Layer.succeed(QueueClient.QueueClient, client)
      const told = yield* QueueStatistics.QueueStatistics.use(({ snapshot }) =>
        snapshot(orders)
      ).pipe(Effect.provide(QueueStatistics.layer().pipe(Layer.provide(below))))
      assert.deepStrictEqual(told.messages, exact(0))
    })
  )

  it("figures as people read them", () => {
    assert.deepStrictEqual(
      [exact(3), QueueStatistics.approximate(3), atLeast(3)].map(QueueStatistics.format),
      ["3", "~3", "≥3"]
    )
  })
})
