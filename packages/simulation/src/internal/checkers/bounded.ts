import type * as Checker from "../../Checker.ts"
import { Locks } from "../locks.ts"
import { Violations } from "./violations.ts"

/** What a process holds has a bound, and nothing of it stays when the process has ended. */
export const bounded: Checker.Checker = {
  name: "bounds",
  rule: "a worker has no more in hand than it has room for, and every measured number keeps its bound",
  check: ({ events, promises }) => {
    const violations = new Violations("bounds")
    const locks = new Locks()
    /** Deliveries whose reply got lost: they are in nobody's hand. */
    const lost = new Set<string>()
    const running = new Map<string, Map<string, string>>()
    const stubborn = new Set<string>()
    for (const event of events) {
      locks.follow(event)
      if (event._tag === "Fault" && event.on === "call") for (const ref of event.refs) lost.add(ref)
      if (event._tag === "Gauge" && event.value > event.max) {
        violations.add(
          event.at,
          `${event.node} had ${event.value} ${event.name}, and the bound is ${event.max}`,
          [event.node]
        )
      }
      // One that hears no interruption is left running, and its place is free.
      if (event._tag === "Fault" && event.kind === "stubborn handler") {
        for (const ref of event.refs) stubborn.add(ref)
      }
      if (event._tag === "Ended") running.get(event.node)?.delete(event.token)
      if (event._tag === "Started") {
        const own = running.get(event.node) ?? new Map<string, string>()
        running.set(event.node, own.set(event.token, event.id))
        if (own.size > promises.handlersMax) {
          const counted = [...own.values()].filter((id) => !stubborn.has(id)).length
          if (counted > promises.handlersMax) {
            violations.add(
              event.at,
              `${event.node} had ${counted} handlers at work and may have ${promises.handlersMax}`,
              [event.node]
            )
          }
        }
      }
      if (event._tag !== "Delivered" || promises.inHandMax === Infinity) continue
      const inHand = locks.inHandOf(event.node)
      if (inHand.size <= promises.inHandMax) continue
      let locked = 0
      for (const one of inHand) if (locks.isLocked(one, event.at) && !lost.has(one.token)) locked++
      if (locked > promises.inHandMax) {
        violations.add(
          event.at,
          `${event.node} had ${locked} deliveries in hand and has room for ${promises.inHandMax}`,
          [event.node]
        )
      }
    }
    return violations.found
  }
}
