import { assert, describe, it } from "@effect/vitest"
import {
  Backoff,
  Message,
  type MessageHandler,
  QueueClient,
  QueueError,
  QueueName,
  QueueWorker,
  SessionId
} from "@queue-runtime/core"
import { AzureProvider } from "@queue-runtime/provider-azure"
import { type EmulatorError, Fault, ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SessionWorker } from "@queue-runtime/sessions"
import {
  Context,
  type Duration,
  Effect,
  Layer,
  Random,
  References,
  Schedule,
  type Scope
} from "effect"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")

const concurrency = 5

const sessionNames = ["s0", "s1", "s2", "s3", "s4", "s5", "s6", "s7"]

type Failure =
  | QueueError.QueueError
  | EmulatorError.ConfigurationInvalid
  | EmulatorError.ListenFailed
  | EmulatorError.Refused

interface World {
  readonly client: QueueClient.QueueClient["Service"]
  readonly emulator: ServiceBusEmulator.Emulator
  /** What was handled of each session, in order; that of the plain queue under its name. */
  readonly handled: Map<string, Array<number>>
  /** Rounds of sends that are through. */
  sent: number
  /** What ended the workers, though it should not have. */
  readonly ends: ReadonlyArray<string>
}

/** The stack of an application over a socket, and two workers that handle whatever comes. */
const world = Effect.gen(function* (): Effect.fn.Return<World, Failure, Scope.Scope> {
  // What was in hand without a session stays locked when its connection is lost.
  const settings = { lockDuration: "5 seconds", maxDeliveryCount: 1_000 } as const
  const emulator = yield* ServiceBusEmulator.make({
    queues: { orders: settings, events: { ...settings, requiresSession: true } }
  })
  const queue = { lockDuration: "5 seconds", deliveriesMax: 1_000 } as const
  const layer = QueueClient.layer().pipe(
    Layer.provide(
      AzureProvider.layer({
        connectionString: emulator.connectionString,
        requestTimeout: "2 seconds",
        connectTimeout: "3 seconds",
        queues: { orders: queue, events: { ...queue, sessions: true } }
      })
    )
  )
  const context = yield* Layer.build(layer)
  const client = Context.get(context, QueueClient.QueueClient)
  const handled = new Map<string, Array<number>>()
  const handler: MessageHandler.MessageHandler = ({ body, sessionId }) =>
    Effect.delay(
      Effect.sync(() => {
        const key = sessionId ?? orders
        handled.set(key, [...(handled.get(key) ?? []), Number(new TextDecoder().decode(body))])
      }),
      "5 millis"
    )
  const backoff = Backoff.exponential({ initial: "50 millis", max: "500 millis" })
  const options = {
    concurrency,
    handler,
    backoff,
    wait: "2 seconds",
    gracePeriod: "1 second"
  } as const
  const workers = Effect.all(
    [
      QueueWorker.run({ ...options, queue: orders }),
      SessionWorker.run({ ...options, queue: events, sessionIdle: "500 millis" })
    ],
    { concurrency: 2 }
  )
  const ends: Array<string> = []
  yield* Effect.forkScoped(
    Effect.tapError(Effect.provide(workers, context), (error) =>
      Effect.sync(() => ends.push(`${error.reason._tag}: ${error.message}`))
    )
  )
  return { client, emulator, handled, sent: 0, ends }
})

const run = <A>(test: (world: World) => Effect.Effect<A, Failure, Scope.Scope>) =>
  Effect.flatMap(world, test).pipe(
    Effect.scoped,
    Effect.provideService(References.MinimumLogLevel, "None")
  )

