import { assert, describe, it } from "@effect/vitest"
import {
  Outcome,
  QueueAddress,
  QueueError,
  QueueProvider,
  type QueueSession,
  SessionId,
  SessionStore,
  Verdict
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import {
  Clock,
  ConfigProvider,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  References,
  Result,
  Scope
} from "effect"
import { TestClock } from "effect/testing"
import { SessionLeases, SessionStoreMemory } from "../src/index.ts"
import {
  accept,
  broker,
  granted,
  leased,
  queue,
  send,
  take,
  withoutState
} from "./support/world.ts"

const tagOf = <A, R>(call: Effect.Effect<A, QueueError.QueueError, R>) =>
  Effect.match(call, { onSuccess: () => "success", onFailure: ({ reason }) => reason._tag })

/**
 * Two processes with one store, and a broker each: as brokers do that do not lock idle sessions, each
 * grants any session, and only leases stand between the two.
 */
const processes = Effect.gen(function* () {
  const store = yield* SessionStoreMemory.make()
  const here = withoutState(yield* broker)
  const there = withoutState(yield* broker)
  const one = yield* leased(here, store, { holder: "one" })
  const other = yield* leased(there, store, { holder: "other" })
  return { store, here, there, one, other }
})

const ids = (
  messages: ReadonlyArray<{ readonly messageId: string; readonly deliveryCount: number }>
) => messages.map(({ deliveryCount, messageId }) => `${messageId}:${deliveryCount}`)

describe("SessionLeases: who holds a session", () => {
  it.effect("R4.3 an idle session that another process holds is SessionLocked, and goes back", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      yield* send(there, "A", ["a2", "a3"])
      const held = yield* granted(one.provider, "A")
      yield* held.settle(
        yield* take(held).pipe(Effect.map((all) => all.map((m) => m.receipt))),
        Verdict.complete
      )
      const error = yield* Effect.flip(accept(other.provider, "A"))
      assert.deepInclude(error, { retry: "Transient", provider: "memory", queue })
      assert.isTrue(error.reason._tag === "SessionLocked")
      assert.deepInclude(error.reason, {
        sessionId: "A",
        lockedUntil: DateTime.makeUnsafe(30_000)
      })
      // It was not counted as a delivery, and is in order.
      const direct = yield* granted(there, "A")
      assert.deepStrictEqual(ids(yield* take(direct)), ["a2:1", "a3:1"])
    })
  )

  it.effect(
    "R4.2 a session that its provider is giving back just now is waited for, if it may be",
    () =>
      Effect.gen(function* () {
        const self = withoutState(yield* broker)
        yield* send(self, "A", ["a1"])
        let backAt = 300
        const giving = (acceptSpecific: "native" | "emulated", lockedUntil?: DateTime.Utc) => {
          const reason = new QueueError.SessionLocked({
            sessionId: "A",
            ...(lockedUntil === undefined ? {} : { lockedUntil })
          })
          const provider: QueueProvider.Service = {
            ...self,
            capabilities: (name) => ({ ...self.capabilities(name), acceptSpecific }),
            acceptSession: (name, options) =>
              Effect.flatMap(Clock.currentTimeMillis, (now) =>
                now < backAt
                  ? Effect.fail(QueueError.make(reason))
                  : self.acceptSession(name, options)
              )
          }
          return provider
        }
        const store = yield* SessionStoreMemory.make()
        const { provider } = yield* leased(giving("emulated"), store)
        assert.strictEqual(yield* tagOf(accept(provider, "A")), "SessionLocked")
        const waiting = yield* Effect.forkChild(granted(provider, "A", "5 seconds"))
        yield* TestClock.adjust("300 millis")
        assert.strictEqual((yield* Fiber.join(waiting)).sessionId, "A")
        // Not longer than that takes, not of one that somebody holds, not where it says who holds it.
        backAt = 60_000
        const long = yield* Effect.forkChild(tagOf(accept(provider, "A", "5 seconds")))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* Fiber.join(long), "SessionLocked")
        const held = yield* leased(giving("emulated", DateTime.makeUnsafe(1)), store)
        assert.strictEqual(yield* tagOf(accept(held.provider, "A", "5 seconds")), "SessionLocked")
        const native = yield* leased(giving("native"), store)
        assert.strictEqual(yield* tagOf(accept(native.provider, "A", "5 seconds")), "SessionLocked")
      })
  )

  it.effect("R4.2 of any, one that another process holds is passed over for the next", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      yield* granted(one.provider, "A")
      yield* send(there, "A", ["a2"])
      yield* send(there, "B", ["b1"])
      const session = yield* granted(other.provider)
      assert.strictEqual(session.sessionId, "B")
      assert.deepStrictEqual(yield* accept(other.provider), Option.none())
    })
  )

  it.effect("R4.2 a wait for any session ends when another process releases one", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      const scope = yield* Scope.make()
      yield* Scope.provide(granted(one.provider, "A"), scope)
      yield* send(there, "A", ["a2"])
      const waiting = yield* Effect.forkChild(granted(other.provider, undefined, "20 seconds"))
      yield* TestClock.adjust("8 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* Scope.close(scope, Exit.void)
      yield* TestClock.adjust("5 seconds")
      const session = yield* Fiber.join(waiting)
      assert.deepStrictEqual(ids(yield* take(session)), ["a2:1"])
    })
  )

  it.effect("R4.2 when all that comes is held elsewhere, None comes when the wait is over", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      const held = yield* granted(one.provider, "A")
      yield* send(there, "A", ["a2"])
      const waiting = yield* Effect.forkChild(accept(other.provider, undefined, "15 seconds"))
      yield* TestClock.adjust("14 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* held.renewLock
      yield* TestClock.adjust("1 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), Option.none())
    })
  )

  it.effect("R4.3 one that this process has put aside is asked for by its id all the same", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      const holding = yield* Scope.make()
      yield* Scope.provide(granted(one.provider, "A"), holding)
      yield* send(there, "A", ["a2"])
      assert.deepStrictEqual(yield* accept(other.provider), Option.none())
      // Until its lease may be over, not until the broker's lock here would be.
      const { reason } = yield* Effect.flip(accept(other.provider, "A"))
      assert.deepInclude(reason, { lockedUntil: DateTime.makeUnsafe(30_000) })
      assert.deepStrictEqual(yield* accept(other.provider), Option.none())
      yield* Scope.close(holding, Exit.void)
      const session = yield* granted(other.provider, "A")
      assert.deepStrictEqual(ids(yield* take(session)), ["a2:1"])
    })
  )

  it.effect("R4.4 a session that is refused again and again costs ever fewer receives", () =>
    Effect.gen(function* () {
      const { here, one, store, there } = yield* processes
      let receives = 0
      const counting: QueueProvider.Service = {
        ...there,
        acceptSession: (name, options) =>
          Effect.tap(there.acceptSession(name, options), (accepted) =>
            Effect.sync(() => {
              if (Option.isSome(accepted)) receives++
            })
          )
      }
      const other = yield* leased(counting, store)
      yield* send(here, "A", ["a1"])
      const holding = yield* Scope.make()
      const held = yield* Scope.provide(granted(one.provider, "A"), holding)
      yield* send(there, "A", ["a2"])
      yield* Effect.forkChild(accept(other.provider, undefined, "25 seconds"))
      yield* TestClock.adjust("10 seconds")
      yield* held.renewLock
      yield* TestClock.adjust("15 seconds")
      // After 50 ms, 100 ms, … 3.2 s, and then every 5 s.
      assert.isAtMost(receives, 12)
      assert.isAtLeast(receives, 8)
      const inOneSecond = Effect.gen(function* () {
        receives = 0
        yield* Effect.forkChild(accept(other.provider, undefined, "1 second"))
        yield* TestClock.adjust("1 second")
        return receives
      })
      // Later it is anew, and when it was granted meanwhile.
      yield* held.renewLock
      yield* TestClock.adjust("11 seconds")
      yield* held.renewLock
      assert.isAtLeast(yield* inOneSecond, 4)
      assert.isAtMost(yield* inOneSecond, 2)
      yield* Scope.close(holding, Exit.void)
      // What was put aside last is back by then.
      yield* TestClock.adjust("5 seconds")
      yield* Effect.scoped(granted(other.provider))
      yield* granted(one.provider, "A")
      assert.isAtLeast(yield* inOneSecond, 4)
    })
  )

  it.effect("R10.7 no more than so many sessions are kept aside, and the wait goes on", () =>
    Effect.gen(function* () {
      const { store, there } = yield* processes
      let asked = 0
      const counting: QueueProvider.Service = {
        ...there,
        acceptSession: (name, options) =>
          Effect.suspend(() => {
            asked++
            return there.acceptSession(name, options)
          })
      }
      const other = yield* leased(counting, store)
      const many = Array.from({ length: 120 }, (_, index) => `s-${index}`)
      for (const id of many) {
        yield* send(there, id, [`m-${id}`])
        yield* store.acquire({
          queue,
          sessionId: SessionId.makeUnsafe(id),
          holder: "somebody",
          duration: Duration.minutes(5)
        })
      }
      assert.deepStrictEqual(yield* accept(other.provider), Option.none())
      yield* TestClock.adjust("1 second")
      asked = 0
      const waiting = yield* Effect.forkChild(accept(other.provider, undefined, "12 seconds"))
      yield* Effect.repeat(Effect.yieldNow, { times: 10_000 })
      // It waits then, and does not ask for the same ones again and again.
      assert.strictEqual(asked, 101)
      yield* TestClock.adjust("11 seconds")
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(waiting), Option.none())
    })
  )

  it.effect("R4.2 nothing to accept is None, and a queue without sessions is as it was", () =>
    Effect.gen(function* () {
      const { one } = yield* processes
      assert.deepStrictEqual(yield* accept(one.provider), Option.none())
      const store = yield* SessionStoreMemory.make()
      const live = yield* Layer.build(MemoryProvider.layer({ queues: { [queue]: {} } }))
      const plain = yield* Effect.provide(QueueProvider.QueueProvider, live)
      const { provider } = yield* leased(plain, store)
      assert.strictEqual(yield* tagOf(accept(provider)), "UnsupportedOperation")
      assert.strictEqual(provider.capabilities(queue), plain.capabilities(queue))
      const address = QueueAddress.queue(queue)
      assert.deepStrictEqual(yield* provider.depth?.(address) ?? Effect.undefined, {
        available: 0,
        locked: 0,
        delayed: 0
      })
    })
  )

  it.effect("R3.11 it declares what it adds: state, idle sessions, and the shorter lock", () =>
    Effect.gen(function* () {
      const { here, one, store } = yield* processes
      const declared = one.provider.capabilities(queue)
      assert.deepStrictEqual(declared, {
        ...here.capabilities(queue),
        sessionState: "emulated",
        locksIdleSession: true,
        lockDuration: Duration.seconds(30)
      })
      assert.strictEqual(one.provider.capabilities(queue).sessionState, declared.sessionState)
      const native = yield* leased(yield* broker, store, { lease: "1 hour" })
      const { lockDuration, sessionState } = native.provider.capabilities(queue)
      assert.strictEqual(sessionState, "native")
      assert.strictEqual(Duration.toSeconds(lockDuration), 40)
      assert.deepStrictEqual(one.provider.stack, ["session-leases", "memory"])
    })
  )
})

