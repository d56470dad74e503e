import { assert, describe, it } from "@effect/vitest"
import { HandlerFailure } from "@queue-runtime/core"
import { SessionKeyExtractor } from "@queue-runtime/sessions"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Stream from "effect/Stream"
import * as Notifier from "../../src/bots/Notifier.ts"
import * as Http from "../../src/Http.ts"

const event = {
  id: "d-1",
  session: "acme/shop/pull/42",
  name: "pull_request",
  action: "opened",
  sender: "octocat",
  from: SessionKeyExtractor.empty
}

const notify = (url: Option.Option<string>) =>
  Effect.flatMap(Notifier.Notifier, (notifier) => notifier.notify(event)).pipe(
    Effect.provide(
      Notifier.layer({ url, timeout: Duration.millis(200) }).pipe(Layer.provide(Http.layerClient))
    )
  )

/** Notifies a service that gives this reply. */
const notified = (reply: Effect.Effect<Http.Reply>, seen: Array<string> = []) =>
  Effect.gen(function* () {
    const url = yield* Http.serve({
      host: "127.0.0.1",
      port: 0,
      handler: (request) =>
        Stream.mkString(Stream.decodeText(request.body)).pipe(
          Effect.orDie,
          Effect.map((body) => seen.push(`${request.header("idempotency-key")} ${body}`)),
          Effect.andThen(reply)
        )
    })
    return yield* Effect.result(notify(Option.some(url)))
  }).pipe(Effect.scoped)

const answering = (status: number) => notified(Effect.succeed({ status, json: {} }))

describe("Notifier", () => {
  it.live("posts id, session and text, with the id as idempotency key", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const result = yield* notified(Effect.succeed({ status: 204, json: {} }), seen)
      assert.strictEqual(result._tag, "Success")
      const [key = "", body = ""] = seen[0]?.split(/ (.*)/su) ?? []
      assert.strictEqual(key, "d-1")
      assert.deepStrictEqual(JSON.parse(body), {
        id: "d-1",
        session: "acme/shop/pull/42",
        event: "pull_request",
        text: "pull_request opened by octocat"
      })
    })
  )

  it.live("R5.2 R5.6 5xx and 429 are for the moment, some of them an outage, others for good", () =>
    Effect.gen(function* () {
      for (const status of [429, 500, 501, 502, 503, 504]) {
        const error = yield* Effect.flip(Effect.fromResult(yield* answering(status)))
        const isOutage = ![500, 501].includes(status)
        assert.strictEqual(error._tag, isOutage ? "DownstreamUnavailable" : "DownstreamFailed")
        assert.isFalse(HandlerFailure.isPermanent(error))
        assert.include(error.message, String(status))
      }
      for (const status of [301, 400, 404, 422]) {
        const error = yield* Effect.flip(Effect.fromResult(yield* answering(status)))
        assert(error._tag === "Permanent")
        assert.strictEqual(error.reason, "DownstreamRefused")
        assert.strictEqual(error.message, `the downstream answered ${status}`)
        assert.isTrue(HandlerFailure.isPermanent(error))
      }
    })
  )

  it.live("R5.2 a cut connection, a refused one and no answer in time are for the moment", () =>
    Effect.gen(function* () {
      const cut = yield* notified(Effect.succeed("hang up"))
      const slow = yield* notified(Effect.as(Effect.sleep("2 seconds"), "hang up" as const))
      const closed = yield* Effect.scoped(
        Http.serve({ host: "127.0.0.1", port: 0, handler: () => Effect.succeed("hang up") })
      )
      const refused = yield* Effect.result(notify(Option.some(closed)))
      for (const result of [cut, slow, refused]) {
        const error = yield* Effect.flip(Effect.fromResult(result))
        assert.strictEqual(error._tag, "DownstreamUnavailable")
        assert.match(error.message, /^the downstream did not answer: /u)
      }
    })
  )

  it.live("tells nobody without a URL", () => notify(Option.none()))
})
