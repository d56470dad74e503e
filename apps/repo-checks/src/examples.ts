/**
 * Examples as programs: every `ts` fence becomes a file that is compiled and run, and each `// =>`
 * in it an assertion. Lines stay where they are, so that a failure names the line of the fence.
 *
 * @since 0.1.0
 */
import type * as Fences from "./fences.ts"
import * as Lexer from "./lexer.ts"

/**
 * A fence as a program.
 *
 * @category models
 * @since 0.1.0
 */
export interface Example {
  readonly fence: Fences.Fence
  /** `core-Message-1.ts`. */
  readonly file: string
  readonly program: string
  /** The lines of the fence, from 1, that hold a `// =>`. */
  readonly assertions: ReadonlyArray<number>
  /** What stands in the way of making a program of it. */
  readonly problems: ReadonlyArray<Fences.Problem>
}

interface Edit {
  readonly start: number
  readonly end: number
  readonly text: string
}

/** The name of the assertion in a program. */
const assertion = "$same"

// Behind the example: imports and functions are hoisted, and the example keeps its lines.
const prelude = `
import { same as $assert } from "../src/same.ts"
function ${assertion}(actual: unknown, expected: unknown, line: number): void {
  $assert(actual, expected, { file: import.meta.filename, line })
}
`

const declaration = /^(?:const|let|var)\s+([\w$]+)\s*(?::[^=]+)?=/u
const notAnExpression =
  /^(?:const|let|var|import|export|if|for|while|do|return|throw|try|switch|type|interface|class|function|declare)\b/u

interface Expectation {
  readonly comment: Lexer.Comment
  readonly expected: string
}

const expectations = (code: string): ReadonlyArray<Expectation> =>
  Lexer.comments(code).flatMap((comment) => {
    const [, expected] = /^\/\/\s*=>(.*)$/u.exec(comment.text) ?? []
    return expected === undefined ? [] : [{ comment, expected: expected.trim() }]
  })

const editsOf = (code: string, masked: string, { comment, expected }: Expectation) => {
  const end = masked.slice(0, comment.start).trimEnd().replace(/;$/u, "").length
  const start = Lexer.statementStart(masked, end)
  const statement = masked.slice(start, end)
  const [, name] = declaration.exec(statement) ?? []
  const isOwnLine = code.slice(0, comment.start).split("\n").at(-1)?.trim() === ""
  const line = Lexer.lineOf(code, comment.start)
  if (expected === "") return "// => expects nothing"
  if (name !== undefined) {
    const text = `${isOwnLine ? "" : ";"}${assertion}(${name}, ${expected}, ${line})`
    return [{ start: comment.start, end: comment.end, text }]
  }
  if (statement === "" || notAnExpression.test(statement))
    return "// => stands behind no expression"
  return [
    { start, end: start, text: `${assertion}(` },
    { start: end, end: masked[end] === ";" ? end + 1 : end, text: "," },
    { start: comment.start, end: comment.end, text: ` ${expected}, ${line})` }
  ]
}

const applied = (code: string, edits: ReadonlyArray<Edit>): string =>
  edits
    .toSorted((one, other) => other.start - one.start)
    .reduce((text, { end, start, text: by }) => text.slice(0, start) + by + text.slice(end), code)

/**
 * The code of a fence with its `// =>` made assertions, the lines of these, and what was wrong with
 * some of them.
 *
 * @category rewriting
 * @since 0.1.0
 */
export const rewrite = (code: string) => {
  const masked = Lexer.code(code, '"')
  const all = expectations(code).map((one) => ({
    line: Lexer.lineOf(code, one.comment.start),
    edits: editsOf(code, masked, one)
  }))
  const edits = all.flatMap((one) => (typeof one.edits === "string" ? [] : one.edits))
  return {
    program: applied(code, edits) + prelude,
    assertions: all.map(({ line }) => line),
    problems: all.flatMap(({ edits: message, line }) =>
      typeof message === "string" ? [{ line, message }] : []
    )
  }
}

const stem = (path: string): string => {
  const short = path.replace(/^(?:packages|apps)\//u, "").replace(/\.\w+$/u, "")
  const parts = short.split("/").filter((part) => part !== "src")
  return (parts.length === 1 ? ["root", ...parts] : parts).join("-")
}

/**
 * The examples to check, with a file name each; those marked `no-check` are left out.
 *
 * @category rewriting
 * @since 0.1.0
 */
export const make = (fences: ReadonlyArray<Fences.Fence>): ReadonlyArray<Example> => {
  const counts = new Map<string, number>()
  return fences
    .filter(({ mode }) => mode !== "no-check")
    .map((fence) => {
      const name = stem(fence.path)
      const count = (counts.get(name) ?? 0) + 1
      counts.set(name, count)
      const { assertions, problems, program } = rewrite(fence.code)
      return {
        fence,
        file: `${name}-${count}.ts`,
        program,
        assertions,
        problems: problems.map(({ line, message }) => ({
          path: fence.path,
          line: fence.line + line - 1,
          message
        }))
      }
    })
}

/**
 * A line of an example's program as the place in its source: `packages/core/src/Message.ts:120`.
 *
 * @category places
 * @since 0.1.0
 */
export const place = ({ fence }: Example, line: number): string =>
  `${fence.path}:${fence.line + line - 1}`

/**
 * A complaint of the compiler about an example.
 *
 * @category models
 * @since 0.1.0
 */
export interface Diagnostic {
  readonly file: string
  readonly line: number
  readonly message: string
}

/**
 * The complaints about examples in the compiler's output; a continuation line belongs to the one
 * before.
 *
 * @category places
 * @since 0.1.0
 */
export const diagnostics = (output: string): ReadonlyArray<Diagnostic> =>
  output.split(/\n(?=\S)/u).flatMap((entry) => {
    const [, file, line, message] =
      /^(?:\S*\.examples\/)?([\w.$-]+\.ts)\((\d+),\d+\): (.*)$/su.exec(entry.trimEnd()) ?? []
    if (file === undefined || message === undefined) return []
    return [{ file, line: Number(line), message }]
  })

/**
 * The line of an example that an error's stack points at, past the assertion behind it; 1 when it
 * points at none.
 *
 * @category places
 * @since 0.1.0
 */
export const failingLine = ({ fence, file }: Example, stack: string): number => {
  const length = fence.code.split("\n").length
  const lines = stack
    .split(`/.examples/${file}:`)
    .slice(1)
    .map((rest) => Number.parseInt(rest, 10))
  return lines.find((line) => line <= length) ?? 1
}