describe("SessionLeases: keeping and losing it", () => {
  it.effect("R4.2 a renewal keeps the lease, and the broker's lock when that ends sooner", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      yield* send(there, "A", ["a2"])
      const session = yield* granted(one.provider, "A")
      const [first] = yield* take(session)
      for (const _ of [1, 2, 3, 4, 5, 6]) {
        yield* TestClock.adjust("20 seconds")
        const until = yield* session.renewLock
        const now = yield* DateTime.now
        assert.strictEqual(DateTime.toEpochMillis(until) - DateTime.toEpochMillis(now), 30_000)
        assert.deepStrictEqual(yield* session.lockedUntil, until)
      }
      assert.strictEqual(yield* tagOf(accept(other.provider, "A")), "SessionLocked")
      assert.isDefined(first)
      yield* Outcome.all(yield* session.settle([first.receipt], Verdict.complete))
    })
  )

  it.effect(
    "R4.3 a lease that runs out ends the session: nothing is received, settled or written",
    () =>
      Effect.gen(function* () {
        const { here, one, other, there } = yield* processes
        yield* send(here, "A", ["a1", "a2"])
        yield* send(there, "A", ["b1"])
        const session = yield* granted(one.provider, "A")
        const messages = yield* take(session, 1)
        yield* session.setState(Option.some(Uint8Array.of(1)))
        const why = yield* Effect.forkChild(session.lost ?? Effect.never)
        const waiting = yield* Effect.forkChild(
          Effect.flip(
            session.receive({ max: 1, wait: Duration.minutes(1) }).pipe(Effect.delay("29 seconds"))
          )
        )
        const receipts = messages.map(({ receipt }) => receipt)
        yield* session.settle(receipts, Verdict.abandon(Duration.hours(1)))
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual((yield* Fiber.join(why)).reason._tag, "SessionLockLost")
        assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "SessionLockLost")
        const calls = {
          receive: take(session),
          settle: session.settle(receipts, Verdict.complete),
          renewLock: session.renewLock,
          state: session.state,
          setState: session.setState(Option.some(Uint8Array.of(6)))
        }
        for (const [operation, call] of Object.entries(calls)) {
          const error = yield* Effect.flip(Effect.asVoid(call))
          assert.deepInclude(error, { operation, provider: "memory", queue, retry: "Never" })
          assert.strictEqual(error.reason._tag, "SessionLockLost", operation)
        }
        const next = yield* granted(other.provider, "A")
        assert.deepStrictEqual(yield* next.state, Option.some(Uint8Array.of(1)))
      })
  )

  it.effect(
    "R4.3 what a lost session had in hand goes back at once, and its receipts are dead",
    () =>
      Effect.gen(function* () {
        const { here, one, store } = yield* processes
        yield* send(here, "A", ["a1", "a2"])
        const session = yield* granted(one.provider, "A")
        const receipts = (yield* take(session)).map(({ receipt }) => receipt)
        // The broker's own lock lasts ten seconds more.
        yield* TestClock.adjust("30 seconds")
        const outcomes = yield* one.provider.settle(receipts, Verdict.complete)
        const why = outcomes.map((outcome) =>
          outcome._tag === "Failure" ? outcome.failure.reason._tag : "done"
        )
        assert.deepStrictEqual(why, ["ReceiptExpired", "ReceiptExpired"])
        const again = yield* granted((yield* leased(here, store)).provider, "A")
        assert.deepStrictEqual(ids(yield* take(again)), ["a1:1", "a2:1"])
      })
  )

  it.effect("R4.3 a process that stood still settles nothing before it knows that it did", () =>
    Effect.gen(function* () {
      const { here, one } = yield* processes
      yield* send(here, "A", ["a1"])
      const session = yield* granted(one.provider, "A")
      const receipts = (yield* take(session)).map(({ receipt }) => receipt)
      // What it does first when it goes on, before any timer of its own.
      const stoodStill = Clock.clockWith((clock) =>
        Effect.provideService(session.settle(receipts, Verdict.complete), Clock.Clock, {
          sleep: (duration) => clock.sleep(duration),
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe(),
          currentTimeMillis: clock.currentTimeMillis,
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
          currentTimeNanos: clock.currentTimeNanos,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe() + 30_000_000_000n,
          monotonicTimeNanos: clock.monotonicTimeNanos
        })
      )
      assert.strictEqual(yield* tagOf(stoodStill), "SessionLockLost")
      yield* TestClock.adjust("1 second")
      assert.deepStrictEqual(ids(yield* take(yield* granted(here, "A"))), ["a1:1"])
    })
  )

  it.effect("R4.3 a machine that was suspended counts that time, though its timers do not", () =>
    Effect.gen(function* () {
      const { here, one } = yield* processes
      yield* send(here, "A", ["a1"])
      const session = yield* granted(one.provider, "A")
      const receipts = (yield* take(session)).map(({ receipt }) => receipt)
      // While it was suspended the clock on the wall went on alone.
      const suspended = Clock.clockWith((clock) =>
        Effect.provideService(session.settle(receipts, Verdict.complete), Clock.Clock, {
          sleep: (duration) => clock.sleep(duration),
          currentTimeMillisUnsafe: () => clock.currentTimeMillisUnsafe() + 30_000,
          currentTimeMillis: clock.currentTimeMillis,
          currentTimeNanosUnsafe: () => clock.currentTimeNanosUnsafe(),
          currentTimeNanos: clock.currentTimeNanos,
          monotonicTimeNanosUnsafe: () => clock.monotonicTimeNanosUnsafe(),
          monotonicTimeNanos: clock.monotonicTimeNanos
        })
      )
      assert.strictEqual(yield* tagOf(suspended), "SessionLockLost")
      assert.deepStrictEqual(ids(yield* take(yield* granted(here, "A"))), ["a1:1"])
    })
  )

  it.effect("R4.3 a renewal that ends after the lease is no renewal", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const slow: SessionStore.Service = {
        ...store,
        renew: (lease, duration) =>
          Effect.tap(store.renew(lease, duration), () => Effect.sleep(duration))
      }
      const self = withoutState(yield* broker)
      yield* send(self, "A", ["a1"])
      const { provider } = yield* leased(self, slow)
      const session = yield* granted(provider, "A")
      const renewing = yield* Effect.forkChild(tagOf(session.renewLock))
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* Fiber.join(renewing), "SessionLockLost")
    })
  )

  it.effect("R4.3 a holder finds out by its renewal that another was granted the session", () =>
    Effect.gen(function* () {
      const { here, one, store } = yield* processes
      yield* send(here, "A", ["a1"])
      const leases: Array<SessionStore.Lease> = []
      const watched: SessionStore.Service = {
        ...store,
        acquire: (request) =>
          Effect.tap(store.acquire(request), (answer) =>
            Effect.sync(() => answer._tag === "Granted" && leases.push(answer.lease))
          )
      }
      const { provider } = yield* leased(here, watched)
      const session = yield* granted(provider, "A")
      const [lease] = leases
      assert.isDefined(lease)
      // As if this process had slept: its lease ran out for others, and not for it.
      yield* store.release(lease)
      const sessionId = SessionId.makeUnsafe("A")
      yield* store.acquire({ queue, sessionId, holder: "b", duration: Duration.minutes(1) })
      assert.strictEqual(yield* tagOf(session.renewLock), "SessionLockLost")
      assert.strictEqual((yield* session.lost ?? Effect.die("none")).reason._tag, "SessionLockLost")
      assert.strictEqual(yield* tagOf(take(session)), "SessionLockLost")
      // The broker has its session back, the store its new holder.
      assert.strictEqual(yield* tagOf(accept(one.provider, "A")), "SessionLocked")
    })
  )

  it.effect("R4.3 a session that the broker takes back gives its lease up", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      const told = yield* Deferred.make<QueueError.QueueError>()
      const telling: QueueProvider.Service = {
        ...self,
        acceptSession: (name, options) =>
          Effect.map(
            self.acceptSession(name, options),
            Option.map((session) => ({ ...session, lost: Deferred.await(told) }))
          )
      }
      const { provider } = yield* leased(telling, store)
      yield* send(self, "A", ["a1"])
      const session = yield* granted(provider, "A")
      const reason = new QueueError.SessionLockLost({ sessionId: "A" })
      yield* Deferred.succeed(told, QueueError.make(reason))
      assert.strictEqual((yield* session.lost ?? Effect.die("none")).reason, reason)
      yield* Effect.yieldNow
      assert.strictEqual(yield* tagOf(session.renewLock), "SessionLockLost")
      yield* granted((yield* leased(self, store)).provider, "A")
    })
  )

  it.effect("R4.3 when the broker's lock is over, its answer ends the lease as well", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      const { provider } = yield* leased(self, store, { lease: "2 minutes" })
      yield* send(self, "A", ["a1"])
      const session = yield* granted(provider, "A")
      yield* TestClock.adjust("41 seconds")
      assert.strictEqual(yield* tagOf(take(session)), "SessionLockLost")
      yield* Effect.yieldNow
      yield* granted(provider, "A")
    })
  )

  it.effect("R5.4 a store that fails for a while costs a renewal, not the session", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      let isDown = false
      const down = QueueError.make(new QueueError.Throttled())
      const shaky: SessionStore.Service = {
        ...store,
        acquire: (request) => (isDown ? Effect.fail(down) : store.acquire(request)),
        renew: (lease, duration) => (isDown ? Effect.fail(down) : store.renew(lease, duration))
      }
      const self = withoutState(yield* broker)
      const { provider } = yield* leased(self, shaky)
      yield* send(self, "A", ["a1"])
      yield* send(self, "B", ["b1"])
      const session = yield* granted(provider, "A")
      isDown = true
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual(yield* tagOf(session.renewLock), "Throttled")
      assert.strictEqual(yield* tagOf(accept(provider, "B")), "Throttled")
      isDown = false
      yield* session.renewLock
      yield* TestClock.adjust("20 seconds")
      assert.deepStrictEqual(ids(yield* take(session)), ["a1:1"])
      // It had been given back, uncounted.
      assert.deepStrictEqual(ids(yield* take(yield* granted(provider, "B"))), ["b1:1"])
    })
  )

  it.effect(
    "R3.3 an accept that is interrupted while the store is asked leaves no lease behind",
    () =>
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make()
        const slow: SessionStore.Service = {
          ...store,
          acquire: (request) => Effect.tap(store.acquire(request), () => Effect.sleep("2 seconds"))
        }
        const self = withoutState(yield* broker)
        yield* send(self, "A", ["a1"])
        const { provider } = yield* leased(self, slow)
        const accepting = yield* Effect.forkChild(accept(provider, "A"))
        yield* TestClock.adjust("1 second")
        yield* Fiber.interrupt(accepting)
        // The broker has it back at once, the store when it has answered.
        const { provider: again } = yield* leased(self, store)
        assert.strictEqual(yield* tagOf(accept(again, "A")), "SessionLocked")
        yield* TestClock.adjust("1 second")
        assert.deepStrictEqual(ids(yield* take(yield* granted(again, "A"))), ["a1:1"])
      })
  )

  it.effect("R3.3 wherever an interruption hits an accept, nothing of it stays held", () =>
    Effect.gen(function* () {
      const cases = [3, 4].flatMap((opsMax) => [
        { opsMax, session: "A" },
        { opsMax, session: undefined }
      ])
      for (const { opsMax, session } of cases) {
        for (let steps = 0, isOver = false; !isOver; steps++) {
          const store = yield* SessionStoreMemory.make()
          const memory = withoutState(yield* broker)
          // What is looked at is what stands between the broker and the caller.
          const self: QueueProvider.Service = {
            ...memory,
            acceptSession: (name, options) =>
              Effect.uninterruptible(memory.acceptSession(name, options))
          }
          yield* send(self, "A", ["a1"])
          const { provider } = yield* leased(self, store)
          const caller = yield* Scope.make()
          // One that others may interrupt between any few of its steps.
          const accepting = yield* Effect.forkChild(
            Scope.provide(accept(provider, session), caller).pipe(
              Effect.provideService(References.MaxOpsBeforeYield, opsMax)
            )
          )
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          isOver = accepting.pollUnsafe() !== undefined
          yield* Fiber.interrupt(accepting)
          yield* Scope.close(caller, Exit.void)
          // The store is told by a fiber of its own.
          yield* Effect.repeat(Effect.yieldNow, { times: 50 })
          const { provider: again } = yield* leased(self, store)
          const got = yield* Effect.result(Effect.scoped(accept(again, "A")))
          assert.strictEqual(got._tag, "Success", `interrupted after ${steps} steps`)
        }
      }
    })
  )

  it.effect("R4.2 a released session is free at once; a store that hangs holds nobody up", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      const hanging: SessionStore.Service = { ...store, release: () => Effect.never }
      yield* send(self, "A", ["a1"])
      const { provider } = yield* leased(self, hanging)
      const scope = yield* Scope.make()
      yield* Scope.provide(granted(provider, "A"), scope)
      const closing = yield* Effect.forkChild(Scope.close(scope, Exit.void))
      yield* TestClock.adjust("5 seconds")
      yield* Fiber.join(closing)
      // The broker has it back, the lease has to run out.
      const { provider: again } = yield* leased(self, store)
      assert.strictEqual(yield* tagOf(accept(again, "A")), "SessionLocked")
      yield* TestClock.adjust("25 seconds")
      yield* granted(again, "A")
    })
  )

  it.effect(
    "R4.3 a layer that closes while a lost session is given up gives it up all the same",
    () =>
      Effect.gen(function* () {
        const store = yield* SessionStoreMemory.make()
        const self = withoutState(yield* broker)
        yield* send(self, "A", ["a1"])
        const slow: SessionStore.Service = {
          ...store,
          release: (lease) => Effect.andThen(Effect.sleep("1 second"), store.release(lease))
        }
        const layer = yield* Scope.make()
        const { provider } = yield* Scope.provide(leased(self, slow), layer)
        yield* granted(provider, "A")
        yield* TestClock.adjust("30 seconds")
        const closing = yield* Effect.forkChild(Scope.close(layer, Exit.void), {
          startImmediately: true
        })
        yield* TestClock.adjust("1 second")
        yield* Fiber.join(closing)
        const { provider: again } = yield* leased(self, store)
        assert.deepStrictEqual(ids(yield* take(yield* granted(again, "A"))), ["a1:1"])
      })
  )

  it.effect("R10.4 closing the layer gives its sessions up, though their scopes are open", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      yield* send(self, "A", ["a1"])
      const layer = yield* Scope.make()
      const { provider } = yield* Scope.provide(leased(self, store), layer)
      const session = yield* granted(provider, "A")
      yield* Scope.close(layer, Exit.void)
      const { provider: again } = yield* leased(self, store)
      yield* granted(again, "A")
      assert.strictEqual(yield* tagOf(session.renewLock), "SessionLockLost")
    })
  )
})

