/**
 * Workers of sessions through the client, on queues in memory: what a message costs them in 1, 100 and
 * 10,000 sessions, and what a session that is slow, or that always fails, does to the others.
 */
import {
  Message,
  QueueClient,
  QueueError,
  QueueName,
  QueueWorker,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { SessionWorker } from "@queue-runtime/sessions"
import * as Deferred from "effect/Deferred"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

const plain = QueueName.makeUnsafe("bench-plain")
const ordered = QueueName.makeUnsafe("bench-ordered")

const layer = QueueClient.layer().pipe(
  Layer.provide(
    MemoryProvider.layer({
      queues: {
        [plain]: { deduplicationWindow: 0 },
        [ordered]: { deduplicationWindow: 0, sessions: true }
      },
      sessionsMax: 100_000
    })
  ),
  // A worker says when it starts and ends, and what fails in it.
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "None"))
)

type Work = Effect.Effect<void, QueueError.QueueError, QueueClient.QueueClient>

/** So many messages over so many sessions in turn; with none, on the queue that has no sessions. */
const fill = (messages: number, sessions: number): Work =>
  Effect.flatMap(QueueClient.QueueClient, (client) => {
    const body = new Uint8Array(100)
    const message = (index: number): Message.Message =>
      sessions === 0
        ? new Message.Message({ body })
        : new Message.Message({
            body,
            sessionId: SessionId.makeUnsafe(`session-${index % sessions}`)
          })
    return client.sendBatch(
      sessions === 0 ? plain : ordered,
      Array.from({ length: messages }, (_, index) => message(index))
    )
  })

/** A worker until something says that it is done, and what that took; draining is not a part of it. */
const until = <A>(
  run: (
    done: Effect.Effect<void>
  ) => Effect.Effect<never, QueueError.QueueError, QueueClient.QueueClient>,
  observe: Effect.Effect<A>
) =>
  Effect.gen(function* () {
    const all = yield* Deferred.make<void>()
    const worker = yield* Effect.forkChild(run(Effect.asVoid(Deferred.succeed(all, undefined))))
    // Who fails ends the benchmark.
    yield* Effect.raceFirst(Deferred.await(all), Fiber.join(worker))
    const observed = yield* observe
    yield* Fiber.interrupt(worker)
    return observed
  })

/** Done when so many have been handled. */
const counting = (messages: number, done: Effect.Effect<void>) => {
  let handled = 0
  return () => Effect.suspend(() => (++handled === messages ? done : Effect.void))
}

const concurrency = 100

/** Of one sample, where it is not said otherwise. */
const messages = 10_000

/** Sessions of one message each: a worker accepts one, handles its message and gives it up. */
const fewSessions = 500

/** Nanoseconds of this thread's processor, from now on. */
const thread = () => {
  const before = measure.threadCpu()
  return Effect.sync(() => (measure.threadCpu() - before) * 1_000)
}

const handler = () => Effect.void

/** What a message costs from accept to settlement. */
const costIn = (sessions: number, count = messages) =>
  Effect.gen(function* () {
    yield* fill(count, sessions)
    const spent = yield* until((done) => {
      const onHandled = counting(count, done)
      return sessions === 0
        ? QueueWorker.run({ queue: plain, concurrency, handler, onHandled })
        : SessionWorker.run({ queue: ordered, concurrency, handler, onHandled })
    }, thread())
    return spent / count
  })

const sizes = [1, 100, 10_000] as const

const costs = async (): Promise<ReadonlyArray<Report.Case>> => {
  const runtime = ManagedRuntime.make(layer)
  const tasks = [0, ...sizes].map((size): measure.Task => ({
    name: String(size),
    sample: () => runtime.runPromise(costIn(size))
  }))
  const few = {
    name: "few",
    sample: () => runtime.runPromise(costIn(fewSessions, fewSessions))
  }
  const found = await measure.rounds([...tasks, few], { warm: 3, rounds: 9, samples: 1 })
  await runtime.dispose()
  const micros = (name: number | "few") => (found.get(String(name)) ?? []).map((one) => one / 1_000)
  return [
    ...sizes.map((size) =>
      Report.ofRounds({
        case: `sessions: a worker over 10,000 messages in ${size.toLocaleString("en")} / without sessions: CPU µs a message`,
        ours: micros(size),
        peer: micros(0),
        better: "lower"
      })
    ),
    Report.ofRounds({
      case: `sessions: 10,000 of one message / ${fewSessions} of one: CPU µs a session`,
      ours: micros(messages),
      peer: micros("few"),
      target: Math.round((Math.log2(messages) / Math.log2(fewSessions)) * 100) / 100,
      better: "lower"
    })
  ]
}

/** As many rounds on twenty slots as on nineteen, which are left beside the slow one. */
const others = 95
const slots = 20
const inEach = 20
const handlerMillis = 5
const slowMillis = 500

/** The one that may be bad. */
const first = SessionId.makeUnsafe("session-0")

type Kind = "good" | "slow" | "failing"

const handle =
  (kind: Kind) =>
  ({ sessionId }: ReceivedMessage.ReceivedMessage): Effect.Effect<void, QueueError.QueueError> => {
    if (kind === "good" || sessionId !== first) return Effect.sleep(handlerMillis)
    return kind === "slow"
      ? Effect.sleep(slowMillis)
      : Effect.fail(QueueError.make(new QueueError.ConnectionFailed({ detail: "bench" })))
  }

/** Milliseconds until all the others are done; what is left of the first is thrown away. */
const othersDone = (kind: Kind) =>
  Effect.gen(function* () {
    yield* fill((others + 1) * inEach, others + 1)
    const start = performance.now()
    return yield* until(
      (done) => {
        const count = counting(others * inEach, done)
        return SessionWorker.run({
          queue: ordered,
          concurrency: slots,
          handler: handle(kind),
          onHandled: ({ message }) => (message.sessionId === first ? Effect.void : count())
        })
      },
      Effect.sync(() => performance.now() - start)
    )
  })

/** Each on a queue of its own, since a bad session leaves messages behind. */
const timed = async (kind: Kind): Promise<number> => {
  const runtime = ManagedRuntime.make(layer)
  const millis = await runtime.runPromise(othersDone(kind))
  await runtime.dispose()
  return millis * 1e6
}

const headOfLine = async (): Promise<ReadonlyArray<Report.Case>> => {
  const kinds = ["good", "slow", "failing"] as const
  const tasks = kinds.map((kind): measure.Task => ({ name: kind, sample: () => timed(kind) }))
  const found = await measure.rounds(tasks, { warm: 1, rounds: 9, samples: 1 })
  const millis = (kind: Kind) => (found.get(kind) ?? []).map((one) => one / 1e6)
  return (["slow", "failing"] as const).map((kind) =>
    Report.ofRounds({
      case: `sessions: ${others} beside one that is ${kind} / beside a good one: ms until they are done`,
      ours: millis(kind),
      peer: millis("good"),
      target: 1.2,
      better: "lower"
    })
  )
}

export const run = async (): Promise<ReadonlyArray<Report.Case>> => [
  ...(await costs()),
  ...(await headOfLine())
]
