import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Result from "effect/Result"
import { QueueError, type Receipt, type Verdict } from "@queue-runtime/core"
import { provider } from "./errors.ts"
import type { Entry } from "./entry.ts"
import * as moves from "./moves.ts"
import type { Queue, Shelf } from "./queue.ts"
import type { Session } from "./session.ts"
import * as sessions from "./sessions.ts"

type Settled<A> = Result.Result<A, QueueError.Reason>

const done: Settled<void> = Result.succeed(undefined)

/** The part of the queue a receipt is of. */
const shelfOf = (queue: Queue, receipt: Receipt.Receipt): Shelf =>
  receipt.address._tag === "DeadLetter" ? queue.dead : queue.main

const find = (queue: Queue, receipt: Receipt.Receipt): Entry | undefined => {
  queue.broker.steps.count++
  return shelfOf(queue, receipt).deliveries.get(receipt.token)
}

/** What becomes of a receipt that settles nothing. */
export const expired = (): Settled<never> => Result.fail(new QueueError.ReceiptExpired())

/** Why nothing can be settled with this verdict. */
export const problemOf = (verdict: Verdict.Verdict): QueueError.Reason | undefined => {
  if (verdict._tag !== "Abandon") return undefined
  if (Duration.isFinite(verdict.delay) && !Duration.isNegative(verdict.delay)) return undefined
  const problem = "must be a finite duration, not below zero"
  return new QueueError.ValidationFailed({ field: "delay", problem })
}

const abandon = (queue: Queue, entry: Entry, delayMillis: number, now: number): void => {
  const { session } = entry
  if (session === undefined) moves.giveBack(queue, entry, { counted: true, delayMillis }, now)
  else sessions.abandon(queue, session, entry, delayMillis, now)
}

/** Settles one delivery; of `session` alone when one is given. */
export const settle = (
  queue: Queue,
  receipt: Receipt.Receipt,
  verdict: Verdict.Verdict,
  session: Session | undefined,
  now: number
): Settled<void> => {
  const entry = find(queue, receipt)
  if (entry === undefined || (session !== undefined && entry.session !== session)) return expired()
  switch (verdict._tag) {
    case "Complete":
      moves.remove(queue, entry)
      return done
    case "Abandon":
      // Never early: a part of a millisecond is a whole one.
      abandon(queue, entry, Math.ceil(Duration.toMillis(verdict.delay)), now)
      return done
    case "DeadLetter": {
      if (entry.deadLetter !== undefined) {
        const what = "dead-lettering a dead letter"
        return Result.fail(new QueueError.UnsupportedOperation({ what, provider }))
      }
      moves.bury(queue, entry, verdict, now)
      return done
    }
  }
}

/** Extends the lock of one delivery: its own, or that of the session it belongs to. */
export const renew = (
  queue: Queue,
  receipt: Receipt.Receipt,
  now: number
): Settled<DateTime.Utc> => {
  const entry = find(queue, receipt)
  if (entry === undefined) return expired()
  const lock = entry.session?.hold ?? entry
  lock.lockedUntil = Math.max(lock.lockedUntil, now + queue.lockMillis)
  return Result.succeed(DateTime.makeUnsafe(lock.lockedUntil))
}
