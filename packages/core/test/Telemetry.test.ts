import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Option from "effect/Option"
import * as Ref from "effect/Ref"
import * as Result from "effect/Result"
import { TestClock } from "effect/testing"
import * as Batching from "../src/Batching.ts"
import * as Defaults from "../src/Defaults.ts"
import * as metrics from "../src/internal/telemetry/metrics.ts"
import * as Message from "../src/Message.ts"
import * as MessageId from "../src/MessageId.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as QueueWorker from "../src/QueueWorker.ts"
import * as Receipt from "../src/Receipt.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Telemetry from "../src/Telemetry.ts"
import * as TraceContext from "../src/TraceContext.ts"
import * as Verdict from "../src/Verdict.ts"
import { orders, transient } from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import * as RecordingProvider from "./support/RecordingProvider.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"
import * as Signals from "./support/Signals.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const address = QueueAddress.queue(orders)
const none = { max: 10, wait: Duration.zero }
const foreign = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

const message = (
  id: string,
  attributes: Record<string, string> = {},
  sessionId?: string
): Message.Stamped =>
  Message.stamp(
    new Message.Message({
      body: new TextEncoder().encode("the body"),
      attributes,
      correlationId: "c-1",
      ...(sessionId === undefined ? {} : { sessionId: SessionId.makeUnsafe(sessionId) })
    }),
    MessageId.makeUnsafe(id)
  )

/** A provider under telemetry, with a listener of its own. */
const listened = Effect.fnUntraced(function* (options: ScriptedProvider.Options = {}) {
  const broker = yield* ScriptedProvider.make(options)
  const heard = Signals.make()
  const provider = yield* heard.listening(Telemetry.make(broker.service))
  return { broker, heard, provider }
})

/** The labels every metric of the test's queue has. */
const on = (operation: string) => ({
  "messaging.system": "scripted",
  "messaging.destination.name": "orders",
  "messaging.operation.name": operation
})

const contextsIn = (messages: ReadonlyArray<Message.Stamped>) =>
  messages.map(({ attributes }) => TraceContext.fromAttributes(attributes))

describe("Telemetry: who listens", () => {
  it.effect("R9.2 with nobody it hands out the provider's own answers, under one more name", () =>
    Effect.gen(function* () {
      const { calls, provider } = RecordingProvider.make({ tellsDepth: true })
      const outer = yield* Effect.flatMap(Telemetry.make(provider), Telemetry.makeCreate)
      assert.deepStrictEqual(outer.stack, ["create", "telemetry", "recording"])
      assert.strictEqual(outer.name, "recording")
      assert.deepStrictEqual(outer.capabilities(orders), provider.capabilities(orders))
      const messages = [message("a")]
      const [one] = yield* outer.receive(address, none)
      const receipts = one === undefined ? [] : [one.receipt]
      yield* outer.send(orders, messages)
      yield* outer.settle(receipts, Verdict.complete)
      yield* outer.renewLock(receipts)
      yield* outer.peek(address, { max: 1 })
      yield* outer.depth?.(address) ?? Effect.void
      yield* Effect.scoped(outer.acceptSession(orders, { wait: Duration.zero }))
      assert.deepStrictEqual(
        calls.map(([method]) => method),
        ["receive", "send", "settle", "renewLock", "peek", "depth", "acceptSession"]
      )
      assert.strictEqual(calls[1]?.[2], messages)
    })
  )

  it.effect("R9.2 a tracer, a registry of one's own, or whoever says so, is heard", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const registry: typeof Metric.MetricRegistry.Service = new Map()
      const sent = (reading: Layer.Layer<never>) =>
        Effect.gen(function* () {
          const provider = yield* Effect.provide(Telemetry.make(broker.service), reading)
          yield* provider.send(orders, [message(yield* MessageId.generate)])
          yield* provider.receive(address, none)
          return registry.size
        })
      const own = Layer.succeed(Metric.MetricRegistry, registry)
      const unread = Layer.merge(own, Layer.succeed(Telemetry.MetricsRead, false))
      assert.strictEqual(yield* sent(unread), 0)
      assert.isAbove(yield* sent(own), 0)
    })
  )

  it.effect("R9.1 a queue takes as much less as a trace context adds", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened({
        queues: { orders: { messageSizeMax: 10_000, sendSizeMax: 100_000 } }
      })
      const { messageSizeMax, sendSizeMax } = provider.capabilities(orders)
      const state = "a=".padEnd(Defaults.traceStateLengthMax, "b")
      const full = message("full", { traceparent: foreign, tracestate: state })
      const added = Message.size(full) - Message.size(message("full"))
      assert.strictEqual(messageSizeMax, 10_000 - added)
      assert.strictEqual(sendSizeMax, 100_000 - added * 10)
      assert.strictEqual(broker.service.capabilities(orders).messageSizeMax, 10_000)
      const outer = yield* heard.listening(Telemetry.makeCreate(provider))
      assert.strictEqual(outer.capabilities(orders).messageSizeMax, messageSizeMax)
      const alone = yield* heard.listening(Telemetry.makeCreate(broker.service))
      assert.strictEqual(alone.capabilities(orders).messageSizeMax, messageSizeMax)
    })
  )

  it.effect("R9.1 what a queue takes is asked for at every call, and made once", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const below = broker.service.capabilities(orders)
      const fixed = { ...broker.service, capabilities: () => below }
      const provider = yield* Signals.make().listening(Telemetry.make(fixed))
      assert.strictEqual(provider.capabilities(orders), provider.capabilities(orders))
      assert.isBelow(provider.capabilities(orders).messageSizeMax, below.messageSizeMax)
    })
  )
})

