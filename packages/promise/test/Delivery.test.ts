import { assert, describe, it } from "@effect/vitest"
import { Delivery } from "../src/index.ts"
import { open, text, reasonOf } from "./support/front.ts"

describe("Delivery", () => {
  it("R3.1 what is sent is received, with plain values, and settled", async () => {
    await using queues = await open()
    assert.strictEqual(queues.provider, "memory")
    assert.deepStrictEqual(queues.stack, [
      "create",
      "batching",
      "health",
      "circuit-breaker",
      "retry",
      "timeout",
      "telemetry",
      "memory"
    ])
    const orders = queues.queue("orders")
    const { messageId } = await orders.send("one", {
      messageId: "m-1",
      correlationId: "c-1",
      attributes: { from: "here" },
      timeToLive: "1 hour"
    })
    assert.strictEqual(messageId, "m-1")
    const [peeked] = await orders.peek()
    assert.strictEqual(peeked?.messageId, "m-1")
    assert.deepStrictEqual(await orders.depth(), { available: 1, locked: 0, delayed: 0 })
    const [delivery] = await orders.receive()
    assert.instanceOf(delivery, Delivery.Delivery)
    const { message, value } = delivery
    assert.strictEqual(text(value), "one")
    assert.strictEqual(message.correlationId, "c-1")
    assert.deepStrictEqual(message.attributes, { from: "here" })
    assert.strictEqual(message.timeToLive, 3_600_000)
    assert.strictEqual(message.deliveryCount, 1)
    assert.instanceOf(message.enqueuedAt, Date)
    const renewed = await delivery.renewLock()
    assert.isAtLeast(renewed.getTime(), message.lockedUntil.getTime())
    await delivery.complete()
    assert.strictEqual(await reasonOf(delivery.complete()), "ReceiptExpired")
    assert.deepStrictEqual(await orders.receive(), [])
  })

  it("R3.5 R3.6 an abandoned one comes again; one put aside is among the dead letters", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    await orders.send(new Uint8Array([0, 255]))
    const [first] = await orders.receive()
    await first?.abandon()
    const [second] = await orders.receive()
    assert.strictEqual(second?.message.deliveryCount, 2)
    await second?.deadLetter({ reason: "Bad", description: "very", details: { service: "shop" } })
    const [dead] = await orders.receive({ deadLetters: true })
    assert.deepStrictEqual([...(dead?.value ?? [])], [0, 255])
    assert.strictEqual(dead?.message.deadLetter?.reason, "Bad")
    assert.instanceOf(dead?.message.deadLetter?.time, Date)
  })
})
