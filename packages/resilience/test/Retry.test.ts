import { Backoff, Defaults, Outcome, QueueError, QueueProvider, Verdict } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Data,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Metric,
  Option,
  Random,
  Result,
  Schema
} from "effect"
import { TestClock } from "effect/testing"
import * as Retry from "../src/Retry.ts"
import * as Logs from "./support/Logs.ts"
import * as Scripted from "./support/Scripted.ts"

const { accept, address, expired, message, orders, permanent, receipt, throttled, transient } =
  Scripted

const seconds = (calls: ReadonlyArray<Scripted.Call>) => calls.map(({ at }) => at / 1_000)

/** A scripted provider behind a retry without jitter. */
const world = Effect.fnUntraced(function* (
  options: Scripted.Options = {},
  retry: Retry.LayerOptions = {}
) {
  const scripted = Scripted.make(options)
  const provider = yield* Retry.make(scripted.provider, { jitter: 0, ...retry })
  return { ...scripted, provider }
})

/** Runs to its end, letting up to so much time go by. */
const during = Effect.fnUntraced(function* <A, E, R>(
  call: Effect.Effect<A, E, R>,
  time: Duration.Input = "1 hour"
) {
  const fiber = yield* Effect.forkChild(Effect.result(call), { startImmediately: true })
  yield* TestClock.adjust(time)
  return yield* Fiber.join(fiber)
})

const failure = <A, E>(result: Result.Result<A, E>): E =>
  Result.isFailure(result) ? result.failure : assert.fail("it succeeded")

const tagsOf = <A>(outcomes: ReadonlyArray<Outcome.Outcome<A>>) =>
  outcomes.map((outcome) =>
    Result.isSuccess(outcome) ? "ok" : `${outcome.failure.reason._tag}:${outcome.failure.retry}`
  )

const outcomesOf = <A, E>(
  result: Result.Result<ReadonlyArray<Outcome.Outcome<A>>, E>
): ReadonlyArray<string> => tagsOf(Result.getOrThrow(result))

