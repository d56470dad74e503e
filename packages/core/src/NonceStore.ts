/**
 * Which nonces were seen, and in which stored message: a sealed body that somebody copied into a second
 * message is told from the redelivery of the first.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as QueueError from "./QueueError.ts"

/**
 * A nonce as it was seen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sighting {
  readonly queue: string
  /** The key's id and the nonce. */
  readonly nonce: string
  /** The stored message it was in: the same at every redelivery, another one of a copy. */
  readonly stored: string
}

/**
 * The methods of a nonce store.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /**
   * Whether the nonce is new, or was seen in this very message; either way it is remembered for
   * `window`. Of two that claim one nonce at once for different messages one alone is told `true`.
   */
  readonly claim: (
    sighting: Sighting,
    window: Duration.Duration
  ) => Effect.Effect<boolean, QueueError.QueueError>
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class NonceStore extends Context.Service<NonceStore, Service>()(
  "@queue-runtime/core/NonceStore"
) {}
