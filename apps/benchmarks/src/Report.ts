/** The one table of every benchmark: `.reports/bench.json`, and its rendering for people. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { dirname } from "node:path"
import * as Schema from "effect/Schema"
import * as measure from "./measure.ts"

/** One comparison. A figure alone says nothing: `peer` was measured beside `ours` in the same run. */
export const Case = Schema.Struct({
  case: Schema.String,
  ours: Schema.Finite,
  peer: Schema.Finite,
  /** `ours / peer`. */
  ratio: Schema.Finite,
  /** What the ratio should reach, or stay under; absent: it is told for what it is. */
  target: Schema.optionalKey(Schema.Finite),
  /** The target is of `ours` itself, and `peer` stands beside it. */
  absolute: Schema.optionalKey(Schema.Literal(true)),
  better: Schema.Literals(["higher", "lower"]),
  /** The lowest and the highest ratio of a round, where every round measured both. */
  spread: Schema.optionalKey(Schema.Tuple([Schema.Finite, Schema.Finite]))
})

export type Case = typeof Case.Type

const Cases = Schema.fromJsonString(Schema.Array(Case))

/** A case with its ratio worked out. */
export const make = (values: Omit<Case, "ratio">): Case => ({
  ...values,
  ratio: values.ours / values.peer
})

/** A case of two series, round by round beside each other: their medians, and how far their ratios lay apart. */
export const ofRounds = (
  values: Omit<Case, "ours" | "peer" | "ratio" | "spread"> & {
    readonly ours: ReadonlyArray<number>
    readonly peer: ReadonlyArray<number>
  }
): Case => {
  const ratios = values.ours.map((one, round) => one / (values.peer[round] ?? Number.NaN))
  return make({
    ...values,
    ours: measure.median(values.ours),
    peer: measure.median(values.peer),
    spread: [Math.min(...ratios), Math.max(...ratios)]
  })
}

export const isMet = ({ absolute, better, ours, ratio, target }: Case): boolean => {
  if (target === undefined) return true
  const value = absolute === true ? ours : ratio
  return better === "higher" ? value >= target : value <= target
}

export const targetOf = ({ absolute, better, target }: Case): string =>
  target === undefined
    ? ""
    : `${absolute === true ? "ours " : ""}${better === "higher" ? "≥" : "≤"} ${target}`

/** The cases of a run take the place of those of the same name; the others stay. */
export const merge = (
  before: ReadonlyArray<Case>,
  run: ReadonlyArray<Case>
): ReadonlyArray<Case> => {
  const names = new Set(run.map((one) => one.case))
  return [...before.filter((one) => !names.has(one.case)), ...run]
}

export const read = (path: string): ReadonlyArray<Case> =>
  existsSync(path) ? Schema.decodeUnknownSync(Cases)(readFileSync(path, "utf8")) : []

export const write = (path: string, cases: ReadonlyArray<Case>): void => {
  mkdirSync(dirname(path), { recursive: true })
  const rows = cases.map((one) => `  ${JSON.stringify(one)}`)
  writeFileSync(path, `[\n${rows.join(",\n")}\n]\n`)
}

export const figure = (value: number): string =>
  value >= 100 ? Math.round(value).toLocaleString("en") : value.toPrecision(3)

/** Aligned columns, for a terminal. */
export const render = (cases: ReadonlyArray<Case>): string => {
  const head = ["case", "ours", "peer", "ratio", "spread", "target", ""]
  const rows = cases.map((one) => [
    one.case,
    figure(one.ours),
    figure(one.peer),
    one.ratio.toFixed(2),
    one.spread === undefined ? "" : one.spread.map((ratio) => ratio.toFixed(2)).join("–"),
    targetOf(one),
    one.target === undefined ? "" : isMet(one) ? "met" : "MISSED"
  ])
  const widths = head.map((title, column) =>
    Math.max(title.length, ...rows.map((row) => (row[column] ?? "").length))
  )
  const line = (cells: ReadonlyArray<string>): string =>
    cells
      .map((cell, column) =>
        column === 0 ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0)
      )
      .join("  ")
      .trimEnd()
  return [line(head), line(widths.map((width) => "-".repeat(width))), ...rows.map(line)].join("\n")
}
