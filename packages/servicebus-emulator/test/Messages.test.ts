import { assert, describe, it } from "@effect/vitest"
import type { ServiceBusMessage, ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Effect from "effect/Effect"
import { TestClock } from "effect/testing"
import { call, codeFrom, linkCount, until, world } from "./world.ts"

const wait = { maxWaitTimeInMs: 5000 }
const bodies = (messages: ReadonlyArray<ServiceBusReceivedMessage>) =>
  messages.map(({ body }): unknown => body)

const at = (millis: number) => new Date(millis)

const numberOf = ({ sequenceNumber }: ServiceBusReceivedMessage) =>
  sequenceNumber ?? assert.fail("no sequence number")

const first = <T>([item]: ReadonlyArray<T>): Effect.Effect<T> =>
  item === undefined ? Effect.die(new Error("nothing came")) : Effect.succeed(item)

describe("sending", () => {
  it.live("R1.5 a message arrives with everything its sender gave", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      const sent: ServiceBusMessage = {
        body: { a: [1, "two", null] },
        messageId: "id-1",
        correlationId: "c",
        contentType: "application/json",
        subject: "s",
        to: "t",
        replyTo: "r",
        replyToSessionId: "rs",
        partitionKey: "p",
        timeToLive: 60_000,
        applicationProperties: { text: "x", int: 5, float: 1.5, yes: true, none: null }
      }
      yield* call(() => client.createSender("q").sendMessages(sent))
      const message = yield* first(
        yield* call(() => client.createReceiver("q").receiveMessages(1, wait))
      )
      for (const key of [
        "body",
        "messageId",
        "correlationId",
        "contentType",
        "subject",
        "to",
        "replyTo",
        "replyToSessionId",
        "partitionKey",
        "timeToLive",
        "applicationProperties"
      ] as const) {
        assert.deepStrictEqual(message[key], sent[key], key)
      }
      assert.strictEqual(message.deliveryCount, 0)
      assert.strictEqual(message.state, "active")
      assert.strictEqual(message.sequenceNumber?.toString(), "1")
      assert.strictEqual(message.enqueuedSequenceNumber, 1)
      assert.match(
        message.lockToken ?? "",
        /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-8000-[0-9a-f]{12}$/u
      )
    })
  )

  it.live("data, sequence and value bodies survive, bytes as they were", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      const sender = client.createSender("q")
      const receiver = client.createReceiver("q")
      const bytes = Buffer.from([0, 255, 195, 40, 0])
      yield* call(() => sender.sendMessages({ body: bytes }))
      yield* call(() => sender.sendMessages({ bodyType: "value", body: { deep: [1, "x"] } }))
      yield* call(() => sender.sendMessages({ bodyType: "sequence", body: [[1, 2], ["x"]] }))
      const messages = yield* call(() => receiver.receiveMessages(3, wait))
      assert.deepStrictEqual(bodies(messages), [bytes, { deep: [1, "x"] }, [[1, 2], ["x"]]])
      assert.deepStrictEqual(
        messages.map((message) => message._rawAmqpMessage.bodyType),
        ["data", "value", "sequence"]
      )
    })
  )

  it.live("a batch is taken whole and its messages are delivered one by one, in order", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      const sender = client.createSender("q")
      const batch = yield* call(() => sender.createMessageBatch())
      for (const body of ["a", "b", "c"]) assert.isTrue(batch.tryAddMessage({ body }))
      assert.strictEqual(batch.maxSizeInBytes, 262_144)
      yield* call(() => sender.sendMessages(batch))
      assert.strictEqual((yield* emulator.calls)["Send"], 1)
      const messages = yield* call(() => client.createReceiver("q").receiveMessages(3, wait))
      assert.deepStrictEqual(bodies(messages), ["a", "b", "c"])
      assert.strictEqual(new Set(messages.map(({ messageId }) => messageId)).size, 3)
    })
  )

  it.live("R1.7 a message over the queue's limit is MessageSizeExceeded", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: { messageBytesMax: 2048 } } })
      const sender = client.createSender("q")
      const code = yield* codeFrom(() => sender.sendMessages({ body: "x".repeat(3000) }))
      assert.strictEqual(code, "MessageSizeExceeded")
      const { active } = yield* emulator.inspect("q")
      assert.strictEqual(active, 0)
      yield* call(() => sender.sendMessages({ body: "x".repeat(1000) }))
    })
  )

  it.live("a message of many frames arrives whole, both ways", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: { messageBytesMax: 1_048_576 } } })
      const body = Buffer.alloc(900_000, "0123456789")
      yield* call(() => client.createSender("q").sendMessages({ body }))
      const message = yield* first(
        yield* call(() => client.createReceiver("q").receiveMessages(1, wait))
      )
      assert.isTrue(body.equals(message.body))
    })
  )

  it.live("a full queue is QuotaExceeded", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: { queueBytesMax: 2048 } } })
      const sender = client.createSender("q")
      yield* call(() => sender.sendMessages({ body: "x".repeat(1500) }))
      const code = yield* codeFrom(() => sender.sendMessages({ body: "x".repeat(1500) }))
      assert.strictEqual(code, "QuotaExceeded")
    })
  )

  it.live("R3.14 a duplicate inside the window is dropped", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({
        queues: { q: { requiresDuplicateDetection: true } }
      })
      const sender = client.createSender("q")
      yield* call(() => sender.sendMessages({ body: 1, messageId: "same" }))
      yield* call(() => sender.sendMessages([{ body: 2, messageId: "same" }, { body: 3 }]))
      const { messages } = yield* emulator.inspect("q")
      assert.strictEqual(messages.length, 2)
    })
  )

  it.live("R3.12 a queue that does not exist is MessagingEntityNotFound, for both ends", () =>
    Effect.gen(function* () {
      const { client } = yield* world()
      const sending = yield* codeFrom(() => client.createSender("nope").sendMessages({ body: 1 }))
      const receiving = yield* codeFrom(() =>
        client.createReceiver("nope").receiveMessages(1, { maxWaitTimeInMs: 100 })
      )
      assert.deepStrictEqual(
        [sending, receiving],
        ["MessagingEntityNotFound", "MessagingEntityNotFound"]
      )
    })
  )

  it.live("a subscription is refused by name: topics are out of scope", () =>
    Effect.gen(function* () {
      const { client } = yield* world()
      const error = yield* Effect.flip(
        Effect.tryPromise({
          try: () => client.createReceiver("t", "s").receiveMessages(1, { maxWaitTimeInMs: 100 }),
          catch: String
        })
      )
      assert.match(error, /topics and subscriptions are out of scope/iu)
    })
  )
})

