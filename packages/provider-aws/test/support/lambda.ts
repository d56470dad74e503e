/** What Lambda does around a function: polls, invokes, removes what the answer does not name. */
import { Context, Duration, Effect, Fiber, Layer, Schema, type Scope } from "effect"
import { TestClock } from "effect/testing"
import { type PushedBatch, QueueClient, type QueueError, QueueProvider } from "@queue-runtime/core"
import type { SqsBroker } from "@queue-runtime/sqs-emulator"
import type { SQSEvent } from "aws-lambda"
import { AwsLambda } from "../../src/lambda.ts"
import * as emulated from "./emulated.ts"
import { settle } from "./time.ts"
import type { Queues } from "./world.ts"

const Attribute = Schema.Struct({
  DataType: Schema.String,
  StringValue: Schema.optionalKey(Schema.String),
  BinaryValue: Schema.optionalKey(Schema.String)
})

const Received = Schema.Struct({
  MessageId: Schema.String,
  ReceiptHandle: Schema.String,
  Body: Schema.String,
  MD5OfBody: Schema.String,
  Attributes: Schema.Record(Schema.String, Schema.String),
  MessageAttributes: Schema.optionalKey(Schema.Record(Schema.String, Attribute))
})

const decode = Schema.decodeUnknownEffect(
  Schema.Struct({ Messages: Schema.optionalKey(Schema.Array(Received)) })
)

type ReceivedMessage = typeof Received.Type

const attributeOf = ({ BinaryValue, DataType, StringValue }: typeof Attribute.Type) => ({
  ...(StringValue === undefined ? {} : { stringValue: StringValue }),
  ...(BinaryValue === undefined ? {} : { binaryValue: BinaryValue }),
  stringListValues: [],
  binaryListValues: [],
  dataType: DataType
})

/** As Lambda writes it: every name begins small, and bytes are in base64. */
export const eventOf = (messages: ReadonlyArray<ReceivedMessage>, queue: string): SQSEvent => ({
  Records: messages.map((message) => ({
    messageId: message.MessageId,
    receiptHandle: message.ReceiptHandle,
    body: message.Body,
    attributes: {
      ApproximateReceiveCount: "1",
      SentTimestamp: "0",
      SenderId: "AIDAIENQZJOLO23YVJ4VO",
      ApproximateFirstReceiveTimestamp: "0",
      ...message.Attributes
    },
    messageAttributes: Object.fromEntries(
      Object.entries(message.MessageAttributes ?? {}).map(([name, one]) => [name, attributeOf(one)])
    ),
    md5OfBody: message.MD5OfBody,
    eventSource: "aws:sqs",
    eventSourceARN: `arn:aws:sqs:us-east-1:000000000000:${queue}`,
    awsRegion: "us-east-1"
  }))
})

/** What the poller of an event source receives. */
export const poll = Effect.fnUntraced(function* (
  broker: SqsBroker.Service,
  queue: string,
  max = 10
) {
  const input = {
    QueueUrl: queue,
    MaxNumberOfMessages: max,
    MessageSystemAttributeNames: ["All"],
    MessageAttributeNames: ["All"]
  }
  const answer = yield* Effect.orDie(broker.call("ReceiveMessage", input))
  const { Messages = [] } = yield* Effect.orDie(decode(answer))
  return Messages
})

/** Removes what the function did not name. */
export const remove = Effect.fnUntraced(function* (
  broker: SqsBroker.Service,
  queue: string,
  messages: ReadonlyArray<ReceivedMessage>,
  { batchItemFailures }: AwsLambda.BatchResponse
) {
  const failed = new Set(batchItemFailures.map(({ itemIdentifier }) => itemIdentifier))
  const done = messages.filter(({ MessageId }) => !failed.has(MessageId))
  if (done.length === 0) return
  const Entries = done.map(({ ReceiptHandle }, index) => ({ Id: String(index), ReceiptHandle }))
  yield* Effect.orDie(broker.call("DeleteMessageBatch", { QueueUrl: queue, Entries }))
})

type Invoke = (
  event: AwsLambda.Event,
  remaining: Duration.Duration
) => Effect.Effect<AwsLambda.BatchResponse, QueueError.QueueError>

/** A container of Lambda. */
export interface Container {
  readonly client: QueueClient.Service
  readonly invoke: Invoke
}

/** A container: a stack of its own over the broker, and the function in it. */
export const container = Effect.fnUntraced(function* <E>(
  broker: SqsBroker.Service,
  queues: Queues,
  options: PushedBatch.Options<E> & AwsLambda.LayerOptions
): Effect.fn.Return<Container, QueueError.QueueError, Scope.Scope> {
  const provider = AwsLambda.layer(options).pipe(Layer.provide(emulated.connect(broker, queues)))
  const context = yield* Layer.build(Layer.fresh(provider))
  const client = yield* QueueClient.make(Context.get(context, QueueProvider.QueueProvider))
  const invoke = yield* AwsLambda.make(options).pipe(
    Effect.provideService(QueueClient.QueueClient, client)
  )
  return { client, invoke }
})

/** One round of the event source: whether there was something to do. */
export const round = Effect.fnUntraced(function* (
  broker: SqsBroker.Service,
  queue: string,
  invoke: Invoke,
  remaining: Duration.Duration = Duration.seconds(20)
): Effect.fn.Return<boolean, QueueError.QueueError> {
  const messages = yield* poll(broker, queue)
  if (messages.length === 0) return false
  const response = yield* invoke(eventOf(messages, queue), remaining)
  yield* remove(broker, queue, messages, response)
  return true
})

/** An effect that ends by itself while the time goes on, half a second at a time. */
export const driven = <A, E, R>(effect: Effect.Effect<A, E, R>, limit = 3_600_000) =>
  Effect.gen(function* () {
    const fiber = yield* Effect.forkChild(effect, { startImmediately: true })
    let passed = 0
    yield* settle
    while (fiber.pollUnsafe() === undefined) {
      if (passed >= limit) return yield* Effect.die(new Error("did not end"))
      passed += 500
      yield* TestClock.adjust(500)
      yield* settle
    }
    return yield* Fiber.join(fiber)
  })