describe("Retry: the schedule", () => {
  it.effect("R6.1 the defaults", () =>
    Effect.gen(function* () {
      const policy = yield* Retry.policy()
      assert.deepStrictEqual(policy, {
        strategy: "exponential",
        attempts: 3,
        initial: Duration.seconds(1),
        factor: 2,
        max: Duration.seconds(30),
        jitter: 0.2,
        totalMax: Duration.minutes(5)
      })
    })
  )

  it.effect.each([
    ["exponential", [1, 2, 4, 8, 16, 30, 30]],
    ["linear", [1, 2, 3, 4, 5, 6, 7]],
    ["fixed", [1, 1, 1, 1, 1, 1, 1]]
  ] as const)("R6.1 %s delays", ([strategy, expected]) =>
    Effect.gen(function* () {
      const policy = yield* Retry.policy({ strategy, jitter: 0 })
      const delays = yield* Effect.forEach(expected, (_, index) =>
        Retry.delayAfter(policy, index + 1)
      )
      assert.deepStrictEqual(delays.map(Duration.toSeconds), [...expected])
    })
  )

  it.effect.each([
    ["attempts", { attempts: 0 }],
    ["attempts", { attempts: 1.5 }],
    ["initial", { initial: Duration.infinity }],
    ["factor", { factor: 0.5 }],
    ["factor", { factor: Number.NaN }],
    ["max", { max: Duration.infinity }],
    ["jitter", { jitter: 1.1 }],
    ["jitter", { jitter: -0.1 }],
    ["totalMax", { totalMax: Duration.infinity }]
  ] as const)("R6.1 R10.1 %s out of its range is ValidationFailed naming it", ([field, options]) =>
    Effect.gen(function* () {
      const { reason } = yield* Effect.flip(Retry.policy(options))
      assert.strictEqual(reason._tag === "ValidationFailed" && reason.field, field)
    })
  )

  const Plan = {
    strategy: Arbitrary.schema(Schema.Literals(["exponential", "linear", "fixed", "none"])),
    attempts: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 12 }))),
    initial: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 }))),
    max: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60_000 }))),
    total: Arbitrary.schema(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 600_000 }))),
    asked: Arbitrary.schema(
      Schema.Array(
        Schema.NullOr(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 90_000 })))
      )
    ),
    seed: Arbitrary.schema(Schema.Int)
  }

  it.effect.prop(
    "R6.1 laws: never above the attempts or the total, each delay what was asked or between the jitter's bounds, and Exhausted at the end",
    Plan,
    ({ asked, attempts, initial, max, seed, strategy, total }) =>
      Effect.gen(function* () {
        const policy = yield* Retry.policy({ strategy, attempts, initial, max, totalMax: total })
        const exact = yield* Retry.policy({ strategy, initial, jitter: 0, max: "30 days" })
        const { calls, provider } = Scripted.make({
          fate: ({ nth }) => {
            const wait = asked[nth - 1] ?? null
            return transient(wait === null ? undefined : Duration.millis(wait))
          }
        })
        const result = yield* during(
          provider.peek(address, { max: 1 }).pipe(Retry.effect(policy), Random.withSeed(seed)),
          "1 day"
        )
        assert.strictEqual(failure(result).retry, "Exhausted")
        const most = strategy === "none" ? 1 : attempts
        assert.isAtMost(calls.length, most)
        assert.isAtMost(calls.at(-1)?.at ?? 0, total)
        for (const [index, call] of calls.slice(1).entries()) {
          const delay = call.at - (calls[index]?.at ?? 0)
          const said = asked[index] ?? null
          if (said === null) {
            const computed = Duration.toMillis(yield* Retry.delayAfter(exact, index + 1))
            assert.isAtLeast(delay, Math.min(max, Math.round(computed * 0.8)) - 1)
            assert.isAtMost(delay, Math.min(max, Math.round(computed * 1.2)) + 1)
          } else {
            assert.strictEqual(delay, said)
          }
        }
      }),
    { arbitrary: { runs: 150 } }
  )

  it.effect(
    "R6.1 a service's own delay wins, above the ceiling too, and counts against the total",
    () =>
      Effect.gen(function* () {
        const { calls, provider } = yield* world(
          { fate: () => throttled(Duration.seconds(120)) },
          { attempts: 9 }
        )
        const error = failure(yield* during(provider.peek(address, { max: 1 })))
        assert.strictEqual(error.retry, "Exhausted")
        assert.deepStrictEqual(seconds(calls), [0, 120, 240])
      })
  )

  it.effect("R6.1 time spent in the attempts counts against the total", () =>
    Effect.gen(function* () {
      const policy = yield* Retry.policy({ jitter: 0, attempts: 9, totalMax: "10 seconds" })
      let attempts = 0
      const slow = Effect.suspend(() => {
        attempts++
        return Effect.delay(Effect.fail(transient()), "4 seconds")
      })
      yield* during(Retry.effect(policy)(slow))
      assert.strictEqual(attempts, 2)
    })
  )
})

