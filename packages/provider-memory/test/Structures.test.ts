import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Schema } from "effect"
import { MessageId } from "@queue-runtime/core"
import { Deduplication } from "../src/internal/deduplication.ts"
import { Heap } from "../src/internal/heap.ts"
import { type Linked, List } from "../src/internal/list.ts"
import { Sequence, type Sequenced } from "../src/internal/sequence.ts"
import { Steps } from "../src/internal/steps.ts"
import { type Timer, Timers } from "../src/internal/timers.ts"

const int = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const numbers = Arbitrary.array(Arbitrary.schema(int(0, 99)), { maxLength: 200 })

interface Item {
  readonly value: number
  isLive: boolean
}

const heapOf = (steps = new Steps()) =>
  new Heap<Item>(
    steps,
    (a, b) => a.value - b.value,
    (item) => item.isLive
  )

describe("Heap", () => {
  it.prop(
    "pops the live items in order, whatever became stale",
    { numbers },
    ({ numbers: values }) => {
      const heap = heapOf()
      const items = values.map((value): Item => ({ value, isLive: true }))
      for (const item of items) heap.push(item)
      for (const [index, item] of items.entries()) {
        if (index % 3 === 0) continue
        item.isLive = false
        heap.forget()
      }
      const popped: Array<number> = []
      for (let item = heap.pop(); item !== undefined; item = heap.pop()) popped.push(item.value)
      const live = values.filter((_, index) => index % 3 === 0)
      assert.deepStrictEqual(
        popped,
        live.toSorted((a, b) => a - b)
      )
      assert.strictEqual(heap.length, 0)
    }
  )

  it("R10.7 stale items never outnumber the live ones by much", () => {
    const heap = heapOf()
    for (let value = 0; value < 10_000; value++) {
      const item = { value, isLive: true }
      heap.push(item)
      if (value % 100 === 0) continue
      item.isLive = false
      heap.forget()
    }
    assert.isAtMost(heap.length, 2 * 100 + 64)
    assert.strictEqual(heap.peek()?.value, 0)
  })

  it("R13 counts its comparisons: about log n a pop", () => {
    const steps = new Steps()
    const heap = heapOf(steps)
    for (let value = 0; value < 1_024; value++)
      heap.push({ value: (value * 7) % 1_024, isLive: true })
    const before = steps.count
    heap.pop()
    assert.isAtMost(steps.count - before, 2 * 10 + 2)
    assert.isAtLeast(steps.count - before, 10)
  })
})

class Node implements Linked<Node> {
  previous: Node | undefined
  next: Node | undefined
  list: List<Node> | undefined
  readonly value: number
  constructor(value: number) {
    this.value = value
  }
}

const valuesOf = (list: List<Node>): ReadonlyArray<number> => {
  const values: Array<number> = []
  for (let node = list.first; node !== undefined; node = node.next) values.push(node.value)
  return values
}

describe("List", () => {
  it.prop("keeps order under removals anywhere", { removals: numbers }, ({ removals }) => {
    const list = new List<Node>(new Steps())
    const nodes = Array.from({ length: 50 }, (_, value) => new Node(value))
    for (const node of nodes) list.append(node)
    const gone = new Set<number>()
    for (const value of removals) {
      const node = nodes[value]
      if (node === undefined) continue
      assert.strictEqual(list.remove(node), !gone.has(value))
      gone.add(value)
    }
    const left = nodes.map((node) => node.value).filter((value) => !gone.has(value))
    assert.deepStrictEqual(valuesOf(list), left)
    assert.strictEqual(list.size, left.length)
    assert.strictEqual(list.last?.value, left.at(-1))
  })

  it("does not take out what stands in another list", () => {
    const [one, other] = [new List<Node>(new Steps()), new List<Node>(new Steps())]
    const node = new Node(1)
    one.append(node)
    assert.isFalse(other.remove(node))
    assert.deepStrictEqual(valuesOf(one), [1])
  })
})

class Numbered implements Sequenced {
  slot = 0
  readonly sequence: number
  constructor(sequence: number) {
    this.sequence = sequence
  }
}

