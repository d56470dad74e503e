/**
 * Blobs as files below a directory: of one machine, or of several that mount it.
 *
 * **Details**
 *
 * A file is written beside, brought to the disk and then renamed: whoever reads finds the whole of it or
 * nothing, and what is acknowledged survives the process and the machine. What a crash left unfinished is
 * removed when the store is made again, an hour later at the earliest.
 *
 * A key's segments are folders and its last one a file, capitals as `+` and the small letter, so that
 * keys are apart where a file system does not tell case; `~` stands behind the name of a file, so that
 * `a` and `a/b` are both there. A file begins with `QRB1`, four bytes with the length of what comes next,
 * and metadata and expiry as JSON; the rest is the body.
 *
 * **Gotchas** Folders stay when they are empty. Files have the time of the process that wrote them:
 * machines that share a directory share the time, give or take what their clocks differ by.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Dirent } from "node:fs"
import {
  type FileHandle,
  mkdir,
  open,
  opendir,
  readdir,
  rename,
  rm,
  stat,
  unlink
} from "node:fs/promises"
import { dirname, join } from "node:path"
import { BlobStore, Check, Defaults, MessageId, QueueError } from "@queue-runtime/core"
import * as blobService from "./internal/blobService.ts"
import * as Lowest from "./internal/lowest.ts"

/**
 * Where the files are.
 *
 * @category options
 * @since 0.1.0
 */
export interface Options {
  /** It is made when it is not there; nobody else writes below it. */
  readonly directory: string
  /** Bytes of one body. Default: 100 MiB. */
  readonly sizeMax?: number
  /** How long one call may take. Default: 30 seconds. */
  readonly timeout?: Duration.Input
}

const name = "file"

/** No key has a segment of this name. */
const unfinished = "~unfinished"

const encodeSegment = (segment: string): string =>
  segment.replaceAll(/[A-Z]/gu, (letter) => `+${letter.toLowerCase()}`)

const decodeSegment = (text: string): string =>
  text.replaceAll(/\+([a-z])/gu, (_, letter: string) => letter.toUpperCase())

const pathOf = (key: string): string => `${key.split("/").map(encodeSegment).join("/")}~`

const magic = Buffer.from("QRB1", "latin1")

const prefixSize = magic.byteLength + 4

const Header = Schema.fromJsonString(
  Schema.Struct({
    metadata: Schema.Record(Schema.String, Schema.String),
    expiresAt: Schema.optionalKey(Schema.DateTimeUtcFromMillis)
  })
)

const encodeHeader = Schema.encodeSync(Header)
const decodeHeader = Schema.decodeUnknownOption(Header)

/** More than what a put may hold: what says more was not written here. */
const headerSizeMax = 16_384

const headerOf = ({ expiresAt, metadata = {} }: BlobStore.PutOptions): Buffer => {
  const header = Buffer.from(encodeHeader({ metadata, ...(expiresAt && { expiresAt }) }))
  const size = Buffer.alloc(4)
  size.writeUInt32BE(header.byteLength)
  return Buffer.concat([magic, size, header])
}

/** A file as a blob: its body is a part of the array that was read, not a copy. */
const blobOf = (file: Buffer): Option.Option<BlobStore.Blob> => {
  if (file.byteLength < prefixSize || !file.subarray(0, magic.byteLength).equals(magic)) {
    return Option.none()
  }
  const end = prefixSize + file.readUInt32BE(magic.byteLength)
  if (end > file.byteLength) return Option.none()
  return Option.map(decodeHeader(file.toString("utf8", prefixSize, end)), (header) => ({
    ...header,
    body: new Uint8Array(file.buffer, file.byteOffset + end, file.byteLength - end)
  }))
}

const codeOf = (thrown: unknown): string => blobService.known(thrown).code ?? ""

const isMissing = (code: string): boolean => code === "ENOENT" || code === "ENOTDIR"

const isTransient = /^(?:EAGAIN|EBUSY|EDQUOT|EIO|EMFILE|ENFILE|ENOSPC|ETIMEDOUT|ESTALE)$/u

const isDenied = /^(?:EACCES|EPERM|EROFS)$/u

const classify: blobService.Classify = (thrown, place) => {
  const code = codeOf(thrown)
  const context = { ...place, cause: thrown }
  if (isDenied.test(code)) {
    return QueueError.make(new QueueError.PermissionDenied({ operation: place.operation }), context)
  }
  const retry = isTransient.test(code) ? "Transient" : "Never"
  const reason = new QueueError.ProviderFailure({ provider: name, code: code || "Error" })
  return QueueError.make(reason, { ...context, retry })
}

