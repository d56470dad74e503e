import * as Duration from "effect/Duration"
import { QueueError, type QueueProvider } from "@queue-runtime/core"

const isUsable = (wait: Duration.Duration): boolean =>
  Duration.isFinite(wait) && !Duration.isNegative(wait)

/** Why nobody can wait so long. */
export const waitProblem = (wait: Duration.Duration): QueueError.Reason | undefined =>
  isUsable(wait)
    ? undefined
    : new QueueError.ValidationFailed({
        field: "wait",
        problem: "must be a finite duration of zero or more"
      })

/** Why nothing can be received so. */
export const receiveProblem = (
  options: QueueProvider.ReceiveOptions
): QueueError.Reason | undefined =>
  Number.isSafeInteger(options.max) && options.max > 0
    ? waitProblem(options.wait)
    : new QueueError.ValidationFailed({
        field: "max",
        problem: "must be a whole number of at least 1"
      })
