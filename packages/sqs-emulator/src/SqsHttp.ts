/**
 * SQS's two HTTP protocols over a broker, without a socket: a request in, a response out.
 *
 * **Details**
 *
 * A request with `x-amz-target` speaks the JSON protocol, one with an `Action` in its form or its query
 * the query protocol. Queue URLs begin with the host that the request was sent to, so that a proxy in
 * front stays in front.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as query from "./internal/query.ts"
import type * as SqsBroker from "./SqsBroker.ts"
import * as SqsError from "./SqsError.ts"
import type * as SqsFaults from "./SqsFaults.ts"

/**
 * A request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly method: string
  /** With its query, if there is one. */
  readonly path: string
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly body: Uint8Array
}

/**
 * A response.
 *
 * @category models
 * @since 0.1.0
 */
export interface Response {
  readonly statusCode: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: Uint8Array
}

/**
 * How requests are answered.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  /**
   * The access key ids that are let in; everybody is when left out. A signature is never checked.
   */
  readonly accessKeyIds?: ReadonlyArray<string>
}

/**
 * Answers a request. It fails only where the connection is to be cut without an answer.
 *
 * @category models
 * @since 0.1.0
 */
export type Handle = (request: Request) => Effect.Effect<Response, SqsFaults.ConnectionCut>

/** One way of speaking. */
interface Protocol {
  readonly action: string
  readonly input: Result.Result<Readonly<Record<string, unknown>>, SqsError.SqsError>
  readonly answer: (output: object, requestId: string) => Response
  readonly refuse: (error: SqsError.SqsError, requestId: string) => Response
}

const header = ({ headers }: Request, name: string): string | undefined => {
  const value = headers[name]
  return typeof value === "string" ? value : value?.[0]
}

const response = (
  statusCode: number,
  contentType: string,
  requestId: string,
  body: string,
  more?: Readonly<Record<string, string>>
): Response => {
  const bytes = Buffer.from(body)
  return {
    statusCode,
    headers: {
      "x-amzn-requestid": requestId,
      "content-type": contentType,
      "content-length": String(bytes.length),
      ...more
    },
    body: bytes
  }
}

const jsonType = "application/x-amz-json-1.0"

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

const textOf = ({ body }: Request): string =>
  Buffer.from(body.buffer, body.byteOffset, body.byteLength).toString("utf8")

const malformed = SqsError.make("MalformedInput", "The request body is not a JSON structure.")

const parse = (
  text: string
): Result.Result<Readonly<Record<string, unknown>>, SqsError.SqsError> => {
  const parsed = Result.try({
    try: (): unknown => (text === "" ? {} : JSON.parse(text)),
    catch: () => malformed
  })
  return Result.filterOrFail(parsed, isRecord, () => malformed)
}

const target = "AmazonSQS."

const json = (request: Request, name: string): Protocol => ({
  action: name.startsWith(target) ? name.slice(target.length) : name,
  input: parse(textOf(request)),
  answer: (output, requestId) => response(200, jsonType, requestId, JSON.stringify(output)),
  refuse: (error, requestId) => {
    const who = error.senderFault ? "Sender" : "Receiver"
    const body = JSON.stringify({ __type: error.shape, message: error.message })
    return response(error.status, jsonType, requestId, body, {
      "x-amzn-query-error": `${error.code};${who}`
    })
  }
})

const form = (request: Request): Protocol => {
  const mark = request.path.indexOf("?")
  const path = mark === -1 ? request.path : request.path.slice(0, mark)
  const inPath = mark === -1 ? "" : request.path.slice(mark + 1)
  const { action, input } = query.read([inPath, textOf(request)].filter(Boolean).join("&"))
  const withUrl =
    input["QueueUrl"] === undefined && path.length > 1 ? { ...input, QueueUrl: path } : input
  return {
    action,
    input: Result.succeed(withUrl),
    answer: (output, requestId) =>
      response(200, "text/xml", requestId, query.answer(action, output, requestId)),
    refuse: (error, requestId) =>
      response(error.status, "text/xml", requestId, query.refusal(error, requestId))
  }
}

const credential = /Credential=([^/,\s]+)\//u

