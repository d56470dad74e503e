import { assert, describe, it } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Capabilities from "../src/Capabilities.ts"
import { capabilities } from "./support/RecordingProvider.ts"

describe("Capabilities", () => {
  it("R3.11 native and emulated are supported, unsupported is not", () => {
    assert.isTrue(Capabilities.isSupported("native"))
    assert.isTrue(Capabilities.isSupported("emulated"))
    assert.isFalse(Capabilities.isSupported("unsupported"))
  })

  it.effect.prop(
    "R3.11 capabilities are data: all of them come back from JSON",
    { value: Capabilities.Capabilities },
    Effect.fnUntraced(function* ({ value }) {
      const json = Schema.fromJsonString(Schema.toCodecJson(Capabilities.Capabilities))
      const text = yield* Schema.encodeEffect(json)(value)
      assert.deepStrictEqual(yield* Schema.decodeEffect(json)(text), value)
    })
  )

  it.each([
    "messageSizeMax",
    "sendCountMax",
    "sendSizeMax",
    "receiveCountMax",
    "settleCountMax"
  ] as const)("R3.11 %s is a whole number of at least 1", (key) => {
    const is = Schema.is(Capabilities.Capabilities)
    assert.isTrue(is({ ...capabilities, [key]: 1 }))
    for (const bad of [0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, "1"]) {
      assert.isFalse(is({ ...capabilities, [key]: bad }), `${key} ${bad}`)
    }
  })

  it("R4.4 an idle session is its holder's where sessions are native, or as its queue declares", () => {
    const { locksIdleSession } = Capabilities
    assert.isTrue(locksIdleSession({ sessions: "native" }))
    assert.isFalse(locksIdleSession({ sessions: "emulated" }))
    assert.isFalse(locksIdleSession({ sessions: "unsupported" }))
    assert.isTrue(locksIdleSession({ sessions: "emulated", locksIdleSession: true }))
    assert.isFalse(locksIdleSession({ sessions: "native", locksIdleSession: false }))
  })

  it("R3.11 support is one of three words, and nothing may be left out but the limits", () => {
    const is = Schema.is(Capabilities.Capabilities)
    const optional = new Set([
      "delayMax",
      "abandonDelayMax",
      "deduplicationWindow",
      "locksIdleSession"
    ])
    for (const key of Object.keys(Capabilities.Capabilities.fields)) {
      const { [key]: _, ...rest } = { ...capabilities } as Record<string, unknown>
      assert.strictEqual(is(rest), optional.has(key), key)
    }
    assert.isFalse(is({ ...capabilities, peek: "maybe" }))
  })
})
