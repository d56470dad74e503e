import { assert, describe, it } from "@effect/vitest"
import {
  Defaults,
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  QueueError,
  QueueWorker,
  ReceivedMessage,
  Verdict
} from "@queue-runtime/core"
import {
  Arbitrary,
  Clock,
  DateTime,
  Deferred,
  Duration,
  Effect,
  Fiber,
  Layer,
  Option,
  Redacted,
  Result,
  Schema
} from "effect"
import { TestClock } from "effect/testing"
import { MemoryProvider } from "@queue-runtime/provider-memory"
import { KeyProviderMemory, NodeCrypto, Sealing } from "../src/index.ts"
import * as sealer from "../src/internal/sealer.ts"
import { keyOf, keys, makeTools, message, open, policy, seal, session, text } from "./support.ts"
import * as World from "./support/world.ts"

const { accept, address, all, dead, ordered, orders, putAside, textsOf } = World

const now = Clock.currentTimeMillis

const timeIn = (duration: Duration.Input) =>
  Effect.map(DateTime.now, (at) => DateTime.addDuration(at, duration))

const signature = "queue-runtime-signature"
const unopened = "queue-runtime-unopened"

/** Puts into the queue what the broker would have of another sender. */
const inject = ({ raw }: World.World, ...messages: ReadonlyArray<Message.Stamped>) =>
  raw.send(orders, messages)

const flipped = (body: Uint8Array, index: number): Uint8Array => {
  const copy = Uint8Array.from(body)
  copy[index] = (copy[index] ?? 0) ^ 1
  return copy
}

/** What the sender would have put into the queue, to be changed on its way. */
const sealedBody = Effect.fnUntraced(function* (world: World.World, of: Message.Stamped, at = 0) {
  return yield* seal(world.keys, "encrypt", of, at)
})

