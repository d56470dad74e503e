import { assert, describe, it } from "@effect/vitest"
import {
  DeadLetters,
  Defaults,
  Message,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueName,
  QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { Deferred, Effect, Fiber, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as World from "./support/world.ts"

const {
  address,
  all,
  claimOf,
  dead,
  down,
  endings,
  failing,
  inSession,
  large,
  message,
  ordered,
  orders,
  reasonOf,
  receiptsOf,
  sizesOf,
  stored,
  textMessage,
  textOf,
  turns
} = World

/** A provider whose calls take so many bytes. */
const narrow =
  (sendSizeMax: number) =>
  (provider: QueueProvider.Service): QueueProvider.Service => ({
    ...provider,
    capabilities: (queue) => ({ ...provider.capabilities(queue), sendSizeMax })
  })

describe("ClaimCheck: the way there and back", () => {
  it.effect("R1.7 a large body goes through the store, and the broker has a claim", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { claimed, raw } = world
      const sent = message(large, "m-1", { contentType: "a/b", attributes: { a: "1" } })
      assert.deepStrictEqual(yield* endings(claimed, orders, sent, message(10, "m-2")), [
        "sent",
        "sent"
      ])
      const [key = ""] = yield* stored(world)
      const [first, second] = yield* raw.peek(address, all)
      assert.strictEqual(first && textOf(first), claimOf(key, sent.body))
      assert.strictEqual(first?.contentType, "a/b")
      assert.strictEqual(second?.body.byteLength, 10)
      const received = yield* claimed.receive(address, all)
      assert.deepStrictEqual(sizesOf(received), [`m-1 ${large}`, "m-2 10"])
      assert.deepStrictEqual(received[0]?.body, sent.body)
      assert.deepStrictEqual({ ...received[0]?.attributes }, { a: "1" })
      const blob = yield* Effect.flatMap(world.store.get(key), Effect.fromOption)
      assert.deepStrictEqual({ ...blob.metadata }, { queue: "orders", messageid: "m-1" })
    })
  )

  it.effect("R1.7 what is not above the threshold goes as it is, counted with its ids", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ threshold: Message.size(message(500)) })
      yield* world.claimed.send(orders, [message(500), message(501, "m-2")])
      assert.strictEqual((yield* stored(world)).length, 1)
    })
  )

  it.effect.each([{ byLimit: true }, { threshold: 1_000_000 }])(
    "R1.7 what the queue may not take goes there in any case, in base64 too: %o",
    (options) =>
      Effect.gen(function* () {
        const world = yield* World.make({ ...options, memory: { messageSizeMax: 4_000 } })
        yield* world.claimed.send(orders, [message(2_990), message(3_000, "m-2")])
        const [first, second] = yield* world.raw.peek(address, all)
        assert.strictEqual(first?.body.byteLength, 2_990)
        assert.match(second === undefined ? "" : textOf(second), /^QRC1 1 3000 /u)
      })
  )

  it.effect(
    "R1.5 with a threshold of nothing all of it goes through the store, the empty too",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({ threshold: 0 })
        yield* world.claimed.send(orders, [message(0), message(1, "m-2")])
        assert.strictEqual((yield* stored(world)).length, 2)
        assert.deepStrictEqual(sizesOf(yield* world.claimed.receive(address, all)), [
          "m-1 0",
          "m-2 1"
        ])
      })
  )

  it.effect("R1.5 a small body that looks like a claim arrives as it was sent", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const text = claimOf("queue-runtime/orders/other", new Uint8Array(3))
      yield* world.claimed.send(orders, [textMessage(text), textMessage("QRC1", "m-2")])
      assert.strictEqual((yield* stored(world)).length, 1)
      const received = yield* world.claimed.receive(address, all)
      assert.deepStrictEqual(received.map(textOf), [text, "QRC1"])
    })
  )

  it.effect("R3.11 declares what it takes, and is seen in the stack", () =>
    Effect.gen(function* () {
      const { claimed, raw } = yield* World.make({ bodySizeMax: 10_000_000 })
      const below = raw.capabilities(orders)
      const own = claimed.capabilities(orders)
      const messageSizeMax = 10_000_000 + Defaults.claimCheckEnvelopeSizeMax
      assert.deepStrictEqual(own, { ...below, messageSizeMax })
      assert.strictEqual(claimed.capabilities(orders), own)
      assert.deepStrictEqual([...claimed.stack], ["claim-check", "memory"])
      assert.strictEqual(claimed.name, "memory")
      // What takes more by itself is not made to take less.
      const small = yield* World.make({ bodySizeMax: 1 })
      assert.deepStrictEqual(small.claimed.capabilities(orders), small.raw.capabilities(orders))
      const other = yield* World.make({ between: narrow(2_000_000) })
      const { sendSizeMax } = other.claimed.capabilities(orders)
      const most = Defaults.claimCheckBodySizeMax + Defaults.claimCheckEnvelopeSizeMax
      assert.strictEqual(sendSizeMax, most)
    })
  )

  it.effect("R1.7 what is too large all the same is refused before anything is put or sent", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ bodySizeMax: 100_000 })
      const { claimed, raw } = world
      const limit = claimed.capabilities(orders).messageSizeMax
      const fits = limit - Message.size(message(0))
      yield* Effect.forEach([fits + 1, 2 * limit], (size) =>
        Effect.gen(function* () {
          const error = yield* Effect.flip(
            claimed.send(orders, [message(large), message(size, "m-2")])
          )
          const { reason } = error
          assert.strictEqual(reason._tag === "MessageTooLarge" && reason.index, 1)
        })
      )
      // What stands beside the body goes with the claim, and must fit by itself.
      const attributes = { a: "x".repeat(raw.capabilities(orders).messageSizeMax) }
      const roomy = yield* World.make()
      const wide = message(10, "m-1", { attributes })
      assert.strictEqual(yield* reasonOf(roomy.claimed.send(orders, [wide])), "MessageTooLarge")
      for (const one of [world, roomy]) {
        assert.deepStrictEqual(one.puts, [])
        assert.deepStrictEqual(yield* one.raw.peek(address, all), [])
      }
      assert.deepStrictEqual(yield* endings(claimed, orders, message(fits)), ["sent"])
    })
  )

  it.effect("R3.9 a call of more bytes than is declared is refused whole", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ bodySizeMax: 10_000, between: narrow(20_000) })
      const { sendSizeMax } = world.claimed.capabilities(orders)
      const size = sendSizeMax / 2 - 100
      const fits = [message(size), message(size, "m-2")]
      assert.deepStrictEqual(yield* endings(world.claimed, orders, ...fits), ["sent", "sent"])
      const { message: problem } = yield* Effect.flip(
        world.claimed.send(orders, [...fits, message(size, "m-3")])
      )
      assert.match(problem, /messages: must have at most \d+ bytes in one call; got \d+/u)
      assert.strictEqual(world.puts.length, 2)
    })
  )

  it.effect("R10.1 options out of their range are refused by name", () =>
    Effect.gen(function* () {
      const problemOf = (options: World.Options) =>
        Effect.map(Effect.flip(World.make(options)), ({ message: text }) => text)
      assert.match(yield* problemOf({ threshold: -1 }), /threshold: must be a whole number/u)
      assert.match(yield* problemOf({ bodySizeMax: 0 }), /bodySizeMax: must be a whole number/u)
      assert.match(
        yield* problemOf({ bodySizeMax: Defaults.blobSizeMax }),
        /bodySizeMax: must be at most 104792064: the store "memory" takes no more/u
      )
      for (const prefix of ["", "/a", "a b", "x".repeat(121)]) {
        assert.match(yield* problemOf({ prefix }), /prefix: must be a key/u)
      }
    })
  )

  it.effect("R1.1 a queue with the longest name has its blobs below a key as well", () =>
    Effect.gen(function* () {
      const name = QueueName.makeUnsafe("q".repeat(260))
      const world = yield* World.make({ memory: { queues: { [name]: {} } } })
      const odd = message(large, " ")
      yield* world.claimed.send(name, [odd])
      const received = yield* world.claimed.receive(QueueAddress.queue(name), all)
      assert.deepStrictEqual(sizesOf(received), [`  ${large}`])
    })
  )

  it.effect("R3.9 a batch of many that are small is cut to what the provider takes, in order", () =>
    Effect.gen(function* () {
      const calls: Array<ReadonlyArray<string>> = []
      const world = yield* World.make({
        threshold: 2_000,
        between: (provider) => ({
          ...narrow(4_000)(provider),
          send: (queue, messages) => {
            calls.push(messages.map(({ messageId }) => messageId))
            return messages.some(({ messageId }) => messageId === "m-3")
              ? Effect.fail(down)
              : provider.send(queue, messages)
          }
        })
      })
      const batch = [1, 2, 3, 4, 5].map((n) => inSession(1_500, `m-${n}`))
      const ends = yield* endings(world.claimed, ordered, ...batch, message(9_000, "m-6"))
      assert.deepStrictEqual(calls, [
        ["m-1", "m-2"],
        ["m-3", "m-4"]
      ])
      const lost = "ConnectionFailed"
      assert.deepStrictEqual(ends, ["sent", "sent", lost, lost, lost, lost])
      const failed = yield* reasonOf(world.claimed.send(ordered, batch.slice(2)))
      assert.strictEqual(failed, lost)
    })
  )
})

