import { assert, describe, it } from "@effect/vitest"
import {
  type Message,
  type QueueAddress,
  QueueError,
  type QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { Deferred, Duration, Effect, Fiber, Option } from "effect"
import { TestClock } from "effect/testing"
import { KeyProviderMemory } from "../src/index.ts"
import { keys, message, seal, session } from "./support.ts"
import * as World from "./support/world.ts"

const { accept, address, all, ordered, orders, putAside, textsOf } = World

/** Longer than a message waits for its key. */
const longLock = { lockDuration: Duration.minutes(5) }

const inSession = (id: string): Message.Stamped => message(id, { id, sessionId: session })

/** Three messages, the second sealed with a key that is not known yet, or plaintext. */
const three = Effect.fnUntraced(function* (
  world: World.World,
  second: "sealed elsewhere" | "plain"
) {
  const other = yield* KeyProviderMemory.make(keys("k2"))
  yield* world.raw.send(ordered, [
    yield* seal(world.keys, "encrypt", inSession("a1")),
    second === "plain" ? inSession("a2") : yield* seal(other, "encrypt", inSession("a2")),
    yield* seal(world.keys, "encrypt", inSession("a3"))
  ])
})

/** Settlements with this verdict fail while they are told to. */
const stubborn =
  (tag: Verdict.Verdict["_tag"], error: () => QueueError.QueueError | undefined) =>
  (provider: QueueProvider.Service): QueueProvider.Service => ({
    ...provider,
    acceptSession: (...args) =>
      Effect.map(
        provider.acceptSession(...args),
        Option.map((held) => ({
          ...held,
          settle: (receipts, verdict) =>
            Effect.suspend(() => {
              const failure = verdict._tag === tag ? error() : undefined
              return failure === undefined ? held.settle(receipts, verdict) : Effect.fail(failure)
            })
        }))
      )
  })

describe("Sealing in sessions", () => {
  it.effect("R8.6 a rejected message lets the next one of its session through", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* three(world, "plain")
      const held = yield* accept(world.sealed)
      assert.deepStrictEqual(textsOf(yield* held.receive(all)), ["a1", "a3"])
      assert.deepStrictEqual(yield* putAside(world, ordered), ["UnencryptedMessage"])
    })
  )

  it.effect("R8.6 R4.1 a missing key stops the session, and nothing overtakes the message", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ queue: longLock })
      yield* three(world, "sealed elsewhere")
      const held = yield* accept(world.sealed)
      const first = yield* held.receive(all)
      assert.deepStrictEqual(textsOf(first), ["a1"])
      const [one] = first
      assert.isDefined(one)
      yield* held.settle([one.receipt], Verdict.complete)
      assert.deepStrictEqual(yield* held.receive(all), [])
      yield* world.keys.replace(keys("k1", "k2"))
      yield* TestClock.adjust("30 seconds")
      const rest = yield* held.receive(all)
      assert.deepStrictEqual(textsOf(rest), ["a2", "a3"])
      assert.deepStrictEqual(
        rest.map(({ deliveryCount }) => deliveryCount),
        [2, 1]
      )
    })
  )

  it.effect("R4.7 nothing is handed out while the message before it cannot be abandoned", () =>
    Effect.gen(function* () {
      let error: QueueError.QueueError | undefined = QueueError.make(new QueueError.Throttled())
      const world = yield* World.make({
        queue: longLock,
        between: stubborn("Abandon", () => error)
      })
      yield* three(world, "sealed elsewhere")
      const held = yield* accept(world.sealed)
      assert.deepStrictEqual(textsOf(yield* held.receive({ ...all, max: 2 })), ["a1"])
      // a3 is what the broker would hand out now: a2 is still in hand.
      const refused = yield* Effect.flip(held.receive(all))
      assert.strictEqual(refused.reason._tag, "Throttled")
      error = undefined
      yield* world.keys.replace(keys("k1", "k2"))
      assert.deepStrictEqual(yield* held.receive(all), [])
      yield* TestClock.adjust("30 seconds")
      assert.deepStrictEqual(textsOf(yield* held.receive(all)), ["a2", "a3"])
    })
  )

  it.effect(
    "R4.7 a dead-lettering that failed is made up for before anything more is received",
    () =>
      Effect.gen(function* () {
        let error: QueueError.QueueError | undefined = QueueError.make(new QueueError.Throttled())
        const world = yield* World.make({ between: stubborn("DeadLetter", () => error) })
        yield* three(world, "plain")
        const held = yield* accept(world.sealed)
        assert.deepStrictEqual(textsOf(yield* held.receive(all)), ["a1", "a3"])
        assert.deepStrictEqual(yield* putAside(world, ordered), [])
        error = undefined
        assert.deepStrictEqual(yield* held.receive(all), [])
        assert.deepStrictEqual(yield* putAside(world, ordered), ["UnencryptedMessage"])
      })
  )

  it.effect("R8.6 a settlement that is over all the same is no debt", () =>
    Effect.gen(function* () {
      for (const reason of [new QueueError.ReceiptExpired(), new QueueError.SettlementUnknown()]) {
        const world = yield* World.make({
          between: stubborn("DeadLetter", () => QueueError.make(reason))
        })
        yield* three(world, "plain")
        const held = yield* accept(world.sealed)
        assert.strictEqual((yield* held.receive(all)).length, 2)
        assert.deepStrictEqual(yield* held.receive(all), [])
      }
    })
  )

  it.effect("R4.2 nothing to accept is None", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const none = yield* world.sealed.acceptSession(ordered, { wait: Duration.zero })
      assert.isTrue(Option.isNone(none))
    })
  )
})

describe("Sealing and interruption", () => {
  /** A broker with sealed messages, and a key service that does not answer. */
  const slow = Effect.fnUntraced(function* (
    to: QueueAddress.QueueAddress["queue"],
    messages: ReadonlyArray<Message.Stamped>
  ) {
    const own = yield* KeyProviderMemory.make(keys("k1"))
    const asked = yield* Deferred.make<void>()
    const sealed = yield* World.makeWith({
      ...own,
      byId: () => Effect.andThen(Deferred.succeed(asked, undefined), Effect.never)
    })
    for (const one of messages) yield* sealed.raw.send(to, [yield* seal(own, "encrypt", one)])
    return { asked, sealed }
  })

  it.effect("R3.3 a caller that goes away while bodies are opened leaves no message locked", () =>
    Effect.gen(function* () {
      const { asked, sealed } = yield* slow(orders, [message("a"), message("b", { id: "m-2" })])
      const fiber = yield* Effect.forkChild(sealed.receive(address, all))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      assert.strictEqual((yield* sealed.raw.receive(address, all)).length, 2)
    })
  )

  it.effect("R3.3 nor one of a session, whose order stays", () =>
    Effect.gen(function* () {
      const { asked, sealed } = yield* slow(ordered, [inSession("a1"), inSession("a2")])
      const held = yield* accept(sealed)
      const fiber = yield* Effect.forkChild(held.receive(all))
      yield* Deferred.await(asked)
      yield* Fiber.interrupt(fiber)
      const again = yield* Effect.forkChild(held.receive(all))
      yield* Effect.yieldNow
      yield* Fiber.interrupt(again)
      const peeked = yield* sealed.raw.peek({ _tag: "Queue", queue: ordered }, { max: 10 })
      assert.deepStrictEqual(
        peeked.map(({ messageId }) => String(messageId)),
        ["a1", "a2"]
      )
      assert.isAbove(peeked[0]?.deliveryCount ?? 0, 1)
    })
  )
})
