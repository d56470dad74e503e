import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { kindOf, make, only, show } from "./world.ts"

const hold = { VisibilityTimeout: 60 }
const a012 = ["A0", "A1", "A2"]

describe("groups of a FIFO queue", () => {
  it.effect("a receive takes a group's visible messages up to its first invisible one", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", [...a012, "B0"])
      const messages = yield* q.receive("q.fifo", hold)
      assert.strictEqual(show(messages), "A0 A1 A2 B0")
      // The middle one is back: it waits for the first, and the first does not wait for it.
      yield* q.changeAll("q.fifo", messages.slice(1, 2), 0)
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "")
      yield* q.changeAll("q.fifo", messages.slice(0, 1), 0)
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A0#2 A1#2")
    }).pipe(Effect.scoped)
  )

  it.effect("a deleted first message frees what is behind it as far as it is visible", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", a012)
      const [first] = yield* q.receive("q.fifo", { ...hold, MaxNumberOfMessages: 1 })
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "")
      if (first !== undefined) yield* q.remove("q.fifo", first)
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A1 A2")
    }).pipe(Effect.scoped)
  )

  it.effect("groups take turns: the one that became free last comes last", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", ["A0", "B0", "C0"])
      const one = { ...hold, MaxNumberOfMessages: 1 }
      const first = only(yield* q.receive("q.fifo", one))
      yield* q.change("q.fifo", first, 0)
      const seen: Array<string> = []
      for (let round = 0; round < 3; round++) seen.push(show(yield* q.receive("q.fifo", one)))
      assert.deepStrictEqual(seen, ["B0", "C0", "A0#2"])
    }).pipe(Effect.scoped)
  )

  it.effect("an expired visibility timeout brings the group back in order", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": { VisibilityTimeout: "10" } })
      yield* q.sendAll("q.fifo", a012)
      yield* q.receive("q.fifo")
      yield* TestClock.adjust("9999 millis")
      assert.strictEqual(show(yield* q.receive("q.fifo")), "")
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(show(yield* q.receive("q.fifo")), "A0#2 A1#2 A2#2")
    }).pipe(Effect.scoped)
  )

  it.effect("sequence numbers have 20 digits and grow", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      const first = yield* q.send("q.fifo", "A0")
      const second = yield* q.send("q.fifo", "B0")
      assert.match(first.SequenceNumber ?? "", /^\d{20}$/u)
      assert.isTrue((second.SequenceNumber ?? "") > (first.SequenceNumber ?? ""))
    }).pipe(Effect.scoped)
  )

  it.effect("an expired handle neither deletes nor extends", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.send("q.fifo", "A0")
      const first = only(yield* q.receive("q.fifo", { VisibilityTimeout: 1 }))
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* kindOf(q.remove("q.fifo", first)), "InvalidParameterValue")
      assert.strictEqual(yield* kindOf(q.change("q.fifo", first, 9)), "InvalidParameterValue")
      const second = only(yield* q.receive("q.fifo", hold))
      assert.strictEqual(yield* kindOf(q.remove("q.fifo", first)), "InvalidParameterValue")
      assert.strictEqual(yield* kindOf(q.remove("q.fifo", second)), "ok")
      assert.strictEqual(yield* kindOf(q.remove("q.fifo", first)), "ok")
    }).pipe(Effect.scoped)
  )

  it.effect("the queue's delay holds messages and those behind them, and may be changed", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": { DelaySeconds: "10" } })
      yield* q.send("q.fifo", "A0")
      yield* TestClock.adjust("5 seconds")
      yield* q.send("q.fifo", "A1")
      assert.strictEqual((yield* q.broker.inspect("q.fifo"))?.delayed, 2)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* q.receive("q.fifo", { VisibilityTimeout: 0 })), "A0")
      yield* q.broker.call("SetQueueAttributes", {
        QueueUrl: "q.fifo",
        Attributes: { DelaySeconds: "0" }
      })
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A0#2 A1")
    }).pipe(Effect.scoped)
  )
})

