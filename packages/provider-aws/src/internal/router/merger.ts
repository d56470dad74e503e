import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type { Outcome, QueueError } from "@queue-runtime/core"

/** What one caller asked for, and what has come of it. */
interface Submission<Out> {
  readonly outcomes: Array<Outcome.Outcome<Out>>
  left: number
  readonly done: Deferred.Deferred<ReadonlyArray<Outcome.Outcome<Out>>>
}

interface Waiting<In, Out> {
  readonly input: In
  readonly of: Submission<Out>
  /** Its place there. */
  readonly index: number
}

const answer = <In, Out>({ index, of }: Waiting<In, Out>, outcome: Outcome.Outcome<Out>): void => {
  of.outcomes[index] = outcome
  of.left--
  if (of.left === 0) Deferred.doneUnsafe(of.done, Effect.succeed(of.outcomes))
}

export interface Options<In, Out> {
  /** Entries of one call at most. */
  readonly countMax: number
  /** Calls under way at most. */
  readonly flightsMax: number
  readonly call: (
    inputs: ReadonlyArray<In>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<Out>>, QueueError.QueueError>
  /** Calls are under way in it, whatever becomes of who asked for them. */
  readonly scope: Scope.Scope
  /** What is answered when it is closed. */
  readonly closed: QueueError.QueueError
}

/**
 * Merges entries of many callers into few calls: the first goes at once, what comes while it is under
 * way goes together, and a full call never waits. Each entry has its own outcome.
 */
export class Merger<In, Out> {
  #waiting: Array<Waiting<In, Out>> = []
  #flights = 0
  #isClosed = false
  readonly #options: Options<In, Out>

  constructor(options: Options<In, Out>) {
    this.#options = options
  }

  submit(inputs: ReadonlyArray<In>): Effect.Effect<ReadonlyArray<Outcome.Outcome<Out>>> {
    return Effect.suspend(() => {
      const { closed, countMax, flightsMax, scope } = this.#options
      if (this.#isClosed) return Effect.succeed(inputs.map(() => Result.fail(closed)))
      if (inputs.length === 0) return Effect.succeed([])
      const of: Submission<Out> = {
        outcomes: [],
        left: inputs.length,
        done: Deferred.makeUnsafe()
      }
      for (const [index, input] of inputs.entries()) this.#waiting.push({ input, index, of })
      const outcomes = Deferred.await(of.done)
      const isFull = this.#waiting.length >= countMax && this.#flights < flightsMax
      if (this.#flights > 0 && !isFull) return outcomes
      this.#flights++
      return Effect.andThen(Effect.forkIn(this.#flight(), scope), outcomes)
    })
  }

  /** Nobody is left waiting. */
  close(): void {
    this.#isClosed = true
    this.#fail(this.#waiting.splice(0))
  }

  #fail(entries: ReadonlyArray<Waiting<In, Out>>): void {
    const failure = Result.fail(this.#options.closed)
    for (const entry of entries) answer(entry, failure)
  }

  #flight(): Effect.Effect<void> {
    return Effect.suspend(() => {
      const batch = this.#waiting.splice(0, this.#options.countMax)
      if (batch.length === 0) {
        this.#flights--
        return Effect.void
      }
      return this.#options.call(batch.map(({ input }) => input)).pipe(
        Effect.match({
          onFailure: (error) => batch.map(() => Result.fail(error)),
          onSuccess: (outcomes) => outcomes
        }),
        Effect.tap((outcomes) =>
          Effect.sync(() => {
            for (const [index, entry] of batch.entries()) {
              answer(entry, outcomes[index] ?? Result.fail(this.#options.closed))
            }
          })
        ),
        // Closing cuts it short: who asked must not wait for ever.
        Effect.onInterrupt(() => Effect.sync(() => this.#fail(batch))),
        Effect.andThen(this.#flight())
      )
    })
  }
}
