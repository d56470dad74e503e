import { assert, describe, it } from "@effect/vitest"
import * as page from "../src/page/page.ts"
import * as Reasons from "../src/Reasons.ts"
import * as Report from "../src/Report.ts"

const missed: Report.Case = {
  ...Report.make({ case: "a", ours: 90, peer: 100, target: 1, better: "higher" }),
  spread: [0.8, 1.1]
}

describe("why a target is missed", () => {
  it("is told of each that is, and of no other", () => {
    const met = { ...missed, case: "b", ratio: 1.2 }
    assert.strictEqual(Reasons.render([met]), "")
    assert.strictEqual(
      Reasons.render([met, missed]),
      "\nMissed, and why:\n\n- a\n  the rounds lie on both sides of the target: this run does not decide it\n"
    )
  })

  it("is not known where every round misses it and nobody has looked", () => {
    assert.strictEqual(Reasons.reasonOf({ ...missed, spread: [0.8, 0.95] }), "not known")
    assert.strictEqual(Reasons.reasonOf({ ...missed, absolute: true }), "not known")
    const { spread: _, ...without } = missed
    assert.strictEqual(Reasons.reasonOf(without), "not known")
  })

  it("is known of every case that a run on the page misses, and given for none that is no case", () => {
    const cases = page.runs().flatMap((run) => run.cases)
    const aimed = new Set(cases.flatMap((one) => (one.target === undefined ? [] : [one.case])))
    const unexplained = cases.filter(
      (one) => !Report.isMet(one) && Reasons.reasonOf(one) === "not known"
    )
    assert.deepStrictEqual(
      unexplained.map((one) => one.case),
      []
    )
    assert.deepStrictEqual(
      Object.keys(Reasons.known).filter((name) => !aimed.has(name)),
      []
    )
  })
})
