import { assert, describe, it } from "@effect/vitest"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Random from "effect/Random"
import { Outcome, type QueueError, SessionId, Verdict } from "@queue-runtime/core"
import type { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { at, socketOf } from "../src/internal/inside.ts"
import { middle } from "./support/middle.ts"
import {
  accept,
  address,
  connect,
  ids,
  inSession,
  message,
  open,
  ordered,
  plain,
  sdk,
  seconds,
  send,
  settle
} from "./world.ts"

const limits = { connectTimeout: "1 second", requestTimeout: "700 millis" } as const

/** Longer than any call may take, its wait included. */
const endless = Duration.seconds(6)

interface Tally {
  /** Calls that ended, by kind. */
  readonly ended: Map<string, number>
  readonly succeeded: Map<string, number>
  /** Calls that had not ended when their time was over. */
  readonly hung: Set<string>
  /** What no waiting would mend. */
  readonly fatal: Set<string>
}

const add = (counts: Map<string, number>, name: string): void => {
  counts.set(name, (counts.get(name) ?? 0) + 1)
}

/** Reasons that say that the delivery or session is another's now, which is no fault of the call. */
const lost = new Set(["SessionLockLost", "ReceiptExpired"])

const watching =
  ({ ended, fatal, hung, succeeded }: Tally) =>
  <A, R>(name: string, call: Effect.Effect<A, QueueError.QueueError, R>) =>
    Effect.timeoutOption(Effect.exit(call), endless).pipe(
      Effect.tap((exit) =>
        Effect.sync(() => {
          if (Option.isNone(exit)) {
            hung.add(name)
            return
          }
          add(ended, name)
          if (Exit.isSuccess(exit.value)) add(succeeded, name)
          const error = Exit.findErrorOption(exit.value)
          if (Option.isNone(error)) return
          const { reason, retry } = error.value
          if (retry === "Never" && !lost.has(reason._tag))
            fatal.add(`${name}: ${error.value.message}`)
        })
      ),
      Effect.map(Option.flatMap(Exit.getSuccess))
    )

/** Every kind of call, over and over, as many users make them side by side. */
const users = (opened: Effect.Success<ReturnType<typeof open>>, tally: Tally) => {
  const { provider } = opened
  const watched = watching(tally)
  let count = 0
  const next = (session?: string) => {
    const id = `m${count++}`
    return message(id, session === undefined ? {} : inSession(session))
  }
  const verdict = Effect.map(Random.nextBoolean, (yes) =>
    yes ? Verdict.complete : Verdict.abandon()
  )
  const settling = Effect.fnUntraced(function* (
    name: string,
    settler: Pick<typeof provider, "settle">,
    receipts: Parameters<typeof provider.settle>[0]
  ) {
    yield* Effect.forEach(
      receipts,
      (receipt) =>
        Effect.flatMap(verdict, (one) =>
          watched(name, Effect.flatMap(settler.settle([receipt], one), Outcome.single))
        ),
      { concurrency: "unbounded", discard: true }
    )
  })
  const receiving = Effect.fnUntraced(function* (waitMillis: number) {
    const wait = Duration.millis(waitMillis)
    const got = yield* watched("receive", provider.receive(address, { max: 4, wait }))
    const receipts = Option.getOrElse(got, () => []).map(({ receipt }) => receipt)
    if (receipts.length > 0) yield* watched("renewLock", provider.renewLock(receipts))
    yield* settling("settle", provider, receipts)
  })
  const inSessions = Effect.fnUntraced(function* (sessionId?: string) {
    const options = {
      wait: seconds(1),
      ...(sessionId === undefined ? {} : { sessionId: SessionId.makeUnsafe(sessionId) })
    }
    const name = sessionId === undefined ? "accept next" : "accept by id"
    const accepted = yield* watched(name, provider.acceptSession(ordered, options))
    const session = Option.getOrUndefined(Option.flatten(accepted))
    if (session === undefined) return
    const wait = Duration.millis(200)
    const got = yield* watched("session: receive", session.receive({ max: 3, wait }))
    yield* watched("session: renewLock", session.renewLock)
    yield* watched("session: setState", session.setState(Option.some(Uint8Array.of(1))))
    yield* watched("session: state", session.state)
    const receipts = Option.getOrElse(got, () => []).map(({ receipt }) => receipt)
    yield* settling("session: settle", session, receipts)
  })
  return [
    Effect.suspend(() => watched("send", provider.send(plain, [next()]))),
    Effect.suspend(() => watched("send many", provider.send(plain, [next(), next(), next()]))),
    Effect.suspend(() => watched("send in order", provider.send(ordered, [next("A")]))),
    receiving(0),
    receiving(1_000),
    watched("peek", provider.peek(address, { max: 1 })),
    Effect.scoped(inSessions()),
    Effect.scoped(inSessions("A"))
  ].map((one) => Effect.asVoid(one))
}

const kinds = [
  "accept by id",
  "accept next",
  "peek",
  "receive",
  "renewLock",
  "send",
  "send in order",
  "send many",
  "session: receive",
  "session: renewLock",
  "session: setState",
  "session: settle",
  "session: state",
  "settle"
]

const drop = { _tag: "DropConnection" } as const

/** What strikes while calls are under way: before they take effect and after, now and then in silence. */
const striking = Effect.fnUntraced(function* (
  emulator: ServiceBusEmulator.Emulator,
  times: number
) {
  yield* emulator.inject({ operation: "*", probability: 0.02, fault: drop })
  yield* emulator.inject({ operation: "*", probability: 0.01, fault: { ...drop, applied: true } })
  yield* emulator.inject({ operation: "*", probability: 0.02, fault: { _tag: "DropLink" } })
  yield* emulator.inject({ operation: "*", probability: 0.002, fault: { _tag: "Swallow" } })
  const enough = Effect.map(emulator.calls, ({ Connect = 0 }) => Connect > times)
  for (let tries = 0; tries < 300 && !(yield* enough); tries++) {
    yield* Effect.sleep(yield* Random.nextIntBetween(20, 150))
    yield* emulator.dropConnections
  }
  assert.isTrue(yield* enough)
})

const listeners = (emitter: unknown): number => {
  if (
    !Predicate.hasProperty(emitter, "eventNames") ||
    !Predicate.hasProperty(emitter, "listenerCount")
  )
    return 0
  const { eventNames, listenerCount } = emitter
  if (typeof eventNames !== "function" || typeof listenerCount !== "function") return 0
  const names: unknown = Reflect.apply(eventNames, emitter, [])
  return Array.isArray(names)
    ? names.reduce<number>(
        (sum, name) => sum + Number(Reflect.apply(listenerCount, emitter, [name])),
        0
      )
    : 0
}

describe("lost connections under load", () => {
  it.live(
    "R5.4 §4.2 every call that is under way when they are lost ends, and later ones succeed",
    () =>
      Effect.gen(function* () {
        const opened = yield* open({
          provider: limits,
          queue: { maxDeliveryCount: 2_000 },
          emulator: { seed: 7 }
        })
        const make = (): Tally => ({
          ended: new Map(),
          succeeded: new Map(),
          hung: new Set(),
          fatal: new Set()
        })
        const struck = make()
        const load = yield* Effect.forkChild(
          Effect.all(
            users(opened, struck).map((one) => Effect.forever(one)),
            { concurrency: "unbounded" }
          )
        )
        yield* Effect.scoped(striking(opened.emulator, 60))
        // What hangs shows only when its time is over.
        yield* Effect.sleep(endless)
        yield* Fiber.interrupt(load)
        assert.deepStrictEqual([...struck.hung], [])
        assert.deepStrictEqual([...struck.fatal], [])
        assert.deepStrictEqual([...struck.ended.keys()].toSorted(), kinds)
        const calm = make()
        for (const one of users(opened, calm)) yield* one
        // Of several in one session an abandon takes back what is behind it.
        assert.deepStrictEqual([...calm.succeeded.keys()].toSorted(), kinds)
        const { client, emulator } = opened
        assert.strictEqual((yield* emulator.connections).length, 1)
        // As many as after the first connection: a handful of the SDK's and of ours.
        assert.isAtMost(listeners(socketOf(sdk(client))), 12)
        assert.isAtMost(listeners(at(sdk(client), "_connectionContext", "connection")), 8)
      }),
    60_000
  )

  it.live("R3.3 an interrupted accept by id ends at once, though the service does not answer", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open()
      yield* send(provider, ["s1"], inSession("S"))
      yield* Effect.scoped(accept(provider, "S"))
      yield* emulator.inject({ operation: "Attach", fault: { _tag: "Swallow" } })
      const accepting = yield* Effect.forkChild(Effect.scoped(accept(provider, "S")), {
        startImmediately: true
      })
      yield* Effect.sleep(100)
      const [took] = yield* Effect.timed(Fiber.interrupt(accepting))
      assert.isBelow(Duration.toMillis(took), 1_000)
    })
  )

  it.live("R10.6 a connection that answers nothing more is made anew", () =>
    Effect.gen(function* () {
      const { client, emulator, provider } = yield* open({ provider: limits })
      yield* send(provider, ["a"])
      const first = sdk(client)
      yield* Effect.scoped(
        Effect.gen(function* () {
          yield* emulator.inject({ operation: "*", fault: { _tag: "Swallow" } })
          for (let times = 0; times < 4 && sdk(client) === first; times++) {
            const error = yield* Effect.flip(send(provider, ["b"]))
            assert.include(["Timeout", "ConnectionFailed"], error.reason._tag)
          }
        })
      )
      assert.notStrictEqual(sdk(client), first)
      yield* send(provider, ["c"])
    })
  )

  it.live("R3.2 what was in hand of a lost connection is renewed and settled over the next", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["a", "b"])
      const received = yield* provider.receive(address, { max: 2, wait: seconds(5) })
      assert.strictEqual(received.length, 2)
      yield* emulator.dropConnections
      yield* Effect.sleep(100)
      const renewed = yield* provider.renewLock(received.map(({ receipt }) => receipt))
      yield* Effect.forEach(renewed, Effect.fromResult)
      const verdicts = [Verdict.complete, Verdict.deadLetter("Bad")]
      const outcomes = yield* Effect.forEach(received, (one, index) =>
        settle(provider, one, verdicts[index])
      )
      assert.deepStrictEqual(outcomes, ["ok", "ok"])
      const { active, deadLettered, locked } = yield* emulator.inspect(plain)
      assert.deepStrictEqual(
        { active, deadLettered, locked },
        { active: 0, deadLettered: 1, locked: 0 }
      )
    })
  )

  it.live("R4.3 §4.12 a session outlives a service that is slow for a moment", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open({ queue: { lockDuration: "1 minute" } })
      const { fallSilent, port, speak } = yield* middle(emulator.host, emulator.port)
      const { provider } = yield* connect(emulator, {
        connectionString: emulator.connectionString.replace(`:${emulator.port}`, `:${port}`)
      })
      const session = yield* accept(provider, "S")
      const receiving = yield* Effect.forkChild(
        session.receive({ max: 1, wait: Duration.millis(300) }),
        { startImmediately: true }
      )
      // Its unused credit is taken back in the silence, which lasts longer than the SDK would wait.
      yield* Effect.sleep(10)
      yield* fallSilent
      yield* Effect.sleep(900)
      yield* speak
      assert.deepStrictEqual(yield* Fiber.join(receiving), [])
      yield* session.renewLock
      yield* send(provider, ["s1"], inSession("S"))
      const received = yield* session.receive({ max: 1, wait: seconds(5) })
      assert.deepStrictEqual(ids(received), ["s1"])
    })
  )

  it.live("R4.3 a session that waits hears at once that its connection is lost", () =>
    Effect.gen(function* () {
      const { emulator, provider } = yield* open({ queue: { lockDuration: "1 minute" } })
      yield* send(provider, ["s1"], inSession("S"))
      const session = yield* accept(provider, "S")
      yield* session.receive({ max: 1, wait: seconds(5) })
      const waiting = yield* Effect.forkChild(
        Effect.flip(session.receive({ max: 1, wait: seconds(20) })),
        { startImmediately: true }
      )
      yield* Effect.sleep(200)
      yield* emulator.dropConnections
      const [took, error] = yield* Effect.timed(Fiber.join(waiting))
      assert.isBelow(Duration.toMillis(took), 1_000)
      assert.include(["SessionLockLost", "ConnectionFailed"], error.reason._tag)
      const other = yield* connect(emulator)
      const again = yield* accept(other.provider, "S")
      assert.strictEqual((yield* again.receive({ max: 1, wait: seconds(5) })).length, 1)
    })
  )
})
