/**
 * The endpoint GitHub posts to.
 *
 * **Details**
 *
 * | status | when |
 * |---|---|
 * | 202 | the queue has it: `{ "id", "session" }` |
 * | 400 | a header, the JSON or an id breaks a rule, which is named |
 * | 401 | no signature, or not this secret's over these bytes |
 * | 404, 405 | another path, another method than POST |
 * | 413 | over 25 MB, by its length or while it is read, or over the queue's own limit |
 * | 503 | the queue fails for the moment, or too much is being read: `Retry-After` |
 * | 500 | the queue refuses for good; the reason is in the log |
 *
 * `GET /healthz` and `GET /readyz` are answered as {@link HealthEndpoint} says, where the application has a
 * `Health`.
 *
 * Nothing is parsed or sent before the signature is checked, and the answer waits for the queue's. No
 * body and no secret is ever logged. Messages of one session stand in the order they were accepted.
 *
 * @since 0.1.0
 */
import { Health, QueueClient, QueueError, type QueueName } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import * as Stream from "effect/Stream"
import * as HealthEndpoint from "./HealthEndpoint.ts"
import * as Http from "./Http.ts"
import * as Signature from "./Signature.ts"
import * as Webhook from "./Webhook.ts"

/**
 * Where to listen, whom to believe, where to send.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  readonly host: string
  readonly port: number
  readonly secret: Redacted.Redacted
  readonly queue: QueueName.QueueName
  /** Bytes of all bodies in memory at once; beyond it the answer is 503. Default: 256 MiB. */
  readonly bytesMax?: number
}

/**
 * The path GitHub posts to.
 *
 * @category options
 * @since 0.1.0
 */
export const path = "/webhooks"

/** About ten of the largest payloads: anyone may post, and the signature is known only at the end. */
const bytesMaxDefault = 256 * 1024 * 1024

/** GitHub's redelivery is by hand or by script: soon is soon enough. */
const retryAfterDefault = Duration.seconds(5)

class Refused extends Schema.TaggedError<Refused>()("Refused", {
  status: Schema.Int,
  problem: Schema.String,
  headers: Schema.optionalKey(Schema.Record(Schema.String, Schema.String))
}) {}

const refuse = (status: number, problem: string, headers?: Readonly<Record<string, string>>) =>
  Effect.fail(new Refused({ status, problem, ...(headers === undefined ? {} : { headers }) }))

const tooLarge = refuse(413, `the body must have at most ${Webhook.bodyBytesMax} bytes`)

const retryLater = (problem: string, after: Duration.Duration = retryAfterDefault) =>
  refuse(503, problem, { "retry-after": String(Math.ceil(Duration.toSeconds(after))) })

/** Bytes of bodies in memory, of all requests together. */
class Budget {
  #left: number

  constructor(bytes: number) {
    this.#left = bytes
  }

  take(bytes: number): boolean {
    if (bytes > this.#left) return false
    this.#left -= bytes
    return true
  }

  give(bytes: number): void {
    this.#left += bytes
  }
}

/** One body under way: what is read so far, and its share of the budget. */
class Reading {
  readonly #chunks: Array<Uint8Array> = []
  readonly #budget: Budget
  #bytes = 0
  /** Whether nothing of the body is still to come. */
  isComplete = false

  constructor(budget: Budget) {
    this.#budget = budget
  }

