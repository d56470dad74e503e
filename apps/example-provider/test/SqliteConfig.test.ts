import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Defaults, type QueueError } from "@queue-runtime/core"
import { SqliteConfig } from "../src/index.ts"

/** Which option, and its rule. */
const problem = <A>(made: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.map(Effect.flip(made), ({ reason }) => reason.message)

describe("SqliteConfig", () => {
  it.effect("R10.1 what is left out has its default", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* SqliteConfig.make({ path: "queues.db" }), {
        path: "queues.db",
        synchronous: "full",
        busyTimeout: SqliteConfig.busyTimeout,
        pollInterval: SqliteConfig.pollInterval
      })
      assert.deepStrictEqual(yield* SqliteConfig.makeQueue({}), {
        sessions: false,
        deliveriesMax: Defaults.deliveriesMax,
        lockDuration: SqliteConfig.lockDuration,
        deduplication: false
      })
    })
  )

  it.effect("R10.1 a duration is given as one, as text or in milliseconds", () =>
    Effect.gen(function* () {
      for (const lockDuration of [Duration.seconds(90), "90 seconds", 90_000] as const) {
        const config = yield* SqliteConfig.makeQueue({ lockDuration })
        assert.strictEqual(Duration.toMillis(config.lockDuration), 90_000)
      }
    })
  )

  it.effect("R10.1 a bad value and a misspelt option are named with their rule", () =>
    Effect.gen(function* () {
      const path = "queues.db"
      assert.match(yield* problem(SqliteConfig.make({ path: "" })), /^path: /u)
      assert.strictEqual(
        yield* problem(SqliteConfig.make({ path, pollInterval: 0 })),
        "pollInterval: must be a finite duration above zero"
      )
      assert.strictEqual(
        yield* problem(SqliteConfig.make({ path, busyTimeout: Duration.infinity })),
        "busyTimeout: must be a finite duration above zero"
      )
      const misspelt = { path, pollIntervall: 1 }
      assert.match(yield* problem(SqliteConfig.make(misspelt)), /^pollIntervall: /u)
      assert.match(
        yield* problem(SqliteConfig.makeQueue({ deliveriesMax: 0 })),
        /^deliveriesMax: /u
      )
      const endless = { lockDuration: "for ever" }
      assert.match(yield* problem(SqliteConfig.makeQueue(endless)), /^lockDuration: /u)
    })
  )
})
