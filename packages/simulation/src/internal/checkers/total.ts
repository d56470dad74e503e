import type * as Checker from "../../Checker.ts"
import { Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

interface Seen {
  /** By a producer; the library's own copies are not. */
  isSubmitted: boolean
  isTaken: boolean
  takenAt: number
  /** Copies that the broker has or had, and calls that may have made one. */
  copies: number
  calls: number
  /** Gone for good, or perhaps so. */
  done: number
  maybeDone: boolean
  isDead: boolean
  /** Put aside by a settlement, and seen among the dead letters. */
  isBuried: boolean
  isThere: boolean
  isLeft: boolean
  expiresAt: number
  dueAt: number
}

const nothing = (): Seen => ({
  isSubmitted: false,
  isTaken: false,
  takenAt: 0,
  copies: 0,
  calls: 0,
  done: 0,
  maybeDone: false,
  isDead: false,
  isBuried: false,
  isThere: false,
  isLeft: false,
  expiresAt: Infinity,
  dueAt: 0
})

/** Nothing that was taken is lost, nothing comes that nobody sent, and nothing comes back when it is done. */
export const total: Checker.Checker = {
  name: "total queue",
  rule: "what is taken is handled, put aside or there; nothing comes unsent, or again when it is done",
  check: ({ events, promises }) => {
    const violations = new Violations("total queue")
    const messages = new Map<string, Seen>()
    const succeeded = new Set<string>()
    const copied = new Set<string>()
    const locks = new Locks()
    const of = (id: string): Seen => {
      const known = messages.get(id)
      if (known !== undefined) return known
      const made = nothing()
      messages.set(id, made)
      return made
    }
    let end = 0
    for (const event of events) {
      end = event.at
      // Where all is seen, whether a lock was over is not asked.
      if (!promises.complete && event._tag !== "Settled") locks.follow(event)
      switch (event._tag) {
        case "Submitted": {
          const seen = of(event.id)
          seen.isSubmitted = true
          if (event.delayMillis !== undefined) seen.dueAt = event.at + event.delayMillis
          if (event.timeToLiveMillis !== undefined) {
            // A broker may count from when the message may be delivered.
            const since = Math.max(event.at, seen.dueAt)
            seen.expiresAt = Math.min(seen.expiresAt, since + event.timeToLiveMillis)
          }
          break
        }
        case "Sent": {
          const seen = of(event.id)
          if (!seen.isTaken) seen.takenAt = event.at
          seen.isTaken = true
          break
        }
        case "Storing":
          of(event.id).calls++
          break
        case "Stored": {
          const seen = of(event.id)
          if (!seen.isTaken) seen.takenAt = event.at
          seen.isTaken = true
          if (event.sequence !== undefined || !promises.complete) seen.copies += event.copies ?? 1
          break
        }
        case "Copied":
          of(event.id).isDead = true
          copied.add(event.id)
          break
        case "Delivered": {
          const seen = messages.get(event.id)
          if (seen === undefined) {
            violations.add(event.at, `${event.id} came and was never sent`, [event.id])
            break
          }
          // In hand of another when it was settled, or sent more often than the bottom knows.
          const copies = promises.complete ? seen.copies : Math.max(seen.copies, seen.calls)
          // One who stood still hears of it when it has long been another's.
          if (event.until > event.at && copies > 0 && seen.done >= copies) {
            violations.add(event.at, `${event.id} came again after it was settled for good`, [
              event.id
            ])
          }
          break
        }
        case "Ended":
          if (event.how === "done") succeeded.add(event.token)
          break
        case "Settling":
          if (event.verdict !== "Abandon") of(event.id).maybeDone = true
          if (event.verdict !== "Complete" || succeeded.has(event.token) || copied.has(event.id))
            break
          violations.add(
            event.at,
            `${event.id} was completed though no handler of this delivery had succeeded`,
            [event.id, event.node]
          )
          break
        case "Settled": {
          if (event.result !== "ok" || event.verdict === "Abandon") break
          const seen = of(event.id)
          const lock = locks.deliveries.get(event.token)
          // Some brokers say yes to a receipt whose lock is over, and change nothing.
          const isLate = lock !== undefined && !locks.isLocked(lock, event.at)
          if (promises.complete || !isLate) seen.done++
          else seen.maybeDone = true
          if (event.verdict === "DeadLetter") {
            seen.isDead = true
            seen.isBuried = true
          }
          break
        }
        case "Unburied": {
          const seen = of(event.id)
          seen.isDead = true
          // Taken from among the dead letters: of an answer that got lost, perhaps.
          if (event.verdict === "Complete") seen.isThere = true
          break
        }
        case "Left": {
          const seen = of(event.id)
          if (event.place === "deadLetters") {
            seen.isDead = true
            seen.isThere = true
          } else seen.isLeft = true
          break
        }
        default:
      }
      if (!promises.complete && event._tag === "Settled") locks.follow(event)
    }
    for (const [id, seen] of messages) {
      if (promises.inspected && seen.isBuried && !seen.isThere) {
        violations.add(seen.takenAt, `${id} was put aside and is not among the dead letters`, [id])
      }
      if (!seen.isSubmitted || !seen.isTaken || seen.isDead || seen.isLeft || seen.done > 0)
        continue
      if (seen.expiresAt <= end || (!promises.complete && seen.maybeDone)) continue
      violations.add(seen.takenAt, `${id} was taken and is lost`, [id])
    }
    return violations.found
  }
}