  add(chunk: Uint8Array): Effect.Effect<void, Refused> {
    if (this.#bytes + chunk.byteLength > Webhook.bodyBytesMax) return tooLarge
    if (!this.#budget.take(chunk.byteLength)) return retryLater("too much is being read")
    this.#bytes += chunk.byteLength
    this.#chunks.push(chunk)
    return Effect.void
  }

  end(): Uint8Array {
    this.isComplete = true
    return Buffer.concat(this.#chunks)
  }

  release(): void {
    this.#chunks.length = 0
    this.#budget.give(this.#bytes)
    this.#bytes = 0
  }
}

const declaredLength = (request: Http.Request): number => {
  const text = request.header("content-length")
  return text === undefined ? 0 : Number(text)
}

const read = (request: Http.Request, reading: Reading): Effect.Effect<Uint8Array, Refused> =>
  Stream.runForEach(request.body, (chunk) => reading.add(chunk)).pipe(
    Effect.catchTag("HttpFailed", () => refuse(400, "the body ended early")),
    Effect.map(() => reading.end())
  )

const ofQueue = (error: QueueError.QueueError): Effect.Effect<never, Refused> => {
  const { reason } = error
  if (reason._tag === "MessageTooLarge") return refuse(413, reason.message)
  if (reason._tag === "ValidationFailed") return refuse(400, reason.message)
  const isForTheMoment = QueueError.isTransient(error)
  return Effect.andThen(
    isForTheMoment ? Effect.logWarning(error.message) : Effect.logError(error.message),
    isForTheMoment
      ? retryLater("the queue is not available for the moment", error.retryAfter)
      : refuse(500, "the queue refused the message")
  )
}

const checked = (request: Http.Request): Effect.Effect<void, Refused> => {
  if (request.path !== path) return refuse(404, `nothing here; post to ${path}`)
  if (request.method !== "POST") return refuse(405, "post it", { allow: "POST" })
  if (declaredLength(request) > Webhook.bodyBytesMax) return tooLarge
  return request.header(Signature.header) === undefined
    ? refuse(401, "X-Hub-Signature-256 is missing; set a secret in the webhook's settings")
    : Effect.void
}

/**
 * Answers one request.
 *
 * @category running
 * @since 0.1.0
 */
export const handler = Effect.fnUntraced(function* (
  options: Pick<Options, "bytesMax" | "queue" | "secret">
) {
  const client = yield* QueueClient.QueueClient
  const health = yield* Effect.serviceOption(Health.Health)
  const budget = new Budget(options.bytesMax ?? bytesMaxDefault)

  const accept = Effect.fnUntraced(function* (request: Http.Request, reading: Reading) {
    yield* checked(request)
    const body = yield* read(request, reading)
    if (!Signature.isValid(options.secret, body, request.header(Signature.header))) {
      return yield* refuse(401, "X-Hub-Signature-256 does not sign this body with this secret")
    }
    const message = yield* Webhook.toMessage({ header: request.header, body }).pipe(
      Effect.catchTag("QueueError", ofQueue)
    )
    const { messageId } = yield* client
      .send(options.queue, message)
      .pipe(Effect.catchTag("QueueError", ofQueue))
    return { status: 202, json: { id: messageId, session: message.sessionId } } satisfies Http.Reply
  })

  const post = (request: Http.Request): Effect.Effect<Http.Reply> =>
    Effect.suspend(() => {
      const reading = new Reading(budget)
      return accept(request, reading).pipe(
        Effect.catchTag("Refused", ({ headers = {}, problem, status }) =>
          Effect.succeed<Http.Reply>({
            status,
            // What is not read is not waited for: nothing else can come over this connection.
            headers: reading.isComplete ? headers : { ...headers, connection: "close" },
            json: { error: problem }
          })
        ),
        Effect.ensuring(Effect.sync(() => reading.release()))
      )
    })

  return (request: Http.Request): Effect.Effect<Http.Reply> =>
    Option.flatMap(health, (one) => HealthEndpoint.answer(one, request)).pipe(
      Option.getOrElse(() => post(request))
    )
})

/**
 * Serves until the scope closes. Answers the URL to post to.
 *
 * **Errors** ConfigurationInvalid when it cannot listen there.
 *
 * @category running
 * @since 0.1.0
 */
export const serve = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<string, QueueError.QueueError, QueueClient.QueueClient | Scope.Scope> {
  const { host, port } = options
  const base = yield* Http.serve({ host, port, handler: yield* handler(options) })
  yield* Effect.logInfo("webhook server started").pipe(Effect.annotateLogs({ url: base + path }))
  return base + path
})
