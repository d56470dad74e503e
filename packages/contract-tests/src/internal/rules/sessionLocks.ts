import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { Capabilities, type QueueError, type QueueSession, Verdict } from "@queue-runtime/core"
import { type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

/** Renewing, losing and releasing a session. */

const { world } = steps

const group = "Sessions"

const queue = { sessions: true }

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

export const sessionLocks: ReadonlyArray<ProviderRule> = [
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
    probes: ["P1", "P6"],
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
    probes: ["P6"],
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
      const { received, session } = yield* steps.holding("A", ["a1", "a2"], ["a1"])
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
    probes: ["P1", "P8"],
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
      const early = yield* Effect.scoped(Effect.map(steps.tryAccept(), steps.granted))
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
    probes: ["P1", "P12"],
    breaks: "renews the session and lets its messages run out, or the reverse",
    queue,
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      const { lockDuration } = capabilities
      const { received, session } = yield* steps.holding("A", ["a1", "a2", "a3"], ["a1", "a2"])
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
    id: "SESSION-49",
    group,
    title: "a session released while its first message backs off is granted when the delay is over",
    source: "SPEC R4.1; SQS keeps the delay with the message",
    probes: ["P4"],
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
  },
  {
    id: "SESSION-50",
    group,
    title: "between its messages a session is its holder's alone, or not: as locksIdleSession says",
    source: "SPEC R4.3, R4.4; ADR 0018: on SQS a group is nobody's between two messages",
    probes: ["P2"],
    breaks: "declares a lock between messages, and has it only as long as one is in hand",
    queue,
    run: Effect.gen(function* () {
      const { capabilities, connect, time } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const held = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(held, ["a1"]), held)
      const other = yield* connect
      yield* steps.sendTo("A", ["a2"])
      if (Capabilities.locksIdleSession(capabilities)) {
        yield* steps.acceptNone(other)
        if (Capabilities.isSupported(capabilities.acceptSpecific)) yield* steps.refused("A", other)
        // Without a count: behind leases SQS itself handed it out in between.
        yield* steps.complete(yield* steps.takeIds(held, ["a2"]), held)
        return
      }
      const accepted = yield* steps.tryAccept(undefined, time.patience, other)
      if (Option.isNone(accepted)) {
        yield* steps.takeIds(held, ["a2"])
        return
      }
      yield* expect.equal("the session granted", accepted.value.sessionId, "A")
      yield* steps.takeIds(accepted.value, ["a2"])
      const wait = time.quiet
      const late = yield* steps.ends(Effect.result(held.receive({ max: 1, wait })), wait)
      const got = Result.isSuccess(late) ? steps.ids(late.success) : late.failure.reason._tag
      const expected = Result.isSuccess(late) ? [] : "SessionLockLost"
      yield* expect.equal("what the first holder gets", got, expected)
    })
  }
]
