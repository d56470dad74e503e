/**
 * What a `SessionStore` is: the rules, how they are run on one, and faults that they find.
 *
 * **Example** (As tests)
 *
 * ```ts no-run
 * import { it } from "@effect/vitest"
 * import { SessionStoreContract, Time } from "@queue-runtime/contract-tests"
 * import { SessionStoreMemory } from "@queue-runtime/session-store"
 * import { Effect } from "effect"
 *
 * SessionStoreContract.suite(it, {
 *   name: "memory",
 *   time: Time.virtual,
 *   open: Effect.map(SessionStoreMemory.make(), (store) => ({ connect: Effect.succeed(store) }))
 * })
 * ```
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type * as Scope from "effect/Scope"
import { QueueError, QueueName, SessionId, type SessionStore } from "@queue-runtime/core"
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
  /** One more connection to it, as another process would have, open until the scope closes. */
  readonly connect: Effect.Effect<SessionStore.Service, QueueError.QueueError, Scope.Scope>
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
  readonly store: SessionStore.Service
  readonly other: SessionStore.Service
  readonly time: Time.Time
}

/**
 * The tag of what a rule works on.
 *
 * @category models
 * @since 0.1.0
 */
export class World extends Context.Service<World, Stores>()(
  "@queue-runtime/contract-tests/SessionStoreContract/World"
) {}

const duration = Duration.seconds(20)

const request: SessionStore.Request = {
  queue: QueueName.makeUnsafe("orders"),
  sessionId: SessionId.makeUnsafe("acme/shop/42"),
  holder: "one",
  duration
}

const others: SessionStore.Request = { ...request, holder: "other" }

const rule = (
  id: string,
  title: string,
  breaks: string,
  check: (stores: Stores) => Effect.Effect<void, Rule.Failure>
): Rule.Rule<World> => ({
  id,
  group: "Leases",
  title,
  source: "SPEC R4.3, R4.4; ADR 0018",
  breaks,
  run: Effect.flatMap(World, check)
})

const granted = (
  store: SessionStore.Service,
  asked = request
): Effect.Effect<SessionStore.Lease, Rule.RuleFailed | QueueError.QueueError> =>
  Effect.flatMap(store.acquire(asked), (answer) =>
    answer._tag === "Granted"
      ? Effect.succeed(answer.lease)
      : expect.fail("a session that is free is held by nobody, and was not granted")
  )

const held = (
  what: string,
  store: SessionStore.Service,
  asked = others
): Effect.Effect<DateTime.Utc, Rule.RuleFailed | QueueError.QueueError> =>
  Effect.flatMap(store.acquire(asked), (answer) =>
    answer._tag === "Held"
      ? Effect.succeed(answer.until)
      : expect.fail(`${what} was granted, with token ${answer.lease.token}`)
  )

const tagOf = <A>(call: Effect.Effect<A, QueueError.QueueError>): Effect.Effect<string> =>
  Effect.match(call, { onSuccess: () => "success", onFailure: ({ reason }) => reason._tag })

const refuses = <A>(what: string, call: Effect.Effect<A, QueueError.QueueError>) =>
  Effect.flatMap(tagOf(call), (ending) => expect.equal(what, ending, "SessionLockLost"))

const stateIs = (
  what: string,
  store: SessionStore.Service,
  lease: SessionStore.Lease,
  expected: ReadonlyArray<number> | undefined
) =>
  Effect.flatMap(store.readState(lease), (state) =>
    expect.equal(what, Option.getOrUndefined(Option.map(state, (bytes) => [...bytes])), expected)
  )

const write = (
  store: SessionStore.Service,
  lease: SessionStore.Lease,
  bytes: ReadonlyArray<number>
) => store.writeState(lease, Option.some(Uint8Array.from(bytes)))

/** Everything a lease is good for is refused, and changes nothing. */
const isWorthless = Effect.fnUntraced(function* (
  store: SessionStore.Service,
  lease: SessionStore.Lease
) {
  yield* refuses("renewing", store.renew(lease, duration))
  yield* refuses("reading the state", store.readState(lease))
  yield* refuses("writing the state", write(store, lease, [6, 6, 6]))
  yield* refuses("removing the state", store.writeState(lease, Option.none()))
  yield* store.release(lease)
})

