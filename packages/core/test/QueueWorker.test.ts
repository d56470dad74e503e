import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Cause from "effect/Cause"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Scope from "effect/Scope"
import * as Backoff from "../src/Backoff.ts"
import * as Defaults from "../src/Defaults.ts"
import * as HandlerFailure from "../src/HandlerFailure.ts"
import type * as MessageHandler from "../src/MessageHandler.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueWorker from "../src/QueueWorker.ts"
import * as Verdict from "../src/Verdict.ts"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import type * as ScriptedProvider from "./support/ScriptedProvider.ts"
import * as Time from "./support/Time.ts"

const { message, orders } = Clients

const backoff = Backoff.fixed({ initial: "1 second", jitter: 0 })
const ids = (count: number) => Array.from({ length: count }, (_, index) => `m-${index}`)

/** A client with messages, and a worker over it that has begun. */
const start = Effect.fnUntraced(function* <E = never>(
  handler: MessageHandler.MessageHandler<E>,
  options: Partial<QueueWorker.Options<E>> & {
    readonly messages?: number
    readonly provider?: ScriptedProvider.Options
  } = {}
) {
  const { messages = 0, provider = {}, ...own } = options
  const { broker, client } = yield* Clients.make(provider)
  yield* client.sendBatch(
    orders,
    ids(messages).map((id) => message(id))
  )
  const worker = yield* QueueWorker.run({ queue: orders, handler, backoff, ...own }).pipe(
    Effect.provideService(QueueClient.QueueClient, client),
    Effect.forkChild
  )
  yield* Time.pass(0)
  return { broker, client, worker }
})

/** Ends a worker: tells it, lets so much time go by, and answers how it ended. */
const end = Effect.fnUntraced(function* <A, E>(
  worker: Fiber.Fiber<A, E>,
  time: Duration.Input = 0
) {
  worker.interruptUnsafe()
  yield* Time.pass(time)
  return worker.pollUnsafe() ?? assert.fail("the worker has not ended")
})

const isInterrupted = (exit: Exit.Exit<unknown, unknown>): boolean =>
  Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause)

const left = (broker: ScriptedProvider.ScriptedProvider) =>
  broker.messages(QueueAddress.queue(orders)).map(({ messageId }) => String(messageId))

/** Handlers that count themselves. */
const counting = (work: Effect.Effect<void>) => {
  const seen = { running: 0, most: 0, ended: 0, interrupted: 0 }
  const handler = () =>
    Effect.acquireUseRelease(
      Effect.sync(() => {
        seen.running += 1
        seen.most = Math.max(seen.most, seen.running)
      }),
      () => work,
      (_, exit) =>
        Effect.sync(() => {
          seen.running -= 1
          if (Exit.isSuccess(exit)) seen.ended += 1
          else seen.interrupted += 1
        })
    )
  return { seen, handler }
}

