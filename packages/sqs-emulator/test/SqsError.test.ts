import { assert, describe, it } from "@effect/vitest"
import * as sqs from "@aws-sdk/client-sqs"
import { Effect } from "effect"
import { SqsError } from "../src/index.ts"
import { live, sdk } from "./world.ts"

/** The errors that the SDK's service model names. */
const modelled = Object.keys(sqs).filter(
  (name) => Object.hasOwn(sqs, `${name}$`) && SqsError.isKind(name)
)

describe("SqsError", () => {
  it("knows every error of the service model", () => {
    const errors = Object.entries(sqs)
      .filter(
        ([name, value]) =>
          typeof value === "function" &&
          value.prototype instanceof sqs.SQSServiceException &&
          name !== "SQSServiceException"
      )
      .map(([name]) => name)
    assert.isAtLeast(errors.length, 28)
    assert.sameMembers(errors, modelled)
    assert.isFalse(SqsError.isKind("toString"))
  })

  it("blames the sender below 500", () => {
    assert.isTrue(SqsError.make("RequestThrottled", "").senderFault)
    assert.isFalse(SqsError.make("InternalError", "").senderFault)
    assert.isFalse(SqsError.make("ServiceUnavailable", "").senderFault)
  })

  it.live("the SDK takes each for what it is", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} } })
      const QueueUrl = emulator.queueUrl("q")
      for (const kind of SqsError.kinds) {
        const { code, status } = SqsError.make(kind, "")
        const fault = { _tag: "Fail", kind, message: "because" } as const
        yield* emulator.inject({ times: 1, fault })
        const command = new sqs.ReceiveMessageCommand({ QueueUrl })
        const thrown = yield* Effect.flip(sdk(() => client.send(command)))
        assert.strictEqual(thrown.name, modelled.includes(kind) ? kind : code)
        assert.strictEqual(thrown.message, "because")
        assert.strictEqual(thrown.status, status)
      }
    }).pipe(Effect.scoped)
  )
})
