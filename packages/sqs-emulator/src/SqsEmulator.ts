/**
 * An SQS on a port of this machine, in this process: the broker, its HTTP protocols and a socket.
 *
 * **Details**
 *
 * Time is the `Clock` that the emulator was built with. Tests that move a `TestClock` leave the socket
 * out and hand the SDK `requestHandler` instead.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Layer from "effect/Layer"
import * as Scope from "effect/Scope"
import * as server from "./internal/server.ts"
import * as SqsBroker from "./SqsBroker.ts"
import type * as SqsFaults from "./SqsFaults.ts"
import * as SqsHttp from "./SqsHttp.ts"

/**
 * The emulator could not start: the port is taken, or a queue of the options is none.
 *
 * @category errors
 * @since 0.1.0
 */
export class StartFailed extends Data.TaggedError("StartFailed")<{
  readonly message: string
  readonly cause: unknown
}> {}

/**
 * How an emulator is made.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Omit<SqsBroker.Options, "endpoint">, SqsHttp.Options {
  /** `127.0.0.1` when left out. */
  readonly host?: string
  /** A free one when left out, or 0. */
  readonly port?: number
  /** Queues that are there from the start, with their attributes, by name; a name in `.fifo` is FIFO. */
  readonly queues?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /**
   * What becomes of a poll whose socket is closed: `deliver` lets it go on and lose what it gets until
   * its visibility timeout ends, `forget` takes it off. AWS promises neither; `deliver` is the worse
   * one, and the default.
   */
  readonly deadSockets?: "deliver" | "forget"
}

/**
 * The methods of an emulator.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service extends Omit<SqsBroker.Service, "restart"> {
  /** `http://127.0.0.1:PORT`. */
  readonly endpoint: string
  readonly port: number
  /** The URL of a queue, whether there is one of this name or not. */
  readonly queueUrl: (name: string) => string
  /** Answers a request without a socket. */
  readonly handle: SqsHttp.Handle
  /** For an AWS SDK that is to do without a socket. */
  readonly requestHandler: SqsHttp.RequestHandler
  /**
   * Closes every socket, waits for the given time, and listens again on the same port, with or without
   * the queues and their messages.
   *
   * **Errors** StartFailed when the port was taken meanwhile
   */
  readonly restart: (options: {
    readonly keepState: boolean
    readonly down?: Effect.Effect<void>
  }) => Effect.Effect<void, StartFailed>
}

/**
 * The tag of an emulator.
 *
 * @category services
 * @since 0.1.0
 */
export class SqsEmulator extends Context.Service<SqsEmulator, Service>()(
  "@queue-runtime/sqs-emulator/SqsEmulator"
) {}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : "unknown")

const startFailed = (cause: unknown): StartFailed =>
  new StartFailed({ message: `the SQS emulator did not start: ${messageOf(cause)}`, cause })

const createQueues = (broker: SqsBroker.Service, queues: NonNullable<Options["queues"]>) =>
  Effect.forEach(
    Object.entries(queues),
    ([QueueName, given]) => {
      const Attributes = QueueName.endsWith(".fifo") ? { FifoQueue: "true", ...given } : given
      return broker.call("CreateQueue", { QueueName, Attributes })
    },
    { discard: true }
  ).pipe(Effect.mapError(startFailed))

/**
 * An emulator that listens until its scope closes.
 *
 * **Errors** StartFailed
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<Service, StartFailed, Scope.Scope> {
  const broker = yield* SqsBroker.make(options)
  const handle = SqsHttp.make(broker, options)
  yield* createQueues(broker, options.queues ?? {})
  const host = options.host ?? "127.0.0.1"
  const listening = yield* server
    .start({
      host,
      port: options.port ?? 0,
      handle,
      forgetDead: options.deadSockets === "forget"
    })
    .pipe(Effect.mapError(({ cause }) => startFailed(cause)))
  const endpoint = `http://${host.includes(":") ? `[${host}]` : host}:${listening.port}`
  return {
    ...broker,
    endpoint,
    port: listening.port,
    queueUrl: (name) => `${endpoint}/${broker.account}/${name}`,
    handle,
    requestHandler: yield* SqsHttp.requestHandler(handle),
    restart: ({ down = Effect.void, keepState }) =>
      listening
        .restart(Effect.andThen(broker.restart({ keepState }), down))
        .pipe(Effect.mapError(({ cause }) => startFailed(cause)))
  }
})

/**
 * An emulator that listens as long as the layer lives.
 *
 * **Errors** StartFailed
 *
 * **Example** (Its endpoint)
 * ```ts
 * import { SqsEmulator } from "@queue-runtime/sqs-emulator"
 * import { Effect } from "effect"
 *
 * const live = SqsEmulator.layer({ queues: { "orders.fifo": {} } })
 * const names = SqsEmulator.SqsEmulator.use(({ queues }) => queues)
 * await Effect.runPromise(Effect.provide(names, live)) // => ["orders.fifo"]
 * ```
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: Options): Layer.Layer<SqsEmulator, StartFailed> =>
  Layer.effect(SqsEmulator, make(options))

/**
 * An emulator for those who do without Effect.
 *
 * @category models
 * @since 0.1.0
 */
export interface Started {
  readonly endpoint: string
  readonly port: number
  readonly queueUrl: (name: string) => string
  /** Puts a fault in force; the function it returns takes it away. */
  readonly inject: (rule: SqsFaults.Rule) => () => void
  readonly inspect: (queue: string) => SqsBroker.QueueView | undefined
  readonly calls: () => Readonly<Record<string, number>>
  readonly restart: (options: { readonly keepState: boolean }) => Promise<void>
  readonly close: () => Promise<void>
}

const makeUnscoped = Effect.fnUntraced(function* (options: Options) {
  const scope = yield* Scope.make()
  const made = yield* make(options).pipe(
    Scope.provide(scope),
    Effect.onError(() => Scope.close(scope, Exit.void))
  )
  return { made, scope }
})

const toStarted = (made: Service, scope: Scope.Closeable): Started => ({
  endpoint: made.endpoint,
  port: made.port,
  queueUrl: made.queueUrl,
  inject: (rule) => {
    const { remove } = made.injectUnsafe(rule)
    return () => Effect.runSync(remove)
  },
  inspect: (queue) => Effect.runSync(made.inspect(queue)),
  calls: () => Effect.runSync(made.calls),
  restart: (options) => Effect.runPromise(made.restart(options)),
  close: () => Effect.runPromise(Scope.close(scope, Exit.void))
})

/**
 * Starts an emulator, for those who do without Effect.
 *
 * **Example** (Starting and closing)
 * ```ts
 * import { SqsEmulator } from "@queue-runtime/sqs-emulator"
 *
 * const sqs = await SqsEmulator.start({ queues: { orders: {} } })
 * const visible = sqs.inspect("orders")?.visible
 * await sqs.close()
 * visible // => 0
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const start = (options: Options = {}): Promise<Started> =>
  Effect.runPromise(makeUnscoped(options)).then(({ made, scope }) => toStarted(made, scope))
