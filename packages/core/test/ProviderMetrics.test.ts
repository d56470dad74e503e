import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as ProviderMetrics from "../src/ProviderMetrics.ts"
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
