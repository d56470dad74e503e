/**
 * The id of a session: messages that share one are delivered in the order they were sent.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as identifier from "./internal/identifier.ts"

const rule = identifier.charactersRule(
  "must have 1–128 printable ASCII characters",
  128,
  identifier.isPrintableAscii
)

/**
 * 1–128 printable ASCII characters (space to tilde).
 *
 * **Source** SPEC R1.1; 128 is the limit of a Service Bus session id and of an SQS message group id.
 *
 * @category models
 * @since 0.1.0
 */
export const SessionId = identifier.schema(rule).pipe(Schema.brand("SessionId"))

/**
 * The type of {@link SessionId}.
 *
 * @category models
 * @since 0.1.0
 */
export type SessionId = typeof SessionId.Type

const constructors = identifier.constructors("sessionId", rule, (value) =>
  SessionId.make(value, { disableChecks: true })
)

/**
 * Validates a session id.
 *
 * **Errors** ValidationFailed (never retry), naming the rule.
 *
 * **Example** (A session for a pull request)
 *
 * ```ts
 * import { SessionId } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(SessionId.make("acme/shop/pull/42")) // => "acme/shop/pull/42"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = constructors.make

/**
 * {@link make} for ids that stand in code: throws the `QueueError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = constructors.makeUnsafe

/**
 * Whether a value is a session id.
 *
 * @category guards
 * @since 0.1.0
 */
export const is = constructors.is
