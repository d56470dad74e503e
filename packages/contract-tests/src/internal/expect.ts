/** What rules assert with: a failed one is a `RuleFailed` that says what was looked at. */
import * as Effect from "effect/Effect"
import * as Equal from "effect/Equal"
import * as Formatter from "effect/Formatter"
import * as Rule from "../Rule.ts"

type Checked = Effect.Effect<void, Rule.RuleFailed>

/** A rule that was not kept. */
export const fail = (what: string): Effect.Effect<never, Rule.RuleFailed> =>
  Effect.fail(new Rule.RuleFailed({ what }))

/** Equal.equals remembers what it saw of an object: a list that grew since then must be a new one. */
const fresh = (value: unknown): unknown => (Array.isArray(value) ? [...value] : value)

/** Structurally equal. */
export const equal = <A>(what: string, actual: A, expected: A): Checked =>
  Equal.equals(fresh(actual), fresh(expected))
    ? Effect.void
    : Effect.fail(
        new Rule.RuleFailed({
          what,
          expected: Formatter.format(expected),
          actual: Formatter.format(actual)
        })
      )

/** One of several. */
export const oneOf = <A>(what: string, actual: A, expected: ReadonlyArray<A>): Checked =>
  expected.some((one) => Equal.equals(actual, one))
    ? Effect.void
    : Effect.fail(
        new Rule.RuleFailed({
          what,
          expected: expected.map((one) => Formatter.format(one)).join(" or "),
          actual: Formatter.format(actual)
        })
      )

/** A statement about `actual` that holds. */
export const holds = (what: string, isTrue: boolean, actual: unknown): Checked =>
  isTrue
    ? Effect.void
    : Effect.fail(new Rule.RuleFailed({ what, actual: Formatter.format(actual) }))

/** Something where nothing could have been. */
export const present = <A>(what: string, value: A | undefined): Effect.Effect<A, Rule.RuleFailed> =>
  value === undefined ? fail(`${what} is missing`) : Effect.succeed(value)

/** The rule does not apply after all. */
export const skip = (reason: string): Effect.Effect<never, Rule.RuleSkipped> =>
  Effect.fail(new Rule.RuleSkipped({ reason }))
