import * as http from "node:http"
import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import { QueueAddress, QueueName } from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { AzureClient, AzureProvider } from "../src/index.ts"
import { Connection, socketOf } from "../src/internal/connection.ts"
import * as credentials from "../src/internal/credentials.ts"
import { numbered, open, plain, sdk } from "./world.ts"

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
        Effect.tryPromise(() => connection.within(300, (one) => one.acceptNextSession("ordered")))
      )
      assert.isDefined(error)
      assert.isBelow(performance.now() - start, 2_000)
    })
  )

  it.live("where the SDK looks otherwise inside, its socket is left alone", () =>
    Effect.gen(function* () {
      const { client } = yield* open()
      const before: unknown = socketOf(sdk(client))
      assert.isUndefined(before)
      const { config } = client
      const connection = new Connection(config)
      connection.look()
      connection.onLost(() => assert.fail("nothing was lost"))()
      Object.defineProperty(connection.client, "_connectionContext", { value: undefined })
      connection.look()
      connection.onLost(() => assert.fail("nothing was lost"))()
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