describe("Retry: any effect", () => {
  class Busy extends Data.TaggedError("Busy")<{ readonly wait: number }> {}

  it.effect("R6.3 R6.1 repeats while the error says Transient and answers what comes then", () =>
    Effect.gen(function* () {
      const policy = yield* Retry.policy({ jitter: 0 })
      let attempts = 0
      const call = Effect.suspend(() =>
        ++attempts < 3 ? Effect.fail(transient()) : Effect.succeed("done")
      )
      const result = yield* during(Retry.effect(policy)(call))
      assert.deepStrictEqual(result, Result.succeed("done"))
      assert.strictEqual(attempts, 3)
    })
  )

  it.effect.each([permanent, QueueError.exhausted(transient()), new Busy({ wait: 1 }), "text"])(
    "R6.1 R2.2 Never, Exhausted and what says nothing is not repeated: %s",
    (error) =>
      Effect.gen(function* () {
        const policy = yield* Retry.policy()
        let attempts = 0
        const call = Effect.suspend(() => {
          attempts++
          return Effect.fail(error)
        })
        assert.strictEqual(failure(yield* during(Retry.effect(policy)(call))), error)
        assert.strictEqual(attempts, 1)
      })
  )

  it.effect(
    "R6.3 errors of another kind by their own judgement, and they come out as they were",
    () =>
      Effect.gen(function* () {
        const policy = yield* Retry.policy()
        const at: Array<number> = []
        const call = Effect.flatMap(
          Effect.clockWith(({ currentTimeMillis }) => currentTimeMillis),
          (now) => {
            at.push(now)
            return Effect.fail(new Busy({ wait: 7 }))
          }
        )
        const retried = Retry.effect<Busy>(policy, {
          isRetryable: () => true,
          retryAfter: ({ wait }) => Duration.seconds(wait)
        })(call)
        assert.deepStrictEqual(failure(yield* during(retried)), new Busy({ wait: 7 }))
        assert.deepStrictEqual(at, [0, 7_000, 14_000])
      })
  )

  it.effect("R6.1 none makes one attempt, and the error is final for every retry above", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({ fate: () => transient() }, { strategy: "none" })
      const error = failure(yield* during(provider.peek(address, { max: 1 })))
      assert.strictEqual(error.retry, "Exhausted")
      assert.strictEqual(calls.length, 1)
    })
  )

  it.effect(
    "R6.3 an error of another kind that says Transient is repeated, by the computed delays",
    () =>
      Effect.gen(function* () {
        const policy = yield* Retry.policy()
        let attempts = 0
        const call = Effect.suspend(() => {
          attempts++
          return Effect.fail({ retry: "Transient", retryAfter: "of another kind" } as const)
        })
        yield* during(Retry.effect(policy)(call))
        assert.strictEqual(attempts, 3)
      })
  )

  it.effect("R6.1 interruption ends the pause", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({ fate: () => transient() })
      const fiber = yield* Effect.forkChild(provider.peek(address, { max: 1 }), {
        startImmediately: true
      })
      yield* Fiber.interrupt(fiber)
      yield* TestClock.adjust("1 hour")
      assert.strictEqual(calls.length, 1)
    })
  )
})

