/**
 * The id of a message: ours, not the broker's. The client stamps one when the caller gives none, every
 * provider carries it, and deduplication goes by it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
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
 * **Source** SPEC R1.1; 128 is the limit of a Service Bus message id and of an SQS deduplication id.
 *
 * @category models
 * @since 0.1.0
 */
export const MessageId = identifier.schema(rule).pipe(Schema.brand("MessageId"))

/**
 * The type of {@link MessageId}.
 *
 * @category models
 * @since 0.1.0
 */
export type MessageId = typeof MessageId.Type

const constructors = identifier.constructors("messageId", rule, (value) =>
  MessageId.make(value, { disableChecks: true })
)

/**
 * Validates a message id.
 *
 * **Errors** ValidationFailed (never retry), naming the rule.
 *
 * **Example** (GitHub's delivery id)
 *
 * ```ts
 * import { MessageId } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(MessageId.make("72d3162e-cc78-11e3-81ab-4c9367dc0958"))
 * // => "72d3162e-cc78-11e3-81ab-4c9367dc0958"
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
 * Whether a value is a message id.
 *
 * @category guards
 * @since 0.1.0
 */
export const is = constructors.is

/** Written over by every id: one text out of bytes costs a third of one put together from parts. */
const digits = Buffer.from("00000000-0000-0000-0000-000000000000")

const hex = "0123456789abcdef"

/** Four digits of a value's lowest two bytes. */
const write = (at: number, value: number): void => {
  digits[at] = hex.charCodeAt((value >>> 12) & 0xf)
  digits[at + 1] = hex.charCodeAt((value >>> 8) & 0xf)
  digits[at + 2] = hex.charCodeAt((value >>> 4) & 0xf)
  digits[at + 3] = hex.charCodeAt(value & 0xf)
}

const uint32 = (random: Random.Random): number => Math.floor(random.nextDoubleUnsafe() * 2 ** 32)

/**
 * A step of {@link generate}, for who stamps many at once.
 *
 * @internal
 * @category constructors
 * @since 0.1.0
 */
export const generateUnsafe = (random: Random.Random): MessageId => {
  const a = uint32(random)
  const b = (uint32(random) & 0xffff0fff) | 0x4000
  const c = (uint32(random) & 0x3fffffff) | 0x80000000
  const d = uint32(random)
  write(0, a >>> 16)
  write(4, a)
  write(9, b >>> 16)
  write(14, b)
  write(19, c >>> 16)
  write(24, c)
  write(28, d >>> 16)
  write(32, d)
  return MessageId.make(digits.toString("latin1"), { disableChecks: true })
}

/**
 * A new version 4 UUID from Effect's `Random`, so that a seeded run stamps the same ids again.
 *
 * **Gotchas** Unique, not secret: the default `Random` is not a cryptographic one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const generate: Effect.Effect<MessageId> = Effect.map(Random.Random, generateUnsafe)
