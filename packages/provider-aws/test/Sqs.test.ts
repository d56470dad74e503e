import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result } from "effect"
import { TestClock } from "effect/testing"
import { createHash } from "node:crypto"
import {
  Defaults,
  type Outcome,
  QueueAddress,
  type QueueError,
  QueueName
} from "@queue-runtime/core"
import { AwsClient, type AwsConfig } from "../src/index.ts"
import * as sqs from "../src/internal/sqs.ts"
import * as Server from "./support/server.ts"

const orders = QueueName.makeUnsafe("orders")

const base = {
  region: "eu-west-1",
  credentials: { _tag: "Keys", accessKeyId: "A", secretAccessKey: "s" }
} as const

const world = Effect.fnUntraced(function* (
  answer: (asked: Server.Asked) => Server.Answer,
  more: AwsConfig.Options = {}
) {
  const server = yield* Server.make(answer)
  const client = yield* AwsClient.make({ ...base, endpoint: server.url, ...more })
  const queue: sqs.Queue = {
    address: QueueAddress.queue(orders),
    queue: orders,
    url: `${server.url}/000000000000/orders.fifo`,
    isFifo: true
  }
  return { server, plane: sqs.make(client), queue }
})

const md5 = (text: string): string => createHash("md5").update(text).digest("hex")

const askedOf = (server: Server.Server, index = 0): unknown =>
  JSON.parse(server.asked[index]?.body ?? "null")

const tags = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>): ReadonlyArray<string> =>
  outcomes.map((outcome) =>
    Result.isSuccess(outcome) ? "ok" : `${outcome.failure.reason._tag} ${outcome.failure.retry}`
  )

describe("receive", () => {
  it.live("R3.1 asks for everything a message has, and reads it", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => ({
        body: {
          Messages: [
            {
              MessageId: "id-1",
              ReceiptHandle: "handle-1",
              Body: "größe",
              MD5OfBody: md5("größe"),
              Attributes: { SentTimestamp: "1", MessageGroupId: "g" },
              MessageAttributes: {
                n: { DataType: "Number", StringValue: "1" },
                b: { DataType: "Binary", BinaryValue: "AP8=" }
              }
            }
          ]
        }
      }))
      const call = { max: 10, waitSeconds: 0, visibilitySeconds: 300, attemptId: "try-1" }
      const [message] = yield* plane.receive(queue, call)
      assert.strictEqual(Server.operationOf(server.asked[0] ?? assert.fail()), "ReceiveMessage")
      assert.deepStrictEqual(askedOf(server), {
        QueueUrl: queue.url,
        MaxNumberOfMessages: 10,
        WaitTimeSeconds: 0,
        VisibilityTimeout: 300,
        MessageSystemAttributeNames: ["All"],
        MessageAttributeNames: ["All"],
        ReceiveRequestAttemptId: "try-1"
      })
      assert.deepInclude(message, {
        id: "id-1",
        handle: "handle-1",
        body: "größe",
        systemAttributes: { SentTimestamp: "1", MessageGroupId: "g" }
      })
      assert.deepStrictEqual([...(message?.attributes["b"]?.BinaryValue ?? [])], [0, 255])
    })
  )

  it.live("R3.3 nothing there is an empty answer", () =>
    Effect.gen(function* () {
      const { plane, queue } = yield* world(() => ({ body: {} }))
      const call = { max: 1, waitSeconds: 0, visibilitySeconds: 30 }
      assert.deepStrictEqual(yield* plane.receive(queue, call), [])
    })
  )

  it.effect("R10.6 a long poll has its wait on top of a call's time", () =>
    Effect.gen(function* () {
      const client = yield* AwsClient.make(base, {
        requestHandler: { handle: () => new Promise<never>(() => undefined) }
      })
      const plane = sqs.make(client)
      const queue: sqs.Queue = {
        address: QueueAddress.queue(orders),
        queue: orders,
        url: "https://sqs.eu-west-1.amazonaws.com/1/orders",
        isFifo: false
      }
      const call = { max: 1, waitSeconds: 20, visibilitySeconds: 30 }
      const fiber = yield* Effect.forkChild(Effect.flip(plane.receive(queue, call)))
      yield* TestClock.adjust("29 seconds")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 second")
      const error = yield* Fiber.join(fiber)
      assert.deepInclude(error.reason, { _tag: "Timeout", after: Duration.seconds(30) })
    })
  )
})

