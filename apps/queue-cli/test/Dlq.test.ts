import { assert, describe, it } from "@effect/vitest"
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import {
  DeadLetters,
  Defaults,
  Message,
  QueueAddress,
  QueueClient,
  QueueName
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { TestClock } from "effect/testing"
import * as dlq from "../src/commands/dlq.ts"
import * as Output from "../src/Output.ts"
import { captured } from "./support/captured.ts"

const orders = QueueName.makeUnsafe("orders")

const layer = DeadLetters.layer().pipe(
  Layer.provideMerge(QueueClient.layer()),
  Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
)

const everything = { ids: [], all: true, reason: undefined } as const

const plainly = { set: {}, unset: [], rate: undefined, keepCount: false, to: undefined } as const

describe("dlq", () => {
  for (const what of ["replay", "purge"] as const) {
    it.effect(`R7.1 a ${what} says when others have some of the letters in hand`, () =>
      Effect.gen(function* () {
        const client = yield* QueueClient.QueueClient
        for (const text of ["a", "b"]) {
          yield* client.send(orders, yield* Message.text(text))
          for (const message of yield* client.receive(orders)) {
            yield* client.deadLetter(message, { reason: "Bad" })
          }
        }
        const [held] = yield* client.receive(QueueAddress.deadLetter(orders), { max: 1 })
        const run = Effect.fnUntraced(function* (json: boolean) {
          const { surroundings, written } = captured()
          const output = Output.make(surroundings, { json })
          const work =
            what === "replay"
              ? dlq.replay(orders, { ...everything, ...plainly, dryRun: false })
              : dlq.purge(orders, {
                  ...everything,
                  olderThan: undefined,
                  dryRun: false,
                  yes: true
                })
          const fiber = yield* Effect.forkChild(Effect.provideService(work, Output.Output, output))
          while (fiber.pollUnsafe() === undefined) {
            yield* TestClock.adjust(Defaults.deadLetterWait)
          }
          yield* Fiber.join(fiber)
          return written
        })
        const first = yield* run(false)
        assert.match(first.output, /^(replayed|removed) 1$/mu)
        assert.match(first.error, /these may not be all: others may have some in hand/u)
        yield* client.abandon(held ?? assert.fail("no dead letter came"))
        const second = yield* run(true)
        const last = second.output.trim().split("\n").at(-1) ?? ""
        const expected = { done: 1, failed: 0, failures: {}, complete: true }
        assert.deepStrictEqual(JSON.parse(last), expected)
        assert.notInclude(second.error, "not be all")
      }).pipe(Effect.provide(Layer.merge(layer, NodeServices.layer)))
    )
  }
})
