import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Verdict } from "@queue-runtime/core"
import type { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { middle } from "./support/middle.ts"
import { address, connect, ids, open, plain, receive, seconds, send, settle } from "./world.ts"

/** The receivers' links that the service has now. */
const linksOf = (emulator: ServiceBusEmulator.Emulator) =>
  Effect.map(emulator.connections, (all) =>
    all.flatMap(({ links }) =>
      links.flatMap(({ name, role }) => (role === "receiver" ? [name] : []))
    )
  )

/** Until the service may send the next message over a link of its own. */
const waitsForNext = (emulator: ServiceBusEmulator.Emulator) =>
  emulator.connections.pipe(
    Effect.map((all) =>
      all
        .flatMap(({ links }) => links)
        .filter(({ address: of, role }) => role === "receiver" && of === "plain")
    ),
    Effect.flatMap((links) =>
      links.length > 1 && links.some(({ credit }) => credit > 0)
        ? Effect.void
        : Effect.fail("nobody waits yet")
    ),
    Effect.retry({ schedule: Schedule.spaced(20), times: 250 })
  )

/** A connection with somebody between us and the service. */
const slow = Effect.fnUntraced(function* (
  emulator: ServiceBusEmulator.Emulator,
  requestTimeout: Duration.Input
) {
  const between = yield* middle(emulator.host, emulator.port)
  const { provider } = yield* connect(emulator, {
    connectionString: emulator.connectionString.replace(`:${emulator.port}`, `:${between.port}`),
    requestTimeout
  })
  return { ...between, provider }
})

/**
 * A message in hand and a receiver that waits, both on one link, whose unused credit is taken back in a
 * silence: until it is over nobody hears of that. The credit has a tenth of the time of a request for it.
 */
const fallenSilent = Effect.fnUntraced(function* (requestTimeout: Duration.Input) {
  const { emulator } = yield* open({ queue: { lockDuration: "1 minute" } })
  const { fallSilent, provider, speak } = yield* slow(emulator, requestTimeout)
  yield* send(provider, ["a"])
  const [held] = yield* receive(provider, 1)
  if (held === undefined) return assert.fail("a was sent")
  const links = yield* linksOf(emulator)
  yield* fallSilent
  const call = yield* Effect.forkChild(provider.receive(address, { max: 1, wait: seconds(20) }), {
    startImmediately: true
  })
  const left = Effect.map(linksOf(emulator), (now) => links.filter((name) => now.includes(name)))
  return { call, held, left, links, provider, speak }
})

const abandon = ({ held, provider }: Effect.Success<ReturnType<typeof fallenSilent>>) =>
  Effect.forkChild(settle(provider, held, Verdict.abandon()), { startImmediately: true })

const redelivered = Effect.fnUntraced(function* ({
  call
}: Effect.Success<ReturnType<typeof fallenSilent>>) {
  const received = yield* Fiber.join(call)
  assert.deepStrictEqual(ids(received), ["a"])
  assert.strictEqual(received[0]?.deliveryCount, 2)
})

describe("the link of a plain queue whose service is slow for a moment", () => {
  it.live("R3.3 is kept, and what is settled over it meanwhile is settled", () =>
    Effect.gen(function* () {
      const world = yield* fallenSilent("20 seconds")
      yield* Effect.sleep(100)
      const abandoned = yield* abandon(world)
      yield* Effect.sleep(300)
      yield* world.speak
      assert.strictEqual(yield* Fiber.join(abandoned), "ok")
      yield* redelivered(world)
      assert.deepStrictEqual(yield* world.left, world.links)
    })
  )

  for (const [when, before, after] of [
    ["before it is closed", 100, 800],
    ["while it is closed", 900, 50]
  ] as const) {
    it.live(`R3.5 what is abandoned ${when} is abandoned, and comes again`, () =>
      Effect.gen(function* () {
        const world = yield* fallenSilent("6 seconds")
        yield* Effect.sleep(before)
        const abandoned = yield* abandon(world)
        yield* Effect.sleep(after)
        yield* world.speak
        assert.strictEqual(yield* Fiber.join(abandoned), "ok")
        yield* redelivered(world)
        assert.isBelow((yield* world.left).length, world.links.length)
      })
    )
  }

  it.live("R3.3 what crosses the end of a wait is there for the next receiver", () =>
    Effect.gen(function* () {
      const { emulator, provider: sender } = yield* open({ queue: { lockDuration: "1 minute" } })
      const { fallSilent, provider, speak } = yield* slow(emulator, "10 seconds")
      const waiting = provider.receive(address, { max: 1, wait: seconds(20) })
      const call = yield* Effect.forkChild(waiting, { startImmediately: true })
      yield* waitsForNext(emulator)
      // It is on its way when nobody waits any more, and the SDK gives up on the credit before it comes.
      yield* fallSilent
      yield* send(sender, ["a"])
      yield* Fiber.interrupt(call)
      yield* Effect.sleep(500)
      yield* speak
      const received = yield* provider.receive(address, { max: 1, wait: seconds(5) })
      assert.deepStrictEqual(ids(received), ["a"])
    })
  )
})

describe("the link of a plain queue that the service ends", () => {
  for (const applied of [true, false]) {
    const when = applied ? "after" : "before"
    it.live(
      `R3.4 a settlement that it leaves unanswered fails at once and is not lost (${when} it took effect)`,
      () =>
        Effect.gen(function* () {
          const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
          yield* send(provider, ["a"])
          const [held] = yield* receive(provider, 1)
          if (held === undefined) return assert.fail("a was sent")
          yield* emulator.inject({
            operation: "Settle",
            times: 1,
            fault: { _tag: "DropLink", applied }
          })
          const told = yield* Effect.timeout(settle(provider, held), seconds(5))
          assert.strictEqual(told, "ConnectionFailed")
          assert.strictEqual(yield* settle(provider, held), applied ? "ReceiptExpired" : "ok")
          assert.strictEqual((yield* emulator.inspect(plain)).messages.length, 0)
        })
    )
  }
})