describe("Sealing: the way there and back", () => {
  it.effect("R8.1 the broker sees no body, and the receiver sees what was sent", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const attributes = { tenant: "acme" }
      const sent = message("a secret", { attributes, correlationId: "c" })
      yield* world.sealed.send(orders, [sent])
      const [stored] = yield* world.raw.peek(address, { max: 1 })
      assert.isDefined(stored)
      assert.strictEqual(text(stored.body.subarray(0, 4)), "QRE1")
      assert.notInclude(Buffer.from(stored.body).toString("latin1"), "secret")
      // Routing metadata stays clear.
      assert.deepInclude(stored, { attributes, correlationId: "c" })
      assert.strictEqual(stored.contentType, sent.contentType)
      const [received] = yield* world.sealed.receive(address, all)
      assert.isDefined(received)
      assert.deepStrictEqual(received.body, sent.body)
      assert.deepStrictEqual(received.attributes, attributes)
      assert.strictEqual(received.body.constructor, Uint8Array)
    })
  )

  it.effect("R8.1 bodies are hidden only where a queue wants it, and off is a pass-through", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ mode: "off", queues: { ordered: { mode: "encrypt" } } })
      yield* world.sealed.send(orders, [message("clear")])
      assert.deepStrictEqual(textsOf(yield* world.raw.peek(address, { max: 1 })), ["clear"])
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["clear"])
      yield* world.sealed.send(ordered, [message("hidden", { sessionId: session })])
      const [stored] = yield* world.raw.peek(QueueAddress.queue(ordered), { max: 1 })
      assert.strictEqual(text(stored?.body.subarray(0, 4) ?? new Uint8Array()), "QRE1")
    })
  )

  it.effect.prop(
    "R1.5 any body comes back as it was, sealed and signed",
    { body: Arbitrary.schema(Schema.Uint8Array), isSigned: Arbitrary.schema(Schema.Boolean) },
    ({ body, isSigned }) =>
      Effect.scoped(
        Effect.gen(function* () {
          const world = yield* World.make({ mode: isSigned ? "sign" : "encrypt" })
          const made = Message.stamp(yield* Message.bytes(body), MessageId.makeUnsafe("m"))
          yield* world.sealed.send(orders, [made])
          const [received] = yield* world.sealed.receive(address, all)
          assert.deepStrictEqual(received?.body, body)
        })
      ).pipe(Effect.orDie, Effect.as(true)),
    { arbitrary: { runs: 50 } }
  )

  it.effect("R8.1 signing alone leaves the body readable and takes its attribute away again", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ mode: "sign" })
      yield* world.sealed.send(orders, [message("readable", { attributes: { a: "1" } })])
      const [stored] = yield* world.raw.peek(address, { max: 1 })
      assert.isDefined(stored)
      assert.strictEqual(text(stored.body), "readable")
      assert.match(stored.attributes[signature] ?? "", /^[\w-]+$/u)
      const [received] = yield* world.sealed.receive(address, all)
      assert.strictEqual(text(received?.body ?? new Uint8Array()), "readable")
      assert.deepStrictEqual(received?.attributes, { a: "1" })
    })
  )

  it.effect(
    "R8.2 a plaintext body that begins with the marker is sealed, and signed, like any other",
    () =>
      Effect.gen(function* () {
        for (const mode of ["encrypt", "sign"] as const) {
          const world = yield* World.make({ mode })
          yield* world.sealed.send(orders, [message("QRE1 is how it begins")])
          assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), [
            "QRE1 is how it begins"
          ])
        }
      })
  )

  it.effect("R8.1 every attempt of a retry below sends the same bytes", () =>
    Effect.gen(function* () {
      const bodies: Array<Uint8Array> = []
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          send: (queue, messages) =>
            Effect.suspend(() => {
              bodies.push(...messages.map(({ body }) => body))
              return bodies.length < 3
                ? Effect.fail(QueueError.make(new QueueError.Throttled()))
                : provider.send(queue, messages)
            }).pipe(Effect.retry({ times: 3 }))
        })
      })
      yield* world.sealed.send(orders, [message("a")])
      assert.strictEqual(bodies.length, 3)
      assert.deepStrictEqual(bodies[0], bodies[2])
    })
  )

  it.effect("R8.1 peek shows what is in it", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ nonceTracking: true, hasNonces: true })
      yield* world.sealed.send(orders, [message("a")])
      // Looking claims no nonce.
      yield* world.sealed.peek(address, { max: 1 })
      assert.deepStrictEqual(textsOf(yield* world.sealed.peek(address, { max: 1 })), ["a"])
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
    })
  )

  it.effect("R8.1 a sealed stack works through client and worker", () =>
    Effect.gen(function* () {
      const program = Effect.gen(function* () {
        const client = yield* QueueClient.QueueClient
        const handled = yield* Deferred.make<string>()
        const worker = yield* Effect.forkChild(
          QueueWorker.run({
            queue: orders,
            handler: ({ body }) => Deferred.succeed(handled, text(body))
          })
        )
        yield* client.send(orders, yield* Message.text("through all of it"))
        const seen = yield* Deferred.await(handled)
        yield* Fiber.interrupt(worker)
        return [seen, client.stack.join(" ")]
      })
      const live = QueueClient.layer().pipe(
        Layer.provide(Sealing.layer()),
        Layer.provide([
          MemoryProvider.layer({ queues: { orders: {} } }),
          KeyProviderMemory.layer(keys("k1")),
          NodeCrypto.layer
        ])
      )
      const [seen, stack] = yield* Effect.provide(program, live)
      assert.strictEqual(seen, "through all of it")
      assert.include(stack ?? "", "sealing memory")
    })
  )

  it.effect("R8.1 settlements, locks and state go through as they are", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      assert.strictEqual(world.sealed.settle, world.raw.settle)
      assert.strictEqual(world.sealed.renewLock, world.raw.renewLock)
      assert.deepStrictEqual(world.sealed.stack, ["sealing", "memory"])
      yield* world.sealed.send(ordered, [message("a", { sessionId: session })])
      const held = yield* accept(world.sealed)
      yield* held.setState(Option.some(new Uint8Array([1])))
      assert.deepStrictEqual(yield* held.state, Option.some(new Uint8Array([1])))
      assert.isDefined(yield* held.renewLock)
      assert.isDefined(yield* held.lockedUntil)
      const [received] = yield* held.receive(all)
      assert.isDefined(received)
      const [outcome] = yield* held.settle([received.receipt], Verdict.complete)
      assert.isTrue(outcome !== undefined && Result.isSuccess(outcome))
      assert.strictEqual(held.sessionId, session)
      assert.strictEqual(held.queue, ordered)
    })
  )
})

