/**
 * The SDK's clients with their scope: what the provider is built on, and the way past it for what
 * Service Bus has and the port has not.
 *
 * **Details**
 *
 * A connection is made with the first call that needs it and closed, its links with it, when the scope
 * closes; the SDK's code is loaded when the first client is made, and not with this package. The SDK never
 * retries: that is a policy's work, and its own retries would multiply with it. Every call has a time
 * limit, and an interrupted one is aborted.
 *
 * **Gotchas**
 *
 * A client of the SDK's lives as long as its connection. The SDK can open it again, but what was begun
 * meanwhile may hang in it for ever: so a connection that is lost, or that leaves three calls in a row
 * without an answer, is made anew with a client of its own. A sender or receiver that was made in `use`
 * is of no use after that: make it in each call.
 *
 * @since 0.1.0
 */
import type { ServiceBusClient } from "@azure/service-bus"
import * as Context from "effect/Context"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type * as Scope from "effect/Scope"
import { Options, ProviderMetrics, type QueueError, SdkVersion } from "@queue-runtime/core"
import * as AzureConfig from "./AzureConfig.ts"
import * as calls from "./internal/calls.ts"
import type * as connection from "./internal/connection.ts"
import * as errors from "./internal/errors.ts"
import { installed } from "./internal/installed.ts"

/**
 * One connection, for the provider. Its inside may change with any version.
 *
 * @category models
 * @since 0.1.0
 */
export type Connection = connection.Connection

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
  /** Default: `connectTimeout` of the options, since the call may be the first one. */
  readonly timeout?: Duration.Duration
}

/**
 * The methods of the client.
 *
 * @category services
 * @since 0.1.0
 */
export interface Service {
  /** The options, checked and complete. */
  readonly config: AzureConfig.AzureConfig
  /** The connections, at least one. */
  readonly connections: readonly [Connection, ...ReadonlyArray<Connection>]
  /**
   * Makes one call with the SDK's client of the first connection; `signal` aborts when the caller is
   * interrupted or its time is over.
   *
   * **Errors** every error of the SDK as a `QueueError`, the original as its cause · Timeout ·
   * ConnectionFailed when the client is closed
   */
  readonly use: <A>(
    f: (client: ServiceBusClient, signal: AbortSignal) => Promise<A>,
    call?: Call
  ) => Effect.Effect<A, QueueError.QueueError>
}

/**
 * The tag of the client.
 *
 * @category services
 * @since 0.1.0
 */
export class AzureClient extends Context.Service<AzureClient, Service>()(
  "@queue-runtime/provider-azure/AzureClient"
) {}

/** All that imports the SDK's code, which takes longer to load than all else together. */
const load = Effect.promise(() => import("./internal/connection.ts"))

const open = (
  { Connection: Opened }: typeof connection,
  config: AzureConfig.AzureConfig
): Effect.Effect<Connection, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => new Opened(config)),
    (self) => self.close
  )

/**
 * A client of these options, closed with its scope.
 *
 * **Errors** ConfigurationInvalid: an option, or a version of the SDK outside the supported range
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: (
  options: AzureConfig.Options
) => Effect.Effect<Service, QueueError.QueueError, Scope.Scope> = Effect.fnUntraced(
  function* (options) {
    const config = yield* AzureConfig.make(options)
    yield* SdkVersion.check(installed)
    const loaded = yield* load
    const opened: Array<Connection> = []
    // Before they are there, and so until they are closed.
    yield* ProviderMetrics.watch(errors.provider, () => ({
      connections: opened.filter((one) => one.isOpen).length,
      links: opened.reduce((sum, { links }) => sum + links, 0)
    }))
    const first = yield* open(loaded, config)
    const others = yield* Effect.forEach(Array.from({ length: config.connections - 1 }), () =>
      open(loaded, config)
    )
    opened.push(first, ...others)
    const use: Service["use"] = (f, { operation = "use", queue, timeout } = {}) =>
      calls.call(
        first,
        { operation, ...Options.defined({ queue }) },
        timeout ?? config.connectTimeout,
        (signal) => f(first.client, signal)
      )
    return { config, connections: [first, ...others], use }
  }
)

/**
 * A client of these options.
 *
 * **Errors** ConfigurationInvalid
 *
 * **Example** (Past the port)
 *
 * ```ts
 * import { AzureClient } from "@queue-runtime/provider-azure"
 * import { Effect } from "effect"
 *
 * const host = Effect.flatMap(AzureClient.AzureClient, (client) =>
 *   client.use((sdk) => Promise.resolve(sdk.fullyQualifiedNamespace))
 * )
 * const layer = AzureClient.layer({ namespace: "acme.servicebus.windows.net" })
 * await Effect.runPromise(Effect.provide(host, layer)) // => "acme.servicebus.windows.net"
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: AzureConfig.Options
): Layer.Layer<AzureClient, QueueError.QueueError> => Layer.effect(AzureClient, make(options))
