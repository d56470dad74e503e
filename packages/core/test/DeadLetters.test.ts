import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { TestClock } from "effect/testing"
import * as DeadLetters from "../src/DeadLetters.ts"
import * as Defaults from "../src/Defaults.ts"
import * as Message from "../src/Message.ts"
import * as MessageId from "../src/MessageId.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueName from "../src/QueueName.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import * as Clients from "./support/Clients.ts"
import * as Letters from "./support/Letters.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"

const { all, blind, dead, orders, passing } = Letters

const idsOf = (letters: ReadonlyArray<{ readonly messageId: string }>) =>
  letters.map(({ messageId }) => messageId)

const abc = ["a", "b", "c"]

const abcde = [...abc, "d", "e"]

/** Both ways to read: by looking, and by receiving and giving back. */
const ways = [
  { way: "with peek", capabilities: {} },
  { way: "without peek", capabilities: blind }
]

describe("DeadLetters: reading", () => {
  for (const { capabilities, way } of ways) {
    it.effect(`R7.1 ${way}: a list shows all, removes none and leaves none locked`, () =>
      Effect.gen(function* () {
        const { broker, left, letters, put } = yield* Letters.make(capabilities)
        for (const id of abcde) put(id, { session: "s", description: "why" })
        const listed = yield* all(letters.list(orders))
        assert.deepStrictEqual(idsOf(listed), abcde)
        assert.deepStrictEqual(left(), abcde)
        assert.deepStrictEqual(yield* broker.locked, [])
        const [letter] = listed
        assert.strictEqual(letter?.reason, "Bad")
        assert.strictEqual(letter?.description, "why")
        assert.strictEqual(letter?.message.sessionId, "s")
        assert.strictEqual(letter?.queue, orders)
        assert.deepStrictEqual(letter?.history, [])
        const again = yield* all(letters.list(orders))
        assert.deepStrictEqual(
          again.map(({ id }) => id),
          listed.map(({ id }) => id)
        )
      })
    )

    it.effect(`R7.1 ${way}: a list can be filtered and cut, and a letter be found by its id`, () =>
      Effect.gen(function* () {
        const { broker, letters, put } = yield* Letters.make(capabilities)
        for (const id of abcde) put(id, { reason: id === "b" ? "Other" : "Bad" })
        const two = yield* all(letters.list(orders, { max: 2 }))
        assert.deepStrictEqual(idsOf(two), ["a", "b"])
        const filter = ({ reason }: DeadLetters.DeadLetter) => reason === "Other"
        const [other] = yield* all(letters.list(orders, { filter }))
        assert.strictEqual(other?.messageId, "b")
        const found = yield* passing(letters.get(orders, other?.id ?? ""))
        assert.strictEqual(Option.getOrThrow(found).messageId, "b")
        assert.isTrue(Option.isNone(yield* passing(letters.get(orders, "nobody"))))
        assert.deepStrictEqual(yield* broker.locked, [])
        const bad = yield* Effect.flip(all(letters.list(orders, { max: 0 })))
        assert.strictEqual(bad.reason._tag, "ValidationFailed")
      })
    )

    it.effect(`R7.1 ${way}: pages hold each letter once`, () =>
      Effect.gen(function* () {
        const { letters, put } = yield* Letters.make(capabilities, { tellsDepth: true })
        // Later ones first: without peek a page goes by time.
        for (const [index, id] of abcde.entries()) put(id, { at: 100 - index })
        yield* TestClock.adjust("1 minute")
        const found: Array<string> = []
        let cursor: string | undefined
        do {
          const options = { size: 2, ...(cursor === undefined ? {} : { cursor }) }
          const page = yield* passing(letters.page(orders, options))
          assert.isTrue(page.complete)
          assert.isAtMost(page.letters.length, 2)
          found.push(...idsOf(page.letters))
          cursor = page.next
        } while (cursor !== undefined)
        assert.deepStrictEqual(found.toSorted(), abcde)
        const page = yield* passing(letters.page(orders))
        assert.strictEqual(page.letters.length, 5)
        const error = yield* Effect.flip(letters.page(orders, { cursor: "x" }))
        assert.match(error.message, /cursor: must be the `next` of a page/u)
      })
    )

    it.effect(`R7.1 ${way}: many letters are more than one page of the provider`, () =>
      Effect.gen(function* () {
        const { letters, put } = yield* Letters.make(capabilities)
        const many = Array.from({ length: 130 }, (_, index) => `m-${index}`)
        for (const id of many) put(id)
        assert.deepStrictEqual(idsOf(yield* all(letters.list(orders))), many)
        const page = yield* passing(letters.page(orders, { size: 20 }))
        assert.strictEqual(page.letters.length, 20)
      })
    )
  }

  it.effect("R7.1 a count is what the service says, or what is seen", () =>
    Effect.gen(function* () {
      const told = yield* Letters.make(blind, { tellsDepth: true })
      for (const id of abc) told.put(id)
      told.put("held", { heldUntil: 60_000 })
      assert.deepStrictEqual(yield* told.letters.count(orders), { count: 4, complete: true })
      assert.strictEqual(told.broker.calls("receive").length, 0)
      const seen = yield* Letters.make()
      for (const id of abc) seen.put(id)
      assert.deepStrictEqual(yield* seen.letters.count(orders), { count: 3, complete: true })
      const received = yield* Letters.make(blind)
      for (const id of abc) received.put(id)
      const count = yield* passing(received.letters.count(orders))
      assert.deepStrictEqual(count, { count: 3, complete: false })
    })
  )

  it.effect("R7.1 without peek a page says whether others hold some", () =>
    Effect.gen(function* () {
      const { letters, put } = yield* Letters.make(blind, { tellsDepth: true })
      put("a")
      assert.isTrue((yield* passing(letters.page(orders))).complete)
      put("b", { heldUntil: 600_000 })
      const page = yield* passing(letters.page(orders))
      assert.deepStrictEqual([idsOf(page.letters), page.complete], [["a"], false])
    })
  )

  it.effect("R7.1 what the broker moved on an ordered queue may hide more: not complete", () =>
    Effect.gen(function* () {
      const fifo = { ...ScriptedProvider.ordered, ...blind }
      const { letters, put } = yield* Letters.make(fifo, { tellsDepth: true })
      put("ours", { session: "s", sequenceNumber: 7n })
      assert.isTrue((yield* passing(letters.page(orders))).complete)
      put("theirs", { session: "s" })
      const page = yield* passing(letters.page(orders))
      assert.deepStrictEqual([page.letters.length, page.complete], [2, false])
    })
  )

  it.effect("R10.7 a listing that would hold too many ends, and says so", () =>
    Effect.gen(function* () {
      const options = { heldMax: 10, heldSizeMax: 1_000_000 }
      const { broker, letters, put } = yield* Letters.make(blind, { tellsDepth: true }, options)
      for (let index = 0; index < 30; index++) put(`m-${index}`)
      const page = yield* passing(letters.page(orders, { size: 100 }))
      assert.deepStrictEqual([page.letters.length, page.complete], [20, false])
      assert.deepStrictEqual(yield* broker.locked, [])
    })
  )

  it.effect("R7.1 two copies that a crash left are one letter", () =>
    Effect.gen(function* () {
      const { letters, put } = yield* Letters.make(blind)
      put("a", { delivery: "dl-1" })
      put("a", { delivery: "dl-1", at: 5 })
      put("a", { delivery: "dl-2" })
      assert.strictEqual((yield* all(letters.list(orders))).length, 2)
    })
  )

  it.effect("R7.1 messages that nothing tells apart are letters of their own", () =>
    Effect.gen(function* () {
      const { left, letters, put, there } = yield* Letters.make(blind, { isNumbered: false })
      put("a")
      put("a")
      assert.strictEqual((yield* all(letters.list(orders))).length, 2)
      const progress = yield* all(letters.replay(orders, DeadLetters.all))
      assert.deepStrictEqual(Letters.outcomes(progress), ["a done", "a done"])
      assert.deepStrictEqual(left(), [])
      assert.deepStrictEqual(yield* there, ["a", "a"])
    })
  )

  it.effect("R7.1 a peek that gives no numbers is not gone by", () =>
    Effect.gen(function* () {
      const { broker, letters, put } = yield* Letters.make({}, { isNumbered: false })
      for (const id of abc) put(id, { delivery: id })
      assert.deepStrictEqual(idsOf(yield* all(letters.list(orders))), abc)
      assert.strictEqual(broker.calls("peek").length, 1)
    })
  )

  it.effect("R7.1 a peek that begins again at the first is not asked for ever", () =>
    Effect.gen(function* () {
      const { broker, put } = yield* Letters.make()
      for (const id of abc) put(id)
      const again = {
        ...broker.service,
        peek: (...[address, { max }]: Parameters<QueueProvider.Service["peek"]>) =>
          broker.service.peek(address, { max })
      }
      const letters = yield* DeadLetters.make(yield* QueueClient.make(again))
      assert.strictEqual((yield* all(letters.list(orders))).length, 6)
      const progress = yield* all(letters.purge(orders, DeadLetters.all))
      assert.strictEqual(progress.at(-1)?.done, 3)
    })
  )

  it.effect("R7.1 a peek that numbers some alone is gone by as far as the numbers go", () =>
    Effect.gen(function* () {
      const { broker, put } = yield* Letters.make()
      for (const id of ["a", "b"]) put(id)
      const some = {
        ...broker.service,
        peek: (...[address, options]: Parameters<QueueProvider.Service["peek"]>) =>
          Effect.map(broker.service.peek(address, options), (messages) =>
            messages.map(({ sequenceNumber, ...one }) =>
              one.messageId === "a" && sequenceNumber !== undefined
                ? { ...one, sequenceNumber }
                : one
            )
          )
      }
      const letters = yield* DeadLetters.make(yield* QueueClient.make(some))
      assert.deepStrictEqual(idsOf(yield* all(letters.list(orders))), ["a", "b", "b"])
    })
  )

  it.effect("R7.2 a message that somebody put there without a reason is a dead letter too", () =>
    Effect.gen(function* () {
      const { broker, letters } = yield* Letters.make()
      const message = Message.stamp(Clients.message("a"), MessageId.makeUnsafe("a"))
      broker.put(dead, message, { enqueuedAt: 5 })
      const [letter] = yield* all(letters.list(orders))
      assert.strictEqual(letter?.reason, "Unspecified")
      assert.strictEqual(letter?.source, orders)
      assert.deepStrictEqual(letter?.time, DateTime.makeUnsafe(5))
    })
  )

  it.effect("R3.12 a queue that does not exist is QueueNotFound", () =>
    Effect.gen(function* () {
      const { broker } = yield* Letters.make()
      const { service } = yield* ScriptedProvider.make({ queues: {} })
      const letters = yield* DeadLetters.make(yield* QueueClient.make(service))
      const calls = [
        Stream.runDrain(letters.list(orders)),
        Stream.runDrain(letters.replay(orders, DeadLetters.all))
      ]
      for (const call of calls) {
        const error = yield* Effect.flip(call)
        assert.strictEqual(error.reason._tag, "QueueNotFound")
      }
      assert.deepStrictEqual(broker.calls("peek"), [])
    })
  )

  it.effect("R3.15 R7.1 dead letters that the client routes to a queue are read and replayed", () =>
    Effect.gen(function* () {
      const deadLetterQueues = { orders: Clients.aside }
      const { broker, client, letters, there } = yield* Letters.make(
        { deadLetter: "unsupported" },
        {},
        {},
        { deadLetterQueues }
      )
      yield* client.send(orders, Clients.message("a"))
      for (const reason of ["Bad", "Worse"]) {
        const [received] = yield* client.receive(orders, { wait: 0 })
        yield* client.deadLetter(received ?? assert.fail("nothing received"), { reason })
        const [letter] = yield* all(letters.list(orders))
        assert.deepStrictEqual([letter?.messageId, letter?.reason], ["a", reason])
        assert.isDefined(letter?.sequenceNumber)
        yield* all(letters.replay(orders, DeadLetters.all))
        assert.deepStrictEqual(yield* there, ["a"])
      }
      const [last] = yield* client.peek(orders)
      assert.deepStrictEqual(
        last?.history?.map(({ reason }) => reason),
        ["Bad", "Worse"]
      )
      assert.deepStrictEqual(broker.messages(dead), [])
    })
  )

  it.effect("R3.15 R7.1 of queues that share their dead letters one is told by its source", () =>
    Effect.gen(function* () {
      const bills = QueueName.makeUnsafe("bills")
      const queues = {
        orders: { deadLetter: "unsupported" },
        aside: { deadLetter: "unsupported" },
        bills: { deadLetter: "unsupported" }
      } as const
      const deadLetterQueues = { orders: Clients.aside, bills: Clients.aside }
      const { client } = yield* Clients.make({ queues }, { deadLetterQueues })
      const letters = yield* DeadLetters.make(client)
      for (const queue of [orders, bills]) {
        yield* client.send(queue, Clients.message(`of-${queue}`))
        const [received] = yield* client.receive(queue)
        yield* client.deadLetter(received ?? assert.fail("it was sent"), { reason: "Bad" })
      }
      const own = DeadLetters.where(({ source }) => source === orders)
      yield* passing(Stream.runDrain(letters.purge(orders, own)))
      assert.deepStrictEqual(idsOf(yield* all(letters.list(orders))), ["of-bills"])
    })
  )

  it.effect("R3.15 a provider without dead letters, and no queue for them, refuses", () =>
    Effect.gen(function* () {
      const { letters } = yield* Letters.make({ deadLetter: "unsupported" }, { tellsDepth: true })
      const calls = [letters.count(orders), Effect.asVoid(letters.statistics(orders))]
      for (const call of calls) {
        const error = yield* Effect.flip(Effect.asVoid(call))
        assert.strictEqual(error.reason._tag, "UnsupportedOperation")
      }
    })
  )

  it.effect("R1.1 options out of their range are refused by name", () =>
    Effect.gen(function* () {
      const { client } = yield* Letters.make()
      const size = yield* Effect.flip(DeadLetters.make(client, { heldMax: 0 }))
      assert.match(size.message, /heldMax/u)
      const bytes = yield* Effect.flip(DeadLetters.make(client, { heldSizeMax: 0.5 }))
      assert.match(bytes.message, /heldSizeMax/u)
    })
  )

  it.effect("R7.1 the layer is the service over the client below it", () =>
    Effect.gen(function* () {
      const { broker } = yield* Clients.make()
      const live = DeadLetters.layer().pipe(
        Layer.provide(QueueClient.layer()),
        Layer.provide(Layer.succeed(QueueProvider.QueueProvider, broker.service))
      )
      const count = Effect.flatMap(DeadLetters.DeadLetters, (letters) => letters.count(orders))
      assert.deepStrictEqual(yield* Effect.provide(count, live), { count: 0, complete: true })
    })
  )
})

