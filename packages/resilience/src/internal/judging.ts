import { HandlerFailure, QueueError } from "@queue-runtime/core"
import * as Cause from "effect/Cause"
import * as Option from "effect/Option"
import type * as breakerMachine from "./breakerMachine.ts"

/** Whether an error says that what was called is not well; that another holds a session does not. */
export const isFailure = (error: unknown): boolean =>
  !HandlerFailure.isPermanent(error) &&
  !(error instanceof QueueError.QueueError && error.reason._tag === "SessionLocked")

/** A defect is a bug of ours, an interruption is our own doing: neither says anything of the service. */
export const ofCause = <E>(
  cause: Cause.Cause<E>,
  counts: (error: E) => boolean
): breakerMachine.Ending => {
  const error = Cause.hasDies(cause) ? Option.none() : Cause.findErrorOption(cause)
  return Option.isSome(error) && counts(error.value) ? "Failure" : "Nothing"
}
