/** The provider in memory beside Effect's own persisted queue, its store in memory too. */
import {
  Message,
  MessageId,
  QueueAddress,
  QueueName,
  QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import { PersistedQueue } from "effect/persistence"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

/** Of one sample. */
const messages = 1_000

const text = "x".repeat(100)

const queue = QueueName.makeUnsafe("bench")
const address = QueueAddress.queue(queue)

const repeated = <E, R>(count: number, work: Effect.Effect<void, E, R>) =>
  Effect.suspend(() => {
    let left = count
    return Effect.whileLoop({ while: () => left > 0, body: () => work, step: () => left-- })
  })

/** Offered, taken and, since its handler succeeds, done; on a queue of its own, as its ids are kept. */
const persisted = Effect.suspend(() =>
  Effect.flatMap(
    PersistedQueue.make({ name: `bench-${next++}`, schema: Schema.String }),
    ({ offer, take }) =>
      repeated(
        messages,
        Effect.flatMap(offer(text), () =>
          take((value) =>
            value.length === text.length ? Effect.void : Effect.die(new Error("another one"))
          )
        )
      )
  )
)

let next = 0

const body = new TextEncoder().encode(text)

const message = new Message.Message({ body })

/** What the client does before a send. */
const stamped = Effect.map(MessageId.generate, (id) => Message.stamp(message, id))

type Batch = ReadonlyArray<Message.Stamped>

/** One call each to send, receive and complete. */
const ours = (size: number, batch: Effect.Effect<Batch>) =>
  Effect.flatMap(QueueProvider.QueueProvider, (provider) => {
    const ask = { max: size, wait: Duration.zero }
    const cycle = Effect.flatMap(batch, (sent) =>
      Effect.flatMap(provider.send(queue, sent), () =>
        Effect.flatMap(provider.receive(address, ask), (received) => {
          const receipts = received.map(({ receipt }) => receipt)
          return Effect.flatMap(provider.settle(receipts, Verdict.complete), (outcomes) =>
            outcomes.length === size && outcomes.every(Result.isSuccess)
              ? Effect.void
              : Effect.die(new Error(`settled ${outcomes.length} of ${size}`))
          )
        })
      )
    )
    return repeated(messages / size, cycle)
  })

const made = (size: number): Effect.Effect<Batch> =>
  Effect.all(Array.from({ length: size }, () => stamped))

/** The same messages again and again, made by whoever calls. */
const before = (size: number): Effect.Effect<Batch> =>
  Effect.succeed(
    Array.from({ length: size }, (_, index) =>
      Message.stamp(message, MessageId.makeUnsafe(`message-${index}`))
    )
  )

const memory = MemoryProvider.layer({ queues: { [queue]: { deduplicationWindow: 0 } } })

const store = Layer.provide(PersistedQueue.layer, PersistedQueue.layerStoreMemory)

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const mine = ManagedRuntime.make(memory)
  const theirs = ManagedRuntime.make(store)
  const sampling = (work: ReturnType<typeof ours>) =>
    measure.cpu(messages, () => mine.runPromise(work))
  const found = await measure.rounds(
    [
      {
        name: "persisted",
        sample: measure.cpu(messages, () => theirs.runPromise(persisted))
      },
      { name: "one", sample: sampling(ours(1, made(1))) },
      { name: "ten", sample: sampling(ours(10, made(10))) },
      { name: "one before", sample: sampling(ours(1, before(1))) },
      { name: "ten before", sample: sampling(ours(10, before(10))) }
    ],
    { warm: 6, rounds: 15, samples: 5 }
  )
  await mine.dispose()
  await theirs.dispose()
  const rates = (name: string) => (found.get(name) ?? []).map((nanoseconds) => 1e9 / nanoseconds)
  const compare = (name: string, how: string): Report.Case =>
    Report.ofRounds({
      case: `memory send, receive, complete, ${how} / PersistedQueue: messages a CPU second`,
      ours: rates(name),
      peer: rates("persisted"),
      target: 5,
      better: "higher"
    })
  return [
    compare("one", "one a call, ids made"),
    compare("ten", "ten a call, ids made"),
    compare("one before", "one a call"),
    compare("ten before", "ten a call")
  ]
}
