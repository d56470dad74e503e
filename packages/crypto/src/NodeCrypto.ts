/**
 * The cipher of `node:crypto`: AES-256-GCM and HMAC-SHA-256 with keys of 32 bytes.
 *
 * **Details**
 *
 * Signatures are made with a key of their own, HMAC-SHA-256 of the text `queue-runtime QRE1 signing`
 * under the key, so that one key serves both modes.
 *
 * **Gotchas**
 *
 * A key of zeros is one that its provider wiped: it fails with CryptoFailed (KeyNotFound) and never
 * seals. OpenSSL has a copy of its own, in a `KeyObject`, which nobody can wipe: Node cleans it when it
 * is collected, some time after the key was dropped.
 *
 * Nonces are random. After 2^32 messages under one key two of them may meet: rotate before that.
 *
 * **Source** NIST SP 800-38D §8.3 (the bound of random nonces)
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { CryptoProvider, type KeyProvider, QueueError } from "@queue-runtime/core"
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  createSecretKey,
  type KeyObject,
  randomFillSync,
  timingSafeEqual
} from "node:crypto"
import * as envelope from "./internal/envelope.ts"
import * as failures from "./internal/failures.ts"

const algorithm = "aes-256-gcm"

const options = { authTagLength: envelope.tagSize }

const signingPurpose = "queue-runtime QRE1 signing"

const keySize = 32

/** The bytes themselves are never shown. */
const unusable = (id: string): QueueError.QueueError =>
  QueueError.configurationInvalid(`key ${JSON.stringify(id)}`, "must have 32 bytes")

/** What a key is for OpenSSL. Bytes in its place take three times as long in Node 24. */
interface Handles {
  readonly sealing: KeyObject
  readonly signing: KeyObject
}

const handlesOf = (bytes: Uint8Array): Handles => {
  const sealing = createSecretKey(bytes)
  const derived = createHmac("sha256", sealing).update(signingPurpose).digest()
  const signing = createSecretKey(derived)
  derived.fill(0)
  return { sealing, signing }
}

/** In a loop: `every` costs a call even where the first byte tells, as it nearly always does. */
const isWiped = (bytes: Uint8Array): boolean => {
  for (const byte of bytes) if (byte !== 0) return false
  return true
}

type Using = <A>(
  key: KeyProvider.Key,
  f: (handles: Handles) => Effect.Effect<A, QueueError.QueueError>
) => Effect.Effect<A, QueueError.QueueError>

const makeUsing = (): Using => {
  const known = new WeakMap<KeyProvider.Key["material"], Handles>()
  // Looked at and used in one go: a key may be wiped between its lookup and its use.
  return ({ id, material }, f) =>
    Effect.suspend(() => {
      const bytes = Redacted.value(material)
      if (bytes.byteLength !== keySize) return Effect.fail(unusable(id))
      if (isWiped(bytes)) {
        known.delete(material)
        return Effect.fail(QueueError.make(failures.keyGone(id)))
      }
      const before = known.get(material)
      if (before !== undefined) return f(before)
      const handles = handlesOf(bytes)
      known.set(material, handles)
      return f(handles)
    })
}

const encrypt = (
  key: KeyObject,
  { associatedData, nonce, plaintext }: CryptoProvider.Plaintext
): CryptoProvider.Sealed => {
  const cipher = createCipheriv(algorithm, key, nonce, options)
  cipher.setAAD(associatedData)
  const ciphertext = cipher.update(plaintext)
  // Of a stream cipher nothing is left for the end.
  cipher.final()
  return { ciphertext, tag: cipher.getAuthTag() }
}

const decrypt = (
  key: KeyObject,
  { associatedData, ciphertext, nonce, tag }: CryptoProvider.Ciphertext
): Uint8Array => {
  const decipher = createDecipheriv(algorithm, key, nonce, options)
  decipher.setAAD(associatedData)
  decipher.setAuthTag(tag)
  const { buffer, byteLength, byteOffset } = decipher.update(ciphertext)
  // Throws when the tag does not fit: the plaintext is then never handed out.
  decipher.final()
  return new Uint8Array(buffer, byteOffset, byteLength)
}

const hmac = (key: KeyObject, data: Uint8Array): Uint8Array =>
  createHmac("sha256", key).update(data).digest()

/** Nonces of one draw: a draw of 12 bytes costs a third of sealing 1 KB. */
const noncesDrawn = 512

const makeNonce = (): Effect.Effect<Uint8Array> => {
  let pool = new Uint8Array(0)
  let used = 0
  return Effect.sync(() => {
    if (used === pool.byteLength) {
      // Another one: those that were handed out may be in use.
      pool = randomFillSync(new Uint8Array(noncesDrawn * envelope.nonceSize))
      used = 0
    }
    used += envelope.nonceSize
    return pool.subarray(used - envelope.nonceSize, used)
  })
}

/**
 * The cipher.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<CryptoProvider.Service> = Effect.sync(() => {
  const using = makeUsing()
  return {
    nonce: makeNonce(),
    encrypt: (key, input) => using(key, ({ sealing }) => Effect.succeed(encrypt(sealing, input))),
    decrypt: (key, input) =>
      using(key, ({ sealing }) => {
        const opened = Result.try(() => decrypt(sealing, input))
        return Result.isSuccess(opened)
          ? Effect.succeed(opened.success)
          : Effect.fail(QueueError.make(failures.integrityFailed()))
      }),
    sign: (key, data) => using(key, ({ signing }) => Effect.succeed(hmac(signing, data))),
    verify: (key, data, signature) =>
      using(key, ({ signing }) =>
        Effect.succeed(
          signature.byteLength === envelope.signatureSize &&
            timingSafeEqual(hmac(signing, data), signature)
        )
      )
  }
})

/**
 * The cipher as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CryptoProvider.CryptoProvider> = Layer.effect(
  CryptoProvider.CryptoProvider,
  make
)
