import { assert, describe, it } from "@effect/vitest"
import { Configuration, QueueProvider, SessionStore } from "@queue-runtime/core"
import { ConfigProvider, Context, Duration, Effect, Layer } from "effect"
import { SessionLeases, SessionLeasesConfig, SessionStoreMemory } from "../src/index.ts"
import { SessionStoreDynamoDb } from "../src/aws-dynamodb.ts"
import { broker, granted, queue, send } from "./support/world.ts"

type Variables = Readonly<Record<string, string>>

const environment = (variables: Variables) =>
  ConfigProvider.layer(ConfigProvider.fromUnknown(variables))

/** The provider, with the leases of these settings. */
const built = Effect.fnUntraced(function* (
  variables: Variables,
  options: SessionLeasesConfig.Options = {},
  store: Layer.Layer<never> | Layer.Layer<SessionStore.SessionStore> = Layer.empty
) {
  const self = yield* broker
  const context = yield* Layer.build(
    SessionLeasesConfig.layer(options).pipe(
      Layer.provide(Layer.succeed(QueueProvider.QueueProvider, self)),
      Layer.provide(environment(variables)),
      Layer.provide(store)
    )
  )
  return Context.get(context, QueueProvider.QueueProvider)
})

const problemOf = (variables: Variables, options?: SessionLeasesConfig.Options) =>
  Effect.map(Effect.flip(built(variables, options)), ({ message }) => message)

const dynamoDb = () => Promise.resolve(SessionStoreDynamoDb.layerConfig())

