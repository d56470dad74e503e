import type { ServiceBusMessage, ServiceBusReceivedMessage } from "@azure/service-bus"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import {
  Defaults,
  type Message,
  MessageId,
  type QueueAddress,
  ReceivedMessage,
  type Receipt,
  SessionId,
  type Verdict
} from "@queue-runtime/core"
import * as attributes from "./attributes.ts"

/** What AMQP has for a time to live: 32 bits of milliseconds, 49 days. */
export const timeToLiveMaxMillis = 0xffff_ffff

/** AMQP takes ASCII alone for a media type. */
const isAscii = (value: string): boolean => /^[\x20-\x7e]*$/u.test(value)

/** Never early: a part of a millisecond is a whole one. */
const dueAt = (message: Message.Stamped, now: number): number | undefined => {
  if (message.scheduledAt !== undefined) return DateTime.toEpochMillis(message.scheduledAt)
  return message.delay === undefined ? undefined : now + Math.ceil(Duration.toMillis(message.delay))
}

/** The message as the SDK takes it. Its body is a data section, which any SDK reads. */
export const toWire = (message: Message.Stamped, now: number): ServiceBusMessage => {
  const { body, contentType, correlationId, sessionId, timeToLive } = message
  const { overflow, properties } = attributes.pack(message.attributes)
  const due = dueAt(message, now)
  if (overflow !== undefined) properties[attributes.bodyLength] = String(body.byteLength)
  const wire: ServiceBusMessage = {
    // Its own bytes: they may be sent after the caller has gone on.
    body: overflow === undefined ? Buffer.from(body) : Buffer.concat([body, overflow]),
    messageId: message.messageId
  }
  if (sessionId !== undefined) wire.sessionId = sessionId
  if (correlationId !== undefined) wire.correlationId = correlationId
  if (contentType !== undefined) {
    if (isAscii(contentType)) wire.contentType = contentType
    else properties[attributes.contentType] = contentType
  }
  if (timeToLive !== undefined) wire.timeToLive = Math.ceil(Duration.toMillis(timeToLive))
  if (due !== undefined && due > now)
    wire.scheduledEnqueueTimeUtc = DateTime.toDateUtc(DateTime.makeUnsafe(due))
  if (Object.keys(properties).length > 0) wire.applicationProperties = properties
  return wire
}

const stringSize = (value: string | undefined): number => {
  if (value === undefined) return 1
  const length = Buffer.byteLength(value, "utf8")
  return length + (length > 0xff ? 5 : 2)
}

/** Sections, their descriptors and lengths, and the fields of the header. */
const frame = 64

/** Creation and expiry time, and the header's. */
const timeToLiveSize = 24

/** The annotation with its name and its timestamp. */
const scheduleSize = 48

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined

/** The bytes of the message on the wire, a few too many rather than one too few. */
export const size = (wire: ServiceBusMessage): number => {
  const body: unknown = wire.body
  let total = frame + (body instanceof Uint8Array ? body.byteLength : 0)
  total += stringSize(textOf(wire.messageId)) + stringSize(wire.sessionId)
  total += stringSize(textOf(wire.correlationId)) + stringSize(wire.contentType)
  if (wire.timeToLive !== undefined) total += timeToLiveSize
  if (wire.scheduledEnqueueTimeUtc !== undefined) total += scheduleSize
  for (const [name, value] of Object.entries(wire.applicationProperties ?? {})) {
    total += attributes.propertySize(name, String(value))
  }
  return total
}

const none = new Uint8Array(0)

const encode = (text: string): Uint8Array => new TextEncoder().encode(text)

/** A body of another program that is no data section: text as text, everything else as JSON. */
const bytesOfValue = (value: unknown): Uint8Array => {
  if (value === null || value === undefined) return none
  if (value instanceof Uint8Array) return new Uint8Array(value)
  return encode(typeof value === "string" ? value : JSON.stringify(value))
}

const isBytes = (value: unknown): value is Uint8Array => value instanceof Uint8Array

/** The receiver's own bytes, whatever kind of body it is. */
export const bytesOf = (body: unknown, kind: string | undefined): Uint8Array => {
  const isSections = Array.isArray(body) && body.length > 0 && body.every(isBytes)
  return kind !== "sequence" && kind !== "value" && isSections
    ? new Uint8Array(Buffer.concat(body))
    : bytesOfValue(body)
}

/** An id of another program as text, in the characters that ours may have. */
const idOf = (value: unknown): string => {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex")
  return typeof value === "string" || typeof value === "number" ? String(value) : ""
}

const legible = (id: string): string => encodeURIComponent(id.toWellFormed()).slice(0, 128)