describe("QueueWorker: the work", () => {
  it.effect("R5.1 handles what is there and what comes, and completes it", () =>
    Effect.gen(function* () {
      const handled: Array<string> = []
      const { broker, client, worker } = yield* start(
        ({ messageId }) => Effect.sync(() => handled.push(messageId)),
        { messages: 2 }
      )
      yield* Time.pass("10 minutes")
      yield* client.send(orders, message("late"))
      yield* Time.pass(0)
      assert.deepStrictEqual(handled, ["m-0", "m-1", "late"])
      assert.deepStrictEqual(left(broker), [])
      assert.isTrue(isInterrupted(yield* end(worker)))
    })
  )

  it.effect(
    "R5.1 the concurrency is never exceeded, and no more is received than there is room for",
    () =>
      Effect.gen(function* () {
        const { handler, seen } = counting(Effect.sleep("10 seconds"))
        const { broker, worker } = yield* start(handler, { messages: 8, concurrency: 3 })
        assert.strictEqual((yield* broker.locked).length, 3)
        yield* Time.pass("5 seconds")
        assert.strictEqual(broker.calls("receive").length, 1)
        yield* Time.pass("1 minute")
        assert.deepStrictEqual(seen, { running: 0, most: 3, ended: 8, interrupted: 0 })
        assert.isTrue(broker.calls("receive").every(({ max = 0 }) => max >= 1 && max <= 3))
        assert.deepStrictEqual(left(broker), [])
        yield* end(worker)
      })
  )

  it.effect("R5.1 a slow handler does not stop the others", () =>
    Effect.gen(function* () {
      const handled: Array<string> = []
      const { worker } = yield* start(
        ({ messageId }) =>
          messageId === "m-0"
            ? Effect.sleep("1 minute")
            : Effect.sync(() => handled.push(messageId)),
        { messages: 6, concurrency: 2 }
      )
      yield* Time.pass("1 second")
      assert.deepStrictEqual(handled, ["m-1", "m-2", "m-3", "m-4", "m-5"])
      yield* end(worker, "1 minute")
    })
  )

  it.effect("R5.1 a settlement takes no handler's place, until as many are on their way", () =>
    Effect.gen(function* () {
      const handled: Array<string> = []
      const gate = yield* Deferred.make<void>()
      const { broker, worker } = yield* start(
        ({ messageId }) => Effect.sync(() => void handled.push(messageId)),
        {
          messages: 9,
          concurrency: 2,
          provider: {
            faults: {
              before: ({ method }) => (method === "settle" ? Deferred.await(gate) : Effect.void)
            }
          }
        }
      )
      yield* Time.pass("1 second")
      assert.deepStrictEqual(handled, ["m-0", "m-1", "m-2", "m-3"])
      yield* Deferred.succeed(gate, undefined)
      yield* Time.pass("1 second")
      assert.deepStrictEqual(handled, ids(9))
      assert.deepStrictEqual(left(broker), [])
      yield* end(worker)
    })
  )

  it.effect("R5.1 asks for all it has room for, and waits as told", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.void, {
        concurrency: 50,
        wait: "7 seconds"
      })
      yield* Time.pass("7 seconds")
      assert.deepStrictEqual(
        broker.calls("receive").map(({ max, waitMillis }) => [max, waitMillis]),
        [
          [50, 7_000],
          [50, 7_000]
        ]
      )
      yield* end(worker)
    })
  )

  it.effect("R5.1 a handler longer than the lock keeps its message by renewals", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("4 minutes"))
      const { broker, worker } = yield* start(handler, { messages: 1 })
      yield* Time.pass("239 seconds")
      assert.deepStrictEqual(yield* broker.locked, ["m-0"])
      assert.isAtLeast(broker.calls("renewLock").length, 8)
      yield* Time.pass("1 second")
      assert.deepStrictEqual(
        broker.settled.map(({ verdict }) => verdict),
        ["Complete"]
      )
      assert.strictEqual(seen.ended, 1)
      yield* end(worker)
    })
  )

  it.effect(
    "R5.1 renews until the stated maximum; then the lock runs out and nothing is settled",
    () =>
      Effect.gen(function* () {
        const { handler, seen } = counting(Effect.never)
        const { broker, worker } = yield* start(handler, {
          messages: 1,
          concurrency: 1,
          lockRenewalMax: "1 minute",
          deliveriesMax: 1
        })
        yield* Time.pass("59 seconds")
        assert.strictEqual(seen.running, 1)
        assert.deepStrictEqual(yield* broker.locked, ["m-0"])
        // The last renewal may come just before the maximum, and holds for a lock's duration.
        yield* Time.pass("32 seconds")
        const renewals = broker.calls("renewLock")
        assert.isAtLeast(renewals.length, 3)
        assert.isTrue(renewals.every(({ at }) => at <= 60_000))
        assert.strictEqual(seen.interrupted, 1)
        // Delivered again it is over its maximum, and the handler is not called a second time.
        assert.deepStrictEqual(
          broker.settled.map(({ verdict }) => verdict),
          ["DeadLetter"]
        )
        assert.strictEqual(seen.interrupted + seen.ended + seen.running, 1)
        yield* end(worker)
      })
  )

  it.effect("R5.2 a lost lock interrupts the handler and settles nothing", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.never)
      const told: Array<string> = []
      const { broker, worker } = yield* start(handler, {
        messages: 1,
        onHandled: ({ disposition }) => Effect.sync(() => told.push(disposition._tag))
      })
      broker.faults.before = ({ method }) =>
        method === "renewLock"
          ? Effect.fail(QueueError.make(new QueueError.ReceiptExpired()))
          : Effect.void
      yield* Time.pass("15 seconds")
      assert.strictEqual(seen.interrupted, 1)
      assert.deepStrictEqual(told, ["LockLost"])
      assert.deepStrictEqual(broker.calls("settle"), [])
      assert.deepStrictEqual(left(broker), ["m-0"])
      yield* end(worker)
    })
  )

  it.effect("R5.1 a renewal under way ends before the settlement begins, and none follows", () =>
    Effect.gen(function* () {
      const events: Array<string> = []
      const { broker, worker } = yield* start(() => Effect.sleep("16 seconds"), { messages: 1 })
      broker.faults.before = ({ method }) => {
        if (method === "settle") return Effect.as(Effect.sleep("5 seconds"), events.push("settle"))
        if (method !== "renewLock") return Effect.void
        // A reply that comes late: two seconds to let go of it.
        return Effect.sync(() => events.push("renew")).pipe(
          Effect.andThen(Effect.uninterruptible(Effect.sleep("3 seconds"))),
          Effect.ensuring(Effect.sync(() => events.push("renewed")))
        )
      }
      yield* Time.pass("1 minute")
      assert.deepStrictEqual(events, ["renew", "renewed", "settle"])
      assert.isAtLeast(broker.calls("settle")[0]?.at ?? 0, 17_000)
      assert.deepStrictEqual(left(broker), [])
      yield* end(worker)
    })
  )

  it.effect("R5.2 failures come again after their backoff, and go aside after their maximum", () =>
    Effect.gen(function* () {
      let calls = 0
      const { broker, worker } = yield* start(
        () =>
          Effect.andThen(
            Effect.sync(() => calls++),
            Effect.fail("no")
          ),
        { messages: 1, deliveriesMax: 3 }
      )
      yield* Time.pass("10 seconds")
      assert.strictEqual(calls, 3)
      assert.deepStrictEqual(
        broker.settled.map(({ at, verdict }) => [at, verdict]),
        [
          [0, "Abandon"],
          [1_000, "Abandon"],
          [2_000, "DeadLetter"]
        ]
      )
      const dead = broker.messages(QueueAddress.deadLetter(orders))
      assert.deepStrictEqual(
        dead.map(({ messageId }) => String(messageId)),
        ["m-0"]
      )
      yield* end(worker)
    })
  )

  it.effect("R5.2 a backoff above the queue's longest delay is cut to it", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.fail("no"), {
        messages: 1,
        backoff: () => Effect.succeed(Duration.hours(1)),
        provider: { queues: { orders: { abandonDelayMax: Duration.minutes(15) } } }
      })
      const [call] = broker.calls("settle")
      assert.deepStrictEqual(call?.verdict, { _tag: "Abandon", delay: Duration.minutes(15) })
      yield* end(worker)
    })
  )

  it.effect(
    "R5.2 where an abandon knows no delay the message is held for it, locked, then given back",
    () =>
      Effect.gen(function* () {
        const { broker, worker } = yield* start(() => Effect.fail("no"), {
          messages: 1,
          backoff: () => Effect.succeed(Duration.minutes(1)),
          provider: { queues: { orders: { abandonDelay: "unsupported" } } }
        })
        yield* Time.pass("59 seconds")
        assert.deepStrictEqual(broker.calls("settle"), [])
        assert.deepStrictEqual(yield* broker.locked, ["m-0"])
        yield* Time.pass("1 second")
        assert.deepStrictEqual(
          broker.settled.map(({ at, verdict }) => [at, verdict]),
          [[60_000, "Abandon"]]
        )
        // The second delivery is held again: the end of the worker gives it back.
        yield* Time.pass("10 seconds")
        assert.isTrue(isInterrupted(yield* end(worker, Defaults.gracePeriod)))
        assert.strictEqual(broker.settled.length, 2)
        assert.deepStrictEqual(yield* broker.locked, [])
      })
  )

  it.effect("R7.1 the dead letters of a queue are worked off like a queue", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const [held] = yield* client.receive(orders)
      yield* client.deadLetter(held ?? assert.fail("nothing received"), { reason: "Bad" })
      const reasons: Array<string | undefined> = []
      const queue = QueueAddress.deadLetter(orders)
      const worker = yield* QueueWorker.run({
        queue,
        handler: ({ deadLetter }) => Effect.sync(() => reasons.push(deadLetter?.reason))
      }).pipe(Effect.provideService(QueueClient.QueueClient, client), Effect.forkChild)
      yield* Time.pass(0)
      assert.deepStrictEqual(reasons, ["Bad"])
      assert.deepStrictEqual(broker.messages(queue), [])
      yield* end(worker)
    })
  )

  it.effect(
    "a provider that breaks the port is logged, and its message's place is free again",
    () =>
      Effect.gen(function* () {
        const { layer, lines } = Logs.capture()
        const { broker, client } = yield* Clients.make()
        yield* client.sendBatch(
          orders,
          ids(2).map((id) => message(id))
        )
        broker.faults.outcomesMissing = 1
        const worker = yield* QueueWorker.run({
          queue: orders,
          handler: () => Effect.void,
          concurrency: 1
        }).pipe(
          Effect.provideService(QueueClient.QueueClient, client),
          Effect.provide(layer),
          Effect.forkChild
        )
        yield* Time.pass("1 second")
        assert.strictEqual(broker.calls("settle").length, 2)
        const errors = lines.filter(({ level }) => level === "Error")
        assert.deepStrictEqual(
          errors.map(({ text }) => text),
          Array.from(
            { length: 2 },
            () => "a delivery was not settled: the provider answered fewer outcomes than receipts"
          )
        )
        yield* end(worker)
      })
  )
})

