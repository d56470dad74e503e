import { Message, QueueAddress, QueueClient, QueueName, SessionId } from "@queue-runtime/core"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { HandlerBreaker, ResilienceConfig } from "@queue-runtime/resilience"
import { SessionWorker } from "@queue-runtime/sessions"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Data, Duration, Effect, Fiber, Layer } from "effect"
import { TestClock } from "effect/testing"

class Down extends Data.TaggedError("Down")<{ readonly message: string }> {}

const queue = QueueName.makeUnsafe("events")
const sessions = ["A", "B", "C", "D", "E", "F"]
const texts = ["1", "2", "3", "4"]

const live = QueueClient.layer().pipe(
  Layer.provide(ResilienceConfig.layer()),
  Layer.provide(
    MemoryProvider.layer({ queues: { events: { sessions: true, deliveriesMax: 100 } } })
  )
)

const turns = Effect.repeat(Effect.yieldNow, { times: 100 })

const pass = (seconds: number) =>
  Effect.repeat(Effect.andThen(TestClock.adjust("1 second"), turns), { times: seconds - 1 })

const sendAll = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  for (const text of texts) {
    for (const session of sessions) {
      const sessionId = yield* SessionId.make(session)
      yield* client.send(queue, yield* Message.text(text, { sessionId }))
    }
  }
})

const deadLetters = Effect.gen(function* () {
  const client = yield* QueueClient.QueueClient
  return yield* client.receive(QueueAddress.deadLetter(queue), { max: 100, wait: 0 })
})

/** What was done in each session, and what handlers saw at which second. */
class Journal {
  readonly done = new Map<string, Array<string>>()
  readonly seen: Array<readonly [session: string, text: string, second: number]> = []

  /** A service that the named sessions need is down until `upAt`. */
  handler(upAt: Duration.Input, needs: (session: string) => boolean = () => true) {
    return ({
      body,
      sessionId = SessionId.makeUnsafe("none")
    }: {
      body: Uint8Array
      sessionId?: SessionId.SessionId
    }) =>
      Effect.flatMap(Clock.currentTimeMillis, (now) => {
        const text = new TextDecoder().decode(body)
        this.seen.push([sessionId, text, now / 1_000])
        if (needs(sessionId) && now < Duration.toMillis(Duration.fromInputUnsafe(upAt))) {
          return Effect.fail(new Down({ message: "down" }))
        }
        this.done.set(sessionId, [...(this.done.get(sessionId) ?? []), text])
        return Effect.void
      })
  }
}

describe("a session worker whose dependency is down", () => {
  it.effect(
    "R5.6 R4.7 for two minutes: nothing is dead-lettered, and each session is handled in order",
    () => {
      const journal = new Journal()
      return Effect.gen(function* () {
        yield* sendAll
        const breaker = yield* HandlerBreaker.make<Down>({ name: "downstream" })
        const worker = yield* Effect.forkChild(
          SessionWorker.run({
            queue,
            handler: breaker.protect(journal.handler("2 minutes")),
            ready: breaker.ready,
            concurrency: 4
          })
        )
        yield* turns
        yield* pass(400)
        yield* Fiber.interrupt(worker)
        assert.deepStrictEqual(yield* deadLetters, [])
        for (const session of sessions) assert.deepStrictEqual(journal.done.get(session), texts)
        // While it was down: the row that opened the breaker, and a probe each half minute.
        const during = journal.seen.filter(([, , second]) => second < 120)
        assert.isAtMost(during.length, 12)
      }).pipe(Effect.provide(live))
    }
  )

  it.effect("R5.6 R4.7 one slot alone the same, for twenty minutes", () => {
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* sendAll
      const breaker = yield* HandlerBreaker.make<Down>({ name: "downstream" })
      const worker = yield* Effect.forkChild(
        SessionWorker.run({
          queue,
          handler: breaker.protect(journal.handler("20 minutes")),
          ready: breaker.ready,
          concurrency: 1
        })
      )
      yield* turns
      yield* pass(1_500)
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(yield* deadLetters, [])
      for (const session of sessions) assert.deepStrictEqual(journal.done.get(session), texts)
    }).pipe(Effect.provide(live))
  })

  it.effect("R5.6 a breaker for each session pauses the failing one alone", () => {
    const journal = new Journal()
    return Effect.gen(function* () {
      yield* sendAll
      const breaker = yield* HandlerBreaker.perSession<Down>({
        name: "tenant",
        isOutage: ({ _tag }) => _tag === "Down"
      })
      const worker = yield* Effect.forkChild(
        SessionWorker.run({
          queue,
          handler: breaker.protect(journal.handler("2 minutes", (session) => session === "A")),
          concurrency: 2
        })
      )
      yield* turns
      yield* pass(30)
      for (const session of sessions.slice(1))
        assert.deepStrictEqual(journal.done.get(session), texts)
      assert.deepStrictEqual(yield* breaker.paused, [SessionId.makeUnsafe("A")])
      yield* pass(270)
      yield* Fiber.interrupt(worker)
      assert.deepStrictEqual(journal.done.get("A"), texts)
      assert.deepStrictEqual(yield* deadLetters, [])
      assert.deepStrictEqual(yield* breaker.paused, [])
    }).pipe(Effect.provide(live))
  })
})
