/**
 * What the page asks and what it is answered.
 *
 * **Details**
 *
 * | request | answer |
 * |---|---|
 * | `GET /api/overview` | provider, queues, and the newest sample of each |
 * | `GET /api/series?queue&after` | the samples of a queue |
 * | `GET /api/letters?queue&cursor&size&reason` | a page of dead letters |
 * | `GET /api/letter?queue&id` | one in full |
 * | `GET /api/letter/body?queue&id` | its body, to be saved |
 * | `GET /api/trend?queue` | dead letters by reason over time |
 * | `GET /api/jobs?queue` | replays and purges, newest first |
 * | `POST /api/replay`, `/api/purge` | 202 and the job; 409 while another works on the queue |
 * | `POST /api/cancel` | ends a job |
 *
 * Errors are `{ "error": { "reason", "message" } }`. A purge must name the queue twice.
 *
 * @since 0.1.0
 */
import {
  Capabilities,
  DeadLetters,
  Options as CoreOptions,
  QueueClient,
  QueueError,
  type QueueName,
  type QueueStatistics
} from "@queue-runtime/core"
import * as Cache from "effect/Cache"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import type * as Access from "./Access.ts"
import * as Assets from "./Assets.ts"
import type * as Http from "./Http.ts"
import type * as Jobs from "./Jobs.ts"
import * as Letters from "./Letters.ts"
import type * as Sampler from "./Sampler.ts"

/**
 * What the answers are made of.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly queues: ReadonlyArray<QueueName.QueueName>
  readonly every: Duration.Duration
  /** Whether nothing may be replayed or purged. */
  readonly isReadOnly: boolean
  readonly access: Access.Access
  readonly sampler: Sampler.Service
  readonly jobs: Jobs.Service
}

class Refused extends Schema.TaggedError<Refused>()("Refused", {
  status: Schema.Int,
  reason: Schema.String,
  problem: Schema.String
}) {}

type Failure = Http.BodyFailed | QueueError.QueueError | Refused

const refuse = (status: number, reason: string, problem: string) =>
  Effect.fail(new Refused({ status, reason, problem }))

const json = (body: unknown, status = 200): Http.Reply => ({
  status,
  headers: { ...Assets.securityHeaders, "content-type": "application/json" },
  body: JSON.stringify(body)
})

const failed = (status: number, reason: string, message: string): Http.Reply =>
  json({ error: { reason, message } }, status)

const statusOf: Readonly<Record<string, number>> = {
  QueueNotFound: 404,
  ValidationFailed: 400,
  UnsupportedOperation: 501,
  PermissionDenied: 502,
  AuthenticationFailed: 502
}

const ofQueue = (error: QueueError.QueueError): Http.Reply => {
  const { _tag } = error.reason
  const status = statusOf[_tag] ?? (QueueError.isTransient(error) ? 503 : 502)
  return failed(status, _tag, error.message)
}

const Selection = Schema.Union([
  Schema.TaggedStruct("All", {}),
  Schema.TaggedStruct("Ids", {
    ids: Schema.Array(Schema.String).check(Schema.isMinLength(1), Schema.isMaxLength(10_000))
  }),
  Schema.TaggedStruct("Reason", { reason: Schema.String })
])

const Replay = Schema.Struct({
  queue: Schema.String,
  selection: Selection,
  dryRun: Schema.optionalKey(Schema.Boolean),
  restartDeliveryCount: Schema.optionalKey(Schema.Boolean),
  /** Messages a second. */
  rate: Schema.optionalKey(Schema.Finite.check(Schema.isGreaterThan(0))),
  /** Attributes to set, or with `null` to remove. */
  attributes: Schema.optionalKey(Schema.Record(Schema.String, Schema.NullOr(Schema.String)))
})

const Purge = Schema.Struct({
  queue: Schema.String,
  selection: Selection,
  /** The name of the queue once more. */
  confirm: Schema.String
})

const Cancel = Schema.Struct({ id: Schema.String })

const decoded = <A, I>(of: Schema.Codec<A, I>) => {
  const decode = Schema.decodeUnknownEffect(Schema.fromJsonString(of))
  return (body: Uint8Array): Effect.Effect<A, Refused> =>
    Effect.catchTag(decode(Buffer.from(body).toString("utf8")), "SchemaError", ({ message }) =>
      refuse(400, "ValidationFailed", message)
    )
}

