/**
 * The logical name of a queue. A provider's configuration maps it to what exists in the cloud; without
 * a mapping the name itself is used.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as identifier from "./internal/identifier.ts"

const characters = identifier.charactersRule(
  "must have 1–260 characters of ASCII letters, digits, - and _",
  260,
  (code) => identifier.isLetterOrDigit(code) || code === 0x2d || code === 0x5f
)

const rule: identifier.Rule = (value) => {
  const problem = characters(value)
  if (problem !== undefined) return problem
  if (value.startsWith("-") || value.endsWith("-")) return "must not begin or end with -"
  return value.includes("--") ? "must not contain --" : undefined
}

/**
 * 1–260 characters of ASCII letters, digits, `-` and `_`, with no leading, trailing or doubled `-`.
 *
 * **Source** SPEC R1.1; 260 is the longest path of a Service Bus entity.
 *
 * @category models
 * @since 0.1.0
 */
export const QueueName = identifier.schema(rule).pipe(Schema.brand("QueueName"))

/**
 * The type of {@link QueueName}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueName = typeof QueueName.Type

const constructors = identifier.constructors("queueName", rule, (value) =>
  QueueName.make(value, { disableChecks: true })
)

/**
 * Validates a queue name.
 *
 * **Errors** ValidationFailed (never retry), naming the rule.
 *
 * **Example** (A name and a bad one)
 *
 * ```ts
 * import { QueueName } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(QueueName.make("orders")) // => "orders"
 * Effect.runSync(Effect.flip(QueueName.make("-orders"))).message
 * // => "ValidationFailed: queueName: must not begin or end with -"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = constructors.make

/**
 * {@link make} for names that stand in code: throws the `QueueError`.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeUnsafe = constructors.makeUnsafe

/**
 * Whether a value is a queue name.
 *
 * @category guards
 * @since 0.1.0
 */
export const is = constructors.is
