import { assert, describe, it } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Deferred from "effect/Deferred"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import { TestClock } from "effect/testing"
import * as Message from "../src/Message.ts"
import * as PutAside from "../src/PutAside.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import type * as ReceivedMessage from "../src/ReceivedMessage.ts"
import * as Verdict from "../src/Verdict.ts"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { orders } = Clients

const address = QueueAddress.queue(orders)

const all = { max: 10, wait: Duration.zero }

const dead = Verdict.deadLetter("Torn", "does not open")

/** A broker with these messages in `orders`. */
const brokerWith = Effect.fnUntraced(function* (
  ids: ReadonlyArray<string>,
  options?: ScriptedProvider.Options
) {
  const broker = yield* ScriptedProvider.make(options)
  for (const id of ids) {
    const one = Clients.message(id)
    broker.put(address, Message.stamp(one, one.messageId ?? assert.fail("an id was given")))
  }
  return broker
})

const idsOf = (messages: ReadonlyArray<{ readonly messageId: string }>) =>
  messages.map(({ messageId }) => messageId)

const asideOf = (
  messages: ReadonlyArray<ReceivedMessage.ReceivedMessage>,
  verdict: Verdict.Verdict = dead
): ReadonlyArray<PutAside.PutAside> => messages.map((message) => ({ message, verdict }))

/** What was settled, and how. */
const settledOf = ({ settled }: ScriptedProvider.ScriptedProvider) =>
  settled.map(({ id, verdict }) => `${id} ${verdict}`)

describe("PutAside.later and rejected", () => {
  const delay = Duration.seconds(30)
  const why = { reason: "Torn", description: "does not open", delay }

  it("R3.11 what is to come again stays away as long as the queue can", () => {
    const of = PutAside.later
    assert.deepStrictEqual(of({ abandonDelay: "native" }, delay), Verdict.abandon(delay))
    assert.deepStrictEqual(of({ abandonDelay: "unsupported" }, delay), Verdict.abandon())
    for (const [abandonDelayMax, expected] of [
      [Duration.seconds(10), Duration.seconds(10)],
      [Duration.minutes(1), delay]
    ] as const) {
      assert.deepStrictEqual(
        of({ abandonDelay: "emulated", abandonDelayMax }, delay),
        Verdict.abandon(expected)
      )
    }
  })

  it("R3.11 what never opens is dead-lettered, or comes again where there are no dead letters", () => {
    const native = { abandonDelay: "native", deadLetter: "native" } as const
    assert.deepStrictEqual(PutAside.rejected(native, why), dead)
    const none = { ...native, deadLetter: "unsupported" } as const
    assert.deepStrictEqual(PutAside.rejected(none, why), Verdict.abandon(delay))
  })
})

describe("PutAside.settleAll", () => {
  it.effect("R8.6 each is settled alone, with a verdict of its own", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2"])
      const [first, second] = yield* broker.service.receive(address, all)
      assert.isDefined(first)
      assert.isDefined(second)
      yield* PutAside.settleAll(broker.service.settle, [
        ...asideOf([first]),
        ...asideOf([second], Verdict.abandon())
      ])
      assert.deepStrictEqual(settledOf(broker), ["m-1 DeadLetter", "m-2 Abandon"])
      assert.strictEqual(broker.calls("settle").length, 2)
    })
  )

  it.effect("R3.10 they are under way at once, so that batching can merge them", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2", "m-3"])
      broker.faults.before = ({ method }) =>
        method === "settle" ? Effect.sleep("1 second") : Effect.void
      const messages = yield* broker.service.receive(address, all)
      const fiber = yield* Effect.forkChild(
        PutAside.settleAll(broker.service.settle, asideOf(messages))
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(fiber)
      assert.deepStrictEqual(
        broker.settled.map(({ at }) => at),
        [1_000, 1_000, 1_000]
      )
    })
  )

  it.effect("R9.1 one that fails is said with queue and id, and spoils no other", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2"])
      broker.faults.each = (_, id) => (id === "m-1" ? Clients.transient() : undefined)
      const messages = yield* broker.service.receive(address, all)
      const logs = Logs.capture()
      yield* PutAside.settleAll(broker.service.settle, asideOf(messages)).pipe(
        Effect.provide(logs.layer)
      )
      assert.deepStrictEqual(settledOf(broker), ["m-2 DeadLetter"])
      assert.deepStrictEqual(logs.lines, [
        {
          level: "Warn",
          text: `a message that is not handed out could not be put aside: ${Clients.transient().message}`,
          annotations: { queue: "orders", messageId: "m-1" }
        }
      ])
    })
  )

  it.effect("R3.4 one that is over all the same is no failure", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2"])
      const [first, second] = yield* broker.service.receive(address, all)
      assert.isDefined(first)
      assert.isDefined(second)
      yield* broker.service.settle([first.receipt], Verdict.complete)
      broker.faults.each = (_, id) =>
        id === "m-2" ? QueueError.make(new QueueError.SettlementUnknown()) : undefined
      const logs = Logs.capture()
      yield* PutAside.settleAll(broker.service.settle, asideOf([first, second])).pipe(
        Effect.provide(logs.layer)
      )
      assert.deepStrictEqual(logs.lines, [])
      assert.deepStrictEqual(settledOf(broker), ["m-1 Complete"])
    })
  )
})

