/** The provider itself, since what a stack above it costs is its own affair; and the bare stack. */
import {
  Batching,
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  type QueueError,
  QueueName,
  QueueProvider,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { randomUUID } from "node:crypto"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { body, ordered, plain } from "./server.ts"

export const layer = (
  connectionString: string
): Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError> =>
  AzureProvider.layer({
    connectionString,
    queues: {
      [plain]: { lockDuration: "5 minutes" },
      [ordered]: { lockDuration: "5 minutes", sessions: true }
    }
  })

/** Client, batching, provider. */
export const client = (
  connectionString: string
): Layer.Layer<QueueClient.QueueClient, QueueError.QueueError> =>
  QueueClient.layer().pipe(Layer.provide(Batching.layer()), Layer.provide(layer(connectionString)))

export const runtime = (connectionString: string) => ManagedRuntime.make(layer(connectionString))

const plainQueue = QueueName.makeUnsafe(plain)

const orderedQueue = QueueName.makeUnsafe(ordered)

const wait = Duration.seconds(5)

const receiptsOf = (received: ReadonlyArray<ReceivedMessage.ReceivedMessage>) =>
  received.map(({ receipt }) => receipt)

const stamped = Effect.runSync(
  Effect.map(
    Message.bytes(body),
    (message) => (): Message.Stamped => Message.stamp(message, MessageId.makeUnsafe(randomUUID()))
  )
)

/** Stamped, as a provider gets them. */
export const batchesOf = (messages: number, inEach: number) =>
  Array.from({ length: messages / inEach }, () => Array.from({ length: inEach }, stamped))

/** Batches one after the other. */
export const send = Effect.fnUntraced(function* (batches: ReturnType<typeof batchesOf>) {
  const provider = yield* QueueProvider.QueueProvider
  for (const batch of batches) yield* provider.send(plainQueue, batch)
})

/** Receives as many as there are, and completes what came together. */
export const consume = Effect.fnUntraced(function* (messages: number, inEach: number) {
  const provider = yield* QueueProvider.QueueProvider
  let done = 0
  while (done < messages) {
    const received = yield* provider.receive(QueueAddress.queue(plainQueue), { max: inEach, wait })
    yield* provider.settle(receiptsOf(received), Verdict.complete)
    done += received.length
  }
})

/** One fiber a session, all at once. */
export const sessions = Effect.fnUntraced(function* (
  names: ReadonlyArray<string>,
  messages: number,
  inEach: number
) {
  const provider = yield* QueueProvider.QueueProvider
  const one = Effect.fnUntraced(function* (name: string) {
    const sessionId = SessionId.makeUnsafe(name)
    const session = yield* Effect.flatMap(
      provider.acceptSession(orderedQueue, { sessionId, wait }),
      Effect.fromOption
    )
    let done = 0
    while (done < messages) {
      const received = yield* session.receive({ max: inEach, wait })
      yield* session.settle(receiptsOf(received), Verdict.complete)
      done += received.length
    }
  }, Effect.scoped)
  yield* Effect.forEach(names, one, { concurrency: "unbounded", discard: true })
})
