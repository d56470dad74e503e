/** Waits for a session, gives up and closes; says `closed` then. What it leaves must not keep it alive. */
import * as Console from "effect/Console"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import {
  Message,
  MessageId,
  QueueAddress,
  QueueName,
  QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { AzureProvider } from "../../src/index.ts"

const [connectionString = "", way] = process.argv.slice(2)

const plain = QueueName.makeUnsafe("plain")

const ordered = QueueName.makeUnsafe("ordered")

const program = Effect.gen(function* () {
  const provider = yield* QueueProvider.QueueProvider
  const text = yield* Message.text("one")
  yield* provider.send(plain, [Message.stamp(text, MessageId.makeUnsafe("one"))])
  const received = yield* provider.receive(QueueAddress.queue(plain), {
    max: 1,
    wait: Duration.seconds(5)
  })
  if (way === "cut") {
    // The service cuts the connection instead of an answer, which the SDK waits for a minute.
    const receipts = received.map(({ receipt }) => receipt)
    return yield* Effect.ignore(provider.settle(receipts, Verdict.complete))
  }
  const waiting = yield* Effect.forkChild(
    Effect.all(
      [
        Effect.scoped(provider.acceptSession(ordered, { wait: Duration.seconds(30) })),
        provider.receive(QueueAddress.queue(plain), { max: 1, wait: Duration.seconds(30) })
      ],
      { concurrency: "unbounded" }
    ),
    { startImmediately: true }
  )
  yield* Effect.sleep("500 millis")
  if (way === "interrupted") yield* Fiber.interrupt(waiting)
})

const layer = AzureProvider.layer({ connectionString, queues: { ordered: { sessions: true } } })

await Effect.runPromise(Effect.provide(program, layer))
await Effect.runPromise(Console.log("closed"))
