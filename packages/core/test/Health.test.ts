import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as Health from "../src/Health.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as Receipt from "../src/Receipt.ts"
import * as Verdict from "../src/Verdict.ts"
import { aside, noDurations, orders, transient } from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const address = QueueAddress.queue(orders)
const now = { max: 1, wait: Duration.zero }

/** Health of `orders`, over a broker whose calls the test ends as it likes. */
const watched = Effect.fnUntraced(function* (
  options: Partial<Health.Options> = {},
  peek: "native" | "unsupported" = "native"
) {
  const broker = yield* ScriptedProvider.make({ queues: { orders: { peek }, aside: {} } })
  const { health, provider } = yield* Health.make(broker.service, { queues: [orders], ...options })
  return { broker, health, provider }
})

const stateOf = ({ queues }: Health.Report) =>
  queues.map(({ by, problem, status }) => [status, by, problem?.reason])

/** Asks, and lets as much time go by as the answer needs. */
const asked = Effect.fnUntraced(function* (
  question: Effect.Effect<Health.Report>,
  time: Duration.Input = 0
) {
  const asking = yield* Effect.forkChild(question)
  yield* TestClock.adjust(time)
  return yield* Fiber.join(asking)
})

describe("Health: readiness of a queue that can be peeked at", () => {
  it.effect("R9.3 is up when a peek answers, and says of whom and when", () =>
    Effect.gen(function* () {
      const { broker, health, provider } = yield* watched()
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* asked(health.readiness), {
        status: "up",
        queues: [
          {
            provider: "scripted",
            queue: orders,
            status: "up",
            by: "probe",
            at: DateTime.makeUnsafe(60_000)
          }
        ]
      })
      assert.strictEqual(broker.calls("peek")[0]?.max, 1)
      assert.deepStrictEqual(yield* broker.locked, [])
      assert.deepStrictEqual(provider.stack, ["health", "scripted"])
    })
  )

  it.effect("R9.3 is down with the reason, and up again when the queue is", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched({ queues: [orders, aside, orders] })
      broker.faults.before = ({ queue }) =>
        queue === "orders" ? Effect.fail(transient()) : Effect.void
      const report = yield* asked(health.readiness)
      assert.strictEqual(report.status, "down")
      assert.deepStrictEqual(stateOf(report), [
        ["down", "probe", "ConnectionFailed"],
        ["up", "probe", undefined]
      ])
      broker.faults.before = () => Effect.void
      yield* TestClock.adjust(Defaults.healthFreshFor)
      assert.strictEqual((yield* asked(health.readiness)).status, "up")
    })
  )

  it.effect(
    "R9.3 a queue that answers is up, even if it answers that there is too much to do",
    () =>
      Effect.gen(function* () {
        const { broker, health } = yield* watched()
        broker.faults.before = () => Effect.fail(QueueError.make(new QueueError.Throttled()))
        assert.strictEqual((yield* asked(health.readiness)).status, "up")
      })
  )

  it.effect("R9.3 a defect of the provider is down, without its secrets", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched()
      broker.faults.before = () => Effect.die(new Error("SharedAccessKey=c2VjcmV0"))
      const [queue] = (yield* asked(health.readiness)).queues
      assert.strictEqual(queue?.problem?.reason, "Error")
      assert.notInclude(queue?.problem?.description, "c2VjcmV0")
    })
  )

  it.effect("R9.3 the answer is cached, and of many who ask at once one probes", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched({ freshFor: "10 seconds" })
      const many = Effect.forEach([1, 2, 3], () => health.readiness, { concurrency: "unbounded" })
      const asking = yield* Effect.forkChild(many)
      yield* TestClock.adjust(0)
      yield* Fiber.join(asking)
      yield* TestClock.adjust("9 seconds")
      yield* asked(health.readiness)
      assert.strictEqual(broker.calls("peek").length, 1)
      yield* TestClock.adjust("1 second")
      yield* asked(health.readiness)
      assert.strictEqual(broker.calls("peek").length, 2)
    })
  )

  it.effect("R9.3 who leaves before the answer takes it from nobody", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { broker, health } = yield* watched()
      broker.faults.before = () => Deferred.await(gate)
      const first = yield* Effect.forkChild(health.readiness)
      const second = yield* Effect.forkChild(health.readiness)
      yield* TestClock.adjust(1)
      yield* Fiber.interrupt(first)
      yield* Deferred.succeed(gate, undefined)
      assert.strictEqual((yield* Fiber.join(second)).status, "up")
      assert.strictEqual(broker.calls("peek").length, 1)
    })
  )

  it.effect("R9.3 a probe has a time limit", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched({ timeout: "3 seconds" })
      broker.faults.before = () => Effect.never
      const report = yield* asked(health.readiness, "3 seconds")
      assert.deepStrictEqual(stateOf(report), [["down", "probe", "Timeout"]])
      assert.include(report.queues[0]?.problem?.description, "3s")
      // It was interrupted, and that was all.
      assert.strictEqual((yield* health.liveness).status, "up")
      broker.faults.before = () => Effect.void
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* asked(health.readiness)).status, "up")
    })
  )

  it.effect("R9.3 a probe of the application's own is used instead", () =>
    Effect.gen(function* () {
      const probed: Array<string> = []
      const probe: Health.Options["probe"] = (queue) => Effect.sync(() => probed.push(queue))
      const { broker, health } = yield* watched({ probe }, "unsupported")
      assert.deepStrictEqual(stateOf(yield* asked(health.readiness)), [["up", "probe", undefined]])
      assert.deepStrictEqual(probed, ["orders"])
      assert.deepStrictEqual(broker.calls("peek"), [])
    })
  )
})

