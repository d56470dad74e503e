/** From send to handled, on queues in memory, when so much of what a worker can do is asked of it. */
import { Message, QueueClient, QueueName, QueueWorker } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as ManagedRuntime from "effect/ManagedRuntime"
import * as References from "effect/References"
import * as Report from "./Report.ts"

/** Handlers side by side, and how long each takes: a worker waits for what it calls. */
const consumers = 100
const handlerMillis = 10

/** How long each load lasts, and how often it is begun anew. */
const seconds = 2
const rounds = 5

const shares = [0.1, 0.5, 0.9] as const

const queue = QueueName.makeUnsafe("bench")

const layer = QueueClient.layer().pipe(
  Layer.provide(
    MemoryProvider.layer({
      queues: { [queue]: { deduplicationWindow: 0 } },
      messagesMax: 1_000_000
    })
  ),
  // A worker says when it starts and ends.
  Layer.provideMerge(Layer.succeed(References.MinimumLogLevel, "Warn"))
)

/** When each was sent stands in its body, and how long it took is noted when its handler ends. */
const sentAt = ({ body }: Pick<Message.Message, "body">): number =>
  new DataView(body.buffer, body.byteOffset, body.byteLength).getFloat64(0)

const message = (): Message.Message => {
  const body = new Uint8Array(8)
  new DataView(body.buffer).setFloat64(0, performance.now())
  return new Message.Message({ body })
}

/** A worker at work while something is done; the milliseconds of each message, from send to handled. */
const observed = Effect.fnUntraced(function* <E>(
  expected: number,
  work: Effect.Effect<unknown, E, QueueClient.QueueClient>
) {
  const millis: Array<number> = []
  const done = Promise.withResolvers<void>()
  const worker = yield* QueueWorker.run({
    queue,
    concurrency: consumers,
    handler: (received) => Effect.sleep(handlerMillis).pipe(Effect.as(sentAt(received))),
    onHandled: ({ message: received }) =>
      Effect.sync(() => {
        millis.push(performance.now() - sentAt(received))
        if (millis.length === expected) done.resolve()
      })
  }).pipe(Effect.forkChild)
  yield* work
  yield* Effect.promise(() => done.promise)
  yield* Fiber.interrupt(worker)
  return millis
})

/** Messages a second that come through when all of them are there. */
const capacity = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  const count = 10_000
  yield* client.sendBatch(queue, Array.from({ length: count }, message))
  const start = performance.now()
  yield* observed(count, Effect.void)
  return (count * 1_000) / (performance.now() - start)
})

/** So many a second, whether or not those before are handled; a late tick sends what it owes. */
const load = Effect.fnUntraced(function* (rate: number) {
  const client = yield* QueueClient.QueueClient
  const count = Math.floor(rate * seconds)
  const start = performance.now()
  let sent = 0
  const sending = Effect.whileLoop({
    while: () => sent < count,
    body: () => {
      const due = Math.min(count, Math.ceil(((performance.now() - start) / 1_000) * rate))
      const owed = due - sent
      sent = due
      return Effect.andThen(
        Effect.forEach(Array.from({ length: owed }, message), (one) => client.send(queue, one), {
          discard: true
        }),
        Effect.sleep(1)
      )
    },
    step: () => {}
  })
  return yield* observed(count, sending)
})

const percentile = (values: ReadonlyArray<number>, share: number): number => {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export const run = async (): Promise<ReadonlyArray<Report.Case>> => {
  const runtime = ManagedRuntime.make(layer)
  await runtime.runPromise(capacity)
  const rate = await runtime.runPromise(capacity)
  process.stderr.write(`latency: ${Math.round(rate)} messages/s with ${consumers} consumers\n`)
  const found = new Map(shares.map((share): [number, Array<ReadonlyArray<number>>] => [share, []]))
  for (let round = 0; round < rounds; round++) {
    // In turn, so that a slow moment of the machine meets all of them.
    for (const share of shares) {
      found.get(share)?.push(await runtime.runPromise(load(rate * share)))
    }
  }
  await runtime.dispose()
  return shares.flatMap((share) =>
    [50, 95, 99].map((percent) => {
      const ours = (found.get(share) ?? []).map((millis) => percentile(millis, percent / 100))
      return Report.ofRounds({
        case: `memory latency p${percent}, ${consumers} consumers at ${share * 100} % / the handler alone: ms`,
        ours,
        peer: ours.map(() => handlerMillis),
        better: "lower",
        ...(percent === 95 && share === 0.5 ? { absolute: true, target: 200 } : {})
      })
    })
  )
}
