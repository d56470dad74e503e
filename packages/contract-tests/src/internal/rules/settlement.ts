import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { QueueAddress, Receipt, Verdict } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Settlement"

/** Renews one delivery, which must succeed; the new end of its lock. */
const renew = Effect.fnUntraced(function* (message: steps.Received) {
  const { provider } = yield* world
  const outcomes = yield* steps.ends(provider.renewLock([message.receipt]))
  yield* expect.equal("the outcomes of a renewal", steps.tags(outcomes), ["ok"])
  return yield* Effect.fromResult(outcomes[0] ?? Result.succeed(message.lockedUntil))
})

/** The renewal of a used or expired receipt. */
const renewsNothing = Effect.fnUntraced(function* (message: steps.Received) {
  const { provider } = yield* world
  const outcomes = yield* steps.ends(provider.renewLock([message.receipt]))
  yield* expect.equal("the outcomes of a late renewal", steps.tags(outcomes), ["ReceiptExpired"])
})

export const settlement: ReadonlyArray<ProviderRule> = [
  {
    id: "SETTLE-1",
    group,
    title: "a completed message never comes back",
    source: "SPEC R3.4",
    breaks: "answers the completion and only hides the message until its lock ends",
    run: Effect.gen(function* () {
      yield* steps.send(["a"])
      yield* steps.complete([yield* steps.receiveOne()])
      yield* steps.receiveNone()
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "SETTLE-2",
    group,
    title: "completing one message leaves the others of its batch alone",
    source:
      "SPEC R3.2; rhea 3.0.5 settles a whole range of deliveries with the first one's outcome",
    breaks: "settles everything received together",
    run: Effect.gen(function* () {
      yield* steps.send(["a", "b", "c"])
      const [a, b, c] = yield* steps.receiveIds(["a", "b", "c"])
      yield* steps.complete([yield* expect.present("b", b)])
      yield* steps.abandon([yield* expect.present("a", a), yield* expect.present("c", c)])
      yield* steps.receiveIds(["a", "c"])
    })
  },
  {
    id: "SETTLE-3",
    group,
    title: "completing twice fails with ReceiptExpired",
    source: "SPEC R3.4; SQS answers the second deletion with success (probe P20)",
    probes: ["P20"],
    breaks: "passes on what the service says of a used receipt",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.complete([a])
      yield* steps.settlesNothing([a], Verdict.complete)
    })
  },
  {
    id: "SETTLE-4",
    group,
    title: "completing after the lock ran out fails with ReceiptExpired and completes nothing",
    source:
      "SPEC R3.4; SQS: The receipt handle has expired (AWS, 2025-03-21, probe P10); fauxqs 2.4.1 " +
      "accepts the late deletion",
    probes: ["P10"],
    breaks: "completes with an expired receipt a message that is due to somebody else",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.passLock
      yield* steps.settlesNothing([a], Verdict.complete)
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-5",
    group,
    title: "a late settlement does not touch the delivery that came after it",
    source: "SPEC R3.4, R3.5",
    probes: ["P10"],
    breaks: "finds the delivery by the message's id instead of the receipt",
    run: Effect.gen(function* () {
      const first = yield* steps.deliver("a")
      yield* steps.passLock
      const second = yield* steps.receiveOne()
      yield* steps.settlesNothing([first], Verdict.abandon())
      yield* steps.receiveNoneNow()
      yield* steps.settlesNothing([first], Verdict.complete)
      yield* steps.complete([second])
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "SETTLE-6",
    group,
    title: "abandoning a completed message fails with ReceiptExpired and brings nothing back",
    source: "SPEC R3.4",
    breaks: "makes a completed message visible again",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.complete([a])
      yield* steps.settlesNothing([a], Verdict.abandon())
      yield* steps.receiveNone()
    })
  },
  {
    id: "SETTLE-7",
    group,
    title: "an abandoned delivery's receipt is dead",
    source: "SPEC R3.5",
    breaks: "completes a message that its holder gave back",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.abandon([a])
      yield* steps.settlesNothing([a], Verdict.complete)
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-8",
    group,
    title: "dead-lettering a completed message fails with ReceiptExpired and makes no dead letter",
    source: "SPEC R3.4; SQS has no such call: a copy is sent first, the original deleted after",
    breaks: "sends the copy to the dead letters before it knows whether the receipt is any good",
    skip: needs("deadLetter"),
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.complete([a])
      yield* steps.settlesNothing([a], Verdict.deadLetter("Bad"))
      yield* steps.receiveNone(yield* steps.deadLetters)
    })
  },
  {
    id: "SETTLE-9",
    group,
    title: "a receipt in one call twice settles once",
    source: "SPEC R3.4",
    breaks: "answers both entries with success",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      const outcomes = yield* steps.settleTags([a, a], Verdict.complete)
      yield* expect.equal("the outcomes", outcomes.toSorted(), ["ReceiptExpired", "ok"])
    })
  },
  {
    id: "SETTLE-10",
    group,
    title: "a receipt that nobody was given is ReceiptExpired",
    source: "SPEC R2.1: unknown, used or expired",
    breaks: "answers an unknown receipt with success, or dies of it",
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const receipt = Receipt.make(QueueAddress.queue(queue), "nobody was given this")
      for (const verdict of [Verdict.complete, Verdict.abandon()]) {
        yield* steps.settlesNothing([{ receipt }], verdict)
      }
    })
  },
  {
    id: "SETTLE-11",
    group,
    title: "messages are settled in any order",
    source: "SPEC R3.1",
    breaks: "settles up to a delivery instead of that delivery",
    run: Effect.gen(function* () {
      yield* steps.send(["a", "b", "c"])
      const received = yield* steps.receiveIds(["a", "b", "c"])
      for (const one of received.toReversed()) yield* steps.complete([one])
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "SETTLE-12",
    group,
    title: "two messages of one id are settled each by its own receipt",
    source:
      "azure-sdk-for-js #11682: locks are renewed by message id, and settling one of two stops the " +
      "other's renewal",
    breaks: "keeps deliveries by message id",
    skip: lacks("deduplication"),
    run: Effect.gen(function* () {
      yield* steps.send(["a", "a"])
      const [first, second] = yield* steps.receive(2)
      yield* steps.complete([yield* expect.present("the first one", first)])
      yield* renew(yield* expect.present("the second one", second))
      yield* steps.abandon([yield* expect.present("the second one", second)])
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-13",
    group,
    title: "a renewal locks for the lock duration from now, however often it is made",
    source: "QueueProvider.renewLock: from now, not on top of what is left",
    breaks: "adds a lock duration to what is left",
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      const { lockDuration } = capabilities
      const a = yield* steps.deliver("a")
      for (const _ of [1, 2, 3]) {
        const until = yield* renew(a)
        const now = yield* DateTime.now
        const left = DateTime.distance(now, until)
        const most = Duration.sum(lockDuration, time.precision)
        const least = Duration.divideUnsafe(lockDuration, 2)
        yield* expect.holds(
          "a renewed lock lasts a lock duration from now",
          Duration.isLessThanOrEqualTo(left, most) && Duration.isGreaterThan(left, least),
          Duration.format(left)
        )
      }
      yield* steps.passLock
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-14",
    group,
    title: "a renewed delivery is not delivered again before its new end, and then it is",
    source: "SPEC R3.1, R3.5",
    breaks: "answers the renewal and lets the first lock run out",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const { lockDuration } = capabilities
      const a = yield* steps.deliver("a")
      yield* steps.pass(Duration.times(lockDuration, 0.6))
      yield* renew(a)
      yield* steps.pass(Duration.times(lockDuration, 0.6))
      yield* steps.receiveNoneNow()
      yield* steps.pass(Duration.times(lockDuration, 0.6))
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-15",
    group,
    title: "a renewed delivery can still be completed after its first end",
    source: "SPEC R3.1",
    breaks: "renews with the service and forgets its own record of the lock",
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      const a = yield* steps.deliver("a")
      for (const _ of [1, 2, 3]) {
        yield* steps.pass(Duration.times(capabilities.lockDuration, 0.6))
        yield* renew(a)
      }
      yield* steps.complete([a])
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "SETTLE-16",
    group,
    title: "renewing a settled delivery fails with ReceiptExpired and brings no lock back",
    source: "SPEC R3.4",
    probes: ["P20"],
    breaks: "renews what its holder gave back, so that nobody gets it",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.abandon([a])
      yield* renewsNothing(a)
      const again = yield* steps.receiveOne()
      yield* steps.complete([again])
      yield* renewsNothing(again)
    })
  },
  {
    id: "SETTLE-17",
    group,
    title: "renewing after the lock ran out fails with ReceiptExpired and locks nothing",
    source:
      "SPEC R3.5; SQS standard queues answered a visibility change on an expired handle with success " +
      "(probe P11)",
    probes: ["P11"],
    breaks: "gives two holders one message",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      yield* steps.passLock
      yield* renewsNothing(a)
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-18",
    group,
    title: "a late renewal does not overwrite the delay of an abandon",
    source: "novu #12437; a heartbeat 200 ms late overwrote a backoff of 1 s with a lock of 30 s",
    probes: ["P11"],
    breaks: "sets the visibility of a message by its last receipt, used or not",
    skip: needs("abandonDelay"),
    run: Effect.gen(function* () {
      const { capabilities, provider } = yield* world
      const delay = Duration.times(capabilities.lockDuration, 0.5)
      const a = yield* steps.deliver("a")
      yield* steps.settle([a], Verdict.abandon(delay))
      yield* steps.ends(provider.renewLock([a.receipt]))
      yield* steps.passBeyond(delay)
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "SETTLE-19",
    group,
    title: "settling nothing answers no outcome",
    source: "QueueProvider.settle: one outcome a receipt",
    breaks: "calls the service with an empty batch, which it refuses (SQS: EmptyBatchRequest)",
    run: Effect.gen(function* () {
      const { provider } = yield* world
      yield* expect.equal("outcomes", yield* steps.settleTags([], Verdict.complete), [])
      const renewed = steps.tags(yield* steps.ends(provider.renewLock([])))
      yield* expect.equal("outcomes of renewals", renewed, [])
    })
  }
]
