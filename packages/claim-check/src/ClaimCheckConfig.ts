/**
 * The claim check from the environment (Effect's `ConfigProvider`) and from code, which wins. A changed
 * setting needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `CLAIM_CHECK_STORE` | `store`: memory, file, aws-s3 or azure-blob; without one nothing is claimed | none |
 * | `CLAIM_CHECK_THRESHOLD_BYTES` | `threshold` | what the queue takes |
 * | `CLAIM_CHECK_BODY_BYTES_MAX` | `bodySizeMax` | 26214400 |
 * | `CLAIM_CHECK_PREFIX` | `prefix` of the keys | queue-runtime |
 * | `CLAIM_CHECK_DELETE` | `delete`: on-complete or never | on-complete |
 * | `CLAIM_CHECK_RETENTION_SECONDS` | `retention`: younger blobs are not swept | 44 days |
 * | `CLAIM_CHECK_BLOB_BYTES_MAX` | `sizeMax` of the store | 104857600 |
 * | `CLAIM_CHECK_TIMEOUT_SECONDS` | `timeout` of one call to the store | 30 |
 * | `CLAIM_CHECK_DIRECTORY` | of the store file: where the blobs are | required |
 * | `CLAIM_CHECK_BUCKET`, `CLAIM_CHECK_REGION`, `CLAIM_CHECK_ENDPOINT` | of the store aws-s3 | the bucket is required |
 * | `CLAIM_CHECK_CONTAINER`, `CLAIM_CHECK_CONNECTION_STRING` | of the store azure-blob | required |
 *
 * **Details**
 *
 * The stores that need an SDK are loaded when they are named, by loaders that the application lists: it
 * installs what it uses. A `BlobStore` that is provided stands in the place of a named one.
 *
 * @since 0.1.0
 */
import {
  BlobStore,
  Configuration,
  Options as CoreOptions,
  QueueError,
  QueueProvider
} from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as ClaimCheck from "./ClaimCheck.ts"
import * as FileBlobStore from "./FileBlobStore.ts"
import * as settings from "./internal/settings.ts"
import * as MemoryBlobStore from "./MemoryBlobStore.ts"

const schema = Schema.Struct({
  ...settings.policy,
  ...settings.common,
  ...settings.file,
  ...settings.s3,
  ...settings.azure
})

/**
 * What the settings say; what is absent has its own default.
 *
 * @category models
 * @since 0.1.0
 */
export type ClaimCheckConfig = typeof schema.Type

/**
 * The section: for tools that list settings or read a file.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<ClaimCheckConfig> = { root: "claimCheck", schema }

/**
 * The name of a store of ours.
 *
 * @category models
 * @since 0.1.0
 */
export type StoreName = (typeof settings.stores)[number]

/**
 * Loads a store when it is named: `() => import("@queue-runtime/claim-check/aws-s3").then(…)`.
 *
 * @category models
 * @since 0.1.0
 */
export type Load = () => Promise<Layer.Layer<BlobStore.BlobStore, QueueError.QueueError>>

/**
 * What code says: it wins over the environment.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends ClaimCheck.Options {
  /** Which store. Default: `CLAIM_CHECK_STORE`. */
  readonly store?: StoreName
  /** Loaders of the stores that need an SDK, by name. Default: none. */
  readonly stores?: { readonly [name in "aws-s3" | "azure-blob"]?: Load }
}

