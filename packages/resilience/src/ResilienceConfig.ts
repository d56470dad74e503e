/**
 * The three policies from the environment (Effect's `ConfigProvider`) and from code, which wins. A changed
 * setting needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_RETRY_STRATEGY` | `retry.strategy`: exponential, linear, fixed or none | exponential |
 * | `QUEUE_MAX_RETRY_ATTEMPTS` | `retry.attempts`, the first included | 3 |
 * | `QUEUE_RETRY_BACKOFF_MS` | `retry.initial` | 1000 |
 * | `QUEUE_RETRY_FACTOR` | `retry.factor` | 2 |
 * | `QUEUE_RETRY_BACKOFF_MAX_MS` | `retry.max` | 30000 |
 * | `QUEUE_RETRY_JITTER` | `retry.jitter`, 0 to 1 | 0.2 |
 * | `QUEUE_RETRY_TOTAL_SECONDS` | `retry.totalMax` | 300 |
 * | `QUEUE_RETRY_UNSURE_SENDS` | `retry.unsureSends`: repeat or fail | repeat |
 * | `QUEUE_SEND_TIMEOUT_SECONDS` | `timeout.send` | 10 |
 * | `QUEUE_SETTLE_TIMEOUT_SECONDS` | `timeout.settle` | 10 |
 * | `QUEUE_RENEW_LOCK_TIMEOUT_SECONDS` | `timeout.renewLock` | 10 |
 * | `QUEUE_PEEK_TIMEOUT_SECONDS` | `timeout.peek` | 10 |
 * | `QUEUE_SESSION_STATE_TIMEOUT_SECONDS` | `timeout.sessionState` | 10 |
 * | `QUEUE_RECEIVE_MARGIN_SECONDS` | `timeout.receiveMargin` | 10 |
 * | `QUEUE_BREAKER_FAILURES` | `breaker.failuresMax` | 5 |
 * | `QUEUE_BREAKER_OPEN_SECONDS` | `breaker.openDuration` | 30 |
 * | `QUEUE_BREAKER_SUCCESSES` | `breaker.successes` | 3 |
 * | `QUEUE_BREAKER_PROBES` | `breaker.probesMax` | 1 |
 *
 * @since 0.1.0
 */
import { QueueError, type QueueProvider } from "@queue-runtime/core"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as CircuitBreaker from "./CircuitBreaker.ts"
import * as Retry from "./Retry.ts"
import * as Timeout from "./Timeout.ts"

/**
 * The options of the three policies; what is absent has its own default.
 *
 * @category models
 * @since 0.1.0
 */
export interface ResilienceConfig {
  readonly retry: Retry.LayerOptions
  readonly timeout: Timeout.Options
  readonly breaker: CircuitBreaker.LayerOptions
}

const optional = <A>(
  key: string,
  schema: Schema.Codec<A, string>,
  rule: string
): Effect.Effect<Option.Option<A>, QueueError.QueueError> =>
  Effect.mapError(Config.option(Config.schema(schema, key)), () =>
    QueueError.configurationInvalid(key, rule)
  )

const number = (key: string, minimum: number, maximum: number) =>
  optional(
    key,
    Schema.NumberFromString.check(Schema.isBetween({ minimum, maximum })),
    `must be a number from ${minimum} to ${maximum}`
  )

const whole = (key: string, minimum: number, maximum: number) =>
  optional(
    key,
    Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })),
    `must be a whole number from ${minimum} to ${maximum}`
  )

const word = <const Words extends ReadonlyArray<string>>(key: string, words: Words) =>
  optional(key, Schema.Literals(words), `must be one of ${words.join(", ")}`)

const day = 86_400
const millis = (key: string) => Effect.map(whole(key, 0, day * 1_000), Option.map(Duration.millis))
const seconds = (key: string, minimum = 0.001) =>
  Effect.map(number(key, minimum, day), Option.map(Duration.seconds))

type Present<A> = { [K in keyof A]?: A[K] extends Option.Option<infer V> ? V : never }

/**
 * Only what the environment says: an absent setting leaves its place to the policy's default. An
 * overload, since Object.fromEntries forgets which name has which type.
 */