describe("deduplication", () => {
  const id = { MessageDeduplicationId: "once" }

  it.effect("an id is remembered for five minutes, also after its message is deleted", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      const first = yield* q.send("q.fifo", "A0", id)
      yield* q.remove("q.fifo", only(yield* q.receive("q.fifo")))
      yield* TestClock.adjust("299999 millis")
      const again = yield* q.send("q.fifo", "A1", id)
      assert.strictEqual(again.MessageId, first.MessageId)
      assert.strictEqual(again.SequenceNumber, first.SequenceNumber)
      assert.notStrictEqual(again.MD5OfMessageBody, first.MD5OfMessageBody)
      assert.strictEqual(show(yield* q.receive("q.fifo")), "")
      yield* TestClock.adjust("1 millis")
      const later = yield* q.send("q.fifo", "A2", id)
      assert.notStrictEqual(later.MessageId, first.MessageId)
      assert.strictEqual(show(yield* q.receive("q.fifo")), "A2")
      assert.strictEqual((yield* q.broker.inspect("q.fifo"))?.deduplicationIds, 1)
    }).pipe(Effect.scoped)
  )

  it.effect("its scope is the queue, or the group", () =>
    Effect.gen(function* () {
      const perGroup = { DeduplicationScope: "messageGroup" }
      const q = yield* make({ "q.fifo": {}, "g.fifo": perGroup })
      for (const queue of ["q.fifo", "g.fifo"]) {
        yield* q.send(queue, "A0", id)
        yield* q.send(queue, "B0", id)
        yield* q.send(queue, "B1", id)
      }
      assert.strictEqual(show(yield* q.receive("q.fifo")), "A0")
      assert.strictEqual(show(yield* q.receive("g.fifo")), "A0 B0")
    }).pipe(Effect.scoped)
  )

  it.effect("content-based, the body alone counts", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": { ContentBasedDeduplication: "true" } })
      const none = { MessageDeduplicationId: undefined }
      const attribute = { a: { DataType: "String", StringValue: "b" } }
      yield* q.send("q.fifo", "A0", none)
      yield* q.send("q.fifo", "A0", { ...none, MessageAttributes: attribute })
      yield* q.send("q.fifo", "A1", none)
      yield* q.send("q.fifo", "A0", { MessageDeduplicationId: "other" })
      const messages = yield* q.receive("q.fifo")
      assert.strictEqual(show(messages), "A0 A1 A0")
      assert.match(messages[0]?.Attributes?.["MessageDeduplicationId"] ?? "", /^[0-9a-f]{64}$/u)
    }).pipe(Effect.scoped)
  )
})

describe("receive attempts", () => {
  const attempt = { VisibilityTimeout: 60, ReceiveRequestAttemptId: "one" }

  it.effect("a repeated attempt gets the same messages and starts their visibility anew", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", a012)
      const first = yield* q.receive("q.fifo", attempt)
      yield* TestClock.adjust("50 seconds")
      const again = yield* q.receive("q.fifo", attempt)
      assert.deepStrictEqual(again, first)
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(show(yield* q.receive("q.fifo")), "")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* q.receive("q.fifo")), "A0#2 A1#2 A2#2")
    }).pipe(Effect.scoped)
  )

  it.effect("not when one of them was touched, or after five minutes", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", ["A0", "A1", "B0"])
      const messages = yield* q.receive("q.fifo", { ...attempt, VisibilityTimeout: 600 })
      yield* q.changeAll("q.fifo", messages.slice(2), 600)
      assert.strictEqual(show(yield* q.receive("q.fifo", attempt)), "")
      const other = { ...attempt, VisibilityTimeout: 600, ReceiveRequestAttemptId: "two" }
      yield* q.send("q.fifo", "C0")
      assert.strictEqual(show(yield* q.receive("q.fifo", other)), "C0")
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual(show(yield* q.receive("q.fifo", other)), "")
    }).pipe(Effect.scoped)
  )
})

