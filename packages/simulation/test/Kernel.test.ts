import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { Dice, hash } from "../src/internal/dice.ts"
import { epoch, Kernel } from "../src/internal/kernel.ts"
import { Timers } from "../src/internal/timers.ts"

/** Runs until nothing happens any more. */
const drain = (kernel: Kernel, until = 3_600_000): boolean => {
  while (kernel.settle()) if (!kernel.advance(epoch + until)) return true
  return false
}

const runIn = <A>(kernel: Kernel, name: string, effect: Effect.Effect<A>, skew = 0) => {
  const node = kernel.node(name, skew)
  return { node, fiber: Effect.runForkWith(node.context)(effect) }
}

describe("Kernel", () => {
  it("DESIGN 7 time stands still while anybody can go on, and then jumps", () => {
    const kernel = new Kernel("1", 1_000)
    const seen: Array<number> = []
    const step = Effect.map(Clock.currentTimeMillis, (now) => seen.push(now - epoch))
    const { fiber } = runIn(
      kernel,
      "a",
      step.pipe(Effect.andThen(Effect.sleep("1 hour")), Effect.andThen(step))
    )
    assert.isTrue(drain(kernel))
    assert.isDefined(fiber.pollUnsafe())
    assert.deepStrictEqual(seen, [0, 3_600_000])
  })

  it("DESIGN 7 who goes on next is drawn from the seed, and the same each time", () => {
    const orderOf = (seed: string): string => {
      const kernel = new Kernel(seed, 1_000)
      const order: Array<string> = []
      for (const name of ["a", "b", "c"]) {
        const told = Effect.sync(() => order.push(name))
        runIn(kernel, name, Effect.repeat(Effect.andThen(Effect.yieldNow, told), { times: 5 }))
      }
      drain(kernel)
      return order.join("")
    }
    assert.strictEqual(orderOf("1"), orderOf("1"))
    const orders = new Set(["1", "2", "3", "4", "5", "6"].map(orderOf))
    assert.isAbove(orders.size, 3)
  })

  it("inside a process tasks run first come, first served, urgent ones before", () => {
    const kernel = new Kernel("1", 1_000)
    const node = kernel.node("a")
    const seen: Array<number> = []
    node.enqueue(() => seen.push(1))
    node.enqueue(() => seen.push(2))
    node.enqueue(() => seen.push(0), -1)
    drain(kernel)
    assert.deepStrictEqual(seen, [0, 1, 2])
  })

  it("a process that crashed does nothing any more", () => {
    const kernel = new Kernel("1", 1_000)
    let isDone = false
    const { node } = runIn(
      kernel,
      "a",
      Effect.andThen(
        Effect.sleep(1_000),
        Effect.sync(() => (isDone = true))
      )
    )
    kernel.settle()
    assert.strictEqual(node.timers, 1)
    node.kill()
    node.enqueue(() => (isDone = true))
    node.after(1, () => (isDone = true))
    drain(kernel)
    assert.isFalse(isDone)
    assert.isTrue(node.isDead)
    assert.strictEqual(node.timers, 0)
  })

  it("a process that stands still sees afterwards what happened meanwhile", () => {
    const kernel = new Kernel("1", 1_000)
    const seen: Array<number> = []
    const tell = Effect.map(Clock.currentTimeMillis, (now) => seen.push(now - epoch))
    const { node } = runIn(kernel, "a", Effect.andThen(Effect.sleep(100), tell))
    node.pause(5_000)
    drain(kernel)
    assert.deepStrictEqual(seen, [5_000])
  })

  it("a clock may be wrong, and sleeps are as long as ever", () => {
    const kernel = new Kernel("1", 1_000)
    const { fiber } = runIn(
      kernel,
      "a",
      Effect.gen(function* () {
        const before = yield* Clock.currentTimeMillis
        yield* Effect.sleep(250)
        return [before - epoch, (yield* Clock.currentTimeMillis) - before]
      }),
      -3_000
    )
    drain(kernel)
    const exit = fiber.pollUnsafe()
    assert.deepStrictEqual(exit?._tag === "Success" ? exit.value : undefined, [-3_000, 250])
  })

  it("R5.4 who goes round without time passing is stopped", () => {
    const kernel = new Kernel("1", 1_000)
    runIn(kernel, "a", Effect.forever(Effect.yieldNow))
    assert.isFalse(drain(kernel))
  })

  it("a process that crashed leaves the timers of others alone, and none of its own", () => {
    const kernel = new Kernel("1", 1_000)
    const one = kernel.node("one")
    const other = kernel.node("other")
    const seen: Array<string> = []
    const timers = [30, 10, 20].map((millis) => one.after(millis, () => seen.push(`one ${millis}`)))
    other.after(40, () => seen.push("other"))
    one.kill()
    // What is cancelled with the process may be cancelled by its fibers as well.
    for (const timer of timers) one.cancel(timer)
    assert.deepStrictEqual([one.timers, other.timers, kernel.timers.live], [0, 1, 1])
    assert.isTrue(drain(kernel))
    assert.deepStrictEqual(seen, ["other"])
    assert.strictEqual(other.timers, 0)
  })

  it("tasks of a process go first come, first served, also those that come meanwhile", () => {
    const kernel = new Kernel("1", 1_000)
    const node = kernel.node("a")
    const seen: Array<number> = []
    const again = (value: number) => (): void => {
      seen.push(value)
      if (value < 6) node.enqueue(again(value + 3))
    }
    for (const value of [0, 1, 2]) node.enqueue(again(value))
    assert.isTrue(node.hasTask)
    drain(kernel)
    assert.deepStrictEqual(seen, [0, 1, 2, 3, 4, 5, 6, 7, 8])
    assert.isFalse(node.hasTask)
  })

  it("an interrupted sleep leaves no timer", () => {
    const kernel = new Kernel("1", 1_000)
    const { fiber, node } = runIn(kernel, "a", Effect.sleep("1 hour"))
    kernel.settle()
    runIn(kernel, "b", Fiber.interrupt(fiber))
    drain(kernel)
    assert.strictEqual(node.timers, 0)
    assert.strictEqual(kernel.now, epoch)
  })
})

