import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope } from "effect"
import { ownScope } from "../../src/internal/ownScope.ts"

const acquire = (log: Array<string>) =>
  Effect.acquireRelease(
    Effect.sync(() => log.push("acquired")),
    () => Effect.sync(() => log.push("released"))
  )

describe("ownScope", () => {
  it.effect("R4.2 what a failed attempt acquired is released with it", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const attempt = ownScope(Effect.andThen(acquire(log), Effect.fail("no")))
      yield* Effect.scoped(
        Effect.andThen(
          Effect.flip(attempt),
          Effect.sync(() => log.push("scope ends"))
        )
      )
      assert.deepStrictEqual(log, ["acquired", "released", "scope ends"])
    })
  )

  it.effect("R4.2 what the last one acquired lives as long as the caller's scope", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const scope = yield* Scope.make()
      yield* Scope.provide(ownScope(acquire(log)), scope)
      assert.deepStrictEqual(log, ["acquired"])
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(log, ["acquired", "released"])
    })
  )

  it("R4.2 an effect without a scope passes", () => {
    assert.strictEqual(Effect.runSync(ownScope(Effect.succeed(1))), 1)
  })
})
