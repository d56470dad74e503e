import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Schema } from "effect"
import { TestClock } from "effect/testing"
import { Verdict } from "@queue-runtime/core"
import type { SqsBroker } from "@queue-runtime/sqs-emulator"
import { BrokerClock } from "../src/internal/router/brokerClock.ts"
import * as world from "./support/world.ts"

const { ends, held, sendTo, settleAs, take } = world

const lockMillis = 30_000

const sighting = (sentAt: number, now: number, lockedAt?: number) => ({
  sentAt,
  now,
  lockedAt,
  lockMillis
})

describe("when a receive took effect", () => {
  it("is not before it was sent, nor after it was answered", () => {
    const clock = new BrokerClock()
    assert.strictEqual(clock.startOf(sighting(1_000, 1_200, 501_100)), 1_000)
    assert.strictEqual(new BrokerClock().startOf(sighting(1_000, 1_200)), 1_000)
  })

  it("is known to the length of the shortest receive, however far the clocks are apart", () => {
    for (const apart of [-1e12, -700, 0, 3_600_000]) {
      const clock = new BrokerClock()
      clock.startOf(sighting(1_000, 1_040, 1_020 + apart))
      // It waited at the broker for ten seconds, and its answer took two.
      const start = clock.startOf(sighting(2_000, 14_000, 12_000 + apart))
      assert.isAtMost(start, 12_000)
      assert.isAtLeast(start, 12_000 - 40)
    }
  })

  it("is less sure the longer nothing compared the clocks", () => {
    const clock = new BrokerClock()
    clock.startOf(sighting(0, 0, 0))
    const hour = 3_600_000
    const start = clock.startOf(sighting(hour, hour + 20_000, hour + 10_000))
    assert.isBelow(start, hour + 10_000)
    assert.isAbove(start, hour + 10_000 - 1_000)
  })

  it("is found again after a clock was set", () => {
    for (const jump of [-5_000, 5_000]) {
      const clock = new BrokerClock()
      clock.startOf(sighting(0, 10, 5))
      clock.startOf(sighting(1_000, 1_010, 1_005 + jump))
      const start = clock.startOf(sighting(2_000, 14_000, 12_000 + jump))
      assert.isAtMost(start, 12_005)
      assert.isAtLeast(start, 11_990)
    }
  })

  it("leaves half of a short lock where the broker does not say, and a wait was long", () => {
    assert.strictEqual(new BrokerClock().startOf(sighting(1_000, 30_000)), 15_000)
  })
})

/** When the locks at the broker end, by what was sent. */
const lockEnds = (broker: SqsBroker.Service, name: string) =>
  Effect.map(broker.inspect(name), (view) =>
    Object.fromEntries(view?.messages.map(({ body, until }) => [body, until]) ?? [])
  )

const locks = (messages: ReadonlyArray<world.Received>) =>
  messages.map(
    ({ lockedUntil, messageId }) => [messageId, DateTime.toEpochMillis(lockedUntil)] as const
  )

const decode = Schema.decodeUnknownEffect(
  Schema.Struct({ Messages: Schema.Array(Schema.Struct({ ReceiptHandle: Schema.String })) })
)

const late = { delay: "1 second" } as const

/** A provider whose answers come a second late, and another one that sends. */
const slow = Effect.fnUntraced(function* (options: world.Options) {
  const made = yield* world.make(options)
  const process = yield* ends(world.closable(world.connectBy(made.broker, made.queues, late)))
  return { ...made, late: process.value, close: ends(process.close) }
})

