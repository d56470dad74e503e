import type * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type { Opened } from "../../NonceStoreContract.ts"
import type * as Rule from "../../Rule.ts"
import * as expect from "../expect.ts"

const group = "Nonces"

const window = Duration.seconds(2)

const seen = (nonce: string, stored: string, queue = "orders") => ({ queue, nonce, stored })

/** The rules of `NonceStore`, over whatever holds the one to check. */
export const nonceStore = <R>(subject: Context.Service<R, Opened>): ReadonlyArray<Rule.Rule<R>> => [
  {
    id: "NONCE-1",
    group,
    title: "a nonce is claimed once, and its copy in another message is not",
    source: "SPEC R8.5",
    breaks: "a store that remembers nothing",
    run: Effect.gen(function* () {
      const { store } = yield* subject
      yield* expect.equal("the first", yield* store.claim(seen("a", "1"), window), true)
      yield* expect.equal("the copy", yield* store.claim(seen("a", "2"), window), false)
      yield* expect.equal("another nonce", yield* store.claim(seen("b", "2"), window), true)
    })
  },
  {
    id: "NONCE-2",
    group,
    title: "a redelivery of the same message is no copy, however often",
    source: "SPEC R8.6",
    breaks: "a store that rejects the second delivery",
    run: Effect.gen(function* () {
      const { store } = yield* subject
      for (const delivery of [1, 2, 3]) {
        const isOwn = yield* store.claim(seen("a", "1"), window)
        yield* expect.equal(`delivery ${delivery}`, isOwn, true)
      }
      yield* expect.equal("the copy", yield* store.claim(seen("a", "2"), window), false)
    })
  },
  {
    id: "NONCE-3",
    group,
    title: "queues have nothing to do with each other",
    source: "SPEC R8.7: policies are per queue",
    breaks: "nonces of all queues in one place",
    run: Effect.gen(function* () {
      const { store } = yield* subject
      yield* store.claim(seen("a", "1"), window)
      const other = yield* store.claim(seen("a", "2", "invoices"), window)
      yield* expect.equal("the same in another queue", other, true)
      // Names that run into each other are not the same.
      yield* store.claim(seen("b c", "1", "a"), window)
      yield* expect.equal("a, b c", yield* store.claim(seen("c", "2", "a-b"), window), true)
    })
  },
  {
    id: "NONCE-4",
    group,
    title: "a nonce is forgotten when its window is over, and not before",
    source: "SPEC R8.5: 10 minutes, bounded",
    breaks: "a store that grows for ever, or forgets at once",
    run: Effect.gen(function* () {
      const { store, time } = yield* subject
      yield* store.claim(seen("a", "1"), window)
      yield* time.advance(Duration.seconds(1))
      yield* expect.equal("within", yield* store.claim(seen("a", "2"), window), false)
      yield* time.advance(Duration.seconds(3))
      yield* expect.equal("after", yield* store.claim(seen("a", "2"), window), true)
    })
  },
  {
    id: "NONCE-5",
    group,
    title: "of several that claim one nonce at once one alone is told that it is new",
    source: "core NonceStore",
    breaks: "a look and a write with a gap between them",
    run: Effect.gen(function* () {
      const { store } = yield* subject
      const claims = Array.from({ length: 20 }, (_, index) => seen("a", String(index)))
      const told = yield* Effect.forEach(claims, (claim) => store.claim(claim, window), {
        concurrency: "unbounded"
      })
      yield* expect.equal("how many were", told.filter((isOwn) => isOwn).length, 1)
    })
  }
]
