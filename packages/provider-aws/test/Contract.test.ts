import { it } from "@effect/vitest"
import { Effect } from "effect"
import { ProviderContract, Time } from "@queue-runtime/contract-tests"
import * as emulated from "./support/emulated.ts"

/** The SDK's promises take more turns than a provider without them. */
const time: Time.Time = {
  ...Time.virtual,
  settle: Effect.repeat(Effect.yieldNow, { times: 200 })
}

/** A call through the SDK takes a hundred times as long as one in memory. */
const runs = 8

ProviderContract.suite(it, { name: "aws-sqs", time, open: emulated.open }, { runs })
