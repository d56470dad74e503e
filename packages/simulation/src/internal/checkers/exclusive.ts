import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { type Delivery, Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

/**
 * Holdings that were lost, and since when that may be so: when the broker last answered their holder. Where
 * the bottom does not see a connection break, nobody knows when it did, and a holder that is killed does
 * not hear of it at all.
 */
const brokenOf = ({ events, promises }: History.History): ReadonlyMap<string, number> => {
  const broken = new Map<string, number>()
  if (promises.complete) return broken
  const answered = new Map<string, number>()
  const holds = new Map<string, string>()
  const open = new Map<string, Set<string>>()
  const breaks = (hold: string): void => {
    broken.set(hold, Math.min(broken.get(hold) ?? Infinity, answered.get(hold) ?? 0))
  }
  for (const event of events) {
    if (event._tag === "Delivered" && event.hold !== undefined) holds.set(event.token, event.hold)
    if (event._tag === "Accepted") {
      open.set(event.node, (open.get(event.node) ?? new Set()).add(event.hold))
    }
    if (event._tag === "Released") open.get(event.node)?.delete(event.hold)
    if (event._tag === "Lost") breaks(event.hold)
    if (event._tag === "Crashed") for (const hold of open.get(event.node) ?? []) breaks(hold)
    const isAnswer = event._tag === "Settled" ? event.result === "ok" : event._tag === "Delivered"
    const hold = isAnswer && "token" in event ? holds.get(event.token ?? "") : undefined
    if (hold !== undefined) answered.set(hold, event.at)
    if (event._tag === "Renewed" && event.hold !== undefined) answered.set(event.hold, event.at)
  }
  return broken
}

/** One holder at a time, and whoever's lock is over changes nothing any more. */
export const exclusive: Checker.Checker = {
  name: "one holder",
  rule: "a session, or a message, is one holder's while its lock holds; a late settlement changes nothing",
  check: (history) => {
    const { events, promises } = history
    const broken = brokenOf(history)
    const violations = new Violations("one holder")
    const locks = new Locks()
    const holders = new Map<string, string>()
    /** Handlers at work, by session or message. */
    const running = new Map<string, Map<string, History.Started>>()
    const workOf = new Map<string, string>()
    const latest = new Map<string, Delivery>()
    const copies = new Map<string, number>()
    const crashed = new Set<string>()
    const slack = promises.toleranceMillis
    const keyOf = ({ id, session }: { readonly id: string; readonly session?: string }): string =>
      promises.ordered && session !== undefined ? `session ${session}` : id
    const atWork = (key: string): Map<string, History.Started> => {
      const known = running.get(key)
      if (known !== undefined) return known
      const made = new Map<string, History.Started>()
      running.set(key, made)
      return made
    }
    for (const event of events) {
      switch (event._tag) {
        case "Stored":
          if (event.sequence !== undefined || !promises.complete) {
            copies.set(event.id, (copies.get(event.id) ?? 0) + (event.copies ?? 1))
          }
          break
        case "Storing":
          if (!promises.complete) copies.set(event.id, (copies.get(event.id) ?? 0) + 1)
          break
        case "Crashed":
          crashed.add(event.node)
          break
        case "Accepted": {
          // Heard of when it was over, by a process that had stood still.
          if (event.until <= event.at) break
          locks.follow(event)
          // Or granted before its connection broke.
          if (locks.holds.get(event.hold)?.isOver === true) continue
          const holder = locks.holds.get(holders.get(event.session) ?? "")
          if (
            promises.exclusive &&
            holder !== undefined &&
            !holder.isOver &&
            holder.until - slack > event.at &&
            !(crashed.has(holder.node) && !promises.complete)
          ) {
            violations.add(
              event.at,
              `session ${event.session} was given to ${event.node} while ${holder.node} held it`,
              [event.session, event.node, holder.node]
            )
          }
          holders.set(event.session, event.hold)
          continue
        }
        case "Delivered": {
          const before = latest.get(event.id)
          if (before !== undefined && before.count >= event.count && before.node !== event.node)
            break
          locks.follow(event)
          const made = locks.deliveries.get(event.token)
          if (made !== undefined) latest.set(event.id, made)
          continue
        }
        case "Started": {
          const key = keyOf(event)
          const own = atWork(key)
          const mine = locks.deliveries.get(event.token)
          // Whoever stood still may begin what is not his any more; what he settles then is looked at.
          const isMine = mine !== undefined && locks.isLocked(mine, event.at)
          for (const [token, other] of own) {
            const lock = locks.deliveries.get(token)
            if (lock === undefined || crashed.has(other.node)) {
              own.delete(token)
              continue
            }
            const isSame = other.node === event.node && promises.ordered
            if (!isMine || !locks.isLocked(lock, event.at + slack)) continue
            if ((broken.get(lock.hold ?? "") ?? Infinity) <= event.at) continue
            if (!promises.ordered && (copies.get(event.id) ?? 1) > 1) continue
            violations.add(
              event.at,
              isSame
                ? `${event.id} began while ${other.id} of its session was at work in ${event.node}`
                : `${event.id} began in ${event.node} while ${other.node} held ${
                    other.id === event.id ? "it" : `its session for ${other.id}`
                  }`,
              [event.session ?? event.id, event.id, other.id, event.node, other.node]
            )
          }
          own.set(event.token, event)
          workOf.set(event.token, key)
          break
        }
        case "Ended":
          running.get(workOf.get(event.token) ?? "")?.delete(event.token)
          workOf.delete(event.token)
          break
        case "Settled": {
          const newest = latest.get(event.id)
          const own = locks.deliveries.get(event.token)
          if (
            promises.complete &&
            event.result === "ok" &&
            own !== undefined &&
            newest !== undefined &&
            newest.token !== event.token &&
            newest.count > own.count &&
            (copies.get(event.id) ?? 1) < 2
          ) {
            violations.add(
              event.at,
              `${event.node} settled ${event.id} though it had been delivered again to ${newest.node}`,
              [event.id, event.node, newest.node]
            )
          }
          break
        }
        default:
      }
      locks.follow(event)
    }
    return violations.found
  }
}
