import { QueueError, QueueProvider, Verdict } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import {
  Cause,
  Clock,
  Context,
  Deferred,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  Result
} from "effect"
import { TestClock } from "effect/testing"
import * as Timeout from "../src/Timeout.ts"
import * as Scripted from "./support/Scripted.ts"

const { accept, address, message, orders, receipt } = Scripted

const ended = Effect.fnUntraced(function* <A, E, R>(call: Effect.Effect<A, E, R>) {
  const fiber = yield* Effect.forkChild(Effect.zip(Effect.result(call), Clock.currentTimeMillis), {
    startImmediately: true
  })
  yield* TestClock.adjust("1 hour")
  return yield* Fiber.join(fiber)
})

class Greeting extends Context.Service<Greeting, string>()(
  "@queue-runtime/resilience/test/Timeout.test/Greeting"
) {}

describe("Timeout: any effect", () => {
  it.effect("R6.3 what answers in time passes, with its result, its error and its services", () =>
    Effect.gen(function* () {
      const limit = Timeout.effect("10 seconds")
      const slow = Effect.delay(Greeting, "9 seconds")
      assert.strictEqual(yield* limit(Greeting), "hello")
      assert.strictEqual(yield* Effect.flip(limit(Effect.fail("no"))), "no")
      assert.deepStrictEqual(yield* ended(limit(slow)), [Result.succeed("hello"), 9_000])
    }).pipe(Effect.provideService(Greeting, "hello"))
  )

  it.effect(
    "R2.1 what does not is interrupted, and fails with Timeout and how long was waited",
    () =>
      Effect.gen(function* () {
        let isInterrupted = false
        const call = Effect.onInterrupt(Effect.never, () =>
          Effect.sync(() => {
            isInterrupted = true
          })
        )
        const [result, at] = yield* ended(Timeout.effect("10 seconds")(call))
        const error = Result.isFailure(result) ? result.failure : assert.fail("it succeeded")
        assert.strictEqual(at, 10_000)
        assert.isTrue(isInterrupted)
        assert.deepStrictEqual(
          error.reason,
          new QueueError.Timeout({ after: Duration.seconds(10) })
        )
        assert.strictEqual(error.retry, "Transient")
      })
  )

  it.effect("R10.6 interruption of the caller ends the call at once", () =>
    Effect.gen(function* () {
      const begun = yield* Deferred.make<void>()
      const over = yield* Deferred.make<void>()
      const call = Effect.onInterrupt(
        Effect.andThen(Deferred.succeed(begun, undefined), Effect.never),
        () => Deferred.succeed(over, undefined)
      )
      const fiber = yield* Effect.forkChild(Timeout.effect("10 seconds")(call))
      yield* Deferred.await(begun)
      yield* Fiber.interrupt(fiber)
      assert.isTrue(Deferred.isDoneUnsafe(over))
    })
  )

  it.effect("R3.3 a caller that is interrupted while the call begins leaves no call behind", () =>
    Effect.gen(function* () {
      const over = yield* Deferred.make<void>()
      const self: { fiber?: Fiber.Fiber<unknown, unknown> } = {}
      const call = Effect.suspend(() => {
        self.fiber?.interruptUnsafe()
        return Effect.onInterrupt(Effect.never, () => Deferred.succeed(over, undefined))
      })
      const fiber = yield* Effect.forkChild(
        Effect.andThen(Effect.yieldNow, Timeout.effect("10 seconds")(call))
      )
      self.fiber = fiber
      const exit = yield* Fiber.await(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasInterruptsOnly(exit.cause))
      assert.isTrue(Deferred.isDoneUnsafe(over))
    })
  )

  it.effect("R3.2 a result that comes at the very end of the time counts", () =>
    Effect.gen(function* () {
      const call = Effect.delay(Effect.succeed("received"), "10 seconds")
      const [result, at] = yield* ended(Timeout.effect("10 seconds")(call))
      assert.deepStrictEqual([result, at], [Result.succeed("received"), 10_000])
    })
  )

  it.effect("R2.1 an error that comes while the call is being stopped is told as it is", () =>
    Effect.gen(function* () {
      const call = Effect.onInterrupt(Effect.never, () => Effect.die("broken"))
      const fiber = yield* Effect.forkChild(Effect.exit(Timeout.effect("1 second")(call)), {
        startImmediately: true
      })
      yield* TestClock.adjust("1 second")
      const exit = yield* Fiber.join(fiber)
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )
})

const world = Effect.fnUntraced(function* (
  options: Scripted.Options = {},
  timeout: Timeout.Options = {}
) {
  const scripted = Scripted.make(options)
  const f = yield* Timeout.transform("scripted", timeout)
  return { ...scripted, provider: QueueProvider.transform(scripted.provider, "timeout", f) }
})

const calls = Effect.fnUntraced(function* (provider: QueueProvider.Service) {
  const { session } = yield* accept(provider)
  const wait = Duration.seconds(30)
  const acceptSession = Effect.scoped(provider.acceptSession(orders, { wait }))
  return {
    send: ["send", provider.send(orders, [message("1")])],
    settle: ["settle", provider.settle([receipt("1")], Verdict.complete)],
    renewLock: ["renewLock", provider.renewLock([receipt("1")])],
    peek: ["peek", provider.peek(address, { max: 1 })],
    receive: ["receive", provider.receive(address, { max: 1, wait })],
    acceptSession: ["acceptSession", acceptSession],
    sessionSettle: ["settle", session.settle([receipt("1")], Verdict.complete)],
    sessionRenewLock: ["renewLock", session.renewLock],
    state: ["state", session.state],
    setState: ["setState", session.setState(Option.none())],
    sessionReceive: ["receive", session.receive({ max: 1, wait })]
  } satisfies Record<string, readonly [string, Effect.Effect<unknown, QueueError.QueueError>]>
})

const times = Effect.fnUntraced(function* (timeout: Timeout.Options) {
  let isUp = true
  const { provider } = yield* world({ fate: () => (isUp ? undefined : "hang") }, timeout)
  const all = yield* calls(provider)
  isUp = false
  const taken: Record<string, number> = {}
  for (const [name, [operation, call]] of Object.entries(all)) {
    const before = yield* Clock.currentTimeMillis
    const [result, at] = yield* ended(call)
    const error = Result.isFailure(result) ? result.failure : assert.fail(`${name} succeeded`)
    assert.deepInclude({ ...error }, { provider: "scripted", operation, queue: "orders" })
    assert.strictEqual(error.reason._tag, "Timeout")
    taken[name] = (at - before) / 1_000
  }
  return taken
})

describe("Timeout: around a provider", () => {
  it.effect("R10.6 each call has its time; a receive and an accept keep their own wait", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* times({}), {
        send: 10,
        settle: 10,
        renewLock: 10,
        peek: 10,
        receive: 40,
        acceptSession: 40,
        sessionSettle: 10,
        sessionRenewLock: 10,
        state: 10,
        setState: 10,
        sessionReceive: 40
      })
    })
  )

  it.effect("R10.6 and each can be set", () =>
    Effect.gen(function* () {
      const timeout = {
        send: "1 second",
        settle: "2 seconds",
        renewLock: "3 seconds",
        peek: "4 seconds",
        sessionState: "5 seconds",
        receiveMargin: "6 seconds"
      } as const
      assert.deepStrictEqual(yield* times(timeout), {
        send: 1,
        settle: 2,
        renewLock: 3,
        peek: 4,
        receive: 36,
        acceptSession: 36,
        sessionSettle: 2,
        sessionRenewLock: 3,
        state: 5,
        setState: 5,
        sessionReceive: 36
      })
    })
  )

  it.effect("R3.3 a normal wait is not cut", () =>
    Effect.gen(function* () {
      const { provider } = yield* world({ isEmpty: true })
      const wait = Duration.seconds(30)
      const [received, at] = yield* ended(provider.receive(address, { max: 1, wait }))
      assert.deepStrictEqual([received, at], [Result.succeed([]), 30_000])
    })
  )

  it.effect("R4.2 an accept that is ended leaves no session held in its caller's scope", () =>
    Effect.gen(function* () {
      const { provider, sessions } = yield* world({ fate: () => "hang" })
      const [result] = yield* Effect.scoped(
        Effect.tap(ended(provider.acceptSession(orders, { wait: Duration.zero })), () =>
          Effect.sync(() => assert.deepStrictEqual(sessions, ["+A", "-A"]))
        )
      )
      assert.isTrue(Result.isFailure(result))
    })
  )

  it.effect("R4.2 a session that was accepted in time lives as long as its caller's scope", () =>
    Effect.gen(function* () {
      const { provider, sessions } = yield* world()
      const { close } = yield* accept(provider)
      assert.deepStrictEqual(sessions, ["+A"])
      yield* close
      assert.deepStrictEqual(sessions, ["+A", "-A"])
    })
  )

  it.effect.each(["send", "settle", "renewLock", "peek", "sessionState", "receiveMargin"] as const)(
    "R10.1 %s that is no time is ValidationFailed naming it",
    (field) =>
      Effect.gen(function* () {
        const { reason } = yield* Effect.flip(Timeout.transform("scripted", { [field]: 0 }))
        assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, field)
      })
  )

  it.effect("R6.3 the layer takes the provider below it and names itself in the stack", () => {
    const { provider } = Scripted.make()
    return Effect.gen(function* () {
      const wrapped = yield* QueueProvider.QueueProvider
      assert.deepStrictEqual(wrapped.stack, ["timeout", "scripted"])
      assert.strictEqual((yield* wrapped.send(orders, [message("1")])).length, 1)
    }).pipe(
      Effect.provide(
        Timeout.layer().pipe(Layer.provide(Layer.succeed(QueueProvider.QueueProvider, provider)))
      )
    )
  })
})
