import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Check, Defaults, QueueError } from "@queue-runtime/core"

/** What is done with the bodies of one queue; every default is filled in. */
export interface Policy {
  readonly mode: "encrypt" | "sign" | "off"
  readonly plaintext: "allow" | "alert" | "reject"
  /** Absent: not looked at. */
  readonly freshness?: {
    readonly maxAge: Duration.Duration
    readonly from: "enqueued" | "received"
  }
  /** Absent: not looked at. */
  readonly nonceWindow?: Duration.Duration
}

/** As it is given. */
export interface PolicyOptions {
  readonly mode?: "encrypt" | "sign" | "off"
  readonly plaintext?: "allow" | "alert" | "reject"
  readonly freshness?: Duration.Input | "off"
  readonly freshnessFrom?: "enqueued" | "received"
  readonly nonceTracking?: boolean
  readonly nonceWindow?: Duration.Input
}

const oneOf = <A extends string>(
  path: string,
  value: A,
  known: ReadonlyArray<A>
): Effect.Effect<A, QueueError.QueueError> =>
  known.includes(value)
    ? Effect.succeed(value)
    : Effect.fail(QueueError.configurationInvalid(path, `must be one of ${known.join(", ")}`))

const duration = (path: string, value: Duration.Input) =>
  Effect.mapError(Check.duration(path, value), () =>
    QueueError.configurationInvalid(path, "must be a finite duration, such as 5 minutes")
  )

/**
 * Checks the options of one queue. Rejecting plaintext is the default where bodies are protected: a
 * flipped marker would otherwise pass as plaintext.
 */
export const make = Effect.fnUntraced(function* (
  path: string,
  options: PolicyOptions
): Effect.fn.Return<Policy, QueueError.QueueError> {
  const mode = yield* oneOf(`${path}mode`, options.mode ?? "encrypt", ["encrypt", "sign", "off"])
  const plaintext = yield* oneOf(
    `${path}plaintext`,
    options.plaintext ?? (mode === "off" ? "allow" : "reject"),
    ["allow", "alert", "reject"]
  )
  const from = yield* oneOf(`${path}freshnessFrom`, options.freshnessFrom ?? "enqueued", [
    "enqueued",
    "received"
  ])
  const freshness = options.freshness ?? Defaults.cryptoFreshness
  const nonceWindow = yield* duration(
    `${path}nonceWindow`,
    options.nonceWindow ?? Defaults.cryptoNonceWindow
  )
  return {
    mode,
    plaintext,
    ...(freshness === "off"
      ? {}
      : { freshness: { maxAge: yield* duration(`${path}freshness`, freshness), from } }),
    ...(options.nonceTracking === true ? { nonceWindow } : {})
  }
})
