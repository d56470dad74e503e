import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SessionId from "../src/SessionId.ts"
import * as QueueError from "../src/QueueError.ts"
import { units } from "./support/arbitraries.ts"
import { untyped } from "./support/untyped.ts"

const rule = "must have 1–128 printable ASCII characters"

const failed = (problem: string) => new QueueError.ValidationFailed({ field: "sessionId", problem })

describe("SessionId", () => {
  it.effect.each([" ", "~", "a b", "acme/shop/pull/42", "--", "x".repeat(128)])(
    "R1.1 an id by the rule is one: %s",
    Effect.fnUntraced(function* (value) {
      assert.strictEqual(yield* SessionId.make(value), value)
      assert.strictEqual(SessionId.makeUnsafe(value), value)
      assert.isTrue(SessionId.is(value))
      assert.strictEqual(yield* Schema.decodeEffect(SessionId.SessionId)(value), value)
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
      const error = yield* Effect.flip(SessionId.make(value))
      assert.deepStrictEqual(error.reason, failed(problem))
      assert.strictEqual(error.retry, "Never")
      assert.isFalse(SessionId.is(value))
      assert.throws(() => SessionId.makeUnsafe(value), problem)
    })
  )

  it.effect("R1.1 what is no string is refused, not a crash", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(SessionId.make(untyped(undefined)))
      assert.deepStrictEqual(error.reason, failed("must be a string; got undefined"))
      assert.isFalse(SessionId.is(42))
    })
  )

  it.effect.prop(
    "R1.1 valid if and only if the rule says so",
    { start: units, ascii: Schema.Boolean },
    Effect.fnUntraced(function* ({ start, ascii }) {
      // Random units alone are hardly ever valid: half of them are folded to around ASCII.
      const value = ascii ? start.replaceAll(/[^\t-\u0080]/gu, "x") : start
      const valid = /^[\u0020-\u007e]{1,128}$/u.test(value)
      const result = yield* Effect.option(SessionId.make(value))
      assert.strictEqual(result._tag === "Some", valid)
      assert.strictEqual(SessionId.is(value), valid)
      assert.strictEqual(Schema.is(SessionId.SessionId)(value), valid)
    }),
    { arbitrary: { runs: 500 } }
  )
})
