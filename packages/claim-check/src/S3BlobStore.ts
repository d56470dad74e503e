/**
 * Blobs as objects of an S3 bucket.
 *
 * **Details**
 *
 * The bucket must exist, and whoever asks needs `s3:PutObject`, `s3:GetObject`, `s3:DeleteObject` and, to
 * tell a missing object from a forbidden one and to sweep, `s3:ListBucket`. The SDK finds region and
 * credentials itself. Its own retries stay on: nothing of ours repeats a call to a store.
 *
 * **Gotchas** In a bucket with versions a deleted blob stays as an old version, until a lifecycle rule
 * removes it.
 *
 * **Source** Amazon S3: strong read-after-write consistency, objects are written as a whole; at most 5 GB
 * in one put
 *
 * @since 0.1.0
 */
import {
  DeleteObjectCommand,
  GetObjectCommand,
  type GetObjectCommandOutput,
  ListObjectsV2Command,
  PutObjectCommand,
  S3Client,
  type S3ClientConfig
} from "@aws-sdk/client-s3"
import installed from "@aws-sdk/client-s3/package.json" with { type: "json" }
import * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
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
 * Which bucket, and how it is reached.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly bucket: string
  /** What the SDK's client is made with: region, endpoint, credentials. */
  readonly client?: S3ClientConfig
  /** Bytes of one body. Default: 100 MiB. */
  readonly sizeMax?: number
  /** How long one call may take, its retries included. Default: 30 seconds. */
  readonly timeout?: Duration.Input
}

/** What this package is built for and tested with. */
const sdk: SdkVersion.Sdk = {
  package: installed.name,
  version: installed.version,
  minimum: "3.1169.0",
  below: "4.0.0"
}

const name = "aws-s3"

const text = (value: unknown): string => (typeof value === "string" ? value : "")

const makeClient = (config: S3ClientConfig) => {
  const client = new S3Client(config)
  client.middlewareStack.add(
    (next) => (call) => {
      const request: object = Object(call.request)
      const problem = endpoint.problemOf("endpoint", {
        hostname: text(Reflect.get(request, "hostname")),
        protocol: text(Reflect.get(request, "protocol"))
      })
      return problem === undefined ? next(call) : Promise.reject(problem)
    },
    { step: "finalizeRequest", name: "queueRuntimeOnlyTls" }
  )
  return client
}

const classify = blobService.classifyHttp("bucket", (facts) => facts.name === "NoSuchBucket")

const isNoObject = (thrown: unknown): boolean => /^NoSuchKey$/u.test(blobService.known(thrown).name)

/** An object whose size is known; its body is read afterwards, or not at all. */
type Found = Required<Pick<GetObjectCommandOutput, "Body">> & GetObjectCommandOutput

const hasBody = (object: GetObjectCommandOutput): object is Found => object.Body !== undefined

const discard = ({ Body }: GetObjectCommandOutput): void => {
  if (Body !== undefined && "destroy" in Body) Body.destroy()
}

/** The bytes: what is too large is not loaded, and what nobody waits for any more is not read on. */
const bytesOf = (
  object: GetObjectCommandOutput,
  sizeMax: number
): Effect.Effect<Uint8Array, QueueError.QueueError> => {
  const place = { provider: name, operation: "get" }
  if (!hasBody(object)) return Effect.succeed(new Uint8Array(0))
  const read = blobService.step(place, blobService.classifyBody, () =>
    object.Body.transformToByteArray()
  )
  return BlobStore.checkSize(sizeMax, object.ContentLength ?? Infinity).pipe(
    Effect.andThen(read),
    Effect.onError(() => Effect.sync(() => discard(object)))
  )
}

