import { createServer, type IncomingHttpHeaders } from "node:http"
import type { AddressInfo } from "node:net"
import { Effect } from "effect"

/** A request as it arrived. */
export interface Asked {
  readonly method: string
  readonly path: string
  readonly headers: IncomingHttpHeaders
  readonly body: string
  /** Of the client: one a connection. */
  readonly clientPort: number
}

/** What to answer; `hang` answers never, `reset` cuts the connection. */
export type Answer =
  | {
      readonly status?: number
      readonly headers?: Readonly<Record<string, string>>
      readonly body?: string | object
    }
  | "hang"
  | "reset"

export interface Server {
  readonly url: string
  readonly port: number
  readonly asked: Array<Asked>
  answer: (asked: Asked) => Answer
}

const textOf = (body: string | object | undefined): string =>
  typeof body === "object" ? JSON.stringify(body) : (body ?? "{}")

/** The operation of a request of the JSON protocol: `SendMessageBatch`. */
export const operationOf = ({ headers }: Asked): string =>
  String(headers["x-amz-target"]).replace(/^AmazonSQS\./u, "")

/** A real HTTP server on loopback that answers what it is told to, gone with the scope. */
export const make = (answer: (asked: Asked) => Answer) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<Server & { readonly close: () => void }>((resolve) => {
          const asked: Array<Asked> = []
          const http = createServer((request, response) => {
            const chunks: Array<Buffer> = []
            request.on("data", (chunk: Buffer) => chunks.push(chunk))
            request.on("end", () => {
              const one = {
                method: request.method ?? "",
                path: request.url ?? "",
                headers: request.headers,
                clientPort: request.socket.remotePort ?? 0,
                body: Buffer.concat(chunks).toString("utf8")
              }
              asked.push(one)
              const given = server.answer(one)
              if (given === "hang") return
              if (given === "reset") {
                request.socket.resetAndDestroy()
                return
              }
              response.writeHead(given.status ?? 200, {
                "content-type": "application/x-amz-json-1.0",
                ...given.headers
              })
              response.end(textOf(given.body))
            })
          })
          const server = {
            url: "",
            port: 0,
            asked,
            answer,
            close: () => {
              http.closeAllConnections()
              http.close()
            }
          }
          http.listen(0, "127.0.0.1", () => {
            // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- listening on TCP, so an AddressInfo
            const { port } = http.address() as AddressInfo
            resolve(Object.assign(server, { port, url: `http://127.0.0.1:${port}` }))
          })
        })
    ),
    (server) => Effect.sync(() => server.close())
  )