describe("Telemetry: layers", () => {
  it.effect("R10.4 two stacks that are built together have a layer each", () =>
    Effect.gen(function* () {
      const stackOf = (name: string) =>
        Telemetry.layerCreate().pipe(
          Layer.provide(Telemetry.layer()),
          Layer.provide(
            Layer.effect(
              QueueProvider.QueueProvider,
              Effect.map(ScriptedProvider.make(), ({ service }) => ({ ...service, stack: [name] }))
            )
          )
        )
      const seen: Array<ReadonlyArray<string>> = []
      const noting = Layer.effectDiscard(
        Effect.map(QueueProvider.QueueProvider, ({ stack }) => seen.push(stack))
      )
      const noted = (name: string) => Layer.provide(Layer.fresh(noting), stackOf(name))
      yield* Layer.build(Layer.merge(noted("a"), noted("b")))
      assert.sameDeepMembers(seen, [
        ["create", "telemetry", "a"],
        ["create", "telemetry", "b"]
      ])
    })
  )
})

describe("Telemetry: spans", () => {
  it.effect("R9.1 a send is a producer's span, and its messages carry its context", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened()
      yield* provider
        .send(orders, [message("a", { mine: "kept" }), message("b")])
        .pipe(Effect.withSpan("request"), heard.listening)
      const [request] = heard.named("request")
      const [span] = heard.named("send orders")
      assert(span !== undefined)
      assert.strictEqual(span.kind, "producer")
      assert.strictEqual(Signals.parentIdOf(span), request?.spanId)
      assert.deepStrictEqual(Object.fromEntries(span.attributes), {
        "messaging.system": "scripted",
        "messaging.destination.name": "orders",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.batch.message_count": 2
      })
      const stored = broker.messages(address)
      const context = Option.some({
        traceId: span.traceId,
        spanId: span.spanId,
        sampled: true,
        state: "queue-runtime=1"
      })
      assert.deepStrictEqual(contextsIn(stored), [context, context])
      assert.strictEqual(stored[0]?.attributes["mine"], "kept")
    })
  )

  it.effect("R9.1 a message that carries a context keeps it, and the span stands beside it", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened()
      yield* provider.send(orders, [message("a", { traceparent: foreign }, "s-1")])
      const [span] = heard.named("send orders")
      assert(span !== undefined)
      assert.strictEqual(broker.messages(address)[0]?.attributes["traceparent"], foreign)
      assert.strictEqual(span.kind, "client")
      assert.strictEqual(span.traceId, "4bf92f3577b34da6a3ce929d0e0e4736")
      assert.strictEqual(Signals.parentIdOf(span), "00f067aa0ba902b7")
      assert.strictEqual(span.attributes.get("messaging.message.id"), "a")
      assert.strictEqual(span.attributes.get("queue_runtime.session.id"), "s-1")
      assert.deepStrictEqual(
        span.links.map((link) => link.span.spanId),
        ["00f067aa0ba902b7"]
      )
    })
  )

  it.effect("R9.1 what Batching merged is linked to each caller's span once", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      const send = yield* heard.listening(
        Effect.gen(function* () {
          const merging = yield* Batching.make(provider)
          const outer = yield* Telemetry.makeCreate(merging)
          return outer.send
        })
      )
      const both = [message("a"), message("b")].map((one) => send(orders, [one]))
      yield* heard.listening(Effect.all(both, { concurrency: "unbounded", discard: true }))
      const creates = heard.named("create orders")
      const [span, ...others] = heard.named("send orders")
      assert(span !== undefined)
      assert.strictEqual(others.length, 0)
      assert.sameMembers(
        span.links.map((link) => link.span.spanId),
        creates.map(({ spanId }) => spanId)
      )
      assert.strictEqual(creates.length, 2)
      assert.isUndefined(Signals.parentIdOf(span))
    })
  )

  it.effect(
    "R9.1 merged calls of several messages are linked once, and to foreign contexts too",
    () =>
      Effect.gen(function* () {
        const { heard, provider } = yield* listened()
        const send = yield* heard.listening(
          Effect.map(
            Effect.flatMap(Batching.make(provider), Telemetry.makeCreate),
            (outer) => outer.send
          )
        )
        const ids = (name: string) =>
          heard.named(name).map(({ links, spanId }) => ({
            spanId,
            links: links.map(({ span }) => span.spanId)
          }))
        const together = (...calls: ReadonlyArray<ReadonlyArray<Message.Stamped>>) =>
          heard.listening(
            Effect.all(
              calls.map((call) => send(orders, call)),
              { concurrency: "unbounded", discard: true }
            )
          )
        yield* together([message("a"), message("b")], [message("c")], [message("d")])
        yield* together([message("e"), message("f")], [message("g", { traceparent: foreign })])
        const creates = ids("create orders").map(({ spanId }) => spanId)
        const [first, second, ...others] = ids("send orders")
        assert.deepStrictEqual(others, [])
        assert.deepStrictEqual(first?.links, creates.slice(0, 3))
        assert.deepStrictEqual(second?.links, [...creates.slice(3), "00f067aa0ba902b7"])
      })
  )

  it.effect("R9.1 calls of two traces that were merged belong to neither and link to both", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      const other = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-00"
      const messages = [foreign, other, foreign].map((traceparent, index) =>
        message(`m-${index}`, { traceparent })
      )
      yield* provider.send(orders, messages)
      const [span] = heard.named("send orders")
      assert(span !== undefined)
      assert.isUndefined(Signals.parentIdOf(span))
      assert.deepStrictEqual(
        span.links.map((link) => link.span.spanId),
        ["00f067aa0ba902b7", "bbbbbbbbbbbbbbbb"]
      )
    })
  )

  it.effect("R9.1 every attempt has a span under the one of the logical call", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened({
        faults: { before: ({ nth }) => (nth === 1 ? Effect.fail(transient()) : Effect.void) }
      })
      const again: QueueProvider.CallTransform = (call) => Effect.retry(call, { times: 1 })
      const retried = QueueProvider.transform(provider, "retry", again)
      const outer = yield* heard.listening(Telemetry.makeCreate(retried))
      yield* outer.send(orders, [message("a")])
      const [create] = heard.named("create orders")
      const [first, second] = heard.named("send orders")
      assert(create !== undefined && first !== undefined && second !== undefined)
      assert.deepStrictEqual(outer.stack, ["create", "retry", "telemetry", "scripted"])
      assert.strictEqual(create.kind, "producer")
      assert.strictEqual(second.kind, "client")
      assert.deepStrictEqual([first, second].map(Signals.parentIdOf), [
        create.spanId,
        create.spanId
      ])
      assert.strictEqual(first.attributes.get("error.type"), "ConnectionFailed")
      assert.deepStrictEqual(Signals.problemOf(first), [
        { name: "ConnectionFailed", message: "ConnectionFailed: the connection failed" }
      ])
      assert.isUndefined(Signals.problemOf(second))
      assert.strictEqual(
        Option.getOrThrow(contextsIn(broker.messages(address))[0] ?? Option.none()).spanId,
        create.spanId
      )
    })
  )

  it.effect("R9.1 batching between the two loses no trace", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      const batching = yield* heard.listening(Batching.make(provider))
      const outer = yield* heard.listening(Telemetry.makeCreate(batching))
      yield* outer.send(orders, [message("a")])
      const [one] = yield* outer.receive(address, none)
      assert(one !== undefined)
      yield* outer.settle([one.receipt], Verdict.complete)
      const [create] = heard.named("create orders")
      for (const name of ["send orders", "settle orders"]) {
        const [span] = heard.named(name)
        assert(span !== undefined)
        assert.strictEqual(Signals.parentIdOf(span), create?.spanId)
      }
    })
  )

  it.effect("R9.1 a receive links to what it brought; one that waits in vain has no span", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      yield* provider.receive(address, none)
      assert.deepStrictEqual(heard.names(), [])
      yield* provider.send(orders, [message("a")])
      yield* provider.send(orders, [message("b")])
      yield* provider.receive(address, none)
      const [span] = heard.named("receive orders")
      assert(span !== undefined)
      assert.strictEqual(span.kind, "client")
      assert.strictEqual(span.attributes.get("messaging.batch.message_count"), 2)
      assert.deepStrictEqual(
        span.links.map((link) => link.span.spanId),
        heard.named("send orders").map(({ spanId }) => spanId)
      )
    })
  )

  it.effect(
    "R9.1 what is of several sessions, or was received elsewhere, names no one of them",
    () =>
      Effect.gen(function* () {
        const { heard, provider } = yield* listened()
        yield* provider.send(orders, [message("a", {}, "s-1"), message("b", {}, "s-2")])
        assert.isFalse(heard.spans()[0]?.attributes.has("queue_runtime.session.id"))
        yield* provider.settle([Receipt.make(address, "elsewhere")], Verdict.complete)
        const [settled] = heard.named("settle orders")
        assert.isFalse(settled?.attributes.has("messaging.message.id"))
        assert.strictEqual(settled?.attributes.get("error.type"), "ReceiptExpired")
      })
  )

  it.effect("R9.1 of very many messages as many links as exporters take", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      const { provider } = RecordingProvider.make({})
      const traced = yield* heard.listening(
        Telemetry.make({
          ...provider,
          capabilities: () => ({ ...RecordingProvider.capabilities, sendSizeMax: 1_000_000 }),
          send: () => Effect.succeed([])
        })
      )
      const messages = Array.from({ length: Defaults.telemetryLinksMax + 1 }, (_, index) =>
        message(`m-${index}`, {
          traceparent: `00-4bf92f3577b34da6a3ce929d0e0e4736-${(index + 1).toString(16).padStart(16, "0")}-01`
        })
      )
      yield* traced.send(orders, messages)
      assert.strictEqual(heard.spans()[0]?.links.length, Defaults.telemetryLinksMax)
    })
  )

  it.effect(
    "R9.1 a failed receive has a span that says so, an interrupted one waited in vain",
    () =>
      Effect.gen(function* () {
        const { broker, heard, provider } = yield* listened()
        const waiting = yield* Effect.forkChild(
          provider.receive(address, { max: 1, wait: Duration.seconds(30) }),
          { startImmediately: true }
        )
        yield* Fiber.interrupt(waiting)
        broker.faults.before = () => Effect.fail(transient())
        yield* Effect.flip(provider.receive(address, none))
        broker.faults.before = () => Effect.die(new Error("a bug"))
        yield* Effect.exit(provider.receive(address, none))
        assert.deepStrictEqual(
          heard.named("receive orders").map((span) => span.attributes.get("error.type")),
          ["ConnectionFailed", "Error"]
        )
      })
  )

  it.effect("R9.1 a settlement, a renewal and what a session does have spans", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened({
        queues: { orders: ScriptedProvider.ordered }
      })
      yield* provider.send(orders, [message("a", {}, "s-1"), message("b", {}, "s-1")])
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.isTrue(
            Option.isSome(yield* provider.acceptSession(orders, { wait: Duration.zero }))
          )
          assert.isTrue(
            Option.isNone(yield* provider.acceptSession(orders, { wait: Duration.zero }))
          )
        })
      )
      yield* Effect.scoped(
        Effect.gen(function* () {
          const accepted = yield* provider.acceptSession(orders, { wait: Duration.zero })
          const session = Option.getOrThrow(accepted)
          const received = yield* session.receive(none)
          const receipts = received.map(({ receipt }) => receipt)
          yield* provider.renewLock(receipts)
          yield* session.renewLock
          yield* session.setState(Option.some(Uint8Array.of(1)))
          assert.isTrue(Option.isSome(yield* session.state))
          assert.isAbove((yield* session.lockedUntil).epochMilliseconds, 0)
          yield* session.settle(receipts.slice(0, 1), Verdict.complete)
          yield* provider.settle(receipts.slice(1), Verdict.deadLetter("Refused"))
        })
      )
      yield* provider.peek(address, { max: 1 })
      assert.deepStrictEqual(heard.names(), [
        "send orders",
        "accept orders",
        "accept orders",
        "receive orders",
        "renew orders",
        "renew orders",
        "setState orders",
        "state orders",
        "settle orders",
        "settle orders",
        "peek orders"
      ])
      const [complete, aside] = heard.named("settle orders")
      assert(complete !== undefined && aside !== undefined)
      assert.strictEqual(complete.attributes.get("messaging.message.id"), "a")
      assert.strictEqual(complete.attributes.get("queue_runtime.session.id"), "s-1")
      assert.strictEqual(aside.attributes.get("queue_runtime.verdict"), "DeadLetter")
      assert.strictEqual(complete.traceId, heard.named("send orders")[0]?.traceId)
      assert.deepStrictEqual(heard.series("queue_runtime.sessions.accepted"), [
        { name: "queue_runtime.sessions.accepted", attributes: on("accept"), value: 2 }
      ])
      assert.strictEqual(heard.series("queue_runtime.sessions.closed")[0]?.value, 2)
      assert.strictEqual(heard.series("queue_runtime.sessions.active")[0]?.value, 0)
      assert.strictEqual(heard.series("queue_runtime.session.duration")[0]?.value, 2)
    })
  )

  it.effect("R9.2 a call about no message goes through as it is", () =>
    Effect.gen(function* () {
      const { calls, provider } = RecordingProvider.make({})
      const heard = Signals.make()
      const traced = yield* heard.listening(Telemetry.make(provider))
      yield* traced.settle([], Verdict.complete)
      yield* traced.renewLock([])
      assert.deepStrictEqual(calls, [
        ["settle", [], Verdict.complete],
        ["renewLock", []]
      ])
      assert.deepStrictEqual(heard.names(), [])
    })
  )

  it.effect("R9.2 where tracing is switched off nothing is put into a message", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* listened()
      yield* Effect.withTracerEnabled(provider.send(orders, [message("a")]), false)
      assert.deepStrictEqual(broker.messages(address)[0]?.attributes, {})
    })
  )
})

