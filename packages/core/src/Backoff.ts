/**
 * How long to wait before the next try, by how many there were.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Defaults from "./Defaults.ts"

/**
 * The delay after the given number of failures, 1 for the first.
 *
 * @category models
 * @since 0.1.0
 */
export type Backoff = (failures: number) => Effect.Effect<Duration.Duration>

/**
 * Settings of a growing delay.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** The first delay. Default: 1 s. */
  readonly initial?: Duration.Input
  /** The ceiling, jitter included. Default: 30 s. */
  readonly max?: Duration.Input
  /** A delay is multiplied by a random factor of 1 ± this. Default: 0.2. */
  readonly jitter?: number
}

const growing = (options: Options, factorOf: (failures: number) => number): Backoff => {
  const initial = Duration.toMillis(
    Duration.fromInputUnsafe(options.initial ?? Defaults.retryDelay)
  )
  const max = Duration.toMillis(Duration.fromInputUnsafe(options.max ?? Defaults.retryDelayMax))
  const jitter = options.jitter ?? Defaults.retryJitter
  return (failures) =>
    Effect.map(Random.next, (random) => {
      const factor = 1 + jitter * (2 * random - 1)
      return Duration.millis(Math.min(max, Math.round(initial * factorOf(failures) * factor)))
    })
}

/**
 * Each delay is `factor` times the one before. Defaults: 1 s, factor 2, at most 30 s, jitter 20 %.
 *
 * **Example** (Without jitter)
 *
 * ```ts
 * import { Backoff } from "@queue-runtime/core"
 * import { Duration, Effect } from "effect"
 *
 * const backoff = Backoff.exponential({ initial: "1 second", jitter: 0 })
 * Duration.toSeconds(Effect.runSync(backoff(4))) // => 8
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const exponential = (options: Options & { readonly factor?: number } = {}): Backoff => {
  const factor = options.factor ?? Defaults.retryFactor
  return growing(options, (failures) => factor ** (failures - 1))
}

/**
 * Each delay is `initial` longer than the one before.
 *
 * @category constructors
 * @since 0.1.0
 */
export const linear = (options: Options = {}): Backoff => growing(options, (failures) => failures)

/**
 * Always the same delay, give or take the jitter.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fixed = (options: Options = {}): Backoff => growing(options, () => 1)

/**
 * At once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const none: Backoff = () => Effect.succeed(Duration.zero)
