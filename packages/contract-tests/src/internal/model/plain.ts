/** Two clients of a queue without sessions. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { QueueAddress, type Verdict } from "@queue-runtime/core"
import type * as Rule from "../../Rule.ts"
import type * as World from "../../World.ts"
import * as expect from "../expect.ts"
import * as steps from "../steps.ts"
import { Command, describe } from "./plainCommands.ts"
import { type Delivery, type Item, Model } from "./plainModel.ts"
import * as sends from "./plainSends.ts"
import * as play from "./play.ts"

export { Command, describe }

type Client = 0 | 1

const together = { concurrency: "unbounded" } as const

const sameBytes = (one: Uint8Array, other: Uint8Array): boolean =>
  one.length === other.length && one.every((byte, index) => byte === other[index])

/** The one of these that was delivered; of two alike it does not matter which. */
const find = Effect.fnUntraced(function* (
  allowed: ReadonlyArray<Item>,
  message: steps.Received,
  isCounted: boolean
) {
  const named = allowed.filter(({ id }) => id === message.messageId)
  const [first] = named
  if (first === undefined) {
    return yield* expect.fail(`${message.messageId} came, and is done, dead, hidden or in hand`)
  }
  const { capabilities } = yield* steps.world
  const isRight = ({ count }: Item): boolean =>
    capabilities.deliveryCount === "approximate" || count + 1 === message.deliveryCount
  const counted = named.filter((item) => !isCounted || isRight(item))
  const [right] = counted
  if (right === undefined) {
    yield* expect.equal(`the count of ${first.id}`, message.deliveryCount, first.count + 1)
  }
  const same = counted.filter(({ body }) => sameBytes(body, message.body))
  const found = same.find(({ isSure }) => isSure) ?? same[0]
  return yield* expect.present(`the body of ${message.messageId}, as it was sent,`, found)
})

/** Deliveries of what was allowed to come, each once. */
const took = Effect.fnUntraced(function* (
  model: Model,
  part: "queue" | "dead",
  allowed: ReadonlyArray<Item>,
  answers: ReadonlyArray<{
    readonly client: Client
    readonly messages: ReadonlyArray<steps.Received>
  }>
) {
  const until = (yield* play.now) + model.table.lockMillis
  let left = allowed
  for (const { client, messages } of answers) {
    for (const message of messages) {
      const item = yield* find(left, message, part === "queue")
      left = left.filter((one) => one !== item)
      item.count++
      item.freeAt = until
      item.dueAt = until
      item.isSure = true
      model[part].take({ item, client, message })
    }
  }
})

const addressOf = Effect.fnUntraced(function* (part: "queue" | "dead") {
  const { queue } = yield* steps.world
  return part === "queue" ? QueueAddress.queue(queue) : QueueAddress.deadLetter(queue)
})

const receive = Effect.fnUntraced(function* (
  model: Model,
  part: "queue" | "dead",
  client: Client,
  max: number
) {
  const { time } = yield* steps.world
  const address = yield* addressOf(part)
  const at = yield* play.now
  const free = model[part].free(at)
  const isThere = free.some(({ dueAt }) => dueAt <= at)
  const wait = isThere ? time.patience : Duration.zero
  const call = model.table.clients[client].receive(address, { max, wait })
  const messages = yield* steps.ends(call, wait)
  yield* expect.holds("no more than asked for", messages.length <= max, steps.ids(messages))
  if (isThere) {
    yield* expect.holds("something is there and nothing came", messages.length > 0, [])
  }
  yield* took(model, part, free, [{ client, messages }])
})

/** A receive may bring fewer than there are: it is asked until all came that must. */
const receiveAll = Effect.fnUntraced(function* (model: Model, client: Client) {
  const until = yield* play.now
  while (model.queue.free(until).some(({ dueAt }) => dueAt <= until)) {
    yield* receive(model, "queue", client, play.manyMax)
  }
})

/** Calls that meet ask once: one that waited would let the time pass. */
const receiveTogether = Effect.fnUntraced(function* (model: Model, max: number) {
  const address = yield* addressOf("queue")
  const free = model.queue.free(yield* play.now)
  const callers: ReadonlyArray<Client> = [0, 1, 0]
  const calls = callers.map((client) =>
    Effect.map(
      model.table.clients[client].receive(address, { max, wait: Duration.zero }),
      (messages) => ({ client, messages })
    )
  )
  yield* took(model, "queue", free, yield* steps.ends(Effect.all(calls, together)))
})

