import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import * as History from "../../src/demo/History.ts"
import * as Plan from "../../src/demo/Plan.ts"
import * as Poster from "../../src/demo/Poster.ts"
import * as Http from "../../src/Http.ts"
import * as Signature from "../../src/Signature.ts"
import * as Webhook from "../../src/Webhook.ts"
import { examples, secret } from "../fixtures.ts"

const plan = Effect.runSync(Plan.make({ seed: "1", deliveries: 100, examples }))

const sessionOf = new Map<string, string>(plan.map(({ id, session }) => [id, session]))

describe("Poster", () => {
  it.live("posts each session's deliveries one after the other, in the order planned", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const arrived: Array<string> = []
      const busy = new Set<string>()
      let sideBySide = 0
      const url = yield* Http.serve({
        host: "127.0.0.1",
        port: 0,
        handler: (request) =>
          Effect.gen(function* () {
            const id = request.header(Webhook.headers.delivery) ?? ""
            const session = sessionOf.get(id) ?? id
            assert.isFalse(busy.has(session))
            busy.add(session)
            sideBySide = Math.max(sideBySide, busy.size)
            arrived.push(id)
            const chunks = yield* Effect.orDie(Stream.runCollect(request.body))
            yield* Effect.sleep("2 millis")
            busy.delete(session)
            const signature = request.header(Signature.header)
            return Signature.isValid(secret, Buffer.concat(chunks), signature)
              ? { status: 202, json: { id, session } }
              : { status: 401, json: {} }
          })
      })
      yield* Poster.run({ url, secret, plan, history })
      assert.strictEqual(history.counts.sent, plan.length)
      assert.isAbove(sideBySide, 1)
      for (const session of new Set(sessionOf.values())) {
        const own = (ids: ReadonlyArray<string>) =>
          ids.filter((id) => sessionOf.get(id) === session)
        const planned = plan.filter(({ fault }) => fault !== "no delivery id")
        assert.deepStrictEqual(own(arrived), own(planned.map(({ id }) => id)))
      }
      const unsigned = plan.filter(({ fault }) => fault === "wrong signature").map(({ id }) => id)
      for (const event of history.events) {
        assert(event._tag === "Answered")
        assert.strictEqual(event.status, unsigned.some((id) => id === event.id) ? 401 : 202)
      }
    }).pipe(Effect.provide(Http.layerClient))
  )

  it.live("a post without an answer is written down as one", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const handler = () => Effect.succeed("hang up" as const)
      const url = yield* Http.serve({ host: "127.0.0.1", port: 0, handler })
      yield* Poster.run({ url, secret, plan: plan.slice(0, 3), history })
      assert.strictEqual(history.counts.sent, 3)
      assert.isTrue(
        history.events.every((event) => event._tag === "Answered" && event.status === 0)
      )
    }).pipe(Effect.provide(Http.layerClient))
  )
})
