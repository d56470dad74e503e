import { assert, describe, it } from "@effect/vitest"
import { DateTime } from "effect"
import { Defaults, MessageId, QueueAddress, QueueName } from "@queue-runtime/core"
import { Counts } from "../src/internal/router/counts.ts"
import { Delivery } from "../src/internal/router/delivery.ts"
import { Group } from "../src/internal/router/group.ts"
import { invariants } from "../src/internal/router/invariants.ts"
import { Acceptor, State } from "../src/internal/router/state.ts"

const queue = QueueAddress.queue(QueueName.makeUnsafe("q"))

/** The nth message of a group, as one receive brought it. */
const delivery = (sequence: number, receives = 1, receivedAt = 0): Delivery =>
  new Delivery(
    {
      id: `id-${sequence}`,
      handle: `handle-${sequence}-${receives}`,
      groupId: "A",
      sequence: BigInt(sequence),
      receives,
      firstReceivedAt: 0,
      expiresAt: Number.POSITIVE_INFINITY,
      message: {
        body: new Uint8Array(),
        attributes: {},
        messageId: MessageId.makeUnsafe(`m-${sequence}`),
        enqueuedAt: DateTime.makeUnsafe(0)
      },
      source: { id: "", handle: "", body: "", systemAttributes: {}, attributes: {} }
    },
    receivedAt,
    30_000
  )

const group = (...sequences: ReadonlyArray<number>): Group => {
  const made = new Group(
    "A",
    sequences.map((sequence) => delivery(sequence))
  )
  made.hold(30_000)
  return made
}

const always = (): boolean => true

/** Hands out the next ones; their places. */
const take = (from: Group, max: number, now = 0): ReadonlyArray<number> =>
  from.next(now, max, always).map((one) => {
    one.handOut(`token-${one.content.id}-${one.seen}`, 1)
    return Number(one.content.sequence)
  })

const phases = ({ deliveries }: Group): ReadonlyArray<string> =>
  deliveries.map(({ content, phase }) => `${content.sequence}:${phase}`)

const at = ({ deliveries }: Group, index: number): Delivery => {
  const found = deliveries[index]
  assert.isDefined(found)
  return found ?? delivery(0)
}

describe("a group", () => {
  it("I1 is in the order of its sequence numbers, whatever the order they came in", () => {
    assert.deepStrictEqual(phases(group(3, 1, 2)), ["1:held", "2:held", "3:held"])
  })

  it("I2 hands out in order, several at once, and nothing behind one that backs off", () => {
    const made = group(1, 2, 3, 4)
    assert.deepStrictEqual(take(made, 2), [1, 2])
    made.abandon(at(made, 1), 5_000)
    assert.deepStrictEqual(take(made, 10, 4_999), [])
    assert.deepStrictEqual(take(made, 10, 5_000), [2, 3, 4])
  })

  it("I2 hands out nothing while one is being put aside", () => {
    const made = group(1, 2)
    at(made, 0).phase = "settling"
    at(made, 0).isBlocking = true
    assert.deepStrictEqual(take(made, 10), [])
    at(made, 0).isBlocking = false
    assert.deepStrictEqual(take(made, 10), [2])
  })

  it("I3 an abandon takes back what is in hand behind it, unseen, and leaves what is before", () => {
    const made = group(1, 2, 3)
    take(made, 3)
    assert.deepStrictEqual(made.takeBackBehind(at(made, 1)), ["token-id-3-0"])
    made.abandon(at(made, 1), 0)
    assert.deepStrictEqual(phases(made), ["1:out", "2:held", "3:held"])
    assert.deepStrictEqual(
      made.deliveries.map(({ seen }) => seen),
      [1, 1, 0]
    )
  })

  it("I8 one whose settlement failed is in hand again, unless one before it came back", () => {
    const made = group(1, 2)
    take(made, 2)
    at(made, 1).phase = "settling"
    made.cameBack(at(made, 1))
    assert.deepStrictEqual(phases(made), ["1:out", "2:out"])
    at(made, 1).phase = "settling"
    made.abandon(at(made, 0), 0)
    made.cameBack(at(made, 1))
    assert.deepStrictEqual(phases(made), ["1:held", "2:held"])
    assert.strictEqual(at(made, 1).seen, 0)
    assert.isUndefined(at(made, 1).token)
  })

  it("one that nobody had in hand is held again when its removal failed", () => {
    const made = group(1)
    at(made, 0).phase = "settling"
    made.cameBack(at(made, 0))
    assert.deepStrictEqual(phases(made), ["1:held"])
    assert.strictEqual(at(made, 0).seen, 0)
  })

  it("takes more of it only when nothing here is unsettled, and nothing of it is here", () => {
    const made = group(1, 2)
    assert.isFalse(made.takes([delivery(3)]))
    for (const one of made.deliveries) one.phase = "settling"
    assert.isTrue(made.takes([delivery(3)]))
    assert.isFalse(made.takes([delivery(2, 2)]))
    made.drain()
    assert.isFalse(made.takes([delivery(3)]))
  })

  it("drained, it answers what is to be released, and what was in hand is not counted", () => {
    const made = group(1, 2, 3, 4)
    take(made, 3)
    made.abandon(at(made, 1), 0)
    at(made, 0).phase = "settling"
    const back = made.drain()
    assert.deepStrictEqual(
      back.map(({ content, seen }) => `${content.sequence} seen ${seen}`),
      ["2 seen 1", "3 seen 0", "4 seen 0"]
    )
    assert.deepStrictEqual(phases(made), ["1:settling"])
    made.cameBack(at(made, 0))
    assert.deepStrictEqual(
      made.drain().map(({ content }) => content.id),
      ["id-1"]
    )
  })

  it("S8 what is lost behind what is in hand cuts it; with something in hand it is lost whole", () => {
    const cut = group(1, 2, 3)
    take(cut, 1)
    assert.strictEqual(cut.lose(1).length, 2)
    assert.deepStrictEqual([cut.phase, cut.isCut, phases(cut)], ["Held", true, ["1:out"]])
    assert.isFalse(cut.takes([delivery(4)]))
    const whole = group(1, 2, 3)
    take(whole, 2)
    assert.strictEqual(whole.lose(1).length, 2)
    assert.isTrue(whole.isOver)
  })

  it("needs the lock of what is being settled, unless more has come behind it", () => {
    const made = group(1, 2)
    at(made, 0).phase = "settling"
    at(made, 0).lockedUntil = 10_000
    assert.strictEqual(made.freshUntil, 10_000)
    at(made, 1).phase = "settling"
    made.append([delivery(3, 1, 5_000)])
    assert.deepStrictEqual(
      made.needed.map(({ content }) => Number(content.sequence)),
      [3]
    )
  })

  it("is as fresh as the first of its locks to end", () => {
    const made = group(1, 2)
    at(made, 1).lockedUntil = 10_000
    assert.strictEqual(made.freshUntil, 10_000)
    assert.isFalse(made.isIdle)
    for (const one of made.deliveries) made.settled(one)
    assert.isTrue(made.isIdle)
  })
})

