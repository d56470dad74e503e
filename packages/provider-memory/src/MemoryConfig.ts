/**
 * The options of a memory broker: which queues it has, what each can do, how much it holds.
 *
 * **Details**
 *
 * Everything is checked before anything starts: a bad value, a bad queue name and a misspelt option are
 * `ConfigurationInvalid` with the path of the option (`queues.orders.lockDuration`) and the rule.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { Defaults, type Operation, type QueueError, QueueName, Setting } from "@queue-runtime/core"
import type { Options as CoreOptions } from "@queue-runtime/core"

const { defaulted, described } = Setting

const positive = Setting.durationPositive

const notNegative = Setting.durationNotNegative

const count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/**
 * The options of one queue.
 *
 * @category schemas
 * @since 0.1.0
 */
export const QueueConfig = Schema.Struct({
  /** Whether the queue is ordered: its messages have sessions and are received from them. */
  sessions: defaulted(Schema.Boolean, false).pipe(
    described("Whether the queue is ordered: its messages have sessions.")
  ),
  /** Deliveries of one message before it goes to the dead letters. */
  deliveriesMax: defaulted(count, Defaults.deliveriesMax).pipe(
    described("Deliveries of one message before it goes to the dead letters.")
  ),
  /** How long a delivery, or an accepted session, stays locked. */
  lockDuration: defaulted(positive, Defaults.memoryLockDuration).pipe(
    described("How long a delivery, or an accepted session, stays locked.")
  ),
  /** How long a message id is remembered; zero turns deduplication off. */
  deduplicationWindow: defaulted(notNegative, Defaults.memoryDeduplicationWindow).pipe(
    described("How long a message id is remembered; zero turns deduplication off.")
  ),
  /** For messages that bring none; absent: they do not expire. */
  timeToLive: Schema.optionalKey(positive).pipe(
    described({ description: "Of messages that bring none.", default: "they do not expire" })
  ),
  /** What becomes of an expired message: dropped, or moved to the dead letters. */
  deadLetterExpired: defaulted(Schema.Boolean, false).pipe(
    described("Whether an expired message goes to the dead letters.")
  )
})

/**
 * The type of {@link QueueConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type QueueConfig = typeof QueueConfig.Type

const nameRule =
  "a queue's name must have 1–260 characters of ASCII letters, digits, - and _, " +
  "with no leading, trailing or doubled -"

const operations = [
  "Send",
  "Receive",
  "Settle",
  "RenewLock",
  "Peek",
  "AcceptSession",
  "RenewSessionLock",
  "GetSessionState",
  "SetSessionState"
] as const satisfies ReadonlyArray<Operation.Operation<unknown>["_tag"]>

/**
 * What a fault does to a call.
 *
 * **Details**
 *
 * - `Fail`: the call fails with this reason. With `applied` it takes effect first and its reply is lost:
 *   a received message stays locked until its lock runs out, an accepted session likewise. A session's
 *   receive is the exception, since order must hold: what was taken comes back at once, counted.
 * - `Delay`: the call is made later. Delays add up, and come before every other fault.
 * - `Duplicate`: what is sent is stored twice, whatever is remembered of its id.
 * - `Reorder`: what is sent in one call is stored in another order, and a receive from a queue without
 *   sessions or an accept of the next session takes another one than the first. Never inside a session.
 * - `DropConnection`: the call fails with `ConnectionFailed`, and with it go the waiting calls and the
 *   sessions of this provider: the sessions are free at once, and their handles fail with
 *   `SessionLockLost`.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Fault = Schema.Union([
  Schema.TaggedStruct("Fail", {
    reason: Schema.Literals([
      "Throttled",
      "ConnectionFailed",
      "Timeout",
      "AuthenticationFailed",
      "PermissionDenied",
      "QuotaExceeded",
      "ProviderFailure"
    ]),
    applied: Schema.optionalKey(Schema.Boolean)
  }),
  Schema.TaggedStruct("Delay", { duration: notNegative }),
  Schema.TaggedStruct("Duplicate", {}),
  Schema.TaggedStruct("Reorder", {}),
  Schema.TaggedStruct("DropConnection", {})
])

/**
 * The type of {@link Fault}.
 *
 * @category models
 * @since 0.1.0
 */
