import { type QueueError, QueueProvider } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as CircuitBreaker from "../src/CircuitBreaker.ts"
import * as ResilienceConfig from "../src/ResilienceConfig.ts"
import * as Scripted from "./support/Scripted.ts"

const { address, orders, transient } = Scripted

const read = (
  environment: Readonly<Record<string, string>>,
  overrides: Partial<ResilienceConfig.ResilienceConfig> = {}
) =>
  Effect.provideService(
    ResilienceConfig.read(overrides),
    ConfigProvider.ConfigProvider,
    ConfigProvider.fromUnknown(environment)
  )

/** The compiler asks for one that is new. */
type AllOptions = {
  readonly [Part in keyof ResilienceConfig.ResilienceConfig]: Required<
    ResilienceConfig.ResilienceConfig[Part]
  >
}

const environment = {
  QUEUE_RETRY_STRATEGY: "linear",
  QUEUE_MAX_RETRY_ATTEMPTS: "7",
  QUEUE_RETRY_BACKOFF_MS: "250",
  QUEUE_RETRY_FACTOR: "1.5",
  QUEUE_RETRY_BACKOFF_MAX_MS: "9000",
  QUEUE_RETRY_JITTER: "0.5",
  QUEUE_RETRY_TOTAL_SECONDS: "60",
  QUEUE_RETRY_UNSURE_SENDS: "fail",
  QUEUE_SEND_TIMEOUT_SECONDS: "1",
  QUEUE_SETTLE_TIMEOUT_SECONDS: "2",
  QUEUE_RENEW_LOCK_TIMEOUT_SECONDS: "3",
  QUEUE_PEEK_TIMEOUT_SECONDS: "4",
  QUEUE_SESSION_STATE_TIMEOUT_SECONDS: "5",
  QUEUE_RECEIVE_MARGIN_SECONDS: "0.5",
  QUEUE_BREAKER_FAILURES: "10",
  QUEUE_BREAKER_OPEN_SECONDS: "15",
  QUEUE_BREAKER_SUCCESSES: "2",
  QUEUE_BREAKER_PROBES: "4"
}

