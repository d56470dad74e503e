import { Effect, Schema } from "effect"
import { SQSClient } from "@aws-sdk/client-sqs"
import { SqsBroker, SqsEmulator, type SqsError } from "../src/index.ts"

const Attribute = Schema.Struct({
  DataType: Schema.String,
  StringValue: Schema.optionalKey(Schema.String),
  BinaryValue: Schema.optionalKey(Schema.String)
})

const Message = Schema.Struct({
  MessageId: Schema.String,
  ReceiptHandle: Schema.String,
  Body: Schema.String,
  MD5OfBody: Schema.String,
  MD5OfMessageAttributes: Schema.optionalKey(Schema.String),
  Attributes: Schema.optionalKey(Schema.Record(Schema.String, Schema.String)),
  MessageAttributes: Schema.optionalKey(Schema.Record(Schema.String, Attribute))
})

export type Message = typeof Message.Type

const Received = Schema.Struct({ Messages: Schema.optionalKey(Schema.Array(Message)) })

const Outcome = Schema.Struct({
  Successful: Schema.Array(Schema.Struct({ Id: Schema.String })),
  Failed: Schema.Array(
    Schema.Struct({
      Id: Schema.String,
      Code: Schema.String,
      Message: Schema.String,
      SenderFault: Schema.Boolean
    })
  )
})

const Sent = Schema.Struct({
  MessageId: Schema.String,
  MD5OfMessageBody: Schema.String,
  SequenceNumber: Schema.optionalKey(Schema.String)
})

const decodeReceived = Schema.decodeUnknownSync(Received)
const decodeOutcome = Schema.decodeUnknownSync(Outcome)
const decodeSent = Schema.decodeUnknownSync(Sent)

type Input = Readonly<Record<string, unknown>>

/** A broker with short words for its calls; a body's first letter is its group on FIFO queues. */
export const make = Effect.fnUntraced(function* (
  queues: Readonly<Record<string, Readonly<Record<string, string>>>>,
  options: SqsBroker.Options = {}
) {
  const broker = yield* SqsBroker.make({ seed: "test", ...options })
  const create = (QueueName: string, given: Readonly<Record<string, string>> = {}) =>
    broker.call("CreateQueue", {
      QueueName,
      Attributes: QueueName.endsWith(".fifo") ? { FifoQueue: "true", ...given } : given
    })
  yield* Effect.forEach(Object.entries(queues), ([name, given]) => create(name, given))
  let sends = 0
  const idsOf = (queue: string, body: string): Input => {
    sends++
    return queue.endsWith(".fifo")
      ? { MessageGroupId: body.slice(0, 1), MessageDeduplicationId: `d${sends}` }
      : {}
  }
  return {
    broker,
    create,
    send: (queue: string, MessageBody: string, more: Input = {}) =>
      broker
        .call("SendMessage", {
          QueueUrl: queue,
          MessageBody,
          ...idsOf(queue, MessageBody),
          ...more
        })
        .pipe(Effect.map(decodeSent)),
    sendAll: (queue: string, bodies: ReadonlyArray<string>, more: Input = {}) =>
      broker
        .call("SendMessageBatch", {
          QueueUrl: queue,
          Entries: bodies.map((MessageBody, index) =>
            Object.assign({ Id: String(index), MessageBody }, idsOf(queue, MessageBody), more)
          )
        })
        .pipe(Effect.map(decodeOutcome)),
    receive: (queue: string, more: Input = {}) =>
      broker
        .call("ReceiveMessage", {
          QueueUrl: queue,
          MaxNumberOfMessages: 10,
          AttributeNames: ["All"],
          ...more
        })
        .pipe(Effect.map((output) => decodeReceived(output).Messages ?? [])),
    remove: (queue: string, message: { readonly ReceiptHandle: string }) =>
      broker.call("DeleteMessage", { QueueUrl: queue, ReceiptHandle: message.ReceiptHandle }),
    change: (
      queue: string,
      message: { readonly ReceiptHandle: string },
      VisibilityTimeout: number
    ) =>
      broker.call("ChangeMessageVisibility", {
        QueueUrl: queue,
        ReceiptHandle: message.ReceiptHandle,
        VisibilityTimeout
      }),
    changeAll: (
      queue: string,
      messages: ReadonlyArray<{ readonly ReceiptHandle: string }>,
      VisibilityTimeout: number
    ) =>
      broker
        .call("ChangeMessageVisibilityBatch", {
          QueueUrl: queue,
          Entries: messages.map(({ ReceiptHandle }, index) => ({
            Id: String(index),
            ReceiptHandle,
            VisibilityTimeout
          }))
        })
        .pipe(Effect.map(decodeOutcome))
  }
})

/** Bodies in order, each with its receive count when it was received before: `A0 A1#2`. */
export const show = (messages: ReadonlyArray<Message>): string =>
  messages
    .map(({ Attributes, Body }) => {
      const count = Attributes?.["ApproximateReceiveCount"] ?? "1"
      return count === "1" ? Body : `${Body}#${count}`
    })
    .join(" ")

/** The only message of a receive. */
export const only = (messages: ReadonlyArray<Message>): Message => {
  const [first, ...rest] = messages
  if (first === undefined || rest.length > 0) throw new Error(`not one: ${show(messages)}`)
  return first
}

/** The refusal's kind, or `ok`. */
export const kindOf = <A, E extends { readonly _tag: string }, R>(
  effect: Effect.Effect<A, E | SqsError.SqsError, R>
): Effect.Effect<string, never, R> =>
  effect.pipe(
    Effect.as("ok"),
    Effect.catch((error) => Effect.succeed("kind" in error ? error.kind : error._tag))
  )

export const credentials = { accessKeyId: "any", secretAccessKey: "any" }

/** An emulator on a socket, and the SDK for it. */
export const live = Effect.fnUntraced(function* (options: SqsEmulator.Options = {}) {
  const emulator = yield* SqsEmulator.make(options)
  const client = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new SQSClient({
          endpoint: emulator.endpoint,
          region: "us-east-1",
          credentials,
          maxAttempts: 1
        })
    ),
    (made) => Effect.sync(() => made.destroy())
  )
  return { emulator, client }
})

/** What a call of the SDK throws, by name, message and status. */
export interface Thrown {
  readonly name: string
  readonly message: string
  readonly status: number | undefined
}

const statusOf = (error: Error): number | undefined => {
  if (!("$metadata" in error)) return undefined
  const metadata = error.$metadata
  if (typeof metadata !== "object" || metadata === null) return undefined
  return "httpStatusCode" in metadata && typeof metadata.httpStatusCode === "number"
    ? metadata.httpStatusCode
    : undefined
}

/** A call of the SDK, with what it throws as a value. */
export const sdk = <A>(f: () => Promise<A>): Effect.Effect<A, Thrown> =>
  Effect.tryPromise({
    try: f,
    catch: (cause) =>
      cause instanceof Error
        ? { name: cause.name, message: cause.message, status: statusOf(cause) }
        : { name: "none", message: "no error", status: undefined }
  })

/** One turn of the event loop: sockets and the SDK go on while virtual time stands. */
const loop = Effect.promise(() => new Promise<void>((resolve) => void setImmediate(resolve)))

/** Lets the event loop turn until this many polls wait on a queue. */
export const untilWaiting = (
  broker: Pick<SqsBroker.Service, "inspect">,
  queue: string,
  count: number
): Effect.Effect<void> =>
  Effect.andThen(loop, broker.inspect(queue)).pipe(
    Effect.repeat({ until: (view) => view?.waiting === count }),
    Effect.asVoid
  )
