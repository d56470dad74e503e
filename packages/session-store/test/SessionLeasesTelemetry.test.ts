import { assert, describe, it } from "@effect/vitest"
import { QueueError, type QueueSession, type SessionStore } from "@queue-runtime/core"
import { Effect, Exit, Fiber, Metric, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { SessionStoreMemory } from "../src/index.ts"
import * as World from "./support/world.ts"

const { accept, broker, granted, leased, queue, send, take, withoutState } = World

/** With metrics of its own. */
const measured = <A, E, R>(test: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(test, Metric.MetricRegistry, new Map())

const about = { "messaging.system": "memory", "messaging.destination.name": queue }

const series = (name: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics.flatMap(({ attributes = {}, id, state }) => {
      if (id !== `queue_runtime.leases.${name}`) return []
      assert.deepInclude(attributes, about)
      return [{ attributes, state }]
    })
  )

const countOf = (state: object): unknown =>
  "count" in state ? state.count : "value" in state ? state.value : undefined

/** What one counter or gauge of the queue shows. */
const shown = (name: string) =>
  Effect.map(series(name), (found) => found.map(({ state }) => countOf(state)))

const lost = Effect.map(series("lost"), (found) =>
  found.map(({ attributes, state }) => [attributes["queue_runtime.leases.cause"], countOf(state)])
)

/** How often the store was asked for what, and why it failed. */
const calls = Effect.map(series("store.duration"), (found) =>
  found.map(({ attributes, state }) => {
    assert.strictEqual(attributes["unit"], "s")
    const name = attributes["queue_runtime.leases.operation"]
    const failed = attributes["error.type"]
    return `${name}${failed === undefined ? "" : ` ${failed}`} ${String(countOf(state))}`
  })
)

const lease = "20 seconds"

/** Two processes over one store, on brokers that both have the session's messages. */
const two = Effect.gen(function* () {
  const store = yield* SessionStoreMemory.make()
  const [first, second] = [
    yield* leased(withoutState(yield* broker), store, { lease }),
    yield* leased(withoutState(yield* broker), store, { lease })
  ]
  for (const { provider } of [first, second]) yield* send(provider, "A", ["a1"])
  return { store, first: first.provider, second: second.provider }
})

const down = QueueError.make(new QueueError.ConnectionFailed({ detail: "ECONNREFUSED" }))

describe("SessionLeases: what is measured", () => {
  it.effect("R9.1 leases granted, met while held, released, and how long they were held", () =>
    measured(
      Effect.gen(function* () {
        const { first, second } = yield* two
        const scope = yield* Scope.make()
        const held = yield* Scope.provide(granted(first, "A"), scope)
        assert.deepStrictEqual(yield* shown("acquired"), [1])
        assert.deepStrictEqual(yield* shown("active"), [1])
        yield* Effect.flip(accept(second, "A"))
        assert.deepStrictEqual(yield* shown("contended"), [1])
        const waiting = yield* Effect.forkChild(accept(second, undefined, "1 second"))
        yield* TestClock.adjust("1 second")
        assert.isTrue(Option.isNone(yield* Fiber.join(waiting)))
        // It came along more than once.
        assert.isAbove(Number((yield* shown("contended"))[0]), 2)
        assert.deepStrictEqual(yield* shown("acquired"), [1])
        yield* held.setState(Option.some(Uint8Array.of(1)))
        yield* held.state
        yield* held.renewLock
        yield* TestClock.adjust("4 seconds")
        yield* Scope.close(scope, Exit.void)
        assert.deepStrictEqual(yield* shown("released"), [1])
        assert.deepStrictEqual(yield* shown("active"), [0])
        assert.deepStrictEqual(yield* lost, [])
        const [duration] = yield* series("duration")
        assert.deepInclude(duration?.state, { count: 1, sum: 5 })
        assert.strictEqual(duration?.attributes["unit"], "s")
        const asked = yield* calls
        for (const one of ["renew 1", "release 1", "read_state 1", "write_state 1"]) {
          assert.include(asked, one)
        }
      })
    )
  )

  it.effect("R4.3 R9.1 a lease that runs out is lost since it expired", () =>
    measured(
      Effect.gen(function* () {
        const { first } = yield* two
        const held = yield* granted(first, "A")
        yield* TestClock.adjust(lease)
        assert.deepStrictEqual(yield* lost, [["expired", 1]])
        yield* Effect.flip(held.renewLock)
        assert.deepStrictEqual(yield* lost, [["expired", 1]])
        assert.deepStrictEqual(yield* shown("released"), [])
        assert.deepStrictEqual(yield* shown("active"), [0])
      })
    )
  )

  it.effect("R4.3 R9.1 one that the store gave to another is taken, wherever that shows", () =>
    measured(
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make()
        const leases: Array<SessionStore.Lease> = []
        const watched: SessionStore.Service = {
          ...store,
          acquire: (request) =>
            Effect.tap(store.acquire(request), (answer) =>
              Effect.sync(() => answer._tag === "Granted" && leases.push(answer.lease))
            )
        }
        const { provider } = yield* leased(withoutState(yield* broker), watched, { lease })
        const calling: ReadonlyArray<
          (held: QueueSession.QueueSession) => Effect.Effect<void, QueueError.QueueError>
        > = [
          ({ renewLock }) => Effect.asVoid(renewLock),
          ({ state }) => Effect.asVoid(state),
          (held) => held.setState(Option.none())
        ]
        for (const [index, call] of calling.entries()) {
          yield* send(provider, "A", [`a${index}`])
          const scope = yield* Scope.make()
          const held = yield* Scope.provide(granted(provider, "A"), scope)
          // Somebody with another clock has it by now.
          yield* Effect.forEach(leases, (one) => store.release(one))
          yield* Effect.flip(call(held))
          assert.deepStrictEqual(yield* lost, [["taken", index + 1]])
          yield* Scope.close(scope, Exit.void)
        }
        assert.deepStrictEqual(yield* shown("acquired"), [3])
        assert.deepStrictEqual(yield* shown("released"), [])
      })
    )
  )

  it.effect("R4.3 R9.1 one whose session the broker took back is lost by the broker", () =>
    measured(
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make()
        const { provider } = yield* leased(yield* broker, store, { lease: "2 minutes" })
        yield* send(provider, "A", ["a1", "a2"])
        const held = yield* granted(provider, "A")
        yield* TestClock.adjust(World.lockDuration)
        yield* TestClock.adjust("1 second")
        yield* Effect.flip(take(held))
        assert.deepStrictEqual(yield* lost, [["broker", 1]])
        yield* Effect.flip(held.renewLock)
        assert.deepStrictEqual(yield* lost, [["broker", 1]])
        assert.deepStrictEqual(yield* shown("released"), [])
      })
    )
  )

  it.effect("R9.1 a store that is down shows by operation and by the reason", () =>
    measured(
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make()
        const isDown = { now: true }
        const failing: SessionStore.Service = {
          ...store,
          acquire: (request) =>
            Effect.suspend(() => (isDown.now ? Effect.fail(down) : store.acquire(request))),
          renew: (one, duration) =>
            Effect.suspend(() => (isDown.now ? Effect.fail(down) : store.renew(one, duration)))
        }
        const { provider } = yield* leased(yield* broker, failing, { lease })
        yield* send(provider, "A", ["a1"])
        yield* Effect.flip(accept(provider, "A"))
        isDown.now = false
        const held = yield* granted(provider, "A")
        isDown.now = true
        yield* Effect.flip(held.renewLock)
        assert.deepStrictEqual(yield* calls, [
          "acquire ConnectionFailed 1",
          "acquire 1",
          "renew ConnectionFailed 1"
        ])
        assert.deepStrictEqual(yield* lost, [])
      })
    )
  )
})
