import { ProviderContract } from "@queue-runtime/contract-tests"
import { describe, it } from "@effect/vitest"
import { awsFauxqs } from "../src/sqs.ts"

describe("R11.2 R12.1 SQS of somebody else, over a socket", () => {
  ProviderContract.suite(it, awsFauxqs)
})
