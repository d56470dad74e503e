import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import * as soak from "./support/soak.ts"

const quick = { sessions: 8, messages: 20, processes: 3, workers: 3 }

const check = (plan: soak.Plan) =>
  Effect.gen(function* () {
    const { figures, hasDrained, innocent, left, lost, unburied, violations } =
      yield* soak.run(plan)
    assert.deepStrictEqual(violations, [])
    assert.deepStrictEqual(
      { hasDrained, left, lost, unburied, innocent },
      {
        hasDrained: true,
        left: [],
        lost: [],
        unburied: [],
        innocent: []
      }
    )
    assert.strictEqual(figures.sent, plan.sessions * plan.messages)
  }).pipe(Effect.scoped, Random.withSeed(plan.seed))

describe("processes that come and go over a broker that fails", () => {
  it.effect("R3.2 R4.1 R4.3 sessions: nothing lost, in order, one holder, all of it drains", () =>
    check({ ...quick, seed: "fifo", fifo: true })
  )

  it.effect("R3.2 a standard queue: nothing lost, all of it drains", () =>
    check({ ...quick, seed: "standard", fifo: false })
  )
})
