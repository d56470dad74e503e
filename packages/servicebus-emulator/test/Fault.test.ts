import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import { Fault } from "../src/index.ts"
import { call, codeFrom, connect, linkCount, until, world } from "./world.ts"

const wait = { maxWaitTimeInMs: 5000 }

const prepared = Effect.fnUntraced(function* (faults: ReadonlyArray<Fault.Rule> = []) {
  const made = yield* world({ queues: { q: {}, other: {} }, seed: 1, faults })
  const sender = made.client.createSender("q")
  const receiver = made.client.createReceiver("q")
  const receive = Effect.flatMap(
    call(() => receiver.receiveMessages(1, wait)),
    ([message]) =>
      message === undefined ? Effect.die(new Error("nothing came")) : Effect.succeed(message)
  )
  return { ...made, sender, receiver, receive, send: call(() => sender.sendMessages({ body: 1 })) }
})

describe("refusing", () => {
  it.live("a send that is throttled is ServiceBusy, and nothing was taken", () =>
    Effect.gen(function* () {
      const { emulator, sender } = yield* prepared([
        { operation: "Send", queue: "Q", times: 1, fault: Fault.serverBusy }
      ])
      assert.strictEqual(yield* codeFrom(() => sender.sendMessages({ body: 1 })), "ServiceBusy")
      assert.strictEqual((yield* emulator.inspect("q")).active, 0)
      yield* call(() => sender.sendMessages({ body: 1 }))
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    })
  )

  it.live("a settlement that is refused leaves the message locked", () =>
    Effect.gen(function* () {
      const { emulator, receive, receiver, send } = yield* prepared()
      yield* send
      const message = yield* receive
      yield* emulator.inject({ operation: "Settle", fault: Fault.serverBusy })
      assert.strictEqual(yield* codeFrom(() => receiver.completeMessage(message)), "ServiceBusy")
      assert.strictEqual((yield* emulator.inspect("q")).locked, 1)
    })
  )

  it.live("one operation of $management can be struck alone", () =>
    Effect.gen(function* () {
      const { receive, receiver, send } = yield* prepared([
        {
          operation: "Management",
          request: "com.microsoft:renew-lock",
          fault: Fault.serverBusy
        }
      ])
      yield* send
      const message = yield* receive
      assert.strictEqual(yield* codeFrom(() => receiver.renewMessageLock(message)), "ServiceBusy")
      assert.strictEqual((yield* call(() => receiver.peekMessages(1))).length, 1)
    })
  )

  it.live("an attach can be refused with any condition", () =>
    Effect.gen(function* () {
      const { client } = yield* prepared([
        { operation: "Attach", queue: "q", times: 1, fault: Fault.serverBusy },
        {
          operation: "Attach",
          queue: "q",
          times: 1,
          fault: { _tag: "Refuse", condition: "com.microsoft:entity-disabled" }
        },
        { operation: "Attach", queue: "other", fault: Fault.unauthorized }
      ])
      const send = (queue: string) =>
        codeFrom(() => client.createSender(queue).sendMessages({ body: 1 }))
      assert.strictEqual(yield* send("q"), "ServiceBusy")
      assert.strictEqual(yield* send("q"), "MessagingEntityDisabled")
      assert.strictEqual(yield* send("other"), "UnauthorizedAccess")
      yield* call(() => client.createSender("q").sendMessages({ body: 1 }))
    })
  )

  it.live("a token can be refused", () =>
    Effect.gen(function* () {
      const { sender } = yield* prepared([{ operation: "Token", fault: Fault.unauthorized }])
      assert.strictEqual(
        yield* codeFrom(() => sender.sendMessages({ body: 1 })),
        "UnauthorizedAccess"
      )
    })
  )

  it.live("connections can be refused, and are taken again when the scope closes", () =>
    Effect.gen(function* () {
      const { emulator, send, sender } = yield* prepared()
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* emulator.inject({ operation: "Connect", fault: { _tag: "DropConnection" } })
          yield* codeFrom(() => sender.sendMessages({ body: 1 }))
        })
      )
      yield* send
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    })
  )
})