function present<A extends Readonly<Record<string, Option.Option<unknown>>>>(
  settings: A
): Present<A>
function present(settings: Readonly<Record<string, Option.Option<unknown>>>): object {
  return Object.fromEntries(
    Object.entries(settings).flatMap(([name, value]) =>
      Option.isSome(value) ? [[name, value.value]] : []
    )
  )
}

const retry = Effect.map(
  Effect.all({
    strategy: word("QUEUE_RETRY_STRATEGY", ["exponential", "linear", "fixed", "none"]),
    attempts: whole("QUEUE_MAX_RETRY_ATTEMPTS", 1, 100),
    initial: millis("QUEUE_RETRY_BACKOFF_MS"),
    factor: number("QUEUE_RETRY_FACTOR", 1, 100),
    max: millis("QUEUE_RETRY_BACKOFF_MAX_MS"),
    jitter: number("QUEUE_RETRY_JITTER", 0, 1),
    totalMax: seconds("QUEUE_RETRY_TOTAL_SECONDS", 0),
    unsureSends: word("QUEUE_RETRY_UNSURE_SENDS", ["repeat", "fail"])
  }),
  present
)

const timeout = Effect.map(
  Effect.all({
    send: seconds("QUEUE_SEND_TIMEOUT_SECONDS"),
    settle: seconds("QUEUE_SETTLE_TIMEOUT_SECONDS"),
    renewLock: seconds("QUEUE_RENEW_LOCK_TIMEOUT_SECONDS"),
    peek: seconds("QUEUE_PEEK_TIMEOUT_SECONDS"),
    sessionState: seconds("QUEUE_SESSION_STATE_TIMEOUT_SECONDS"),
    receiveMargin: seconds("QUEUE_RECEIVE_MARGIN_SECONDS")
  }),
  present
)

const breaker = Effect.map(
  Effect.all({
    failuresMax: whole("QUEUE_BREAKER_FAILURES", 1, 1_000_000),
    openDuration: seconds("QUEUE_BREAKER_OPEN_SECONDS"),
    successes: whole("QUEUE_BREAKER_SUCCESSES", 1, 1_000_000),
    probesMax: whole("QUEUE_BREAKER_PROBES", 1, 1_000_000)
  }),
  present
)

/**
 * Reads the settings; what code says wins over the environment.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * **Example** (One variable, one option)
 *
 * ```ts
 * import { ResilienceConfig } from "@queue-runtime/resilience"
 * import { ConfigProvider, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({ QUEUE_MAX_RETRY_ATTEMPTS: "7" })
 * const config = Effect.runSync(
 *   ResilienceConfig.read({ breaker: { failuresMax: 10 } }).pipe(
 *     Effect.provide(ConfigProvider.layer(environment))
 *   )
 * )
 * config // => { retry: { attempts: 7 }, timeout: {}, breaker: { failuresMax: 10 } }
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read = (
  overrides: Partial<ResilienceConfig> = {}
): Effect.Effect<ResilienceConfig, QueueError.QueueError> =>
  Effect.map(Effect.all({ retry, timeout, breaker }), (environment) => ({
    retry: { ...environment.retry, ...overrides.retry },
    timeout: { ...environment.timeout, ...overrides.timeout },
    breaker: { ...environment.breaker, ...overrides.breaker }
  }))

/**
 * The three policies around the provider below, in their order: circuit breaker, retry, time-out.
 *
 * **Errors** ConfigurationInvalid for a variable, ValidationFailed for an option of the code.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  overrides: Partial<ResilienceConfig> = {}
): Layer.Layer<
  QueueProvider.QueueProvider | CircuitBreaker.CircuitBreakers,
  QueueError.QueueError,
  QueueProvider.QueueProvider
> =>
  Layer.unwrap(
    Effect.map(read(overrides), (config) =>
      CircuitBreaker.layer(config.breaker).pipe(
        Layer.provide(Retry.layer(config.retry)),
        Layer.provide(Timeout.layer(config.timeout))
      )
    )
  )
