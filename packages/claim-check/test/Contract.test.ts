import { describe, it } from "@effect/vitest"
import { type Harness, ProviderContract, Time } from "@queue-runtime/contract-tests"
import { BlobStore } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Effect, Layer } from "effect"
import { ClaimCheck, MemoryBlobStore } from "../src/index.ts"

/** Nothing is small enough to go without a claim. */
const threshold = 0

/** A little more than the broker takes: the rule on the largest message is to end soon. */
const bodySizeMax = 1_100_000

const harness: Harness.Harness = {
  name: "memory, claimed",
  time: Time.virtual,
  open: ({ deduplication, deliveriesMax, lockDuration, queue, sessions }) =>
    Effect.gen(function* () {
      const own = { deliveriesMax, lockDuration, sessions }
      const client = yield* MemoryClient.make({
        // Little enough for the rule on the bytes of one call to try.
        bytesMax: 8 * 1024 * 1024,
        queues: { [queue]: { ...own, ...(deduplication ? {} : { deduplicationWindow: 0 }) } }
      })
      const store = yield* MemoryBlobStore.make()
      return {
        // Every connection is to the same broker, and to the same store.
        layer: ClaimCheck.layer({ threshold, bodySizeMax }).pipe(
          Layer.provide(MemoryProvider.layerWithClient),
          Layer.provide([
            Layer.succeed(MemoryClient.MemoryClient, client),
            Layer.succeed(BlobStore.BlobStore, store)
          ]),
          Layer.orDie
        )
      }
    }).pipe(Effect.orDie)
}

// Sequences of many commands are the memory provider's own test.
const rules = ProviderContract.rules.filter(({ group }) => group !== "Model")

describe("ClaimCheck as a provider", () => {
  ProviderContract.suite(it, harness, { rules })
})