describe("Retry: around a provider", () => {
  it.effect("R6.3 every method is retried, those of a session too, and given up as Exhausted", () =>
    Effect.gen(function* () {
      let isUp = true
      const { of, provider } = yield* world({ fate: () => (isUp ? undefined : transient()) })
      const { close, session } = yield* accept(provider)
      isUp = false
      const wait = Duration.zero
      const single: Record<string, Effect.Effect<unknown, QueueError.QueueError>> = {
        receive: provider.receive(address, { max: 1, wait }),
        peek: provider.peek(address, { max: 1 }),
        send: provider.send(orders, [message("1")]),
        settle: provider.settle([receipt("1")], Verdict.complete),
        renewLock: provider.renewLock([receipt("1")]),
        acceptSession: Effect.scoped(provider.acceptSession(orders, { wait })),
        "session.receive": session.receive({ max: 1, wait }),
        "session.settle": session.settle([receipt("1")], Verdict.complete),
        "session.renewLock": session.renewLock,
        "session.state": session.state,
        "session.setState": session.setState(Option.none())
      }
      for (const [method, call] of Object.entries(single)) {
        const before = of(method).length
        const error = failure(yield* during(call))
        assert.strictEqual(error.retry, "Exhausted", method)
        assert.strictEqual(of(method).length - before, 3, method)
      }
      yield* close
    })
  )

  it.effect("R6.3 two layers of retry do not multiply", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ method, nth }) => (method === "peek" || nth > 1 ? transient() : { b: transient() })
      })
      const twice = yield* Retry.make(provider)
      assert.deepStrictEqual(twice.stack, ["retry", "retry", "scripted"])
      yield* during(twice.peek(address, { max: 1 }))
      yield* during(twice.send(orders, [message("a"), message("b")]))
      yield* during(twice.settle([receipt("a"), receipt("b")], Verdict.complete))
      assert.deepStrictEqual(
        calls.map(({ method, ids }) => [method, ...ids].join(" ")),
        [
          "peek",
          "peek",
          "peek",
          "send a b",
          "send b",
          "send b",
          "settle a b",
          "settle b",
          "settle b"
        ]
      )
    })
  )

  it.effect(
    "R6.1 R9.1 R10.5 each repetition is a warning and counted by queue and operation",
    () => {
      const logs = Logs.capture()
      return Effect.gen(function* () {
        const { provider } = yield* world({
          fate: ({ nth }) => (nth < 3 ? transient() : undefined)
        })
        yield* during(provider.peek(address, { max: 1 }))
        assert.deepStrictEqual(
          logs.lines.map(({ annotations, level, text }) => [level, text, annotations]),
          [
            [
              "Warn",
              "peek failed, again in 1s: ConnectionFailed: the connection failed",
              { queue: orders }
            ],
            [
              "Warn",
              "peek failed, again in 2s: ConnectionFailed: the connection failed",
              { queue: orders }
            ]
          ]
        )
        const [counted] = yield* Metric.snapshot
        assert.strictEqual(counted?.id, "queue_runtime.retries")
        assert.deepStrictEqual(counted?.attributes, {
          "messaging.system": "scripted",
          "messaging.destination.name": "orders",
          "messaging.operation.name": "peek"
        })
        assert.deepInclude(counted?.state, { count: 2 })
      }).pipe(Effect.provide(logs.layer), Effect.provideService(Metric.MetricRegistry, new Map()))
    }
  )

  it.effect("R9.1 the metric names operations as telemetry does", () =>
    Effect.gen(function* () {
      const { provider } = yield* world({
        fate: ({ nth }) => (nth === 1 ? transient() : undefined)
      })
      yield* during(Effect.scoped(provider.acceptSession(orders, { wait: Duration.zero })))
      const named = (yield* Metric.snapshot).map(
        ({ attributes }) => attributes?.["messaging.operation.name"]
      )
      assert.deepStrictEqual(named, ["accept"])
    }).pipe(Effect.provideService(Metric.MetricRegistry, new Map()))
  )

  it.effect("R6.3 the layer takes the provider below it and names itself in the stack", () => {
    const { calls, provider } = Scripted.make({
      fate: ({ nth }) => (nth === 1 ? transient() : undefined)
    })
    return Effect.gen(function* () {
      const wrapped = yield* QueueProvider.QueueProvider
      assert.deepStrictEqual(wrapped.stack, ["retry", "scripted"])
      assert.strictEqual(wrapped.name, "scripted")
      assert.deepStrictEqual(wrapped.capabilities(orders), provider.capabilities(orders))
      assert.deepStrictEqual(outcomesOf(yield* during(wrapped.send(orders, [message("1")]))), [
        "ok"
      ])
      assert.strictEqual(calls.length, 2)
    }).pipe(
      Effect.provide(
        Retry.layer().pipe(Layer.provide(Layer.succeed(QueueProvider.QueueProvider, provider)))
      )
    )
  })

  it.effect("R6.1 the default delay is exponential with jitter, as core's", () =>
    Effect.gen(function* () {
      const { provider } = Scripted.make({ fate: () => transient() })
      const retried = yield* Retry.make(provider)
      const fiber = yield* Effect.forkChild(Effect.exit(retried.peek(address, { max: 1 })), {
        startImmediately: true
      })
      const most = Duration.sum(Defaults.retryDelay, Duration.times(Defaults.retryDelay, 2))
      yield* TestClock.adjust(Duration.times(most, 1 + Defaults.retryJitter))
      assert.isTrue(Exit.isFailure(yield* Fiber.join(fiber)))
      const delay = yield* Backoff.exponential()(1)
      assert.isAtLeast(Duration.toMillis(delay), 800)
    })
  )
})

