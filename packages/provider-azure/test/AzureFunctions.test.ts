import { app, type InvocationContext, type ServiceBusQueueHandler } from "@azure/functions"
import { assert, describe, it } from "@effect/vitest"
import * as DateTime from "effect/DateTime"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import * as Layer from "effect/Layer"
import * as fc from "fast-check"
import {
  HandlerFailure,
  Message,
  MessageId,
  QueueAddress,
  QueueClient,
  QueueName,
  type ReceivedMessage,
  SessionId,
  Verdict
} from "@queue-runtime/core"
import type { ServiceBusEmulator } from "@queue-runtime/servicebus-emulator"
import { AzureFunctions } from "../src/functions.ts"
import { AzureProvider } from "../src/index.ts"
import * as host from "../src/internal/pushed/host.ts"
import { type Input, read } from "../src/internal/pushed/input.ts"
import * as functions from "./support/functions.ts"
import * as world from "./world.ts"

const { ordered, plain } = world

const aside = QueueName.makeUnsafe("aside")

const textOf = ({ body }: { readonly body: Uint8Array }): string => new TextDecoder().decode(body)

const queues = {
  plain: { lockDuration: "5 seconds" },
  aside: { lockDuration: "5 seconds" },
  ordered: { sessions: true, lockDuration: "5 seconds" }
} as const

/** A function over an emulator; its scope closes it. */
const functionOf = Effect.fnUntraced(function* <E>(
  emulator: ServiceBusEmulator.Emulator,
  options: Omit<AzureFunctions.Options<E>, "layer" | "queue"> &
    AzureFunctions.LayerOptions &
    QueueClient.Options & { readonly queue?: QueueName.QueueName | QueueAddress.QueueAddress }
) {
  const { connectionString } = emulator
  const layer = QueueClient.layer(options).pipe(
    Layer.provide(AzureFunctions.layer(options)),
    Layer.provide(AzureProvider.layer({ connectionString, queues }))
  )
  const made = AzureFunctions.handler({ queue: plain, ...options, layer })
  yield* Effect.addFinalizer(() => Effect.promise(() => made.close()))
  return made
})

/** What a call rejects with. */
const messageOf = (handler: AzureFunctions.Handler, input: unknown) =>
  Effect.flip(
    Effect.tryPromise({
      try: () => handler(input, {}),
      catch: (error) => (error instanceof Error ? error.message : "")
    })
  )

const open = world.open({
  emulator: {
    queues: {
      plain: { lockDuration: "5 seconds", maxDeliveryCount: 5 },
      aside: { lockDuration: "5 seconds" },
      ordered: { lockDuration: "5 seconds", maxDeliveryCount: 50, requiresSession: true }
    }
  },
  provider: { queues }
})

/** Receives as the host does, with the SDK. */
const receiving = Effect.fnUntraced(function* (opened: world.Opened, count: number) {
  const receiver = yield* Effect.acquireRelease(
    Effect.sync(() => world.sdk(opened.client).createReceiver("plain")),
    (one) => Effect.promise(() => one.close())
  )
  const messages = yield* Effect.promise(async () => {
    const all = []
    while (all.length < count) {
      const some = await receiver.receiveMessages(count, { maxWaitTimeInMs: 2_000 })
      if (some.length === 0) break
      all.push(...some)
    }
    return all
  })
  return { receiver, messages }
})

const run = (called: functions.Called, handler: AzureFunctions.Handler) =>
  Effect.promise(() => handler(called.input, called.context))

/**
 * What a plain trigger's context has. The names are those of "Message metadata" of "Azure Service Bus
 * trigger for Azure Functions" (learn.microsoft.com, read 2026-11), their first letters small and values
 * that are JSON read, as `@azure/functions` 4.16 does it; the values are ours.
 */
