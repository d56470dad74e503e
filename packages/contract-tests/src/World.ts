/**
 * What a rule of `QueueProvider` works on: a queue that nobody else uses, and connections to it.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import type * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { Capabilities, QueueName, QueueProvider } from "@queue-runtime/core"
import type * as Rule from "./Rule.ts"
import type * as Time from "./Time.ts"

/**
 * The queue a rule needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueOptions {
  /** Whether it is ordered: sessions on Service Bus, FIFO on SQS. */
  readonly sessions: boolean
  /** Deliveries of one message before it goes to the dead letters. */
  readonly deliveriesMax: number
  /** How long a delivery, or an accepted session, stays locked. */
  readonly lockDuration: Duration.Duration
  /** Whether the second message of one id is dropped, where that can be chosen. */
  readonly deduplication: boolean
}

/**
 * A program on the same queue that does not use this library: the service's own SDK.
 *
 * @category models
 * @since 0.1.0
 */
export interface Foreign {
  /** Sends text with attributes of its own. */
  readonly send: (
    text: string,
    attributes: Readonly<Record<string, string>>
  ) => Effect.Effect<void, Rule.Failure>
  /** Receives a message as text; removes it or leaves it. */
  readonly receive: Effect.Effect<Option.Option<string>, Rule.Failure>
}

/**
 * How hard the model-based rules try.
 *
 * @category models
 * @since 0.1.0
 */
export interface CheckOptions {
  /** Sequences of operations. */
  readonly runs?: number
  /** The same seed makes the same sequences. Default: 1. */
  readonly seed?: string | number
  /** How often a failing sequence is tried with less in it. */
  readonly shrinksMax?: number
  /** The token of a failure: runs that sequence alone. */
  readonly replay?: string
}

/**
 * The methods of a world.
 *
 * @category models
 * @since 0.1.0
 */
export interface Service {
  readonly queue: QueueName.QueueName
  readonly options: QueueOptions
  /** A queue that does not exist. */
  readonly missing: QueueName.QueueName
  readonly provider: QueueProvider.Service
  /** Those of the queue. */
  readonly capabilities: Capabilities.Capabilities
  /** One more connection to the same queue, open until the scope closes. */
  readonly connect: Effect.Effect<QueueProvider.Service, Rule.RuleFailed, Scope.Scope>
  /** The same again on a new queue. */
  readonly another: (
    changes?: Partial<QueueOptions>
  ) => Effect.Effect<Service, Rule.RuleFailed, Scope.Scope>
  /** Absent where the harness has none. */
  readonly foreign: Option.Option<Foreign>
  readonly time: Time.Time
  readonly check: CheckOptions
}

/**
 * The tag of a rule's world.
 *
 * @category models
 * @since 0.1.0
 */
export class World extends Context.Service<World, Service>()(
  "@queue-runtime/contract-tests/World"
) {}
