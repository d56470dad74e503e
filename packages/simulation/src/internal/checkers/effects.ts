import type * as Checker from "../../Checker.ts"
import { Violations } from "./violations.ts"

/** What is to be done once is done once. */
export const effects: Checker.Checker = {
  name: "effects",
  rule: "an effect of one key is applied once, however often its message comes",
  check: ({ events, promises }) => {
    const violations = new Violations("effects")
    if (!promises.idempotent) return violations.found
    const applied = new Set<string>()
    for (const event of events) {
      if (event._tag !== "Applied") continue
      if (applied.has(event.key)) {
        violations.add(event.at, `${event.key} was applied again by ${event.node}`, [
          event.key,
          event.node
        ])
      }
      applied.add(event.key)
    }
    return violations.found
  }
}
