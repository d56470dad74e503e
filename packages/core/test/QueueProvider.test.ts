import { assert, describe, it } from "@effect/vitest"
import * as Context from "effect/Context"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type * as Scope from "effect/Scope"
import type * as Operation from "../src/Operation.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as Receipt from "../src/Receipt.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Verdict from "../src/Verdict.ts"
import * as RecordingProvider from "./support/RecordingProvider.ts"

const orders = QueueName.makeUnsafe("orders")
const address = QueueAddress.queue(orders)
const dead = QueueAddress.deadLetter(orders)
const sessionId = SessionId.makeUnsafe("s-1")
const wait = Duration.seconds(7)
const { message, secondFails } = RecordingProvider
const receipts = [Receipt.make(dead, "a"), Receipt.make(dead, "b"), Receipt.make(dead, "c")]

/** What a policy saw of one call: its description, and the failures it found in the result. */
interface Seen {
  readonly operation: object
  readonly failures: ReadonlyArray<QueueError.QueueError>
}

/** A policy that writes down every call it wraps. */
const watching = () => {
  const seen: Array<Seen> = []
  const policy: QueueProvider.CallTransform = (call, operation) =>
    Effect.tap(call, (result) =>
      Effect.sync(() => {
        const { failuresOf, ...rest } = operation
        seen.push({ operation: rest, failures: failuresOf(result) })
      })
    )
  return { seen, policy }
}

const setUp = (options: Parameters<typeof RecordingProvider.make>[0] = {}) => {
  const { calls, provider } = RecordingProvider.make(options)
  const { policy, seen } = watching()
  return { calls, provider, seen, wrapped: QueueProvider.transform(provider, "watching", policy) }
}

const accepted = Effect.fnUntraced(function* (
  provider: QueueProvider.Service,
  options: QueueProvider.AcceptOptions
) {
  return Option.getOrThrow(yield* provider.acceptSession(orders, options))
})

/** Every call of the port on a queue: what it is given, and what a policy is told of it. */
const calls: ReadonlyArray<{
  readonly method: string
  readonly call: (
    provider: QueueProvider.Service
  ) => Effect.Effect<unknown, QueueError.QueueError, Scope.Scope>
  readonly given: ReadonlyArray<unknown>
  readonly operation: object
  readonly failures: ReadonlyArray<QueueError.QueueError>
}> = [
  {
    method: "send",
    call: (provider) => provider.send(orders, [message("1"), message("2")]),
    given: [orders, [message("1"), message("2")]],
    operation: { _tag: "Send", address, count: 2, isIdempotent: true },
    failures: [secondFails]
  },
  {
    method: "receive",
    call: (provider) => provider.receive(dead, { max: 3, wait }),
    given: [dead, { max: 3, wait }],
    operation: { _tag: "Receive", address: dead, wait, isIdempotent: true },
    failures: []
  },
  ...([Verdict.complete, Verdict.abandon(wait), Verdict.deadLetter("r")] as const).map(
    (verdict) => ({
      method: "settle",
      call: (provider: QueueProvider.Service) => provider.settle(receipts, verdict),
      given: [receipts, verdict],
      operation: {
        _tag: "Settle",
        address: dead,
        verdict: verdict._tag,
        count: 3,
        isIdempotent: true
      },
      failures: [secondFails]
    })
  ),
  {
    method: "renewLock",
    call: (provider) => provider.renewLock(receipts),
    given: [receipts],
    operation: { _tag: "RenewLock", address: dead, count: 3, isIdempotent: true },
    failures: [secondFails]
  },
  {
    method: "peek",
    call: (provider) => provider.peek(dead, { max: 2, fromSequenceNumber: 5n }),
    given: [dead, { max: 2, fromSequenceNumber: 5n }],
    operation: { _tag: "Peek", address: dead, isIdempotent: true },
    failures: []
  },
  {
    method: "acceptSession",
    call: (provider) => provider.acceptSession(orders, { wait, sessionId }),
    given: [orders, { wait, sessionId }],
    operation: { _tag: "AcceptSession", address, sessionId, wait, isIdempotent: true },
    failures: []
  },
  {
    method: "acceptSession",
    call: (provider) => provider.acceptSession(orders, { wait }),
    given: [orders, { wait }],
    operation: { _tag: "AcceptSession", address, wait, isIdempotent: true },
    failures: []
  }
]

const inSession = { address, sessionId, isIdempotent: true }
const some = RecordingProvider.state

