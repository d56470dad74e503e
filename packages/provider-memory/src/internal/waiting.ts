/**
 * Time and waiting. Every call on a queue is a turn: first what is due happens, then the call makes its
 * moves, then those who wait are served, first come, first served, and the alarm is set for the next
 * time at which something can happen for those who still wait.
 */
import { QueueError } from "@queue-runtime/core"
import { error } from "./errors.ts"
import type { List } from "./list.ts"
import * as moves from "./moves.ts"
import type { Broker } from "./broker.ts"
import type { Connection } from "./connection.ts"
import type { Queue } from "./queue.ts"
import type { Hold, Session } from "./session.ts"
import * as sessions from "./sessions.ts"
import type { Waiter } from "./waiter.ts"

/** Ends the part of a waiter in the queue; false when it waits no longer. */
export const leave = (queue: Queue, waiter: Waiter): boolean => {
  if (waiter.list === undefined) return false
  waiter.list.remove(waiter)
  waiter.connection.waiters.delete(waiter)
  queue.timers.clear(waiter)
  queue.waiting--
  return true
}

const serve = (queue: Queue, waiters: List<Waiter>, now: number): void => {
  for (let waiter = waiters.first; waiter !== undefined; waiter = waiters.first) {
    if (!waiter.take(now)) return
    leave(queue, waiter)
  }
}

/** What a holder is told whose session is no longer his. */
export const sessionLockLost = (
  queue: Queue,
  session: Session,
  operation: string
): QueueError.QueueError =>
  error(new QueueError.SessionLockLost({ sessionId: session.id }), operation, queue.name)

const endAll = (queue: Queue, hold: Hold): void => {
  for (let waiter = hold.waiters.first; waiter !== undefined; waiter = hold.waiters.first) {
    leave(queue, waiter)
    waiter.end(sessionLockLost(queue, hold.session, "receive"))
  }
}

/** Ends a hold and the calls that wait on it. */
export const release = (queue: Queue, hold: Hold, counted: boolean, now: number): void => {
  sessions.release(queue, hold, counted, now)
  endAll(queue, hold)
}

/** Serves the holder of a session, or lines the session up for the next one. */
const look = (queue: Queue, session: Session, now: number): void => {
  session.touched = false
  if (session.hold !== undefined) return serve(queue, session.hold.waiters, now)
  if (session.cursor?.state === "Ready") {
    if (session.list === undefined) queue.available.append(session)
    return undefined
  }
  queue.available.remove(session)
  return sessions.forgetEmpty(queue, session)
}

const serveAll = (queue: Queue, now: number): void => {
  for (const session of queue.touched) look(queue, session, now)
  queue.touched.length = 0
  serve(queue, queue.main.waiters, now)
  serve(queue, queue.dead.waiters, now)
  serve(queue, queue.acceptors, now)
}

/** Lets everything happen that is due. */
const catchUp = (queue: Queue, now: number): void => {
  const over: Array<Waiter> = []
  let target = queue.timers.due(now)
  if (target === undefined) return
  for (; target !== undefined; target = queue.timers.due(now)) {
    if (target._tag === "Entry") moves.wakeEntry(queue, target, now)
    else if (target._tag === "Waiter") over.push(target)
    else {
      const lost = sessions.wake(queue, target, now)
      if (lost !== undefined) release(queue, lost, true, now)
    }
  }
  // What came at the very end of a wait is still delivered.
  serveAll(queue, now)
  for (const waiter of over) {
    if (leave(queue, waiter)) waiter.end(undefined)
  }
}

const setAlarm = (queue: Queue): void => {
  const { surroundings } = queue.broker
  const at = queue.waiting === 0 ? undefined : queue.timers.next()
  if (at === undefined) {
    if (queue.alarmAt !== Infinity) surroundings.clearAlarm(queue)
    queue.alarmAt = Infinity
  } else if (at < queue.alarmAt) {
    queue.alarmAt = at
    surroundings.setAlarm(queue, at)
  }
}

/** One call on a queue. */
export const turn = <A>(queue: Queue, move: (now: number) => A): A => {
  const now = queue.broker.surroundings.now()
  catchUp(queue, now)
  const result = move(now)
  serveAll(queue, now)
  setAlarm(queue)
  return result
}

/** The alarm rang: whatever is due happens. */
export const ring = (queue: Queue): void => {
  queue.alarmAt = Infinity
  turn(queue, () => undefined)
}

/** Puts a call in line. */
export const enter = (queue: Queue, list: List<Waiter>, waiter: Waiter): void => {
  list.append(waiter)
  waiter.connection.waiters.set(waiter, queue)
  queue.timers.set(waiter, waiter.deadline)
  queue.waiting++
}

const endWaits = (connection: Connection, why: QueueError.QueueError): void => {
  for (const [waiter, queue] of connection.waiters) {
    turn(queue, () => {
      if (leave(queue, waiter)) waiter.end(why)
    })
  }
}

const endHolds = (connection: Connection): void => {
  // Those of now: a session that is let go may be granted to the next in line on this very connection.
  for (const [hold, queue] of Array.from(connection.holds)) {
    turn(queue, (now) => release(queue, hold, false, now))
  }
}

/** The connection breaks: its sessions are lost, its other waits end with an error. */
export const cut = (connection: Connection, why: QueueError.QueueError): void => {
  endHolds(connection)
  endWaits(connection, why)
}

/** The connection closes for good: all its waits end with an error, its sessions are released. */
export const close = (broker: Broker, connection: Connection, why: QueueError.QueueError): void => {
  connection.closed = true
  broker.connections.delete(connection)
  endWaits(connection, why)
  endHolds(connection)
}
