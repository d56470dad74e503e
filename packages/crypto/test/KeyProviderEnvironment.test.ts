import { assert, describe, it } from "@effect/vitest"
import { KeyProvider, QueueName } from "@queue-runtime/core"
import { ConfigProvider, Context, Effect, Layer, Option, Redacted } from "effect"
import { KeyProviderEnvironment } from "../src/index.ts"
import { bytesOf, queue } from "./support.ts"

const base64 = (seed: number): string => Buffer.from(bytesOf(seed)).toString("base64")

const build = (environment: Readonly<Record<string, unknown>>) =>
  Layer.build(KeyProviderEnvironment.layer).pipe(
    Effect.map(Context.get(KeyProvider.KeyProvider)),
    Effect.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(environment)))
  )

const problemOf = (environment: Readonly<Record<string, unknown>>) =>
  Effect.map(Effect.flip(Effect.scoped(build(environment))), ({ reason }) =>
    reason._tag === "ConfigurationInvalid" ? `${reason.key} ${reason.problem}` : reason._tag
  )

describe("KeyProviderEnvironment", () => {
  it.effect("R8.3 keys by id, and which of them seals", () =>
    Effect.gen(function* () {
      const keys = yield* build({
        QUEUE_CRYPTO_KEYS: ` may:${base64(1)} , team:june:${base64(2)}`,
        QUEUE_CRYPTO_CURRENT_KEY: "team:june"
      })
      const current = yield* keys.current(queue)
      assert.strictEqual(current.id, "team:june")
      assert.deepStrictEqual(Redacted.value(current.material), bytesOf(2))
      const may = Option.getOrThrow(yield* keys.byId(queue, { id: "may" }))
      assert.deepStrictEqual(Redacted.value(may.material), bytesOf(1))
      assert.deepStrictEqual(yield* keys.ids(queue), ["may", "team:june"])
      assert.notProperty(keys, "replace")
    })
  )

  it.effect("R8.3 an only key is the current one", () =>
    Effect.gen(function* () {
      const keys = yield* build({ QUEUE_CRYPTO_KEYS: `may:${base64(1)}` })
      assert.strictEqual((yield* keys.current(queue)).id, "may")
    })
  )

  it.effect(
    "R8.7 a queue with keys of its own seals with the first, and opens with all of them",
    () =>
      Effect.gen(function* () {
        const keys = yield* build({
          QUEUE_CRYPTO_KEYS: `a:${base64(1)},b:${base64(2)},c:${base64(3)}`,
          QUEUE_CRYPTO_CURRENT_KEY: "c",
          QUEUE_CRYPTO_QUEUE_KEYS: "orders = b  a"
        })
        assert.strictEqual((yield* keys.current(queue)).id, "b")
        assert.deepStrictEqual(yield* keys.ids(queue), ["a", "b"])
        assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: "c" })))
        const other = QueueName.makeUnsafe("audit")
        assert.strictEqual((yield* keys.current(other)).id, "c")
      })
  )

  it.effect.each(["orders", "orders=", "orders=d", "or/ders=a", "=a", "orders=a,orders=b"])(
    "R10.1 QUEUE_CRYPTO_QUEUE_KEYS=%s names the entry, and shows nothing of it",
    (value) =>
      Effect.gen(function* () {
        const problem = yield* problemOf({
          QUEUE_CRYPTO_KEYS: `a:${base64(1)},b:${base64(2)}`,
          QUEUE_CRYPTO_CURRENT_KEY: "a",
          QUEUE_CRYPTO_QUEUE_KEYS: value
        })
        const entry = value.split(",").length
        assert.strictEqual(
          problem,
          `QUEUE_CRYPTO_QUEUE_KEYS entry ${entry} must be queue=id, each queue once, ` +
            "with ids of QUEUE_CRYPTO_KEYS"
        )
      })
  )

  it.effect("R10.1 what cannot be used names the variable, and shows nothing of it", () =>
    Effect.gen(function* () {
      const missing = yield* problemOf({})
      assert.include(missing, "QUEUE_CRYPTO_KEYS is missing")
      assert.include(missing, "openssl rand -base64 32")
      const noId = "has no id before a colon"
      const entries: ReadonlyArray<readonly [string, string]> = [
        ["hunter2", noId],
        ["k:hunter2", "is no base64 behind its id"],
        ["k:aHVudGVyMg==", "has 7 bytes"],
        ["k:aA==", "has 1 byte"],
        ["k:", "has 0 bytes"],
        [`:${base64(1)}`, noId],
        [base64(1), noId],
        ["", noId]
      ]
      for (const [entry, why] of entries) {
        const problem = yield* problemOf({ QUEUE_CRYPTO_KEYS: `ok:${base64(1)},${entry}` })
        assert.strictEqual(
          problem,
          "QUEUE_CRYPTO_KEYS key 2 must be id:base64 of 32 bytes " +
            `(openssl rand -base64 32 makes such a key), and ${why}`
        )
      }
      const two = `a:${base64(1)},b:${base64(2)}`
      assert.include(
        yield* problemOf({ QUEUE_CRYPTO_KEYS: two }),
        "QUEUE_CRYPTO_CURRENT_KEY is missing"
      )
      assert.strictEqual(
        yield* problemOf({ QUEUE_CRYPTO_KEYS: two, QUEUE_CRYPTO_CURRENT_KEY: "c" }),
        "QUEUE_CRYPTO_CURRENT_KEY is no key of QUEUE_CRYPTO_KEYS"
      )
      for (const current of [{ QUEUE_CRYPTO_CURRENT_KEY: "a" }, {}]) {
        assert.strictEqual(
          yield* problemOf({
            QUEUE_CRYPTO_KEYS: `a:${base64(1)},b:${base64(2)},a:${base64(3)}`,
            ...current
          }),
          "QUEUE_CRYPTO_KEYS key 3 has the id of key 1; each id stands there once"
        )
      }
      const broken = ConfigProvider.make(() =>
        Effect.fail(new ConfigProvider.SourceError({ message: "the source is gone" }))
      )
      const error = yield* KeyProviderEnvironment.make.pipe(
        Effect.provide(ConfigProvider.layer(broken)),
        Effect.flip
      )
      assert.deepInclude(error.reason, { key: "QUEUE_CRYPTO_KEYS", problem: "cannot be read" })
    })
  )
})
