/**
 * Probes: what SQS does, as small experiments that run against any endpoint. Each makes a queue of its
 * own, compares what it sees with what AWS is known to do, and deletes the queue.
 *
 * **Details**
 *
 * A probe says where its expectation comes from: `AWS`, recorded on AWS by LocalStack's test suite (its
 * AWS-validated tests and snapshots); `doc`, written in AWS's documentation; `inf`, inferred. Probes take
 * up to four seconds of real time each and may run side by side. They need `@aws-sdk/client-sqs`.
 *
 * @since 0.1.0
 */
import {
  CreateQueueCommand,
  DeleteQueueCommand,
  ListMessageMoveTasksCommand,
  PurgeQueueCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SetQueueAttributesCommand,
  type SQSClient,
  StartMessageMoveTaskCommand
} from "@aws-sdk/client-sqs"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Scope from "effect/Scope"
import * as bench from "./internal/bench.ts"

/**
 * Where an expectation comes from.
 *
 * @category models
 * @since 0.1.0
 */
export type Mark = "AWS" | "doc" | "inf"

/**
 * What came of a probe: `ok` when AWS's answer was seen, and in any case what was seen.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly id: string
  readonly ok: boolean
  readonly seen: string
}

/**
 * One experiment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Probe {
  readonly id: string
  readonly title: string
  /** AWS's answer, in the words in which a verdict says what was seen. */
  readonly expected: string
  readonly source: string
  readonly mark: Mark
  /** Runs it; a server that fails otherwise than expected is a verdict too, never an error. */
  readonly run: (client: SQSClient) => Effect.Effect<Verdict>
}

interface Definition {
  readonly title: string
  readonly expected: string
  readonly source: string
  readonly mark: Mark
  readonly standard?: boolean
  readonly attributes?: Readonly<Record<string, string>>
  readonly observe: (queue: bench.Queue) => Effect.Effect<string, bench.Refused, Scope.Scope>
}

const { call, outcome, show } = bench

const define = (id: string, definition: Definition): Probe => {
  const { attributes, expected, mark, observe, source, standard = false, title } = definition
  const options = { fifo: !standard, ...(attributes === undefined ? {} : { attributes }) }
  return {
    id,
    title,
    expected,
    source,
    mark,
    run: (client) =>
      bench.queue(client, options).pipe(
        Effect.flatMap(observe),
        Effect.scoped,
        Effect.catch(({ message, name }) => Effect.succeed(`${name}: ${message}`)),
        Effect.map((seen) => ({ id, ok: seen === expected, seen }))
      )
  }
}

const sleep = (millis: number) => Effect.sleep(millis)

const abc = ["A0", "A1", "A2"]
const long = { VisibilityTimeout: 60 }

const redriveTo = (arn: string, maxReceiveCount: number): string =>
  JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount })

const setAttributes = (
  { client, url }: bench.Queue,
  Attributes: Readonly<Record<string, string>>
) => call(() => client.send(new SetQueueAttributesCommand({ QueueUrl: url, Attributes })))

/** Gives a queue a dead-letter queue, which it returns. */
const withDeadLetters = Effect.fnUntraced(function* (
  queue: bench.Queue,
  fifo: boolean,
  receivesMax: number
) {
  const dead = yield* bench.queue(queue.client, { fifo })
  yield* setAttributes(queue, { RedrivePolicy: redriveTo(dead.arn, receivesMax) })
  return dead
})

const sendBatch = (
  { client, url }: bench.Queue,
  Entries: ReadonlyArray<{
    readonly Id: string
    readonly MessageBody: string
    readonly MessageGroupId?: string
    readonly MessageDeduplicationId?: string
  }>
) => call(() => client.send(new SendMessageBatchCommand({ QueueUrl: url, Entries: [...Entries] })))

const entry = (Id: string, MessageBody = "x") => ({ Id, MessageBody })

/** Receives all of `abc`, and fails to go on when a server does not hand them out together. */
const receiveAll = Effect.fnUntraced(function* (queue: bench.Queue) {
  yield* queue.sendAll(abc)
  const messages = yield* queue.receive(long)
  return messages.length === abc.length
    ? messages
    : yield* new bench.Refused({
        name: "NotApplicable",
        message: `one receive gave ${show(messages)}`
      })
})

