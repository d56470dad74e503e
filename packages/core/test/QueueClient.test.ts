import { assert, describe, it } from "@effect/vitest"
import * as Arbitrary from "effect/Arbitrary"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Random from "effect/Random"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { TestClock } from "effect/testing"
import * as Defaults from "../src/Defaults.ts"
import * as Message from "../src/Message.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Clients from "./support/Clients.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"
import { untyped } from "./support/untyped.ts"

const { message, orders } = Clients

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u

/** An outcome in a word: the id that was sent, or the reason it was not. */
const word = (outcome: Result.Result<QueueProvider.Sent, QueueError.QueueError>): string =>
  Result.isSuccess(outcome) ? outcome.success.messageId : outcome.failure.reason._tag

describe("QueueClient", () => {
  it.effect("says which provider and decorators are below", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      assert.strictEqual(client.provider, "scripted")
      assert.deepStrictEqual(client.stack, ["scripted"])
      assert.strictEqual(client.capabilities(orders).sendCountMax, 10)
    })
  )

  it.effect("the layer takes the provider below it", () =>
    Effect.gen(function* () {
      const broker = yield* ScriptedProvider.make()
      const live = QueueClient.layer().pipe(
        Layer.provide(Layer.succeed(QueueProvider.QueueProvider, broker.service))
      )
      yield* QueueClient.QueueClient.use((client) => client.send(orders, message("m-1"))).pipe(
        Effect.provide(live)
      )
      assert.strictEqual(broker.messages(QueueAddress.queue(orders)).length, 1)
    })
  )

  it.effect("R1.1 what is no message is refused by its place, and nothing is sent", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      for (const bad of ["text", { order: 42 }, undefined, null, 7]) {
        const batch = [message("m-1"), untyped(bad)]
        const { reason } = yield* Effect.flip(client.sendBatch(orders, batch))
        assert.isTrue(reason._tag === "ValidationFailed" && reason.field === "messages[1]")
        assert.match(reason.message, /made by Message\.text, Message\.json/u)
      }
      assert.deepStrictEqual(broker.messages(QueueAddress.queue(orders)), [])
    })
  )

  it.effect("R3.12 a missing queue is QueueNotFound with its name", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      const nowhere = QueueName.makeUnsafe("nowhere")
      const error = yield* Effect.flip(client.send(nowhere, message("m-1")))
      assert.deepStrictEqual(error.reason, new QueueError.QueueNotFound({ queue: "nowhere" }))
    })
  )
})

describe("QueueClient: ids", () => {
  it.effect("R1.1 a message without an id gets a UUID, each its own, the same for one seed", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      const plain = yield* Message.text("hello")
      const twice = Effect.all([client.send(orders, plain), client.send(orders, plain)])
      const [first, second] = yield* Random.withSeed(twice, "seed")
      const [again] = yield* Random.withSeed(twice, "seed")
      assert.match(first.messageId, uuid)
      assert.match(second.messageId, uuid)
      assert.notStrictEqual(first.messageId, second.messageId)
      assert.strictEqual(again.messageId, first.messageId)
      const [stored] = broker.messages(QueueAddress.queue(orders))
      assert.strictEqual(stored?.messageId, first.messageId)
      assert.deepStrictEqual(stored?.body, plain.body)
    })
  )

  it.effect("R1.1 a message with an id keeps it", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      const sent = yield* client.send(orders, message("mine"))
      assert.strictEqual(sent.messageId, "mine")
      assert.isDefined(sent.sequenceNumber)
    })
  )
})

