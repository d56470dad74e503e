import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as ModelBased from "../src/ModelBased.ts"
import * as ProviderContract from "../src/ProviderContract.ts"
import { harness } from "./support/tiny.ts"

const check = (options: ProviderContract.Options) =>
  Effect.map(
    ProviderContract.run(harness().harness, { rules: ModelBased.rules, ...options }),
    ([plain]) => plain
  )

describe("ModelBased", () => {
  it.effect("R12.2 a failing sequence is shrunk, printed, and replayed by its token", () =>
    Effect.gen(function* () {
      const found = yield* check({ runs: 20, seed: 7 })
      assert.strictEqual(found?.status, "failed")
      const reason = found?.reason ?? ""
      // It counts no deliveries: to give one back and to look again is enough to see it.
      assert.match(reason, /breaks the model; [1-4] operations are enough:\n {2}1\. client/u)
      const [, replay] = /replay: '(.+)'/u.exec(reason) ?? []
      assert.isDefined(replay)
      const again = yield* check(replay === undefined ? {} : { replay })
      const operations = (text: string) => text.split("\n").slice(1, -1)
      assert.deepStrictEqual(operations(again?.reason ?? ""), operations(reason))
    })
  )

  it.effect("R12.2 a failing sequence is left as it is where nobody asks for a small one", () =>
    Effect.gen(function* () {
      const [small, whole] = [
        yield* check({ runs: 20, seed: 7 }),
        yield* check({ runs: 20, seed: 7, shrinksMax: 0 })
      ]
      const countOf = (reason = "") => Number(/; (\d+) operations are enough/u.exec(reason)?.[1])
      assert.isAtMost(countOf(small?.reason), countOf(whole?.reason))
      const first = (reason = "") => /^sequence \d+/u.exec(reason)?.[0]
      assert.strictEqual(first(small?.reason), first(whole?.reason))
    })
  )

  it.effect("R12.1 the same seed fails in the same way; no sequence at all is not a success", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* check({ seed: "s" }), yield* check({ seed: "s" })]
      assert.strictEqual(one?.reason, other?.reason)
      const stale = yield* check({ replay: '[0,"1",0,0,[9,9,9],"PropertyError"]' })
      assert.notStrictEqual(stale?.status, "passed")
    })
  )
})
