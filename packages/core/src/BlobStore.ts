/**
 * Where bodies are kept that no queue takes: bytes by key, put, got, deleted and listed.
 *
 * **Details**
 *
 * A blob is there as a whole or not at all, whoever reads while it is written. A key that is put again has
 * the last body. What is acknowledged survives the process, unless the store says otherwise.
 *
 * Keys are paths: at most 512 characters of `A–Z a–z 0–9 . _ -` in segments of 1–120 with `/` between,
 * none of them `.` or `..`. Of metadata a blob has at most 16 entries, each a name of `a–z 0–9` beginning with a
 * letter and 1–128 printable ASCII characters with no space around them: what every service carries as it
 * is.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import type * as Option from "effect/Option"
import * as Check from "./Check.ts"
import * as Defaults from "./Defaults.ts"
import * as QueueError from "./QueueError.ts"

/**
 * What stands beside a blob, by name.
 *
 * @category models
 * @since 0.1.0
 */
export type Metadata = Readonly<Record<string, string>>

/**
 * A blob as it was got. Its bytes are the caller's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Blob {
  readonly body: Uint8Array
  readonly metadata: Metadata
  /** Not handed out from then on. */
  readonly expiresAt?: DateTime.Utc
}

/**
 * A blob as a listing shows it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Entry {
  readonly key: string
  /** Bytes of its body; where the store keeps more in one place, of all that is there. */
  readonly size: number
  /** When it was put last, by the store's clock. */
  readonly putAt: DateTime.Utc
}

/**
 * One page of a listing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Page {
  readonly entries: ReadonlyArray<Entry>
  /** Where the next page begins; absent on the last. A page may be empty and not the last. */
  readonly next?: string
}

/**
 * What is put beside the body.
 *
 * @category options
 * @since 0.1.0
 */
export interface PutOptions {
  readonly metadata?: Metadata
  /** From then on it is not handed out. Default: never. */
  readonly expiresAt?: DateTime.Utc
}

/**
 * What to list.
 *
 * @category options
 * @since 0.1.0
 */
export interface ListOptions {
  /** What the keys begin with; empty: all. */
  readonly prefix: string
  /** The `next` of the page before; absent: the first page. */
  readonly cursor?: string
  /** Only those put before then. */
  readonly before?: DateTime.Utc
  /** At most so many on the page. Default, and the most there are: 1,000. */
  readonly max?: number
}

/**
 * The methods of a store. All may run at once with each other, in one process or many. Each ends by
 * itself, with Timeout at the latest; one that fails so, or is interrupted, may have taken effect.
 *
 * **Errors** of every method: ValidationFailed for what is no key · ConnectionFailed, Timeout,
 * Throttled (transient) · AuthenticationFailed · PermissionDenied · ConfigurationInvalid when the place
 * where blobs are is not there · ProviderFailure
 *
 * @category ports
 * @since 0.1.0
 */
export interface Service {
  /** The store's name: `memory`, `file`, `aws-s3`, `azure-blob`. */
  readonly name: string
  /** The most bytes of one body. */
  readonly sizeMax: number
  /**
   * Keeps the bytes; the array is read, never kept or changed, and may be anything again afterwards.
   *
   * **Errors** ValidationFailed for a body above `sizeMax`, and for metadata · QuotaExceeded when it is full
   */
  readonly put: (
    key: string,
    body: Uint8Array,
    options?: PutOptions
  ) => Effect.Effect<void, QueueError.QueueError>
  /**
   * The blob; `None` when there is none, or it has expired.
   *
   * **Errors** ValidationFailed when what is there is above `sizeMax`: it is not loaded
   */
  readonly get: (key: string) => Effect.Effect<Option.Option<Blob>, QueueError.QueueError>
  /** Removes the blob; of one that is not there nothing. */
  readonly delete: (key: string) => Effect.Effect<void, QueueError.QueueError>
  /**
   * The blobs whose keys begin with a prefix, expired ones included, page by page, in no order that holds
   * everywhere. What is there all the while is listed once; what comes or goes meanwhile may be.
   */
  readonly list: (options: ListOptions) => Effect.Effect<Page, QueueError.QueueError>
}

/**
 * The tag of the port.
 *
 * @category ports
 * @since 0.1.0
 */
export class BlobStore extends Context.Service<BlobStore, Service>()(
  "@queue-runtime/core/BlobStore"
) {}

