import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Verdict from "../src/Verdict.ts"

describe("Verdict", () => {
  it("R3.1 complete, abandon at once or after a delay, dead-letter with and without a description", () => {
    const delay = Duration.seconds(3)
    assert.deepStrictEqual(Verdict.complete, { _tag: "Complete" })
    assert.deepStrictEqual(Verdict.abandon(), { _tag: "Abandon", delay: Duration.zero })
    assert.deepStrictEqual(Verdict.abandon(delay), { _tag: "Abandon", delay })
    const plain = Verdict.deadLetter("Unknown")
    assert.deepStrictEqual(plain, { _tag: "DeadLetter", reason: "Unknown" })
    assert.notProperty(plain, "description")
    assert.deepStrictEqual(Verdict.deadLetter("Unknown", ""), {
      _tag: "DeadLetter",
      reason: "Unknown",
      description: ""
    })
  })

  it.each([
    Verdict.complete,
    Verdict.abandon(Duration.millis(1)),
    Verdict.deadLetter("r"),
    Verdict.deadLetter("r", "d")
  ])("a verdict is data, read back from JSON: %j", (verdict) => {
    const json = Schema.fromJsonString(Schema.toCodecJson(Verdict.Verdict))
    const back = Schema.decodeUnknownSync(json)(Schema.encodeSync(json)(verdict))
    assert.deepStrictEqual(back, verdict)
  })

  it("a verdict of no kind is none", () => {
    assert.isFalse(Schema.is(Verdict.Verdict)({ _tag: "Defer" }))
    assert.isFalse(Schema.is(Verdict.Verdict)({ _tag: "DeadLetter" }))
  })
})