describe("ClaimCheck: a blob goes with its message", () => {
  it.effect("R3.4 completing deletes it; abandoning and dead-lettering do not, a purge does", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const { claimed } = world
      yield* claimed.send(orders, [message(large), message(large, "m-2"), message(10, "m-3")])
      const received = yield* claimed.receive(address, all)
      yield* claimed.settle(receiptsOf(received), Verdict.abandon())
      assert.strictEqual((yield* stored(world)).length, 2)
      const [one, ...rest] = receiptsOf(yield* claimed.receive(address, all))
      assert.isDefined(one)
      yield* claimed.settle([one], Verdict.complete)
      assert.strictEqual((yield* stored(world)).length, 1)
      yield* claimed.settle(rest, Verdict.deadLetter("Bad"))
      assert.strictEqual((yield* stored(world)).length, 1)
      const letters = yield* claimed.receive(dead, all)
      assert.deepStrictEqual(sizesOf(letters), [`m-2 ${large}`, "m-3 10"])
      yield* claimed.settle(receiptsOf(letters), Verdict.complete)
      assert.deepStrictEqual(yield* stored(world), [])
      // A settlement that did not take effect deletes nothing.
      yield* claimed.send(orders, [message(large, "m-4")])
      const late = receiptsOf(yield* claimed.receive(address, all))
      yield* TestClock.adjust("1 hour")
      const [outcome] = yield* claimed.settle(late, Verdict.complete)
      assert.isTrue(outcome !== undefined && Result.isFailure(outcome))
      assert.strictEqual((yield* stored(world)).length, 1)
    })
  )

  it.effect("R3.4 with delete: never it stays", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ delete: "never" })
      yield* world.claimed.send(orders, [message(large)])
      const received = yield* world.claimed.receive(address, all)
      yield* world.claimed.settle(receiptsOf(received), Verdict.complete)
      assert.strictEqual((yield* stored(world)).length, 1)
    })
  )

  it.effect("R3.4 a blob that cannot be deleted stays, and the message is completed", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ before: failing({ now: true }, "delete") })
      yield* world.claimed.send(orders, [message(large)])
      const received = yield* world.claimed.receive(address, all)
      const [outcome] = yield* world.claimed.settle(receiptsOf(received), Verdict.complete)
      assert.isTrue(outcome !== undefined && Result.isSuccess(outcome))
      assert.strictEqual((yield* stored(world)).length, 1)
    })
  )

  it.effect("R7.1 a replay puts the body again, and removes the dead letter's blob", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const client = yield* QueueClient.make(world.claimed, { wait: 0 })
      const letters = yield* DeadLetters.make(client)
      yield* client.send(orders, message(large))
      const [first] = yield* client.receive(orders)
      assert.isDefined(first)
      yield* client.deadLetter(first, { reason: "Bad" })
      const before = yield* stored(world)
      const [letter] = yield* Stream.runCollect(letters.list(orders))
      assert.strictEqual(letter?.message.body.byteLength, large)
      yield* Stream.runDrain(letters.replay(orders, DeadLetters.all))
      const after = yield* stored(world)
      assert.deepStrictEqual([before.length, after.length], [1, 1])
      assert.notDeepEqual(before, after)
      const [second] = yield* client.receive(orders)
      assert.isDefined(second)
      assert.deepStrictEqual([second.messageId, second.body], ["m-1", first.body])
      yield* client.complete(second)
      assert.deepStrictEqual(yield* stored(world), [])
    })
  )

  it.effect(
    "R7.1 a dead letter that was sent again and not removed keeps its blob, as its copy",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({
          between: (provider) => ({
            ...provider,
            settle: (receipts, verdict) =>
              verdict._tag === "Complete" ? Effect.fail(down) : provider.settle(receipts, verdict)
          })
        })
        const client = yield* QueueClient.make(world.claimed, { wait: 0 })
        const letters = yield* DeadLetters.make(client)
        yield* client.send(orders, message(large))
        const [first] = yield* client.receive(orders)
        assert.isDefined(first)
        yield* client.deadLetter(first, { reason: "Bad" })
        const progress = yield* Stream.runCollect(letters.replay(orders, DeadLetters.all))
        const outcomes = progress.flatMap(({ last }) => last?.outcome ?? [])
        assert.deepStrictEqual(outcomes, ["duplicated"])
        assert.strictEqual((yield* stored(world)).length, 2)
        assert.deepStrictEqual(sizesOf(yield* client.receive(orders)), [`m-1 ${large}`])
        assert.deepStrictEqual(sizesOf(yield* client.peek(QueueAddress.deadLetter(orders))), [
          `m-1 ${large}`
        ])
      })
  )

  it.effect(
    "R3.14 the second send of one id and body puts nothing, while it would be dropped",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({ queue: { deduplicationWindow: "5 minutes" } })
        const { claimed } = world
        assert.deepStrictEqual(yield* endings(claimed, orders, message(large)), ["sent"])
        assert.deepStrictEqual(yield* endings(claimed, orders, message(large)), ["sent"])
        assert.strictEqual(world.puts.length, 1)
        yield* TestClock.adjust("5 minutes")
        assert.deepStrictEqual(yield* endings(claimed, orders, message(large)), ["sent"])
        assert.strictEqual((yield* stored(world)).length, 2)
        // Each has its own: completing one leaves the other's.
        const [one, other] = yield* claimed.receive(address, all)
        assert.isDefined(one)
        assert.isDefined(other)
        yield* claimed.settle([one.receipt], Verdict.complete)
        yield* claimed.settle([other.receipt], Verdict.abandon())
        assert.deepStrictEqual(sizesOf(yield* claimed.receive(address, all)), [`m-1 ${large}`])
      })
  )

  it.effect("R3.14 another body under the same id has a blob of its own: neither is spoiled", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ queue: { deduplicationWindow: "5 minutes" } })
      yield* world.claimed.send(orders, [message(large)])
      yield* world.claimed.send(orders, [message(large, "m-1", { fill: 8 })])
      const [received] = yield* world.claimed.receive(address, all)
      assert.strictEqual(received?.body[0], 7)
    })
  )

  it.effect("R3.14 where nothing is dropped two of one id and body share no blob", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ queue: { deduplicationWindow: 0 } })
      yield* world.claimed.send(orders, [message(large)])
      yield* world.claimed.send(orders, [message(large)])
      const [one, other] = yield* world.claimed.receive(address, all)
      assert.isDefined(one)
      assert.isDefined(other)
      yield* world.claimed.settle([one.receipt], Verdict.complete)
      yield* world.claimed.settle([other.receipt], Verdict.abandon())
      assert.deepStrictEqual(sizesOf(yield* world.claimed.receive(address, all)), [`m-1 ${large}`])
    })
  )

  it.effect("R6.1 a send that is tried again below puts its body once", () =>
    Effect.gen(function* () {
      let tries = 0
      const world = yield* World.make({
        between: (provider) =>
          QueueProvider.transform(provider, "twice", (call, { _tag }) =>
            Effect.retry(
              Effect.suspend(() => (_tag === "Send" && ++tries < 3 ? Effect.fail(down) : call)),
              { times: 3 }
            )
          )
      })
      assert.deepStrictEqual(yield* endings(world.claimed, orders, message(large)), ["sent"])
      assert.deepStrictEqual([tries, world.puts.length], [3, 1])
    })
  )
})

