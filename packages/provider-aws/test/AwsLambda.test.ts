import { spawn } from "node:child_process"
import { fileURLToPath } from "node:url"
import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, DateTime, Duration, Effect, Layer, Logger, Schema } from "effect"
import { TestClock } from "effect/testing"
import type { SQSBatchResponse, SQSEvent, SQSHandler, SQSRecord } from "aws-lambda"
import {
  Backoff,
  HandlerFailure,
  Idempotency,
  IdempotencyStore,
  Message,
  MessageId,
  type PushedBatch,
  QueueAddress,
  QueueClient,
  type ReceivedMessage,
  SessionId,
  TypedQueue
} from "@queue-runtime/core"
import { SqsBroker, SqsEmulator } from "@queue-runtime/sqs-emulator"
import { AwsProvider } from "../src/index.ts"
import { Counts } from "../src/internal/pushed/counts.ts"
import { read } from "../src/internal/pushed/event.ts"
import { AwsLambda } from "../src/lambda.ts"
import * as emulated from "./support/emulated.ts"
import * as lambda from "./support/lambda.ts"
import * as recorded from "./support/recorded.ts"
import * as world from "./support/world.ts"

const { ends, queue } = world

const minute = Duration.minutes(1)
const backoff = Backoff.fixed({ initial: "5 seconds", jitter: 0 })

const textOf = ({ body }: { readonly body: Uint8Array }): string => new TextDecoder().decode(body)

const named = (ids: ReadonlyArray<string>) => ids.map((itemIdentifier) => ({ itemIdentifier }))

/** A container on events that were recorded: no broker has their messages. */
const onRecorded = Effect.fnUntraced(function* <E>(
  handler: PushedBatch.Options<E>["handler"],
  name: string,
  options: Partial<PushedBatch.Options<E>> & AwsLambda.LayerOptions = {}
) {
  const broker = yield* SqsBroker.make({ seed: "recorded" })
  const { dlq } = yield* emulated.create(broker, name)
  const queues = { q: { name, deadLetter: { name: dlq } } }
  const { invoke } = yield* ends(
    lambda.container(broker, queues, { queue, handler, backoff, ...options })
  )
  return { broker, dlq, invoke }
})

