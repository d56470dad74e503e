/**
 * HTTP as the dashboard needs it: serving requests whose bodies are small.
 *
 * **Details**
 *
 * Effect's HTTP modules are unstable and touched in this file alone of the dashboard.
 *
 * @since 0.1.0
 */
import * as NodeHttpServer from "@effect/platform-node/NodeHttpServer"
import { QueueError } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as HttpServerRequest from "effect/http/HttpServerRequest"
import * as HttpServerResponse from "effect/http/HttpServerResponse"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import { createServer } from "node:http"

/**
 * The body was not read: it is too large, or the other side hung up.
 *
 * @category errors
 * @since 0.1.0
 */
export class BodyFailed extends Schema.TaggedError<BodyFailed>()("BodyFailed", {
  status: Schema.Int,
  problem: Schema.String
}) {}

/**
 * A request as it comes in.
 *
 * @category models
 * @since 0.1.0
 */
export interface Request {
  readonly method: string
  /** Without the query. */
  readonly path: string
  readonly query: URLSearchParams
  /** The text of a header; its name in lower case. */
  readonly header: (name: string) => string | undefined
  /** The whole body, at most {@link bodyBytesMax}. */
  readonly body: Effect.Effect<Uint8Array, BodyFailed>
}

/**
 * An answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reply {
  readonly status: number
  readonly headers: Readonly<Record<string, string>>
  readonly body: string | Uint8Array
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

/**
 * Bytes of one request's body: some ten thousand ids of dead letters.
 *
 * @category options
 * @since 0.1.0
 */
export const bodyBytesMax = 1024 * 1024

const requestTimeoutMillis = 30_000

const headersTimeoutMillis = 10_000

/** A browser keeps its connections open: nobody waits for them. */
const shutdownWait = Duration.millis(500)

const tooLarge = new BodyFailed({
  status: 413,
  problem: `the body must have at most ${bodyBytesMax} bytes`
})

const endedEarly = new BodyFailed({ status: 400, problem: "the body ended early" })

const readBody = (
  request: HttpServerRequest.HttpServerRequest
): Effect.Effect<Uint8Array, BodyFailed> =>
  Effect.suspend(() => {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    return Stream.runForEach(
      Stream.mapError(request.stream, () => endedEarly),
      (chunk) => {
        bytes += chunk.byteLength
        if (bytes > bodyBytesMax) return Effect.fail(tooLarge)
        chunks.push(chunk)
        return Effect.void
      }
    ).pipe(Effect.map(() => Buffer.concat(chunks)))
  })

const toRequest = (request: HttpServerRequest.HttpServerRequest): Request => {
  const mark = request.url.indexOf("?")
  return {
    method: request.method,
    path: mark === -1 ? request.url : request.url.slice(0, mark),
    query: new URLSearchParams(mark === -1 ? "" : request.url.slice(mark + 1)),
    header: (name) => request.headers[name],
    body: readBody(request)
  }
}

const toResponse = ({ body, headers, status }: Reply): HttpServerResponse.HttpServerResponse => {
  const options = {
    status,
    headers,
    contentType: headers["content-type"] ?? "text/plain; charset=utf-8"
  }
  return typeof body === "string"
    ? HttpServerResponse.text(body, options)
    : HttpServerResponse.uint8Array(body, options)
}

/**
 * Serves until the scope closes. Answers the port it listens on.
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
}: ServeOptions): Effect.fn.Return<number, QueueError.QueueError, Scope.Scope> {
  const server = yield* NodeHttpServer.make(
    () =>
      createServer({ requestTimeout: requestTimeoutMillis, headersTimeout: headersTimeoutMillis }),
    { host, port, gracefulShutdownTimeout: shutdownWait }
  ).pipe(
    Effect.mapError((error) =>
      QueueError.configurationInvalid(
        "host, port",
        `cannot listen on ${host}:${port}: ${error.cause instanceof Error ? error.cause.message : error.message}`
      )
    )
  )
  yield* server.serve(
    Effect.flatMap(HttpServerRequest.HttpServerRequest, (request) =>
      // Requests run uninterruptible unless told otherwise, and a client that leaves would stay.
      Effect.map(Effect.interruptible(handler(toRequest(request))), toResponse)
    )
  )
  const { address } = server
  return address._tag === "UnixPathAddress" ? port : address.port
})