describe("Sealing: what is rejected", () => {
  it.effect("R8.4 R8.6 what was changed is dead-lettered with the failure, each alone", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const good = yield* sealedBody(world, message("good", { id: "good" }))
      const changed = yield* sealedBody(world, message("changed", { id: "changed" }))
      const unknown = yield* sealedBody(world, message("unknown", { id: "unknown" }))
      const body = Uint8Array.from(unknown.body)
      body[4] = 9
      yield* inject(
        world,
        { ...changed, body: flipped(changed.body, changed.body.length - 20) },
        { ...unknown, body },
        { ...changed, body: changed.body.subarray(0, 30), messageId: MessageId.makeUnsafe("cut") },
        good
      )
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["good"])
      assert.deepStrictEqual(yield* putAside(world), [
        "IntegrityFailed",
        "UnsupportedVersion",
        "InvalidEnvelope"
      ])
      const aside = yield* world.raw.peek(dead, { max: 10 })
      assert.include(aside[1]?.deadLetter?.description ?? "", "version 9")
    })
  )

  it.effect("R8.5 plaintext is dead-lettered where bodies are protected", () =>
    Effect.gen(function* () {
      for (const mode of ["encrypt", "sign"] as const) {
        const world = yield* World.make({ mode })
        yield* inject(world, message("plain"))
        assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
        assert.deepStrictEqual(yield* putAside(world), ["UnencryptedMessage"])
      }
    })
  )

  it.effect(
    "R8.5 plaintext is let through where that is allowed, and sealed bodies are opened still",
    () =>
      Effect.gen(function* () {
        for (const plaintext of ["allow", "alert"] as const) {
          const world = yield* World.make({ plaintext })
          yield* inject(world, message("plain"), yield* sealedBody(world, message("sealed")))
          assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), [
            "plain",
            "sealed"
          ])
          // What begins with the marker is taken for sealed, whatever is allowed.
          yield* inject(world, message("QRE1 and no more"))
          assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
          assert.deepStrictEqual(yield* putAside(world), ["UnsupportedVersion"])
        }
      })
  )

  it.effect("R8.5 a signature that was stripped leaves plaintext, which is rejected", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ mode: "sign" })
      const signed = yield* seal(world.keys, "sign", message("signed"))
      yield* inject(
        world,
        { ...signed, attributes: {} },
        { ...signed, attributes: { [signature]: "?" } },
        { ...signed, attributes: { [signature]: "UVJFMQ" } },
        { ...signed, body: flipped(signed.body, 0) }
      )
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), [
        "UnencryptedMessage",
        "InvalidEnvelope",
        "InvalidEnvelope",
        "IntegrityFailed"
      ])
    })
  )

  it.effect(
    "R8.5 what is signed alone is plaintext to a queue that encrypts; the reverse is not",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        yield* inject(world, yield* seal(world.keys, "sign", message("readable")))
        assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
        assert.deepStrictEqual(yield* putAside(world), ["UnencryptedMessage"])
        const signing = yield* World.make({ mode: "sign" })
        yield* inject(signing, yield* sealedBody(signing, message("hidden")))
        assert.deepStrictEqual(textsOf(yield* signing.sealed.receive(address, all)), ["hidden"])
      })
  )

  it.effect("R8.4 a body under the id of another key is refused", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ keys: keys("k1", "other") })
      const sealed = yield* sealedBody(world, message("a"))
      assert.strictEqual(sealed.body[6], 5)
      const own = yield* world.keys.byId(orders, { id: "k1" })
      assert.isTrue(Option.isSome(own))
      const body = Buffer.from(sealed.body)
      body.set(Buffer.from("other"), 7)
      yield* inject(world, { ...sealed, body: Uint8Array.from(body) })
      yield* inject(world, { ...sealed, body: Uint8Array.from(sealed.body) })
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a", "a"])
      yield* world.keys.replace({
        keys: [keyOf("k1"), { ...keyOf("x"), id: "other" }],
        current: "k1"
      })
      yield* inject(world, sealed)
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), ["IntegrityFailed"])
    })
  )

  it.effect("R8.6 without dead letters below, what is rejected is abandoned", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          capabilities: (queue) => ({
            ...provider.capabilities(queue),
            deadLetter: "unsupported",
            abandonDelay: "unsupported"
          })
        })
      })
      yield* inject(world, message("plain"))
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      const [again] = yield* world.raw.receive(address, all)
      assert.strictEqual(again?.deliveryCount, 2)
    })
  )

  it.effect("R8.6 what cannot be put aside comes again when its lock runs out", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          settle: () => Effect.fail(QueueError.make(new QueueError.Throttled()))
        })
      })
      yield* inject(world, message("plain"))
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      yield* TestClock.adjust("5 minutes")
      assert.strictEqual((yield* world.raw.receive(address, all)).length, 1)
    })
  )
})

