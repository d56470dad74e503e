import { assert, describe, it } from "@effect/vitest"
import {
  type BlobStore,
  Defaults,
  QueueAddress,
  QueueClient,
  QueueError,
  ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import { Deferred, Duration, Effect, Fiber, Option, Result } from "effect"
import { TestClock } from "effect/testing"
import * as World from "./support/world.ts"

const {
  accept,
  address,
  all,
  claimOf,
  dead,
  down,
  failing,
  inSession,
  large,
  message,
  ordered,
  orders,
  putAside,
  reasonOf,
  receiptsOf,
  session,
  sizesOf,
  stored,
  textMessage,
  turns
} = World

const unclaimed = "queue-runtime-unclaimed"

/** Every blob is this one from now on. */
const overwrite = ({ store }: World.World, body: Uint8Array) =>
  Effect.gen(function* () {
    const { entries } = yield* store.list({ prefix: "" })
    for (const { key } of entries) yield* store.put(key, body)
  })

const wipe = ({ store }: World.World) =>
  Effect.gen(function* () {
    const { entries } = yield* store.list({ prefix: "" })
    for (const { key } of entries) yield* store.delete(key)
  })

describe("ClaimCheck: a body that is not there", () => {
  it.effect("R3.6 a missing blob is dead-lettered by that name, and spoils nothing beside it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(orders, [message(large)])
      yield* wipe(world)
      yield* world.claimed.send(orders, [message(large, "m-2"), message(1, "m-3")])
      const received = yield* world.claimed.receive(address, all)
      assert.deepStrictEqual(sizesOf(received), [`m-2 ${large}`, "m-3 1"])
      const [letter] = yield* world.raw.peek(dead, all)
      assert.strictEqual(letter?.deadLetter?.reason, "BlobMissing")
      assert.match(
        letter?.deadLetter?.description ?? "",
        /^the blob queue-runtime\/orders\/\S+ is/u
      )
    })
  )

  it.effect("R3.6 a blob that was changed is dead-lettered, whatever of it was", () =>
    Effect.gen(function* () {
      const bodies = [new Uint8Array(large), new Uint8Array(large - 1), new Uint8Array(0)]
      for (const body of bodies) {
        const world = yield* World.make()
        yield* world.claimed.send(orders, [message(large)])
        yield* overwrite(world, body)
        assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
        assert.deepStrictEqual(yield* putAside(world), ["m-1 BlobChanged"])
      }
      // One that the store does not hand out is not what was put either.
      const refused = QueueError.validationFailed("body", "must have at most 10 bytes; got 5000")
      const world = yield* World.make({
        before: (store) => ({ ...store, get: () => Effect.fail(refused) })
      })
      yield* world.claimed.send(orders, [message(large)])
      assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), ["m-1 BlobChanged"])
    })
  )

  it.effect("R3.6 what is no claim, of another version or another queue is dead-lettered", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const body = new Uint8Array(3)
      const foreign = ["queue-runtime/ordered/1", "elsewhere/orders/1", "queue-runtime/orders2/1"]
      for (const key of foreign) yield* world.store.put(key, body)
      const good = claimOf("queue-runtime/orders/1", body)
      const texts = [
        ...foreign.map((key) => claimOf(key, body)),
        "QRC1 ",
        "QRC1 one",
        "QRC1 1 ",
        good.replace(" 3 ", " 03 "),
        good.replace(" 3 ", " -3 "),
        `${good} `,
        `${good}/../1`,
        good.replace(/[\da-f]{64}/u, (digest) => digest.toUpperCase()),
        `${good}${"x".repeat(2_000)}`
      ]
      for (const [index, text] of texts.entries()) {
        yield* world.raw.send(orders, [textMessage(text, `m-${index}`)])
      }
      yield* world.raw.send(orders, [textMessage(good.replace(" 1 ", " 2 "), "newer")])
      const some = { max: 100, wait: Duration.zero }
      assert.deepStrictEqual(yield* world.claimed.receive(address, some), [])
      assert.deepStrictEqual(yield* putAside(world), [
        ...texts.map((_, index) => `m-${index} ClaimInvalid`),
        "newer UnsupportedVersion"
      ])
      assert.strictEqual((yield* stored(world)).length, foreign.length)
    })
  )

  it.effect(
    "R5.4 while the store is away a message is given back, and comes when it is there",
    () =>
      Effect.gen(function* () {
        const isDown = { now: true }
        const world = yield* World.make({ before: failing(isDown, "get") })
        yield* world.claimed.send(orders, [message(large), message(1, "m-2")])
        assert.deepStrictEqual(sizesOf(yield* world.claimed.receive(address, all)), ["m-2 1"])
        isDown.now = false
        assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
        yield* TestClock.adjust(Defaults.claimCheckRetryDelay)
        assert.deepStrictEqual(sizesOf(yield* world.claimed.receive(address, all)), [
          `m-1 ${large}`
        ])
        assert.deepStrictEqual(yield* putAside(world), [])
      })
  )

  it.effect("R3.11 the delay of that is what the queue takes", () =>
    Effect.gen(function* () {
      const kinds = [
        { abandonDelay: "unsupported", deadLetter: "unsupported" },
        { abandonDelay: "native", abandonDelayMax: Duration.seconds(3), deadLetter: "native" },
        { abandonDelay: "native", deadLetter: "unsupported" }
      ] as const
      const delays: Array<number> = []
      for (const kind of kinds) {
        const world = yield* World.make({
          before: failing({ now: kind.deadLetter === "native" }, "get"),
          between: (provider) => ({
            ...provider,
            capabilities: (queue) => ({ ...provider.capabilities(queue), ...kind }),
            settle: (receipts, verdict) => {
              if (verdict._tag === "Abandon") delays.push(Duration.toMillis(verdict.delay))
              return provider.settle(receipts, verdict)
            }
          })
        })
        yield* world.claimed.send(orders, [message(large)])
        if (kind.deadLetter === "unsupported") yield* wipe(world)
        assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
      }
      assert.deepStrictEqual(delays, [0, 3_000, 10_000])
    })
  )

  it.effect("R3.4 what is settled already by the time it is put aside is no trouble", () =>
    Effect.gen(function* () {
      const expired = QueueError.make(new QueueError.ReceiptExpired())
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          acceptSession: (queue, asked) =>
            Effect.map(
              provider.acceptSession(queue, asked),
              Option.map((one) => Object.assign({}, one, { settle: () => Effect.fail(expired) }))
            )
        })
      })
      yield* world.claimed.send(ordered, [inSession(large, "m-1"), inSession(1, "m-2")])
      yield* wipe(world)
      const own = yield* accept(world.claimed)
      assert.deepStrictEqual(sizesOf(yield* own.receive(all)), ["m-2 1"])
      assert.deepStrictEqual(sizesOf(yield* own.receive(all)), [])
    }).pipe(Effect.scoped)
  )

  it.effect("R5.4 what cannot be put aside now comes again when its lock runs out", () =>
    Effect.gen(function* () {
      const isDown = { now: true }
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          settle: (receipts, verdict) =>
            isDown.now ? Effect.fail(down) : provider.settle(receipts, verdict)
        })
      })
      yield* world.claimed.send(orders, [message(large)])
      yield* wipe(world)
      assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), [])
      isDown.now = false
      yield* TestClock.adjust(world.raw.capabilities(orders).lockDuration)
      assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), ["m-1 BlobMissing"])
    })
  )

  it.effect("R7.1 a dead letter without its body is shown with why, and cannot be sent again", () =>
    Effect.gen(function* () {
      const isDown = { now: false }
      const world = yield* World.make({ before: failing(isDown, "get") })
      yield* world.claimed.send(orders, [message(large), message(large, "m-2")])
      const received = yield* world.claimed.receive(address, all)
      yield* world.claimed.settle(receiptsOf(received), Verdict.deadLetter("Bad"))
      isDown.now = true
      const later = yield* world.claimed.peek(dead, all)
      assert.deepStrictEqual(
        later.map(({ attributes }) => attributes[unclaimed]),
        ["ConnectionFailed", "ConnectionFailed"]
      )
      isDown.now = false
      yield* wipe(world)
      const [letter, ...rest] = yield* world.claimed.receive(dead, all)
      assert.isDefined(letter)
      assert.strictEqual(letter.attributes[unclaimed], "BlobMissing")
      assert.strictEqual(letter.deadLetter?.reason, "Bad")
      const client = yield* QueueClient.make(world.claimed, { wait: 0 })
      const again = client.send(orders, ReceivedMessage.toMessage(letter))
      assert.strictEqual(yield* reasonOf(again), "ValidationFailed")
      // It can be removed, though.
      const outcomes = yield* world.claimed.settle(receiptsOf([letter, ...rest]), Verdict.complete)
      assert.deepStrictEqual(outcomes.map(Result.isSuccess), [true, true])
    })
  )

  it.effect("R7.1 dead letters that queues share are got by any of them", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          receive: (from, asked) =>
            provider.receive(from._tag === "DeadLetter" ? address : from, asked)
        })
      })
      const body = new Uint8Array(3)
      yield* world.store.put("queue-runtime/other/1", body)
      yield* world.raw.send(orders, [textMessage(claimOf("queue-runtime/other/1", body))])
      const shared = world.claimed.receive(QueueAddress.deadLetter(ordered), all)
      assert.deepStrictEqual(sizesOf(yield* shared), ["m-1 3"])
    })
  )
})

