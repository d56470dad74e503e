/**
 * What a `BlobStore` is: the rules, how they are run on one, and faults that they find.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { MemoryBlobStore } from "@queue-runtime/claim-check"
 * import { BlobStoreContract, Time } from "@queue-runtime/contract-tests"
 * import { Effect } from "effect"
 *
 * BlobStoreContract.suite(it, {
 *   name: "memory",
 *   time: Time.virtual,
 *   open: Effect.map(MemoryBlobStore.make(), (store) => ({ connect: Effect.succeed(store) }))
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import type { BlobStore, QueueError } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import * as expect from "./internal/expect.ts"
import { blobStore } from "./internal/ports/blobStore.ts"
import type * as Rule from "./Rule.ts"
import * as Time from "./Time.ts"

/**
 * A store of a rule's own: nobody else uses it, and there is nothing in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  /** One more connection to it, open until the scope closes. */
  readonly connect: Effect.Effect<BlobStore.Service, QueueError.QueueError, Scope.Scope>
}

/**
 * A store to be checked. `open` is run once a rule.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<R = never> {
  /** How results call it. */
  readonly name: string
  readonly time: Time.Time
  /**
   * By rule, why it is skipped: for an endpoint that is not the service itself, and is known to do what the
   * service does not.
   */
  readonly skipped?: Readonly<Record<string, string>>
  /** A new store for one rule; its scope removes it again. */
  readonly open: Effect.Effect<Opened, QueueError.QueueError, R | Scope.Scope>
}

/**
 * Two connections to one store, and its time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Stores {
  readonly store: BlobStore.Service
  readonly other: BlobStore.Service
  readonly time: Time.Time
}

/**
 * The tag of what a rule works on.
 *
 * @category models
 * @since 0.1.0
 */
export class World extends Context.Service<World, Stores>()(
  "@queue-runtime/contract-tests/BlobStoreContract/World"
) {}

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<World>> = blobStore(World)

/**
 * The rules bound to a store.
 *
 * @category running
 * @since 0.1.0
 */
export const cases = <R>(harness: Harness<R>): ReadonlyArray<Contract.Case<R>> =>
  rules.map((one) => {
    const why = harness.skipped?.[one.id]
    const check = Effect.gen(function* () {
      if (why !== undefined) return yield* expect.skip(why)
      const { connect } = yield* harness.open
      const stores = { store: yield* connect, other: yield* connect, time: harness.time }
      yield* Effect.provideService(one.run, World, stores)
    })
    return Contract.make(
      one,
      harness.name,
      harness.time.limit,
      Effect.scoped(Time.provide(harness.time)(check))
    )
  })

/**
 * Runs the rules outside of a test runner.
 *
 * @category running
 * @since 0.1.0
 */
export const run = <R>(
  harness: Harness<R>
): Effect.Effect<ReadonlyArray<Contract.RuleResult>, never, R> => Contract.run(cases(harness))

/**
 * Registers one test a rule with the `it` of `@effect/vitest`.
 *
 * @category running
 * @since 0.1.0
 */
export const suite = <R>(it: Contract.It<R>, harness: Harness<R>): void =>
  // What waits in real time waits side by side.
  Contract.suite(it, cases(harness), { concurrent: harness.time.kind === "live" })

/**
 * A realistic fault, as a transform over any store.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sabotage {
  readonly id: string
  readonly title: string
  /** The rules that are meant to catch it; each of them must. */
  readonly caughtBy: ReadonlyArray<string>
  readonly transform: (store: BlobStore.Service) => BlobStore.Service
}

const gets =
  (change: (blob: BlobStore.Blob) => BlobStore.Blob): Sabotage["transform"] =>
  (store) => ({ ...store, get: (key) => Effect.map(store.get(key), Option.map(change)) })

const keys =
  (change: (key: string) => string): Sabotage["transform"] =>
  (store) => ({
    ...store,
    put: (key, body, options) => store.put(change(key), body, options),
    get: (key) => store.get(change(key)),
    delete: (key) => store.delete(change(key))
  })

const lists =
  (
    change: (
      page: Effect.Effect<BlobStore.Page, QueueError.QueueError>,
      options: BlobStore.ListOptions,
      store: BlobStore.Service
    ) => Effect.Effect<BlobStore.Page, QueueError.QueueError>
  ): Sabotage["transform"] =>
  (store) => ({ ...store, list: (options) => change(store.list(options), options, store) })

/** What a store that keeps the caller's array would hand out: the array itself, whatever is in it now. */
const sharing: Sabotage["transform"] = (store) => {
  const given = new Map<string, Uint8Array>()
  return {
    ...store,
    put: (key, body, options) =>
      Effect.tap(store.put(key, body, options), () => Effect.sync(() => given.set(key, body))),
    get: (key) =>
      Effect.map(
        store.get(key),
        Option.map((blob) => ({ ...blob, body: given.get(key) ?? blob.body }))
      )
  }
}

/** Two halves one after the other: who reads between sees half of it. */
const inTwoHalves: Sabotage["transform"] = (store) => ({
  ...store,
  put: (key, body, options) =>
    store
      .put(key, body.subarray(0, body.byteLength / 2), options)
      .pipe(Effect.andThen(Effect.yieldNow), Effect.andThen(store.put(key, body, options)))
})

