/**
 * Where keys come from: the current one for a queue, and any older one by its id.
 *
 * **Details**
 *
 * Rotation needs nothing but this: a new current key seals from now on, and what older ones sealed is
 * opened with them as long as they are known. A key past its `notAfter` opens and never seals.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"

/**
 * A key.
 *
 * @category models
 * @since 0.1.0
 */
export interface Key {
  /** 1 to 64 bytes of UTF-8. It travels beside every body it sealed, in clear. */
  readonly id: string
  /** What the `CryptoProvider` makes of it: 32 bytes for ours, a handle for a security module. */
  readonly material: Redacted.Redacted<Uint8Array>
  /** The age of the key in use is a metric. */
  readonly createdAt?: DateTime.Utc
  /** Seals nothing from then on. */
  readonly notAfter?: DateTime.Utc
  /**
   * The key itself, sealed by a master key that this process never sees: it travels with the body, and
   * is what {@link Service.byId} unseals. At most `wrappedSizeMax` bytes.
   */
  readonly wrapped?: Uint8Array
}

/**
 * What a sealed body says of its key.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyReference {
  readonly id: string
  readonly wrapped?: Uint8Array
}

/**
 * The methods of a key provider. Concurrent calls are safe; lookups are cached by the provider.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /**
   * The key that seals now.
   *
   * **Errors** CryptoFailed (KeyNotFound) when there is none · those of the service that holds it
   */
  readonly current: (queue: QueueName.QueueName) => Effect.Effect<Key, QueueError.QueueError>
  /** The key that sealed a body; `None` when it is not, or no longer, known. */
  readonly byId: (
    queue: QueueName.QueueName,
    reference: KeyReference
  ) => Effect.Effect<Option.Option<Key>, QueueError.QueueError>
  /** The ids that open now. */
  readonly ids: (
    queue: QueueName.QueueName
  ) => Effect.Effect<ReadonlyArray<string>, QueueError.QueueError>
  /** The most bytes of a `wrapped` key; 0 where keys are not wrapped. */
  readonly wrappedSizeMax: number
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class KeyProvider extends Context.Service<KeyProvider, Service>()(
  "@queue-runtime/core/KeyProvider"
) {}
