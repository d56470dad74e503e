import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { QueueAddress, SessionId, Verdict } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Concurrency"

/** What comes in many receives stays locked until all are there. */
const longLock = { lockDuration: Duration.minutes(1) }

const together = { concurrency: "unbounded" } as const

const numbered = (count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `m${String(index).padStart(2, "0")}`)

/** Settles one delivery in a call of its own: ok, or the tag of the reason. */
const settling = Effect.fnUntraced(function* (message: steps.Received, verdict: Verdict.Verdict) {
  const { provider } = yield* world
  const [tag] = steps.tags(yield* provider.settle([message.receipt], verdict))
  return yield* expect.present("the outcome", tag)
})

export const concurrency: ReadonlyArray<ProviderRule> = [
  {
    id: "CONCUR-1",
    group,
    title: "settlements of many deliveries side by side have each their own effect",
    source:
      "rhea 3.0.5 merges settlements of one tick into the first one's: of 1,000 messages 6 abandoned " +
      "ones were lost (SERVICEBUS.md §5.1)",
    breaks: "completes what was abandoned",
    run: Effect.gen(function* () {
      const all = numbered(20)
      yield* steps.sendInCalls(yield* Effect.forEach(all, (id) => steps.message(id)))
      const received = yield* steps.receiveIds(all)
      const verdictOf = (index: number) => (index % 5 === 4 ? Verdict.abandon() : Verdict.complete)
      const outcomes = yield* steps.ends(
        Effect.forEach(received, (one, index) => settling(one, verdictOf(index)), together)
      )
      yield* expect.equal(
        "the outcomes",
        outcomes,
        all.map(() => "ok")
      )
      yield* steps.receiveIds(all.filter((_, index) => index % 5 === 4))
      yield* steps.passLock
      yield* steps.receiveIds(all.filter((_, index) => index % 5 === 4))
    })
  },
  {
    id: "CONCUR-2",
    group,
    title: "dead-letterings side by side have each their own reason",
    source: "rhea 3.0.5: two in one tick, and B gets A's reason (SERVICEBUS.md §5.1)",
    breaks: "writes the first one's reason on all of them",
    skip: needs("deadLetter"),
    run: Effect.gen(function* () {
      const all = numbered(8)
      yield* steps.send(all)
      const received = yield* steps.receiveIds(all)
      yield* steps.ends(
        Effect.forEach(
          received,
          (one) => settling(one, Verdict.deadLetter(`reason of ${one.messageId}`)),
          together
        )
      )
      const letters = yield* steps.receiveIds(all, yield* steps.deadLetters)
      const reasons = letters.map(({ deadLetter }) => deadLetter?.reason)
      yield* expect.equal(
        "the reasons",
        reasons,
        all.map((id) => `reason of ${id}`)
      )
    })
  },
  {
    id: "CONCUR-3",
    group,
    title: "of a complete and an abandon of one delivery side by side one alone takes effect",
    source: "SPEC R3.4; Receipt: it settles that delivery once",
    breaks: "answers both with success",
    run: Effect.gen(function* () {
      const a = yield* steps.deliver("a")
      const [completed, abandoned] = yield* steps.ends(
        Effect.all([settling(a, Verdict.complete), settling(a, Verdict.abandon())], together)
      )
      const outcomes = [completed, abandoned].toSorted()
      yield* expect.equal("the outcomes", outcomes, ["ReceiptExpired", "ok"])
      if (abandoned === "ok") yield* steps.receiveIds(["a"])
      else yield* steps.receiveNone()
    })
  },
  {
    id: "CONCUR-4",
    group,
    title: "a renewal side by side with a completion does not bring the message back",
    source: "SQS.md §4: a renewal may overlap a deletion, and must not undo it",
    breaks: "renews by storing the delivery again",
    run: Effect.gen(function* () {
      const { provider } = yield* world
      const a = yield* steps.deliver("a")
      const both = Effect.all(
        [
          provider.renewLock([a.receipt]),
          settling(a, Verdict.complete),
          provider.renewLock([a.receipt])
        ],
        together
      )
      const [, completed] = yield* steps.ends(both)
      yield* expect.equal("the completion", completed, "ok")
      yield* steps.passLock
      yield* steps.receiveNone()
    })
  },
  {
    id: "CONCUR-5",
    group,
    title: "a renewal that overtakes an abandon does not keep the message from the next receiver",
    source: "novu #12437; SQS.md §4 (S9): nothing came back for 30 s",
    breaks: "lets the heartbeat have the last word",
    run: Effect.gen(function* () {
      const { provider } = yield* world
      const a = yield* steps.deliver("a")
      const renewal = provider.renewLock([a.receipt])
      const all = Effect.all([renewal, settling(a, Verdict.abandon()), renewal, renewal], together)
      const [, abandoned] = yield* steps.ends(all)
      yield* expect.equal("the abandon", abandoned, "ok")
      const again = yield* steps.receiveIds(["a"])
      yield* expect.equal("the deliveries", steps.counted(again), ["a:2"])
    })
  },
  {
    id: "CONCUR-6",
    group,
    title: "sends side by side are all taken and delivered, once each",
    source: "SPEC R3.2; 5,000 concurrent sends: 1,750 SenderBusy (SERVICEBUS.md §5.4)",
    breaks: "loses one of two that meet",
    queue: longLock,
    run: Effect.gen(function* () {
      const all = numbered(40)
      const sends = Effect.forEach(all, (id) => steps.send([id]), together)
      yield* sends
      yield* steps.receiveIds(all)
      yield* steps.receiveNone()
    })
  },
  {
    id: "CONCUR-7",
    group,
    title: "receivers side by side never get one message twice, and together get all",
    source: "SPEC R3.5",
    breaks: "picks a message and marks it later",
    queue: longLock,
    run: Effect.gen(function* () {
      const { provider, queue, time } = yield* world
      const all = numbered(30)
      yield* steps.sendInCalls(yield* Effect.forEach(all, (id) => steps.message(id)))
      const seen: Array<string> = []
      const wait = time.quiet
      const ask = provider.receive(QueueAddress.queue(queue), { max: 4, wait })
      const most = all.length
      for (let round = 0; round < most && seen.length < all.length; round++) {
        const some = yield* steps.ends(Effect.all([ask, ask, ask], together), wait)
        seen.push(...steps.ids(some.flat()))
      }
      yield* expect.equal("the messages", seen.toSorted(), all)
    })
  },
  {
    id: "CONCUR-8",
    group,
    title: "receivers that wait are each woken: as many messages, as many served",
    source: "SPEC R3.3",
    breaks: "loses the wake-up of the second of two that come together",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const options = { max: 1, wait: Duration.seconds(20) }
      const receive = provider.receive(QueueAddress.queue(queue), options)
      const calls = yield* Effect.forEach([1, 2, 3, 4], () => steps.start(receive))
      const all = ["a", "b", "c", "d"]
      yield* Effect.forEach(all, (id) => steps.send([id]), together)
      const received = yield* Effect.forEach(calls, (call) => steps.join(call))
      yield* expect.equal("the messages", steps.ids(received.flat()).toSorted(), all)
    })
  },
  {
    id: "CONCUR-9",
    group,
    title: "of accepts of one session side by side one alone is granted",
    source: "SPEC R4.3",
    probes: ["P2"],
    breaks: "looks whether it is free, and takes it later",
    queue: { sessions: true },
    skip: needs("acceptSpecific"),
    run: Effect.gen(function* () {
      const { connect, provider, queue, time } = yield* world
      const other = yield* connect
      yield* steps.sendTo("A", ["a1", "a2"])
      const options = { sessionId: SessionId.makeUnsafe("A"), wait: time.quiet }
      const accepts = [provider, other, provider, other].map((by) =>
        Effect.result(by.acceptSession(queue, options))
      )
      const results = yield* steps.ends(Effect.all(accepts, together), time.patience)
      const granted = results.filter((one) => Result.isSuccess(one) && Option.isSome(one.success))
      yield* expect.equal("how many were granted it", granted.length, 1)
      const reasons = results.flatMap((one) =>
        Result.isFailure(one) ? [one.failure.reason._tag] : []
      )
      yield* expect.equal(
        "other reasons",
        reasons.filter((one) => one !== "SessionLocked"),
        []
      )
    })
  },
  {
    id: "CONCUR-10",
    group,
    title: "accepts of the next session side by side are granted different ones",
    source: "SPEC R4.3",
    probes: ["P3"],
    breaks: "hands the first free session to everybody who asks at that moment",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const { connect, provider, queue, time } = yield* world
      const other = yield* connect
      for (const letter of ["A", "B", "C", "D"]) yield* steps.sendTo(letter, [`${letter}1`])
      const wait = time.patience
      const accepts = [provider, other, provider, other].map((by) =>
        by.acceptSession(queue, { wait })
      )
      const granted = yield* steps.ends(Effect.all(accepts, together), wait)
      const sessions = granted.flatMap((one) =>
        Option.isSome(one) ? [one.value.sessionId as string] : []
      )
      yield* expect.equal("the sessions", sessions.toSorted(), ["A", "B", "C", "D"])
    })
  },
  {
    id: "CONCUR-11",
    group,
    title: "waiting for one session does not keep another client from the next",
    source:
      "SQS.md §3: foreign groups received on the way are blocked for others while they are kept",
    breaks: "takes and keeps what it was not asked for",
    queue: { sessions: true },
    skip: needs("acceptSpecific"),
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const options = { sessionId: SessionId.makeUnsafe("Z"), wait: Duration.seconds(20) }
      yield* steps.start(Effect.result(provider.acceptSession(queue, options)))
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.acceptNext()
      yield* expect.equal("the session granted", session.sessionId, "A")
      yield* steps.takeIds(session, ["a1"])
    })
  },
  {
    id: "CONCUR-12",
    group,
    title: "a receive that waits holds up no other call of its connection",
    source: "QueueProvider: every method may run concurrently with every other",
    breaks: "has one channel, and one request on it at a time",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      yield* steps.send(["a", "b"])
      const [a, b] = yield* steps.receiveIds(["a", "b"])
      const options = { max: 1, wait: Duration.seconds(20) }
      const call = yield* steps.start(provider.receive(QueueAddress.queue(queue), options))
      const kept = yield* expect.present("b", b)
      const renewed = steps.tags(yield* steps.ends(provider.renewLock([kept.receipt])))
      yield* expect.equal("the renewal", renewed, ["ok"])
      yield* steps.complete([yield* expect.present("a", a), kept])
      yield* steps.receiveNoneNow()
      yield* expect.equal("the end of the wait", call.pollUnsafe(), undefined)
      yield* steps.send(["c"])
      const received = yield* steps.join(call)
      yield* expect.equal("the messages", steps.ids(received), ["c"])
    })
  }
]
