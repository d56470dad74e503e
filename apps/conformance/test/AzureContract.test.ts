import { ProviderContract } from "@queue-runtime/contract-tests"
import { describe, it } from "@effect/vitest"
import { azure } from "../src/servicebus.ts"

describe("R11.2 R12.1 Service Bus over a socket", () => {
  ProviderContract.suite(it, azure)
})
