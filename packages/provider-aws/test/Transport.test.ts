import { ListQueuesCommand } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { Deferred, Duration, Effect, Exit, Fiber, Metric, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { createServer } from "node:http"
import { createServer as createSecureServer } from "node:https"
import {
  type AddressInfo,
  connect,
  createServer as createTcpServer,
  type Server as NetServer,
  type Socket
} from "node:net"
import { Defaults } from "@queue-runtime/core"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import * as selfSigned from "./support/selfSigned.ts"
import * as Server from "./support/server.ts"

const credentials = { _tag: "Keys", accessKeyId: "A", secretAccessKey: "s" } as const

const call = (options: AwsConfig.Options) =>
  Effect.flatMap(AwsClient.make({ region: "eu-west-1", credentials, ...options }), (client) =>
    client.use((sqs, abortSignal) => sqs.send(new ListQueuesCommand({}), { abortSignal }))
  )

const listening = (server: NetServer, host = "127.0.0.1") =>
  Effect.acquireRelease(
    Effect.callback<number>((resume) => {
      server.listen(0, host, () => {
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- listening on TCP, so an AddressInfo
        resume(Effect.succeed((server.address() as AddressInfo).port))
      })
    }),
    () => Effect.sync(() => server.close())
  )

/** A proxy that tunnels, and notes where to and for whom. */
const proxy = Effect.gen(function* () {
  const seen: Array<{ readonly to: string; readonly by: string | undefined }> = []
  const server = createServer()
  server.on("connect", (request, socket, head) => {
    const by = request.headers["proxy-authorization"]
    seen.push({ to: request.url ?? "", by })
    if (by === undefined) {
      socket.end("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
      return
    }
    const [host, port] = (request.url ?? "").split(":")
    const upstream = connect(Number(port), host, () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n")
      upstream.write(head)
      upstream.pipe(socket).pipe(upstream)
    })
    upstream.on("error", () => socket.destroy())
    socket.on("error", () => upstream.destroy())
  })
  return { port: yield* listening(server), seen }
})

const secure = Effect.gen(function* () {
  let served = 0
  const server = createSecureServer(selfSigned, (_, response) => {
    served += 1
    response.end("{}")
  })
  server.on("tlsClientError", () => undefined)
  return { port: yield* listening(server), served: () => served }
})

/** What turns the checks off for everything else in a process. */
const careless = Effect.acquireRelease(
  Effect.sync(() => {
    const before = process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
    process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = "0"
    return before
  }),
  (before) =>
    Effect.sync(() => {
      if (before === undefined) delete process.env["NODE_TLS_REJECT_UNAUTHORIZED"]
      else process.env["NODE_TLS_REJECT_UNAUTHORIZED"] = before
    })
)

describe("transport", () => {
  it.live("R10.3 calls are tunnelled by the proxy, with its user and password", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ body: { QueueUrls: [] } }))
      const { port, seen } = yield* proxy
      yield* call({ endpoint: server.url, proxy: `http://bob:pass@127.0.0.1:${port}` })
      const by = `Basic ${Buffer.from("bob:pass").toString("base64")}`
      assert.deepStrictEqual(seen, [{ to: `127.0.0.1:${server.port}`, by }])
      assert.strictEqual(server.asked.length, 1)
    })
  )

  it.live("R2.3 a proxy that does not know us is AuthenticationFailed", () =>
    Effect.gen(function* () {
      const server = yield* Server.make(() => ({ body: {} }))
      const { port } = yield* proxy
      const refused = call({ endpoint: server.url, proxy: `http://127.0.0.1:${port}` })
      const error = yield* Effect.flip(refused)
      assert.deepInclude(error.reason, { _tag: "AuthenticationFailed", detail: "by the proxy" })
      assert.strictEqual(server.asked.length, 0)
    })
  )

  it.live("R10.6 a connection that does not come about is given up in its own time", () =>
    Effect.gen(function* () {
      const mute = createServer()
      mute.on("connect", (_, socket) => socket.on("error", () => undefined))
      const port = yield* listening(mute)
      const slow = call({
        endpoint: "http://127.0.0.1:1",
        proxy: `http://bob:pass@127.0.0.1:${port}`,
        connectTimeout: 60
      })
      const error = yield* Effect.flip(slow)
      assert.deepInclude(error.reason, { _tag: "Timeout", after: Duration.millis(60) })
      assert.strictEqual(error.retry, "Transient")
    })
  )

  it.live("R10.3 certificates are checked, whatever the environment says", () =>
    Effect.gen(function* () {
      yield* careless
      const server = yield* secure
      const error = yield* Effect.flip(call({ endpoint: `https://localhost:${server.port}` }))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.include(error.message, "DEPTH_ZERO_SELF_SIGNED_CERT")
      assert.strictEqual(error.retry, "Never")
      assert.strictEqual(server.served(), 0)
    })
  )

  it.live("R10.3 behind a proxy too", () =>
    Effect.gen(function* () {
      yield* careless
      const server = yield* secure
      const { port, seen } = yield* proxy
      const options = {
        endpoint: `https://localhost:${server.port}`,
        proxy: `http://bob:pass@127.0.0.1:${port}`
      }
      const error = yield* Effect.flip(call(options))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(error.retry, "Never")
      assert.strictEqual(seen.length, 1)
      assert.strictEqual(server.served(), 0)
    })
  )
})

/** A server that writes what it is told to, piece by piece. */
const raw = (write: (socket: Socket, calls: number) => void) =>
  Effect.gen(function* () {
    let calls = 0
    const server = createTcpServer((socket) => {
      socket.on("error", () => undefined)
      socket.on("data", () => write(socket, ++calls))
    })
    return { port: yield* listening(server), calls: () => calls }
  })

