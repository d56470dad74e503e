import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { Dispatch } from "../../src/internal/dispatch.ts"
import type { HeldSession } from "../../src/internal/heldSession.ts"

const held = (name: string): HeldSession => ({
  // Told apart by identity alone: the dispatch looks at nothing of a session.
  session: Object.assign(Object.create(null), { name }),
  lockLost: Effect.never,
  closeAsked: Effect.never,
  close: Effect.void,
  turn: { since: 0, messages: 0 },
  isGuess: false
})

describe("dispatch", () => {
  it.effect("gives a session to the slot it is for, else to the one idle longest", () =>
    Effect.gen(function* () {
      const dispatch = new Dispatch()
      const [a, b] = [held("a"), held("b")]
      const [first, second] = [dispatch.enter(), dispatch.enter()]
      dispatch.deliver(a, second)
      assert.strictEqual(yield* Deferred.await(second), a)
      dispatch.deliver(b, second)
      assert.strictEqual(yield* Deferred.await(first), b)
    })
  )

  it.effect("keeps what no slot waits for, first come first served, and says so", () =>
    Effect.sync(() => {
      const dispatch = new Dispatch()
      const [a, b] = [held("a"), held("b")]
      assert.isFalse(dispatch.wanted.isOpen())
      dispatch.deliver(a)
      dispatch.deliver(b)
      assert.strictEqual(dispatch.waiting, 2)
      assert.isTrue(dispatch.wanted.isOpen())
      assert.strictEqual(dispatch.take(), a)
      assert.isTrue(dispatch.wanted.isOpen())
      assert.strictEqual(dispatch.take(), b)
      assert.isFalse(dispatch.wanted.isOpen())
      assert.isUndefined(dispatch.take())
    })
  )

  it.effect("a slot that left gets nothing more", () =>
    Effect.sync(() => {
      const dispatch = new Dispatch()
      const mailbox = dispatch.enter()
      dispatch.leave(mailbox)
      dispatch.deliver(held("a"), mailbox)
      assert.strictEqual(dispatch.waiting, 1)
      assert.isFalse(Deferred.isDoneUnsafe(mailbox))
    })
  )

  it.effect("drains everything that no slot works on, delivered and not looked at included", () =>
    Effect.sync(() => {
      const dispatch = new Dispatch()
      const [ready, parked, unseen, seen] = [held("r"), held("p"), held("u"), held("s")]
      dispatch.enter()
      dispatch.deliver(unseen)
      dispatch.enter()
      dispatch.deliver(seen)
      dispatch.received(seen)
      dispatch.deliver(ready)
      dispatch.park(parked)
      assert.strictEqual(dispatch.parked, 1)
      assert.deepStrictEqual(dispatch.drain(), [ready, parked, unseen])
      assert.deepStrictEqual(dispatch.drain(), [])
      dispatch.park(parked)
      dispatch.unpark(parked)
      assert.strictEqual(dispatch.parked, 0)
    })
  )
})
