import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Redacted } from "effect"
import { CryptoProvider, type KeyProvider } from "@queue-runtime/core"
import { createCipheriv, createHmac } from "node:crypto"
import { NodeCrypto } from "../src/index.ts"
import { bytesOf } from "./support.ts"

const key = (bytes: Uint8Array = bytesOf(1)): KeyProvider.Key => ({
  id: "k1",
  material: Redacted.make(bytes)
})

const input = {
  nonce: Uint8Array.from({ length: 12 }, (_, index) => index),
  plaintext: new TextEncoder().encode("a body"),
  associatedData: new TextEncoder().encode("header and ids")
}

describe("NodeCrypto", () => {
  it.effect("R8.1 it is AES-256-GCM with a tag of 128 bits, as the platform has it", () =>
    Effect.gen(function* () {
      const cipher = yield* NodeCrypto.make
      const sealed = yield* cipher.encrypt(key(), input)
      const bare = createCipheriv("aes-256-gcm", bytesOf(1), input.nonce, { authTagLength: 16 })
      bare.setAAD(input.associatedData)
      assert.deepStrictEqual(
        Buffer.from(sealed.ciphertext),
        Buffer.concat([bare.update(input.plaintext), bare.final()])
      )
      assert.deepStrictEqual(Buffer.from(sealed.tag), bare.getAuthTag())
      const opened = yield* cipher.decrypt(key(), { ...input, ...sealed })
      assert.deepStrictEqual(opened, input.plaintext)
    })
  )

  it.effect("R8.1 signatures are HMAC-SHA-256 under a key of their own", () =>
    Effect.gen(function* () {
      const cipher = yield* NodeCrypto.make
      const own = createHmac("sha256", bytesOf(1)).update("queue-runtime QRE1 signing").digest()
      const expected = createHmac("sha256", own).update(input.plaintext).digest()
      const signature = yield* cipher.sign(key(), input.plaintext)
      assert.deepStrictEqual(Buffer.from(signature), expected)
      assert.isTrue(yield* cipher.verify(key(), input.plaintext, signature))
      assert.isFalse(yield* cipher.verify(key(), input.associatedData, signature))
      assert.isFalse(yield* cipher.verify(key(bytesOf(2)), input.plaintext, signature))
      assert.isFalse(yield* cipher.verify(key(), input.plaintext, signature.subarray(1)))
    })
  )

  it.effect("R8.1 no nonce comes twice, and one that was handed out stays as it is", () =>
    Effect.gen(function* () {
      const cipher = yield* NodeCrypto.make
      const first = yield* cipher.nonce
      const before = Buffer.from(first).toString("hex")
      const seen = new Set([before])
      for (let count = 1; count < 2_000; count++) {
        const nonce = yield* cipher.nonce
        assert.strictEqual(nonce.byteLength, 12)
        seen.add(Buffer.from(nonce).toString("hex"))
      }
      assert.strictEqual(seen.size, 2_000)
      assert.strictEqual(Buffer.from(first).toString("hex"), before)
    })
  )

  it.effect("R8.4 whatever differs, nothing of the plaintext comes out", () =>
    Effect.gen(function* () {
      const cipher = yield* NodeCrypto.make
      const sealed = yield* cipher.encrypt(key(), input)
      const good = { ...input, ...sealed }
      const changed = (bytes: Uint8Array): Uint8Array =>
        bytes.map((byte, at) => (at === 0 ? byte ^ 1 : byte))
      for (const bad of [
        { ...good, ciphertext: changed(good.ciphertext) },
        { ...good, tag: changed(good.tag) },
        { ...good, tag: good.tag.subarray(4) },
        { ...good, nonce: changed(good.nonce) },
        { ...good, nonce: new Uint8Array() },
        { ...good, associatedData: changed(good.associatedData) }
      ]) {
        const { reason } = yield* Effect.flip(cipher.decrypt(key(), bad))
        assert.deepInclude(reason, { _tag: "CryptoFailed", failure: "IntegrityFailed" })
      }
      const { reason } = yield* Effect.flip(cipher.decrypt(key(bytesOf(2)), good))
      assert.deepInclude(reason, { _tag: "CryptoFailed", failure: "IntegrityFailed" })
    })
  )

  it.effect("R8.4 a key that was wiped is refused, also after it was used", () =>
    Effect.gen(function* () {
      const cipher = yield* NodeCrypto.make
      const own = key(bytesOf(3))
      const sealed = yield* cipher.encrypt(own, input)
      Redacted.value(own.material).fill(0)
      for (const call of [
        Effect.asVoid(cipher.encrypt(own, input)),
        Effect.asVoid(cipher.decrypt(own, { ...input, ...sealed })),
        Effect.asVoid(cipher.sign(own, input.plaintext)),
        Effect.asVoid(cipher.verify(own, input.plaintext, new Uint8Array(32)))
      ]) {
        const { reason } = yield* Effect.flip(call)
        assert.deepInclude(reason, { _tag: "CryptoFailed", failure: "KeyNotFound" })
      }
    })
  )

  it.effect("R8.1 a key of another length is ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const cipher = yield* Effect.map(
        Layer.build(NodeCrypto.layer),
        Context.get(CryptoProvider.CryptoProvider)
      )
      for (const size of [0, 16, 31, 33]) {
        const error = yield* Effect.flip(cipher.encrypt(key(new Uint8Array(size).fill(1)), input))
        assert.include(error.message, 'key "k1": must have 32 bytes')
      }
    })
  )
})
