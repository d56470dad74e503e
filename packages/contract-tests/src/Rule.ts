/**
 * One sentence that an implementation of a port must keep, with the check that it does.
 *
 * **Details**
 *
 * Rules are data: they know no test runner, no clock and no implementation. What a rule works on is in
 * its context, so every port has rules of this one shape; {@link Contract} runs them.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import type { QueueError } from "@queue-runtime/core"

/**
 * A rule that was not kept: what was looked at, what was expected, what was found.
 *
 * @category errors
 * @since 0.1.0
 */
export class RuleFailed extends Schema.TaggedError<RuleFailed>()("RuleFailed", {
  what: Schema.String,
  expected: Schema.optionalKey(Schema.String),
  actual: Schema.optionalKey(Schema.String),
  cause: Schema.optionalKey(Schema.Defect())
}) {
  override get message(): string {
    const expected = this.expected === undefined ? "" : `\n  expected: ${this.expected}`
    const actual = this.actual === undefined ? "" : `\n  actual:   ${this.actual}`
    return `${this.what}${expected}${actual}`
  }
}

/**
 * A rule that does not apply, and why.
 *
 * @category errors
 * @since 0.1.0
 */
export class RuleSkipped extends Schema.TaggedError<RuleSkipped>()("RuleSkipped", {
  reason: Schema.String
}) {
  override get message(): string {
    return this.reason
  }
}

/**
 * What a rule may end with. A `QueueError` that it does not handle is a failure of the rule.
 *
 * @category errors
 * @since 0.1.0
 */
export type Failure = RuleFailed | RuleSkipped | QueueError.QueueError

/**
 * A rule over what is in its context.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule<R = never> {
  /** Stable: `SETTLE-3`. A number is never used again for another rule. */
  readonly id: string
  /** What it is about: `Settlement`. */
  readonly group: string
  /** A sentence that holds: "completing twice fails with ReceiptExpired". */
  readonly title: string
  /** The line of the specification, the service's document or the incident behind it. */
  readonly source: string
  /** What an implementation does that breaks it. */
  readonly breaks: string
  readonly run: Effect.Effect<void, Failure, R | Scope.Scope>
}

/**
 * The line a person reads: id and sentence.
 *
 * **Example** (As a test is called)
 *
 * ```ts
 * import { Rule } from "@queue-runtime/contract-tests"
 *
 * Rule.format({ id: "SETTLE-3", title: "completing twice fails with ReceiptExpired" })
 * // => "SETTLE-3 completing twice fails with ReceiptExpired"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (rule: Pick<Rule, "id" | "title">): string => `${rule.id} ${rule.title}`
