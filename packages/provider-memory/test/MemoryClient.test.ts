import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Exit, Fiber, Option, Scope } from "effect"
import { TestClock } from "effect/testing"
import { MessageId, QueueProvider, Verdict } from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "../src/index.ts"
import {
  accept,
  address,
  dead,
  failure,
  layer,
  message,
  missing,
  now,
  ordered,
  orders,
  receive,
  receiveOne,
  seconds,
  send,
  sendOrdered,
  sessionId,
  settle,
  take
} from "./world.ts"

const client = MemoryClient.MemoryClient

describe("stats", () => {
  it.effect("R11.1 counts every state", () =>
    Effect.gen(function* () {
      const self = yield* client
      yield* send(["a", "b", "c", "d"])
      yield* send(["e"], { delay: seconds(5) })
      const [a, b] = yield* receive(3)
      assert(a !== undefined && b !== undefined)
      yield* settle([a], Verdict.deadLetter("Bad"))
      yield* settle([b], Verdict.abandon(seconds(5)))
      yield* receiveOne(dead)
      const { bytes, ...counts } = yield* self.stats(orders)
      assert.deepStrictEqual(counts, {
        active: 2,
        locked: 1,
        scheduled: 1,
        deadLettered: 1,
        sessions: 0
      })
      assert.isAbove(bytes, 0)
      yield* sendOrdered(["s1", "s2"])
      const session = yield* accept("s")
      yield* take(session, 1)
      assert.deepInclude(yield* self.stats(ordered), { active: 1, locked: 1, sessions: 1 })
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R3.12 a queue that is not there is QueueNotFound", () =>
    Effect.gen(function* () {
      const self = yield* client
      assert.strictEqual(yield* failure(self.stats(missing)), "QueueNotFound")
    }).pipe(Effect.provide(layer()))
  )
})

describe("closing", () => {
  it.effect("R10.4 waits end with ConnectionFailed and nothing sleeps on", () =>
    Effect.gen(function* () {
      const scope = yield* Scope.make()
      let sleeping = 0
      const clock = yield* Clock.Clock
      const watched: Clock.Clock = {
        ...clock,
        sleep: (duration) =>
          Effect.suspend(() => {
            sleeping++
            return Effect.ensuring(
              clock.sleep(duration),
              Effect.sync(() => sleeping--)
            )
          })
      }
      const built = yield* MemoryClient.make({
        queues: { orders: {}, ordered: { sessions: true } }
      }).pipe(Scope.provide(scope), Effect.provideService(Clock.Clock, watched))
      const provider = yield* Effect.provideService(MemoryProvider.make, client, built)
      const wait = seconds(60)
      const session = yield* provider
        .acceptSession(ordered, { sessionId: sessionId("a"), wait: now })
        .pipe(Effect.flatMap(Effect.fromOption))
      assert.strictEqual(sleeping, 0)
      const waits = yield* Effect.forEach(
        [
          Effect.asVoid(provider.receive(address, { max: 1, wait })),
          Effect.asVoid(provider.receive(dead, { max: 1, wait })),
          Effect.asVoid(Effect.scoped(provider.acceptSession(ordered, { wait }))),
          Effect.asVoid(session.receive({ max: 1, wait }))
        ],
        (call) => Effect.forkChild(failure(call))
      )
      yield* Effect.yieldNow
      assert.strictEqual(sleeping, 2)
      yield* Scope.close(scope, Exit.void)
      for (const fiber of waits) assert.strictEqual(yield* Fiber.join(fiber), "ConnectionFailed")
      assert.strictEqual(sleeping, 0)
      assert.strictEqual(yield* failure(built.use((broker) => broker.messages)), "ConnectionFailed")
      assert.strictEqual(
        yield* failure(provider.send(orders, [yield* message("a")])),
        "ConnectionFailed"
      )
    }).pipe(Effect.scoped)
  )

  it.effect("R11.1 the alarm sleeps only while somebody waits", () =>
    Effect.gen(function* () {
      const self = yield* client
      const alarmAt = self.use((broker) => broker.queues.get(orders)?.alarmAt)
      yield* send(["a"], { delay: seconds(5) })
      assert.strictEqual(yield* alarmAt, Infinity)
      const waiting = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* Effect.yieldNow
      assert.strictEqual(yield* alarmAt, 5_000)
      yield* Fiber.interrupt(waiting)
      assert.strictEqual(yield* alarmAt, Infinity)
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "R11.1 an alarm that rings a hair too early on a clock with parts of a millisecond",
    () =>
      Effect.gen(function* () {
        // Taken together the two sleeps are shorter than the lock, by rounding.
        const [received, waited] = [1857.4617244478827, 9969.895346160114]
        const lockEnd = received + 30_000
        assert.isBelow(waited + (lockEnd - waited), lockEnd)
        yield* TestClock.setTime(received)
        yield* send(["a"])
        yield* receiveOne()
        yield* TestClock.setTime(waited)
        const waiting = yield* Effect.forkChild(receive(1, seconds(60)))
        yield* Effect.yieldNow
        const started = yield* (yield* client).steps
        yield* TestClock.setTime(lockEnd + 1)
        const [again] = yield* Fiber.join(waiting)
        assert.strictEqual(again?.deliveryCount, 2)
        assert.isBelow((yield* (yield* client).steps) - started, 100)
      }).pipe(Effect.provide(layer()))
  )
})

describe("use", () => {
  it.effect("gives the broker itself", () =>
    Effect.gen(function* () {
      const self = yield* client
      yield* send(["a", "b"])
      assert.strictEqual(yield* self.use((broker) => broker.messages), 2)
    }).pipe(Effect.provide(layer()))
  )
})

describe("complexity", () => {
  const perMessage = Effect.fnUntraced(function* (messages: number, sessions: number) {
    const provider = yield* QueueProvider.QueueProvider
    const self = yield* client
    const template = yield* message("template")
    const stamp = (index: number) => ({
      ...template,
      messageId: MessageId.makeUnsafe(`m${index}`),
      sessionId: sessionId(`s${index % sessions}`)
    })
    const measured = Effect.fnUntraced(function* <E, R>(
      count: number,
      work: Effect.Effect<unknown, E, R>
    ) {
      const before = yield* self.steps
      yield* work
      return ((yield* self.steps) - before) / count
    })
    const batches = Array.from({ length: messages / 100 }, (_, index) =>
      Array.from({ length: 100 }, (_unused, offset) => stamp(index * 100 + offset))
    )
    const sendAll = (queue: typeof orders) =>
      measured(
        messages,
        Effect.forEach(batches, (batch) => provider.send(queue, batch), { discard: true })
      )
    const sample = 500
    const some = Array.from({ length: sample / 10 })
    const plainSend = yield* sendAll(orders)
    const sessionSend = yield* sendAll(ordered)
    const plainReceive = yield* measured(
      sample,
      Effect.forEach(some, () => receive(10))
    )
    const held = yield* receive(sample)
    const plainComplete = yield* measured(sample, settle(held, Verdict.complete))
    const sessionRound = yield* measured(
      sample / 10,
      Effect.forEach(some, () =>
        Effect.scoped(
          Effect.gen(function* () {
            const session = Option.getOrThrow(yield* provider.acceptSession(ordered, { wait: now }))
            const taken = yield* take(session, 5)
            yield* session.settle(
              taken.slice(0, 1).map((one) => one.receipt),
              Verdict.abandon()
            )
            const again = yield* take(session, 5)
            yield* session.settle(
              again.map((one) => one.receipt),
              Verdict.complete
            )
          })
        )
      )
    )
    const peeked = yield* measured(
      1,
      provider.peek(address, { max: 10, fromSequenceNumber: BigInt(messages / 2) })
    )
    return { plainSend, sessionSend, plainReceive, plainComplete, sessionRound, peeked }
  })

  it.effect("R13 steps grow no faster than the logarithm of messages and sessions", () =>
    Effect.gen(function* () {
      const bounds = {
        messagesMax: 1_000_000,
        bytesMax: 1_000_000_000,
        deduplicationIdsMax: 1_000_000
      }
      const small = yield* Effect.provide(perMessage(1_000, 100), layer({}, bounds))
      const large = yield* Effect.provide(perMessage(100_000, 1_000), layer({}, bounds))
      const ratio = Math.log2(100_000) / Math.log2(1_000)
      for (const key of [
        "plainSend",
        "sessionSend",
        "plainReceive",
        "plainComplete",
        "sessionRound",
        "peeked"
      ] as const) {
        assert.isAbove(small[key], 0, key)
        assert.isAtMost(
          large[key],
          small[key] * ratio + 5,
          `${key}: ${small[key]} and ${large[key]}`
        )
      }
      // What a session does costs the same however many there are.
      assert.isAtMost(large.sessionSend, small.sessionSend + 1)
    })
  )
})
