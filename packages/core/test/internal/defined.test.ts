import { assert, describe, it } from "@effect/vitest"
import { defined, definedThroughout } from "../../src/internal/defined.ts"

describe("defined", () => {
  it("leaves out what is undefined and nothing else", () => {
    const value = { a: undefined, b: null, c: 0, d: "", e: false, f: Number.NaN, g: [undefined] }
    const kept = defined(value)
    assert.deepStrictEqual(Object.keys(kept), ["b", "c", "d", "e", "f", "g"])
    assert.deepStrictEqual(kept, { b: null, c: 0, d: "", e: false, f: Number.NaN, g: [undefined] })
    assert.property(value, "a")
  })

  it("makes properties optional that may be undefined, and leaves the others required", () => {
    const input: { readonly a: string; readonly b: number | undefined } = { a: "x", b: undefined }
    const output: { readonly a: string; readonly b?: number } = defined(input)
    assert.deepStrictEqual(output, { a: "x" })
    assert.deepStrictEqual(defined({}), {})
  })
})

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
