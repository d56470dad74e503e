import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { Outcome, QueueError } from "@queue-runtime/core"
import { failed, limited, type Line } from "./calls.ts"
import * as errors from "./errors.ts"

/** Settlements that were asked for together. */
interface Job {
  /** May leave together with others of its kind. */
  readonly isComplete: boolean
  readonly size: number
  /** How many of them left. */
  started: number
  readonly start: (index: number) => void
}

type Outcomes = ReadonlyArray<Outcome.Outcome<void>>

/** Starts it now; one that throws fails. */
const started = (make: () => Promise<unknown>): Promise<unknown> =>
  new Promise((resolve) => resolve(make()))

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

  /** Makes one settlement in its turn. Interrupted before it, or its line lost, it is not made. */
  settle(
    line: Line,
    place: errors.Place,
    isComplete: boolean,
    make: () => Promise<unknown>
  ): Effect.Effect<void, QueueError.QueueError> {
    return Effect.callback<void, QueueError.QueueError>((resume) => {
      const onError = failed(line, place)
      const forget = line.onLost(() => {
        this.#remove(job)
        resume(Effect.fail(onError(errors.lineLost)))
      })
      const job: Job = {
        isComplete,
        size: 1,
        started: 0,
        start: () => {
          void started(make)
            .then(
              () => resume(Effect.void),
              (error: unknown) => resume(Effect.fail(onError(error)))
            )
            .finally(forget)
        }
      }
      this.#add(line, job)
      return Effect.sync(() => {
        forget()
        this.#remove(job)
      })
    })
  }

  /** Completes several together, as far as that goes: one outcome each, in order. */
  completeAll<A>(
    line: Line,
    place: errors.Place,
    timeout: Duration.Duration,
    all: ReadonlyArray<A>,
    complete: (one: A) => Promise<unknown>
  ): Effect.Effect<Outcomes> {
    return Effect.suspend(() => {
      const outcomes: Array<Outcome.Outcome<void> | undefined> = all.map(() => undefined)
      return this.#completed(line, { ...place, timeout }, all, complete, outcomes).pipe(
        limited(line, place, timeout),
        Effect.ignore,
        Effect.map(() =>
          outcomes.map((outcome) => outcome ?? Result.fail(errors.timedOut(timeout, place)))
        )
      )
    })
  }

  #completed<A>(
    line: Line,
    place: errors.Place,
    all: ReadonlyArray<A>,
    complete: (one: A) => Promise<unknown>,
    outcomes: Array<Outcome.Outcome<void> | undefined>
  ): Effect.Effect<void> {
    return Effect.callback<void>((resume) => {
      const onError = failed(line, place)
      let left = all.length
      const end = (index: number, outcome: Outcome.Outcome<void>): void => {
        if (outcomes[index] !== undefined) return
        outcomes[index] = outcome
        if (--left > 0) return
        forget()
        resume(Effect.void)
      }
      const forget = line.onLost(() => {
        this.#remove(job)
        const lost = Result.fail(onError(errors.lineLost))
        for (const index of outcomes.keys()) end(index, lost)
      })
      const job: Job = {
        isComplete: true,
        size: all.length,
        started: 0,
        start: (index) => {
          const one = all[index]
          if (one === undefined) return
          void started(() => complete(one)).then(
            () => end(index, Result.void),
            (error: unknown) => end(index, Result.fail(onError(error)))
          )
        }
      }
      this.#add(line, job)
      return Effect.sync(() => {
        forget()
        this.#remove(job)
      })
    })
  }

  #add(line: Line, job: Job): void {
    this.#jobs.push(job)
    this.#schedule(line)
  }

  /** What of it has not left stays. */
  #remove(job: Job): void {
    const index = this.#jobs.indexOf(job)
    if (index >= 0) this.#jobs.splice(index, 1)
  }

  #schedule(line: Line): void {
    if (this.#isScheduled) return
    this.#isScheduled = true
    line.sdk.soon(() => {
      this.#isScheduled = false
      this.#turn(line)
    })
  }

  #turn(line: Line): void {
    const isComplete = this.#jobs[0]?.isComplete
    let room = isComplete === true ? togetherMax : 1
    while (room > 0) {
      const job = this.#jobs[0]
      if (job === undefined || job.isComplete !== isComplete) break
      for (; room > 0 && job.started < job.size; room--) job.start(job.started++)
      if (job.started === job.size) this.#remove(job)
    }
    // What is submitted from here on has a tick of its own as well.
    if (this.#jobs.length > 0) this.#schedule(line)
  }
}
