import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Stream } from "effect"
import {
  DeadLetters,
  Message,
  Outcome,
  QueueClient,
  QueueError,
  type QueueProvider,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import type { SqsBroker } from "@queue-runtime/sqs-emulator"
import * as world from "./support/world.ts"

const { ends, queue } = world

const arn = "arn:aws:sqs:us-east-1:000000000000:q-dlq.fifo"

const redriven = {
  attributes: { RedrivePolicy: JSON.stringify({ deadLetterTargetArn: arn, maxReceiveCount: "2" }) }
}

const session = SessionId.makeUnsafe("s")

const send = Effect.fnUntraced(function* (client: QueueClient.Service, ids: ReadonlyArray<string>) {
  const messages = yield* Effect.forEach(ids, (id) => Message.text(id, { sessionId: session }))
  yield* ends(client.sendBatch(queue, messages))
})

/** Somebody else receives everything again and again, until the redrive policy has moved it. */
const moveAll = Effect.fnUntraced(function* (broker: SqsBroker.Service, name: string) {
  for (let round = 0; round < 12; round++) {
    yield* broker.call("ReceiveMessage", {
      QueueUrl: name,
      MaxNumberOfMessages: 10,
      VisibilityTimeout: 0
    })
  }
})

const make = Effect.gen(function* () {
  const { broker, name, provider } = yield* world.make(redriven)
  const client = yield* QueueClient.make(provider)
  return { broker, client, letters: yield* DeadLetters.make(client), name, provider }
})

/** What the session has, each completed before the next. */
const texts = Effect.fnUntraced(function* (provider: QueueProvider.Service) {
  const client = yield* QueueClient.make(provider)
  const found: Array<string> = []
  const held = yield* ends(client.acceptSession(queue, { wait: "2 seconds" }))
  const accepted = Option.getOrThrow(held)
  while (true) {
    const some = yield* ends(accepted.receive({ max: 10, wait: "2 seconds" }))
    if (some.length === 0) return found
    for (const message of some) found.push(new TextDecoder().decode(message.body))
    yield* ends(Effect.flatMap(accepted.settle(some, Verdict.complete), Outcome.all))
  }
}, Effect.scoped)

const ids = (count: number) => Array.from({ length: count }, (_, index) => `m-${index}`)

describe("dead letters on FIFO queues", () => {
  it.effect(
    "R7.1 of what the redrive policy moved ten of a group hide the rest: not complete",
    () =>
      Effect.gen(function* () {
        const { broker, client, letters, name } = yield* make
        yield* send(client, ids(13))
        yield* moveAll(broker, name)
        const page = yield* ends(letters.page(queue, { size: 100 }))
        assert.deepStrictEqual([page.letters.length, page.complete], [10, false])
        assert.deepStrictEqual(page.letters[0]?.reason, "MaxDeliveryCountExceeded")
        const count = yield* ends(letters.count(queue))
        assert.deepStrictEqual(count, { count: 13, complete: true })
      })
  )

  it.effect("R7.1 R4.1 a replay of them takes ten after ten, and keeps their order", () =>
    Effect.gen(function* () {
      const { broker, client, letters, name, provider } = yield* make
      yield* send(client, ids(23))
      yield* moveAll(broker, name)
      const progress = yield* ends(Stream.runCollect(letters.replay(queue, DeadLetters.all)))
      const { complete, done, failed } = progress.at(-1) ?? assert.fail("there is a last progress")
      assert.deepStrictEqual({ complete, done, failed }, { complete: true, done: 23, failed: 0 })
      assert.deepStrictEqual(yield* texts(provider), ids(23))
    })
  )

  it.effect("R7.1 one that they hide from a replay or a purge is told of: not complete", () =>
    Effect.gen(function* () {
      const { broker, client, letters, name, provider } = yield* make
      yield* send(client, ids(13))
      yield* moveAll(broker, name)
      const textOf = ({ message }: DeadLetters.DeadLetter) => new TextDecoder().decode(message.body)
      const isLast = DeadLetters.where((letter) => textOf(letter) === "m-12")
      const ending = Effect.fnUntraced(function* (
        work: Stream.Stream<DeadLetters.Progress, QueueError.QueueError>
      ) {
        const { complete, done } = Option.getOrThrow(yield* ends(Stream.runLast(work)))
        return { complete, done }
      })
      const hidden = { complete: false, done: 0 }
      assert.deepStrictEqual(yield* ending(letters.replay(queue, isLast)), hidden)
      assert.deepStrictEqual(yield* ending(letters.purge(queue, isLast)), hidden)
      assert.deepStrictEqual(yield* ending(letters.replay(queue, isLast, { dryRun: true })), hidden)
      // The first one stays in hand: what stands behind the ten of its group is not come to.
      const edit: DeadLetters.Edit = (message, letter) =>
        textOf(letter) === "m-0"
          ? Effect.fail(QueueError.validationFailed("edit", "is not for this one"))
          : Effect.succeed(message)
      const stopped = yield* ending(letters.replay(queue, DeadLetters.all, { edit }))
      assert.deepStrictEqual(stopped, hidden)
      // By its id a letter that is come to is all that was asked for, whatever is behind it.
      const { letters: shown } = yield* ends(letters.page(queue, { size: 1 }))
      const one = DeadLetters.ids(shown.map(({ id }) => id))
      assert.deepStrictEqual(yield* ending(letters.replay(queue, one)), { complete: true, done: 1 })
      const rest = yield* ending(letters.replay(queue, DeadLetters.all))
      assert.deepStrictEqual(rest, { complete: true, done: 12 })
      assert.sameMembers(yield* texts(provider), ids(13))
    })
  )

  it.effect("R7.1 R4.1 behind them comes what this library put aside later", () =>
    Effect.gen(function* () {
      const { broker, client, letters, name, provider } = yield* make
      yield* send(client, ids(12))
      yield* moveAll(broker, name)
      yield* send(client, ["m-12", "m-13"])
      yield* Effect.scoped(
        Effect.gen(function* () {
          const held = Option.getOrThrow(yield* ends(client.acceptSession(queue)))
          for (const message of yield* ends(held.receive({ max: 10 }))) {
            yield* ends(held.deadLetter(message, { reason: "Bad" }))
          }
        })
      )
      const progress = yield* ends(Stream.runCollect(letters.replay(queue, DeadLetters.all)))
      assert.strictEqual(progress.at(-1)?.done, 14)
      assert.deepStrictEqual(yield* texts(provider), ids(14))
    })
  )

  it.effect(
    "R7.1 what this library put aside is listed completely, however much of a session",
    () =>
      Effect.gen(function* () {
        const { client, letters } = yield* make
        yield* send(client, ids(30))
        yield* Effect.scoped(
          Effect.gen(function* () {
            const held = Option.getOrThrow(yield* ends(client.acceptSession(queue)))
            for (let count = 0; count < 30;) {
              const some = yield* ends(held.receive({ max: 10 }))
              count += some.length
              const bad = Verdict.deadLetter("Bad")
              yield* ends(Effect.flatMap(held.settle(some, bad), Outcome.all))
            }
          })
        )
        const page = yield* ends(letters.page(queue, { size: 100 }))
        assert.deepStrictEqual([page.letters.length, page.complete], [30, true])
        assert.strictEqual(page.letters[0]?.message.sessionId, session)
        const sum = yield* ends(letters.statistics(queue))
        assert.deepStrictEqual([sum.count, sum.complete, sum.byReason], [30, true, { Bad: 30 }])
      })
  )
})