describe("send", () => {
  it.live("R3.9 one outcome an entry, in their order, whatever the order of the answer", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => ({
        body: {
          Failed: [
            { Id: "1", Code: "InternalError", SenderFault: false },
            { Id: "3", Code: "InvalidMessageContents", SenderFault: true }
          ],
          Successful: [
            { Id: "2", MessageId: "m-2", MD5OfMessageBody: md5("c"), SequenceNumber: "?" },
            {
              Id: "0",
              MessageId: "m-0",
              MD5OfMessageBody: md5("a"),
              SequenceNumber: "18850000000000000256"
            }
          ]
        }
      }))
      const entry = (body: string): sqs.SendEntry => ({ body, attributes: {} })
      const first: sqs.SendEntry = {
        body: "a",
        attributes: { n: { DataType: "String", StringValue: "v" } },
        traceHeader: "Root=1-x",
        groupId: "g",
        deduplicationId: "d"
      }
      const outcomes = yield* plane.send(queue, [
        first,
        entry("b"),
        entry("c"),
        entry("d"),
        entry("e")
      ])
      assert.deepStrictEqual(tags(outcomes), [
        "ok",
        "ProviderFailure Transient",
        "ok",
        "ValidationFailed Never",
        "ProviderFailure Transient"
      ])
      assert.deepStrictEqual<unknown>(
        outcomes[0],
        Result.succeed({ id: "m-0", sequenceNumber: 18_850_000_000_000_000_256n })
      )
      assert.deepStrictEqual<unknown>(outcomes[2], Result.succeed({ id: "m-2" }))
      assert.deepNestedInclude(askedOf(server), {
        "Entries[0]": {
          Id: "0",
          MessageBody: "a",
          MessageAttributes: { n: { DataType: "String", StringValue: "v" } },
          MessageSystemAttributes: {
            AWSTraceHeader: { DataType: "String", StringValue: "Root=1-x" }
          },
          MessageGroupId: "g",
          MessageDeduplicationId: "d"
        }
      })
      assert.deepNestedInclude(askedOf(server), { "Entries[1].MessageBody": "b" })
    })
  )

  it.live(
    "R10.3 with an endpoint of its own a queue is behind it, whatever host its URL names",
    () =>
      Effect.gen(function* () {
        const { plane, queue, server } = yield* world(() => ({ body: {} }))
        const elsewhere = { ...queue, url: "https://sqs.eu-west-1.amazonaws.com/1/orders.fifo" }
        yield* plane.send(elsewhere, [{ body: "a", attributes: {} }])
        assert.strictEqual(server.asked.length, 1)
      })
  )

  it.live("R3.8 a delay goes with its entry, zero too", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => ({ body: {} }))
      yield* plane.send(queue, [{ body: "a", attributes: {}, delaySeconds: 0 }])
      assert.deepNestedInclude(askedOf(server), { "Entries[0].DelaySeconds": 0 })
    })
  )

  it.live("R3.9 none sent is no call", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => ({ body: {} }))
      assert.deepStrictEqual(yield* plane.send(queue, []), [])
      assert.deepStrictEqual(yield* plane.remove(queue, []), [])
      assert.deepStrictEqual(yield* plane.changeVisibility(queue, []), [])
      assert.strictEqual(server.asked.length, 0)
    })
  )
})

describe("remove and changeVisibility", () => {
  it.live("R3.4 an expired handle is ReceiptExpired for its entry alone", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => ({
        body: {
          Successful: [{ Id: "0" }],
          Failed: [
            {
              Id: "1",
              Code: "InvalidParameterValue",
              Message:
                "Value x for parameter ReceiptHandle is invalid. Reason: The receipt handle has expired.",
              SenderFault: true
            }
          ]
        }
      }))
      const removed = yield* plane.remove(queue, ["h0", "h1"])
      assert.deepStrictEqual(tags(removed), ["ok", "ReceiptExpired Never"])
      assert.deepStrictEqual(askedOf(server), {
        QueueUrl: queue.url,
        Entries: [
          { Id: "0", ReceiptHandle: "h0" },
          { Id: "1", ReceiptHandle: "h1" }
        ]
      })
      const entries = [
        { handle: "h0", seconds: 0 },
        { handle: "h1", seconds: 300 }
      ]
      const changed = yield* plane.changeVisibility(queue, entries)
      assert.deepStrictEqual(tags(changed), ["ok", "ReceiptExpired Never"])
      assert.deepStrictEqual(askedOf(server, 1), {
        QueueUrl: queue.url,
        Entries: [
          { Id: "0", ReceiptHandle: "h0", VisibilityTimeout: 0 },
          { Id: "1", ReceiptHandle: "h1", VisibilityTimeout: 300 }
        ]
      })
    })
  )

  it.live("R3.9 a call that fails as a whole fails, and is not repeated", () =>
    Effect.gen(function* () {
      const { plane, queue, server } = yield* world(() => "reset")
      const error = yield* Effect.flip(plane.remove(queue, ["h0"]))
      assert.deepInclude(error, { operation: "remove", queue: "orders" })
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(server.asked.length, 1)
    })
  )
})

