import { assert, describe, it } from "@effect/vitest"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Predicate from "effect/Predicate"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Backoff from "../src/Backoff.ts"
import type * as Capabilities from "../src/Capabilities.ts"
import * as HandlerFailure from "../src/HandlerFailure.ts"
import type * as MessageHandler from "../src/MessageHandler.ts"
import * as MessageId from "../src/MessageId.ts"
import type * as Outcome from "../src/Outcome.ts"
import * as PushedBatch from "../src/PushedBatch.ts"
import * as QueueAddress from "../src/QueueAddress.ts"
import * as QueueClient from "../src/QueueClient.ts"
import * as QueueError from "../src/QueueError.ts"
import * as QueueProvider from "../src/QueueProvider.ts"
import type * as QueueSession from "../src/QueueSession.ts"
import * as SessionId from "../src/SessionId.ts"
import * as Verdict from "../src/Verdict.ts"
import { Batch, Current } from "../src/internal/pushed/batch.ts"
import * as Clients from "./support/Clients.ts"
import * as Logs from "./support/Logs.ts"
import * as ScriptedProvider from "./support/ScriptedProvider.ts"
import * as Time from "./support/Time.ts"

const { message, orders, transient } = Clients

/** A message of an event: its id, and its session before a slash. */
const Event = Schema.Array(Schema.String)
const isEvent = Schema.is(Event)

/** What the host was told, one line a call: `Abandon b/1 < b/2`. */
interface Told {
  readonly calls: Array<string>
  readonly released: Array<ReadonlyArray<string>>
  delays: Array<number>
}

interface HostOptions {
  readonly capabilities?: Partial<Capabilities.Capabilities>
  /** What goes wrong with a settlement. */
  readonly each?: (verdict: string, id: string) => QueueError.QueueError | undefined
  /** The call fails as a whole, or never ends, or answers too few. */
  readonly settle?: Effect.Effect<"few" | "all", QueueError.QueueError>
  readonly release?: Effect.Effect<void>
  /** Before an event is read. */
  readonly open?: Effect.Effect<void>
  /** These nobody is to get: done with, or left. */
  readonly gone?: ReadonlyArray<string>
  readonly late?: ReadonlyArray<string>
  /** The same id a second time is a second delivery of the first. */
  readonly copies?: boolean
  /** These nobody is to get: put aside so. */
  readonly aside?: (name: string) => Verdict.Verdict | undefined
}

/** A host whose events are lists of ids. */
const hostOf = (told: Told, options: HostOptions): PushedBatch.Host => ({
  capabilities: (below) => ({ ...below, ...options.capabilities }),
  open: ({ endsAt, event }) => {
    if (!isEvent(event)) return Effect.fail(QueueError.configurationInvalid("event", "is no list"))
    const at = DateTime.makeUnsafe(0)
    const nameOf = (index: number): string => event[index] ?? ""
    const { each, gone = [], late = [], settle = Effect.succeed("all" as const) } = options
    const verdictOf = (name: string) => {
      const verdict = options.aside?.(name)
      return verdict === undefined ? {} : { verdict }
    }
    return Effect.as(options.open ?? Effect.void, {
      messages: event.map((name, index) => {
        const [session, id] = name.includes("/") ? name.split("/") : [undefined, name]
        const first = event.indexOf(name)
        return {
          ...(options.copies === true && first < index ? { copyOf: first } : {}),
          ...(gone.includes(name) ? { fate: "settled" as const } : {}),
          ...(late.includes(name) ? { fate: "left" as const } : {}),
          ...verdictOf(name),
          message: {
            body: new TextEncoder().encode(name),
            attributes: {},
            messageId: MessageId.makeUnsafe(id ?? ""),
            ...(session === undefined ? {} : { sessionId: SessionId.makeUnsafe(session) }),
            deliveryCount: 1,
            enqueuedAt: at,
            firstDeliveredAt: at,
            deliveredAt: at,
            lockedUntil: DateTime.makeUnsafe(endsAt)
          }
        }
      }),
      settle: (which, verdict, behind) =>
        Effect.map(settle, (answers): ReadonlyArray<Outcome.Outcome<void>> => {
          const names = which.map(nameOf).join(" ")
          const after = behind.length === 0 ? "" : ` < ${behind.map(nameOf).join(" ")}`
          told.calls.push(`${verdict._tag} ${names}${after}`)
          if (verdict._tag === "Abandon") told.delays.push(Duration.toMillis(verdict.delay))
          return answers === "few"
            ? []
            : which.map((index) => {
                const error = each?.(verdict._tag, nameOf(index))
                return error === undefined ? Result.succeed(undefined) : Result.fail(error)
              })
        }),
      release: (which) =>
        Effect.andThen(
          Effect.sync(() => {
            told.released.push(which.map(nameOf))
          }),
          options.release ?? Effect.void
        )
    })
  }
})

interface Options extends HostOptions {
  readonly isOrdered?: boolean
  readonly provider?: ScriptedProvider.Options
  readonly above?: Layer.Layer<QueueProvider.QueueProvider, never, QueueProvider.QueueProvider>
}

/** A client over a host's layer over a scripted provider. */
const stack = Effect.fnUntraced(function* (options: Options = {}) {
  const told: Told = { calls: [], released: [], delays: [] }
  const queues = { orders: options.isOrdered === true ? ScriptedProvider.ordered : {}, aside: {} }
  const broker = yield* ScriptedProvider.make({ queues, ...options.provider })
  const base = Layer.succeed(QueueProvider.QueueProvider, broker.service)
  const pushed = Layer.provide(
    PushedBatch.layer("host", Effect.succeed(hostOf(told, options))),
    base
  )
  const context = yield* Layer.build(
    options.above === undefined ? pushed : Layer.provide(options.above, pushed)
  )
  const provider = Context.get(context, QueueProvider.QueueProvider)
  return { told, broker, provider, client: yield* QueueClient.make(provider) }
})

const idOf = ({ body }: { readonly body: Uint8Array }): string => new TextDecoder().decode(body)

const backoff = Backoff.fixed({ initial: "3 seconds", jitter: 0 })

/** A worker of batches, and what its handler saw. */
const start = Effect.fnUntraced(function* <E = never>(
  handler: (id: string) => Effect.Effect<unknown, E>,
  options: Options & { readonly worker?: Partial<PushedBatch.Options<E>> } = {}
) {
  const made = yield* stack(options)
  const seen: Array<string> = []
  const work = yield* PushedBatch.make("host", {
    queue: orders,
    handler: (one) =>
      Effect.suspend(() => {
        seen.push(idOf(one))
        return handler(idOf(one))
      }),
    backoff,
    ...options.worker
  }).pipe(Effect.provideService(QueueClient.QueueClient, made.client))
  const push = (...event: ReadonlyArray<string>) => work(event, Duration.seconds(60))
  return { ...made, seen, work, push }
})

const failing =
  (...which: ReadonlyArray<string>) =>
  (id: string) =>
    which.includes(id) ? Effect.fail("no") : Effect.void

