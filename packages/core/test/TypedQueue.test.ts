import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schema from "effect/Schema"
import * as HandlerFailure from "../src/HandlerFailure.ts"
import * as Message from "../src/Message.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueWorker from "../src/QueueWorker.ts"
import * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as SessionId from "../src/SessionId.ts"
import * as TypedQueue from "../src/TypedQueue.ts"
import { TestClock } from "effect/testing"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import * as Received from "./support/Received.ts"
import type * as ScriptedProvider from "./support/ScriptedProvider.ts"
import { untyped } from "./support/untyped.ts"

const { orders } = Clients

const Order = Schema.Struct({
  customer: Schema.String,
  placed: Schema.DateTimeUtc,
  total: Schema.Finite
})
const placed = Schema.decodeSync(Schema.DateTimeUtcFromMillis)(1_000)
const order = (customer: string, total = 12) => ({ customer, placed, total })

const queue = TypedQueue.make({
  queue: orders,
  schema: Order,
  messageOptions: ({ customer }) => ({
    sessionId: SessionId.makeUnsafe(customer),
    attributes: { from: "options" }
  })
})

const withClient = <A, E>(
  body: (
    broker: ScriptedProvider.ScriptedProvider,
    client: QueueClient.Service
  ) => Effect.Effect<A, E, QueueClient.QueueClient>
) =>
  Effect.flatMap(Clients.make(), ({ broker, client }) =>
    Effect.provideService(body(broker, client), QueueClient.QueueClient, client)
  )

