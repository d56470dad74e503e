import { assert, describe, it } from "@effect/vitest"
import {
  Backoff,
  Batching,
  Message,
  Outcome,
  QueueClient,
  QueueError,
  QueueName,
  QueueWorker,
  SessionId
} from "@queue-runtime/core"
import { AwsProvider } from "@queue-runtime/provider-aws"
import { SessionWorker } from "@queue-runtime/sessions"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { Context, Effect, Fiber, Layer, References, Result, type Scope } from "effect"
import * as sqsProxy from "../src/proxy/sqs.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")

interface World {
  readonly client: QueueClient.QueueClient["Service"]
  readonly proxy: sqsProxy.SqsProxy
  readonly server: SqsEmulator.Service
}

type Failure = QueueError.QueueError | SqsEmulator.StartFailed

/** The stack of an application, over a socket, a proxy and another socket. */
const world = Effect.gen(function* (): Effect.fn.Return<World, Failure, Scope.Scope> {
  const server = yield* SqsEmulator.make({ queues: { orders: {}, "events.fifo": {} } })
  const proxy = yield* sqsProxy.make(server.endpoint)
  const layer = QueueClient.layer().pipe(
    Layer.provide(Batching.layer()),
    Layer.provide(
      AwsProvider.layer({
        endpoint: proxy.endpoint,
        region: "us-east-1",
        credentials: { _tag: "Keys", accessKeyId: "test", secretAccessKey: "test" },
        requestTimeout: "500 millis",
        queues: {
          orders: { visibilityTimeout: "2 seconds", deliveriesMax: 1_000 },
          events: { name: "events.fifo", visibilityTimeout: "2 seconds", deliveriesMax: 1_000 }
        }
      })
    )
  )
  const client = Context.get(yield* Layer.build(layer), QueueClient.QueueClient)
  // The queue is known: what is tested comes after that.
  yield* client.receive(orders, { wait: 0 })
  return { client, proxy, server }
})

const run = <A>(test: (world: World) => Effect.Effect<A, Failure, Scope.Scope>) =>
  Effect.flatMap(world, test).pipe(
    Effect.scoped,
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const messageOf = (id: string, session?: string) =>
  Message.text(id, session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) })

const textOf = (body: Uint8Array): string => new TextDecoder().decode(body)

/** What a send fails with while every request meets this fault. */
const sendUnder = (fault: sqsProxy.Fault) => (self: World) =>
  Effect.gen(function* () {
    yield* self.proxy.use((action) => (action === "SendMessageBatch" ? fault : sqsProxy.pass))
    return yield* Effect.orDie(Effect.flip(self.client.send(orders, yield* messageOf("a"))))
  })

const visible = ({ server }: World, queue: string) =>
  Effect.map(server.inspect(queue), (view) => view?.messages.length)

describe("R2.3 a send that meets a fault ends in the typed error", () => {
  const answers = [
    ["ThrottlingException", 400, "Throttled"],
    ["RequestThrottled", 403, "Throttled"],
    ["OverLimit", 403, "QuotaExceeded"],
    ["InternalFailure", 500, "ProviderFailure"],
    ["ServiceUnavailable", 503, "ProviderFailure"]
  ] as const

  it.live.each(answers)("%s", ([code, status, reason]) =>
    run(
      Effect.fnUntraced(function* (self) {
        const error = yield* sendUnder({ _tag: "Answer", status, code })(self)
        assert.strictEqual(error.reason._tag, reason)
        assert.strictEqual(error.retry, "Transient")
        assert.strictEqual(yield* visible(self, "orders"), 0)
      })
    )
  )

  it.live.each([
    [429, "Throttled"],
    [503, "ProviderFailure"]
  ] as const)("a gateway that answers %i in HTML", ([status, reason]) =>
    run(
      Effect.fnUntraced(function* (self) {
        const error = yield* sendUnder({ _tag: "Gateway", status })(self)
        assert.strictEqual(error.reason._tag, reason)
        assert.strictEqual(error.retry, "Transient")
      })
    )
  )

  it.live("a connection that is reset", () =>
    run(
      Effect.fnUntraced(function* (self) {
        const error = yield* sendUnder({ _tag: "Reset" })(self)
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
        assert.strictEqual(error.retry, "Transient")
      })
    )
  )

  it.live("R10.6 a server that never answers", () =>
    run(
      Effect.fnUntraced(function* (self) {
        const error = yield* sendUnder({ _tag: "Hang" })(self)
        assert.strictEqual(error.reason._tag, "Timeout")
        assert.strictEqual(error.retry, "Transient")
      })
    )
  )

  it.live("a reply that is lost: it failed for us, and the message is there", () =>
    run(
      Effect.fnUntraced(function* (self) {
        const error = yield* sendUnder({ _tag: "LoseReply" })(self)
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
        assert.strictEqual(yield* visible(self, "orders"), 1)
      })
    )
  )

  it.live("R3.9 a batch of which one entry fails: each message has its own outcome", () =>
    run(
      Effect.fnUntraced(function* (self) {
        yield* self.proxy.use(() => ({
          _tag: "FailEntries",
          at: new Set([1]),
          code: "InternalError"
        }))
        const messages = yield* Effect.forEach(["a", "b", "c"], (id) => messageOf(id))
        const outcomes = yield* self.client.sendOutcomes(orders, messages)
        assert.deepStrictEqual(outcomes.map(Result.isSuccess), [true, false, true])
        const [failure] = Outcome.failures(outcomes)
        assert.isTrue(failure !== undefined && QueueError.isTransient(failure))
        assert.strictEqual(yield* visible(self, "orders"), 2)
      })
    )
  )
})

