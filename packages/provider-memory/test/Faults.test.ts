import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Layer, Option, Result, Scope } from "effect"
import { TestClock } from "effect/testing"
import { QueueAddress, QueueProvider, Verdict } from "@queue-runtime/core"
import { MemoryClient, type MemoryConfig, MemoryProvider } from "../src/index.ts"
import {
  accept,
  acceptNext,
  address,
  counted,
  failure,
  ids,
  layer,
  message,
  now,
  ordered,
  orders,
  peek,
  receive,
  receiveOne,
  seconds,
  send,
  sendOrdered,
  sessionId,
  settle,
  tags,
  take
} from "./world.ts"

const provider = QueueProvider.QueueProvider

type Rule = MemoryConfig.FaultsOptions["rules"][number]

const always = (
  operation: Rule["operation"],
  fault: Rule["fault"]
): MemoryConfig.FaultsOptions => ({
  seed: "seed",
  rules: [{ operation, probability: 1, fault }]
})

const setFaults = (faults?: MemoryConfig.FaultsOptions) =>
  Effect.flatMap(MemoryClient.MemoryClient, (client) => client.setFaults(faults))

const fail = (reason: "Throttled" | "Timeout" = "Throttled", applied = false): Rule["fault"] => ({
  _tag: "Fail",
  reason,
  applied
})

/** Every operation, each ready to succeed. */
const operations = Effect.gen(function* () {
  const self = yield* provider
  yield* send(["a", "b"])
  yield* sendOrdered(["s1"])
  const a = yield* receiveOne()
  const session = yield* accept("s")
  const [s1] = yield* take(session)
  assert(s1 !== undefined)
  return {
    Send: send(["c"]),
    Receive: receive(1),
    Settle: settle([a], Verdict.complete),
    RenewLock: self.renewLock([a.receipt]),
    Peek: peek(),
    AcceptSession: accept("t"),
    RenewSessionLock: session.renewLock,
    GetSessionState: session.state,
    SetSessionState: session.setState(Option.none()),
    sessionReceive: take(session),
    sessionSettle: session.settle([s1.receipt], Verdict.complete)
  }
})

