import { assert, describe, it } from "@effect/vitest"
import type { QueueError } from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { execFile } from "node:child_process"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import * as calls from "../src/counts/calls.ts"

/**
 * The most calls to the service, all scenarios over 1,000 messages. Where a number is exact it is the
 * service's own limit an entry a call; the others leave room for how the calls happened to meet.
 */
const limits: Readonly<Record<keyof typeof calls.services, Readonly<Record<string, calls.Calls>>>> =
  {
    "aws-sqs": {
      "1,000 sends from 100 fibers": { GetQueueUrl: 1, SendMessageBatch: 105 },
      "one send of 1,000": { GetQueueUrl: 1, SendMessageBatch: 100 },
      "a worker over 1,000": {
        ChangeMessageVisibilityBatch: 5,
        DeleteMessageBatch: 120,
        ReceiveMessage: 115
      },
      "one send of 1,000 in 20 sessions": { GetQueueUrl: 1, SendMessageBatch: 100 },
      "a session worker over 20 × 50": {
        ChangeMessageVisibilityBatch: 10,
        DeleteMessageBatch: 260,
        ReceiveMessage: 120
      }
    },
    "azure-service-bus": {
      "1,000 sends from 100 fibers": { Attach: 3, Connect: 1, Send: 12, Token: 1 },
      "one send of 1,000": { Attach: 3, Connect: 1, Send: 5, Token: 1 },
      "a worker over 1,000": { Attach: 1, Deliver: 1000, Settle: 1000, Token: 1 },
      "one send of 1,000 in 20 sessions": { Attach: 3, Connect: 1, Send: 5, Token: 1 },
      "a session worker over 20 × 50": {
        Attach: 24,
        Deliver: 1000,
        Settle: 1000,
        Token: 24
      }
    }
  }

/** The most bytes allocated a message, a tenth above what was measured: rounds differ by a hundredth. */
const bytesMax: Readonly<Record<string, number>> = { bare: 15_200, batching: 33_500 }

const decode = Schema.decodeUnknownSync(
  Schema.fromJsonString(Schema.Record(Schema.String, Schema.Array(Schema.Number)))
)

const beyond = (counted: calls.Calls, allowed: calls.Calls) =>
  Object.entries(counted).filter(([call, number]) => number > (allowed[call] ?? 0))

/**
 * On a machine with more to do than it can, timers of a worker run late and it asks again: a run with more
 * calls is repeated. Code that makes more calls makes them in every run.
 */
const runsMax = 4

const counting = (
  scenario: (typeof calls.scenarios)[number],
  provider: keyof typeof calls.services,
  allowed: calls.Calls,
  runs = runsMax
): Effect.Effect<calls.Calls, QueueError.QueueError> =>
  Effect.flatMap(calls.count(scenario, calls.services[provider]), (counted) =>
    runs === 1 || beyond(counted, allowed).length === 0
      ? Effect.succeed(counted)
      : counting(scenario, provider, allowed, runs - 1)
  )

/** Of those that load a program, on a machine that does much else. */
const timeout = 120_000

describe("what a message costs on any machine", () => {
  for (const provider of ["aws-sqs", "azure-service-bus"] as const) {
    for (const scenario of calls.scenarios) {
      const allowed = limits[provider][scenario.name] ?? {}
      it.live(
        `R13 calls to ${provider}: ${scenario.name}`,
        () =>
          Effect.gen(function* () {
            const counted = yield* counting(scenario, provider, allowed)
            const message = JSON.stringify({ counted, allowed })
            assert.deepStrictEqual(beyond(counted, allowed), [], message)
          }),
        timeout
      )
    }
  }

  it("R13 bytes allocated on the way from send to complete", { timeout }, async () => {
    const child = fileURLToPath(new URL("../src/counts/allocations.ts", import.meta.url))
    const { stdout } = await promisify(execFile)(process.execPath, [
      "--conditions=@queue-runtime/source",
      child
    ])
    for (const [stack, rounds] of Object.entries(decode(stdout))) {
      const least = Math.min(...rounds)
      assert.isAtMost(least, bytesMax[stack] ?? 0, `${stack}: ${rounds.join(", ")} bytes`)
    }
  })
})
