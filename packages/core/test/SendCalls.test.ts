import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Message from "../src/Message.ts"
import * as Outcome from "../src/Outcome.ts"
import * as QueueError from "../src/QueueError.ts"
import type * as QueueProvider from "../src/QueueProvider.ts"
import * as SendCalls from "../src/SendCalls.ts"
import * as Clients from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { orders } = Clients

const message = (id: string, session?: string, bytes?: number): Message.Stamped => {
  const one = Clients.message(id, session, bytes)
  return Message.stamp(one, one.messageId ?? assert.fail("an id was given"))
}

const sizeOf = (messages: ReadonlyArray<Message.Stamped>): number =>
  messages.reduce((total, one) => total + Message.size(one), 0)

const idsOf = (calls: ReadonlyArray<ReadonlyArray<Message.Stamped>>) =>
  calls.map((call) => call.map(({ messageId }) => String(messageId)))

/** An outcome in a word: the id that was sent, or the reason it was not. */
const word = (outcome: Result.Result<QueueProvider.Sent, QueueError.QueueError>): string =>
  Result.isSuccess(outcome) ? outcome.success.messageId : outcome.failure.reason._tag

/** What reached the broker, call by call. */
const callsOf = (broker: ScriptedProvider.ScriptedProvider) =>
  broker.calls("send").map(({ ids }) => ids)

const Sizes = Schema.Array(Schema.Int.check(Schema.isBetween({ minimum: 0, maximum: 60 }))).check(
  Schema.isMaxLength(40)
)

const Maximum = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 }))

describe("SendCalls.cut", () => {
  it.effect.prop(
    "R3.9 calls keep every message in order, within both limits, and none could be joined",
    { sizes: Arbitrary.schema(Sizes), countMax: Arbitrary.schema(Maximum) },
    ({ countMax, sizes }) =>
      Effect.sync(() => {
        const stamped = sizes.map((bytes, index) => message(`m-${index}`, undefined, bytes))
        const limits = { sendCountMax: countMax, sendSizeMax: 70 }
        const calls = SendCalls.cut(stamped, limits)
        assert.deepStrictEqual(calls.flat(), stamped)
        for (const [index, call] of calls.entries()) {
          assert.isAtLeast(call.length, 1)
          assert.isAtMost(call.length, countMax)
          assert.isAtMost(sizeOf(call), limits.sendSizeMax)
          const following = calls[index + 1]?.[0]
          if (following !== undefined) {
            const isFull = call.length === countMax || sizeOf(call) + Message.size(following) > 70
            assert.isTrue(isFull)
          }
        }
      }),
    { arbitrary: { runs: 200, seed: 3 } }
  )

  it("R3.9 without a number of messages the bytes alone are looked at", () => {
    const many = Array.from({ length: 500 }, (_, index) => message(`m-${index}`))
    const sendSizeMax = sizeOf(many)
    assert.deepStrictEqual(SendCalls.cut(many, { sendSizeMax }), [many])
    const [first, second, ...more] = SendCalls.cut(many, { sendSizeMax: sendSizeMax - 1 })
    assert.strictEqual(first?.length, 499)
    assert.deepStrictEqual(second, many.slice(499))
    assert.deepStrictEqual(more, [])
  })

  it("R1.7 what is too large alone has a call of its own, for the provider to refuse", () => {
    const all = [message("m-1"), message("m-2", undefined, 500), message("m-3"), message("m-4")]
    const calls = SendCalls.cut(all, { sendCountMax: 10, sendSizeMax: 100 })
    assert.deepStrictEqual(idsOf(calls), [["m-1"], ["m-2"], ["m-3", "m-4"]])
  })

  it("R3.9 nothing is no call", () => {
    assert.deepStrictEqual(SendCalls.cut([], { sendCountMax: 10, sendSizeMax: 100 }), [])
  })
})