describe("ClaimCheck: claims that nobody of ours sent", () => {
  it.effect("R8.4 removing one deletes no blob of others, unless it knows what is in it", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(ordered, [inSession(large, "m-1")])
      const [key = ""] = yield* stored(world)
      const guess = claimOf(key, new Uint8Array(large))
      yield* world.raw.send(orders, [textMessage(guess, "m-2")])
      assert.deepStrictEqual(yield* world.claimed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), ["m-2 ClaimInvalid"])
      const letters = yield* world.claimed.receive(dead, all)
      assert.strictEqual(letters[0]?.attributes[unclaimed], "BlobChanged")
      yield* world.claimed.settle(receiptsOf(letters), Verdict.complete)
      assert.deepStrictEqual(yield* stored(world), [key])
    })
  )
})

describe("ClaimCheck: peeking", () => {
  it.effect("R3.1 a peek shows bodies, and changes nothing", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(orders, [message(large), message(1, "m-2")])
      const peeked = yield* world.claimed.peek(address, all)
      assert.deepStrictEqual(sizesOf(peeked), [`m-1 ${large}`, "m-2 1"])
      assert.strictEqual((yield* stored(world)).length, 1)
      yield* wipe(world)
      const [first] = yield* world.claimed.peek(address, all)
      assert.strictEqual(first?.attributes[unclaimed], "BlobMissing")
    })
  )

  it.effect("R10.7 of many that are large a peek shows the first, and the next the rest", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const size = 30 * 1024 * 1024
      const fits = yield* World.make({ bodySizeMax: size })
      for (const id of ["m-1", "m-2", "m-3"]) yield* fits.claimed.send(orders, [message(size, id)])
      yield* fits.claimed.send(orders, [message(1, "m-4")])
      const first = yield* fits.claimed.peek(address, all)
      assert.deepStrictEqual(sizesOf(first), [`m-1 ${size}`, `m-2 ${size}`])
      const behind = (first.at(-1)?.sequenceNumber ?? 0n) + 1n
      const rest = yield* fits.claimed.peek(address, { ...all, fromSequenceNumber: behind })
      assert.deepStrictEqual(sizesOf(rest), [`m-3 ${size}`, "m-4 1"])
      // One that is larger than all a peek may bring is shown all the same.
      const text = claimOf("queue-runtime/orders/1", new Uint8Array(0), 1e9)
      yield* world.raw.send(orders, [textMessage(text), message(1, "m-2")])
      assert.deepStrictEqual((yield* world.claimed.peek(address, all)).length, 2)
    })
  )

  it.effect("R3.1 the depth is that of the provider", () =>
    Effect.gen(function* () {
      const { claimed } = yield* World.make()
      yield* claimed.send(orders, [message(large)])
      const { available } = yield* claimed.depth?.(address) ?? Effect.die("no depth")
      assert.strictEqual(available, 1)
    })
  )
})

