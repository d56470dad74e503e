/**
 * The queues of an emulator without a socket: what the service does with a message, by Effect's clock.
 *
 * **Details**
 *
 * Delivery is at least once. Nothing outlives the broker. Sending, settling and renewing are O(log n),
 * as is receiving a message; a peek is O(log n + max).
 *
 * @since 0.1.0
 */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { ConfigurationInvalid, Refused } from "./EmulatorError.ts"
import type * as Inspection from "./Inspection.ts"
import { Broker } from "./internal/broker.ts"
import { makeService } from "./internal/brokerService.ts"
import type { Settings, Verdict } from "./internal/queue.ts"
import * as scheduler from "./internal/scheduler.ts"
import { resolve } from "./internal/settings.ts"
import type * as QueueOptions from "./QueueOptions.ts"

/**
 * A message to send.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly body: Uint8Array
  readonly messageId?: string | undefined
  readonly sessionId?: string | undefined
  readonly timeToLive?: Duration.Input | undefined
  /** Milliseconds since 1970. */
  readonly scheduledAt?: number | undefined
}

/**
 * A message as it is received or peeked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Delivery {
  readonly queue: string
  readonly body: Uint8Array
  readonly messageId: string | undefined
  readonly sessionId: string | undefined
  readonly sequenceNumber: number
  /** Deliveries that failed before this one. */
  readonly deliveryCount: number
  readonly enqueuedAt: number
  /** Milliseconds since 1970; 0 without a lock. */
  readonly lockedUntil: number
  /** Proves this delivery; 0 without a lock. */
  readonly lock: number
  /** What settlements added, a dead letter's reason and description among it. */
  readonly properties: Readonly<Record<string, unknown>>
}

/**
 * What to do with a delivery.
 *
 * @category models
 * @since 0.1.0
 */
export type Settlement = Verdict

/**
 * Which messages to receive.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReceiveOptions {
  /** 1 if not given. */
  readonly max?: number | undefined
  /** `true` receives from the dead-letter queue. */
  readonly deadLetters?: boolean | undefined
  /** `true` locks nothing: what is received is gone. */
  readonly receiveAndDelete?: boolean | undefined
}

/**
 * Which messages to look at.
 *
 * @category models
 * @since 0.1.0
 */
export interface PeekOptions {
  /** 1 if not given. */
  readonly max?: number | undefined
  readonly fromSequenceNumber?: number | undefined
  readonly sessionId?: string | undefined
  readonly deadLetters?: boolean | undefined
}

/**
 * A session that is held; it is given back when its scope closes.
 *
 * @category models
 * @since 0.1.0
 */
export interface Session {
  readonly sessionId: string
  /** Milliseconds since 1970. */
  readonly lockedUntil: Effect.Effect<number>
  /** Whether it is held still. */
  readonly isHeld: Effect.Effect<boolean>
  /** Messages that are there now. */
  readonly receive: (max?: number) => Effect.Effect<ReadonlyArray<Delivery>>
  /**
   * Locks the session anew, from now; the time until which.
   *
   * **Errors** Refused when the lock is lost
   */
  readonly renew: Effect.Effect<number, Refused>
  readonly state: Effect.Effect<Uint8Array | undefined>
  /**
   * Writes the state, or with `undefined` removes it.
   *
   * **Errors** Refused when it is too large
   */
  readonly setState: (state: Uint8Array | undefined) => Effect.Effect<void, Refused>
  /**
   * Takes deferred messages, all or none.
   *
   * **Errors** Refused when one is not there
   */
  readonly receiveDeferred: (
    sequenceNumbers: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Delivery>, Refused>
}

/**
 * The methods of a broker. All fail with `Refused` when there is no such queue.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** Sends; the sequence number, or `undefined` for a duplicate that was dropped. */
  readonly send: (queue: string, message: Message) => Effect.Effect<number | undefined, Refused>
  /** Messages that are there now. */
  readonly receive: (
    queue: string,
    options?: ReceiveOptions
  ) => Effect.Effect<ReadonlyArray<Delivery>, Refused>
  /** The next message, now or when it comes. */
  readonly take: (queue: string, options?: ReceiveOptions) => Effect.Effect<Delivery, Refused>
  /** Settles a delivery, once. */
  readonly settle: (delivery: Delivery, settlement: Settlement) => Effect.Effect<void, Refused>
  /** Locks a delivery anew, from now; the time until which. */
  readonly renew: (delivery: Delivery) => Effect.Effect<number, Refused>
  /** Takes deferred messages, all or none. */
  readonly receiveDeferred: (
    queue: string,
    sequenceNumbers: ReadonlyArray<number>
  ) => Effect.Effect<ReadonlyArray<Delivery>, Refused>
  /** Messages wherever they are, by sequence number; nothing changes. */
  readonly peek: (
    queue: string,
    options?: PeekOptions
  ) => Effect.Effect<ReadonlyArray<Delivery>, Refused>
  /** Takes back a scheduled message; whether it was there. */
  readonly cancel: (queue: string, sequenceNumber: number) => Effect.Effect<boolean, Refused>
  /** A session by its id, or the next free one, now or when there is one. */
  readonly acceptSession: (
    queue: string,
    sessionId?: string
  ) => Effect.Effect<Session, Refused, Scope.Scope>
  /** Ids of sessions with messages, or, with a time, of those whose state was written after it. */
  readonly listSessions: (
    queue: string,
    updatedAfter?: number
  ) => Effect.Effect<ReadonlyArray<string>, Refused>
  /** What a queue holds. */
  readonly inspect: (queue: string) => Effect.Effect<Inspection.Queue, Refused>
}

/**
 * A broker of these queues.
 *
 * **Errors** ConfigurationInvalid
 *
 * **Example** (A message comes back when its lock runs out)
 *
 * ```ts
 * import { ServiceBusBroker } from "@queue-runtime/servicebus-emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const broker = yield* ServiceBusBroker.make({ orders: { lockDuration: "5 seconds" } })
 *   yield* broker.send("orders", { body: new Uint8Array([1]) })
 *   const [delivery] = yield* broker.receive("orders")
 *   return delivery?.deliveryCount
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  queues: Readonly<Record<string, QueueOptions.QueueOptions>>
) => Effect.Effect<Service, ConfigurationInvalid, Scope.Scope> = Effect.fnUntraced(
  function* (queues) {
    const settings: Array<Settings> = []
    for (const [name, options] of Object.entries(queues)) {
      settings.push(yield* resolve(name, options, `queues.${name}`))
    }
    return makeService(new Broker(yield* scheduler.make, settings))
  }
)
