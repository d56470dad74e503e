/**
 * How the cost of a message grows: with the queue, with its sessions, with the fibers that send and with
 * those that receive.
 */
import {
  Message,
  MessageId,
  QueueAddress,
  QueueName,
  QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as fit from "./fit.ts"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

/** Of one sample. */
const messages = 1_000

const queue = QueueName.makeUnsafe("bench")
const address = QueueAddress.queue(queue)

const body = new Uint8Array(100)

const message = new Message.Message({ body })

const ids = Array.from({ length: messages }, (_, index) => MessageId.makeUnsafe(`message-${index}`))

const now = { max: 1, wait: Duration.zero }
const patient = { max: 1, wait: Duration.seconds(20) }

const isOne = (received: ReadonlyArray<unknown>) =>
  received.length === 1 ? Effect.void : Effect.die(new Error(`received ${received.length} of 1`))

/** One after the other, on a queue that has `length` messages already. */
const onQueue = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  for (const id of ids) {
    yield* provider.send(queue, [Message.stamp(message, id)])
    const received = yield* provider.receive(address, now)
    yield* isOne(received)
    yield* provider.settle(
      received.map(({ receipt }) => receipt),
      Verdict.complete
    )
  }
})

/** One after the other, each sent to, and received from, the session whose turn it is. */
const onSessions = (sessions: number) => {
  let next = 0
  return Effect.gen(function* () {
    const provider = yield* QueueProvider.QueueProvider
    for (const id of ids) {
      const sessionId = SessionId.makeUnsafe(`session-${next++ % sessions}`)
      yield* provider.send(queue, [Message.stamp(message, id, sessionId)])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const session = Option.getOrThrow(yield* provider.acceptSession(queue, now))
          const received = yield* session.receive(now)
          yield* isOne(received)
          yield* session.settle(
            received.map(({ receipt }) => receipt),
            Verdict.complete
          )
        })
      )
    }
  })
}

/** So many wait for messages, and each completes what it gets. */
const byConsumers = (consumers: number) =>
  Effect.gen(function* () {
    const provider = yield* QueueProvider.QueueProvider
    const done = yield* Deferred.make<void>()
    let left = messages
    const consume = Effect.gen(function* () {
      const received = yield* provider.receive(address, patient)
      yield* isOne(received)
      yield* provider.settle(
        received.map(({ receipt }) => receipt),
        Verdict.complete
      )
      left--
      if (left === 0) yield* Deferred.succeed(done, undefined)
    })
    const fibers = yield* Effect.forEach(Array.from({ length: consumers }), () =>
      Effect.forkChild(Effect.forever(consume))
    )
    for (const id of ids) {
      yield* provider.send(queue, [Message.stamp(message, id)])
      yield* Effect.yieldNow
    }
    // Who fails ends the benchmark.
    yield* Effect.raceFirst(Deferred.await(done), Fiber.joinAll(fibers))
    yield* Effect.forEach(fibers, Fiber.interrupt, { discard: true })
  })

/** So many, each sending, receiving and completing its share of the messages. */
const byFibers = (fibers: number) =>
  Effect.gen(function* () {
    const provider = yield* QueueProvider.QueueProvider
    let next = 0
    const cycle = Effect.gen(function* () {
      const id = ids[next++]
      if (id === undefined) return
      yield* provider.send(queue, [Message.stamp(message, id)])
      // Others get their turn between a send and a receive.
      yield* Effect.yieldNow
      const received = yield* provider.receive(address, now)
      yield* isOne(received)
      yield* provider.settle(
        received.map(({ receipt }) => receipt),
        Verdict.complete
      )
    })
    const share = Effect.forEach(Array.from({ length: messages / fibers }), () => cycle, {
      discard: true
    })
    yield* Effect.forEach(Array.from({ length: fibers }), () => share, {
      concurrency: "unbounded",
      discard: true
    })
  })

type Work<E> = Effect.Effect<void, E, QueueProvider.QueueProvider>

interface Size<E> {
  readonly size: number
  readonly sessions: boolean
  /** There from the beginning. */
  readonly filled: number
  readonly work: Work<E>
}

const fill = (count: number, sessions: boolean, over: number) =>
  Effect.flatMap(QueueProvider.QueueProvider, (provider) => {
    const one = (index: number): Message.Stamped => {
      const id = MessageId.makeUnsafe(`filled-${index}`)
      return sessions
        ? Message.stamp(message, id, SessionId.makeUnsafe(`session-${index % over}`))
        : Message.stamp(message, id)
    }
    return Effect.forEach(
      Array.from({ length: count / 100 }, (_, batch) => batch * 100),
      (from) =>
        provider.send(
          queue,
          Array.from({ length: 100 }, (_, index) => one(from + index))
        ),
      { discard: true }
    )
  })