/** Every call of an accepted session. */
const sessionCalls: ReadonlyArray<{
  readonly method: string
  readonly call: (
    provider: QueueProvider.Service
  ) => Effect.Effect<unknown, QueueError.QueueError, Scope.Scope>
  readonly given: ReadonlyArray<unknown>
  readonly operation: object
  readonly failures: ReadonlyArray<QueueError.QueueError>
}> = [
  {
    method: "session.receive",
    call: (provider) =>
      Effect.flatMap(accepted(provider, { wait, sessionId }), (session) =>
        session.receive({ max: 4, wait })
      ),
    given: [{ max: 4, wait }],
    operation: { ...inSession, _tag: "Receive", wait },
    failures: []
  },
  ...([Verdict.complete, Verdict.abandon(), Verdict.deadLetter("r")] as const).map((verdict) => ({
    method: "session.settle",
    call: (provider: QueueProvider.Service) =>
      Effect.flatMap(accepted(provider, { wait, sessionId }), (session) =>
        session.settle(receipts, verdict)
      ),
    given: [receipts, verdict],
    operation: { ...inSession, _tag: "Settle", verdict: verdict._tag, count: 3 },
    failures: [secondFails]
  })),
  {
    method: "session.renewLock",
    call: (provider) =>
      Effect.flatMap(accepted(provider, { wait, sessionId }), (session) => session.renewLock),
    given: [],
    operation: { ...inSession, _tag: "RenewSessionLock" },
    failures: []
  },
  {
    method: "session.state",
    call: (provider) =>
      Effect.flatMap(accepted(provider, { wait, sessionId }), (session) => session.state),
    given: [],
    operation: { ...inSession, _tag: "GetSessionState" },
    failures: []
  },
  {
    method: "session.setState",
    call: (provider) =>
      Effect.flatMap(accepted(provider, { wait, sessionId }), (session) => session.setState(some)),
    given: [some],
    operation: { ...inSession, _tag: "SetSessionState" },
    failures: []
  }
]