const receiveInterrupted = Effect.fnUntraced(function* (model: Model, client: Client, max: number) {
  const address = yield* addressOf("queue")
  const free = model.queue.free(yield* play.now)
  const options = { max, wait: Duration.seconds(20) }
  const answer = yield* play.interrupted(model.table.clients[client].receive(address, options))
  if (Option.isSome(answer)) yield* took(model, "queue", free, [{ client, messages: answer.value }])
})

const callOf = (model: Model, { client, message }: Delivery, verdict: Verdict.Verdict) =>
  Effect.map(model.table.clients[client].settle([message.receipt], verdict), steps.tags)

const settle = Effect.fnUntraced(function* (
  model: Model,
  delivery: Delivery,
  verdict: Verdict.Verdict
) {
  const outcomes = yield* steps.ends(callOf(model, delivery, verdict))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  model.settle(delivery, verdict, yield* play.now)
})

const settleLate = Effect.fnUntraced(function* (
  model: Model,
  delivery: Delivery,
  verdict: Verdict.Verdict
) {
  const outcomes = yield* steps.ends(callOf(model, delivery, verdict))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ReceiptExpired"])
})

/** Receipts of the queue and used ones in one call, those used first. */
const settleMany = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  used: number,
  verdict: Verdict.Verdict
) {
  const { capabilities } = yield* steps.world
  const isOwn = (one: Delivery) =>
    one.client === client && one.message.receipt.address._tag === "Queue"
  const late = model.used.filter(isOwn).slice(0, used)
  const room = Math.max(0, capabilities.settleCountMax - late.length)
  const inHand = model.queue.hand.filter(isOwn).slice(0, room)
  const receipts = [...late, ...inHand].map(({ message }) => message.receipt)
  const outcomes = yield* steps.ends(model.table.clients[client].settle(receipts, verdict))
  const expected = [...late.map(() => "ReceiptExpired"), ...inHand.map(() => "ok")]
  yield* expect.equal("the outcomes", steps.tags(outcomes), expected)
  const at = yield* play.now
  for (const delivery of inHand) model.settle(delivery, verdict, at)
})

/** Each in a call of its own, and every other one with the other verdict. */
const settleTogether = Effect.fnUntraced(function* (
  model: Model,
  verdicts: readonly [Verdict.Verdict, Verdict.Verdict]
) {
  const all = model.queue.hand.map((delivery, index) => ({
    delivery,
    verdict: index % 2 === 0 ? verdicts[0] : verdicts[1]
  }))
  const calls = all.map(({ delivery, verdict }) => callOf(model, delivery, verdict))
  const outcomes = yield* steps.ends(Effect.all(calls, together))
  const expected = all.map(() => "ok")
  yield* expect.equal("the outcomes", outcomes.flat(), expected)
  const at = yield* play.now
  for (const { delivery, verdict } of all) model.settle(delivery, verdict, at)
})

const settleDead = Effect.fnUntraced(function* (
  model: Model,
  delivery: Delivery,
  verdict: Verdict.Verdict
) {
  const result = yield* steps.ends(Effect.result(callOf(model, delivery, verdict)))
  if (verdict._tag !== "DeadLetter") {
    const outcomes = yield* Effect.fromResult(result)
    yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  }
  model.settleDead(delivery, verdict, yield* play.now)
})

const renewing = (model: Model, { client, message }: Delivery) =>
  Effect.map(model.table.clients[client].renewLock([message.receipt]), steps.tags)

const renew = Effect.fnUntraced(function* (model: Model, delivery: Delivery) {
  const outcomes = yield* steps.ends(renewing(model, delivery))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  delivery.item.freeAt = (yield* play.now) + model.table.lockMillis
  delivery.item.dueAt = delivery.item.freeAt
})

const renewLate = Effect.fnUntraced(function* (model: Model, delivery: Delivery) {
  const outcomes = yield* steps.ends(renewing(model, delivery))
  yield* expect.equal(`the renewal of ${delivery.item.id}`, outcomes, ["ReceiptExpired"])
})

/** Renewals that meet a settlement, before it and behind it. */
const renewAndSettle = Effect.fnUntraced(function* (
  model: Model,
  delivery: Delivery,
  verdict: Verdict.Verdict
) {
  const renewal = renewing(model, delivery)
  const calls = [renewal, callOf(model, delivery, verdict), renewal]
  const [, outcomes] = yield* steps.ends(Effect.all(calls, together))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  model.settle(delivery, verdict, yield* play.now)
})

const reconnect = Effect.fnUntraced(function* (model: Model) {
  yield* model.table.reconnect
  model.close(1, yield* play.now)
})

