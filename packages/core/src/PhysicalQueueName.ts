/**
 * What a queue is called where it exists: a Service Bus path, an SQS queue name. A provider's mapping
 * points a logical {@link QueueName} to one of these.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as identifier from "./internal/identifier.ts"
import * as QueueError from "./QueueError.ts"

/**
 * The services whose naming rules are known here; `azure` and `aws` are short for the two clouds'.
 *
 * @category models
 * @since 0.1.0
 */
export type Service = "azure-service-bus" | "azure" | "aws-sqs" | "aws" | "memory"

const isSqsCharacter = (code: number): boolean =>
  identifier.isLetterOrDigit(code) || code === 0x2d || code === 0x5f

const serviceBusCharacters = identifier.charactersRule(
  "a Service Bus name must have 1–260 characters of ASCII letters, digits and / . - _",
  260,
  (code) => isSqsCharacter(code) || code === 0x2e || code === 0x2f
)

const sqsCharacters = identifier.charactersRule(
  "an SQS name must have 1–80 characters of ASCII letters, digits, - and _, .fifo at its end included",
  80,
  isSqsCharacter
)

const edgeProblem = (value: string): string | undefined =>
  /^[/.]|[/.]$/u.test(value) ? "a Service Bus name must not begin or end with / or ." : undefined

const serviceBusRule: identifier.Rule = (value) => serviceBusCharacters(value) ?? edgeProblem(value)

const fifo = ".fifo"

const sqsRule: identifier.Rule = (value) => {
  // The suffix counts towards the 80 characters and is the only place a dot may stand.
  const stem = value.endsWith(fifo) ? `${value.slice(0, -fifo.length)}_fifo` : value
  return value === fifo ? "an SQS name must have characters before .fifo" : sqsCharacters(stem)
}

/** A map, since a service may come from configuration and `constructor` is none. */
const rules: ReadonlyMap<Service, identifier.Rule> = new Map<Service, identifier.Rule>([
  ["azure-service-bus", serviceBusRule],
  ["azure", serviceBusRule],
  ["aws-sqs", sqsRule],
  ["aws", sqsRule],
  ["memory", serviceBusCharacters]
])

/**
 * The name of an existing queue, valid for the service it was made for.
 *
 * **Source** Service Bus: 260 characters of letters, digits and `/ . - _`; SQS: 80 of letters, digits,
 * `-` and `_`, with `.fifo` at the end of a FIFO queue's (SPEC R1.8).
 *
 * @category models
 * @since 0.1.0
 */
export const PhysicalQueueName = Schema.String.check(Schema.isMinLength(1)).pipe(
  Schema.brand("PhysicalQueueName")
)

/**
 * The type of {@link PhysicalQueueName}.
 *
 * @category models
 * @since 0.1.0
 */
export type PhysicalQueueName = typeof PhysicalQueueName.Type

/**
 * Validates a name by the rules of the service it is for.
 *
 * **Errors** ValidationFailed (never retry), naming the rule; for a service that is none, too.
 *
 * **Example** (A dot is fine on one service only)
 *
 * ```ts
 * import { PhysicalQueueName } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * Effect.runSync(PhysicalQueueName.make("azure-service-bus", "acme/orders.v2")) // => "acme/orders.v2"
 * Effect.runSync(Effect.isFailure(PhysicalQueueName.make("aws-sqs", "acme/orders.v2"))) // => true
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  service: Service,
  value: string
): Effect.Effect<PhysicalQueueName, QueueError.QueueError> => {
  const rule = rules.get(service)
  if (rule === undefined) {
    const known = [...rules.keys()].join(", ")
    return Effect.fail(QueueError.validationFailed("service", `must be one of: ${known}`))
  }
  const problem = identifier.problemOf(rule, value)
  return problem === undefined
    ? Effect.succeed(PhysicalQueueName.make(value, { disableChecks: true }))
    : Effect.fail(QueueError.validationFailed("physicalQueueName", problem))
}
