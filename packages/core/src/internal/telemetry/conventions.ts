import * as QueueError from "../../QueueError.ts"
import * as HandlerFailure from "../../HandlerFailure.ts"
import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"

const systems: Readonly<Record<string, string>> = {
  "aws-sqs": "aws_sqs",
  "azure-service-bus": "servicebus"
}

/** `messaging.system` of a provider. */
export const systemOf = (provider: string): string => systems[provider] ?? provider

/** What went wrong, without anything of it that could hold a secret. */
export interface Problem {
  readonly name: string
  readonly message: string
}

/** `error.type` of what is no error of the library and has no name. */
export const otherError = "_OTHER"

export const problemOf = (error: unknown): Problem => {
  if (error instanceof QueueError.QueueError) {
    return { name: error.reason._tag, message: error.message }
  }
  const { description, reason } = HandlerFailure.describe(error)
  return { name: reason, message: description }
}

/** Why a call did not go well: its own failure, or the first inside its result. */
export const problemIn = <A>(
  exit: Exit.Exit<A, unknown>,
  failuresOf: (result: A) => ReadonlyArray<QueueError.QueueError>
): Problem | undefined => {
  if (Exit.isFailure(exit)) {
    return Cause.hasInterruptsOnly(exit.cause) ? undefined : problemOf(Cause.squash(exit.cause))
  }
  const [first] = failuresOf(exit.value)
  return first === undefined ? undefined : problemOf(first)
}