describe("AwsLambda: recorded events", () => {
  it.effect("R1.6 R1.4 a standard queue's event is its messages, and all are done with", () =>
    Effect.gen(function* () {
      const seen: Array<ReceivedMessage.ReceivedMessage> = []
      const { invoke } = yield* onRecorded(
        (message) => Effect.sync(() => seen.push(message)),
        "my-queue"
      )
      assert.deepStrictEqual(yield* ends(invoke(recorded.standard, minute)), {
        batchItemFailures: []
      })
      const [first, second] = seen
      assert.deepStrictEqual(seen.map(textOf), ["Test message.", "Test message."])
      assert.strictEqual(first?.messageId, "059f36b4-87a3-44ab-83d2-661975830a7d")
      assert.deepStrictEqual(first?.attributes, {
        myAttribute: "myValue",
        bytes: Buffer.from([0, 255]).toString("base64")
      })
      assert.strictEqual(first?.deliveryCount, 1)
      assert.isUndefined(first?.sessionId)
      const millis = DateTime.toEpochMillis
      assert.strictEqual(first === undefined ? 0 : millis(first.enqueuedAt), 1_545_082_649_183)
      assert.strictEqual(
        second === undefined ? 0 : millis(second.firstDeliveredAt),
        1_545_082_650_649
      )
    })
  )

  it.effect("R4.1 a FIFO queue's event: its group is the session, its sequence the number", () =>
    Effect.gen(function* () {
      const seen: Array<ReceivedMessage.ReceivedMessage> = []
      const { invoke } = yield* onRecorded(
        (message) => Effect.sync(() => seen.push(message)),
        "fifo.fifo"
      )
      yield* ends(invoke(recorded.fifo, minute))
      assert.strictEqual(seen[0]?.sessionId, SessionId.makeUnsafe("1"))
      assert.strictEqual(seen[0]?.sequenceNumber, 18_849_496_460_467_696_128n)
    })
  )

  it.effect("R4.7 at the first failure of a group the rest of it is named, without being run", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { invoke } = yield* onRecorded(
        (message) =>
          Effect.suspend(() => {
            seen.push(textOf(message))
            return textOf(message) === "A2" ? Effect.fail("no") : Effect.void
          }),
        "fifo.fifo"
      )
      const event = recorded.groups(["A1", "A2", "B1", "A3", "B2"])
      const answer: SQSBatchResponse = yield* ends(invoke(event, minute))
      assert.deepStrictEqual(answer.batchItemFailures, named(["id-A2", "id-A3"]))
      assert.sameMembers(seen, ["A1", "A2", "B1", "B2"])
    })
  )

  it.effect("R3.11 without the right to change it nothing is asked of the visibility", () =>
    Effect.gen(function* () {
      const { broker, invoke } = yield* onRecorded(() => Effect.fail("no"), "my-queue")
      const { batchItemFailures } = yield* ends(invoke(recorded.standard, minute))
      assert.strictEqual(batchItemFailures.length, 2)
      assert.notProperty(yield* broker.calls, "ChangeMessageVisibilityBatch")
    })
  )

  it.effect("R5.3 all that was not run goes back in the time there is, not the first ten", () =>
    Effect.gen(function* () {
      const { broker, invoke } = yield* onRecorded(() => Effect.never, "my-queue", {
        changesVisibility: true
      })
      const [first] = recorded.standard.Records
      if (first === undefined) return assert.fail("no record")
      const Records = Array.from({ length: 60 }, (_, index) => ({
        ...first,
        messageId: `m-${index}`
      }))
      yield* broker.inject({
        action: "ChangeMessageVisibilityBatch",
        fault: { _tag: "Slow", duration: "300 millis" }
      })
      const { batchItemFailures } = yield* lambda.driven(invoke({ Records }, minute))
      assert.strictEqual(batchItemFailures.length, 60)
      // Ten that were run, each for itself: the broker does not know them. Then all, ten a call.
      assert.strictEqual(yield* world.calls(broker, "ChangeMessageVisibilityBatch"), 16)
    })
  )

  it.effect("R3.2 a message that came twice in a batch is handled once, and ends once", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { invoke } = yield* onRecorded(
        ({ messageId }) =>
          Effect.suspend(() => {
            seen.push(messageId)
            return messageId === other?.messageId ? Effect.fail("no") : Effect.void
          }),
        "my-queue"
      )
      const [one, other] = recorded.standard.Records
      const again = (record: SQSRecord | undefined) =>
        record === undefined ? [] : [{ ...record, receiptHandle: `${record.receiptHandle}-again` }]
      const twice = [...recorded.standard.Records, ...again(one), ...again(other), ...again(one)]
      const { batchItemFailures } = yield* ends(invoke({ Records: twice }, minute))
      assert.deepStrictEqual(batchItemFailures, named([other?.messageId ?? ""]))
      assert.deepStrictEqual(seen, [one?.messageId, other?.messageId])
    })
  )

  it.effect("R3.2 of what came twice the first decides, readable or not", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const errors: Array<unknown> = []
      const { invoke } = yield* onRecorded(
        (message) => Effect.sync(() => seen.push(textOf(message))),
        "fifo.fifo"
      )
      const [a1, a2, a3] = recorded.groups(["A1", "A2", "A3"]).Records
      const logger = Logger.make(({ logLevel, message }) => {
        if (logLevel === "Error") errors.push(message)
      })
      const push = (...records: ReadonlyArray<object | undefined>) =>
        ends(invoke(JSON.parse(JSON.stringify({ Records: records })), minute)).pipe(
          Effect.provide(Logger.layer([logger]))
        )
      // What comes behind it in its group is not kept by a second delivery that cannot be read.
      const first = yield* push(a1, { ...a1, body: 7 }, a2)
      assert.deepStrictEqual(first.batchItemFailures, [])
      assert.deepStrictEqual(seen, ["A1", "A2"])
      assert.deepStrictEqual(errors, [])
      const second = yield* push({ ...a2, body: 7 }, a2, a3)
      assert.deepStrictEqual(second.batchItemFailures, named(["id-A2", "id-A3"]))
      assert.deepStrictEqual(seen, ["A1", "A2"])
      assert.strictEqual(errors.length, 1)
    })
  )

  it.effect("R10.1 an event that is none, or another queue's, fails as a whole and clearly", () =>
    Effect.gen(function* () {
      const { invoke } = yield* onRecorded(() => Effect.void, "my-queue")
      const messageOf = (event: AwsLambda.Event) =>
        Effect.map(Effect.flip(ends(invoke(event, minute))), ({ message }) => message)
      assert.strictEqual(
        yield* messageOf(JSON.parse('{"Records":[{"s3":{}}]}')),
        'open "q" (aws-sqs): ConfigurationInvalid: event: ' +
          "is none of SQS: is the function's trigger a queue?"
      )
      assert.strictEqual(
        yield* messageOf(recorded.fifo),
        'open "q" (aws-sqs): ConfigurationInvalid: queues.q: ' +
          'the event comes from "fifo.fifo", and the options say "my-queue"'
      )
    })
  )

  it("R1.6 an event whose messages cannot be named is none", () => {
    const [record] = recorded.standard.Records
    for (const broken of [
      7,
      {},
      { Records: [7] },
      { Records: [{ ...record, messageId: "" }] },
      { Records: [record, { ...record, messageId: undefined }] }
    ]) {
      assert.isUndefined(read(broken))
    }
    assert.strictEqual(read(recorded.standard)?.length, 2)
  })

  it("R2.3 a record that is none says what of it is wrong", () => {
    const [record] = recorded.fifo.Records
    const problemOf = (broken: object) => {
      const [one] = read({ Records: [{ ...record, ...broken }] }) ?? []
      return one?._tag === "Unreadable"
        ? [one.unreadable.problem, one.unreadable.groupId]
        : [one?._tag]
    }
    assert.deepStrictEqual(problemOf({ body: 7 }), ["its body is no text", "1"])
    assert.deepStrictEqual(problemOf({ receiptHandle: null }), [
      "its receiptHandle is no text",
      "1"
    ])
    assert.deepStrictEqual(problemOf({ eventSourceARN: 7 }), ["its eventSourceARN is no text", "1"])
    assert.deepStrictEqual(problemOf({ attributes: 7 }), ["its attributes is no object", undefined])
    const odd = "its messageAttributes has one without a dataType"
    assert.deepStrictEqual(problemOf({ messageAttributes: { a: {} } }), [odd, "1"])
    assert.deepStrictEqual(problemOf({ messageAttributes: 7 }), [odd, "1"])
    // As a hand-written event of a test has it.
    assert.deepStrictEqual(problemOf({ messageAttributes: undefined }), ["Record"])
    assert.deepStrictEqual(problemOf({ messageAttributes: null }), ["Record"])
  })

  it.effect("R3.2 a record that is none comes again, and the others of its event are handled", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { invoke } = yield* onRecorded(
        ({ messageId }) => Effect.sync(() => seen.push(messageId)),
        "my-queue"
      )
      const [one, other] = recorded.standard.Records
      const event = JSON.stringify({ Records: [{ ...one, body: 7 }, other] })
      const { batchItemFailures } = yield* ends(invoke(JSON.parse(event), minute))
      assert.deepStrictEqual(batchItemFailures, named([one?.messageId ?? ""]))
      assert.deepStrictEqual(seen, [other?.messageId])
    })
  )

  it.effect("R4.1 on FIFO a record that is none keeps those of its group behind it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { invoke } = yield* onRecorded(
        (message) => Effect.sync(() => seen.push(textOf(message))),
        "fifo.fifo"
      )
      const without = (event: SQSEvent, broken: object) =>
        JSON.parse(
          JSON.stringify({
            Records: event.Records.map((one) => (one.body === "A2" ? { ...one, ...broken } : one))
          })
        )
      const event = recorded.groups(["A1", "A2", "B1", "A3", "B2"])
      const known = yield* ends(invoke(without(event, { receiptHandle: 7 }), minute))
      assert.deepStrictEqual(known.batchItemFailures, named(["id-A2", "id-A3"]))
      assert.sameMembers(seen, ["A1", "B1", "B2"])
      // Of which group it is nobody knows: everything behind it could overtake it.
      seen.length = 0
      const unknown = yield* ends(invoke(without(event, { attributes: 7 }), minute))
      const behind = named(["id-A2", "id-B1", "id-A3", "id-B2"])
      assert.deepStrictEqual(unknown.batchItemFailures, behind)
      assert.deepStrictEqual(seen, ["A1"])
    })
  )

  it.effect("R5.3 with no more time than the margin nothing is begun, and all comes again", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { broker, invoke } = yield* onRecorded(
        (message) => Effect.sync(() => seen.push(textOf(message))),
        "my-queue",
        { changesVisibility: true }
      )
      const error = yield* Effect.flip(ends(invoke(recorded.standard, Duration.seconds(2))))
      assert.strictEqual(error.reason._tag, "Timeout")
      assert.deepStrictEqual(seen, [])
      // Given back at once it would be pushed at once, again and again.
      assert.notProperty(yield* broker.calls, "ChangeMessageVisibilityBatch")
    })
  )
})

