/** Two clients of a queue with sessions. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import {
  Capabilities,
  QueueAddress,
  type QueueError,
  type QueueSession,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import type * as Rule from "../../Rule.ts"
import type * as World from "../../World.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"
import { Command, describe, type Use } from "./orderedCommands.ts"
import { type Delivery, type Lost, Model, type Session } from "./orderedModel.ts"
import * as play from "./play.ts"

export { Command, describe }

type Client = 0 | 1

const names = ["A", "B", "C"]

const many = Array.from({ length: play.manyMax }, (_, index) => `S${index}`)

/** Messages of a session, as the broker and as the model have them. */
const made = Effect.fnUntraced(function* (model: Model, session: Session, count: number) {
  const ids = Array.from({ length: count }, () => `${session.name}${model.sent++}`)
  const messages = yield* Effect.forEach(ids, (id) => steps.inSession(session.name, id))
  const items = ids.map((id) => ({ id, count: 0, freeAt: 0 }))
  const added = () => {
    session.messages = [...session.messages, ...items]
  }
  return { messages, added } as const
})

const send = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  session: Session,
  count: number
) {
  const { added, messages } = yield* made(model, session, count)
  yield* play.sendAllBy(model.table.clients[client], messages)
  added()
})

/** One to each of many sessions, in as few calls as the queue takes. */
const sendMany = Effect.fnUntraced(function* (model: Model, client: Client) {
  const all = yield* Effect.forEach(many, (name) => made(model, model.session(name), 1))
  yield* play.sendAllBy(
    model.table.clients[client],
    all.flatMap(({ messages }) => messages)
  )
  for (const { added } of all) added()
})

/** To two sessions: of messages of one that meet nobody says which came first. */
const sendTogether = Effect.fnUntraced(function* (model: Model, name: string, count: number) {
  const other = names[(names.indexOf(name) + 1) % names.length] ?? name
  const one = yield* made(model, model.session(name), count)
  const two = yield* made(model, model.session(other), count)
  yield* play.sendTogether(model.table.clients, [one.messages, two.messages])
  one.added()
  two.added()
})

interface Answer {
  readonly client: Client
  readonly close: Effect.Effect<void>
  readonly value: Result.Result<Option.Option<QueueSession.QueueSession>, QueueError.QueueError>
}

/** An accept in a scope of its own. */
const asking = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  name: string | undefined,
  wait: Duration.Duration
) {
  const { queue } = yield* steps.world
  const which = name === undefined ? {} : { sessionId: SessionId.makeUnsafe(name) }
  const call = model.table.clients[client].acceptSession(queue, { ...which, wait })
  const { close, value } = yield* steps.closable(Effect.result(call))
  return { client, close, value }
})

/** What was granted, or why not. */
const granted = Effect.fnUntraced(function* (model: Model, { client, close, value }: Answer) {
  if (value._tag === "Failure") return value.failure.reason._tag
  if (Option.isNone(value.success)) return "None"
  const handle = value.success.value
  const session = model.session(handle.sessionId)
  yield* expect.equal(`session ${session.name} is held, and was granted`, session.hold, undefined)
  session.hold = { client, handle, close, until: (yield* play.now) + model.table.lockMillis }
  return session
})

