/**
 * An idempotency store in a table that every worker shares: SQLite from 3.35, PostgreSQL from 9.5.
 *
 * **Details**
 *
 * It knows no driver. {@link Sql} is one function, four lines over any of them; each call of the store is
 * one statement that the database makes atomic, or for a claim that is refused one more that reads why.
 *
 * An application that keeps its own data in the same database may write its effect and `complete` in one
 * transaction, and then nothing is done twice: hand in a `query` that runs inside of it.
 *
 * **Gotchas**
 *
 * Nothing runs in the background. {@link removeExpired} is for a job that the application starts when it
 * likes; without it the table grows, and all else works.
 *
 * **Source** ADR 0010
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as IdempotencyStore from "./IdempotencyStore.ts"
import * as MessageId from "./MessageId.ts"
import * as QueueError from "./QueueError.ts"

/**
 * A connection, or a pool of them.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Sql {
  /** How parameters are written: `?1` or `$1`. */
  readonly dialect: "sqlite" | "postgres"
  /** Runs one statement; answers the rows it returns. A failure that may pass is transient. */
  readonly query: (
    statement: string,
    parameters: ReadonlyArray<string | number>
  ) => Effect.Effect<ReadonlyArray<unknown>, QueueError.QueueError>
}

/**
 * Which table.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Letters, digits and `_`. Default: `queue_runtime_idempotency`. */
  readonly table?: string
}

const tableDefault = "queue_runtime_idempotency"

const tablePattern = /^[A-Za-z_]\w{0,62}$/u

/** A driver may answer a BIGINT as text. */
const Row = Schema.Struct({
  done: Schema.Union([Schema.Number, Schema.NumberFromString]),
  until_millis: Schema.Union([Schema.Number, Schema.NumberFromString])
})

const decodeRow = Schema.decodeUnknownEffect(Row)

/** What is wrong with the rows; never what is in them. */
const unreadable = QueueError.make(
  new QueueError.SerializationFailed({
    direction: "decode",
    detail: "a row of the idempotency table is not one of this library"
  })
)

const expired = () => QueueError.make(new QueueError.ReceiptExpired())

const prepared = Effect.fnUntraced(function* (
  sql: Sql,
  options: Options
): Effect.fn.Return<
  {
    readonly table: string
    readonly query: Sql["query"]
  },
  QueueError.QueueError
> {
  const table = options.table ?? tableDefault
  if (!tablePattern.test(table)) {
    return yield* Effect.fail(
      QueueError.validationFailed("table", "must be letters, digits and _, at most 63 of them")
    )
  }
  return {
    table,
    query: (statement, parameters) =>
      sql.query(
        sql.dialect === "postgres" ? statement : statement.replaceAll(/\$(\d)/gu, "?$1"),
        parameters
      )
  }
})

/**
 * Makes the table, if it is not there.
 *
 * **Errors** ValidationFailed for its name, and those of the database
 *
 * @category operations
 * @since 0.1.0
 */
export const createTable = Effect.fnUntraced(function* (sql: Sql, options: Options = {}) {
  const { query, table } = yield* prepared(sql, options)
  yield* query(
    `CREATE TABLE IF NOT EXISTS ${table} (` +
      "key TEXT PRIMARY KEY, token TEXT NOT NULL, " +
      "done INTEGER NOT NULL, until_millis BIGINT NOT NULL)",
    []
  )
  yield* query(`CREATE INDEX IF NOT EXISTS ${table}_until ON ${table} (until_millis)`, [])
})

/**
 * Removes what is over; answers how many keys that were.
 *
 * **Errors** ValidationFailed for the table's name, and those of the database
 *
 * @category operations
 * @since 0.1.0
 */
export const removeExpired = Effect.fnUntraced(function* (sql: Sql, options: Options = {}) {
  const { query, table } = yield* prepared(sql, options)
  const now = yield* Clock.currentTimeMillis
  const rows = yield* query(`DELETE FROM ${table} WHERE until_millis <= $1 RETURNING key`, [now])
  return rows.length
})

/**
 * The store over a table that is there.
 *
 * **Errors** ValidationFailed for the table's name
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  sql: Sql,
  options: Options = {}
): Effect.fn.Return<IdempotencyStore.Service, QueueError.QueueError> {
  const { query, table } = yield* prepared(sql, options)

  /** Why a claim was refused. A key that is free by now was busy a moment ago. */
  const refused = Effect.fnUntraced(function* (
    key: string,
    now: number
  ): Effect.fn.Return<IdempotencyStore.Claim, QueueError.QueueError> {
    const [row] = yield* query(`SELECT done, until_millis FROM ${table} WHERE key = $1`, [key])
    if (row === undefined) return { _tag: "Busy", until: DateTime.makeUnsafe(now) }
    const { done, until_millis } = yield* Effect.mapError(decodeRow(row), () => unreadable)
    return done === 1
      ? { _tag: "Done" }
      : { _tag: "Busy", until: DateTime.makeUnsafe(until_millis) }
  })

  return {
    claim: Effect.fnUntraced(function* (key, lease) {
      const now = yield* Clock.currentTimeMillis
      const until = now + Duration.toMillis(lease)
      const token = yield* MessageId.generate
      const taken = yield* query(
        `INSERT INTO ${table} (key, token, done, until_millis) VALUES ($1, $2, 0, $3) ` +
          "ON CONFLICT (key) DO UPDATE " +
          "SET token = excluded.token, done = 0, until_millis = excluded.until_millis " +
          `WHERE ${table}.until_millis <= $4 RETURNING key`,
        [key, token, until, now]
      )
      return taken.length > 0
        ? { _tag: "Claimed", token, until: DateTime.makeUnsafe(until) }
        : yield* refused(key, now)
    }),
    renew: Effect.fnUntraced(function* (key, token, lease) {
      const now = yield* Clock.currentTimeMillis
      const until = now + Duration.toMillis(lease)
      const kept = yield* query(
        `UPDATE ${table} SET until_millis = $1 ` +
          "WHERE key = $2 AND token = $3 AND done = 0 AND until_millis > $4 RETURNING key",
        [until, key, token, now]
      )
      return kept.length > 0 ? DateTime.makeUnsafe(until) : yield* Effect.fail(expired())
    }),
    complete: Effect.fnUntraced(function* (key, token, timeToLive) {
      const until = (yield* Clock.currentTimeMillis) + Duration.toMillis(timeToLive)
      const done = yield* query(
        `UPDATE ${table} SET done = 1, until_millis = $1 ` +
          "WHERE key = $2 AND token = $3 AND done = 0 RETURNING key",
        [until, key, token]
      )
      if (done.length === 0) return yield* Effect.fail(expired())
    }),
    release: (key, token) =>
      Effect.asVoid(
        query(`DELETE FROM ${table} WHERE key = $1 AND token = $2 AND done = 0 RETURNING key`, [
          key,
          token
        ])
      )
  }
})

/**
 * The store as a layer, which makes its table first.
 *
 * **Errors** as {@link createTable}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  sql: Sql,
  options: Options = {}
): Layer.Layer<IdempotencyStore.IdempotencyStore, QueueError.QueueError> =>
  Layer.effect(
    IdempotencyStore.IdempotencyStore,
    Effect.andThen(createTable(sql, options), make(sql, options))
  )
