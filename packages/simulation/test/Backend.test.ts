import { assert, describe, it } from "@effect/vitest"
import {
  Message,
  MessageId,
  QueueAddress,
  QueueName,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { Backend } from "../src/index.ts"

const queue = QueueName.makeUnsafe("orders")

const spec: Backend.QueueSpec = {
  queue,
  aside: QueueName.makeUnsafe("aside"),
  sessions: false,
  deliveriesMax: 3,
  lockDuration: Duration.seconds(10),
  deduplicates: true,
  seed: "1"
}

const process = { name: "w1", later: (task: () => void) => task(), strikes: () => undefined }

const connect = ({ connect: made }: Backend.Backend) =>
  Effect.provideService(made, Backend.Process, process)

const message = (id: string) =>
  Effect.map(Message.text(id), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

const now = { max: 10, wait: Duration.zero }

describe("Backend", () => {
  it.effect("R11.1 the memory backend tells what is there, dead letters with their reason", () =>
    Effect.gen(function* () {
      const backend = yield* Backend.memory(spec)
      assert.isTrue(yield* backend.isEmpty)
      const { provider } = yield* connect(backend)
      yield* provider.send(queue, [yield* message("m1"), yield* message("m2")])
      assert.isFalse(yield* backend.isEmpty)
      const [first] = yield* provider.receive(QueueAddress.queue(queue), { ...now, max: 1 })
      if (first === undefined) return assert.fail("nothing came")
      yield* provider.settle([first.receipt], Verdict.deadLetter("Bad"))
      assert.deepStrictEqual(yield* backend.left, [
        { id: "m2", place: "queue", count: 0 },
        { id: "m1", place: "deadLetters", count: 1, reason: "Bad" }
      ])
    })
  )

  it.effect("R4.3 a connection that is cut loses its sessions and goes on working", () =>
    Effect.gen(function* () {
      const backend = yield* Backend.memory({ ...spec, sessions: true })
      const { cut = Effect.void, provider } = yield* connect(backend)
      const made = yield* Message.text("m1", { sessionId: SessionId.makeUnsafe("a") })
      yield* provider.send(queue, [Message.stamp(made, MessageId.makeUnsafe("m1"))])
      const held = yield* provider.acceptSession(queue, { wait: Duration.zero })
      if (held._tag === "None") return assert.fail("no session")
      yield* cut
      const error = yield* Effect.flip(held.value.receive(now))
      assert.strictEqual(error.reason._tag, "SessionLockLost")
      const again = yield* provider.acceptSession(queue, { wait: Duration.zero })
      assert.strictEqual(again._tag, "Some")
    })
  )

  it.effect(
    "R4.1 of a session's receive whose answer is lost everything comes again, in order",
    () =>
      Effect.gen(function* () {
        const backend = yield* Backend.memory({ ...spec, sessions: true })
        const { lose, provider } = yield* connect(backend)
        for (const id of ["m1", "m2"]) {
          const made = yield* Message.text(id, { sessionId: SessionId.makeUnsafe("a") })
          yield* provider.send(queue, [Message.stamp(made, MessageId.makeUnsafe(id))])
        }
        const held = yield* provider.acceptSession(queue, { wait: Duration.zero })
        if (held._tag === "None" || lose === undefined) return assert.fail("no session")
        const { receive } = held.value
        const lost = yield* Effect.flip(lose(receive({ ...now, max: 1 })))
        assert.strictEqual(lost.reason._tag, "ConnectionFailed")
        const messages = yield* receive(now)
        assert.deepStrictEqual(
          messages.map(({ deliveryCount, messageId }) => `${messageId}:${deliveryCount}`),
          ["m1:2", "m2:1"]
        )
      })
  )
})
