/**
 * An Azure Service Bus in this process: queues over AMQP 1.0 on a real socket, for tests and
 * development.
 *
 * **Details**
 *
 * Clients connect with the connection string, as they would to the service. Locks, time to live,
 * schedules and waits go by the `Clock` the emulator was built with, so under `TestClock` they pass when
 * a test moves the time; heartbeats alone go by the machine's clock, since the client's do.
 *
 * **Gotchas**
 *
 * Messages live as long as the emulator. Topics, subscriptions and transactions are refused.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Scope from "effect/Scope"
import type { ConfigurationInvalid, ListenFailed, Refused } from "./EmulatorError.ts"
import type * as Fault from "./Fault.ts"
import type * as Inspection from "./Inspection.ts"
import { makeEmulator } from "./internal/emulatorService.ts"
import { Faults } from "./internal/faults.ts"
import type { Settings } from "./internal/queue.ts"
import * as scheduler from "./internal/scheduler.ts"
import { Server } from "./internal/server.ts"
import { Service } from "./internal/service.ts"
import { resolve } from "./internal/settings.ts"
import type * as QueueOptions from "./QueueOptions.ts"
import type * as ServiceBusBroker from "./ServiceBusBroker.ts"

/**
 * What to emulate, and where.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /** The queues by their names. More can be added later. */
  readonly queues?: Readonly<Record<string, QueueOptions.QueueOptions>> | undefined
  /** `127.0.0.1` if not given. */
  readonly host?: string | undefined
  /** Any free one if not given. */
  readonly port?: number | undefined
  /** A certificate and its key in PEM: the emulator then speaks TLS alone. */
  readonly tls?: { readonly cert: string; readonly key: string } | undefined
  /**
   * Names and keys of shared access. If given, signatures and passwords are checked and an expired token
   * loses its links; else any token will do.
   */
  readonly keys?: Readonly<Record<string, string>> | undefined
  /** How long a connection may be without a token, 20 s at the service. For ever if not given. */
  readonly tokenTimeout?: Duration.Input | undefined
  /** Of lock tokens and of the faults' probabilities. */
  readonly seed?: string | number | undefined
  /** Faults from the start; more with `inject`. */
  readonly faults?: ReadonlyArray<Fault.Rule> | undefined
}

/**
 * What a link is detached with.
 *
 * @category models
 * @since 0.1.0
 */
export interface DetachOptions {
  /** `amqp:link:detach-forced` if not given. */
  readonly condition?: string | undefined
  readonly description?: string | undefined
}

/**
 * A running emulator.
 *
 * @category services
 * @since 0.1.0
 */
export interface Emulator {
  readonly host: string
  readonly port: number
  /** What `ServiceBusClient` takes. */
  readonly connectionString: string
  /** The queues without a socket: to put messages in and to see what is there. */
  readonly broker: ServiceBusBroker.Service
  /**
   * Adds a queue; one of this name is replaced with its messages, and loses its links.
   *
   * **Errors** ConfigurationInvalid
   */
  readonly addQueue: (
    name: string,
    options?: QueueOptions.QueueOptions
  ) => Effect.Effect<void, ConfigurationInvalid>
  /** Removes a queue with its messages and links; whether it was there. */
  readonly removeQueue: (name: string) => Effect.Effect<boolean>
  /** Switches a fault on until the scope closes. */
  readonly inject: (rule: Fault.Rule) => Effect.Effect<void, never, Scope.Scope>
  /** Cuts all connections without a word; how many there were. */
  readonly dropConnections: Effect.Effect<number>
  /**
   * Detaches the links of a queue, those to its dead letters and `$management` included; how many there
   * were.
   *
   * **Errors** Refused when there is no such queue
   */
  readonly dropLinks: (queue: string, options?: DetachOptions) => Effect.Effect<number, Refused>
  /**
   * The receivers a queue has now get nothing, whatever their credit, until the scope closes; new ones
   * do. How many there are.
   *
   * **Errors** Refused when there is no such queue
   */
  readonly silence: (queue: string) => Effect.Effect<number, Refused, Scope.Scope>
  /**
   * Lets the locks of a queue's deliveries run out now, those of its dead letters included, or the lock
   * of one message alone; how many there were.
   *
   * **Errors** Refused when there is no such queue
   */
  readonly expireLocks: (queue: string, messageId?: string) => Effect.Effect<number, Refused>
  /**
   * Lets the lock of a session run out now; whether it was held.
   *
   * **Errors** Refused when there is no such queue
   */
  readonly expireSession: (queue: string, sessionId: string) => Effect.Effect<boolean, Refused>
  /** Stops listening and cuts all connections; messages and sessions stay. */
  readonly stop: Effect.Effect<void>
  /**
   * Listens again, on the same port.
   *
   * **Errors** ListenFailed
   */
  readonly start: Effect.Effect<void, ListenFailed>
  /**
   * Stops and starts; with `keepState: false` the queues are as new.
   *
   * **Errors** ListenFailed
   */
  readonly restart: (options?: {
    readonly keepState?: boolean | undefined
  }) => Effect.Effect<void, ListenFailed>
  /**
   * What a queue holds.
   *
   * **Errors** Refused when there is no such queue
   */
  readonly inspect: (queue: string) => Effect.Effect<Inspection.Queue, Refused>
  /** Connections with their links. */
  readonly connections: Effect.Effect<ReadonlyArray<Inspection.Connection>>
  /** Calls so far, by kind: Connect, Token, Attach, Send, Deliver, Settle, Management. */
  readonly calls: Effect.Effect<Readonly<Record<string, number>>>
  /** The newest settlements, at most 10,000, oldest first. */
  readonly settlements: Effect.Effect<ReadonlyArray<Inspection.Settlement>>
}

