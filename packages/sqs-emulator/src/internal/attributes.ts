/** Message attributes: what may be sent, what they weigh, and their MD5 as AWS counts it. */
import { createHash } from "node:crypto"
import * as input from "./input.ts"
import * as limits from "./limits.ts"
import * as refusals from "./refusals.ts"

export interface Attribute {
  readonly DataType: string
  readonly StringValue?: string
  /** In Base64, as it is on the wire. */
  readonly BinaryValue?: string
}

export type Attributes = ReadonlyMap<string, Attribute>

const none: Attributes = new Map()

// The allowed characters of XML 1.0; a lone surrogate is none of them.
const illegal = /[^\t\n\r\u0020-\uD7FF\uE000-\uFFFD\u{10000}-\u{10FFFF}]/u

export const isLegalText = (text: string): boolean => !illegal.test(text)

// AWS takes letters of any script.
const nameForm = /^[\p{L}\p{N}_.-]+$/u

const fail = (message: string): never => refusals.refuse(refusals.invalidAttribute(message))

const checkName = (name: string): void => {
  if (name === "") fail("The request must contain non-empty message attribute names.")
  if (name.length > limits.attributeNameLengthMax) {
    fail("Message (user) attribute name must be shorter than 256 Bytes")
  }
  const lower = name.toLowerCase()
  if (lower.startsWith("aws.") || lower.startsWith("amazon.")) {
    fail("You can't use message attribute names beginning with 'AWS.' or 'Amazon.'.")
  }
  if (!nameForm.test(name) || name.startsWith(".") || name.endsWith(".") || name.includes("..")) {
    fail(
      `Invalid non-alphanumeric character was found in the message attribute name '${name}'. Can only include alphanumeric characters, hyphens, underscores, or dots.`
    )
  }
}

const empty = (name: string, type: string): never =>
  fail(`Message (user) attribute '${name}' must contain a non-empty value of type '${type}'.`)

const readText = (name: string, DataType: string, base: string, from: input.Input): Attribute => {
  const StringValue = input.text(from, "StringValue") || empty(name, "String")
  if (!isLegalText(StringValue)) {
    fail(
      `Invalid binary character was found in the value of message (user) attribute '${name}', the set of allowed characters is #x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF`
    )
  }
  if (base === "Number" && !Number.isFinite(Number(StringValue))) {
    fail(`Can't cast the value of message (user) attribute '${name}' to a number.`)
  }
  return { DataType, StringValue }
}

const read = (name: string, from: input.Input): Attribute => {
  checkName(name)
  const type = input.text(from, "DataType")
  if (type === undefined || type === "") {
    return fail(`The message attribute '${name}' must contain a non-empty message attribute type.`)
  }
  const [base = ""] = type.split(".", 1)
  if (base === "Binary") {
    const BinaryValue = input.text(from, "BinaryValue") || empty(name, "Binary")
    return { DataType: type, BinaryValue }
  }
  if (base === "String" || base === "Number") return readText(name, type, base, from)
  return fail(
    `The message attribute '${name}' has an invalid message attribute type, the set of supported type prefixes is Binary, Number, and String.`
  )
}

/** The attributes of a message that is sent. */
export const readAll = (from: input.Input): Attributes => {
  const given = input.optionalObject(from, "MessageAttributes")
  if (given === undefined) return none
  const names = Object.keys(given)
  if (names.length === 0) return none
  if (names.length > limits.attributesMax) {
    fail(
      `Number of message attributes [${names.length}] exceeds the allowed maximum [${limits.attributesMax}].`
    )
  }
  return new Map(names.map((name) => [name, read(name, input.object(given[name]))]))
}

const traceHeader = "AWSTraceHeader"

/** The one system attribute that may be sent. */
export const readSystem = (from: input.Input): Attributes => {
  const given = input.optionalObject(from, "MessageSystemAttributes")
  if (given === undefined) return none
  const names = Object.keys(given)
  if (names.length === 0) return none
  const other = names.find((name) => name !== traceHeader)
  if (other !== undefined) fail(`Message system attribute name '${other}' is invalid.`)
  const header = read("TraceHeader", input.object(given[traceHeader]))
  if (header.DataType !== "String") {
    fail(`Message system attribute '${traceHeader}' must be of type 'String'.`)
  }
  return new Map([[traceHeader, header]])
}

/** The value of the trace header. */
export const traceOf = (system: Attributes): string | undefined =>
  system.get(traceHeader)?.StringValue

/** What they add to a message's size: names, types and values. System attributes add nothing. */
export const bytesOf = (attributes: Attributes): number => {
  let bytes = 0
  for (const [name, { BinaryValue, DataType, StringValue }] of attributes) {
    bytes += Buffer.byteLength(name) + Buffer.byteLength(DataType)
    if (StringValue !== undefined) bytes += Buffer.byteLength(StringValue)
    if (BinaryValue !== undefined) bytes += Buffer.byteLength(BinaryValue, "base64")
  }
  return bytes
}

const lengthOf = (bytes: number): Buffer => {
  const buffer = Buffer.allocUnsafe(4)
  buffer.writeUInt32BE(bytes)
  return buffer
}

const textMark = Buffer.from([1])
const binaryMark = Buffer.from([2])

/** The MD5 of attributes, or nothing when there are none. */
export const md5Of = (attributes: Attributes): string | undefined => {
  if (attributes.size === 0) return undefined
  const hash = createHash("md5")
  const add = (value: Buffer): void => {
    hash.update(lengthOf(value.length)).update(value)
  }
  for (const name of [...attributes.keys()].toSorted()) {
    const { BinaryValue, DataType = "", StringValue = "" } = attributes.get(name) ?? {}
    add(Buffer.from(name))
    add(Buffer.from(DataType))
    hash.update(BinaryValue === undefined ? textMark : binaryMark)
    add(BinaryValue === undefined ? Buffer.from(StringValue) : Buffer.from(BinaryValue, "base64"))
  }
  return hash.digest("hex")
}

const isMatch = (name: string, filter: string): boolean => {
  if (filter === "All" || filter === ".*" || filter === name) return true
  return filter.endsWith(".*") && name.startsWith(filter.slice(0, -2))
}

/** Those that a receive asked for by `MessageAttributeNames`. */
export const select = (attributes: Attributes, filters: ReadonlyArray<string>): Attributes => {
  if (attributes.size === 0 || filters.length === 0) return none
  if (filters.includes("All") || filters.includes(".*")) return attributes
  return new Map(
    [...attributes].filter(([name]) => filters.some((filter) => isMatch(name, filter)))
  )
}
