import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import { SessionId } from "@queue-runtime/core"
import { needs, type ProviderRule } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

/** Who is granted a session, and when. */

const { world } = steps

const group = "Sessions"

const queue = { sessions: true }

const skip = needs("acceptSpecific")

const long = Duration.seconds(20)

/** An accept of the next session that waits. */
const waiting = Effect.map(world, ({ provider, queue: name }) =>
  provider.acceptSession(name, { wait: long })
)

export const sessionAccepts: ReadonlyArray<ProviderRule> = [
  {
    id: "SESSION-26",
    group,
    title: "of several free sessions the one that was asked for is granted",
    source: "SPEC R4.2; SQS cannot be asked for one group (SQS.md §3)",
    breaks: "grants whichever comes first",
    queue,
    skip,
    run: Effect.gen(function* () {
      for (const name of ["A", "B", "C"]) yield* steps.sendTo(name, [`${name}1`])
      for (const name of ["C", "A", "B"]) {
        yield* steps.takeIds(yield* steps.accept(name), [`${name}1`])
      }
    })
  },
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
      yield* expect.equal("the session granted", steps.granted(session), undefined)
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
      yield* expect.equal("the session granted", steps.granted(session), expected)
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
    probes: ["P1"],
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
    probes: ["P2", "P3"],
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
      const answer = yield* steps.refused("A", other)
      if (answer === "None") {
        yield* expect.equal("acceptSpecific", capabilities.acceptSpecific, "emulated")
      }
    })
  },
  {
    id: "SESSION-44",
    group,
    title: "a wait for the next session ends when a message of a free one comes",
    source: "SPEC R4.2",
    probes: ["P15"],
    breaks: "asks once and sleeps its wait away",
    queue,
    run: Effect.gen(function* () {
      const call = yield* steps.start(yield* waiting)
      yield* steps.sendTo("A", ["a1"])
      const session = yield* steps.join(call)
      yield* expect.equal("the session granted", steps.granted(session), "A")
    })
  },
  {
    id: "SESSION-45",
    group,
    title: "a wait for the next session ends when a holder releases one",
    source: "SPEC R4.2; SQS (AWS, probe P9): a waiting poll gets it at once",
    probes: ["P9", "P15"],
    breaks: "wakes waiters for new messages alone",
    queue,
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const held = yield* steps.closable(steps.accept("A"))
      const call = yield* steps.start(yield* waiting)
      yield* held.close
      const session = yield* steps.join(call)
      yield* expect.equal("the session granted", steps.granted(session), "A")
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
      yield* expect.equal("the session granted", steps.granted(session), "A")
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
    probes: ["P1", "P14"],
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
        }).pipe(Effect.flatMap((session) => steps.takeInTurn(session, ["a1", "a2"])))
      )
      yield* expect.equal("the deliveries", steps.counted(held), ["a1:1", "a2:1"])
    })
  }
]