describe("Retry: batches", () => {
  it.effect(
    "R6.1 R3.9 only entries that failed transiently go again, and outcomes stay at their place",
    () =>
      Effect.gen(function* () {
        const { calls, provider } = yield* world({
          fate: ({ nth }) =>
            nth === 1
              ? { b: transient(), c: permanent, d: throttled() }
              : nth === 2
                ? { d: throttled() }
                : {}
        })
        const messages = ["a", "b", "c", "d"].map((id) => message(id))
        const outcomes = outcomesOf(yield* during(provider.send(orders, messages)))
        assert.deepStrictEqual(outcomes, ["ok", "ok", "PermissionDenied:Never", "ok"])
        assert.deepStrictEqual(
          calls.map(({ ids }) => ids.join("")),
          ["abcd", "bd", "d"]
        )
        assert.deepStrictEqual(seconds(calls), [0, 1, 3])
      })
  )

  it.effect(
    "R1.7 a message that an attempt finds too large is named by its place in the call",
    () =>
      Effect.gen(function* () {
        const tooLarge = (index: number) =>
          QueueError.make(
            new QueueError.MessageTooLarge({ actualBytes: 2, maximumBytes: 1, index })
          )
        const { calls, provider } = yield* world({
          fate: ({ nth }) => {
            if (nth === 1) return { a: tooLarge(0), b: throttled(), d: throttled(), e: throttled() }
            return nth === 2 ? { b: throttled(), d: throttled(), e: tooLarge(2) } : tooLarge(1)
          }
        })
        const messages = ["a", "b", "c", "d", "e"].map((id) => message(id))
        const sent = yield* during(provider.send(orders, messages))
        assert.deepStrictEqual(
          calls.map(({ ids }) => ids.join("")),
          ["abcde", "bde", "bd"]
        )
        const named = Outcome.failures(Result.getOrThrow(sent)).map(QueueError.indexOf)
        // What was sent has none; the whole last call fails for its second message.
        assert.deepStrictEqual(named, [0, 3, 3, 4])
      })
  )

  it.effect("R6.1 entries given up are Exhausted, the others as they ended", () =>
    Effect.gen(function* () {
      const { provider } = yield* world({
        fate: () => ({ b: transient(), c: QueueError.exhausted(throttled()) })
      })
      const receipts = ["a", "b", "c"].map(receipt)
      const outcomes = outcomesOf(yield* during(provider.settle(receipts, Verdict.complete)))
      assert.deepStrictEqual(outcomes, ["ok", "ConnectionFailed:Exhausted", "Throttled:Exhausted"])
    })
  )

  it.effect("R6.1 the longest wait that an entry asks for is kept", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ nth }) =>
          nth === 1
            ? {
                a: throttled(Duration.seconds(7)),
                b: throttled(),
                c: throttled(Duration.seconds(5))
              }
            : {}
      })
      yield* during(provider.renewLock(["a", "b", "c"].map(receipt)))
      assert.deepStrictEqual(seconds(calls), [0, 7])
    })
  )

  it.effect("R6.1 a later attempt that fails as a whole keeps what the first one did", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ nth }) => (nth === 1 ? { b: throttled() } : nth === 2 ? permanent : undefined)
      })
      const sent = yield* during(provider.send(orders, [message("a"), message("b")]))
      assert.deepStrictEqual(outcomesOf(sent), ["ok", "PermissionDenied:Never"])
      assert.strictEqual(calls.length, 2)
    })
  )

  it.effect("R6.1 a call that fails as a whole is repeated as a whole", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ nth }) => (nth === 1 ? transient() : undefined)
      })
      const sent = yield* during(provider.send(orders, [message("a"), message("b")]))
      assert.deepStrictEqual(outcomesOf(sent), ["ok", "ok"])
      assert.deepStrictEqual(
        calls.map(({ ids }) => ids.join("")),
        ["ab", "ab"]
      )
    })
  )

  it.effect("R4.1 R6.1 of a session nothing goes again behind a failure that stays", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ nth }) =>
          nth === 1
            ? {
                a1: throttled(),
                a2: permanent,
                a3: throttled(),
                b1: throttled(),
                b2: throttled(),
                c: throttled()
              }
            : {}
      })
      const messages = [
        message("a1", "A"),
        message("b1", "B"),
        message("a2", "A"),
        message("b2", "B"),
        message("a3", "A"),
        message("c")
      ]
      const outcomes = outcomesOf(yield* during(provider.send(orders, messages)))
      assert.deepStrictEqual(
        calls.map(({ ids }) => ids.join(" ")),
        ["a1 b1 a2 b2 a3 c", "a1 b1 b2 c"]
      )
      assert.deepStrictEqual(outcomes, [
        "ok",
        "ok",
        "PermissionDenied:Never",
        "ok",
        "Throttled:Transient",
        "ok"
      ])
    })
  )

  const Fates = Arbitrary.schema(
    Schema.Array(Schema.Array(Schema.Literals(["ok", "transient", "throttled", "never"])))
  )

  it.effect.prop(
    "R6.1 R4.1 laws: what succeeded is never sent again, each session goes in its order, one outcome a message",
    {
      fates: Fates,
      sessions: Arbitrary.schema(
        Schema.Array(Schema.Literals(["A", "B", ""])).check(Schema.isMinLength(1))
      )
    },
    ({ fates, sessions }) =>
      Effect.gen(function* () {
        const messages = sessions.map((session, index) =>
          message(`m${index}`, session === "" ? undefined : session)
        )
        const sessionOf = new Map(messages.map((one) => [String(one.messageId), one.sessionId]))
        const errors = { transient: transient(), throttled: throttled(), never: permanent }
        const { calls, provider } = yield* world({
          fate: ({ ids, nth }) => {
            const fate: Record<string, QueueError.QueueError> = {}
            for (const [index, id] of ids.entries()) {
              const one = fates[nth - 1]?.[index] ?? "ok"
              const session = sessionOf.get(id)
              // As the port demands: behind a failure of its session nothing is sent.
              const earlier = ids
                .slice(0, index)
                .find(
                  (other) =>
                    session !== undefined && sessionOf.get(other) === session && fate[other]
                )
              const inherited = earlier === undefined ? undefined : fate[earlier]
              if (inherited !== undefined) fate[id] = inherited
              else if (one !== "ok") fate[id] = errors[one]
            }
            return fate
          }
        })
        const outcomes = outcomesOf(yield* during(provider.send(orders, messages)))
        assert.strictEqual(outcomes.length, messages.length)
        assert.isAtMost(calls.length, 3)
        for (const [index, call] of calls.slice(1).entries()) {
          const before = calls[index]?.ids ?? []
          // A subset, in the same order.
          assert.deepStrictEqual(
            call.ids,
            before.filter((id) => call.ids.includes(id))
          )
        }
        for (const [index, { messageId }] of messages.entries()) {
          const last = calls.findLastIndex(({ ids }) => ids.includes(messageId))
          const place = calls[last]?.ids.indexOf(messageId) ?? -1
          const isFirst = fates[last]?.[place] ?? "ok"
          if (outcomes[index] === "ok") assert.strictEqual(isFirst, "ok")
        }
      }),
    { arbitrary: { runs: 150 } }
  )

  it.effect("R3.1 a provider that answers too few outcomes is a defect", () =>
    Effect.gen(function* () {
      const { provider } = yield* world({ outcomesMissing: 1, fate: () => ({ b: throttled() }) })
      const exit = yield* Effect.exit(provider.send(orders, [message("a"), message("b")]))
      assert.match(Exit.isFailure(exit) ? String(exit.cause) : "", /fewer outcomes/u)
    })
  )

  it.effect("R3.1 no receipts are no call that anyone waits for", () =>
    Effect.gen(function* () {
      const { provider } = yield* world()
      assert.deepStrictEqual(yield* provider.settle([], Verdict.complete), [])
      const failing = yield* world({ fate: () => transient() })
      const result = yield* during(failing.provider.settle([], Verdict.complete))
      assert.strictEqual(failure(result).retry, "Exhausted")
    })
  )
})

