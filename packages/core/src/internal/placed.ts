import * as Result from "effect/Result"
import type * as Outcome from "../Outcome.ts"
import * as QueueError from "../QueueError.ts"

/** Errors of a call as errors of the batch that it is a part of; one that several share stays one. */
export const placing = (
  at: (index: number) => number
): ((error: QueueError.QueueError) => QueueError.QueueError) => {
  let last: QueueError.QueueError | undefined
  let placed: QueueError.QueueError | undefined
  return (error) => {
    if (placed === undefined || error !== last) placed = QueueError.mapIndex(error, at)
    last = error
    return placed
  }
}

const isSuccess = (outcome: Outcome.Outcome<unknown>): boolean => Result.isSuccess(outcome)

/** Outcomes likewise; mostly nothing failed, and they are handed back as they are. */
export const outcomes = <A>(
  all: ReadonlyArray<Outcome.Outcome<A>>,
  at: (index: number) => number
): ReadonlyArray<Outcome.Outcome<A>> => {
  if (all.every(isSuccess)) return all
  const place = placing(at)
  return all.map((outcome) => Result.mapError(outcome, place))
}
