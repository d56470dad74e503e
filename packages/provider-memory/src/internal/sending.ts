import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import {
  type Capabilities,
  Message,
  type Outcome,
  QueueError,
  type QueueProvider,
  SendCalls,
  type SessionId
} from "@queue-runtime/core"
import type { Broker } from "./broker.ts"
import { carry, Entry } from "./entry.ts"
import { error } from "./errors.ts"
import type { Faults } from "./faults.ts"
import * as moves from "./moves.ts"
import type { Queue } from "./queue.ts"
import type { Session } from "./session.ts"
import * as sessions from "./sessions.ts"

/** How faults change one send. */
export interface Twist {
  /** Every message is stored twice, whatever is remembered of its id. */
  readonly duplicate: boolean
  /** The order in which the messages are stored; absent: their own. */
  readonly order?: (messages: ReadonlyArray<Message.Stamped>) => ReadonlyArray<number>
}

const hasSession = ({ sessionId }: Message.Message): boolean => sessionId !== undefined

/** Why nothing of the call can be stored. */
export const problemOf = (
  queue: Queue,
  messages: ReadonlyArray<Message.Stamped>,
  limits: Capabilities.Capabilities
): QueueError.Reason | undefined => {
  if (messages.length > limits.sendCountMax) return tooMany("messages", limits.sendCountMax)
  const refused = SendCalls.refusal(messages, limits)
  if (refused !== undefined) return refused
  if (!queue.ordered || messages.every(hasSession)) return undefined
  const problem = "an ordered queue takes no message without a session id"
  return new QueueError.ValidationFailed({ field: "sessionId", problem })
}

/** Too many in one call. */
export const tooMany = (field: string, maximum: number): QueueError.Reason =>
  new QueueError.ValidationFailed({ field, problem: `must be at most ${maximum} in one call` })

const quota = (resource: string, maximum: number): QueueError.Reason =>
  new QueueError.QuotaExceeded({ resource, maximum })

const fullOf = (broker: Broker, size: number): QueueError.Reason | undefined => {
  const { bytesMax, messagesMax } = broker.config
  if (broker.messages >= messagesMax)
    return quota("the broker's messages (messagesMax)", messagesMax)
  if (broker.bytes + size > bytesMax) return quota("the broker's bytes (bytesMax)", bytesMax)
  return undefined
}

/** Forgets ids whose window is over, everywhere when room is short. */
const forgetIds = (queue: Queue, now: number): void => {
  const { broker } = queue
  broker.deduplicationIds -= queue.deduplication.expire(now)
  if (broker.deduplicationIds < broker.config.deduplicationIdsMax) return
  for (const other of broker.queues.values()) {
    broker.deduplicationIds -= other.deduplication.expire(now)
  }
}

const fullOfIds = (broker: Broker): QueueError.Reason | undefined => {
  const { deduplicationIdsMax } = broker.config
  return broker.deduplicationIds >= deduplicationIdsMax
    ? quota("the broker's deduplication ids (deduplicationIdsMax)", deduplicationIdsMax)
    : undefined
}

const dueAt = (message: Message.Stamped, now: number): number => {
  // Never early: a part of a millisecond is a whole one.
  if (message.delay !== undefined) return now + Math.ceil(Duration.toMillis(message.delay))
  return message.scheduledAt === undefined ? now : DateTime.toEpochMillis(message.scheduledAt)
}

const sessionOf = (
  queue: Queue,
  message: Message.Stamped
): Result.Result<Session | undefined, QueueError.Reason> =>
  queue.ordered && message.sessionId !== undefined
    ? sessions.open(queue, message.sessionId)
    : Result.succeed(undefined)

type Stored = Result.Result<QueueProvider.Sent, QueueError.Reason>

const storeNew = (queue: Queue, message: Message.Stamped, now: number): Stored => {
  const { broker } = queue
  const size = Message.size(message)
  const full = fullOf(broker, size)
  if (full !== undefined) return Result.fail(full)
  const session = sessionOf(queue, message)
  if (Result.isFailure(session)) return Result.fail(session.failure)
  const due = dueAt(message, now)
  const scheduledAt = due > now ? DateTime.makeUnsafe(due) : message.scheduledAt
  const entry = new Entry(carry(message, scheduledAt), size, now)
  moves.store(queue, entry, session.success, due, now)
  return Result.succeed({ messageId: message.messageId, sequenceNumber: BigInt(entry.sequence) })
}

const store = (queue: Queue, message: Message.Stamped, twist: Twist, now: number): Stored => {
  const { broker, deduplication } = queue
  const { messageId } = message
  const known = deduplication.isOn && deduplication.has(messageId)
  if (known && !twist.duplicate) return Result.succeed({ messageId })
  const remember = deduplication.isOn && !known
  const full = remember ? fullOfIds(broker) : undefined
  if (full !== undefined) return Result.fail(full)
  const stored = storeNew(queue, message, now)
  if (Result.isFailure(stored)) return stored
  if (remember) {
    deduplication.add(messageId, now)
    broker.deduplicationIds++
  }
  // The copy is a fault, not the caller's: that there is no room for it is not his failure.
  if (twist.duplicate) storeNew(queue, message, now)
  return stored
}

/** Stores what there is room for; nothing of a session behind a failure of it. */
export const send = (
  queue: Queue,
  messages: ReadonlyArray<Message.Stamped>,
  twist: Twist,
  now: number
): ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>> => {
  forgetIds(queue, now)
  const stopped = new Map<SessionId.SessionId, QueueError.QueueError>()
  const one = (message: Message.Stamped): Outcome.Outcome<QueueProvider.Sent> => {
    const { sessionId } = message
    const before = sessionId === undefined ? undefined : stopped.get(sessionId)
    if (before !== undefined) return Result.fail(before)
    const stored = store(queue, message, twist, now)
    if (Result.isSuccess(stored)) return Result.succeed(stored.success)
    const failure = error(stored.failure, "send", queue.name)
    if (sessionId !== undefined) stopped.set(sessionId, failure)
    return Result.fail(failure)
  }
  if (twist.order === undefined) return messages.map(one)
  const outcomes: Array<Outcome.Outcome<QueueProvider.Sent>> = []
  for (const index of twist.order(messages)) {
    const message = messages[index]
    if (message !== undefined) outcomes[index] = one(message)
  }
  return outcomes
}

/**
 * A random order of storing in which the messages of each session keep their own order: places are
 * drawn, and each session's messages fill the places drawn for it from the first on.
 */
export const orderOf =
  (faults: Faults) =>
  (messages: ReadonlyArray<Message.Stamped>): ReadonlyArray<number> => {
    const key = (index: number): string => {
      const sessionId = messages[index]?.sessionId
      return sessionId === undefined ? `:${index}` : `=${sessionId}`
    }
    const own = Map.groupBy(messages.keys(), key)
    return faults.order(messages.length).flatMap((index) => own.get(key(index))?.splice(0, 1) ?? [])
  }