describe("Retry: lost replies", () => {
  it.effect.each(["entry", "call"])(
    "R2.1 a settlement repeated after a lost reply (%s) that finds its receipt used is SettlementUnknown",
    (where) =>
      Effect.gen(function* () {
        const lost = QueueError.withContext(transient(), {
          operation: "settle",
          provider: "scripted",
          queue: "orders"
        })
        const { provider } = yield* world({
          fate: ({ nth }) => (nth > 1 ? { a: expired } : where === "call" ? lost : { a: lost })
        })
        const [outcome] = Result.getOrThrow(
          yield* during(provider.settle([receipt("a"), receipt("b")], Verdict.complete))
        )
        const error = failure(outcome ?? assert.fail("no outcome"))
        assert.strictEqual(error.reason._tag, "SettlementUnknown")
        assert.strictEqual(error.retry, "Never")
        assert.deepStrictEqual(error.cause, expired)
      })
  )

  it.effect("R2.1 the same where the repetition fails as a whole, with its place", () =>
    Effect.gen(function* () {
      const place = { operation: "settle", provider: "scripted", queue: "orders" }
      const { provider } = yield* world({
        fate: ({ nth }) => (nth === 1 ? transient() : QueueError.withContext(expired, place))
      })
      const error = failure(yield* during(provider.settle([receipt("a")], Verdict.complete)))
      assert.strictEqual(error.reason._tag, "SettlementUnknown")
      assert.deepInclude({ ...error }, place)
    })
  )

  it.effect(
    "R2.1 a receipt found used after a refusal is expired, since the first call did nothing",
    () =>
      Effect.gen(function* () {
        const { provider } = yield* world({
          fate: ({ nth }) => (nth === 1 ? { a: throttled() } : { a: expired })
        })
        const outcomes = yield* during(provider.settle([receipt("a")], Verdict.complete))
        assert.deepStrictEqual(outcomesOf(outcomes), ["ReceiptExpired:Never"])
      })
  )

  it.effect("R3.14 R6.1 a send whose reply got lost goes again by default", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        fate: ({ nth }) => (nth === 1 ? transient() : undefined)
      })
      yield* during(provider.send(orders, [message("a")]))
      assert.strictEqual(calls.length, 2)
    })
  )

  it.effect.each(["entry", "call"])(
    "R3.14 R6.1 with unsureSends fail it does not (%s), and its error is not used up",
    (where) =>
      Effect.gen(function* () {
        const { calls, provider } = yield* world(
          { fate: () => (where === "call" ? transient() : { a: transient() }) },
          { unsureSends: "fail" }
        )
        const result = yield* during(provider.send(orders, [message("a")]))
        const tag = Result.isFailure(result) ? result.failure.retry : outcomesOf(result)[0]
        assert.strictEqual(tag, where === "call" ? "Transient" : "ConnectionFailed:Transient")
        assert.strictEqual(calls.length, 1)
      })
  )

  it.effect("R6.1 with unsureSends fail a refused send goes again all the same", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world(
        { fate: ({ nth }) => (nth === 1 ? { a: throttled() } : undefined) },
        { unsureSends: "fail" }
      )
      const result = yield* during(provider.send(orders, [message("a")]))
      assert.deepStrictEqual(outcomesOf(result), ["ok"])
      assert.strictEqual(calls.length, 2)
    })
  )

  it.effect.each(["entry", "call"])(
    "R3.14 R6.1 with unsureSends fail a deduplicated send (%s) goes again inside the window alone",
    (where) =>
      Effect.gen(function* () {
        const { calls, provider } = yield* world(
          {
            fate: () => (where === "call" ? transient() : { a: transient(), b: transient() }),
            capabilities: {
              deduplication: "native",
              deduplicationWindow: Duration.seconds(20)
            }
          },
          { unsureSends: "fail", attempts: 20, strategy: "fixed", initial: "8 seconds" }
        )
        yield* during(provider.send(orders, [message("a"), message("b")]))
        assert.deepStrictEqual(seconds(calls), [0, 8, 16])
      })
  )
})

