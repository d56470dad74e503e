/**
 * What only the provider knows of a queue: a port of this tool, with an implementation for each provider.
 *
 * @since 0.1.0
 */
import type { QueueError, QueueName } from "@queue-runtime/core"
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"

/**
 * One thing that `doctor` looked at.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly level: "ok" | "warning" | "problem"
  /** What was looked at: `queue orders`, `clock`. */
  readonly subject: string
  /** What was found. */
  readonly message: string
  /** What to do. */
  readonly remedy?: string
}

/**
 * The methods of a provider's diagnostics.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** The queues the configuration names. */
  readonly queues: ReadonlyArray<QueueName.QueueName>
  /** Where the service is, for a look at its clock; absent where there is none. */
  readonly address?: string
  /** Asks whether the queue is there and may be used, without receiving a message. */
  readonly probe: (queue: QueueName.QueueName) => Effect.Effect<unknown, QueueError.QueueError>
  /** Looks at what may be set up wrongly; of what is in order one finding. */
  readonly check: (queue: QueueName.QueueName) => Effect.Effect<ReadonlyArray<Finding>>
}

/**
 * The tag of a provider's diagnostics.
 *
 * @category services
 * @since 0.1.0
 */
export class Diagnostics extends Context.Service<Diagnostics, Service>()(
  "queue-runtime/Diagnostics"
) {}
