/**
 * One call of a port, described: what a policy around the call may look at.
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Outcome from "./Outcome.ts"
import type * as QueueAddress from "./QueueAddress.ts"
import type * as QueueError from "./QueueError.ts"
import type * as SessionId from "./SessionId.ts"

interface Described<Tag extends string, A> {
  readonly _tag: Tag
  readonly address: QueueAddress.QueueAddress
  /** Of a call on an accepted session: which. */
  readonly sessionId?: SessionId.SessionId
  /**
   * Whether making the call twice does no more than making it once. A send is idempotent where the
   * broker deduplicates; a settlement, since the second one finds its receipt used.
   */
  readonly isIdempotent: boolean
  /**
   * The failures that a successful result carries as values. A policy that looks at failed effects only
   * is blind to a failed batch.
   */
  readonly failuresOf: (result: A) => ReadonlyArray<QueueError.QueueError>
}

/**
 * Sending a batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Send<A> extends Described<"Send", A> {
  readonly count: number
}

/**
 * Receiving, from a queue or from an accepted session. The call takes up to `wait` when nothing is
 * there: a time-out around it must leave that time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Receive<A> extends Described<"Receive", A> {
  readonly wait: Duration.Duration
}

/**
 * Settling a batch of deliveries.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settle<A> extends Described<"Settle", A> {
  readonly verdict: "Complete" | "Abandon" | "DeadLetter"
  readonly count: number
}

/**
 * Extending the locks of a batch of deliveries.
 *
 * @category models
 * @since 0.1.0
 */
export interface RenewLock<A> extends Described<"RenewLock", A> {
  readonly count: number
}

/**
 * Looking without receiving.
 *
 * @category models
 * @since 0.1.0
 */
export interface Peek<A> extends Described<"Peek", A> {}

/**
 * Accepting a session: the one of `sessionId`, or the next free one. Takes up to `wait`.
 *
 * @category models
 * @since 0.1.0
 */
export interface AcceptSession<A> extends Described<"AcceptSession", A> {
  readonly wait: Duration.Duration
}

/**
 * Extending the lock of an accepted session.
 *
 * @category models
 * @since 0.1.0
 */
export interface RenewSessionLock<A> extends Described<"RenewSessionLock", A> {}

/**
 * Reading the state of an accepted session.
 *
 * @category models
 * @since 0.1.0
 */
export interface GetSessionState<A> extends Described<"GetSessionState", A> {}

/**
 * Writing the state of an accepted session.
 *
 * @category models
 * @since 0.1.0
 */
export interface SetSessionState<A> extends Described<"SetSessionState", A> {}

/**
 * One call of `QueueProvider` or `QueueSession` with a result of type `A`.
 *
 * @category models
 * @since 0.1.0
 */
export type Operation<A> =
  | Send<A>
  | Receive<A>
  | Settle<A>
  | RenewLock<A>
  | Peek<A>
  | AcceptSession<A>
  | RenewSessionLock<A>
  | GetSessionState<A>
  | SetSessionState<A>

/**
 * `failuresOf` of a call whose result carries none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const noFailures = (): ReadonlyArray<QueueError.QueueError> => []

/**
 * `failuresOf` of a batch call.
 *
 * **Example** (A breaker counts what a batch carries)
 *
 * ```ts
 * import { Operation, QueueError } from "@queue-runtime/core"
 * import { Result } from "effect"
 *
 * const throttled = QueueError.make(new QueueError.Throttled())
 * Operation.batchFailures([Result.succeed(1), Result.fail(throttled)]).length // => 1
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const batchFailures = <A>(
  outcomes: ReadonlyArray<Outcome.Outcome<A>>
): ReadonlyArray<QueueError.QueueError> => Outcome.failures(outcomes)
