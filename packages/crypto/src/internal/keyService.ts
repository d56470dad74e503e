/** What the services that hold keys have in common: time limits, and errors without secrets. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Base64 from "effect/encoding/Base64"
import * as Result from "effect/Result"
import { QueueError } from "@queue-runtime/core"

/** Where a call went: for its errors. */
export interface Place {
  readonly provider: string
  readonly operation: string
}

/** What is known of an error of an SDK. */
export interface Known {
  readonly name: string
  readonly status: number | undefined
  readonly code: string | undefined
  /** What an answer of Azure says beside its code. */
  readonly detail: string | undefined
}

/** Of what may be anything. */
const property = (value: unknown, name: string): unknown => Reflect.get(Object(value), name)

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined

/** AWS names its errors; Azure has a status and a code, and so have sockets. */
export const known = (thrown: unknown): Known => ({
  name: textOf(property(thrown, "name")) ?? "Error",
  status:
    numberOf(property(thrown, "statusCode")) ??
    numberOf(property(property(thrown, "$metadata"), "httpStatusCode")),
  code: textOf(property(thrown, "code")),
  detail: textOf(["details", "error", "innerError", "code"].reduce<unknown>(property, thrown))
})

const networkCode =
  /^(?:E[A-Z]+|REQUEST_SEND_ERROR|UND_ERR_[A-Z_]+|CERT_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/u

const throttled = /Throttl|TooManyRequests|LimitExceeded/u

const unauthenticated =
  /UnrecognizedClient|InvalidSignature|ExpiredToken|IncompleteSignature|InvalidClientTokenId|CredentialsProviderError|CredentialUnavailableError|AuthenticationError/u

const reasonOf = ({ code, name, status }: Known, place: Place): QueueError.Reason => {
  if (throttled.test(name) || status === 429) return new QueueError.Throttled()
  if (unauthenticated.test(name) || status === 401) return new QueueError.AuthenticationFailed({})
  if (/AccessDenied/u.test(name) || status === 403) {
    return new QueueError.PermissionDenied({ operation: place.operation })
  }
  if (name === "TimeoutError" || networkCode.test(code ?? "")) {
    return new QueueError.ConnectionFailed({ detail: code ?? name })
  }
  return new QueueError.ProviderFailure({ provider: place.provider, code: code ?? name })
}

const classify = (thrown: unknown, place: Place): QueueError.QueueError => {
  if (thrown instanceof QueueError.QueueError) return thrown
  const facts = known(thrown)
  const reason = reasonOf(facts, place)
  // What the service could not do now it may do later.
  const isTheirs = reason._tag === "ProviderFailure" && (facts.status ?? 0) >= 500
  const retry = isTheirs ? "Transient" : QueueError.defaultRetry[reason._tag]
  return QueueError.make(reason, { ...place, retry, cause: thrown })
}

interface Thrown {
  readonly thrown: unknown
}

/** One call of an SDK with its time limit. `orElse` may know better what an error of it means. */
export const call = <A, B = never>(
  place: Place,
  timeout: Duration.Duration,
  f: (signal: AbortSignal) => Promise<A>,
  orElse?: (facts: Known) => Effect.Effect<B> | undefined
): Effect.Effect<A | B, QueueError.QueueError> =>
  Effect.tryPromise({ try: f, catch: (thrown): Thrown => ({ thrown }) }).pipe(
    Effect.catch(
      ({ thrown }): Effect.Effect<B, QueueError.QueueError> =>
        orElse?.(known(thrown)) ?? Effect.fail(classify(thrown, place))
    ),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () => Effect.fail(QueueError.make(new QueueError.Timeout({ after: timeout }), place))
    })
  )

/** Bytes of a key in base64, as services keep text. */
export const keyOfText = (text: string | undefined): Uint8Array | undefined =>
  text === undefined ? undefined : Result.getOrUndefined(Base64.decode(text.trim()))

/** What is stored is no key. What it is instead is not said. */
export const noKey = (place: Place, what: string): QueueError.QueueError =>
  QueueError.make(
    new QueueError.ConfigurationInvalid({
      key: what,
      problem: "must be 32 bytes, or their base64"
    }),
    place
  )

export const isKey = (bytes: Uint8Array | undefined): bytes is Uint8Array =>
  bytes !== undefined && bytes.byteLength === 32 && bytes.some((byte) => byte !== 0)