/** Sooner than any wait that a probe allows. */
const soonMillis = 1_500

/** What was seen, and whether it came at once. */
const timed = <E, R>(effect: Effect.Effect<string, E, R>): Effect.Effect<string, E, R> =>
  Effect.map(Effect.timed(effect), ([duration, seen]) =>
    Duration.toMillis(duration) < soonMillis ? `${seen} at once` : `${seen} late`
  )

/** A test of LocalStack's suite, and when it was last run against AWS where that is on record. */
const localStack = (test: string, date?: string): string =>
  date === undefined ? `LocalStack ${test}` : `LocalStack ${test}, ${date}`

const guide = (page: string): string => `SQS Developer Guide, ${page}`

const api = (page: string): string => `SQS API Reference, ${page}`

const groups: ReadonlyArray<Probe> = [
  define("P1", {
    title: "a receive takes several messages of one group",
    expected: "A0 A1 A2",
    source: localStack("test_fifo_receive_message_group_id_ordering"),
    mark: "AWS",
    observe: (queue) => Effect.andThen(queue.sendAll(abc), Effect.map(queue.receive(long), show))
  }),
  define("P2", {
    title: "a message behind two in flight stays; another group comes",
    expected: "B0",
    source: localStack("test_fifo_message_group_visibility", "2024-01-03"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "A1"])
      yield* queue.receive(long)
      yield* queue.sendAll(["A2", "B0"])
      return show(yield* queue.receive(long))
    })
  }),
  define("P3", {
    title: "two of four are received, the rest of the group waits",
    expected: "A0 A1, then B0",
    source: localStack("test_fifo_receive_message_visibility_timeout_shared_in_group"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "A1", "A2", "A3", "B0"])
      const first = yield* queue.receive({ ...long, MaxNumberOfMessages: 2 })
      return `${show(first)}, then ${show(yield* queue.receive(long))}`
    })
  }),
  define("P4", {
    title: "the first of three in flight is released and comes back alone",
    expected: "A0#2",
    source: localStack(
      "test_fifo_group_visibility_extends_with_change_message_visibility",
      "2025-11-19"
    ),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      const [first] = yield* receiveAll(queue)
      yield* queue.change(first, 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P5", {
    title: "the later ones are released while the first is in flight",
    expected: "nothing",
    source: localStack(
      "test_fifo_group_visibility_extends_with_change_message_visibility",
      "2025-11-19"
    ),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      const [, ...later] = yield* receiveAll(queue)
      yield* queue.changeAll(later, 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P6", {
    title: "all are released in one call, the last one first",
    expected: "A0#2 A1#2 A2#2",
    source: "the prefix rule, whatever the order of the entries",
    mark: "inf",
    observe: Effect.fnUntraced(function* (queue) {
      const messages = yield* receiveAll(queue)
      yield* queue.changeAll(messages.toReversed(), 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P7", {
    title: "all are released in one call, the first one first",
    expected: "A0#2 A1#2 A2#2",
    source: "the prefix rule, whatever the order of the entries",
    mark: "inf",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.changeAll(yield* receiveAll(queue), 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P8", {
    title: "one of two in flight is deleted; the group still waits",
    expected: "nothing",
    source: localStack("test_fifo_message_group_visibility_after_partial_delete"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "A1", "A2", "A3"])
      const messages = yield* queue.receive({ ...long, MaxNumberOfMessages: 2 })
      yield* queue.remove(messages[0])
      // A server that hands out one of a group has nothing in flight now.
      if (messages.length < 2) return `one receive gave ${show(messages)}`
      return show(yield* queue.receive(long))
    })
  }),
  define("P9", {
    title: "a waiting poll gets the next one when the last in flight is deleted",
    expected: "A1 at once",
    source: localStack("test_fifo_message_group_visibility", "2024-01-03"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "A1"])
      const [first] = yield* queue.receive({ ...long, MaxNumberOfMessages: 1 })
      const poll = yield* Effect.forkChild(queue.receive({ ...long, WaitTimeSeconds: 5 }))
      yield* sleep(500)
      yield* queue.remove(first)
      return yield* timed(Effect.map(Fiber.join(poll), show))
    })
  }),
  define("P10", {
    title: "a delete with an expired handle fails on FIFO",
    expected: "InvalidParameterValue",
    source: localStack("test_fifo_delete_message_with_expired_receipt_handle", "2023-11-14"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive({ VisibilityTimeout: 1 })
      yield* sleep(1_500)
      return yield* outcome(queue.remove(first))
    })
  }),
  define("P11", {
    title: "a visibility change with an expired handle fails on FIFO",
    expected: "refused",
    source: "as a delete does (P10)",
    mark: "inf",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive({ VisibilityTimeout: 1 })
      yield* sleep(1_500)
      return (yield* outcome(queue.change(first, 30))) === "ok" ? "ok" : "refused"
    })
  }),
  define("P12", {
    title: "renewing does not count as a receive",
    expected: "A0#2",
    source: api("ChangeMessageVisibility"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive(long)
      yield* queue.change(first, 60)
      yield* queue.change(first, 60)
      yield* queue.change(first, 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P13", {
    title: "maxReceiveCount 2: two deliveries, moved at the third receive, its id kept",
    expected: "A0, A0#2, nothing, moved with its id",
    source: localStack("test_message_groups_with_dead_letter_queue_and_fifo", "2024-05-21"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      const dead = yield* withDeadLetters(queue, true, 2)
      const { MessageId } = yield* queue.send("A0")
      const seen: Array<string> = []
      for (let round = 0; round < 3; round++) {
        const messages = yield* queue.receive({ VisibilityTimeout: 0 })
        seen.push(show(messages))
      }
      const [moved] = yield* dead.receive(long)
      const end = moved?.MessageId === MessageId ? "moved with its id" : "not moved with its id"
      return [...seen, end].join(", ")
    })
  }),
  define("P14", {
    title: "the same ReceiveRequestAttemptId gives the same messages and handles",
    expected: "A0 A1 A2, same handles",
    source: api("ReceiveMessage, ReceiveRequestAttemptId"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      const attempt = { ...long, ReceiveRequestAttemptId: "attempt" }
      yield* queue.sendAll(abc)
      const first = yield* queue.receive(attempt)
      const again = yield* queue.receive(attempt)
      const same = again.every(
        ({ ReceiptHandle }, index) => ReceiptHandle === first[index]?.ReceiptHandle
      )
      return `${show(again)}, ${same ? "same" : "other"} handles`
    })
  }),
  define("P15", {
    title: "a long poll returns with the first message",
    expected: "A0 at once",
    source: api("ReceiveMessage, WaitTimeSeconds"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      const poll = yield* Effect.forkChild(queue.receive({ WaitTimeSeconds: 5 }))
      yield* sleep(500)
      yield* queue.send("A0")
      return yield* timed(Effect.map(Fiber.join(poll), show))
    })
  }),
  define("P16", {
    title: "DelaySeconds on FIFO is refused",
    expected: "InvalidParameterValue",
    source: localStack("test_fifo_queue_send_message_with_delay_seconds_fails", "2024-04-30"),
    mark: "AWS",
    observe: (queue) => outcome(queue.send("A0", { DelaySeconds: 2 }))
  }),
  define("P17", {
    title: "more than twelve hours in total is refused",
    expected: "InvalidParameterValue",
    source: guide("visibility timeout"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive(long)
      yield* sleep(2_000)
      return yield* outcome(queue.change(first, 43_200))
    })
  }),
  define("P18", {
    title: "an entry without a group id fails the whole batch",
    expected: "InvalidParameterValue",
    source: localStack("test_send_batch_missing_message_group_id_for_fifo_queue", "2024-04-30"),
    mark: "AWS",
    observe: (queue) =>
      outcome(
        sendBatch(queue, [
          { ...entry("a"), MessageGroupId: "A", MessageDeduplicationId: "a" },
          { ...entry("b"), MessageDeduplicationId: "b" }
        ])
      )
  }),
  define("P19", {
    title: "a deduplication id is remembered after its message is deleted",
    expected: "nothing",
    source: localStack("test_fifo_deduplication_arrives_once_after_delete", "2024-04-30"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      const id = { MessageDeduplicationId: "once" }
      yield* queue.send("A0", id)
      const [first] = yield* queue.receive(long)
      yield* queue.remove(first)
      yield* queue.send("A0", id)
      return show(yield* queue.receive(long))
    })
  }),
  define("P20", {
    title: "deleting twice is no error",
    expected: "ok",
    source: api("DeleteMessage"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive(long)
      yield* queue.remove(first)
      return yield* outcome(queue.remove(first))
    })
  }),
  define("P21", {
    title: "MessageSystemAttributeNames alone is enough",
    expected: "MessageGroupId A",
    source: api("ReceiveMessage, MessageSystemAttributeNames"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("A0")
      const [first] = yield* queue.receive({ MessageSystemAttributeNames: ["MessageGroupId"] })
      return `MessageGroupId ${first?.Attributes?.MessageGroupId}`
    })
  })
]