/** A batch that somebody receives from by hand. */
const by = (batch: Batch): (<A, E, R>(call: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>) =>
  Effect.provideService(Current, batch)

const batchOf = (event: unknown, address = QueueAddress.queue(orders)): Batch =>
  new Batch(address, event, 60_000)

const reasonOf = (outcome: Outcome.Outcome<unknown> | undefined): string => {
  if (outcome === undefined) return "none"
  return Result.isSuccess(outcome) ? "ok" : outcome.failure.reason._tag
}

describe("PushedBatch: a worker of pushed batches", () => {
  it.effect("R5.1 handles each message of a batch and says which are done with", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("b"))
      assert.deepStrictEqual(yield* push("a", "b", "c"), [true, false, true])
      assert.deepStrictEqual(seen.toSorted(), ["a", "b", "c"])
      assert.sameMembers(told.calls, ["Complete a", "Abandon b", "Complete c"])
      assert.deepStrictEqual(told.delays, [3_000])
      assert.deepStrictEqual(told.released, [])
    })
  )

  it.effect("R5.1 no more handlers at once than the concurrency, and all in the end", () =>
    Effect.gen(function* () {
      const busy = { now: 0, most: 0 }
      const { push, seen } = yield* start(
        () =>
          Effect.sync(() => {
            busy.now += 1
            busy.most = Math.max(busy.most, busy.now)
          }).pipe(
            Effect.andThen(Effect.sleep("1 second")),
            Effect.andThen(Effect.sync(() => (busy.now -= 1)))
          ),
        { worker: { concurrency: 3 } }
      )
      const ids = Array.from({ length: 10 }, (_, index) => `m${index}`)
      const pushed = yield* Effect.forkChild(push(...ids))
      yield* Time.pass("3 seconds")
      assert.isUndefined(pushed.pollUnsafe())
      yield* Time.pass("1 second")
      assert.deepStrictEqual(
        yield* Fiber.join(pushed),
        ids.map(() => true)
      )
      assert.strictEqual(busy.most, 3)
      assert.deepStrictEqual(seen, ids)
    })
  )

  it.effect("R5.1 an empty batch is done with", () =>
    Effect.gen(function* () {
      const { push } = yield* start(() => Effect.void)
      assert.deepStrictEqual(yield* push(), [])
    })
  )

  it.effect("R5.2 a permanent failure is dead-lettered, and that is done with", () =>
    Effect.gen(function* () {
      const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
      const { push, told } = yield* start(() => Effect.fail(failure))
      assert.deepStrictEqual(yield* push("a"), [true])
      assert.deepStrictEqual(told.calls, ["DeadLetter a"])
    })
  )

  it.effect("R5.2 what cannot be dead-lettered comes again", () =>
    Effect.gen(function* () {
      const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
      const { push, told } = yield* start(() => Effect.fail(failure), {
        each: (verdict) =>
          verdict === "DeadLetter"
            ? QueueError.make(new QueueError.PermissionDenied({ operation: "send" }))
            : undefined
      })
      assert.deepStrictEqual(yield* push("a"), [false])
      assert.deepStrictEqual(told.calls, ["DeadLetter a", "Abandon a"])
    })
  )

  it.effect("R3.11 a delay that the host has not got is none", () =>
    Effect.gen(function* () {
      const { push, told } = yield* start(failing("a"), {
        capabilities: { abandonDelay: "unsupported" }
      })
      assert.deepStrictEqual(yield* push("a"), [false])
      assert.deepStrictEqual(told.delays, [0])
    })
  )

  it.effect("R3.11 a delay above the longest is the longest", () =>
    Effect.gen(function* () {
      const { push, told } = yield* start(failing("a"), {
        capabilities: { abandonDelayMax: Duration.seconds(1) }
      })
      yield* push("a")
      assert.deepStrictEqual(told.delays, [1_000])
    })
  )

  it.effect("R3.2 R3.7 what the host did away with itself is done with, and nobody gets it", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(() => Effect.void, { gone: ["a"], late: ["c"] })
      assert.deepStrictEqual(yield* push("a", "b", "c"), [true, true, false])
      assert.deepStrictEqual(seen, ["b"])
      assert.deepStrictEqual(told.released, [])
    })
  )

  it.effect("R3.2 a second delivery in one batch is nobody's, and ends as the first does", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("b"), { copies: true })
      const settled = yield* push("a", "b", "a", "c", "b", "a")
      assert.deepStrictEqual(settled, [true, false, true, true, false, true])
      assert.deepStrictEqual(seen.toSorted(), ["a", "b", "c"])
      // The host knows what else it has of each.
      assert.sameMembers(told.calls, ["Complete a", "Abandon b", "Complete c"])
      assert.deepStrictEqual(told.released, [])
    })
  )

  it.effect("R3.2 a second delivery of what the host did away with, or keeps, is so as well", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(() => Effect.void, {
        copies: true,
        gone: ["old"],
        late: ["odd"],
        aside: (name) => (name === "dead" ? Verdict.deadLetter("Gone") : undefined)
      })
      const settled = yield* push("old", "odd", "dead", "old", "odd", "dead", "a")
      assert.deepStrictEqual(settled, [true, false, true, true, false, true, true])
      assert.deepStrictEqual(seen, ["a"])
      assert.sameMembers(told.calls, ["DeadLetter dead", "Complete a"])
    })
  )

  it.effect("R3.2 R5.3 a second delivery of what the time was too short for comes again too", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(() => Effect.never, {
        copies: true,
        worker: { concurrency: 1 }
      })
      const pushed = yield* Effect.forkChild(push("a", "b", "b", "a"))
      yield* Time.pass("60 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [false, false, false, false])
      assert.deepStrictEqual(seen, ["a"])
      // The one that was interrupted is abandoned by its handler's end.
      assert.deepStrictEqual(told.released, [["b"]])
    })
  )

  it.effect("R4.1 R4.7 a second delivery in a session is run neither twice nor behind itself", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("b/1"), { copies: true, isOrdered: true })
      const settled = yield* push("a/1", "b/1", "a/1", "a/2", "b/1", "b/2")
      assert.deepStrictEqual(settled, [true, false, true, true, false, false])
      assert.deepStrictEqual(seen.toSorted(), ["a/1", "a/2", "b/1"])
      assert.sameMembers(told.calls, ["Complete a/1", "Complete a/2", "Abandon b/1 < b/2"])
    })
  )

  it.effect("R10.1 a stack without the host's layer is refused at the start", () =>
    Effect.gen(function* () {
      const { client } = yield* Clients.make()
      const error = yield* PushedBatch.make("host", {
        queue: orders,
        handler: () => Effect.void
      }).pipe(Effect.provideService(QueueClient.QueueClient, client), Effect.flip)
      assert.strictEqual(
        error.message,
        'ConfigurationInvalid: layer: has no "host": put its layer right above the provider\'s'
      )
    })
  )

  it.effect("R10.1 options out of their range are refused at the start", () =>
    Effect.gen(function* () {
      const { client } = yield* stack()
      const make = (options: Partial<PushedBatch.Options>) =>
        PushedBatch.make("host", { queue: orders, handler: () => Effect.void, ...options }).pipe(
          Effect.provideService(QueueClient.QueueClient, client),
          Effect.flip,
          Effect.map(({ message: text }) => text)
        )
      assert.match(yield* make({ concurrency: 0 }), /^ValidationFailed: concurrency/u)
      assert.match(yield* make({ margin: Number.NaN }), /^ValidationFailed: margin/u)
    })
  )

  it.effect("R2.3 an event that is none fails as a whole", () =>
    Effect.gen(function* () {
      const { told, work } = yield* start(() => Effect.void)
      const error = yield* Effect.flip(work(7, Duration.seconds(60)))
      assert.strictEqual(error.message, "ConfigurationInvalid: event: is no list")
      assert.deepStrictEqual(told.calls, [])
    })
  )

  it.effect("R3.2 what a stage above refuses fails as a whole while nothing is settled", () =>
    Effect.gen(function* () {
      const refusing = QueueProvider.layerTransform(
        "refusing",
        Effect.succeed((call, { _tag }) => (_tag === "Receive" ? Effect.fail(transient()) : call))
      )
      const { push, seen } = yield* start(() => Effect.void, { above: refusing })
      assert.strictEqual((yield* Effect.flip(push("a"))).reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(seen, [])
    })
  )

  it.effect("R3.2 where nothing was settled, what ended it is what it fails with", () =>
    Effect.gen(function* () {
      let calls = 0
      const refusing = QueueProvider.layerTransform(
        "refusing",
        Effect.succeed((call, { _tag }) =>
          Effect.suspend(() =>
            _tag === "Receive" && ++calls > 1 ? Effect.fail(transient()) : call
          )
        )
      )
      const { push, told } = yield* start(() => Effect.fail("no"), {
        above: refusing,
        worker: { concurrency: 1 }
      })
      assert.strictEqual((yield* Effect.flip(push("a", "b"))).reason._tag, "ConnectionFailed")
      assert.deepStrictEqual(told.calls, ["Abandon a"])
      assert.deepStrictEqual(told.released, [["b"]])
    })
  )

  it.effect("R3.2 one that is settled stays so whatever becomes of the rest", () =>
    Effect.gen(function* () {
      const logs = Logs.capture()
      let calls = 0
      const refusing = QueueProvider.layerTransform(
        "refusing",
        Effect.succeed((call, { _tag }) =>
          Effect.suspend(() => {
            if (_tag === "Receive") calls += 1
            return _tag === "Receive" && calls > 1 ? Effect.fail(transient()) : call
          })
        )
      )
      const { push, told } = yield* start(() => Effect.void, {
        above: refusing,
        worker: { concurrency: 1 }
      })
      const settled = yield* Effect.provide(push("a", "b"), logs.layer)
      assert.deepStrictEqual(settled, [true, false])
      assert.deepStrictEqual(told.released, [["b"]])
      const line = logs.lines.find(({ level }) => level === "Error")
      assert.match(line?.text ?? "", /^a batch was not handled to its end: /u)
      assert.strictEqual(line?.annotations["queue"], "orders")
    })
  )

  it.effect("R2.3 a defect of a stage is one, and not a success", () =>
    Effect.gen(function* () {
      const broken = QueueProvider.layerTransform(
        "broken",
        Effect.succeed((call, { _tag }) => (_tag === "Receive" ? Effect.die("bug") : call))
      )
      const { push } = yield* start(() => Effect.void, { above: broken })
      const exit = yield* Effect.exit(push("a"))
      assert.isTrue(Exit.isFailure(exit) && Cause.hasDies(exit.cause))
    })
  )

  it.effect("R7.1 dead letters can be handled by a host too, and have no sessions", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("a/1"), {
        isOrdered: true,
        worker: { queue: QueueAddress.deadLetter(orders) }
      })
      assert.deepStrictEqual(yield* push("a/1", "a/2"), [false, true])
      assert.deepStrictEqual(seen, ["a/1", "a/2"])
      assert.sameMembers(told.calls, ["Abandon a/1", "Complete a/2"])
    })
  )
})

