/** One body sealed or signed, and one opened: no queue is touched here. */
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import {
  type CryptoProvider,
  type KeyProvider,
  type Message,
  type NonceStore,
  QueueError,
  type QueueName,
  type ReceivedMessage
} from "@queue-runtime/core"
import { attributeNames, without } from "./attributes.ts"
import * as envelope from "./envelope.ts"
import * as failures from "./failures.ts"
import type { Policy } from "./policy.ts"

/** What sealing and opening need. */
export interface Tools {
  readonly keys: KeyProvider.Service
  readonly cipher: CryptoProvider.Service
  /** Always there where a policy has a `nonceWindow`. */
  readonly nonces: NonceStore.Service | undefined
}

const millisOf = (at: DateTime.Utc): number => DateTime.toEpochMillis(at)

/** How long the sender asked the broker to hold it back, from now. */
const delayOf = ({ delay, scheduledAt }: Message.Message, now: number): number => {
  const millis =
    delay === undefined
      ? scheduledAt === undefined
        ? 0
        : millisOf(scheduledAt) - now
      : Duration.toMillis(delay)
  return Math.min(Math.max(0, Math.ceil(millis)), Number.MAX_SAFE_INTEGER)
}

/** Why the key seals nothing any more, if that is so. */
export const expiryOf = (
  { id, notAfter }: KeyProvider.Key,
  now: number
): QueueError.QueueError | undefined =>
  notAfter === undefined || millisOf(notAfter) > now
    ? undefined
    : QueueError.configurationInvalid(
        `key ${JSON.stringify(id)}`,
        `seals nothing since ${DateTime.formatIso(notAfter)}; make a new key the current one`
      )

/** Seals or signs one message. */
export const seal = (
  { cipher }: Tools,
  mode: Exclude<Policy["mode"], "off">,
  key: KeyProvider.Key,
  message: Message.Stamped,
  now: number
): Effect.Effect<Message.Stamped, QueueError.QueueError> => {
  const delay = delayOf(message, now)
  return Effect.flatMap(cipher.nonce, (nonce) => {
    if (mode === "sign") {
      const header = envelope.encodeHeader({ mode: "signed", key, sealedAt: now, delay, nonce })
      const data = envelope.concat(envelope.associatedData(header, message), message.body)
      return Effect.map(cipher.sign(key, data), (signature) => {
        const text = Base64Url.encode(envelope.concat(header, signature))
        const attributes = { ...message.attributes, [attributeNames.signature]: text }
        return { ...message, attributes }
      })
    }
    const header = envelope.encodeHeader({ mode: "sealed", key, sealedAt: now, delay, nonce })
    const associatedData = envelope.associatedData(header, message)
    const sealing = cipher.encrypt(key, { nonce, plaintext: message.body, associatedData })
    return Effect.map(sealing, ({ ciphertext, tag }) => ({
      ...message,
      body: envelope.concat(header, ciphertext, tag)
    }))
  })
}

/** What is known of a message that was taken from a queue. */
export type Taken = ReceivedMessage.PeekedMessage &
  Partial<Pick<ReceivedMessage.ReceivedMessage, "deliveredAt" | "firstDeliveredAt">>

/** Readable, and proved to be as it was sent. */
interface Handed<M> {
  readonly _tag: "Opened" | "Plaintext"
  readonly message: M
}

/** What became of one message. */
export type Opened<M> =
  | { readonly _tag: "Opened"; readonly message: M }
  /** It is what it is: another delivery would find the same. */
  | { readonly _tag: "Rejected"; readonly failure: failures.Failure }
  /** A key, or the service that holds it, may be there later. */
  | { readonly _tag: "Later"; readonly error: QueueError.QueueError }
  /** Nothing protects it. */
  | { readonly _tag: "Plaintext"; readonly message: M }

const rejected = (failure: failures.Failure) => ({ _tag: "Rejected", failure }) as const

const later = (error: QueueError.QueueError) => ({ _tag: "Later", error }) as const

/**
 * When it was delivered first. Of a redelivery whose provider does not know, the broker's clock speaks:
 * it is earlier, and so never rejects what the first delivery was let through with.
 */
const receivedAt = ({
  deliveredAt,
  deliveryCount,
  enqueuedAt,
  firstDeliveredAt = enqueuedAt
}: Taken): DateTime.Utc =>
  deliveryCount > 1 &&
  deliveredAt !== undefined &&
  millisOf(firstDeliveredAt) >= millisOf(deliveredAt)
    ? enqueuedAt
    : firstDeliveredAt

/** Whether this body was sealed too long before the broker took it. */
const isStale = (
  { delay, sealedAt }: envelope.Header,
  message: Taken,
  { from, maxAge }: NonNullable<Policy["freshness"]>
): boolean => {
  // A redelivery is judged as the first delivery was.
  const taken = from === "enqueued" ? message.enqueuedAt : receivedAt(message)
  return millisOf(taken) - (sealedAt + delay) > Duration.toMillis(maxAge)
}

/** The same at every redelivery of a stored message, another one of its copy. */
const storedIdentity = ({ enqueuedAt, messageId, sequenceNumber }: Taken): string =>
  sequenceNumber === undefined ? `${messageId} ${millisOf(enqueuedAt)}` : String(sequenceNumber)

const expired = (header: envelope.Header, maxAge: Duration.Duration): failures.Failure =>
  failures.envelopeExpired(
    DateTime.formatIso(DateTime.makeUnsafe(header.sealedAt)),
    Duration.format(maxAge)
  )