/**
 * Every rule.
 *
 * @category rules
 * @since 0.1.0
 */
export const rules: ReadonlyArray<Rule.Rule<World>> = [
  rule(
    "LEASE-1",
    "a session that is held is granted to nobody, under the same name neither",
    "grants what is granted",
    Effect.fnUntraced(function* ({ other, store }) {
      const lease = yield* granted(store)
      const now = yield* DateTime.now
      yield* expect.holds(
        "the lease ends in the future",
        DateTime.isGreaterThan(lease.expiresAt, now),
        lease.expiresAt
      )
      const until = yield* held("a session that another holds", other)
      yield* expect.holds(
        "it may be asked for in the future",
        DateTime.isGreaterThan(until, now),
        until
      )
      yield* held("a session that the same connection holds", store, request)
      yield* held("a session that the same name holds", other, request)
    })
  ),
  rule(
    "LEASE-2",
    "of many that ask for one session at once one is granted it",
    "looks first and writes then",
    Effect.fnUntraced(function* ({ other, store }) {
      const answers = yield* Effect.forEach(
        Array.from({ length: 20 }, (_, index) => (index % 2 === 0 ? store : other)),
        (one) => one.acquire(request),
        { concurrency: "unbounded" }
      )
      const won = answers.filter(({ _tag }) => _tag === "Granted").length
      yield* expect.equal("leases that were granted", won, 1)
    })
  ),
  rule(
    "LEASE-3",
    "each grant of a session has a higher token than every grant before",
    "numbers grants by connection, or begins anew after a release",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const tokens: Array<number> = []
      for (const one of [store, other, store, store, other]) {
        const lease = yield* granted(one)
        tokens.push(lease.token)
        yield* one.release(lease)
      }
      const last = yield* granted(store)
      tokens.push(last.token)
      yield* held("a session that another holds", other)
      yield* time.advance(duration)
      tokens.push((yield* granted(other, others)).token)
      const risen = tokens.every((token, index) => index === 0 || token > (tokens[index - 1] ?? 0))
      yield* expect.holds("tokens rise", risen, tokens)
      yield* expect.holds("tokens are whole", tokens.every(Number.isSafeInteger), tokens)
    })
  ),
  rule(
    "LEASE-4",
    "who saw a lease is granted the session when its duration is over, and not before",
    "believes a dead holder for ever, or a living one too short",
    Effect.fnUntraced(function* ({ other, store, time }) {
      yield* granted(store)
      const until = yield* held("a session that another holds", other)
      const now = yield* DateTime.now
      const left = DateTime.toEpochMillis(until) - DateTime.toEpochMillis(now)
      yield* expect.holds(
        "the wait is the duration, give or take",
        Math.abs(left - Duration.toMillis(duration)) <= Duration.toMillis(time.precision),
        `${left} ms`
      )
      yield* time.advance(Duration.subtract(duration, Duration.times(time.precision, 2)))
      yield* held("a session whose lease is nearly over", other)
      yield* time.advance(Duration.times(time.precision, 3))
      yield* granted(other, others)
    })
  ),
  rule(
    "LEASE-5",
    "a lease that is renewed is counted from the renewal, under the same token",
    "renews in word alone, or numbers a renewal as a grant",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const lease = yield* granted(store)
      yield* held("a session that another holds", other)
      yield* time.advance(Duration.times(duration, 0.7))
      const renewed = yield* store.renew(lease, duration)
      yield* expect.equal("the token", renewed.token, lease.token)
      yield* expect.holds(
        "the new end is later",
        DateTime.isGreaterThan(renewed.expiresAt, lease.expiresAt),
        renewed.expiresAt
      )
      yield* time.advance(Duration.times(duration, 0.7))
      yield* held("a session whose first lease would be over", other)
      yield* time.advance(duration)
      yield* granted(other, others)
    })
  ),
  rule(
    "LEASE-6",
    "a session that is released is granted at once, to anybody",
    "keeps what is released until its lease is over",
    Effect.fnUntraced(function* ({ other, store }) {
      yield* store.release(yield* granted(store))
      yield* other.release(yield* granted(other, others))
      yield* granted(store)
    })
  ),
  rule(
    "LEASE-7",
    "who lost a session to another renews, reads, writes and releases nothing",
    "believes who held it once",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const late = yield* granted(store)
      yield* write(store, late, [1])
      yield* held("a session that another holds", other)
      yield* time.advance(Duration.times(duration, 1.1))
      const lease = yield* granted(other, others)
      yield* stateIs("the state, for the next holder", other, lease, [1])
      yield* write(other, lease, [2])
      yield* isWorthless(store, late)
      yield* held("a session that its holder keeps", store, request)
      yield* stateIs("the state, after the late holder tried", other, lease, [2])
      yield* other.renew(lease, duration)
    })
  ),
  rule(
    "LEASE-8",
    "who released a session renews, reads and writes nothing, held by another or not",
    "believes who released it",
    Effect.fnUntraced(function* ({ other, store }) {
      const done = yield* granted(store)
      yield* write(store, done, [1])
      yield* store.release(done)
      yield* isWorthless(store, done)
      const lease = yield* granted(other, others)
      yield* stateIs("the state", other, lease, [1])
      yield* isWorthless(store, done)
      yield* other.renew(lease, duration)
      yield* stateIs("the state", other, lease, [1])
    })
  ),
  rule(
    "LEASE-9",
    "the state is what holders wrote, byte by byte, for the next ones too",
    "forgets the state with the lease, or keeps the caller's own bytes",
    Effect.fnUntraced(function* ({ other, store }) {
      const first = yield* granted(store)
      yield* stateIs("the state that nobody wrote", store, first, undefined)
      const bytes = Uint8Array.from([0, 1, 255])
      yield* store.writeState(first, Option.some(bytes))
      bytes.fill(7)
      yield* stateIs("the state, for who wrote it", store, first, [0, 1, 255])
      yield* store.release(first)
      const second = yield* granted(other, others)
      yield* stateIs("the state, for the next holder", other, second, [0, 1, 255])
      yield* write(other, second, [])
      yield* stateIs("a state without bytes", other, second, [])
      yield* other.release(second)
      const third = yield* granted(store)
      yield* stateIs("a state without bytes, for the next holder", store, third, [])
      yield* store.writeState(third, Option.none())
      yield* stateIs("the state that was removed", store, third, undefined)
      yield* store.release(third)
      const fourth = yield* granted(other, others)
      yield* stateIs("the state that was removed, for the next holder", other, fourth, undefined)
    })
  ),
  rule(
    "LEASE-10",
    "sessions are apart, by queue and by id, whatever stands in them",
    "mixes up sessions",
    Effect.fnUntraced(function* ({ other, store }) {
      const names = ["a", "A", "a ", "a/b", "a/b/", "a#b", "%", "'; --", "~".repeat(128)]
      const all = ["orders", "orders-a", "Orders"].flatMap((queue) =>
        names.map((id): SessionStore.Request => ({
          queue: QueueName.makeUnsafe(queue),
          sessionId: SessionId.makeUnsafe(id),
          holder: "one",
          duration
        }))
      )
      const leases = yield* Effect.forEach(all, (one) => granted(store, one))
      for (const [index, lease] of leases.entries()) yield* write(store, lease, [index])
      for (const [index, lease] of leases.entries()) {
        yield* stateIs(`the state of ${lease.sessionId}`, other, lease, [index])
      }
    })
  ),
  rule(
    "LEASE-11",
    "a state of stateSizeMax bytes is kept, and a larger one refused with ValidationFailed",
    "cuts a state, or fails with an error of its own",
    Effect.fnUntraced(function* ({ store }) {
      const lease = yield* granted(store)
      const largest = new Uint8Array(store.stateSizeMax).fill(3)
      yield* store.writeState(lease, Option.some(largest))
      const larger = Option.some(new Uint8Array(store.stateSizeMax + 1).fill(4))
      const ending = yield* tagOf(store.writeState(lease, larger))
      yield* expect.equal("writing a byte too many", ending, "ValidationFailed")
      const state = Option.getOrUndefined(yield* store.readState(lease))
      const isWhole = state?.length === largest.length && state.every((byte) => byte === 3)
      yield* expect.holds("the largest state is whole", isWhole, `${state?.length} bytes`)
    })
  ),
  rule(
    "LEASE-12",
    "a lease that ran out is its holder's while nobody else was granted it",
    "forgets the holder with the time",
    Effect.fnUntraced(function* ({ other, store, time }) {
      const lease = yield* granted(store)
      yield* time.advance(Duration.times(duration, 1.2))
      yield* write(store, lease, [1])
      const renewed = yield* store.renew(lease, duration)
      yield* held("a session whose lease was renewed late", other)
      yield* stateIs("the state", store, renewed, [1])
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
  readonly transform: (store: SessionStore.Service) => SessionStore.Service
}

const keyOf = ({ queue, sessionId }: Pick<SessionStore.Request, "queue" | "sessionId">): string =>
  `${queue}/${sessionId}`

/** A store with the leases that it last granted: what a store that keeps too little would go by. */
const remembering = (
  transform: (
    store: SessionStore.Service,
    last: Map<string, SessionStore.Lease>
  ) => Partial<SessionStore.Service>
): Sabotage["transform"] => {
  // Of all connections to one store, as the store itself.
  const known = new Map<string, SessionStore.Lease>()
  return (store) => {
    const acquire: SessionStore.Service["acquire"] = (asked) =>
      Effect.tap(store.acquire(asked), (answer) =>
        Effect.sync(() => {
          if (answer._tag === "Granted") known.set(keyOf(asked), answer.lease)
        })
      )
    const base = { ...store, acquire }
    return { ...base, ...transform(base, known) }
  }
}

const acquiring =
  (change: (answer: SessionStore.Acquired, asked: SessionStore.Request) => SessionStore.Acquired) =>
  (store: SessionStore.Service): SessionStore.Service => ({
    ...store,
    acquire: (asked) => Effect.map(store.acquire(asked), (answer) => change(answer, asked))
  })

/** The same state, whatever the lease. */
const current = (known: Map<string, SessionStore.Lease>, lease: SessionStore.Lease) =>
  known.get(keyOf(lease)) ?? lease

/**
 * The faults that the rules are proved with.
 *
 * @category sabotages
 * @since 0.1.0
 */
export const sabotages: ReadonlyArray<Sabotage> = [
  {
    id: "lease-granted-twice",
    title: "a session that another holds is granted again",
    caughtBy: ["LEASE-1", "LEASE-2", "LEASE-4", "LEASE-5"],
    transform: acquiring((answer, { holder, queue, sessionId }) =>
      answer._tag === "Granted"
        ? answer
        : {
            _tag: "Granted",
            lease: { queue, sessionId, holder, token: 1, expiresAt: answer.until }
          }
    )
  },
  {
    id: "lease-tokens-repeat",
    title: "each connection numbers its grants by itself",
    caughtBy: ["LEASE-3"],
    transform: (store) => {
      let count = 0
      const real = new Map<string, SessionStore.Lease>()
      const of = (lease: SessionStore.Lease) => real.get(`${keyOf(lease)} ${lease.token}`) ?? lease
      return {
        ...store,
        acquire: (asked) =>
          Effect.map(store.acquire(asked), (answer) => {
            if (answer._tag === "Held") return answer
            const token = ++count
            real.set(`${keyOf(asked)} ${token}`, answer.lease)
            return { _tag: "Granted", lease: { ...answer.lease, token } }
          }),
        renew: (lease, wanted) =>
          Effect.map(store.renew(of(lease), wanted), (renewed) => ({
            ...renewed,
            token: lease.token
          })),
        release: (lease) => store.release(of(lease)),
        readState: (lease) => store.readState(of(lease)),
        writeState: (lease, state) => store.writeState(of(lease), state)
      }
    }
  },
  {
    id: "lease-token-ignored-in-writes",
    title: "whoever held the session once writes its state",
    caughtBy: ["LEASE-7", "LEASE-8"],
    transform: remembering((store, known) => ({
      writeState: (lease, state) => store.writeState(current(known, lease), state)
    }))
  },
  {
    id: "lease-token-ignored-in-reads",
    title: "whoever held the session once reads its state",
    caughtBy: ["LEASE-7", "LEASE-8"],
    transform: remembering((store, known) => ({
      readState: (lease) => store.readState(current(known, lease))
    }))
  },
  {
    id: "lease-token-ignored-in-renewals",
    title: "a late renewal takes the session back",
    caughtBy: ["LEASE-7"],
    transform: remembering((store, known) => ({
      renew: (lease, wanted) => store.renew(current(known, lease), wanted)
    }))
  },
  {
    id: "lease-token-ignored-in-releases",
    title: "a late release frees what another holds",
    caughtBy: ["LEASE-7"],
    transform: remembering((store, known) => ({
      release: (lease) => store.release(current(known, lease))
    }))
  },
  {
    id: "lease-renewal-is-a-grant",
    title: "a renewal has a token of its own",
    caughtBy: ["LEASE-5"],
    transform: (store) => ({
      ...store,
      renew: (lease, wanted) =>
        Effect.map(store.renew(lease, wanted), (renewed) => ({
          ...renewed,
          token: renewed.token + 1
        }))
    })
  },
  {
    id: "lease-renewal-in-word",
    title: "a renewal is confirmed and changes nothing",
    caughtBy: ["LEASE-5"],
    transform: (store) => ({
      ...store,
      renew: (lease, wanted) =>
        Effect.andThen(
          store.readState(lease),
          Effect.map(DateTime.now, (now) => ({
            ...lease,
            expiresAt: DateTime.addDuration(now, wanted)
          }))
        )
    })
  },
  {
    id: "lease-for-ever",
    title: "a dead holder keeps its session",
    caughtBy: ["LEASE-3", "LEASE-4", "LEASE-5", "LEASE-7"],
    transform: (store) => ({
      ...store,
      acquire: (asked) => store.acquire({ ...asked, duration: Duration.days(1) })
    })
  },
  {
    id: "lease-too-short",
    title: "a session is given away before its lease is over",
    caughtBy: ["LEASE-4", "LEASE-5"],
    transform: (store) => ({
      ...store,
      acquire: (asked) => store.acquire({ ...asked, duration: Duration.seconds(1) }),
      renew: (lease) => store.renew(lease, Duration.seconds(1))
    })
  },
  {
    id: "lease-release-does-nothing",
    title: "a released session stays held until its lease is over",
    caughtBy: ["LEASE-3", "LEASE-6", "LEASE-8", "LEASE-9"],
    transform: (store) => ({ ...store, release: () => Effect.void })
  },
  {
    id: "lease-release-forgets-state",
    title: "the state goes with the lease",
    caughtBy: ["LEASE-8", "LEASE-9"],
    transform: (store) => ({
      ...store,
      release: (lease) =>
        Effect.andThen(Effect.ignore(store.writeState(lease, Option.none())), store.release(lease))
    })
  },
  {
    id: "lease-state-without-bytes-is-none",
    title: "a state without bytes is taken for none",
    caughtBy: ["LEASE-9"],
    transform: (store) => ({
      ...store,
      readState: (lease) =>
        Effect.map(
          store.readState(lease),
          Option.filter(({ length }) => length > 0)
        )
    })
  },
  {
    id: "lease-sessions-without-case",
    title: "sessions that differ in case are one",
    caughtBy: ["LEASE-10"],
    transform: (store) => ({
      ...store,
      acquire: (asked) =>
        store.acquire({
          ...asked,
          sessionId: SessionId.makeUnsafe(asked.sessionId.toLowerCase())
        })
    })
  },
  {
    id: "lease-state-is-cut",
    title: "a state that is too large is cut",
    caughtBy: ["LEASE-11"],
    transform: (store) => ({
      ...store,
      writeState: (lease, state) =>
        store.writeState(
          lease,
          Option.map(state, (bytes) => bytes.slice(0, store.stateSizeMax))
        )
    })
  },
  {
    id: "lease-ends-with-its-time",
    title: "a holder is refused when its time is over, though nobody took the session",
    caughtBy: ["LEASE-12"],
    transform: (store) => {
      const inTime = <A>(
        { expiresAt, sessionId }: SessionStore.Lease,
        call: Effect.Effect<A, QueueError.QueueError>
      ) =>
        Effect.flatMap(DateTime.now, (now) =>
          DateTime.isLessThan(now, expiresAt)
            ? call
            : Effect.fail(QueueError.make(new QueueError.SessionLockLost({ sessionId })))
        )
      return {
        ...store,
        renew: (lease, wanted) => inTime(lease, store.renew(lease, wanted)),
        writeState: (lease, state) => inTime(lease, store.writeState(lease, state))
      }
    }
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