describe("visibility", () => {
  it.effect("is counted from now and lasts twelve hours in total", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x")
      const message = only(yield* q.receive("q", hold))
      yield* TestClock.adjust("59 seconds")
      yield* q.change("q", message, 43_200 - 59)
      assert.strictEqual(
        yield* kindOf(q.change("q", message, 43_200 - 58)),
        "InvalidParameterValue"
      )
      yield* TestClock.adjust("12 hours")
      assert.strictEqual(show(yield* q.receive("q")), "x#2")
    }).pipe(Effect.scoped)
  )

  it.effect("a shortened timeout ends early, a lengthened one late", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.sendAll("q", ["x", "y"])
      const [x, y] = yield* q.receive("q", hold)
      if (x === undefined || y === undefined) throw new Error("two were sent")
      yield* q.change("q", x, 5)
      yield* q.change("q", y, 90)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual(show(yield* q.receive("q", { VisibilityTimeout: 1_000 })), "x#2")
      yield* TestClock.adjust("84 seconds")
      assert.strictEqual(show(yield* q.receive("q")), "")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(show(yield* q.receive("q")), "y#2")
    }).pipe(Effect.scoped)
  )

  it.effect(
    "on a standard queue an expired handle changes nothing, and deletes until the next receive",
    () =>
      Effect.gen(function* () {
        const q = yield* make({ q: {} })
        yield* q.send("q", "x")
        const first = only(yield* q.receive("q", { VisibilityTimeout: 1 }))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(yield* kindOf(q.change("q", first, 60)), "ok")
        const second = only(yield* q.receive("q", { VisibilityTimeout: 1 }))
        assert.strictEqual(yield* kindOf(q.remove("q", first)), "ok")
        yield* TestClock.adjust("1 second")
        assert.strictEqual((yield* q.broker.inspect("q"))?.visible, 1)
        assert.strictEqual(yield* kindOf(q.remove("q", second)), "ok")
        assert.strictEqual(show(yield* q.receive("q")), "")
        assert.strictEqual(yield* kindOf(q.change("q", second, 60)), "InvalidParameterValue")
      }).pipe(Effect.scoped)
  )

  it.effect("on a standard queue an older handle changes a message that is in flight", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x")
      const first = only(yield* q.receive("q", { VisibilityTimeout: 0 }))
      yield* q.receive("q", hold)
      yield* q.change("q", first, 0)
      assert.strictEqual(show(yield* q.receive("q", hold)), "x#3")
    }).pipe(Effect.scoped)
  )

  it.effect("a handle of another queue is none of this one", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {}, r: {} })
      yield* q.send("q", "x")
      const message = only(yield* q.receive("q"))
      assert.strictEqual(yield* kindOf(q.remove("r", message)), "ReceiptHandleIsInvalid")
      const bad = { ReceiptHandle: "AQEBZm9v" }
      assert.strictEqual(yield* kindOf(q.remove("q", bad)), "ReceiptHandleIsInvalid")
    }).pipe(Effect.scoped)
  )

  it.effect(
    "at the limit in flight a short poll says OverLimit; a long one and FIFO say nothing",
    () =>
      Effect.gen(function* () {
        const q = yield* make({ q: {}, "q.fifo": {} }, { inFlightMax: 2 })
        yield* q.sendAll("q", ["x", "y", "z"])
        assert.strictEqual((yield* q.receive("q")).length, 2)
        assert.strictEqual(yield* kindOf(q.receive("q")), "OverLimit")
        const poll = yield* Effect.forkChild(q.receive("q", { WaitTimeSeconds: 1 }))
        yield* TestClock.adjust("1 second")
        assert.strictEqual(show(yield* Fiber.join(poll)), "")
        yield* q.sendAll("q.fifo", ["A0", "B0", "C0"])
        assert.strictEqual(show(yield* q.receive("q.fifo")), "A0 B0")
        assert.strictEqual(show(yield* q.receive("q.fifo")), "")
      }).pipe(Effect.scoped)
  )
})

