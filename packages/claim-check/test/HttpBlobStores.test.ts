import { createServer, type ServerResponse } from "node:http"
import { assert, describe, it } from "@effect/vitest"
import { BlobStore, QueueError } from "@queue-runtime/core"
import {
  ConfigProvider,
  DateTime,
  type Duration,
  Effect,
  Layer,
  Option,
  Redacted,
  type Scope
} from "effect"
import { S3BlobStore } from "../src/aws-s3.ts"
import { AzureBlobStore } from "../src/azure-blob.ts"

interface Answer {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: string
  /** Whether it never ends, or ends before its end. */
  readonly ending?: "hangs" | "breaks"
}

const write = (response: ServerResponse, { body = "", ending, headers = {}, status }: Answer) => {
  // Azure's SDK wants one.
  response.writeHead(status, { etag: '"1"', ...headers })
  if (ending === undefined) response.end(body)
  else response.write(body, () => (ending === "breaks" ? response.destroy() : undefined))
}

/** A server with one answer for everything: its URL, and how many asked. */
const serve = (answer: Answer) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.callback<{
        readonly port: number
        readonly asked: () => number
        readonly close: () => void
      }>((resume) => {
        let asked = 0
        const server = createServer((request, response) => {
          asked++
          request.resume()
          request.on("end", () => write(response, answer))
        })
        server.listen(0, "127.0.0.1", () => {
          const address = server.address()
          const port = typeof address === "object" && address !== null ? address.port : 0
          const close = () => {
            server.closeAllConnections()
            server.close()
          }
          resume(Effect.succeed({ port, asked: () => asked, close }))
        })
      }),
      ({ close }) => Effect.sync(close)
    ),
    ({ asked, port }) => ({ asked, url: `http://127.0.0.1:${port}` })
  )

type Open = (
  url: string,
  options?: { readonly timeout?: Duration.Input; readonly sizeMax?: number }
) => Effect.Effect<BlobStore.Service, QueueError.QueueError, Scope.Scope>

const s3: Open = (url, options) =>
  S3BlobStore.make({
    bucket: "blobs",
    client: {
      endpoint: url,
      region: "us-east-1",
      forcePathStyle: true,
      maxAttempts: 1,
      credentials: { accessKeyId: "a", secretAccessKey: "b" }
    },
    ...options
  })

const accountOf = (url: string) => ({
  connectionString: Redacted.make(
    `DefaultEndpointsProtocol=http;AccountName=a;AccountKey=Yg==;BlobEndpoint=${url}/a`
  )
})

const azure: Open = (url, options) =>
  AzureBlobStore.make({
    container: "blobs",
    account: accountOf(url),
    client: { retryOptions: { maxTries: 1 } },
    ...options
  })

