import { assert, describe, it } from "@effect/vitest"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueName from "../src/QueueName.ts"
import * as Receipt from "../src/Receipt.ts"

describe("Receipt", () => {
  it("R3.4 a receipt says where its delivery is, and holds the provider's token as it is", () => {
    const address = QueueAddress.deadLetter(QueueName.makeUnsafe("orders"))
    assert.deepStrictEqual(Receipt.make(address, "t 1\u0000"), { address, token: "t 1\u0000" })
  })
})
