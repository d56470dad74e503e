import { assert, describe, it } from "@effect/vitest"
import { Health, QueueClient, QueueError } from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as References from "effect/References"
import * as HealthEndpoint from "../src/HealthEndpoint.ts"
import * as QueueStack from "../src/QueueStack.ts"
import * as WebhookServer from "../src/WebhookServer.ts"
import { memory, queue, secret } from "./fixtures.ts"

const options = { queue, deliveriesMax: 5, wait: Duration.zero, lockDuration: Option.none() }

const quiet = Layer.succeed(References.MinimumLogLevel, "None")

const serve = Effect.map(
  WebhookServer.serve({ host: "127.0.0.1", port: 0, secret, queue }),
  (url) => url.slice(0, -WebhookServer.path.length)
)

const get = (url: string, method = "GET") =>
  Effect.promise(async () => {
    const response = await fetch(url, { method })
    return [response.status, await response.text()] as const
  })

const report = (status: "up" | "down"): Health.Report => ({
  status,
  queues: [
    {
      provider: "memory",
      queue,
      status,
      by: "probe",
      at: DateTime.makeUnsafe(0),
      ...(status === "up"
        ? {}
        : { problem: { reason: "ConnectionFailed", description: "host 10.0.0.7 does not answer" } })
    }
  ]
})

const health: Health.Service = {
  liveness: Effect.succeed(report("up")),
  readiness: Effect.succeed(report("down"))
}

const ask = (path: string, method = "GET") =>
  Effect.flatMap(
    Effect.fromOption(HealthEndpoint.answer(health, { method, path })),
    (reply) => reply
  )

describe("HealthEndpoint", () => {
  it.live("R9.3 the bot with its stack answers both, over HTTP", () =>
    Effect.gen(function* () {
      const base = yield* serve
      const expected = JSON.stringify({ status: "up", queues: [{ queue, status: "up" }] })
      assert.deepStrictEqual(yield* get(`${base}/healthz`), [200, expected])
      assert.deepStrictEqual(yield* get(`${base}/readyz?verbose`), [200, expected])
      assert.strictEqual((yield* get(`${base}/readyz`, "HEAD"))[0], 200)
      assert.strictEqual((yield* get(`${base}/elsewhere`))[0], 404)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(QueueStack.layer(options), quiet)))
  )

  it.effect("R9.3 what is down is 503 with the reason's name, and its text stays inside", () =>
    Effect.gen(function* () {
      const reply = yield* ask("/readyz")
      assert.deepStrictEqual(reply, {
        status: 503,
        headers: { "cache-control": "no-store" },
        json: {
          status: "down",
          queues: [{ queue, status: "down", reason: "ConnectionFailed" }]
        }
      })
      assert.notInclude(JSON.stringify(reply), "10.0.0.7")
      assert.isTrue(reply !== "hang up")
      const alive = yield* ask("/healthz")
      assert(alive !== "hang up")
      assert.strictEqual(alive.status, 200)
    })
  )

  it.effect("answers to a GET alone, and to no other path", () =>
    Effect.gen(function* () {
      const reply = yield* ask("/healthz", "POST")
      assert(reply !== "hang up")
      assert.strictEqual(reply.status, 405)
      assert.deepStrictEqual(reply.headers, { allow: "GET, HEAD" })
      for (const path of ["/", "/webhooks", "/healthz/", "toString"]) {
        assert.isTrue(Option.isNone(HealthEndpoint.answer(health, { method: "GET", path })))
      }
    })
  )

  it.live("R9.3 a queue that cannot be reached makes the bot not ready, and not dead", () =>
    Effect.gen(function* () {
      const client = yield* QueueClient.QueueClient
      const down = QueueError.make(new QueueError.ConnectionFailed())
      const layer = Layer.effect(
        Health.Health,
        Effect.map(
          Health.make(
            {
              name: client.provider,
              stack: client.stack,
              capabilities: client.capabilities,
              send: () => Effect.fail(down),
              receive: () => Effect.fail(down),
              settle: () => Effect.fail(down),
              renewLock: () => Effect.fail(down),
              peek: () => Effect.fail(down),
              acceptSession: () => Effect.fail(down)
            },
            { queues: [queue] }
          ),
          (made) => made.health
        )
      )
      const base = yield* Effect.provide(serve, layer)
      assert.strictEqual((yield* get(`${base}/readyz`))[0], 503)
      assert.strictEqual((yield* get(`${base}/healthz`))[0], 200)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(memory, quiet)))
  )

  it.live("without a Health there is nothing to ask", () =>
    Effect.gen(function* () {
      const base = yield* serve
      assert.strictEqual((yield* get(`${base}/readyz`))[0], 404)
    }).pipe(Effect.scoped, Effect.provide(Layer.merge(memory, quiet)))
  )
})