describe("Health: liveness", () => {
  it.effect("R9.3 a queue that is down says nothing of the process, and is not asked", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched()
      broker.faults.before = () => Effect.fail(transient())
      assert.strictEqual((yield* asked(health.readiness)).status, "down")
      assert.deepStrictEqual(stateOf(yield* health.liveness), [["up", "probe", undefined]])
      assert.strictEqual(broker.calls("peek").length, 1)
    })
  )

  it.effect("R9.3 a probe that cannot be interrupted is what only a restart mends", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { broker, health } = yield* watched()
      broker.faults.before = () => Effect.uninterruptible(Deferred.await(gate))
      yield* asked(health.readiness, Defaults.healthTimeout)
      assert.strictEqual((yield* health.liveness).status, "up")
      yield* TestClock.adjust(Defaults.interruptionWait)
      assert.deepStrictEqual(stateOf(yield* health.liveness), [["down", "probe", "Timeout"]])
      // Another one would hang beside it.
      assert.strictEqual((yield* asked(health.readiness)).status, "down")
      assert.strictEqual(broker.calls("peek").length, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(Defaults.healthFreshFor)
      assert.strictEqual((yield* health.liveness).status, "up")
      assert.strictEqual((yield* asked(health.readiness)).status, "up")
    })
  )

  it.effect("R9.3 a probe that hangs does not keep the scope from closing", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { broker, health } = yield* Scope.provide(watched(), scope)
      let interrupted = 0
      broker.faults.before = () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++))
      const asking = yield* Effect.forkChild(health.readiness)
      yield* TestClock.adjust(1)
      yield* Scope.close(scope, Exit.void)
      assert.isTrue(Exit.hasInterrupts(yield* Fiber.await(asking)))
      yield* TestClock.adjust(1)
      assert.strictEqual(interrupted, 1)
    })
  )
})

describe("Health: a queue that cannot be peeked at", () => {
  it.effect("R9.3 goes by the calls of the application, the last one of a while", () =>
    Effect.gen(function* () {
      const { broker, health, provider } = yield* watched({}, "unsupported")
      assert.deepStrictEqual(stateOf(yield* health.readiness), [["unknown", "traffic", undefined]])
      assert.strictEqual((yield* health.readiness).status, "up")
      yield* provider.receive(address, now)
      assert.deepStrictEqual(stateOf(yield* health.readiness), [["up", "traffic", undefined]])
      broker.faults.before = () => Effect.fail(transient())
      yield* Effect.flip(provider.receive(address, now))
      const report = yield* health.readiness
      assert.strictEqual(report.status, "down")
      assert.deepStrictEqual(stateOf(report), [["down", "traffic", "ConnectionFailed"]])
      assert.strictEqual((yield* health.liveness).status, "up")
      yield* TestClock.adjust(Duration.sum(Defaults.healthObservedFor, Duration.millis(1)))
      assert.deepStrictEqual(stateOf(yield* health.readiness), [["unknown", "traffic", undefined]])
      assert.deepStrictEqual(broker.calls("peek"), [])
    })
  )

  it.effect("R9.3 a failure inside a batch counts, one of a receipt does not", () =>
    Effect.gen(function* () {
      const { broker, health } = yield* watched({}, "unsupported")
      const settle = (error: QueueError.QueueError) =>
        Effect.gen(function* () {
          const made = yield* Health.make(
            { ...broker.service, settle: () => Effect.succeed([Result.fail(error)]) },
            { queues: [orders] }
          )
          yield* made.provider.settle([Receipt.make(address, "one")], Verdict.complete)
          return stateOf(yield* made.health.readiness)
        })
      assert.deepStrictEqual(yield* settle(transient()), [["down", "traffic", "ConnectionFailed"]])
      assert.deepStrictEqual(yield* settle(QueueError.make(new QueueError.ReceiptExpired())), [
        ["up", "traffic", undefined]
      ])
      assert.deepStrictEqual(stateOf(yield* health.readiness), [["unknown", "traffic", undefined]])
    })
  )

  it.effect("R9.3 what was interrupted, or was of another queue, tells nothing", () =>
    Effect.gen(function* () {
      const { health, provider } = yield* watched({}, "unsupported")
      const waiting = yield* Effect.forkChild(
        provider.receive(address, { max: 1, wait: Duration.seconds(20) }),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(waiting)
      yield* provider.receive(QueueAddress.queue(aside), now)
      assert.deepStrictEqual(stateOf(yield* health.readiness), [["unknown", "traffic", undefined]])
    })
  )
})

describe("Health: options and layer", () => {
  it.effect("R10.1 a time that is none is refused by name", () =>
    Effect.gen(function* () {
      for (const field of ["timeout", "freshFor", "observedFor"] as const) {
        for (const duration of noDurations) {
          const error = yield* Effect.flip(watched({ [field]: duration }))
          assert.strictEqual(error.reason._tag, "ValidationFailed")
          assert.include(error.message, field)
        }
      }
    })
  )

  it.effect("R9.3 the layer hands out the health and the provider it watches", () =>
    Effect.gen(function* () {
      const below = Layer.effect(
        QueueProvider.QueueProvider,
        Effect.map(ScriptedProvider.make(), ({ service }) => service)
      )
      const live = Layer.provide(Health.layer({ queues: [orders] }), below)
      yield* Effect.gen(function* () {
        const { readiness } = yield* Health.Health
        const { stack } = yield* QueueProvider.QueueProvider
        assert.strictEqual((yield* asked(readiness)).status, "up")
        assert.deepStrictEqual(stack, ["health", "scripted"])
      }).pipe(Effect.provide(live))
    })
  )
})