const decodeReplay = decoded(Replay)
const decodePurge = decoded(Purge)
const decodeCancel = decoded(Cancel)

const selectionOf = (selection: typeof Selection.Type): DeadLetters.Selection => {
  switch (selection._tag) {
    case "All":
      return DeadLetters.all
    case "Ids":
      return DeadLetters.ids(selection.ids)
    case "Reason":
      return DeadLetters.where(({ reason }) => reason === selection.reason)
  }
}

const editOf = (attributes: Readonly<Record<string, string | null>>): DeadLetters.Edit =>
  DeadLetters.editAttributes(
    Object.fromEntries(
      Object.entries(attributes).map(([name, value]) => [name, value ?? undefined])
    )
  )

const figureNames = [
  "messages",
  "waiting",
  "locked",
  "scheduled",
  "deadLetters",
  "sessions"
] as const satisfies ReadonlyArray<keyof QueueStatistics.Snapshot>

/** As JSON: what cannot be told is absent here too. */
const toJson = ({ at, figures, problem, rates }: Sampler.Sample) => ({
  at,
  rates,
  ...(problem === undefined ? {} : { problem }),
  ...(figures === undefined
    ? {}
    : {
        figures: {
          ...Object.fromEntries(
            figureNames.flatMap((name) => (figures[name] ? [[name, figures[name]]] : []))
          ),
          ...(figures.oldest === undefined
            ? {}
            : { oldest: DateTime.toEpochMillis(figures.oldest) })
        }
      })
})

const pageSize = 25

const pageSizeMax = 200

const sizeOf = (text: string | null): Effect.Effect<number, Refused> => {
  const size = text === null ? pageSize : Number(text)
  return Number.isInteger(size) && size >= 1 && size <= pageSizeMax
    ? Effect.succeed(size)
    : refuse(400, "ValidationFailed", `size: must be a whole number from 1 to ${pageSizeMax}`)
}

/** Several windows, and one that is loaded again, ask once. */
const trendFor = Duration.seconds(15)

type Route = (request: Http.Request) => Effect.Effect<Http.Reply, Failure>

/**
 * Answers requests: first whether they may ask at all, then what they asked for.
 *
 * **Errors** ConfigurationInvalid when a file of the page is missing
 *
 * @category running
 * @since 0.1.0
 */
