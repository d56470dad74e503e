/**
 * Keys from the environment (Effect's `ConfigProvider`), for deployments whose secrets are variables. A
 * changed variable needs a restart.
 *
 * | variable | what | default |
 * |---|---|---|
 * | `QUEUE_CRYPTO_KEYS` | the keys, `id:base64` with commas between: 32 bytes each | none |
 * | `QUEUE_CRYPTO_CURRENT_KEY` | the id of the key that seals | the only key there is |
 * | `QUEUE_CRYPTO_QUEUE_KEYS` | queues with keys of their own, `queue=id id` with commas between: the first seals, all of them open | none |
 *
 * **Gotchas**
 *
 * The variable itself stays readable in this process, and in what reports its environment: the copy that
 * is wiped with the scope is ours alone.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { KeyProvider, QueueError, QueueName } from "@queue-runtime/core"
import * as KeyProviderMemory from "./KeyProviderMemory.ts"

const keysVariable = "QUEUE_CRYPTO_KEYS"

const currentVariable = "QUEUE_CRYPTO_CURRENT_KEY"

const queuesVariable = "QUEUE_CRYPTO_QUEUE_KEYS"

/**
 * The variables.
 *
 * @category configuration
 * @since 0.1.0
 */
export const variables: ReadonlyArray<string> = [keysVariable, currentVariable, queuesVariable]

const invalid = (key: string, problem: string) =>
  Effect.fail(QueueError.configurationInvalid(key, problem))

const read = <A>(key: string, config: Config.Config<A>) =>
  Effect.mapError(Config.option(config), () =>
    QueueError.configurationInvalid(key, "cannot be read")
  )

const keyRule = "must be id:base64 of 32 bytes (openssl rand -base64 32 makes such a key)"

/** The key, or what is wrong. What the text says is never in it: it may be a key in the wrong place. */
const parse = (entry: string): Result.Result<KeyProviderMemory.KeyOptions, string> => {
  const colon = entry.lastIndexOf(":")
  const bytes = Base64.decode(entry.slice(colon + 1))
  const id = entry.slice(0, Math.max(0, colon)).trim()
  if (id === "") return Result.fail(`${keyRule}, and has no id before a colon`)
  if (Result.isFailure(bytes)) return Result.fail(`${keyRule}, and is no base64 behind its id`)
  const { byteLength } = bytes.success
  return byteLength === 32
    ? Result.succeed({ id, material: Redacted.make(bytes.success) })
    : Result.fail(`${keyRule}, and has ${byteLength} ${byteLength === 1 ? "byte" : "bytes"}`)
}

const missingRule = "id:base64 of 32 bytes (openssl rand -base64 32), with commas between"

/** The queues with keys of their own; what is no id is never in an error, as above. */
const queueKeys = Effect.fnUntraced(function* (ids: ReadonlySet<string>) {
  const queues = new Map<string, KeyProviderMemory.QueueKeys>()
  const given = yield* read(queuesVariable, Config.String(queuesVariable))
  if (Option.isNone(given)) return {}
  for (const [index, entry] of given.value.split(",").entries()) {
    const [queue = "", ...rest] = entry.split("=")
    const name = queue.trim()
    const own = rest
      .join("=")
      .split(/\s+/u)
      .filter((id) => id !== "")
    const [current] = own
    const isKnown = QueueName.is(name) && !queues.has(name)
    if (!isKnown || current === undefined || !own.every((id) => ids.has(id))) {
      return yield* invalid(
        queuesVariable,
        `entry ${index + 1} must be queue=id, each queue once, with ids of ${keysVariable}`
      )
    }
    queues.set(name, { current, ids: own })
  }
  return Object.fromEntries(queues)
})

/**
 * A key provider of the keys in the environment, until the scope ends.
 *
 * **Errors** ConfigurationInvalid, naming the variable and the place of the key in it
 *
 * **Example** (Two keys, one of which seals)
 *
 * ```ts
 * import { QueueName } from "@queue-runtime/core"
 * import { KeyProviderEnvironment } from "@queue-runtime/crypto"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const key = (seed: number) => Buffer.alloc(32, seed).toString("base64")
 * const environment = ConfigProvider.fromUnknown({
 *   QUEUE_CRYPTO_KEYS: `may:${key(5)},june:${key(6)}`,
 *   QUEUE_CRYPTO_CURRENT_KEY: "june"
 * })
 * const program = Effect.gen(function* () {
 *   const keys = yield* KeyProviderEnvironment.make
 *   const queue = yield* QueueName.make("orders")
 *   return [(yield* keys.current(queue)).id, yield* keys.ids(queue)]
 * })
 * Effect.runSync(
 *   Effect.scoped(program).pipe(Effect.provide(ConfigProvider.layer(environment)))
 * ) // => ["june", ["may", "june"]]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<KeyProvider.Service, QueueError.QueueError, Scope.Scope> =
  Effect.gen(function* () {
    const given = yield* read(keysVariable, Config.Redacted(keysVariable))
    if (Option.isNone(given)) {
      return yield* invalid(keysVariable, `is missing: ${missingRule}`)
    }
    const keys: Array<KeyProviderMemory.KeyOptions> = []
    for (const [index, entry] of Redacted.value(given.value).split(",").entries()) {
      const key = parse(entry.trim())
      const place = `key ${index + 1}`
      if (Result.isFailure(key)) return yield* invalid(keysVariable, `${place} ${key.failure}`)
      const same = keys.findIndex(({ id }) => id === key.success.id)
      if (same !== -1) {
        return yield* invalid(
          keysVariable,
          `${place} has the id of key ${same + 1}; each id stands there once`
        )
      }
      keys.push(key.success)
    }
    const current = yield* read(currentVariable, Config.String(currentVariable))
    if (Option.isNone(current) && keys.length > 1) {
      return yield* invalid(currentVariable, "is missing: of several keys it says which one seals")
    }
    const only = keys.map(({ id }) => id).join()
    const queues = yield* queueKeys(new Set(keys.map(({ id }) => id)))
    const options = { keys, current: Option.getOrElse(current, () => only), queues }
    const {
      byId,
      current: sealing,
      ids,
      wrappedSizeMax
    } = yield* Effect.mapError(KeyProviderMemory.make(options), ({ reason: { message } }) =>
      message.startsWith("current:")
        ? QueueError.configurationInvalid(currentVariable, `is no key of ${keysVariable}`)
        : QueueError.configurationInvalid(keysVariable, message)
    )
    for (const { material } of keys) Redacted.value(material).fill(0)
    return { byId, current: sealing, ids, wrappedSizeMax }
  })

/**
 * The keys of the environment as a layer.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<KeyProvider.KeyProvider, QueueError.QueueError> = Layer.effect(
  KeyProvider.KeyProvider,
  make
)
