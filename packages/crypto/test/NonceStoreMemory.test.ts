import { assert, describe, it } from "@effect/vitest"
import { Defaults, NonceStore } from "@queue-runtime/core"
import { Context, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { NonceStoreMemory } from "../src/index.ts"

const window = Duration.minutes(10)

const sighting = (nonce: string, stored: string, queue = "orders") => ({ queue, nonce, stored })

describe("NonceStoreMemory", () => {
  it.effect("R8.6 the same message may come again, another one with its nonce may not", () =>
    Effect.gen(function* () {
      const store = yield* Effect.map(
        Layer.build(NonceStoreMemory.layer()),
        Context.get(NonceStore.NonceStore)
      )
      assert.isTrue(yield* store.claim(sighting("n", "1"), window))
      assert.isTrue(yield* store.claim(sighting("n", "1"), window))
      assert.isFalse(yield* store.claim(sighting("n", "2"), window))
      assert.isTrue(yield* store.claim(sighting("n", "2", "other"), window))
      yield* TestClock.adjust(window)
      assert.isTrue(yield* store.claim(sighting("n", "2"), window))
    })
  )

  it.effect("R8.5 R10.7 it is bounded, and the oldest go first", () =>
    Effect.gen(function* () {
      const store = yield* NonceStoreMemory.make({ noncesMax: 2 })
      yield* store.claim(sighting("a", "1"), window)
      yield* store.claim(sighting("b", "1"), window)
      // Seen again: it is the newest now.
      yield* store.claim(sighting("a", "1"), window)
      yield* store.claim(sighting("c", "1"), window)
      assert.isFalse(yield* store.claim(sighting("a", "2"), window))
      assert.isTrue(yield* store.claim(sighting("b", "2"), window))
      assert.strictEqual(Defaults.cryptoNoncesMax, 100_000)
    })
  )

  it.effect("R8.5 a bound below 1 is ValidationFailed", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(NonceStoreMemory.make({ noncesMax: 0 }))
      assert.deepInclude(error.reason, { _tag: "ValidationFailed", field: "noncesMax" })
    })
  )
})
