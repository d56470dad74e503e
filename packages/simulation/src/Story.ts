/**
 * A history told: the steps that lead to what is wrong, one a line.
 *
 * @since 0.1.0
 */
import { Defaults } from "@queue-runtime/core"
import type * as Checker from "./Checker.ts"
import type * as History from "./History.ts"

const seconds = (at: number, start: number): string => `${((at - start) / 1_000).toFixed(3)} s`

const verbs = { Complete: "completes", Abandon: "abandons", DeadLetter: "puts aside" } as const

const unburials = {
  Complete: "removes",
  Abandon: "gives back",
  DeadLetter: "puts aside"
} as const

const ordinal = (count: number): string => (count === 1 ? "" : `, delivery ${count}`)

const endings = {
  done: "is done with",
  failed: "fails",
  permanent: "fails for good",
  defect: "throws on",
  interrupted: "is interrupted in"
} as const

/** One step in words; undefined for one that says nothing new. */
const tell = (event: History.Event, start: number): string | undefined => {
  const { node } = event
  switch (event._tag) {
    case "Launched":
      return event.skewMillis === 0
        ? undefined
        : `${node} begins, its clock ${event.skewMillis} ms ahead`
    case "Submitted": {
      const session = event.session === undefined ? "" : ` to session ${event.session}`
      const delay = event.delayMillis === undefined ? "" : `, for ${event.delayMillis} ms later`
      const age =
        event.timeToLiveMillis === undefined ? "" : `, good for ${event.timeToLiveMillis} ms`
      const of = event.of === undefined ? "" : `, a replay of ${event.of},`
      return `${node} sends ${event.id}${of}${session}${delay}${age}`
    }
    case "SendFailed":
      return `${node} is told that ${event.id} was not taken: ${event.reason}`
    case "Stored":
      return `the broker takes ${event.id}${event.sequence === undefined ? ", which it has already" : ` as ${event.sequence}`}`
    case "Copied":
      return `${node} sends a copy of ${event.id} to the queue of its dead letters`
    case "Operating": {
      const only = event.only === undefined ? "" : ` of ${event.only.join(", ")}`
      const age =
        event.olderThanMillis === undefined ? "" : `, those of ${event.olderThanMillis} ms and more`
      return `${node} begins to ${event.what} the dead letters${only}${age}`
    }
    case "Operated":
      return event.reason === undefined
        ? `${node} is done with its ${event.what}`
        : `the ${event.what} of ${node} ends with ${event.reason}`
    case "Taken":
      return `${node} gets the dead letter of ${event.id} (${event.token})`
    case "Unburied": {
      const result = event.result === "ok" ? "" : `, in vain: ${event.result}`
      return `${node} ${unburials[event.verdict]} the dead letter of ${event.id} (${event.token})${result}`
    }
    case "Told":
      return `${node} is told that the dead letter of ${event.id} is ${event.outcome}`
    case "Accepted":
      return `${node} holds session ${event.session} (${event.hold}) until ${seconds(event.until, start)}`
    case "Released":
      return `${node} gives session ${event.session} back (${event.hold})`
    case "Lost":
      return `${node} is told that session ${event.session} is lost (${event.hold})`
    case "Delivered":
      return `${node} gets ${event.id}${ordinal(event.count)} (${event.token}), locked until ${seconds(event.until, start)}`
    case "Started":
      return `the handler of ${event.id} begins in ${node} (${event.token})`
    case "Ended":
      return `the handler in ${node} ${endings[event.how]} ${event.id}`
    case "Applied":
      return `${node} applies ${event.key}`
    case "Settled": {
      const delay = (event.delayMillis ?? 0) > 0 ? ` for ${event.delayMillis} ms` : ""
      const result = event.result === "ok" ? "" : `, in vain: ${event.result}`
      return `${node} ${verbs[event.verdict]} ${event.id}${delay} (${event.token})${result}`
    }
    case "Renewed":
      return `${node} renews ${event.token ?? event.hold} until ${seconds(event.until, start)}`
    case "Fault":
      return `fault: ${event.kind}: ${event.detail}`
    case "Draining":
      return `${node} is asked to end`
    case "Finished":
      return event.reason === undefined ? `${node} has ended` : `${node} ended with ${event.reason}`
    case "Crashed":
      return `${node} crashes`
    case "Cut":
      return `the broker finds ${node} gone`
    case "Left":
      return `in the end ${event.id} is in the ${event.place === "queue" ? "queue" : "dead letters"}`
    case "Gauge":
      return `${node} has ${event.value} ${event.name}`
    case "Stuck":
      return `nothing goes on: ${event.why}`
    default:
      return undefined
  }
}

interface Subjects {
  readonly ids: ReadonlySet<string>
  readonly sessions: ReadonlySet<string>
  readonly nodes: ReadonlySet<string>
  readonly refs: ReadonlySet<string>
}

