import type * as DateTime from "effect/DateTime"
import type * as Duration from "effect/Duration"
import type {
  Message,
  MessageId,
  QueueAddress,
  ReceivedMessage,
  SessionId
} from "@queue-runtime/core"
import { Receipt } from "@queue-runtime/core"
import type { Linked, List } from "./list.ts"
import type { Sequenced } from "./sequence.ts"
import type { Session } from "./session.ts"
import type { Target, Timer } from "./timers.ts"
import { toUtc } from "./times.ts"
import type { Wakeable } from "./queue.ts"

/**
 * Where a message stands. `Delayed` is an abandoned one that waits for its delay; `Gone` is one that
 * stands nowhere: not stored yet, settled, expired or moved.
 */
export type EntryState = "Scheduled" | "Ready" | "Delayed" | "Locked" | "Gone"

/** Bytes that nobody else can change: text of a unit a byte, or an array of their own. */
type Kept = string | Uint8Array

/** Longer ones are not text: copying them costs more than the memory they get. */
const keptTextMax = 4_096

/**
 * A string lives in the heap. An array of more than 64 bytes has memory of its own, which takes longer to
 * get than all else of a send; out of Node's pool it would keep as much as 8 KB beside it.
 */
const keep = (bytes: Uint8Array): Kept =>
  bytes.byteLength > keptTextMax
    ? new Uint8Array(bytes)
    : Buffer.prototype.latin1Slice.call(bytes, 0, bytes.byteLength)

/**
 * A copy that its receiver drops soon: out of Node's pool, since memory of its own costs twice as much as
 * the rest of a delivery.
 */
const copyOf = (kept: Kept): Uint8Array => {
  const { buffer, byteLength, byteOffset } =
    typeof kept === "string" ? Buffer.from(kept, "latin1") : Buffer.from(kept)
  return new Uint8Array(buffer, byteOffset, byteLength)
}

/** What a message carries, and keeps wherever it goes. */
export interface Carried {
  readonly body: Kept
  readonly attributes: Message.Attributes
  readonly messageId: MessageId.MessageId
  readonly sessionId?: SessionId.SessionId | undefined
  readonly correlationId?: string | undefined
  readonly contentType?: string | undefined
  readonly timeToLive?: Duration.Duration | undefined
  readonly scheduledAt?: DateTime.Utc | undefined
}

const noAttributes: Message.Attributes = {}

/** What a message carries, no longer shared with who sent it. */
export const carry = (
  message: Message.Stamped,
  scheduledAt: DateTime.Utc | undefined
): Carried => ({
  body: keep(message.body),
  attributes:
    Object.keys(message.attributes).length === 0 ? noAttributes : { ...message.attributes },
  messageId: message.messageId,
  sessionId: message.sessionId,
  correlationId: message.correlationId,
  contentType: message.contentType,
  timeToLive: message.timeToLive,
  scheduledAt
})

/** One message in the broker. */
export class Entry implements Linked<Entry>, Sequenced, Target<Wakeable> {
  readonly _tag = "Entry"
  previous: Entry | undefined
  next: Entry | undefined
  list: List<Entry> | undefined
  timer: Timer<Wakeable> | undefined
  slot = 0
  sequence = 0
  state: EntryState = "Gone"
  readonly carried: Carried
  readonly size: number
  readonly enqueuedAt: number
  expiresAt = Infinity
  /** When a scheduled or delayed message may be delivered. */
  dueAt = 0
  deliveryCount = 0
  firstDeliveredAt: number | undefined
  deliveredAt = 0
  lockedUntil = 0
  /** The proof of the delivery under way; empty when there is none. */
  token = ""
  /** On a queue with sessions, and not on a dead letter. */
  session: Session | undefined
  deadLetter: ReceivedMessage.DeadLetterInfo | undefined

  constructor(carried: Carried, size: number, enqueuedAt: number) {
    this.carried = carried
    this.size = size
    this.enqueuedAt = enqueuedAt
  }
}

/** The same message as a dead letter: its facts stay, its place and its lock do not. */
export const toDeadLetter = (entry: Entry, deadLetter: ReceivedMessage.DeadLetterInfo): Entry => {
  const dead = new Entry(entry.carried, entry.size, entry.enqueuedAt)
  dead.deliveryCount = entry.deliveryCount
  dead.firstDeliveredAt = entry.firstDeliveredAt
  dead.deadLetter = deadLetter
  return dead
}

type Writable<A> = { -readonly [K in keyof A]: A[K] }

/** What only some messages have. */
const addRest = (
  message: Writable<ReceivedMessage.PeekedMessage>,
  { carried, deadLetter }: Entry
): void => {
  if (carried.sessionId !== undefined) message.sessionId = carried.sessionId
  if (carried.correlationId !== undefined) message.correlationId = carried.correlationId
  if (carried.contentType !== undefined) message.contentType = carried.contentType
  if (carried.timeToLive !== undefined) message.timeToLive = carried.timeToLive
  if (carried.scheduledAt !== undefined) message.scheduledAt = carried.scheduledAt
  if (deadLetter !== undefined) message.deadLetter = { ...deadLetter }
}

/** What a peek shows; nothing of it is the broker's own. */
export const toPeeked = (entry: Entry): ReceivedMessage.PeekedMessage => {
  const { carried } = entry
  const message: Writable<ReceivedMessage.PeekedMessage> = {
    body: new Uint8Array(copyOf(carried.body)),
    attributes: { ...carried.attributes },
    messageId: carried.messageId,
    deliveryCount: entry.deliveryCount,
    enqueuedAt: toUtc(entry.enqueuedAt),
    sequenceNumber: BigInt(entry.sequence)
  }
  addRest(message, entry)
  return message
}

/** What the receiver of the delivery under way gets. */
export const toReceived = (
  entry: Entry,
  address: QueueAddress.QueueAddress
): ReceivedMessage.ReceivedMessage => {
  const { carried } = entry
  const message: Writable<ReceivedMessage.ReceivedMessage> = {
    body: copyOf(carried.body),
    attributes: { ...carried.attributes },
    messageId: carried.messageId,
    deliveryCount: entry.deliveryCount,
    enqueuedAt: toUtc(entry.enqueuedAt),
    sequenceNumber: BigInt(entry.sequence),
    receipt: Receipt.make(address, entry.token),
    firstDeliveredAt: toUtc(entry.firstDeliveredAt ?? entry.deliveredAt),
    deliveredAt: toUtc(entry.deliveredAt),
    lockedUntil: toUtc(entry.session?.hold?.lockedUntil ?? entry.lockedUntil)
  }
  addRest(message, entry)
  return message
}