describe("long polls", () => {
  it.effect("end with what comes for them, or with nothing at their time", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: { ReceiveMessageWaitTimeSeconds: "20" } })
      const polls = yield* Effect.forEach([1, 2, 3], () => Effect.forkChild(q.receive("q")))
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* q.broker.inspect("q"))?.waiting, 3)
      yield* q.send("q", "x")
      yield* q.send("q", "y")
      const [first, second, third] = polls
      if (first === undefined || second === undefined || third === undefined) return
      assert.strictEqual(show(yield* Fiber.join(first)), "x")
      assert.strictEqual(show(yield* Fiber.join(second)), "y")
      yield* TestClock.adjust("9999 millis")
      assert.isUndefined(third.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(show(yield* Fiber.join(third)), "")
    }).pipe(Effect.scoped)
  )

  it.effect("a message that a poll cannot have does not end it", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.send("q.fifo", "A0")
      const first = only(yield* q.receive("q.fifo", hold))
      const poll = yield* Effect.forkChild(q.receive("q.fifo", { ...hold, WaitTimeSeconds: 20 }))
      yield* TestClock.adjust("1 second")
      yield* q.send("q.fifo", "A1")
      yield* TestClock.adjust("1 second")
      assert.isUndefined(poll.pollUnsafe())
      yield* q.remove("q.fifo", first)
      assert.strictEqual(show(yield* Fiber.join(poll)), "A1")
    }).pipe(Effect.scoped)
  )

  it.effect("wake at the end of a delay and of a visibility timeout", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x", { DelaySeconds: 3 })
      const wait = { WaitTimeSeconds: 20, VisibilityTimeout: 5 }
      const one = yield* Effect.forkChild(q.receive("q", wait))
      yield* TestClock.adjust("3 seconds")
      assert.strictEqual(show(yield* Fiber.join(one)), "x")
      const two = yield* Effect.forkChild(q.receive("q", wait))
      yield* TestClock.adjust("4999 millis")
      assert.isUndefined(two.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(show(yield* Fiber.join(two)), "x#2")
    }).pipe(Effect.scoped)
  )

  it.effect("wake for what becomes due before everything that they waited for so far", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x", { DelaySeconds: 15 })
      const poll = yield* Effect.forkChild(q.receive("q", { WaitTimeSeconds: 20 }))
      yield* TestClock.adjust("1 second")
      yield* q.send("q", "y", { DelaySeconds: 3 })
      yield* TestClock.adjust("2999 millis")
      assert.isUndefined(poll.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      assert.strictEqual(show(yield* Fiber.join(poll)), "y")
    }).pipe(Effect.scoped)
  )

  it.effect("an interrupted one takes nothing; those of a deleted queue fail", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      const gone = yield* Effect.forkChild(q.receive("q", { WaitTimeSeconds: 20 }))
      const stays = yield* Effect.forkChild(kindOf(q.receive("q", { WaitTimeSeconds: 20 })))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(gone)
      assert.strictEqual((yield* q.broker.inspect("q"))?.waiting, 1)
      yield* q.broker.call("DeleteQueue", { QueueUrl: "q" })
      assert.strictEqual(yield* Fiber.join(stays), "QueueDoesNotExist")
      assert.isUndefined(yield* q.broker.inspect("q"))
    }).pipe(Effect.scoped)
  )

  it.effect("those of a broker that closes are cut", () =>
    Effect.gen(function* () {
      const poll = yield* Effect.scoped(
        Effect.gen(function* () {
          const q = yield* make({ q: {} })
          const fiber = yield* Effect.forkDetach(kindOf(q.receive("q", { WaitTimeSeconds: 20 })))
          yield* TestClock.adjust("1 second")
          return fiber
        })
      )
      assert.strictEqual(yield* Fiber.join(poll), "ConnectionCut")
    })
  )
})

const redrive = (target: string, maxReceiveCount: number): string =>
  JSON.stringify({
    deadLetterTargetArn: `arn:aws:sqs:us-east-1:000000000000:${target}`,
    maxReceiveCount
  })