const deduplication: ReadonlyArray<Probe> = [
  define("P22", {
    title: "a repeated send is answered with the first message's id",
    expected: "the same id",
    source: guide("message deduplication ID"),
    mark: "inf",
    observe: Effect.fnUntraced(function* (queue) {
      const id = { MessageDeduplicationId: "once" }
      const first = yield* queue.send("A0", id)
      const again = yield* queue.send("A0", id)
      return first.MessageId === again.MessageId ? "the same id" : "another id"
    })
  }),
  define("P23", {
    title: "DeduplicationScope messageGroup: the same id in two groups",
    expected: "A0 B0",
    source: localStack("test_sqs_fifo_message_group_scope_no_throughput_setting", "2024-05-24"),
    mark: "AWS",
    attributes: { DeduplicationScope: "messageGroup" },
    observe: Effect.fnUntraced(function* (queue) {
      const id = { MessageDeduplicationId: "once" }
      yield* queue.send("A0", id)
      yield* queue.send("B0", id)
      const messages = yield* queue.receive(long)
      return messages
        .map(({ Body }) => Body ?? "")
        .toSorted()
        .join(" ")
    })
  }),
  define("P24", {
    title: "content-based deduplication: the same body twice",
    expected: "A0",
    source: localStack("test_fifo_deduplication_arrives_once_after_delete", "2024-04-30"),
    mark: "AWS",
    attributes: { ContentBasedDeduplication: "true" },
    observe: Effect.fnUntraced(function* (queue) {
      const id = { MessageDeduplicationId: undefined }
      yield* queue.send("A0", id)
      yield* queue.send("A0", id)
      return show(yield* queue.receive(long))
    })
  }),
  define("P25", {
    title: "a send without a group id",
    expected: "MissingParameter",
    source: localStack("test_posting_to_fifo_requires_deduplicationid_group_id", "2024-04-30"),
    mark: "AWS",
    observe: (queue) => outcome(queue.send("A0", { MessageGroupId: undefined }))
  }),
  define("P26", {
    title: "a send without a deduplication id",
    expected: "InvalidParameterValue",
    source: localStack("test_posting_to_fifo_requires_deduplicationid_group_id", "2024-04-30"),
    mark: "AWS",
    observe: (queue) => outcome(queue.send("A0", { MessageDeduplicationId: undefined }))
  }),
  define("P27", {
    title: "a message that SQS dead-letters gets its id as deduplication id",
    expected: "the message's id",
    source: guide("dead-letter queue redrive"),
    mark: "doc",
    observe: Effect.fnUntraced(function* (queue) {
      const dead = yield* withDeadLetters(queue, true, 1)
      yield* queue.send("A0")
      yield* queue.receive({ VisibilityTimeout: 0 })
      yield* queue.receive(long)
      const [moved] = yield* dead.receive(long)
      const id = moved?.Attributes?.MessageDeduplicationId
      return id !== undefined && id === moved?.MessageId ? "the message's id" : `${id}`
    })
  }),
  define("P28", {
    title: "a group id with a space in it",
    expected: "InvalidParameterValue",
    source: api("SendMessage, MessageGroupId"),
    mark: "doc",
    observe: (queue) => outcome(queue.send("A0", { MessageGroupId: "A B" }))
  })
]

