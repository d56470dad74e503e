import { assert, describe, it } from "@effect/vitest"
import { Arbitrary, Effect, Fiber, Option, References, Schema } from "effect"
import { TestClock } from "effect/testing"
import { type QueueError, QueueProvider } from "@queue-runtime/core"
import { MemoryClient } from "../src/index.ts"
import {
  accept,
  acceptNext,
  address,
  counted,
  ids,
  layer,
  ordered,
  orders,
  receive,
  seconds,
  send,
  sendOrdered,
  take
} from "./world.ts"

const provider = QueueProvider.QueueProvider

const Command = Schema.Union([
  Schema.TaggedStruct("Send", {
    count: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 }))
  }),
  Schema.TaggedStruct("Receive", {
    max: Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 3 })),
    waits: Schema.Boolean
  }),
  Schema.TaggedStruct("Interrupt", {
    which: Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 9 }))
  }),
  Schema.TaggedStruct("Yield", {})
])

const plan = {
  commands: Arbitrary.array(Arbitrary.schema(Command), { minLength: 5, maxLength: 40 }),
  // From a pause after nearly every step of a fiber (below 3 it would make none) to the usual long runs.
  opsBeforeYield: Arbitrary.schema(Schema.Literals([3, 4, 5, 7, 2_048]))
}

