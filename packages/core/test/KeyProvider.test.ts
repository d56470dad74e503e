import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as KeyProvider from "../src/KeyProvider.ts"
import * as QueueName from "../src/QueueName.ts"

const queue = QueueName.makeUnsafe("orders")

describe("KeyProvider", () => {
  it.effect(
    "R8.3 R8.4 a policy finds keys through the port, and printing one shows no byte of it",
    () =>
      Effect.gen(function* () {
        const provider = yield* KeyProvider.KeyProvider
        const key = yield* provider.current(queue)
        assert.deepStrictEqual(yield* provider.ids(queue), [key.id])
        assert.isTrue(Option.isSome(yield* provider.byId(queue, { id: key.id })))
        assert.strictEqual(JSON.stringify(key), '{"id":"k1","material":"<redacted>"}')
      }).pipe(
        Effect.provideService(KeyProvider.KeyProvider, {
          wrappedSizeMax: 0,
          current: () => Effect.succeed({ id: "k1", material: Redacted.make(new Uint8Array(32)) }),
          byId: (_, { id }) =>
            Effect.succeedSome({ id, material: Redacted.make(new Uint8Array(32)) }),
          ids: () => Effect.succeed(["k1"])
        })
      )
  )
})
