import { ListQueuesCommand, SQSClient, type SQSClientConfig } from "@aws-sdk/client-sqs"
import { randomUUID } from "node:crypto"
import * as Predicate from "effect/Predicate"
import { Defaults, Options } from "@queue-runtime/core"
import type * as AwsConfig from "../AwsConfig.ts"
import * as credentials from "./credentials.ts"
import * as hashes from "./hashes.ts"
import * as transport from "./transport.ts"

export type RequestHandler = NonNullable<SQSClientConfig["requestHandler"]>

const configOf = (
  config: AwsConfig.AwsConfig,
  requestHandler: RequestHandler
): SQSClientConfig => ({
  ...Options.defined({ region: config.region, endpoint: config.endpoint }),
  credentials: credentials.make(config.credentials, { region: config.region, requestHandler }),
  requestHandler,
  // Ours decide, and they know what is safe to repeat.
  maxAttempts: 1,
  logger: transport.silent,
  sha256: hashes.Sha256,
  // Where it is forbidden (FIPS), the SDK has one of its own.
  ...(hashes.hasMd5() ? { md5: hashes.Md5 } : {})
})

/** The SDK makes its signer anew for each call. It keeps nothing of one, so one is enough. */
const keepSigner = (client: SQSClient): void => {
  const { signer } = client.config
  let kept: ReturnType<typeof signer> | undefined
  client.config.signer = (scheme) => {
    // Of an endpoint that names a scheme of its own.
    if (scheme !== undefined) return signer(scheme)
    kept ??= signer().catch((error: unknown) => {
      kept = undefined
      throw error
    })
    return kept
  }
}

/**
 * V8 keeps an object that was put together as the SDK does this one as a hash table, and the SDK copies it
 * for each call, more than once. What stands behind another object is laid out anew, and is then copied in
 * an eighth of the time. Where an engine does not do so, nothing has changed.
 */
const layOut = (config: SQSClient["config"]): void => {
  const before: unknown = Object.create(config)
  for (let look = 0; look < looks; look++) regionOf(before)
}

/** As often as makes it notice. */
const looks = 64

const regionOf = (config: unknown): unknown =>
  Predicate.hasProperty(config, "region") ? config.region : undefined

const headersIn = (request: unknown): object | undefined =>
  Predicate.hasProperty(request, "headers") && Predicate.isObject(request.headers)
    ? request.headers
    : undefined

/**
 * One attempt, said as the SDK says it. Its own retries, set to one attempt, make an error for each call
 * in case they need one, with its stack.
 */
const tryOnce = (client: SQSClient): void => {
  client.middlewareStack.add(
    (next) => (args) => {
      const headers = headersIn(args.request)
      if (headers !== undefined) {
        Object.assign(headers, {
          "amz-sdk-invocation-id": randomUUID(),
          "amz-sdk-request": "attempt=1; max=1"
        })
      }
      return next(args)
    },
    { name: "retryMiddleware", step: "finalizeRequest", priority: "high", override: true }
  )
}

type Headers = Readonly<Record<string, string>>

const agentHeaders = ["user-agent", "x-amz-user-agent"] as const

/** What the SDK says of itself in each call: asked for by a call that is never sent. */
const agentOf = (client: SQSClient, config: SQSClientConfig): Promise<Headers> =>
  new Promise((resolve, reject) => {
    const notSent = new Error("not sent")
    const handle = (request: unknown): Promise<never> => {
      const headers: Partial<Record<string, unknown>> = { ...headersIn(request) }
      resolve(
        Object.fromEntries(
          agentHeaders.flatMap((name) => {
            const value = headers[name]
            return typeof value === "string" ? [[name, value]] : []
          })
        )
      )
      return Promise.reject(notSent)
    }
    const { credentials: own, region } = client.config
    const probe = new SQSClient({ ...config, credentials: own, region, requestHandler: { handle } })
    probe.send(new ListQueuesCommand({})).catch(reject)
  })

/** The SDK puts its name together, and makes it harmless, for each call anew: a tenth of what one takes. */
const keepAgent = (client: SQSClient, config: SQSClientConfig): void => {
  let kept: Promise<Headers> | undefined
  const known = (): Promise<Headers> =>
    (kept ??= agentOf(client, config).catch(() => {
      // Without credentials, say. The call itself fails by that too, and says so.
      kept = undefined
      return {}
    }))
  client.middlewareStack.add(
    (inner) => (args) =>
      known().then((agent) => {
        const headers = headersIn(args.request)
        if (headers !== undefined) Object.assign(headers, agent)
        return inner(args)
      }),
    { name: "getUserAgentMiddleware", step: "build", priority: "low", override: true }
  )
}

