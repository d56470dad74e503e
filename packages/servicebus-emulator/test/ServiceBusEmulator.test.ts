import { createHmac } from "node:crypto"
import { connect as connectSocket } from "node:net"
import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { type Inspection, ServiceBusEmulator } from "../src/index.ts"
import { call, codeFrom, connect, linkCount, until, world } from "./world.ts"

const wait = { maxWaitTimeInMs: 5000 }

describe("an emulator", () => {
  it.live("start and close, for programs without Effect", () =>
    Effect.gen(function* () {
      const started = yield* call(() => ServiceBusEmulator.start({ queues: { q: {} } }))
      assert.strictEqual(
        started.connectionString,
        `Endpoint=sb://127.0.0.1:${started.port};SharedAccessKeyName=RootManageSharedAccessKey;SharedAccessKey=SAS_KEY_VALUE;UseDevelopmentEmulator=true`
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const client = yield* connect(started.connectionString)
          yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
        })
      )
      assert.strictEqual((yield* started.emulator.inspect("q")).active, 1)
      yield* call(() => started.close())
      const client = yield* connect(started.connectionString)
      const code = yield* codeFrom(() => client.createSender("q").sendMessages({ body: 1 }))
      assert.strictEqual(code, "GeneralError")
    })
  )

  it.live("R10.1 a wrong option is ConfigurationInvalid with its path", () =>
    Effect.gen(function* () {
      const of = (options: ServiceBusEmulator.Options) =>
        Effect.map(Effect.flip(ServiceBusEmulator.make(options)), ({ message }) => message)
      assert.strictEqual(
        yield* of({ queues: { q: { lockDuration: "1 second" } } }),
        "queues.q.lockDuration: must be at least 5 s and at most 300 s"
      )
      assert.match(yield* of({ queues: { "": {} } }), /^queues\.: a queue's name is/u)
      assert.match(yield* of({ queues: { q: { maxDeliveryCount: 1.5 } } }), /maxDeliveryCount/u)
      assert.match(yield* of({ host: "203.0.113.1" }), /cannot listen on 203\.0\.113\.1/u)
    })
  )

  it.live("as a layer it is shared by what is built on it", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.ServiceBusEmulator
      const client = yield* connect(emulator.connectionString)
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    }).pipe(Effect.scoped, Effect.provide(ServiceBusEmulator.layer({ queues: { q: {} } })))
  )

  it.live("queues can be added, replaced with their messages, and removed", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world()
      assert.strictEqual((yield* Effect.flip(emulator.inspect("late")))._tag, "Refused")
      yield* emulator.addQueue("late")
      yield* call(() => client.createSender("late").sendMessages({ body: 1 }))
      assert.strictEqual((yield* emulator.inspect("late")).active, 1)
      yield* emulator.addQueue("late", { maxDeliveryCount: 1 })
      assert.strictEqual((yield* emulator.inspect("late")).active, 0)
      yield* until(Effect.map(linkCount(emulator, "late", "sender"), (count) => count === 0))
      const error = yield* Effect.flip(emulator.addQueue("late", { maxDeliveryCount: 0 }))
      assert.strictEqual(error.path, "queues.late.maxDeliveryCount")
      assert.isTrue(yield* emulator.removeQueue("late"))
      assert.isFalse(yield* emulator.removeQueue("late"))
      const code = yield* codeFrom(() => client.createSender("late").sendMessages({ body: 1 }))
      assert.strictEqual(code, "MessagingEntityNotFound")
    })
  )

  it.live(
    "a restart keeps the messages, on the same port; without state the queues are as new",
    () =>
      Effect.gen(function* () {
        const emulator = yield* ServiceBusEmulator.make({ queues: { q: {} } })
        // A client of its own each time: one that is cut while it attaches waits a minute.
        const send = Effect.scoped(
          Effect.flatMap(connect(emulator.connectionString), (client) =>
            call(() => client.createSender("q").sendMessages({ body: 1 }))
          )
        )
        yield* send
        yield* emulator.restart()
        yield* send
        assert.strictEqual((yield* emulator.inspect("q")).active, 2)
        yield* emulator.restart({ keepState: false })
        assert.strictEqual((yield* emulator.inspect("q")).active, 0)
        yield* send
        assert.strictEqual((yield* emulator.inspect("q")).active, 1)
      })
  )

  it.live("a connection that a fault keeps waiting is no reason not to stop", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({
        queues: { q: {} },
        faults: [{ operation: "Connect", times: 1, fault: { _tag: "Swallow" } }]
      })
      const socket = connectSocket(emulator.port, emulator.host)
      const closed = new Promise((resolve) => socket.once("close", resolve))
      yield* Effect.promise(() => new Promise((resolve) => socket.once("connect", resolve)))
      // The other end has it as well.
      yield* Effect.sleep(50)
      assert.isTrue(Option.isSome(yield* Effect.timeoutOption(emulator.stop, "2 seconds")))
      yield* Effect.promise(() => closed)
    })
  )

  it.live("stopped it refuses connections, started it is there again", () =>
    Effect.gen(function* () {
      const { emulator } = yield* world({ queues: { q: {} } })
      yield* emulator.stop
      const lost = yield* connect(emulator.connectionString)
      yield* codeFrom(() => lost.createSender("q").sendMessages({ body: 1 }))
      yield* emulator.start
      const client = yield* connect(emulator.connectionString)
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
    })
  )

  it.live("two in one process do not touch each other", () =>
    Effect.gen(function* () {
      const a = yield* world({ queues: { q: {} } })
      const b = yield* world({ queues: { q: {} } })
      yield* call(() => a.client.createSender("q").sendMessages({ body: 1 }))
      assert.strictEqual((yield* a.emulator.inspect("q")).active, 1)
      assert.strictEqual((yield* b.emulator.inspect("q")).active, 0)
    })
  )

  it.live("messages are put in and looked at without a socket", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: { requiresSession: true } } })
      const { broker } = emulator
      const body = new TextEncoder().encode("from here")
      yield* broker.send("q", { body, messageId: "a", sessionId: "A" })
      const session = yield* call(() => client.acceptNextSession("q"))
      const [message] = yield* call(() => session.receiveMessages(1, wait))
      if (message === undefined) return assert.fail("nothing came")
      assert.deepStrictEqual(
        [message.body, message.messageId, message.sessionId],
        [Buffer.from(body), "a", "A"]
      )
      yield* call(() => session.abandonMessage(message, { by: "client" }))
      yield* call(() => session.close())
      const there = Buffer.from("from there")
      yield* call(() => client.createSender("q").sendMessages({ body: there, sessionId: "A" }))
      yield* until(
        Effect.map(emulator.inspect("q"), ({ sessions }) => sessions[0]?.holder === undefined)
      )
      const own = yield* broker.acceptSession("q")
      const [first, second] = yield* own.receive(2)
      assert.deepStrictEqual(first?.properties, { by: "client" })
      assert.deepStrictEqual(second?.body, there)
    })
  )

  it.live("inspection shows messages, sessions, connections, links and calls", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      yield* call(() =>
        client.createSender("q").sendMessages([{ body: 1, messageId: "a" }, { body: 2 }])
      )
      const receiver = client.createReceiver("q")
      yield* call(() => receiver.receiveMessages(1, wait))
      const held: Inspection.Queue = yield* emulator.inspect("q")
      const [first, second] = held.messages
      assert.deepStrictEqual([first?.state, second?.state], ["Locked", "Ready"])
      assert.strictEqual(first?.messageId, "a")
      assert.isAbove(first?.lockedUntil ?? 0, yield* Clock.currentTimeMillis)
      assert.isUndefined(second?.lockedUntil)
      assert.strictEqual(yield* linkCount(emulator, "q", "sender"), 1)
      assert.strictEqual(yield* linkCount(emulator, "q", "receiver"), 1)
      const { Attach, Connect, Deliver, Send, Token } = yield* emulator.calls
      assert.deepStrictEqual([Connect, Send, Deliver], [1, 1, 1])
      // $cbs is a pair of links; each of the others needs a token first.
      assert.deepStrictEqual([Attach, Token], [4, 2])
    })
  )

  it.live("R10.4 after fifty reconnects one connection and its links are left", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      for (let round = 0; round < 50; round++) {
        yield* call(() => client.createSender("q").sendMessages({ body: round }))
        yield* emulator.dropConnections
        yield* until(Effect.map(emulator.connections, ({ length }) => length === 0))
      }
      assert.strictEqual((yield* emulator.inspect("q")).active, 50)
      yield* call(() => client.createSender("q").sendMessages({ body: 50 }))
      const connections = yield* emulator.connections
      assert.deepStrictEqual(
        connections.map(({ links }) => links.length <= 4),
        [true]
      )
    })
  )
})

