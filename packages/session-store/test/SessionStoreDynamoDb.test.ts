import { assert, describe, it } from "@effect/vitest"
import { SessionStoreContract, Time } from "@queue-runtime/contract-tests"
import { type QueueError, QueueName, SessionId, SessionStore } from "@queue-runtime/core"
import { Clock, ConfigProvider, DateTime, Duration, Effect, Fiber, Layer, Option } from "effect"
import { TestClock } from "effect/testing"
import { SessionStoreDynamoDb } from "../src/aws-dynamodb.ts"
import { makeDynamo } from "./support/dynamo.ts"
import { type Answer, serveAnswers, serveProxy } from "./support/http.ts"

const dynamo: SessionStoreContract.Harness = {
  name: "dynamodb",
  time: Time.virtual,
  open: Effect.map(makeDynamo, ({ client, table }) => ({
    connect: SessionStoreDynamoDb.make({ table, client })
  }))
}

describe("SessionStoreDynamoDb over a socket: R4.3 R4.4", () => {
  SessionStoreContract.suite(it, dynamo)
})

const request = (session = "A"): SessionStore.Request => ({
  queue: QueueName.makeUnsafe("carts"),
  sessionId: SessionId.makeUnsafe(session),
  holder: "worker-1",
  duration: Duration.seconds(30)
})

const granted = (store: SessionStore.Service, asked = request()) =>
  Effect.map(store.acquire(asked), (answer) => {
    if (answer._tag === "Held") return assert.fail(`${asked.sessionId} is held`)
    return answer.lease
  })

const held = (store: SessionStore.Service, asked = request()) =>
  Effect.map(store.acquire(asked), (answer) => {
    if (answer._tag === "Granted") return assert.fail(`${asked.sessionId} was granted`)
    return DateTime.toEpochMillis(answer.until)
  })

/** A process whose clock on the wall is off. */
const withClockOff = <A, E, R>(effect: Effect.Effect<A, E, R>, off: Duration.Input) =>
  Clock.clockWith((clock) => {
    const millis = Duration.toMillis(off)
    const own: Clock.Clock = {
      sleep: (duration) => clock.sleep(duration),
      currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + millis,
      currentTimeMillis: Effect.sync(() => clock.currentTimeMillisUnsafe() + millis),
      currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe() + BigInt(millis) * 1_000_000n,
      currentTimeNanos: Effect.sync(
        () => clock.currentTimeNanosUnsafe() + BigInt(millis) * 1_000_000n
      ),
      monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
      monotonicTimeNanos: clock.monotonicTimeNanos
    }
    return Effect.provideService(effect, Clock.Clock, own)
  })

