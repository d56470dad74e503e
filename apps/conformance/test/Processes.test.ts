import { assert, describe, it } from "@effect/vitest"
import {
  Message,
  Outcome,
  MessageId,
  QueueName,
  QueueProvider,
  SessionId
} from "@queue-runtime/core"
import { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { Duration, Effect, type Scope } from "effect"
import type { Job } from "../src/processes/history.ts"
import { violations } from "../src/processes/history.ts"
import { layerOf } from "../src/processes/layers.ts"
import { run } from "../src/processes/run.ts"

const sessions = 24
const inEach = 8

/** The shortest of Service Bus. */
const lockDuration = Duration.seconds(5)

const common = {
  queue: "work",
  concurrency: 4,
  lockSeconds: Duration.toSeconds(lockDuration),
  handlerMillis: 20
} as const

/** Messages of all sessions, interleaved, in the order they are to come out again. */
const fill = Effect.fnUntraced(function* (job: Job) {
  const provider = yield* QueueProvider.QueueProvider
  const sent = new Map<string, Array<string>>()
  for (let turn = 0; turn < inEach; turn++) {
    const messages = yield* Effect.forEach(Array.from({ length: sessions }).keys(), (index) => {
      const session = `session-${index}`
      const id = `${session}-${turn}`
      sent.set(session, [...(sent.get(session) ?? []), id])
      return Effect.map(Message.text(id), (made) =>
        Message.stamp(made, MessageId.makeUnsafe(id), SessionId.makeUnsafe(session))
      )
    })
    // As many as one call takes.
    for (let at = 0; at < messages.length; at += 10) {
      const queue = QueueName.makeUnsafe(job.queue)
      yield* Outcome.all(yield* provider.send(queue, messages.slice(at, at + 10)))
    }
  }
  return sent
})

const sqs = Effect.map(SqsEmulator.make({ queues: { "work.fifo": {} } }), ({ endpoint }): Job => ({
  ...common,
  provider: "aws-sqs",
  address: endpoint,
  name: "work.fifo"
}))

const serviceBus = Effect.map(
  ServiceBusEmulator.make({ queues: { work: { requiresSession: true, lockDuration } } }),
  ({ connectionString }): Job => ({
    ...common,
    provider: "azure-service-bus",
    address: connectionString,
    name: "work"
  })
)

/** Three processes, of which one is killed after a third of the work. */
const survives = <E>(started: Effect.Effect<Job, E, Scope.Scope>) =>
  Effect.gen(function* () {
    const job = yield* started
    const layer = yield* Effect.promise(() => layerOf(job))
    const sent = yield* Effect.provide(fill(job), layer)
    const evidence = yield* run({
      job,
      processes: 3,
      sent,
      killAfter: (sessions * inEach) / 3,
      deadline: "60 seconds"
    })
    assert.strictEqual(evidence.killed.size, 1)
    const workers = new Set(evidence.lines.map(({ pid }) => pid))
    assert.strictEqual(workers.size, 3, "every process had work")
    assert.deepStrictEqual(violations(evidence), [])
  }).pipe(Effect.scoped)

describe("R4.1 R3.2 several processes, one killed: every session in order, nothing lost", () => {
  it.live("on a FIFO queue of SQS", () => survives(sqs), 90_000)

  it.live("on a session queue of Service Bus", () => survives(serviceBus), 90_000)
})