describe("QueueClient: what is refused before anything is sent", () => {
  it.effect("R1.7 a message over the limit: actual, maximum, index, and nothing is sent", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      const error = yield* Effect.flip(client.send(orders, message("big", undefined, 1_000)))
      assert.deepStrictEqual(
        error.reason,
        new QueueError.MessageTooLarge({ actualBytes: 1_003, maximumBytes: 1_000, index: 0 })
      )
      assert.strictEqual(error.provider, "scripted")
      assert.strictEqual(error.operation, "send")
      assert.strictEqual(error.queue, "orders")
      assert.deepStrictEqual(broker.calls("send"), [])
    })
  )

  it.effect("R1.7 a message of exactly the limit is sent", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      const sent = yield* client.send(orders, message("big", undefined, 997))
      assert.strictEqual(sent.messageId, "big")
    })
  )

  it.effect("R1.7 the fifth of ten is too large: none of the ten is sent", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
      const ten = Array.from({ length: 10 }, (_, index) =>
        message(`m-${index}`, undefined, index === 4 ? 2_000 : 1)
      )
      const error = yield* Effect.flip(client.sendBatch(orders, ten))
      assert.deepStrictEqual(
        error.reason,
        new QueueError.MessageTooLarge({ actualBytes: 2_003, maximumBytes: 1_000, index: 4 })
      )
      assert.deepStrictEqual(broker.calls("send"), [])
    })
  )

  const unsupported: ReadonlyArray<
    readonly [string, Parameters<typeof Clients.make>[0], Message.Options, string]
  > = [
    [
      "a delay where there is no scheduling",
      { queues: { orders: { scheduling: "unsupported" } } },
      { delay: Duration.seconds(1) },
      "scheduling a message"
    ],
    [
      "a time where there is no scheduling",
      { queues: { orders: { scheduling: "unsupported" } } },
      { scheduledAt: DateTime.makeUnsafe(60_000) },
      "scheduling a message"
    ],
    [
      "a delay above the longest",
      { queues: { orders: { delayMax: Duration.minutes(15) } } },
      { delay: Duration.minutes(16) },
      "a delay above 15m"
    ],
    [
      "a time beyond the longest delay",
      { queues: { orders: { delayMax: Duration.minutes(15) } } },
      { scheduledAt: DateTime.makeUnsafe(901_000) },
      "a delay above 15m"
    ],
    [
      "a time to live where there is none",
      { queues: { orders: { timeToLive: "unsupported" } } },
      { timeToLive: Duration.seconds(1) },
      "a time to live"
    ]
  ]
  for (const [title, options, messageOptions, what] of unsupported) {
    it.effect(`R3.11 ${title} is UnsupportedOperation`, () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make(options)
        const asking = yield* Message.text("x", messageOptions)
        const error = yield* Effect.flip(client.send(orders, asking))
        assert.deepStrictEqual(
          error.reason,
          new QueueError.UnsupportedOperation({ what, provider: "scripted" })
        )
        assert.strictEqual(error.queue, "orders")
        assert.deepStrictEqual(broker.calls("send"), [])
      })
    )
  }

  it.effect(
    "R3.8 what the queue can do is handed down: delays up to the longest, and any without",
    () =>
      Effect.gen(function* () {
        const bounded = yield* Clients.make({
          queues: { orders: { delayMax: Duration.minutes(15) } }
        })
        const unbounded = yield* Clients.make()
        const longest = yield* Message.text("x", { delay: Duration.minutes(15) })
        const later = yield* Message.text("x", { scheduledAt: DateTime.makeUnsafe(86_400_000) })
        const living = yield* Message.text("x", { timeToLive: Duration.days(1) })
        yield* bounded.client.send(orders, longest)
        yield* unbounded.client.sendBatch(orders, [later, living])
        const [stored] = bounded.broker.messages(QueueAddress.queue(orders))
        const [first, second] = unbounded.broker.messages(QueueAddress.queue(orders))
        assert.deepStrictEqual(stored?.delay, Duration.minutes(15))
        assert.deepStrictEqual(first?.scheduledAt, later.scheduledAt)
        assert.deepStrictEqual(second?.timeToLive, Duration.days(1))
      })
  )
})

describe("QueueClient: messages without a session on an ordered queue", () => {
  const queues = { orders: ScriptedProvider.ordered }
  const sessionsOf = (broker: ScriptedProvider.ScriptedProvider) =>
    broker.messages(QueueAddress.queue(orders)).map(({ sessionId }) => sessionId)

  it.effect("R3.13 are refused by default, with the place, and nothing is sent", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues })
      const error = yield* Effect.flip(
        client.sendBatch(orders, [message("m-1", "a"), message("m-2")])
      )
      assert.strictEqual(error.reason._tag, "ValidationFailed")
      assert.match(error.message, /^send "orders" \(scripted\): ValidationFailed: sessionId: /u)
      assert.deepStrictEqual(broker.calls("send"), [])
    })
  )

  it.effect("R3.13 go into a session named by their message id", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues }, { missingSession: "messageId" })
      yield* client.sendBatch(orders, [message("m-1"), message("m-2", "a")])
      const sent = yield* client.send(orders, yield* Message.text("x"))
      assert.deepStrictEqual(sessionsOf(broker), [
        SessionId.makeUnsafe("m-1"),
        SessionId.makeUnsafe("a"),
        SessionId.makeUnsafe(sent.messageId)
      ])
    })
  )

  it.effect("R3.13 go into the session given; one with a session keeps it", () =>
    Effect.gen(function* () {
      const fixed = SessionId.makeUnsafe("all")
      const { broker, client } = yield* Clients.make({ queues }, { missingSession: { fixed } })
      yield* client.sendBatch(orders, [message("m-1"), message("m-2", "a")])
      assert.deepStrictEqual(sessionsOf(broker), [fixed, SessionId.makeUnsafe("a")])
    })
  )

  it.effect("R3.13 an unordered queue takes both", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      yield* client.sendBatch(orders, [message("m-1"), message("m-2", "a")])
      assert.deepStrictEqual(sessionsOf(broker), [undefined, SessionId.makeUnsafe("a")])
    })
  )
})

