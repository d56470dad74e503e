import { NodeHttpHandler, type NodeHttpHandlerOptions } from "@smithy/node-http-handler"
import { HttpsProxyAgent } from "https-proxy-agent"
import { Agent as HttpAgent } from "node:http"
import { Agent as HttpsAgent } from "node:https"
import * as Duration from "effect/Duration"
import * as Redacted from "effect/Redacted"
import type * as AwsConfig from "../AwsConfig.ts"
import { isLocalHost } from "./localHost.ts"

type Request = Parameters<NodeHttpHandler["handle"]>[0]
type HandlerOptions = Parameters<NodeHttpHandler["handle"]>[1]

/** Stated, since `NODE_TLS_REJECT_UNAUTHORIZED` and the command line may say otherwise (R10.3). */
const tls = { rejectUnauthorized: true, minVersion: "TLSv1.2" } as const

const agents = (
  config: AwsConfig.AwsConfig
): Pick<NodeHttpHandlerOptions, "httpAgent" | "httpsAgent"> => {
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
}

/** The endpoint may come from the environment, unseen by the checks of the options. */
class Transport extends NodeHttpHandler {
  override handle(request: Request, options?: HandlerOptions) {
    return request.protocol === "http:" && !isLocalHost(request.hostname)
      ? Promise.reject(new InsecureEndpoint("plain HTTP is for local hosts"))
      : super.handle(request, options)
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
export const make = (config: AwsConfig.AwsConfig): NodeHttpHandler =>
  new Transport({
    ...agents(config),
    connectionTimeout: Duration.toMillis(config.connectTimeout),
    // A call has its own time limit, and an idle socket under a long poll is no failure.
    socketTimeout: 0,
    logger: silent
  })
