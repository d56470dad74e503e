import { createServer, type IncomingHttpHeaders, type RequestListener } from "node:http"
import { createServer as createTlsServer } from "node:https"
import { Effect } from "effect"
import { cert, key } from "./selfSigned.ts"

/** A request as it arrived. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

/** What to answer; `hang` answers never. */
export type Answer =
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: object
    }
  | "hang"

export interface Server {
  readonly url: string
  readonly asked: Array<Asked>
  answer: (asked: Asked) => Answer
}

/** A real server on loopback that answers what it is told to, gone with the scope. */
export const serve = (answer: (asked: Asked) => Answer, protocol: "http" | "https" = "http") =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Server & { readonly close: () => void }>((resolve) => {
          const asked: Array<Asked> = []
          const listen: RequestListener = (request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              const { headers, method = "", url: path = "" } = request
              const body = Buffer.concat(chunks).toString("utf8")
              const one = { method, path, headers, body }
              asked.push(one)
              const given = server.answer(one)
              if (given === "hang") return
              const type = { "content-type": "application/json" }
              response.writeHead(given.status ?? 200, { ...type, ...given.headers })
              response.end(JSON.stringify(given.body ?? {}))
            })
          }
          const http =
            protocol === "http" ? createServer(listen) : createTlsServer({ cert, key }, listen)
          const server = {
            url: "",
            asked,
            answer,
            close: () => {
              http.closeAllConnections()
              http.close()
            }
          }
          http.listen(0, "localhost", () => {
            const address = http.address()
            const port = typeof address === "object" ? address?.port : undefined
            resolve(Object.assign(server, { url: `${protocol}://localhost:${port}` }))
          })
        })
    ),
    (server) => Effect.sync(() => server.close())
  )
