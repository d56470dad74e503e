import { assert, describe, it } from "@effect/vitest"
import { type BlobStore, Message, MessageId, SessionId } from "@queue-runtime/core"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import * as World from "./support/world.ts"

const { inSession, large, message, ordered, orders, address, all, accept, turns } = World

/** A body takes a second to be put. */
const slow = (store: BlobStore.Service): BlobStore.Service => ({
  ...store,
  put: (key, body, options) => Effect.delay(store.put(key, body, options), "1 second")
})

const idsOf = (messages: ReadonlyArray<{ readonly messageId: string }>) =>
  messages.map(({ messageId }) => messageId)

/** The session as the broker has it. */
const received = (world: World.World) =>
  Effect.scoped(Effect.flatMap(accept(world.raw), (own) => Effect.map(own.receive(all), idsOf)))

describe("ClaimCheck: the order of sends", () => {
  it.effect("R4.1 what is called behind a large one of its session does not overtake it", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ before: slow })
      const sends = [inSession(large, "m-1"), inSession(1, "m-2"), inSession(large, "m-3")]
      const fibers = []
      for (const one of [...sends, inSession(1, "m-4")]) {
        fibers.push(yield* Effect.forkChild(world.claimed.send(ordered, [one])))
        yield* turns
      }
      yield* TestClock.adjust("3 seconds")
      yield* Fiber.joinAll(fibers)
      assert.deepStrictEqual(yield* received(world), ["m-1", "m-2", "m-3", "m-4"])
    })
  )

  it.effect("R4.1 other sessions, and what has none, do not wait", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ before: slow })
      const first = yield* Effect.forkChild(world.claimed.send(ordered, [inSession(large, "m-1")]))
      yield* turns
      const other = Message.stamp(
        yield* Message.text("x"),
        MessageId.makeUnsafe("m-2"),
        SessionId.makeUnsafe("s-2")
      )
      yield* world.claimed.send(ordered, [other])
      const plain = yield* Effect.forkChild(world.claimed.send(orders, [message(large, "m-3")]))
      yield* turns
      yield* world.claimed.send(orders, [message(1, "m-4")])
      assert.deepStrictEqual(idsOf(yield* world.raw.peek(address, all)), ["m-4"])
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll([first, plain])
    })
  )

  it.effect("R4.1 one that is interrupted while it waits lets nobody past those before it", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ before: slow })
      const send = (size: number, id: string) =>
        Effect.tap(
          Effect.forkChild(world.claimed.send(ordered, [inSession(size, id)])),
          () => turns
        )
      const first = yield* send(large, "m-1")
      const second = yield* send(1, "m-2")
      const third = yield* send(1, "m-3")
      yield* Fiber.interrupt(second)
      yield* turns
      assert.isUndefined(third.pollUnsafe())
      yield* TestClock.adjust("1 second")
      yield* Fiber.joinAll([first, third])
      assert.deepStrictEqual(yield* received(world), ["m-1", "m-3"])
    })
  )

  it.effect("R4.1 what stands last and is interrupted is forgotten when those before it end", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ before: slow })
      const first = yield* Effect.forkChild(world.claimed.send(ordered, [inSession(large, "m-1")]))
      yield* turns
      const second = yield* Effect.forkChild(world.claimed.send(ordered, [inSession(1, "m-2")]))
      yield* turns
      yield* Fiber.interrupt(second)
      yield* TestClock.adjust("1 second")
      yield* Fiber.join(first)
      yield* turns
      yield* world.claimed.send(ordered, [inSession(1, "m-3")])
      assert.deepStrictEqual(yield* received(world), ["m-1", "m-3"])
    })
  )
})
