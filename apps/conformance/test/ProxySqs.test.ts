import { assert, describe, it } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import * as http from "node:http"
import * as sqsProxy from "../src/proxy/sqs.ts"

interface Heard {
  readonly status: number
  readonly type: string | null
  readonly body: string
}

const action = "SendMessage"

const ask = (endpoint: string): Effect.Effect<Heard | undefined> =>
  Effect.promise(async () => {
    const headers = { "x-amz-target": `AmazonSQS.${action}` }
    try {
      const answer = await fetch(endpoint, { method: "POST", headers, body: "{}" })
      const type = answer.headers.get("content-type")
      return { status: answer.status, type, body: await answer.text() }
    } catch {
      // The connection is cut.
      return undefined
    }
  })

interface World {
  readonly proxy: sqsProxy.SqsProxy
  /** Requests that came through. */
  readonly came: () => number
}

const world: Effect.Effect<World, never, Scope.Scope> = Effect.gen(function* () {
  let came = 0
  const server = yield* Effect.acquireRelease(
    Effect.callback<http.Server>((resume) => {
      const made = http.createServer((request, response) => {
        request.resume().on("end", () => {
          came++
          response.end("done")
        })
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
  const port = typeof address === "object" && address !== null ? address.port : 0
  return { proxy: yield* sqsProxy.make(`http://127.0.0.1:${port}`), came: () => came }
})

const run = <A>(test: (world: World) => Effect.Effect<A>) =>
  Effect.scoped(Effect.flatMap(world, test))

const only = (name: "unavailable" | "too many requests" | "dropped reply") =>
  sqsProxy.chances("1", { [name]: 1 })

describe("a proxy before SQS that draws", () => {
  it.live("passes on what nothing befalls", () =>
    run(
      Effect.fnUntraced(function* ({ came, proxy }) {
        const { rule, tally } = sqsProxy.chances("1", {})
        yield* proxy.use(rule)
        assert.strictEqual((yield* ask(proxy.endpoint))?.body, "done")
        assert.strictEqual(came(), 1)
        assert.strictEqual(proxy.counts().get(action), 1)
        assert.deepStrictEqual(tally.toRecord(), {})
      })
    )
  )

  it.live("answers as a gateway does, and the server hears nothing", () =>
    run(
      Effect.fnUntraced(function* ({ came, proxy }) {
        for (const [name, status] of [
          ["unavailable", 503],
          ["too many requests", 429]
        ] as const) {
          const { rule, tally } = only(name)
          yield* proxy.use(rule)
          const heard = yield* ask(proxy.endpoint)
          assert.strictEqual(heard?.status, status)
          assert.strictEqual(heard?.type, "text/html")
          assert.match(heard?.body ?? "", /^<html>/u)
          assert.strictEqual(tally.get(name), 1)
        }
        assert.strictEqual(came(), 0)
      })
    )
  )

  it.live("drops a reply when the server has done the work", () =>
    run(
      Effect.fnUntraced(function* ({ came, proxy }) {
        const { rule, tally } = only("dropped reply")
        yield* proxy.use(rule)
        assert.isUndefined(yield* ask(proxy.endpoint))
        assert.strictEqual(came(), 1)
        assert.strictEqual(tally.get("dropped reply"), 1)
      })
    )
  )

  it("draws the same again from the same seed", () => {
    const drawn = (seed: string) => {
      const { rule } = sqsProxy.chances(seed, { unavailable: 0.2, "dropped reply": 0.2 })
      return Array.from({ length: 200 }, (_, index) => rule(action, index)._tag)
    }
    assert.deepStrictEqual(drawn("1"), drawn("1"))
    assert.notDeepEqual(drawn("1"), drawn("2"))
    assert.deepStrictEqual([...new Set(drawn("1"))].toSorted(), ["Gateway", "LoseReply", "Pass"])
  })
})
