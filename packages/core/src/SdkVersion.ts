/**
 * Whether the SDK that a package stands on is of a version that the package was tested with: for providers,
 * stores and key services, which check it before they build a client.
 *
 * **Details**
 *
 * A package manager only warns of a peer dependency outside of its range, and says nothing of one that was
 * replaced. What is installed says its version in its own `package.json`.
 *
 * **Source** SPEC R10.8
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as QueueError from "./QueueError.ts"

/**
 * An SDK as it is installed, and the range that a package is built for and tested with.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sdk {
  /** Its name. */
  readonly package: string
  /** The one that is installed. */
  readonly version: string
  /** The lowest. */
  readonly minimum: string
  /** The lowest one that is too high. */
  readonly below: string
}

/** Major, minor and patch; what stands behind them is not looked at, and what is none is 0. */
const numbers = (version: string): readonly [major: number, minor: number, patch: number] => {
  const [major = 0, minor = 0, patch = 0] = version
    .replace(/[^\d.].*$/su, "")
    .split(".")
    .map(Number)
  return [major, minor, patch]
}

const isBelow = (one: string, other: string): boolean => {
  const [major, minor, patch] = numbers(one)
  const [majorMax, minorMax, patchMax] = numbers(other)
  if (major !== majorMax) return major < majorMax
  return minor === minorMax ? patch < patchMax : minor < minorMax
}

/**
 * Succeeds when the version is in its range. A pre-release counts as its release.
 *
 * **Errors** ConfigurationInvalid (never retry), naming the package and the range
 *
 * **Example** (A major version too far)
 *
 * ```ts
 * import { SdkVersion } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const sdk = { package: "@acme/sdk", version: "4.0.0", minimum: "3.2.0", below: "4.0.0" }
 * Effect.runSync(Effect.flip(SdkVersion.check(sdk))).message
 * // => "ConfigurationInvalid: @acme/sdk: must be >=3.2.0 <4.0.0; got 4.0.0"
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const check = ({
  below,
  minimum,
  package: name,
  version
}: Sdk): Effect.Effect<void, QueueError.QueueError> =>
  isBelow(version, minimum) || !isBelow(version, below)
    ? Effect.fail(
        QueueError.configurationInvalid(name, `must be >=${minimum} <${below}; got ${version}`)
      )
    : Effect.void
