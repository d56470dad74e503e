import type * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import type * as DeadLetters from "../../DeadLetters.ts"
import * as Options from "../../Options.ts"
import type * as QueueError from "../../QueueError.ts"

/** What became of one letter. */
export const item = (
  { id, message: { sessionId }, messageId, reason }: DeadLetters.DeadLetter,
  outcome: DeadLetters.Item["outcome"],
  error?: QueueError.QueueError
): DeadLetters.Item => ({
  id,
  messageId,
  reason,
  outcome,
  ...Options.defined({ sessionId, error })
})

/** What there is to say at the end. */
interface End {
  readonly complete: boolean
}

const after = (
  { done, failed, failures, total }: DeadLetters.Progress,
  last: DeadLetters.Item | End
): DeadLetters.Progress => {
  if ("complete" in last) return { done, failed, failures, ...Options.defined({ total }), ...last }
  const { error, outcome } = last
  const tag = error?.reason._tag
  return {
    done: outcome === "failed" ? done : done + 1,
    failed: outcome === "failed" ? failed + 1 : failed,
    failures: tag === undefined ? failures : { ...failures, [tag]: (failures[tag] ?? 0) + 1 },
    last,
    ...Options.defined({ total })
  }
}

/** What is known of the work beyond what becomes of each letter. */
interface Whole<E> {
  /** How many there are to do, where that is known. */
  readonly total: number | undefined
  /** Asked when all is done: whether that was everything. */
  readonly complete: Effect.Effect<boolean, E>
}

/**
 * The letters added up as they are done with, one before the first, and at the end one that says whether
 * these were all.
 */
export const of = <E, E2>(
  items: Stream.Stream<DeadLetters.Item, E>,
  { complete, total }: Whole<E2>
): Stream.Stream<DeadLetters.Progress, E | E2> => {
  const start: DeadLetters.Progress = {
    done: 0,
    failed: 0,
    failures: {},
    ...Options.defined({ total })
  }
  const end = Stream.map(Stream.fromEffect(complete), (isAll) => ({ complete: isAll }))
  return Stream.scan(Stream.concat(items, end), () => start, after)
}
