import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { type QueueError, type QueueSession, SessionId, Verdict } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

/** Who holds a session: accepting, losing and releasing it. */

const { world } = steps

const group = "Sessions"

const queue = { sessions: true }

const skip = needs("acceptSpecific")

const long = Duration.seconds(20)

/** Every call of a handle that is no longer the holder's fails with SessionLockLost. */
const isLost = Effect.fnUntraced(function* (
  session: QueueSession.QueueSession,
  inHand: ReadonlyArray<steps.Received>
) {
  const receipts = inHand.map(({ receipt }) => receipt)
  const calls: ReadonlyArray<readonly [string, Effect.Effect<void, QueueError.QueueError>]> = [
    ["receiving", Effect.asVoid(session.receive({ max: 1, wait: Duration.zero }))],
    ["renewing", Effect.asVoid(session.renewLock)],
    ["settling", Effect.asVoid(session.settle(receipts, Verdict.complete))]
  ]
  for (const [what, call] of calls) {
    yield* steps.failsWith(`${what} by a holder that lost its lock`, "SessionLockLost", call)
  }
})

/** The session of an accept under way, as text. */
const granted = (session: Option.Option<QueueSession.QueueSession>): string | undefined =>
  Option.getOrUndefined(Option.map(session, ({ sessionId }) => sessionId))

/** An accept of the next session that waits. */
const waiting = Effect.map(world, ({ provider, queue: name }) =>
  provider.acceptSession(name, { wait: long })
)

