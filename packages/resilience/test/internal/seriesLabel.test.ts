import { assert, describe, it } from "@effect/vitest"
import * as seriesLabel from "../../src/internal/seriesLabel.ts"

describe("seriesLabel", () => {
  it("R10.7 names beyond the bound share one series, known ones keep theirs", () => {
    const labelOf = seriesLabel.make(2)
    const labels = ["a", "b", "c", "a", "c"].map(labelOf)
    assert.deepStrictEqual(labels, ["a", "b", seriesLabel.others, "a", seriesLabel.others])
  })
})
