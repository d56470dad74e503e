import { assert, describe, it } from "@effect/vitest"
import {
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageCommand,
  SQSClient
} from "@aws-sdk/client-sqs"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { SqsBroker, SqsError, SqsHttp } from "../src/index.ts"
import { credentials, sdk, untilWaiting } from "./world.ts"

type Input = Readonly<Record<string, unknown>>

const queueUrl = "http://sqs.local/000000000000/q"
const fifoUrl = "http://sqs.local/000000000000/q.fifo"

const world = Effect.fnUntraced(function* (options: SqsHttp.Options & SqsBroker.Options = {}) {
  const broker = yield* SqsBroker.make(options)
  const handle = SqsHttp.make(broker, options)
  yield* broker.call("CreateQueue", { QueueName: "q" })
  const Attributes = { FifoQueue: "true" }
  yield* broker.call("CreateQueue", { QueueName: "q.fifo", Attributes })
  const text = (response: SqsHttp.Response) => Buffer.from(response.body).toString()
  return {
    broker,
    handle,
    json: (action: string, body: Input | string, headers: Record<string, string> = {}) =>
      handle({
        method: "POST",
        path: "/",
        headers: { host: "sqs.local", "x-amz-target": `AmazonSQS.${action}`, ...headers },
        body: Buffer.from(typeof body === "string" ? body : JSON.stringify(body))
      }).pipe(Effect.map((response) => ({ ...response, text: text(response) }))),
    form: (body: string, path = "/") =>
      handle({
        method: "POST",
        path,
        headers: { host: "sqs.local" },
        body: Buffer.from(body)
      }).pipe(Effect.map((response) => ({ ...response, text: text(response) })))
  }
})

const items: Readonly<Record<string, string>> = {
  AttributeNames: "AttributeName",
  AWSAccountIds: "AWSAccountId",
  Actions: "ActionName",
  TagKeys: "TagKey"
}

const pairs: Readonly<Record<string, readonly [string, string]>> = {
  Attributes: ["Attribute", "Name"],
  MessageAttributes: ["MessageAttribute", "Name"],
  Tags: ["Tag", "Key"]
}

/** An input of the JSON protocol as the query protocol flattens it. */
const flatten = (action: string, input: Input, prefix = ""): ReadonlyArray<[string, string]> =>
  Object.entries(input).flatMap(([name, value]): ReadonlyArray<[string, string]> => {
    if (Array.isArray(value)) {
      const item = name === "Entries" ? `${action}RequestEntry` : (items[name] ?? name)
      return value.flatMap((one: unknown, index) => {
        const key = `${prefix}${item}.${index + 1}`
        return typeof one === "object" && one !== null
          ? [...flatten(action, { ...one }, `${key}.`)]
          : [[key, String(one)] as [string, string]]
      })
    }
    if (typeof value !== "object" || value === null) return [[prefix + name, String(value)]]
    const [item, key] = pairs[name] ?? [name, "Name"]
    return Object.entries(value).flatMap(([one, inner]: [string, unknown], index) => {
      const at = `${prefix}${item}.${index + 1}`
      const rest: ReadonlyArray<[string, string]> =
        typeof inner === "object" && inner !== null
          ? flatten(action, { ...inner }, `${at}.Value.`)
          : [[`${at}.Value`, String(inner)]]
      const first: ReadonlyArray<[string, string]> = [[`${at}.${key}`, one]]
      return first.concat(rest)
    })
  })

const formOf = (action: string, input: Input): string =>
  new URLSearchParams([["Action", action], ...flatten(action, input)]).toString()

interface Case {
  readonly title: string
  readonly action: string
  readonly input: Input
  readonly kind: SqsError.Kind
  readonly message: RegExp
}

const body = { QueueUrl: queueUrl, MessageBody: "x" }
const fifoBody = { ...body, QueueUrl: fifoUrl }
const handle = { QueueUrl: queueUrl, ReceiptHandle: "none" }
const eleven = Array.from({ length: 11 }, (_, index) => ({ Id: `i${index}`, MessageBody: "x" }))

const attribute = (DataType: string, StringValue: string, name = "a"): Input => ({
  ...body,
  MessageAttributes: { [name]: { DataType, StringValue } }
})

const set = (Attributes: Readonly<Record<string, string>>, QueueUrl = queueUrl): Input => ({
  QueueUrl,
  Attributes
})

