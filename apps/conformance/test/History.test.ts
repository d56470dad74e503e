import { assert, describe, it } from "@effect/vitest"
import { type Evidence, type Line, violations } from "../src/processes/history.ts"

const sent = new Map([["s", ["a", "b"]]])

const run = (...steps: ReadonlyArray<readonly [Line["_tag"], string, number?]>) => ({
  sent,
  killed: new Set<number>(),
  lines: steps.map(([_tag, id, pid = 1], at): Line => ({ _tag, id, pid, at, session: "s" }))
})

const good = run(["Started", "a"], ["Ended", "a"], ["Started", "b", 2], ["Ended", "b", 2])

const wrongOf = (evidence: Evidence) => violations(evidence).join("; ")

describe("the judge of worker processes", () => {
  it("finds nothing wrong with a good run", () => {
    assert.deepStrictEqual(violations(good), [])
  })

  it("goes by the time of the lines, not by their place", () => {
    assert.deepStrictEqual(violations({ ...good, lines: good.lines.toReversed() }), [])
  })

  it("allows a killed process to leave a message without an end, and another to repeat it", () => {
    const crashed = run(
      ["Started", "a", 1],
      ["Started", "a", 2],
      ["Ended", "a", 2],
      ["Started", "b", 2],
      ["Ended", "b", 2]
    )
    assert.deepStrictEqual(violations({ ...crashed, killed: new Set([1]) }), [])
    assert.match(wrongOf(crashed), /a began while a was at work/u)
  })

  it("sees a message that never ended", () => {
    assert.match(wrongOf(run(["Started", "a"], ["Ended", "a"])), /b never ended/u)
  })

  it("sees a message that overtook another", () => {
    const swapped = run(["Started", "b"], ["Ended", "b"], ["Started", "a"], ["Ended", "a"])
    assert.match(wrongOf(swapped), /b began before a had ended/u)
  })

  it("sees two at work in one session", () => {
    const overlapping = run(
      ["Started", "a"],
      ["Ended", "a"],
      ["Started", "b"],
      ["Started", "b", 2],
      ["Ended", "b"],
      ["Ended", "b", 2]
    )
    assert.match(wrongOf(overlapping), /b began while b was at work/u)
  })

  it("sees a session that went back to an older token, or to the same one elsewhere", () => {
    const under = (...tokens: ReadonlyArray<number>) => {
      const lines = good.lines.map((line): Line => {
        const token = line._tag === "Started" ? tokens[line.id === "a" ? 0 : 1] : undefined
        return token === undefined ? line : { ...line, token }
      })
      return { ...good, lines }
    }
    assert.deepStrictEqual(violations(under(1, 2)), [])
    assert.match(wrongOf(under(2, 1)), /b began under token 1, after 2/u)
    assert.match(wrongOf(under(2, 2)), /b began under token 2, after 2/u)
  })
})
