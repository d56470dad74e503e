/**
 * Blobs of a container of Azure Blob Storage.
 *
 * **Details**
 *
 * The container must exist, and whoever asks needs the role Storage Blob Data Contributor on it. The SDK's
 * own retries stay on: nothing of ours repeats a call to a store.
 *
 * **Gotchas** With soft delete switched on a deleted blob stays, and is paid for, until its days are over.
 *
 * **Source** Azure Blob Storage: strong consistency, a block blob is written as a whole; at most 5,000 MiB
 * in one put
 *
 * @since 0.1.0
 */
import {
  type BlobDownloadResponseParsed,
  ContainerClient,
  type ContainerClient as Container,
  type newPipeline,
  type StoragePipelineOptions
} from "@azure/storage-blob"
import installed from "@azure/storage-blob/package.json" with { type: "json" }
import { Readable } from "node:stream"
import { buffer } from "node:stream/consumers"
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import {
  BlobStore,
  Check,
  Configuration,
  Defaults,
  QueueError,
  SdkVersion
} from "@queue-runtime/core"
import * as blobService from "./internal/blobService.ts"
import * as endpoint from "./internal/endpoint.ts"
import * as expiry from "./internal/expiry.ts"
import * as settings from "./internal/settings.ts"

/**
 * Where the container is, and who asks: a connection string, or the URL of the account and a credential.
 *
 * @category options
 * @since 0.1.0
 */
export type Account =
  | { readonly connectionString: Redacted.Redacted }
  | {
      /** `https://<name>.blob.core.windows.net` */
      readonly accountUrl: string
      /** A credential of `@azure/identity`. */
      readonly credential: NonNullable<Parameters<typeof newPipeline>[0]>
    }

/**
 * Which container, and how it is reached.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly container: string
  readonly account: Account
  /** What the SDK's client is made with besides. */
  readonly client?: StoragePipelineOptions
  /** Bytes of one body. Default: 100 MiB. */
  readonly sizeMax?: number
  /** How long one call may take, its retries included. Default: 30 seconds. */
  readonly timeout?: Duration.Input
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "12.34.0",
  below: "13.0.0"
}

const name = "azure-blob"

const invalid = (key: string, problem: string, cause?: unknown) =>
  Effect.fail(QueueError.configurationInvalid(key, problem, cause))

/** Its URL, and that of every call, is of this client: nothing goes elsewhere. */
const makeClient = Effect.fnUntraced(function* ({ account, client = {}, container }: Options) {
  if (!settings.container.pattern.test(container)) {
    return yield* invalid("container", settings.container.rule)
  }
  const isText = "connectionString" in account
  const made = yield* Effect.try({
    try: () =>
      isText
        ? new ContainerClient(Redacted.value(account.connectionString), container, client)
        : new ContainerClient(
            `${account.accountUrl.replace(/\/+$/u, "")}/${container}`,
            account.credential,
            client
          ),
    catch: (cause) =>
      isText
        ? QueueError.configurationInvalid("connectionString", "is none of a storage account", cause)
        : QueueError.configurationInvalid("accountUrl", "must be an https URL", cause)
  })
  const problem = URL.canParse(made.url)
    ? endpoint.problemOf(isText ? "connectionString" : "accountUrl", new URL(made.url))
    : QueueError.configurationInvalid("accountUrl", "must be an https URL")
  return problem === undefined ? made : yield* Effect.fail(problem)
})

const isCode = (thrown: unknown, code: string): boolean => blobService.known(thrown).code === code

const classify = blobService.classifyHttp("container", ({ code }) => code === "ContainerNotFound")

const noBlob = (thrown: unknown) => (isCode(thrown, "BlobNotFound") ? Effect.undefined : undefined)

const streamOf = ({ readableStreamBody }: BlobDownloadResponseParsed): Readable =>
  readableStreamBody instanceof Readable ? readableStreamBody : Readable.from([])

const get = Effect.fnUntraced(function* (container: Container, key: string, sizeMax: number) {
  const place = { provider: name, operation: "get" }
  const found = yield* blobService.step(
    place,
    classify,
    (abortSignal) => container.getBlockBlobClient(key).download(0, undefined, { abortSignal }),
    noBlob
  )
  if (found === undefined) return Option.none<BlobStore.Blob>()
  const stream = streamOf(found)
  const discard = Effect.sync(() => stream.destroy())
  const blob = expiry.fromMetadata(found.metadata ?? {})
  if (yield* expiry.isOver(blob)) return yield* Effect.as(discard, Option.none<BlobStore.Blob>())
  const bytes = yield* BlobStore.checkSize(sizeMax, found.contentLength ?? Infinity).pipe(
    Effect.andThen(blobService.step(place, blobService.classifyBody, () => buffer(stream))),
    Effect.onError(() => discard)
  )
  const body = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  return Option.some({ ...blob, body })
})

