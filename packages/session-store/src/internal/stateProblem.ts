import * as Option from "effect/Option"
import { QueueError } from "@queue-runtime/core"

/** What is wrong with a state that is to be written. */
export const stateProblem = (
  state: Option.Option<Uint8Array>,
  maximum: number
): QueueError.QueueError | undefined =>
  Option.isSome(state) && state.value.byteLength > maximum
    ? QueueError.validationFailed(
        "state",
        `must have at most ${maximum} bytes; got ${state.value.byteLength}`
      )
    : undefined
