import { assert, describe, it } from "@effect/vitest"
import {
  Backoff,
  HandlerFailure,
  Message,
  QueueAddress,
  QueueClient,
  QueueName,
  QueueWorker,
  TypedQueue
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Clock, type Duration, Effect, Fiber, Layer, Schema } from "effect"
import { TestClock } from "effect/testing"

const orders = QueueName.makeUnsafe("orders")

interface Options {
  readonly deliveriesMax?: number
  readonly lockDuration?: Duration.Input
}

const memory = (options: Options = {}) =>
  MemoryProvider.layer({ queues: { orders: { deliveriesMax: 10, ...options } } })

const stack = (options: Options = {}) =>
  QueueClient.layer().pipe(Layer.provideMerge(memory(options)))

const backoff = Backoff.fixed({ initial: "10 seconds", jitter: 0 })
const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

const start = <E, R>(options: Omit<QueueWorker.Options<E, R>, "queue">) =>
  Effect.tap(Effect.forkChild(QueueWorker.run({ queue: orders, backoff, ...options })), () => turns)

const send = Effect.fnUntraced(function* (...texts: ReadonlyArray<string>) {
  const client = yield* QueueClient.QueueClient
  yield* client.sendBatch(orders, yield* Effect.forEach(texts, (text) => Message.text(text)))
})

const stats = MemoryClient.MemoryClient.use((client) => client.stats(orders))

const deadLetters = QueueClient.QueueClient.use((client) =>
  client.receive(QueueAddress.deadLetter(orders), { max: 100, wait: 0 })
)

const textOf = (message: { readonly body: Uint8Array }) => new TextDecoder().decode(message.body)

