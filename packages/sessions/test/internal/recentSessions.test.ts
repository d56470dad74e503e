import { QueueName, SessionId } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import { RecentSessions } from "../../src/internal/recentSessions.ts"

const [orders, events] = [QueueName.makeUnsafe("orders"), QueueName.makeUnsafe("events")]
const [a, b] = [SessionId.makeUnsafe("a"), SessionId.makeUnsafe("b")]

describe("recentSessions", () => {
  it("R4.6 a queue with nothing remembered takes no place", () => {
    const recent = new RecentSessions(2, 1_000)
    recent.gaveUp(orders, a, 0)
    recent.gaveUp(orders, b, 0)
    assert.strictEqual(recent.queueCount, 1)
    recent.gaveUp(events, a, 0)
    assert.strictEqual(recent.queueCount, 2)
    assert.deepStrictEqual(recent.candidate(orders, 0), Option.some(b))
    assert.strictEqual(recent.queueCount, 1)
    recent.forget(events, a)
    assert.strictEqual(recent.queueCount, 0)
    recent.gaveUp(orders, a, 0)
    assert.strictEqual(recent.size(1_000), 0)
    assert.strictEqual(recent.queueCount, 0)
  })
})
