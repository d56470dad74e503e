import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Capabilities, QueueAddress, type QueueError, Verdict } from "@queue-runtime/core"
import { type ProviderRule, needs } from "../../ProviderRule.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"

const { world } = steps

const group = "Lifecycle"

const isCapabilities = Schema.is(Capabilities.Capabilities)

const isSupported = Capabilities.isSupported

/** What a declaration says against itself. */
const contradictions = (one: Capabilities.Capabilities): ReadonlyArray<string> => {
  const rules: ReadonlyArray<readonly [boolean, string]> = [
    [one.ordered === isSupported(one.sessions), "ordered and sessions disagree"],
    [isSupported(one.sessions) || !isSupported(one.sessionState), "state without sessions"],
    [isSupported(one.sessions) || !isSupported(one.acceptSpecific), "accepting without sessions"],
    [isSupported(one.acceptSpecific) || !one.locksEmptySession, "locks what it cannot accept"],
    [one.sendSizeMax >= one.messageSizeMax, "a message of messageSizeMax fits into no call"],
    [Duration.isPositive(one.lockDuration), "a lock of no duration"],
    [Duration.isPositive(one.receiveWaitMax), "no receive may wait"],
    [
      isSupported(one.deduplication) === (one.deduplicationWindow !== undefined),
      "deduplication and its window disagree"
    ],
    [isSupported(one.scheduling) || one.delayMax === undefined, "a delayMax without scheduling"],
    [
      isSupported(one.abandonDelay) || one.abandonDelayMax === undefined,
      "an abandonDelayMax without abandonDelay"
    ]
  ]
  return rules.flatMap(([isRight, what]) => (isRight ? [] : [what]))
}

/** A connection of its own, and the end of it. */
const connection = Effect.flatMap(world, ({ connect }) => steps.closable(connect))

/** What a closed connection answers: it is not the service that failed. */
const isClosed = Effect.fnUntraced(function* <A>(
  what: string,
  call: Effect.Effect<A, QueueError.QueueError>
) {
  yield* steps.failsWith(what, "ConnectionFailed", call)
})

