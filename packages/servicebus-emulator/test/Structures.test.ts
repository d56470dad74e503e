import { Buffer } from "node:buffer"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import { EmulatorError, type QueueOptions } from "../src/index.ts"
import * as address from "../src/internal/address.ts"
import { Deduplication } from "../src/internal/deduplication.ts"
import { Heap, type HeapNode } from "../src/internal/heap.ts"
import { Linked, List } from "../src/internal/list.ts"
import * as lockToken from "../src/internal/lockToken.ts"
import * as rhea from "../src/internal/rhea.ts"
import * as scheduler from "../src/internal/scheduler.ts"
import { SequenceIndex } from "../src/internal/sequence.ts"
import { Recent } from "../src/internal/service.ts"
import { resolve } from "../src/internal/settings.ts"

const Small = Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 40 }))

const Change = Schema.Struct({ key: Small, removes: Schema.Boolean })
const changes = { changes: Arbitrary.array(Arbitrary.schema(Change), { maxLength: 80 }) }
const runs = { arbitrary: { runs: 200, seed: 3 } }

describe("Heap", () => {
  it.effect.prop(
    "gives its items by key, of equal keys the first one first, whatever was taken out",
    changes,
    ({ changes: steps }) =>
      Effect.sync(() => {
        const heap = new Heap<number>()
        const nodes: Array<HeapNode<number>> = []
        for (const [order, { key, removes }] of steps.entries()) {
          if (!removes) nodes.push(heap.push(key, order))
          else if (nodes.length > 0) {
            const [node] = nodes.splice(key % nodes.length, 1)
            if (node === undefined) continue
            heap.remove(node)
            // A second time changes nothing.
            heap.remove(node)
          }
        }
        const expected = nodes.toSorted((a, b) => a.key - b.key || a.order - b.order)
        for (const node of expected) {
          assert.strictEqual(heap.first, node)
          heap.remove(node)
        }
        assert.strictEqual(heap.size, 0)
      }),
    runs
  )

  it("a hundred thousand items come in order, and each knows that it was taken", () => {
    const heap = new Heap<number>()
    const nodes = Array.from({ length: 100_000 }, (_, at) => heap.push((at * 7919) % 100_003, at))
    const keys: Array<number> = []
    for (let first = heap.first; first !== undefined; first = heap.first) {
      keys.push(first.key)
      heap.remove(first)
    }
    assert.deepStrictEqual(
      keys,
      nodes.map(({ key }) => key).toSorted((a, b) => a - b)
    )
    assert.isTrue(nodes.every(({ index }) => index === -1))
  })
})

describe("SequenceIndex", () => {
  it.effect.prop(
    "finds what is there from a number on, in order, as a sorted array would",
    changes,
    ({ changes: steps }) =>
      Effect.sync(() => {
        const index = new SequenceIndex<{ readonly sequence: number }>()
        const model = new Map<number, { readonly sequence: number }>()
        for (const { key, removes } of steps) {
          const existing = model.get(key)
          if (!removes && existing === undefined) {
            const item = { sequence: key }
            model.set(key, item)
            index.add(item)
          } else if (removes && existing !== undefined) {
            model.delete(key)
            index.delete(existing)
          }
        }
        const sorted = [...model.values()].toSorted((a, b) => a.sequence - b.sequence)
        for (const from of [0, 13, 41]) {
          const expected = sorted.filter(({ sequence }) => sequence >= from)
          assert.deepStrictEqual(
            index.from(from, 99, () => true),
            expected
          )
          assert.deepStrictEqual(
            index.from(from, 2, ({ sequence }) => sequence % 2 === 0),
            expected.filter(({ sequence }) => sequence % 2 === 0).slice(0, 2)
          )
        }
        assert.strictEqual(index.size, model.size)
      }),
    runs
  )

  it("forgets dead numbers, and one that is added again is there once", () => {
    const index = new SequenceIndex<{ readonly sequence: number }>()
    const items = Array.from({ length: 1000 }, (_, sequence) => ({ sequence }))
    for (const item of items) index.add(item)
    for (const item of items.slice(0, 990)) index.delete(item)
    const again = { sequence: 5 }
    index.add(again)
    assert.deepStrictEqual(
      index.from(0, 3, () => true).map(({ sequence }) => sequence),
      [5, 990, 991]
    )
    // Somebody else's item of the same number is left alone.
    index.delete({ sequence: 5 })
    assert.strictEqual(index.get(5), again)
  })
})

describe("List", () => {
  class Item extends Linked<Item> {}

  it("keeps its order, and an item stands in it once", () => {
    const list = new List<Item>()
    const [a, b, c] = [new Item(), new Item(), new Item()]
    for (const item of [a, b, c, a]) list.append(item)
    list.remove(b)
    list.remove(b)
    assert.deepStrictEqual([list.first, a.next, list.last, list.size], [a, c, c, 2])
    list.remove(a)
    list.append(a)
    assert.deepStrictEqual([list.first, list.last], [c, a])
    const other = new List<Item>()
    other.remove(a)
    assert.strictEqual(list.size, 2)
  })
})

