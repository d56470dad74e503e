/**
 * Which lines of the specification have a test that names them.
 *
 * @since 0.1.0
 */
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

const isTest = (path: string): boolean => /\/test\/.*\.test\.ts$/u.test(path)

const isRule = (path: string): boolean =>
  path.startsWith("packages/contract-tests/src/internal/rules/")

/** Lines in front of a sentence: `R5.6 R4.7 for two minutes`. */
const leading = /^(?:R\d+\.\d+ )+/u

/** Behind this a string is the title of a test, or of a group of them: `it.effect(`, `it.each(…)(`. */
const titled = /\b(?:it|describe)(?:\.\w+)*(?:\((?:[^()]|\([^()]*\))*\))?\(\s*$/u

/** One that is not run proves nothing. */
const idle = /\.(?:skip|todo|fails)\b/u

const isTitle = (before: string): boolean => {
  const call = titled.exec(before)?.[0]
  return call !== undefined && !idle.test(call)
}

const stringsIn = ({ text }: Repository.Source) => {
  const code = Lexer.code(text)
  return Lexer.lex(text)
    .filter(({ kind }) => kind === "string" || kind === "template")
    .map(({ end, start }) => ({
      before: code.slice(Math.max(0, start - 400), start),
      content: text.slice(start + 1, end - 1)
    }))
}

const linesOfTitle = (title: string): ReadonlyArray<string> =>
  leading.exec(title)?.[0].trim().split(" ") ?? []

/**
 * The lines a file names: by the titles of its tests, which begin with them, or, where rules of the
 * contract stand, by their sources.
 *
 * @category finding
 * @since 0.1.0
 */
export const named = (source: Repository.Source): ReadonlyArray<string> => {
  if (isTest(source.path)) {
    return stringsIn(source).flatMap(({ before, content }) =>
      isTitle(before) ? linesOfTitle(content) : []
    )
  }
  if (!isRule(source.path)) return []
  return stringsIn(source).flatMap(({ before, content }) =>
    /\bsource:\s*$/u.test(before) ? (content.match(/\bR\d+\.\d+\b/gu) ?? []) : []
  )
}