describe("the router's state", () => {
  const acceptor = (id?: string) => new Acceptor(id, 1_000)

  it("grants a reserved group to who reserved it, and the others in turn", () => {
    const state = new State()
    state.arrive("A", [delivery(1)])
    state.arrive("B", [delivery(2)])
    const [any, b] = [acceptor(), acceptor("B")]
    state.enter(any)
    state.enter(b)
    assert.deepStrictEqual(state.grant(always, 5, 100), [b, any])
    assert.deepStrictEqual([any.granted?.id, b.granted?.id], ["A", "B"])
    assert.strictEqual(any.granted?.lockedUntil, 105)
    assert.deepStrictEqual(invariants(state), [])
    assert.strictEqual(state.idleSince, 5)
  })

  it("grants nothing that is not ready, and nothing that another one reserved", () => {
    const state = new State()
    state.arrive("A", [delivery(1)])
    state.enter(acceptor())
    assert.deepStrictEqual(
      state.grant(() => false, 0, 100),
      []
    )
    const other = new State()
    other.arrive("A", [delivery(1)])
    other.enter(acceptor())
    const mine = acceptor("A")
    other.enter(mine)
    assert.deepStrictEqual(other.grant(always, 0, 100), [mine])
  })

  it("R4.3 an id is locked while it is held or reserved; given back, it can be waited for", () => {
    const state = new State()
    assert.isUndefined(state.lockOf("A"))
    const waiting = acceptor("A")
    state.enter(waiting)
    assert.deepStrictEqual(state.lockOf("A"), { lockedUntil: undefined })
    const made = state.arrive("A", [delivery(1)])
    state.grant(always, 0, 100)
    assert.deepStrictEqual(state.lockOf("A"), { lockedUntil: 100 })
    state.drain(made)
    assert.isUndefined(state.lockOf("A"))
    assert.isTrue(state.isGoingBack("A"))
    state.drained(made)
    assert.isFalse(state.isGoingBack("A"))
  })

  it("more of a held group goes to it; more of one that has unsettled messages is another group", () => {
    const state = new State()
    const made = state.arrive("A", [delivery(1)])
    made.hold(100)
    state.listen(made, 50)
    made.settled(at(made, 0))
    assert.strictEqual(state.arrive("A", [delivery(2)]), made)
    assert.strictEqual(state.listening.size, 0)
    const other = state.arrive("A", [delivery(2, 2)])
    assert.notStrictEqual(other, made)
    assert.strictEqual(state.groups.get("A"), other)
  })

  it("an empty group that nobody holds is none", () => {
    const state = new State()
    const made = state.arrive("A", [delivery(1)])
    state.sweep(made)
    assert.strictEqual(state.groups.size, 1)
    made.settled(at(made, 0))
    state.sweep(made)
    assert.strictEqual(state.groups.size, 0)
  })
})

