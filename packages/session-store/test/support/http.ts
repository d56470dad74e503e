import { createServer, request, type RequestListener } from "node:http"
import { Effect } from "effect"

/** A real server on loopback, gone with the scope; its address. */
export const serve = (listen: RequestListener) =>
  Effect.acquireRelease(
    Effect.promise(
      () =>
        new Promise<{ readonly url: string; readonly close: () => void }>((resolve) => {
          const server = createServer(listen)
          server.listen(0, "127.0.0.1", () => {
            const address = server.address()
            const port = typeof address === "object" && address !== null ? address.port : 0
            resolve({
              url: `http://127.0.0.1:${port}`,
              close: () => {
                server.closeAllConnections()
                server.close()
              }
            })
          })
        })
    ),
    ({ close }) => Effect.sync(close)
  ).pipe(Effect.map(({ url }) => url))

/** What a DynamoDB would answer, by operation; `hang` answers never. */
export type Answer = { readonly status: number; readonly body: object } | "hang"

export const serveAnswers = (answer: (operation: string) => Answer) =>
  serve((asked, response) => {
    asked.resume()
    const given = answer(String(asked.headers["x-amz-target"]).split(".")[1] ?? "")
    if (given === "hang") return
    response.writeHead(given.status, { "content-type": "application/x-amz-json-1.0" })
    response.end(JSON.stringify(given.body))
  })

/** Hands everything on to `target`, and breaks the line before an answer where it is told to. */
export const serveProxy = (target: string, breaks: (operation: string) => boolean) =>
  serve((asked, response) => {
    const operation = String(asked.headers["x-amz-target"]).split(".")[1] ?? ""
    const { headers, method } = asked
    const onward = request(target, { method, headers }, (answer) => {
      if (breaks(operation)) {
        answer.resume().on("end", () => response.destroy())
        return
      }
      response.writeHead(answer.statusCode ?? 500, answer.headers)
      answer.pipe(response)
    })
    asked.pipe(onward)
  })
