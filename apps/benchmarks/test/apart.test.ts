import { assert, describe, it } from "@effect/vitest"
import * as apart from "../src/policies/apart.ts"

describe("apart", () => {
  it("samples each task in a process of its own, which ends with the measurement", async () => {
    const { close, ended, tasks } = await apart.open(["hand", "sealed ten"])
    for (const { sample } of tasks) assert.isAbove(await sample(), 0)
    close()
    assert.deepStrictEqual(await ended, [0, 0])
  })

  it("says that a task ended instead of waiting for its sample", async () => {
    const { close, tasks } = await apart.open(["hand"])
    close()
    const [task] = tasks
    const error: unknown = await task?.sample().catch((cause: unknown) => cause)
    assert.instanceOf(error, Error)
  })
})
