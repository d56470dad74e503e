/**
 * What an `IdempotencyStore` is: the rules, how they are run on one, and faults that they find.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { IdempotencyStoreContract, Time } from "@queue-runtime/contract-tests"
 * import { IdempotencyStore } from "@queue-runtime/core"
 * import { Effect } from "effect"
 *
 * IdempotencyStoreContract.suite(it, {
 *   name: "memory",
 *   time: Time.virtual,
 *   open: Effect.map(IdempotencyStore.makeMemory(), (store) => ({ connect: Effect.succeed(store) }))
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import type { IdempotencyStore, QueueError } from "@queue-runtime/core"
import * as Contract from "./Contract.ts"
import * as expect from "./internal/expect.ts"
import type * as Rule from "./Rule.ts"
import * as Time from "./Time.ts"

/**
 * A store of a rule's own: nobody else uses it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Opened {
  /** One more connection to it, open until the scope closes. */
  readonly connect: Effect.Effect<IdempotencyStore.Service, QueueError.QueueError, Scope.Scope>
}

/**
 * A store to be checked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Harness<R = never> {
  readonly name: string
  readonly time: Time.Time
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
  readonly store: IdempotencyStore.Service
  readonly other: IdempotencyStore.Service
  readonly time: Time.Time
}

/**
 * The tag of what a rule works on.
 *
 * @category models
 * @since 0.1.0
 */
export class World extends Context.Service<World, Stores>()(
  "@queue-runtime/contract-tests/IdempotencyStoreContract/World"
) {}

const lease = Duration.seconds(30)
const timeToLive = Duration.hours(1)
const key = "orders\nm-1"

const rule = (
  id: string,
  title: string,
  breaks: string,
  check: (stores: Stores) => Effect.Effect<void, Rule.Failure>
): Rule.Rule<World> => ({
  id,
  group: "Idempotency",
  title,
  source: "SPEC R5.7",
  breaks,
  run: Effect.flatMap(World, check)
})

const claimed = (
  store: IdempotencyStore.Service,
  of = key
): Effect.Effect<
  Extract<IdempotencyStore.Claim, { readonly _tag: "Claimed" }>,
  Rule.RuleFailed | QueueError.QueueError
> =>
  Effect.flatMap(store.claim(of, lease), (claim) =>
    claim._tag === "Claimed"
      ? Effect.succeed(claim)
      : expect.fail(`a free key is answered with ${claim._tag}`)
  )

const answers = (
  what: string,
  store: IdempotencyStore.Service,
  tag: IdempotencyStore.Claim["_tag"]
) => Effect.flatMap(store.claim(key, lease), (claim) => expect.equal(what, claim._tag, tag))