describe("Deduplication", () => {
  it("remembers for its window, bounded by what came within it", () => {
    const seen = new Deduplication(10)
    for (let now = 0; now < 1000; now++) assert.isTrue(seen.remember(String(now), now))
    assert.strictEqual(seen.size, 10)
    assert.isFalse(seen.remember("999", 1000))
    assert.isTrue(seen.remember("990", 1000))
  })
})

describe("Scheduler", () => {
  it.effect("runs what is due in order of time, of one time in order of setting", () =>
    Effect.gen(function* () {
      const timers = yield* scheduler.make
      const ran: Array<string> = []
      timers.after(20, () => ran.push("b"))
      timers.after(10, () => ran.push("a"))
      timers.at(20, () => ran.push("c"))
      const cancelled = timers.after(15, () => ran.push("never"))
      timers.cancel(cancelled)
      timers.cancel(undefined)
      yield* TestClock.adjust(19)
      assert.deepStrictEqual(ran, ["a"])
      yield* TestClock.adjust(1)
      assert.deepStrictEqual(ran, ["a", "b", "c"])
      assert.strictEqual(timers.size, 0)
    })
  )

  it.effect("what runs may set more, sooner than what was set", () =>
    Effect.gen(function* () {
      const timers = yield* scheduler.make
      const ran: Array<number> = []
      timers.after(100, () => ran.push(timers.now()))
      timers.after(10, () => timers.after(5, () => ran.push(timers.now())))
      yield* TestClock.adjust(200)
      assert.deepStrictEqual(ran, [15, 100])
    })
  )

  it.effect("after its scope nothing runs", () =>
    Effect.gen(function* () {
      const ran: Array<number> = []
      yield* Effect.scoped(
        Effect.map(scheduler.make, (timers) => timers.after(10, () => ran.push(1)))
      )
      yield* TestClock.adjust(20)
      assert.deepStrictEqual(ran, [])
    })
  )
})

describe("Recent", () => {
  it("keeps the newest, and no more than twice its bound inside", () => {
    const recent = new Recent<number>(3)
    for (let item = 0; item < 100; item++) recent.push(item)
    assert.deepStrictEqual(recent.items, [97, 98, 99])
  })
})

describe("addresses", () => {
  it.each([
    ["q", { _tag: "Entity", entity: "q", sub: "Main" }],
    ["/Q/", { _tag: "Entity", entity: "q", sub: "Main" }],
    ["a/b", { _tag: "Entity", entity: "a/b", sub: "Main" }],
    ["amqps://host:5671/q", { _tag: "Entity", entity: "q", sub: "Main" }],
    ["q/$DeadLetterQueue", { _tag: "Entity", entity: "q", sub: "Dead" }],
    ["q/$Transfer/$DeadLetterQueue", { _tag: "Entity", entity: "q", sub: "Transfer" }],
    ["$cbs", { _tag: "Cbs" }],
    ["$management", { _tag: "Management", entity: "", sub: "Main" }],
    ["q/$management", { _tag: "Management", entity: "q", sub: "Main" }],
    ["q/$DeadLetterQueue/$management", { _tag: "Management", entity: "q", sub: "Dead" }],
    ["t/Subscriptions/s", { _tag: "Subscription" }],
    ["t/subscriptions/s/$management", { _tag: "Subscription" }]
  ] as const)("%s", (text, expected) => {
    assert.deepStrictEqual(address.parse(text), expected)
  })
})

describe("lock tokens", () => {
  it("carry their number, in .NET's order as a tag", () => {
    let byte = 0
    const prefix = lockToken.makePrefix(() => ++byte / 256)
    const uuid = lockToken.toUuid(prefix, 0x0102_0304)
    assert.strictEqual(uuid.toString("hex"), "01020304050647088000000001020304")
    assert.strictEqual(
      lockToken.toTag(prefix, 0x0102_0304).toString("hex"),
      "04030201060508478000000001020304"
    )
    assert.strictEqual(lockToken.toLock(prefix, uuid), 0x0102_0304)
    assert.strictEqual(lockToken.toLock(Buffer.alloc(8), uuid), 0)
    assert.strictEqual(lockToken.toLock(prefix, Buffer.alloc(3)), 0)
  })
})

