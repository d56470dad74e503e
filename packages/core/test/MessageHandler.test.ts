import { assert, describe, it } from "@effect/vitest"
import * as Data from "effect/Data"
import * as DateTime from "effect/DateTime"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Backoff from "../src/Backoff.ts"
import * as Defaults from "../src/Defaults.ts"
import * as HandlerFailure from "../src/HandlerFailure.ts"
import * as MessageHandler from "../src/MessageHandler.ts"
import * as QueueError from "../src/QueueError.ts"
import type * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as SessionId from "../src/SessionId.ts"
import type * as Verdict from "../src/Verdict.ts"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import { untyped } from "./support/untyped.ts"
import * as Received from "./support/Received.ts"

class Refused extends Data.TaggedError("Refused")<{ readonly message: string }> {}

const backoff = Backoff.exponential({ initial: "1 second", jitter: 0 })
const expired = () => QueueError.make(new QueueError.ReceiptExpired())

interface Hand {
  readonly delivery: MessageHandler.Delivery
  readonly verdicts: Array<Verdict.Verdict>
  readonly lockLost: Deferred.Deferred<QueueError.QueueError>
  readonly graceOver: Deferred.Deferred<void>
}

/** A delivery in hand; `fate` says how each try to settle it ends. */
const hand = (
  message: Partial<ReceivedMessage.ReceivedMessage> = {},
  fate: (
    verdict: Verdict.Verdict,
    nth: number
  ) => Effect.Effect<void, QueueError.QueueError> = () => Effect.void
): Hand => {
  const verdicts: Array<Verdict.Verdict> = []
  const lockLost = Deferred.makeUnsafe<QueueError.QueueError>()
  const graceOver = Deferred.makeUnsafe<void>()
  const settle = (verdict: Verdict.Verdict) =>
    Effect.suspend(() => {
      verdicts.push(verdict)
      return fate(verdict, verdicts.length)
    })
  const received = Received.make(message)
  const delivery = {
    message: received,
    settle,
    lockedUntil: Effect.succeed(received.lockedUntil),
    lockLost,
    graceOver
  }
  return { delivery, verdicts, lockLost, graceOver }
}

/** Starts to handle one delivery, and sees its handler begin. */
const start = Effect.fnUntraced(function* <E>(
  { delivery }: Hand,
  handler: MessageHandler.MessageHandler<E>,
  options: MessageHandler.Options<E> = {}
) {
  const run = yield* MessageHandler.make(handler, { backoff, ...options })
  const running = yield* Effect.forkChild(run(delivery), { startImmediately: true })
  yield* TestClock.adjust(0)
  return running
})

/** Handles one delivery to its end, letting so much time go by. */
const handle = Effect.fnUntraced(function* <E>(
  one: Hand,
  handler: MessageHandler.MessageHandler<E>,
  options: MessageHandler.Options<E> = {},
  time: Duration.Input = 0
) {
  const running = yield* start(one, handler, options)
  yield* TestClock.adjust(time)
  return yield* Fiber.join(running)
})

const tagsOf = (verdicts: ReadonlyArray<Verdict.Verdict>) => verdicts.map(({ _tag }) => _tag)

