import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { Verdict } from "@queue-runtime/core"
import { lacks, needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

/** What one holder of a session sees. */

const { world } = steps

const group = "Sessions"

const queue = { sessions: true }

const numbered = (letter: string, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, (_, index) => `${letter}${index + 1}`)

export const sessions: ReadonlyArray<ProviderRule> = [
  {
    id: "SESSION-1",
    group,
    title: "messages of a session are delivered in the order they were sent, one by one",
    source: "SPEC R4.1",
    probes: ["P8"],
    breaks: "hands out whatever is ready",
    queue,
    run: Effect.gen(function* () {
      const all = numbered("a", 6)
      for (const id of all) yield* steps.sendTo("A", [id])
      const session = yield* steps.accept("A")
      for (const id of all) yield* steps.complete(yield* steps.takeIds(session, [id]), session)
      yield* steps.takeNone(session)
    })
  },
  {
    id: "SESSION-2",
    group,
    title: "several messages of a session in hand at once are in order too",
    source: "SQS (AWS, probe P1): A0 A1 A2 in one receive; fauxqs 2.4.1 hands out one",
    probes: ["P1", "P3"],
    breaks: "hands out the second message again, or the third first, while the first is in hand",
    queue,
    run: Effect.gen(function* () {
      const all = numbered("a", 7)
      yield* steps.sendTo("A", all)
      const session = yield* steps.accept("A")
      const seen: Array<string> = []
      while (seen.length < all.length) {
        const some = yield* steps.take(session, Math.min(3, all.length - seen.length))
        seen.push(...steps.ids(some))
        yield* expect.equal("the session's messages", seen, all.slice(0, seen.length))
        if (some.length === 0) break
        yield* steps.complete(some, session)
      }
      yield* expect.equal("the session's messages", seen, all)
    })
  },
  {
    id: "SESSION-3",
    group,
    title: "a call with messages of several sessions keeps the order of each",
    source: "SPEC R3.9, R4.1; DESIGN §4: one entry a group a batch",
    breaks: "sends the entries of a batch side by side",
    queue,
    run: Effect.gen(function* () {
      const mixed = ["a1", "b1", "b2", "a2", "c1", "a3", "c2", "b3"]
      const messages = yield* Effect.forEach(mixed, (id) =>
        steps.inSession(id.slice(0, 1).toUpperCase(), id)
      )
      yield* steps.sendAll(messages)
      for (const [session, own] of [
        ["A", ["a1", "a2", "a3"]],
        ["B", ["b1", "b2", "b3"]],
        ["C", ["c1", "c2"]]
      ] as const) {
        yield* steps.takeInTurn(yield* steps.accept(session), own)
      }
    }),
    skip: needs("acceptSpecific")
  },
  {
    id: "SESSION-4",
    group,
    title: "sessions run side by side: one in hand does not hold up another",
    source: "SPEC R4.1",
    breaks: "takes the queue's first message for the first of every session",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1", "a2"])
      const a = yield* steps.acceptNext()
      const first = yield* steps.takeIds(a, ["a1"])
      yield* steps.sendTo("B", ["b1"])
      const b = yield* steps.acceptNext()
      yield* expect.equal("the second session", b.sessionId, "B")
      yield* steps.complete(yield* steps.takeIds(b, ["b1"]), b)
      yield* steps.complete(first, a)
      yield* steps.complete(yield* steps.takeIds(a, ["a2"]), a)
    })
  },
  {
    id: "SESSION-5",
    group,
    title: "a session hands out its own messages alone",
    source: "SPEC R4.1; SQS hands out groups mixed in one receive",
    probes: ["P2"],
    breaks: "hands out what else came with the receive",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const a = yield* steps.acceptNext()
      yield* steps.sendTo("B", ["b1"])
      yield* steps.sendTo("A", ["a2"])
      const received = yield* steps.takeInTurn(a, ["a1", "a2"])
      const owners = received.map(({ sessionId }) => sessionId)
      yield* expect.equal("the messages' sessions", owners, [a.sessionId, a.sessionId])
      yield* steps.takeNone(a)
      const b = yield* steps.acceptNext()
      yield* steps.takeIds(b, ["b1"])
    })
  },
  {
    id: "SESSION-6",
    group,
    title: "what is sent to a held session goes to its holder, behind what was there",
    source: "SPEC R4.1; SQS (AWS, probe P2): a group in flight is nobody else's",
    probes: ["P2"],
    breaks: "opens the session a second time for the new message",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const a = yield* steps.acceptNext()
      const first = yield* steps.takeIds(a, ["a1"])
      yield* steps.sendTo("A", ["a2"])
      yield* steps.acceptNone()
      yield* steps.complete(first, a)
      yield* steps.takeIds(a, ["a2"])
    })
  },
  {
    id: "SESSION-15",
    group,
    title: "completing a session's message twice fails with ReceiptExpired",
    source: "SPEC R3.4",
    breaks: "answers a used receipt with success",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", ["a1", "a2"], ["a1"])
      yield* steps.complete(received, session)
      yield* steps.settlesNothing(received, Verdict.complete, session)
      yield* steps.settlesNothing(received, Verdict.abandon(), session)
      yield* steps.takeCounted(session, ["a2:1"])
    })
  },
  {
    id: "SESSION-16",
    group,
    title: "a session settles its own deliveries alone",
    source: "QueueSession.settle: deliveries of this session",
    breaks: "settles any receipt of the queue",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const a = yield* steps.acceptNext()
      const received = yield* steps.takeIds(a, ["a1"])
      yield* steps.sendTo("B", ["b1"])
      const b = yield* steps.acceptNext()
      yield* steps.settlesNothing(received, Verdict.complete, b)
      yield* steps.complete(received, a)
    })
  },
  {
    id: "SESSION-17",
    group,
    title: "the provider settles a session's delivery as the session does",
    source: "QueueClient.Settlement: by the client any delivery, by a session its own",
    probes: ["P1", "P4"],
    breaks: "knows the receipts of sessions in their handles alone",
    queue,
    run: Effect.gen(function* () {
      const { received, session } = yield* steps.holding("A", ["a1", "a2", "a3"], ["a1", "a2"])
      yield* steps.complete(received.slice(0, 1))
      yield* steps.abandon(received.slice(1))
      yield* steps.takeCounted(session, ["a2:2", "a3:1"])
    })
  },
  {
    id: "SESSION-18",
    group,
    title: "a waiting receive of a session ends when a message of it comes",
    source: "QueueSession.receive",
    probes: ["P9", "P15"],
    breaks: "asks once and sleeps its wait away",
    queue,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(session, ["a1"]), session)
      const wait = Duration.times(capabilities.lockDuration, 0.6)
      const call = yield* steps.start(session.receive({ max: 5, wait }))
      yield* steps.sendTo("B", ["b1"])
      yield* steps.sendTo("A", ["a2"])
      const received = yield* steps.join(call)
      yield* expect.equal("the session's messages", steps.ids(received), ["a2"])
    })
  },
  {
    id: "SESSION-19",
    group,
    title: "a session without messages answers nothing when the wait is over, and not before",
    source: "QueueSession.receive",
    breaks: "ends the session, or spins",
    queue,
    run: Effect.gen(function* () {
      const { capabilities, time } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(session, ["a1"]), session)
      const wait = Duration.times(capabilities.lockDuration, 0.4)
      const ask = steps.timed(session.receive({ max: 5, wait }))
      const [received, took] = yield* steps.ends(ask, wait)
      yield* expect.equal("the session's messages", steps.ids(received), [])
      yield* expect.holds(
        "the whole wait was waited",
        Duration.isGreaterThanOrEqualTo(Duration.sum(took, time.precision), wait),
        Duration.format(took)
      )
      yield* steps.sendTo("A", ["a2"])
      yield* steps.takeIds(session, ["a2"])
    })
  },
  {
    id: "SESSION-20",
    group,
    title: "an interrupted receive of a session loses nothing and keeps the order",
    source: "SPEC R3.3, R4.1",
    probes: ["P14"],
    breaks: "drops what the interrupted poll brought, and goes on behind it",
    queue,
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.accept("A")
      yield* steps.complete(yield* steps.takeIds(session, ["a1"]), session)
      const wait = Duration.times(capabilities.lockDuration, 0.6)
      const call = yield* steps.start(session.receive({ max: 5, wait }))
      const sending = yield* Effect.forkChild(steps.sendTo("A", ["a2", "a3"]), {
        startImmediately: true
      })
      call.interruptUnsafe()
      yield* steps.join(sending)
      const exit = yield* steps.ends(Fiber.await(call))
      const got = exit._tag === "Success" ? steps.ids(exit.value) : []
      yield* steps.takeInTurn(session, ["a2", "a3"].slice(got.length))
    })
  },
  {
    id: "SESSION-21",
    group,
    title: "a session takes no receipt of a message that was never delivered",
    source: "SPEC R2.1, R2.3",
    breaks: "dies of a receipt it cannot read",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.accept("A")
      const [a1] = yield* steps.takeIds(session, ["a1"])
      const { receipt } = yield* expect.present("a1", a1)
      const unknown = { receipt: { ...receipt, token: "nobody was given this" } }
      yield* steps.settlesNothing([unknown], Verdict.complete, session)
      yield* steps.complete([{ receipt }], session)
    })
  },
  {
    id: "SESSION-22",
    group,
    title: "many sessions: each is granted once at a time, and nothing of any is lost",
    source: "SPEC R4.1, R3.2",
    breaks: "forgets sessions beyond the first page, or grants one twice",
    // All are held until the last one is.
    queue: { ...queue, lockDuration: Duration.minutes(1) },
    run: Effect.gen(function* () {
      const letters = [..."ABCDEFGHIJKLMNOPQRST"]
      for (const round of [1, 2]) {
        const messages = yield* Effect.forEach(letters, (letter) =>
          steps.inSession(letter, `${letter}${round}`)
        )
        yield* steps.sendInCalls(messages)
      }
      const found: Array<string> = []
      for (const _ of letters) {
        const session = yield* steps.acceptNext()
        const { sessionId } = session
        yield* steps.takeInTurn(session, [`${sessionId}1`, `${sessionId}2`])
        found.push(sessionId)
      }
      yield* expect.equal("the sessions granted", found.toSorted(), letters)
      yield* steps.acceptNone()
    })
  },
  {
    id: "SESSION-23",
    group,
    title: "session state is what its holders wrote, for the next ones too",
    source: "SPEC R4.2; Service Bus set-session-state",
    breaks: "keeps the state in the handle",
    queue,
    skip: needs("sessionState", "acceptSpecific"),
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const bytes = new Uint8Array([0, 1, 255])
      const first = yield* steps.closable(steps.accept("A"))
      const before = yield* steps.ends(first.value.state)
      yield* expect.equal("the state that nobody wrote", Option.isNone(before), true)
      yield* steps.ends(first.value.setState(Option.some(bytes)))
      bytes.fill(7)
      yield* first.close
      const second = yield* steps.closable(steps.accept("A"))
      const state = Option.map(yield* steps.ends(second.value.state), (read) => [...read])
      yield* expect.equal("the state", Option.getOrUndefined(state), [0, 1, 255])
      yield* steps.ends(second.value.setState(Option.none()))
      yield* second.close
      const third = yield* steps.accept("A")
      const after = yield* steps.ends(third.state)
      yield* expect.equal("the state that was removed", Option.isNone(after), true)
    })
  },
  {
    id: "SESSION-24",
    group,
    title: "a queue without session state refuses it, reading and writing",
    source: "SPEC R3.11",
    breaks: "answers that nobody wrote any",
    queue,
    skip: lacks("sessionState"),
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.acceptNext()
      yield* steps.failsWith("reading the state", "UnsupportedOperation", session.state)
      const write = session.setState(Option.some(new Uint8Array([1])))
      yield* steps.failsWith("writing the state", "UnsupportedOperation", write)
    })
  },
  {
    id: "SESSION-25",
    group,
    title: "a queue without sessions has none to accept",
    source: "QueueProvider.acceptSession; Service Bus: amqp:not-allowed",
    breaks: "answers None, and a session worker waits for ever",
    run: Effect.gen(function* () {
      const { provider, queue: name } = yield* world
      const call = Effect.scoped(provider.acceptSession(name, { wait: Duration.zero }))
      yield* steps.failsWith("accepting a session", "UnsupportedOperation", call)
    })
  }
]
