import { hash } from "node:crypto"
import type * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { BlobStore, QueueError } from "@queue-runtime/core"
import type { Stores } from "../../BlobStoreContract.ts"
import type * as Rule from "../../Rule.ts"
import type * as Time from "../../Time.ts"
import * as expect from "../expect.ts"

const group = "Blobs"

const source = "core BlobStore"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

/** Every byte, in an order that no text has. */
const everyByte = Uint8Array.from({ length: 256 }, (_, index) => (index * 97 + 128) % 256)

/** No power of two: a part that stands in another's place shows. */
const patternSize = 65_537

/** The same in every run, and unlike zeros. */
const patterned = (size: number, seed: number): Uint8Array => {
  const pattern = Uint8Array.from(
    { length: patternSize },
    (_, index) => (index * 31 + (index >> 8) + seed) % 251
  )
  const body = new Uint8Array(size)
  for (let at = 0; at < size; at += patternSize) body.set(pattern.subarray(0, size - at), at)
  return body
}

const digest = (body: Uint8Array): string => hash("sha256", body)

/** Body and metadata of a blob that must be there. */
const got = Effect.fnUntraced(function* (store: BlobStore.Service, key: string) {
  const blob = yield* store.get(key)
  return yield* expect.present(`the blob ${key}`, Option.getOrUndefined(blob))
})

const absent = (what: string, store: BlobStore.Service, key: string) =>
  Effect.flatMap(store.get(key), (blob) => expect.equal(what, Option.isNone(blob), true))

