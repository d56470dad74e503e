/**
 * The cipher: authenticated encryption and signatures with a key that a `KeyProvider` gave. A security
 * module or a key management service may take its place.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as KeyProvider from "./KeyProvider.ts"
import type * as QueueError from "./QueueError.ts"

/**
 * What is sealed, and what is bound to it without being hidden.
 *
 * @category models
 * @since 0.1.0
 */
export interface Plaintext {
  /** 12 bytes that were never used before with this key. */
  readonly nonce: Uint8Array
  readonly plaintext: Uint8Array
  readonly associatedData: Uint8Array
}

/**
 * What comes out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sealed {
  /** As long as the plaintext. */
  readonly ciphertext: Uint8Array
  /** 16 bytes. */
  readonly tag: Uint8Array
}

/**
 * What is opened.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ciphertext extends Sealed {
  readonly nonce: Uint8Array
  readonly associatedData: Uint8Array
}

/**
 * The methods of a cipher.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /** 12 bytes from a cryptographic source. */
  readonly nonce: Effect.Effect<Uint8Array, QueueError.QueueError>
  /**
   * AES-256-GCM.
   *
   * **Errors** CryptoFailed (KeyNotFound): the key was wiped since it was looked up
   */
  readonly encrypt: (
    key: KeyProvider.Key,
    input: Plaintext
  ) => Effect.Effect<Sealed, QueueError.QueueError>
  /**
   * The plaintext.
   *
   * **Errors** CryptoFailed (IntegrityFailed): a bit of anything differs, or the key does. Nothing of
   * the plaintext is ever returned then. CryptoFailed (KeyNotFound): the key was wiped since it was looked
   * up, which may be messages ago. Every other error says nothing of the message, which is tried again.
   */
  readonly decrypt: (
    key: KeyProvider.Key,
    input: Ciphertext
  ) => Effect.Effect<Uint8Array, QueueError.QueueError>
  /** HMAC-SHA-256: 32 bytes. */
  readonly sign: (
    key: KeyProvider.Key,
    data: Uint8Array
  ) => Effect.Effect<Uint8Array, QueueError.QueueError>
  /**
   * Whether the signature is of this data and key; takes the same time either way.
   *
   * **Errors** CryptoFailed (KeyNotFound), as of `decrypt`
   */
  readonly verify: (
    key: KeyProvider.Key,
    data: Uint8Array,
    signature: Uint8Array
  ) => Effect.Effect<boolean, QueueError.QueueError>
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class CryptoProvider extends Context.Service<CryptoProvider, Service>()(
  "@queue-runtime/core/CryptoProvider"
) {}
