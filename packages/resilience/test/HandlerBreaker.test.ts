import {
  HandlerFailure,
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueName,
  QueueProvider,
  QueueWorker,
  SessionId
} from "@queue-runtime/core"
import type { MessageHandler, ReceivedMessage } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Data, Duration, Effect, Fiber, Layer, Metric, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as HandlerBreaker from "../src/HandlerBreaker.ts"
import * as Logs from "./support/Logs.ts"
import * as Scripted from "./support/Scripted.ts"

class Down extends Data.TaggedError("Down")<{ readonly message: string }> {}
class Rude extends Data.TaggedError("Rude")<{}> {}

const orders = QueueName.makeUnsafe("orders")
const down = new Down({ message: "billing is down" })

/** A message as a handler gets it. */
const delivery = (id: string, sessionId?: string): ReceivedMessage.ReceivedMessage => ({
  ...Scripted.received(id),
  ...(sessionId === undefined ? {} : { sessionId: SessionId.makeUnsafe(sessionId) })
})

const tagged = <A, E>(call: Effect.Effect<A, E>) =>
  Effect.match(call, {
    onSuccess: () => "ok",
    onFailure: (error) =>
      error instanceof QueueError.QueueError
        ? error.reason._tag
        : HandlerFailure.describe(error).reason
  })

/** Calls one after the other. */
const calls = <A, E>(times: number, call: Effect.Effect<A, E>) =>
  Effect.forEach(Array.from({ length: times }), () => tagged(call))

/** What depends on a service that is down from the start until `upAt`. */
class Downstream {
  readonly seen: Array<string> = []
  readonly done: Array<string> = []
  readonly at: Array<number> = []
  readonly #upAt: number

  constructor(upAt: Duration.Input) {
    this.#upAt = Duration.toMillis(Duration.fromInputUnsafe(upAt))
  }

  readonly handler: MessageHandler.MessageHandler<Down> = ({ messageId }) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      this.seen.push(messageId)
      this.at.push(now)
      if (now < this.#upAt) return Effect.fail(down)
      return Effect.sync(() => this.done.push(messageId))
    })
}

/** The memory provider with every receive noted. */
const world = (receives: Array<number> = []) => {
  const watched = QueueProvider.layerTransform(
    "watched",
    Effect.succeed((call, { _tag }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        if (_tag === "Receive") receives.push(now)
        return call
      })
    )
  )
  return QueueClient.layer().pipe(
    Layer.provide(watched),
    Layer.provide(MemoryProvider.layer({ queues: { orders: { deliveriesMax: 100 } } }))
  )
}

const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

const ids = (count: number) =>
  Array.from({ length: count }, (_, index) => MessageId.makeUnsafe(`m-${index}`))

const send = Effect.fnUntraced(function* (count: number) {
  const client = yield* QueueClient.QueueClient
  const messages = yield* Effect.forEach(ids(count), (messageId) =>
    Message.text("order", { messageId })
  )
  yield* client.sendBatch(orders, messages)
})

const deadLetters = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  return yield* client.receive(QueueAddress.deadLetter(orders), { max: 100, wait: 0 })
})

/** Steps of a second, so that whoever is woken has its turns before the next one. */
const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), turns), { times: seconds - 1 })

/** A worker for so many seconds; whether with its breaker. */
const work = Effect.fnUntraced(function* (
  downstream: Downstream,
  seconds: number,
  options: {
    readonly isProtected?: boolean
    readonly concurrency?: number
    readonly messages?: number
  } = {}
) {
  yield* send(options.messages ?? 30)
  const breaker = yield* HandlerBreaker.make<Down>({ name: "billing" })
  const worker = yield* Effect.forkChild(
    options.isProtected === false
      ? QueueWorker.run({ queue: orders, handler: downstream.handler, deliveriesMax: 5 })
      : QueueWorker.run({
          queue: orders,
          handler: breaker.protect(downstream.handler),
          ready: breaker.ready,
          deliveriesMax: 5,
          concurrency: options.concurrency ?? 10
        })
  )
  yield* turns
  yield* pass(seconds)
  yield* Fiber.interrupt(worker)
  return breaker
})