describe("QueueWorker over memory", () => {
  it.effect("R3.6 a dead letter is handled, however often its message was delivered", () =>
    Effect.gen(function* () {
      const client = yield* QueueClient.QueueClient
      yield* send("x")
      for (let count = 1; count <= 10; count++) {
        const messages = yield* client.receive(orders, { wait: 0 })
        yield* Effect.forEach(messages, (message) => client.abandon(message))
      }
      assert.strictEqual((yield* stats).deadLettered, 1)
      const seen: Array<string> = []
      const worker = yield* Effect.forkChild(
        QueueWorker.run({
          queue: QueueAddress.deadLetter(orders),
          handler: (message) => Effect.sync(() => seen.push(textOf(message)))
        })
      )
      yield* turns
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(seen, ["x"])
      assert.strictEqual((yield* stats).deadLettered, 0)
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R2.1 a lock that ran out between two tries to settle is no completion", () => {
    const dispositions: Array<string> = []
    return Effect.gen(function* () {
      const broker = yield* MemoryClient.MemoryClient
      yield* send("x")
      const fault = { _tag: "Fail", reason: "ConnectionFailed" } as const
      yield* broker.setFaults({ seed: 1, rules: [{ operation: "Settle", probability: 1, fault }] })
      const worker = yield* start({
        handler: () => Effect.void,
        onHandled: ({ disposition, message }) =>
          Effect.sync(() => dispositions.push(`${disposition._tag} ${message.deliveryCount}`))
      })
      yield* TestClock.adjust("2500 millis")
      yield* broker.setFaults()
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(dispositions.toSorted(), ["Completed 2", "Unsettled 1"])
    }).pipe(Effect.provide(stack({ lockDuration: "2 seconds" })))
  })

  it.effect("R5.1 never handles more at once than it is told, and takes only what fits", () =>
    Effect.gen(function* () {
      yield* send(...Array.from({ length: 20 }, (_, index) => String(index)))
      let running = 0
      let most = 0
      const handler = () =>
        Effect.gen(function* () {
          most = Math.max(most, ++running)
          assert.isAtMost((yield* stats).locked, 4)
          yield* Effect.sleep("1 second")
          running--
        })
      const worker = yield* start({ handler, concurrency: 4 })
      yield* TestClock.adjust("4900 millis")
      assert.strictEqual(most, 4)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      assert.strictEqual((yield* stats).active, 0)
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R5.1 a message whose handler outlasts the lock stays its own", () =>
    Effect.gen(function* () {
      yield* send("slow")
      let calls = 0
      const handler = () =>
        Effect.andThen(
          Effect.sync(() => calls++),
          Effect.sleep("4 minutes")
        )
      const worker = yield* start({ handler })
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.interrupt(worker)
      assert.strictEqual(calls, 1)
      assert.strictEqual((yield* stats).active, 0)
    }).pipe(Effect.provide(stack()))
  )

  it.effect(
    "R5.2 a transient failure comes again after its backoff, a permanent one is put aside",
    () =>
      Effect.gen(function* () {
        yield* send("flaky", "bad", "throws")
        const seen: Array<readonly [string, number]> = []
        const worker = yield* start({
          handler: (message) =>
            Effect.gen(function* () {
              const text = textOf(message)
              seen.push([text, yield* Clock.currentTimeMillis])
              if (text === "bad")
                return yield* new HandlerFailure.Permanent({ reason: "Unreadable" })
              if (message.deliveryCount > 1) return
              if (text === "throws") throw new Error("a bug")
              return yield* Effect.fail("down")
            })
        })
        yield* TestClock.adjust("1 minute")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(
          seen.toSorted(([a, x], [b, y]) => x - y || a.localeCompare(b)),
          [
            ["bad", 0],
            ["flaky", 0],
            ["throws", 0],
            ["flaky", 10_000],
            ["throws", 10_000]
          ]
        )
        const dead = yield* deadLetters
        assert.deepStrictEqual(
          dead.map((message) => [textOf(message), message.deadLetter?.reason]),
          [["bad", "Unreadable"]]
        )
      }).pipe(Effect.provide(stack()))
  )

  it.effect(
    "R5.2 past the worker's maximum a message is put aside before the handler sees it",
    () =>
      Effect.gen(function* () {
        yield* send("poison")
        let calls = 0
        const handler = () =>
          Effect.andThen(
            Effect.sync(() => calls++),
            Effect.fail("down")
          )
        const worker = yield* start({ handler, deliveriesMax: 3 })
        yield* TestClock.adjust("5 minutes")
        yield* Fiber.interrupt(worker)
        assert.strictEqual(calls, 3)
        const [letter] = yield* deadLetters
        assert.strictEqual(letter?.deadLetter?.reason, "MaxDeliveryCountExceeded")
      }).pipe(Effect.provide(stack()))
  )

  it.effect("R5.3 drains: what is done in the grace period is completed, the rest given back", () =>
    Effect.gen(function* () {
      yield* send("short", "long")
      const handler = (message: { readonly body: Uint8Array }) =>
        Effect.sleep(textOf(message) === "short" ? "5 seconds" : "1 hour")
      const worker = yield* start({ handler, handlerTimeout: "2 hours", gracePeriod: "10 seconds" })
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.join(ending)
      const { active, locked } = yield* stats
      assert.deepStrictEqual([active, locked], [1, 0])
      const [left] = yield* QueueClient.QueueClient.use((client) => client.receive(orders))
      assert.strictEqual(left === undefined ? undefined : textOf(left), "long")
    }).pipe(Effect.provide(stack()))
  )

  it.effect("R5.5 a typed handler gets values; what cannot be decoded is put aside with why", () =>
    Effect.gen(function* () {
      const typed = TypedQueue.make({ queue: orders, schema: Schema.Struct({ id: Schema.Int }) })
      yield* typed.send({ id: 7 })
      yield* send("not json")
      const values: Array<number> = []
      const worker = yield* start({
        handler: typed.handler(({ id }) => Effect.sync(() => values.push(id)))
      })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(values, [7])
      const [letter] = yield* deadLetters
      assert.strictEqual(letter?.deadLetter?.reason, "SerializationFailed")
    }).pipe(Effect.provide(stack()))
  )
})
