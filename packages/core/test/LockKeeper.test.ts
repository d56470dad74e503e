import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as LockKeeper from "../src/LockKeeper.ts"
import * as QueueError from "../src/QueueError.ts"

const margin = Duration.toMillis(Defaults.lockMargin)
const transient = QueueError.make(new QueueError.ConnectionFailed({}))
const permanent = QueueError.make(new QueueError.SessionLockLost({ sessionId: "s" }))

/** A lock of `lockMillis` from the start of the test, and the times its renewals began. */
const keeping = Effect.fnUntraced(function* (options: {
  readonly lockMillis: number
  readonly renewalMax?: Duration.Duration
  readonly renew: (nth: number) => Effect.Effect<DateTime.Utc, QueueError.QueueError> | undefined
}) {
  const times: Array<number> = []
  const renewed = (now: number) => Effect.succeed(DateTime.makeUnsafe(now + options.lockMillis))
  const renew = Effect.flatMap(Clock.currentTimeMillis, (now) => {
    times.push(now)
    return options.renew(times.length) ?? renewed(now)
  })
  const lock = {
    lockedUntil: DateTime.makeUnsafe(options.lockMillis),
    renew,
    renewalMax: options.renewalMax ?? Defaults.lockRenewalMax
  }
  const fiber = yield* Effect.forkChild(LockKeeper.keep(lock), { startImmediately: true })
  return { times, fiber }
})

