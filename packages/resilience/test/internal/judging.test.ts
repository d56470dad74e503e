import { QueueError } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import { Cause } from "effect"
import * as judging from "../../src/internal/judging.ts"

describe("judging", () => {
  it("R2.2 R6.2 every reason's own retry state decides, but for another holder's session", () => {
    const counted = Object.entries(QueueError.defaultRetry).flatMap(([tag, retry]) =>
      retry === "Never" ? [] : [tag]
    )
    assert.deepStrictEqual(counted.toSorted(), [
      "CircuitOpen",
      "ConnectionFailed",
      "QuotaExceeded",
      "SessionLocked",
      "Throttled",
      "Timeout"
    ])
    const held = QueueError.make(new QueueError.SessionLocked({ sessionId: "A" }))
    assert.isFalse(judging.isFailure(held))
    const throttled = QueueError.make(new QueueError.Throttled())
    assert.isTrue(judging.isFailure(throttled))
    assert.isTrue(judging.isFailure(QueueError.exhausted(throttled)))
    assert.isFalse(judging.isFailure(QueueError.make(new QueueError.ReceiptExpired())))
    assert.isTrue(judging.isFailure(new Error("of somebody else")))
  })

  it("R6.2 a failure beside a defect says nothing: the defect is a bug", () => {
    const both = Cause.combine(Cause.fail("down"), Cause.die("broken"))
    assert.strictEqual(
      judging.ofCause(both, () => true),
      "Nothing"
    )
    assert.strictEqual(
      judging.ofCause(Cause.fail("down"), () => true),
      "Failure"
    )
    assert.strictEqual(
      judging.ofCause(Cause.interrupt(1), () => true),
      "Nothing"
    )
  })
})
