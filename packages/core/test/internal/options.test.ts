import { assert, describe, it } from "@effect/vitest"
import { definedThroughout } from "../../src/internal/options.ts"

describe("definedThroughout", () => {
  it("R10.1 leaves out what is undefined in plain objects, however deep, and nothing else", () => {
    class Kept {
      readonly inside = undefined
    }
    const kept = new Kept()
    const own = { token: undefined, get: () => "t" }
    const list = [{ a: undefined }]
    const value = { a: undefined, b: { c: undefined, d: { e: undefined, f: 1 } }, kept, list, own }
    assert.deepStrictEqual(definedThroughout(value), { b: { d: { f: 1 } }, kept, list, own })
    assert.property(value.b, "c")
    for (const one of [undefined, null, 7, "text", kept, list, own]) {
      assert.strictEqual(definedThroughout(one), one)
    }
  })
})
