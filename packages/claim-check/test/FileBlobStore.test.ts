import { assert, describe, it } from "@effect/vitest"
import { BlobStore, Defaults, type QueueError } from "@queue-runtime/core"
import { Duration, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { mkdirSync, readdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { FileBlobStore } from "../src/index.ts"
import { folder } from "./support/server.ts"

const body = Uint8Array.of(1, 2, 3)

const filesIn = (directory: string): ReadonlyArray<string> =>
  readdirSync(directory, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ name, parentPath }) => join(parentPath, name).slice(directory.length + 1))
    .toSorted()

const problemOf = <A>(effect: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.map(Effect.flip(effect), ({ message, retry }) => `${retry} ${message}`)

describe("FileBlobStore", () => {
  it.effect("R1.7 keys are folders and files, capitals apart, and a file is these bytes", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const store = yield* FileBlobStore.make({ directory })
      yield* store.put("Orders/a", body, { metadata: { queue: "orders" } })
      yield* store.put("orders", body)
      assert.deepStrictEqual(filesIn(directory), ["+orders/a~", "orders~"])
      const header = '{"metadata":{"queue":"orders"}}'
      assert.deepStrictEqual(
        readFileSync(join(directory, "+orders/a~")),
        Buffer.concat([
          Buffer.from("QRB1"),
          Buffer.from([0, 0, 0, header.length]),
          Buffer.from(header),
          body
        ])
      )
    })
  )

  it.effect("R3.2 what another instance put is there, and what a crash left is not", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      yield* Effect.flatMap(FileBlobStore.make({ directory }), (store) => store.put("a", body))
      const left = (name: string, atSeconds: number) => {
        const path = join(directory, "~unfinished", name)
        writeFileSync(path, "half of it")
        utimesSync(path, atSeconds, atSeconds)
      }
      left("old", 1)
      left("young", 2)
      yield* TestClock.adjust(Duration.sum(Defaults.blobUnfinishedAge, Duration.seconds(2)))
      const store = yield* FileBlobStore.make({ directory })
      assert.isTrue(Option.isSome(yield* store.get("a")))
      assert.deepStrictEqual((yield* store.list({ prefix: "" })).entries.length, 1)
      assert.deepStrictEqual(filesIn(directory), ["a~", "~unfinished/young"])
    })
  )

  it.effect("R3.2 a put that fails leaves nothing behind", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const store = yield* FileBlobStore.make({ directory })
      // A folder stands where the file should.
      mkdirSync(join(directory, "a~"))
      const failed = yield* problemOf(store.put("a", body))
      assert.match(failed, /^Never put \(file\): ProviderFailure: .+ failed with E\w+$/u)
      assert.deepStrictEqual(filesIn(directory), [])
    })
  )

  it.effect("R2.3 what is no blob is told by that name, and other files are left alone", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const store = yield* FileBlobStore.make({ directory, sizeMax: 100 })
      const bodies = {
        short: "QRB1",
        other: "QRB2\0\0\0\u0002{}",
        long: "QRB1\0\0\0\u0009{}",
        json: "QRB1\0\0\0\u0002[]"
      }
      for (const [name, text] of Object.entries(bodies)) {
        writeFileSync(join(directory, `${name}~`), text)
        const failed = yield* problemOf(store.get(name))
        assert.strictEqual(
          failed,
          'Never get: ProviderFailure: provider "file" failed with NotABlob'
        )
      }
      writeFileSync(join(directory, "large~"), Buffer.alloc(100_000))
      assert.match(yield* problemOf(store.get("large")), /must have at most/u)
      writeFileSync(join(directory, "README"), "")
      writeFileSync(join(directory, "a b~"), "")
      const { entries } = yield* store.list({ prefix: "" })
      assert.deepStrictEqual(
        entries.map(({ key }) => key),
        ["json", "large", "long", "other", "short"]
      )
      assert.deepStrictEqual(yield* store.list({ prefix: "nothing/here/" }), { entries: [] })
    })
  )

  it.effect("R10.1 refuses a directory that cannot be one, and options out of their range", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      writeFileSync(join(directory, "file"), "")
      const bad = [
        [{ directory: "" }, /directory: must not be empty/u],
        [{ directory: join(directory, "file") }, /directory: cannot be made/u],
        [{ directory, sizeMax: 0 }, /sizeMax: must be a whole number/u],
        [{ directory, timeout: -1 }, /timeout: must be a finite duration/u]
      ] as const
      for (const [options, problem] of bad) {
        assert.match(yield* problemOf(FileBlobStore.make(options)), problem)
      }
      const { name } = yield* Effect.provide(
        BlobStore.BlobStore,
        FileBlobStore.layer({ directory })
      )
      assert.strictEqual(name, "file")
    })
  )
})
