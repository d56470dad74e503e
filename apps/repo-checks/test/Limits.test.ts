import { assert, describe, it } from "@effect/vitest"
import { Capabilities } from "@queue-runtime/core"
import { Effect } from "effect"
import * as Limits from "../src/limits.ts"
import * as Repository from "../src/repository.ts"

describe("LIMITS.md", () => {
  it.live("R3.11 is what the providers declare", () =>
    Effect.gen(function* () {
      const page = Limits.page(yield* Limits.columns)
      const isFresh = Repository.readOrEmpty(Limits.path).text === page
      assert.isTrue(isFresh, `${Limits.path} is stale: run npm run --silent codegen`)
    })
  )

  it.live("says of everything emulated how, and of nothing else", () =>
    Effect.gen(function* () {
      for (const column of yield* Limits.columns) {
        const told = Object.keys(Limits.emulations[column.provider] ?? {}).toSorted()
        assert.deepStrictEqual(told, Limits.emulated(column), column.provider)
      }
    })
  )

  it("R3.11 tells every capability, each with what it is", () => {
    const fields = Limits.fields(Repository.read("packages/core/src/Capabilities.ts").text)
    assert.deepStrictEqual(
      fields.map(({ key }) => key),
      Object.keys(Capabilities.Capabilities.fields)
    )
    for (const { key, what } of fields) assert.isAbove(what.length, 10, key)
  })

  it.live("shows what an option changes behind the default", () =>
    Effect.gen(function* () {
      const page = Limits.page(yield* Limits.columns)
      const shown = page.split("| 256 KiB; 1 MiB on Premium |").length - 1
      assert.strictEqual(shown, 2, "of both kinds of queues")
    })
  )
})
