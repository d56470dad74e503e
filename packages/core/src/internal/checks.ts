import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as QueueError from "../QueueError.ts"

/** A whole number of at least `minimum`. */
export const wholeNumber = (
  field: string,
  value: number,
  minimum: number
): Effect.Effect<number, QueueError.QueueError> =>
  Number.isSafeInteger(value) && value >= minimum
    ? Effect.succeed(value)
    : Effect.fail(
        QueueError.validationFailed(field, `must be a whole number of at least ${minimum}`)
      )

/** A duration that ends and is not negative. NaN is none, though Duration takes it for zero. */
export const duration = (
  field: string,
  input: Duration.Input
): Effect.Effect<Duration.Duration, QueueError.QueueError> =>
  Option.match(
    Option.filter(Number.isNaN(input) ? Option.none() : Duration.fromInput(input), isUsable),
    {
      onNone: () =>
        Effect.fail(
          QueueError.validationFailed(
            field,
            "must be a finite duration of zero or more, such as 30 seconds"
          )
        ),
      onSome: Effect.succeed
    }
  )

const isUsable = (value: Duration.Duration): boolean =>
  Duration.isFinite(value) && !Duration.isNegative(value)
