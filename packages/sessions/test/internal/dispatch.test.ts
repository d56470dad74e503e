import { assert, describe, it } from "@effect/vitest"
import { Deferred, Effect } from "effect"
import { Dispatch } from "../../src/internal/dispatch.ts"
import type { HeldSession } from "../../src/internal/heldSession.ts"

const held = (name: string): HeldSession => ({
  // Told apart by identity alone: the dispatch looks at nothing of a session.
  session: Object.assign(Object.create(null), { name }),
  lockLost: Deferred.makeUnsafe(),
  closeAsked: Deferred.makeUnsafe(),
  close: Effect.void,
  turn: { since: 0, messages: 0 },
  expectsMore: true,
  isGuess: false
})

const opened = (dispatch: Dispatch) => {
  const mailbox = Deferred.makeUnsafe<HeldSession>()
  dispatch.open(mailbox)
  return mailbox
}

describe("dispatch", () => {
  it.effect("gives a session to the slot it is for, else to the one that has waited longest", () =>
    Effect.gen(function* () {
      const dispatch = new Dispatch()
      const [a, b] = [held("a"), held("b")]
      const [first, second] = [opened(dispatch), opened(dispatch)]
      dispatch.deliver(a, second)
      assert.strictEqual(yield* Deferred.await(second), a)
      dispatch.deliver(b, second)
      assert.strictEqual(yield* Deferred.await(first), b)
    })
  )

  it.effect("keeps what no slot waits for, first come first served", () =>
    Effect.gen(function* () {
      const dispatch = new Dispatch()
      const [a, b] = [held("a"), held("b")]
      dispatch.deliver(a)
      dispatch.deliver(b)
      assert.strictEqual(dispatch.waiting, 2)
      assert.strictEqual(yield* Deferred.await(opened(dispatch)), a)
      assert.strictEqual(yield* Deferred.await(opened(dispatch)), b)
      assert.strictEqual(dispatch.waiting, 0)
      assert.isFalse(Deferred.isDoneUnsafe(opened(dispatch)))
    })
  )

  it.effect("a slot that waits no more gets nothing, and what it did not take goes on", () =>
    Effect.gen(function* () {
      const dispatch = new Dispatch()
      const [a, b] = [held("a"), held("b")]
      const left = opened(dispatch)
      dispatch.close(left)
      dispatch.deliver(a, left)
      assert.isFalse(Deferred.isDoneUnsafe(left))
      const late = opened(dispatch)
      const other = opened(dispatch)
      assert.strictEqual(yield* Deferred.await(late), a)
      dispatch.close(late)
      assert.strictEqual(yield* Deferred.await(other), a)
      dispatch.taken(other)
      dispatch.close(other)
      assert.strictEqual(dispatch.waiting, 0)
      dispatch.deliver(b)
      assert.strictEqual(dispatch.waiting, 1)
    })
  )

  it.effect("drains everything that no slot works on, delivered and not looked at included", () =>
    Effect.sync(() => {
      const dispatch = new Dispatch()
      const [ready, parked, unseen, seen] = [held("r"), held("p"), held("u"), held("s")]
      opened(dispatch)
      dispatch.deliver(unseen)
      const mailbox = opened(dispatch)
      dispatch.deliver(seen)
      dispatch.taken(mailbox)
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
