import { assert, describe, it } from "@effect/vitest"
import { Checker, Fault, Story } from "../src/index.ts"
import { begun, done, history, sent } from "./histories.ts"

describe("Story", () => {
  it("DESIGN 7 tells what a violation is about, and nothing else", () => {
    const told = history([
      ...sent("m1"),
      ...sent("m2"),
      ...begun(),
      ...done(),
      ...begun({ id: "m2", token: "d2" }),
      ...done({ id: "m2", token: "d2" }),
      ["Delivered", { token: "d3", node: "w2", count: 2 }],
      ["Started", { id: "m2", token: "d4", at: 100 }]
    ])
    const [first] = Checker.check(told)
    assert.isDefined(first)
    if (first === undefined) return
    const steps = Story.steps(told, first)
    assert.deepStrictEqual(steps, [
      "0.000 s  p1 sends m1",
      "0.002 s  the broker takes m1 as 1",
      "0.008 s  w1 gets m1 (d1), locked until 29.999 s",
      "0.009 s  the handler of m1 begins in w1 (d1)",
      "0.010 s  the handler in w1 is done with m1",
      "0.012 s  w1 completes m1 (d1)",
      "0.018 s  w2 gets m1, delivery 2 (d3), locked until 29.999 s"
    ])
    assert.match(
      Story.format("7", told, [first]),
      /^seed 7: m1 came again .+ \(total queue\)\n {2}0\.000 s/u
    )
  })

  it("a run that went well has none", () => {
    assert.strictEqual(Story.format("7", history([]), []), "seed 7: nothing is wrong")
  })

  it("of a lock that is renewed often the last time is told", () => {
    const told = history([
      ...sent(),
      ...begun(),
      ["Renewed", { token: "d1", until: 40_000 }],
      ["Renewed", { token: "d1", until: 50_000 }],
      ["Left"]
    ])
    const steps = Story.steps(told, { at: 10, about: ["m1"] })
    assert.strictEqual(steps.filter((line) => line.includes("renews")).length, 1)
    assert.isTrue(steps.some((line) => line.includes("50.000 s") || line.includes("49.999 s")))
  })
})

describe("Fault", () => {
  it("each has a name, a sentence and a probability, and can be chosen by its name", () => {
    assert.strictEqual(new Set(Fault.all.map(({ name }) => name)).size, Fault.all.length)
    for (const { max, title } of Fault.all) {
      assert.isAbove(max, 0)
      assert.isAtMost(max, 1)
      assert.isAbove(title.length, 10)
    }
    assert.deepStrictEqual(Fault.only("crash"), { crash: 0.05 })
    assert.deepStrictEqual(Fault.none, {})
  })
})
