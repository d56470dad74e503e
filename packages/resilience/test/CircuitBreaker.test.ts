import { QueueError, QueueName, QueueProvider, Verdict } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import {
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Result,
  Stream
} from "effect"
import { TestClock } from "effect/testing"
import * as CircuitBreaker from "../src/CircuitBreaker.ts"
import * as Logs from "./support/Logs.ts"
import * as Scripted from "./support/Scripted.ts"

const { accept, address, message, orders, permanent, receipt, throttled, transient } = Scripted

const tagOf = <A, E>(result: Result.Result<A, E>): unknown =>
  Result.isSuccess(result)
    ? "ok"
    : result.failure instanceof QueueError.QueueError
      ? result.failure.reason._tag
      : result.failure

const repeat = <A, E, R>(times: number, call: Effect.Effect<A, E, R>) =>
  Effect.forEach(Array.from({ length: times }), () => Effect.map(Effect.result(call), tagOf))

describe("CircuitBreaker: any effect", () => {
  it.effect("R6.2 R6.3 opens after 5 transient failures in a row and then calls nothing", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      let calls = 0
      const down = Effect.suspend(() => {
        calls++
        return Effect.fail(transient())
      })
      assert.deepStrictEqual(yield* repeat(4, breaker.protect(down)), [
        "ConnectionFailed",
        "ConnectionFailed",
        "ConnectionFailed",
        "ConnectionFailed"
      ])
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
      yield* repeat(1, breaker.protect(down))
      const until = DateTime.makeUnsafe(30_000)
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Open", until })
      yield* TestClock.adjust("10 seconds")
      const error = yield* Effect.flip(breaker.protect(down))
      assert.deepStrictEqual(error.reason, new QueueError.CircuitOpen({ until }))
      assert.strictEqual(error.retry, "Transient")
      assert.deepStrictEqual(error.retryAfter, Duration.seconds(20))
      assert.strictEqual(calls, 5)
    })
  )

  it.effect("R6.2 lets a probe through after 30 s and closes after 3 successes", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      yield* repeat(5, breaker.protect(Effect.fail(transient())))
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(yield* repeat(1, breaker.protect(Effect.void)), ["CircuitOpen"])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* repeat(2, breaker.protect(Effect.void)), ["ok", "ok"])
      assert.deepStrictEqual(yield* breaker.state, { _tag: "HalfOpen" })
      yield* repeat(1, breaker.protect(Effect.void))
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
    })
  )

  it.effect("R6.2 a failed probe opens it for another 30 s", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      yield* repeat(5, breaker.protect(Effect.fail(transient())))
      yield* TestClock.adjust("31 seconds")
      assert.deepStrictEqual(yield* repeat(2, breaker.protect(Effect.fail(throttled()))), [
        "Throttled",
        "CircuitOpen"
      ])
      const until = DateTime.makeUnsafe(61_000)
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Open", until })
    })
  )

  const held = QueueError.make(new QueueError.SessionLocked({ sessionId: "A" }))

  it.effect.each([
    ["permanent", Effect.fail(permanent)],
    ["another holder's session", Effect.fail(held)],
    ["a defect", Effect.die("broken")],
    ["an interruption", Effect.interrupt]
  ] as const)("R6.2 does not trip on %s, nor does it end the row", ([, call]) =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      yield* Effect.forEach(Array.from({ length: 20 }), () => Effect.exit(breaker.protect(call)))
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
      yield* repeat(4, breaker.protect(Effect.fail(transient())))
      yield* Effect.exit(breaker.protect(call))
      yield* repeat(1, breaker.protect(Effect.fail(transient())))
      assert.strictEqual((yield* breaker.state)._tag, "Open")
    })
  )

  it.effect.each([
    ["permanent", Effect.fail(permanent)],
    ["a defect", Effect.die("broken")],
    ["an interruption", Effect.interrupt]
  ] as const)("R6.2 a probe that ends with %s gives its place back", ([, call]) =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      yield* repeat(5, breaker.protect(Effect.fail(transient())))
      yield* TestClock.adjust("30 seconds")
      for (let probe = 0; probe < 10; probe++) yield* Effect.exit(breaker.protect(call))
      assert.deepStrictEqual(yield* repeat(3, breaker.protect(Effect.void)), ["ok", "ok", "ok"])
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
    })
  )

  it.effect("R6.2 a probe that is interrupted from outside gives its place back", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing" })
      yield* repeat(5, breaker.protect(Effect.fail(transient())))
      yield* TestClock.adjust("30 seconds")
      const hanging = yield* Effect.forkChild(breaker.protect(Effect.never), {
        startImmediately: true
      })
      assert.deepStrictEqual(yield* repeat(1, breaker.protect(Effect.void)), ["CircuitOpen"])
      yield* Fiber.interrupt(hanging)
      assert.deepStrictEqual(yield* repeat(1, breaker.protect(Effect.void)), ["ok"])
    })
  )

  it.effect("R6.2 no more probes at once than told; who comes meanwhile is refused shortly", () =>
    Effect.gen(function* () {
      const breaker = yield* CircuitBreaker.make({ name: "billing", probesMax: 2 })
      yield* repeat(5, breaker.protect(Effect.fail(transient())))
      yield* TestClock.adjust("30 seconds")
      const gate = yield* Deferred.make<void>()
      const probes = yield* Effect.forEach([1, 2], () =>
        Effect.forkChild(breaker.protect(Deferred.await(gate)), { startImmediately: true })
      )
      const refused = yield* Effect.flip(breaker.protect(Effect.void))
      assert.deepStrictEqual(refused.retryAfter, Duration.seconds(2))
      yield* Deferred.succeed(gate, undefined)
      yield* Fiber.joinAll(probes)
      assert.deepStrictEqual(yield* repeat(1, breaker.protect(Effect.void)), ["ok"])
      assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
    })
  )

  it.effect(
    "R6.3 errors of another kind, judged by the caller, and failures that a result carries",
    () =>
      Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make({ name: "billing", failuresMax: 1 })
        const quiet = { isFailure: (error: string) => error === "down" }
        assert.deepStrictEqual(yield* repeat(3, breaker.protect(Effect.fail("rude"), quiet)), [
          "rude",
          "rude",
          "rude"
        ])
        const carried = { ...quiet, failuresOf: (errors: ReadonlyArray<string>) => errors }
        yield* repeat(1, breaker.protect(Effect.succeed(["rude"]), carried))
        assert.deepStrictEqual(yield* breaker.state, { _tag: "Closed" })
        yield* repeat(1, breaker.protect(Effect.succeed(["rude", "down"]), carried))
        assert.strictEqual((yield* breaker.state)._tag, "Open")
      })
  )

  it.effect(
    "R6.2 R9.1 its state is a gauge, a stream that begins with the state now, and a line in the log",
    () => {
      const logs = Logs.capture()
      return Effect.gen(function* () {
        const breaker = yield* CircuitBreaker.make({
          name: "billing",
          failuresMax: 1,
          successes: 1
        })
        const gauge = Effect.map(Metric.snapshot, (all) =>
          all.map(({ attributes, id, state }) => [id, attributes, state])
        )
        const shows = (value: number) => [
          ["queue_runtime.breaker.state", { "queue_runtime.breaker": "billing" }, { value }]
        ]
        assert.deepStrictEqual(yield* gauge, shows(0))
        const observer = yield* Effect.forkChild(
          Stream.runCollect(Stream.take(breaker.changes, 4)),
          { startImmediately: true }
        )
        yield* TestClock.adjust(0)
        yield* repeat(1, breaker.protect(Effect.fail(transient())))
        assert.deepStrictEqual(yield* gauge, shows(2))
        yield* TestClock.adjust("30 seconds")
        yield* breaker.protect(
          Effect.tap(Effect.void, () =>
            Effect.map(gauge, (all) => assert.deepStrictEqual(all, shows(1)))
          )
        )
        assert.deepStrictEqual(yield* gauge, shows(0))
        const seen = yield* Fiber.join(observer)
        assert.deepStrictEqual(
          seen.map(({ _tag }) => _tag),
          ["Closed", "Open", "HalfOpen", "Closed"]
        )
        assert.deepStrictEqual(
          logs.lines.map(({ level, text }) => [level, text]),
          [
            [
              "Warn",
              "circuit breaker open until 1970-01-01T00:00:30.000Z; " +
                "last: ConnectionFailed: the connection failed"
            ],
            ["Info", "circuit breaker half-open: a probe is let through"],
            ["Info", "circuit breaker closed"]
          ]
        )
        assert.deepStrictEqual(logs.lines[0]?.annotations, { breaker: "billing" })
      }).pipe(Effect.provide(logs.layer), Effect.provideService(Metric.MetricRegistry, new Map()))
    }
  )

  it.effect.each([
    ["failuresMax", { failuresMax: 0 }],
    ["openDuration", { openDuration: 0 }],
    ["successes", { successes: 0.5 }],
    ["probesMax", { probesMax: -1 }]
  ] as const)("R10.1 %s out of its range is ValidationFailed naming it", ([field, options]) =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(CircuitBreaker.make({ name: "billing", ...options }))
      assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, field)
    })
  )
})

