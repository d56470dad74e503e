import type * as Checker from "../../Checker.ts"
import type * as History from "../../History.ts"
import { Violations } from "./violations.ts"

interface Message {
  /** Its places in the line of its session: one a copy. */
  readonly places: Array<number>
  /** Copies that are settled for good; they go in their order. */
  done: number
  /** Perhaps settled: the caller was not told. */
  isUnsure: boolean
  readonly expiresAt: number
  /** Who settles it now, and has no answer yet. */
  settler: string | undefined
  /** From when on the broker itself may have put it aside, for being delivered too often. */
  readonly buriedAt: number
  /** Between these events the broker took it; all at once where it tells numbers. */
  readonly taken: Taken
}

/** When a message went out first and was answered, as numbers of events. */
interface Taken {
  readonly from: number
  readonly to: number
}

/** One copy of a message, and which of them. */
interface Place {
  readonly id: string
  readonly message: Message
  readonly copy: number
}

interface Line {
  readonly places: ReadonlyArray<Place>
  /** All before it are done. */
  head: number
}

const isCleared = ({ copy, message }: Place, at: number): boolean =>
  message.isUnsure || message.done > copy || message.expiresAt <= at || message.buriedAt <= at

/** The broker may have it, and whoever settles it has not heard so yet. */
const isElsewhere = ({ message }: Place, node: string): boolean =>
  message.settler !== undefined && message.settler !== node

/**
 * Messages of which a copy is put aside in the end that no worker put there, and since when that may be so:
 * the broker does it unseen, after the last delivery.
 */
const buriedOf = ({ events, promises }: History.History): ReadonlyMap<string, number> => {
  // Where answers of receives get lost, all deliveries of a copy may have been.
  const isLossy = events.some(
    (event) => event._tag === "Fault" && event.kind === "lost reply" && event.refs.length === 0
  )
  const copies = new Map<string, number>()
  const lastAt = new Map<string, number>()
  const count = (id: string, by: number): void => void copies.set(id, (copies.get(id) ?? 0) + by)
  for (const event of events) {
    if (event._tag === "Left" && event.place === "deadLetters") count(event.id, 1)
    if (event._tag === "Unburied" && event.verdict === "Complete" && event.result === "ok") {
      count(event.id, 1)
    }
    if (event._tag === "Settled" && event.verdict === "DeadLetter" && event.result === "ok") {
      count(event.id, -1)
    }
    if (event._tag === "Delivered" && event.count >= promises.deliveriesMax) {
      lastAt.set(event.id, Math.min(lastAt.get(event.id) ?? Infinity, event.since))
    }
  }
  // The last delivery may have been to a process that was gone.
  return new Map(
    [...copies].flatMap(([id, left]) =>
      left > 0 ? [[id, isLossy ? 0 : (lastAt.get(id) ?? 0)] as const] : []
    )
  )
}

/** Two sends under way at one time may be taken in any order where the broker does not tell. */
const isBefore = (one: Message, other: Message): boolean => one.taken.to <= other.taken.from

const takenOf = ({ events, promises }: History.History): ReadonlyMap<string, Taken> => {
  const taken = new Map<string, Taken>()
  if (promises.complete) return taken
  const out = new Map<string, number>()
  for (const [index, event] of events.entries()) {
    if (event._tag === "Storing" && !out.has(event.id)) out.set(event.id, index)
    if (event._tag !== "Stored" || taken.has(event.id)) continue
    const from = event.sequence === undefined ? (out.get(event.id) ?? index) : index
    taken.set(event.id, { from, to: event.sequence === undefined ? index : 0 })
  }
  return taken
}

const anytime: Taken = { from: Infinity, to: 0 }

const bySequence = (one: History.Stored, other: History.Stored): number =>
  (one.sequence ?? 0) - (other.sequence ?? 0)

