import { assert, beforeAll, describe, it } from "@effect/vitest"
import * as CheckExamples from "../src/checkExamples.ts"
import * as Examples from "../src/examples.ts"
import type * as Fences from "../src/fences.ts"

// Names no real page has: the files lie beside those of the real examples.
const fence = (name: string, mode: Fences.Fence["mode"], code: string): Fences.Fence => ({
  path: `docs/selftest-${name}.md`,
  line: 10,
  mode,
  code
})

const fences = [
  fence("right", "run", "const a = { b: [1] }\na // => { b: [1] }"),
  fence("wrong", "run", "const a = 1\n\na + 1 // => 3"),
  fence("throwing", "run", 'throw new Error("boom")'),
  fence("untyped", "run", 'const a: number = "1"\na // => "1"'),
  fence("compiled", "no-run", 'throw new Error("never run")'),
  fence("uncompiled", "no-run", "const a: string = 1"),
  fence("unfinished", "run", "const a = 1\nif (a) a // => 1"),
  fence(
    "package",
    "run",
    'import { QueueName } from "@queue-runtime/core"\nQueueName.is("orders") // => true'
  ),
  fence(
    "unreached",
    "run",
    "const f = () => {\n  g() // => 1\n}\nconst g = () => 1\n\ng() // => 1"
  ),
  fence("endless", "run", "await new Promise(() => {})"),
  fence("behind", "run", "1 + 1 // => 2")
]

describe("check", () => {
  let failures: CheckExamples.Failures = new Map()
  beforeAll(() => {
    failures = CheckExamples.check(Examples.make(fences), "selftest")
  }, 120_000)

  const of = (name: string) =>
    [...failures].find(
      ([
        {
          fence: { path }
        }
      ]) => path === `docs/selftest-${name}.md`
    )?.[1]

  it("passes an example whose values are right", () => {
    assert.deepStrictEqual(of("right"), [])
    assert.deepStrictEqual(of("package"), [])
  })

  it("fails a wrong value at its line", () => {
    assert.strictEqual(of("wrong")?.length, 1)
    assert.match(of("wrong")?.[0] ?? "", /^docs\/selftest-wrong\.md:12: .*strictly deep-equal/su)
  })

  it("fails an example that throws", () => {
    assert.match(of("throwing")?.[0] ?? "", /^docs\/selftest-throwing\.md:10: .*boom/su)
  })

  it("fails a type error and does not run it", () => {
    assert.strictEqual(of("untyped")?.length, 1)
    assert.match(of("untyped")?.[0] ?? "", /^docs\/selftest-untyped\.md:10: error TS2322/u)
  })

  it("compiles a no-run example and does not run it", () => {
    assert.deepStrictEqual(of("compiled"), [])
    assert.match(of("uncompiled")?.[0] ?? "", /^docs\/selftest-uncompiled\.md:10: error TS2322/u)
  })

  it("fails a value that it cannot assert", () => {
    assert.match(of("unfinished")?.[0] ?? "", /^docs\/selftest-unfinished\.md:11: .*no expression/u)
  })

  it("fails a value that is never reached", () => {
    assert.deepStrictEqual(of("unreached"), [
      "docs/selftest-unreached.md:11: this // => is never reached"
    ])
  })

  it("fails an example that never ends, and those behind it", () => {
    assert.match(of("endless")?.[0] ?? "", /^docs\/selftest-endless\.md:10: did not end/u)
    const behind =
      "docs/selftest-behind.md:10: not run, since docs/selftest-endless.md:10 did not end"
    assert.deepStrictEqual(of("behind"), [behind])
  })

  it("is nothing for no examples", () => {
    assert.strictEqual(CheckExamples.check([], "selftest-none").size, 0)
  })
})