const recorded: Readonly<Record<string, unknown>> = {
  contentType: "application/json",
  correlationId: "87c66eaf-88e8-4119-b66a-26278a7b4149",
  deadLetterSource: null,
  deliveryCount: 3,
  enqueuedTimeUtc: "2026-11-21T10:11:12.345Z",
  expiresAtUtc: "2026-11-22T10:11:12.345Z",
  label: "created",
  messageId: "0ab6f1c3-0a4b-4b5e-a3ba-f4c7c5b7f26e",
  replyTo: null,
  sequenceNumber: 38_291,
  to: null,
  timeToLive: "1.00:00:00",
  sessionId: "acme/shop/pull/42",
  lockToken: "87931fd2-39f4-415a-9fdc-adfdcbed3148",
  applicationProperties: {
    tenant: "acme",
    retries: 3,
    "qr-first-delivered-at": "2026-11-21T10:12:00Z"
  }
}

const only = ({ items }: Input) => items[0] ?? assert.fail("no message")

describe("AzureFunctions: what a function is called with", () => {
  it.live("R1.4 R1.6 a plain trigger's message has the facts of its context", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open
      const seen: Array<ReceivedMessage.ReceivedMessage> = []
      const handler = yield* functionOf(emulator, {
        queue: ordered,
        handler: (message) => Effect.sync(() => seen.push(message))
      })
      yield* Effect.promise(() => handler({ id: 7 }, { triggerMetadata: recorded }))
      const [got] = seen
      assert(got !== undefined)
      assert.strictEqual(textOf(got), '{"id":7}')
      assert.strictEqual(got.messageId, recorded["messageId"])
      assert.strictEqual(got.correlationId, recorded["correlationId"])
      assert.strictEqual(got.contentType, "application/json")
      assert.strictEqual(got.sessionId, SessionId.makeUnsafe("acme/shop/pull/42"))
      assert.strictEqual(got.deliveryCount, 3)
      assert.strictEqual(got.sequenceNumber, 38_291n)
      assert.deepStrictEqual(got.attributes, { tenant: "acme", retries: "3" })
      assert.strictEqual(DateTime.formatIso(got.enqueuedAt), "2026-11-21T10:11:12.345Z")
      assert.strictEqual(DateTime.formatIso(got.firstDeliveredAt), "2026-11-21T10:12:00.000Z")
      assert.strictEqual(got.timeToLive === undefined ? 0 : Duration.toDays(got.timeToLive), 1)
    }).pipe(Effect.scoped)
  )

  it("R1.6 bodies: bytes as they are, text as UTF-8, the rest as JSON", () => {
    const bytes = Buffer.from([0, 255])
    assert.deepStrictEqual(only(read(bytes, {})).message.body, bytes)
    assert.strictEqual(only(read("text", {})).message.body, "text")
    assert.deepStrictEqual(only(read([1, 2], {})).message.body, [1, 2])
  })

  it("R1.6 what a context does not say, or says strangely, is left out", () => {
    const none = only(read("text", undefined))
    assert.strictEqual(none.deliveryCount, 1)
    assert.isUndefined(none.sequenceNumber)
    assert.isUndefined(none.message.enqueuedTimeUtc)
    const strange = only(
      read("text", {
        messageId: 42,
        deliveryCount: "7",
        enqueuedTimeUtc: "yesterday",
        sequenceNumber: "many",
        timeToLive: "10675199.02:48:05.4775807",
        userProperties: {
          nothing: null,
          when: DateTime.toDateUtc(DateTime.makeUnsafe(0)),
          list: [1]
        }
      })
    )
    assert.strictEqual(strange.message.messageId, "42")
    assert.strictEqual(strange.deliveryCount, 1)
    assert.isUndefined(strange.sequenceNumber)
    assert.isUndefined(strange.message.timeToLive)
    assert.deepStrictEqual(strange.message.applicationProperties, {
      nothing: null,
      when: DateTime.toDateUtc(DateTime.makeUnsafe(0)),
      list: "[1]"
    })
    assert.strictEqual(only(read("text", { timeToLive: "00:00:01.5" })).message.timeToLive, 1_500)
    assert.strictEqual(only(read("text", { timeToLive: 1_500 })).message.timeToLive, 1_500)
    assert.isUndefined(only(read("text", { timeToLive: "soon" })).message.timeToLive)
    assert.strictEqual(only(read("text", { sequenceNumber: 7n })).sequenceNumber, 7n)
  })

  it("R1.6 many: each has the facts at its place", () => {
    const { actions, items } = read(["a", "b"], {
      messageIdArray: ["m-1", "m-2"],
      deliveryCountArray: [1, 4],
      sessionIdArray: ["s", "s"],
      client: { fullyQualifiedNamespace: "acme" }
    })
    assert.isUndefined(actions)
    assert.deepStrictEqual(
      items.map(({ deliveryCount, message }) => [message.messageId, deliveryCount]),
      [
        ["m-1", 1],
        ["m-2", 4]
      ]
    )
  })

  it("R4.1 R1.6 an id whose text is JSON comes as what it says, and stays an id", () => {
    const { items } = read(["a", "b"], {
      messageIdArray: [true, 42],
      // Without it each would be a session of its own, beside the other.
      sessionIdArray: [{ order: 7 }, { order: 7 }]
    })
    assert.deepStrictEqual(
      items.map(({ message: { messageId, sessionId } }) => [messageId, sessionId]),
      [
        ["true", '{"order":7}'],
        ["42", '{"order":7}']
      ]
    )
    const bytes = Buffer.from("id")
    assert.isUndefined(only(read("text", { correlationId: bytes })).message.correlationId)
  })

  it("R1.6 what looks like a binding and has not its actions is a body", () => {
    const body = { messages: [], actions: { complete: "by friday" } }
    assert.deepStrictEqual(only(read(body, {})).message.body, body)
  })

  it("R1.6 a binding without anything to read in it has messages all the same", () => {
    const ask = () => Promise.resolve()
    const actions = { complete: ask, abandon: ask, deadletter: ask, releaseSession: ask }
    assert.deepStrictEqual(read({ actions }, {}).items, [])
    const odd = read({ messages: 7, actions }, {})
    assert.strictEqual(only(odd).source, 7)
    const bytes = Buffer.from("b")
    const raw = read({ messages: [{ _rawAmqpMessage: { body: bytes } }], actions }, {})
    assert.deepStrictEqual(only(raw).message.body, bytes)
  })
})

