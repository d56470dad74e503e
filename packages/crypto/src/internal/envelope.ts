/** The bytes of a sealed body and of a signature: `docs/sealed-messages.md` has them one by one. */
import * as Result from "effect/Result"
import { Defaults, type KeyProvider } from "@queue-runtime/core"
import { attributeNames } from "./attributes.ts"
import * as failures from "./failures.ts"

/** `QRE1` in ASCII. */
const magic = [0x51, 0x52, 0x45, 0x31] as const

const version = 1

/** What the bytes behind the header are. */
export const modes = { sealed: 1, signed: 2 } as const

export type Mode = keyof typeof modes

export const nonceSize = 12
export const tagSize = 16
export const signatureSize = 32

/** What stands in clear before a sealed body. */
export interface Header {
  readonly mode: Mode
  readonly key: KeyProvider.KeyReference
  /** Milliseconds since 1970. */
  readonly sealedAt: number
  /** Milliseconds that the sender asked the broker to hold the message back. */
  readonly delay: number
  /** What no other message of this key has. */
  readonly nonce: Uint8Array
}

/** A header as it was found: its own bytes are what is bound to the body. */
export interface Decoded {
  readonly header: Header
  readonly bytes: Uint8Array
  /** Where it ends, and the ciphertext with its tag, or the signature, begins. */
  readonly end: number
}

/** Magic, version, mode, length of the key's id, length of the wrapped key, two times, nonce. */
const fixedSize = 4 + 1 + 1 + 1 + 2 + 8 + 8 + nonceSize

const headerSizeMax = (wrappedSizeMax: number): number =>
  fixedSize + Defaults.cryptoKeyIdSizeMax + wrappedSizeMax

/** By how much a message grows, at most. */
export const overheadMax = (mode: "encrypt" | "sign", wrappedSizeMax: number): number =>
  mode === "encrypt"
    ? headerSizeMax(wrappedSizeMax) + tagSize
    : attributeNames.signature.length +
      Math.ceil(((headerSizeMax(wrappedSizeMax) + signatureSize) * 4) / 3)

const encoder = new TextEncoder()
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true })

export const isMarked = (body: Uint8Array): boolean =>
  body[0] === magic[0] && body[1] === magic[1] && body[2] === magic[2] && body[3] === magic[3]

const upper = 0x1_0000_0000

/** Two halves: a bigint each costs more than the rest of the header. */
const writeTime = (bytes: Buffer, at: number, millis: number): number => {
  bytes.writeUInt32BE(Math.floor(millis / upper), at)
  return bytes.writeUInt32BE(millis % upper, at + 4)
}

/** The number that so many bytes are, most significant first. A view of them costs more. */
const numberAt = (bytes: Uint8Array, at: number, size: number): number => {
  let value = 0
  for (let index = at; index < at + size; index++) value = value * 256 + (bytes[index] ?? 0)
  return value
}

/** A time that a number of JavaScript holds exactly. */
const timeAt = (bytes: Uint8Array, at: number): number | undefined => {
  const value = numberAt(bytes, at, 8)
  return Number.isSafeInteger(value) ? value : undefined
}

/** Magic, version, mode, the id of the key and the wrapped key. */
const encodePrefix = ({ id, wrapped }: KeyProvider.KeyReference, mode: Mode): Uint8Array => {
  const idBytes = encoder.encode(id)
  const size = Buffer.allocUnsafe(2)
  size.writeUInt16BE(wrapped?.byteLength ?? 0)
  return concat(
    Uint8Array.of(...magic, version, modes[mode], idBytes.byteLength),
    idBytes,
    size,
    wrapped ?? new Uint8Array(0)
  )
}

/** Of every message of one key the same bytes. */
const prefixes: Readonly<Record<Mode, WeakMap<KeyProvider.KeyReference, Uint8Array>>> = {
  sealed: new WeakMap(),
  signed: new WeakMap()
}

