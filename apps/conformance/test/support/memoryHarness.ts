import { type Harness, Time } from "@queue-runtime/contract-tests"
import type { QueueError } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Effect, Layer } from "effect"

/** The memory provider, a broker for every queue. */
export const memory: Harness.Harness<QueueError.QueueError> = {
  name: "memory",
  time: Time.virtual,
  open: ({ deduplication, queue, ...options }) =>
    MemoryClient.make({
      queues: { [queue]: { ...options, deduplicationWindow: deduplication ? "5 minutes" : 0 } },
      // Little enough for the rule on the bytes of one call to try.
      bytesMax: 8 * 1024 * 1024
    }).pipe(
      Effect.map((client) => ({
        layer: Layer.provide(
          MemoryProvider.layerWithClient,
          Layer.succeed(MemoryClient.MemoryClient, client)
        )
      }))
    )
}
