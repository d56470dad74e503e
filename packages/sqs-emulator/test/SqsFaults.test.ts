import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Fiber, Scope } from "effect"
import { TestClock } from "effect/testing"
import { SqsFaults } from "../src/index.ts"
import { kindOf, make, only, show } from "./world.ts"

const hold = { VisibilityTimeout: 60 }

describe("Fail", () => {
  it.effect("hits calls of its action and queue, after those it skips, so many times", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {}, r: {} })
      const fault = { _tag: "Fail", kind: "RequestThrottled", message: "slow down" } as const
      const { hits } = yield* q.broker.inject({
        action: "SendMessage",
        queue: "q",
        skip: 1,
        times: 2,
        fault
      })
      const seen: Array<string> = []
      for (let round = 0; round < 4; round++) seen.push(yield* kindOf(q.send("q", "x")))
      assert.deepStrictEqual(seen, ["ok", "RequestThrottled", "RequestThrottled", "ok"])
      assert.strictEqual(yield* kindOf(q.send("r", "x")), "ok")
      assert.strictEqual(yield* kindOf(q.receive("q")), "ok")
      assert.strictEqual(yield* hits, 2)
      assert.strictEqual((yield* q.broker.inspect("q"))?.inFlight, 2)
    }).pipe(Effect.scoped)
  )

  it.effect("a queue is matched in its URL too, and ends with its scope", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      const scope = yield* Scope.make()
      const fault = { _tag: "Fail", kind: "InternalError" } as const
      yield* q.broker.inject({ queue: "q", fault }).pipe(Scope.provide(scope))
      const url = "http://127.0.0.1/000000000000/q"
      assert.strictEqual(yield* kindOf(q.receive(url)), "InternalError")
      yield* Scope.close(scope, Exit.void)
      assert.strictEqual(yield* kindOf(q.receive(url)), "ok")
    }).pipe(Effect.scoped)
  )

  it.effect("with a probability it is drawn from the seed", () =>
    Effect.gen(function* () {
      const draw = Effect.fnUntraced(function* (seed: string) {
        const q = yield* make({ q: {} }, { seed })
        const fault = { _tag: "Fail", kind: "ServiceUnavailable" } as const
        yield* q.broker.inject({ action: "SendMessage", probability: 0.3, fault })
        const seen: Array<string> = []
        for (let round = 0; round < 200; round++) seen.push(yield* kindOf(q.send("q", "x")))
        return seen
      }, Effect.scoped)
      const one = yield* draw("one")
      assert.deepStrictEqual(yield* draw("one"), one)
      assert.notDeepEqual(yield* draw("two"), one)
      const failed = one.filter((kind) => kind === "ServiceUnavailable").length
      assert.isTrue(failed > 30 && failed < 90, `${failed} of 200`)
    })
  )
})

describe("FailEntries", () => {
  it.effect("fails chosen entries of a batch and does the others", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.broker.inject({
        action: "SendMessageBatch",
        times: 1,
        fault: { _tag: "FailEntries", entries: [1] }
      })
      const { Failed, Successful } = yield* q.sendAll("q.fifo", ["A0", "A1", "A2"])
      assert.deepStrictEqual(
        Successful.map(({ Id }) => Id),
        ["0", "2"]
      )
      assert.deepStrictEqual(Failed, [
        { Id: "1", Code: "InternalError", Message: "A fault was injected.", SenderFault: false }
      ])
      const messages = yield* q.receive("q.fifo", hold)
      assert.strictEqual(show(messages), "A0 A2")
      const [, last] = messages
      yield* q.broker.inject({
        action: "ChangeMessageVisibilityBatch",
        fault: {
          _tag: "FailEntries",
          entries: (entry) => entry["ReceiptHandle"] === last?.ReceiptHandle,
          kind: "RequestThrottled",
          senderFault: false
        }
      })
      const changed = yield* q.changeAll("q.fifo", messages, 0)
      assert.deepStrictEqual(
        changed.Failed.map(({ Code, Id, SenderFault }) => [Id, Code, SenderFault]),
        [["1", "RequestThrottled", false]]
      )
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A0#2")
    }).pipe(Effect.scoped)
  )

  it.effect("fails all of a delete, and nothing of a call that is no batch", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.broker.inject({ fault: { _tag: "FailEntries", entries: "all" } })
      yield* q.send("q", "x")
      const message = only(yield* q.receive("q"))
      const removed = yield* q.broker.call("DeleteMessageBatch", {
        QueueUrl: "q",
        Entries: [{ Id: "a", ReceiptHandle: message.ReceiptHandle }]
      })
      assert.include(JSON.stringify(removed), '"Successful":[],"Failed":[{"Id":"a"')
      assert.strictEqual(yield* kindOf(q.remove("q", message)), "ok")
    }).pipe(Effect.scoped)
  )
})

