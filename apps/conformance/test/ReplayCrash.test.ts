import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { run } from "../src/replaying/crash.ts"
import { type Job, type Sessions, violations } from "../src/replaying/history.ts"

const options = {
  sessions: 50,
  lettersInEach: 20,
  kills: 3,
  concurrency: 25
}

/** What a killed process held is free after `lockSeconds`. */
const survives = (provider: Job["provider"], lockSeconds: number) =>
  Effect.gen(function* () {
    const { found, left, runs, sent } = yield* run({ ...options, provider, lockSeconds })
    assert.deepStrictEqual(
      runs.slice(0, 4).map(({ wasKilled }) => wasKilled),
      [true, true, true, false]
    )
    assert.strictEqual(runs.at(-1)?.failed, 0)
    assert.strictEqual([...sent.values()].flat().length, 1_000)
    assert.deepStrictEqual(violations(sent, found), [])
    assert.strictEqual(left, 0)
    const done = runs.reduce((sum, one) => sum + one.done, 0)
    assert.isAtLeast(done, 1_000 - options.kills * options.concurrency)
  }).pipe(Effect.scoped)

// Both wait for locks most of the time. 10,000 letters in 500 sessions: src/replaying/command.ts.
describe.concurrent("R7.1 a replay of 1,000 letters in 50 sessions, killed three times: none lost, each in order", () => {
  it.live("on FIFO queues of SQS", () => survives("aws-sqs", 3), 120_000)

  // The shortest there.
  it.live("on a session queue of Service Bus", () => survives("azure-service-bus", 5), 120_000)
})

describe("the judge of a replay", () => {
  const sent: Sessions = new Map([
    ["s", ["a", "b", "c"]],
    ["t", ["d"]]
  ])

  const wrongOf = (...s: ReadonlyArray<string>) =>
    violations(
      sent,
      new Map([
        ["s", s],
        ["t", ["d"]]
      ])
    ).join("; ")

  it("finds nothing wrong with a good replay", () => {
    assert.strictEqual(wrongOf("a", "b", "c"), "")
  })

  it("sees what is lost, out of order, there twice, or from elsewhere", () => {
    assert.strictEqual(wrongOf("a", "c"), "s: b lost")
    assert.strictEqual(wrongOf("a", "c", "b"), "s: b out of order")
    assert.strictEqual(wrongOf("a", "a", "b", "c"), "s: a more than once")
    assert.strictEqual(wrongOf("a", "b", "c", "d"), "s: d from elsewhere")
    const strange: Sessions = new Map([...sent, ["u", ["x"]]])
    assert.deepStrictEqual(violations(sent, strange), ["u: a session from elsewhere"])
    assert.strictEqual(violations(sent, new Map()).length, 2)
  })
})