const prefixOf = (key: KeyProvider.KeyReference, mode: Mode): Uint8Array => {
  const known = prefixes[mode].get(key)
  if (known !== undefined) return known
  const made = encodePrefix(key, mode)
  prefixes[mode].set(key, made)
  return made
}

/** What is bound to a body, of which the first bytes are the header that goes out. */
export interface Bound {
  /** Pooled: it is gone when its body is sealed. */
  readonly data: Buffer
  readonly headerSize: number
}

/** A header, and behind it the ids of its message. */
export const encode = ({ delay, key, mode, nonce, sealedAt }: Header, ids: Ids): Bound => {
  const prefix = prefixOf(key, mode)
  const headerSize = prefix.byteLength + 16 + nonceSize
  const data = Buffer.allocUnsafe(headerSize + sizeOf(ids))
  data.set(prefix)
  const at = writeTime(data, prefix.byteLength, sealedAt)
  data.set(nonce, writeTime(data, at, delay))
  writeIds(data, headerSize, ids)
  return { data, headerSize }
}

const invalid = (detail: string) => Result.fail(failures.invalidEnvelope(detail))

/** Made once: who sends rubbish must not be dearer than who does not. */
const refusals = {
  noMarker: invalid("the marker is missing"),
  cutOff: invalid("it ends inside its header"),
  notSealed: invalid(`its mode is not ${modes.sealed}`),
  notSigned: invalid(`its mode is not ${modes.signed}`),
  idSize: invalid(`a key id has 1–${Defaults.cryptoKeyIdSizeMax} bytes`),
  tooShort: invalid("it is too short"),
  signatureSize: invalid(`a signature has ${signatureSize} bytes`),
  time: invalid("its time is out of range"),
  idText: invalid("its key id is not UTF-8")
}

/** Of ASCII, as ids mostly are, byte by byte: the decoder's call costs more than a short text. */
const idAt = (bytes: Uint8Array, from: number, to: number): string | undefined => {
  let text = ""
  for (let at = from; at < to; at++) {
    const byte = bytes[at] ?? 0
    if (byte > 0x7f) {
      return Result.getOrUndefined(Result.try(() => decoder.decode(bytes.subarray(from, to))))
    }
    text += ascii[byte] ?? ""
  }
  return text
}

const ascii: ReadonlyArray<string> = Array.from({ length: 0x80 }, (_, code) =>
  String.fromCharCode(code)
)

/** A key as a header names it: with the length of its id, its id and the wrapped key behind its length. */
interface Named {
  readonly bytes: Uint8Array
  readonly key: KeyProvider.KeyReference
}

/** Where a header begins to name its key. */
const namedAt = 6

/** The one that was read last: what comes together mostly has one key, and its id is made of bytes. */
let lastNamed: Named = { bytes: new Uint8Array(0), key: { id: "" } }

const isLast = (bytes: Uint8Array, from: number, to: number): boolean => {
  const { bytes: last } = lastNamed
  if (last.byteLength !== to - from) return false
  for (let at = from; at < to; at++) if (bytes[at] !== last[at - from]) return false
  return true
}

/** The same object for what is named by the same bytes as before it. */
const keyAt = (
  bytes: Uint8Array,
  idEnd: number,
  end: number
): KeyProvider.KeyReference | undefined => {
  if (isLast(bytes, namedAt, end)) return lastNamed.key
  const id = idAt(bytes, namedAt + 1, idEnd)
  if (id === undefined) return undefined
  // Not a view, which would keep the whole message, as `slice` of a Buffer is one.
  const own = new Uint8Array(bytes.subarray(namedAt, end))
  const wrapped = own.subarray(idEnd + 2 - namedAt)
  lastNamed = { bytes: own, key: wrapped.byteLength === 0 ? { id } : { id, wrapped } }
  return lastNamed.key
}