describe("Sealing: freshness", () => {
  const stale = Duration.sum(Defaults.cryptoFreshness, Duration.millis(1))

  it.effect("R8.5 a body that was sealed five minutes before the broker took it is rejected", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const [first, second] = [
        yield* sealedBody(world, message("a")),
        yield* sealedBody(world, message("b"))
      ]
      yield* TestClock.adjust(Defaults.cryptoFreshness)
      yield* inject(world, first)
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
      yield* TestClock.adjust("1 milli")
      yield* inject(world, second)
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), ["EnvelopeExpired"])
      const [aside] = yield* world.raw.peek(dead, { max: 1 })
      const why = aside?.deadLetter?.description ?? ""
      assert.include(why, "1970-01-01T00:00:00.000Z")
      assert.include(why, "5m")
    })
  )

  it.effect("R8.6 a backlog is not an attack, and neither is a redelivery after a long time", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.sealed.send(orders, [message("a")])
      yield* TestClock.adjust("3 days")
      const [first] = yield* world.sealed.receive(address, all)
      assert.isDefined(first)
      yield* TestClock.adjust("1 day")
      const [again] = yield* world.sealed.receive(address, all)
      assert.strictEqual(again?.deliveryCount, 2)
      assert.strictEqual(text(again?.body ?? new Uint8Array()), "a")
    })
  )

  it.effect("R8.6 a scheduled message is as fresh as the time it was scheduled for", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ freshnessFrom: "received" })
      yield* world.sealed.send(orders, [message("delayed", { delay: Duration.hours(1) })])
      yield* TestClock.adjust("64 minutes")
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["delayed"])
      const scheduledAt = yield* timeIn("1 day")
      yield* world.sealed.send(orders, [message("scheduled", { scheduledAt, id: "m-2" })])
      yield* TestClock.adjust(Duration.sum(Duration.days(1), Duration.minutes(4)))
      const texts = textsOf(yield* world.sealed.receive(address, all))
      assert.include(texts, "scheduled")
    })
  )

  it.effect(
    "R8.6 measured to receipt, a backlog is stale, and a redelivery is judged as its first delivery",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({ freshnessFrom: "received" })
        yield* world.sealed.send(orders, [message("in time")])
        assert.strictEqual((yield* world.sealed.receive(address, all)).length, 1)
        yield* TestClock.adjust("1 hour")
        assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["in time"])
        const late = yield* World.make({ freshnessFrom: "received" })
        yield* late.sealed.send(orders, [message("late")])
        yield* TestClock.adjust(stale)
        assert.deepStrictEqual(yield* late.sealed.receive(address, all), [])
        assert.deepStrictEqual(yield* putAside(late), ["EnvelopeExpired"])
      })
  )

  it.effect("R8.6 a provider that forgot the first delivery never makes a redelivery stale", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        freshnessFrom: "received",
        between: (provider) => ({
          ...provider,
          receive: (...args) =>
            Effect.map(provider.receive(...args), (messages) =>
              messages.map((one) => ({ ...one, firstDeliveredAt: one.deliveredAt }))
            )
        })
      })
      yield* world.sealed.send(orders, [message("a")])
      yield* world.sealed.receive(address, all)
      yield* TestClock.adjust("1 hour")
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
    })
  )

  it.effect("R8.5 freshness can be longer, and off", () =>
    Effect.gen(function* () {
      for (const freshness of ["1 hour", "off"] as const) {
        const world = yield* World.make({ freshness })
        const sealed = yield* sealedBody(world, message("a"), yield* now)
        yield* TestClock.adjust("59 minutes")
        yield* inject(world, sealed)
        assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
      }
    })
  )
})