describe("AwsLambda: over the emulator", () => {
  const make = Effect.fnUntraced(function* <E>(
    handler: PushedBatch.Options<E>["handler"],
    options: Partial<PushedBatch.Options<E>> &
      AwsLambda.LayerOptions & { readonly world?: world.Options } = {}
  ) {
    const { broker, dlq, name, queues } = yield* world.make({
      settings: { visibilityTimeout: "30 seconds" },
      attributes: { VisibilityTimeout: "30" },
      ...options.world
    })
    const { client, invoke } = yield* ends(
      lambda.container(broker, queues, { queue, handler, backoff, ...options })
    )
    const send = (id: string, given: Message.Options = {}) =>
      Effect.flatMap(Message.text(id, { messageId: MessageId.makeUnsafe(id), ...given }), (one) =>
        ends(client.send(queue, one))
      )
    const round = (remaining?: Duration.Duration) =>
      ends(lambda.round(broker, name, invoke, remaining))
    return { broker, client, dlq, invoke, name, queues, round, send }
  })

  const inSession = (id: string): Message.Options => ({ sessionId: SessionId.makeUnsafe(id) })

  const bodies = Effect.fnUntraced(function* (broker: SqsBroker.Service, name: string) {
    const view = yield* broker.inspect(name)
    return (view?.messages ?? []).map(({ body }) => body)
  })

  it.effect("R1.3 R1.5 what our own provider sent is what the handler gets, all of it", () =>
    Effect.gen(function* () {
      const seen: Array<ReceivedMessage.ReceivedMessage> = []
      const { broker, client, name, round } = yield* make(
        (message) => Effect.sync(() => seen.push(message)),
        { world: { fifo: false } }
      )
      const attributes = Object.fromEntries(
        Array.from({ length: 15 }, (_, index) => [`a${index}`, `v${index}`])
      )
      const sent = yield* Message.bytes(new Uint8Array([0, 255, 128]), {
        messageId: MessageId.makeUnsafe("m-1"),
        correlationId: "c-1",
        contentType: "application/octet-stream",
        attributes
      })
      yield* ends(client.send(queue, sent))
      yield* round()
      const [got] = seen
      assert.deepStrictEqual(got?.body, new Uint8Array([0, 255, 128]))
      assert.deepStrictEqual(got?.attributes, attributes)
      assert.strictEqual(got?.messageId, MessageId.makeUnsafe("m-1"))
      assert.strictEqual(got?.correlationId, "c-1")
      assert.strictEqual(got?.contentType, "application/octet-stream")
      assert.deepStrictEqual(yield* bodies(broker, name), [])
    })
  )

  it.effect(
    "R5.5 typed values: what cannot be decoded is dead-lettered by us, and then removed",
    () =>
      Effect.gen(function* () {
        const orders = TypedQueue.make({ queue, schema: Schema.Struct({ id: Schema.String }) })
        const seen: Array<string> = []
        const { broker, client, dlq, name, round, send } = yield* make(
          orders.handler(({ id }) => Effect.sync(() => seen.push(id))),
          { world: { fifo: false } }
        )
        yield* send("not json")
        yield* ends(
          Effect.provideService(orders.send({ id: "o-1" }), QueueClient.QueueClient, client)
        )
        yield* round()
        assert.deepStrictEqual(seen, ["o-1"])
        assert.deepStrictEqual(yield* bodies(broker, name), [])
        assert.deepStrictEqual(yield* bodies(broker, dlq), ["not json"])
        const [letter] = yield* ends(client.receive(QueueAddress.deadLetter(queue), { wait: 0 }))
        assert.strictEqual(letter?.deadLetter?.reason, "SerializationFailed")
        assert.strictEqual(letter?.deadLetter?.deliveryCount, 1)
        assert.strictEqual(letter?.messageId, MessageId.makeUnsafe("not json"))
      })
  )

  it.effect("R3.6 R3.2 what SQS does not take as a dead letter stays, and is named", () =>
    Effect.gen(function* () {
      const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
      const { broker, dlq, name, round, send } = yield* make(() => Effect.fail(failure), {
        world: { fifo: false }
      })
      yield* send("m-1")
      yield* broker.inject({
        action: "SendMessageBatch",
        queue: dlq,
        fault: { _tag: "Fail", kind: "AccessDenied" }
      })
      yield* round()
      assert.deepStrictEqual(yield* bodies(broker, name), ["m-1"])
      assert.deepStrictEqual(yield* bodies(broker, dlq), [])
    })
  )

  /** A standard queue delivers a message twice, and Lambda has both in one batch. */
  const roundOfTwice = Effect.fnUntraced(function* ({
    broker,
    invoke,
    name
  }: {
    readonly broker: SqsBroker.Service
    readonly invoke: lambda.Container["invoke"]
    readonly name: string
  }) {
    const fault = { _tag: "Duplicate" as const }
    yield* broker.inject({ action: "ReceiveMessage", queue: name, times: 1, fault })
    const messages = [...(yield* lambda.poll(broker, name)), ...(yield* lambda.poll(broker, name))]
    assert.strictEqual(messages.length, 2)
    assert.strictEqual(new Set(messages.map(({ ReceiptHandle }) => ReceiptHandle)).size, 2)
    const response = yield* ends(invoke(lambda.eventOf(messages, name), minute))
    yield* lambda.remove(broker, name, messages, response)
  })

  it.effect(
    "R3.2 what a standard queue delivers twice in a batch is handled and removed once",
    () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const made = yield* make((message) => Effect.sync(() => seen.push(textOf(message))), {
          world: { fifo: false }
        })
        yield* made.send("m-1")
        yield* roundOfTwice(made)
        assert.deepStrictEqual(seen, ["m-1"])
        assert.deepStrictEqual(yield* bodies(made.broker, made.name), [])
      })
  )

  it.effect("R3.2 R3.6 and is one dead letter", () =>
    Effect.gen(function* () {
      const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
      const made = yield* make(() => Effect.fail(failure), { world: { fifo: false } })
      yield* made.send("m-1")
      yield* roundOfTwice(made)
      assert.deepStrictEqual(yield* bodies(made.broker, made.name), [])
      assert.deepStrictEqual(yield* bodies(made.broker, made.dlq), ["m-1"])
    })
  )

  it.effect("R3.2 R3.4 or comes again after its backoff, counted as delivered once", () =>
    Effect.gen(function* () {
      const seen: Array<number> = []
      const made = yield* make(
        ({ deliveryCount }) =>
          Effect.suspend(() => (seen.push(deliveryCount) < 3 ? Effect.fail("no") : Effect.void)),
        { changesVisibility: true, world: { fifo: false } }
      )
      yield* made.send("m-1")
      yield* roundOfTwice(made)
      assert.deepStrictEqual(seen, [1])
      yield* TestClock.adjust("4900 millis")
      assert.isFalse(yield* made.round())
      yield* TestClock.adjust("200 millis")
      yield* roundOfTwice(made)
      // The broker has counted four.
      yield* TestClock.adjust("5 seconds")
      yield* made.round()
      assert.deepStrictEqual(seen, [1, 2, 3])
      assert.deepStrictEqual(yield* bodies(made.broker, made.name), [])
    })
  )

  it.effect("R4.7 a failing message is dead-lettered for cause, none for company", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { broker, dlq, name, round, send } = yield* make((message) =>
        Effect.suspend(() => {
          seen.push(textOf(message))
          return textOf(message) === "a-1" ? Effect.fail("no") : Effect.void
        })
      )
      for (const id of ["a-1", "a-2", "a-3"]) yield* send(id, inSession("a"))
      for (let again = 0; again < 5; again++) {
        yield* round()
        yield* TestClock.adjust("31 seconds")
      }
      assert.deepStrictEqual(seen, ["a-1", "a-1", "a-1", "a-1", "a-1", "a-2", "a-3"])
      assert.deepStrictEqual(yield* bodies(broker, name), [])
      assert.deepStrictEqual(yield* bodies(broker, dlq), ["a-1"])
    })
  )

  it.effect("R5.2 with changesVisibility a group comes again after the backoff, all of it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const { broker, name, round, send } = yield* make(
        (message) =>
          Effect.suspend(() => {
            seen.push(textOf(message))
            return seen.length === 2 ? Effect.fail("no") : Effect.void
          }),
        { changesVisibility: true }
      )
      for (const id of ["a-1", "a-2", "a-3"]) yield* send(id, inSession("a"))
      yield* round()
      assert.deepStrictEqual(seen, ["a-1", "a-2"])
      yield* TestClock.adjust("4900 millis")
      assert.isFalse(yield* round())
      yield* TestClock.adjust("200 millis")
      assert.isTrue(yield* round())
      assert.deepStrictEqual(seen, ["a-1", "a-2", "a-2", "a-3"])
      assert.deepStrictEqual(yield* bodies(broker, name), [])
    })
  )

  it.effect(
    "R5.3 what is interrupted or was not run comes again at once with changesVisibility",
    () =>
      Effect.gen(function* () {
        const seen: Array<string> = []
        const { round, send } = yield* make(
          (message) =>
            Effect.suspend(() => {
              seen.push(textOf(message))
              return seen.length === 1 ? Effect.never : Effect.void
            }),
          { changesVisibility: true, concurrency: 1, world: { fifo: false } }
        )
        yield* send("m-1")
        yield* send("m-2")
        yield* round(Duration.seconds(3))
        assert.strictEqual(seen.length, 1)
        yield* round()
        assert.strictEqual(seen.length, 3)
        assert.deepStrictEqual(new Set(seen), new Set(["m-1", "m-2"]))
      })
  )

  it.effect("R3.11 a delay without the right is refused, by the provider itself", () =>
    Effect.gen(function* () {
      const { client } = yield* make(() => Effect.void, { world: { fifo: false } })
      assert.strictEqual(client.capabilities(queue).abandonDelay, "unsupported")
      const granted = yield* make(() => Effect.void, {
        world: { fifo: false },
        changesVisibility: true
      })
      assert.strictEqual(granted.client.capabilities(queue).abandonDelay, "native")
    })
  )

  it.effect("R3.7 an expired message is dropped, or put among the dead letters, unseen", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const handler = (message: ReceivedMessage.ReceivedMessage) =>
        Effect.sync(() => seen.push(textOf(message)))
      const dropping = yield* make(handler, { world: { fifo: false } })
      yield* dropping.send("m-1", { timeToLive: Duration.seconds(5) })
      yield* dropping.send("m-2")
      yield* TestClock.adjust("6 seconds")
      yield* dropping.round()
      assert.deepStrictEqual(seen, ["m-2"])
      assert.deepStrictEqual(yield* bodies(dropping.broker, dropping.name), [])

      const burying = yield* make(handler, {
        world: { fifo: false, settings: { expired: "deadLetter" } }
      })
      yield* burying.send("m-3", { timeToLive: Duration.seconds(5) })
      yield* TestClock.adjust("6 seconds")
      yield* burying.round()
      assert.deepStrictEqual(seen, ["m-2"])
      assert.deepStrictEqual(yield* bodies(burying.broker, burying.name), [])
      assert.deepStrictEqual(yield* bodies(burying.broker, burying.dlq), ["m-3"])
    })
  )

  /** So many that expire, and one that does not, of a queue that puts them among the dead letters. */
  const expiring = Effect.fnUntraced(function* (count: number, options: AwsLambda.LayerOptions) {
    const seen: Array<string> = []
    const made = yield* make((message) => Effect.sync(() => seen.push(textOf(message))), {
      world: { fifo: false, settings: { expired: "deadLetter" } },
      ...options
    })
    const late = yield* Effect.forEach(Array.from({ length: count }), (_, index) =>
      Message.text(`late-${index}`, { timeToLive: Duration.seconds(5) })
    )
    yield* ends(made.client.sendBatch(queue, late))
    yield* made.send("live")
    yield* TestClock.adjust("6 seconds")
    /** One event of all there is, as of an event source with a batching window. */
    const invoke = Effect.fnUntraced(function* (remaining: Duration.Duration) {
      const messages: Array<Effect.Success<ReturnType<typeof lambda.poll>>[number]> = []
      while (true) {
        const some = yield* lambda.poll(made.broker, made.name)
        if (some.length === 0) break
        messages.push(...some)
      }
      const event = lambda.eventOf(messages, made.name)
      const answer = yield* lambda.driven(made.invoke(event, remaining))
      for (let at = 0; at < messages.length; at += 10) {
        yield* lambda.remove(made.broker, made.name, messages.slice(at, at + 10), answer)
      }
      return answer.batchItemFailures.length
    })
    return { ...made, invokeAll: invoke, seen }
  })

  it.effect(
    "R3.7 many expired at once are put aside beside the handlers, and what was done is done",
    () =>
      Effect.gen(function* () {
        const { broker, dlq, invokeAll, name, seen } = yield* expiring(500, {
          changesVisibility: true
        })
        yield* broker.inject({
          action: "SendMessageBatch",
          queue: dlq,
          fault: { _tag: "Slow", duration: "1 second" }
        })
        // Ten calls of ten at once: in the four seconds before the margin they cannot all be copied.
        const failures = yield* invokeAll(Duration.seconds(6))
        assert.deepStrictEqual(seen, ["live"])
        const first = yield* bodies(broker, dlq)
        assert.isAtLeast(first.length, 300)
        assert.isBelow(first.length, 500)
        assert.strictEqual(failures, 500 - first.length)
        assert.strictEqual((yield* bodies(broker, name)).length, failures)
        // Given back, they come at once, and each is copied once.
        assert.strictEqual(yield* invokeAll(Duration.seconds(20)), 0)
        const all = yield* bodies(broker, dlq)
        assert.strictEqual(all.length, 500)
        assert.strictEqual(new Set(all).size, 500)
        assert.deepStrictEqual(yield* bodies(broker, name), [])
      })
  )

  it.effect("R3.6 expired ones that cannot be put aside come again at their time", () =>
    Effect.gen(function* () {
      const { broker, client, dlq, invokeAll, name, seen } = yield* expiring(300, {
        changesVisibility: true
      })
      const injected = yield* broker.inject({
        action: "SendMessageBatch",
        queue: dlq,
        fault: { _tag: "Fail", kind: "AccessDenied" }
      })
      const before = yield* world.calls(broker, "SendMessageBatch")
      assert.strictEqual(yield* invokeAll(minute), 300)
      assert.deepStrictEqual(seen, ["live"])
      // Ten at once, and no more after those failed.
      assert.isAtMost((yield* world.calls(broker, "SendMessageBatch")) - before, 10)
      assert.notProperty(yield* broker.calls, "ChangeMessageVisibilityBatch")
      assert.strictEqual((yield* bodies(broker, name)).length, 300)
      yield* injected.remove
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual(yield* invokeAll(minute), 0)
      const [letter] = yield* ends(client.receive(QueueAddress.deadLetter(queue), { wait: 0 }))
      assert.strictEqual(letter?.deadLetter?.reason, "TTLExpiredException")
      // Nobody has ever got it.
      assert.strictEqual(letter?.deadLetter?.deliveryCount, 1)
    })
  )

  it.effect(
    "R7.1 a function of a dead-letter queue handles dead letters, and keeps what it cannot",
    () =>
      Effect.gen(function* () {
        const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
        const main = yield* make(() => Effect.fail(failure), { world: { fifo: false } })
        yield* main.send("m-1")
        yield* main.round()
        const seen: Array<string | undefined> = []
        const operator = yield* ends(
          lambda.container(main.broker, main.queues, {
            queue: QueueAddress.deadLetter(queue),
            handler: ({ deadLetter }) =>
              Effect.suspend(() => {
                seen.push(deadLetter?.reason)
                return seen.length === 1 ? Effect.fail(failure) : Effect.void
              })
          })
        )
        yield* ends(lambda.round(main.broker, main.dlq, operator.invoke))
        assert.deepStrictEqual(yield* bodies(main.broker, main.dlq), ["m-1"])
        yield* TestClock.adjust("31 seconds")
        yield* ends(lambda.round(main.broker, main.dlq, operator.invoke))
        assert.deepStrictEqual(seen, ["Unknown", "Unknown"])
        assert.deepStrictEqual(yield* bodies(main.broker, main.dlq), [])
      })
  )

  it.effect("R5.7 a message that was handled is not handled again: the store knows it", () =>
    Effect.gen(function* () {
      const seen: Array<string> = []
      const handler = yield* Idempotency.handler((message) =>
        Effect.sync(() => seen.push(textOf(message)))
      )
      const { broker, invoke, name, send } = yield* make(handler, { world: { fifo: false } })
      yield* send("m-1")
      const messages = yield* lambda.poll(broker, name)
      yield* ends(invoke(lambda.eventOf(messages, name), minute))
      // Its answer was lost, and it comes again.
      yield* ends(invoke(lambda.eventOf(messages, name), minute))
      assert.deepStrictEqual(seen, ["m-1"])
    }).pipe(Effect.provide(IdempotencyStore.layerMemory()))
  )
})

