import { assert, describe, it } from "@effect/vitest"
import { DateTime, Effect, Exit, Fiber, Option, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import {
  Defaults,
  QueueAddress,
  QueueProvider,
  type QueueSession,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "../src/index.ts"
import {
  accept,
  acceptNext,
  counted,
  deadOrdered,
  failure,
  ids,
  layer,
  message,
  now,
  ordered,
  orders,
  peek,
  receive,
  seconds,
  sendOrdered,
  sessionId,
  settle,
  tags,
  take
} from "./world.ts"

const provider = QueueProvider.QueueProvider
const receipts = (
  messages: ReadonlyArray<{
    readonly receipt: Parameters<QueueSession.QueueSession["settle"]>[0][number]
  }>
) => messages.map((one) => one.receipt)
const main = QueueAddress.queue(ordered)

describe("accept", () => {
  it.effect("R4.2 by id grants a free session, empty or not", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1"])
      const a = yield* accept("a")
      const empty = yield* accept("z")
      assert.strictEqual(a.sessionId, sessionId("a"))
      assert.strictEqual(a.queue, ordered)
      assert.deepStrictEqual(ids(yield* take(a)), ["a1"])
      assert.deepStrictEqual(yield* take(empty), [])
      assert.strictEqual(DateTime.toEpochMillis(yield* a.lockedUntil), 30_000)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.3 a second accept of a held session is SessionLocked, at once, until when", () =>
    Effect.gen(function* () {
      yield* accept("a")
      const error = yield* Effect.flip(accept("a", seconds(10)))
      assert.deepInclude(error.reason, {
        _tag: "SessionLocked",
        sessionId: "a",
        lockedUntil: DateTime.makeUnsafe(30_000)
      })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 a queue without sessions has none to accept", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const call = Effect.scoped(self.acceptSession(orders, { wait: now }))
      assert.strictEqual(yield* failure(call), "UnsupportedOperation")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 the next one is that which became free first, and None when there is none", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "b1", "c1", "a2"])
      const scope = yield* Scope.make()
      assert.strictEqual(yield* Scope.provide(acceptNext(), scope), "a")
      assert.strictEqual(yield* acceptNext(), "b")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* acceptNext(), "c")
      assert.strictEqual(yield* acceptNext(), "a")
      assert.isUndefined(yield* acceptNext())
      const waiting = yield* Effect.forkChild(acceptNext(seconds(5)))
      yield* TestClock.adjust("5 seconds")
      assert.isUndefined(yield* Fiber.join(waiting))
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "R4.2 a wait for the next one ends with a send, a release, a lost lock, a due time",
    () =>
      Effect.gen(function* () {
        const waitFor = Effect.forkChild(acceptNext(seconds(60)))
        const bySend = yield* waitFor
        const second = yield* waitFor
        yield* Effect.yieldNow
        yield* sendOrdered(["a1"])
        assert.strictEqual(yield* Fiber.join(bySend), "a")
        // The lock of a runs out with nobody renewing it.
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* Fiber.join(second), "a")
        yield* sendOrdered(["b1"], { delay: seconds(10) })
        const byDueTime = yield* waitFor
        yield* TestClock.adjust("10 seconds")
        assert.strictEqual(yield* Fiber.join(byDueTime), "b")
        const scope = yield* Scope.make()
        yield* sendOrdered(["c1"])
        assert.strictEqual(yield* Scope.provide(acceptNext(), scope), "c")
        const byRelease = yield* waitFor
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* Fiber.join(byRelease), "c")
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R4.2 sessions are bounded, and forgotten when nothing is left of them", () =>
    Effect.gen(function* () {
      const client = yield* MemoryClient.MemoryClient
      assert.deepStrictEqual(tags(yield* sendOrdered(["a1", "b1", "c1", "b2"])), [
        "ok",
        "ok",
        "QuotaExceeded",
        "ok"
      ])
      const error = yield* Effect.flip(accept("d"))
      assert.include(error.message, "sessionsMax")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* accept("a")
          yield* a.settle(receipts(yield* take(a)), Verdict.complete)
          assert.strictEqual((yield* client.stats(ordered)).sessions, 2)
        })
      )
      assert.strictEqual((yield* client.stats(ordered)).sessions, 1)
      assert.deepStrictEqual(tags(yield* sendOrdered(["c1"], { delay: seconds(9) })), ["ok"])
      assert.strictEqual((yield* client.stats(ordered)).sessions, 2)
    }).pipe(Effect.provide(layer({}, { sessionsMax: 2 })))
  )

  it.effect("R3.2 in one session nothing is stored behind a failure; other sessions go on", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const inSession = (id: string, session: string, bytes = 2) =>
        Effect.map(message(id, { sessionId: sessionId(session) }), (one) => ({
          ...one,
          body: new Uint8Array(bytes)
        }))
      // 128 of the 260 bytes are in use already.
      yield* self.send(orders, [{ ...(yield* message("pre")), body: new Uint8Array(100) }])
      const outcomes = yield* self.send(ordered, [
        yield* inSession("a1", "a"),
        yield* inSession("a2", "a", 100),
        yield* inSession("a3", "a"),
        yield* inSession("b1", "b")
      ])
      assert.deepStrictEqual(tags(outcomes), ["ok", "QuotaExceeded", "QuotaExceeded", "ok"])
      const errors = outcomes.flatMap((one) => (Result.isFailure(one) ? [one.failure] : []))
      assert.strictEqual(errors[0], errors[1])
      assert.deepStrictEqual(ids(yield* peek(main)), ["a1", "b1"])
    }).pipe(Effect.provide(layer({}, { bytesMax: 260 })))
  )
})