/** The cost of a message at each size, in nanoseconds of the processor and in steps. */
const grown = async <E>(what: string, sizes: ReadonlyArray<Size<E>>) => {
  const steps = new Map<string, Array<number>>()
  const closing: Array<() => Promise<void>> = []
  const tasks: Array<measure.Task> = []
  for (const { filled, sessions, size, work } of sizes) {
    const runtime = ManagedRuntime.make(
      MemoryProvider.layer({
        queues: { [queue]: { sessions, deduplicationWindow: 0, lockDuration: "1 hour" } },
        messagesMax: 2_000_000,
        bytesMax: 1_000_000_000,
        sessionsMax: 100_000
      })
    )
    closing.push(() => runtime.dispose())
    await runtime.runPromise(fill(filled, sessions, size))
    const name = String(size)
    const counted = Effect.gen(function* () {
      const client = yield* MemoryClient.MemoryClient
      const before = yield* client.steps
      yield* work
      const found = ((yield* client.steps) - before) / messages
      steps.set(name, [...(steps.get(name) ?? []), found])
    })
    tasks.push({ name, sample: measure.cpu(messages, () => runtime.runPromise(counted)) })
  }
  const found = await measure.rounds(tasks, { warm: 3, rounds: 9, samples: 3 })
  for (const close of closing) await close()
  return casesOf(
    what,
    sizes.map(({ size }) => size),
    (size) => ({
      steps: measure.median(steps.get(String(size)) ?? []),
      micros: (found.get(String(size)) ?? []).map((one) => one / 1_000)
    })
  )
}

interface Found {
  readonly steps: number
  /** Of each round. */
  readonly micros: ReadonlyArray<number>
}

/** As much as the logarithm grows, and where that is next to nothing, what a machine differs by. */
const targetOf = (size: number, least: number): number =>
  Math.round(Math.max(1.5, Math.log2(size + 1) / Math.log2(least + 1)) * 100) / 100

const casesOf = (
  what: string,
  sizes: ReadonlyArray<number>,
  found: (size: number) => Found
): ReadonlyArray<Report.Case> => {
  const least = Math.min(...sizes)
  const most = Math.max(...sizes)
  const low = found(least)
  const one = (size: number): ReadonlyArray<Report.Case> => {
    const name = `growth: ${size.toLocaleString("en")} ${what} / ${least.toLocaleString("en")}`
    const { micros, steps } = found(size)
    const target = targetOf(size, least)
    return [
      Report.make({
        case: `${name}: steps a message`,
        ours: steps,
        peer: low.steps,
        target,
        better: "lower"
      }),
      Report.ofRounds({
        case: `${name}: CPU µs a message`,
        ours: micros,
        peer: low.micros,
        target,
        better: "lower"
      })
    ]
  }
  /** The exponent of the power of the size that its costs fit best, beside that of its logarithm. */
  const fitted = (unit: string, cost: (size: number) => number): Report.Case =>
    Report.make({
      case: `growth: exponent over ${least.toLocaleString("en")} to ${most.toLocaleString("en")} ${what} / that of O(log n): ${unit} a message`,
      ours: fit.exponent(sizes.map((size) => [size, cost(size)])),
      peer: fit.exponent(sizes.map((size) => [size, Math.log2(size + 1)])),
      target: 1,
      better: "lower"
    })
  return [
    ...sizes.filter((size) => size !== least).flatMap(one),
    fitted("steps", (size) => found(size).steps),
    fitted("CPU µs", (size) => measure.median(found(size).micros))
  ]
}

const sized =
  <E>(make: (size: number) => Omit<Size<E>, "size">) =>
  (size: number): Size<E> => ({ size, ...make(size) })

const plain = { sessions: false, filled: 0 } as const

export const run = async (): Promise<ReadonlyArray<Report.Case>> => [
  ...(await grown(
    "messages waiting",
    [1_000, 10_000, 100_000].map(sized((size) => ({ ...plain, filled: size, work: onQueue })))
  )),
  ...(await grown(
    "sessions",
    [1, 100, 10_000].map(
      sized((size) => ({ sessions: true, filled: 20_000, work: onSessions(size) }))
    )
  )),
  ...(await grown(
    "fibers",
    [1, 10, 100, 1_000].map(sized((size) => ({ ...plain, work: byFibers(size) })))
  )),
  ...(await grown(
    "consumers",
    [1, 10, 100].map(sized((size) => ({ ...plain, work: byConsumers(size) })))
  ))
]
