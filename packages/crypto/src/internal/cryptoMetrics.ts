import type * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import { ProviderMetrics } from "@queue-runtime/core"

const durations = Metric.boundariesFromIterable([
  0.000_005, 0.000_01, 0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 1
])

// Effect's exporter takes the unit of a metric from this attribute.
const inSeconds = { unit: "s" }

// Attributes of the metric itself: those of withAttributes make a new key of it at every update.
type Attributes = Readonly<Record<string, string>>

const duration = (attributes: Attributes) =>
  Metric.histogram("queue_runtime.crypto.duration", {
    description:
      "How long it took to seal or to open the bodies of one call, the lookup of keys included",
    boundaries: durations,
    attributes: { ...attributes, ...inSeconds }
  })

const failed = (attributes: Attributes) =>
  Metric.counter("queue_runtime.crypto.failures", {
    description: "Bodies that could not be opened, by reason",
    incremental: true,
    attributes
  })

const plaintext = (attributes: Attributes) =>
  Metric.counter("queue_runtime.crypto.plaintext", {
    description: "Bodies sent or received that nothing protects",
    incremental: true,
    attributes
  })

const keyAge = (attributes: Attributes) =>
  Metric.gauge("queue_runtime.crypto.key_age", {
    description: "How long ago the key that seals was made",
    attributes: { ...attributes, ...inSeconds }
  })

/** The metrics of one queue. */
export interface CryptoMetrics {
  readonly sealed: Metric.Histogram<number>
  readonly opened: Metric.Histogram<number>
  readonly keyAge: Metric.Gauge<number>
  readonly plaintextSent: Metric.Counter<number>
  readonly plaintextReceived: Metric.Counter<number>
  readonly failed: (reason: string) => Effect.Effect<void>
}

const bind = (about: Attributes): CryptoMetrics => {
  const doing = (operation: string) => ({ ...about, "queue_runtime.crypto.operation": operation })
  const going = (direction: string) => ({ ...about, "queue_runtime.crypto.direction": direction })
  return {
    sealed: duration(doing("seal")),
    opened: duration(doing("open")),
    keyAge: keyAge(about),
    plaintextSent: plaintext(going("sent")),
    plaintextReceived: plaintext(going("received")),
    failed: (reason) => Metric.update(failed({ ...about, "error.type": reason }), 1)
  }
}

/** The metrics of each queue, bound once: a metric is never forgotten by its registry. */
export const make = (provider: string, queuesMax: number): ((queue: string) => CryptoMetrics) =>
  ProviderMetrics.byQueue(provider, bind, queuesMax)
