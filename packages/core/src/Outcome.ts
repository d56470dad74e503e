/**
 * What became of one message of a batch. A batch call answers one outcome a message, in the order of
 * the messages, so that a failed one is never lost among the others.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as QueueError from "./QueueError.ts"

/**
 * A success, or the error of this one message.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome<A> = Result.Result<A, QueueError.QueueError>

/**
 * The failures of a batch as reason data.
 *
 * @category combinators
 * @since 0.1.0
 */
export const failures = <A>(
  outcomes: ReadonlyArray<Outcome<A>>
): ReadonlyArray<QueueError.QueueError> =>
  outcomes.flatMap((outcome) => (Result.isFailure(outcome) ? [outcome.failure] : []))

const retryOf = (errors: ReadonlyArray<QueueError.QueueError>): QueueError.RetryState => {
  if (errors.some((error) => error.retry === "Never")) return "Never"
  return errors.some((error) => error.retry === "Exhausted") ? "Exhausted" : "Transient"
}

/** The batch is worth trying again when its slowest failure is. */
const longestWait = (errors: ReadonlyArray<QueueError.QueueError>): Duration.Duration | undefined =>
  errors
    .flatMap(({ retryAfter }) => retryAfter ?? [])
    .reduce<Duration.Duration | undefined>(
      (longest, wait) => (longest === undefined ? wait : Duration.max(longest, wait)),
      undefined
    )

/**
 * All successes, or `BatchPartiallyFailed` with the index and reason of each failure. Of a batch of one
 * the error itself.
 *
 * **Example** (One of two failed)
 *
 * ```ts
 * import { Outcome, QueueError } from "@queue-runtime/core"
 * import { Effect, Result } from "effect"
 *
 * const failed = QueueError.make(new QueueError.ReceiptExpired())
 * const all = Outcome.all([Result.succeed("sent"), Result.fail(failed)])
 * Effect.runSync(Effect.flip(all)).reason._tag // => "BatchPartiallyFailed"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const all = <A>(
  outcomes: ReadonlyArray<Outcome<A>>
): Effect.Effect<ReadonlyArray<A>, QueueError.QueueError> => {
  const successes: Array<A> = []
  const failed: Array<typeof QueueError.BatchFailure.Type> = []
  for (const [index, outcome] of outcomes.entries()) {
    if (Result.isSuccess(outcome)) {
      successes.push(outcome.success)
    } else {
      const { reason, retry } = outcome.failure
      failed.push({ index, reason: reason._tag, message: reason.message, retry })
    }
  }
  if (failed.length === 0) return Effect.succeed(successes)
  const errors = failures(outcomes)
  const [only] = errors
  if (outcomes.length === 1 && only !== undefined) return Effect.fail(only)
  const reason = new QueueError.BatchPartiallyFailed({ size: outcomes.length, failures: failed })
  const context = { retry: retryOf(errors), retryAfter: longestWait(errors) }
  return Effect.fail(QueueError.make(reason, context))
}

/**
 * The outcome of a batch of one, as an effect. A provider that answers no outcome is broken: that is a
 * defect.
 *
 * @category combinators
 * @since 0.1.0
 */
export const single = <A>(
  outcomes: ReadonlyArray<Outcome<A>>
): Effect.Effect<A, QueueError.QueueError> => {
  const [outcome] = outcomes
  return outcome === undefined
    ? Effect.die(new Error("the provider answered no outcome for the message"))
    : Effect.fromResult(outcome)
}
