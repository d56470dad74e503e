import { QueueError } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"

/** A duration of at least `minimum` that ends. */
export const duration = (
  field: string,
  input: Duration.Input,
  minimum: Duration.Duration = Duration.zero
): Effect.Effect<Duration.Duration, QueueError.QueueError> =>
  Option.match(
    Option.filter(
      Duration.fromInput(input),
      (value) => Duration.isFinite(value) && Duration.isGreaterThanOrEqualTo(value, minimum)
    ),
    {
      onNone: () =>
        Effect.fail(
          QueueError.validationFailed(
            field,
            `must be a finite duration of at least ${Duration.format(minimum)}`
          )
        ),
      onSome: Effect.succeed
    }
  )

/** A whole number of at least 1. */
export const count = (field: string, value: number): Effect.Effect<number, QueueError.QueueError> =>
  Number.isSafeInteger(value) && value >= 1
    ? Effect.succeed(value)
    : Effect.fail(QueueError.validationFailed(field, "must be a whole number of at least 1"))
