import { assert, describe, it } from "@effect/vitest"
import { IdempotencyStore, QueueClient } from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import * as Notifier from "../../src/bots/Notifier.ts"
import * as Timeline from "../../src/bots/Timeline.ts"
import * as Bots from "../../src/Bots.ts"
import * as Broker from "../../src/demo/Broker.ts"
import * as QueueStack from "../../src/QueueStack.ts"
import { environment, example, message, queue } from "../fixtures.ts"

const options = {
  queue,
  deliveriesMax: 3,
  wait: Duration.zero,
  lockDuration: Option.none<Duration.Duration>()
}

/** Three messages of one session, handled by bots whose broker loses every second completion. */
const handled = (settings: Readonly<Record<string, string>>) => {
  const broker = Broker.make(2)
  const told: Array<string> = []
  const dispositions: Array<string> = []
  const notifier = Layer.succeed(Notifier.Notifier, {
    notify: ({ id }) => Effect.asVoid(Effect.sync(() => told.push(id)))
  })
  return Effect.gen(function* () {
    const client = yield* QueueClient.QueueClient
    for (const id of ["d-1", "d-2", "d-3"]) {
      yield* client.send(queue, yield* message("pull_request", example("pull_request"), id))
    }
    const worker = yield* Effect.forkChild(
      Bots.run(yield* Bots.handler, {
        ...options,
        concurrency: 2,
        backoff: { initial: Duration.seconds(1), max: Duration.seconds(1) },
        breaker: { per: "all", failuresMax: 5, openDuration: Duration.seconds(30) },
        onHandled: ({ disposition, message: { messageId } }) =>
          Effect.asVoid(Effect.sync(() => dispositions.push(`${messageId} ${disposition._tag}`)))
      })
    )
    for (let step = 0; step < 1_000 && !dispositions.includes("d-3 Completed"); step++) {
      yield* TestClock.adjust("50 millis")
    }
    yield* Fiber.interrupt(worker)
    return { told, dispositions, readable: yield* broker.readable, stored: yield* broker.stored }
  }).pipe(
    Effect.provide([
      notifier,
      Timeline.layer(),
      IdempotencyStore.layerMemory(),
      QueueStack.layer({ ...options, around: broker.around })
    ]),
    Effect.provide(environment(settings))
  )
}

describe("Broker", () => {
  it.effect(
    "R5.7 what comes again after a lost settlement is settled, and nobody is told twice",
    () =>
      Effect.gen(function* () {
        const { dispositions, told } = yield* handled({})
        assert.deepStrictEqual(told, ["d-1", "d-2", "d-3"])
        assert.deepStrictEqual(dispositions, [
          "d-1 Completed",
          "d-2 Unsettled",
          "d-2 Completed",
          "d-3 Unsettled",
          "d-3 Completed"
        ])
      })
  )

  it.effect("R8.1 sees which bodies anybody could read", () =>
    Effect.gen(function* () {
      const plain = yield* handled({})
      assert.deepStrictEqual(plain.readable, ["d-1", "d-2", "d-3"])
      const key = Buffer.alloc(32, 7).toString("base64")
      const sealed = yield* handled({ QUEUE_CRYPTO_KEYS: `k1:${key}` })
      assert.deepStrictEqual([sealed.readable, sealed.stored], [[], 3])
    })
  )
})