const redrive = (policy: object): Input => set({ RedrivePolicy: JSON.stringify(policy) })

const arn = "arn:aws:sqs:us-east-1:000000000000:"

const cases: ReadonlyArray<Case> = [
  {
    title: "no queue URL",
    action: "SendMessage",
    input: { MessageBody: "x" },
    kind: "MissingParameter",
    message: /must contain the parameter QueueUrl/u
  },
  {
    title: "an unknown queue",
    action: "SendMessage",
    input: { ...body, QueueUrl: `${queueUrl}x` },
    kind: "QueueDoesNotExist",
    message: /^The specified queue does not exist/u
  },
  {
    title: "another account's queue",
    action: "SendMessage",
    input: { ...body, QueueUrl: "http://sqs.local/111111111111/q" },
    kind: "QueueDoesNotExist",
    message: /does not exist/u
  },
  {
    title: "no body",
    action: "SendMessage",
    input: { QueueUrl: queueUrl },
    kind: "MissingParameter",
    message: /parameter MessageBody/u
  },
  {
    title: "a body too long",
    action: "SendMessage",
    input: { ...body, MessageBody: "x".repeat(1_048_577) },
    kind: "InvalidParameterValue",
    message: /must be shorter than 1048576 bytes/u
  },
  {
    title: "an illegal character",
    action: "SendMessage",
    input: { ...body, MessageBody: "\u0000" },
    kind: "InvalidMessageContents",
    message: /Invalid binary character/u
  },
  {
    title: "a delay too long",
    action: "SendMessage",
    input: { ...body, DelaySeconds: 901 },
    kind: "InvalidParameterValue",
    message:
      /^Value 901 for parameter DelaySeconds is invalid. Reason: DelaySeconds must be >= 0 and <= 900/u
  },
  {
    title: "a delay on FIFO",
    action: "SendMessage",
    input: { ...fifoBody, MessageGroupId: "g", MessageDeduplicationId: "d", DelaySeconds: 2 },
    kind: "InvalidParameterValue",
    message:
      /^Value 2 for parameter DelaySeconds is invalid. Reason: The request include parameter that is not valid for this queue type/u
  },
  {
    title: "no group id",
    action: "SendMessage",
    input: { ...fifoBody, MessageDeduplicationId: "d" },
    kind: "MissingParameter",
    message: /parameter MessageGroupId/u
  },
  {
    title: "no deduplication id",
    action: "SendMessage",
    input: { ...fifoBody, MessageGroupId: "g" },
    kind: "InvalidParameterValue",
    message: /either have ContentBasedDeduplication enabled/u
  },
  {
    title: "a group id with a space",
    action: "SendMessage",
    input: { ...body, MessageGroupId: "a b" },
    kind: "InvalidParameterValue",
    message: /MessageGroupId can only include alphanumeric and punctuation/u
  },
  {
    title: "a group id too long",
    action: "SendMessage",
    input: { ...body, MessageGroupId: "g".repeat(129) },
    kind: "InvalidParameterValue",
    message: /1 to 128 in length/u
  },
  {
    title: "a deduplication id on a standard queue",
    action: "SendMessage",
    input: { ...body, MessageDeduplicationId: "d" },
    kind: "InvalidParameterValue",
    message: /not valid for this queue type/u
  },
  {
    title: "eleven attributes",
    action: "SendMessage",
    input: {
      ...body,
      MessageAttributes: Object.fromEntries(
        eleven.map(({ Id }) => [Id, { DataType: "String", StringValue: "x" }])
      )
    },
    kind: "InvalidParameterValue",
    message: /Number of message attributes \[11\] exceeds the allowed maximum \[10\]/u
  },
  {
    title: "an empty attribute",
    action: "SendMessage",
    input: attribute("String", ""),
    kind: "InvalidParameterValue",
    message: /^Message \(user\) attribute 'a' must contain a non-empty value of type 'String'.$/u
  },
  {
    title: "an attribute's type",
    action: "SendMessage",
    input: attribute("Boolean", "true"),
    kind: "InvalidParameterValue",
    message: /supported type prefixes is Binary, Number, and String/u
  },
  {
    title: "an attribute without a type",
    action: "SendMessage",
    input: attribute("", "x"),
    kind: "InvalidParameterValue",
    message: /non-empty message attribute type/u
  },
  {
    title: "a number that is none",
    action: "SendMessage",
    input: attribute("Number", "one"),
    kind: "InvalidParameterValue",
    message: /Can't cast the value/u
  },
  {
    title: "an attribute's illegal character",
    action: "SendMessage",
    input: attribute("String", "\u0001"),
    kind: "InvalidParameterValue",
    message: /Invalid binary character/u
  },
  {
    title: "an attribute's name",
    action: "SendMessage",
    input: attribute("String", "x", "a b"),
    kind: "InvalidParameterValue",
    message: /message attribute name 'a b'/u
  },
  {
    title: "a reserved attribute name",
    action: "SendMessage",
    input: attribute("String", "x", "AWS.a"),
    kind: "InvalidParameterValue",
    message: /beginning with 'AWS.'/u
  },
  {
    title: "an attribute name too long",
    action: "SendMessage",
    input: attribute("String", "x", "a".repeat(257)),
    kind: "InvalidParameterValue",
    message: /shorter than 256/u
  },
  {
    title: "an empty batch",
    action: "SendMessageBatch",
    input: { QueueUrl: queueUrl, Entries: [] },
    kind: "EmptyBatchRequest",
    message: /at least one SendMessageBatchRequestEntry/u
  },
  {
    title: "a batch of eleven",
    action: "SendMessageBatch",
    input: { QueueUrl: queueUrl, Entries: eleven },
    kind: "TooManyEntriesInBatchRequest",
    message: /^Maximum number of entries per request are 10. You have sent 11.$/u
  },
  {
    title: "an entry id",
    action: "SendMessageBatch",
    input: { QueueUrl: queueUrl, Entries: [{ Id: "a:b", MessageBody: "x" }] },
    kind: "InvalidBatchEntryId",
    message: /alphanumeric characters, hyphens and underscores/u
  },
  {
    title: "an entry id twice",
    action: "SendMessageBatch",
    input: { QueueUrl: queueUrl, Entries: [eleven[1], eleven[2], eleven[2], eleven[1]] },
    kind: "BatchEntryIdsNotDistinct",
    message: /^Id i2 repeated.$/u
  },
  {
    title: "a batch too long",
    action: "SendMessageBatch",
    input: {
      QueueUrl: queueUrl,
      Entries: [
        { Id: "a", MessageBody: "x".repeat(1_048_576) },
        { Id: "b", MessageBody: "x" }
      ]
    },
    kind: "BatchRequestTooLong",
    message: /^Batch requests cannot be longer than 1048576 bytes. You have sent 1048577 bytes.$/u
  },
  {
    title: "an entry without a group id",
    action: "SendMessageBatch",
    input: { QueueUrl: fifoUrl, Entries: [eleven[0]] },
    kind: "InvalidParameterValue",
    message: /must contain the parameter MessageGroupId/u
  },
  {
    title: "eleven messages",
    action: "ReceiveMessage",
    input: { QueueUrl: queueUrl, MaxNumberOfMessages: 11 },
    kind: "InvalidParameterValue",
    message:
      /^Value 11 for parameter MaxNumberOfMessages is invalid. Reason: Must be between 1 and 10, if provided.$/u
  },
  {
    title: "no messages",
    action: "ReceiveMessage",
    input: { QueueUrl: queueUrl, MaxNumberOfMessages: 0 },
    kind: "InvalidParameterValue",
    message: /MaxNumberOfMessages/u
  },
  {
    title: "a wait too long",
    action: "ReceiveMessage",
    input: { QueueUrl: queueUrl, WaitTimeSeconds: 21 },
    kind: "InvalidParameterValue",
    message: /^Value 21 for parameter WaitTimeSeconds is invalid/u
  },
  {
    title: "a visibility timeout too long",
    action: "ReceiveMessage",
    input: { QueueUrl: queueUrl, VisibilityTimeout: 43_201 },
    kind: "InvalidParameterValue",
    message: /VisibilityTimeout is invalid/u
  },
  {
    title: "a handle that is none, to delete",
    action: "DeleteMessage",
    input: handle,
    kind: "ReceiptHandleIsInvalid",
    message: /^The input receipt handle "none" is not a valid receipt handle.$/u
  },
  {
    title: "a handle that is none, to change",
    action: "ChangeMessageVisibility",
    input: { ...handle, VisibilityTimeout: 1 },
    kind: "ReceiptHandleIsInvalid",
    message: /"none"/u
  },
  {
    title: "no handle",
    action: "DeleteMessage",
    input: { QueueUrl: queueUrl },
    kind: "MissingParameter",
    message: /parameter ReceiptHandle/u
  },
  {
    title: "no visibility timeout",
    action: "ChangeMessageVisibility",
    input: handle,
    kind: "MissingParameter",
    message: /parameter VisibilityTimeout/u
  },
  {
    title: "a queue name",
    action: "CreateQueue",
    input: { QueueName: "a b" },
    kind: "InvalidParameterValue",
    message:
      /^Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length$/u
  },
  {
    title: "a FIFO name on a standard queue",
    action: "CreateQueue",
    input: { QueueName: "a.fifo" },
    kind: "InvalidParameterValue",
    message: /Can only include/u
  },
  {
    title: "a FIFO queue without its suffix",
    action: "CreateQueue",
    input: { QueueName: "a", Attributes: { FifoQueue: "true" } },
    kind: "InvalidParameterValue",
    message: /must end with .fifo suffix/u
  },
  {
    title: "a FIFO attribute on a standard queue",
    action: "CreateQueue",
    input: { QueueName: "a", Attributes: { ContentBasedDeduplication: "true" } },
    kind: "InvalidAttributeName",
    message: /You can specify the ContentBasedDeduplication only when FifoQueue is set to true/u
  },
  {
    title: "another value of an attribute",
    action: "CreateQueue",
    input: { QueueName: "q", Attributes: { DelaySeconds: "3" } },
    kind: "QueueNameExists",
    message:
      /^A queue already exists with the same name and a different value for attribute DelaySeconds$/u
  },
  {
    title: "an unknown attribute",
    action: "CreateQueue",
    input: { QueueName: "a", Attributes: { Nope: "1" } },
    kind: "InvalidAttributeName",
    message: /^Unknown Attribute Nope.$/u
  },
  {
    title: "an attribute out of range",
    action: "CreateQueue",
    input: { QueueName: "a", Attributes: { DelaySeconds: "901" } },
    kind: "InvalidAttributeValue",
    message: /^Invalid value for the parameter DelaySeconds.$/u
  },
  {
    title: "a queue URL of nobody",
    action: "GetQueueUrl",
    input: { QueueName: "nobody" },
    kind: "QueueDoesNotExist",
    message: /does not exist/u
  },
  {
    title: "an attribute that is none",
    action: "GetQueueAttributes",
    input: { QueueUrl: queueUrl, AttributeNames: ["Nope"] },
    kind: "InvalidAttributeName",
    message: /Unknown Attribute Nope/u
  },
  {
    title: "FifoQueue of a standard queue",
    action: "SetQueueAttributes",
    input: set({ FifoQueue: "true" }),
    kind: "InvalidAttributeName",
    message: /^Unknown Attribute FifoQueue.$/u
  },
  {
    title: "FifoQueue of a FIFO queue",
    action: "SetQueueAttributes",
    input: set({ FifoQueue: "false" }, fifoUrl),
    kind: "InvalidAttributeValue",
    message:
      /^Invalid value for the parameter FifoQueue. Reason: Modifying queue type is not supported.$/u
  },
  {
    title: "throughput without its scope",
    action: "SetQueueAttributes",
    input: set({ FifoThroughputLimit: "perMessageGroupId" }, fifoUrl),
    kind: "InvalidAttributeValue",
    message: /DeduplicationScope is messageGroup/u
  },
  {
    title: "a scope that is none",
    action: "SetQueueAttributes",
    input: set({ DeduplicationScope: "account" }, fifoUrl),
    kind: "InvalidAttributeValue",
    message: /DeduplicationScope/u
  },
  {
    title: "two encryptions",
    action: "SetQueueAttributes",
    input: set({ KmsMasterKeyId: "key", SqsManagedSseEnabled: "true" }),
    kind: "InvalidAttributeName",
    message: /one type of server-side encryption/u
  },
  {
    title: "a policy that is no JSON",
    action: "SetQueueAttributes",
    input: set({ Policy: "{" }),
    kind: "InvalidAttributeValue",
    message: /Policy/u
  },
  {
    title: "a redrive policy that is no JSON",
    action: "SetQueueAttributes",
    input: set({ RedrivePolicy: "[]" }),
    kind: "InvalidParameterValue",
    message: /not a valid JSON map/u
  },
  {
    title: "a redrive policy without its target",
    action: "SetQueueAttributes",
    input: redrive({ maxReceiveCount: 1 }),
    kind: "InvalidParameterValue",
    message: /mandatory attribute: deadLetterTargetArn/u
  },
  {
    title: "a redrive policy without its count",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: `${arn}q` }),
    kind: "InvalidParameterValue",
    message: /mandatory attribute: maxReceiveCount/u
  },
  {
    title: "a redrive policy's ARN",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: "dummy", maxReceiveCount: 42 }),
    kind: "InvalidParameterValue",
    message:
      /^Value \{"deadLetterTargetArn":"dummy","maxReceiveCount":42\} for parameter RedrivePolicy is invalid. Reason: Invalid value for deadLetterTargetArn.$/u
  },
  {
    title: "a redrive policy's count",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: `${arn}q`, maxReceiveCount: 1_001 }),
    kind: "InvalidParameterValue",
    message: /valid values are from 1 to 1000/u
  },
  {
    title: "a redrive policy to nowhere",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: `${arn}nowhere`, maxReceiveCount: 1 }),
    kind: "InvalidParameterValue",
    message: /target does not exist/u
  },
  {
    title: "a redrive policy to a queue of the other type",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: `${arn}q.fifo`, maxReceiveCount: 1 }),
    kind: "InvalidParameterValue",
    message: /same type of queue/u
  },
  {
    title: "a redrive policy to itself",
    action: "SetQueueAttributes",
    input: redrive({ deadLetterTargetArn: `${arn}q`, maxReceiveCount: 1 }),
    kind: "InvalidParameterValue",
    message: /source queue itself/u
  },
  {
    title: "a redrive allow policy",
    action: "SetQueueAttributes",
    input: set({ RedriveAllowPolicy: '{"redrivePermission":"byQueue"}' }),
    kind: "InvalidParameterValue",
    message: /sourceQueueArns/u
  },
  {
    title: "a task from no dead-letter queue",
    action: "StartMessageMoveTask",
    input: { SourceArn: `${arn}q` },
    kind: "InvalidParameterValue",
    message: /^Source queue must be configured as a Dead Letter Queue.$/u
  },
  {
    title: "a task from nowhere",
    action: "StartMessageMoveTask",
    input: { SourceArn: `${arn}nowhere` },
    kind: "ResourceNotFoundException",
    message: /^The resource that you specified for the SourceArn parameter doesn't exist.$/u
  },
  {
    title: "a task handle",
    action: "CancelMessageMoveTask",
    input: { TaskHandle: "none" },
    kind: "InvalidParameterValue",
    message: /^Value for parameter TaskHandle is invalid.$/u
  },
  {
    title: "a task that is none",
    action: "CancelMessageMoveTask",
    input: { TaskHandle: Buffer.from(`{"taskId":"a","sourceArn":"${arn}q"}`).toString("base64") },
    kind: "ResourceNotFoundException",
    message: /^Task does not exist.$/u
  },
  {
    title: "a permission without a label",
    action: "AddPermission",
    input: { QueueUrl: queueUrl, AWSAccountIds: ["1"], Actions: ["*"] },
    kind: "MissingParameter",
    message: /Label/u
  },
  {
    title: "a page size",
    action: "ListQueues",
    input: { MaxResults: 1_001 },
    kind: "InvalidParameterValue",
    message: /MaxResults/u
  },
  {
    title: "an unknown action",
    action: "DrainQueue",
    input: {},
    kind: "InvalidAction",
    message: /DrainQueue is not valid/u
  }
]

