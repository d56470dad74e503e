/** Judges what is left in the queues by what the journal says was acknowledged. */
import type * as Journal from "./Journal.ts"

/** What became of a message as far as the journal knows. */
interface Fate {
  readonly id: string
  /** All ids of its send: there together or not at all. */
  readonly batch: ReadonlyArray<string>
  /** Acknowledged, or seen: it is there for sure. */
  isThere: boolean
  deliveries: number
  /** The verdict under way, and whether it was acknowledged. */
  verdict: "Complete" | "Abandon" | "DeadLetter" | undefined
  isSettled: boolean
}

/** What the journal says. */
export interface History {
  readonly fates: ReadonlyMap<string, Fate>
  /** Where the journal itself shows a broken order. */
  readonly problems: ReadonlyArray<string>
  readonly runs: number
}

/** `o-b-17` is the 17th message of session b; `p-17` has none. */
export const sessionOf = (id: string): string | undefined => /^o-([a-z]+)-/u.exec(id)?.[1]

const isGoneForSure = (fate: Fate): boolean =>
  fate.isSettled && (fate.verdict === "Complete" || fate.verdict === "DeadLetter")

const mayBeGone = (fate: Fate): boolean =>
  fate.verdict === "Complete" || fate.verdict === "DeadLetter"

export const history = (lines: ReadonlyArray<Journal.Line>): History => {
  const fates = new Map<string, Fate>()
  const problems: Array<string> = []
  let runs = 0
  /** What the holder of the session accepted last has in hand. */
  let inHand = new Set<string>()
  const exists = (id: string): void => {
    for (const one of fates.get(id)?.batch ?? []) {
      const fate = fates.get(one)
      if (fate !== undefined) fate.isThere = true
    }
  }
  const deliver = (id: string): void => {
    const fate = fates.get(id)
    if (fate === undefined) {
      problems.push(`${id} was delivered and never sent`)
      return
    }
    if (isGoneForSure(fate)) problems.push(`${id} was delivered after its ${fate.verdict}`)
    exists(id)
    fate.deliveries++
    fate.verdict = undefined
    fate.isSettled = false
    const session = sessionOf(id)
    if (session === undefined) return
    for (const earlier of fates.values()) {
      if (earlier === fate) break
      if (sessionOf(earlier.id) !== session || inHand.has(earlier.id)) continue
      if (earlier.isThere && !mayBeGone(earlier)) {
        problems.push(`${id} was delivered before ${earlier.id}`)
      }
    }
    inHand.add(id)
  }
  for (const line of lines) {
    switch (line._tag) {
      case "Started":
        runs++
        break
      case "Accepted":
        inHand = new Set()
        break
      case "Sending":
        for (const id of line.ids) {
          fates.set(id, {
            id,
            batch: line.ids,
            isThere: false,
            deliveries: 0,
            verdict: undefined,
            isSettled: false
          })
        }
        break
      case "Sent":
        line.ids.slice(0, 1).forEach(exists)
        break
      case "Delivered":
        line.ids.forEach(deliver)
        break
      default: {
        const fate = fates.get(line.id)
        if (fate === undefined) break
        fate.verdict = line._tag === "Refused" ? undefined : line.verdict
        fate.isSettled = line._tag === "Settled"
        if (line._tag !== "Settling") inHand.delete(line.id)
      }
    }
  }
  return { fates, problems, runs }
}

/** A message found at the end. */
export interface Found {
  readonly id: string
  readonly deliveryCount: number
}

/** Where messages were found at the end, in the order they came. */
export interface Rest {
  readonly live: ReadonlyArray<Found>
  readonly dead: ReadonlyArray<Found>
}

const problemsOf = (fate: Fate, live: number, dead: number): ReadonlyArray<string> => {
  const { id, isSettled, verdict } = fate
  const found = `found ${live} times in the queue and ${dead} times in the dead letters`
  const says = `${id}, ${verdict === undefined ? "unsettled" : `${verdict} ${isSettled ? "acknowledged" : "under way"}`}`
  if (live + dead > 1) return [`${says}: ${found}`]
  if (!mayBeGone(fate)) return live === 1 ? [] : [`${says}: ${found}`]
  if (verdict === "Complete") {
    return dead === 0 && (live === 0 || !isSettled) ? [] : [`${says}: ${found}`]
  }
  return dead === 1 || (live === 1 && !isSettled) ? [] : [`${says}: ${found}`]
}

const batchProblems = (fate: Fate, all: ReadonlySet<string>): ReadonlyArray<string> => {
  // Told once, by the first of them.
  if (fate.id !== fate.batch[0]) return []
  const there = fate.batch.filter((id) => all.has(id)).length
  return there === 0 || there === fate.batch.length
    ? []
    : [`of the send of ${fate.batch.join(", ")}, not acknowledged, ${there} are there`]
}

/** Each delivery in the journal was counted; each run may have made one more before it was killed. */
const countProblems = (fate: Fate, found: Found, runs: number): ReadonlyArray<string> => {
  if (sessionOf(fate.id) !== undefined) return []
  const before = found.deliveryCount - 1
  return before >= fate.deliveries && before <= fate.deliveries + runs
    ? []
    : [`${fate.id} was delivered ${fate.deliveries} times and counts ${before}`]
}

const orderProblems = (past: History, live: ReadonlyArray<Found>): ReadonlyArray<string> => {
  const order = [...past.fates.keys()]
  const last = new Map<string, number>()
  return live.flatMap(({ id }) => {
    const session = sessionOf(id)
    if (session === undefined) return []
    const before = last.get(session) ?? -1
    const place = order.indexOf(id)
    last.set(session, place)
    return place > before ? [] : [`${id} came after ${order[before]}`]
  })
}

/** Everything that is lost, back again, twice there, out of order or miscounted. */
export const problems = (past: History, { dead, live }: Rest): ReadonlyArray<string> => {
  const all = new Set([...live, ...dead].map(({ id }) => id))
  const found = (where: ReadonlyArray<Found>, fate: Fate) =>
    where.filter(({ id }) => id === fate.id)
  const unknown = [...all].filter((id) => !past.fates.has(id))
  const fateProblems = (fate: Fate): ReadonlyArray<string> => {
    if (!fate.isThere) return batchProblems(fate, all)
    const alive = found(live, fate)
    const [first] = alive
    return first === undefined
      ? problemsOf(fate, alive.length, found(dead, fate).length)
      : problemsOf(fate, alive.length, found(dead, fate).length).concat(
          countProblems(fate, first, past.runs)
        )
  }
  return [
    ...past.problems,
    ...unknown.map((id) => `${id} is there and was never sent`),
    ...orderProblems(past, live),
    ...[...past.fates.values()].flatMap(fateProblems)
  ]
}