describe("DeadLetters: statistics", () => {
  it.effect(
    "R7.3 counts by reason and service, the commonest first, by hour, oldest and newest",
    () =>
      Effect.gen(function* () {
        const { letters, put } = yield* Letters.make()
        const hour = Duration.toMillis(Duration.hours(1))
        put("a", { at: 2 * hour })
        put("b", { at: hour + 5, reason: "Other", details: { service: "bot" } })
        put("c", { at: hour + 9, reason: "Other", details: { attempts: 1 } })
        const sum = yield* letters.statistics(orders)
        assert.deepStrictEqual(Object.entries(sum.byReason), [
          ["Other", 2],
          ["Bad", 1]
        ])
        assert.deepStrictEqual(sum.byService, { unknown: 2, bot: 1 })
        assert.deepStrictEqual(sum.byHour, [
          { start: DateTime.makeUnsafe(hour), count: 2 },
          { start: DateTime.makeUnsafe(2 * hour), count: 1 }
        ])
        assert.deepStrictEqual(sum.oldest, DateTime.makeUnsafe(hour + 5))
        assert.deepStrictEqual(sum.newest, DateTime.makeUnsafe(2 * hour))
        assert.deepStrictEqual([sum.count, sum.complete], [3, true])
      })
  )

  it.effect("R7.3 of no dead letters", () =>
    Effect.gen(function* () {
      const { letters } = yield* Letters.make()
      const none = { count: 0, complete: true, byReason: {}, byService: {}, byHour: [] }
      assert.deepStrictEqual(yield* letters.statistics(orders), none)
    })
  )

  it.effect("R10.7 reasons and hours beyond the bounds count together, or are forgotten", () =>
    Effect.gen(function* () {
      const { letters, put } = yield* Letters.make()
      const hour = Duration.toMillis(Duration.hours(1))
      const count = Defaults.deadLetterHoursMax + 6
      for (let index = 0; index < count; index++) {
        put(`m-${index}`, { at: index * hour, reason: `r-${index}` })
      }
      const sum = yield* letters.statistics(orders)
      assert.strictEqual(Object.keys(sum.byReason).length, Defaults.deadLetterGroupsMax + 1)
      assert.strictEqual(sum.byReason["other"], count - Defaults.deadLetterGroupsMax)
      assert.strictEqual(sum.byHour.length, Defaults.deadLetterHoursMax)
      assert.deepStrictEqual(sum.byHour[0]?.start, DateTime.makeUnsafe(6 * hour))
      assert.strictEqual(sum.count, count)
    })
  )
})

