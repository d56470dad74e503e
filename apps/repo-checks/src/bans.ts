/**
 * What the house does not write, with what it writes instead.
 *
 * @since 0.1.0
 */
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

/**
 * A place that breaks a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly rule: string
  readonly path: string
  readonly line: number
  readonly message: string
}

/**
 * A file that a rule does not bind, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Allowance {
  readonly rule: string
  readonly path: string
  readonly reason: string
}

/** Where in a file a ban fires. */
interface Hit {
  readonly offset: number
}

interface Ban {
  readonly rule: string
  readonly message: string
  readonly applies: (path: string) => boolean
  readonly find: (source: Repository.Source) => ReadonlyArray<Hit>
}

const isPackageSource = (path: string): boolean => /^packages\/[^/]+\/src\//u.test(path)
const isSource = (path: string): boolean => /^(?:packages|apps)\/[^/]+\/src\//u.test(path)
const isAny = (): boolean => true

const inCode =
  (pattern: RegExp) =>
  ({ text }: Repository.Source): ReadonlyArray<Hit> =>
    [...Lexer.code(text).matchAll(pattern)].map(({ index }) => ({ offset: index }))

const inComments =
  (pattern: RegExp) =>
  ({ text }: Repository.Source): ReadonlyArray<Hit> =>
    Lexer.comments(text)
      .filter((comment) => pattern.test(comment.text))
      .map(({ start }) => ({ offset: start }))

const isImportMark = (before: string): boolean => /\b(?:from|import)\s*\(?\s*$/u.test(before)

/**
 * The modules a file imports or re-exports, and where it names them.
 *
 * @category finding
 * @since 0.1.0
 */
export const imports = (
  text: string
): ReadonlyArray<{ readonly offset: number; readonly specifier: string }> => {
  const code = Lexer.code(text)
  return Lexer.lex(text)
    .filter(({ kind, start }) => kind === "string" && isImportMark(code.slice(0, start)))
    .map(({ end, start }) => ({ offset: start, specifier: text.slice(start + 1, end - 1) }))
}

const ownBarrel = ({ path, text }: Repository.Source): ReadonlyArray<Hit> => {
  const own = `@queue-runtime/${path.split("/")[1]}`
  return imports(text).filter(
    ({ specifier }) =>
      /^\.{1,2}(?:\/(?:.*\/)?(?:index(?:\.\w+)?)?)?$/u.test(specifier) ||
      specifier === own ||
      specifier.startsWith(`${own}/`)
  )
}

const endOfCall = (code: string, open: number): number => {
  let depth = 0
  for (let at = open; at < code.length; at++) {
    if (code[at] === "(") depth++
    if (code[at] === ")" && --depth === 0) return at
  }
  return code.length
}

const merging = inCode(/\bLayer\s*\.\s*merge(?:All)?\s*\(/gu)

/** The call and the statement before it: in a pipe the merged layer stands in front. */
const mergesProvider = (source: Repository.Source): ReadonlyArray<Hit> => {
  const code = Lexer.code(source.text)
  return merging(source).filter(({ offset }) => {
    const open = code.indexOf("(", offset)
    const start = Lexer.statementStart(code, open)
    const statement = code.slice(start, endOfCall(code, open))
    return /\b\w*Provider\s*\.\s*layer|\bQueueProvider\b/u.test(statement)
  })
}

const bans: ReadonlyArray<Ban> = [
  {
    rule: "date",
    message: "Date.now and new Date read the machine's clock: use Clock or DateTime",
    applies: isSource,
    find: inCode(/(?<![.\w$])(?:Date\s*\.\s*now\b|new\s+Date\b)/gu)
  },
  {
    rule: "random",
    message: "Math.random cannot be seeded: use Random",
    applies: isAny,
    find: inCode(/(?<![.\w$])Math\s*\.\s*random\b/gu)
  },
  {
    rule: "async",
    message: "async functions have no typed errors: use Effect.fnUntraced or Effect.gen",
    applies: isPackageSource,
    find: inCode(/(?<![.\w$])async\b(?!\s*[:,}=)])/gu)
  },
  {
    rule: "await",
    message: "await leaves Effect: use yield* and Effect.tryPromise",
    applies: isPackageSource,
    find: inCode(/(?<![.#\w$])await\b(?!\s*[:,}=)])/gu)
  },
  {
    rule: "try",
    message: "try blocks do not see failed effects: use Effect.try or Effect.catch",
    applies: isPackageSource,
    find: inCode(/(?<![.\w$])try\s*\{/gu)
  },
  {
    rule: "console",
    message: "console writes past the logger: use Effect.log",
    applies: isSource,
    find: inCode(/(?<![.\w$])console\s*\./gu)
  },
  {
    rule: "any",
    message:
      "as any and as unknown as hide a type: decode with Schema, or a named cast with its reason",
    applies: isAny,
    find: inCode(/\bas\s+(?:any\b|unknown\s+as\b)/gu)
  },
  {
    rule: "ts-comment",
    message: "@ts-ignore and @ts-expect-error hide a type error: repair it",
    applies: isAny,
    find: inComments(/@ts-(?:ignore|expect-error|nocheck)\b/u)
  },
  {
    rule: "barrel",
    message: "a package's own barrel: import the module, ./Module.ts",
    applies: (path) => isPackageSource(path) && !path.endsWith("/index.ts"),
    find: ownBarrel
  },
  {
    rule: "merge",
    message:
      "merging a QueueProvider layer hands out the undecorated one: Layer.provide, in QueueStack.ts",
    applies: (path) => isSource(path) && !path.endsWith("/QueueStack.ts"),
    find: mergesProvider
  },
  {
    rule: "leftover",
    message: "a leftover mark: do it, or write an ADR",
    applies: isAny,
    find: inComments(/\b(?:FIXME|TODO|XXX)\b/u)
  }
]

/**
 * The names of the rules.
 *
 * @category finding
 * @since 0.1.0
 */
export const rules: ReadonlyArray<string> = bans.map(({ rule }) => rule)

/**
 * Every banned thing in one file.
 *
 * @category finding
 * @since 0.1.0
 */
export const find = (source: Repository.Source): ReadonlyArray<Finding> =>
  bans
    .filter(({ applies }) => applies(source.path))
    .flatMap(({ find: hits, message, rule }) =>
      hits(source).map(({ offset }) => ({
        rule,
        path: source.path,
        line: Lexer.lineOf(source.text, offset),
        message
      }))
    )

/**
 * The findings that no allowance covers, and the allowances that cover nothing.
 *
 * @category finding
 * @since 0.1.0
 */
export const withAllowances = (
  findings: ReadonlyArray<Finding>,
  allowances: ReadonlyArray<Allowance>
): { readonly findings: ReadonlyArray<Finding>; readonly unused: ReadonlyArray<Allowance> } => {
  const covers = (one: Allowance, finding: Finding): boolean =>
    one.rule === finding.rule && one.path === finding.path
  return {
    findings: findings.filter((finding) => !allowances.some((one) => covers(one, finding))),
    unused: allowances.filter((one) => !findings.some((finding) => covers(one, finding)))
  }
}

/**
 * A finding as a line: the place, then what to write instead.
 *
 * @category finding
 * @since 0.1.0
 */
export const format = ({ line, message, path }: Finding): string => `${path}:${line}: ${message}`
