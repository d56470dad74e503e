import { Defaults, QueueName, SessionId } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as Metric from "effect/Metric"
import * as References from "effect/References"
import * as Scope from "effect/Scope"
import { TestClock } from "effect/testing"
import * as SessionLifecycle from "../src/SessionLifecycle.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")
const id = SessionId.makeUnsafe
const [a, b, c] = [id("a"), id("b"), id("c")]

const ids = (infos: ReadonlyArray<SessionLifecycle.SessionInfo>) =>
  infos.map(({ sessionId }) => sessionId)

interface Logged {
  readonly level: string
  readonly message: unknown
  readonly annotations: Readonly<Record<string, unknown>>
}

const capturing = (lines: Array<Logged>) =>
  Effect.provide(
    Logger.layer([
      Logger.make(({ fiber, logLevel, message }) => {
        const annotations = { ...fiber.getRef(References.CurrentLogAnnotations) }
        lines.push({ level: logLevel, message, annotations })
      })
    ])
  )

/** The values of our metrics by name and attributes, in a registry of the test's own. */
const metrics = Effect.map(Metric.snapshot, (snapshot) =>
  Object.fromEntries(
    snapshot.map(({ attributes, id: name, state }) => {
      const { "messaging.destination.name": queue, "queue_runtime.outcome": outcome } =
        attributes ?? {}
      const value = "value" in state ? state.value : "count" in state ? state.count : undefined
      return [[name, queue, outcome].filter((part) => part !== undefined).join(" "), value]
    })
  )
)

const isolated = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.provideService(effect, Metric.MetricRegistry, new Map())

