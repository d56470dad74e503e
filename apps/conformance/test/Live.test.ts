import { assert, describe, it } from "@effect/vitest"
import type { History } from "@queue-runtime/simulation"
import { Effect } from "effect"
import * as Command from "../src/simulate/command.ts"
import * as Live from "../src/simulate/live.ts"

/** Of sending; what is on its way then takes a few seconds more. */
const minutes = 0.1

const soaks = [
  ["sqs", "own"],
  ["sqs", "fauxqs"],
  ["service-bus", "own"]
] as const

/** Faults that each is sure to see, however short it is. */
const struck = ({ faults }: Live.Report): number =>
  Object.values(faults).reduce((sum, count) => sum + count, 0)

describe("pnpm simulate --live", () => {
  it.live.each(soaks)(
    "R3.2 R4.1 R5.3 R5.4 processes over %s (%s), killed and cut off: the checkers find nothing",
    ([provider, server]) =>
      Effect.gen(function* () {
        const soak = yield* Live.run({
          provider,
          server,
          minutes,
          seed: "1",
          say: () => Effect.void
        })
        assert.isTrue(soak.isGood, soak.text)
        const { report } = soak
        assert.strictEqual(report.violations, 0)
        assert.isAbove(report.sent, 20, soak.text)
        assert.isAtLeast(report.handled, report.sent - report.deadLetters)
        assert.isAbove(report.connections, 3)
        assert.isAbove(struck(report), 3, soak.text)
        assert.isAbove(report.kills + report.stops, 0, soak.text)
        assert.isAbove(report.restarts, 0, soak.text)
      }),
    180_000
  )

  it("reads a yes to a receipt whose lock is over as no answer, and no other", () => {
    const settled = (token: string, at: number, result = "ok"): History.Event => ({
      _tag: "Settled",
      at,
      node: "w1.1",
      id: "m1",
      token,
      verdict: "Complete",
      result
    })
    const delivered = (token: string): History.Event => ({
      _tag: "Delivered",
      at: 0,
      node: "w1.1",
      id: "m1",
      token,
      count: 1,
      since: 0,
      until: 5_000
    })
    const read = Live.withoutLateYes([
      delivered("d1"),
      delivered("d2"),
      settled("d1", 4_999),
      settled("d2", 5_001, "ReceiptExpired"),
      settled("d2", 5_001)
    ])
    assert.deepStrictEqual(
      read.flatMap((event) => (event._tag === "Settled" ? [event.result] : [])),
      ["ok", "ReceiptExpired", "SettlementUnknown"]
    )
  })

  it.effect("takes the server of SQS, and a seed", () =>
    Effect.gen(function* () {
      const flags = yield* Command.read(["--live", "sqs", "--server", "fauxqs", "--seed", "7"])
      assert.strictEqual(flags.live, "sqs")
      assert.strictEqual(flags.server, "fauxqs")
      assert.strictEqual(flags.seed, "7")
      for (const args of [
        ["--live", "sqs", "--server", "moon"],
        ["--live", "service-bus", "--server", "fauxqs"],
        ["--server", "own"]
      ]) {
        const error = yield* Effect.flip(Command.read(args))
        assert.strictEqual(error.reason._tag, "ValidationFailed", args.join(" "))
      }
    })
  )
})