describe("receiving and settling", () => {
  it.live("receiving from an empty queue returns nothing when the wait ends", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      const receiver = client.createReceiver("q")
      const empty = { maxWaitTimeInMs: 50 }
      assert.deepStrictEqual(yield* call(() => receiver.receiveMessages(5, empty)), [])
      // Drained at once: the link is the same one and still works.
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      assert.deepStrictEqual(bodies(yield* call(() => receiver.receiveMessages(1, wait))), [1])
    })
  )

  it.live("complete, abandon with properties, defer and dead-letter each do what they say", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      const receiver = client.createReceiver("q")
      yield* call(() =>
        client
          .createSender("q")
          .sendMessages(
            ["complete", "abandon", "defer", "dead"].map((body) => ({ body, messageId: body }))
          )
      )
      const [a, b, c, d] = yield* call(() => receiver.receiveMessages(4, wait))
      if (a === undefined || b === undefined || c === undefined || d === undefined) {
        return assert.fail("too few")
      }
      // All in one tick: nothing may be mistaken for its neighbour.
      yield* call(() => receiver.completeMessage(a))
      yield* call(() => receiver.abandonMessage(b, { tried: 1 }))
      yield* call(() => receiver.deferMessage(c, { put: "aside" }))
      yield* call(() =>
        receiver.deadLetterMessage(d, {
          deadLetterReason: "bad",
          deadLetterErrorDescription: "very",
          more: true
        })
      )
      const { active, deadLettered, deferred, locked } = yield* emulator.inspect("q")
      assert.deepStrictEqual([active, locked, deferred, deadLettered], [1, 0, 1, 1])
      assert.deepStrictEqual(
        (yield* emulator.settlements).map(({ messageId, outcome }) => [messageId, outcome]),
        [
          ["complete", "Complete"],
          ["abandon", "Abandon"],
          ["defer", "Defer"],
          ["dead", "DeadLetter"]
        ]
      )
      const again = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      assert.deepStrictEqual([again.body, again.deliveryCount], ["abandon", 1])
      assert.deepStrictEqual(again.applicationProperties, { tried: 1 })
      const deferredMessage = yield* first(
        yield* call(() => receiver.receiveDeferredMessages([numberOf(c)]))
      )
      assert.deepStrictEqual(
        [
          deferredMessage.state,
          deferredMessage.deliveryCount,
          deferredMessage.applicationProperties
        ],
        ["deferred", 1, { put: "aside" }]
      )
      yield* call(() => receiver.completeMessage(deferredMessage))
      const dead = client.createReceiver("q", { subQueueType: "deadLetter" })
      const buried = yield* first(yield* call(() => dead.receiveMessages(1, wait)))
      assert.deepStrictEqual(
        [buried.body, buried.deadLetterReason, buried.deadLetterErrorDescription],
        ["dead", "bad", "very"]
      )
      assert.strictEqual(buried.applicationProperties?.["more"], true)
    })
  )

  it.live("R3.6 a message abandoned too often is dead-lettered by the service", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: { maxDeliveryCount: 3 } } })
      const receiver = client.createReceiver("q")
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      for (let delivery = 0; delivery < 3; delivery++) {
        const message = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
        assert.strictEqual(message.deliveryCount, delivery)
        yield* call(() => receiver.abandonMessage(message))
      }
      const dead = client.createReceiver("q", { subQueueType: "deadLetter" })
      const message = yield* first(yield* call(() => dead.receiveMessages(1, wait)))
      assert.strictEqual(message.deadLetterReason, "MaxDeliveryCountExceeded")
      yield* call(() => dead.completeMessage(message))
    })
  )

  it.live("a dead letter cannot be dead-lettered; it becomes available again", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      const receiver = client.createReceiver("q")
      const message = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      yield* call(() => receiver.deadLetterMessage(message))
      const dead = client.createReceiver("q", { subQueueType: "deadLetter" })
      const buried = yield* first(yield* call(() => dead.receiveMessages(1, wait)))
      assert.strictEqual(yield* codeFrom(() => dead.deadLetterMessage(buried)), "GeneralError")
      const { deadLetters } = yield* emulator.inspect("q")
      assert.deepStrictEqual(
        deadLetters.map(({ state }) => state),
        ["Ready"]
      )
    })
  )

  it.live("receive-and-delete gives each message once", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      yield* call(() => client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]))
      const receiver = client.createReceiver("q", { receiveMode: "receiveAndDelete" })
      assert.deepStrictEqual(bodies(yield* call(() => receiver.receiveMessages(2, wait))), [1, 2])
      const { bytes } = yield* emulator.inspect("q")
      assert.strictEqual(bytes, 0)
    })
  )

  it.live("subscribe keeps receiving, and close ends it", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      const receiver = client.createReceiver("q")
      const seen: Array<unknown> = []
      const subscription = receiver.subscribe(
        {
          processMessage: (message) => Promise.resolve(void seen.push(message.body)),
          processError: () => Promise.resolve()
        },
        { maxConcurrentCalls: 4 }
      )
      const sender = client.createSender("q")
      for (let body = 0; body < 20; body++) yield* call(() => sender.sendMessages({ body }))
      yield* until(Effect.map(emulator.settlements, ({ length }) => length === 20))
      assert.deepStrictEqual(
        seen,
        Array.from({ length: 20 }, (_, index) => index)
      )
      yield* call(() => subscription.close())
    })
  )

  it.live("R3.2 two receivers share a queue, and none gets a message of the other", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      const count = 40
      yield* call(() =>
        client
          .createSender("q")
          .sendMessages(Array.from({ length: count }, (_, body) => ({ body })))
      )
      const [a, b] = [client.createReceiver("q"), client.createReceiver("q")]
      const [left, right] = yield* Effect.all(
        [call(() => a.receiveMessages(20, wait)), call(() => b.receiveMessages(20, wait))],
        { concurrency: 2 }
      )
      const all = [...bodies(left), ...bodies(right)].map(Number)
      assert.deepStrictEqual(
        all.toSorted((one, other) => one - other),
        Array.from({ length: count }, (_, index) => index)
      )
    })
  )

  it.live("a delivery of a detached receiver stays locked, and is settled by its token", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      yield* call(() => client.createSender("q").sendMessages([{ body: 1 }, { body: 2 }]))
      const receiver = client.createReceiver("q")
      const [a, b] = yield* call(() => receiver.receiveMessages(2, wait))
      if (a === undefined || b === undefined) return assert.fail("too few")
      yield* emulator.dropLinks("q")
      yield* until(Effect.map(linkCount(emulator, "q", "receiver"), (count) => count === 0))
      assert.strictEqual((yield* emulator.inspect("q")).locked, 2)
      yield* call(() => receiver.completeMessage(a))
      yield* call(() =>
        receiver.deadLetterMessage(b, { deadLetterReason: "late", deadLetterErrorDescription: "" })
      )
      const { deadLettered, locked } = yield* emulator.inspect("q")
      assert.deepStrictEqual([locked, deadLettered], [0, 1])
      assert.strictEqual(yield* codeFrom(() => receiver.completeMessage(a)), "MessageLockLost")
    })
  )

  it.effect("R3.5 a lock that ran out is MessageLockLost, and the message is delivered again", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({
        queues: { q: { lockDuration: "30 seconds" } }
      })
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      const receiver = client.createReceiver("q", { maxAutoLockRenewalDurationInMs: 0 })
      const message = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      assert.strictEqual(message.lockedUntilUtc?.getTime(), 30_000)
      yield* TestClock.adjust("20 seconds")
      const renewed = yield* call(() => receiver.renewMessageLock(message))
      assert.strictEqual(renewed.getTime(), 50_000)
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
      assert.strictEqual(
        yield* codeFrom(() => receiver.completeMessage(message)),
        "MessageLockLost"
      )
      assert.strictEqual(
        yield* codeFrom(() => receiver.renewMessageLock(message)),
        "MessageLockLost"
      )
      const again = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      assert.strictEqual(again.deliveryCount, 1)
    })
  )

  it.effect("R3.7 an expired message is dead-lettered, with TTLExpiredException", () =>
    Effect.gen(function* () {
      const { client } = yield* world({
        queues: { q: { deadLetteringOnMessageExpiration: true } }
      })
      yield* call(() => client.createSender("q").sendMessages({ body: 1, timeToLive: 5000 }))
      yield* TestClock.adjust("5 seconds")
      const dead = client.createReceiver("q", {
        subQueueType: "deadLetter",
        maxAutoLockRenewalDurationInMs: 0
      })
      const message = yield* first(yield* call(() => dead.receiveMessages(1, wait)))
      assert.strictEqual(message.deadLetterReason, "TTLExpiredException")
    })
  )
})

