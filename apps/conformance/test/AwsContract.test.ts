import { ProviderContract } from "@queue-runtime/contract-tests"
import { describe, it } from "@effect/vitest"
import { aws } from "../src/sqs.ts"

describe("R11.2 R12.1 SQS over a socket", () => {
  ProviderContract.suite(it, aws)
})
