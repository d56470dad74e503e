import { assert, describe, it } from "@effect/vitest"
import { QueueClient, QueueError } from "@queue-runtime/core"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Logger from "effect/Logger"
import * as References from "effect/References"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import * as Http from "../src/Http.ts"
import * as Signature from "../src/Signature.ts"
import * as Webhook from "../src/Webhook.ts"
import * as WebhookServer from "../src/WebhookServer.ts"
import { bytes, example, examples, headers, memory, queue, secret, text } from "./fixtures.ts"

/** The log of a server is not the tests' output. */
const quiet = Layer.succeed(References.MinimumLogLevel, "None")

const live = Layer.mergeAll(memory, Http.layerClient, quiet)

const mebibyte = 1024 * 1024

const serve = (options: Partial<WebhookServer.Options> = {}) =>
  WebhookServer.serve({ host: "127.0.0.1", port: 0, secret, queue, ...options })

const Accepted = Schema.fromJsonString(Schema.Struct({ id: Schema.String, session: Schema.String }))

const Problem = Schema.fromJsonString(Schema.Struct({ error: Schema.String }))

const post = (options: Omit<Http.PostOptions, "timeout">) =>
  Effect.flatMap(Http.Client, (client) => client.post({ timeout: "10 seconds", ...options }))

/** Posts a signed delivery with some headers changed; an empty one is left out. */
const deliver = (
  url: string,
  changes: Readonly<Record<string, string>> = {},
  payload: unknown = example("pull_request")
) => {
  const body = bytes(JSON.stringify(payload))
  const all = { ...headers(body, "d-1"), ...changes }
  const kept = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== ""))
  return post({ url, body, headers: kept })
}

const problem = (answer: Http.Answer) =>
  Effect.map(Schema.decodeEffect(Problem)(answer.text), ({ error }) => error)

/** The ids in the queue, in order. */
const queued = Effect.flatMap(QueueClient.QueueClient, (client) =>
  Effect.map(client.peek(queue, { max: 1000 }), (messages) =>
    messages.map(({ messageId }) => messageId)
  )
)

const scoped = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.scoped(effect).pipe(Effect.provide(live))

/** A client whose sends end like this. */
const sending = (
  send: QueueClient.Service["send"]
): Layer.Layer<QueueClient.QueueClient, QueueError.QueueError> =>
  Layer.effect(
    QueueClient.QueueClient,
    Effect.map(QueueClient.QueueClient, (client) => ({ ...client, send }))
  ).pipe(Layer.provide(memory))

