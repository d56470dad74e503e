import { assert, describe, it } from "@effect/vitest"
import {
  Arbitrary,
  Config,
  ConfigProvider,
  DateTime,
  Duration,
  Effect,
  Exit,
  Fiber,
  Layer,
  Option,
  References,
  Schema,
  Scope
} from "effect"
import { TestClock } from "effect/testing"
import { Defaults, type QueueError, QueueProvider, SessionId, Verdict } from "@queue-runtime/core"
import { SqliteConfig, SqliteProvider } from "../src/index.ts"
import {
  accept,
  address,
  connect,
  counted,
  dead,
  failure,
  lockDuration,
  made,
  now,
  ordered,
  orders,
  receive,
  seconds,
  send,
  sendOrdered,
  tags,
  temporaryPath
} from "./world.ts"

/** A provider that a test closes itself. */
const closable = Effect.fnUntraced(function* (path: string) {
  const scope = yield* Scope.make()
  const provider = yield* Scope.provide(connect(path), scope)
  return { provider, close: Scope.close(scope, Exit.void) }
})

describe("what outlives its provider", () => {
  it.effect("R3.2 a message with all it carries, its delivery and its place", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const first = yield* closable(path)
      const all = {
        attributes: { "a b": "\u{1f600}\u0000", empty: "" },
        correlationId: "c-\u0000-1",
        contentType: "text/plain",
        sessionId: SessionId.makeUnsafe("s"),
        timeToLive: Duration.minutes(10),
        scheduledAt: DateTime.makeUnsafe(5_000)
      }
      yield* send(first.provider, ["a", "b"], all)
      yield* TestClock.adjust(seconds(5))
      yield* receive(first.provider)
      yield* first.close
      const provider = yield* connect(path)
      assert.deepStrictEqual(yield* receive(provider), [])
      yield* TestClock.adjust(lockDuration)
      const again = yield* receive(provider)
      assert.deepStrictEqual(counted(again), ["a:2", "b:2"])
      const [a] = again
      assert.isDefined(a)
      const { attributes, contentType, correlationId, scheduledAt, sessionId, timeToLive } = a
      assert.deepStrictEqual(
        { attributes, contentType, correlationId, scheduledAt, sessionId, timeToLive },
        all
      )
      assert.strictEqual(DateTime.toEpochMillis(a.firstDeliveredAt), 5_000)
      assert.strictEqual(DateTime.toEpochMillis(a.enqueuedAt), 0)
    })
  )

  it.effect("R3.4 a receipt, as long as its lock holds", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const first = yield* closable(path)
      yield* send(first.provider, ["a"])
      const receipts = (yield* receive(first.provider)).map(({ receipt }) => receipt)
      yield* first.close
      const provider = yield* connect(path)
      assert.deepStrictEqual(tags(yield* provider.settle(receipts, Verdict.complete)), ["ok"])
    })
  )

  it.effect("R7.2 a dead letter, and what is remembered of ids", () =>
    Effect.gen(function* () {
      const path = yield* made({ deduplication: true })
      const first = yield* closable(path)
      yield* send(first.provider, ["a"])
      const receipts = (yield* receive(first.provider)).map(({ receipt }) => receipt)
      yield* first.provider.settle(receipts, Verdict.deadLetter("Bad", "very"))
      yield* first.close
      const provider = yield* connect(path)
      yield* send(provider, ["a"])
      assert.deepStrictEqual(yield* receive(provider), [])
      const [letter] = yield* receive(provider, now, dead)
      assert.deepStrictEqual(letter?.deadLetter, {
        reason: "Bad",
        description: "very",
        source: orders,
        time: DateTime.makeUnsafe(0),
        deliveryCount: 1
      })
    })
  )

  it.effect("R4.2 the state of a session, and not its hold", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const first = yield* closable(path)
      yield* sendOrdered(first.provider, ["a1", "a2"])
      const session = yield* accept(first.provider)
      yield* session.receive({ max: 1, wait: now })
      yield* session.setState(Option.some(new Uint8Array([1, 0, 2])))
      yield* first.close
      assert.match(yield* failure(session.renewLock), /^ConnectionFailed/u)
      const next = yield* accept(yield* connect(path))
      assert.deepStrictEqual(yield* next.state, Option.some(new Uint8Array([1, 0, 2])))
      const taken = yield* next.receive({ max: 9, wait: now })
      assert.deepStrictEqual(counted(taken), ["a1:1", "a2:1"])
    })
  )
})

