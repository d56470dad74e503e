/** The servers of a soak, each behind a proxy: what they are told directly, and what goes wrong with them. */
import { CreateQueueCommand, SQSClient } from "@aws-sdk/client-sqs"
import type { History } from "@queue-runtime/simulation"
import { type Fault, type Inspection, ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import type * as Scope from "effect/Scope"
import { buildApp } from "fauxqs"
import type { Probabilities, TcpName } from "../proxy/faults.ts"
import * as sqsProxy from "../proxy/sqs.ts"
import * as tcpProxy from "../proxy/tcp.ts"
import { fifo, letters, queue } from "./liveJob.ts"

/** Which server: our emulators, or the SQS of somebody else. */
export type Name = "own" | "fauxqs"

/** What the server and the locks of its queues are to be. */
export interface Options {
  readonly provider: "sqs" | "service-bus"
  readonly server: Name
  readonly seed: string
  readonly lockSeconds: number
  readonly deliveriesMax: number
}

type Left = Pick<History.Left, "id" | "place" | "count">

/** A server, as those outside of its proxy know it. */
export interface Server {
  /** Of the proxy: an endpoint of SQS, or a connection string of Service Bus. */
  readonly address: string
  /** Cuts all connections, is away for the time given, and comes back with all it had. */
  readonly restart: (down: Duration.Input) => Effect.Effect<void>
  /** Messages that are there, those in hand included. */
  readonly queued: Effect.Effect<number>
  /** By id: what is there in the end. */
  readonly left: Effect.Effect<ReadonlyArray<Left>>
  /** How often each fault struck, those of the proxy first. */
  readonly faults: Effect.Effect<Readonly<Record<string, number>>>
  /** Those that its proxy took. */
  readonly connections: () => number
  /** Whether it says yes to a receipt whose lock is over, and does nothing. */
  readonly isLenient: boolean
}

/** What is behind the proxy. */
interface Behind extends Pick<Server, "restart" | "queued" | "left" | "isLenient"> {
  readonly host: string
  readonly port: number
  /** Its own faults, by what they do. */
  readonly faults: Effect.Effect<Readonly<Record<string, number>>>
}

/** A connection to Service Bus carries all of a process, and lives long. */
const ofServiceBus: Probabilities<TcpName> = {
  refused: 0.2,
  reset: 0.001,
  "half open": 0.0006,
  "lost reply": 0.001,
  latency: 0.002,
  throttled: 0.001
}

/** One to SQS carries one request at a time, and there are many. */
const ofSqs: Probabilities<TcpName> = {
  refused: 0.05,
  reset: 0.004,
  "half open": 0.001,
  "lost reply": 0.004,
  latency: 0.01,
  throttled: 0.004
}

const ofRequests = {
  unavailable: 0.005,
  "too many requests": 0.005,
  "dropped reply": 0.01
} as const

const host = "127.0.0.1"

/** Of the calls of SQS that matter. */
const often = 0.01

const actions = [
  "ReceiveMessage",
  "DeleteMessageBatch",
  "SendMessageBatch",
  "ChangeMessageVisibilityBatch"
]

const emulated = Effect.gen(function* () {
  // What the broker's own maximum is must stay far above ours.
  const server = yield* SqsEmulator.make({ queues: { [fifo]: {}, [letters]: {} } })
  const faults = [
    { _tag: "LoseReply" },
    { _tag: "Fail", kind: "RequestThrottled" },
    { _tag: "Reset" },
    { _tag: "Slow", duration: "800 millis" }
  ] as const
  const injected = faults.map((fault) => ({
    fault,
    rules: actions.map((action) => server.injectUnsafe({ action, probability: often, fault }))
  }))
  const look = (name: string, place: History.Left["place"]) =>
    Effect.map(server.inspect(name), (view) =>
      (view?.messages ?? []).map(({ body, receiveCount }) => ({
        id: body,
        place,
        count: receiveCount
      }))
    )
  return {
    host,
    port: server.port,
    restart: (down) => Effect.orDie(server.restart({ keepState: true, down: Effect.sleep(down) })),
    queued: Effect.map(look(fifo, "queue"), (messages) => messages.length),
    left: Effect.zipWith(look(fifo, "queue"), look(letters, "deadLetters"), (queued, dead) => [
      ...queued,
      ...dead
    ]),
    faults: Effect.map(
      Effect.forEach(injected, ({ fault, rules }) =>
        Effect.map(Effect.all(rules.map(({ hits }) => hits)), (hits) => {
          const count = hits.reduce((sum, one) => sum + one, 0)
          return [`server: ${fault._tag}`, count] as const
        })
      ),
      Object.fromEntries<number>
    ),
    isLenient: false
  } satisfies Behind
}).pipe(Effect.orDie)

const Stored = Schema.Struct({ body: Schema.String, approximateReceiveCount: Schema.Number })

/** What `fauxqs` tells of a queue. */
const Looked = Schema.Struct({
  messages: Schema.Struct({
    ready: Schema.Array(Stored),
    delayed: Schema.Array(Stored),
    inflight: Schema.Array(Schema.Struct({ message: Stored }))
  })
})

const decodeLooked = Schema.decodeUnknownEffect(Schema.fromJsonString(Looked))

const made = (address: string) =>
  Effect.promise(async () => {
    const sdk = new SQSClient({
      endpoint: address,
      region: "us-east-1",
      credentials: { accessKeyId: "test", secretAccessKey: "test" }
    })
    for (const QueueName of [fifo, letters]) {
      await sdk.send(new CreateQueueCommand({ QueueName, Attributes: { FifoQueue: "true" } }))
    }
    sdk.destroy()
  })

/**
 * It keeps what it has in memory: a restart closes its socket and every connection, and listens again. Its
 * own way over a restart, a file, is of no use here: with one, a message that is made visible at once is
 * refused with an error and lost until the next start, and which messages it took already is not kept.
 */
const foreign = Effect.gen(function* () {
  const app = yield* Effect.acquireRelease(
    Effect.sync(() => buildApp({ logger: false })),
    (one) => Effect.promise(() => one.close())
  )
  const address = new URL(yield* Effect.promise(() => app.listen({ host, port: 0 })))
  const port = Number(address.port)
  yield* made(address.origin)
  const look = (name: string, place: History.Left["place"]) =>
    Effect.gen(function* () {
      const { payload } = yield* Effect.promise(() => app.inject(`/_fauxqs/queues/${name}`))
      const { delayed, inflight, ready } = (yield* Effect.orDie(decodeLooked(payload))).messages
      const all = [...ready, ...delayed, ...inflight.map(({ message }) => message)]
      return all.map(({ approximateReceiveCount: count, body: id }) => ({ id, place, count }))
    })
  return {
    host,
    port,
    restart: (down) =>
      Effect.callback<void>((resume) => {
        app.server.close(() => resume(Effect.void))
        app.server.closeAllConnections()
      }).pipe(
        Effect.andThen(Effect.sleep(down)),
        Effect.andThen(
          Effect.callback<void>((resume) => {
            app.server.listen(port, host, () => resume(Effect.void))
          })
        )
      ),
    queued: Effect.map(look(fifo, "queue"), (messages) => messages.length),
    left: Effect.zipWith(look(fifo, "queue"), look(letters, "deadLetters"), (queued, dead) => [
      ...queued,
      ...dead
    ]),
    faults: Effect.succeed({}),
    isLenient: true
  } satisfies Behind
})

const seen = (
  { deliveryCount, messageId }: Inspection.Message,
  place: History.Left["place"]
): Left => ({ id: messageId ?? "", place, count: deliveryCount })

/** Each strikes the next call it fits. */
const ofBroker = [
  { operation: "Send", fault: { _tag: "DropLink", applied: true } },
  { operation: "Send", fault: { _tag: "Refuse", condition: "com.microsoft:server-busy" } },
  { operation: "Settle", fault: { _tag: "DropLink", applied: true } },
  { operation: "Management", fault: { _tag: "Delay", duration: "800 millis" } },
  { operation: "Attach", fault: { _tag: "DropConnection" } }
] as const satisfies ReadonlyArray<Fault.Rule & { readonly operation: Fault.Operation }>

/** Between two faults of the broker, at most. */
const faultEveryMillis = 4_000

const serviceBus = Effect.fnUntraced(function* ({ deliveriesMax, lockSeconds }: Options) {
  const server = yield* ServiceBusEmulator.make({
    queues: {
      [queue]: {
        requiresSession: true,
        lockDuration: Duration.seconds(lockSeconds),
        maxDeliveryCount: deliveriesMax
      }
    }
  })
  const counts = new Map<string, number>()
  const callsOf = (operation: Fault.Operation) =>
    Effect.map(server.calls, (calls) => calls[operation] ?? 0)
  const strike = Effect.gen(function* () {
    yield* Effect.sleep(yield* Random.nextBetween(0, faultEveryMillis))
    const rule = ofBroker[yield* Random.nextIntBetween(0, ofBroker.length - 1)]
    if (rule === undefined) return
    const before = yield* callsOf(rule.operation)
    yield* server.inject({ ...rule, times: 1 })
    // One that nobody meets is taken away: else all of them would wait for who pauses.
    const calls = yield* callsOf(rule.operation).pipe(
      Effect.repeat({
        schedule: Schedule.spaced("20 millis"),
        times: 50,
        until: (count) => count > before
      })
    )
    if (calls === before) return
    const name = `server: ${rule.operation} ${rule.fault._tag}`
    counts.set(name, (counts.get(name) ?? 0) + 1)
  }).pipe(Effect.scoped)
  yield* Effect.forkScoped(Effect.forever(strike))
  const view = Effect.orDie(server.inspect(queue))
  return {
    host,
    port: server.port,
    connectionString: server.connectionString,
    restart: (down) =>
      server.stop.pipe(
        Effect.andThen(Effect.sleep(down)),
        Effect.andThen(Effect.orDie(server.start))
      ),
    queued: Effect.map(view, ({ messages }) => messages.length),
    left: Effect.map(view, ({ deadLetters, messages }) => [
      ...messages.map((one) => seen(one, "queue")),
      ...deadLetters.map((one) => seen(one, "deadLetters"))
    ]),
    faults: Effect.sync(() => Object.fromEntries(counts)),
    isLenient: false
  } satisfies Behind & { readonly connectionString: string }
}, Effect.orDie)

const behindBoth = Effect.fnUntraced(function* (behind: Behind, seed: string) {
  const requests = sqsProxy.chances(seed, ofRequests)
  const inner = yield* sqsProxy.make(`http://${behind.host}:${behind.port}`)
  yield* inner.use(requests.rule)
  const target = new URL(inner.endpoint)
  const outer = yield* tcpProxy.make({
    target: { host: target.hostname, port: Number(target.port) },
    seed,
    probabilities: ofSqs
  })
  return {
    ...behind,
    address: `http://${outer.host}:${outer.port}`,
    faults: Effect.map(behind.faults, (own) => ({
      ...outer.tally.toRecord(),
      ...requests.tally.toRecord(),
      ...own
    })),
    connections: () => outer.connections().taken
  } satisfies Server
})

/** A server behind its proxy, until the scope closes. That there is none is a fault of the machine. */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<Server, never, Scope.Scope> {
  const { provider, seed, server } = options
  if (provider === "sqs") {
    return yield* behindBoth(yield* server === "own" ? emulated : foreign, seed)
  }
  const behind = yield* serviceBus(options)
  const outer = yield* tcpProxy.make({ target: behind, seed, probabilities: ofServiceBus })
  return {
    ...behind,
    address: behind.connectionString.replace(`:${behind.port}`, `:${outer.port}`),
    faults: Effect.map(behind.faults, (own) => ({ ...outer.tally.toRecord(), ...own })),
    connections: () => outer.connections().taken
  }
})
