import { assert, describe, it } from "@effect/vitest"
import { Defaults, type KeyProvider } from "@queue-runtime/core"
import { KeyProviderContract } from "@queue-runtime/contract-tests"
import { Deferred, Effect, Exit, Fiber, Layer, Option, Redacted, Scope } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import { KeyProviderAwsKms } from "../src/aws-kms.ts"
import * as keyCache from "../src/internal/keyCache.ts"
import { type Asked, serve, type Server } from "./support/http.ts"
import { bytesOf, queue } from "./support.ts"

const wrappedOf = (seed: number): Buffer => Buffer.from(`wrapped by kms, number ${seed}`)

const operationOf = ({ headers }: Asked): string =>
  String(headers["x-amz-target"]).split(".")[1] ?? ""

const field = ({ body }: Asked, name: string): unknown => JSON.parse(body)[name]

/** What KMS does: it wraps keys, numbered, and unwraps what it wrapped. */
const kms = () => {
  let made = 0
  return (asked: Asked) => {
    if (operationOf(asked) === "GenerateDataKey") {
      made++
      const Plaintext = Buffer.from(bytesOf(made)).toString("base64")
      return { body: { CiphertextBlob: wrappedOf(made).toString("base64"), Plaintext, KeyId: "k" } }
    }
    const blob = Buffer.from(String(field(asked, "CiphertextBlob")), "base64").toString()
    const seed = Number(/number (\d+)$/u.exec(blob)?.[1] ?? Number.NaN)
    if (Number.isNaN(seed)) {
      return { status: 400, body: { __type: "InvalidCiphertextException", message: "no" } }
    }
    return { body: { Plaintext: Buffer.from(bytesOf(seed)).toString("base64"), KeyId: "k" } }
  }
}

const client = (endpoint: string) => ({
  endpoint,
  region: "eu-central-1",
  maxAttempts: 1,
  credentials: { accessKeyId: "id", secretAccessKey: "secret" }
})

const connect = (server: Server, options: Partial<KeyProviderAwsKms.Options> = {}) =>
  KeyProviderAwsKms.make({ keyId: "alias/queues", client: client(server.url), ...options })

const bytes = (key: KeyProvider.Key): Uint8Array => Uint8Array.from(Redacted.value(key.material))

const idOf = (wrapped: Uint8Array) => createHash("sha256").update(wrapped).digest("base64url")

const reference = (wrapped: Uint8Array) => ({ id: idOf(wrapped), wrapped })

