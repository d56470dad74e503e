import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as Idempotency from "../src/Idempotency.ts"
import * as IdempotencyStore from "../src/IdempotencyStore.ts"
import type * as MessageHandler from "../src/MessageHandler.ts"
import * as MessageId from "../src/MessageId.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueWorker from "../src/QueueWorker.ts"
import type * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import * as Received from "./support/Received.ts"

class Refused extends Data.TaggedError("Refused") {}

const message = (id = "m-1") => Received.make({ messageId: MessageId.makeUnsafe(id) })

const key = "orders\nm-1"

/** A handler over a store in memory, whose methods a test may replace. */
const wrapped = <E = never>(
  handler: (message: ReceivedMessage.ReceivedMessage) => Effect.Effect<unknown, E>,
  options: Idempotency.Options = {},
  faults: Partial<IdempotencyStore.Service> = {}
) =>
  Effect.gen(function* () {
    const store = yield* IdempotencyStore.makeMemory()
    const handle = yield* Idempotency.handler<E, never>(handler, options).pipe(
      Effect.provideService(IdempotencyStore.IdempotencyStore, { ...store, ...faults })
    )
    return { handle, store }
  })

const failing = <E>(handling: Effect.Effect<unknown, E>) => Effect.flip(Effect.asVoid(handling))

const counting = () => {
  const seen: Array<string> = []
  const handler: MessageHandler.MessageHandler = ({ messageId }) =>
    Effect.sync(() => seen.push(messageId))
  return { seen, handler }
}

describe("Idempotency: what is done", () => {
  it.effect("R5.7 is not run again, and succeeds, until its time to live is over", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting()
      const { handle } = yield* wrapped(handler, { timeToLive: "1 hour" })
      yield* handle(message())
      yield* handle(message())
      yield* handle(message("m-2"))
      yield* TestClock.adjust("59 minutes")
      yield* handle(message())
      assert.deepStrictEqual(seen, ["m-1", "m-2"])
      yield* TestClock.adjust("1 minute")
      yield* handle(message())
      assert.deepStrictEqual(seen, ["m-1", "m-2", "m-1"])
    })
  )

  it.effect("R5.7 is told by the application's own key and scope, where it has one", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting()
      const store = yield* IdempotencyStore.makeMemory()
      const scoped = (scope: string) =>
        Idempotency.handler(handler, {
          scope,
          key: ({ messageId }) => (messageId === "none" ? undefined : messageId.slice(0, 1))
        }).pipe(Effect.provideService(IdempotencyStore.IdempotencyStore, store))
      const [billing, mailing] = [yield* scoped("billing"), yield* scoped("mailing")]
      for (const id of ["a-1", "a-2", "none", "none"]) yield* billing(message(id))
      yield* mailing(message("a-3"))
      assert.deepStrictEqual(seen, ["a-1", "none", "none", "a-3"])
    })
  )

  it.effect("R5.7 a redelivery after a lost settlement is settled and not run again", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({
        faults: {
          each: ({ method, nth }) =>
            method === "settle" && nth === 1
              ? QueueError.make(new QueueError.QuotaExceeded({ resource: "it", maximum: 1 }), {
                  retry: "Never"
                })
              : undefined
        }
      })
      const { handler, seen } = counting()
      const { handle } = yield* wrapped(handler)
      yield* client.send(Clients.orders, Clients.message("m-1"))
      const worker = yield* QueueWorker.run({ queue: Clients.orders, handler: handle }).pipe(
        Effect.provideService(QueueClient.QueueClient, client),
        Effect.forkChild
      )
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(seen, ["m-1"])
      assert.deepStrictEqual(
        broker.settled.map(({ verdict }) => verdict),
        ["Complete"]
      )
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(Clients.orders)), [])
    })
  )
})