describe("DeadLetters: export and import", () => {
  it.effect("R7.1 a line is a letter as JSON, and a letter again", () =>
    Effect.gen(function* () {
      const { letters, put } = yield* Letters.make()
      put("a", { session: "s", details: { service: "bot", firstFailedAt: DateTime.makeUnsafe(1) } })
      const [letter] = yield* all(letters.list(orders))
      const [line] = yield* all(letters.exportNdjson(orders))
      assert.isTrue(line?.endsWith("}\n"))
      const read = yield* Schema.decodeEffect(DeadLetters.DeadLetterFromJson)(line ?? "")
      assert.deepStrictEqual(read, letter)
    })
  )

  it.effect("R7.1 an import sends each session in its order, however the text is cut", () =>
    Effect.gen(function* () {
      const { broker, left, letters, put, there } = yield* Letters.make({}, {})
      for (const id of ["s1", "t1", "s2", "t2"]) put(id, { session: id.charAt(0) })
      const lines = yield* all(letters.exportNdjson(orders))
      const text = `\uFEFF\n${lines.toReversed().join("\r\n\r\n")}`
      const progress = yield* all(letters.importNdjson(orders, Stream.fromIterable([...text])))
      assert.strictEqual(progress.at(-1)?.done, 4)
      assert.strictEqual(progress.at(-1)?.total, 4)
      const ids = yield* there
      assert.deepStrictEqual(
        ids.filter((id) => id.startsWith("s")),
        ["s1", "s2"]
      )
      assert.deepStrictEqual(
        ids.filter((id) => id.startsWith("t")),
        ["t1", "t2"]
      )
      assert.strictEqual(left().length, 4)
      assert.strictEqual(broker.calls("send").length, 2)
    })
  )

  it.effect("R7.1 a line that is none is named, and nothing is sent", () =>
    Effect.gen(function* () {
      const { broker, letters, put } = yield* Letters.make()
      put("a")
      const [line = ""] = yield* all(letters.exportNdjson(orders))
      for (const [bad, where] of [
        ["no json", /line 2: /u],
        ["{}", /line 2: id/u]
      ] as const) {
        const text = Stream.make(`${line}${bad}\n`)
        const error = yield* Effect.flip(all(letters.importNdjson(orders, text)))
        assert.strictEqual(error.reason._tag, "SerializationFailed")
        assert.match(error.message, where)
      }
      assert.deepStrictEqual(broker.calls("send"), [])
    })
  )

  it.effect("R10.7 an import over the bounds is refused before anything is sent", () =>
    Effect.gen(function* () {
      const { client, letters, put } = yield* Letters.make()
      for (const id of abc) put(id, { bytes: 50 })
      const lines = yield* all(letters.exportNdjson(orders))
      for (const options of [{ heldMax: 2 }, { heldSizeMax: 120 }]) {
        const small = yield* DeadLetters.make(client, options)
        const importing = small.importNdjson(orders, Stream.fromIterable(lines))
        const error = yield* Effect.flip(all(importing))
        assert.match(error.message, /heldMax: the import has more than/u)
      }
    })
  )

  it.effect("R7.1 a connection that fails ends the import", () =>
    Effect.gen(function* () {
      const faults: ScriptedProvider.Faults = {}
      const { letters, put, there } = yield* Letters.make({}, { faults })
      for (const id of abc) put(id)
      const lines = yield* all(letters.exportNdjson(orders))
      faults.before = ({ method }) =>
        method === "send" ? Effect.fail(Clients.transient()) : Effect.void
      const importing = letters.importNdjson(orders, Stream.fromIterable(lines))
      const error = yield* Effect.flip(all(importing))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(yield* there, [])
    })
  )

  it.effect("R7.1 behind a line that cannot be sent nothing of its session is", () =>
    Effect.gen(function* () {
      const each: NonNullable<ScriptedProvider.Faults["each"]> = () => undefined
      const faults: ScriptedProvider.Faults = { each }
      const { letters, put, there } = yield* Letters.make({}, { faults })
      for (const id of ["s1", "s2", "t1"]) put(id, { session: id.charAt(0) })
      const lines = yield* all(letters.exportNdjson(orders))
      let isFirst = true
      faults.each = ({ method }) => {
        if (method !== "send" || !isFirst) return undefined
        isFirst = false
        return QueueError.make(new QueueError.PermissionDenied({ operation: "send" }))
      }
      const progress = yield* all(letters.importNdjson(orders, Stream.fromIterable(lines)))
      assert.deepStrictEqual(Letters.outcomes(progress), [
        "s1 failed PermissionDenied",
        "t1 done",
        "s2 failed PermissionDenied"
      ])
      assert.deepStrictEqual(progress.at(-1)?.failures, { PermissionDenied: 2 })
      assert.deepStrictEqual(yield* there, ["t1"])
    })
  )
})
