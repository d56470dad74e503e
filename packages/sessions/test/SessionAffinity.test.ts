import { Defaults, QueueName, SessionId } from "@queue-runtime/core"
import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as SessionAffinity from "../src/SessionAffinity.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")
const id = SessionId.makeUnsafe
const [a, b, c] = [id("a"), id("b"), id("c")]

describe("SessionAffinity", () => {
  it.effect("R4.6 the session given up last comes first, and is taken out", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make()
      for (const one of [a, b, c]) yield* affinity.gaveUp(orders, one)
      assert.strictEqual(yield* affinity.size, 3)
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(c))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(b))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(a))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.none())
      assert.strictEqual(yield* affinity.size, 0)
    })
  )

  it.effect("R4.6 given up again is given up now, and remembered once", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make({ timeToLive: "1 minute" })
      yield* affinity.gaveUp(orders, a)
      yield* TestClock.adjust("30 seconds")
      yield* affinity.gaveUp(orders, b)
      yield* affinity.gaveUp(orders, a)
      assert.strictEqual(yield* affinity.size, 2)
      yield* TestClock.adjust("59 seconds")
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(a))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(b))
    })
  )

  it.effect("R4.6 queues do not share sessions, whatever their ids", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make()
      yield* affinity.gaveUp(orders, a)
      yield* affinity.gaveUp(events, a)
      yield* affinity.forget(orders, a)
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.none())
      assert.deepStrictEqual(yield* affinity.candidate(events), Option.some(a))
    })
  )

  it.effect("R4.6 what is forgotten is no candidate; forgetting the unknown does nothing", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make()
      for (const one of [a, b, c]) yield* affinity.gaveUp(orders, one)
      yield* affinity.forget(orders, b)
      yield* affinity.forget(orders, b)
      yield* affinity.forget(events, a)
      assert.strictEqual(yield* affinity.size, 2)
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(c))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(a))
    })
  )

  it.effect("R4.6 beyond the maximum the oldest of all queues is forgotten", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make({ max: 2 })
      yield* affinity.gaveUp(events, a)
      yield* affinity.gaveUp(orders, b)
      yield* affinity.gaveUp(orders, c)
      assert.strictEqual(yield* affinity.size, 2)
      assert.deepStrictEqual(yield* affinity.candidate(events), Option.none())
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(c))
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.some(b))
    })
  )

  it.effect("R4.6 after its time a session is no candidate", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make()
      yield* affinity.gaveUp(orders, a)
      yield* TestClock.adjust(Duration.subtract(SessionAffinity.timeToLive, Duration.millis(1)))
      assert.strictEqual(yield* affinity.size, 1)
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(yield* affinity.size, 0)
      assert.deepStrictEqual(yield* affinity.candidate(orders), Option.none())
    })
  )

  it.effect("R4.6 remembers sessionsTrackedMax sessions by default", () =>
    Effect.gen(function* () {
      const affinity = yield* SessionAffinity.make()
      for (let index = 0; index <= Defaults.sessionsTrackedMax; index++) {
        yield* affinity.gaveUp(orders, id(`s-${index}`))
      }
      assert.strictEqual(yield* affinity.size, Defaults.sessionsTrackedMax)
    })
  )

  it.effect("R4.6 a bound that is none is ValidationFailed", () =>
    Effect.gen(function* () {
      const max = yield* Effect.flip(SessionAffinity.make({ max: 0 }))
      assert.match(max.message, /^ValidationFailed: max: /u)
      const lifetime = yield* Effect.flip(SessionAffinity.make({ timeToLive: 0 }))
      assert.match(lifetime.message, /^ValidationFailed: timeToLive: /u)
    })
  )

  const Step = Schema.Union([
    Schema.TaggedStruct("gaveUp", {
      queue: Schema.Boolean,
      session: Schema.Literals(["a", "b", "c", "d"])
    }),
    Schema.TaggedStruct("forget", {
      queue: Schema.Boolean,
      session: Schema.Literals(["a", "b", "c", "d"])
    }),
    Schema.TaggedStruct("candidate", { queue: Schema.Boolean }),
    Schema.TaggedStruct("pass", { seconds: Schema.Literals([1, 20, 45]) })
  ])

  it.effect.prop(
    "R4.6 is a list of at most max sessions, none older than the time allowed",
    {
      max: Schema.Literals([1, 3, 5]),
      steps: Arbitrary.array(Arbitrary.schema(Step), { maxLength: 40 })
    },
    Effect.fnUntraced(function* ({ max, steps }) {
      const affinity = yield* SessionAffinity.make({ max, timeToLive: "1 minute" })
      let model: Array<{ queue: QueueName.QueueName; session: string; since: number }> = []
      let now = 0
      for (const step of steps) {
        if (step._tag === "pass") {
          now += step.seconds
          yield* TestClock.adjust(Duration.seconds(step.seconds))
          model = model.filter(({ since }) => now - since < 60)
        } else {
          const queue = step.queue ? orders : events
          if (step._tag === "candidate") {
            const last = model.findLast((one) => one.queue === queue)
            model = model.filter((one) => one !== last)
            const answer = Option.getOrUndefined(yield* affinity.candidate(queue))
            assert.strictEqual(answer, last === undefined ? undefined : id(last.session))
          } else {
            const { session } = step
            model = model.filter((one) => one.queue !== queue || one.session !== session)
            yield* affinity[step._tag](queue, id(session))
            if (step._tag === "gaveUp") model = [...model, { queue, session, since: now }]
            model = model.slice(-max)
          }
        }
        assert.strictEqual(yield* affinity.size, model.length)
      }
    }),
    { arbitrary: { runs: 200 } }
  )
})