const endingOf = <A>(call: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.match(call, { onSuccess: () => "success", onFailure: ({ reason }) => reason._tag })

/** Longer than two times need to be told apart. */
const step = ({ precision }: Time.Time): Duration.Duration => Duration.times(precision, 2)

/** More pages than there are blobs: a listing that does not end is a failure, not a hang. */
const pagesMax = 100

const listed = Effect.fnUntraced(function* (
  store: BlobStore.Service,
  options: BlobStore.ListOptions
) {
  const entries: Array<BlobStore.Entry> = []
  let next: string | undefined
  for (let page = 0; page < pagesMax; page++) {
    const found: BlobStore.Page = yield* store.list({
      ...options,
      ...(next === undefined ? {} : { cursor: next })
    })
    if (options.max !== undefined) {
      const { length } = found.entries
      yield* expect.holds("a page has at most what was asked for", length <= options.max, length)
    }
    entries.push(...found.entries)
    next = found.next
    if (next === undefined) return entries
  }
  return yield* expect.fail(`a listing has more than ${pagesMax} pages`)
})

const keysOf = (entries: ReadonlyArray<BlobStore.Entry>): ReadonlyArray<string> =>
  entries.map(({ key }) => key).toSorted()

/** The rules of `BlobStore`, over whatever holds the one to check. */
export const blobStore = <R>(subject: Context.Service<R, Stores>): ReadonlyArray<Rule.Rule<R>> => [
  {
    id: "BLOB-1",
    group,
    title: "a blob comes back as it was put, its metadata and expiry beside it, on any connection",
    source,
    breaks: "bodies as text",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const now = yield* DateTime.now
      const expiresAt = DateTime.addDuration(DateTime.removeTime(now), Duration.days(2))
      const metadata: BlobStore.Metadata = { messageid: "m-1 (~!)", queue: "orders" }
      yield* store.put("a/every", everyByte, { metadata, expiresAt })
      yield* store.put("a/empty", new Uint8Array(0))
      const every = yield* got(other, "a/every")
      yield* expect.equal("its bytes", digest(every.body), digest(everyByte))
      yield* expect.equal("its metadata", { ...every.metadata }, metadata)
      const until = every.expiresAt === undefined ? 0 : DateTime.toEpochMillis(every.expiresAt)
      yield* expect.equal("its expiry", until, DateTime.toEpochMillis(expiresAt))
      const empty = yield* got(other, "a/empty")
      yield* expect.equal("the size of an empty one", empty.body.byteLength, 0)
      yield* expect.equal("metadata where there is none", { ...empty.metadata }, {})
      yield* expect.equal("an expiry where there is none", empty.expiresAt, undefined)
    })
  },
  {
    id: "BLOB-2",
    group,
    title: "what was not put, or was deleted, is not there, and deleting it again is no failure",
    source,
    breaks: "a delete in word alone",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      yield* absent("a key nobody put", store, "a/b")
      yield* store.delete("a/b")
      yield* store.put("a/b", everyByte)
      yield* other.delete("a/b")
      yield* absent("what another deleted", store, "a/b")
      yield* store.delete("a/b")
      yield* expect.equal("what is listed", keysOf(yield* listed(store, { prefix: "" })), [])
    })
  },
  {
    id: "BLOB-3",
    group,
    title: "a key that is put again has the last body, and nothing of the one before",
    source,
    breaks: "the first put stays",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      yield* store.put("a", bytes("the first, and longer"), { metadata: { one: "1" } })
      yield* other.put("a", bytes("second"), { metadata: { two: "2" } })
      const { body, metadata } = yield* got(store, "a")
      yield* expect.equal("its body", new TextDecoder().decode(body), "second")
      yield* expect.equal("its metadata", { ...metadata }, { two: "2" })
    })
  },
  {
    id: "BLOB-4",
    group,
    title: "keys are apart: case, folders, beginnings, the longest",
    source,
    breaks: "keys become file names as they are",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const all = [
        "a",
        "A",
        "a/b",
        "a/b/c",
        "a_b",
        "a.b",
        "a-b",
        "a/.b",
        "a/...",
        "-",
        "x".repeat(120),
        `${"Y".repeat(120)}/${"z/".repeat(195)}z`
      ]
      for (const key of all) yield* store.put(key, bytes(key))
      for (const key of all) {
        const { body } = yield* got(other, key)
        yield* expect.equal(`the body of ${key}`, new TextDecoder().decode(body), key)
      }
      yield* expect.equal(
        "what is listed",
        keysOf(yield* listed(other, { prefix: "" })),
        all.toSorted()
      )
      yield* store.delete("a")
      yield* absent("what was deleted", other, "a")
      yield* expect.equal(
        "its neighbour",
        digest((yield* got(other, "A")).body),
        digest(bytes("A"))
      )
      yield* expect.equal("what is below", (yield* got(other, "a/b")).body.byteLength, 3)
    })
  },
  {
    id: "BLOB-5",
    group,
    title: "who reads while it is written sees the whole of one body or of the other",
    source: "core BlobStore: a blob is there as a whole or not at all",
    breaks: "writes where readers look",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const bodies = [patterned(300_000, 1), patterned(200_000, 2)] as const
      const known = new Set(bodies.map(digest))
      const writing = Effect.forEach(
        Array.from({ length: 10 }, (_, turn) => bodies[turn % 2] ?? bodies[0]),
        (body) => store.put("a", body),
        { discard: true }
      )
      const reading = Effect.forEach(
        Array.from({ length: 30 }),
        () =>
          Effect.flatMap(Effect.andThen(Effect.yieldNow, other.get("a")), (blob) => {
            const isWhole = Option.isNone(blob) || known.has(digest(blob.value.body))
            const size = Option.map(blob, ({ body }) => body.byteLength)
            return expect.holds("what is read is whole", isWhole, size)
          }),
        { discard: true }
      )
      yield* Effect.all([writing, writing, reading, reading], {
        concurrency: "unbounded",
        discard: true
      })
      yield* expect.equal("the last", known.has(digest((yield* got(other, "a")).body)), true)
    })
  },
  {
    id: "BLOB-6",
    group,
    title: "a blob is handed out until it expires, not from then on, and is listed all the while",
    source,
    breaks: "expiry in word alone",
    run: Effect.gen(function* () {
      const { other, store, time } = yield* subject
      const life = Duration.times(step(time), 3)
      const expiresAt = DateTime.addDuration(yield* DateTime.now, life)
      yield* store.put("a", everyByte, { expiresAt })
      yield* got(other, "a")
      yield* time.advance(life)
      yield* absent("an expired one", other, "a")
      yield* expect.equal("what is listed", keysOf(yield* listed(other, { prefix: "" })), ["a"])
      yield* store.put("a", everyByte)
      yield* got(other, "a")
    })
  },
  {
    id: "BLOB-7",
    group,
    title: "a listing shows every blob below its prefix once, with its size, page by page",
    source,
    breaks: "a first page for everything",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const own = ["a/1", "a/2", "a/3", "a/b/4", "a/b/5"]
      for (const key of [...own, "a-1", "a", "b/1"]) yield* store.put(key, everyByte)
      for (const max of [1, 2, 5, undefined]) {
        const asked = { prefix: "a/", ...(max === undefined ? {} : { max }) }
        const entries = yield* listed(other, asked)
        yield* expect.equal(`below a/, by ${max ?? "the default"}`, keysOf(entries), own)
        for (const { key, size } of entries) {
          const isNear = size >= everyByte.byteLength && size < everyByte.byteLength + 4_096
          yield* expect.holds(`the size of ${key}`, isNear, size)
        }
      }
      const below = keysOf(yield* listed(other, { prefix: "a/b", max: 1 }))
      yield* expect.equal("below a/b", below, ["a/b/4", "a/b/5"])
      yield* expect.equal("below c", keysOf(yield* listed(other, { prefix: "c/" })), [])
    })
  },
  {
    id: "BLOB-8",
    group,
    title: "a listing by age shows what was put before then, by the last put of its key",
    source,
    breaks: "an age that nobody looks at",
    run: Effect.gen(function* () {
      const { other, store, time } = yield* subject
      const start = yield* DateTime.now
      for (const key of ["a", "b", "c"]) yield* store.put(key, everyByte)
      yield* time.advance(step(time))
      const before = yield* DateTime.now
      yield* time.advance(step(time))
      for (const key of ["b", "d"]) yield* store.put(key, everyByte)
      const old = yield* listed(other, { prefix: "", before, max: 1 })
      yield* expect.equal("put before", keysOf(old), ["a", "c"])
      for (const { key, putAt } of old) {
        const early = DateTime.subtractDuration(start, time.precision)
        const isBetween =
          DateTime.isGreaterThanOrEqualTo(putAt, early) && DateTime.isLessThan(putAt, before)
        yield* expect.holds(`the time of ${key}`, isBetween, DateTime.formatIso(putAt))
      }
      const all = yield* listed(other, { prefix: "" })
      yield* expect.equal("of any age", keysOf(all), ["a", "b", "c", "d"])
    })
  },
  {
    id: "BLOB-9",
    group,
    title: "a body above what the store takes is refused, and nothing of it is there",
    source: "SPEC R10.7: everything is bounded",
    breaks: "takes what fits",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const large = store.put("a", new Uint8Array(store.sizeMax + 1))
      yield* expect.equal("the put", yield* endingOf(large), "ValidationFailed")
      yield* absent("what was refused", other, "a")
    })
  },
  {
    id: "BLOB-10",
    group,
    title: "what is no key, prefix or metadata is refused by every method",
    source: "core BlobStore: keys are paths",
    breaks: "a key that leads out of the store",
    run: Effect.gen(function* () {
      const { store } = yield* subject
      for (const key of ["", "/a", "a/", "a//b", "../a", "a/../../b", "a b", "ä", "a\u0000"]) {
        const calls = {
          put: store.put(key, everyByte),
          get: store.get(key),
          delete: store.delete(key)
        }
        for (const [method, call] of Object.entries(calls)) {
          const ending = yield* endingOf<unknown>(call)
          yield* expect.equal(`${method} of ${JSON.stringify(key)}`, ending, "ValidationFailed")
        }
      }
      for (const prefix of ["/", "../", "a//", "a b"]) {
        const ending = yield* endingOf(store.list({ prefix }))
        yield* expect.equal(`a listing below ${JSON.stringify(prefix)}`, ending, "ValidationFailed")
      }
      for (const metadata of [{ "A-b": "1" }, { a: "ä" }, { a: " 1" }, { a: "" }]) {
        const ending = yield* endingOf(store.put("a", everyByte, { metadata }))
        yield* expect.equal(`metadata ${JSON.stringify(metadata)}`, ending, "ValidationFailed")
      }
    })
  },
  {
    id: "BLOB-11",
    group,
    title: "bytes that were put, and bytes that were got, are the caller's to change",
    source,
    breaks: "hands out its own array",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const body = Uint8Array.from(everyByte)
      yield* store.put("a", body)
      body.fill(0)
      const first = yield* got(other, "a")
      yield* expect.equal("what was put", digest(first.body), digest(everyByte))
      first.body.fill(0)
      yield* expect.equal("the next", digest((yield* got(other, "a")).body), digest(everyByte))
    })
  },
  {
    id: "BLOB-12",
    group,
    title: "a body of 25 MB comes back whole",
    source: "GitHub sends up to 25 MB",
    breaks: "parts of it are lost",
    run: Effect.gen(function* () {
      const { other, store } = yield* subject
      const body = patterned(25 * 1024 * 1024, 3)
      yield* store.put("a", body)
      const blob = yield* got(other, "a")
      yield* expect.equal("its size", blob.body.byteLength, body.byteLength)
      yield* expect.equal("its bytes", digest(blob.body), digest(body))
    })
  }
]
