import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as BotConfig from "../src/BotConfig.ts"
import { environment } from "./fixtures.ts"

const read = (variables: Readonly<Record<string, string>>) =>
  Effect.provide(BotConfig.read, environment(variables))

const required = { WEBHOOK_SECRET: "hidden" }

describe("BotConfig", () => {
  it.effect("R10.1 the secret is all it needs", () =>
    Effect.gen(function* () {
      const config = yield* read(required)
      assert.strictEqual(Redacted.value(config.secret), "hidden")
      assert.notInclude(JSON.stringify(config), "hidden")
      assert.strictEqual(config.host, "127.0.0.1")
      assert.strictEqual(config.port, 3000)
      assert.strictEqual(config.queue, "github-webhooks")
      assert.strictEqual(config.deliveriesMax, 5)
      assert.strictEqual(config.concurrency, 10)
      assert.strictEqual(Duration.toSeconds(config.wait), 30)
      assert.strictEqual(Duration.toMillis(config.backoff.initial), 1000)
      assert.strictEqual(Duration.toMillis(config.backoff.max), 30_000)
      assert.strictEqual(Duration.toSeconds(config.notifyTimeout), 10)
      assert.strictEqual(config.breaker.per, "all")
      assert.strictEqual(config.breaker.failuresMax, 5)
      assert.strictEqual(Duration.toSeconds(config.breaker.openDuration), 30)
      assert.isTrue(Option.isNone(config.notifyUrl))
      assert.isTrue(Option.isNone(config.lockDuration))
    })
  )

  it.effect("R10.1 every variable is read", () =>
    Effect.gen(function* () {
      const config = yield* read({
        ...required,
        HOST: "0.0.0.0",
        PORT: "8080",
        QUEUE_NAME: "hooks",
        QUEUE_RECEIVE_TIMEOUT_SECONDS: "3",
        QUEUE_VISIBILITY_TIMEOUT_SECONDS: "60",
        QUEUE_RETRY_BACKOFF_MS: "20",
        QUEUE_RETRY_BACKOFF_MAX_MS: "40",
        DELIVERIES_MAX: "7",
        WORKER_CONCURRENCY: "3",
        NOTIFY_URL: "https://chat.example/hook",
        NOTIFY_TIMEOUT_SECONDS: "4",
        NOTIFY_BREAKER: "session",
        NOTIFY_BREAKER_FAILURES: "2",
        NOTIFY_BREAKER_OPEN_SECONDS: "0.5"
      })
      assert.strictEqual(config.host, "0.0.0.0")
      assert.strictEqual(config.port, 8080)
      assert.strictEqual(config.queue, "hooks")
      assert.strictEqual(Duration.toSeconds(config.wait), 3)
      assert.deepStrictEqual(config.lockDuration, Option.some(Duration.seconds(60)))
      assert.strictEqual(Duration.toMillis(config.backoff.initial), 20)
      assert.strictEqual(Duration.toMillis(config.backoff.max), 40)
      assert.strictEqual(config.deliveriesMax, 7)
      assert.strictEqual(config.concurrency, 3)
      assert.deepStrictEqual(config.notifyUrl, Option.some("https://chat.example/hook"))
      assert.strictEqual(Duration.toSeconds(config.notifyTimeout), 4)
      assert.deepStrictEqual(config.breaker, {
        per: "session",
        failuresMax: 2,
        openDuration: Duration.millis(500)
      })
    })
  )

  it.effect("R10.1 a missing secret is named", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(read({}))
      assert(reason._tag === "ConfigurationInvalid")
      assert.strictEqual(reason.key, "WEBHOOK_SECRET")
    })
  )

  it.effect.each([
    ["PORT", "65536", "must be a whole number from 0 to 65535"],
    ["PORT", "http", "must be a whole number from 0 to 65535"],
    ["DELIVERIES_MAX", "0", "must be a whole number from 1 to 100"],
    ["WORKER_CONCURRENCY", "1.5", "must be a whole number from 1 to 1000"],
    ["QUEUE_RETRY_BACKOFF_MAX_MS", "-1", "must be a whole number from 0 to 86400000"],
    ["NOTIFY_TIMEOUT_SECONDS", "0", "must be a whole number from 1 to 300"],
    ["NOTIFY_BREAKER", "some", "must be all or session"],
    ["NOTIFY_BREAKER_FAILURES", "0", "must be a whole number from 1 to 1000"],
    ["NOTIFY_BREAKER_OPEN_SECONDS", "0", "must be a number from 0.001 to 86400"],
    ["NOTIFY_URL", "ftp://chat.example", "must be an http or https URL"],
    ["NOTIFY_URL", "chat", "must be an http or https URL"]
  ] as const)("R10.1 %s=%s is refused by name and rule", ([key, value, rule]) =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(read({ ...required, [key]: value }))
      assert.strictEqual(reason._tag, "ConfigurationInvalid")
      assert.strictEqual(reason.message, `${key}: ${rule}`)
    })
  )

  it.effect("R10.9 a bad queue name is refused before anything starts", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(read({ ...required, QUEUE_NAME: "a--b" }))
      assert.match(reason.message, /^QUEUE_NAME: must have 1–260 characters/u)
    })
  )
})
