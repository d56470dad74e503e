/**
 * Why a target is not met: a reason that was looked for, with a profile behind it, or what the rounds
 * themselves say. What has neither is told as such.
 */
import * as Report from "./Report.ts"

/** What was found, by case. Each is still told with the figures of the run in which it is missed. */
export const known: Readonly<Record<string, string>> = {
  "memory send, receive, complete, one a call / PersistedQueue: messages a CPU second":
    "a message is three calls here, each with its checks and a turn of the queue of its own; Effect's loop is 31 % of it and the queue 43 %. Ten a call, which share a turn, take less than half a message",
  "memory send, receive, complete, one a call through the client / PersistedQueue: messages a CPU second":
    "three calls through two layers: Effect's loop is 38 % of it, the queue 26 %, and 14 % are ids, sizes and capabilities, which PersistedQueue does not look at",
  "memory send, receive, complete, ten a call through the client / PersistedQueue: messages a CPU second":
    "a third is the queue, a fifth garbage, 16 % Effect's loop and 12 % ids, sizes and capabilities, which PersistedQueue does not look at",
  "policies every one of them / client on bare memory: CPU µs a message, ten a call":
    "a limit in microseconds says as much of the machine as of the code: node:crypto by hand, which is a part of it, takes 12 µs a message on this machine at times and 18 at others, and the whole stack 23 and 39 (ADR 0012)",
  "policies every one of them / client on bare memory: CPU µs a message, 100 callers at once":
    "each caller has a span and a place in a batch of its own: of 31 µs node:crypto is 10, telemetry 7, sealing itself 7, the bare client 6, merging and the others 1 (ADR 0012)",
  "growth: exponent over 1,000 to 100,000 messages waiting / that of O(log n): CPU µs a message":
    "a slope through three figures, which one that a full collection falls into tilts; counted in steps, which no collection disturbs, it is met",
  "startup import of core / of the modules of Effect it uses: CPU ms":
    "three quarters are Effect's own modules, and effect/Effect alone takes longer than the target; a bundled application is below it (ADR 0017)"
}

/** Whether the rounds lie on both sides of the target, so that this run does not decide it. */
const isUndecided = ({ absolute, spread, target }: Report.Case): boolean =>
  absolute !== true &&
  spread !== undefined &&
  target !== undefined &&
  Math.min(...spread) <= target &&
  target <= Math.max(...spread)

/** Why this case misses its target. */
export const reasonOf = (one: Report.Case): string => {
  const found = known[one.case]
  if (found !== undefined) return found
  return isUndecided(one)
    ? "the rounds lie on both sides of the target: this run does not decide it"
    : "not known"
}

/** What a run missed and why, a line each; empty when every target is met. */
export const render = (cases: ReadonlyArray<Report.Case>): string => {
  const missed = cases.filter((one) => one.target !== undefined && !Report.isMet(one))
  if (missed.length === 0) return ""
  const lines = missed.map((one) => `- ${one.case}\n  ${reasonOf(one)}`)
  return ["", "Missed, and why:", "", ...lines, ""].join("\n")
}