/** One step on the file system; what is not there is `undefined`. */
const orMissing =
  (operation: string) =>
  <A>(
    f: (signal: AbortSignal) => Promise<A>
  ): Effect.Effect<A | undefined, QueueError.QueueError> =>
    blobService.step({ provider: name, operation }, classify, f, (thrown) =>
      isMissing(codeOf(thrown)) ? Effect.undefined : undefined
    )

const steps =
  (operation: string) =>
  <A>(f: (signal: AbortSignal) => Promise<A>): Effect.Effect<A, QueueError.QueueError> =>
    blobService.step({ provider: name, operation }, classify, f)

const withFile = <A>(
  operation: string,
  path: string,
  flags: string,
  use: (file: FileHandle) => Effect.Effect<A, QueueError.QueueError>
) =>
  Effect.acquireUseRelease(
    steps(operation)(() => open(path, flags, 0o600)),
    use,
    (file) => Effect.ignore(steps(operation)(() => file.close()))
  )

/** On some systems a folder cannot be opened, or not be brought to the disk: the rename is there all the same. */
const syncFolder = (path: string): Effect.Effect<void> =>
  Effect.ignore(withFile("put", path, "r", (folder) => steps("put")(() => folder.sync())))

const put = Effect.fnUntraced(function* (
  root: string,
  key: string,
  body: Uint8Array,
  options: BlobStore.PutOptions
) {
  const step = steps("put")
  const own = join(root, unfinished, yield* MessageId.generate)
  const target = join(root, pathOf(key))
  const now = (yield* Clock.currentTimeMillis) / 1_000
  const write = withFile("put", own, "wx", (file) =>
    step(() => file.writev([headerOf(options), body])).pipe(
      Effect.andThen(step(() => file.utimes(now, now))),
      Effect.andThen(step(() => file.sync()))
    )
  )
  const move = step(() => mkdir(dirname(target), { recursive: true })).pipe(
    Effect.andThen(step(() => rename(own, target))),
    Effect.andThen(syncFolder(dirname(target)))
  )
  yield* Effect.onError(Effect.andThen(write, move), () =>
    Effect.ignore(step(() => rm(own, { force: true })))
  )
})

const get = Effect.fnUntraced(function* (root: string, key: string, sizeMax: number) {
  const path = join(root, pathOf(key))
  const file = yield* orMissing("get")(() => open(path, "r"))
  if (file === undefined) return Option.none<BlobStore.Blob>()
  const step = steps("get")
  const read = Effect.gen(function* () {
    const { size } = yield* step(() => file.stat())
    yield* BlobStore.checkSize(sizeMax + headerSizeMax, size)
    return blobOf(yield* step((signal) => file.readFile({ signal })))
  })
  const blob = yield* Effect.ensuring(read, Effect.ignore(step(() => file.close())))
  if (Option.isNone(blob)) {
    const reason = new QueueError.ProviderFailure({ provider: name, code: "NotABlob" })
    return yield* Effect.fail(QueueError.make(reason, { operation: "get" }))
  }
  const { expiresAt } = blob.value
  const now = yield* DateTime.now
  const isExpired = expiresAt !== undefined && DateTime.isLessThanOrEqualTo(expiresAt, now)
  return isExpired ? Option.none<BlobStore.Blob>() : blob
})

/** Entries of a folder, one after the other: it may have more than fit into memory. */
const eachIn = Effect.fnUntraced(function* (
  path: string,
  f: (entry: Dirent) => Effect.Effect<void, QueueError.QueueError>
) {
  const folder = yield* orMissing("list")(() => opendir(path))
  if (folder === undefined) return
  const step = steps("list")
  const read = Effect.gen(function* () {
    for (let entry = yield* step(() => folder.read()); entry !== null;) {
      yield* f(entry)
      entry = yield* step(() => folder.read())
    }
  })
  yield* Effect.ensuring(read, Effect.ignore(step(() => folder.close())))
})