describe("SessionLeases: state and fencing", () => {
  it.effect("R4.2 state goes from holder to holder through the store, across processes", () =>
    Effect.gen(function* () {
      const { here, one, other, there } = yield* processes
      yield* send(here, "A", ["a1"])
      yield* send(there, "A", ["b1"])
      const scope = yield* Scope.make()
      const first = yield* Scope.provide(granted(one.provider, "A"), scope)
      assert.deepStrictEqual(yield* first.state, Option.none())
      yield* first.setState(Option.some(Uint8Array.of(1, 2)))
      const large = Option.some(new Uint8Array(262_145))
      assert.strictEqual(yield* tagOf(first.setState(large)), "ValidationFailed")
      yield* Scope.close(scope, Exit.void)
      const second = yield* granted(other.provider, "A")
      assert.deepStrictEqual(yield* second.state, Option.some(Uint8Array.of(1, 2)))
      yield* second.setState(Option.none())
      assert.deepStrictEqual(yield* second.state, Option.none())
    })
  )

  it.effect("R4.2 a broker with a state of its own keeps it", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = yield* broker
      const { provider } = yield* leased(self, store)
      yield* send(self, "A", ["a1"])
      const scope = yield* Scope.make()
      const session = yield* Scope.provide(granted(provider, "A"), scope)
      yield* session.setState(Option.some(Uint8Array.of(5)))
      assert.deepStrictEqual(yield* session.state, Option.some(Uint8Array.of(5)))
      yield* Scope.close(scope, Exit.void)
      const direct = yield* granted(self, "A")
      assert.deepStrictEqual(yield* direct.state, Option.some(Uint8Array.of(5)))
    })
  )

  it.effect(
    "R4.4 a delivery has the token of the lease it was handed out under, until it is settled",
    () =>
      Effect.gen(function* () {
        const { here, one, other, there } = yield* processes
        yield* send(here, "A", ["a1", "a2"])
        yield* send(there, "A", ["b1"])
        const scope = yield* Scope.make()
        const session = yield* Scope.provide(granted(one.provider, "A"), scope)
        const [a1, a2] = yield* take(session)
        assert.isDefined(a1)
        assert.isDefined(a2)
        const token = yield* one.leases.fencingToken(a1)
        assert.strictEqual(yield* one.leases.fencingToken(a2), token)
        yield* Outcome.all(yield* session.settle([a1.receipt], Verdict.complete))
        assert.strictEqual(yield* tagOf(one.leases.fencingToken(a1)), "SessionLockLost")
        yield* Scope.close(scope, Exit.void)
        assert.strictEqual(yield* tagOf(one.leases.fencingToken(a2)), "SessionLockLost")
        const next = yield* granted(other.provider, "A")
        const [b1] = yield* take(next)
        assert.isDefined(b1)
        const later = yield* Effect.provideService(
          SessionLeases.fencingToken(b1),
          SessionLeases.SessionLeases,
          other.leases
        )
        assert.isAbove(later, token)
        yield* TestClock.adjust("30 seconds")
        assert.strictEqual(yield* tagOf(other.leases.fencingToken(b1)), "SessionLockLost")
      })
  )

  it.effect("R4.4 a settlement that failed leaves the delivery in hand, and its token", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      const failures = [
        QueueError.make(new QueueError.Throttled()),
        QueueError.make(new QueueError.ReceiptExpired())
      ]
      const failing: QueueProvider.Service = {
        ...self,
        acceptSession: (name, options) =>
          Effect.map(
            self.acceptSession(name, options),
            Option.map((session) => ({
              ...session,
              settle: (receipts, verdict) =>
                Effect.suspend(() => {
                  const failure = failures.shift()
                  return failure === undefined
                    ? session.settle(receipts, verdict)
                    : Effect.succeed(receipts.map(() => Result.fail(failure)))
                })
            }))
          )
      }
      yield* send(self, "A", ["a1"])
      const { leases, provider } = yield* leased(failing, store)
      const session = yield* granted(provider, "A")
      const [a1] = yield* take(session)
      assert.isDefined(a1)
      yield* session.settle([a1.receipt], Verdict.complete)
      assert.strictEqual(yield* tagOf(leases.fencingToken(a1)), "success")
      yield* session.settle([a1.receipt], Verdict.complete)
      assert.strictEqual(yield* tagOf(leases.fencingToken(a1)), "SessionLockLost")
    })
  )

  it.effect("R10.7 what a receive brings after the session was released is not kept", () =>
    Effect.gen(function* () {
      const store = yield* SessionStoreMemory.make()
      const self = withoutState(yield* broker)
      const slowly = (session: QueueSession.QueueSession): QueueSession.QueueSession => ({
        ...session,
        receive: (asked) => Effect.tap(session.receive(asked), () => Effect.sleep("1 second"))
      })
      const slow: QueueProvider.Service = {
        ...self,
        acceptSession: (name, options) =>
          Effect.map(self.acceptSession(name, options), Option.map(slowly))
      }
      yield* send(self, "A", ["a1"])
      const { leases, provider } = yield* leased(slow, store)
      const caller = yield* Scope.make()
      const session = yield* Scope.provide(granted(provider, "A"), caller)
      const receiving = yield* Effect.forkChild(take(session), { startImmediately: true })
      yield* Scope.close(caller, Exit.void)
      yield* TestClock.adjust("1 second")
      const [a1] = yield* Fiber.join(receiving)
      assert.isDefined(a1)
      assert.strictEqual(yield* tagOf(leases.fencingToken(a1)), "SessionLockLost")
    })
  )

  it.effect("R4.4 a message without a session has no token, and says so", () =>
    Effect.gen(function* () {
      const { one } = yield* processes
      const receipt = { address: QueueAddress.queue(queue), token: "t" }
      const error = yield* Effect.flip(one.leases.fencingToken({ receipt }))
      assert.match(error.message, /fencing token of a message without a session is not supported/u)
    })
  )

  it.effect("R10.7 of a session's deliveries the oldest tokens are forgotten", () =>
    Effect.gen(function* () {
      const { here, one } = yield* processes
      const all = Array.from({ length: 1_001 }, (_, index) => `m-${index}`)
      yield* send(here, "A", all.slice(0, 1_000))
      yield* send(here, "A", all.slice(1_000))
      const session = yield* granted(one.provider, "A")
      const messages = [...(yield* take(session, 1_000)), ...(yield* take(session, 1_000))]
      assert.strictEqual(messages.length, 1_001)
      const tokens = yield* Effect.forEach(messages, (message) =>
        tagOf(one.leases.fencingToken(message))
      )
      assert.deepStrictEqual(tokens.slice(0, 2), ["SessionLockLost", "success"])
      assert.strictEqual(tokens.at(-1), "success")
    })
  )
})

