/** A handler behind a socket. */
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Fiber from "effect/Fiber"
import * as FiberSet from "effect/FiberSet"
import type * as Scope from "effect/Scope"
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http"
import type * as SqsFaults from "../SqsFaults.ts"
import type * as SqsHttp from "../SqsHttp.ts"

/** The port cannot be had. */
export class ListenFailed extends Data.TaggedError("ListenFailed")<{ readonly cause: unknown }> {}

/** Bytes of a request's body: a message of 1 MiB whose every character is escaped, and some. */
const bodyBytesMax = 16 * 1_048_576

/** Longer than any client keeps an unused connection, so that none is closed under a request. */
const keepAliveMillis = 120_000

export interface Options {
  readonly host: string
  readonly port: number
  readonly handle: SqsHttp.Handle
  /** Whether a call whose socket was closed goes on. */
  readonly forgetDead: boolean
}

type Run = (
  effect: Effect.Effect<SqsHttp.Response, SqsFaults.ConnectionCut>
) => Fiber.Fiber<SqsHttp.Response, SqsFaults.ConnectionCut>

const answer = (
  response: ServerResponse,
  exit: Exit.Exit<SqsHttp.Response, SqsFaults.ConnectionCut>
): void => {
  if (response.destroyed) return
  if (Exit.isFailure(exit)) {
    response.socket?.resetAndDestroy()
    return
  }
  const { body, headers, statusCode } = exit.value
  response.writeHead(statusCode, headers).end(body)
}

const serve =
  (run: Run, { forgetDead, handle }: Options) =>
  (request: IncomingMessage, response: ServerResponse): void => {
    const chunks: Array<Uint8Array> = []
    let bytes = 0
    request.on("data", (chunk: Uint8Array) => {
      bytes += chunk.length
      if (bytes > bodyBytesMax) request.socket.destroy()
      else chunks.push(chunk)
    })
    request.on("end", () => {
      const [first = new Uint8Array()] = chunks
      const fiber = run(
        handle({
          method: request.method ?? "POST",
          path: request.url ?? "/",
          headers: request.headers,
          body: chunks.length < 2 ? first : Buffer.concat(chunks)
        })
      )
      fiber.addObserver((exit) => answer(response, exit))
      if (forgetDead) response.on("close", () => fiber.interruptUnsafe())
    })
  }

const listen = (server: Server, host: string, port: number): Effect.Effect<number, ListenFailed> =>
  Effect.callback<number, ListenFailed>((resume) => {
    server.once("error", (cause) => resume(Effect.fail(new ListenFailed({ cause }))))
    server.listen(port, host, () => {
      server.removeAllListeners("error")
      const address = server.address()
      resume(Effect.succeed(typeof address === "object" && address !== null ? address.port : port))
    })
  })

const close = (server: Server): Effect.Effect<void> =>
  Effect.callback<void>((resume) => {
    server.close(() => resume(Effect.void))
    server.closeAllConnections()
  })

export interface Listening {
  readonly port: number
  /** Closes every socket, does the given thing, and listens again on the same port. */
  readonly restart: (between: Effect.Effect<void>) => Effect.Effect<void, ListenFailed>
}

/** Listens until the scope closes. */
export const start = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Listening, ListenFailed, Scope.Scope> {
  const fibers = yield* FiberSet.make<SqsHttp.Response, SqsFaults.ConnectionCut>()
  const run = yield* FiberSet.runtime(fibers)()
  const server = yield* Effect.acquireRelease(
    Effect.sync(() => {
      const made = createServer({ keepAliveTimeout: keepAliveMillis }, serve(run, options))
      made.requestTimeout = 0
      return made
    }),
    close
  )
  const port = yield* listen(server, options.host, options.port)
  return {
    port,
    restart: (between) =>
      close(server).pipe(
        Effect.andThen(between),
        Effect.andThen(listen(server, options.host, port)),
        Effect.asVoid
      )
  }
})
