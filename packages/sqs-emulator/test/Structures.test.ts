import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { Heap } from "../src/internal/heap.ts"
import { type Linked, List } from "../src/internal/list.ts"
import { type Target, type Timer, Timers } from "../src/internal/timers.ts"

interface Item {
  readonly key: number
  live: boolean
}

const makeHeap = (counter = { steps: 0 }) =>
  new Heap<Item>(
    (a, b) => {
      counter.steps++
      return a.key - b.key
    },
    ({ live }) => live
  )

describe("Heap", () => {
  it("gives the live items in order, whatever was forgotten", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(50), fc.boolean())), (given) => {
        const heap = makeHeap()
        const items = given.map(([key]): Item => ({ key, live: true }))
        for (const item of items) heap.push(item)
        for (const [index, [, forgotten]] of given.entries()) {
          const item = items[index]
          if (!forgotten || item === undefined) continue
          item.live = false
          heap.forget()
        }
        const seen: Array<number> = []
        for (let item = heap.pop(); item !== undefined; item = heap.pop()) seen.push(item.key)
        const left = items.filter(({ live }) => live).map(({ key }) => key)
        assert.deepStrictEqual(
          seen,
          left.toSorted((a, b) => a - b)
        )
      })
    )
  })

  it("holds no more than twice its live items and some", () => {
    const heap = makeHeap()
    for (let key = 0; key < 10_000; key++) {
      const item = { key, live: true }
      heap.push(item)
      item.live = false
      heap.forget()
    }
    assert.isAtMost(heap.length, 128)
  })

  it("compares a logarithmic number of times", () => {
    const stepsOf = (size: number): number => {
      const counter = { steps: 0 }
      const heap = makeHeap(counter)
      for (let index = 0; index < size; index++) {
        heap.push({ key: (index * 7_919) % size, live: true })
      }
      counter.steps = 0
      for (let index = 0; index < 100; index++) heap.pop()
      return counter.steps / 100
    }
    assert.isAtMost(stepsOf(100_000), 2 * Math.log2(100_000))
    assert.isBelow(stepsOf(100_000) / stepsOf(1_000), 2.5)
  })
})

class Link implements Linked<Link> {
  previous: Link | undefined
  next: Link | undefined
  list: List<Link> | undefined
  readonly key: number
  constructor(key: number) {
    this.key = key
  }
}

const keysOf = (list: List<Link>): ReadonlyArray<number> => {
  const keys: Array<number> = []
  for (let link = list.first; link !== undefined; link = link.next) keys.push(link.key)
  return keys
}

describe("List", () => {
  it("is an array from which anything can go", () => {
    fc.assert(
      fc.property(fc.array(fc.nat(9)), (removed) => {
        const list = new List<Link>()
        const links = Array.from({ length: 10 }, (_, key) => new Link(key))
        for (const link of links) list.append(link)
        const gone = new Set<number>()
        for (const key of removed) {
          const link = links[key]
          if (link !== undefined) assert.strictEqual(list.remove(link), !gone.has(key))
          gone.add(key)
        }
        const left = links.map(({ key }) => key).filter((key) => !gone.has(key))
        assert.deepStrictEqual(keysOf(list), left)
        assert.strictEqual(list.size, left.length)
        assert.strictEqual(list.last?.key, left.at(-1))
      })
    )
  })

  it("leaves an item of another list alone", () => {
    const [one, other] = [new List<Link>(), new List<Link>()]
    const link = new Link(1)
    one.append(link)
    assert.isFalse(other.remove(link))
    assert.deepStrictEqual(keysOf(one), [1])
  })
})

class Sleeper implements Target<Sleeper> {
  timer: Timer<Sleeper> | undefined
  readonly name: string
  constructor(name: string) {
    this.name = name
  }
}

describe("Timers", () => {
  it("wake in order, never late, and at most once each", () => {
    const timers = new Timers<Sleeper>()
    const [a, b, c] = [new Sleeper("a"), new Sleeper("b"), new Sleeper("c")]
    timers.set(a, 10)
    timers.set(b, 10)
    timers.set(c, 20)
    // Put off: woken at the earlier time. Put forward: woken at the new one.
    timers.set(a, 30)
    timers.set(c, 5)
    assert.strictEqual(timers.next(), 5)
    assert.strictEqual(timers.due(4), undefined)
    const woken = [timers.due(10), timers.due(10), timers.due(10), timers.due(10)]
    assert.deepStrictEqual(
      woken.map((one) => one?.name),
      ["c", "a", "b", undefined]
    )
    timers.set(a, 40)
    timers.clear(a)
    assert.isUndefined(timers.next())
    assert.isUndefined(timers.due(100))
  })

  it("a target that is put off again and again costs one timer", () => {
    const timers = new Timers<Sleeper>()
    const a = new Sleeper("a")
    for (let at = 1; at <= 1_000; at++) timers.set(a, at)
    assert.strictEqual(timers.length, 1)
  })
})