const messageIdOf = (message: ServiceBusReceivedMessage): MessageId.MessageId => {
  const id = idOf(message.messageId)
  if (MessageId.is(id)) return id
  const readable = legible(id)
  return MessageId.is(readable)
    ? readable
    : MessageId.makeUnsafe(`sequence-${message.sequenceNumber?.toString() ?? "0"}`)
}

/** A session id of another program may have characters that ours have not. */
export const sessionIdOf = (id: string): SessionId.SessionId => {
  if (SessionId.is(id)) return id
  const readable = legible(id)
  return SessionId.is(readable) ? readable : SessionId.makeUnsafe("-")
}

/** The broker's number. */
export const sequenceOf = ({ sequenceNumber }: ServiceBusReceivedMessage): bigint => {
  if (sequenceNumber === undefined) return 0n
  // Far quicker, where it is exact.
  const number = sequenceNumber.toNumber()
  return Number.isSafeInteger(number) ? BigInt(number) : BigInt(sequenceNumber.toString())
}

/** Whether the first stands before the second in their queue. */
export const isBefore = (
  one: ServiceBusReceivedMessage,
  other: ServiceBusReceivedMessage
): boolean => {
  const first = one.sequenceNumber?.toNumber() ?? 0
  const second = other.sequenceNumber?.toNumber() ?? 0
  // Far quicker, where it is exact.
  return Number.isSafeInteger(first) && Number.isSafeInteger(second)
    ? first < second
    : sequenceOf(one) < sequenceOf(other)
}

/** The same as text. */
export const sequenceTextOf = ({ sequenceNumber }: ServiceBusReceivedMessage): string => {
  if (sequenceNumber === undefined) return ""
  const number = sequenceNumber.toNumber()
  return Number.isSafeInteger(number) ? String(number) : sequenceNumber.toString()
}

/** What another program wrote where a time belongs may be anything. */
const millisOf = (value: unknown): number | undefined => {
  const millis = value instanceof Date ? value.getTime() : Number.NaN
  return Number.isNaN(millis) ? undefined : millis
}

const timeOf = (value: unknown): DateTime.Utc | undefined => {
  if (typeof value !== "string") return undefined
  const millis = Date.parse(value)
  return Number.isNaN(millis) ? undefined : DateTime.makeUnsafe(millis)
}

const countOf = (value: unknown): number | undefined => {
  const count = typeof value === "string" ? Number(value) : Number.NaN
  return Number.isSafeInteger(count) && count >= 0 ? count : undefined
}

type Properties = Readonly<Record<string, unknown>>

const Details = Schema.fromJsonString(Schema.toCodecJson(ReceivedMessage.DeadLetterDetails))

const encodeDetails = Schema.encodeSync(Details)

const decodeDetails = Schema.decodeUnknownOption(Details)

/**
 * The property of a dead letter that says more than why; none where it is too long for one, or where the
 * message's own properties leave no room for it in the headers.
 */
export const toDetails = (
  { applicationProperties = {} }: Pick<ServiceBusReceivedMessage, "applicationProperties">,
  { description = "", details, reason }: Extract<Verdict.Verdict, { readonly _tag: "DeadLetter" }>
): Record<string, string> => {
  if (details === undefined) return {}
  const text = encodeDetails(details)
  const own = attributes.propertySize(attributes.deadLetterDetails, text)
  let total =
    own +
    attributes.propertySize(attributes.deadLetterReason, reason) +
    attributes.propertySize(attributes.deadLetterDescription, description)
  for (const [name, value] of Object.entries(applicationProperties)) {
    total += attributes.propertySize(name, String(value))
  }
  const { serviceBusPropertiesSizeMax: sum, serviceBusPropertySizeMax: each } = Defaults
  return own > each || total > sum ? {} : { [attributes.deadLetterDetails]: text }
}

const deadLetterOf = (
  message: ServiceBusReceivedMessage,
  properties: Properties,
  enqueuedAt: DateTime.Utc,
  address: QueueAddress.QueueAddress
): ReceivedMessage.DeadLetterInfo => {
  const reason = properties[attributes.deadLetterReason]
  const description = properties[attributes.deadLetterDescription]
  return {
    // Another program may put a message aside without saying why.
    reason: typeof reason === "string" && reason !== "" ? reason : "Unspecified",
    ...(typeof description === "string" && description !== "" ? { description } : {}),
    source: address.queue,
    time: timeOf(properties[attributes.deadLetteredAt]) ?? enqueuedAt,
    deliveryCount: countOf(properties[attributes.deliveryCount]) ?? message.deliveryCount ?? 0,
    ...Option.match(decodeDetails(properties[attributes.deadLetterDetails]), {
      onNone: () => ({}),
      onSome: (details) => ({ details })
    })
  }
}

