/**
 * What can go wrong in a simulation, by name, and how likely each is.
 *
 * **Details**
 *
 * Every fault is a decision of its own, drawn from the seed and from what it would befall: the second
 * settlement of `m3`, the fourth receive of `w1`. So a run without one of its faults is the same run up to
 * there, which is what shrinking needs.
 *
 * @since 0.1.0
 */

/**
 * The names of all faults.
 *
 * @category models
 * @since 0.1.0
 */
export type Name =
  | "duplicate delivery"
  | "delay"
  | "lost reply"
  | "partial failure"
  | "throttled"
  | "disconnected"
  | "lock expires"
  | "dead letters unavailable"
  | "paused"
  | "crash"
  | "restart"
  | "clock skew"
  | "slow handler"
  | "failing handler"
  | "rejecting handler"
  | "throwing handler"
  | "stubborn handler"
  | "poison"
  | "key rotated away"

/**
 * What a fault is and does.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fault {
  readonly name: Name
  /** A sentence. */
  readonly title: string
  readonly on: "call" | "handler" | "process" | "world"
  /** The highest probability that a seed draws, of each chance it has. */
  readonly max: number
}

/**
 * Every fault there is.
 *
 * @category faults
 * @since 0.1.0
 */
export const all: ReadonlyArray<Fault> = [
  {
    name: "duplicate delivery",
    title: "the broker stores a message twice",
    on: "call",
    max: 0.2
  },
  { name: "delay", title: "a call, or its answer, takes its time", on: "call", max: 0.2 },
  {
    name: "lost reply",
    title: "a call takes effect and its answer is lost",
    on: "call",
    max: 0.2
  },
  {
    name: "partial failure",
    title: "some entries of a batch fail and the others do not",
    on: "call",
    max: 0.3
  },
  { name: "throttled", title: "the broker refuses a call for now", on: "call", max: 0.2 },
  {
    name: "disconnected",
    title: "the connection breaks, and what was held by it is lost",
    on: "call",
    max: 0.1
  },
  {
    name: "lock expires",
    title: "renewals hang until the lock is over",
    on: "call",
    max: 0.4
  },
  {
    name: "dead letters unavailable",
    title: "nothing can be put aside for now",
    on: "call",
    max: 0.5
  },
  {
    name: "paused",
    title: "a process stands still for longer than a lock",
    on: "process",
    max: 0.03
  },
  {
    name: "crash",
    title: "a worker ends without a word and starts again",
    on: "process",
    max: 0.05
  },
  { name: "restart", title: "a worker is asked to end and starts again", on: "world", max: 0.8 },
  { name: "clock skew", title: "the clock of a process is wrong", on: "process", max: 0.5 },
  { name: "slow handler", title: "a handler takes its time", on: "handler", max: 0.3 },
  {
    name: "failing handler",
    title: "a handler fails, and may succeed later",
    on: "handler",
    max: 0.4
  },
  { name: "rejecting handler", title: "a handler fails for good", on: "handler", max: 0.2 },
  { name: "throwing handler", title: "a handler throws", on: "handler", max: 0.2 },
  {
    name: "stubborn handler",
    title: "a handler takes its time and cannot be interrupted",
    on: "handler",
    max: 0.05
  },
  { name: "poison", title: "every handler of a message fails", on: "handler", max: 0.2 },
  { name: "key rotated away", title: "a key is missing for a while", on: "world", max: 0.1 }
]

/**
 * A fault that strikes now: which, and a number from zero up to one for how.
 *
 * @category models
 * @since 0.1.0
 */
export interface Strike {
  readonly name: Name
  readonly part: number
}

/**
 * Asks whether one of these faults strikes at this chance, a name for what it would befall. What strikes is
 * written into the history.
 *
 * @category models
 * @since 0.1.0
 */
export type Strikes = (chance: string, names: ReadonlyArray<Name>) => Strike | undefined

/**
 * How likely each fault is at each of its chances; what is not named does not happen.
 *
 * @category models
 * @since 0.1.0
 */
export type Profile = Readonly<Partial<Record<Name, number>>>

/**
 * No faults at all.
 *
 * **Example** (A quiet world)
 *
 * ```ts
 * import { Fault } from "@queue-runtime/simulation"
 *
 * Object.keys(Fault.none).length // => 0
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const none: Profile = {}

/**
 * Each fault, at its highest probability or none: what a user lets loose on a handler.
 *
 * **Example** (Only what a broker does)
 *
 * ```ts
 * import { Fault } from "@queue-runtime/simulation"
 *
 * Fault.only("lost reply", "crash") // => { "lost reply": 0.2, crash: 0.05 }
 * ```
 *
 * @category profiles
 * @since 0.1.0
 */
export const only = (...names: ReadonlyArray<Name>): Profile =>
  Object.fromEntries(all.flatMap(({ max, name }) => (names.includes(name) ? [[name, max]] : [])))