describe("delaying and swallowing", () => {
  it.effect("an answer is delayed by the clock", () =>
    Effect.gen(function* () {
      const { emulator, sender } = yield* prepared()
      // Attaches the link.
      yield* call(() => sender.createMessageBatch())
      yield* emulator.inject({ operation: "Send", fault: { _tag: "Delay", duration: "1 hour" } })
      const sending = yield* Effect.forkChild(call(() => sender.sendMessages({ body: 1 })))
      yield* until(Effect.map(emulator.calls, (calls) => calls["Send"] === 1))
      assert.strictEqual((yield* emulator.inspect("q")).active, 0)
      yield* TestClock.adjust("1 hour")
      yield* Fiber.join(sending)
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
    })
  )

  it.live("a delay and a refusal both strike", () =>
    Effect.gen(function* () {
      const { sender } = yield* prepared([
        { operation: "Send", fault: { _tag: "Delay", duration: "50 millis" } },
        { operation: "*", queue: "q", times: 1, fault: Fault.serverBusy }
      ])
      // The attach is struck first, being of the same queue.
      assert.strictEqual(yield* codeFrom(() => sender.sendMessages({ body: 1 })), "ServiceBusy")
      yield* call(() => sender.sendMessages({ body: 1 }))
    })
  )

  it.live(
    "R2.2 a settlement whose reply is lost took effect, and its repetition is MessageLockLost",
    () =>
      Effect.gen(function* () {
        const { emulator } = yield* prepared([
          { operation: "Settle", times: 1, fault: { _tag: "Swallow", applied: true } }
        ])
        const hasty = yield* connect(emulator.connectionString, {
          retryOptions: { maxRetries: 0, timeoutInMs: 200 }
        })
        yield* call(() => hasty.createSender("q").sendMessages({ body: 1 }))
        const receiver = hasty.createReceiver("q")
        const [message] = yield* call(() => receiver.receiveMessages(1, wait))
        if (message === undefined) return assert.fail("nothing came")
        yield* codeFrom(() => receiver.completeMessage(message))
        const { active, locked } = yield* emulator.inspect("q")
        assert.deepStrictEqual([active, locked], [0, 0])
      })
  )

  it.live("a request that is swallowed has no effect and no answer", () =>
    Effect.gen(function* () {
      const { emulator, receive, receiver, send } = yield* prepared([
        { operation: "Management", times: 1, fault: { _tag: "Swallow" } }
      ])
      yield* send
      const message = yield* receive
      const renewing = yield* Effect.forkChild(codeFrom(() => receiver.renewMessageLock(message)))
      yield* until(Effect.map(emulator.calls, (calls) => calls["Management"] === 1))
      assert.isUndefined(renewing.pollUnsafe())
      yield* Fiber.interrupt(renewing)
    })
  )
})

