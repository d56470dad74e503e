import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Downstream from "../../src/demo/Downstream.ts"
import * as History from "../../src/demo/History.ts"
import * as Http from "../../src/Http.ts"
import { bytes } from "../fixtures.ts"

const tell = (url: string, body: unknown) =>
  Effect.flatMap(Http.Client, (client) =>
    client.post({ url, body: bytes(JSON.stringify(body)), timeout: "5 seconds" })
  )

const told = { id: "d-1", session: "s", event: "push" }

describe("Downstream", () => {
  it.live("takes what it is told and writes it down; two kinds it does not take", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const { url } = yield* Downstream.make(history)
      assert.strictEqual((yield* tell(url, told)).status, 200)
      assert.strictEqual((yield* tell(url, { ...told, event: "page_build" })).status, 500)
      const refused = yield* tell(url, { ...told, event: "marketplace_purchase" })
      assert.strictEqual(refused.status, 422)
      assert.strictEqual((yield* tell(url, {})).status, 400)
      assert.deepStrictEqual(history.events, [{ _tag: "Notified", id: "d-1", session: "s" }])
    }).pipe(Effect.provide(Http.layerClient))
  )

  it.live("while it is down it answers 503 or cuts the connection, and then takes again", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const downstream = yield* Downstream.make(history)
      const outage = yield* Effect.forkChild(downstream.outage(Duration.infinity), {
        startImmediately: true
      })
      assert.isTrue(yield* downstream.isDown)
      assert.strictEqual((yield* tell(downstream.url, told)).status, 503)
      assert.strictEqual((yield* Effect.flip(tell(downstream.url, told)))._tag, "HttpFailed")
      assert.strictEqual(yield* downstream.turnedAway, 2)
      yield* Fiber.interrupt(outage)
      assert.isFalse(yield* downstream.isDown)
      assert.strictEqual((yield* tell(downstream.url, told)).status, 200)
      assert.strictEqual(history.events.length, 1)
    }).pipe(Effect.provide(Http.layerClient))
  )
})
