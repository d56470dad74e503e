import * as Result from "effect/Result"
import { type Message, QueueError, type QueueProvider, SendCalls } from "@queue-runtime/core"
import * as SqliteConfig from "../SqliteConfig.ts"
import type { Database } from "./database.ts"
import * as moves from "./moves.ts"
import * as rows from "./rows.ts"

const invalid = (field: string, problem: string): QueueError.Reason =>
  new QueueError.ValidationFailed({ field, problem })

/** More in one call than it takes. */
export const tooMany = (field: string, count: number): QueueError.Reason | undefined =>
  count <= SqliteConfig.countMax
    ? undefined
    : invalid(field, `must be at most ${SqliteConfig.countMax} in one call; got ${count}`)

/** Why nothing of the call is stored. */
const problemOf = (
  queue: rows.Queue,
  messages: ReadonlyArray<Message.Stamped>
): QueueError.Reason | undefined => {
  const refused = SendCalls.refusal(messages, SqliteConfig) ?? tooMany("messages", messages.length)
  if (refused !== undefined) return refused
  return queue.sessions === 1 && messages.some(({ sessionId }) => sessionId === undefined)
    ? invalid("sessionId", "an ordered queue takes no message without a session id")
    : undefined
}

/** Whether the id is a new one, which is remembered from now on. */
const isNew = (database: Database, queue: rows.Queue, messageId: string, now: number): boolean =>
  queue.deduplication === 0 ||
  database.run(
    "INSERT OR IGNORE INTO sent (queue, messageId, until) VALUES (?, ?, ?)",
    queue.id,
    messageId,
    rows.after(now, SqliteConfig.deduplicationWindow)
  ) === 1

/** Stores the messages, all or none of them: they are one transaction. */
export const send = (
  database: Database,
  queue: rows.Queue,
  messages: ReadonlyArray<Message.Stamped>,
  now: number
): Result.Result<ReadonlyArray<QueueProvider.Sent>, QueueError.Reason> => {
  const problem = problemOf(queue, messages)
  if (problem !== undefined) return Result.fail(problem)
  database.run("DELETE FROM sent WHERE queue = ? AND until <= ?", queue.id, now)
  const one = (message: Message.Stamped): QueueProvider.Sent => {
    const { messageId } = message
    return isNew(database, queue, messageId, now)
      ? { messageId, sequenceNumber: BigInt(moves.store(database, queue, message, now)) }
      : { messageId }
  }
  return Result.succeed(messages.map(one))
}