describe("access", () => {
  const keys = { app: "c2VjcmV0" }

  it.live("a signature with the right key is good", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: { requiresSession: true } }, keys })
      assert.include(emulator.connectionString, "SharedAccessKeyName=app;SharedAccessKey=c2VjcmV0")
      yield* call(() => client.createSender("q").sendMessages({ body: 1, sessionId: "A" }))
      const session = yield* call(() => client.acceptNextSession("q"))
      assert.isNull(yield* call(() => session.getSessionState()))
    })
  )

  it.live("a wrong key and an unknown name are UnauthorizedAccess", () =>
    Effect.gen(function* () {
      const { emulator } = yield* world({ queues: { q: {} }, keys })
      for (const [from, to] of [
        ["c2VjcmV0", "b3RoZXI="],
        ["KeyName=app", "KeyName=other"]
      ] as const) {
        const client = yield* connect(emulator.connectionString.replace(from, to))
        const code = yield* codeFrom(() => client.createSender("q").sendMessages({ body: 1 }))
        assert.strictEqual(code, "UnauthorizedAccess")
      }
    })
  )

  const token = (resource: string, expiresAt: number) => {
    const sr = encodeURIComponent(resource)
    const signature = createHmac("sha256", keys.app).update(`${sr}\n${expiresAt}`).digest("base64")
    return `SharedAccessSignature sr=${sr}&sig=${encodeURIComponent(signature)}&se=${expiresAt}&skn=app`
  }

  it.live("a token for one queue is not good for another", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({ queues: { a: {}, ab: {} }, keys })
      const { host, port } = emulator
      const sas = token(`sb://${host}:${port}/a`, 4_000_000_000)
      const client = yield* connect(
        `Endpoint=sb://${host}:${port};SharedAccessSignature=${sas};UseDevelopmentEmulator=true`
      )
      yield* call(() => client.createSender("a").sendMessages({ body: 1 }))
      const code = yield* codeFrom(() => client.createSender("ab").sendMessages({ body: 1 }))
      assert.strictEqual(code, "UnauthorizedAccess")
    })
  )

  it.effect("a token that ends takes its links with it, and an ended one is refused", () =>
    Effect.gen(function* () {
      const emulator = yield* ServiceBusEmulator.make({ queues: { q: {} }, keys })
      const { host, port } = emulator
      const resource = `sb://${host}:${port}/q`
      const client = yield* connect(
        `Endpoint=sb://${host}:${port};SharedAccessSignature=${token(resource, 60)};UseDevelopmentEmulator=true`
      )
      const sender = client.createSender("q")
      yield* call(() => sender.sendMessages({ body: 1 }))
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* linkCount(emulator, "q", "sender"), 1)
      yield* TestClock.adjust("1 second")
      yield* until(Effect.map(linkCount(emulator, "q", "sender"), (count) => count === 0))
      assert.strictEqual(
        yield* codeFrom(() => sender.sendMessages({ body: 1 })),
        "UnauthorizedAccess"
      )
    })
  )
})
