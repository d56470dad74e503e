import { assert, describe, it } from "@effect/vitest"
import * as Schema from "effect/Schema"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueName from "../src/QueueName.ts"

const orders = QueueName.makeUnsafe("orders")

describe("QueueAddress", () => {
  it("R3.1 a queue and its dead letters are two addresses", () => {
    assert.deepStrictEqual(QueueAddress.queue(orders), { _tag: "Queue", queue: orders })
    assert.deepStrictEqual(QueueAddress.deadLetter(orders), { _tag: "DeadLetter", queue: orders })
  })

  it("R3.1 a bare name means the queue itself, an address stays what it is", () => {
    const dead = QueueAddress.deadLetter(orders)
    assert.deepStrictEqual(QueueAddress.from(orders), QueueAddress.queue(orders))
    assert.strictEqual(QueueAddress.from(dead), dead)
  })

  it("R3.1 no two addresses read the same: a name has no /", () => {
    assert.strictEqual(QueueAddress.format(QueueAddress.queue(orders)), "orders")
    assert.strictEqual(QueueAddress.format(QueueAddress.deadLetter(orders)), "orders/dead-letter")
    assert.isFalse(QueueName.is("orders/dead-letter"))
  })

  it.each([QueueAddress.queue(orders), QueueAddress.deadLetter(orders)])(
    "R1.1 an address is read back, with its name checked: %j",
    (address) => {
      const { QueueAddress: schema } = QueueAddress
      const encoded = Schema.encodeSync(schema)(address)
      assert.deepStrictEqual(Schema.decodeUnknownSync(schema)(encoded), address)
      assert.isFalse(Schema.is(schema)({ ...address, queue: "-orders" }))
      assert.isFalse(Schema.is(schema)({ ...address, _tag: "Topic" }))
    }
  )
})