describe("dead-lettering", () => {
  it.effect("a message moves at the receive after its last one, and keeps id and count", () =>
    Effect.gen(function* () {
      const q = yield* make({ dead: {}, q: { RedrivePolicy: redrive("dead", 2) } })
      const { MessageId } = yield* q.send("q", "x")
      const now = { VisibilityTimeout: 0 }
      assert.strictEqual(show(yield* q.receive("q", now)), "x")
      assert.strictEqual(show(yield* q.receive("q", now)), "x#2")
      assert.strictEqual((yield* q.broker.inspect("dead"))?.visible, 0)
      assert.strictEqual(show(yield* q.receive("q", now)), "")
      const moved = only(yield* q.receive("dead"))
      assert.strictEqual(moved.MessageId, MessageId)
      assert.strictEqual(moved.Attributes?.["ApproximateReceiveCount"], "3")
      assert.strictEqual(
        moved.Attributes?.["DeadLetterQueueSourceArn"],
        "arn:aws:sqs:us-east-1:000000000000:q"
      )
    }).pipe(Effect.scoped)
  )

  it.effect("on FIFO the followers of a moved message come in the same receive", () =>
    Effect.gen(function* () {
      const q = yield* make({ "d.fifo": {}, "q.fifo": { RedrivePolicy: redrive("d.fifo", 1) } })
      yield* q.send("q.fifo", "A0")
      yield* q.receive("q.fifo", { VisibilityTimeout: 0 })
      yield* q.send("q.fifo", "A1")
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A1")
      const moved = only(yield* q.receive("d.fifo"))
      assert.strictEqual(moved.Attributes?.["MessageGroupId"], "A")
      assert.strictEqual(moved.Attributes?.["MessageDeduplicationId"], moved.MessageId)
    }).pipe(Effect.scoped)
  )

  it.effect("a poll on the dead-letter queue gets what another receive moves there", () =>
    Effect.gen(function* () {
      const q = yield* make({ dead: {}, q: { RedrivePolicy: redrive("dead", 1) } })
      yield* q.send("q", "x")
      yield* q.receive("q", { VisibilityTimeout: 0 })
      const poll = yield* Effect.forkChild(q.receive("dead", { WaitTimeSeconds: 20 }))
      yield* TestClock.adjust("1 second")
      yield* q.receive("q")
      assert.strictEqual(show(yield* Fiber.join(poll)), "x#2")
    }).pipe(Effect.scoped)
  )

  it.effect("a dead-letter queue of a dead-letter queue counts its own receives", () =>
    Effect.gen(function* () {
      const q = yield* make({
        last: {},
        dead: { RedrivePolicy: redrive("last", 1) },
        q: { RedrivePolicy: redrive("dead", 1) }
      })
      yield* q.send("q", "x")
      yield* q.receive("q", { VisibilityTimeout: 0 })
      yield* q.receive("q")
      assert.strictEqual(show(yield* q.receive("dead", { VisibilityTimeout: 0 })), "x#2")
      assert.strictEqual(show(yield* q.receive("dead")), "")
      assert.strictEqual(show(yield* q.receive("last")), "x#3")
    }).pipe(Effect.scoped)
  )

  it.effect("with its dead-letter queue gone a message stays", () =>
    Effect.gen(function* () {
      const q = yield* make({ dead: {}, q: { RedrivePolicy: redrive("dead", 1) } })
      yield* q.broker.call("DeleteQueue", { QueueUrl: "dead" })
      yield* q.send("q", "x")
      yield* q.receive("q", { VisibilityTimeout: 0 })
      assert.strictEqual(show(yield* q.receive("q")), "x#2")
    }).pipe(Effect.scoped)
  )
})

describe("age", () => {
  it.effect("messages end with their retention, in flight or not", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: { MessageRetentionPeriod: "60" } })
      yield* q.sendAll("q", ["x", "y"])
      yield* q.receive("q", { MaxNumberOfMessages: 1, VisibilityTimeout: 600 })
      yield* TestClock.adjust("30 seconds")
      yield* q.send("q", "z")
      yield* TestClock.adjust("30 seconds")
      const view = yield* q.broker.inspect("q")
      assert.deepStrictEqual([view?.visible, view?.inFlight], [1, 0])
      assert.strictEqual(show(yield* q.receive("q")), "z")
    }).pipe(Effect.scoped)
  )

  it.effect("a dead letter keeps its age on a standard queue and begins anew on FIFO", () =>
    Effect.gen(function* () {
      const q = yield* make({
        dead: { MessageRetentionPeriod: "60" },
        "d.fifo": { MessageRetentionPeriod: "60" },
        q: { RedrivePolicy: redrive("dead", 1) },
        "q.fifo": { RedrivePolicy: redrive("d.fifo", 1) }
      })
      for (const queue of ["q", "q.fifo"]) {
        yield* q.send(queue, "A0")
        yield* q.receive(queue, { VisibilityTimeout: 0 })
      }
      yield* TestClock.adjust("50 seconds")
      for (const queue of ["q", "q.fifo"]) yield* q.receive(queue)
      yield* TestClock.adjust("10 seconds")
      assert.strictEqual((yield* q.broker.inspect("dead"))?.visible, 0)
      assert.strictEqual((yield* q.broker.inspect("d.fifo"))?.visible, 1)
      yield* TestClock.adjust("50 seconds")
      assert.strictEqual((yield* q.broker.inspect("d.fifo"))?.visible, 0)
    }).pipe(Effect.scoped)
  )
})

