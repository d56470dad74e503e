import * as Stream from "effect/Stream"
import type * as DeadLetters from "../../DeadLetters.ts"
import type * as QueueError from "../../QueueError.ts"
import { defined } from "../defined.ts"

/** What became of one letter. */
export const item = (
  { id, message: { sessionId }, messageId, reason }: DeadLetters.DeadLetter,
  outcome: DeadLetters.Item["outcome"],
  error?: QueueError.QueueError
): DeadLetters.Item => ({ id, messageId, reason, outcome, ...defined({ sessionId, error }) })

const after = (
  { done, failed, failures, total }: DeadLetters.Progress,
  last: DeadLetters.Item
): DeadLetters.Progress => {
  const { error, outcome } = last
  const tag = error?.reason._tag
  return {
    done: outcome === "failed" ? done : done + 1,
    failed: outcome === "failed" ? failed + 1 : failed,
    failures: tag === undefined ? failures : { ...failures, [tag]: (failures[tag] ?? 0) + 1 },
    last,
    ...defined({ total })
  }
}

/** The letters added up as they are done with, and one before the first. */
export const of = <E>(
  items: Stream.Stream<DeadLetters.Item, E>,
  total: number | undefined
): Stream.Stream<DeadLetters.Progress, E> => {
  const start: DeadLetters.Progress = { done: 0, failed: 0, failures: {}, ...defined({ total }) }
  return Stream.scan(items, () => start, after)
}
