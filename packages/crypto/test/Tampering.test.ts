import { assert, describe, it } from "@effect/vitest"
import { type QueueError, Verdict } from "@queue-runtime/core"
import { DateTime, Effect, Random, Result } from "effect"
import { KeyProviderMemory } from "../src/index.ts"
import * as envelope from "../src/internal/envelope.ts"
import type * as sealer from "../src/internal/sealer.ts"
import * as World from "./support/world.ts"
import { keys, makeTools, message, open, policy, seal, session, taken } from "./support.ts"

const epoch = DateTime.makeUnsafe(0)

const withKeys = (
  f: (keys: KeyProviderMemory.Service) => Effect.Effect<void, QueueError.QueueError>
): Effect.Effect<void, QueueError.QueueError> =>
  Effect.scoped(Effect.flatMap(KeyProviderMemory.make(keys("k1")), f))

const openWith = (own: KeyProviderMemory.Service, of: sealer.Taken) =>
  open(makeTools(own), policy(), of)

const flipped = (body: Uint8Array, bit: number): Uint8Array => {
  const copy = Uint8Array.from(body)
  const index = bit >> 3
  copy[index] = (copy[index] ?? 0) ^ (1 << (bit & 7))
  return copy
}

/** By the default policy nothing of it reaches a handler. */
const isRefused = (opened: sealer.Opened<unknown>): boolean => opened._tag !== "Opened"

