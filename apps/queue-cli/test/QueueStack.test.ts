import { assert, describe, it } from "@effect/vitest"
import { Message, QueueClient, Settings } from "@queue-runtime/core"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as References from "effect/References"
import * as Queues from "../src/Queues.ts"
import * as QueueStack from "../src/QueueStack.ts"

/** Opens the stack as a call does, and looks at it. */
const withStack = Effect.fnUntraced(function* <A, E>(
  environment: Readonly<Record<string, string>>,
  use: (client: QueueClient.Service, queue: Queues.Asked) => Effect.Effect<A, E>,
  over: Partial<QueueStack.Options> = {}
) {
  const configuration = ConfigProvider.layer(ConfigProvider.fromUnknown(environment))
  const queue = yield* Queues.parse("orders", false)
  const stack = QueueStack.layer({
    provider: environment["QUEUE_PROVIDER"],
    queues: [queue],
    settings: yield* Effect.provide(Settings.read, configuration),
    isRaw: false,
    ...over
  })
  return yield* QueueClient.QueueClient.use((client) => use(client, queue)).pipe(
    Effect.provide(Layer.provide(stack, configuration)),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
})

const memory = {
  QUEUE_PROVIDER: "memory",
  QUEUE_MEMORY_QUEUES: '{"orders":{}}'
}

const policies = ["circuit-breaker", "retry", "timeout"]

const keys = { QUEUE_CRYPTO_KEYS: `k1:${Buffer.alloc(32, 7).toString("base64")}` }

const stackOf = (environment: Readonly<Record<string, string>>, isRaw = false) =>
  withStack(environment, ({ stack }) => Effect.succeed(stack), { isRaw })

const without = (stack: ReadonlyArray<string>): ReadonlyArray<string> =>
  stack.filter((name) => name !== "health")

describe("QueueStack", () => {
  it.effect("R8.1 seals where there are keys, and leaves bodies as they are where told", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(without(yield* stackOf(memory)), [...policies, "memory"])
      const sealed = yield* stackOf({ ...memory, ...keys })
      assert.deepStrictEqual(without(sealed), ["sealing", ...policies, "memory"])
      const raw = yield* stackOf({ ...memory, ...keys }, true)
      assert.deepStrictEqual(without(raw), [...policies, "memory"])
    })
  )

  it.effect("R1.7 large bodies are claimed where a store is named, sealed ones too", () =>
    Effect.gen(function* () {
      const claims = { CLAIM_CHECK_STORE: "memory" }
      const claimed = yield* stackOf({ ...memory, ...keys, ...claims })
      assert.deepStrictEqual(without(claimed), ["sealing", "claim-check", ...policies, "memory"])
      const raw = yield* stackOf({ ...memory, ...keys, ...claims }, true)
      assert.deepStrictEqual(without(raw), ["claim-check", ...policies, "memory"])
    })
  )

  it.effect("R4.4 leases stand around the provider where a store of them is named", () =>
    Effect.gen(function* () {
      const leased = yield* stackOf({ ...memory, QUEUE_SESSION_STORE: "memory" })
      assert.deepStrictEqual(without(leased), [...policies, "session-leases", "memory"])
    })
  )

  it.effect("R8.1 what is sealed is opened again", () =>
    Effect.gen(function* () {
      const body = yield* withStack({ ...memory, ...keys }, (client, { name }) =>
        Effect.gen(function* () {
          yield* client.send(name, yield* Message.text("secret"))
          const [received] = yield* client.receive(name, { wait: 0 })
          return new TextDecoder().decode(received?.body)
        })
      )
      assert.strictEqual(body, "secret")
    })
  )

  const providers: ReadonlyArray<readonly [string, Readonly<Record<string, string>>]> = [
    ["memory", memory],
    [
      "aws-sqs",
      {
        QUEUE_PROVIDER: "aws",
        AWS_ENDPOINT_URL_SQS: "http://127.0.0.1:1",
        AWS_REGION: "us-east-1",
        QUEUE_AWS_CREDENTIALS: '{"_tag":"Keys","accessKeyId":"a","secretAccessKey":"b"}'
      }
    ],
    [
      "azure-service-bus",
      {
        QUEUE_PROVIDER: "azure",
        AZURE_SERVICE_BUS_CONNECTION_STRING:
          "Endpoint=sb://127.0.0.1:1;SharedAccessKeyName=n;SharedAccessKey=k;UseDevelopmentEmulator=true"
      }
    ]
  ]

  it.live.each(providers)(
    "R10.2 R10.9 opens %s, with the lock that the variable says",
    ([name, environment]) =>
      Effect.gen(function* () {
        const variables = { ...environment, QUEUE_VISIBILITY_TIMEOUT_SECONDS: "90" }
        const [provider, lock] = yield* withStack(variables, (client, queue) =>
          Effect.succeed([
            client.provider,
            Duration.toSeconds(client.capabilities(queue.name).lockDuration)
          ] as const)
        )
        assert.strictEqual(provider, name)
        // SQS: a little less than what the service keeps it for.
        assert.isAtMost(lock, 90)
        assert.isAbove(lock, 80)
      })
  )

  it.effect("R10.2 nobody chose, or what nobody knows, is told with what there is", () =>
    Effect.gen(function* () {
      const nobody = yield* Effect.flip(stackOf({}))
      assert.match(nobody.message, /QUEUE_PROVIDER: must be set to one of aws-sqs, azure/u)
      const unknown = yield* Effect.flip(stackOf({ QUEUE_PROVIDER: "rabbit" }))
      assert.match(unknown.message, /no provider "rabbit"; known: aws-sqs, azure/u)
    })
  )
})
