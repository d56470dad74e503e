import { assert, describe, it } from "@effect/vitest"
import {
  ChangeMessageVisibilityBatchCommand,
  CreateQueueCommand,
  DeleteMessageBatchCommand,
  DeleteQueueCommand,
  GetQueueAttributesCommand,
  GetQueueUrlCommand,
  ListDeadLetterSourceQueuesCommand,
  ListQueuesCommand,
  ListQueueTagsCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  SQSClient,
  TagQueueCommand,
  UntagQueueCommand
} from "@aws-sdk/client-sqs"
import { Effect, Fiber } from "effect"
import { connect } from "node:net"
import { SqsEmulator } from "../src/index.ts"
import { credentials, live, sdk, untilWaiting } from "./world.ts"

/** Whatever a client says of a socket that was closed. */
const broken = /ECONNREFUSED|ECONNRESET|socket hang up/u

describe("over a socket", () => {
  it.live("the SDK finds its own MD5s, attributes and batches right", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} } })
      const QueueUrl = emulator.queueUrl("q")
      const bytes = new Uint8Array([0, 1, 254, 255])
      const MessageAttributes = {
        zulu: { DataType: "String.note", StringValue: "größer" },
        alpha: { DataType: "Number", StringValue: "-1.5e3" },
        bytes: { DataType: "Binary", BinaryValue: bytes }
      }
      const AWSTraceHeader = { DataType: "String", StringValue: "Root=1-2-3" }
      const MessageSystemAttributes = { AWSTraceHeader }
      const sent = yield* sdk(() =>
        client.send(
          new SendMessageBatchCommand({
            QueueUrl,
            Entries: [
              { Id: "a", MessageBody: "ünï 😀", MessageAttributes, MessageSystemAttributes },
              { Id: "b", MessageBody: "plain" }
            ]
          })
        )
      )
      assert.deepStrictEqual(
        sent.Successful?.map(({ Id }) => Id),
        ["a", "b"]
      )
      const { Messages = [] } = yield* sdk(() =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl,
            MaxNumberOfMessages: 10,
            MessageAttributeNames: ["All"],
            MessageSystemAttributeNames: ["All"]
          })
        )
      )
      const [first, second] = Messages
      assert.strictEqual(first?.Body, "ünï 😀")
      assert.deepStrictEqual(first?.MessageAttributes?.["zulu"], MessageAttributes.zulu)
      assert.deepEqual(first?.MessageAttributes?.["bytes"]?.BinaryValue, bytes)
      assert.strictEqual(first?.Attributes?.AWSTraceHeader, "Root=1-2-3")
      assert.strictEqual(first?.Attributes?.SenderId, "000000000000")
      assert.isUndefined(second?.MessageAttributes)
      const entries = Messages.map(({ ReceiptHandle }, index) => ({
        Id: String(index),
        ReceiptHandle
      }))
      const changed = yield* sdk(() =>
        client.send(
          new ChangeMessageVisibilityBatchCommand({
            QueueUrl,
            Entries: entries.map((entry) => Object.assign({ VisibilityTimeout: 60 }, entry))
          })
        )
      )
      assert.strictEqual(changed.Successful?.length, 2)
      const removed = yield* sdk(() =>
        client.send(
          new DeleteMessageBatchCommand({
            QueueUrl,
            Entries: [...entries, { Id: "bad", ReceiptHandle: "bad" }]
          })
        )
      )
      assert.strictEqual(removed.Successful?.length, 2)
      assert.strictEqual(removed.Failed?.[0]?.Code, "ReceiptHandleIsInvalid")
    }).pipe(Effect.scoped)
  )

  it.live("queues are made, found, listed, tagged, set, purged and deleted", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ account: "123456789012", region: "eu-west-1" })
      const create = new CreateQueueCommand({
        QueueName: "q",
        Attributes: { DelaySeconds: "5" },
        tags: { team: "a" }
      })
      const { QueueUrl } = yield* sdk(() => client.send(create))
      assert.strictEqual(QueueUrl, `${emulator.endpoint}/123456789012/q`)
      assert.strictEqual((yield* sdk(() => client.send(create))).QueueUrl, QueueUrl)
      const found = yield* sdk(() => client.send(new GetQueueUrlCommand({ QueueName: "q" })))
      assert.strictEqual(found.QueueUrl, QueueUrl)
      const dead = JSON.stringify({
        deadLetterTargetArn: "arn:aws:sqs:eu-west-1:123456789012:q",
        maxReceiveCount: 3
      })
      const source = new CreateQueueCommand({
        QueueName: "source",
        Attributes: { RedrivePolicy: dead }
      })
      yield* sdk(() => client.send(source))
      const sources = yield* sdk(() =>
        client.send(new ListDeadLetterSourceQueuesCommand({ QueueUrl }))
      )
      assert.deepStrictEqual(sources.queueUrls, [emulator.queueUrl("source")])
      const listed = yield* sdk(() => client.send(new ListQueuesCommand({})))
      assert.deepStrictEqual(listed.QueueUrls, [QueueUrl, emulator.queueUrl("source")])
      yield* sdk(() => client.send(new TagQueueCommand({ QueueUrl, Tags: { stage: "test" } })))
      yield* sdk(() => client.send(new UntagQueueCommand({ QueueUrl, TagKeys: ["team"] })))
      const { Tags } = yield* sdk(() => client.send(new ListQueueTagsCommand({ QueueUrl })))
      assert.deepEqual(Tags, { stage: "test" })
      const set = { DelaySeconds: "0", VisibilityTimeout: "77" }
      yield* sdk(() => client.send(new SetQueueAttributesCommand({ QueueUrl, Attributes: set })))
      const all = new GetQueueAttributesCommand({ QueueUrl, AttributeNames: ["All"] })
      const { Attributes } = yield* sdk(() => client.send(all))
      assert.deepInclude(Attributes, {
        ...set,
        QueueArn: "arn:aws:sqs:eu-west-1:123456789012:q",
        MaximumMessageSize: "1048576",
        MessageRetentionPeriod: "345600",
        SqsManagedSseEnabled: "true"
      })
      yield* sdk(() => client.send(new PurgeQueueCommand({ QueueUrl })))
      yield* sdk(() => client.send(new DeleteQueueCommand({ QueueUrl })))
      const gone = yield* Effect.flip(sdk(() => client.send(all)))
      assert.strictEqual(gone.name, "QueueDoesNotExist")
    }).pipe(Effect.scoped)
  )

  it.live("faults reach the SDK: cut sockets, hung calls", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} } })
      const QueueUrl = emulator.queueUrl("q")
      const send = sdk(() => client.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" })))
      yield* emulator.inject({ times: 1, fault: { _tag: "LoseReply" } })
      const lost = yield* Effect.flip(send)
      assert.match(lost.message, /ECONNRESET|socket hang up/u)
      assert.strictEqual((yield* emulator.inspect("q"))?.visible, 1)
      const { hits, remove } = yield* emulator.inject({ fault: { _tag: "Hang" } })
      const hung = yield* Effect.forkChild(send)
      yield* Effect.repeat(Effect.andThen(Effect.sleep(1), hits), { until: (count) => count === 1 })
      assert.strictEqual((yield* emulator.inspect("q"))?.visible, 1)
      yield* remove
      yield* Fiber.join(hung)
      assert.strictEqual((yield* emulator.inspect("q"))?.visible, 2)
    }).pipe(Effect.scoped)
  )
})