describe("SessionLeasesConfig", () => {
  it.effect("R10.1 without a store there are no leases, and with one there are", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual([...(yield* built({})).stack], ["memory"])
      // What says how long leases last says nothing about where they are.
      const alone = yield* built({ QUEUE_SESSION_LEASE_SECONDS: "5" })
      assert.deepStrictEqual([...alone.stack], ["memory"])
      const own = yield* built({ QUEUE_SESSION_STORE: "memory", QUEUE_SESSION_LEASE_SECONDS: "5" })
      assert.deepStrictEqual([...own.stack], ["session-leases", "memory"])
      assert.strictEqual(Duration.toSeconds(own.capabilities(queue).lockDuration), 5)
      const byCode = yield* built(
        { QUEUE_SESSION_LEASE_SECONDS: "5" },
        { store: "memory", lease: "7 seconds" }
      )
      assert.deepStrictEqual([...byCode.stack], ["session-leases", "memory"])
      assert.strictEqual(Duration.toSeconds(byCode.capabilities(queue).lockDuration), 7)
    })
  )

  it.effect("R10.1 every setting is read, and code wins", () =>
    Effect.gen(function* () {
      const config = yield* Effect.provide(
        SessionLeasesConfig.read({ holder: "mine" }),
        environment({
          QUEUE_SESSION_STORE: "aws-dynamodb",
          QUEUE_SESSION_LEASE_SECONDS: "12",
          QUEUE_SESSION_HOLDER: "theirs",
          QUEUE_SESSION_STORE_TABLE: "acme-sessions",
          QUEUE_SESSION_STORE_KEY_PREFIX: "shop#",
          QUEUE_SESSION_STORE_RETENTION_SECONDS: "3600",
          QUEUE_SESSION_STORE_STATE_SIZE_MAX: "10",
          QUEUE_SESSION_STORE_TIMEOUT_SECONDS: "0.5"
        })
      )
      const { lease, retention, timeout, ...rest } = config
      assert.deepStrictEqual(
        [lease, retention, timeout].map((one) => one && Duration.toMillis(one)),
        [12_000, 3_600_000, 500]
      )
      assert.deepStrictEqual(rest, {
        store: "aws-dynamodb",
        holder: "mine",
        table: "acme-sessions",
        keyPrefix: "shop#",
        stateSizeMax: 10
      })
    })
  )

  it("R10.1 lists each setting of the leases and of the table once", () => {
    const keysOf = (...sections: ReadonlyArray<Configuration.Section<unknown>>) =>
      Configuration.settingsOf(sections)
        .map(({ key, variable }) => `${key} ${variable}`)
        .toSorted()
    assert.deepStrictEqual(
      keysOf(SessionLeasesConfig.section).filter((one) => !one.endsWith(" QUEUE_SESSION_STORE")),
      keysOf(SessionLeases.section, SessionStoreDynamoDb.section)
    )
  })

  it.effect("R10.1 a store that is provided stands in the place of a named one", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const holders: Array<string> = []
      const watched = Layer.succeed(SessionStore.SessionStore, {
        ...store,
        acquire: (request) =>
          Effect.andThen(
            Effect.sync(() => holders.push(request.holder)),
            store.acquire(request)
          )
      })
      const provider = yield* built({ QUEUE_SESSION_HOLDER: "pod-1" }, {}, watched)
      yield* send(provider, "A", ["a1"])
      yield* granted(provider, "A")
      assert.deepStrictEqual(holders, ["pod-1"])
    })
  )

  it.effect("R10.2 the store of DynamoDB is the one that the application loads", () =>
    Effect.gen(function* () {
      const variables = {
        QUEUE_SESSION_STORE: "aws-dynamodb",
        QUEUE_SESSION_STORE_TABLE: "acme-sessions"
      }
      const own = yield* built(variables, { stores: { "aws-dynamodb": dynamoDb } })
      assert.deepStrictEqual([...own.stack], ["session-leases", "memory"])
      const nameless = yield* problemOf(
        { QUEUE_SESSION_STORE: "aws-dynamodb" },
        { stores: { "aws-dynamodb": dynamoDb } }
      )
      assert.match(nameless, /QUEUE_SESSION_STORE_TABLE: must be set/u)
      assert.strictEqual(
        yield* problemOf(variables),
        'ConfigurationInvalid: QUEUE_SESSION_STORE: this application does not list the store "aws-dynamodb"'
      )
      const missing = yield* problemOf(variables, {
        stores: { "aws-dynamodb": () => Promise.reject(new Error("Cannot find module")) }
      })
      assert.match(missing, /could not be loaded; is @aws-sdk\/client-dynamodb installed\?/u)
    })
  )

  it.effect("R10.1 a bad value is refused by the name of its variable", () =>
    Effect.gen(function* () {
      const bad = [
        [{ QUEUE_SESSION_STORE: "redis" }, /QUEUE_SESSION_STORE: must be one of memory, aws-dyn/u],
        [{ QUEUE_SESSION_LEASE_SECONDS: "0.5" }, /QUEUE_SESSION_LEASE_SECONDS: must be a number/u],
        [{ QUEUE_SESSION_HOLDER: "pod\n1" }, /QUEUE_SESSION_HOLDER: must have 1–256 characters/u],
        [{ QUEUE_SESSION_STORE_TABLE: "my table" }, /QUEUE_SESSION_STORE_TABLE: must be the name/u],
        [{ QUEUE_SESSION_STORE_KEY_PREFIX: "a\tb" }, /QUEUE_SESSION_STORE_KEY_PREFIX: must have/u],
        [{ QUEUE_SESSION_STORE_RETENTION_SECONDS: "0" }, /QUEUE_SESSION_STORE_RETENTION_SECONDS/u],
        [{ QUEUE_SESSION_STORE_TIMEOUT_SECONDS: "soon" }, /QUEUE_SESSION_STORE_TIMEOUT_SECONDS/u]
      ] as const
      for (const [variables, message] of bad) {
        assert.match(yield* problemOf({ QUEUE_SESSION_STORE: "memory", ...variables }), message)
      }
      const short = yield* problemOf({ QUEUE_SESSION_STORE: "memory" }, { lease: "1 millis" })
      assert.match(short, /^ConfigurationInvalid: sessionLeases\.lease: /u)
    })
  )
})
