import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as PhysicalQueueName from "../src/PhysicalQueueName.ts"
import * as QueueNaming from "../src/QueueNaming.ts"
import { textOf } from "./support/arbitraries.ts"

const acme = { prefix: "acme", environment: "prod", application: "merge-warden" }

describe("QueueNaming", () => {
  it.effect.each([
    ["azure-service-bus", acme, "acme-prod-merge-warden"],
    ["azure-service-bus", { ...acme, fifo: true }, "acme-prod-merge-warden"],
    ["memory", { ...acme, fifo: true }, "acme-prod-merge-warden"],
    ["aws-sqs", acme, "acme-prod-merge-warden"],
    ["aws-sqs", { ...acme, fifo: false }, "acme-prod-merge-warden"],
    ["aws-sqs", { ...acme, fifo: true }, "acme-prod-merge-warden.fifo"],
    ["aws-sqs", QueueNaming.deadLetter(acme), "acme-prod-merge-warden-dlq"],
    ["aws-sqs", QueueNaming.retry(acme), "acme-prod-merge-warden-retry"],
    [
      "aws-sqs",
      QueueNaming.deadLetter({ ...acme, purpose: "events", fifo: true }),
      "acme-prod-merge-warden-events-dlq.fifo"
    ],
    [
      "aws-sqs",
      QueueNaming.retry({ ...acme, purpose: "events" }),
      "acme-prod-merge-warden-events-retry"
    ],
    ["aws-sqs", { application: "merge-warden" }, "merge-warden"],
    ["aws-sqs", { prefix: "", environment: "", application: "a", purpose: "" }, "a"],
    ["aws-sqs", QueueNaming.deadLetter({ application: "a", purpose: "" }), "a-dlq"]
  ] as const)(
    "R1.8 the parts are joined, those left out skipped, for %s: %j",
    Effect.fnUntraced(function* ([service, parts, name]) {
      assert.strictEqual<string>(yield* QueueNaming.make(service, parts), name)
    })
  )

  it.effect.each([
    ["aws-sqs", { ...acme, application: "merge.warden" }, "SQS name must have 1–80 characters"],
    ["aws-sqs", { application: "a".repeat(76), fifo: true }, "got 81 characters"],
    ["azure-service-bus", { application: "merge warden" }, "Service Bus name must have 1–260"],
    ["azure-service-bus", { application: "" }, "got 0 characters"],
    ["aws-sqs", { application: "", fifo: true }, "characters before .fifo"]
  ] as const)(
    "R1.8 a name against the rules of %s fails with its rule: %j",
    Effect.fnUntraced(function* ([service, parts, problem]) {
      const error = yield* Effect.flip(QueueNaming.make(service, parts))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
      assert.include(error.message, problem)
    })
  )

  it("R1.8 the parts of the other queues leave the given ones alone", () => {
    const parts = { ...acme, purpose: "events", fifo: true }
    assert.deepStrictEqual(QueueNaming.deadLetter(parts), { ...parts, purpose: "events-dlq" })
    assert.deepStrictEqual(QueueNaming.retry(parts), { ...parts, purpose: "events-retry" })
    assert.strictEqual(parts.purpose, "events")
  })

  const part = textOf("aZ9_", 4)

  it.effect.prop(
    "R1.8 what it returns is valid for the service it was made for",
    { prefix: part, environment: part, application: part, purpose: part, fifo: Schema.Boolean },
    Effect.fnUntraced(function* (parts) {
      for (const service of ["aws-sqs", "azure-service-bus", "memory"] as const) {
        for (const one of [parts, QueueNaming.deadLetter(parts), QueueNaming.retry(parts)]) {
          const made = yield* Effect.option(QueueNaming.make(service, one))
          const words = [one.prefix, one.environment, one.application, one.purpose].filter(Boolean)
          const suffix = one.fifo && service === "aws-sqs" ? ".fifo" : ""
          assert.strictEqual(made._tag === "Some", words.length > 0)
          if (made._tag === "None") continue
          assert.strictEqual(made.value, words.join("-") + suffix)
          assert.notInclude(made.value, "--")
          assert.strictEqual(yield* PhysicalQueueName.make(service, made.value), made.value)
        }
      }
    })
  )
})
