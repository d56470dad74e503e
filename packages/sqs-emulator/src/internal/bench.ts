/** What a probe works with: one queue of its own on some endpoint, and short words for the calls. */
import {
  ChangeMessageVisibilityBatchCommand,
  ChangeMessageVisibilityCommand,
  CreateQueueCommand,
  DeleteMessageCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  type Message,
  ReceiveMessageCommand,
  type ReceiveMessageCommandInput,
  SendMessageBatchCommand,
  SendMessageCommand,
  type SendMessageCommandInput,
  type SQSClient
} from "@aws-sdk/client-sqs"
import * as Data from "effect/Data"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { randomUUID } from "node:crypto"

/** A call that was refused, by the name the SDK gives to the refusal. */
export class Refused extends Data.TaggedError("Refused")<{
  readonly name: string
  readonly message: string
}> {}

const refusedOf = (cause: unknown): Refused =>
  cause instanceof Error
    ? new Refused({ name: cause.name, message: cause.message })
    : new Refused({ name: "Unknown", message: "what was thrown is no error" })

/** A call of the SDK. */
export const call = <A>(f: () => Promise<A>): Effect.Effect<A, Refused> =>
  Effect.tryPromise({ try: f, catch: refusedOf })

export interface QueueOptions {
  readonly fifo: boolean
  readonly attributes?: Readonly<Record<string, string>>
}

export interface SendOptions extends Omit<
  Partial<SendMessageCommandInput>,
  "QueueUrl" | "MessageBody"
> {}

export interface ReceiveOptions extends Omit<Partial<ReceiveMessageCommandInput>, "QueueUrl"> {}

/** A queue of a probe. */
export interface Queue {
  readonly url: string
  readonly arn: string
  readonly client: SQSClient
  /** On FIFO the first letter of the body is the group unless another one is given. */
  readonly send: (
    body: string,
    options?: SendOptions
  ) => Effect.Effect<{ readonly MessageId?: string | undefined }, Refused>
  /** In one batch, so that one receive may find them all. */
  readonly sendAll: (bodies: ReadonlyArray<string>) => Effect.Effect<void, Refused>
  readonly receive: (options?: ReceiveOptions) => Effect.Effect<ReadonlyArray<Message>, Refused>
  readonly remove: (message: Message | undefined) => Effect.Effect<void, Refused>
  readonly change: (message: Message | undefined, seconds: number) => Effect.Effect<void, Refused>
  readonly changeAll: (
    messages: ReadonlyArray<Message>,
    seconds: number
  ) => Effect.Effect<void, Refused>
}

/** The first letter of a body is its group; every send has a deduplication id of its own. */
const idsOf = (fifo: boolean, body: string) =>
  fifo ? { MessageGroupId: body.slice(0, 1), MessageDeduplicationId: randomUUID() } : {}

const handleOf = (message: Message | undefined): string => message?.ReceiptHandle ?? "none"

const makeQueue = (client: SQSClient, fifo: boolean, url: string, arn: string): Queue => ({
  url,
  arn,
  client,
  send: (MessageBody, options = {}) =>
    call(() =>
      client.send(
        new SendMessageCommand({
          QueueUrl: url,
          MessageBody,
          ...idsOf(fifo, MessageBody),
          ...options
        })
      )
    ),
  sendAll: (bodies) => {
    const Entries = bodies.map((MessageBody, index) =>
      Object.assign({ Id: String(index), MessageBody }, idsOf(fifo, MessageBody))
    )
    return Effect.asVoid(
      call(() => client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries })))
    )
  },
  receive: (options = {}) =>
    call(() =>
      client.send(
        new ReceiveMessageCommand({
          QueueUrl: url,
          MaxNumberOfMessages: 10,
          WaitTimeSeconds: 1,
          MessageSystemAttributeNames: ["All"],
          ...options
        })
      )
    ).pipe(Effect.map(({ Messages = [] }) => Messages)),
  remove: (message) =>
    Effect.asVoid(
      call(() =>
        client.send(new DeleteMessageCommand({ QueueUrl: url, ReceiptHandle: handleOf(message) }))
      )
    ),
  change: (message, VisibilityTimeout) =>
    Effect.asVoid(
      call(() =>
        client.send(
          new ChangeMessageVisibilityCommand({
            QueueUrl: url,
            ReceiptHandle: handleOf(message),
            VisibilityTimeout
          })
        )
      )
    ),
  changeAll: (messages, VisibilityTimeout) => {
    const Entries = messages.map((message, index) => ({
      Id: String(index),
      ReceiptHandle: handleOf(message),
      VisibilityTimeout
    }))
    return Effect.asVoid(
      call(() => client.send(new ChangeMessageVisibilityBatchCommand({ QueueUrl: url, Entries })))
    )
  }
})

const deleteQueue = (client: SQSClient, QueueUrl: string): Effect.Effect<void> =>
  Effect.ignore(call(() => client.send(new DeleteQueueCommand({ QueueUrl }))))

/** The name of a queue that nobody else uses. */
export const freshName = (fifo: boolean): Effect.Effect<string> =>
  Effect.sync(() => `probe-${randomUUID()}${fifo ? ".fifo" : ""}`)

/** Makes a queue, and deletes it with the scope. */
export const queue = Effect.fnUntraced(function* (
  client: SQSClient,
  { attributes = {}, fifo }: QueueOptions
): Effect.fn.Return<Queue, Refused, Scope.Scope> {
  const QueueName = yield* freshName(fifo)
  const Attributes = { ...(fifo ? { FifoQueue: "true" } : {}), ...attributes }
  const create = call(() => client.send(new CreateQueueCommand({ QueueName, Attributes })))
  const { QueueUrl = "" } = yield* Effect.acquireRelease(create, ({ QueueUrl: made = "" }) =>
    deleteQueue(client, made)
  )
  const found = yield* call(() =>
    client.send(new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["QueueArn"] }))
  )
  return makeQueue(client, fifo, QueueUrl, found.Attributes?.QueueArn ?? "")
})

/** Bodies in order, each with its receive count when it was received before: `A0 A1#2`. */
export const show = (messages: ReadonlyArray<Message>): string =>
  messages.length === 0
    ? "nothing"
    : messages
        .map(({ Attributes, Body }) => {
          const count = Attributes?.ApproximateReceiveCount ?? "1"
          return count === "1" ? Body : `${Body}#${count}`
        })
        .join(" ")

/** What became of a call: `ok`, or the name of its refusal. */
export const outcome = <A>(effect: Effect.Effect<A, Refused>): Effect.Effect<string> =>
  effect.pipe(
    Effect.as("ok"),
    Effect.catch(({ name }) => Effect.succeed(name))
  )
