/**
 * AMQP's type system as `rhea` reads and writes it. Its typings leave out the reader and the writer and
 * call every value `any`; all of that stops here.
 */
import { Buffer } from "node:buffer"
import rhea from "rhea"

/** A value with its exact AMQP type, so that what is written is what was read. */
export interface Typed {
  readonly type: { readonly typecode: number; readonly name: string }
  readonly value: unknown
  readonly descriptor?: Typed | undefined
}

interface Reader {
  position: number
  readonly read: () => Typed
}

/** Appends encoded values to a buffer that grows. */
export interface Writer {
  buffer: Buffer
  position: number
  readonly write: (value: Typed) => void
  readonly write_bytes: (bytes: Buffer) => void
  readonly write_uint: (value: number, width: 1 | 2 | 4) => void
  readonly ensure: (length: number) => void
}

interface Library {
  readonly Reader: new (buffer: Buffer) => Reader
  readonly Writer: new (buffer?: Buffer) => Writer
  readonly Null: () => Typed
  readonly List32: (items: ReadonlyArray<Typed | undefined>) => Typed
  readonly Map32: (items: ReadonlyArray<Typed>) => Typed
  readonly Array32: (items: ReadonlyArray<unknown>, typecode: number) => Typed
  readonly Long: (value: number | Buffer) => Typed
  readonly Int: (value: number) => Typed
  readonly Timestamp: (value: number) => Typed
  readonly Uuid: (value: Buffer) => Typed
  readonly wrap_boolean: (value: boolean) => Typed
  readonly wrap_ubyte: (value: number) => Typed
  readonly wrap_ushort: (value: number) => Typed
  readonly wrap_uint: (value: number) => Typed
  readonly wrap_ulong: (value: number) => Typed
  readonly wrap_long: (value: number) => Typed
  readonly wrap_double: (value: number) => Typed
  readonly wrap_binary: (value: Buffer) => Typed
  readonly wrap_string: (value: string) => Typed
  readonly wrap_symbol: (value: string) => Typed
  readonly described_nc: (descriptor: Typed, value: Typed) => Typed
}

// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- rhea's typings lack Reader and Writer
const types = rhea.types as never as Library

/** Type codes that are looked at. */
export const code = {
  null: 0x40,
  long: 0x81,
  uuid: 0x98,
  timestamp: 0x83,
  string: 0xa1,
  symbol: 0xa3
} as const

export const makeWriter = (size: number): Writer => new types.Writer(Buffer.allocUnsafe(size))

/** The value at a place, and where the next one begins. Throws on what is not AMQP. */
export const read = (
  buffer: Buffer,
  position = 0
): { readonly value: Typed; readonly end: number } => {
  const reader = new types.Reader(buffer)
  reader.position = position
  const value = reader.read()
  return { value, end: reader.position }
}

const endAt = (buffer: Buffer, position: number): number => {
  const typecode = buffer.readUInt8(position)
  const start = position + 1
  if (typecode === 0) return endAt(buffer, endAt(buffer, start))
  switch (typecode >>> 4) {
    case 0x4:
      return start
    case 0x5:
      return start + 1
    case 0x6:
      return start + 2
    case 0x7:
      return start + 4
    case 0x8:
      return start + 8
    case 0x9:
      return start + 16
    case 0xa:
    case 0xc:
    case 0xe:
      return start + 1 + buffer.readUInt8(start)
    default:
      return start + 4 + buffer.readUInt32BE(start)
  }
}

/** Where the value at a place ends, without decoding it. Throws when that is past the end. */
export const skip = (buffer: Buffer, position: number): number => {
  const end = endAt(buffer, position)
  if (end > buffer.length) throw new RangeError("a value is cut short")
  return end
}

const arrayCodes: ReadonlySet<number> = new Set([0xe0, 0xf0])

/** The reader gives an array's items a type each, and the writer takes them only without. */
const writable = (value: Typed): Typed => {
  if (!isArray(value.value)) return value
  const isAmqpArray = arrayCodes.has(value.type.typecode)
  const items = value.value.map((item) => {
    if (!isTyped(item)) return item
    return isAmqpArray ? item.value : writable(item)
  })
  // A copy with the class of the original, which is what the writer knows it by.
  return Object.assign(Object.create(Object.getPrototypeOf(value)), value, { value: items })
}

export const encode = (value: Typed): Buffer => {
  const writer = new types.Writer(Buffer.allocUnsafe(256))
  writer.write(writable(value))
  return writer.buffer.subarray(0, writer.position)
}

/** One key of an encoded map with its value, and the bytes of both. */
export interface Pair {
  readonly key: string
  readonly bytes: Buffer
  readonly value: Buffer
}

/** The keys and values of the map at a place, not decoded; none when there is no map. */
export const pairsAt = (buffer: Buffer, position: number): ReadonlyArray<Pair> => {
  const typecode = buffer.readUInt8(position)
  if (typecode !== 0xc1 && typecode !== 0xd1) return []
  const end = skip(buffer, position)
  let at = position + (typecode === 0xc1 ? 3 : 9)
  const pairs: Array<Pair> = []
  while (at < end) {
    const valueAt = skip(buffer, at)
    const next = skip(buffer, valueAt)
    pairs.push({
      key: asString(read(buffer, at).value) ?? "",
      bytes: buffer.subarray(at, next),
      value: buffer.subarray(valueAt, next)
    })
    at = next
  }
  return pairs
}

// ---- making values

