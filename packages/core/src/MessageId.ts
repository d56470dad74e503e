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

const octets: ReadonlyArray<string> = Array.from({ length: 256 }, (_, value) =>
  value.toString(16).padStart(2, "0")
)

/** Two of the four bytes of a value, from the table: several times as fast as a number's own digits. */
const pair = (value: number, shift: number): string =>
  `${octets[(value >>> (shift + 8)) & 0xff]}${octets[(value >>> shift) & 0xff]}`

const uint32 = (random: Random.Random): number => Math.floor(random.nextDoubleUnsafe() * 2 ** 32)

/**
 * A step of {@link generate}, for who stamps many at once.
 *
 * @internal
 * @category constructors
 * @since 0.1.0
 */
export const generateUnsafe = (random: Random.Random): MessageId => {
  const [a, b, c, d] = [uint32(random), uint32(random), uint32(random), uint32(random)]
  const high = (b & 0xffff0fff) | 0x4000
  const low = (c & 0x3fffffff) | 0x80000000
  const head = `${pair(a, 16)}${pair(a, 0)}-${pair(high, 16)}-${pair(high, 0)}`
  const uuid = `${head}-${pair(low, 16)}-${pair(low, 0)}${pair(d, 16)}${pair(d, 0)}`
  return MessageId.make(uuid, { disableChecks: true })
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
