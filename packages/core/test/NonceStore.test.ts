import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as NonceStore from "../src/NonceStore.ts"

const sighting = { queue: "orders", nonce: "n", stored: "1" }

describe("NonceStore", () => {
  it.effect("R8.5 nonces are tracked behind a port, and there need not be one", () =>
    Effect.gen(function* () {
      assert.isTrue(Option.isNone(yield* Effect.serviceOption(NonceStore.NonceStore)))
      const windows: Array<number> = []
      const claimed = Effect.flatMap(NonceStore.NonceStore, (store) =>
        store.claim(sighting, Duration.minutes(10))
      )
      const isOwn = yield* Effect.provideService(claimed, NonceStore.NonceStore, {
        claim: (_, window) =>
          Effect.sync(() => {
            windows.push(Duration.toMillis(window))
            return windows.length === 1
          })
      })
      assert.isTrue(isOwn)
      assert.deepStrictEqual(windows, [600_000])
    })
  )
})
