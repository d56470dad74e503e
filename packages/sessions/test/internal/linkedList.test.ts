import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as linkedList from "../../src/internal/linkedList.ts"

const forwards = <A>(list: linkedList.LinkedList<A>): ReadonlyArray<A> => {
  const values: Array<A> = []
  for (let node = list.first; node !== undefined; node = node.next) values.push(node.value)
  return values
}

const backwards = <A>(list: linkedList.LinkedList<A>): ReadonlyArray<A> => {
  const values: Array<A> = []
  for (let node = list.last; node !== undefined; node = node.previous) values.push(node.value)
  return values
}

describe("linkedList", () => {
  it.effect.prop(
    "is an array to which is appended and from which any place is taken",
    {
      steps: Arbitrary.array(
        Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: -8, maximum: 7 }))),
        { maxLength: 40 }
      )
    },
    ({ steps }) =>
      Effect.sync(() => {
        const list = linkedList.make<number>()
        const nodes: Array<linkedList.Node<number>> = []
        for (const [index, step] of steps.entries()) {
          // Below zero appends; the others take out the place they name, if there is one.
          const [taken] = step < 0 ? [] : nodes.splice(step, 1)
          if (step < 0) nodes.push(linkedList.append(list, index))
          else if (taken !== undefined) linkedList.remove(list, taken)
          const expected = nodes.map(({ value }) => value)
          assert.deepStrictEqual(forwards(list), expected)
          assert.deepStrictEqual(backwards(list), expected.toReversed())
        }
      }),
    { arbitrary: { runs: 200 } }
  )
})