describe("Sequence", () => {
  it.prop(
    "finds what is there from any number on",
    { removals: numbers, from: int(0, 110), max: int(1, 20) },
    ({ from, max, removals }) => {
      const sequence = new Sequence<Numbered>(new Steps())
      let items = Array.from({ length: 100 }, (_, index) => new Numbered(index + 1))
      for (const item of items) sequence.append(item)
      for (const value of removals) {
        const item = items[value]
        if (item === undefined) continue
        sequence.remove(item)
        items = items.filter((other) => other !== item)
        const expected = items.filter((other) => other.sequence >= from).slice(0, max)
        assert.deepStrictEqual(
          sequence.take(from, max, () => true),
          expected
        )
      }
      const even = items.filter((item) => item.sequence % 2 === 0)
      assert.deepStrictEqual(
        sequence.take(0, 1_000, (item) => item.sequence % 2 === 0),
        even
      )
    }
  )

  it("R13 a look costs what it shows, however much is gone before it", () => {
    const steps = new Steps()
    const sequence = new Sequence<Numbered>(steps)
    const items = Array.from({ length: 30_000 }, (_, index) => new Numbered(index + 1))
    for (const item of items) sequence.append(item)
    for (const item of items.slice(1, 14_000)) sequence.remove(item)
    sequence.take(0, 2, () => true)
    const before = steps.count
    assert.deepStrictEqual(
      sequence.take(0, 2, () => true).map((item) => item.sequence),
      [1, 14_001]
    )
    assert.isAtMost(steps.count - before, 20)
  })

  it("R10.7 what is gone leaves room", () => {
    const sequence = new Sequence<Numbered>(new Steps())
    for (let value = 1; value <= 10_000; value++) {
      const item = new Numbered(value)
      sequence.append(item)
      if (value % 100 !== 0) sequence.remove(item)
    }
    assert.isAtMost(sequence.length, 2 * 100 + 64)
  })
})

class Sleeper {
  timer: Timer<Sleeper> | undefined
}

describe("Timers", () => {
  it("wakes in order, those set first first", () => {
    const timers = new Timers<Sleeper>(new Steps())
    const [a, b, c, d] = [new Sleeper(), new Sleeper(), new Sleeper(), new Sleeper()]
    timers.set(a, 20)
    timers.set(b, 10)
    timers.set(c, 10)
    timers.set(d, Infinity)
    assert.strictEqual(timers.next(), 10)
    assert.isUndefined(timers.due(9))
    assert.strictEqual(timers.due(10), b)
    assert.strictEqual(timers.due(10), c)
    assert.isUndefined(timers.due(10))
    assert.strictEqual(timers.due(30), a)
    assert.isUndefined(timers.next())
  })

  it("wakes early rather than late, and not when cleared", () => {
    const timers = new Timers<Sleeper>(new Steps())
    const [a, b] = [new Sleeper(), new Sleeper()]
    timers.set(a, 10)
    timers.set(a, 30)
    assert.strictEqual(timers.next(), 10)
    timers.set(a, 5)
    assert.strictEqual(timers.due(5), a)
    assert.isUndefined(timers.due(100))
    timers.set(b, 10)
    timers.clear(b)
    timers.clear(b)
    assert.isUndefined(timers.due(100))
  })

  it("R10.7 a lock renewed or ended many times costs one timer", () => {
    const timers = new Timers<Sleeper>(new Steps())
    const target = new Sleeper()
    for (let at = 0; at < 10_000; at++) timers.set(target, at)
    assert.strictEqual(timers.length, 1)
    for (let at = 0; at < 10_000; at++) {
      timers.clear(target)
      timers.set(target, at)
    }
    assert.isAtMost(timers.length, 64)
  })
})

describe("Deduplication", () => {
  const id = (value: number) => MessageId.makeUnsafe(`m-${value}`)

  it.effect("R3.14 remembers for its window and no longer", () =>
    Effect.sync(() => {
      const ids = new Deduplication(10, new Steps())
      assert.isTrue(ids.isOn)
      assert.isFalse(new Deduplication(0, new Steps()).isOn)
      ids.add(id(1), 0)
      ids.add(id(2), 5)
      assert.strictEqual(ids.expire(9), 0)
      assert.isTrue(ids.has(id(1)))
      assert.strictEqual(ids.expire(10), 1)
      assert.isFalse(ids.has(id(1)))
      assert.isTrue(ids.has(id(2)))
      assert.strictEqual(ids.expire(15), 1)
      assert.strictEqual(ids.expire(15), 0)
    })
  )
})
