import { assert, describe, it } from "@effect/vitest"
import { Session } from "../src/index.ts"
import { open, reasonOf } from "./support/front.ts"

describe("Session", () => {
  it("R4.2 R4.3 a session is accepted, has state, has one holder, and is released", async () => {
    await using queues = await open()
    const events = queues.queue("events")
    await events.send("one", { sessionId: "a" })
    {
      await using session = await events.acceptSession()
      assert.instanceOf(session, Session.Session)
      assert.strictEqual(session.sessionId, "a")
      assert.strictEqual(await session.state(), undefined)
      await session.setState(new Uint8Array([7]))
      assert.deepStrictEqual([...((await session.state()) ?? [])], [7])
      assert.instanceOf(await session.lockedUntil(), Date)
      assert.instanceOf(await session.renewLock(), Date)
      assert.strictEqual(await reasonOf(events.acceptSession({ sessionId: "a" })), "SessionLocked")
      const [delivery] = await session.receive()
      await delivery?.complete()
      await session.setState(undefined)
    }
    assert.strictEqual(await events.acceptSession({ wait: 0 }), undefined)
    assert.strictEqual(
      await reasonOf(events.acceptSession({ sessionId: "\n" })),
      "ValidationFailed"
    )
  })
})
