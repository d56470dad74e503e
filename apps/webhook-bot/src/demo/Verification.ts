/**
 * Judges a run from its history, against its plan. Each check finds one kind of fault and says which
 * delivery or session shows it.
 *
 * @since 0.1.0
 */
import * as Timeline from "../bots/Timeline.ts"
import type * as History from "./History.ts"
import * as Plan from "./Plan.ts"

/**
 * A dead letter as it was read back from the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeadLetter {
  readonly id: string
  readonly session: string
  readonly event: string
  readonly reason: string
}

/**
 * Everything that is known of a run.
 *
 * @category models
 * @since 0.1.0
 */
export interface Evidence {
  readonly plan: ReadonlyArray<Plan.Planned>
  readonly events: ReadonlyArray<History.Event>
  readonly deadLetters: ReadonlyArray<DeadLetter>
  /** What the timeline bot has of each session: ids, oldest first. */
  readonly timelines: ReadonlyMap<string, ReadonlyArray<string>>
  /** Bodies that were handed to the broker. */
  readonly stored: number
  /** The ids of those that anybody could read there. */
  readonly readable: ReadonlyArray<string>
  /** Messages still in the queue. */
  readonly left: number
}

type Violations = ReadonlyArray<string>

type Tag = History.Event["_tag"]

const groupBy = <A>(
  items: ReadonlyArray<A>,
  key: (item: A) => string
): ReadonlyMap<string, ReadonlyArray<A>> => {
  const groups = new Map<string, Array<A>>()
  for (const item of items) {
    const group = groups.get(key(item))
    if (group === undefined) groups.set(key(item), [item])
    else group.push(item)
  }
  return groups
}

const only = <T extends Tag>(events: ReadonlyArray<History.Event>, tag: T) =>
  events.filter(
    (event): event is Extract<History.Event, { readonly _tag: T }> => event._tag === tag
  )

const idsOf = (events: ReadonlyArray<{ readonly id: string }>): ReadonlyArray<string> => [
  ...new Set(events.map(({ id }) => id))
]

/** The accepted ids of each session, in the order they were accepted; of a repeated one the first. */
const acceptedBySession = ({ events }: Evidence): ReadonlyMap<string, ReadonlyArray<string>> => {
  const accepted = only(events, "Answered").filter(({ status }) => status === 202)
  const groups = groupBy(accepted, ({ session }) => session)
  return new Map([...groups].map(([session, group]) => [session, idsOf(group)]))
}

const answers = ({ events, plan }: Evidence): Violations => {
  const given = groupBy(only(events, "Answered"), ({ id }) => id)
  const planned = groupBy(plan, ({ id }) => id)
  return [...planned].flatMap(([id, posts]) => {
    const expected = posts.map(({ status }) => status)
    const actual = (given.get(id) ?? []).map(({ status }) => status)
    return String(expected) === String(actual)
      ? []
      : [`${id} was answered ${actual.join(", ") || "never"} and not ${expected.join(", ")}`]
  })
}

const sessions = ({ events, plan }: Evidence): Violations => {
  const planned = new Map<string, string>(plan.map(({ id, session }) => [id, session]))
  return events.flatMap((event) => {
    const session = planned.get(event.id)
    return session === undefined || session === event.session
      ? []
      : [`${event.id} was ${event._tag} in session ${event.session} and not in ${session}`]
  })
}

const refusedOnes = (evidence: Evidence): Violations => {
  const accepted = new Set([...acceptedBySession(evidence).values()].flat())
  return idsOf(only(evidence.events, "Started"))
    .filter((id) => !accepted.has(id))
    .map((id) => `${id} was never accepted and was processed`)
}

/** Each accepted one is processed once or put aside once, and never both or neither. */
const endings = (evidence: Evidence): Violations => {
  const { deadLetters, events } = evidence
  const completed = groupBy(
    only(events, "Settled").filter((event) => event.as === "Completed"),
    ({ id }) => id
  )
  const succeeded = groupBy(
    only(events, "Ended").filter((event) => event.succeeded),
    ({ id }) => id
  )
  const dead = groupBy(deadLetters, ({ id }) => id)
  return [...acceptedBySession(evidence).values()].flat().flatMap((id) => {
    const times = Math.max(completed.get(id)?.length ?? 0, succeeded.get(id)?.length ?? 0)
    const aside = dead.get(id)?.length ?? 0
    if (times === 0 && aside === 0) return [`${id} was accepted and is lost`]
    if (times > 1) return [`${id} was processed ${times} times`]
    if (aside > 1) return [`${id} is ${aside} times among the dead letters`]
    return times + aside > 1 ? [`${id} was processed and is among the dead letters too`] : []
  })
}

