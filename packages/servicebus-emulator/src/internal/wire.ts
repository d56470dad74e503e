/**
 * Messages between the wire and the broker. Sections that the service does not change are kept as the
 * bytes they came in, so that every type of every client survives; a delivery gets a header and
 * annotations of its own in front of them.
 */
import { Buffer } from "node:buffer"
import type { Content, Entry } from "./entry.ts"
import * as rhea from "./rhea.ts"

const section = {
  header: 0x70,
  deliveryAnnotations: 0x71,
  messageAnnotations: 0x72,
  properties: 0x73,
  applicationProperties: 0x74,
  data: 0x75,
  footer: 0x78
} as const

const symbolBytes = (name: string): Buffer => {
  const text = Buffer.from(name, "ascii")
  return Buffer.concat([Buffer.from([rhea.code.symbol, text.length]), text])
}

const annotation = {
  sequenceNumber: symbolBytes("x-opt-sequence-number"),
  enqueueSequenceNumber: symbolBytes("x-opt-enqueue-sequence-number"),
  enqueuedTime: symbolBytes("x-opt-enqueued-time"),
  lockedUntil: symbolBytes("x-opt-locked-until"),
  messageState: symbolBytes("x-opt-message-state"),
  scheduledEnqueueTime: symbolBytes("x-opt-scheduled-enqueue-time")
}

/** What the service says itself: the client's word for it is dropped. */
const ownAnnotations: ReadonlySet<string> = new Set([
  "x-opt-sequence-number",
  "x-opt-enqueue-sequence-number",
  "x-opt-enqueued-time",
  "x-opt-locked-until",
  "x-opt-message-state",
  "x-opt-scheduled-enqueue-time",
  "x-opt-deadletter-source"
])

/** A message as it came, taken apart no further than needed. */
export interface Wire {
  readonly durable: boolean
  readonly priority: number
  readonly firstAcquirer: boolean
  /** The client's annotations, encoded, and how many keys and values they are. */
  readonly annotations: Buffer
  readonly annotationItems: number
  readonly properties: rhea.Typed | undefined
  /** The whole section, encoded; empty without one. */
  readonly applicationProperties: Buffer
  /** Body and footer. */
  readonly body: Buffer
  /** Properties, application properties, body and footer: what is sent when nothing was changed. */
  readonly bare: Buffer
}

const noBytes = Buffer.alloc(0)

const headerOf = (value: rhea.Typed | undefined) => {
  const [durable, priority, timeToLive, firstAcquirer] = rhea.asList(value)
  return {
    durable: rhea.asBoolean(durable) ?? false,
    priority: rhea.asNumber(priority) ?? 4,
    timeToLive: rhea.asNumber(timeToLive),
    firstAcquirer: rhea.asBoolean(firstAcquirer) ?? false
  }
}

const annotationsOf = (message: Buffer, at: number | undefined) => {
  const kept: Array<Buffer> = []
  let scheduledAt: number | undefined
  for (const { bytes, key, value } of at === undefined ? [] : rhea.pairsAt(message, at)) {
    if (key === "x-opt-scheduled-enqueue-time") scheduledAt = rhea.asNumber(rhea.read(value).value)
    if (!ownAnnotations.has(key)) kept.push(bytes)
  }
  const bytes = kept.length === 0 ? noBytes : Buffer.concat(kept)
  return { scheduledAt, bytes, count: kept.length * 2 }
}

/** A message id as a text to compare: ids of different types are different. */
const idOf = (value: rhea.Typed | undefined): string | undefined => {
  const text = rhea.asString(value)
  if (text !== undefined) return text
  const bytes = rhea.asBinary(value)
  if (bytes !== undefined) return `0x${bytes.toString("hex")}`
  return rhea.asNumber(value)?.toString()
}

