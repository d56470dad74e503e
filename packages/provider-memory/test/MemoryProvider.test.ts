import { assert, describe, it } from "@effect/vitest"
import {
  Config,
  ConfigProvider,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Result,
  Schema,
  Scope
} from "effect"
import { TestClock } from "effect/testing"
import {
  Defaults,
  Message,
  MessageId,
  QueueAddress,
  type QueueError,
  QueueProvider,
  Receipt,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "../src/index.ts"
import * as world from "./world.ts"
import {
  address,
  counted,
  dead,
  failure,
  ids,
  layer,
  message,
  missing,
  now,
  orders,
  ordered,
  peek,
  receive,
  receiveOne,
  seconds,
  send,
  settle,
  tags
} from "./world.ts"

const provider = QueueProvider.QueueProvider

describe("names and capabilities", () => {
  it.effect("R3.11 capabilities are data of each queue", () =>
    Effect.gen(function* () {
      const self = yield* provider
      assert.strictEqual(self.name, "memory")
      assert.deepStrictEqual(self.stack, ["memory"])
      const plain = self.capabilities(orders)
      assert.isFalse(plain.ordered)
      assert.strictEqual(plain.sessions, "unsupported")
      assert.strictEqual(plain.acceptSpecific, "unsupported")
      assert.strictEqual(plain.sessionState, "unsupported")
      assert.strictEqual(plain.deduplication, "native")
      assert.strictEqual(plain.sendSizeMax, Defaults.memorySendSizeMax)
      assert.isUndefined(plain.delayMax)
      const withSessions = self.capabilities(ordered)
      assert.isTrue(withSessions.ordered)
      assert.isTrue(withSessions.locksEmptySession)
      assert.strictEqual(withSessions.sessions, "native")
      assert.deepStrictEqual(self.capabilities(missing), plain)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.11 deduplication that is off is declared, and sizes follow the bounds", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const plain = self.capabilities(orders)
      assert.strictEqual(plain.deduplication, "unsupported")
      assert.isUndefined(plain.deduplicationWindow)
      assert.strictEqual(plain.sendSizeMax, 1_000)
    }).pipe(Effect.provide(layer({ deduplicationWindow: 0 }, { bytesMax: 1_000 })))
  )

  it.effect("R3.12 a queue that is not configured is QueueNotFound in every operation", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const receipt = Receipt.make(QueueAddress.queue(missing), "1-1")
      const one = yield* message("m")
      const calls = [
        self.send(missing, [one]),
        self.receive(QueueAddress.queue(missing), { max: 1, wait: now }),
        self.receive(QueueAddress.deadLetter(missing), { max: 1, wait: seconds(1) }),
        self.settle([receipt], Verdict.complete),
        self.renewLock([receipt]),
        self.peek(QueueAddress.queue(missing), { max: 1 }),
        Effect.scoped(self.acceptSession(missing, { wait: now }))
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(Effect.asVoid<unknown, QueueError.QueueError, never>(call))
        assert.include(error.message, 'queue "missing" does not exist')
      }
    }).pipe(Effect.provide(layer()))
  )
})