describe("PushedBatch: sessions", () => {
  it.effect("R4.1 in order inside a session, sessions side by side", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(() => Effect.sleep("1 second"), {
        isOrdered: true
      })
      const pushed = yield* Effect.forkChild(push("a/1", "b/1", "a/2", "b/2"))
      yield* Time.quiet
      assert.deepStrictEqual(seen, ["a/1", "b/1"])
      yield* Time.pass("2 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, true, true, true])
      assert.deepStrictEqual(seen, ["a/1", "b/1", "a/2", "b/2"])
      assert.deepStrictEqual(told.released, [])
    })
  )

  it.effect(
    "R4.7 at the first failure the rest of the session is not run, and goes back with it",
    () =>
      Effect.gen(function* () {
        const { push, seen, told } = yield* start(failing("a/2", "b/1"), { isOrdered: true })
        const settled = yield* push("a/1", "a/2", "b/1", "a/3", "c/1", "b/2", "a/4")
        assert.deepStrictEqual(settled, [true, false, false, false, true, false, false])
        assert.sameMembers(seen, ["a/1", "a/2", "b/1", "c/1"])
        assert.includeMembers(told.calls, ["Abandon a/2 < a/3 a/4", "Abandon b/1 < b/2"])
        assert.deepStrictEqual(told.released, [])
      })
  )

  it.effect("R4.7 a dead letter lets the next one through", () =>
    Effect.gen(function* () {
      const failure = new HandlerFailure.Permanent({ reason: "Unknown" })
      const { push, seen } = yield* start(
        (id) => (id === "a/1" ? Effect.fail(failure) : Effect.void),
        { isOrdered: true }
      )
      assert.deepStrictEqual(yield* push("a/1", "a/2"), [true, true])
      assert.deepStrictEqual(seen, ["a/1", "a/2"])
    })
  )

  it.effect("R4.7 a settlement that failed ends the session: the next one is not run", () =>
    Effect.gen(function* () {
      const denied = QueueError.make(new QueueError.PermissionDenied({ operation: "settle" }))
      const { push, seen, told } = yield* start(() => Effect.void, {
        isOrdered: true,
        each: () => denied
      })
      assert.deepStrictEqual(yield* push("a/1", "a/2"), [false, false])
      assert.deepStrictEqual(seen, ["a/1"])
      assert.deepStrictEqual(told.released, [["a/1", "a/2"]])
    })
  )

  it.effect("R4.7 more of a session than one receive brings are all handled, in order", () =>
    Effect.gen(function* () {
      const { push, seen } = yield* start(() => Effect.void, { isOrdered: true })
      const ids = Array.from({ length: 25 }, (_, index) => `a/${index}`)
      assert.deepStrictEqual(
        yield* push(...ids),
        ids.map(() => true)
      )
      assert.deepStrictEqual(seen, ids)
    })
  )

  it.effect("R8.6 what a stage above put aside does not end the batch before the rest", () =>
    Effect.gen(function* () {
      // It puts aside all of the first receive, as sealing does with what nobody can open.
      const asides = Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => {
        const aside =
          (settle: QueueSession.QueueSession["settle"]) =>
          (messages: ReadonlyArray<Parameters<MessageHandler.MessageHandler>[0]>) =>
            messages.some((one) => idOf(one).endsWith("bad"))
              ? Effect.as(
                  settle(
                    messages.map(({ receipt }) => receipt),
                    Verdict.deadLetter("Rejected")
                  ),
                  []
                )
              : Effect.succeed(messages)
        return {
          ...self,
          receive: (address, options) =>
            Effect.flatMap(self.receive(address, options), aside(self.settle)),
          acceptSession: (queue, options) =>
            Effect.map(
              self.acceptSession(queue, options),
              Option.map((session) => ({
                ...session,
                receive: (asked: QueueProvider.ReceiveOptions) =>
                  Effect.flatMap(session.receive(asked), aside(session.settle))
              }))
            )
        }
      })
      const above = Layer.effect(QueueProvider.QueueProvider, asides)
      const plain = yield* start(() => Effect.void, { above, worker: { concurrency: 1 } })
      assert.deepStrictEqual(yield* plain.push("bad", "b"), [true, true])
      assert.deepStrictEqual(plain.seen, ["b"])

      const sessions = yield* start(() => Effect.void, { above, isOrdered: true })
      const ids = ["a/bad", ...Array.from({ length: 10 }, (_, index) => `a/${index}`)]
      assert.deepStrictEqual(
        yield* sessions.push(...ids),
        ids.map(() => true)
      )
      assert.deepStrictEqual(sessions.seen, ["a/9"])
    })
  )

  it.effect("R4.3 a session that a stage above does not let in does not keep the others out", () =>
    Effect.gen(function* () {
      // As leases do, of a session that another process holds.
      const leases = Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
        ...self,
        acceptSession: (queue, options) =>
          Effect.map(
            self.acceptSession(queue, options),
            Option.filter(({ sessionId }) => sessionId !== SessionId.makeUnsafe("a"))
          )
      }))
      const above = Layer.effect(QueueProvider.QueueProvider, leases)
      const { push, seen, told } = yield* start(() => Effect.void, {
        above,
        isOrdered: true,
        worker: { concurrency: 1 }
      })
      assert.deepStrictEqual(yield* push("a/1", "b/1", "a/2"), [false, true, false])
      assert.deepStrictEqual(seen, ["b/1"])
      assert.deepStrictEqual(told.released, [["a/1", "a/2"]])
    })
  )

  it.effect(
    "R5.4 a stage above that hands nothing out, and asks nobody, is not asked for ever",
    () =>
      Effect.gen(function* () {
        const silent = Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
          ...self,
          receive: () => Effect.succeed([]),
          acceptSession: () => Effect.succeedNone
        }))
        const above = Layer.effect(QueueProvider.QueueProvider, silent)
        for (const isOrdered of [false, true]) {
          const { push } = yield* start(() => Effect.void, { above, isOrdered })
          const error = yield* Effect.flip(push("a/1"))
          assert.strictEqual(
            error.message,
            "ConfigurationInvalid: layer: a stage of it receives nothing from the host's"
          )
        }
      })
  )

  it.effect("R4.7 a session that fails keeps none of the others out", () =>
    Effect.gen(function* () {
      // As a lease does that is lost while its session is received from, or accepted.
      const lost = QueueError.make(
        new QueueError.SessionLockLost({ sessionId: SessionId.makeUnsafe("a") })
      )
      const losing = Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
        ...self,
        acceptSession: (queue, options) =>
          Effect.flatMap(self.acceptSession(queue, options), (session) => {
            if (Option.isNone(session)) return Effect.succeed(session)
            if (session.value.sessionId === "b") return Effect.fail(lost)
            const receive = session.value.sessionId === "a" ? Effect.fail(lost) : undefined
            return Effect.succeedSome({
              ...session.value,
              receive: (asked: QueueProvider.ReceiveOptions) =>
                receive ?? session.value.receive(asked)
            })
          })
      }))
      const { push, seen } = yield* start(() => Effect.void, {
        above: Layer.effect(QueueProvider.QueueProvider, losing),
        isOrdered: true,
        worker: { concurrency: 1 }
      })
      assert.deepStrictEqual(yield* push("a/1", "b/1", "c/1", "c/2"), [false, false, true, true])
      assert.deepStrictEqual(seen, ["c/1", "c/2"])
    })
  )

  it.effect("R2.3 a defect of a stage in one slot leaves the handlers of the others alone", () =>
    Effect.gen(function* () {
      let calls = 0
      const broken = QueueProvider.layerTransform(
        "broken",
        Effect.succeed((call, { _tag }) =>
          Effect.suspend(() => (_tag === "Receive" && ++calls === 2 ? Effect.die("bug") : call))
        )
      )
      const { push } = yield* start(() => Effect.sleep("1 second"), {
        above: broken,
        isOrdered: true
      })
      const pushed = yield* Effect.forkChild(push("a/1", "b/1"))
      yield* Time.pass("1 second")
      assert.sameMembers([...(yield* Fiber.join(pushed))], [true, false])
    })
  )

  /** Leases that last so long; what is asked of them. */
  const leasing = (lease: Duration.Input, renewals: number) => {
    const asked = { renewals: 0 }
    const lost = QueueError.make(
      new QueueError.SessionLockLost({ sessionId: SessionId.makeUnsafe("a") })
    )
    const service = Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
      ...self,
      acceptSession: (queue, options) =>
        Effect.map(
          self.acceptSession(queue, options),
          Option.map((session) => {
            let until = DateTime.makeUnsafe(Duration.toMillis(lease))
            const extend = Effect.zipWith(DateTime.now, session.lockedUntil, (now, end) => {
              asked.renewals += 1
              until = DateTime.min(end, DateTime.addDuration(now, lease))
              return until
            })
            return {
              ...session,
              lockedUntil: Effect.sync(() => until),
              renewLock: Effect.suspend(() =>
                asked.renewals < renewals ? extend : Effect.fail(lost)
              )
            }
          })
        )
    }))
    return { asked, above: Layer.effect(QueueProvider.QueueProvider, service) }
  }

  it.effect("R4.7 a lease that a stage above holds is renewed until the host's time is over", () =>
    Effect.gen(function* () {
      const { above, asked } = leasing("10 seconds", 100)
      const { push } = yield* start(() => Effect.sleep("28 seconds"), { above, isOrdered: true })
      const pushed = yield* Effect.forkChild(push("a/1", "a/2"))
      yield* Time.pass("28 seconds")
      yield* Time.pass("28 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, true])
      // At half of it each; the one that reaches the end of the host's time is the last.
      assert.isAtLeast(asked.renewals, 9)
      assert.isAtMost(asked.renewals, 12)
    })
  )

  it.effect("R4.3 one whose lease is lost stops, and what is behind it is not run", () =>
    Effect.gen(function* () {
      for (const renewals of [1, 0]) {
        const { above } = leasing("10 seconds", renewals)
        const interrupted: Array<string> = []
        const { push, seen, told } = yield* start(
          (id) => Effect.onInterrupt(Effect.never, () => Effect.sync(() => interrupted.push(id))),
          { above, isOrdered: true }
        )
        const pushed = yield* Effect.forkChild(push("a/1", "a/2"))
        yield* Time.pass("20 seconds")
        assert.deepStrictEqual(yield* Fiber.join(pushed), [false, false])
        assert.deepStrictEqual(seen, ["a/1"])
        assert.deepStrictEqual(interrupted, ["a/1"])
        assert.deepStrictEqual(told.calls, [])
        assert.deepStrictEqual(told.released, [["a/1", "a/2"]])
      }
    })
  )

  it.effect("R4.3 a lease that nobody can renew in time ends as one that is lost", () =>
    Effect.gen(function* () {
      const { above } = leasing("10 seconds", 0)
      const hanging = Layer.effect(
        QueueProvider.QueueProvider,
        Effect.map(QueueProvider.QueueProvider, (self): QueueProvider.Service => ({
          ...self,
          acceptSession: (queue, options) =>
            Effect.map(
              self.acceptSession(queue, options),
              Option.map((session) => ({ ...session, renewLock: Effect.never }))
            )
        }))
      )
      const ends: Array<MessageHandler.Disposition> = []
      const { push } = yield* start(() => Effect.never, {
        above: Layer.provide(hanging, above),
        isOrdered: true,
        worker: {
          onHandled: ({ disposition }) => Effect.sync(() => ends.push(disposition))
        }
      })
      const pushed = yield* Effect.forkChild(push("a/1"))
      yield* Time.pass("10 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [false])
      const [end] = ends
      assert.strictEqual(
        end?._tag === "LockLost" ? end.error.reason._tag : end?._tag,
        "SessionLockLost"
      )
    })
  )

  it.effect("R3.13 a message that lost its session is a session of its own", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("lost"), {
        isOrdered: true,
        gone: ["a/1"]
      })
      assert.deepStrictEqual(yield* push("lost", "a/1", "a/2"), [false, true, true])
      assert.deepStrictEqual(seen, ["lost", "a/2"])
      assert.sameMembers(told.calls, ["Abandon lost", "Complete a/2"])
    })
  )
})

