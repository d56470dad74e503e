/** What clients of a queue without sessions send, and what the model makes of it. */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Capabilities, Message, MessageId } from "@queue-runtime/core"
import * as steps from "../steps.ts"
import type { Body, Refused, Timing } from "./plainCommands.ts"
import { type Item, type Model, never } from "./plainModel.ts"
import * as play from "./play.ts"

type Client = 0 | 1

const utf8 = (text: string): Uint8Array => new TextEncoder().encode(text)

const largeBytes = 70_000

/** Of one sequence: a broker in memory holds only so much. */
const largeMax = 20

const bodyOf = Effect.fnUntraced(function* (model: Model, kind: typeof Body.Type, id: string) {
  const { capabilities } = yield* steps.world
  if (kind === "same") return utf8("the same")
  // A few of them fit into one call.
  const { messageSizeMax, sendSizeMax } = capabilities
  const size = Math.min(largeBytes, Math.floor(Math.min(messageSizeMax, sendSizeMax) / 4))
  if (kind === "own" || model.large >= largeMax) return utf8(id)
  model.large++
  return new Uint8Array(size).fill(model.large)
})

/** Messages as the broker and as the model have them. */
const made = Effect.fnUntraced(function* (
  id: string,
  body: Uint8Array,
  options: Message.Options = {}
) {
  const message = yield* Message.bytes(body, options)
  return Message.stamp(message, MessageId.makeUnsafe(id))
})

const fresh = (model: Model, count: number): ReadonlyArray<string> =>
  Array.from({ length: count }, () => `m${model.sent++}`)

/** The model's side of what was sent. */
const sent = Effect.fnUntraced(function* (
  model: Model,
  messages: ReadonlyArray<Message.Stamped>,
  times: { readonly dueIn?: number; readonly livesFor?: number } = {}
) {
  const at = (yield* play.now) + (times.dueIn ?? 0)
  for (const { body, messageId: id } of messages) {
    const expiresAt = at + (times.livesFor ?? never)
    const copy = new Uint8Array(body)
    const item: Item = { id, body: copy, count: 0, freeAt: at, dueAt: at, expiresAt, isSure: true }
    model.queue.add(item)
  }
})

export const send = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  count: number,
  kind: typeof Body.Type
) {
  const messages = yield* Effect.forEach(fresh(model, count), (id) =>
    Effect.flatMap(bodyOf(model, kind, id), (body) => made(id, body))
  )
  yield* play.sendAllBy(model.table.clients[client], messages)
  yield* sent(model, messages)
})

/** What the queue can keep of the time asked for. */
export const sendTimed = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  timing: typeof Timing.Type
) {
  const { capabilities, time } = yield* steps.world
  const { clients, delayMillis, lockMillis } = model.table
  const isLater = timing.startsWith("later") && Capabilities.isSupported(capabilities.scheduling)
  const lives = timing !== "later" && Capabilities.isSupported(capabilities.timeToLive)
  const dueIn = isLater ? delayMillis : 0
  const livesFor = play.told(lockMillis * (timing === "long" ? 1.7 : 0.35), time)
  const [id = ""] = fresh(model, 1)
  const message = yield* made(id, utf8(id), {
    ...(isLater ? { delay: Duration.millis(dueIn) } : {}),
    ...(lives ? { timeToLive: Duration.millis(livesFor) } : {})
  })
  yield* play.sendAllBy(clients[client], [message])
  yield* sent(model, [message], lives ? { dueIn, livesFor } : { dueIn })
})

/** An id that was used before is as good as any other, unless the queue says otherwise. */
export const sendAgain = Effect.fnUntraced(function* (model: Model, client: Client, which: number) {
  const { capabilities } = yield* steps.world
  const id = play.at(model.gone, which)
  if (id === undefined || Capabilities.isSupported(capabilities.deduplication)) return
  const message = yield* made(id, utf8(id))
  yield* play.sendAllBy(model.table.clients[client], [message])
  yield* sent(model, [message])
})

export const sendRefused = Effect.fnUntraced(function* (
  model: Model,
  client: Client,
  how: typeof Refused.Type
) {
  const { capabilities, missing, queue } = yield* steps.world
  const provider = model.table.clients[client]
  const one = yield* made("refused", utf8("refused"))
  if (how === "to a missing queue") {
    const call = provider.send(missing, [one])
    yield* steps.failsWith("sending to a missing queue", "QueueNotFound", call)
    return
  }
  const over = Array.from({ length: capabilities.sendCountMax + 1 }, () => one)
  const call = provider.send(queue, over)
  yield* steps.failsWith("a call over sendCountMax", "ValidationFailed", call)
})

export const sendTogether = Effect.fnUntraced(function* (model: Model, count: number) {
  const one = yield* Effect.forEach(fresh(model, count), (id) => made(id, utf8(id)))
  const other = yield* Effect.forEach(fresh(model, count), (id) => made(id, utf8(id)))
  yield* play.sendTogether(model.table.clients, [one, other])
  yield* sent(model, [...one, ...other])
})
