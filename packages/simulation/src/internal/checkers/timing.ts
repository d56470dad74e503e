import type * as Checker from "../../Checker.ts"
import { Violations } from "./violations.ts"

interface Times {
  /** Not before, and not after. */
  dueAt: number
  expiresAt: number
  delayMillis: number
  timeToLiveMillis: number
}

/** Nothing comes before its time or after it. */
export const timing: Checker.Checker = {
  name: "timing",
  rule: "nothing comes before it is due, before its backoff is over, or when it has expired",
  check: ({ events, promises }) => {
    const violations = new Violations("timing")
    const times = new Map<string, Times>()
    const backoffs = new Map<string, number>()
    const abandonedAt = new Map<string, number>()
    const abandonedCounts = new Map<string, number>()
    const counts = new Map<string, number>()
    /** Who had it last, and by which holding. */
    const holds = new Map<string, string>()
    const copies = new Map<string, number>()
    const slack = promises.toleranceMillis
    for (const event of events) {
      switch (event._tag) {
        case "Submitted":
          if (event.delayMillis === undefined && event.timeToLiveMillis === undefined) break
          if (times.has(event.id)) break
          times.set(event.id, {
            dueAt: event.at,
            expiresAt: Infinity,
            delayMillis: event.delayMillis ?? 0,
            timeToLiveMillis: event.timeToLiveMillis ?? Infinity
          })
          break
        case "Stored": {
          const own = times.get(event.id)
          if (event.sequence === undefined && promises.complete) break
          copies.set(event.id, (copies.get(event.id) ?? 0) + 1)
          if (own === undefined) break
          // The broker counts from when it takes it. Of two copies the first may come first, and the last
          // is the last to expire.
          const dueAt = event.at + own.delayMillis
          own.dueAt = copies.get(event.id) === 1 ? dueAt : Math.min(own.dueAt, dueAt)
          const expiresAt = dueAt + own.timeToLiveMillis
          own.expiresAt =
            copies.get(event.id) === 1 ? expiresAt : Math.max(own.expiresAt, expiresAt)
          break
        }
        case "Settled":
          if (event.verdict === "Abandon" && event.result === "ok") {
            backoffs.set(event.id, event.at + (event.delayMillis ?? 0))
            abandonedAt.set(event.id, event.at)
            abandonedCounts.set(event.id, counts.get(event.token) ?? 0)
          }
          break
        case "Delivered": {
          counts.set(event.token, event.count)
          const own = times.get(event.id)
          if (own !== undefined && promises.complete && copies.has(event.id)) {
            if (event.since + slack < own.dueAt && event.count === 1) {
              violations.add(event.at, `${event.id} came ${own.dueAt - event.since} ms too early`, [
                event.id
              ])
            }
            if (event.since - slack > own.expiresAt) {
              violations.add(
                event.at,
                `${event.id} came ${event.since - own.expiresAt} ms after it expired`,
                [event.id]
              )
            }
          }
          // Heard of late, and given before what was abandoned.
          if (event.count <= (abandonedCounts.get(event.id) ?? 0)) break
          const backoff = backoffs.get(event.id)
          backoffs.delete(event.id)
          const wasSame = holds.get(event.id)
          holds.set(event.id, `${event.node} ${event.hold}`)
          // Of two copies the other one may come; and one given before the backoff may be heard of in it.
          if ((copies.get(event.id) ?? 0) > 1 || event.since < (abandonedAt.get(event.id) ?? 0))
            break
          // A holder that gives it up, or is gone, cuts its backoff short where that is the holder's own.
          const isSame = wasSame === `${event.node} ${event.hold}` && event.hold !== undefined
          if (
            (promises.complete || isSame) &&
            backoff !== undefined &&
            event.since + slack < backoff
          ) {
            violations.add(
              event.at,
              `${event.id} came again ${backoff - event.since} ms before its backoff was over`,
              [event.id]
            )
          }
          break
        }
        default:
      }
    }
    return violations.found
  }
}
