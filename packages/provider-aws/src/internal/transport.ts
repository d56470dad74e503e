import { NodeHttpHandler } from "@smithy/node-http-handler"
import { HttpsProxyAgent } from "https-proxy-agent"
import {
  Agent as HttpAgent,
  type ClientRequest,
  type IncomingHttpHeaders,
  type IncomingMessage,
  request as httpRequest
} from "node:http"
import { Agent as HttpsAgent, request as httpsRequest } from "node:https"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import type * as AwsConfig from "../AwsConfig.ts"
import { isLocalHost } from "./localHost.ts"

type Request = Parameters<NodeHttpHandler["handle"]>[0]
type HandlerOptions = NonNullable<Parameters<NodeHttpHandler["handle"]>[1]>
type Answer = Awaited<ReturnType<NodeHttpHandler["handle"]>>

/** Stated, since `NODE_TLS_REJECT_UNAUTHORIZED` and the command line may say otherwise (R10.3). */
const tls = { rejectUnauthorized: true, minVersion: "TLSv1.2" } as const

interface Agents {
  readonly httpAgent: HttpAgent
  readonly httpsAgent: HttpAgent
}

const agents = (config: AwsConfig.AwsConfig): Agents => {
  const shared = { keepAlive: true, maxSockets: config.socketsMax }
  if (config.proxy === undefined) {
    return { httpAgent: new HttpAgent(shared), httpsAgent: new HttpsAgent({ ...shared, ...tls }) }
  }
  const agent = new HttpsProxyAgent(Redacted.value(config.proxy), { ...shared, ...tls })
  // Those of its constructor are for the proxy; these are for the server behind it.
  Object.assign(agent.options, tls)
  return { httpAgent: agent, httpsAgent: agent }
}

/** Plain HTTP to a host that is not local. */
class InsecureEndpoint extends Error {
  override readonly name = "InsecureEndpoint"
  readonly hostname: string

  constructor(hostname: string) {
    super("plain HTTP is for local hosts")
    this.hostname = hostname
  }
}

/** What the SDK's handler calls these, so that both are told by the same table of errors. */
class Aborted extends Error {
  override readonly name = "AbortError"
}

class ConnectTimeout extends Error {
  override readonly name = "TimeoutError"
}

/** Whether nothing of it needs more than a path, headers and a body in one piece: all that SQS is asked. */
const isSimple = (request: Request, { requestTimeout }: HandlerOptions): boolean =>
  requestTimeout === undefined &&
  (typeof request.body === "string" || request.body instanceof Uint8Array) &&
  Object.keys(request.query).length === 0 &&
  request.fragment === undefined &&
  request.username === undefined &&
  request.headers["expect"] === undefined

const headersOf = (headers: IncomingHttpHeaders): Record<string, string> => {
  const all: Record<string, string> = {}
  for (const name in headers) {
    const value = headers[name]
    if (value !== undefined) all[name] = typeof value === "string" ? value : value.join(",")
  }
  return all
}

/** All of a body, then as the SDK's handler gives it. */
const collect = (
  message: IncomingMessage,
  resolve: (answer: Answer) => void,
  reject: (error: Error) => void
): void => {
  const chunks: Array<Buffer> = []
  message.on("data", (chunk: Buffer) => chunks.push(chunk))
  message.once("error", reject)
  message.once("end", () => {
    const [first] = chunks
    const response = {
      statusCode: message.statusCode ?? -1,
      ...(message.statusMessage === undefined ? {} : { reason: message.statusMessage }),
      headers: headersOf(message.headers),
      body: first !== undefined && chunks.length === 1 ? first : Buffer.concat(chunks)
    }
    resolve({ response })
  })
}

/** Without its brackets, which belong to a URL. */
const hostOf = (hostname: string): string =>
  hostname.startsWith("[") ? hostname.slice(1, -1) : hostname

/**
 * The endpoint may come from the environment, unseen by the checks of the options.
 *
 * What SQS is asked goes by Node's own request: the SDK's handler sets four timers a request, collects
 * the body through two streams and takes twice as long. All else is left to it.
 */
export class Transport extends NodeHttpHandler {
  readonly #agents: Agents
  readonly #connectMillis: number

  constructor(config: AwsConfig.AwsConfig) {
    const own = agents(config)
    const connectMillis = Duration.toMillis(config.connectTimeout)
    super({
      ...own,
      connectionTimeout: connectMillis,
      // A call has its own time limit, and an idle socket under a long poll is no failure.
      socketTimeout: 0,
      logger: silent
    })
    this.#agents = own
    this.#connectMillis = connectMillis
  }

  override handle(request: Request, options: HandlerOptions = {}): Promise<Answer> {
    if (request.protocol === "http:" && !isLocalHost(request.hostname)) {
      return Promise.reject(new InsecureEndpoint(request.hostname))
    }
    return isSimple(request, options)
      ? this.#exchange(request, options)
      : super.handle(request, options)
  }

  /** Sockets that carry a request now. */
  get socketsInUse(): number {
    const { httpAgent, httpsAgent } = this.#agents
    const all = httpAgent === httpsAgent ? [httpAgent] : [httpAgent, httpsAgent]
    return all
      .flatMap(({ sockets }) => Object.values(sockets))
      .reduce((sum, some = []) => sum + some.length, 0)
  }

  override destroy(): void {
    super.destroy()
    this.#agents.httpAgent.destroy()
    this.#agents.httpsAgent.destroy()
  }

  #exchange(request: Request, { abortSignal }: HandlerOptions): Promise<Answer> {
    return new Promise((resolve, reject) => {
      if (abortSignal?.aborted === true) return reject(new Aborted("Request aborted"))
      const isSecure = request.protocol === "https:"
      const sent = (isSecure ? httpsRequest : httpRequest)({
        agent: isSecure ? this.#agents.httpsAgent : this.#agents.httpAgent,
        host: hostOf(request.hostname),
        port: request.port,
        method: request.method,
        path: request.path,
        headers: request.headers
      })
      sent.once("response", (message) => collect(message, resolve, reject))
      sent.on("error", reject)
      // One that was there before is connected.
      if (!sent.reusedSocket) this.#limit(sent, reject)
      if (abortSignal instanceof AbortSignal) {
        const abort = (): void => {
          reject(new Aborted("Request aborted"))
          sent.destroy()
        }
        abortSignal.addEventListener("abort", abort, { once: true })
        sent.once("close", () => abortSignal.removeEventListener("abort", abort))
      }
      sent.end(request.body)
    })
  }

  /** Until it has a connection, whether it waits for the server, the proxy or one of our own to be free. */
  #limit(sent: ClientRequest, reject: (error: Error) => void): void {
    const millis = this.#connectMillis
    const timer = setTimeout(() => {
      // Where there is no socket yet, destroying it says nothing.
      reject(new ConnectTimeout(`no connection within the timeout of ${millis} ms`))
      sent.destroy()
    }, millis)
    const clear = () => clearTimeout(timer)
    sent.once("close", clear)
    sent.once("socket", (socket) => {
      if (socket.connecting) socket.once("connect", clear)
      else clear()
    })
  }
}

const nothing = (): void => undefined

/** The SDK would write to the console, which is the application's. */
export const silent = {
  trace: nothing,
  debug: nothing,
  info: nothing,
  warn: nothing,
  error: nothing
}

/** HTTP to SQS: bounded sockets, kept and reused, TLS 1.2 or newer with its checks. */
export const make = (config: AwsConfig.AwsConfig): Transport => new Transport(config)
