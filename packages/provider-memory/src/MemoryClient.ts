/**
 * The in-process broker: what several providers may share, as they share a service in the cloud.
 *
 * **Details**
 *
 * The broker lives as long as the layer. It goes by the `Clock` it was built with, so under `TestClock`
 * nothing happens until a test moves the time; what is due happens with the next call on its queue, and
 * one alarm a queue stands in for that call while somebody waits. When the layer's scope closes, waiting
 * calls end with `ConnectionFailed` and no fiber is left.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Fiber from "effect/Fiber"
import * as FiberHandle from "effect/FiberHandle"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { QueueError, type QueueName } from "@queue-runtime/core"
import * as broker from "./internal/broker.ts"
import { connectionClosed, error } from "./internal/errors.ts"
import * as faults from "./internal/faults.ts"
import type { Queue } from "./internal/queue.ts"
import * as waiting from "./internal/waiting.ts"
import * as MemoryConfig from "./MemoryConfig.ts"

/**
 * The broker itself, for what nothing else offers. Its inside may change with any version.
 *
 * @category models
 * @since 0.1.0
 */
export type Broker = broker.Broker

/**
 * What one queue holds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stats {
  /** Messages that may be delivered, now or after the delay of an abandon. */
  readonly active: number
  /** Messages in somebody's hands, those of held sessions included. */
  readonly locked: number
  readonly scheduled: number
  /** Dead letters, whatever their state. */
  readonly deadLettered: number
  /** Sessions with messages, with state, or held. */
  readonly sessions: number
  /** Bytes of bodies, attributes and ids, dead letters included. */
  readonly bytes: number
}

/**
 * The methods of the broker's client.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /**
   * What a queue holds now.
   *
   * **Errors** QueueNotFound
   */
  readonly stats: (queue: QueueName.QueueName) => Effect.Effect<Stats, QueueError.QueueError>
  /**
   * Elementary steps of all data structures so far: comparisons, list, map and index operations. What an
   * operation costs is the difference before and after.
   */
  readonly steps: Effect.Effect<number>
  /**
   * Replaces the faults; with none given there are none from now on.
   *
   * **Errors** ConfigurationInvalid
   */
  readonly setFaults: (
    faults?: MemoryConfig.FaultsOptions
  ) => Effect.Effect<void, QueueError.QueueError>
  /**
   * Works on the broker itself.
   *
   * **Errors** ConnectionFailed when the broker is closed
   */
  readonly use: <A>(f: (broker: Broker) => A) => Effect.Effect<A, QueueError.QueueError>
}

/**
 * The tag of the broker's client.
 *
 * @category services
 * @since 0.1.0
 */
export class MemoryClient extends Context.Service<MemoryClient, Service>()(
  "@queue-runtime/provider-memory/MemoryClient"
) {}

const statsOf = (queue: Queue): Stats => {
  const { counts } = queue.main
  const { Delayed, Locked, Ready, Scheduled } = queue.dead.counts
  return {
    active: counts.Ready + counts.Delayed,
    locked: counts.Locked,
    scheduled: counts.Scheduled,
    deadLettered: Delayed + Locked + Ready + Scheduled,
    sessions: queue.sessions.size,
    bytes: queue.bytes
  }
}

interface Alarm {
  readonly run: (effect: Effect.Effect<void>) => Fiber.Fiber<void>
  fiber: Fiber.Fiber<void> | undefined
}

const makeBroker = Effect.fnUntraced(function* (config: MemoryConfig.MemoryConfig) {
  const clock = yield* Clock.Clock
  const alarms = new Map<Queue, Alarm>()
  const made = new broker.Broker(config, yield* faults.make(config.faults), {
    now: () => clock.currentTimeMillisUnsafe(),
    setAlarm: (queue, at) => {
      const alarm = alarms.get(queue)
      if (alarm === undefined) return
      // At least a millisecond: a clock with parts of one can end a sleep a hair before its time, and a
      // shorter one would then not move it at all.
      const left = Math.max(1, at - clock.currentTimeMillisUnsafe())
      const sleep = clock.sleep(Duration.millis(left))
      alarm.fiber = alarm.run(Effect.flatMap(sleep, () => Effect.sync(() => waiting.ring(queue))))
    },
    clearAlarm: (queue) => alarms.get(queue)?.fiber?.interruptUnsafe()
  })
  yield* Effect.addFinalizer(() => Effect.sync(() => broker.close(made)))
  for (const queue of made.queues.values()) {
    const handle = yield* FiberHandle.make<void, never>()
    alarms.set(queue, { run: yield* FiberHandle.runtime(handle)(), fiber: undefined })
  }
  return made
})

const makeService = (made: Broker): Service => ({
  stats: (name) =>
    Effect.suspend(() => {
      const queue = made.queues.get(name)
      return queue === undefined
        ? Effect.fail(error(new QueueError.QueueNotFound({ queue: name }), "stats", name))
        : Effect.succeed(waiting.turn(queue, () => statsOf(queue)))
    }),
  steps: Effect.sync(() => made.steps.count),
  setFaults: (options) =>
    Effect.gen(function* () {
      const config = options === undefined ? undefined : yield* MemoryConfig.makeFaults(options)
      made.faults = yield* faults.make(config)
    }),
  use: (f) =>
    Effect.suspend(() =>
      made.closed ? Effect.fail(connectionClosed("use")) : Effect.succeed(f(made))
    )
})

/**
 * A broker of these options, closed with its scope.
 *
 * **Errors** ConfigurationInvalid
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  options: MemoryConfig.Options
): Effect.Effect<Service, QueueError.QueueError, Scope.Scope> =>
  MemoryConfig.make(options).pipe(Effect.flatMap(makeBroker), Effect.map(makeService))

/**
 * A broker of these options. Every provider built on the same layer talks to the same broker.
 *
 * **Errors** ConfigurationInvalid
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: MemoryConfig.Options
): Layer.Layer<MemoryClient, QueueError.QueueError> => Layer.effect(MemoryClient, make(options))
