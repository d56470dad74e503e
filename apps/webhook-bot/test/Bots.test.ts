import { assert, describe, it } from "@effect/vitest"
import { HandlerFailure, IdempotencyStore, QueueAddress, QueueClient } from "@queue-runtime/core"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import * as Notifier from "../src/bots/Notifier.ts"
import * as Timeline from "../src/bots/Timeline.ts"
import * as Bots from "../src/Bots.ts"
import { bytes, delivered, example, foreign, memory, message, queue } from "./fixtures.ts"

const failed = new Notifier.DownstreamFailed({ detail: "not this one" })

/** Bots whose notifier writes down what it is told, and fails as long as it is told to. */
const bots = (told: Array<string>, failures = 0, failure: Notifier.Failure = failed) => {
  let left = failures
  return Layer.mergeAll(
    Timeline.layer(),
    IdempotencyStore.layerMemory(),
    Layer.succeed(Notifier.Notifier, {
      notify: ({ id }) =>
        Effect.suspend((): Effect.Effect<void, Bots.Failure> => {
          told.push(id)
          return left-- > 0 ? Effect.fail(failure) : Effect.void
        })
    })
  )
}

const entries = (session: string) =>
  Effect.flatMap(Timeline.Timeline, (timeline) => timeline.of(session))

/** Moves the time until it has happened; each step lets the fibers of the worker run a little. */
const until = Effect.fnUntraced(function* (happened: () => boolean) {
  for (let step = 0; step < 1_000 && !happened(); step++) yield* TestClock.adjust("50 millis")
  assert.isTrue(happened())
})

const pull = "Codertocat/Hello-World/pull/2"

describe("Bots", () => {
  it.effect("an event goes to the notifier and into the timeline", () => {
    const told: Array<string> = []
    return Effect.gen(function* () {
      const handle = yield* Bots.handler
      yield* handle(yield* delivered(yield* message("pull_request", example("pull_request"))))
      assert.deepStrictEqual(told, ["d-1"])
      assert.strictEqual((yield* entries(pull)).length, 1)
    }).pipe(Effect.provide(bots(told)))
  })

  it.effect("a ping is told nobody, and entered", () => {
    const told: Array<string> = []
    return Effect.gen(function* () {
      const handle = yield* Bots.handler
      const ping = yield* message("ping", { repository: { full_name: "acme/shop" } })
      yield* handle(yield* delivered(ping))
      assert.deepStrictEqual(told, [])
      assert.strictEqual((yield* entries("acme/shop")).length, 1)
    }).pipe(Effect.provide(bots(told)))
  })

  it.effect("what the notifier could not tell is not in the timeline", () => {
    const told: Array<string> = []
    return Effect.gen(function* () {
      const handle = yield* Bots.handler
      const received = yield* delivered(yield* message("pull_request", example("pull_request")))
      assert.strictEqual(yield* Effect.flip(Effect.asVoid(handle(received))), failed)
      assert.deepStrictEqual(yield* entries(pull), [])
      yield* handle(received)
      assert.strictEqual((yield* entries(pull)).length, 1)
    }).pipe(Effect.provide(bots(told, 1)))
  })

  it.effect("R5.2 an event that cannot be read fails for good", () =>
    Effect.gen(function* () {
      const handle = yield* Bots.handler
      const failure = yield* Effect.flip(
        Effect.asVoid(handle(yield* foreign(bytes("no JSON"), {})))
      )
      assert.isTrue(HandlerFailure.isPermanent(failure))
    }).pipe(Effect.provide(bots([])))
  )

  const breaker = { per: "all", failuresMax: 2, openDuration: Duration.seconds(30) } as const

  const running = { queue, concurrency: 2, deliveriesMax: 3, breaker }

  const backoff = { initial: Duration.seconds(1), max: Duration.seconds(1) }

  it.effect("R4.7 the worker retries with the backoff given, and the next one waits", () => {
    const told: Array<string> = []
    return Effect.gen(function* () {
      const client = yield* QueueClient.QueueClient
      for (const id of ["d-1", "d-2"]) {
        yield* client.send(queue, yield* message("pull_request", example("pull_request"), id))
      }
      const worker = yield* Effect.forkChild(Bots.run(yield* Bots.handler, { ...running, backoff }))
      const times: Array<number> = []
      for (const count of [1, 2, 3, 4]) {
        yield* until(() => told.length >= count)
        times.push(yield* Clock.currentTimeMillis)
      }
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(told, ["d-1", "d-1", "d-1", "d-2"])
      const [first = 0, second = 0, third = 0] = times
      for (const pause of [second - first, third - second]) assert.isAtLeast(pause, 800)
    }).pipe(Effect.provide([bots(told, 2), memory]))
  })

  it.effect(
    "R3.6 after the maximum of deliveries it is a dead letter, and the next is handled",
    () => {
      const told: Array<string> = []
      const dispositions: Array<string> = []
      return Effect.gen(function* () {
        const client = yield* QueueClient.QueueClient
        for (const id of ["d-1", "d-2"]) {
          yield* client.send(queue, yield* message("pull_request", example("pull_request"), id))
        }
        const worker = yield* Effect.forkChild(
          Bots.run(yield* Bots.handler, {
            ...running,
            backoff,
            onHandled: ({ disposition }) =>
              Effect.sync(() => dispositions.push(disposition._tag)).pipe(Effect.asVoid)
          })
        )
        yield* until(() => dispositions.length === 4)
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(told, ["d-1", "d-1", "d-1", "d-2"])
        assert.deepStrictEqual(dispositions, [
          "Abandoned",
          "Abandoned",
          "DeadLettered",
          "Completed"
        ])
        const [dead] = yield* client.receive(QueueAddress.deadLetter(queue))
        assert.strictEqual(dead?.messageId, "d-1")
        assert.strictEqual(dead?.deadLetter?.reason, "MaxDeliveryCountExceeded")
      }).pipe(Effect.provide([bots(told, 3), memory]))
    }
  )
})