/**
 * The tag of a running emulator.
 *
 * @category services
 * @since 0.1.0
 */
export class ServiceBusEmulator extends Context.Service<ServiceBusEmulator, Emulator>()(
  "@queue-runtime/servicebus-emulator/ServiceBusEmulator"
) {}

const randomOf = (options: Options): Effect.Effect<() => number> => {
  const drawn = Effect.map(Random.Random, (random) => () => random.nextDoubleUnsafe())
  return options.seed === undefined ? drawn : Random.withSeed(drawn, options.seed)
}

/**
 * A running emulator; it ends with the scope.
 *
 * **Errors** ConfigurationInvalid · ListenFailed
 *
 * **Example** (A queue to talk to)
 *
 * ```ts
 * import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const emulator = yield* ServiceBusEmulator.make({ queues: { orders: {} } })
 *   return (yield* emulator.inspect("orders")).active
 * })
 * await Effect.runPromise(Effect.scoped(program)) // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options = {}) {
  const settings: Array<Settings> = []
  for (const [name, queue] of Object.entries(options.queues ?? {})) {
    settings.push(yield* resolve(name, queue, `queues.${name}`))
  }
  const random = yield* randomOf(options)
  const timers = yield* scheduler.make
  const live = yield* scheduler.makeLive
  const { keys, tokenTimeout } = options
  const service = new Service({
    scheduler: timers,
    faults: new Faults(timers, random),
    access: {
      keys: keys === undefined ? undefined : new Map(Object.entries(keys)),
      tokenMillis:
        tokenTimeout === undefined
          ? undefined
          : Duration.toMillis(Duration.fromInputUnsafe(tokenTimeout))
    },
    random,
    queues: settings
  })
  for (const rule of options.faults ?? []) service.faults.add(rule)
  const server = new Server(service, live, {
    host: options.host ?? "127.0.0.1",
    port: options.port ?? 0,
    tls: options.tls
  })
  yield* Effect.acquireRelease(server.start, () => server.stop)
  const emulator = makeEmulator(options, service, server)
  service.endpoint = `sb://${emulator.host}:${emulator.port}`
  return emulator
})

/**
 * A running emulator as a layer.
 *
 * **Errors** ConfigurationInvalid · ListenFailed
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<ServiceBusEmulator, ConfigurationInvalid | ListenFailed> =>
  Layer.effect(ServiceBusEmulator, make(options))

/**
 * A running emulator for programs without Effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started {
  readonly host: string
  readonly port: number
  readonly connectionString: string
  /** Everything else. */
  readonly emulator: Emulator
  /** Cuts all connections and stops. */
  readonly close: () => Promise<void>
}

/**
 * Starts an emulator, for programs without Effect.
 *
 * **Errors** The promise is rejected with ConfigurationInvalid or ListenFailed
 *
 * **Example** (Without Effect)
 *
 * ```ts
 * import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
 *
 * const started = await ServiceBusEmulator.start({ queues: { orders: {} } })
 * started.connectionString.startsWith("Endpoint=sb://127.0.0.1:") // => true
 * await started.close()
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: Options = {}): Promise<Started> => {
  const scope = Scope.makeUnsafe()
  const close = () => Effect.runPromise(Scope.close(scope, Exit.void))
  const started = Effect.map(make(options), (emulator) => ({
    host: emulator.host,
    port: emulator.port,
    connectionString: emulator.connectionString,
    emulator,
    close
  }))
  return Effect.runPromise(
    started.pipe(
      Scope.provide(scope),
      Effect.onError(() => Scope.close(scope, Exit.void))
    )
  )
}
