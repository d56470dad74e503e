import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as CryptoProvider from "../src/CryptoProvider.ts"

const key = { id: "k1", material: Redacted.make(new Uint8Array([0x2a])) }

/** A security module in another place: it is handed what identifies a key, not the key. */
const xor = (bytes: Uint8Array): Uint8Array => bytes.map((byte) => byte ^ 0x2a)

describe("CryptoProvider", () => {
  it.effect("R8.1 the cipher is a port: another one can take its place", () =>
    Effect.gen(function* () {
      const cipher = yield* CryptoProvider.CryptoProvider
      const nonce = yield* cipher.nonce
      const associatedData = new Uint8Array()
      const plaintext = new Uint8Array([1, 2, 3])
      const sealed = yield* cipher.encrypt(key, { nonce, plaintext, associatedData })
      assert.notDeepEqual(sealed.ciphertext, plaintext)
      const opened = yield* cipher.decrypt(key, { nonce, associatedData, ...sealed })
      assert.deepStrictEqual(opened, plaintext)
      const signature = yield* cipher.sign(key, plaintext)
      assert.isTrue(yield* cipher.verify(key, plaintext, signature))
    }).pipe(
      Effect.provideService(CryptoProvider.CryptoProvider, {
        nonce: Effect.succeed(new Uint8Array(12)),
        encrypt: (_, { plaintext }) =>
          Effect.succeed({ ciphertext: xor(plaintext), tag: new Uint8Array(16) }),
        decrypt: (_, { ciphertext }) => Effect.succeed(xor(ciphertext)),
        sign: (_, data) => Effect.succeed(xor(data)),
        verify: (_, data, signature) => Effect.succeed(xor(data).join() === signature.join())
      })
    )
  )
})