/** What becomes of a message, whoever handles it. */
const Fate = Schema.Struct({
  group: Schema.Literals(["a", "b", "c"]),
  ends: Schema.Literals(["succeeds", "succeeds", "fails once", "fails", "refuses", "outlasts"]),
  seconds: Schema.Literals([0, 1, 3])
})
const Fates = Schema.Array(Fate).check(Schema.isMinLength(1), Schema.isMaxLength(12))

/** What goes wrong with an invocation: its answer is lost, as of one that crashed or ran out of time. */
const Losses = Schema.Array(Schema.Boolean).check(Schema.isMaxLength(4))

describe("AwsLambda: histories of an event source", () => {
  it.effect.prop(
    "R4.1 R4.7 R3.2 in every group in order, nothing lost, dead-lettered only for cause",
    {
      fates: Arbitrary.schema(Fates),
      losses: Arbitrary.schema(Losses),
      changesVisibility: Arbitrary.schema(Schema.Boolean)
    },
    ({ changesVisibility, fates, losses }) =>
      Effect.gen(function* () {
        const { broker, dlq, name, queues } = yield* world.make({
          attributes: { VisibilityTimeout: "30" },
          settings: { visibilityTimeout: "30 seconds" }
        })
        const idOf = (index: number): string => `${fates[index]?.group}-${index}`
        const history: Array<{ readonly at: "begins" | "done" | "failed"; readonly id: string }> =
          []
        const failures = new Map<string, number>()
        const told = (at: "begins" | "done" | "failed", id: string) =>
          Effect.sync(() => {
            if (at === "failed") failures.set(id, (failures.get(id) ?? 0) + 1)
            history.push({ at, id })
          })
        const ending = (
          { ends: end }: typeof Fate.Type,
          id: string
        ): Effect.Effect<void, string | HandlerFailure.Permanent> => {
          if (end === "succeeds" || (end === "fails once" && failures.has(id))) return Effect.void
          if (end === "outlasts" && !failures.has(id)) {
            return Effect.onInterrupt(Effect.never, () => told("failed", id))
          }
          if (end === "outlasts") return Effect.void
          const failure =
            end === "refuses" ? new HandlerFailure.Permanent({ reason: "Refused" }) : "no"
          return Effect.andThen(told("failed", id), Effect.fail(failure))
        }
        const handler = (message: ReceivedMessage.ReceivedMessage) =>
          Effect.gen(function* () {
            const id = textOf(message)
            const fate = fates[Number(id.slice(2))] ?? assert.fail("no such message")
            yield* told("begins", id)
            yield* Effect.sleep(Duration.seconds(fate.seconds))
            yield* ending(fate, id)
            yield* told("done", id)
          })
        const container = lambda.container(broker, queues, {
          queue,
          handler,
          backoff,
          concurrency: 2,
          changesVisibility
        })
        const containers = [yield* ends(container), yield* ends(container)]
        const client = containers[0]?.client ?? assert.fail("no container")
        for (const [index, { group }] of fates.entries()) {
          const sessionId = SessionId.makeUnsafe(group)
          yield* ends(client.send(queue, yield* Message.text(idOf(index), { sessionId })))
        }

        let invocations = 0
        const isEmpty = Effect.map(broker.inspect(name), (view) => view?.messages.length === 0)
        /** One of the pollers of the event source, each with a container of its own. */
        const poller = ({ invoke }: lambda.Container) =>
          Effect.gen(function* () {
            while (!(yield* isEmpty)) {
              const messages = yield* lambda.poll(broker, name)
              if (messages.length > 0) {
                const isLost = losses[invocations++] === true
                const answer = yield* invoke(lambda.eventOf(messages, name), Duration.seconds(20))
                if (!isLost) yield* lambda.remove(broker, name, messages, answer)
              }
              yield* Effect.sleep("1 second")
            }
          })
        yield* lambda.driven(Effect.forEach(containers, poller, { concurrency: 2 }))

        const dead = ((yield* broker.inspect(dlq))?.messages ?? []).map(({ body }) => body)
        const over = new Set<string>()
        for (const { at, id } of history) {
          const before = fates.flatMap(({ group }, index) =>
            index < Number(id.slice(2)) && id.startsWith(group) ? [idOf(index)] : []
          )
          if (at === "begins") {
            for (const one of before) {
              assert.isTrue(over.has(one) || dead.includes(one), `${id} began before ${one} ended`)
            }
          }
          if (at === "done") over.add(id)
        }
        for (const [index, { ends: end }] of fates.entries()) {
          const id = idOf(index)
          assert.isTrue(over.has(id) || dead.includes(id), `${id} is lost`)
          if (end === "refuses" || end === "fails") assert.include(dead, id)
          if (dead.includes(id)) assert.isTrue(failures.has(id), `${id} is dead for company`)
        }
        // What is put aside goes aside before the next one of its group begins.
        for (const id of dead) {
          const last = history.findLastIndex((one) => one.id === id && one.at === "failed")
          const next = history.findIndex(
            (one) =>
              one.at === "begins" &&
              one.id.startsWith(id.slice(0, 2)) &&
              Number(one.id.slice(2)) > Number(id.slice(2))
          )
          const first = history.findIndex((one) => one.id === id && one.at === "failed")
          if (next !== -1) assert.isBelow(first, next, `${id} was overtaken`)
          assert.isAtLeast(last, first)
        }
      }),
    { arbitrary: { runs: 20, seed: 10_006 } }
  )
})

