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

  it("counts nothing of the rounds that warm up", async () => {
    let calls = 0
    const task: measure.Task = { name: "a", sample: () => Promise.resolve(++calls) }
    const found = await measure.rounds([task], { warm: 3, rounds: 2, samples: 1 })
    assert.strictEqual(calls, 5)
    assert.deepStrictEqual(found.get("a")?.map(Math.round), [4, 5])
  })

  it("counts the time of the processor, and not what is waited for", async () => {
    const busy = measure.cpu(10, () => {
      const end = measure.threadCpu() + 20_000
      while (measure.threadCpu() < end) continue
    })
    // 20 ms over ten operations.
    assert.isAtLeast(await busy(), 2e6)
    const { promise, resolve } = Promise.withResolvers<void>()
    const waiting = measure.cpu(1, () => promise)()
    setTimeout(resolve, 50)
    assert.isBelow(await waiting, 50e6)
  })
})
