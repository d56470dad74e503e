import sdk from "@azure/service-bus/package.json" with { type: "json" }
import * as Effect from "effect/Effect"
import { QueueError } from "@queue-runtime/core"

/** The range of the SDK that this package is built for and tested with. */
export const supported = { package: "@azure/service-bus", minimum: "7.9.5", below: "8.0.0" }

const numbers = (version: string): ReadonlyArray<number> =>
  version.split("-", 1)[0]?.split(".").map(Number) ?? []

const isBelow = (one: string, other: string): boolean => {
  const theirs = numbers(other)
  for (const [index, mine] of numbers(one).entries()) {
    const their = theirs[index] ?? 0
    if (mine !== their) return mine < their
  }
  return false
}

/** **Errors** ConfigurationInvalid (never retry), naming the package and the range. */
export const check = (
  version: string = sdk.version
): Effect.Effect<void, QueueError.QueueError> => {
  const { below, minimum, package: name } = supported
  return isBelow(version, minimum) || !isBelow(version, below)
    ? Effect.fail(
        QueueError.configurationInvalid(name, `must be >=${minimum} <${below}; got ${version}`)
      )
    : Effect.void
}