describe("AwsLambda: counts", () => {
  const of = { id: "m", isFifo: true, deliveriesMax: 5 }

  it("R4.4 on FIFO others' receives count in part, our own in full, those unseen by us not", () => {
    const counts = new Counts(10)
    assert.strictEqual(counts.next({ ...of, receives: 1 }), 1)
    assert.strictEqual(counts.next({ ...of, receives: 11 }), 2)
    counts.ended("m", true)
    assert.strictEqual(counts.next({ ...of, receives: 2 }), 2)
    counts.ended("m", false)
    assert.strictEqual(counts.next({ ...of, receives: 3 }), 2)
    counts.forget("m")
    assert.strictEqual(counts.next({ ...of, receives: 3 }), 2)
  })

  it("R3.6 on a standard queue nobody's receives alone put a message aside, but many do", () => {
    const counts = new Counts(10)
    const standard = { ...of, isFifo: false }
    assert.strictEqual(counts.next({ ...standard, receives: 3 }), 3)
    assert.strictEqual(counts.next({ ...standard, receives: 9 }), 5)
    assert.strictEqual(counts.next({ ...standard, receives: 11 }), 11)
  })

  it("R10.7 as many as its bound, the longest unused forgotten first", () => {
    const counts = new Counts(2)
    for (const id of ["a", "b", "a", "c"]) counts.ended(id, true)
    assert.strictEqual(counts.size, 2)
    assert.strictEqual(counts.next({ ...of, id: "a", receives: 3 }), 3)
    assert.strictEqual(counts.next({ ...of, id: "b", receives: 2 }), 2)
  })
})

