import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { CryptoProvider, KeyProvider, QueueError } from "@queue-runtime/core"
import type { Opened } from "../../CryptoProviderContract.ts"
import type * as Rule from "../../Rule.ts"
import * as expect from "../expect.ts"

const group = "Cipher"

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

const associatedData = encode("what is bound to it")

/** Made anew for each call: a broken cipher may change what it is handed. */
const makePlaintext = (): Uint8Array => encode("what nobody may read, and nobody may change")

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

/** One bit of it is another one. */
const flipped = (bytes: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(bytes)
  const index = bit >> 3
  copy[index] = (copy[index] ?? 0) ^ (1 << (bit & 7))
  return copy
}

const seal = Effect.fnUntraced(function* (
  provider: CryptoProvider.Service,
  key: KeyProvider.Key,
  body: Uint8Array
) {
  const nonce = yield* provider.nonce
  const sealed = yield* provider.encrypt(key, { nonce, plaintext: body, associatedData })
  return { nonce, associatedData, ciphertext: sealed.ciphertext, tag: sealed.tag }
})

const isRefused = (opened: Result.Result<Uint8Array, QueueError.QueueError>): boolean =>
  Result.isFailure(opened) &&
  opened.failure.reason._tag === "CryptoFailed" &&
  opened.failure.reason.failure === "IntegrityFailed"

/** The rules of `CryptoProvider`, over whatever holds the one to check. */
export const cryptoProvider = <R>(
  subject: Context.Service<R, Opened>
): ReadonlyArray<Rule.Rule<R>> => [
  {
    id: "CIPHER-1",
    group,
    title: "what is encrypted is decrypted to the same bytes, whatever they are",
    source: "SPEC R1.5, R8.1",
    breaks: "an empty body, or one that is no text, comes back as another",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const every = Uint8Array.from({ length: 256 }, (_, index) => index)
      for (const body of [new Uint8Array(), every, new Uint8Array(70_000).fill(7)]) {
        const sealed = yield* seal(provider, keys[0], body)
        const opened = yield* provider.decrypt(keys[0], sealed)
        yield* expect.equal(`${body.byteLength} bytes`, hex(opened), hex(body))
      }
    })
  },
  {
    id: "CIPHER-2",
    group,
    title: "the ciphertext is as long as the plaintext and hides it; the tag has 16 bytes",
    source: "SPEC R8.1: AES-256-GCM, a tag of 128 bits",
    breaks: "a shorter tag, or a body that is sent as it is",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const plaintext = makePlaintext()
      const { ciphertext, tag } = yield* seal(provider, keys[0], plaintext)
      yield* expect.equal("its length", ciphertext.byteLength, plaintext.byteLength)
      yield* expect.equal("the length of the tag", tag.byteLength, 16)
      yield* expect.holds("it is hidden", hex(ciphertext) !== hex(plaintext), hex(ciphertext))
    })
  },
  {
    id: "CIPHER-3",
    group,
    title: "a bit of ciphertext, tag, nonce or associated data that differs is IntegrityFailed",
    source: "SPEC R8.4: never plaintext on failure",
    breaks: "plaintext that nobody vouches for",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const plaintext = makePlaintext()
      const good = yield* seal(provider, keys[0], plaintext)
      for (const part of ["ciphertext", "tag", "nonce", "associatedData"] as const) {
        const last = good[part].byteLength * 8 - 1
        for (const bit of [0, 13, last]) {
          const bad = { ...good, [part]: flipped(good[part], bit) }
          const opened = yield* Effect.result(provider.decrypt(keys[0], bad))
          yield* expect.holds(`bit ${bit} of ${part} is refused`, isRefused(opened), opened._tag)
        }
      }
      const short = { ...good, tag: good.tag.subarray(0, 4) }
      const opened = yield* Effect.result(provider.decrypt(keys[0], short))
      yield* expect.holds("a tag of four bytes is refused", isRefused(opened), opened._tag)
    })
  },
  {
    id: "CIPHER-4",
    group,
    title: "another key is IntegrityFailed",
    source: "SPEC R8.4",
    breaks: "a key that is not looked at",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const plaintext = makePlaintext()
      const sealed = yield* seal(provider, keys[0], plaintext)
      const opened = yield* Effect.result(provider.decrypt(keys[1], sealed))
      yield* expect.holds("it is refused", isRefused(opened), opened._tag)
    })
  },
  {
    id: "CIPHER-5",
    group,
    title: "nonces have 12 bytes, never come twice, and stay as they were handed out",
    source: "SPEC R8.1: random 96-bit nonce; NIST SP 800-38D §8",
    breaks: "a counter that starts again, or a buffer that is filled anew",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const nonces = yield* Effect.forEach(Array.from({ length: 1_000 }), () => provider.nonce)
      yield* expect.holds(
        "12 bytes each",
        nonces.every(({ byteLength }) => byteLength === 12),
        nonces[0]?.byteLength
      )
      yield* expect.equal("1,000 of them differ", new Set(nonces.map(hex)).size, 1_000)
    })
  },
  {
    id: "CIPHER-6",
    group,
    title: "a signature has 32 bytes and is of its data and key alone",
    source: "SPEC R8.1: HMAC-SHA-256",
    breaks: "a signature that fits anything, or one that is cut",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const plaintext = makePlaintext()
      const signature = yield* provider.sign(keys[0], plaintext)
      yield* expect.equal("its length", signature.byteLength, 32)
      const check = (key: KeyProvider.Key, data: Uint8Array, given: Uint8Array) =>
        provider.verify(key, data, given)
      yield* expect.equal("it fits", yield* check(keys[0], plaintext, signature), true)
      const others = [
        ["other data", yield* check(keys[0], flipped(plaintext, 3), signature)],
        ["another key", yield* check(keys[1], plaintext, signature)],
        ["another signature", yield* check(keys[0], plaintext, flipped(signature, 255))],
        ["half of it", yield* check(keys[0], plaintext, signature.subarray(0, 16))],
        ["none", yield* check(keys[0], plaintext, new Uint8Array())]
      ] as const
      for (const [what, fits] of others) yield* expect.equal(`${what} fits`, fits, false)
    })
  },
  {
    id: "CIPHER-7",
    group,
    title: "what is handed in is not changed",
    source: "SPEC R8.1: a retry below sends the same bytes",
    breaks: "encrypting in place",
    run: Effect.gen(function* () {
      const { keys, provider } = yield* subject
      const body = makePlaintext()
      const sealed = yield* seal(provider, keys[0], body)
      const before = hex(sealed.ciphertext)
      yield* provider.decrypt(keys[0], sealed)
      yield* expect.equal("the plaintext", hex(body), hex(makePlaintext()))
      yield* expect.equal("the ciphertext", hex(sealed.ciphertext), before)
    })
  }
]
