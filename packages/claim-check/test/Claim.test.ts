import { hash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Defaults, QueueName } from "@queue-runtime/core"
import * as fc from "fast-check"
import * as claims from "../src/internal/claim.ts"

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text)

const orders = QueueName.makeUnsafe("orders")

describe("a claim", () => {
  it("R1.7 is these bytes, as docs/large-messages.md has them", () => {
    const body = bytes("hello")
    const claim = {
      key: "queue-runtime/orders/1",
      length: body.byteLength,
      digest: claims.digestOf(body)
    }
    const encoded = claims.encode(claim)
    assert.strictEqual(
      Buffer.from(encoded).toString("hex"),
      "51524331203120352032636632346462613566623061333065323665383362326163356239653239653162313631" +
        "6535633166613734323565373330343333363239333862393832342071756575652d72756e74696d652f6f7264" +
        "6572732f31"
    )
    assert.deepStrictEqual(claims.decode(encoded), { _tag: "Claim", claim })
  })

  it("R1.7 is as small as it says: a key of the longest kind included", () => {
    const key = `${"k".repeat(120)}/`.repeat(4) + "k".repeat(28)
    assert.strictEqual(key.length, Defaults.blobKeyLengthMax)
    const claim = { key, length: 999_999_999_999_999, digest: claims.digestOf(bytes("x")) }
    const encoded = claims.encode(claim)
    assert.isBelow(encoded.byteLength, 1_024)
    assert.deepStrictEqual(claims.decode(encoded), { _tag: "Claim", claim })
  })

  it("R1.5 whatever the bytes are, reading them answers", () => {
    const some = fc.oneof(
      fc.uint8Array({ maxLength: 300 }),
      fc.string().map((text) => bytes(`QRC1 ${text}`)),
      fc.string().map((text) => bytes(`QRC1 1 3 ${hash("sha256", "x")} ${text}`))
    )
    fc.assert(
      fc.property(some, (body) => {
        const decoded = claims.decode(body)
        if (decoded._tag === "Claim") assert.deepStrictEqual(claims.encode(decoded.claim), body)
        assert.strictEqual(decoded._tag === "Body", !claims.isMarked(body))
      }),
      { numRuns: 500 }
    )
  })

  it("R3.14 its key is of the queue, the message and the body", () => {
    const folder = claims.folderOf("queue-runtime", orders)
    assert.strictEqual(folder, "queue-runtime/orders/")
    const digest = claims.digestOf(bytes("hello"))
    const key = claims.keyOf(folder, "m-1", digest)
    assert.strictEqual(
      key,
      `queue-runtime/orders/${hash("sha256", "m-1").slice(0, 32)}-${digest.slice(0, 32)}`
    )
    const others = [
      claims.keyOf(folder, "m-2", digest),
      claims.keyOf(folder, "m-1", claims.digestOf(bytes("hell"))),
      claims.keyOf(folder, "m-1", digest, "-1"),
      claims.keyOf(claims.folderOf("queue-runtime", QueueName.makeUnsafe("orders2")), "m-1", digest)
    ]
    assert.notInclude(others, key)
  })
})
