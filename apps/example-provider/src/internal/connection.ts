import type * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import { type Capabilities, QueueError } from "@queue-runtime/core"
import type * as SqliteConfig from "../SqliteConfig.ts"
import * as capabilities from "./capabilities.ts"
import type { Database } from "./database.ts"
import * as due from "./due.ts"
import * as errors from "./errors.ts"
import * as rows from "./rows.ts"
import * as sessions from "./sessions.ts"
import { Room } from "./waiting.ts"

/** One provider on a connection: what it holds and waits for ends with it. */
export class Link {
  closed = false
  readonly holds = new Map<sessions.Hold, string>()
}

type Move<A> = (
  database: Database,
  queue: rows.Queue,
  now: number
) => Result.Result<A, QueueError.Reason>

const selectQueue = "SELECT * FROM queue WHERE name = ?"

/** A handle on the file with all who work through it. */
export class Connection {
  readonly database: Database
  readonly room: Room
  readonly config: SqliteConfig.SqliteConfig
  readonly #clock: Clock.Clock
  /** Of the queues seen so far. */
  readonly #capabilities = new Map<string, Capabilities.Capabilities>()

  constructor(
    database: Database,
    config: SqliteConfig.SqliteConfig,
    clock: Clock.Clock,
    run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  ) {
    this.database = database
    this.config = config
    this.#clock = clock
    let alarm: Fiber.Fiber<void> | undefined
    this.room = new Room({
      now: () => this.now(),
      catchUp: (queue) => this.#catchUp(queue),
      version: () => Result.getOrUndefined(Result.try(() => database.version())),
      pollMillis: Duration.toMillis(config.pollInterval),
      setAlarm: (millis) => {
        const sleep = clock.sleep(Duration.millis(millis))
        alarm = run(Effect.flatMap(sleep, () => Effect.sync(() => this.room.ring())))
      },
      clearAlarm: () => alarm?.interruptUnsafe()
    })
  }

  now(): number {
    return this.#clock.currentTimeMillisUnsafe()
  }

  capabilitiesOf(queue: string): Capabilities.Capabilities {
    return this.#capabilities.get(queue) ?? capabilities.unknown
  }

  /** Knows what every queue can do that is there. */
  readQueues(): Result.Result<void, QueueError.QueueError> {
    return this.transact("connect", undefined, (database) => {
      for (const row of database.all("SELECT * FROM queue")) this.#remember(rows.toQueue(row))
      return Result.succeed(undefined)
    })
  }

  #remember(queue: rows.Queue): rows.Queue {
    this.#capabilities.set(queue.name, capabilities.ofStored(queue))
    return queue
  }

  /** One transaction, whatever queues it is on. Then those who wait are served. */
  transact<A>(
    operation: string,
    queue: string | undefined,
    f: (database: Database, now: number) => Result.Result<A, QueueError.Reason>
  ): Result.Result<A, QueueError.QueueError> {
    const { busyTimeout } = this.config
    const done = Result.try({
      try: () => this.database.transaction(() => f(this.database, this.now())),
      catch: (thrown) => errors.fromThrown(thrown, operation, queue, busyTimeout)
    })
    this.room.changed()
    return Result.flatMap(done, (result) =>
      Result.mapError(result, (reason) => errors.error(reason, operation, queue))
    )
  }

  /** The queue of this name inside a transaction, after what is due there has happened. */
  open(name: string, now: number): Result.Result<rows.Queue, QueueError.Reason> {
    const row = this.database.get(selectQueue, name)
    if (row === undefined) {
      this.#capabilities.delete(name)
      return Result.fail(new QueueError.QueueNotFound({ queue: name }))
    }
    const queue = this.#remember(rows.toQueue(row))
    due.happen(this.database, queue, now)
    return Result.succeed(queue)
  }

  /** One transaction on one queue. */
  turn<A>(operation: string, name: string, move: Move<A>): Result.Result<A, QueueError.QueueError> {
    return this.transact(operation, name, (database, now) =>
      Result.flatMap(this.open(name, now), (queue) => move(database, queue, now))
    )
  }

  /** When the next thing is due in the queue, after what is due has happened; an error is for others. */
  #catchUp(name: string): number {
    const next = this.turn("receive", name, (database, queue) =>
      Result.succeed(due.next(database, queue.id))
    )
    return Result.getOrElse(next, () => Infinity)
  }

  /** Ends what a provider holds and waits for. */
  close(link: Link): void {
    link.closed = true
    this.room.close(link, errors.closed("receive"))
    for (const [hold, name] of link.holds) {
      // What cannot be released now is free when its lock runs out.
      this.turn("close", name, (database, queue, now) =>
        Result.succeed(sessions.release(database, queue, hold, now))
      )
    }
    link.holds.clear()
  }
}

/** A connection whose alarm ends with the scope. */
export const make = Effect.fnUntraced(function* (
  database: Database,
  config: SqliteConfig.SqliteConfig,
  clock: Clock.Clock
): Effect.fn.Return<Connection, never, Scope.Scope> {
  const handle = yield* FiberHandle.make<void, never>()
  const run = yield* FiberHandle.runtime(handle)()
  return new Connection(database, config, clock, run)
})