describe("Telemetry: what a message carries", () => {
  it.effect("R1.5 attributes arrive as they were sent, and the context beside them", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened()
      yield* provider.send(orders, [message("a", { mine: "1" })])
      const [peeked] = yield* provider.peek(address, { max: 1 })
      const [received] = yield* provider.receive(address, none)
      const [span] = heard.named("send orders")
      const context = { traceId: span?.traceId, spanId: span?.spanId, sampled: true }
      for (const one of [peeked, received]) {
        assert.deepStrictEqual(one?.attributes, { mine: "1" })
        assert.deepStrictEqual(one?.traceContext, context)
      }
      assert.hasAllKeys(broker.messages(address)[0]?.attributes, [
        "mine",
        "traceparent",
        "tracestate"
      ])
    })
  )

  it.effect(
    "R1.6 what somebody else put there is an attribute like any other, well-formed or not",
    () =>
      Effect.gen(function* () {
        const { provider } = yield* listened()
        const all = [
          { traceparent: foreign, tracestate: "vendor=1" },
          { traceparent: foreign },
          { traceparent: "nonsense" },
          { tracestate: "queue-runtime=12" }
        ]
        yield* Effect.forEach(all, (attributes, index) =>
          provider.send(orders, [message(`m-${index}`, attributes)])
        )
        const received = yield* provider.receive(address, none)
        assert.deepStrictEqual(
          received.map(({ attributes, traceContext }) => [attributes, traceContext]),
          all.map((attributes) => [attributes, undefined])
        )
      })
  )

  it.effect("R9.1 a tracestate travels behind ours, and one too long for that is left behind", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      const long = ["a", "b"].map((vendor) => `${vendor}=${"x".repeat(250)}`).join(",")
      const states = ["vendor=1", long]
      const sent = Effect.forEach(states, (state) =>
        Effect.gen(function* () {
          const { traceId } = yield* Effect.currentSpan
          yield* Effect.provideService(
            provider.send(orders, [message(`of ${state.length}`)]),
            TraceContext.State,
            { traceId, state }
          )
        })
      )
      yield* sent.pipe(Effect.withSpan("work"), heard.listening)
      const received = yield* provider.receive(address, none)
      assert.deepStrictEqual(
        received.map(({ traceContext }) => traceContext?.state),
        ["vendor=1", undefined]
      )
    })
  )

  it.effect("R9.1 a mark without a context is taken out too", () =>
    Effect.gen(function* () {
      const { provider } = yield* listened()
      yield* provider.send(orders, [message("a", { tracestate: "queue-runtime=1" })])
      const [received] = yield* provider.receive(address, none)
      assert.deepStrictEqual(received?.attributes, {})
      assert.isUndefined(received?.traceContext)
    })
  )

  it.effect("R1.7 what is over the declared limit is refused, though below there is room", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened({
        queues: { orders: { messageSizeMax: 2_000, sendSizeMax: 9_000 } }
      })
      const outer = yield* heard.listening(Telemetry.makeCreate(provider))
      const { messageSizeMax, sendSizeMax } = outer.capabilities(orders)
      const ofSize = (id: string, size: number) => {
        const empty = Message.size(new Message.Message({ body: new Uint8Array() }))
        const body = new Uint8Array(size - empty - id.length)
        return Message.stamp(new Message.Message({ body }), MessageId.makeUnsafe(id))
      }
      yield* outer.send(orders, [ofSize("fits", messageSizeMax)])
      for (const one of [provider, outer]) {
        const large = [ofSize("fits", 100), ofSize("large", messageSizeMax + 1)]
        const { reason } = yield* Effect.flip(one.send(orders, large))
        assert(reason._tag === "MessageTooLarge")
        assert.deepStrictEqual(
          [reason.actualBytes, reason.maximumBytes, reason.index],
          [messageSizeMax + 1, messageSizeMax, 1]
        )
        const many = Array.from({ length: Math.ceil(sendSizeMax / 1_000) + 1 }, (_, index) =>
          ofSize(`m-${index}`, 1_000)
        )
        const error = yield* Effect.flip(one.send(orders, many))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
      }
      assert.strictEqual(broker.calls("send").length, 1)
    })
  )
})

