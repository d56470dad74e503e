import { assert, describe, it } from "@effect/vitest"
import * as jsonPath from "../../src/internal/jsonPath.ts"

describe("jsonPath", () => {
  it("reads strings, booleans and finite numbers as text", () => {
    const value = { s: "", b: true, n: -1.5, big: 1e21, nan: Number.NaN, inf: Infinity, i: 1n }
    assert.deepStrictEqual(
      Object.keys(value).map((name) => jsonPath.read(value, name)),
      ["", "true", "-1.5", "1e+21", undefined, undefined, undefined]
    )
  })

  it("a root that is a text has no path", () => {
    assert.isUndefined(jsonPath.read("text", ""))
    assert.deepStrictEqual([...jsonPath.leaves("text")], [])
    assert.deepStrictEqual([...jsonPath.leaves(null)], [])
  })

  it("a name may be empty, and a backslash at the end stands for itself", () => {
    assert.strictEqual(jsonPath.read({ "": { "": "x" } }, "."), "x")
    assert.strictEqual(jsonPath.read({ "a\\": "x" }, "a\\"), "x")
    assert.strictEqual(jsonPath.read({ "a\\": "x" }, "a\\\\"), "x")
    assert.strictEqual(jsonPath.read({ "a.b": "x", a: { b: "y" } }, "a\\.b"), "x")
    assert.strictEqual(jsonPath.read({ "a.b": "x", a: { b: "y" } }, "a.b"), "y")
  })

  it("leaves come in the order of the value, each once for each way to it", () => {
    const shared = { x: 1 }
    assert.deepStrictEqual(
      [...jsonPath.leaves({ a: shared, b: [shared, null, "t"] })],
      [
        ["a.x", "1"],
        ["b.0.x", "1"],
        ["b.2", "t"]
      ]
    )
  })

  it("a value that contains itself ends", () => {
    const value: Record<string, unknown> = { x: "1" }
    value["self"] = value
    assert.deepStrictEqual([...jsonPath.leaves(value)], [["x", "1"]])
  })

  it("depth beyond the stack is no defect", () => {
    let value: unknown = "deep"
    for (let depth = 0; depth < 20_000; depth++) value = [value]
    const [leaf] = jsonPath.leaves(value)
    assert.strictEqual(leaf?.[1], "deep")
    assert.strictEqual(jsonPath.read(value, leaf?.[0] ?? ""), "deep")
  })
})
