/**
 * Calls to the service a message: what the bare stack (client, batching, provider) asks of an emulator in
 * this process. They do not depend on the machine, and on a real service they are the bill.
 */
import {
  Batching,
  Message,
  QueueClient,
  type QueueError,
  QueueName,
  QueueWorker,
  SessionId
} from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SessionWorker } from "@queue-runtime/sessions"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as References from "effect/References"
import type * as Scope from "effect/Scope"

/** What a service counted, by the name of the call. */
export type Calls = Readonly<Record<string, number>>

/** An emulator with a plain queue and an ordered one, the stack over it, and the calls it has seen. */
export interface Service {
  readonly stack: Layer.Layer<QueueClient.QueueClient, QueueError.QueueError>
  readonly calls: Effect.Effect<Calls>
}

const plain = QueueName.makeUnsafe("plain")

const ordered = QueueName.makeUnsafe("ordered")

const bare = QueueClient.layer().pipe(Layer.provide(Batching.layer()))

const sqs = Effect.gen(function* () {
  const emulator = yield* SqsEmulator.make({ queues: { plain: {}, "ordered.fifo": {} } })
  const provider = AwsProvider.layer({
    endpoint: emulator.endpoint,
    region: "us-east-1",
    credentials: {
      _tag: "Keys",
      accessKeyId: "counts",
      secretAccessKey: Redacted.make("counts")
    },
    queues: { ordered: { fifo: true } }
  })
  const service: Service = { stack: bare.pipe(Layer.provide(provider)), calls: emulator.calls }
  return service
})

const serviceBus = Effect.gen(function* () {
  const emulator = yield* ServiceBusEmulator.make({
    queues: { plain: {}, ordered: { requiresSession: true } }
  })
  const provider = AzureProvider.layer({
    connectionString: emulator.connectionString,
    queues: { ordered: { sessions: true } }
  })
  const service: Service = { stack: bare.pipe(Layer.provide(provider)), calls: emulator.calls }
  return service
})

/** The services by the name of their provider. */
export const services = {
  "aws-sqs": Effect.orDie(sqs),
  "azure-service-bus": Effect.orDie(serviceBus)
}

const messages = 1000

const fibers = 100

const sessions = 20

const singles = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const message = yield* Message.text("counted")
  const sending = Array.from({ length: messages }, () => client.send(plain, message))
  yield* Effect.all(sending, { concurrency: fibers, discard: true })
})

const batch = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const message = yield* Message.text("counted")
  yield* client.sendBatch(
    plain,
    Array.from({ length: messages }, () => message)
  )
})

/** Their messages take turns, as they do where many sessions are busy at once. */
const batchInSessions = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const sending = yield* Effect.forEach(
    Array.from({ length: messages }, (_, index) => `s-${index % sessions}`),
    (name) => Message.text("counted", { sessionId: SessionId.makeUnsafe(name) })
  )
  yield* client.sendBatch(ordered, sending)
})

/** A worker until it has handled all of them; draining is not a part of it. */
const handled = <E, R>(
  run: (onHandled: () => Effect.Effect<void>) => Effect.Effect<unknown, E, R>
): Effect.Effect<void, E, R> =>
  Effect.gen(function* () {
    const all = yield* Deferred.make<void>()
    let done = 0
    const worker = yield* Effect.forkChild(
      run(() =>
        Effect.suspend(() =>
          ++done === messages ? Effect.asVoid(Deferred.succeed(all, undefined)) : Effect.void
        )
      )
    )
    yield* Effect.raceFirst(Deferred.await(all), Fiber.join(worker))
    yield* Fiber.interrupt(worker)
  }).pipe(Effect.provideService(References.MinimumLogLevel, "None"))

const handler = () => Effect.void

const worker = handled((onHandled) =>
  QueueWorker.run({ queue: plain, concurrency: fibers, handler, onHandled })
)

const sessionWorker = handled((onHandled) =>
  SessionWorker.run({ queue: ordered, concurrency: sessions, handler, onHandled })
)

interface Scenario {
  readonly name: string
  readonly before: Effect.Effect<void, QueueError.QueueError, QueueClient.QueueClient>
  readonly run: Effect.Effect<void, QueueError.QueueError, QueueClient.QueueClient>
}

/** What is counted, each on a service of its own. */
export const scenarios: ReadonlyArray<Scenario> = [
  { name: "1,000 sends from 100 fibers", before: Effect.void, run: singles },
  { name: "one send of 1,000", before: Effect.void, run: batch },
  { name: "a worker over 1,000", before: batch, run: worker },
  { name: "one send of 1,000 in 20 sessions", before: Effect.void, run: batchInSessions },
  { name: "a session worker over 20 × 50", before: batchInSessions, run: sessionWorker }
]

/** The calls of one scenario, from the first to the last one settled. */
export const count = <E>(scenario: Scenario, service: Effect.Effect<Service, E, Scope.Scope>) =>
  Effect.scoped(
    Effect.gen(function* () {
      const { calls, stack } = yield* service
      return yield* Effect.gen(function* () {
        yield* scenario.before
        const before = yield* calls
        yield* scenario.run
        const after = yield* calls
        return Object.fromEntries(
          Object.entries(after)
            .map(([call, number]) => [call, number - (before[call] ?? 0)] as const)
            .filter(([, number]) => number > 0)
            .toSorted(([a], [b]) => (a < b ? -1 : 1))
        )
      }).pipe(Effect.provide(stack))
    })
  )
