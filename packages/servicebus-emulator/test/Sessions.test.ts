import { assert, describe, it } from "@effect/vitest"
import type { ServiceBusClient, ServiceBusReceivedMessage } from "@azure/service-bus"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { call, codeFrom, connect, until, world } from "./world.ts"

const wait = { maxWaitTimeInMs: 5000 }
const noRenewal = { maxAutoLockRenewalDurationInMs: 0 }
const queues = { q: { requiresSession: true, lockDuration: "30 seconds" }, plain: {} } as const
const bodies = (messages: ReadonlyArray<ServiceBusReceivedMessage>) =>
  messages.map(({ body }): unknown => body)

/** Sends texts, each to the session of its first letter. */
const send = (client: ServiceBusClient, texts: ReadonlyArray<string>) =>
  call(() =>
    client
      .createSender("q")
      .sendMessages(texts.map((body) => ({ body, sessionId: body.charAt(0) })))
  )

describe("sessions", () => {
  it.live("R4.1 a session by its id gets its own messages, in order", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      yield* send(client, ["A1", "B1", "A2"])
      const session = yield* call(() => client.acceptSession("q", "A"))
      assert.strictEqual(session.sessionId, "A")
      const messages = yield* call(() => session.receiveMessages(2, wait))
      assert.deepStrictEqual(bodies(messages), ["A1", "A2"])
      for (const message of messages) yield* call(() => session.completeMessage(message))
      const { sessions } = yield* emulator.inspect("q")
      assert.deepStrictEqual(
        sessions.map(({ holder, sessionId }) => [sessionId, holder !== undefined]),
        [
          ["A", true],
          ["B", false]
        ]
      )
    })
  )

  it.effect("the lock's end is told, renewed and moved from now", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      const session = yield* call(() => client.acceptSession("q", "A", noRenewal))
      assert.strictEqual(session.sessionLockedUntilUtc.getTime(), 30_000)
      yield* TestClock.adjust("20 seconds")
      assert.strictEqual((yield* call(() => session.renewSessionLock())).getTime(), 50_000)
    })
  )

  it.live("R4.2 the next free session is granted in turn, and none is a ServiceTimeout", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      yield* send(client, ["A1", "B1"])
      const a = yield* call(() => client.acceptNextSession("q"))
      const b = yield* call(() => client.acceptNextSession("q"))
      assert.deepStrictEqual([a.sessionId, b.sessionId], ["A", "B"])
      const hasty = yield* connect(emulator.connectionString, {
        retryOptions: { maxRetries: 0, timeoutInMs: 300 }
      })
      assert.strictEqual(yield* codeFrom(() => hasty.acceptNextSession("q")), "ServiceTimeout")
      assert.strictEqual((yield* emulator.inspect("q")).waiting, 0)
    })
  )

  it.live("an accept that waits gets a session with its first message", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      const accepting = yield* Effect.forkChild(call(() => client.acceptNextSession("q")))
      yield* until(Effect.map(emulator.inspect("q"), ({ waiting }) => waiting === 1))
      yield* send(client, ["C1"])
      const session = yield* Fiber.join(accepting)
      assert.strictEqual(session.sessionId, "C")
      assert.deepStrictEqual(bodies(yield* call(() => session.receiveMessages(1, wait))), ["C1"])
    })
  )

  it.live("a client that goes away while it waits takes no session with it", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      yield* Effect.scoped(
        Effect.gen(function* () {
          const gone = yield* connect(emulator.connectionString)
          yield* Effect.forkChild(codeFrom(() => gone.acceptNextSession("q")))
          yield* until(Effect.map(emulator.inspect("q"), ({ waiting }) => waiting === 1))
        })
      )
      yield* until(Effect.map(emulator.inspect("q"), ({ waiting }) => waiting === 0))
      yield* send(client, ["A1"])
      assert.strictEqual((yield* call(() => client.acceptNextSession("q"))).sessionId, "A")
    })
  )

  it.live("R4.3 a second accept of a held session is SessionCannotBeLocked", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      const session = yield* call(() => client.acceptSession("q", "A"))
      assert.strictEqual(
        yield* codeFrom(() => client.acceptSession("q", "A")),
        "SessionCannotBeLocked"
      )
      yield* call(() => session.close())
      yield* call(() => client.acceptSession("q", "A"))
    })
  )

  it.live("closing gives the session back, with its messages and without counting", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      yield* send(client, ["A1", "A2"])
      const session = yield* call(() => client.acceptSession("q", "A"))
      yield* call(() => session.receiveMessages(2, wait))
      yield* call(() => session.close())
      const again = yield* call(() => client.acceptNextSession("q"))
      const messages = yield* call(() => again.receiveMessages(2, wait))
      assert.deepStrictEqual(
        messages.map(({ body, deliveryCount }) => [body, deliveryCount]),
        [
          ["A1", 0],
          ["A2", 0]
        ]
      )
    })
  )

  it.effect("R4.3 a lock that ran out is SessionLockLost, and what was received counts", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      yield* send(client, ["A1", "A2"])
      const session = yield* call(() => client.acceptSession("q", "A", noRenewal))
      const [message] = yield* call(() => session.receiveMessages(1, wait))
      if (message === undefined) return assert.fail("nothing came")
      yield* TestClock.adjust("30 seconds")
      assert.strictEqual(yield* codeFrom(() => session.completeMessage(message)), "SessionLockLost")
      assert.strictEqual(yield* codeFrom(() => session.renewSessionLock()), "SessionLockLost")
      const next = yield* call(() => client.acceptNextSession("q", noRenewal))
      const messages = yield* call(() => next.receiveMessages(2, wait))
      assert.deepStrictEqual(
        messages.map(({ body, deliveryCount }) => [body, deliveryCount]),
        [
          ["A1", 1],
          ["A2", 0]
        ]
      )
    })
  )

  it.live("a lock can be let run out now", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      yield* call(() => client.acceptSession("q", "A"))
      assert.strictEqual(yield* emulator.expireSession("q", "A"), true)
      assert.strictEqual(yield* emulator.expireSession("q", "A"), false)
      yield* call(() => client.acceptSession("q", "A"))
    })
  )

  it.live("state is the session's own and kept over holders", () =>
    Effect.gen(function* () {
      const { client, emulator } = yield* world({ queues })
      const a = yield* call(() => client.acceptSession("q", "A"))
      assert.isNull(yield* call(() => a.getSessionState()))
      yield* call(() => a.setSessionState({ step: 3 }))
      yield* call(() => a.close())
      const again = yield* call(() => client.acceptSession("q", "A"))
      assert.deepStrictEqual(yield* call(() => again.getSessionState()), { step: 3 })
      const { sessions } = yield* emulator.inspect("q")
      assert.deepStrictEqual(
        sessions.map(({ hasState, messages, sessionId }) => [sessionId, hasState, messages]),
        [["A", true, 0]]
      )
    })
  )

  it.live("messages of a session are deferred, peeked and received by number", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      yield* send(client, ["A1", "B1", "A2"])
      const session = yield* call(() => client.acceptSession("q", "A"))
      const [message] = yield* call(() => session.receiveMessages(1, wait))
      if (message?.sequenceNumber === undefined) return assert.fail("nothing came")
      const { sequenceNumber } = message
      yield* call(() => session.deferMessage(message))
      assert.deepStrictEqual(
        (yield* call(() => session.peekMessages(9))).map(({ body, state }) => [body, state]),
        [
          ["A1", "deferred"],
          ["A2", "active"]
        ]
      )
      const [deferred] = yield* call(() => session.receiveDeferredMessages([sequenceNumber]))
      if (deferred === undefined) return assert.fail("nothing came")
      yield* call(() => session.completeMessage(deferred))
      assert.deepStrictEqual(bodies(yield* call(() => session.receiveMessages(1, wait))), ["A2"])
    })
  )

  it.live("a plain receiver on a queue with sessions is refused, and so is the reverse", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      const code = yield* codeFrom(() => client.createReceiver("q").receiveMessages(1, wait))
      assert.strictEqual(code, "GeneralError")
      // The SDK says SessionCannotBeLocked or GeneralError, as its events happen to come.
      const reverse = yield* codeFrom(() => client.acceptSession("plain", "A"))
      assert.include(["SessionCannotBeLocked", "GeneralError"], reverse)
      const unnamed = yield* codeFrom(() => client.createSender("q").sendMessages({ body: 1 }))
      assert.strictEqual(unnamed, "GeneralError")
    })
  )

  it.live("R4.1 sessions run side by side, each in order", () =>
    Effect.gen(function* () {
      const { client } = yield* world({ queues })
      const letters = ["A", "B", "C", "D", "E"]
      const texts = Array.from(
        { length: 50 },
        (_, n) => `${letters[n % 5] ?? ""}${Math.floor(n / 5)}`
      )
      yield* send(client, texts)
      const drain = Effect.gen(function* () {
        const session = yield* call(() => client.acceptNextSession("q"))
        const messages = yield* call(() => session.receiveMessages(10, wait))
        for (const message of messages) yield* call(() => session.completeMessage(message))
        yield* call(() => session.close())
        return [session.sessionId, bodies(messages)] as const
      })
      const drained = yield* Effect.all(
        letters.map(() => drain),
        { concurrency: 5 }
      )
      assert.deepStrictEqual(
        drained.toSorted(([a], [b]) => a.localeCompare(b)),
        letters.map((letter) => [letter, Array.from({ length: 10 }, (_, n) => `${letter}${n}`)])
      )
    })
  )
})