/** Takes a message apart. Throws on what is not AMQP; `makeId` names one that came without an id. */
export const toContent = (message: Buffer, makeId: () => string): Content => {
  /** Where the value of a section begins, by section. */
  const values = new Map<number, number>()
  let at = 0
  let bareAt = 0
  let bodyAt = message.length
  let applicationProperties: Buffer = noBytes
  while (at < message.length) {
    // The descriptor alone says which section it is: bodies are not decoded.
    const { descriptor, end: valueAt } = rhea.descriptorAt(message, at)
    const end = rhea.skip(message, at)
    if (descriptor < section.header || descriptor > section.footer) {
      throw new RangeError("not a section of a message")
    }
    if (descriptor >= section.data) {
      bodyAt = Math.min(bodyAt, at)
      at = end
      continue
    }
    values.set(descriptor, valueAt)
    if (descriptor === section.applicationProperties) {
      applicationProperties = message.subarray(at, end)
    }
    if (descriptor <= section.messageAnnotations) bareAt = end
    at = end
  }
  const valueOf = (kind: number): rhea.Typed | undefined => {
    const valueAt = values.get(kind)
    return valueAt === undefined ? undefined : rhea.read(message, valueAt).value
  }
  const header = headerOf(valueOf(section.header))
  const annotations = annotationsOf(message, values.get(section.messageAnnotations))
  const fields = rhea.asList(valueOf(section.properties))
  const givenId = idOf(fields[0])
  const messageId = givenId ?? makeId()
  const id = givenId === undefined ? rhea.string(messageId) : fields[0]
  const properties = rhea.described(section.properties, rhea.list([id, ...fields.slice(1)]))
  const body = message.subarray(bodyAt)
  const wire: Wire = {
    durable: header.durable,
    priority: header.priority,
    firstAcquirer: header.firstAcquirer,
    annotations: annotations.bytes,
    annotationItems: annotations.count,
    properties,
    applicationProperties,
    body,
    bare:
      givenId === undefined
        ? assemble(properties, applicationProperties, body)
        : message.subarray(bareAt)
  }
  const absoluteExpiry = rhea.asNumber(fields[8])
  const creation = rhea.asNumber(fields[9])
  return {
    messageId,
    sessionId: rhea.asString(fields[10]),
    timeToLive:
      header.timeToLive ??
      (absoluteExpiry !== undefined && creation !== undefined
        ? Math.max(0, absoluteExpiry - creation)
        : undefined),
    scheduledAt: annotations.scheduledAt,
    size: message.length,
    payload: wire
  }
}

const assemble = (
  properties: rhea.Typed | undefined,
  applicationProperties: Buffer,
  body: Buffer
): Buffer =>
  Buffer.concat([
    properties === undefined ? noBytes : rhea.encode(properties),
    applicationProperties,
    body
  ])

/** The bytes of data sections; in a batch each of them is a message. */
export const splitBatch = (batch: Buffer): ReadonlyArray<Buffer> => {
  const messages: Array<Buffer> = []
  let at = 0
  while (at < batch.length) {
    const { descriptor, end } = rhea.descriptorAt(batch, at)
    if (descriptor === section.data) {
      const bytes = rhea.asBinary(rhea.read(batch, end).value)
      if (bytes !== undefined) messages.push(bytes)
    }
    at = rhea.skip(batch, at)
  }
  return messages
}

const isWire = (payload: unknown): payload is Wire =>
  typeof payload === "object" && payload !== null && "bare" in payload && "annotations" in payload

/** A message that a program put into the broker without AMQP. */
const fromProgram = (content: Content): Wire => {
  const { payload } = content
  const bytes = payload instanceof Uint8Array ? payload : noBytes
  const fields: Array<rhea.Typed | undefined> = Array.from({ length: 11 })
  if (content.messageId !== undefined) fields[0] = rhea.string(content.messageId)
  if (content.sessionId !== undefined) fields[10] = rhea.string(content.sessionId)
  const properties = rhea.described(section.properties, rhea.list(fields))
  const body = rhea.encode(rhea.described(section.data, rhea.binary(bytes)))
  return {
    durable: false,
    priority: 4,
    firstAcquirer: false,
    annotations: noBytes,
    annotationItems: 0,
    properties,
    applicationProperties: noBytes,
    body,
    bare: assemble(properties, noBytes, body)
  }
}

/** The bytes of a body; none for one of values or sequences. */
export const bytesOf = (payload: unknown): Uint8Array => {
  if (payload instanceof Uint8Array) return payload
  return isWire(payload) ? Buffer.concat(splitBatch(payload.body)) : noBytes
}

const wireOf = ({ content }: Entry): Wire =>
  isWire(content.payload) ? content.payload : fromProgram(content)

