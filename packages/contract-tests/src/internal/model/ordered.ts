/** Two clients of a queue with sessions. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { Capabilities, type QueueSession, SessionId, type Verdict } from "@queue-runtime/core"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"
import {
  atStep,
  clearOf,
  Client,
  delayOf,
  int,
  type Item,
  now,
  Part,
  table,
  type Table,
  verdictOf,
  VerdictName
} from "./play.ts"

const Name = Schema.Literals(["A", "B", "C"])

export const Command = Schema.Union([
  Schema.TaggedStruct("Send", { client: Client, session: Name, count: int(1, 3) }),
  Schema.TaggedStruct("Accept", { client: Client, session: Name }),
  Schema.TaggedStruct("AcceptNext", { client: Client }),
  Schema.TaggedStruct("Take", { holder: int(0, 2), max: int(1, 4) }),
  Schema.TaggedStruct("Settle", { holder: int(0, 2), which: int(0, 3), verdict: VerdictName }),
  Schema.TaggedStruct("SettleLate", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("UseLost", { which: int(0, 2) }),
  Schema.TaggedStruct("Renew", { holder: int(0, 2) }),
  Schema.TaggedStruct("Release", { holder: int(0, 2) }),
  Schema.TaggedStruct("Pass", { part: Part })
])

type Command = typeof Command.Type

export const describe = (command: Command): string => {
  switch (command._tag) {
    case "Send":
      return `client ${command.client} sends ${command.count} to ${command.session}`
    case "Accept":
      return `client ${command.client} accepts ${command.session}`
    case "AcceptNext":
      return `client ${command.client} accepts the next session`
    case "Take":
      return `holder ${command.holder} receives up to ${command.max}`
    case "Settle":
      return `holder ${command.holder}, delivery ${command.which}: ${command.verdict}`
    case "SettleLate":
      return `used receipt ${command.which}: ${command.verdict}`
    case "UseLost":
      return `former holder ${command.which} receives`
    case "Renew":
      return `holder ${command.holder} renews`
    case "Release":
      return `holder ${command.holder} releases its session`
    case "Pass":
      return `${command.part} of the lock duration passes`
  }
}

interface Delivery {
  readonly item: Item
  readonly client: 0 | 1
  readonly message: steps.Received
}

interface Hold {
  readonly client: 0 | 1
  readonly handle: QueueSession.QueueSession
  readonly close: Effect.Effect<void>
  until: number
}

/** A session of the model: what is in hand are the first of its messages. */
class Session {
  readonly name: string
  messages: ReadonlyArray<Item> = []
  hand: ReadonlyArray<Delivery> = []
  hold: Hold | undefined = undefined

  constructor(name: string) {
    this.name = name
  }

  /** What its holder is handed next: in order, up to the first that is hidden. */
  next(at: number, max: number): ReadonlyArray<Item> {
    const rest = this.messages.slice(this.hand.length)
    const hidden = rest.findIndex((item) => item.freeAt > at)
    return rest.slice(0, Math.min(max, hidden === -1 ? rest.length : hidden))
  }

  isReady(at: number): boolean {
    return this.hold === undefined && this.next(at, 1).length > 0
  }
}

class Model {
  readonly sessions = new Map(["A", "B", "C"].map((name) => [name, new Session(name)]))
  readonly used: Array<Delivery> = []
  readonly lost: Array<QueueSession.QueueSession> = []
  readonly dead: Array<string> = []
  sent = 0
  readonly table: Table

  constructor(of: Table) {
    this.table = of
  }

  session(name: string): Session {
    const found = this.sessions.get(name) ?? new Session(name)
    this.sessions.set(name, found)
    return found
  }

  /** The session of one of those who hold one; nobody's when there is none. */
  heldBy(holder: number): Session {
    const held = [...this.sessions.values()].filter(({ hold }) => hold !== undefined)
    return held[holder % Math.max(1, held.length)] ?? new Session("nobody's")
  }

  remove(session: Session, item: Item): void {
    session.messages = session.messages.filter((one) => one !== item)
  }

  /** Deliveries from a place on end; those that count may have been the last. */
  takeBack(session: Session, from: number, isCounted: (delivery: Delivery) => boolean): void {
    const back = session.hand.slice(from)
    session.hand = session.hand.slice(0, from)
    for (const delivery of back) {
      const { item } = delivery
      this.used.push(delivery)
      if (!isCounted(delivery)) {
        item.count--
      } else if (item.count >= this.table.deliveriesMax) {
        this.remove(session, item)
        this.dead.push(item.id)
      }
    }
  }