describe("ClaimCheck: orphans", () => {
  const refusing =
    (...errors: ReadonlyArray<QueueError.QueueError>) =>
    (provider: QueueProvider.Service): QueueProvider.Service => {
      const left = [...errors]
      return {
        ...provider,
        send: (queue, messages) =>
          Effect.suspend(() => {
            const error = left.shift()
            return error === undefined ? provider.send(queue, messages) : Effect.fail(error)
          })
      }
    }

  const invalid = QueueError.validationFailed("messages", "are refused")

  it.effect("R3.2 of what surely was not sent nothing stays in the store", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ between: refusing(invalid) })
      const failed = yield* reasonOf(world.claimed.send(orders, [message(large)]))
      assert.strictEqual(failed, "ValidationFailed")
      assert.strictEqual(world.puts.length, 1)
      assert.deepStrictEqual(yield* stored(world), [])
    })
  )

  it.effect("R3.2 what may have been sent keeps its blob: it is delivered, or swept", () =>
    Effect.gen(function* () {
      const throttled = QueueError.make(new QueueError.Throttled())
      for (const error of [down, throttled, QueueError.exhausted(down)]) {
        const world = yield* World.make({ between: refusing(error) })
        yield* Effect.flip(world.claimed.send(orders, [message(large)]))
        assert.strictEqual((yield* stored(world)).length, 1)
      }
    })
  )

  it.effect("R3.9 of a batch that failed in part the blobs of those surely not sent go", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          send: (queue, messages) =>
            Effect.map(provider.send(queue, messages.slice(0, 1)), (outcomes) => [
              ...outcomes,
              Result.fail(invalid),
              Result.fail(down),
              Result.fail(invalid)
            ])
        })
      })
      const batch = [1, 2, 3].map((n) => message(large, `m-${n}`))
      yield* world.claimed.send(orders, [...batch, message(1, "m-4")])
      assert.strictEqual(world.puts.length, 3)
      assert.sameMembers(
        [...(yield* stored(world))],
        world.puts.filter((_, at) => at !== 1)
      )
    })
  )

  it.effect(
    "R3.14 a failure deletes no blob that was there before: its message is in the queue",
    () =>
      Effect.gen(function* () {
        let isRefused = false
        const world = yield* World.make({
          between: (provider) => ({
            ...provider,
            send: (queue, messages) =>
              isRefused ? Effect.fail(invalid) : provider.send(queue, messages)
          })
        })
        yield* world.claimed.send(orders, [message(large)])
        isRefused = true
        yield* Effect.flip(world.claimed.send(orders, [message(large)]))
        assert.deepStrictEqual(sizesOf(yield* world.claimed.receive(address, all)), [
          `m-1 ${large}`
        ])
      })
  )

  it.effect("R3.2 when a body cannot be put nothing is sent, and what was put goes", () =>
    Effect.gen(function* () {
      const keys: Array<string> = []
      const world = yield* World.make({
        queue: { deduplicationWindow: 0 },
        before: (store) => ({
          ...store,
          put: (key, body, options) =>
            keys.push(key) === 2 ? Effect.fail(down) : store.put(key, body, options)
        })
      })
      const failed = yield* reasonOf(
        world.claimed.send(orders, [message(large), message(large, "m-2"), message(1, "m-3")])
      )
      assert.strictEqual(failed, "ConnectionFailed")
      yield* turns
      assert.deepStrictEqual(yield* stored(world), [])
      assert.deepStrictEqual(yield* world.raw.peek(address, all), [])
    })
  )

  it.effect("R3.2 interrupted while a body is put nothing is sent, and nothing stays", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const world = yield* World.make({
        queue: { deduplicationWindow: 0 },
        before: (store) => ({
          ...store,
          put: (key, body, options) =>
            store
              .put(key, body, options)
              .pipe(
                Effect.andThen(Deferred.succeed(started, undefined)),
                Effect.andThen(Effect.never)
              )
        })
      })
      const fiber = yield* Effect.forkChild(world.claimed.send(orders, [message(large)]))
      yield* Deferred.await(started)
      assert.strictEqual((yield* stored(world)).length, 1)
      yield* Fiber.interrupt(fiber)
      yield* turns
      assert.deepStrictEqual(yield* stored(world), [])
      assert.deepStrictEqual(yield* world.raw.peek(address, all), [])
    })
  )
})