/** What the broker took, by session, in its own order: it may have told so later. */
const storedOf = ({ events, promises }: History.History) => {
  const scheduled = new Set<string>()
  const sessions = new Map<string, Array<History.Stored>>()
  const known = new Set<string>()
  for (const event of events) {
    if (event._tag === "Submitted" && event.delayMillis !== undefined) scheduled.add(event.id)
    if (event._tag !== "Stored" || event.session === undefined || scheduled.has(event.id)) continue
    if (event.sequence === undefined && promises.complete) continue
    // A broker that deduplicates tells the number of the first again.
    const key = `${event.id} ${event.sequence ?? ""}`
    if (known.has(key)) continue
    known.add(key)
    const own = sessions.get(event.session)
    if (own === undefined) sessions.set(event.session, [event])
    else own.push(event)
  }
  for (const own of sessions.values()) own.sort(bySequence)
  return sessions
}

const linesOf = (history: History.History) => {
  const buried = buriedOf(history)
  const taken = takenOf(history)
  const lifetimes = new Map<string, number>()
  for (const event of history.events) {
    if (event._tag !== "Submitted" || event.timeToLiveMillis === undefined) continue
    lifetimes.set(event.id, event.timeToLiveMillis)
  }
  const messages = new Map<string, Message>()
  const lines = new Map<string, Line>()
  for (const [session, stored] of storedOf(history)) {
    const places: Array<Place> = []
    for (const { at, id } of stored) {
      const message = messages.get(id) ?? {
        places: [],
        done: 0,
        isUnsure: false,
        settler: undefined,
        expiresAt: at + (lifetimes.get(id) ?? Infinity),
        buriedAt: buried.get(id) ?? Infinity,
        taken: taken.get(id) ?? anytime
      }
      messages.set(id, message)
      places.push({ id, message, copy: message.places.length })
      message.places.push(places.length - 1)
    }
    lines.set(session, { places, head: 0 })
  }
  return { lines, messages }
}

/** Messages of a session are handled in the order the broker took them, each when the one before is done. */
export const ordered: Checker.Checker = {
  name: "order",
  rule: "a session's next message begins when the one before is settled for good",
  check: (history) => {
    const { events, promises } = history
    const violations = new Violations("order")
    if (!promises.ordered) return violations.found
    const { lines, messages } = linesOf(history)
    /** Settlements without an answer yet, by process. */
    const underWay = new Map<string, Map<string, string>>()
    const callsOf = (node: string): Map<string, string> => {
      const known = underWay.get(node)
      if (known !== undefined) return known
      const made = new Map<string, string>()
      underWay.set(node, made)
      return made
    }
    const settles = (id: string, node: string | undefined): void => {
      const message = messages.get(id)
      if (message !== undefined) message.settler = node
    }
    const started = ({ at, id, node, session }: History.Started): void => {
      const line = session === undefined ? undefined : lines.get(session)
      const message = messages.get(id)
      if (session === undefined || line === undefined || message === undefined) return
      const own = message.places[message.done]
      if (own === undefined || message.isUnsure) return
      let first = line.places[line.head]
      while (first !== undefined && isCleared(first, at)) {
        line.head++
        first = line.places[line.head]
      }
      const isOut = (place: Place): boolean =>
        !isCleared(place, at) && isBefore(place.message, message)
      if (!promises.complete) first = line.places.slice(line.head, own).find(isOut)
      if (first === undefined || line.head >= own) return
      if (!promises.complete && isElsewhere(first, node)) return
      violations.add(at, `${id} began before ${first.id} of session ${session} was done`, [
        session,
        id,
        first.id
      ])
    }
    for (const event of events) {
      switch (event._tag) {
        case "Settling":
          if (event.verdict === "Abandon") break
          callsOf(event.node).set(event.token, event.id)
          settles(event.id, event.node)
          break
        case "Settled": {
          callsOf(event.node).delete(event.token)
          settles(event.id, undefined)
          const message = messages.get(event.id)
          if (message === undefined || event.verdict === "Abandon") break
          if (event.result === "ok") message.done++
          else if (!promises.complete) message.isUnsure = true
          break
        }
        case "Crashed":
          // What it had sent off may have arrived.
          for (const id of callsOf(event.node).values()) {
            const message = messages.get(id)
            if (message !== undefined) message.isUnsure = true
          }
          break
        case "Started":
          started(event)
          break
        default:
      }
    }
    return violations.found
  }
}
