import { ServiceBusClient, type ServiceBusClientOptions } from "@azure/service-bus"
import { HttpsProxyAgent } from "https-proxy-agent"
import { WebSocket } from "ws"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { Defaults } from "@queue-runtime/core"
import type * as AzureConfig from "../AzureConfig.ts"
import { closing, type Line } from "./calls.ts"
import * as credentials from "./credentials.ts"
import { closeConnection } from "./inside.ts"
import { SdkClient } from "./sdkClient.ts"

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

/** Makes clients, all with one credential: it remembers its token. */
const maker = (config: AzureConfig.AzureConfig, retryOptions: Limits): (() => ServiceBusClient) => {
  const { connectionString, namespace } = config
  const options = (): ServiceBusClientOptions => ({ retryOptions, ...webSockets(config) })
  if (connectionString !== undefined) {
    return () => new ServiceBusClient(Redacted.value(connectionString), options())
  }
  const credential = credentials.make(config.credentials)
  return () => new ServiceBusClient(namespace ?? "", credential, options())
}

/** One connection: a client of the SDK's, made with its first use and anew when it is lost. */
export class Connection implements Line {
  readonly #limits: Limits
  readonly #config: AzureConfig.AzureConfig
  #make: (() => ServiceBusClient) | undefined
  #sdk: SdkClient | undefined
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

  /** The client of now: not lost, unless all is closed. */
  get sdk(): SdkClient {
    const known = this.#sdk
    if (known !== undefined && (!known.isLost || this.isClosed)) return known
    this.#make ??= maker(this.#config, this.#limits)
    const made = new SdkClient(this.#make(), this.#config.connectTimeout)
    this.#sdk = made
    if (this.isClosed) made.lose()
    return made
  }

  /** Whether the service has answered on it, and it is not lost. */
  get isOpen(): boolean {
    return this.#sdk?.isOpen === true
  }

  /** Links that are open on it. */
  get links(): number {
    return this.#sdk?.links ?? 0
  }

  /**
   * Starts a call under another time limit of the SDK's: it is read before the call first waits. Without
   * it the next free session would be waited for as long as any call may take.
   */
  within<A>(millis: number, start: () => Promise<A>): Promise<A> {
    const { timeoutInMs } = this.#limits
    this.#limits.timeoutInMs = millis
    const started = start()
    this.#limits.timeoutInMs = timeoutInMs
    return started
  }

  get client(): ServiceBusClient {
    return this.sdk.client
  }

  /** Calls once when the client of now is lost; answers how to forget it. */
  onLost(listener: () => void): () => void {
    return this.sdk.onLost(listener)
  }

  /**
   * Closes everything. One frame ends all links at the service, those too that it has not granted yet and
   * that the SDK would wait for; a service that does not answer is not waited for long.
   */
  get close(): Effect.Effect<void> {
    return Effect.suspend(() => {
      this.isClosed = true
      const sdk = this.#sdk
      if (sdk === undefined || sdk.isLost) return Effect.void
      // One that is down has nobody to tell, and a silent one was waited for already.
      const told =
        sdk.isOpen && !sdk.isSilent ? closing(sdk, () => closeConnection(sdk.client)) : Effect.void
      return Effect.andThen(
        told,
        Effect.sync(() => sdk.lose())
      )
    })
  }
}
