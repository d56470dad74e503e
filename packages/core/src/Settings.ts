/**
 * The settings that every provider shares, read from the environment (Effect's `ConfigProvider`), or
 * from a file with {@link Configuration}. A changed setting needs a restart.
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
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Configuration from "./Configuration.ts"
import * as Defaults from "./Defaults.ts"
import type * as QueueError from "./QueueError.ts"
import * as QueueName from "./QueueName.ts"
import * as Setting from "./Setting.ts"

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

const nameRule =
  "must have 1–260 characters of ASCII letters, digits, - and _, with no leading, trailing or doubled -"

const day = 86_400

const { defaulted } = Setting

const waitOf = defaulted(
  Setting.duration({ unit: "seconds", minimum: 0, maximum: day, isWhole: true }),
  Defaults.receiveWait
).pipe(
  Setting.described({
    description: "How long a receive waits.",
    variable: "QUEUE_RECEIVE_TIMEOUT_SECONDS"
  })
)

const schema = Schema.Struct({
  provider: Schema.optionalKey(Schema.String).pipe(
    Setting.described({
      description:
        "Where the queues are: azure-service-bus, aws-sqs, memory, or an application's own.",
      variable: "QUEUE_PROVIDER"
    })
  ),
  queue: Schema.optionalKey(QueueName.QueueName).pipe(
    Setting.described({
      description: "The queue to work with.",
      variable: "QUEUE_NAME",
      rule: nameRule
    })
  ),
  deadLetterQueue: Schema.optionalKey(QueueName.QueueName).pipe(
    Setting.described({
      description: "Where its dead letters are, if not where the provider has them.",
      variable: "QUEUE_DLQ_NAME",
      rule: nameRule
    })
  ),
  wait: waitOf,
  lockDuration: Schema.optionalKey(
    Setting.duration({ unit: "seconds", minimum: 1, maximum: day / 2, isWhole: true })
  ).pipe(
    Setting.described({
      description: "How long a delivery stays locked, where its receiver may say so.",
      variable: "QUEUE_VISIBILITY_TIMEOUT_SECONDS",
      default: "the queue's own"
    })
  ),
  retry: defaulted(
    Schema.Struct({
      attempts: defaulted(Setting.whole(1, 100), Defaults.retryAttempts).pipe(
        Setting.described({
          description: "Tries of a call, the first included.",
          variable: "QUEUE_MAX_RETRY_ATTEMPTS"
        })
      ),
      initial: defaulted(
        Setting.duration({
          unit: "milliseconds",
          minimum: 0,
          maximum: day * 1_000,
          isWhole: true
        }),
        Defaults.retryDelay
      ).pipe(
        Setting.described({
          description: "Delay before the second try.",
          variable: "QUEUE_RETRY_BACKOFF_MS"
        })
      )
    }),
    {}
  )
})

/**
 * The settings as a section of a file: they stand at its top.
 *
 * @category configuration
 * @since 0.1.0
 */
export const section: Configuration.Section<typeof schema.Type> = { root: "", schema }

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
export const read: Effect.Effect<Settings, QueueError.QueueError> = Effect.map(
  Effect.suspend(() => Configuration.read(section)),
  ({ deadLetterQueue, lockDuration, queue, retry, wait }) => ({
    queue: Option.fromUndefinedOr(queue),
    deadLetterQueue: Option.fromUndefinedOr(deadLetterQueue),
    wait,
    lockDuration: Option.fromUndefinedOr(lockDuration),
    retryAttempts: retry.attempts,
    retryDelay: retry.initial
  })
)

const waiting: Configuration.Section<{ readonly wait: Duration.Duration }> = {
  root: "",
  schema: Schema.Struct({ wait: waitOf })
}

/**
 * How long a receive waits, and no more of the settings: for a client of queues that the code names.
 *
 * **Errors** ConfigurationInvalid naming `QUEUE_RECEIVE_TIMEOUT_SECONDS` and its rule.
 *
 * **Example** (A client that waits as the environment says)
 *
 * ```ts
 * import { QueueClient, Settings } from "@queue-runtime/core"
 * import { MemoryProvider } from "@queue-runtime/provider-memory"
 * import { ConfigProvider, Effect, Layer } from "effect"
 *
 * // In a program the environment itself has it.
 * const environment = ConfigProvider.fromUnknown({ QUEUE_RECEIVE_TIMEOUT_SECONDS: "0" })
 * const live = Layer.unwrap(Effect.map(Settings.wait, (wait) => QueueClient.layer({ wait }))).pipe(
 *   Layer.provide(MemoryProvider.layer({ queues: { orders: {} } })),
 *   Layer.provide(ConfigProvider.layer(environment))
 * )
 * const stack = QueueClient.QueueClient.useSync((client) => client.stack)
 * await Effect.runPromise(Effect.provide(stack, live)) // => ["memory"]
 * ```
 *
 * @category configuration
 * @since 0.1.0
 */
export const wait: Effect.Effect<Duration.Duration, QueueError.QueueError> = Effect.map(
  Effect.suspend(() => Configuration.read(waiting)),
  ({ wait: waits }) => waits
)
