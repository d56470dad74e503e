/**
 * A soak: a producer and worker processes over real sockets, workers killed and asked to end, the server
 * restarted and failing calls throughout; judged by the checkers of the simulation.
 */
import { Message, MessageId, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
import { Checker, History, Story, Tap } from "@queue-runtime/simulation"
import { type Inspection, ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import * as References from "effect/References"
import * as Result from "effect/Result"
import { type ChildProcess, spawn } from "node:child_process"
import { createInterface } from "node:readline"
import { fileURLToPath } from "node:url"
import { fifo, type Job, letters, now, queue, stackOf, tapOf } from "./liveJob.ts"

export interface Options {
  readonly provider: Job["provider"]
  readonly minutes: number
  readonly say: (text: string) => Effect.Effect<void>
}

/** The server, from outside. */
interface Server {
  readonly address: string
  readonly restart: Effect.Effect<void>
  readonly isEmpty: Effect.Effect<boolean>
  /** By id: what is there in the end. */
  readonly left: Effect.Effect<ReadonlyArray<Pick<History.Left, "id" | "place" | "count">>>
}

const lockSeconds = 5
const deliveriesMax = 5

const often = 0.01

const sqs = Effect.gen(function* () {
  // What the broker's own maximum is must stay far above ours.
  const server = yield* SqsEmulator.make({ queues: { [fifo]: {}, [letters]: {} } })
  const actions = [
    "ReceiveMessage",
    "DeleteMessageBatch",
    "SendMessageBatch",
    "ChangeMessageVisibilityBatch"
  ]
  for (const action of actions) {
    server.injectUnsafe({ action, probability: often, fault: { _tag: "LoseReply" } })
    server.injectUnsafe({
      action,
      probability: often,
      fault: { _tag: "Fail", kind: "RequestThrottled" }
    })
    server.injectUnsafe({ action, probability: often, fault: { _tag: "Reset" } })
    server.injectUnsafe({
      action,
      probability: often,
      fault: { _tag: "Slow", duration: "800 millis" }
    })
  }
  const look = (name: string, place: History.Left["place"]) =>
    Effect.map(server.inspect(name), (view) =>
      (view?.messages ?? []).map(({ body, receiveCount }) => ({
        id: body,
        place,
        count: receiveCount
      }))
    )
  return {
    address: server.endpoint,
    restart: Effect.orDie(server.restart({ keepState: true })),
    isEmpty: Effect.map(look(fifo, "queue"), (messages) => messages.length === 0),
    left: Effect.zipWith(look(fifo, "queue"), look(letters, "deadLetters"), (queued, dead) => [
      ...queued,
      ...dead
    ])
  } satisfies Server
})

const seen = (
  { deliveryCount, messageId }: Inspection.Message,
  place: History.Left["place"]
): Pick<History.Left, "id" | "place" | "count"> => ({
  id: messageId ?? "",
  place,
  count: deliveryCount
})

const serviceBus = Effect.gen(function* () {
  const server = yield* ServiceBusEmulator.make({
    queues: {
      [queue]: {
        requiresSession: true,
        lockDuration: Duration.seconds(lockSeconds),
        maxDeliveryCount: deliveriesMax
      }
    }
  })
  const faults = [
    { operation: "Send", fault: { _tag: "DropLink", applied: true } },
    { operation: "Send", fault: { _tag: "Refuse", condition: "com.microsoft:server-busy" } },
    { operation: "Settle", fault: { _tag: "DropLink", applied: true } },
    { operation: "Management", fault: { _tag: "Delay", duration: "800 millis" } },
    { operation: "Attach", fault: { _tag: "DropConnection" } }
  ] as const
  for (const rule of faults) yield* server.inject({ ...rule, queue, probability: often / 4 })
  const view = Effect.orDie(server.inspect(queue))
  return {
    address: server.connectionString,
    restart: Effect.orDie(server.restart({ keepState: true })),
    isEmpty: Effect.map(view, ({ messages }) => messages.length === 0),
    left: Effect.map(view, ({ deadLetters, messages }) => [
      ...messages.map((one) => seen(one, "queue")),
      ...deadLetters.map((one) => seen(one, "deadLetters"))
    ])
  } satisfies Server
})

const program = fileURLToPath(new URL("liveWorker.ts", import.meta.url))

const workers = 3
const sessions = 24
/** Between two messages of one session. */
const gapMillis = 600
const killEvery = Duration.seconds(12)
const restartEvery = Duration.seconds(45)
/** What is not done by then never will be. */
const restMax = Duration.toMillis(Duration.minutes(3))

/** A worker over its lives. */
class Worker {
  readonly name: string
  readonly #events: Array<History.Event>
  readonly #address: string
  readonly #provider: Job["provider"]
  #lives = 0
  #child: ChildProcess | undefined
  #isExpected = false

  constructor(
    index: number,
    options: Pick<Options, "provider">,
    address: string,
    events: Array<History.Event>
  ) {
    this.name = `w${index}`
    this.#provider = options.provider
    this.#address = address
    this.#events = events
  }

  get node(): string {
    return `${this.name}.${this.#lives}`
  }

  get lives(): number {
    return this.#lives
  }

  start(): void {
    this.#lives++
    this.#isExpected = false
    const { node } = this
    const job: Job = {
      provider: this.#provider,
      address: this.#address,
      node,
      concurrency: 6,
      lockSeconds,
      deliveriesMax
    }
    this.#events.push({ _tag: "Launched", at: now(), node, role: "worker", skewMillis: 0 })
    this.#events.push(network(node))
    const args = ["--conditions=@queue-runtime/source", program, JSON.stringify(job)]
    const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] })
    this.#child = child
    if (child.stdout !== null) {
      createInterface({ input: child.stdout }).on("line", (line) => {
        const event = read(line)
        if (event !== undefined) this.#events.push(event)
      })
    }
    child.on("exit", (code) => {
      if (this.#isExpected || code === null) return
      this.#events.push({ _tag: "Finished", at: now(), node, reason: `exit ${code}` })
    })
  }

  /** In the middle of whatever it does. */
  kill(): void {
    this.#isExpected = true
    this.#child?.kill("SIGKILL")
    this.#events.push({ _tag: "Crashed", at: now(), node: this.node })
  }

  /** Asked to end, and given the time it takes. */
  readonly stop: Effect.Effect<void> = Effect.callback((resume) => {
    const child = this.#child
    this.#isExpected = true
    this.#events.push({ _tag: "Draining", at: now(), node: this.node })
    if (child === undefined || child.exitCode !== null) return resume(Effect.void)
    child.once("exit", () => resume(Effect.void))
    child.kill("SIGTERM")
  })
}