describe("SessionStoreDynamoDb: the table", () => {
  it.effect("R4.4 an item has its holder and its end, and what a release leaves", () =>
    Effect.gen(function* () {
      const { client, item, table } = yield* makeDynamo
      yield* TestClock.adjust("1 hour")
      const store = yield* SessionStoreDynamoDb.make({ table, client, keyPrefix: "shop#" })
      const lease = yield* granted(store)
      assert.strictEqual(lease.token, 3_600_001)
      const written = yield* item("shop#carts/A")
      const { version, ...rest } = written ?? {}
      assert.isDefined(version)
      assert.deepStrictEqual(rest, {
        pk: { S: "shop#carts/A" },
        holder: { S: "worker-1" },
        token: { N: "3600001" },
        leaseMillis: { N: "30000" },
        // Counted from the end of the lease: nothing that is held is forgotten.
        expires: { N: String(3_630 + 30 * 86_400) }
      })
      yield* store.writeState(lease, Option.some(Uint8Array.of(1)))
      const kept = { N: String(3_630 + 30 * 86_400) }
      assert.deepInclude(yield* item("shop#carts/A"), { expires: kept })
      yield* TestClock.adjust("1 hour")
      yield* store.release(lease)
      assert.deepStrictEqual(yield* item("shop#carts/A"), {
        pk: { S: "shop#carts/A" },
        token: { N: "3600001" },
        leaseMillis: { N: "0" },
        expires: { N: String(7_200 + 30 * 86_400) },
        state: { B: Uint8Array.of(1) }
      })
    })
  )

  it.effect("R4.3 clocks that differ by hours change nothing: each goes by its own", () =>
    Effect.gen(function* () {
      const { client, table } = yield* makeDynamo
      const store = yield* SessionStoreDynamoDb.make({ table, client })
      const other = yield* SessionStoreDynamoDb.make({ table, client })
      yield* TestClock.adjust("10 hours")
      for (const off of ["-5 hours", "5 hours"] as const) {
        const asked = request(off)
        const lease = yield* granted(store, asked)
        const offMillis = Duration.toMillis(Duration.fromInputUnsafe(off))
        const now = yield* Clock.currentTimeMillis
        assert.strictEqual(yield* withClockOff(held(other, asked), off), now + offMillis + 30_000)
        yield* TestClock.adjust("29 seconds")
        yield* withClockOff(held(other, asked), off)
        yield* TestClock.adjust("1 second")
        const taken = yield* withClockOff(granted(other, asked), off)
        assert.isAbove(taken.token, lease.token)
      }
    })
  )

  it.effect(
    "R4.3 of a holder that died long ago nobody knows: the wait begins when it is seen",
    () =>
      Effect.gen(function* () {
        const { client, table } = yield* makeDynamo
        yield* granted(yield* SessionStoreDynamoDb.make({ table, client }))
        yield* TestClock.adjust("1 hour")
        const other = yield* SessionStoreDynamoDb.make({ table, client })
        yield* held(other)
        yield* TestClock.adjust("30 seconds")
        yield* granted(other)
      })
  )

  it.effect(
    "R4.3 a lease is waited for as long as its holder said, not as its contender would",
    () =>
      Effect.gen(function* () {
        const { client, table } = yield* makeDynamo
        const store = yield* SessionStoreDynamoDb.make({ table, client })
        const other = yield* SessionStoreDynamoDb.make({ table, client })
        yield* granted(store, { ...request(), duration: Duration.minutes(2) })
        assert.strictEqual(
          yield* held(other, { ...request(), duration: Duration.seconds(1) }),
          120_000
        )
        yield* TestClock.adjust("119 seconds")
        yield* held(other)
        yield* TestClock.adjust("1 second")
        yield* granted(other)
      })
  )

  it.effect("R10.7 of leases that are watched the oldest are forgotten, and waited for anew", () =>
    Effect.gen(function* () {
      const { client, table } = yield* makeDynamo
      const store = yield* SessionStoreDynamoDb.make({ table, client })
      const other = yield* SessionStoreDynamoDb.make({ table, client, observedMax: 1 })
      yield* granted(store, request("A"))
      yield* granted(store, request("B"))
      yield* held(other, request("A"))
      yield* held(other, request("B"))
      yield* TestClock.adjust("30 seconds")
      yield* held(other, request("A"))
      yield* TestClock.adjust("30 seconds")
      yield* granted(other, request("A"))
    })
  )

  it.effect("R10.1 table and what is kept come from the environment, and code wins", () =>
    Effect.gen(function* () {
      const { client, item, table } = yield* makeDynamo
      const variables = {
        QUEUE_SESSION_STORE_TABLE: "nowhere",
        QUEUE_SESSION_STORE_KEY_PREFIX: "shop#",
        QUEUE_SESSION_STORE_RETENTION_SECONDS: "3600",
        QUEUE_SESSION_STORE_STATE_SIZE_MAX: "10",
        QUEUE_SESSION_STORE_TIMEOUT_SECONDS: "2"
      }
      const build = (
        given: Readonly<Record<string, string>>,
        code: Partial<SessionStoreDynamoDb.Options>
      ) =>
        SessionStoreDynamoDb.layerConfig(code).pipe(
          Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(given))),
          Layer.build,
          Effect.flatMap((context) => Effect.provide(SessionStore.SessionStore, context))
        )
      const store = yield* build(variables, { table, client, observedMax: 5 })
      assert.strictEqual(store.stateSizeMax, 10)
      yield* granted(store)
      assert.deepInclude(yield* item("shop#carts/A"), { expires: { N: "3630" } })
      const missing = yield* Effect.flip(build({}, {}))
      assert.strictEqual(
        missing.message,
        "ConfigurationInvalid: QUEUE_SESSION_STORE_TABLE: must be set to the name or the ARN of a table"
      )
      const wrong = { ...variables, QUEUE_SESSION_STORE_STATE_SIZE_MAX: "300000" }
      assert.strictEqual(
        (yield* Effect.flip(build(wrong, {}))).message,
        "ConfigurationInvalid: QUEUE_SESSION_STORE_STATE_SIZE_MAX: must be a whole number from 1 to 262144"
      )
    })
  )

  it.effect("R10.1 an option out of its range fails before any call", () =>
    Effect.gen(function* () {
      const wrong: ReadonlyArray<Partial<SessionStoreDynamoDb.Options>> = [
        { table: "" },
        { retention: "1 millis" },
        { timeout: 0 },
        { stateSizeMax: 262_145 },
        { stateSizeMax: 0 },
        { observedMax: 0 }
      ]
      for (const options of wrong) {
        const error = yield* Effect.flip(
          SessionStoreDynamoDb.make({ table: "sessions", ...options })
        )
        assert.include(["ValidationFailed", "ConfigurationInvalid"], error.reason._tag)
      }
      const layer = SessionStoreDynamoDb.layer({ table: "" })
      assert.strictEqual(
        (yield* Effect.flip(Layer.build(layer))).reason._tag,
        "ConfigurationInvalid"
      )
    })
  )
})

