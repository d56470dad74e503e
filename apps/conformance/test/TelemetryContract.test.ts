import { Harness, ProviderContract } from "@queue-runtime/contract-tests"
import { describe, it } from "@effect/vitest"
import { Telemetry } from "@queue-runtime/core"
import { Layer, Metric, Tracer } from "effect"
import { memory } from "../src/providers.ts"

/** Spans that are made, and kept by nobody. */
const tracer = Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })

const listening = Layer.merge(
  Layer.succeed(Tracer.Tracer, tracer),
  Layer.succeed(Metric.MetricRegistry, new Map())
)

const decorators = Telemetry.layerCreate().pipe(
  Layer.provide(Telemetry.layer()),
  Layer.provide(listening)
)

describe("R9.1 R12.1 the memory provider under telemetry that is listened to", () => {
  ProviderContract.suite(it, Harness.behind(memory, "memory-traced", decorators))
})
