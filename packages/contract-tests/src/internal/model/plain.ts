/** Two clients of a queue without sessions. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { QueueAddress, type Verdict } from "@queue-runtime/core"
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

export const Command = Schema.Union([
  Schema.TaggedStruct("Send", { client: Client, count: int(1, 3) }),
  Schema.TaggedStruct("Receive", { client: Client, max: int(1, 4) }),
  Schema.TaggedStruct("Settle", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("SettleLate", { which: int(0, 5), verdict: VerdictName }),
  Schema.TaggedStruct("Renew", { which: int(0, 5) }),
  Schema.TaggedStruct("Pass", { part: Part })
])

type Command = typeof Command.Type

export const describe = (command: Command): string => {
  switch (command._tag) {
    case "Send":
      return `client ${command.client} sends ${command.count}`
    case "Receive":
      return `client ${command.client} receives up to ${command.max}`
    case "Settle":
      return `delivery ${command.which} in hand: ${command.verdict}`
    case "SettleLate":
      return `used receipt ${command.which}: ${command.verdict}`
    case "Renew":
      return `delivery ${command.which} in hand is renewed`
    case "Pass":
      return `${command.part} of the lock duration passes`
  }
}

interface Delivery {
  readonly item: Item
  readonly client: 0 | 1
  readonly message: steps.Received
}

/** The model: what there is, who has what in hand, and which receipts are used. */
class Model {
  readonly items = new Map<string, Item>()
  hand: ReadonlyArray<Delivery> = []
  readonly used: Array<Delivery> = []
  readonly dead: Array<string> = []
  sent = 0
  readonly table: Table

  constructor(of: Table) {
    this.table = of
  }

  /** What may be delivered. */
  free(at: number): ReadonlyArray<Item> {
    const inHand = new Set(this.hand.map(({ item }) => item))
    return [...this.items.values()].filter((item) => !inHand.has(item) && item.freeAt <= at)
  }

  /** A delivery ends; one too many and the message is dead. */
  end(delivery: Delivery): void {
    this.hand = this.hand.filter((one) => one !== delivery)
    this.used.push(delivery)
    if (delivery.item.count >= this.table.deliveriesMax) this.bury(delivery.item)
  }

  bury(item: Item): void {
    if (this.items.delete(item.id)) this.dead.push(item.id)
  }

  /** Locks that ran out. */
  pass(at: number): void {
    for (const delivery of this.hand) if (delivery.item.freeAt <= at) this.end(delivery)
  }

  settle(delivery: Delivery, verdict: Verdict.Verdict, at: number): void {
    const { item } = delivery
    if (verdict._tag === "Abandon") {
      item.freeAt = at + delayOf(verdict)
      this.end(delivery)
      return
    }
    if (verdict._tag === "DeadLetter") this.bury(item)
    this.items.delete(item.id)
    this.hand = this.hand.filter((one) => one !== delivery)
    this.used.push(delivery)
  }
}

const send = Effect.fnUntraced(function* (model: Model, client: 0 | 1, count: number) {
  const { queue } = yield* steps.world
  const names = Array.from({ length: count }, () => `m${model.sent++}`)
  const messages = yield* Effect.forEach(names, (id) => steps.message(id))
  const outcomes = yield* steps.ends(model.table.clients[client].send(queue, messages))
  yield* expect.equal(
    "the outcomes",
    steps.tags(outcomes),
    names.map(() => "ok")
  )
  const at = yield* now
  for (const id of names) model.items.set(id, { id, count: 0, freeAt: at })
})

const receive = Effect.fnUntraced(function* (model: Model, client: 0 | 1, max: number) {
  const { queue, time } = yield* steps.world
  const free = model.free(yield* now)
  const wait = free.length === 0 ? Duration.zero : time.patience
  const address = QueueAddress.queue(queue)
  const call = model.table.clients[client].receive(address, { max, wait })
  const received = yield* steps.ends(call, wait)
  yield* expect.holds("no more than asked for", received.length <= max, steps.ids(received))
  if (free.length > 0) {
    yield* expect.holds("something is there and nothing came", received.length > 0, [])
  }
  const at = yield* now
  const allowed = new Map(free.map((item) => [item.id, item]))
  for (const message of received) {
    const item = allowed.get(message.messageId)
    if (item === undefined) {
      return yield* expect.fail(`${message.messageId} came, and is done, dead, hidden or in hand`)
    }
    allowed.delete(item.id)
    yield* expect.equal(`the count of ${item.id}`, message.deliveryCount, item.count + 1)
    item.count++
    item.freeAt = at + model.table.lockMillis
    model.hand = [...model.hand, { item, client, message }]
  }
})

const settle = Effect.fnUntraced(function* (
  model: Model,
  delivery: Delivery,
  verdict: Verdict.Verdict,
  expected: "ok" | "ReceiptExpired"
) {
  const { receipt } = delivery.message
  const call = model.table.clients[delivery.client].settle([receipt], verdict)
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, [expected])
  if (expected === "ok") model.settle(delivery, verdict, yield* now)
})

const renew = Effect.fnUntraced(function* (model: Model, delivery: Delivery) {
  const call = model.table.clients[delivery.client].renewLock([delivery.message.receipt])
  const outcomes = steps.tags(yield* steps.ends(call))
  yield* expect.equal(`the outcome for ${delivery.item.id}`, outcomes, ["ok"])
  delivery.item.freeAt = (yield* now) + model.table.lockMillis
})

const at = <A>(items: ReadonlyArray<A>, which: number): A | undefined =>
  items[which % Math.max(1, items.length)]

const step = Effect.fnUntraced(function* (model: Model, command: Command) {
  switch (command._tag) {
    case "Send":
      return yield* send(model, command.client, command.count)
    case "Receive":
      return yield* receive(model, command.client, command.max)
    case "Settle": {
      const delivery = at(model.hand, command.which)
      if (delivery === undefined) return
      return yield* settle(model, delivery, verdictOf(model.table, command.verdict), "ok")
    }
    case "SettleLate": {
      const delivery = at(model.used, command.which)
      if (delivery === undefined) return
      const verdict = verdictOf(model.table, command.verdict)
      return yield* settle(model, delivery, verdict, "ReceiptExpired")
    }
    case "Renew": {
      const delivery = at(model.hand, command.which)
      if (delivery === undefined) return
      return yield* renew(model, delivery)
    }
    case "Pass":
      return yield* steps.pass(Duration.millis(model.table.lockMillis * command.part))
  }
})

/** Everything that is left is there, once, and the dead are where they belong. */
const drain = Effect.fnUntraced(function* (model: Model) {
  yield* steps.pass(Duration.millis(model.table.lockMillis * 2.3))
  model.pass(yield* now)
  const left = [...model.items.values()]
  const expected = left.map(({ count, id }) => `${id}:${count + 1}`).toSorted()
  const received = yield* steps.receive(left.length)
  yield* expect.equal("what is left", steps.counted(received).toSorted(), expected)
  yield* steps.receiveNone()
  if (!model.table.hasDeadLetters) return
  yield* steps.receiveIds(model.dead, yield* steps.deadLetters)
  yield* steps.receiveNone(yield* steps.deadLetters)
})

export const run = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
  const model = new Model(yield* table(false))
  for (const [index, command] of commands.entries()) {
    yield* clearOf(() =>
      [...model.items.values()].map(({ freeAt }) => freeAt).filter((one) => one > 0)
    )
    model.pass(yield* now)
    yield* atStep(index, describe(command), step(model, command))
  }
  yield* atStep(commands.length, "what is left is received", drain(model))
})
