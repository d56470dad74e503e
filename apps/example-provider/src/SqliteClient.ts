/**
 * A connection to a file of queues: one handle of `node:sqlite`, closed with its scope. Every process,
 * and every client in a process, has its own; SQLite lets one of them write at a time.
 *
 * **Details**
 *
 * A call is one transaction, and it is answered when that is committed. It blocks the thread for the
 * microseconds it takes, or, while another process writes, up to `busyTimeout`.
 *
 * Time is the `Clock` the client was built with. Nothing runs in the background: what is due happens with
 * the next call on its queue, by any process.
 *
 * **Gotchas** Node 22 prints an ExperimentalWarning when `node:sqlite` is loaded; an application that
 * minds starts with `--disable-warning=ExperimentalWarning`.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { DatabaseSync } from "node:sqlite"
import { QueueError, type QueueName } from "@queue-runtime/core"
import * as connection from "./internal/connection.ts"
import { Database } from "./internal/database.ts"
import * as errors from "./internal/errors.ts"
import * as schema from "./internal/schema.ts"
import * as SqliteConfig from "./SqliteConfig.ts"

/**
 * The connection itself, for the provider. Its inside may change with any version.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection = connection.Connection

/**
 * The methods of a client.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /**
   * Makes a queue; one that is there with the same options is left as it is. This is for operators and
   * tests: a provider makes none.
   *
   * **Errors** ConfigurationInvalid for a bad option, and for a queue that is there with other options
   */
  readonly createQueue: (
    name: QueueName.QueueName,
    options?: SqliteConfig.QueueOptions
  ) => Effect.Effect<void, QueueError.QueueError>
  /**
   * Deletes a queue with all it holds.
   *
   * **Errors** QueueNotFound
   */
  readonly deleteQueue: (name: QueueName.QueueName) => Effect.Effect<void, QueueError.QueueError>
  /**
   * Works on the handle, for what nothing else offers: a backup, a count.
   *
   * **Errors** as those of every call: what `node:sqlite` throws is mapped
   */
  readonly use: <A>(f: (handle: DatabaseSync) => A) => Effect.Effect<A, QueueError.QueueError>
  readonly connection: Connection
}

/**
 * The client's tag.
 *
 * @category services
 * @since 0.1.0
 */
export class SqliteClient extends Context.Service<SqliteClient, Service>()(
  "@queue-runtime/example-provider/SqliteClient"
) {}

const otherVersion = QueueError.configurationInvalid(
  "path",
  `the file holds no queues of version ${schema.version}: it was written by something else`
)

/** Makes the tables of a new file; the file of another version, or of another program, is refused. */
const prepare = (
  database: Database,
  { busyTimeout, synchronous }: SqliteConfig.SqliteConfig
): boolean => {
  const { handle } = database
  handle.exec(`PRAGMA busy_timeout = ${Math.ceil(Duration.toMillis(busyTimeout))}`)
  // Readers do not wait for the writer, and a commit is one write at the end of a file.
  handle.exec("PRAGMA journal_mode = WAL")
  handle.exec(`PRAGMA synchronous = ${synchronous === "full" ? "FULL" : "NORMAL"}`)
  return database.transaction(() => {
    const found = database.number("PRAGMA user_version")
    const isEmpty = database.number("SELECT count(*) FROM sqlite_schema") === 0
    if (found === 0 && isEmpty) handle.exec(schema.tables)
    return found === schema.version || isEmpty
  })
}

const open = Effect.fnUntraced(function* (
  config: SqliteConfig.SqliteConfig
): Effect.fn.Return<Database, QueueError.QueueError, Scope.Scope> {
  const thrown = (error: unknown) =>
    errors.fromThrown(error, "connect", undefined, config.busyTimeout)
  const handle = yield* Effect.acquireRelease(
    Effect.try({ try: () => new DatabaseSync(config.path), catch: thrown }),
    (one) => Effect.sync(() => one.close())
  )
  const database = new Database(handle)
  const isOurs = yield* Effect.try({ try: () => prepare(database, config), catch: thrown })
  return isOurs ? database : yield* Effect.fail(otherVersion)
})

const store = (
  database: Database,
  name: QueueName.QueueName,
  config: SqliteConfig.QueueConfig
): Result.Result<void, QueueError.Reason> => {
  const wanted = {
    sessions: config.sessions ? 1 : 0,
    deliveriesMax: config.deliveriesMax,
    lockMillis: Math.ceil(Duration.toMillis(config.lockDuration)),
    deduplication: config.deduplication ? 1 : 0
  }
  const values = Object.values(wanted)
  database.run(
    `INSERT OR IGNORE INTO queue (name, sessions, deliveriesMax, lockMillis, deduplication)
     VALUES (?, ?, ?, ?, ?)`,
    name,
    ...values
  )
  const same = `SELECT 1 FROM queue WHERE name = ?
    AND sessions = ? AND deliveriesMax = ? AND lockMillis = ? AND deduplication = ?`
  if (database.get(same, name, ...values) !== undefined) return Result.succeed(undefined)
  const problem = "is there with other options"
  return Result.fail(new QueueError.ConfigurationInvalid({ key: `queues.${name}`, problem }))
}

const makeService = (made: Connection): Service => ({
  createQueue: (name, options = {}) =>
    Effect.flatMap(SqliteConfig.makeQueue(options), (config) =>
      Effect.fromResult(
        made.transact("createQueue", name, (database, now) =>
          Result.flatMap(store(database, name, config), () =>
            Result.map(made.open(name, now), () => undefined)
          )
        )
      )
    ),
  deleteQueue: (name) =>
    Effect.suspend(() =>
      Effect.fromResult(
        made.turn("deleteQueue", name, (database, queue) => {
          database.run("DELETE FROM queue WHERE id = ?", queue.id)
          return Result.succeed(undefined)
        })
      )
    ),
  use: (f) =>
    Effect.try({
      try: () => f(made.database.handle),
      catch: (thrown) => errors.fromThrown(thrown, "use", undefined, made.config.busyTimeout)
    }),
  connection: made
})

/**
 * A client of these options, closed with its scope.
 *
 * **Errors** ConfigurationInvalid for a bad option and for a file of something else; what opening the
 * file comes to
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: SqliteConfig.Options
): Effect.fn.Return<Service, QueueError.QueueError, Scope.Scope> {
  const config = yield* SqliteConfig.make(options)
  const clock = yield* Clock.Clock
  const database = yield* open(config)
  const made = yield* connection.make(database, config, clock)
  yield* Effect.fromResult(made.readQueues())
  return makeService(made)
})

/**
 * A client of these options. Every provider built on the same layer works through the same handle.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: SqliteConfig.Options
): Layer.Layer<SqliteClient, QueueError.QueueError> => Layer.effect(SqliteClient, make(options))
