import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Defaults from "../src/Defaults.ts"
import * as TraceContext from "../src/TraceContext.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"
const known = `00-${traceId}-${spanId}-01`

describe("TraceContext", () => {
  it("R9.1 reads what it writes, tracestate included", () => {
    for (const sampled of [true, false]) {
      for (const state of [undefined, "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE"]) {
        const context = { traceId, spanId, sampled, ...(state === undefined ? {} : { state }) }
        const read = TraceContext.fromAttributes(TraceContext.toAttributes(context))
        assert.deepStrictEqual(read, Option.some(context))
      }
    }
  })

  it.each([
    ["no text", ""],
    ["a trace of zeros", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a span of zeros", `00-${traceId}-${"0".repeat(16)}-01`],
    ["capital letters", known.toUpperCase()],
    ["version ff", known.replace("00-", "ff-")],
    ["more behind version 00", `${known}-more`],
    ["too short an id", known.replace("4bf", "")],
    ["no flags", known.slice(0, -3)],
    ["flags that are none", `${known.slice(0, -2)}zz`]
  ])("R9.1 a traceparent with %s is no context", (_, parent) => {
    assert.deepStrictEqual(TraceContext.parse(parent), Option.none())
  })

  it("R9.1 a later version is read as far as it is known", () => {
    const read = TraceContext.parse(`cc-${traceId}-${spanId}-03-what-the-future-brings`)
    assert.deepStrictEqual(read, Option.some({ traceId, spanId, sampled: true }))
  })

  it.each([
    ["too long", `a=${"b".repeat(Defaults.traceStateLengthMax)}`],
    ["without a value", "a="],
    ["without a key", "=b"],
    ["with a control character", "a=\u0001"],
    ["empty", " , "]
  ])("R9.1 a tracestate that is %s is left out alone", (_, state) => {
    assert.deepStrictEqual(
      TraceContext.parse(known, state),
      Option.some({ traceId, spanId, sampled: true })
    )
  })

  it("R9.1 attributes without a context carry none", () => {
    assert.deepStrictEqual(TraceContext.fromAttributes({ a: "b" }), Option.none())
  })

  it.effect("R9.1 a span has a context, one that leads nowhere has none", () =>
    Effect.gen(function* () {
      const span = yield* Effect.makeSpan("one")
      const state = { traceId: span.traceId, state: "a=b" }
      const context = Option.getOrThrow(TraceContext.fromSpan(span, state))
      assert.deepStrictEqual(context, {
        traceId: span.traceId,
        spanId: span.spanId,
        sampled: true,
        state: "a=b"
      })
      assert.strictEqual(TraceContext.toSpan(context).spanId, span.spanId)
      const other = TraceContext.fromSpan(span, { traceId, state: "a=b" })
      assert.isUndefined(Option.getOrThrow(other).state)
      const off = yield* Effect.makeSpan("off").pipe(Effect.withTracerEnabled(false))
      assert.deepStrictEqual(TraceContext.fromSpan(off), Option.none())
    })
  )
})
