/**
 * `pnpm --filter @queue-runtime/conformance soak:azure [reconnects]`: loses the connection of two workers
 * over Service Bus a thousand times, at any moment of their work. Prints what is open and how much memory
 * is used on the way, and exits with 1 when a message was lost or out of order, or when anything grew.
 *
 * @since 0.1.0
 */
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
import { AzureClient, AzureProvider } from "@queue-runtime/provider-azure"
import { SessionWorker } from "@queue-runtime/sessions"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import { Worker } from "node:worker_threads"
import { Look, type Order } from "./soak/emulator.ts"

const orders = QueueName.makeUnsafe("orders")

const events = QueueName.makeUnsafe("events")

const sessions = ["s0", "s1", "s2", "s3"].map((name) => SessionId.makeUnsafe(name))

const lockDuration = "5 seconds"

const print = (text: string) => Effect.sync(() => process.stdout.write(`${text}\n`))

/** The emulator's thread: one question at a time. */
const startEmulator = Effect.gen(function* () {
  const thread = yield* Effect.acquireRelease(
    Effect.sync(() => new Worker(new URL("soak/emulator.ts", import.meta.url))),
    (one) => Effect.promise(() => one.terminate())
  )
  const ask = (order: Order): Effect.Effect<unknown> =>
    Effect.callback<unknown>((resume) => {
      thread.once("message", (reply: unknown) => resume(Effect.succeed(reply)))
      thread.postMessage(order, [])
    })
  const connectionString = Schema.decodeUnknownEffect(Schema.String)(yield* ask("connectionString"))
  return {
    connectionString: yield* connectionString,
    drop: ask("drop"),
    look: Effect.flatMap(ask("look"), Schema.decodeUnknownEffect(Look))
  }
})

/** What the SDK keeps to itself. */
const at = (value: unknown, ...path: ReadonlyArray<string>): unknown =>
  path.reduce<unknown>(
    (found, key) => (Predicate.hasProperty(found, key) ? found[key] : undefined),
    value
  )

const size = (value: unknown): number =>
  Predicate.isObject(value) ? Object.keys(value).length : Number.NaN

const listenersOf = (emitter: unknown): number => {
  const [names, count] = [at(emitter, "eventNames"), at(emitter, "listenerCount")]
  if (typeof names !== "function" || typeof count !== "function") return Number.NaN
  const known: unknown = Reflect.apply(names, emitter, [])
  return Array.isArray(known)
    ? known.reduce<number>((sum, name) => sum + Number(Reflect.apply(count, emitter, [name])), 0)
    : Number.NaN
}

interface Figures extends Look {
  readonly reconnects: number
  /** Senders, receivers and sessions that the SDK has in its books. */
  readonly kept: number
  /** On the socket, on the AMQP connection and on that of the SDK. */
  readonly listeners: number
  readonly heapMegabytes: number
  /** Sockets and timers that keep the process alive. */
  readonly resources: number
}

const columns = ["reconnects", "connections", "links", "kept", "listeners", "resources"] as const

const row = (figures: Figures, left: number, seconds: number): string =>
  [
    ...columns.map((name) => String(figures[name]).padStart(name.length)),
    figures.heapMegabytes.toFixed(1).padStart("heap MB".length),
    String(left).padStart("left".length),
    seconds.toFixed(0).padStart("seconds".length)
  ].join("  ")

/** A collection takes two rounds for what had finalizers. */
const collect = Effect.sync(() => {
  for (const _ of [1, 2]) globalThis.gc?.()
})

/** As it is once nothing is under way. */
const measure = Effect.fnUntraced(function* (
  reconnects: number,
  client: AzureClient.Service,
  look: Effect.Effect<Look, Schema.SchemaError>
) {
  yield* Effect.sleep("1 second")
  const sdk: unknown = yield* client.use((one) => Promise.resolve(one))
  const inside = at(sdk, "_connectionContext")
  const connection = at(inside, "connection")
  const amqp = at(connection, "_connection")
  const books = ["senders", "messageReceivers", "messageSessions"].map((name) => at(inside, name))
  yield* collect
  return {
    ...(yield* look),
    reconnects,
    kept: books.reduce<number>((sum, book) => sum + size(book), 0),
    listeners: [at(amqp, "socket"), amqp, connection].reduce<number>(
      (sum, emitter) => sum + listenersOf(emitter),
      0
    ),
    heapMegabytes: process.memoryUsage().heapUsed / 2 ** 20,
    resources: process.getActiveResourcesInfo().length
  } satisfies Figures
})

/** What may differ between two looks at one that is as it was. */
const allowed = { links: 6, kept: 6, listeners: 6, resources: 20, heapMegabytes: 10 } as const

const grownOf = (first: Figures, last: Figures): ReadonlyArray<string> =>
  (["links", "kept", "listeners", "resources", "heapMegabytes"] as const)
    .filter((name) => last[name] > first[name] + allowed[name])
    .map((name) => `${name} grew from ${first[name]} to ${last[name]}`)