describe("waiting", () => {
  it.effect("R3.3 another connection's send is seen within the poll interval", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const one = yield* connect(path)
      const other = yield* connect(path)
      const waiting = yield* Effect.forkChild(receive(one, seconds(20)), { startImmediately: true })
      yield* TestClock.adjust(seconds(10))
      yield* send(other, ["a"])
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(SqliteConfig.pollInterval)
      assert.deepStrictEqual(counted(yield* Fiber.join(waiting)), ["a:1"])
    })
  )

  it.effect("R3.3 what is due is delivered at its very time, between two polls", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made(), { pollInterval: "1 hour" })
      const waiting = yield* Effect.forkChild(receive(provider, seconds(20)), {
        startImmediately: true
      })
      yield* send(provider, ["a"], { delay: Duration.millis(1_234) })
      yield* TestClock.adjust(Duration.millis(1_233))
      assert.isUndefined(waiting.pollUnsafe())
      yield* TestClock.adjust(Duration.millis(1))
      assert.deepStrictEqual(counted(yield* Fiber.join(waiting)), ["a:1"])
    })
  )

  it.effect("R3.3 those who wait are served in the order they came", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      const fibers = yield* Effect.forEach([1, 2, 3], () =>
        Effect.forkChild(provider.receive(address, { max: 1, wait: seconds(20) }), {
          startImmediately: true
        })
      )
      yield* send(provider, ["a", "b"])
      yield* TestClock.adjust(seconds(20))
      const received = yield* Effect.forEach(fibers, Fiber.join)
      assert.deepStrictEqual(received.map(counted), [["a:1"], ["b:1"], []])
    })
  )

  it.effect("R3.3 who waits for dead letters is woken by a receive that made one", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made({ deliveriesMax: 1 }), { pollInterval: "1 hour" })
      yield* send(provider, ["a"])
      yield* receive(provider)
      const waiting = yield* Effect.forkChild(receive(provider, seconds(50), dead), {
        startImmediately: true
      })
      yield* TestClock.adjust(lockDuration)
      assert.deepStrictEqual(counted(yield* Fiber.join(waiting)), ["a:2"])
    })
  )

  it.effect("R10.4 closing the provider ends its waits with ConnectionFailed, and no other's", () =>
    Effect.gen(function* () {
      const path = yield* made()
      const one = yield* closable(path)
      const other = yield* connect(path)
      const closing = yield* Effect.forkChild(failure(receive(one.provider, seconds(20))), {
        startImmediately: true
      })
      const waiting = yield* Effect.forkChild(receive(other, seconds(20)), {
        startImmediately: true
      })
      yield* one.close
      assert.match(yield* Fiber.join(closing), /^ConnectionFailed: .* is closed$/u)
      yield* send(other, ["a"])
      assert.deepStrictEqual(counted(yield* Fiber.join(waiting)), ["a:1"])
      assert.match(yield* failure(send(one.provider, ["b"])), /^ConnectionFailed/u)
    })
  )

  it.effect("R4.3 a holder who waits beyond its lock is told", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      yield* sendOrdered(provider, ["a1"])
      const session = yield* accept(provider)
      yield* session.receive({ max: 1, wait: now })
      const waiting = yield* Effect.forkChild(
        failure(session.receive({ max: 1, wait: seconds(50) })),
        { startImmediately: true }
      )
      yield* TestClock.adjust(lockDuration)
      assert.match(yield* Fiber.join(waiting), /^SessionLockLost/u)
    })
  )
})

const Command = Schema.Union([
  Schema.TaggedStruct("Send", {}),
  Schema.TaggedStruct("Receive", {
    from: Schema.Literals(["queue", "session"]),
    waits: Schema.Boolean
  }),
  Schema.TaggedStruct("Interrupt", { which: Schema.Literals([0, 1, 2, 3]) }),
  Schema.TaggedStruct("Yield", {})
])

describe("interruption", () => {
  it.effect.prop(
    "R3.3 at any moment it leaves no message and no session locked, and counts nothing",
    {
      commands: Arbitrary.array(Arbitrary.schema(Command), { minLength: 5, maxLength: 30 }),
      // From a pause after nearly every step of a fiber to the usual long runs.
      opsBeforeYield: Arbitrary.schema(Schema.Literals([3, 4, 5, 7, 2_048]))
    },
    ({ commands, opsBeforeYield }) =>
      Effect.gen(function* () {
        const provider = yield* connect(yield* made(), { synchronous: "normal" })
        const seen: Array<string> = []
        const fibers: Array<Fiber.Fiber<void, QueueError.QueueError>> = []
        let sent = 0
        for (const command of commands) {
          switch (command._tag) {
            case "Send": {
              const id = sent++
              yield* send(provider, [`m${id}`])
              yield* sendOrdered(provider, [`${"abc"[id % 3]}${id}`])
              break
            }
            case "Receive": {
              const wait = seconds(command.waits ? 20 : 0)
              const fromSession = Effect.gen(function* () {
                const session = yield* provider.acceptSession(ordered, { wait })
                if (Option.isNone(session)) return []
                return yield* session.value.receive({ max: 2, wait })
              }).pipe(Effect.scoped)
              const fromQueue = Effect.map(
                provider.receive(address, { max: 2, wait }),
                (messages) => seen.push(...counted(messages))
              )
              const call = command.from === "queue" ? fromQueue : Effect.asVoid(fromSession)
              fibers.push(yield* Effect.forkChild(call))
              break
            }
            case "Interrupt":
              fibers.at(-1 - command.which)?.interruptUnsafe()
              break
            default:
              yield* Effect.yieldNow
          }
        }
        yield* Effect.yieldNow
        for (const fiber of fibers) yield* Fiber.interrupt(fiber)
        // What nobody saw is there at once, as if it had never been delivered.
        const rest = yield* provider.receive(address, { max: 100, wait: now })
        const all = [...seen, ...counted(rest)].toSorted()
        assert.deepStrictEqual(all, Array.from({ length: sent }, (_, id) => `m${id}:1`).toSorted())
        const sessions: Array<string> = []
        while (true) {
          const session = yield* provider.acceptSession(ordered, { wait: now })
          if (Option.isNone(session)) break
          sessions.push(...counted(yield* session.value.receive({ max: 100, wait: now })))
        }
        const each = Array.from({ length: sent }, (_, id) => `${"abc"[id % 3]}${id}:1`)
        assert.deepStrictEqual(sessions.toSorted(), each.toSorted())
      }).pipe(Effect.scoped, Effect.provideService(References.MaxOpsBeforeYield, opsBeforeYield)),
    { arbitrary: { runs: 60, seed: 11 } }
  )
})

