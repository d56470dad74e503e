import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"

/** Lets what was started come to where it waits. */
export const settle = Effect.repeat(Effect.yieldNow, { times: 100 })

/** An effect that ends by itself while the time goes on. */
export const ends = <A, E, R>(effect: Effect.Effect<A, E, R>, limit = 600_000) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    let passed = 0
    yield* settle
    while (fiber.pollUnsafe() === undefined) {
      if (passed >= limit) return yield* Effect.die(new Error("did not end"))
      passed += 50
      yield* TestClock.adjust(50)
      yield* settle
    }
    return yield* Fiber.join(fiber)
  })

/** In a scope of its own that ends while the time goes on: closing waits for polls under way. */
export const ending = Effect.fnUntraced(function* <A, E, R>(effect: Effect.Effect<A, E, R>) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) =>
    ends(Scope.close(made, Exit.void))
  )
  return yield* Scope.provide(effect, scope)
})
