import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { Batching, Defaults, type Message, QueueClient, QueueWorker } from "@queue-runtime/core"
import * as world from "./support/world.ts"

const { counted, ends, receive } = world

const names = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, index) => `m${from + index}`)

/** A standard queue with so many messages. */
const filled = Effect.fnUntraced(function* (count: number, options: Message.Options = {}) {
  const made = yield* world.make({ fifo: false })
  for (let from = 0; from < count; from += 10) {
    const messages = yield* Effect.forEach(names(from, Math.min(count, from + 10)), (id) =>
      world.message(id, options)
    )
    yield* ends(made.provider.send(world.queue, messages))
  }
  const inFlight = Effect.map(made.broker.inspect(made.name), (view) => view?.inFlight)
  const polls = world.calls(made.broker, "ReceiveMessage")
  return { ...made, inFlight, polls }
})

const max = 100

describe("a caller with room for more than one receive", () => {
  it.effect("R5.1 gets what one receive brings, in as few calls as there are tens", () =>
    Effect.gen(function* () {
      const { polls, provider } = yield* filled(60)
      const seen: Array<string> = []
      while (seen.length < 60) seen.push(...counted(yield* receive(provider, max - seen.length)))
      assert.deepStrictEqual(new Set(seen), new Set(names(0, 60).map((name) => `${name}:1`)))
      // The next one, and those beside it, find nothing.
      assert.isAtMost(yield* polls, 6 + Defaults.sqsPollersMax)
    })
  )

  it.effect("R3.3 R5.1 what came beside it and is not called for is given back unseen", () =>
    Effect.gen(function* () {
      const { inFlight, provider } = yield* filled(60)
      const first = yield* receive(provider, max)
      const second = yield* receive(provider, max)
      assert.deepStrictEqual([first.length, second.length], [10, 10])
      yield* world.pass(Defaults.sqsBufferIdle)
      yield* world.pass(Defaults.sqsBufferIdle)
      assert.strictEqual(yield* inFlight, 20)
      const rest: Array<string> = []
      while (rest.length < 40) rest.push(...counted(yield* receive(provider, max)))
      assert.isTrue(rest.every((one) => one.endsWith(":1")))
    })
  )

  it.effect("R3.3 nothing is kept for one that is interrupted", () =>
    Effect.gen(function* () {
      const { inFlight, provider } = yield* filled(10)
      assert.lengthOf(yield* receive(provider, max), 10)
      const wait = Duration.seconds(20)
      const waiting = yield* world.start(provider.receive(world.main, { max, wait }))
      yield* Fiber.interrupt(waiting)
      const late = yield* world.message("late")
      yield* ends(provider.send(world.queue, [late]))
      yield* world.settle
      assert.strictEqual(yield* inFlight, 10)
    })
  )

  it.effect("R3.7 what expires while it is kept is not delivered", () =>
    Effect.gen(function* () {
      const { provider } = yield* filled(60, { timeToLive: Duration.seconds(1) })
      yield* TestClock.adjust(850)
      yield* receive(provider, max)
      yield* receive(provider, max)
      yield* TestClock.adjust(150)
      assert.deepStrictEqual(counted(yield* receive(provider, max, 0)), [])
    })
  )

  it.effect("I7 a full poll has company, and a small one has none", () =>
    Effect.gen(function* () {
      const { inFlight, polls, provider } = yield* filled(60)
      yield* receive(provider, 10)
      // Three more would be a poll of their own.
      yield* receive(provider, 13)
      assert.strictEqual(yield* polls, 2)
      assert.strictEqual(yield* inFlight, 20)
    })
  )
})

describe("a worker over the bare stack", () => {
  it.effect("R3.10 R5.1 receives and removes by tens, and gives nothing back", () =>
    Effect.gen(function* () {
      const count = 300
      const { broker, provider } = yield* filled(count)
      const client = yield* QueueClient.make(yield* Batching.make(provider))
      let handled = 0
      const worker = yield* world.start(
        QueueWorker.run({
          queue: world.queue,
          concurrency: 100,
          handler: () => Effect.void,
          onHandled: () => Effect.sync(() => void handled++)
        }).pipe(Effect.provideService(QueueClient.QueueClient, client))
      )
      yield* Effect.repeat(world.pass(10), { times: 100, until: () => handled === count })
      assert.strictEqual(handled, count)
      const { ChangeMessageVisibilityBatch = 0, ...calls } = yield* broker.calls
      assert.strictEqual(ChangeMessageVisibilityBatch, 0)
      // Those at the end find nothing.
      assert.isAtMost(calls["ReceiveMessage"] ?? 0, count / 10 + Defaults.sqsPollersMax + 1)
      assert.isAtMost(calls["DeleteMessageBatch"] ?? 0, (count / 10) * 1.2)
      yield* ends(Fiber.interrupt(worker))
    })
  )
})
