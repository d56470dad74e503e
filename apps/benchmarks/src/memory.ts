/** The memory provider with 1,000,000 messages in 10,000 sessions, beside itself with 1,000 in 10. */
import {
  Message,
  MessageId,
  QueueName,
  QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { MemoryClient, MemoryProvider } from "@queue-runtime/provider-memory"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as Option from "effect/Option"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

interface Size {
  readonly messages: number
  readonly sessions: number
}

const sizes = {
  small: { messages: 1_000, sessions: 10 },
  large: { messages: 1_000_000, sessions: 10_000 }
} as const

/** Of one cycle: sessions accepted, messages sent to, received from and completed in each. */
const accepted = 10
const inEach = 10

const operations = ["send", "accept", "receive", "complete"] as const
type Operation = (typeof operations)[number]
type Costs = Readonly<Record<Operation, Cost>>

/** Of one operation. */
interface Cost {
  readonly steps: number
  readonly nanoseconds: number
}

const queue = QueueName.makeUnsafe("bench")
const body = new TextEncoder().encode("x".repeat(100))
const ask = { max: 1, wait: Duration.zero }

const layerOf = ({ messages, sessions }: Size) =>
  MemoryProvider.layer({
    queues: { bench: { sessions: true, lockDuration: "1 hour" } },
    messagesMax: messages * 2,
    bytesMax: 1_000_000_000,
    sessionsMax: sessions * 2,
    deduplicationIdsMax: 10_000_000
  })

/** Messages over all sessions in turn. */
const sequence = ({ sessions }: Size) => {
  let next = 0
  return (): Message.Stamped => {
    const sessionId = SessionId.makeUnsafe(`session-${next % sessions}`)
    const messageId = MessageId.makeUnsafe(`message-${next}`)
    next++
    return Message.stamp(new Message.Message({ body }), messageId, sessionId)
  }
}

/** Runs the works one after the other; what one of them took and stepped, on average. */
const costOf = <A, E, R>(
  client: MemoryClient.MemoryClient["Service"],
  works: ReadonlyArray<Effect.Effect<A, E, R>>
) =>
  Effect.gen(function* () {
    const before = yield* client.steps
    const start = performance.now()
    const values: Array<A> = []
    for (const work of works) values.push(yield* work)
    const nanoseconds = ((performance.now() - start) * 1e6) / works.length
    const steps = ((yield* client.steps) - before) / works.length
    return [values, { steps, nanoseconds } satisfies Cost] as const
  })

/** Each operation once more at the size the broker has; afterwards it has the same size again. */
const cycle = (next: () => Message.Stamped) =>
  Effect.scoped(
    Effect.gen(function* () {
      const provider = yield* QueueProvider.QueueProvider
      const client = yield* MemoryClient.MemoryClient
      const messages = Array.from({ length: accepted * inEach }, next)
      const [, send] = yield* costOf(
        client,
        messages.map((message) => provider.send(queue, [message]))
      )
      const [sessions, accept] = yield* costOf(
        client,
        Array.from({ length: accepted }, () => provider.acceptSession(queue, ask))
      )
      const held = sessions.map(Option.getOrThrow)
      const [received, receive] = yield* costOf(
        client,
        held.flatMap((session) => Array.from({ length: inEach }, () => session.receive(ask)))
      )
      const receipts = received.flat().map(({ receipt }) => receipt)
      const [, complete] = yield* costOf(
        client,
        receipts.map((receipt) => provider.settle([receipt], Verdict.complete))
      )
      if (receipts.length !== messages.length) {
        return yield* Effect.die(new Error(`received ${receipts.length} of ${messages.length}`))
      }
      return { send, accept, receive, complete } satisfies Costs
    })
  )

const world = async (size: Size) => {
  const runtime = ManagedRuntime.make(layerOf(size))
  const next = sequence(size)
  const fill = Effect.gen(function* () {
    const provider = yield* QueueProvider.QueueProvider
    for (let sent = 0; sent < size.messages; sent += 100) {
      yield* provider.send(queue, Array.from({ length: 100 }, next))
    }
  })
  await runtime.runPromise(fill)
  return {
    cycle: () => runtime.runPromise(cycle(next)),
    stats: () => runtime.runPromise(MemoryClient.MemoryClient.use((client) => client.stats(queue))),
    close: () => runtime.dispose()
  }
}

const average = (values: ReadonlyArray<number>): number =>
  values.reduce((sum, value) => sum + value, 0) / values.length

/** Steps may grow as the logarithm of the messages does. */
const logarithms = Math.log2(sizes.large.messages) / Math.log2(sizes.small.messages)

/** Time grows with the steps and with what no longer fits the processor's caches. */
const timeTarget = 4

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const small = await world(sizes.small)
  const large = await world(sizes.large)
  const { active, sessions } = await large.stats()
  process.stderr.write(`memory: ${active} messages in ${sessions} sessions\n`)

  const steps = { small: new Map<Operation, number[]>(), large: new Map<Operation, number[]>() }
  const tasks = operations.flatMap((operation) =>
    (["small", "large"] as const).map((name): measure.Task => ({
      name: `${operation} ${name}`,
      sample: async () => {
        const costs = await (name === "small" ? small : large).cycle()
        const seen = steps[name].get(operation) ?? []
        steps[name].set(operation, [...seen, costs[operation].steps])
        return costs[operation].nanoseconds
      }
    }))
  )
  const medians = await measure.interleaved(tasks, { rounds: 9, samples: 15 })
  const peak = process.memoryUsage().rss / 2 ** 20
  process.stderr.write(`memory: ${Math.round(peak)} MiB resident\n`)
  await small.close()
  await large.close()

  const sizesCompared = "1,000,000 messages in 10,000 sessions / 1,000 in 10"
  return operations.flatMap((operation) => [
    Report.make({
      case: `memory ${operation}: steps, ${sizesCompared}`,
      ours: average(steps.large.get(operation) ?? []),
      peer: average(steps.small.get(operation) ?? []),
      target: logarithms,
      better: "lower"
    }),
    Report.make({
      case: `memory ${operation}: ns, ${sizesCompared}`,
      ours: medians.get(`${operation} large`) ?? Number.NaN,
      peer: medians.get(`${operation} small`) ?? Number.NaN,
      target: timeTarget,
      better: "lower"
    })
  ])
}