/**
 * Reads the settings.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * **Example** (Files, and a threshold)
 *
 * ```ts
 * import { ClaimCheckConfig } from "@queue-runtime/claim-check"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({
 *   CLAIM_CHECK_STORE: "file",
 *   CLAIM_CHECK_DIRECTORY: "/var/lib/blobs"
 * })
 * const { directory, store, threshold } = Effect.runSync(
 *   ClaimCheckConfig.read({ threshold: 100_000 }).pipe(
 *     Effect.provide(ConfigProvider.layer(environment))
 *   )
 * )
 * [store, directory, threshold] // => ["file", "/var/lib/blobs", 100000]
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read = (
  overrides: Partial<ClaimCheckConfig> = {}
): Effect.Effect<ClaimCheckConfig, QueueError.QueueError> => Configuration.read(section, overrides)

const invalid = (key: string, problem: string, cause?: unknown) =>
  QueueError.configurationInvalid(key, problem, cause)

const packages = { "aws-s3": "@aws-sdk/client-s3", "azure-blob": "@azure/storage-blob" } as const

const chosen = Effect.fnUntraced(function* (
  name: StoreName,
  { directory, sizeMax, timeout }: ClaimCheckConfig,
  stores: NonNullable<Options["stores"]>
): Effect.fn.Return<
  Layer.Layer<BlobStore.BlobStore, QueueError.QueueError>,
  QueueError.QueueError
> {
  const bounds = { ...(sizeMax !== undefined && { sizeMax }) }
  if (name === "memory") return MemoryBlobStore.layer(bounds)
  if (name === "file") {
    return directory === undefined
      ? yield* Effect.fail(invalid("CLAIM_CHECK_DIRECTORY", "must be set to a directory"))
      : FileBlobStore.layer({ ...bounds, directory, ...(timeout && { timeout }) })
  }
  const load = stores[name]
  if (load === undefined) {
    const problem = `this application does not list the store "${name}"`
    return yield* Effect.fail(invalid("CLAIM_CHECK_STORE", problem))
  }
  return yield* Effect.tryPromise({
    try: load,
    catch: (cause) =>
      invalid(
        "CLAIM_CHECK_STORE",
        `the store "${name}" could not be loaded; is ${packages[name]} installed?`,
        cause
      )
  })
})

/**
 * The store that the environment names: for a sweep.
 *
 * **Errors** ConfigurationInvalid for a variable, and when no store is named; then the store's own
 *
 * **Example** (A sweep by the settings)
 *
 * ```ts
 * import { ClaimCheck, ClaimCheckConfig } from "@queue-runtime/claim-check"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const { prefix, retention } = yield* ClaimCheckConfig.read()
 *   return yield* ClaimCheck.sweep({ ...(prefix && { prefix }), ...(retention && { retention }) })
 * })
 * const environment = ConfigProvider.fromUnknown({ CLAIM_CHECK_STORE: "memory" })
 * const { deleted } = await Effect.runPromise(
 *   Effect.provide(
 *     program,
 *     Layer.provideMerge(ClaimCheckConfig.layerStore(), ConfigProvider.layer(environment))
 *   )
 * )
 * deleted // => 0
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerStore = ({
  store,
  stores = {}
}: Pick<Options, "store" | "stores"> = {}): Layer.Layer<
  BlobStore.BlobStore,
  QueueError.QueueError
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* read({ ...(store && { store }) })
      if (config.store !== undefined) return yield* chosen(config.store, config, stores)
      const problem = `must be set to one of ${settings.stores.join(", ")}`
      return yield* Effect.fail(invalid("CLAIM_CHECK_STORE", problem))
    })
  )

const unclaimed = Layer.effect(QueueProvider.QueueProvider, QueueProvider.QueueProvider)

const policyOf = (config: ClaimCheckConfig): ClaimCheck.Options => {
  const { bodySizeMax, delete: kept, prefix, threshold } = config
  return CoreOptions.defined({ bodySizeMax, delete: kept, prefix, threshold })
}

/**
 * The claim check around the provider below it, by the settings. Without a store the provider stays as it
 * is, which its `stack` shows.
 *
 * **Errors** ConfigurationInvalid for a variable or an option of the code; then the store's own
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = ({ stores = {}, ...code }: Options = {}): Layer.Layer<
  QueueProvider.QueueProvider,
  QueueError.QueueError,
  QueueProvider.QueueProvider
> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const config = yield* read(code)
      const given = yield* Effect.serviceOption(BlobStore.BlobStore)
      const claimed = ClaimCheck.layer(policyOf(config))
      if (Option.isSome(given)) {
        return Layer.provide(claimed, Layer.succeed(BlobStore.BlobStore, given.value))
      }
      return config.store === undefined
        ? unclaimed
        : Layer.provide(claimed, yield* chosen(config.store, config, stores))
    })
  )
