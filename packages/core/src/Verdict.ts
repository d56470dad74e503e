/**
 * What the receiver decides about a delivery.
 *
 * @since 0.1.0
 */
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import * as Options from "./Options.ts"
import * as ReceivedMessage from "./ReceivedMessage.ts"

/**
 * The message is done and never comes back.
 *
 * @category models
 * @since 0.1.0
 */
export const Complete = Schema.TaggedStruct("Complete", {})

/**
 * Deliver it again, after `delay`, with a delivery count one higher.
 *
 * @category models
 * @since 0.1.0
 */
export const Abandon = Schema.TaggedStruct("Abandon", {
  /** Zero is at once. */
  delay: Schema.Duration
})

/**
 * Put it aside, where an operator can see and replay it.
 *
 * @category models
 * @since 0.1.0
 */
export const DeadLetter = Schema.TaggedStruct("DeadLetter", {
  /** A short, stable word: what an operator groups by. */
  reason: Schema.String,
  /** For people: what happened. */
  description: Schema.optionalKey(Schema.String),
  /** What else is known of the failure; left out where a message that fills the limit has no room. */
  details: Schema.optionalKey(ReceivedMessage.DeadLetterDetails)
})

/**
 * Complete, abandon or dead-letter.
 *
 * @category models
 * @since 0.1.0
 */
export const Verdict = Schema.Union([Complete, Abandon, DeadLetter])

/**
 * The type of {@link Verdict}.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict = typeof Verdict.Type

/**
 * The message is done.
 *
 * @category constructors
 * @since 0.1.0
 */
export const complete: Verdict = { _tag: "Complete" }

/**
 * Deliver it again, at once or after a delay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const abandon = (delay: Duration.Duration = Duration.zero): Verdict => ({
  _tag: "Abandon",
  delay
})

/**
 * Put it aside with a reason.
 *
 * **Example** (A verdict is data)
 *
 * ```ts
 * import { Verdict } from "@queue-runtime/core"
 *
 * Verdict.deadLetter("UnknownEvent", "no handler for check_suite")._tag // => "DeadLetter"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const deadLetter = (
  reason: string,
  description?: string,
  details?: ReceivedMessage.DeadLetterDetails
): Verdict => ({ _tag: "DeadLetter", reason, ...Options.defined({ description, details }) })
