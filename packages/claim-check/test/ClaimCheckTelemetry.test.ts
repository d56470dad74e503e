import { assert, describe, it } from "@effect/vitest"
import { BlobStore, Defaults, Verdict } from "@queue-runtime/core"
import { Effect, Fiber, Metric } from "effect"
import { TestClock } from "effect/testing"
import { ClaimCheck } from "../src/index.ts"
import * as World from "./support/world.ts"

const { address, all, claimOf, dead, down, large, message, orders, receiptsOf, textMessage } = World

/** With metrics of its own. */
const measured = <A, E, R>(test: Effect.Effect<A, E, R>): Effect.Effect<A, E, R> =>
  Effect.provideService(test, Metric.MetricRegistry, new Map())

const about = { "messaging.system": "memory", "messaging.destination.name": orders }

const doing = (operation: string, own: Readonly<Record<string, string>> = {}) => ({
  ...about,
  "queue_runtime.claim_check.operation": operation,
  ...own
})

/** The series of one metric, with what was counted. */
const series = (name: string) =>
  Effect.map(Metric.snapshot, (metrics) =>
    metrics.flatMap(({ attributes, id, state }) =>
      id === `queue_runtime.claim_check.${name}` ? [{ attributes, state }] : []
    )
  )

const counts = (name: string) =>
  Effect.map(series(name), (found) =>
    found.map(
      ({ attributes = {}, state }) =>
        [attributes, "count" in state ? state.count : undefined] as const
    )
  )

const seconds = { unit: "s" }

