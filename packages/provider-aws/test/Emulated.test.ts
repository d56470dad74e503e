import { PurgeQueueCommand } from "@aws-sdk/client-sqs"
import { assert, describe, it } from "@effect/vitest"
import { DateTime, Duration, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { Message, MessageId, QueueAddress, QueueName, SessionId } from "@queue-runtime/core"
import { SqsEmulator } from "@queue-runtime/sqs-emulator"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import * as deadLetterWire from "../src/internal/deadLetterWire.ts"
import { sizeOf } from "../src/internal/size.ts"
import * as sqs from "../src/internal/sqs.ts"
import * as wire from "../src/internal/wire.ts"
import * as arbitraries from "./support/arbitraries.ts"

const account = "arn:aws:sqs:us-east-1:000000000000"

const redriven = (to: string, receives: number) => ({
  RedrivePolicy: JSON.stringify({
    deadLetterTargetArn: `${account}:${to}`,
    maxReceiveCount: receives
  })
})

const queues = {
  "orders-dlq": {},
  orders: { VisibilityTimeout: "30", ...redriven("orders-dlq", 100) },
  "events-dlq.fifo": {},
  "events.fifo": redriven("events-dlq.fifo", 1)
}

const options: AwsConfig.Options = {
  region: "us-east-1",
  credentials: { _tag: "Keys", accessKeyId: "AKID", secretAccessKey: "secret" },
  queues: { events: { fifo: true } }
}

const orders = QueueAddress.queue(QueueName.makeUnsafe("orders"))
const events = QueueAddress.queue(QueueName.makeUnsafe("events"))
const deadEvents = QueueAddress.deadLetter(QueueName.makeUnsafe("events"))

/** The real SDK and a real socket. */
const world = Effect.gen(function* () {
  const emulator = yield* SqsEmulator.make({ queues })
  const client = yield* AwsClient.make({ ...options, endpoint: emulator.endpoint })
  return { emulator, client, plane: sqs.make(client) }
})

/** The real SDK without a socket, in the time of the test. */
const virtual = Effect.gen(function* () {
  const emulator = yield* SqsEmulator.make({ queues })
  const client = yield* AwsClient.make(options, { requestHandler: emulator.requestHandler })
  return { emulator, client, plane: sqs.make(client) }
})

const poll = { max: 10, waitSeconds: 0, visibilitySeconds: 30 }

const entryOf = (message: Message.Stamped, isFifo: boolean, now: number) =>
  wire.toWire(message, { isFifo, bodyEncoding: "auto", now })

const text = (id: string, body: string, session?: string) =>
  Message.stamp(
    new Message.Message({
      body: new TextEncoder().encode(body),
      ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) })
    }),
    MessageId.makeUnsafe(id)
  )

const tags = (
  outcomes: ReadonlyArray<Result.Result<unknown, { readonly reason: { readonly _tag: string } }>>
) => outcomes.map((outcome) => (Result.isSuccess(outcome) ? "ok" : outcome.failure.reason._tag))