/** What the violation is about, and the deliveries and sessions that belong to it. */
const subjectsOf = ({ events }: History.History, about: ReadonlyArray<string>): Subjects => {
  const named = new Set(about)
  const ids = new Set<string>()
  const sessions = new Set<string>()
  const nodes = new Set<string>()
  const refs = new Set<string>(about)
  for (const event of events) {
    if (event._tag === "Launched" && named.has(event.node)) nodes.add(event.node)
    if (event._tag === "Submitted" && (named.has(event.id) || named.has(event.of ?? ""))) {
      ids.add(event.id)
    }
    if ("session" in event && event.session !== undefined && named.has(event.session)) {
      sessions.add(event.session)
    }
  }
  for (const event of events) {
    if (event._tag === "Delivered" && ids.has(event.id)) {
      refs.add(event.token)
      if (event.hold !== undefined) refs.add(event.hold)
      if (event.session !== undefined) sessions.add(event.session)
      nodes.add(event.node)
    }
    if (event._tag === "Accepted" && sessions.has(event.session)) nodes.add(event.node)
    if (event._tag === "Taken" && ids.has(event.id)) nodes.add(event.node)
  }
  return { ids, sessions, nodes, refs }
}

const isAbout = (event: History.Event, { ids, nodes, refs, sessions }: Subjects): boolean => {
  switch (event._tag) {
    case "Fault":
      return nodes.has(event.node) || event.refs.some((ref) => refs.has(ref) || ids.has(ref))
    case "Accepted":
    case "Released":
    case "Lost":
      return sessions.has(event.session)
    case "Renewed":
      return refs.has(event.token ?? "") || refs.has(event.hold ?? "")
    case "Launched":
    case "Draining":
    case "Finished":
    case "Crashed":
    case "Cut":
    case "Gauge":
    case "Operating":
    case "Operated":
      return nodes.has(event.node)
    case "Stuck":
    case "Applied":
      return true
    default:
      return "id" in event && (ids.has(event.id) || ids.size === 0)
  }
}

/** A lock is told of when it lasts longer than the story has room for: its last renewal, not each. */
const withoutOldRenewals = (events: ReadonlyArray<History.Event>): ReadonlyArray<History.Event> => {
  const last = new Map<string, History.Event>()
  for (const event of events) {
    if (event._tag === "Renewed") last.set(event.token ?? event.hold ?? "", event)
  }
  return events.filter(
    (event) => event._tag !== "Renewed" || last.get(event.token ?? event.hold ?? "") === event
  )
}

/**
 * The steps that matter for a violation, in words.
 *
 * **Example** (A lost message)
 *
 * ```ts
 * import { Checker, History, Story } from "@queue-runtime/simulation"
 *
 * const history: History.History = {
 *   promises: History.promises(),
 *   events: [
 *     { _tag: "Submitted", at: 0, node: "p1", id: "m1", order: 1, digest: 0 },
 *     { _tag: "Sent", at: 20, node: "p1", id: "m1" }
 *   ]
 * }
 * const [first] = Checker.check(history)
 * first === undefined ? [] : Story.steps(history, first) // => ["0.000 s  p1 sends m1"]
 * ```
 *
 * @category stories
 * @since 0.1.0
 */
export const steps = (
  history: History.History,
  { about, at }: Pick<Checker.Violation, "about" | "at">
): ReadonlyArray<string> => {
  const start = history.events[0]?.at ?? 0
  const subjects = subjectsOf(history, about)
  const told = history.events.filter((event) => {
    // What comes after is no cause.
    const isLate = event.at > at && event._tag !== "Left" && event._tag !== "Stuck"
    return !isLate && isAbout(event, subjects)
  })
  return withoutOldRenewals(told).flatMap((event) => {
    const line = tell(event, start)
    return line === undefined ? [] : [`${seconds(event.at, start)}  ${line}`]
  })
}

/**
 * The whole story of a failed run: what is wrong, how it came, and how to see it again.
 *
 * @category stories
 * @since 0.1.0
 */
export const format = (
  seed: string,
  history: History.History,
  violations: ReadonlyArray<Checker.Violation>
): string => {
  const [first, ...others] = violations
  if (first === undefined) return `seed ${seed}: nothing is wrong`
  const told = steps(history, first)
  const stepsMax = Defaults.simulationStepsMax
  const shown =
    told.length <= stepsMax
      ? told
      : [`… ${told.length - stepsMax} steps before`, ...told.slice(-stepsMax)]
  return [
    `seed ${seed}: ${first.what} (${first.checker})`,
    ...shown.map((line) => `  ${line}`),
    ...others.slice(0, othersMax).map(({ checker, what }) => `also: ${what} (${checker})`)
  ].join("\n")
}

const othersMax = 5