describe("AwsLambda: a function", () => {
  const context = { getRemainingTimeInMillis: () => 20_000 }

  /** A function as an application writes it, over HTTP, and what it had. */
  const made = Effect.fnUntraced(function* (seen: Array<string>) {
    const emulator = yield* SqsEmulator.make({ queues: { q: {}, "q-dlq": {} } })
    const options = {
      ...emulated.options({ q: { name: "q", deadLetter: { name: "q-dlq" } } }),
      endpoint: emulator.endpoint
    }
    const layer = QueueClient.layer().pipe(
      Layer.provide(AwsLambda.layer()),
      Layer.provide(AwsProvider.layer(options))
    )
    const function_ = AwsLambda.handler({
      queue,
      handler: (message) =>
        Effect.suspend(() => {
          seen.push(textOf(message))
          return textOf(message) === "bad" ? Effect.fail("no") : Effect.void
        }),
      layer
    })
    yield* Effect.addFinalizer(() => Effect.promise(() => function_.close()))
    return { emulator, layer, function_ }
  })

  const listeners = (): number => process.listenerCount("SIGTERM")

  it.live(
    "R5.1 R10.4 answers events as Lambda wants it, and is built once, until it is closed",
    () =>
      Effect.gen(function* () {
        const before = listeners()
        const seen: Array<string> = []
        const { function_ } = yield* made(seen)
        assert.strictEqual(listeners(), before)
        // What the types of Lambda ask of a handler.
        const handler: SQSHandler = (event, invocation) => function_(event, invocation)
        assert.isFunction(handler)
        const [one, other] = recorded.standard.Records
        if (one === undefined || other === undefined) return assert.fail("no records")
        const eventSourceARN = "arn:aws:sqs:us-east-1:000000000000:q"
        const Records = [
          { ...one, eventSourceARN, body: "bad" },
          { ...other, eventSourceARN, body: "good" }
        ]
        const event = { Records }
        for (let again = 0; again < 2; again++) {
          const answer: SQSBatchResponse = yield* Effect.promise(() => function_(event, context))
          assert.deepStrictEqual(answer.batchItemFailures, [
            { itemIdentifier: "059f36b4-87a3-44ab-83d2-661975830a7d" }
          ])
        }
        assert.deepStrictEqual(seen.toSorted(), ["bad", "bad", "good", "good"])
        assert.strictEqual(listeners(), before + 1)
        yield* Effect.promise(() => function_.close())
        assert.strictEqual(listeners(), before)
      })
  )

  it.live("R5.3 closed in the middle of a batch it answers what is done, and then is closed", () =>
    Effect.gen(function* () {
      const emulator = yield* SqsEmulator.make({ queues: { q: {}, "q-dlq": {} } })
      const events: Array<string> = []
      const begun = Promise.withResolvers<void>()
      const told = (what: string) => Effect.sync(() => events.push(what))
      const layer = QueueClient.layer().pipe(
        Layer.provide(Layer.effectDiscard(Effect.addFinalizer(() => told("closed")))),
        Layer.provide(AwsLambda.layer()),
        Layer.provide(
          AwsProvider.layer({
            ...emulated.options({ q: { name: "q", deadLetter: { name: "q-dlq" } } }),
            endpoint: emulator.endpoint
          })
        )
      )
      const function_ = AwsLambda.handler({
        queue,
        handler: (message) =>
          textOf(message) === "quick"
            ? Effect.void
            : Effect.sync(() => begun.resolve()).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() => Effect.delay(told("ended"), "30 millis"))
              ),
        layer
      })
      const [one, other] = recorded.standard.Records
      if (one === undefined || other === undefined) return assert.fail("no records")
      const eventSourceARN = "arn:aws:sqs:us-east-1:000000000000:q"
      const Records = [
        { ...one, eventSourceARN, body: "quick" },
        { ...other, eventSourceARN, body: "slow" }
      ]
      const answer = function_({ Records }, context)
      yield* Effect.promise(() => begun.promise)
      yield* Effect.promise(() => function_.close())
      const { batchItemFailures } = yield* Effect.promise(() => answer)
      assert.deepStrictEqual(batchItemFailures, named([other.messageId]))
      assert.deepStrictEqual(events, ["ended", "closed"])
    })
  )

  it.live("R10.4 SIGTERM closes what was built, and then ends the process as ever", () =>
    Effect.callback<void, Error>((resume) => {
      const script = fileURLToPath(new URL("support/sigterm.ts", import.meta.url))
      const child = spawn(process.execPath, ["--conditions=@queue-runtime/source", script], {
        stdio: ["ignore", "pipe", "inherit"]
      })
      let heard = ""
      child.stdout.on("data", (text: Buffer) => {
        heard += text.toString()
        if (heard.endsWith("ready\n")) child.kill("SIGTERM")
      })
      child.on("error", (error) => resume(Effect.fail(error)))
      child.on("close", (_, signal) =>
        resume(
          Effect.sync(() => {
            assert.strictEqual(heard, "built\nready\nclosed\n")
            assert.strictEqual(signal, "SIGTERM")
          })
        )
      )
      return Effect.sync(() => child.kill("SIGKILL"))
    })
  )

  it.live("R10.1 without its layer a function rejects, and says what is missing", () =>
    Effect.gen(function* () {
      const { emulator } = yield* made([])
      const options = { ...emulated.options({}), endpoint: emulator.endpoint }
      const handler = AwsLambda.handler({
        queue,
        handler: () => Effect.void,
        layer: QueueClient.layer().pipe(Layer.provide(AwsProvider.layer(options)))
      })
      const error = yield* Effect.flip(
        Effect.tryPromise({
          try: () => handler({ Records: [] }, context),
          catch: (thrown) => (thrown instanceof Error ? thrown.message : "")
        })
      )
      assert.strictEqual(
        error,
        'ConfigurationInvalid: layer: has no "aws-lambda": put its layer right above the provider\'s'
      )
      yield* Effect.promise(() => handler.close())
    })
  )
})