describe("SendCalls.refusal", () => {
  const sizes = { messageSizeMax: 100, sendSizeMax: 250 }
  const small = message("m-1")
  const large = message("m-2", undefined, 200)
  const full = (id: string) => message(id, undefined, 97)
  const said = (messages: ReadonlyArray<Message.Stamped>, limits: SendCalls.Sizes = sizes) =>
    SendCalls.refusal(messages, limits)

  it("R1.7 the first that is too large is named, with its bytes and the limit", () => {
    const found = said([small, large, message("m-3", undefined, 300)])
    const expected = { actualBytes: 203, maximumBytes: 100, index: 1 }
    assert.deepStrictEqual(found, new QueueError.MessageTooLarge(expected))
  })

  it("R3.9 too many bytes for one call are refused with both numbers", () => {
    const found = said([full("m-1"), full("m-2"), full("m-3")])
    const problem = "must have at most 250 bytes in one call; got 300"
    assert.deepStrictEqual(found, new QueueError.ValidationFailed({ field: "messages", problem }))
  })

  it("R1.7 what is exactly the limit fits, though the bound that needs no counting does not", () => {
    assert.strictEqual(Message.size(full("m-1")), sizes.messageSizeMax)
    assert.isAbove(Message.sizeAtMost(full("m-1")), sizes.messageSizeMax)
    assert.isUndefined(said([full("m-1")]))
    const two = { messageSizeMax: 100, sendSizeMax: 200 }
    assert.isUndefined(said([full("m-1"), full("m-2")], two))
    assert.isUndefined(said([]))
  })

  it("R3.9 without a limit of one message those of all hold", () => {
    assert.isUndefined(said([large], { sendSizeMax: 250 }))
    const found = said([large, large], { sendSizeMax: 250 })
    assert.strictEqual(found?._tag, "ValidationFailed")
  })

  it("R1.7 bytes that the caller did not give are not his", () => {
    const given = (one: Message.Stamped): number => Message.size(one) - 150
    assert.isUndefined(SendCalls.refusal([small, large], sizes, given))
    assert.isUndefined(SendCalls.refusal([large, large], { sendSizeMax: 250 }, given))
    const found = SendCalls.refusal([small, message("m-2", undefined, 400)], sizes, given)
    const expected = { actualBytes: 253, maximumBytes: 100, index: 1 }
    assert.deepStrictEqual(found, new QueueError.MessageTooLarge(expected))
  })

  it.effect.prop(
    "R1.7 R3.9 it refuses what breaks a limit by its exact bytes, and nothing else",
    { all: Arbitrary.schema(Sizes) },
    ({ all }) =>
      Effect.sync(() => {
        const stamped = all.map((bytes, index) => message(`m-${index}`, undefined, bytes))
        const limits = { messageSizeMax: 40, sendSizeMax: 200 }
        const found = SendCalls.refusal(stamped, limits)
        const index = stamped.findIndex((one) => Message.size(one) > limits.messageSizeMax)
        const isOver = sizeOf(stamped) > limits.sendSizeMax
        const total = isOver ? "ValidationFailed" : undefined
        assert.strictEqual(found?._tag, index < 0 ? total : "MessageTooLarge")
        if (found?._tag === "MessageTooLarge") assert.strictEqual(found.index, index)
      }),
    { arbitrary: { runs: 200, seed: 5 } }
  )
})

