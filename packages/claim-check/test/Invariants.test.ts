import { assert, describe, it } from "@effect/vitest"
import {
  type BlobStore,
  DeadLetters,
  QueueClient,
  QueueError,
  type QueueProvider,
  Verdict
} from "@queue-runtime/core"
import { Duration, Effect, References, Result, Stream } from "effect"
import { TestClock } from "effect/testing"
import * as fc from "fast-check"
import * as claims from "../src/internal/claim.ts"
import * as World from "./support/world.ts"

const { address, dead, message, orders, receiptsOf, stored, turns } = World

type Step =
  | { readonly _tag: "Send"; readonly id: number; readonly isLarge: boolean }
  | { readonly _tag: "Settle"; readonly how: "complete" | "abandon" | "deadLetter" }
  | { readonly _tag: "Replay" }
  | { readonly _tag: "Purge" }
  | { readonly _tag: "Wait"; readonly seconds: number }
  | { readonly _tag: "Fault"; readonly where: "store" | "send" | "settle" | "refused" }

const stepOf = (ids: number, faults: boolean): fc.Arbitrary<Step> =>
  fc.oneof(
    {
      weight: 6,
      arbitrary: fc.record({
        _tag: fc.constant("Send" as const),
        id: fc.nat({ max: ids }),
        isLarge: fc.boolean()
      })
    },
    {
      weight: 6,
      arbitrary: fc.record({
        _tag: fc.constant("Settle" as const),
        how: fc.constantFrom("complete" as const, "abandon" as const, "deadLetter" as const)
      })
    },
    { weight: 2, arbitrary: fc.constant({ _tag: "Replay" } as const) },
    { weight: 1, arbitrary: fc.constant({ _tag: "Purge" } as const) },
    {
      weight: 1,
      arbitrary: fc.record({
        _tag: fc.constant("Wait" as const),
        seconds: fc.constantFrom(1, 40, 400)
      })
    },
    ...(faults
      ? [
          {
            weight: 3,
            arbitrary: fc.record({
              _tag: fc.constant("Fault" as const),
              where: fc.constantFrom(
                "store" as const,
                "send" as const,
                "settle" as const,
                "refused" as const
              )
            })
          }
        ]
      : [])
  )

/**
 * One fault each: a send or a settlement that took effect and whose reply is lost, a settlement that is
 * refused, a store that is away.
 */
const makeFaults = () => {
  const pending = new Set<string>()
  const lost = QueueError.make(new QueueError.Timeout({ after: Duration.seconds(1) }))
  const expired = QueueError.make(new QueueError.ReceiptExpired())
  const replied = <A>(where: string, call: Effect.Effect<A, QueueError.QueueError>) =>
    Effect.flatMap(call, (answer) =>
      pending.delete(where) ? Effect.fail(lost) : Effect.succeed(answer)
    )
  const asked = <A>(call: Effect.Effect<A, QueueError.QueueError>) =>
    Effect.suspend(() => (pending.delete("store") ? Effect.fail(lost) : call))
  return {
    pending,
    between: (provider: QueueProvider.Service): QueueProvider.Service => ({
      ...provider,
      send: (queue, messages) => replied("send", provider.send(queue, messages)),
      settle: (receipts, verdict) =>
        replied(
          "settle",
          Effect.suspend(() =>
            pending.delete("refused")
              ? Effect.succeed(receipts.map(() => Result.fail(expired)))
              : provider.settle(receipts, verdict)
          )
        )
    }),
    before: (store: BlobStore.Service): BlobStore.Service => ({
      ...store,
      put: (key, body, options) => asked(store.put(key, body, options)),
      get: (key) => asked(store.get(key)),
      delete: (key) => asked(store.delete(key))
    })
  }
}

const verdicts = {
  complete: Verdict.complete,
  abandon: Verdict.abandon(),
  deadLetter: Verdict.deadLetter("Bad")
}