describe("SessionLifecycle", () => {
  it.effect("R4.6 tells of each active session its messages, rate, age and idle time", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      yield* TestClock.setTime(1_000_000)
      yield* lifecycle.opened(orders, a, Effect.void)
      yield* TestClock.adjust("1 seconds")
      for (const succeeded of [true, false, true]) {
        yield* lifecycle.handling(orders, a)
        yield* TestClock.adjust("1 seconds")
        yield* lifecycle.handled(orders, a, succeeded)
      }
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* lifecycle.active, [
        {
          queue: orders,
          sessionId: a,
          openedAt: DateTime.makeUnsafe(1_000_000),
          lastActivityAt: DateTime.makeUnsafe(1_004_000),
          messages: 3,
          failures: 1,
          rate: 0.5,
          age: Duration.seconds(6),
          idle: Duration.seconds(2),
          handling: false
        }
      ])
    })
  )

  it.effect("R4.6 a session is not idle while a message is being handled", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      yield* lifecycle.opened(orders, a, Effect.void)
      const [fresh] = yield* lifecycle.active
      assert.strictEqual(fresh?.rate, 0)
      yield* TestClock.adjust("3 seconds")
      yield* lifecycle.handling(orders, a)
      yield* TestClock.adjust("4 seconds")
      const [info] = yield* lifecycle.active
      assert.isTrue(info?.handling)
      assert.deepStrictEqual(info?.idle, Duration.zero)
      assert.deepStrictEqual(info?.age, Duration.seconds(7))
      assert.strictEqual(info?.messages, 0)
    })
  )

  it.effect("R4.6 a session is active until its scope closes", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      const scope = yield* Scope.make()
      yield* lifecycle.opened(orders, a, Effect.void).pipe(Scope.provide(scope))
      yield* lifecycle.opened(orders, b, Effect.void)
      assert.deepStrictEqual(ids(yield* lifecycle.active), [a, b])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(ids(yield* lifecycle.active), [b])
    })
  )

  it.effect("R4.6 one session id on two queues is two sessions", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      const scope = yield* Scope.make()
      yield* lifecycle.opened(orders, a, Effect.void).pipe(Scope.provide(scope))
      yield* lifecycle.opened(events, a, Effect.void)
      yield* lifecycle.handling(orders, a)
      yield* lifecycle.handled(orders, a, true)
      const seen = (yield* lifecycle.active).map(({ messages, queue }) => [queue, messages])
      assert.deepStrictEqual(seen, [
        [orders, 1],
        [events, 0]
      ])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(
        (yield* lifecycle.active).map(({ queue }) => queue),
        [events]
      )
    })
  )

  it.effect("R4.6 a session opened again starts anew, and its first scope takes nothing away", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ trackedMax: 1 })
      const first = yield* Scope.make()
      yield* lifecycle.opened(orders, a, Effect.void).pipe(Scope.provide(first))
      yield* lifecycle.handled(orders, a, true)
      const second = yield* Scope.make()
      yield* lifecycle.opened(orders, a, Effect.void).pipe(Scope.provide(second))
      assert.deepStrictEqual(yield* lifecycle.summary, { count: 1, messages: 0, untracked: 0 })
      yield* Scope.close(first, Exit.void)
      assert.deepStrictEqual(ids(yield* lifecycle.active), [a])
      yield* Scope.close(second, Exit.void)
      assert.deepStrictEqual(ids(yield* lifecycle.active), [])
    })
  )

  it.effect("R4.6 finds sessions that are at one message for longer than stalledAfter", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ stalledAfter: "1 minute" })
      for (const one of [a, b, c]) yield* lifecycle.opened(orders, one, Effect.void)
      yield* lifecycle.handling(orders, a)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(ids(yield* lifecycle.stalled), [])
      yield* lifecycle.handled(orders, b, true)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(ids(yield* lifecycle.stalled), [a])
      yield* lifecycle.handled(orders, a, false)
      assert.deepStrictEqual(ids(yield* lifecycle.stalled), [])
    })
  )

  it.effect("R4.6 closes sessions that are idle for longer than idleAfter, and no others", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ idleAfter: "1 minute" })
      const asked: Array<SessionId.SessionId> = []
      for (const one of [a, b, c]) {
        yield* lifecycle.opened(
          orders,
          one,
          Effect.sync(() => void asked.push(one))
        )
      }
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust("1 minute")
      yield* lifecycle.handling(orders, c)
      yield* lifecycle.handled(orders, c, true)
      assert.strictEqual(yield* lifecycle.closeIdle, 0)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* lifecycle.closeIdle, 1)
      assert.deepStrictEqual(asked, [a])
      // It is still open: its holder did not give it up, and is asked again.
      assert.strictEqual(yield* lifecycle.closeIdle, 1)
      assert.deepStrictEqual(asked, [a, a])
    })
  )

  it.effect("R4.6 a holder that closes is no longer active", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ idleAfter: "1 minute" })
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      yield* lifecycle.opened(orders, a, close).pipe(Scope.provide(scope))
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* lifecycle.closeIdle, 1)
      assert.deepStrictEqual(ids(yield* lifecycle.active), [])
      assert.strictEqual(yield* lifecycle.closeIdle, 0)
    })
  )

  it.effect("R4.6 a holder that hangs or dies when asked does not keep the others from it", () => {
    const lines: Array<Logged> = []
    return Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ idleAfter: "1 minute" })
      const asked: Array<SessionId.SessionId> = []
      yield* lifecycle.opened(orders, a, Effect.never)
      yield* lifecycle.opened(orders, b, Effect.die(new Error("broken")))
      yield* lifecycle.opened(
        orders,
        c,
        Effect.sync(() => void asked.push(c))
      )
      yield* TestClock.adjust("2 minutes")
      const closing = yield* Effect.forkChild(lifecycle.closeIdle)
      yield* TestClock.adjust(Duration.subtract(Defaults.interruptionWait, Duration.millis(1)))
      assert.deepStrictEqual(asked, [c])
      assert.isUndefined(closing.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* Fiber.join(closing), 3)
      const seen = lines.map(({ annotations, level }) => [level, annotations])
      assert.deepStrictEqual(seen, [
        ["Warn", { queue: orders, sessionId: b }],
        ["Warn", { queue: orders, sessionId: a }]
      ])
    }).pipe(capturing(lines))
  })

  it.effect("R4.6 a session that is busy again when its turn comes is not asked", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ idleAfter: "1 minute" })
      // As many that hang as are asked side by side; the two behind them wait for their turn.
      for (let index = 0; index < Defaults.concurrency; index++) {
        yield* lifecycle.opened(orders, id(`slow-${index}`), Effect.never)
      }
      const asked: Array<SessionId.SessionId> = []
      const scope = yield* Scope.make()
      for (const one of [a, b]) {
        yield* lifecycle
          .opened(
            orders,
            one,
            Effect.sync(() => void asked.push(one))
          )
          .pipe(Scope.provide(scope))
      }
      yield* lifecycle.opened(
        orders,
        c,
        Effect.sync(() => void asked.push(c))
      )
      yield* TestClock.adjust("2 minutes")
      const closing = yield* Effect.forkChild(lifecycle.closeIdle)
      yield* TestClock.adjust("1 seconds")
      yield* lifecycle.handling(orders, c)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust(Defaults.interruptionWait)
      assert.strictEqual(yield* Fiber.join(closing), Defaults.concurrency)
      assert.deepStrictEqual(asked, [])
    }).pipe(capturing([]))
  )

  it.effect("R4.6 beyond the bound sessions are counted, not tracked, and never an error", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make({ trackedMax: 2, idleAfter: "1 minute" })
      const scope = yield* Scope.make()
      yield* lifecycle.opened(orders, a, Effect.void)
      yield* lifecycle.opened(orders, b, Effect.void)
      yield* lifecycle.opened(orders, c, Effect.die("never asked")).pipe(Scope.provide(scope))
      yield* lifecycle.handling(orders, c)
      yield* lifecycle.handled(orders, c, true)
      yield* lifecycle.handled(orders, a, true)
      assert.deepStrictEqual(yield* lifecycle.summary, { count: 2, messages: 1, untracked: 1 })
      assert.deepStrictEqual(ids(yield* lifecycle.active), [a, b])
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(yield* lifecycle.closeIdle, 2)
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(yield* lifecycle.summary, { count: 2, messages: 1, untracked: 0 })
    })
  )

  it.effect("R4.6 many fibers at once lose no session and no message", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      const hold = Effect.fnUntraced(function* (index: number) {
        const sessionId = id(`s-${index}`)
        yield* lifecycle.opened(orders, sessionId, Effect.void)
        for (let message = 0; message < 5; message++) {
          yield* lifecycle.handling(orders, sessionId)
          yield* Effect.yieldNow
          yield* lifecycle.handled(orders, sessionId, true)
        }
      })
      const indices = Array.from({ length: 50 }, (_, index) => index)
      yield* Effect.forEach(indices, hold, { concurrency: "unbounded", discard: true })
      assert.deepStrictEqual(yield* lifecycle.summary, { count: 50, messages: 250, untracked: 0 })
    })
  )

  it.effect("R4.6 a clock that was set back makes no time negative", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.make()
      yield* TestClock.setTime(10_000)
      yield* lifecycle.opened(orders, a, Effect.void)
      yield* lifecycle.handled(orders, a, true)
      yield* TestClock.setTime(5_000)
      const [info] = yield* lifecycle.active
      assert.deepStrictEqual(info?.age, Duration.zero)
      assert.deepStrictEqual(info?.idle, Duration.zero)
      assert.strictEqual(info?.rate, 0)
    })
  )

  it.effect("R4.6 a time or a bound that is none is ValidationFailed", () =>
    Effect.gen(function* () {
      for (const [name, options] of [
        ["stalledAfter", { stalledAfter: 0 }],
        ["idleAfter", { idleAfter: Infinity }],
        ["trackedMax", { trackedMax: 0 }],
        ["sweepEvery", { sweepEvery: 0 }]
      ] as const) {
        const error = yield* Effect.flip(SessionLifecycle.make(options))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
        assert.include(error.message, `${name}: `)
      }
    })
  )
})

