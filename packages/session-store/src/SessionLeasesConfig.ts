/**
 * Leases of sessions from the environment (Effect's `ConfigProvider`) and from code, which wins. A changed
 * setting needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_SESSION_STORE` | `store`: memory or aws-dynamodb; without one there are no leases | none |
 * | `QUEUE_SESSION_LEASE_SECONDS` | `lease` | 30 |
 * | `QUEUE_SESSION_HOLDER` | `holder` | a random id |
 * | `QUEUE_SESSION_STORE_TABLE` | of the store aws-dynamodb: the table | required |
 * | `QUEUE_SESSION_STORE_KEY_PREFIX`, `QUEUE_SESSION_STORE_RETENTION_SECONDS`, `QUEUE_SESSION_STORE_STATE_SIZE_MAX`, `QUEUE_SESSION_STORE_TIMEOUT_SECONDS` | of the store aws-dynamodb | its own |
 *
 * **Details**
 *
 * The store that needs an SDK is loaded when it is named, by a loader that the application lists: it
 * installs what it uses. A `SessionStore` that is provided stands in the place of a named one.
 *
 * **Gotchas** Whether there are leases is known when the layer is built: a handler that needs a fencing token
 * has it from `SessionLeases.layerConfig`, which always has one.
 *
 * @since 0.1.0
 */
import { Configuration, QueueError, QueueProvider, SessionStore } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as settings from "./internal/settings.ts"
import * as SessionLeases from "./SessionLeases.ts"
import * as SessionStoreMemory from "./SessionStoreMemory.ts"

const schema = Schema.Struct({
  ...settings.store,
  ...settings.leases,
  ...settings.dynamoDb
})

/**
 * What the settings say; what is absent has its own default.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionLeasesConfig = typeof schema.Type

/**
 * The section: for tools that list settings or read a file.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<SessionLeasesConfig> = { root: settings.root, schema }

/**
 * The name of a store of ours.
 *
 * @category models
 * @since 0.1.0
 */
export type StoreName = (typeof settings.stores)[number]

/**
 * Loads a store when it is named: `() => import("@queue-runtime/session-store/aws-dynamodb").then(…)`.
 *
 * @category models
 * @since 0.1.0
 */
export type Load = () => Promise<Layer.Layer<SessionStore.SessionStore, QueueError.QueueError>>

/**
 * What code says: it wins over the environment.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options extends SessionLeases.Options {
  readonly store?: StoreName
  /** Loaders of the stores that need an SDK, by name. */
  readonly stores?: { readonly "aws-dynamodb"?: Load }
}

/**
 * Reads the settings.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * **Example** (A table, and shorter leases by code)
 *
 * ```ts
 * import { SessionLeasesConfig } from "@queue-runtime/session-store"
 * import { ConfigProvider, Duration, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({
 *   QUEUE_SESSION_STORE: "aws-dynamodb",
 *   QUEUE_SESSION_STORE_TABLE: "acme-prod-sessions"
 * })
 * const { lease, store, table } = Effect.runSync(
 *   SessionLeasesConfig.read({ lease: Duration.seconds(20) }).pipe(
 *     Effect.provide(ConfigProvider.layer(environment))
 *   )
 * )
 * [store, table, lease && Duration.format(lease)] // => ["aws-dynamodb", "acme-prod-sessions", "20s"]
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read = (
  overrides: Partial<SessionLeasesConfig> = {}
): Effect.Effect<SessionLeasesConfig, QueueError.QueueError> =>
  Configuration.read(section, overrides)

const invalid = (problem: string, cause?: unknown) =>
  QueueError.configurationInvalid("QUEUE_SESSION_STORE", problem, cause)

const chosen = Effect.fnUntraced(function* (
  name: StoreName,
  stores: NonNullable<Options["stores"]>
): Effect.fn.Return<
  Layer.Layer<SessionStore.SessionStore, QueueError.QueueError>,
  QueueError.QueueError
> {
  if (name === "memory") return SessionStoreMemory.layer()
  const load = stores[name]
  if (load === undefined) {
    return yield* Effect.fail(invalid(`this application does not list the store "${name}"`))
  }
  return yield* Effect.tryPromise({
    try: load,
    catch: (cause) =>
      invalid(
        `the store "${name}" could not be loaded; is @aws-sdk/client-dynamodb installed?`,
        cause
      )
  })
})

/**
 * Leases around the provider below it, by the settings. Without a store the provider stays as it is, which
 * its `stack` shows.
 *
 * **Errors** ConfigurationInvalid for a variable, ValidationFailed for an option of the code; then the
 * store's own
 *
 * **Example** (Leases where the environment names a store)
 *
 * ```ts
 * import { QueueProvider } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { SessionLeasesConfig } from "@queue-runtime/session-store"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({ QUEUE_SESSION_STORE: "memory" })
 * const live = SessionLeasesConfig.layer({
 *   stores: {
 *     "aws-dynamodb": () =>
 *       import("@queue-runtime/session-store/aws-dynamodb").then(({ SessionStoreDynamoDb }) =>
 *         SessionStoreDynamoDb.layerConfig()
 *       )
 *   }
 * }).pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { carts: { sessions: true } } })),
 *   Layer.provide(ConfigProvider.layer(environment))
 * )
 * const stack = QueueProvider.QueueProvider.useSync((provider) => provider.stack.join(", "))
 * await Effect.runPromise(Effect.provide(stack, live)) // => "session-leases, memory"
 * ```
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
      const { holder, lease, store } = yield* Configuration.read(section, code)
      const provided = yield* Effect.serviceOption(SessionStore.SessionStore)
      const leased = SessionLeases.layer({
        ...(holder !== undefined && { holder }),
        ...(lease !== undefined && { lease })
      })
      if (Option.isSome(provided)) {
        return Layer.provide(leased, Layer.succeed(SessionStore.SessionStore, provided.value))
      }
      // A layer of its own each time: the same one twice in a chain applies once.
      return store === undefined
        ? Layer.effect(QueueProvider.QueueProvider, QueueProvider.QueueProvider)
        : Layer.provide(leased, yield* chosen(store, stores))
    })
  )
