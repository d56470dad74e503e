import { assert, describe, it } from "@effect/vitest"
import { BlobStore } from "@queue-runtime/core"
import { DateTime, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { MemoryBlobStore } from "../src/index.ts"

const bytes = (size: number): Uint8Array => new Uint8Array(size)

const full = (store: BlobStore.Service, key: string, size: number) =>
  Effect.map(Effect.flip(store.put(key, bytes(size))), (error) => error)

describe("MemoryBlobStore", () => {
  it.effect("R10.7 holds so many blobs and bytes, and says which bound is reached", () =>
    Effect.gen(function* () {
      const store = yield* MemoryBlobStore.make({ blobsMax: 2, bytesMax: 100 })
      yield* store.put("a", bytes(60))
      const error = yield* full(store, "b", 41)
      assert.match(error.message, /QuotaExceeded: the blob store in memory \(bytesMax\) is full/u)
      assert.strictEqual(error.retry, "Transient")
      yield* store.put("b", bytes(40))
      assert.match((yield* full(store, "c", 0)).message, /\(blobsMax\) is full: the maximum is 2/u)
      // Another body under a key that is there takes the place of the first.
      yield* store.put("a", bytes(59))
      yield* store.put("b", bytes(41))
      yield* store.delete("a")
      yield* store.put("c", bytes(59))
    })
  )

  it.effect("R10.7 what has expired makes room", () =>
    Effect.gen(function* () {
      const store = yield* MemoryBlobStore.make({ blobsMax: 1 })
      const expiresAt = DateTime.addDuration(yield* DateTime.now, "1 second")
      yield* store.put("a", bytes(1), { expiresAt })
      yield* full(store, "b", 1)
      yield* TestClock.adjust("1 second")
      yield* store.put("b", bytes(1))
      assert.isTrue(Option.isSome(yield* store.get("b")))
    })
  )

  it.effect("R10.1 refuses bounds that are none, and is there as a layer", () =>
    Effect.gen(function* () {
      for (const options of [{ blobsMax: 0 }, { bytesMax: 0 }, { sizeMax: 0.5 }]) {
        const error = yield* Effect.flip(MemoryBlobStore.make(options))
        assert.match(error.message, /must be a whole number of at least 1/u)
      }
      const { name, sizeMax } = yield* Effect.provide(
        BlobStore.BlobStore,
        MemoryBlobStore.layer({ sizeMax: 9 })
      )
      assert.deepStrictEqual([name, sizeMax], ["memory", 9])
    })
  )
})
