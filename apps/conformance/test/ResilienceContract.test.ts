import { Harness, ProviderContract } from "@queue-runtime/contract-tests"
import { CircuitBreaker, ResilienceConfig, Retry, Timeout } from "@queue-runtime/resilience"
import { describe, it } from "@effect/vitest"
import { memory } from "./support/memoryHarness.ts"

/** A rule allows a call that must end a second: on a connection that is closed, its retries as well. */
const retry = { initial: "50 millis" } as const

describe("R12.1 R6.3 memory behind retry", () => {
  ProviderContract.suite(it, Harness.behind(memory, "memory behind retry", Retry.layer(retry)))
})

describe("R12.1 R6.3 memory behind time-outs", () => {
  ProviderContract.suite(it, Harness.behind(memory, "memory behind time-outs", Timeout.layer()))
})

describe("R12.1 R6.3 memory behind circuit breakers", () => {
  const breakers = CircuitBreaker.layer()
  ProviderContract.suite(it, Harness.behind(memory, "memory behind circuit breakers", breakers))
})

describe("R12.1 R6.3 memory behind the three policies", () => {
  const policies = ResilienceConfig.layer({ retry })
  ProviderContract.suite(it, Harness.behind(memory, "memory behind the three policies", policies))
})
