import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Result from "effect/Result"
import type { Line } from "../src/internal/calls.ts"
import { Losses } from "../src/internal/losses.ts"
import { Settlements } from "../src/internal/settlements.ts"

const place = { operation: "settle" }

/** A link that notes what leaves it in one tick, as the AMQP library below writes it. */
const makeLink = () => {
  const ticks: Array<ReadonlyArray<string>> = []
  let tick: Array<string> = []
  const losses = new Losses()
  const line: Line = {
    isClosed: false,
    sdk: {
      isUp: () => undefined,
      soon: (run) => void setImmediate(run),
      timedOut: () => undefined,
      onLost: (listener) => losses.on(listener),
      lostBy: undefined
    },
    onLost: (listener) => losses.on(listener)
  }
  return {
    ticks,
    losses,
    line,
    settle: (outcome: string) => {
      if (tick.length === 0) {
        ticks.push(tick)
        setImmediate(() => {
          tick = []
        })
      }
      tick.push(outcome)
      return Promise.resolve()
    }
  }
}

const together = { concurrency: "unbounded", discard: true } as const

describe("Settlements", () => {
  it.live("§5.1 no two different outcomes leave in one tick, and completions together", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const outcomes = Array.from({ length: 300 }, (_, index) =>
        index % 7 === 3 ? `other ${index}` : "complete"
      )
      yield* Effect.forEach(
        outcomes,
        (outcome) =>
          settlements.settle(link.line, place, outcome === "complete", () => link.settle(outcome)),
        together
      )
      assert.strictEqual(link.ticks.flat().length, outcomes.length)
      for (const tick of link.ticks) assert.strictEqual(new Set(tick).size, 1)
      assert.isBelow(link.ticks.length, 120)
    })
  )

  it.live("§5.1 what comes while a tick is under way has a tick of its own", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const one = (outcome: string) =>
        settlements.settle(link.line, place, outcome === "complete", () => link.settle(outcome))
      yield* Effect.forEach(
        ["complete", "abandon", "complete", "deadLetter"],
        (outcome) => Effect.andThen(one(outcome), one(`${outcome} again`)),
        together
      )
      for (const tick of link.ticks) assert.strictEqual(new Set(tick).size, 1)
      assert.strictEqual(link.ticks.flat().length, 8)
    })
  )

  it.live("§5.1 nothing else leaves with completions that were asked for together", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const messages = Array.from({ length: 1_500 }, (_, index) => index)
      const all = settlements.completeAll(link.line, place, Duration.seconds(5), messages, () =>
        link.settle("complete")
      )
      const one = (outcome: string) =>
        settlements.settle(link.line, place, false, () => link.settle(outcome))
      const [first, second] = yield* Effect.all([all, all, one("abandon"), one("deadLetter")], {
        concurrency: "unbounded"
      })
      assert.lengthOf([...first, ...second].filter(Result.isSuccess), 3_000)
      const sizes = link.ticks.map((tick) => [tick[0], tick.length])
      assert.deepStrictEqual(sizes, [
        ["complete", 1_000],
        ["complete", 1_000],
        ["complete", 1_000],
        ["abandon", 1],
        ["deadLetter", 1]
      ])
    })
  )

  it.live("R2.3 a failure is that of its own settlement", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const fail = () => Promise.reject(new Error("already settled"))
      const results = yield* Effect.forEach(
        [true, false, true],
        (isGood) =>
          Effect.result(
            settlements.settle(link.line, place, true, () =>
              isGood ? link.settle("complete") : fail()
            )
          ),
        { concurrency: "unbounded" }
      )
      const tags = results.map((one) => (one._tag === "Failure" ? one.failure.reason._tag : "ok"))
      assert.deepStrictEqual(tags, ["ok", "ReceiptExpired", "ok"])
    })
  )

  it.live("R2.3 one that throws fails, and those behind it are made", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const thrower = (): Promise<void> => {
        throw new Error("the connection is closed")
      }
      const all = settlements.completeAll(link.line, place, Duration.seconds(5), [1, 2], (one) =>
        one === 1 ? thrower() : link.settle("complete")
      )
      const [first, outcomes, last] = yield* Effect.all(
        [
          Effect.result(settlements.settle(link.line, place, false, thrower)),
          all,
          Effect.result(settlements.settle(link.line, place, false, () => link.settle("abandon")))
        ],
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual([first, ...outcomes, last].map(Result.isSuccess), [
        false,
        false,
        true,
        true
      ])
      assert.deepStrictEqual(link.ticks, [["complete"], ["abandon"]])
    })
  )

  it.live("R2.3 what its line's loss ended before its turn is not made afterwards", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const fork = <A, E>(made: Effect.Effect<A, E>) =>
        Effect.forkChild(Effect.result(made), { startImmediately: true })
      const one = yield* fork(
        settlements.settle(link.line, place, false, () => link.settle("abandon"))
      )
      const several = yield* fork(
        settlements.completeAll(link.line, place, Duration.seconds(5), [1, 2], () =>
          link.settle("complete")
        )
      )
      link.losses.tell()
      assert.isTrue(Result.isFailure(yield* Fiber.join(one)))
      const outcomes = Result.getOrThrow(yield* Fiber.join(several))
      assert.deepStrictEqual(outcomes.map(Result.isSuccess), [false, false])
      yield* Effect.sleep(20)
      assert.deepStrictEqual(link.ticks, [])
    })
  )

  it.live("interrupted before its turn it is not made, and a lost link ends it", () =>
    Effect.gen(function* () {
      const link = makeLink()
      const settlements = new Settlements()
      const never = () => new Promise<void>(() => undefined)
      const one = yield* Effect.forkChild(
        settlements.settle(link.line, place, true, () => link.settle("complete")),
        { startImmediately: true }
      )
      yield* Fiber.interrupt(one)
      const other = yield* Effect.forkChild(
        Effect.flip(settlements.settle(link.line, place, false, never)),
        { startImmediately: true }
      )
      yield* Effect.sleep(20)
      link.losses.tell()
      const lost = yield* Fiber.join(other)
      assert.strictEqual(lost.reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(link.ticks, [])
    })
  )
})
