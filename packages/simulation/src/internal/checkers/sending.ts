import type * as Checker from "../../Checker.ts"
import { Violations } from "./violations.ts"

interface Sending {
  /** Times it may go out: one a submission, and one a call that failed, or whose reply got lost. */
  allowed: number
  calls: number
}

interface Last {
  readonly id: string
  readonly order: number
  readonly sequence: number
}

/** What is taken is not sent again, and the messages of a session are taken in the order they were sent. */
export const sending: Checker.Checker = {
  name: "sending",
  rule: "what was taken is not sent again, and a session's messages are taken in the order they were sent",
  check: ({ events, promises }) => {
    const violations = new Violations("sending")
    const messages = new Map<string, Sending>()
    const submitted = new Map<string, { readonly node: string; readonly order: number }>()
    const last = new Map<string, Last>()
    const open = new Map<string, number>()
    const stored = new Set<string>()
    const of = (id: string): Sending => {
      const known = messages.get(id)
      if (known !== undefined) return known
      const made = { allowed: 0, calls: 0 }
      messages.set(id, made)
      return made
    }
    for (const event of events) {
      switch (event._tag) {
        case "Submitted":
          of(event.id).allowed++
          submitted.set(event.id, event)
          break
        case "Fault":
          if (event.on === "handler") break
          for (const ref of event.refs) {
            const known = messages.get(ref)
            if (known !== undefined) known.allowed++
          }
          break
        case "Storing": {
          const message = of(event.id)
          // The call before has no answer: it failed as a whole, or its caller was gone.
          if ((open.get(event.id) ?? 0) > 0) message.allowed++
          open.set(event.id, 1)
          message.calls++
          if (submitted.has(event.id) && message.calls > message.allowed) {
            violations.add(event.at, `${event.id} went out again though it was taken`, [event.id])
          }
          break
        }
        case "Stored": {
          open.set(event.id, 0)
          const from = submitted.get(event.id)
          if (!promises.ordered || event.session === undefined || from === undefined) break
          // A copy has its place behind; what counts is that of the first.
          const isCopy = stored.has(event.id) || (event.sequence === undefined && promises.complete)
          stored.add(event.id)
          if (isCopy) break
          const key = `${from.node}/${event.session}`
          const before = last.get(key)
          const sequence = event.sequence ?? Infinity
          if (
            before !== undefined &&
            before.order > from.order &&
            sequence > before.sequence &&
            before.id !== event.id
          ) {
            violations.add(
              event.at,
              `${event.id} was taken behind ${before.id}, which was sent after it`,
              [event.session, event.id, before.id]
            )
          }
          if (before === undefined || from.order > before.order) {
            last.set(key, { id: event.id, order: from.order, sequence: event.sequence ?? 0 })
          }
          break
        }
        default:
      }
    }
    return violations.found
  }
}