/** A poll over a socket of its own, which is closed once the poll waits. */
const deadPoll = Effect.fnUntraced(function* (emulator: SqsEmulator.Service) {
  const QueueUrl = emulator.queueUrl("q")
  const text = JSON.stringify({ QueueUrl, WaitTimeSeconds: 20, VisibilityTimeout: 60 })
  const socket = connect(emulator.port, "127.0.0.1")
  const head = `POST / HTTP/1.1\r\nHost: x\r\nX-Amz-Target: AmazonSQS.ReceiveMessage\r\nContent-Length: ${text.length}\r\n\r\n`
  socket.write(head + text)
  yield* untilWaiting(emulator, "q", 1)
  yield* Effect.callback<void>((resume) => {
    socket.once("close", () => resume(Effect.void))
    socket.resetAndDestroy()
  })
})

const sendOne = (client: SQSClient, QueueUrl: string) =>
  sdk(() => client.send(new SendMessageCommand({ QueueUrl, MessageBody: "x" })))

describe("deadSockets", () => {
  it.live("deliver: a dead socket's poll gets a message that nobody sees", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} } })
      yield* deadPoll(emulator)
      yield* sendOne(client, emulator.queueUrl("q"))
      const view = yield* emulator.inspect("q")
      assert.deepStrictEqual([view?.inFlight, view?.visible, view?.waiting], [1, 0, 0])
    }).pipe(Effect.scoped)
  )

  it.live("forget: it is taken off", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} }, deadSockets: "forget" })
      yield* deadPoll(emulator)
      yield* untilWaiting(emulator, "q", 0)
      yield* sendOne(client, emulator.queueUrl("q"))
      assert.strictEqual((yield* emulator.inspect("q"))?.visible, 1)
    }).pipe(Effect.scoped)
  )
})