describe("HandlerBreaker: a worker whose dependency is down", () => {
  it.effect(
    "R5.6 down for two minutes: nothing is dead-lettered, and everything is handled afterwards",
    () => {
      const downstream = new Downstream("2 minutes")
      return Effect.gen(function* () {
        const breaker = yield* work(downstream, 300)
        assert.deepStrictEqual(yield* deadLetters, [])
        assert.deepStrictEqual(downstream.done.toSorted(), ids(30).toSorted())
        assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
      }).pipe(Effect.provide(world()))
    }
  )

  it.effect(
    "R5.6 the same without the breaker loses messages to the dead letters: the test can fail",
    () => {
      const downstream = new Downstream("2 minutes")
      return Effect.gen(function* () {
        yield* work(downstream, 300, { isProtected: false })
        assert.strictEqual((yield* deadLetters).length, 30)
      }).pipe(Effect.provide(world()))
    }
  )

  it.effect(
    "R5.6 one message alone, failed as often as the breaker needs to open, comes through too",
    () => {
      const downstream = new Downstream("10 minutes")
      return Effect.gen(function* () {
        yield* work(downstream, 800, { messages: 1 })
        assert.deepStrictEqual(yield* deadLetters, [])
        assert.deepStrictEqual(downstream.done, ["m-0"])
        // Far more often than the worker's maximum of 5.
        assert.isAbove(downstream.seen.length, 15)
      }).pipe(Effect.provide(world()))
    }
  )

  it.effect(
    "R5.6 an outage costs a delivery of each that was in hand, and one for each probe",
    () => {
      const downstream = new Downstream("2 minutes")
      const receives: Array<number> = []
      return Effect.gen(function* () {
        yield* work(downstream, 119)
        // Of the ten in hand at first five fail, and the others are refused; then one is a probe each time.
        assert.deepStrictEqual(downstream.at, [0, 0, 0, 0, 0, 30_000, 60_000, 90_000])
        // Received at the start, and for each probe; never in between.
        const pauses = receives.filter((at) => at > 0)
        assert.deepStrictEqual(pauses, [30_000, 60_000, 90_000])
      }).pipe(Effect.provide(world(receives)))
    }
  )

  it.effect(
    "R5.6 R5.2 what fails for good is dead-lettered all the same, and does not open the breaker",
    () =>
      Effect.gen(function* () {
        yield* send(10)
        const breaker = yield* HandlerBreaker.make({ name: "billing" })
        const handler = () => Effect.fail(new HandlerFailure.Permanent({ reason: "Unreadable" }))
        const worker = yield* Effect.forkChild(
          QueueWorker.run({
            queue: orders,
            handler: breaker.protect(handler),
            ready: breaker.ready
          })
        )
        yield* turns
        yield* pass(1)
        assert.strictEqual((yield* deadLetters).length, 10)
        assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
        yield* Fiber.interrupt(worker)
      }).pipe(Effect.provide(world()))
  )

  it.effect("R5.3 a paused worker ends at once when it is told to", () =>
    Effect.gen(function* () {
      yield* send(10)
      const breaker = yield* HandlerBreaker.make<Down>({ name: "billing" })
      const downstream = new Downstream("1 hour")
      const worker = yield* Effect.forkChild(
        QueueWorker.run({
          queue: orders,
          handler: breaker.protect(downstream.handler),
          ready: breaker.ready
        })
      )
      yield* turns
      assert.strictEqual((yield* breaker.state)._tag, "Open")
      const before = yield* Clock.currentTimeMillis
      yield* Fiber.interrupt(worker)
      assert.strictEqual(yield* Clock.currentTimeMillis, before)
    }).pipe(Effect.provide(world()))
  )
})

