import { assert, describe, it } from "@effect/vitest"
import { Idempotency, IdempotencyStore } from "@queue-runtime/core"
import { Effects, Fault, Simulation } from "@queue-runtime/simulation"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Notifier from "../src/bots/Notifier.ts"
import * as Timeline from "../src/bots/Timeline.ts"
import * as Bots from "../src/Bots.ts"
import { example, message } from "./fixtures.ts"

/** A downstream that writes down what it is told. */
const notifier = Layer.succeed(Notifier.Notifier, {
  notify: ({ id }) => Effects.applied(`told of ${id}`)
})

const needed = Layer.mergeAll(Timeline.layer(), IdempotencyStore.layerMemory(), notifier)

/** The bots as the program has them: once an event, whatever the queue does. */
const handler: Simulation.Handler<
  Bots.Failure | Effect.Error<ReturnType<typeof once>>,
  Layer.Success<typeof needed>
> = (received) => Effect.flatMap(once(), (handle) => handle(received))

const once = () => Effect.flatMap(Bots.handler, (handle) => Idempotency.handler(handle))

/** What a real broker and a real network do to a delivery. */
const faults = Fault.only("lost reply", "delay", "throttled", "disconnected", "duplicate delivery")

describe("Bots under simulation", () => {
  it.effect(
    "R5.7 every event is told once, in its pull request's order, whatever the queue does",
    () =>
      Effect.gen(function* () {
        const report = yield* Simulation.test(handler, {
          seeds: 40,
          sessions: true,
          profile: faults,
          idempotent: true,
          layer: needed,
          message: ({ id }) => message("pull_request", example("pull_request"), id)
        })
        assert.strictEqual(report.seeds, 40)
        assert.isAbove(report.faults, 40)
      }),
    120_000
  )

  it.effect(
    "R5.7 without idempotency an event is told twice, and the simulation says how",
    () =>
      Effect.gen(function* () {
        const failed = yield* Effect.flip(
          Simulation.test(
            (received) => Effect.flatMap(Bots.handler, (handle) => handle(received)),
            {
              sessions: true,
              profile: faults,
              idempotent: true,
              layer: needed,
              message: ({ id }) => message("pull_request", example("pull_request"), id)
            }
          )
        )
        assert.match(failed.message, /was applied again/u)
        assert.isBelow(failed.steps, 30)
      }),
    120_000
  )
})
