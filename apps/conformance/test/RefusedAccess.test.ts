import { assert, describe, it } from "@effect/vitest"
import {
  Backoff,
  Health,
  Message,
  type MessageHandler,
  QueueClient,
  type QueueError,
  QueueName,
  type QueueProvider,
  QueueWorker,
  SessionId
} from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { type EmulatorError, Fault, ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SessionWorker } from "@queue-runtime/sessions"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { Context, type Duration, Effect, Layer, Logger, Schedule, type Scope } from "effect"
import * as sqsProxy from "../src/proxy/sqs.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")

/** A service over a socket that can refuse whoever asks. */
interface Service {
  readonly provider: Layer.Layer<QueueProvider.QueueProvider, QueueError.QueueError>
  /** Until the scope closes. */
  readonly refuse: Effect.Effect<void, never, Scope.Scope>
  /** Messages that nobody has completed, those put aside included. */
  readonly left: Effect.Effect<number>
}

type Failure =
  | SqsEmulator.StartFailed
  | EmulatorError.ConfigurationInvalid
  | EmulatorError.ListenFailed

const serviceBus = Effect.gen(function* () {
  const lockDuration = "5 seconds"
  const settings = { lockDuration, maxDeliveryCount: 100 } as const
  const emulator = yield* ServiceBusEmulator.make({
    queues: { orders: settings, events: { ...settings, requiresSession: true } }
  })
  const service: Service = {
    provider: AzureProvider.layer({
      connectionString: emulator.connectionString,
      requestTimeout: "2 seconds",
      connectTimeout: "3 seconds",
      queues: { orders: { lockDuration }, events: { lockDuration, sessions: true } }
    }),
    refuse: Effect.gen(function* () {
      yield* emulator.inject({ operation: "Token", fault: Fault.unauthorized })
      // Tokens are asked for with each link.
      yield* emulator.dropConnections
    }),
    left: Effect.map(
      Effect.all([emulator.inspect("orders"), emulator.inspect("events")]),
      (queues) =>
        queues.reduce(
          (sum, { active, deadLettered, locked }) => sum + active + deadLettered + locked,
          0
        )
    ).pipe(Effect.orDie)
  }
  return service
})

const sqs = Effect.gen(function* () {
  const server = yield* SqsEmulator.make({ queues: { orders: {}, "events.fifo": {} } })
  const proxy = yield* sqsProxy.make(server.endpoint)
  const visibilityTimeout = "2 seconds"
  const refused: sqsProxy.Fault = {
    _tag: "Answer",
    status: 403,
    code: "InvalidClientTokenId"
  }
  const service: Service = {
    provider: AwsProvider.layer({
      endpoint: proxy.endpoint,
      region: "us-east-1",
      credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
      requestTimeout: "1 second",
      queues: {
        orders: { visibilityTimeout, deliveriesMax: 100 },
        events: { name: "events.fifo", visibilityTimeout, deliveriesMax: 100 }
      }
    }),
    refuse: Effect.acquireRelease(
      Effect.andThen(
        proxy.use(() => refused),
        proxy.cut
      ),
      () => proxy.use(() => sqsProxy.pass)
    ),
    left: Effect.map(
      Effect.all([server.inspect("orders"), server.inspect("events.fifo")]),
      (queues) => queues.reduce((sum, queue) => sum + (queue?.messages.length ?? 0), 0)
    )
  }
  return service
})

const until = (condition: Effect.Effect<boolean>, limit: Duration.Input) =>
  Effect.filterOrFail(condition, (yes) => yes).pipe(
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutOption(limit),
    Effect.ignore
  )

const settings = {
  concurrency: 3,
  backoff: Backoff.fixed({ initial: "100 millis", jitter: 0 }),
  wait: "1 second",
  gracePeriod: "1 second"
} as const

const sendBoth = Effect.fnUntraced(function* (number: number) {
  const client = yield* QueueClient.QueueClient
  yield* client.send(orders, yield* Message.text(`${number}`))
  const sessionId = SessionId.makeUnsafe("s")
  yield* client.send(events, yield* Message.text(`${number}`, { sessionId }))
})