const causes = ({ deadLetters, events, plan }: Evidence): Violations => {
  const kinds = new Map<string, string>(plan.map(({ event, id }) => [id, event]))
  const read = new Set(deadLetters.map(({ id }) => id))
  const settled = only(events, "Settled").filter((event) => event.as === "DeadLettered")
  const wrong = deadLetters.flatMap(({ id, reason }) => {
    const expected = Plan.deadLetterReason(kinds.get(id) ?? "")
    return reason === expected
      ? []
      : [`${id} was put aside for ${reason} and not for ${expected ?? "anything"}`]
  })
  const vanished = idsOf(settled)
    .filter((id) => !read.has(id))
    .map((id) => `${id} was put aside and is not among the dead letters`)
  return [...wrong, ...vanished]
}

const differ = (what: string, session: string, expected: Violations, actual: Violations) => {
  const index = Math.max(
    expected.findIndex((id, at) => actual[at] !== id),
    expected.length < actual.length ? expected.length : -1
  )
  return expected.length === actual.length && index < 0
    ? []
    : [
        `session ${session}: ${what} ${actual[index] ?? "nothing"} at place ${index + 1}, ` +
          `where ${expected[index] ?? "nothing"} was accepted`
      ]
}

/** Beginnings, successes, the downstream's own view and the timeline: all in the order of acceptance. */
const orders = (evidence: Evidence): Violations => {
  const { deadLetters, events, plan, timelines } = evidence
  const kinds = new Map<string, string>(plan.map(({ event, id }) => [id, event]))
  const dead = new Set(deadLetters.map(({ id }) => id))
  const bySession = groupBy(events, ({ session }) => session)
  return [...acceptedBySession(evidence)].flatMap(([session, accepted]) => {
    const own = bySession.get(session) ?? []
    const alive = accepted.filter((id) => !dead.has(id))
    const told = alive.filter((id) => kinds.get(id) !== "ping")
    const successes = only(own, "Ended").filter(({ succeeded }) => succeeded)
    return [
      differ("began with", session, accepted, idsOf(only(own, "Started"))),
      differ("processed", session, alive, idsOf(successes)),
      differ("told the downstream", session, told, idsOf(only(own, "Notified"))),
      differ(
        "entered in the timeline",
        session,
        alive.slice(-Timeline.entriesMaxDefault),
        timelines.get(session) ?? []
      )
    ].flat()
  })
}

const overlaps = ({ events }: Evidence): Violations => {
  const running = new Map<string, string>()
  return events.flatMap((event) => {
    const { id, session } = event
    if (event._tag === "Ended") running.delete(session)
    if (event._tag !== "Started") return []
    const other = running.get(session)
    running.set(session, id)
    return other === undefined ? [] : [`session ${session}: ${id} began while ${other} was at work`]
  })
}

const unsealed = ({ readable }: Evidence): Violations =>
  readable.map((id) => `${id} lay readable in the queue`)

const leftovers = ({ left }: Evidence): Violations =>
  left === 0 ? [] : [`${left} messages are still in the queue`]

/**
 * The messages that were handled, were not settled and came again: the record of what is done completed
 * them, or else {@link violations} says that they were processed twice.
 *
 * @category verification
 * @since 0.1.0
 */
export const unsettled = ({ events }: Evidence): ReadonlyArray<string> =>
  idsOf(only(events, "Settled").filter((event) => event.as === "Unsettled"))

/**
 * Everything that is wrong with a run; nothing is wrong with a good one.
 *
 * @category verification
 * @since 0.1.0
 */
export const violations = (evidence: Evidence): Violations =>
  [answers, sessions, refusedOnes, endings, causes, orders, overlaps, unsealed, leftovers].flatMap(
    (check) => check(evidence)
  )
