import { Check, Defaults } from "@queue-runtime/core"
import type { QueueError } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as breakerMachine from "./breakerMachine.ts"

/** The figures as a caller gives them. */
export interface Options {
  readonly failuresMax?: number
  readonly openDuration?: Duration.Input
  readonly successes?: number
  readonly probesMax?: number
}

/** Checked, with the defaults filled in. */
export const make = (
  options: Options
): Effect.Effect<breakerMachine.Limits, QueueError.QueueError> =>
  Effect.all({
    failuresMax: Check.wholeNumber(
      "failuresMax",
      options.failuresMax ?? Defaults.breakerFailuresMax
    ),
    openMillis: Effect.map(
      Check.duration(
        "openDuration",
        options.openDuration ?? Defaults.breakerOpenDuration,
        Duration.millis(1)
      ),
      Duration.toMillis
    ),
    successes: Check.wholeNumber("successes", options.successes ?? Defaults.breakerSuccesses),
    probesMax: Check.wholeNumber("probesMax", options.probesMax ?? Defaults.breakerProbesMax),
    pauseMillis: Effect.succeed(Duration.toMillis(Defaults.breakerProbePause))
  })