describe("Telemetry: metrics", () => {
  it.effect("R9.1 counts what is sent, received, settled, renewed, and why something failed", () =>
    Effect.gen(function* () {
      const { broker, heard, provider } = yield* listened()
      const sealed = Message.stamp(
        new Message.Message({ body: new TextEncoder().encode("QRE1 and so on") }),
        MessageId.makeUnsafe("sealed")
      )
      broker.faults.each = (call, id) =>
        id === "bad" || (call.method === "settle" && id === "b") ? transient() : undefined
      yield* provider.send(orders, [message("a"), message("b"), sealed, message("bad")])
      const received = yield* provider.receive(address, none)
      const receipts = received.map(({ receipt }) => receipt)
      yield* provider.renewLock(receipts)
      yield* provider.settle(receipts.slice(0, 2), Verdict.complete)
      yield* provider.settle(receipts.slice(2), Verdict.deadLetter("Refused"))
      yield* provider.renewLock(receipts.slice(0, 1))
      broker.faults.before = () => Effect.fail(transient())
      yield* Effect.flip(provider.send(orders, [message("c")]))
      yield* Effect.flip(provider.renewLock(receipts.slice(0, 1)))
      const failed = { "error.type": "ConnectionFailed" }
      const plain = { "queue_runtime.sealed": "false" }
      const named = (name: string) =>
        heard.series(name).map(({ attributes, value }) => [attributes, value])
      assert.sameDeepMembers(named("messaging.client.sent.messages"), [
        [{ ...on("send"), ...plain }, 2],
        [{ ...on("send"), "queue_runtime.sealed": "true" }, 1],
        [{ ...on("send"), ...plain, ...failed }, 2]
      ])
      assert.sameDeepMembers(named("messaging.client.consumed.messages"), [
        [{ ...on("receive"), ...plain }, 2],
        [{ ...on("receive"), "queue_runtime.sealed": "true" }, 1]
      ])
      assert.sameDeepMembers(named("queue_runtime.settled.messages"), [
        [{ ...on("settle"), "queue_runtime.verdict": "Complete" }, 1],
        [{ ...on("settle"), "queue_runtime.verdict": "DeadLetter" }, 1]
      ])
      assert.deepStrictEqual(named("queue_runtime.dead_lettered.messages"), [[on("settle"), 1]])
      assert.sameDeepMembers(named("queue_runtime.lock.renewals"), [
        [on("renew"), 3],
        [{ ...on("renew"), "error.type": "ReceiptExpired" }, 1],
        [{ ...on("renew"), ...failed }, 1]
      ])
      assert.sameDeepMembers(named("queue_runtime.errors"), [
        [{ ...on("send"), ...failed }, 2],
        [{ ...on("settle"), ...failed }, 1],
        [{ ...on("renew"), "error.type": "ReceiptExpired" }, 1],
        [{ ...on("renew"), ...failed }, 1]
      ])
    })
  )

  it.effect("R9.1 a session's lost lock is a renewal that failed", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened({ queues: { orders: ScriptedProvider.ordered } })
      yield* provider.send(orders, [message("a", {}, "s-1")])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const accepted = yield* provider.acceptSession(orders, { wait: Duration.zero })
          const session = Option.getOrThrow(accepted)
          yield* session.renewLock
          yield* TestClock.adjust("31 seconds")
          yield* Effect.flip(session.renewLock)
        })
      )
      assert.deepStrictEqual(
        heard
          .series("queue_runtime.lock.renewals")
          .map(({ attributes, value }) => [attributes["error.type"], value]),
        [
          [undefined, 1],
          ["SessionLockLost", 1]
        ]
      )
    })
  )

  it.effect("R9.1 tells how long each call took, in seconds", () =>
    Effect.gen(function* () {
      const { heard, provider } = yield* listened()
      const waiting = yield* Effect.forkChild(
        provider.receive(address, { max: 1, wait: Duration.seconds(3) })
      )
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.join(waiting)
      const one = Metric.snapshotUnsafe(heard.context).find(
        ({ id }) => id === "messaging.client.operation.duration"
      )
      assert(one?.type === "Histogram")
      assert.strictEqual(one.state.sum, 3)
      assert.deepStrictEqual(one.attributes, { ...on("receive"), unit: "s" })
    })
  )

  it.effect("R9.2 metrics alone put nothing into a message", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const reading = Layer.merge(
        Layer.succeed(Metric.MetricRegistry, new Map()),
        Layer.succeed(Telemetry.MetricsRead, true)
      )
      const provider = yield* Effect.provide(Telemetry.make(broker.service), reading)
      yield* provider.send(orders, [message("a")])
      assert.deepStrictEqual(broker.messages(address)[0]?.attributes, {})
      assert.strictEqual(provider.capabilities(orders).messageSizeMax, 1_000)
    })
  )

  it("R10.7 queues beyond the bound share one series", () => {
    const label = metrics.label(2, metrics.otherQueues)
    assert.deepStrictEqual(["a", "b", "c", "a"].map(label), ["a", "b", "(other)", "a"])
  })

  it.effect("R9.1 a gauge shows what no call tells, through failures", () =>
    Effect.gen(function* () {
      const heard = Signals.make()
      const depth = yield* Ref.make<Result.Result<number, string>>(Result.succeed(7))
      yield* heard.listening(
        Telemetry.gauge({
          of: "depth",
          provider: "azure-service-bus",
          queue: orders,
          read: Effect.flatMap(Ref.get(depth), Effect.fromResult)
        })
      )
      const shown = () => heard.series("queue_runtime.queue.depth").map(({ value }) => value)
      yield* TestClock.adjust(0)
      assert.deepStrictEqual(shown(), [7])
      yield* Ref.set(depth, Result.fail("not now"))
      yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
      assert.deepStrictEqual(shown(), [7])
      yield* Ref.set(depth, Result.succeed(9))
      yield* TestClock.adjust(Defaults.telemetryGaugeInterval)
      assert.deepStrictEqual(heard.series("queue_runtime.queue.depth"), [
        {
          name: "queue_runtime.queue.depth",
          attributes: {
            "messaging.system": "servicebus",
            "messaging.destination.name": "orders"
          },
          value: 9
        }
      ])
      const every = Effect.scoped(
        Telemetry.gauge({ of: "links", provider: "memory", read: Effect.succeed(1), every: 0 })
      )
      assert.strictEqual((yield* Effect.flip(every)).reason._tag, "ValidationFailed")
    })
  )
})

