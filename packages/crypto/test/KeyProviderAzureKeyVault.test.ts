import { assert, describe, it } from "@effect/vitest"
import { Defaults, type KeyProvider } from "@queue-runtime/core"
import { KeyProviderContract } from "@queue-runtime/contract-tests"
import { DateTime, Effect, Layer, Option, Redacted } from "effect"
import { TestClock } from "effect/testing"
import { KeyProviderAzureKeyVault } from "../src/azure-key-vault.ts"
import { type Asked, serve, type Server } from "./support/http.ts"
import { cert } from "./support/selfSigned.ts"
import { bytesOf, queue } from "./support.ts"

/** Versions as Key Vault makes them. */
const version = (number: number): string => number.toString(16).padStart(32, "0")

const base64 = (seed: number): string => Buffer.from(bytesOf(seed)).toString("base64")

interface Vault {
  readonly versions: Array<number>
  readonly disabled: Set<number>
}

const failing = (status: number, code: string, inner?: string) => ({
  status,
  body: {
    error: { code, message: "m", ...(inner === undefined ? {} : { innererror: { code: inner } }) }
  }
})

/** A vault with one secret: who asks without a token is told where to get one. */
const vault =
  ({ disabled, versions }: Vault, url: () => string) =>
  ({ headers, path }: Asked) => {
    if (headers.authorization === undefined) {
      const where =
        'Bearer authorization="https://login.example.com/tenant", resource="https://vault.azure.net"'
      return { ...failing(401, "Unauthorized"), headers: { "www-authenticate": where } }
    }
    const [, , , last = ""] = new URL(path, url()).pathname.split("/")
    const id = (one: number) => `${url()}/secrets/queue-keys/${version(one)}`
    if (last === "versions") {
      const first = !path.includes("page=2")
      const shown = first ? versions.slice(0, 1) : versions.slice(1)
      return {
        body: {
          value: shown.map((one) => ({ id: id(one), attributes: { enabled: !disabled.has(one) } })),
          nextLink: first ? `${url()}/secrets/queue-keys/versions?api-version=7.6&page=2` : null
        }
      }
    }
    const one = last === "" ? versions.at(-1) : versions.find((each) => version(each) === last)
    if (one === undefined) return failing(404, "SecretNotFound")
    if (disabled.has(one)) return failing(403, "Forbidden", "SecretDisabled")
    const attributes = { enabled: true, created: 1_763_730_000 + one, exp: 1_900_000_000 }
    return { body: { id: id(one), value: base64(one), attributes } }
  }

const credential = {
  getToken: () => Promise.resolve({ token: "t", expiresOnTimestamp: 4_000_000_000_000 })
}

const connect = (server: Server, options: Partial<KeyProviderAzureKeyVault.Options> = {}) =>
  KeyProviderAzureKeyVault.make({
    vaultUrl: server.url,
    secret: "queue-keys",
    credential,
    client: {
      disableChallengeResourceVerification: true,
      tlsOptions: { ca: cert },
      retryOptions: { maxRetries: 0 }
    },
    ...options
  })

const open = Effect.fnUntraced(function* (versions: Array<number>) {
  const state: Vault = { versions, disabled: new Set() }
  const server: Server = yield* serve((asked) => vault(state, () => server.url)(asked), "https")
  return { server, state, keys: yield* connect(server) }
})

const bytes = (key: KeyProvider.Key): Uint8Array => Uint8Array.from(Redacted.value(key.material))

const answered = ({ asked }: Server) =>
  asked.filter(({ headers }) => headers.authorization !== undefined).length