describe("QueueWorker: settling", () => {
  it.effect("R2.2 a settlement that fails transiently is tried again while the lock holds", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.void, {
        messages: 1,
        provider: {
          faults: {
            before: ({ method, nth }) =>
              method === "settle" && nth < 3 ? Effect.fail(Clients.transient()) : Effect.void
          }
        }
      })
      yield* Time.pass("10 seconds")
      assert.strictEqual(broker.calls("settle").length, 3)
      assert.deepStrictEqual(left(broker), [])
      yield* end(worker)
    })
  )
})

describe("QueueWorker: pausing", () => {
  it.effect("R5.6 receives nothing until it is ready, and then no more than that says", () =>
    Effect.gen(function* () {
      const gate = yield* Deferred.make<void>()
      const { broker, worker } = yield* start(() => Effect.never, {
        messages: 8,
        ready: Effect.as(Deferred.await(gate), 2)
      })
      yield* Time.pass("10 minutes")
      assert.strictEqual(broker.calls("receive").length, 0)
      yield* Deferred.succeed(gate, undefined)
      yield* Time.pass(0)
      assert.deepStrictEqual(
        broker.calls("receive").map(({ max }) => max),
        [2, 2, 2, 2, 2]
      )
      yield* end(worker, "1 minute")
    })
  )

  it.effect(
    "R5.6 is asked before each receive, when the handlers of the one before have begun",
    () =>
      Effect.gen(function* () {
        const begun: Array<number> = []
        let running = 0
        const handler = () =>
          Effect.suspend(() => {
            running++
            return Effect.never
          })
        const { worker } = yield* start(handler, {
          messages: 3,
          ready: Effect.sync(() => {
            begun.push(running)
            return 1
          })
        })
        yield* Time.pass(0)
        assert.deepStrictEqual(begun, [0, 1, 2, 3])
        yield* end(worker, "1 minute")
      })
  )

  it.effect(
    "R5.6 R5.3 what was received before a pause is handled, and a paused worker drains at once",
    () =>
      Effect.gen(function* () {
        let isPaused = false
        const { broker, worker } = yield* start(() => Effect.sleep("5 seconds"), {
          messages: 2,
          ready: Effect.suspend(() => {
            const now = isPaused
            isPaused = true
            return now ? Effect.never : Effect.succeed(1)
          })
        })
        yield* Time.pass("5 seconds")
        assert.deepStrictEqual(left(broker), ["m-1"])
        assert.isTrue(isInterrupted(yield* end(worker)))
      })
  )
})

