/** Messages sent, received and completed: through the port, and through the client. */
import {
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  type QueueError,
  QueueProvider,
  Verdict
} from "@queue-runtime/core"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { queue } from "./queue.ts"

/** 1 KB. */
export const body = new Uint8Array(1_024).fill(0x61)

const address = QueueAddress.queue(queue)

const message = new Message.Message({ body, attributes: { kind: "invoice", tenant: "acme" } })

/** Made before: a message and its id cost as much as a send. */
const stamped = Array.from({ length: 1_000 }, (_, index) =>
  Message.stamp(message, MessageId.makeUnsafe(`message-${index}`))
)

/** Slices of them in turn. */
const slices = (size: number) => {
  let from = 0
  return (): ReadonlyArray<Message.Stamped> => {
    from = from + size > stamped.length ? size : from + size
    return stamped.slice(from - size, from)
  }
}

const lost = (what: string) => Effect.die(new Error(`benchmark: ${what}`))

const times = <E, R>(count: number, work: Effect.Effect<void, E, R>): Effect.Effect<void, E, R> =>
  Effect.suspend(() => {
    let left = count
    return Effect.whileLoop({ while: () => left > 0, body: () => work, step: () => left-- })
  })

type Cycles<R> = Effect.fn.Return<void, QueueError.QueueError, R>

/** One call each to send, receive and complete `size` messages; as often as `messages` need. */
export const port = Effect.fnUntraced(function* (
  messages: number,
  size: number
): Cycles<QueueProvider.QueueProvider> {
  const provider = yield* QueueProvider.QueueProvider
  const ask = { max: size, wait: Duration.zero }
  const slice = slices(size)
  const cycle = Effect.suspend(() =>
    Effect.flatMap(provider.send(queue, slice()), () =>
      Effect.flatMap(provider.receive(address, ask), (received) => {
        if (received.length !== size) return lost(`received ${received.length} of ${size}`)
        const receipts = received.map(({ receipt }) => receipt)
        return Effect.flatMap(provider.settle(receipts, Verdict.complete), (outcomes) =>
          outcomes.every(Result.isSuccess) ? Effect.void : lost("a settlement failed")
        )
      })
    )
  )
  yield* times(messages / size, cycle)
})

/** One call each to send and to receive `size` messages; nothing is settled. */
export const there = Effect.fnUntraced(function* (
  messages: number,
  size: number
): Cycles<QueueProvider.QueueProvider> {
  const provider = yield* QueueProvider.QueueProvider
  const ask = { max: size, wait: Duration.zero }
  const slice = slices(size)
  const cycle = Effect.suspend(() =>
    Effect.flatMap(provider.send(queue, slice()), () =>
      Effect.flatMap(provider.receive(address, ask), (received) =>
        received[0]?.body.byteLength === body.byteLength && received.length === size
          ? Effect.void
          : lost(`received ${received.length} of ${size}`)
      )
    )
  )
  yield* times(messages / size, cycle)
})

/** One fiber, one message at a time. */
export const alone = Effect.fnUntraced(function* (
  messages: number
): Cycles<QueueClient.QueueClient> {
  const client = yield* QueueClient.QueueClient
  const cycle = Effect.flatMap(client.send(queue, message), () =>
    Effect.flatMap(client.receive(queue, { wait: 0 }), ([received]) =>
      received === undefined ? lost("nothing was received") : client.complete(received)
    )
  )
  yield* times(messages, cycle)
})

/** One fiber, ten messages a call. */
export const batches = Effect.fnUntraced(function* (
  messages: number
): Cycles<QueueClient.QueueClient> {
  const client = yield* QueueClient.QueueClient
  const ten = Array.from({ length: 10 }, () => message)
  const cycle = Effect.flatMap(client.sendBatch(queue, ten), () =>
    Effect.flatMap(client.receive(queue, { max: 10, wait: 0 }), (received) =>
      Effect.flatMap(client.settle(received, Verdict.complete), (outcomes) =>
        outcomes.length === 10 && outcomes.every(Result.isSuccess)
          ? Effect.void
          : lost(`settled ${outcomes.length} of 10`)
      )
    )
  )
  yield* times(messages / 10, cycle)
})

/** Fibers side by side, each sending or completing one message at a time; ten come with a receive. */
export const together = Effect.fnUntraced(function* (
  messages: number,
  fibers: number
): Cycles<QueueClient.QueueClient> {
  const client = yield* QueueClient.QueueClient
  const send = client.send(queue, message)
  const take = Effect.flatMap(client.receive(queue, { max: 10, wait: 0 }), (received) =>
    received.length === 10
      ? Effect.forEach(received, client.complete, { concurrency: "unbounded", discard: true })
      : lost(`received ${received.length} of 10`)
  )
  const all = (count: number, work: typeof take) =>
    Effect.forEach(Array.from({ length: count }), () => work, {
      concurrency: "unbounded",
      discard: true
    })
  yield* all(fibers, times(messages / fibers, send))
  yield* all(fibers / 10, times(messages / fibers, take))
})
