/**
 * What a run of the contract shows: rules by provider, sabotages by rule, and both as data.
 *
 * @since 0.1.0
 */
import type { Contract, Sabotage } from "@queue-runtime/contract-tests"

/**
 * The results of one provider, a rule each.
 *
 * @category models
 * @since 0.1.0
 */
export interface Column {
  readonly name: string
  readonly results: ReadonlyArray<Contract.RuleResult>
}

/**
 * What `.reports/contract.json` holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly rules: number
  readonly providers: Readonly<
    Record<string, { readonly passed: number; readonly failed: number; readonly skipped: number }>
  >
  readonly sabotages: {
    readonly total: number
    readonly caught: number
    readonly survivors: ReadonlyArray<string>
  }
  /** Rules that no sabotage breaks. */
  readonly unproved: ReadonlyArray<string>
  readonly tables: {
    /** By provider, then by rule. */
    readonly providers: Readonly<
      Record<
        string,
        Readonly<Record<string, { readonly status: string; readonly reason?: string }>>
      >
    >
    /** By sabotage: the rules that fail. */
    readonly sabotages: Readonly<Record<string, ReadonlyArray<string>>>
  }
}

const countOf = (column: Column, status: Contract.RuleResult["status"]): number =>
  column.results.filter((one) => one.status === status).length

/**
 * The sabotages that got through: none of the rules that were meant to catch them did.
 *
 * @category reading
 * @since 0.1.0
 */
export const survivors = (
  verdicts: ReadonlyArray<Sabotage.Verdict>
): ReadonlyArray<Sabotage.Verdict> => verdicts.filter(({ caughtBy }) => caughtBy.length === 0)

/**
 * The rules that no sabotage breaks.
 *
 * @category reading
 * @since 0.1.0
 */
export const unproved = (
  rules: ReadonlyArray<string>,
  verdicts: ReadonlyArray<Sabotage.Verdict>
): ReadonlyArray<string> => {
  const broken = new Set(verdicts.flatMap(({ failed }) => failed))
  return rules.filter((id) => !broken.has(id))
}

/**
 * Everything as data.
 *
 * @category reading
 * @since 0.1.0
 */
export const report = (
  rules: ReadonlyArray<string>,
  columns: ReadonlyArray<Column>,
  verdicts: ReadonlyArray<Sabotage.Verdict>
): Report => {
  const lost = survivors(verdicts)
  const cellOf = ({ id, reason, status }: Contract.RuleResult) =>
    [id, reason === undefined ? { status } : { status, reason }] as const
  return {
    rules: rules.length,
    providers: Object.fromEntries(
      columns.map((column) => [
        column.name,
        {
          passed: countOf(column, "passed"),
          failed: countOf(column, "failed"),
          skipped: countOf(column, "skipped")
        }
      ])
    ),
    sabotages: {
      total: verdicts.length,
      caught: verdicts.length - lost.length,
      survivors: lost.map(({ sabotage }) => sabotage.id)
    },
    unproved: unproved(rules, verdicts),
    tables: {
      providers: Object.fromEntries(
        columns.map(({ name, results }) => [name, Object.fromEntries(results.map(cellOf))])
      ),
      sabotages: Object.fromEntries(verdicts.map(({ failed, sabotage }) => [sabotage.id, failed]))
    }
  }
}

const width = 100

/** Cuts a sentence into lines of the page, the later ones indented. */
const wrapped = (text: string, indent: string, first = indent): ReadonlyArray<string> => {
  const lines: Array<string> = []
  let line = first
  for (const word of text.split(/\s+/u)) {
    const isStart = line === first || line === indent
    if (!isStart && line.length + 1 + word.length > width) {
      lines.push(line)
      line = `${indent}${word}`
    } else {
      line = isStart ? `${line}${word}` : `${line} ${word}`
    }
  }
  return [...lines, line]
}

const marks = { passed: "✓", failed: "✗", skipped: "–" } as const

