/**
 * Which sessions are held, how they get on, which are stalled and which idle.
 *
 * **Details**
 *
 * A session worker reports here what it does; operators and health checks read it. What is reported
 * is bounded: beyond the bound sessions are counted and not tracked. Nothing here fails or holds up
 * the work that it watches.
 *
 * Its metrics are `queue_runtime.lifecycle.*`, by `messaging.destination.name`. Those of `Telemetry`,
 * `queue_runtime.sessions.*`, are of every session that the port handed out, a worker's or not.
 *
 * **Gotchas** What stands here is of this process. Who else holds sessions only the broker knows.
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
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import * as sessionMetrics from "./internal/sessionMetrics.ts"

/**
 * One session that is held.
 *
 * @category models
 * @since 0.1.0
 */
export interface SessionInfo {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly openedAt: DateTime.Utc
  /** When a message of it was last begun or ended; `openedAt` before the first. */
  readonly lastActivityAt: DateTime.Utc
  /** Messages handled, those that failed included. */
  readonly messages: number
  /** Messages handled that failed. */
  readonly failures: number
  /** Messages a second since it was opened; 0 in its first moment. */
  readonly rate: number
  readonly age: Duration.Duration
  /** Time since the last activity; zero while a message is being handled. */
  readonly idle: Duration.Duration
  /** Whether a message is being handled. */
  readonly handling: boolean
}

/**
 * All sessions together.
 *
 * @category models
 * @since 0.1.0
 */
export interface Summary {
  /** Sessions held and tracked. */
  readonly count: number
  /** Messages handled in them so far. */
  readonly messages: number
  /** Sessions held beyond the bound, of which nothing else is known. */
  readonly untracked: number
}

/**
 * What a session worker tells, and what can be asked.
 *
 * **Source** SPEC R4.6
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /**
   * A session is held from now until the scope closes. `close` asks its holder to give it up; it is
   * not waited for longer than `Defaults.interruptionWait`, so it should ask and return. Opened
   * again before its scope closed, a session starts anew: the later holder is the one the broker
   * knows.
   */
  readonly opened: (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId,
    close: Effect.Effect<void>
  ) => Effect.Effect<void, never, Scope.Scope>
  /** Its holder begins with a message. */
  readonly handling: (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId
  ) => Effect.Effect<void>
  /** Its holder has ended with that message, well or not. */
  readonly handled: (
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId,
    succeeded: boolean
  ) => Effect.Effect<void>
  /** The sessions held. */
  readonly active: Effect.Effect<ReadonlyArray<SessionInfo>>
  /** Those that have been at one message for longer than `stalledAfter`. */
  readonly stalled: Effect.Effect<ReadonlyArray<SessionInfo>>
  /**
   * Asks the holder of each session that has been idle for longer than `idleAfter` to give it up;
   * how many were asked. A holder that keeps its session is asked again by the next call.
   */
  readonly closeIdle: Effect.Effect<number>
  readonly summary: Effect.Effect<Summary>
}

/**
 * The lifecycle manager's tag.
 *
 * @category ports
 * @since 0.1.0
 */
export class SessionLifecycle extends Context.Service<SessionLifecycle, Service>()(
  "@queue-runtime/sessions/SessionLifecycle"
) {}

/**
 * What the manager can be told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * A message in hand for longer than this has stalled its session. Default:
   * `Defaults.handlerTimeout`, after which a handler should have been interrupted.
   */
  readonly stalledAfter?: Duration.Input
  /**
   * A session with nothing in hand for longer than this is idle. Default:
   * `Defaults.sessionDurationMax`. A worker gives its idle sessions up long before; a shorter time
   * here would also close those whose failed message backs off.
   */
  readonly idleAfter?: Duration.Input
  /** Sessions tracked. Default: `Defaults.sessionsTrackedMax`. */
  readonly trackedMax?: number
  /**
   * Looks after the sessions this often, at least a millisecond apart: logs each stall once and
   * closes what is idle. Default: never.
   */
  readonly sweepEvery?: Duration.Input
}

interface Settings {
  readonly stalledAfter: Duration.Duration
  readonly idleAfter: Duration.Duration
  readonly trackedMax: number
}

interface Tracked {
  readonly queue: QueueName.QueueName
  readonly sessionId: SessionId.SessionId
  readonly close: Effect.Effect<void>
  readonly openedAtMillis: number
  lastActivityMillis: number
  messages: number
  failures: number
  handling: boolean
  stallLogged: boolean
}

/** Two workers may hold one session id on different queues. A queue's name has no slash. */
const keyOf = (queue: QueueName.QueueName, sessionId: SessionId.SessionId): string =>
  `${queue}/${sessionId}`

