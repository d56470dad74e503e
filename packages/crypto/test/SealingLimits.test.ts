import { assert, describe, it } from "@effect/vitest"
import { Defaults, Message, QueueClient, QueueError, QueueProvider } from "@queue-runtime/core"
import { Context, Effect, Layer, Option, Result } from "effect"
import { KeyProviderMemory, type Sealing } from "../src/index.ts"
import * as envelope from "../src/internal/envelope.ts"
import { keyOf, keys, message, session, text } from "./support.ts"
import * as World from "./support/world.ts"

const { address, all, ordered, orders } = World

const bytes = (size: number, id: string, options: Message.Options = {}): Message.Stamped => ({
  ...message("", { id, ...options }),
  body: new Uint8Array(size)
})

/** A broker with these limits; the sizes of the calls that it got. */
const limited = (sendSizeMax: number, messageSizeMax = sendSizeMax) => {
  const calls: Array<ReadonlyArray<number>> = []
  const refused = new Map<string, QueueError.QueueError | "whole call">()
  const between = (provider: QueueProvider.Service): QueueProvider.Service => ({
    ...provider,
    capabilities: (queue) => ({ ...provider.capabilities(queue), sendSizeMax, messageSizeMax }),
    send: (queue, messages) => {
      calls.push(messages.map(Message.size))
      const whole = messages.some(({ messageId }) => refused.get(messageId) === "whole call")
      if (whole) return Effect.fail(QueueError.make(new QueueError.Throttled()))
      return Effect.map(provider.send(queue, messages), (outcomes) =>
        outcomes.map((outcome, place) => {
          const failure = refused.get(messages[place]?.messageId ?? "")
          return failure === undefined || failure === "whole call" ? outcome : Result.fail(failure)
        })
      )
    }
  })
  return { between, calls, refused }
}

const throttled = QueueError.make(new QueueError.Throttled())

