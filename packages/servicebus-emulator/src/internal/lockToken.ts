/** Lock tokens: GUIDs that carry the number of a lock, behind eight bytes of the broker's own. */
import { Buffer } from "node:buffer"

const prefixBytes = 8

/** As the delivery tag of a link carries it: the first three groups in the order of .NET. */
export const toTag = (prefix: Buffer, lock: number): Buffer => {
  const token = toUuid(prefix, lock)
  token.subarray(0, 4).reverse()
  token.subarray(4, 6).reverse()
  token.subarray(6, 8).reverse()
  return token
}

/** As `$management` carries it. */
export const toUuid = (prefix: Buffer, lock: number): Buffer => {
  const token = Buffer.allocUnsafe(16)
  prefix.copy(token)
  // The variant of a random UUID; the number has the 48 bits behind it.
  token.writeUInt16BE(0x8000, prefixBytes)
  token.writeUIntBE(lock, prefixBytes + 2, 6)
  return token
}

/** The number of the lock; 0 for a token of somebody else. */
export const toLock = (prefix: Buffer, uuid: Uint8Array): number => {
  const token = Buffer.from(uuid)
  const isOwn = token.length === 16 && token.subarray(0, prefixBytes).equals(prefix)
  return isOwn ? token.readUIntBE(prefixBytes + 2, 6) : 0
}

/** Eight bytes that look like the beginning of a random UUID. */
export const makePrefix = (random: () => number): Buffer => {
  const prefix = Buffer.from(Array.from({ length: prefixBytes }, () => Math.floor(random() * 256)))
  prefix[6] = ((prefix[6] ?? 0) & 0x0f) | 0x40
  return prefix
}
