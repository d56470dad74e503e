/** What a project outside of the repository does first: sends, receives, works through sessions, seals. */
import { Message, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
import { KeyProviderMemory, NodeCrypto, Sealing } from "@queue-runtime/crypto"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { Queues } from "@queue-runtime/promise"
import { CircuitBreaker, Retry } from "@queue-runtime/resilience"
import { SessionWorker } from "@queue-runtime/sessions"
import { Deferred, Effect, Layer, Redacted, References, Schema } from "effect"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")

const material = Redacted.make(new Uint8Array(32).fill(7))

const live = QueueClient.layer().pipe(
  Layer.provide(Sealing.layer()),
  Layer.provide([
    KeyProviderMemory.layer({ keys: [{ id: "june", material }], current: "june" }),
    NodeCrypto.layer
  ]),
  Layer.provide(CircuitBreaker.layer()),
  Layer.provide(Retry.layer()),
  Layer.provide(MemoryProvider.layer({ queues: { orders: {}, events: { sessions: true } } }))
)

const sending = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  yield* client.send(orders, yield* Message.json({ order: 42 }))
  const [received] = yield* client.receive(orders)
  if (received === undefined) return "nothing"
  yield* client.complete(received)
  return `${client.stack.join(" ")}: ${new TextDecoder().decode(received.body)}`
})

const working = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const handled: Array<string> = []
  const done = yield* Deferred.make<void>()
  for (const pull of ["pull/1", "pull/2"]) {
    const sessionId = yield* SessionId.make(pull)
    for (const action of ["opened", "closed"]) {
      yield* client.send(events, yield* Message.text(action, { sessionId }))
    }
  }
  const worker = SessionWorker.run({
    queue: events,
    concurrency: 2,
    handler: ({ body, sessionId }) =>
      Effect.suspend(() => {
        handled.push(`${sessionId} ${new TextDecoder().decode(body)}`)
        return handled.length === 4 ? Deferred.succeed(done, undefined) : Effect.void
      })
  })
  yield* Effect.raceFirst(Deferred.await(done), worker)
  return handled.toSorted().join(", ")
})

/** The same without Effect. */
const promising = async (): Promise<string> => {
  await using queues = await Queues.open({
    provider: MemoryProvider.layer({ queues: { orders: {} } }),
    logLevel: "None"
  })
  const typed = queues.queue("orders", { schema: Schema.Struct({ order: Schema.Finite }) })
  await typed.send({ order: 43 })
  const [delivery] = await typed.receive()
  await delivery?.complete()
  return `order ${delivery?.value.order}`
}

const told = await Effect.runPromise(
  Effect.all([sending, working]).pipe(
    Effect.provide(live),
    Effect.provideService(References.MinimumLogLevel, "None")
  )
)
for (const line of [...told, await promising()]) process.stdout.write(`${line}\n`)