describe("ResilienceConfig", () => {
  it.effect("R10.1 without a variable every policy has its own defaults", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), { retry: {}, timeout: {}, breaker: {} })
    })
  )

  it.effect("R10.1 R10.9 each variable is read", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(environment), {
        retry: {
          strategy: "linear",
          attempts: 7,
          initial: Duration.millis(250),
          factor: 1.5,
          max: Duration.millis(9_000),
          jitter: 0.5,
          totalMax: Duration.seconds(60),
          unsureSends: "fail"
        },
        timeout: {
          send: Duration.seconds(1),
          settle: Duration.seconds(2),
          renewLock: Duration.seconds(3),
          peek: Duration.seconds(4),
          sessionState: Duration.seconds(5),
          receiveMargin: Duration.millis(500)
        },
        breaker: {
          failuresMax: 10,
          openDuration: Duration.seconds(15),
          successes: 2,
          probesMax: 4
        }
      })
    })
  )

  it.effect("R10.1 what code says wins, option by option", () =>
    Effect.gen(function* () {
      const config = yield* read(environment, {
        retry: { attempts: 2 },
        timeout: { send: "9 seconds" },
        breaker: { queuesMax: 5 }
      })
      assert.strictEqual(config.retry.attempts, 2)
      assert.strictEqual(config.retry.strategy, "linear")
      assert.strictEqual(config.timeout.send, "9 seconds")
      assert.deepStrictEqual([config.breaker.queuesMax, config.breaker.probesMax], [5, 4])
    })
  )

  it.effect("R10.1 what code leaves undefined counts as not said", () =>
    Effect.gen(function* () {
      const said = yield* read(environment, { retry: { factor: 3 } })
      const parts: object = { retry: undefined, timeout: { send: undefined }, breaker: {} }
      assert.deepStrictEqual(yield* read(environment, parts), yield* read(environment))
      const half: object = { retry: { attempts: undefined, factor: 3, jitter: undefined } }
      assert.deepStrictEqual(yield* read(environment, half), said)
      // Without a variable the policy's own default is left to it.
      assert.deepStrictEqual(yield* read({}, half), {
        retry: { factor: 3 },
        timeout: {},
        breaker: {}
      })
    })
  )

  const wrong: Readonly<Record<string, string>> = {
    QUEUE_RETRY_STRATEGY: "sometimes",
    QUEUE_MAX_RETRY_ATTEMPTS: "0",
    QUEUE_RETRY_BACKOFF_MS: "-1",
    QUEUE_RETRY_FACTOR: "0.5",
    QUEUE_RETRY_BACKOFF_MAX_MS: "1.5",
    QUEUE_RETRY_JITTER: "2",
    QUEUE_RETRY_TOTAL_SECONDS: "-5",
    QUEUE_RETRY_UNSURE_SENDS: "maybe",
    QUEUE_SEND_TIMEOUT_SECONDS: "0",
    QUEUE_SETTLE_TIMEOUT_SECONDS: "soon",
    QUEUE_RENEW_LOCK_TIMEOUT_SECONDS: "NaN",
    QUEUE_PEEK_TIMEOUT_SECONDS: "Infinity",
    QUEUE_SESSION_STATE_TIMEOUT_SECONDS: "-1",
    QUEUE_RECEIVE_MARGIN_SECONDS: "99999999",
    QUEUE_BREAKER_FAILURES: "0",
    QUEUE_BREAKER_OPEN_SECONDS: "0",
    QUEUE_BREAKER_SUCCESSES: "2.5",
    QUEUE_BREAKER_PROBES: "none"
  }

  it("R10.1 there is a wrong value below for each variable", () => {
    assert.deepStrictEqual(Object.keys(wrong), Object.keys(environment))
  })

  it.effect.each(Object.entries(wrong))(
    "R10.1 %s=%s is ConfigurationInvalid naming the variable",
    ([key, value]) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(read({ [key]: value }))
        assert.strictEqual(reason._tag, "ConfigurationInvalid")
        assert.strictEqual(reason._tag === "ConfigurationInvalid" && reason.key, key)
      })
  )

  const built = (
    variables: Readonly<Record<string, string>>,
    scripted: Scripted.Scripted,
    overrides: Partial<ResilienceConfig.ResilienceConfig> = {}
  ) =>
    ResilienceConfig.layer(overrides).pipe(
      Layer.provide(Layer.succeed(QueueProvider.QueueProvider, scripted.provider)),
      Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))
    )

  it.effect(
    "R6.3 the layer is breaker over retry over time-out: one outcome a logical call",
    () => {
      const scripted = Scripted.make({
        fate: ({ method }) => (method === "peek" ? "hang" : transient())
      })
      return Effect.gen(function* () {
        const provider = yield* QueueProvider.QueueProvider
        assert.deepStrictEqual(provider.stack, ["circuit-breaker", "retry", "timeout", "scripted"])
        const peek = yield* Effect.forkChild(Effect.flip(provider.peek(address, { max: 1 })), {
          startImmediately: true
        })
        // Two attempts of a second each, a second apart.
        yield* TestClock.adjust("3 seconds")
        const error = yield* Fiber.join(peek)
        assert.deepStrictEqual([error.reason._tag, error.retry], ["Timeout", "Exhausted"])
        assert.strictEqual(scripted.of("peek").length, 2)
        const { state } = yield* CircuitBreaker.CircuitBreakers
        assert.strictEqual((yield* state(orders))._tag, "Closed")
        const again = yield* Effect.forkChild(Effect.flip(provider.peek(address, { max: 1 })), {
          startImmediately: true
        })
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(again)
        assert.strictEqual((yield* state(orders))._tag, "Open")
        const refused = yield* Effect.flip(provider.peek(address, { max: 1 }))
        assert.strictEqual(refused.reason._tag, "CircuitOpen")
        assert.strictEqual(scripted.of("peek").length, 4)
      }).pipe(
        Effect.provide(
          built(
            {
              QUEUE_MAX_RETRY_ATTEMPTS: "2",
              QUEUE_RETRY_JITTER: "0",
              QUEUE_PEEK_TIMEOUT_SECONDS: "1",
              QUEUE_BREAKER_FAILURES: "2"
            },
            scripted
          )
        )
      )
    }
  )

  it.effect("R10.1 nothing is started with a setting that is none", () =>
    Effect.gen(function* () {
      const scripted = Scripted.make()
      const fail = (
        layer: Layer.Layer<
          QueueProvider.QueueProvider | CircuitBreaker.CircuitBreakers,
          QueueError.QueueError
        >
      ) => Effect.flip(Effect.scoped(Effect.asVoid(Layer.build(layer))))
      const variable = yield* fail(built({ QUEUE_BREAKER_PROBES: "x" }, scripted))
      assert.strictEqual(variable.reason._tag, "ConfigurationInvalid")
      const option = yield* fail(built({}, scripted, { retry: { jitter: 3 } }))
      assert.strictEqual(option.reason._tag, "ValidationFailed")
    })
  )

  const refused: ReadonlyArray<readonly [object, string]> = [
    [{ rety: {} }, "rety: is no option; there are: retry, timeout, breaker"],
    [
      { breaker: { failureMax: 3 } },
      "breaker.failureMax: is no option; there are: failuresMax, openDuration, successes, " +
        "probesMax, queuesMax"
    ],
    [
      { retry: { attemps: 3 } },
      "retry.attemps: is no option; there are: strategy, attempts, initial, factor, max, jitter, " +
        "totalMax, unsureSends"
    ],
    [
      { timeout: { sends: "1 second" } },
      "timeout.sends: is no option; there are: send, settle, renewLock, peek, sessionState, " +
        "receiveMargin"
    ],
    [{ retry: { attempts: 0 } }, "retry.attempts: must be a whole number of at least 1"],
    [
      { timeout: { peek: 0 } },
      "timeout.peek: must be a finite duration of 1ms or more, such as 30 seconds"
    ],
    [{ breaker: { probesMax: 0 } }, "breaker.probesMax: must be a whole number of at least 1"],
    [{ breaker: { queuesMax: 0 } }, "breaker.queuesMax: must be a whole number of at least 1"]
  ]

  it.effect(
    "R10.1 an option of the code that is none, or out of its range, is named by its path",
    () =>
      Effect.gen(function* () {
        for (const [overrides, problem] of refused) {
          const layer = built({}, Scripted.make(), overrides)
          const error = yield* Effect.flip(Effect.scoped(Effect.asVoid(Layer.build(layer))))
          assert.strictEqual(error.message, `ValidationFailed: ${problem}`)
        }
      })
  )

  it.effect("R10.1 every option there is may be given", () =>
    Effect.gen(function* () {
      const config: AllOptions = {
        retry: {
          strategy: "fixed",
          attempts: 2,
          initial: "1 second",
          factor: 2,
          max: "2 seconds",
          jitter: 0,
          totalMax: "1 minute",
          unsureSends: "fail"
        },
        timeout: {
          send: "1 second",
          settle: "1 second",
          renewLock: "1 second",
          peek: "1 second",
          sessionState: "1 second",
          receiveMargin: "1 second"
        },
        breaker: {
          failuresMax: 2,
          openDuration: "1 second",
          successes: 1,
          probesMax: 1,
          queuesMax: 3
        }
      }
      assert.deepStrictEqual(yield* read({}, config), config)
      yield* Effect.scoped(Effect.asVoid(Layer.build(built({}, Scripted.make(), config))))
    })
  )
})
