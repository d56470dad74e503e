/** What happens to one message: it is stored, delivered, comes back, is put aside or goes. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { type Message, QueueAddress, type ReceivedMessage, type Verdict } from "@queue-runtime/core"
import type { Database } from "./database.ts"
import * as rows from "./rows.ts"

/** The next sequence number of a queue: the place behind everything else. */
export const nextSequence = (database: Database, queue: rows.Queue): number =>
  database.number(
    "UPDATE queue SET sequence = sequence + 1 WHERE id = ? RETURNING sequence",
    queue.id
  ) ?? 0

/** A number that this queue gives once. */
export const nextTicket = (database: Database, queue: rows.Queue): number =>
  database.number("UPDATE queue SET ticket = ticket + 1 WHERE id = ? RETURNING ticket", queue.id) ??
  0

/** The proof of a delivery, or of a session held. */
export const nextToken = (database: Database, queue: rows.Queue): string =>
  `${queue.incarnation}-${nextTicket(database, queue)}`

/** Lines a session up for the next holder, or takes it out of the line, or forgets it. */
export const touch = (database: Database, queue: rows.Queue, sessionId: string): void => {
  const head = database.get(
    `SELECT visibleAt FROM message
     WHERE queue = ? AND sessionId = ? AND dead = 0 AND scheduled = 0
     ORDER BY sequence LIMIT 1`,
    queue.id,
    sessionId
  )
  if (head === undefined) {
    database.run(
      `DELETE FROM session WHERE queue = ? AND id = ? AND holder IS NULL AND state IS NULL`,
      queue.id,
      sessionId
    )
  } else {
    database.run("INSERT OR IGNORE INTO session (queue, id) VALUES (?, ?)", queue.id, sessionId)
  }
  const isReady = head !== undefined && head["visibleAt"] === null
  database.run(
    `UPDATE session
     SET turn = CASE WHEN holder IS NULL AND ? THEN coalesce(turn, ?) ELSE NULL END
     WHERE queue = ? AND id = ?`,
    isReady ? 1 : 0,
    isReady ? nextTicket(database, queue) : 0,
    queue.id,
    sessionId
  )
}

const touchOf = (database: Database, queue: rows.Queue, entry: rows.Entry): void => {
  if (queue.sessions === 1 && entry.dead === 0 && entry.sessionId !== null) {
    touch(database, queue, entry.sessionId)
  }
}

const expiry = (timeToLive: number | null, since: number): number | null =>
  timeToLive === null ? null : rows.after(since, Duration.millis(timeToLive))

