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

/**
 * Seals or signs one message. `then` is what comes next: an effect of its own to hand the message over
 * takes a fiftieth of sealing.
 */
export const seal = <A>(
  { cipher }: Tools,
  mode: Exclude<Policy["mode"], "off">,
  key: KeyProvider.Key,
  message: Message.Stamped,
  now: number,
  then: (sealed: Message.Stamped) => Effect.Effect<A, QueueError.QueueError>
): Effect.Effect<A, QueueError.QueueError> => {
  const delay = delayOf(message, now)
  return Effect.flatMap(cipher.nonce, (nonce) => {
    if (mode === "sign") {
      const header = { mode: "signed", key, sealedAt: now, delay, nonce } as const
      const bound = envelope.encode(header, message)
      const data = envelope.concat(bound.data, message.body)
      return Effect.flatMap(cipher.sign(key, data), (signature) => {
        const text = Base64Url.encode(envelope.join(bound, signature))
        const attributes = { ...message.attributes, [attributeNames.signature]: text }
        return then({ ...message, attributes })
      })
    }
    const header = { mode: "sealed", key, sealedAt: now, delay, nonce } as const
    const bound = envelope.encode(header, message)
    const input = { nonce, plaintext: message.body, associatedData: bound.data }
    return Effect.flatMap(cipher.encrypt(key, input), ({ ciphertext, tag }) =>
      then({ ...message, body: envelope.join(bound, ciphertext, tag) })
    )
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

/** What comes next for a message, whatever became of it. */
type Then<M, A> = (opened: Opened<M>) => Effect.Effect<A>

/** Freshness and nonce, of what is proved to be untampered. */
const judge = <M extends Taken, A>(
  { nonces }: Tools,
  queue: QueueName.QueueName,
  { freshness, nonceWindow }: Policy,
  header: envelope.Header,
  opened: Handed<M>,
  then: Then<M, A>
): Effect.Effect<A> => {
  const { message } = opened
  if (freshness !== undefined && isStale(header, message, freshness)) {
    return then(rejected(expired(header, freshness.maxAge)))
  }
  if (nonces === undefined || nonceWindow === undefined) return then(opened)
  const nonce = `${header.key.id} ${Base64.encode(header.nonce)}`
  const sighting = { queue, nonce, stored: storedIdentity(message) }
  return Effect.matchEffect(nonces.claim(sighting, nonceWindow), {
    onSuccess: (isOwn) => then(isOwn ? opened : rejected(failures.nonceReused())),
    onFailure: (error) => then(later(error))
  })
}

/** Mostly there is nothing to take out. */
const plainAttributes = (attributes: Message.Attributes): Message.Attributes =>
  attributes[attributeNames.signature] === undefined &&
  attributes[attributeNames.unopened] === undefined
    ? attributes
    : without(attributes, attributeNames.signature, attributeNames.unopened)

/** Whether another key might have opened it: the one that was used may have been wiped or replaced. */
const isOfItsKey = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "CryptoFailed" &&
  (reason.failure === "IntegrityFailed" || reason.failure === "KeyNotFound")

const unproved = ({ reason }: QueueError.QueueError): failures.Failure | undefined =>
  // A key that was wiped meanwhile, or a security module that is down, says nothing of the body.
  reason._tag === "CryptoFailed" && reason.failure === "IntegrityFailed" ? reason : undefined

/** How it is proved with a key that a message is as it was sent: what comes out is its body. */
interface Proof {
  readonly header: envelope.Header
  readonly by: (key: KeyProvider.Key) => Effect.Effect<Uint8Array, QueueError.QueueError>
}

const proofOfSealed = (
  { cipher }: Tools,
  message: Taken
): Result.Result<Proof, failures.Failure> => {
  const decoded = envelope.decode(message.body, "sealed")
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { bytes, end, header } = decoded.success
  const tagAt = message.body.byteLength - envelope.tagSize
  const input = {
    nonce: header.nonce,
    ciphertext: message.body.subarray(end, tagAt),
    tag: message.body.subarray(tagAt),
    associatedData: envelope.associatedData(bytes, message)
  }
  return Result.succeed({ header, by: (key) => cipher.decrypt(key, input) })
}

const notBase64 = Result.fail(failures.invalidEnvelope("its signature is not base64url"))

const proofOfSigned = (
  { cipher }: Tools,
  message: Taken,
  text: string
): Result.Result<Proof, failures.Failure> => {
  const encoded = Base64Url.decode(text)
  if (Result.isFailure(encoded)) return notBase64
  const decoded = envelope.decode(encoded.success, "signed")
  if (Result.isFailure(decoded)) return Result.fail(decoded.failure)
  const { bytes, end, header } = decoded.success
  const signature = encoded.success.subarray(end)
  const data = envelope.concat(envelope.associatedData(bytes, message), message.body)
  return Result.succeed({
    header,
    by: (key) =>
      Effect.flatMap(cipher.verify(key, data, signature), (isTrue) =>
        isTrue
          ? Effect.succeed(message.body)
          : Effect.fail(QueueError.make(failures.integrityFailed()))
      )
  })
}

/** The key that was looked up last. */
interface Found {
  readonly reference: KeyProvider.KeyReference
  readonly key: KeyProvider.Key
}

/** Opens messages, one after the other. */
export type Open<M> = <A>(message: M, then: Then<M, A>) => Effect.Effect<A>

/**
 * Opens the messages of one call by the policy of their queue. `isStored` are those that were put aside
 * already or are only looked at: their age says nothing, and their nonces were claimed when they came.
 * `then` is as for {@link seal}.
 */
export const opener = <M extends Taken>(
  tools: Tools,
  queue: QueueName.QueueName,
  policy: Policy,
  isStored: boolean
): Open<M> => {
  // What comes together mostly has one key, whose lookup takes a twentieth of opening.
  let found: Found | undefined

  return (message, then) => {
    const signature = message.attributes[attributeNames.signature]
    const attributes = plainAttributes(message.attributes)
    if (signature === undefined && !envelope.isMarked(message.body)) {
      return then({ _tag: "Plaintext", message: { ...message, attributes } })
    }
    // The signature first: what is signed may be any bytes, those of a sealed body included.
    const proof =
      signature === undefined
        ? proofOfSealed(tools, message)
        : proofOfSigned(tools, message, signature)
    if (Result.isFailure(proof)) return then(rejected(proof.failure))
    const { by, header } = proof.success

    const onSuccess = (body: Uint8Array) => {
      // Signed is readable: on a queue that encrypts it is plaintext that somebody signed.
      const _tag = header.mode === "signed" && policy.mode === "encrypt" ? "Plaintext" : "Opened"
      const opened: Handed<M> = { _tag, message: { ...message, body, attributes } }
      return isStored ? then(opened) : judge(tools, queue, policy, header, opened, then)
    }
    const lookUp = () =>
      Effect.matchEffect(tools.keys.byId(queue, header.key), {
        onSuccess: (key) => {
          if (Option.isNone(key)) {
            return then(later(QueueError.make(failures.keyNotFound(header.key.id))))
          }
          found = { reference: header.key, key: key.value }
          return Effect.matchEffect(by(key.value), {
            onSuccess,
            onFailure: (error) => {
              const failure = unproved(error)
              return then(failure === undefined ? later(error) : rejected(failure))
            }
          })
        },
        onFailure: (error) => then(later(error))
      })
    if (found?.reference !== header.key) return lookUp()
    return Effect.matchEffect(by(found.key), {
      onSuccess,
      // Only a key that was looked up now may fail a message.
      onFailure: (error) => (isOfItsKey(error) ? lookUp() : then(later(error)))
    })
  }
}