describe("R8.4 tampering", () => {
  it.effect("every single bit of 50 sealed bodies is refused", () =>
    withKeys(
      Effect.fnUntraced(function* (own) {
        for (let round = 0; round < 50; round++) {
          const sealed = yield* seal(own, "encrypt", message("x".repeat(round % 7)))
          for (let bit = 0; bit < sealed.body.byteLength * 8; bit++) {
            const body = flipped(sealed.body, bit)
            const opened = yield* openWith(own, { ...taken(sealed, epoch), body })
            assert.isTrue(isRefused(opened), `round ${round}, bit ${bit}: ${opened._tag}`)
          }
        }
      })
    )
  )

  it.effect("a random bit of 10,000 sealed bodies is refused", () =>
    withKeys(
      Effect.fnUntraced(function* (own) {
        for (let round = 0; round < 10_000; round++) {
          const sealed = yield* seal(own, "encrypt", message(`body ${round}`))
          const bit = yield* Random.nextIntBetween(0, sealed.body.byteLength * 8 - 1)
          const body = flipped(sealed.body, bit)
          const opened = yield* openWith(own, { ...taken(sealed, epoch), body })
          assert.isTrue(isRefused(opened), `round ${round}, bit ${bit}: ${opened._tag}`)
        }
      })
    ).pipe(Random.withSeed("tampering"))
  )

  it.effect("R8.5 by the default policy every single bit is put aside, and none handed out", () =>
    Effect.gen(function* () {
      const { raw, sealed } = yield* World.make()
      const body = "a secret"
      yield* sealed.send(World.orders, [message(body)])
      const [stored] = yield* raw.receive(World.address, World.all)
      assert(stored !== undefined)
      yield* raw.settle([stored.receipt], Verdict.complete)
      const bits = stored.body.byteLength * 8
      for (let bit = 0; bit < bits; bit++) {
        yield* raw.send(World.orders, [{ ...message(body), body: flipped(stored.body, bit) }])
      }
      for (let round = 0; round < bits / 10; round++) {
        assert.deepStrictEqual(yield* sealed.receive(World.address, World.all), [])
      }
      const letters = yield* World.putAside({ raw })
      // Where another key is named now its message waits for that key, and is not read either.
      const waiting = yield* raw.peek(World.address, { max: bits })
      assert.strictEqual(letters.length + waiting.length, bits)
      assert.isBelow(waiting.length, bits / 20)
      assert.deepStrictEqual([...new Set(letters)].toSorted(), [
        "IntegrityFailed",
        "InvalidEnvelope",
        "UnencryptedMessage",
        "UnsupportedVersion"
      ])
      yield* raw.send(World.orders, [{ ...message(body), body: stored.body }])
      assert.deepStrictEqual(World.textsOf(yield* sealed.receive(World.address, World.all)), [body])
    })
  )

  it.effect("every single bit of a signed body and of its signature is refused", () =>
    withKeys(
      Effect.fnUntraced(function* (own) {
        const signed = yield* seal(own, "sign", message("readable"))
        const name = "queue-runtime-signature"
        const signature = Buffer.from(signed.attributes[name] ?? "", "base64url")
        const opened = yield* open(makeTools(own), policy({ mode: "sign" }), taken(signed, epoch))
        assert.strictEqual(opened._tag, "Opened")
        for (let bit = 0; bit < signed.body.byteLength * 8; bit++) {
          const body = flipped(signed.body, bit)
          assert.isTrue(isRefused(yield* openWith(own, { ...taken(signed, epoch), body })))
        }
        for (let bit = 0; bit < signature.byteLength * 8; bit++) {
          const attributes = { [name]: Buffer.from(flipped(signature, bit)).toString("base64url") }
          assert.isTrue(isRefused(yield* openWith(own, { ...taken(signed, epoch), attributes })))
        }
      })
    )
  )

  it.effect("R8.1 another message id, session id or correlation id is refused", () =>
    withKeys(
      Effect.fnUntraced(function* (own) {
        const original = message("a", { sessionId: session, correlationId: "c" })
        const sealed = yield* seal(own, "encrypt", original)
        const opened = yield* openWith(own, taken(sealed, epoch))
        assert.strictEqual(opened._tag, "Opened")
        const others = [
          message("a", { sessionId: session, correlationId: "c", id: "m-2" }),
          message("a", { correlationId: "c" }),
          message("a", { sessionId: session }),
          // The ids of neighbours must not run into each other.
          message("a", { sessionId: session, correlationId: "cc" })
        ]
        for (const other of others) {
          const refused = yield* openWith(own, { ...taken(other, epoch), body: sealed.body })
          assert.deepInclude(refused, { _tag: "Rejected" })
        }
      })
    )
  )

  it("R8.4 the decoder answers a million random and mutated inputs, and never throws", () => {
    const bound = envelope.encode(
      {
        mode: "sealed",
        key: { id: "k1", wrapped: new Uint8Array(9) },
        sealedAt: 1,
        delay: 0,
        nonce: new Uint8Array(12)
      },
      message("a")
    )
    const valid = envelope.join(bound, new Uint8Array(40))
    const words = new Uint32Array(24)
    const bytes = new Uint8Array(words.buffer)
    // A xorshift: the same inputs in every run.
    let state = 0x9e37_79b9
    const next = (): number => {
      state ^= state << 13
      state ^= state >>> 17
      state ^= state << 5
      return state >>> 0
    }
    const seen = { read: 0, refused: 0 }
    const reasons = new Set<string>()
    for (let round = 0; round < 1_000_000; round++) {
      if (round % 4 === 0) for (let word = 0; word < words.length; word++) words[word] = next()
      else bytes.set(valid)
      for (let change = next() % 4; change > 0; change--) bytes[next() % valid.byteLength] = next()
      const size = round % 3 === 0 ? valid.byteLength : next() % bytes.byteLength
      const mode = round % 5 === 0 ? "signed" : "sealed"
      const decoded = envelope.decode(bytes.subarray(0, size), mode)
      if (Result.isFailure(decoded)) {
        seen.refused++
        const { failure } = decoded
        reasons.add(failure._tag === "CryptoFailed" ? failure.failure : failure._tag)
      } else seen.read++
    }
    // Both ways were gone often enough to say so.
    assert.isAbove(seen.read, 100_000)
    assert.isAbove(seen.refused, 100_000)
    assert.deepStrictEqual([...reasons].toSorted(), ["InvalidEnvelope", "UnsupportedVersion"])
  })

  it.effect("a wiped key seals nothing", () =>
    Effect.gen(function* () {
      const provider = yield* Effect.scoped(KeyProviderMemory.make(keys("k1")))
      const error = yield* Effect.flip(seal(provider, "encrypt", message("a")))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )
})
