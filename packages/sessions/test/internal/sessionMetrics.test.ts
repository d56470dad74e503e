import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as sessionMetrics from "../../src/internal/sessionMetrics.ts"

const isolated = Effect.provideService(Metric.MetricRegistry, new Map())

describe("sessionMetrics", () => {
  it("binds the attributes of a queue once", () => {
    const metricsOf = sessionMetrics.make(1)
    assert.strictEqual(metricsOf("orders"), metricsOf("orders"))
  })

  it.effect("queues beyond the bound share one series, those inside keep theirs", () =>
    Effect.gen(function* () {
      const metricsOf = sessionMetrics.make(2)
      for (const queue of ["a", "b", "c", "d", "a"]) yield* metricsOf(queue).opened
      const opened = (yield* Metric.snapshot)
        .filter(({ id }) => id === "queue_runtime.lifecycle.sessions.opened")
        .map(({ attributes, state }) => [attributes?.["messaging.destination.name"], state])
      assert.deepStrictEqual(opened, [
        ["a", { count: 2, incremental: true }],
        ["b", { count: 1, incremental: true }],
        [sessionMetrics.otherQueues, { count: 2, incremental: true }]
      ])
    }).pipe(isolated)
  )
})