describe("ClaimCheck: what is measured", () => {
  it.effect("R9.1 each call to the store is timed, and the bytes that go through it counted", () =>
    measured(
      Effect.gen(function* () {
        const world = yield* World.make({
          before: (store) => ({
            ...store,
            put: (key, body, options) => Effect.delay(store.put(key, body, options), "2 seconds"),
            get: (key) => Effect.delay(store.get(key), "1 second")
          })
        })
        const one = yield* Effect.forkChild(
          Effect.gen(function* () {
            yield* world.claimed.send(orders, [message(large), message(1, "m-2")])
            const received = yield* world.claimed.receive(address, all)
            yield* world.claimed.settle(receiptsOf(received), Verdict.complete)
          })
        )
        yield* TestClock.adjust("3 seconds")
        yield* Fiber.join(one)
        const duration = yield* series("duration")
        assert.deepStrictEqual(
          duration.map(({ attributes }) => attributes),
          ["list", "put", "get", "delete"].map((operation) => doing(operation, seconds))
        )
        const [, put, got, deleted] = duration.map(({ state }) => state)
        assert.deepInclude(put, { count: 1, sum: 2 })
        assert.deepInclude(got, { count: 1, sum: 1 })
        assert.deepInclude(deleted, { count: 1, sum: 0 })
        const sizes = yield* series("body.size")
        assert.deepStrictEqual(
          sizes.map(({ attributes }) => attributes),
          ["put", "get"].map((operation) => doing(operation, { unit: "By" }))
        )
        for (const { state } of sizes) assert.deepInclude(state, { count: 1, sum: large })
        assert.deepStrictEqual(yield* counts("rejected"), [])
      })
    )
  )

  it.effect("R9.1 a store that is down shows by operation and by the reason", () =>
    measured(
      Effect.gen(function* () {
        const isDown = { now: false }
        const world = yield* World.make({
          queue: { deduplicationWindow: 0 },
          before: World.failing(isDown, "get", "put", "delete")
        })
        yield* world.claimed.send(orders, [message(large)])
        const received = yield* world.claimed.receive(address, all)
        isDown.now = true
        yield* world.claimed.settle(receiptsOf(received), Verdict.complete)
        yield* Effect.ignore(world.claimed.send(orders, [message(large, "m-2")]))
        yield* World.turns
        yield* world.raw.send(orders, [
          textMessage(claimOf("queue-runtime/orders/x", Uint8Array.of(1)), "m-3")
        ])
        assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
        const failed = { "error.type": "ConnectionFailed", ...seconds }
        const failures = (yield* counts("duration")).filter(([attributes]) =>
          Object.hasOwn(attributes, "error.type")
        )
        // The put that failed is of a key of its own: it is deleted, which fails as well.
        assert.deepStrictEqual(failures, [
          [doing("delete", failed), 2],
          [doing("put", failed), 1],
          [doing("get", failed), 1]
        ])
        // They come again: none of them is put aside.
        assert.deepStrictEqual(yield* counts("rejected"), [])
      })
    )
  )

  it.effect(
    "R9.1 messages without their bodies are counted by why, once, and not when looked at",
    () =>
      measured(
        Effect.gen(function* () {
          const world = yield* World.make()
          const gone = claimOf("queue-runtime/orders/gone", Uint8Array.of(1))
          yield* world.store.put("queue-runtime/orders/other", Uint8Array.of(2))
          yield* world.raw.send(orders, [
            textMessage(gone, "m-1"),
            textMessage(claimOf("queue-runtime/orders/other", Uint8Array.of(1)), "m-2"),
            textMessage("QRC1 1 nonsense", "m-3"),
            textMessage("QRC1 9 of another day", "m-4")
          ])
          yield* world.claimed.peek(address, { max: 10 })
          yield* world.claimed.receive(address, all)
          const rejected = yield* counts("rejected")
          const reasons = ["BlobMissing", "BlobChanged", "ClaimInvalid", "UnsupportedVersion"]
          assert.deepStrictEqual(
            rejected,
            reasons.map((reason) => [{ ...about, "error.type": reason }, 1])
          )
          yield* world.claimed.peek(dead, { max: 10 })
          yield* world.claimed.receive(dead, all)
          assert.deepStrictEqual(yield* counts("rejected"), rejected)
        })
      )
  )

  it.effect("R9.1 a sweep counts what it removed, and what it could not", () =>
    measured(
      Effect.gen(function* () {
        const world = yield* World.make()
        for (const name of ["a", "b", "stays"]) {
          yield* world.store.put(`queue-runtime/orders/${name}`, new Uint8Array(3))
        }
        yield* TestClock.adjust(Defaults.claimCheckRetention)
        yield* TestClock.adjust("1 second")
        const { store } = world
        const failing: BlobStore.Service = {
          ...store,
          delete: (key) => (key.endsWith("stays") ? Effect.fail(down) : store.delete(key))
        }
        const sweep = (options?: ClaimCheck.SweepOptions) =>
          Effect.provideService(ClaimCheck.sweep(options), BlobStore.BlobStore, failing)
        yield* sweep({ dryRun: true })
        assert.deepStrictEqual(yield* counts("swept"), [])
        yield* sweep()
        assert.deepStrictEqual(yield* counts("swept"), [
          [{}, 2],
          [{ "error.type": "ConnectionFailed" }, 1]
        ])
      })
    )
  )

  it.effect("R9.1 no key, id or body is in any metric, and a session's are its queue's", () =>
    measured(
      Effect.gen(function* () {
        const world = yield* World.make()
        yield* world.claimed.send(World.ordered, [World.inSession(large, "m-secret")])
        const session = yield* World.accept(world.claimed)
        const [received] = yield* session.receive(all)
        assert.strictEqual(received?.body.byteLength, large)
        yield* session.settle(
          receiptsOf(received === undefined ? [] : [received]),
          Verdict.complete
        )
        const written = yield* Metric.snapshot
        const own = written.filter(({ id }) => id.startsWith("queue_runtime.claim_check."))
        assert.isNotEmpty(own)
        for (const { attributes } of own) {
          assert.strictEqual(attributes?.["messaging.destination.name"], World.ordered)
        }
        const text = JSON.stringify(own.map(({ attributes }) => attributes))
        for (const hidden of [...world.puts, "m-secret", World.session]) {
          assert.notInclude(text, hidden)
        }
      }).pipe(Effect.scoped)
    )
  )
})
