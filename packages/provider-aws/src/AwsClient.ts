/**
 * The SDK's client with its scope: what the provider is built on, and the way past it for what SQS has
 * and the port has not.
 *
 * **Details**
 *
 * Built with the first call and destroyed, its sockets with it, when the scope closes; the SDK's code is
 * loaded when the first client is made, and not with this package. It never retries: that is a policy's
 * work, and the SDK's own retries would multiply with it. Every call has a time limit, and an interrupted
 * one is aborted. Credentials refresh by themselves; when the service says that they have expired before
 * they said so, they are fetched anew for the next call.
 *
 * @since 0.1.0
 */
import type { SQSClient } from "@aws-sdk/client-sqs"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import {
  Options,
  ProviderMetrics,
  type QueueAddress,
  type QueueError,
  SdkVersion
} from "@queue-runtime/core"
import * as AwsConfig from "./AwsConfig.ts"
import { checkEnvironment } from "./internal/endpoints.ts"
import * as errors from "./internal/errors.ts"
import { installed } from "./internal/installed.ts"
import { load } from "./internal/loading.ts"
import type * as onSdk from "./internal/onSdk.ts"
import type * as resolving from "./internal/resolving.ts"
import type * as sdk from "./internal/sdk.ts"
import type { Transport } from "./internal/transport.ts"
import * as underWay from "./internal/underWay.ts"

/**
 * A queue, or the dead-letter queue of one, as SQS knows it.
 *
 * @category models
 * @since 0.1.0
 */
export type Queue = resolving.Queue

/**
 * What a call says of itself: for its errors, and how long it may take.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  /** Default: `use`. */
  readonly operation?: string
  /** The queue's name, for errors. */
  readonly queue?: string
  /** Default: `requestTimeout` of the options. */
  readonly timeout?: Duration.Duration
}

/**
 * What carries the calls in place of HTTP: a simulation, a proxy of a test's own.
 *
 * @category models
 * @since 0.1.0
 */
export type RequestHandler = sdk.RequestHandler

/**
 * What the calls go over.
 *
 * @category models
 * @since 0.1.0
 */
export interface TransportOptions {
  /** In place of HTTP, its time to connect, proxy and sockets included; destroyed with the client. */
  readonly requestHandler?: RequestHandler
}

/**
 * The methods of the client.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** The options, checked and complete. */
  readonly config: AwsConfig.AwsConfig
  /**
   * Makes one call with the SDK's client; `signal` aborts when the caller is interrupted or its time is
   * over, and is to be handed to `send`.
   *
   * **Errors** every error of the SDK as a `QueueError`, the original as its cause · Timeout ·
   * ConnectionFailed when the client is closed
   */
  readonly use: <A>(
    f: (client: SQSClient, signal: AbortSignal) => Promise<A>,
    call?: Call
  ) => Effect.Effect<A, QueueError.QueueError>
  /**
   * Where an address leads: from the options, or asked for once and remembered until SQS says that the
   * queue does not exist. The dead letters are those of the options, or of the queue's redrive policy.
   *
   * **Errors** QueueNotFound · ConfigurationInvalid for a queue with no dead-letter queue
   */
  readonly queueOf: (
    address: QueueAddress.QueueAddress
  ) => Effect.Effect<Queue, QueueError.QueueError>
  /** Forgets where it leads; the next call that needs it asks. */
  readonly forget: (address: QueueAddress.QueueAddress) => Effect.Effect<void>
}

/**
 * The tag of the client.
 *
 * @category services
 * @since 0.1.0
 */
export class AwsClient extends Context.Service<AwsClient, Service>()(
  "@queue-runtime/provider-aws/AwsClient"
) {}

/** One client at a time over one transport, which is what holds the sockets. */
class Connection {
  readonly #make: () => SQSClient
  #client: SQSClient | undefined
  #own: Transport | undefined
  isClosed = false

  constructor(
    { sdk, transport }: typeof onSdk,
    config: AwsConfig.AwsConfig,
    requestHandler: RequestHandler | undefined
  ) {
    this.#make = () => sdk.make(config, requestHandler ?? (this.#own ??= transport.make(config)))
  }

