import { assert, describe, it } from "@effect/vitest"
import { type DeadLetters, Message, MessageId, QueueName } from "@queue-runtime/core"
import { DateTime, Duration, Effect, Stream } from "effect"
import * as Letters from "../src/dashboard/Letters.ts"

const orders = QueueName.makeUnsafe("orders")
const minute = 60_000
const hour = 60 * minute
const day = 24 * hour

const letter = (
  index: number,
  of: Partial<DeadLetters.DeadLetter> = {}
): DeadLetters.DeadLetter => ({
  id: `letter-${index}`,
  queue: orders,
  message: new Message.Message({ body: new Uint8Array(3) }),
  messageId: MessageId.makeUnsafe(`m-${index}`),
  enqueuedAt: DateTime.makeUnsafe(1_000),
  reason: index % 10 === 0 ? "Rare" : "Common",
  source: orders,
  time: DateTime.makeUnsafe(2_000 + index),
  deliveryCount: 5,
  history: [],
  ...of
})

/** The service over a list: what the page asks of it, and how often. */
const over = (letters: ReadonlyArray<DeadLetters.DeadLetter>, complete = true) => {
  const asked: Array<string> = []
  const service: Pick<DeadLetters.Service, "list" | "page"> = {
    list: (_, { max = letters.length } = {}) => Stream.fromIterable(letters.slice(0, max)),
    page: (_, { cursor = "0", size = 50 } = {}) =>
      Effect.sync(() => {
        asked.push(cursor)
        const from = Number(cursor)
        const end = from + size
        const next = end < letters.length ? { next: String(end) } : {}
        return { letters: letters.slice(from, end), complete, ...next }
      })
  }
  return { service, asked }
}

describe("dashboard: pages of dead letters", () => {
  const many = Array.from({ length: 100 }, (_, index) => letter(index))

  it.effect("R7.1 a page is one page of the service", () =>
    Effect.gen(function* () {
      const { asked, service } = over(many)
      const first = yield* Letters.page(service, orders, { size: 30 })
      assert.strictEqual(first.letters.length, 30)
      assert.strictEqual(first.next, "30")
      const last = yield* Letters.page(service, orders, { size: 30, cursor: "90" })
      assert.strictEqual(last.letters.length, 10)
      assert.isFalse("next" in last)
      assert.deepStrictEqual(asked, ["0", "90"])
    })
  )

  it.effect("R7.1 with a reason it looks on until there is a page of it", () =>
    Effect.gen(function* () {
      const { asked, service } = over(many)
      const page = yield* Letters.page(service, orders, { size: 10, reason: "Rare" })
      assert.strictEqual(page.letters.length, 10)
      assert.isTrue(page.letters.every(({ reason }) => reason === "Rare"))
      assert.strictEqual(asked.length, 10)
    })
  )

  it.effect("R10.7 and not for ever: a page may be short and still have a next one", () =>
    Effect.gen(function* () {
      const { asked, service } = over(Array.from({ length: 1_000 }, (_, index) => letter(index)))
      const page = yield* Letters.page(service, orders, { size: 10, reason: "None" })
      assert.deepStrictEqual(page.letters, [])
      assert.strictEqual(page.next, "200")
      assert.strictEqual(asked.length, 20)
    })
  )

  it.effect("R7.1 where not all can be shown the page says so", () =>
    Effect.gen(function* () {
      const { service } = over([letter(1)], false)
      assert.isFalse((yield* Letters.page(service, orders, { size: 10 })).isComplete)
    })
  )
})

