import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

/** Short of its end a lock counts as lost already; a worker then leaves the delivery alone. */
const marginMillis = 1_500

interface Seen {
  settled: number
  /** A reply of it was lost, so that it may well be tried again. */
  isUnsure: boolean
  isTried: boolean
  handled: History.Ended | undefined
  /** When the handler ended it was still the worker's to settle. */
  isDue: boolean
}

/** Every handled delivery is settled, and none is twice. */
export const settlement: Checker.Checker = {
  name: "settlement",
  rule: "a delivery whose handler ended is settled, once",
  check: ({ events, promises }) => {
    const violations = new Violations("settlement")
    const locks = new Locks()
    const seen = new Map<string, Seen>()
    const gone = new Set<string>()
    /** Processes that stood still: a call under way then may have run out of its time, and be repeated. */
    const paused = new Set<string>()
    const skews = new Map<string, number>()
    /** Sessions whose renewals failed or hung: their holder may think them lost. */
    const shaken = new Set<string>()
    const of = (token: string): Seen => {
      const known = seen.get(token)
      if (known !== undefined) return known
      const made = {
        settled: 0,
        isUnsure: false,
        isTried: false,
        handled: undefined,
        isDue: false
      }
      seen.set(token, made)
      return made
    }
    for (const event of events) {
      switch (event._tag) {
        case "Launched":
          skews.set(event.node, Math.abs(event.skewMillis))
          break
        case "Crashed":
        case "Cut":
          gone.add(event.node)
          break
        case "Fault":
          // Of a live run it is not known what befell which call.
          if (event.on === "process" && !promises.complete) gone.add(event.node)
          if (event.on === "process") paused.add(event.node)
          if (event.on !== "call") break
          for (const ref of event.refs) {
            shaken.add(ref)
            const one = seen.get(ref)
            if (one !== undefined) one.isUnsure = true
            else if (locks.deliveries.has(ref)) of(ref).isUnsure = true
          }
          break
        case "Ended": {
          const one = of(event.token)
          const lock = locks.deliveries.get(event.token)
          const margin = marginMillis + (skews.get(event.node) ?? 0) + promises.toleranceMillis
          one.handled = event
          const hold = locks.holds.get(lock?.hold ?? "")
          const isShaken = shaken.has(hold?.session ?? event.token)
          one.isDue = lock !== undefined && !isShaken && locks.isLocked(lock, event.at + margin)
          break
        }
        case "Settling": {
          const one = of(event.token)
          if (one.settled > 0 && !one.isUnsure && !paused.has(event.node)) {
            violations.add(
              event.at,
              `${event.id} was settled again by the receipt it was settled by`,
              [event.id, event.node]
            )
          }
          one.isTried = true
          break
        }
        case "Settled":
          if (event.result === "ok") {
            const one = of(event.token)
            one.settled++
            if (one.settled > 1) {
              violations.add(event.at, `the receipt of ${event.id} settled it twice`, [
                event.id,
                event.node
              ])
            }
          } else if (event.result !== "ReceiptExpired") of(event.token).isUnsure = true
          break
        default:
      }
      locks.follow(event)
    }
    for (const { handled, isDue, isTried, isUnsure } of seen.values()) {
      if (handled === undefined || !isDue || isTried || isUnsure || gone.has(handled.node)) continue
      violations.add(
        handled.at,
        `the handler of ${handled.id} ended (${handled.how}) and the delivery was never settled`,
        [handled.id, handled.node]
      )
    }
    return violations.found
  }
}