describe("Idempotency: what is not done", () => {
  it.effect("R5.7 a failed handler gives its claim up, and fails as it did", () =>
    Effect.gen(function* () {
      let runs = 0
      const { handle } = yield* wrapped(() =>
        Effect.suspend(() => (++runs === 1 ? Effect.fail(new Refused()) : Effect.void))
      )
      assert.instanceOf(yield* failing(handle(message())), Refused)
      yield* handle(message())
      yield* handle(message())
      assert.strictEqual(runs, 2)
    })
  )

  it.effect("R5.7 an interrupted handler and one that throws give it up too", () =>
    Effect.gen(function* () {
      const { handle, store } = yield* wrapped(({ messageId }) => {
        if (messageId === "m-1") throw new Error("a bug")
        return Effect.never
      })
      assert.isTrue(Exit.hasDies(yield* Effect.exit(handle(message()))))
      const running = yield* Effect.forkChild(handle(message("m-2")), { startImmediately: true })
      yield* Fiber.interrupt(running)
      for (const id of ["m-1", "m-2"]) {
        const claim = yield* store.claim(`orders\n${id}`, Duration.seconds(1))
        assert.strictEqual(claim._tag, "Claimed")
      }
    })
  )

  it.effect("R5.7 of two at once the second waits and is done with the first", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      let runs = 0
      const { handle } = yield* wrapped(() =>
        Effect.suspend(() => {
          runs++
          return Deferred.await(gate)
        })
      )
      const both = yield* Effect.forEach(["first", "second"], () =>
        Effect.forkChild(handle(message()))
      )
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(runs, 1)
      yield* Deferred.succeed(gate, undefined)
      yield* TestClock.adjust(Defaults.idempotencyPause)
      yield* Fiber.joinAll(both)
      assert.strictEqual(runs, 1)
    })
  )

  it.effect("R5.7 the one that waits runs when the first fails", () =>
    Effect.gen(function* () {
      let runs = 0
      const { handle } = yield* wrapped(() =>
        Effect.suspend(() =>
          ++runs === 1 ? Effect.delay(Effect.fail(new Refused()), "10 seconds") : Effect.void
        )
      )
      const first = yield* Effect.forkChild(failing(handle(message())))
      const second = yield* Effect.forkChild(handle(message()))
      yield* TestClock.adjust("11 seconds")
      yield* Fiber.join(first)
      yield* Fiber.join(second)
      assert.strictEqual(runs, 2)
    })
  )

  it.effect("R5.7 the claim of a worker that died ends with its lease", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting()
      const { handle, store } = yield* wrapped(handler)
      yield* store.claim(key, Duration.seconds(30))
      const waiting = yield* Effect.forkChild(handle(message()))
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(seen, [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(waiting)
      assert.deepStrictEqual(seen, ["m-1"])
    })
  )

  it.effect("R5.7 one that lost its lease is interrupted, and fails for the moment", () =>
    Effect.gen(function* () {
      let interrupted = 0
      const { handle } = yield* wrapped(
        () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted++)),
        {},
        { renew: () => Effect.fail(QueueError.make(new QueueError.ReceiptExpired())) }
      )
      const running = yield* Effect.forkChild(failing(handle(message())))
      yield* TestClock.adjust("30 seconds")
      const error = yield* Fiber.join(running)
      assert.strictEqual(error.retry, "Transient")
      assert.include(error.message, "lease")
      assert.strictEqual(interrupted, 1)
    })
  )
})

describe("Idempotency: a store that fails", () => {
  it.effect("R5.7 at a claim: nothing runs, and no message is dead-lettered for it", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting()
      const after = Duration.seconds(7)
      const denied = QueueError.make(new QueueError.PermissionDenied({ operation: "SELECT" }))
      const throttled = QueueError.make(new QueueError.Throttled(), { retryAfter: after })
      for (const failure of [denied, throttled]) {
        const { handle } = yield* wrapped(handler, {}, { claim: () => Effect.fail(failure) })
        const error = yield* failing(handle(message()))
        assert.strictEqual(error.reason._tag, failure.reason._tag)
        assert.strictEqual(error.retry, "Transient")
        assert.deepStrictEqual(error.retryAfter, failure.retryAfter)
      }
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("R5.7 at the record: the delivery succeeds, with a warning", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const { handler, seen } = counting()
      const { handle } = yield* wrapped(
        handler,
        {},
        { complete: () => Effect.fail(QueueError.make(new QueueError.ConnectionFailed())) }
      )
      yield* Effect.provide(handle(message()), layer)
      assert.deepStrictEqual(seen, ["m-1"])
      assert.deepStrictEqual(
        lines.map(({ level, text }) => [level, text.startsWith("handled, but the record failed")]),
        [["Warn", true]]
      )
    })
  )

  it.effect("R5.7 at a release: the handler's own failure is what counts", () =>
    Effect.gen(function* () {
      const { handle } = yield* wrapped(
        () => Effect.fail(new Refused()),
        {},
        { release: () => Effect.fail(QueueError.make(new QueueError.ConnectionFailed())) }
      )
      assert.instanceOf(yield* failing(handle(message())), Refused)
    })
  )
})

describe("Idempotency: options", () => {
  it.effect("R10.1 a lease under a second, or a record shorter than a lease, is refused", () =>
    Effect.gen(function* () {
      for (const options of [
        { lease: 999 },
        { lease: "1 minute", timeToLive: "59 seconds" }
      ] as const) {
        const error = yield* Effect.flip(wrapped(() => Effect.void, options))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
      }
    })
  )
})
