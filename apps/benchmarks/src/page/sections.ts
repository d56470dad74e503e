/** Which table of the page a case stands in, and the tables. */
import * as Reasons from "../Reasons.ts"
import * as Report from "../Report.ts"
import type { Run } from "./Run.ts"

/** The first that fits a case is its own. */
const patterns = {
  bullmq: /BullMQ/u,
  latency: /latency p\d|capacity, /u,
  "head-of-line": /slow handlers|^sessions: \d+ beside/u,
  sessions: /^sessions: /u,
  sqs: /^sqs (?!heap)/u,
  azure: /^azure /u,
  persisted: /PersistedQueue|Effect's Queue/u,
  policies: /^policies /u,
  heap: / heap: /u,
  growth: /^growth: |^memory (?:send|accept|receive|complete): /u,
  startup: /^startup/u,
  sizes: /^size of /u
} as const

export type Section = keyof typeof patterns

const isSection = (name: string): name is Section => name in patterns

export const sections: ReadonlyArray<Section> = Object.keys(patterns).filter(isSection)

export const sectionOf = (name: string): Section | undefined =>
  sections.find((section) => patterns[section].test(name))

/** What stands beside ours is somebody else's, and not ours under other conditions. */
const isOfOthers = (name: string): boolean =>
  /BullMQ|sqs-consumer|sqs-producer|by hand|of the SDK|as it comes|PersistedQueue|Effect's Queue|node:crypto/u.test(
    name.slice(name.indexOf(" / "))
  )

type Runs = readonly [Run, Run]

/** One case, as each run that has it found it. */
interface Row {
  readonly name: string
  readonly runs: readonly [Report.Case, ...ReadonlyArray<Report.Case>]
}

export const rowsOf = (runs: Runs): ReadonlyArray<Row> => {
  const rows = new Map<string, Row>()
  for (const { cases } of runs) {
    for (const one of cases) {
      const known = rows.get(one.case)
      rows.set(one.case, {
        name: one.case,
        runs: known === undefined ? [one] : [...known.runs, one]
      })
    }
  }
  return [...rows.values()]
}

/** What all of them say, or what each does. */
const both = (row: Row, cell: (one: Report.Case) => string): string =>
  [...new Set(row.runs.map(cell))].join(" · ")

const ratioOf = ({ ratio, spread }: Report.Case): string =>
  spread === undefined
    ? ratio.toFixed(2)
    : `**${ratio.toFixed(2)}** (${spread.map((one) => one.toFixed(2)).join("–")})`

const verdictOf = ({ runs }: Row): string => {
  if (runs[0].target === undefined) return ""
  const met = runs.filter(Report.isMet).length
  return met === runs.length ? "met" : met === 0 ? "missed" : "met once"
}

const line = (cells: ReadonlyArray<string>): string => `| ${cells.join(" | ")} |`

const tableOf = (rows: ReadonlyArray<Row>): string =>
  rows.length === 0
    ? "Nothing in these runs."
    : [
        line(["what, ours / peer", "ours", "peer", "ratio (spread of the rounds)", "target", ""]),
        line(["---", "---:", "---:", "---:", "---:", "---"]),
        ...rows.map((row) =>
          line([
            row.name,
            both(row, ({ ours }) => Report.figure(ours)),
            both(row, ({ peer }) => Report.figure(peer)),
            both(row, ratioOf),
            Report.targetOf(row.runs[0]),
            verdictOf(row)
          ])
        )
      ].join("\n")

const isWorse = ({ better, ratio }: Report.Case): boolean =>
  better === "higher" ? ratio < 1 : ratio > 1

const isBusy = ({ machine }: Run): boolean => machine.load > machine.cores

const machineOf = (runs: Runs): string => {
  const words = ({ machine }: Run): string =>
    `${machine.cores} cores, ${machine.platform}, Node ${machine.node}`
  const [one, other] = runs.map(words)
  const where = one === other ? one : `${one}; the second on ${other}`
  const load = runs.map(({ machine }) => machine.load).join(" and ")
  return [
    `Two runs on ${where}; load when they began: ${load}. Where a cell holds two figures, they are those of the two runs.`,
    ...(runs.some(isBusy)
      ? [
          "",
          "**The machine had more to do than it has cores for.** Figures of the clock, and latencies above all, are those of a machine that is overloaded by others: a draft."
        ]
      : [])
  ].join("\n")
}

/** A reason that was looked for, or what the first run says that missed it. */
const reasonOf = ({ runs }: Row): string =>
  Reasons.reasonOf(runs.find((one) => !Report.isMet(one)) ?? runs[0])

const summaryOf = (rows: ReadonlyArray<Row>): string => {
  const aimed = rows.filter(({ runs }) => runs[0].target !== undefined)
  const missed = aimed.filter((row) => verdictOf(row) !== "met")
  const list = missed.map((row) => `- ${row.name}: ${verdictOf(row)}. Why: ${reasonOf(row)}.`)
  return [
    `${rows.length} cases, ${aimed.length} with a target, ${aimed.length - missed.length} of them met in every run.`,
    ...(list.length === 0 ? [] : ["", "Not met in every run:", "", ...list])
  ].join("\n")
}

/** The generated parts of the page, by their names. */
export const blocks = (runs: Runs): Readonly<Record<string, string>> => {
  const rows = rowsOf(runs)
  return {
    machine: machineOf(runs),
    summary: summaryOf(rows),
    wins: tableOf(rows.filter(({ name, runs: of }) => isOfOthers(name) && of.every(isWorse))),
    ...Object.fromEntries(
      sections.map((section) => [
        section,
        tableOf(rows.filter(({ name }) => sectionOf(name) === section))
      ])
    )
  }
}
