/** A proxy before an SQS server: what becomes of each request, a test or a seed decides. */
import * as Effect from "effect/Effect"
import * as Predicate from "effect/Predicate"
import type * as Scope from "effect/Scope"
import * as http from "node:http"
import { dice, type HttpName, httpNames, type Probabilities, Tally } from "./faults.ts"

/** What becomes of one request. */
export type Fault =
  | { readonly _tag: "Pass" }
  /** The server never sees it. */
  | { readonly _tag: "Answer"; readonly status: number; readonly code: string }
  /** Neither does it, and what answers speaks no JSON. */
  | { readonly _tag: "Gateway"; readonly status: 429 | 503 }
  /** The connection is cut before the server sees it. */
  | { readonly _tag: "Reset" }
  /** The server does it, and nobody hears of it. */
  | { readonly _tag: "LoseReply" }
  /** It is neither passed on nor answered while the proxy stands. */
  | { readonly _tag: "Hang" }
  /** Entries of a batch that the server never sees, and that are reported as failed. */
  | { readonly _tag: "FailEntries"; readonly at: ReadonlySet<number>; readonly code: string }

export const pass: Fault = { _tag: "Pass" }

/** Decides by the action, `SendMessageBatch`, and how many requests of it came before. */
export type Rule = (action: string, before: number) => Fault

export interface SqsProxy {
  readonly endpoint: string
  /** From now on; the counts start again. */
  readonly use: (rule: Rule) => Effect.Effect<void>
  /** Cuts every connection there is. */
  readonly cut: Effect.Effect<void>
  /** Requests so far under the rule of now, by action. */
  readonly counts: () => ReadonlyMap<string, number>
}

const drawn: Readonly<Record<HttpName, Fault>> = {
  unavailable: { _tag: "Gateway", status: 503 },
  "too many requests": { _tag: "Gateway", status: 429 },
  "dropped reply": { _tag: "LoseReply" }
}

/** Draws for each request, and counts what it draws. */
export const chances = (seed: string, probabilities: Probabilities<HttpName>) => {
  const tally = new Tally<HttpName>()
  const own = dice(seed, "requests")
  const rule: Rule = () => {
    const name = own.draw(httpNames, probabilities)
    if (name === undefined) return pass
    tally.add(name)
    return drawn[name]
  }
  return { rule, tally }
}

const read = async (message: http.IncomingMessage): Promise<Buffer> => {
  const chunks: Array<Buffer> = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const forward = (
  target: URL,
  request: http.IncomingMessage,
  body: Buffer
): Promise<{ readonly reply: http.IncomingMessage; readonly body: Buffer }> =>
  new Promise((resolve, reject) => {
    const headers = { ...request.headers, host: target.host, "content-length": body.byteLength }
    const path = request.url ?? "/"
    const options = {
      host: target.hostname,
      port: target.port,
      method: request.method,
      path,
      headers
    }
    const passed = http.request(options, (reply) => {
      read(reply).then((bytes) => resolve({ reply, body: bytes }), reject)
    })
    passed.on("error", reject)
    // A poll that the client gave up is given up here too.
    const abandon = () => passed.destroy()
    request.socket.once("close", abandon)
    // One socket has many requests, one after the other.
    passed.once("close", () => request.socket.off("close", abandon))
    passed.end(body)
  })

const parse = (bytes: Buffer): Record<string, unknown> => {
  const value: unknown = JSON.parse(bytes.toString() || "{}")
  return Predicate.isObject(value) ? { ...value } : {}
}

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const idOf = (entry: unknown): unknown =>
  Predicate.hasProperty(entry, "Id") ? entry.Id : undefined

const failing = async (
  target: URL,
  request: http.IncomingMessage,
  bytes: Buffer,
  { at, code }: Extract<Fault, { _tag: "FailEntries" }>
) => {
  const body = parse(bytes)
  const entries = listOf(body["Entries"])
  const kept = entries.filter((_, index) => !at.has(index))
  const failed = entries
    .filter((_, index) => at.has(index))
    .map((entry) => ({ Id: idOf(entry), Code: code, Message: code, SenderFault: false }))
  if (kept.length === 0)
    return { status: 200, body: Buffer.from(JSON.stringify({ Failed: failed })) }
  const passed = Buffer.from(JSON.stringify({ ...body, Entries: kept }))
  const { body: answer, reply } = await forward(target, request, passed)
  const told = parse(answer)
  const merged = { ...told, Failed: [...listOf(told["Failed"]), ...failed] }
  return { status: reply.statusCode ?? 500, body: Buffer.from(JSON.stringify(merged)) }
}

const json = { "content-type": "application/x-amz-json-1.0" }

const html = { "content-type": "text/html" }

const pageOf = (status: number): string =>
  `<html><head><title>${status}</title></head><body>${status}, says the gateway</body></html>`

const errorOf = (code: string): string =>
  JSON.stringify({ __type: `com.amazonaws.sqs#${code}`, message: `${code} of the proxy` })

/** Stands until the scope closes. */
export const make = (target: string): Effect.Effect<SqsProxy, never, Scope.Scope> =>
  Effect.gen(function* () {
    const url = new URL(target)
    let rule: Rule = () => pass
    let counts = new Map<string, number>()

    const answer = async (request: http.IncomingMessage, response: http.ServerResponse) => {
      const body = await read(request)
      const action = String(request.headers["x-amz-target"]).replace("AmazonSQS.", "")
      const before = counts.get(action) ?? 0
      counts.set(action, before + 1)
      const fault = rule(action, before)
      switch (fault._tag) {
        case "Hang":
          return
        case "Reset":
          request.socket.resetAndDestroy()
          return
        case "Answer":
          response.writeHead(fault.status, json).end(errorOf(fault.code))
          return
        case "Gateway":
          response.writeHead(fault.status, html).end(pageOf(fault.status))
          return
        case "FailEntries": {
          const told = await failing(url, request, body, fault)
          response.writeHead(told.status, json).end(told.body)
          return
        }
        case "LoseReply":
          await forward(url, request, body)
          request.socket.destroy()
          return
        case "Pass": {
          const told = await forward(url, request, body)
          response.writeHead(told.reply.statusCode ?? 500, { ...told.reply.headers }).end(told.body)
        }
      }
    }

    const server = yield* Effect.acquireRelease(
      Effect.callback<http.Server>((resume) => {
        const made = http.createServer((request, response) => {
          // The server behind is gone: so is this connection.
          answer(request, response).catch(() => request.socket.destroy())
        })
        made.listen(0, "127.0.0.1", () => resume(Effect.succeed(made)))
      }),
      (made) =>
        Effect.callback<void>((resume) => {
          made.closeAllConnections()
          made.close(() => resume(Effect.void))
        })
    )
    const address = server.address()
    const port = typeof address === "string" ? address : address?.port
    return {
      endpoint: `http://127.0.0.1:${port ?? 0}`,
      use: (next) =>
        Effect.sync(() => {
          rule = next
          counts = new Map()
        }),
      cut: Effect.sync(() => server.closeAllConnections()),
      counts: () => counts
    }
  })
