import { assert, describe, it } from "@effect/vitest"
import * as fit from "../src/fit.ts"

const sizes = [1, 10, 100, 10_000]

const of = (cost: (size: number) => number): number =>
  fit.exponent(sizes.map((size) => [size, cost(size)] as const))

describe("exponent", () => {
  it("is that of the power the costs are", () => {
    assert.closeTo(
      of((size) => 7 * size),
      1,
      1e-9
    )
    assert.closeTo(
      of((size) => 3 * size ** 2),
      2,
      1e-9
    )
    assert.closeTo(
      of(() => 5),
      0,
      1e-9
    )
    assert.isBelow(
      of((size) => 1 / size),
      0
    )
  })

  it("tells the logarithm from the root", () => {
    const logarithm = of((size) => Math.log2(size + 1))
    assert.isAbove(logarithm, 0)
    assert.isBelow(
      logarithm,
      of((size) => size ** 0.5)
    )
  })
})