const acceptSpecific = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  session: Session
) {
  const { capabilities, time } = yield* steps.world
  if (!Capabilities.isSupported(capabilities.acceptSpecific)) return
  const { hold } = session
  const isReady = session.isReady(yield* play.now)
  const wait = isReady ? time.patience : Duration.zero
  const answer = yield* steps.ends(asking(model, client, session.name, wait), wait)
  const result = yield* granted(model, answer)
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

const nameOf = (result: Session | string): string =>
  typeof result === "string" ? result : `granted ${result.name}`

/** Accepts of the next session, one or two that meet: each is granted one of those that are ready. */
const acceptNext = Effect.fnUntraced(function* (model: Model, clients: ReadonlyArray<Client>) {
  const { time } = yield* steps.world
  const now = yield* play.now
  const ready = [...model.sessions.values()].filter((session) => session.isReady(now))
  const wait = ready.length < clients.length ? Duration.zero : time.patience
  const calls = clients.map((client) => asking(model, client, undefined, wait))
  const answers = yield* steps.ends(Effect.all(calls, { concurrency: "unbounded" }), wait)
  const results = yield* Effect.forEach(answers, (answer) => granted(model, answer))
  const sessions = results.filter((one) => typeof one !== "string")
  const isReady = sessions.every((one) => ready.includes(one))
  const found = results.map(nameOf).join(", ")
  const free = ready.map(({ name }) => name).join(", ")
  yield* expect.holds(`of ${free === "" ? "no" : free} free sessions`, isReady, found)
  const isEach = ready.length >= clients.length && sessions.length < clients.length
  yield* expect.holds(`one of ${free} is granted to each`, !isEach, found)
  const reasons = results.filter((one) => typeof one === "string")
  yield* expect.equal(
    "other answers",
    reasons.filter((one) => one !== "None"),
    []
  )
})

/** These deliveries, in order; with their counts, where a provider can tell them. */
const isNext = Effect.fnUntraced(function* (
  what: string,
  expected: ReadonlyArray<Delivery["item"]>,
  received: ReadonlyArray<steps.Received>
) {
  const { capabilities } = yield* steps.world
  const isTold = capabilities.deliveryCount === "exact"
  const counts = expected.map(({ count, id }, place) => {
    const other = received[place]?.deliveryCount ?? 0
    return `${id}:${isTold ? count + 1 : other}`
  })
  yield* expect.equal(what, steps.counted(received), counts)
})

/** The next of a session came, in order. */
const took = Effect.fnUntraced(function* (
  session: Session,
  client: Client,
  expected: ReadonlyArray<Delivery["item"]>,
  received: ReadonlyArray<steps.Received>
) {
  // A provider may hand out fewer, and nothing else.
  yield* isNext("the next of the session", expected.slice(0, received.length), received)
  for (const [place, message] of received.entries()) {
    const item = yield* steps.at(expected, place)
    item.count++
    session.hand = [...session.hand, { item, client, message }]
  }
})

const take = Effect.fnUntraced(function* (session: Session, max: number) {
  const { hold } = session
  if (hold === undefined) return
  const { capabilities, time } = yield* steps.world
  const expected = session.next(yield* play.now, max)
  // Where sessions are emulated, what is sent while one is in hand may come only after it (SQS, P2).
  const isHeldUp = capabilities.sessions === "emulated" && session.hand.length > 0
  const isThere = expected.length > 0 && !isHeldUp
  const wait = isThere ? time.patience : Duration.zero
  const received = yield* steps.ends(hold.handle.receive({ max, wait }), wait)
  if (isThere) {
    yield* expect.holds("something is there and nothing came", received.length > 0, [])
  }
  yield* took(session, hold.client, expected, received)
})

const takeInterrupted = Effect.fnUntraced(function* (session: Session, max: number) {
  const { hold } = session
  if (hold === undefined) return
  const expected = session.next(yield* play.now, max)
  const call = hold.handle.receive({ max, wait: Duration.seconds(20) })
  const answer = yield* play.interrupted(call)
  if (Option.isSome(answer)) yield* took(session, hold.client, expected, answer.value)
})

const settle = Effect.fnUntraced(function* (
  model: Model,
  session: Session,
  which: number,
  verdict: Verdict.Verdict
) {
  const { hand, hold } = session
  const delivery = play.at(hand, which)
  if (hold === undefined || delivery === undefined) return
  const call = hold.handle.settle([delivery.message.receipt], verdict)
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  model.settle(session, delivery, verdict, yield* play.now)
})

/** Several in one call: an abandon of the first takes back those behind it, and need not repeat it. */
const settleMany = Effect.fnUntraced(function* (
  model: Model,
  session: Session,
  from: number,
  verdict: Verdict.Verdict
) {
  const { capabilities } = yield* steps.world
  const { hand, hold } = session
  const first = hand.length === 0 ? 0 : from % hand.length
  const some = hand.slice(first, first + capabilities.settleCountMax)
  if (hold === undefined || some.length === 0) return
  const receipts = some.map(({ message }) => message.receipt)
  const outcomes = steps.tags(yield* steps.ends(hold.handle.settle(receipts, verdict)))
  const isBack = (tag: string, place: number) =>
    verdict._tag === "Abandon" && place > 0 && tag === "ReceiptExpired"
  const expected = some.map((_, place) => {
    const tag = outcomes[place] ?? ""
    return isBack(tag, place) ? tag : "ok"
  })
  yield* expect.equal("the outcomes", outcomes, expected)
  const now = yield* play.now
  // The last one first: each that was abandoned counts.
  for (const [place, delivery] of [...some.entries()].toReversed()) {
    if (outcomes[place] === "ok") model.settle(session, delivery, verdict, now)
  }
})

const settleLate = Effect.fnUntraced(function* (
  model: Model,
  which: number,
  verdict: Verdict.Verdict
) {
  const delivery = play.at(model.used, which)
  if (delivery === undefined) return
  const call = model.table.clients[delivery.client].settle([delivery.message.receipt], verdict)
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ReceiptExpired"])
})

const callOf = (
  { handle, inHand }: Lost,
  use: typeof Use.Type
): Effect.Effect<unknown, QueueError.QueueError> => {
  const receipts = inHand.map(({ message }) => message.receipt)
  switch (use) {
    case "receives":
      return handle.receive({ max: 1, wait: Duration.zero })
    case "renews":
      return handle.renewLock
    case "settles":
      return handle.settle(receipts, Verdict.complete)
  }
}

const useLost = Effect.fnUntraced(function* (model: Model, which: number, use: typeof Use.Type) {
  const isUsable = ({ inHand }: Lost) => use !== "settles" || inHand.length > 0
  const lost = play.at(model.lost.filter(isUsable), which)
  if (lost === undefined) return
  const call = callOf(lost, use)
  const { reason } = yield* steps.failure(`a former holder ${use}`, call)
  yield* expect.oneOf(`the reason why a former holder ${use} nothing`, reason._tag, lost.reasons)
})

const receiveUnlocked = Effect.fnUntraced(function* (model: Model, client: Client) {
  const { queue } = yield* steps.world
  const options = { max: 1, wait: Duration.zero }
  const call = model.table.clients[client].receive(QueueAddress.queue(queue), options)
  yield* steps.failsWith("receiving without a session", "UnsupportedOperation", call)
})

const renew = Effect.fnUntraced(function* (model: Model, { hold }: Session) {
  if (hold === undefined) return
  yield* steps.ends(hold.handle.renewLock)
  hold.until = (yield* play.now) + model.table.lockMillis
})

const release = Effect.fnUntraced(function* (model: Model, session: Session) {
  const { hold } = session
  if (hold === undefined) return
  yield* steps.ends(hold.close)
  model.release(session)
})

const reconnect = Effect.fnUntraced(function* (model: Model) {
  yield* model.table.reconnect
  model.close(1)
})

type Step = Effect.Effect<unknown, Rule.Failure, World.World | Scope.Scope>

const step = (model: Model, command: Command): Step => {
  const verdictOf = (name: typeof play.VerdictName.Type) => play.verdictOf(model.table, name)
  switch (command._tag) {
    case "Send":
      return send(model, command.client, model.session(command.session), command.count)
    case "SendMany":
      return sendMany(model, command.client)
    case "SendTogether":
      return sendTogether(model, command.session, command.count)
    case "Accept":
      return acceptSpecific(model, command.client, model.session(command.session))
    case "AcceptNext":
      return acceptNext(model, [command.client])
    case "AcceptTogether":
      return acceptNext(model, [0, 1])
    case "ReceiveUnlocked":
      return receiveUnlocked(model, command.client)
    case "Take":
      return take(model.heldBy(command.holder), command.max)
    case "TakeInterrupted":
      return takeInterrupted(model.heldBy(command.holder), command.max)
    case "Settle": {
      const session = model.heldBy(command.holder)
      return settle(model, session, command.which, verdictOf(command.verdict))
    }
    case "SettleMany": {
      const session = model.heldBy(command.holder)
      return settleMany(model, session, command.from, verdictOf(command.verdict))
    }
    case "SettleLate":
      return settleLate(model, command.which, verdictOf(command.verdict))
    case "UseLost":
      return useLost(model, command.which, command.use)
    case "Renew":
      return renew(model, model.heldBy(command.holder))
    case "Release":
      return release(model, model.heldBy(command.holder))
    case "Reconnect":
      return reconnect(model)
    case "Pass":
      return steps.pass(Duration.millis(model.table.lockMillis * command.part))
  }
}

/** Everything that is left is there, in order, and the dead are where they belong. */
const drain = Effect.fnUntraced(function* (model: Model) {
  for (const session of model.sessions.values()) yield* release(model, session)
  yield* steps.pass(Duration.millis(model.table.lockMillis * 2.3))
  const left = new Set([...model.sessions.values()].filter(({ messages }) => messages.length > 0))
  while (left.size > 0) {
    const handle = yield* steps.acceptNext()
    const session = model.session(handle.sessionId)
    yield* expect.holds("it has messages, and was not granted", left.delete(session), session.name)
    let rest = session.messages
    while (rest.length > 0) {
      const received = yield* steps.take(handle, rest.length)
      // A provider may hand out fewer at once, and nothing else.
      const next = rest.slice(0, Math.max(1, received.length))
      yield* isNext(`what is left of ${session.name}`, next, received)
      yield* steps.complete(received, handle)
      rest = rest.slice(received.length)
    }
  }
  yield* steps.acceptNone()
  if (!model.table.hasDeadLetters) return
  yield* steps.receiveIds(model.dead, yield* steps.deadLetters)
  yield* steps.receiveNone(yield* steps.deadLetters)
})

export const run = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
  const model = new Model(yield* play.table(true))
  // First among those held, whichever is asked for.
  for (const name of names) model.session(name)
  for (const [index, command] of commands.entries()) {
    yield* play.clearOf(() => model.borders())
    model.pass(yield* play.now)
    yield* play.atStep(index, describe(command), step(model, command))
  }
  model.pass(yield* play.now)
  yield* play.atStep(commands.length, "what is left is received", drain(model))
})
