import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { mkdtempDisposableSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { DatabaseSync } from "node:sqlite"
import { TestClock } from "effect/testing"
import * as IdempotencyStore from "../src/IdempotencyStore.ts"
import * as QueueError from "../src/QueueError.ts"
import * as SqlIdempotencyStore from "../src/SqlIdempotencyStore.ts"

const lease = Duration.seconds(30)
const timeToLive = Duration.hours(1)

const sqlOf = (database: DatabaseSync): SqlIdempotencyStore.Sql => ({
  dialect: "sqlite",
  query: (statement, parameters) =>
    Effect.try({
      try: () => database.prepare(statement).all(...parameters),
      catch: (cause) =>
        QueueError.make(new QueueError.ProviderFailure({ provider: "sqlite", code: "SQLITE" }), {
          cause
        })
    })
})

const opened = (path = ":memory:") =>
  Effect.acquireRelease(
    Effect.sync(() => new DatabaseSync(path)),
    (one) => Effect.sync(() => one.close())
  )

const tabled = (database: DatabaseSync) =>
  Effect.andThen(
    SqlIdempotencyStore.createTable(sqlOf(database)),
    SqlIdempotencyStore.make(sqlOf(database))
  )

/** A database that answers what the test says, and remembers what it was asked. */
const scripted = (answers: ReadonlyArray<ReadonlyArray<unknown>>) => {
  const asked: Array<readonly [string, ReadonlyArray<string | number>]> = []
  const sql: SqlIdempotencyStore.Sql = {
    dialect: "postgres",
    query: (statement, parameters) =>
      Effect.sync(() => {
        asked.push([statement, parameters])
        return answers[asked.length - 1] ?? []
      })
  }
  return { asked, sql }
}

// What every store does is in the contract, which runs on this one too.
describe("SqlIdempotencyStore", () => {
  it.effect("R5.7 a lease is renewed and given up by its holder alone", () =>
    Effect.gen(function* () {
      const store = yield* tabled(yield* opened())
      const late = yield* store.claim("a", lease)
      assert(late._tag === "Claimed")
      yield* TestClock.adjust("20 seconds")
      const renewed = yield* store.renew("a", late.token, lease)
      assert.strictEqual(renewed.epochMilliseconds, 50_000)
      yield* TestClock.adjust(lease)
      const lapsed = yield* Effect.flip(store.renew("a", late.token, lease))
      assert.strictEqual(lapsed.reason._tag, "ReceiptExpired")
      const holder = yield* store.claim("a", lease)
      assert(holder._tag === "Claimed")
      const stolen = yield* Effect.flip(store.complete("a", late.token, timeToLive))
      assert.strictEqual(stolen.reason._tag, "ReceiptExpired")
      yield* store.release("a", late.token)
      assert.strictEqual((yield* store.claim("a", lease))._tag, "Busy")
      yield* store.complete("a", holder.token, timeToLive)
      yield* store.release("a", holder.token)
      assert.strictEqual((yield* store.claim("a", lease))._tag, "Done")
      const gone = yield* Effect.flip(store.complete("unknown", "token", timeToLive))
      assert.strictEqual(gone.reason._tag, "ReceiptExpired")
      yield* store.release("unknown", "token")
    })
  )

  it.effect("R5.7 what is done stays done for another process on the same file", () =>
    Effect.gen(function* () {
      const folder = yield* Effect.acquireDisposable(
        Effect.sync(() => mkdtempDisposableSync(join(tmpdir(), "idempotency-")))
      )
      const path = join(folder.path, "store.db")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const sql = sqlOf(yield* opened(path))
          yield* SqlIdempotencyStore.createTable(sql)
          const store = yield* SqlIdempotencyStore.make(sql)
          const claim = yield* store.claim("a", lease)
          assert(claim._tag === "Claimed")
          yield* store.complete("a", claim.token, timeToLive)
        })
      )
      const again = SqlIdempotencyStore.layer(sqlOf(yield* opened(path)))
      const claim = IdempotencyStore.IdempotencyStore.use((store) => store.claim("a", lease))
      assert.strictEqual((yield* Effect.provide(claim, again))._tag, "Done")
    })
  )

  it.effect("R5.7 what is over is removed when somebody asks for it", () =>
    Effect.gen(function* () {
      const database = yield* opened()
      const sql = sqlOf(database)
      const options = { table: "mine" }
      yield* SqlIdempotencyStore.createTable(sql, options)
      const store = yield* SqlIdempotencyStore.make(sql, options)
      for (const key of ["a", "b"]) yield* store.claim(key, lease)
      yield* TestClock.adjust(lease)
      yield* store.claim("c", lease)
      assert.strictEqual(yield* SqlIdempotencyStore.removeExpired(sql, options), 2)
      assert.deepStrictEqual(
        database
          .prepare("SELECT key FROM mine")
          .all()
          .map(({ key }) => key),
        ["c"]
      )
    })
  )

  it.effect("R5.7 PostgreSQL is asked in its own words, and its text for a number is read", () =>
    Effect.gen(function* () {
      const { asked, sql } = scripted([[], [{ done: "0", until_millis: "30000" }]])
      const store = yield* SqlIdempotencyStore.make(sql)
      const claim = yield* store.claim("a", lease)
      assert(claim._tag === "Busy")
      assert.strictEqual(claim.until.epochMilliseconds, 30_000)
      assert.include(asked[0]?.[0], "VALUES ($1, $2, 0, $3) ON CONFLICT (key)")
      assert.deepStrictEqual(asked[1]?.[1], ["a"])
    })
  )

  it.effect("R5.7 a key that was given up while it was looked at is asked for again at once", () =>
    Effect.gen(function* () {
      const store = yield* SqlIdempotencyStore.make(scripted([[], []]).sql)
      yield* TestClock.adjust("1 minute")
      const claim = yield* store.claim("a", lease)
      assert(claim._tag === "Busy")
      assert.strictEqual(claim.until.epochMilliseconds, 60_000)
    })
  )

  it.effect("R2.3 a row of something else is an error that does not show it", () =>
    Effect.gen(function* () {
      const { sql } = scripted([[], [{ done: "secret" }]])
      const store = yield* SqlIdempotencyStore.make(sql)
      const error = yield* Effect.flip(store.claim("a", lease))
      assert.strictEqual(error.reason._tag, "SerializationFailed")
      assert.notInclude(error.message, "secret")
    })
  )

  it.effect("R5.7 an error of the database is the caller's", () =>
    Effect.gen(function* () {
      const store = yield* SqlIdempotencyStore.make(sqlOf(yield* opened()))
      const error = yield* Effect.flip(store.claim("a", lease))
      assert.strictEqual(error.reason._tag, "ProviderFailure")
    })
  )

  it.effect("R10.1 a table's name is letters, digits and _", () =>
    Effect.gen(function* () {
      const { asked, sql } = scripted([])
      for (const table of ["", "a b", "a;DROP TABLE b", "1a", "a".repeat(64)]) {
        for (const call of [
          SqlIdempotencyStore.make(sql, { table }),
          SqlIdempotencyStore.createTable(sql, { table }),
          SqlIdempotencyStore.removeExpired(sql, { table })
        ]) {
          assert.strictEqual((yield* Effect.flip(call)).reason._tag, "ValidationFailed")
        }
      }
      assert.deepStrictEqual(asked, [])
    })
  )
})