describe("Telemetry: log lines and secrets", () => {
  it.effect("R10.5 level Debug has a line for each message, with its ids", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const broker = yield* ScriptedProvider.make({ queues: { orders: ScriptedProvider.ordered } })
      yield* Effect.gen(function* () {
        const provider = yield* Telemetry.make(broker.service)
        yield* provider.send(orders, [message("a", {}, "s-1")])
        yield* Effect.scoped(
          Effect.gen(function* () {
            const accepted = yield* provider.acceptSession(orders, { wait: Duration.zero })
            const session = Option.getOrThrow(accepted)
            const [one] = yield* session.receive(none)
            assert(one !== undefined)
            yield* session.settle([one.receipt], Verdict.complete)
          })
        )
      }).pipe(Effect.provide(layer))
      const annotations = {
        queue: "orders",
        messageId: "a",
        sessionId: "s-1",
        correlationId: "c-1"
      }
      assert.deepStrictEqual(
        lines,
        ["message sent", "message received", "message settled: Complete"].map((text) => ({
          level: "Debug",
          text,
          annotations
        }))
      )
    })
  )

  it.effect("R9.1 R2.3 no body, no attribute's value and no secret of an error is exported", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const broker = yield* ScriptedProvider.make()
      const heard = Signals.make()
      const connection =
        "Endpoint=sb://a.example/;SharedAccessKeyName=k;SharedAccessKey=c2VjcmV0LWtleQ=="
      yield* Effect.gen(function* () {
        const provider = yield* Effect.flatMap(Telemetry.make(broker.service), Telemetry.makeCreate)
        const secret = message("a", { password: "attribute-value" })
        yield* provider.send(orders, [secret])
        broker.faults.before = () =>
          Effect.fail(
            QueueError.make(new QueueError.ConnectionFailed({ detail: connection }), {
              cause: new Error(connection)
            })
          )
        yield* Effect.flip(provider.send(orders, [secret]))
        broker.faults.before = () => Effect.void
        const client = yield* QueueClient.make(provider)
        const worker = yield* QueueWorker.run({
          queue: orders,
          handler: ({ body }) =>
            Effect.fail(new Refused({ message: `${connection} ${body.length}` }))
        }).pipe(Effect.provideService(QueueClient.QueueClient, client), Effect.forkChild)
        yield* TestClock.adjust("10 seconds")
        yield* Fiber.interrupt(worker)
      }).pipe(Effect.provide(layer), heard.listening)
      const all = heard.exported() + JSON.stringify(lines)
      assert.include(all, "process orders")
      assert.include(all, "message sent")
      for (const secret of ["the body", "attribute-value", "c2VjcmV0LWtleQ"]) {
        assert.notInclude(all, secret)
      }
    })
  )
})