describe("Sealing: nonces", () => {
  it.effect("R8.5 a body that somebody copied into a second message is rejected", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ nonceTracking: true, hasNonces: true })
      const sealed = yield* sealedBody(world, message("pay"))
      yield* inject(world, sealed, sealed)
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["pay"])
      assert.deepStrictEqual(yield* putAside(world), ["NonceReused"])
    })
  )

  it.effect("R8.6 a redelivery is not a copy", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ nonceTracking: true, hasNonces: true })
      yield* world.sealed.send(orders, [message("a")])
      for (const count of [1, 2, 3]) {
        const [received] = yield* world.sealed.receive(address, all)
        assert.strictEqual(received?.deliveryCount, count)
        yield* TestClock.adjust("2 minutes")
      }
    })
  )

  it.effect("R8.5 off by default, and forgotten after the window", () =>
    Effect.gen(function* () {
      const off = yield* World.make({ hasNonces: true })
      const twice = yield* sealedBody(off, message("a"))
      yield* inject(off, twice, twice)
      assert.strictEqual((yield* off.sealed.receive(address, all)).length, 2)
      const short = yield* World.make({
        nonceTracking: true,
        nonceWindow: "1 second",
        freshness: "off",
        hasNonces: true
      })
      const sealed = yield* sealedBody(short, message("a"))
      yield* inject(short, sealed)
      yield* short.sealed.receive(address, all)
      yield* TestClock.adjust("2 seconds")
      yield* inject(short, sealed)
      assert.strictEqual((yield* short.sealed.receive(address, all)).length, 1)
    })
  )

  it.effect("R8.6 without the broker's number a message is known by its id and time", () =>
    Effect.gen(function* () {
      const claimed: Array<string> = []
      const own = yield* KeyProviderMemory.make(keys("k1"))
      const tools = {
        ...makeTools(own),
        nonces: {
          claim: ({ stored }: { readonly stored: string }) =>
            Effect.sync(() => {
              claimed.push(stored)
              return true
            })
        }
      }
      const sealed = yield* seal(own, "encrypt", message("a", { id: "m-7" }))
      const enqueuedAt = yield* DateTime.now
      const taken = { ...sealed, deliveryCount: 1, enqueuedAt }
      const tracking = policy({ nonceTracking: true, nonceWindow: "1 minute" })
      yield* open(tools, tracking, taken)
      yield* open(tools, tracking, { ...taken, sequenceNumber: 5n })
      assert.deepStrictEqual(claimed, ["m-7 0", "5"])
    })
  )

  it.effect("R8.5 tracking without a store is ConfigurationInvalid", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(World.make({ queues: { orders: { nonceTracking: true } } }))
      assert.deepInclude(error.reason, { _tag: "ConfigurationInvalid", key: "nonceTracking" })
    })
  )
})

