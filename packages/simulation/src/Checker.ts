/**
 * What must hold of every history, whatever went wrong in it.
 *
 * **Details**
 *
 * A checker goes through the events once, with maps of what it remembers, so its time is linear in the
 * history. It judges what was promised and nothing else: a delivery that comes twice is no violation where
 * a lost reply explains it, and is one where nothing does.
 *
 * **Source** the total queue of Jepsen's checkers for lost, unexpected, duplicated and recovered; SPEC R3,
 * R4, R5 and R7 for the rest
 *
 * @since 0.1.0
 */
import { deadLetters } from "./internal/checkers/deadLetters.ts"
import { drained } from "./internal/checkers/drained.ts"
import { effects } from "./internal/checkers/effects.ts"
import { exclusive } from "./internal/checkers/exclusive.ts"
import { operator } from "./internal/checkers/operator.ts"
import { locksKept } from "./internal/checkers/locksKept.ts"
import { bounded } from "./internal/checkers/bounded.ts"
import { bodies } from "./internal/checkers/bodies.ts"
import { ordered } from "./internal/checkers/ordered.ts"
import { progress } from "./internal/checkers/progress.ts"
import { sending } from "./internal/checkers/sending.ts"
import { settlement } from "./internal/checkers/settlement.ts"
import { timing } from "./internal/checkers/timing.ts"
import { total } from "./internal/checkers/total.ts"
import type * as History from "./History.ts"

/**
 * What is wrong, and where to look.
 *
 * @category models
 * @since 0.1.0
 */
export interface Violation {
  /** The name of its checker. */
  readonly checker: string
  readonly at: number
  /** One sentence. */
  readonly what: string
  /** Ids of messages, sessions and processes it is about. */
  readonly about: ReadonlyArray<string>
}

/**
 * One question to a history.
 *
 * @category models
 * @since 0.1.0
 */
export interface Checker {
  readonly name: string
  /** What must hold, in a sentence. */
  readonly rule: string
  readonly check: (history: History.History) => ReadonlyArray<Violation>
}

/**
 * Every checker.
 *
 * @category checkers
 * @since 0.1.0
 */
export const all: ReadonlyArray<Checker> = [
  total,
  sending,
  ordered,
  exclusive,
  settlement,
  deadLetters,
  operator,
  timing,
  effects,
  locksKept,
  drained,
  bounded,
  bodies,
  progress
]

/**
 * All violations of a history, in the order of the checkers.
 *
 * **Example** (A message that nobody ever handled)
 *
 * ```ts
 * import { Checker, History } from "@queue-runtime/simulation"
 *
 * const lost = Checker.check({
 *   promises: History.promises(),
 *   events: [
 *     { _tag: "Submitted", at: 0, node: "p1", id: "m1", order: 1, digest: 0 },
 *     { _tag: "Sent", at: 1, node: "p1", id: "m1" }
 *   ]
 * })
 * lost.map(({ what }) => what)
 * // => ["m1 was taken and is lost"]
 * ```
 *
 * @category running
 * @since 0.1.0
 */
export const check = (
  history: History.History,
  checkers: ReadonlyArray<Checker> = all
): ReadonlyArray<Violation> => checkers.flatMap((one) => one.check(history))