describe("connections", () => {
  it.effect("LoseReply takes effect, Reset does not", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      yield* q.broker.inject({ times: 1, fault: { _tag: "LoseReply" } })
      const lost = yield* Effect.flip(q.send("q", "x"))
      assert.instanceOf(lost, SqsFaults.ConnectionCut)
      assert.deepInclude(lost, { applied: true })
      yield* q.broker.inject({ times: 1, fault: { _tag: "Reset" } })
      const reset = yield* Effect.flip(q.send("q", "y"))
      assert.deepInclude(reset, { _tag: "ConnectionCut", applied: false })
      assert.strictEqual(show(yield* q.receive("q")), "x")
    }).pipe(Effect.scoped)
  )

  it.effect("a receive that lost its reply holds its messages; its attempt id gets them back", () =>
    Effect.gen(function* () {
      const q = yield* make({ "q.fifo": {} })
      yield* q.sendAll("q.fifo", ["A0", "A1"])
      const attempt = { ...hold, ReceiveRequestAttemptId: "one" }
      yield* q.broker.inject({
        action: "ReceiveMessage",
        times: 1,
        fault: { _tag: "LoseReply" }
      })
      assert.strictEqual(yield* kindOf(q.receive("q.fifo", attempt)), "ConnectionCut")
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "")
      assert.strictEqual(show(yield* q.receive("q.fifo", attempt)), "A0 A1")
    }).pipe(Effect.scoped)
  )

  it.effect("Hang waits until the rule is removed, Slow for its time", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {} })
      const { remove } = yield* q.broker.inject({
        action: "SendMessage",
        fault: { _tag: "Hang" }
      })
      const hung = yield* Effect.forkChild(q.send("q", "x"))
      yield* TestClock.adjust("1 hour")
      assert.isUndefined(hung.pollUnsafe())
      assert.strictEqual((yield* q.broker.inspect("q"))?.visible, 0)
      yield* remove
      yield* Fiber.join(hung)
      assert.strictEqual((yield* q.broker.inspect("q"))?.visible, 1)
      yield* q.broker.inject({ fault: { _tag: "Slow", duration: "2 seconds" } })
      const slow = yield* Effect.forkChild(q.send("q", "y"))
      yield* TestClock.adjust("1999 millis")
      assert.isUndefined(slow.pollUnsafe())
      yield* TestClock.adjust("1 millis")
      yield* Fiber.join(slow)
    }).pipe(Effect.scoped)
  )
})

describe("carelessness of a standard queue", () => {
  it.effect("Duplicate stores a message twice, or hands it out twice", () =>
    Effect.gen(function* () {
      const q = yield* make({ q: {}, "q.fifo": {} })
      const { remove } = yield* q.broker.inject({
        action: "SendMessage",
        fault: { _tag: "Duplicate" }
      })
      const { MessageId } = yield* q.send("q", "x")
      const copies = yield* q.receive("q", hold)
      assert.deepStrictEqual(
        copies.map((one) => one.MessageId),
        [MessageId, MessageId]
      )
      yield* q.send("q.fifo", "A0")
      yield* remove
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), "A0")
      yield* q.send("q", "y")
      yield* q.broker.inject({
        action: "ReceiveMessage",
        times: 1,
        fault: { _tag: "Duplicate" }
      })
      assert.strictEqual(show(yield* q.receive("q", hold)), "y")
      assert.strictEqual(show(yield* q.receive("q", hold)), "y#2")
      assert.strictEqual(show(yield* q.receive("q", hold)), "")
    }).pipe(Effect.scoped)
  )

  it.effect("Reorder changes the order of sends or of receives, on FIFO of neither", () =>
    Effect.gen(function* () {
      const q = yield* make({ sent: {}, received: {}, "q.fifo": {} })
      const bodies = Array.from({ length: 10 }, (_, index) => `A${index}`)
      const sends = yield* q.broker.inject({ queue: "sent", fault: { _tag: "Reorder" } })
      yield* q.sendAll("sent", bodies)
      yield* sends.remove
      const sent = show(yield* q.receive("sent", hold)).split(" ")
      assert.notDeepEqual(sent, bodies)
      assert.sameMembers(sent, bodies)
      yield* q.sendAll("received", bodies)
      yield* q.sendAll("q.fifo", bodies)
      yield* q.broker.inject({ action: "ReceiveMessage", fault: { _tag: "Reorder" } })
      const first = yield* q.receive("received", { ...hold, MaxNumberOfMessages: 5 })
      const rest = yield* q.receive("received", hold)
      const received = show([...first, ...rest]).split(" ")
      assert.notDeepEqual(received, bodies)
      assert.sameMembers(received, bodies)
      assert.strictEqual(show(yield* q.receive("q.fifo", hold)), bodies.join(" "))
    }).pipe(Effect.scoped)
  )
})
