import { QueueError } from "@queue-runtime/core"

/** What is wrong with a sealed body. No detail ever holds a part of one. */
export type Failure = QueueError.CryptoFailed | QueueError.UnencryptedMessage

type Name = QueueError.CryptoFailed["failure"]

const make = (failure: Name, detail: string): QueueError.CryptoFailed =>
  new QueueError.CryptoFailed({ failure, detail })

export const invalidEnvelope = (detail: string): Failure => make("InvalidEnvelope", detail)

export const unsupportedVersion = (version: number): Failure =>
  make(
    "UnsupportedVersion",
    `version ${version} of the format is not known here; update the reader`
  )

export const integrityFailed = (): QueueError.CryptoFailed =>
  make("IntegrityFailed", "the body, its ids or its header were changed, or the key is another one")

/** The id may come from a body that anybody wrote: quoted, it breaks no line of a log. */
export const keyNotFound = (id: string): QueueError.CryptoFailed =>
  make("KeyNotFound", `no key ${JSON.stringify(id)} is known here; add it to the key provider`)

/** Its provider ended, or was given other keys, between the lookup and the use. */
export const keyGone = (id: string): QueueError.CryptoFailed =>
  make("KeyNotFound", `the key ${JSON.stringify(id)} was taken away and wiped`)

export const isKeyNotFound = ({ reason }: QueueError.QueueError): boolean =>
  reason._tag === "CryptoFailed" && reason.failure === "KeyNotFound"

export const envelopeExpired = (sealedAt: string, maxAge: string): Failure =>
  make("EnvelopeExpired", `it was sealed at ${sealedAt}, and may be ${maxAge} old when it is taken`)

export const nonceReused = (): Failure =>
  make("NonceReused", "its nonce was seen in another message: the body was copied")

/** Of a provider of keys whose scope has ended. */
export const closed = (): QueueError.QueueError =>
  QueueError.make(new QueueError.ConnectionFailed({ detail: "the key provider is closed" }))

/** Its name and what is to be known of it: reason and description of a dead letter. */
export const describe = (failure: Failure): readonly [string, string] =>
  failure._tag === "CryptoFailed"
    ? [failure.failure, failure.detail]
    : [failure._tag, failure.message]
