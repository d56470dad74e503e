/**
 * The words of the demo: what it is about to do, how far it is, how it ended.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import type * as BotConfig from "../BotConfig.ts"
import type * as History from "./History.ts"
import * as Plan from "./Plan.ts"
import * as Verification from "./Verification.ts"

const number = new Intl.NumberFormat("en-GB")

const count = (value: number): string => number.format(value)

const row = (label: string, text: string): string => `  ${label.padEnd(14)}${text}`

const tally = (items: Iterable<string>): ReadonlyMap<string, number> => {
  const counts = new Map<string, number>()
  for (const item of items) counts.set(item, (counts.get(item) ?? 0) + 1)
  return counts
}

const listed = (counts: ReadonlyMap<string, number>): string =>
  [...counts].map(([item, times]) => `${count(times)} × ${item}`).join(", ")

const distinct = (items: Iterable<string>): number => new Set(items).size

const millis = (duration: Duration.Duration): string => `${count(Duration.toMillis(duration))} ms`

/**
 * What the run is made of.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting {
  readonly seed: string
  readonly plan: ReadonlyArray<Plan.Planned>
  readonly examples: number
  readonly config: BotConfig.BotConfig
  readonly stack: ReadonlyArray<string>
  readonly outage: Duration.Duration
}

const withFault = (plan: ReadonlyArray<Plan.Planned>, fault: Plan.Fault): number =>
  plan.filter((planned) => planned.fault === fault).length

/**
 * The lines before the start.
 *
 * @category formatting
 * @since 0.1.0
 */
export const opening = (setting: Setting): ReadonlyArray<string> => {
  const { config, examples, outage, plan, seed, stack } = setting
  const repeated = plan.filter(({ isRepeated }) => isRepeated).length
  const deliveries = withFault(plan, "none") - repeated
  const malformed = withFault(plan, "no delivery id") + withFault(plan, "no JSON")
  return [
    `queue-runtime demo: GitHub webhooks over HTTP into the queue (${stack.join(" > ")}), bots out`,
    row("seed", `${seed} (--seed, --deliveries change the run)`),
    row(
      "payloads",
      `${count(deliveries)}, made from the ${count(examples)} examples of ` +
        `${distinct(plan.map(({ event }) => event))} event types in @octokit/webhooks-examples`
    ),
    row("", "by rewriting repository, number and branch"),
    row(
      "sessions",
      `${distinct(plan.map(({ session }) => session))} pull requests, issues, branches, ` +
        "repositories and the like, interleaved"
    ),
    row(
      "besides",
      `${repeated} delivered twice, ${withFault(plan, "wrong signature")} with a wrong signature, ` +
        `${withFault(plan, "too large")} of 26 MB, ${malformed} malformed`
    ),
    row(
      "always fails",
      `${Plan.failingEvent} (the downstream answers 500), ${Plan.refusedEvent} (it answers 422)`
    ),
    row(
      "shortened",
      `backoff ${millis(config.backoff.initial)} doubling to ${millis(config.backoff.max)}, ` +
        `at most ${config.deliveriesMax} deliveries;`
    ),
    row("", `downstream down for ${millis(outage)}: 503 and cut connections, asked again`),
    row("", `every ${millis(config.breaker.openDuration)}`),
    row("worker", `${config.concurrency} sessions at once`),
    ""
  ]
}

/**
 * How far it is.
 *
 * @category formatting
 * @since 0.1.0
 */
export const progress = (
  elapsed: Duration.Duration,
  counts: History.Counts,
  isDown: boolean
): string =>
  [
    `${Duration.toSeconds(elapsed).toFixed(1).padStart(5)} s`,
    `downstream ${isDown ? "DOWN" : "up  "}`,
    `sent ${count(counts.sent)}`,
    `refused ${count(counts.refused)}`,
    `processed ${count(counts.processed)}`,
    `retried ${count(counts.retried)}`,
    `dead-lettered ${count(counts.deadLettered)}`
  ].join("  ")

/**
 * How it ended.
 *
 * @category models
 * @since 0.1.0
 */
export interface Outcome {
  readonly evidence: Verification.Evidence
  readonly counts: History.Counts
  readonly turnedAway: number
  readonly elapsed: Duration.Duration
  readonly violations: ReadonlyArray<string>
}

const faultNames: { readonly [Fault in Plan.Fault]: string } = {
  none: "valid",
  "wrong signature": "401 wrong signature",
  "too large": "413 over 25 MB",
  "no delivery id": "400 no X-GitHub-Delivery",
  "no JSON": "400 not JSON"
}

const refusals = ({ events, plan }: Verification.Evidence): string => {
  const faults = new Map<string, Plan.Fault>(plan.map(({ fault, id }) => [id, fault]))
  return listed(
    tally(
      events.flatMap((event) => {
        if (event._tag !== "Answered" || event.status === 202) return []
        const fault = faults.get(event.id) ?? "none"
        return [fault === "none" ? `${event.status} (a valid one)` : faultNames[fault]]
      })
    )
  )
}

/** Violations shown; the first ones tell enough. */
const shownMax = 20

const verdict = (violations: ReadonlyArray<string>): ReadonlyArray<string> => {
  if (violations.length === 0) return ["verified: every session in order, nothing lost"]
  const more = violations.length - shownMax
  return [
    `NOT VERIFIED: ${count(violations.length)} violations`,
    ...violations.slice(0, shownMax).map((text) => `  ${text}`),
    ...(more > 0 ? [`  and ${count(more)} more`] : [])
  ]
}

/**
 * The summary and the verdict.
 *
 * @category formatting
 * @since 0.1.0
 */
export const closing = (outcome: Outcome): ReadonlyArray<string> => {
  const { counts, elapsed, evidence, turnedAway, violations } = outcome
  const accepted = evidence.events.flatMap((event) =>
    event._tag === "Answered" && event.status === 202 ? [event] : []
  )
  const messages = distinct(accepted.map(({ id }) => id))
  const retried = evidence.events.flatMap((event) =>
    event._tag === "Settled" && event.as !== "Completed" && event.as !== "DeadLettered"
      ? [event.id]
      : []
  )
  const dead = tally(evidence.deadLetters.map(({ event, reason }) => `${reason} (${event})`))
  return [
    "",
    row("sent", `${count(counts.sent)} in ${Duration.toSeconds(elapsed).toFixed(1)} s`),
    row("refused", `${count(counts.refused)}: ${refusals(evidence)}`),
    row(
      "accepted",
      `${count(counts.accepted)}: ${count(messages)} messages, ` +
        `${count(counts.accepted - messages)} delivered twice and dropped by the queue`
    ),
    row(
      "processed",
      `${count(counts.processed)} in ${count(distinct(accepted.map(({ session }) => session)))} sessions`
    ),
    row(
      "retried",
      `${count(distinct(retried))} messages, ${count(retried.length)} times; ` +
        `${count(turnedAway)} calls found the downstream down`
    ),
    row(
      "settled anew",
      `${count(Verification.unsettled(evidence).length)} that were handled and whose settlement was ` +
        "lost: they came again, and no bot ran twice"
    ),
    row(
      "at rest",
      `${count(evidence.stored - evidence.readable.length)} of ${count(evidence.stored)} bodies sealed`
    ),
    row("dead letters", `${count(evidence.deadLetters.length)}: ${listed(dead)}`),
    row("left", count(evidence.left)),
    "",
    ...verdict(violations)
  ]
}