export const lifecycle: ReadonlyArray<ProviderRule> = [
  {
    id: "LIFE-1",
    group,
    title: "a provider has a name, and its stack ends with it",
    source: "QueueProvider.stack: outermost first, the provider's own last",
    breaks: "hides which decorators are there",
    run: Effect.gen(function* () {
      const { provider } = yield* world
      yield* expect.holds("there is a name", provider.name !== "", provider.name)
      yield* expect.equal("the last of the stack", provider.stack.at(-1), provider.name)
    })
  },
  {
    id: "LIFE-2",
    group,
    title: "capabilities are whole, do not contradict themselves and do not change",
    source: "SPEC R3.11; ADR 0003: pure, without a call",
    breaks: "declares what cannot be, or something else each time",
    run: Effect.gen(function* () {
      const { connect, provider, queue } = yield* world
      const one = provider.capabilities(queue)
      yield* expect.holds("capabilities are valid", isCapabilities(one), one)
      yield* expect.equal("contradictions", contradictions(one), [])
      yield* steps.send(["a"])
      yield* expect.equal("capabilities after a call", provider.capabilities(queue), one)
      const other = yield* connect
      yield* expect.equal("capabilities of another client", other.capabilities(queue), one)
    })
  },
  {
    id: "LIFE-3",
    group,
    title: "capabilities of an ordered queue are whole and do not contradict themselves",
    source: "SPEC R3.11; ADR 0003: capabilities belong to a queue",
    breaks: "declares one queue's for all",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const { capabilities } = yield* world
      yield* expect.holds("capabilities are valid", isCapabilities(capabilities), capabilities)
      yield* expect.equal("contradictions", contradictions(capabilities), [])
    })
  },
  {
    id: "LIFE-4",
    group,
    title: "a message outlives the connection that sent it",
    source: "SPEC R3.2: nothing acknowledged is lost",
    breaks: "acknowledges what it has only buffered",
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const other = yield* connection
      const messages = yield* Effect.forEach(["a", "b"], (id) => steps.message(id))
      const outcomes = yield* steps.ends(other.value.send(queue, messages))
      yield* expect.equal("the outcomes", steps.tags(outcomes), ["ok", "ok"])
      yield* other.close
      yield* steps.receiveIds(["a", "b"])
    })
  },
  {
    id: "LIFE-5",
    group,
    title: "closing a connection ends its waiting receive",
    source: "SPEC R10.4; azure-sdk-for-js #7689: receiveMessages hangs",
    breaks: "leaves the caller waiting for a connection that is gone",
    run: Effect.gen(function* () {
      const { queue } = yield* world
      const other = yield* connection
      const options = { max: 1, wait: Duration.seconds(20) }
      const receive = other.value.receive(QueueAddress.queue(queue), options)
      const call = yield* steps.start(Effect.result(receive))
      yield* other.close
      const result = yield* steps.join(call)
      const reason = result._tag === "Failure" ? result.failure.reason._tag : "an answer"
      yield* expect.equal("the end of the wait", reason, "ConnectionFailed")
      yield* steps.send(["a"])
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "LIFE-6",
    group,
    title: "closing a connection ends nobody else's wait",
    source: "SPEC R10.4: several clients without touching each other",
    breaks: "shares a connection that the first one closes",
    run: Effect.gen(function* () {
      const { provider, queue } = yield* world
      const other = yield* connection
      const options = { max: 1, wait: Duration.seconds(20) }
      const call = yield* steps.start(provider.receive(QueueAddress.queue(queue), options))
      yield* other.close
      yield* steps.send(["a"])
      const received = yield* steps.join(call)
      yield* expect.equal("the messages", steps.ids(received), ["a"])
    })
  },
  {
    id: "LIFE-7",
    group,
    title: "a closed connection answers ConnectionFailed, and does nothing",
    source: "SPEC R10.4, R2.3",
    breaks: "hangs, throws, or works on",
    run: Effect.gen(function* () {
      const { queue, time } = yield* world
      const address = QueueAddress.queue(queue)
      const other = yield* connection
      const wait = time.patience
      yield* steps.send(["a"])
      const [a] = yield* steps.ends(other.value.receive(address, { max: 1, wait }), wait)
      const { receipt } = yield* expect.present("the message", a)
      yield* other.close
      const message = yield* steps.message("b")
      yield* isClosed("sending", other.value.send(queue, [message]))
      const options = { max: 1, wait: Duration.zero }
      yield* isClosed("receiving", other.value.receive(address, options))
      yield* isClosed("settling", other.value.settle([receipt], Verdict.complete))
      yield* isClosed("renewing", other.value.renewLock([receipt]))
      yield* steps.passLock
      yield* steps.receiveIds(["a"])
    })
  },
  {
    id: "LIFE-8",
    group,
    title: "what a closed connection had in hand comes again when its lock ends, at the latest",
    source: "SPEC R3.2; Service Bus: closed unsettled, it stays locked until expiry",
    breaks: "renews for a client that is gone, or loses what it had prefetched",
    run: Effect.gen(function* () {
      const { queue, time } = yield* world
      const other = yield* connection
      yield* steps.send(["a", "b"])
      const wait = time.patience
      const options = { max: 1, wait }
      yield* steps.ends(other.value.receive(QueueAddress.queue(queue), options), wait)
      yield* other.close
      yield* steps.passLock
      yield* steps.receiveIds(["a", "b"])
    })
  },
  {
    id: "LIFE-9",
    group,
    title: "closing a connection gives its sessions back",
    source: "SPEC R4.2, R10.4",
    probes: ["P6"],
    breaks: "keeps them locked until their locks end",
    queue: { sessions: true },
    run: Effect.gen(function* () {
      const other = yield* connection
      yield* steps.sendTo("A", ["a1", "a2"])
      const session = yield* steps.accept("A", other.value)
      yield* steps.takeIds(session, ["a1"])
      yield* other.close
      const mine = yield* steps.accept("A")
      yield* steps.takeIds(mine, ["a1", "a2"])
      const late = session.receive({ max: 1, wait: Duration.zero })
      const error = yield* steps.failure("a session of a closed connection", late)
      const reasons = ["ConnectionFailed", "SessionLockLost"] as const
      yield* expect.oneOf<string>("the reason", error.reason._tag, reasons)
    })
  },
  {
    id: "LIFE-10",
    group,
    title: "clients of one queue share its messages: each goes to one of them",
    source: "SPEC R3.5; the point of a queue",
    breaks: "delivers everything to everybody",
    run: Effect.gen(function* () {
      const { connect, queue, time } = yield* world
      const other = yield* connect
      const all = ["a", "b", "c", "d"]
      yield* steps.send(all)
      const mine = yield* steps.receive(2)
      const wait = time.patience
      const ask = other.receive(QueueAddress.queue(queue), { max: 4, wait })
      const theirs = [...(yield* steps.ends(ask, wait))]
      while (theirs.length < 2) {
        const more = yield* steps.ends(ask, wait)
        if (more.length === 0) break
        theirs.push(...more)
      }
      yield* expect.equal("the messages", steps.ids([...mine, ...theirs]).toSorted(), all)
    })
  },
  {
    id: "LIFE-11",
    group,
    title: "state of a session outlives the connection that wrote it",
    source: "SPEC R4.2",
    breaks: "keeps the state in the client",
    queue: { sessions: true },
    skip: needs("sessionState"),
    run: Effect.gen(function* () {
      yield* steps.sendTo("A", ["a1"])
      const other = yield* connection
      const session = yield* steps.accept("A", other.value)
      yield* steps.ends(session.setState(Option.some(new Uint8Array([1, 2]))))
      yield* other.close
      const mine = yield* steps.accept("A")
      const state = Option.map(yield* steps.ends(mine.state), (read) => [...read])
      yield* expect.equal("the state", Option.getOrUndefined(state), [1, 2])
    })
  }
]
