/**
 * Bytes allocated a message on the path from send to complete, on the memory provider under the bare
 * stack. Runs in a process of its own, and prints the figure of each round as JSON: what the collector
 * freed, and what it left, between two collections.
 */
import { Batching, Message, QueueClient, QueueName } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { GCProfiler } from "node:v8"
import { collect } from "../collect.ts"

const messages = 6000

const rounds = 3

const queue = QueueName.makeUnsafe("counted")

const round = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const message = yield* Message.text("counted")
  for (let index = 0; index < messages; index++) {
    yield* client.send(queue, message)
    for (const received of yield* client.receive(queue)) yield* client.complete(received)
  }
})

const stacks = {
  bare: QueueClient.layer(),
  batching: QueueClient.layer().pipe(Layer.provide(Batching.layer()))
}

const allocated = async (layer: typeof stacks.bare): Promise<number> => {
  const runtime = ManagedRuntime.make(
    layer.pipe(Layer.provide(MemoryProvider.layer({ queues: { counted: {} } })))
  )
  // The first round compiles.
  await runtime.runPromise(round)
  collect()
  const profiler = new GCProfiler()
  const start = process.memoryUsage().heapUsed
  profiler.start()
  await runtime.runPromise(round)
  collect()
  const { statistics } = profiler.stop()
  let last = start
  let bytes = 0
  for (const { afterGC, beforeGC } of statistics) {
    bytes += Math.max(0, beforeGC.heapStatistics.usedHeapSize - last)
    last = afterGC.heapStatistics.usedHeapSize
  }
  await runtime.dispose()
  return bytes / messages
}

const figures: Record<string, ReadonlyArray<number>> = {}
for (const [name, layer] of Object.entries(stacks)) {
  const each: Array<number> = []
  for (let index = 0; index < rounds; index++) each.push(Math.round(await allocated(layer)))
  figures[name] = each
}
process.stdout.write(JSON.stringify(figures))
