/**
 * What a module of a package owes: a test that uses it, and a doc comment on each export.
 *
 * @since 0.1.0
 */
import * as Bans from "./bans.ts"
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

interface Module {
  readonly workspace: string
  readonly name: string
}

const moduleOf = (path: string): Module | undefined => {
  const [, workspace, name] = /^(packages\/[^/]+)\/src\/([^/]+)\.ts$/u.exec(path) ?? []
  if (workspace === undefined || name === undefined || name === "index") return undefined
  return { workspace, name }
}

/** A test taken apart once, for every module that asks for it. */
interface Test {
  readonly path: string
  readonly code: string
  readonly specifiers: ReadonlyArray<string>
}

const testOf = ({ path, text }: Repository.Source): Test => ({
  path,
  code: Lexer.code(text),
  specifiers: Bans.imports(text).map(({ specifier }) => specifier)
})

/** Whether the test imports the module or uses it by name; a title or a comment is no use. */
const uses = (name: string, { code, specifiers }: Test): boolean =>
  new RegExp(String.raw`\b${name}\b`, "u").test(code) ||
  specifiers.some((specifier) => specifier.endsWith(`/${name}.ts`))

/** A test of the same package, or the module's own one in the app for what needs a sibling too. */
const isTestFor = ({ name, workspace }: Module, path: string): boolean =>
  (path.startsWith(`${workspace}/test/`) && path.endsWith(".test.ts")) ||
  path === `apps/conformance/test/${name}.test.ts`

/**
 * The modules of packages, internal ones and barrels aside, that no test of their package uses.
 *
 * @category finding
 * @since 0.1.0
 */
export const untested = (
  sources: ReadonlyArray<Repository.Source>
): ReadonlyArray<Bans.Finding> => {
  const tests = sources.filter(({ path }) => path.endsWith(".test.ts")).map(testOf)
  return sources.flatMap(({ path }) => {
    const module = moduleOf(path)
    if (module === undefined) return []
    const isTested = tests.some((test) => isTestFor(module, test.path) && uses(module.name, test))
    const message = `no test uses ${module.name}: write ${module.workspace}/test/${module.name}.test.ts`
    return isTested ? [] : [{ rule: "untested", path, line: 1, message }]
  })
}

const exported =
  /^export\s+(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:const|let|var|function\*?|class|interface|type|enum|namespace)?\s*([\w$]+|\{|\*)/gmu

const docBefore = (text: string, comments: ReadonlyArray<Lexer.Comment>, offset: number) =>
  comments.find(
    (comment) =>
      comment.text.startsWith("/**") &&
      text.slice(comment.end, offset).trim() === "" &&
      comment.end <= offset
  )

/** Overloads of a function and the type beside a value of the same name are described once. */
const isOverload = (text: string, names: ReadonlyArray<string>, index: number): boolean =>
  names[index] === names[index - 1] && /^export\s+function/u.test(text)

/**
 * The exports of a package's public modules without a doc comment, or with one that lacks `@since`.
 *
 * @category finding
 * @since 0.1.0
 */
export const undocumented = ({ path, text }: Repository.Source): ReadonlyArray<Bans.Finding> => {
  if (moduleOf(path) === undefined) return []
  const comments = Lexer.comments(text)
  const matches = [...Lexer.code(text).matchAll(exported)]
  const names = matches.map(([, name = ""]) => name)
  return matches.flatMap(({ 0: declaration, index }, position) => {
    if (isOverload(declaration, names, position)) return []
    const doc = docBefore(text, comments, index)
    if (doc?.text.includes("@since") === true) return []
    const lacking = doc === undefined ? "has no doc comment" : "has a doc comment without @since"
    const message = `the export ${names[position]} ${lacking}: say what it does for the caller`
    return [{ rule: "undocumented", path, line: Lexer.lineOf(text, index), message }]
  })
}
