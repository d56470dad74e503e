import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import { QueueName, QueueProvider } from "@queue-runtime/core"
import * as Harness from "../src/Harness.ts"
import * as ProviderRule from "../src/ProviderRule.ts"
import { harness } from "./support/tiny.ts"

const spec: Harness.QueueSpec = {
  ...ProviderRule.queueDefaults,
  queue: QueueName.makeUnsafe("orders")
}

const stackOf = (opened: Harness.Opened) =>
  Effect.map(
    Effect.provide(QueueProvider.QueueProvider, Layer.fresh(opened.layer), { local: true }),
    ({ stack }) => stack
  )

describe("Harness", () => {
  it.effect("R12.1 a provider behind decorators is another subject with the same queues", () =>
    Effect.gen(function* () {
      const { asked, harness: tiny } = harness()
      const decorators = QueueProvider.layerTransform(
        "mine",
        Effect.succeed((call) => call)
      )
      const failedProbes = Effect.succeed(new Set(["P1"]))
      const behind = Harness.behind({ ...tiny, failedProbes }, "tiny behind mine", decorators)
      assert.strictEqual(behind.name, "tiny behind mine")
      assert.strictEqual(behind.time, tiny.time)
      assert.strictEqual(behind.failedProbes, failedProbes)
      const opened = yield* behind.open(spec)
      assert.deepStrictEqual(asked, [spec])
      assert.deepStrictEqual(yield* stackOf(opened), ["mine", "tiny"])
      assert.isDefined(opened.foreign)
    })
  )

  it.effect("R12.2 a transform runs for every connection anew, in its scope", () =>
    Effect.gen(function* () {
      const log: Array<string> = []
      const { harness: tiny } = harness()
      const broken = Harness.transformed(tiny, "broken", (provider) =>
        Effect.as(
          Effect.acquireRelease(
            Effect.sync(() => void log.push("opened")),
            () => Effect.sync(() => void log.push("closed"))
          ),
          { ...provider, stack: ["broken", ...provider.stack] }
        )
      )
      const opened = yield* broken.open(spec)
      assert.deepStrictEqual(yield* stackOf(opened), ["broken", "tiny"])
      yield* stackOf(opened)
      assert.deepStrictEqual(log, ["opened", "closed", "opened", "closed"])
    })
  )
})
