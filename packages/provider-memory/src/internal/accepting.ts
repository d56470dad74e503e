/** Accepting sessions, and what the holder of one can do. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  Defaults,
  type Outcome,
  QueueError,
  type QueueProvider,
  type QueueSession,
  type SessionId
} from "@queue-runtime/core"
import { awaitTurn } from "./awaiting.ts"
import type { Broker } from "./broker.ts"
import type { Connection } from "./connection.ts"
import { connectionClosed, error } from "./errors.ts"
import type { Hit } from "./faults.ts"
import { type Call, inject } from "./injecting.ts"
import * as moves from "./moves.ts"
import type { Queue } from "./queue.ts"
import * as receiving from "./receiving.ts"
import type { Hold } from "./session.ts"
import * as sending from "./sending.ts"
import * as sessions from "./sessions.ts"
import * as settling from "./settling.ts"
import * as waiting from "./waiting.ts"

type Failing<A, R = never> = Effect.Effect<A, QueueError.QueueError, R>

const release = (queue: Queue, hold: Hold): void =>
  waiting.turn(queue, (now) => waiting.release(queue, hold, false, now))

const grantById = (
  queue: Queue,
  connection: Connection,
  sessionId: SessionId.SessionId,
  now: number
): Result.Result<Hold, QueueError.Reason> =>
  Result.flatMap(sessions.open(queue, sessionId), (session) => {
    if (session.hold === undefined) {
      return Result.succeed(sessions.grant(queue, session, connection, now))
    }
    const lockedUntil = DateTime.makeUnsafe(session.hold.lockedUntil)
    return Result.fail(new QueueError.SessionLocked({ sessionId, lockedUntil }))
  })

const acceptById = (
  queue: Queue,
  connection: Connection,
  sessionId: SessionId.SessionId
): Failing<Option.Option<Hold>> =>
  Effect.suspend(() => {
    const granted = waiting.turn(queue, (now) => grantById(queue, connection, sessionId, now))
    return Result.isSuccess(granted)
      ? Effect.succeed(Option.some(granted.success))
      : Effect.fail(error(granted.failure, "acceptSession", queue.name))
  })

const acceptNext = (
  queue: Queue,
  connection: Connection,
  waitMillis: number,
  hit: Hit
): Failing<Option.Option<Hold>> => {
  const take = (now: number): Option.Option<Hold> | undefined => {
    const session = hit.reorder ? queue.available.last : queue.available.first
    return session === undefined
      ? undefined
      : Option.some(sessions.grant(queue, session, connection, now))
  }
  if (waitMillis === 0) {
    return Effect.sync(() => waiting.turn(queue, take) ?? Option.none())
  }
  return awaitTurn<Option.Option<Hold>>({
    queue,
    connection,
    waitMillis,
    line: () => Result.succeed(queue.acceptors),
    take,
    undo: (hold, now) => {
      if (Option.isSome(hold)) waiting.release(queue, hold.value, false, now)
    },
    nothing: Option.none()
  })
}

/** Accepts a session and ties it to the scope of the caller. */
export const accept = (
  broker: Broker,
  connection: Connection,
  queue: Queue,
  options: QueueProvider.AcceptOptions,
  hit: Hit
): Failing<Option.Option<QueueSession.QueueSession>, Scope.Scope> => {
  const problem = receiving.problemOfWait(options.wait)
  if (problem !== undefined) return Effect.fail(error(problem, "acceptSession", queue.name))
  const waitMillis = receiving.waitMillis(options.wait)
  const isLost = hit.failure?._tag === "Fail"
  return Effect.uninterruptibleMask((restore) => {
    // What is granted at once is not let go again between the grant and the scope it is tied to.
    const accepted =
      options.sessionId === undefined
        ? acceptNext(queue, connection, waitMillis, hit)
        : acceptById(queue, connection, options.sessionId)
    const isWaiting = options.sessionId === undefined && waitMillis > 0
    return Effect.flatMap(isWaiting ? restore(accepted) : accepted, (hold) => {
      if (Option.isNone(hold)) return Effect.succeedNone
      const handle = Option.some(makeHandle(broker, connection, queue, hold.value))
      // Nobody knows of a session whose grant was lost: it is free when its lock runs out.
      if (isLost) return Effect.succeed(handle)
      const released = Effect.sync(() => release(queue, hold.value))
      return Effect.as(
        Effect.addFinalizer(() => released),
        handle
      )
    })
  })
}