describe("send", () => {
  it.effect("R3.9 answers one outcome a message, with growing sequence numbers", () =>
    Effect.gen(function* () {
      const outcomes = yield* send(["a", "b"])
      assert.deepStrictEqual(
        outcomes.map((one) => Result.getOrThrow(one)),
        [
          { messageId: MessageId.makeUnsafe("a"), sequenceNumber: 1n },
          { messageId: MessageId.makeUnsafe("b"), sequenceNumber: 2n }
        ]
      )
      assert.deepStrictEqual(yield* send([]), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R1.5 any bytes arrive as sent, and nothing is shared with the broker", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const body = Buffer.from([0, 255, 0xf0, 0x9f, 0x98, 0x80])
      const attributes = Object.fromEntries(
        Array.from({ length: 20 }, (_, index) => [`key-${index}`, `välue ${index}`])
      )
      const sent = yield* Message.bytes(body, {
        attributes: { ...attributes },
        correlationId: "c",
        contentType: "x/y",
        sessionId: world.sessionId("s"),
        timeToLive: seconds(500)
      })
      yield* self.send(orders, [Message.stamp(sent, MessageId.makeUnsafe("m"))])
      body.fill(7)
      for (const _ of [1, 2]) {
        const received = yield* receiveOne()
        assert.deepStrictEqual([...received.body], [0, 255, 0xf0, 0x9f, 0x98, 0x80])
        assert.deepStrictEqual({ ...received.attributes }, attributes)
        assert.strictEqual(received.correlationId, "c")
        assert.strictEqual(received.contentType, "x/y")
        assert.strictEqual(received.sessionId, world.sessionId("s"))
        assert.deepStrictEqual(received.timeToLive, seconds(500))
        received.body.fill(9)
        Object.assign(received.attributes, { "key-1": "changed" })
        yield* settle([received], Verdict.abandon())
      }
      const [peeked] = yield* peek()
      peeked?.body.fill(1)
      assert.strictEqual((yield* receiveOne()).body[1], 255)
    }).pipe(Effect.provide(layer()))
  )

  it.effect.prop(
    "R1.5 body bytes arrive exactly as sent",
    { body: Schema.Uint8Array },
    ({ body }) =>
      Effect.gen(function* () {
        const self = yield* provider
        const sent = yield* Message.bytes(body)
        yield* self.send(orders, [Message.stamp(sent, MessageId.makeUnsafe("m"))])
        assert.deepStrictEqual((yield* receiveOne()).body, new Uint8Array(body))
      }).pipe(Effect.provide(layer())),
    { arbitrary: { runs: 30, seed: 1 } }
  )

  it.effect("R1.7 a message over the limit fails the whole call before anything is stored", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const [small, large] = [yield* message("a"), yield* message("b".repeat(101))]
      const error = yield* Effect.flip(self.send(orders, [small, large]))
      assert.deepInclude(error.reason, {
        _tag: "MessageTooLarge",
        index: 1,
        actualBytes: Message.size(large),
        maximumBytes: 100
      })
      assert.deepStrictEqual(yield* peek(), [])
    }).pipe(Effect.provide(layer({}, { messageSizeMax: 100 })))
  )

  it.effect("R3.13 an ordered queue takes no message without a session id", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const error = yield* Effect.flip(
        self.send(ordered, [
          yield* message("a", { sessionId: world.sessionId("s") }),
          yield* message("b")
        ])
      )
      assert.deepInclude(error.reason, { _tag: "ValidationFailed", field: "sessionId" })
      assert.deepStrictEqual(yield* peek(QueueAddress.queue(ordered)), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.9 more than one call takes is refused: messages and bytes", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const one = yield* message("m")
      const many = Array.from({ length: Defaults.memorySendCountMax + 1 }, () => one)
      const count = yield* Effect.flip(self.send(orders, many))
      assert.include(count.message, "messages: must be at most 1000")
      const big = yield* message("b".repeat(100))
      const bytes = yield* Effect.flip(self.send(orders, [big, big, big]))
      assert.include(bytes.message, "messages: must have at most 500 bytes in one call")
      assert.deepStrictEqual(yield* peek(), [])
    }).pipe(Effect.provide(layer({}, { bytesMax: 500 })))
  )

  it.effect("R10.7 messagesMax and bytesMax are outcomes that name the setting", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(tags(yield* send(["a", "b", "c"])), ["ok", "ok", "QuotaExceeded"])
      const [outcome] = yield* send(["d"])
      assert.include(
        outcome === undefined ? "" : Result.getOrThrow(Result.flip(outcome)).message,
        "messagesMax"
      )
      yield* settle([yield* receiveOne()], Verdict.complete)
      assert.deepStrictEqual(tags(yield* send(["e"])), ["ok"])
    }).pipe(Effect.provide(layer({}, { messagesMax: 2 })))
  )

  it.effect("R10.7 bytes are freed by settling, and counted for dead letters", () =>
    Effect.gen(function* () {
      const one = yield* message("a")
      const bytes = Message.size(one)
      const self = yield* MemoryClient.MemoryClient
      assert.deepStrictEqual(tags(yield* send(["a", "b"])), ["ok", "ok"])
      const [outcome] = yield* send(["d"])
      assert.include(
        outcome === undefined ? "" : Result.getOrThrow(Result.flip(outcome)).message,
        "bytesMax"
      )
      yield* settle([yield* receiveOne()], Verdict.deadLetter("Bad"))
      assert.strictEqual((yield* self.stats(orders)).bytes, 2 * bytes)
      assert.deepStrictEqual(tags(yield* send(["e"])), ["QuotaExceeded"])
      yield* settle([yield* receiveOne(dead)], Verdict.complete)
      assert.strictEqual((yield* self.stats(orders)).bytes, bytes)
      assert.deepStrictEqual(tags(yield* send(["f"])), ["ok"])
    }).pipe(Effect.provide(layer({}, { bytesMax: 60 })))
  )

  it.effect("R3.14 the second send of an id inside the window succeeds and is delivered once", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      const [again] = yield* send(["a"])
      assert.deepStrictEqual(again, Result.succeed({ messageId: MessageId.makeUnsafe("a") }))
      yield* settle([yield* receiveOne()], Verdict.complete)
      yield* TestClock.adjust("299 seconds")
      yield* send(["a"])
      assert.deepStrictEqual(yield* receive(), [])
      yield* TestClock.adjust("1 second")
      yield* send(["a"])
      assert.deepStrictEqual(counted(yield* receive()), ["a:1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.14 without deduplication both are delivered", () =>
    Effect.gen(function* () {
      yield* send(["a", "a"])
      assert.deepStrictEqual(ids(yield* receive()), ["a", "a"])
    }).pipe(Effect.provide(layer({ deduplicationWindow: 0 })))
  )

  it.effect(
    "R10.7 remembered ids are bounded over all queues, and forgotten when room is short",
    () =>
      Effect.gen(function* () {
        assert.deepStrictEqual(tags(yield* send(["a"])), ["ok"])
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(tags(yield* world.sendOrdered(["b1", "b2"])), [
          "ok",
          "QuotaExceeded"
        ])
        const [outcome] = yield* world.sendOrdered(["c1"])
        assert.include(
          outcome === undefined ? "" : Result.getOrThrow(Result.flip(outcome)).message,
          "deduplicationIdsMax"
        )
        assert.deepStrictEqual(tags(yield* send(["a"])), ["ok"])
        yield* TestClock.adjust("299 seconds")
        assert.deepStrictEqual(tags(yield* world.sendOrdered(["d1", "d2"])), [
          "ok",
          "QuotaExceeded"
        ])
      }).pipe(Effect.provide(layer({}, { deduplicationIdsMax: 2 })))
  )
})