const survives = (started: Effect.Effect<Service, Failure, Scope.Scope>) =>
  Effect.gen(function* () {
    const service = yield* started
    const stack = QueueClient.layer().pipe(
      Layer.provideMerge(Health.layer({ queues: [orders, events], freshFor: 0 })),
      Layer.provide(service.provider)
    )
    const context = yield* Layer.build(stack)
    const { readiness } = Context.get(context, Health.Health)
    const status = Effect.map(readiness, (report) => report.status)
    const handled = new Map<string, ReadonlyArray<string>>()
    const handler: MessageHandler.MessageHandler = ({ body, sessionId }) =>
      Effect.sync(() => {
        const key = sessionId ?? orders
        handled.set(key, [...(handled.get(key) ?? []), new TextDecoder().decode(body)])
      })
    const isHandled = (count: number) =>
      Effect.sync(() => [orders, "s"].every((key) => new Set(handled.get(key)).size === count))
    const ends: Array<string> = []
    const told: Array<string> = []
    const logger = Logger.make(({ logLevel, message }) => {
      if (logLevel === "Error") told.push(String(message))
    })
    const workers = Effect.all(
      [
        QueueWorker.run({ ...settings, queue: orders, handler }),
        SessionWorker.run({ ...settings, queue: events, handler, sessionIdle: "300 millis" })
      ],
      { concurrency: 2 }
    ).pipe(
      Effect.tapError(({ message }) => Effect.sync(() => ends.push(message))),
      Effect.provide(Logger.layer([logger]))
    )
    yield* Effect.gen(function* () {
      yield* Effect.forkScoped(workers)
      for (const number of [0, 1]) yield* sendBoth(number)
      yield* until(isHandled(2), "20 seconds")
      assert.strictEqual(yield* status, "up")

      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* service.refuse
          // Both workers hear of it, a session worker by its accept.
          const isTold = Effect.sync(() => told.length >= 2)
          yield* until(isTold, "20 seconds")
          assert.strictEqual(yield* status, "down")
          const error = yield* Effect.flip(sendBoth(9))
          assert.strictEqual(error.reason._tag, "AuthenticationFailed")
        })
      )
      for (const number of [2, 3]) yield* sendBoth(number)
      yield* until(isHandled(4), "30 seconds")
      assert.deepStrictEqual(ends, [])
      assert.deepStrictEqual([...new Set(handled.get("s"))], ["0", "1", "2", "3"])
      assert.deepStrictEqual(new Set(handled.get(orders)), new Set(["0", "1", "2", "3"]))
      assert.strictEqual(yield* status, "up")
      const nothingLeft = Effect.map(service.left, (left) => left === 0)
      yield* until(nothingLeft, "10 seconds")
      assert.strictEqual(yield* service.left, 0)
      const refusals = told.filter((text) => text.startsWith("access is refused"))
      assert.strictEqual(refusals.length, 2, told.join("\n"))
    }).pipe(Effect.provide(context))
  }).pipe(Effect.scoped)

const endsAtOnce = (started: Effect.Effect<Service, Failure, Scope.Scope>) =>
  Effect.gen(function* () {
    const service = yield* started
    const context = yield* Layer.build(QueueClient.layer().pipe(Layer.provide(service.provider)))
    yield* service.refuse
    const handler = () => Effect.void
    for (const worker of [
      QueueWorker.run({ ...settings, queue: orders, handler }),
      SessionWorker.run({ ...settings, queue: events, handler })
    ]) {
      const ended = worker.pipe(
        Effect.provide(context),
        Effect.flip,
        Effect.timeoutOption("10 seconds")
      )
      const error = yield* Effect.flatMap(ended, Effect.fromOption)
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
    }
  }).pipe(Effect.scoped, Effect.provide(Logger.layer([])))

describe("R5.4 refused credentials", () => {
  const services: ReadonlyArray<readonly [string, Effect.Effect<Service, Failure, Scope.Scope>]> = [
    ["Service Bus", serviceBus],
    ["SQS", sqs]
  ]
  for (const [name, started] of services) {
    it.live(
      `${name}: workers ride them out, health is down meanwhile, and nothing is lost`,
      () => survives(started),
      90_000
    )

    it.live(`${name}: from the start they end a worker`, () => endsAtOnce(started), 30_000)
  }
})
