/**
 * The settings that every provider shares, read from the environment (Effect's `ConfigProvider`). A
 * changed setting needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `QUEUE_NAME` | `queue` | none |
 * | `QUEUE_DLQ_NAME` | `deadLetterQueue` | none: the provider's own |
 * | `QUEUE_RECEIVE_TIMEOUT_SECONDS` | `wait` | 30 |
 * | `QUEUE_VISIBILITY_TIMEOUT_SECONDS` | `lockDuration` | none: the queue's own |
 * | `QUEUE_MAX_RETRY_ATTEMPTS` | `retryAttempts` | 3 |
 * | `QUEUE_RETRY_BACKOFF_MS` | `retryDelay` | 1000 |
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Defaults from "./Defaults.ts"
import * as QueueError from "./QueueError.ts"
import * as QueueName from "./QueueName.ts"

/**
 * What the environment says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly queue: Option.Option<QueueName.QueueName>
  readonly deadLetterQueue: Option.Option<QueueName.QueueName>
  /** How long a receive waits. */
  readonly wait: Duration.Duration
  /** How long a delivery stays locked, where the provider lets its receiver say so. */
  readonly lockDuration: Option.Option<Duration.Duration>
  /** Tries of a call, the first included. */
  readonly retryAttempts: number
  /** Delay before the second try. */
  readonly retryDelay: Duration.Duration
}

const Whole = (minimum: number, maximum: number) =>
  Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum }))

const optional = <A>(
  key: string,
  schema: Schema.Codec<A, string>,
  rule: string
): Effect.Effect<Option.Option<A>, QueueError.QueueError> =>
  Effect.mapError(Config.option(Config.schema(schema, key)), () =>
    QueueError.configurationInvalid(key, rule)
  )

const number = (key: string, minimum: number, maximum: number) =>
  optional(key, Whole(minimum, maximum), `must be a whole number from ${minimum} to ${maximum}`)

const name = (key: string) =>
  optional(
    key,
    QueueName.QueueName,
    "must have 1–260 characters of ASCII letters, digits, - and _, with no leading, trailing or doubled -"
  )

const day = 86_400

/**
 * Reads the settings.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * **Example** (Two variables)
 *
 * ```ts
 * import { Settings } from "@queue-runtime/core"
 * import { ConfigProvider, Duration, Effect } from "effect"
 *
 * const environment = ConfigProvider.fromUnknown({
 *   QUEUE_NAME: "orders",
 *   QUEUE_RECEIVE_TIMEOUT_SECONDS: "5"
 * })
 * const settings = Effect.runSync(
 *   Settings.read.pipe(Effect.provide(ConfigProvider.layer(environment)))
 * )
 * Duration.toSeconds(settings.wait) // => 5
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const read: Effect.Effect<Settings, QueueError.QueueError> = Effect.gen(function* () {
  const wait = yield* number("QUEUE_RECEIVE_TIMEOUT_SECONDS", 0, day)
  const lock = yield* number("QUEUE_VISIBILITY_TIMEOUT_SECONDS", 1, day / 2)
  const attempts = yield* number("QUEUE_MAX_RETRY_ATTEMPTS", 1, 100)
  const delay = yield* number("QUEUE_RETRY_BACKOFF_MS", 0, day * 1000)
  return {
    queue: yield* name("QUEUE_NAME"),
    deadLetterQueue: yield* name("QUEUE_DLQ_NAME"),
    wait: Option.match(wait, { onNone: () => Defaults.receiveWait, onSome: Duration.seconds }),
    lockDuration: Option.map(lock, Duration.seconds),
    retryAttempts: Option.getOrElse(attempts, () => Defaults.retryAttempts),
    retryDelay: Option.match(delay, { onNone: () => Defaults.retryDelay, onSome: Duration.millis })
  }
})
