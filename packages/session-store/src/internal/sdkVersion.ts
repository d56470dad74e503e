import * as Effect from "effect/Effect"
import { QueueError } from "@queue-runtime/core"

/** An SDK as it is installed, and the range that this package is built for and tested with. */
export interface Sdk {
  readonly package: string
  readonly version: string
  readonly minimum: string
  readonly below: string
}

/** Three numbers as one; what stands behind them is not looked at. */
const order = (version: string): number =>
  version
    .replace(/[^\d.].*$/u, "")
    .split(".")
    .reduce((sum, part) => sum * 1_000_000 + Number(part), 0)

/** **Errors** ConfigurationInvalid (never retry), naming the package and the range. */
export const check = ({
  below,
  minimum,
  package: name,
  version
}: Sdk): Effect.Effect<void, QueueError.QueueError> =>
  order(version) < order(minimum) || order(version) >= order(below)
    ? Effect.fail(
        QueueError.configurationInvalid(name, `must be >=${minimum} <${below}; got ${version}`)
      )
    : Effect.void
