/** What is measured of bodies that are put into a store and got from it. */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import { type BlobStore, ProviderMetrics, type QueueError } from "@queue-runtime/core"

/** Bytes: from what SQS takes to what a store does. */
const sizes = Metric.boundariesFromIterable([
  1_000, 10_000, 100_000, 256_000, 1_000_000, 5_000_000, 10_000_000, 25_000_000, 100_000_000
])

// Attributes of the metric itself: those of withAttributes make a new key of it at every update.
type Attributes = Readonly<Record<string, string>>

const calls = (attributes: Attributes) =>
  ProviderMetrics.timer("queue_runtime.claim_check.duration", {
    description: "How long one call to the store of bodies took",
    attributes
  })

const sizeOf = (attributes: Attributes) =>
  Metric.histogram("queue_runtime.claim_check.body.size", {
    description: "Bytes of the bodies that were put or got",
    boundaries: sizes,
    // Effect's exporter takes the unit of a metric from an attribute.
    attributes: { ...attributes, unit: "By" }
  })

const rejectedBy = (attributes: Attributes) =>
  Metric.counter("queue_runtime.claim_check.rejected", {
    description: "Messages put aside since their bodies are not there, by reason",
    incremental: true,
    attributes
  })

const sweptBy = (attributes: Attributes) =>
  Metric.counter("queue_runtime.claim_check.swept", {
    description: "Blobs that a sweep removed, or could not",
    incremental: true,
    attributes
  })

/** The store as one queue uses it, measured. */
export interface ClaimMetrics {
  readonly store: BlobStore.Service
  /** One that is put aside for good. */
  readonly rejected: (reason: string) => Effect.Effect<void>
}

const bind =
  (store: BlobStore.Service) =>
  (about: Attributes): ClaimMetrics => {
    const doing = (operation: string) => ({
      ...about,
      "queue_runtime.claim_check.operation": operation
    })
    const timed = {
      put: calls(doing("put")),
      get: calls(doing("get")),
      delete: calls(doing("delete")),
      list: calls(doing("list"))
    }
    const put = sizeOf(doing("put"))
    const got = sizeOf(doing("get"))
    return {
      store: {
        name: store.name,
        sizeMax: store.sizeMax,
        put: (key, body, options) =>
          Effect.tap(timed.put(store.put(key, body, options)), () =>
            Metric.update(put, body.byteLength)
          ),
        get: (key) =>
          Effect.tap(timed.get(store.get(key)), (blob) =>
            Option.isSome(blob) ? Metric.update(got, blob.value.body.byteLength) : Effect.void
          ),
        delete: (key) => timed.delete(store.delete(key)),
        list: (options) => timed.list(store.list(options))
      },
      rejected: (reason) => Metric.update(rejectedBy({ ...about, "error.type": reason }), 1)
    }
  }

/** The metrics of each queue, bound once. */
export const make = (
  provider: string,
  store: BlobStore.Service
): ((queue: string) => ClaimMetrics) => ProviderMetrics.byQueue(provider, bind(store))

const removed = sweptBy({})

/** One that a sweep removed, or could not. It is about no provider. */
export const swept = (error?: QueueError.QueueError): Effect.Effect<void> =>
  error === undefined
    ? Metric.update(removed, 1)
    : Metric.update(sweptBy({ "error.type": error.reason._tag }), 1)
