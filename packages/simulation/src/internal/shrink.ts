import * as Effect from "effect/Effect"
import type * as Plan from "../Plan.ts"

/** A run cut down: some of its messages, and some of its faults. */
export interface Candidate {
  readonly plan: Plan.Plan
  /** The faults that may happen. */
  readonly faults: ReadonlyArray<string>
}

/** The candidate that failed, with the faults that really happened in it; nothing when it did not fail. */
type Attempt = (candidate: Candidate) => Effect.Effect<Candidate | undefined>

const simpler = (plan: Plan.Plan): ReadonlyArray<Plan.Plan> => {
  const alone = plan.messages.map((message) => ({ ...message, producer: 0 }))
  const together = plan.messages.map((message) => ({ ...message, atMillis: 0 }))
  return [
    { ...plan, workers: 1 },
    { ...plan, producers: 1, messages: alone },
    { ...plan, latencyMillis: 0 },
    { ...plan, handlerMillis: 0 },
    { ...plan, openingMillis: 0 },
    { ...plan, concurrency: 1 },
    { ...plan, prefetch: 1 },
    { ...plan, deliveriesMax: Math.min(plan.deliveriesMax, 2) },
    { ...plan, messages: together }
  ]
}

/** Attempts that are left, and the best found. */
class Search {
  best: Candidate
  #left: number
  readonly #attempt: Attempt

  constructor(first: Candidate, attemptsMax: number, attempt: Attempt) {
    this.best = first
    this.#left = attemptsMax
    this.#attempt = attempt
  }

  get isTired(): boolean {
    return this.#left <= 0
  }

  /** Whether a candidate fails too; then it is the best. */
  readonly tries = Effect.fnUntraced(function* (this: Search, candidate: Candidate) {
    if (this.isTired) return false
    this.#left--
    const found = yield* this.#attempt(candidate)
    if (found !== undefined) this.best = found
    return found !== undefined
  })

  /** Drops as much of a list as the failure can do without: all of it, halves, smaller parts (ddmin). */
  readonly drops = Effect.fnUntraced(function* <A>(
    this: Search,
    all: ReadonlyArray<A>,
    candidate: (rest: ReadonlyArray<A>) => Candidate
  ) {
    let left = all
    if (left.length === 0 || (yield* this.tries(candidate([])))) return
    for (let size = Math.ceil(left.length / 2); size > 0; size = Math.floor(size / 2)) {
      for (let from = 0; from < left.length && !this.isTired;) {
        const rest = [...left.slice(0, from), ...left.slice(from + size)]
        if (yield* this.tries(candidate(rest))) left = rest
        else from += size
      }
    }
  })
}

/** The smallest run found that fails in the same way, in so many attempts. */
export const shrink = Effect.fnUntraced(function* (
  first: Candidate,
  attemptsMax: number,
  attempt: Attempt
) {
  const search = new Search(first, attemptsMax, attempt)
  for (let before = Infinity; !search.isTired;) {
    const { faults, plan } = search.best
    const size = plan.messages.length + plan.operations.length + faults.length
    if (size >= before) break
    before = size
    yield* search.drops(faults, (rest) => ({ plan: search.best.plan, faults: rest }))
    yield* search.drops(plan.messages, (messages) => ({
      plan: { ...search.best.plan, messages },
      faults: search.best.faults
    }))
    yield* search.drops(search.best.plan.operations, (operations) => ({
      plan: { ...search.best.plan, operations },
      faults: search.best.faults
    }))
    for (const index of simpler(search.best.plan).keys()) {
      const { best } = search
      const made = simpler(best.plan)[index]
      if (made === undefined || JSON.stringify(made) === JSON.stringify(best.plan)) continue
      yield* search.tries({ plan: made, faults: best.faults })
    }
  }
  return search.best
})