describe("KeyProviderAzureKeyVault", () => {
  it.effect("R8.3 the newest version seals, over TLS, and is asked for once in a while", () =>
    Effect.gen(function* () {
      const { keys, server, state } = yield* open([1, 2])
      const key = yield* keys.current(queue)
      assert.strictEqual(key.id, version(2))
      assert.deepStrictEqual(bytes(key), bytesOf(2))
      const millis = (at: DateTime.Utc | undefined) =>
        at === undefined ? 0 : DateTime.toEpochMillis(at)
      assert.strictEqual(millis(key.createdAt), 1_763_730_002_000)
      assert.strictEqual(millis(key.notAfter), 1_900_000_000_000)
      yield* keys.current(queue)
      assert.strictEqual(answered(server), 1)
      state.versions.push(3)
      yield* TestClock.adjust(Defaults.cryptoKeyRefresh)
      assert.strictEqual((yield* keys.current(queue)).id, version(3))
      const old = Option.getOrThrow(yield* keys.byId(queue, { id: version(1) }))
      assert.deepStrictEqual(bytes(old), bytesOf(1))
      state.disabled.add(2)
      assert.deepStrictEqual(yield* keys.ids(queue), [version(1), version(3)])
      assert.strictEqual(keys.wrappedSizeMax, 0)
    })
  )

  it.effect("R8.4 a version that is gone, disabled, or cannot be one, is not known", () =>
    Effect.gen(function* () {
      const { keys, server, state } = yield* open([1, 2])
      state.disabled.add(1)
      assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: version(1) })))
      assert.isTrue(Option.isNone(yield* keys.byId(queue, { id: version(9) })))
      const calls = server.asked.length
      for (const id of [
        "k1",
        "../../keys/other",
        `${version(1)}/`,
        version(1).toUpperCase() + "F"
      ]) {
        assert.isTrue(Option.isNone(yield* keys.byId(queue, { id })))
      }
      assert.strictEqual(server.asked.length, calls)
    })
  )

  it.effect("R2.3 the errors of the service are ours", () =>
    Effect.gen(function* () {
      const { keys, server } = yield* open([1])
      const tagOf = (answer: ReturnType<typeof failing>) => {
        server.answer = () => answer
        return Effect.map(
          Effect.flip(keys.byId(queue, { id: version(1) })),
          ({ reason, retry }) => `${reason._tag} ${retry}`
        )
      }
      yield* keys.current(queue).pipe(Effect.andThen(TestClock.adjust("1 hour")))
      assert.strictEqual(
        yield* tagOf(failing(403, "Forbidden", "AccessDenied")),
        "PermissionDenied Never"
      )
      assert.strictEqual(yield* tagOf(failing(429, "Throttled")), "Throttled Transient")
      assert.strictEqual(yield* tagOf(failing(500, "Oops")), "ProviderFailure Transient")
      assert.strictEqual(yield* tagOf(failing(400, "BadParameter")), "ProviderFailure Never")
    })
  )

  it.effect("R10.3 a certificate that nobody vouches for is refused", () =>
    Effect.gen(function* () {
      const { server } = yield* open([1])
      const client = { retryOptions: { maxRetries: 0 }, disableChallengeResourceVerification: true }
      const keys = yield* connect(server, { client })
      const error = yield* Effect.flip(keys.current(queue))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(server.asked.length, 0)
    })
  )

  it.effect("R8.4 what is no key is an error that does not show it", () =>
    Effect.gen(function* () {
      const { keys, server } = yield* open([1])
      yield* keys.ids(queue)
      for (const value of ["hunter2", "aHVudGVyMg=="]) {
        server.answer = () => ({
          body: { id: `${server.url}/secrets/queue-keys/${version(1)}`, value, attributes: {} }
        })
        const error = yield* Effect.flip(keys.current(queue))
        assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
        assert.notInclude(JSON.stringify(error), "hunter2")
      }
      // Without times, and without an id: what is there is used.
      server.answer = () => ({ body: { value: base64(4), attributes: {} } })
      const bare = yield* Effect.exit(keys.current(queue))
      assert.strictEqual(bare._tag, "Failure")
      const id = `${server.url}/secrets/queue-keys/${version(4)}`
      server.answer = () => ({ body: { id, value: base64(4), attributes: {} } })
      const key = yield* keys.current(queue)
      assert.isUndefined(key.createdAt)
      assert.isUndefined(key.notAfter)
    })
  )

  it.effect("R8.3 options out of their range are ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const valid = { vaultUrl: "https://acme.vault.azure.net", secret: "s", credential }
      const keyOf = (options: Partial<KeyProviderAzureKeyVault.Options>) =>
        Layer.build(KeyProviderAzureKeyVault.layer({ ...valid, ...options })).pipe(
          Effect.scoped,
          Effect.flip,
          Effect.map(({ reason }) =>
            reason._tag === "ConfigurationInvalid" ? reason.key : reason._tag
          )
        )
      assert.strictEqual(yield* keyOf({ vaultUrl: "http://acme.vault.azure.net" }), "vaultUrl")
      assert.strictEqual(yield* keyOf({ vaultUrl: "https://" }), "vaultUrl")
      assert.strictEqual(yield* keyOf({ secret: "a/b" }), "secret")
      assert.strictEqual(yield* keyOf({ keysMax: 0.5 }), "keysMax")
      yield* Effect.scoped(Layer.build(KeyProviderAzureKeyVault.layer(valid)))
    })
  )
})

describe("KeyProviderAzureKeyVault as a KeyProvider", () => {
  KeyProviderContract.suite(it, {
    name: "azure-key-vault",
    open: Effect.gen(function* () {
      const { keys: provider, state } = yield* open([1])
      const rotate = Effect.andThen(
        Effect.sync(() => state.versions.push(2)),
        TestClock.adjust(Defaults.cryptoKeyRefresh)
      )
      return { provider, rotate }
    })
  })
})