/** Nobody knows which of its calls went wrong. */
const network = (node: string): History.Event => ({
  _tag: "Fault",
  at: now(),
  node,
  key: "live",
  kind: "network",
  on: "process",
  detail: "a real network, and a server that fails",
  refs: []
})

const isEvent = (value: unknown): value is History.Event =>
  Predicate.hasProperty(value, "_tag") && Predicate.hasProperty(value, "at")

/** The last line of a process that was killed may be cut. */
const read = (line: string): History.Event | undefined => {
  try {
    const value: unknown = JSON.parse(line)
    return isEvent(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** Sends to one session, each message when the one before is taken. */
const lane = (
  client: QueueClient.Service,
  recorder: History.Recorder,
  session: string,
  isOver: () => boolean,
  numbers: { next: number }
) =>
  Effect.gen(function* () {
    for (let index = 1; !isOver(); index++) {
      const id = `${session}-${index}`
      const message = yield* Message.text(id, {
        messageId: MessageId.makeUnsafe(id),
        sessionId: SessionId.makeUnsafe(session)
      })
      let isTaken = false
      while (!isTaken) {
        numbers.next++
        const order = numbers.next
        recorder.add({
          _tag: "Submitted",
          node: "p1",
          id,
          session,
          order,
          digest: Tap.digest(message.body)
        })
        const result = yield* Effect.result(client.send(QueueName.makeUnsafe(queue), message))
        isTaken = Result.isSuccess(result)
        if (Result.isSuccess(result)) recorder.add({ _tag: "Sent", node: "p1", id })
        else {
          const reason = result.failure.reason._tag
          recorder.add({ _tag: "SendFailed", node: "p1", id, reason })
          yield* Effect.sleep(300)
        }
      }
      yield* Effect.sleep(gapMillis)
    }
  })

/** What the checkers are told to expect. */
const promises: History.Promises = History.promises({
  ordered: true,
  deliveriesMax,
  complete: false,
  // SQS knows of messages in hand alone; Service Bus lets a session go whose connection broke, and its
  // holder hears of it later. That no two handlers are in one session is judged all the same.
  exclusive: false,
  inspected: true,
  toleranceMillis: 250,
  lockMillis: lockSeconds * 1_000
})

/** What came of it. */
export interface Soak {
  readonly isGood: boolean
  readonly report: object
  readonly text: string
}

const soak = Effect.fnUntraced(function* ({ minutes, provider, say }: Options) {
  const events: Array<History.Event> = []
  const server: Server = yield* provider === "sqs" ? sqs : serviceBus
  const tap = tapOf("p1", (event) => void events.push(event))
  const job: Job = {
    provider,
    address: server.address,
    node: "p1",
    concurrency: 1,
    lockSeconds,
    deliveriesMax
  }
  const stack = yield* Effect.promise(() => stackOf(job, tap))
  const built = yield* Layer.build(Layer.provide(QueueClient.layer(), stack))
  const client = Context.get(built, QueueClient.QueueClient)
  const all = Array.from(
    { length: workers },
    (_, index) => new Worker(index + 1, { provider }, server.address, events)
  )
  yield* Effect.addFinalizer(() => Effect.sync(() => all.map((one) => one.kill())))
  for (const one of all) one.start()

  const start = now()
  const isOver = (): boolean => now() - start > minutes * 60_000
  const counts = { kills: 0, stops: 0, restarts: 0 }
  const strike = Effect.gen(function* () {
    yield* Effect.sleep(killEvery)
    const victim = all[yield* Random.nextIntBetween(0, all.length - 1)]
    if (victim === undefined) return
    if ((yield* Random.next) < 0.7) {
      counts.kills++
      victim.kill()
      yield* Effect.sleep((yield* Random.next) * 4_000)
    } else {
      counts.stops++
      yield* victim.stop
    }
    victim.start()
  })
  const restart = Effect.gen(function* () {
    yield* Effect.sleep(restartEvery)
    counts.restarts++
    yield* server.restart
  })
  const tell = Effect.gen(function* () {
    yield* Effect.sleep("10 seconds")
    const sent = events.filter(({ _tag }) => _tag === "Sent").length
    const handled = events.filter(({ _tag }) => _tag === "Ended").length
    yield* say(
      `${Math.round((now() - start) / 1_000)} s: ${sent} sent, ${handled} handled, ` +
        `${counts.kills} killed, ${counts.stops} stopped, ${counts.restarts} restarts`
    )
  })
  const trouble = yield* Effect.forkChild(
    Effect.all([Effect.forever(strike), Effect.forever(restart)], { concurrency: "unbounded" })
  )
  const telling = yield* Effect.forkChild(Effect.forever(tell))
  const numbers = { next: 0 }
  yield* Effect.forEach(
    Array.from({ length: sessions }, (_, index) => `s${index + 1}`),
    (session) => lane(client, tap.recorder, session, isOver, numbers),
    { concurrency: "unbounded", discard: true }
  )
  yield* Fiber.interrupt(trouble)
  const restStart = now()
  while (!(yield* server.isEmpty) && now() - restStart < restMax) yield* Effect.sleep("500 millis")
  yield* Effect.forEach(all, (one) => one.stop, { concurrency: "unbounded", discard: true })
  yield* Fiber.interrupt(telling)
  for (const one of yield* server.left)
    events.push({ _tag: "Left", at: now(), node: "world", ...one })

  const history = {
    promises,
    events: events.toSorted((one, other) => one.at - other.at)
  }
  const violations = Checker.check(history)
  const count = (tag: History.Event["_tag"]): number =>
    events.filter(({ _tag }) => _tag === tag).length
  const report = {
    provider,
    minutes,
    events: events.length,
    sent: count("Sent"),
    delivered: count("Delivered"),
    handled: count("Ended"),
    deadLetters: events.filter((event) => event._tag === "Left" && event.place === "deadLetters")
      .length,
    ...counts,
    violations: violations.length,
    stories: violations.slice(0, 5).map((one) => Story.format("live", history, [one]))
  }
  const text = [
    JSON.stringify({ ...report, stories: undefined }),
    ...report.stories,
    violations.length === 0 ? "nothing is wrong" : `${violations.length} violations`
  ].join("\n")
  return { isGood: violations.length === 0, report, text } satisfies Soak
})

/** A soak, judged. That it cannot begin is a fault of the machine, and no result. */
export const run = (options: Options): Effect.Effect<Soak> =>
  soak(options).pipe(
    Effect.scoped,
    Effect.orDie,
    Effect.provideService(References.MinimumLogLevel, "None")
  )