describe("metrics", () => {
  it.effect("R4.6 counts by queue what is held, opened, closed, handled, and for how long", () =>
    isolated(
      Effect.gen(function* () {
        const lifecycle = yield* SessionLifecycle.make({ trackedMax: 2 })
        const scope = yield* Scope.make()
        yield* lifecycle.opened(orders, a, Effect.void).pipe(Scope.provide(scope))
        yield* lifecycle.opened(orders, b, Effect.void)
        // Beyond the bound, and counted all the same.
        yield* lifecycle.opened(events, c, Effect.void)
        yield* lifecycle.handled(orders, a, true)
        yield* lifecycle.handled(orders, a, true)
        yield* lifecycle.handled(orders, b, false)
        yield* lifecycle.handled(events, c, true)
        yield* TestClock.adjust("4 seconds")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* metrics, {
          "queue_runtime.lifecycle.sessions.active orders": 1,
          "queue_runtime.lifecycle.sessions.active events": 1,
          "queue_runtime.lifecycle.sessions.opened orders": 2,
          "queue_runtime.lifecycle.sessions.opened events": 1,
          "queue_runtime.lifecycle.sessions.closed orders": 1,
          "queue_runtime.lifecycle.handled.messages orders succeeded": 2,
          "queue_runtime.lifecycle.handled.messages orders failed": 1,
          "queue_runtime.lifecycle.handled.messages events succeeded": 1,
          "queue_runtime.lifecycle.session.duration orders": 1
        })
        const duration = (yield* Metric.snapshot).find(({ type }) => type === "Histogram")
        assert.strictEqual(duration?.id, "queue_runtime.lifecycle.session.duration")
        assert.strictEqual(duration?.attributes?.["unit"], "s")
        assert.include(JSON.stringify(duration?.state), '"sum":4')
      })
    )
  )

  it.effect("R4.6 two managers of one process add up", () =>
    isolated(
      Effect.gen(function* () {
        const scope = yield* Scope.make()
        const one = yield* SessionLifecycle.make()
        const other = yield* SessionLifecycle.make()
        yield* one.opened(orders, a, Effect.void).pipe(Scope.provide(scope))
        yield* other.opened(orders, b, Effect.void)
        assert.strictEqual((yield* metrics)["queue_runtime.lifecycle.sessions.active orders"], 2)
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual((yield* metrics)["queue_runtime.lifecycle.sessions.active orders"], 1)
      })
    )
  )
})

