import { ProviderContract } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { bare, limited } from "./support/lackingHarness.ts"
import { memory } from "./support/memoryHarness.ts"

const onDelays = ProviderContract.rules.filter(
  ({ group }) => group === "Redelivery" || group === "Scheduling"
)

describe("R12.1 memory without extras", () => {
  ProviderContract.suite(it, bare)
})

describe("R12.1 memory with limits", () => {
  ProviderContract.suite(it, limited, { rules: onDelays })
})

/** These need a program of another SDK: the tests of the contract itself run them. */
const elsewhere = ["INTEROP-13", "INTEROP-14"]

describe("R12.1 the rules", () => {
  it.effect("are each kept by one of the three", () =>
    Effect.gen(function* () {
      const rules = ProviderContract.rules.filter(({ group }) => group !== "Model")
      const all = yield* Effect.forEach([memory, bare, limited], (harness) =>
        ProviderContract.run(harness, { rules })
      )
      const kept = new Set(
        all.flat().flatMap(({ id, status }) => (status === "passed" ? [id] : []))
      )
      const never = rules.map(({ id }) => id).filter((id) => !kept.has(id))
      assert.deepStrictEqual(never, elsewhere)
    })
  )
})
