/**
 * What happens to one message: it is stored, becomes deliverable, is delivered, comes back, is put aside
 * or goes. Nobody is woken here; `waiting.ts` looks after that when a call is done with its moves.
 */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import { type Entry, type EntryState, toDeadLetter, toReceived } from "./entry.ts"
import type { ReceivedMessage, Verdict } from "@queue-runtime/core"
import type { Queue, Shelf } from "./queue.ts"
import type { Session } from "./session.ts"

const shelfOf = (queue: Queue, entry: Entry): Shelf =>
  entry.deadLetter === undefined ? queue.main : queue.dead

const change = (shelf: Shelf, entry: Entry, state: EntryState): void => {
  shelf.counts[entry.state]--
  shelf.counts[state]++
  entry.state = state
}

/** Marks a session to be looked at before the call under way ends. */
export const touch = (queue: Queue, session: Session): void => {
  if (session.touched) return
  session.touched = true
  queue.touched.push(session)
}

const nextTime = (entry: Entry): number => {
  switch (entry.state) {
    case "Scheduled":
      return entry.dueAt
    case "Delayed":
      return Math.min(entry.dueAt, entry.expiresAt)
    case "Ready":
      return entry.expiresAt
    default:
      return entry.session === undefined ? entry.lockedUntil : Infinity
  }
}

const setTimer = (queue: Queue, entry: Entry): void => queue.timers.set(entry, nextTime(entry))

const makeReady = (queue: Queue, shelf: Shelf, entry: Entry): void => {
  change(shelf, entry, "Ready")
  if (entry.session === undefined) shelf.ready.push(entry)
  else touch(queue, entry.session)
}

const number = (shelf: Shelf, entry: Entry): void => {
  shelf.sequence++
  entry.sequence = shelf.sequence
  shelf.index.append(entry)
}

const timeToLiveMillis = (queue: Queue, entry: Entry): number => {
  const { timeToLive } = entry.carried
  return timeToLive === undefined ? queue.timeToLiveMillis : Duration.toMillis(timeToLive)
}

/** Lets a numbered message of the queue be delivered, behind all others. */
const enter = (queue: Queue, entry: Entry, since: number, now: number): void => {
  entry.expiresAt = since + timeToLiveMillis(queue, entry)
  const { session } = entry
  if (session !== undefined) {
    session.messages.append(entry)
    session.cursor ??= entry
  }
  makeReady(queue, queue.main, entry)
  if (entry.expiresAt <= now) expire(queue, entry, now)
  else setTimer(queue, entry)
}

/** Stores a new message: for now, or for the time it is scheduled for. */
export const store = (
  queue: Queue,
  entry: Entry,
  session: Session | undefined,
  dueAt: number,
  now: number
): void => {
  const { broker, main } = queue
  broker.messages++
  broker.bytes += entry.size
  queue.bytes += entry.size
  entry.session = session
  number(main, entry)
  if (dueAt <= now) {
    enter(queue, entry, now, now)
    return
  }
  entry.dueAt = dueAt
  change(main, entry, "Scheduled")
  if (session !== undefined) session.scheduled++
  setTimer(queue, entry)
}

/** A scheduled message takes its place behind what came before it was due, under a new number. */
const promote = (queue: Queue, entry: Entry, now: number): void => {
  queue.main.index.remove(entry)
  number(queue.main, entry)
  if (entry.session !== undefined) entry.session.scheduled--
  enter(queue, entry, entry.dueAt, now)
}

/** Locks a message that is ready and was taken from its place, and counts the delivery. */
export const deliver = (
  queue: Queue,
  shelf: Shelf,
  entry: Entry,
  now: number
): ReceivedMessage.ReceivedMessage => {
  const { broker } = queue
  change(shelf, entry, "Locked")
  broker.deliveries++
  broker.steps.count++
  entry.token = `${broker.id}-${broker.deliveries}`
  shelf.deliveries.set(entry.token, entry)
  entry.deliveryCount++
  entry.deliveredAt = now
  entry.firstDeliveredAt ??= now
  entry.lockedUntil = now + queue.lockMillis
  setTimer(queue, entry)
  return toReceived(entry, shelf.address)
}

