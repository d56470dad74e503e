import * as Cause from "effect/Cause"
import * as Result from "effect/Result"
import { QueueError } from "@queue-runtime/core"
import * as Rule from "../Rule.ts"

/** Any failure, defects included, as that of a rule. */
export const failureOf = <E>(cause: Cause.Cause<E>): Rule.RuleFailed | Rule.RuleSkipped => {
  const found = Cause.findError(cause)
  const error: unknown = Result.isSuccess(found) ? found.success : Cause.squash(cause)
  if (error instanceof Rule.RuleFailed || error instanceof Rule.RuleSkipped) return error
  if (error instanceof QueueError.QueueError) {
    return new Rule.RuleFailed({ what: `an error nobody expected: ${error.message}`, cause: error })
  }
  const what = Result.isSuccess(found) ? "a failure that is no QueueError" : "a defect"
  return new Rule.RuleFailed({ what: `${what}: ${Cause.pretty(cause)}`, cause: error })
}