const refuses = <A>(what: string, call: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.flatMap(
    Effect.match(call, { onSuccess: () => "success", onFailure: ({ reason }) => reason._tag }),
    (ending) => expect.equal(what, ending, "ReceiptExpired")
  )

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<World>> = [
  rule(
    "IDEM-1",
    "a key that is claimed is busy for everyone else, until its lease ends",
    "claims what is claimed",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const claim = yield* claimed(store)
      const second = yield* other.claim(key, lease)
      yield* expect.equal("a second claim", second._tag, "Busy")
      if (second._tag === "Busy") {
        yield* expect.equal(
          "the end of the lease",
          DateTime.toEpochMillis(second.until),
          DateTime.toEpochMillis(claim.until)
        )
      }
      yield* time.advance(Duration.subtract(lease, Duration.seconds(1)))
      yield* answers("a claim just before the lease ends", other, "Busy")
      yield* time.advance(Duration.seconds(1))
      yield* answers("a claim after it", other, "Claimed")
    })
  ),
  rule(
    "IDEM-2",
    "of many that claim one key at once one gets it",
    "looks first and writes then",
    Effect.fnUntraced(function* ({ other, store }) {
      const claims = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : other)),
        (one) => one.claim(key, lease),
        { concurrency: "unbounded" }
      )
      const won = claims.filter(({ _tag }) => _tag === "Claimed").length
      yield* expect.equal("claims that were granted", won, 1)
    })
  ),
  rule(
    "IDEM-3",
    "what was completed is done for everyone, whatever became of its lease",
    "forgets what is done with the lease",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const { token } = yield* claimed(store)
      yield* store.complete(key, token, timeToLive)
      yield* answers("a claim of what is done", other, "Done")
      yield* time.advance(Duration.times(lease, 2))
      yield* answers("a claim when the lease would be over", other, "Done")
    })
  ),
  rule(
    "IDEM-4",
    "what is done is forgotten when its time to live is over, not before",
    "remembers for ever, or too short",
    Effect.fnUntraced(function* ({ other, store, time }) {
      if (Duration.isGreaterThan(timeToLive, time.passMax)) {
        return yield* expect.skip(`${Duration.format(timeToLive)} would have to pass`)
      }
      const { token } = yield* claimed(store)
      yield* store.complete(key, token, timeToLive)
      yield* time.advance(Duration.subtract(timeToLive, Duration.seconds(1)))
      yield* answers("a claim just before", other, "Done")
      yield* time.advance(Duration.seconds(1))
      yield* answers("a claim after", other, "Claimed")
    })
  ),
  rule(
    "IDEM-5",
    "what is released can be claimed at once",
    "keeps a released key until its lease ends",
    Effect.fnUntraced(function* ({ other, store }) {
      const { token } = yield* claimed(store)
      yield* store.release(key, token)
      yield* answers("a claim after the release", other, "Claimed")
    })
  ),
  rule(
    "IDEM-6",
    "a lease that is renewed is counted from the renewal",
    "renews in word alone",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const { token, until } = yield* claimed(store)
      yield* time.advance(Duration.seconds(20))
      const renewed = yield* store.renew(key, token, lease)
      yield* expect.holds(
        "the new end is later",
        DateTime.isGreaterThan(renewed, until),
        DateTime.toEpochMillis(renewed)
      )
      yield* time.advance(Duration.seconds(20))
      yield* answers("a claim when the first lease would be over", other, "Busy")
      yield* time.advance(Duration.seconds(10))
      yield* answers("a claim when the renewed one is", other, "Claimed")
    })
  ),
  rule(
    "IDEM-7",
    "who lost its lease to another renews, completes and releases nothing",
    "believes any token",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const late = yield* claimed(store)
      yield* time.advance(lease)
      yield* refuses("renewing a lease that ran out", store.renew(key, late.token, lease))
      const holder = yield* claimed(other)
      yield* refuses("renewing another's lease", store.renew(key, late.token, lease))
      yield* refuses("completing what is another's", store.complete(key, late.token, timeToLive))
      yield* store.release(key, late.token)
      yield* answers("a claim of what another holds", store, "Busy")
      yield* other.complete(key, holder.token, timeToLive)
    })
  ),
  rule(
    "IDEM-8",
    "completing after the lease ran out holds, while nobody took the key",
    "forgets the owner with the lease",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const { token } = yield* claimed(store)
      yield* time.advance(Duration.sum(lease, Duration.seconds(1)))
      yield* store.complete(key, token, timeToLive)
      yield* answers("a claim of what is done", other, "Done")
    })
  ),
  rule(
    "IDEM-9",
    "what is done is neither released, renewed nor completed again",
    "undoes what is done",
    Effect.fnUntraced(function* ({ other, store }) {
      const { token } = yield* claimed(store)
      yield* store.complete(key, token, timeToLive)
      yield* store.release(key, token)
      yield* refuses("renewing what is done", store.renew(key, token, lease))
      yield* refuses("completing it again", store.complete(key, token, timeToLive))
      yield* answers("a claim of what is done", other, "Done")
    })
  ),
  rule(
    "IDEM-10",
    "keys are apart, whatever they hold",
    "mixes up keys",
    Effect.fnUntraced(function* ({ other, store }) {
      const keys = ["a", "A", "a ", "a\nb", "a\u0000", "ä", "a'; --", "%", "😀".repeat(100)]
      for (const one of keys) {
        const { token } = yield* claimed(store, one)
        yield* store.complete(one, token, timeToLive)
      }
      for (const one of keys) {
        const { _tag } = yield* other.claim(one, lease)
        yield* expect.equal(`a claim of ${JSON.stringify(one)}`, _tag, "Done")
      }
      yield* claimed(store, "b")
    })
  )
]

