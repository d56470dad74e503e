import { assert, describe, it } from "@effect/vitest"
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as Report from "../src/Report.ts"

const faster = Report.make({ case: "a", ours: 300, peer: 100, target: 2.5, better: "higher" })
const slower = Report.make({ case: "b", ours: 1, peer: 2, target: 0.4, better: "lower" })

describe("Report", () => {
  it("works out the ratio and holds it against the target by its direction", () => {
    assert.strictEqual(faster.ratio, 3)
    assert.isTrue(Report.isMet(faster))
    assert.isFalse(Report.isMet(slower))
    assert.isTrue(Report.isMet({ ...slower, target: 0.5 }))
  })

  it("holds a target against the figure itself, where it is one of its own", () => {
    const within = Report.make({
      case: "a",
      ours: 25,
      peer: 5,
      target: 30,
      absolute: true,
      better: "lower"
    })
    assert.isTrue(Report.isMet(within))
    assert.isFalse(Report.isMet({ ...within, ours: 31 }))
    assert.isFalse(Report.isMet({ ...within, better: "higher" }))
    assert.match(Report.render([within]), /^a +25\.0 +5\.00 +5\.00 +ours ≤ 30 +met$/mu)
  })

  it("tells a figure without a target for what it is", () => {
    const told = Report.make({ case: "a", ours: 300, peer: 100, better: "lower" })
    assert.isTrue(Report.isMet(told))
    assert.match(Report.render([told]), /^a +300 +100 +3\.00$/mu)
  })

  it("shows how far the ratios of the rounds lay apart", () => {
    const values = { case: "c", target: 1, better: "higher" } as const
    const rounds = Report.ofRounds({ ...values, ours: [10, 30, 20], peer: [10, 10, 10] })
    assert.deepStrictEqual(rounds, { ...values, ours: 20, peer: 10, ratio: 2, spread: [1, 3] })
    assert.match(Report.render([rounds]), /1\.00–3\.00/u)
  })

  it("a run takes the place of the cases of the same name, and the others stay", () => {
    const again = { ...faster, ours: 200, ratio: 2 }
    assert.deepStrictEqual(Report.merge([faster, slower], [again]), [slower, again])
  })

  it("writes what it reads, and nothing is there before the first run", () => {
    const folder = mkdtempSync(join(tmpdir(), "bench-"))
    try {
      const path = join(folder, "reports", "bench.json")
      assert.deepStrictEqual(Report.read(path), [])
      Report.write(path, [faster, slower])
      assert.deepStrictEqual(Report.read(path), [faster, slower])
    } finally {
      rmSync(folder, { recursive: true })
    }
  })

  it("prints aligned columns and says what was missed", () => {
    const [head, , first, second] = Report.render([faster, slower]).split("\n")
    assert.match(head ?? "", /^case +ours +peer +ratio +spread +target$/)
    assert.match(first ?? "", /^a +300 +100 +3\.00 +≥ 2\.5 +met$/)
    assert.match(second ?? "", /^b .* ≤ 0\.4 +MISSED$/)
  })
})
