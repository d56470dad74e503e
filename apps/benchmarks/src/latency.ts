/**
 * From send to handled, when so much of what a worker can do is asked of it: on queues in memory, and on
 * both emulators, each in a process of its own.
 */
import { QueueClient, type QueueError, QueueName } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import * as aws from "./aws/ours.ts"
import * as sqs from "./aws/server.ts"
import * as azure from "./azure/ours.ts"
import * as serviceBus from "./azure/server.ts"
import * as load from "./latency/load.ts"
import * as Report from "./Report.ts"

/** How long each load lasts, and how often it is begun anew. */
const seconds = 2
const rounds = 5

const shares = [0.1, 0.5, 0.9] as const

const percents = [50, 95, 99] as const

interface World {
  readonly name: string
  readonly queue: QueueName.QueueName
  readonly stack: Layer.Layer<QueueClient.QueueClient, QueueError.QueueError>
  /** Of what its capacity is measured with. */
  readonly messages: number
  readonly close: () => Promise<void>
}

const memory = async (): Promise<World> => {
  const queue = QueueName.makeUnsafe("bench")
  const provider = MemoryProvider.layer({
    queues: { [queue]: { deduplicationWindow: 0 } },
    messagesMax: 1_000_000
  })
  return {
    name: "memory",
    queue,
    stack: Layer.provide(QueueClient.layer(), provider),
    messages: 20_000,
    close: async () => {}
  }
}

const onSqs = async (): Promise<World> => {
  const { close, endpoint } = await sqs.start()
  const sdk = sqs.sdk(endpoint)
  const { name } = await sqs.makeQueue(sdk, "bench-latency")
  sdk.destroy()
  return {
    name: "sqs",
    queue: QueueName.makeUnsafe(name),
    stack: aws.layer(endpoint),
    messages: 8_000,
    close
  }
}

const onServiceBus = async (): Promise<World> => {
  const { close, connectionString } = await serviceBus.start()
  return {
    name: "azure",
    queue: QueueName.makeUnsafe(serviceBus.plain),
    stack: azure.client(connectionString),
    messages: 8_000,
    close
  }
}

/** A worker says when it starts and ends. */
const quiet = Layer.succeed(References.MinimumLogLevel, "Warn")

const of = async (make: () => Promise<World>): Promise<ReadonlyArray<Report.Case>> => {
  const { close, messages, name, queue, stack } = await make()
  const runtime = ManagedRuntime.make(Layer.provideMerge(stack, quiet))
  try {
    await runtime.runPromise(load.capacity(queue, messages))
    const rate = await runtime.runPromise(load.capacity(queue, messages))
    process.stderr.write(`latency on ${name}: ${Math.round(rate)} messages/s\n`)
    const found = new Map(
      shares.map((share): [number, Array<ReadonlyArray<number>>] => [share, []])
    )
    for (let round = 0; round < rounds; round++) {
      // In turn, so that a slow moment of the machine meets all of them.
      for (const share of shares) {
        found.get(share)?.push(await runtime.runPromise(load.at(queue, rate * share, seconds)))
      }
    }
    return [
      Report.make({
        case: `${name} capacity, ${load.consumers} consumers / what their handlers leave: messages/s`,
        ours: rate,
        peer: (load.consumers * 1_000) / load.handlerMillis,
        better: "higher"
      }),
      ...shares.flatMap((share) => casesOf(name, share, found.get(share) ?? []))
    ]
  } finally {
    await runtime.dispose()
    await close()
  }
}

const casesOf = (
  name: string,
  share: number,
  series: ReadonlyArray<ReadonlyArray<number>>
): ReadonlyArray<Report.Case> =>
  percents.map((percent) => {
    const ours = series.map((millis) => load.percentile(millis, percent / 100))
    return Report.ofRounds({
      case: `${name} latency p${percent}, ${load.consumers} consumers at ${share * 100} % / the handler alone: ms`,
      ours,
      peer: ours.map(() => load.handlerMillis),
      better: "lower",
      ...(percent === 95 && share === 0.5 ? { absolute: true, target: 200 } : {})
    })
  })

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const cases: Array<Report.Case> = []
  // Worlds that lived at once would measure each other.
  for (const make of [memory, onSqs, onServiceBus]) cases.push(...(await of(make)))
  return cases
}
