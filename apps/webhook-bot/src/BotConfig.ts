/**
 * The settings of the application, from the environment. All are read and checked before anything
 * starts; a changed one needs a restart.
 *
 * | variable | setting | default |
 * |---|---|---|
 * | `WEBHOOK_SECRET` | the secret of GitHub's webhook settings | required |
 * | `HOST`, `PORT` | where to listen; port 0 takes a free one | 127.0.0.1, 3000 |
 * | `QUEUE_PROVIDER` | where the queue is (`QueueStack`) | memory |
 * | `QUEUE_NAME` | the queue | github-webhooks |
 * | `QUEUE_RETRY_BACKOFF_MS` | delay before the second delivery | 1000 |
 * | `QUEUE_RETRY_BACKOFF_MAX_MS` | longest delay before another delivery | 30000 |
 * | `DELIVERIES_MAX` | deliveries before a message is put aside | 5 |
 * | `WORKER_CONCURRENCY` | sessions at work side by side | 10 |
 * | `NOTIFY_URL` | where the notifier posts; absent: nowhere | none |
 * | `NOTIFY_TIMEOUT_SECONDS` | how long one notification may take | 10 |
 * | `NOTIFY_BREAKER` | what pauses while the notifier's service is down: all, or each session alone | all |
 * | `NOTIFY_BREAKER_FAILURES` | failures in a row that say so | 5 |
 * | `NOTIFY_BREAKER_OPEN_SECONDS` | pause before it is asked again | 30 |
 *
 * The others of core's `Settings` work too, those of `ResilienceConfig`, for sealed bodies those of
 * `SealingConfig`, for bodies above what the queue takes those of `ClaimCheckConfig`, and for sessions that
 * stay their holder's those of `SessionLeasesConfig`.
 *
 * @since 0.1.0
 */
import { Defaults, QueueError, QueueName, Settings } from "@queue-runtime/core"
import * as Config from "effect/Config"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"

/**
 * What the environment says.
 *
 * @category models
 * @since 0.1.0
 */
export interface BotConfig {
  readonly host: string
  readonly port: number
  readonly secret: Redacted.Redacted
  readonly queue: QueueName.QueueName
  /** How long a receive waits. */
  readonly wait: Duration.Duration
  readonly lockDuration: Option.Option<Duration.Duration>
  readonly backoff: { readonly initial: Duration.Duration; readonly max: Duration.Duration }
  readonly deliveriesMax: number
  readonly concurrency: number
  readonly notifyUrl: Option.Option<string>
  readonly notifyTimeout: Duration.Duration
  readonly breaker: {
    readonly per: "all" | "session"
    readonly failuresMax: number
    readonly openDuration: Duration.Duration
  }
}

const defaults = {
  host: "127.0.0.1",
  port: 3000,
  queue: QueueName.makeUnsafe("github-webhooks"),
  /** What GitHub itself waits for an answer. */
  notifyTimeoutSeconds: 10
} as const

const checked = <A>(key: string, config: Config.Config<A>, rule: string) =>
  Effect.mapError(config, () => QueueError.configurationInvalid(key, rule))

const number = (key: string, minimum: number, maximum: number, orElse: number) =>
  checked(
    key,
    Config.schema(
      Schema.NumberFromString.check(Schema.isInt(), Schema.isBetween({ minimum, maximum })),
      key
    ).pipe(Config.withDefault(orElse)),
    `must be a whole number from ${minimum} to ${maximum}`
  )

const seconds = (key: string, minimum: number, maximum: number, orElse: Duration.Duration) =>
  Effect.map(
    checked(
      key,
      Config.schema(
        Schema.NumberFromString.check(Schema.isBetween({ minimum, maximum })),
        key
      ).pipe(Config.withDefault(Duration.toSeconds(orElse))),
      `must be a number from ${minimum} to ${maximum}`
    ),
    Duration.seconds
  )

const isHttpUrl = (text: string): boolean =>
  URL.canParse(text) && /^https?:$/u.test(new URL(text).protocol)

const url = (key: string) =>
  checked(
    key,
    Config.option(Config.schema(Schema.String.check(Schema.makeFilter<string>(isHttpUrl)), key)),
    "must be an http or https URL"
  )

/**
 * Reads the settings.
 *
 * **Errors** ConfigurationInvalid naming the variable and its rule.
 *
 * @category configuration
 * @since 0.1.0
 */
export const read: Effect.Effect<BotConfig, QueueError.QueueError> = Effect.gen(function* () {
  const settings = yield* Settings.read
  const dayMillis = 86_400_000
  const backoffMaxMillis = yield* number(
    "QUEUE_RETRY_BACKOFF_MAX_MS",
    0,
    dayMillis,
    Duration.toMillis(Defaults.retryDelayMax)
  )
  const timeoutSeconds = yield* number(
    "NOTIFY_TIMEOUT_SECONDS",
    1,
    Duration.toSeconds(Defaults.handlerTimeout),
    defaults.notifyTimeoutSeconds
  )
  return {
    secret: yield* checked(
      "WEBHOOK_SECRET",
      Config.Redacted("WEBHOOK_SECRET"),
      "must be set to the secret of the webhook's settings on GitHub"
    ),
    host: yield* checked(
      "HOST",
      Config.String("HOST").pipe(Config.withDefault(defaults.host)),
      "must be an address or a host name"
    ),
    port: yield* number("PORT", 0, 65_535, defaults.port),
    queue: Option.getOrElse(settings.queue, () => defaults.queue),
    wait: settings.wait,
    lockDuration: settings.lockDuration,
    backoff: { initial: settings.retryDelay, max: Duration.millis(backoffMaxMillis) },
    deliveriesMax: yield* number("DELIVERIES_MAX", 1, 100, Defaults.deliveriesMax),
    concurrency: yield* number("WORKER_CONCURRENCY", 1, 1_000, Defaults.concurrency),
    notifyUrl: yield* url("NOTIFY_URL"),
    notifyTimeout: Duration.seconds(timeoutSeconds),
    breaker: {
      per: yield* checked(
        "NOTIFY_BREAKER",
        Config.schema(Schema.Literals(["all", "session"]), "NOTIFY_BREAKER").pipe(
          Config.withDefault("all" as const)
        ),
        "must be all or session"
      ),
      failuresMax: yield* number("NOTIFY_BREAKER_FAILURES", 1, 1_000, Defaults.breakerFailuresMax),
      openDuration: yield* seconds(
        "NOTIFY_BREAKER_OPEN_SECONDS",
        0.001,
        86_400,
        Defaults.breakerOpenDuration
      )
    }
  }
})
