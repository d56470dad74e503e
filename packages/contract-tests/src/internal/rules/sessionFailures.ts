import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Verdict } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

/** What a failure inside a session does to the messages around it. */

const group = "Sessions"

const queue = { sessions: true }

const numbered = (letter: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)

/**
 * A live run looks twice for what must not come, a second each, inside the delay, and then waits for the
 * rest of it inside a lock that was renewed before: of five seconds hardly anything is left for the calls.
 */
const queueOfDelays = { ...queue, lockDuration: Duration.seconds(10) }

/** A delay that is over before the session's lock is. */
const shortDelay = Effect.map(steps.world, ({ capabilities }) =>
  Duration.times(capabilities.lockDuration, 0.4)
)

export const sessionFailures: ReadonlyArray<ProviderRule> = [
  {
    id: "SESSION-7",
    group,
    title: "an abandoned message comes first again, counted; those behind it again, uncounted",
    source:
      "ADR 0002; SQS.md §1: A1 of A0 to A5 fails, next come A1 to A5 (S1); released followers were " +
      "dead-lettered unseen (S3)",
    probes: ["P1", "P4", "P6"],
    breaks: "goes on with the next message, or counts what no handler saw",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", numbered("a", 4))
      const session = yield* steps.accept("A")
      const [first, second, third] = yield* steps.takeIds(session, ["a1", "a2", "a3"])
      yield* steps.complete([yield* expect.present("a1", first)], session)
      yield* steps.abandon([yield* expect.present("a2", second)], session)
      yield* expect.present("a3", third)
      yield* steps.takeCounted(session, ["a2:2", "a3:1", "a4:1"])
    })
  },
  {
    id: "SESSION-8",
    group,
    title: "after an abandon the receipts in hand behind it are dead",
    source: "ADR 0002; SQS.md §10 I3",
    probes: ["P1", "P6"],
    breaks: "completes A2 while A1 waits, and A1 runs after A2",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", numbered("a", 3), ["a1", "a2", "a3"])
      yield* steps.abandon(received.slice(0, 1), session)
      yield* steps.settlesNothing(received.slice(1, 2), Verdict.complete, session)
      yield* steps.settlesNothing(received.slice(2), Verdict.abandon(), session)
      yield* steps.takeIds(session, ["a1", "a2", "a3"])
    })
  },
  {
    id: "SESSION-9",
    group,
    title: "an abandon leaves alone what is in hand before it",
    source: "ADR 0002: those behind it; SQS.md §1: earlier unsettled messages stay held",
    probes: ["P1", "P5"],
    breaks: "takes the whole session back",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", numbered("a", 3), ["a1", "a2", "a3"])
      yield* steps.abandon(received.slice(1, 2), session)
      yield* steps.complete(received.slice(0, 1), session)
      yield* steps.takeCounted(session, ["a2:2", "a3:1"])
    })
  },
  {
    id: "SESSION-10",
    group,
    title: "abandoning the rest of a session in one call gives it back whole and in order",
    source: "a consumer that fails gives back everything it has in hand; SQS.md §1",
    probes: ["P1", "P6"],
    breaks: "gives entries back one by one, so that a later one comes before an earlier one",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", numbered("a", 4))
      yield* steps.complete(received.slice(0, 1), session)
      const rest = received.slice(1)
      const outcomes = yield* steps.settleTags(rest, Verdict.abandon(), session)
      const [first, ...behind] = outcomes
      yield* expect.equal("the outcome of the first", first, "ok")
      for (const one of behind) yield* expect.oneOf("those behind", one, ["ok", "ReceiptExpired"])
      yield* steps.takeIds(session, ["a2", "a3", "a4"])
    })
  },
  {
    id: "SESSION-11",
    group,
    title:
      "while the first message backs off its session has nothing, and then it goes on in order",
    source: "QueueSession.receive; SQS.md §1: the group is blocked for the delay, others are not",
    probes: ["P1", "P6"],
    breaks: "hands out those behind it meanwhile",
    queue: queueOfDelays,
    skip: needs("abandonDelay"),
    run: Effect.gen(function* () {
      const delay = yield* shortDelay
      const { received, session } = yield* steps.holding("A", numbered("a", 3), ["a1", "a2"])
      yield* steps.settle(received.slice(0, 1), Verdict.abandon(delay), session)
      const abandonedAt = yield* Clock.currentTimeMillis
      yield* steps.takeNone(session)
      yield* steps.acceptNone()
      yield* steps.ends(session.renewLock)
      yield* steps.passBeyondSince(abandonedAt, delay)
      yield* steps.takeCounted(session, ["a1:2", "a2:1", "a3:1"])
    })
  },
  {
    id: "SESSION-12",
    group,
    title: "an always failing message goes to the dead letters alone; those behind it are handled",
    source: "SPEC R4.7; SQS.md §1: A2 to A5 went to the dead letters unseen (S3)",
    probes: ["P1", "P4", "P6"],
    breaks: "counts the innocent, or keeps the session blocked behind what is dead",
    queue: { sessions: true, deliveriesMax: 3 },
    skip: needs("deadLetter"),
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", numbered("a", 4))
      const session = yield* steps.accept("A")
      for (const count of [1, 2, 3]) {
        const received = yield* steps.takeCounted(session, [`a1:${count}`, "a2:1", "a3:1"])
        yield* steps.abandon(received.slice(0, 1), session)
      }
      const rest = yield* steps.takeCounted(session, ["a2:1", "a3:1", "a4:1"])
      yield* steps.complete(rest, session)
      yield* steps.receiveIds(["a1"], yield* steps.deadLetters)
      yield* steps.receiveNone(yield* steps.deadLetters)
    })
  },
  {
    id: "SESSION-13",
    group,
    title: "a dead-lettered message lets the next one through",
    source: "QueueSession; SQS.md §5: A1 is moved, then A2 goes on",
    probes: ["P1", "P8"],
    breaks: "takes a dead-lettering for a failure of the session",
    queue,
    skip: needs("deadLetter"),
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", numbered("a", 3), ["a1", "a2"])
      yield* steps.settle(received.slice(0, 1), Verdict.deadLetter("Bad"), session)
      yield* steps.complete(received.slice(1), session)
      yield* steps.complete(yield* steps.takeIds(session, ["a3"]), session)
      yield* steps.receiveIds(["a1"], yield* steps.deadLetters)
    })
  },
  {
    id: "SESSION-14",
    group,
    title: "completing out of order leaves the earlier message where it was",
    source: "QueueSession; SPEC R3.4",
    probes: ["P1", "P4", "P8"],
    breaks: "completes everything up to the last one completed",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", numbered("a", 3), ["a1", "a2", "a3"])
      yield* steps.complete(received.slice(1), session)
      yield* steps.abandon(received.slice(0, 1), session)
      const again = yield* steps.takeCounted(session, ["a1:2"])
      yield* steps.complete(again, session)
      yield* steps.takeNone(session)
    })
  }
]
