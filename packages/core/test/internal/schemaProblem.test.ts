import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { firstProblem, schemaProblem } from "../../src/internal/schemaProblem.ts"

const problemOf = <A, I>(of: Schema.Codec<A, I>, value: unknown, errors: "first" | "all") =>
  Schema.decodeUnknownEffect(of)(value, { errors }).pipe(
    Effect.flip,
    Effect.map((error) => schemaProblem(error.issue))
  )

const Order = Schema.Struct({
  id: Schema.String,
  lines: Schema.Array(Schema.Struct({ amount: Schema.Int }))
})

describe("schemaProblem", () => {
  it.effect("R2.3 says where and what, with list places by number, and never shows the value", () =>
    Effect.gen(function* () {
      const value = { id: "1", lines: [{ amount: 1 }, { amount: "hunter2" }] }
      const one = yield* problemOf(Order, value, "first")
      assert.deepStrictEqual(one, { path: "lines.1.amount", problem: "Expected number" })
    })
  )

  it.effect("R2.3 several problems, each with its place", () =>
    Effect.gen(function* () {
      const all = yield* problemOf(Order, { id: 7, lines: [{ amount: 1.5 }] }, "all")
      assert.deepStrictEqual(all, {
        path: "id, lines.0.amount",
        problem: "Expected string; Expected an integer"
      })
    })
  )

  it.effect("R2.3 a problem of the whole value has no place", () =>
    Effect.gen(function* () {
      const one = yield* problemOf(Schema.String, 7, "first")
      assert.deepStrictEqual(one, { path: "", problem: "Expected string" })
    })
  )

  it.effect("R10.1 what is no option is told with those that there are", () =>
    Effect.gen(function* () {
      const value = { id: "1", lines: [{ amont: 1 }] }
      const error = yield* Effect.flip(
        Schema.decodeUnknownEffect(Order)(value, { onExcessProperty: "error", errors: "all" })
      )
      assert.deepStrictEqual(schemaProblem(error.issue), {
        path: "lines.0.amont, lines.0.amount",
        problem: "is an excess property; there are: amount; Missing key"
      })
    })
  )

  it.effect("R10.1 a tuple has no names to tell", () =>
    Effect.gen(function* () {
      const pair = Schema.Tuple([Schema.String])
      const error = yield* Effect.flip(
        Schema.decodeUnknownEffect(pair)(["a", "b"], { onExcessProperty: "error" })
      )
      const { path, problem } = schemaProblem(error.issue)
      assert.deepStrictEqual([path, problem.includes("there are")], ["1", false])
    })
  )

  it.effect("R2.3 the first problem alone, where one is enough", () =>
    Effect.gen(function* () {
      const value = { id: 7, lines: [{ amount: 1.5 }] }
      const error = yield* Effect.flip(Schema.decodeUnknownEffect(Order)(value, { errors: "all" }))
      assert.deepStrictEqual(firstProblem(error.issue), { path: "id", problem: "Expected string" })
    })
  )
})