describe("order", () => {
  it.effect("R10.7 a session whose scheduled message came and went is forgotten", () =>
    Effect.gen(function* () {
      const client = yield* MemoryClient.MemoryClient
      yield* sendOrdered(["a1"], { delay: seconds(5) })
      yield* TestClock.adjust("5 seconds")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* accept("a")
          yield* a.settle(receipts(yield* take(a)), Verdict.complete)
        })
      )
      assert.strictEqual((yield* client.stats(ordered)).sessions, 0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 messages come in the order they were sent, several in hand at once", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "b1", "a2", "a3"])
      const a = yield* accept("a")
      assert.deepStrictEqual(ids(yield* take(a, 2)), ["a1", "a2"])
      assert.deepStrictEqual(ids(yield* take(a)), ["a3"])
      const b = yield* accept("b")
      assert.deepStrictEqual(ids(yield* take(b)), ["b1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 an abandon takes back what was in hand behind, uncounted", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3", "a4"])
      const a = yield* accept("a")
      const [first, second, third] = yield* take(a, 3)
      assert(first !== undefined && second !== undefined && third !== undefined)
      assert.deepStrictEqual(tags(yield* a.settle([first.receipt], Verdict.abandon())), ["ok"])
      const behind = yield* a.settle([second.receipt, third.receipt], Verdict.complete)
      assert.deepStrictEqual(tags(behind), ["ReceiptExpired", "ReceiptExpired"])
      assert.deepStrictEqual(counted(yield* take(a)), ["a1:2", "a2:1", "a3:1", "a4:1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 an abandon leaves what is in hand before it", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3"])
      const a = yield* accept("a")
      const [first, second] = yield* take(a)
      assert(first !== undefined && second !== undefined)
      yield* a.settle([second.receipt], Verdict.abandon())
      assert.deepStrictEqual(counted(yield* take(a)), ["a2:2", "a3:1"])
      assert.deepStrictEqual(tags(yield* a.settle([first.receipt], Verdict.complete)), ["ok"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 while the first message backs off nothing comes, and nobody is granted it", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2"])
      const a = yield* accept("a")
      const [first] = yield* take(a)
      assert(first !== undefined)
      yield* a.settle([first.receipt], Verdict.abandon(seconds(5)))
      assert.deepStrictEqual(yield* take(a, 10, seconds(4)).pipe(withTime("4 seconds")), [])
      assert.deepStrictEqual(yield* take(a), [])
      assert.isUndefined(yield* acceptNext())
      const back = yield* take(a, 10, seconds(4)).pipe(withTime("1 second"))
      assert.deepStrictEqual(counted(back), ["a1:2", "a2:1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 a released session that backs off is granted when the delay is over", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2"])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* accept("a")
          const [first] = yield* take(a)
          assert(first !== undefined)
          yield* a.settle([first.receipt], Verdict.abandon(seconds(5)))
        })
      )
      assert.isUndefined(yield* acceptNext())
      assert.strictEqual(yield* acceptNext(seconds(9)).pipe(withTime("5 seconds")), "a")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 complete and dead-letter out of order let the others be", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3"])
      const a = yield* accept("a")
      const [first, second, third] = yield* take(a)
      assert(first !== undefined && second !== undefined && third !== undefined)
      assert.deepStrictEqual(tags(yield* a.settle([second.receipt], Verdict.complete)), ["ok"])
      assert.deepStrictEqual(tags(yield* a.settle([third.receipt], Verdict.deadLetter("Bad"))), [
        "ok"
      ])
      assert.deepStrictEqual(tags(yield* a.settle([first.receipt], Verdict.abandon())), ["ok"])
      assert.deepStrictEqual(counted(yield* take(a)), ["a1:2"])
      const [letter] = yield* receive(10, now, deadOrdered)
      assert.strictEqual(letter?.sessionId, sessionId("a"))
      assert.strictEqual(letter?.deadLetter?.reason, "Bad")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.6 a message abandoned too often goes, and those behind it are taken back", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3"])
      const a = yield* accept("a")
      const [first, second] = yield* take(a)
      assert(first !== undefined && second !== undefined)
      yield* a.settle([first.receipt], Verdict.abandon())
      assert.deepStrictEqual(tags(yield* a.settle([second.receipt], Verdict.complete)), [
        "ReceiptExpired"
      ])
      assert.deepStrictEqual(counted(yield* take(a)), ["a2:1", "a3:1"])
      assert.deepStrictEqual(ids(yield* peek(deadOrdered)), ["a1"])
    }).pipe(Effect.provide(layer({ deliveriesMax: 1 })))
  )

  it.effect("R4.1 a scheduled message joins its session when it is due", () =>
    Effect.gen(function* () {
      const client = yield* MemoryClient.MemoryClient
      yield* sendOrdered(["a1"], { delay: seconds(5) })
      yield* sendOrdered(["a2"])
      assert.strictEqual((yield* client.stats(ordered)).sessions, 1)
      const a = yield* accept("a")
      assert.deepStrictEqual(ids(yield* take(a)), ["a2"])
      assert.deepStrictEqual(ids(yield* take(a, 10, seconds(9)).pipe(withTime("5 seconds"))), [
        "a1"
      ])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.7 an expired message lets the next one through, the first that backs off too", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1"], { timeToLive: seconds(5) })
      yield* sendOrdered(["a2"])
      const a = yield* accept("a")
      const [first] = yield* take(a, 1)
      assert(first !== undefined)
      yield* a.settle([first.receipt], Verdict.abandon(seconds(20)))
      assert.deepStrictEqual(ids(yield* take(a, 10, seconds(9)).pipe(withTime("5 seconds"))), [
        "a2"
      ])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.7 what expires in hand goes when it comes back", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2"], { timeToLive: seconds(5) })
      yield* sendOrdered(["a3"])
      const a = yield* accept("a")
      const [first] = yield* take(a, 2)
      assert(first !== undefined)
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(tags(yield* a.settle([first.receipt], Verdict.abandon())), ["ok"])
      assert.deepStrictEqual(counted(yield* take(a)), ["a3:1"])
    }).pipe(Effect.provide(layer()))
  )
})

