import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Outcome, QueueError } from "@queue-runtime/core"
import { failed, limited, type Line } from "./calls.ts"
import * as errors from "./errors.ts"

interface Job {
  /** May leave together with others of its kind. */
  readonly isComplete: boolean
  readonly start: () => void
}

type Outcomes = ReadonlyArray<Outcome.Outcome<void>>

/** Completions that leave in one tick. */
const togetherMax = 1_000

/**
 * Starts the settlements of one link so that no two different outcomes leave in one tick.
 *
 * The AMQP library below writes the deliveries settled in one tick as ranges and looks at the outcome of
 * each but the second of a range: completing one and abandoning the next deletes both, and of two dead
 * letters the second gets the reason of the first. So completions leave together, and everything else
 * one in a tick of its own.
 */
export class Settlements {
  #jobs: Array<Job> = []
  #isScheduled = false

  /** Makes one settlement in its turn. Interrupted before it, it is not made. */
  settle(
    line: Line,
    place: errors.Place,
    isComplete: boolean,
    make: () => Promise<unknown>
  ): Effect.Effect<void, QueueError.QueueError> {
    return Effect.callback<void, QueueError.QueueError>((resume) => {
      const onError = failed(line, place)
      const forget = line.onLost(() => resume(Effect.fail(onError(errors.lineLost))))
      const job: Job = {
        isComplete,
        start: () => {
          void make()
            .then(
              () => resume(Effect.void),
              (error: unknown) => resume(Effect.fail(onError(error)))
            )
            .finally(forget)
        }
      }
      this.#jobs.push(job)
      this.#schedule()
      return Effect.sync(() => {
        forget()
        const index = this.#jobs.indexOf(job)
        if (index >= 0) this.#jobs.splice(index, 1)
      })
    })
  }

  /** Completes together, as far as that goes: one outcome each, in order. */
  completeAll(
    line: Line,
    place: errors.Place,
    timeout: Duration.Duration,
    makes: ReadonlyArray<() => Promise<unknown>>
  ): Effect.Effect<Outcomes> {
    return Effect.suspend(() => {
      const outcomes = Array.from<Outcome.Outcome<void> | undefined>({ length: makes.length })
      return this.#completed(line, { ...place, timeout }, makes, outcomes).pipe(
        limited(line, place, timeout),
        Effect.ignore,
        Effect.map(() =>
          outcomes.map((outcome) => outcome ?? Result.fail(errors.timedOut(timeout, place)))
        )
      )
    })
  }

  #completed(
    line: Line,
    place: errors.Place,
    makes: ReadonlyArray<() => Promise<unknown>>,
    outcomes: Array<Outcome.Outcome<void> | undefined>
  ): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const onError = failed(line, place)
      let left = makes.length
      const end = (index: number, outcome: Outcome.Outcome<void>): void => {
        if (outcomes[index] !== undefined) return
        outcomes[index] = outcome
        if (--left > 0) return
        forget()
        resume(Effect.void)
      }
      const forget = line.onLost(() => {
        const lost = Result.fail(onError(errors.lineLost))
        for (const index of makes.keys()) end(index, lost)
      })
      const jobs = makes.map((make, index): Job => ({
        isComplete: true,
        start: () => {
          void make().then(
            () => end(index, Result.void),
            (error: unknown) => end(index, Result.fail(onError(error)))
          )
        }
      }))
      this.#jobs.push(...jobs)
      this.#schedule()
      return Effect.sync(() => {
        forget()
        const unmade = new Set(jobs)
        this.#jobs = this.#jobs.filter((job) => !unmade.has(job))
      })
    })
  }

  #schedule(): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    setImmediate(() => {
      this.#isScheduled = false
      this.#turn()
    })
  }

  #turn(): void {
    const first = this.#jobs[0]
    if (first === undefined) return
    const other = first.isComplete ? this.#jobs.findIndex((job) => !job.isComplete) : 1
    const end = other < 0 ? this.#jobs.length : other
    for (const job of this.#jobs.splice(0, Math.min(end, togetherMax))) job.start()
    // What is submitted from here on has a tick of its own as well.
    if (this.#jobs.length > 0) this.#schedule()
  }
}