describe("QueueWorker: draining", () => {
  it.effect("R5.3 running handlers finish in the grace period, nothing new is received", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("10 seconds"))
      const { broker, client, worker } = yield* start(handler, { messages: 3 })
      yield* Time.pass("1 second")
      worker.interruptUnsafe()
      yield* client.send(orders, message("late"))
      const receives = broker.calls("receive").length
      yield* Time.pass("8 seconds")
      assert.isUndefined(worker.pollUnsafe())
      yield* Time.pass("1 second")
      assert.isTrue(isInterrupted(worker.pollUnsafe() ?? assert.fail("the worker has not ended")))
      assert.strictEqual(seen.ended, 3)
      assert.strictEqual(broker.calls("receive").length, receives)
      assert.deepStrictEqual(left(broker), ["late"])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect(
    "R5.3 what is not done in the grace period is abandoned at once, and the worker ends",
    () =>
      Effect.gen(function* () {
        const { handler, seen } = counting(Effect.never)
        const told: Array<string> = []
        const { broker, worker } = yield* start(handler, {
          messages: 3,
          gracePeriod: "5 seconds",
          onHandled: ({ disposition }) => Effect.sync(() => told.push(disposition._tag))
        })
        worker.interruptUnsafe()
        yield* Time.pass("4 seconds")
        assert.deepStrictEqual([seen.running, broker.settled.length], [3, 0])
        yield* Time.pass("1 second")
        assert.isTrue(isInterrupted(worker.pollUnsafe() ?? assert.fail("the worker has not ended")))
        assert.strictEqual(seen.interrupted, 3)
        assert.deepStrictEqual(told, ["Released", "Released", "Released"])
        assert.deepStrictEqual(
          broker.calls("settle").map(({ verdict }) => verdict),
          Array.from({ length: 3 }, () => Verdict.abandon())
        )
        assert.deepStrictEqual(yield* broker.locked, [])
        assert.strictEqual(left(broker).length, 3)
      })
  )

  it.effect("R5.3 locks are renewed while it drains", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.sleep("100 seconds"), {
        messages: 1,
        gracePeriod: "2 minutes"
      })
      yield* Time.pass("5 seconds")
      const exit = yield* end(worker, "95 seconds")
      assert.isTrue(isInterrupted(exit))
      assert.deepStrictEqual(
        broker.settled.map(({ verdict }) => verdict),
        ["Complete"]
      )
    })
  )

  it.effect("R5.3 a handler that cannot be interrupted delays the end no longer than stated", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(
        () => Effect.uninterruptible(Effect.sleep("1 hour")),
        {
          messages: 1,
          gracePeriod: 0
        }
      )
      const exit = yield* end(worker, Defaults.interruptionWait)
      assert.isTrue(isInterrupted(exit))
      assert.deepStrictEqual(
        broker.settled.map(({ verdict }) => verdict),
        ["Abandon"]
      )
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R5.3 settlements that hang do not keep it from ending", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.never, { messages: 1, gracePeriod: 0 })
      broker.faults.before = ({ method }) => (method === "settle" ? Effect.never : Effect.void)
      const exit = yield* end(worker, Defaults.releaseWait)
      assert.isTrue(isInterrupted(exit))
      assert.deepStrictEqual(left(broker), ["m-0"])
    })
  )

  it.effect("R5.3 interrupted in the middle of a receive it ends at once", () =>
    Effect.gen(function* () {
      const { broker, client, worker } = yield* start(() => Effect.void)
      yield* Time.pass("5 seconds")
      assert.isTrue(isInterrupted(yield* end(worker)))
      yield* client.send(orders, message("m-1"))
      yield* Time.pass("1 minute")
      assert.strictEqual(broker.calls("receive").length, 1)
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R5.3 interrupted in the middle of a backoff it ends at once", () =>
    Effect.gen(function* () {
      const faults = { before: () => Effect.fail(Clients.transient()) }
      const { broker, worker } = yield* start(() => Effect.void, { provider: { faults } })
      yield* Time.pass("100 millis")
      assert.strictEqual(broker.calls("receive").length, 1)
      assert.isTrue(isInterrupted(yield* end(worker)))
    })
  )

  it.effect("R5.3 interrupted while it has no room it ends with its handlers", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("10 seconds"))
      const { broker, worker } = yield* start(handler, { messages: 5, concurrency: 2 })
      yield* Time.pass("1 second")
      const exit = yield* end(worker, "9 seconds")
      assert.isTrue(isInterrupted(exit))
      assert.strictEqual(seen.ended, 2)
      assert.deepStrictEqual(left(broker), ["m-2", "m-3", "m-4"])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )
})