describe("dropping", () => {
  it.live("a send whose link is dropped is a ServiceTimeout, and may have been taken", () =>
    Effect.gen(function* () {
      const { emulator } = yield* prepared([
        {
          operation: "Send",
          times: 1,
          fault: { _tag: "DropLink", condition: "com.microsoft:server-busy", applied: true }
        }
      ])
      // The SDK does not end a send when its link is detached: it waits its time out.
      const hasty = yield* connect(emulator.connectionString, {
        retryOptions: { maxRetries: 0, timeoutInMs: 200 }
      })
      const sender = hasty.createSender("q")
      assert.strictEqual(yield* codeFrom(() => sender.sendMessages({ body: 1 })), "ServiceTimeout")
      assert.strictEqual((yield* emulator.inspect("q")).active, 1)
      yield* call(() => sender.sendMessages({ body: 2 }))
      assert.strictEqual((yield* emulator.inspect("q")).active, 2)
    })
  )

  it.live("R5.4 links of a queue are detached, and subscribe attaches anew by itself", () =>
    Effect.gen(function* () {
      const { client, emulator, receiver, send } = yield* prepared()
      const seen: Array<unknown> = []
      receiver.subscribe({
        processMessage: (message) => Promise.resolve(void seen.push(message.body)),
        processError: () => Promise.resolve()
      })
      yield* send
      yield* until(Effect.sync(() => seen.length === 1))
      yield* call(() => client.createSender("other").sendMessages({ body: 1 }))
      assert.strictEqual(yield* emulator.dropLinks("q", { description: "maintenance" }), 2)
      assert.strictEqual(yield* linkCount(emulator, "other", "sender"), 1)
      yield* until(Effect.map(linkCount(emulator, "q", "sender"), (count) => count === 0))
      yield* call(() => client.createSender("q").sendMessages({ body: 2 }))
      yield* until(Effect.sync(() => seen.length === 2))
    })
  )

  it.live("R5.4 connections are cut, and subscribe comes back over a new one", () =>
    Effect.gen(function* () {
      const { emulator, receiver, send } = yield* prepared()
      const seen: Array<unknown> = []
      receiver.subscribe({
        processMessage: (message) => Promise.resolve(void seen.push(message.body)),
        processError: () => Promise.resolve()
      })
      yield* send
      yield* until(Effect.sync(() => seen.length === 1))
      assert.strictEqual(yield* emulator.dropConnections, 1)
      yield* until(Effect.map(emulator.calls, (calls) => calls["Connect"] === 2))
      yield* send
      yield* until(Effect.sync(() => seen.length === 2))
      assert.strictEqual((yield* emulator.connections).length, 1)
    })
  )

  it.live("a connection cut in mid-settlement may have settled", () =>
    Effect.gen(function* () {
      const { emulator } = yield* prepared([
        { operation: "Settle", times: 1, fault: { _tag: "DropConnection", applied: true } }
      ])
      const hasty = yield* connect(emulator.connectionString, {
        retryOptions: { maxRetries: 0, timeoutInMs: 300 }
      })
      yield* call(() => hasty.createSender("q").sendMessages({ body: 1 }))
      const receiver = hasty.createReceiver("q")
      const [message] = yield* call(() => receiver.receiveMessages(1, wait))
      if (message === undefined) return assert.fail("nothing came")
      yield* codeFrom(() => receiver.completeMessage(message))
      assert.strictEqual((yield* emulator.inspect("q")).locked, 0)
    })
  )
})

describe("locks and silence", () => {
  it.live("locks can be let run out now", () =>
    Effect.gen(function* () {
      const { emulator, receive, receiver, send } = yield* prepared()
      yield* send
      const message = yield* receive
      assert.strictEqual(yield* emulator.expireLocks("q", "another"), 0)
      assert.strictEqual(yield* emulator.expireLocks("q"), 1)
      assert.strictEqual(
        yield* codeFrom(() => receiver.completeMessage(message)),
        "MessageLockLost"
      )
      assert.strictEqual((yield* receive).deliveryCount, 1)
    })
  )

  it.live("a receiver goes silent though messages wait; a new one gets them", () =>
    Effect.gen(function* () {
      const { client, emulator, receiver, send } = yield* prepared()
      const seen: Array<unknown> = []
      receiver.subscribe({
        processMessage: (message) => Promise.resolve(void seen.push(message.body)),
        processError: () => Promise.resolve()
      })
      yield* send
      yield* until(Effect.sync(() => seen.length === 1))
      yield* Effect.scoped(
        Effect.gen(function* () {
          assert.strictEqual(yield* emulator.silence("q"), 1)
          yield* send
          assert.strictEqual((yield* emulator.inspect("q")).active, 1)
          const other = client.createReceiver("q", { receiveMode: "receiveAndDelete" })
          assert.strictEqual((yield* call(() => other.receiveMessages(1, wait))).length, 1)
          yield* send
          assert.strictEqual((yield* emulator.inspect("q")).active, 1)
        })
      )
      yield* until(Effect.sync(() => seen.length === 2))
    })
  )
})

describe("probability", () => {
  const outcomes = (seed: number) =>
    Effect.gen(function* () {
      const { client } = yield* world({
        queues: { q: {} },
        seed,
        faults: [{ operation: "Send", probability: 0.5, fault: Fault.serverBusy }]
      })
      const sender = client.createSender("q")
      return yield* Effect.forEach(Array.from({ length: 30 }), () =>
        Effect.isSuccess(Effect.tryPromise(() => sender.sendMessages({ messageId: "m", body: 1 })))
      )
    }).pipe(Effect.scoped)

  it.live("a seed strikes the same calls again, and another one others", () =>
    Effect.gen(function* () {
      const first = yield* outcomes(1)
      assert.deepStrictEqual(yield* outcomes(1), first)
      assert.notDeepEqual(yield* outcomes(2), first)
      assert.includeMembers(first, [true, false])
    })
  )
})
