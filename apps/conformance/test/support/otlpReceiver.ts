/** A receiver of OTLP over HTTP, as a collector is one: it keeps what it is sent. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { createServer, type Server } from "node:http"
import { text } from "node:stream/consumers"

const Attribute = Schema.Struct({
  key: Schema.String,
  value: Schema.Record(Schema.String, Schema.Unknown)
})

const Span = Schema.Struct({
  traceId: Schema.String,
  spanId: Schema.String,
  parentSpanId: Schema.optionalKey(Schema.String),
  name: Schema.String,
  kind: Schema.Int,
  attributes: Schema.Array(Attribute),
  links: Schema.Array(Schema.Struct({ traceId: Schema.String, spanId: Schema.String })),
  status: Schema.Struct({ code: Schema.Int, message: Schema.optionalKey(Schema.String) })
})

/** A span as it came over the wire. */
export type Span = typeof Span.Type

const Traces = Schema.Struct({
  resourceSpans: Schema.Array(
    Schema.Struct({ scopeSpans: Schema.Array(Schema.Struct({ spans: Schema.Array(Span) })) })
  )
})

const Metrics = Schema.Struct({
  resourceMetrics: Schema.Array(
    Schema.Struct({
      scopeMetrics: Schema.Array(
        Schema.Struct({ metrics: Schema.Array(Schema.Struct({ name: Schema.String })) })
      )
    })
  )
})

const Logs = Schema.Struct({
  resourceLogs: Schema.Array(
    Schema.Struct({
      scopeLogs: Schema.Array(
        Schema.Struct({
          logRecords: Schema.Array(
            Schema.Struct({
              attributes: Schema.Array(Attribute),
              traceId: Schema.optionalKey(Schema.String)
            })
          )
        })
      )
    })
  )
})

const decoding = <A, I>(codec: Schema.Codec<A, I>) =>
  Schema.decodeUnknownSync(Schema.fromJsonString(codec))

const [traces, metrics, logs] = [decoding(Traces), decoding(Metrics), decoding(Logs)]

const listening = (server: Server): Promise<number> =>
  new Promise((resolve, reject) => {
    server.once("error", reject)
    server.listen(0, "127.0.0.1", () => {
      const address = server.address()
      resolve(typeof address === "object" && address !== null ? address.port : 0)
    })
  })

/** Listens until the scope closes. */
export const make = Effect.gen(function* () {
  const posts: Array<{ readonly path: string; readonly body: string }> = []
  const server = createServer((request, response) => {
    const answer = async () => {
      posts.push({ path: request.url ?? "", body: await text(request) })
      response.writeHead(200, { "content-type": "application/json" }).end("{}")
    }
    void answer()
  })
  const port = yield* Effect.acquireRelease(
    Effect.promise(() => listening(server)),
    () =>
      Effect.promise(
        () =>
          new Promise<void>((resolve) => {
            server.close(() => resolve())
            server.closeAllConnections()
          })
      )
  )
  const bodies = (path: string) =>
    posts.filter((post) => post.path === path).map(({ body }) => body)
  return {
    baseUrl: `http://127.0.0.1:${port}`,
    spans: () =>
      bodies("/v1/traces").flatMap((body) =>
        traces(body).resourceSpans.flatMap(({ scopeSpans }) =>
          scopeSpans.flatMap(({ spans }) => spans)
        )
      ),
    metricNames: () =>
      bodies("/v1/metrics").flatMap((body) =>
        metrics(body).resourceMetrics.flatMap(({ scopeMetrics }) =>
          scopeMetrics.flatMap((scope) => scope.metrics.map(({ name }) => name))
        )
      ),
    logs: () =>
      bodies("/v1/logs").flatMap((body) =>
        logs(body).resourceLogs.flatMap(({ scopeLogs }) =>
          scopeLogs.flatMap(({ logRecords }) => logRecords)
        )
      ),
    /** Everything that came, as it came. */
    all: () => posts.map(({ body }) => body).join("\n")
  }
})
