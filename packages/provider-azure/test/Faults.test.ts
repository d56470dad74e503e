import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Logger from "effect/Logger"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Scope from "effect/Scope"
import { Message, MessageId, Outcome, QueueError, Verdict } from "@queue-runtime/core"
import type { AzureClient } from "../src/index.ts"
import {
  accept,
  address,
  connect,
  ids,
  inSession,
  message as stamped,
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

/** What a worker does with a transient failure. */
const riding = <A, R>(effect: Effect.Effect<A, QueueError.QueueError, R>) =>
  Effect.retry(effect, {
    schedule: Schedule.spaced("100 millis"),
    times: 100,
    while: QueueError.isTransient
  })

const count = (value: unknown, key: string): number =>
  Predicate.hasProperty(value, key) && Predicate.isObject(value[key])
    ? Object.keys(value[key]).length
    : 0

/** What the SDK keeps of links, on a connection. */
const kept = (client: AzureClient.Service): number => {
  const inside: unknown = Object.entries(sdk(client)).find(
    ([name]) => name === "_connectionContext"
  )?.[1]
  return (
    count(inside, "messageReceivers") + count(inside, "senders") + count(inside, "messageSessions")
  )
}

describe("faults of the service", () => {
  it.live("R5.4 a waiting receive outlives lost connections", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const other = yield* connect(emulator)
      const call = yield* Effect.forkChild(
        riding(provider.receive(address, { max: 1, wait: seconds(20) })),
        { startImmediately: true }
      )
      for (const _ of numbered(3)) {
        yield* Effect.sleep(200)
        yield* emulator.dropConnections
      }
      yield* Effect.sleep(200)
      yield* riding(send(other.provider, ["a"]))
      const received = yield* Fiber.join(call)
      assert.deepStrictEqual(ids(received), ["a"])
      assert.strictEqual(yield* settle(provider, received[0] ?? assert.fail()), "ok")
    })
  )

  it.live("R5.4 a restart of the service is ridden out, and what was in hand can be settled", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["a", "b"])
      const [a, b] = yield* receive(provider, 2)
      yield* emulator.stop
      const down = yield* Effect.flip(provider.receive(address, { max: 1, wait: seconds(1) }))
      assert.strictEqual(down.reason._tag, "ConnectionFailed")
      assert.strictEqual(down.retry, "Transient")
      yield* emulator.start
      yield* riding(send(provider, ["c"]))
      for (const one of [a, b]) {
        if (one === undefined) return assert.fail("two messages were sent")
        assert.strictEqual(yield* settle(provider, one), "ok")
      }
      assert.deepStrictEqual(ids(yield* riding(receive(provider, 1))), ["c"])
      const { active, locked } = yield* emulator.inspect(plain)
      assert.deepStrictEqual({ active, locked }, { active: 0, locked: 1 })
    })
  )

  it.live("R1.7 what the service alone finds too large is named by its place in the call", () =>
    Effect.gen(function* () {
      // The queue takes less than the provider was told.
      const { emulator, provider } = yield* open({ queue: { messageBytesMax: 2_000 } })
      const large = yield* Message.bytes(new Uint8Array(3_000))
      const all = ["a", "b", "d"].map((id) => stamped(id))
      const messages = all.toSpliced(2, 0, Message.stamp(large, MessageId.makeUnsafe("c")))
      const outcomes = yield* provider.send(plain, messages)
      const named = outcomes.map((one) =>
        Result.isFailure(one) ? QueueError.indexOf(one.failure) : "sent"
      )
      assert.deepStrictEqual(named, ["sent", "sent", 2, 2])
      assert.deepInclude(Outcome.failures(outcomes)[0]?.reason, { _tag: "MessageTooLarge" })
      assert.strictEqual((yield* emulator.inspect(plain)).active, 2)
    })
  )

  for (const applied of [true, false]) {
    it.live(
      `R3.2 a connection cut in mid-settlement loses nothing (${applied ? "after" : "before"} it took effect)`,
      () =>
        Effect.gen(function* () {
          const { emulator, provider } = yield* open()
          const all = numbered(20)
          yield* send(provider, all)
          const received = yield* receive(provider, all.length)
          yield* emulator.inject({
            operation: "Settle",
            times: 1,
            fault: { _tag: "DropConnection", applied }
          })
          const receipts = received.map(({ receipt }) => receipt)
          const outcomes = yield* provider.settle(receipts, Verdict.complete)
          const again = yield* riding(
            Effect.map(
              provider.settle(
                receipts.filter((_, index) => tags(outcomes)[index] !== "ok"),
                Verdict.complete
              ),
              tags
            )
          )
          assert.isTrue(again.every((tag) => tag === "ok" || tag === "ReceiptExpired"))
          assert.isTrue(again.includes(applied ? "ReceiptExpired" : "ok"))
          yield* emulator.expireLocks(plain)
          const left = yield* provider.receive(address, { max: 20, wait: Duration.zero })
          assert.deepStrictEqual(ids(left), [])
        })
    )
  }

  it.live("R5.4 links that the service detaches are opened again", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const wait = { max: 1, wait: seconds(10) }
      for (const condition of ["amqp:link:detach-forced", "amqp:unauthorized-access"]) {
        for (const id of ["a", "b"]) {
          const call = yield* Effect.forkChild(riding(provider.receive(address, wait)), {
            startImmediately: true
          })
          yield* Effect.sleep(200)
          const description = "The token is expired."
          yield* emulator.dropLinks(plain, { condition, description })
          yield* riding(send(provider, [id]))
          const received = yield* Fiber.join(call)
          assert.deepStrictEqual(ids(received), [id])
          assert.strictEqual(yield* settle(provider, received[0] ?? assert.fail()), "ok")
        }
      }
    })
  )

  it.live("R3.2 what was received over a detached link is settled by its lock token", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      yield* send(provider, ["a", "b", "c"])
      const [a, b, c] = yield* receive(provider, 3)
      if (a === undefined || b === undefined || c === undefined) return assert.fail("three")
      yield* emulator.dropLinks(plain)
      yield* Effect.sleep(100)
      const verdicts = [Verdict.complete, Verdict.abandon(), Verdict.deadLetter("Bad", "very")]
      const outcomes = yield* Effect.forEach(
        [a, b, c],
        (one, index) => settle(provider, one, verdicts[index]),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(outcomes, ["ok", "ok", "ok"])
      const { active, deadLettered, locked } = yield* emulator.inspect(plain)
      assert.deepStrictEqual(
        { active, deadLettered, locked },
        { active: 1, deadLettered: 1, locked: 0 }
      )
    })
  )

  it.live("a token that is refused once is a failure that passes", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      yield* emulator.inject({
        operation: "Token",
        times: 1,
        fault: {
          _tag: "Refuse",
          condition: "amqp:unauthorized-access",
          description: "InvalidSignature: The token has an invalid signature."
        }
      })
      const error = yield* Effect.flip(send(provider, ["a"]))
      assert.strictEqual(error.reason._tag, "AuthenticationFailed")
      yield* send(provider, ["a"])
      assert.deepStrictEqual(ids(yield* receive(provider, 1)), ["a"])
    })
  )

  it.live("R2.2 throttling is Throttled, and says when to try again", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      const description = "The request was terminated. Please wait 4 seconds and try again."
      yield* emulator.inject({
        operation: "Send",
        times: 1,
        fault: { _tag: "Refuse", condition: "com.microsoft:server-busy", description }
      })
      const error = yield* Effect.flip(send(provider, ["a"]))
      assert.strictEqual(error.reason._tag, "Throttled")
      assert.strictEqual(error.retry, "Transient")
      assert.deepStrictEqual(error.retryAfter, seconds(4))
    })
  )

  it.live("R10.6 a settlement that is never answered is Timeout, and its message is not lost", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ provider: { requestTimeout: "500 millis" } })
      yield* send(provider, ["a"])
      const [a] = yield* receive(provider, 1)
      if (a === undefined) return assert.fail("a was sent")
      yield* emulator.inject({ operation: "Settle", times: 1, fault: { _tag: "Swallow" } })
      assert.strictEqual(yield* settle(provider, a), "Timeout")
      assert.strictEqual(yield* settle(provider, a), "ok")
    })
  )

  it.live("R10.6 a link that is never attached is Timeout, and the next call has another", () =>
    Effect.gen(function* () {
      const timeouts = { connectTimeout: "700 millis", requestTimeout: "500 millis" } as const
      const { emulator, provider } = yield* open({ provider: timeouts })
      yield* send(provider, ["a"])
      const one = { max: 1, wait: seconds(5) }
      const error = yield* Effect.scoped(
        Effect.gen(function* () {
          yield* emulator.inject({ operation: "Attach", fault: { _tag: "Swallow" } })
          return yield* Effect.flip(provider.receive(address, one))
        })
      )
      assert.strictEqual(error.reason._tag, "Timeout")
      const [a] = yield* riding(provider.receive(address, one))
      assert.strictEqual(a?.messageId, "a")
    })
  )

  it.live("a receiver gone silent beside a backlog is rebuilt, and rarely", () => {
    const warnings: Array<unknown> = []
    const logger = Logger.make(({ message }) => warnings.push(message))
    return Effect.gen(function* () {
      const watchful = { watchdogInterval: "500 millis" } as const
      const { emulator, provider } = yield* open({
        provider: { ...watchful },
        queue: { lockDuration: "1 minute" }
      })
      const wait = { max: 1, wait: seconds(15) }
      const call = yield* Effect.forkChild(provider.receive(address, wait), {
        startImmediately: true
      })
      yield* Effect.sleep(300)
      assert.isAbove(yield* emulator.silence(plain), 0)
      yield* send(provider, ["a", "b"])
      const received = yield* Fiber.join(call)
      assert.deepStrictEqual(ids(received), ["a"])
      const next = yield* provider.receive(address, wait)
      assert.deepStrictEqual(ids(next), ["b"])
      // Within the interval of rebuilds the messages still come, over links of their own.
      const again = yield* Effect.forkChild(provider.receive(address, wait), {
        startImmediately: true
      })
      yield* Effect.sleep(300)
      yield* emulator.silence(plain)
      yield* send(provider, ["c"])
      assert.deepStrictEqual(ids(yield* Fiber.join(again)), ["c"])
      const rebuilt = "a receiver was silent beside a backlog; its links were rebuilt"
      assert.deepStrictEqual(warnings.flat(), [rebuilt])
    }).pipe(Effect.provide(Logger.layer([logger])))
  })

  it.live("a backlog that others have locked rebuilds nothing", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({
        provider: { watchdogInterval: "300 millis" },
        queue: { lockDuration: "1 minute" }
      })
      const other = yield* connect(emulator)
      yield* send(provider, ["a"])
      yield* receive(other.provider, 1)
      const before = (yield* emulator.calls)["Management"] ?? 0
      const none = yield* provider.receive(address, { max: 1, wait: seconds(2) })
      assert.deepStrictEqual(none, [])
      assert.isAbove((yield* emulator.calls)["Management"] ?? 0, before)
      yield* Effect.sleep(300)
      const links = (yield* emulator.connections).flatMap((one) => one.links)
      const receivers = links.filter(({ address: at, role }) => role === "receiver" && at === plain)
      assert.isAtMost(receivers.length, 4)
    })
  )

  it.live("R4.3 a session is lost with its connection, and the next holder has all of it", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      yield* send(provider, ["a1", "a2", "a3"], inSession("A"))
      const session = yield* accept(provider, "A")
      const [a1] = yield* session.receive({ max: 2, wait: seconds(5) })
      if (a1 === undefined) return assert.fail("a1 was sent")
      assert.strictEqual(yield* settle(session, a1), "ok")
      const waiting = yield* Effect.forkChild(
        Effect.flip(Effect.forever(session.receive({ max: 1, wait: seconds(4) }))),
        { startImmediately: true }
      )
      yield* Effect.sleep(100)
      yield* emulator.dropConnections
      const lost = yield* Fiber.join(waiting)
      assert.include(["SessionLockLost", "ConnectionFailed"], lost.reason._tag)
      const late = yield* Effect.flip(session.receive({ max: 1, wait: Duration.zero }))
      assert.strictEqual(late.reason._tag, "SessionLockLost")
      const again = yield* riding(accept(provider, "A"))
      const rest = yield* again.receive({ max: 5, wait: seconds(5) })
      assert.deepStrictEqual(ids(rest), ["a2", "a3"])
    })
  )

  it.live("R4.3 its holder is told that a session is lost with its connection", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "5 minutes" } })
      const { lost = Effect.never } = yield* accept(provider, "A")
      const told = yield* Effect.forkChild(lost, { startImmediately: true })
      yield* emulator.dropConnections
      const error = yield* Effect.timeout(Fiber.join(told), "10 seconds")
      assert.strictEqual(error.reason._tag, "SessionLockLost")
      assert.strictEqual((yield* lost).reason._tag, "SessionLockLost")
    })
  )
  it.live("R4.3 its holder is told that the service has taken a session back", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "5 minutes" } })
      yield* send(provider, ["a1"], inSession("A"))
      const session = yield* accept(provider, "A")
      const { lost = Effect.never } = session
      yield* session.receive({ max: 1, wait: seconds(5) })
      const told = yield* Effect.forkChild(lost, { startImmediately: true })
      assert.isTrue(yield* emulator.expireSession(ordered, "A"))
      const error = yield* Effect.timeout(Fiber.join(told), "10 seconds")
      assert.strictEqual(error.reason._tag, "SessionLockLost")
    })
  )
  it.live("R4.3 a session whose lock the service ends is lost while it waits", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["a1"], inSession("A"))
      const session = yield* accept(provider, "A")
      const [a1] = yield* session.receive({ max: 1, wait: seconds(5) })
      if (a1 === undefined) return assert.fail("a1 was sent")
      const waiting = yield* Effect.forkChild(
        Effect.flip(Effect.forever(session.receive({ max: 1, wait: seconds(4) }))),
        { startImmediately: true }
      )
      yield* Effect.sleep(200)
      assert.isTrue(yield* emulator.expireSession(ordered, "A"))
      const lost = yield* Fiber.join(waiting)
      assert.strictEqual(lost.reason._tag, "SessionLockLost")
      assert.strictEqual(yield* settle(provider, a1), "ReceiptExpired")
    })
  )

  it.live(
    "R10.7 50 lost connections leave no links and no connections behind",
    () =>
      Effect.gen(function* () {
        const { client, emulator, provider } = yield* open()
        const round = Effect.fnUntraced(function* (id: string) {
          yield* riding(send(provider, [id]))
          const [one] = yield* riding(provider.receive(address, { max: 1, wait: seconds(5) }))
          if (one !== undefined) yield* Effect.ignore(settle(provider, one))
          const waiting = yield* Effect.forkChild(
            Effect.result(provider.receive(address, { max: 1, wait: seconds(5) })),
            { startImmediately: true }
          )
          yield* Effect.sleep(30)
          yield* emulator.dropConnections
          yield* Fiber.interrupt(waiting)
        })
        for (const id of numbered(5)) yield* round(id)
        const before = kept(client)
        for (const id of numbered(50)) yield* round(id)
        yield* riding(send(provider, ["last"]))
        yield* riding(provider.receive(address, { max: 200, wait: seconds(1) }))
        yield* Effect.sleep(500)
        assert.isAtMost(kept(client), before + 3)
        const connections = yield* emulator.connections
        assert.strictEqual(connections.length, 1)
      }),
    60_000
  )

  it.live("R5.3 closing gives back what is held, in hand for nobody or waiting for its delay", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "5 minutes" } })
      const scope = yield* Scope.make()
      const other = yield* Scope.provide(connect(emulator), scope)
      yield* send(provider, ["a"])
      const [a] = yield* receive(other.provider, 1)
      if (a === undefined) return assert.fail("a was sent")
      assert.strictEqual(yield* settle(other.provider, a, Verdict.abandon(seconds(60))), "ok")
      yield* send(provider, ["s1"], inSession("S"))
      yield* Scope.provide(accept(other.provider, "S"), scope)
      yield* Scope.close(scope, Exit.void)
      const [again] = yield* receive(provider, 1)
      assert.strictEqual(again?.deliveryCount, 2)
      const granted = yield* provider.acceptSession(ordered, { wait: seconds(1) })
      assert.isTrue(Option.isSome(granted))
    })
  )
})
