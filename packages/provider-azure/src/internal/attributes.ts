import * as Result from "effect/Result"
import { Defaults } from "@queue-runtime/core"

/**
 * Attributes as application properties and back.
 *
 * Every attribute is the property of its name, so that any SDK reads it, except where that cannot be:
 * names that the service, its SDKs or this library give a meaning are escaped, and what is over the
 * service's limits for headers travels as JSON behind the body.
 */

/** What begins a property of this library's own. */
const own = "qr-"

/** Before the name of an attribute that another meaning of it stands in the way of. */
const escape = `${own}attribute-`

/** How many bytes of the body are the message's; what is behind them are attributes. */
export const bodyLength = `${own}body-length`

/** A media type that is not ASCII, which is all that AMQP takes there. */
export const contentType = `${own}content-type`

/** On an abandoned or dead-lettered message: when it was delivered first. */
export const firstDeliveredAt = `${own}first-delivered-at`

/** On a dead letter of ours: how often it was delivered before. */
export const deliveryCount = `${own}delivery-count`

/** On a dead letter of ours: when it was put aside. */
export const deadLetteredAt = `${own}dead-lettered-at`

/** On a dead letter of ours: what else is known of the failure, as JSON. */
export const deadLetterDetails = `${own}dead-letter-details`

/** The trace context as the SDKs of Azure write and read it. */
const diagnosticId = "Diagnostic-Id"

/** The same as the W3C calls it. */
const traceparent = "traceparent"

export const deadLetterReason = "DeadLetterReason"

export const deadLetterDescription = "DeadLetterErrorDescription"

const reserved: ReadonlySet<string> = new Set([
  deadLetterReason,
  deadLetterDescription,
  diagnosticId,
  // Decoding it would write to the prototype of the properties.
  "__proto__"
])

const nameOf = (attribute: string): string =>
  reserved.has(attribute) || attribute.startsWith(own) ? `${escape}${attribute}` : attribute

type Entry = readonly [name: string, value: string]

/** What becomes of the attributes of one message. */
export interface Packed {
  readonly properties: Record<string, string>
  /** What goes behind the body; none when everything fits. */
  readonly overflow: Uint8Array | undefined
}

const stringSize = (value: string): number => {
  const length = Buffer.byteLength(value, "utf8")
  return length + (length > 0xff ? 5 : 2)
}

/** The size of one property on the wire. */
export const propertySize = (name: string, value: string): number =>
  stringSize(name) + stringSize(value)

/** The attributes as properties, and what of them is too much for headers. */
export const pack = (attributes: Readonly<Record<string, string>>): Packed => {
  const properties: Record<string, string> = {}
  const over: Array<Entry> = []
  let total = 0
  for (const [attribute, value] of Object.entries(attributes)) {
    const name = nameOf(attribute)
    const size = propertySize(name, value)
    const isOver =
      size > Defaults.serviceBusPropertySizeMax ||
      total + size > Defaults.serviceBusPropertiesSizeMax
    if (isOver) {
      over.push([attribute, value])
    } else {
      properties[name] = value
      total += size
    }
  }
  const trace = Object.hasOwn(attributes, traceparent) ? attributes[traceparent] : undefined
  if (trace !== undefined) properties[diagnosticId] = trace
  return {
    properties,
    overflow: over.length === 0 ? undefined : new TextEncoder().encode(JSON.stringify(over))
  }
}

/** A property of another program as text: what an attribute is. */
const textOf = (value: unknown): string => {
  if (typeof value === "string") return value
  if (value === null || value === undefined) return ""
  if (value instanceof Date) return value.toISOString()
  if (value instanceof Uint8Array) return Buffer.from(value).toString("base64")
  return typeof value === "bigint" ? value.toString() : JSON.stringify(value)
}

const isEntries = (value: unknown): value is ReadonlyArray<Entry> =>
  Array.isArray(value) &&
  value.every(
    (entry: unknown) =>
      Array.isArray(entry) &&
      entry.length === 2 &&
      typeof entry[0] === "string" &&
      typeof entry[1] === "string"
  )

/** What stood behind the body; nothing when it is not ours after all. */
export const unpackOverflow = (bytes: Uint8Array): ReadonlyArray<Entry> | undefined => {
  const decoded = Result.try((): unknown => JSON.parse(new TextDecoder().decode(bytes)))
  return Result.isSuccess(decoded) && isEntries(decoded.success) ? decoded.success : undefined
}

/** A name may be `__proto__`, and is then a property like any other. */
const set = (attributes: Record<string, string>, name: string, value: string): void => {
  if (name === "__proto__") {
    Object.defineProperty(attributes, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true
    })
  } else {
    attributes[name] = value
  }
}

/** The attributes of a message that has these properties, and those behind its body. */
export const unpack = (
  properties: Readonly<Record<string, unknown>>,
  overflow: ReadonlyArray<Entry>,
  isDeadLetter: boolean
): Record<string, string> => {
  const attributes: Record<string, string> = {}
  for (const [name, value] of Object.entries(properties)) {
    if (name.startsWith(escape)) set(attributes, name.slice(escape.length), textOf(value))
    else if (name.startsWith(own) || name === diagnosticId) continue
    else if (isDeadLetter && (name === deadLetterReason || name === deadLetterDescription)) continue
    else attributes[name] = textOf(value)
  }
  for (const [name, value] of overflow) set(attributes, name, value)
  const trace = properties[diagnosticId]
  if (typeof trace === "string" && !Object.hasOwn(attributes, traceparent)) {
    attributes[traceparent] = trace
  }
  return attributes
}