const list = Effect.fnUntraced(function* (
  container: Container,
  { before, cursor, prefix }: BlobStore.ListOptions,
  maxPageSize: number
) {
  const page = yield* blobService.step(
    { provider: name, operation: "list" },
    classify,
    (abortSignal) =>
      container
        .listBlobsFlat({ prefix, abortSignal })
        .byPage({
          maxPageSize,
          ...(cursor !== undefined && { continuationToken: cursor })
        })
        .next()
  )
  if (page.done === true) return { entries: [] }
  const entries: Array<BlobStore.Entry> = []
  for (const { name: key, properties } of page.value.segment.blobItems) {
    const putAt = DateTime.fromDateUnsafe(properties.lastModified)
    const isOld = before === undefined || DateTime.isLessThan(putAt, before)
    if (isOld && BlobStore.isKey(key)) {
      entries.push({ key, size: properties.contentLength ?? 0, putAt })
    }
  }
  const { continuationToken: next = "" } = page.value
  return { entries, ...(next !== "" && { next }) }
})

/**
 * A store over a container.
 *
 * **Errors** ConfigurationInvalid and ValidationFailed for an option, and for what is to be reached without
 * TLS · then, of each call: ConfigurationInvalid when the container does not exist · PermissionDenied ·
 * AuthenticationFailed · Throttled · ConnectionFailed · Timeout · ProviderFailure
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BlobStore.Service, QueueError.QueueError> {
  const sizeMax = yield* Check.wholeNumber("sizeMax", options.sizeMax ?? Defaults.blobSizeMax)
  const timeout = yield* Check.duration("timeout", options.timeout ?? Defaults.blobTimeout)
  yield* SdkVersion.check(sdk)
  const container = yield* makeClient(options)
  const limited = blobService.within(timeout)
  const service: BlobStore.Service = {
    name,
    sizeMax,
    put: (key, body, wanted = {}) => {
      const place = { provider: name, operation: "put" }
      const put = blobService.step(place, classify, (abortSignal) =>
        container.getBlockBlobClient(key).upload(body, body.byteLength, {
          abortSignal,
          metadata: expiry.toMetadata(wanted)
        })
      )
      return Effect.andThen(
        BlobStore.checkPut(sizeMax, key, body, wanted),
        limited(place, Effect.asVoid(put))
      )
    },
    get: (key) =>
      Effect.andThen(
        BlobStore.checkKey(key),
        limited({ provider: name, operation: "get" }, get(container, key, sizeMax))
      ),
    delete: (key) => {
      const place = { provider: name, operation: "delete" }
      const remove = blobService.step(
        place,
        classify,
        (abortSignal) => container.getBlockBlobClient(key).delete({ abortSignal }),
        noBlob
      )
      return Effect.andThen(BlobStore.checkKey(key), limited(place, Effect.asVoid(remove)))
    },
    list: (wanted) =>
      Effect.flatMap(BlobStore.checkList(wanted), (max) =>
        limited({ provider: name, operation: "list" }, list(container, wanted, max))
      )
  }
  return service
})

/**
 * A container as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (With the SDK's own credentials)
 *
 * ```ts
 * import { AzureBlobStore } from "@queue-runtime/claim-check/azure-blob"
 * import { Layer } from "effect"
 *
 * // In an application: new DefaultAzureCredential() of @azure/identity.
 * const credential = { getToken: () => Promise.resolve(null) }
 * const blobs = AzureBlobStore.layer({
 *   container: "large-messages",
 *   account: { accountUrl: "https://acme.blob.core.windows.net", credential }
 * })
 * Layer.isLayer(blobs) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<BlobStore.BlobStore, QueueError.QueueError> =>
  Layer.effect(BlobStore.BlobStore, make(options))

const section = {
  root: "claimCheck",
  schema: Schema.Struct({ ...settings.common, ...settings.azure })
}

/**
 * The container that the environment names (`CLAIM_CHECK_CONTAINER`, `CLAIM_CHECK_CONNECTION_STRING`);
 * what code says wins, such as an account with a credential.
 *
 * **Errors** ConfigurationInvalid naming the variable; then as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  overrides: Partial<Options> = {}
): Layer.Layer<BlobStore.BlobStore, QueueError.QueueError> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const { account, client, ...code } = overrides
      const { connectionString, container, ...rest } = yield* Configuration.read(section, code)
      const own = account ?? (connectionString && { connectionString })
      if (container === undefined) {
        return yield* invalid("CLAIM_CHECK_CONTAINER", "must be set to the name of a container")
      }
      if (own === undefined) {
        const problem = "must be set to the connection string of a storage account"
        return yield* invalid("CLAIM_CHECK_CONNECTION_STRING", problem)
      }
      return layer({ ...rest, container, account: own, ...(client && { client }) })
    })
  )
