/** What happens to a session: it is granted, its messages are taken and come back, it is released. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { QueueError, type ReceivedMessage, SessionId } from "@queue-runtime/core"
import type { Database } from "./database.ts"
import * as moves from "./moves.ts"
import * as rows from "./rows.ts"

/** A session in this process's hands. */
export interface Hold {
  readonly sessionId: SessionId.SessionId
  readonly token: string
  lockedUntil: number
}

const inHand = `SELECT ${rows.entryColumns} FROM message
  WHERE queue = ? AND sessionId = ? AND dead = 0 AND scheduled = 0 AND token IS NOT NULL
    AND sequence > ? ORDER BY sequence`

/** The messages of a session in somebody's hands, behind this sequence number. */
const inHandBehind = (database: Database, queue: rows.Queue, sessionId: string, sequence: number) =>
  database.all(inHand, queue.id, sessionId, sequence).map((row) => rows.toEntry(row))

/** Ends a hold; what was in hand comes back in order. */
const end = (
  database: Database,
  queue: rows.Queue,
  sessionId: string,
  counted: boolean,
  now: number
): void => {
  database.run(
    "UPDATE session SET holder = NULL, lockedUntil = NULL WHERE queue = ? AND id = ?",
    queue.id,
    sessionId
  )
  for (const entry of inHandBehind(database, queue, sessionId, 0)) {
    moves.giveBack(database, queue, entry, { counted }, now)
  }
  moves.touch(database, queue, sessionId)
}

/** Ends the holds whose lock ran out: their holder may have been at work, so the deliveries count. */
export const loseAll = (database: Database, queue: rows.Queue, now: number): void => {
  const lost = database.all(
    "SELECT id FROM session WHERE queue = ? AND lockedUntil <= ? ORDER BY lockedUntil",
    queue.id,
    now
  )
  for (const { id } of lost) end(database, queue, String(id), true, now)
}

/** Whether the session is still this holder's; the hold then knows until when. */
export const isHeld = (database: Database, queue: rows.Queue, hold: Hold): boolean => {
  const lockedUntil = database.number(
    "SELECT lockedUntil FROM session WHERE queue = ? AND id = ? AND holder = ?",
    queue.id,
    hold.sessionId,
    hold.token
  )
  if (lockedUntil !== undefined) hold.lockedUntil = lockedUntil
  return lockedUntil !== undefined
}

/** Gives a session back, if it is still this holder's. */
export const release = (database: Database, queue: rows.Queue, hold: Hold, now: number): void => {
  if (isHeld(database, queue, hold)) end(database, queue, hold.sessionId, false, now)
}

const lockEnd = (queue: rows.Queue, now: number): number =>
  rows.after(now, Duration.millis(queue.lockMillis))

/** Gives a free session to a holder. */
const grant = (
  database: Database,
  queue: rows.Queue,
  sessionId: SessionId.SessionId,
  now: number
): Hold => {
  const hold = {
    sessionId,
    token: moves.nextToken(database, queue),
    lockedUntil: lockEnd(queue, now)
  }
  database.run(
    `INSERT INTO session (queue, id, holder, lockedUntil) VALUES (?, ?, ?, ?)
     ON CONFLICT (queue, id) DO UPDATE
     SET holder = excluded.holder, lockedUntil = excluded.lockedUntil, turn = NULL`,
    queue.id,
    sessionId,
    hold.token,
    hold.lockedUntil
  )
  return hold
}

/** The session of this id, empty or not, unless somebody holds it. */
export const acceptById = (
  database: Database,
  queue: rows.Queue,
  sessionId: SessionId.SessionId,
  now: number
): Result.Result<Hold, QueueError.Reason> => {
  const heldUntil = database.number(
    "SELECT lockedUntil FROM session WHERE queue = ? AND id = ? AND holder IS NOT NULL",
    queue.id,
    sessionId
  )
  if (heldUntil === undefined) return Result.succeed(grant(database, queue, sessionId, now))
  const lockedUntil = DateTime.makeUnsafe(heldUntil)
  return Result.fail(new QueueError.SessionLocked({ sessionId, lockedUntil }))
}

/** The free session that has waited longest with a message to deliver. */
export const acceptNext = (
  database: Database,
  queue: rows.Queue,
  now: number
): Option.Option<Hold> => {
  const row = database.get(
    "SELECT id FROM session WHERE queue = ? AND turn IS NOT NULL ORDER BY turn LIMIT 1",
    queue.id
  )
  return row === undefined
    ? Option.none()
    : Option.some(grant(database, queue, SessionId.makeUnsafe(String(row["id"])), now))
}

const selectNext = `SELECT ${rows.storedColumns} FROM message
  WHERE queue = ? AND sessionId = ? AND dead = 0 AND scheduled = 0 AND token IS NULL
  ORDER BY sequence LIMIT ?`

/** The next messages of a held session, in order, up to one that backs off. */
export const take = (
  database: Database,
  queue: rows.Queue,
  hold: Hold,
  max: number,
  now: number
): ReadonlyArray<ReceivedMessage.ReceivedMessage> => {
  const next = database
    .all(selectNext, queue.id, hold.sessionId, max)
    .map((row) => rows.toStored(row))
  const stop = next.findIndex(({ visibleAt }) => visibleAt !== null)
  const lock = { until: hold.lockedUntil, bySession: true }
  return next
    .slice(0, stop === -1 ? next.length : stop)
    .map((row) => moves.deliver(database, queue, row, lock, now))
}

/** An abandoned message comes first again; what was in hand behind it comes back uncounted. */
export const abandon = (
  database: Database,
  queue: rows.Queue,
  entry: rows.Entry,
  sessionId: string,
  how: moves.Return,
  now: number
): void => {
  for (const behind of inHandBehind(database, queue, sessionId, entry.sequence)) {
    moves.giveBack(database, queue, behind, { counted: false }, now)
  }
  moves.giveBack(database, queue, entry, how, now)
}

/** Locks the session for its lock duration from now on; the new end. */
export const renew = (
  database: Database,
  queue: rows.Queue,
  sessionId: string,
  now: number
): number => {
  const until = lockEnd(queue, now)
  // A clock that was set back shortens no lock.
  const set = `UPDATE session SET lockedUntil = max(lockedUntil, ?)
    WHERE queue = ? AND id = ? RETURNING lockedUntil`
  return database.number(set, until, queue.id, sessionId) ?? until
}

/** What the holders before wrote. */
export const state = (
  database: Database,
  queue: rows.Queue,
  sessionId: string
): Option.Option<Uint8Array> => {
  const row = database.get(
    "SELECT state FROM session WHERE queue = ? AND id = ?",
    queue.id,
    sessionId
  )
  return row?.["state"] instanceof Uint8Array ? Option.some(row["state"]) : Option.none()
}

export const setState = (
  database: Database,
  queue: rows.Queue,
  sessionId: string,
  value: Option.Option<Uint8Array>
): void => {
  database.run(
    "UPDATE session SET state = ? WHERE queue = ? AND id = ?",
    Option.getOrNull(value),
    queue.id,
    sessionId
  )
}
