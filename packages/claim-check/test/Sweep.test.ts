import { assert, describe, it } from "@effect/vitest"
import { BlobStore, Defaults, QueueName, Verdict } from "@queue-runtime/core"
import { Duration, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { ClaimCheck } from "../src/index.ts"
import * as World from "./support/world.ts"

const { address, all, down, large, message, orders, receiptsOf, stored } = World

const sweep = ({ store }: Pick<World.World, "store">, options?: ClaimCheck.SweepOptions) =>
  Effect.provideService(ClaimCheck.sweep(options), BlobStore.BlobStore, store)

describe("ClaimCheck.sweep", () => {
  it.effect("R3.2 finds what a crash between put and send left, and nothing that is younger", () =>
    Effect.gen(function* () {
      // The process is gone at the moment when it would have sent.
      const world = yield* World.make({
        between: (provider) => ({ ...provider, send: () => Effect.never })
      })
      const sender = yield* Effect.forkChild(world.claimed.send(orders, [message(large)]))
      yield* TestClock.adjust("1 second")
      yield* Fiber.interrupt(sender)
      assert.strictEqual((yield* stored(world)).length, 1)
      yield* TestClock.adjust(Defaults.claimCheckRetention)
      const alive = yield* World.make()
      yield* world.store.put("queue-runtime/orders/young", new Uint8Array(1))
      assert.deepStrictEqual(yield* sweep(world), {
        found: 1,
        bytes: large,
        deleted: 1,
        failed: 0
      })
      assert.deepStrictEqual(yield* stored(world), ["queue-runtime/orders/young"])
      assert.deepStrictEqual(yield* stored(alive), [])
    })
  )

  it.effect("R3.2 refuses an age at which a message may still be there, unless it is forced", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(orders, [message(large)])
      yield* TestClock.adjust("2 days")
      const refused = yield* Effect.flip(sweep(world, { olderThan: "1 day" }))
      assert.match(
        refused.message,
        /^ValidationFailed: olderThan: must be at least the retention of 44d: younger blobs/u
      )
      const own = yield* Effect.flip(sweep(world, { olderThan: "1 day", retention: "25 hours" }))
      assert.match(own.message, /the retention of 1d 1h/u)
      assert.strictEqual((yield* stored(world)).length, 1)
      const { deleted } = yield* sweep(world, { olderThan: "1 day", force: true })
      assert.strictEqual(deleted, 1)
    })
  )

  it.effect(
    "R3.2 goes by the retention that it is told, and only says it where that is wanted",
    () =>
      Effect.gen(function* () {
        const world = yield* World.make()
        yield* world.claimed.send(orders, [message(large)])
        yield* TestClock.adjust("2 days")
        const dry = yield* sweep(world, { retention: "1 day", dryRun: true })
        assert.deepStrictEqual(dry, { found: 1, bytes: large, deleted: 0, failed: 0 })
        assert.strictEqual((yield* stored(world)).length, 1)
        assert.strictEqual((yield* sweep(world, { retention: "1 day" })).deleted, 1)
      })
  )

  it.effect("R4.1 leaves other prefixes, and other queues where one is named", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const keys = ["queue-runtime/orders/1", "queue-runtime/orders2/1", "queue-runtime2/orders/1"]
      for (const key of keys) yield* world.store.put(key, new Uint8Array(1))
      yield* TestClock.adjust("100 days")
      const queue = QueueName.makeUnsafe("orders")
      assert.strictEqual((yield* sweep(world, { queue })).deleted, 1)
      assert.deepStrictEqual(yield* stored(world), keys.slice(1))
      assert.strictEqual((yield* sweep(world)).deleted, 1)
      assert.strictEqual((yield* sweep(world, { prefix: "queue-runtime2" })).deleted, 1)
    })
  )

  it.effect("R10.7 goes page by page, and over what cannot be deleted", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      const count = Defaults.blobPageSize + 10
      for (let n = 0; n < count; n++) {
        yield* world.store.put(`queue-runtime/orders/${n}`, new Uint8Array(1))
      }
      yield* TestClock.adjust("100 days")
      const store: BlobStore.Service = {
        ...world.store,
        delete: (key) => (key.endsWith("/7") ? Effect.fail(down) : world.store.delete(key))
      }
      const swept = yield* sweep({ store })
      assert.deepStrictEqual(swept, {
        found: count,
        bytes: count,
        deleted: count - 1,
        failed: 1
      })
    })
  )

  it.effect("R3.4 what is completed leaves nothing to sweep", () =>
    Effect.gen(function* () {
      const world = yield* World.make()
      yield* world.claimed.send(orders, [message(large)])
      const received = yield* world.claimed.receive(address, all)
      yield* world.claimed.settle(receiptsOf(received), Verdict.complete)
      yield* TestClock.adjust(Duration.days(100))
      assert.strictEqual((yield* sweep(world)).found, 0)
    })
  )
})
