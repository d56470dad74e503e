import {
  type BatchResultErrorEntry,
  ChangeMessageVisibilityBatchCommand,
  type ChangeMessageVisibilityBatchCommandInput,
  DeleteMessageBatchCommand,
  type DeleteMessageBatchCommandInput,
  GetQueueAttributesCommand,
  type Message as ReceivedSqsMessage,
  type MessageAttributeValue,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  type SendMessageBatchCommandInput,
  type SendMessageBatchRequestEntry
} from "@aws-sdk/client-sqs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { Defaults, Options, type Outcome, QueueAddress, type QueueError } from "@queue-runtime/core"
import type * as AwsClient from "../AwsClient.ts"
import * as errors from "./errors.ts"
import { type Redrive, redriveOf } from "./redrive.ts"
import type { Queue } from "./resolving.ts"
import * as sdk from "./sdk.ts"
import { sizeOf } from "./size.ts"
import { sequenceOf } from "./sequence.ts"

export type { Queue } from "./resolving.ts"

/** A message as SQS hands it out. */
export interface SqsMessage {
  /** The broker's id, not ours. */
  readonly id: string
  /** The receipt handle. */
  readonly handle: string
  readonly body: string
  readonly systemAttributes: Readonly<Record<string, string>>
  readonly attributes: Readonly<Record<string, MessageAttributeValue>>
}

/** A message as SQS takes it. */
export interface SendEntry {
  readonly body: string
  readonly attributes: Readonly<Record<string, MessageAttributeValue>>
  /** X-Ray's, which SQS carries beside the ten. */
  readonly traceHeader?: string
  /** FIFO only, though standard queues take one (fair queues). */
  readonly groupId?: string
  /** FIFO only. */
  readonly deduplicationId?: string
  /** Standard queues only; at most 900. */
  readonly delaySeconds?: number
}

/** What SQS says of a message it took. */
export interface SentEntry {
  /** The broker's id, not ours. */
  readonly id: string
  /** FIFO only. */
  readonly sequenceNumber?: bigint
}

/** One receive call. */
export interface ReceiveCall {
  /** 1 to 10. */
  readonly max: number
  /** 0 to 20. */
  readonly waitSeconds: number
  /** 0 to 43,200. */
  readonly visibilitySeconds: number
  /** FIFO only: the same id within five minutes answers the same batch, if none of it was touched. */
  readonly attemptId?: string
}

/** How a queue is set up, and what it holds about now. */
export interface QueueAttributes {
  readonly arn: string
  readonly isFifo: boolean
  /** FIFO only. */
  readonly deduplicationScope?: "queue" | "messageGroup"
  readonly visibilityTimeout: Duration.Duration
  /** Of every message sent, unless it says otherwise. */
  readonly delay: Duration.Duration
  readonly retention: Duration.Duration
  /** In bytes. */
  readonly messageSizeMax: number
  /** Where the broker moves a message to, after how many receives. */
  readonly redrive?: Redrive
  readonly counts: {
    readonly visible: number
    readonly inFlight: number
    readonly delayed: number
  }
}