type Writable<A> = { -readonly [K in keyof A]: A[K] }

/** What comes together has one time, and making one is a tenth of what a message costs here. */
const remembering = (): ((millis: number) => DateTime.Utc) => {
  let last = DateTime.makeUnsafe(0)
  return (millis) => {
    if (last.epochMilliseconds !== millis) last = DateTime.makeUnsafe(millis)
    return last
  }
}

const enqueueTime = remembering()

const deliveryTime = remembering()

const lockTime = remembering()

/** When the broker took it. */
const enqueuedAtOf = (message: ServiceBusReceivedMessage): DateTime.Utc =>
  enqueueTime(millisOf(message.enqueuedTimeUtc) ?? 0)

/**
 * What a peek shows of it; nothing of it that can be changed is shared with another delivery.
 * `deliveries` are those that the service does not count yet.
 */
export const toPeeked = (
  message: ServiceBusReceivedMessage,
  address: QueueAddress.QueueAddress,
  deliveries: number
): Writable<ReceivedMessage.PeekedMessage> => {
  const properties: Properties = message.applicationProperties ?? {}
  const bytes = bytesOf(message.body, message._rawAmqpMessage.bodyType)
  const length = countOf(properties[attributes.bodyLength])
  const overflow =
    length === undefined || length > bytes.byteLength
      ? undefined
      : attributes.unpackOverflow(bytes.subarray(length))
  const isDeadLetter = address._tag === "DeadLetter"
  const enqueuedAt = enqueuedAtOf(message)
  const peeked: Writable<ReceivedMessage.PeekedMessage> = {
    body: overflow === undefined ? bytes : bytes.slice(0, length),
    attributes: attributes.unpack(properties, overflow ?? [], isDeadLetter),
    messageId: messageIdOf(message),
    deliveryCount: (message.deliveryCount ?? 0) + deliveries,
    enqueuedAt,
    sequenceNumber: sequenceOf(message)
  }
  const contentType = properties[attributes.contentType] ?? message.contentType
  const correlationId = idOf(message.correlationId)
  if (message.sessionId !== undefined) peeked.sessionId = sessionIdOf(message.sessionId)
  if (correlationId !== "") peeked.correlationId = correlationId
  if (typeof contentType === "string" && contentType !== "") peeked.contentType = contentType
  if (message.timeToLive !== undefined && message.timeToLive > 0) {
    peeked.timeToLive = Duration.millis(message.timeToLive)
  }
  const scheduledAt = millisOf(message.scheduledEnqueueTimeUtc)
  if (scheduledAt !== undefined) peeked.scheduledAt = DateTime.makeUnsafe(scheduledAt)
  if (isDeadLetter) peeked.deadLetter = deadLetterOf(message, properties, enqueuedAt, address)
  return peeked
}

/** Until when it is locked. */
export const lockedUntilOf = (message: ServiceBusReceivedMessage): number | undefined =>
  millisOf(message.lockedUntilUtc)

/** The facts of one delivery that its message does not carry. */
export interface DeliveryFacts {
  readonly receipt: Receipt.Receipt
  readonly deliveredAt: number
  readonly firstDeliveredAt: number
  readonly lockedUntil: number
}

/** What its receiver gets. */
export const toReceived = (
  message: ServiceBusReceivedMessage,
  { deliveredAt, firstDeliveredAt, lockedUntil, receipt }: DeliveryFacts
): ReceivedMessage.ReceivedMessage => {
  const time = deliveryTime(deliveredAt)
  // The service counts the deliveries that failed; ours is one more.
  return Object.assign(toPeeked(message, receipt.address, 1), {
    receipt,
    deliveredAt: time,
    firstDeliveredAt:
      firstDeliveredAt === deliveredAt ? time : DateTime.makeUnsafe(firstDeliveredAt),
    lockedUntil: lockTime(lockedUntil)
  })
}

/** When it was delivered first, if an abandon before told. */
export const firstDeliveredAtOf = (message: ServiceBusReceivedMessage): number | undefined => {
  const time = timeOf(message.applicationProperties?.[attributes.firstDeliveredAt])
  return time === undefined ? undefined : DateTime.toEpochMillis(time)
}

/** The text to at most `max` characters, no pair of surrogates cut in two. */
export const cut = (text: string, max: number): string =>
  text.length <= max ? text : text.slice(0, max).replace(/[\ud800-\udbff]$/u, "")
