import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Random from "effect/Random"
import { type ReceivedMessage, SessionId, Verdict } from "@queue-runtime/core"
import { socketOf } from "../src/internal/inside.ts"
import {
  accept,
  address,
  connect,
  deadLetters,
  ids,
  inSession,
  message,
  numbered,
  open,
  ordered,
  plain,
  receive,
  sdk,
  seconds,
  send,
  settle,
  tags
} from "./world.ts"

const together = { concurrency: "unbounded" } as const

const millis = <E>(effect: Effect.Effect<unknown, E>) =>
  Effect.flatMap(Clock.currentTimeMillis, (before) =>
    Effect.flatMap(effect, () => Effect.map(Clock.currentTimeMillis, (after) => after - before))
  )

const fates = ["complete", "abandon", "deadLetter"] as const

/** What becomes of a message, drawn once. */
const drawn = (all: ReadonlyArray<string>) =>
  Effect.map(
    Random.withSeed(
      Effect.forEach(all, (id) =>
        Effect.map(Random.nextIntBetween(0, 3), (n) => [id, fates[n % 3] ?? "complete"] as const)
      ),
      "settlements"
    ),
    (pairs) => new Map(pairs)
  )

describe("the traps of the SDK (SERVICEBUS.md §5)", () => {
  it.live(
    "R3.2 §5.1 of 1,000 deliveries settled at random none is lost and each reason is its own",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
        const all = numbered(1_000)
        const fateOf = yield* drawn(all)
        yield* send(provider, all)
        const verdictOf = (one: ReceivedMessage.ReceivedMessage): Verdict.Verdict => {
          if (one.deliveryCount > 1) return Verdict.complete
          const fate = fateOf.get(one.messageId)
          if (fate === "abandon") return Verdict.abandon()
          return fate === "deadLetter"
            ? Verdict.deadLetter(`reason of ${one.messageId}`)
            : Verdict.complete
        }
        const second: Array<string> = []
        let seen = 0
        const abandoned = all.filter((id) => fateOf.get(id) === "abandon")
        while (seen < all.length + abandoned.length) {
          const some = yield* provider.receive(address, { max: 20, wait: seconds(2) })
          if (some.length === 0) break
          seen += some.length
          second.push(...ids(some.filter(({ deliveryCount }) => deliveryCount > 1)))
          const outcomes = yield* Effect.forEach(
            some,
            (one) => settle(provider, one, verdictOf(one)),
            together
          )
          assert.deepStrictEqual(new Set(outcomes), new Set(["ok"]))
        }
        assert.deepStrictEqual(second.toSorted(), abandoned.toSorted())
        const dead = all.filter((id) => fateOf.get(id) === "deadLetter")
        const letters = yield* receive(provider, dead.length, deadLetters)
        assert.deepStrictEqual(ids(letters).toSorted(), dead.toSorted())
        for (const { deadLetter, messageId } of letters) {
          assert.strictEqual(deadLetter?.reason, `reason of ${messageId}`)
        }
        const { active, locked } = yield* emulator.inspect(plain)
        assert.deepStrictEqual({ active, locked }, { active: 0, locked: 0 })
      }),
    60_000
  )

  it.live(
    "§5.2 a message held for ever does not stop 10,000 others",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open({ queue: { lockDuration: "5 minutes" } })
        yield* send(provider, ["held"])
        const [held] = yield* receive(provider, 1)
        const all = numbered(10_000)
        yield* send(provider, all)
        const seen = new Set<string>()
        while (seen.size < all.length) {
          const some = yield* provider.receive(address, { max: 200, wait: seconds(3) })
          if (some.length === 0) break
          for (const { messageId } of some) seen.add(messageId)
          const outcomes = yield* provider.settle(
            some.map(({ receipt }) => receipt),
            Verdict.complete
          )
          assert.deepStrictEqual(new Set(tags(outcomes)), new Set(["ok"]))
        }
        assert.strictEqual(seen.size, all.length)
        const links = (yield* emulator.connections).flatMap((one) => one.links)
        assert.isAtMost(links.filter(({ role }) => role === "receiver").length, 12)
        assert.isDefined(held)
        assert.strictEqual(held === undefined ? "" : yield* settle(provider, held), "ok")
        const { active, locked } = yield* emulator.inspect(plain)
        assert.deepStrictEqual({ active, locked }, { active: 0, locked: 0 })
      }),
    90_000
  )

  it.live("§5.3 the socket sends small frames at once, after a lost connection too", () =>
    Effect.gen(function* () {
      const { client, emulator, provider } = yield* open()
      yield* send(provider, ["a"])
      const first = socketOf(sdk(client))
      assert.isObject(first)
      const roundTrip = millis(provider.peek(address, { max: 1 }))
      yield* roundTrip
      const times = yield* Effect.forEach(numbered(5), () => roundTrip)
      assert.isBelow(Math.min(...times), 20)
      yield* emulator.dropConnections
      yield* Effect.retry(send(provider, ["b"]), { times: 5 })
      assert.notStrictEqual(socketOf(sdk(client)), first)
      yield* roundTrip
      const again = yield* Effect.forEach(numbered(5), () => roundTrip)
      assert.isBelow(Math.min(...again), 20)
    })
  )

  it.live("§5.4 two messages of one id keep each its own lock", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      yield* send(provider, ["same", "same"])
      const [first, second] = yield* receive(provider, 2)
      assert.isDefined(first)
      assert.isDefined(second)
      if (first === undefined || second === undefined) return
      assert.strictEqual(yield* settle(provider, first), "ok")
      const locks = Effect.map(emulator.inspect(plain), ({ messages }) =>
        messages.map(({ lockedUntil = 0 }) => lockedUntil)
      )
      const [before = 0, ...others] = yield* locks
      assert.deepStrictEqual(others, [])
      yield* Effect.sleep(500)
      assert.deepStrictEqual(tags(yield* provider.renewLock([second.receipt])), ["ok"])
      const [after = 0] = yield* locks
      assert.isAtLeast(after - before, 400)
      assert.strictEqual(yield* settle(provider, second), "ok")
    })
  )

  it.live("R3.3 §5.4 an interrupted accept ends at once and leaves no session behind", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const other = yield* connect(emulator)
      const waiting = yield* Effect.forkChild(
        Effect.scoped(provider.acceptSession(ordered, { wait: seconds(20) })),
        { startImmediately: true }
      )
      yield* Effect.sleep(300)
      assert.isBelow(yield* millis(Fiber.interrupt(waiting)), 50)
      yield* send(provider, ["a1"], inSession("A"))
      const granted = yield* other.provider.acceptSession(ordered, { wait: seconds(5) })
      assert.strictEqual(Option.getOrThrow(granted).sessionId, SessionId.makeUnsafe("A"))
      const [a1] = yield* Option.getOrThrow(granted).receive({ max: 1, wait: seconds(5) })
      assert.strictEqual(a1?.deliveryCount, 1)
    })
  )

  it.live("R3.3 §5.4 an interrupted receive ends at once and leaves no message locked", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "5 minutes" } })
      const other = yield* connect(emulator)
      for (const id of numbered(10)) {
        const waiting = yield* Effect.forkChild(
          provider.receive(address, { max: 10, wait: seconds(20) }),
          { startImmediately: true }
        )
        yield* Effect.sleep(60)
        const sending = yield* Effect.forkChild(send(other.provider, [id]), {
          startImmediately: true
        })
        assert.isBelow(yield* millis(Fiber.interrupt(waiting)), 50)
        yield* Fiber.join(sending)
        const exit = waiting.pollUnsafe()
        const got = exit?._tag === "Success" ? exit.value : yield* receive(other.provider, 1)
        assert.deepStrictEqual(ids(got), [id])
        const by = exit?._tag === "Success" ? provider : other.provider
        for (const one of got) assert.strictEqual(yield* settle(by, one), "ok")
      }
      assert.strictEqual((yield* emulator.inspect(plain)).locked, 0)
    })
  )

  it.live(
    "R3.10 §5.4 5,000 single sends side by side are all taken, and soon",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open()
        const all = numbered(5_000)
        const sends = Effect.forEach(
          all,
          (id) => Effect.map(provider.send(plain, [message(id)]), (outcomes) => tags(outcomes)[0]),
          together
        )
        const start = yield* Clock.currentTimeMillis
        const outcomes = yield* sends
        const took = (yield* Clock.currentTimeMillis) - start
        assert.deepStrictEqual(new Set(outcomes), new Set(["ok"]))
        assert.strictEqual((yield* emulator.inspect(plain)).active, all.length)
        assert.isBelow(took, 15_000)
      }),
    60_000
  )

  it.live("R3.9 §5.4 a call larger than a batch of the link is cut, in order", () =>
    Effect.gen(function* () {
      const { provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      const body = "x".repeat(20_000)
      const all = numbered(40, "a")
      const outcomes = yield* provider.send(
        ordered,
        all.map((id) => message(id, { ...inSession("A"), attributes: { body } }))
      )
      assert.deepStrictEqual(new Set(tags(outcomes)), new Set(["ok"]))
      const session = yield* accept(provider, "A")
      const seen: Array<string> = []
      while (seen.length < all.length) {
        const some = yield* session.receive({ max: 40, wait: seconds(2) })
        if (some.length === 0) break
        seen.push(...ids(some))
        yield* session.settle(
          some.map(({ receipt }) => receipt),
          Verdict.complete
        )
      }
      assert.deepStrictEqual(seen, all)
    })
  )

  it.live(
    "R6.1 §5.4 the SDK makes one attempt, and what failed is repeated by its lock token",
    () =>
      Effect.gen(function* () {
        const { emulator, provider } = yield* open()
        yield* send(provider, ["a"])
        const [a] = yield* receive(provider, 1)
        assert.isDefined(a)
        if (a === undefined) return
        const busy = Effect.scoped(
          Effect.gen(function* () {
            yield* emulator.inject({
              operation: "Settle",
              fault: { _tag: "Refuse", condition: "com.microsoft:server-busy" }
            })
            const before = (yield* emulator.calls)["Settle"] ?? 0
            const [outcome] = yield* provider.settle([a.receipt], Verdict.complete)
            assert.strictEqual(((yield* emulator.calls)["Settle"] ?? 0) - before, 1)
            return outcome
          })
        )
        const outcome = yield* busy
        assert.deepStrictEqual(outcome === undefined ? [] : tags([outcome]), ["Throttled"])
        assert.strictEqual(yield* settle(provider, a), "ok")
        assert.strictEqual((yield* emulator.inspect(plain)).locked, 0)
      })
  )

  it.live("R3.12 §5.4 a session of a queue that is missing or has none is not SessionLocked", () =>
    Effect.gen(function* () {
      const options = { ordered: { sessions: true, path: "missing" } }
      const { provider } = yield* open({ provider: { queues: options } })
      for (const which of [{ sessionId: SessionId.makeUnsafe("A") }, {}]) {
        const call = provider.acceptSession(ordered, { ...which, wait: Duration.zero })
        const error = yield* Effect.flip(Effect.scoped(call))
        assert.strictEqual(error.reason._tag, "QueueNotFound")
      }
      const wrong = { ordered: { sessions: true, path: "plain" } }
      const mistaken = yield* open({ provider: { queues: wrong } })
      const call = mistaken.provider.acceptSession(ordered, { wait: Duration.zero })
      const error = yield* Effect.flip(Effect.scoped(call))
      assert.strictEqual(error.reason._tag, "UnsupportedOperation")
    })
  )
})
