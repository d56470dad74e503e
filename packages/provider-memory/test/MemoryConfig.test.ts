import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { Defaults, QueueError } from "@queue-runtime/core"
import { MemoryConfig } from "../src/index.ts"

type Input = Parameters<typeof MemoryConfig.make>[0]

const problems: ReadonlyArray<readonly [key: string, rule: string, options: unknown]> = [
  [
    "queues.orders.lockDuration",
    "a finite duration above zero",
    { queues: { orders: { lockDuration: 0 } } }
  ],
  [
    "queues.orders.lockDuration",
    "above zero",
    { queues: { orders: { lockDuration: "Infinity" } } }
  ],
  ["queues.orders.lockDuration", "a duration", { queues: { orders: { lockDuration: "soon" } } }],
  ["queues.orders.timeToLive", "above zero", { queues: { orders: { timeToLive: -1 } } }],
  [
    "queues.orders.deduplicationWindow",
    "not below zero",
    { queues: { orders: { deduplicationWindow: -1 } } }
  ],
  [
    "queues.orders.deliveriesMax",
    "greater than or equal to 1",
    { queues: { orders: { deliveriesMax: 0 } } }
  ],
  ["queues.orders.sessions", "boolean", { queues: { orders: { sessions: "yes" } } }],
  ["queues.orders.lokDuration", "excess property", { queues: { orders: { lokDuration: 1 } } }],
  ["queues.-orders", "1–260 characters", { queues: { "-orders": {} } }],
  ["queues", "Missing key", {}],
  ["messagesMax", "greater than or equal to 1", { queues: {}, messagesMax: 0 }],
  ["bytesMax", "Expected an integer", { queues: {}, bytesMax: 1.5 }],
  ["mesagesMax", "excess property", { queues: {}, mesagesMax: 1 }],
  ["options", "Expected object", undefined],
  [
    "faults.rules.0.operation",
    '"Send"',
    {
      queues: {},
      faults: { seed: 1, rules: [{ operation: "Snd", probability: 1, fault: { _tag: "Reorder" } }] }
    }
  ],
  [
    "faults.rules.0.fault.duration",
    "not below zero",
    {
      queues: {},
      faults: {
        seed: 1,
        rules: [{ operation: "*", probability: 1, fault: { _tag: "Delay", duration: -1 } }]
      }
    }
  ]
]

describe("make", () => {
  it.effect.each(problems)("R10.1 %s is refused: %s", ([key, rule, options]) =>
    Effect.gen(function* () {
      // What JavaScript callers can do, and types cannot say.
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the case under test
      const error = yield* Effect.flip(MemoryConfig.make(options as Input))
      assert(error.reason instanceof QueueError.ConfigurationInvalid)
      assert.strictEqual(error.reason.key, key)
      assert.include(error.reason.problem, rule)
    })
  )

  it.effect("R10.7 every default comes from Defaults", () =>
    Effect.gen(function* () {
      const config = yield* MemoryConfig.make({ queues: { orders: {} } })
      assert.deepStrictEqual(config, {
        queues: {
          orders: {
            sessions: false,
            deliveriesMax: Defaults.deliveriesMax,
            lockDuration: Defaults.memoryLockDuration,
            deduplicationWindow: Defaults.memoryDeduplicationWindow,
            deadLetterExpired: false
          }
        },
        messagesMax: Defaults.memoryMessagesMax,
        bytesMax: Defaults.memoryBytesMax,
        deduplicationIdsMax: Defaults.memoryDeduplicationIdsMax,
        sessionsMax: Defaults.memorySessionsMax,
        messageSizeMax: Defaults.memoryMessageSizeMax,
        sessionStateSizeMax: Defaults.memorySessionStateSizeMax
      })
    })
  )

  it.effect("R10.1 durations in any form", () =>
    Effect.gen(function* () {
      const config = yield* MemoryConfig.make({
        queues: {
          orders: { lockDuration: "1 minute", timeToLive: 500, deduplicationWindow: Duration.zero }
        }
      })
      const { orders } = config.queues
      assert.deepStrictEqual(orders?.lockDuration, Duration.minutes(1))
      assert.deepStrictEqual(orders?.timeToLive, Duration.millis(500))
      assert.deepStrictEqual(orders?.deduplicationWindow, Duration.zero)
    })
  )
})

describe("makeFaults", () => {
  it.effect("R11.1 checks faults by themselves", () =>
    Effect.gen(function* () {
      const rule = {
        operation: "Send",
        probability: 0.5,
        fault: { _tag: "Delay", duration: "1 second" }
      } as const
      const faults = yield* MemoryConfig.makeFaults({ seed: "s", rules: [rule] })
      assert.deepStrictEqual(faults.rules[0]?.fault, {
        _tag: "Delay",
        duration: Duration.seconds(1)
      })
      const error = yield* Effect.flip(
        MemoryConfig.makeFaults({ seed: 1, rules: [{ ...rule, probability: 2 }] })
      )
      assert.deepInclude(error.reason, { key: "faults.rules.0.probability" })
    })
  )
})