describe("SendCalls.inOrder", () => {
  it.effect("R3.9 one call is under way at a time, in the order of the messages", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      let underWay = 0
      broker.faults.before = () =>
        Effect.sync(() => assert.strictEqual(++underWay, 1, "calls are under way at once"))
      broker.faults.after = () => Effect.sync(() => void underWay--)
      const calls = [[message("m-1"), message("m-2")], [message("m-3")], [message("m-4")]]
      const outcomes = yield* SendCalls.inOrder(broker.service, orders, calls)
      assert.deepStrictEqual(outcomes.map(word), ["m-1", "m-2", "m-3", "m-4"])
      assert.deepStrictEqual(callsOf(broker), [["m-1", "m-2"], ["m-3"], ["m-4"]])
    })
  )

  it.effect("R4.1 nothing of a session goes behind its failure, and other messages go on", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.each = (_, id) => (id === "a-1" ? Clients.transient() : undefined)
      const outcomes = yield* SendCalls.inOrder(broker.service, orders, [
        [message("a-1", "a"), message("m-1")],
        [message("a-2", "a")],
        [message("b-1", "b"), message("a-3", "a"), message("m-2")]
      ])
      const failed = "ConnectionFailed"
      assert.deepStrictEqual(outcomes.map(word), [failed, "m-1", failed, "b-1", failed, "m-2"])
      assert.deepStrictEqual(callsOf(broker), [
        ["a-1", "m-1"],
        ["b-1", "m-2"]
      ])
    })
  )

  it.effect("R3.9 a first call that fails as a whole fails all of it, and no other is made", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.before = () => Effect.fail(Clients.transient())
      const calls = [[message("m-1")], [message("m-2")]]
      const error = yield* Effect.flip(SendCalls.inOrder(broker.service, orders, calls))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.strictEqual(broker.calls("send").length, 1)
    })
  )

  it.effect("R3.9 behind a later one that fails nothing is sent, and outcomes say what was", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.before = ({ nth }) => (nth === 2 ? Effect.fail(Clients.forever()) : Effect.void)
      const calls = [[message("m-1")], [message("m-2")], [message("m-3")]]
      const outcomes = yield* SendCalls.inOrder(broker.service, orders, calls)
      assert.deepStrictEqual(outcomes.map(word), ["m-1", "QueueNotFound", "QueueNotFound"])
      assert.strictEqual(broker.calls("send").length, 2)
    })
  )

  const tooLarge = (ids: ReadonlyArray<string>, id: string) => {
    const index = ids.indexOf(id)
    return QueueError.make(
      new QueueError.MessageTooLarge({ actualBytes: 2, maximumBytes: 1, index })
    )
  }

  /** The message that each outcome names, where it names one. */
  const named = (outcomes: ReadonlyArray<Outcome.Outcome<unknown>>) =>
    outcomes.map((one) => (Result.isFailure(one) ? QueueError.indexOf(one.failure) : "sent"))

  it.effect("R1.7 what is too large is named by its place in all of the calls", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.before = ({ ids }) =>
        ids.includes("m-4") ? Effect.fail(tooLarge(ids, "m-4")) : Effect.void
      const outcomes = yield* SendCalls.inOrder(broker.service, orders, [
        [message("m-1"), message("m-2")],
        [message("m-3"), message("m-4")],
        [message("m-5")]
      ])
      assert.deepStrictEqual(named(outcomes), ["sent", "sent", 3, 3, 3])
      const [error, ...others] = new Set(Outcome.failures(outcomes))
      assert.deepStrictEqual(error?.reason, tooLarge(["", "", "", "m-4"], "m-4").reason)
      assert.deepStrictEqual(others, [])
    })
  )

  it.effect("R1.7 R4.1 so it is where others are held back, and in an outcome of its own", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.each = ({ ids }, id) => {
        if (id === "a-1") return Clients.transient()
        return id === "b-1" ? tooLarge(ids, id) : undefined
      }
      const outcomes = yield* SendCalls.inOrder(broker.service, orders, [
        [message("a-1", "a"), message("m-1")],
        [message("a-2", "a"), message("m-2"), message("a-3", "a"), message("b-1", "b")],
        [message("b-2", "b"), message("m-3")]
      ])
      assert.deepStrictEqual(callsOf(broker), [["a-1", "m-1"], ["m-2", "b-1"], ["m-3"]])
      const expected = [undefined, "sent", undefined, "sent", undefined, 5, 5, "sent"]
      assert.deepStrictEqual(named(outcomes), expected)
    })
  )

  it.effect(
    "R1.7 the first call's own place is the batch's, and a place that is none stays one",
    () =>
      Effect.gen(function* () {
        const broker = yield* ScriptedProvider.make()
        broker.faults.each = ({ ids, nth }, id) =>
          nth === 1 && id === "m-2" ? tooLarge(ids, id) : undefined
        broker.faults.before = ({ ids, nth }) =>
          nth === 2 ? Effect.fail(tooLarge([...ids, "none"], "none")) : Effect.void
        const calls = [[message("m-1"), message("m-2")], [message("m-3")]]
        const outcomes = yield* SendCalls.inOrder(broker.service, orders, calls)
        assert.deepStrictEqual(named(outcomes), ["sent", 1, 3])
      })
  )

  it.effect("a provider that answers too few outcomes is a defect", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      broker.faults.outcomesMissing = 1
      const calls = [[message("m-1"), message("m-2")], [message("m-3")]]
      const exit = yield* Effect.exit(SendCalls.inOrder(broker.service, orders, calls))
      assert.match(String(exit), /fewer outcomes than messages/u)
    })
  )
})