const list = Effect.fnUntraced(function* (
  root: string,
  { before, cursor = "", prefix }: BlobStore.ListOptions,
  max: number
) {
  const lowest = new Lowest.Lowest(max + 1)
  const walk = (segments: ReadonlyArray<string>): Effect.Effect<void, QueueError.QueueError> =>
    eachIn(join(root, ...segments.map(encodeSegment)), (entry) => {
      if (entry.isDirectory()) {
        if (entry.name === unfinished) return Effect.void
        const below = [...segments, decodeSegment(entry.name)]
        const start = `${below.join("/")}/`
        const isWanted = start.startsWith(prefix) || prefix.startsWith(start)
        return isWanted ? walk(below) : Effect.void
      }
      if (!entry.name.endsWith("~")) return Effect.void
      const key = [...segments, decodeSegment(entry.name.slice(0, -1))].join("/")
      if (key.startsWith(prefix) && key > cursor && BlobStore.isKey(key)) lowest.add(key)
      return Effect.void
    })
  yield* walk(prefix.split("/").slice(0, -1))
  const found = lowest.sorted
  const page = found.slice(0, max)
  const entries: Array<BlobStore.Entry> = []
  for (const key of page) {
    const facts = yield* orMissing("list")(() => stat(join(root, pathOf(key))))
    if (facts === undefined) continue
    const putAt = DateTime.makeUnsafe(Math.round(facts.mtimeMs))
    if (before === undefined || DateTime.isLessThan(putAt, before)) {
      entries.push({ key, size: Math.max(0, facts.size - prefixSize), putAt })
    }
  }
  const next = found.length > max ? page.at(-1) : undefined
  return { entries, ...(next !== undefined && { next }) }
})

/** What a crash left. Another process may be writing: only what is old. */
const removeUnfinished = Effect.fnUntraced(function* (root: string) {
  const now = yield* Clock.currentTimeMillis
  const folder = join(root, unfinished)
  const step = steps("open")
  for (const file of yield* step(() => readdir(folder))) {
    const path = join(folder, file)
    const facts = yield* orMissing("open")(() => stat(path))
    const age = now - (facts?.mtimeMs ?? now)
    if (age > Duration.toMillis(Defaults.blobUnfinishedAge)) {
      yield* step(() => rm(path, { force: true }))
    }
  }
})

/**
 * A store below a directory.
 *
 * **Errors** ConfigurationInvalid when the directory cannot be made or written to · ValidationFailed for
 * an option out of its range; then, of each call: PermissionDenied · ProviderFailure, transient for a disk
 * that is full · Timeout
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  options: Options
): Effect.fn.Return<BlobStore.Service, QueueError.QueueError> {
  const { directory: root } = options
  const sizeMax = yield* Check.wholeNumber("sizeMax", options.sizeMax ?? Defaults.blobSizeMax)
  const timeout = yield* Check.duration("timeout", options.timeout ?? Defaults.blobTimeout)
  if (root === "") {
    return yield* Effect.fail(QueueError.configurationInvalid("directory", "must not be empty"))
  }
  yield* Effect.mapError(
    steps("open")(() => mkdir(join(root, unfinished), { recursive: true })),
    ({ cause }) =>
      QueueError.configurationInvalid("directory", "cannot be made, or not be written to", cause)
  )
  yield* removeUnfinished(root)
  const limited = blobService.within(timeout)
  const service: BlobStore.Service = {
    name,
    sizeMax,
    put: (key, body, wanted = {}) =>
      Effect.andThen(
        BlobStore.checkPut(sizeMax, key, body, wanted),
        limited({ provider: name, operation: "put" }, put(root, key, body, wanted))
      ),
    get: (key) =>
      Effect.andThen(
        BlobStore.checkKey(key),
        limited({ provider: name, operation: "get" }, get(root, key, sizeMax))
      ),
    delete: (key) =>
      Effect.andThen(
        BlobStore.checkKey(key),
        limited(
          { provider: name, operation: "delete" },
          Effect.asVoid(orMissing("delete")(() => unlink(join(root, pathOf(key)))))
        )
      ),
    list: (wanted) =>
      Effect.flatMap(BlobStore.checkList(wanted), (max) =>
        limited({ provider: name, operation: "list" }, list(root, wanted, max))
      )
  }
  return service
})

/**
 * Files as a layer.
 *
 * **Errors** as {@link make}
 *
 * **Example** (As part of a stack)
 *
 * ```ts
 * import { FileBlobStore } from "@queue-runtime/claim-check"
 * import { Layer } from "effect"
 *
 * const blobs = FileBlobStore.layer({ directory: "/var/lib/orders/blobs" })
 * Layer.isLayer(blobs) // => true
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<BlobStore.BlobStore, QueueError.QueueError> =>
  Layer.effect(BlobStore.BlobStore, make(options))