describe("AzureFunctions: a plain trigger over the emulator", () => {
  it.live(
    "R5.1 returning completes, throwing abandons, and what is thrown names what comes again",
    () =>
      Effect.gen(function* () {
        const opened = yield* open
        yield* world.send(opened.provider, ["good", "bad"])
        const counts: Array<number> = []
        const handler = yield* functionOf(opened.emulator, {
          handler: (message) =>
            Effect.suspend(() => {
              if (textOf(message) === "good") return Effect.void
              counts.push(message.deliveryCount)
              return counts.length < 3 ? Effect.fail("no") : Effect.void
            })
        })
        const ends: Array<string> = []
        while (ends.length < 4) {
          const { messages, receiver } = yield* receiving(opened, 1)
          const [message] = messages
          if (message === undefined) return assert.fail("no message")
          ends.push(yield* functions.call(handler, functions.one(message), messages, receiver))
        }
        assert.sameMembers(ends, ["returned", "threw", "threw", "returned"])
        assert.deepStrictEqual(counts, [1, 2, 3])
        const thrown = yield* Effect.flip(
          Effect.tryPromise({
            try: () =>
              functionOf(opened.emulator, { handler: () => Effect.fail("no") }).pipe(
                Effect.scoped,
                Effect.flatMap((failing) => Effect.promise(() => failing("x", {}))),
                Effect.runPromise
              ),
            catch: (error) => (error instanceof Error ? error.message : "")
          })
        )
        assert.include(
          thrown,
          "BatchPartiallyFailed: 1 of 1 failed (0: was not handled and comes again)"
        )
      }).pipe(Effect.scoped)
  )

  it.live("R4.7 many of a session: the first failure stops it, and all come again", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open
      const seen: Array<string> = []
      const handler = yield* functionOf(emulator, {
        queue: ordered,
        handler: (message) =>
          Effect.suspend(() => {
            seen.push(textOf(message))
            return textOf(message) === "a-2" ? Effect.fail("no") : Effect.void
          })
      })
      const ids = ["a-1", "a-2", "a-3"]
      const end = yield* Effect.exit(
        Effect.promise(() =>
          handler(ids, {
            triggerMetadata: { messageIdArray: ids, sessionIdArray: ids.map(() => "a") }
          })
        )
      )
      assert.strictEqual(end._tag, "Failure")
      assert.deepStrictEqual(seen, ["a-1", "a-2"])
    }).pipe(Effect.scoped)
  )

  it.live(
    "R3.15 what fails for good goes to the client's dead-letter queue, and then is done with",
    () =>
      Effect.gen(function* () {
        const opened = yield* open
        yield* world.send(opened.provider, ["m-1"])
        const failure = new HandlerFailure.Permanent({ reason: "Unknown", description: "what" })
        const handler = yield* functionOf(opened.emulator, {
          handler: () => Effect.fail(failure),
          deadLetterQueues: { plain: aside }
        })
        const { messages, receiver } = yield* receiving(opened, 1)
        const [message] = messages
        if (message === undefined) return assert.fail("no message")
        const end = yield* functions.call(handler, functions.one(message), messages, receiver)
        assert.strictEqual(end, "returned")
        const client = yield* QueueClient.make(opened.provider)
        const [letter] = yield* client.receive(aside, { wait: "5 seconds" })
        assert.strictEqual(letter === undefined ? "" : textOf(letter), "m-1")
        assert.strictEqual(
          Object.values(letter?.attributes ?? {})
            .join()
            .includes("Unknown"),
          true
        )
      }).pipe(Effect.scoped)
  )

  it.live("R3.11 the layer and the trigger must agree on who settles", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open
      const byActions = yield* functionOf(emulator, {
        handler: () => Effect.void,
        settlement: "actions"
      })
      assert.include(
        yield* messageOf(byActions, "x"),
        'settlement: is "actions", and the trigger has none: set its sdkBinding'
      )
      const byReturning = yield* functionOf(emulator, { handler: () => Effect.void })
      const ask = () => Promise.resolve()
      const actions = { complete: ask, abandon: ask, deadletter: ask, releaseSession: ask }
      assert.include(
        yield* messageOf(byReturning, { messages: [{}], actions }),
        'settlement: is "return", and the trigger has an sdkBinding: make it "actions"'
      )
      const odd = yield* functionOf(emulator, { handler: () => Effect.void, timeout: Number.NaN })
      assert.include(yield* messageOf(odd, "x"), "ValidationFailed: timeout")
    }).pipe(Effect.scoped)
  )

  it.live("R10.1 a time limit that is not longer than the margin is refused at the start", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open
      const problem = (margin: string, limit: string) =>
        `ValidationFailed: timeout: must be longer than the margin (${margin}) and is ${limit}: ` +
        "nothing would ever be begun; give a call more time, or set a shorter margin"
      const short = { handler: () => Effect.void, timeout: "2 seconds" } as const
      const pushed = yield* functionOf(emulator, short)
      assert.strictEqual(yield* messageOf(pushed, "x"), problem("2s", "2s"))
      const late = { handler: () => Effect.void, margin: "6 minutes" } as const
      const other = yield* functionOf(emulator, late)
      assert.strictEqual(yield* messageOf(other, "x"), problem("6m", "5m"))
      const made = AzureFunctions.make({ queue: plain, ...short }).pipe(
        Effect.provide(
          QueueClient.layer().pipe(
            Layer.provide(AzureFunctions.layer()),
            Layer.provide(
              AzureProvider.layer({ connectionString: emulator.connectionString, queues })
            )
          )
        )
      )
      assert.strictEqual((yield* Effect.flip(made)).message, problem("2s", "2s"))
      // A margin of nothing leaves all of it.
      const whole = yield* functionOf(emulator, { ...short, margin: 0 })
      yield* Effect.promise(() => whole("x", {}))
    }).pipe(Effect.scoped)
  )

  it.live("R5.3 a function that runs in a runtime of one's own is given up at its time limit", () =>
    Effect.gen(function* () {
      const { emulator } = yield* open
      const { connectionString } = emulator
      const live = QueueClient.layer().pipe(
        Layer.provide(AzureFunctions.layer()),
        Layer.provide(AzureProvider.layer({ connectionString, queues }))
      )
      yield* Effect.gen(function* () {
        const work = yield* AzureFunctions.make({
          queue: plain,
          handler: (message) => (textOf(message) === "slow" ? Effect.never : Effect.void),
          timeout: "400 millis",
          margin: "300 millis"
        })
        yield* work("quick", {})
        const error = yield* Effect.flip(work("slow", {}))
        assert.strictEqual(error.reason._tag, "BatchPartiallyFailed")
      }).pipe(Effect.provide(live))
    }).pipe(Effect.scoped)
  )

  it("R10.2 the types are those of @azure/functions", () => {
    const handler = AzureFunctions.handler({
      queue: plain,
      handler: () => Effect.void,
      layer: QueueClient.layer().pipe(
        Layer.provide(AzureFunctions.layer()),
        Layer.provide(AzureProvider.layer({ namespace: "acme.servicebus.windows.net" }))
      )
    })
    const typed: ServiceBusQueueHandler = handler
    const called = (input: unknown, context: InvocationContext): Promise<void> =>
      handler(input, context)
    const register = (): void =>
      app.serviceBusQueue("orders", {
        queueName: "orders",
        connection: "ServiceBus",
        isSessionsEnabled: true,
        cardinality: "many",
        sdkBinding: true,
        autoCompleteMessages: false,
        handler
      })
    for (const one of [typed, called, register]) assert.isFunction(one)
  })
})