const unlock = (queue: Queue, shelf: Shelf, entry: Entry): void => {
  queue.broker.steps.count++
  shelf.deliveries.delete(entry.token)
  entry.token = ""
}

/** Takes a message out of its place, wherever it stands. */
const detach = (queue: Queue, entry: Entry): void => {
  const shelf = shelfOf(queue, entry)
  const { session, state } = entry
  if (state === "Locked") unlock(queue, shelf, entry)
  change(shelf, entry, "Gone")
  shelf.index.remove(entry)
  queue.timers.clear(entry)
  if (session !== undefined) {
    if (session.cursor === entry) session.cursor = entry.next
    session.messages.remove(entry)
    touch(queue, session)
  } else if (state === "Ready") shelf.ready.forget()
}

/** Removes a message for good. */
export const remove = (queue: Queue, entry: Entry): void => {
  const { broker } = queue
  detach(queue, entry)
  broker.messages--
  broker.bytes -= entry.size
  queue.bytes -= entry.size
}

/** Moves a message to the dead letters. */
export const bury = (
  queue: Queue,
  entry: Entry,
  why: Omit<Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>, "_tag">,
  now: number
): void => {
  detach(queue, entry)
  const { deliveryCount } = entry
  const dead = toDeadLetter(entry, {
    reason: why.reason,
    ...(why.description === undefined ? {} : { description: why.description }),
    ...(why.details === undefined ? {} : { details: why.details }),
    source: queue.name,
    time: DateTime.makeUnsafe(now),
    deliveryCount
  })
  number(queue.dead, dead)
  makeReady(queue, queue.dead, dead)
}

const expire = (queue: Queue, entry: Entry, now: number): void => {
  if (!queue.deadLetterExpired) return remove(queue, entry)
  const description = "the message was not delivered within its time to live"
  return bury(queue, entry, { reason: "TTLExpiredException", description }, now)
}

/** How a delivery ended without being settled for good. */
export interface Return {
  /** Whether the delivery counts; what a session's holder merely gives back does not. */
  readonly counted: boolean
  readonly delayMillis: number
}

/** Ends a delivery: the message goes back to its place, or aside when it was delivered too often. */
export const giveBack = (queue: Queue, entry: Entry, how: Return, now: number): void => {
  const shelf = shelfOf(queue, entry)
  const { deliveriesMax } = queue
  if (!how.counted) entry.deliveryCount--
  if (how.counted && !shelf.isDead && entry.deliveryCount >= deliveriesMax) {
    const description = `delivered ${entry.deliveryCount} times and not completed; the maximum is ${deliveriesMax}`
    return bury(queue, entry, { reason: "MaxDeliveryCountExceeded", description }, now)
  }
  if (entry.expiresAt <= now) return expire(queue, entry, now)
  unlock(queue, shelf, entry)
  if (how.delayMillis > 0) {
    entry.dueAt = now + how.delayMillis
    change(shelf, entry, "Delayed")
    if (entry.session !== undefined) touch(queue, entry.session)
  } else {
    makeReady(queue, shelf, entry)
  }
  return setTimer(queue, entry)
}

/** Takes back a delivery that nobody saw, as if it had not been. */
export const undo = (queue: Queue, entry: Entry, now: number): void => {
  if (entry.firstDeliveredAt === entry.deliveredAt) entry.firstDeliveredAt = undefined
  giveBack(queue, entry, { counted: false, delayMillis: 0 }, now)
}

/** A message's time has come, or one that has been put off since. */
export const wakeEntry = (queue: Queue, entry: Entry, now: number): void => {
  const { state } = entry
  const shelf = shelfOf(queue, entry)
  if (nextTime(entry) > now) return setTimer(queue, entry)
  if (state === "Scheduled") return promote(queue, entry, now)
  if (state === "Locked") return giveBack(queue, entry, { counted: true, delayMillis: 0 }, now)
  if (entry.expiresAt <= now) return expire(queue, entry, now)
  makeReady(queue, shelf, entry)
  return setTimer(queue, entry)
}
