import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, QueueError, SqlIdempotencyStore } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import { DatabaseSync } from "node:sqlite"
import * as IdempotencyStoreContract from "../src/IdempotencyStoreContract.ts"
import * as Time from "../src/Time.ts"

const memory: IdempotencyStoreContract.Harness = {
  name: "memory",
  time: Time.virtual,
  open: Effect.map(IdempotencyStore.makeMemory(), (store) => ({ connect: Effect.succeed(store) }))
}

/** The port over `node:sqlite`: what an application writes for its driver. */
const sqlOf = (database: DatabaseSync): SqlIdempotencyStore.Sql => ({
  dialect: "sqlite",
  query: (statement, parameters) =>
    Effect.try({
      try: () => database.prepare(statement).all(...parameters),
      catch: (cause) =>
        QueueError.make(
          new QueueError.ProviderFailure({ provider: "sqlite", code: String(cause) }),
          { cause }
        )
    })
})

const sqlite: IdempotencyStoreContract.Harness = {
  name: "sqlite",
  time: Time.virtual,
  open: Effect.gen(function* () {
    const database = yield* Effect.acquireRelease(
      Effect.sync(() => new DatabaseSync(":memory:")),
      (one) => Effect.sync(() => one.close())
    )
    const sql = sqlOf(database)
    yield* SqlIdempotencyStore.createTable(sql)
    return { connect: SqlIdempotencyStore.make(sql) }
  })
}

const { behind, rules, run, sabotages, suite } = IdempotencyStoreContract

describe("IdempotencyStoreContract: R5.7 on memory", () => {
  suite(it, memory)
})

describe("IdempotencyStoreContract: R5.7 on SQLite", () => {
  suite(it, sqlite)
})

describe("IdempotencyStoreContract: R12.2 the rules find faults", () => {
  it.each(sabotages.map((one) => [one.id, one] as const))("%s is caught", async (_, sabotage) => {
    const results = await Effect.runPromise(run(behind(memory, sabotage)))
    const failed = results.filter(({ status }) => status === "failed").map(({ id }) => id)
    assert.includeMembers(failed, [...sabotage.caughtBy])
  })

  it("every rule is one that a sabotage breaks, and its id is its own", () => {
    const caught = new Set(sabotages.flatMap(({ caughtBy }) => caughtBy))
    const ids = rules.map(({ id }) => id)
    assert.deepStrictEqual(
      ids.filter((id) => !caught.has(id)),
      []
    )
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  it("R12.1 on a clock that cannot be moved, what would take an hour is skipped", async () => {
    const time = { ...Time.virtual, passMax: Time.live.passMax }
    const results = await Effect.runPromise(run<never>({ ...memory, time }))
    const skipped = results.filter(({ status }) => status === "skipped")
    assert.deepStrictEqual(
      skipped.map(({ id, reason }) => [id, reason]),
      [["IDEM-4", "1h would have to pass"]]
    )
  })

  it.effect("R12.1 the name of a broken store says which fault it has", () =>
    Effect.sync(() => {
      const { name } = behind(memory, { id: "a-fault", transform: (store) => store })
      assert.strictEqual(name, "memory, a-fault")
    })
  )
})