describe("layers", () => {
  it.effect("R4.6 without a sweeper nothing is closed or logged by itself", () => {
    const lines: Array<Logged> = []
    return Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.SessionLifecycle
      yield* lifecycle.opened(orders, a, Effect.die("never asked"))
      yield* lifecycle.opened(orders, b, Effect.void)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust(Duration.sum(Defaults.handlerTimeout, Duration.millis(1)))
      assert.deepStrictEqual(ids(yield* lifecycle.stalled), [b])
      assert.deepStrictEqual(lines, [])
    }).pipe(Effect.provide(SessionLifecycle.layer()), capturing(lines))
  })

  it.effect("R4.6 the defaults are those of Defaults", () =>
    Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.SessionLifecycle
      yield* lifecycle.opened(orders, a, Effect.void)
      yield* lifecycle.opened(orders, b, Effect.void)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust(Defaults.sessionDurationMax)
      assert.strictEqual(yield* lifecycle.closeIdle, 0)
      assert.deepStrictEqual(ids(yield* lifecycle.stalled), [])
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* lifecycle.closeIdle, 1)
      for (let index = 0; index < Defaults.sessionsTrackedMax; index++) {
        yield* lifecycle.opened(events, id(`s-${index}`), Effect.void)
      }
      const { count, untracked } = yield* lifecycle.summary
      assert.deepStrictEqual([count, untracked], [Defaults.sessionsTrackedMax, 2])
    }).pipe(isolated, Effect.scoped, Effect.provide(SessionLifecycle.layer()))
  )

  it.effect("R4.6 the sweeper logs each stall once and closes what is idle", () => {
    const lines: Array<Logged> = []
    const options = {
      stalledAfter: "30 seconds",
      idleAfter: "50 seconds",
      sweepEvery: "20 seconds"
    } as const
    return Effect.gen(function* () {
      const lifecycle = yield* SessionLifecycle.SessionLifecycle
      const scope = yield* Scope.make()
      const close = Scope.close(scope, Exit.void)
      yield* lifecycle.opened(orders, a, close).pipe(Scope.provide(scope))
      yield* lifecycle.opened(orders, b, Effect.void)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust("39 seconds")
      assert.deepStrictEqual(lines, [])
      yield* TestClock.adjust("1 seconds")
      const stall = {
        level: "Warn",
        message: ["a session is stalled: one message is in hand for too long"],
        annotations: { queue: orders, sessionId: b, handlingFor: "40s" }
      }
      assert.deepStrictEqual(lines, [stall])
      assert.deepStrictEqual(ids(yield* lifecycle.active), [a, b])
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(ids(yield* lifecycle.active), [b])
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(lines, [stall])
      // It moves on and stalls again: another stall, another line.
      yield* lifecycle.handled(orders, b, false)
      yield* lifecycle.handling(orders, b)
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(lines, [stall, stall])
    }).pipe(Effect.provide(SessionLifecycle.layer(options)), capturing(lines))
  })

  it.effect("R4.6 the sweeper ends with its layer", () =>
    Effect.gen(function* () {
      const asked: Array<number> = []
      const scope = yield* Scope.make()
      const layer = SessionLifecycle.layer({
        idleAfter: "10 seconds",
        sweepEvery: "20 seconds"
      })
      const context = yield* Layer.buildWithScope(layer, scope)
      yield* SessionLifecycle.SessionLifecycle.use((lifecycle) =>
        lifecycle.opened(
          orders,
          a,
          Effect.sync(() => void asked.push(1))
        )
      ).pipe(Effect.provide(context))
      yield* TestClock.adjust("40 seconds")
      assert.strictEqual(asked.length, 2)
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("2 minutes")
      assert.strictEqual(asked.length, 2)
    })
  )

  it.effect("R4.6 options that cannot be used fail the layer", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.scoped(Layer.build(SessionLifecycle.layer({ trackedMax: 0 })))
      )
      assert.strictEqual(error.reason._tag, "ValidationFailed")
    })
  )
})
