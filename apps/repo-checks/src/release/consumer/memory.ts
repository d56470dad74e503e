/** The smallest program there is, to be bundled: no cloud's SDK belongs into it. */
import { Message, QueueClient, QueueName } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { Effect, Layer } from "effect"

const live = QueueClient.layer().pipe(
  Layer.provide(MemoryProvider.layer({ queues: { orders: {} } }))
)

const program = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const orders = yield* QueueName.make("orders")
  yield* client.send(orders, yield* Message.text("bundled"))
  const [received] = yield* client.receive(orders)
  return new TextDecoder().decode(received?.body)
})

process.stdout.write(`${await Effect.runPromise(Effect.provide(program, live))}\n`)