describe("PushedBatch: the host's time", () => {
  it.effect("R5.3 what has not ended a margin before is interrupted and comes again", () =>
    Effect.gen(function* () {
      const logs = Logs.capture()
      const { push, seen, told } = yield* start(
        (id) => (id === "slow" ? Effect.never : Effect.void),
        { worker: { concurrency: 1, margin: "4 seconds" } }
      )
      const pushed = yield* Effect.forkChild(Effect.provide(push("a", "slow", "later"), logs.layer))
      yield* Time.pass("55999 millis")
      assert.isUndefined(pushed.pollUnsafe())
      yield* Time.pass("1 milli")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, false, false])
      assert.deepStrictEqual(seen, ["a", "slow"])
      assert.deepStrictEqual(told.calls, ["Complete a", "Abandon slow"])
      assert.deepStrictEqual(told.delays, [0])
      assert.deepStrictEqual(told.released, [["later"]])
      assert.isTrue(logs.lines.some(({ text }) => text.startsWith("the host's time is over")))
    })
  )

  it.effect("R5.3 in a session nothing begins after the time is over", () =>
    Effect.gen(function* () {
      // Its settlement ends when the time is over.
      const { push, seen, told } = yield* start(() => Effect.sleep("55 seconds"), {
        isOrdered: true,
        settle: Effect.as(Effect.sleep("2 seconds"), "all"),
        worker: { concurrency: 1, margin: "4 seconds" }
      })
      const pushed = yield* Effect.forkChild(push("a/1", "a/2", "b/1"))
      yield* Time.pass("57 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, false, false])
      assert.deepStrictEqual(seen, ["a/1"])
      assert.deepStrictEqual(told.released, [["a/2"], ["b/1"]])
    })
  )

  it.effect("R5.3 a handler that cannot be interrupted does not keep the host waiting", () =>
    Effect.gen(function* () {
      const { push, told } = yield* start(
        () => Effect.uninterruptible(Effect.sleep("70 seconds")),
        { worker: { margin: "4 seconds" } }
      )
      const pushed = yield* Effect.forkChild(push("a"))
      yield* Time.pass("58 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [false])
      assert.deepStrictEqual(told.released, [["a"]])
      // It ends at last, and settles nothing any more.
      yield* Time.pass("20 seconds")
      assert.deepStrictEqual(told.calls, [])
    })
  )

  it.effect("R5.3 giving back takes a quarter of the margin at most", () =>
    Effect.gen(function* () {
      const { push } = yield* start(() => Effect.never, {
        release: Effect.never,
        settle: Effect.never,
        worker: { margin: "4 seconds", concurrency: 1 }
      })
      const pushed = yield* Effect.forkChild(push("a", "b"))
      yield* Time.pass("58999 millis")
      assert.isUndefined(pushed.pollUnsafe())
      yield* Time.pass("1 milli")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [false, false])
    })
  )

  it.effect("R5.3 the answer waits for what goes back, that of a held session included", () =>
    Effect.gen(function* () {
      const givenBack: Array<string> = []
      const { push, told } = yield* start(
        () => Effect.uninterruptible(Effect.sleep("70 seconds")),
        {
          isOrdered: true,
          release: Effect.delay(
            Effect.sync(() => givenBack.push("all")),
            "900 millis"
          ),
          worker: { margin: "4 seconds" }
        }
      )
      const pushed = yield* Effect.forkChild(push("a/1", "a/2"))
      yield* Time.pass("58899 millis")
      assert.isUndefined(pushed.pollUnsafe())
      yield* Time.pass("1 millis")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [false, false])
      assert.deepStrictEqual(givenBack, ["all"])
      assert.deepStrictEqual(told.released, [["a/1", "a/2"]])
    })
  )

  it.effect("R3.2 R5.3 a batch that could not be read in time fails as a whole", () =>
    Effect.gen(function* () {
      const { push } = yield* start(() => Effect.void, { open: Effect.never })
      const pushed = yield* Effect.forkChild(Effect.flip(push("a")))
      yield* Time.pass("1 minute")
      const error = yield* Fiber.join(pushed)
      assert.strictEqual(error.reason._tag, "Timeout")
    })
  )

  it.effect("R5.3 no more time than the margin: nothing begins that could not end", () =>
    Effect.gen(function* () {
      const logs = Logs.capture()
      const { seen, told, work } = yield* start(() => Effect.never)
      for (const left of [Duration.seconds(2), Duration.millis(-5)]) {
        const error = yield* Effect.flip(Effect.provide(work(["a"], left), logs.layer))
        assert.strictEqual(error.reason._tag, "Timeout")
      }
      // An interrupted handler would count as a delivery.
      assert.deepStrictEqual(seen, [])
      assert.deepStrictEqual(told, { calls: [], released: [], delays: [] })
      assert.deepStrictEqual(
        logs.lines.map(({ text }) => text),
        ["2s", "0"].map(
          (left) =>
            `${left} of the host's time are left, and the margin is 2s: nothing is begun, and all ` +
            "comes again; give the host more time, or set a shorter margin"
        )
      )
    })
  )

  it.effect("R5.3 what comes when the time is over is not begun, and goes back", () =>
    Effect.gen(function* () {
      for (const isOrdered of [false, true]) {
        const { push, seen, told } = yield* start(() => Effect.void, {
          isOrdered,
          open: Effect.uninterruptible(Effect.sleep("58500 millis"))
        })
        const pushed = yield* Effect.forkChild(push("a/1", "b/1"))
        yield* Time.pass("58500 millis")
        assert.deepStrictEqual(yield* Fiber.join(pushed), [false, false])
        assert.deepStrictEqual(seen, [])
        assert.deepStrictEqual(told.calls, [])
        assert.deepStrictEqual(told.released.flat().toSorted(), ["a/1", "b/1"])
      }
    })
  )

  it.effect("R5.3 what is read when all is over goes back, and nobody gets it", () =>
    Effect.gen(function* () {
      const { client, told } = yield* stack({
        open: Effect.uninterruptible(Effect.sleep("1 minute"))
      })
      const batch = batchOf(["a", "b"])
      const receiving = yield* Effect.forkChild(by(batch)(client.receive(orders, { wait: 0 })))
      yield* Time.quiet
      yield* batch.end()
      yield* Time.pass("1 minute")
      assert.deepStrictEqual(yield* Fiber.join(receiving), [])
      assert.deepStrictEqual(told.released, [["a", "b"]])
    })
  )

  it.effect("R5.3 a host that ends waits for what its handlers end with, and gets all back", () =>
    Effect.gen(function* () {
      const ended: Array<string> = []
      const { push, seen, told } = yield* start(
        (id) =>
          Effect.onInterrupt(Effect.never, () =>
            Effect.delay(
              Effect.sync(() => ended.push(id)),
              "900 millis"
            )
          ),
        { worker: { concurrency: 2 } }
      )
      const pushed = yield* Effect.forkChild(push("a", "b", "c"))
      yield* Time.quiet
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(pushed))
      yield* Time.pass("899 millis")
      assert.isUndefined(interrupting.pollUnsafe())
      yield* Time.pass("1 millis")
      yield* Fiber.join(interrupting)
      assert.sameMembers(ended, ["a", "b"])
      assert.deepStrictEqual(seen, ["a", "b"])
      assert.sameMembers(told.calls, ["Abandon a", "Abandon b"])
      assert.deepStrictEqual(told.released, [["c"]])
    })
  )

  it.effect("R5.3 a host that ends waits for them half of the margin, and not longer", () =>
    Effect.gen(function* () {
      const { push, told } = yield* start(() =>
        Effect.onInterrupt(Effect.never, () => Effect.sleep("1 hour"))
      )
      const pushed = yield* Effect.forkChild(push("a"))
      yield* Time.quiet
      const interrupting = yield* Effect.forkChild(Fiber.interrupt(pushed))
      yield* Time.pass("999 millis")
      assert.isUndefined(interrupting.pollUnsafe())
      yield* Time.pass("1 millis")
      yield* Fiber.join(interrupting)
      assert.deepStrictEqual(told.calls, [])
      assert.deepStrictEqual(told.released, [["a"]])
    })
  )
})

