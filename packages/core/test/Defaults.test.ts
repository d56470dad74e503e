import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Defaults from "../src/Defaults.ts"

const numbers = Object.entries(Defaults).filter(
  (entry): entry is [string, number] => typeof entry[1] === "number"
)
const durations = Object.entries(Defaults).filter((entry): entry is [string, Duration.Duration] =>
  Duration.isDuration(entry[1])
)

describe("Defaults", () => {
  it("R10.7 every default is a number or a duration", () => {
    assert.strictEqual(numbers.length + durations.length, Object.keys(Defaults).length)
    assert.isAbove(numbers.length, 10)
    assert.isAbove(durations.length, 10)
  })

  it.each(numbers)("R10.7 %s is a bound: positive and finite", (name, value) => {
    assert.isAbove(value, 0)
    assert.isTrue(Number.isFinite(value))
    if (/(?:Max|Attempts)$|^concurrency$/u.test(name)) assert.isTrue(Number.isSafeInteger(value))
  })

  it.each(durations)("R10.7 %s is a time: positive and finite", (_, value) => {
    assert.isTrue(Duration.isFinite(value))
    assert.isTrue(Duration.isGreaterThan(value, Duration.zero))
  })

  it("R6.1 the figures of the specification: retries", () => {
    assert.strictEqual(Duration.toSeconds(Defaults.retryDelay), 1)
    assert.strictEqual(Duration.toSeconds(Defaults.retryDelayMax), 30)
    assert.strictEqual(Defaults.retryFactor, 2)
    assert.strictEqual(Defaults.retryAttempts, 3)
    assert.strictEqual(Defaults.retryJitter, 0.2)
  })

  it("R3.6 R10.6 the figures of the specification: deliveries, waits", () => {
    assert.strictEqual(Defaults.deliveriesMax, 5)
    assert.strictEqual(Duration.toSeconds(Defaults.receiveWait), 30)
    assert.strictEqual(Duration.toMinutes(Defaults.handlerTimeout), 5)
  })

  it("R5.1 a lock is renewed while part of it is left, and longer than a handler may run", () => {
    assert.isAbove(Defaults.lockRenewalPart, 0)
    assert.isBelow(Defaults.lockRenewalPart, 1)
    const limit = Duration.sum(Defaults.handlerTimeout, Defaults.interruptionWait)
    assert.isTrue(Duration.isGreaterThan(Defaults.lockRenewalMax, limit))
  })

  it("R5.3 a drain ends within the 30 s between SIGTERM and SIGKILL", () => {
    const drain = Duration.sum(Defaults.gracePeriod, Defaults.releaseWait)
    assert.isTrue(Duration.isLessThanOrEqualTo(drain, Duration.seconds(30)))
    assert.isTrue(Duration.isLessThan(Defaults.interruptionWait, Defaults.releaseWait))
  })

  it("R5.4 a pause after an early empty receive is no busy loop and no long sleep", () => {
    assert.isTrue(Duration.isLessThan(Defaults.idlePause, Defaults.retryDelay))
    assert.isAtLeast(Duration.toMillis(Defaults.idlePause), 10)
  })

  it("R10.7 the bounds of memory fit into each other", () => {
    assert.isAtMost(Defaults.memoryMessageSizeMax, Defaults.memorySendSizeMax)
    assert.isAtMost(Defaults.memorySendSizeMax, Defaults.memoryBytesMax)
    assert.isAtMost(Defaults.memorySessionStateSizeMax, Defaults.memoryBytesMax)
    assert.isAtMost(Defaults.memorySendCountMax, Defaults.memoryMessagesMax)
    assert.isAtMost(Defaults.sessionPrefetch, Defaults.sessionMessagesMax)
  })
})
