import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as PhysicalQueueName from "../src/PhysicalQueueName.ts"
import * as QueueError from "../src/QueueError.ts"
import { textOf } from "./support/arbitraries.ts"
import { untyped } from "./support/untyped.ts"

const serviceBus =
  "a Service Bus name must have 1–260 characters of ASCII letters, digits and / . - _"
const edge = "a Service Bus name must not begin or end with / or ."
const sqs =
  "an SQS name must have 1–80 characters of ASCII letters, digits, - and _, .fifo at its end included"

/** The same rules written another way: by what the services' own documents say. */
const isServiceBus = (value: string) => /^(?![/.])[A-Za-z0-9/._-]{1,260}(?<![/.])$/u.test(value)
const isSqs = (value: string) => value.length <= 80 && /^[A-Za-z0-9_-]+(?:\.fifo)?$/u.test(value)
const expected: { readonly [S in PhysicalQueueName.Service]: (value: string) => boolean } = {
  "azure-service-bus": isServiceBus,
  azure: isServiceBus,
  "aws-sqs": isSqs,
  aws: isSqs,
  memory: (value) => /^[A-Za-z0-9/._-]{1,260}$/u.test(value)
}

const services = ["azure-service-bus", "azure", "aws-sqs", "aws", "memory"] as const

describe("PhysicalQueueName", () => {
  it.effect.each([
    ["azure-service-bus", "acme/orders.v2"],
    ["azure-service-bus", "a"],
    ["azure-service-bus", `${"a".repeat(259)}_`],
    ["aws-sqs", "orders"],
    ["aws-sqs", "orders.fifo"],
    ["aws-sqs", "a".repeat(80)],
    ["aws-sqs", `${"a".repeat(75)}.fifo`],
    ["memory", "./anything_-"],
    ["memory", "a".repeat(260)]
  ] as const)(
    "R1.8 a name by the rules of %s is one: %s",
    Effect.fnUntraced(function* ([service, value]) {
      const name = yield* PhysicalQueueName.make(service, value)
      assert.strictEqual(name, value)
      assert.isTrue(Schema.is(PhysicalQueueName.PhysicalQueueName)(name))
    })
  )

  it.effect.each([
    ["azure-service-bus", "", `${serviceBus}; got 0 characters`],
    ["azure-service-bus", "a".repeat(261), `${serviceBus}; got 261 characters`],
    ["azure-service-bus", "a b", `${serviceBus}; got U+0020 at index 1`],
    ["azure-service-bus", "/a", edge],
    ["azure-service-bus", "a/", edge],
    ["azure-service-bus", ".a", edge],
    ["azure-service-bus", "a.", edge],
    ["aws-sqs", "", `${sqs}; got 0 characters`],
    ["aws-sqs", "a".repeat(81), `${sqs}; got 81 characters`],
    ["aws-sqs", `${"a".repeat(76)}.fifo`, `${sqs}; got 81 characters`],
    ["aws-sqs", "acme/orders", `${sqs}; got U+002F at index 4`],
    ["aws-sqs", "orders.v2", `${sqs}; got U+002E at index 6`],
    ["aws-sqs", "a.fifo.fifo", `${sqs}; got U+002E at index 1`],
    ["aws-sqs", "a.FIFO", `${sqs}; got U+002E at index 1`],
    ["aws-sqs", ".fifo", "an SQS name must have characters before .fifo"],
    ["memory", "", `${serviceBus}; got 0 characters`],
    ["memory", "a:b", `${serviceBus}; got U+003A at index 1`]
  ] as const)(
    "R1.8 what %s would refuse is refused by its rule: %s",
    Effect.fnUntraced(function* ([service, value, problem]) {
      const error = yield* Effect.flip(PhysicalQueueName.make(service, value))
      const field = "physicalQueueName"
      assert.deepStrictEqual(error.reason, new QueueError.ValidationFailed({ field, problem }))
      assert.strictEqual(error.retry, "Never")
    })
  )

  it.effect.prop(
    "R1.8 valid if and only if the rule of the service says so",
    {
      stem: textOf("aZ9_-/. é", 6),
      long: Schema.Literals(["", "x".repeat(76), "x".repeat(256)]),
      suffix: Schema.Literals(["", ".fifo", ".FIFO"])
    },
    Effect.fnUntraced(function* ({ stem, long, suffix }) {
      const value = stem + long + suffix
      for (const service of services) {
        const result = yield* Effect.option(PhysicalQueueName.make(service, value))
        assert.strictEqual(result._tag === "Some", expected[service](value), service)
      }
    }),
    { arbitrary: { runs: 500 } }
  )

  it.effect("R1.8 what is no string, and a service that is none, fail with their field", () =>
    Effect.gen(function* () {
      for (const service of services) {
        for (const value of [undefined, null, 7, {}]) {
          const { reason } = yield* Effect.flip(PhysicalQueueName.make(service, untyped(value)))
          assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "physicalQueueName")
        }
      }
      for (const service of [undefined, "sqs", "constructor"]) {
        const { message } = yield* Effect.flip(PhysicalQueueName.make(untyped(service), "orders"))
        assert.strictEqual(
          message,
          "ValidationFailed: service: must be one of: azure-service-bus, azure, aws-sqs, aws, memory"
        )
      }
    })
  )

  it("R1.8 the schema takes a name that was validated, and no empty one", () => {
    assert.isTrue(Schema.is(PhysicalQueueName.PhysicalQueueName)("orders.fifo"))
    assert.isFalse(Schema.is(PhysicalQueueName.PhysicalQueueName)(""))
  })
})