describe("ClaimCheck: sessions", () => {
  it.effect("R4.1 messages come in order, with their bodies, and what is done is deleted", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(ordered, [
        inSession(large, "m-1"),
        inSession(1, "m-2"),
        inSession(large, "m-3")
      ])
      const own = yield* accept(world.claimed)
      assert.strictEqual(own.sessionId, session)
      const received = yield* own.receive(all)
      assert.deepStrictEqual(sizesOf(received), [`m-1 ${large}`, "m-2 1", `m-3 ${large}`])
      yield* own.settle(receiptsOf(received), Verdict.complete)
      assert.deepStrictEqual(yield* stored(world), [])
      yield* own.renewLock
      yield* own.lockedUntil
      yield* own.setState(Option.some(new Uint8Array(1)))
      assert.isTrue(Option.isSome(yield* own.state))
    }).pipe(Effect.scoped)
  )

  it.effect("R4.7 a message without its body is put aside, and those behind it come", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(ordered, [inSession(large, "m-1")])
      yield* wipe(world)
      yield* world.claimed.send(ordered, [inSession(large, "m-2")])
      const own = yield* accept(world.claimed)
      assert.deepStrictEqual(sizesOf(yield* own.receive(all)), [`m-2 ${large}`])
      assert.deepStrictEqual(yield* putAside(world, ordered), ["m-1 BlobMissing"])
    }).pipe(Effect.scoped)
  )

  it.effect("R4.7 while the store is away nothing overtakes what waits for it", () =>
    Effect.gen(function* () {
      const isDown = { now: false }
      const world = yield* World.make({ before: failing(isDown, "get") })
      yield* world.claimed.send(ordered, [inSession(large, "m-1"), inSession(1, "m-2")])
      const own = yield* accept(world.claimed)
      isDown.now = true
      assert.deepStrictEqual(yield* own.receive(all), [])
      isDown.now = false
      yield* TestClock.adjust(Defaults.claimCheckRetryDelay)
      assert.deepStrictEqual(sizesOf(yield* own.receive(all)), [`m-1 ${large}`, "m-2 1"])
    }).pipe(Effect.scoped)
  )

  it.effect("R4.7 what could not be put aside is, before anything more is received", () =>
    Effect.gen(function* () {
      const isDown = { now: true }
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          acceptSession: (queue, asked) =>
            Effect.map(
              provider.acceptSession(queue, asked),
              Option.map((one) =>
                Object.assign({}, one, {
                  settle: (...[receipts, verdict]: Parameters<typeof one.settle>) =>
                    isDown.now ? Effect.fail(down) : one.settle(receipts, verdict)
                })
              )
            )
        })
      })
      yield* world.claimed.send(ordered, [inSession(large, "m-1")])
      yield* wipe(world)
      yield* world.claimed.send(ordered, [inSession(1, "m-2")])
      const own = yield* accept(world.claimed)
      assert.deepStrictEqual(sizesOf(yield* own.receive({ ...all, max: 1 })), [])
      assert.strictEqual(yield* reasonOf(own.receive(all)), "ConnectionFailed")
      isDown.now = false
      assert.deepStrictEqual(sizesOf(yield* own.receive(all)), ["m-2 1"])
      assert.deepStrictEqual(yield* putAside(world, ordered), ["m-1 BlobMissing"])
    }).pipe(Effect.scoped)
  )
})