export type Fault = typeof Fault.Type

/**
 * Faults, how likely each is, and where: `*` is every operation.
 *
 * **Details** Every rule of an operation is drawn for on every call of it, in the order of the rules, so
 * that the same seed gives the same faults to the same calls. Of several failures the first one counts.
 *
 * @category schemas
 * @since 0.1.0
 */
export const Faults = Schema.Struct({
  /** Of the random numbers. */
  seed: Schema.Union([Schema.String, Schema.Finite]).pipe(
    described("Of the random numbers that faults are drawn with.")
  ),
  rules: Schema.Array(
    Schema.Struct({
      operation: Schema.Literals([...operations, "*"]),
      probability: Schema.Finite.check(Schema.isBetween({ minimum: 0, maximum: 1 })),
      fault: Fault
    })
  ).pipe(described("Faults: operation, probability and fault."))
})

/**
 * The type of {@link Faults}.
 *
 * @category models
 * @since 0.1.0
 */
export type Faults = typeof Faults.Type

/**
 * Faults as they are given.
 *
 * @category models
 * @since 0.1.0
 */
export type FaultsOptions = typeof Faults.Encoded

/**
 * The options of a broker. The bounds are of the whole broker, all queues together.
 *
 * @category schemas
 * @since 0.1.0
 */
export const MemoryConfig = Schema.Struct({
  /** The queues there are; no other is made. */
  queues: Schema.Record(Schema.String, QueueConfig)
    .check(
      Schema.makeFilter((queues) => {
        const bad = Object.keys(queues).find((name) => !QueueName.is(name))
        return bad === undefined || { path: [bad], issue: nameRule }
      })
    )
    .pipe(described("The queues there are.")),
  /** Messages held, dead letters included. */
  messagesMax: defaulted(count, Defaults.memoryMessagesMax).pipe(
    described("Messages held, dead letters included.")
  ),
  /** Bytes of bodies, attributes and ids held, dead letters included. */
  bytesMax: defaulted(count, Defaults.memoryBytesMax).pipe(
    described({
      description: "Bodies, attributes and ids held, dead letters included.",
      unit: "bytes"
    })
  ),
  /** Message ids remembered for deduplication. */
  deduplicationIdsMax: defaulted(count, Defaults.memoryDeduplicationIdsMax).pipe(
    described("Message ids remembered for deduplication.")
  ),
  /** Sessions held: with messages, with state, or accepted. */
  sessionsMax: defaulted(count, Defaults.memorySessionsMax).pipe(described("Sessions held.")),
  /** Largest message, in bytes. */
  messageSizeMax: defaulted(count, Defaults.memoryMessageSizeMax).pipe(
    described({ description: "Largest message.", unit: "bytes" })
  ),
  /** Largest session state, in bytes. */
  sessionStateSizeMax: defaulted(count, Defaults.memorySessionStateSizeMax).pipe(
    described({ description: "Largest session state.", unit: "bytes" })
  ),
  /** Faults to inject. */
  faults: Schema.optionalKey(Faults)
})

/**
 * The type of {@link MemoryConfig}.
 *
 * @category models
 * @since 0.1.0
 */
export type MemoryConfig = typeof MemoryConfig.Type

/**
 * The options as they are given: durations in any form of Effect's, defaults left out.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = CoreOptions.Given<typeof MemoryConfig.Encoded>

const decodeConfig = Setting.decodeOptions(MemoryConfig)

const decodeFaults = Setting.decodeOptions(Faults, "faults")

/**
 * Checks the options.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * **Example** (The path says where)
 *
 * ```ts
 * import { MemoryConfig } from "@queue-runtime/provider-memory"
 * import { Effect } from "effect"
 *
 * const options = { queues: { orders: { lockDuration: "0 seconds" } } } as const
 * Effect.runSync(Effect.flip(MemoryConfig.make(options))).reason.message
 * // => "queues.orders.lockDuration: must be a finite duration above zero"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<MemoryConfig, QueueError.QueueError> =>
  decodeConfig(options)

/**
 * Checks faults.
 *
 * **Errors** ConfigurationInvalid (never retry): the path of the option, and the rule.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeFaults = (options: FaultsOptions): Effect.Effect<Faults, QueueError.QueueError> =>
  decodeFaults(options)