/**
 * The rules bound to a store.
 *
 * @category running
 * @since 0.1.0
 */
export const cases = <R>(harness: Harness<R>): ReadonlyArray<Contract.Case<R>> =>
  rules.map((one) => {
    const check = Effect.gen(function* () {
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
  Contract.suite(it, cases(harness))

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
  readonly transform: (store: IdempotencyStore.Service) => IdempotencyStore.Service
}

const claims =
  (change: (claim: IdempotencyStore.Claim) => IdempotencyStore.Claim): Sabotage["transform"] =>
  (store) => ({
    ...store,
    claim: (of, wanted) => Effect.map(store.claim(of, wanted), change)
  })

/**
 * The faults that the rules are proved with.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const sabotages: ReadonlyArray<Sabotage> = [
  {
    id: "idempotency-busy-is-claimed",
    title: "a key that another holds is handed out again",
    caughtBy: ["IDEM-1", "IDEM-2"],
    transform: claims((claim) =>
      claim._tag === "Busy" ? { _tag: "Claimed", token: "0", until: claim.until } : claim
    )
  },
  {
    id: "idempotency-done-is-busy",
    title: "what is done looks like what another works on, for ever",
    caughtBy: ["IDEM-3", "IDEM-9", "IDEM-10"],
    transform: claims((claim) =>
      claim._tag === "Done" ? { _tag: "Busy", until: DateTime.makeUnsafe(0) } : claim
    )
  },
  {
    id: "idempotency-remembers-for-the-lease",
    title: "the record lives as long as a lease, not as long as it was told to",
    caughtBy: ["IDEM-3", "IDEM-4"],
    transform: (store) => ({ ...store, complete: (of, token) => store.complete(of, token, lease) })
  },
  {
    id: "idempotency-remembers-for-ever",
    title: "the record outlives its time to live",
    caughtBy: ["IDEM-4"],
    transform: (store) => ({
      ...store,
      complete: (of, token) => store.complete(of, token, Duration.days(1_000))
    })
  },
  {
    id: "idempotency-release-does-nothing",
    title: "a released key stays claimed",
    caughtBy: ["IDEM-5"],
    transform: (store) => ({ ...store, release: () => Effect.void })
  },
  {
    id: "idempotency-renewal-in-word",
    title: "a renewal is confirmed and changes nothing",
    caughtBy: ["IDEM-6"],
    transform: (store) => ({
      ...store,
      renew: (_, __, wanted) => Effect.map(DateTime.now, (now) => DateTime.addDuration(now, wanted))
    })
  },
  {
    id: "idempotency-late-completion-swallowed",
    title: "a completion by one that lost the key is answered with success",
    caughtBy: ["IDEM-7", "IDEM-9"],
    transform: (store) => ({
      ...store,
      complete: (of, token, wanted) => Effect.ignore(store.complete(of, token, wanted))
    })
  },
  {
    id: "idempotency-completion-needs-lease",
    title: "a completion is refused when the lease ran out, though nobody took the key",
    caughtBy: ["IDEM-8"],
    transform: (store) => ({
      ...store,
      complete: (of, token, wanted) =>
        Effect.andThen(store.renew(of, token, lease), store.complete(of, token, wanted))
    })
  },
  {
    id: "idempotency-keys-without-case",
    title: "keys that differ in case are one",
    caughtBy: ["IDEM-10"],
    transform: (store) => ({
      claim: (of, wanted) => store.claim(of.toLowerCase(), wanted),
      renew: (of, token, wanted) => store.renew(of.toLowerCase(), token, wanted),
      complete: (of, token, wanted) => store.complete(of.toLowerCase(), token, wanted),
      release: (of, token) => store.release(of.toLowerCase(), token)
    })
  }
]

/**
 * The same store with a fault in it.
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
  open: Effect.map(self.open, ({ connect }) => ({ connect: Effect.map(connect, transform) }))
})
