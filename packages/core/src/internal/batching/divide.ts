import * as Cause from "effect/Cause"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as QueueError from "../../QueueError.ts"

/** Reasons that are found before anything takes effect, and may be one request's alone. */
const ofOneRequest: ReadonlySet<QueueError.Reason["_tag"]> = new Set<QueueError.Reason["_tag"]>([
  "MessageTooLarge",
  "ValidationFailed",
  "UnsupportedOperation",
  "SerializationFailed"
])

interface Counted {
  readonly request: { readonly items: ReadonlyArray<unknown> }
}

/** The place of the request that has this item. */
const placeOf = (requests: ReadonlyArray<Counted>, item: number): number => {
  let end = 0
  return requests.findIndex(({ request }) => item < (end += request.items.length))
}

/**
 * The smaller calls to make instead of one that failed for what may be the fault of one request, in
 * their order; nothing where the failure is everybody's. The one that is named is set apart, else the
 * half is tried: a merged call may also be too large as a whole.
 */
export const divide = <E extends Counted>(
  requests: ReadonlyArray<E>,
  exit: Exit.Exit<unknown, QueueError.QueueError>
): ReadonlyArray<ReadonlyArray<E>> | undefined => {
  if (Exit.isSuccess(exit) || requests.length === 1) return undefined
  const error = Option.getOrUndefined(Cause.findErrorOption(exit.cause))
  if (error === undefined || !ofOneRequest.has(error.reason._tag)) return undefined
  const item = QueueError.indexOf(error)
  const named = item === undefined ? -1 : placeOf(requests, item)
  const cuts = named < 0 ? [Math.ceil(requests.length / 2)] : [named, named + 1]
  return [0, ...cuts]
    .map((from, index) => requests.slice(from, cuts[index]))
    .filter((part) => part.length > 0)
}
