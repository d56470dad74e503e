import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Duration, Effect, Option, Schema } from "effect"
import { type QueueSession, Verdict } from "@queue-runtime/core"
import { SqsBroker, type SqsFaults } from "@queue-runtime/sqs-emulator"
import * as emulated from "./support/emulated.ts"
import * as world from "./support/world.ts"

const Process = Schema.Literals([0, 1])
const Session = Schema.Literals(["A", "B", "C"])
const int = (minimum: number, maximum: number) =>
  Schema.Int.check(Schema.isBetween({ minimum, maximum }))

const FaultName = Schema.Literals([
  "delete fails",
  "delete fails in part",
  "release fails",
  "release fails in part",
  "send fails in part",
  "receive loses its reply",
  "anything is slow"
])

const Command = Schema.Union([
  Schema.TaggedStruct("Send", { session: Session, count: int(1, 4) }),
  Schema.TaggedStruct("Accept", { by: Process, session: Session }),
  Schema.TaggedStruct("AcceptNext", { by: Process }),
  Schema.TaggedStruct("Take", { holder: int(0, 3), max: int(1, 10) }),
  Schema.TaggedStruct("Settle", {
    holder: int(0, 3),
    which: int(0, 4),
    count: int(1, 3),
    verdict: Schema.Literals(["complete", "abandon", "abandon later", "dead-letter"])
  }),
  Schema.TaggedStruct("Renew", { holder: int(0, 3) }),
  Schema.TaggedStruct("Release", { holder: int(0, 3) }),
  Schema.TaggedStruct("Pass", { seconds: Schema.Literals([0.1, 1, 4, 12]) }),
  Schema.TaggedStruct("Fault", { name: FaultName })
])

type Command = typeof Command.Type

const faults: Readonly<Record<typeof FaultName.Type, SqsFaults.Rule>> = {
  "delete fails": {
    action: "DeleteMessageBatch",
    times: 1,
    fault: { _tag: "Fail", kind: "ServiceUnavailable" }
  },
  "delete fails in part": {
    action: "DeleteMessageBatch",
    times: 1,
    fault: { _tag: "FailEntries", entries: [0], kind: "InternalError" }
  },
  "release fails": { action: "ChangeMessageVisibilityBatch", times: 2, fault: { _tag: "Reset" } },
  "release fails in part": {
    action: "ChangeMessageVisibilityBatch",
    times: 2,
    fault: { _tag: "FailEntries", entries: [0], kind: "InternalError" }
  },
  "send fails in part": {
    action: "SendMessageBatch",
    times: 1,
    fault: { _tag: "FailEntries", entries: [0], kind: "InternalError" }
  },
  "receive loses its reply": { action: "ReceiveMessage", times: 1, fault: { _tag: "LoseReply" } },
  "anything is slow": { times: 2, fault: { _tag: "Slow", duration: "300 millis" } }
}

const verdicts = {
  complete: Verdict.complete,
  abandon: Verdict.abandon(),
  "abandon later": Verdict.abandon(Duration.seconds(2)),
  "dead-letter": Verdict.deadLetter("Test")
} as const

interface Holder {
  readonly session: QueueSession.QueueSession
  readonly close: Effect.Effect<void>
  hand: ReadonlyArray<world.Received>
}

const lock = "8 seconds"

/** Two processes on one broker, and what must hold of what they see. */
class World {
  /** By session, in the order they were sent. */
  readonly sent = new Map<string, ReadonlyArray<string>>()
  /** Completed or dead-lettered, for certain or perhaps. */
  readonly gone = new Set<string>()
  holders: ReadonlyArray<Holder> = []
  readonly injected: Array<SqsFaults.Injected> = []
  count = 0

  holder(which: number): Holder | undefined {
    return this.holders[which % Math.max(1, this.holders.length)]
  }

  /** I2: what is handed out has nothing before it that is neither gone nor in the same hands. */
  handOut(holder: Holder, messages: ReadonlyArray<world.Received>): void {
    const session = holder.session.sessionId
    for (const one of messages) {
      holder.hand = [...holder.hand, one]
      const own = this.sent.get(session) ?? []
      const before = own.slice(
        0,
        own.findIndex((id) => id === one.messageId)
      )
      const inHand = new Set<string>(world.ids(holder.hand))
      const skipped = before.filter((id) => !this.gone.has(id) && !inHand.has(id))
      assert.deepStrictEqual(skipped, [], `before ${one.messageId}`)
    }
  }
}

