import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { QueueError } from "@queue-runtime/core"
import { type Line, limited } from "../src/internal/calls.ts"

const place = { operation: "send" }

const limit = Duration.seconds(1)

/** A line that notes what its connection is told. */
const makeLine = () => {
  const told: Array<string> = []
  const nothing = () => undefined
  const line: Line = {
    isClosed: false,
    sdk: {
      isUp: () => told.push("up"),
      soon: (run) => void setImmediate(run),
      timedOut: () => told.push("timed out"),
      onLost: () => nothing,
      lostBy: undefined
    },
    onLost: () => nothing
  }
  return { line, told }
}

describe("calls", () => {
  const answers = [
    new QueueError.QueueNotFound({ queue: "orders" }),
    new QueueError.SessionLocked({ sessionId: "s" })
  ]

  for (const reason of answers) {
    it.effect(`R5.4 ${reason._tag} is an answer: the connection is there`, () =>
      Effect.gen(function* () {
        const { line, told } = makeLine()
        const call = Effect.fail(QueueError.make(reason))
        yield* Effect.exit(limited(line, place, limit)(call))
        assert.deepStrictEqual(told, ["up"])
      })
    )
  }

  it.effect(
    "R5.4 what a silent connection ends with too is no answer, and none in time is told",
    () =>
      Effect.gen(function* () {
        const { line, told } = makeLine()
        const call = limited(line, place, limit)
        // A link without room says Throttled by itself.
        for (const reason of [new QueueError.ConnectionFailed(), new QueueError.Throttled()]) {
          yield* Effect.exit(call(Effect.fail(QueueError.make(reason))))
        }
        assert.deepStrictEqual(told, [])
        const fiber = yield* Effect.forkChild(Effect.exit(call(Effect.never)))
        yield* TestClock.adjust(limit)
        yield* Fiber.join(fiber)
        yield* call(Effect.void)
        assert.deepStrictEqual(told, ["timed out", "up"])
      })
  )
})