describe("Telemetry: a worker", () => {
  /** A worker over a broker, listened to, until `seconds` are over. */
  const worked = Effect.fnUntraced(function* (
    sent: ReadonlyArray<Message.Stamped>,
    handler: QueueWorker.Options<unknown, QueueClient.QueueClient>["handler"],
    options: Partial<QueueWorker.Options<unknown>> = {}
  ) {
    const broker = yield* ScriptedProvider.make({ queues: { orders: { messageSizeMax: 10_000 } } })
    const heard = Signals.make()
    yield* Effect.gen(function* () {
      const provider = yield* Effect.flatMap(Telemetry.make(broker.service), Telemetry.makeCreate)
      const client = yield* QueueClient.make(provider)
      yield* provider.send(orders, sent)
      const worker = yield* QueueWorker.run({ queue: orders, handler, ...options }).pipe(
        Effect.provideService(QueueClient.QueueClient, client),
        Effect.withSpan("program"),
        Effect.forkChild
      )
      yield* TestClock.adjust("40 seconds")
      yield* Fiber.interrupt(worker)
    }).pipe(heard.listening)
    return { broker, heard }
  })

  it.effect("R9.1 one trace from the producer through two deliveries to the settlement", () =>
    Effect.gen(function* () {
      let deliveries = 0
      const { heard } = yield* worked([message("a")], () =>
        Effect.suspend(() =>
          ++deliveries === 1 ? Effect.fail(new Refused({ message: "not yet" })) : Effect.void
        ).pipe(Effect.withSpan("work"))
      )
      const [create] = heard.named("create orders")
      const processes = heard.named("process orders")
      const [first, second] = processes
      assert(create !== undefined && first !== undefined && second !== undefined)
      assert.strictEqual(processes.length, 2)
      for (const span of processes) {
        assert.strictEqual(span.kind, "consumer")
        assert.strictEqual(Signals.parentIdOf(span), create.spanId)
        assert.deepStrictEqual(
          span.links.map((link) => link.span.spanId),
          [create.spanId]
        )
      }
      assert.deepStrictEqual(
        heard.named("work").map(Signals.parentIdOf),
        processes.map(({ spanId }) => spanId)
      )
      assert.deepStrictEqual(
        heard.named("settle orders").map(Signals.parentIdOf),
        processes.map(({ spanId }) => spanId)
      )
      const inTrace = heard.spans().filter(({ traceId }) => traceId === create.traceId)
      assert.sameMembers(
        inTrace.map(({ name }) => name),
        [
          "create orders",
          "send orders",
          "process orders",
          "work",
          "settle orders",
          "process orders",
          "work",
          "settle orders"
        ]
      )
      assert.deepStrictEqual(Object.fromEntries(first.attributes), {
        "messaging.system": "scripted",
        "messaging.destination.name": "orders",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.message.id": "a",
        "messaging.message.conversation_id": "c-1",
        "messaging.message.body.size": 8,
        "queue_runtime.delivery_count": 1,
        "queue_runtime.disposition": "Abandoned",
        "error.type": "Refused"
      })
      assert.deepStrictEqual(Signals.problemOf(first), [{ name: "Refused", message: "not yet" }])
      assert.isUndefined(Signals.problemOf(second))
      const processed = heard.series("messaging.process.duration")
      assert.deepStrictEqual(
        processed.map(({ attributes, value }) => [attributes["error.type"], value]),
        [
          ["Refused", 1],
          [undefined, 1]
        ]
      )
      assert.deepStrictEqual(heard.series("queue_runtime.failed.messages"), [
        {
          name: "queue_runtime.failed.messages",
          attributes: { ...on("process"), "error.type": "Refused" },
          value: 1
        }
      ])
    })
  )

  it.effect("R9.1 what a handler sends continues the trace, tracestate included", () =>
    Effect.gen(function* () {
      const attributes = { traceparent: foreign, tracestate: "vendor=1" }
      let carried: Option.Option<TraceContext.TraceContext> = Option.none()
      yield* worked([message("a", attributes)], (received) => {
        if (received.messageId === "a") {
          return QueueClient.QueueClient.use((client) => client.send(orders, message("b")))
        }
        carried = Option.fromUndefinedOr(received.traceContext)
        return Effect.void
      })
      const context = Option.getOrThrow(carried)
      assert.strictEqual(context.traceId, "4bf92f3577b34da6a3ce929d0e0e4736")
      assert.notStrictEqual(context.spanId, "00f067aa0ba902b7")
      assert.strictEqual(context.state, "vendor=1")
    })
  )

  it.effect("R9.1 a message without a context begins a trace, whatever the worker runs in", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const heard = Signals.make()
      yield* broker.service.send(orders, [message("a")])
      const client = yield* QueueClient.make(broker.service)
      const worker = yield* QueueWorker.run({ queue: orders, handler: () => Effect.void }).pipe(
        Effect.provideService(QueueClient.QueueClient, client),
        Effect.withSpan("program"),
        heard.listening,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      const [span] = heard.named("process orders")
      assert(span !== undefined)
      assert.isUndefined(Signals.parentIdOf(span))
    })
  )

  it.effect("R9.1 a lost lock is told", () =>
    Effect.gen(function* () {
      const { heard } = yield* worked([message("a")], () => Effect.never, {
        lockRenewalMax: "1 second",
        deliveriesMax: 1
      })
      yield* TestClock.adjust("1 minute")
      const [span] = heard.named("process orders")
      assert.strictEqual(span?.attributes.get("queue_runtime.disposition"), "LockLost")
      assert.strictEqual(span?.attributes.get("error.type"), "ReceiptExpired")
    })
  )

  it.effect("R9.1 a settlement that failed is told, and a worker that ends is no failure", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make({
        faults: {
          each: ({ method }, id) =>
            method === "settle" && id === "a"
              ? QueueError.make(new QueueError.ReceiptExpired())
              : undefined
        }
      })
      const heard = Signals.make()
      yield* broker.service.send(orders, [message("a"), message("slow")])
      const client = yield* QueueClient.make(broker.service)
      const worker = yield* QueueWorker.run({
        queue: orders,
        gracePeriod: 0,
        handler: ({ messageId }) => (messageId === "slow" ? Effect.never : Effect.void)
      }).pipe(
        Effect.provideService(QueueClient.QueueClient, client),
        heard.listening,
        Effect.forkChild
      )
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(
        heard
          .named("process orders")
          .map((span) => [
            span.attributes.get("queue_runtime.disposition"),
            span.attributes.get("error.type")
          ]),
        [
          ["Unsettled", "ReceiptExpired"],
          ["Released", undefined]
        ]
      )
    })
  )
})