describe("KeyProviderAwsKms", () => {
  it.effect(
    "R8.3 a data key is made once in its lifetime, and its id is a hash of the wrapped key",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(kms())
        const keys = yield* connect(server, { encryptionContext: { app: "shop" } })
        const first = yield* keys.current(queue)
        assert.deepStrictEqual(bytes(first), bytesOf(1))
        assert.strictEqual(first.id, idOf(wrappedOf(1)))
        assert.deepStrictEqual(Buffer.from(first.wrapped ?? []), wrappedOf(1))
        assert.isDefined(first.createdAt)
        assert.strictEqual((yield* keys.current(queue)).id, first.id)
        assert.strictEqual(server.asked.length, 1)
        const [asked] = server.asked
        assert.isDefined(asked)
        assert.strictEqual(operationOf(asked), "GenerateDataKey")
        assert.deepInclude(JSON.parse(asked.body), {
          KeyId: "alias/queues",
          KeySpec: "AES_256",
          EncryptionContext: { app: "shop" }
        })
        yield* TestClock.adjust(Defaults.cryptoDataKeyLifetime)
        const second = yield* keys.current(queue)
        assert.deepStrictEqual(bytes(second), bytesOf(2))
        // What is under way with the first goes on.
        assert.deepStrictEqual(bytes(first), bytesOf(1))
        assert.deepStrictEqual(yield* keys.ids(queue), [first.id, second.id])
        assert.strictEqual(keys.wrappedSizeMax, Defaults.cryptoWrappedSizeMax)
      })
  )

  it.effect(
    "R8.3 the wrapped key of a body is unwrapped once, under our own key of KMS alone",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(kms())
        const keys = yield* connect(server, { encryptionContext: { app: "shop" } })
        const asked = reference(wrappedOf(7))
        const found = Option.getOrThrow(yield* keys.byId(queue, asked))
        assert.deepStrictEqual(bytes(found), bytesOf(7))
        yield* keys.byId(queue, asked)
        assert.strictEqual(server.asked.length, 1)
        const [request] = server.asked
        assert.isDefined(request)
        assert.strictEqual(field(request, "KeyId"), "alias/queues")
        assert.deepStrictEqual(field(request, "EncryptionContext"), { app: "shop" })
        yield* TestClock.adjust(Defaults.cryptoKeyRefresh)
        // The same bytes come again, and a call that has them goes on.
        const again = Option.getOrThrow(yield* keys.byId(queue, asked))
        assert.strictEqual(server.asked.length, 2)
        assert.strictEqual(again.material, found.material)
      })
  )

  it.effect("R8.3 the key in use opens without a call", () =>
    Effect.gen(function* () {
      const server = yield* serve(kms())
      const keys = yield* connect(server)
      const current = yield* keys.current(queue)
      const found = yield* keys.byId(queue, { id: current.id, wrapped: wrappedOf(1) })
      assert.strictEqual(Option.getOrThrow(found).material, current.material)
      assert.strictEqual(server.asked.length, 1)
    })
  )

  it.effect("R8.4 what was wrapped by others, or is no key at all, is not known", () =>
    Effect.gen(function* () {
      const server = yield* serve(kms())
      const keys = yield* connect(server)
      const foreign = reference(Buffer.from("rubbish"))
      assert.isTrue(Option.isNone(yield* keys.byId(queue, foreign)))
      assert.isTrue(Option.isNone(yield* keys.byId(queue, foreign)))
      // A flood of it is no flood of calls.
      assert.strictEqual(server.asked.length, 1)
      yield* TestClock.adjust(Defaults.cryptoKeyPause)
      yield* keys.byId(queue, foreign)
      assert.strictEqual(server.asked.length, 2)
      server.answer = () => ({ status: 400, body: { __type: "IncorrectKeyException" } })
      assert.isTrue(Option.isNone(yield* keys.byId(queue, reference(wrappedOf(3)))))
      const calls = server.asked.length
      // No wrapped key, and one that its id does not speak of: nothing to ask for.
      assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: "other" })))
      const other = { id: idOf(wrappedOf(1)), wrapped: wrappedOf(2) }
      assert.isTrue(Option.isNone(yield* keys.byId(queue, other)))
      assert.strictEqual(server.asked.length, calls)
    })
  )

  it.effect("R8.3 a service that is down stops nobody who has a key", () =>
    Effect.gen(function* () {
      const server = yield* serve(kms())
      const keys = yield* connect(server, { dataKeyLifetime: "10 minutes" })
      const first = yield* keys.current(queue)
      server.answer = () => ({ status: 500, body: { __type: "KMSInternalException" } })
      yield* TestClock.adjust("10 minutes")
      assert.strictEqual((yield* keys.current(queue)).id, first.id)
      yield* keys.current(queue)
      assert.strictEqual(server.asked.length, 2)
      server.answer = kms()
      yield* TestClock.adjust(Defaults.cryptoKeyPause)
      yield* keys.current(queue)
      assert.strictEqual(server.asked.length, 3)
    })
  )

  it.effect("R2.3 the errors of the service are ours", () =>
    Effect.gen(function* () {
      const server = yield* serve(kms())
      const keys = yield* connect(server)
      const failing = (status: number, type: string) => {
        server.answer = () => ({ status, body: { __type: type, message: "m" } })
        return Effect.flip(keys.current(queue))
      }
      const tags: Array<string> = []
      for (const [status, type] of [
        [400, "AccessDeniedException"],
        [400, "ThrottlingException"],
        [400, "UnrecognizedClientException"],
        [400, "DisabledException"],
        [500, "KMSInternalException"]
      ] as const) {
        const error = yield* failing(status, type)
        tags.push(`${error.reason._tag} ${error.retry}`)
        assert.strictEqual(error.provider, "aws-kms")
        assert.strictEqual(error.operation, "GenerateDataKey")
      }
      assert.deepStrictEqual(tags, [
        "PermissionDenied Never",
        "Throttled Transient",
        "AuthenticationFailed Never",
        "ProviderFailure Never",
        "ProviderFailure Transient"
      ])
      // Of a key of KMS that is disabled nothing is said about the body.
      server.answer = () => ({ status: 400, body: { __type: "DisabledException" } })
      const error = yield* Effect.flip(keys.byId(queue, reference(wrappedOf(1))))
      assert.strictEqual(error.operation, "Decrypt")
    })
  )

  it.effect(
    "R8.4 a service that answers no key is an error, and what it answered is not shown",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(kms())
        const keys = yield* connect(server)
        const answering = (body: object) => {
          server.answer = () => ({ body })
          return Effect.flip(keys.current(queue))
        }
        const CiphertextBlob = wrappedOf(1).toString("base64")
        const short = yield* answering({ CiphertextBlob, Plaintext: "c2hvcnQ=" })
        assert.strictEqual(short.reason._tag, "ConfigurationInvalid")
        assert.notInclude(JSON.stringify(short), "short")
        assert.strictEqual(
          (yield* answering({ CiphertextBlob })).reason._tag,
          "ConfigurationInvalid"
        )
        const large = Buffer.alloc(Defaults.cryptoWrappedSizeMax + 1).toString("base64")
        const error = yield* answering({ CiphertextBlob: large, Plaintext: "c2hvcnQ=" })
        assert.include(error.message, `1–${Defaults.cryptoWrappedSizeMax} bytes`)
        assert.strictEqual((yield* answering({})).reason._tag, "ConfigurationInvalid")
        server.answer = () => ({ body: { Plaintext: "c2hvcnQ=" } })
        const open = yield* Effect.flip(keys.byId(queue, reference(wrappedOf(1))))
        assert.strictEqual(open.reason._tag, "ConfigurationInvalid")
      })
  )

  it.effect("R10.6 a call that hangs ends after its time", () =>
    Effect.gen(function* () {
      const server = yield* serve(() => "hang")
      const keys = yield* connect(server)
      const fiber = yield* Effect.forkChild(Effect.flip(keys.current(queue)))
      while (server.asked.length === 0) yield* TestClock.withLive(Effect.sleep("2 millis"))
      yield* TestClock.adjust(Defaults.cryptoKeyTimeout)
      const error = yield* Fiber.join(fiber)
      assert.strictEqual(error.reason._tag, "Timeout")
    })
  )

  it.effect("R10.3 keys travel over TLS, or to this machine", () =>
    Effect.gen(function* () {
      const problem = (endpoint: string) =>
        Effect.scoped(
          Effect.flatMap(KeyProviderAwsKms.make({ keyId: "k", client: client(endpoint) }), (keys) =>
            Effect.flip(keys.current(queue))
          )
        )
      for (const endpoint of [
        "http://kms.example.com",
        "http://10.0.0.7:4566",
        "http://[2001:db8::1]"
      ]) {
        const error = yield* problem(endpoint)
        assert.include(error.message, "keys travel over https alone")
      }
      for (const endpoint of ["http://127.0.0.1:1", "http://[::1]:1", "http://kms.localhost:1"]) {
        const error = yield* problem(endpoint)
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
      }
    })
  )

  it.effect("R8.4 keys are wiped when the scope ends, and nothing is handed out any more", () =>
    Effect.gen(function* () {
      const server = yield* serve(kms())
      const [keys, key] = yield* Effect.scoped(
        Effect.flatMap(connect(server), (own) =>
          Effect.map(own.current(queue), (one) => [own, one] as const)
        )
      )
      assert.isTrue(Redacted.value(key.material).every((byte) => byte === 0))
      for (const call of [
        Effect.asVoid(keys.current(queue)),
        Effect.asVoid(keys.byId(queue, { id: key.id })),
        Effect.asVoid(keys.ids(queue))
      ]) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
      }
    })
  )

  it.effect("R8.4 what a call under way brings after that is wiped too", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const answered = yield* Deferred.make<void>()
      const own = { id: "k", material: Redacted.make(bytesOf(1)) }
      const scope = yield* Scope.make()
      const keys = yield* keyCache
        .make(
          {
            wrappedSizeMax: 0,
            currentFor: Defaults.cryptoKeyRefresh,
            current: Effect.andThen(
              Deferred.succeed(asked, undefined),
              Effect.as(Deferred.await(answered), own)
            ),
            byId: () => Effect.succeedNone,
            ids: Effect.succeed
          },
          { refresh: Defaults.cryptoKeyRefresh, keysMax: 1 }
        )
        .pipe(Scope.provide(scope))
      const fiber = yield* Effect.forkChild(Effect.exit(keys.current(queue)))
      yield* Deferred.await(asked)
      yield* Scope.close(scope, Exit.void)
      yield* Deferred.succeed(answered, undefined)
      yield* Fiber.join(fiber)
      assert.isTrue(Redacted.value(own.material).every((byte) => byte === 0))
    })
  )

  it.effect(
    "R10.7 no more keys are held than allowed; the oldest is wiped and asked for again",
    () =>
      Effect.gen(function* () {
        const server = yield* serve(kms())
        const keys = yield* connect(server, { keysMax: 2 })
        const find = (seed: number) =>
          Effect.map(keys.byId(queue, reference(wrappedOf(seed))), Option.getOrThrow)
        const first = yield* find(11)
        yield* find(12)
        // In use, though it came first.
        yield* find(11)
        yield* find(13)
        assert.isTrue(Redacted.value(first.material).every((byte) => byte === 0))
        assert.deepStrictEqual(bytes(yield* find(11)), bytesOf(11))
        assert.strictEqual((yield* keys.ids(queue)).length, 2)
        // The current one too can have gone, and is then made anew.
        const current = yield* keys.current(queue)
        yield* find(14)
        yield* find(15)
        const next = yield* keys.current(queue)
        assert.notStrictEqual(next.id, current.id)
      })
  )

  it.effect("R8.3 options out of their range are ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const keyOf = (options: Partial<KeyProviderAwsKms.Options>) =>
        KeyProviderAwsKms.make({ keyId: "k", ...options }).pipe(
          Effect.scoped,
          Effect.flip,
          Effect.map(({ reason }) =>
            reason._tag === "ConfigurationInvalid" ? reason.key : reason._tag
          )
        )
      assert.strictEqual(yield* keyOf({ keyId: "" }), "keyId")
      assert.strictEqual(yield* keyOf({ refresh: 0 }), "refresh")
      assert.strictEqual(yield* keyOf({ dataKeyLifetime: "0 seconds" }), "dataKeyLifetime")
      assert.strictEqual(yield* keyOf({ keysMax: 0 }), "keysMax")
      yield* Effect.scoped(Layer.build(KeyProviderAwsKms.layer({ keyId: "k" })))
      const layer = KeyProviderAwsKms.layer({ keyId: "" })
      const error = yield* Effect.flip(Effect.scoped(Layer.build(layer)))
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
    })
  )
})

describe("KeyProviderAwsKms as a KeyProvider", () => {
  KeyProviderContract.suite(it, {
    name: "aws-kms",
    open: Effect.gen(function* () {
      const server = yield* serve(kms())
      const provider = yield* connect(server)
      return { provider, rotate: TestClock.adjust(Defaults.cryptoDataKeyLifetime) }
    })
  })
})
