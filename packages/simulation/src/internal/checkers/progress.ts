import type * as Checker from "../../Checker.ts"
import { Violations } from "./violations.ts"

const words = {
  spinning: "went round without time passing",
  waiting: "waited for each other, and nothing would ever happen again",
  overtime: "had not ended when their time was over"
}

/** Everybody gets on, nobody spins, and no worker ends that was not asked to. */
export const progress: Checker.Checker = {
  name: "progress",
  rule: "everything ends in time, nobody spins, and a worker ends when it is asked to and not before",
  check: ({ events }) => {
    const violations = new Violations("progress")
    const asked = new Set<string>()
    /** Who ends when its work is done. */
    const passing = new Set<string>()
    for (const event of events) {
      if (event._tag === "Draining") asked.add(event.node)
      if (event._tag === "Launched" && event.role !== "worker") passing.add(event.node)
      if (event._tag === "Stuck") {
        violations.add(event.at, `the processes ${words[event.why]}`, [event.why])
      }
      if (event._tag !== "Finished" || event.node.startsWith("p")) continue
      if (event.reason !== undefined) {
        violations.add(event.at, `${event.node} ended with ${event.reason}`, [event.node])
      } else if (!asked.has(event.node) && !passing.has(event.node)) {
        violations.add(event.at, `${event.node} ended, and nobody had asked it to`, [event.node])
      }
    }
    return violations.found
  }
}
