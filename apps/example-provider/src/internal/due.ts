/** What happens by itself when its time comes. Nobody runs it: every call lets it happen first. */
import type { Database } from "./database.ts"
import * as moves from "./moves.ts"
import * as rows from "./rows.ts"
import * as sessions from "./sessions.ts"

/** When the next thing happens by itself in a queue; never is infinity. */
export const next = (database: Database, queueId: number): number =>
  database.number(
    `SELECT min(at) FROM (
       SELECT min(lockedUntil) AS at FROM message WHERE queue = ?1 AND lockedUntil IS NOT NULL
       UNION ALL
       SELECT min(visibleAt) FROM message WHERE queue = ?1 AND visibleAt IS NOT NULL
       UNION ALL
       SELECT min(expiresAt) FROM message
         WHERE queue = ?1 AND token IS NULL AND expiresAt IS NOT NULL
       UNION ALL
       SELECT min(lockedUntil) FROM session WHERE queue = ?1 AND lockedUntil IS NOT NULL
     )`,
    queueId
  ) ?? Infinity

const selectLocked = `SELECT ${rows.entryColumns} FROM message
  WHERE queue = ? AND lockedUntil <= ? ORDER BY sequence`

const selectVisible = `SELECT ${rows.entryColumns} FROM message
  WHERE queue = ? AND visibleAt <= ? ORDER BY visibleAt, sequence`

// What is in somebody's hands expires when it comes back.
const selectExpired = `SELECT ${rows.entryColumns} FROM message
  WHERE queue = ? AND token IS NULL AND expiresAt <= ?`

/** Lets everything happen whose time has come: locks run out, messages appear and expire. */
export const happen = (database: Database, queue: rows.Queue, now: number): void => {
  if (next(database, queue.id) > now) return
  const due = (select: string) =>
    database.all(select, queue.id, now).map((row) => rows.toEntry(row))
  sessions.loseAll(database, queue, now)
  for (const entry of due(selectLocked)) {
    moves.giveBack(database, queue, entry, { counted: true }, now)
  }
  for (const entry of due(selectVisible)) moves.show(database, queue, entry)
  for (const entry of due(selectExpired)) moves.remove(database, queue, entry)
}