describe("SessionLeases: options", () => {
  const read = (
    variables: Readonly<Record<string, string>>,
    overrides: SessionLeases.Options = {}
  ) =>
    Effect.gen(function* () {
      const seen: Array<SessionStore.Request> = []
      const store = yield* SessionStoreMemory.make()
      const watched: SessionStore.Service = {
        ...store,
        acquire: (request) =>
          Effect.andThen(
            Effect.sync(() => seen.push(request)),
            store.acquire(request)
          )
      }
      const self = yield* broker
      yield* send(self, "A", ["a1"])
      const layer = SessionLeases.layerConfig(overrides).pipe(
        Layer.provide([
          Layer.succeed(QueueProvider.QueueProvider, self),
          Layer.succeed(SessionStore.SessionStore, watched)
        ]),
        Layer.provide(ConfigProvider.layer(ConfigProvider.fromUnknown(variables)))
      )
      const provider = yield* Effect.provide(QueueProvider.QueueProvider, yield* Layer.build(layer))
      yield* granted(provider, "A")
      return seen[0]
    })

  it.effect("R10.1 lease and holder come from the environment, and code wins", () =>
    Effect.gen(function* () {
      const variables = { QUEUE_SESSION_LEASE_SECONDS: "12", QUEUE_SESSION_HOLDER: "pod-1" }
      const given = yield* read(variables)
      assert.deepInclude(given, { holder: "pod-1", duration: Duration.seconds(12) })
      const code = yield* read(variables, { lease: "7 seconds" })
      assert.deepInclude(code, { holder: "pod-1", duration: Duration.seconds(7) })
      const none = yield* read({})
      assert.strictEqual(Duration.toSeconds(none?.duration ?? 0), 30)
      assert.match(none?.holder ?? "", /^[\da-f-]{36}$/u)
    })
  )

  it.effect("R10.1 what cannot be is said with its variable, or its option", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(read({ QUEUE_SESSION_LEASE_SECONDS: "0.2" }))
      assert.strictEqual(
        error.message,
        "ConfigurationInvalid: QUEUE_SESSION_LEASE_SECONDS: must be a number from 1 to 86400"
      )
      const store = yield* SessionStoreMemory.make()
      const short = yield* Effect.flip(leased(yield* broker, store, { lease: "999 millis" }))
      assert.strictEqual(short.reason._tag, "ValidationFailed")
    })
  )
})