/** A clock may be set back; a time that went by is never below zero. */
const between = (start: number, end: number): number => Math.max(0, end - start)

const toInfo = (tracked: Tracked, now: number): SessionInfo => {
  const { failures, handling, lastActivityMillis, messages, openedAtMillis } = tracked
  const ageMillis = between(openedAtMillis, now)
  return {
    queue: tracked.queue,
    sessionId: tracked.sessionId,
    openedAt: DateTime.makeUnsafe(openedAtMillis),
    lastActivityAt: DateTime.makeUnsafe(lastActivityMillis),
    messages,
    failures,
    rate: ageMillis === 0 ? 0 : (messages * 1_000) / ageMillis,
    age: Duration.millis(ageMillis),
    idle: handling ? Duration.zero : Duration.millis(between(lastActivityMillis, now)),
    handling
  }
}

/**
 * The sessions held, without a clock: each method is one synchronous step, so fibers see it whole.
 */
class Sessions {
  readonly #held = new Map<string, Tracked>()
  readonly #max: number
  readonly #stalledAfterMillis: number
  readonly #idleAfterMillis: number
  #untracked = 0

  constructor({ idleAfter, stalledAfter, trackedMax }: Settings) {
    this.#max = trackedMax
    this.#stalledAfterMillis = Duration.toMillis(stalledAfter)
    this.#idleAfterMillis = Duration.toMillis(idleAfter)
  }

  /** Answers what takes the session out again. */
  open(session: Pick<Tracked, "queue" | "sessionId" | "close">, now: number): () => void {
    const key = keyOf(session.queue, session.sessionId)
    if (this.#held.size >= this.#max && !this.#held.has(key)) {
      this.#untracked += 1
      return () => {
        this.#untracked -= 1
      }
    }
    const tracked: Tracked = {
      ...session,
      openedAtMillis: now,
      lastActivityMillis: now,
      messages: 0,
      failures: 0,
      handling: false,
      stallLogged: false
    }
    this.#held.set(key, tracked)
    return () => {
      if (this.#holds(tracked)) this.#held.delete(key)
    }
  }

  begin(queue: QueueName.QueueName, sessionId: SessionId.SessionId, now: number): void {
    const tracked = this.#held.get(keyOf(queue, sessionId))
    if (tracked === undefined) return
    tracked.handling = true
    tracked.stallLogged = false
    tracked.lastActivityMillis = now
  }

  end(
    queue: QueueName.QueueName,
    sessionId: SessionId.SessionId,
    succeeded: boolean,
    now: number
  ): void {
    const tracked = this.#held.get(keyOf(queue, sessionId))
    if (tracked === undefined) return
    tracked.handling = false
    tracked.messages += 1
    tracked.failures += succeeded ? 0 : 1
    tracked.lastActivityMillis = now
  }

  all(): ReadonlyArray<Tracked> {
    return [...this.#held.values()]
  }

  stalled(now: number): ReadonlyArray<Tracked> {
    return this.all().filter(
      ({ handling, lastActivityMillis }) =>
        handling && between(lastActivityMillis, now) > this.#stalledAfterMillis
    )
  }

  /** Each stall once: a session that moves on and stalls again is answered again. */
  newlyStalled(now: number): ReadonlyArray<Tracked> {
    const fresh = this.stalled(now).filter(({ stallLogged }) => !stallLogged)
    for (const tracked of fresh) tracked.stallLogged = true
    return fresh
  }

  isIdle(tracked: Tracked, now: number): boolean {
    const idle = between(tracked.lastActivityMillis, now)
    return this.#holds(tracked) && !tracked.handling && idle > this.#idleAfterMillis
  }

  summary(): Summary {
    const messages = this.all().reduce((sum, tracked) => sum + tracked.messages, 0)
    return { count: this.#held.size, messages, untracked: this.#untracked }
  }

  #holds(tracked: Tracked): boolean {
    return this.#held.get(keyOf(tracked.queue, tracked.sessionId)) === tracked
  }
}

const place = ({ queue, sessionId }: Tracked) => ({ queue, sessionId })

/** Asks one holder; whatever comes of that is the holder's, and never the one's who asks. */
const ask = (tracked: Tracked): Effect.Effect<void> =>
  tracked.close.pipe(
    Effect.timeout(Defaults.interruptionWait),
    Effect.ignoreCause({ log: "Warn", message: "an idle session could not be asked to close" }),
    Effect.annotateLogs(place(tracked))
  )

const closingIdle = (sessions: Sessions): Effect.Effect<number> => {
  // Looked at again when its turn comes: a session may have begun a message meanwhile.
  const askIfIdle = (tracked: Tracked): Effect.Effect<number> =>
    Effect.flatMap(Clock.currentTimeMillis, (now) =>
      sessions.isIdle(tracked, now) ? Effect.as(ask(tracked), 1) : Effect.succeed(0)
    )
  return Clock.currentTimeMillis.pipe(
    Effect.map((now) => sessions.all().filter((tracked) => sessions.isIdle(tracked, now))),
    Effect.flatMap(Effect.forEach(askIfIdle, { concurrency: Defaults.concurrency })),
    Effect.map((asked) => asked.reduce((sum, one) => sum + one, 0))
  )
}

const loggingStalls = (sessions: Sessions): Effect.Effect<void> =>
  Effect.flatMap(Clock.currentTimeMillis, (now) =>
    Effect.forEach(
      sessions.newlyStalled(now),
      (tracked) =>
        Effect.logWarning("a session is stalled: one message is in hand for too long").pipe(
          Effect.annotateLogs({
            ...place(tracked),
            handlingFor: Duration.format(Duration.millis(now - tracked.lastActivityMillis))
          })
        ),
      { discard: true }
    )
  )

const serving = (sessions: Sessions, trackedMax: number): Service => {
  const metricsOf = sessionMetrics.make(trackedMax)
  const infos = (held: (now: number) => ReadonlyArray<Tracked>) =>
    Effect.map(Clock.currentTimeMillis, (now) => held(now).map((tracked) => toInfo(tracked, now)))
  return {
    opened: (queue, sessionId, close) =>
      Effect.acquireRelease(
        Effect.flatMap(Clock.currentTimeMillis, (openedAt) => {
          const remove = sessions.open({ queue, sessionId, close }, openedAt)
          const metrics = metricsOf(queue)
          return Effect.as(metrics.opened, { metrics, openedAt, remove })
        }),
        ({ metrics, openedAt, remove }) =>
          Effect.flatMap(Clock.currentTimeMillis, (now) => {
            remove()
            return metrics.closed(between(openedAt, now) / 1_000)
          })
      ).pipe(Effect.asVoid),
    handling: (queue, sessionId) =>
      Effect.map(Clock.currentTimeMillis, (now) => sessions.begin(queue, sessionId, now)),
    handled: (queue, sessionId, succeeded) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        sessions.end(queue, sessionId, succeeded, now)
        return metricsOf(queue).handled(succeeded)
      }),
    active: infos(() => sessions.all()),
    stalled: infos((now) => sessions.stalled(now)),
    closeIdle: closingIdle(sessions),
    summary: Effect.sync(() => sessions.summary())
  }
}

