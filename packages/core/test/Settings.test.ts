import { assert, describe, it } from "@effect/vitest"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Defaults from "../src/Defaults.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import * as Settings from "../src/Settings.ts"

const readFrom = (env: { readonly [name: string]: string }) =>
  Settings.read.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))

const defaults: Settings.Settings = {
  queue: Option.none(),
  deadLetterQueue: Option.none(),
  wait: Defaults.receiveWait,
  lockDuration: Option.none(),
  retryAttempts: Defaults.retryAttempts,
  retryDelay: Defaults.retryDelay
}

const name = QueueName.makeUnsafe

const valid: ReadonlyArray<readonly [string, string, Partial<Settings.Settings>]> = [
  ["QUEUE_NAME", "orders", { queue: Option.some(name("orders")) }],
  ["QUEUE_NAME", "a".repeat(260), { queue: Option.some(name("a".repeat(260))) }],
  ["QUEUE_DLQ_NAME", "orders-dlq", { deadLetterQueue: Option.some(name("orders-dlq")) }],
  ["QUEUE_RECEIVE_TIMEOUT_SECONDS", "5", { wait: Duration.seconds(5) }],
  ["QUEUE_RECEIVE_TIMEOUT_SECONDS", "0", { wait: Duration.zero }],
  ["QUEUE_RECEIVE_TIMEOUT_SECONDS", "86400", { wait: Duration.seconds(86_400) }],
  ["QUEUE_VISIBILITY_TIMEOUT_SECONDS", "300", { lockDuration: Option.some(Duration.minutes(5)) }],
  ["QUEUE_VISIBILITY_TIMEOUT_SECONDS", "1", { lockDuration: Option.some(Duration.seconds(1)) }],
  ["QUEUE_VISIBILITY_TIMEOUT_SECONDS", "43200", { lockDuration: Option.some(Duration.hours(12)) }],
  ["QUEUE_MAX_RETRY_ATTEMPTS", "7", { retryAttempts: 7 }],
  ["QUEUE_MAX_RETRY_ATTEMPTS", "1", { retryAttempts: 1 }],
  ["QUEUE_MAX_RETRY_ATTEMPTS", "100", { retryAttempts: 100 }],
  ["QUEUE_RETRY_BACKOFF_MS", "250", { retryDelay: Duration.millis(250) }],
  ["QUEUE_RETRY_BACKOFF_MS", "0", { retryDelay: Duration.zero }],
  ["QUEUE_RETRY_BACKOFF_MS", "86400000", { retryDelay: Duration.days(1) }]
]

const nameRule =
  "must have 1–260 characters of ASCII letters, digits, - and _, with no leading, trailing or doubled -"

const bounds = [
  ["QUEUE_RECEIVE_TIMEOUT_SECONDS", 0, 86_400],
  ["QUEUE_VISIBILITY_TIMEOUT_SECONDS", 1, 43_200],
  ["QUEUE_MAX_RETRY_ATTEMPTS", 1, 100],
  ["QUEUE_RETRY_BACKOFF_MS", 0, 86_400_000]
] as const

const invalid: ReadonlyArray<readonly [string, string, string]> = [
  ...["-orders", "orders-", "or--ders", "or ders", "orders.v2", "größe", "a".repeat(261)].flatMap(
    (value) => [
      ["QUEUE_NAME", value, nameRule] as const,
      ["QUEUE_DLQ_NAME", value, nameRule] as const
    ]
  ),
  ...bounds.flatMap(([key, minimum, maximum]) =>
    [minimum - 1, maximum + 1, minimum + 0.5, "abc", "NaN", "Infinity", "5s"].map(
      (value) =>
        [key, String(value), `must be a whole number from ${minimum} to ${maximum}`] as const
    )
  )
]

describe("Settings", () => {
  it.effect("R10.9 nothing set means the defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* readFrom({}), defaults)
    })
  )

  it.effect.each(valid)(
    "R10.9 %s=%s is read, and the rest stays as it was",
    Effect.fnUntraced(function* ([key, value, expected]) {
      assert.deepStrictEqual(yield* readFrom({ [key]: value }), { ...defaults, ...expected })
    })
  )

  it.effect.each(invalid)(
    "R10.1 R10.9 %s=%s is ConfigurationInvalid with the key and its rule",
    Effect.fnUntraced(function* ([key, value, problem]) {
      const error = yield* Effect.flip(readFrom({ [key]: value }))
      assert.deepStrictEqual(error.reason, new QueueError.ConfigurationInvalid({ key, problem }))
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect("R10.9 an empty variable is one that is not set", () =>
    Effect.gen(function* () {
      const env = Object.fromEntries([...valid].map(([key]) => [key, ""]))
      assert.deepStrictEqual(yield* readFrom(env), defaults)
    })
  )

  it.effect("R10.9 all together", () =>
    Effect.gen(function* () {
      const settings = yield* readFrom({
        QUEUE_NAME: "orders",
        QUEUE_DLQ_NAME: "orders-dlq",
        QUEUE_RECEIVE_TIMEOUT_SECONDS: "1",
        QUEUE_VISIBILITY_TIMEOUT_SECONDS: "2",
        QUEUE_MAX_RETRY_ATTEMPTS: "3",
        QUEUE_RETRY_BACKOFF_MS: "4"
      })
      assert.deepStrictEqual(settings, {
        queue: Option.some(name("orders")),
        deadLetterQueue: Option.some(name("orders-dlq")),
        wait: Duration.seconds(1),
        lockDuration: Option.some(Duration.seconds(2)),
        retryAttempts: 3,
        retryDelay: Duration.millis(4)
      })
    })
  )

  it.effect("R10.9 the wait alone, whatever the names of queues say", () =>
    Effect.gen(function* () {
      const waitFrom = (env: Readonly<Record<string, string>>) =>
        Settings.wait.pipe(Effect.provide(ConfigProvider.layer(ConfigProvider.fromEnv({ env }))))
      const theirs = { QUEUE_NAME: "acme/orders.v2", QUEUE_RECEIVE_TIMEOUT_SECONDS: "7" }
      assert.deepStrictEqual(yield* waitFrom(theirs), Duration.seconds(7))
      assert.deepStrictEqual(yield* waitFrom({}), Duration.seconds(30))
      const error = yield* Effect.flip(waitFrom({ QUEUE_RECEIVE_TIMEOUT_SECONDS: "soon" }))
      assert.match(error.message, /QUEUE_RECEIVE_TIMEOUT_SECONDS: must be a whole number from 0/u)
    })
  )

  it.effect("R10.1 a source that cannot be read is ConfigurationInvalid too", () =>
    Effect.gen(function* () {
      const broken = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "disk" }))
      )
      const error = yield* Settings.read.pipe(
        Effect.provide(ConfigProvider.layer(broken)),
        Effect.flip
      )
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
    })
  )
})
