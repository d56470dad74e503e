/**
 * Nonces remembered in this process: bounded, the oldest go first. Several processes on one queue need a
 * store that they share.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { Check, Defaults, NonceStore, type QueueError } from "@queue-runtime/core"

/**
 * Bounds.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Nonces remembered at once. Default: 100,000. */
  readonly noncesMax?: number
}

interface Known {
  readonly stored: string
  readonly until: number
}

/**
 * A store of its own.
 *
 * **Errors** ValidationFailed for a bound below 1
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<NonceStore.Service, QueueError.QueueError> {
  const max = yield* Check.wholeNumber("noncesMax", options.noncesMax ?? Defaults.cryptoNoncesMax)
  /** In the order they were last seen: those that run out first stand first, of one window. */
  const known = new Map<string, Known>()

  const forget = (now: number): void => {
    for (const [key, { until }] of known) {
      if (until > now && known.size <= max) return
      known.delete(key)
    }
  }

  return {
    claim: ({ nonce, queue, stored }, window) =>
      Effect.map(Clock.currentTimeMillis, (now) => {
        const key = `${queue} ${nonce}`
        const before = known.get(key)
        if (before !== undefined && before.until > now && before.stored !== stored) return false
        known.delete(key)
        known.set(key, { stored, until: now + Duration.toMillis(window) })
        forget(now)
        return true
      })
  }
})

/**
 * The store as a layer.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<NonceStore.NonceStore, QueueError.QueueError> =>
  Layer.effect(NonceStore.NonceStore, make(options))
