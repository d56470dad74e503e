import { ModelBased, Sabotages } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Command from "../src/command.ts"
import { healthy } from "../src/providers.ts"
import * as tables from "../src/tables.ts"

/** Two hundred sequences are one rule; what is started has no decorators to come through. */
const patient = {
  ...healthy,
  time: {
    ...healthy.time,
    limit: Duration.seconds(30),
    settle: Effect.repeat(Effect.yieldNow, { times: 12 })
  }
}

/** Those that are faults of order, loss, duplication or double holding, unless it is said why not. */
const looked = new Set(
  Sabotages.all
    .filter(({ beyondModel, kind }) => kind !== undefined && beyondModel === undefined)
    .map(({ id }) => id)
)

const seeds = [1, 2, 3]

/** The sabotages that get through the model-based rules that are named to catch them. */
const missedBy = (seed: number) =>
  Command.sabotage(
    patient,
    ({ caughtBy, id }) =>
      ModelBased.rules.filter((rule) => looked.has(id) && caughtBy.includes(rule.id)),
    { runs: 200, seed }
  ).pipe(
    Effect.map((verdicts) => verdicts.filter(({ sabotage }) => looked.has(sabotage.id))),
    Effect.map((verdicts) => tables.survivors(verdicts).map(({ sabotage }) => sabotage.id))
  )

describe("model-based rules", () => {
  it.effect(
    "R12.2 find order, loss, duplication and double holding alone, within 200 sequences of each seed",
    () =>
      Effect.gen(function* () {
        // They wait for timers of the machine, and may do so side by side.
        const missed = yield* Effect.forEach(seeds, missedBy, { concurrency: "unbounded" })
        assert.deepStrictEqual(
          missed,
          seeds.map(() => [])
        )
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    120_000
  )
})
