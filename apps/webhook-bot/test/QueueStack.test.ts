import { assert, describe, it } from "@effect/vitest"
import { QueueClient, SessionId } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Broker from "../src/demo/Broker.ts"
import * as QueueStack from "../src/QueueStack.ts"
import * as Webhook from "../src/Webhook.ts"
import { environment, message, queue, text } from "./fixtures.ts"

const options = {
  queue,
  deliveriesMax: 5,
  wait: Duration.zero,
  lockDuration: Option.none<Duration.Duration>()
}

const client = (given: QueueStack.Options = options) =>
  Effect.provide(QueueClient.QueueClient, QueueStack.layer(given))

const inEnvironment = (variables: Readonly<Record<string, string>>) =>
  Effect.provide(client(), environment(variables))

describe("QueueStack", () => {
  it.live(
    "R10.2 R8.1 is the memory provider with its stack around it and no sealing, unless told otherwise",
    () =>
      Effect.gen(function* () {
        const { provider, stack } = yield* inEnvironment({})
        assert.strictEqual(provider, "memory")
        assert.deepStrictEqual(
          [...stack],
          [
            "create",
            "batching",
            "health",
            "circuit-breaker",
            "retry",
            "timeout",
            "telemetry",
            "memory"
          ]
        )
        assert.strictEqual((yield* inEnvironment({ QUEUE_PROVIDER: "memory" })).provider, "memory")
      })
  )

  const keys = { QUEUE_CRYPTO_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}` }

  it.live("R8.1 seals above batching and below the span of the call, where there are keys", () =>
    Effect.gen(function* () {
      const { stack } = yield* inEnvironment(keys)
      assert.deepStrictEqual(
        [...stack],
        [
          "create",
          "sealing",
          "batching",
          "health",
          "circuit-breaker",
          "retry",
          "timeout",
          "telemetry",
          "memory"
        ]
      )
    })
  )

  it.live("R1.7 claims large bodies below sealing and above batching, where a store is named", () =>
    Effect.gen(function* () {
      const claimed = yield* inEnvironment({ ...keys, CLAIM_CHECK_STORE: "memory" })
      assert.deepStrictEqual(
        [...claimed.stack],
        [
          "create",
          "sealing",
          "claim-check",
          "batching",
          "health",
          "circuit-breaker",
          "retry",
          "timeout",
          "telemetry",
          "memory"
        ]
      )
      const { messageSizeMax } = claimed.capabilities(queue)
      assert.isAbove(messageSizeMax, Webhook.bodyBytesMax)
      const { reason } = yield* Effect.flip(inEnvironment({ CLAIM_CHECK_STORE: "file" }))
      assert.match(reason.message, /^CLAIM_CHECK_DIRECTORY: must be set/u)
    })
  )

  it.live("R4.4 leases stand directly around the provider, where a store of them is named", () =>
    Effect.gen(function* () {
      const leased = yield* inEnvironment({ QUEUE_SESSION_STORE: "memory" })
      assert.deepStrictEqual(leased.stack.slice(-3), ["telemetry", "session-leases", "memory"])
      const { reason } = yield* Effect.flip(inEnvironment({ QUEUE_SESSION_STORE: "aws-dynamodb" }))
      assert.match(reason.message, /^QUEUE_SESSION_STORE_TABLE: must be set/u)
    })
  )

  it.live("R8.1 what the broker has is sealed, and what the bots get is not", () =>
    Effect.gen(function* () {
      const broker = Broker.make(1_000)
      const read = yield* Effect.gen(function* () {
        const inside = yield* QueueClient.QueueClient
        yield* inside.send(queue, yield* message("push", { ref: "refs/heads/main" }))
        const session = yield* Effect.flatMap(inside.acceptSession(queue), Effect.fromOption)
        const [received] = yield* session.receive({ wait: 0 })
        return text(received?.body ?? new Uint8Array())
      }).pipe(
        Effect.scoped,
        Effect.provide(
          Layer.provide(QueueStack.layer({ ...options, around: broker.around }), environment(keys))
        )
      )
      assert.deepStrictEqual(JSON.parse(read), { ref: "refs/heads/main" })
      assert.strictEqual(yield* broker.stored, 1)
      assert.deepStrictEqual(yield* broker.readable, [])
    })
  )

  it.live("R10.1 settings of sealing without keys are refused by name", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(inEnvironment({ QUEUE_CRYPTO_MODE: "encrypt" }))
      assert.match(reason.message, /^QUEUE_CRYPTO_KEYS: is missing/u)
    })
  )

  it.live("R3.13 the queue is ordered, and takes the largest payload with its attributes", () =>
    Effect.gen(function* () {
      const { messageSizeMax, ordered, sessions } = (yield* client()).capabilities(queue)
      assert.isTrue(ordered)
      assert.strictEqual(sessions, "native")
      assert.isAbove(messageSizeMax, Webhook.bodyBytesMax)
    })
  )

  it.live("R10.9 the lock of the settings is the queue's", () =>
    Effect.gen(function* () {
      const lockDuration = Option.some(Duration.minutes(7))
      const sessionId = SessionId.makeUnsafe("s")
      const until = yield* Effect.gen(function* () {
        const inside = yield* QueueClient.QueueClient
        const session = yield* Effect.flatMap(
          inside.acceptSession(queue, { sessionId }),
          Effect.fromOption
        )
        return yield* session.lockedUntil
      }).pipe(Effect.scoped, Effect.provide(QueueStack.layer({ ...options, lockDuration })))
      const left = until.epochMilliseconds - (yield* Effect.clockWith((c) => c.currentTimeMillis))
      assert.isAbove(left, Duration.toMillis("6 minutes"))
    })
  )

  it.live(
    "R10.2 an unknown provider lists the known ones, and one without its variable names it",
    () =>
      Effect.gen(function* () {
        const unknown = yield* Effect.flip(inEnvironment({ QUEUE_PROVIDER: "nonsense" }))
        assert.strictEqual(
          unknown.reason.message,
          'QUEUE_PROVIDER: no provider "nonsense"; known: aws-sqs, azure-service-bus, memory'
        )
        const missing = yield* Effect.flip(inEnvironment({ QUEUE_PROVIDER: "azure" }))
        assert.strictEqual(
          missing.reason.message,
          "AZURE_SERVICE_BUS_CONNECTION_STRING: must be set to a connection string of the namespace"
        )
      })
  )
})
