import { assert, describe, it } from "@effect/vitest"
import { NonceStore, type QueueError, QueueProvider, Verdict } from "@queue-runtime/core"
import { ConfigProvider, Duration, Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { type Sealing, SealingConfig } from "../src/index.ts"
import { bytesOf, message, session, text } from "./support.ts"
import * as World from "./support/world.ts"

const { address, all, dead, orders, ordered } = World

type Environment = Readonly<Record<string, string>>

const environmentOf = (variables: Environment) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

const read = (variables: Environment, overrides: Sealing.Options = {}) =>
  Effect.provide(SealingConfig.read(overrides), environmentOf(variables))

const base64 = (seed: number): string => Buffer.from(bytesOf(seed)).toString("base64")

const key = { QUEUE_CRYPTO_KEYS: `k1:${base64(1)}` }

const environment = {
  QUEUE_CRYPTO_MODE: "sign",
  QUEUE_CRYPTO_PLAINTEXT: "alert",
  QUEUE_CRYPTO_FRESHNESS_SECONDS: "90",
  QUEUE_CRYPTO_FRESHNESS_FROM: "received",
  QUEUE_CRYPTO_NONCE_TRACKING: "on",
  QUEUE_CRYPTO_NONCE_WINDOW_SECONDS: "0.5"
}

describe("SealingConfig", () => {
  it.effect("R8.1 R10.1 without a variable nothing is said", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read({}), {})
    })
  )

  it.effect("R8.5 R10.1 each variable is read", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* read(environment), {
        mode: "sign",
        plaintext: "alert",
        freshness: Duration.seconds(90),
        freshnessFrom: "received",
        nonceTracking: true,
        nonceWindow: Duration.millis(500)
      })
    })
  )

  it.effect("R8.7 each variable has values for single queues, beside one for all or without", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(
        yield* read({
          QUEUE_CRYPTO_MODE: "off, orders = encrypt ,audit=sign",
          QUEUE_CRYPTO_FRESHNESS_SECONDS: "orders=off,audit=60",
          QUEUE_CRYPTO_NONCE_TRACKING: "on,audit=off"
        }),
        {
          mode: "off",
          nonceTracking: true,
          queues: {
            orders: { mode: "encrypt", freshness: "off" },
            audit: { mode: "sign", freshness: Duration.seconds(60), nonceTracking: false }
          }
        }
      )
    })
  )

  it.effect("R10.1 what code says wins, option by option and queue by queue", () =>
    Effect.gen(function* () {
      const variables = { ...environment, QUEUE_CRYPTO_MODE: "sign,orders=encrypt" }
      const options = yield* read(variables, {
        plaintext: "reject",
        queues: { orders: { freshness: "1 minute" }, audit: { mode: "off" } }
      })
      assert.deepStrictEqual(options.queues, {
        orders: { mode: "encrypt", freshness: "1 minute" },
        audit: { mode: "off" }
      })
      assert.deepInclude(options, { mode: "sign", plaintext: "reject", freshnessFrom: "received" })
    })
  )

  it.effect("R10.1 what code leaves undefined it does not say, of all queues and of one", () =>
    Effect.gen(function* () {
      const variables = { QUEUE_CRYPTO_MODE: "off, orders=encrypt" }
      // Callers without exact optional properties exist.
      const shapes: ReadonlyArray<object> = [
        { mode: undefined, plaintext: undefined },
        { queues: undefined },
        { queues: { orders: undefined } },
        { queues: { orders: { mode: undefined, freshness: undefined } } }
      ]
      for (const shape of shapes) {
        assert.deepStrictEqual(yield* read(variables, shape), yield* read(variables))
      }
    })
  )

  const wrong: ReadonlyArray<readonly [keyof typeof environment, string]> = [
    ["QUEUE_CRYPTO_MODE", "maybe"],
    ["QUEUE_CRYPTO_MODE", " "],
    ["QUEUE_CRYPTO_MODE", "sign,encrypt"],
    ["QUEUE_CRYPTO_MODE", "orders=sign,orders=sign"],
    ["QUEUE_CRYPTO_MODE", "=sign"],
    ["QUEUE_CRYPTO_MODE", "or/ders=sign"],
    ["QUEUE_CRYPTO_MODE", "orders=sign=off"],
    ["QUEUE_CRYPTO_MODE", "sign,"],
    ["QUEUE_CRYPTO_PLAINTEXT", "yes"],
    ["QUEUE_CRYPTO_FRESHNESS_SECONDS", "0"],
    ["QUEUE_CRYPTO_FRESHNESS_SECONDS", "on"],
    ["QUEUE_CRYPTO_FRESHNESS_SECONDS", "off,orders=99999999"],
    ["QUEUE_CRYPTO_FRESHNESS_FROM", "sent"],
    ["QUEUE_CRYPTO_NONCE_TRACKING", "true"],
    ["QUEUE_CRYPTO_NONCE_WINDOW_SECONDS", "NaN"],
    ["QUEUE_CRYPTO_NONCE_WINDOW_SECONDS", "off"]
  ]

  it("R10.1 there is a wrong value below for each variable", () => {
    assert.deepStrictEqual(
      [...new Set(wrong.map(([name]) => name))].toSorted(),
      Object.keys(environment).toSorted()
    )
  })

  it.effect.each(wrong)(
    "R10.1 %s=%s is ConfigurationInvalid naming the variable",
    ([name, value]) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(read({ [name]: value }))
        assert.strictEqual(reason._tag, "ConfigurationInvalid")
        assert.strictEqual(reason._tag === "ConfigurationInvalid" && reason.key, name)
        // A key may stand in the wrong place: what a text says is in no error.
        if (value.length > 7) assert.notInclude(reason.message, value)
      })
  )

  it.effect("R10.1 what the source cannot tell is ConfigurationInvalid too", () =>
    Effect.gen(function* () {
      const broken = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "the source is gone" }))
      )
      const { reason } = yield* SealingConfig.read().pipe(
        Effect.provide(ConfigProvider.layer(broken)),
        Effect.flip
      )
      assert.strictEqual(reason._tag, "ConfigurationInvalid")
    })
  )

  /** Sealing of the environment around a broker, for as long as its keys live. */
  const within = <A>(
    variables: Environment,
    use: (
      raw: QueueProvider.Service,
      sealed: QueueProvider.Service
    ) => Effect.Effect<A, QueueError.QueueError>,
    overrides: Sealing.Options = {}
  ) =>
    Effect.gen(function* () {
      const { raw } = yield* World.make()
      const stack = SealingConfig.layer(overrides).pipe(
        Layer.provide(Layer.succeed(QueueProvider.QueueProvider, raw)),
        Layer.provide(environmentOf(variables))
      )
      return yield* Effect.flatMap(QueueProvider.QueueProvider, (sealed) => use(raw, sealed)).pipe(
        Effect.provide(stack)
      )
    }).pipe(Effect.scoped)

  it.effect("R8.1 without keys the provider stays as it is, said or not", () =>
    Effect.gen(function* () {
      for (const variables of [{}, { QUEUE_CRYPTO_MODE: "off,orders=off" }]) {
        yield* within(variables, (raw, sealed) =>
          Effect.sync(() => assert.strictEqual(sealed, raw))
        )
      }
    })
  )

  it.effect("R8.1 with keys bodies are sealed, and readable by nobody below", () =>
    within(key, (raw, sealed) =>
      Effect.gen(function* () {
        assert.deepStrictEqual(sealed.stack, ["sealing", ...raw.stack])
        yield* sealed.send(orders, [message("a secret")])
        const [stored] = yield* raw.peek(address, { max: 1 })
        assert.strictEqual(text(stored?.body.subarray(0, 4) ?? new Uint8Array()), "QRE1")
        assert.notInclude(text(stored?.body ?? new Uint8Array()), "a secret")
        assert.deepStrictEqual(World.textsOf(yield* sealed.receive(address, all)), ["a secret"])
      })
    )
  )

  it.effect("R8.7 a queue that is off is sent as it is, beside one that is signed", () =>
    within({ ...key, QUEUE_CRYPTO_MODE: "off,ordered=sign" }, (raw, sealed) =>
      Effect.gen(function* () {
        yield* sealed.send(orders, [message("plain")])
        yield* sealed.send(ordered, [message("signed", { sessionId: session })])
        const [plain] = yield* raw.peek(address, { max: 1 })
        assert.deepStrictEqual(plain?.attributes, {})
        const [signed] = yield* raw.peek({ ...address, queue: ordered }, { max: 1 })
        assert.property(signed?.attributes, "queue-runtime-signature")
        assert.strictEqual(text(signed?.body ?? new Uint8Array()), "signed")
      })
    )
  )

  it.effect("R8.5 the freshness of the environment is kept", () =>
    within({ ...key, QUEUE_CRYPTO_FRESHNESS_SECONDS: "60" }, (raw, sealed) =>
      Effect.gen(function* () {
        yield* sealed.send(orders, [message("late")])
        const [stored] = yield* raw.receive(address, all)
        assert(stored !== undefined)
        yield* raw.settle([stored.receipt], Verdict.complete)
        yield* TestClock.adjust("61 seconds")
        // The sealed body once more, as somebody would who kept it.
        yield* raw.send(orders, [{ ...message("x"), body: stored.body }])
        assert.deepStrictEqual(yield* sealed.receive(address, all), [])
        const [letter] = yield* raw.peek(dead, { max: 10 })
        assert.strictEqual(letter?.deadLetter?.reason, "EnvelopeExpired")
      })
    )
  )

  const copied = (raw: QueueProvider.Service, sealed: QueueProvider.Service) =>
    Effect.gen(function* () {
      yield* sealed.send(orders, [message("once")])
      const [stored] = yield* raw.peek(address, { max: 1 })
      assert(stored !== undefined)
      yield* raw.send(orders, [{ ...message("x"), body: stored.body }])
      const received = yield* sealed.receive(address, all)
      const letters = yield* raw.peek(dead, { max: 10 })
      return [World.textsOf(received), letters.map(({ deadLetter }) => deadLetter?.reason)]
    })

  it.effect("R8.5 nonces are tracked in this process, or in the store that is provided", () =>
    Effect.gen(function* () {
      const tracked = { ...key, QUEUE_CRYPTO_NONCE_TRACKING: "orders=on" }
      assert.deepStrictEqual(yield* within(tracked, copied), [["once"], ["NonceReused"]])
      assert.deepStrictEqual(yield* within({ ...tracked, QUEUE_CRYPTO_NONCES_MAX: "1" }, copied), [
        ["once"],
        ["NonceReused"]
      ])
      assert.deepStrictEqual(yield* within(key, copied), [["once", "once"], []])
      const claims: Array<string> = []
      const own = Effect.provideService(within(tracked, copied), NonceStore.NonceStore, {
        claim: ({ queue }) => Effect.sync(() => claims.push(queue) > 0)
      })
      assert.deepStrictEqual(yield* own, [["once", "once"], []])
      assert.deepStrictEqual(claims, ["orders", "orders"])
    })
  )

  const refused = (variables: Environment, overrides: Sealing.Options = {}) =>
    Effect.map(Effect.flip(within(variables, () => Effect.void, overrides)), ({ reason }) =>
      reason._tag === "ConfigurationInvalid" ? reason.key : reason._tag
    )

  it.effect("R8.1 R10.1 settings that ask for sealing are refused without keys", () =>
    Effect.gen(function* () {
      for (const variables of [
        { QUEUE_CRYPTO_MODE: "encrypt" },
        { QUEUE_CRYPTO_MODE: "off,orders=sign" },
        { QUEUE_CRYPTO_PLAINTEXT: "reject" },
        { QUEUE_CRYPTO_CURRENT_KEY: "k1" },
        { QUEUE_CRYPTO_QUEUE_KEYS: "orders=k1" }
      ]) {
        assert.strictEqual(yield* refused(variables), "QUEUE_CRYPTO_KEYS")
      }
      assert.strictEqual(yield* refused({}, { mode: "sign" }), "QUEUE_CRYPTO_KEYS")
    })
  )

  it.effect("R8.1 what the environment seals goes out sealed, whatever code leaves undefined", () =>
    Effect.gen(function* () {
      const variables = { ...key, QUEUE_CRYPTO_MODE: "off, orders=encrypt" }
      const shapes: ReadonlyArray<object> = [
        { queues: { orders: undefined } },
        { queues: { orders: { mode: undefined } } }
      ]
      for (const shape of shapes) {
        yield* within(
          variables,
          Effect.fnUntraced(function* (raw, sealed) {
            yield* sealed.send(orders, [message("a secret")])
            const [stored] = yield* raw.peek(address, { max: 1 })
            assert.strictEqual(text(stored?.body.subarray(0, 4) ?? new Uint8Array()), "QRE1")
          }),
          shape
        )
      }
      const unset: object = { mode: undefined }
      const unsealed = within({ QUEUE_CRYPTO_MODE: "encrypt" }, () => Effect.void, unset)
      const error = yield* Effect.flip(unsealed)
      assert.include(error.message, "QUEUE_CRYPTO_KEYS")
    })
  )

  it.effect("R10.1 nothing is started with a setting that is none", () =>
    Effect.gen(function* () {
      for (const name of ["QUEUE_CRYPTO_MODE", "QUEUE_CRYPTO_NONCES_MAX", "QUEUE_CRYPTO_KEYS"]) {
        assert.strictEqual(yield* refused({ ...key, [name]: "?" }), name)
      }
      assert.strictEqual(yield* refused(key, { queues: { "?": {} } }), "queues.?")
    })
  )
})
