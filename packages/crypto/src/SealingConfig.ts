/**
 * Sealing from the environment (Effect's `ConfigProvider`) and from code, which wins. A changed setting
 * needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_CRYPTO_KEYS` | the keys (`KeyProviderEnvironment`); without them nothing is sealed | none |
 * | `QUEUE_CRYPTO_CURRENT_KEY` | the id of the key that seals | the only key there is |
 * | `QUEUE_CRYPTO_QUEUE_KEYS` | queues with keys of their own | none |
 * | `QUEUE_CRYPTO_MODE` | `mode`: encrypt, sign or off | encrypt |
 * | `QUEUE_CRYPTO_PLAINTEXT` | `plaintext`: allow, alert or reject | reject; with mode off, allow |
 * | `QUEUE_CRYPTO_FRESHNESS_SECONDS` | `freshness`, or off | 300 |
 * | `QUEUE_CRYPTO_FRESHNESS_FROM` | `freshnessFrom`: enqueued or received | enqueued |
 * | `QUEUE_CRYPTO_NONCE_TRACKING` | `nonceTracking`: on or off | off |
 * | `QUEUE_CRYPTO_NONCE_WINDOW_SECONDS` | `nonceWindow` | 600 |
 * | `QUEUE_CRYPTO_NONCES_MAX` | nonces remembered in this process | 100000 |
 *
 * **Details**
 *
 * From `QUEUE_CRYPTO_MODE` to `QUEUE_CRYPTO_NONCE_WINDOW_SECONDS` a value is for all queues, and may be
 * followed or replaced by values for single ones: `QUEUE_CRYPTO_MODE=off,orders=encrypt,audit=sign`.
 *
 * **Gotchas**
 *
 * Without keys the provider stays as it is, unless something asks for more: a mode other than off, or
 * any other policy, fails then. An empty variable is an absent one, so where bodies must never be sent
 * readable set `QUEUE_CRYPTO_MODE=encrypt` beside the keys, or the mode in code.
 *
 * @since 0.1.0
 */
import {
  Defaults,
  NonceStore,
  Options,
  QueueError,
  QueueName,
  QueueProvider
} from "@queue-runtime/core"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as KeyProviderEnvironment from "./KeyProviderEnvironment.ts"
import * as NodeCrypto from "./NodeCrypto.ts"
import * as NonceStoreMemory from "./NonceStoreMemory.ts"
import * as Sealing from "./Sealing.ts"

/** By the name of a queue; that of all queues is empty. */
type Setting<A> = ReadonlyMap<string, A>

const allQueues = ""

const optional = <A>(
  key: string,
  schema: Schema.Codec<A, string>,
  rule: string
): Effect.Effect<Option.Option<A>, QueueError.QueueError> =>
  Effect.mapError(Config.option(Config.schema(schema, key)), () =>
    QueueError.configurationInvalid(key, rule)
  )

/** The value for all queues, and those of single ones: `off,orders=encrypt`. */
const setting = <A>(
  key: string,
  schema: Schema.Codec<A, string>,
  rule: string
): Effect.Effect<Setting<A>, QueueError.QueueError> => {
  const decode = Schema.decodeOption(schema)
  const invalid = Effect.fail(
    QueueError.configurationInvalid(
      key,
      `must be ${rule}; of single queues queue=value, with commas between, each queue once`
    )
  )
  const parse = Effect.fnUntraced(function* (text: string) {
    const values = new Map<string, A>()
    for (const entry of text.split(",")) {
      const [first = "", ...rest] = entry.split("=").map((part) => part.trim())
      const [queue, value] = rest.length === 0 ? [allQueues, first] : [first, rest.join("=")]
      const decoded = decode(value)
      const isKnown = queue === allQueues ? rest.length === 0 : QueueName.is(queue)
      if (!isKnown || values.has(queue) || Option.isNone(decoded)) return yield* invalid
      values.set(queue, decoded.value)
    }
    return values
  })
  return Effect.flatMap(
    optional(key, Schema.String, "cannot be read"),
    Option.match({ onNone: () => Effect.succeed(new Map<string, A>()), onSome: parse })
  )
}

const word = <const Words extends ReadonlyArray<string>>(key: string, words: Words) =>
  setting(key, Schema.Literals(words), `one of ${words.join(", ")}`)

const mapped = <A, B>(
  self: Effect.Effect<Setting<A>, QueueError.QueueError>,
  f: (value: A) => B
): Effect.Effect<Setting<B>, QueueError.QueueError> =>
  Effect.map(self, (values) => new Map([...values].map(([queue, value]) => [queue, f(value)])))

const monthSeconds = 30 * 86_400

const Seconds = Schema.NumberFromString.check(
  Schema.isBetween({ minimum: 0.001, maximum: monthSeconds })
)

const secondsRule = `a number of seconds from 0.001 to ${monthSeconds}`

const policies = Effect.all({
  mode: word("QUEUE_CRYPTO_MODE", ["encrypt", "sign", "off"]),
  plaintext: word("QUEUE_CRYPTO_PLAINTEXT", ["allow", "alert", "reject"]),
  freshness: mapped(
    setting(
      "QUEUE_CRYPTO_FRESHNESS_SECONDS",
      Schema.Union([Schema.Literal("off"), Seconds]),
      `off, or ${secondsRule}`
    ),
    (value) => (value === "off" ? value : Duration.seconds(value))
  ),
  freshnessFrom: word("QUEUE_CRYPTO_FRESHNESS_FROM", ["enqueued", "received"]),
  nonceTracking: mapped(word("QUEUE_CRYPTO_NONCE_TRACKING", ["on", "off"]), (on) => on === "on"),
  nonceWindow: mapped(
    setting("QUEUE_CRYPTO_NONCE_WINDOW_SECONDS", Seconds, secondsRule),
    Duration.seconds
  )
})