describe("time", () => {
  it.effect("R3.1 a clock that was set back shortens no lock", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      yield* TestClock.setTime(60_000)
      yield* send(provider, ["a"])
      const [a] = yield* receive(provider)
      assert.isDefined(a)
      yield* TestClock.setTime(50_000)
      const [renewed] = yield* provider.renewLock([a.receipt])
      assert.isDefined(renewed)
      const until = yield* Effect.fromResult(renewed)
      assert.strictEqual(DateTime.toEpochMillis(until), DateTime.toEpochMillis(a.lockedUntil))
    })
  )

  it.effect("R3.8 the longest delay that a message may have is kept", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      const delay = Defaults.messageDurationMax
      assert.deepStrictEqual(tags(yield* send(provider, ["a"], { delay })), ["ok"])
      assert.deepStrictEqual(yield* receive(provider), [])
      const [peeked] = yield* provider.peek(address, { max: 1 })
      assert.isDefined(peeked?.scheduledAt)
    })
  )

  it.effect("R3.1 peeking from a number beyond all numbers shows nothing", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      yield* send(provider, ["a"])
      const from = (fromSequenceNumber: bigint) =>
        Effect.map(provider.peek(address, { max: 9, fromSequenceNumber }), ({ length }) => length)
      assert.strictEqual(yield* from(-(2n ** 70n)), 1)
      assert.strictEqual(yield* from(2n ** 70n), 0)
    })
  )
})

describe("limits", () => {
  it.effect("R4.2 a session's state is bounded, and the old one stays", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      yield* sendOrdered(provider, ["a1"])
      const session = yield* accept(provider)
      const largest = new Uint8Array(SqliteConfig.sessionStateSizeMax)
      yield* session.setState(Option.some(largest))
      const over = new Uint8Array(largest.length + 1)
      assert.match(
        yield* failure(session.setState(Option.some(over))),
        /^ValidationFailed: state: must have at most 262144 bytes; got 262145$/u
      )
      assert.deepStrictEqual(yield* session.state, Option.some(largest))
      yield* session.setState(Option.none())
      assert.deepStrictEqual(yield* session.state, Option.none())
    })
  )

  it.effect("R3.6 a dead letter is dead-lettered no further, and stays in hand", () =>
    Effect.gen(function* () {
      const provider = yield* connect(yield* made())
      yield* send(provider, ["a"])
      const [a] = yield* receive(provider)
      assert.isDefined(a)
      yield* provider.settle([a.receipt], Verdict.deadLetter("Bad"))
      const [letter] = yield* receive(provider, now, dead)
      assert.isDefined(letter)
      const again = yield* provider.settle([letter.receipt], Verdict.deadLetter("Worse"))
      assert.deepStrictEqual(tags(again), ["UnsupportedOperation"])
      const done = yield* provider.settle([letter.receipt], Verdict.complete)
      assert.deepStrictEqual(tags(done), ["ok"])
    })
  )
})

describe("layerConfig", () => {
  const layer = SqliteProvider.layerConfig({ path: Config.String("QUEUES_FILE") })
  const name = QueueProvider.QueueProvider.useSync((self) => self.name)
  const withFile = (settings: object) =>
    Effect.provide(
      name,
      Layer.provide(layer, ConfigProvider.layer(ConfigProvider.fromUnknown(settings)))
    )

  it.effect("R10.1 reads its options, and says what it cannot read", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* withFile({ QUEUES_FILE: yield* temporaryPath }), "sqlite")
      assert.match(yield* failure(withFile({})), /^ConfigurationInvalid: .*QUEUES_FILE/su)
    })
  )
})
