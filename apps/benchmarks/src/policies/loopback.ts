/** A provider that hands back at once what it was sent: next to nothing, so that what stands around it shows. */
import {
  type Message,
  MessageId,
  QueueAddress,
  type QueueError,
  QueueProvider,
  Receipt,
  type ReceivedMessage
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import { queue } from "./queue.ts"

const address = QueueAddress.queue(queue)

const receipt = Receipt.make(address, "loopback")

const sent = Result.succeed({ messageId: MessageId.makeUnsafe("loopback") })

const received = (message: Message.Stamped, at: DateTime.Utc): ReceivedMessage.ReceivedMessage => ({
  body: message.body,
  attributes: message.attributes,
  messageId: message.messageId,
  receipt,
  deliveryCount: 1,
  enqueuedAt: at,
  firstDeliveredAt: at,
  deliveredAt: at,
  lockedUntil: at
})

const make = Effect.gen(function* () {
  // What it can do is what the provider in memory can.
  const memory = yield* QueueProvider.QueueProvider
  const at = yield* DateTime.now
  let messages: ReadonlyArray<Message.Stamped> = []
  const provider: QueueProvider.Service = {
    ...memory,
    name: "loopback",
    stack: ["loopback"],
    send: (_, all) =>
      Effect.sync(() => {
        messages = all
        return all.map(() => sent)
      }),
    receive: () =>
      Effect.sync(() => {
        const all = messages
        messages = []
        return all.map((message) => received(message, at))
      })
  }
  return provider
})

export const layer: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError> = Layer.effect(
  QueueProvider.QueueProvider,
  make
).pipe(Layer.provide(MemoryProvider.layer({ queues: { [queue]: {} } })))
