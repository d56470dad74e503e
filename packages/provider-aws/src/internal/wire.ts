import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import {
  type Message,
  MessageId,
  Options,
  type QueueAddress,
  QueueName,
  type ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import type * as AwsConfig from "../AwsConfig.ts"
import * as attributes from "./attributes.ts"
import * as bodies from "./bodies.ts"
import * as ids from "./ids.ts"
import * as metadata from "./metadata.ts"
import { sequenceOf } from "./sequence.ts"
import type { SendEntry, SqsMessage } from "./sqs.ts"

/** What the way down goes by. */
export interface ToWireOptions {
  readonly isFifo: boolean
  readonly bodyEncoding: AwsConfig.QueueSettings["bodyEncoding"]
  /** In milliseconds: what a schedule and an expiry are counted from. */
  readonly now: number
  /** Another than that of the message id, for what must not be taken for the same sending (R7.1). */
  readonly deduplicationId?: string
}

/** Where a message comes from. */
export interface FromWireOptions {
  readonly address: QueueAddress.QueueAddress
  readonly bodyEncoding: AwsConfig.QueueSettings["bodyEncoding"]
}

/** A message as the broker handed it out, read. Times are in milliseconds. */
export interface Arrived {
  /** The broker's id of the message. */
  readonly id: string
  /** The broker's receipt handle of this receive. */
  readonly handle: string
  /** Its message group, as the broker has it; on a FIFO queue always there. */
  readonly groupId?: string
  /** FIFO only: its place in its group. */
  readonly sequence?: bigint
  /** The broker's count of its receives, this one included. */
  readonly receives: number
  /** When the first receive was, by the broker. */
  readonly firstReceivedAt: number
  /** After this it is not worth delivering; `Infinity` when it does not expire. */
  readonly expiresAt: number
  /** What the application sees, but for the count, which is the router's. */
  readonly message: Omit<ReceivedMessage.PeekedMessage, "deliveryCount">
  /** As it came. */
  readonly source: SqsMessage
}

/** Never early: what is left of a second counts. */
const delaySecondsOf = (message: Message.Message, now: number): number | undefined => {
  if (message.delay !== undefined) return Math.ceil(Duration.toSeconds(message.delay))
  if (message.scheduledAt === undefined) return undefined
  return Math.max(0, Math.ceil((DateTime.toEpochMillis(message.scheduledAt) - now) / 1_000))
}

const carriedId = (deduplicationId: string | undefined): string | undefined =>
  deduplicationId === undefined || ids.isContentHash(deduplicationId)
    ? undefined
    : ids.fromSqs(deduplicationId)

interface Ids {
  readonly groupId?: string
  readonly deduplicationId?: string
}

const idsOf = (message: Message.Stamped, options: ToWireOptions): Ids =>
  options.isFifo
    ? Options.defined({
        groupId: message.sessionId === undefined ? undefined : ids.toSqs(message.sessionId),
        deduplicationId: options.deduplicationId ?? ids.toSqs(message.messageId)
      })
    : {}

/**
 * The message id is always there: a redrive policy that moves a message puts the broker's id in place of
 * the deduplication id. The session id is, where the group cannot be turned back into it.
 */
const metadataOf = (
  message: Message.Stamped,
  wire: Ids,
  mark: metadata.Metadata["body"],
  dueAt: number
): metadata.Metadata => {
  const { correlationId, contentType, messageId, sessionId } = message
  const group = wire.groupId === undefined ? undefined : ids.fromSqs(wire.groupId)
  const timeToLive =
    message.timeToLive === undefined ? undefined : Duration.toMillis(message.timeToLive)
  return Options.defined({
    id: messageId,
    session: group === sessionId ? undefined : sessionId,
    correlation: correlationId,
    type: contentType,
    timeToLive,
    expiresAt: timeToLive === undefined ? undefined : dueAt + timeToLive,
    body: mark
  })
}

/** A message as SQS takes it. */
export const toWire = (message: Message.Stamped, options: ToWireOptions): SendEntry => {
  const wireIds = idsOf(message, options)
  const { mark, text } = bodies.toWire(message.body, options.bodyEncoding)
  const delaySeconds = options.isFifo ? undefined : delaySecondsOf(message, options.now)
  // It is not old before it may be delivered.
  const dueAt = options.now + (delaySeconds ?? 0) * 1_000
  const own = metadataOf(message, wireIds, mark, dueAt)
  const { packed, plain, traceHeader } = attributes.toWire(message.attributes)
  const all = packed.length === 0 ? own : { ...own, attributes: Object.fromEntries(packed) }
  const encoded = metadata.encode(all)
  const values = plain.map(([name, value]) => [name, attributes.value(value)] as const)
  const ours =
    encoded === undefined ? [] : [[metadata.attribute, attributes.value(encoded)] as const]
  return {
    body: text,
    attributes: Object.fromEntries([...values, ...ours]),
    ...wireIds,
    ...Options.defined({ traceHeader, delaySeconds })
  }
}

const unknownId = MessageId.makeUnsafe("unknown")

/** Ours, else what its sender called it, else what the broker does. */
const messageIdOf = (source: SqsMessage, own: metadata.Metadata | undefined): MessageId.MessageId =>
  [own?.id, carriedId(source.systemAttributes["MessageDeduplicationId"]), source.id].find((id) =>
    MessageId.is(id)
  ) ?? unknownId

/** A dead letter of ours stands in a group of its own; its session is beside it. */
const sessionIdOf = (
  groupId: string | undefined,
  own: metadata.Metadata | undefined
): SessionId.SessionId | undefined => {
  const given = own?.session
  if (SessionId.is(given)) return given
  if (groupId === undefined || own?.dead !== undefined) return undefined
  const id = ids.fromSqs(groupId) ?? groupId
  return SessionId.is(id) ? id : undefined
}

/** What SQS itself moved says neither why nor when; the number of receives is why. */
const movedByBroker = (
  source: SqsMessage,
  address: QueueAddress.QueueAddress,
  receives: number,
  firstReceivedAt: number
): ReceivedMessage.DeadLetterInfo | undefined =>
  source.systemAttributes["DeadLetterQueueSourceArn"] === undefined
    ? undefined
    : {
        reason: "MaxDeliveryCountExceeded",
        description: "moved by the redrive policy of its queue",
        source: address.queue,
        time: DateTime.makeUnsafe(firstReceivedAt),
        deliveryCount: Math.max(1, receives - 1),
        // The policy moves it under the id it had.
        delivery: source.id
      }

const infoOf = (
  dead: metadata.Dead,
  address: QueueAddress.QueueAddress
): ReceivedMessage.DeadLetterInfo => ({
  reason: dead.reason,
  source: QueueName.is(dead.source) ? dead.source : address.queue,
  time: DateTime.makeUnsafe(dead.time),
  deliveryCount: dead.deliveryCount,
  ...Options.defined({
    description: dead.description,
    details: metadata.fromDetails(dead.details),
    delivery: dead.id === "" ? undefined : dead.id,
    sequenceNumber: sequenceOf(dead.sequence)
  })
})

/** Absent, zero and nonsense alike: not later than the message was sent, which is at least known. */
const millisOf = (text: string | undefined, orElse: number): number => {
  const millis = Number(text)
  return Number.isSafeInteger(millis) && millis > 0 ? millis : orElse
}

interface Facts {
  readonly own: metadata.Metadata | undefined
  readonly groupId: string | undefined
  readonly sequence: bigint | undefined
  readonly enqueuedAt: number
  readonly deadLetter: ReceivedMessage.DeadLetterInfo | undefined
}

const messageOf = (
  source: SqsMessage,
  facts: Facts,
  encoding: FromWireOptions["bodyEncoding"]
): Arrived["message"] => {
  const { own } = facts
  const header = source.systemAttributes[attributes.traceHeader]
  const message: Writable<Arrived["message"]> = {
    body: bodies.fromWire(source.body, own?.body, encoding),
    attributes: attributes.fromWire(source.attributes, header, own),
    messageId: messageIdOf(source, own),
    enqueuedAt: DateTime.makeUnsafe(facts.enqueuedAt)
  }
  const sessionId = sessionIdOf(facts.groupId, own)
  if (sessionId !== undefined) message.sessionId = sessionId
  if (facts.sequence !== undefined) message.sequenceNumber = facts.sequence
  if (facts.deadLetter !== undefined) message.deadLetter = facts.deadLetter
  if (own === undefined) return message
  const { correlation, timeToLive, type } = own
  if (correlation !== undefined) message.correlationId = correlation
  if (type !== undefined) message.contentType = type
  if (timeToLive !== undefined && timeToLive > 0) message.timeToLive = Duration.millis(timeToLive)
  return message
}

type Writable<A> = { -readonly [K in keyof A]: A[K] }

/** A message of SQS, of ours or anybody's, as the application sees it. */
export const fromWire = (source: SqsMessage, options: FromWireOptions): Arrived => {
  const { systemAttributes } = source
  const own = attributes.metadataOf(source.attributes)
  const isDeadLetter = options.address._tag === "DeadLetter"
  // Of a dead letter that was moved back, what once happened to it is history.
  const dead = isDeadLetter ? own?.dead : undefined
  const receives = millisOf(systemAttributes["ApproximateReceiveCount"], 1)
  const sentAt = millisOf(systemAttributes["SentTimestamp"], 0)
  const firstReceivedAt = millisOf(systemAttributes["ApproximateFirstReceiveTimestamp"], sentAt)
  const groupId = systemAttributes["MessageGroupId"]
  const sequence = sequenceOf(systemAttributes["SequenceNumber"])
  const deadLetter = isDeadLetter
    ? dead === undefined
      ? movedByBroker(source, options.address, receives, firstReceivedAt)
      : infoOf(dead, options.address)
    : undefined
  const enqueuedAt = dead?.enqueuedAt ?? sentAt
  return {
    id: source.id,
    handle: source.handle,
    receives,
    firstReceivedAt: dead?.firstDeliveredAt ?? firstReceivedAt,
    expiresAt: isDeadLetter ? Infinity : (own?.expiresAt ?? Infinity),
    message: messageOf(
      source,
      { own, groupId, sequence, enqueuedAt, deadLetter },
      options.bodyEncoding
    ),
    source,
    ...Options.defined({ groupId, sequence })
  }
}