describe("refusals", () => {
  for (const { action, input, kind, message, title } of cases) {
    const { code, shape, status } = SqsError.make(kind, "")
    it.effect(`JSON: ${title} is ${kind}`, () =>
      Effect.gen(function* () {
        const { json } = yield* world()
        const answer = yield* json(action, input)
        assert.strictEqual(answer.statusCode, status)
        assert.strictEqual(answer.headers["x-amzn-query-error"], `${code};Sender`)
        const refusal: unknown = JSON.parse(answer.text)
        assert.deepInclude(refusal, { __type: shape })
        assert.match(answer.text, /"message":"/u)
        const { message: told } = Object.assign({ message: "" }, refusal)
        assert.match(told, message)
      }).pipe(Effect.scoped)
    )
    // A form knows no missing list, and its queue may be in its path.
    if (title === "an empty batch" || title === "no queue URL") continue
    it.effect(`query: ${title} is ${kind}`, () =>
      Effect.gen(function* () {
        const { form } = yield* world()
        const answer = yield* form(formOf(action, input))
        assert.strictEqual(answer.statusCode, status)
        assert.include(answer.text, `<Type>Sender</Type><Code>${code}</Code><Message>`)
        assert.include(answer.text, "<RequestId>")
        if (kind === "QueueDoesNotExist") {
          assert.include(answer.text, "does not exist for this wsdl version.</Message>")
        }
      }).pipe(Effect.scoped)
    )
  }
})

describe("the JSON protocol", () => {
  it.effect("a body that is no structure is MalformedInput", () =>
    Effect.gen(function* () {
      const { json } = yield* world()
      for (const text of ["{", "[]", "1"]) {
        const answer = yield* json("SendMessage", text)
        assert.strictEqual(answer.statusCode, 400)
        assert.include(answer.text, "SerializationException")
      }
      const wrong = yield* json("ReceiveMessage", { QueueUrl: queueUrl, MaxNumberOfMessages: "1" })
      assert.include(wrong.text, "SerializationException")
    }).pipe(Effect.scoped)
  )

  it.effect("queue URLs begin with the host that was asked", () =>
    Effect.gen(function* () {
      const { json } = yield* world()
      const answer = yield* json("GetQueueUrl", { QueueName: "q" }, { host: "proxy:1234" })
      assert.strictEqual(answer.text, '{"QueueUrl":"http://proxy:1234/000000000000/q"}')
      assert.strictEqual(answer.headers["content-type"], "application/x-amz-json-1.0")
    }).pipe(Effect.scoped)
  )
})

describe("the query protocol", () => {
  it.effect("sends and receives", () =>
    Effect.gen(function* () {
      const { form } = yield* world()
      const MessageAttributes = {
        text: { DataType: "String", StringValue: "<é>" },
        bytes: { DataType: "Binary", BinaryValue: "AQI=" }
      }
      const sent = yield* form(
        formOf("SendMessage", { MessageBody: 'a & "b"\r', MessageAttributes, DelaySeconds: 0 }),
        "/000000000000/q"
      )
      assert.strictEqual(sent.headers["content-type"], "text/xml")
      assert.match(sent.text, /<SendMessageResponse xmlns="[^"]+"><SendMessageResult><MessageId>/u)
      const received = yield* form(
        `Action=ReceiveMessage&QueueUrl=${queueUrl}&AttributeName.1=All&MessageAttributeName.1=All`
      )
      assert.include(received.text, "<Body>a &amp; &quot;b&quot;&#xD;</Body>")
      assert.include(
        received.text,
        "<Attribute><Name>ApproximateReceiveCount</Name><Value>1</Value></Attribute>"
      )
      assert.include(
        received.text,
        "<MessageAttribute><Name>text</Name><Value><DataType>String</DataType><StringValue>&lt;é&gt;</StringValue></Value></MessageAttribute>"
      )
      assert.include(received.text, "<BinaryValue>AQI=</BinaryValue>")
      const handleOf = /<ReceiptHandle>([^<]+)</u.exec(received.text)?.[1] ?? ""
      const removed = yield* form(
        formOf("DeleteMessage", { QueueUrl: queueUrl, ReceiptHandle: handleOf })
      )
      assert.match(removed.text, /<DeleteMessageResponse xmlns="[^"]+"><ResponseMetadata>/u)
    }).pipe(Effect.scoped)
  )

  it.effect("makes batches, listings, attributes and tags", () =>
    Effect.gen(function* () {
      const { form } = yield* world()
      const Entries = [
        { Id: "a", MessageBody: "x" },
        { Id: "b", MessageBody: "x", DelaySeconds: 901 }
      ]
      const sent = yield* form(formOf("SendMessageBatch", { QueueUrl: queueUrl, Entries }))
      assert.match(sent.text, /<SendMessageBatchResultEntry><Id>a<\/Id>/u)
      assert.match(
        sent.text,
        /<BatchResultErrorEntry><Id>b<\/Id><SenderFault>true<\/SenderFault><Code>InvalidParameterValue<\/Code>/u
      )
      const made = formOf("CreateQueue", {
        QueueName: "z",
        Attributes: { DelaySeconds: "3" },
        Tags: { team: "a" }
      })
      yield* form(made)
      const attributes = yield* form(
        "Action=GetQueueAttributes&AttributeName.1=DelaySeconds",
        "/000000000000/z"
      )
      assert.include(
        attributes.text,
        "<Attribute><Name>DelaySeconds</Name><Value>3</Value></Attribute>"
      )
      const tags = yield* form("Action=ListQueueTags", "/000000000000/z")
      assert.include(tags.text, "<Tag><Key>team</Key><Value>a</Value></Tag>")
      yield* form("Action=UntagQueue&TagKey.1=team", "/000000000000/z")
      const none = yield* form("Action=ListQueueTags", "/000000000000/z")
      assert.notInclude(none.text, "<Tag>")
      const queues = yield* form("Action=ListQueues&QueueNamePrefix=z")
      assert.include(queues.text, "<QueueUrl>http://sqs.local/000000000000/z</QueueUrl>")
    }).pipe(Effect.scoped)
  )
})

describe("access", () => {
  const signed = (id: string) => ({ authorization: `AWS4-HMAC-SHA256 Credential=${id}/20260101/r` })

  it.effect("everybody is let in, or those whose key id is listed", () =>
    Effect.gen(function* () {
      const open = yield* world()
      assert.strictEqual((yield* open.json("ListQueues", {})).statusCode, 200)
      const { json } = yield* world({ accessKeyIds: ["known"] })
      assert.strictEqual((yield* json("ListQueues", {}, signed("known"))).statusCode, 200)
      const refusals = [
        yield* json("ListQueues", {}, signed("stranger")),
        yield* json("ListQueues", {}),
        yield* json("ListQueues", {}, { authorization: "Basic x" })
      ]
      assert.deepStrictEqual(
        refusals.map(({ headers, statusCode }) => [statusCode, headers["x-amzn-query-error"]]),
        [
          [403, "InvalidClientTokenId;Sender"],
          [403, "MissingAuthenticationToken;Sender"],
          [403, "IncompleteSignature;Sender"]
        ]
      )
    }).pipe(Effect.scoped)
  )
})

describe("requestHandler", () => {
  const client = Effect.fnUntraced(function* () {
    const { broker, handle: answer } = yield* world()
    const requestHandler = yield* SqsHttp.requestHandler(answer)
    const made = new SQSClient({
      endpoint: "http://sqs.local",
      region: "us-east-1",
      credentials,
      requestHandler,
      maxAttempts: 1
    })
    return { broker, client: made }
  })

  it.effect("the SDK speaks to a broker on virtual time", () =>
    Effect.gen(function* () {
      const { broker, client: sqs } = yield* client()
      const poll = new ReceiveMessageCommand({ QueueUrl: queueUrl, WaitTimeSeconds: 20 })
      const fiber = yield* Effect.forkChild(sdk(() => sqs.send(poll)))
      yield* untilWaiting(broker, "q", 1)
      yield* TestClock.adjust("19 seconds")
      yield* sdk(() => sqs.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "x" })))
      const { Messages } = yield* Fiber.join(fiber)
      assert.strictEqual(Messages?.[0]?.Body, "x")
      yield* TestClock.adjust("30 seconds")
      const { Attributes } = yield* sdk(() =>
        sqs.send(new GetQueueAttributesCommand({ QueueUrl: queueUrl, AttributeNames: ["All"] }))
      )
      assert.strictEqual(Attributes?.["ApproximateNumberOfMessages"], "1")
    }).pipe(Effect.scoped)
  )

  it.effect("a cut connection is ECONNRESET, an aborted poll is taken off", () =>
    Effect.gen(function* () {
      const { broker, client: sqs } = yield* client()
      yield* broker.inject({ action: "SendMessage", fault: { _tag: "LoseReply" } })
      const send = new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: "x" })
      const lost = yield* Effect.flip(sdk(() => sqs.send(send)))
      assert.strictEqual(lost.message, "socket hang up")
      assert.strictEqual((yield* broker.inspect("q"))?.visible, 1)
      const abort = new AbortController()
      const command = new ReceiveMessageCommand({ QueueUrl: fifoUrl, WaitTimeSeconds: 20 })
      const poll = sqs.send(command, { abortSignal: abort.signal })
      yield* untilWaiting(broker, "q.fifo", 1)
      abort.abort()
      yield* Effect.flip(sdk(() => poll))
      assert.strictEqual((yield* broker.inspect("q.fifo"))?.waiting, 0)
    }).pipe(Effect.scoped)
  )
})
