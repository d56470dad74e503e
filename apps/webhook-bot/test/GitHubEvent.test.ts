import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as GitHubEvent from "../src/GitHubEvent.ts"
import { bytes, delivered, example, foreign, message } from "./fixtures.ts"

describe("GitHubEvent", () => {
  it.effect("reads what the server sent", () =>
    Effect.gen(function* () {
      const sent = yield* message("pull_request", example("pull_request"), "d-9")
      const event = yield* GitHubEvent.fromMessage(yield* delivered(sent))
      assert.strictEqual(event.id, "d-9")
      assert.strictEqual(event.session, "Codertocat/Hello-World/pull/2")
      assert.strictEqual(event.name, "pull_request")
      assert.deepStrictEqual(event.from.get("pull_request.number"), Option.some("2"))
      assert.strictEqual(GitHubEvent.describe(event), "pull_request opened by Codertocat")
    })
  )

  it.effect("describes an event without action and sender", () =>
    Effect.gen(function* () {
      const sent = yield* message("security_advisory", {})
      const event = yield* GitHubEvent.fromMessage(yield* delivered(sent))
      assert.strictEqual(GitHubEvent.describe(event), "security_advisory")
    })
  )

  it.effect.each([
    ["{}", {}, "the attribute event is missing"],
    ["{", { event: "push" }, "body: must be JSON in UTF-8"],
    ["[]", { event: "push" }, "body: must be a JSON object"]
  ] as const)(
    "R5.5 %j with %j fails for good: no other delivery reads better",
    ([body, attributes, problem]) =>
      Effect.gen(function* () {
        const received = yield* foreign(bytes(body), attributes)
        const failure = yield* Effect.flip(GitHubEvent.fromMessage(received))
        assert.strictEqual(failure.reason, "UnreadableEvent")
        assert.strictEqual(failure.message, problem)
        assert.strictEqual(failure.retry, "Never")
      })
  )

  it.effect("R5.5 a message without a session fails for good", () =>
    Effect.gen(function* () {
      const { sessionId: _, ...rest } = yield* foreign(bytes("{}"), { event: "push" })
      const failure = yield* Effect.flip(GitHubEvent.fromMessage(rest))
      assert.strictEqual(failure.message, "the message has no session")
    })
  )
})
