/**
 * What a failed handler means for its message: worth another delivery, or not.
 *
 * **Details**
 *
 * An error that carries `retry` (as `QueueError` does) is judged by it: `Never` is permanent. Any other
 * error is transient: a lost message is worse than one more try, and the maximum of deliveries ends it.
 *
 * @since 0.1.0
 */
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Defaults from "./Defaults.ts"
import { scrub } from "./internal/scrub.ts"
import * as QueueError from "./QueueError.ts"

/**
 * Fail a handler with this to dead-letter its message at once.
 *
 * **Example** (An event nobody handles)
 *
 * ```ts
 * import { HandlerFailure } from "@queue-runtime/core"
 *
 * const failure = new HandlerFailure.Permanent({ reason: "UnknownEvent", description: "check_suite" })
 * HandlerFailure.isPermanent(failure) // => true
 * ```
 *
 * @category errors
 * @since 0.1.0
 */
export class Permanent extends Schema.TaggedError<Permanent>(
  "@queue-runtime/core/HandlerFailure/Permanent"
)("Permanent", {
  /** A short, stable word: what an operator groups dead letters by. */
  reason: Schema.String,
  description: Schema.optionalKey(Schema.String)
}) {
  readonly retry = "Never"

  override get message(): string {
    return this.description ?? this.reason
  }
}

/**
 * Whether no further delivery can help.
 *
 * @category guards
 * @since 0.1.0
 */
export const isPermanent = (error: unknown): boolean =>
  Predicate.hasProperty(error, "retry") && error.retry === "Never"

/**
 * Why a message was put aside, for an operator: a word to group by and a sentence. Secrets are cut out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Description {
  readonly reason: string
  readonly description: string
}

const reasonOf = (error: unknown): string => {
  if (error instanceof Permanent) return error.reason
  if (error instanceof QueueError.QueueError) return error.reason._tag
  if (Predicate.hasProperty(error, "_tag") && typeof error._tag === "string") return error._tag
  return error instanceof Error ? error.name : typeof error
}

const messageOf = (error: unknown): string => {
  // Its message begins with the reason's tag, which stands beside the description already.
  if (error instanceof QueueError.QueueError) return error.reason.message
  const message = Predicate.hasProperty(error, "message") ? error.message : error
  return typeof message === "string" && message !== "" ? message : reasonOf(error)
}

/**
 * A text for an operator: without secrets, and cut to what the brokers take.
 *
 * @category conversions
 * @since 0.1.0
 */
export const printable = (text: string): string =>
  // Well-formed last: the cut may go through a pair of surrogates.
  scrub(text).slice(0, Defaults.deadLetterDescriptionLengthMax).toWellFormed()

/**
 * The tag and the message of an error, cut to what the brokers take.
 *
 * @category conversions
 * @since 0.1.0
 */
export const describe = (error: unknown): Description => ({
  reason: printable(reasonOf(error)),
  description: printable(messageOf(error))
})
