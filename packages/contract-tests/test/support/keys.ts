/** The ports of encryption as small as they can be, to be broken. */
import type { CryptoProvider, KeyProvider, NonceStore } from "@queue-runtime/core"
import { QueueError } from "@queue-runtime/core"
import { Clock, Duration, Effect, Option, Redacted } from "effect"
import {
  createCipheriv,
  createDecipheriv,
  createHmac,
  randomBytes,
  timingSafeEqual
} from "node:crypto"

export const key = (id: string): KeyProvider.Key => ({
  id,
  material: Redacted.make(Uint8Array.from({ length: 32 }, (_, index) => index + id.length))
})

/** Keys by number; a rotation adds one. */
export const makeKeys = () => {
  const keys = [key("k")]
  const current = () => keys.at(-1) ?? key("k")
  const provider: KeyProvider.Service = {
    wrappedSizeMax: 0,
    current: () => Effect.sync(current),
    byId: (_, { id }) =>
      Effect.sync(() => Option.fromUndefinedOr(keys.find((one) => one.id === id))),
    ids: () => Effect.sync(() => keys.map(({ id }) => id))
  }
  const rotate = Effect.sync(() => {
    keys.push(key(`${current().id}k`))
  })
  return { provider, rotate, keys }
}

const bytesOf = ({ material }: KeyProvider.Key) => Redacted.value(material)

export const integrityFailed = QueueError.make(
  new QueueError.CryptoFailed({ failure: "IntegrityFailed", detail: "changed" })
)

export const cipher: CryptoProvider.Service = {
  nonce: Effect.sync(() => Uint8Array.from(randomBytes(12))),
  encrypt: (one, { associatedData, nonce, plaintext }) =>
    Effect.sync(() => {
      const own = createCipheriv("aes-256-gcm", bytesOf(one), nonce, { authTagLength: 16 })
      own.setAAD(associatedData)
      const ciphertext = Buffer.concat([own.update(plaintext), own.final()])
      return { ciphertext, tag: own.getAuthTag() }
    }),
  decrypt: (one, { associatedData, ciphertext, nonce, tag }) =>
    Effect.try({
      try: () => {
        const own = createDecipheriv("aes-256-gcm", bytesOf(one), nonce, { authTagLength: 16 })
        own.setAAD(associatedData)
        own.setAuthTag(tag)
        return Buffer.concat([own.update(ciphertext), own.final()])
      },
      catch: () => integrityFailed
    }),
  sign: (one, data) => Effect.sync(() => createHmac("sha256", bytesOf(one)).update(data).digest()),
  verify: (one, data, signature) =>
    Effect.sync(
      () =>
        signature.byteLength === 32 &&
        timingSafeEqual(createHmac("sha256", bytesOf(one)).update(data).digest(), signature)
    )
}

export const makeNonces = (): NonceStore.Service => {
  const known = new Map<string, { readonly stored: string; readonly until: number }>()
  return {
    claim: ({ nonce, queue, stored }, window) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const place = JSON.stringify([queue, nonce])
        const before = known.get(place)
        if (before !== undefined && before.until > now && before.stored !== stored) return false
        known.set(place, { stored, until: now + Duration.toMillis(window) })
        return true
      })
  }
}
