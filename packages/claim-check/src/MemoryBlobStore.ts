/**
 * Blobs in this process, for tests and development: bounded, and gone with it.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import { BlobStore, Check, Defaults, QueueError } from "@queue-runtime/core"

/**
 * Its bounds.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** Blobs held. Default: 10,000. */
  readonly blobsMax?: number
  /** Bytes of all bodies. Default: 256 MiB. */
  readonly bytesMax?: number
  /** Bytes of one body. Default: 100 MiB. */
  readonly sizeMax?: number
}

interface Kept extends BlobStore.Blob {
  readonly putAt: DateTime.Utc
}

interface Bounds {
  readonly blobsMax: number
  readonly bytesMax: number
}

const isExpired = ({ expiresAt }: Kept, now: DateTime.Utc): boolean =>
  expiresAt !== undefined && DateTime.isLessThanOrEqualTo(expiresAt, now)

/** Without a clock: each method is one synchronous step, so that fibers see it whole. */
class Blobs {
  readonly #kept = new Map<string, Kept>()
  readonly #bounds: Bounds
  #bytes = 0

  constructor(bounds: Bounds) {
    this.#bounds = bounds
  }

  /** What is full, if it has no room. */
  put(key: string, blob: Kept): QueueError.QuotaExceeded | undefined {
    const size = blob.body.byteLength
    const before = this.#kept.get(key)?.body.byteLength
    const full = this.#full(size, before) && this.#dropExpired(blob.putAt, size, before)
    if (full !== undefined) return full
    this.delete(key)
    this.#kept.set(key, { ...blob, body: Uint8Array.from(blob.body) })
    this.#bytes += size
    return undefined
  }

  #full(size: number, before: number | undefined): QueueError.QuotaExceeded | undefined {
    const { blobsMax, bytesMax } = this.#bounds
    if (this.#bytes - (before ?? 0) + size > bytesMax) {
      const resource = "the blob store in memory (bytesMax)"
      return new QueueError.QuotaExceeded({ resource, maximum: bytesMax })
    }
    if (before !== undefined || this.#kept.size < blobsMax) return undefined
    const resource = "the blob store in memory (blobsMax)"
    return new QueueError.QuotaExceeded({ resource, maximum: blobsMax })
  }

  /** Makes room; whether it is full all the same. */
  #dropExpired(now: DateTime.Utc, size: number, before: number | undefined) {
    for (const [key, one] of this.#kept) if (isExpired(one, now)) this.delete(key)
    return this.#full(size, before)
  }

  get(key: string, now: DateTime.Utc): BlobStore.Blob | undefined {
    const kept = this.#kept.get(key)
    if (kept === undefined || isExpired(kept, now)) return undefined
    const { body, expiresAt, metadata } = kept
    return { body: Uint8Array.from(body), metadata, ...(expiresAt && { expiresAt }) }
  }

  delete(key: string): void {
    const kept = this.#kept.get(key)
    if (kept === undefined) return
    this.#kept.delete(key)
    this.#bytes -= kept.body.byteLength
  }

  list({ before, cursor = "", prefix }: BlobStore.ListOptions, max: number): BlobStore.Page {
    const all = [...this.#kept]
      .filter(([key]) => key.startsWith(prefix) && key > cursor)
      .toSorted(([one], [other]) => (one < other ? -1 : 1))
    const page = all.slice(0, max)
    const entries = page
      .filter(([, { putAt }]) => before === undefined || DateTime.isLessThan(putAt, before))
      .map(([key, { body, putAt }]) => ({ key, size: body.byteLength, putAt }))
    const last = all.length > max ? page.at(-1) : undefined
    return { entries, ...(last && { next: last[0] }) }
  }
}

/**
 * A store in memory.
 *
 * **Errors** ValidationFailed for a bound below 1; of a put: QuotaExceeded (transient) when it is full
 *
 * **Example** (There and back)
 *
 * ```ts
 * import { MemoryBlobStore } from "@queue-runtime/claim-check"
 * import { Effect, Option } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const store = yield* MemoryBlobStore.make()
 *   yield* store.put("orders/1", new Uint8Array([1, 2]))
 *   return Option.map(yield* store.get("orders/1"), ({ body }) => body.byteLength)
 * })
 * Effect.runSync(program) // => Option.some(2)
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options = {}
): Effect.fn.Return<BlobStore.Service, QueueError.QueueError> {
  const sizeMax = yield* Check.wholeNumber("sizeMax", options.sizeMax ?? Defaults.blobSizeMax)
  const blobs = new Blobs({
    blobsMax: yield* Check.wholeNumber("blobsMax", options.blobsMax ?? Defaults.blobsMax),
    bytesMax: yield* Check.wholeNumber("bytesMax", options.bytesMax ?? Defaults.blobBytesMax)
  })
  const place = { provider: "memory", operation: "put" }
  const service: BlobStore.Service = {
    name: "memory",
    sizeMax,
    put: (key, body, { expiresAt, metadata = {} } = {}) =>
      Effect.flatMap(
        Effect.andThen(BlobStore.checkPut(sizeMax, key, body, { metadata }), DateTime.now),
        (putAt) => {
          const kept = { body, metadata: { ...metadata }, putAt, ...(expiresAt && { expiresAt }) }
          const full = blobs.put(key, kept)
          return full === undefined ? Effect.void : Effect.fail(QueueError.make(full, place))
        }
      ),
    get: (key) =>
      Effect.map(Effect.andThen(BlobStore.checkKey(key), DateTime.now), (now) =>
        Option.fromUndefinedOr(blobs.get(key, now))
      ),
    delete: (key) => Effect.map(BlobStore.checkKey(key), (checked) => blobs.delete(checked)),
    list: (wanted) => Effect.map(BlobStore.checkList(wanted), (max) => blobs.list(wanted, max))
  }
  return service
})

/**
 * The store in memory as a layer.
 *
 * **Errors** as {@link make}
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options = {}
): Layer.Layer<BlobStore.BlobStore, QueueError.QueueError> =>
  Layer.effect(BlobStore.BlobStore, make(options))
