import {
  Backoff,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueName,
  SessionId
} from "@queue-runtime/core"
import { MemoryClient } from "@queue-runtime/provider-memory"
import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Cause,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Latch,
  Layer,
  Logger,
  Option,
  References,
  Schema
} from "effect"
import { TestClock } from "effect/testing"
import * as SessionAffinity from "../src/SessionAffinity.ts"
import * as SessionLifecycle from "../src/SessionLifecycle.ts"
import * as SessionWorker from "../src/SessionWorker.ts"
import { connectionFailed, Journal, permanent, queue, send, world } from "./support/World.ts"
import type { Fault } from "./support/World.ts"

const backoff = Backoff.fixed({ initial: "10 seconds", jitter: 0 })

type Options = Partial<SessionWorker.Options<unknown>>

/** The clock wakes who sleeps; a fiber that has not begun to sleep yet needs turns of its own. */
const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

const start = (journal: Journal, options: Options = {}) =>
  Effect.tap(
    Effect.forkChild(SessionWorker.run({ queue, handler: journal.handler(), backoff, ...options })),
    () => turns
  )

const stats = MemoryClient.MemoryClient.use((client) => client.stats(queue))

const deadLetters = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  return yield* client.receive(QueueAddress.deadLetter(queue), { max: 100, wait: 0 })
})

/** Accepts a session at once, or not at all. */
const acceptAtOnce = (session: string) =>
  Effect.scoped(
    Effect.gen(function* () {
      const client = yield* QueueClient.QueueClient
      const sessionId = yield* SessionId.make(session)
      const accepted = yield* client.acceptSession(queue, { sessionId, wait: 0 })
      return Option.isSome(accepted)
    })
  )

/** A layer that keeps every line of the log. */
const capture = () => {
  const lines: Array<{ readonly level: string; readonly text: string }> = []
  const logger = Logger.make(({ logLevel: level, message: text }) => {
    lines.push({ level, text: String(text) })
  })
  const layer = Layer.merge(
    Logger.layer([logger]),
    Layer.succeed(References.MinimumLogLevel, "All")
  )
  /** What is said at these levels. */
  const said = (...levels: ReadonlyArray<string>): ReadonlyArray<string> =>
    lines.filter(({ level }) => levels.includes(level)).map(({ text }) => text)
  return { lines, layer, said }
}