const riding = <A>(effect: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.retry(effect, { schedule: Schedule.spaced("50 millis"), while: QueueError.isTransient })

/** The numbers that came of each session and of the plain queue; only the last ones are kept. */
class Journal {
  readonly problems: Array<string> = []
  readonly #last = new Map<string, number>()
  readonly #open = new Map<string, Set<number>>()

  /** From now on this number is to come. */
  expect(key: string, number: number): void {
    this.#open.set(key, (this.#open.get(key) ?? new Set()).add(number))
  }

  handled(key: string, number: number): void {
    const last = this.#last.get(key) ?? -1
    const isNext = number === last + 1
    // What came before may come again; what was never there before may not be skipped.
    if (key !== orders && number > last && !isNext) {
      this.problems.push(`${key}: ${number} came after ${last}`)
    }
    this.#last.set(key, Math.max(last, number))
    this.#open.get(key)?.delete(number)
  }

  get isDone(): boolean {
    return [...this.#open.values()].every((numbers) => numbers.size === 0)
  }
}

const program = Effect.gen(function* () {
  const reconnects = Number(process.argv[2] ?? 1_000)
  const marks = new Set([0.1, 0.25, 0.5, 0.75, 1].map((part) => Math.round(part * reconnects)))
  const emulator = yield* startEmulator
  const provider = AzureProvider.layer({
    connectionString: emulator.connectionString,
    requestTimeout: "5 seconds",
    connectTimeout: "5 seconds",
    queues: {
      orders: { lockDuration, deliveriesMax: 2_000 },
      events: { lockDuration, deliveriesMax: 2_000, sessions: true }
    }
  })
  const context = yield* Layer.build(QueueClient.layer().pipe(Layer.provideMerge(provider)))
  const client = Context.get(context, QueueClient.QueueClient)
  const sdk = Context.get(context, AzureClient.AzureClient)
  const journal = new Journal()
  const handler: MessageHandler.MessageHandler = ({ body, sessionId }) =>
    Effect.delay(
      Effect.sync(() =>
        journal.handled(sessionId ?? orders, Number(new TextDecoder().decode(body)))
      ),
      "2 millis"
    )
  const options = {
    handler,
    concurrency: 4,
    wait: "2 seconds",
    gracePeriod: "1 second",
    backoff: Backoff.exponential({ initial: "20 millis", max: "200 millis" })
  } as const
  const workers = Effect.all(
    [
      QueueWorker.run({ ...options, queue: orders }),
      SessionWorker.run({ ...options, queue: events, sessionIdle: "500 millis" })
    ],
    { concurrency: 2 }
  )
  yield* Effect.forkScoped(
    Effect.tapError(Effect.provide(workers, context), ({ message }) =>
      Effect.sync(() => journal.problems.push(`the workers ended: ${message}`))
    )
  )
  const sendRound = Effect.fnUntraced(function* (number: number) {
    journal.expect(orders, number)
    yield* riding(client.send(orders, yield* Message.text(String(number))))
    for (const sessionId of sessions) {
      journal.expect(sessionId, number)
      yield* riding(client.send(events, yield* Message.text(String(number), { sessionId })))
    }
  })

  yield* print([...columns, "heap MB", "left", "seconds"].join("  "))
  const startedAt = performance.now()
  const taken: Array<Figures> = []
  for (let number = 0; number < reconnects; number++) {
    const sending = Effect.andThen(
      Effect.sleep(yield* Random.nextIntBetween(0, 20)),
      sendRound(number)
    )
    const dropping = Effect.andThen(
      Effect.sleep(yield* Random.nextIntBetween(0, 60)),
      emulator.drop
    )
    yield* Effect.all([sending, dropping], { concurrency: 2, discard: true })
    if (!marks.has(number + 1)) continue
    // What was in hand without a session stays locked when its connection is lost.
    yield* Effect.sync(() => journal.isDone).pipe(
      Effect.repeat({
        schedule: Schedule.spaced("50 millis"),
        times: 1_200,
        until: (isDone) => isDone
      })
    )
    if (!journal.isDone) journal.problems.push("not everything was handled within a minute")
    const figures = yield* measure(number + 1, sdk, emulator.look)
    taken.push(figures)
    yield* print(
      row(figures, figures.left + figures.deadLettered, (performance.now() - startedAt) / 1_000)
    )
  }
  const [first, last] = [taken[0], taken.at(-1)]
  const problems = [
    ...journal.problems,
    ...(first === undefined || last === undefined
      ? ["nothing was measured"]
      : grownOf(first, last)),
    ...(last !== undefined && last.left + last.deadLettered > 0 ? ["messages are left"] : [])
  ]
  yield* print(problems.length === 0 ? "nothing lost, nothing grew" : problems.join("\n"))
  return problems.length === 0 ? 0 : 1
}).pipe(Effect.scoped, Effect.provideService(References.MinimumLogLevel, "None"))

process.exitCode = await Effect.runPromise(program)