describe("MessageHandler: how a handler ends, and what becomes of its message", () => {
  it.effect("R5.2 success completes", () =>
    Effect.gen(function* () {
      const one = hand()
      const seen: Array<string> = []
      const disposition = yield* handle(one, ({ messageId }) =>
        Effect.sync(() => seen.push(messageId))
      )
      assert.deepStrictEqual(disposition, { _tag: "Completed" })
      assert.deepStrictEqual(one.verdicts, [{ _tag: "Complete" }])
      assert.deepStrictEqual(seen, ["m-1"])
    })
  )

  it.effect("R5.2 a transient failure abandons with backoff by the delivery count", () =>
    Effect.gen(function* () {
      const one = hand({ deliveryCount: 3 })
      const disposition = yield* handle(one, () => Effect.fail(new Refused({ message: "later" })))
      const delay = Duration.seconds(4)
      assert.deepStrictEqual(disposition, {
        _tag: "Abandoned",
        delay,
        reason: "Refused",
        description: "later"
      })
      assert.deepStrictEqual(one.verdicts, [{ _tag: "Abandon", delay }])
    })
  )

  it.effect("R5.2 the default backoff is exponential with jitter", () =>
    Effect.gen(function* () {
      const one = hand({ deliveryCount: 2 })
      const run = yield* MessageHandler.make(() => Effect.fail("no"))
      const disposition = yield* run(one.delivery)
      if (disposition._tag !== "Abandoned") return assert.fail(disposition._tag)
      const millis = Duration.toMillis(disposition.delay)
      assert.isAtLeast(millis, 1_600)
      assert.isAtMost(millis, 2_400)
    })
  )

  it.effect("R6.1 a failure's own retryAfter wins over the backoff", () =>
    Effect.gen(function* () {
      const one = hand()
      const retryAfter = Duration.seconds(17)
      const throttled = QueueError.make(new QueueError.Throttled(), { retryAfter })
      yield* handle(one, () => Effect.fail(throttled))
      assert.deepStrictEqual(one.verdicts, [{ _tag: "Abandon", delay: retryAfter }])
    })
  )

  it.effect("R5.2 a permanent failure dead-letters with the error's tag and message", () =>
    Effect.gen(function* () {
      const one = hand()
      const permanent = new HandlerFailure.Permanent({
        reason: "UnknownEvent",
        description: "no handler for check_suite"
      })
      const disposition = yield* handle(one, () => Effect.fail(permanent))
      const description = "no handler for check_suite"
      assert.deepStrictEqual(disposition, {
        _tag: "DeadLettered",
        reason: "UnknownEvent",
        description
      })
      const now = yield* DateTime.now
      const details = { errorType: "Permanent", attempts: 1, firstFailedAt: now, lastFailedAt: now }
      assert.deepStrictEqual(one.verdicts, [
        { _tag: "DeadLetter", reason: "UnknownEvent", description, details }
      ])
    })
  )

  it.effect("R7.2 a dead letter says who, how often, and when it failed first and last", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(90_000)
      const [firstDeliveredAt, now] = [DateTime.makeUnsafe(5_000), DateTime.makeUnsafe(90_000)]
      const origin = { service: "bot", tags: { team: "a" }, stack: true }
      const one = hand({ deliveryCount: 5, firstDeliveredAt })
      yield* handle(one, () => Effect.fail(new Refused({ message: "bad" })), { origin })
      const [verdict] = one.verdicts
      const details = verdict?._tag === "DeadLetter" ? verdict.details : undefined
      const { stack, ...rest } = details ?? assert.fail("it was dead-lettered with details")
      assert.match(stack ?? "", /MessageHandler\.test/u)
      assert.deepStrictEqual(rest, {
        errorType: "Refused",
        service: "bot",
        tags: { team: "a" },
        attempts: 5,
        firstFailedAt: firstDeliveredAt,
        lastFailedAt: now
      })
    })
  )

  it.effect(
    "R7.2 one that was delivered too often says what is known: no error, no last failure",
    () =>
      Effect.gen(function* () {
        const firstDeliveredAt = DateTime.makeUnsafe(0)
        const one = hand({ deliveryCount: 6, firstDeliveredAt })
        yield* handle(one, () => Effect.die("not called"), {
          origin: { service: "bot", stack: true }
        })
        const [verdict] = one.verdicts
        assert.deepStrictEqual(verdict?._tag === "DeadLetter" ? verdict.details : undefined, {
          service: "bot",
          attempts: 5,
          firstFailedAt: firstDeliveredAt
        })
      })
  )

  it.effect(
    "R7.2 an origin that the brokers cannot take is refused before anything is handled",
    () =>
      Effect.gen(function* () {
        const origin = { service: "x".repeat(300) }
        const error = yield* Effect.flip(MessageHandler.make(() => Effect.void, { origin }))
        assert.match(error.message, /origin\.service/u)
      })
  )

  it.effect("R5.2 what is permanent is the application's to say", () =>
    Effect.gen(function* () {
      const one = hand()
      const disposition = yield* handle(one, () => Effect.fail(new Refused({ message: "never" })), {
        isPermanent: ({ _tag }) => _tag === "Refused"
      })
      assert.strictEqual(disposition._tag, "DeadLettered")
    })
  )

  it.effect("R5.2 a defect abandons, even one that says it is permanent", () =>
    Effect.gen(function* () {
      const one = hand()
      const defect = new HandlerFailure.Permanent({ reason: "Bug", description: "thrown" })
      const disposition = yield* handle(one, () => Effect.die(defect))
      assert.deepStrictEqual(disposition, {
        _tag: "Abandoned",
        delay: Duration.seconds(1),
        reason: "Bug",
        description: "thrown"
      })
    })
  )

  it.effect("R5.2 a handler that throws before it returns an effect abandons", () =>
    Effect.gen(function* () {
      const one = hand()
      const disposition = yield* handle(one, () => {
        throw new TypeError("not a function")
      })
      assert.deepStrictEqual(disposition, {
        _tag: "Abandoned",
        delay: Duration.seconds(1),
        reason: "TypeError",
        description: "not a function"
      })
    })
  )

  it.effect("R5.2 a handler that interrupts itself abandons", () =>
    Effect.gen(function* () {
      const one = hand()
      const disposition = yield* handle(one, () => Effect.interrupt)
      assert.strictEqual(disposition._tag, "Abandoned")
      assert.deepStrictEqual(tagsOf(one.verdicts), ["Abandon"])
    })
  )

  it.effect("R5.2 judgement that throws abandons by the default backoff", () =>
    Effect.gen(function* () {
      for (const options of [
        {
          isPermanent: () => {
            throw new TypeError("judgement")
          }
        },
        { backoff: () => Effect.die(new TypeError("judgement")) }
      ]) {
        const one = hand()
        const disposition = yield* handle(one, () => Effect.fail("no"), options)
        if (disposition._tag !== "Abandoned") return assert.fail(disposition._tag)
        assert.strictEqual(disposition.description, "judgement")
        assert.isAtMost(Duration.toMillis(disposition.delay), 1_200)
        assert.deepStrictEqual(tagsOf(one.verdicts), ["Abandon"])
      }
    })
  )

  it.effect("R5.2 one that outlasts its time limit is interrupted and its message abandoned", () =>
    Effect.gen(function* () {
      const one = hand()
      let interrupted = false
      const running = yield* start(
        one,
        () => Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true))),
        { handlerTimeout: "1 minute" }
      )
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual([interrupted, one.verdicts.length], [false, 0])
      yield* TestClock.adjust("1 second")
      const disposition = yield* Fiber.join(running)
      assert.isTrue(interrupted)
      assert.deepStrictEqual(disposition, {
        _tag: "Abandoned",
        delay: Duration.seconds(1),
        reason: "Timeout",
        description: "no answer within 1m"
      })
      assert.deepStrictEqual(tagsOf(one.verdicts), ["Abandon"])
    })
  )

  it.effect("R5.2 the default time limit is that of Defaults", () =>
    Effect.gen(function* () {
      const one = hand()
      const running = yield* start(one, () => Effect.never)
      yield* TestClock.adjust(Defaults.handlerTimeout)
      assert.strictEqual((yield* Fiber.join(running))._tag, "Abandoned")
    })
  )

  it.effect("R5.2 one that cannot be interrupted does not hold its message past its limit", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const one = hand()
      const done = yield* Deferred.make<void>()
      const slow = Effect.uninterruptible(
        Effect.andThen(Effect.sleep("1 hour"), Deferred.succeed(done, undefined))
      )
      const disposition = yield* handle(
        one,
        () => slow,
        { handlerTimeout: "1 minute" },
        Duration.sum(Duration.minutes(1), Defaults.interruptionWait)
      ).pipe(Effect.provide(layer))
      assert.strictEqual(disposition._tag, "Abandoned")
      assert.deepStrictEqual(tagsOf(one.verdicts), ["Abandon"])
      assert.isFalse(yield* Deferred.isDone(done))
      const left = lines.find(({ text }) => text.includes("cannot be interrupted"))
      assert.strictEqual(left?.level, "Error")
      yield* TestClock.adjust("1 hour")
      assert.isTrue(yield* Deferred.isDone(done))
    })
  )

  it.effect("R5.2 a success in the moment of the time limit counts", () =>
    Effect.gen(function* () {
      const one = hand()
      const disposition = yield* handle(
        one,
        () => Effect.sleep("1 minute"),
        { handlerTimeout: "1 minute" },
        "1 minute"
      )
      assert.deepStrictEqual(disposition, { _tag: "Completed" })
      assert.deepStrictEqual(one.verdicts, [{ _tag: "Complete" }])
    })
  )

  it.effect("R5.2 a failure in the moment of interruption is still a time-out", () =>
    Effect.gen(function* () {
      const one = hand()
      const disposition = yield* handle(
        one,
        () => Effect.uninterruptible(Effect.andThen(Effect.sleep("62 seconds"), Effect.fail("no"))),
        { handlerTimeout: "1 minute" },
        "2 minutes"
      )
      assert.isTrue(disposition._tag === "Abandoned" && disposition.reason === "Timeout")
    })
  )

  it.effect(
    "R5.2 a message past its maximum deliveries is dead-lettered before the handler sees it",
    () =>
      Effect.gen(function* () {
        let called = 0
        const handler = () => Effect.sync(() => called++)
        const last = hand({ deliveryCount: Defaults.deliveriesMax })
        const over = hand({ deliveryCount: Defaults.deliveriesMax + 1 })
        const own = hand({ deliveryCount: 2 })
        assert.strictEqual((yield* handle(last, handler))._tag, "Completed")
        const poisoned = yield* handle(over, handler)
        const byOption = yield* handle(own, handler, { deliveriesMax: 1 })
        assert.strictEqual(called, 1)
        assert.deepStrictEqual(poisoned, {
          _tag: "DeadLettered",
          reason: "MaxDeliveryCountExceeded",
          description: "delivered 6 times; the maximum is 5"
        })
        assert.strictEqual(byOption._tag, "DeadLettered")
        assert.deepStrictEqual(tagsOf(over.verdicts), ["DeadLetter"])
      })
  )

  it.effect("R5.2 the last failure is dead-lettered with what it failed with", () =>
    Effect.gen(function* () {
      const max = Defaults.deliveriesMax
      const handler = () => Effect.fail({ _tag: "DownstreamDown", message: "503" })
      const before = yield* handle(hand({ deliveryCount: max - 1 }), handler)
      const last = yield* handle(hand({ deliveryCount: max }), handler)
      assert.strictEqual(before._tag, "Abandoned")
      assert.deepStrictEqual(last, {
        _tag: "DeadLettered",
        reason: "MaxDeliveryCountExceeded",
        description: "failed 5 times, the maximum; last with DownstreamDown: 503"
      })
    })
  )

  it.effect("R5.2 a lost lock interrupts the handler and settles nothing", () =>
    Effect.gen(function* () {
      const one = hand()
      let interrupted = false
      const running = yield* start(one, () =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      )
      yield* TestClock.adjust("1 second")
      const error = expired()
      yield* Deferred.succeed(one.lockLost, error)
      assert.deepStrictEqual(yield* Fiber.join(running), { _tag: "LockLost", error })
      assert.isTrue(interrupted)
      assert.deepStrictEqual(one.verdicts, [])
    })
  )

  it.effect(
    "R5.3 one still running when the grace is over is interrupted and released at once",
    () =>
      Effect.gen(function* () {
        const one = hand()
        const running = yield* start(one, () => Effect.never)
        yield* TestClock.adjust("1 second")
        yield* Deferred.succeed(one.graceOver, undefined)
        assert.deepStrictEqual(yield* Fiber.join(running), { _tag: "Released" })
        assert.deepStrictEqual(one.verdicts, [{ _tag: "Abandon", delay: Duration.zero }])
      })
  )

  it.effect("interrupted itself it stops the handler and settles nothing", () =>
    Effect.gen(function* () {
      const one = hand()
      let interrupted = false
      const run = yield* MessageHandler.make(() =>
        Effect.onInterrupt(Effect.never, () => Effect.sync(() => (interrupted = true)))
      )
      const running = yield* Effect.forkChild(run(one.delivery))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(running)
      assert.isTrue(interrupted)
      assert.deepStrictEqual(one.verdicts, [])
    })
  )
})

