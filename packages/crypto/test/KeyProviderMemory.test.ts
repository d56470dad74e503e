import { assert, describe, it } from "@effect/vitest"
import { KeyProvider, QueueName } from "@queue-runtime/core"
import { Context, Effect, Layer, Option, Redacted } from "effect"
import { KeyProviderMemory } from "../src/index.ts"
import { bytesOf, keyOf, keys, queue } from "./support.ts"

const other = QueueName.makeUnsafe("other")

const isWiped = ({ material }: KeyProvider.Key): boolean =>
  Redacted.value(material).every((byte) => byte === 0)

const problemOf = (options: KeyProviderMemory.Options) =>
  Effect.map(Effect.flip(Effect.scoped(KeyProviderMemory.make(options))), ({ reason }) =>
    reason._tag === "ConfigurationInvalid" ? `${reason.key}: ${reason.problem}` : reason._tag
  )

describe("KeyProviderMemory", () => {
  it.effect("R8.3 the current key, a key by its id, and the ids that open", () =>
    Effect.gen(function* () {
      const own = yield* Effect.map(
        Layer.build(KeyProviderMemory.layer(keys("k1", "k2"))),
        Context.get(KeyProvider.KeyProvider)
      )
      assert.strictEqual((yield* own.current(queue)).id, "k2")
      assert.strictEqual(Option.getOrThrow(yield* own.byId(queue, { id: "k1" })).id, "k1")
      assert.isTrue(Option.isNone(yield* own.byId(queue, { id: "k3" })))
      assert.deepStrictEqual(yield* own.ids(queue), ["k1", "k2"])
      assert.strictEqual(own.wrappedSizeMax, 0)
    })
  )

  it.effect("R8.7 keys are per queue", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make({
        ...keys("k1", "k2", "k3"),
        ids: ["k2", "k3"],
        queues: { orders: { current: "k1", ids: ["k1"] } }
      })
      assert.strictEqual((yield* own.current(queue)).id, "k1")
      assert.deepStrictEqual(yield* own.ids(queue), ["k1"])
      assert.isTrue(Option.isNone(yield* own.byId(queue, { id: "k2" })))
      assert.strictEqual((yield* own.current(other)).id, "k3")
      assert.deepStrictEqual(yield* own.ids(other), ["k2", "k3"])
      assert.isTrue(Option.isNone(yield* own.byId(other, { id: "k1" })))
    })
  )

  it.effect("R8.4 keys are copied, and the copies wiped when the scope ends", () =>
    Effect.gen(function* () {
      const given = bytesOf(1)
      const options = { keys: [{ id: "k", material: Redacted.make(given) }], current: "k" }
      const [own, key] = yield* Effect.scoped(
        Effect.flatMap(KeyProviderMemory.make(options), (provider) =>
          Effect.map(provider.current(queue), (found) => {
            assert.deepStrictEqual(Redacted.value(found.material), given)
            return [provider, found] as const
          })
        )
      )
      assert.isTrue(isWiped(key))
      assert.deepStrictEqual(given, bytesOf(1))
      const error = yield* Effect.flip(own.current(queue))
      assert.strictEqual(error.reason._tag, "ConnectionFailed")
      const byId = yield* Effect.flip(own.byId(queue, { id: "k" }))
      assert.strictEqual(byId.reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(yield* own.ids(queue), [])
    })
  )

  it.effect("R8.3 a rotation keeps the keys that stay, and wipes those that go", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make(keys("k1", "k2"))
      const [first, second] = [
        Option.getOrThrow(yield* own.byId(queue, { id: "k1" })),
        yield* own.current(queue)
      ]
      const replaced = { ...keyOf("k2"), material: Redacted.make(bytesOf(99)) }
      yield* own.replace({ keys: [keyOf("k1"), replaced, keyOf("k3")], current: "k3" })
      assert.isFalse(isWiped(first))
      assert.strictEqual(
        Option.getOrThrow(yield* own.byId(queue, { id: "k1" })).material,
        first.material
      )
      // The same id with other bytes is another key.
      assert.isTrue(isWiped(second))
      assert.strictEqual((yield* own.current(queue)).id, "k3")
    })
  )

  it.effect("R8.3 what cannot be used changes nothing", () =>
    Effect.gen(function* () {
      const own = yield* KeyProviderMemory.make(keys("k1"))
      const key = yield* own.current(queue)
      const error = yield* Effect.flip(own.replace({ keys: [], current: "k1" }))
      assert.strictEqual(error.reason._tag, "ConfigurationInvalid")
      assert.isFalse(isWiped(key))
      assert.strictEqual((yield* own.current(queue)).id, "k1")
    })
  )

  it.effect("R10.1 options are checked before anything starts, and no key is shown", () =>
    Effect.gen(function* () {
      const [first] = keys("k1").keys
      assert.isDefined(first)
      const short = { ...first, material: Redacted.make(bytesOf(1).subarray(1)) }
      const zero = { ...first, material: Redacted.make(new Uint8Array(32)) }
      const size = "keys.0.material: must have 32 bytes that are not all zero"
      assert.strictEqual(yield* problemOf({ keys: [short], current: "k1" }), size)
      assert.strictEqual(yield* problemOf({ keys: [zero], current: "k1" }), size)
      assert.include(yield* problemOf({ keys: [{ ...first, id: "" }], current: "" }), "keys.0.id")
      const twice = yield* problemOf({ keys: [first, first], current: "k1" })
      assert.strictEqual(twice, 'keys.1.id: "k1" stands there twice')
      assert.include(yield* problemOf({ keys: [first], current: "k2" }), "current: no key")
      assert.include(yield* problemOf({ keys: [first], current: "k1", ids: ["k9"] }), "ids: no key")
      const queues = { orders: { current: "k7" } }
      assert.include(yield* problemOf({ ...keys("k1"), queues }), "queues.orders.current")
      assert.include(
        yield* problemOf({ ...keys("k1"), queues: { "no queue": { current: "k1" } } }),
        "queues.no queue: must be the name of a queue"
      )
    })
  )
})