describe("attributes", () => {
  it.live("R3.11 what a queue says of itself, parsed", () =>
    Effect.gen(function* () {
      const { plane, queue } = yield* world(() => ({
        body: {
          Attributes: {
            QueueArn: "arn:aws:sqs:eu-west-1:1:orders.fifo",
            FifoQueue: "true",
            DeduplicationScope: "messageGroup",
            VisibilityTimeout: "45",
            DelaySeconds: "7",
            MessageRetentionPeriod: "345600",
            MaximumMessageSize: "262144",
            RedrivePolicy:
              '{"deadLetterTargetArn":"arn:aws:sqs:eu-west-1:1:dlq.fifo","maxReceiveCount":"50"}',
            ApproximateNumberOfMessages: "1",
            ApproximateNumberOfMessagesNotVisible: "2",
            ApproximateNumberOfMessagesDelayed: "3"
          }
        }
      }))
      assert.deepStrictEqual(yield* plane.attributes(queue), {
        arn: "arn:aws:sqs:eu-west-1:1:orders.fifo",
        isFifo: true,
        deduplicationScope: "messageGroup",
        visibilityTimeout: Duration.seconds(45),
        delay: Duration.seconds(7),
        retention: Duration.days(4),
        messageSizeMax: 262_144,
        redrive: { arn: "arn:aws:sqs:eu-west-1:1:dlq.fifo", receivesMax: 50 },
        counts: { visible: 1, inFlight: 2, delayed: 3 }
      })
    })
  )

  it.live("R3.11 a server that says little gets the service's own figures", () =>
    Effect.gen(function* () {
      const { plane, queue } = yield* world(() => ({
        body: { Attributes: { RedrivePolicy: "{" } }
      }))
      const found = yield* plane.attributes(queue)
      assert.deepInclude(found, { isFifo: false, messageSizeMax: Defaults.sqsMessageSizeMax })
      assert.notProperty(found, "redrive")
      assert.notProperty(found, "deduplicationScope")
    })
  )
})

describe("a queue that is gone", () => {
  it.live("R3.12 is QueueNotFound, and its URL is asked for again", () =>
    Effect.gen(function* () {
      const { plane, server } = yield* world((asked) =>
        Server.operationOf(asked) === "GetQueueUrl"
          ? { body: { QueueUrl: "http://127.0.0.1/0/orders" } }
          : { status: 400, body: { __type: "com.amazonaws.sqs#QueueDoesNotExist" } }
      )
      const address = QueueAddress.queue(orders)
      const poll = { max: 1, waitSeconds: 0, visibilitySeconds: 1 }
      const calls: ReadonlyArray<(queue: sqs.Queue) => Effect.Effect<void, QueueError.QueueError>> =
        [
          (queue) => Effect.asVoid(plane.send(queue, [{ body: "a", attributes: {} }])),
          (queue) => Effect.asVoid(plane.remove(queue, ["h"])),
          (queue) => Effect.asVoid(plane.attributes(queue)),
          (queue) => Effect.asVoid(plane.receive(queue, poll))
        ]
      for (const call of calls) {
        const error = yield* Effect.flip(Effect.flatMap(plane.queueOf(address), call))
        assert.deepInclude(error.reason, { _tag: "QueueNotFound", queue: "orders" })
      }
      const lookups = server.asked.filter((asked) => Server.operationOf(asked) === "GetQueueUrl")
      assert.strictEqual(lookups.length, 4)
    })
  )
})