export const nothing: Typed = types.Null()
export const boolean = (value: boolean): Typed => types.wrap_boolean(value)
export const ubyte = (value: number): Typed => types.wrap_ubyte(value)
export const ushort = (value: number): Typed => types.wrap_ushort(value)
export const uint = (value: number): Typed => types.wrap_uint(value)
export const ulong = (value: number): Typed => types.wrap_ulong(value)
export const int = (value: number): Typed => types.Int(value)
export const binary = (value: Uint8Array): Typed => types.wrap_binary(Buffer.from(value))
export const string = (value: string): Typed => types.wrap_string(value)
export const symbol = (value: string): Typed => types.wrap_symbol(value)
export const timestamp = (millis: number): Typed => types.Timestamp(Math.floor(millis))
export const uuid = (bytes: Buffer): Typed => types.Uuid(bytes)

/** Always eight bytes: a client may count on the width. */
export const long = (value: number | bigint): Typed => {
  if (typeof value === "number") return types.Long(value)
  const bytes = Buffer.allocUnsafe(8)
  bytes.writeBigInt64BE(value)
  return types.Long(bytes)
}

export const list = (items: ReadonlyArray<Typed | undefined>): Typed => types.List32(items)

export const map = (
  entries: Iterable<readonly [string, Typed]>,
  key: (name: string) => Typed = string
): Typed => types.Map32([...entries].flatMap(([name, value]) => [key(name), value]))

export const mapOf = (items: ReadonlyArray<Typed>): Typed => types.Map32(items)

/** An array of longs, timestamps or strings. */
export const array = (items: ReadonlyArray<unknown>, typecode: number): Typed =>
  types.Array32(items, typecode)

export const described = (descriptor: number, value: Typed): Typed =>
  types.described_nc(ulong(descriptor), value)

/** A value of a program as the AMQP value that says the most of it. */
export const wrap = (value: unknown): Typed => {
  if (isTyped(value)) return value
  switch (typeof value) {
    case "string":
      return string(value)
    case "boolean":
      return boolean(value)
    case "bigint":
      return long(value)
    case "number":
      return Number.isSafeInteger(value) ? long(value) : types.wrap_double(value)
    default:
      return value instanceof Uint8Array ? binary(value) : nothing
  }
}

/** The reverse: what a program sees of a value. */
export const plain = (value: unknown): unknown => (isTyped(value) ? value.value : value)

// ---- looking into values

export const isTyped = (value: unknown): value is Typed =>
  typeof value === "object" && value !== null && "type" in value && "value" in value

const isArray = (value: unknown): value is ReadonlyArray<unknown> => Array.isArray(value)

/** The number in a descriptor, or -1. */
export const descriptorOf = (value: Typed | undefined): number => numberOf(value?.descriptor)

/** The descriptor of the value at a place, and where the value itself begins. */
export const descriptorAt = (
  buffer: Buffer,
  position: number
): { readonly descriptor: number; readonly end: number } => {
  if (buffer.readUInt8(position) !== 0) return { descriptor: -1, end: position }
  const { end, value } = read(buffer, position + 1)
  return { descriptor: numberOf(value), end }
}

const numberOf = (descriptor: Typed | undefined): number =>
  typeof descriptor?.value === "string"
    ? (symbolic[descriptor.value] ?? -1)
    : (asNumber(descriptor) ?? -1)

/** Descriptors may be given as symbols; these are the ones a client sends. */
const symbolic: Readonly<Record<string, number>> = {
  "amqp:received:list": 0x23,
  "amqp:accepted:list": 0x24,
  "amqp:rejected:list": 0x25,
  "amqp:released:list": 0x26,
  "amqp:modified:list": 0x27,
  "amqp:source:list": 0x28,
  "amqp:target:list": 0x29,
  "amqp:coordinator:list": 0x30,
  "amqp:header:list": 0x70,
  "amqp:delivery-annotations:map": 0x71,
  "amqp:message-annotations:map": 0x72,
  "amqp:properties:list": 0x73,
  "amqp:application-properties:map": 0x74,
  "amqp:data:binary": 0x75,
  "amqp:amqp-sequence:list": 0x76,
  "amqp:amqp-value:*": 0x77,
  "amqp:footer:map": 0x78
}

export const asString = (value: Typed | undefined): string | undefined =>
  typeof value?.value === "string" ? value.value : undefined

export const asBinary = (value: Typed | undefined): Buffer | undefined =>
  Buffer.isBuffer(value?.value) ? value.value : undefined

export const asBoolean = (value: Typed | undefined): boolean | undefined => {
  const inner = value?.value
  if (typeof inner === "number") return inner !== 0
  return typeof inner === "boolean" ? inner : undefined
}

/** Whole numbers of any width and timestamps; those past 2^53 lose their last digits. */
export const asNumber = (value: Typed | undefined): number | undefined => {
  const inner = value?.value
  if (typeof inner === "number") return inner
  if (inner instanceof Date) return inner.getTime()
  return Buffer.isBuffer(inner) && inner.length === 8 ? Number(inner.readBigInt64BE()) : undefined
}

/** The items of a list, or the fields of a described list. */
export const asList = (value: Typed | undefined): ReadonlyArray<Typed> => {
  const inner = value?.value
  return isArray(inner) ? inner.filter(isTyped) : []
}

/** The items of an array, whose elements carry no type of their own, or of a list. */
export const asArray = (value: Typed | undefined): ReadonlyArray<unknown> => {
  const inner = value?.value
  if (!isArray(inner)) return []
  return inner.map((item) => (isTyped(item) ? item.value : item))
}

export const asMap = (value: Typed | undefined): ReadonlyMap<string, Typed> => {
  const items = asList(value)
  const entries = new Map<string, Typed>()
  for (let at = 0; at + 1 < items.length; at += 2) {
    const key = asString(items[at])
    const item = items[at + 1]
    if (key !== undefined && item !== undefined) entries.set(key, item)
  }
  return entries
}
