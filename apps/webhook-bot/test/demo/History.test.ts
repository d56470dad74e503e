import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as History from "../../src/demo/History.ts"
import { bytes, foreign } from "../fixtures.ts"

const tags = (history: History.History) => history.events.map(({ _tag }) => _tag)

describe("History", () => {
  it.effect("writes down the beginning and the end of each handling", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const message = yield* foreign(bytes("{}"), {})
      yield* History.watching(history, () => Effect.void)(message)
      yield* Effect.ignore(History.watching(history, () => Effect.fail("no"))(message))
      yield* Effect.exit(History.watching(history, () => Effect.die("bug"))(message))
      assert.deepStrictEqual(tags(history), [
        "Started",
        "Ended",
        "Started",
        "Ended",
        "Started",
        "Ended"
      ])
      assert.deepStrictEqual(
        history.events.flatMap((event) => (event._tag === "Ended" ? [event.succeeded] : [])),
        [true, false, false]
      )
      assert.isTrue(history.events.every(({ id, session }) => id !== "" && session === "s"))
    })
  )

  it.effect("counts", () =>
    Effect.gen(function* () {
      const history = new History.History()
      const message = yield* foreign(bytes("{}"), {})
      const description = { reason: "r", description: "d" }
      const settled = History.settled(history)
      yield* settled({ message, disposition: { _tag: "Completed" } })
      yield* settled({
        message,
        disposition: { _tag: "Abandoned", delay: Duration.zero, ...description }
      })
      yield* settled({ message, disposition: { _tag: "DeadLettered", ...description } })
      for (const status of [202, 202, 401]) {
        history.add({ _tag: "Answered", id: "1", session: "s", status })
      }
      assert.deepStrictEqual(
        { ...history.counts },
        { sent: 3, accepted: 2, refused: 1, processed: 1, retried: 1, deadLettered: 1 }
      )
    })
  )
})