  /** Locks that ran out. */
  pass(at: number): void {
    for (const session of this.sessions.values()) {
      if (session.hold === undefined || session.hold.until > at) continue
      this.lost.push(session.hold.handle)
      session.hold = undefined
      this.takeBack(session, 0, () => true)
    }
  }

  settle(session: Session, place: number, verdict: Verdict.Verdict, at: number): void {
    const delivery = session.hand[place]
    if (delivery === undefined) return
    if (verdict._tag === "Abandon") {
      delivery.item.freeAt = at + delayOf(verdict)
      this.takeBack(session, place, (one) => one === delivery)
      return
    }
    session.hand = session.hand.filter((one) => one !== delivery)
    this.used.push(delivery)
    this.remove(session, delivery.item)
    if (verdict._tag === "DeadLetter") this.dead.push(delivery.item.id)
  }

  borders(): ReadonlyArray<number> {
    const all = [...this.sessions.values()]
    const locks = all.flatMap(({ hold }) => hold?.until ?? [])
    const backoffs = all.flatMap(({ messages }) => messages.map(({ freeAt }) => freeAt))
    return [...locks, ...backoffs.filter((one) => one > 0)]
  }
}

const send = Effect.fnUntraced(function* (
  model: Model,
  client: 0 | 1,
  session: Session,
  count: number
) {
  const { queue } = yield* steps.world
  const names = Array.from({ length: count }, () => `${session.name}${model.sent++}`)
  const messages = yield* Effect.forEach(names, (id) => steps.inSession(session.name, id))
  const outcomes = yield* steps.ends(model.table.clients[client].send(queue, messages))
  yield* expect.equal(
    "the outcomes",
    steps.tags(outcomes),
    names.map(() => "ok")
  )
  session.messages = [...session.messages, ...names.map((id) => ({ id, count: 0, freeAt: 0 }))]
})

/** An accept in a scope of its own: granted, none, or the reason why not. */
const accept = Effect.fnUntraced(function* (
  model: Model,
  client: 0 | 1,
  name: string | undefined,
  isThere: boolean
) {
  const { queue, time } = yield* steps.world
  const which = name === undefined ? {} : { sessionId: SessionId.makeUnsafe(name) }
  const wait = isThere ? time.patience : Duration.zero
  const call = model.table.clients[client].acceptSession(queue, { ...which, wait })
  const { close, value } = yield* steps.closable(steps.ends(Effect.result(call), wait))
  if (value._tag === "Failure") return value.failure.reason._tag
  if (Option.isNone(value.success)) return "None"
  const handle = value.success.value
  const session = model.session(handle.sessionId)
  yield* expect.equal(`session ${session.name} is held, and was granted`, session.hold, undefined)
  session.hold = { client, handle, close, until: (yield* now) + model.table.lockMillis }
  return session
})

const acceptSpecific = Effect.fnUntraced(function* (model: Model, client: 0 | 1, session: Session) {
  const { capabilities } = yield* steps.world
  if (!Capabilities.isSupported(capabilities.acceptSpecific)) return
  const { hold } = session
  const isReady = session.isReady(yield* now)
  const result = yield* accept(model, client, session.name, isReady)
  if (hold !== undefined) {
    // Another process cannot tell held from empty where accepting by id is emulated.
    const isElsewhere = capabilities.acceptSpecific === "emulated" && hold.client !== client
    const expected = isElsewhere ? ["SessionLocked", "None"] : ["SessionLocked"]
    return yield* expect.oneOf<unknown>("accepting a held session", result, expected)
  }
  if (isReady || capabilities.locksEmptySession) {
    return yield* expect.holds("a free session is granted", result === session, result)
  }
  // Nothing to deliver: whether it is granted is the provider's to declare, unless it backs off.
  if (session.messages.length === 0) yield* expect.equal("an empty session", result, "None")
})

const acceptNext = Effect.fnUntraced(function* (model: Model, client: 0 | 1) {
  const at = yield* now
  const ready = [...model.sessions.values()].filter((session) => session.isReady(at))
  const result = yield* accept(model, client, undefined, ready.length > 0)
  if (ready.length === 0) {
    const name = typeof result === "string" ? result : `granted ${result.name}`
    return yield* expect.equal("no session is free", name, "None")
  }
  const isReady = typeof result !== "string" && ready.includes(result)
  const names = ready.map(({ name }) => name).join(", ")
  const found = typeof result === "string" ? result : result.name
  yield* expect.holds(`one of ${names} is granted`, isReady, found)
})