describe("MessageHandler: a circuit that is open", () => {
  const open = QueueError.make(new QueueError.CircuitOpen({ until: DateTime.makeUnsafe(30_000) }), {
    retryAfter: Duration.seconds(30)
  })

  /** One worker's deliveries of one message, one after the other: what became of each. */
  const deliveries = Effect.fnUntraced(function* <E>(
    handler: MessageHandler.MessageHandler<E>,
    counts: ReadonlyArray<number>,
    options: MessageHandler.Options<E> = {}
  ) {
    const run = yield* MessageHandler.make(handler, { backoff, deliveriesMax: 3, ...options })
    return yield* Effect.forEach(counts, (deliveryCount) => run(hand({ deliveryCount }).delivery))
  })

  it.effect(
    "R5.6 abandons for the time that is left, however often, and whatever isPermanent says",
    () =>
      Effect.gen(function* () {
        const dispositions = yield* deliveries(() => Effect.fail(open), [1, 2, 3, 4, 5, 6], {
          isPermanent: () => true
        })
        const excused: MessageHandler.Disposition = {
          _tag: "Abandoned",
          delay: Duration.seconds(30),
          reason: "CircuitOpen",
          description: "the circuit breaker is open until 1970-01-01T00:00:30.000Z",
          isExcused: true
        }
        assert.deepStrictEqual(
          dispositions,
          Array.from({ length: 6 }, () => excused)
        )
      })
  )

  it.effect(
    "R5.6 R5.2 such deliveries are off the count: the others decide, and the backoff goes by them",
    () =>
      Effect.gen(function* () {
        const ends = [open, "no", open, open, "no", "no"]
        const dispositions = yield* deliveries(
          ({ deliveryCount }) => Effect.fail(ends[deliveryCount - 1]),
          [1, 2, 3, 4, 5, 6]
        )
        assert.deepStrictEqual(
          dispositions.map((one) =>
            one._tag === "Abandoned" ? Duration.toSeconds(one.delay) : one._tag
          ),
          [30, 1, 30, 30, 2, "DeadLettered"]
        )
        const last = dispositions.at(-1)
        assert.match(
          last?._tag === "DeadLettered" ? last.description : "",
          /^failed 3 times, the maximum/u
        )
      })
  )

  it.effect("R5.6 R5.2 and none is dead-lettered unseen for them, but for the others it is", () =>
    Effect.gen(function* () {
      let isOpen = true
      let seen = 0
      const handler = () =>
        Effect.suspend(() => {
          seen++
          return isOpen ? Effect.fail(open) : Effect.die("the process crashed here, so to speak")
        })
      const run = yield* MessageHandler.make(handler, { backoff, deliveriesMax: 3 })
      for (const deliveryCount of [1, 2, 3, 4]) yield* run(hand({ deliveryCount }).delivery)
      isOpen = false
      yield* run(hand({ deliveryCount: 6 }).delivery)
      assert.strictEqual(seen, 5)
      const disposition = yield* run(hand({ deliveryCount: 8 }).delivery)
      assert.strictEqual(seen, 5)
      assert.deepStrictEqual(disposition, {
        _tag: "DeadLettered",
        reason: "MaxDeliveryCountExceeded",
        description: "delivered 4 times; the maximum is 3"
      })
    })
  )

  it.effect("R5.6 a message that is done begins anew when it is sent again", () =>
    Effect.gen(function* () {
      let isOpen = true
      const run = yield* MessageHandler.make(
        () => Effect.suspend(() => (isOpen ? Effect.fail(open) : Effect.void)),
        { deliveriesMax: 3 }
      )
      for (const deliveryCount of [1, 2]) yield* run(hand({ deliveryCount }).delivery)
      isOpen = false
      assert.strictEqual((yield* run(hand({ deliveryCount: 5 }).delivery))._tag, "Completed")
      assert.strictEqual((yield* run(hand({ deliveryCount: 5 }).delivery))._tag, "DeadLettered")
    })
  )
})