describe("AzureFunctions: what is given back, and what cannot be done", () => {
  /** Messages `session/id` of a binding whose actions write down what they are asked for. */
  const bound = Effect.fnUntraced(function* (
    names: ReadonlyArray<string>,
    options: { readonly isOrdered: boolean; readonly fails?: string }
  ) {
    const calls: Array<string> = []
    const ask = (call: string): Promise<void> => {
      calls.push(call)
      return call === options.fails ? Promise.reject(new Error("no")) : Promise.resolve()
    }
    const messages = names.map((name) => ({ messageId: name, sessionId: name.split("/")[0] }))
    const idOf = (message: object): string =>
      String(messages.find((one) => one === message)?.messageId)
    const actions = {
      complete: (message: object) => ask(`complete ${idOf(message)}`),
      abandon: (message: object) => ask(`abandon ${idOf(message)}`),
      deadletter: (message: object) => ask(`deadletter ${idOf(message)}`),
      releaseSession: (id: string) => ask(`release ${id}`)
    }
    const made = host.make({
      settlement: "actions",
      writesProperties: false,
      isOrdered: () => options.isOrdered
    })
    const event: host.Call = { input: { messages, actions }, triggerMetadata: {} }
    const address = QueueAddress.queue(ordered)
    return { calls, opened: yield* made.open({ address, event, endsAt: 60_000 }) }
  })

  it.effect("R4.7 a session that cannot be released keeps none of the others", () =>
    Effect.gen(function* () {
      const names = ["a/1", "b/1", "b/2", "c/1"]
      const { calls, opened } = yield* bound(names, { isOrdered: true, fails: "release a" })
      yield* opened.release([0, 1, 2, 3])
      assert.deepStrictEqual(calls, ["release a", "release b", "release c"])
    })
  )

  it.effect("R3.5 on a queue without sessions a message with the id of one is abandoned", () =>
    Effect.gen(function* () {
      const { calls, opened } = yield* bound(["a/1", "a/2"], { isOrdered: false })
      yield* opened.release([0, 1])
      assert.deepStrictEqual(calls, ["abandon a/1", "abandon a/2"])
    })
  )

  it.effect("R3.11 what the host cannot do is UnsupportedOperation, and nothing is settled", () =>
    Effect.gen(function* () {
      const { calls, opened } = yield* bound(["a/1"], { isOrdered: true })
      const later = yield* Effect.flip(opened.settle([0], Verdict.abandon(Duration.seconds(1)), []))
      assert.strictEqual(later.reason._tag, "UnsupportedOperation")
      assert.deepStrictEqual(calls, [])
      const returning = host.make({
        settlement: "return",
        writesProperties: false,
        isOrdered: () => false
      })
      const address = QueueAddress.queue(plain)
      const plainly = yield* returning.open({ address, event: { input: "x" }, endsAt: 60_000 })
      const error = yield* Effect.flip(plainly.settle([0], Verdict.deadLetter("Why"), []))
      assert.strictEqual(error.reason._tag, "UnsupportedOperation")
    })
  )
})

