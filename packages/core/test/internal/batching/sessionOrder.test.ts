import { assert, describe, it } from "@effect/vitest"
import {
  type Ordered,
  type Place,
  SessionOrder
} from "../../../src/internal/batching/sessionOrder.ts"
import * as SessionId from "../../../src/SessionId.ts"

interface Entry extends Ordered<Entry> {
  readonly name: string
}

const make = (name: string, ...sessions: ReadonlyArray<string>): Entry => {
  const places: ReadonlyArray<Place<Entry>> = []
  return { name, sessions: sessions.map((id) => SessionId.makeUnsafe(id)), places, blockers: 0 }
}

const setUp = (shares = false) => {
  const ready = new Set<string>()
  const order = new SessionOrder<Entry>(
    { ready: ({ name }) => ready.add(name), unready: ({ name }) => ready.delete(name) },
    shares
  )
  const add = (...entries: ReadonlyArray<Entry>) => {
    for (const entry of entries) order.add(entry)
  }
  const take = (...entries: ReadonlyArray<Entry>) => {
    for (const entry of entries) {
      ready.delete(entry.name)
      order.take(entry)
    }
    order.close(entries)
  }
  return { order, add, take, ready: () => [...ready].toSorted().join(" ") }
}

describe("sessionOrder", () => {
  it("R4.1 the next of a session may go out when the call before it is over", () => {
    const { add, order, ready, take } = setUp()
    const [a1, a2, b1] = [make("a1", "A"), make("a2", "A"), make("b1", "B")]
    add(a1, a2, b1)
    assert.strictEqual(ready(), "a1 b1")
    take(a1)
    assert.strictEqual(ready(), "b1")
    order.release([a1])
    assert.strictEqual(ready(), "a2 b1")
  })

  it("R4.1 one that leaves a busy session lets nobody go out", () => {
    const { add, order, ready, take } = setUp()
    const [a1, a2, a3] = [make("a1", "A"), make("a2", "A"), make("a3", "A")]
    add(a1, a2, a3)
    take(a1)
    order.remove(a2)
    assert.strictEqual(ready(), "")
    order.release([a1])
    assert.strictEqual(ready(), "a3")
  })

  it("R4.1 the last that leaves a busy session leaves it busy", () => {
    const { add, order, ready, take } = setUp()
    const [a1, a2, a3] = [make("a1", "A"), make("a2", "A"), make("a3", "A")]
    add(a1, a2)
    take(a1)
    order.remove(a2)
    add(a3)
    assert.strictEqual(ready(), "")
    order.release([a1])
    assert.strictEqual(ready(), "a3")
  })

  it("R4.1 one that leaves from behind changes nothing for those before it", () => {
    const { add, order, ready, take } = setUp()
    const [b1, both, a1] = [make("b1", "B"), make("both", "A", "B"), make("a1", "A")]
    add(b1)
    take(b1)
    add(both, a1)
    order.remove(a1)
    assert.strictEqual(ready(), "")
    order.release([b1])
    assert.strictEqual(ready(), "both")
  })

  it("R4.1 one that may go out and leaves lets the next one go", () => {
    const { add, order, ready, take } = setUp()
    const [a1, a2, a3] = [make("a1", "A"), make("a2", "A"), make("a3", "A")]
    add(a1, a2, a3)
    take(a1)
    order.release([a1])
    assert.strictEqual(ready(), "a2")
    order.remove(a2)
    assert.strictEqual(ready(), "a2 a3")
  })

  it("R4.1 in a shared call the next may follow, and waits for it when it does not", () => {
    const { add, order, ready, take } = setUp(true)
    const [a1, a2, a3] = [make("a1", "A"), make("a2", "A"), make("a3", "A")]
    add(a1, a2, a3)
    take(a1, a2)
    assert.strictEqual(ready(), "")
    order.release([a1, a2])
    assert.strictEqual(ready(), "a3")
  })

  it("R10.7 a session that nobody waits for is forgotten", () => {
    const { add, order, take } = setUp()
    const [a1, a2] = [make("a1", "A"), make("a2", "A")]
    add(a1)
    take(a1)
    order.release([a1])
    add(a2)
    assert.notStrictEqual(a1.places[0]?.line, a2.places[0]?.line)
  })
})
