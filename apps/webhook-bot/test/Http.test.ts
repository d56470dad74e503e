import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Stream from "effect/Stream"
import * as Http from "../src/Http.ts"
import { bytes } from "./fixtures.ts"

const post = (url: string, options: Partial<Http.PostOptions> = {}) =>
  Effect.flatMap(Http.Client, (client) =>
    client.post({ url, body: bytes("hello"), timeout: "5 seconds", ...options })
  ).pipe(Effect.provide(Http.layerClient))

const serve = (handler: Http.ServeOptions["handler"]) =>
  Http.serve({ host: "127.0.0.1", port: 0, handler })

describe("Http", () => {
  it.live("a request has its method, path, headers and body, and the reply comes back", () =>
    Effect.gen(function* () {
      const url = yield* serve((request) =>
        Effect.map(Effect.orDie(Stream.mkString(Stream.decodeText(request.body))), (body) => ({
          status: 201,
          headers: { "x-seen": request.header("x-given") ?? "" },
          json: [request.method, request.path, body, request.header("x-absent") ?? "absent"]
        }))
      )
      const chunks = Stream.fromIterable([bytes("a"), bytes("b")])
      for (const [body, expected] of [
        [bytes("hello"), "hello"],
        [chunks, "ab"]
      ] as const) {
        const answer = yield* post(`${url}/some/path?query`, { body, headers: { "x-given": "1" } })
        assert.strictEqual(answer.status, 201)
        assert.strictEqual(answer.header("x-seen"), "1")
        assert.deepStrictEqual(JSON.parse(answer.text), ["POST", "/some/path", expected, "absent"])
      }
    })
  )

  it.live("a connection that is cut, and one that is refused, is HttpFailed", () =>
    Effect.gen(function* () {
      const cut = yield* serve(() => Effect.succeed("hang up"))
      assert.strictEqual((yield* Effect.flip(post(cut)))._tag, "HttpFailed")
      const closed = yield* Effect.scoped(serve(() => Effect.succeed("hang up")))
      assert.match((yield* Effect.flip(post(closed))).message, /ECONNREFUSED/u)
    })
  )

  it.live("no answer in time is HttpFailed, and the server is rid of the request", () =>
    Effect.gen(function* () {
      const left = yield* Deferred.make<void>()
      const url = yield* serve(() =>
        Effect.onInterrupt(Effect.never, () => Deferred.succeed(left, undefined))
      )
      const failed = yield* Effect.flip(post(url, { timeout: "100 millis" }))
      assert.strictEqual(failed.message, "no answer in time")
      yield* Deferred.await(left)
    })
  )

  it.live("a client that leaves in the middle of its body is a failure of the body", () =>
    Effect.gen(function* () {
      const seen = yield* Deferred.make<string>()
      const url = yield* serve(({ body }) =>
        Stream.runDrain(body).pipe(
          Effect.onExit((exit) => Deferred.succeed(seen, exit._tag)),
          Effect.as({ status: 200, json: {} }),
          Effect.orDie
        )
      )
      const body = Stream.concat(Stream.make(bytes("half")), Stream.never)
      yield* Effect.flip(post(url, { body, timeout: "100 millis" }))
      assert.strictEqual(yield* Deferred.await(seen), "Failure")
    })
  )

  it.live("a request under way ends before the server does", () =>
    Effect.gen(function* () {
      const asked = yield* Deferred.make<void>()
      const go = yield* Deferred.make<void>()
      const posting = yield* Effect.scoped(
        Effect.gen(function* () {
          const url = yield* serve(() =>
            Deferred.succeed(asked, undefined).pipe(
              Effect.andThen(Deferred.await(go)),
              Effect.as({ status: 200, json: {} })
            )
          )
          const fiber = yield* Effect.forkDetach(post(url))
          yield* Deferred.await(asked)
          yield* Effect.forkDetach(Effect.delay(Deferred.succeed(go, undefined), "50 millis"))
          return fiber
        })
      )
      assert.strictEqual((yield* Fiber.join(posting)).status, 200)
    })
  )
})
