import { BlobStore, type QueueError } from "@queue-runtime/core"
import { DateTime, Effect, Option } from "effect"

interface Kept extends BlobStore.Blob {
  readonly putAt: DateTime.Utc
}

const sizeMax = 32 * 1024 * 1024

const isAlive = ({ expiresAt }: Kept, now: DateTime.Utc): boolean =>
  expiresAt === undefined || DateTime.isGreaterThan(expiresAt, now)

const handedOut = ({ body, expiresAt, metadata }: Kept): BlobStore.Blob => {
  const copy = { body: Uint8Array.from(body), metadata }
  return expiresAt === undefined ? copy : { ...copy, expiresAt }
}

/** The least that keeps every rule. */
export const makeBlobs = (): BlobStore.Service => {
  const kept = new Map<string, Kept>()
  const checked = <A>(key: string, call: Effect.Effect<A, QueueError.QueueError>) =>
    Effect.andThen(BlobStore.checkKey(key), call)
  return {
    name: "tiny",
    sizeMax,
    put: (key, body, { expiresAt, metadata = {} } = {}) =>
      BlobStore.checkPut(sizeMax, key, body, { metadata }).pipe(
        Effect.andThen(DateTime.now),
        Effect.map((putAt) => {
          const until = expiresAt === undefined ? {} : { expiresAt }
          kept.set(key, { body: Uint8Array.from(body), metadata: { ...metadata }, putAt, ...until })
        })
      ),
    get: (key) =>
      checked(
        key,
        Effect.map(DateTime.now, (now) =>
          Option.fromUndefinedOr(kept.get(key)).pipe(
            Option.filter((one) => isAlive(one, now)),
            Option.map(handedOut)
          )
        )
      ),
    delete: (key) =>
      checked(
        key,
        Effect.sync(() => void kept.delete(key))
      ),
    list: (options) =>
      Effect.map(BlobStore.checkList(options), (max) => {
        const { before, cursor = "", prefix } = options
        const all = [...kept.keys()].toSorted().filter((key) => key.startsWith(prefix))
        const rest = all.filter((key) => key > cursor)
        const page = rest.slice(0, max)
        const entries = page.flatMap((key) => {
          const one = kept.get(key)
          const isOld =
            one !== undefined && (before === undefined || DateTime.isLessThan(one.putAt, before))
          return isOld ? [{ key, size: one.body.byteLength, putAt: one.putAt }] : []
        })
        const next = rest.length > max ? page.at(-1) : undefined
        return { entries, ...(next === undefined ? {} : { next }) }
      })
  }
}
