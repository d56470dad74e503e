import { assert, describe, it } from "@effect/vitest"
import { SessionKeyExtractor } from "@queue-runtime/sessions"
import * as Effect from "effect/Effect"
import * as Timeline from "../../src/bots/Timeline.ts"

const event = (session: string, id: string) => ({
  id,
  session,
  name: "issues",
  action: "opened",
  sender: "octocat",
  from: SessionKeyExtractor.empty
})

const idsOf = (session: string) =>
  Effect.flatMap(Timeline.Timeline, (timeline) =>
    Effect.map(timeline.of(session), (entries) => entries.map(({ id }) => id))
  )

const record = (...events: ReadonlyArray<readonly [session: string, id: string]>) =>
  Effect.flatMap(Timeline.Timeline, (timeline) =>
    Effect.forEach(events, ([session, id]) => timeline.record(event(session, id)))
  )

describe("Timeline", () => {
  it.effect("keeps what happened, session by session, in order", () =>
    Effect.gen(function* () {
      yield* record(["a", "1"], ["b", "2"], ["a", "3"])
      assert.deepStrictEqual(yield* idsOf("a"), ["1", "3"])
      assert.deepStrictEqual(yield* idsOf("b"), ["2"])
      assert.deepStrictEqual(yield* idsOf("c"), [])
      const timeline = yield* Timeline.Timeline
      assert.strictEqual((yield* timeline.of("a"))[0]?.text, "issues opened by octocat")
    }).pipe(Effect.provide(Timeline.layer()))
  )

  it.effect("R3.2 enters a redelivered event once, where it was", () =>
    Effect.gen(function* () {
      yield* record(["a", "1"], ["a", "2"], ["a", "1"])
      assert.deepStrictEqual(yield* idsOf("a"), ["1", "2"])
    }).pipe(Effect.provide(Timeline.layer()))
  )

  it.effect("R10.7 keeps the latest entries and the latest sessions", () =>
    Effect.gen(function* () {
      yield* record(["a", "1"], ["a", "2"], ["a", "3"])
      assert.deepStrictEqual(yield* idsOf("a"), ["2", "3"])
      yield* record(["b", "4"], ["a", "5"], ["c", "6"])
      assert.deepStrictEqual(yield* idsOf("b"), [])
      assert.deepStrictEqual(yield* idsOf("a"), ["3", "5"])
    }).pipe(Effect.provide(Timeline.layer({ entriesMax: 2, sessionsMax: 2 })))
  )
})
