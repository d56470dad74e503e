/**
 * A soak: a producer and worker processes over real sockets and a proxy that breaks them, workers killed
 * and asked to end, the server restarted and failing calls throughout; judged by the checkers of the
 * simulation.
 */
import { Message, MessageId, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
import { Checker, History, Story, Tap } from "@queue-runtime/simulation"
import * as Context from "effect/Context"
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
import { type Job, now, queue, stackOf, tapOf } from "./liveJob.ts"
import * as liveServers from "./liveServers.ts"

export interface Options {
  readonly provider: Job["provider"]
  /** Of SQS; ours when left out. */
  readonly server?: liveServers.Name
  readonly minutes: number
  /** Of what the proxy does, and of when whom is killed; a new one when left out. */
  readonly seed?: string
  readonly say: (text: string) => Effect.Effect<void>
}

const lockSeconds = 5
const deliveriesMax = 5

const program = fileURLToPath(new URL("liveWorker.ts", import.meta.url))

const workers = 3
const sessions = 24
/** Between two messages of one session. */
const gapMillis = 600
const killEveryMillis = 12_000
const restartEveryMillis = 45_000
const downMaxMillis = 1_500
/** When nothing was done for so long, nothing will be. */
const restMaxMillis = 60_000

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
    const child = spawn(process.execPath, args, { stdio: ["pipe", "pipe", "inherit"] })
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
    // Killed and not started again: nobody is there to be asked.
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) {
      return resume(Effect.void)
    }
    this.#isExpected = true
    this.#events.push({ _tag: "Draining", at: now(), node: this.node })
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

/** A yes to a receipt whose lock is over says nothing there; AWS says no. See the probe of expired handles. */
export const withoutLateYes = (
  events: ReadonlyArray<History.Event>
): ReadonlyArray<History.Event> => {
  const until = new Map<string, number>()
  return events.map((event) => {
    if (event._tag === "Delivered") until.set(event.token, event.until)
    const isLate =
      event._tag === "Settled" &&
      event.result === "ok" &&
      event.at > (until.get(event.token) ?? Infinity)
    return isLate ? { ...event, result: "SettlementUnknown" } : event
  })
}

/** What is written down of a soak. */
export interface Report {
  readonly provider: Job["provider"]
  readonly server: liveServers.Name
  readonly seed: string
  readonly minutes: number
  readonly events: number
  readonly sent: number
  readonly delivered: number
  readonly handled: number
  readonly deadLetters: number
  readonly kills: number
  readonly stops: number
  readonly restarts: number
  /** That the proxy took. */
  readonly connections: number
  /** How often each fault struck. */
  readonly faults: Readonly<Record<string, number>>
  readonly violations: number
  readonly stories: ReadonlyArray<string>
}

/** What came of it. */
export interface Soak {
  readonly isGood: boolean
  readonly report: Report
  readonly history: History.History
  readonly text: string
}

const soak = Effect.fnUntraced(function* (options: Options, seed: string) {
  const { minutes, provider, say, server: kind = "own" } = options
  const events: Array<History.Event> = []
  const server = yield* liveServers.make({
    provider,
    server: kind,
    seed,
    lockSeconds,
    deliveriesMax
  })
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
  // A short run sees some of both too.
  const killEvery = Math.min(killEveryMillis, minutes * 20_000)
  const restartEvery = Math.min(restartEveryMillis, minutes * 25_000)
  for (const one of all) one.start()

  const start = now()
  const isOver = (): boolean => now() - start > minutes * 60_000
  const counts = { kills: 0, stops: 0, restarts: 0 }
  const strike = Effect.gen(function* () {
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
    counts.restarts++
    yield* server.restart(yield* Random.nextBetween(0, downMaxMillis))
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
  // Who goes down comes up again, also when all is about to end.
  const every = (millis: number, what: Effect.Effect<void>) =>
    Effect.sleep(millis).pipe(
      Effect.andThen(Effect.uninterruptible(what)),
      // What was not taken by then is to be, some time.
      Effect.repeat({ until: isOver })
    )
  const trouble = yield* Effect.forkChild(
    Effect.all([every(killEvery, strike), every(restartEvery, restart)], {
      concurrency: "unbounded"
    })
  )
  const telling = yield* Effect.forkChild(Effect.forever(tell))
  const numbers = { next: 0 }
  yield* Effect.forEach(
    Array.from({ length: sessions }, (_, index) => `s${index + 1}`),
    (session) => lane(client, tap.recorder, session, isOver, numbers),
    { concurrency: "unbounded", discard: true }
  )
  yield* Fiber.interrupt(trouble)
  let queued = Infinity
  let movedAt = now()
  while (queued > 0 && now() - movedAt < restMaxMillis) {
    yield* Effect.sleep("500 millis")
    const left = yield* server.queued
    if (left < queued) movedAt = now()
    queued = left
  }
  yield* Effect.forEach(all, (one) => one.stop, { concurrency: "unbounded", discard: true })
  yield* Fiber.interrupt(telling)
  for (const one of yield* server.left)
    events.push({ _tag: "Left", at: now(), node: "world", ...one })

  const sorted = events.toSorted((one, other) => one.at - other.at)
  const history = { promises, events: server.isLenient ? withoutLateYes(sorted) : sorted }
  const violations = Checker.check(history)
  const count = (tag: History.Event["_tag"]): number =>
    events.filter(({ _tag }) => _tag === tag).length
  const report: Report = {
    provider,
    server: kind,
    seed,
    minutes,
    events: events.length,
    sent: count("Sent"),
    delivered: count("Delivered"),
    handled: count("Ended"),
    deadLetters: events.filter((event) => event._tag === "Left" && event.place === "deadLetters")
      .length,
    ...counts,
    connections: server.connections(),
    faults: yield* server.faults,
    violations: violations.length,
    stories: violations.slice(0, 5).map((one) => Story.format("live", history, [one]))
  }
  const text = [
    JSON.stringify({ ...report, stories: undefined }),
    ...report.stories,
    violations.length === 0 ? "nothing is wrong" : `${violations.length} violations`
  ].join("\n")
  return { isGood: violations.length === 0, report, history, text } satisfies Soak
})

const soaked = Effect.fnUntraced(function* (options: Options) {
  const seed = options.seed ?? String(yield* Random.nextIntBetween(1, 999_999))
  return yield* Random.withSeed(soak(options, seed), seed)
})

/** A soak, judged. That it cannot begin is a fault of the machine, and no result. */
export const run = (options: Options): Effect.Effect<Soak> =>
  soaked(options).pipe(
    Effect.scoped,
    Effect.orDie,
    Effect.provideService(References.MinimumLogLevel, "None")
  )