/** The keys that messages claim, wherever they lie, and whether each is what was put. */
const claimedKeys = Effect.fnUntraced(function* ({ raw }: World.World) {
  const some = { max: 1_000 }
  const messages = [...(yield* raw.peek(address, some)), ...(yield* raw.peek(dead, some))]
  return messages.flatMap(({ body }) => {
    const decoded = claims.decode(body)
    return decoded._tag === "Claim" ? [decoded.claim.key] : []
  })
})

/** Lets time pass for what waits: a replay that lost a letter looks for it again. */
const driven = Effect.fnUntraced(function* <A, E>(effect: Effect.Effect<A, E>) {
  const fiber = yield* Effect.forkChild(Effect.exit(effect))
  for (let second = 0; second < 600; second++) {
    yield* turns
    if (fiber.pollUnsafe() !== undefined) return
    yield* TestClock.adjust("1 second")
  }
  assert.fail("it does not end")
})

const run = Effect.fnUntraced(function* (steps: ReadonlyArray<Step>, isUnique: boolean) {
  const faults = makeFaults()
  const world = yield* World.make({
    queue: { deliveriesMax: 1_000 },
    between: faults.between,
    before: faults.before
  })
  const client = yield* QueueClient.make(world.claimed, { wait: 0 })
  const letters = yield* DeadLetters.make(client)
  let count = 0
  const sizeOf = (id: string): number => (id.endsWith("L") ? World.large : 10)
  for (const step of steps) {
    switch (step._tag) {
      case "Send": {
        const id = `${isUnique ? count++ : step.id}-${step.isLarge ? "L" : "S"}`
        yield* Effect.ignore(client.send(orders, message(sizeOf(id), id)))
        break
      }
      case "Settle": {
        const received = yield* Effect.orElseSucceed(client.receive(orders, { max: 2 }), () => [])
        // What is handed out is what was sent, whatever happened before.
        for (const { body, messageId } of received) {
          assert.strictEqual(body.byteLength, sizeOf(messageId))
        }
        yield* Effect.ignore(world.claimed.settle(receiptsOf(received), verdicts[step.how]))
        break
      }
      case "Replay":
        yield* driven(Stream.runDrain(letters.replay(orders, DeadLetters.all)))
        break
      case "Purge":
        yield* driven(Stream.runDrain(letters.purge(orders, DeadLetters.all)))
        break
      case "Wait":
        yield* TestClock.adjust(Duration.seconds(step.seconds))
        break
      case "Fault":
        faults.pending.add(step.where)
    }
  }
  return { keys: yield* claimedKeys(world), blobs: yield* stored(world), world }
}, Effect.scoped)

const check = (
  isUnique: boolean,
  withFaults: boolean,
  property: (outcome: Effect.Success<ReturnType<typeof run>>) => void
) =>
  Effect.promise(() =>
    fc.assert(
      fc.asyncProperty(fc.array(stepOf(3, withFaults), { minLength: 1, maxLength: 40 }), (steps) =>
        Effect.runPromise(
          Effect.map(run(steps, isUnique), property).pipe(
            Effect.provideService(References.MinimumLogLevel, "None"),
            Effect.provide(TestClock.layer(), { local: true })
          )
        )
      ),
      { numRuns: 100 }
    )
  )

describe("ClaimCheck: whatever happens", () => {
  it.live("R3.2 every claim has its blob, and every blob its claim", () =>
    check(true, false, ({ blobs, keys }) => {
      assert.sameMembers([...blobs], keys)
      assert.strictEqual(new Set(keys).size, keys.length)
    })
  )

  it.live("R3.2 no claim loses its blob, when ids are used again too", () =>
    check(false, false, ({ blobs, keys }) => {
      assert.includeMembers([...blobs], keys)
    })
  )

  it.live("R3.2 no claim loses its blob when replies are lost and the store is away", () =>
    check(true, true, ({ blobs, keys }) => {
      assert.includeMembers([...blobs], keys)
    })
  )
})
