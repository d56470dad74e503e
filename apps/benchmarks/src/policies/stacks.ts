/** Stacks over queues in memory: bare, with one policy, with all of them. */
import {
  Batching,
  Health,
  QueueClient,
  type QueueError,
  type QueueProvider,
  Telemetry
} from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { CircuitBreaker, Retry, Timeout } from "@queue-runtime/resilience"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Redacted from "effect/Redacted"
import * as Tracer from "effect/Tracer"
import { randomBytes } from "node:crypto"
import * as loopback from "./loopback.ts"
import { queue } from "./queue.ts"

export const key = randomBytes(32)

/** A provider over the one below it. */
export type Policy<R = never> = Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider | R
>

export type Stack = Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>

/** Ids of minutes ago are of no use here, and a broker that keeps millions of them is another one. */
export const bare: Stack = MemoryProvider.layer({
  queues: { [queue]: { deduplicationWindow: 0 } }
})

/** Next to nothing below. */
export const nothing: Stack = loopback.layer

export const over = (policy: Policy, below: Stack = bare): Stack => Layer.provide(policy, below)

/** Keeps nothing: what a span costs before it is exported. */
const tracer = Layer.succeed(
  Tracer.Tracer,
  Tracer.make({ span: (options) => new Tracer.NativeSpan(options) })
)

/** Somebody listens: to spans, and to metrics in a registry of their own; whoever calls is heard too. */
export const listening = (stack: Stack): Stack =>
  stack.pipe(
    Layer.provideMerge(tracer),
    Layer.provideMerge(Layer.sync(Metric.MetricRegistry, () => new Map()))
  )

/** Somebody reads metrics, and nobody spans. */
export const measured = (stack: Stack): Stack =>
  Layer.provide(stack, Layer.succeed(Telemetry.MetricsRead, true))

const keys = KeyProviderMemory.layer({
  keys: [{ id: "bench-key", material: Redacted.make(key) }],
  current: "bench-key"
})

export const sealing: Policy = Sealing.layer().pipe(
  Layer.provide(Layer.merge(keys, NodeCrypto.layer))
)

export const retry: Policy = Retry.layer()

export const timeout: Policy = Timeout.layer()

export const breaker: Policy = CircuitBreaker.layer()

export const health: Policy = Health.layer({ queues: [queue] })

/** Both layers of telemetry; what they do depends on who listens. */
export const telemetry: Policy = Telemetry.layerCreate().pipe(Layer.provide(Telemetry.layer()))

/** All of them, in the order of ARCHITECTURE.md. */
const every: Policy = Telemetry.layerCreate().pipe(
  Layer.provide(sealing),
  Layer.provide(Batching.layer()),
  Layer.provide(health),
  Layer.provide(breaker),
  Layer.provide(retry),
  Layer.provide(timeout),
  Layer.provide(Telemetry.layer())
)

export const whole: Stack = listening(over(every))

/** With whoever calls it. */
export const client = (
  stack: Stack
): Layer.Layer<QueueClient.QueueClient | QueueProvider.QueueProvider, QueueError.QueueError> =>
  Layer.provideMerge(QueueClient.layer(), stack)
