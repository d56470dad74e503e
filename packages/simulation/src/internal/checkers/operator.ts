import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { Violations } from "./violations.ts"

/** The message that a replay is of, whatever it is the replay of. */
const originOf = (id: string): string => id.replace(/\.r\d+$/u, "")

/** One operation, as far as it has come. */
class Operation {
  readonly begun: History.Operating
  /** Letters that were taken and neither removed nor given back. */
  readonly inHand = new Map<string, string>()
  /** Letters of a message that were taken, and their places in the queue they come from. */
  readonly taken = new Map<string, Map<string, History.Taken>>()
  /** Replays of a message that went out. */
  readonly resent = new Map<string, Set<string>>()
  readonly removed = new Map<string, number>()
  readonly done = new Map<string, number>()
  /** The place of the last that was sent, by session. */
  readonly last = new Map<string, { readonly id: string; readonly sequence: number }>()
  readonly stopped = new Map<string, string>()
  /** When a replay went out first; and letters that are such a replay, put aside since. */
  readonly sentAt = new Map<string, number>()
  readonly returned = new Map<string, number>()
  readonly listed = new Set<string>()
  readonly counts = new Map<string, number>()
  isTroubled = false

  constructor(begun: History.Operating) {
    this.begun = begun
  }
}

const add = (counts: Map<string, number>, key: string): number => {
  const count = (counts.get(key) ?? 0) + 1
  counts.set(key, count)
  return count
}

const setOf = <A>(map: Map<string, Set<A>>, key: string): Set<A> => {
  const known = map.get(key)
  if (known !== undefined) return known
  const made = new Set<A>()
  map.set(key, made)
  return made
}

/** A letter among the dead letters that a worker put there: since when. */
interface Buried {
  readonly at: number
  readonly isSure: boolean
}

/** What an operator does with the dead letters loses none, mixes none up and tells the truth. */
export const operator: Checker.Checker = {
  name: "operator",
  rule: "a replay sends before it removes, in order and once; a purge removes what was meant; a listing has all",
  check: ({ events, promises }) => {
    const violations = new Violations("operator")
    const operations = new Map<string, Operation>()
    /** Replays of a message that the broker has taken, over all operations. */
    const taken = new Map<string, Set<string>>()
    const gone = new Map<string, number>()
    const buried = new Map<string, Buried>()
    const tell = (at: number, what: string, about: ReadonlyArray<string>): void =>
      violations.add(at, what, about)

    const stored = ({ id, sequence }: History.Stored): void => {
      // One that the broker takes for another is not there.
      if (sequence === undefined && promises.complete) return
      const origin = originOf(id)
      if (origin !== id) setOf(taken, origin).add(id)
    }

    const resent = (own: Operation, { at, id, of: origin, session }: History.Submitted): void => {
      if (origin === undefined) return
      const replays = setOf(own.resent, origin).add(id)
      const letters = own.taken.get(origin)
      const all = [...(letters?.values() ?? [])]
      if (!own.sentAt.has(id)) own.sentAt.set(id, at)
      if (replays.size > all.length - (own.returned.get(origin) ?? 0)) {
        tell(at, `one replay sent ${origin} again more often than it was among the dead letters`, [
          origin,
          id
        ])
      }
      const sequence = all[0]?.sequence
      // Of two letters of one message nobody can tell which it is.
      if (session === undefined || sequence === undefined || all.length > 1) return
      const before = own.last.get(session)
      if (promises.ordered && before !== undefined && before.sequence > sequence) {
        tell(
          at,
          `a replay sent ${origin} behind ${before.id} of session ${session}, which came later`,
          [origin, before.id, session]
        )
      }
      own.last.set(session, { id: origin, sequence })
    }

    const removed = (own: Operation, { at, id, node }: History.Unburied): void => {
      const origin = originOf(id)
      add(own.removed, origin)
      const { begun } = own
      if (begun.only !== undefined && !begun.only.includes(origin)) {
        tell(at, `the ${begun.what} of ${node} removed ${id}, which was not meant`, [origin, id])
      }
      if (begun.what === "purge") {
        const since = buried.get(id)
        const age = begun.olderThanMillis ?? 0
        if (since?.isSure === true && at - since.at < age) {
          tell(
            at,
            `${id} was purged ${at - since.at} ms after it was put aside, before its ${age} ms`,
            [origin, id]
          )
        }
      } else if (add(gone, origin) > (taken.get(origin)?.size ?? 0)) {
        tell(at, `the dead letter of ${id} was removed, and it had not been sent again`, [
          origin,
          id
        ])
      }
      buried.delete(id)
    }

    const told = (own: Operation, { at, id, letter, outcome, session }: History.Told): void => {
      if (outcome === "listed") {
        if (own.listed.has(letter)) tell(at, `${id} was listed twice`, [id])
        own.listed.add(letter)
        add(own.counts, id)
        return
      }
      if (outcome === "failed") {
        if (session !== undefined) own.stopped.set(session, id)
        return
      }
      if (outcome === "done" && add(own.done, id) > (own.removed.get(id) ?? 0)) {
        tell(at, `${id} is said to be done with, and is among the dead letters still`, [id])
      }
      const before = session === undefined ? undefined : own.stopped.get(session)
      if (own.begun.what === "replay" && promises.ordered && before !== undefined) {
        tell(at, `${id} was sent again behind ${before}, which had failed`, [id, before])
      }
    }

    const ended = (own: Operation, { at, node, reason, what }: History.Operated): void => {
      if (own.isTroubled || reason !== undefined) return
      for (const [token, id] of own.inHand) {
        tell(
          at,
          `the ${what} of ${node} ended and left the dead letter of ${id} locked (${token})`,
          [originOf(id), id, node]
        )
      }
      if (what !== "list") return
      const there = new Map<string, number>()
      for (const [id, { at: since }] of buried) if (since < own.begun.at) add(there, originOf(id))
      for (const [id, count] of there) {
        if ((own.counts.get(id) ?? 0) >= count) continue
        tell(at, `${id} is among the dead letters and was not listed`, [id])
      }
    }

    for (const event of events) {
      const own = operations.get(event.node)
      switch (event._tag) {
        case "Operating":
          operations.set(event.node, new Operation(event))
          break
        case "Crashed":
          operations.delete(event.node)
          break
        case "Fault":
          if (own !== undefined) own.isTroubled = true
          break
        case "Stored":
          stored(event)
          break
        case "Settled":
          if (event.verdict === "DeadLetter" && event.result === "ok") {
            buried.set(event.id, { at: event.at, isSure: !buried.has(event.id) })
          }
          break
        case "Submitted":
          if (own !== undefined) resent(own, event)
          break
        case "Taken": {
          if (own === undefined) break
          own.inHand.set(event.token, event.id)
          const origin = originOf(event.id)
          const letters = own.taken.get(origin) ?? new Map<string, History.Taken>()
          own.taken.set(origin, letters.set(event.token, event))
          // What it has sent itself is for another time.
          const sentAt = own.sentAt.get(event.id) ?? Infinity
          if ((buried.get(event.id)?.at ?? -Infinity) >= sentAt) add(own.returned, origin)
          break
        }
        case "Unburied":
          if (own === undefined) break
          own.inHand.delete(event.token)
          if (event.verdict === "Complete" && event.result === "ok") removed(own, event)
          break
        case "Told":
          if (own !== undefined) told(own, event)
          break
        case "Operated":
          if (own !== undefined) ended(own, event)
          operations.delete(event.node)
          break
        default:
      }
    }
    return violations.found
  }
}
