/** The bare stack: client, batching, provider. */
import { SendMessageBatchCommand } from "@aws-sdk/client-sqs"
import {
  Batching,
  Message,
  QueueClient,
  type QueueError,
  QueueName,
  QueueWorker
} from "@queue-runtime/core"
import { AwsClient, type AwsConfig, AwsProvider } from "@queue-runtime/provider-aws"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import { batch, body, credentials, ids, region } from "./server.ts"

const options = (endpoint: string): AwsConfig.Options => ({
  endpoint,
  region,
  credentials: {
    _tag: "Keys",
    accessKeyId: credentials.accessKeyId,
    secretAccessKey: Redacted.make(credentials.secretAccessKey)
  }
})

export const layer = (
  endpoint: string
): Layer.Layer<QueueClient.QueueClient, QueueError.QueueError> =>
  QueueClient.layer().pipe(
    Layer.provide(Batching.layer()),
    Layer.provide(AwsProvider.layer(options(endpoint)))
  )

export const runtime = (endpoint: string) => ManagedRuntime.make(layer(endpoint))

/** The client alone. */
export const bareRuntime = (
  endpoint: string
): ManagedRuntime.ManagedRuntime<AwsClient.AwsClient, QueueError.QueueError> =>
  ManagedRuntime.make(AwsClient.layer(options(endpoint)))

/** Fibers side by side, each sending one message at a time. */
export const sendSingles = Effect.fnUntraced(function* (
  name: string,
  messages: number,
  fibers: number
) {
  const client = yield* QueueClient.QueueClient
  const queue = QueueName.makeUnsafe(name)
  const message = yield* Message.text(body)
  let left = messages
  const fiber = Effect.gen(function* () {
    while (left > 0) {
      left--
      yield* client.send(queue, message)
    }
  })
  yield* Effect.all(
    Array.from({ length: fibers }, () => fiber),
    { concurrency: "unbounded", discard: true }
  )
})

/** One call with all of them. */
export const sendBatch = Effect.fnUntraced(function* (name: string, messages: number) {
  const client = yield* QueueClient.QueueClient
  const message = yield* Message.text(body)
  const sending = Array.from({ length: messages }, () => message)
  yield* client.sendBatch(QueueName.makeUnsafe(name), sending)
})

/** Calls of the SDK past the port, by the provider's client: ten messages each, loops side by side. */
export const useCalls = Effect.fnUntraced(function* (url: string, messages: number, loops: number) {
  const client = yield* AwsClient.AwsClient
  let left = messages
  const loop = Effect.gen(function* () {
    while (left > 0) {
      const count = Math.min(batch, left)
      left -= count
      const Entries = ids(count).map((Id) => ({ Id, MessageBody: body }))
      yield* client.use((sqs, abortSignal) =>
        sqs.send(new SendMessageBatchCommand({ QueueUrl: url, Entries }), { abortSignal })
      )
    }
  })
  yield* Effect.all(
    Array.from({ length: loops }, () => loop),
    { concurrency: "unbounded", discard: true }
  )
})

/** A worker until it has completed so many. */
export const consume = Effect.fnUntraced(function* (
  name: string,
  messages: number,
  concurrency: number,
  handler: Effect.Effect<void>
) {
  const all = yield* Deferred.make<void>()
  let done = 0
  const worker = yield* Effect.forkChild(
    QueueWorker.run({
      queue: QueueName.makeUnsafe(name),
      concurrency,
      handler: () => handler,
      onHandled: () =>
        Effect.suspend(() => {
          done++
          return done === messages ? Deferred.succeed(all, undefined) : Effect.void
        })
    })
  )
  yield* Effect.raceFirst(Deferred.await(all), Fiber.join(worker))
  return worker
})

/** The same, timed from its start to the last settlement; draining is not a part of it. */
export const timedConsume = Effect.fnUntraced(
  function* (...args: Parameters<typeof consume>) {
    const start = performance.now()
    const worker = yield* consume(...args)
    const elapsed = performance.now() - start
    yield* Fiber.interrupt(worker)
    return elapsed
  },
  Effect.provideService(References.MinimumLogLevel, "None")
)