describe("ClaimCheck: interruption", () => {
  const slow = (started: Deferred.Deferred<void>) => (store: BlobStore.Service) => ({
    ...store,
    get: () => Effect.andThen(Deferred.succeed(started, undefined), Effect.never)
  })

  it.effect("R3.3 a receive that is interrupted while it gets bodies gives its messages back", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const world = yield* World.make({ before: slow(started) })
      yield* world.claimed.send(orders, [message(large), message(1, "m-2")])
      const fiber = yield* Effect.forkChild(world.claimed.receive(address, all))
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* turns
      assert.strictEqual((yield* world.raw.receive(address, all)).length, 2)
    })
  )

  it.effect("R3.3 so does a session", () =>
    Effect.gen(function* () {
      const started = yield* Deferred.make<void>()
      const world = yield* World.make({ before: slow(started) })
      yield* world.claimed.send(ordered, [inSession(large, "m-1"), inSession(1, "m-2")])
      const fiber = yield* Effect.forkChild(
        Effect.scoped(Effect.flatMap(accept(world.claimed), (own) => own.receive(all)))
      )
      yield* Deferred.await(started)
      yield* Fiber.interrupt(fiber)
      yield* turns
      const again = yield* accept(world.raw)
      assert.strictEqual((yield* again.receive(all)).length, 2)
    }).pipe(Effect.scoped)
  )
})