describe("dashboard: one dead letter", () => {
  it("R7.2 shows all that is known of it", () => {
    const info = {
      reason: "First",
      source: orders,
      time: DateTime.makeUnsafe(500),
      deliveryCount: 2
    }
    const shown = Letters.toDetail(
      letter(1, {
        description: "why",
        message: new Message.Message({
          body: Buffer.from("hé"),
          attributes: { a: "1" },
          correlationId: "c",
          contentType: "text/plain",
          timeToLive: Duration.hours(1)
        }),
        details: {
          errorType: "Boom",
          attempts: 3,
          firstFailedAt: DateTime.makeUnsafe(600),
          lastFailedAt: DateTime.makeUnsafe(700),
          tags: { team: "x" }
        },
        history: [info]
      })
    )
    assert.deepStrictEqual(shown, {
      id: "letter-1",
      queue: "orders",
      messageId: "m-1",
      correlationId: "c",
      contentType: "text/plain",
      reason: "Common",
      description: "why",
      source: "orders",
      time: 2_001,
      deliveryCount: 5,
      size: 3,
      details: {
        errorType: "Boom",
        attempts: 3,
        firstFailedAt: 600,
        lastFailedAt: 700,
        tags: { team: "x" }
      },
      enqueuedAt: 1_000,
      attributes: { a: "1" },
      timeToLiveMillis: hour,
      body: { base64: "aMOp", isCut: false },
      history: [{ reason: "First", source: "orders", time: 500, deliveryCount: 2 }]
    })
  })

  it("R10.7 of a large body the beginning", () => {
    const size = Letters.bodyShownMax + 1
    const message = new Message.Message({ body: new Uint8Array(size) })
    const { body, size: told } = Letters.toDetail(letter(1, { message }))
    assert.isTrue(body.isCut)
    assert.strictEqual(Buffer.from(body.base64, "base64").byteLength, Letters.bodyShownMax)
    assert.strictEqual(told, size)
  })
})

const at = (time: number, reason = "Bad") => ({ reason, time })

const totals = ({ series }: Letters.Trend) => series.map(({ reason, total }) => [reason, total])

describe("dashboard: dead letters over time", () => {
  it("R7.3 none is an empty trend", () => {
    const none = { stepMillis: 0, starts: [], series: [], total: 0, isComplete: true }
    assert.deepStrictEqual(Letters.trendOf([], true), none)
  })

  it("R7.3 counts by reason, the commonest first, quiet steps included", () => {
    const letters = [
      at(20 * minute),
      at(20 * minute + 1),
      at(22 * minute),
      at(22 * minute, "Worse")
    ]
    const trend = Letters.trendOf(letters, true)
    assert.strictEqual(trend.stepMillis, minute)
    assert.deepStrictEqual(totals(trend), [
      ["Bad", 3],
      ["Worse", 1]
    ])
    assert.strictEqual(trend.starts.at(-1), 22 * minute)
    assert.deepStrictEqual(trend.series[0]?.counts.slice(-3), [2, 0, 1])
    assert.deepStrictEqual(trend.series[1]?.counts.slice(-3), [0, 0, 1])
    assert.strictEqual(trend.starts.length, 12)
    assert.deepStrictEqual([trend.oldest, trend.newest], [20 * minute, 22 * minute])
  })

  it("R7.3 the steps fit the time: minutes to weeks, at most 48 of them", () => {
    const spans: ReadonlyArray<readonly [number, number]> = [
      [10 * minute, minute],
      [2 * hour, 5 * minute],
      [8 * hour, 15 * minute],
      [day, hour],
      [8 * day, 6 * hour],
      [30 * day, day],
      [300 * day, 7 * day],
      [3_000 * day, 64 * day]
    ]
    for (const [span, step] of spans) {
      const trend = Letters.trendOf([at(1_000 * day), at(1_000 * day + span)], true)
      assert.strictEqual(trend.stepMillis, step)
      assert.isAtMost(trend.starts.length, 48)
      assert.strictEqual(
        trend.series.reduce((sum, { total }) => sum + total, 0),
        2
      )
    }
  })

  it("R10.7 rare reasons share one series", () => {
    const letters = Array.from({ length: 9 }, (_, index) =>
      Array.from({ length: 9 - index }, () => at(minute, `r${index}`))
    ).flat()
    const trend = Letters.trendOf(letters, true)
    assert.deepStrictEqual(totals(trend), [
      ["r0", 9],
      ["r1", 8],
      ["r2", 7],
      ["r3", 6],
      ["r4", 5],
      ["other reasons", 10]
    ])
  })

  it.effect("R10.7 reads up to a bound, and says when there is more", () =>
    Effect.gen(function* () {
      const count = Letters.trendLettersMax + 5
      const { service } = over(Array.from({ length: count }, (_, index) => letter(index)))
      const more = yield* Letters.trend(service, orders)
      assert.strictEqual(more.total, Letters.trendLettersMax)
      assert.isFalse(more.isComplete)
      const all = yield* Letters.trend(over([letter(1)]).service, orders)
      assert.deepStrictEqual([all.total, all.isComplete], [1, true])
    })
  )
})