const riding = <A>(effect: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.retry(effect, {
    schedule: Schedule.spaced("100 millis"),
    times: 300,
    while: QueueError.isTransient
  })

/** Sends number `index` to the plain queue and to every session. */
const sendAll = Effect.fnUntraced(function* (self: World, index: number) {
  const { client } = self
  yield* riding(client.send(orders, yield* Message.text(String(index))))
  yield* Effect.forEach(
    sessionNames,
    (name) =>
      Effect.flatMap(
        Message.text(String(index), { sessionId: SessionId.makeUnsafe(name) }),
        (message) => riding(client.send(events, message))
      ),
    { concurrency: "unbounded", discard: true }
  )
  self.sent++
})

const isAllHandled = ({ handled }: World, count: number): boolean =>
  [orders, ...sessionNames].every((name) => new Set(handled.get(name)).size === count)

const until = (condition: () => boolean, limit: Duration.Input) =>
  Effect.suspend(() => (condition() ? Effect.void : Effect.fail("not yet" as const))).pipe(
    Effect.retry(Schedule.spaced("50 millis")),
    Effect.timeoutOption(limit),
    Effect.ignore
  )

/** Everything was handled, each session in order, and nothing is left or put aside. */
const assertRiddenOut = Effect.fnUntraced(function* (self: World, count: number) {
  yield* until(() => isAllHandled(self, count), "40 seconds")
  assert.deepStrictEqual(self.ends, [])
  const all = Array.from({ length: count }, (_, index) => index)
  for (const name of sessionNames) {
    const handled = self.handled.get(name) ?? []
    assert.deepStrictEqual([...new Set(handled)], all, `${name} in order, none lost`)
    // What was handled again came before anything behind it.
    assert.deepStrictEqual(
      handled,
      handled.toSorted((one, other) => one - other),
      name
    )
  }
  const plain = [...new Set(self.handled.get(orders))]
  assert.deepStrictEqual(
    plain.toSorted((one, other) => one - other),
    all
  )
  for (const name of [orders, events]) {
    const { active, deadLettered } = yield* self.emulator.inspect(name)
    assert.deepStrictEqual({ active, deadLettered }, { active: 0, deadLettered: 0 })
  }
})

const rounds = Array.from({ length: 12 }, (_, index) => index)

describe("workers over Service Bus ride out what happens to it", () => {
  it.live(
    "R5.4 a restart of the service that keeps its state",
    () =>
      run(
        Effect.fnUntraced(function* (self) {
          for (const index of rounds) {
            yield* sendAll(self, index)
            if (index === 4 || index === 8) yield* self.emulator.restart({ keepState: true })
          }
          yield* assertRiddenOut(self, rounds.length)
        })
      ),
    60_000
  )

  it.live(
    "R2.2 throttled sends and settlements",
    () =>
      run(
        Effect.fnUntraced(function* (self) {
          const fault = Fault.serverBusy
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* self.emulator.inject({ operation: "Send", probability: 0.2, fault })
              yield* self.emulator.inject({ operation: "Settle", probability: 0.1, fault })
              for (const index of rounds) yield* sendAll(self, index)
              yield* Effect.sleep("1 second")
            })
          )
          yield* assertRiddenOut(self, rounds.length)
        })
      ),
    60_000
  )

  it.live(
    "R5.4 R10.7 50 lost connections, whatever is under way: nothing lost, nothing left open",
    () =>
      run(
        Effect.fnUntraced(function* (self) {
          yield* sendAll(self, 0)
          yield* until(() => isAllHandled(self, 1), "20 seconds")
          for (let index = 1; index <= 50; index++) {
            yield* Effect.forkChild(sendAll(self, index), { startImmediately: true })
            yield* Effect.sleep(yield* Random.nextIntBetween(0, 150))
            yield* self.emulator.dropConnections
            // The sends of a round are through before the next one, so that their order is known.
            yield* until(() => self.sent === index + 1, "20 seconds")
          }
          yield* assertRiddenOut(self, 51)
          const connections = yield* self.emulator.connections
          assert.strictEqual(connections.length, 1)
          // A link a slot, a request for the next session each, senders, receivers, tokens and management.
          assert.isAtMost(connections[0]?.links.length ?? 0, 4 * concurrency + 12)
        }, Random.withSeed("50 lost connections"))
      ),
    90_000
  )

  it.live(
    "R5.4 a token that is refused for a while",
    () =>
      run(
        Effect.fnUntraced(function* (self) {
          for (const index of rounds.slice(0, 4)) yield* sendAll(self, index)
          // Workers that were let in ride it out.
          yield* until(() => isAllHandled(self, 4), "20 seconds")
          yield* Effect.scoped(
            Effect.gen(function* () {
              yield* self.emulator.inject({ operation: "Token", fault: Fault.unauthorized })
              yield* self.emulator.dropConnections
              yield* Effect.sleep("2 seconds")
            })
          )
          for (const index of rounds.slice(4)) yield* sendAll(self, index)
          yield* assertRiddenOut(self, rounds.length)
        })
      ),
    60_000
  )
})