const under = (
  scripted: Scripted.Scripted,
  options: CircuitBreaker.LayerOptions = {}
): Layer.Layer<
  QueueProvider.QueueProvider | CircuitBreaker.CircuitBreakers,
  QueueError.QueueError
> =>
  CircuitBreaker.layer(options).pipe(
    Layer.provide(Layer.succeed(QueueProvider.QueueProvider, scripted.provider))
  )

const stateOf = (queue: QueueName.QueueName) =>
  CircuitBreaker.CircuitBreakers.use(({ state }) => Effect.map(state(queue), ({ _tag }) => _tag))

describe("CircuitBreaker: around a provider", () => {
  it.effect("R6.2 R2.2 failures inside a batch's outcomes count, one for the whole call", () => {
    const scripted = Scripted.make({
      fate: () => ({ b: throttled(), c: QueueError.exhausted(transient()) })
    })
    return Effect.gen(function* () {
      const provider = yield* QueueProvider.QueueProvider
      assert.deepStrictEqual(provider.stack, ["circuit-breaker", "scripted"])
      const send = provider.send(orders, [message("a"), message("b"), message("c")])
      assert.deepStrictEqual(yield* repeat(6, send), ["ok", "ok", "ok", "ok", "ok", "CircuitOpen"])
      assert.strictEqual(scripted.calls.length, 5)
      const error = yield* Effect.flip(send)
      assert.deepInclude({ ...error }, { provider: "scripted", operation: "send", queue: "orders" })
    }).pipe(Effect.provide(under(scripted)))
  })

  it.effect("R6.2 permanent failures inside a batch do not", () => {
    const scripted = Scripted.make({ fate: () => ({ a: permanent, b: Scripted.expired }) })
    return Effect.gen(function* () {
      const provider = yield* QueueProvider.QueueProvider
      const settle = provider.settle([receipt("a"), receipt("b")], Verdict.complete)
      assert.deepStrictEqual(new Set(yield* repeat(20, settle)), new Set(["ok"]))
    }).pipe(Effect.provide(under(scripted)))
  })

  it.effect("R6.2 each queue has its own; what fails in a session counts for its queue", () => {
    const other = QueueName.makeUnsafe("invoices")
    let isUp = true
    const scripted = Scripted.make({ fate: () => (isUp ? undefined : transient()) })
    return Effect.gen(function* () {
      const provider = yield* QueueProvider.QueueProvider
      const { session } = yield* accept(provider)
      isUp = false
      yield* repeat(5, session.renewLock)
      assert.deepStrictEqual(yield* repeat(1, provider.peek(address, { max: 1 })), ["CircuitOpen"])
      isUp = true
      assert.deepStrictEqual(yield* repeat(1, provider.send(other, [message("1")])), ["ok"])
      const breakers = yield* CircuitBreaker.CircuitBreakers
      assert.strictEqual(yield* stateOf(orders), "Open")
      assert.strictEqual(yield* stateOf(other), "Closed")
      assert.strictEqual(yield* stateOf(QueueName.makeUnsafe("never-called")), "Closed")
      const until = DateTime.makeUnsafe(30_000)
      assert.deepStrictEqual(yield* breakers.troubled, [
        { queue: orders, state: { _tag: "Open", until } }
      ])
    }).pipe(Effect.provide(under(scripted)))
  })

  it.effect(
    "R6.2 a wait for messages holds up no send while half-open, and closes nothing by finding none",
    () => {
      let isUp = false
      const scripted = Scripted.make({
        isEmpty: true,
        fate: () => (isUp ? undefined : transient())
      })
      return Effect.gen(function* () {
        const provider = yield* QueueProvider.QueueProvider
        const send = provider.send(orders, [message("1")])
        yield* repeat(5, send)
        isUp = true
        yield* TestClock.adjust("30 seconds")
        const wait = Duration.seconds(30)
        const receive = provider.receive(address, { max: 1, wait })
        const acceptNext = Effect.scoped(provider.acceptSession(orders, { wait }))
        const waiting = yield* Effect.forkChild(receive, { startImmediately: true })
        assert.deepStrictEqual(yield* repeat(1, acceptNext), ["CircuitOpen"])
        assert.deepStrictEqual(yield* repeat(1, send), ["ok"])
        yield* TestClock.adjust(wait)
        assert.deepStrictEqual(yield* Fiber.join(waiting), [])
        // It came back well: others wait beside each other, and none of them closes it.
        const many = yield* Effect.forkChild(
          Effect.all(
            Array.from({ length: 10 }, (_, index) => (index % 2 === 0 ? receive : acceptNext)),
            { concurrency: "unbounded" }
          ),
          { startImmediately: true }
        )
        yield* TestClock.adjust(wait)
        assert.strictEqual((yield* Fiber.join(many)).length, 10)
        assert.strictEqual(yield* stateOf(orders), "HalfOpen")
        yield* repeat(2, send)
        assert.strictEqual(yield* stateOf(orders), "Closed")
      }).pipe(Effect.provide(under(scripted)))
    }
  )

  it.effect("R6.2 an accepted session and received messages are successes", () => {
    let isUp = false
    const scripted = Scripted.make({ fate: () => (isUp ? undefined : transient()) })
    return Effect.gen(function* () {
      const provider = yield* QueueProvider.QueueProvider
      yield* repeat(5, provider.peek(address, { max: 1 }))
      isUp = true
      yield* TestClock.adjust("30 seconds")
      const { session } = yield* accept(provider)
      assert.strictEqual(yield* stateOf(orders), "HalfOpen")
      yield* session.state
      yield* session.setState(Option.none())
      assert.strictEqual(yield* stateOf(orders), "Closed")
    }).pipe(Effect.provide(under(scripted)))
  })

  it.effect("R6.2 messages of a receive are a success", () => {
    let isUp = false
    const { provider } = Scripted.make({ fate: () => (isUp ? undefined : transient()) })
    const received = Scripted.received("1")
    const scripted = {
      ...Scripted.make(),
      provider: {
        ...provider,
        receive: (...args: Parameters<typeof provider.receive>) =>
          Effect.as(provider.receive(...args), [received])
      }
    }
    return Effect.gen(function* () {
      const wrapped = yield* QueueProvider.QueueProvider
      const receive = wrapped.receive(address, { max: 1, wait: Duration.zero })
      yield* repeat(5, receive)
      isUp = true
      yield* TestClock.adjust("30 seconds")
      yield* repeat(3, receive)
      assert.strictEqual(yield* stateOf(orders), "Closed")
    }).pipe(Effect.provide(under(scripted)))
  })

  it.effect(
    "R6.2 R9.1 changes of every queue are one stream; gauge and log name provider and queue",
    () => {
      const logs = Logs.capture()
      const scripted = Scripted.make({ fate: () => ({ a: throttled() }) })
      return Effect.gen(function* () {
        const provider = yield* QueueProvider.QueueProvider
        const breakers = yield* CircuitBreaker.CircuitBreakers
        const observer = yield* Effect.forkChild(
          Stream.runCollect(Stream.take(breakers.changes, 2)),
          { startImmediately: true }
        )
        yield* TestClock.adjust(0)
        for (const name of ["orders", "invoices"]) {
          yield* repeat(1, provider.send(QueueName.makeUnsafe(name), [message("a")]))
        }
        const changes = yield* Fiber.join(observer)
        assert.deepStrictEqual(
          changes.map(({ queue, state }) => [queue, state._tag]),
          [
            ["orders", "Open"],
            ["invoices", "Open"]
          ]
        )
        const all = yield* Metric.snapshot
        assert.deepStrictEqual(
          all.map(({ attributes, state }) => [attributes, state]),
          ["orders", "invoices"].map((queue) => [
            { "messaging.system": "scripted", "messaging.destination.name": queue },
            { value: 2 }
          ])
        )
        assert.match(logs.lines[0]?.text ?? "", /last: failures inside a batch$/u)
        assert.deepStrictEqual(logs.lines[1]?.annotations, {
          provider: "scripted",
          queue: "invoices"
        })
      }).pipe(
        Effect.provide(Layer.merge(under(scripted, { failuresMax: 1 }), logs.layer)),
        Effect.provideService(Metric.MetricRegistry, new Map())
      )
    }
  )

  it.effect(
    "R10.7 beyond the bound closed breakers make room, and newcomers share one if none is closed",
    () => {
      const failing = new Set<string>()
      const scripted = Scripted.make()
      const provider: QueueProvider.Service = {
        ...scripted.provider,
        peek: (one) => (failing.has(one.queue) ? Effect.fail(transient()) : Effect.succeed([]))
      }
      return Effect.gen(function* () {
        const wrapped = yield* QueueProvider.QueueProvider
        const breakers = yield* CircuitBreaker.CircuitBreakers
        const peek = (name: string) =>
          repeat(1, wrapped.peek({ _tag: "Queue", queue: QueueName.makeUnsafe(name) }, { max: 1 }))
        failing.add("a").add("c").add("d").add("e")
        yield* peek("a")
        yield* peek("b")
        // b is closed and makes room.
        yield* peek("c")
        const troubled = Effect.map(breakers.troubled, (all) =>
          all.map(({ queue }) => String(queue))
        )
        assert.deepStrictEqual(yield* troubled, ["a", "c"])
        // Neither a nor c is closed: d opens the shared one, and e finds it open.
        assert.deepStrictEqual(yield* peek("d"), ["ConnectionFailed"])
        assert.deepStrictEqual(yield* peek("e"), ["CircuitOpen"])
        assert.deepStrictEqual(yield* peek("a"), ["CircuitOpen"])
        assert.deepStrictEqual(yield* troubled, ["a", "c"])
      }).pipe(Effect.provide(under({ ...scripted, provider }, { queuesMax: 2, failuresMax: 1 })))
    }
  )

  it.effect("R10.1 a bound that is none is ValidationFailed naming it", () =>
    Effect.gen(function* () {
      const built = Effect.scoped(Layer.build(under(Scripted.make(), { queuesMax: 0 })))
      const { reason } = yield* Effect.flip(built)
      assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, "queuesMax")
    })
  )

  it.effect("R6.2 a call that dies in a provider is a defect for its caller too", () => {
    const scripted = Scripted.make()
    const provider: QueueProvider.Service = {
      ...scripted.provider,
      peek: () => Effect.die("broken")
    }
    return Effect.gen(function* () {
      const wrapped = yield* QueueProvider.QueueProvider
      const exit = yield* Effect.exit(wrapped.peek(address, { max: 1 }))
      assert.isTrue(Exit.isFailure(exit))
    }).pipe(Effect.provide(under({ ...scripted, provider })))
  })
})
