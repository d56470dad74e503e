/**
 * The provider in memory beside Effect's own persisted queue, its store in memory too, and beside Effect's
 * plain queue, which hands a value from fiber to fiber and does nothing else.
 */
import {
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
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
import * as Queue from "effect/Queue"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as measure from "./measure.ts"
import * as Report from "./Report.ts"

/** Of one sample. */
const messages = 5_000

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

/** A clock of the processor has no eyes for less. */
const plainMessages = 20 * messages

/** Nothing is locked, counted, delivered again or done: a value goes in and comes out. */
const plain = Effect.suspend(() =>
  Effect.flatMap(Queue.make<string>(), (handed) =>
    repeated(
      plainMessages,
      Effect.flatMap(Queue.offer(handed, text), () =>
        Effect.flatMap(Queue.take(handed), (value) =>
          value.length === text.length ? Effect.void : Effect.die(new Error("another one"))
        )
      )
    )
  )
)

const body = new TextEncoder().encode(text)

const message = new Message.Message({ body })

/** One call each to send, receive and complete: of the provider alone, the messages made before. */
const ofProvider = (size: number) =>
  Effect.flatMap(QueueProvider.QueueProvider, (provider) => {
    const ask = { max: size, wait: Duration.zero }
    const batch = before(size)
    const cycle = Effect.flatMap(provider.send(queue, batch), () =>
      Effect.flatMap(provider.receive(address, ask), (received) => {
        const receipts = received.map(({ receipt }) => receipt)
        return settled(size, provider.settle(receipts, Verdict.complete))
      })
    )
    return repeated(messages / size, cycle)
  })

/** The same through the client, as applications call it: ids made, sizes and capabilities checked. */
const ofClient = (size: number) =>
  Effect.flatMap(QueueClient.QueueClient, (client) => {
    const ask = { max: size, wait: Duration.zero }
    const batch = Array.from({ length: size }, () => message)
    const cycle = Effect.flatMap(client.sendBatch(queue, batch), () =>
      Effect.flatMap(client.receive(queue, ask), (received) =>
        settled(size, client.settle(received, Verdict.complete))
      )
    )
    return repeated(messages / size, cycle)
  })

const settled = <E, R>(
  size: number,
  settling: Effect.Effect<ReadonlyArray<Result.Result<void, unknown>>, E, R>
) =>
  Effect.flatMap(settling, (outcomes) =>
    outcomes.length === size && outcomes.every(Result.isSuccess)
      ? Effect.void
      : Effect.die(new Error(`settled ${outcomes.length} of ${size}`))
  )

/** The same messages again and again, made by whoever calls. */
const before = (size: number): ReadonlyArray<Message.Stamped> =>
  Array.from({ length: size }, (_, index) =>
    Message.stamp(message, MessageId.makeUnsafe(`message-${index}`))
  )

const memory = QueueClient.layer().pipe(
  Layer.provideMerge(MemoryProvider.layer({ queues: { [queue]: { deduplicationWindow: 0 } } }))
)

const store = Layer.provide(PersistedQueue.layer, PersistedQueue.layerStoreMemory)

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const mine = ManagedRuntime.make(memory)
  const theirs = ManagedRuntime.make(store)
  const sampling = (work: ReturnType<typeof ofProvider> | ReturnType<typeof ofClient>) =>
    measure.cpu(messages, () => mine.runPromise(work))
  const found = await measure.rounds(
    [
      {
        name: "persisted",
        sample: measure.cpu(messages, () => theirs.runPromise(persisted))
      },
      { name: "plain", sample: measure.cpu(plainMessages, () => theirs.runPromise(plain)) },
      { name: "one", sample: sampling(ofProvider(1)) },
      { name: "ten", sample: sampling(ofProvider(10)) },
      { name: "client one", sample: sampling(ofClient(1)) },
      { name: "client ten", sample: sampling(ofClient(10)) }
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
    Report.ofRounds({
      case: "memory send, receive, complete, one a call / Effect's Queue, offer and take: messages a CPU second",
      ours: rates("one"),
      peer: rates("plain"),
      better: "higher"
    }),
    compare("one", "one a call"),
    compare("ten", "ten a call"),
    compare("client one", "one a call through the client"),
    compare("client ten", "ten a call through the client")
  ]
}