const shortest = Duration.millis(1)

/**
 * The manager, and its sweeper if `sweepEvery` is given, which ends with the scope.
 *
 * **Errors** ValidationFailed (never retry) for a time or a bound that is none.
 *
 * **Example** (What is held)
 *
 * ```ts
 * import { QueueName, SessionId } from "@queue-runtime/core"
 * import { SessionLifecycle } from "@queue-runtime/sessions"
 * import { Effect } from "effect"
 *
 * const [queue, sessionId] = [QueueName.makeUnsafe("orders"), SessionId.makeUnsafe("customer-1")]
 * const summary = Effect.gen(function* () {
 *   const lifecycle = yield* SessionLifecycle.make({ stalledAfter: "1 minute" })
 *   yield* lifecycle.opened(queue, sessionId, Effect.void)
 *   yield* lifecycle.handling(queue, sessionId)
 *   yield* lifecycle.handled(queue, sessionId, true)
 *   return yield* lifecycle.summary
 * })
 * Effect.runSync(Effect.scoped(summary)) // => { count: 1, messages: 1, untracked: 0 }
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Service, QueueError.QueueError, Scope.Scope> {
  const {
    idleAfter = Defaults.sessionDurationMax,
    stalledAfter = Defaults.handlerTimeout,
    sweepEvery,
    trackedMax = Defaults.sessionsTrackedMax
  } = options
  const sessions = new Sessions({
    stalledAfter: yield* Check.duration("stalledAfter", stalledAfter, shortest),
    idleAfter: yield* Check.duration("idleAfter", idleAfter, shortest),
    trackedMax: yield* Check.wholeNumber("trackedMax", trackedMax)
  })
  const service = serving(sessions, trackedMax)
  if (sweepEvery !== undefined) {
    const pause = yield* Check.duration("sweepEvery", sweepEvery, shortest)
    yield* Effect.sleep(pause).pipe(
      Effect.andThen(loggingStalls(sessions)),
      Effect.andThen(service.closeIdle),
      Effect.forever,
      Effect.forkScoped
    )
  }
  return service
})

/**
 * The manager, without a sweeper unless one is asked for.
 *
 * **Errors** as {@link make}.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<SessionLifecycle, QueueError.QueueError> =>
  Layer.effect(SessionLifecycle, make(options))
