import { assert, describe, it } from "@effect/vitest"
import { Defaults, type KeyProvider } from "@queue-runtime/core"
import { KeyProviderContract } from "@queue-runtime/contract-tests"
import { DateTime, Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { KeyProviderAwsSecretsManager } from "../src/aws-secrets-manager.ts"
import { type Asked, serve, type Server } from "./support/http.ts"
import { bytesOf, queue } from "./support.ts"

/** Version ids as AWS makes them. */
const version = (number: number): string =>
  `0199aa6e-8d3c-7d5e-b2a0-${String(number).padStart(12, "0")}`

const operationOf = ({ headers }: Asked): string =>
  String(headers["x-amz-target"]).split(".")[1] ?? ""

const base64 = (seed: number): string => Buffer.from(bytesOf(seed)).toString("base64")

/** A secret with its versions: each a key of its number, the last one the current. */
const secret = (versions: Array<number>) => (asked: Asked) => {
  const { NextToken, VersionId } = JSON.parse(asked.body)
  if (operationOf(asked) === "ListSecretVersionIds") {
    // A page a version.
    const place = NextToken === undefined ? 0 : Number(NextToken)
    const more = place + 1 < versions.length ? { NextToken: String(place + 1) } : {}
    return { body: { Versions: [{ VersionId: version(versions[place] ?? 0) }, {}], ...more } }
  }
  const found = versions.find(
    (one) => version(one) === (VersionId ?? version(versions.at(-1) ?? 0))
  )
  return found === undefined
    ? { status: 400, body: { __type: "ResourceNotFoundException", Message: "no version" } }
    : {
        body: {
          VersionId: version(found),
          CreatedDate: 1_763_730_000 + found,
          // Both ways of keeping it.
          ...(found % 2 === 0 ? { SecretBinary: base64(found) } : { SecretString: base64(found) })
        }
      }
}

const client = (endpoint: string) => ({
  endpoint,
  region: "eu-central-1",
  maxAttempts: 1,
  credentials: { accessKeyId: "id", secretAccessKey: "secret" }
})

const connect = (server: Server, options: Partial<KeyProviderAwsSecretsManager.Options> = {}) =>
  KeyProviderAwsSecretsManager.make({
    secret: "prod/queue-keys",
    client: client(server.url),
    ...options
  })

const bytes = (key: KeyProvider.Key): Uint8Array => Uint8Array.from(Redacted.value(key.material))

describe("KeyProviderAwsSecretsManager", () => {
  it.effect("R8.3 the current version seals, and is asked for once in a while", () =>
    Effect.gen(function* () {
      const versions = [1, 2]
      const server = yield* serve(secret(versions))
      const keys = yield* connect(server)
      const key = yield* keys.current(queue)
      assert.strictEqual(key.id, version(2))
      assert.deepStrictEqual(bytes(key), bytesOf(2))
      assert.strictEqual(
        key.createdAt === undefined ? 0 : DateTime.toEpochMillis(key.createdAt),
        1_763_730_002_000
      )
      assert.deepStrictEqual(JSON.parse(server.asked[0]?.body ?? ""), {
        SecretId: "prod/queue-keys"
      })
      yield* keys.current(queue)
      assert.strictEqual(server.asked.length, 1)
      // Rotation: what is under way goes on, what comes next is sealed with the new one.
      versions.push(3)
      yield* TestClock.adjust(Defaults.cryptoKeyRefresh)
      const next = yield* keys.current(queue)
      assert.strictEqual(next.id, version(3))
      assert.deepStrictEqual(bytes(key), bytesOf(2))
      const old = Option.getOrThrow(yield* keys.byId(queue, { id: version(1) }))
      assert.deepStrictEqual(bytes(old), bytesOf(1))
      assert.deepStrictEqual(yield* keys.ids(queue), [version(1), version(2), version(3)])
    })
  )

  it.effect("R8.4 a version that is not there, or cannot be one, is not known", () =>
    Effect.gen(function* () {
      const server = yield* serve(secret([1]))
      const keys = yield* connect(server)
      assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: version(9) })))
      assert.strictEqual(server.asked.length, 1)
      for (const id of ["k1", "AWSCURRENT", "../other", "x".repeat(65)]) {
        assert.isTrue(Option.isNone(yield* keys.byId(queue, { id })))
      }
      assert.strictEqual(server.asked.length, 1)
    })
  )

  it.effect("R8.6 a version that is removed no longer opens once it was asked for again", () =>
    Effect.gen(function* () {
      const versions = [1, 2]
      const server = yield* serve(secret(versions))
      const keys = yield* connect(server)
      assert.isTrue(Option.isSome(yield* keys.byId(queue, { id: version(1) })))
      versions.shift()
      assert.isTrue(Option.isSome(yield* keys.byId(queue, { id: version(1) })))
      yield* TestClock.adjust(Defaults.cryptoKeyRefresh)
      assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: version(1) })))
    })
  )

  it.effect(
    "R8.4 another key under an id that is held takes its place, and the old bytes are wiped",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(secret([1]))
        const keys = yield* connect(server)
        const before = yield* keys.current(queue)
        server.answer = () => ({ body: { VersionId: version(1), SecretString: base64(8) } })
        yield* TestClock.adjust(Defaults.cryptoKeyRefresh)
        const after = yield* keys.current(queue)
        assert.deepStrictEqual(bytes(after), bytesOf(8))
        assert.isUndefined(after.createdAt)
        assert.isTrue(Redacted.value(before.material).every((byte) => byte === 0))
      })
  )

  it.effect("R8.4 what is no key is an error that does not show it", () =>
    Effect.gen(function* () {
      const server = yield* serve(secret([1]))
      const keys = yield* connect(server)
      for (const body of [
        { VersionId: version(1), SecretString: "hunter2 is no key" },
        { VersionId: version(1), SecretString: "aHVudGVyMg==" },
        { SecretBinary: Buffer.alloc(32).toString("base64") },
        {}
      ]) {
        server.answer = () => ({ body })
        const error = yield* Effect.flip(keys.current(queue))
        assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
    })
  )

  it.effect(
    "R2.3 a secret that is missing, and one that may not be read, are errors of a lookup",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(secret([]))
        const keys = yield* connect(server)
        const missing = yield* Effect.flip(keys.current(queue))
        assert.deepInclude(missing.reason, {
          _tag: "ProviderFailure",
          code: "ResourceNotFoundException"
        })
        server.answer = () => ({ status: 400, body: { __type: "AccessDeniedException" } })
        const calls = [
          Effect.asVoid(keys.byId(queue, { id: version(1) })),
          Effect.asVoid(keys.ids(queue))
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          assert.strictEqual(error.reason._tag, "PermissionDenied")
        }
        const insecure = yield* KeyProviderAwsSecretsManager.make({
          secret: "s",
          client: client("http://secrets.example.com")
        })
        const error = yield* Effect.flip(insecure.current(queue))
        assert.include(error.message, "keys travel over https alone")
      })
  )

  it.effect("R8.3 options out of their range are ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const layer = KeyProviderAwsSecretsManager.layer({ secret: "" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key: "secret" })
      const without = KeyProviderAwsSecretsManager.layer({ secret: "s", refresh: 0 })
      const refresh = yield* Effect.flip(Effect.scoped(Layer.build(without)))
      assert.deepInclude(refresh.reason, { _tag: "ConfigurationInvalid", key: "refresh" })
      yield* Effect.scoped(Layer.build(KeyProviderAwsSecretsManager.layer({ secret: "s" })))
    })
  )
})

describe("KeyProviderAwsSecretsManager as a KeyProvider", () => {
  KeyProviderContract.suite(it, {
    name: "aws-secrets-manager",
    open: Effect.gen(function* () {
      const versions = [1]
      const server = yield* serve(secret(versions))
      const provider = yield* connect(server)
      const rotate = Effect.andThen(
        Effect.sync(() => versions.push(2)),
        TestClock.adjust(Defaults.cryptoKeyRefresh)
      )
      return { provider, rotate }
    })
  })
})
