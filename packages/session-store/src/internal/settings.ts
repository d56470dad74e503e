/** The settings of leases and of their stores, described once: each reads those that are its own. */
import { Defaults, Setting } from "@queue-runtime/core"
import * as Schema from "effect/Schema"

const { described, duration, formatDuration, whole, word } = Setting

/** Where they stand in a file. */
export const root = "sessionLeases"

const year = 365 * 86_400

const text = (pattern: RegExp, rule: string) =>
  Schema.String.check(Schema.makeFilter<string>((value) => pattern.test(value) || rule))

/** Stores of ours. */
export const stores = ["memory", "aws-dynamodb"] as const

export const store = {
  store: Schema.optionalKey(word(stores)).pipe(
    described({
      description: "Where leases and state of sessions are kept; without one there are none.",
      variable: "QUEUE_SESSION_STORE"
    })
  )
}

export const leases = {
  lease: Schema.optionalKey(duration({ unit: "seconds", minimum: 1, maximum: 86_400 })).pipe(
    described({
      description: "How long the lease of a session outlives its last renewal.",
      variable: "QUEUE_SESSION_LEASE_SECONDS",
      default: formatDuration(Defaults.sessionLeaseDuration)
    })
  ),
  holder: Schema.optionalKey(
    text(/^\P{Cc}{1,256}$/u, "must have 1–256 characters, none of them a control character")
  ).pipe(
    described({
      description: "Who holds a session, for people who look into the store.",
      variable: "QUEUE_SESSION_HOLDER",
      default: "a random id"
    })
  )
}

export const dynamoDb = {
  table: Schema.optionalKey(
    text(
      /^(?:[\w.-]{3,255}|arn:\S+)$/u,
      "must be the name of a table, 3–255 characters of A–Z, a–z, 0–9, _, - and ., or its ARN"
    )
  ).pipe(
    described({
      description: "Store aws-dynamodb: the table.",
      variable: "QUEUE_SESSION_STORE_TABLE"
    })
  ),
  keyPrefix: Schema.optionalKey(
    text(/^\P{Cc}{0,256}$/u, "must have at most 256 characters, none of them a control character")
  ).pipe(
    described({
      description: "Store aws-dynamodb: what stands before every key of the table.",
      variable: "QUEUE_SESSION_STORE_KEY_PREFIX"
    })
  ),
  retention: Schema.optionalKey(duration({ unit: "seconds", minimum: 1, maximum: year })).pipe(
    described({
      description: "Store aws-dynamodb: how long a session that nobody touches is kept.",
      variable: "QUEUE_SESSION_STORE_RETENTION_SECONDS",
      default: formatDuration(Defaults.sessionStoreRetention)
    })
  ),
  stateSizeMax: Schema.optionalKey(whole(1, Defaults.sessionStoreStateSizeMax)).pipe(
    described({
      description: "Store aws-dynamodb: bytes of one state.",
      variable: "QUEUE_SESSION_STORE_STATE_SIZE_MAX",
      default: Defaults.sessionStoreStateSizeMax
    })
  ),
  timeout: Schema.optionalKey(duration({ unit: "seconds", minimum: 0.001, maximum: 300 })).pipe(
    described({
      description: "Store aws-dynamodb: how long one call may take.",
      variable: "QUEUE_SESSION_STORE_TIMEOUT_SECONDS",
      default: formatDuration(Defaults.sessionStoreTimeout)
    })
  )
}
