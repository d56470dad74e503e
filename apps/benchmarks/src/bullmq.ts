/**
 * Ours beside BullMQ on a Redis of its own. The two are not the same: BullMQ's broker is Redis, ours is this
 * process (memory) or a cloud's service (SQS, Service Bus; here their emulators). What can be compared is
 * what the application's own process spends on a message.
 */
import { QueueClient, type QueueError } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as aws from "./aws/ours.ts"
import * as sqs from "./aws/server.ts"
import * as azure from "./azure/ours.ts"
import * as serviceBus from "./azure/server.ts"
import * as bull from "./bullmq/peer.ts"
import * as redis from "./bullmq/server.ts"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

/** Of one sample. */
const messages = 2_000

const callers = 100

const options = { rounds: 9, samples: 1, warm: 4 }

const steps = ["singles", "batch", "consume"] as const

type Step = (typeof steps)[number]

/** Each fills what the next empties: singles are consumed, and so is a batch. */
interface Side {
  readonly name: string
  readonly singles: () => Promise<unknown>
  readonly batch: () => Promise<unknown>
  readonly consume: () => Promise<unknown>
  readonly close: () => Promise<void>
}

const ofStack = (
  name: string,
  queue: string,
  layer: Layer.Layer<QueueClient.QueueClient, QueueError.QueueError>,
  close: () => Promise<void>
): Side => {
  const runtime = ManagedRuntime.make(layer)
  return {
    name,
    singles: () => runtime.runPromise(aws.sendSingles(queue, messages, callers)),
    batch: () => runtime.runPromise(aws.sendBatch(queue, messages)),
    consume: () => runtime.runPromise(aws.timedConsume(queue, messages, callers, Effect.void)),
    close: async () => {
      await runtime.dispose()
      await close()
    }
  }
}

const memory = async (): Promise<Side> => {
  const provider = MemoryProvider.layer({ queues: { bench: { deduplicationWindow: 0 } } })
  const layer = Layer.provide(QueueClient.layer(), provider)
  return ofStack("memory", "bench", layer, async () => {})
}

const onSqs = async (): Promise<Side> => {
  const { close, endpoint } = await sqs.start()
  const sdk = sqs.sdk(endpoint)
  const { name } = await sqs.makeQueue(sdk, "bench-bullmq")
  sdk.destroy()
  return ofStack("sqs", name, aws.layer(endpoint), close)
}

const onServiceBus = async (): Promise<Side> => {
  const { close, connectionString } = await serviceBus.start()
  return ofStack("azure", serviceBus.plain, azure.client(connectionString), close)
}

const onRedis = async (): Promise<Side> => {
  const { close, port } = await redis.start()
  const peer = await bull.make(port)
  return {
    name: "BullMQ",
    singles: () => bull.addSingles(peer, messages, callers),
    batch: () => bull.addBulk(peer, messages),
    consume: () => bull.consume(peer, messages, callers),
    close: async () => {
      await peer.close()
      await close()
    }
  }
}

type Costs = Readonly<Record<Step, ReadonlyArray<measure.Cost>>>

/** All sides once a round, in turn. */
const measured = async (sides: ReadonlyArray<Side>): Promise<ReadonlyMap<string, Costs>> => {
  const found = new Map(
    sides.map(({ name }) => [
      name,
      {
        singles: new Array<measure.Cost>(),
        batch: new Array<measure.Cost>(),
        consume: new Array<measure.Cost>()
      }
    ])
  )
  const tasks = sides.map((side): measure.Task => ({
    name: side.name,
    sample: async () => {
      const costs = found.get(side.name)
      const singles = await measure.costOf(side.singles)
      const consume = await measure.costOf(side.consume)
      const batch = await measure.costOf(side.batch)
      await side.consume()
      costs?.singles.push(singles)
      costs?.consume.push(consume)
      costs?.batch.push(batch)
      return (consume.elapsed * 1e6) / messages
    }
  }))
  await measure.rounds(tasks, options)
  return found
}

const titles: Readonly<Record<Step, string>> = {
  singles: `single sends of ${callers} callers`,
  batch: "one batch of 2,000",
  consume: `a worker of ${callers}`
}

const casesOf = (name: string, ours: Costs, peer: Costs): ReadonlyArray<Report.Case> =>
  steps.flatMap((step) => {
    const series = (costs: Costs, value: (cost: measure.Cost) => number) =>
      costs[step].slice(options.warm).map(value)
    const rate = ({ elapsed }: measure.Cost): number => (messages * 1_000) / elapsed
    const cpu = (cost: measure.Cost): number => (cost.cpu * 1_000) / messages
    return [
      Report.ofRounds({
        case: `${name} ${titles[step]} / BullMQ on Redis: messages/s`,
        ours: series(ours, rate),
        peer: series(peer, rate),
        better: "higher"
      }),
      Report.ofRounds({
        case: `${name} ${titles[step]} / BullMQ on Redis: CPU µs a message`,
        ours: series(ours, cpu),
        peer: series(peer, cpu),
        better: "lower"
      })
    ]
  })

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  if (!redis.isThere()) {
    process.stderr.write(
      "bullmq: no redis-server on this machine, so nothing is compared with it\n"
    )
    return []
  }
  const sides: Array<Side> = []
  try {
    for (const make of [onRedis, memory, onSqs, onServiceBus]) sides.push(await make())
    const found = await measured(sides)
    const peer = found.get("BullMQ")
    return [...found].flatMap(([name, costs]) =>
      peer === undefined || costs === peer ? [] : casesOf(name, costs, peer)
    )
  } finally {
    for (const side of sides) await side.close()
  }
}
