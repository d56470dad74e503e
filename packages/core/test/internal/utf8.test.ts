import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as utf8 from "../../src/internal/utf8.ts"
import { bytes, text, units } from "../support/arbitraries.ts"

const runs = { arbitrary: { runs: 1_000 } }

describe("utf8", () => {
  it.each([
    ["", 0],
    ["a\u0000\u007f", 3],
    ["\u0080\u07ff", 4],
    ["\u0800\uffff", 6],
    ["😀", 4],
    ["\ud800", 3],
    ["\udc00", 3],
    ["\udc00\ud800", 6],
    ["\ud800\ud800\udc00", 7],
    ["\udbff\udfff", 4],
    ["\ud800a", 4],
    ["\ud800\ue000", 6]
  ] as const)("R1.7 the length of %j is %d bytes", (value, length) => {
    assert.strictEqual(utf8.textLength(value), length)
    assert.strictEqual(Buffer.byteLength(value, "utf8"), length)
  })

  it.effect.prop(
    "R1.7 the length of any string is that of its bytes, lone surrogates included",
    { value: units },
    ({ value }) =>
      Effect.sync(() => {
        assert.strictEqual(utf8.textLength(value), Buffer.byteLength(value, "utf8"))
        assert.strictEqual(utf8.textLength(value), utf8.fromText(value).byteLength)
      }),
    runs
  )

  it.effect.prop("R1.5 text is its bytes, and back", { value: text }, ({ value }) =>
    Effect.sync(() => {
      const encoded = utf8.fromText(value)
      assert.deepStrictEqual(encoded, new Uint8Array(Buffer.from(value, "utf8")))
      assert.strictEqual(utf8.toTextStrict(encoded), value)
      assert.strictEqual(utf8.toText(encoded), value)
    })
  )

  it.effect.prop(
    "R1.5 strict reading gives back the very bytes, or nothing",
    { value: bytes },
    ({ value }) =>
      Effect.sync(() => {
        const strict = utf8.toTextStrict(value)
        const lenient = Buffer.from(value).toString("utf8")
        const isUtf8 = Buffer.from(lenient, "utf8").equals(Buffer.from(value))
        assert.strictEqual(strict, isUtf8 ? lenient : undefined)
      }),
    runs
  )

  it("R1.5 a byte order mark is text like any other", () => {
    const marked = Uint8Array.of(0xef, 0xbb, 0xbf, 0x61)
    assert.strictEqual(utf8.toText(marked), "\ufeffa")
    assert.strictEqual(utf8.toTextStrict(marked), "\ufeffa")
  })

  it("R1.6 bytes that are no text are shown as U+FFFD by the lenient reader alone", () => {
    const broken = Uint8Array.of(0x61, 0xff, 0x62)
    assert.strictEqual(utf8.toText(broken), "a\ufffdb")
    assert.strictEqual(utf8.toTextStrict(broken), undefined)
  })
})
