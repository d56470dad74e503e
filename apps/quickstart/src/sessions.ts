import { NodeRuntime } from "@effect/platform-node"
import { Message, QueueAddress, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { SessionWorker } from "@queue-runtime/sessions"
import { Effect, Layer } from "effect"

const events = QueueName.makeUnsafe("events")

const live = QueueClient.layer().pipe(
  Layer.provide(MemoryProvider.layer({ queues: { events: { sessions: true } } }))
)

const program = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  for (const pull of ["pull/1", "pull/2"]) {
    const sessionId = yield* SessionId.make(pull)
    for (const action of ["opened", "synchronize", "closed"]) {
      yield* client.send(events, yield* Message.text(action, { sessionId }))
    }
  }

  const worker = SessionWorker.run({
    queue: events,
    concurrency: 10,
    deliveriesMax: 2,
    handler: (message) => {
      const action = new TextDecoder().decode(message.body)
      // One event of one pull request always fails: it is put aside, and those behind it are handled.
      const fails = message.sessionId === "pull/1" && action === "synchronize"
      return fails ? Effect.fail({ _tag: "CommitMissing", message: action }) : Effect.log(action)
    }
  })
  yield* Effect.timeoutOption(worker, "3 seconds")

  for (const letter of yield* client.receive(QueueAddress.deadLetter(events), { max: 10 })) {
    yield* Effect.log("put aside:", letter.sessionId, letter.deadLetter?.description)
    yield* client.complete(letter)
  }
})

NodeRuntime.runMain(Effect.provide(program, live))