const refused: ReadonlyArray<Probe> = [
  define("P29", {
    title: "eleven messages are asked for",
    expected: "InvalidParameterValue",
    source: localStack("test_send_receive_max_number_of_messages", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) => outcome(queue.receive({ MaxNumberOfMessages: 11 }))
  }),
  define("P30", {
    title: "a batch of eleven",
    expected: "TooManyEntriesInBatchRequest",
    source: localStack("test_too_many_entries_in_batch_request", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) =>
      outcome(
        sendBatch(
          queue,
          Array.from({ length: 11 }, (_, index) => entry(String(index)))
        )
      )
  }),
  define("P31", {
    title: "a batch entry id with a colon",
    expected: "InvalidBatchEntryId",
    source: localStack("test_invalid_batch_id", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) => outcome(sendBatch(queue, [entry("a:b")]))
  }),
  define("P32", {
    title: "an empty batch",
    expected: "EmptyBatchRequest",
    source: localStack("test_send_message_batch_with_empty_list", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) => outcome(sendBatch(queue, []))
  }),
  define("P33", {
    title: "a batch entry id twice",
    expected: "BatchEntryIdsNotDistinct",
    source: api("SendMessageBatch"),
    mark: "doc",
    standard: true,
    observe: (queue) => outcome(sendBatch(queue, [entry("a"), entry("a")]))
  }),
  define("P34", {
    title: "a queue that does not exist",
    expected: "QueueDoesNotExist",
    source: localStack("test_non_existent_queue", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: ({ client, url }) =>
      outcome(
        call(() => client.send(new ReceiveMessageCommand({ QueueUrl: `${url}-which-is-not` })))
      )
  }),
  define("P35", {
    title: "a message over the queue's own maximum",
    expected: "InvalidParameterValue",
    source: localStack("test_send_message_with_updated_maximum_message_size", "2024-04-30"),
    mark: "AWS",
    standard: true,
    attributes: { MaximumMessageSize: "1024" },
    observe: (queue) => outcome(queue.send("x".repeat(1_025)))
  }),
  define("P36", {
    title: "a batch over the queue's maximum in total, each entry under it",
    expected: "ok",
    source: localStack(
      "test_send_message_batch_with_oversized_contents_with_updated_maximum_message_size",
      "2024-04-30"
    ),
    mark: "AWS",
    standard: true,
    attributes: { MaximumMessageSize: "1024" },
    observe: (queue) =>
      outcome(sendBatch(queue, [entry("a", "x".repeat(1_000)), entry("b", "x".repeat(1_000))]))
  }),
  define("P37", {
    title: "a batch over 1 MiB in total",
    expected: "BatchRequestTooLong",
    source: localStack("test_send_message_batch_with_oversized_contents", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) =>
      outcome(sendBatch(queue, [entry("a", "x".repeat(600_000)), entry("b", "x".repeat(600_000))]))
  }),
  define("P38", {
    title: "a body with a character that XML has not",
    expected: "InvalidMessageContents",
    source: api("SendMessage"),
    mark: "doc",
    standard: true,
    observe: (queue) => outcome(queue.send("a\u0001b"))
  }),
  define("P39", {
    title: "an attribute with an empty value",
    expected: "InvalidParameterValue",
    source: localStack("test_send_message_with_empty_string_attribute", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: (queue) =>
      outcome(
        queue.send("x", { MessageAttributes: { a: { DataType: "String", StringValue: "" } } })
      )
  }),
  define("P40", {
    title: "two purges within a minute",
    expected: "ok, then PurgeQueueInProgress",
    source: localStack("test_successive_purge_calls_fail", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: ({ client, url }) => {
      const purge = outcome(call(() => client.send(new PurgeQueueCommand({ QueueUrl: url }))))
      return Effect.map(Effect.all([purge, purge]), (seen) => seen.join(", then "))
    }
  }),
  define("P41", {
    title: "a queue is made again right after it was deleted",
    expected: "QueueDeletedRecently",
    source: localStack("test_create_queue_recently_deleted", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* ({ client }) {
      const QueueName = yield* bench.freshName(false)
      const create = call(() => client.send(new CreateQueueCommand({ QueueName })))
      const { QueueUrl } = yield* create
      const remove = call(() => client.send(new DeleteQueueCommand({ QueueUrl })))
      yield* remove
      const seen = yield* outcome(create)
      if (seen === "ok") yield* remove
      return seen
    })
  }),
  define("P42", {
    title: "a queue is made again with another attribute",
    expected: "QueueNameExists",
    source: localStack(
      "test_create_queue_with_different_attributes_raises_exception",
      "2024-04-30"
    ),
    mark: "AWS",
    standard: true,
    observe: ({ client, url }) =>
      outcome(
        call(() =>
          client.send(
            new CreateQueueCommand({
              QueueName: url.slice(url.lastIndexOf("/") + 1),
              Attributes: { DelaySeconds: "7" }
            })
          )
        )
      )
  }),
  define("P43", {
    title: "a receipt handle that is none",
    expected: "ReceiptHandleIsInvalid",
    source: localStack("test_invalid_receipt_handle_should_return_error_message"),
    mark: "AWS",
    standard: true,
    observe: (queue) => outcome(queue.change({ ReceiptHandle: "INVALID" }, 60))
  }),
  define("P44", {
    title: "DelaySeconds of 901",
    expected: "InvalidParameterValue",
    source: api("SendMessage, DelaySeconds"),
    mark: "doc",
    standard: true,
    observe: (queue) => outcome(queue.send("x", { DelaySeconds: 901 }))
  }),
  define("P45", {
    title: "a deduplication id on a standard queue",
    expected: "InvalidParameterValue",
    source: api("SendMessage, MessageDeduplicationId"),
    mark: "doc",
    standard: true,
    observe: (queue) => outcome(queue.send("x", { MessageDeduplicationId: "a" }))
  }),
  define("P46", {
    title: "a FIFO queue is made a standard one",
    expected: "InvalidAttributeValue",
    source: localStack("test_set_unsupported_attribute_fifo", "2024-05-14"),
    mark: "AWS",
    observe: (queue) => outcome(setAttributes(queue, { FifoQueue: "false" }))
  }),
  define("P47", {
    title: "a redrive policy with an ARN that is none",
    expected: "InvalidParameterValue",
    source: localStack("test_invalid_dead_letter_arn_rejected_before_lookup", "2023-11-14"),
    mark: "AWS",
    standard: true,
    observe: (queue) => outcome(setAttributes(queue, { RedrivePolicy: redriveTo("dummy", 42) }))
  }),
  define("P48", {
    title: "a move task from a queue that is no dead-letter queue",
    expected: "InvalidParameterValue",
    source: localStack("test_source_needs_redrive_policy", "2024-01-05"),
    mark: "AWS",
    standard: true,
    observe: ({ arn, client }) =>
      outcome(call(() => client.send(new StartMessageMoveTaskCommand({ SourceArn: arn }))))
  })
]

const attributesOf = { General: "Kenobi", Hello: "There", "Help.Me": "Me" }

const standard: ReadonlyArray<Probe> = [
  define("P49", {
    title: "a visibility change with an expired handle succeeds on a standard queue",
    expected: "ok",
    source: localStack(
      "test_change_message_visibility_after_visibility_timeout_expiration",
      "2024-04-30"
    ),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x")
      const [first] = yield* queue.receive({ VisibilityTimeout: 1 })
      yield* sleep(1_500)
      return yield* outcome(queue.change(first, 2))
    })
  }),
  define("P50", {
    title: "a delete with an expired handle deletes while nobody received the message again",
    expected: "nothing",
    source: api("DeleteMessage"),
    mark: "inf",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x")
      const [first] = yield* queue.receive({ VisibilityTimeout: 1 })
      yield* sleep(1_500)
      yield* queue.remove(first)
      return show(yield* queue.receive())
    })
  }),
  define("P51", {
    title: "a receive with a visibility timeout of zero",
    expected: "x, then x#2",
    source: localStack("test_receive_terminate_visibility_timeout"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x")
      const first = yield* queue.receive({ VisibilityTimeout: 0 })
      return `${show(first)}, then ${show(yield* queue.receive())}`
    })
  }),
  define("P52", {
    title: "a delayed message comes when its delay is over",
    expected: "nothing, then x",
    source: localStack("test_send_delay_and_wait_time"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x", { DelaySeconds: 2 })
      const before = yield* queue.receive({ WaitTimeSeconds: 0 })
      return `${show(before)}, then ${show(yield* queue.receive({ WaitTimeSeconds: 5 }))}`
    })
  }),
  define("P53", {
    title: "a group id on a standard queue comes back",
    expected: "tenant",
    source: guide("fair queues"),
    mark: "doc",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x", { MessageGroupId: "tenant" })
      const [first] = yield* queue.receive()
      return `${first?.Attributes?.MessageGroupId}`
    })
  }),
  define("P54", {
    title: "message attributes are asked for by a prefix",
    expected: "Hello Help.Me",
    source: localStack("test_receive_message_message_attribute_names_filters", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      const MessageAttributes = Object.fromEntries(
        Object.entries(attributesOf).map(([name, StringValue]) => [
          name,
          { DataType: "String", StringValue }
        ])
      )
      yield* queue.send("x", { MessageAttributes })
      const [first] = yield* queue.receive({ MessageAttributeNames: ["Hel.*"] })
      return Object.keys(first?.MessageAttributes ?? {})
        .toSorted()
        .join(" ")
    })
  }),
  define("P55", {
    title: "message attributes that were not asked for stay away",
    expected: "none",
    source: localStack("test_receive_message_message_attribute_names_filters", "2024-04-30"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      const a = { DataType: "String", StringValue: "b" }
      yield* queue.send("x", { MessageAttributes: { a } })
      const [first] = yield* queue.receive()
      return Object.keys(first?.MessageAttributes ?? {}).join(" ") || "none"
    })
  }),
  define("P56", {
    title: "one entry too large for its queue: the others are sent",
    expected: "1 sent, 1 failed",
    source: api("SendMessageBatch"),
    mark: "doc",
    standard: true,
    attributes: { MaximumMessageSize: "1024" },
    observe: (queue) =>
      Effect.map(
        sendBatch(queue, [entry("a"), entry("b", "x".repeat(1_025))]),
        ({ Failed = [], Successful = [] }) => `${Successful.length} sent, ${Failed.length} failed`
      )
  }),
  define("P57", {
    title: "a message that SQS dead-letters names the queue it comes from",
    expected: "its source",
    source: api("ReceiveMessage, DeadLetterQueueSourceArn"),
    mark: "doc",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      const dead = yield* withDeadLetters(queue, false, 1)
      yield* queue.send("x")
      yield* queue.receive({ VisibilityTimeout: 0 })
      yield* queue.receive()
      const [moved] = yield* dead.receive({ WaitTimeSeconds: 2 })
      const arn = moved?.Attributes?.DeadLetterQueueSourceArn
      return arn === queue.arn ? "its source" : `${arn}`
    })
  }),
  define("P58", {
    title: "a move task without a destination brings messages back",
    expected: "x, COMPLETED",
    source: localStack("test_move_task_workflow_with_default_destination", "2024-03-07"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      const { client } = queue
      const dead = yield* withDeadLetters(queue, false, 1)
      yield* queue.send("x")
      yield* queue.receive({ VisibilityTimeout: 0 })
      yield* queue.receive()
      const SourceArn = dead.arn
      yield* call(() => client.send(new StartMessageMoveTaskCommand({ SourceArn })))
      const back = yield* queue.receive({ WaitTimeSeconds: 5 })
      const { Results = [] } = yield* call(() =>
        client.send(new ListMessageMoveTasksCommand({ SourceArn }))
      )
      return `${show(back)}, ${Results[0]?.Status}`
    })
  }),
  define("P59", {
    title: "a change of visibility to a deleted message",
    expected: "InvalidParameterValue",
    source: api("ChangeMessageVisibility"),
    mark: "inf",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x")
      const [first] = yield* queue.receive(long)
      yield* queue.remove(first)
      return yield* outcome(queue.change(first, 60))
    })
  }),
  define("P60", {
    title: "an empty body",
    expected: "MissingParameter",
    source: api("SendMessage, MessageBody"),
    mark: "doc",
    standard: true,
    observe: ({ client, url }) =>
      outcome(call(() => client.send(new SendMessageCommand({ QueueUrl: url, MessageBody: "" }))))
  })
]

