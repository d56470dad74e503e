import { assert, describe, it } from "@effect/vitest"
import { Effect, References } from "effect"
import * as Command from "../src/command.ts"
import { providers } from "../src/providers.ts"

const none = { rules: [], seed: "1", help: false }

const run = (flags: Command.Flags) => {
  const said: Array<string> = []
  const say = (what: string) => Effect.sync(() => void said.push(what))
  return Command.run(flags, say).pipe(
    Effect.map((found) => ({ ...found, said })),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
}

describe("pnpm contract", () => {
  it.effect("R12.1 reads its flags, the separator of a package manager included", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* Command.read([]), none)
      assert.deepStrictEqual(
        yield* Command.read([
          "--",
          "--provider",
          "memory",
          "--rule",
          "SEND-1",
          "--rule",
          "SETTLE-3"
        ]),
        { ...none, provider: "memory", rules: ["SEND-1", "SETTLE-3"] }
      )
      assert.deepStrictEqual(yield* Command.read(["--seed", "7", "-h"]), {
        ...none,
        seed: "7",
        help: true
      })
      for (const { name } of providers) assert.include(Command.help, name)
    })
  )

  const refused: ReadonlyArray<readonly [ReadonlyArray<string>, string]> = [
    [["--provider", "rabbit"], "--provider: must be one of memory, memory-stack"],
    [["--rule", "SETTLE-0"], "--rule: must be the id of a rule, as SETTLE-3; got SETTLE-0"],
    [["--all"], "flags: must be --provider, --rule or --seed; see --help"]
  ]

  it.effect.each(refused)("R10.1 refuses %s", ([args, message]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(Command.read(args))
      assert.include(error.message, message)
    })
  )

  it.effect("R12.1 one provider and one rule: its table, and no report", () =>
    Effect.gen(function* () {
      const found = yield* run({ ...none, provider: "sqlite", rules: ["SETTLE-3"] })
      assert.isTrue(found.isGood)
      assert.isUndefined(found.report)
      assert.match(found.text, /^SETTLE-3 {2}✓/mu)
      assert.match(found.text, /sqlite: 1 passed, 0 failed, 0 skipped$/u)
      assert.deepStrictEqual(found.said, ["1 rules on sqlite"])
    })
  )

  it.effect(
    "R12.2 one rule: every provider, and the sabotages that break it",
    () =>
      Effect.gen(function* () {
        const found = yield* run({ ...none, rules: ["SETTLE-13"] })
        assert.isTrue(found.isGood)
        assert.isUndefined(found.report)
        assert.match(found.text, /^✓ renewal-added: /mu)
        assert.notMatch(found.text, /send-loses-last|got through/u)
        for (const { name } of providers) assert.include(found.text, `${name}: 1 passed`)
      }),
    // Cloud providers run on a live clock.
    90_000
  )
})
