import { assert, describe, it } from "@effect/vitest"
import {
  DeadLetters,
  HandlerFailure,
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  QueueName,
  QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Stream from "effect/Stream"
import { History, Tap } from "../src/index.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")
const now = { max: 10, wait: Duration.zero }

const live = MemoryProvider.layer({ queues: { orders: {}, events: { sessions: true } } })

const message = (id: string, options: Message.Options = {}) =>
  Effect.map(Message.text(id, options), (made) => Message.stamp(made, MessageId.makeUnsafe(id)))

/** A provider that is watched, and what was seen. */
const watched = Effect.gen(function* () {
  const recorder = new History.Recorder(() => 7)
  const options: Tap.Options = { recorder, names: new Tap.Names("w1/"), node: "w1" }
  const provider = Tap.provider(yield* QueueProvider.QueueProvider, options)
  return { options, provider, recorder, tags: () => recorder.events.map(({ _tag }) => _tag) }
})

describe("Tap", () => {
  it.effect("DESIGN 7 writes each call and its outcome down, under short names", () =>
    Effect.gen(function* () {
      const { options, provider, recorder, tags } = yield* watched
      yield* provider.send(orders, [yield* message("m1")])
      const [first] = yield* provider.receive(QueueAddress.queue(orders), now)
      if (first === undefined) return assert.fail("nothing came")
      yield* provider.renewLock([first.receipt])
      yield* Tap.handler(() => Effect.void, options)(first)
      yield* provider.settle([first.receipt], Verdict.complete)
      yield* provider.settle([first.receipt], Verdict.complete)
      assert.deepStrictEqual(tags(), [
        "Storing",
        "Stored",
        "Delivered",
        "Renewed",
        "Started",
        "Ended",
        "Settling",
        "Settled",
        "Settling",
        "Settled"
      ])
      assert.isTrue(recorder.events.every(({ at, node }) => at === 7 && node === "w1"))
      const tokens = recorder.events.flatMap((event) => ("token" in event ? [event.token] : []))
      assert.deepStrictEqual([...new Set(tokens)], ["w1/d1"])
      const results = recorder.events.flatMap((event) =>
        event._tag === "Settled" ? [event.result] : []
      )
      assert.deepStrictEqual(results, ["ok", "ReceiptExpired"])
    }).pipe(Effect.provide(live))
  )

  it.effect("DESIGN 7 follows a session from its accept to its release", () =>
    Effect.gen(function* () {
      const { provider, recorder, tags } = yield* watched
      const sessionId = SessionId.makeUnsafe("a")
      yield* provider.send(events, [yield* message("m1", { sessionId })])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = yield* provider.acceptSession(events, { wait: Duration.zero })
          if (held._tag === "None") return assert.fail("no session")
          const [first] = yield* held.value.receive(now)
          if (first === undefined) return assert.fail("nothing came")
          yield* held.value.renewLock
          yield* held.value.settle([first.receipt], Verdict.abandon(Duration.seconds(1)))
          return undefined
        })
      )
      assert.deepStrictEqual(tags(), [
        "Storing",
        "Stored",
        "Accepted",
        "Delivered",
        "Renewed",
        "Settling",
        "Settled",
        "Released"
      ])
      const settled = recorder.events.find((event) => event._tag === "Settled")
      assert.strictEqual(settled?.delayMillis, 1_000)
    }).pipe(Effect.provide(live))
  )

  it.effect("R7.1 follows a dead letter through a replay, under a name of its own", () =>
    Effect.gen(function* () {
      const { options, provider, recorder } = yield* watched
      const client = yield* QueueClient.make(provider)
      const letters = yield* DeadLetters.make(client)
      yield* client.send(orders, yield* message("m1"))
      const [first] = yield* client.receive(orders, now)
      if (first === undefined) return assert.fail("nothing came")
      yield* client.deadLetter(first, { reason: "Bad" })
      yield* Stream.runDrain(letters.replay(orders, DeadLetters.all))
      const [again] = yield* client.receive(orders, now)
      if (again === undefined) return assert.fail("nothing came again")
      yield* Tap.handler(() => Effect.void, options)(again)
      assert.strictEqual(again.messageId, "m1")
      const told = recorder.events.map((event) =>
        "id" in event ? `${event._tag} ${event.id}` : event._tag
      )
      assert.deepStrictEqual(told.slice(told.indexOf("Settled m1") + 1), [
        "Taken m1",
        "Submitted m1.r1",
        "Storing m1.r1",
        "Stored m1.r1",
        "Unburied m1",
        "Delivered m1.r1",
        "Started m1.r1",
        "Ended m1.r1"
      ])
      assert.strictEqual(options.names.shown(again.messageId), "m1")
    }).pipe(Effect.provide(live))
  )

  it.effect("tells how a handler ended", () =>
    Effect.gen(function* () {
      const { options, provider, recorder } = yield* watched
      yield* provider.send(orders, [yield* message("m1")])
      const [first] = yield* provider.receive(QueueAddress.queue(orders), now)
      if (first === undefined) return assert.fail("nothing came")
      const endings: ReadonlyArray<Effect.Effect<void, string | HandlerFailure.Permanent>> = [
        Effect.void,
        Effect.fail("later"),
        Effect.fail(new HandlerFailure.Permanent({ reason: "Bad" })),
        Effect.die("bug"),
        Effect.interrupt
      ]
      for (const one of endings) yield* Effect.exit(Tap.handler(() => one, options)(first))
      assert.deepStrictEqual(
        recorder.events.flatMap((event) => (event._tag === "Ended" ? [event.how] : [])),
        ["done", "failed", "permanent", "defect", "interrupted"]
      )
    }).pipe(Effect.provide(live))
  )

  it("events may be written elsewhere, and are not kept then", () => {
    const written: Array<History.Event> = []
    const recorder = new History.Recorder(
      () => 1,
      (event) => void written.push(event)
    )
    recorder.add({ _tag: "Crashed", node: "w1" })
    assert.deepStrictEqual(written, [{ _tag: "Crashed", node: "w1", at: 1 }])
    assert.deepStrictEqual(recorder.events, [])
  })
})