describe("the lock", () => {
  it.effect(
    "R4.3 a lock that ran out: every call fails, and the next holder sees all, in order",
    () =>
      Effect.gen(function* () {
        yield* sendOrdered(["a1", "a2", "a3"])
        const old = yield* accept("a")
        const [first, second] = yield* take(old, 2)
        assert(first !== undefined && second !== undefined)
        yield* old.settle([first.receipt], Verdict.complete)
        yield* TestClock.adjust("30 seconds")
        const calls = [
          Effect.asVoid(take(old)),
          Effect.asVoid(take(old, 1, seconds(5))),
          Effect.asVoid(old.settle([second.receipt], Verdict.complete)),
          Effect.asVoid(old.renewLock),
          Effect.asVoid(old.state),
          old.setState(Option.none())
        ]
        for (const call of calls) assert.strictEqual(yield* failure(call), "SessionLockLost")
        assert.deepStrictEqual(yield* settle([second], Verdict.complete), ["ReceiptExpired"])
        const next = yield* accept("a")
        assert.deepStrictEqual(counted(yield* take(next)), ["a2:2", "a3:1"])
      }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.3 a waiting receive ends with SessionLockLost when the lock runs out", () =>
    Effect.gen(function* () {
      const a = yield* accept("a")
      const waiting = yield* Effect.forkChild(failure(take(a, 1, seconds(60))))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* Fiber.join(waiting), "SessionLockLost")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 a renewal extends the lock, and with it the messages in hand", () =>
    Effect.gen(function* () {
      const self = yield* provider
      yield* sendOrdered(["a1", "a2"])
      const a = yield* accept("a")
      const [first] = yield* take(a, 1)
      assert(first !== undefined)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(DateTime.toEpochMillis(yield* a.renewLock), 50_000)
      assert.strictEqual(DateTime.toEpochMillis(yield* a.lockedUntil), 50_000)
      yield* TestClock.adjust("20 seconds")
      const [second] = yield* take(a, 1)
      assert.strictEqual(
        second === undefined ? 0 : DateTime.toEpochMillis(second.lockedUntil),
        50_000
      )
      // The messages have no lock of their own: renewing one renews the session.
      yield* self.renewLock([first.receipt])
      assert.strictEqual(DateTime.toEpochMillis(yield* a.lockedUntil), 70_000)
      assert.deepStrictEqual(tags(yield* a.settle([first.receipt], Verdict.complete)), ["ok"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 closing the scope releases at once; what was in hand comes back uncounted", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3"])
      const scope = yield* Scope.make()
      const old = yield* Scope.provide(accept("a"), scope)
      const held = yield* take(old, 2)
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* failure(take(old)), "SessionLockLost")
      assert.deepStrictEqual(yield* settle(held, Verdict.complete), [
        "ReceiptExpired",
        "ReceiptExpired"
      ])
      const next = yield* accept("a")
      const again = yield* take(next)
      assert.deepStrictEqual(counted(again), ["a1:1", "a2:1", "a3:1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 closing the scope ends a waiting receive", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      const a = yield* Scope.provide(accept("a"), scope)
      const waiting = yield* Effect.forkChild(failure(take(a, 1, seconds(60))))
      yield* Effect.yieldNow
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* Fiber.join(waiting), "SessionLockLost")
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "R10.4 closing the provider ends a session's calls with ConnectionFailed, and frees it",
    () =>
      Effect.gen(function* () {
        const context = yield* Effect.context<MemoryClient.MemoryClient>()
        const scope = yield* Scope.make()
        const mine = yield* MemoryProvider.make.pipe(Scope.provide(scope), Effect.provide(context))
        const other = yield* MemoryProvider.make
        const session = yield* mine.acceptSession(ordered, { sessionId: sessionId("a"), wait: now })
        const a = yield* Effect.fromOption(session)
        const waiting = yield* Effect.forkChild(failure(take(a, 1, seconds(60))))
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* Fiber.join(waiting), "ConnectionFailed")
        assert.strictEqual(yield* failure(a.renewLock), "ConnectionFailed")
        const again = yield* other.acceptSession(ordered, { sessionId: sessionId("a"), wait: now })
        assert.isTrue(Option.isSome(again))
      }).pipe(Effect.provide(MemoryClient.layer({ queues: { ordered: { sessions: true } } })))
  )
})

describe("settling", () => {
  it.effect("R3.4 a session settles its own deliveries alone; the provider settles them too", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "b1"])
      const a = yield* accept("a")
      const b = yield* accept("b")
      const [one] = yield* take(a)
      assert(one !== undefined)
      assert.deepStrictEqual(tags(yield* b.settle([one.receipt], Verdict.complete)), [
        "ReceiptExpired"
      ])
      const other = { ...one.receipt, address: QueueAddress.queue(orders) }
      assert.deepStrictEqual(tags(yield* a.settle([other], Verdict.complete)), ["ReceiptExpired"])
      assert.deepStrictEqual(yield* settle([one], Verdict.abandon()), ["ok"])
      const [again] = yield* take(a)
      assert(again !== undefined)
      assert.deepStrictEqual(tags(yield* a.settle([again.receipt], Verdict.complete)), ["ok"])
      assert.deepStrictEqual(ids(yield* peek(main)), ["b1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R2.1 a session refuses bad options: max, wait, delay, count, state", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1"])
      const a = yield* accept("a")
      const [one] = yield* take(a)
      assert(one !== undefined)
      const many = Array.from({ length: Defaults.memorySettleCountMax + 1 }, () => one.receipt)
      const calls = [
        Effect.asVoid(take(a, 0)),
        Effect.asVoid(a.settle([one.receipt], Verdict.abandon(seconds(-1)))),
        Effect.asVoid(a.settle(many, Verdict.complete)),
        a.setState(Option.some(new Uint8Array(11)))
      ]
      for (const call of calls) assert.strictEqual(yield* failure(call), "ValidationFailed")
    }).pipe(Effect.provide(layer({}, { sessionStateSizeMax: 10 })))
  )
})

describe("state", () => {
  it.effect("R4.2 state outlives its holder and is nobody's but the broker's", () =>
    Effect.gen(function* () {
      const client = yield* MemoryClient.MemoryClient
      const bytes = new Uint8Array([1, 2, 3])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* accept("a")
          assert.isTrue(Option.isNone(yield* a.state))
          yield* a.setState(Option.some(bytes))
          bytes.fill(9)
          const read = Option.getOrThrow(yield* a.state)
          read.fill(8)
        })
      )
      assert.strictEqual((yield* client.stats(ordered)).sessions, 1)
      assert.isUndefined(yield* acceptNext())
      yield* Effect.scoped(
        Effect.gen(function* () {
          const a = yield* accept("a")
          assert.deepStrictEqual(yield* a.state, Option.some(new Uint8Array([1, 2, 3])))
          yield* a.setState(Option.none())
        })
      )
      assert.strictEqual((yield* client.stats(ordered)).sessions, 0)
    }).pipe(Effect.provide(layer()))
  )
})

/** Runs something that waits while the time is moved. */
function withTime(time: `${number} ${"second" | "seconds"}`) {
  return <A, E, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(effect)
      yield* TestClock.adjust(time)
      return yield* Fiber.join(fiber)
    })
}