describe("a receive whose answer is late", () => {
  it.effect("R1.4 I6 no lock is said to hold longer than it does", () =>
    Effect.gen(function* () {
      const { broker, late: slower, name, provider } = yield* slow({ fifo: false })
      const wait = Duration.seconds(20)
      const check = Effect.fnUntraced(function* (before: Duration.Input) {
        const receiving = yield* world.start(slower.receive(world.main, { max: 10, wait }))
        yield* world.pass(before)
        yield* ends(Effect.flatMap(world.message("a"), (one) => provider.send(world.queue, [one])))
        const received = yield* ends(Fiber.join(receiving))
        const until = yield* lockEnds(broker, name)
        const [[id, lockedUntil] = []] = locks(received)
        assert.strictEqual(id, "a")
        assert.isAtMost(lockedUntil ?? Infinity, until["a"] ?? 0)
        // The whole lock, less its margin and what the answer takes.
        assert.isAtLeast(lockedUntil ?? 0, (until["a"] ?? 0) - 1_500)
        return received
      })
      yield* settleAs(slower, yield* check(0))
      const again = yield* check("10 seconds")
      yield* settleAs(slower, again, Verdict.abandon(Duration.seconds(5)))
      // Of one received before the broker does not say when: it is never too much.
      const [second] = locks(yield* world.receive(slower, 10, "20 seconds"))
      assert.isAtMost(second?.[1] ?? Infinity, (yield* lockEnds(broker, name))["a"] ?? 0)
    })
  )

  it.effect("R4.3 I6 nor is that of a session", () =>
    Effect.gen(function* () {
      const { broker, close, late: slower, name, provider } = yield* slow({})
      yield* sendTo(provider, "A", ["A0", "A1"])
      const session = yield* held(slower, undefined, "10 seconds")
      const until = yield* lockEnds(broker, name)
      const lockedUntil = DateTime.toEpochMillis(yield* session.lockedUntil)
      assert.isAtMost(lockedUntil, Math.min(until["A0"] ?? 0, until["A1"] ?? 0))
      for (const [, each] of locks(yield* take(session))) assert.isAtMost(each, lockedUntil)
      yield* close
    })
  )

  it.effect("R3.5 I6 one that this process gave back was nobody's before its delay was over", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make({
        fifo: false,
        settings: { visibilityTimeout: "10 seconds" }
      })
      yield* ends(Effect.flatMap(world.message("a"), (one) => provider.send(world.queue, [one])))
      const first = yield* world.receive(provider)
      // Half of the lock, and more, would be gone when the poll that waits already ends.
      const wait = Duration.seconds(20)
      const receiving = yield* world.start(provider.receive(world.main, { max: 10, wait }))
      yield* world.pass("1 second")
      yield* settleAs(provider, first, Verdict.abandon(Duration.seconds(8)))
      const [again] = locks(yield* ends(Fiber.join(receiving)))
      const until = (yield* lockEnds(broker, name))["a"] ?? 0
      assert.strictEqual(again?.[0], "a")
      assert.isAtMost(again?.[1] ?? Infinity, until)
      assert.isAtLeast(again?.[1] ?? 0, until - 2_000)
    })
  )

  it.effect("I6 unless somebody else showed it sooner: then it is as of any other", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make({
        fifo: false,
        settings: { visibilityTimeout: "10 seconds" }
      })
      yield* ends(Effect.flatMap(world.message("a"), (one) => provider.send(world.queue, [one])))
      // On a standard queue an old receipt still does.
      const order = { QueueUrl: name, VisibilityTimeout: 0 }
      const answer = yield* Effect.orDie(broker.call("ReceiveMessage", order))
      const { Messages } = yield* decode(answer)
      const first = yield* world.receive(provider)
      yield* settleAs(provider, first, Verdict.abandon(Duration.seconds(8)))
      for (const { ReceiptHandle } of Messages) {
        yield* Effect.orDie(broker.call("ChangeMessageVisibility", { ...order, ReceiptHandle }))
      }
      const [again] = locks(yield* world.receive(provider))
      const until = (yield* lockEnds(broker, name))["a"] ?? 0
      assert.isAtMost(again?.[1] ?? Infinity, until)
      assert.isAtLeast(again?.[1] ?? 0, until - 2_000)
    })
  )

  it.effect("I6 what comes when its lock is over is handed to nobody, and is no delivery", () =>
    Effect.gen(function* () {
      const { provider, queues, broker } = yield* world.make({
        fifo: false,
        settings: { visibilityTimeout: "2 seconds" }
      })
      const way = { delay: "2 seconds" } as const
      const slower = yield* ends(world.connectBy(broker, queues, way))
      yield* ends(Effect.flatMap(world.message("a"), (one) => provider.send(world.queue, [one])))
      assert.deepStrictEqual(yield* world.receive(slower, 1, 0), [])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(world.counted(yield* world.receive(provider)), ["a:2"])
    })
  )
})