/**
 * The faults that the rules are proved with.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const sabotages: ReadonlyArray<Sabotage> = [
  {
    id: "blob-body-as-text",
    title: "bodies go through UTF-8",
    caughtBy: ["BLOB-1"],
    transform: gets((blob) => ({
      ...blob,
      body: new TextEncoder().encode(new TextDecoder().decode(blob.body))
    }))
  },
  {
    id: "blob-metadata-lost",
    title: "metadata is not kept",
    caughtBy: ["BLOB-1", "BLOB-3"],
    transform: gets((blob) => ({ ...blob, metadata: {} }))
  },
  {
    id: "blob-delete-does-nothing",
    title: "a deleted blob stays",
    caughtBy: ["BLOB-2"],
    transform: (store) => ({ ...store, delete: () => Effect.void })
  },
  {
    id: "blob-first-put-stays",
    title: "a key that is put again keeps its first body",
    caughtBy: ["BLOB-3"],
    transform: (store) => ({
      ...store,
      put: (key, body, options) =>
        Effect.flatMap(store.get(key), (found) =>
          Option.isSome(found) ? Effect.void : store.put(key, body, options)
        )
    })
  },
  {
    id: "blob-keys-without-case",
    title: "keys that differ in case are one",
    caughtBy: ["BLOB-4"],
    transform: keys((key) => key.toLowerCase())
  },
  {
    id: "blob-keys-flattened",
    title: "a slash in a key is another character of it",
    caughtBy: ["BLOB-4"],
    transform: keys((key) => key.replaceAll("/", "_"))
  },
  {
    id: "blob-half-written",
    title: "who reads while it is written sees half of it",
    caughtBy: ["BLOB-5"],
    transform: inTwoHalves
  },
  {
    id: "blob-never-expires",
    title: "an expired blob is handed out",
    caughtBy: ["BLOB-6"],
    transform: (store) => ({
      ...store,
      put: (key, body, { metadata = {} } = {}) => store.put(key, body, { metadata })
    })
  },
  {
    id: "blob-expires-at-once",
    title: "a blob with an expiry is not handed out at all",
    caughtBy: ["BLOB-6"],
    transform: (store) => ({
      ...store,
      get: (key) =>
        Effect.map(
          store.get(key),
          Option.filter(({ expiresAt }) => expiresAt === undefined)
        )
    })
  },
  {
    id: "blob-one-page",
    title: "a listing ends with its first page",
    caughtBy: ["BLOB-7"],
    transform: lists((page) => Effect.map(page, ({ entries }) => ({ entries })))
  },
  {
    id: "blob-prefix-ignored",
    title: "a listing shows all there is",
    caughtBy: ["BLOB-7"],
    transform: lists((_, options, store) => store.list({ ...options, prefix: "" }))
  },
  {
    id: "blob-age-ignored",
    title: "a listing shows what was put too late",
    caughtBy: ["BLOB-8"],
    transform: lists((_, { before: __, ...options }, store) => store.list(options))
  },
  {
    id: "blob-age-of-the-first-put",
    title: "a key that is put again keeps its age",
    caughtBy: ["BLOB-8"],
    transform: (store) => {
      const first = new Map<string, DateTime.Utc>()
      return {
        ...store,
        put: (key, body, options) =>
          Effect.flatMap(DateTime.now, (now) => {
            if (!first.has(key)) first.set(key, now)
            return store.put(key, body, options)
          }),
        list: ({ before, ...options }) =>
          Effect.map(store.list(options), ({ entries, ...rest }) => ({
            ...rest,
            entries: entries
              .map((entry) => ({ ...entry, putAt: first.get(entry.key) ?? entry.putAt }))
              .filter(({ putAt }) => before === undefined || DateTime.isLessThan(putAt, before))
          }))
      }
    }
  },
  {
    id: "blob-cut-off",
    title: "what is larger than the store takes is cut off, and acknowledged",
    caughtBy: ["BLOB-9"],
    transform: (store) => ({
      ...store,
      put: (key, body, options) => store.put(key, body.subarray(0, store.sizeMax), options)
    })
  },
  {
    id: "blob-any-key",
    title: "what is no key is taken for one",
    caughtBy: ["BLOB-10"],
    transform: keys((key) => key.replaceAll(/[^\w/.-]|\.\.\/|^\/|\/$|\/(?=\/)/gu, "_"))
  },
  {
    id: "blob-shares-arrays",
    title: "the array that was put is the one that is kept and handed out",
    caughtBy: ["BLOB-11"],
    transform: sharing
  },
  {
    id: "blob-truncated",
    title: "a large body comes back without its end",
    caughtBy: ["BLOB-12"],
    transform: gets((blob) => ({ ...blob, body: blob.body.subarray(0, 16 * 1024 * 1024) }))
  }
]

/**
 * The same store with a fault in it, over one connection.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const behind = <R>(
  self: Harness<R>,
  { id, transform }: Pick<Sabotage, "id" | "transform">
): Harness<R> => ({
  ...self,
  name: `${self.name}, ${id}`,
  open: Effect.flatMap(self.open, ({ connect }) =>
    Effect.map(connect, (store) => ({ connect: Effect.succeed(transform(store)) }))
  )
})