/** The data plane of SQS: at most ten entries a call, one outcome an entry, nothing is retried. */
export interface Sqs {
  /** Where an address leads, from the configuration or asked for once. */
  readonly queueOf: (
    address: QueueAddress.QueueAddress
  ) => Effect.Effect<Queue, QueueError.QueueError>
  readonly receive: (
    queue: Queue,
    call: ReceiveCall
  ) => Effect.Effect<ReadonlyArray<SqsMessage>, QueueError.QueueError>
  readonly send: (
    queue: Queue,
    entries: ReadonlyArray<SendEntry>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<SentEntry>>, QueueError.QueueError>
  readonly remove: (
    queue: Queue,
    handles: ReadonlyArray<string>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>
  readonly changeVisibility: (
    queue: Queue,
    entries: ReadonlyArray<{ readonly handle: string; readonly seconds: number }>
  ) => Effect.Effect<ReadonlyArray<Outcome.Outcome<void>>, QueueError.QueueError>
  readonly attributes: (queue: Queue) => Effect.Effect<QueueAttributes, QueueError.QueueError>
}

type Use = AwsClient.Service["use"]

const toMessage = (received: ReceivedSqsMessage): SqsMessage => ({
  id: received.MessageId ?? "",
  handle: received.ReceiptHandle ?? "",
  body: received.Body ?? "",
  systemAttributes: received.Attributes ?? {},
  attributes: received.MessageAttributes ?? {}
})

const receiveInput = (queue: Queue, call: ReceiveCall) => ({
  QueueUrl: queue.url,
  MaxNumberOfMessages: call.max,
  WaitTimeSeconds: call.waitSeconds,
  VisibilityTimeout: call.visibilitySeconds,
  MessageSystemAttributeNames: ["All" as const],
  MessageAttributeNames: ["All"],
  ...Options.defined({ ReceiveRequestAttemptId: call.attemptId })
})

const sendEntry = (entry: SendEntry, index: number): SendMessageBatchRequestEntry => ({
  Id: String(index),
  MessageBody: entry.body,
  MessageAttributes: { ...entry.attributes },
  ...Options.defined({
    MessageGroupId: entry.groupId,
    MessageDeduplicationId: entry.deduplicationId,
    DelaySeconds: entry.delaySeconds
  }),
  ...(entry.traceHeader === undefined
    ? {}
    : {
        MessageSystemAttributes: {
          AWSTraceHeader: { DataType: "String", StringValue: entry.traceHeader }
        }
      })
})

interface BatchAnswer<S> {
  readonly Successful?: ReadonlyArray<S> | undefined
  readonly Failed?: ReadonlyArray<BatchResultErrorEntry> | undefined
}

/** One outcome an entry, in the order of the entries, whatever the order of the answer. */
const outcomesOf = <S extends { readonly Id: string | undefined }, A>(
  count: number,
  answer: BatchAnswer<S>,
  placeOf: (index: number) => errors.Place,
  success: (entry: S) => A
): ReadonlyArray<Outcome.Outcome<A>> => {
  const { Failed = [], Successful = [] } = answer
  // As most are: nothing failed, and they are in their order.
  if (
    Failed.length === 0 &&
    Successful.length === count &&
    Successful.every(({ Id }, index) => Id === String(index))
  ) {
    return Successful.map((entry) => Result.succeed(success(entry)))
  }
  const succeeded = new Map(Successful.map((entry) => [entry.Id, entry]))
  const failed = new Map(Failed.map((entry) => [entry.Id, entry]))
  return Array.from({ length: count }, (_, index) => {
    const id = String(index)
    const entry = succeeded.get(id)
    if (entry !== undefined) return Result.succeed(success(entry))
    const failure = failed.get(id)
    return Result.fail(
      failure === undefined
        ? errors.unanswered(placeOf(index))
        : errors.fromEntry(failure, placeOf(index))
    )
  })
}

const nothing = (): void => undefined

const isQueueNotFound = (failed: QueueError.QueueError): boolean =>
  failed.reason._tag === "QueueNotFound"

const placeIn = (operation: string, queue: Queue): errors.Place => ({
  operation,
  queue: QueueAddress.format(queue.address)
})

const number = (attributes: Partial<Record<string, string>>, name: string): number =>
  Number(attributes[name] ?? 0)

const attributesOf = (attributes: Partial<Record<string, string>>): QueueAttributes => {
  const isFifo = attributes["FifoQueue"] === "true"
  const scope = attributes["DeduplicationScope"] === "messageGroup" ? "messageGroup" : "queue"
  const redrive = redriveOf(attributes["RedrivePolicy"])
  return {
    arn: attributes["QueueArn"] ?? "",
    isFifo,
    ...(isFifo ? { deduplicationScope: scope } : {}),
    visibilityTimeout: Duration.seconds(number(attributes, "VisibilityTimeout")),
    delay: Duration.seconds(number(attributes, "DelaySeconds")),
    retention: Duration.seconds(number(attributes, "MessageRetentionPeriod")),
    messageSizeMax: number(attributes, "MaximumMessageSize") || Defaults.sqsMessageSizeMax,
    ...Options.defined({ redrive }),
    counts: {
      visible: number(attributes, "ApproximateNumberOfMessages"),
      inFlight: number(attributes, "ApproximateNumberOfMessagesNotVisible"),
      delayed: number(attributes, "ApproximateNumberOfMessagesDelayed")
    }
  }
}

const makeReceive = (use: Use, requestTimeout: Duration.Duration): Sqs["receive"] => {
  const receive = sdk.operation(
    (input: ReceiveMessageCommandInput) => new ReceiveMessageCommand(input),
    { QueueUrl: undefined }
  )
  return (queue, call) => {
    const input = receiveInput(queue, call)
    const timeout = Duration.sum(requestTimeout, Duration.seconds(call.waitSeconds))
    return use((client, signal) => receive(client, input, signal), {
      ...placeIn("receive", queue),
      timeout
    }).pipe(Effect.map(({ Messages = [] }) => Messages.map(toMessage)))
  }
}

const makeSend = (use: Use): Sqs["send"] => {
  const send = sdk.operation(
    (input: SendMessageBatchCommandInput) => new SendMessageBatchCommand(input),
    { QueueUrl: undefined, Entries: [] }
  )
  return (queue, entries) => {
    const place = placeIn("send", queue)
    const input = { QueueUrl: queue.url, Entries: entries.map(sendEntry) }
    const placeOf = (index: number): errors.Place => {
      const entry = entries[index]
      return { ...place, index, ...(entry === undefined ? {} : { bytes: sizeOf(entry) }) }
    }
    return use((client, signal) => send(client, input, signal), place).pipe(
      Effect.map((answer) =>
        outcomesOf(entries.length, answer, placeOf, ({ MessageId = "", SequenceNumber }) => ({
          id: MessageId,
          ...Options.defined({ sequenceNumber: sequenceOf(SequenceNumber) })
        }))
      )
    )
  }
}

const makeRemove = (use: Use): Sqs["remove"] => {
  const remove = sdk.operation(
    (input: DeleteMessageBatchCommandInput) => new DeleteMessageBatchCommand(input),
    { QueueUrl: undefined, Entries: [] }
  )
  return (queue, handles) => {
    const place = placeIn("remove", queue)
    const input = {
      QueueUrl: queue.url,
      Entries: handles.map((handle, index) => ({ Id: String(index), ReceiptHandle: handle }))
    }
    return use((client, signal) => remove(client, input, signal), place).pipe(
      Effect.map((answer) => outcomesOf(handles.length, answer, () => place, nothing))
    )
  }
}

const makeChangeVisibility = (use: Use): Sqs["changeVisibility"] => {
  const change = sdk.operation(
    (input: ChangeMessageVisibilityBatchCommandInput) =>
      new ChangeMessageVisibilityBatchCommand(input),
    { QueueUrl: undefined, Entries: [] }
  )
  return (queue, entries) => {
    const place = placeIn("changeVisibility", queue)
    const input = {
      QueueUrl: queue.url,
      Entries: entries.map(({ handle, seconds }, index) => ({
        Id: String(index),
        ReceiptHandle: handle,
        VisibilityTimeout: seconds
      }))
    }
    return use((client, signal) => change(client, input, signal), place).pipe(
      Effect.map((answer) => outcomesOf(entries.length, answer, () => place, nothing))
    )
  }
}

const makeAttributes =
  (use: Use): Sqs["attributes"] =>
  (queue) => {
    const command = new GetQueueAttributesCommand({
      QueueUrl: queue.url,
      AttributeNames: ["All"]
    })
    return use(
      (client, abortSignal) => client.send(command, { abortSignal }),
      placeIn("attributes", queue)
    ).pipe(Effect.map(({ Attributes = {} }) => attributesOf(Attributes)))
  }

/** The data plane over a client. A batch of none is no call. */
export const make = (client: AwsClient.Service): Sqs => {
  const { config, forget, queueOf, use } = client

  /** A queue that is gone may have been made again elsewhere: the next call asks where. */
  const watched = <A>(queue: Queue, call: Effect.Effect<A, QueueError.QueueError>) =>
    Effect.tapError(call, (failed) =>
      isQueueNotFound(failed) ? forget(queue.address) : Effect.void
    )

  const batch =
    <I, A>(
      call: (
        queue: Queue,
        entries: ReadonlyArray<I>
      ) => Effect.Effect<ReadonlyArray<A>, QueueError.QueueError>
    ) =>
    (queue: Queue, entries: ReadonlyArray<I>) =>
      entries.length === 0 ? Effect.succeed([]) : watched(queue, call(queue, entries))

  const receive = makeReceive(use, config.requestTimeout)
  const attributes = makeAttributes(use)
  return {
    queueOf,
    receive: (queue, call) => watched(queue, receive(queue, call)),
    send: batch(makeSend(use)),
    remove: batch(makeRemove(use)),
    changeVisibility: batch(makeChangeVisibility(use)),
    attributes: (queue) => watched(queue, attributes(queue))
  }
}
