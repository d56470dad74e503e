/** A run that is kept: what machine it was on, and its table, one case a line. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { availableParallelism, loadavg } from "node:os"
import { dirname } from "node:path"
import { fileURLToPath } from "node:url"
import * as Schema from "effect/Schema"
import * as Report from "../Report.ts"

/** As much as tells machines apart that cannot be compared, and how busy it was when the run began. */
const Machine = Schema.Struct({
  cores: Schema.Int,
  node: Schema.String,
  platform: Schema.String,
  load: Schema.Finite
})

export interface Run {
  readonly machine: typeof Machine.Type
  readonly cases: ReadonlyArray<Report.Case>
}

/** Where the first and the second are kept, for the page. */
export const pathOf = (number: 1 | 2): string =>
  fileURLToPath(new URL(`../../../../docs/benchmarks/run-${number}.jsonl`, import.meta.url))

const machineOf = Schema.decodeUnknownSync(Schema.fromJsonString(Machine))

const caseOf = Schema.decodeUnknownSync(Schema.fromJsonString(Report.Case))

export const parse = (text: string): Run => {
  const [machine = "", ...cases] = text.trimEnd().split("\n")
  return { machine: machineOf(machine), cases: cases.map((line) => caseOf(line)) }
}

export const read = (path: string): Run => parse(readFileSync(path, "utf8"))

export const here = (): Run["machine"] => ({
  cores: availableParallelism(),
  node: process.versions.node.split(".")[0] ?? "",
  platform: `${process.platform} ${process.arch}`,
  load: Math.round((loadavg()[0] ?? 0) * 10) / 10
})

/** Three digits that mean something: the rest of a figure changes with every run. */
const rounded = (value: number): number => Number(value.toPrecision(4))

const short = (one: Report.Case): Report.Case => ({
  ...one,
  ours: rounded(one.ours),
  peer: rounded(one.peer),
  ratio: rounded(one.ratio),
  ...(one.spread === undefined
    ? {}
    : { spread: [rounded(one.spread[0]), rounded(one.spread[1])] as const })
})

/** So that two runs can be told apart by a diff. */
export const format = ({ cases, machine }: Run): string =>
  [machine, ...cases.map(short)].map((one) => `${JSON.stringify(one)}\n`).join("")

/** A run of some suites renews their cases in what is kept; a run of all is all that is kept. */
export const write = (path: string, run: Run, all: boolean): void => {
  const before = all || !existsSync(path) ? [] : read(path).cases
  mkdirSync(dirname(path), { recursive: true })
  writeFileSync(path, format({ ...run, cases: Report.merge(before, run.cases) }))
}
