import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Flags from "../../src/demo/Flags.ts"

describe("Flags", () => {
  it.effect("has defaults: at least 2,000 deliveries", () =>
    Effect.gen(function* () {
      const flags = yield* Flags.read([])
      assert.deepStrictEqual(flags, { seed: "octocat", deliveries: 2400, logs: false, help: false })
    })
  )

  it.effect("reads what is given, a package manager's separator aside", () =>
    Effect.gen(function* () {
      const flags = yield* Flags.read(["--", "--seed", "7", "--deliveries=300", "--logs", "-h"])
      assert.deepStrictEqual(flags, { seed: "7", deliveries: 300, logs: true, help: true })
    })
  )

  it.effect.each([
    [["--deliveries", "99"], "--deliveries: must be a whole number from 100 to 10000"],
    [["--deliveries", "10001"], "--deliveries: must be a whole number from 100 to 10000"],
    [["--deliveries", "1e3"], "--deliveries: must be a whole number from 100 to 10000"],
    [["--seed", ""], "--seed: must have 1–64 printable ASCII characters without spaces"],
    [["--seed", "größe"], "--seed: must have 1–64 printable ASCII characters without spaces"],
    [["--seeds", "1"], "flags: must be --seed, --deliveries or --logs; see --help"],
    [["300"], "flags: must be --seed, --deliveries or --logs; see --help"]
  ] as const)("%j is refused by name and rule", ([args, problem]) =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(Flags.read(args))
      assert.strictEqual(reason._tag, "ValidationFailed")
      assert.strictEqual(reason.message, problem)
    })
  )
})
