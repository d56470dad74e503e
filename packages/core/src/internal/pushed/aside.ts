import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Outcome from "../../Outcome.ts"
import type { Held } from "./held.ts"
import { settleIn } from "./provider.ts"

/** How those that nobody is to get are settled. */
export interface Options {
  /** Calls at once. */
  readonly concurrency: number
  /** Of one call. */
  readonly max: number
  /** Nothing more is begun then. */
  readonly isOver: () => boolean
}

const failureOf = (outcomes: ReadonlyArray<Outcome.Outcome<void>>) =>
  outcomes.find(Result.isFailure)?.failure

/**
 * Settles those that nobody is to get, so many a call: what has been settled when the time is over stays
 * so. What cannot be settled comes again at its time, and is not given back at once: it would fail again.
 * After a call of which nothing was settled no other is begun.
 */
export const settleAside = Effect.fnUntraced(function* (
  held: Held,
  { concurrency, isOver, max }: Options
) {
  const slot = Effect.gen(function* () {
    while (!isOver()) {
      const taken = held.takeAside(max)
      if (taken === undefined) return
      const { indexes, verdict } = taken
      const outcomes = yield* settleIn(held, indexes, verdict)
      const failed = indexes.filter((_, at) => {
        const outcome = outcomes[at]
        return outcome !== undefined && Result.isFailure(outcome)
      })
      const error = failureOf(outcomes)
      if (error === undefined) continue
      held.end(failed, "left")
      if (failed.length === indexes.length) held.leaveAside()
      yield* Effect.logWarning(
        `messages that nobody is to get could not be settled (${verdict._tag}) and come again: ` +
          error.message
      )
    }
  })
  yield* Effect.replicateEffect(slot, concurrency, { concurrency: "unbounded", discard: true })
})
