/**
 * HTTP as this application needs it: serving requests, and posting one.
 *
 * **Details**
 *
 * Effect's HTTP modules are unstable and touched in this file alone; everyone else knows the few types
 * below.
 *
 * @since 0.1.0
 */
import * as NodeHttpClient from "@effect/platform-node/NodeHttpClient"
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import * as NodeHttpServerRequest from "@effect/platform-node/NodeHttpServerRequest"
import { QueueError } from "@queue-runtime/core"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpClient from "effect/http/HttpClient"
import * as HttpClientRequest from "effect/http/HttpClientRequest"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"

/**
 * No answer, or half a request: the other side is not there, hung up or took too long.
 *
 * @category errors
 * @since 0.1.0
 */
export class HttpFailed extends Schema.TaggedError<HttpFailed>()("HttpFailed", {
  detail: Schema.String
}) {
  override get message(): string {
    return this.detail
  }
}

/**
 * A request as it comes in; its body is read when somebody asks for it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly method: string
  /** Without the query. */
  readonly path: string
  /** The text of a header; its name in lower case. */
  readonly header: (name: string) => string | undefined
  readonly body: Stream.Stream<Uint8Array, HttpFailed>
}

/**
 * An answer: JSON, or `"hang up"` to cut the connection without one.
 *
 * @category models
 * @since 0.1.0
 */
export type Reply =
  | "hang up"
  | {
      readonly status: number
      readonly headers?: Readonly<Record<string, string>>
      readonly json: unknown
    }

/**
 * Where to listen.
 *
 * @category options
 * @since 0.1.0
 */
export interface ServeOptions {
  readonly host: string
  /** 0 takes a free one. */
  readonly port: number
  readonly handler: (request: Request) => Effect.Effect<Reply>
}

/** GitHub gives up after 10 s; a sender that takes longer than this ties up a connection for nothing. */
const requestTimeoutMillis = 30_000

const headersTimeoutMillis = 10_000

/** Requests under way may end when the server closes. */
const shutdownWait = Duration.seconds(10)

const failed = (error: unknown): HttpFailed =>
  new HttpFailed({ detail: error instanceof Error ? error.message : "the connection failed" })

const toRequest = (request: HttpServerRequest.HttpServerRequest): Request => ({
  method: request.method,
  path: request.url.split("?", 1)[0] ?? request.url,
  header: (name) => request.headers[name],
  body: Stream.mapError(request.stream, failed)
})

const toResponse = (
  request: HttpServerRequest.HttpServerRequest,
  reply: Reply
): HttpServerResponse.HttpServerResponse => {
  if (reply === "hang up") {
    NodeHttpServerRequest.toIncomingMessage(request).socket.destroy()
    return HttpServerResponse.empty({ status: 500 })
  }
  return HttpServerResponse.text(JSON.stringify(reply.json), {
    status: reply.status,
    contentType: "application/json",
    headers: reply.headers ?? {}
  })
}

/**
 * Serves until the scope closes; requests under way may then end. Answers the address it listens on.
 *
 * **Errors** ConfigurationInvalid when it cannot listen there.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function* ({
  handler,
  host,
  port
}: ServeOptions): Effect.fn.Return<string, QueueError.QueueError, Scope.Scope> {
  const server = yield* NodeHttpServer.make(
    () =>
      createServer({ requestTimeout: requestTimeoutMillis, headersTimeout: headersTimeoutMillis }),
    { host, port, gracefulShutdownTimeout: shutdownWait }
  ).pipe(
    Effect.mapError((error) =>
      QueueError.configurationInvalid(
        "HOST, PORT",
        `cannot listen on ${host}:${port}: ${error.cause instanceof Error ? error.cause.message : error.message}`
      )
    )
  )
  yield* server.serve(
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      // Requests run uninterruptible unless told otherwise, and a client that leaves would stay.
      Effect.map(Effect.interruptible(handler(toRequest(request))), (reply) =>
        toResponse(request, reply)
      )
    )
  )
  const { address } = server
  const actual = address._tag === "UnixPathAddress" ? port : address.port
  return `http://${host.includes(":") ? `[${host}]` : host}:${actual}`
})

/**
 * What to post, and how long to wait for the answer.
 *
 * @category options
 * @since 0.1.0
 */
export interface PostOptions {
  readonly url: string
  readonly headers?: Readonly<Record<string, string>>
  /** A stream is sent in chunks, without a length. */
  readonly body: Uint8Array | Stream.Stream<Uint8Array>
  readonly method?: "POST" | "PUT"
  readonly timeout: Duration.Input
}

/**
 * What came back.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly status: number
  readonly header: (name: string) => string | undefined
  readonly text: string
}

/**
 * Posts over connections that are kept.
 *
 * @category services
 * @since 0.1.0
 */
export class Client extends Context.Service<
  Client,
  {
    /**
     * Posts once. Any status is an answer.
     *
     * **Errors** HttpFailed
     */
    readonly post: (options: PostOptions) => Effect.Effect<Answer, HttpFailed>
  }
>()("@queue-runtime/webhook-bot/Http/Client") {}

const toClientRequest = ({ body, headers = {}, method = "POST", url }: PostOptions) => {
  const request = HttpClientRequest.make(method)(url, { headers })
  const contentType = headers["content-type"] ?? "application/octet-stream"
  return body instanceof Uint8Array
    ? HttpClientRequest.bodyUint8Array(request, body, contentType)
    : HttpClientRequest.bodyStream(request, body, { contentType })
}

const causeOf = (error: { readonly cause?: unknown; readonly message: string }): string =>
  error.cause instanceof Error ? error.cause.message : error.message

/**
 * The client, on Node's own HTTP.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerClient: Layer.Layer<Client> = Layer.effect(
  Client,
  Effect.map(HttpClient.HttpClient, (http) => ({
    post: (options: PostOptions) =>
      http.execute(toClientRequest(options)).pipe(
        Effect.flatMap((response) =>
          Effect.map(response.text, (text) => ({
            status: response.status,
            header: (name: string) => response.headers[name],
            text
          }))
        ),
        Effect.mapError((error) => new HttpFailed({ detail: causeOf(error.reason) })),
        Effect.timeoutOption(options.timeout),
        Effect.flatMap(
          Option.match({
            onNone: () => Effect.fail(new HttpFailed({ detail: "no answer in time" })),
            onSome: Effect.succeed
          })
        )
      )
  }))
).pipe(Layer.provide(NodeHttpClient.layerNodeHttpOptions({ keepAlive: true })))
