import { assert, describe, it } from "@effect/vitest"
import * as Examples from "../src/examples.ts"

const prelude = Examples.rewrite("").program

const program = (code: string) => {
  const rewritten = Examples.rewrite(code)
  assert.deepStrictEqual(rewritten.problems, [])
  assert.isTrue(rewritten.program.endsWith(prelude))
  return rewritten.program.slice(0, -prelude.length)
}

const problems = (code: string) => Examples.rewrite(code).problems

describe("rewrite", () => {
  it("makes an assertion of a value behind a statement", () => {
    assert.strictEqual(program("f(1) // => 2"), "$same(f(1),  2, 1)")
  })

  it("makes an assertion of a value on the next line and keeps the lines", () => {
    assert.strictEqual(
      program("f(\n  1\n)\n// => { a: 1 }\ng()"),
      "$same(f(\n  1\n),\n { a: 1 }, 4)\ng()"
    )
  })

  it("leaves statements without a value alone", () => {
    const code = 'import { a } from "b"\nconst c = a("// => 1") // why\nc()'
    assert.strictEqual(program(code), code)
  })

  it("asserts what a declaration declares", () => {
    assert.strictEqual(program("const a = f(1) // => 2"), "const a = f(1) ;$same(a, 2, 1)")
    assert.strictEqual(
      program("const a: A =\n  f(1)\n// => 2"),
      "const a: A =\n  f(1)\n$same(a, 2, 3)"
    )
  })

  it("works inside a generator", () => {
    const code = "gen(function* () {\n  const a = yield* b\n  yield* a // => 1\n})"
    const expected = "gen(function* () {\n  const a = yield* b\n  $same(yield* a,  1, 3)\n})"
    assert.strictEqual(program(code), expected)
  })

  it("takes several values and a literal as a statement", () => {
    const expected = '$same("a",  "a", 1)\n$same(b\n  .c(),  [1], 3)'
    assert.strictEqual(program('"a" // => "a"\nb\n  .c() // => [1]'), expected)
  })

  it("drops a semicolon", () => {
    assert.strictEqual(program("f(1); // => 2"), "$same(f(1),  2, 1)")
  })

  it("tells the lines of its assertions", () => {
    assert.deepStrictEqual(Examples.rewrite("a // => 1\nb\nc\n// => 2").assertions, [1, 4])
  })

  it("says what it cannot assert", () => {
    assert.deepStrictEqual(problems("if (a) b // => 1"), [
      { line: 1, message: "// => stands behind no expression" }
    ])
    assert.deepStrictEqual(problems("const { a } = b // => 1").length, 1)
    assert.deepStrictEqual(problems("\na //  =>"), [{ line: 2, message: "// => expects nothing" }])
    assert.deepStrictEqual(problems("// => 1").length, 1)
  })
})

describe("make", () => {
  const fence = { path: "packages/core/src/Message.ts", line: 10, mode: "run", code: "a" } as const

  it("names a file after its package, module and number", () => {
    const all = [
      fence,
      { ...fence, mode: "no-check" } as const,
      { ...fence, mode: "no-run" } as const,
      { ...fence, path: "packages/core/src/internal/utf8.ts" },
      { ...fence, path: "README.md" },
      { ...fence, path: "docs/write-a-provider.md" },
      { ...fence, path: "packages/core/README.md" }
    ]
    assert.deepStrictEqual(
      Examples.make(all).map(({ file }) => file),
      [
        "core-Message-1.ts",
        "core-Message-2.ts",
        "core-internal-utf8-1.ts",
        "root-README-1.ts",
        "docs-write-a-provider-1.ts",
        "core-README-1.ts"
      ]
    )
  })

  it("places problems and lines in the source", () => {
    const [example] = Examples.make([{ ...fence, code: "a\nif (a) b // => 1" }])
    assert.isDefined(example)
    assert.strictEqual(example.problems[0]?.line, 11)
    assert.strictEqual(Examples.place(example, 2), "packages/core/src/Message.ts:11")
  })
})

describe("diagnostics", () => {
  it("reads the compiler's lines about examples", () => {
    const output = [
      "core-Message-1.ts(3,7): error TS2322: Type A.",
      "  Type B.",
      "../../../packages/core/src/Message.ts(1,1): error TS1: elsewhere",
      "/repo/.examples/core-A-2.ts(1,2): error TS2: C.",
      ""
    ].join("\n")
    assert.deepStrictEqual(Examples.diagnostics(output), [
      { file: "core-Message-1.ts", line: 3, message: "error TS2322: Type A.\n  Type B." },
      { file: "core-A-2.ts", line: 1, message: "error TS2: C." }
    ])
  })
})

describe("failingLine", () => {
  const code = "a\nb\nc"
  const fence = { path: "packages/core/src/A.ts", line: 1, mode: "run", code } as const
  const [first, second] = Examples.make([fence, fence])

  it("is the line of the example in the stack, past the assertion behind it", () => {
    const stack = "E: a\n at same (/r/same.ts:16:3)\n at /r/.examples/core-A-1.ts:7:5"
    assert.isDefined(first)
    assert.isDefined(second)
    assert.strictEqual(Examples.failingLine(first, `${stack}\n at /r/.examples/core-A-1.ts:3:1`), 3)
    assert.strictEqual(Examples.failingLine(first, stack), 1)
    assert.strictEqual(Examples.failingLine(second, stack), 1)
  })
})
