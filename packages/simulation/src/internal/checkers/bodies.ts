import type * as Checker from "../../Checker.ts"
import { Violations } from "./violations.ts"

/** Bodies come up as they went down, and are not readable on the way where they are sealed. */
export const bodies: Checker.Checker = {
  name: "bodies",
  rule: "a handler gets the bytes that were sent; where they are sealed nobody below sees them",
  check: ({ events, promises }) => {
    const violations = new Violations("bodies")
    const sent = new Map<string, number>()
    for (const event of events) {
      if (event._tag === "Submitted") {
        const origin = sent.get(event.of ?? event.id)
        sent.set(event.id, event.of === undefined ? event.digest : (origin ?? event.digest))
      }
      if (event._tag === "Storing" && promises.sealed && sent.get(event.id) === event.digest) {
        violations.add(event.at, `${event.id} went out in plain text`, [event.id])
      }
      if (event._tag !== "Started") continue
      const digest = sent.get(event.id)
      if (digest !== undefined && digest !== event.digest) {
        violations.add(event.at, `the handler got another body of ${event.id} than was sent`, [
          event.id
        ])
      }
    }
    return violations.found
  }
}
