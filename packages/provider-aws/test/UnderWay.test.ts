import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Scope } from "effect"
import * as underWay from "../src/internal/underWay.ts"
import * as world from "./support/world.ts"

const second = 1_000

/** What ended how, and when. */
const make = Effect.gen(function* () {
  const clock = yield* Clock.Clock
  const ended: Array<string> = []
  const calls = yield* underWay.make
  const begin = (name: string, millis: number) => {
    const note = (how: string) => () => {
      ended.push(`${name} ${how} ${clock.currentTimeMillisUnsafe()}`)
    }
    return calls.begin(millis, note("timed out"), note("closed"))
  }
  return { begin, ended }
})

describe("calls under way", () => {
  it.effect("R10.6 each ends at its own time, those that are over do not", () =>
    Effect.gen(function* () {
      const { begin, ended } = yield* make
      begin("a", 10 * second)
      const over = begin("b", 10 * second)
      begin("short", 2 * second)
      yield* world.pass("4 seconds")
      begin("c", 10 * second)
      over()
      over()
      yield* world.pass("5999 millis")
      assert.deepStrictEqual(ended, ["short timed out 2000"])
      yield* world.pass("1 millis")
      assert.deepStrictEqual(ended.slice(1), ["a timed out 10000"])
      yield* world.pass("10 seconds")
      assert.deepStrictEqual(ended.slice(2), ["c timed out 14000"])
    })
  )

  it.effect("R10.6 a limit that nobody used for a while works again", () =>
    Effect.gen(function* () {
      const { begin, ended } = yield* make
      begin("a", second)()
      yield* world.pass("5 seconds")
      begin("b", second)
      yield* world.pass("1 second")
      assert.deepStrictEqual(ended, ["b timed out 6000"])
    })
  )

  it.effect("R10.4 closing ends all of them, once, and those without a limit", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const { begin, ended } = yield* Scope.provide(make, scope)
      begin("a", second)
      begin("b", Number.POSITIVE_INFINITY)
      begin("c", second)()
      yield* Scope.close(scope, Exit.void)
      assert.deepStrictEqual(ended, ["a closed 0", "b closed 0"])
      yield* world.pass("1 minute")
      assert.lengthOf(ended, 2)
    })
  )

  it.effect("R10.7 one sleeps for all calls of one limit, and none for ever", () =>
    Effect.gen(function* () {
      let sleeping = 0
      const runFork = Effect.runForkWith(yield* Effect.context())
      const run = (effect: Effect.Effect<void>): void => {
        sleeping++
        const over = Effect.sync(() => sleeping--)
        fibers.push(runFork(Effect.ensuring(effect, over)))
      }
      const fibers: Array<Fiber.Fiber<void>> = []
      const calls = new underWay.UnderWay(run, () => 0)
      const nothing = (): void => undefined
      for (let call = 0; call < 10_000; call++) calls.begin(5, nothing, nothing)()
      assert.strictEqual(sleeping, 1)
      yield* world.pass("5 millis")
      yield* Effect.forEach(fibers, Fiber.await)
      assert.strictEqual(sleeping, 0)
    })
  )
})