/** Reads what begins with the marker. Whatever the bytes are, it answers and never throws. */
export const decode = (
  body: Uint8Array,
  expected: Mode
): Result.Result<Decoded, failures.Failure> => {
  if (!isMarked(body)) return refusals.noMarker
  if (body.byteLength < 7) return refusals.cutOff
  const given = numberAt(body, 4, 1)
  if (given !== version) return Result.fail(failures.unsupportedVersion(given))
  if (body[5] !== modes[expected]) {
    return expected === "sealed" ? refusals.notSealed : refusals.notSigned
  }
  const idSize = numberAt(body, 6, 1)
  if (idSize === 0 || idSize > Defaults.cryptoKeyIdSizeMax) return refusals.idSize
  let at = 7 + idSize
  if (body.byteLength < at + 2) return refusals.cutOff
  const wrappedSize = numberAt(body, at, 2)
  at += 2 + wrappedSize
  const nonceEnd = at + 16 + nonceSize
  const restSize = body.byteLength - nonceEnd
  if (restSize < (expected === "sealed" ? tagSize : signatureSize)) return refusals.tooShort
  if (expected === "signed" && restSize > signatureSize) return refusals.signatureSize
  const sealedAt = timeAt(body, at)
  const delay = timeAt(body, at + 8)
  if (sealedAt === undefined || delay === undefined) return refusals.time
  const key = keyAt(body, 7 + idSize, at)
  if (key === undefined) return refusals.idText
  return Result.succeed({
    header: {
      mode: expected,
      key,
      sealedAt,
      delay,
      nonce: body.subarray(at + 16, nonceEnd)
    },
    bytes: body.subarray(0, nonceEnd),
    end: nonceEnd
  })
}

/** What identifies a message, fixed above every stage that comes below sealing. */
export interface Ids {
  readonly messageId: string
  readonly sessionId?: string | undefined
  readonly correlationId?: string | undefined
}

/** Stands for an id that is not there. */
const absent = 0xffff_ffff

const sizeOf = ({ correlationId, messageId, sessionId }: Ids): number =>
  idSize(messageId) + idSize(sessionId) + idSize(correlationId)

const writeIds = (bytes: Buffer, at: number, ids: Ids): void => {
  const sessionAt = writeId(bytes, at, ids.messageId)
  writeId(bytes, writeId(bytes, sessionAt, ids.sessionId), ids.correlationId)
}

/**
 * What is bound to a body: the header, then the message, session and correlation id, each behind its
 * length.
 */
export const associatedData = (header: Uint8Array, ids: Ids): Uint8Array => {
  const bytes = Buffer.allocUnsafe(header.byteLength + sizeOf(ids))
  bytes.set(header)
  writeIds(bytes, header.byteLength, ids)
  return bytes
}

/** With its length before it. */
const idSize = (id: string | undefined): number =>
  4 + (id === undefined ? 0 : Buffer.byteLength(id))

const writeId = (bytes: Buffer, at: number, id: string | undefined): number => {
  const size = id === undefined ? 0 : writeText(bytes, at + 4, id)
  return bytes.writeUInt32BE(id === undefined ? absent : size, at) + size
}

/** UTF-8; of ASCII, as ids mostly are, unit by unit, since a call for a short text costs more. */
const writeText = (bytes: Buffer, from: number, text: string): number => {
  for (let index = 0; index < text.length; index++) {
    const unit = text.charCodeAt(index)
    if (unit > 0x7f) return bytes.write(text, from)
    bytes[from + index] = unit
  }
  return text.length
}

/** What is short comes from Node's pool: memory of its own costs more than sealing. */
const pooled = (size: number): Uint8Array => {
  const { buffer, byteOffset } = Buffer.allocUnsafe(size)
  return new Uint8Array(buffer, byteOffset, size)
}

/** One array of several. */
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const part of parts) size += part.byteLength
  const bytes = pooled(size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}

/** The header, and what stands behind it. */
export const join = (
  { data, headerSize }: Bound,
  body: Uint8Array,
  end?: Uint8Array
): Uint8Array => {
  const endAt = headerSize + body.byteLength
  const bytes = pooled(endAt + (end?.byteLength ?? 0))
  data.copy(bytes, 0, 0, headerSize)
  bytes.set(body, headerSize)
  if (end !== undefined) bytes.set(end, endAt)
  return bytes
}