describe("failing", () => {
  it.effect(
    "R11.1 every operation fails under its own rule, nothing done, and works without it",
    () =>
      Effect.gen(function* () {
        const all = yield* operations
        for (const operation of [
          "Send",
          "Receive",
          "Settle",
          "RenewLock",
          "Peek",
          "AcceptSession",
          "RenewSessionLock",
          "GetSessionState",
          "SetSessionState"
        ] as const) {
          yield* setFaults(always(operation, fail()))
          const error = yield* Effect.flip(Effect.asVoid(all[operation]))
          assert.strictEqual(error.reason._tag, "Throttled", operation)
          assert.strictEqual(error.provider, "memory")
          yield* setFaults()
          yield* all[operation]
        }
        yield* setFaults(always("*", fail()))
        assert.strictEqual(yield* failure(all.sessionReceive), "Throttled")
        assert.strictEqual(yield* failure(all.sessionSettle), "Throttled")
        yield* setFaults()
        assert.deepStrictEqual(tags(yield* all.sessionSettle), ["ok"])
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R11.1 each reason that can be injected", () =>
    Effect.gen(function* () {
      for (const reason of [
        "Throttled",
        "ConnectionFailed",
        "Timeout",
        "AuthenticationFailed",
        "PermissionDenied",
        "QuotaExceeded",
        "ProviderFailure"
      ] as const) {
        yield* setFaults(always("Send", { _tag: "Fail", reason }))
        assert.strictEqual(yield* failure(send(["a"])), reason)
      }
      assert.deepStrictEqual(yield* peek(), [])
    }).pipe(Effect.provide(layer()))
  )

  it.effect(
    "R11.1 applied: the send, the settlement and the state take effect, the reply is lost",
    () =>
      Effect.gen(function* () {
        yield* setFaults(always("Send", fail("Timeout", true)))
        assert.strictEqual(yield* failure(send(["a"])), "Timeout")
        yield* setFaults(always("Settle", fail("Timeout", true)))
        const a = yield* receiveOne()
        assert.strictEqual(yield* failure(settle([a], Verdict.complete)), "Timeout")
        yield* setFaults(always("SetSessionState", fail("Timeout", true)))
        const session = yield* accept("s")
        const set = session.setState(Option.some(new Uint8Array([1])))
        assert.strictEqual(yield* failure(set), "Timeout")
        yield* setFaults()
        assert.deepStrictEqual(yield* settle([a], Verdict.complete), ["ReceiptExpired"])
        assert.isTrue(Option.isSome(yield* session.state))
      }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R11.1 applied: what was received stays locked until its lock runs out", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      yield* setFaults(always("Receive", fail("Timeout", true)))
      assert.strictEqual(yield* failure(receive()), "Timeout")
      yield* setFaults()
      assert.deepStrictEqual(yield* receive(), [])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(counted(yield* receive()), ["a:2"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 applied: what a session lost on its way comes again first, counted", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "a2", "a3"])
      const session = yield* accept("a")
      yield* setFaults(always("Receive", fail("Timeout", true)))
      assert.strictEqual(yield* failure(take(session, 2)), "Timeout")
      assert.strictEqual(yield* failure(take(session, 2, seconds(1))), "Timeout")
      yield* setFaults()
      assert.deepStrictEqual(counted(yield* take(session)), ["a1:3", "a2:3", "a3:1"])
      yield* setFaults(always("Receive", fail("Timeout", true)))
      assert.strictEqual(yield* failure(take(session)), "Timeout")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R4.3 applied: an accepted session stays locked until its lock runs out", () =>
    Effect.gen(function* () {
      yield* setFaults(always("AcceptSession", fail("Timeout", true)))
      assert.strictEqual(yield* failure(Effect.scoped(accept("a"))), "Timeout")
      yield* setFaults()
      assert.strictEqual(yield* failure(accept("a")), "SessionLocked")
      yield* TestClock.adjust("30 seconds")
      yield* accept("a")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("delaying", () => {
  it.effect("R11.1 a call is made later, and several delays add up", () =>
    Effect.gen(function* () {
      const delay = {
        operation: "*",
        probability: 1,
        fault: { _tag: "Delay", duration: "2 seconds" }
      } as const
      yield* setFaults({ seed: 1, rules: [delay, delay] })
      const sending = yield* Effect.forkChild(send(["a"]))
      yield* TestClock.adjust("3 seconds")
      assert.isUndefined(sending.pollUnsafe())
      yield* setFaults()
      assert.deepStrictEqual(yield* peek(), [])
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(sending)
      assert.deepStrictEqual(ids(yield* peek()), ["a"])
    }).pipe(Effect.provide(layer()))
  )
})

describe("duplicating", () => {
  it.effect("R3.14 a sent message is stored twice, whatever is remembered of its id", () =>
    Effect.gen(function* () {
      yield* send(["a"])
      yield* setFaults(always("Send", { _tag: "Duplicate" }))
      assert.deepStrictEqual(tags(yield* send(["a", "b"])), ["ok", "ok"])
      yield* sendOrdered(["s1", "s2"])
      yield* setFaults()
      assert.deepStrictEqual(ids(yield* receive()), ["a", "a", "a", "b", "b"])
      const session = yield* accept("s")
      assert.deepStrictEqual(ids(yield* take(session)), ["s1", "s1", "s2", "s2"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R3.14 the copy counts against the bounds, and its failure is nobody's", () =>
    Effect.gen(function* () {
      yield* setFaults(always("Send", { _tag: "Duplicate" }))
      assert.deepStrictEqual(tags(yield* send(["a", "b", "c"])), ["ok", "ok", "QuotaExceeded"])
      assert.deepStrictEqual(ids(yield* receive()), ["a", "a", "b"])
    }).pipe(Effect.provide(layer({}, { messagesMax: 3 })))
  )
})

describe("reordering", () => {
  const reorder = (operation: Rule["operation"]) => always(operation, { _tag: "Reorder" })
  const letters = ["a", "b", "c", "d", "e", "f", "g", "h"]

  it.effect("R4.1 a batch is stored in another order, each session's in its own", () =>
    Effect.gen(function* () {
      yield* setFaults(reorder("Send"))
      const outcomes = yield* send(letters)
      yield* sendOrdered(letters.flatMap((letter) => [`${letter}1`, `${letter}2`, `${letter}3`]))
      yield* setFaults()
      assert.deepStrictEqual(
        outcomes.map((one) => Result.getOrThrow(one).messageId),
        letters
      )
      const stored = ids(yield* peek())
      assert.notDeepEqual(stored, letters)
      assert.deepStrictEqual(stored.toSorted(), letters)
      const inSessions = ids(yield* peek(QueueAddress.queue(ordered)))
      assert.notDeepEqual(inSessions, inSessions.toSorted())
      for (const letter of letters) {
        const own = inSessions.filter((id) => id.startsWith(letter))
        assert.deepStrictEqual(own, [`${letter}1`, `${letter}2`, `${letter}3`])
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R11.1 a receive takes another one than the first, and loses none", () =>
    Effect.gen(function* () {
      yield* send(letters)
      yield* setFaults(reorder("Receive"))
      assert.deepStrictEqual(ids(yield* receive(1)), ["b"])
      const rest = ids(yield* receive(20))
      assert.notDeepEqual(rest, rest.toSorted())
      assert.deepStrictEqual(rest.toSorted(), ["a", ...letters.slice(2)])
      yield* sendOrdered(["s1", "s2"])
      const session = yield* accept("s")
      assert.deepStrictEqual(ids(yield* take(session)), ["s1", "s2"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R4.2 the next session is another one than the first", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1", "b1", "c1"])
      yield* setFaults(reorder("AcceptSession"))
      assert.strictEqual(yield* acceptNext(), "c")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("dropping the connection", () => {
  it.effect("R4.3 cuts this provider's sessions and waits, and no other's", () =>
    Effect.gen(function* () {
      const context = yield* Effect.context<MemoryClient.MemoryClient>()
      const otherScope = yield* Scope.make()
      const other = yield* MemoryProvider.make.pipe(
        Scope.provide(otherScope),
        Effect.provide(context)
      )
      const mine = yield* provider
      yield* sendOrdered(["a1", "b1"])
      const session = yield* accept("a")
      const held = yield* take(session)
      const waitsInSession = yield* Effect.forkChild(failure(take(session, 1, seconds(20))))
      const waits = yield* Effect.forkChild(failure(receive(1, seconds(20))))
      const otherWaits = yield* Effect.forkChild(
        other.receive(address, { max: 1, wait: seconds(20) })
      )
      const otherSession = yield* other
        .acceptSession(ordered, { sessionId: sessionId("b"), wait: now })
        .pipe(Effect.flatMap(Effect.fromOption))
      yield* Effect.yieldNow
      yield* setFaults(always("Peek", { _tag: "DropConnection" }))
      assert.strictEqual(yield* failure(mine.peek(address, { max: 1 })), "ConnectionFailed")
      yield* setFaults()
      assert.strictEqual(yield* Fiber.join(waitsInSession), "SessionLockLost")
      assert.strictEqual(yield* Fiber.join(waits), "ConnectionFailed")
      assert.strictEqual(yield* failure(session.renewLock), "SessionLockLost")
      assert.deepStrictEqual(yield* settle(held, Verdict.complete), ["ReceiptExpired"])
      assert.deepStrictEqual(ids(yield* take(otherSession)), ["b1"])
      const again = yield* accept("a")
      assert.deepStrictEqual(counted(yield* take(again)), ["a1:1"])
      yield* mine.send(orders, [yield* message("x")])
      assert.deepStrictEqual(ids(yield* Fiber.join(otherWaits)), ["x"])
      yield* Scope.close(otherScope, Exit.void)
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R4.3 a session let go by the cut, and granted on the same connection, is held", () =>
    Effect.gen(function* () {
      const mine = yield* provider
      yield* sendOrdered(["a1"])
      const session = yield* accept("a")
      const next = yield* Effect.forkChild(
        mine.acceptSession(ordered, { wait: seconds(20) }).pipe(Effect.flatMap(Effect.fromOption))
      )
      yield* Effect.yieldNow
      yield* setFaults(always("Peek", { _tag: "DropConnection" }))
      assert.strictEqual(yield* failure(mine.peek(address, { max: 1 })), "ConnectionFailed")
      yield* setFaults()
      assert.strictEqual(yield* failure(session.renewLock), "SessionLockLost")
      const granted = yield* Fiber.join(next)
      assert.deepStrictEqual(counted(yield* take(granted)), ["a1:1"])
      yield* granted.renewLock
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )
})

describe("the seed", () => {
  const rules: MemoryConfig.FaultsOptions["rules"] = [
    { operation: "Send", probability: 0.3, fault: fail() },
    { operation: "*", probability: 0.3, fault: fail("Timeout") }
  ]

  const run = (seed: string | number) =>
    Effect.forEach(
      Array.from({ length: 40 }, (_, index) => `m${index}`),
      (id) =>
        send([id]).pipe(
          Effect.match({ onFailure: (error) => error.reason._tag, onSuccess: () => "ok" })
        )
    ).pipe(Effect.provide(Layer.fresh(layer({}, { faults: { seed, rules } }))))

  it.effect("R11.1 the same seed gives the same faults in the same order of calls", () =>
    Effect.gen(function* () {
      const first = yield* run("one")
      assert.deepStrictEqual(yield* run("one"), first)
      assert.notDeepEqual(yield* run(2), first)
      assert.deepStrictEqual(new Set(first), new Set(["ok", "Throttled", "Timeout"]))
    })
  )

  it.effect("R10.1 faults that cannot be are ConfigurationInvalid, and change nothing", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(
        setFaults({ seed: 1, rules: [{ operation: "Send", probability: 2, fault: fail() }] })
      )
      assert.deepInclude(error.reason, {
        _tag: "ConfigurationInvalid",
        key: "faults.rules.0.probability"
      })
      assert.deepStrictEqual(tags(yield* send(["a"])), ["ok"])
    }).pipe(Effect.provide(layer()))
  )
})