const s3Error = (status: number, code: string): Answer => ({
  status,
  headers: { "content-type": "application/xml" },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`
})

const azureError = (status: number, code: string): Answer => ({
  status,
  headers: { "content-type": "application/xml", "x-ms-error-code": code },
  body: `<?xml version="1.0"?><Error><Code>${code}</Code><Message>m</Message></Error>`
})

/** What services answer, and what it means. */
const table = [
  [
    s3Error(404, "NoSuchBucket"),
    azureError(404, "ContainerNotFound"),
    "ConfigurationInvalid",
    "Never"
  ],
  [s3Error(503, "SlowDown"), azureError(503, "ServerBusy"), "Throttled", "Transient"],
  [
    s3Error(403, "InvalidAccessKeyId"),
    azureError(403, "AuthenticationFailed"),
    "AuthenticationFailed",
    "Never"
  ],
  [
    s3Error(403, "AccessDenied"),
    azureError(403, "AuthorizationFailure"),
    "PermissionDenied",
    "Never"
  ],
  [s3Error(500, "InternalError"), azureError(500, "InternalError"), "ProviderFailure", "Transient"],
  [s3Error(400, "EntityTooLarge"), azureError(400, "InvalidInput"), "ProviderFailure", "Never"]
] as const

const kinds = [
  { name: "S3BlobStore", open: s3, at: 0 },
  { name: "AzureBlobStore", open: azure, at: 1 }
] as const

for (const { at, name, open } of kinds) {
  describe(`${name}: what a service answers`, () => {
    it.live.each(table.map((row) => [row[2], row[3], row[at]] as const))(
      "R2.3 %s (%s) is told from what the service answers",
      ([reason, retry, answer]) =>
        Effect.gen(function* () {
          const { url } = yield* serve(answer)
          const store = yield* open(url)
          const calls = {
            put: store.put("a", new Uint8Array(1)),
            get: Effect.asVoid(store.get("a")),
            delete: store.delete("a"),
            list: Effect.asVoid(store.list({ prefix: "" }))
          }
          for (const [operation, call] of Object.entries(calls)) {
            const error = yield* Effect.flip(call)
            assert.deepStrictEqual(
              [error.reason._tag, error.retry, error.operation],
              [reason, retry, operation]
            )
          }
        }).pipe(Effect.scoped)
    )

    it.live("R2.3 nobody there is ConnectionFailed", () =>
      Effect.gen(function* () {
        const { url } = yield* Effect.scoped(serve({ status: 200 }))
        const store = yield* open(url)
        const { reason, retry } = yield* Effect.flip(store.get("a"))
        assert.deepStrictEqual([reason._tag, retry], ["ConnectionFailed", "Transient"])
      }).pipe(Effect.scoped)
    )

    it.live("R10.6 an answer that does not end is a Timeout, its body included", () =>
      Effect.gen(function* () {
        const headers = {
          "content-length": "100",
          "last-modified": "Thu, 01 Jan 1970 00:00:00 GMT"
        }
        const { url } = yield* serve({ status: 200, headers, body: "half", ending: "hangs" })
        const store = yield* open(url, { timeout: "300 millis" })
        const { reason, retry } = yield* Effect.flip(store.get("a"))
        assert.deepStrictEqual([reason._tag, retry], ["Timeout", "Transient"])
      }).pipe(Effect.scoped)
    )

    it.live("R2.3 an answer that breaks off is ConnectionFailed", () =>
      Effect.gen(function* () {
        const headers = { "content-length": "100" }
        const { url } = yield* serve({ status: 200, headers, body: "half", ending: "breaks" })
        const store = yield* open(url)
        const { reason, retry } = yield* Effect.flip(store.get("a"))
        assert.deepStrictEqual([reason._tag, retry], ["ConnectionFailed", "Transient"])
      }).pipe(Effect.scoped)
    )

    it.live("R10.7 what is larger than it takes is not loaded", () =>
      Effect.gen(function* () {
        const headers = { "content-length": "1000000" }
        const { url } = yield* serve({ status: 200, headers, body: "half", ending: "hangs" })
        const store = yield* open(url, { sizeMax: 999_999 })
        const { reason } = yield* Effect.flip(store.get("a"))
        assert.strictEqual(reason._tag, "ValidationFailed")
      }).pipe(Effect.scoped)
    )

    it.live("R10.3 speaks to this machine alone without TLS", () =>
      Effect.gen(function* () {
        const call = open("http://198.51.100.1:9").pipe(
          Effect.flatMap((store) => store.get("a")),
          Effect.timeout("5 seconds")
        )
        const error = yield* Effect.flip(call)
        assert.isTrue(error instanceof QueueError.QueueError)
        assert.match(error.message, /bodies travel over https alone/u)
        assert.notInclude(error.message, "Yg==")
      }).pipe(Effect.scoped)
    )
  })
}

const environment = (variables: Readonly<Record<string, string>>) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

const named = (
  layer: Layer.Layer<BlobStore.BlobStore, QueueError.QueueError>,
  variables: Readonly<Record<string, string>>
) =>
  Effect.map(
    Effect.provide(BlobStore.BlobStore, Layer.provide(layer, environment(variables))),
    ({ name, sizeMax }) => [name, sizeMax] as const
  )

const problemOf = <A>(effect: Effect.Effect<A, QueueError.QueueError, Scope.Scope>) =>
  Effect.map(Effect.flip(Effect.scoped(effect)), ({ message }) => message)

describe("S3BlobStore: options", () => {
  it.effect("R10.1 comes from the environment, and says what is missing", () =>
    Effect.gen(function* () {
      const layer = S3BlobStore.layerConfig({ client: { maxAttempts: 1 } })
      const variables = {
        CLAIM_CHECK_BUCKET: "blobs",
        CLAIM_CHECK_REGION: "us-east-1",
        CLAIM_CHECK_ENDPOINT: "http://localhost:1",
        CLAIM_CHECK_BLOB_BYTES_MAX: "10"
      }
      assert.deepStrictEqual(yield* named(layer, variables), ["aws-s3", 10])
      const own = S3BlobStore.layerConfig({ bucket: "mine" })
      assert.strictEqual((yield* named(own, {}))[0], "aws-s3")
      const missing = yield* problemOf(named(layer, {}))
      assert.match(missing, /CLAIM_CHECK_BUCKET: must be set to the name of a bucket/u)
      assert.match(yield* problemOf(S3BlobStore.make({ bucket: "" })), /bucket: must not be empty/u)
      const bad = yield* problemOf(S3BlobStore.make({ bucket: "b", sizeMax: 0 }))
      assert.match(bad, /sizeMax: must be a whole number/u)
    })
  )
})

describe("AzureBlobStore: options", () => {
  const credential = { getToken: () => Promise.resolve(null) }

  it.effect("R10.1 comes from the environment, and says what is missing", () =>
    Effect.gen(function* () {
      const layer = AzureBlobStore.layerConfig()
      const text = "AccountName=a;AccountKey=Yg==;EndpointSuffix=core.windows.net"
      const variables = {
        CLAIM_CHECK_CONTAINER: "blobs",
        CLAIM_CHECK_CONNECTION_STRING: `DefaultEndpointsProtocol=https;${text}`,
        CLAIM_CHECK_BLOB_BYTES_MAX: "10"
      }
      assert.deepStrictEqual(yield* named(layer, variables), ["azure-blob", 10])
      const account = { accountUrl: "https://acme.blob.core.windows.net/", credential }
      const own = AzureBlobStore.layerConfig({ account, client: {} })
      assert.strictEqual((yield* named(own, variables))[0], "azure-blob")
      assert.match(
        yield* problemOf(named(layer, {})),
        /CLAIM_CHECK_CONTAINER: must be set to the name of a container/u
      )
      assert.match(
        yield* problemOf(named(layer, { CLAIM_CHECK_CONTAINER: "blobs" })),
        /CLAIM_CHECK_CONNECTION_STRING: must be set to the connection string/u
      )
    })
  )

  it.effect("R10.1 an account or a container that is none is refused, and no key is shown", () =>
    Effect.gen(function* () {
      const account = { accountUrl: "https://acme.blob.core.windows.net", credential }
      const container = "blobs"
      for (const bad of ["ab", "A".repeat(3), "a--b", "-ab", "a/b", "x".repeat(64)]) {
        const problem = yield* problemOf(AzureBlobStore.make({ container: bad, account }))
        assert.match(problem, /container: must have 3–63 characters/u)
      }
      const text = { connectionString: Redacted.make("AccountKey=c2VjcmV0") }
      const none = yield* problemOf(AzureBlobStore.make({ container, account: text }))
      assert.match(none, /connectionString: is none of a storage account/u)
      assert.notInclude(none, "c2VjcmV0")
      for (const accountUrl of ["", "acme", "http://acme.blob.core.windows.net"]) {
        const given = { accountUrl, credential }
        const problem = yield* problemOf(AzureBlobStore.make({ container, account: given }))
        assert.match(problem, /^ConfigurationInvalid: accountUrl: /u)
      }
    })
  )
})

describe("what the stores have in common", () => {
  it.live("R10.7 a blob that has expired is not loaded", () =>
    Effect.gen(function* () {
      const soon = DateTime.toEpochMillis(yield* DateTime.now) - 1
      for (const { name, open } of kinds) {
        const header = name === "S3BlobStore" ? "x-amz-meta-expires_at" : "x-ms-meta-expires_at"
        const { url } = yield* serve({
          status: 200,
          headers: { "content-length": "100", [header]: String(soon) },
          body: "half",
          ending: "hangs"
        })
        const store = yield* open(url)
        assert.isTrue(Option.isNone(yield* store.get("a")))
      }
    }).pipe(Effect.scoped)
  )
})