describe("receive", () => {
  it.effect("R3.3 an empty queue answers nothing when the wait ends, and asks once for zero", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* receive(), [])
      const waiting = yield* Effect.forkChild(receive(1, seconds(20)))
      yield* TestClock.adjust("19 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 at most receiveWaitMax is waited", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(receive(1, Duration.hours(5)))
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* Fiber.join(waiting), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.1 up to max, in the order of sending; a max above the limit is cut to it", () =>
    Effect.gen(function* () {
      yield* send(["a", "b", "c"])
      assert.deepStrictEqual(ids(yield* receive(2)), ["a", "b"])
      assert.deepStrictEqual(ids(yield* receive(5_000)), ["c"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R2.1 a max below one and an endless wait are refused", () =>
    Effect.gen(function* () {
      for (const max of [0, 1.5, -1, Number.NaN]) {
        assert.strictEqual(yield* failure(receive(max)), "ValidationFailed")
        assert.strictEqual(yield* failure(peek(address, max)), "ValidationFailed")
      }
      assert.strictEqual(yield* failure(receive(1, Duration.infinity)), "ValidationFailed")
      const accepting = Effect.scoped(world.acceptNext(Duration.infinity))
      assert.strictEqual(yield* failure(accepting), "ValidationFailed")
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.13 an ordered queue is not received without a session; its dead letters are", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(receive(1, now, QueueAddress.queue(ordered)))
      assert.deepInclude(error.reason, {
        _tag: "UnsupportedOperation",
        what: "receiving from an ordered queue without a session",
        remedy: "accept one, or use a session worker"
      })
      assert.deepStrictEqual(yield* receive(1, now, world.deadOrdered), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 waiters are woken by a send, first come first served, one a message", () =>
    Effect.gen(function* () {
      const first = yield* Effect.forkChild(receive(1, seconds(20)))
      const second = yield* Effect.forkChild(receive(1, seconds(20)))
      yield* Effect.yieldNow
      yield* send(["a"])
      assert.deepStrictEqual(ids(yield* Fiber.join(first)), ["a"])
      assert.isUndefined(second.pollUnsafe())
      yield* send(["b"])
      assert.deepStrictEqual(ids(yield* Fiber.join(second)), ["b"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 a waiter is woken by the due time of a scheduled message", () =>
    Effect.gen(function* () {
      yield* send(["a"], { delay: seconds(5) })
      const waiting = yield* Effect.forkChild(receive(1, seconds(20)))
      yield* TestClock.adjust("4 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(ids(yield* Fiber.join(waiting)), ["a"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 an alarm set for later is set forward for what comes earlier", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(receive(1, seconds(20)))
      yield* Effect.yieldNow
      yield* send(["a"], { delay: seconds(5) })
      yield* send(["b"], { delay: seconds(2) })
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(ids(yield* Fiber.join(waiting)), ["b"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 a message that comes at the very end of the wait is delivered", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(receive(1, seconds(20)))
      yield* Effect.yieldNow
      yield* send(["a"], { delay: seconds(20) })
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(ids(yield* Fiber.join(waiting)), ["a"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.5 a waiter is woken by an abandon and by the end of a lock", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      const held = yield* receiveOne()
      const first = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* Effect.yieldNow
      yield* settle([held], Verdict.abandon())
      assert.deepStrictEqual(counted(yield* Fiber.join(first)), ["a:2"])
      const second = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(counted(yield* Fiber.join(second)), ["a:3"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R1.4 a delivery carries its times", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      yield* TestClock.adjust("1 second")
      const first = yield* receiveOne()
      yield* settle([first], Verdict.abandon())
      yield* TestClock.adjust("1 second")
      const second = yield* receiveOne()
      const times = (one: typeof first) =>
        [one.enqueuedAt, one.firstDeliveredAt, one.deliveredAt, one.lockedUntil].map(
          DateTime.toEpochMillis
        )
      assert.deepStrictEqual(times(first), [0, 1_000, 1_000, 31_000])
      assert.deepStrictEqual(times(second), [0, 1_000, 2_000, 32_000])
      assert.notStrictEqual(first.receipt.token, second.receipt.token)
      assert.strictEqual(second.sequenceNumber, 1n)
    }).pipe(Effect.provide(layer()))
  )
})

describe("settle", () => {
  it.effect("R3.4 a completed message never comes back and its receipt is dead", () =>
    Effect.gen(function* () {
      yield* send(["a", "b"])
      const [a, b] = yield* receive()
      assert(a !== undefined && b !== undefined)
      assert.deepStrictEqual(yield* settle([a, b, a], Verdict.complete), [
        "ok",
        "ok",
        "ReceiptExpired"
      ])
      assert.deepStrictEqual(yield* settle([a], Verdict.abandon()), ["ReceiptExpired"])
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(yield* receive(), [])
      assert.deepStrictEqual(yield* settle([], Verdict.complete), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.4 a receipt of another broker settles nothing", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      const foreign = yield* Effect.provide(
        Effect.andThen(send(["a"]), receiveOne()),
        Layer.fresh(layer())
      )
      const own = yield* receiveOne()
      assert.deepStrictEqual(yield* settle([foreign], Verdict.complete), ["ReceiptExpired"])
      const elsewhere = { receipt: Receipt.make(dead, own.receipt.token) }
      assert.deepStrictEqual(yield* settle([elsewhere], Verdict.complete), ["ReceiptExpired"])
      assert.deepStrictEqual(yield* settle([own], Verdict.complete), ["ok"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.5 an abandoned message comes again in its place, with a new receipt, counted", () =>
    Effect.gen(function* () {
      yield* send(["a", "b", "c"])
      const [a] = yield* receive(2)
      assert(a !== undefined)
      yield* settle([a], Verdict.abandon())
      assert.deepStrictEqual(counted(yield* receive()), ["a:2", "c:1"])
      assert.deepStrictEqual(yield* settle([a], Verdict.complete), ["ReceiptExpired"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.5 an abandon with a delay hides the message until it is over", () =>
    Effect.gen(function* () {
      const self = yield* MemoryClient.MemoryClient
      yield* send(["a", "b"])
      const a = yield* receiveOne()
      yield* settle([a], Verdict.abandon(seconds(10)))
      assert.strictEqual((yield* self.stats(orders)).active, 2)
      assert.deepStrictEqual(ids(yield* receive()), ["b"])
      yield* TestClock.adjust("9999 millis")
      assert.deepStrictEqual(yield* receive(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(counted(yield* receive()), ["a:2"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.5 a delay that is endless or negative, and too many receipts, are refused", () =>
    Effect.gen(function* () {
      const self = yield* provider
      yield* send(["a"])
      const a = yield* receiveOne()
      for (const delay of [Duration.infinity, Duration.negate(seconds(1))]) {
        assert.strictEqual(yield* failure(settle([a], Verdict.abandon(delay))), "ValidationFailed")
      }
      const many = Array.from({ length: Defaults.memorySettleCountMax + 1 }, () => a.receipt)
      assert.strictEqual(yield* failure(self.settle(many, Verdict.complete)), "ValidationFailed")
      assert.strictEqual(yield* failure(self.renewLock(many)), "ValidationFailed")
      assert.deepStrictEqual(yield* settle([a], Verdict.complete), ["ok"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.5 when its lock runs out a message comes again and the old receipt is dead", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      const a = yield* receiveOne()
      yield* TestClock.adjust("29999 millis")
      assert.deepStrictEqual(yield* receive(), [])
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* settle([a], Verdict.complete), ["ReceiptExpired"])
      assert.deepStrictEqual(counted(yield* receive()), ["a:2"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.1 a renewal counts from now and never shortens", () =>
    Effect.gen(function* () {
      const self = yield* provider
      yield* send(["a"])
      const a = yield* receiveOne()
      yield* TestClock.adjust("20 seconds")
      const [until] = yield* self.renewLock([a.receipt])
      assert.strictEqual(
        until === undefined ? 0 : DateTime.toEpochMillis(Result.getOrThrow(until)),
        50_000
      )
      yield* TestClock.adjust("29 seconds")
      assert.deepStrictEqual(yield* receive(), [])
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(tags(yield* self.renewLock([a.receipt])), ["ReceiptExpired"])
      assert.deepStrictEqual(counted(yield* receive()), ["a:2"])
      assert.deepStrictEqual(yield* self.renewLock([]), [])
    }).pipe(Effect.provide(layer()))
  )
})

describe("dead letters", () => {
  it.effect("R3.6 a message delivered too often is moved, by abandon and by lock", () =>
    Effect.gen(function* () {
      yield* send(["a", "b"])
      yield* settle(yield* receive(), Verdict.abandon())
      yield* settle([yield* receiveOne()], Verdict.abandon())
      yield* receiveOne()
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(yield* receive(), [])
      const letters = yield* receive(10, now, dead)
      assert.deepStrictEqual(ids(letters), ["a", "b"])
      for (const letter of letters) {
        assert.strictEqual(letter.deadLetter?.reason, "MaxDeliveryCountExceeded")
        assert.include(letter.deadLetter?.description ?? "", "the maximum is 2")
        assert.strictEqual(letter.deadLetter?.deliveryCount, 2)
        assert.strictEqual(letter.deadLetter?.source, orders)
      }
    }).pipe(Effect.provide(layer({ deliveriesMax: 2 })))
  )

  it.effect("R7.2 a dead letter keeps what the message was and says why", () =>
    Effect.gen(function* () {
      const self = yield* provider
      const sent = yield* message("m", {
        attributes: { a: "1" },
        sessionId: world.sessionId("s"),
        correlationId: "c"
      })
      yield* self.send(orders, [sent])
      yield* TestClock.adjust("1 second")
      yield* settle([yield* receiveOne()], Verdict.deadLetter("Bad", "very bad"))
      yield* TestClock.adjust("1 second")
      const [letter] = yield* receive(1, now, dead)
      assert(letter !== undefined)
      assert.deepStrictEqual(letter.body, sent.body)
      assert.deepStrictEqual({ ...letter.attributes }, { a: "1" })
      assert.strictEqual(letter.sessionId, world.sessionId("s"))
      assert.strictEqual(letter.correlationId, "c")
      assert.strictEqual(DateTime.toEpochMillis(letter.enqueuedAt), 0)
      assert.strictEqual(DateTime.toEpochMillis(letter.firstDeliveredAt), 1_000)
      assert.deepStrictEqual(letter.deadLetter, {
        reason: "Bad",
        description: "very bad",
        source: orders,
        time: DateTime.makeUnsafe(1_000),
        deliveryCount: 1
      })
      assert.strictEqual(letter.receipt.address._tag, "DeadLetter")
      assert.strictEqual(letter.deliveryCount, 2)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R7.2 a verdict without a description makes a dead letter without one", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      yield* settle([yield* receiveOne()], Verdict.deadLetter("Bad"))
      const [letter] = yield* peek(dead)
      assert.isFalse("description" in (letter?.deadLetter ?? {}))
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "R3.6 dead letters stay: abandon, lost locks, their count and time to live do not matter",
    () =>
      Effect.gen(function* () {
        const self = yield* provider
        yield* send(["a"], { timeToLive: seconds(5) })
        yield* settle([yield* receiveOne()], Verdict.deadLetter("Bad"))
        yield* TestClock.adjust("1 minute")
        yield* settle([yield* receiveOne(dead)], Verdict.abandon())
        yield* receiveOne(dead)
        yield* TestClock.adjust("30 seconds")
        const [letter] = yield* receive(10, now, dead)
        assert(letter !== undefined)
        assert.strictEqual(letter.deliveryCount, 4)
        assert.strictEqual(letter.deadLetter?.deliveryCount, 1)
        const again = yield* settle([letter], Verdict.deadLetter("Worse"))
        assert.deepStrictEqual(again, ["UnsupportedOperation"])
        assert.deepStrictEqual(tags(yield* self.renewLock([letter.receipt])), ["ok"])
        yield* settle([letter], Verdict.abandon(seconds(5)))
        assert.deepStrictEqual(yield* receive(10, now, dead), [])
        yield* TestClock.adjust("5 seconds")
        assert.deepStrictEqual(yield* settle([yield* receiveOne(dead)], Verdict.complete), ["ok"])
        assert.deepStrictEqual(yield* peek(dead), [])
      }).pipe(Effect.provide(layer({ deliveriesMax: 1 })))
  )

  it.effect("R3.1 a wait on the dead letters is served when one comes", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      const waiting = yield* Effect.forkChild(receive(1, seconds(20), dead))
      yield* Effect.yieldNow
      yield* settle([yield* receiveOne()], Verdict.deadLetter("Bad"))
      assert.deepStrictEqual(ids(yield* Fiber.join(waiting)), ["a"])
    }).pipe(Effect.provide(layer()))
  )
})

describe("scheduling and time to live", () => {
  it.effect("R3.8 not delivered early, then in the order of due times", () =>
    Effect.gen(function* () {
      const self = yield* MemoryClient.MemoryClient
      yield* send(["late"], { delay: seconds(20) })
      yield* send(["soon"], { scheduledAt: DateTime.makeUnsafe(10_000) })
      yield* send(["now"])
      assert.strictEqual((yield* self.stats(orders)).scheduled, 2)
      assert.deepStrictEqual(ids(yield* receive()), ["now"])
      yield* TestClock.adjust("15 seconds")
      yield* send(["after"])
      yield* TestClock.adjust("5 seconds")
      const received = yield* receive()
      assert.deepStrictEqual(ids(received), ["now", "soon", "after", "late"].slice(1))
      assert.deepStrictEqual(
        received.map((one) => one.sequenceNumber),
        [4n, 5n, 6n]
      )
      assert.deepStrictEqual(received[0]?.scheduledAt, DateTime.makeUnsafe(10_000))
      assert.strictEqual((yield* self.stats(orders)).scheduled, 0)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.8 what was due before the send, or has no delay, is delivered at once", () =>
    Effect.gen(function* () {
      yield* TestClock.adjust("10 seconds")
      yield* send(["a"], { scheduledAt: DateTime.makeUnsafe(5_000) })
      yield* send(["b"], { delay: Duration.zero })
      assert.deepStrictEqual(ids(yield* receive()), ["a", "b"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.7 an expired message is dropped, from its enqueueing or its due time", () =>
    Effect.gen(function* () {
      const self = yield* MemoryClient.MemoryClient
      yield* send(["a"], { timeToLive: seconds(5) })
      yield* send(["b"], { timeToLive: seconds(5), delay: seconds(5) })
      yield* send(["c"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(ids(yield* peek()), ["c", "b"])
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(ids(yield* receive()), ["c"])
      assert.deepInclude(yield* self.stats(orders), { active: 0, locked: 1, deadLettered: 0 })
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.7 a message both due and expired since the last call is never delivered", () =>
    Effect.gen(function* () {
      yield* send(["a"], { timeToLive: seconds(5), delay: seconds(5) })
      yield* TestClock.adjust("1 minute")
      assert.deepStrictEqual(yield* receive(), [])
      assert.deepStrictEqual(yield* peek(), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.7 dead-lettered instead of dropped where the queue says so", () =>
    Effect.gen(function* () {
      yield* send(["a", "b"])
      yield* receive(1)
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(ids(yield* peek(dead)), ["b"])
      // In hand it is no longer shown, and goes when its delivery ends.
      assert.deepStrictEqual(yield* peek(), [])
      yield* TestClock.adjust("20 seconds")
      const letters = yield* receive(10, now, dead)
      assert.deepStrictEqual(ids(letters), ["b", "a"])
      assert.strictEqual(letters[0]?.deadLetter?.reason, "TTLExpiredException")
    }).pipe(Effect.provide(layer({ timeToLive: "10 seconds", deadLetterExpired: true })))
  )

  it.effect(
    "R3.7 a message's own time to live goes before the queue's; a delay does not outlast it",
    () =>
      Effect.gen(function* () {
        yield* send(["a"], { timeToLive: seconds(20) })
        yield* send(["b"])
        yield* TestClock.adjust("10 seconds")
        const a = yield* receiveOne()
        assert.strictEqual(a.messageId, MessageId.makeUnsafe("a"))
        yield* settle([a], Verdict.abandon(seconds(30)))
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(yield* peek(), [])
      }).pipe(Effect.provide(layer({ timeToLive: "10 seconds" })))
  )

  it.effect("R3.7 an unexpired message survives the wake-ups of its earlier locks", () =>
    Effect.gen(function* () {
      yield* send(["a"], { timeToLive: seconds(100) })
      yield* settle([yield* receiveOne()], Verdict.abandon())
      yield* TestClock.adjust("40 seconds")
      assert.deepStrictEqual(ids(yield* peek()), ["a"])
      yield* TestClock.adjust("60 seconds")
      assert.deepStrictEqual(yield* peek(), [])
    }).pipe(Effect.provide(layer()))
  )
})

describe("peek", () => {
  it.effect("R3.1 shows every state in sequence order, from a number, up to max", () =>
    Effect.gen(function* () {
      yield* send(["locked", "delayed", "active"])
      const [, delayed] = yield* receive(2)
      assert(delayed !== undefined)
      yield* settle([delayed], Verdict.abandon(seconds(5)))
      yield* send(["scheduled"], { delay: seconds(5) })
      const all = yield* peek()
      assert.deepStrictEqual(counted(all), ["locked:1", "delayed:1", "active:0", "scheduled:0"])
      assert.deepStrictEqual(ids(yield* peek(address, 2, 2n)), ["delayed", "active"])
      assert.deepStrictEqual(yield* peek(address, 2, 99n), [])
      assert.isFalse("receipt" in (all[0] ?? {}))
    }).pipe(Effect.provide(layer()))
  )
})

describe("connections", () => {
  const twoProviders = Effect.gen(function* () {
    const context = yield* Effect.context<MemoryClient.MemoryClient>()
    const open = (scope: Scope.Scope) =>
      MemoryProvider.make.pipe(Scope.provide(scope), Effect.provide(context))
    const scope = yield* Scope.make()
    return { scope, mine: yield* open(scope), other: yield* open(yield* Effect.scope) }
  })

  it.effect(
    "R10.4 several providers share one broker, and closing one ends its own waits alone",
    () =>
      Effect.gen(function* () {
        const { mine, other, scope } = yield* twoProviders
        yield* mine.send(orders, [yield* message("a")])
        const [a] = yield* other.receive(address, { max: 1, wait: now })
        assert(a !== undefined)
        const settled = yield* mine.settle([a.receipt], Verdict.complete)
        assert.deepStrictEqual(tags(settled), ["ok"])
        const ended = yield* Effect.forkChild(
          failure(mine.receive(address, { max: 1, wait: seconds(9) }))
        )
        const goesOn = yield* Effect.forkChild(other.receive(address, { max: 1, wait: seconds(9) }))
        yield* Effect.yieldNow
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* Fiber.join(ended), "ConnectionFailed")
        const error = yield* Effect.flip(mine.peek(address, { max: 1 }))
        assert.include(error.message, "the provider is closed")
        yield* other.send(orders, [yield* message("b")])
        assert.deepStrictEqual(ids(yield* Fiber.join(goesOn)), ["b"])
      }).pipe(Effect.provide(MemoryClient.layer({ queues: { orders: {} } })))
  )

  it.effect("R10.4 layerWithClient connects to the client's broker, anew when fresh", () =>
    Effect.gen(function* () {
      const client = MemoryClient.layer({ queues: { orders: {} } })
      const first = MemoryProvider.layerWithClient
      const second = Layer.fresh(MemoryProvider.layerWithClient)
      const both = Layer.provideMerge(
        Layer.effectDiscard(Effect.provide(send(["a"]), first)),
        client
      )
      const received = yield* receive().pipe(Effect.provide(Layer.provideMerge(second, both)))
      assert.deepStrictEqual(ids(received), ["a"])
    })
  )

  it.effect(
    "R10.1 options from configuration, and what cannot be read is ConfigurationInvalid",
    () =>
      Effect.gen(function* () {
        const fromConfig = MemoryProvider.layerConfig({
          queues: Config.succeed({ orders: {} }),
          messagesMax: Config.Int("MESSAGES_MAX")
        })
        const withEnv = (env: Record<string, string>) =>
          ConfigProvider.layer(ConfigProvider.fromEnv({ env }))
        const sent = yield* send(["a", "b"]).pipe(
          Effect.provide(Layer.provide(fromConfig, withEnv({ MESSAGES_MAX: "1" })))
        )
        assert.deepStrictEqual(tags(sent), ["ok", "QuotaExceeded"])
        const bad = send(["a"]).pipe(
          Effect.provide(Layer.provide(fromConfig, withEnv({ MESSAGES_MAX: "many" })))
        )
        const error = yield* Effect.flip(bad)
        assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
        assert.include(error.message, "MESSAGES_MAX")
      })
  )

  it.effect("R10.1 an invalid option is ConfigurationInvalid before anything starts", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        Effect.provide(send(["a"]), MemoryProvider.layer({ queues: { "-bad": {} } }))
      )
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key: "queues.-bad" })
    })
  )

  it.live("R11.1 works on the live clock, where an alarm may ring a moment early", () =>
    Effect.gen(function* () {
      yield* send(["a"], { delay: Duration.millis(15) })
      assert.deepStrictEqual(ids(yield* receive(1, seconds(5))), ["a"])
      assert.deepStrictEqual(yield* receive(1, Duration.millis(10)), [])
    }).pipe(Effect.provide(layer()))
  )
})