/** Stores a new message behind all others, for now or for the time it is scheduled for. */
export const store = (
  database: Database,
  queue: rows.Queue,
  message: Message.Stamped,
  now: number
): number => {
  const sequence = nextSequence(database, queue)
  const due = rows.dueAt(message, now)
  const isScheduled = due > now
  const timeToLive = message.timeToLive === undefined ? null : rows.after(0, message.timeToLive)
  database.run(
    `INSERT INTO message (queue, sequence, messageId, sessionId, body, envelope, enqueuedAt,
       timeToLive, expiresAt, scheduled, visibleAt)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    queue.id,
    sequence,
    message.messageId,
    message.sessionId ?? null,
    message.body,
    rows.toEnvelope(message, due, now),
    now,
    timeToLive,
    isScheduled ? null : expiry(timeToLive, now),
    isScheduled ? 1 : 0,
    isScheduled ? due : null
  )
  if (queue.sessions === 1 && !isScheduled && message.sessionId !== undefined) {
    touch(database, queue, message.sessionId)
  }
  return sequence
}

/** A time that a message waited for has come. A scheduled one takes its place behind the others. */
export const show = (database: Database, queue: rows.Queue, entry: rows.Entry): void => {
  if (entry.scheduled === 1) {
    database.run(
      `UPDATE message SET scheduled = 0, visibleAt = NULL, sequence = ?, expiresAt = ? WHERE id = ?`,
      nextSequence(database, queue),
      expiry(entry.timeToLive, entry.visibleAt ?? 0),
      entry.id
    )
  } else {
    database.run("UPDATE message SET visibleAt = NULL WHERE id = ?", entry.id)
  }
  touchOf(database, queue, entry)
}

/** Locks a message for its receiver, and counts the delivery. */
export const deliver = (
  database: Database,
  queue: rows.Queue,
  row: rows.Stored,
  lock: { readonly until: number; readonly bySession: boolean },
  now: number
): ReceivedMessage.ReceivedMessage => {
  const token = nextToken(database, queue)
  database.run(
    `UPDATE message SET token = ?, lockedUntil = ?, deliveryCount = deliveryCount + 1,
       firstDeliveredAt = coalesce(firstDeliveredAt, ?) WHERE id = ?`,
    token,
    lock.bySession ? null : lock.until,
    now,
    row.id
  )
  const address =
    row.dead === 1 ? QueueAddress.deadLetter(queue.name) : QueueAddress.queue(queue.name)
  return rows.toReceived(row, { address, token, at: now, lockedUntil: lock.until })
}

/** Removes a message for good. */
export const remove = (database: Database, queue: rows.Queue, entry: rows.Entry): void => {
  database.run("DELETE FROM message WHERE id = ?", entry.id)
  touchOf(database, queue, entry)
}

/** Moves a message to the dead letters. */
export const bury = (
  database: Database,
  queue: rows.Queue,
  entry: rows.Entry,
  why: Omit<Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>, "_tag">,
  now: number
): void => {
  const deadLetter = rows.fromDeadLetter({
    reason: why.reason,
    ...(why.description === undefined ? {} : { description: why.description }),
    ...(why.details === undefined ? {} : { details: why.details }),
    source: queue.name,
    time: DateTime.makeUnsafe(now),
    deliveryCount: entry.deliveryCount
  })
  database.run(
    `UPDATE message SET dead = 1, sequence = ?, deadLetter = ?, token = NULL, lockedUntil = NULL,
       visibleAt = NULL, expiresAt = NULL WHERE id = ?`,
    nextSequence(database, queue),
    deadLetter,
    entry.id
  )
  touchOf(database, queue, entry)
}

/** How a delivery ended without being settled for good. */
export interface Return {
  /** Whether it counts as a delivery; what a session's holder merely gives back does not. */
  readonly counted: boolean
  /** Not to be delivered before; absent: at once. */
  readonly visibleAt?: number
}

/** Ends a delivery: the message goes back to its place, or aside when it was delivered too often. */
export const giveBack = (
  database: Database,
  queue: rows.Queue,
  entry: rows.Entry,
  { counted, visibleAt }: Return,
  now: number
): void => {
  const { deliveriesMax } = queue
  if (counted && entry.dead === 0 && entry.deliveryCount >= deliveriesMax) {
    const description = `delivered ${entry.deliveryCount} times and not completed; the maximum is ${deliveriesMax}`
    return bury(database, queue, entry, { reason: "MaxDeliveryCountExceeded", description }, now)
  }
  database.run(
    `UPDATE message SET token = NULL, lockedUntil = NULL, visibleAt = ?,
       deliveryCount = deliveryCount - ? WHERE id = ?`,
    visibleAt ?? null,
    counted ? 0 : 1,
    entry.id
  )
  return touchOf(database, queue, entry)
}

/** Takes back a delivery that nobody saw, as if it had not been. */
export const undo = (
  database: Database,
  queue: rows.Queue,
  { deliveredAt, firstDeliveredAt, receipt }: ReceivedMessage.ReceivedMessage
): void => {
  const isFirst = DateTime.Equivalence(deliveredAt, firstDeliveredAt)
  database.run(
    `UPDATE message SET token = NULL, lockedUntil = NULL, deliveryCount = deliveryCount - 1,
       firstDeliveredAt = CASE WHEN ? THEN NULL ELSE firstDeliveredAt END
     WHERE queue = ? AND token = ?`,
    isFirst ? 1 : 0,
    queue.id,
    receipt.token
  )
}
