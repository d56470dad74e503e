import { assert, describe, it } from "@effect/vitest"
import { ExcusedDeliveries } from "../../src/internal/excusedDeliveries.ts"
import * as MessageId from "../../src/MessageId.ts"

const id = MessageId.makeUnsafe

describe("excusedDeliveries", () => {
  it("R5.6 takes what was excused off the count, of this message alone", () => {
    const excused = new ExcusedDeliveries(10)
    excused.excuse(id("a"))
    excused.excuse(id("a"))
    assert.strictEqual(excused.counted(id("a"), 5), 3)
    assert.strictEqual(excused.counted(id("b"), 5), 5)
  })

  it("R5.6 a delivery counts at least itself: a message that was sent again begins anew", () => {
    const excused = new ExcusedDeliveries(10)
    for (let times = 0; times < 4; times++) excused.excuse(id("a"))
    assert.strictEqual(excused.counted(id("a"), 1), 1)
  })

  it("R5.6 forgets what is done", () => {
    const excused = new ExcusedDeliveries(10)
    excused.excuse(id("a"))
    excused.forget(id("a"))
    assert.strictEqual(excused.counted(id("a"), 5), 5)
  })

  it("R10.7 beyond the bound the one that was first excused is forgotten, a known one adds nothing", () => {
    const excused = new ExcusedDeliveries(2)
    for (const one of ["a", "b", "a", "c"]) excused.excuse(id(one))
    assert.deepStrictEqual(
      ["a", "b", "c"].map((one) => excused.counted(id(one), 5)),
      [5, 4, 4]
    )
  })
})