const take = Effect.fnUntraced(function* (session: Session, max: number) {
  const { hold } = session
  if (hold === undefined) return
  const { time } = yield* steps.world
  const expected = session.next(yield* now, max)
  const wait = expected.length === 0 ? Duration.zero : time.patience
  const received = yield* steps.ends(hold.handle.receive({ max, wait }), wait)
  if (expected.length > 0) {
    yield* expect.holds("something is there and nothing came", received.length > 0, [])
  }
  const counts = expected.map(({ count, id }) => `${id}:${count + 1}`)
  // A provider may hand out fewer, and nothing else.
  const fitting = counts.slice(0, Math.max(received.length, counts.length === 0 ? 0 : 1))
  yield* expect.equal("the next of the session", steps.counted(received), fitting)
  for (const [place, message] of received.entries()) {
    const item = yield* steps.at(expected, place)
    item.count++
    session.hand = [...session.hand, { item, client: hold.client, message }]
  }
})

const settle = Effect.fnUntraced(function* (
  model: Model,
  session: Session,
  which: number,
  verdict: Verdict.Verdict
) {
  const { hand, hold } = session
  const place = which % Math.max(1, hand.length)
  const delivery = hand[place]
  if (hold === undefined || delivery === undefined) return
  const call = hold.handle.settle([delivery.message.receipt], verdict)
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  model.settle(session, place, verdict, yield* now)
})

const settleLate = Effect.fnUntraced(function* (
  model: Model,
  which: number,
  verdict: Verdict.Verdict
) {
  const delivery = model.used[which % Math.max(1, model.used.length)]
  if (delivery === undefined) return
  const call = model.table.clients[delivery.client].settle([delivery.message.receipt], verdict)
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ReceiptExpired"])
})

const useLost = Effect.fnUntraced(function* (model: Model, which: number) {
  const handle = model.lost[which % Math.max(1, model.lost.length)]
  if (handle === undefined) return
  const call = handle.receive({ max: 1, wait: Duration.zero })
  yield* steps.failsWith("receiving by a former holder", "SessionLockLost", call)
})

const renew = Effect.fnUntraced(function* (model: Model, { hold }: Session) {
  if (hold === undefined) return
  yield* steps.ends(hold.handle.renewLock)
  hold.until = (yield* now) + model.table.lockMillis
})

const release = Effect.fnUntraced(function* (model: Model, session: Session) {
  const { hold } = session
  if (hold === undefined) return
  yield* steps.ends(hold.close)
  session.hold = undefined
  model.lost.push(hold.handle)
  model.takeBack(session, 0, () => false)
})

const step = Effect.fnUntraced(function* (model: Model, command: Command) {
  switch (command._tag) {
    case "Send":
      return yield* send(model, command.client, model.session(command.session), command.count)
    case "Accept":
      return yield* acceptSpecific(model, command.client, model.session(command.session))
    case "AcceptNext":
      return yield* acceptNext(model, command.client)
    case "Take":
      return yield* take(model.heldBy(command.holder), command.max)
    case "Settle": {
      const verdict = verdictOf(model.table, command.verdict)
      return yield* settle(model, model.heldBy(command.holder), command.which, verdict)
    }
    case "SettleLate":
      return yield* settleLate(model, command.which, verdictOf(model.table, command.verdict))
    case "UseLost":
      return yield* useLost(model, command.which)
    case "Renew":
      return yield* renew(model, model.heldBy(command.holder))
    case "Release":
      return yield* release(model, model.heldBy(command.holder))
    case "Pass":
      return yield* steps.pass(Duration.millis(model.table.lockMillis * command.part))
  }
})

/** Everything that is left is there, in order, and the dead are where they belong. */
const drain = Effect.fnUntraced(function* (model: Model) {
  for (const session of model.sessions.values()) yield* release(model, session)
  yield* steps.pass(Duration.millis(model.table.lockMillis * 2.3))
  const left = new Set([...model.sessions.values()].filter(({ messages }) => messages.length > 0))
  while (left.size > 0) {
    const handle = yield* steps.acceptNext()
    const session = model.session(handle.sessionId)
    yield* expect.holds("it has messages, and was not granted", left.delete(session), session.name)
    const expected = session.messages.map(({ count, id }) => `${id}:${count + 1}`)
    const received = yield* steps.take(handle, expected.length)
    yield* expect.equal(`what is left of ${session.name}`, steps.counted(received), expected)
    yield* steps.complete(received, handle)
  }
  yield* steps.acceptNone()
  if (!model.table.hasDeadLetters) return
  yield* steps.receiveIds(model.dead, yield* steps.deadLetters)
  yield* steps.receiveNone(yield* steps.deadLetters)
})

export const run = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
  const model = new Model(yield* table(true))
  for (const [index, command] of commands.entries()) {
    yield* clearOf(() => model.borders())
    model.pass(yield* now)
    yield* atStep(index, describe(command), step(model, command))
  }
  model.pass(yield* now)
  yield* atStep(commands.length, "what is left is received", drain(model))
})
