/** Where batching stands to retry: ADR 0006. */
import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Batching from "../src/Batching.ts"
import type * as Message from "../src/Message.ts"
import type * as Outcome from "../src/Outcome.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueError from "../src/QueueError.ts"
import type * as QueueProvider from "../src/QueueProvider.ts"
import * as Merged from "./support/Merged.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"
import { pass, quiet } from "./support/Time.ts"

const { answers, message, orders, sendEach } = Merged

const delay = Duration.seconds(1)

type Outcomes = ReadonlyArray<Outcome.Outcome<QueueProvider.Sent>>

/** A retry in small: sends again, once, what of a batch failed transiently, and puts the outcomes together. */
const retrying = (provider: QueueProvider.Service): QueueProvider.Service => {
  const again = Effect.fnUntraced(function* (
    messages: ReadonlyArray<Message.Stamped>,
    outcomes: Outcomes
  ) {
    const worth = messages.flatMap((one, index) => {
      const outcome = outcomes[index]
      const isWorth =
        outcome !== undefined &&
        Result.isFailure(outcome) &&
        QueueError.isTransient(outcome.failure)
      return isWorth ? [{ one, index }] : []
    })
    if (worth.length === 0) return outcomes
    yield* Effect.sleep(delay)
    const second = yield* provider.send(
      orders,
      worth.map(({ one }) => one)
    )
    return outcomes.map((outcome, index) => {
      const place = worth.findIndex((one) => one.index === index)
      return second[place] ?? outcome
    })
  })
  return {
    ...provider,
    send: (queue, messages) =>
      Effect.flatMap(provider.send(queue, messages), (outcomes) => again(messages, outcomes))
  }
}

/** How often each message fails before it is taken. */
const scripted = (failing: Readonly<Record<string, number>>) => {
  const left = new Map(Object.entries(failing))
  return ScriptedProvider.make({
    queues: { orders: ScriptedProvider.ordered },
    faults: {
      each: (_, id) => {
        const times = left.get(id) ?? 0
        left.set(id, times - 1)
        if (id === "never") return QueueError.validationFailed("it", "is wrong")
        return times > 0 ? QueueError.make(new QueueError.Throttled()) : undefined
      }
    }
  })
}

const stored = (broker: ScriptedProvider.ScriptedProvider) =>
  broker.messages(QueueAddress.queue(orders)).map(({ messageId }) => String(messageId))

const run = Effect.fnUntraced(function* (
  stack: (provider: QueueProvider.Service) => ReturnType<typeof Batching.make>,
  failing: Readonly<Record<string, number>>
) {
  const broker = yield* scripted(failing)
  const batching = yield* stack(broker.service)
  return { broker, faults: broker.faults, batching }
})

describe("Batching over retry", () => {
  const above = (provider: QueueProvider.Service) => Batching.make(retrying(provider))

  it.effect(
    "R2.2 R3.10 of a half-failed batch only what is worth it is sent again, in one call",
    () =>
      Effect.gen(function* () {
        const merged = yield* run(above, { b: 1, d: 1, e: 2 })
        const names = ["a", "b", "never", "d", "e"]
        const callers = yield* sendEach(merged, ...names.map((id) => message(id, `of-${id}`)))
        yield* pass(delay)
        assert.deepStrictEqual(Merged.calls(merged), ["a b never d e", "b d e"])
        assert.deepStrictEqual(answers(callers), ["a", "b", "ValidationFailed", "d", "Throttled"])
      })
  )

  it.effect("R4.1 a session is held while its failed message is tried again", () =>
    Effect.gen(function* () {
      const merged = yield* run(above, { a1: 1 })
      const callers = yield* sendEach(merged, message("a1", "A"), message("b1", "B"))
      yield* quiet
      callers.push(...(yield* sendEach(merged, message("a2", "A"), message("b2", "B"))))
      yield* pass("999 millis")
      // The cost: b1 was taken at the first try, and its caller waits for the outcome of a1.
      assert.deepStrictEqual(answers(callers), ["?", "?", "?", "?"])
      yield* pass("1 millis")
      assert.deepStrictEqual(answers(callers), ["a1", "b1", "a2", "b2"])
      assert.deepStrictEqual(stored(merged.broker), ["b1", "a1", "a2", "b2"])
    })
  )

  it.effect("R3.10 a batch that backs off holds up no other session", () =>
    Effect.gen(function* () {
      const merged = yield* run(above, { a1: 1 })
      yield* sendEach(merged, message("a1", "A"))
      yield* quiet
      const callers = yield* sendEach(merged, message("c1", "C"), message("d1", "D"))
      yield* pass("10 millis")
      assert.deepStrictEqual(answers(callers), ["c1", "d1"])
      assert.deepStrictEqual(stored(merged.broker), ["c1", "d1"])
      yield* pass(delay)
      assert.deepStrictEqual(stored(merged.broker), ["c1", "d1", "a1"])
    })
  )
})

describe("Batching under retry, which is why it is not there", () => {
  const under = (provider: QueueProvider.Service) => Effect.map(Batching.make(provider), retrying)

  it.effect("R4.1 the next of a session overtakes one that is tried again", () =>
    Effect.gen(function* () {
      const merged = yield* run(under, { a1: 1 })
      yield* sendEach(merged, message("a1", "A"))
      yield* quiet
      yield* sendEach(merged, message("a2", "A"))
      yield* pass(delay)
      assert.deepStrictEqual(stored(merged.broker), ["a2", "a1"])
    })
  )
})
