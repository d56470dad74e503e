import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as QueueName from "../src/QueueName.ts"
import * as SessionId from "../src/SessionId.ts"
import * as SessionStore from "../src/SessionStore.ts"

const request: SessionStore.Request = {
  queue: QueueName.makeUnsafe("orders"),
  sessionId: SessionId.makeUnsafe("acme/42"),
  holder: "worker-1",
  duration: Duration.seconds(30)
}

describe("SessionStore", () => {
  it.effect("R4.4 leases and state are behind a port, and there need not be one", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* Effect.serviceOption(SessionStore.SessionStore)))
      const asked: Array<SessionStore.Request> = []
      const acquired = yield* Effect.provideService(
        Effect.flatMap(SessionStore.SessionStore, (store) => store.acquire(request)),
        SessionStore.SessionStore,
        {
          stateSizeMax: 1,
          acquire: (one) =>
            Effect.sync(() => {
              asked.push(one)
              return { _tag: "Held", until: DateTime.makeUnsafe(30_000) }
            }),
          renew: (lease) => Effect.succeed(lease),
          release: () => Effect.void,
          readState: () => Effect.succeedNone,
          writeState: () => Effect.void
        }
      )
      assert.strictEqual(acquired._tag, "Held")
      assert.deepStrictEqual(asked, [request])
    })
  )
})
