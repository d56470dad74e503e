import { assert, describe, it } from "@effect/vitest"
import * as Config from "effect/Config"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import {
  Message,
  MessageId,
  QueueAddress,
  type QueueError,
  QueueName,
  QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { AzureClient, AzureProvider } from "../src/index.ts"
import {
  accept,
  address,
  connect,
  deadLetters,
  ids,
  inSession,
  message,
  numbered,
  open,
  ordered,
  plain,
  receive,
  seconds,
  send,
  settle,
  tags
} from "./world.ts"

const counted = (
  messages: ReadonlyArray<{ readonly messageId: string; readonly deliveryCount: number }>
) => messages.map(({ deliveryCount, messageId }) => `${messageId}:${deliveryCount}`)

describe("AzureProvider", () => {
  it.live("R11.2 layerConfig takes the connection string from configuration", () =>
    Effect.gen(function* () {
      const { connectionString } = yield* ServiceBusEmulator.make({ queues: { plain: {} } })
      const options = {
        connectionString: Config.Redacted("AZURE_SERVICE_BUS_CONNECTION_STRING")
      }
      const environment = ConfigProvider.fromUnknown({
        AZURE_SERVICE_BUS_CONNECTION_STRING: connectionString
      })
      const layer = AzureProvider.layerConfig(options).pipe(
        Layer.provide(ConfigProvider.layer(environment))
      )
      const context = yield* Layer.build(layer)
      const provider = Context.get(context, QueueProvider.QueueProvider)
      yield* send(provider, ["a"])
      assert.deepStrictEqual(ids(yield* receive(provider, 1)), ["a"])
      const missing = AzureProvider.layerConfig(options).pipe(
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown({})))
      )
      const error = yield* Effect.flip(Layer.build(missing))
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
    })
  )

  it.live("R10.1 options of configuration and of code stand together", () =>
    Effect.gen(function* () {
      const layer = AzureProvider.layerConfig({
        connectionString: Config.Redacted("CONNECTION"),
        namespace: process.env["QUEUE_RUNTIME_NOT_SET"],
        prefix: Config.String("PREFIX").pipe(Config.withDefault(undefined)),
        requestTimeout: seconds(3),
        proxy: Redacted.make("http://127.0.0.1:1"),
        transport: "websockets",
        queues: {
          orders: { lockDuration: "1 minute", deliveriesMax: Config.Int("DELIVERIES") },
          events: Config.succeed({ sessions: true })
        }
      })
      const connection =
        "Endpoint=sb://127.0.0.1:1/;SharedAccessKeyName=k;SharedAccessKey=s3cret" +
        ";UseDevelopmentEmulator=true"
      const environment = ConfigProvider.fromUnknown({ CONNECTION: connection, DELIVERIES: "7" })
      const context = yield* Layer.build(layer).pipe(
        Effect.provideService(ConfigProvider.ConfigProvider, environment)
      )
      const { config } = Context.get(context, AzureClient.AzureClient)
      assert.deepInclude(config, { prefix: "", requestTimeout: seconds(3) })
      assert.notProperty(config, "namespace")
      assert(config.connectionString !== undefined && config.proxy !== undefined)
      assert.strictEqual(Redacted.value(config.connectionString), connection)
      assert.strictEqual(Redacted.value(config.proxy), "http://127.0.0.1:1")
      assert.deepInclude(config.queues["orders"], {
        lockDuration: Duration.minutes(1),
        deliveriesMax: 7
      })
      assert.deepInclude(config.queues["events"], { sessions: true })
    })
  )

  it.live("R2.1 calls that share a connection that nobody accepts all say to whom", () =>
    Effect.gen(function* () {
      const layer = AzureProvider.layer({
        connectionString:
          "Endpoint=sb://127.0.0.1:1/;SharedAccessKeyName=k;SharedAccessKey=s3cret" +
          ";UseDevelopmentEmulator=true",
        queues: { ordered: { sessions: true } }
      })
      const context = yield* Layer.build(layer)
      const provider = Context.get(context, QueueProvider.QueueProvider)
      const options = { max: 1, wait: seconds(5) }
      const other = QueueName.makeUnsafe("other")
      const outcomes = yield* Effect.all(
        [
          send(provider, ["a"]),
          provider.send(other, [message("b")]),
          provider.receive(address, options),
          provider.receive(QueueAddress.queue(other), options),
          provider.peek(address, { max: 1 }),
          Effect.scoped(provider.acceptSession(ordered, { wait: seconds(5) }))
        ].map((call: Effect.Effect<unknown, QueueError.QueueError>) =>
          Effect.flip(Effect.asVoid(call))
        ),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(
        [...new Set(outcomes.map(({ reason }) => reason.message))],
        ["the connection failed: ECONNREFUSED 127.0.0.1:1"]
      )
    })
  )

  it.live(
    "R1.5 what its owner does with a body after the send, cut short or not, is not sent",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open()
        yield* send(provider, ["warm"])
        for (const count of [1, 2]) {
          for (let turns = 0; turns < 12; turns++) {
            const bodies = Array.from({ length: count }, (_, index) =>
              index === 0 ? new Uint8Array(64).fill(7) : Buffer.alloc(64, 7)
            )
            const messages = yield* Effect.forEach(bodies, (body, index) =>
              Effect.map(Message.bytes(body), (made) =>
                Message.stamp(made, MessageId.makeUnsafe(`${count}-${turns}-${index}`))
              )
            )
            const sending = yield* Effect.forkChild(provider.send(plain, messages), {
              startImmediately: true
            })
            for (let turn = 0; turn < turns; turn++) yield* Effect.promise(() => Promise.resolve())
            if (turns < 11) yield* Fiber.interrupt(sending)
            else yield* Fiber.join(sending)
            for (const body of bodies) body.fill(0)
          }
        }
        const { active } = yield* emulator.inspect(plain)
        const received = yield* receive(provider, active)
        const sent = received.filter(({ messageId }) => messageId !== "warm")
        assert.includeMembers([...ids(sent)], ["1-11-0", "2-11-0", "2-11-1"])
        for (const { body } of sent) assert.deepStrictEqual([...new Set(body)], [7])
      })
  )

  it.live("R10.4 providers share a client, and the end of one is not that of the other", () =>
    Effect.gen(function* () {
      const { client, emulator, provider } = yield* open()
      const shared = Layer.succeed(AzureClient.AzureClient, client)
      const use = Layer.build(
        Layer.fresh(AzureProvider.layerWithClient.pipe(Layer.provide(shared)))
      ).pipe(Effect.map((context) => Context.get(context, QueueProvider.QueueProvider)))
      yield* Effect.scoped(Effect.flatMap(use, (other) => send(other, ["a"])))
      assert.deepStrictEqual(ids(yield* receive(provider, 1)), ["a"])
      assert.strictEqual((yield* emulator.connections).length, 1)
    })
  )

  it.live("R1.4 the time of the first delivery travels with an abandoned message", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const other = yield* connect(emulator)
      yield* send(provider, ["a"])
      const [first] = yield* receive(provider, 1)
      if (first === undefined) return assert.fail("a was sent")
      yield* Effect.sleep(50)
      assert.strictEqual(yield* settle(provider, first, Verdict.abandon()), "ok")
      const [second] = yield* receive(other.provider, 1)
      assert.deepStrictEqual(second?.firstDeliveredAt, first.firstDeliveredAt)
      assert.deepStrictEqual({ ...second?.attributes }, {})
      assert.isTrue(
        second !== undefined && DateTime.isGreaterThan(second.deliveredAt, first.deliveredAt)
      )
    })
  )

  it.live("R3.6 a dead letter of ours tells its deliveries and its time, and nothing of ours", () =>
    Effect.gen(function* () {
      const { provider } = yield* open()
      yield* provider.send(plain, [message("a", { attributes: { mine: "1" } })])
      const [first] = yield* receive(provider, 1)
      if (first === undefined) return assert.fail("a was sent")
      yield* settle(provider, first, Verdict.abandon())
      const [second] = yield* receive(provider, 1)
      if (second === undefined) return assert.fail("a comes again")
      const reason = "r".repeat(5_000)
      assert.strictEqual(yield* settle(provider, second, Verdict.deadLetter(reason)), "ok")
      const [letter] = yield* receive(provider, 1, deadLetters)
      assert.deepStrictEqual({ ...letter?.attributes }, { mine: "1" })
      assert.strictEqual(letter?.deadLetter?.deliveryCount, 2)
      assert.strictEqual(letter?.deadLetter?.reason.length, 4_096)
      const [peeked] = yield* provider.peek(deadLetters, { max: 5 })
      assert.strictEqual(peeked?.deadLetter?.source, plain)
      if (letter === undefined) return assert.fail("a is dead")
      const again = yield* settle(provider, letter, Verdict.deadLetter("x"))
      assert.strictEqual(again, "UnsupportedOperation")
      assert.strictEqual(yield* settle(provider, letter), "ok")
    })
  )

  it.live("R3.1 a peek of more than the service shows at once is asked for in parts", () =>
    Effect.gen(function* () {
      const { provider } = yield* open()
      const all = numbered(600)
      yield* send(provider, all)
      const shown = yield* provider.peek(address, { max: 550 })
      assert.deepStrictEqual(ids(shown), all.slice(0, 550))
      const fromSequenceNumber = shown[500]?.sequenceNumber ?? 0n
      const rest = yield* provider.peek(address, { max: 1_000, fromSequenceNumber })
      assert.deepStrictEqual(ids(rest), all.slice(500))
    })
  )

  it.live(
    "R3.5 an abandon with a delay survives lost connections, and is bounded by its limit",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open()
        yield* send(provider, ["a"])
        const [a] = yield* receive(provider, 1)
        if (a === undefined) return assert.fail("a was sent")
        const far = Verdict.abandon(Duration.hours(2))
        const error = yield* Effect.flip(provider.settle([a.receipt], far))
        assert.strictEqual(error.reason._tag, "UnsupportedOperation")
        assert.strictEqual(yield* settle(provider, a, Verdict.abandon(seconds(8))), "ok")
        assert.strictEqual(yield* settle(provider, a), "ReceiptExpired")
        yield* Effect.sleep(seconds(1))
        yield* emulator.dropConnections
        yield* Effect.sleep(seconds(6))
        const other = yield* connect(emulator)
        const early = yield* other.provider.receive(address, { max: 1, wait: Duration.zero })
        assert.deepStrictEqual(ids(early), [])
        const late = yield* other.provider.receive(address, { max: 1, wait: seconds(5) })
        assert.deepStrictEqual(counted(late), ["a:2"])
      })
  )

  it.live("R4.1 failed messages of a session come first, each after its own delay", () =>
    Effect.gen(function* () {
      const { provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["a1", "a2", "a3", "a4"], inSession("A"))
      const session = yield* accept(provider, "A")
      const [a1, a2] = yield* session.receive({ max: 3, wait: seconds(5) })
      if (a1 === undefined || a2 === undefined) return assert.fail("they were sent")
      assert.strictEqual(yield* settle(session, a2, Verdict.abandon(Duration.millis(900))), "ok")
      assert.strictEqual(yield* settle(session, a1, Verdict.abandon(Duration.millis(300))), "ok")
      const none = yield* session.receive({ max: 5, wait: Duration.zero })
      assert.deepStrictEqual(ids(none), [])
      const first = yield* session.receive({ max: 5, wait: seconds(5) })
      assert.deepStrictEqual(counted(first), ["a1:2"])
      const rest: Array<string> = []
      while (rest.length < 3) {
        const some = yield* session.receive({ max: 5, wait: seconds(5) })
        if (some.length === 0) break
        rest.push(...counted(some))
      }
      assert.deepStrictEqual(rest, ["a2:2", "a3:1", "a4:1"])
    })
  )

  it.live("R4.2 giving a session up counts the failure whose delay is not over, and no other", () =>
    Effect.gen(function* () {
      const { provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["a1", "a2"], inSession("A"))
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = yield* accept(provider, "A")
          const [a1] = yield* session.receive({ max: 2, wait: seconds(5) })
          if (a1 === undefined) return assert.fail("a1 was sent")
          assert.strictEqual(yield* settle(session, a1, Verdict.abandon(seconds(60))), "ok")
        })
      )
      const session = yield* accept(provider, "A")
      const again = yield* session.receive({ max: 2, wait: seconds(5) })
      assert.deepStrictEqual(counted(again), ["a1:2", "a2:1"])
    })
  )

  it.live("R4.2 a session granted for nobody serves the next that asks", () =>
    Effect.gen(function* () {
      const { provider } = yield* open()
      const waiting = yield* Effect.forkChild(
        Effect.scoped(provider.acceptSession(ordered, { wait: seconds(10) })),
        { startImmediately: true }
      )
      yield* Effect.sleep(100)
      waiting.interruptUnsafe()
      const next = yield* Effect.forkChild(provider.acceptSession(ordered, { wait: seconds(10) }), {
        startImmediately: true
      })
      yield* send(provider, ["a1"], inSession("A"))
      const exit = next.pollUnsafe() ?? (yield* Effect.sleep(1_500).pipe(Effect.as(undefined)))
      assert.isUndefined(exit)
      assert.isDefined(next.pollUnsafe())
    })
  )

  it.live("R3.9 nothing of a call is sent behind a transfer that failed", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const body = "x".repeat(15_000)
      const all = numbered(40).map((id) => message(id, { attributes: { body }, ...inSession("A") }))
      // The first transfer passes, the second is refused.
      yield* emulator.inject({
        operation: "Send",
        fault: { _tag: "Refuse", condition: "amqp:internal-error" },
        probability: 1,
        times: 1
      })
      const error = yield* Effect.flip(provider.send(ordered, all))
      assert.strictEqual(error.retry, "Transient")
      const { active } = yield* emulator.inspect(ordered)
      assert.strictEqual(active, 0)
      assert.deepStrictEqual(new Set(tags(yield* provider.send(ordered, all))), new Set(["ok"]))
      const granted = yield* provider.acceptSession(ordered, { wait: seconds(1) })
      assert.isTrue(Option.isSome(granted))
    })
  )
})