describe("invariants", () => {
  /** The state with one group in it. */
  const of = (made: Group, id = "A"): State => {
    const state = new State()
    state.groups.set(id, made)
    return state
  }

  const cases: ReadonlyArray<readonly [string, (made: Group) => State]> = [
    ["I1", (made) => of(Object.assign(made, { deliveries: made.deliveries.toReversed() }))],
    [
      "I1",
      () =>
        of(
          new Group(
            "A",
            Array.from({ length: 11 }, (_, index) => delivery(index))
          )
        )
    ],
    ["I2", (made) => (at(made, 1).handOut("t", 1), of(made))],
    ["I3", (made) => (at(made, 0).handOut("t", 1), made.unhold(), of(made))],
    ["I3", (made) => ((at(made, 0).phase = "out"), of(made))],
    ["I3", (made) => ((at(made, 0).token = "t"), of(made))],
    ["I3", (made) => (made.deliveries.map((one) => one.handOut("t", 1)), of(made))],
    ["I5", (made) => ((at(made, 0).phase = "dead"), of(made))],
    ["I5", (made) => ((at(made, 0).group = undefined), of(made))],
    ["I5", (made) => ((made.phase = "Lost"), of(made))],
    ["I5", (made) => of(made, "B")],
    [
      "I7",
      (made) => {
        const state = of(made)
        state.listening.set(made, 1)
        return state
      }
    ],
    [
      "reserved",
      (made) => {
        const state = of(made)
        state.enter(new Acceptor("A", 1))
        return state
      }
    ]
  ]
  for (const [index, [name, broken]] of cases.entries()) {
    it(`${name} (${index}) is seen to be broken`, () => {
      const found = invariants(broken(group(1, 2)))
      assert.isTrue(
        found.some((one) => one.includes(name)),
        found.join("; ")
      )
    })
  }

  it("hold of a state that is right", () => {
    const made = group(1, 2, 3)
    take(made, 1)
    assert.deepStrictEqual(invariants(of(made)), [])
    assert.strictEqual(queue.queue, "q")
  })
})

describe("counts", () => {
  it("a receive that nobody saw is no delivery, and a delivery without a receive is one", () => {
    const counts = new Counts(10)
    const first = delivery(1, 1)
    assert.strictEqual(counts.next(first), 1)
    // Released unseen.
    counts.ended(first)
    const second = delivery(1, 2)
    assert.strictEqual(counts.next(second), 1)
    for (const count of [1, 2, 3]) {
      assert.strictEqual(counts.next(second), count)
      second.seen++
    }
    assert.strictEqual(counts.seen(second), 3)
    counts.ended(second)
    assert.strictEqual(counts.next(delivery(1, 3)), 4)
    assert.strictEqual(counts.seen(delivery(1, 3)), 3)
  })

  it("is never below one, and forgets what is settled", () => {
    const counts = new Counts(10)
    const one = delivery(1, 1)
    counts.ended(one)
    counts.ended(one)
    assert.strictEqual(counts.next(delivery(1, 1)), 1)
    counts.forget(one)
    assert.strictEqual(counts.next(delivery(1, 4)), 4)
  })

  it("keeps the time of the first delivery it made", () => {
    const counts = new Counts(10)
    assert.isUndefined(counts.firstDeliveredAt(delivery(1)))
    counts.delivered(delivery(1), 7, true)
    counts.delivered(delivery(1), 9, true)
    assert.strictEqual(counts.firstDeliveredAt(delivery(1)), 7)
  })

  it("R3.6 a delivery whose lock ran out unnoticed is ours, and counted once", () => {
    const counts = new Counts(10)
    const receives = [1, 2, 3].map((count) => delivery(1, count))
    for (const [index, one] of receives.entries()) {
      assert.deepStrictEqual([counts.seen(one), counts.next(one)], [index, index + 1])
      counts.delivered(one, index, index === 0)
      one.seen++
    }
    // The first two are heard of late: what became of them is known.
    for (const one of receives) counts.ended(one)
    const next = delivery(1, 4)
    assert.deepStrictEqual([counts.seen(next), counts.next(next)], [3, 4])
  })

  it("R10.7 is bounded: the longest unused is forgotten first", () => {
    const counts = new Counts(2)
    for (const sequence of [1, 2, 1, 3]) counts.ended(delivery(sequence, 5))
    assert.strictEqual(counts.size, 2)
    assert.strictEqual(counts.next(delivery(2, 5)), 5)
    assert.isAtLeast(Defaults.sqsCountsMax, 1_000)
  })
})
