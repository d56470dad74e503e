/** A worker under a load: how long each message takes from its send until it is handled and settled. */
import {
  Message,
  QueueClient,
  type QueueError,
  type QueueName,
  QueueWorker
} from "@queue-runtime/core"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"

/** Handlers side by side, and how long each takes: a worker waits for what it calls. */
export const consumers = 100
export const handlerMillis = 10

/** When each was sent stands in its body, and how long it took is noted when it is settled. */
const sentAt = ({ body }: Pick<Message.Message, "body">): number =>
  new DataView(body.buffer, body.byteOffset, body.byteLength).getFloat64(0)

const message = (): Message.Message => {
  const body = new Uint8Array(8)
  new DataView(body.buffer).setFloat64(0, performance.now())
  return new Message.Message({ body })
}

/** How many are to be sent by now, of a number of milliseconds and of messages that are handled. */
type Due = (elapsed: number, handled: number) => number

/** Looked at every millisecond; what is owed then is sent, and what was sent before is not waited for. */
const sent = (queue: QueueName.QueueName, count: number, handled: () => number, due: Due) =>
  Effect.flatMap(QueueClient.QueueClient, (client) =>
    Effect.suspend(() => {
      const start = performance.now()
      let begun = 0
      const tick = Effect.suspend(() => {
        const until = Math.min(count, Math.floor(due(performance.now() - start, handled())))
        const owed = Math.max(0, until - begun)
        begun += owed
        const sending = Effect.forEach(
          Array.from({ length: owed }),
          () => Effect.suspend(() => client.send(queue, message())),
          { concurrency: "unbounded", discard: true }
        )
        const forked = owed === 0 ? Effect.void : Effect.forkChild(sending)
        return Effect.andThen(forked, Effect.sleep(1))
      })
      return Effect.whileLoop({ while: () => begun < count, body: () => tick, step: () => {} })
    })
  )

type Observed<A> = Effect.fn.Return<A, QueueError.QueueError, QueueClient.QueueClient>

/** The milliseconds of each of `count` messages, sent as they are due. */
const through = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  count: number,
  due: Due
): Observed<ReadonlyArray<number>> {
  const millis: Array<number> = []
  const done = Promise.withResolvers<void>()
  const worker = yield* QueueWorker.run({
    queue,
    concurrency: consumers,
    handler: (received) => Effect.sleep(handlerMillis).pipe(Effect.as(sentAt(received))),
    onHandled: ({ message: received }) =>
      Effect.sync(() => {
        millis.push(performance.now() - sentAt(received))
        if (millis.length === count) done.resolve()
      })
  }).pipe(Effect.forkChild)
  // Who sends must live as long as what it forked.
  const sender = yield* Effect.forkChild(
    Effect.andThen(
      sent(queue, count, () => millis.length, due),
      Effect.never
    )
  )
  // Who fails ends the benchmark.
  yield* Effect.raceFirst(
    Effect.promise(() => done.promise),
    Effect.raceFirst(Fiber.join(worker), Fiber.join(sender))
  )
  yield* Fiber.interrupt(sender)
  yield* Fiber.interrupt(worker)
  return millis
})

/** Messages a second, sent and handled, when there are always enough that wait. */
export const capacity = Effect.fnUntraced(function* (
  queue: QueueName.QueueName,
  count: number
): Observed<number> {
  const start = performance.now()
  yield* through(queue, count, (_, handled) => handled + 10 * consumers)
  return (count * 1_000) / (performance.now() - start)
})

/** So many a second, whether or not those before are handled; a late tick sends what it owes. */
export const at = (
  queue: QueueName.QueueName,
  rate: number,
  seconds: number
): Effect.Effect<ReadonlyArray<number>, QueueError.QueueError, QueueClient.QueueClient> =>
  through(queue, Math.floor(rate * seconds), (elapsed) => (elapsed / 1_000) * rate)

/** Of a share of them, the longest. */
export const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}