describe("against a server with the real rules", () => {
  it.effect.prop(
    "R1.5 a server that refuses what SQS refuses takes every message and gives it back",
    { sent: arbitraries.message },
    ({ sent }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const { plane } = yield* virtual
          for (const [address, isFifo] of [
            [orders, false],
            [events, true]
          ] as const) {
            const queue = yield* plane.queueOf(address)
            assert.strictEqual(queue.isFifo, isFifo)
            const now = DateTime.toEpochMillis(yield* DateTime.now)
            const entry = entryOf(sent, isFifo, now)
            const [outcome] = yield* plane.send(queue, [
              isFifo && entry.groupId === undefined ? { ...entry, groupId: "none" } : entry
            ])
            assert(outcome !== undefined && Result.isSuccess(outcome), String(outcome))
            const [source] = yield* plane.receive(queue, poll)
            assert(source !== undefined)
            const arrived = wire.fromWire(source, { address, bodyEncoding: "auto" })
            assert.deepStrictEqual(arrived.message.body, sent.body)
            assert.strictEqual(arrived.message.messageId, sent.messageId)
            assert.strictEqual(arrived.receives, 1)
            assert.deepStrictEqual(
              new Map(Object.entries(arrived.message.attributes)),
              new Map(Object.entries(sent.attributes))
            )
          }
        })
      ),
    { arbitrary: { runs: 40 } }
  )

  it.live("R1.7 the size is counted as the service counts it, to the byte", () =>
    Effect.gen(function* () {
      const { plane } = yield* world
      const queue = yield* plane.queueOf(orders)
      const attributes = { größe: { DataType: "String", StringValue: "ü😀" } }
      const legal = { name: attributes.größe, other: { DataType: "Number.x", StringValue: "12" } }
      const filling = sizeOf({ body: "", attributes: legal })
      const entry = (size: number) => ({ body: "x".repeat(size - filling), attributes: legal })
      const full = entry(1_048_576)
      assert.strictEqual(sizeOf(full), 1_048_576)
      assert.deepStrictEqual(tags(yield* plane.send(queue, [full])), ["ok"])
      const over = yield* Effect.result(plane.send(queue, [entry(1_048_577)]))
      const failed = Result.isFailure(over)
        ? over.failure
        : yield* Effect.flip(Effect.fromResult(over.success[0] ?? assert.fail()))
      assert.deepInclude(failed.reason, { _tag: "MessageTooLarge", maximumBytes: 1_048_576 })
    })
  )

  it.live("R3.4 R3.5 settles by handle, and a used or expired one is ReceiptExpired", () =>
    Effect.gen(function* () {
      const { plane } = yield* world
      const queue = yield* plane.queueOf(events)
      const now = DateTime.toEpochMillis(yield* DateTime.now)
      const sent = yield* plane.send(queue, [
        entryOf(text("m-1", "one", "a"), true, now),
        entryOf(text("m-2", "two", "b"), true, now)
      ])
      assert.deepStrictEqual(tags(sent), ["ok", "ok"])
      const received = yield* plane.receive(queue, poll)
      const [one, two] = received
      assert(one !== undefined && two !== undefined)
      assert.deepStrictEqual(tags(yield* plane.remove(queue, [one.handle])), ["ok"])
      const kept = yield* plane.changeVisibility(queue, [
        { handle: two.handle, seconds: 60 },
        { handle: "nonsense", seconds: 60 }
      ])
      assert.deepStrictEqual(tags(kept), ["ok", "ReceiptExpired"])
    })
  )

  it.effect("R3.4 on FIFO a handle whose lock ran out removes nothing", () =>
    Effect.gen(function* () {
      const { plane } = yield* virtual
      const queue = yield* plane.queueOf(events)
      yield* plane.send(queue, [entryOf(text("m-1", "one", "a"), true, 0)])
      const [one] = yield* plane.receive(queue, { ...poll, visibilitySeconds: 5 })
      yield* TestClock.adjust("6 seconds")
      assert.deepStrictEqual(tags(yield* plane.remove(queue, [one?.handle ?? ""])), [
        "ReceiptExpired"
      ])
    })
  )

  it.effect(
    "R3.3 a long poll answers as soon as there is something, else when its wait is over",
    () =>
      Effect.gen(function* () {
        const { plane } = yield* virtual
        const queue = yield* plane.queueOf(orders)
        const long = plane.receive(queue, { ...poll, waitSeconds: 20 })
        const first = yield* Effect.forkChild(long)
        yield* TestClock.adjust("3 seconds")
        yield* plane.send(queue, [entryOf(text("m-1", "one"), false, 0)])
        assert.strictEqual((yield* Fiber.join(first)).length, 1)
        const second = yield* Effect.forkChild(long)
        yield* TestClock.adjust("20 seconds")
        assert.deepStrictEqual(yield* Fiber.join(second), [])
      })
  )

  it.effect("R3.6 R7.2 what the broker moved and what we put aside are both dead letters", () =>
    Effect.gen(function* () {
      const { plane } = yield* virtual
      const queue = yield* plane.queueOf(events)
      const aside = yield* plane.queueOf(deadEvents)
      assert.isTrue(aside.url.endsWith("/events-dlq.fifo"))
      yield* plane.send(queue, [entryOf(text("m-1", "one", "s 1"), true, 0)])
      const [source] = yield* plane.receive(queue, { ...poll, visibilitySeconds: 1 })
      assert(source !== undefined)
      const arrived = wire.fromWire(source, { address: events, bodyEncoding: "auto" })
      const copy = deadLetterWire.toDeadLetter(arrived, {
        reason: "Bad",
        source: "events",
        now: 1_000,
        deliveryCount: 1,
        isFifo: true
      })
      // After a crash between the copy and the removal it is sent again.
      assert.deepStrictEqual(tags(yield* plane.send(aside, [copy])), ["ok"])
      assert.deepStrictEqual(tags(yield* plane.send(aside, [copy])), ["ok"])
      yield* TestClock.adjust("2 seconds")
      assert.deepStrictEqual(yield* plane.receive(queue, poll), [])
      const dead = (yield* plane.receive(aside, poll)).map(
        (one) => wire.fromWire(one, { address: deadEvents, bodyEncoding: "auto" }).message
      )
      assert.deepStrictEqual(
        dead.map(({ deadLetter, messageId, sessionId }) => [
          messageId,
          sessionId,
          deadLetter?.reason
        ]),
        [
          ["m-1", "s 1", "Bad"],
          ["m-1", "s 1", "MaxDeliveryCountExceeded"]
        ]
      )
    })
  )

  it.live("R3.11 the attributes of a queue, and calls past the port", () =>
    Effect.gen(function* () {
      const { client, plane } = yield* world
      const queue = yield* plane.queueOf(orders)
      yield* plane.send(queue, [{ body: "one", attributes: {} }])
      const found = yield* plane.attributes(queue)
      assert.deepInclude(found, {
        arn: `${account}:orders`,
        isFifo: false,
        visibilityTimeout: Duration.seconds(30),
        messageSizeMax: 1_048_576,
        redrive: { arn: `${account}:orders-dlq`, receivesMax: 100 }
      })
      assert.strictEqual(found.counts.visible, 1)
      const purge = new PurgeQueueCommand({ QueueUrl: queue.url })
      yield* client.use((sdk, abortSignal) => sdk.send(purge, { abortSignal }))
      const again = yield* Effect.flip(
        client.use((sdk, abortSignal) => sdk.send(purge, { abortSignal }))
      )
      assert.strictEqual(again.reason._tag, "Throttled")
    })
  )

  it.live("R3.12 a missing queue, and one that went missing, is QueueNotFound", () =>
    Effect.gen(function* () {
      const { plane } = yield* world
      const gone = QueueAddress.queue(QueueName.makeUnsafe("gone"))
      const missing = yield* Effect.flip(plane.queueOf(gone))
      assert.deepInclude(missing.reason, { _tag: "QueueNotFound", queue: "gone" })
      const queue = yield* plane.queueOf(orders)
      const moved = { ...queue, url: queue.url.replace("/orders", "/elsewhere") }
      const error = yield* Effect.flip(plane.receive(moved, poll))
      assert.deepInclude(error.reason, { _tag: "QueueNotFound", queue: "orders" })
    })
  )
})
