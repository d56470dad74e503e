import { assert, describe, it } from "@effect/vitest"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Await from "../src/Await.ts"

/** How many wait for it. */
const waitersOf = (deferred: Deferred.Deferred<void>): number => deferred.resumes?.length ?? 0

const waiting = (all: ReadonlyArray<Await.Awaitable>) =>
  Effect.forkChild(Await.any(all), { startImmediately: true })

describe("Await", () => {
  it.effect("ends with the first that is done, and waits for none of the others any more", () =>
    Effect.gen(function* () {
      const [first, second] = [Deferred.makeUnsafe<void>(), Deferred.makeUnsafe<void>()]
      const fiber = yield* Effect.forkChild(Effect.sleep("1 second"), { startImmediately: true })
      const one = yield* waiting([first, second, fiber])
      assert.isUndefined(one.pollUnsafe())
      yield* Deferred.succeed(second, undefined)
      yield* Fiber.join(one)
      assert.strictEqual(waitersOf(first), 0)
      const other = yield* waiting([first, fiber])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(other)
      assert.strictEqual(waitersOf(first), 0)
    })
  )

  it.effect("ends at once where one is done already, and however that one ended", () =>
    Effect.gen(function* () {
      const open = Deferred.makeUnsafe<void>()
      const failed = Deferred.makeUnsafe<void, string>()
      yield* Deferred.fail(failed, "broken")
      yield* Await.any([open, failed])
      const fiber = yield* Effect.forkChild(Effect.die("broken"), { startImmediately: true })
      yield* Await.any([open, fiber])
      assert.strictEqual(waitersOf(open), 0)
    })
  )

  it.effect("wakes everybody who waits for the same one", () =>
    Effect.gen(function* () {
      const common = Deferred.makeUnsafe<void>()
      const all = yield* Effect.forEach([1, 2, 3, 4, 5], () =>
        waiting([Deferred.makeUnsafe<void>(), common])
      )
      yield* Deferred.succeed(common, undefined)
      assert.isTrue(all.every((fiber) => fiber.pollUnsafe() !== undefined))
    })
  )

  it.effect("interrupted, it is waited for by nobody, and interrupts nobody itself", () =>
    Effect.gen(function* () {
      const deferred = Deferred.makeUnsafe<void>()
      const fiber = yield* Effect.forkChild(Effect.never, { startImmediately: true })
      const one = yield* waiting([deferred, fiber])
      const other = yield* waiting([deferred])
      yield* Fiber.interrupt(one)
      assert.strictEqual(waitersOf(deferred), 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* Deferred.succeed(deferred, undefined)
      yield* Fiber.join(other)
    })
  )
})