describe("queues", () => {
  it.effect("a purge empties all of it, once a minute", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {}, "q.fifo": {} })
      yield* q.sendAll("q", ["x", "y"])
      yield* q.send("q", "z", { DelaySeconds: 9 })
      yield* q.receive("q", { MaxNumberOfMessages: 1 })
      const purge = kindOf(q.broker.call("PurgeQueue", { QueueUrl: "q" }))
      assert.strictEqual(yield* purge, "ok")
      const view = yield* q.broker.inspect("q")
      assert.deepStrictEqual([view?.visible, view?.inFlight, view?.delayed], [0, 0, 0])
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* purge, "PurgeQueueInProgress")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* purge, "ok")
      yield* q.sendAll("q.fifo", a012)
      yield* q.broker.call("PurgeQueue", { QueueUrl: "q.fifo" })
      yield* q.send("q.fifo", "A3")
      assert.strictEqual(show(yield* q.receive("q.fifo")), "A3")
    }).pipe(Effect.scoped)
  )

  it.effect("a deleted queue's name is free again after a minute", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x")
      yield* q.broker.call("DeleteQueue", { QueueUrl: "q" })
      assert.strictEqual(yield* kindOf(q.send("q", "x")), "QueueDoesNotExist")
      yield* TestClock.adjust("59 seconds")
      assert.strictEqual(yield* kindOf(q.create("q")), "QueueDeletedRecently")
      yield* TestClock.adjust("1 second")
      assert.strictEqual(yield* kindOf(q.create("q")), "ok")
      assert.strictEqual(show(yield* q.receive("q")), "")
    }).pipe(Effect.scoped)
  )

  it.effect("pages of a listing follow one another", () =>
    Effect.gen(function* () {
      const q = yield* make({ a1: {}, a2: {}, a3: {}, b1: {} })
      const first = yield* q.broker.call("ListQueues", { QueueNamePrefix: "a", MaxResults: 2 })
      assert.deepInclude(first, {
        QueueUrls: ["http://127.0.0.1/000000000000/a1", "http://127.0.0.1/000000000000/a2"]
      })
      assert.property(first, "NextToken")
      const NextToken = "NextToken" in first ? first.NextToken : ""
      assert.deepStrictEqual(
        yield* q.broker.call("ListQueues", { QueueNamePrefix: "a", MaxResults: 2, NextToken }),
        { QueueUrls: ["http://127.0.0.1/000000000000/a3"] }
      )
      assert.deepStrictEqual(yield* q.broker.call("ListQueues", { QueueNamePrefix: "z" }), {})
    }).pipe(Effect.scoped)
  )

  it.effect("a permission edits the policy and goes again", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      const add = q.broker.call("AddPermission", {
        QueueUrl: "q",
        Label: "others",
        AWSAccountIds: ["111111111111"],
        Actions: ["ReceiveMessage"]
      })
      yield* add
      assert.strictEqual(yield* kindOf(add), "InvalidParameterValue")
      const policy = q.broker.call("GetQueueAttributes", {
        QueueUrl: "q",
        AttributeNames: ["Policy"]
      })
      assert.include(JSON.stringify(yield* policy), "arn:aws:iam::111111111111:root")
      const remove = q.broker.call("RemovePermission", { QueueUrl: "q", Label: "others" })
      yield* remove
      assert.deepStrictEqual(yield* policy, {})
      assert.strictEqual(yield* kindOf(remove), "InvalidParameterValue")
    }).pipe(Effect.scoped)
  )

  it.effect("counts, calls and names are told", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.sendAll("q", ["x", "y"])
      yield* q.receive("q", { MaxNumberOfMessages: 1 })
      yield* kindOf(q.receive("nothing"))
      yield* kindOf(q.broker.call("NoSuchAction", {}))
      assert.deepStrictEqual(yield* q.broker.calls, {
        CreateQueue: 1,
        SendMessageBatch: 1,
        ReceiveMessage: 2
      })
      assert.deepStrictEqual(yield* q.broker.queues, ["q"])
      const view = yield* q.broker.inspect("q")
      assert.deepStrictEqual(
        view?.messages.map(({ body, receiveCount, state, until }) => [
          body,
          state,
          receiveCount,
          until
        ]),
        [
          ["x", "InFlight", 1, 30_000],
          ["y", "Visible", 0, undefined]
        ]
      )
    }).pipe(Effect.scoped)
  )
})