describe("WebhookServer", () => {
  it.live("202 with id and session, when the queue has it", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        assert.match(url, /^http:\/\/127\.0\.0\.1:\d+\/webhooks$/u)
        const answer = yield* deliver(url, { "x-github-delivery": "d-7" })
        assert.strictEqual(answer.status, 202)
        assert.deepStrictEqual(yield* Schema.decodeEffect(Accepted)(answer.text), {
          id: "d-7",
          session: "Codertocat/Hello-World/pull/2"
        })
        assert.deepStrictEqual([...(yield* queued)], ["d-7"])
      })
    )
  )

  it.live("R1.5 what is queued is the bytes that were signed", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const client = yield* QueueClient.QueueClient
        const body = bytes('{\r\n\t"text" : "größe \\u00e9 🚀" ,"n":1.0e2 }\n\n')
        const answer = yield* post({ url, body, headers: headers(body, "d-1") })
        assert.strictEqual(answer.status, 202)
        const [message] = yield* client.peek(queue)
        assert.deepStrictEqual([...(message?.body ?? [])], [...body])
        const compact = bytes(JSON.stringify(JSON.parse(text(body))))
        const refused = yield* post({
          url,
          body: compact,
          headers: { ...headers(body, "d-2"), [Signature.header]: Signature.sign(secret, body) }
        })
        assert.strictEqual(refused.status, 401)
      })
    )
  )

  it.live("401 without a signature, with another's, and for other bytes", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        for (const signature of ["", "sha256=00", Signature.sign(secret, bytes("{}"))]) {
          const { status } = yield* deliver(url, { [Signature.header]: signature })
          assert.strictEqual(status, 401)
        }
        assert.deepStrictEqual([...(yield* queued)], [])
      })
    )
  )

  it.live("401 comes before 400: nothing is parsed that is not signed", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const answer = yield* post({
          url,
          body: bytes("no JSON"),
          headers: { [Signature.header]: Signature.sign(secret, bytes("other")) }
        })
        assert.strictEqual(answer.status, 401)
      })
    )
  )

  it.live("400 names the header and the rule", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const cases = [
          [{ "x-github-delivery": "" }, /^X-GitHub-Delivery: must have 1–128/u],
          [{ "x-github-event": "" }, /^X-GitHub-Event: must have 1–64/u],
          [{ "content-type": "text/plain" }, /^Content-Type: must be application\/json/u]
        ] as const
        for (const [changes, rule] of cases) {
          const answer = yield* deliver(url, changes)
          assert.strictEqual(answer.status, 400)
          assert.match(yield* problem(answer), rule)
        }
        const body = bytes('{"secret": ')
        const answer = yield* post({ url, body, headers: headers(body, "d-1") })
        assert.strictEqual(answer.status, 400)
        assert.strictEqual(yield* problem(answer), "body: must be JSON in UTF-8")
        assert.deepStrictEqual([...(yield* queued)], [])
      })
    )
  )

  it.live("404 elsewhere, 405 for another method", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const elsewhere = yield* deliver(url.replace("/webhooks", "/"))
        assert.strictEqual(elsewhere.status, 404)
        const body = bytes("{}")
        const put = yield* post({ url, body, headers: headers(body, "d-1"), method: "PUT" })
        assert.strictEqual(put.status, 405)
        assert.strictEqual(put.header("allow"), "POST")
        assert.strictEqual((yield* deliver(`${url}?hook=1`)).status, 202)
      })
    )
  )

  it.live("413 by the length that is declared", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const body = new Uint8Array(Webhook.bodyBytesMax + 1)
        const answer = yield* post({ url, body, headers: headers(body, "d-1") })
        assert.strictEqual(answer.status, 413)
      })
    )
  )

  it.live("413 while a body without a length is read, and the server goes on", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const chunk = new Uint8Array(mebibyte)
        const body = Stream.fromIterable(Array.from({ length: 26 }, () => chunk))
        const answer = yield* post({ url, body, headers: headers(bytes(""), "d-1") })
        assert.strictEqual(answer.status, 413)
        assert.strictEqual(answer.header("connection"), "close")
        const next = yield* deliver(url)
        assert.strictEqual(next.status, 202)
        assert.notStrictEqual(next.header("connection"), "close")
      })
    )
  )

  it.live("R1.7 a body of exactly 25 MB is accepted, in chunks too", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        const body = bytes(`{"a":"${"x".repeat(Webhook.bodyBytesMax - 8)}"}`)
        assert.strictEqual(body.byteLength, Webhook.bodyBytesMax)
        assert.strictEqual((yield* post({ url, body, headers: headers(body, "d-1") })).status, 202)
        const chunks = Stream.fromIterable([body.subarray(0, mebibyte), body.subarray(mebibyte)])
        const answer = yield* post({ url, body: chunks, headers: headers(body, "d-2") })
        assert.strictEqual(answer.status, 202)
      })
    )
  )

  it.live("R10.7 503 when all bodies together are too much, and their room comes back", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve({ bytesMax: 20_000 })
        const large = { text: "x".repeat(20_000) }
        const answer = yield* deliver(url, {}, large)
        assert.strictEqual(answer.status, 503)
        assert.isDefined(answer.header("retry-after"))
        const fitting = { text: "x".repeat(15_000) }
        for (const id of ["d-1", "d-2", "d-3"]) {
          const { status } = yield* deliver(url, { "x-github-delivery": id }, fitting)
          assert.strictEqual(status, 202)
        }
      })
    )
  )

  const refusing = (error: QueueError.QueueError) =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.layer([
        Logger.make(({ logLevel, message }) => {
          lines.push(`${logLevel} ${JSON.stringify(message)}`)
        })
      ])
      const answer = yield* Effect.flatMap(serve(), (url) =>
        deliver(url, {}, { marker: "body of the delivery" })
      ).pipe(
        Effect.scoped,
        Effect.provide([sending(() => Effect.fail(error)), Http.layerClient, logger])
      )
      return { answer, log: lines.join("\n") }
    })

  it.live("R2.2 503 with the queue's own Retry-After while it fails for the moment", () =>
    Effect.gen(function* () {
      const throttled = QueueError.make(new QueueError.Throttled({}), {
        retryAfter: Duration.millis(1500)
      })
      const { answer, log } = yield* refusing(throttled)
      assert.strictEqual(answer.status, 503)
      assert.strictEqual(answer.header("retry-after"), "2")
      assert.include(log, "Warn")
      const without = yield* refusing(QueueError.make(new QueueError.ConnectionFailed({})))
      assert.strictEqual(without.answer.header("retry-after"), "5")
    })
  )

  it.live("413 for a message over the queue's own limit", () =>
    Effect.gen(function* () {
      const reason = new QueueError.MessageTooLarge({ actualBytes: 3, maximumBytes: 2, index: 0 })
      const { answer } = yield* refusing(QueueError.make(reason))
      assert.strictEqual(answer.status, 413)
    })
  )

  it.live("R2.3 500 for good: the reason is in the log, and no body and no secret", () =>
    Effect.gen(function* () {
      const { answer, log } = yield* refusing(
        QueueError.make(new QueueError.QueueNotFound({ queue: "github-webhooks" }))
      )
      assert.strictEqual(answer.status, 500)
      assert.strictEqual(yield* problem(answer), "the queue refused the message")
      assert.include(log, "QueueNotFound")
      assert.notInclude(log, "body of the delivery")
      assert.notInclude(log, "Secret to Everybody")
    })
  )

  it.live("R3.2 the answer waits for the queue's", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const taken = yield* Deferred.make<void>()
      const slow = sending((_, message) =>
        Deferred.succeed(asked, undefined).pipe(
          Effect.andThen(Deferred.await(taken)),
          Effect.andThen(Effect.fromNullishOr(message.messageId)),
          Effect.map((messageId) => ({ messageId })),
          Effect.orDie
        )
      )
      yield* Effect.gen(function* () {
        const url = yield* serve()
        const posting = yield* Effect.forkChild(deliver(url))
        yield* Deferred.await(asked)
        assert.isUndefined(posting.pollUnsafe())
        yield* Deferred.succeed(taken, undefined)
        assert.strictEqual((yield* Fiber.join(posting)).status, 202)
      }).pipe(Effect.scoped, Effect.provide([slow, Http.layerClient, quiet]))
    })
  )

  it.live(
    "R4.1 posts side by side: none is lost, and a session's stand as they were accepted",
    () =>
      scoped(
        Effect.gen(function* () {
          const url = yield* serve()
          const client = yield* QueueClient.QueueClient
          const posts = Array.from({ length: 10 }, (_, session) => session)
          yield* Effect.forEach(
            posts,
            (session) =>
              Effect.forEach([1, 2, 3, 4, 5], (place) =>
                deliver(
                  url,
                  { "x-github-delivery": `${session}-${place}` },
                  { repository: { full_name: "acme/shop" }, pull_request: { number: session } }
                )
              ),
            { concurrency: "unbounded", discard: true }
          )
          for (const session of posts) {
            const ids = (yield* client.peek(queue, { max: 100 }))
              .map(({ messageId }) => messageId)
              .filter((id) => id.startsWith(`${session}-`))
            assert.deepStrictEqual(
              [...ids],
              [1, 2, 3, 4, 5].map((place) => `${session}-${place}`)
            )
          }
        })
      )
  )

  it.live("R3.14 a redelivery is accepted and delivered once", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        assert.strictEqual((yield* deliver(url)).status, 202)
        assert.strictEqual((yield* deliver(url)).status, 202)
        assert.deepStrictEqual([...(yield* queued)], ["d-1"])
      })
    )
  )

  it.live("every example of GitHub's is accepted", () =>
    scoped(
      Effect.gen(function* () {
        const url = yield* serve()
        for (const [index, { event, payload }] of examples.entries()) {
          const changes = { "x-github-event": event, "x-github-delivery": `d-${index}` }
          const { status } = yield* deliver(url, changes, payload)
          assert.strictEqual(status, 202, event)
        }
      })
    )
  )

  it.live("an address that cannot be listened on is ConfigurationInvalid", () =>
    scoped(
      Effect.gen(function* () {
        const { port } = new URL(yield* serve())
        const { reason } = yield* Effect.flip(serve({ port: Number(port) }))
        assert.strictEqual(reason._tag, "ConfigurationInvalid")
        assert.match(reason.message, /^HOST, PORT: cannot listen on 127\.0\.0\.1:\d+: /u)
      })
    )
  )
})
