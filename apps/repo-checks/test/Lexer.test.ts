import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as Lexer from "../src/lexer.ts"
import * as Repository from "../src/repository.ts"

const kinds = (text: string) => Lexer.lex(text).map(({ kind }) => kind)
const parts = (text: string) => Lexer.lex(text).map(({ end, start }) => text.slice(start, end))

describe("lex", () => {
  it("covers the whole text without a gap", () => {
    const text = 'const a = `x${ f({ b: "}" }) }y` // c\n/* d */ const r = /[/"]+/u\n'
    assert.strictEqual(parts(text).join(""), text)
  })

  it("knows strings, comments and templates", () => {
    assert.deepStrictEqual(kinds('a("// no") // yes'), ["code", "string", "code", "lineComment"])
    assert.deepStrictEqual(kinds("/* a // b */c"), ["blockComment", "code"])
    assert.deepStrictEqual(parts("`a${b}c`"), ["`a${", "b", "}c`"])
  })

  it("leaves a template's braces to its code", () => {
    assert.deepStrictEqual(parts("`${f({ a: 1 })}`+x"), ["`${", "f({ a: 1 })", "}`", "+x"])
    assert.deepStrictEqual(parts("`${`${a}`}`"), ["`${", "`${", "a", "}`", "}`"])
  })

  it("leaves escaped quotes in their string", () => {
    assert.deepStrictEqual(parts(String.raw`"a\"b"+c`), [String.raw`"a\"b"`, "+c"])
    assert.deepStrictEqual(parts("`a\\`b`+c"), ["`a\\`b`", "+c"])
    assert.deepStrictEqual(parts("`\\${a}`"), ["`\\${a}`"])
  })

  it("tells a regular expression from a division", () => {
    assert.deepStrictEqual(parts('x = /["/]\\//gu.y'), ["x = ", '/["/]\\//gu', ".y"])
    assert.deepStrictEqual(kinds("a / b / c"), ["code"])
    assert.deepStrictEqual(kinds("f(a) / b[0] / 2"), ["code"])
    assert.deepStrictEqual(kinds("return /a/u"), ["code", "regex"])
    assert.deepStrictEqual(kinds("a! / 2 / 1"), ["code"])
    assert.deepStrictEqual(kinds("!/a/u"), ["code", "regex"])
    assert.deepStrictEqual(kinds('"a" / 2 / 1'), ["string", "code"])
    assert.deepStrictEqual(kinds("/a/u"), ["regex"])
  })

  it("ends what is not closed with the text, and a string with its line", () => {
    assert.deepStrictEqual(kinds("/* a"), ["blockComment"])
    assert.deepStrictEqual(kinds("`a"), ["template"])
    assert.deepStrictEqual(parts('"a\nb'), ['"a\n', "b"])
    assert.deepStrictEqual(parts("= /a\nb"), ["= ", "/a", "\nb"])
  })
})

describe("code", () => {
  it("blanks comments and literals and keeps every place", () => {
    assert.strictEqual(Lexer.code('f("ab") // c\n/*\n*/g'), "f(    )     \n  \n  g")
    assert.strictEqual(Lexer.code('f("ab") // c', "_"), "f(____)     ")
  })
})

describe("every text", () => {
  const Text = Schema.Array(
    Schema.Literals(["a", " ", "\n", "/", "*", "`", "${", "}", "{", '"', "'", "\\", "(", "[", "]"])
  )

  it.prop(
    "is covered by its tokens, and blanking keeps its lines",
    { pieces: Text },
    ({ pieces }) => {
      const text = pieces.join("")
      assert.strictEqual(parts(text).join(""), text)
      const shape = (one: string) => one.split("\n").map(({ length }) => length)
      assert.deepStrictEqual(shape(Lexer.code(text)), shape(text))
    }
  )
})

describe("every source of the repository", () => {
  const count = (text: string, bracket: string) => text.split(bracket).length

  it.each(Repository.sources().map(({ path, text }) => [path, Lexer.code(text)] as const))(
    "%s has its brackets in pairs once comments and literals are blank",
    (_, code) => {
      assert.strictEqual(count(code, "("), count(code, ")"))
      assert.strictEqual(count(code, "["), count(code, "]"))
      assert.strictEqual(count(code, "{"), count(code, "}"))
    }
  )
})

describe("comments", () => {
  it("are found with their place", () => {
    assert.deepStrictEqual(Lexer.comments('"// a"\n// b'), [{ start: 7, end: 11, text: "// b" }])
    assert.strictEqual(Lexer.lineOf('"// a"\n// b', 7), 2)
  })
})

describe("statementStart", () => {
  const start = (text: string) => {
    const masked = Lexer.code(text, '"')
    return text.slice(Lexer.statementStart(masked, masked.trimEnd().length))
  }

  it("is the line, when the statement is one line", () => {
    assert.strictEqual(start("const a = 1\nf(a)"), "f(a)")
  })

  it("goes back over open brackets, chains and operators", () => {
    assert.strictEqual(start("a()\nf(\n  b,\n  c\n)"), "f(\n  b,\n  c\n)")
    assert.strictEqual(start("a()\nb\n  .c()\n  .d()"), "b\n  .c()\n  .d()")
    assert.strictEqual(start("a()\nconst b =\n  c"), "const b =\n  c")
    assert.strictEqual(start("a()\nb ||\n  c"), "b ||\n  c")
  })

  it("stops at the brace of the block it is in", () => {
    assert.strictEqual(start("gen(function* () {\n  yield* a"), "yield* a")
  })

  it("is not fooled by a bracket in a string or a comment", () => {
    assert.strictEqual(start('a(")")\n// (\nf("(")'), 'f("(")')
  })
})