describe("transform", () => {
  it.effect("R9.1 depth is wrapped as a look at the queue where the provider tells it", () =>
    Effect.gen(function* () {
      const { calls: made, seen, wrapped } = setUp({ tellsDepth: true })
      const { depth } = wrapped
      assert.deepStrictEqual(yield* depth?.(dead) ?? Effect.undefined, RecordingProvider.depth)
      assert.deepStrictEqual(made, [["depth", dead]])
      const operation = { _tag: "Peek", address: dead, isIdempotent: true }
      assert.deepStrictEqual(seen, [{ operation, failures: [] }])
      assert.isUndefined(setUp().wrapped.depth)
    })
  )

  it.effect("R9.1 depth of a provider that is an instance of a class keeps its instance", () =>
    Effect.gen(function* () {
      const { provider } = RecordingProvider.make({})
      const self = {
        ...provider,
        available: 8,
        depth() {
          return Effect.succeed({ available: this.available, locked: 0, delayed: 0 })
        }
      }
      const { depth } = QueueProvider.mapDepth(self, (call) => call)
      const told = yield* depth?.(address) ?? Effect.undefined
      assert.strictEqual(told?.available, 8)
    })
  )

  it.effect.each(calls)(
    "R6.3 $method is wrapped once, told what it is, and answers what the provider answers",
    Effect.fnUntraced(function* ({ call, failures, given, method, operation }) {
      const bare = setUp()
      const expected = yield* call(bare.provider)
      const { calls: reached, seen, wrapped } = setUp()
      const result = yield* call(wrapped)
      assert.deepStrictEqual(reached, [[method, ...given]])
      assert.deepStrictEqual(seen, [{ operation, failures }])
      if (method !== "acceptSession") assert.deepStrictEqual(result, expected)
    })
  )

  it.effect.each(sessionCalls)(
    "R6.3 R4.2 $method of an accepted session is wrapped once, told what it is",
    Effect.fnUntraced(function* ({ call, failures, given, method, operation }) {
      const expected = yield* call(setUp().provider)
      const { calls: reached, seen, wrapped } = setUp()
      const result = yield* call(wrapped)
      assert.deepStrictEqual(reached, [
        ["acceptSession", orders, { wait, sessionId }],
        [method, ...given]
      ])
      assert.strictEqual(seen.length, 2)
      assert.deepStrictEqual(seen[1], { operation, failures })
      assert.deepStrictEqual(result, expected)
    })
  )

  it("R6.3 the tables above leave no method of the ports out", () => {
    const { provider } = RecordingProvider.make({})
    const effects = Object.entries(provider).filter(
      ([name, member]) => typeof member === "function" && name !== "capabilities"
    )
    const covered = new Set(calls.map(({ method }) => method))
    assert.deepStrictEqual(effects.map(([name]) => name).toSorted(), [...covered].toSorted())
  })

  it.effect(
    "R6.3 the session's facts are passed on, and the tables leave no method of it out",
    () =>
      Effect.gen(function* () {
        const { provider, seen, wrapped } = setUp()
        const bare = yield* accepted(provider, { wait, sessionId })
        const session = yield* accepted(wrapped, { wait, sessionId })
        assert.strictEqual(session.queue, orders)
        assert.strictEqual(session.sessionId, sessionId)
        assert.deepStrictEqual(yield* session.lockedUntil, RecordingProvider.lockedUntil)
        assert.strictEqual(seen.length, 1)
        const covered = new Set(sessionCalls.map(({ method }) => method.slice("session.".length)))
        const all = [...covered, "queue", "sessionId", "lockedUntil"].toSorted()
        assert.deepStrictEqual(Object.keys(session).toSorted(), all)
        assert.deepStrictEqual(Object.keys(bare).toSorted(), all)
      })
  )

  it.effect("R4.2 the session of the provider's choice is told by its own id", () =>
    Effect.gen(function* () {
      const { seen, wrapped } = setUp()
      const session = yield* accepted(wrapped, { wait })
      yield* session.state
      assert.notProperty(seen[0]?.operation, "sessionId")
      assert.propertyVal(seen[1]?.operation, "sessionId", "next")
    })
  )

  it.effect("R4.2 nothing to accept stays None", () =>
    Effect.gen(function* () {
      const { seen, wrapped } = setUp({ acceptsNothing: true })
      const none = yield* wrapped.acceptSession(orders, { wait })
      assert.deepStrictEqual(none, Option.none())
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect.each([
    ["native", true],
    ["emulated", true],
    ["unsupported", false]
  ] as const)(
    "R2.2 a send is idempotent where the broker deduplicates: %s",
    Effect.fnUntraced(function* ([deduplication, isIdempotent]) {
      const { seen, wrapped } = setUp({ deduplication })
      yield* wrapped.send(orders, [message("1")])
      assert.propertyVal(seen[0]?.operation, "isIdempotent", isIdempotent)
    })
  )

  it.effect("R3.9 settling or renewing nothing answers nothing, and calls nobody", () =>
    Effect.gen(function* () {
      const { calls: reached, seen, wrapped } = setUp()
      assert.deepStrictEqual(yield* wrapped.settle([], Verdict.complete), [])
      assert.deepStrictEqual(yield* wrapped.renewLock([]), [])
      assert.deepStrictEqual(reached, [])
      assert.deepStrictEqual(seen, [])
    })
  )

  it("R3.11 name and capabilities are the provider's, and the stack says who is around it", () => {
    const { provider, wrapped } = setUp()
    const { policy } = watching()
    const twice = QueueProvider.transform(wrapped, "outer", policy)
    assert.strictEqual(twice.name, "recording")
    assert.strictEqual(twice.capabilities, provider.capabilities)
    assert.deepStrictEqual(wrapped.stack, ["watching", "recording"])
    assert.deepStrictEqual(twice.stack, ["outer", "watching", "recording"])
    assert.deepStrictEqual(provider.stack, ["recording"])
  })

  it.effect("R6.3 policies nest: the outer one is around the inner one, sessions included", () =>
    Effect.gen(function* () {
      const order: Array<string> = []
      const marking =
        (name: string): QueueProvider.CallTransform =>
        (call, operation) =>
          Effect.sync(() => void order.push(`${name} ${operation._tag}`)).pipe(
            Effect.andThen(call),
            Effect.tap(() => Effect.sync(() => void order.push(`${name} done`)))
          )
      const { provider } = RecordingProvider.make({})
      const inner = QueueProvider.transform(provider, "inner", marking("inner"))
      const outer = QueueProvider.transform(inner, "outer", marking("outer"))
      const session = yield* accepted(outer, { wait, sessionId })
      const around = (tag: Operation.Operation<unknown>["_tag"]) => [
        `outer ${tag}`,
        `inner ${tag}`,
        "inner done",
        "outer done"
      ]
      assert.deepStrictEqual(order, around("AcceptSession"))
      order.length = 0
      yield* session.renewLock
      assert.deepStrictEqual(order, around("RenewSessionLock"))
    })
  )

  it.effect("R6.3 a policy may refuse a call, and then nothing reaches the provider", () =>
    Effect.gen(function* () {
      const open = QueueError.make(new QueueError.QuotaExceeded({ resource: "x", maximum: 1 }))
      const { calls: reached, provider } = RecordingProvider.make({})
      const refusing = QueueProvider.transform(provider, "refusing", () => Effect.fail(open))
      for (const { call } of calls) {
        assert.strictEqual(yield* Effect.flip(Effect.asVoid(call(refusing))), open)
      }
      assert.deepStrictEqual(reached, [])
    })
  )

  it.effect("R6.3 a policy may repeat a call: each try reaches the provider", () =>
    Effect.gen(function* () {
      const { calls: reached, provider } = RecordingProvider.make({})
      const twice: QueueProvider.CallTransform = (call) => Effect.andThen(call, call)
      const repeating = QueueProvider.transform(provider, "twice", twice)
      const outcomes = yield* repeating.send(orders, [message("1")])
      assert.isTrue(outcomes.every(Result.isSuccess))
      assert.deepStrictEqual(
        reached.map(([method]) => method),
        ["send", "send"]
      )
    })
  )
})

describe("layerTransform", () => {
  const base = () => {
    const { calls: reached, provider } = RecordingProvider.make({})
    return { reached, layer: Layer.succeed(QueueProvider.QueueProvider, provider) }
  }

  const stackOf = QueueProvider.QueueProvider.useSync((self) => self.stack)
  const receiving = QueueProvider.QueueProvider.use((self) =>
    self.receive(address, { max: 1, wait })
  )

  it.effect("R6.3 a policy is a layer around the provider below it", () =>
    Effect.gen(function* () {
      const { layer, reached } = base()
      const { policy, seen } = watching()
      const inner = QueueProvider.layerTransform("inner", Effect.succeed(policy))
      const outer = QueueProvider.layerTransform("outer", Effect.succeed(policy))
      const stack = outer.pipe(Layer.provide(inner), Layer.provide(layer))
      const all = yield* Effect.provide(Effect.all([stackOf, receiving]), stack)
      assert.deepStrictEqual(all[0], ["outer", "inner", "recording"])
      assert.strictEqual(seen.length, 2)
      assert.strictEqual(reached.length, 1)
    })
  )

  it.effect("R6.3 the same layer value twice in a chain applies once; stack tells", () =>
    Effect.gen(function* () {
      const { layer } = base()
      const { policy, seen } = watching()
      const same = QueueProvider.layerTransform("same", Effect.succeed(policy))
      const chain = Layer.provide(same, Layer.provide(same, layer))
      const all = yield* Effect.provide(Effect.all([stackOf, receiving]), chain)
      assert.deepStrictEqual(all[0], ["same", "recording"])
      assert.strictEqual(seen.length, 1)
    })
  )

  it.effect("R6.3 two values of one policy apply twice", () =>
    Effect.gen(function* () {
      const { layer } = base()
      const { policy, seen } = watching()
      const one = () => QueueProvider.layerTransform("same", Effect.succeed(policy))
      const chain = Layer.provide(one(), Layer.provide(one(), layer))
      const all = yield* Effect.provide(Effect.all([stackOf, receiving]), chain)
      assert.deepStrictEqual(all[0], ["same", "same", "recording"])
      assert.strictEqual(seen.length, 2)
    })
  )

  it.effect("R6.3 R10.4 what make needs is needed by the layer, and its scope is the layer's", () =>
    Effect.gen(function* () {
      class Limit extends Context.Service<Limit, number>()(
        "@queue-runtime/core/test/QueueProvider.test/Limit"
      ) {}
      const { layer } = base()
      const events: Array<string> = []
      const make = Effect.gen(function* () {
        const limit = yield* Limit
        yield* Effect.acquireRelease(
          Effect.sync(() => void events.push(`made with ${limit}`)),
          () => Effect.sync(() => void events.push("released"))
        )
        const policy: QueueProvider.CallTransform = (call, operation) =>
          Effect.tap(call, () => Effect.sync(() => void events.push(operation._tag)))
        return policy
      })
      const policy = QueueProvider.layerTransform("limited", make)
      const needing: Layer.Layer<QueueProvider.QueueProvider, never, Limit> = Layer.provide(
        policy,
        layer
      )
      yield* receiving.pipe(Effect.provide(needing), Effect.provideService(Limit, 7))
      assert.deepStrictEqual(events, ["made with 7", "Receive", "released"])
    })
  )

  it.effect("R10.1 what make fails with fails the layer, and nothing is called", () =>
    Effect.gen(function* () {
      const { layer, reached } = base()
      const invalid = QueueError.configurationInvalid("retry.attempts", "must be at least 1")
      const policy = QueueProvider.layerTransform("bad", Effect.fail(invalid))
      const used = Effect.provide(receiving, Layer.provide(policy, layer))
      assert.strictEqual(yield* Effect.flip(used), invalid)
      assert.deepStrictEqual(reached, [])
    })
  )
})
