import { assert, describe, it } from "@effect/vitest"
import * as Rule from "../src/Rule.ts"

describe("Rule", () => {
  it("is read as its id and its sentence", () => {
    assert.strictEqual(Rule.format({ id: "SETTLE-3", title: "once" }), "SETTLE-3 once")
  })

  it("a failure says what was looked at, expected and found", () => {
    const all = new Rule.RuleFailed({ what: "the count", expected: "1", actual: "2" })
    assert.strictEqual(all.message, "the count\n  expected: 1\n  actual:   2")
    assert.strictEqual(new Rule.RuleFailed({ what: "it hangs" }).message, "it hangs")
  })

  it("a skipped rule says why", () => {
    assert.strictEqual(new Rule.RuleSkipped({ reason: "no peek" }).message, "no peek")
  })
})
