import { ProviderContract } from "@queue-runtime/contract-tests"
import { describe, it } from "@effect/vitest"
import { awsStack } from "../src/providers.ts"
import { aws } from "../src/sqs.ts"
import { quickRules } from "./support/quickRules.ts"

describe.concurrent("R11.2 R12.1 SQS over a socket", () => {
  ProviderContract.suite(it, aws)
})

// In the time that the slow rules above wait.
describe.concurrent("R6.3 R8.1 R9.1 R12.1 SQS over a socket, behind the full stack", () => {
  ProviderContract.suite(it, awsStack, { rules: quickRules })
})
