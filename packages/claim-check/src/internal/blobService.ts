/** What the places where blobs are have in common: time limits, and errors without secrets. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { QueueError } from "@queue-runtime/core"

/** Where a call went: for its errors. */
export interface Place {
  readonly provider: string
  readonly operation: string
}

/** What is known of an error of an SDK, or of the system. */
export interface Known {
  readonly name: string
  readonly status: number | undefined
  readonly code: string | undefined
}

/** Of what may be anything. */
const property = (value: unknown, name: string): unknown => Reflect.get(Object(value), name)

const textOf = (value: unknown): string | undefined =>
  typeof value === "string" ? value : undefined

const numberOf = (value: unknown): number | undefined =>
  typeof value === "number" ? value : undefined

/** AWS names its errors; Azure has a status and a code, and so have sockets and files. */
export const known = (thrown: unknown): Known => ({
  name: textOf(property(thrown, "name")) ?? "Error",
  status:
    numberOf(property(thrown, "statusCode")) ??
    numberOf(property(property(thrown, "$metadata"), "httpStatusCode")),
  code:
    textOf(property(thrown, "code")) ?? textOf(property(property(thrown, "details"), "errorCode"))
})

/** What an error means. */
export type Classify = (thrown: unknown, place: Place) => QueueError.QueueError

interface Thrown {
  readonly thrown: unknown
}

/** One promise of somebody else's. `orElse` may know better what an error of it means. */
export const step = <A, B = never>(
  place: Place,
  classify: Classify,
  f: (signal: AbortSignal) => Promise<A>,
  orElse?: (thrown: unknown) => Effect.Effect<B> | undefined
): Effect.Effect<A | B, QueueError.QueueError> =>
  Effect.tryPromise({ try: f, catch: (thrown): Thrown => ({ thrown }) }).pipe(
    Effect.catch(
      ({ thrown }): Effect.Effect<B, QueueError.QueueError> =>
        orElse?.(thrown) ??
        Effect.fail(thrown instanceof QueueError.QueueError ? thrown : classify(thrown, place))
    )
  )

/** Ends a call after its time. */
export const within =
  (duration: Duration.Duration) =>
  <A>(
    place: Place,
    call: Effect.Effect<A, QueueError.QueueError>
  ): Effect.Effect<A, QueueError.QueueError> =>
    Effect.timeoutOrElse(call, {
      duration,
      orElse: () => Effect.fail(QueueError.make(new QueueError.Timeout({ after: duration }), place))
    })

/** What was begun well and did not come to its end: the connection broke, whatever the SDK calls it. */
export const classifyBody: Classify = (thrown, place) => {
  const { code, name } = known(thrown)
  return QueueError.make(new QueueError.ConnectionFailed({ detail: code ?? name }), {
    ...place,
    cause: thrown
  })
}

const networkCode =
  /^(?:E[A-Z]+|REQUEST_SEND_ERROR|UND_ERR_[A-Z_]+|CERT_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/u

const throttled = /Throttl|TooManyRequests|SlowDown|ServerBusy|LimitExceeded/u

const unauthenticated =
  /InvalidAccessKeyId|SignatureDoesNotMatch|InvalidToken|UnrecognizedClient|ExpiredToken|CredentialsProviderError|CredentialUnavailableError|AuthenticationError|AuthenticationFailed|InvalidAuthenticationInfo/u

/** What errors of a service over HTTP mean. Its bucket or container is missing where `isPlaceMissing`. */
export const classifyHttp =
  (key: string, isPlaceMissing: (facts: Known) => boolean): Classify =>
  (thrown, place) => {
    const facts = known(thrown)
    const { code = "", name, status } = facts
    const context = { ...place, cause: thrown }
    const said = `${name} ${code}`
    if (isPlaceMissing(facts)) {
      const problem = "does not exist; create it first, the runtime makes none"
      return QueueError.make(new QueueError.ConfigurationInvalid({ key, problem }), context)
    }
    if (throttled.test(said) || status === 429) {
      return QueueError.make(new QueueError.Throttled(), context)
    }
    if (unauthenticated.test(said) || status === 401) {
      return QueueError.make(new QueueError.AuthenticationFailed({}), context)
    }
    if (/AccessDenied|Authorization/u.test(said) || status === 403) {
      return QueueError.make(
        new QueueError.PermissionDenied({ operation: place.operation }),
        context
      )
    }
    if (status === undefined && (name === "TimeoutError" || networkCode.test(code))) {
      return QueueError.make(new QueueError.ConnectionFailed({ detail: code || name }), context)
    }
    const reason = new QueueError.ProviderFailure({
      provider: place.provider,
      code: code || name
    })
    // What the service could not do now it may do later.
    const isTheirs = (status ?? 0) >= 500
    return QueueError.make(reason, { ...context, retry: isTheirs ? "Transient" : "Never" })
  }