type Step = Effect.Effect<unknown, Rule.Failure, World.World | Scope.Scope>

/** A step on one of several, where there is one. */
const onOne = <A, E, R>(
  items: ReadonlyArray<Delivery>,
  which: number,
  f: (delivery: Delivery) => Effect.Effect<A, E, R>
): Effect.Effect<void, E, R> => {
  const delivery = play.at(items, which)
  return delivery === undefined ? Effect.void : Effect.asVoid(f(delivery))
}

const step = (model: Model, command: Command): Step => {
  const verdictOf = (name: typeof play.VerdictName.Type) => play.verdictOf(model.table, name)
  const { hand } = model.queue
  switch (command._tag) {
    case "Send":
      return sends.send(model, command.client, command.count, command.body)
    case "SendMany":
      return sends.send(model, command.client, play.manyMax, "own")
    case "SendTimed":
      return sends.sendTimed(model, command.client, command.timing)
    case "SendAgain":
      return sends.sendAgain(model, command.client, command.which)
    case "SendRefused":
      return sends.sendRefused(model, command.client, command.how)
    case "SendTogether":
      return sends.sendTogether(model, command.count)
    case "Receive":
      return receive(model, "queue", command.client, command.max)
    case "ReceiveAll":
      return receiveAll(model, command.client)
    case "ReceiveTogether":
      return receiveTogether(model, command.max)
    case "ReceiveInterrupted":
      return receiveInterrupted(model, command.client, command.max)
    case "ReceiveDead":
      return model.table.hasDeadLetters
        ? receive(model, "dead", command.client, command.max)
        : Effect.void
    case "Settle":
      return onOne(hand, command.which, (one) => settle(model, one, verdictOf(command.verdict)))
    case "SettleMany":
      return settleMany(model, command.client, command.used, verdictOf(command.verdict))
    case "SettleTogether":
      return settleTogether(model, [verdictOf(command.verdict), verdictOf(command.other)])
    case "SettleLate":
      return onOne(model.used, command.which, (one) =>
        settleLate(model, one, verdictOf(command.verdict))
      )
    case "SettleDead":
      return onOne(model.dead.hand, command.which, (one) =>
        settleDead(model, one, verdictOf(command.verdict))
      )
    case "Renew":
      return onOne(hand, command.which, (one) => renew(model, one))
    case "RenewLate":
      return onOne(model.used, command.which, (one) => renewLate(model, one))
    case "RenewAndSettle":
      return onOne(hand, command.which, (one) =>
        renewAndSettle(model, one, verdictOf(command.verdict))
      )
    case "Reconnect":
      return reconnect(model)
    case "Pass":
      return steps.pass(Duration.millis(model.table.lockMillis * command.part))
  }
}

/** The dead are where they belong, each once; of those that expired the broker may have dropped any. */
const drainDead = Effect.fnUntraced(function* (model: Model) {
  const from = yield* steps.deadLetters
  const { items } = model.dead
  const found = steps.ids(yield* steps.receive(items.length, from))
  const left = [...found]
  const missing: Array<string> = []
  for (const { id, isSure } of items.toSorted(
    (one, other) => (one.isSure ? 0 : 1) - (other.isSure ? 0 : 1)
  )) {
    const place = left.indexOf(id)
    if (place >= 0) left.splice(place, 1)
    else if (isSure) missing.push(id)
  }
  yield* expect.equal("dead letters that are missing", missing, [])
  yield* expect.equal("dead letters that nobody expects", left, [])
  yield* steps.receiveNone(from)
})

/** Everything that is left is there, once. */
const drain = Effect.fnUntraced(function* (model: Model) {
  yield* steps.pass(Duration.millis(model.table.lockMillis * 2.3))
  model.pass(yield* play.now)
  const left = model.queue.items
  const received = yield* steps.receive(left.length)
  const expected = left.map(({ id }) => id).toSorted()
  yield* expect.equal("what is left", steps.ids(received).toSorted(), expected)
  let rest: ReadonlyArray<Item> = left
  for (const message of received) {
    const item = yield* find(rest, message, true)
    rest = rest.filter((one) => one !== item)
  }
  yield* steps.receiveNone()
  if (model.table.hasDeadLetters) yield* drainDead(model)
})

export const run = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
  const model = new Model(yield* play.table(false))
  for (const [index, command] of commands.entries()) {
    yield* play.clearOf(() => model.borders())
    model.pass(yield* play.now)
    yield* play.atStep(index, describe(command), step(model, command))
  }
  yield* play.atStep(commands.length, "what is left is received", drain(model))
})