describe("MessageHandler: settling", () => {
  it.effect("R2.2 a settlement that fails transiently is tried again, with growing pauses", () =>
    Effect.gen(function* () {
      const one = hand({}, (_, nth) => (nth < 3 ? Effect.fail(Clients.transient()) : Effect.void))
      const disposition = yield* handle(one, () => Effect.void, {}, "10 seconds")
      assert.deepStrictEqual(disposition, { _tag: "Completed" })
      assert.deepStrictEqual(tagsOf(one.verdicts), ["Complete", "Complete", "Complete"])
    })
  )

  it.effect("R2.2 the service's own retryAfter is the pause", () =>
    Effect.gen(function* () {
      const retryAfter = Duration.seconds(20)
      const throttled = QueueError.make(new QueueError.Throttled(), { retryAfter })
      const one = hand({}, (_, nth) => (nth === 1 ? Effect.fail(throttled) : Effect.void))
      const running = yield* start(one, () => Effect.void)
      yield* TestClock.adjust("19 seconds")
      assert.strictEqual(one.verdicts.length, 1)
      yield* TestClock.adjust("1 second")
      assert.strictEqual((yield* Fiber.join(running))._tag, "Completed")
      assert.strictEqual(one.verdicts.length, 2)
    })
  )

  it.effect("R2.2 it is tried so often and no more; then the message is unsettled", () =>
    Effect.gen(function* () {
      const error = Clients.transient()
      const one = hand({}, () => Effect.fail(error))
      const disposition = yield* handle(one, () => Effect.void, {}, "1 hour")
      assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
      assert.strictEqual(one.verdicts.length, Defaults.settleAttempts)
    })
  )

  it.effect(
    "R2.2 R6.1 what a retry below gave up is not tried again: the two do not multiply",
    () =>
      Effect.gen(function* () {
        const one = hand({}, () => Effect.fail(QueueError.exhausted(Clients.transient())))
        const disposition = yield* handle(one, () => Effect.void, {}, "1 hour")
        assert.strictEqual(disposition._tag, "Unsettled")
        assert.strictEqual(one.verdicts.length, 1)
      })
  )

  it.effect("R2.2 an error for good is not tried again", () =>
    Effect.gen(function* () {
      const error = Clients.forever()
      const one = hand({}, () => Effect.fail(error))
      const disposition = yield* handle(one, () => Effect.void)
      assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
      assert.strictEqual(one.verdicts.length, 1)
    })
  )

  it.effect("R3.4 ReceiptExpired at the first try is unsettled: it comes again", () =>
    Effect.gen(function* () {
      const error = expired()
      const one = hand({}, () => Effect.fail(error))
      const disposition = yield* handle(one, () => Effect.void)
      assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
      assert.strictEqual(one.verdicts.length, 1)
    })
  )

  it.effect("R2.1 ReceiptExpired after a lost reply took effect", () =>
    Effect.gen(function* () {
      const one = hand({}, (_, nth) => Effect.fail(nth === 1 ? Clients.transient() : expired()))
      const disposition = yield* handle(one, () => Effect.void, {}, "10 seconds")
      assert.deepStrictEqual(disposition, { _tag: "Completed" })
      assert.strictEqual(one.verdicts.length, 2)
    })
  )

  it.effect(
    "R2.1 a settlement is not repeated when the lock is over: used or ran out, who knows",
    () =>
      Effect.gen(function* () {
        const error = Clients.transient()
        const lockedUntil = DateTime.makeUnsafe(500)
        const one = hand({ lockedUntil }, (_, nth) => Effect.fail(nth === 1 ? error : expired()))
        const disposition = yield* handle(one, () => Effect.void, {}, "10 seconds")
        assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
        assert.strictEqual(one.verdicts.length, 1)
      })
  )

  it.effect("R2.1 SettlementUnknown counts as settled", () =>
    Effect.gen(function* () {
      const one = hand({}, () => Effect.fail(QueueError.make(new QueueError.SettlementUnknown())))
      const disposition = yield* handle(one, () => Effect.void)
      assert.deepStrictEqual(disposition, { _tag: "Completed" })
      assert.strictEqual(one.verdicts.length, 1)
    })
  )

  const permanent = () =>
    Effect.fail(new HandlerFailure.Permanent({ reason: "Bad", description: "why" }))

  it.effect("R2.3 a backoff that throws does not keep what cannot be dead-lettered locked", () =>
    Effect.gen(function* () {
      const one = hand({}, ({ _tag }) =>
        _tag === "DeadLetter" ? Effect.fail(Clients.forever()) : Effect.void
      )
      const throwing = () => {
        throw new Error("a bug")
      }
      const disposition = yield* handle(one, permanent, { backoff: throwing })
      assert.strictEqual(disposition._tag, "Abandoned")
      const tags = one.verdicts.map(({ _tag }) => _tag)
      assert.deepStrictEqual(tags, ["DeadLetter", "Abandon"])
    })
  )

  it.effect("R3.6 what cannot be dead-lettered stays and is abandoned with backoff", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const one = hand({ deliveryCount: 2 }, ({ _tag }) =>
        _tag === "DeadLetter" ? Effect.fail(Clients.forever()) : Effect.void
      )
      const disposition = yield* handle(one, permanent).pipe(Effect.provide(layer))
      assert.deepStrictEqual(disposition, {
        _tag: "Abandoned",
        delay: Duration.seconds(2),
        reason: "Bad",
        description: "why"
      })
      assert.deepStrictEqual(tagsOf(one.verdicts), ["DeadLetter", "Abandon"])
      const line = lines.find(({ text }) => text.startsWith("dead-lettering failed"))
      assert.strictEqual(line?.level, "Error")
    })
  )

  it.effect("R10.5 what a handler logs says whose delivery it is, and a defect where it was", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const one = hand({ deliveryCount: 2 })
      const handler = () =>
        Effect.andThen(
          Effect.logInfo("at work"),
          Effect.sync(() => {
            throw new TypeError("Password=hunter2 is wrong")
          })
        )
      yield* handle(one, handler).pipe(Effect.provide(layer))
      const said = lines.find(({ text }) => text === "at work")
      assert.strictEqual(said?.annotations["messageId"], one.delivery.message.messageId)
      assert.strictEqual(said?.annotations["deliveryCount"], 2)
      const thrown = lines.find(({ text }) => text.startsWith("the handler threw"))
      assert.strictEqual(thrown?.level, "Error")
      assert.match(thrown?.text ?? "", /TypeError.*\n.*MessageHandler\.test\.ts/u)
      assert.notMatch(thrown?.text ?? "", /hunter2/u)
    })
  )

  it.effect("R5.2 a handler that returns no effect is a defect that says so", () =>
    Effect.gen(function* () {
      const disposition = yield* handle(
        hand(),
        untyped(() => Promise.resolve())
      )
      assert.strictEqual(disposition._tag, "Abandoned")
      assert.isTrue(
        disposition._tag === "Abandoned" &&
          disposition.description.includes("wrap a promise in Effect.promise")
      )
    })
  )

  it.effect("R3.6 if it cannot be abandoned either it is unsettled", () =>
    Effect.gen(function* () {
      const error = Clients.forever()
      const one = hand({}, () => Effect.fail(error))
      const disposition = yield* handle(one, permanent)
      assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
      assert.deepStrictEqual(tagsOf(one.verdicts), ["DeadLetter", "Abandon"])
    })
  )

  it.effect(
    "R3.4 a dead-lettering whose receipt has expired is not abandoned: it is not ours any more",
    () =>
      Effect.gen(function* () {
        const error = expired()
        const one = hand({}, () => Effect.fail(error))
        const disposition = yield* handle(one, permanent)
        assert.deepStrictEqual(disposition, { _tag: "Unsettled", error })
        assert.deepStrictEqual(tagsOf(one.verdicts), ["DeadLetter"])
      })
  )
})

