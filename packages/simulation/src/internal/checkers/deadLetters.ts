import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { Violations } from "./violations.ts"

const poison = "MaxDeliveryCountExceeded"

const expired = "TTLExpiredException"

/** A message is put aside for a reason that it gave, and a handler never sees one past its maximum. */
export const deadLetters: Checker.Checker = {
  name: "dead letters",
  rule: "a message is put aside for cause alone: a permanent failure, too many deliveries, its age",
  check: ({ events, promises }) => {
    const violations = new Violations("dead letters")
    /** Deliveries that a handler saw. */
    const chances = new Map<string, number>()
    const ended = new Map<string, History.Ended>()
    const last = new Map<string, History.Ended>()
    const begun = new Set<string>()
    /** Deliveries that somebody tried to put aside; when that fails they stay. */
    const tried = new Set<string>()
    const asked = new Set<string>()
    const counts = new Map<string, number>()
    const lifetimes = new Map<string, number>()
    const aside = new Map<string, string>()
    let isTroubled = false
    const startsOf = (id: string): number => chances.get(id) ?? 0
    /** Had it as many chances as it is said to have had? What is lost on its way counts where any is. */
    const hadChances = (id: string): boolean => isTroubled || startsOf(id) >= promises.deliveriesMax
    const { deliveriesMax } = promises
    for (const event of events) {
      switch (event._tag) {
        case "Submitted":
          if (event.timeToLiveMillis !== undefined) lifetimes.set(event.id, event.at)
          break
        case "Fault":
          if (event.on !== "handler") isTroubled = true
          break
        case "Delivered":
          counts.set(event.token, event.count)
          break
        case "Started":
          chances.set(event.id, startsOf(event.id) + 1)
          begun.add(event.token)
          if (event.count > deliveriesMax) {
            violations.add(
              event.at,
              `the handler got ${event.id} on delivery ${event.count} of at most ${deliveriesMax}`,
              [event.id]
            )
          }
          break
        case "Ended":
          ended.set(event.token, event)
          last.set(`${event.node} ${event.id}`, event)
          break
        case "Settling": {
          const how = ended.get(event.token)
          if (event.verdict !== "DeadLetter") {
            const isTried = tried.has(event.token)
            if (how?.how === "permanent" && !isTried && !isTroubled && !promises.routed) {
              violations.add(event.at, `${event.id} failed for good, and was not put aside`, [
                event.id
              ])
            }
            if (how?.how === "done" && event.verdict === "Abandon") {
              violations.add(event.at, `${event.id} was handled, and abandoned all the same`, [
                event.id
              ])
            }
            break
          }
          tried.add(event.token)
          asked.add(event.id)
          const count = counts.get(event.token) ?? 0
          if (event.reason === poison) {
            // One that hears no interruption is still at work when its time is over.
            const isFailed = begun.has(event.token) && how?.how !== "done"
            const isLast = count === deliveriesMax && isFailed
            if ((count > deliveriesMax && !begun.has(event.token)) || isLast) {
              if (promises.complete && !hadChances(event.id)) {
                violations.add(
                  event.at,
                  `${event.id} was put aside as delivered too often after ${startsOf(event.id)} handlers`,
                  [event.id]
                )
              }
              break
            }
            violations.add(
              event.at,
              `${event.id} was put aside as delivered too often on delivery ${count} of ${deliveriesMax}`,
              [event.id]
            )
            break
          }
          if (how?.how !== "permanent" || how.reason !== event.reason) {
            violations.add(
              event.at,
              `${event.id} was put aside as ${event.reason ?? "nothing"}, and ended as ${how?.how ?? "not handled"}`,
              [event.id]
            )
          }
          break
        }
        case "Copied": {
          const how = last.get(`${event.node} ${event.id}`)
          // Of several deliveries nobody can tell which one the copy is of.
          if (how?.how === "done" && startsOf(event.id) === 1) {
            violations.add(
              event.at,
              `a copy of ${event.id} was put aside, and its handler had succeeded`,
              [event.id]
            )
          }
          break
        }
        case "Settled":
          if (event.result === "ok" && event.verdict === "DeadLetter")
            aside.set(event.id, "settled")
          break
        case "Left": {
          if (event.place !== "deadLetters" || aside.has(event.id)) break
          // Put there by a settlement whose answer got lost.
          if (!promises.complete && asked.has(event.id)) break
          if (event.reason === poison) {
            if (event.count < deliveriesMax || (promises.complete && !hadChances(event.id))) {
              violations.add(
                event.at,
                `the broker put ${event.id} aside after ${startsOf(event.id)} handlers of ${deliveriesMax}`,
                [event.id]
              )
            }
          } else if (event.reason === expired) {
            if (!lifetimes.has(event.id)) {
              violations.add(event.at, `${event.id} was put aside as expired and has no age`, [
                event.id
              ])
            }
          } else if (promises.complete) {
            violations.add(
              event.at,
              `${event.id} is among the dead letters as ${event.reason ?? "nothing"}, and nobody put it there`,
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