const faults: ReadonlyArray<sqsProxy.Fault> = [
  { _tag: "Answer", status: 400, code: "ThrottlingException" },
  { _tag: "Answer", status: 500, code: "InternalFailure" },
  { _tag: "Reset" },
  { _tag: "LoseReply" },
  { _tag: "Hang" },
  { _tag: "FailEntries", at: new Set([0]), code: "InternalError" }
]

/** Of the actions of a consumer every fourth request meets the next fault in turn. */
const unreliable = (): sqsProxy.Rule => {
  let turn = 0
  return (_, before) => {
    if (before % 4 !== 3) return sqsProxy.pass
    const fault = faults[turn++ % faults.length]
    return fault ?? sqsProxy.pass
  }
}

const backoff = Backoff.exponential({ initial: "20 millis", max: "200 millis" })

/** Waits for what must come; what does not come in time fails the test. */
const until = (condition: () => boolean) =>
  Effect.suspend(() => Effect.sleep("20 millis")).pipe(
    Effect.repeat({ until: condition }),
    Effect.timeout("40 seconds"),
    Effect.orDie
  )

const ids = (count: number) => Array.from({ length: count }, (_, index) => `m-${index}`)

describe("R5.4 R3.2 a worker rides out", () => {
  it.live(
    "throttling, errors, cut connections, silence, lost replies and partial failures: nothing is lost",
    () =>
      run(
        Effect.fnUntraced(function* ({ client, proxy, server }) {
          const all = ids(80)
          yield* client.sendBatch(orders, yield* Effect.forEach(all, (id) => messageOf(id)))
          yield* proxy.use(unreliable())
          const handled = new Set<string>()
          const worker = yield* Effect.forkChild(
            QueueWorker.run({
              queue: orders,
              wait: "1 second",
              deliveriesMax: 100,
              backoff,
              handler: ({ body }) => Effect.sync(() => handled.add(textOf(body)))
            }).pipe(Effect.provideService(QueueClient.QueueClient, client))
          )
          yield* until(() => handled.size === all.length)
          yield* proxy.use(() => sqsProxy.pass)
          // What was handled and could not be removed comes again, until it can.
          while (((yield* server.inspect("orders"))?.messages.length ?? 0) > 0) {
            yield* Effect.sleep("50 millis")
          }
          yield* Fiber.interrupt(worker)
          assert.deepStrictEqual([...handled].toSorted(), all.toSorted())
        })
      ),
    60_000
  )

  it.live(
    "the same on a FIFO queue, and every session stays in order",
    () =>
      run(
        Effect.fnUntraced(function* ({ client, proxy, server }) {
          const sessions = ["A", "B", "C", "D", "E"]
          const rounds = 8
          for (let round = 0; round < rounds; round++) {
            yield* client.sendBatch(
              events,
              yield* Effect.forEach(sessions, (session) => messageOf(`${session}${round}`, session))
            )
          }
          yield* proxy.use(unreliable())
          const handled = new Map<string, Array<string>>(sessions.map((session) => [session, []]))
          let fresh = 0
          const worker = yield* Effect.forkChild(
            SessionWorker.run({
              queue: events,
              wait: "1 second",
              sessionIdle: "100 millis",
              deliveriesMax: 100,
              backoff,
              handler: ({ body, sessionId }) =>
                Effect.sync(() => {
                  const seen = handled.get(sessionId ?? "") ?? []
                  const id = textOf(body)
                  // At least once: what was not confirmed is handled again, before what is behind it.
                  if (seen.at(-1) === id) return
                  seen.push(id)
                  fresh++
                })
            }).pipe(Effect.provideService(QueueClient.QueueClient, client))
          )
          yield* until(() => fresh >= sessions.length * rounds)
          yield* proxy.use(() => sqsProxy.pass)
          while (((yield* server.inspect("events.fifo"))?.messages.length ?? 0) > 0) {
            yield* Effect.sleep("50 millis")
          }
          yield* Fiber.interrupt(worker)
          for (const session of sessions) {
            const expected = ids(rounds).map((_, round) => `${session}${round}`)
            assert.deepStrictEqual(handled.get(session), expected)
          }
        })
      ),
    60_000
  )

  it.live(
    "a server that is restarted in the middle of the work",
    () =>
      run(
        Effect.fnUntraced(function* ({ client, proxy, server }) {
          const all = ids(60)
          yield* client.sendBatch(orders, yield* Effect.forEach(all, (id) => messageOf(id)))
          const handled = new Set<string>()
          const worker = yield* Effect.forkChild(
            QueueWorker.run({
              queue: orders,
              wait: "1 second",
              concurrency: 4,
              deliveriesMax: 100,
              backoff,
              handler: ({ body }) =>
                Effect.andThen(
                  Effect.sleep("20 millis"),
                  Effect.sync(() => handled.add(textOf(body)))
                )
            }).pipe(Effect.provideService(QueueClient.QueueClient, client))
          )
          yield* until(() => handled.size > 10)
          yield* server.restart({ keepState: true, down: Effect.sleep("300 millis") })
          yield* proxy.cut
          yield* until(() => handled.size === all.length)
          while (((yield* server.inspect("orders"))?.messages.length ?? 0) > 0) {
            yield* Effect.sleep("50 millis")
          }
          yield* Fiber.interrupt(worker)
        })
      ),
    60_000
  )
})
