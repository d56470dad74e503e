import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Report from "../../src/demo/Report.ts"

const counts = {
  sent: 1_234,
  accepted: 1_200,
  refused: 34,
  processed: 1_000,
  retried: 5,
  deadLettered: 2
}

const outcome = {
  evidence: {
    plan: [],
    events: [],
    deadLetters: [],
    timelines: new Map(),
    stored: 3,
    readable: ["a"],
    left: 0
  },
  counts,
  turnedAway: 7,
  elapsed: Duration.millis(1_250),
  violations: []
}

describe("Report", () => {
  it("the progress says how far it is, and whether the downstream is down", () => {
    assert.strictEqual(
      Report.progress(Duration.millis(1_250), counts, true),
      "  1.3 s  downstream DOWN  sent 1,234  refused 34  processed 1,000  retried 5  dead-lettered 2"
    )
    assert.include(Report.progress(Duration.zero, counts, false), "downstream up")
  })

  it("a good run ends with the statement", () => {
    assert.strictEqual(
      Report.closing(outcome).at(-1),
      "verified: every session in order, nothing lost"
    )
  })

  it("says what lay in the queue, and what came again", () => {
    const again = { _tag: "Settled", id: "a", session: "s", as: "Unsettled" } as const
    const evidence = { ...outcome.evidence, events: [again] }
    const lines = Report.closing({ ...outcome, evidence }).join("\n")
    assert.include(lines, "2 of 3 bodies sealed")
    assert.include(lines, "1 that were handled and whose settlement was lost")
  })

  it("a bad one says what is wrong, and does not flood", () => {
    const violations = Array.from({ length: 25 }, (_, index) => `violation ${index}`)
    const lines = Report.closing({ ...outcome, violations })
    assert.include(lines, "NOT VERIFIED: 25 violations")
    assert.include(lines, "  violation 19")
    assert.notInclude(lines, "  violation 20")
    assert.strictEqual(lines.at(-1), "  and 5 more")
    assert.notInclude(lines.join("\n"), "verified: ")
  })

  it("an unexpected refusal is told apart from a planned one", () => {
    const event = { _tag: "Answered", id: "a", session: "s", status: 503 } as const
    const evidence = { ...outcome.evidence, events: [event] }
    assert.include(Report.closing({ ...outcome, evidence }).join("\n"), "1 × 503 (a valid one)")
  })
})
