import { assert, describe, it } from "@effect/vitest"
import { QueueError, QueueName, QueueStatistics } from "@queue-runtime/core"
import { DateTime, Duration, Effect } from "effect"
import { TestClock } from "effect/testing"
import * as Sampler from "../src/dashboard/Sampler.ts"

const orders = QueueName.makeUnsafe("orders")
const { approximate, exact } = QueueStatistics

const figures = (
  seconds: number,
  of: Partial<QueueStatistics.Snapshot>
): QueueStatistics.Snapshot => ({
  queue: orders,
  at: DateTime.makeUnsafe(seconds * 1_000),
  ...of
})

const sample = (seconds: number, of?: Partial<QueueStatistics.Snapshot>): Sampler.Sample => ({
  at: seconds * 1_000,
  rates: {},
  ...(of === undefined ? {} : { figures: figures(seconds, of) })
})

describe("dashboard: rates", () => {
  it("R9.1 sent is the broker's count, left is what is not there any more", () => {
    const past = [
      sample(0, { messages: exact(10), deadLetters: exact(0), lastSequenceNumber: 100n })
    ]
    const now = figures(30, {
      messages: exact(12),
      deadLetters: exact(1),
      lastSequenceNumber: 110n
    })
    assert.deepStrictEqual(Sampler.ratesOf(past, now), {
      sent: 20,
      left: 14,
      deadLettered: 2,
      growth: 4
    })
  })

  it("R9.1 they are of the last minute", () => {
    const past = [0, 30, 60, 90].map((at) => sample(at, { messages: exact(at) }))
    const { growth } = Sampler.ratesOf(past, figures(120, { messages: exact(180) }))
    assert.strictEqual(growth, 120)
  })

  it("R9.1 what is not told has no rate, and neither has the first sample", () => {
    assert.deepStrictEqual(Sampler.ratesOf([], figures(0, { messages: exact(1) })), {})
    const past = [sample(0, { messages: approximate(10) })]
    const now = figures(60, { messages: approximate(5) })
    assert.deepStrictEqual(Sampler.ratesOf(past, now), { growth: -5 })
  })

  it("R9.1 where counting stopped nothing is known of growth", () => {
    const atLeast = { value: 1_000, precision: "atLeast" } as const
    const past = [sample(0, { messages: exact(10), deadLetters: atLeast })]
    const now = figures(60, { messages: atLeast, deadLetters: atLeast })
    assert.deepStrictEqual(Sampler.ratesOf(past, now), {})
  })

  it("R9.1 a sample that failed, or did not tell the number, is stepped over", () => {
    const past = [
      sample(0, { lastSequenceNumber: 10n }),
      sample(30),
      sample(60, { messages: exact(0) })
    ]
    const now = figures(120, { lastSequenceNumber: 50n })
    assert.deepStrictEqual(Sampler.ratesOf(past, now), { sent: 20 })
    assert.deepStrictEqual(Sampler.ratesOf(past, figures(0, { lastSequenceNumber: 50n })), {})
  })

  it("R9.1 replaying, or a queue that was made again, is no negative rate", () => {
    const past = [sample(0, { deadLetters: exact(9), lastSequenceNumber: 90n })]
    const now = figures(60, { deadLetters: exact(2), lastSequenceNumber: 3n })
    assert.deepStrictEqual(Sampler.ratesOf(past, now), { sent: 0, deadLettered: 0 })
  })
})

const down = QueueError.make(new QueueError.ConnectionFailed(), { queue: orders })

describe("dashboard: samples", () => {
  const options = { queues: [orders], every: Duration.seconds(5), samplesMax: 3 }

  it.effect("R10.7 the newest are kept, up to the bound", () =>
    Effect.gen(function* () {
      const snapshot = () => Effect.map(DateTime.now, (at) => ({ queue: orders, at }))
      const sampler = yield* Sampler.make({ snapshot }, options)
      assert.isUndefined(sampler.latest(orders))
      yield* TestClock.adjust("22 seconds")
      const at = (after?: number) => sampler.samples(orders, after).map((one) => one.at)
      assert.deepStrictEqual(at(), [10_000, 15_000, 20_000])
      assert.deepStrictEqual(at(15_000), [20_000])
      assert.strictEqual(sampler.latest(orders)?.at, 20_000)
      assert.deepStrictEqual(sampler.samples(QueueName.makeUnsafe("others")), [])
    })
  )

  it.effect("a queue that does not answer is told, and asked again", () =>
    Effect.gen(function* () {
      let calls = 0
      const snapshot = () =>
        Effect.suspend(() =>
          calls++ === 0
            ? Effect.fail(down)
            : Effect.map(DateTime.now, (at) => ({ queue: orders, at }))
        )
      const sampler = yield* Sampler.make({ snapshot }, options)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(sampler.latest(orders)?.problem?.reason, "ConnectionFailed")
      assert.isUndefined(sampler.latest(orders)?.figures)
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(sampler.latest(orders)?.problem)
    })
  )

  it.effect("one that hangs does not keep the others waiting for ever", () =>
    Effect.gen(function* () {
      const sampler = yield* Sampler.make({ snapshot: () => Effect.never }, options)
      yield* TestClock.adjust("21 seconds")
      assert.strictEqual(sampler.latest(orders)?.problem?.reason, "Timeout")
    })
  )
})
