import { assert, describe, it } from "@effect/vitest"
import * as measure from "../src/measure.ts"

describe("measure", () => {
  it("answers the median of the rounds and takes the tasks in turn", async () => {
    const order: Array<string> = []
    const task = (name: string, values: ReadonlyArray<number>): measure.Task => {
      let calls = 0
      return {
        name,
        sample: () => {
          order.push(name)
          return Promise.resolve(values[calls++ % values.length] ?? 0)
        }
      }
    }
    const medians = await measure.interleaved([task("a", [100, 900, 200]), task("b", [7])], {
      rounds: 3,
      samples: 3
    })
    assert.strictEqual(Math.round(medians.get("a") ?? 0), 200)
    assert.strictEqual(Math.round(medians.get("b") ?? 0), 7)
    assert.isAbove(order.lastIndexOf("a"), order.indexOf("b"))
  })
})
