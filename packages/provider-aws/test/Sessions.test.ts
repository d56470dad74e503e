import { assert, describe, it } from "@effect/vitest"
import { Clock, Duration, Effect, Fiber, Option, Random } from "effect"
import { TestClock } from "effect/testing"
import { Defaults, type QueueProvider, type QueueSession, Verdict } from "@queue-runtime/core"
import type { Way } from "./support/emulated.ts"
import { ending } from "./support/time.ts"
import * as world from "./support/world.ts"

const { accept, closable, counted, ends, held, ids, sendTo, settleAs, start, tags, take } = world

const numbered = (letter: string, count: number) =>
  Array.from({ length: count }, (_, index) => `${letter}${index}`)

const at = (messages: ReadonlyArray<world.Received>, index: number) =>
  messages.slice(index, index + 1)

describe("SQS.md §1: a failure inside a received batch", () => {
  it.effect("S1 A1 of A0 to A5 fails twice: A0 A1! A1! A1 A2 A3 A4 A5, without a call", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      yield* sendTo(provider, "A", numbered("A", 6))
      const session = yield* held(provider, "A")
      const before = yield* world.calls(broker, "ChangeMessageVisibilityBatch")
      const seen: Array<string> = []
      let failures = 2
      while (seen.length < 8) {
        const batch = yield* take(session, 10)
        for (const one of batch) {
          if (one.messageId === "A1" && failures > 0) {
            failures--
            seen.push(`A1!${one.deliveryCount}`)
            assert.deepStrictEqual(yield* settleAs(session, [one], Verdict.abandon()), ["ok"])
            break
          }
          seen.push(`${one.messageId}:${one.deliveryCount}`)
          assert.deepStrictEqual(yield* settleAs(session, [one]), ["ok"])
        }
      }
      const expected = ["A0:1", "A1!1", "A1!2", "A1:3", "A2:1", "A3:1", "A4:1", "A5:1"]
      assert.deepStrictEqual(seen, expected)
      assert.strictEqual(yield* world.calls(broker, "ChangeMessageVisibilityBatch"), before)
    })
  )

  it.effect("X1 R4.7 a poison message goes to the dead letters alone; those behind it live", () =>
    Effect.gen(function* () {
      // The broker itself would move a message at its fourth receive.
      const { broker, dlq, name, provider } = yield* world.make({
        settings: { deliveriesMax: 3 }
      })
      yield* broker.call("SetQueueAttributes", {
        QueueUrl: name,
        Attributes: {
          RedrivePolicy: JSON.stringify({
            deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${dlq}`,
            maxReceiveCount: 3
          })
        }
      })
      yield* sendTo(provider, "A", numbered("A", 6))
      const session = yield* held(provider, "A")
      const done: Array<string> = []
      const failed: Array<number> = []
      while (done.length < 5) {
        for (const one of yield* take(session, 10)) {
          if (one.messageId === "A1") {
            failed.push(one.deliveryCount)
            yield* settleAs(session, [one], Verdict.abandon())
            break
          }
          assert.strictEqual(one.deliveryCount, 1)
          done.push(one.messageId)
          yield* settleAs(session, [one])
        }
      }
      assert.deepStrictEqual(done, ["A0", "A2", "A3", "A4", "A5"])
      assert.deepStrictEqual(failed, [1, 2, 3])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A1"])
      const [letter] = yield* world.receive(provider, 10, 0, world.dead)
      assert.strictEqual(letter?.deadLetter?.reason, "MaxDeliveryCountExceeded")
      assert.strictEqual(letter?.deadLetter?.deliveryCount, 3)
      assert.strictEqual(letter?.sessionId, "A")
    })
  )

  it.effect("X2 ten messages that each fail twice are each delivered as 1, 2 and 3", () =>
    Effect.gen(function* () {
      const { provider } = yield* world.make()
      const all = numbered("A", 10)
      yield* sendTo(provider, "A", all)
      const session = yield* held(provider, "A")
      const seen: Array<string> = []
      while (seen.length < 30) {
        for (const one of yield* take(session, 10)) {
          seen.push(`${one.messageId}:${one.deliveryCount}`)
          const isDone = one.deliveryCount === 3
          yield* settleAs(session, [one], isDone ? Verdict.complete : Verdict.abandon())
          if (!isDone) break
        }
      }
      const expected = all.flatMap((id) => [`${id}:1`, `${id}:2`, `${id}:3`])
      assert.deepStrictEqual(seen, expected)
    })
  )

  it.effect("S2 while A1 backs off its session has nothing, and another one goes on", () =>
    Effect.gen(function* () {
      const { provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0", "A1"])
      yield* sendTo(provider, "B", ["B0"])
      const a = yield* held(provider, "A")
      const batch = yield* take(a)
      yield* settleAs(a, at(batch, 0), Verdict.abandon(Duration.seconds(5)))
      assert.deepStrictEqual(yield* take(a, 10, 0), [])
      const b = yield* held(provider)
      assert.deepStrictEqual(ids(yield* take(b)), ["B0"])
      const before = yield* Clock.currentTimeMillis
      assert.deepStrictEqual(counted(yield* take(a, 10, "10 seconds")), ["A0:2", "A1:1"])
      const waited = (yield* Clock.currentTimeMillis) - before
      assert.isAtMost(waited, 5_000)
    })
  )

  it.effect("S3 a session given up again and again dead-letters nobody who was not handled", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 2 } })
      yield* sendTo(provider, "A", numbered("A", 5))
      for (const _ of numbered("round", 8)) {
        const { close, value } = yield* closable(held(provider, "A"))
        const batch = yield* take(value, 2)
        assert.deepStrictEqual(counted(batch), ["A0:1", "A1:1"])
        yield* ends(close)
      }
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), [])
    })
  )

  for (const { broken, rest, title } of [
    { title: "the head's entry", broken: [0], rest: ["A1", "A2", "A3"] },
    { title: "the last entry", broken: [2], rest: ["A1", "A2", "A3"] },
    { title: "every entry", broken: [0, 1, 2], rest: ["A1", "A2", "A3"] }
  ]) {
    it.effect(`S11 ${title} of a release fails, twice: the order survives`, () =>
      Effect.gen(function* () {
        const { broker, connect, name, provider } = yield* world.make()
        const other = yield* connect
        yield* sendTo(provider, "A", numbered("A", 4))
        const { close, value } = yield* closable(held(provider, "A"))
        yield* settleAs(value, at(yield* take(value, 1), 0))
        const failing = new Set(broken.map((index) => rest[index]))
        const view = yield* broker.inspect(name)
        const sizes = view?.messages.length
        assert.strictEqual(sizes, 3)
        let seen = 0
        yield* broker.inject({
          action: "ChangeMessageVisibilityBatch",
          times: 2,
          fault: {
            _tag: "FailEntries",
            kind: "InternalError",
            // The second call has those alone that failed in the first.
            entries: (_, index) => (seen++ < 3 ? failing.has(rest[index]) : true)
          }
        })
        yield* ends(close)
        const got: Array<string> = []
        const deadline = (yield* Clock.currentTimeMillis) + 90_000
        while (got.length < 3 && (yield* Clock.currentTimeMillis) < deadline) {
          const next = yield* closable(ends(accept(other, undefined, "20 seconds")))
          if (Option.isSome(next.value)) {
            const batch = yield* take(next.value.value, 10, 0)
            got.push(...ids(batch))
            yield* settleAs(next.value.value, batch)
          }
          yield* ends(next.close)
        }
        assert.deepStrictEqual(got, rest)
      })
    )
  }
})

describe("SQS.md §2: who may have a session", () => {
  it.effect("S5 with its last message done a group is free, though our handle is open", () =>
    Effect.gen(function* () {
      const { connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0"])
      const mine = yield* held(provider, "A")
      const batch = yield* take(mine)
      yield* sendTo(provider, "A", ["A1"])
      const waiting = yield* start(accept(other, undefined, "20 seconds"))
      yield* world.pass("2 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* settleAs(mine, batch)
      yield* world.settle
      const theirs = yield* Effect.flatMap(ends(Fiber.join(waiting)), Effect.fromOption)
      assert.deepStrictEqual(ids(yield* take(theirs)), ["A1"])
    })
  )

  it.effect(
    "S4 two processes, 20 groups of 12, failures: in order, once each, never two at once",
    () =>
      Effect.gen(function* () {
        const { connect, provider } = yield* world.make({ settings: { deliveriesMax: 50 } })
        const other = yield* ending(connect)
        const groups = numbered("g", 20)
        for (const group of groups) {
          for (const part of [0, 6]) {
            const own = Array.from({ length: 6 }, (_, index) => `${group}-${part + index}`)
            yield* sendTo(provider, group, own)
          }
        }
        const done = new Map<string, Array<number>>()
        const atWork = new Map<string, number>()
        let overlaps = 0
        const todo = { left: groups.length * 12 }
        const handle = Effect.fnUntraced(function* (
          session: QueueSession.QueueSession,
          one: world.Received
        ) {
          const group = session.sessionId
          const here = atWork.get(group) ?? 0
          if (here > 0) overlaps++
          atWork.set(group, here + 1)
          yield* Effect.sleep(5)
          atWork.set(group, here)
          const isFailure = (yield* Random.next) < 0.15
          if (isFailure) {
            yield* session.settle([one.receipt], Verdict.abandon(Duration.millis(100)))
            return false
          }
          assert.deepStrictEqual(tags(yield* session.settle([one.receipt], Verdict.complete)), [
            "ok"
          ])
          const own = done.get(group) ?? []
          own.push(Number(one.messageId.split("-")[1]))
          done.set(group, own)
          todo.left--
          return true
        })
        const work = (session: QueueSession.QueueSession) =>
          Effect.gen(function* () {
            let failures = 0
            while (todo.left > 0 && failures < 2) {
              const batch = yield* session.receive({ max: 10, wait: Duration.millis(200) })
              if (batch.length === 0) return
              for (const one of batch) {
                if (yield* handle(session, one)) continue
                failures++
                break
              }
            }
          })
        const worker = (by: QueueProvider.Service) =>
          Effect.gen(function* () {
            while (todo.left > 0) {
              yield* Effect.scoped(
                Effect.flatMap(accept(by), (session) =>
                  Option.isSome(session) ? work(session.value) : Effect.void
                )
              )
            }
          })
        const all = [provider, provider, provider, other, other, other].map(worker)
        yield* ends(Effect.all(all, { concurrency: "unbounded" }))
        assert.strictEqual(overlaps, 0)
        for (const group of groups) assert.deepStrictEqual(done.get(group), [...Array(12).keys()])
      }).pipe(Random.withSeed("S4"))
  )
})

describe("SQS.md §3: accepting a session by its id", () => {
  const foreigners = Effect.fnUntraced(function* (provider: QueueProvider.Service, count: number) {
    for (const group of numbered("f", count)) yield* sendTo(provider, group, [`${group}-0`])
    yield* sendTo(provider, "Z", ["Z0"])
  })

  it.effect("S6 Z behind 50 groups is found, and each of the others received once", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make()
      yield* foreigners(provider, 50)
      const session = yield* held(provider, "Z", "4 seconds")
      assert.strictEqual(session.sessionId, "Z")
      assert.isAtMost(yield* world.calls(broker, "ReceiveMessage"), 13)
      yield* world.pass("1 second")
      const view = yield* broker.inspect(name)
      assert.isAtMost(Math.max(...(view?.messages ?? []).map((one) => one.receiveCount)), 1)
      // Nobody wants the others any more.
      assert.strictEqual(view?.inFlight, 1)
    })
  )

  it.effect("S6 with room for five groups the scan ends there, and counts no group twice", () =>
    Effect.gen(function* () {
      const { broker, name, provider } = yield* world.make({ settings: { groupsMax: 5 } })
      yield* foreigners(provider, 50)
      const session = yield* Effect.scoped(ends(accept(provider, "Z", "4 seconds")))
      assert.isTrue(Option.isNone(session))
      assert.isAtMost(yield* world.calls(broker, "ReceiveMessage"), 2)
      yield* world.settle
      const view = yield* broker.inspect(name)
      assert.isAtMost(Math.max(...(view?.messages ?? []).map((one) => one.receiveCount)), 1)
      assert.strictEqual(view?.inFlight, 0)
    })
  )

  it.effect(
    "R4.3 a session that this process waits for is SessionLocked, and free afterwards",
    () =>
      Effect.gen(function* () {
        const { provider } = yield* world.make()
        const first = yield* start(Effect.scoped(accept(provider, "A", "2 seconds")))
        const reason = yield* world.reason(Effect.scoped(accept(provider, "A", 0)))
        assert.strictEqual(reason, "SessionLocked")
        assert.isTrue(Option.isNone(yield* ends(Fiber.join(first))))
        assert.isTrue(Option.isNone(yield* Effect.scoped(ends(accept(provider, "A", 0)))))
      })
  )

  it.effect("R4.2 a session that is being given back is waited for by its id, in order", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0", "A1"])
      const first = yield* closable(held(provider, "A"))
      yield* take(first.value)
      // The call that gives it back takes a second.
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "1 second" }
      })
      const closing = yield* start(first.close)
      const reason = yield* world.reason(Effect.scoped(accept(provider, "A", 0)))
      assert.strictEqual(reason, "SessionLocked")
      const session = yield* held(provider, "A", "5 seconds")
      assert.deepStrictEqual(counted(yield* take(session)), ["A0:1", "A1:1"])
      yield* Fiber.join(closing)
    })
  )

  it.effect("what is buffered for a waiter is kept alive, and given back when the wait ends", () =>
    Effect.gen(function* () {
      const { broker, connect, name, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0"])
      const waiting = yield* start(Effect.scoped(accept(provider, "Z", "20 seconds")))
      // Its lock of ten seconds is over by now, and was extended.
      yield* TestClock.adjust("15 seconds")
      yield* world.settle
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 1)
      yield* ends(Fiber.join(waiting))
      yield* world.settle
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 0)
      assert.deepStrictEqual(ids(yield* take(yield* held(other))), ["A0"])
    })
  )

  it.effect(
    "S10 a receive whose answer is lost is asked for again: the same messages, count 1",
    () =>
      Effect.gen(function* () {
        const { broker, name, provider } = yield* world.make()
        yield* sendTo(provider, "A", ["A0", "A1", "A2"])
        yield* broker.inject({ action: "ReceiveMessage", times: 1, fault: { _tag: "LoseReply" } })
        const reason = yield* world.reason(Effect.scoped(accept(provider)))
        assert.strictEqual(reason, "ConnectionFailed")
        assert.strictEqual((yield* broker.inspect(name))?.inFlight, 3)
        const session = yield* held(provider, undefined, 0)
        assert.deepStrictEqual(counted(yield* take(session)), ["A0:1", "A1:1", "A2:1"])
        const view = yield* broker.inspect(name)
        assert.deepStrictEqual(
          view?.messages.map((one) => one.receiveCount),
          [1, 1, 1]
        )
      })
  )

  it.effect("X3 closing gives back what a poll that is cut short has taken", () =>
    Effect.gen(function* () {
      const { broker, name, provider, queues } = yield* world.make()
      let delay = Duration.seconds(1)
      const way: Way = {
        deadSockets: "deliver",
        get delay() {
          return delay
        }
      }
      const process = yield* ends(closable(world.connectBy(broker, queues, way)))
      yield* sendTo(provider, "A", ["A0", "A1"])
      const wait = Duration.seconds(20)
      // Longer than closing waits for it.
      delay = Duration.sum(Defaults.sqsCloseWait, Duration.seconds(2))
      const waiting = yield* start(
        Effect.exit(Effect.scoped(process.value.acceptSession(world.queue, { wait })))
      )
      delay = Duration.seconds(1)
      // The broker has given the messages away, and the answer is on its way.
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 2)
      yield* ends(process.close)
      yield* ends(Fiber.await(waiting))
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 0)
      assert.deepStrictEqual(ids(yield* take(yield* held(provider, "A"))), ["A0", "A1"])
    })
  )

  it.effect("X3 closing asks once more for a receive whose answer was lost", () =>
    Effect.gen(function* () {
      const { broker, connect, name, provider } = yield* world.make()
      const process = yield* closable(connect)
      yield* sendTo(provider, "A", ["A0", "A1"])
      yield* broker.inject({ action: "ReceiveMessage", times: 1, fault: { _tag: "LoseReply" } })
      yield* world.reason(Effect.scoped(accept(process.value)))
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 2)
      yield* ends(process.close)
      assert.strictEqual((yield* broker.inspect(name))?.inFlight, 0)
      assert.deepStrictEqual(ids(yield* take(yield* held(provider, "A"))), ["A0", "A1"])
    })
  )
})

/** The next call that locks anew does so for all but this one of its messages. */
const refusedAt = (entry: number) =>
  ({
    action: "ChangeMessageVisibilityBatch",
    times: 1,
    fault: {
      _tag: "FailEntries",
      kind: "ReceiptHandleIsInvalid",
      senderFault: true,
      entries: [entry]
    }
  }) as const

describe("SQS.md §4: renewal", () => {
  it.effect("S8 A2's renewal fails for good: A0 and A1 are done, then SessionLockLost", () =>
    Effect.gen(function* () {
      const { broker, connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", numbered("A", 5))
      const session = yield* held(provider, "A")
      const first = yield* take(session, 2)
      yield* broker.inject(refusedAt(2))
      yield* ends(session.renewLock)
      assert.deepStrictEqual(yield* settleAs(session, first), ["ok", "ok"])
      const reason = yield* world.reason(session.receive({ max: 10, wait: Duration.zero }))
      assert.strictEqual(reason, "SessionLockLost")
      // A2's own lock has to end: nobody could extend it, and nobody could give it back.
      const theirs = yield* held(other, undefined, "20 seconds").pipe(
        Effect.catch(() => held(other, undefined, "20 seconds"))
      )
      assert.deepStrictEqual(ids(yield* take(theirs)), ["A2", "A3", "A4"])
    })
  )

  it.effect("R4.3 what is being settled stays locked with its session, however long it takes", () =>
    Effect.gen(function* () {
      const { broker, connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0", "A1"])
      const session = yield* held(provider, "A")
      const received = yield* take(session, 2)
      yield* world.pass("22 seconds")
      yield* broker.inject({ action: "DeleteMessageBatch", times: 1, fault: { _tag: "Hang" } })
      const first = received.slice(0, 1).map(({ receipt }) => receipt)
      const settling = yield* start(session.settle(first, Verdict.complete))
      yield* ends(session.renewLock)
      // The lock that A0 came with is over, and nobody knows whether it was removed.
      yield* world.pass("15 seconds")
      const outcomes = yield* ends(Fiber.join(settling))
      assert.deepStrictEqual(world.tags(outcomes), ["Timeout"])
      assert.isTrue(Option.isNone(yield* ends(accept(other, undefined, "1 second"))))
      assert.deepStrictEqual(yield* settleAs(session, received), ["ok", "ok"])
      yield* ends(session.renewLock)
    })
  )

  it.effect("R4.3 where it cannot be locked anew, the session is lost when its lock is over", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0", "A1"])
      const session = yield* held(provider, "A")
      const received = yield* take(session, 2)
      yield* world.pass("22 seconds")
      yield* broker.inject({ action: "DeleteMessageBatch", times: 1, fault: { _tag: "Hang" } })
      yield* broker.inject(refusedAt(0))
      const first = received.slice(0, 1).map(({ receipt }) => receipt)
      yield* start(session.settle(first, Verdict.complete))
      yield* ends(session.renewLock)
      yield* world.pass("9 seconds")
      // A1 is locked for long, and A0 comes first again: to settle A1 now would change their order.
      assert.strictEqual(
        yield* world.reason(session.receive({ max: 1, wait: Duration.zero })),
        "SessionLockLost"
      )
    })
  )

  it.effect("S9 a renewal that is late does not overwrite a release", () =>
    Effect.gen(function* () {
      const { broker, connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0", "A1", "A2"])
      const { close, value } = yield* closable(held(provider, "A"))
      yield* take(value, 1)
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        times: 1,
        fault: { _tag: "Slow", duration: "200 millis" }
      })
      const renewing = yield* start(Effect.exit(value.renewLock))
      const closing = yield* start(close)
      yield* ends(Effect.all([Fiber.join(renewing), Fiber.join(closing)]))
      const before = yield* Clock.currentTimeMillis
      const session = yield* held(other, "A")
      assert.deepStrictEqual(ids(yield* take(session)), ["A0", "A1", "A2"])
      assert.isAtMost((yield* Clock.currentTimeMillis) - before, 100)
    })
  )

  it.effect(
    "a renewal that is interrupted still ends before anything else sets the visibility",
    () =>
      Effect.gen(function* () {
        const { broker, connect, provider } = yield* world.make()
        const other = yield* connect
        yield* sendTo(provider, "A", ["A0"])
        const { close, value } = yield* closable(held(provider, "A"))
        yield* broker.inject({
          action: "ChangeMessageVisibilityBatch",
          times: 1,
          fault: { _tag: "Slow", duration: "200 millis" }
        })
        const renewing = yield* start(value.renewLock)
        yield* Fiber.interrupt(renewing)
        yield* ends(close)
        assert.deepStrictEqual(ids(yield* take(yield* held(other, "A"))), ["A0"])
      })
  )

  it.effect("renewals of several sessions go in one call", () =>
    Effect.gen(function* () {
      const { broker, provider } = yield* world.make()
      for (const group of ["A", "B", "C", "D"]) yield* sendTo(provider, group, [`${group}0`])
      const sessions = yield* Effect.forEach(["A", "B", "C", "D"], (one) => held(provider, one))
      const before = yield* world.calls(broker, "ChangeMessageVisibilityBatch")
      yield* ends(
        Effect.forEach(sessions, ({ renewLock }) => renewLock, { concurrency: "unbounded" })
      )
      const made = (yield* world.calls(broker, "ChangeMessageVisibilityBatch")) - before
      assert.strictEqual(made, 1)
    })
  )

  it.effect("R4.3 a session that nobody renews is lost, whoever waits for it gets it", () =>
    Effect.gen(function* () {
      const { connect, provider } = yield* world.make()
      const other = yield* connect
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(provider, "A")
      yield* take(session)
      const waiting = yield* start(accept(other, undefined, "20 seconds"))
      yield* world.pass("15 seconds")
      yield* ends(session.renewLock)
      yield* world.pass("4 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* ends(Fiber.join(waiting))
      const again = yield* held(other, undefined, "20 seconds").pipe(
        Effect.catch(() => held(other, undefined, "20 seconds"))
      )
      assert.deepStrictEqual(counted(yield* take(again)), ["A0:2"])
      assert.strictEqual(yield* world.reason(session.renewLock), "SessionLockLost")
    })
  )

  it.effect("renewals end where SQS's twelve hours do", () =>
    Effect.gen(function* () {
      const { provider } = yield* world.make({ settings: { visibilityTimeout: "4 hours" } })
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(provider, "A")
      yield* take(session)
      for (const _ of [1, 2, 3]) {
        yield* TestClock.adjust("3 hours")
        yield* ends(session.renewLock)
      }
      const until = yield* session.lockedUntil
      assert.isAtMost(until.epochMilliseconds, 12 * 3_600_000)
      yield* TestClock.adjust("3 hours")
      yield* world.settle
      assert.strictEqual(yield* world.reason(session.renewLock), "SessionLockLost")
    })
  )
})

describe("SQS.md §5: dead letters of a group", () => {
  const bad = Verdict.deadLetter("Bad", "very bad")

  it.effect("S13 R7.1 a crash between copy and removal: the dead letter is there once", () =>
    Effect.gen(function* () {
      const { broker, connect, dlq, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0", "A1"])
      const process = yield* closable(connect)
      const session = yield* held(process.value, "A")
      const remove = yield* broker.inject({
        action: "DeleteMessageBatch",
        fault: { _tag: "Fail", kind: "ServiceUnavailable" }
      })
      const batch = yield* take(session, 1)
      const [outcome] = yield* settleAs(session, batch, bad)
      assert.strictEqual(outcome === "ok", false)
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A0"])
      yield* ends(process.close)
      yield* remove.remove
      const again = yield* held(provider, "A")
      const redone = yield* take(again, 1)
      assert.deepStrictEqual(ids(redone), ["A0"])
      assert.deepStrictEqual(yield* settleAs(again, redone, bad), ["ok"])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A0"])
      assert.deepStrictEqual(ids(yield* take(again)), ["A1"])
    })
  )

  it.effect("S14 R7.1 a message sent again under another id is dead-lettered a second time", () =>
    Effect.gen(function* () {
      const { broker, dlq, provider } = yield* world.make()
      yield* sendTo(provider, "A", ["A0"])
      const session = yield* held(provider, "A")
      yield* settleAs(session, yield* take(session), bad)
      yield* sendTo(provider, "A", ["A0-again"])
      yield* settleAs(session, yield* take(session), bad)
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A0", "A0-again"])
    })
  )

  it.effect(
    "R3.6 the dead-letter queue cannot be reached: the message stays, and nothing overtakes it",
    () =>
      Effect.gen(function* () {
        const { broker, dlq, provider } = yield* world.make({ settings: { deliveriesMax: 1 } })
        yield* sendTo(provider, "A", ["A0", "A1"])
        const session = yield* held(provider, "A")
        const fault = yield* broker.inject({
          action: "SendMessageBatch",
          fault: { _tag: "Fail", kind: "ServiceUnavailable" }
        })
        const batch = yield* take(session)
        assert.deepStrictEqual(yield* settleAs(session, at(batch, 0), Verdict.abandon()), ["ok"])
        assert.deepStrictEqual(yield* take(session, 10, "100 millis"), [])
        yield* fault.remove
        yield* ends(session.renewLock)
        assert.deepStrictEqual(counted(yield* take(session, 10, "15 seconds")), ["A1:1"])
        assert.deepStrictEqual(yield* world.bodies(broker, dlq), ["A0"])
      })
  )

  it.effect("R3.7 an expired message of a session is dropped, and lets the next one through", () =>
    Effect.gen(function* () {
      const { broker, dlq, name, provider } = yield* world.make()
      const timeToLive = Duration.seconds(2)
      const expiring = yield* world.inSession("A", "A0", { timeToLive })
      yield* ends(provider.send(world.queue, [expiring, yield* world.inSession("A", "A1")]))
      const session = yield* held(provider, "A")
      // It expires while it is held, before it is handed out.
      yield* world.pass("3 seconds")
      const batch = yield* take(session)
      assert.deepStrictEqual(ids(batch), ["A1"])
      yield* settleAs(session, batch)
      assert.deepStrictEqual(yield* world.bodies(broker, name), [])
      assert.deepStrictEqual(yield* world.bodies(broker, dlq), [])
    })
  )
})