const credentials = { accessKeyId: "id", secretAccessKey: "a-secret-of-ours" }

const at = (endpoint: string, maxAttempts = 1) => ({
  endpoint,
  region: "eu-central-1",
  maxAttempts,
  credentials: { ...credentials }
})

describe("SessionStoreDynamoDb: what goes wrong", () => {
  it.effect("R2.3 a grant whose answer was lost is the same grant when it is asked again", () =>
    Effect.gen(function* () {
      const { client, table } = yield* makeDynamo
      let broken = 0
      const url = yield* serveProxy(client.endpoint, (operation) => {
        if (operation !== "UpdateItem" || broken > 0) return false
        broken++
        return true
      })
      const store = yield* SessionStoreDynamoDb.make({ table, client: at(url, 2) })
      // The SDK waits between two tries by a clock of its own.
      const lease = yield* Time.withLive(granted(store))
      assert.strictEqual(broken, 1)
      yield* store.renew(lease, Duration.seconds(30))
      const other = yield* SessionStoreDynamoDb.make({ table, client })
      yield* held(other)
    })
  )

  it.effect("R4.3 what was granted and nobody was told of, its asker takes, and no other", () =>
    Effect.gen(function* () {
      const { client, table } = yield* makeDynamo
      let broken = 0
      const url = yield* serveProxy(client.endpoint, (operation) => {
        if (operation !== "UpdateItem" || broken > 0) return false
        broken++
        return true
      })
      const store = yield* SessionStoreDynamoDb.make({ table, client: at(url) })
      const other = yield* SessionStoreDynamoDb.make({ table, client })
      const error = yield* Effect.flip(store.acquire(request()))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      yield* held(other)
      const lease = yield* granted(store)
      // It is a grant of its own, counted from when it was asked for, and is taken once.
      assert.strictEqual(lease.token, 2)
      yield* held(store)
      yield* TestClock.adjust("29 seconds")
      yield* held(other)
    })
  )

  it.effect("R2.3 a table that is not there is said by name", () =>
    Effect.gen(function* () {
      const { client } = yield* makeDynamo
      const store = yield* SessionStoreDynamoDb.make({ table: "nowhere", client })
      const error = yield* Effect.flip(store.acquire(request()))
      assert.deepInclude(error, { retry: "Never", provider: "aws-dynamodb", queue: "carts" })
      assert.match(error.message, /there is no table "nowhere"; create it first/u)
    })
  )

  const answered: ReadonlyArray<readonly [Answer & object, string, QueueError.RetryState]> = [
    [{ status: 400, body: { __type: "x#ThrottlingException" } }, "Throttled", "Transient"],
    [
      { status: 400, body: { __type: "x#ProvisionedThroughputExceededException" } },
      "Throttled",
      "Transient"
    ],
    [{ status: 400, body: { __type: "x#AccessDeniedException" } }, "PermissionDenied", "Never"],
    [
      { status: 400, body: { __type: "x#UnrecognizedClientException" } },
      "AuthenticationFailed",
      "Never"
    ],
    [{ status: 500, body: { __type: "x#InternalServerError" } }, "ProviderFailure", "Transient"],
    [{ status: 400, body: { __type: "x#ValidationException" } }, "ProviderFailure", "Never"]
  ]

  for (const [answer, reason, retry] of answered) {
    it.effect(`R2.3 ${JSON.stringify(answer.body)} is ${reason}, ${retry}, without a secret`, () =>
      Effect.gen(function* () {
        const url = yield* serveAnswers(() => answer)
        const store = yield* SessionStoreDynamoDb.make({ table: "sessions", client: at(url) })
        const lease = { ...request(), token: 1, expiresAt: DateTime.makeUnsafe(0) }
        const calls = [
          Effect.asVoid(store.acquire(request())),
          Effect.asVoid(store.readState(lease))
        ]
        for (const call of calls) {
          const error = yield* Effect.flip(call)
          assert.strictEqual(error.reason._tag, reason)
          assert.strictEqual(error.retry, retry)
          assert.notInclude(`${error.message} ${String(error.cause)}`, credentials.secretAccessKey)
        }
      })
    )
  }

  it.effect("R5.6 the SDK tries once, where its number of attempts is left undefined too", () =>
    Effect.gen(function* () {
      let calls = 0
      const url = yield* serveAnswers(() => {
        calls++
        return { status: 500, body: { __type: "x#InternalServerError" } }
      })
      // Callers without exact optional properties exist.
      const client: object = { ...at(url), maxAttempts: undefined }
      const store = yield* SessionStoreDynamoDb.make({ table: "sessions", client })
      yield* Effect.flip(store.acquire(request()))
      assert.strictEqual(calls, 1)
    })
  )

  it.effect("R2.3 a server that is not there is ConnectionFailed, one that hangs a Timeout", () =>
    Effect.gen(function* () {
      const gone = yield* SessionStoreDynamoDb.make({
        table: "t",
        client: at("http://127.0.0.1:1")
      })
      const refused = yield* Effect.flip(gone.acquire(request()))
      assert.strictEqual(refused.reason._tag, "ConnectionFailed")
      const url = yield* serveAnswers(() => "hang")
      const store = yield* SessionStoreDynamoDb.make({ table: "t", client: at(url) })
      const asking = yield* Effect.forkChild(Effect.flip(store.acquire(request())))
      yield* Effect.yieldNow
      yield* TestClock.adjust("5 seconds")
      const late = yield* Fiber.join(asking)
      assert.deepInclude(late, { operation: "UpdateItem", retry: "Transient" })
      assert.strictEqual(late.reason._tag, "Timeout")
    })
  )

  it.effect("R10.3 nothing is sent in clear to another machine", () =>
    Effect.gen(function* () {
      const client = at("http://dynamodb.example.com")
      const store = yield* SessionStoreDynamoDb.make({ table: "t", client })
      const error = yield* Effect.flip(store.acquire(request()))
      assert.match(error.message, /endpoint: session state travels over https alone/u)
      const named = at("http://localhost:1")
      const local = yield* SessionStoreDynamoDb.make({ table: "t", client: named })
      assert.strictEqual(
        (yield* Effect.flip(local.acquire(request()))).reason._tag,
        "ConnectionFailed"
      )
    })
  )

  it.effect("R4.3 a session that changes hands with every look is asked for again later", () =>
    Effect.gen(function* () {
      const refused = { status: 400, body: { __type: "x#ConditionalCheckFailedException" } }
      let looks = 0
      const url = yield* serveAnswers((operation) => {
        if (operation === "UpdateItem") return refused
        looks++
        return { status: 200, body: {} }
      })
      const store = yield* SessionStoreDynamoDb.make({ table: "t", client: at(url) })
      assert.strictEqual(yield* held(store), 0)
      assert.strictEqual(looks, 3)
    })
  )
})
