import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as References from "effect/References"
import * as Demo from "../../src/demo/Demo.ts"
import * as Verification from "../../src/demo/Verification.ts"
import * as Output from "../../src/demo/Output.ts"
import { environment } from "../fixtures.ts"

/** An outage of 0.3 s, outlasted by pauses of at least 0.7 s in all. */
const short = {
  outage: Duration.millis(300),
  settings: { QUEUE_RETRY_BACKOFF_MS: "20", QUEUE_RETRY_BACKOFF_MAX_MS: "120" }
}

const run = (options: Demo.Options, lines: Array<string> = []) =>
  Demo.run(options).pipe(
    Effect.provide([
      Output.layer({ write: (text) => lines.push(text.trimEnd()) }),
      environment({ QUEUE_NAME: "demo" })
    ]),
    Effect.provideService(References.MinimumLogLevel, "None")
  )

describe("Demo", () => {
  it.live(
    "R4.1 every session in order, nothing lost: an outage, failures, refusals and repetitions",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const { counts, evidence, turnedAway, violations } = yield* run(
          { seed: "test", deliveries: 200, ...short },
          lines
        )
        assert.deepStrictEqual(violations, [])
        assert.strictEqual(lines.at(-1), "verified: every session in order, nothing lost")
        assert.strictEqual(counts.accepted, 206)
        assert.strictEqual(counts.refused, 7)
        assert.strictEqual(counts.processed + evidence.deadLetters.length, 200)
        assert.isAbove(turnedAway, 0)
        assert.isAbove(counts.retried, 0)
        // R5.7: settlements were lost, and each message was processed once all the same.
        assert.isAbove(Verification.unsettled(evidence).length, 0)
        assert.isAtLeast(evidence.stored, 200)
        assert.deepStrictEqual(evidence.readable, [])
        assert.isTrue(lines.some((line) => line.includes("(create > sealing > batching > ")))
        const reasons = new Set(evidence.deadLetters.map(({ reason }) => reason))
        assert.deepStrictEqual([...reasons].toSorted(), [
          "DownstreamRefused",
          "MaxDeliveryCountExceeded"
        ])
        assert.isTrue(lines.some((line) => /^ +\d\.\d s {2}downstream .+sent /u.test(line)))
        assert.isTrue(lines.some((line) => line.includes("backoff 20 ms doubling to 120 ms")))
      }),
    30_000
  )

  it.live(
    "R8.1 is not verified when messages are put aside for the outage, or bodies lie readable",
    () =>
      Effect.gen(function* () {
        const lines: Array<string> = []
        const settings = { ...short.settings, DELIVERIES_MAX: "1", QUEUE_CRYPTO_MODE: "off" }
        const { evidence, violations } = yield* run(
          { seed: "test", deliveries: 200, ...short, settings },
          lines
        )
        assert.isTrue(
          violations.some((text) =>
            text.includes("was put aside for MaxDeliveryCountExceeded and not for anything")
          )
        )
        assert.strictEqual(evidence.readable.length, evidence.stored)
        for (const id of evidence.readable) {
          assert.include(violations, `${id} lay readable in the queue`)
        }
        assert.isTrue(lines.some((line) => line.startsWith("NOT VERIFIED: ")))
        assert.isFalse(lines.some((line) => line.startsWith("verified: ")))
      }),
    30_000
  )
})