const more: ReadonlyArray<Probe> = [
  define("P61", {
    title: "a batch entry with an illegal character fails alone",
    expected: "1 sent, InvalidMessageContents",
    source: localStack("test_batch_send_with_invalid_char_should_succeed"),
    mark: "AWS",
    standard: true,
    observe: (queue) =>
      Effect.map(
        sendBatch(queue, [entry("a"), entry("b", "\u0001")]),
        ({ Failed = [], Successful = [] }) => `${Successful.length} sent, ${Failed[0]?.Code}`
      )
  }),
  define("P62", {
    title: "groups take turns, each in its order",
    expected: "A0 A1 B0, then C0 A0#2 A1#2 B0#2 B1",
    source: localStack("test_fifo_receive_message_with_zero_visibility_timeout"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "B0", "B1", "C0", "A1"])
      const now = { VisibilityTimeout: 0 }
      const first = yield* queue.receive({ ...now, MaxNumberOfMessages: 3 })
      return `${show(first)}, then ${show(yield* queue.receive(now))}`
    })
  }),
  define("P63", {
    title: "a timeout cut short brings the first message back, not those behind it",
    expected: "B0 A0#2",
    source: localStack("test_fifo_message_group_visibility_after_change_message_visibility"),
    mark: "AWS",
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(["A0", "A1", "B0"])
      const [first] = yield* queue.receive({ ...long, MaxNumberOfMessages: 2 })
      yield* queue.change(first, 1)
      yield* sleep(1_500)
      return show(yield* queue.receive(long))
    })
  }),
  define("P64", {
    title: "a FIFO queue's own delay keeps the order",
    expected: "nothing, then A0 A1 A2",
    source: localStack("test_fifo_queue_send_message_with_delay_on_queue_works"),
    mark: "AWS",
    attributes: { DelaySeconds: "2" },
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.sendAll(abc)
      const before = yield* queue.receive({ ...long, WaitTimeSeconds: 0 })
      yield* sleep(2_500)
      return `${show(before)}, then ${show(yield* queue.receive(long))}`
    })
  }),
  define("P65", {
    title: "an older handle ends the visibility timeout on a standard queue",
    expected: "x#3",
    source: localStack("test_terminate_visibility_timeout_after_receive"),
    mark: "AWS",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("x")
      const [first] = yield* queue.receive({ VisibilityTimeout: 0 })
      yield* queue.receive(long)
      yield* queue.change(first, 0)
      return show(yield* queue.receive(long))
    })
  }),
  define("P66", {
    title: "a body with a character beyond U+FFFF",
    expected: "\u{1f600}",
    source: api("SendMessage: #x10000 to #x10FFFF are allowed"),
    mark: "doc",
    standard: true,
    observe: Effect.fnUntraced(function* (queue) {
      yield* queue.send("\u{1f600}")
      return show(yield* queue.receive(long))
    })
  })
]

/**
 * All probes. P1 to P21 are those that tell whether a server has SQS's rules for message groups.
 *
 * **Example** (What a probe expects)
 * ```ts
 * import { SqsProbes } from "@queue-runtime/sqs-emulator/probes"
 *
 * const [first] = SqsProbes.all
 * first?.expected // => "A0 A1 A2"
 * ```
 * @category probes
 * @since 0.1.0
 */
export const all: ReadonlyArray<Probe> = [
  ...groups,
  ...deduplication,
  ...refused,
  ...standard,
  ...more
]

/**
 * Runs probes side by side, all of them unless some are given, against the endpoint of a client.
 *
 * @category probes
 * @since 0.1.0
 */
export const run = (
  client: SQSClient,
  options: { readonly probes?: ReadonlyArray<Probe>; readonly concurrency?: number } = {}
): Effect.Effect<ReadonlyArray<Verdict>> =>
  Effect.forEach(options.probes ?? all, (probe) => probe.run(client), {
    concurrency: options.concurrency ?? 10
  })

/**
 * Runs one probe, for those who do without Effect.
 *
 * @category probes
 * @since 0.1.0
 */
export const runPromise = (client: SQSClient, probe: Probe): Promise<Verdict> =>
  Effect.runPromise(probe.run(client))
