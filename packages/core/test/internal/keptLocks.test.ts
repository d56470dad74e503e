import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Defaults from "../../src/Defaults.ts"
import { KeptLocks } from "../../src/internal/keptLocks.ts"
import * as QueueError from "../../src/QueueError.ts"

const margin = Duration.toMillis(Defaults.lockMargin)
const lockMillis = 10_000 + margin

/** Locks of ten seconds beside their margin, and when each renewal of which began. */
const keeping = Effect.fnUntraced(function* (failure?: QueueError.QueueError) {
  const locks = new KeptLocks(Defaults.lockRenewalMax, yield* Effect.scope)
  const renewals: Array<string> = []
  const add = (name: string, millis = lockMillis) =>
    Effect.flatMap(Clock.currentTimeMillis, (now) => {
      const renew = Effect.flatMap(Clock.currentTimeMillis, (at) => {
        renewals.push(`${name} ${at}`)
        return failure === undefined
          ? Effect.succeed(DateTime.makeUnsafe(at + millis))
          : Effect.fail(failure)
      })
      const lock = locks.add(DateTime.makeUnsafe(now + millis), renew, now)
      return Effect.as(locks.watch, lock)
    })
  return { locks, renewals, add }
})

describe("keptLocks", () => {
  it.effect("R5.1 each is renewed when half of it is left, again and again", () =>
    Effect.gen(function* () {
      const { add, renewals } = yield* keeping()
      const lock = yield* add("a")
      yield* TestClock.adjust(1_000)
      yield* add("b")
      yield* TestClock.adjust(3_999)
      assert.deepStrictEqual(renewals, [])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(renewals, ["a 5000", "b 6000"])
      assert.strictEqual(DateTime.toEpochMillis(lock.lockedUntil), 5_000 + lockMillis)
      yield* TestClock.adjust(4_000)
      assert.deepStrictEqual(renewals, ["a 5000", "b 6000", "a 10000"])
    })
  )

  it.effect("R5.1 one that is due before the others is not waited for behind them", () =>
    Effect.gen(function* () {
      const { add, renewals } = yield* keeping()
      yield* add("long")
      // A tenth of so short a lock is its margin.
      yield* add("short", 2_000)
      yield* TestClock.adjust(900)
      assert.deepStrictEqual(renewals, ["short 900"])
      yield* TestClock.adjust(4_100)
      assert.include(renewals, "long 5000")
    })
  )

  it.effect("R5.1 one that is let go is not renewed any more, begun or not", () =>
    Effect.gen(function* () {
      const { add, locks, renewals } = yield* keeping()
      const [never, once] = [yield* add("never"), yield* add("once")]
      yield* locks.stop(never)
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(renewals, ["once 5000"])
      yield* locks.stop(once)
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(renewals, ["once 5000"])
    })
  )

  it.effect("R5.1 whoever is awaited at the same alarm and is let go there is left alone", () =>
    Effect.gen(function* () {
      const { add, locks, renewals } = yield* keeping()
      const [first, second] = [yield* add("a"), yield* add("b")]
      yield* TestClock.adjust(5_000)
      yield* Effect.all([locks.stop(first), locks.stop(second)])
      yield* add("c")
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(renewals, ["a 5000", "b 5000", "c 10000"])
    })
  )

  it.effect("R4.3 tells why a lock is lost, to everybody who asks", () =>
    Effect.gen(function* () {
      const expired = QueueError.make(new QueueError.ReceiptExpired())
      const { add } = yield* keeping(expired)
      const lock = yield* add("a")
      const asking = yield* Effect.forkChild(Deferred.await(lock.lost), { startImmediately: true })
      yield* TestClock.adjust(4_999)
      assert.isUndefined(asking.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(asking), expired)
      assert.strictEqual(yield* Deferred.await(lock.lost), expired)
    })
  )
})
