import { ServiceBusClient, type ServiceBusClientOptions } from "@azure/service-bus"
import { HttpsProxyAgent } from "https-proxy-agent"
import { WebSocket } from "ws"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import * as Redacted from "effect/Redacted"
import { Defaults } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"
import * as credentials from "./credentials.ts"
import { at, endTransport } from "./inside.ts"

/** What the SDK reads of its time limits with every call: the object is ours and stays the same. */
interface Limits {
  readonly maxRetries: number
  readonly retryDelayInMs: number
  timeoutInMs: number
}

const webSockets = (
  config: AzureConfig.AzureConfig
): Pick<ServiceBusClientOptions, "webSocketOptions"> => {
  if (config.transport === "amqp") return {}
  const agent =
    config.proxy === undefined
      ? {}
      : {
          webSocketConstructorOptions: { agent: new HttpsProxyAgent(Redacted.value(config.proxy)) }
        }
  return { webSocketOptions: { webSocket: WebSocket, ...agent } }
}

const makeClient = (config: AzureConfig.AzureConfig, retryOptions: Limits): ServiceBusClient => {
  const options: ServiceBusClientOptions = { retryOptions, ...webSockets(config) }
  const { connectionString, namespace } = config
  return connectionString === undefined
    ? new ServiceBusClient(namespace ?? "", credentials.make(config.credentials), options)
    : new ServiceBusClient(Redacted.value(connectionString), options)
}

/** Whether the SDK takes its connection for open. */
const isOpen = (client: ServiceBusClient): boolean => {
  const connection = at(client, "_connectionContext", "connection")
  return (
    Predicate.hasProperty(connection, "isOpen") &&
    typeof connection.isOpen === "function" &&
    connection.isOpen() === true
  )
}

/** The socket of a client, which the SDK keeps to itself; none where it looks otherwise inside. */
export const socketOf = (client: ServiceBusClient): unknown =>
  at(client, "_connectionContext", "connection", "_connection", "socket")

/** One connection: the SDK's client, made with its first use. */
export class Connection {
  readonly #config: AzureConfig.AzureConfig
  readonly #limits: Limits
  #client: ServiceBusClient | undefined
  #socket: unknown
  /** What is told of the loss of a socket. */
  readonly #listeners = new Map<() => void, unknown>()
  isClosed = false

  constructor(config: AzureConfig.AzureConfig) {
    this.#config = config
    const limit = Duration.max(config.connectTimeout, config.requestTimeout)
    this.#limits = {
      // Ours decide, and they know what is safe to repeat.
      maxRetries: 0,
      retryDelayInMs: Duration.toMillis(Defaults.retryDelay),
      // Every call has a limit of its own; this one is for what it leaves behind.
      timeoutInMs: Duration.toMillis(limit)
    }
  }

  get client(): ServiceBusClient {
    return (this.#client ??= makeClient(this.#config, this.#limits))
  }

  /**
   * Starts a call under another time limit of the SDK's: it is read before the call first waits. Without
   * it the next free session would be waited for as long as any call may take.
   */
  within<A>(millis: number, start: (client: ServiceBusClient) => Promise<A>): Promise<A> {
    const { timeoutInMs } = this.#limits
    this.#limits.timeoutInMs = millis
    const started = start(this.client)
    this.#limits.timeoutInMs = timeoutInMs
    return started
  }

  /**
   * Looks whether there is a new socket, and turns off its delay of small frames: with it each request
   * to the service's management and each link costs 40 ms where the other side delays its
   * acknowledgements.
   */
  look(): void {
    const socket = this.#client === undefined ? undefined : socketOf(this.#client)
    if (socket === undefined || socket === this.#socket) return
    this.#socket = socket
    if (Predicate.hasProperty(socket, "setNoDelay") && typeof socket.setNoDelay === "function") {
      socket.setNoDelay(true)
    }
    if (Predicate.hasProperty(socket, "once") && typeof socket.once === "function") {
      for (const event of ["end", "close"]) socket.once(event, () => this.#lost(socket))
    }
  }

  /** What was under way on the socket is never answered, and the SDK does not say so. */
  #lost(socket: unknown): void {
    for (const [listener, own] of this.#listeners) {
      if (own !== socket) continue
      this.#listeners.delete(listener)
      listener()
    }
  }

  /** Calls once when the socket of now is lost; answers how to forget it. */
  onLost(listener: () => void): () => void {
    this.look()
    // While the SDK opens a connection, itself tells what becomes of it.
    if (this.#client === undefined || !isOpen(this.#client)) return () => undefined
    const socket = this.#socket
    this.#listeners.set(listener, socket)
    // The SDK has not noticed yet that the socket is gone, and would write to it.
    if (at(socket, "destroyed") === true || at(socket, "readableEnded") === true) {
      setImmediate(() => this.#lost(socket))
    }
    return () => this.#listeners.delete(listener)
  }

  /** Closes everything; a service that does not answer is not waited for long. */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      const client = this.#client
      return client === undefined
        ? Effect.void
        : Effect.tryPromise(() => client.close()).pipe(
            // One that is down has nobody to tell.
            Effect.timeoutOption(
              isOpen(client) ? Defaults.serviceBusCloseWait : Defaults.idlePause
            ),
            Effect.ignore,
            Effect.andThen(Effect.sync(() => endTransport(client)))
          )
    })
  }
}
