import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as identifier from "../../src/internal/identifier.ts"

const codes = Array.from({ length: 0x10000 }, (_, code) => code)

const only = (isAllowed: (code: number) => boolean) =>
  String.fromCharCode(...codes.filter(isAllowed))

describe("identifier", () => {
  it("R1.1 printable ASCII is space to tilde, of all 65,536 units", () => {
    const printable = only(identifier.isPrintableAscii)
    assert.strictEqual(printable.length, 95)
    assert.isTrue(printable.startsWith(' !"#'))
    assert.isTrue(printable.endsWith("|}~"))
  })

  it("R1.1 letters and digits are the ASCII ones, of all 65,536 units", () => {
    const expected = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
    assert.strictEqual(only(identifier.isLetterOrDigit), expected)
  })

  it("R1.1 a rule names the first character that breaks it, and its place", () => {
    const rule = identifier.charactersRule("digits", 3, (code) => code >= 0x30 && code <= 0x39)
    assert.strictEqual(rule("123"), undefined)
    assert.strictEqual(rule(""), "digits; got 0 characters")
    assert.strictEqual(rule("1234"), "digits; got 4 characters")
    assert.strictEqual(rule("1a"), "digits; got U+0061 at index 1")
    assert.strictEqual(rule("\n"), "digits; got U+000A at index 0")
  })

  it.effect("R1.1 the three constructors agree", () =>
    Effect.gen(function* () {
      const rule: identifier.Rule = (value) => (value === "x" ? undefined : "must be x")
      const { is, make, makeUnsafe } = identifier.constructors("field", rule, (value) => value)
      assert.strictEqual(yield* make("x"), "x")
      assert.strictEqual(makeUnsafe("x"), "x")
      assert.isTrue(is("x"))
      const error = yield* Effect.flip(make("y"))
      assert.strictEqual(error.message, "ValidationFailed: field: must be x")
      assert.throws(() => makeUnsafe("y"), "field: must be x")
      assert.isFalse(is("y"))
    })
  )
})
