/**
 * The `ts` fences of doc comments and pages.
 *
 * @since 0.1.0
 */
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

/**
 * One fence: where its code begins, what its info line asks for, and the code.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fence {
  readonly path: string
  /** The line, from 1, of the first line of code. */
  readonly line: number
  /** `run` compiles and runs, `no-run` compiles, `no-check` is only counted. */
  readonly mode: "run" | "no-run" | "no-check"
  readonly code: string
}

/**
 * A fence that would escape the checks: not closed, or with an info line that nobody knows.
 *
 * @category models
 * @since 0.1.0
 */
export interface Problem {
  readonly path: string
  readonly line: number
  readonly message: string
}

/**
 * What was found in one file.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly fences: ReadonlyArray<Fence>
  readonly problems: ReadonlyArray<Problem>
}

interface Line {
  readonly number: number
  readonly text: string
}

const modes: ReadonlyMap<string, Fence["mode"]> = new Map([
  ["ts", "run"],
  ["ts no-run", "no-run"],
  ["ts no-check", "no-check"]
])

const isScript = (info: string): boolean =>
  /^(?:ts|tsx|typescript|js|jsx|mts|mjs|javascript)\b/iu.test(info)

const opening = /^(\s*)(`{3,})(.*)$/u

const undented = (line: string, indent: number): string =>
  line.slice(0, indent).trim() === "" ? line.slice(indent) : line

const problem = (path: string, line: Line, message: string): Found => ({
  fences: [],
  problems: [{ path, line: line.number, message }]
})

const fenceOf = (
  path: string,
  open: Line,
  body: ReadonlyArray<Line>,
  info: string,
  indent: number
) => {
  const mode = modes.get(info)
  if (mode === undefined) {
    return isScript(info)
      ? problem(path, open, `\`\`\`${info}: write ts, ts no-run or ts no-check`)
      : { fences: [], problems: [] }
  }
  const code = body.map(({ text }) => undented(text, indent)).join("\n")
  return { fences: [{ path, line: open.number + 1, mode, code }], problems: [] }
}

const merged = (all: ReadonlyArray<Found>): Found => ({
  fences: all.flatMap(({ fences }) => fences),
  problems: all.flatMap(({ problems }) => problems)
})

const inLines = (path: string, lines: ReadonlyArray<Line>): Found => {
  const all: Array<Found> = []
  for (let index = 0; index < lines.length; index++) {
    const line = lines[index]
    const [, space = "", ticks = "", info = ""] = opening.exec(line?.text ?? "") ?? []
    if (line === undefined || ticks === "") continue
    const rest = lines.slice(index + 1)
    const length = rest.findIndex(({ text }) => text.trim() === ticks)
    if (length === -1) return merged([...all, problem(path, line, "a fence that is not closed")])
    all.push(fenceOf(path, line, rest.slice(0, length), info.trim(), space.length))
    index += length + 1
  }
  return merged(all)
}

const numbered = (text: string, first: number): ReadonlyArray<Line> =>
  text.split("\n").map((line, index) => ({ number: first + index, text: line }))

/** The lines of a doc comment without their stars. */
const docLines = (text: string, comment: Lexer.Comment): ReadonlyArray<Line> =>
  numbered(comment.text.replace(/\*\/$/u, ""), Lexer.lineOf(text, comment.start)).map(
    ({ number, text: line }) => ({ number, text: line.replace(/^\s*\/?\*{1,2} ?/u, "") })
  )

/**
 * The fences of a page, or of the doc comments of a source.
 *
 * @category finding
 * @since 0.1.0
 */
export const find = ({ path, text }: Repository.Source): Found =>
  path.endsWith(".md")
    ? inLines(path, numbered(text, 1))
    : merged(
        Lexer.comments(text)
          .filter((comment) => comment.text.startsWith("/**"))
          .map((comment) => inLines(path, docLines(text, comment)))
      )