describe("AzureFunctions: an SDK binding over the emulator", () => {
  it.live("R1.3 R1.5 what our own provider sent is what the handler gets, all of it", () =>
    Effect.gen(function* () {
      const opened = yield* open
      const seen: Array<ReceivedMessage.ReceivedMessage> = []
      const client = yield* QueueClient.make(opened.provider)
      const attributes = Object.fromEntries([
        ["Upper", "Case"],
        ["large", "x".repeat(40_000)],
        ["larger", "y".repeat(40_000)]
      ])
      const body = new Uint8Array([0, 255, 128, 0])
      yield* client.send(
        plain,
        yield* Message.bytes(body, {
          messageId: MessageId.makeUnsafe("m-1"),
          correlationId: "c-1",
          contentType: "application/octet-stream",
          attributes
        })
      )
      const handler = yield* functionOf(opened.emulator, {
        handler: (message) => Effect.sync(() => seen.push(message)),
        settlement: "actions"
      })
      const { messages, receiver } = yield* receiving(opened, 1)
      const called = functions.binding(messages, receiver, { isSingle: true })
      yield* run(called, handler)
      const [got] = seen
      assert.deepStrictEqual(got?.body, body)
      assert.deepStrictEqual(got?.attributes, attributes)
      assert.strictEqual(got?.messageId, MessageId.makeUnsafe("m-1"))
      assert.strictEqual(got?.correlationId, "c-1")
      assert.strictEqual(got?.contentType, "application/octet-stream")
      assert.strictEqual(got?.deliveryCount, 1)
      assert.isAbove(got === undefined ? 0 : DateTime.toEpochMillis(got.enqueuedAt), 0)
      assert.isAbove(Number(got?.sequenceNumber ?? 0n), 0)
      assert.deepStrictEqual(called.asked.calls, ["complete m-1"])
      assert.deepStrictEqual(yield* client.peek(plain), [])
    }).pipe(Effect.scoped)
  )

  it.live(
    "R5.2 R7.2 each message is settled for itself, with its reason and what is known of it",
    () =>
      Effect.gen(function* () {
        const opened = yield* open
        yield* world.send(opened.provider, ["good", "bad", "ugly"])
        const failure = new HandlerFailure.Permanent({ reason: "Unknown", description: "what" })
        const handler = yield* functionOf(opened.emulator, {
          handler: (message): Effect.Effect<void, string | HandlerFailure.Permanent> => {
            if (textOf(message) === "good") return Effect.void
            return textOf(message) === "bad" ? Effect.fail("no") : Effect.fail(failure)
          },
          settlement: "actions",
          writesProperties: true,
          origin: { service: "orders" }
        })
        const { messages, receiver } = yield* receiving(opened, 3)
        const called = functions.binding(messages, receiver)
        yield* run(called, handler)
        assert.sameMembers(called.asked.calls, ["complete good", "abandon bad", "deadletter ugly"])
        const [again] = yield* world.receive(opened.provider, 1)
        assert.strictEqual(again === undefined ? "" : textOf(again), "bad")
        assert.strictEqual(again?.deliveryCount, 2)
        const [letter] = yield* world.receive(opened.provider, 1, world.deadLetters)
        assert.strictEqual(letter?.deadLetter?.reason, "Unknown")
        assert.strictEqual(letter?.deadLetter?.description, "what")
        assert.strictEqual(letter?.deadLetter?.details?.service, "orders")
        assert.strictEqual(letter?.deadLetter?.deliveryCount, 1)
      }).pipe(Effect.scoped)
  )

  it.live("R3.2 what could not be settled, or was not run, is given back", () =>
    Effect.gen(function* () {
      const opened = yield* open
      yield* world.send(opened.provider, ["m-1", "m-2"])
      const handler = yield* functionOf(opened.emulator, {
        handler: () => Effect.void,
        settlement: "actions",
        concurrency: 1
      })
      const { messages, receiver } = yield* receiving(opened, 2)
      const called = functions.binding(messages, receiver, {
        fails: (call) => (call === "complete m-1" ? new Error("the host says no") : undefined)
      })
      yield* run(called, handler)
      assert.deepStrictEqual(called.asked.calls, ["complete m-1", "complete m-2", "abandon m-1"])
    }).pipe(Effect.scoped)
  )

  it.live("R5.3 closed in the middle of a call it settles what is done and what is not", () =>
    Effect.gen(function* () {
      const opened = yield* open
      yield* world.send(opened.provider, ["quick", "slow", "later"])
      const begun = Promise.withResolvers<void>()
      const ended: Array<string> = []
      const handler = yield* functionOf(opened.emulator, {
        handler: (message) =>
          textOf(message) === "quick"
            ? Effect.void
            : Effect.sync(() => begun.resolve()).pipe(
                Effect.andThen(Effect.never),
                Effect.onInterrupt(() =>
                  Effect.delay(
                    Effect.sync(() => ended.push(textOf(message))),
                    "30 millis"
                  )
                )
              ),
        settlement: "actions",
        concurrency: 1
      })
      const { messages, receiver } = yield* receiving(opened, 3)
      const called = functions.binding(messages, receiver)
      const running = yield* Effect.forkChild(run(called, handler), { startImmediately: true })
      yield* Effect.promise(() => begun.promise)
      yield* Effect.promise(() => handler.close())
      assert.deepStrictEqual(ended, ["slow"])
      assert.deepStrictEqual(called.asked.calls, [
        "complete quick",
        "abandon slow",
        "abandon later"
      ])
      yield* Fiber.join(running)
      const client = yield* QueueClient.make(opened.provider)
      const left = yield* client.peek(plain, { max: 10 })
      assert.deepStrictEqual(left.map(textOf), ["slow", "later"])
    }).pipe(Effect.scoped)
  )

  const fate = fc.record({
    session: fc.constantFrom("a", "b", "c"),
    ends: fc.constantFrom("succeeds", "succeeds", "fails once", "fails", "refuses", "dies once")
  })

  type Fates = ReadonlyArray<{ readonly session: string; readonly ends: string }>

  it.live(
    "R4.1 R4.7 R3.2 in every session in order, nothing lost, dead-lettered only for cause",
    () =>
      Effect.gen(function* () {
        const opened = yield* open
        const samples = fc.sample(fc.array(fate, { minLength: 1, maxLength: 10 }), {
          numRuns: 12,
          seed: 10_006
        })
        for (const [nth, fates] of samples.entries()) yield* history(opened, nth, fates)
      }).pipe(Effect.scoped)
  )

  type Ending = string | HandlerFailure.Permanent

  /** Everything that a host does until the queue is empty, and what must hold of it. */
  const history = Effect.fnUntraced(function* (opened: world.Opened, nth: number, fates: Fates) {
    const failures = new Map<string, number>()
    const overtaken: Array<string> = []
    const over = new Set<string>()
    const idOf = (index: number): string => `${fates[index]?.session}-${index}`
    const placeOf = (id: string): number => Number(id.slice(2))

    const ending = (id: string): Effect.Effect<void, Ending> => {
      const ends = fates[placeOf(id)]?.ends ?? "is not there"
      const failed = failures.get(id) ?? 0
      const isDone = ends === "succeeds" || (ends.endsWith("once") && failed > 0)
      if (!isDone) failures.set(id, failed + 1)
      // What is put aside is over as well, for those behind it.
      if (isDone || ends === "refuses" || failed === 4) over.add(id)
      if (isDone) return Effect.void
      if (ends === "dies once") return Effect.die("a bug")
      return ends === "refuses"
        ? Effect.fail(new HandlerFailure.Permanent({ reason: "Refused" }))
        : Effect.fail("no")
    }

    const handler = yield* functionOf<Ending>(opened.emulator, {
      queue: ordered,
      settlement: "actions",
      handler: (message) =>
        Effect.suspend(() => {
          const id = textOf(message)
          for (const [index, { session }] of fates.entries()) {
            if (index >= placeOf(id) || !id.startsWith(session) || over.has(idOf(index))) continue
            overtaken.push(`${id} began before ${idOf(index)} ended`)
          }
          return ending(id)
        })
    })
    const client = yield* QueueClient.make(opened.provider)
    for (const [index, { session }] of fates.entries()) {
      const sessionId = SessionId.makeUnsafe(`${session}${nth}`)
      yield* client.send(ordered, yield* Message.text(idOf(index), { sessionId }))
    }
    const sdk = world.sdk(opened.client)
    const sessions = [...new Set(fates.map(({ session }) => `${session}${nth}`))]
    /** One hold of a session: until it is empty, or is asked to be let go of. */
    const hold = async (session: string): Promise<void> => {
      const receiver = await sdk.acceptSession("ordered", session)
      while (true) {
        const messages = await receiver.receiveMessages(4, { maxWaitTimeInMs: 50 })
        if (messages.length === 0) break
        const called = functions.binding(messages, receiver)
        await handler(called.input, called.context)
        if (called.asked.isReleased) break
      }
      await receiver.close()
    }
    while ((yield* client.peek(ordered)).length > 0) {
      yield* Effect.forEach(sessions, (session) => Effect.promise(() => hold(session)))
    }
    const letters: Array<string> = []
    while (true) {
      const dead = QueueAddress.deadLetter(ordered)
      const some = yield* client.receive(dead, { max: 10, wait: "20 millis" })
      if (some.length === 0) break
      letters.push(...some.map(textOf))
      yield* client.settle(some, Verdict.complete)
    }
    assert.deepStrictEqual(overtaken, [])
    for (const [index, { ends }] of fates.entries()) {
      const id = idOf(index)
      const isDead = ends === "refuses" || ends === "fails"
      assert.isTrue(over.has(id), `${id} is lost`)
      assert.strictEqual(letters.includes(id), isDead, `${id}, which ${ends}`)
      // Those behind a failing one are not counted: it has all its deliveries, as they have theirs.
      if (ends === "fails") assert.strictEqual(failures.get(id), 5)
    }
  })
})
