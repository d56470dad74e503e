import { assert, describe, it } from "@effect/vitest"
import * as Fences from "../src/fences.ts"

const page = (text: string) => Fences.find({ path: "README.md", text })
const source = (text: string) => Fences.find({ path: "packages/core/src/X.ts", text })

describe("find", () => {
  it("finds the fences of a page with their first line and mode", () => {
    const text = "# A\n```ts\na\nb\n```\n\n```ts no-run\nc\n```\n```ts no-check\nd\n```\n"
    assert.deepStrictEqual(page(text).fences, [
      { path: "README.md", line: 3, mode: "run", code: "a\nb" },
      { path: "README.md", line: 8, mode: "no-run", code: "c" },
      { path: "README.md", line: 11, mode: "no-check", code: "d" }
    ])
  })

  it("finds the fences of doc comments without the stars", () => {
    const text =
      "const a = 1\n/**\n * One.\n *\n * ```ts\n * f({\n *   a\n * })\n *\n * g\n * ```\n */\nexport const b = 2\n"
    assert.deepStrictEqual(source(text).fences, [
      { path: "packages/core/src/X.ts", line: 6, mode: "run", code: "f({\n  a\n})\n\ng" }
    ])
  })

  it("looks into doc comments alone", () => {
    assert.deepStrictEqual(source("const a = `\n/**\n * ```ts\n * b\n * ```\n */`\n").fences, [])
    assert.deepStrictEqual(source("/*\n * ```ts\n * b\n * ```\n */\n").fences, [])
  })

  it("takes the indent of the fence from its lines", () => {
    assert.strictEqual(
      page("- a\n  ```ts\n  b {\n    c\n  }\n  ```\n").fences[0]?.code,
      "b {\n  c\n}"
    )
  })

  it("leaves other languages alone, with fences inside them", () => {
    const text = "```sh\nnpm test\n```\n````md\n```ts\na\n```\n````\n```ts\nb\n```\n"
    assert.deepStrictEqual(page(text).problems, [])
    assert.deepStrictEqual(
      page(text).fences.map(({ code }) => code),
      ["b"]
    )
  })

  it("refuses what would escape the checks", () => {
    const problem = (text: string) =>
      page(text).problems.map(({ line, message }) => [line, message])
    assert.deepStrictEqual(problem("\n```typescript\na\n```\n"), [
      [2, "```typescript: write ts, ts no-run or ts no-check"]
    ])
    assert.strictEqual(problem("```ts norun\na\n```\n").length, 1)
    assert.strictEqual(problem("```js\na\n```\n").length, 1)
    assert.deepStrictEqual(problem("```ts\na\n"), [[1, "a fence that is not closed"]])
  })
})
