import { assert, describe, it } from "@effect/vitest"
import * as Option from "effect/Option"
import * as Tracer from "effect/Tracer"
import * as carrying from "../../../src/internal/telemetry/carrying.ts"
import * as Message from "../../../src/Message.ts"
import * as MessageId from "../../../src/MessageId.ts"
import * as TraceContext from "../../../src/TraceContext.ts"
import * as Received from "../../support/Received.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"
const parent = `00-${traceId}-${spanId}-01`
const mark = "queue-runtime=1"

const message = (attributes: Message.Attributes): Message.Stamped =>
  Message.stamp(
    new Message.Message({ body: new Uint8Array(3), attributes }),
    MessageId.makeUnsafe("m-1")
  )

/** Without the state: of what the library wrote there is nothing in it to hand on. */
const idsOf = (context: TraceContext.TraceContext | undefined) =>
  context === undefined
    ? undefined
    : { traceId: context.traceId, spanId: context.spanId, sampled: context.sampled }

const replaced = (text: string, at: number, by: string): string =>
  text.slice(0, at) + by + text.slice(at + 1)

describe("carrying", () => {
  it("R9.1 reads what it wrote, sampled or not", () => {
    for (const sampled of [true, false]) {
      const context = { traceId, spanId, sampled }
      const [sent] = carrying.inject([message({ kind: "invoice" })], context)
      assert(sent !== undefined)
      assert.strictEqual(sent.attributes["traceparent"], TraceContext.format(context))
      assert.strictEqual(sent.attributes["tracestate"], mark)
      assert.deepStrictEqual(carrying.contextOf(sent), context)
    }
  })

  it("R9.1 reads every text as the recommendation has it, whoever wrote it", () => {
    // The last two have a digit in their lower bits.
    const others = ["0", "g", "G", "A", "/", ":", "`", "-", " ", "f", "\u00b1", "\u0131"]
    const texts = [...parent].flatMap((_, at) => others.map((by) => replaced(parent, at, by)))
    const odd = [
      "",
      parent.slice(0, -1),
      `${parent}-more`,
      `01-${traceId}-${spanId}-01-more`,
      `00-${"0".repeat(32)}-${spanId}-01`,
      `00-${traceId}-${"0".repeat(16)}-01`,
      `00-${traceId}-${spanId}-03`,
      parent.toUpperCase()
    ]
    for (const traceparent of [parent, ...texts, ...odd]) {
      const attributes = { traceparent, tracestate: mark }
      assert.deepStrictEqual(
        idsOf(carrying.contextOf({ attributes })),
        idsOf(Option.getOrUndefined(TraceContext.fromAttributes(attributes))),
        traceparent
      )
    }
  })

  it("R9.1 a span has the context that its ids make", () => {
    const ids = [
      [traceId, spanId],
      ["noop", "noop"],
      [traceId.toUpperCase(), spanId],
      [traceId, spanId.slice(1)],
      ["0".repeat(32), spanId],
      [traceId, "0".repeat(16)]
    ] as const
    for (const [trace, span] of ids) {
      const external = Tracer.externalSpan({ traceId: trace, spanId: span, sampled: true })
      for (const state of [undefined, { traceId, state: "vendor=1" }]) {
        assert.deepStrictEqual(
          carrying.contextOfSpan(external, state),
          Option.getOrUndefined(TraceContext.fromSpan(external, state)),
          `${trace} ${span}`
        )
      }
    }
  })

  it("R9.1 one call's messages have one context, others their own, and some none", () => {
    const foreign = `00-${traceId}-${"1".repeat(16)}-00`
    const own = { traceparent: parent, tracestate: mark }
    const traceContext = { traceId, spanId: "2".repeat(16), sampled: true }
    const contexts = carrying.contextsOf([
      message({}),
      message(own),
      message({ ...own, other: "attribute" }),
      { attributes: {}, traceContext },
      message({}),
      message({ traceparent: foreign })
    ])
    assert.deepStrictEqual(
      contexts.map((context) => context.spanId),
      [spanId, spanId, "2".repeat(16), "1".repeat(16)]
    )
  })

  it("R9.1 what was added is taken out, and what others added stays", () => {
    const received = (attributes: Message.Attributes) => ({
      ...Received.make(),
      attributes
    })
    const state = (tracestate: string) =>
      carrying.extract(received({ kind: "invoice", traceparent: parent, tracestate }))
    assert.deepStrictEqual(state(mark).attributes, { kind: "invoice" })
    assert.deepStrictEqual(state(mark).traceContext, { traceId, spanId, sampled: true })
    const vendor = state(`${mark},vendor=1`)
    assert.deepStrictEqual(vendor.attributes, { kind: "invoice" })
    assert.strictEqual(vendor.traceContext?.state, "vendor=1")
    const flags = `00-${traceId}-${spanId}-03`
    const written = received({ traceparent: flags, tracestate: mark })
    assert.deepStrictEqual(carrying.extract(written).traceContext, {
      traceId,
      spanId,
      sampled: true
    })
    const broken = carrying.extract(received({ traceparent: "nothing", tracestate: mark }))
    assert.deepStrictEqual(broken.attributes, {})
    assert.isUndefined(broken.traceContext)
    const foreign = received({ traceparent: parent, tracestate: "vendor=1" })
    assert.strictEqual(carrying.extract(foreign), foreign)
  })
})
