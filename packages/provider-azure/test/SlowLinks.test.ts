import { assert, describe, it } from "@effect/vitest"
import type * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Schedule from "effect/Schedule"
import { Verdict } from "@queue-runtime/core"
import type { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { at } from "../src/internal/inside.ts"
import { middle } from "./support/middle.ts"
import {
  address,
  connect,
  ids,
  inSession,
  message,
  numbered,
  open,
  plain,
  receive,
  seconds,
  send,
  settle
} from "./world.ts"

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

/** How long the AMQP library waits for the service to say that a link is closed: a minute else. */
const limitTo = (client: unknown, closeSeconds: number): void => {
  const options = at(client, "_connectionContext", "connection", "options")
  assert.isNumber(at(options, "operationTimeoutInSeconds"))
  Object.assign(Object(options), { operationTimeoutInSeconds: closeSeconds })
}

/** Lets the service fall silent as soon as a receiver's link was opened; answers how many were. */
const silentOnceOpened = (client: unknown, fallSilent: Effect.Effect<void>): (() => number) => {
  const connection = at(client, "_connectionContext", "connection")
  const create = at(connection, "createReceiver")
  if (typeof create !== "function") return assert.fail("the SDK looks otherwise inside")
  let opened = 0
  const onOpened = (): void => {
    opened++
    Effect.runSync(fallSilent)
  }
  Object.assign(Object(connection), {
    createReceiver: (...values: Array<unknown>) => {
      const made: unknown = Reflect.apply(create, connection, values)
      void Promise.resolve(made).then(onOpened)
      return made
    }
  })
  return () => opened
}

/** A connection with somebody between us and the service. */
const slow = Effect.fnUntraced(function* (
  emulator: ServiceBusEmulator.Emulator,
  requestTimeout: Duration.Input
) {
  const between = yield* middle(emulator.host, emulator.port)
  const { client, provider } = yield* connect(emulator, {
    connectionString: emulator.connectionString.replace(`:${emulator.port}`, `:${between.port}`),
    requestTimeout
  })
  return { ...between, client, provider }
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

  for (const isReopened of [false, true]) {
    const which = isReopened ? "that was opened in another's place" : "that was just opened"
    it.live(`§4.7 a link ${which} and cannot be closed fails nothing`, () =>
      Effect.gen(function* () {
        const { emulator } = yield* open()
        const { client, fallSilent, provider, speak } = yield* slow(emulator, "5 seconds")
        const now = provider.receive(address, { max: 1, wait: seconds(0) })
        yield* client.use((sdk) => Promise.resolve(limitTo(sdk, 1)))
        if (isReopened) {
          assert.deepStrictEqual(yield* now, [])
          yield* fallSilent
          const call = yield* Effect.forkChild(now, { startImmediately: true })
          yield* Effect.sleep(900)
          yield* speak
          assert.deepStrictEqual(yield* Fiber.join(call), [])
        }
        const opened = yield* client.use((sdk) =>
          Promise.resolve(silentOnceOpened(sdk, fallSilent))
        )
        // The failure of its close would be nobody's, and this call would hear nothing.
        assert.deepStrictEqual(yield* now, [])
        assert.strictEqual(opened(), 1)
        yield* speak
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

  it.live("R3.5 what has not left it yet goes by its lock token", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      const names = numbered(100)
      // The SDK takes one with a session id whose link is closed for one of a lost session.
      yield* provider.send(
        plain,
        names.map((name) => message(name, inSession("s")))
      )
      const held = yield* receive(provider, names.length)
      assert.lengthOf(held, names.length)
      yield* emulator.inject({
        operation: "Settle",
        times: 1,
        fault: { _tag: "DropLink", applied: true }
      })
      const told = yield* Effect.forEach(
        held,
        (one) => Effect.timeout(settle(provider, one, Verdict.abandon()), seconds(5)),
        { concurrency: "unbounded" }
      )
      assert.deepStrictEqual(new Set(told), new Set(["ConnectionFailed", "ok"]))
      // The last left long after the link was gone.
      assert.strictEqual(told.at(-1), "ok")
    })
  )
})
