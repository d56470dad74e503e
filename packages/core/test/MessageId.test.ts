import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Random from "effect/Random"
import * as Schema from "effect/Schema"
import * as MessageId from "../src/MessageId.ts"
import * as QueueError from "../src/QueueError.ts"
import { units } from "./support/arbitraries.ts"
import { untyped } from "./support/untyped.ts"

const rule = "must have 1–128 printable ASCII characters"

const failed = (problem: string) => new QueueError.ValidationFailed({ field: "messageId", problem })

describe("MessageId", () => {
  it.effect.each([" ", "~", "a b", "acme/shop/pull/42", "--", "x".repeat(128)])(
    "R1.1 an id by the rule is one: %s",
    Effect.fnUntraced(function* (value) {
      assert.strictEqual(yield* MessageId.make(value), value)
      assert.strictEqual(MessageId.makeUnsafe(value), value)
      assert.isTrue(MessageId.is(value))
      assert.strictEqual(yield* Schema.decodeEffect(MessageId.MessageId)(value), value)
    })
  )

  it.effect.each([
    ["", `${rule}; got 0 characters`],
    ["x".repeat(129), `${rule}; got 129 characters`],
    ["a\u001f", `${rule}; got U+001F at index 1`],
    ["a\u007f", `${rule}; got U+007F at index 1`],
    ["\tx", `${rule}; got U+0009 at index 0`],
    ["é", `${rule}; got U+00E9 at index 0`],
    ["ab\ud800", `${rule}; got U+D800 at index 2`]
  ] as const)(
    "R1.1 a bad id is refused with the field and the rule: %j",
    Effect.fnUntraced(function* ([value, problem]) {
      const error = yield* Effect.flip(MessageId.make(value))
      assert.deepStrictEqual(error.reason, failed(problem))
      assert.strictEqual(error.retry, "Never")
      assert.isFalse(MessageId.is(value))
      assert.throws(() => MessageId.makeUnsafe(value), problem)
    })
  )

  it.effect("R1.1 what is no string is refused, not a crash", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(MessageId.make(untyped(undefined)))
      assert.deepStrictEqual(error.reason, failed("must be a string; got undefined"))
      assert.isFalse(MessageId.is(42))
    })
  )

  it.effect.prop(
    "R1.1 valid if and only if the rule says so",
    { start: units, ascii: Schema.Boolean },
    Effect.fnUntraced(function* ({ start, ascii }) {
      // Random units alone are hardly ever valid: half of them are folded to around ASCII.
      const value = ascii ? start.replaceAll(/[^\t-\u0080]/gu, "x") : start
      const valid = /^[\u0020-\u007e]{1,128}$/u.test(value)
      const result = yield* Effect.option(MessageId.make(value))
      assert.strictEqual(result._tag === "Some", valid)
      assert.strictEqual(MessageId.is(value), valid)
      assert.strictEqual(Schema.is(MessageId.MessageId)(value), valid)
    }),
    { arbitrary: { runs: 500 } }
  )

  const uuid4 = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/u

  it.effect("R1.1 a generated id is a version 4 UUID, and no two are the same", () =>
    Effect.gen(function* () {
      const ids = yield* Effect.replicateEffect(MessageId.generate, 1_000)
      for (const id of ids) assert.match(id, uuid4)
      assert.strictEqual(new Set(ids).size, ids.length)
    })
  )

  it.effect("R1.1 a seeded run stamps the same ids again", () =>
    Effect.gen(function* () {
      const some = Effect.replicateEffect(MessageId.generate, 3)
      const first = yield* Random.withSeed(some, "seed")
      assert.deepStrictEqual(yield* Random.withSeed(some, "seed"), first)
      assert.notDeepEqual(yield* Random.withSeed(some, "another"), first)
    })
  )

  it.effect.each([
    [0, "00000000-0000-4000-8000-000000000000"],
    [0.5, "80000000-8000-4000-8000-000080000000"],
    [1 - 2 ** -53, "ffffffff-ffff-4fff-bfff-ffffffffffff"]
  ] as const)(
    "R1.1 every bit of the random number is used and none is too many: %s",
    Effect.fnUntraced(function* ([random, id]) {
      const fixed = { nextIntUnsafe: () => 0, nextDoubleUnsafe: () => random }
      const generated = Effect.provideService(MessageId.generate, Random.Random, fixed)
      assert.strictEqual<string>(yield* generated, id)
    })
  )
})
