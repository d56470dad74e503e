import { assert, describe, it } from "@effect/vitest"
import {
  Message,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueName,
  QueueProvider,
  ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Duration, Effect, Fiber, Layer, Option, Stream } from "effect"
import { TestClock } from "effect/testing"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")
const aside = QueueName.makeUnsafe("orders-aside")

const memory = MemoryProvider.layer({
  queues: { orders: {}, events: { sessions: true }, "orders-aside": {} }
})

const stack = (options: QueueClient.Options = {}) =>
  QueueClient.layer(options).pipe(Layer.provideMerge(memory))

const client = QueueClient.QueueClient

describe("QueueClient over memory", () => {
  it.effect("R3.1 sends, receives, renews, peeks and completes", () =>
    Effect.gen(function* () {
      const queue = yield* client
      const sent = yield* queue.send(orders, yield* Message.text("hello"))
      assert.strictEqual((yield* queue.peek(orders, { max: 5 })).length, 1)
      const [message] = yield* queue.receive(orders)
      assert.isDefined(message)
      assert.strictEqual(message.messageId, sent.messageId)
      assert.strictEqual(yield* ReceivedMessage.text(message), "hello")
      yield* TestClock.adjust("10 seconds")
      const until = yield* queue.renewLock(message)
      assert.strictEqual(until.epochMilliseconds, 40_000)
      yield* queue.complete(message)
      const again = yield* Effect.flip(queue.complete(message))
      assert.strictEqual(again.reason._tag, "ReceiptExpired")
      assert.deepStrictEqual(yield* queue.receive(orders, { wait: 0 }), [])
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R3.3 an interrupted receive leaves nothing locked and swallows nothing", () =>
    Effect.gen(function* () {
      const queue = yield* client
      const waiting = yield* Effect.forkChild(queue.receive(orders))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(waiting)
      yield* queue.send(orders, yield* Message.text("hello"))
      const [message] = yield* queue.receive(orders, { wait: 0 })
      assert.strictEqual(message?.deliveryCount, 1)
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R3.9 a batch larger than the provider's is cut, and stays in order", () =>
    Effect.gen(function* () {
      const queue = yield* client
      const sessionId = yield* SessionId.make("A")
      const texts = Array.from({ length: 2_500 }, (_, index) => String(index))
      const messages = yield* Effect.forEach(texts, (text) => Message.text(text, { sessionId }))
      yield* queue.sendBatch(events, messages)
      const session = Option.getOrThrow(yield* queue.acceptSession(events))
      const received: Array<string> = []
      while (received.length < texts.length) {
        const some = yield* session.receive({ max: 1_000, wait: 0 })
        received.push(...(yield* Effect.forEach(some, ReceivedMessage.text)))
        yield* session.settle(some, { _tag: "Complete" })
      }
      assert.deepStrictEqual(received, texts)
    }).pipe(Effect.provide(stack()), Effect.scoped)
  )

  it.effect("R3.13 a message without a session is refused, or put where the policy says", () =>
    Effect.gen(function* () {
      const message = yield* Message.text("hello")
      const send = client.use((queue) => queue.send(events, message))
      const refused = yield* Effect.flip(Effect.provide(send, stack()))
      assert.strictEqual(refused.reason._tag, "ValidationFailed")
      const fixed = yield* SessionId.make("misc")
      for (const missingSession of ["messageId", { fixed }] as const) {
        const sessionId = yield* Effect.gen(function* () {
          const queue = yield* client
          const sent = yield* queue.send(events, message)
          const session = Option.getOrThrow(yield* queue.acceptSession(events, { wait: 0 }))
          assert.strictEqual(
            session.sessionId,
            missingSession === "messageId" ? sent.messageId : fixed
          )
          return session.sessionId
        }).pipe(Effect.provide(Layer.fresh(stack({ missingSession }))), Effect.scoped)
        assert.isNotEmpty(sessionId)
      }
    })
  )

  it.effect("R3.6 dead letters are read, and settled, at their own address", () =>
    Effect.gen(function* () {
      const queue = yield* client
      yield* queue.send(orders, yield* Message.text("hello", { attributes: { team: "red" } }))
      const [message] = yield* queue.receive(orders)
      assert.isDefined(message)
      yield* queue.deadLetter(message, { reason: "Unreadable", description: "no such order" })
      const dead = QueueAddress.deadLetter(orders)
      const [letter] = yield* queue.receive(dead)
      assert.isDefined(letter)
      assert.strictEqual(letter.deadLetter?.reason, "Unreadable")
      assert.strictEqual(letter.deadLetter?.description, "no such order")
      assert.strictEqual(letter.deadLetter?.source, orders)
      assert.deepStrictEqual({ ...letter.attributes }, { team: "red" })
      yield* queue.complete(letter)
      assert.strictEqual((yield* (yield* MemoryClient.MemoryClient).stats(orders)).deadLettered, 0)
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R3.15 a provider without dead letters has them routed to a queue, and back", () => {
    const without = Layer.effect(
      QueueProvider.QueueProvider,
      Effect.map(QueueProvider.QueueProvider, (provider) => ({
        ...provider,
        capabilities: (queue: QueueName.QueueName) => ({
          ...provider.capabilities(queue),
          deadLetter: "unsupported" as const
        })
      }))
    )
    const routed = QueueClient.layer({ deadLetterQueues: { orders: aside } }).pipe(
      Layer.provide(without),
      Layer.provideMerge(memory)
    )
    return Effect.gen(function* () {
      const queue = yield* client
      const sent = yield* queue.send(orders, yield* Message.text("x", { attributes: { a: "1" } }))
      const [message] = yield* queue.receive(orders)
      assert.isDefined(message)
      yield* queue.deadLetter(message, { reason: "Unreadable" })
      const [letter] = yield* queue.receive(QueueAddress.deadLetter(orders))
      assert.isDefined(letter)
      assert.strictEqual(letter.messageId, sent.messageId)
      assert.deepStrictEqual({ ...letter.attributes }, { a: "1" })
      assert.strictEqual(letter.deadLetter?.reason, "Unreadable")
      assert.strictEqual(letter.deadLetter?.source, orders)
      assert.deepStrictEqual(yield* queue.receive(orders, { wait: 0 }), [])
    }).pipe(Effect.provide(routed))
  })

  it.effect("R3.1 a stream takes one message at a time, so that none waits locked", () =>
    Effect.gen(function* () {
      const queue = yield* client
      for (const text of ["a", "b", "c"]) yield* queue.send(orders, yield* Message.text(text))
      const taken = yield* queue.stream(orders).pipe(
        Stream.mapEffect((message) => Effect.as(queue.complete(message), message.sequenceNumber)),
        Stream.take(2),
        Stream.runCollect
      )
      assert.strictEqual(taken.length, 2)
      const { active, locked } = yield* (yield* MemoryClient.MemoryClient).stats(orders)
      assert.deepStrictEqual([active, locked], [1, 0])
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R3.12 a queue that does not exist is QueueNotFound with its name", () =>
    Effect.gen(function* () {
      const queue = yield* client
      const missing = yield* QueueName.make("missing")
      const errors = yield* Effect.all([
        Effect.flip(queue.send(missing, yield* Message.text("x"))),
        Effect.flip(queue.receive(missing)),
        Effect.flip(queue.peek(missing))
      ])
      for (const error of errors) {
        assert.strictEqual(error.reason._tag, "QueueNotFound")
        assert.match(error.message, /"missing"/u)
      }
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R2.3 no secret of a provider's error is shown by its printing", () => {
    const secret = "c2VjcmV0LWtleQ=="
    const original = new Error(`refused: Endpoint=sb://h/;SharedAccessKey=${secret}`)
    const failing = QueueProvider.layerTransform(
      "failing",
      Effect.succeed(() =>
        Effect.fail(
          QueueError.make(new QueueError.AuthenticationFailed({}), {
            cause: QueueError.OriginalError.from(original)
          })
        )
      )
    )
    const layer = QueueClient.layer().pipe(Layer.provide(failing), Layer.provide(memory))
    return Effect.gen(function* () {
      const queue = yield* client
      const error = yield* Effect.flip(queue.receive(orders))
      assert.notInclude(`${String(error)} ${error.stack} ${String(error.cause)}`, secret)
      assert.isTrue(error.cause instanceof QueueError.OriginalError)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R3.3 a wait longer than one poll of the provider goes on", () => {
    const short = Layer.effect(
      QueueProvider.QueueProvider,
      Effect.map(QueueProvider.QueueProvider, (provider) => ({
        ...provider,
        capabilities: (queue: QueueName.QueueName) => ({
          ...provider.capabilities(queue),
          receiveWaitMax: Duration.seconds(20)
        })
      }))
    )
    const layer = QueueClient.layer().pipe(Layer.provide(short), Layer.provideMerge(memory))
    return Effect.gen(function* () {
      const queue = yield* client
      const waiting = yield* Effect.forkChild(queue.receive(orders, { wait: "1 minute" }))
      yield* TestClock.adjust("50 seconds")
      yield* queue.send(orders, yield* Message.text("late"))
      const received = yield* Fiber.join(waiting)
      assert.strictEqual(received.length, 1)
    }).pipe(Effect.provide(layer))
  })
})
