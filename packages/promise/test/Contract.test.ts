import { it } from "@effect/vitest"
import { ProviderContract, Time } from "@queue-runtime/contract-tests"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as adapter from "./support/adapter.ts"

ProviderContract.suite(it, {
  name: "memory behind the promise front",
  time: Time.virtual,
  open: ({ deliveriesMax, lockDuration, queue, sessions }) =>
    Effect.map(
      MemoryClient.make({ queues: { [queue]: { deliveriesMax, lockDuration, sessions } } }),
      (client) => ({
        layer: adapter.layer(
          Layer.provide(
            MemoryProvider.layerWithClient,
            Layer.succeed(MemoryClient.MemoryClient, client)
          )
        )
      })
    )
})
