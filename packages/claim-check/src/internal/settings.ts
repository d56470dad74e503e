/** The settings of the claim check and of its stores, described once: each reads those that are its own. */
import { BlobStore, Defaults, Setting } from "@queue-runtime/core"
import * as Schema from "effect/Schema"
import { isAbsolute } from "node:path"
import * as endpoints from "./endpoint.ts"

const { described, duration, whole, word } = Setting

const daySeconds = 86_400

const formatted = Setting.formatDuration

const text = (isValid: (value: string) => boolean, rule: string) =>
  Schema.String.check(Schema.makeFilter<string>((value) => isValid(value) || rule))

const matching = (pattern: RegExp, rule: string) => text((value) => pattern.test(value), rule)

/** The rules of Azure: a part of a URL comes of it. */
export const container = {
  pattern: /^(?=.{3,63}$)[\da-z]+(?:-[\da-z]+)*$/u,
  rule: "must have 3–63 characters of a–z, 0–9 and single -"
}

const isEndpoint = (value: string): boolean =>
  URL.canParse(value) &&
  /^https?:/u.test(value) &&
  endpoints.problemOf("endpoint", new URL(value)) === undefined

const optional = <S extends Schema.Top>(
  schema: S,
  variable: string,
  description: string,
  orElse?: string | number
) =>
  Schema.optionalKey(schema).pipe(
    described({ description, variable, ...(orElse !== undefined && { default: orElse }) })
  )

/** Stores of ours. */
export const stores = ["memory", "file", "aws-s3", "azure-blob"] as const

/** Of every store. */
export const common = {
  sizeMax: optional(
    whole(1, Defaults.blobSizeMax * 10),
    "CLAIM_CHECK_BLOB_BYTES_MAX",
    "The largest blob that is put or loaded, in bytes.",
    Defaults.blobSizeMax
  ),
  timeout: optional(
    duration({ unit: "seconds", minimum: 0.001, maximum: daySeconds }),
    "CLAIM_CHECK_TIMEOUT_SECONDS",
    "How long one call to the store may take.",
    formatted(Defaults.blobTimeout)
  )
}

export const file = {
  directory: optional(
    text(isAbsolute, "must be an absolute path"),
    "CLAIM_CHECK_DIRECTORY",
    "Store file: where the blobs are."
  )
}

export const s3 = {
  bucket: optional(
    matching(
      /^(?:[\da-z][\d.a-z-]{1,61}[\da-z]|arn:\S+)$/u,
      "must be the name of a bucket, or the ARN of an access point"
    ),
    "CLAIM_CHECK_BUCKET",
    "Store aws-s3: the bucket."
  ),
  region: optional(
    matching(/^[\da-z-]+$/u, "must be the name of a region"),
    "CLAIM_CHECK_REGION",
    "Store aws-s3: its region.",
    "the SDK's own"
  ),
  endpoint: optional(
    text(isEndpoint, "must be an https URL; http is for this machine alone"),
    "CLAIM_CHECK_ENDPOINT",
    "Store aws-s3: another service with its API; bucket names become paths.",
    "the SDK's own"
  )
}

export const azure = {
  container: optional(
    matching(container.pattern, container.rule),
    "CLAIM_CHECK_CONTAINER",
    "Store azure-blob: the container."
  ),
  connectionString: optional(
    Schema.RedactedFromValue(
      matching(
        /(?:^|;)(?:AccountName|BlobEndpoint|UseDevelopmentStorage)=/u,
        "must be the connection string of a storage account"
      )
    ),
    "CLAIM_CHECK_CONNECTION_STRING",
    "Store azure-blob: the connection string of the storage account."
  )
}

/** Of the claim check itself. */
export const policy = {
  store: optional(
    word(stores),
    "CLAIM_CHECK_STORE",
    "Where large bodies are kept; without one nothing is."
  ),
  threshold: optional(
    whole(0, Defaults.blobSizeMax * 10),
    "CLAIM_CHECK_THRESHOLD_BYTES",
    "Larger messages have their bodies in the store, in bytes.",
    "what the queue takes"
  ),
  bodySizeMax: optional(
    whole(1, Defaults.blobSizeMax * 10),
    "CLAIM_CHECK_BODY_BYTES_MAX",
    "The largest body that may be sent, in bytes.",
    Defaults.claimCheckBodySizeMax
  ),
  prefix: optional(
    text(
      (value) => BlobStore.isKey(value) && value.length <= Defaults.blobKeySegmentLengthMax,
      `must be a key of at most ${Defaults.blobKeySegmentLengthMax} characters`
    ),
    "CLAIM_CHECK_PREFIX",
    "What the keys of the blobs begin with.",
    "queue-runtime"
  ),
  delete: optional(
    word(["on-complete", "never"]),
    "CLAIM_CHECK_DELETE",
    "Whether a blob goes with its message.",
    "on-complete"
  ),
  retention: optional(
    duration({ unit: "seconds", minimum: 0, maximum: daySeconds * 3_650 }),
    "CLAIM_CHECK_RETENTION_SECONDS",
    "How long a blob may be needed: younger ones are not swept.",
    formatted(Defaults.claimCheckRetention)
  )
}
