/** What a breaker does now. Times are milliseconds of the clock. */
export type State =
  | { readonly _tag: "Closed" }
  | { readonly _tag: "Open"; readonly until: number }
  | { readonly _tag: "HalfOpen" }

/** A call that does something, or one that waits for messages and may find none. */
export type Kind = "Call" | "Wait"

/**
 * How a call ended: with an answer; with an answer that there is nothing; failed for the moment; or in a
 * way that says nothing of the service (a permanent failure, a defect, an interruption).
 */
export type Ending = "Success" | "Empty" | "Failure" | "Nothing"

/** What an admitted call gives back when it ends. */
export interface Ticket {
  readonly kind: Kind
  /** Of which stay in a state it is: what began in an earlier one no longer counts. */
  readonly generation: number
}

/** The figures, checked. */
export interface Limits {
  readonly failuresMax: number
  readonly openMillis: number
  readonly successes: number
  readonly probesMax: number
  readonly pauseMillis: number
}

const closed: State = { _tag: "Closed" }
const halfOpen: State = { _tag: "HalfOpen" }

/**
 * The breaker without a clock: `now` is handed in. Each method is one synchronous step, so that fibers
 * never see half of one.
 */
export class BreakerMachine {
  readonly #limits: Limits
  readonly #onChange: (state: State, previous: State) => void
  #state: State = closed
  #generation = 0
  #failures = 0
  #successes = 0
  readonly #probes: Record<Kind, number> = { Call: 0, Wait: 0 }
  /** Whether a waiting probe came back well though empty: others need not wait for it. */
  #answered = false
  readonly #tickets: Record<Kind, Ticket> = {
    Call: { kind: "Call", generation: 0 },
    Wait: { kind: "Wait", generation: 0 }
  }
  readonly #waiting = new Set<() => void>()

  constructor(limits: Limits, onChange: (state: State, previous: State) => void = () => {}) {
    this.#limits = limits
    this.#onChange = onChange
  }

  get state(): State {
    return this.#state
  }

  get isClosed(): boolean {
    return this.#state === closed
  }

  /** Whether nothing would be lost by forgetting it. */
  get isPristine(): boolean {
    return this.isClosed && this.#failures === 0
  }

  /** The ticket of a call while closed; kept, since a closed breaker is on every call's way. */
  closedTicket(kind: Kind): Ticket {
    return this.#tickets[kind]
  }

  /** How many calls of a kind would be admitted now, were it asked; none before the open time is over. */
  room(kind: Kind, now: number): number {
    if (this.#state._tag === "Closed") return Number.POSITIVE_INFINITY
    if (this.#state._tag === "Open") return now < this.#state.until ? 0 : this.#limits.probesMax
    if (kind === "Wait" && this.#answered) return Number.POSITIVE_INFINITY
    return this.#limits.probesMax - this.#probes[kind]
  }

  /** A ticket, or until when the call is refused. */
  admit(kind: Kind, now: number): Ticket | number {
    const state = this.#state
    if (state._tag === "Closed") return this.#tickets[kind]
    if (state._tag === "Open") {
      if (now < state.until) return state.until
      this.#enter(halfOpen)
    }
    if (this.room(kind, now) <= 0) {
      return now + Math.min(this.#limits.pauseMillis, this.#limits.openMillis)
    }
    this.#probes[kind]++
    return this.#tickets[kind]
  }

  /** An admitted call has ended; once a ticket. */
  end(ticket: Ticket, ending: Ending, now: number): void {
    if (ticket.generation !== this.#generation) return
    if (this.isClosed) this.#endClosed(ending, now)
    else this.#endProbe(ticket.kind, ending, now)
  }

  #endClosed(ending: Ending, now: number): void {
    if (ending === "Nothing") return
    this.#failures = ending === "Failure" ? this.#failures + 1 : 0
    if (this.#failures >= this.#limits.failuresMax) this.#open(now)
  }

  #endProbe(kind: Kind, ending: Ending, now: number): void {
    this.#probes[kind]--
    if (ending === "Failure") return this.#open(now)
    if (ending === "Empty") this.#answered = true
    if (ending === "Success") this.#successes++
    if (this.#successes >= this.#limits.successes) this.#enter(closed)
    else this.#wake()
  }

  #open(now: number): void {
    this.#enter({ _tag: "Open", until: now + this.#limits.openMillis })
  }

  #enter(state: State): void {
    const previous = this.#state
    this.#state = state
    this.#generation++
    this.#failures = 0
    this.#successes = 0
    this.#answered = false
    for (const kind of ["Call", "Wait"] as const) {
      this.#probes[kind] = 0
      this.#tickets[kind] = { kind, generation: this.#generation }
    }
    this.#onChange(state, previous)
    this.#wake()
  }

  /** Calls once at the next change of the state or end of a probe; the answer takes that back. */
  onNext(wake: () => void): () => void {
    this.#waiting.add(wake)
    return () => this.#waiting.delete(wake)
  }

  #wake(): void {
    const waiting = [...this.#waiting]
    this.#waiting.clear()
    for (const wake of waiting) wake()
  }
}
