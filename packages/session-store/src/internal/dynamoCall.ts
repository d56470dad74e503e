/** Calls to DynamoDB: their time limit, and errors without secrets. */
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import { QueueError } from "@queue-runtime/core"

/** Where a call went: for its errors. */
export interface Place {
  readonly operation: string
  readonly table: string
  readonly queue: string
}

const provider = "aws-dynamodb"

/** Of what may be anything. */
const property = (value: unknown, name: string): unknown => Reflect.get(Object(value), name)

const textOf = (value: unknown): string =>
  typeof value === "string" && value !== "" ? value : "Error"

const statusOf = (thrown: unknown): number => {
  const status = property(property(thrown, "$metadata"), "httpStatusCode")
  return typeof status === "number" ? status : 0
}

/** What the SDK calls an answer that the condition of a write was not met. */
export const isRefused = (thrown: unknown): boolean =>
  property(thrown, "name") === "ConditionalCheckFailedException"

const throttled = /Throttl|TooManyRequests|RequestLimitExceeded|ProvisionedThroughputExceeded/u

const unauthenticated =
  /UnrecognizedClient|InvalidSignature|ExpiredToken|IncompleteSignature|InvalidClientTokenId|MissingAuthenticationToken|CredentialsProviderError/u

const networkCode =
  /^(?:E[A-Z]+|UND_ERR_[A-Z_]+|CERT_[A-Z_]+|DEPTH_ZERO_SELF_SIGNED_CERT|SELF_SIGNED_CERT_IN_CHAIN)$/u

const reasonOf = (thrown: unknown, { operation, table }: Place): QueueError.Reason => {
  const name = textOf(property(thrown, "name"))
  const code = textOf(property(thrown, "code"))
  if (throttled.test(name)) return new QueueError.Throttled()
  if (unauthenticated.test(name)) return new QueueError.AuthenticationFailed({})
  if (/AccessDenied/u.test(name)) {
    return new QueueError.PermissionDenied({ operation: `dynamodb:${operation}` })
  }
  if (name === "ResourceNotFoundException") {
    const problem = `there is no table ${JSON.stringify(table)}; create it first, the runtime makes none`
    return new QueueError.ConfigurationInvalid({ key: "table", problem })
  }
  if (name === "TimeoutError" || networkCode.test(code)) {
    return new QueueError.ConnectionFailed({ detail: networkCode.test(code) ? code : name })
  }
  return new QueueError.ProviderFailure({ provider, code: name })
}

const classify = (thrown: unknown, place: Place): QueueError.QueueError => {
  if (thrown instanceof QueueError.QueueError) return thrown
  const reason = reasonOf(thrown, place)
  // What the service could not do now it may do later.
  const isTheirs = reason._tag === "ProviderFailure" && statusOf(thrown) >= 500
  const retry = isTheirs ? "Transient" : QueueError.defaultRetry[reason._tag]
  const { operation, queue } = place
  return QueueError.make(reason, { provider, operation, queue, retry, cause: thrown })
}

interface Thrown {
  readonly thrown: unknown
}

/** One call of the SDK with its time limit; `undefined` when its condition was not met. */
export const call = <A>(
  place: Place,
  timeout: Duration.Duration,
  f: (signal: AbortSignal) => Promise<A>
): Effect.Effect<A | undefined, QueueError.QueueError> =>
  Effect.tryPromise({ try: f, catch: (thrown): Thrown => ({ thrown }) }).pipe(
    Effect.catch(({ thrown }) =>
      isRefused(thrown) ? Effect.undefined : Effect.fail(classify(thrown, place))
    ),
    Effect.timeoutOrElse({
      duration: timeout,
      orElse: () =>
        Effect.fail(
          QueueError.make(new QueueError.Timeout({ after: timeout }), {
            provider,
            operation: place.operation,
            queue: place.queue
          })
        )
    })
  )