const makeHandle = (
  broker: Broker,
  connection: Connection,
  queue: Queue,
  hold: Hold
): QueueSession.QueueSession => {
  const { session } = hold
  /** Why the holder can do nothing; asked inside a turn. */
  const problem = (operation: string): QueueError.QueueError | undefined => {
    if (connection.closed) return connectionClosed(operation, queue.name)
    return session.hold === hold ? undefined : waiting.sessionLockLost(queue, session, operation)
  }
  const call = <A>(
    tag: Call<A, never>["tag"],
    operation: string,
    make: Call<A, never>["make"],
    lose?: (result: A) => void
  ): Failing<A> =>
    inject(broker, connection, {
      tag,
      operation,
      queue: queue.name,
      make,
      ...(lose === undefined ? {} : { lose })
    })
  const whileHeld = <A>(operation: string, move: (now: number) => A): Failing<A> =>
    Effect.suspend(() =>
      waiting.turn(queue, (now) => {
        const why = problem(operation)
        return why === undefined ? Effect.succeed(move(now)) : Effect.fail(why)
      })
    )
  const undo = (
    messages: ReadonlyArray<{ readonly receipt: { readonly token: string } }>,
    how: (first: Parameters<typeof sessions.undo>[2]) => void
  ): void => {
    const [first] = messages
    const entry = first === undefined ? undefined : queue.main.deliveries.get(first.receipt.token)
    if (entry !== undefined) how(entry)
  }
  return {
    queue: queue.name,
    sessionId: session.id,
    lockedUntil: Effect.sync(() => DateTime.makeUnsafe(hold.lockedUntil)),
    receive: (options) =>
      call(
        "Receive",
        "receive",
        () => {
          const wrong = receiving.problemOf(options)
          if (wrong !== undefined) return Effect.fail(error(wrong, "receive", queue.name))
          const max = receiving.countOf(options.max)
          const take = (now: number) => sessions.take(queue, session, max, now)
          const waitMillis = receiving.waitMillis(options.wait)
          if (waitMillis === 0) {
            // The second step hands its value on without a pause that could lose it.
            const taken = Effect.sync(() =>
              waiting.turn(queue, (now) => (session.hold === hold ? take(now) : []))
            )
            return Effect.andThen(
              whileHeld("receive", () => undefined),
              taken
            )
          }
          return awaitTurn({
            queue,
            connection,
            waitMillis,
            line: () => {
              const why = problem("receive")
              if (why !== undefined) return Result.fail(why)
              moves.touch(queue, session)
              return Result.succeed(hold.waiters)
            },
            take: (now) => receiving.some(take(now)),
            undo: (messages, now) =>
              undo(messages, (first) => sessions.undo(queue, session, first, now)),
            nothing: []
          })
        },
        (messages) =>
          waiting.turn(queue, (now) =>
            undo(messages, (first) => sessions.lose(queue, session, first, now))
          )
      ),
    settle: (receipts, verdict) =>
      call("Settle", "settle", () => {
        const wrong =
          receipts.length > Defaults.memorySettleCountMax
            ? sending.tooMany("receipts", Defaults.memorySettleCountMax)
            : settling.problemOf(verdict)
        if (wrong !== undefined) return Effect.fail(error(wrong, "settle", queue.name))
        return whileHeld("settle", (now) =>
          receipts.map((receipt): Outcome.Outcome<void> => {
            const isHere = receipt.address.queue === queue.name
            const settled = isHere
              ? settling.settle(queue, receipt, verdict, session, now)
              : settling.expired()
            return Result.mapError(settled, (reason) => error(reason, "settle", queue.name))
          })
        )
      }),
    renewLock: call("RenewSessionLock", "renewLock", () =>
      whileHeld("renewLock", (now) => {
        hold.lockedUntil = Math.max(hold.lockedUntil, now + queue.lockMillis)
        return DateTime.makeUnsafe(hold.lockedUntil)
      })
    ),
    state: call("GetSessionState", "state", () =>
      whileHeld("state", () =>
        Option.map(Option.fromUndefinedOr(session.state), (state) => new Uint8Array(state))
      )
    ),
    setState: (state) =>
      call("SetSessionState", "setState", () => {
        const wrong = stateProblem(broker, state)
        if (wrong !== undefined) return Effect.fail(error(wrong, "setState", queue.name))
        return whileHeld("setState", () => {
          session.state = Option.isSome(state) ? new Uint8Array(state.value) : undefined
        })
      })
  }
}

const stateProblem = (
  broker: Broker,
  state: Option.Option<Uint8Array>
): QueueError.Reason | undefined => {
  const { sessionStateSizeMax } = broker.config
  if (Option.isNone(state) || state.value.byteLength <= sessionStateSizeMax) return undefined
  const problem = `must have at most ${sessionStateSizeMax} bytes; got ${state.value.byteLength}`
  return new QueueError.ValidationFailed({ field: "state", problem })
}