describe("HandlerBreaker: one handler", () => {
  const failing = (): Effect.Effect<never, Down> => Effect.fail(down)

  it.effect(
    "R5.6 the failure that opens it, and those after, are CircuitOpen with the time left and the failure as cause",
    () =>
      Effect.gen(function* () {
        const breaker = yield* HandlerBreaker.make<Down>({ name: "billing" })
        const handle = breaker.protect(failing)(delivery("1"))
        assert.deepStrictEqual(yield* calls(6, handle), [
          "Down",
          "Down",
          "Down",
          "Down",
          "CircuitOpen",
          "CircuitOpen"
        ])
        yield* TestClock.adjust("30 seconds")
        const error = yield* Effect.flip(Effect.asVoid(handle))
        const failure = error instanceof QueueError.QueueError ? error : assert.fail(error.message)
        assert.strictEqual(failure.reason._tag, "CircuitOpen")
        assert.strictEqual(failure.operation, "handle")
        assert.deepStrictEqual(failure.retryAfter, Duration.seconds(30))
        assert.match(String(failure.cause), /billing is down/u)
      })
  )

  it.effect(
    "R5.6 only what isOutage says counts; another failure comes out as it is, while open too",
    () =>
      Effect.gen(function* () {
        const breaker = yield* HandlerBreaker.make<Down | Rude>({
          name: "billing",
          isOutage: ({ _tag }) => _tag === "Down"
        })
        const rude = breaker.protect(() => Effect.fail(new Rude()))(delivery("1"))
        assert.deepStrictEqual(new Set(yield* calls(20, rude)), new Set(["Rude"]))
        yield* calls(5, breaker.protect(failing)(delivery("1")))
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(yield* calls(1, rude), ["Rude"])
        assert.deepStrictEqual(yield* breaker.state, { _tag: "HalfOpen" })
      })
  )

  it.effect("R5.6 a failure that comes while others probe is excused for a moment", () =>
    Effect.gen(function* () {
      const breaker = yield* HandlerBreaker.make<Down>({ name: "billing" })
      const late = yield* Effect.forkChild(
        breaker
          .protect(() => Effect.delay(Effect.fail(down), "31 seconds"))(delivery("late"))
          .pipe(Effect.asVoid, Effect.flip),
        { startImmediately: true }
      )
      yield* calls(5, breaker.protect(failing)(delivery("1")))
      yield* TestClock.adjust("30 seconds")
      const probe = yield* Effect.forkChild(
        breaker.protect(() => Effect.sleep("5 seconds"))(delivery("probe")),
        { startImmediately: true }
      )
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(late)
      assert.isTrue(error instanceof QueueError.QueueError)
      assert.deepInclude({ ...error }, { retryAfter: Duration.seconds(2) })
      yield* Fiber.interrupt(probe)
    })
  )

  it.effect(
    "R5.6 who comes while a probe is under way waits for how it ends: no delivery is spent on that",
    () =>
      Effect.gen(function* () {
        const breaker = yield* HandlerBreaker.make<Down>({ name: "billing", successes: 1 })
        yield* calls(5, breaker.protect(failing)(delivery("1")))
        yield* TestClock.adjust("30 seconds")
        const slow = breaker.protect(() => Effect.sleep("1 second"))
        const both = yield* Effect.forkChild(
          Effect.all([slow(delivery("1")), slow(delivery("2"))].map(tagged), {
            concurrency: "unbounded"
          }),
          { startImmediately: true }
        )
        yield* TestClock.adjust("2 seconds")
        assert.deepStrictEqual(yield* Fiber.join(both), ["ok", "ok"])
      })
  )

  it.effect("R5.6 but not for long", () =>
    Effect.gen(function* () {
      const breaker = yield* HandlerBreaker.make<Down>({ name: "billing" })
      yield* calls(5, breaker.protect(failing)(delivery("1")))
      yield* TestClock.adjust("30 seconds")
      const slow = breaker.protect(() => Effect.sleep("1 minute"))
      const probe = yield* Effect.forkChild(slow(delivery("1")), { startImmediately: true })
      const other = yield* Effect.forkChild(tagged(slow(delivery("2"))), { startImmediately: true })
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(other.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(other), "CircuitOpen")
      yield* Fiber.interrupt(probe)
    })
  )

  it.effect(
    "R5.6 ready says how many: as many as like while closed, none while open, then the probes that are free",
    () =>
      Effect.gen(function* () {
        const breaker = yield* HandlerBreaker.make<Down>({ name: "billing", probesMax: 2 })
        assert.strictEqual(yield* breaker.ready, Number.POSITIVE_INFINITY)
        yield* calls(5, breaker.protect(failing)(delivery("1")))
        const waiting = yield* Effect.forkChild(breaker.ready, { startImmediately: true })
        yield* TestClock.adjust("29999 millis")
        assert.isUndefined(waiting.pollUnsafe())
        yield* TestClock.adjust("1 millis")
        assert.strictEqual(yield* Fiber.join(waiting), 2)
        const slow = breaker.protect(() => Effect.sleep("10 seconds"))
        const probes = [yield* Effect.forkChild(slow(delivery("1")), { startImmediately: true })]
        assert.strictEqual(yield* breaker.ready, 1)
        probes.push(yield* Effect.forkChild(slow(delivery("2")), { startImmediately: true }))
        const next = yield* Effect.forkChild(breaker.ready, { startImmediately: true })
        yield* TestClock.adjust("9 seconds")
        assert.isUndefined(next.pollUnsafe())
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(next), 1)
        yield* Fiber.joinAll(probes)
      })
  )

  it.effect("R5.6 the circuit of another breaker behind the handler is an outage too", () =>
    Effect.gen(function* () {
      const inner = yield* HandlerBreaker.make<Down>({ name: "inner", failuresMax: 1 })
      const outer = yield* HandlerBreaker.make<Down | QueueError.QueueError>({ name: "outer" })
      const handle = outer.protect(inner.protect(failing))(delivery("1"))
      assert.deepStrictEqual(new Set(yield* calls(5, handle)), new Set(["CircuitOpen"]))
      assert.strictEqual((yield* outer.state)._tag, "Open")
    })
  )

  it.effect("R10.5 the log says what the last failure was", () => {
    const logs = Logs.capture()
    return Effect.gen(function* () {
      const breaker = yield* HandlerBreaker.make<Down>({ name: "billing", failuresMax: 1 })
      yield* calls(1, breaker.protect(failing)(delivery("1")))
      assert.match(logs.lines[0]?.text ?? "", /last: Down: billing is down$/u)
      assert.deepStrictEqual(logs.lines[0]?.annotations, { breaker: "billing" })
    }).pipe(Effect.provide(logs.layer))
  })

  it.effect("R6.2 its changes are a stream", () =>
    Effect.gen(function* () {
      const breaker = yield* HandlerBreaker.make<Down>({ name: "billing", failuresMax: 1 })
      yield* calls(1, breaker.protect(failing)(delivery("1")))
      const [state] = yield* Stream.runCollect(Stream.take(breaker.changes, 1))
      assert.strictEqual(state?._tag, "Open")
    })
  )

  it.effect("R10.1 a figure out of its range is ValidationFailed naming it", () =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(
        HandlerBreaker.make({ name: "billing", failuresMax: 0 })
      )
      assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, "failuresMax")
    })
  )
})