/** Why somebody is not let in. */
const authenticate = (
  request: Request,
  { accessKeyIds }: Options
): SqsError.SqsError | undefined => {
  if (accessKeyIds === undefined) return undefined
  const authorization = header(request, "authorization")
  if (authorization === undefined) {
    return SqsError.make(
      "MissingAuthenticationToken",
      "Request must contain either a valid (registered) AWS access key ID or X.509 certificate."
    )
  }
  const id = credential.exec(authorization)?.[1]
  if (id === undefined) {
    return SqsError.make("IncompleteSignature", "The authorization header names no credential.")
  }
  return accessKeyIds.includes(id)
    ? undefined
    : SqsError.make(
        "InvalidClientTokenId",
        "The security token included in the request is invalid."
      )
}

/**
 * Answers requests by a broker.
 *
 * **Example** (A call of the query protocol)
 * ```ts
 * import { SqsBroker, SqsHttp } from "@queue-runtime/sqs-emulator"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const handle = SqsHttp.make(yield* SqsBroker.make())
 *   const path = "/?Action=CreateQueue&QueueName=orders"
 *   return yield* handle({ method: "GET", path, headers: {}, body: new Uint8Array() })
 * })
 * const { statusCode } = await Effect.runPromise(Effect.scoped(program))
 * statusCode // => 200
 * ```
 * @category constructors
 * @since 0.1.0
 */
export const make = (broker: SqsBroker.Service, options: Options = {}): Handle => {
  let answered = 0
  const nextId = (): string => {
    answered++
    return `00000000-0000-4000-a000-${answered.toString(16).padStart(12, "0")}`
  }
  return (request) =>
    Effect.suspend(() => {
      const requestId = nextId()
      const name = header(request, "x-amz-target")
      const protocol = name === undefined ? form(request) : json(request, name)
      const refuse = (error: SqsError.SqsError) => Effect.succeed(protocol.refuse(error, requestId))
      const stranger = authenticate(request, options)
      if (stranger !== undefined) return refuse(stranger)
      if (Result.isFailure(protocol.input)) return refuse(protocol.input.failure)
      const host = header(request, "host")
      return broker
        .call(
          protocol.action,
          protocol.input.success,
          host === undefined ? undefined : { endpoint: `http://${host}` }
        )
        .pipe(
          Effect.map((output) => protocol.answer(output, requestId)),
          Effect.catchTag("SqsError", refuse)
        )
    })
}

/**
 * What an AWS SDK for JavaScript takes as its `requestHandler`, so that it speaks to a broker without a
 * socket.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestHandler {
  readonly metadata: { readonly handlerProtocol: string }
  readonly handle: (
    request: {
      readonly method: string
      readonly path: string
      readonly hostname: string
      readonly port?: number | undefined
      readonly query?: unknown
      readonly headers: Readonly<Record<string, string>>
      readonly body?: unknown
    },
    options?: { readonly abortSignal?: unknown }
  ) => Promise<{ readonly response: Response }>
  readonly destroy: () => void
  readonly updateHttpClientConfig: () => void
  readonly httpHandlerConfigs: () => Record<string, never>
}

class SocketError extends Data.Error<{ readonly message: string; readonly code: string }> {}

const bytesOf = (body: unknown): Uint8Array => {
  if (body instanceof Uint8Array) return body
  return Buffer.from(typeof body === "string" ? body : "")
}

const lowerCase = (headers: Readonly<Record<string, string>>): Record<string, string> =>
  Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

/**
 * A `requestHandler` for an AWS SDK for JavaScript.
 *
 * **Details**
 *
 * A cut connection rejects with the code `ECONNRESET`, as a socket's would. An aborted request is
 * interrupted: a poll is taken off.
 *
 * @category constructors
 * @since 0.1.0
 */
export const requestHandler = (handle: Handle): Effect.Effect<RequestHandler> =>
  Effect.map(Effect.context(), (context) => {
    const run = Effect.runPromiseWith(context)
    return {
      metadata: { handlerProtocol: "http/1.1" },
      handle: ({ body, headers, hostname, method, path, port }, { abortSignal } = {}) => {
        const host = port === undefined ? hostname : `${hostname}:${port}`
        const answered = handle({
          method,
          path,
          headers: { host, ...lowerCase(headers) },
          body: bytesOf(body)
        }).pipe(
          Effect.map((made) => ({ response: made })),
          Effect.mapError(() => new SocketError({ message: "socket hang up", code: "ECONNRESET" }))
        )
        return run(answered, abortSignal instanceof AbortSignal ? { signal: abortSignal } : {})
      },
      destroy: () => undefined,
      updateHttpClientConfig: () => undefined,
      httpHandlerConfigs: () => ({})
    }
  })
