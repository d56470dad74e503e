import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { type Outcome, QueueError } from "@queue-runtime/core"
import { Lanes } from "../src/internal/router/lanes.ts"
import { Merger } from "../src/internal/router/merger.ts"

const closed = QueueError.make(new QueueError.ConnectionFailed({ detail: "closed" }))
const failure = QueueError.make(new QueueError.Throttled())

const tag = (outcome: Outcome.Outcome<string>): string =>
  Result.isSuccess(outcome) ? outcome.success : outcome.failure.reason._tag

/** A merger whose calls take a second, and what it was called with. */
const make = Effect.fnUntraced(function* (
  answer: (input: string) => Outcome.Outcome<string> = (input) => Result.succeed(`${input}!`),
  flightsMax = 2
) {
  const scope = yield* Effect.acquireRelease(Scope.make(), (made) => Scope.close(made, Exit.void))
  const calls: Array<ReadonlyArray<string>> = []
  const merger = new Merger<string, string>({
    countMax: 3,
    flightsMax,
    scope,
    closed,
    call: (inputs) => {
      calls.push(inputs)
      return Effect.delay(
        inputs.includes("all") ? Effect.fail(failure) : Effect.succeed(inputs.map(answer)),
        "1 second"
      )
    }
  })
  const submit = (...inputs: ReadonlyArray<string>) =>
    Effect.forkChild(
      Effect.map(merger.submit(inputs), (all) => all.map(tag)),
      {
        startImmediately: true
      }
    )
  return { merger, calls, submit, close: Scope.close(scope, Exit.void) }
})

describe("merging calls", () => {
  it.effect("R3.10 the first goes at once, what comes meanwhile goes together", () =>
    Effect.gen(function* () {
      const { calls, submit } = yield* make()
      const first = yield* submit("a")
      yield* Effect.yieldNow
      const rest = [yield* submit("b"), yield* submit("c")]
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(first), ["a!"])
      assert.deepStrictEqual(yield* Fiber.joinAll(rest), [["b!"], ["c!"]])
      assert.deepStrictEqual(calls, [["a"], ["b", "c"]])
    })
  )

  it.effect("a full call does not wait, up to as many calls as are allowed", () =>
    Effect.gen(function* () {
      const { calls, submit } = yield* make()
      yield* submit("a")
      yield* Effect.yieldNow
      yield* submit("b", "c", "d")
      yield* submit("e", "f", "g")
      yield* Effect.yieldNow
      assert.deepStrictEqual(calls, [["a"], ["b", "c", "d"]])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(calls.at(2), ["e", "f", "g"])
    })
  )

  it.effect(
    "R3.9 each entry has its own outcome, and a failed call is that of all of its entries",
    () =>
      Effect.gen(function* () {
        const { submit } = yield* make((input) =>
          input === "bad" ? Result.fail(closed) : Result.succeed(input)
        )
        const part = yield* submit("a", "bad", "c")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(part), ["a", "ConnectionFailed", "c"])
        const whole = yield* submit("all", "x")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(yield* Fiber.join(whole), ["Throttled", "Throttled"])
      })
  )

  it.effect("a caller that is interrupted takes nobody with it", () =>
    Effect.gen(function* () {
      const { calls, submit } = yield* make()
      const first = yield* submit("a")
      const second = yield* submit("b")
      yield* Fiber.interrupt(first)
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(second), ["b!"])
      assert.deepStrictEqual(calls, [["a", "b"]])
    })
  )

  it.effect("closed, nobody is left waiting", () =>
    Effect.gen(function* () {
      const { close, merger, submit } = yield* make(undefined, 1)
      const first = yield* submit("a")
      yield* Effect.yieldNow
      const second = yield* submit("b")
      yield* close
      merger.close()
      assert.deepStrictEqual(yield* Fiber.join(first), ["ConnectionFailed"])
      assert.deepStrictEqual(yield* Fiber.join(second), ["ConnectionFailed"])
      assert.deepStrictEqual(yield* Fiber.join(yield* submit("c")), ["ConnectionFailed"])
    })
  )
})

describe("lanes", () => {
  it.effect("one at a time on a name, others side by side, and nothing is kept", () =>
    Effect.gen(function* () {
      const lanes = new Lanes()
      const log: Array<string> = []
      const run = (name: string, ...on: ReadonlyArray<string>) =>
        Effect.forkChild(
          lanes.within(
            on,
            Effect.delay(
              Effect.sync(() => log.push(name)),
              "1 second"
            )
          ),
          { startImmediately: true }
        )
      const all = [
        yield* run("1", "A", "B"),
        // In another order: they would block each other.
        yield* run("2", "B", "A"),
        yield* run("3", "C"),
        yield* run("4", "A", "A")
      ]
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(log.toSorted(), ["1", "3"])
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.joinAll(all)
      assert.deepStrictEqual(log.toSorted(), ["1", "2", "3", "4"])
      assert.strictEqual(lanes.size, 0)
    })
  )

  it.effect("an interrupted one leaves its place", () =>
    Effect.gen(function* () {
      const lanes = new Lanes()
      const first = yield* Effect.forkChild(lanes.within(["A"], Effect.never), {
        startImmediately: true
      })
      const second = yield* Effect.forkChild(lanes.within(["A"], Effect.never), {
        startImmediately: true
      })
      yield* Fiber.interrupt(second)
      yield* Fiber.interrupt(first)
      assert.strictEqual(yield* lanes.within(["A"], Effect.succeed(1)), 1)
      assert.strictEqual(lanes.size, 0)
    })
  )
})
