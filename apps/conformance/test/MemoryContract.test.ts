import { Harness, ProviderContract, Time } from "@queue-runtime/contract-tests"
import { QueueProvider } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import { describe, it } from "@effect/vitest"
import { Duration, Effect, Layer } from "effect"
import { memory } from "./support/memoryHarness.ts"

const passThrough = QueueProvider.layerTransform(
  "pass-through",
  Effect.succeed((call) => Effect.suspend(() => call))
)

/** A clock that is told in hundredths of a second, so that the waits of a live run are short. */
const live: Time.Time = {
  ...Time.live,
  settle: Effect.sleep("10 millis"),
  precision: Duration.millis(50),
  patience: Duration.seconds(5),
  quiet: Duration.millis(20)
}

const waitLittle = new Set(["SEND-1", "RECEIVE-3", "SETTLE-3", "SESSION-7", "SESSION-45"])

describe("R12.1 memory", () => {
  ProviderContract.suite(it, memory)
})

describe("R12.1 memory as the README of the suite has it, with an option left aside", () => {
  ProviderContract.suite(it, {
    name: "memory",
    time: Time.virtual,
    open: ({ deliveriesMax, lockDuration, queue, sessions }) =>
      Effect.map(
        MemoryClient.make({ queues: { [queue]: { deliveriesMax, lockDuration, sessions } } }),
        (client) => ({
          layer: Layer.provide(
            MemoryProvider.layerWithClient,
            Layer.succeed(MemoryClient.MemoryClient, client)
          )
        })
      )
  })
})

describe("R12.1 memory behind decorators", () => {
  ProviderContract.suite(it, Harness.behind(memory, "memory behind decorators", passThrough))
})

describe("R12.1 memory on a live clock", () => {
  const harness = { ...memory, name: "memory on a live clock", time: live }
  const rules = ProviderContract.rules.filter(({ id }) => waitLittle.has(id))
  ProviderContract.suite(it, harness, { rules })
})