const step = Effect.fnUntraced(function* (
  state: World,
  processes: ReadonlyArray<Effect.Success<ReturnType<typeof world.open>>>,
  broker: SqsBroker.Service,
  command: Command
) {
  const [first] = processes
  if (first === undefined) return
  switch (command._tag) {
    case "Send": {
      const { count, session } = command
      const ids = Array.from({ length: count }, () => `${session}${state.count++}`)
      const messages = yield* Effect.forEach(ids, (id) => world.inSession(session, id))
      const result = yield* Effect.result(world.ends(first.provider.send(world.queue, messages)))
      const outcomes = result._tag === "Success" ? world.tags(result.success) : []
      const own = state.sent.get(session) ?? []
      // R3.9: nothing of a session is sent behind a failure of it.
      const taken = outcomes.findIndex((one) => one !== "ok")
      const good = taken === -1 ? outcomes.length : taken
      assert.isFalse(outcomes.slice(good).includes("ok"))
      state.sent.set(session, [...own, ...ids.slice(0, good)])
      return
    }
    case "Accept":
    case "AcceptNext": {
      const by = processes[command.by] ?? first
      const session = command._tag === "Accept" ? command.session : undefined
      const asked = world.ends(Effect.result(world.accept(by.provider, session, "500 millis")))
      const { close, value } = yield* world.closable(asked)
      if (value._tag === "Failure" || Option.isNone(value.success)) return
      state.holders = [...state.holders, { session: value.success.value, close, hand: [] }]
      return
    }
    case "Take": {
      const holder = state.holder(command.holder)
      if (holder === undefined) return
      const taken = yield* Effect.result(world.take(holder.session, command.max, "200 millis"))
      if (taken._tag === "Success") state.handOut(holder, taken.success)
      return
    }
    case "Settle": {
      const holder = state.holder(command.holder)
      if (holder === undefined || holder.hand.length === 0) return
      const from = command.which % holder.hand.length
      const messages = holder.hand.slice(from, from + command.count)
      const verdict = verdicts[command.verdict]
      const call = world.settleAs(holder.session, messages, verdict)
      const settled = yield* Effect.result(call)
      const outcomes = settled._tag === "Success" ? settled.success : []
      for (const [index, one] of messages.entries()) {
        const outcome = outcomes[index]
        // Failed without a word: it may have taken effect.
        const isGone = outcome === "ok" || outcome === undefined || outcome === "ConnectionFailed"
        if (isGone && verdict._tag !== "Abandon") state.gone.add(one.messageId)
        if (outcome === "ok" || outcome === "ReceiptExpired") {
          holder.hand = holder.hand.filter((other) => other !== one)
        }
      }
      // ADR 0002: an abandon takes back what is behind it.
      if (verdict._tag === "Abandon") holder.hand = holder.hand.slice(0, from)
      return
    }
    case "Renew": {
      const holder = state.holder(command.holder)
      if (holder !== undefined) yield* Effect.result(world.ends(holder.session.renewLock))
      return
    }
    case "Release": {
      const holder = state.holder(command.holder)
      if (holder === undefined) return
      state.holders = state.holders.filter((one) => one !== holder)
      yield* world.ends(holder.close)
      return
    }
    case "Pass":
      return yield* world.pass(Duration.seconds(command.seconds))
    default:
      state.injected.push(broker.injectUnsafe(faults[command.name]))
  }
})

/** R3.2: whatever went wrong, all that was sent and not settled is there, in order, in the end. */
const drain = Effect.fnUntraced(function* (
  state: World,
  processes: ReadonlyArray<Effect.Success<ReturnType<typeof world.open>>>
) {
  const [first] = processes
  if (first === undefined) return
  for (const { remove } of state.injected) yield* remove
  for (const holder of state.holders) yield* world.ends(holder.close)
  yield* world.pass("20 seconds")
  const found = new Map<string, Array<string>>()
  for (let round = 0; round < 20; round++) {
    const asked = world.ends(world.accept(first.provider, undefined, "2 seconds"))
    const { close, value } = yield* world.closable(asked)
    if (Option.isNone(value)) break
    const own = found.get(value.value.sessionId) ?? []
    found.set(value.value.sessionId, own)
    while (true) {
      const batch = yield* world.take(value.value, 10, "100 millis")
      if (batch.length === 0) break
      own.push(...world.ids(batch))
      assert.isFalse((yield* world.settleAs(value.value, batch)).some((one) => one !== "ok"))
    }
    yield* world.ends(close)
  }
  for (const [session, sent] of state.sent) {
    const got = found.get(session) ?? []
    const left = sent.filter((id) => !state.gone.has(id) || got.includes(id))
    assert.deepStrictEqual(got, left, `what is left of ${session}`)
  }
})

const commands = Arbitrary.array(Arbitrary.schema(Command), { minLength: 5, maxLength: 40 })

describe("the router under faults", () => {
  it.effect.prop(
    "R4.1 R3.2 I1 to I5 hold after every step, order in every hand, and nothing is lost",
    { all: commands },
    ({ all }) =>
      Effect.gen(function* () {
        const broker = yield* SqsBroker.make({ seed: "router" })
        const { dlq, name } = yield* emulated.create(broker, "q.fifo")
        const settings = { visibilityTimeout: lock, deliveriesMax: 1_000, groupsMax: 20 } as const
        const queues = { q: { name, deadLetter: { name: dlq }, ...settings } }
        const processes = [yield* world.open(broker, queues), yield* world.open(broker, queues)]
        const state = new World()
        for (const command of all) {
          yield* step(state, processes, broker, command)
          for (const { broken } of processes) {
            assert.deepStrictEqual(broken(), [], `after ${command._tag}`)
          }
        }
        yield* drain(state, processes)
      }).pipe(Effect.scoped),
    { arbitrary: { runs: 60, seed: "router", size: 40 } }
  )
})