describe("SendCalls.send", () => {
  it.effect("R3.9 what fits goes in one call, counted or not", () =>
    Effect.gen(function* () {
      const text = message("m-1")
      // Its real size fits where the bound that needs no counting does not.
      const sendSizeMax = 2 * Message.size(text)
      const broker = yield* ScriptedProvider.make({ queues: { orders: { sendSizeMax } } })
      assert.isAbove(2 * Message.sizeAtMost(text), sendSizeMax)
      const batches = [[text], [message("m-2"), message("m-3")]]
      for (const batch of batches) yield* SendCalls.send(broker.service, orders, batch)
      assert.deepStrictEqual(callsOf(broker), [["m-1"], ["m-2", "m-3"]])
    })
  )

  it.effect("R4.1 what has become more than a call goes in several, and sessions keep order", () =>
    Effect.gen(function* () {
      const queues = { orders: { ...ScriptedProvider.ordered, sendSizeMax: 250 } }
      const broker = yield* ScriptedProvider.make({ queues })
      broker.faults.each = (_, id) => (id === "a-2" ? Clients.transient() : undefined)
      const messages = ["a-1", "a-2", "b-1", "a-3", "b-2"].map((id) =>
        message(id, id.slice(0, 1), 100)
      )
      const outcomes = yield* SendCalls.send(broker.service, orders, messages)
      const failed = "ConnectionFailed"
      assert.deepStrictEqual(outcomes.map(word), ["a-1", failed, "b-1", failed, "b-2"])
      assert.deepStrictEqual(callsOf(broker), [["a-1", "a-2"], ["b-1"], ["b-2"]])
    })
  )

  it.effect("R1.7 what is too large alone is the provider's to refuse, and spoils no other", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make({ queues: { orders: { sendSizeMax: 120 } } })
      const reason = new QueueError.MessageTooLarge({
        actualBytes: 203,
        maximumBytes: 120,
        index: 0
      })
      broker.faults.before = ({ ids }) =>
        ids.includes("m-2") ? Effect.fail(QueueError.make(reason)) : Effect.void
      const messages = [message("m-1"), message("m-2", undefined, 200)]
      const outcomes = yield* SendCalls.send(broker.service, orders, messages)
      assert.deepStrictEqual(outcomes.map(word), ["m-1", "MessageTooLarge"])
      const alone = yield* Effect.flip(
        SendCalls.send(broker.service, orders, messages.toReversed())
      )
      assert.strictEqual(alone.reason._tag, "MessageTooLarge")
      assert.deepStrictEqual(callsOf(broker), [["m-1"], ["m-2"], ["m-2"]])
    })
  )

  it.effect("R3.9 nothing to send is the provider's to answer", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const exit = yield* Effect.exit(SendCalls.send(broker.service, orders, []))
      assert.match(String(exit), /an empty send/u)
    })
  )

  it.effect(
    "R3.9 messages of a number that no call takes are not cut: the provider refuses them",
    () =>
      Effect.gen(function* () {
        const broker = yield* ScriptedProvider.make({ queues: { orders: { sendCountMax: 2 } } })
        const three = ["m-1", "m-2", "m-3"].map((id) => message(id))
        const exit = yield* Effect.exit(SendCalls.send(broker.service, orders, three))
        assert.match(String(exit), /the client broke the port/u)
        assert.deepStrictEqual(broker.messages({ _tag: "Queue", queue: orders }), [])
      })
  )
})