describe("move tasks", () => {
  const arn = (name: string): string => `arn:aws:sqs:us-east-1:000000000000:${name}`

  const filled = Effect.fnUntraced(function* (count: number) {
    const q = yield* make({ dead: {}, other: {}, q: { RedrivePolicy: redrive("dead", 1) } })
    for (let index = 0; index < count; index++) yield* q.send("q", `x${index}`)
    for (let moved = 0; moved < count; moved += 10) {
      yield* q.receive("q", { VisibilityTimeout: 0 })
    }
    for (let moved = 0; moved <= count; moved += 10) yield* q.receive("q")
    return q
  })

  it.effect("brings messages back as new ones", () =>
    Effect.gen(function* () {
      const q = yield* filled(3)
      assert.strictEqual((yield* q.broker.inspect("dead"))?.visible, 3)
      const before = yield* q.broker.inspect("dead")
      yield* q.broker.call("StartMessageMoveTask", { SourceArn: arn("dead") })
      yield* TestClock.adjust("1 second")
      const messages = yield* q.receive("q")
      assert.strictEqual(show(messages), "x0 x1 x2")
      assert.notStrictEqual(messages[0]?.MessageId, before?.messages[0]?.messageId)
      const listed = yield* q.broker.call("ListMessageMoveTasks", { SourceArn: arn("dead") })
      assert.include(JSON.stringify(listed), '"Status":"COMPLETED"')
    }).pipe(Effect.scoped)
  )

  it.effect("keeps to its rate, alone, until it is cancelled", () =>
    Effect.gen(function* () {
      const q = yield* filled(10)
      const start = q.broker.call("StartMessageMoveTask", {
        SourceArn: arn("dead"),
        DestinationArn: arn("other"),
        MaxNumberOfMessagesPerSecond: 2
      })
      const started = yield* start
      assert.strictEqual(yield* kindOf(start), "InvalidParameterValue")
      yield* TestClock.adjust("2 seconds")
      assert.strictEqual((yield* q.broker.inspect("other"))?.visible, 6)
      const TaskHandle = "TaskHandle" in started ? started.TaskHandle : ""
      assert.deepStrictEqual(yield* q.broker.call("CancelMessageMoveTask", { TaskHandle }), {
        ApproximateNumberOfMessagesMoved: 6
      })
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* q.broker.inspect("other"))?.visible, 6)
      assert.strictEqual((yield* q.broker.inspect("dead"))?.visible, 4)
      const again = q.broker.call("CancelMessageMoveTask", { TaskHandle })
      assert.strictEqual(yield* kindOf(again), "ResourceNotFoundException")
    }).pipe(Effect.scoped)
  )

  it.effect("fails when its destination goes away", () =>
    Effect.gen(function* () {
      const q = yield* filled(10)
      yield* q.broker.call("StartMessageMoveTask", {
        SourceArn: arn("dead"),
        DestinationArn: arn("other"),
        MaxNumberOfMessagesPerSecond: 1
      })
      yield* TestClock.adjust("2 seconds")
      yield* q.broker.call("DeleteQueue", { QueueUrl: "other" })
      yield* TestClock.adjust("2 seconds")
      const listed = yield* q.broker.call("ListMessageMoveTasks", { SourceArn: arn("dead") })
      const text = JSON.stringify(listed)
      assert.include(text, '"Status":"FAILED"')
      assert.include(text, '"ApproximateNumberOfMessagesMoved":3')
      assert.strictEqual((yield* q.broker.inspect("dead"))?.visible, 7)
    }).pipe(Effect.scoped)
  )
})

describe("restart", () => {
  it.effect("keeps the queues, or forgets them and every handle", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.send("q", "x")
      const poll = yield* Effect.forkChild(
        kindOf(Effect.andThen(q.receive("q"), q.receive("q", { WaitTimeSeconds: 20 })))
      )
      yield* TestClock.adjust("1 second")
      yield* q.broker.restart({ keepState: true })
      assert.strictEqual(yield* Fiber.join(poll), "ConnectionCut")
      yield* TestClock.adjust("29 seconds")
      const held = only(yield* q.receive("q"))
      yield* q.broker.restart({ keepState: false })
      assert.strictEqual(yield* kindOf(q.receive("q")), "QueueDoesNotExist")
      yield* q.create("q")
      assert.strictEqual(yield* kindOf(q.remove("q", held)), "ok")
      assert.strictEqual(yield* kindOf(q.change("q", held, 9)), "InvalidParameterValue")
    }).pipe(Effect.scoped)
  )
})