describe("MessageHandler: onHandled", () => {
  it.effect("is told each message with what became of it, after its settlement", () =>
    Effect.gen(function* () {
      const told: Array<MessageHandler.Handled & { readonly settlements: number }> = []
      const one = hand()
      yield* handle(one, () => Effect.void, {
        onHandled: (handled) =>
          Effect.sync(() => {
            told.push({ ...handled, settlements: one.verdicts.length })
          })
      })
      assert.deepStrictEqual(told, [
        { message: one.delivery.message, disposition: { _tag: "Completed" }, settlements: 1 }
      ])
    })
  )

  it.effect("one that dies, or throws, is logged and changes nothing", () =>
    Effect.gen(function* () {
      const handled: ReadonlyArray<() => Effect.Effect<void>> = [
        () => Effect.die(new Error("told badly")),
        () => {
          throw new Error("told badly")
        }
      ]
      for (const onHandled of handled) {
        const { layer, lines } = Logs.capture()
        const one = hand()
        const disposition = yield* handle(one, () => Effect.void, { onHandled }).pipe(
          Effect.provide(layer)
        )
        assert.deepStrictEqual(disposition, { _tag: "Completed" })
        const line = lines.find(({ text }) => text.includes("onHandled failed"))
        assert.strictEqual(line?.level, "Warn")
      }
    })
  )
})

