import { assert, describe, it } from "@effect/vitest"
import { Backoff } from "@queue-runtime/core"
import * as Schema from "effect/Schema"
import { Consumer, HandlerFailure } from "../src/index.ts"
import { open, text, reasonOf, until } from "./support/front.ts"

describe("Consumer", () => {
  it("R5.2 a consumer completes, tries again, and puts aside by how the handler ends", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    const attempts = new Map<string, number>()
    await orders.sendBatch(["good", "flaky", "bad"].map((value) => ({ value })))
    const consumer = orders.consume(
      async (value) => {
        const name = text(value)
        attempts.set(name, (attempts.get(name) ?? 0) + 1)
        if (name === "bad") throw new HandlerFailure.Permanent({ reason: "Bad" })
        if (name === "flaky" && attempts.get(name) === 1) throw new RangeError("once")
        await Promise.resolve()
      },
      { backoff: Backoff.exponential({ initial: "10 millis" }) }
    )
    assert.instanceOf(consumer, Consumer.Consumer)
    const letters = queues.deadLetters("orders")
    await until(async () => attempts.get("flaky") === 2 && (await letters.count()).count === 1)
    await consumer.stop()
    assert.deepStrictEqual(
      [...attempts],
      [
        ["good", 1],
        ["flaky", 2],
        ["bad", 1]
      ]
    )
    assert.deepStrictEqual(await orders.receive(), [])
    assert.deepStrictEqual((await letters.statistics()).byReason, { Bad: 1 })
  })

  it("R5.2 what is thrown names the dead letter, whatever it is", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    await orders.sendBatch(["RangeError", "tagged", "text"].map((value) => ({ value })))
    await using _ = orders.consume(
      (value) => {
        if (text(value) === "RangeError") throw new RangeError("too far")
        if (text(value) === "tagged") throw Object.assign(new Error("for good"), { _tag: "Tagged" })
        throw "a text"
      },
      { deliveriesMax: 1 }
    )
    const letters = queues.deadLetters("orders")
    await until(async () => (await letters.count()).count === 3)
    const told: Array<string | undefined> = []
    for await (const { details } of letters.list()) told.push(details?.errorType)
    assert.sameMembers(told, ["RangeError", "Tagged", "string"])
  })

  it("R5.3 stopping fires the handler's signal after the grace period, and loses nothing", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    await orders.send("one")
    const abort = new AbortController()
    const signals: Array<AbortSignal> = []
    const consumer = orders.consume(
      (_value, _message, { signal }) => {
        signals.push(signal)
        return new Promise((resolve) => signal.addEventListener("abort", resolve))
      },
      { gracePeriod: "10 millis", signal: abort.signal }
    )
    await until(() => signals.length === 1)
    abort.abort()
    await consumer.stopped
    assert.isTrue(signals[0]?.aborted)
    assert.strictEqual((await orders.receive()).length, 1)
  })

  it("R3.12 a consumer of a queue that does not exist ends with QueueNotFound", async () => {
    await using queues = await open()
    const consumer = queues.queue("nowhere").consume(() => {})
    assert.strictEqual(await reasonOf(consumer.stopped), "QueueNotFound")
  })

  it("R4.1 sessions are consumed in order, side by side", async () => {
    await using queues = await open()
    const events = queues.queue("events", { schema: Schema.Struct({ n: Schema.Finite }) })
    const sent = [1, 2, 3].flatMap((n) =>
      ["a", "b"].map((sessionId) => ({ value: { n }, sessionId }))
    )
    await events.sendBatch(sent)
    const seen: Record<string, Array<number>> = {}
    let done = 0
    await using _ = events.consumeSessions(({ n }, { sessionId = "" }) => {
      ;(seen[sessionId] ??= []).push(n)
      done++
    })
    await until(() => done === 6)
    assert.deepStrictEqual(seen, { a: [1, 2, 3], b: [1, 2, 3] })
  })
})
