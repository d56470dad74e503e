import { assert, describe, it } from "@effect/vitest"
import * as Repository from "../src/repository.ts"
import * as SpecLines from "../src/specLines.ts"

/** How many lines each area of the specification has. */
const areas = {
  R1: 8,
  R2: 3,
  R3: 15,
  R4: 7,
  R5: 7,
  R6: 3,
  R7: 4,
  R8: 8,
  R9: 3,
  R10: 9,
  R11: 3,
  R12: 2
}

const all = Object.entries(areas).flatMap(([area, count]) =>
  Array.from({ length: count }, (_, index) => `${area}.${index + 1}`)
)

const named = new Set(Repository.sources().flatMap(SpecLines.named))

describe("the lines of the specification", () => {
  it.each(all)("%s has a test that names it", (line) => {
    const how = `begin the title of a test with ${line}, or name it as the source of a rule`
    assert.isTrue(named.has(line), `nothing tests ${line}: ${how}`)
  })

  it("are none but these: a title names no line that is not there", () => {
    assert.deepStrictEqual(
      [...named].filter((line) => !all.includes(line)),
      []
    )
  })
})

describe("named", () => {
  const inTest = (text: string) => SpecLines.named({ path: "packages/a/test/A.test.ts", text })

  it("finds the lines that titles begin with", () => {
    for (const call of [
      `it("R1.2 a", f)`,
      `it.effect("R1.2 a", f)`,
      `it.live(\n    "R1.2 a",\n f)`,
      `it.effect.each([1, f(2)])("R1.2 %s", f)`,
      `describe.concurrent("R1.2 a", f)`,
      "it(`R1.2 ${a}`, f)"
    ]) {
      assert.deepStrictEqual(inTest(call), ["R1.2"], call)
    }
    assert.deepStrictEqual(inTest(`it("R1.2 R10.9 a", f)`), ["R1.2", "R10.9"])
  })

  it("finds none elsewhere", () => {
    for (const text of [
      `it("a R1.2 in the middle", f)`,
      `it("R1.2", f)`,
      `it.skip("R1.2 a", f)`,
      `it.effect.skip("R1.2 a", f)`,
      `// it("R1.2 a", f)`,
      `const title = "R1.2 a"`,
      `assert.fail("R1.2 a")`
    ]) {
      assert.deepStrictEqual(inTest(text), [], text)
    }
    const text = `it("R1.2 a", f)`
    assert.deepStrictEqual(SpecLines.named({ path: "packages/a/src/A.ts", text }), [])
    assert.deepStrictEqual(SpecLines.named({ path: "packages/a/test/support.ts", text }), [])
  })

  it("finds the lines that rules of the contract come from", () => {
    const path = "packages/contract-tests/src/internal/rules/a.ts"
    const text = `rule({ title: "R9.9 a", source: "SPEC R1.2, R3.15; the service's page" })`
    assert.deepStrictEqual(SpecLines.named({ path, text }), ["R1.2", "R3.15"])
  })
})