const segment = String.raw`(?!\.{1,2}(?:/|$))[\w.-]{1,${Defaults.blobKeySegmentLengthMax}}`

const segments = new RegExp(`^${segment}(?:/${segment})*$`, "u")

const keyRule =
  `must have at most ${Defaults.blobKeyLengthMax} characters of ASCII letters, digits, ".", "_" and "-" in ` +
  `segments of 1–${Defaults.blobKeySegmentLengthMax} with "/" between, none of them "." or ".."`

/**
 * Whether a text is a key.
 *
 * **Example** (Paths, and nothing that leads out of them)
 *
 * ```ts
 * import { BlobStore } from "@queue-runtime/core"
 *
 * const keys = ["orders/1", "../orders", "orders//1", "a b"]
 * keys.map(BlobStore.isKey) // => [true, false, false, false]
 * ```
 *
 * @category guards
 * @since 0.1.0
 */
export const isKey = (key: string): boolean =>
  key.length <= Defaults.blobKeyLengthMax && segments.test(key)

/**
 * For stores: the key, checked.
 *
 * **Errors** ValidationFailed (never retry), saying the rule
 *
 * @category checks
 * @since 0.1.0
 */
export const checkKey = (key: string): Effect.Effect<string, QueueError.QueueError> =>
  isKey(key) ? Effect.succeed(key) : Effect.fail(QueueError.validationFailed("key", keyRule))

const metadataName = /^[a-z][a-z0-9]{0,31}$/u
const metadataValue = new RegExp(`^(?! )[ -~]{1,${Defaults.blobMetadataLengthMax}}(?<! )$`, "u")

const metadataProblem = (metadata: Metadata): string | undefined => {
  const entries = Object.entries(metadata)
  if (entries.length > Defaults.blobMetadataMax) {
    return `must have at most ${Defaults.blobMetadataMax} entries`
  }
  if (!entries.every(([name]) => metadataName.test(name))) {
    return "names must have 1–32 characters of a–z and 0–9, beginning with a letter"
  }
  return entries.every(([, value]) => metadataValue.test(value))
    ? undefined
    : `values must have 1–${Defaults.blobMetadataLengthMax} printable ASCII characters, and no space around them`
}

const tooLarge = (size: number, sizeMax: number): QueueError.QueueError =>
  QueueError.validationFailed("body", `must have at most ${sizeMax} bytes; got ${size}`)

/**
 * For stores: what every store refuses of a put, before anything is sent.
 *
 * **Errors** ValidationFailed (never retry) for the key, a body above the store's `sizeMax`, and metadata
 *
 * @category checks
 * @since 0.1.0
 */
export const checkPut = (
  sizeMax: number,
  key: string,
  body: Uint8Array,
  { metadata = {} }: PutOptions = {}
): Effect.Effect<void, QueueError.QueueError> => {
  if (!isKey(key)) return Effect.fail(QueueError.validationFailed("key", keyRule))
  if (body.byteLength > sizeMax) return Effect.fail(tooLarge(body.byteLength, sizeMax))
  const problem = metadataProblem(metadata)
  return problem === undefined
    ? Effect.void
    : Effect.fail(QueueError.validationFailed("metadata", problem))
}

/**
 * For stores: refuses to load what is larger than the store takes.
 *
 * **Errors** ValidationFailed (never retry)
 *
 * @category checks
 * @since 0.1.0
 */
export const checkSize = (
  sizeMax: number,
  size: number
): Effect.Effect<void, QueueError.QueueError> =>
  size <= sizeMax ? Effect.void : Effect.fail(tooLarge(size, sizeMax))

const isPrefix = (prefix: string): boolean =>
  prefix === "" || isKey(prefix.endsWith("/") ? prefix.slice(0, -1) : prefix)

/**
 * For stores: how many blobs a listing shows on one page.
 *
 * **Errors** ValidationFailed (never retry) for a prefix that no key begins with, and for a number below 1
 *
 * @category checks
 * @since 0.1.0
 */
export const checkList = ({
  max = Defaults.blobPageSize,
  prefix
}: ListOptions): Effect.Effect<number, QueueError.QueueError> =>
  isPrefix(prefix)
    ? Effect.map(Check.wholeNumber("max", max), (wanted) => Math.min(wanted, Defaults.blobPageSize))
    : Effect.fail(QueueError.validationFailed("prefix", `begins no key: one ${keyRule}`))
