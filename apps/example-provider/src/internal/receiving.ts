import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { QueueError, type QueueProvider, type ReceivedMessage } from "@queue-runtime/core"
import * as SqliteConfig from "../SqliteConfig.ts"
import type { Connection } from "./connection.ts"
import type { Database } from "./database.ts"
import * as moves from "./moves.ts"
import * as rows from "./rows.ts"

const invalid = (field: string, problem: string): QueueError.Reason =>
  new QueueError.ValidationFailed({ field, problem })

/** Why nobody can ask for so many. */
export const problemOfMax = (max: number): QueueError.Reason | undefined =>
  Number.isSafeInteger(max) && max >= 1
    ? undefined
    : invalid("max", `must be a whole number of at least 1; got ${max}`)

/** Why nobody can wait that long. */
export const problemOfWait = (wait: Duration.Duration): QueueError.Reason | undefined =>
  Duration.isFinite(wait) ? undefined : invalid("wait", "must be a finite duration")

/** Until when is waited. */
export const deadline = (now: number, wait: Duration.Duration): number =>
  rows.after(now, Duration.min(wait, SqliteConfig.receiveWaitMax))

/** Nothing instead of an empty answer: there is something to wait for. */
export const some = <A>(messages: ReadonlyArray<A>): ReadonlyArray<A> | undefined =>
  messages.length === 0 ? undefined : messages

/** Takes back deliveries that nobody saw. */
export const undo = (
  connection: Connection,
  name: string,
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>
): void => {
  // What cannot be taken back now comes again when its lock runs out.
  connection.turn("receive", name, (database, queue) => {
    for (const message of messages) moves.undo(database, queue, message)
    return Result.succeed(undefined)
  })
}

/** How many are really taken. */
export const countOf = (max: number): number => Math.min(max, SqliteConfig.countMax)

const selectReady = `SELECT ${rows.storedColumns} FROM message
  WHERE queue = ? AND dead = ? AND token IS NULL AND visibleAt IS NULL ORDER BY sequence LIMIT ?`

/** The first messages that may be delivered, from the queue or from its dead letters. */
export const take = (
  database: Database,
  queue: rows.Queue,
  from: "Queue" | "DeadLetter",
  max: number,
  now: number
): ReadonlyArray<ReceivedMessage.ReceivedMessage> => {
  const lock = { until: rows.after(now, Duration.millis(queue.lockMillis)), bySession: false }
  return database
    .all(selectReady, queue.id, from === "Queue" ? 0 : 1, max)
    .map((row) => moves.deliver(database, queue, rows.toStored(row), lock, now))
}

const selectAll = `SELECT ${rows.storedColumns} FROM message
  WHERE queue = ? AND dead = ? AND sequence >= ? AND (expiresAt IS NULL OR expiresAt > ?)
  ORDER BY sequence LIMIT ?`

/** The highest number a table holds. */
const sequenceMax = 2n ** 63n - 1n

/** Messages by sequence number, whatever their state. */
export const peek = (
  database: Database,
  queue: rows.Queue,
  from: "Queue" | "DeadLetter",
  { fromSequenceNumber = 0n, max }: QueueProvider.PeekOptions,
  now: number
): ReadonlyArray<ReceivedMessage.PeekedMessage> => {
  if (fromSequenceNumber > sequenceMax) return []
  const first = fromSequenceNumber < 0n ? 0n : fromSequenceNumber
  return database
    .all(selectAll, queue.id, from === "Queue" ? 0 : 1, first, now, countOf(max))
    .map((row) => rows.toPeeked(rows.toStored(row)))
}
