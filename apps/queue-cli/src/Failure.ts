/**
 * The tool's own failure: what is wrong, what to do, and the code to end with.
 *
 * @since 0.1.0
 */
import { QueueError } from "@queue-runtime/core"
import * as Data from "effect/Data"
import * as Advice from "./Advice.ts"
import * as ExitCode from "./ExitCode.ts"

/**
 * A failure to be told to who called.
 *
 * @category errors
 * @since 0.1.0
 */
export class Failure extends Data.TaggedError("Failure")<{
  readonly code: ExitCode.Name
  readonly message: string
  /** What to do about it. */
  readonly hint?: string
  /** The reason's tag, of an error of the library. */
  readonly reason?: string
}> {}

/**
 * Called wrongly.
 *
 * @category constructors
 * @since 0.1.0
 */
export const usage = (message: string, hint?: string): Failure =>
  new Failure({ code: "usage", message, ...(hint === undefined ? {} : { hint }) })

/**
 * Any error as a failure.
 *
 * @category constructors
 * @since 0.1.0
 */
export const from = (error: QueueError.QueueError | Failure): Failure => {
  if (!(error instanceof QueueError.QueueError)) return error
  const hint = Advice.forError(error)
  return new Failure({
    code: ExitCode.ofReason(error.reason),
    message: error.message,
    reason: error.reason._tag,
    ...(hint === undefined ? {} : { hint })
  })
}

/**
 * Whether an error is one that {@link from} takes.
 *
 * @category guards
 * @since 0.1.0
 */
export const isFailing = (error: unknown): error is QueueError.QueueError | Failure =>
  error instanceof Failure || error instanceof QueueError.QueueError
