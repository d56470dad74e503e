/**
 * Who holds a session, and its state, kept outside of the broker: leases with fencing tokens, in one
 * store that all processes share.
 *
 * **Details**
 *
 * A lease is granted for a duration and ends by itself when its holder dies. It is granted to one at a
 * time, and each grant of a session has a higher token than every grant before: what a holder that came
 * too late writes elsewhere can be told by it, and refused.
 *
 * Nobody compares clocks. A holder counts its lease from when it asked, a contender from when it saw the
 * lease first; the contender's count begins later and so ends later, however their clocks differ.
 *
 * A lease that ran out stays its holder's until another is granted it: it is renewed, and its state is
 * written, as if nothing had happened. Who must not go on after that time stops by its own clock.
 *
 * **Source** ADR 0018
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as QueueError from "./QueueError.ts"
import type * as QueueName from "./QueueName.ts"
import type * as SessionId from "./SessionId.ts"

/**
 * Which session, who asks for it, and for how long.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  /** For people who look into the store; it proves nothing, and asking twice under one name helps nobody. */
  readonly holder: string
  readonly duration: Duration.Duration
}

/**
 * A lease that was granted: the proof of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Lease {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly holder: string
  /** The fencing number: higher than that of every grant of this session before. */
  readonly token: number
  /** Until when nobody else is granted it, counted from when it was asked for. */
  readonly expiresAt: DateTime.Utc
}

/**
 * The answer to who asks for a lease.
 *
 * @category models
 * @since 0.1.0
 */
export type Acquired =
  | { readonly _tag: "Granted"; readonly lease: Lease }
  /** Another's. Who asks again then is granted it, if its holder said nothing meanwhile. */
  | { readonly _tag: "Held"; readonly until: DateTime.Utc }

/**
 * The methods of a store. All may run at once with each other, in one process or many.
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /** Largest state, in bytes. */
  readonly stateSizeMax: number
  /**
   * Takes the lease of a session, if it is free. One who is interrupted may have been granted it.
   *
   * **Errors** QuotaExceeded where the store is bounded and full
   */
  readonly acquire: (request: Request) => Effect.Effect<Acquired, QueueError.QueueError>
  /**
   * Extends the lease from now; the same lease with its new end.
   *
   * **Errors** SessionLockLost when it was released, or is another's
   */
  readonly renew: (
    lease: Lease,
    duration: Duration.Duration
  ) => Effect.Effect<Lease, QueueError.QueueError>
  /** Gives the session up at once, its state stays; of a lease that is another's by now, nothing. */
  readonly release: (lease: Lease) => Effect.Effect<void, QueueError.QueueError>
  /**
   * What the holders before wrote; `None` when nobody did.
   *
   * **Errors** SessionLockLost when the lease was released, or is another's
   */
  readonly readState: (
    lease: Lease
  ) => Effect.Effect<Option.Option<Uint8Array>, QueueError.QueueError>
  /**
   * Writes the state, or removes it, in one step with the check of the lease.
   *
   * **Errors** SessionLockLost when the lease was released, or is another's · ValidationFailed for more
   * than `stateSizeMax` bytes
   */
  readonly writeState: (
    lease: Lease,
    state: Option.Option<Uint8Array>
  ) => Effect.Effect<void, QueueError.QueueError>
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class SessionStore extends Context.Service<SessionStore, Service>()(
  "@queue-runtime/core/SessionStore"
) {}