describe("HandlerBreaker: a breaker for each session", () => {
  const perSession = (options: Partial<HandlerBreaker.SessionOptions<Down | Rude>> = {}) =>
    HandlerBreaker.perSession<Down | Rude>({
      name: "tenant",
      isOutage: ({ _tag }) => _tag === "Down",
      ...options
    })

  /** Fails in session A and in any other whose name says so. */
  const handler: MessageHandler.MessageHandler<Down> = ({ sessionId }) =>
    sessionId === undefined || sessionId.startsWith("good") ? Effect.void : Effect.fail(down)

  it.effect("R5.6 pauses the failing session and no other", () =>
    Effect.gen(function* () {
      const breaker = yield* perSession()
      const handle = breaker.protect(handler)
      const failures = yield* calls(6, handle(delivery("1", "A")))
      assert.deepStrictEqual(failures.slice(3), ["Down", "CircuitOpen", "CircuitOpen"])
      yield* calls(1, handle(delivery("1", "B")))
      assert.deepStrictEqual(yield* calls(20, handle(delivery("1", "good"))), Array(20).fill("ok"))
      assert.deepStrictEqual(yield* calls(20, handle(delivery("1"))), Array(20).fill("ok"))
      assert.deepStrictEqual((yield* breaker.paused).map(String), ["A"])
    })
  )

  it.effect("R5.6 its next message is a probe, and after three it is as before", () =>
    Effect.gen(function* () {
      const breaker = yield* perSession()
      yield* calls(5, breaker.protect(handler)(delivery("1", "A")))
      yield* TestClock.adjust("30 seconds")
      const good = breaker.protect(() => Effect.void)(delivery("1", "A"))
      assert.deepStrictEqual(yield* calls(3, good), ["ok", "ok", "ok"])
      assert.deepStrictEqual(yield* breaker.paused, [])
      assert.deepStrictEqual(
        (yield* calls(4, breaker.protect(handler)(delivery("2", "A"))))[3],
        "Down"
      )
    })
  )

  it.effect(
    "R6.2 R9.1 changes are a stream and lines in the log; how many pause is a gauge",
    () => {
      const logs = Logs.capture()
      return Effect.gen(function* () {
        const breaker = yield* perSession({ failuresMax: 1, successes: 1 })
        const gauge = Effect.map(Metric.snapshot, (all) =>
          all.map(({ attributes, id, state }) => [id, attributes, state])
        )
        const shows = (value: number) => [
          [
            "queue_runtime.breaker.sessions.paused",
            { "queue_runtime.breaker": "tenant" },
            { value }
          ]
        ]
        const observer = yield* Effect.forkChild(
          Stream.runCollect(Stream.take(breaker.changes, 4)),
          { startImmediately: true }
        )
        yield* TestClock.adjust(0)
        yield* calls(1, breaker.protect(handler)(delivery("1", "A")))
        yield* calls(1, breaker.protect(handler)(delivery("1", "B")))
        assert.deepStrictEqual(yield* gauge, shows(2))
        yield* TestClock.adjust("30 seconds")
        yield* calls(1, breaker.protect(() => Effect.void)(delivery("1", "A")))
        assert.deepStrictEqual(yield* gauge, shows(1))
        const changes = yield* Fiber.join(observer)
        assert.deepStrictEqual(
          changes.map(({ sessionId, state }) => `${sessionId}:${state._tag}`),
          ["A:Open", "B:Open", "A:HalfOpen", "A:Closed"]
        )
        assert.deepStrictEqual(logs.lines[0]?.annotations, { breaker: "tenant", sessionId: "A" })
      }).pipe(Effect.provide(logs.layer), Effect.provideService(Metric.MetricRegistry, new Map()))
    }
  )

  it.effect("R10.7 beyond the bound the oldest session is forgotten, in the gauge too", () =>
    Effect.gen(function* () {
      const breaker = yield* perSession({ failuresMax: 1, sessionsMax: 2 })
      const handle = breaker.protect(handler)
      for (const session of ["A", "B", "C"]) yield* calls(1, handle(delivery("1", session)))
      assert.deepStrictEqual((yield* breaker.paused).map(String), ["B", "C"])
      const [gauge] = yield* Metric.snapshot
      assert.deepStrictEqual(gauge?.state, { value: 2 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("R10.7 nor does one that ends well after another breaker took its place", () =>
    Effect.gen(function* () {
      const breaker = yield* perSession({ failuresMax: 1, sessionsMax: 1 })
      const slow = breaker.protect(() => Effect.sleep("1 second"))
      const late = yield* Effect.forkChild(tagged(slow(delivery("1", "A"))), {
        startImmediately: true
      })
      yield* calls(1, breaker.protect(handler)(delivery("1", "B")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(late), "ok")
      assert.deepStrictEqual((yield* breaker.paused).map(String), ["B"])
    })
  )

  it.effect("R10.7 a call that ends after its session was forgotten changes nothing", () =>
    Effect.gen(function* () {
      const breaker = yield* perSession({ failuresMax: 1, sessionsMax: 1 })
      const slow = breaker.protect(() => Effect.delay(Effect.fail(down), "1 second"))
      const late = yield* Effect.forkChild(tagged(slow(delivery("1", "A"))), {
        startImmediately: true
      })
      yield* calls(1, breaker.protect(handler)(delivery("1", "B")))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(late), "CircuitOpen")
      assert.deepStrictEqual((yield* breaker.paused).map(String), ["B"])
      const [gauge] = yield* Metric.snapshot
      assert.deepStrictEqual(gauge?.state, { value: 1 })
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect.each([
    ["successes", { successes: 0 }],
    ["sessionsMax", { sessionsMax: 0 }]
  ] as const)("R10.1 %s out of its range is ValidationFailed naming it", ([field, options]) =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(perSession(options))
      assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, field)
    })
  )
})