describe("MessageHandler: log lines", () => {
  const secret = "SharedAccessKey=c2VjcmV0"
  const failing = () => Effect.fail(new Refused({ message: `refused ${secret}` }))
  const broken = QueueError.make(new QueueError.AuthenticationFailed({ detail: secret }))
  const permanent = () =>
    Effect.fail(new HandlerFailure.Permanent({ reason: "Bad", description: secret }))
  const cases: ReadonlyArray<{
    readonly title: string
    readonly level: string
    readonly handler: MessageHandler.MessageHandler<unknown>
    readonly fate?: (verdict: Verdict.Verdict) => Effect.Effect<void, QueueError.QueueError>
    readonly signal?: (one: Hand) => Effect.Effect<unknown>
  }> = [
    { title: "completed: debug", level: "Debug", handler: () => Effect.void },
    { title: "abandoned: warn", level: "Warn", handler: failing },
    { title: "dead-lettered: error", level: "Error", handler: permanent },
    {
      title: "released: info",
      level: "Info",
      handler: () => Effect.never,
      signal: ({ graceOver }) => Deferred.succeed(graceOver, undefined)
    },
    {
      title: "lock lost: warn",
      level: "Warn",
      handler: () => Effect.never,
      signal: ({ lockLost }) => Deferred.succeed(lockLost, broken)
    },
    {
      title: "unsettled: warn",
      level: "Warn",
      handler: permanent,
      fate: () => Effect.fail(broken)
    }
  ]
  for (const { fate, handler, level, signal, title } of cases) {
    it.effect(`R10.5 ${title}, with the ids, and no body or secret in any line`, () =>
      Effect.gen(function* () {
        const { layer, lines } = Logs.capture()
        const sessionId = SessionId.makeUnsafe("s-1")
        const one = hand({ sessionId, correlationId: "c-1" }, fate)
        if (signal !== undefined) yield* signal(one)
        yield* handle(one, handler).pipe(Effect.provide(layer))
        const last = lines.at(-1)
        assert.strictEqual(last?.level, level)
        assert.deepStrictEqual(last?.annotations, {
          queue: "orders",
          messageId: "m-1",
          sessionId: "s-1",
          correlationId: "c-1",
          deliveryCount: 1
        })
        const written = JSON.stringify(lines)
        assert.notInclude(written, "c2VjcmV0")
        assert.notInclude(written, "the body")
      })
    )
  }
})

