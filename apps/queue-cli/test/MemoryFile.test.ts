import { assert, describe, it } from "@effect/vitest"
import {
  Message,
  MessageId,
  Outcome,
  QueueAddress,
  QueueName,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { TestClock } from "effect/testing"
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import * as MemoryFile from "../src/MemoryFile.ts"

const orders = QueueName.makeUnsafe("orders")
const events = QueueName.makeUnsafe("events")

const options = { queues: { orders: {}, events: { sessions: true } } }

const place = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => mkdtempSync(join(tmpdir(), "queue-cli-"))),
    (folder) => Effect.sync(() => rmSync(folder, { recursive: true }))
  ),
  (folder) => join(folder, "messages.ndjson")
)

const stamped = (id: string, over: Partial<Message.Message> = {}) =>
  Message.stamp(
    new Message.Message({ body: new TextEncoder().encode(id), attributes: {}, ...over }),
    MessageId.makeUnsafe(id)
  )

const dead = QueueAddress.deadLetter(orders)
const now = { max: 9, wait: Duration.zero }

const peeked = Effect.fnUntraced(function* (file: string, address: QueueAddress.QueueAddress) {
  const { provider } = yield* MemoryFile.make(file, options)
  return yield* provider.peek(address, { max: 99 })
}, Effect.scoped)

