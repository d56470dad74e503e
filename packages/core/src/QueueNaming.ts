/**
 * Names of queues by one convention: prefix, environment, application and purpose, joined by `-`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as PhysicalQueueName from "./PhysicalQueueName.ts"
import type * as QueueError from "./QueueError.ts"

/**
 * The parts of a name, in the order they are joined. Parts left out are skipped.
 *
 * @category models
 * @since 0.1.0
 */
export interface Parts {
  /** The organisation: `acme`. */
  readonly prefix?: string
  /** `prod`, `staging`. */
  readonly environment?: string
  /** `merge-warden`. */
  readonly application: string
  /** `events`, `retry`, `dlq`. */
  readonly purpose?: string
  /** On SQS a FIFO queue's name ends in `.fifo`. Default: false. */
  readonly fifo?: boolean
}

/**
 * Builds the name of a queue and checks it against the rules of the service it is for.
 *
 * **Errors** ValidationFailed (never retry), naming the service's rule.
 *
 * **Example** (One application on two services)
 *
 * ```ts
 * import { QueueNaming } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * const parts = { prefix: "acme", environment: "prod", application: "merge-warden" }
 * Effect.runSync(QueueNaming.make("azure-service-bus", parts)) // => "acme-prod-merge-warden"
 * Effect.runSync(QueueNaming.make("aws-sqs", { ...parts, purpose: "dlq", fifo: true }))
 * // => "acme-prod-merge-warden-dlq.fifo"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  service: PhysicalQueueName.Service,
  parts: Parts
): Effect.Effect<PhysicalQueueName.PhysicalQueueName, QueueError.QueueError> => {
  const joined = [parts.prefix, parts.environment, parts.application, parts.purpose]
    .filter((part) => part !== undefined && part !== "")
    .join("-")
  const isSqs = service === "aws-sqs" || service === "aws"
  const suffix = parts.fifo === true && isSqs ? ".fifo" : ""
  return PhysicalQueueName.make(service, joined + suffix)
}

/**
 * The same parts for the dead-letter queue: purpose `dlq`, after the queue's own purpose if it has one.
 *
 * **Example** (The dead letters of a queue with a purpose)
 *
 * ```ts
 * import { QueueNaming } from "@queue-runtime/core"
 *
 * QueueNaming.deadLetter({ application: "merge-warden" }).purpose // => "dlq"
 * QueueNaming.deadLetter({ application: "merge-warden", purpose: "events" }).purpose // => "events-dlq"
 * ```
 *
 * @category combinators
 * @since 0.1.0
 */
export const deadLetter = (parts: Parts): Parts => withPurpose(parts, "dlq")

/**
 * The same parts for the queue of retries: purpose `retry`, after the queue's own purpose if it has one.
 *
 * @category combinators
 * @since 0.1.0
 */
export const retry = (parts: Parts): Parts => withPurpose(parts, "retry")

const withPurpose = (parts: Parts, purpose: string): Parts => ({
  ...parts,
  purpose:
    parts.purpose === undefined || parts.purpose === "" ? purpose : `${parts.purpose}-${purpose}`
})
