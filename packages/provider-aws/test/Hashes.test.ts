import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as fc from "fast-check"
import { createHash, createHmac } from "node:crypto"
import * as hashes from "../src/internal/hashes.ts"

const chunks = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 4 })

const hex = (digest: Promise<Uint8Array>) =>
  Effect.map(
    Effect.promise(() => digest),
    (bytes) => Buffer.from(bytes).toString("hex")
  )

const secrets = fc.oneof(
  fc.string({ minLength: 1 }),
  fc.uint8Array({ minLength: 1, maxLength: 100 }),
  fc.uint8Array({ minLength: 1, maxLength: 100 }).map((bytes) => bytes.slice().buffer)
)

const keyOf = (secret: string | Uint8Array | ArrayBuffer) =>
  secret instanceof ArrayBuffer ? new Uint8Array(secret) : secret

const holds = <A>(arbitrary: fc.Arbitrary<A>, check: (value: A) => Effect.Effect<void>) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(arbitrary, (value) => Effect.runPromise(check(value))),
      { numRuns: 200 }
    )
  )

describe("what the SDK hashes with", () => {
  it.effect("is SHA-256 and MD5, in one piece or many, and may go on after a digest", () =>
    holds(chunks, (pieces) =>
      Effect.gen(function* () {
        const made = [
          ["sha256", new hashes.Sha256()],
          ["md5", new hashes.Md5()]
        ] as const
        for (const [name, state] of made) {
          const expected = createHash(name)
          for (const piece of pieces) {
            state.update(piece)
            expected.update(piece)
            assert.strictEqual(yield* hex(state.digest()), expected.copy().digest("hex"))
          }
          assert.strictEqual(yield* hex(state.digest()), expected.digest("hex"))
          state.reset()
          assert.strictEqual(yield* hex(state.digest()), createHash(name).digest("hex"))
        }
      })
    )
  )

  it.effect("is their HMAC with a secret, whatever form it has", () =>
    holds(fc.tuple(secrets, chunks), ([secret, pieces]) =>
      Effect.gen(function* () {
        const state = new hashes.Sha256(secret)
        state.update(new Uint8Array([1]))
        // It forgets what came before, and not its secret.
        state.reset()
        const expected = createHmac("sha256", keyOf(secret))
        for (const piece of pieces) {
          state.update(piece)
          expected.update(piece)
        }
        assert.strictEqual(yield* hex(state.digest()), expected.digest("hex"))
      })
    )
  )
})