describe("Sealing: sizes", () => {
  it.effect("R1.7 a message of the size that is declared fits when it is sealed or signed", () =>
    Effect.gen(function* () {
      const id = "k".repeat(Defaults.cryptoKeyIdSizeMax)
      for (const mode of ["encrypt", "sign"] as const) {
        const { between } = limited(4_096)
        const world = yield* World.make({
          mode,
          between,
          memory: { messageSizeMax: 4_096 },
          keys: { keys: [keyOf("k"), { ...keyOf("x"), id }], current: id }
        })
        const { messageSizeMax } = world.sealed.capabilities(orders)
        const empty = Message.size(bytes(0, "m-1"))
        const largest = bytes(messageSizeMax - empty, "m-1")
        yield* world.sealed.send(orders, [largest])
        const [stored] = yield* world.raw.peek(address, { max: 1 })
        assert.isDefined(stored)
        assert.isAtMost(Message.size(stored), 4_096)
        // With the longest id of a key there is no room left.
        assert.isAtLeast(Message.size(stored), 4_094)
        assert.deepStrictEqual((yield* world.sealed.receive(address, all))[0]?.body, largest.body)
      }
    })
  )

  it.effect("R1.7 the client refuses what would not fit, before anything is sent", () =>
    Effect.gen(function* () {
      const world = yield* World.make({ memory: { messageSizeMax: 4_096 } })
      const client = yield* Effect.map(
        Layer.build(
          QueueClient.layer().pipe(
            Layer.provide(Layer.succeed(QueueProvider.QueueProvider, world.sealed))
          )
        ),
        Context.get(QueueClient.QueueClient)
      )
      const error = yield* Effect.flip(
        client.send(orders, yield* Message.bytes(new Uint8Array(4_050)))
      )
      assert.strictEqual(error.reason._tag, "MessageTooLarge")
      assert.strictEqual((yield* world.raw.peek(address, { max: 1 })).length, 0)
    })
  )

  it.effect(
    "R3.11 a queue that is off declares what the provider does; limits never fall below 1",
    () =>
      Effect.gen(function* () {
        const { between } = limited(50)
        const world = yield* World.make({
          mode: "off",
          between,
          queues: { ordered: { mode: "sign" } }
        })
        assert.strictEqual(world.sealed.capabilities(orders).messageSizeMax, 50)
        const { messageSizeMax, sendSizeMax } = world.sealed.capabilities(ordered)
        assert.deepStrictEqual([messageSizeMax, sendSizeMax], [1, 1])
      })
  )

  it.effect("R3.9 a batch that grew over the limit of a call goes out in several, in order", () =>
    Effect.gen(function* () {
      const { between, calls } = limited(400)
      const world = yield* World.make({ between })
      const messages = ["1", "2", "3", "4", "5"].map((id) => bytes(30, id))
      const outcomes = yield* world.sealed.send(orders, messages)
      assert.deepStrictEqual(
        outcomes.map((one) => Result.isSuccess(one) && String(one.success.messageId)),
        ["1", "2", "3", "4", "5"]
      )
      assert.isAbove(calls.length, 1)
      for (const sizes of calls)
        assert.isAtMost(
          sizes.reduce((sum, one) => sum + one, 0),
          400
        )
      const received = yield* world.sealed.receive(address, all)
      assert.deepStrictEqual(
        received.map(({ messageId }) => String(messageId)),
        ["1", "2", "3", "4", "5"]
      )
    })
  )

  it.effect("R3.9 a batch that fits once its bytes are counted goes out in one call", () =>
    Effect.gen(function* () {
      const { between, calls } = limited(400)
      const world = yield* World.make({ between })
      // By the quick estimate, three bytes a letter, these ids alone would fill a call.
      const messages = ["1", "2"].map((id) => bytes(10, id.repeat(100)))
      const outcomes = yield* world.sealed.send(orders, messages)
      assert.isTrue(outcomes.every(Result.isSuccess))
      assert.strictEqual(calls.length, 1)
      assert.strictEqual(calls[0]?.length, 2)
    })
  )

  it.effect("R3.11 a call over the declared size is refused whole, though it could be cut", () =>
    Effect.gen(function* () {
      const { between, calls } = limited(400)
      const world = yield* World.make({ between })
      const messages = ["1", "2", "3", "4", "5"].map((id) => bytes(60, id))
      const error = yield* Effect.flip(world.sealed.send(orders, messages))
      assert.strictEqual(error.reason._tag, "ValidationFailed")
      assert.strictEqual(calls.length, 0)
    })
  )

  it.effect("R3.9 nothing of a session is sent behind a failure of it", () =>
    Effect.gen(function* () {
      const { between, calls, refused } = limited(200, 1_000)
      const world = yield* World.make({ between })
      const options = { sessionId: session }
      refused.set("1", throttled)
      const outcomes = yield* world.sealed.send(ordered, [
        bytes(60, "1", options),
        bytes(60, "2", options),
        bytes(60, "3", options)
      ])
      assert.isTrue(outcomes.every(Result.isFailure))
      assert.strictEqual(outcomes.length, 3)
      // The first call alone: the others held nothing but what was behind the failure.
      assert.strictEqual(calls.length, 1)
    })
  )

  it.effect(
    "R3.9 a call that fails as a whole ends the sending, and only then nothing took effect",
    () =>
      Effect.gen(function* () {
        const { between, refused } = limited(200, 1_000)
        const world = yield* World.make({ between })
        const messages = ["1", "2", "3"].map((id) => bytes(60, id))
        refused.set("1", "whole call")
        const error = yield* Effect.flip(world.sealed.send(orders, messages))
        assert.strictEqual(error.reason._tag, "Throttled")
        refused.clear()
        refused.set("2", "whole call")
        const outcomes = yield* world.sealed.send(orders, messages)
        assert.deepStrictEqual(
          outcomes.map((one) => one._tag),
          ["Success", "Failure", "Failure"]
        )
      })
  )

  it.effect("R3.9 a provider that answers too few outcomes is a defect", () =>
    Effect.gen(function* () {
      const { between } = limited(200, 1_000)
      const world = yield* World.make({
        between: (provider) => ({ ...between(provider), send: () => Effect.succeed([]) })
      })
      const messages = ["1", "2"].map((id) => bytes(60, id))
      const exit = yield* Effect.exit(world.sealed.send(orders, messages))
      assert.include(String(exit), "fewer outcomes than messages")
    })
  )
})

