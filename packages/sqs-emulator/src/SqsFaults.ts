/**
 * Faults: what a rule makes go wrong in the calls it matches. A fault may fail a call or entries of a
 * batch, lose its answer, cut its connection, hold it up, or make a standard queue as careless as SQS
 * allows itself to be.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as SqsError from "./SqsError.ts"

/**
 * The connection of a call is cut: over HTTP its socket is closed without an answer.
 *
 * @category errors
 * @since 0.1.0
 */
export class ConnectionCut extends Data.TaggedError("ConnectionCut")<{
  /** Whether the call took effect before. */
  readonly applied: boolean
}> {}

/**
 * Which entries of a batch: by their place, by what they hold, or all of them.
 *
 * @category models
 * @since 0.1.0
 */
export type Entries =
  | "all"
  | ReadonlyArray<number>
  | ((entry: Readonly<Record<string, unknown>>, index: number) => boolean)

/**
 * What goes wrong.
 *
 * **Details**
 *
 * - `Fail`: the call is refused, before it does anything. Kinds such as `RequestThrottled`,
 *   `ThrottlingException`, `InternalError` (500) and `ServiceUnavailable` (503) are what clients retry.
 * - `FailEntries`: these entries of a batch fail, with `InternalError` unless another kind is given; the
 *   others are done. Of a call that is no batch it fails nothing.
 * - `LoseReply`: the call takes effect, then its connection is cut.
 * - `Reset`: the connection is cut before the call takes effect.
 * - `Hang`: the call waits until the rule is removed, and then goes on.
 * - `Slow`: the call waits first.
 * - `Duplicate`: on a standard queue, a send stores the message twice, and a receive leaves what it hands
 *   out visible. FIFO queues have no duplicates.
 * - `Reorder`: on a standard queue, a send puts the message up to twenty places away, and a receive takes
 *   from the next fifty messages at random.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault =
  | { readonly _tag: "Fail"; readonly kind: SqsError.Kind; readonly message?: string }
  | {
      readonly _tag: "FailEntries"
      readonly entries: Entries
      readonly kind?: SqsError.Kind
      readonly message?: string
      /** Whether the sender is told to be at fault; said by the kind otherwise. */
      readonly senderFault?: boolean
    }
  | { readonly _tag: "LoseReply" }
  | { readonly _tag: "Reset" }
  | { readonly _tag: "Hang" }
  | { readonly _tag: "Slow"; readonly duration: Duration.Input }
  | { readonly _tag: "Duplicate" }
  | { readonly _tag: "Reorder" }

/**
 * Which calls a fault hits.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rule {
  /** The name of the call; every call when left out. */
  readonly action?: string
  /** The name of the queue; every queue when left out. */
  readonly queue?: string
  /** Matching calls that go unharmed first. */
  readonly skip?: number
  /** How many calls are hit at most. */
  readonly times?: number
  /** How likely a matching call is hit, from 0 to 1, drawn from the broker's seed. */
  readonly probability?: number
  readonly fault: Fault
}

/**
 * A rule in force.
 *
 * @category models
 * @since 0.1.0
 */
export interface Injected {
  /** Calls hit so far. */
  readonly hits: Effect.Effect<number>
  /** Takes the rule away and lets go of the calls that hang by it. */
  readonly remove: Effect.Effect<void>
}