describe("PushedBatch: what nobody is to get", () => {
  const late = Verdict.deadLetter("TTLExpired")
  const old = Verdict.deadLetter("TooOld")

  const isLate = (name: string) => {
    if (name.includes("late")) return late
    return name.includes("old") ? old : undefined
  }

  const many = (what: string, count: number) =>
    Array.from({ length: count }, (_, index) => `${what}${index}`)

  it.effect("R3.7 is settled beside the handlers, as many a call as the service takes", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(() => Effect.void, {
        aside: isLate,
        capabilities: { settleCountMax: 10 },
        worker: { concurrency: 1 }
      })
      const ids = ["a", ...many("late", 12), ...many("old", 2), "b"]
      assert.deepStrictEqual(
        yield* push(...ids),
        ids.map(() => true)
      )
      assert.deepStrictEqual(seen, ["a", "b"])
      assert.sameMembers(told.calls, [
        "Complete a",
        "Complete b",
        `DeadLetter ${many("late", 10).join(" ")}`,
        "DeadLetter late10 late11",
        "DeadLetter old0 old1"
      ])
      assert.deepStrictEqual(told.released, [])
    })
  )

  it.effect("R3.7 R4.1 keeps nobody waiting in its session, and is no part of it", () =>
    Effect.gen(function* () {
      const { push, seen, told } = yield* start(failing("a/1"), {
        aside: isLate,
        isOrdered: true,
        settle: Effect.as(Effect.sleep("1 second"), "all")
      })
      const pushed = yield* Effect.forkChild(push("a/late", "a/1", "a/late2", "a/2", "b/late"))
      yield* Time.quiet
      assert.deepStrictEqual(seen, ["a/1"])
      yield* Time.pass("1 second")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, false, true, false, true])
      assert.sameMembers(told.calls, ["DeadLetter a/late a/late2 b/late", "Abandon a/1 < a/2"])
    })
  )

  it.effect("R3.7 what was settled when the time is over stays so; the rest comes again", () =>
    Effect.gen(function* () {
      let begun = 0
      const { push, seen, told } = yield* start(() => Effect.void, {
        aside: isLate,
        capabilities: { settleCountMax: 1 },
        settle: Effect.suspend(() => {
          begun += 1
          return Effect.as(Effect.sleep("19500 millis"), "all")
        }),
        worker: { concurrency: 1 }
      })
      const pushed = yield* Effect.forkChild(push("late0", "late1", "late2", "late3", "late4", "a"))
      // At 19.5, 39, and the third at 58.5, when the time is over already: no fourth is begun.
      yield* Time.pass("60 seconds")
      assert.deepStrictEqual(yield* Fiber.join(pushed), [true, true, true, false, false, true])
      assert.deepStrictEqual(seen, ["a"])
      assert.strictEqual(begun, 4)
      assert.deepStrictEqual(told.released, [["late3", "late4"]])
    })
  )

  it.effect("R3.6 what cannot be settled comes again at its time, and is not given back", () =>
    Effect.gen(function* () {
      const logs = Logs.capture()
      const { push, told } = yield* start(() => Effect.void, {
        aside: isLate,
        each: (verdict, id) =>
          verdict === "DeadLetter" && id !== "late0" ? transient() : undefined,
        capabilities: { settleCountMax: 2 },
        worker: { concurrency: 1 }
      })
      const settled = yield* Effect.provide(push(...many("late", 6), "a"), logs.layer)
      assert.deepStrictEqual(settled, [true, false, false, false, false, false, true])
      // Of the second call nothing was settled: no other is begun.
      assert.sameMembers(told.calls, [
        "DeadLetter late0 late1",
        "DeadLetter late2 late3",
        "Complete a"
      ])
      assert.deepStrictEqual(told.released, [])
      const warnings = logs.lines.filter(({ text }) => text.includes("nobody is to get"))
      assert.strictEqual(warnings.length, 2)
      assert.match(warnings[0]?.text ?? "", /\(DeadLetter\) and come again: ConnectionFailed/u)
      assert.strictEqual(warnings[0]?.annotations["queue"], "orders")
    })
  )
})

