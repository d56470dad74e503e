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
  /** The ciphertext with its tag, or the signature. */
  readonly rest: Uint8Array
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

/** Of every message of one key the same bytes. */
const keyIdBytes = new WeakMap<KeyProvider.KeyReference, Uint8Array>()

const idBytesOf = (key: KeyProvider.KeyReference): Uint8Array => {
  const known = keyIdBytes.get(key)
  if (known !== undefined) return known
  const made = encoder.encode(key.id)
  keyIdBytes.set(key, made)
  return made
}

export const isMarked = (body: Uint8Array): boolean =>
  body[0] === magic[0] && body[1] === magic[1] && body[2] === magic[2] && body[3] === magic[3]

const upper = 0x1_0000_0000

/** Two halves: a bigint each costs more than the rest of the header. */
const writeTime = (bytes: Buffer, at: number, millis: number): number => {
  bytes.writeUInt32BE(Math.floor(millis / upper), at)
  return bytes.writeUInt32BE(millis % upper, at + 4)
}

/** A time that a number of JavaScript holds exactly. */
const timeAt = (view: DataView, at: number): number | undefined => {
  const value = view.getUint32(at) * upper + view.getUint32(at + 4)
  return Number.isSafeInteger(value) ? value : undefined
}

export const encodeHeader = ({ delay, key, mode, nonce, sealedAt }: Header): Uint8Array => {
  const id = idBytesOf(key)
  const wrapped = key.wrapped?.byteLength ?? 0
  const bytes = Buffer.allocUnsafe(fixedSize + id.byteLength + wrapped)
  bytes.set(magic)
  bytes[4] = version
  bytes[5] = modes[mode]
  bytes[6] = id.byteLength
  bytes.set(id, 7)
  let at = bytes.writeUInt16BE(wrapped, 7 + id.byteLength)
  if (key.wrapped !== undefined) bytes.set(key.wrapped, at)
  at = writeTime(bytes, at + wrapped, sealedAt)
  at = writeTime(bytes, at, delay)
  bytes.set(nonce, at)
  return bytes
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

const idAt = (bytes: Uint8Array): string | undefined =>
  Result.getOrUndefined(Result.try(() => decoder.decode(bytes)))

/** Reads what begins with the marker. Whatever the bytes are, it answers and never throws. */
export const decode = (
  body: Uint8Array,
  expected: Mode
): Result.Result<Decoded, failures.Failure> => {
  if (!isMarked(body)) return refusals.noMarker
  if (body.byteLength < 7) return refusals.cutOff
  const view = new DataView(body.buffer, body.byteOffset, body.byteLength)
  const given = view.getUint8(4)
  if (given !== version) return Result.fail(failures.unsupportedVersion(given))
  if (body[5] !== modes[expected]) {
    return expected === "sealed" ? refusals.notSealed : refusals.notSigned
  }
  const idSize = view.getUint8(6)
  if (idSize === 0 || idSize > Defaults.cryptoKeyIdSizeMax) return refusals.idSize
  let at = 7 + idSize
  if (body.byteLength < at + 2) return refusals.cutOff
  const wrappedSize = view.getUint16(at)
  at += 2
  const wrapped = body.subarray(at, at + wrappedSize)
  at += wrappedSize
  const nonceEnd = at + 16 + nonceSize
  const restSize = body.byteLength - nonceEnd
  if (restSize < (expected === "sealed" ? tagSize : signatureSize)) return refusals.tooShort
  if (expected === "signed" && restSize > signatureSize) return refusals.signatureSize
  const sealedAt = timeAt(view, at)
  const delay = timeAt(view, at + 8)
  if (sealedAt === undefined || delay === undefined) return refusals.time
  const id = idAt(body.subarray(7, 7 + idSize))
  if (id === undefined) return refusals.idText
  return Result.succeed({
    header: {
      mode: expected,
      key: wrappedSize === 0 ? { id } : { id, wrapped },
      sealedAt,
      delay,
      nonce: body.subarray(at + 16, nonceEnd)
    },
    bytes: body.subarray(0, nonceEnd),
    rest: body.subarray(nonceEnd)
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

/**
 * What is bound to a body: the header, then the message, session and correlation id, each behind its
 * length.
 */
export const associatedData = (header: Uint8Array, ids: Ids): Uint8Array => {
  const { correlationId, messageId, sessionId } = ids
  // Three bytes of UTF-8 a unit of UTF-16 at most. Pooled: it is gone when its body is sealed.
  const units = messageId.length + (sessionId?.length ?? 0) + (correlationId?.length ?? 0)
  const bytes = Buffer.allocUnsafe(header.byteLength + 12 + 3 * units)
  bytes.set(header)
  let at = header.byteLength
  const append = (id: string | undefined): void => {
    const size = id === undefined ? 0 : bytes.write(id, at + 4)
    bytes.writeUInt32BE(id === undefined ? absent : size, at)
    at += 4 + size
  }
  append(messageId)
  append(sessionId)
  append(correlationId)
  return bytes.subarray(0, at)
}

/** One array of several. What is short comes from Node's pool: memory of its own costs more than sealing. */
export const concat = (...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  let size = 0
  for (const part of parts) size += part.byteLength
  const { buffer, byteOffset } = Buffer.allocUnsafe(size)
  const bytes = new Uint8Array(buffer, byteOffset, size)
  let at = 0
  for (const part of parts) {
    bytes.set(part, at)
    at += part.byteLength
  }
  return bytes
}
