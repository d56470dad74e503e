import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as BlobStoreContract from "../src/BlobStoreContract.ts"
import * as Contract from "../src/Contract.ts"
import * as Time from "../src/Time.ts"
import { makeBlobs } from "./support/blobs.ts"

const tiny: BlobStoreContract.Harness = {
  name: "tiny",
  time: Time.virtual,
  open: Effect.sync(() => {
    const store = makeBlobs()
    return { connect: Effect.succeed(store) }
  })
}

const { behind, cases, rules, run, sabotages, suite } = BlobStoreContract

describe("BlobStoreContract", () => {
  suite(it, tiny)

  it.effect("R12.1 runs without a test runner, a result a rule", () =>
    Effect.gen(function* () {
      const results = yield* run(tiny)
      assert.deepStrictEqual(
        results.map(({ id, status }) => [id, status]),
        rules.map(({ id }) => [id, "passed"])
      )
    })
  )

  it.effect("R12.1 a rule that the endpoint is known to break is skipped, with why", () =>
    Effect.gen(function* () {
      const skipped = { "BLOB-5": "it writes where readers look" }
      const own = cases({ ...tiny, skipped }).filter(({ id }) => id === "BLOB-5")
      const [result] = yield* Contract.run(own)
      assert.deepStrictEqual(
        [result?.status, result?.reason],
        ["skipped", "it writes where readers look"]
      )
    })
  )

  it.each(sabotages.map((one) => [one.id, one] as const))(
    "R12.2 %s is caught",
    async (_, sabotage) => {
      const own = cases(behind(tiny, sabotage)).filter(({ id }) => sabotage.caughtBy.includes(id))
      const results = await Effect.runPromise(Contract.run(own))
      const failed = results.filter(({ status }) => status === "failed").map(({ id }) => id)
      assert.includeMembers(failed, [...sabotage.caughtBy])
    }
  )

  it("R12.2 every rule is one that a sabotage breaks, and its id is its own", () => {
    const caught = new Set(sabotages.flatMap(({ caughtBy }) => caughtBy))
    assert.sameMembers(
      rules.map(({ id }) => id),
      [...caught]
    )
  })
})