describe("QueueClient: batches", () => {
  const ids = (count: number) => Array.from({ length: count }, (_, index) => `m-${index}`)

  it.effect("R3.9 are cut by count, in order", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 3 } } })
      const sent = yield* client.sendBatch(
        orders,
        ids(7).map((id) => message(id))
      )
      assert.deepStrictEqual(
        broker.calls("send").map((call) => call.ids),
        [ids(7).slice(0, 3), ids(7).slice(3, 6), ids(7).slice(6)]
      )
      assert.deepStrictEqual(
        sent.map(({ messageId }) => String(messageId)),
        ids(7)
      )
    })
  )

  it.effect("R3.9 are cut by bytes", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: { sendSizeMax: 1_000 } } })
      const sizes = [397, 597, 1, 996, 3]
      yield* client.sendBatch(
        orders,
        sizes.map((bytes, index) => message(`m-${index}`, undefined, bytes))
      )
      assert.deepStrictEqual(
        broker.calls("send").map((call) => call.ids),
        [["m-0", "m-1"], ["m-2"], ["m-3"], ["m-4"]]
      )
    })
  )

  it.effect("R3.9 of nothing make no call", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      assert.deepStrictEqual(yield* client.sendBatch(orders, []), [])
      assert.deepStrictEqual(broker.calls("send"), [])
    })
  )

  it.effect(
    "R3.9 each message has its own outcome; sendBatch fails with which were not taken",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make()
        broker.faults.each = (_, id) => (id === "m-1" ? Clients.transient() : undefined)
        const three = ids(3).map((id) => message(id))
        const outcomes = yield* client.sendOutcomes(orders, three)
        assert.deepStrictEqual(outcomes.map(word), ["m-0", "ConnectionFailed", "m-2"])
        const error = yield* Effect.flip(client.sendBatch(orders, three))
        assert.deepStrictEqual(
          error.reason,
          new QueueError.BatchPartiallyFailed({
            size: 3,
            failures: [
              {
                index: 1,
                reason: "ConnectionFailed",
                message: "the connection failed",
                retry: "Transient"
              }
            ]
          })
        )
        assert.strictEqual(error.retry, "Transient")
      })
  )

  it.effect("a single send fails with the error of its message", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      broker.faults.each = () => Clients.transient()
      const error = yield* Effect.flip(client.send(orders, message("m-1")))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
    })
  )

  it.effect("R3.9 a first call that fails as a whole fails the batch: nothing was sent", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
      broker.faults.before = () => Effect.fail(Clients.transient())
      for (const [calls, session] of [undefined, "a"].entries()) {
        const error = yield* Effect.flip(
          client.sendOutcomes(
            orders,
            ids(4).map((id) => message(id, session))
          )
        )
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
        assert.strictEqual(broker.calls("send").length, calls + 1)
      }
    })
  )

  it.effect(
    "R3.9 a later call that fails as a whole ends the sending, with its error for the rest",
    () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        broker.faults.before = ({ method, nth }) =>
          method === "send" && nth === 2 ? Effect.fail(Clients.transient()) : Effect.void
        const outcomes = yield* client.sendOutcomes(
          orders,
          ids(7).map((id) => message(id))
        )
        const failed = "ConnectionFailed"
        assert.deepStrictEqual(outcomes.map(word), [
          "m-0",
          "m-1",
          failed,
          failed,
          failed,
          failed,
          failed
        ])
        assert.strictEqual(broker.calls("send").length, 2)
      })
  )

  describe("R3.9 several calls of one batch", () => {
    const slow = Effect.fnUntraced(function* (
      options: { readonly ordered?: boolean; readonly sessionId?: string } = {}
    ) {
      const { ordered = false, sessionId } = options
      const { broker, client } = yield* Clients.make({
        queues: { orders: { sendCountMax: 2, ordered } }
      })
      const seen = { running: 0, most: 0 }
      broker.faults.before = () =>
        Effect.suspend(() => {
          seen.running++
          seen.most = Math.max(seen.most, seen.running)
          return Effect.ensuring(
            Effect.sleep("1 second"),
            Effect.sync(() => void seen.running--)
          )
        })
      const waiting = yield* Effect.forkChild(
        client.sendOutcomes(
          orders,
          ids(50).map((id) => message(id, sessionId))
        )
      )
      yield* TestClock.adjust("1 minute")
      const outcomes = yield* Fiber.join(waiting)
      assert.deepStrictEqual(outcomes.map(word), ids(50))
      return seen.most
    })

    it.effect("are under way side by side on a queue without order", () =>
      Effect.map(slow(), (most) => assert.strictEqual(most, Defaults.batchCallsMax))
    )

    it.effect("go one after the other on an ordered queue", () =>
      Effect.map(slow({ ordered: true, sessionId: "s" }), (most) => assert.strictEqual(most, 1))
    )

    it.effect("go one after the other where a message has a session", () =>
      Effect.map(slow({ sessionId: "s" }), (most) => assert.strictEqual(most, 1))
    )

    it.effect("end with the error of the one that failed, where they go one after the other", () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        broker.faults.before = ({ method, nth }) =>
          method === "send" && nth === 2 ? Effect.fail(Clients.transient()) : Effect.void
        const outcomes = yield* client.sendOutcomes(
          orders,
          ids(6).map((id) => message(id, `of ${id}`))
        )
        const failed = Array.from({ length: 4 }, () => "ConnectionFailed")
        assert.deepStrictEqual(outcomes.map(word), ["m-0", "m-1", ...failed])
        assert.strictEqual(broker.calls("send").length, 2)
      })
    )

    it.effect("fail the batch at the first that fails, where they go one after the other", () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        broker.faults.before = () => Effect.fail(Clients.transient())
        const batch = ids(4).map((id) => message(id, "s"))
        const error = yield* Effect.flip(client.sendOutcomes(orders, batch))
        assert.strictEqual(error.reason._tag, "ConnectionFailed")
        assert.strictEqual(broker.calls("send").length, 1)
      })
    )

    const tooLarge = (index: number) =>
      QueueError.make(new QueueError.MessageTooLarge({ actualBytes: 9, maximumBytes: 8, index }))

    it.effect("R1.7 name a message that is too large by its place in the batch", () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        // Each takes a turn, so that all of them are begun.
        broker.faults.before = ({ ids: [, second] }) =>
          Effect.andThen(Effect.yieldNow, second === "m-3" ? Effect.fail(tooLarge(1)) : Effect.void)
        broker.faults.each = (_, id) => (id === "m-4" ? tooLarge(0) : undefined)
        const batch = ids(6).map((id) => message(id))
        const outcomes = yield* client.sendOutcomes(orders, batch)
        const named = outcomes.map((one) =>
          Result.isFailure(one) ? QueueError.indexOf(one.failure) : String(one.success.messageId)
        )
        assert.deepStrictEqual(named, ["m-0", "m-1", 3, 3, 4, "m-5"])
        const error = yield* Effect.flip(client.sendBatch(orders, batch))
        assert.include(error.message, "3: message 3 has 9 bytes and the limit is 8")
        assert.include(error.message, "4: message 4 has 9 bytes and the limit is 8")
      })
    )

    it.effect("R1.7 so they do when nothing was sent, whichever call failed", () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        // The second call fails first.
        broker.faults.before = ({ ids: [first] }) =>
          first === "m-2"
            ? Effect.fail(tooLarge(1))
            : Effect.delay(Effect.fail(Clients.transient()), "1 second")
        const sending = client.sendOutcomes(
          orders,
          ids(4).map((id) => message(id))
        )
        const waiting = yield* Effect.forkChild(Effect.flip(sending))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(QueueError.indexOf(yield* Fiber.join(waiting)), 3)
      })
    )

    it.effect("fail the batch when all of them fail", () =>
      Effect.gen(function* () {
        const { broker, client } = yield* Clients.make({ queues: { orders: { sendCountMax: 2 } } })
        broker.faults.before = () => Effect.delay(Effect.fail(Clients.transient()), "1 second")
        const waiting = yield* Effect.forkChild(
          Effect.flip(
            client.sendOutcomes(
              orders,
              ids(50).map((id) => message(id))
            )
          )
        )
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* Fiber.join(waiting)).reason._tag, "ConnectionFailed")
        assert.strictEqual(broker.calls("send").length, Defaults.batchCallsMax)
      })
    )
  })

  it.effect("R3.9 nothing of a session goes behind its failure while other sessions go on", () =>
    Effect.gen(function* () {
      const queues = { orders: { ...ScriptedProvider.ordered, sendCountMax: 3 } }
      const { broker, client } = yield* Clients.make({ queues })
      broker.faults.each = (_, id) => (id === "a-1" ? Clients.transient() : undefined)
      const outcomes = yield* client.sendOutcomes(orders, [
        message("a-1", "a"),
        message("a-2", "a"),
        message("b-1", "b"),
        message("b-2", "b"),
        message("a-3", "a"),
        message("b-3", "b"),
        message("a-4", "a"),
        message("a-5", "a")
      ])
      const failed = "ConnectionFailed"
      assert.deepStrictEqual(outcomes.map(word), [
        failed,
        failed,
        "b-1",
        "b-2",
        failed,
        "b-3",
        failed,
        failed
      ])
      assert.deepStrictEqual(
        broker.calls("send").map((call) => call.ids),
        [
          ["a-1", "a-2", "b-1"],
          ["b-2", "b-3"]
        ]
      )
    })
  )

  it.effect("a stopped session keeps its own error when a later call fails as a whole", () =>
    Effect.gen(function* () {
      const queues = { orders: { ...ScriptedProvider.ordered, sendCountMax: 2 } }
      const { broker, client } = yield* Clients.make({ queues })
      broker.faults.each = (_, id) => (id === "a-1" ? Clients.forever() : undefined)
      broker.faults.before = ({ nth }) =>
        nth === 2 ? Effect.fail(Clients.transient()) : Effect.void
      const outcomes = yield* client.sendOutcomes(orders, [
        message("a-1", "a"),
        message("b-1", "b"),
        message("a-2", "a"),
        message("b-2", "b")
      ])
      assert.deepStrictEqual(outcomes.map(word), [
        "QueueNotFound",
        "b-1",
        "QueueNotFound",
        "ConnectionFailed"
      ])
    })
  )

  it.effect("a provider that answers too few outcomes is a defect, in a batch and for one", () =>
    Effect.gen(function* () {
      const { broker, client } = yield* Clients.make()
      broker.faults.outcomesMissing = 1
      const batch = yield* Effect.exit(
        client.sendOutcomes(orders, [message("m-1"), message("m-2")])
      )
      const calls = yield* Effect.exit(
        client.sendOutcomes(
          orders,
          ids(30).map((id) => message(id))
        )
      )
      const inOrder = yield* Effect.exit(
        client.sendOutcomes(
          orders,
          ids(30).map((id) => message(id, id === "m-0" ? undefined : "a"))
        )
      )
      const one = yield* Effect.exit(client.send(orders, message("m-3")))
      assert.match(String(batch), /fewer outcomes than messages/u)
      assert.match(String(calls), /fewer outcomes than messages/u)
      assert.match(String(inOrder), /fewer outcomes than messages/u)
      assert.match(String(one), /no outcome for the message/u)
    })
  )

  const Maximum = Schema.Int.check(Schema.isBetween({ minimum: 1, maximum: 8 }))

  const Plan = Schema.Array(
    Schema.Struct({ session: Schema.Literals(["a", "b", "c"]), fails: Schema.Boolean })
  ).check(Schema.isMaxLength(20))

  it.effect.prop(
    "R3.9 in each session the outcomes are successes up to the first failure, and the broker has just those",
    { plan: Arbitrary.schema(Plan), countMax: Arbitrary.schema(Maximum) },
    ({ countMax, plan }) =>
      Effect.gen(function* () {
        const queues = { orders: { ...ScriptedProvider.ordered, sendCountMax: countMax } }
        const { broker, client } = yield* Clients.make({ queues })
        broker.faults.each = (_, id) =>
          plan[Number(id)]?.fails === true ? Clients.transient() : undefined
        const outcomes = yield* client.sendOutcomes(
          orders,
          plan.map(({ session }, index) => message(String(index), session))
        )
        const stopped = new Set<string>()
        const expected = plan.map(({ fails, session }, index) => {
          if (fails) stopped.add(session)
          return stopped.has(session) ? "ConnectionFailed" : String(index)
        })
        assert.deepStrictEqual(outcomes.map(word), expected)
        assert.deepStrictEqual(
          broker.messages(QueueAddress.queue(orders)).map(({ messageId }) => String(messageId)),
          expected.filter((one) => one !== "ConnectionFailed")
        )
      }),
    { arbitrary: { runs: 100, seed: 5 } }
  )
})