/**
 * A store over a bucket, until the scope ends.
 *
 * **Errors** ConfigurationInvalid and ValidationFailed for an option · then, of each call: ConfigurationInvalid
 * when the bucket does not exist, or is to be reached without TLS · PermissionDenied ·
 * AuthenticationFailed · Throttled · ConnectionFailed · Timeout · ProviderFailure
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BlobStore.Service, QueueError.QueueError, Scope.Scope> {
  const { bucket: Bucket } = options
  if (Bucket === "") {
    return yield* Effect.fail(QueueError.configurationInvalid("bucket", "must not be empty"))
  }
  const sizeMax = yield* Check.wholeNumber("sizeMax", options.sizeMax ?? Defaults.blobSizeMax)
  const timeout = yield* Check.duration("timeout", options.timeout ?? Defaults.blobTimeout)
  yield* SdkVersion.check(sdk)
  const client = yield* Effect.acquireRelease(
    Effect.sync(() => makeClient(options.client ?? {})),
    (self) => Effect.sync(() => self.destroy())
  )
  const limited = blobService.within(timeout)

  const get = Effect.fnUntraced(function* (Key: string) {
    const object = yield* blobService.step(
      { provider: name, operation: "get" },
      classify,
      (abortSignal) => client.send(new GetObjectCommand({ Bucket, Key }), { abortSignal }),
      (thrown) => (isNoObject(thrown) ? Effect.undefined : undefined)
    )
    if (object === undefined) return Option.none<BlobStore.Blob>()
    const blob = expiry.fromMetadata(object.Metadata ?? {})
    if (yield* expiry.isOver(blob)) {
      discard(object)
      return Option.none<BlobStore.Blob>()
    }
    return Option.some({ ...blob, body: yield* bytesOf(object, sizeMax) })
  })

  const list = Effect.fnUntraced(function* (wanted: BlobStore.ListOptions, MaxKeys: number) {
    const { before, cursor, prefix: Prefix } = wanted
    const page = yield* blobService.step(
      { provider: name, operation: "list" },
      classify,
      (abortSignal) =>
        client.send(
          new ListObjectsV2Command({
            Bucket,
            Prefix,
            MaxKeys,
            ...(cursor !== undefined && { StartAfter: cursor })
          }),
          { abortSignal }
        )
    )
    const objects = page.Contents ?? []
    const entries = objects.flatMap(({ Key: key = "", LastModified, Size: size = 0 }) => {
      if (LastModified === undefined || !BlobStore.isKey(key)) return []
      const putAt = DateTime.fromDateUnsafe(LastModified)
      const isOld = before === undefined || DateTime.isLessThan(putAt, before)
      return isOld ? [{ key, size, putAt }] : []
    })
    // What is not ours is stepped over as well.
    const next = page.IsTruncated === true ? objects.at(-1)?.Key : undefined
    return { entries, ...(next !== undefined && { next }) }
  })

  const service: BlobStore.Service = {
    name,
    sizeMax,
    put: (Key, Body, wanted = {}) => {
      const place = { provider: name, operation: "put" }
      const put = blobService.step(place, classify, (abortSignal) =>
        client.send(
          new PutObjectCommand({
            Bucket,
            Key,
            Body,
            ContentLength: Body.byteLength,
            Metadata: expiry.toMetadata(wanted)
          }),
          { abortSignal }
        )
      )
      return Effect.andThen(
        BlobStore.checkPut(sizeMax, Key, Body, wanted),
        limited(place, Effect.asVoid(put))
      )
    },
    get: (key) =>
      Effect.andThen(
        BlobStore.checkKey(key),
        limited({ provider: name, operation: "get" }, get(key))
      ),
    delete: (Key) => {
      const place = { provider: name, operation: "delete" }
      const remove = blobService.step(
        place,
        classify,
        (abortSignal) => client.send(new DeleteObjectCommand({ Bucket, Key }), { abortSignal }),
        (thrown) => (isNoObject(thrown) ? Effect.undefined : undefined)
      )
      return Effect.andThen(BlobStore.checkKey(Key), limited(place, Effect.asVoid(remove)))
    },
    list: (wanted) =>
      Effect.flatMap(BlobStore.checkList(wanted), (max) =>
        limited({ provider: name, operation: "list" }, list(wanted, max))
      )
  }
  return service
})

/**
 * A bucket as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (As part of a stack)
 *
 * ```ts
 * import { S3BlobStore } from "@queue-runtime/claim-check/aws-s3"
 * import { Layer } from "effect"
 *
 * const blobs = S3BlobStore.layer({
 *   bucket: "acme-large-messages",
 *   client: { region: "eu-central-1" }
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
  schema: Schema.Struct({ ...settings.common, ...settings.s3 })
}

/**
 * The bucket that the environment names (`CLAIM_CHECK_BUCKET`); what code says wins.
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
      const { client, ...code } = overrides
      const { bucket, endpoint: url, region, ...rest } = yield* Configuration.read(section, code)
      if (bucket === undefined) {
        const problem = "must be set to the name of a bucket"
        return yield* Effect.fail(QueueError.configurationInvalid("CLAIM_CHECK_BUCKET", problem))
      }
      return layer({
        ...rest,
        bucket,
        client: {
          ...(region !== undefined && { region }),
          ...(url !== undefined && { endpoint: url, forcePathStyle: true }),
          ...client
        }
      })
    })
  )