export const handler = Effect.fnUntraced(function* ({
  access,
  every,
  isReadOnly,
  jobs,
  queues,
  sampler
}: Options): Effect.fn.Return<
  (request: Http.Request) => Effect.Effect<Http.Reply>,
  QueueError.QueueError,
  DeadLetters.DeadLetters | QueueClient.QueueClient | Scope.Scope
> {
  const client = yield* QueueClient.QueueClient
  const deadLetters = yield* DeadLetters.DeadLetters
  const assets = yield* Assets.load
  const trends = yield* Cache.makeWith(
    (queue: QueueName.QueueName) => inTurn(queue, Letters.trend(deadLetters, queue)),
    {
      capacity: queues.length + 1,
      timeToLive: (exit) => (Exit.isSuccess(exit) ? trendFor : Duration.zero)
    }
  )

  /** Without a peek one that lists hides the letters from another: one after the other. */
  const turns = new Map(queues.map((queue) => [queue, Semaphore.makeUnsafe(1)]))

  const inTurn = <A, E>(
    queue: QueueName.QueueName,
    reading: Effect.Effect<A, E>
  ): Effect.Effect<A, E> => {
    const turn = turns.get(queue)
    return turn === undefined || Capabilities.isSupported(client.capabilities(queue).peek)
      ? reading
      : turn.withPermit(reading)
  }

  const queueNamed = (name: string | null): Effect.Effect<QueueName.QueueName, Refused> => {
    const found = queues.find((queue) => queue === name)
    return found === undefined
      ? refuse(404, "QueueNotFound", "this dashboard does not show a queue of that name")
      : Effect.succeed(found)
  }

  const queueOf = ({ query }: Http.Request) => queueNamed(query.get("queue"))

  const letterOf = Effect.fnUntraced(function* (request: Http.Request) {
    const queue = yield* queueOf(request)
    const id = request.query.get("id") ?? ""
    const found = yield* inTurn(queue, deadLetters.get(queue, id))
    if (Option.isSome(found)) return found.value
    return yield* refuse(
      404,
      "NotFound",
      "this dead letter is no longer there: it was replayed or removed"
    )
  })

  const started = Effect.fnUntraced(function* (start: Jobs.Start) {
    const job = yield* jobs.start({
      ...start,
      progress: Stream.ensuring(start.progress, Cache.invalidate(trends, start.queue))
    })
    return Option.isSome(job)
      ? json({ job: job.value }, 202)
      : yield* refuse(
          409,
          "Busy",
          "a replay or a purge of this queue is under way: wait for its end"
        )
  })

  const mayChange = isReadOnly
    ? refuse(403, "ReadOnly", "this dashboard was started with --read-only")
    : Effect.void

  const overview: Route = () =>
    Effect.map(Clock.currentTimeMillis, (now) =>
      json({
        provider: client.provider,
        stack: client.stack,
        now,
        everyMillis: Duration.toMillis(every),
        isReadOnly,
        queues: queues.map((name) => {
          const { deduplication, ordered, peek } = client.capabilities(name)
          const latest = sampler.latest(name)
          return {
            name,
            isOrdered: ordered,
            deduplication,
            canPeek: Capabilities.isSupported(peek),
            ...(latest === undefined ? {} : { latest: toJson(latest) })
          }
        })
      })
    )

  const series: Route = Effect.fnUntraced(function* (request) {
    const queue = yield* queueOf(request)
    const after = Number(request.query.get("after") ?? "0")
    if (!Number.isFinite(after)) {
      return yield* refuse(400, "ValidationFailed", "after: must be a number of milliseconds")
    }
    const now = yield* Clock.currentTimeMillis
    return json({ now, samples: sampler.samples(queue, after).map(toJson) })
  })

  const letters: Route = Effect.fnUntraced(function* (request) {
    const queue = yield* queueOf(request)
    const { query } = request
    const cursor = query.get("cursor")
    const reason = query.get("reason")
    const size = yield* sizeOf(query.get("size"))
    const reading = Letters.page(deadLetters, queue, {
      size,
      ...(cursor === null ? {} : { cursor }),
      ...(reason === null ? {} : { reason })
    })
    const page = yield* inTurn(queue, reading)
    return json(page)
  })

  const letter: Route = (request) =>
    Effect.map(letterOf(request), (found) => json(Letters.toDetail(found)))

  const body: Route = (request) =>
    Effect.map(letterOf(request), ({ message, messageId }) => ({
      status: 200,
      headers: {
        ...Assets.securityHeaders,
        // Whatever it is, it is saved and not shown.
        "content-type": "application/octet-stream",
        "content-disposition": `attachment; filename="${messageId.replace(/[^\w.-]/gu, "_")}.bin"`
      },
      body: message.body
    }))

  const trend: Route = (request) =>
    Effect.map(
      Effect.flatMap(queueOf(request), (queue) => Cache.get(trends, queue)),
      (found) => json(found)
    )

  const listed: Route = (request) =>
    Effect.map(queueOf(request), (queue) => json({ jobs: jobs.list(queue) }))

  const replay: Route = Effect.fnUntraced(function* (request) {
    yield* mayChange
    const { attributes, dryRun, queue, rate, restartDeliveryCount, selection } =
      yield* Effect.flatMap(request.body, decodeReplay)
    const name = yield* queueNamed(queue)
    const progress = deadLetters.replay(name, selectionOf(selection), {
      ...(attributes === undefined ? {} : { edit: editOf(attributes) }),
      ...CoreOptions.defined({ dryRun, rate, restartDeliveryCount })
    })
    return yield* started({ kind: "replay", queue: name, isDryRun: dryRun ?? false, progress })
  })

  const purge: Route = Effect.fnUntraced(function* (request) {
    yield* mayChange
    const { confirm, queue, selection } = yield* Effect.flatMap(request.body, decodePurge)
    const name = yield* queueNamed(queue)
    if (confirm !== name) {
      return yield* refuse(
        409,
        "NotConfirmed",
        "a purge cannot be undone: confirm it with the name of the queue"
      )
    }
    const progress = deadLetters.purge(name, selectionOf(selection))
    return yield* started({ kind: "purge", queue: name, isDryRun: false, progress })
  })

  const cancel: Route = Effect.fnUntraced(function* (request) {
    yield* mayChange
    const { id } = yield* Effect.flatMap(request.body, decodeCancel)
    yield* jobs.cancel(id)
    const job = jobs.get(id)
    return job === undefined
      ? yield* refuse(404, "NotFound", "there is no such job")
      : json({ job })
  })

  const gets: Readonly<Record<string, Route>> = {
    "/api/overview": overview,
    "/api/series": series,
    "/api/letters": letters,
    "/api/letter": letter,
    "/api/letter/body": body,
    "/api/trend": trend,
    "/api/jobs": listed
  }

  const posts: Readonly<Record<string, Route>> = {
    "/api/replay": replay,
    "/api/purge": purge,
    "/api/cancel": cancel
  }

  const asset: Route = ({ path }) => {
    const found = assets.get(path)
    return found === undefined
      ? refuse(404, "NotFound", "there is nothing here")
      : Effect.succeed({
          status: 200,
          headers: { ...Assets.securityHeaders, "content-type": found.contentType },
          body: found.body
        })
  }

  const turnedAway = ({ problem, status }: Access.Refusal): Http.Reply =>
    failed(status, status === 401 ? "Unauthorized" : "Forbidden", problem)

  const signIn = (problem: string): Http.Reply => ({
    status: 401,
    headers: { ...Assets.securityHeaders, "content-type": "text/html; charset=utf-8" },
    body: Assets.signIn(problem)
  })

  /** The token for the cookie; the address bar is rid of it. */
  const exchanged = (token: string): Http.Reply => {
    const cookie = access.exchange(token)
    return cookie === undefined
      ? signIn("this is not the token of this dashboard; each start has its own")
      : {
          status: 303,
          headers: { ...Assets.securityHeaders, location: "/", "set-cookie": cookie },
          body: ""
        }
  }

  const signedIn: Route = (request) => {
    const foreign = access.refusedOrigin(request)
    return foreign === undefined
      ? Effect.map(request.body, (bytes) =>
          exchanged(new URLSearchParams(Buffer.from(bytes).toString("utf8")).get("token") ?? "")
        )
      : Effect.succeed(turnedAway(foreign))
  }

  const routed: Route = (request) => {
    const { method, path } = request
    if (method === "GET" || method === "HEAD") {
      return (Object.hasOwn(gets, path) ? (gets[path] ?? asset) : asset)(request)
    }
    const route = Object.hasOwn(posts, path) ? posts[path] : undefined
    if (method !== "POST" || route === undefined) {
      return refuse(405, "NotAllowed", "there is nothing of this method here")
    }
    const forged = access.refusedForgery(request)
    return forged === undefined ? route(request) : Effect.succeed(turnedAway(forged))
  }

  const answered: Route = (request) => {
    const { method, path, query } = request
    const misled = access.refusedHost(request)
    if (misled !== undefined) return Effect.succeed(turnedAway(misled))
    const token = query.get("token")
    if (method === "GET" && path === "/" && token !== null) return Effect.succeed(exchanged(token))
    if (method === "POST" && path === "/session") return signedIn(request)
    const stranger = access.refusedStranger(request)
    if (stranger === undefined) return routed(request)
    return Effect.succeed(path === "/" ? signIn(stranger.problem) : turnedAway(stranger))
  }

  return (request) =>
    answered(request).pipe(
      Effect.catchTags({
        QueueError: (error) => Effect.succeed(ofQueue(error)),
        Refused: ({ problem, reason, status }) => Effect.succeed(failed(status, reason, problem)),
        BodyFailed: ({ problem, status }) => Effect.succeed(failed(status, "BodyFailed", problem))
      }),
      Effect.catchDefect((defect) =>
        Effect.as(
          Effect.logError("the dashboard failed to answer", defect),
          failed(500, "Defect", "the dashboard failed; its log says more")
        )
      )
    )
})
