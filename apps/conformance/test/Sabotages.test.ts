import { ProviderContract } from "@queue-runtime/contract-tests"
import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Command from "../src/command.ts"
import { healthy } from "../src/providers.ts"
import * as tables from "../src/tables.ts"

const handWritten = ProviderContract.rules.filter((rule) => !Command.isModelBased(rule))

/** Rules that no sabotage breaks, and why they stay. */
const standing: Readonly<Record<string, string>> = {}

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, References.MinimumLogLevel, "None")

describe("sabotages", () => {
  it.effect(
    "R12.2 the provider that they are put into keeps every rule",
    () =>
      Effect.gen(function* () {
        const results = yield* ProviderContract.run(healthy, { rules: handWritten })
        const failed = results.filter(({ status }) => status === "failed")
        assert.deepStrictEqual(failed, [])
      }).pipe(quietly),
    30_000
  )

  it.effect(
    "R12.2 each is caught by a rule that is meant to, and every rule catches one",
    (context) =>
      Effect.gen(function* () {
        const verdicts = yield* Command.sabotage(healthy, ({ caughtBy }) =>
          handWritten.filter(({ id }) => caughtBy.includes(id))
        )
        for (const { caughtBy, sabotage } of verdicts) {
          yield* Effect.promise(() => context.annotate(`${sabotage.id}: ${caughtBy.join(" ")}`))
        }
        const survivors = tables.survivors(verdicts).map(({ sabotage }) => sabotage.id)
        assert.deepStrictEqual(survivors, [], "sabotages that got through")

        // What nobody is named to break may still be broken by one that names others.
        const ids = handWritten.map(({ id }) => id)
        const left = new Set(tables.unproved(ids, verdicts))
        const again =
          left.size === 0
            ? []
            : yield* Command.sabotage(healthy, () => handWritten.filter(({ id }) => left.has(id)))
        const unproved = tables.unproved([...left], again)
        assert.deepStrictEqual(unproved, Object.keys(standing), "rules that no sabotage breaks")
      }).pipe(quietly),
    60_000
  )
})
