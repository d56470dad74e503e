import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import { Queue } from "../src/index.ts"
import { open, text, rejected, reasonOf, counted } from "./support/front.ts"

describe("Queue", () => {
  it("R3.9 many are sent in order; each has its own outcome", async () => {
    await using queues = await open()
    const orders = queues.queue("orders", { schema: Schema.Finite })
    assert.instanceOf(orders, Queue.Queue)
    assert.strictEqual((await orders.sendBatch([{ value: 1 }, { value: 2 }])).length, 2)
    const settled = await orders.sendOutcomes([{ value: 3, scheduledAt: new Date(0) }])
    assert.deepStrictEqual(
      settled.map(({ status }) => status),
      ["fulfilled"]
    )
    const received = await orders.receive({ max: 10 })
    assert.deepStrictEqual(
      received.map(({ value }) => value),
      [1, 2, 3]
    )
    const bad = orders.sendBatch([{ value: 4 }, { value: Number.NaN }])
    assert.strictEqual(await reasonOf(bad), "SerializationFailed")
  })

  it("R1.3 what is undefined of a message is not there", async () => {
    await using queues = await open()
    const ids: { readonly messageId: string | undefined } = { messageId: undefined }
    const none = undefined
    await queues.queue("orders").send("one", { ...ids, sessionId: none, attributes: none })
    const [delivery] = await queues.queue("orders").receive()
    assert.isNotEmpty(delivery?.message.messageId)
    assert.deepStrictEqual(delivery?.message.attributes, {})
    const refused = queues.queue("events").send("one", { sessionId: none })
    assert.match(String(await rejected(refused)), /session id/u)
  })

  it("R5.5 a Standard Schema checks what is sent, and gives what it made of it", async () => {
    await using queues = await open()
    const orders = queues.queue("orders", { schema: counted })
    await orders.send({ n: 2 })
    const [delivery] = await orders.receive()
    assert.deepStrictEqual(delivery?.value, { n: 2, doubled: 4 })
    const refused = orders.send(JSON.parse('{ "n": "x" }'))
    const error = await rejected(refused)
    assert.match(String(error), /SerializationFailed.*must be a number/su)
    assert.match(
      String(await rejected(orders.send(JSON.parse('{ "n": "throw" }')))),
      /the validator threw TypeError/u
    )
    await queues.queue("orders").send('{"n":"x"}')
    assert.deepStrictEqual(await orders.receive(), [])
    const { letters } = await queues.deadLetters("orders").page()
    const [letter] = letters
    assert.strictEqual(letter?.reason, "SerializationFailed")
    assert.match(letter?.description ?? "", /n: must be a number/u)
  })

  it("R3.3 a signal ends a wait with its reason, and leaves nothing locked", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    const abort = new AbortController()
    const waiting = orders.receive({ wait: "1 minute", signal: abort.signal })
    abort.abort(new Error("enough"))
    assert.match(String(await rejected(waiting)), /enough/u)
    assert.match(String(await rejected(orders.receive({ signal: abort.signal }))), /enough/u)
    await orders.send("one")
    assert.strictEqual((await orders.receive()).length, 1)
  })

  it("R3.1 messages are iterated one by one, and none is received ahead", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    await orders.sendBatch([{ value: "1" }, { value: "2" }, { value: "3" }])
    const seen: Array<string> = []
    for await (const delivery of orders.messages()) {
      seen.push(text(delivery.value))
      await delivery.complete()
      if (seen.length === 2) break
    }
    assert.deepStrictEqual(seen, ["1", "2"])
    assert.deepStrictEqual(await orders.depth(), { available: 1, locked: 0, delayed: 0 })
  })
})