export const sessionLocks: ReadonlyArray<ProviderRule> = [
  {
    id: "SESSION-30",
    group,
    title: "nothing to accept is None when the wait is over, and not before",
    source: "SPEC R4.2; Service Bus says it with two different errors (DESIGN §5)",
    breaks: "fails, or ends at once and lets a worker spin",
    queue,
    run: Effect.gen(function* () {
      const { time } = yield* world
      const wait = Duration.seconds(3)
      const [session, took] = yield* steps.timed(steps.tryAccept(undefined, wait))
      yield* expect.equal("the session granted", granted(session), undefined)
      yield* expect.holds(
        "the whole wait was waited",
        Duration.isGreaterThanOrEqualTo(Duration.sum(took, time.precision), wait),
        Duration.format(took)
      )
    })
  },
  {
    id: "SESSION-31",
    group,
    title: "a session whose messages are all done is not the next one",
    source: "QueueProvider.AcceptOptions: the next free session that has messages",
    breaks: "grants empty sessions, one after the other",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const first = yield* steps.closable(steps.acceptNext())
      yield* steps.complete(yield* steps.takeIds(first.value, ["a1"]), first.value)
      yield* first.close
      yield* steps.acceptNone()
    })
  },
  {
    id: "SESSION-32",
    group,
    title: "an empty session by its id is granted, or None: as locksEmptySession declares",
    source: "SPEC R4.2: the rule follows the capability",
    breaks: "declares one and does the other",
    queue,
    skip,
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      const session = yield* steps.tryAccept("A", time.quiet)
      const expected = capabilities.locksEmptySession ? "A" : undefined
      yield* expect.equal("the session granted", granted(session), expected)
      if (Option.isNone(session)) return
      yield* steps.sendTo("A", ["a1"])
      yield* steps.takeIds(session.value, ["a1"])
    })
  },
  {
    id: "SESSION-33",
    group,
    title: "accepting a held session is SessionLocked",
    source: "SPEC R4.3; Service Bus: session-cannot-be-locked",
    breaks: "grants it twice, or says that it has no messages",
    queue,
    skip,
    run: Effect.gen(function* () {
      const { provider, queue: name } = yield* world
      yield* steps.sendTo("A", ["a1", "a2"])
      const held = yield* steps.accept("A")
      yield* steps.takeIds(held, ["a1"])
      const options = { sessionId: SessionId.makeUnsafe("A"), wait: Duration.zero }
      const call = Effect.scoped(provider.acceptSession(name, options))
      const error = yield* steps.failsWith("a second accept", "SessionLocked", call)
      const { reason } = error
      const id = reason._tag === "SessionLocked" ? reason.sessionId : undefined
      yield* expect.equal("the session named", id, "A")
    })
  },
  {
    id: "SESSION-34",
    group,
    title: "a session in one client's hands is granted to no other client",
    source:
      "SPEC R4.3, R4.4: on SQS it answers None, held elsewhere and empty cannot be told apart",
    breaks: "keeps who holds what in the memory of one process",
    queue,
    skip,
    run: Effect.gen(function* () {
      const { capabilities, connect } = yield* world
      yield* steps.sendTo("A", ["a1", "a2"])
      const held = yield* steps.accept("A")
      yield* steps.takeIds(held, ["a1"])
      const other = yield* connect
      yield* steps.acceptNone(other)
      const result = yield* Effect.result(steps.tryAccept("A", Duration.zero, other))
      if (result._tag === "Success") {
        yield* expect.equal("the session granted", granted(result.success), undefined)
        yield* expect.equal("acceptSpecific", capabilities.acceptSpecific, "emulated")
        return
      }
      if (result.failure._tag === "RuleFailed") return yield* result.failure
      yield* expect.equal("the reason", result.failure.reason._tag, "SessionLocked")
    })
  },
  {
    id: "SESSION-35",
    group,
    title: "a released session can be accepted at once, by anybody",
    source: "SPEC R4.2; Service Bus: close by the client gives the session back",
    breaks: "lets the lock run out instead of releasing it",
    queue,
    run: Effect.gen(function* () {
      const { connect } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const first = yield* steps.closable(steps.accept("A"))
      yield* first.close
      const second = yield* steps.closable(steps.accept("A"))
      yield* second.close
      const third = yield* steps.accept("A", yield* connect)
      yield* steps.takeIds(third, ["a1"])
    })
  },
  {
    id: "SESSION-36",
    group,
    title: "releasing a session gives back what was in hand, in order and uncounted",
    source: "QueueSession; Service Bus: back without count (issue #1050); SQS.md §1 D1",
    breaks: "counts a delivery of each with every worker that stops",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1", "a2", "a3", "a4"])
      const first = yield* steps.closable(steps.accept("A"))
      const received = yield* steps.takeIds(first.value, ["a1", "a2", "a3"])
      yield* steps.complete(received.slice(0, 1), first.value)
      yield* first.close
      const second = yield* steps.accept("A")
      yield* steps.takeCounted(second, ["a2:1", "a3:1", "a4:1"])
    })
  },
  {
    id: "SESSION-37",
    group,
    title: "after a release its receipts and its handle settle nothing",
    source: "QueueSession; SPEC R3.5",
    breaks: "completes what the next holder is at work on",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1", "a2"])
      const first = yield* steps.closable(steps.accept("A"))
      const received = yield* steps.takeIds(first.value, ["a1"])
      yield* first.close
      yield* isLost(first.value, received)
      yield* steps.settlesNothing(received, Verdict.complete)
      const second = yield* steps.accept("A")
      yield* steps.takeIds(second, ["a1", "a2"])
    })
  },
  {
    id: "SESSION-38",
    group,
    title: "a holder whose lock ran out gets SessionLockLost from every call",
    source: "SPEC R4.3",
    breaks: "settles for a holder whose session is somebody else's",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1", "a2"])
      const session = yield* steps.accept("A")
      const received = yield* steps.takeIds(session, ["a1"])
      yield* steps.passLock
      yield* isLost(session, received)
      yield* steps.settlesNothing(received, Verdict.complete)
    })
  },
  {
    id: "SESSION-39",
    group,
    title: "after a lost lock the next holder sees every message not completed, in order",
    source: "SPEC R4.3; SQS.md §4: SessionLockLost, next holder sees A2 A3 A4 (S8)",
    breaks: "goes on behind what was in hand, or brings back what was completed",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1", "a2", "a3", "a4"])
      const first = yield* steps.accept("A")
      const received = yield* steps.takeIds(first, ["a1", "a2"])
      yield* steps.complete(received.slice(0, 1), first)
      yield* steps.passLock
      const second = yield* steps.accept("A")
      yield* steps.takeCounted(second, ["a2:2", "a3:1", "a4:1"])
    })
  },
  {
    id: "SESSION-40",
    group,
    title: "a session is its holder's for the lock duration declared, and no longer",
    source: "SPEC R4.3, R3.11",
    breaks: "declares one lock and takes another",
    queue,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const first = yield* steps.accept("A")
      yield* steps.takeIds(first, ["a1"])
      yield* steps.passUntilJustBefore(capabilities.lockDuration)
      const early = yield* Effect.scoped(Effect.map(steps.tryAccept(), granted))
      yield* expect.equal("the session granted early", early, undefined)
      yield* steps.passOver
      const second = yield* steps.acceptNext()
      yield* steps.takeIds(second, ["a1"])
    })
  },
  {
    id: "SESSION-41",
    group,
    title: "a renewal keeps the session, and with it what is in hand",
    source: "SPEC R4.2; SQS.md §4: all of a group, not only the current one",
    breaks: "renews the session and lets its messages run out, or the reverse",
    queue,
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      const { lockDuration } = capabilities
      yield* steps.sendTo("A", ["a1", "a2", "a3"])
      const session = yield* steps.accept("A")
      const received = yield* steps.takeIds(session, ["a1", "a2"])
      for (const _ of [1, 2, 3]) {
        yield* steps.pass(Duration.times(lockDuration, 0.6))
        const until = yield* steps.ends(session.renewLock)
        const now = yield* DateTime.now
        const latest = DateTime.addDuration(now, Duration.sum(lockDuration, time.precision))
        const isFromNow =
          DateTime.isLessThanOrEqualTo(until, latest) &&
          DateTime.isGreaterThan(
            until,
            DateTime.addDuration(now, Duration.times(lockDuration, 0.5))
          )
        yield* expect.holds("a renewed lock lasts a lock duration from now", isFromNow, until)
        yield* expect.equal("lockedUntil", yield* session.lockedUntil, until)
      }
      yield* steps.acceptNone()
      yield* steps.complete(received, session)
      yield* steps.takeCounted(session, ["a3:1"])
    })
  },
  {
    id: "SESSION-42",
    group,
    title: "a renewal of a lost session fails and takes it from nobody",
    source: "SPEC R4.3",
    breaks: "revives a hold that another has by now",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const first = yield* steps.accept("A")
      yield* steps.takeIds(first, ["a1"])
      yield* steps.passLock
      const second = yield* steps.accept("A")
      yield* steps.failsWith("a late renewal", "SessionLockLost", first.renewLock)
      yield* steps.complete(yield* steps.takeIds(second, ["a1"]), second)
    })
  },
  {
    id: "SESSION-43",
    group,
    title: "a waiting receive of a session ends with SessionLockLost when the lock runs out",
    source: "SPEC R4.3; azure-sdk-for-js #24540: a session receiver stops working silently",
    breaks: "waits on in a session that is no longer its own",
    queue,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(session, ["a1"]), session)
      const wait = Duration.times(capabilities.lockDuration, 3)
      const call = yield* steps.start(Effect.result(session.receive({ max: 1, wait })))
      yield* steps.passLock
      const result = yield* steps.join(call)
      const reason = result._tag === "Failure" ? result.failure.reason._tag : "messages"
      yield* expect.equal("the end of the wait", reason, "SessionLockLost")
    })
  },
  {
    id: "SESSION-44",
    group,
    title: "a wait for the next session ends when a message of a free one comes",
    source: "SPEC R4.2",
    breaks: "asks once and sleeps its wait away",
    queue,
    run: Effect.gen(function* () {
      const call = yield* steps.start(yield* waiting)
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.join(call)
      yield* expect.equal("the session granted", granted(session), "A")
    })
  },
  {
    id: "SESSION-45",
    group,
    title: "a wait for the next session ends when a holder releases one",
    source: "SPEC R4.2; SQS (AWS, probe P9): a waiting poll gets it at once",
    breaks: "wakes waiters for new messages alone",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const held = yield* steps.closable(steps.accept("A"))
      const call = yield* steps.start(yield* waiting)
      yield* held.close
      const session = yield* steps.join(call)
      yield* expect.equal("the session granted", granted(session), "A")
    })
  },
  {
    id: "SESSION-46",
    group,
    title: "a wait for the next session ends when a holder's lock runs out",
    source: "SPEC R4.3: a holder that died must not keep its session",
    breaks: "looks for lost locks when the next call comes",
    queue,
    run: Effect.gen(function* () {
      const { capabilities, provider, queue: name } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const held = yield* steps.accept("A")
      yield* steps.takeIds(held, ["a1"])
      const wait = Duration.times(capabilities.lockDuration, 3)
      const call = yield* steps.start(provider.acceptSession(name, { wait }))
      yield* steps.passLock
      const session = yield* steps.join(call)
      yield* expect.equal("the session granted", granted(session), "A")
    })
  },
  {
    id: "SESSION-47",
    group,
    title: "an interrupted accept ends at once and holds no session",
    source: "acceptNextSession of @azure/service-bus 7.9.5 ignores its signal (SERVICEBUS.md §5.4)",
    breaks: "is granted a session that nobody knows of, and keeps it until the lock ends",
    queue,
    run: Effect.gen(function* () {
      const { time } = yield* world
      const call = yield* steps.start(yield* waiting)
      const [, took] = yield* steps.ends(steps.timed(Fiber.interrupt(call)))
      yield* expect.holds(
        "interrupting took no time",
        Duration.isLessThanOrEqualTo(took, time.precision),
        Duration.format(took)
      )
      yield* steps.sendTo("A", ["a1"])
      yield* steps.takeIds(yield* steps.acceptNext(), ["a1"])
    })
  },
  {
    id: "SESSION-48",
    group,
    title: "a session that crosses the interruption of an accept is not left locked",
    source: "ADR 0001: a session granted meanwhile must be released",
    breaks: "drops the grant of an interrupted accept on the floor",
    queue,
    run: Effect.gen(function* () {
      const held = yield* Effect.scoped(
        Effect.gen(function* () {
          const call = yield* steps.start(Effect.scoped(Effect.flatMap(waiting, Effect.asVoid)))
          const sending = yield* Effect.forkChild(steps.sendTo("A", ["a1", "a2"]), {
            startImmediately: true
          })
          call.interruptUnsafe()
          yield* steps.join(sending)
          yield* steps.ends(Fiber.await(call))
          return yield* steps.acceptNext()
        }).pipe(Effect.flatMap((session) => steps.takeIds(session, ["a1", "a2"])))
      )
      yield* expect.equal("the deliveries", steps.counted(held), ["a1:1", "a2:1"])
    })
  },
  {
    id: "SESSION-49",
    group,
    title: "a session released while its first message backs off is granted when the delay is over",
    source: "SPEC R4.1; SQS keeps the delay with the message",
    breaks: "forgets the delay, and a failing session spins between workers",
    queue,
    skip: (capabilities) =>
      capabilities.abandonDelay === "native"
        ? undefined
        : `abandonDelay is declared ${capabilities.abandonDelay}`,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const delay = Duration.times(capabilities.lockDuration, 1.5)
      yield* steps.sendTo("A", ["a1", "a2"])
      const first = yield* steps.closable(steps.accept("A"))
      const received = yield* steps.takeIds(first.value, ["a1"])
      yield* steps.settle(received, Verdict.abandon(delay), first.value)
      yield* first.close
      yield* steps.acceptNone()
      yield* steps.passBeyond(delay)
      yield* steps.takeCounted(yield* steps.acceptNext(), ["a1:2", "a2:1"])
    })
  }
]
