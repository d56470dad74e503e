/**
 * What a queue of a provider can do, declared as data. Asking for what is not there fails with
 * `UnsupportedOperation`, never silently; the contract suite compares what is declared with what is done.
 *
 * **Details**
 *
 * `native` is done by the service, `emulated` by the library with the limits its provider documents,
 * `unsupported` not at all. Fields are of one queue, since one provider's queues differ: an SQS FIFO
 * queue has sessions and no delay, a standard one the reverse.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * How a feature is there.
 *
 * @category models
 * @since 0.1.0
 */
export const Support = Schema.Literals(["native", "emulated", "unsupported"])

/**
 * The type of {@link Support}.
 *
 * @category models
 * @since 0.1.0
 */
export type Support = typeof Support.Type

const Count = Schema.Int.check(Schema.isGreaterThanOrEqualTo(1))

/**
 * What one queue can do. Sizes are in bytes.
 *
 * @category models
 * @since 0.1.0
 */
export const Capabilities = Schema.Struct({
  /** Whether this queue is ordered: every message has a session, and is received from it. */
  ordered: Schema.Boolean,
  /** Sessions on this queue; `unsupported` where the queue is not ordered. */
  sessions: Support,
  /** Accepting a session by its id. */
  acceptSpecific: Support,
  /** Whether accepting by id grants and locks a session that has no messages, or answers `None`. */
  locksEmptySession: Schema.Boolean,
  /**
   * Whether an accepted session stays its holder's against other processes while it has no message in hand.
   * Absent: where sessions are native; {@link locksIdleSession} answers for both.
   */
  locksIdleSession: Schema.optionalKey(Schema.Boolean),
  /** Session state, read and written by the holder. */
  sessionState: Support,
  /** Largest message: body, envelope and attributes as the service counts them. */
  messageSizeMax: Count,
  /** Most messages of one send call; the client cuts to it. */
  sendCountMax: Count,
  /** Most bytes of one send call; the client cuts to it. */
  sendSizeMax: Count,
  /** Most messages one receive call returns. */
  receiveCountMax: Count,
  /** Most receipts of one settlement or renewal call; the client cuts to it. */
  settleCountMax: Count,
  /** Longest wait of one receive call; the client receives again until its caller's wait is over. */
  receiveWaitMax: Schema.Duration,
  /** How long a delivery, or an accepted session, stays locked without a renewal. */
  lockDuration: Schema.Duration,
  /** `scheduledAt` and `delay` of a message. */
  scheduling: Support,
  /** Longest delay of a message; absent: no limit. */
  delayMax: Schema.optionalKey(Schema.Duration),
  /** `delay` of an abandon. */
  abandonDelay: Support,
  /** Longest delay of an abandon; absent: no limit. */
  abandonDelayMax: Schema.optionalKey(Schema.Duration),
  /** `timeToLive` of a message. */
  timeToLive: Support,
  /** Whether the second send of one message id inside the window is dropped. */
  deduplication: Support,
  /** How long an id is remembered. */
  deduplicationWindow: Schema.optionalKey(Schema.Duration),
  /** Dead-lettering with a reason, and a sub-queue to read. */
  deadLetter: Support,
  /** Looking at messages without receiving them. */
  peek: Support,
  /**
   * Whether `deliveryCount` is the number of deliveries, or as near as can be told: above it where a broker
   * counts what another process received and gave back unseen, below it where another process delivered
   * again without asking the broker.
   */
  deliveryCount: Schema.Literals(["exact", "approximate"])
})

/**
 * The type of {@link Capabilities}.
 *
 * @category models
 * @since 0.1.0
 */
export type Capabilities = typeof Capabilities.Type

/**
 * Whether a feature is there at all.
 *
 * **Example** (Emulated is supported)
 *
 * ```ts
 * import { Capabilities } from "@queue-runtime/core"
 *
 * Capabilities.isSupported("emulated") // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isSupported = (support: Support): boolean => support !== "unsupported"

/**
 * Whether an accepted session is its holder's alone, across processes and between its messages too.
 *
 * **Details** Emulated sessions are exclusive while a message is in hand, unless their queue says more: on
 * SQS, behind `SessionLeases` of `session-store`.
 *
 * **Example** (A message group of SQS, with and without a lease)
 *
 * ```ts
 * import { Capabilities } from "@queue-runtime/core"
 *
 * const fifo = { sessions: "emulated" } as const
 * Capabilities.locksIdleSession(fifo) // => false
 * Capabilities.locksIdleSession({ ...fifo, locksIdleSession: true }) // => true
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const locksIdleSession = ({
  locksIdleSession: declared,
  sessions
}: Pick<Capabilities, "locksIdleSession" | "sessions">): boolean =>
  declared ?? sessions === "native"
