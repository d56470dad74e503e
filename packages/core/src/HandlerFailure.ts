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
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Schema from "effect/Schema"
import * as Defaults from "./Defaults.ts"
import { scrub } from "./internal/scrub.ts"
import * as Options from "./Options.ts"
import * as QueueError from "./QueueError.ts"
import type * as ReceivedMessage from "./ReceivedMessage.ts"

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
  description: Schema.optional(Schema.String)
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
  return typeOf(error)
}

const typeOf = (error: unknown): string => {
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
 * What an application adds to its dead letters: who put them aside. No secrets: an operator reads it.
 *
 * @category options
 * @since 0.1.0
 */
export interface Origin {
  readonly service?: string
  readonly version?: string
  /** `production`, `staging`. */
  readonly environment?: string
  /** At most `Defaults.deadLetterTagsMax`. */
  readonly tags?: Readonly<Record<string, string>>
  /** Whether the stack of the last error is kept, without secrets, cut. Default: `false`. */
  readonly stack?: boolean
}

/**
 * The origin, if its texts are as long and its tags as many as the brokers have room for.
 *
 * **Errors** ValidationFailed, naming the field
 *
 * **Example** (Too long a name)
 *
 * ```ts
 * import { HandlerFailure } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(Effect.flip(HandlerFailure.origin({ service: "x".repeat(300) }))).message
 * // => "ValidationFailed: origin.service: must have at most 256 characters"
 * ```
 *
 * @category checks
 * @since 0.1.0
 */
export const origin = (value: Origin): Effect.Effect<Origin, QueueError.QueueError> => {
  const { environment, service, tags = {}, version } = value
  const lengthMax = Defaults.deadLetterDetailLengthMax
  const texts = Object.entries({ service, version, environment, ...prefixed(tags) })
  for (const [field, text] of texts) {
    if ((text ?? "").length <= lengthMax && field.length <= lengthMax) continue
    const problem = `must have at most ${lengthMax} characters`
    return Effect.fail(QueueError.validationFailed(`origin.${field}`, problem))
  }
  return Object.keys(tags).length > Defaults.deadLetterTagsMax
    ? Effect.fail(
        QueueError.validationFailed("origin.tags", `must be at most ${Defaults.deadLetterTagsMax}`)
      )
    : Effect.succeed(value)
}

const prefixed = (tags: Readonly<Record<string, string>>): Readonly<Record<string, string>> =>
  Object.fromEntries(Object.entries(tags).map(([name, value]) => [`tags.${name}`, value]))

const stackOf = (error: unknown): string | undefined =>
  error instanceof Error && error.stack !== undefined
    ? scrub(error.stack).slice(0, Defaults.deadLetterStackLengthMax).toWellFormed()
    : undefined

/**
 * An error and its origin as details of a dead letter.
 *
 * @category conversions
 * @since 0.1.0
 */
export const details = (
  error: unknown,
  { stack, ...from }: Origin = {}
): ReceivedMessage.DeadLetterDetails => ({
  errorType: printable(typeOf(error)),
  ...from,
  ...Options.defined({ stack: stack === true ? stackOf(error) : undefined })
})

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

/**
 * A description as one text for a line of the log. An error without a message is described by its reason,
 * which stands there once.
 *
 * **Example** (With a sentence, and without)
 *
 * ```ts
 * import { HandlerFailure } from "@queue-runtime/core"
 *
 * const said = new HandlerFailure.Permanent({ reason: "UnknownEvent", description: "check_suite" })
 * const plain = new HandlerFailure.Permanent({ reason: "UnknownEvent" })
 * const lines = [said, plain].map((error) => HandlerFailure.format(HandlerFailure.describe(error)))
 * lines // => ["UnknownEvent: check_suite", "UnknownEvent"]
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const format = ({ description, reason }: Description): string =>
  description === reason ? reason : `${reason}: ${description}`
