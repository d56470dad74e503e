import { assert, describe, it } from "@effect/vitest"
import { DeadLetters } from "@queue-runtime/core"
import { open, rejected } from "./support/front.ts"

describe("DeadLetters", () => {
  it("R7.1 dead letters are paged, shown, replayed, exported, imported and purged", async () => {
    await using queues = await open()
    const orders = queues.queue("orders")
    const letters = queues.deadLetters("orders")
    const putAside = async (count: number) => {
      for (const delivery of await orders.receive({ max: count })) {
        await delivery.deadLetter({ reason: "Bad" })
      }
    }
    await orders.sendBatch(["1", "2", "3"].map((value) => ({ value })))
    await putAside(3)
    const page = await letters.page({ size: 2 })
    assert.strictEqual(page.letters.length, 2)
    const [letter] = page.letters
    assert.ok(letter)
    assert.instanceOf(letter.time, Date)
    assert.strictEqual((await letters.get(letter.id))?.messageId, letter.messageId)
    assert.strictEqual(await letters.get("nobody"), undefined)
    const exported: Array<string> = []
    for await (const line of letters.exportNdjson()) exported.push(line)
    assert.strictEqual(exported.length, 3)
    const seen: Array<number> = []
    const progress = await letters.replay(DeadLetters.ids([letter.id]), {
      onProgress: ({ done }) => seen.push(done)
    })
    assert.strictEqual(progress.done, 1)
    assert.strictEqual(seen.at(-1), 1)
    assert.strictEqual((await orders.receive({ max: 5 })).length, 1)
    assert.strictEqual((await letters.purge(DeadLetters.all)).done, 2)
    assert.strictEqual((await letters.count()).count, 0)
    assert.strictEqual((await letters.cleanUp()).done, 0)
    const lines = async function* () {
      yield* exported
    }
    assert.strictEqual((await letters.importNdjson(lines())).done, 3)
    const failing = async function* () {
      yield ""
      throw new RangeError("the file is gone")
    }
    assert.match(String(await rejected(letters.importNdjson(failing()))), /the file is gone/u)
  })
})