describe("PutAside.makeDebts", () => {
  it.effect("R4.7 what could not be settled is paid in order, and until then nothing goes on", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2", "m-3"])
      const messages = yield* broker.service.receive(address, all)
      const debts = PutAside.makeDebts(broker.service.settle)
      yield* debts.pay
      const refused = new Set(["m-1", "m-2"])
      broker.faults.each = (_, id) => (refused.has(id) ? Clients.transient() : undefined)
      for (const one of asideOf(messages)) yield* debts.settle(one)
      assert.deepStrictEqual(settledOf(broker), ["m-3 DeadLetter"])

      assert.strictEqual((yield* Effect.flip(debts.pay)).reason._tag, "ConnectionFailed")
      refused.delete("m-1")
      assert.strictEqual((yield* Effect.flip(debts.pay)).reason._tag, "ConnectionFailed")
      refused.delete("m-2")
      yield* debts.pay
      assert.deepStrictEqual(settledOf(broker), [
        "m-3 DeadLetter",
        "m-1 DeadLetter",
        "m-2 DeadLetter"
      ])
      const calls = broker.calls("settle").length
      yield* debts.pay
      assert.strictEqual(broker.calls("settle").length, calls)
    })
  )

  it.effect("R3.4 a debt whose delivery is over is paid", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1"])
      const messages = yield* broker.service.receive(address, all)
      const debts = PutAside.makeDebts(broker.service.settle)
      broker.faults.each = () => Clients.transient()
      for (const one of asideOf(messages)) yield* debts.settle(one)
      delete broker.faults.each
      yield* TestClock.adjust("31 seconds")
      yield* debts.pay
      assert.deepStrictEqual(settledOf(broker), [])
      assert.deepStrictEqual(idsOf(yield* broker.service.receive(address, all)), ["m-1"])
    })
  )
})

describe("PutAside.handOver", () => {
  const receiving = (
    { service }: ScriptedProvider.ScriptedProvider,
    open: PutAside.Receiving["open"]
  ): PutAside.Receiving => ({
    take: service.receive(address, all),
    open,
    settle: service.settle,
    settleCountMax: () => service.capabilities(orders).settleCountMax
  })

  it.effect("hands out what was opened", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1", "m-2"])
      const opened = yield* PutAside.handOver(
        receiving(broker, (messages) => Effect.succeed(messages.slice(1)))
      )
      assert.deepStrictEqual(idsOf(opened), ["m-2"])
      assert.deepStrictEqual(broker.calls("settle"), [])
    })
  )

  it.effect("R3.3 where nothing came there is nothing to open", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith([])
      const never = () => Effect.die(new Error("asked to open nothing"))
      assert.deepStrictEqual(yield* PutAside.handOver(receiving(broker, never)), [])
    })
  )

  it.effect("a receive that fails is the caller's to see", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith(["m-1"])
      broker.faults.before = () => Effect.fail(Clients.forever())
      const error = yield* Effect.flip(PutAside.handOver(receiving(broker, Effect.succeed)))
      assert.strictEqual(error.reason._tag, "QueueNotFound")
    })
  )

  it.effect(
    "R3.3 interrupted while it opens, it gives all of them back, a call of receipts each",
    () =>
      Effect.gen(function* () {
        const ids = ["m-1", "m-2", "m-3"]
        const queues = { orders: { settleCountMax: 2 } }
        const broker = yield* brokerWith(ids, { queues })
        const started = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          PutAside.handOver(
            receiving(broker, () =>
              Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
            )
          )
        )
        yield* Deferred.await(started)
        assert.deepStrictEqual(yield* broker.locked, ids)
        yield* Fiber.interrupt(fiber)
        yield* TestClock.adjust(0)
        assert.deepStrictEqual(yield* broker.locked, [])
        assert.deepStrictEqual(
          broker.calls("settle").map((call) => [call.ids, call.verdict]),
          [
            [["m-1", "m-2"], Verdict.abandon()],
            [["m-3"], Verdict.abandon()]
          ]
        )
      })
  )

  it.effect(
    "R3.3 its caller does not wait for that, and what is settled or fails stops nothing",
    () =>
      Effect.gen(function* () {
        const broker = yield* brokerWith(["m-1", "m-2"], {
          queues: { orders: { settleCountMax: 1 } }
        })
        const settled = yield* Deferred.make<void>()
        const fiber = yield* Effect.forkChild(
          PutAside.handOver(
            receiving(broker, (messages) =>
              PutAside.settleAll(broker.service.settle, asideOf(messages.slice(0, 1))).pipe(
                Effect.andThen(Deferred.succeed(settled, undefined)),
                Effect.andThen(Effect.never)
              )
            )
          )
        )
        yield* Deferred.await(settled)
        // The second call is that of the settled one.
        broker.faults.before = ({ nth }) =>
          Effect.delay(nth === 2 ? Effect.fail(Clients.transient()) : Effect.void, "5 seconds")
        yield* Fiber.interrupt(fiber)
        assert.deepStrictEqual(yield* broker.locked, ["m-2"])
        yield* TestClock.adjust("10 seconds")
        assert.deepStrictEqual(settledOf(broker), ["m-1 DeadLetter", "m-2 Abandon"])
      })
  )

  it.effect("R3.3 interrupted while it waits for messages, it ends the wait", () =>
    Effect.gen(function* () {
      const broker = yield* brokerWith([])
      const take = broker.service.receive(address, { max: 1, wait: Duration.seconds(60) })
      const fiber = yield* Effect.forkChild(
        PutAside.handOver({ ...receiving(broker, Effect.succeed), take })
      )
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(fiber)
      assert.strictEqual(yield* Clock.currentTimeMillis, 1_000)
      assert.deepStrictEqual(broker.calls("settle"), [])
    })
  )
})
