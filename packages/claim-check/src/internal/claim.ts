/** What a message has in place of its body: `docs/large-messages.md` has it byte by byte. */
import { hash } from "node:crypto"
import { BlobStore, type QueueName } from "@queue-runtime/core"

/** Where a body is, and what it is. */
export interface Claim {
  readonly key: string
  /** Bytes of the body. */
  readonly length: number
  /** SHA-256 of the body, in hexadecimal. */
  readonly digest: string
}

/** What a body turned out to be. */
export type Decoded =
  | { readonly _tag: "Body" }
  | { readonly _tag: "Claim"; readonly claim: Claim }
  | { readonly _tag: "Invalid" }
  | { readonly _tag: "UnsupportedVersion"; readonly version: string }

const marker = "QRC1 "

const version = "1"

const encoder = new TextEncoder()
const decoder = new TextDecoder()

const markerBytes = encoder.encode(marker)

const pattern = /^QRC1 1 (0|[1-9]\d{0,14}) ([\da-f]{64}) (\S+)$/u

const versionPattern = /^QRC1 (\d{1,9}) /u

/** Longer than any claim: what is not read on. */
const sizeMax = 1_024

/** Whether a reader takes it for a claim: a body of somebody's own that begins so goes into the store. */
export const isMarked = (body: Uint8Array): boolean =>
  markerBytes.every((byte, index) => body[index] === byte)

export const digestOf = (body: Uint8Array): string => hash("sha256", body)

export const encode = ({ digest, key, length }: Claim): Uint8Array =>
  encoder.encode(`${marker}${version} ${length} ${digest} ${key}`)

const body: Decoded = { _tag: "Body" }
const invalid: Decoded = { _tag: "Invalid" }

/** Reads a body. Whatever it is, it answers and never throws. */
export const decode = (bytes: Uint8Array): Decoded => {
  if (!isMarked(bytes)) return body
  if (bytes.byteLength > sizeMax) return invalid
  const text = decoder.decode(bytes)
  const [, given] = versionPattern.exec(text) ?? []
  if (given === undefined) return invalid
  if (given !== version) return { _tag: "UnsupportedVersion", version: given }
  const [, length = "", digest = "", key = ""] = pattern.exec(text) ?? []
  return BlobStore.isKey(key)
    ? { _tag: "Claim", claim: { key, digest, length: Number(length) } }
    : invalid
}

/** The longest name that a segment of a key takes as it is. */
const segmentMax = 120

/** Below which a queue's blobs are. */
export const folderOf = (prefix: string, queue: QueueName.QueueName): string =>
  `${prefix}/${queue.length > segmentMax ? hash("sha256", queue) : queue}/`

/** 128 bits of it: nobody finds two of the same. */
const half = 32

/**
 * The key of a body: the same for the same message with the same body, which a broker that deduplicates
 * keeps once. What nobody drops gets a part of its own.
 */
export const keyOf = (folder: string, messageId: string, digest: string, own = ""): string =>
  `${folder}${hash("sha256", messageId).slice(0, half)}-${digest.slice(0, half)}${own}`
