import { NodeRuntime } from "@effect/platform-node"
import {
  HandlerFailure,
  QueueClient,
  QueueName,
  QueueWorker,
  TypedQueue
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { Effect, Layer, Schema } from "effect"

const orders = TypedQueue.make({
  queue: QueueName.makeUnsafe("orders"),
  schema: Schema.Struct({ id: Schema.String, total: Schema.Number })
})

const handler = orders.handler(({ id, total }) =>
  Effect.gen(function* () {
    if (total < 0) return yield* new HandlerFailure.Permanent({ reason: "NegativeTotal" })
    yield* Effect.log(`order ${id}: ${total}`)
  })
)

const live = QueueClient.layer().pipe(
  Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
)

const program = Effect.gen(function* () {
  const sent = [
    { id: "o-1", total: 12 },
    { id: "o-2", total: -1 }
  ]
  yield* orders.sendBatch(sent)
  return yield* QueueWorker.run({ queue: orders.queue, handler, concurrency: 20 })
})

// Keeps the process alive, and drains the worker on SIGINT and SIGTERM.
NodeRuntime.runMain(Effect.provide(program, live))