describe("Timers", () => {
  it("fire by time, and in the order they were set; cancelled ones do not", () => {
    const timers = new Timers()
    const dice = new Dice("timers")
    const set = Array.from({ length: 500 }, (_, order) => {
      const at = dice.between(0, 50)
      return { order, at, timer: timers.set(at, () => undefined) }
    })
    const cancelled = set.filter(({ order }) => order % 3 === 0)
    for (const { timer } of cancelled) timers.cancel(timer)
    for (const { timer } of cancelled) timers.cancel(timer)
    assert.strictEqual(timers.live, set.length - cancelled.length)
    const expected = set
      .filter(({ order }) => order % 3 !== 0)
      .toSorted((one, other) => one.at - other.at || one.order - other.order)
    for (const { timer } of expected) assert.strictEqual(timers.due(Infinity), timer)
    assert.isUndefined(timers.due(Infinity))
    assert.isUndefined(timers.next())
  })
})

describe("Dice", () => {
  it("are the same for a seed, in any process", () => {
    assert.strictEqual(hash("queue-runtime"), 1_143_983_737)
    const dice = new Dice("7")
    const drawn = Array.from({ length: 1_000 }, () => dice.between(1, 6))
    assert.isTrue(drawn.every((value) => value >= 1 && value <= 6))
    assert.strictEqual(new Set(drawn).size, 6)
    const mean = drawn.reduce((sum, value) => sum + value, 0) / drawn.length
    assert.closeTo(mean, 3.5, 0.2)
    assert.isTrue(Number.isSafeInteger(dice.nextIntUnsafe()))
  })
})
