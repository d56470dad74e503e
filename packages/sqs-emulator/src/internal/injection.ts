/** The rules in force, and what they do to a call. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Latch from "effect/Latch"
import * as SqsError from "../SqsError.ts"
import type * as SqsFaults from "../SqsFaults.ts"
import type { FailEntry } from "./batch.ts"
import type { Input } from "./input.ts"

/** A rule and its count. */
class Active {
  readonly rule: SqsFaults.Rule
  readonly released = Latch.makeUnsafe()
  matched = 0
  hits = 0

  constructor(rule: SqsFaults.Rule) {
    this.rule = rule
  }
}

/** What the rules do to one call. */
export interface Hit {
  readonly delayMillis: number
  readonly hangs: ReadonlyArray<Latch.Latch>
  readonly refusal: SqsError.SqsError | undefined
  readonly reset: boolean
  readonly loseReply: boolean
  readonly duplicate: boolean
  readonly reorder: boolean
  readonly failEntry: FailEntry | undefined
}

/** A call that nothing happens to. */
export const noHit: Hit = {
  delayMillis: 0,
  hangs: [],
  refusal: undefined,
  reset: false,
  loseReply: false,
  duplicate: false,
  reorder: false,
  failEntry: undefined
}

const injectedMessage = "A fault was injected."

const isChosen = (entries: SqsFaults.Entries, entry: Input, index: number): boolean => {
  if (entries === "all") return true
  return typeof entries === "function" ? entries(entry, index) : entries.includes(index)
}

const failEntries = (
  before: FailEntry | undefined,
  fault: Extract<SqsFaults.Fault, { readonly _tag: "FailEntries" }>
): FailEntry => {
  const made = SqsError.make(fault.kind ?? "InternalError", fault.message ?? injectedMessage)
  const { code, kind, message, shape, status } = made
  const senderFault = fault.senderFault ?? made.senderFault
  const error = new SqsError.SqsError({ code, kind, message, shape, status, senderFault })
  return (entry, index) =>
    before?.(entry, index) ?? (isChosen(fault.entries, entry, index) ? error : undefined)
}

const combine = (hit: Hit, { released, rule: { fault } }: Active): Hit => {
  switch (fault._tag) {
    case "Fail":
      return {
        ...hit,
        refusal: hit.refusal ?? SqsError.make(fault.kind, fault.message ?? injectedMessage)
      }
    case "FailEntries":
      return { ...hit, failEntry: failEntries(hit.failEntry, fault) }
    case "LoseReply":
      return { ...hit, loseReply: true }
    case "Reset":
      return { ...hit, reset: true }
    case "Hang":
      return { ...hit, hangs: [...hit.hangs, released] }
    case "Slow":
      return { ...hit, delayMillis: hit.delayMillis + Duration.toMillis(fault.duration) }
    case "Duplicate":
      return { ...hit, duplicate: true }
    case "Reorder":
      return { ...hit, reorder: true }
  }
}

const queueName = (input: Input): string | undefined => {
  const url = input["QueueUrl"]
  if (typeof url === "string") return url.slice(url.lastIndexOf("/") + 1)
  const name = input["QueueName"]
  return typeof name === "string" ? name : undefined
}

/** The rules of one broker. */
export class Injection {
  readonly #random: () => number
  readonly #active = new Set<Active>()

  constructor(random: () => number) {
    this.#random = random
  }

  /** Puts a rule in force. */
  add(rule: SqsFaults.Rule): SqsFaults.Injected {
    const active = new Active(rule)
    this.#active.add(active)
    return {
      hits: Effect.sync(() => active.hits),
      remove: Effect.suspend(() => {
        this.#active.delete(active)
        return active.released.open
      }).pipe(Effect.asVoid)
    }
  }

  /** What happens to the next call. */
  draw(action: string, input: Input): Hit {
    if (this.#active.size === 0) return noHit
    let hit = noHit
    const queue = queueName(input)
    for (const active of this.#active) {
      if (this.#strikes(active, action, queue)) hit = combine(hit, active)
    }
    return hit
  }

  #strikes(active: Active, action: string, queue: string | undefined): boolean {
    const { rule } = active
    if (rule.action !== undefined && rule.action !== action) return false
    if (rule.queue !== undefined && rule.queue !== queue) return false
    active.matched++
    if (active.matched <= (rule.skip ?? 0)) return false
    if (active.hits >= (rule.times ?? Infinity)) return false
    if (rule.probability !== undefined && this.#random() >= rule.probability) return false
    active.hits++
    return true
  }
}