describe("Sealing: options", () => {
  it.effect("R8.7 an option out of its range is ConfigurationInvalid, with its path", () =>
    Effect.gen(function* () {
      // Callers without types exist.
      const keyOfProblem = (given: object) => {
        const options: Sealing.Options = given
        return Effect.map(Effect.flip(World.make(options)), ({ reason }) =>
          reason._tag === "ConfigurationInvalid" ? reason.key : reason._tag
        )
      }
      const wrong = { mode: "rot13" }
      assert.strictEqual(yield* keyOfProblem(wrong), "mode")
      assert.strictEqual(yield* keyOfProblem({ queues: { orders: wrong } }), "queues.orders.mode")
      assert.strictEqual(yield* keyOfProblem({ queues: { "-": {} } }), "queues.-")
      assert.strictEqual(yield* keyOfProblem({ plaintext: "maybe" }), "plaintext")
      assert.strictEqual(yield* keyOfProblem({ freshnessFrom: "birth" }), "freshnessFrom")
      assert.strictEqual(yield* keyOfProblem({ freshness: "Infinity" }), "freshness")
      assert.strictEqual(yield* keyOfProblem({ nonceWindow: -1 }), "nonceWindow")
    })
  )

  it.effect("R8.7 what a queue leaves undefined is as for all queues", () =>
    Effect.gen(function* () {
      // Callers without exact optional properties exist.
      const shapes: ReadonlyArray<object> = [
        { mode: "off", queues: { orders: { mode: undefined } } },
        { mode: "off", queues: { orders: undefined } }
      ]
      for (const shape of shapes) {
        const options: Sealing.Options = shape
        const world = yield* World.make(options)
        yield* world.sealed.send(orders, [message("clear")])
        const [stored] = yield* world.raw.peek(address, { max: 1 })
        assert.strictEqual(text(stored?.body ?? new Uint8Array()), "clear")
      }
    })
  )

  it.effect("R8.3 the id of a key has 1 to 64 bytes of well-formed UTF-8", () =>
    Effect.gen(function* () {
      const { cryptoKeyIdSizeMax: max } = Defaults
      for (const id of ["", "k".repeat(max + 1), "ü".repeat(max / 2 + 1), "\ud800"]) {
        const made = KeyProviderMemory.make({ keys: [{ ...keyOf("k"), id }], current: id })
        const error = yield* Effect.flip(made)
        assert.include(error.message, `1–${max} bytes`)
      }
      const id = "ü".repeat(max / 2)
      const own = yield* KeyProviderMemory.make({ keys: [{ ...keyOf("k"), id }], current: id })
      const header = {
        mode: "sealed",
        key: yield* own.current(orders),
        sealedAt: 2 ** 40 + 5,
        delay: 2 ** 33,
        nonce: new Uint8Array(12)
      } as const
      const bound = envelope.encode(header, message("a"))
      const read = envelope.decode(envelope.join(bound, new Uint8Array(16)), "sealed")
      assert.isTrue(Result.isSuccess(read))
      const decoded = Option.getOrThrow(Result.getSuccess(read)).header
      assert.deepInclude(decoded, { sealedAt: 2 ** 40 + 5, delay: 2 ** 33, key: { id } })
      assert.strictEqual(keys("a").current, "a")
    })
  )
})
