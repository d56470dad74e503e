/** What stays in memory after a million messages: nothing, if nothing leaks. */
import { Message, QueueClient, type QueueError, QueueName, Verdict } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { collect } from "./collect.ts"
import * as stacks from "./policies/stacks.ts"
import * as Report from "./Report.ts"

const messages = 1_000_000

/** Code is compiled and pools are filled by then. */
const warm = 100_000

/** Messages under way at once. */
const batch = 100

const queue = QueueName.makeUnsafe("bench")

const heapMiB = (): number => {
  collect()
  collect()
  const { arrayBuffers, heapUsed } = process.memoryUsage()
  return (heapUsed + arrayBuffers) / 2 ** 20
}

/** Sent, received and completed, so many. */
const through = (count: number) =>
  Effect.flatMap(QueueClient.QueueClient, (client) => {
    const message = new Message.Message({ body: new Uint8Array(1_024) })
    const all = Array.from({ length: batch }, () => message)
    const take = Effect.flatMap(client.receive(queue, { max: 10, wait: 0 }), (received) =>
      Effect.asVoid(client.settle(received, Verdict.complete))
    )
    const cycle = Effect.andThen(
      client.sendBatch(queue, all),
      Effect.repeat(take, { times: batch / 10 - 1 })
    )
    return Effect.asVoid(Effect.repeat(cycle, { times: count / batch - 1 }))
  })

const flat = async (
  what: string,
  layer: Layer.Layer<QueueClient.QueueClient, QueueError.QueueError>
): Promise<Report.Case> => {
  const runtime = ManagedRuntime.make(layer)
  await runtime.runPromise(through(warm))
  const before = heapMiB()
  await runtime.runPromise(through(messages - warm))
  const after = heapMiB()
  await runtime.dispose()
  return Report.make({
    case: `${what} heap: MiB, after 1,000,000 messages / after 100,000`,
    ours: after,
    peer: before,
    target: 1.1,
    better: "lower"
  })
}

/** Ids of a time, as many as there are messages in it, are bounded by a number and not what leaks. */
const memory = MemoryProvider.layer({ queues: { [queue]: { deduplicationWindow: 0 } } })

export const run = async (): Promise<ReadonlyArray<Report.Case>> => [
  await flat("memory", Layer.provide(QueueClient.layer(), memory)),
  await flat("every policy", stacks.client(stacks.whole))
]