describe("SessionWorker", () => {
  it.effect("R4.7 handles up to n sessions at once, and in order inside each", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      for (const session of ["A", "B", "C", "D"]) yield* send(session, "1", "2", "3")
      const handler = journal.handler(() => ({ duration: "1 second" }))
      const worker = yield* start(journal, { handler, concurrency: 3 })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      for (const session of ["A", "B", "C", "D"]) {
        assert.deepStrictEqual(journal.doneOf(session), ["1", "2", "3"])
      }
      assert.strictEqual(journal.mostAtOnce, 3)
      assert.strictEqual(journal.overlaps, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 the failed message comes first again; those behind it wait uncounted", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3")
      const handler = journal.handler((text, count) =>
        text === "1" && count < 3 ? { error: "down" } : {}
      )
      const worker = yield* start(journal, { handler })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.seen, ["A:1#1", "A:1#2", "A:1#3", "A:2#1", "A:3#1"])
      assert.deepStrictEqual(journal.at, [0, 10_000, 20_000, 20_000, 20_000])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R4.7 an always-failing message is dead-lettered alone; those behind it are handled",
    () => {
      const { layer } = world()
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2", "3")
        const handler = journal.handler((text) => (text === "1" ? { error: "broken" } : {}))
        const worker = yield* start(journal, { handler, deliveriesMax: 3 })
        yield* TestClock.adjust("5 minutes")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(journal.done, ["A:2", "A:3"])
        const dead = yield* deadLetters
        assert.deepStrictEqual(
          dead.map((message) => [
            new TextDecoder().decode(message.body),
            message.deadLetter?.reason
          ]),
          [["1", "MaxDeliveryCountExceeded"]]
        )
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("R5.2 a permanent failure is dead-lettered at once and the session goes on", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const handler = journal.handler((text) => (text === "1" ? { error: permanent } : {}))
      const worker = yield* start(journal, { handler })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.seen, ["A:1#1", "A:2#1"])
      assert.strictEqual((yield* deadLetters)[0]?.deadLetter?.reason, "Unreadable")
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 one bad session does not stop the others, even with one slot", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("bad", "1", "2")
      yield* send("good", "1", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 && journal.seen.length === 1 ? { error: "down" } : {}
      )
      const worker = yield* start(journal, { handler, concurrency: 1, sessionIdle: "1 second" })
      yield* TestClock.adjust("5 seconds")
      assert.deepStrictEqual(journal.done, ["good:1", "good:2"])
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["good:1", "good:2", "bad:1", "bad:2"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a session that backs off waits for a slot like any other", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("bad", "1")
      yield* send("slow", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : { duration: "1 minute" }
      )
      const worker = yield* start(journal, { handler, concurrency: 1 })
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(journal.seen, ["bad:1#1", "slow:2#1", "bad:1#2"])
      assert.deepStrictEqual(journal.at, [0, 0, 60_000])
      yield* TestClock.adjust("2 minutes")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["slow:2", "bad:1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a slot does not wait on an idle session while another one is ready", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("bad", "1")
      yield* send("A", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : {}
      )
      const worker = yield* start(journal, { handler, concurrency: 1, sessionIdle: "1 minute" })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:2", "bad:1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a failure without a delay is handled again at once", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : {}
      )
      const worker = yield* start(journal, { handler, backoff: Backoff.none })
      yield* TestClock.adjust("1 millis")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.seen, ["A:1#1", "A:1#2", "A:2#1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R3.11 a backoff that the queue cannot do, or not for so long, is done by the worker",
    () =>
      Effect.gen(function* () {
        const limits = [
          { abandonDelay: "unsupported" as const },
          { abandonDelayMax: Duration.seconds(3) }
        ]
        for (const capabilities of limits) {
          const { layer } = world({ capabilities })
          const journal = new Journal()
          yield* Effect.gen(function* () {
            yield* send("A", "1", "2")
            const handler = journal.handler((text, count) =>
              text === "1" && count === 1 ? { error: "down" } : {}
            )
            const worker = yield* start(journal, { handler })
            yield* TestClock.adjust("1 minute")
            yield* Fiber.interrupt(worker)
            const [first = 0] = journal.at
            assert.deepStrictEqual(journal.seen, ["A:1#1", "A:1#2", "A:2#1"])
            assert.deepStrictEqual(
              journal.at.map((at) => at - first),
              [0, 10_000, 10_000]
            )
          }).pipe(Effect.provide(layer))
        }
      })
  )

  it.effect("R4.7 beyond parkedMax a failing session is given up, and nothing is lost", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      for (const session of ["A", "B", "C"]) yield* send(session, "1", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : {}
      )
      const worker = yield* start(journal, { handler, parkedMax: 1 })
      yield* TestClock.adjust("1 second")
      const held = yield* Effect.forEach(["A", "B", "C"], (session) =>
        Effect.exit(acceptAtOnce(session))
      )
      assert.strictEqual(held.filter(Exit.isFailure).length, 1)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      for (const session of ["A", "B", "C"]) {
        assert.deepStrictEqual(journal.doneOf(session), ["1", "2"])
      }
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 moves on from an idle session at once when another one is there", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      yield* send("B", "1")
      const worker = yield* start(journal, { concurrency: 1, sessionIdle: "1 minute" })
      assert.deepStrictEqual(journal.done, ["A:1", "B:1"])
      assert.deepStrictEqual(journal.at, [0, 0])
      assert.isTrue(yield* acceptAtOnce("A"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a session that filled the last receive gets a moment before others", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      yield* send("B", "1")
      const worker = yield* start(journal, { concurrency: 1, prefetch: 2 })
      assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(journal.done, ["A:1", "A:2", "B:1"])
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 keeps an idle session for its time when no other one is there", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      const worker = yield* start(journal, { concurrency: 1, sessionIdle: "3 seconds" })
      yield* TestClock.adjust("2 seconds")
      yield* send("A", "2")
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
      assert.isTrue(Exit.isFailure(yield* Effect.exit(acceptAtOnce("A"))))
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* acceptAtOnce("A"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a session is given up after its messages when others wait", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3", "4", "5")
      yield* send("B", "1")
      const worker = yield* start(journal, { concurrency: 1, prefetch: 1, sessionMessagesMax: 2 })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1", "A:2", "B:1", "A:3", "A:4", "A:5"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 its turn ends at its message, however many were received together", () => {
    const { layer } = world()
    const [counted, timed] = [new Journal(), new Journal()]
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3", "4", "5")
      yield* send("B", "1")
      const byCount = yield* start(counted, { concurrency: 1, sessionMessagesMax: 2 })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(byCount)
      assert.deepStrictEqual(counted.done, ["A:1", "A:2", "B:1", "A:3", "A:4", "A:5"])
      yield* send("A", "1", "2", "3")
      yield* send("B", "1")
      const handler = timed.handler(() => ({ duration: "10 seconds" }))
      const byTime = yield* start(timed, {
        handler,
        concurrency: 1,
        sessionDurationMax: "15 seconds"
      })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(byTime)
      assert.deepStrictEqual(timed.seen, ["A:1#1", "A:2#1", "B:1#1", "A:3#1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a session is given up after its time when others wait", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3")
      yield* send("B", "1")
      const handler = journal.handler(() => ({ duration: "10 seconds" }))
      const worker = yield* start(journal, {
        handler,
        concurrency: 1,
        prefetch: 1,
        sessionDurationMax: "15 seconds"
      })
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1", "A:2", "B:1", "A:3"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a session that backed off takes the slot of one that had its turn", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("bad", "1")
      yield* send("A", "2", "3", "4")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : { duration: "20 seconds" }
      )
      const worker = yield* start(journal, {
        handler,
        concurrency: 1,
        prefetch: 1,
        sessionMessagesMax: 1
      })
      yield* TestClock.adjust("3 minutes")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:2", "bad:1", "A:3", "A:4"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 nobody else waits: the session stays", () => {
    const { calls, layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3", "4", "5", "6")
      const worker = yield* start(journal, { concurrency: 1, prefetch: 1, sessionMessagesMax: 2 })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      assert.strictEqual(journal.done.length, 6)
      // One to begin with, one question after each turn of two, and one once it is idle.
      assert.strictEqual(calls.filter((call) => call === "AcceptSession").length, 5)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.6 a session given up with work left is preferred to one that is new", () =>
    Effect.gen(function* () {
      const orders = [
        [yield* SessionAffinity.make(), ["A:1", "A:2", "B:1", "A:3", "C:1"]],
        [undefined, ["A:1", "A:2", "B:1", "C:1", "A:3"]]
      ] as const
      for (const [affinity, expected] of orders) {
        const { layer } = world()
        const journal = new Journal()
        yield* Effect.gen(function* () {
          yield* send("A", "1", "2", "3")
          yield* send("B", "1")
          yield* send("C", "1")
          const worker = yield* start(journal, {
            ...(affinity === undefined ? {} : { affinity }),
            concurrency: 1,
            prefetch: 1,
            sessionMessagesMax: 2
          })
          yield* TestClock.adjust("1 minute")
          yield* Fiber.interrupt(worker)
          assert.deepStrictEqual(journal.done, [...expected])
          if (affinity !== undefined) assert.strictEqual(yield* affinity.size, 0)
        }).pipe(Effect.provide(layer))
      }
    })
  )

  it.effect("R4.6 a preferred session that is empty or someone else's costs no wait", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      const client = yield* QueueClient.QueueClient
      const affinity = yield* SessionAffinity.make()
      const taken = yield* SessionId.make("taken")
      yield* client.acceptSession(queue, { sessionId: taken, wait: 0 })
      yield* affinity.gaveUp(queue, yield* SessionId.make("empty"))
      yield* affinity.gaveUp(queue, taken)
      yield* send("A", "1")
      const worker = yield* start(journal, { affinity, concurrency: 1 })
      yield* TestClock.adjust("100 millis")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1"])
    }).pipe(Effect.provide(layer), Effect.scoped)
  })

  it.effect("R4.7 renews the session's lock while a handler runs", () => {
    const { layer } = world({ lockDuration: "30 seconds" })
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const handler = journal.handler(() => ({ duration: "4 minutes" }))
      const worker = yield* start(journal, { handler })
      yield* TestClock.adjust("9 minutes")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.seen, ["A:1#1", "A:2#1"])
      assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R4.3 a lost lock interrupts the handler, settles nothing, and the next holder goes on",
    () => {
      let isDown = true
      const fault: Fault = (operation) =>
        isDown && operation === "RenewSessionLock" ? connectionFailed : undefined
      const { calls, layer } = world({ fault })
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2")
        const handler = journal.handler(() => ({ duration: "1 minute" }))
        const worker = yield* start(journal, { handler })
        yield* TestClock.adjust("31 seconds")
        assert.isFalse(calls.includes("Settle"))
        assert.deepStrictEqual(journal.done, [])
        isDown = false
        yield* TestClock.adjust("5 minutes")
        yield* Fiber.interrupt(worker)
        // Both were in hand when the lock ran out, and the holder may have been at work on either.
        assert.deepStrictEqual(journal.seen, ["A:1#1", "A:1#2", "A:2#2"])
        assert.strictEqual(journal.overlaps, 0)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "R4.3 a handler ends when its session is told to be lost, not at the next renewal",
    () => {
      const told = Deferred.makeUnsafe<QueueError.QueueError>()
      let accepts = 0
      const lost = () => (accepts++ === 0 ? Deferred.await(told) : undefined)
      const { layer } = world({ lost, lockDuration: "10 minutes" })
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1")
        const worker = yield* start(journal, {
          handler: journal.handler(() => ({ duration: accepts === 1 ? "4 minutes" : 0 }))
        })
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual([...journal.running], [["A", 1]])
        const reason = new QueueError.SessionLockLost({ sessionId: "A" })
        yield* Deferred.succeed(told, QueueError.make(reason))
        yield* TestClock.adjust("30 seconds")
        assert.deepStrictEqual(journal.done, ["A:1"])
        assert.strictEqual(journal.seen.length, 2)
        assert.strictEqual(journal.overlaps, 0)
        yield* Fiber.interrupt(worker)
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("R4.3 a session whose lock is lost while it backs off is accepted again", () => {
    let isDown = true
    const fault: Fault = (operation) =>
      isDown && operation === "RenewSessionLock"
        ? QueueError.make(new QueueError.SessionLockLost({ sessionId: "A" }))
        : undefined
    const { layer } = world({ fault, lockDuration: "10 seconds" })
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const handler = journal.handler((text, count) =>
        text === "1" && count === 1 ? { error: "down" } : {}
      )
      const slowly = Backoff.fixed({ initial: "30 seconds", jitter: 0 })
      const worker = yield* start(journal, { handler, backoff: slowly })
      yield* TestClock.adjust("20 seconds")
      isDown = false
      yield* TestClock.adjust("5 minutes")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a settlement that fails gives the session up; nothing behind it starts", () => {
    let failures = 0
    const fault: Fault = (operation) =>
      operation === "Settle" && failures++ < 1
        ? QueueError.make(new QueueError.PermissionDenied({ operation: "settle" }))
        : undefined
    const { layer } = world({ fault })
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const worker = yield* start(journal)
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      // Released, not lost: the count is not raised.
      assert.deepStrictEqual(journal.seen, ["A:1#1", "A:1#1", "A:2#1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R5.4 a receive that fails gives the session up, with a pause, and nothing is lost",
    () => {
      let failures = 0
      const fault: Fault = (operation) =>
        operation === "Receive" && failures++ < 3 ? connectionFailed : undefined
      const { calls, layer } = world({ fault })
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2")
        const worker = yield* start(journal, { concurrency: 1 })
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(calls.filter((call) => call === "Receive").length, 1)
        yield* TestClock.adjust("1 minute")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("R5.4 a lost connection is ridden out without a restart and without spinning", () => {
    let isDown = true
    const { calls, layer } = world({ fault: () => (isDown ? connectionFailed : undefined) })
    const journal = new Journal()
    return Effect.gen(function* () {
      const worker = yield* start(journal, { concurrency: 2 })
      yield* TestClock.adjust("1 hour")
      // At most one call in 24 s a slot once the backoff is at its ceiling of 30 s ± 20 %.
      assert.isBelow(calls.length, 2 * (3_600 / 24 + 10))
      isDown = false
      yield* send("A", "1")
      yield* TestClock.adjust("1 minute")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R5.4 R10.5 a service that cannot be reached is told once for all slots, and that it is back",
    () => {
      let fault: QueueError.QueueError | undefined = connectionFailed
      const { calls, layer } = world({ fault: () => fault })
      const journal = new Journal()
      const log = capture()
      const again = /^sessions are accepted again; accepting failed (\d+) times?$/u
      return Effect.gen(function* () {
        const worker = yield* start(journal, { concurrency: 10 })
        yield* TestClock.adjust("10 minutes")
        assert.strictEqual(log.said("Warn").length, 1)
        assert.match(
          log.said("Warn")[0] ?? "",
          /^accepting a session failed, again in .*Connection/u
        )
        // Another trouble is another line, and each of them one.
        fault = QueueError.make(new QueueError.Throttled())
        yield* TestClock.adjust("5 minutes")
        fault = connectionFailed
        yield* TestClock.adjust("5 minutes")
        assert.strictEqual(log.said("Warn").length, 2)
        assert.include(log.said("Warn")[1] ?? "", "Throttled")
        fault = undefined
        const failed = calls.length
        yield* send("A", "1")
        yield* TestClock.adjust("2 minutes")
        const reached = log.said("Info").flatMap((text) => again.exec(text)?.[1] ?? [])
        assert.deepStrictEqual(reached, [String(failed)])
        // The next time is told anew.
        fault = connectionFailed
        yield* TestClock.adjust("2 minutes")
        fault = undefined
        yield* TestClock.adjust("2 minutes")
        yield* Fiber.interrupt(worker)
        const accepting = log.said("Warn").filter((text) => text.startsWith("accepting"))
        assert.strictEqual(accepting.length, 3)
        assert.strictEqual(log.said("Info").filter((text) => again.test(text)).length, 2)
        assert.deepStrictEqual(log.said("Error"), [])
      }).pipe(Effect.provide(Layer.merge(layer, log.layer)))
    }
  )

  it.effect("R5.4 R10.5 a single failure is counted as one", () => {
    let left = 1
    const { layer } = world({ fault: () => (left-- > 0 ? connectionFailed : undefined) })
    const log = capture()
    return Effect.gen(function* () {
      const worker = yield* start(new Journal(), { concurrency: 1, wait: "1 second" })
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.interrupt(worker)
      const again = "sessions are accepted again; accepting failed 1 time"
      assert.deepStrictEqual(
        log.said("Info").filter((text) => text.startsWith("sessions")),
        [again]
      )
    }).pipe(Effect.provide(Layer.merge(layer, log.layer)))
  })

  it.effect("R4.2 nothing to accept is asked for again, and what comes is handled at once", () => {
    const { calls, layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      const worker = yield* start(journal, { concurrency: 1, wait: "10 seconds" })
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(calls.length, 6)
      yield* send("A", "1")
      yield* turns
      assert.deepStrictEqual(journal.done, ["A:1"])
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.4 a broker that ends its waits at once is not asked in a busy loop", () => {
    const { calls, layer } = world({ isImpatient: true })
    const journal = new Journal()
    return Effect.gen(function* () {
      const worker = yield* start(journal, { concurrency: 1 })
      yield* TestClock.adjust("10 seconds")
      assert.isAtMost(calls.length, 101)
      yield* send("A", "1")
      yield* TestClock.adjust("100 millis")
      assert.deepStrictEqual(journal.done, ["A:1"])
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.4 a service's own time to try again is kept", () => {
    const throttled = QueueError.make(new QueueError.Throttled(), {
      retryAfter: Duration.minutes(10)
    })
    let isFirst = true
    const fault: Fault = () => {
      const error = isFirst ? throttled : undefined
      isFirst = false
      return error
    }
    const { calls, layer } = world({ fault })
    return Effect.gen(function* () {
      const worker = yield* start(new Journal(), { concurrency: 1 })
      yield* TestClock.adjust("599 seconds")
      assert.strictEqual(calls.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual(calls.length, 2)
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.3 an idle session whose lock is lost is given up", () => {
    const fault: Fault = (operation) =>
      operation === "RenewSessionLock"
        ? QueueError.make(new QueueError.SessionLockLost({ sessionId: "A" }))
        : undefined
    const { layer } = world({ fault })
    return Effect.gen(function* () {
      yield* send("A", "1")
      const worker = yield* start(new Journal(), { sessionIdle: "1 minute" })
      yield* TestClock.adjust("14 seconds")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(acceptAtOnce("A"))))
      yield* TestClock.adjust("2 seconds")
      assert.isTrue(yield* acceptAtOnce("A"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R4.7 a question for others that fails leaves the session where it is", () => {
    let accepts = 0
    const fault: Fault = (operation) =>
      operation === "AcceptSession" && ++accepts > 1 ? connectionFailed : undefined
    const { layer } = world({ fault })
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2", "3")
      yield* send("B", "1")
      const worker = yield* start(journal, { concurrency: 1, prefetch: 1, sessionMessagesMax: 1 })
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done, ["A:1", "A:2", "A:3"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.3 drains: nothing new is accepted and running handlers finish", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      yield* send("B", "1")
      const handler = journal.handler(() => ({ duration: "10 seconds" }))
      const worker = yield* start(journal, { handler, concurrency: 1 })
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("8 seconds")
      assert.isUndefined(ending.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(journal.done, ["A:1"])
      assert.strictEqual((yield* stats).locked, 0)
      assert.isTrue(yield* acceptAtOnce("A"))
      assert.isTrue(yield* acceptAtOnce("B"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.3 what is not done after the grace period is abandoned and left unlocked", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1", "2")
      const handler = journal.handler(() => ({ duration: "4 minutes" }))
      const worker = yield* start(journal, { handler, gracePeriod: "5 seconds" })
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(ending)
      assert.deepStrictEqual(journal.done, [])
      assert.strictEqual((yield* stats).locked, 0)
      const again = new Journal()
      const next = yield* start(again)
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(next)
      assert.deepStrictEqual(again.seen, ["A:1#2", "A:2#1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.3 a handler that cannot be interrupted does not hold up the end for ever", () => {
    const { layer } = world()
    return Effect.gen(function* () {
      yield* send("A", "1")
      const handler = () => Effect.uninterruptible(Effect.sleep("1 hour"))
      const worker = yield* start(new Journal(), { handler, gracePeriod: "5 seconds" })
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("30 seconds")
      yield* Fiber.join(ending)
      assert.strictEqual((yield* stats).locked, 0)
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R5.3 a session whose settlement cannot be made is released when the worker ends",
    () => {
      let isDown = false
      const { calls, layer } = world({
        fault: (operation) => (isDown && operation === "Settle" ? connectionFailed : undefined)
      })
      return Effect.gen(function* () {
        yield* send("A", "1")
        const worker = yield* start(new Journal(), { handler: () => Effect.never, gracePeriod: 0 })
        isDown = true
        const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
        yield* TestClock.adjust("11 seconds")
        yield* Fiber.join(ending)
        assert.strictEqual((yield* stats).locked, 0)
        const before = calls.length
        yield* TestClock.adjust("1 hour")
        assert.strictEqual(calls.length, before)
      }).pipe(Effect.provide(layer))
    }
  )

  for (const sessions of [["A"], ["A", "B"]]) {
    it.effect(
      `R5.3 a session that cannot be parted from keeps none of ${sessions.join(", ")}`,
      () => {
        const { layer } = world()
        return Effect.gen(function* () {
          for (const session of sessions) yield* send(session, "1")
          // Whoever watches sessions has a bug when the first one closes.
          const bug = Effect.die(new Error("a bug"))
          const breaking: SessionLifecycle.Service = {
            ...(yield* SessionLifecycle.make()),
            opened: (_, sessionId) =>
              Effect.addFinalizer(() => (sessionId === "A" ? bug : Effect.void))
          }
          const worker = yield* start(new Journal(), { concurrency: 1 }).pipe(
            Effect.provideService(SessionLifecycle.SessionLifecycle, breaking)
          )
          yield* TestClock.adjust("30 seconds")
          const exit = yield* Fiber.await(worker)
          assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
          assert.strictEqual((yield* stats).locked, 0)
          for (const session of sessions) assert.isTrue(yield* acceptAtOnce(session))
        }).pipe(Effect.provide(layer))
      }
    )
  }

  it.effect("R2.3 a defect beside the handler ends the worker, after its handlers", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      yield* send("B", "1")
      const handler = journal.handler(() => ({ duration: "10 seconds" }))
      const bug = Effect.delay(Effect.die(new Error("a bug")), "5 seconds")
      const breaking: SessionLifecycle.Service = {
        ...(yield* SessionLifecycle.make()),
        handling: (_, sessionId) => (sessionId === "A" ? bug : Effect.void)
      }
      const worker = yield* start(journal, { handler }).pipe(
        Effect.provideService(SessionLifecycle.SessionLifecycle, breaking)
      )
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.await(worker)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
      assert.deepStrictEqual(journal.done, ["B:1"])
      assert.isTrue(yield* acceptAtOnce("A"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.3 parked sessions are released when the worker ends", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      const handler = journal.handler(() => ({ error: "down" }))
      const worker = yield* start(journal, { handler })
      yield* TestClock.adjust("1 second")
      assert.isTrue(Exit.isFailure(yield* Effect.exit(acceptAtOnce("A"))))
      yield* Fiber.interrupt(worker)
      assert.isTrue(yield* acceptAtOnce("A"))
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.3 a failure while the worker ends is not parked", () => {
    const { layer } = world()
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      const handler = journal.handler(() => ({ duration: "3 seconds", error: "down" }))
      const worker = yield* start(journal, { handler })
      yield* TestClock.adjust("1 second")
      const ending = yield* Effect.forkChild(Fiber.interrupt(worker))
      yield* TestClock.adjust("2 seconds")
      yield* Fiber.join(ending)
      assert.isTrue(yield* acceptAtOnce("A"))
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R4.6 the lifecycle manager sees what is held, and its wish to close is followed",
    () => {
      const { layer } = world()
      const journal = new Journal()
      return Effect.gen(function* () {
        const lifecycle = yield* SessionLifecycle.SessionLifecycle
        yield* send("A", "1", "2")
        yield* send("bad", "x")
        const handler = journal.handler((text) => (text === "x" ? { error: "down" } : {}))
        const slowly = Backoff.fixed({ initial: "10 minutes", max: "10 minutes", jitter: 0 })
        const worker = yield* start(journal, { handler, backoff: slowly, sessionIdle: "1 hour" })
        yield* TestClock.adjust("1 minute")
        const active = yield* lifecycle.active
        assert.deepStrictEqual(
          active.map(({ failures, messages, sessionId }) => [sessionId, messages, failures]),
          [
            ["A", 2, 0],
            ["bad", 1, 1]
          ]
        )
        assert.strictEqual(yield* lifecycle.closeIdle, 2)
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* lifecycle.summary).count, 0)
        assert.isTrue(yield* acceptAtOnce("A"))
        assert.isTrue(yield* acceptAtOnce("bad"))
        yield* Fiber.interrupt(worker)
      }).pipe(
        Effect.provide(Layer.merge(layer, SessionLifecycle.layer({ idleAfter: "30 seconds" })))
      )
    }
  )

  it.effect("R5.1 options out of their range are refused before anything is accepted", () => {
    const { calls, layer } = world()
    return Effect.gen(function* () {
      const cases: ReadonlyArray<readonly [string, Options]> = [
        ["concurrency", { concurrency: 0 }],
        ["wait", { wait: Duration.infinity }],
        ["sessionIdle", { sessionIdle: Duration.infinity }],
        ["sessionMessagesMax", { sessionMessagesMax: 1.5 }],
        ["sessionDurationMax", { sessionDurationMax: Duration.infinity }],
        ["parkedMax", { parkedMax: -1 }],
        ["prefetch", { prefetch: Number.NaN }],
        ["gracePeriod", { gracePeriod: Duration.infinity }],
        ["handlerTimeout", { handlerTimeout: Duration.infinity }],
        ["deliveriesMax", { deliveriesMax: 0 }]
      ]
      for (const [field, options] of cases) {
        const error = yield* Effect.flip(
          SessionWorker.run({ queue, handler: () => Effect.void, ...options })
        )
        assert.strictEqual(error.reason._tag, "ValidationFailed")
        assert.match(error.message, new RegExp(`\\b${field}: must be`, "u"))
      }
      assert.deepStrictEqual(calls, [])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R3.11 a queue without sessions is UnsupportedOperation", () => {
    const { layer } = world({ sessions: false })
    return Effect.gen(function* () {
      const error = yield* Effect.flip(SessionWorker.run({ queue, handler: () => Effect.void }))
      assert.strictEqual(error.reason._tag, "UnsupportedOperation")
      assert.match(error.message, /on this queue: it has no sessions; switch them on/u)
    }).pipe(Effect.provide(layer))
  })

  it.effect("R3.12 a queue that does not exist is QueueNotFound, not one without sessions", () => {
    const { layer } = world()
    const missing = QueueName.makeUnsafe("nowhere")
    return Effect.gen(function* () {
      const error = yield* Effect.flip(
        SessionWorker.run({ queue: missing, handler: () => Effect.void })
      )
      assert.strictEqual(error.reason._tag, "QueueNotFound")
      assert.include(error.message, "nowhere")
    }).pipe(Effect.provide(layer))
  })

  it.effect("R3.11 what the service says besides does not hide that sessions are off", () => {
    // It has sessions and the settings say that it has none; it cannot be reached.
    const worlds = [
      world({ capabilities: { sessions: "unsupported" } }),
      world({ sessions: false, fault: () => connectionFailed })
    ]
    return Effect.gen(function* () {
      for (const { layer } of worlds) {
        const error = yield* SessionWorker.run({ queue, handler: () => Effect.void }).pipe(
          Effect.flip,
          Effect.provide(layer)
        )
        assert.strictEqual(error.reason._tag, "UnsupportedOperation")
      }
    })
  })

  const refusals = [
    QueueError.make(new QueueError.AuthenticationFailed({ detail: "expired" })),
    QueueError.make(new QueueError.PermissionDenied({ operation: "accept" }))
  ]

  for (const refusal of refusals) {
    const what = refusal.reason._tag

    it.effect(
      `R5.4 ${what} is ridden out by a worker that was let in, told once as an error`,
      () => {
        let isRefused = false
        const { calls, layer } = world({ fault: () => (isRefused ? refusal : undefined) })
        const journal = new Journal()
        const lines: Array<{ readonly level: string; readonly text: string }> = []
        const logger = Logger.make(({ logLevel: level, message: text }) => {
          lines.push({ level, text: String(text) })
        })
        return Effect.gen(function* () {
          yield* send("A", "1")
          const worker = yield* start(journal, { concurrency: 2 })
          yield* TestClock.adjust("10 seconds")
          assert.deepStrictEqual(journal.done, ["A:1"])
          isRefused = true
          const before = calls.length
          yield* TestClock.adjust("1 hour")
          // At most one call in 24 s a slot once the backoff is at its ceiling of 30 s ± 20 %.
          assert.isAbove(calls.length, before + 100)
          assert.isBelow(calls.length, before + 2 * (3_600 / 24 + 10))
          isRefused = false
          yield* send("A", "2")
          yield* TestClock.adjust("1 minute")
          yield* Fiber.interrupt(worker)
          assert.deepStrictEqual(journal.done, ["A:1", "A:2"])
          const errors = lines.filter(({ level }) => level === "Error").map(({ text }) => text)
          assert.strictEqual(errors.length, 1)
          assert.match(errors[0] ?? "", /^access is refused, and asked for until it is not: /u)
          const granted = lines.filter(({ text }) => text === "access is granted again")
          assert.strictEqual(granted.length, 1)
        }).pipe(Effect.provide(Layer.merge(layer, Logger.layer([logger]))))
      }
    )

    it.effect(`R5.4 ${what} from the start ends the worker at once`, () => {
      const { layer } = world({ fault: () => refusal })
      return Effect.gen(function* () {
        const worker = yield* start(new Journal(), { concurrency: 2 })
        const error = yield* Effect.flip(Fiber.join(worker))
        assert.strictEqual(error.reason._tag, what)
      }).pipe(Effect.provide(layer))
    })
  }

  it.effect("R5.4 what no waiting mends ends the worker, after its handlers", () => {
    let isGone = false
    const { layer } = world({
      fault: (operation) =>
        isGone && operation === "AcceptSession"
          ? QueueError.make(new QueueError.QueueNotFound({ queue }))
          : undefined
    })
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* send("A", "1")
      const handler = journal.handler(() => ({ duration: "40 seconds" }))
      const worker = yield* start(journal, { handler, concurrency: 2, gracePeriod: "1 minute" })
      yield* TestClock.adjust("1 second")
      isGone = true
      yield* TestClock.adjust("1 minute")
      const exit = yield* Fiber.await(worker)
      assert.isTrue(Exit.isFailure(exit))
      if (Exit.isFailure(exit)) {
        const error = Option.getOrThrow(Cause.findErrorOption(exit.cause))
        assert.strictEqual(error.reason._tag, "QueueNotFound")
      }
      assert.deepStrictEqual(journal.done, ["A:1"])
    }).pipe(Effect.provide(layer))
  })

  it.effect("R5.4 R10.5 what ends it is told as an error, once and before it drains", () => {
    let isGone = false
    const gone = QueueError.make(new QueueError.QueueNotFound({ queue }))
    const { layer } = world({ fault: () => (isGone ? gone : undefined) })
    const log = capture()
    return Effect.gen(function* () {
      const worker = yield* start(new Journal(), { concurrency: 3, wait: "1 second" })
      yield* TestClock.adjust("10 seconds")
      isGone = true
      yield* TestClock.adjust("10 seconds")
      yield* Fiber.await(worker)
      const [started, failed, ...ended] = log.said("Info", "Warn", "Error")
      assert.strictEqual(started, "session worker started")
      assert.match(failed ?? "", /^session worker failed: QueueNotFound: queue "events" does not/u)
      assert.deepStrictEqual(ended, ["session worker drains", "session worker ended"])
      assert.strictEqual(log.said("Error").length, 1)
    }).pipe(Effect.provide(Layer.merge(layer, log.layer)))
  })

  it.effect("R5.3 R10.5 one that is told to end does not say that it failed", () => {
    const { layer } = world()
    const log = capture()
    return Effect.gen(function* () {
      yield* Fiber.interrupt(yield* start(new Journal()))
      assert.deepStrictEqual(log.said("Warn", "Error"), [])
    }).pipe(Effect.provide(Layer.merge(layer, log.layer)))
  })

  it.effect(
    "R5.4 the layer's worker lives with it, and its end by an error is logged, once",
    () => {
      const { layer } = world({ sessions: false })
      const log = capture()
      const worker = SessionWorker.layer({
        queue: QueueName.makeUnsafe("events"),
        handler: () => Effect.void
      })
      return Effect.gen(function* () {
        yield* turns
        const errors = log.said("Error")
        assert.strictEqual(errors.length, 1)
        assert.match(errors[0] ?? "", /^session worker failed: UnsupportedOperation: /u)
      }).pipe(Effect.provide(worker.pipe(Layer.provide(layer), Layer.provideMerge(log.layer))))
    }
  )

  it.effect.prop(
    "R4.7 R4.1 whatever fails and however long it takes: in order, one at a time, nothing lost",
    {
      sessions: Arbitrary.array(
        Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 5 }))),
        { minLength: 1, maxLength: 6 }
      ),
      failures: Arbitrary.array(
        Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 3 }))),
        { minLength: 1, maxLength: 30 }
      ),
      concurrency: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 }))),
      prefetch: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 4 })))
    },
    ({ concurrency, failures, prefetch, sessions }) => {
      const { layer } = world()
      const journal = new Journal()
      const texts = sessions.map((count, session) =>
        Array.from({ length: count }, (_, index) => `${session}.${index}`)
      )
      const flat = texts.flat()
      const failuresOf = (text: string): number =>
        failures[flat.indexOf(text) % failures.length] ?? 0
      return Effect.gen(function* () {
        for (const [session, each] of texts.entries()) yield* send(`S${session}`, ...each)
        const handler = journal.handler((text, count) =>
          count <= failuresOf(text)
            ? { duration: `${count} seconds`, error: "down" }
            : { duration: "500 millis" }
        )
        const worker = yield* start(journal, {
          handler,
          concurrency,
          prefetch,
          sessionMessagesMax: 2,
          sessionIdle: "2 seconds",
          parkedMax: 2
        })
        yield* TestClock.adjust("1 hour")
        yield* Fiber.interrupt(worker)
        for (const [session, each] of texts.entries()) {
          assert.deepStrictEqual(journal.doneOf(`S${session}`), each)
        }
        assert.strictEqual(journal.overlaps, 0)
        assert.isAtMost(journal.mostAtOnce, concurrency)
        const { active, deadLettered, locked } = yield* stats
        assert.deepStrictEqual([active, locked, deadLettered], [0, 0, 0])
        return true
      }).pipe(Effect.provide(layer))
    },
    { arbitrary: { runs: 60, seed: 7 } }
  )

  it.effect(
    "R5.6 accepts nothing and handles nothing until it is ready, and its sessions wait uncounted",
    () => {
      const { calls, layer } = world()
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2")
        yield* send("B", "1")
        const gate = yield* Latch.make(false)
        const ready = Effect.as(gate.await, 1)
        const worker = yield* start(journal, { ready })
        yield* TestClock.adjust("10 minutes")
        assert.isFalse(calls.includes("AcceptSession"))
        yield* gate.open
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(journal.seen.toSorted(), ["A:1#1", "A:2#1", "B:1#1"])
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect(
    "R5.6 a pause between two messages of a session keeps it, and the second is not counted twice",
    () => {
      const { layer } = world()
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2")
        const gate = yield* Latch.make(true)
        const worker = yield* start(journal, {
          ready: Effect.as(gate.await, 1),
          handler: journal.handler(() => {
            gate.closeUnsafe()
            return {}
          })
        })
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(journal.seen, ["A:1#1"])
        assert.isFalse(yield* Effect.orElseSucceed(acceptAtOnce("A"), () => false))
        yield* gate.open
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(journal.seen, ["A:1#1", "A:2#1"])
      }).pipe(Effect.provide(layer))
    }
  )

  /** Paused with a session in hand, whose first message is handled and whose second waits. */
  const paused = Effect.fnUntraced(function* (journal: Journal, options: Options = {}) {
    yield* send("A", "1", "2")
    const gate = yield* Latch.make(true)
    const worker = yield* start(journal, {
      ready: Effect.as(gate.await, 1),
      handler: journal.handler(() => {
        gate.closeUnsafe()
        return {}
      }),
      ...options
    })
    yield* TestClock.adjust("1 second")
    assert.deepStrictEqual(journal.seen, ["A:1#1"])
    return { gate, worker }
  })

  it.effect(
    "R5.6 R5.3 a paused worker ends at once when it is told to, and releases what it holds",
    () => {
      const { layer } = world()
      return Effect.gen(function* () {
        const { worker } = yield* paused(new Journal())
        yield* Fiber.interrupt(worker)
        assert.isTrue(yield* acceptAtOnce("A"))
      }).pipe(Effect.provide(layer))
    }
  )

  it.effect("R5.6 R4.3 a session whose lock is lost in a pause is given up", () => {
    let isLost = false
    const { layer } = world({
      fault: (operation) =>
        isLost && operation === "RenewSessionLock"
          ? QueueError.make(new QueueError.SessionLockLost({ sessionId: "A" }))
          : undefined
    })
    return Effect.gen(function* () {
      const { worker } = yield* paused(new Journal())
      isLost = true
      yield* TestClock.adjust("1 minute")
      assert.isTrue(yield* acceptAtOnce("A"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(layer))
  })

  it.effect(
    "R4.6 a session that is asked back is given up though more of it is there at once",
    () => {
      const { layer } = world()
      const journal = new Journal()
      let isAsked = false
      let holds = 0
      const lifecycle = Effect.map(SessionLifecycle.SessionLifecycle, (own) => ({
        ...own,
        opened: (...[name, sessionId, ask]: Parameters<typeof own.opened>) => {
          holds++
          return Effect.tap(own.opened(name, sessionId, ask), () => {
            if (isAsked) return Effect.void
            isAsked = true
            return ask
          })
        }
      }))
      return Effect.gen(function* () {
        yield* send("A", "1", "2", "3")
        const worker = yield* Effect.provideService(
          start(journal, { concurrency: 1, prefetch: 1 }),
          SessionLifecycle.SessionLifecycle,
          yield* lifecycle
        )
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(journal.done, ["A:1", "A:2", "A:3"])
        assert.strictEqual(holds, 2)
      }).pipe(Effect.provide(Layer.merge(layer, SessionLifecycle.layer())))
    }
  )

  it.effect("R5.6 R4.6 a session that is asked back in a pause is given up", () => {
    const { layer } = world()
    return Effect.gen(function* () {
      const { worker } = yield* paused(new Journal())
      yield* TestClock.adjust("1 minute")
      const lifecycle = yield* SessionLifecycle.SessionLifecycle
      yield* lifecycle.closeIdle
      yield* TestClock.adjust("1 second")
      assert.isTrue(yield* acceptAtOnce("A"))
      yield* Fiber.interrupt(worker)
    }).pipe(Effect.provide(Layer.merge(layer, SessionLifecycle.layer({ idleAfter: "30 seconds" }))))
  })

  it.effect(
    "R5.6 R4.7 a message that found a circuit open comes first again after its time, and is never dead-lettered for it",
    () => {
      const { layer } = world({ deliveriesMax: 50 })
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* send("A", "1", "2", "3")
        yield* send("B", "1")
        const handler = journal.handler((text, count) =>
          text === "1" && count < 9
            ? {
                error: QueueError.make(
                  new QueueError.CircuitOpen({ until: DateTime.makeUnsafe(30_000) }),
                  { retryAfter: Duration.seconds(30) }
                )
              }
            : {}
        )
        const worker = yield* start(journal, { handler, deliveriesMax: 3 })
        yield* TestClock.adjust("10 minutes")
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(yield* deadLetters, [])
        assert.deepStrictEqual(journal.doneOf("A"), ["1", "2", "3"])
        assert.deepStrictEqual(journal.doneOf("B"), ["1"])
      }).pipe(Effect.provide(layer))
    }
  )
})