describe("PushedBatch: the provider", () => {
  it.effect("R10.4 two batches at once do not touch each other", () =>
    Effect.gen(function* () {
      const { push, told } = yield* start((id) => Effect.delay(failing("y")(id), "1 second"))
      const one = yield* Effect.forkChild(push("a", "b"))
      const other = yield* Effect.forkChild(push("x", "y"))
      yield* Time.pass("1 second")
      assert.deepStrictEqual(yield* Fiber.join(one), [true, true])
      assert.deepStrictEqual(yield* Fiber.join(other), [true, false])
      assert.sameMembers(told.calls, ["Complete a", "Complete b", "Complete x", "Abandon y"])
    })
  )

  it.effect("R3.1 whoever receives on nobody's behalf, or elsewhere, gets the provider's", () =>
    Effect.gen(function* () {
      const { broker, client, provider } = yield* stack({ provider: { tellsDepth: true } })
      yield* client.send(orders, message("stored"))
      yield* client.send(Clients.aside, message("elsewhere"))
      const [stored] = yield* client.receive(orders)
      assert.strictEqual(stored?.messageId, MessageId.makeUnsafe("stored"))
      const [elsewhere] = yield* by(batchOf(["a"]))(client.receive(Clients.aside))
      assert.strictEqual(elsewhere?.messageId, MessageId.makeUnsafe("elsewhere"))
      if (stored === undefined || elsewhere === undefined) return assert.fail("none")
      yield* client.renewLock(stored)
      yield* client.complete(stored)
      yield* client.complete(elsewhere)
      assert.deepStrictEqual(
        broker.settled.map(({ id }) => id),
        ["stored", "elsewhere"]
      )
      assert.deepStrictEqual(provider.stack, ["host", ...broker.service.stack])
      assert.deepStrictEqual(yield* client.peek(orders), [])
      assert.deepStrictEqual(
        Option.map(yield* client.depth(orders), ({ locked }) => locked),
        Option.some(0)
      )
    })
  )

  it.effect("R4.2 sessions of the provider are accepted by whoever handles no batch", () =>
    Effect.gen(function* () {
      const { client } = yield* stack({ isOrdered: true })
      yield* client.send(orders, message("stored", "s"))
      const session = yield* client.acceptSession(orders)
      const [stored] = yield* Effect.flatMap(Effect.fromOption(session), (one) => one.receive())
      assert.strictEqual(stored?.messageId, MessageId.makeUnsafe("stored"))
    })
  )

  it.effect("R3.4 a receipt settles once; renewed it holds until the host's time is over", () =>
    Effect.gen(function* () {
      const { client, provider } = yield* stack()
      const batch = batchOf(["a", "b"])
      const [one, other] = yield* by(batch)(client.receive(orders, { max: 2, wait: 0 }))
      if (one === undefined || other === undefined) return assert.fail("none")
      assert.strictEqual(DateTime.toEpochMillis(yield* client.renewLock(one)), 60_000)
      yield* client.complete(one)
      const again = yield* Effect.flip(client.complete(one))
      assert.strictEqual(again.reason._tag, "ReceiptExpired")
      const late = yield* Effect.flip(client.renewLock(one))
      assert.strictEqual(late.reason._tag, "ReceiptExpired")
      yield* batch.end()
      yield* batch.end()
      const outcomes = yield* provider.settle([other.receipt], Verdict.complete)
      assert.deepStrictEqual(outcomes.map(reasonOf), ["ReceiptExpired"])
      assert.deepStrictEqual(batch.held?.take(1), [])
    })
  )

  it.effect("R3.9 a settlement of several batches and of the provider's is each one's own", () =>
    Effect.gen(function* () {
      const { broker, client, provider, told } = yield* stack({
        each: (_, id) => (id === "c" ? transient() : undefined)
      })
      yield* client.send(orders, message("stored"))
      const pushed = yield* by(batchOf(["a", "b"]))(client.receive(orders, { max: 2, wait: 0 }))
      const others = yield* by(batchOf(["c"]))(client.receive(orders, { max: 2, wait: 0 }))
      const stored = yield* client.receive(orders)
      const receipts = [pushed[0], others[0], stored[0], pushed[1]].flatMap((one) =>
        one === undefined ? [] : [one.receipt]
      )
      const outcomes = yield* provider.settle(receipts, Verdict.complete)
      assert.deepStrictEqual(outcomes.map(reasonOf), ["ok", "ConnectionFailed", "ok", "ok"])
      assert.deepStrictEqual(told.calls, ["Complete a b", "Complete c"])
      assert.deepStrictEqual(
        broker.settled.map(({ id }) => id),
        ["stored"]
      )
    })
  )

  it.effect("R3.9 what the provider or the host fails with as a whole is each one's outcome", () =>
    Effect.gen(function* () {
      const { client, provider } = yield* stack({
        settle: Effect.fail(transient()),
        provider: {
          faults: {
            before: ({ method }) => (method === "settle" ? Effect.fail(transient()) : Effect.void)
          }
        }
      })
      yield* client.send(orders, message("stored"))
      const pushed = yield* by(batchOf(["a"]))(client.receive(orders, { wait: 0 }))
      const stored = yield* client.receive(orders)
      const receipts = [...pushed, ...stored].map(({ receipt }) => receipt)
      const outcomes = yield* provider.settle(receipts, Verdict.complete)
      assert.deepStrictEqual(outcomes.map(reasonOf), ["ConnectionFailed", "ConnectionFailed"])
    })
  )

  it.effect("R3.9 an outcome that is not there is none that succeeded", () =>
    Effect.gen(function* () {
      const { client, provider } = yield* stack({
        settle: Effect.succeed("few"),
        provider: { faults: { outcomesMissing: 1 } }
      })
      // It takes the message, and answers nothing.
      yield* client.send(orders, message("stored")).pipe(Effect.exit)
      const pushed = yield* by(batchOf(["a"]))(client.receive(orders, { wait: 0 }))
      const stored = yield* client.receive(orders)
      const receipts = [...pushed, ...stored].map(({ receipt }) => receipt)
      assert.strictEqual(receipts.length, 2)
      const outcomes = yield* provider.settle(receipts, Verdict.complete)
      assert.deepStrictEqual(outcomes.map(reasonOf), ["ReceiptExpired", "ReceiptExpired"])
    })
  )

  it.effect(
    "R4.2 a session is accepted once, by its id too, and its rest goes back with its scope",
    () =>
      Effect.gen(function* () {
        const { client, told } = yield* stack({ isOrdered: true })
        const batch = batchOf(["a/1", "b/1", "a/2"])
        const accept = (sessionId?: SessionId.SessionId) =>
          by(batch)(
            client.acceptSession(orders, {
              wait: 0,
              ...(sessionId === undefined ? {} : { sessionId })
            })
          )
        yield* Effect.scoped(
          Effect.gen(function* () {
            const session = yield* Effect.flatMap(
              accept(SessionId.makeUnsafe("b")),
              Effect.fromOption
            )
            assert.strictEqual(DateTime.toEpochMillis(yield* session.lockedUntil), 60_000)
            assert.strictEqual(DateTime.toEpochMillis(yield* session.renewLock), 60_000)
            const state = yield* Effect.flip(session.state)
            assert.strictEqual(state.reason._tag, "UnsupportedOperation")
            const written = yield* Effect.flip(session.setState(Option.none()))
            assert.match(written.message, /session state of a pushed batch/u)
            assert.isTrue(Option.isNone(yield* accept(SessionId.makeUnsafe("b"))))
            yield* session.receive({ wait: 0 })
          })
        )
        assert.deepStrictEqual(told.released, [["b/1"]])
        const next = yield* Effect.scoped(accept())
        assert.strictEqual(Option.getOrThrow(next).sessionId, SessionId.makeUnsafe("a"))
        assert.deepStrictEqual(told.released, [["b/1"], ["a/1", "a/2"]])
        assert.isTrue(Option.isNone(yield* Effect.scoped(accept())))
        yield* batch.end()
        assert.isTrue(Option.isNone(yield* Effect.scoped(accept(SessionId.makeUnsafe("a")))))
      })
  )

  it.effect("R4.3 who comes when the session was given back has lost it", () =>
    Effect.gen(function* () {
      const { provider, told } = yield* stack({ isOrdered: true })
      const batch = batchOf(["a/1", "b/1"])
      const asked = { max: 1, wait: Duration.zero }
      const accept = Effect.flatMap(
        by(batch)(provider.acceptSession(orders, { wait: Duration.zero })),
        Effect.fromOption
      )
      const closed = yield* Effect.scoped(accept)
      const open = yield* accept
      const heard = yield* Effect.forkChild(open.lost ?? Effect.die("nobody tells"))
      const [one] = yield* open.receive(asked)
      if (one === undefined) return assert.fail("none")
      yield* Time.quiet
      assert.isUndefined(heard.pollUnsafe())
      const lateFor = Effect.fnUntraced(function* (session: QueueSession.QueueSession) {
        const received = yield* Effect.flip(session.receive(asked))
        const renewed = yield* Effect.flip(session.renewLock)
        return [received.reason._tag, renewed.reason._tag]
      })
      const lost = ["SessionLockLost", "SessionLockLost"]
      assert.deepStrictEqual(yield* lateFor(closed), lost)
      // The host is answered: whoever holds more than it (a lease) is told to let go.
      yield* batch.end()
      assert.strictEqual((yield* Fiber.join(heard)).reason._tag, "SessionLockLost")
      assert.deepStrictEqual(yield* lateFor(open), lost)
      const late = yield* open.settle([one.receipt], Verdict.complete)
      assert.deepStrictEqual(late.map(reasonOf), ["ReceiptExpired"])
      assert.deepStrictEqual(told, { calls: [], released: [["a/1"], ["b/1"]], delays: [] })
    })
  )

  it.effect("R4.7 abandoned in several sessions at once: with each go those behind it", () =>
    Effect.gen(function* () {
      const { provider, told } = yield* stack({ isOrdered: true })
      const batch = batchOf(["a/1", "b/1", "a/2", "b/2"])
      const first = Effect.gen(function* () {
        const accepted = yield* by(batch)(provider.acceptSession(orders, { wait: Duration.zero }))
        const session = yield* Effect.fromOption(accepted)
        return yield* session.receive({ max: 1, wait: Duration.zero })
      })
      const both = [...(yield* first), ...(yield* first)].map(({ receipt }) => receipt)
      yield* provider.settle(both, Verdict.abandon())
      assert.deepStrictEqual(told.calls, ["Abandon a/1 b/1 < a/2 b/2"])
    })
  )

  it.effect("R3.4 R4.3 in a session too a receipt settles once, and no other batch's", () =>
    Effect.gen(function* () {
      const { provider, told } = yield* stack({ isOrdered: true })
      const accept = (batch: Batch) =>
        Effect.flatMap(
          by(batch)(provider.acceptSession(orders, { wait: Duration.zero })),
          Effect.fromOption
        )
      const one = yield* accept(batchOf(["a/1", "a/2", "a/3"]))
      const other = yield* accept(batchOf(["x/1"]))
      const asked = { max: 3, wait: Duration.zero }
      const mine = (yield* one.receive(asked)).map(({ receipt }) => receipt)
      const foreign = (yield* other.receive(asked)).map(({ receipt }) => receipt)
      assert.deepStrictEqual((yield* one.settle(foreign, Verdict.complete)).map(reasonOf), [
        "ReceiptExpired"
      ])
      // The second is abandoned: the third is taken back with it, the first stays.
      const outcomes = yield* one.settle(mine.slice(1, 2), Verdict.abandon())
      assert.deepStrictEqual(outcomes.map(reasonOf), ["ok"])
      assert.deepStrictEqual(told.calls, ["Abandon a/2 < a/3"])
      const late = yield* one.settle(mine, Verdict.complete)
      assert.deepStrictEqual(late.map(reasonOf), ["ok", "ReceiptExpired", "ReceiptExpired"])
    })
  )

  it.effect(
    "R3.3 with nothing left the caller waits as long as it asked to, and spins on nothing",
    () =>
      Effect.gen(function* () {
        const wait = Duration.seconds(2)
        const plain = yield* stack()
        const receiving = yield* Effect.forkChild(
          by(batchOf([]))(plain.provider.receive(QueueAddress.queue(orders), { max: 1, wait }))
        )
        const ordered = yield* stack({ isOrdered: true })
        const batch = batchOf(["a/1"])
        const accept = by(batch)(ordered.provider.acceptSession(orders, { wait }))
        const session = yield* Effect.flatMap(accept, Effect.fromOption)
        yield* session.receive({ max: 1, wait })
        const accepting = yield* Effect.forkChild(Effect.scoped(accept))
        const inSession = yield* Effect.forkChild(session.receive({ max: 1, wait }))
        yield* Time.pass("1999 millis")
        for (const fiber of [receiving, accepting, inSession]) {
          assert.isUndefined(fiber.pollUnsafe())
        }
        yield* Time.pass("1 milli")
        assert.deepStrictEqual(yield* Fiber.join(receiving), [])
        assert.isTrue(Option.isNone(yield* Fiber.join(accepting)))
        assert.deepStrictEqual(yield* Fiber.join(inSession), [])
      })
  )

  it.effect("R3.11 capabilities are the provider's, as the host can do them", () =>
    Effect.gen(function* () {
      const { client } = yield* stack({ capabilities: { abandonDelay: "unsupported" } })
      assert.strictEqual(client.capabilities(orders).abandonDelay, "unsupported")
      assert.isTrue(Predicate.isFunction(client.peek))
    })
  )
})

