import { Harness, ProviderContract, Time } from "@queue-runtime/contract-tests"
import type { QueueError } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SessionLeases, SessionStoreMemory } from "../src/index.ts"
import { withoutState } from "./support/world.ts"

const memory: Harness.Harness<QueueError.QueueError> = {
  name: "memory",
  time: Time.virtual,
  open: ({ deduplication, queue, ...options }) =>
    Effect.map(
      MemoryClient.make({
        queues: { [queue]: { ...options, deduplicationWindow: deduplication ? "5 minutes" : 0 } },
        bytesMax: 8 * 1024 * 1024
      }),
      (client) => ({
        layer: Layer.provide(
          MemoryProvider.layerWithClient,
          Layer.succeed(MemoryClient.MemoryClient, client)
        )
      })
    )
}

/** One store for all connections of a rule, as processes share one. */
const leased = (
  below: Harness.Harness<QueueError.QueueError>
): Harness.Harness<QueueError.QueueError> => ({
  ...below,
  name: `${below.name} behind leases`,
  open: (spec) =>
    Effect.gen(function* () {
      const { layer } = yield* below.open(spec)
      const store = Layer.succeedContext(yield* Layer.build(SessionStoreMemory.layer()))
      return {
        layer: SessionLeases.layer({ lease: spec.lockDuration }).pipe(Layer.provide([layer, store]))
      }
    })
})

const stateless = Harness.transformed(memory, "memory without state", (provider) =>
  Effect.succeed(withoutState(provider))
)

describe("R12.1 R4.3 memory behind leases", () => {
  // Sequences on a queue without sessions are the memory provider's own test.
  const rules = ProviderContract.rules.filter(({ id }) => id !== "MODEL-1")
  ProviderContract.suite(it, leased(memory), { rules })
})

describe("R12.1 R4.2 memory without session state, behind leases", () => {
  const rules = ProviderContract.rules.filter(
    ({ group }) => group === "Sessions" || group === "Lifecycle"
  )
  ProviderContract.suite(it, leased(stateless), { rules })
})
