import type * as Checker from "../../Checker.ts"
import { Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

/** A worker that ends leaves nothing behind, and in the end the queue is empty. */
export const drained: Checker.Checker = {
  name: "drain",
  rule: "a worker that ends has nothing at work and nothing locked, and in the end the queue is empty",
  check: ({ events, promises }) => {
    const violations = new Violations("drain")
    const locks = new Locks()
    const running = new Map<string, Map<string, string>>()
    const touched = new Set<string>()
    const troubled = new Set<string>()
    for (const event of events) {
      switch (event._tag) {
        case "Fault":
          for (const ref of event.refs) touched.add(ref)
          // What hangs longer than a worker waits for it is left to run out.
          if (event.on === "process" || (event.on === "call" && event.kind !== "throttled")) {
            troubled.add(event.node)
          }
          break
        case "Settled":
          if (event.result !== "ok") touched.add(event.token)
          break
        case "Cut":
          troubled.add(event.node)
          break
        case "Started": {
          const own = running.get(event.node) ?? new Map<string, string>()
          running.set(event.node, own)
          own.set(event.token, event.id)
          break
        }
        case "Ended":
          running.get(event.node)?.delete(event.token)
          break
        case "Finished": {
          const { at, node } = event
          const isTroubled = troubled.has(node)
          for (const id of running.get(node)?.values() ?? []) {
            if (!isTroubled && !touched.has(id))
              violations.add(at, `${node} ended with a handler of ${id} at work`, [id, node])
          }
          if (isTroubled) break
          for (const { hold, session, until } of locks.holdsOf(node)) {
            if (until - promises.toleranceMillis <= at) continue
            violations.add(at, `${node} ended and left session ${session} locked (${hold})`, [
              session,
              node
            ])
          }
          for (const delivery of locks.inHandOf(node)) {
            if (!locks.isLocked(delivery, at + promises.toleranceMillis)) continue
            if (touched.has(delivery.token)) continue
            violations.add(at, `${node} ended and left ${delivery.id} locked`, [delivery.id, node])
          }
          break
        }
        case "Left":
          if (event.place === "queue") {
            violations.add(event.at, `${event.id} is still in the queue when all is over`, [
              event.id
            ])
          }
          break
        default:
      }
      locks.follow(event)
    }
    return violations.found
  }
}
