import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import * as IdempotencyStore from "../src/IdempotencyStore.ts"

const lease = Duration.seconds(30)
const timeToLive = Duration.hours(1)

const claim = (store: IdempotencyStore.Service, key: string) =>
  Effect.flatMap(store.claim(key, lease), (one) =>
    one._tag === "Claimed" ? Effect.succeed(one.token) : Effect.die(new Error(one._tag))
  )

const tagOf = (store: IdempotencyStore.Service, key: string) =>
  Effect.map(store.claim(key, lease), ({ _tag }) => _tag)

// What every store does is in the contract, which runs on this one too.
describe("IdempotencyStore in memory", () => {
  it.effect("R5.7 a lease is renewed and given up by its holder alone", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.makeMemory()
      const late = yield* store.claim("a", lease)
      assert(late._tag === "Claimed")
      yield* TestClock.adjust("20 seconds")
      const renewed = yield* store.renew("a", late.token, lease)
      assert.strictEqual(renewed.epochMilliseconds, 50_000)
      yield* TestClock.adjust(lease)
      const lapsed = yield* Effect.flip(store.renew("a", late.token, lease))
      assert.strictEqual(lapsed.reason._tag, "ReceiptExpired")
      const holder = yield* store.claim("a", lease)
      assert(holder._tag === "Claimed")
      const stolen = yield* Effect.flip(store.complete("a", late.token, timeToLive))
      assert.strictEqual(stolen.reason._tag, "ReceiptExpired")
      yield* store.release("a", late.token)
      assert.strictEqual((yield* store.claim("a", lease))._tag, "Busy")
      yield* store.complete("a", holder.token, timeToLive)
      yield* store.release("a", holder.token)
      assert.strictEqual((yield* store.claim("a", lease))._tag, "Done")
      const gone = yield* Effect.flip(store.complete("unknown", "token", timeToLive))
      assert.strictEqual(gone.reason._tag, "ReceiptExpired")
      yield* store.release("unknown", "token")
    })
  )

  it.effect("R5.7 R10.7 a full store forgets the oldest of what is done, and no claim", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.makeMemory({ keysMax: 3 })
      const held = yield* claim(store, "held")
      for (const key of ["old", "new"]) {
        yield* store.complete(key, yield* claim(store, key), timeToLive)
      }
      yield* claim(store, "one more")
      assert.deepStrictEqual(
        yield* Effect.all([tagOf(store, "held"), tagOf(store, "new"), tagOf(store, "one more")]),
        ["Busy", "Done", "Busy"]
      )
      yield* store.release("held", held)
      assert.strictEqual(yield* tagOf(store, "old"), "Claimed")
    })
  )

  it.effect("R5.7 R10.7 where all is claimed another claim fails for the moment", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.makeMemory({ keysMax: 1 })
      yield* claim(store, "held")
      const error = yield* Effect.flip(store.claim("another", lease))
      assert.strictEqual(error.reason._tag, "QuotaExceeded")
      assert.strictEqual(error.retry, "Transient")
      yield* TestClock.adjust(lease)
      assert.strictEqual(yield* tagOf(store, "another"), "Claimed")
    })
  )

  it.effect("R5.7 what is over makes room before anything else", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.makeMemory({ keysMax: 2 })
      yield* store.complete("done", yield* claim(store, "done"), timeToLive)
      yield* claim(store, "dead worker's")
      yield* TestClock.adjust(lease)
      yield* claim(store, "next")
      assert.strictEqual(yield* tagOf(store, "done"), "Done")
    })
  )

  it.effect("R10.1 a bound below 1 is refused", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(IdempotencyStore.makeMemory({ keysMax: 0 }))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
    })
  )

  it.effect("R5.7 the layer provides a store of its own", () =>
    Effect.gen(function* () {
      const store = yield* IdempotencyStore.IdempotencyStore
      assert.strictEqual(yield* tagOf(store, "a"), "Claimed")
    }).pipe(Effect.provide(IdempotencyStore.layerMemory()))
  )
})