type Present<A> = { [K in keyof A]?: A[K] extends Setting<infer V> ? V : never }

/**
 * What is said of a queue alone: an absent setting leaves its place to the default. An overload, since
 * Object.fromEntries forgets which name has which type.
 */
function saidOf<A extends Readonly<Record<string, Setting<unknown>>>>(
  settings: A,
  queue: string
): Present<A>
function saidOf(settings: Readonly<Record<string, Setting<unknown>>>, queue: string): object {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, values]) =>
      values.has(queue) ? [[name, values.get(queue)]] : []
    )
  )
}

/** What code leaves undefined it does not say, or a queue that is to be sealed would go out in clear. */
const queuesOf = (
  environment: Readonly<Record<string, Sealing.PolicyOptions>>,
  code: Readonly<Record<string, Sealing.PolicyOptions | undefined>>
): Readonly<Record<string, Sealing.PolicyOptions>> =>
  Object.fromEntries(
    [...new Set([...Object.keys(environment), ...Object.keys(code)])].map((queue) => [
      queue,
      { ...environment[queue], ...Options.defined(code[queue] ?? {}) }
    ])
  )

/**
 * Reads the settings, keys aside; what code says wins over the environment. What is said of one queue wins
 * over what is said of all, whoever says it. What code leaves undefined is as if it said nothing.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * **Example** (One queue sealed, with a setting of its own)
 *
 * ```ts
 * import { SealingConfig } from "@queue-runtime/crypto"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({ QUEUE_CRYPTO_MODE: "off, orders=encrypt" })
 * const options = Effect.runSync(
 *   SealingConfig.read({ queues: { orders: { freshness: "1 hour" } } }).pipe(
 *     Effect.provide(ConfigProvider.layer(environment))
 *   )
 * )
 * options // => { mode: "off", queues: { orders: { mode: "encrypt", freshness: "1 hour" } } }
 * ```
 *
 * **Example** (Keys from elsewhere)
 *
 * ```ts
 * import { Sealing, SealingConfig } from "@queue-runtime/crypto"
 * import { Effect, Layer } from "effect"
 *
 * // Needs a KeyProvider, and NodeCrypto or another cipher.
 * const sealing = Layer.unwrap(Effect.map(SealingConfig.read(), Sealing.layer))
 * Layer.isLayer(sealing) // => true
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read = (
  overrides: Sealing.Options = {}
): Effect.Effect<Sealing.Options, QueueError.QueueError> =>
  Effect.map(policies, (settings) => {
    const { queues: code = {}, ...common } = overrides
    const names = new Set<string>()
    for (const values of Object.values(settings)) for (const name of values.keys()) names.add(name)
    names.delete(allQueues)
    const said = Object.fromEntries([...names].map((queue) => [queue, saidOf(settings, queue)]))
    const queues = queuesOf(said, code)
    return {
      ...saidOf(settings, allQueues),
      ...Options.defined(common),
      ...(Object.keys(queues).length === 0 ? {} : { queues })
    }
  })

/** Whether anything speaks of sealing but to say that there is none. */
const isWanted = ({ queues = {}, ...common }: Sealing.Options): boolean =>
  [common, ...Object.values(queues)].some(({ mode = "off", ...others }) =>
    mode === "off" ? Object.keys(others).length > 0 : true
  )

const tracksNonces = ({ queues = {}, ...common }: Sealing.Options): boolean =>
  [common, ...Object.values(queues)].some(({ nonceTracking }) => nonceTracking === true)

const areKeysNamed = Effect.map(
  Effect.forEach(KeyProviderEnvironment.variables, (key) =>
    optional(key, Schema.String, "cannot be read")
  ),
  (given) => given.some(Option.isSome)
)

const nonces = Effect.fnUntraced(function* (options: Sealing.Options) {
  const noncesMax = yield* optional(
    "QUEUE_CRYPTO_NONCES_MAX",
    Schema.NumberFromString.check(
      Schema.isInt(),
      Schema.isBetween({ minimum: 1, maximum: Defaults.cryptoNoncesMax * 100 })
    ),
    `must be a whole number from 1 to ${Defaults.cryptoNoncesMax * 100}`
  )
  const given = yield* Effect.serviceOption(NonceStore.NonceStore)
  return Option.isSome(given) || !tracksNonces(options)
    ? Layer.empty
    : NonceStoreMemory.layer(
        Option.match(noncesMax, { onNone: () => ({}), onSome: (max) => ({ noncesMax: max }) })
      )
})

const unsealed = Layer.effect(QueueProvider.QueueProvider, QueueProvider.QueueProvider)

/**
 * Sealing around the provider below it, by the settings and with the keys of the environment. Without
 * keys the provider stays as it is, which its `stack` shows.
 *
 * **Details**
 *
 * Nonces are remembered in this process, unless a `NonceStore` is provided.
 *
 * **Errors** ConfigurationInvalid for a variable or an option of the code, and for settings without keys
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  overrides: Sealing.Options = {}
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError, QueueProvider.QueueProvider> =>
  Layer.unwrap(
    Effect.gen(function* () {
      const options = yield* read(overrides)
      const store = yield* nonces(options)
      if (!(yield* areKeysNamed) && !isWanted(options)) return unsealed
      return Sealing.layer(options).pipe(
        Layer.provide([KeyProviderEnvironment.layer, NodeCrypto.layer, store])
      )
    })
  )