describe("MemoryFile", () => {
  it.effect("keeps messages as they were: bytes, ids, times, deliveries, order", () =>
    Effect.gen(function* () {
      const file = yield* place
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { provider } = yield* MemoryFile.make(file, options)
          const bytes = new Uint8Array([0, 255, 128])
          yield* provider.send(orders, [
            stamped("m-1", { body: bytes, attributes: { a: "1" }, correlationId: "c" })
          ])
          yield* TestClock.adjust("1 hour")
          yield* provider.send(orders, [stamped("m-2", { contentType: "text/plain" })])
          const [first] = yield* provider.receive(QueueAddress.queue(orders), now)
          assert(first !== undefined)
          yield* provider.settle([first.receipt], Verdict.abandon())
          yield* provider.send(events, [
            stamped("e-1", { sessionId: SessionId.makeUnsafe("s") }),
            stamped("e-2", { sessionId: SessionId.makeUnsafe("s") })
          ])
        })
      )
      yield* TestClock.adjust("1 hour")
      const [one, two, ...none] = yield* peeked(file, QueueAddress.queue(orders))
      assert.deepStrictEqual(none, [])
      assert.deepStrictEqual(
        [one?.messageId, [...(one?.body ?? [])], one?.attributes, one?.correlationId],
        ["m-1", [0, 255, 128], { a: "1" }, "c"]
      )
      assert.strictEqual(one?.deliveryCount, 1)
      assert.deepStrictEqual(
        [one, two].map((message) =>
          message === undefined ? 0 : DateTime.toEpochMillis(message.enqueuedAt)
        ),
        [0, 3_600_000]
      )
      assert.strictEqual(two?.contentType, "text/plain")
      const inSession = yield* peeked(file, QueueAddress.queue(events))
      assert.deepStrictEqual(
        inSession.map(({ messageId, sessionId }) => [String(messageId), String(sessionId)]),
        [
          ["e-1", "s"],
          ["e-2", "s"]
        ]
      )
    }).pipe(Effect.scoped)
  )

  it.effect("keeps dead letters with why, when and how often, of sessions too", () =>
    Effect.gen(function* () {
      const file = yield* place
      const sessionId = SessionId.makeUnsafe("s")
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { provider } = yield* MemoryFile.make(file, options)
          yield* provider.send(orders, [
            stamped("m-1", { timeToLive: Duration.hours(2) }),
            stamped("m-2")
          ])
          const [first] = yield* provider.receive(QueueAddress.queue(orders), { ...now, max: 1 })
          assert(first !== undefined)
          const bury = Verdict.deadLetter("Poison", "it does not go down")
          yield* Effect.flatMap(provider.settle([first.receipt], bury), Outcome.single)
          yield* provider.send(events, [stamped("e-1", { sessionId })])
          const session = yield* provider.acceptSession(events, { sessionId, wait: now.wait })
          const received = yield* Option.getOrThrow(session).receive(now)
          yield* Option.getOrThrow(session).settle(
            received.map(({ receipt }) => receipt),
            Verdict.deadLetter("Late")
          )
        })
      )
      yield* TestClock.adjust("3 hours")
      const letters = yield* peeked(file, dead)
      // Twice: what was restored is kept as it was.
      const [letter] = yield* peeked(file, dead)
      assert.lengthOf(letters, 1)
      assert.deepStrictEqual(
        [letter?.messageId, letter?.deliveryCount, letter?.deadLetter?.reason],
        ["m-1", 1, "Poison"]
      )
      assert.strictEqual(letter?.deadLetter?.description, "it does not go down")
      assert.strictEqual(
        letter?.deadLetter === undefined ? -1 : DateTime.toEpochMillis(letter.deadLetter.time),
        0
      )
      const [late] = yield* peeked(file, QueueAddress.deadLetter(events))
      assert.deepStrictEqual([late?.sessionId, late?.deadLetter?.reason], ["s", "Late"])
      const left = yield* peeked(file, QueueAddress.queue(orders))
      assert.deepStrictEqual(
        left.map(({ messageId }) => messageId),
        ["m-2"]
      )
    }).pipe(Effect.scoped)
  )

  it.effect(
    "keeps the numbers of what stays when others go, of the queue and its dead letters",
    () =>
      Effect.gen(function* () {
        const file = yield* place
        const main = QueueAddress.queue(orders)
        const bury = Verdict.deadLetter("Poison")
        const take = Effect.fnUntraced(function* (
          address: QueueAddress.QueueAddress,
          max: number,
          verdict: Verdict.Verdict
        ) {
          const { provider } = yield* MemoryFile.make(file, options)
          const received = yield* provider.receive(address, { max, wait: Duration.zero })
          yield* provider.settle(
            received.map(({ receipt }) => receipt),
            verdict
          )
        }, Effect.scoped)
        const numbers = (address: QueueAddress.QueueAddress) =>
          Effect.map(peeked(file, address), (found) =>
            found.map(({ messageId, sequenceNumber }) => `${messageId} ${sequenceNumber}`)
          )
        yield* Effect.scoped(
          Effect.flatMap(MemoryFile.make(file, options), ({ provider }) =>
            provider.send(
              orders,
              ["a", "b", "c", "d", "e"].map((id) => stamped(id))
            )
          )
        )
        yield* take(main, 3, bury)
        assert.deepStrictEqual(yield* numbers(main), ["d 4", "e 5"])
        assert.deepStrictEqual(yield* numbers(dead), ["a 1", "b 2", "c 3"])
        yield* take(dead, 1, Verdict.complete)
        yield* take(main, 1, Verdict.complete)
        assert.deepStrictEqual(yield* numbers(main), ["e 5"])
        assert.deepStrictEqual(yield* numbers(dead), ["b 2", "c 3"])
      }).pipe(Effect.scoped)
  )

  it.effect("keeps a schedule that is not over, and drops what expired meanwhile", () =>
    Effect.gen(function* () {
      const file = yield* place
      yield* Effect.scoped(
        Effect.gen(function* () {
          const { provider } = yield* MemoryFile.make(file, options)
          const scheduledAt = DateTime.makeUnsafe(7_200_000)
          yield* provider.send(orders, [
            stamped("later", { scheduledAt }),
            stamped("short", { timeToLive: Duration.minutes(1) })
          ])
        })
      )
      yield* TestClock.adjust("1 hour")
      const [later, ...others] = yield* peeked(file, QueueAddress.queue(orders))
      assert.deepStrictEqual(others, [])
      assert.strictEqual(
        later?.scheduledAt === undefined ? 0 : DateTime.toEpochMillis(later.scheduledAt),
        7_200_000
      )
    }).pipe(Effect.scoped)
  )

  it.effect("knows its queues again, without a configuration", () =>
    Effect.gen(function* () {
      const file = yield* place
      yield* Effect.scoped(MemoryFile.make(file, options))
      const { queues } = yield* MemoryFile.read(file)
      assert.deepStrictEqual(
        [...queues],
        [
          [orders, false],
          [events, true]
        ]
      )
      const ordered = yield* Effect.scoped(
        Effect.map(MemoryFile.make(file, { queues: {} }), ({ provider }) =>
          provider.capabilities(events)
        )
      )
      assert.isTrue(ordered.ordered)
    }).pipe(Effect.scoped)
  )

  it.effect("is for its owner alone, and for one process at a time", () =>
    Effect.gen(function* () {
      const file = yield* place
      yield* Effect.scoped(MemoryFile.make(file, options))
      assert.strictEqual(statSync(file).mode & 0o777, 0o600)
      assert.isFalse(existsSync(`${file}.lock`))
      writeFileSync(`${file}.lock`, String(process.ppid))
      const held = yield* Effect.flip(Effect.scoped(MemoryFile.make(file, options)))
      assert.include(held.message, `process ${process.ppid} has the file`)
      // Its process is gone: there is none of this number.
      writeFileSync(`${file}.lock`, "99999999")
      yield* Effect.scoped(MemoryFile.make(file, options))
    }).pipe(Effect.scoped)
  )

  it.effect("a line that is none is refused, and the file stays as it is", () =>
    Effect.gen(function* () {
      const file = yield* place
      const text = '{"_tag":"Queue","queue":"orders","sessions":false}\n\nnonsense\n'
      writeFileSync(file, text)
      const { reason } = yield* Effect.flip(Effect.scoped(MemoryFile.make(file, options)))
      assert(reason._tag === "ConfigurationInvalid")
      assert.match(reason.problem, /messages\.ndjson:3 is no line/u)
      assert.strictEqual(readFileSync(file, "utf8"), text)
      assert.isFalse(existsSync(`${file}.lock`))
    }).pipe(Effect.scoped)
  )
})
