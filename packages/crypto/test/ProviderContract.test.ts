import { describe, it } from "@effect/vitest"
import { Harness, ProviderContract, Time } from "@queue-runtime/contract-tests"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { Effect, Layer } from "effect"
import { KeyProviderMemory, NodeCrypto, Sealing } from "../src/index.ts"
import { keys } from "./support.ts"

const memory: Harness.Harness = {
  name: "memory",
  time: Time.virtual,
  open: ({ deduplication, deliveriesMax, lockDuration, queue, sessions }) =>
    Effect.map(
      MemoryClient.make({
        queues: {
          [queue]: {
            deliveriesMax,
            lockDuration,
            sessions,
            ...(deduplication ? {} : { deduplicationWindow: 0 })
          }
        }
      }).pipe(Effect.orDie),
      (client) => ({
        layer: Layer.provide(
          MemoryProvider.layerWithClient,
          Layer.succeed(MemoryClient.MemoryClient, client)
        )
      })
    )
}

/** A provider that is sealed is a provider: every rule holds. */
const sealed = (mode: "encrypt" | "sign") =>
  Harness.behind(
    memory,
    `memory, ${mode === "sign" ? "signed" : "sealed"}`,
    Sealing.layer({ mode }).pipe(
      Layer.provide([KeyProviderMemory.layer(keys("k1")), NodeCrypto.layer]),
      Layer.orDie
    )
  )

// Sequences of many commands are the memory provider's own test.
const rules = ProviderContract.rules.filter(({ group }) => group !== "Model")

for (const mode of ["encrypt", "sign"] as const) {
  describe(`Sealing as a provider: ${mode}`, () => {
    ProviderContract.suite(it, sealed(mode), { rules })
  })
}