describe("AMQP values", () => {
  const values = [
    rhea.nothing,
    rhea.boolean(true),
    rhea.ubyte(200),
    rhea.ushort(60_000),
    rhea.uint(0),
    rhea.uint(7),
    rhea.uint(70_000),
    rhea.ulong(300),
    rhea.int(-5),
    rhea.long(-1),
    rhea.long(2n ** 62n),
    rhea.timestamp(1_700_000_000_000),
    rhea.uuid(Buffer.alloc(16, 1)),
    rhea.string("short"),
    rhea.string("ü".repeat(300)),
    rhea.symbol("amqp:thing"),
    rhea.binary(Buffer.alloc(300, 7)),
    rhea.list([]),
    rhea.list([rhea.string("a"), rhea.uint(1)]),
    rhea.map([["k", rhea.string("v")]]),
    rhea.array([1, 2], rhea.code.long),
    rhea.described(0x77, rhea.string("body"))
  ]

  it("what is skipped is as long as what is read, for every kind of value", () => {
    for (const value of values) {
      const bytes = rhea.encode(value)
      const padded = Buffer.concat([bytes, Buffer.from([0x40])])
      assert.strictEqual(rhea.skip(padded, 0), bytes.length)
      assert.strictEqual(rhea.read(padded).end, bytes.length)
      assert.isTrue(rhea.encode(rhea.read(bytes).value).equals(bytes))
    }
  })

  it("values are looked into by kind, and what is another kind is not there", () => {
    assert.strictEqual(rhea.asNumber(rhea.long(2n ** 62n)), 2 ** 62)
    assert.strictEqual(rhea.asNumber(rhea.string("1")), undefined)
    assert.strictEqual(rhea.asString(rhea.uint(1)), undefined)
    assert.strictEqual(rhea.asBoolean(rhea.read(Buffer.from([0x56, 1])).value), true)
    assert.strictEqual(rhea.asBinary(rhea.string("x")), undefined)
    assert.deepStrictEqual(rhea.asArray(rhea.string("x")), [])
    assert.deepStrictEqual([...rhea.asMap(rhea.map([["k", rhea.uint(1)]])).keys()], ["k"])
    assert.deepStrictEqual(
      rhea.asArray(rhea.read(rhea.encode(rhea.array([1], rhea.code.long))).value),
      [1]
    )
    const named = rhea.read(
      Buffer.concat([
        Buffer.from([0]),
        rhea.encode(rhea.symbol("amqp:accepted:list")),
        Buffer.from([0x45])
      ])
    )
    assert.strictEqual(rhea.descriptorOf(named.value), 0x24)
    assert.strictEqual(rhea.descriptorOf(rhea.uint(1)), -1)
  })

  it("a program's values become AMQP values that say the most of them", () => {
    const names = ["x", true, 5, 1.5, 5n, new Uint8Array([1]), null, rhea.int(1)].map(
      (value) => rhea.wrap(value).type.name
    )
    assert.deepStrictEqual(names, [
      "Str8",
      "True",
      "Long",
      "Double",
      "Long",
      "Vbin8",
      "Null",
      "Int"
    ])
  })
})

describe("options of a queue", () => {
  it.effect("what is not given is as at the service", () =>
    Effect.gen(function* () {
      const options: QueueOptions.QueueOptions = {}
      assert.deepStrictEqual(yield* resolve("q", options, "q"), {
        name: "q",
        requiresSession: false,
        maxDeliveryCount: 10,
        lockMillis: 60_000,
        timeToLiveMillis: Infinity,
        deduplicationMillis: 0,
        deadLettersExpired: false,
        messageBytesMax: 262_144,
        queueBytesMax: 1_073_741_824,
        sessionStateBytesMax: 262_144
      })
    })
  )

  it.effect.each([
    ["lockDuration", { lockDuration: "5 minutes" }, { lockDuration: "301 seconds" }],
    ["lockDuration", { lockDuration: "5 seconds" }, { lockDuration: "4 seconds" }],
    ["maxDeliveryCount", { maxDeliveryCount: 2000 }, { maxDeliveryCount: 2001 }],
    ["maxDeliveryCount", { maxDeliveryCount: 1 }, { maxDeliveryCount: 0 }],
    ["messageBytesMax", { messageBytesMax: 1024 }, { messageBytesMax: 1023 }],
    [
      "defaultMessageTimeToLive",
      { defaultMessageTimeToLive: "1 second" },
      { defaultMessageTimeToLive: 999 }
    ],
    [
      "duplicateDetectionHistoryTimeWindow",
      { duplicateDetectionHistoryTimeWindow: "7 days" },
      { duplicateDetectionHistoryTimeWindow: "8 days" }
    ]
  ] as const)("R10.1 %s is taken at its bound and refused past it", ([name, good, bad]) =>
    Effect.gen(function* () {
      yield* resolve("q", good, "queues.q")
      const error = yield* Effect.flip(resolve("q", bad, "queues.q"))
      assert.instanceOf(error, EmulatorError.ConfigurationInvalid)
      assert.strictEqual(error.path, `queues.q.${name}`)
    })
  )
})
