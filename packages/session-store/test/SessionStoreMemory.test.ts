import { assert, describe, it } from "@effect/vitest"
import { SessionStoreContract, Time } from "@queue-runtime/contract-tests"
import { QueueName, SessionId, type SessionStore } from "@queue-runtime/core"
import { Duration, Effect, Option } from "effect"
import { TestClock } from "effect/testing"
import { SessionStoreMemory } from "../src/index.ts"

const memory: SessionStoreContract.Harness = {
  name: "memory",
  time: Time.virtual,
  open: Effect.map(SessionStoreMemory.make(), (store) => ({ connect: Effect.succeed(store) }))
}

const request = (id: string): SessionStore.Request => ({
  queue: QueueName.makeUnsafe("orders"),
  sessionId: SessionId.makeUnsafe(id),
  holder: "worker-1",
  duration: Duration.seconds(30)
})

const granted = (store: SessionStore.Service, id: string) =>
  Effect.map(store.acquire(request(id)), (answer) => {
    if (answer._tag === "Held") return assert.fail(`${id} is held`)
    return answer.lease
  })

describe("SessionStoreMemory", () => {
  SessionStoreContract.suite(it, memory)

  it.effect(
    "R10.7 a full store refuses a session more, and takes the place of one that ran out",
    () =>
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make({ sessionsMax: 2 })
        yield* granted(store, "a")
        const b = yield* granted(store, "b")
        const error = yield* Effect.flip(store.acquire(request("c")))
        assert.strictEqual(error.reason._tag, "QuotaExceeded")
        assert.strictEqual(error.retry, "Transient")
        yield* store.writeState(b, Option.some(Uint8Array.of(1)))
        yield* TestClock.adjust("30 seconds")
        // That of a, since b has a state.
        const c = yield* granted(store, "c")
        assert.strictEqual(
          (yield* Effect.flip(store.acquire(request("a")))).reason._tag,
          "QuotaExceeded"
        )
        yield* store.release(c)
        yield* granted(store, "a")
      })
  )

  it.effect("R10.7 the bytes of all states are bounded, and come back when one is removed", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make({ bytesMax: 10, stateSizeMax: 8 })
      const a = yield* granted(store, "a")
      const b = yield* granted(store, "b")
      yield* store.writeState(a, Option.some(new Uint8Array(8)))
      const write = store.writeState(b, Option.some(new Uint8Array(3)))
      assert.strictEqual((yield* Effect.flip(write)).reason._tag, "QuotaExceeded")
      yield* store.writeState(a, Option.some(new Uint8Array(7)))
      yield* write
      yield* store.writeState(a, Option.none())
      yield* store.writeState(b, Option.some(new Uint8Array(8)))
    })
  )

  it.effect("R4.4 tokens rise even over what was forgotten", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make({ sessionsMax: 1 })
      const first = yield* granted(store, "a")
      yield* store.release(first)
      yield* store.release(yield* granted(store, "b"))
      assert.isAbove((yield* granted(store, "a")).token, first.token)
    })
  )

  it.effect("R10.1 a bound below 1 is ValidationFailed", () =>
    Effect.gen(function* () {
      for (const options of [{ sessionsMax: 0 }, { bytesMax: 0.5 }, { stateSizeMax: -1 }]) {
        const error = yield* Effect.flip(SessionStoreMemory.make(options))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
      }
    })
  )
})