describe("PushedBatch: for a host that knows promises", () => {
  const told = (): Told => ({ calls: [], released: [], delays: [] })

  /** What a host has: a layer, how often it was built and closed, and a worker. */
  const hosted = (
    handler: MessageHandler.MessageHandler<string>,
    broken: { times: number; build?: Duration.Input; closing?: number } = { times: 0 },
    margin?: Duration.Input
  ) => {
    const seen = { built: 0, closed: 0 }
    const base = Layer.effect(
      QueueProvider.QueueProvider,
      Effect.gen(function* () {
        if (broken.times-- > 0) return yield* Effect.fail(transient())
        yield* Effect.sleep(broken.build ?? 0)
        yield* Effect.acquireRelease(
          Effect.sync(() => (seen.built += 1)),
          () =>
            Effect.suspend(() => {
              seen.closed += 1
              return seen.closed === broken.closing ? Effect.die("bug") : Effect.void
            })
        )
        return (yield* ScriptedProvider.make()).service
      })
    )
    const layer = QueueClient.layer().pipe(
      Layer.provide(PushedBatch.layer("host", Effect.succeed(hostOf(told(), {})))),
      Layer.provide(base)
    )
    const options = margin === undefined ? {} : { margin }
    const worker = PushedBatch.make("host", { queue: Clients.orders, handler, ...options })
    return { ...PushedBatch.host(layer, worker, margin), seen }
  }

  const minute = Duration.minutes(1)

  it("R10.4 what it needs is built once, by the first batch, and closed when asked to", async () => {
    const { close, handle, seen } = hosted((one) => failing("b")(idOf(one)))
    await close()
    assert.strictEqual(seen.built, 0)
    const both = await Promise.all([handle(["a"], minute), handle(["b"], minute)])
    assert.deepStrictEqual(both, [[true], [false]])
    assert.deepStrictEqual(seen, { built: 1, closed: 0 })
    await close()
    assert.deepStrictEqual(seen, { built: 1, closed: 1 })
    assert.deepStrictEqual(await handle(["a"], minute), [true])
    assert.strictEqual(seen.built, 2)
    await close()
  })

  it("R5.3 the host's time goes on while what a batch needs is built", async () => {
    const ends: Array<number> = []
    const { close, handle } = hosted(
      ({ lockedUntil }) => Effect.sync(() => ends.push(DateTime.toEpochMillis(lockedUntil))),
      { times: 0, build: "400 millis" }
    )
    const began = Effect.runSync(Clock.currentTimeMillis)
    assert.deepStrictEqual(await handle(["a"], minute), [true])
    // Else they would end when the host has long given the batch to somebody else.
    assert.isAtMost(ends[0] ?? Infinity, began + 60_200)
    await close()
  })

  it("R5.4 what could not be built is built anew by the next batch", async () => {
    const { close, handle, seen } = hosted(() => Effect.void, { times: 1 })
    const rejected = await Promise.allSettled([handle(["a"], minute), handle(["b"], minute)])
    for (const one of rejected) {
      const error = one.status === "rejected" ? one.reason : undefined
      assert.strictEqual(
        error instanceof QueueError.QueueError ? error.reason._tag : "none",
        "ConnectionFailed"
      )
    }
    assert.deepStrictEqual(await handle(["a"], minute), [true])
    assert.strictEqual(seen.built, 1)
    await close()
  })

  const tagOf = (rejected: unknown): string =>
    rejected instanceof QueueError.QueueError ? rejected.reason._tag : "none"

  const rejectedWith = (promise: Promise<unknown>): Promise<string> =>
    promise.then(() => "answered", tagOf)

  it("R5.3 closed in the middle of a batch: it ends first, answers, and then all is closed", async () => {
    const events: Array<string> = []
    const begun = Promise.withResolvers<void>()
    const { close, handle, seen } = hosted((one) => {
      if (idOf(one) === "quick") return Effect.void
      return Effect.sync(() => begun.resolve()).pipe(
        Effect.andThen(Effect.never),
        Effect.onInterrupt(() =>
          Effect.delay(
            Effect.sync(() => events.push(`ended, ${seen.closed} closed`)),
            "50 millis"
          )
        )
      )
    })
    const answer = handle(["quick", "slow"], minute).then((settled) => {
      events.push("answered")
      return settled
    })
    await begun.promise
    const closing = close()
    // Whoever asks again meanwhile waits for the same.
    const again = close().then(() => seen.closed)
    // One that comes meanwhile is of a host of its own.
    assert.deepStrictEqual(await handle(["quick"], minute), [true])
    await closing
    assert.deepStrictEqual(await answer, [true, false])
    assert.deepStrictEqual(events, ["ended, 0 closed", "answered"])
    assert.strictEqual(await again, 1)
    assert.deepStrictEqual(seen, { built: 2, closed: 1 })
    await close()
    assert.deepStrictEqual(seen, { built: 2, closed: 2 })
  })

  it("R5.3 closing does not wait for ever for a handler that does not end", async () => {
    const begun = Promise.withResolvers<void>()
    const ends = Promise.withResolvers<void>()
    const { close, handle, seen } = hosted(
      () =>
        Effect.uninterruptible(
          Effect.andThen(
            Effect.sync(() => begun.resolve()),
            Effect.promise(() => ends.promise)
          )
        ),
      { times: 0 },
      "100 millis"
    )
    const answer = handle(["a"], minute)
    await begun.promise
    await close()
    assert.deepStrictEqual(await answer, [false])
    assert.strictEqual(seen.closed, 1)
    ends.resolve()
  })

  it("R5.3 closed while it is built: the batch comes again, and a later one builds anew", async () => {
    const broken: { times: number; build?: Duration.Input } = { times: 0, build: "1 hour" }
    const { close, handle, seen } = hosted(() => Effect.void, broken)
    const early = rejectedWith(handle(["a"], minute))
    await close()
    assert.strictEqual(await early, "ConnectionFailed")
    assert.strictEqual(seen.built, 0)
    broken.build = 0
    assert.deepStrictEqual(await handle(["b"], minute), [true])
    // Built, and closed before the batch began.
    const late = rejectedWith(handle(["c"], minute))
    await close()
    assert.strictEqual(await late, "ConnectionFailed")
    assert.deepStrictEqual(seen, { built: 1, closed: 1 })
  })

  it("R2.3 what one closing fails with is not the next one's", async () => {
    const { close, handle } = hosted(() => Effect.void, { times: 0, closing: 1 })
    await handle(["a"], minute)
    const ends = [await Promise.allSettled([close()])]
    await handle(["b"], minute)
    ends.push(await Promise.allSettled([close()]))
    assert.deepStrictEqual(
      ends.flat().map(({ status }) => status),
      ["rejected", "fulfilled"]
    )
  })

  it("R5.3 what is not built in the host's time is built for the next batch", async () => {
    const { close, handle, seen } = hosted(
      () => Effect.void,
      { times: 0, build: "300 millis" },
      "50 millis"
    )
    assert.strictEqual(await rejectedWith(handle(["a"], Duration.millis(100))), "Timeout")
    assert.deepStrictEqual(await handle(["a"], minute), [true])
    assert.strictEqual(seen.built, 1)
    await close()
    assert.strictEqual(
      await rejectedWith(hosted(() => Effect.void, { times: 0 }, "1e3 seconds").handle([], minute)),
      "ValidationFailed"
    )
  })

  it("R2.3 what a batch fails with rejects, and the next one is handled", async () => {
    const { close, handle, seen } = hosted(() => Effect.void)
    const rejected = await handle(7, minute).then(
      () => "none",
      (error: unknown) => (error instanceof Error ? error.message : "none")
    )
    assert.strictEqual(rejected, "ConfigurationInvalid: event: is no list")
    assert.deepStrictEqual(await handle(["a"], minute), [true])
    assert.strictEqual(seen.built, 1)
    await close()
  })
})