  /** Those that carry a call now; none of a transport of the application's. */
  get socketsInUse(): number {
    return this.isClosed ? 0 : (this.#own?.socketsInUse ?? 0)
  }

  client(): SQSClient {
    return (this.#client ??= this.#make())
  }

  /** The next call has a client, and so credentials, of its own; the transport stays. */
  renew(): void {
    this.#client = undefined
  }

  close(): void {
    this.isClosed = true
    this.#client?.destroy()
  }
}

/** Thrown or rejected, it is the same. */
const promised = <A>(f: () => Promise<A>): Promise<A> => new Promise((resolve) => resolve(f()))

const makeUse = (
  config: AwsConfig.AwsConfig,
  connection: Connection,
  calls: underWay.UnderWay
): Service["use"] => {
  // Fixed keys are all there is, whoever asks.
  const areFixed = config.credentials._tag === "Keys"
  const classify = (thrown: unknown, place: errors.Place): QueueError.QueueError => {
    const failed = errors.fromThrown(thrown, place)
    if (!errors.isExpired(failed)) return failed
    if (areFixed) return errors.error(failed.reason, place, { retry: "Never", cause: thrown })
    connection.renew()
    return failed
  }
  return (f, call = {}) => {
    const timeout = call.timeout ?? config.requestTimeout
    const place = {
      operation: call.operation ?? "use",
      ...Options.defined({ queue: call.queue }),
      timeout
    }
    const millis = Duration.toMillis(timeout)
    return Effect.callback((resume) => {
      if (connection.isClosed) return resume(Effect.fail(errors.closed(place)))
      const controller = new AbortController()
      const endWith = (error: QueueError.QueueError): void => {
        resume(Effect.fail(error))
        controller.abort()
      }
      const end = calls.begin(
        millis,
        () => endWith(errors.timedOut(timeout, place)),
        () => endWith(errors.closed(place))
      )
      promised(() => f(connection.client(), controller.signal)).then(
        (answer) => {
          end()
          return resume(Effect.succeed(answer))
        },
        (thrown) => {
          end()
          return resume(
            Effect.failSync(() =>
              connection.isClosed ? errors.closed(place) : classify(thrown, place)
            )
          )
        }
      )
      return Effect.sync(() => {
        end()
        controller.abort()
      })
    })
  }
}

/**
 * A client of these options, closed with its scope.
 *
 * **Errors** ConfigurationInvalid: an option, or a version of the SDK outside the supported range
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options?: AwsConfig.Options,
  over?: TransportOptions
) => Effect.Effect<Service, QueueError.QueueError, Scope.Scope> = Effect.fnUntraced(function* (
  options = {},
  { requestHandler } = {}
) {
  const config = yield* AwsConfig.make(options)
  if (config.endpoint === undefined) yield* checkEnvironment
  yield* SdkVersion.check(installed)
  const loaded = yield* load
  const connection = new Connection(loaded, config, requestHandler)
  // Before it is there, and so until it is closed.
  if (requestHandler === undefined) {
    yield* ProviderMetrics.watch(errors.provider, () => ({ connections: connection.socketsInUse }))
  }
  yield* Effect.addFinalizer(() => Effect.sync(() => connection.close()))
  const use = makeUse(config, connection, yield* underWay.make)
  return { config, use, ...(yield* loaded.resolving.make(config, use)) }
})

/**
 * A client of these options.
 *
 * **Errors** ConfigurationInvalid
 *
 * **Example** (What the port has not: purging a queue)
 *
 * ```ts
 * import { PurgeQueueCommand } from "@aws-sdk/client-sqs"
 * import { QueueAddress, QueueName } from "@queue-runtime/core"
 * import { AwsClient } from "@queue-runtime/provider-aws"
 * import { Effect } from "effect"
 *
 * const purge = Effect.gen(function* () {
 *   const client = yield* AwsClient.AwsClient
 *   const { url } = yield* client.queueOf(QueueAddress.queue(QueueName.makeUnsafe("orders")))
 *   const command = new PurgeQueueCommand({ QueueUrl: url })
 *   yield* client.use((sqs, abortSignal) => sqs.send(command, { abortSignal }))
 * })
 * Effect.isEffect(purge) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options?: AwsConfig.Options,
  over?: TransportOptions
): Layer.Layer<AwsClient, QueueError.QueueError> => Layer.effect(AwsClient, make(options, over))