/** Freshness and nonce, of what is proved to be untampered. */
const judged = <M extends Taken>(
  { nonces }: Tools,
  queue: QueueName.QueueName,
  { freshness, nonceWindow }: Policy,
  header: envelope.Header,
  opened: Handed<M>
): Proving<M> => {
  const { message } = opened
  if (freshness !== undefined && isStale(header, message, freshness)) {
    return Effect.succeed(rejected(expired(header, freshness.maxAge)))
  }
  if (nonces === undefined || nonceWindow === undefined) return Effect.succeed(opened)
  const nonce = `${header.key.id} ${Base64.encode(header.nonce)}`
  const sighting = { queue, nonce, stored: storedIdentity(message) }
  return Effect.match(nonces.claim(sighting, nonceWindow), {
    onSuccess: (isOwn) => (isOwn ? opened : rejected(failures.nonceReused())),
    onFailure: later
  })
}

/** Mostly there is nothing to take out. */
const plainAttributes = (attributes: Message.Attributes): Message.Attributes =>
  attributes[attributeNames.signature] === undefined &&
  attributes[attributeNames.unopened] === undefined
    ? attributes
    : without(attributes, attributeNames.signature, attributeNames.unopened)

type Proving<M> = Effect.Effect<Opened<M>>

/** What comes next for a message that is proved to be as it was sent. */
type Proved<M> = (header: envelope.Header, body: Uint8Array) => Proving<M>

const tryLater = (error: QueueError.QueueError) => Effect.succeed(later(error))

const undecrypted = (error: QueueError.QueueError) => {
  const { reason } = error
  // A key that was wiped meanwhile, or a security module that is down, says nothing of the body.
  const isTampered = reason._tag === "CryptoFailed" && reason.failure === "IntegrityFailed"
  return Effect.succeed(isTampered ? rejected(reason) : later(error))
}

/** Runs with the key of a header, if there is one. */
const withKey = <M>(
  { keys }: Tools,
  queue: QueueName.QueueName,
  { key }: envelope.Header,
  f: (key: KeyProvider.Key) => Proving<M>
): Proving<M> =>
  Effect.matchEffect(keys.byId(queue, key), {
    onSuccess: (found) =>
      Option.isSome(found)
        ? f(found.value)
        : Effect.succeed(later(QueueError.make(failures.keyNotFound(key.id)))),
    onFailure: tryLater
  })

const openSealed = <M extends Taken>(
  tools: Tools,
  queue: QueueName.QueueName,
  message: M,
  proved: Proved<M>
): Proving<M> => {
  const decoded = envelope.decode(message.body, "sealed")
  if (Result.isFailure(decoded)) return Effect.succeed(rejected(decoded.failure))
  const { bytes, end, header } = decoded.success
  const tagAt = message.body.byteLength - envelope.tagSize
  const input = {
    nonce: header.nonce,
    ciphertext: message.body.subarray(end, tagAt),
    tag: message.body.subarray(tagAt),
    associatedData: envelope.associatedData(bytes, message)
  }
  return withKey(tools, queue, header, (key) =>
    Effect.matchEffect(tools.cipher.decrypt(key, input), {
      onSuccess: (body) => proved(header, body),
      onFailure: undecrypted
    })
  )
}

const openSigned = <M extends Taken>(
  tools: Tools,
  queue: QueueName.QueueName,
  message: M,
  text: string,
  proved: Proved<M>
): Proving<M> => {
  const encoded = Base64Url.decode(text)
  if (Result.isFailure(encoded)) return Effect.succeed(rejected(notBase64))
  const decoded = envelope.decode(encoded.success, "signed")
  if (Result.isFailure(decoded)) return Effect.succeed(rejected(decoded.failure))
  const { bytes, end, header } = decoded.success
  const signature = encoded.success.subarray(end)
  const data = envelope.concat(envelope.associatedData(bytes, message), message.body)
  return withKey(tools, queue, header, (key) =>
    Effect.matchEffect(tools.cipher.verify(key, data, signature), {
      onSuccess: (isTrue) =>
        isTrue
          ? proved(header, message.body)
          : Effect.succeed(rejected(failures.integrityFailed())),
      onFailure: tryLater
    })
  )
}

const notBase64 = failures.invalidEnvelope("its signature is not base64url")

/**
 * Opens one message by the policy of its queue. `isStored` is what was put aside already or is only
 * looked at: its age says nothing, and its nonce was claimed when it came.
 */
export const open = <M extends Taken>(
  tools: Tools,
  queue: QueueName.QueueName,
  policy: Policy,
  message: M,
  isStored: boolean
): Effect.Effect<Opened<M>> => {
  const signature = message.attributes[attributeNames.signature]
  const attributes = plainAttributes(message.attributes)
  if (signature === undefined && !envelope.isMarked(message.body)) {
    return Effect.succeed({ _tag: "Plaintext", message: { ...message, attributes } })
  }
  const proved: Proved<M> = (header, body) => {
    // Signed is readable: on a queue that encrypts it is plaintext that somebody signed.
    const _tag = header.mode === "signed" && policy.mode === "encrypt" ? "Plaintext" : "Opened"
    const opened: Handed<M> = { _tag, message: { ...message, body, attributes } }
    return isStored ? Effect.succeed(opened) : judged(tools, queue, policy, header, opened)
  }
  // The signature first: what is signed may be any bytes, those of a sealed body included.
  return signature === undefined
    ? openSealed(tools, queue, message, proved)
    : openSigned(tools, queue, message, signature, proved)
}
