import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as ProviderMetrics from "../src/ProviderMetrics.ts"
import * as QueueError from "../src/QueueError.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as Signals from "./support/Signals.ts"

describe("ProviderMetrics", () => {
  it.effect("R9.1 connections and links go up and come down, the last time when it is closed", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      const open = { connections: 0, links: 0 }
      const scope = yield* Scope.make()
      yield* heard.listening(
        Scope.provide(
          ProviderMetrics.watch("azure-service-bus", () => open),
          scope
        )
      )
      const shown = () =>
        ["connections", "links"].map((name) =>
          heard.series(`queue_runtime.${name}`).map(({ value }) => value)
        )
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(shown(), [[0], [0]])
      for (const [connections, links] of [
        [1, 9],
        [2, 4]
      ] as const) {
        Object.assign(open, { connections, links })
        yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
        assert.deepStrictEqual(shown(), [[connections], [links]])
      }
      Object.assign(open, { connections: 0, links: 0 })
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(shown(), [[0], [0]])
      assert.deepStrictEqual(heard.series("queue_runtime.links")[0]?.attributes, {
        "messaging.system": "servicebus"
      })
    })
  )

  it.effect("R9.1 what has no links shows none", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      yield* heard.listening(
        Effect.scoped(ProviderMetrics.watch("aws-sqs", () => ({ connections: 3 })))
      )
      assert.deepStrictEqual(
        heard.series("queue_runtime.connections").map(({ value }) => value),
        [3]
      )
      assert.deepStrictEqual(heard.series("queue_runtime.links"), [])
    })
  )

  it("R9.1 attributes name the provider as the conventions do, and the queue if there is one", () => {
    assert.deepStrictEqual(ProviderMetrics.attributes("azure-service-bus", "orders"), {
      "messaging.system": "servicebus",
      "messaging.destination.name": "orders"
    })
    assert.deepStrictEqual(ProviderMetrics.attributes("acme"), { "messaging.system": "acme" })
  })

  it("R9.1 R10.7 metrics are made once a queue; queues beyond the bound are told as one", () => {
    const made: Array<unknown> = []
    const of = ProviderMetrics.byQueue("aws-sqs", (own) => made.push(own), 2)
    assert.deepStrictEqual(["a", "b", "a", "c", "d", "b", "c"].map(of), [1, 2, 1, 3, 3, 2, 3])
    assert.deepStrictEqual(
      made,
      ["a", "b", "(other)"].map((name) => ProviderMetrics.attributes("aws-sqs", name))
    )
    const all = ProviderMetrics.byQueue("memory", (own) => own)
    const last = `q${Defaults.telemetryQueuesMax - 1}`
    for (let queue = 0; queue < Defaults.telemetryQueuesMax; queue++) all(`q${queue}`)
    assert.deepStrictEqual(all(last), ProviderMetrics.attributes("memory", last))
    assert.deepStrictEqual(all("beyond"), ProviderMetrics.attributes("memory", "(other)"))
  })

  it.effect("R9.1 a timer tells how long calls took, and why they failed", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      const timed = ProviderMetrics.timer("store.duration", {
        description: "Calls",
        attributes: { operation: "put" }
      })
      const down = QueueError.make(new QueueError.ConnectionFailed({ detail: "ECONNREFUSED" }))
      const slow = Effect.sleep("3 seconds")
      const calls = [
        Effect.void,
        slow,
        Effect.fail(down),
        Effect.andThen(slow, Effect.fail(down)),
        Effect.interrupt,
        Effect.die("a bug")
      ]
      for (const call of calls) {
        const running = yield* Effect.forkChild(heard.listening(Effect.exit(timed(call))))
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.await(running)
      }
      const own = { operation: "put", unit: "s" }
      // Neither what was interrupted nor a defect says how long a call takes.
      assert.deepStrictEqual(
        heard.series("store.duration").map(({ attributes, value }) => [attributes, value]),
        [
          [own, 2],
          [{ ...own, "error.type": "ConnectionFailed" }, 2]
        ]
      )
      const sums = Metric.snapshotUnsafe(heard.context).map(({ state }) => state)
      for (const state of sums) assert.deepInclude(state, { min: 0, max: 3, sum: 3 })
    })
  )

  it.effect("R9.2 where nobody reads metrics nothing is read", () =>
    Effect.gen(function* () {
      let reads = 0
      const watched = ProviderMetrics.watch("memory", () => ({ connections: ++reads }))
      yield* Effect.scoped(Effect.andThen(watched, TestClock.adjust("1 minute")))
      assert.strictEqual(reads, 0)
      yield* Effect.scoped(watched).pipe(Effect.provideService(Telemetry.MetricsRead, true))
      assert.isAbove(reads, 0)
    })
  )
})
