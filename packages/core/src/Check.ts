/**
 * Checks of options, the same in every package: what is out of its range is `ValidationFailed`, by field
 * and rule, before anything starts.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as QueueError from "./QueueError.ts"

/**
 * A whole number of at least `minimum`, 1 unless told otherwise.
 *
 * **Example** (A concurrency that is none)
 *
 * ```ts
 * import { Check } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(Effect.flip(Check.wholeNumber("concurrency", 0))).message
 * // => "ValidationFailed: concurrency: must be a whole number of at least 1"
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const wholeNumber = (
  field: string,
  value: number,
  minimum = 1
): Effect.Effect<number, QueueError.QueueError> =>
  Number.isSafeInteger(value) && value >= minimum
    ? Effect.succeed(value)
    : Effect.fail(
        QueueError.validationFailed(field, `must be a whole number of at least ${minimum}`)
      )

/**
 * A duration that ends, of at least `minimum`, zero unless told otherwise. NaN is none, though Duration
 * takes it for zero.
 *
 * **Example** (Text is a duration too)
 *
 * ```ts
 * import { Check } from "@queue-runtime/core"
 * import { Duration, Effect } from "effect"
 *
 * Duration.toMillis(Effect.runSync(Check.duration("wait", "30 seconds"))) // => 30000
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const duration = (
  field: string,
  input: Duration.Input,
  minimum: Duration.Duration = Duration.zero
): Effect.Effect<Duration.Duration, QueueError.QueueError> => {
  const read = Number.isNaN(input) ? Option.none() : Duration.fromInput(input)
  if (
    Option.isSome(read) &&
    Duration.isFinite(read.value) &&
    Duration.isGreaterThanOrEqualTo(read.value, minimum)
  ) {
    return Effect.succeed(read.value)
  }
  const least = Duration.isZero(minimum) ? "zero" : Duration.format(minimum)
  const problem = `must be a finite duration of ${least} or more, such as 30 seconds`
  return Effect.fail(QueueError.validationFailed(field, problem))
}