describe("restart", () => {
  it.live("cuts what is under way and listens on the same port, with or without its state", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* live({ queues: { q: {} } })
      const QueueUrl = emulator.queueUrl("q")
      yield* sendOne(client, QueueUrl)
      const receive = (WaitTimeSeconds: number) =>
        sdk(() => client.send(new ReceiveMessageCommand({ QueueUrl, WaitTimeSeconds })))
      assert.strictEqual((yield* receive(0)).Messages?.length, 1)
      const poll = yield* Effect.forkChild(Effect.flip(receive(20)))
      yield* untilWaiting(emulator, "q", 1)
      let down: string | undefined
      const look = receive(0).pipe(
        Effect.flip,
        Effect.map(({ message }) => {
          down = message
        }),
        Effect.ignore
      )
      yield* emulator.restart({ keepState: true, down: look })
      assert.match((yield* Fiber.join(poll)).message, /ECONNRESET|socket hang up/u)
      assert.match(down ?? "", broken)
      assert.strictEqual((yield* emulator.inspect("q"))?.inFlight, 1)
      // A socket that was cut may be used once more before it is found out.
      yield* Effect.retry(sendOne(client, QueueUrl), { times: 3 })
      yield* emulator.restart({ keepState: false })
      const gone = yield* Effect.flip(
        Effect.retry(receive(0), { while: ({ message }) => broken.test(message), times: 3 })
      )
      assert.strictEqual(gone.name, "QueueDoesNotExist")
    }).pipe(Effect.scoped)
  )
})

describe("starting", () => {
  it.live("a port that is taken, or a queue that is none, is StartFailed", () =>
    Effect.gen(function* () {
      const { emulator } = yield* live()
      const taken = yield* Effect.flip(SqsEmulator.make({ port: emulator.port }))
      assert.match(taken.message, /did not start: .*EADDRINUSE/u)
      const wrong = yield* Effect.flip(SqsEmulator.make({ queues: { "a b": {} } }))
      assert.match(wrong.message, /did not start: Can only include alphanumeric/u)
    }).pipe(Effect.scoped)
  )

  it.live("without Effect it starts, is looked at, and closes", () =>
    Effect.gen(function* () {
      const sqs = yield* Effect.promise(() => SqsEmulator.start({ queues: { q: {} } }))
      const { endpoint } = sqs
      const client = new SQSClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 })
      const remove = sqs.inject({ fault: { _tag: "Fail", kind: "OverLimit" } })
      const refused = yield* Effect.flip(sendOne(client, sqs.queueUrl("q")))
      assert.strictEqual(refused.name, "OverLimit")
      remove()
      yield* sendOne(client, sqs.queueUrl("q"))
      assert.strictEqual(sqs.inspect("q")?.visible, 1)
      assert.deepInclude(sqs.calls(), { SendMessage: 2 })
      yield* Effect.promise(() => sqs.restart({ keepState: true }))
      yield* Effect.retry(sendOne(client, sqs.queueUrl("q")), { times: 3 })
      assert.strictEqual(sqs.inspect("q")?.visible, 2)
      yield* Effect.promise(() => sqs.close())
      const closed = yield* Effect.flip(sendOne(client, sqs.queueUrl("q")))
      assert.match(closed.message, broken)
      client.destroy()
    })
  )

  it.live("it binds the loopback unless told otherwise", () =>
    Effect.gen(function* () {
      const { emulator } = yield* live()
      assert.strictEqual(emulator.endpoint, `http://127.0.0.1:${emulator.port}`)
      const names = SqsEmulator.SqsEmulator.use(({ queues }) => queues)
      const layer = SqsEmulator.layer({ host: "::1", queues: { q: {} } })
      assert.deepStrictEqual(yield* Effect.provide(names, layer), ["q"])
    }).pipe(Effect.scoped)
  )
})
