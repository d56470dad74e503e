import { assert, describe, it } from "@effect/vitest"
import { defined } from "../../src/internal/defined.ts"

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