/** Without what works for the silent logger: a copy of each input and output. */
export const make = (config: AwsConfig.AwsConfig, requestHandler: RequestHandler): SQSClient => {
  const options = configOf(config, requestHandler)
  const client = new SQSClient(options)
  client.middlewareStack.remove("loggerMiddleware")
  tryOnce(client)
  keepSigner(client)
  keepAgent(client, options)
  layOut(client.config)
  follow(client)
  return client
}

/** The signal of each call that is under way: by its input, and then by its request. */
const signals = new WeakMap<object, AbortSignal>()

/** Past what all calls share: from the input to the request that the input became. */
const follow = (client: SQSClient): void => {
  client.middlewareStack.add(
    (next) => (args) => {
      const signal = signals.get(args.input)
      if (signal !== undefined && Predicate.isObject(args.request))
        signals.set(args.request, signal)
      return next(args)
    },
    { name: "queueRuntimeSignalMiddleware", step: "deserialize", priority: "low" }
  )
}

type Config = SQSClient["config"]

/** Aborts a request by the signal that came with its input. */
const carrier = (inner: Config["requestHandler"]): Config["requestHandler"] => ({
  handle: (request, options) => {
    const abortSignal = signals.get(request)
    return inner.handle(request, abortSignal === undefined ? options : { ...options, abortSignal })
  }
})

type Handler<I extends object, O> = (command: {
  readonly input: I
}) => Promise<{ readonly output: O }>

/** A command of the SDK, as far as a call goes by it. */
export interface Command<I extends object, O> {
  readonly input: I
  resolveMiddleware(
    stack: SQSClient["middlewareStack"],
    config: Config,
    options: object
  ): Handler<I, O>
}

/** A command as a function of its input. */
export type Operation<I extends object, O> = (
  client: SQSClient,
  input: I,
  signal: AbortSignal
) => Promise<O>

const originOf = (url: string): string => (URL.canParse(url) ? new URL(url).origin : "")

/** What calls of one command go through, of one client. */
class Handlers<I extends object, O> {
  readonly #byOrigin = new Map<string, Handler<I, O>>()
  #url = ""
  #last: Handler<I, O> | undefined = undefined

  of(client: SQSClient, url: string, blank: () => Command<I, O>): Handler<I, O> {
    if (this.#last !== undefined && this.#url === url) return this.#last
    const origin = originOf(url)
    const known = this.#byOrigin.get(origin)
    const handler = known ?? this.#make(client, blank())
    if (this.#byOrigin.size >= Defaults.sqsOriginsMax) this.#byOrigin.clear()
    this.#byOrigin.set(origin, handler)
    this.#url = url
    this.#last = handler
    return handler
  }

  #make({ config, middlewareStack }: SQSClient, command: Command<I, O>): Handler<I, O> {
    const requestHandler = carrier(config.requestHandler)
    return command.resolveMiddleware(middlewareStack, { ...config, requestHandler }, {})
  }
}

/**
 * What a call goes through at the SDK is put together once for each origin of queues, and not for each
 * call. For each origin, since calls then share what the SDK notes on the way: it notes where the queue is.
 * By a blank command, since it keeps the one it was put together for. Each client has its own, and they
 * go with it.
 */
export const operation = <I extends { readonly QueueUrl?: string | undefined }, O>(
  commandOf: (input: I) => Command<I, O>,
  blank: I
): Operation<I, O> => {
  const byClient = new WeakMap<SQSClient, Handlers<I, O>>()
  const makeBlank = () => commandOf(blank)
  const handlersOf = (client: SQSClient): Handlers<I, O> => {
    const known = byClient.get(client)
    if (known !== undefined) return known
    const handlers = new Handlers<I, O>()
    byClient.set(client, handlers)
    return handlers
  }
  return (client, input, signal) => {
    signals.set(input, signal)
    const handler = handlersOf(client).of(client, input.QueueUrl ?? "", makeBlank)
    return handler({ input }).then(({ output }) => output)
  }
}
