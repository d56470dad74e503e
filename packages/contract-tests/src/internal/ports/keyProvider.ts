import type * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Formatter from "effect/Formatter"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import { Defaults, type KeyProvider, QueueName } from "@queue-runtime/core"
import type { Opened } from "../../KeyProviderContract.ts"
import type * as Rule from "../../Rule.ts"
import * as expect from "../expect.ts"

const queue = QueueName.makeUnsafe("contract-keys")

const group = "Keys"

const bytesOf = ({ material }: KeyProvider.Key): Uint8Array => Redacted.value(material)

const hex = (key: KeyProvider.Key): string => Buffer.from(bytesOf(key)).toString("hex")

const isSame = (a: KeyProvider.Key, b: KeyProvider.Key): boolean =>
  a.id === b.id && Buffer.compare(bytesOf(a), bytesOf(b)) === 0

const referenceTo = ({ id, wrapped }: KeyProvider.Key): KeyProvider.KeyReference =>
  wrapped === undefined ? { id } : { id, wrapped }

/** The rules of `KeyProvider`, over whatever holds the one to check. */
export const keyProvider = <R>(
  subject: Context.Service<R, Opened>
): ReadonlyArray<Rule.Rule<R>> => [
  {
    id: "KEY-1",
    group,
    title: "the current key has an id that fits into an envelope, and material",
    source: "SPEC R8.3; core KeyProvider",
    breaks: "an id that is empty or over 64 bytes, a wrapped key over wrappedSizeMax",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const key = yield* provider.current(queue)
      const size = Buffer.byteLength(key.id)
      yield* expect.holds(
        "the id has 1–64 bytes of UTF-8",
        size > 0 && size <= Defaults.cryptoKeyIdSizeMax && key.id.isWellFormed(),
        key.id
      )
      yield* expect.holds("there is material", bytesOf(key).byteLength > 0, key.id)
      const wrapped = key.wrapped?.byteLength ?? 0
      yield* expect.holds(
        "the wrapped key has at most wrappedSizeMax bytes",
        wrapped <= provider.wrappedSizeMax,
        wrapped
      )
    })
  },
  {
    id: "KEY-2",
    group,
    title: "what the current key seals is opened with the same key, by its reference",
    source: "SPEC R8.3",
    breaks: "byId that does not know the current key, or finds another one",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const key = yield* provider.current(queue)
      const found = yield* provider.byId(queue, referenceTo(key))
      yield* expect.holds(
        "the same key is found",
        Option.isSome(found) && isSame(found.value, key),
        Option.map(found, ({ id }) => id)
      )
    })
  },
  {
    id: "KEY-3",
    group,
    title: "a key that nobody made is not known, and that is no error",
    source: "SPEC R8.6: a missing key abandons, keys may be on their way",
    breaks: "an error, or any key at all, for an id that a stranger wrote",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const strange = ["nobody-made-this", "../../other", "0".repeat(32), "%00"]
      for (const id of strange) {
        for (const reference of [{ id }, { id, wrapped: new Uint8Array([1, 2, 3]) }]) {
          const found = yield* provider.byId(queue, reference)
          yield* expect.holds(`${id} is not known`, Option.isNone(found), found)
        }
      }
    })
  },
  {
    id: "KEY-4",
    group,
    title: "after a rotation another key seals, and the one before still opens",
    source: "SPEC R8.3: rotation without interruption",
    breaks: "a rotation that goes unseen, or that forgets what older bodies need",
    run: Effect.gen(function* () {
      const { provider, rotate } = yield* subject
      const before = yield* provider.current(queue)
      yield* rotate
      const after = yield* provider.current(queue)
      yield* expect.holds("another key is the current one", after.id !== before.id, after.id)
      const found = yield* provider.byId(queue, referenceTo(before))
      yield* expect.holds("the key of before is found", Option.isSome(found), before.id)
    })
  },
  {
    id: "KEY-5",
    group,
    title: "a key that a call has in hand stays whole through a rotation that keeps it",
    source: "SPEC R8.3: rotation without interruption",
    breaks: "wiping, or exchanging the bytes of, a key that is still there",
    run: Effect.gen(function* () {
      const { provider, rotate } = yield* subject
      const key = yield* provider.current(queue)
      const before = hex(key)
      yield* rotate
      yield* expect.holds("its bytes are as they were", hex(key) === before, key.id)
    })
  },
  {
    id: "KEY-6",
    group,
    title: "the ids that open have the current one among them",
    source: "SPEC R8.3: valid ids",
    breaks: "a list without the key that seals",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const { id } = yield* provider.current(queue)
      const ids = yield* provider.ids(queue)
      yield* expect.holds("it is listed", ids.includes(id), ids)
    })
  },
  {
    id: "KEY-7",
    group,
    title: "a key shows its bytes to nobody who prints it",
    source: "SPEC R8.4: never key bytes anywhere",
    breaks: "material that prints itself",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const key = yield* provider.current(queue)
      const printed = `${Formatter.format(key.material)} ${JSON.stringify(key.material)}`
      const encodings = (["hex", "base64", "base64url"] as const).map((encoding) =>
        Buffer.from(bytesOf(key)).toString(encoding)
      )
      const shown = encodings.some((text) => printed.includes(text))
      yield* expect.holds("nothing of it is shown", !shown, key.id)
    })
  },
  {
    id: "KEY-8",
    group,
    title: "lookups side by side answer the same key",
    source: "core KeyProvider: concurrent calls are safe",
    breaks: "a cache that makes a key for every caller",
    run: Effect.gen(function* () {
      const { provider } = yield* subject
      const keys = yield* Effect.forEach([1, 2, 3, 4], () => provider.current(queue), {
        concurrency: "unbounded"
      })
      yield* expect.equal("one key", new Set(keys.map(({ id }) => id)).size, 1)
    })
  }
]
