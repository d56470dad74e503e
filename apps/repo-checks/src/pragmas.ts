/**
 * Comments that switch a check off: every one is listed, with its reason, in `pragmas.json`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Lexer from "./lexer.ts"
import type * as Repository from "./repository.ts"

/**
 * One comment that switches a check off.
 *
 * @category models
 * @since 0.1.0
 */
export const Pragma = Schema.Struct({
  file: Schema.String,
  /** What is switched off: `oxlint-disable-next-line no-new`. */
  pragma: Schema.String,
  /** What stands behind ` -- `. */
  reason: Schema.String
})

/**
 * The type of {@link Pragma}.
 *
 * @category models
 * @since 0.1.0
 */
export type Pragma = typeof Pragma.Type

/**
 * What `pragmas.json` holds.
 *
 * @category models
 * @since 0.1.0
 */
export const List = Schema.fromJsonString(Schema.Array(Pragma))

// The ends of a range (`v8 ignore stop`, `oxlint-enable`) switch nothing off.
const pattern =
  /^(?:(?:v8|c8|istanbul|node:coverage)\s+ignore(?!\s+stop)|(?:oxlint|eslint)-disable|(?:oxfmt|prettier|dprint)-ignore|@effect-diagnostics)/u

const bare = (comment: string): string =>
  comment
    .replace(/^\/(?:\/|\*{1,2})/u, "")
    .replace(/\*\/$/u, "")
    .replaceAll(/\s+/gu, " ")
    .trim()

/**
 * The pragmas of one file. A reason stands behind ` -- `; one without has an empty reason.
 *
 * @category finding
 * @since 0.1.0
 */
export const find = ({ path, text }: Repository.Source): ReadonlyArray<Pragma> =>
  Lexer.comments(text)
    .map((comment) => bare(comment.text))
    .filter((comment) => pattern.test(comment))
    .map((comment) => {
      const [pragma = "", ...reason] = comment.split(" -- ")
      return { file: path, pragma: pragma.trim(), reason: reason.join(" -- ").trim() }
    })

const keyOf = ({ file, pragma, reason }: Pragma): string => JSON.stringify({ file, pragma, reason })

/** What `many` holds beyond `others`, each as often as it is there too often. */
const beyond = (many: ReadonlyArray<Pragma>, others: ReadonlyArray<Pragma>) => {
  const rest = others.map(keyOf)
  return many.map(keyOf).filter((key) => {
    const at = rest.indexOf(key)
    if (at !== -1) rest.splice(at, 1)
    return at === -1
  })
}

/**
 * Where the list and the sources differ: a pragma that is not listed, one listed and gone, one
 * without a reason.
 *
 * @category finding
 * @since 0.1.0
 */
export const differences = (
  found: ReadonlyArray<Pragma>,
  listed: ReadonlyArray<Pragma>
): ReadonlyArray<string> => [
  ...beyond(found, listed).map((key) => `not in pragmas.json: ${key}`),
  ...beyond(listed, found).map((key) => `in pragmas.json and gone: ${key}`),
  ...found.filter(({ reason }) => reason === "").map((one) => `without " -- reason": ${keyOf(one)}`)
]
