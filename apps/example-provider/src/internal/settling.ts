import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { QueueError, type Receipt, type SessionId, type Verdict } from "@queue-runtime/core"
import type { Database } from "./database.ts"
import { provider } from "./errors.ts"
import * as moves from "./moves.ts"
import * as rows from "./rows.ts"
import * as sessions from "./sessions.ts"

type Settled<A> = Result.Result<A, QueueError.Reason>

/** What becomes of a receipt that settles nothing. */
export const expired: Settled<never> = Result.fail(new QueueError.ReceiptExpired())

/** Why nothing can be settled with this verdict. */
export const problemOf = (verdict: Verdict.Verdict): QueueError.Reason | undefined => {
  if (verdict._tag !== "Abandon") return undefined
  if (Duration.isFinite(verdict.delay) && !Duration.isNegative(verdict.delay)) return undefined
  const problem = "must be a finite duration, not below zero"
  return new QueueError.ValidationFailed({ field: "delay", problem })
}

const selectDelivery = `SELECT ${rows.entryColumns} FROM message
  WHERE token = ? AND queue = ? AND dead = ?`

/** The delivery a receipt is of, while nobody settled it and its lock holds. */
const find = (
  database: Database,
  queue: rows.Queue,
  { address, token }: Receipt.Receipt
): rows.Entry | undefined => {
  const isDead = address._tag === "DeadLetter" ? 1 : 0
  const row = database.get(selectDelivery, token, queue.id, isDead)
  return row === undefined ? undefined : rows.toEntry(row)
}

/** The session whose lock is also that of the delivery. */
const sessionOf = (queue: rows.Queue, entry: rows.Entry): SessionId.SessionId | null =>
  queue.sessions === 1 && entry.dead === 0 ? entry.sessionId : null

const abandon = (
  database: Database,
  queue: rows.Queue,
  entry: rows.Entry,
  delay: Duration.Duration,
  now: number
): void => {
  const visibleAt = Duration.isZero(delay) ? {} : { visibleAt: rows.after(now, delay) }
  const how = { counted: true, ...visibleAt }
  const session = sessionOf(queue, entry)
  if (session === null) moves.giveBack(database, queue, entry, how, now)
  else sessions.abandon(database, queue, entry, session, how, now)
}

/** Settles one delivery; of `session` alone when one is given. */
export const settle = (
  database: Database,
  queue: rows.Queue,
  receipt: Receipt.Receipt,
  verdict: Verdict.Verdict,
  now: number,
  session?: SessionId.SessionId
): Settled<void> => {
  const entry = find(database, queue, receipt)
  if (entry === undefined) return expired
  if (session !== undefined && sessionOf(queue, entry) !== session) return expired
  switch (verdict._tag) {
    case "Complete":
      moves.remove(database, queue, entry)
      break
    case "Abandon":
      abandon(database, queue, entry, verdict.delay, now)
      break
    case "DeadLetter": {
      if (entry.dead === 1) {
        const what = "dead-lettering a dead letter"
        return Result.fail(new QueueError.UnsupportedOperation({ what, provider }))
      }
      moves.bury(database, queue, entry, verdict, now)
    }
  }
  return Result.succeed(undefined)
}

/** Extends the lock of one delivery: its own, or that of the session it belongs to. */
export const renew = (
  database: Database,
  queue: rows.Queue,
  receipt: Receipt.Receipt,
  now: number
): Settled<DateTime.Utc> => {
  const entry = find(database, queue, receipt)
  if (entry === undefined) return expired
  const session = sessionOf(queue, entry)
  if (session !== null) {
    return Result.succeed(DateTime.makeUnsafe(sessions.renew(database, queue, session, now)))
  }
  const until = rows.after(now, Duration.millis(queue.lockMillis))
  // A clock that was set back shortens no lock.
  const set =
    "UPDATE message SET lockedUntil = max(lockedUntil, ?) WHERE id = ? RETURNING lockedUntil"
  return Result.succeed(DateTime.makeUnsafe(database.number(set, until, entry.id) ?? until))
}