describe("Sealing: keys", () => {
  const rotated = { keys: [keyOf("k1"), keyOf("k2")], current: "k2" }

  it.effect("R8.3 rotation interrupts nothing", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.sealed.send(orders, [message("before")])
      yield* world.keys.replace(rotated)
      yield* world.sealed.send(orders, [message("after")])
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), [
        "before",
        "after"
      ])
    })
  )

  it.effect("R8.3 a key that is taken away between its lookup and its use is looked up again", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make(keys("k1"))
      let lookups = 0
      const racing = {
        ...own,
        current: (queue: typeof orders) =>
          Effect.tap(own.current(queue), () =>
            lookups++ === 0 ? own.replace({ keys: [keyOf("k2")], current: "k2" }) : Effect.void
          )
      }
      const sealed = yield* World.makeWith(racing)
      yield* sealed.send(orders, [message("a"), message("b", { id: "m-2" })])
      assert.strictEqual(lookups, 2)
      // Opened meanwhile: nothing is wrong with the body, and it is tried again.
      const key = yield* own.current(orders)
      const bodies = [
        yield* seal(own, "encrypt", message("a")),
        yield* seal(own, "sign", message("a"))
      ]
      yield* own.replace(keys("k3"))
      const gone = { ...makeTools(own), keys: { ...own, byId: () => Effect.succeedSome(key) } }
      const signing = policy({ mode: "sign" })
      for (const body of bodies) {
        const taken = { ...body, deliveryCount: 1, enqueuedAt: yield* DateTime.now }
        const opened = yield* open(gone, signing, taken)
        assert.strictEqual(opened._tag, "Later")
      }
    })
  )

  it.effect("R8.7 the key of one call is looked up once, and again when it was wiped since", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make(keys("k1"))
      const key = yield* own.current(orders)
      const copies: Array<Uint8Array> = []
      const looking = {
        ...own,
        byId: () =>
          Effect.sync(() => {
            const copy = Uint8Array.from(Redacted.value(key.material))
            copies.push(copy)
            return Option.some({ ...key, material: Redacted.make(copy) })
          })
      }
      const messages = ["a", "b", "c"].map((body, index) => message(body, { id: `m-${index}` }))
      const sealed = yield* Effect.forEach(messages, (one) => seal(own, "encrypt", one))
      const enqueuedAt = yield* DateTime.now
      const openAll = Effect.fnUntraced(function* (before: Effect.Effect<void>) {
        const opening = sealer.opener<sealer.Taken>(makeTools(looking), orders, policy(), false)
        const bodies: Array<string> = []
        for (const one of sealed) {
          const opened = yield* opening({ ...one, deliveryCount: 1, enqueuedAt }, Effect.succeed)
          bodies.push(opened._tag === "Opened" ? text(opened.message.body) : opened._tag)
          yield* before
        }
        return bodies
      })
      assert.deepStrictEqual(yield* openAll(Effect.void), ["a", "b", "c"])
      assert.strictEqual(copies.length, 1)
      const wipe = Effect.sync(() => copies.at(-1)?.fill(0))
      assert.deepStrictEqual(yield* openAll(Effect.asVoid(wipe)), ["a", "b", "c"])
      assert.strictEqual(copies.length, 4)
    })
  )

  it.effect(
    "R8.4 what is tampered is rejected behind one that opened, by a key looked up anew",
    () =>
      Effect.gen(function* () {
        const own = yield* KeyProviderMemory.make(keys("k1"))
        let lookups = 0
        const looking = {
          ...own,
          byId: (...asked: Parameters<typeof own.byId>) => {
            lookups++
            return own.byId(...asked)
          }
        }
        const good = yield* seal(own, "encrypt", message("a"))
        const enqueuedAt = yield* DateTime.now
        const opening = sealer.opener<sealer.Taken>(makeTools(looking), orders, policy(), false)
        const tags: Array<string> = []
        for (const bit of [0, 1]) {
          const body = Uint8Array.from(good.body)
          body[body.byteLength - 1] = (body.at(-1) ?? 0) ^ bit
          const opened = yield* opening(
            { ...good, body, deliveryCount: 1, enqueuedAt },
            Effect.succeed
          )
          tags.push(opened._tag)
        }
        assert.deepStrictEqual(tags, ["Opened", "Rejected"])
        assert.strictEqual(lookups, 2)
      })
  )

  it.effect("R8.6 a cipher that is down is not asked twice for a message", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make(keys("k1"))
      const tools = makeTools(own)
      let calls = 0
      const failing = {
        ...tools,
        cipher: {
          ...tools.cipher,
          decrypt: (...asked: Parameters<typeof tools.cipher.decrypt>) =>
            calls++ === 0
              ? tools.cipher.decrypt(...asked)
              : Effect.fail(QueueError.make(new QueueError.ConnectionFailed()))
        }
      }
      const sealed = yield* seal(own, "encrypt", message("a"))
      const taken = { ...sealed, deliveryCount: 1, enqueuedAt: yield* DateTime.now }
      const opening = sealer.opener<sealer.Taken>(failing, orders, policy(), false)
      assert.strictEqual((yield* opening(taken, Effect.succeed))._tag, "Opened")
      assert.strictEqual((yield* opening(taken, Effect.succeed))._tag, "Later")
      assert.strictEqual(calls, 2)
    })
  )

  it.effect(
    "R8.3 a wrapped key is looked up once a call too, and dead letters and peeks go by it",
    () =>
      Effect.gen(function* () {
        const wrapped = new Uint8Array([1, 2, 3])
        const memory = yield* KeyProviderMemory.make(keys("k1"))
        let lookups = 0
        const own = {
          ...memory,
          wrappedSizeMax: 3,
          current: (queue: typeof orders) =>
            Effect.map(memory.current(queue), (key) => ({ ...key, wrapped })),
          byId: (...asked: Parameters<typeof memory.byId>) => {
            lookups++
            assert.deepStrictEqual(asked[1].wrapped, wrapped)
            return memory.byId(...asked)
          }
        }
        const sealed = yield* World.makeWith(own)
        yield* sealed.send(orders, [message("a"), message("b", { id: "m-2" })])
        assert.deepStrictEqual(textsOf(yield* sealed.peek(address, { max: 10 })), ["a", "b"])
        assert.strictEqual(lookups, 1)
        assert.deepStrictEqual(textsOf(yield* sealed.receive(address, all)), ["a", "b"])
        assert.strictEqual(lookups, 2)
      })
  )

  it.effect("R8.7 an expired key opens and never seals", () =>
    Effect.gen(function* () {
      const expiring = { ...keyOf("k1"), notAfter: yield* timeIn("1 minute") }
      const world = yield* World.make({ keys: { keys: [expiring], current: "k1" } })
      yield* world.sealed.send(orders, [message("a")])
      yield* TestClock.adjust("1 minute")
      const error = yield* Effect.flip(world.sealed.send(orders, [message("b")]))
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
      assert.include(error.message, "1970-01-01T00:01:00.000Z")
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
      assert.strictEqual((yield* world.raw.peek(address, { max: 10 })).length, 1)
    })
  )

  it.effect("R8.7 keys are per queue: another queue's key does not open", () =>
    Effect.gen(function* () {
      const own = {
        keys: [keyOf("k1"), keyOf("k2")],
        current: "k1",
        queues: { orders: { current: "k2", ids: ["k2"] } }
      }
      const world = yield* World.make({ keys: own })
      yield* inject(
        world,
        yield* sealer.seal(
          makeTools(world.keys),
          "encrypt",
          yield* world.keys.current(ordered),
          message("a"),
          0,
          Effect.succeed
        )
      )
      assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
      assert.deepStrictEqual(yield* putAside(world), [])
      yield* TestClock.adjust("31 seconds")
      assert.strictEqual((yield* world.raw.receive(address, all))[0]?.deliveryCount, 2)
    })
  )

  it.effect(
    "R8.6 a missing key abandons, with a delay, and the message opens when its key is there",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({ keys: keys("k1", "k2") })
        yield* world.sealed.send(orders, [message("a")])
        yield* world.keys.replace(keys("k1"))
        assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
        yield* TestClock.adjust("29 seconds")
        yield* world.keys.replace(keys("k1", "k2"))
        assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
        yield* TestClock.adjust("1 second")
        const [received] = yield* world.sealed.receive(address, all)
        assert.strictEqual(received?.deliveryCount, 2)
        assert.strictEqual(text(received?.body ?? new Uint8Array()), "a")
      })
  )

  it.effect(
    "R8.6 a key that was removed for good: dead-lettered after its deliveries, replayed when it is back",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make({ keys: keys("k1", "k2"), queue: { deliveriesMax: 2 } })
        yield* world.sealed.send(orders, [message("a")])
        yield* world.keys.replace(keys("k1"))
        for (let delivery = 0; delivery < 3; delivery++) {
          assert.deepStrictEqual(yield* world.sealed.receive(address, all), [])
          yield* TestClock.adjust("31 seconds")
        }
        const [aside] = yield* world.sealed.receive(dead, all)
        assert.isDefined(aside)
        assert.strictEqual(aside.attributes[unopened], "KeyNotFound")
        assert.strictEqual(text(aside.body.subarray(0, 4)), "QRE1")
        // It is not sealed a second time, nor sent at all.
        const again = Message.stamp(ReceivedMessage.toMessage(aside), MessageId.makeUnsafe("again"))
        const error = yield* Effect.flip(world.sealed.send(orders, [again]))
        assert.strictEqual(error.reason._tag, "ValidationFailed")
        assert.include(error.message, "KeyNotFound")
        yield* world.raw.settle([aside.receipt], Verdict.abandon())
        yield* world.keys.replace(keys("k1", "k2"))
        const [back] = yield* world.sealed.receive(dead, all)
        assert.isDefined(back)
        assert.deepStrictEqual(back.attributes, {})
        const replayed = Message.stamp(
          ReceivedMessage.toMessage(back),
          MessageId.makeUnsafe("again")
        )
        yield* world.sealed.send(orders, [replayed])
        assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
      })
  )

  it.effect("R8.6 the delay is no longer than the queue has it", () =>
    Effect.gen(function* () {
      const world = yield* World.make({
        between: (provider) => ({
          ...provider,
          capabilities: (queue) => ({
            ...provider.capabilities(queue),
            abandonDelayMax: Duration.seconds(5)
          })
        })
      })
      const other = yield* KeyProviderMemory.make(keys("unknown"))
      yield* inject(world, yield* seal(other, "encrypt", message("a")))
      yield* world.sealed.receive(address, all)
      yield* TestClock.adjust("5 seconds")
      assert.strictEqual((yield* world.raw.receive(address, all)).length, 1)
    })
  )
})

