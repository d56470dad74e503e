import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as BlobStore from "../src/BlobStore.ts"
import * as Defaults from "../src/Defaults.ts"
import type * as QueueError from "../src/QueueError.ts"

const refusal = <A>(effect: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.map(Effect.flip(effect), ({ message }) => message)

const body = new Uint8Array(4)

describe("BlobStore", () => {
  it.effect("R1.7 a policy keeps large bodies behind a port, and there need not be one", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* Effect.serviceOption(BlobStore.BlobStore)))
      const store = yield* Effect.provideService(BlobStore.BlobStore, BlobStore.BlobStore, {
        name: "none",
        sizeMax: 1,
        put: () => Effect.void,
        get: () => Effect.succeedNone,
        delete: () => Effect.void,
        list: () => Effect.succeed({ entries: [] })
      })
      assert.isTrue(Option.isNone(yield* store.get("a")))
    })
  )

  it.each([
    "a",
    "a/b",
    "a.b/c-d_e",
    "...",
    "a/..b",
    ".a",
    "x".repeat(120),
    `${"x/".repeat(255)}xx`
  ])("R10.7 %s is a key", (key) => {
    assert.isTrue(BlobStore.isKey(key))
    assert.strictEqual(Effect.runSync(BlobStore.checkKey(key)), key)
  })

  it.each([
    "",
    "/",
    "/a",
    "a/",
    "a//b",
    ".",
    "..",
    "a/./b",
    "a/..",
    "../a",
    "a b",
    "ä",
    "a\\b",
    "a\nb",
    "a\n",
    "a%2fb",
    "x".repeat(121),
    `${"x/".repeat(256)}x`
  ])("R10.7 %j is no key", (key) => {
    assert.isFalse(BlobStore.isKey(key))
    const message = Effect.runSync(refusal(BlobStore.checkKey(key)))
    assert.match(message, /^ValidationFailed: key: must have at most 512 characters/u)
    assert.strictEqual(Effect.runSync(refusal(BlobStore.checkPut(10, key, body))), message)
  })

  it.effect("R10.7 a put is refused before anything is sent: too large, metadata", () =>
    Effect.gen(function* () {
      const put = (metadata: BlobStore.Metadata) => BlobStore.checkPut(4, "a", body, { metadata })
      yield* BlobStore.checkPut(4, "a", body)
      yield* put({ messageid: "m-1 (a)", queue: "a", a1: "~".repeat(128) })
      assert.strictEqual(
        yield* refusal(BlobStore.checkPut(3, "a", body)),
        "ValidationFailed: body: must have at most 3 bytes; got 4"
      )
      const many = Array.from({ length: 17 }, (_, index) => [`n${index}`, ""] as const)
      assert.match(yield* refusal(put(Object.fromEntries(many))), /metadata: must have at most 16/u)
      for (const name of ["A", "1a", "a-b", "", "a".repeat(33)]) {
        assert.match(yield* refusal(put({ [name]: "" })), /metadata: names must/u)
      }
      for (const value of ["", " a", "a ", "ä", "a\n", "a".repeat(129)]) {
        assert.match(yield* refusal(put({ a: value })), /metadata: values must/u)
      }
    })
  )

  it.effect("R10.7 what is larger than the store takes is not loaded", () =>
    Effect.gen(function* () {
      yield* BlobStore.checkSize(4, 4)
      assert.match(yield* refusal(BlobStore.checkSize(4, 5)), /at most 4 bytes; got 5/u)
    })
  )

  it.effect("R10.7 a page is bounded, and its prefix begins a key", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* BlobStore.checkList({ prefix: "" }), Defaults.blobPageSize)
      assert.strictEqual(yield* BlobStore.checkList({ prefix: "a/", max: 3 }), 3)
      assert.strictEqual(
        yield* BlobStore.checkList({ prefix: "a/b", max: 1e6 }),
        Defaults.blobPageSize
      )
      for (const prefix of ["/", "a//", "../"]) {
        assert.match(yield* refusal(BlobStore.checkList({ prefix })), /prefix: begins no key/u)
      }
      assert.match(
        yield* refusal(BlobStore.checkList({ prefix: "", max: 0 })),
        /max: must be a whole number/u
      )
    })
  )
})