describe("TypedQueue", () => {
  it.effect("R5.5 an option of one send wins over those of its queue, where it is defined", () =>
    withClient(
      Effect.fnUntraced(function* () {
        yield* queue.send(order("c-1"), { sessionId: SessionId.makeUnsafe("own") })
        yield* queue.send(order("c-2"), untyped({ sessionId: undefined }))
        const received = yield* queue.receive({ max: 2 })
        const sessions = received.map(({ message }) => message.sessionId)
        assert.sameMembers(sessions, ["own", "c-2"])
      })
    )
  )

  it.effect("R5.5 a value comes back as it was sent, with its delivery", () =>
    withClient(
      Effect.fnUntraced(function* () {
        const sent = yield* queue.send(order("c-1"))
        const [received] = yield* queue.receive()
        assert.strictEqual(queue.queue, orders)
        assert.deepStrictEqual(received?.value, order("c-1"))
        assert.strictEqual(received?.message.messageId, sent.messageId)
        assert.strictEqual(received?.message.contentType, "application/json")
        assert.strictEqual(received?.message.sessionId, "c-1")
      })
    )
  )

  it.effect("what send is given wins over the queue's own options", () =>
    withClient(
      Effect.fnUntraced(function* () {
        yield* queue.send(order("c-1"), { sessionId: SessionId.makeUnsafe("other") })
        const [received] = yield* queue.receive()
        assert.strictEqual(received?.message.sessionId, "other")
        assert.deepStrictEqual(received?.message.attributes, { from: "options" })
      })
    )
  )

  it.effect("a queue without options of its own sends too", () =>
    withClient(
      Effect.fnUntraced(function* () {
        const plain = TypedQueue.make({ queue: orders, schema: Schema.Finite })
        yield* plain.sendBatch([1, 2])
        const all = yield* plain.receive({ max: 5 })
        assert.deepStrictEqual(
          all.map(({ value }) => value),
          [1, 2]
        )
      })
    )
  )

  it.effect("R3.9 many are sent in order", () =>
    withClient(
      Effect.fnUntraced(function* (broker) {
        const sent = yield* queue.sendBatch([order("c-1"), order("c-2"), order("c-3")])
        assert.strictEqual(sent.length, 3)
        assert.strictEqual(broker.calls("send").length, 1)
        const all = yield* queue.receive({ max: 3 })
        assert.deepStrictEqual(
          all.map(({ value }) => value.customer),
          ["c-1", "c-2", "c-3"]
        )
      })
    )
  )

  it.effect("one that cannot be encoded: SerializationFailed, and none of its batch is sent", () =>
    withClient(
      Effect.fnUntraced(function* (broker) {
        const bad = order("c-2", Number.NaN)
        const one = yield* Effect.flip(queue.send(bad))
        const many = yield* Effect.flip(queue.sendBatch([order("c-1"), bad]))
        assert.strictEqual(one.reason._tag, "SerializationFailed")
        assert.strictEqual(many.reason._tag, "SerializationFailed")
        assert.deepStrictEqual(broker.calls("send"), [])
      })
    )
  )

  it.effect("R2.3 options that throw are a defect of the send, not of the call", () =>
    withClient(
      Effect.fnUntraced(function* (broker) {
        const throwing = TypedQueue.make({
          queue: orders,
          schema: Schema.Finite,
          messageOptions: () => {
            throw new TypeError("careless")
          }
        })
        const exit = yield* Effect.exit(throwing.send(1))
        assert.match(String(exit), /careless/u)
        assert.deepStrictEqual(broker.calls("send"), [])
      })
    )
  )

  it.effect(
    "R5.5 what cannot be decoded is dead-lettered with the parse error, and the rest handed out",
    () =>
      withClient(
        Effect.fnUntraced(function* (broker, client) {
          yield* queue.send(order("c-1"))
          yield* client.send(orders, yield* Message.json({ customer: 5, placed: "x", total: 1 }))
          yield* client.send(orders, yield* Message.text("not JSON"))
          yield* queue.send(order("c-2"))
          const all = yield* queue.receive({ max: 10 })
          assert.deepStrictEqual(
            all.map(({ value }) => value.customer),
            ["c-1", "c-2"]
          )
          const dead = yield* client.peek(QueueAddress.deadLetter(orders), { max: 10 })
          assert.deepStrictEqual(
            dead.map(({ deadLetter }) => deadLetter?.reason),
            ["SerializationFailed", "SerializationFailed"]
          )
          assert.match(dead[0]?.deadLetter?.description ?? "", /customer/u)
          assert.match(dead[1]?.deadLetter?.description ?? "", /Expected a valid JSON string/u)
          assert.strictEqual(broker.messages(QueueAddress.queue(orders)).length, 2)
        })
      )
  )

  it.effect(
    "R5.5 one that cannot be put aside stays, is logged, and does not take the good ones with it",
    () =>
      withClient(
        Effect.fnUntraced(function* (broker, client) {
          const { layer, lines } = Logs.capture()
          const bad = yield* client.send(orders, yield* Message.text("not JSON: the body"))
          yield* queue.send(order("c-1"))
          broker.faults.each = () => Clients.forever()
          const all = yield* Effect.provide(queue.receive({ max: 10 }), layer)
          assert.deepStrictEqual(
            all.map(({ value }) => value.customer),
            ["c-1"]
          )
          const line = lines.find(({ level }) => level === "Error")
          assert.match(line?.text ?? "", /the message stays/u)
          assert.strictEqual(line?.annotations["messageId"], bad.messageId)
          assert.notInclude(JSON.stringify(lines), "the body")
          assert.strictEqual(broker.messages(QueueAddress.queue(orders)).length, 2)
        })
      )
  )

  it.effect("nothing within the wait is nothing, and an error of the client the caller's", () =>
    withClient(
      Effect.fnUntraced(function* (broker) {
        assert.deepStrictEqual(yield* queue.receive({ wait: 0 }), [])
        broker.faults.before = () => Effect.fail(Clients.transient())
        const error = yield* Effect.flip(queue.receive())
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
      })
    )
  )

  it.effect("R5.5 its handler gets the value and its delivery", () =>
    Effect.gen(function* () {
      const seen: Array<readonly [string, string]> = []
      const handler = queue.handler(({ customer }, { messageId }) =>
        Effect.sync(() => seen.push([customer, messageId]))
      )
      const { body } = yield* Message.schema(Order)(order("c-1"))
      yield* handler(Received.make({ body }))
      assert.deepStrictEqual(seen, [["c-1", "m-1"]])
    })
  )

  it.effect("R5.5 its handler fails for good with what cannot be decoded", () =>
    Effect.gen(function* () {
      const handler = queue.handler((): Effect.Effect<void> => Effect.die("not called"))
      const error = yield* Effect.flip(Effect.asVoid(handler(Received.make())))
      assert.strictEqual(error.reason._tag, "SerializationFailed")
      assert.isTrue(HandlerFailure.isPermanent(error))
    })
  )

  it.effect("R5.5 a worker over its handler dead-letters what cannot be decoded", () =>
    withClient(
      Effect.fnUntraced(function* (_, client) {
        yield* client.send(orders, yield* Message.text("not JSON"))
        const handler = queue.handler(() => Effect.void)
        const worker = yield* Effect.forkChild(QueueWorker.run({ queue: orders, handler }))
        yield* TestClock.adjust(Duration.seconds(1))
        yield* Fiber.interrupt(worker)
        const [dead] = yield* client.receive(QueueAddress.deadLetter(orders))
        assert.strictEqual(dead?.deadLetter?.reason, "SerializationFailed")
        assert.strictEqual(dead === undefined ? "" : yield* ReceivedMessage.text(dead), "not JSON")
      })
    )
  )
})