describe("MessageHandler: what is said once", () => {
  it.effect("R5.2 R10.5 a failure without a description is told by its reason, once", () =>
    Effect.gen(function* () {
      const { layer, lines } = Logs.capture()
      const refused = () => Effect.fail(new HandlerFailure.Permanent({ reason: "UnknownAction" }))
      const failed = () => Effect.fail({ _tag: "Down" })
      yield* handle(hand(), refused).pipe(Effect.provide(layer))
      yield* handle(hand(), failed).pipe(Effect.provide(layer))
      const worn = hand({ deliveryCount: 5 })
      yield* handle(worn, failed).pipe(Effect.provide(layer))
      assert.deepStrictEqual(
        lines.map(({ text }) => text),
        [
          "message dead-lettered: UnknownAction",
          "message will be redelivered after 1s: Down",
          "message dead-lettered: MaxDeliveryCountExceeded: failed 5 times, the maximum; last with Down"
        ]
      )
      const [verdict] = worn.verdicts
      assert.isTrue(
        verdict?._tag === "DeadLetter" &&
          verdict.description === "failed 5 times, the maximum; last with Down"
      )
    })
  )
})

describe("MessageHandler: options", () => {
  it.effect("R2.3 a limit out of its range is refused, naming the field", () =>
    Effect.gen(function* () {
      for (const handlerTimeout of Clients.noDurations) {
        const { reason } = yield* Effect.flip(
          MessageHandler.make(() => Effect.void, { handlerTimeout })
        )
        assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "handlerTimeout")
      }
      for (const deliveriesMax of [0, -1, 1.5, Number.NaN]) {
        const { reason } = yield* Effect.flip(
          MessageHandler.make(() => Effect.void, { deliveriesMax })
        )
        assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "deliveriesMax")
      }
    })
  )
})
