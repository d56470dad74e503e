import { ModelBased, Sabotages } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Command from "../src/command.ts"
import { healthy } from "../src/providers.ts"
import * as tables from "../src/tables.ts"

/** Two hundred sequences and their shrinking are one rule. */
const patient = { ...healthy, time: { ...healthy.time, limit: Duration.seconds(30) } }

describe("model-based rules", () => {
  it.effect(
    "R12.2 find order, loss, duplication and double holding alone, within 200 sequences each",
    () =>
      Effect.gen(function* () {
        const verdicts = yield* Command.sabotage(
          patient,
          ({ caughtBy }) => ModelBased.rules.filter(({ id }) => caughtBy.includes(id)),
          { runs: 200, seed: 1 }
        )
        const looked = verdicts.filter(
          ({ sabotage }) => sabotage.kind !== undefined && sabotage.beyondModel === undefined
        )
        const missed = tables.survivors(looked).map(({ sabotage }) => sabotage.id)
        assert.deepStrictEqual(missed, [])
        const kinds = new Set(looked.map(({ sabotage }) => sabotage.kind))
        assert.strictEqual(kinds.size, 4)
      }).pipe(Effect.provideService(References.MinimumLogLevel, "None")),
    120_000
  )

  it("R12.2 what is said to be beyond them is of their kinds, and says why", () => {
    const beyond = Sabotages.all.filter(({ beyondModel }) => beyondModel !== undefined)
    assert.deepStrictEqual(
      beyond.filter(({ beyondModel, kind }) => kind === undefined || beyondModel === ""),
      []
    )
    assert.isBelow(beyond.length, Sabotages.all.filter(({ kind }) => kind).length / 2)
  })
})
