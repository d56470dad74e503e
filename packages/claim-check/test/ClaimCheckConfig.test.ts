import { assert, describe, it } from "@effect/vitest"
import { BlobStore, Message, QueueClient, QueueName, QueueProvider } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { ClaimCheck, ClaimCheckConfig, MemoryBlobStore } from "../src/index.ts"
import { folder } from "./support/server.ts"

type Variables = Readonly<Record<string, string>>

const environment = (variables: Variables) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

const orders = QueueName.makeUnsafe("orders")

/** The provider with the claim check of these settings. */
const built = (variables: Variables, options: ClaimCheckConfig.Options = {}) =>
  Effect.map(
    Layer.build(
      ClaimCheckConfig.layer(options).pipe(
        Layer.provide(MemoryProvider.layer({ queues: { orders: {} } })),
        Layer.provide(environment(variables))
      )
    ),
    Context.get(QueueProvider.QueueProvider)
  )

const problemOf = (variables: Variables, options?: ClaimCheckConfig.Options) =>
  Effect.map(Effect.flip(built(variables, options)), ({ message }) => message)

const claims = { CLAIM_CHECK_STORE: "memory" }

describe("ClaimCheckConfig", () => {
  it.effect("R10.1 without a store nothing is claimed, and with one it is", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([...(yield* built({})).stack], ["memory"])
      const own = yield* built(claims)
      assert.deepStrictEqual([...own.stack], ["claim-check", "memory"])
      assert.isAbove(own.capabilities(orders).messageSizeMax, 25 * 1024 * 1024)
      const byCode = yield* built({}, { store: "memory" })
      assert.deepStrictEqual([...byCode.stack], ["claim-check", "memory"])
    })
  )

  it.effect("R10.1 every setting is read, and code wins", () =>
    Effect.gen(function* () {
      const config = yield* Effect.provide(
        ClaimCheckConfig.read({ prefix: "mine" }),
        environment({
          CLAIM_CHECK_STORE: "aws-s3",
          CLAIM_CHECK_THRESHOLD_BYTES: "1000",
          CLAIM_CHECK_BODY_BYTES_MAX: "2000",
          CLAIM_CHECK_PREFIX: "theirs",
          CLAIM_CHECK_DELETE: "never",
          CLAIM_CHECK_RETENTION_SECONDS: "86400",
          CLAIM_CHECK_BLOB_BYTES_MAX: "3000",
          CLAIM_CHECK_TIMEOUT_SECONDS: "0.5",
          CLAIM_CHECK_DIRECTORY: "/blobs",
          CLAIM_CHECK_BUCKET: "bucket",
          CLAIM_CHECK_REGION: "region",
          CLAIM_CHECK_ENDPOINT: "http://localhost:1",
          CLAIM_CHECK_CONTAINER: "container",
          CLAIM_CHECK_CONNECTION_STRING: "AccountName=a;AccountKey=secret"
        })
      )
      const { connectionString, retention, timeout, ...rest } = config
      assert.strictEqual(JSON.stringify({ connectionString }), '{"connectionString":"<redacted>"}')
      assert.deepStrictEqual(
        [retention, timeout].map((one) => one && Duration.toMillis(one)),
        [86_400_000, 500]
      )
      assert.deepStrictEqual(rest, {
        store: "aws-s3",
        threshold: 1_000,
        bodySizeMax: 2_000,
        prefix: "mine",
        delete: "never",
        sizeMax: 3_000,
        directory: "/blobs",
        bucket: "bucket",
        region: "region",
        endpoint: "http://localhost:1",
        container: "container"
      })
    })
  )

  it.effect("R10.1 what is said reaches the claim check, and files are where it says", () =>
    Effect.gen(function* () {
      const directory = yield* folder
      const variables = {
        CLAIM_CHECK_STORE: "file",
        CLAIM_CHECK_DIRECTORY: directory,
        CLAIM_CHECK_THRESHOLD_BYTES: "100",
        CLAIM_CHECK_PREFIX: "p/q",
        CLAIM_CHECK_BODY_BYTES_MAX: "4000000",
        CLAIM_CHECK_BLOB_BYTES_MAX: "5000000",
        CLAIM_CHECK_DELETE: "never",
        CLAIM_CHECK_TIMEOUT_SECONDS: "20"
      }
      const provider = yield* built(variables)
      const client = yield* QueueClient.make(provider, { wait: 0 })
      yield* client.send(orders, yield* Message.bytes(new Uint8Array(200)))
      const [received] = yield* client.receive(orders)
      assert.isDefined(received)
      assert.strictEqual(received.body.byteLength, 200)
      yield* client.complete(received)
      const { entries } = yield* BlobStore.BlobStore.use((store) =>
        store.list({ prefix: "p/q/orders/" })
      ).pipe(
        Effect.provide(ClaimCheckConfig.layerStore().pipe(Layer.provide(environment(variables))))
      )
      assert.strictEqual(entries.length, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("R10.1 a bad value is refused by the name of its variable", () =>
    Effect.gen(function* () {
      const bad = [
        [{ CLAIM_CHECK_STORE: "ftp" }, /CLAIM_CHECK_STORE: must be one of memory, file, aws-s3/u],
        [{ CLAIM_CHECK_THRESHOLD_BYTES: "-1" }, /CLAIM_CHECK_THRESHOLD_BYTES: must be a whole/u],
        [{ CLAIM_CHECK_DELETE: "always" }, /CLAIM_CHECK_DELETE: must be one of/u],
        [{ CLAIM_CHECK_TIMEOUT_SECONDS: "0" }, /CLAIM_CHECK_TIMEOUT_SECONDS: must be a number/u],
        [{ CLAIM_CHECK_DIRECTORY: "blobs" }, /CLAIM_CHECK_DIRECTORY: must be an absolute path/u],
        [{ CLAIM_CHECK_BUCKET: "A" }, /CLAIM_CHECK_BUCKET: must be the name of a bucket/u],
        [{ CLAIM_CHECK_REGION: "eu west" }, /CLAIM_CHECK_REGION: must be the name of a region/u],
        [{ CLAIM_CHECK_ENDPOINT: "http://example.com" }, /CLAIM_CHECK_ENDPOINT: must be an https/u],
        [{ CLAIM_CHECK_ENDPOINT: "s3" }, /CLAIM_CHECK_ENDPOINT: must be an https URL/u],
        [{ CLAIM_CHECK_CONTAINER: "A" }, /CLAIM_CHECK_CONTAINER: must have 3–63 characters/u],
        [{ CLAIM_CHECK_PREFIX: "../a" }, /CLAIM_CHECK_PREFIX: must be a key/u],
        [{ CLAIM_CHECK_STORE: "file" }, /CLAIM_CHECK_DIRECTORY: must be set to a directory/u],
        [
          { CLAIM_CHECK_STORE: "memory", CLAIM_CHECK_BLOB_BYTES_MAX: "1000" },
          /bodySizeMax: must be at most/u
        ]
      ] as const
      for (const [variables, problem] of bad) assert.match(yield* problemOf(variables), problem)
      const none = yield* Effect.flip(
        Effect.provide(
          BlobStore.BlobStore,
          ClaimCheckConfig.layerStore().pipe(Layer.provide(environment({})))
        )
      )
      assert.match(none.message, /CLAIM_CHECK_STORE: must be set to one of memory, file/u)
    })
  )

  it.effect("R10.2 a store with an SDK is loaded when it is named, and missing is said so", () =>
    Effect.gen(function* () {
      const variables = { CLAIM_CHECK_STORE: "aws-s3" }
      assert.match(
        yield* problemOf(variables),
        /CLAIM_CHECK_STORE: this application does not list the store "aws-s3"/u
      )
      const broken = { "aws-s3": () => Promise.reject(new Error("Cannot find package")) }
      assert.match(
        yield* problemOf(variables, { stores: broken }),
        /"aws-s3" could not be loaded; is @aws-sdk\/client-s3 installed\?/u
      )
      let loaded = 0
      const stores = {
        "aws-s3": () => {
          loaded++
          return Promise.resolve(MemoryBlobStore.layer())
        }
      }
      yield* built(claims, { stores })
      assert.strictEqual(loaded, 0)
      assert.include((yield* built(variables, { stores })).stack, "claim-check")
      assert.strictEqual(loaded, 1)
    })
  )

  it.effect("R10.4 a store that is provided stands in the place of a named one", () =>
    Effect.gen(function* () {
      const store = yield* MemoryBlobStore.make()
      const provider = yield* Effect.provideService(
        built({ CLAIM_CHECK_THRESHOLD_BYTES: "10" }),
        BlobStore.BlobStore,
        store
      )
      const client = yield* QueueClient.make(provider, { wait: 0 })
      yield* client.send(orders, yield* Message.bytes(new Uint8Array(200)))
      assert.strictEqual((yield* store.list({ prefix: "" })).entries.length, 1)
      const { found } = yield* Effect.provideService(
        ClaimCheck.sweep({ force: true, olderThan: 0, dryRun: true }),
        BlobStore.BlobStore,
        store
      )
      assert.strictEqual(found, 0)
    })
  )
})