describe("the other operations", () => {
  it.live("peek shows locked, deferred and scheduled messages, and goes on where it was", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      const sender = client.createSender("q")
      const receiver = client.createReceiver("q")
      assert.deepStrictEqual(yield* call(() => receiver.peekMessages(5)), [])
      yield* call(() => sender.sendMessages([{ body: "locked" }, { body: "deferred" }]))
      const [, b] = yield* call(() => receiver.receiveMessages(2, wait))
      if (b === undefined) return assert.fail("too few")
      yield* call(() => receiver.deferMessage(b))
      yield* call(() => sender.sendMessages({ body: "active" }))
      yield* call(() => sender.scheduleMessages({ body: "scheduled" }, at(8e14)))
      const one = yield* call(() => receiver.peekMessages(1))
      const rest = yield* call(() => receiver.peekMessages(9))
      assert.deepStrictEqual(
        [...one, ...rest].map(({ body, state }) => [body, state]),
        [
          ["locked", "active"],
          ["deferred", "deferred"],
          ["active", "active"],
          ["scheduled", "scheduled"]
        ]
      )
      assert.deepStrictEqual(yield* call(() => receiver.peekMessages(9)), [])
      const from = yield* call(() => receiver.peekMessages(1, { fromSequenceNumber: numberOf(b) }))
      assert.deepStrictEqual(bodies(from), ["deferred"])
    })
  )

  it.effect("R3.8 a scheduled message comes at its time, and one that was cancelled does not", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      const sender = client.createSender("q")
      const due = at(60_000)
      const [a, b] = yield* call(() => sender.scheduleMessages([{ body: "a" }, { body: "b" }], due))
      if (a === undefined || b === undefined) return assert.fail("too few")
      yield* call(() => sender.sendMessages({ body: "by property", scheduledEnqueueTimeUtc: due }))
      yield* call(() => sender.cancelScheduledMessages(a))
      assert.strictEqual(
        yield* codeFrom(() => sender.cancelScheduledMessages(a)),
        "MessageNotFound"
      )
      assert.strictEqual((yield* emulator.inspect("q")).scheduled, 2)
      yield* TestClock.adjust("1 minute")
      const receiver = client.createReceiver("q", { maxAutoLockRenewalDurationInMs: 0 })
      const messages = yield* call(() => receiver.receiveMessages(2, wait))
      assert.deepStrictEqual(
        messages.map(({ body, enqueuedTimeUtc, state }) => [
          body,
          enqueuedTimeUtc?.getTime(),
          state
        ]),
        [
          ["b", 60_000, "scheduled"],
          ["by property", 60_000, "scheduled"]
        ]
      )
      assert.strictEqual(
        yield* codeFrom(() => sender.cancelScheduledMessages(b)),
        "MessageNotFound"
      )
    })
  )

  it.live("a message that was not deferred is MessageNotFound", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues: { q: {} } })
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      const receiver = client.createReceiver("q")
      const message = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      const code = yield* codeFrom(() => receiver.receiveDeferredMessages([numberOf(message)]))
      assert.strictEqual(code, "MessageNotFound")
    })
  )

  it.live("deferred messages are taken at once in receive-and-delete", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues: { q: {} } })
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
      const receiver = client.createReceiver("q")
      const message = yield* first(yield* call(() => receiver.receiveMessages(1, wait)))
      yield* call(() => receiver.deferMessage(message))
      const taker = client.createReceiver("q", { receiveMode: "receiveAndDelete" })
      const number = numberOf(message)
      assert.deepStrictEqual(
        bodies(yield* call(() => taker.receiveDeferredMessages([number]))),
        [1]
      )
      assert.strictEqual((yield* emulator.inspect("q")).deferred, 0)
    })
  )
})
