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
import {
  Configuration,
  Defaults,
  Options,
  QueueError,
  type QueueProvider,
  Setting
} from "@queue-runtime/core"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
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

const { described, duration, number, whole, word } = Setting

const day = 86_400

const text = Setting.formatDuration

/** Absent it leaves its place to the policy's default, which the table shows. */
const optional = <S extends Schema.Top>(
  schema: S,
  variable: string,
  description: string,
  orElse: string | number
) => Schema.optionalKey(schema).pipe(described({ description, variable, default: orElse }))

const seconds = (
  variable: string,
  description: string,
  orElse: Duration.Duration,
  minimum = 0.001
) =>
  optional(
    duration({ unit: "seconds", minimum, maximum: day }),
    variable,
    description,
    text(orElse)
  )

const millis = (variable: string, description: string, orElse: Duration.Duration) =>
  optional(
    duration({ unit: "milliseconds", minimum: 0, maximum: day * 1_000, isWhole: true }),
    variable,
    description,
    text(orElse)
  )

const retry = Schema.Struct({
  strategy: optional(
    word(["exponential", "linear", "fixed", "none"]),
    "QUEUE_RETRY_STRATEGY",
    "How the delays between tries grow.",
    "exponential"
  ),
  attempts: optional(
    whole(1, 100),
    "QUEUE_MAX_RETRY_ATTEMPTS",
    "Tries of a call, the first included.",
    Defaults.retryAttempts
  ),
  initial: millis("QUEUE_RETRY_BACKOFF_MS", "Delay before the second try.", Defaults.retryDelay),
  factor: optional(
    number(1, 100),
    "QUEUE_RETRY_FACTOR",
    "What an exponential delay grows by.",
    Defaults.retryFactor
  ),
  max: millis("QUEUE_RETRY_BACKOFF_MAX_MS", "Longest delay.", Defaults.retryDelayMax),
  jitter: optional(
    number(0, 1),
    "QUEUE_RETRY_JITTER",
    "Share of a delay that is random, above and below.",
    Defaults.retryJitter
  ),
  totalMax: seconds(
    "QUEUE_RETRY_TOTAL_SECONDS",
    "No try begins later than this after the first.",
    Defaults.retryTotalMax,
    0
  ),
  unsureSends: optional(
    word(["repeat", "fail"]),
    "QUEUE_RETRY_UNSURE_SENDS",
    "A send that may have taken effect, where nothing drops a duplicate.",
    "repeat"
  )
})

const timeout = Schema.Struct({
  send: seconds("QUEUE_SEND_TIMEOUT_SECONDS", "Of one try to send.", Defaults.timeoutSend),
  settle: seconds("QUEUE_SETTLE_TIMEOUT_SECONDS", "Of one settlement.", Defaults.timeoutCall),
  renewLock: seconds(
    "QUEUE_RENEW_LOCK_TIMEOUT_SECONDS",
    "Of one renewal of locks.",
    Defaults.timeoutCall
  ),
  peek: seconds("QUEUE_PEEK_TIMEOUT_SECONDS", "Of one peek.", Defaults.timeoutCall),
  sessionState: seconds(
    "QUEUE_SESSION_STATE_TIMEOUT_SECONDS",
    "Of reading or writing the state of a session.",
    Defaults.timeoutCall
  ),
  receiveMargin: seconds(
    "QUEUE_RECEIVE_MARGIN_SECONDS",
    "What a receive gets on top of its own wait.",
    Defaults.timeoutReceiveMargin
  )
})

const breaker = Schema.Struct({
  failuresMax: optional(
    whole(1, 1_000_000),
    "QUEUE_BREAKER_FAILURES",
    "Failures in a row that open the circuit.",
    Defaults.breakerFailuresMax
  ),
  openDuration: seconds(
    "QUEUE_BREAKER_OPEN_SECONDS",
    "How long it stays open.",
    Defaults.breakerOpenDuration
  ),
  successes: optional(
    whole(1, 1_000_000),
    "QUEUE_BREAKER_SUCCESSES",
    "Successes in a row that close it.",
    Defaults.breakerSuccesses
  ),
  probesMax: optional(
    whole(1, 1_000_000),
    "QUEUE_BREAKER_PROBES",
    "Calls let through at once while it is half open.",
    Defaults.breakerProbesMax
  )
})

const empty = Effect.succeed({})

const schema = Schema.Struct({
  retry: retry.pipe(Schema.withDecodingDefaultKey(empty)),
  timeout: timeout.pipe(Schema.withDecodingDefaultKey(empty)),
  breaker: breaker.pipe(Schema.withDecodingDefaultKey(empty))
})

/**
 * The settings as a section of a file: `retry`, `timeout` and `breaker` stand at its top.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<typeof schema.Type> = { root: "", schema }

/** Every option of the code; an option that is none is misspelt. */
const known: { readonly [Part in keyof ResilienceConfig]: ReadonlyArray<string> } = {
  retry: Object.keys(retry.fields),
  timeout: Object.keys(timeout.fields),
  breaker: [...Object.keys(breaker.fields), "queuesMax"]
}

const parts = ["retry", "timeout", "breaker"] as const

const stranger = (
  at: string,
  options: object,
  names: ReadonlyArray<string>
): QueueError.QueueError | undefined => {
  const name = Object.keys(options).find((one) => !names.includes(one))
  if (name === undefined) return undefined
  return QueueError.validationFailed(at + name, `is no option; there are: ${names.join(", ")}`)
}

const checked = (
  overrides: Partial<ResilienceConfig>
): Effect.Effect<void, QueueError.QueueError> => {
  const problems = [
    stranger("", overrides, parts),
    ...parts.map((part) => stranger(`${part}.`, overrides[part] ?? {}, known[part]))
  ]
  const first = problems.find((problem) => problem !== undefined)
  return first === undefined ? Effect.void : Effect.fail(first)
}

/** A policy names its own option; here it is one of a part. */
const partOf =
  (part: keyof ResilienceConfig) =>
  <A, R>(policy: Layer.Layer<A, QueueError.QueueError, R>) =>
    policy.pipe(
      Layer.catch((error) => {
        const { reason } = error
        const named =
          reason._tag === "ValidationFailed"
            ? QueueError.validationFailed(`${part}.${reason.field}`, reason.problem)
            : error
        return Layer.effectContext(Effect.fail(named))
      })
    )

/**
 * Reads the settings; what code says wins over the environment. What code leaves undefined is as if it said
 * nothing.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule; ValidationFailed for an option of the
 * code that there is none of, naming those that there are.
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
  Effect.map(Effect.andThen(checked(overrides), Configuration.read(section)), (environment) => ({
    retry: { ...environment.retry, ...Options.defined(overrides.retry ?? {}) },
    timeout: { ...environment.timeout, ...Options.defined(overrides.timeout ?? {}) },
    breaker: { ...environment.breaker, ...Options.defined(overrides.breaker ?? {}) }
  }))

/**
 * The three policies around the provider below, in their order: circuit breaker, retry, time-out.
 *
 * **Errors** ConfigurationInvalid for a variable, ValidationFailed for an option of the code, by its path:
 * `retry.attempts`.
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
      partOf("breaker")(CircuitBreaker.layer(config.breaker)).pipe(
        Layer.provide(partOf("retry")(Retry.layer(config.retry))),
        Layer.provide(partOf("timeout")(Timeout.layer(config.timeout)))
      )
    )
  )
