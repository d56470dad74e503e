import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as SessionStoreContract from "../src/SessionStoreContract.ts"
import * as Time from "../src/Time.ts"
import { makeLeases } from "./support/leases.ts"

const tiny: SessionStoreContract.Harness = {
  name: "tiny",
  time: Time.virtual,
  open: Effect.sync(() => {
    const store = makeLeases()
    return { connect: Effect.succeed(store) }
  })
}

const { behind, rules, run, sabotages, suite } = SessionStoreContract

describe("SessionStoreContract: R4.3 R4.4", () => {
  suite(it, tiny)
})

describe("SessionStoreContract: R12.2 the rules find faults", () => {
  it.each(sabotages.map((one) => [one.id, one] as const))(
    "R12.2 %s is caught",
    async (_, sabotage) => {
      const results = await Effect.runPromise(run(behind(tiny, sabotage)))
      const failed = results.filter(({ status }) => status === "failed").map(({ id }) => id)
      assert.includeMembers(failed, [...sabotage.caughtBy])
    }
  )

  it("R12.2 every rule is one that a sabotage breaks, and its id is its own", () => {
    const caught = new Set(sabotages.flatMap(({ caughtBy }) => caughtBy))
    const ids = rules.map(({ id }) => id)
    assert.deepStrictEqual(
      ids.filter((id) => !caught.has(id)),
      []
    )
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it.effect("R12.1 the name of a broken store says which fault it has", () =>
    Effect.sync(() => {
      const { name } = behind(tiny, { id: "a-fault", transform: (store) => store })
      assert.strictEqual(name, "tiny, a-fault")
    })
  )
})
