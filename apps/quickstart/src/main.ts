import { Message, QueueClient, QueueName, ReceivedMessage } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { Console, Effect, Layer } from "effect"

const live = QueueClient.layer().pipe(
  Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
)

const program = Effect.gen(function* () {
  const queue = yield* QueueClient.QueueClient
  const orders = yield* QueueName.make("orders")

  const sent = yield* queue.send(orders, yield* Message.json({ order: 42, total: "9.90" }))
  yield* Console.log(`sent ${sent.messageId}`)

  for (const message of yield* queue.receive(orders, { max: 10, wait: "5 seconds" })) {
    const order = yield* ReceivedMessage.json(message)
    yield* Console.log(`received ${message.messageId}, delivery ${message.deliveryCount}:`, order)
    yield* queue.complete(message)
  }
})

await Effect.runPromise(Effect.provide(program, live))
