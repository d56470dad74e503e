/**
 * What a world is built on: a broker, and the connections of processes to it.
 *
 * **Details**
 *
 * A backend is made once a run, outside of all processes, and survives them. A simulation runs on the
 * memory provider by default; a provider's own tests hand in theirs over a model of its service.
 *
 * @since 0.1.0
 */
import type { QueueError, QueueName, QueueProvider } from "@queue-runtime/core"
import { Defaults, QueueAddress } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Scope from "effect/Scope"
import type * as Fault from "./Fault.ts"

/**
 * The queue that a run needs.
 *
 * @category models
 * @since 0.1.0
 */
export interface QueueSpec {
  readonly queue: QueueName.QueueName
  readonly sessions: boolean
  readonly deliveriesMax: number
  readonly lockDuration: Duration.Duration
  readonly deduplicates: boolean
  /** One more queue, without sessions: where a client sends dead letters that is told to. */
  readonly aside: QueueName.QueueName
  /** Of the run: for whatever the backend draws. */
  readonly seed: string
}

/**
 * The process that a connection is made in.
 *
 * @category services
 * @since 0.1.0
 */
export class Process extends Context.Service<
  Process,
  {
    readonly name: string
    /**
     * Runs a task in the process's own turn: how an answer comes back to it that was waited for outside of
     * Effect, in a promise. A process that has crashed never runs it.
     */
    readonly later: (task: () => void) => void
    /** For what goes wrong below the provider. */
    readonly strikes: Fault.Strikes
  }
>()("@queue-runtime/simulation/Backend/Process") {}

/**
 * One process's connection.
 *
 * @category models
 * @since 0.1.0
 */
export interface Connection {
  readonly provider: QueueProvider.Service
  /** Breaks it: sessions held by it are lost, waits end. It goes on working afterwards. Absent: it cannot. */
  readonly cut?: Effect.Effect<void>
  /**
   * Makes a receive of a session take effect and loses its answer. What it brought must come again, in its
   * place: the session is still held, and nothing behind it may come first. Absent: that cannot happen.
   */
  readonly lose?: <A, E>(receive: Effect.Effect<A, E>) => Effect.Effect<A, E>
  /** What the broker does when it notices that the process is gone; the process does nothing any more. */
  readonly abandon: Effect.Effect<void>
}

/**
 * A message that is there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Left {
  readonly id: string
  readonly place: "queue" | "deadLetters"
  readonly count: number
  readonly reason?: string
}

/**
 * A broker with the queue.
 *
 * @category models
 * @since 0.1.0
 */
export interface Backend {
  /** Made in the process that uses it, and closed with its scope when it ends well. */
  readonly connect: Effect.Effect<Connection, QueueError.QueueError, Scope.Scope | Process>
  /** Whether nothing is in the queue any more, dead letters aside. */
  readonly isEmpty: Effect.Effect<boolean>
  readonly left: Effect.Effect<ReadonlyArray<Left>>
}

/**
 * How a backend is made; its scope is the run's.
 *
 * @category models
 * @since 0.1.0
 */
export type Make = (spec: QueueSpec) => Effect.Effect<Backend, QueueError.QueueError, Scope.Scope>

/**
 * The memory provider: all of its calls are seen as they take effect, so its histories are complete.
 *
 * @category constructors
 * @since 0.1.0
 */
export const memory: Make = Effect.fnUntraced(function* (spec: QueueSpec) {
  const { deduplicates, deliveriesMax, lockDuration, queue, sessions } = spec
  const client = yield* MemoryClient.make({
    queues: {
      [queue]: {
        sessions,
        deliveriesMax,
        lockDuration,
        deduplicationWindow: deduplicates ? "10 minutes" : 0
      },
      [spec.aside]: { deduplicationWindow: "10 minutes" }
    }
  })
  const own = Context.make(MemoryClient.MemoryClient, client)
  const open = Effect.gen(function* () {
    const scope = yield* Scope.make()
    const close = Scope.close(scope, Exit.void)
    yield* Effect.addFinalizer(() => close)
    const provider = yield* MemoryProvider.make.pipe(Effect.provide(own), Scope.provide(scope))
    // The broker drops a connection at the next call on it, whatever the call is.
    const drop = { seed: spec.seed, rules: [dropping] }
    const cut = client
      .setFaults(drop)
      .pipe(
        Effect.andThen(provider.peek(QueueAddress.queue(queue), { max: 1 })),
        Effect.ignore,
        Effect.andThen(Effect.orDie(client.setFaults()))
      )
    // Faults are drawn when a call begins: that of this one, and of no other.
    const lose = <A, E>(receive: Effect.Effect<A, E>): Effect.Effect<A, E> =>
      Effect.gen(function* () {
        yield* Effect.orDie(client.setFaults({ seed: spec.seed, rules: [losing] }))
        const fiber = yield* Effect.forkChild(receive, { startImmediately: true })
        yield* Effect.orDie(client.setFaults())
        return yield* Effect.onInterrupt(Fiber.join(fiber), () => Fiber.interrupt(fiber))
      })
    return { provider, cut, lose, abandon: close }
  })
  const inspector = yield* Effect.provide(MemoryProvider.make, own)
  const look = (address: QueueAddress.QueueAddress, place: Left["place"]) =>
    Effect.map(inspector.peek(address, { max: Defaults.simulationLeftMax }), (messages) =>
      messages.map(({ deadLetter, deliveryCount, messageId }): Left => ({
        id: messageId,
        place,
        count: deliveryCount,
        ...(deadLetter === undefined ? {} : { reason: deadLetter.reason })
      }))
    )
  const backend: Backend = {
    connect: open,
    isEmpty: Effect.map(
      Effect.orDie(client.stats(queue)),
      ({ active, locked, scheduled }) => active + locked + scheduled === 0
    ),
    left: Effect.orDie(
      Effect.zipWith(
        look(QueueAddress.queue(queue), "queue"),
        look(QueueAddress.deadLetter(queue), "deadLetters"),
        (queued, dead) => [...queued, ...dead]
      )
    )
  }
  return backend
})

const losing = {
  operation: "Receive",
  probability: 1,
  fault: { _tag: "Fail", reason: "ConnectionFailed", applied: true }
} as const

const dropping = {
  operation: "*",
  probability: 1,
  fault: { _tag: "DropConnection" }
} as const