describe("QueueWorker: connections and errors", () => {
  it.effect(
    "R5.4 a connection lost for an hour is ridden out, with a bounded number of receives",
    () =>
      Effect.gen(function* () {
        const handled: Array<string> = []
        const { broker, client, worker } = yield* start(
          ({ messageId }) => Effect.sync(() => handled.push(messageId)),
          {
            provider: {
              faults: {
                before: ({ method }) =>
                  method === "receive" ? Effect.fail(Clients.transient()) : Effect.void
              }
            }
          }
        )
        yield* Time.pass("1 hour")
        const receives = broker.calls("receive").length
        // Thirty seconds less jitter, and the growing delays before.
        assert.isAtLeast(receives, 120)
        assert.isAtMost(receives, 155)
        delete broker.faults.before
        yield* client.send(orders, message("m-1"))
        yield* Time.pass("30 seconds")
        assert.deepStrictEqual(handled, ["m-1"])
        yield* end(worker)
      })
  )

  it.effect("R5.4 after a success the backoff begins anew", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.void, { wait: "1 second" })
      broker.faults.before = ({ method }) =>
        method === "receive" ? Effect.fail(Clients.transient()) : Effect.void
      yield* Time.pass("10 minutes")
      delete broker.faults.before
      yield* Time.pass("1 minute")
      broker.faults.before = ({ method }) =>
        method === "receive" ? Effect.fail(Clients.transient()) : Effect.void
      yield* Time.pass("1 second")
      const before = broker.calls("receive").length
      yield* Time.pass("3 seconds")
      assert.isAbove(broker.calls("receive").length, before)
      yield* end(worker)
    })
  )

  it.effect("R2.2 the service's own retryAfter is the pause, and never none at all", () =>
    Effect.gen(function* () {
      const failing = (retryAfter: Duration.Duration) => ({
        before: () => Effect.fail(QueueError.make(new QueueError.Throttled(), { retryAfter }))
      })
      const slow = yield* start(() => Effect.void, {
        provider: { faults: failing(Duration.minutes(1)) }
      })
      yield* Time.pass("10 minutes")
      assert.strictEqual(slow.broker.calls("receive").length, 11)
      yield* end(slow.worker)
      const none = yield* start(() => Effect.void, { provider: { faults: failing(Duration.zero) } })
      yield* Time.pass("10 seconds")
      assert.strictEqual(none.broker.calls("receive").length, 101)
      yield* end(none.worker)
    })
  )

  it.effect("R2.2 an exhausted error is ridden out like a transient one", () =>
    Effect.gen(function* () {
      const { broker, worker } = yield* start(() => Effect.void, {
        provider: {
          faults: { before: () => Effect.fail(QueueError.exhausted(Clients.transient())) }
        }
      })
      yield* Time.pass("1 minute")
      assert.isAbove(broker.calls("receive").length, 3)
      assert.isUndefined(worker.pollUnsafe())
      yield* end(worker)
    })
  )

  it.effect(
    "R5.4 it does not spin over a provider that ends its polls early, or without a wait",
    () =>
      Effect.gen(function* () {
        const early = yield* start(() => Effect.void, { provider: { faults: { endsEarly: true } } })
        const zero = yield* start(() => Effect.void, { wait: 0 })
        yield* Time.pass("10 seconds")
        for (const { broker, worker } of [early, zero]) {
          assert.isAtLeast(broker.calls("receive").length, 100)
          assert.isAtMost(broker.calls("receive").length, 102)
          yield* end(worker)
        }
      })
  )

  it.effect("R5.4 an error that no waiting mends ends it, after its handlers", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("10 seconds"))
      const { broker, worker } = yield* start(handler, { messages: 1 })
      broker.faults.before = ({ method }) =>
        method === "receive" ? Effect.fail(Clients.forever()) : Effect.void
      yield* Time.pass("9 seconds")
      assert.isUndefined(worker.pollUnsafe())
      yield* Time.pass("1 minute")
      const exit = worker.pollUnsafe() ?? assert.fail("the worker has not ended")
      assert.strictEqual(seen.ended, 1)
      assert.deepStrictEqual(left(broker), [])
      assert.isTrue(Exit.isFailure(exit) && /QueueNotFound/u.test(Cause.pretty(exit.cause)))
    })
  )

  const refusals = [
    new QueueError.AuthenticationFailed({ detail: "expired" }),
    new QueueError.PermissionDenied({ operation: "receive" })
  ]

  it.effect("R5.4 refused access is ridden out by one at work, told once as an error", () =>
    Effect.gen(function* () {
      for (const reason of refusals) {
        const { layer, lines } = Logs.capture()
        yield* Effect.gen(function* () {
          const handled: Array<string> = []
          const { broker, client, worker } = yield* start(
            ({ messageId }) => Effect.sync(() => handled.push(messageId)),
            { messages: 1 }
          )
          broker.faults.before = ({ method }) =>
            method === "receive" ? Effect.fail(QueueError.make(reason)) : Effect.void
          yield* Time.pass("1 hour")
          // The backoff of any failure: thirty seconds less jitter, and the growing delays before.
          assert.isAtLeast(broker.calls("receive").length, 115)
          assert.isAtMost(broker.calls("receive").length, 160)
          delete broker.faults.before
          yield* client.send(orders, message("late"))
          yield* Time.pass("1 minute")
          assert.deepStrictEqual(handled, ["m-0", "late"])
          assert.deepStrictEqual(left(broker), [])
          yield* end(worker)
        }).pipe(Effect.provide(layer))
        const errors = lines.filter(({ level }) => level === "Error").map(({ text }) => text)
        assert.strictEqual(errors.length, 1)
        assert.match(errors[0] ?? "", /^access is refused, and asked for until it is not: /u)
        const granted = lines.filter(({ text }) => text === "access is granted again")
        assert.strictEqual(granted.length, 1)
      }
    })
  )

  it.effect("R5.4 each refusal of access that begins anew is told anew", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      yield* Effect.gen(function* () {
        const { broker, worker } = yield* start(() => Effect.void, { wait: "1 second" })
        for (const reason of refusals) {
          broker.faults.before = () => Effect.fail(QueueError.make(reason))
          yield* Time.pass("10 minutes")
          delete broker.faults.before
          yield* Time.pass("1 minute")
        }
        yield* end(worker)
      }).pipe(Effect.provide(layer))
      assert.strictEqual(lines.filter(({ level }) => level === "Error").length, 2)
    })
  )

  it.effect("R5.4 access that is refused from the start ends it at once", () =>
    Effect.gen(function* () {
      for (const reason of refusals) {
        const { worker } = yield* start(() => Effect.void, {
          provider: { faults: { before: () => Effect.fail(QueueError.make(reason)) } }
        })
        const error = yield* Effect.flip(Fiber.join(worker))
        assert.strictEqual(error.reason._tag, reason._tag)
      }
    })
  )

  it.effect("R5.4 R10.5 what ends it is told as an error, once and before it drains", () =>
    Effect.gen(function* () {
      const said = Effect.fnUntraced(function* (
        provider: ScriptedProvider.Options,
        options: Partial<QueueWorker.Options> = {}
      ) {
        const { layer, lines } = Logs.capture()
        const { worker } = yield* start(() => Effect.void, { provider, ...options }).pipe(
          Effect.provide(layer)
        )
        yield* Fiber.await(worker)
        const own = lines.filter(({ level }) => level !== "Debug")
        const texts = own.map(({ level, text }) => [level, text.split(":")[0]])
        return { texts, queues: new Set(own.map(({ annotations }) => annotations["queue"])) }
      })
      const gone = yield* said({ faults: { before: () => Effect.fail(Clients.forever()) } })
      const drained = [
        ["Info", "worker started"],
        ["Error", "worker failed"],
        ["Info", "worker drains"],
        ["Info", "worker ended"]
      ]
      assert.deepStrictEqual(gone.texts, drained)
      assert.deepStrictEqual(gone.queues, new Set(["orders"]))
      const broken = yield* said({ faults: { before: () => Effect.die(new Error("a bug")) } })
      assert.deepStrictEqual(broken.texts, drained)
      const refused = yield* said({}, { concurrency: 0 })
      assert.deepStrictEqual(refused.texts, [["Error", "worker failed"]])
      assert.deepStrictEqual(refused.queues, new Set(["orders"]))
    })
  )

  it.effect("R5.3 R10.5 one that is told to end does not say that it failed", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const { worker } = yield* start(() => Effect.void).pipe(Effect.provide(layer))
      yield* end(worker)
      assert.deepStrictEqual(
        lines.filter(({ level }) => level === "Error"),
        []
      )
    })
  )

  it.effect("R3.12 a missing queue ends it at once", () =>
    Effect.gen(function* () {
      const { worker } = yield* start(() => Effect.void, {
        provider: {
          queues: { orders: {} },
          faults: { before: () => Effect.fail(Clients.forever()) }
        }
      })
      const error = yield* Effect.flip(Fiber.join(worker))
      assert.strictEqual(error.reason._tag, "QueueNotFound")
    })
  )

  it.effect(
    "R10.5 receiving that fails is a warning, draining information, and no secret is in a line",
    () =>
      Effect.gen(function* () {
        const { layer, lines } = Logs.capture()
        const { broker, client } = yield* Clients.make()
        broker.faults.before = () =>
          Effect.fail(
            QueueError.make(new QueueError.ConnectionFailed({ detail: "SharedAccessKey=c2VjcmV0" }))
          )
        const worker = yield* QueueWorker.run({ queue: orders, handler: () => Effect.void }).pipe(
          Effect.provideService(QueueClient.QueueClient, client),
          Effect.provide(layer),
          Effect.forkChild
        )
        yield* Time.pass(0)
        yield* end(worker)
        assert.deepStrictEqual(
          lines.map(({ level, text }) => [level, text.split(",")[0]]),
          [
            ["Info", "worker started"],
            ["Warn", "receiving failed"],
            ["Info", "worker drains"],
            ["Info", "worker ended"]
          ]
        )
        assert.strictEqual(lines[1]?.annotations["queue"], "orders")
        assert.notInclude(JSON.stringify(lines), "c2VjcmV0")
      })
  )
})

