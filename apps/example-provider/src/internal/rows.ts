/** Rows of the tables as values, and messages as rows. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Schema from "effect/Schema"
import {
  Message,
  MessageId,
  type QueueAddress,
  QueueName,
  Receipt,
  ReceivedMessage,
  SessionId
} from "@queue-runtime/core"

const Flag = Schema.Literals([0, 1])

const Queue = Schema.Struct({
  id: Schema.Int,
  name: QueueName.QueueName,
  incarnation: Schema.String,
  sessions: Flag,
  deliveriesMax: Schema.Int,
  lockMillis: Schema.Int,
  deduplication: Flag
})

export type Queue = typeof Queue.Type

export const toQueue = Schema.decodeUnknownSync(Queue)

/** What says where a message stands. */
const Entry = Schema.Struct({
  id: Schema.Int,
  dead: Flag,
  sequence: Schema.Int,
  sessionId: Schema.NullOr(SessionId.SessionId),
  scheduled: Flag,
  timeToLive: Schema.NullOr(Schema.Int),
  visibleAt: Schema.NullOr(Schema.Int),
  deliveryCount: Schema.Int
})

export type Entry = typeof Entry.Type

export const entryColumns = Object.keys(Entry.fields).join(", ")

export const toEntry = Schema.decodeUnknownSync(Entry)

/** What a message carries and the tables do not ask for. */
const Envelope = Schema.fromJsonString(
  Schema.toCodecJson(
    Schema.Struct({
      attributes: Message.Attributes,
      correlationId: Schema.optionalKey(Schema.String),
      contentType: Schema.optionalKey(Schema.String),
      timeToLive: Schema.optionalKey(Schema.Duration),
      scheduledAt: Schema.optionalKey(Schema.DateTimeUtc)
    })
  )
)

const Stored = Schema.Struct({
  ...Entry.fields,
  messageId: MessageId.MessageId,
  body: Schema.Uint8Array,
  envelope: Envelope,
  enqueuedAt: Schema.Int,
  firstDeliveredAt: Schema.NullOr(Schema.Int),
  deadLetter: Schema.NullOr(
    Schema.fromJsonString(Schema.toCodecJson(ReceivedMessage.DeadLetterInfo))
  )
})

export type Stored = typeof Stored.Type

export const storedColumns = Object.keys(Stored.fields).join(", ")

export const toStored = Schema.decodeUnknownSync(Stored)

export const fromDeadLetter = Schema.encodeSync(
  Schema.fromJsonString(Schema.toCodecJson(ReceivedMessage.DeadLetterInfo))
)

const encodeEnvelope = Schema.encodeSync(Envelope)

/** The latest time there is: a longer delay ends there. */
const latest = 8_640_000_000_000_000

/** A time after this one. Never early: a part of a millisecond is a whole one. */
export const after = (now: number, duration: Duration.Duration): number =>
  Math.min(latest, now + Math.ceil(Duration.toMillis(duration)))

/** When the message may be delivered; `now` or earlier is at once. */
export const dueAt = (message: Message.Stamped, now: number): number => {
  if (message.delay !== undefined) return after(now, message.delay)
  return message.scheduledAt === undefined ? now : DateTime.toEpochMillis(message.scheduledAt)
}

/** What a message carries, as text. A delay is told as the time it leads to. */
export const toEnvelope = (message: Message.Stamped, due: number, now: number): string => {
  const { attributes, contentType, correlationId, timeToLive } = message
  const scheduledAt = due > now ? DateTime.makeUnsafe(due) : message.scheduledAt
  return encodeEnvelope({
    attributes,
    ...(correlationId === undefined ? {} : { correlationId }),
    ...(contentType === undefined ? {} : { contentType }),
    ...(timeToLive === undefined ? {} : { timeToLive }),
    ...(scheduledAt === undefined ? {} : { scheduledAt })
  })
}

export const toPeeked = (row: Stored): ReceivedMessage.PeekedMessage => ({
  ...row.envelope,
  messageId: row.messageId,
  body: row.body,
  deliveryCount: row.deliveryCount,
  enqueuedAt: DateTime.makeUnsafe(row.enqueuedAt),
  sequenceNumber: BigInt(row.sequence),
  ...(row.sessionId === null ? {} : { sessionId: row.sessionId }),
  ...(row.deadLetter === null ? {} : { deadLetter: row.deadLetter })
})

/** The delivery that was just made. */
export interface Delivery {
  readonly address: QueueAddress.QueueAddress
  readonly token: string
  readonly at: number
  readonly lockedUntil: number
}

/** What the receiver of a delivery gets; the row is the one from before it. */
export const toReceived = (
  row: Stored,
  { address, at, lockedUntil, token }: Delivery
): ReceivedMessage.ReceivedMessage => ({
  ...toPeeked(row),
  deliveryCount: row.deliveryCount + 1,
  receipt: Receipt.make(address, token),
  firstDeliveredAt: DateTime.makeUnsafe(row.firstDeliveredAt ?? at),
  deliveredAt: DateTime.makeUnsafe(at),
  lockedUntil: DateTime.makeUnsafe(lockedUntil)
})
