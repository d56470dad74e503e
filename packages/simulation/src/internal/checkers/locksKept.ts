import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

/** Whether a worker may lose a lock, or have no reason to keep it, by this. */
const isThreat = ({ kind, on }: History.Fault): boolean =>
  on === "call" || on === "process" || kind === "stubborn handler"

/** A lock is kept while its handler works, and no handler works without one. */
export const locksKept: Checker.Checker = {
  name: "locks kept",
  rule: "while nothing is wrong a handler begins under a lock, and the lock holds until it ends",
  check: ({ events, promises }) => {
    const violations = new Violations("locks kept")
    const locks = new Locks()
    const running = new Map<string, Map<string, History.Started>>()
    const latest = new Map<string, string>()
    const begun = new Set<string>()
    let isTroubled = false
    const look = (node: string, at: number): void => {
      for (const [token, started] of running.get(node) ?? []) {
        const lock = locks.deliveries.get(token)
        if (lock === undefined || lock.isOver) continue
        const until = locks.until(lock)
        if (until > at - promises.toleranceMillis) continue
        violations.add(
          at,
          `the lock of ${started.id} ran out in its handler in ${node} though nothing was wrong`,
          [started.id, node]
        )
      }
    }
    for (const event of events) {
      if (event._tag === "Fault" && isThreat(event)) isTroubled = true
      if (event._tag === "Launched" && event.skewMillis !== 0) isTroubled = true
      if (isTroubled) break
      switch (event._tag) {
        case "Started": {
          const lock = locks.deliveries.get(event.token)
          if (lock !== undefined && !locks.isLocked(lock, event.at - promises.toleranceMillis)) {
            violations.add(event.at, `${event.id} began in ${event.node} when its lock was over`, [
              event.id,
              event.node
            ])
          }
          begun.add(event.token)
          const own = running.get(event.node) ?? new Map<string, History.Started>()
          running.set(event.node, own)
          own.set(event.token, event)
          break
        }
        case "Ended":
          look(event.node, event.at)
          running.get(event.node)?.delete(event.token)
          break
        case "Delivered":
          // Somebody else has it: whoever worked on it has lost it, or given it up.
          if (event.count > 1) {
            for (const node of running.keys()) look(node, event.at)
            const before = locks.deliveries.get(latest.get(event.id) ?? "")
            if (
              before !== undefined &&
              !before.isOver &&
              begun.has(before.token) &&
              promises.complete
            ) {
              violations.add(
                event.at,
                `the lock of ${event.id} ran out in ${before.node}, which neither settled nor kept it, though nothing was wrong`,
                [event.id, before.node]
              )
            }
          }
          latest.set(event.id, event.token)
          break
        default:
      }
      locks.follow(event)
    }
    return violations.found
  }
}
