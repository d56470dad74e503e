/** What happens to a session: it is granted, its messages are taken and come back, it is released. */
import * as Result from "effect/Result"
import { QueueError, type ReceivedMessage, type SessionId } from "@queue-runtime/core"
import type { Connection } from "./connection.ts"
import type { Entry } from "./entry.ts"
import * as moves from "./moves.ts"
import type { Queue } from "./queue.ts"
import { Hold, Session } from "./session.ts"

/** The session of this id, made when there is none and there is room. */
export const open = (
  queue: Queue,
  id: SessionId.SessionId
): Result.Result<Session, QueueError.Reason> => {
  const { broker } = queue
  broker.steps.count++
  const found = queue.sessions.get(id)
  if (found !== undefined) return Result.succeed(found)
  const maximum = broker.config.sessionsMax
  if (broker.sessions >= maximum) {
    const resource = "the broker's sessions (sessionsMax)"
    return Result.fail(new QueueError.QuotaExceeded({ resource, maximum }))
  }
  const session = new Session(id, broker.steps)
  queue.sessions.set(id, session)
  broker.sessions++
  return Result.succeed(session)
}

/** Forgets a session that nothing is left of. */
export const forgetEmpty = (queue: Queue, session: Session): void => {
  const { hold, messages, scheduled, state } = session
  if (hold !== undefined || messages.size > 0 || scheduled > 0 || state !== undefined) return
  queue.broker.steps.count++
  if (queue.sessions.delete(session.id)) queue.broker.sessions--
}

/** Gives a free session to a connection. */
export const grant = (
  queue: Queue,
  session: Session,
  connection: Connection,
  now: number
): Hold => {
  const hold = new Hold(session, connection, now + queue.lockMillis, queue.broker.steps)
  session.hold = hold
  queue.available.remove(session)
  queue.timers.set(session, hold.lockedUntil)
  connection.holds.set(hold, queue)
  return hold
}

/** The next messages of a held session, in order. */
export const take = (
  queue: Queue,
  session: Session,
  max: number,
  now: number
): ReadonlyArray<ReceivedMessage.ReceivedMessage> => {
  const taken: Array<ReceivedMessage.ReceivedMessage> = []
  while (taken.length < max && session.cursor?.state === "Ready") {
    const entry = session.cursor
    session.cursor = entry.next
    taken.push(moves.deliver(queue, queue.main, entry, now))
  }
  return taken
}

/** Takes back what is in hand from this message on; `how` says what becomes of each. */
const takeBack = (
  queue: Queue,
  session: Session,
  from: Entry | undefined,
  how: (entry: Entry) => void
): void => {
  const end = session.cursor
  session.cursor = from
  let entry = from
  while (entry !== undefined && entry !== end) {
    const { next }: Entry = entry
    how(entry)
    entry = next
  }
  moves.touch(queue, session)
}

/** An abandoned message comes first again; what was in hand behind it comes back uncounted. */
export const abandon = (
  queue: Queue,
  session: Session,
  first: Entry,
  delayMillis: number,
  now: number
): void =>
  takeBack(queue, session, first, (entry) => {
    const how =
      entry === first ? { counted: true, delayMillis } : { counted: false, delayMillis: 0 }
    moves.giveBack(queue, entry, how, now)
  })

/** Takes back deliveries of the session that nobody saw: they are the last ones made. */
export const undo = (queue: Queue, session: Session, first: Entry, now: number): void =>
  takeBack(queue, session, first, (entry) => moves.undo(queue, entry, now))

/** Takes back deliveries of the session that were lost on their way: they count. */
export const lose = (queue: Queue, session: Session, first: Entry, now: number): void => {
  const how = { counted: true, delayMillis: 0 }
  takeBack(queue, session, first, (entry) => moves.giveBack(queue, entry, how, now))
}

/** Ends a hold; what was in hand comes back in order. */
export const release = (queue: Queue, hold: Hold, counted: boolean, now: number): void => {
  const { connection, session } = hold
  if (session.hold !== hold) return
  session.hold = undefined
  connection.holds.delete(hold)
  queue.timers.clear(session)
  const how = { counted, delayMillis: 0 }
  takeBack(queue, session, session.messages.first, (entry) => {
    moves.giveBack(queue, entry, how, now)
  })
}

/** The lock of a session has run out, or was renewed since the timer was set. */
export const wake = (queue: Queue, session: Session, now: number): Hold | undefined => {
  const { hold } = session
  if (hold === undefined) return undefined
  if (hold.lockedUntil <= now) return hold
  queue.timers.set(session, hold.lockedUntil)
  return undefined
}
