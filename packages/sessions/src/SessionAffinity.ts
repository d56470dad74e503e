/**
 * The sessions a worker held and gave up with work left: which one to ask for again first.
 *
 * **Details**
 *
 * A worker that held a session may have its data warm. It asks for that session by id before it
 * takes the next free one.
 *
 * **Gotchas**
 *
 * A hint, never a guarantee. What is remembered may be stale: another worker may hold the session
 * by now, or its messages may be done. Only the broker knows, so accepting a candidate can answer
 * `None` or `SessionLocked`, and the worker then takes any session. Nothing here keeps others from
 * a session.
 *
 * @since 0.1.0
 */
import {
  Check,
  Defaults,
  type QueueError,
  type QueueName,
  type SessionId
} from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import { RecentSessions } from "./internal/recentSessions.ts"

/**
 * Remembers sessions of one worker, or of several that share it.
 *
 * **Source** SPEC R4.6
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionAffinity {
  /** A session was given up with work left. Known already: it counts as given up now. */
  readonly gaveUp: (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId
  ) => Effect.Effect<void>
  /** The session of a queue that was given up last, taken out; `None` when none is remembered. */
  readonly candidate: (
    queue: QueueName.QueueName
  ) => Effect.Effect<Option.Option<SessionId.SessionId>>
  /** The session is done, or known to be someone else's. */
  readonly forget: (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId
  ) => Effect.Effect<void>
  /** How many are remembered, of all queues. */
  readonly size: Effect.Effect<number>
}

/**
 * How long a session given up is worth asking for again, unless told otherwise.
 *
 * @category defaults
 * @since 0.1.0
 */
export const timeToLive = Duration.minutes(10)

/**
 * What {@link make} can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * Sessions remembered; beyond it the oldest is forgotten. Default: `Defaults.sessionsTrackedMax`.
   */
  readonly max?: number
  /** How long one is remembered: at least a millisecond. Default: {@link timeToLive}. */
  readonly timeToLive?: Duration.Input
}

/**
 * An empty memory, bounded in number and in time. Every operation takes constant time, what expires
 * included, since each session expires once.
 *
 * **Errors** ValidationFailed (never retry) for a bound that is none.
 *
 * **Example** (The last one given up comes first)
 *
 * ```ts
 * import { QueueName, SessionId } from "@queue-runtime/core"
 * import { SessionAffinity } from "@queue-runtime/sessions"
 * import { Effect, Option } from "effect"
 *
 * const orders = QueueName.makeUnsafe("orders")
 * const candidates = Effect.gen(function* () {
 *   const affinity = yield* SessionAffinity.make({ max: 100 })
 *   yield* affinity.gaveUp(orders, SessionId.makeUnsafe("customer-1"))
 *   yield* affinity.gaveUp(orders, SessionId.makeUnsafe("customer-2"))
 *   return [yield* affinity.candidate(orders), yield* affinity.candidate(orders)]
 * })
 * Effect.runSync(candidates).map(Option.getOrNull) // => ["customer-2", "customer-1"]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: Options = {}
): Effect.Effect<SessionAffinity, QueueError.QueueError> =>
  Effect.map(
    Effect.all([
      Check.wholeNumber("max", options.max ?? Defaults.sessionsTrackedMax),
      Check.duration("timeToLive", options.timeToLive ?? timeToLive, Duration.millis(1))
    ]),
    ([max, lifetime]): SessionAffinity => {
      const memory = new RecentSessions(max, Duration.toMillis(lifetime))
      return {
        gaveUp: (queue, sessionId) =>
          Effect.map(Clock.currentTimeMillis, (now) => memory.gaveUp(queue, sessionId, now)),
        candidate: (queue) =>
          Effect.map(Clock.currentTimeMillis, (now) => memory.candidate(queue, now)),
        forget: (queue, sessionId) => Effect.sync(() => memory.forget(queue, sessionId)),
        size: Effect.map(Clock.currentTimeMillis, (now) => memory.size(now))
      }
    }
  )
