import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Signature from "../src/Signature.ts"
import { bytes, secret } from "./fixtures.ts"

const hello = "sha256=757107ea0eb2509fc211221cce984b8a37570b6d7586c22c46f4379c8b043e17"

describe("Signature", () => {
  it("signs GitHub's own example", () => {
    assert.strictEqual(Signature.sign(secret, bytes("Hello, World!")), hello)
    assert.isTrue(Signature.isValid(secret, bytes("Hello, World!"), hello))
  })

  it.each([
    // RFC 4231, test cases 1 and 2
    {
      key: "\u000B".repeat(20),
      data: "Hi There",
      hex: "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"
    },
    {
      key: "Jefe",
      data: "what do ya want for nothing?",
      hex: "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"
    }
  ])("is HMAC-SHA-256 by RFC 4231: $data", ({ data, hex, key }) => {
    assert.strictEqual(Signature.sign(Redacted.make(key), bytes(data)), `sha256=${hex}`)
  })

  it.each([
    undefined,
    "",
    "sha256=",
    hello.slice(0, -1),
    `${hello}0`,
    hello.replace("sha256", "sha1"),
    hello.slice("sha256=".length),
    hello.replace("757107", "757108"),
    hello.replace(/7$/u, "z"),
    `${hello}\n`
  ])("refuses %j", (value) => {
    assert.isFalse(Signature.isValid(secret, bytes("Hello, World!"), value))
  })

  it("takes the digits of the header in upper case too", () => {
    const upper = `sha256=${hello.slice("sha256=".length).toUpperCase()}`
    assert.isTrue(Signature.isValid(secret, bytes("Hello, World!"), upper))
  })

  it("refuses the signature of another secret", () => {
    assert.isFalse(Signature.isValid(Redacted.make("other"), bytes("Hello, World!"), hello))
  })

  it.effect.prop(
    "signs bytes: changing one of them makes the signature invalid",
    { body: Schema.Uint8Array, at: Schema.Natural },
    ({ at, body }) =>
      Effect.sync(() => {
        const signed = Signature.sign(secret, body)
        assert.isTrue(Signature.isValid(secret, body, signed))
        if (body.length === 0) return
        const changed = body.map((byte, index) => (index === at % body.length ? byte ^ 1 : byte))
        assert.isFalse(Signature.isValid(secret, changed, signed))
      })
  )
})