describe("Retry: waits and sessions", () => {
  it.effect("R3.3 R10.6 the wait of a receive is one budget for all its attempts", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({
        isEmpty: true,
        fate: ({ nth }) => (nth < 3 ? transient() : undefined)
      })
      const fiber = yield* Effect.forkChild(
        provider.receive(address, { max: 1, wait: Duration.seconds(30) })
      )
      yield* TestClock.adjust("29999 millis")
      assert.isUndefined(fiber.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(fiber), [])
      assert.deepStrictEqual(
        calls.map(({ waitMillis }) => waitMillis),
        [30_000, 29_000, 27_000]
      )
    })
  )

  it.effect("R3.3 an attempt after the wait is over asks once", () =>
    Effect.gen(function* () {
      const { calls, provider } = yield* world({ fate: () => transient() })
      yield* during(provider.receive(address, { max: 1, wait: Duration.millis(1_500) }))
      assert.deepStrictEqual(
        calls.map(({ waitMillis }) => waitMillis),
        [1_500, 500, 0]
      )
    })
  )

  it.effect(
    "R4.2 each attempt to accept has a scope of its own: a failed one leaves nothing held",
    () =>
      Effect.gen(function* () {
        const { provider, sessions } = yield* world({
          fate: ({ nth }) => (nth < 3 ? transient() : undefined)
        })
        const fiber = yield* Effect.forkChild(accept(provider), { startImmediately: true })
        assert.deepStrictEqual(sessions, ["+A", "-A"])
        yield* TestClock.adjust("3 seconds")
        const { close, session } = yield* Fiber.join(fiber)
        assert.deepStrictEqual(sessions, ["+A", "-A", "+A", "-A", "+A"])
        assert.strictEqual(session.sessionId, "A")
        assert.strictEqual((yield* session.lockedUntil).epochMilliseconds, 30_000)
        yield* close
        assert.deepStrictEqual(sessions.slice(5), ["-A"])
      })
  )

  it.effect("R4.2 no session within the wait is None", () =>
    Effect.gen(function* () {
      const { provider } = yield* world({ isEmpty: true })
      const accepted = yield* Effect.scoped(provider.acceptSession(orders, { wait: Duration.zero }))
      assert.isTrue(Option.isNone(accepted))
    })
  )

  it.effect.each([
    [0, [0]],
    [2, [0, 1]],
    [60, [0, 1, 3]]
  ] as const)(
    "R4.3 a session that another holds is waited for no longer than the caller said: %s",
    ([wait, expected]) =>
      Effect.gen(function* () {
        const held = QueueError.make(new QueueError.SessionLocked({ sessionId: "A" }))
        const { calls, provider } = yield* world({ fate: () => held })
        const error = failure(
          yield* during(
            Effect.scoped(provider.acceptSession(orders, { wait: Duration.seconds(wait) }))
          )
        )
        assert.strictEqual(error.reason._tag, "SessionLocked")
        assert.strictEqual(error.retry, "Transient")
        assert.deepStrictEqual(seconds(calls), [...expected])
      })
  )
})