describe("interruption", () => {
  it.effect.prop(
    "R3.3 interrupted receives lose no message and leave none locked",
    plan,
    ({ commands, opsBeforeYield }) =>
      Effect.gen(function* () {
        const self = yield* provider
        const client = yield* MemoryClient.MemoryClient
        const received: Array<string> = []
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const senders: Array<Fiber.Fiber<void, QueueError.QueueError>> = []
        let sent = 0
        for (const command of commands) {
          switch (command._tag) {
            case "Send": {
              const names = Array.from({ length: command.count }, () => `m${sent++}`)
              senders.push(yield* Effect.forkChild(Effect.asVoid(send(names))))
              break
            }
            case "Receive": {
              const wait = seconds(command.waits ? 60 : 0)
              const call = self
                .receive(address, { max: command.max, wait })
                .pipe(Effect.map((messages) => received.push(...ids(messages))))
              fibers.push(yield* Effect.forkChild(call))
              break
            }
            case "Interrupt": {
              fibers.at(-1 - command.which)?.interruptUnsafe()
              break
            }
            default:
              yield* Effect.yieldNow
          }
        }
        yield* Effect.yieldNow
        for (const fiber of fibers) yield* Fiber.interrupt(fiber)
        yield* Fiber.joinAll(senders)
        assert.strictEqual((yield* client.stats(orders)).locked, received.length)
        const rest = yield* receive(1_000)
        for (const one of rest) assert.strictEqual(one.deliveryCount, 1)
        const all = [...received, ...ids(rest)]
        assert.strictEqual(new Set(all).size, all.length)
        assert.strictEqual(all.length, sent)
        assert.deepStrictEqual(
          rest.map((one) => one.firstDeliveredAt),
          rest.map((one) => one.deliveredAt)
        )
      }).pipe(
        Effect.provide(layer()),
        Effect.provideService(References.MaxOpsBeforeYield, opsBeforeYield)
      ),
    { arbitrary: { runs: 150, seed: 11 } }
  )

  it.effect.prop(
    "R4.2 interrupted accepts and session receives leave no session locked and lose nothing",
    plan,
    ({ commands, opsBeforeYield }) =>
      Effect.gen(function* () {
        const fibers: Array<Fiber.Fiber<unknown, unknown>> = []
        const senders: Array<Fiber.Fiber<void, QueueError.QueueError>> = []
        const numbers = new Map<string, number>()
        let sent = 0
        for (const command of commands) {
          switch (command._tag) {
            case "Send": {
              const letter = "abc".charAt(command.count - 1)
              const number = (numbers.get(letter) ?? 0) + 1
              numbers.set(letter, number)
              sent++
              const sending = Effect.asVoid(sendOrdered([`${letter}${number}`]))
              senders.push(yield* Effect.forkChild(sending))
              break
            }
            case "Receive": {
              const self = yield* provider
              const wait = seconds(command.waits ? 60 : 0)
              const holding = self.acceptSession(ordered, { wait }).pipe(
                Effect.flatMap((session) =>
                  Option.isNone(session)
                    ? Effect.void
                    : Effect.andThen(take(session.value, command.max, seconds(60)), Effect.never)
                ),
                Effect.scoped
              )
              fibers.push(yield* Effect.forkChild(holding))
              break
            }
            case "Interrupt": {
              fibers.at(-1 - command.which)?.interruptUnsafe()
              break
            }
            default:
              yield* Effect.yieldNow
          }
        }
        for (const fiber of fibers) yield* Fiber.interrupt(fiber)
        yield* Fiber.joinAll(senders)
        let found = 0
        for (const [letter, count] of numbers) {
          const session = yield* accept(letter)
          const expected = Array.from({ length: count }, (_, index) => `${letter}${index + 1}:1`)
          assert.deepStrictEqual(counted(yield* take(session, 100)), expected)
          found += count
        }
        assert.strictEqual(found, sent)
      }).pipe(
        Effect.scoped,
        Effect.provide(layer()),
        Effect.provideService(References.MaxOpsBeforeYield, opsBeforeYield)
      ),
    { arbitrary: { runs: 150, seed: 12 } }
  )

  it.effect("R3.3 a message for an interrupted caller goes to the next one in line", () =>
    Effect.gen(function* () {
      const first = yield* Effect.forkChild(receive(1, seconds(60)))
      const second = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* Effect.yieldNow
      yield* send(["a"])
      first.interruptUnsafe()
      assert.deepStrictEqual(counted(yield* Fiber.join(second)), ["a:1"])
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.2 a session for an interrupted caller goes to the next one in line", () =>
    Effect.gen(function* () {
      const first = yield* Effect.forkChild(acceptNext(seconds(60)))
      const second = yield* Effect.forkChild(acceptNext(seconds(60)))
      yield* Effect.yieldNow
      yield* sendOrdered(["a1"])
      first.interruptUnsafe()
      assert.strictEqual(yield* Fiber.join(second), "a")
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R4.2 an accept that does not wait leaves nothing locked when it is interrupted", () =>
    Effect.gen(function* () {
      yield* sendOrdered(["a1"])
      for (const asked of [Effect.asVoid(accept("a")), Effect.asVoid(acceptNext())]) {
        for (let at = 0; at < 80; at++) {
          const steps = Math.floor(at / 2)
          // One that others may interrupt between any few of its steps; its scope closes with it.
          const caller = yield* Effect.forkChild(
            Effect.scoped(asked).pipe(
              Effect.provideService(References.MaxOpsBeforeYield, 3 + (at % 2))
            )
          )
          for (let step = 0; step < steps; step++) yield* Effect.yieldNow
          caller.interruptUnsafe()
          yield* Fiber.await(caller)
          assert.strictEqual(yield* Effect.scoped(acceptNext()), "a", `after ${steps} steps`)
        }
      }
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R4.1 a session's messages for an interrupted caller come again, uncounted", () =>
    Effect.gen(function* () {
      const session = yield* accept("a")
      const waiting = yield* Effect.forkChild(take(session, 5, seconds(60)))
      yield* Effect.yieldNow
      yield* sendOrdered(["a1", "a2"])
      waiting.interruptUnsafe()
      yield* Fiber.await(waiting)
      assert.deepStrictEqual(counted(yield* take(session)), ["a1:1", "a2:1"])
    }).pipe(Effect.scoped, Effect.provide(layer()))
  )

  it.effect("R1.4 a delivery that nobody saw is not the first one", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* Effect.yieldNow
      yield* send(["a"])
      waiting.interruptUnsafe()
      yield* Fiber.await(waiting)
      yield* TestClock.adjust("5 seconds")
      const [a] = yield* receive()
      assert(a !== undefined)
      assert.strictEqual(a.deliveryCount, 1)
      assert.deepStrictEqual(a.firstDeliveredAt, a.deliveredAt)
    }).pipe(Effect.provide(layer()))
  )

  it.effect("R3.3 an interrupted wait ends at once and leaves its place", () =>
    Effect.gen(function* () {
      const waiting = yield* Effect.forkChild(receive(1, seconds(60)))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(waiting)
      yield* send(["a"])
      assert.deepStrictEqual(counted(yield* receive()), ["a:1"])
    }).pipe(Effect.provide(layer()))
  )
})