describe("QueueWorker: options", () => {
  it.effect(
    "R2.3 one out of its range is refused, naming the field, before anything is received",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make()
        const durations = ["wait", "gracePeriod", "lockRenewalMax", "handlerTimeout"] as const
        const bad: ReadonlyArray<readonly [string, Partial<QueueWorker.Options>]> = [
          ...durations.flatMap((field) =>
            Clients.noDurations.map((value) => [field, { [field]: value }] as const)
          ),
          ...[0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY].flatMap(
            (value) =>
              [
                ["concurrency", { concurrency: value }],
                ["deliveriesMax", { deliveriesMax: value }]
              ] as const
          )
        ]
        for (const [field, options] of bad) {
          const { reason } = yield* QueueWorker.run({
            queue: orders,
            handler: () => Effect.void,
            ...options
          }).pipe(Effect.provideService(QueueClient.QueueClient, client), Effect.flip)
          assert.isTrue(reason._tag === "ValidationFailed" && reason.field === field, field)
        }
        assert.deepStrictEqual(broker.calls("receive"), [])
      })
  )
})

describe("QueueWorker.layer", () => {
  it.effect("R2.3 one that ends by a defect is logged as an error", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const { broker, client } = yield* Clients.make()
      broker.faults.before = () => Effect.die(new Error("a bug"))
      const live = QueueWorker.layer({ queue: orders, handler: () => Effect.void }).pipe(
        Layer.provide(Layer.succeed(QueueClient.QueueClient, client))
      )
      yield* Effect.gen(function* () {
        yield* Layer.build(live)
        yield* Time.pass(0)
      }).pipe(Effect.scoped, Effect.provide(layer))
      const [error, ...more] = lines.filter(({ level }) => level === "Error")
      assert.deepStrictEqual(more, [])
      assert.strictEqual(error?.text, "worker failed: Error: a bug")
    })
  )

  it.effect("works while the layer lives, and drains when it closes", () =>
    Effect.gen(function* () {
      const { handler, seen } = counting(Effect.sleep("5 seconds"))
      const { broker, client } = yield* Clients.make()
      yield* client.send(orders, message("m-1"))
      const live = QueueWorker.layer({ queue: orders, handler }).pipe(
        Layer.provide(Layer.succeed(QueueClient.QueueClient, client))
      )
      const scope = yield* Scope.make()
      yield* Layer.buildWithScope(live, scope)
      yield* Time.pass("1 second")
      assert.strictEqual(seen.running, 1)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* Time.pass("3 seconds")
      assert.isUndefined(closing.pollUnsafe())
      yield* Time.pass("1 second")
      yield* Fiber.join(closing)
      assert.strictEqual(seen.ended, 1)
      assert.deepStrictEqual(left(broker), [])
    })
  )

  it.effect("R10.5 one that ends by an error is logged as an error, without its secrets", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const { broker, client } = yield* Clients.make()
      const detail = "SharedAccessKey=c2VjcmV0"
      broker.faults.before = () =>
        Effect.fail(QueueError.make(new QueueError.AuthenticationFailed({ detail })))
      const live = QueueWorker.layer({ queue: orders, handler: () => Effect.void }).pipe(
        Layer.provide(Layer.succeed(QueueClient.QueueClient, client))
      )
      yield* Effect.gen(function* () {
        yield* Layer.build(live)
        yield* Time.pass(0)
      }).pipe(Effect.scoped, Effect.provide(layer))
      const error = lines.find(({ level }) => level === "Error")
      assert.match(error?.text ?? "", /^worker failed: AuthenticationFailed: /u)
      assert.notInclude(JSON.stringify(lines), "c2VjcmV0")
    })
  )
})

