import * as Duration from "effect/Duration"
import type * as Fault from "../Fault.ts"
import { condition, Refusal } from "./refusal.ts"
import type { Scheduler } from "./scheduler.ts"

/** Where a fault may strike. */
export interface Site {
  readonly operation: Fault.Operation
  readonly queue?: string | undefined
  /** The operation of a request to `$management`. */
  readonly request?: string | undefined
}

/** What a fault can do to the call it strikes. */
export interface Target {
  /** Does it; without `reply` the client never hears of it. */
  readonly apply: (reply: boolean) => void
  readonly refuse: (refusal: Refusal) => void
  readonly dropLink: (refusal: Refusal | undefined) => void
  readonly dropConnection: () => void
}

interface Active {
  readonly rule: Fault.Rule
  left: number
}

/** The faults that are switched on. */
export class Faults {
  readonly #rules = new Set<Active>()
  readonly #scheduler: Scheduler
  readonly #random: () => number

  constructor(scheduler: Scheduler, random: () => number) {
    this.#scheduler = scheduler
    this.#random = random
  }

  /** Rules that may still strike. */
  get size(): number {
    return this.#rules.size
  }

  /** Switches a rule on; what is returned switches it off. */
  add(rule: Fault.Rule): () => void {
    const active = { rule, left: rule.times ?? Infinity }
    this.#rules.add(active)
    return () => {
      this.#rules.delete(active)
    }
  }

  /** Makes a call, with whatever strikes it. */
  run(site: Site, target: Target): void {
    if (this.#rules.size === 0) {
      target.apply(true)
      return
    }
    let delayMillis = 0
    let strike: Fault.Fault | undefined
    for (const active of this.#rules) {
      const { fault } = active.rule
      if (fault._tag !== "Delay" && strike !== undefined) continue
      if (!this.#hits(active, site)) continue
      if (fault._tag === "Delay") {
        delayMillis += Duration.toMillis(Duration.fromInputUnsafe(fault.duration))
      } else strike = fault
    }
    if (delayMillis > 0) this.#scheduler.after(delayMillis, () => perform(strike, target))
    else perform(strike, target)
  }

  #hits(active: Active, site: Site): boolean {
    const { operation, probability, queue, request } = active.rule
    const isHere =
      (operation === "*" || operation === site.operation) &&
      (queue === undefined || queue.toLowerCase() === site.queue) &&
      (request === undefined || request === site.request)
    if (!isHere || this.#random() >= (probability ?? 1)) return false
    active.left--
    if (active.left <= 0) this.#rules.delete(active)
    return true
  }
}

const perform = (fault: Fault.Fault | undefined, target: Target): void => {
  switch (fault?._tag) {
    case "Refuse":
      target.refuse(
        new Refusal(fault.condition, fault.description ?? "A fault of the emulator refused this.")
      )
      return
    case "DropLink":
      if (fault.applied === true) target.apply(false)
      target.dropLink(
        new Refusal(
          fault.condition ?? condition.detachForced,
          fault.description ?? "A fault of the emulator detached the link."
        )
      )
      return
    case "DropConnection":
      if (fault.applied === true) target.apply(false)
      target.dropConnection()
      return
    case "Swallow":
      if (fault.applied === true) target.apply(false)
      return
    default:
      target.apply(true)
  }
}