describe("LockKeeper", () => {
  it.effect("R5.1 renews when half is left, again and again, and does not end", () =>
    Effect.gen(function* () {
      const { fiber, times } = yield* keeping({ lockMillis: 30_000, renew: () => undefined })
      const half = (30_000 - margin) / 2
      yield* TestClock.adjust(half - 1)
      assert.deepStrictEqual(times, [])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(times, [half])
      yield* TestClock.adjust(half)
      yield* TestClock.adjust(half)
      assert.deepStrictEqual(times, [half, 2 * half, 3 * half])
      assert.isUndefined(fiber.pollUnsafe())
    })
  )

  it.effect("R5.1 a renewal that takes a while counts from the end it answers", () =>
    Effect.gen(function* () {
      const lockMillis = 10_000
      const { times } = yield* keeping({
        lockMillis,
        renew: (nth) =>
          nth === 1 ? Effect.delay(Effect.succeed(DateTime.makeUnsafe(20_000)), 1_000) : undefined
      })
      const first = (lockMillis - margin) / 2
      yield* TestClock.adjust(12_000)
      const second = first + 1_000 + (20_000 - margin - first - 1_000) / 2
      assert.deepStrictEqual(times, [first])
      yield* TestClock.adjust(1_000)
      assert.deepStrictEqual(times, [first, second])
    })
  )

  it.effect("R5.1 a transient failure is tried again, ever sooner, and the lock is kept", () =>
    Effect.gen(function* () {
      const { fiber, times } = yield* keeping({
        lockMillis: 16_000 + margin,
        renew: (nth) => (nth <= 3 ? Effect.fail(transient) : undefined)
      })
      yield* TestClock.adjust(15_000)
      assert.deepStrictEqual(times, [8_000, 12_000, 14_000, 15_000])
      yield* TestClock.adjust(8_000)
      assert.deepStrictEqual(times, [8_000, 12_000, 14_000, 15_000, 23_000])
      assert.isUndefined(fiber.pollUnsafe())
    })
  )

  it.effect(
    "R5.1 ends with ReceiptExpired a moment before the lock does, and tried a bounded number of times",
    () =>
      Effect.gen(function* () {
        const { fiber, times } = yield* keeping({
          lockMillis: 30_000,
          renew: () => Effect.fail(QueueError.exhausted(transient))
        })
        yield* TestClock.adjust(30_000 - margin - 1)
        assert.isUndefined(fiber.pollUnsafe())
        yield* TestClock.adjust(1)
        const error = yield* Fiber.join(fiber)
        assert.strictEqual(error.reason._tag, "ReceiptExpired")
        assert.strictEqual(yield* Clock.currentTimeMillis, 30_000 - margin)
        // Halving 30 s down to the 10 ms between two tries.
        assert.isAtLeast(times.length, 8)
        assert.isAtMost(times.length, 14)
        assert.isBelow(Math.max(...times), 30_000 - margin)
      })
  )

  it.effect("R4.3 ends at once with the error that says the lock is lost", () =>
    Effect.gen(function* () {
      const { fiber, times } = yield* keeping({
        lockMillis: 30_000,
        renew: (nth) => (nth === 2 ? Effect.fail(permanent) : undefined)
      })
      const half = (30_000 - margin) / 2
      yield* TestClock.adjust(half)
      yield* TestClock.adjust(half - 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual(yield* Fiber.join(fiber), permanent)
      assert.strictEqual(times.length, 2)
    })
  )

  it.effect("R5.1 a renewal that hangs is given up when the lock ends", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const { fiber, times } = yield* keeping({ lockMillis: 30_000, renew: () => hanging })
      yield* TestClock.adjust(30_000 - margin - 1)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "ReceiptExpired")
      assert.strictEqual(times.length, 1)
      assert.strictEqual(interrupted, 1)
    })
  )

  it.effect("R5.1 no renewal after the stated maximum: the lock then runs out", () =>
    Effect.gen(function* () {
      const lockMillis = 10_000 + margin
      const { fiber, times } = yield* keeping({
        lockMillis,
        renewalMax: Duration.millis(12_000),
        renew: () => undefined
      })
      yield* TestClock.adjust(60_000)
      // The second is at 10 s; the third would be at 15 s.
      assert.deepStrictEqual(times, [5_000, 10_000])
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "ReceiptExpired")
    })
  )

  it.effect("R5.1 after the last renewal the lock is held to its end", () =>
    Effect.gen(function* () {
      const { fiber } = yield* keeping({
        lockMillis: 10_000 + margin,
        renewalMax: Duration.millis(12_000),
        renew: () => undefined
      })
      yield* TestClock.adjust(5_000)
      yield* TestClock.adjust(5_000)
      yield* TestClock.adjust(9_999)
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "ReceiptExpired")
    })
  )

  it.effect("R5.1 a short lock is kept too, and counts as lost when a tenth of it is left", () =>
    Effect.gen(function* () {
      const { fiber, times } = yield* keeping({ lockMillis: margin, renew: () => undefined })
      yield* TestClock.adjust(224)
      assert.isUndefined(fiber.pollUnsafe())
      assert.deepStrictEqual(times[0], 112.5)
      yield* TestClock.adjust(margin)
      assert.isAtLeast(times.length, 2)
      yield* Fiber.interrupt(fiber)
    })
  )

  it.effect.each([-1_000, 0])(
    "R5.1 a lock that is over ends at once: %d ms",
    Effect.fnUntraced(function* (lockMillis) {
      const { fiber, times } = yield* keeping({ lockMillis, renew: () => undefined })
      yield* TestClock.adjust(0)
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "ReceiptExpired")
      assert.deepStrictEqual(times, [])
    })
  )

  it.effect("R5.4 a renewal that extends nothing does not become a busy loop", () =>
    Effect.gen(function* () {
      const { fiber, times } = yield* keeping({
        lockMillis: 30_000,
        renew: () => Effect.succeed(DateTime.makeUnsafe(30_000))
      })
      yield* TestClock.adjust(60_000)
      assert.strictEqual((yield* Fiber.join(fiber)).reason._tag, "ReceiptExpired")
      assert.isAtMost(times.length, 14)
    })
  )

  it.effect("R5.3 interruption ends it, with the pause and with the renewal under way", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const hanging = Effect.onInterrupt(Effect.never, () => Effect.sync(() => void interrupted++))
      const waiting = yield* keeping({ lockMillis: 30_000, renew: () => hanging })
      yield* Fiber.interrupt(waiting.fiber)
      assert.deepStrictEqual(waiting.times, [])
      const renewing = yield* keeping({ lockMillis: 30_000, renew: () => hanging })
      yield* TestClock.adjust(20_000)
      assert.strictEqual(renewing.times.length, 1)
      yield* Fiber.interrupt(renewing.fiber)
      assert.strictEqual(interrupted, 1)
    })
  )

  it.effect("R5.1 kept by a fiber that starts late, it is renewed at the same time", () =>
    Effect.gen(function* () {
      const lockMillis = 10_000 + margin
      const lockedUntil = DateTime.makeUnsafe(lockMillis)
      const due = LockKeeper.idleUntil(lockedUntil, 0)
      assert.strictEqual(due, 5_000)
      const times: Array<number> = []
      const renew = Effect.map(Clock.currentTimeMillis, (now) => {
        times.push(now)
        return DateTime.makeUnsafe(now + lockMillis)
      })
      yield* TestClock.adjust(3_000)
      const lock = { lockedUntil, renew, renewalMax: Defaults.lockRenewalMax, since: 0 }
      yield* Effect.forkChild(LockKeeper.keep(lock), { startImmediately: true })
      yield* TestClock.adjust(1_999)
      assert.deepStrictEqual(times, [])
      yield* TestClock.adjust(1)
      yield* TestClock.adjust(5_000)
      assert.deepStrictEqual(times, [5_000, 10_000])
      // Of a lock that is over there is nothing to wait for.
      assert.strictEqual(LockKeeper.idleUntil(lockedUntil, 60_000), 60_000)
    })
  )
})