const head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-amz-json-1.0\r\n"

describe("an answer", () => {
  it.live("R1.5 may come in pieces that cut a character in two", () =>
    Effect.gen(function* () {
      const body = Buffer.from(JSON.stringify({ QueueUrls: ["http://x/größe"] }))
      const cut = body.indexOf(0xc3) + 1
      const { port } = yield* raw((socket) => {
        socket.write(`${head}transfer-encoding: chunked\r\n\r\n${cut.toString(16)}\r\n`)
        socket.write(body.subarray(0, cut))
        setImmediate(() => {
          socket.write(`\r\n${(body.length - cut).toString(16)}\r\n`)
          socket.write(body.subarray(cut))
          socket.write("\r\n0\r\n\r\n")
        })
      })
      const { QueueUrls } = yield* call({ endpoint: `http://127.0.0.1:${port}` })
      assert.deepStrictEqual(QueueUrls, ["http://x/größe"])
    })
  )

  it.live("R2.3 that breaks off is ConnectionFailed, and worth another try", () =>
    Effect.gen(function* () {
      const { calls, port } = yield* raw((socket) => {
        socket.end(`${head}content-length: 100\r\n\r\n{"QueueUrls"`)
      })
      const error = yield* Effect.flip(call({ endpoint: `http://127.0.0.1:${port}` }))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(error.retry, "Transient")
      assert.strictEqual(calls(), 1)
    })
  )

  it.live("R2.3 that is no HTTP is ConnectionFailed too", () =>
    Effect.gen(function* () {
      const { port } = yield* raw((socket) => socket.end("220 mail.example.com ESMTP\r\n"))
      const error = yield* Effect.flip(call({ endpoint: `http://127.0.0.1:${port}` }))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )

  it.live("R10.6 an interrupted call closes its connection, while it waits for the answer", () =>
    Effect.gen(function* () {
      const closed = yield* Deferred.make<void>()
      const asked = yield* Deferred.make<void>()
      const { port } = yield* raw((socket) => {
        socket.on("close", () => Deferred.doneUnsafe(closed, Effect.void))
        Deferred.doneUnsafe(asked, Effect.void)
      })
      const calling = yield* Effect.forkChild(call({ endpoint: `http://127.0.0.1:${port}` }))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(calling)
      yield* Deferred.await(closed)
    }).pipe(Effect.timeout("10 seconds"))
  )

  it.live("R10.4 over IPv6, where the machine has it", () =>
    Effect.gen(function* () {
      const server = createServer((_, response) => response.end('{"QueueUrls":["six"]}'))
      const port = yield* listening(server, "::1").pipe(Effect.timeoutOption("5 seconds"))
      if (Option.isNone(port)) return
      const { QueueUrls } = yield* call({ endpoint: `http://[::1]:${port.value}` })
      assert.deepStrictEqual(QueueUrls, ["six"])
    })
  )
})

describe("what the client shows of itself", () => {
  /** Until the server, or a socket, has come so far: in real time, whatever the test's own is. */
  const until = (isSo: () => boolean) =>
    Effect.promise(async () => {
      while (!isSo()) await new Promise((resolve) => setImmediate(resolve))
    })

  const gauge = Metric.gauge("queue_runtime.connections", { description: "Connections in use" })
  const shown = Effect.map(
    Metric.value(Metric.withAttributes(gauge, { "messaging.system": "aws_sqs" })),
    ({ value }) => value
  )
  const list = ({ use }: AwsClient.Service) =>
    use((sqs, abortSignal) => sqs.send(new ListQueuesCommand({}), { abortSignal }))
  const options = { region: "eu-west-1", credentials, requestTimeout: "10 minutes" } as const

  it.effect(
    "R9.1 sockets with a call on them go up and come down, the last time at its close",
    () =>
      Effect.gen(function* () {
        let isOpen = false
        const server = yield* Server.make(() => (isOpen ? {} : "hang"))
        const scope = yield* Scope.make()
        const client = yield* Scope.provide(
          AwsClient.make({ ...options, endpoint: server.url }),
          scope
        )
        yield* TestClock.adjust(0)
        assert.strictEqual(yield* shown, 0)
        const fibers = [
          yield* Effect.forkChild(list(client)),
          yield* Effect.forkChild(list(client))
        ]
        yield* Effect.yieldNow
        yield* until(() => server.asked.length === 2)
        yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
        assert.strictEqual(yield* shown, 2)
        yield* Fiber.interruptAll(fibers)
        isOpen = true
        // Kept for the next call, its socket carries none.
        yield* list(client)
        yield* until(() => server.asked.length === 3)
        yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
        assert.strictEqual(yield* shown, 0)
        isOpen = false
        const last = yield* Effect.forkChild(Effect.flip(list(client)))
        yield* Effect.yieldNow
        yield* until(() => server.asked.length === 4)
        yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
        assert.strictEqual(yield* shown, 1)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* shown, 0)
        assert.strictEqual((yield* Fiber.join(last)).reason._tag, "ConnectionFailed")
      }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("R9.1 a transport of the application's own shows nothing", () =>
    Effect.gen(function* () {
      const registry = yield* Metric.MetricRegistry
      const requestHandler = { handle: () => Promise.reject(new Error("not used")) }
      yield* Effect.scoped(AwsClient.make(options, { requestHandler }))
      assert.strictEqual(registry.size, 0)
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )
})