/** The application properties of a message with what settlements added. */
const merge = (own: Buffer, added: ReadonlyMap<string, unknown>): Buffer => {
  const pairs = own.length === 0 ? [] : rhea.pairsAt(own, rhea.descriptorAt(own, 0).end)
  const kept = pairs.filter(({ key }) => !added.has(key)).map(({ bytes }) => bytes)
  const made = [...added].flatMap(([name, value]) => [
    rhea.encode(rhea.string(name)),
    rhea.encode(rhea.wrap(value))
  ])
  const items = Buffer.concat([...kept, ...made])
  const head = Buffer.from([
    0x00,
    0x53,
    section.applicationProperties,
    0xd1,
    0,
    0,
    0,
    0,
    0,
    0,
    0,
    0
  ])
  head.writeUInt32BE(items.length + 4, 4)
  head.writeUInt32BE(2 * kept.length + made.length, 8)
  return Buffer.concat([head, items])
}

/** The part of a message that is the same for every delivery, encoded once. */
const bareOf = (entry: Entry, wire: Wire): Buffer => {
  if (Buffer.isBuffer(entry.encoded)) return entry.encoded
  const bare =
    entry.added === undefined
      ? wire.bare
      : assemble(wire.properties, merge(wire.applicationProperties, entry.added), wire.body)
  entry.encoded = bare
  return bare
}

// ---- writing the part that belongs to one delivery

const writeLong = (to: Buffer, at: number, typecode: number, value: number): number => {
  to[at] = typecode
  const high = Math.floor(value / 0x1_0000_0000)
  to.writeInt32BE(high, at + 1)
  to.writeUInt32BE(value - high * 0x1_0000_0000, at + 5)
  return at + 9
}

const writeEntry = (to: Buffer, at: number, key: Buffer, typecode: number, value: number): number =>
  writeLong(to, at + key.copy(to, at), typecode, Math.floor(value))

const writeUint = (to: Buffer, at: number, value: number | undefined): number => {
  if (value === undefined) {
    to[at] = rhea.code.null
    return at + 1
  }
  to[at] = 0x70
  to.writeUInt32BE(Math.min(value, 0xffff_ffff), at + 1)
  return at + 5
}

const writeHeader = (to: Buffer, entry: Entry, wire: Wire): number => {
  to[0] = 0x00
  to[1] = 0x53
  to[2] = section.header
  to[3] = 0xc0
  to[5] = 5
  to[6] = wire.durable ? 0x41 : 0x42
  to[7] = 0x50
  to[8] = wire.priority
  let at = writeUint(to, 9, entry.content.timeToLive)
  to[at] = wire.firstAcquirer ? 0x41 : 0x42
  at = writeUint(to, at + 1, entry.deliveryCount)
  to[4] = at - 5
  return at
}

/** What `x-opt-message-state` says; a message that was scheduled goes on saying so. */
const stateOf = (entry: Entry): number => {
  if (entry.state === "Deferred" || entry.state === "LockedDeferred") return 1
  return entry.wasScheduled ? 2 : 0
}

const headBytesMax = 384

/** A message as it is delivered or peeked: the part of its own, and the part all deliveries share. */
export const encode = (
  entry: Entry,
  lockedUntil: number | undefined
): { readonly head: Buffer; readonly bare: Buffer } => {
  const wire = wireOf(entry)
  const head = Buffer.allocUnsafe(headBytesMax + wire.annotations.length)
  const start = writeHeader(head, entry, wire)
  head[start] = 0x00
  head[start + 1] = 0x53
  head[start + 2] = section.messageAnnotations
  head[start + 3] = 0xd1
  let at = start + 12
  let items = 8 + wire.annotationItems
  at = writeEntry(head, at, annotation.sequenceNumber, rhea.code.long, entry.sequence)
  at = writeEntry(head, at, annotation.enqueueSequenceNumber, rhea.code.long, entry.sequence)
  at = writeEntry(head, at, annotation.enqueuedTime, rhea.code.timestamp, entry.enqueuedAt)
  at += annotation.messageState.copy(head, at)
  head[at] = 0x71
  head.writeInt32BE(stateOf(entry), at + 1)
  at += 5
  if (lockedUntil !== undefined) {
    at = writeEntry(head, at, annotation.lockedUntil, rhea.code.timestamp, lockedUntil)
    items += 2
  }
  const { scheduledAt } = entry.content
  if (scheduledAt !== undefined) {
    at = writeEntry(head, at, annotation.scheduledEnqueueTime, rhea.code.timestamp, scheduledAt)
    items += 2
  }
  at += wire.annotations.copy(head, at)
  head.writeUInt32BE(at - start - 8, start + 4)
  head.writeUInt32BE(items, start + 8)
  return { head: head.subarray(0, at), bare: bareOf(entry, wire) }
}
