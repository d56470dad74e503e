/** What sealing does, by hand: the same bytes with `node:crypto` alone. */
import { createCipheriv, createDecipheriv, createSecretKey, randomBytes } from "node:crypto"
import { body } from "./cycles.ts"
import { key } from "./stacks.ts"

const secret = createSecretKey(key)

const id = Buffer.from("bench-key")

const headerSize = 4 + 1 + 1 + 1 + id.byteLength + 2 + 8 + 8 + 12

/** Marker, version, mode, key, times and nonce, as `docs/sealed-messages.md` has them. */
const header = (nonce: Uint8Array, now: number): Buffer => {
  const bytes = Buffer.allocUnsafe(headerSize)
  bytes.write("QRE1", 0, "latin1")
  bytes[4] = 1
  bytes[5] = 1
  bytes[6] = id.byteLength
  id.copy(bytes, 7)
  let at = bytes.writeUInt16BE(0, 7 + id.byteLength)
  at = bytes.writeUInt32BE(Math.floor(now / 2 ** 32), at)
  at = bytes.writeUInt32BE(now % 2 ** 32, at)
  at = bytes.writeUInt32BE(0, at)
  at = bytes.writeUInt32BE(0, at)
  bytes.set(nonce, at)
  return bytes
}

/** The header, and the ids of the message behind their lengths. */
const associated = (head: Uint8Array, messageId: string): Buffer => {
  const idBytes = Buffer.from(messageId)
  const lengths = Buffer.allocUnsafe(4)
  lengths.writeUInt32BE(idBytes.byteLength)
  const absent = Buffer.alloc(8, 0xff)
  return Buffer.concat([head, lengths, idBytes, absent])
}

/** 12 bytes that are used once. */
export type Nonces = () => Uint8Array

/** As most programs draw them. */
export const oneByOne: Nonces = () => randomBytes(12)

/** Many at once, as `NodeCrypto` does: a draw costs as much as encrypting 1 KB. */
export const manyAtOnce = (): Nonces => {
  let pool = Buffer.alloc(0)
  let used = 0
  return () => {
    if (used === pool.byteLength) {
      pool = randomBytes(12 * 512)
      used = 0
    }
    used += 12
    return pool.subarray(used - 12, used)
  }
}

const seal = (messageId: string, plaintext: Uint8Array, nonce: Uint8Array): Buffer => {
  const head = header(nonce, Math.floor(performance.timeOrigin + performance.now()))
  const cipher = createCipheriv("aes-256-gcm", secret, nonce)
  cipher.setAAD(associated(head, messageId))
  const ciphertext = cipher.update(plaintext)
  const end = cipher.final()
  return Buffer.concat([head, ciphertext, end, cipher.getAuthTag()])
}

const open = (messageId: string, sealed: Buffer): Buffer => {
  const head = sealed.subarray(0, headerSize)
  const nonce = sealed.subarray(headerSize - 12, headerSize)
  const tagAt = sealed.byteLength - 16
  const decipher = createDecipheriv("aes-256-gcm", secret, nonce)
  decipher.setAAD(associated(head, messageId))
  decipher.setAuthTag(sealed.subarray(tagAt))
  const plaintext = decipher.update(sealed.subarray(headerSize, tagAt))
  return Buffer.concat([plaintext, decipher.final()])
}

let next = 0

/** Seals and opens so many bodies, one after the other. */
export const cycles = (messages: number, nonces: Nonces): void => {
  for (let done = 0; done < messages; done++) {
    const messageId = `message-${next++}`
    const opened = open(messageId, seal(messageId, body, nonces()))
    if (opened.byteLength !== body.byteLength) throw new Error("not what was sealed")
  }
}
