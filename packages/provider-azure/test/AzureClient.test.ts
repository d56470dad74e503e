import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import { Defaults, QueueAddress, QueueName } from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { AzureClient, AzureProvider } from "../src/index.ts"
import { Connection } from "../src/internal/connection.ts"
import { socketOf } from "../src/internal/inside.ts"
import * as credentials from "../src/internal/credentials.ts"
import { connect, numbered, open, plain, sdk, send } from "./world.ts"

describe("AzureClient", () => {
  it.live("nothing is opened before the first call, and everything closed with the scope", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({ queues: { plain: {} } })
      const scope = yield* Scope.make()
      const { connectionString } = emulator
      const client = yield* Scope.provide(AzureClient.make({ connectionString }), scope)
      assert.strictEqual((yield* emulator.connections).length, 0)
      yield* client.use((one) => one.createSender(plain).sendMessages({ body: "a" }))
      assert.strictEqual((yield* emulator.connections).length, 1)
      yield* Scope.close(scope, Exit.void)
      yield* Effect.sleep(100)
      assert.strictEqual((yield* emulator.connections).length, 0)
      const error = yield* Effect.flip(client.use(() => Promise.resolve(1)))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )

  it.live("R2.3 use maps errors, limits the time and aborts what is interrupted", () =>
    Effect.gen(function* () {
      const { client } = yield* open()
      const missing = client.use((one) => one.createSender("missing").sendMessages({ body: "" }), {
        operation: "mine",
        queue: "missing"
      })
      const error = yield* Effect.flip(missing)
      assert.strictEqual(error.reason._tag, "QueueNotFound")
      assert.strictEqual(error.operation, "mine")
      const never = () => new Promise<never>(() => undefined)
      const late = yield* Effect.flip(client.use(never, { timeout: Duration.millis(50) }))
      assert.strictEqual(late.reason._tag, "Timeout")
      let isAborted = false
      const call = yield* Effect.forkChild(
        client.use((_, signal) => {
          signal.addEventListener("abort", () => {
            isAborted = true
          })
          return never()
        }),
        { startImmediately: true }
      )
      yield* Effect.sleep(10)
      yield* Fiber.interrupt(call)
      assert.isTrue(isAborted)
      const thrown = yield* Effect.flip(
        client.use((): Promise<never> => {
          throw new TypeError("no")
        })
      )
      assert.strictEqual(thrown.reason._tag, "ProviderFailure")
    })
  )

  it.live("queues are shared out among the connections", () =>
    Effect.gen(function* () {
      const names = numbered(8, "queue-")
      const queues = Object.fromEntries(names.map((name) => [name, {}]))
      const { emulator, provider } = yield* open({
        emulator: { queues },
        provider: { connections: 3, queues }
      })
      for (const name of names) {
        const at = QueueAddress.queue(QueueName.makeUnsafe(name))
        yield* provider.receive(at, { max: 1, wait: Duration.zero })
      }
      assert.strictEqual((yield* emulator.connections).length, 3)
    })
  )

  it.live("§5.4 the time limit of one accept is not that of the calls beside it", () =>
    Effect.gen(function* () {
      const { client } = yield* open()
      const [connection] = client.connections
      const start = performance.now()
      const error = yield* Effect.flip(
        Effect.tryPromise(() =>
          connection.within(300, () => connection.client.acceptNextSession("ordered"))
        )
      )
      assert.isDefined(error)
      assert.isBelow(performance.now() - start, 2_000)
    })
  )

  it.effect("R9.1 connections and links in use go up and come down", () =>
    Effect.gen(function* () {
      const registry: typeof Metric.MetricRegistry.Service = new Map()
      const shown = () => {
        const all = Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry))
        return ["queue_runtime.connections", "queue_runtime.links"].map((name) => {
          const found = all.find(({ id }) => id === name)
          return found?.type === "Gauge" ? Number(found.state.value) : undefined
        })
      }
      const emulator = yield* ServiceBusEmulator.make({ queues: { plain: {} } })
      const scope = yield* Scope.make()
      const { provider } = yield* connect(emulator).pipe(
        Scope.provide(scope),
        Effect.provideService(Metric.MetricRegistry, registry)
      )
      const sample = TestClock.adjust(Defaults.telemetryGaugeInterval)
      yield* sample
      assert.deepStrictEqual(shown(), [0, 0])
      yield* send(provider, ["a"])
      yield* sample
      const [connections, links = 0] = shown()
      assert.strictEqual(connections, 1)
      // A sender, and two for tokens.
      assert.isAtLeast(links, 3)
      yield* emulator.dropConnections
      yield* TestClock.withLive(Effect.sleep(100))
      yield* sample
      assert.deepStrictEqual(shown(), [0, 0])
      yield* send(provider, ["b"])
      yield* sample
      assert.strictEqual(shown()[0], 1)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(shown(), [0, 0])
    })
  )

  it.live(
    "R10.6 a connection that is being opened is given up after its own time, not a call's",
    () =>
      Effect.gen(function* () {
        const emulator = yield* ServiceBusEmulator.make({
          queues: { plain: {} },
          faults: [{ operation: "Connect", times: 1, fault: { _tag: "Swallow" } }]
        })
        const { client } = yield* connect(emulator, { connectTimeout: "1 second" })
        const first = sdk(client)
        const peek = (timeout: Duration.Duration) =>
          client.use((one) => one.createReceiver(plain).peekMessages(1), { timeout })
        for (const _ of numbered(4)) {
          const error = yield* Effect.flip(peek(Duration.millis(100)))
          assert.strictEqual(error.reason._tag, "Timeout")
        }
        assert.strictEqual(sdk(client), first)
        const error = yield* Effect.flip(peek(Duration.seconds(1)))
        assert.strictEqual(error.reason._tag, "Timeout")
        assert.notStrictEqual(sdk(client), first)
        assert.deepStrictEqual(yield* peek(Duration.seconds(5)), [])
      })
  )

  it.live("where the SDK looks otherwise inside, its socket is left alone", () =>
    Effect.gen(function* () {
      const { client } = yield* open()
      const before: unknown = socketOf(sdk(client))
      assert.isUndefined(before)
      const { config } = client
      const connection = new Connection(config)
      assert.strictEqual(connection.links, 0)
      const { sdk: own } = connection
      Object.defineProperty(own.client, "_connectionContext", { value: undefined })
      own.look()
      connection.onLost(() => assert.fail("nothing was lost"))()
      assert.deepStrictEqual([connection.isOpen, connection.links], [false, 0])
      own.lose()
      assert.notStrictEqual(connection.sdk, own)
      yield* connection.close
    })
  )

  it.live("AMQP over web sockets goes through the proxy, as a tunnel", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({ queues: { plain: {} } })
      const requests: Array<string> = []
      const tunnel = http.createServer()
      tunnel.on("connect", (request, socket) => {
        requests.push(`${request.method} ${request.url}`)
        socket.on("error", () => undefined)
        socket.end("HTTP/1.1 502 Bad Gateway\r\n\r\n")
      })
      yield* listening(tunnel)
      const { connectionString } = emulator
      const options = {
        connectionString,
        transport: "websockets",
        proxy: `http://127.0.0.1:${portOf(tunnel)}`,
        connectTimeout: "2 seconds"
      } as const
      const context = yield* Layer.build(AzureProvider.layer(options))
      const client = Context.get(context, AzureClient.AzureClient)
      const error = yield* Effect.flip(
        client.use((one) => one.createSender(plain).sendMessages({ body: "a" }))
      )
      assert.include(["ConnectionFailed", "Timeout", "ProviderFailure"], error.reason._tag)
      assert.isAbove(requests.length, 0)
      assert.match(requests[0] ?? "", /^CONNECT 127\.0\.0\.1/u)
    })
  )

  it("credentials of every kind are made without a call", () => {
    const all = [
      { _tag: "Default" },
      { _tag: "ManagedIdentity" },
      { _tag: "ManagedIdentity", clientId: "c" }
    ] as const
    for (const one of all) assert.isTrue("getToken" in credentials.make(one))
    const own = { getToken: () => Promise.resolve(null) }
    assert.strictEqual(credentials.make({ _tag: "Token", credential: own }), own)
  })
})

const listening = (server: http.Server) =>
  Effect.acquireRelease(
    Effect.callback<void>((resume) => {
      server.listen(0, "127.0.0.1", () => resume(Effect.void))
    }),
    () => Effect.sync(() => server.close())
  )

const portOf = (server: http.Server): number => {
  const at = server.address()
  return at !== null && typeof at === "object" ? at.port : 0
}