describe("QueueWorker: any handlers", () => {
  const Fate = Schema.Struct({
    seconds: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 90 })),
    ends: Schema.Literals(["succeeds", "fails", "dies", "refuses", "hangs"]),
    /** How often it ends so before it succeeds. */
    times: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 7 }))
  })
  const Fates = Schema.Array(Fate).check(Schema.isMaxLength(15))
  const Room = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))

  it.effect.prop(
    "R5.2 every message ends settled exactly once, for its cause, and the concurrency holds",
    { fates: Arbitrary.schema(Fates), concurrency: Arbitrary.schema(Room) },
    ({ concurrency, fates }) =>
      Effect.gen(function* () {
        const seen = { running: 0, most: 0 }
        const ending = (
          { ends, times }: typeof Fate.Type,
          delivery: number
        ): Effect.Effect<void, string | HandlerFailure.Permanent> => {
          if (ends === "succeeds" || delivery > times) return Effect.void
          if (ends === "fails") return Effect.fail("no")
          if (ends === "dies") return Effect.die("a bug")
          if (ends === "refuses") {
            return Effect.fail(new HandlerFailure.Permanent({ reason: "Refused" }))
          }
          return Effect.never
        }
        const { broker, worker } = yield* start(
          ({ deliveryCount, messageId }) =>
            Effect.gen(function* () {
              const fate = fates[Number(messageId.slice(2))] ?? assert.fail("no such message")
              seen.running += 1
              seen.most = Math.max(seen.most, seen.running)
              yield* Effect.sleep(Duration.seconds(fate.seconds))
              yield* ending(fate, deliveryCount)
            }).pipe(Effect.ensuring(Effect.sync(() => (seen.running -= 1)))),
          { messages: fates.length, concurrency, handlerTimeout: "2 minutes" }
        )
        yield* Time.pass("6 hours")
        const final = broker.settled.filter(({ verdict }) => verdict !== "Abandon")
        const expected = fates.map(({ ends, times }, index) => {
          const isAside =
            ends === "refuses" || (ends !== "succeeds" && times >= Defaults.deliveriesMax)
          return [`m-${index}`, isAside ? "DeadLetter" : "Complete"]
        })
        const order = (one: ReadonlyArray<string>) => Number(one[0]?.slice(2))
        assert.deepStrictEqual(
          final
            .map(({ id, verdict }) => [id, verdict])
            .toSorted((one, other) => order(one) - order(other)),
          expected
        )
        assert.deepStrictEqual(left(broker), [])
        assert.isAtMost(seen.most, concurrency)
        assert.strictEqual(seen.running, 0)
        yield* end(worker)
      }),
    { arbitrary: { runs: 25, seed: 11 } }
  )
})
