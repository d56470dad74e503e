import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as QueueError from "../QueueError.ts"

/** A rule of an identifier: what is wrong with a string, or `undefined` when nothing is. */
export type Rule = (value: string) => string | undefined

const firstBad = (value: string, isAllowed: (code: number) => boolean): string | undefined => {
  for (let index = 0; index < value.length; index++) {
    const code = value.charCodeAt(index)
    if (!isAllowed(code)) {
      return `got U+${code.toString(16).toUpperCase().padStart(4, "0")} at index ${index}`
    }
  }
  return undefined
}

/** Length from 1 to `lengthMax` and only the characters that `isAllowed`; `rule` says so in words. */
export const charactersRule =
  (rule: string, lengthMax: number, isAllowed: (code: number) => boolean): Rule =>
  (value) => {
    if (value.length < 1 || value.length > lengthMax) {
      return `${rule}; got ${value.length} characters`
    }
    const bad = firstBad(value, isAllowed)
    return bad === undefined ? undefined : `${rule}; ${bad}`
  }

/** From space to tilde: what Service Bus and SQS both carry in an id. */
export const isPrintableAscii = (code: number): boolean => code >= 0x20 && code <= 0x7e

export const isLetterOrDigit = (code: number): boolean =>
  (code >= 0x30 && code <= 0x39) || (code >= 0x41 && code <= 0x5a) || (code >= 0x61 && code <= 0x7a)

/** Not a string at all: callers without types exist. */
export const problemOf = (rule: Rule, value: unknown): string | undefined =>
  typeof value === "string" ? rule(value) : `must be a string; got ${typeof value}`

/** The schema of an identifier; the brand is put on by its module, where the name is. */
export const schema = (rule: Rule) =>
  Schema.String.check(Schema.makeFilter<string>((value) => rule(value) ?? true))

/** `make`, `makeUnsafe` and `is` of one identifier, all by the same rule. */
export const constructors = <A extends string>(
  field: string,
  rule: Rule,
  brand: (value: string) => A
) => ({
  make: (value: string): Effect.Effect<A, QueueError.QueueError> => {
    const problem = problemOf(rule, value)
    return problem === undefined
      ? Effect.succeed(brand(value))
      : Effect.fail(QueueError.validationFailed(field, problem))
  },
  makeUnsafe: (value: string): A => {
    const problem = problemOf(rule, value)
    if (problem !== undefined) throw QueueError.validationFailed(field, problem)
    return brand(value)
  },
  is: (value: unknown): value is A => problemOf(rule, value) === undefined
})
