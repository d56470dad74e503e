import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  type Capabilities,
  Message,
  MessageId,
  QueueError,
  type QueueName,
  QueueProvider,
  Receipt,
  type ReceivedMessage
} from "@queue-runtime/core"
import type * as Harness from "../../src/Harness.ts"
import * as Time from "../../src/Time.ts"

export const capabilities: Capabilities.Capabilities = {
  ordered: false,
  sessions: "unsupported",
  acceptSpecific: "unsupported",
  locksEmptySession: false,
  sessionState: "unsupported",
  messageSizeMax: 10_000,
  sendCountMax: 10,
  sendSizeMax: 10_000,
  receiveCountMax: 10,
  settleCountMax: 10,
  receiveWaitMax: Duration.seconds(20),
  lockDuration: Duration.seconds(5),
  scheduling: "unsupported",
  abandonDelay: "unsupported",
  timeToLive: "unsupported",
  deduplication: "unsupported",
  deadLetter: "unsupported",
  peek: "unsupported",
  deliveryCount: "exact"
}

/** What connections to one queue share. */
export interface Store {
  readonly queue: QueueName.QueueName
  readonly ready: Array<Message.Stamped>
  readonly inHand: Map<string, Message.Stamped>
  receipts: number
}

export const makeStore = (queue: QueueName.QueueName): Store => ({
  queue,
  ready: [],
  inHand: new Map(),
  receipts: 0
})

const unsupported = (what: string) =>
  Effect.fail(QueueError.make(new QueueError.UnsupportedOperation({ what, provider: "tiny" })))

/** Sends, receives what is there, settles. It knows no lock, no wait and no count. */
export const make = (store: Store): QueueProvider.Service => {
  const deliver = (message: Message.Stamped): ReceivedMessage.ReceivedMessage => {
    const token = String(store.receipts++)
    store.inHand.set(token, message)
    const at = DateTime.makeUnsafe(0)
    return {
      ...message,
      receipt: Receipt.make({ _tag: "Queue", queue: store.queue }, token),
      deliveryCount: 1,
      enqueuedAt: at,
      firstDeliveredAt: at,
      deliveredAt: at,
      lockedUntil: at
    }
  }
  const expired = Result.fail(QueueError.make(new QueueError.ReceiptExpired()))
  return {
    name: "tiny",
    stack: ["tiny"],
    capabilities: () => capabilities,
    send: (_queue, messages) =>
      Effect.sync(() => {
        store.ready.push(...messages)
        return messages.map(({ messageId }) => Result.succeed({ messageId }))
      }),
    receive: (_address, { max }) => Effect.sync(() => store.ready.splice(0, max).map(deliver)),
    settle: (receipts, verdict) =>
      Effect.sync(() =>
        receipts.map(({ token }) => {
          const message = store.inHand.get(token)
          if (message === undefined) return expired
          store.inHand.delete(token)
          if (verdict._tag === "Abandon") store.ready.push(message)
          return Result.succeed(undefined)
        })
      ),
    renewLock: () => unsupported("renewing"),
    peek: () => unsupported("peek"),
    acceptSession: () => unsupported("sessions")
  }
}

const foreignMessage = (text: string, attributes: Readonly<Record<string, string>>) =>
  Effect.map(Message.text(text, { attributes }), (message) =>
    Message.stamp(message, MessageId.makeUnsafe("foreign"))
  )

/** A harness over a tiny provider, and every queue it was asked for. */
export const harness = () => {
  const asked: Array<Harness.QueueSpec> = []
  const made: Harness.Harness = {
    name: "tiny",
    time: Time.virtual,
    open: (spec) =>
      Effect.sync(() => {
        asked.push(spec)
        const store = makeStore(spec.queue)
        return {
          layer: Layer.sync(QueueProvider.QueueProvider, () => make(store)),
          foreign: {
            send: (text, attributes) =>
              Effect.flatMap(foreignMessage(text, attributes), (message) =>
                Effect.sync(() => void store.ready.push(message))
              ),
            receive: Effect.sync(() => {
              const [first] = store.ready.splice(0, 1)
              return Option.map(Option.fromUndefinedOr(first), ({ body }) =>
                new TextDecoder().decode(body)
              )
            })
          }
        }
      })
  }
  return { harness: made, asked }
}
