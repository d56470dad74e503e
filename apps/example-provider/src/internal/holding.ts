/** Accepting sessions, and what the holder of one can do. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  type Outcome,
  QueueError,
  type QueueName,
  type QueueProvider,
  type QueueSession
} from "@queue-runtime/core"
import * as SqliteConfig from "../SqliteConfig.ts"
import type { Connection, Link } from "./connection.ts"
import type { Database } from "./database.ts"
import * as errors from "./errors.ts"
import * as receiving from "./receiving.ts"
import type * as rows from "./rows.ts"
import * as sending from "./sending.ts"
import * as sessions from "./sessions.ts"
import * as settling from "./settling.ts"
import * as waiting from "./waiting.ts"

type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

const unordered = new QueueError.UnsupportedOperation({
  what: "accepting a session",
  provider: errors.provider
})

const grant = (
  database: Database,
  queue: rows.Queue,
  { sessionId }: QueueProvider.AcceptOptions,
  now: number
): Result.Result<Option.Option<sessions.Hold> | undefined, QueueError.Reason> => {
  if (queue.sessions === 0) return Result.fail(unordered)
  if (sessionId !== undefined) {
    return Result.map(sessions.acceptById(database, queue, sessionId, now), Option.some)
  }
  const next = sessions.acceptNext(database, queue, now)
  return Result.succeed(Option.isSome(next) ? next : undefined)
}

const releaseNow = (connection: Connection, link: Link, name: string, hold: sessions.Hold) => {
  if (!link.holds.delete(hold)) return Result.succeed(undefined)
  return connection.turn("release", name, (database, queue, now) =>
    Result.succeed(sessions.release(database, queue, hold, now))
  )
}

/** Accepts a session and ties it to the scope of the caller. */
export const accept = (
  connection: Connection,
  link: Link,
  name: QueueName.QueueName,
  options: QueueProvider.AcceptOptions
): Failing<Option.Option<QueueSession.QueueSession>, Scope.Scope> => {
  const { room } = connection
  const release = (hold: sessions.Hold) => releaseNow(connection, link, name, hold)
  const accepted = waiting.wait<Option.Option<sessions.Hold>>(room, {
    link,
    queue: name,
    // By id there is nothing to wait for: the answer is the same for nobody else.
    line: `${name}/accept/${options.sessionId ?? ""}`,
    deadline: receiving.deadline(connection.now(), options.wait),
    take: () => {
      const granted = connection.turn("acceptSession", name, (database, queue, now) =>
        grant(database, queue, options, now)
      )
      if (Result.isSuccess(granted) && granted.success !== undefined) {
        Option.map(granted.success, (hold) => link.holds.set(hold, name))
      }
      return granted
    },
    undo: (granted) => void Option.map(granted, release),
    nothing: Option.none()
  })
  return Effect.uninterruptibleMask((restore) =>
    Effect.flatMap(restore(accepted), (granted) => {
      if (Option.isNone(granted)) return Effect.succeedNone
      const hold = granted.value
      const released = Effect.suspend(() => Effect.fromResult(release(hold)))
      return Effect.as(
        // What cannot be released now is free when its lock runs out.
        Effect.addFinalizer(() => Effect.ignore(released, { log: "Warn" })),
        Option.some(makeHandle(connection, link, name, hold))
      )
    })
  )
}

const makeHandle = (
  connection: Connection,
  link: Link,
  name: QueueName.QueueName,
  hold: sessions.Hold
): QueueSession.QueueSession => {
  const { sessionId } = hold
  const { room } = connection
  const lost = new QueueError.SessionLockLost({ sessionId })
  /** One transaction of the holder, while it is the holder. */
  const whileHeld = <A>(
    operation: string,
    move: (
      database: Database,
      queue: rows.Queue,
      now: number
    ) => Result.Result<A, QueueError.Reason>
  ): Result.Result<A, QueueError.QueueError> => {
    if (link.closed) return Result.fail(errors.closed(operation, name))
    return connection.turn(operation, name, (database, queue, now) =>
      sessions.isHeld(database, queue, hold) ? move(database, queue, now) : Result.fail(lost)
    )
  }
  const call = <A>(operation: string, move: Parameters<typeof whileHeld<A>>[1]): Failing<A> =>
    Effect.suspend(() => Effect.fromResult(whileHeld(operation, move)))
  return {
    queue: name,
    sessionId,
    lockedUntil: Effect.sync(() => {
      // The provider may have renewed it by a receipt; a call that fails leaves what is known.
      whileHeld("lockedUntil", () => Result.succeed(undefined))
      return DateTime.makeUnsafe(hold.lockedUntil)
    }),
    receive: (options) =>
      Effect.suspend(() => {
        const problem = receiving.problemOfMax(options.max) ?? receiving.problemOfWait(options.wait)
        if (problem !== undefined) return Effect.fail(errors.error(problem, "receive", name))
        const max = receiving.countOf(options.max)
        return waiting.wait(room, {
          link,
          queue: name,
          line: `${name}/session/${hold.token}`,
          deadline: receiving.deadline(connection.now(), options.wait),
          take: () =>
            Result.map(
              whileHeld("receive", (database, queue, now) =>
                Result.succeed(sessions.take(database, queue, hold, max, now))
              ),
              receiving.some
            ),
          undo: (messages) => receiving.undo(connection, name, messages),
          nothing: []
        })
      }),
    settle: (receipts, verdict) =>
      call("settle", (database, queue, now) => {
        const problem = sending.tooMany("receipts", receipts.length) ?? settling.problemOf(verdict)
        if (problem !== undefined) return Result.fail(problem)
        const one = (receipt: (typeof receipts)[number]): Outcome.Outcome<void> =>
          Result.mapError(
            receipt.address.queue === name
              ? settling.settle(database, queue, receipt, verdict, now, sessionId)
              : settling.expired,
            (reason) => errors.error(reason, "settle", name)
          )
        return Result.succeed(receipts.map(one))
      }),
    renewLock: call("renewLock", (database, queue, now) => {
      hold.lockedUntil = sessions.renew(database, queue, sessionId, now)
      return Result.succeed(DateTime.makeUnsafe(hold.lockedUntil))
    }),
    state: call("state", (database, queue) =>
      Result.succeed(sessions.state(database, queue, sessionId))
    ),
    setState: (state) =>
      call("setState", (database, queue) => {
        const { sessionStateSizeMax: maximum } = SqliteConfig
        const size = Option.isSome(state) ? state.value.byteLength : 0
        if (size > maximum) {
          const problem = `must have at most ${maximum} bytes; got ${size}`
          return Result.fail(new QueueError.ValidationFailed({ field: "state", problem }))
        }
        return Result.succeed(sessions.setState(database, queue, sessionId, state))
      })
  }
}
