import { assert, describe, it } from "@effect/vitest"
import * as Result from "effect/Result"
import * as Operation from "../src/Operation.ts"
import * as QueueError from "../src/QueueError.ts"

describe("Operation", () => {
  it("R2.2 the failures inside a batch's outcomes are told, in order", () => {
    const first = QueueError.make(new QueueError.Throttled())
    const second = QueueError.make(new QueueError.ReceiptExpired())
    const outcomes = [Result.fail(first), Result.succeed(1), Result.fail(second)]
    assert.deepStrictEqual(Operation.batchFailures(outcomes), [first, second])
    assert.deepStrictEqual(Operation.batchFailures([Result.succeed(1)]), [])
    assert.deepStrictEqual(Operation.batchFailures([]), [])
  })

  it("R2.2 a result without outcomes carries no failures", () => {
    assert.deepStrictEqual(Operation.noFailures(), [])
  })
})