/** Numbers reasons as they come; the same reason is one note. */
const makeNotes = () => {
  const notes = new Map<string, number>()
  const numberOf = (reason: string): number => {
    const known = notes.get(reason)
    if (known !== undefined) return known
    notes.set(reason, notes.size + 1)
    return notes.size
  }
  return { numberOf, lines: () => [...notes].map(([reason, number]) => [number, reason] as const) }
}

/**
 * Rule by provider, by group; why a rule was skipped as notes, why one failed at the end.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatProviders = (columns: ReadonlyArray<Column>): string => {
  const [first] = columns
  if (first === undefined) return "no provider"
  const notes = makeNotes()
  const failures: Array<string> = []
  const byId = columns.map(({ results }) => new Map(results.map((one) => [one.id, one])))
  const cell = (id: string, index: number): string => {
    const found = byId[index]?.get(id)
    const name = columns[index]?.name ?? ""
    if (found === undefined) return "".padStart(name.length)
    const note = found.status === "skipped" ? `${notes.numberOf(found.reason ?? "")}` : ""
    return `${marks[found.status]}${note}`.padEnd(name.length)
  }
  const idWidth = Math.max(...first.results.map(({ id }) => id.length))
  const head = columns.map(({ name }) => name).join("  ")
  const lines = [`${"".padEnd(idWidth + 2)}${head}`]
  let group = ""
  for (const { group: next, id, title } of first.results) {
    if (next !== group) lines.push("", next)
    group = next
    const cells = columns.map((_, index) => cell(id, index)).join("  ")
    lines.push(
      ...wrapped(title, " ".repeat(idWidth + head.length + 4), `${id.padEnd(idWidth)}  ${cells}  `)
    )
    for (const [index, { name }] of columns.entries()) {
      const found = byId[index]?.get(id)
      if (found?.status === "failed") failures.push(`✗ ${id} on ${name}: ${found.reason ?? ""}`)
    }
  }
  const sums = columns.map(
    (column) =>
      `${column.name}: ${countOf(column, "passed")} passed, ` +
      `${countOf(column, "failed")} failed, ${countOf(column, "skipped")} skipped`
  )
  const noted = notes.lines().map(([number, reason]) => `–${number} ${reason}`)
  return [lines, noted, failures, sums]
    .filter((part) => part.length > 0)
    .map((part) => part.join("\n"))
    .join("\n\n")
}

/** The rules meant to catch it, then how many others failed as well, and which. */
const formatVerdict = ({ caughtBy, failed, sabotage }: Sabotage.Verdict): ReadonlyArray<string> => {
  const others = failed.filter((id) => !caughtBy.includes(id))
  const meant = caughtBy.length === 0 ? "caught by none that was meant to" : caughtBy.join(" ")
  const rest = others.length === 0 ? "" : ` · ${others.join(" ")}`
  return [
    ...wrapped(`${sabotage.id}: ${sabotage.title}`, "  ", `${caughtBy.length > 0 ? "✓" : "✗"} `),
    ...wrapped(`${meant}${rest}`, "    ")
  ]
}

/**
 * Sabotage by rule: the rules meant to catch it stand first, then `·` and what else failed.
 *
 * @category formatting
 * @since 0.1.0
 */
export const formatSabotages = (
  rules: ReadonlyArray<string>,
  verdicts: ReadonlyArray<Sabotage.Verdict>
): string => {
  const lost = survivors(verdicts)
  const idle = unproved(rules, verdicts)
  return [
    ...verdicts.flatMap(formatVerdict),
    "",
    `sabotages: ${verdicts.length - lost.length} of ${verdicts.length} caught`,
    ...lost.map(({ sabotage }) => `✗ ${sabotage.id} got through`),
    ...(idle.length === 0
      ? [`every rule of ${rules.length} fails for at least one sabotage`]
      : wrapped(`no sabotage breaks ${idle.join(" ")}`, "  ", ""))
  ].join("\n")
}