describe("Sealing: dead letters", () => {
  it.effect("R8.6 dead letters open whatever their age, and their replay is sealed anew", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ nonceTracking: true, hasNonces: true })
      yield* world.sealed.send(orders, [message("a")])
      const [first] = yield* world.sealed.receive(address, all)
      assert.isDefined(first)
      yield* world.sealed.settle([first.receipt], Verdict.deadLetter("Broken"))
      yield* TestClock.adjust("20 days")
      assert.deepStrictEqual(textsOf(yield* world.sealed.peek(dead, { max: 1 })), ["a"])
      const [aside] = yield* world.sealed.receive(dead, all)
      assert.isDefined(aside)
      const replayed = Message.stamp(
        ReceivedMessage.toMessage(aside),
        MessageId.makeUnsafe("replay")
      )
      yield* world.sealed.send(orders, [replayed])
      assert.deepStrictEqual(textsOf(yield* world.sealed.receive(address, all)), ["a"])
    })
  )

  it.effect("R8.4 what cannot be opened there is handed out sealed, says why, and stays", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const sealed = yield* sealedBody(world, message("a", { attributes: { kept: "1" } }))
      const body = flipped(sealed.body, sealed.body.length - 1)
      yield* inject(world, { ...sealed, body }, message("plain", { id: "m-2" }))
      yield* world.sealed.receive(address, all)
      const aside = yield* world.sealed.receive(dead, all)
      assert.deepStrictEqual(
        aside.map(({ attributes }) => attributes),
        [{ kept: "1", [unopened]: "IntegrityFailed" }, { [unopened]: "UnencryptedMessage" }]
      )
      assert.deepStrictEqual(aside[0]?.body, body)
      yield* Effect.forEach(aside, ({ receipt }) => world.raw.settle([receipt], Verdict.abandon()))
      const peeked = yield* world.sealed.peek(dead, { max: 10 })
      assert.strictEqual(peeked.length, 2)
      assert.strictEqual(peeked[0]?.attributes[unopened], "IntegrityFailed")
    })
  )

  it.effect("R8.4 our attributes are nobody else's, sent or received", () =>
    Effect.gen(function* () {
      for (const mode of ["encrypt", "off"] as const) {
        const world = yield* World.make({ mode })
        const sent = message("a", { attributes: { [signature]: "mine" } })
        const error = yield* Effect.flip(world.sealed.send(orders, [sent]))
        assert.include(error.message, "an attribute of the library")
      }
      const world = yield* World.make({ mode: "off" })
      yield* inject(world, message("a", { attributes: { [unopened]: "no", b: "2" } }))
      const [received] = yield* world.sealed.receive(address, all)
      assert.deepStrictEqual(received?.attributes, { b: "2" })
    })
  )

  it.effect("R8.4 a key service that is down says so on what it kept from being opened", () =>
    Effect.gen(function* () {
      const throttled = Effect.fail(QueueError.make(new QueueError.Throttled()))
      const sealed = yield* World.makeWith({
        wrappedSizeMax: 0,
        current: () => throttled,
        byId: () => throttled,
        ids: () => Effect.succeed([])
      })
      const own = yield* KeyProviderMemory.make(keys("k1"))
      yield* sealed.raw.send(orders, [yield* seal(own, "encrypt", message("a"))])
      const [peeked] = yield* sealed.peek(address, { max: 1 })
      assert.strictEqual(peeked?.attributes[unopened], "Throttled")
      const error = yield* Effect.flip(sealed.send(orders, [message("a")]))
      assert.strictEqual(error.reason._tag, "Throttled")
      assert.deepStrictEqual(yield* sealed.receive(address, all), [])
    })
  )
})
